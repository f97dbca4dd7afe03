//! The socket backends: one suite, run over each.

mod sockets;

use std::net::{SocketAddr, UdpSocket};

use sockets::{ALL, drain_until, open, pattern};
use throng_net::io::{Apart, Backend, BackendChoice, BindError, SocketConfig, bind};
use throng_net::limits::{DATAGRAM_BYTES_MAX, HEADER_BYTES};
use throng_net::{Address, Peer};

/// Runs a test over every backend that this machine allows.
macro_rules! over_backends {
    ($($name:ident,)*) => {
        mod uring {
            $(#[test] fn $name() { super::$name(throng_net::io::BackendChoice::Uring); })*
        }
        mod mmsg {
            $(#[test] fn $name() { super::$name(throng_net::io::BackendChoice::Mmsg); })*
        }
    };
}

over_backends! {
    ipv4_datagrams_arrive_whole_and_are_echoed,
    ipv6_datagrams_arrive_whole_and_are_echoed,
    a_dual_stack_socket_speaks_both,
    who_reached_a_wildcard_by_any_address_is_answered_from_there,
    every_size_passes_and_larger_ones_are_counted,
    empty_datagrams_are_datagrams,
    datagrams_that_are_too_large_count_as_taken,
    what_is_apart_waits_in_a_queue_of_its_own,
    a_flood_of_what_is_apart_takes_no_room_from_the_rest,
    a_datagram_may_be_overwritten_where_it_lies,
    a_drain_keeps_to_its_limit_and_loses_nothing,
    a_drain_tells_how_a_datagram_to_come_begins,
    a_full_receive_buffer_drops_and_counts_and_never_waits,
    far_more_than_all_slots_is_received,
    an_unreachable_peer_disturbs_nobody,
    errors_of_single_sends_do_not_cost_the_others,
    a_port_in_use_is_a_clear_error,
    many_threads_share_the_socket,
    the_port_is_free_after_drop,
    another_thread_may_go_on_receiving,
}

/// Three thousand datagrams from several peers, each echoed to its sender with its contents checked both ways.
fn echo(choice: BackendChoice, listen: &str, peer: &str) {
    let Some(mut bound) = open(choice, SocketConfig::new(listen.parse().unwrap())) else { return };
    let port = bound.report.local_addr.port();
    let mut sender = bound.senders.make().unwrap();
    let peers: Vec<UdpSocket> = (0..5).map(|_| UdpSocket::bind(peer).unwrap()).collect();
    let target = SocketAddr::new(peers[0].local_addr().unwrap().ip(), port);
    let mut echoed = 0;
    for round in 0..20u32 {
        for (p, peer) in peers.iter().enumerate() {
            for i in 0..30 {
                let datagram = pattern(round * 1000 + p as u32 * 100 + i);
                assert_eq!(peer.send_to(&datagram, target).unwrap(), datagram.len());
            }
        }
        let mut received = 0;
        drain_until(bound.receiver.as_mut(), |from, datagram| {
            let seed = u32::from_le_bytes(datagram[..4].try_into().unwrap());
            assert_eq!(datagram, pattern(seed));
            assert_eq!(from.address, peers[(seed / 100 % 10) as usize].local_addr().unwrap());
            sender.send(datagram, &Address::from(from));
            received += 1;
            received == 150
        });
        sender.flush();
        for (p, peer) in peers.iter().enumerate() {
            for _ in 0..30 {
                let mut back = [0; 2000];
                let (bytes, from) = peer.recv_from(&mut back).unwrap();
                let seed = u32::from_le_bytes(back[..4].try_into().unwrap());
                assert_eq!(back[..bytes], pattern(seed));
                assert_eq!((from, seed / 100 % 10), (target, p as u32));
                echoed += 1;
            }
        }
    }
    assert_eq!(echoed, 3000);
    let (received, sent) = (bound.receiver.stats(), sender.stats());
    assert_eq!((received.datagrams, received.oversized, received.kernel_drops), (3000, 0, 0));
    assert_eq!((sent.datagrams, sent.lost(), sent.bytes), (3000, 0, received.bytes));
}

fn ipv4_datagrams_arrive_whole_and_are_echoed(choice: BackendChoice) {
    echo(choice, "0.0.0.0:0", "127.0.0.1:0");
    echo(choice, "127.0.0.1:0", "127.0.0.1:0");
}

fn ipv6_datagrams_arrive_whole_and_are_echoed(choice: BackendChoice) {
    if UdpSocket::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    echo(choice, "[::1]:0", "[::1]:0");
}

fn a_dual_stack_socket_speaks_both(choice: BackendChoice) {
    if UdpSocket::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    echo(choice, "[::]:0", "[::1]:0");
    echo(choice, "[::]:0", "127.0.0.1:0");
}

fn who_reached_a_wildcard_by_any_address_is_answered_from_there(choice: BackendChoice) {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        if listen.starts_with('[') && UdpSocket::bind("[::1]:0").is_err() {
            println!("skipped: this machine has no IPv6");
            return;
        }
        let apart = Some(Apart { home_first: 5, home_last: 7, buffer_bytes: 1 << 20 });
        let config = SocketConfig { apart, ..SocketConfig::new(listen.parse().unwrap()) };
        let Some(mut bound) = open(choice, config) else { return };
        let port = bound.report.local_addr.port();
        let mut sender = bound.senders.make().unwrap();
        // Connected, a socket is given only what comes from the address that it asked.
        let peers: Vec<UdpSocket> = [[127, 0, 0, 1], [127, 0, 0, 2], [127, 9, 8, 7]]
            .map(|local| {
                let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
                peer.connect(SocketAddr::from((local, port))).unwrap();
                peer.set_nonblocking(true).unwrap();
                peer
            })
            .into();
        for first in [5, 9] {
            peers.iter().for_each(|peer| assert_eq!(peer.send(&[first; 100]).unwrap(), 100));
            let mut answer = |from: Peer, datagram: &mut [u8]| sender.send(datagram, &Address::from(from));
            let mut taken = bound.receiver.drain(100, &mut answer).unwrap();
            taken += bound.receiver.drain_apart(100, &mut answer).unwrap();
            assert_eq!(taken, peers.len());
            // More than one batch, with one among them that is told nothing of.
            let fourth = UdpSocket::bind("127.0.0.1:0").unwrap();
            (0..200).for_each(|_| sender.send(b"first", &Address::from(fourth.local_addr().unwrap())));
            sender.flush();
            for peer in &peers {
                let mut back = [0; 200];
                assert_eq!(
                    peer.recv(&mut back).unwrap(),
                    100,
                    "{choice} on {listen}: answered from elsewhere"
                );
                assert_eq!(back[..100], [first; 100]);
            }
            assert_eq!(fourth.recv(&mut [0; 200]).unwrap(), 5);
        }
        assert_eq!(sender.stats().datagrams, 406);
    }
}

fn every_size_passes_and_larger_ones_are_counted(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for bytes in 1..=DATAGRAM_BYTES_MAX {
        peer.send_to(&vec![bytes as u8; bytes], bound.report.local_addr).unwrap();
    }
    let mut next = 1;
    drain_until(bound.receiver.as_mut(), |_, datagram| {
        assert_eq!(datagram, vec![next as u8; next]);
        next += 1;
        next > DATAGRAM_BYTES_MAX
    });
    let oversized = [1201, 1202, 1235, 1236, 1237, 1280, 1281, 2048, 9000, 65_507];
    for bytes in oversized {
        peer.send_to(&vec![0; bytes], bound.report.local_addr).unwrap();
    }
    peer.send_to(b"end", bound.report.local_addr).unwrap();
    drain_until(bound.receiver.as_mut(), |_, datagram| datagram == b"end");
    let stats = bound.receiver.stats();
    assert_eq!((stats.oversized, stats.datagrams), (oversized.len() as u64, DATAGRAM_BYTES_MAX as u64 + 1));
}

fn datagrams_that_are_too_large_count_as_taken(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for i in 0..20 {
        peer.send_to(&vec![0; if i < 10 { 1201 } else { 4 }], bound.report.local_addr).unwrap();
    }
    // Whoever asks for ten and is given none must know that more are waiting.
    assert_eq!(bound.receiver.drain(10, &mut |_, _| panic!("too large")).unwrap(), 10);
    assert_eq!(bound.receiver.drain(100, &mut |_, datagram| assert_eq!(datagram, [0; 4])).unwrap(), 10);
    assert_eq!((bound.receiver.stats().oversized, bound.receiver.stats().datagrams), (10, 10));
}

/// Datagrams that begin with 5, 6 or 7 stay at home.
const APART: Apart = Apart { home_first: 5, home_last: 7, buffer_bytes: 4 << 20 };

fn what_is_apart_waits_in_a_queue_of_its_own(choice: BackendChoice) {
    let has_ipv6 = UdpSocket::bind("[::1]:0").is_ok();
    let ipv4 = [("127.0.0.1:0", "127.0.0.1:0"), ("0.0.0.0:0", "127.0.0.1:0")];
    let ipv6 = [("[::1]:0", "[::1]:0"), ("[::]:0", "[::1]:0"), ("[::]:0", "127.0.0.1:0")];
    for (listen, peer) in ipv4.into_iter().chain(ipv6.into_iter().filter(|_| has_ipv6)) {
        let config = SocketConfig { apart: Some(APART), ..SocketConfig::new(listen.parse().unwrap()) };
        let Some(mut bound) = open(choice, config) else { return };
        assert!(bound.report.apart_buffer.is_some(), "{}", bound.report);
        let peer = UdpSocket::bind(peer).unwrap();
        let to = SocketAddr::new(peer.local_addr().unwrap().ip(), bound.report.local_addr.port());
        peer.send_to(&[], to).unwrap();
        for first in 0..=255u8 {
            peer.send_to(&[first, 9, 9], to).unwrap();
        }
        let (mut home, mut apart) = (Vec::new(), Vec::new());
        let taken = bound.receiver.drain(1000, &mut |_, datagram| home.push(datagram.first().copied()));
        assert_eq!(taken.unwrap(), 4);
        let taken = bound.receiver.drain_apart(1000, &mut |_, datagram| apart.push(datagram[0]));
        assert_eq!(taken.unwrap(), 253);
        assert_eq!(home, [None, Some(5), Some(6), Some(7)], "{listen}");
        assert_eq!(apart, (0..=4).chain(8..=255).collect::<Vec<u8>>(), "{listen}");
        // Answers leave by the one socket, and the port is free again when all is dropped.
        let mut sender = bound.senders.make().unwrap();
        sender.send(b"answer", &Address::from(peer.local_addr().unwrap()));
        sender.flush();
        let mut back = [0; 10];
        assert_eq!(peer.recv_from(&mut back).unwrap(), (6, to));
        let listen = bound.report.local_addr;
        drop((bound, sender));
        assert!(UdpSocket::bind(listen).is_ok());
    }
}

fn a_flood_of_what_is_apart_takes_no_room_from_the_rest(choice: BackendChoice) {
    let apart = Some(Apart { buffer_bytes: 100_000, ..APART });
    let config = SocketConfig { apart, ..SocketConfig::new("127.0.0.1:0".parse().unwrap()) };
    let Some(mut bound) = open(choice, config) else { return };
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for i in 0..10_000 {
        peer.send_to(&[1; DATAGRAM_BYTES_MAX], bound.report.local_addr).unwrap();
        if i % 100 == 0 {
            peer.send_to(&[5; 100], bound.report.local_addr).unwrap();
        }
    }
    assert_eq!(bound.receiver.drain(1000, &mut |_, datagram| assert_eq!(datagram, [5; 100])).unwrap(), 100);
    let heard = bound.receiver.drain_apart(50, &mut |_, _| {}).unwrap();
    assert_eq!(heard, 50, "a drain keeps to its limit");
    let heard = heard + bound.receiver.drain_apart(10_000, &mut |_, _| {}).unwrap();
    let stats = bound.receiver.stats();
    assert_eq!((stats.kernel_drops, stats.kernel_drops_apart), (0, 10_000 - heard as u64), "{stats:?}");
    assert!(heard < 1000, "{heard}");
}

fn empty_datagrams_are_datagrams(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for i in 0..300u32 {
        peer.send_to(if i % 3 == 0 { &[7] } else { &[] }, bound.report.local_addr).unwrap();
    }
    let (mut empty, mut full) = (0, 0);
    drain_until(bound.receiver.as_mut(), |_, datagram| {
        if datagram.is_empty() {
            empty += 1
        } else {
            full += 1
        }
        empty + full == 300
    });
    assert_eq!((empty, full), (200, 100));
    let mut sender = bound.senders.make().unwrap();
    sender.send(b"", &Address::from(peer.local_addr().unwrap()));
    sender.flush();
    assert_eq!(peer.recv(&mut [0; 10]).unwrap(), 0);
}

fn a_datagram_may_be_overwritten_where_it_lies(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Each slot is used more than once, shorter datagrams after longer ones too.
    let mut received = 0;
    for round in 0..40 {
        for i in 0..256 {
            peer.send_to(&pattern(round * 256 + i), bound.report.local_addr).unwrap();
        }
        while received < (round + 1) * 256 {
            bound
                .receiver
                .drain(1000, &mut |_, datagram| {
                    assert_eq!(datagram, pattern(received));
                    datagram.fill(0xee);
                    received += 1;
                })
                .unwrap();
        }
    }
}

fn a_drain_keeps_to_its_limit_and_loses_nothing(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(bound.receiver.drain(100, &mut |_, _| panic!("nothing was sent")).unwrap(), 0);
    for i in 0..1000u32 {
        peer.send_to(&i.to_le_bytes(), bound.report.local_addr).unwrap();
    }
    let mut next = 0u32;
    for limit in [0, 1, 7, 255, 256, 257, 1] {
        let before = next;
        let drained = bound
            .receiver
            .drain(limit, &mut |_, datagram| {
                assert_eq!(datagram, next.to_le_bytes());
                next += 1;
            })
            .unwrap();
        assert_eq!((drained, next - before), (limit, limit as u32));
    }
    drain_until(bound.receiver.as_mut(), |_, datagram| {
        assert_eq!(datagram, next.to_le_bytes());
        next += 1;
        next == 1000
    });
    assert_eq!(bound.receiver.drain(100, &mut |_, _| panic!("all was taken")).unwrap(), 0);
}

fn a_drain_tells_how_a_datagram_to_come_begins(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for i in 0..200 {
        peer.send_to(&[i; 40], bound.report.local_addr).unwrap();
    }
    let (mut next, mut foretold) = (0, 0);
    while next < 200 {
        let mut take = |_, datagram: &mut [u8], coming: &[u8; HEADER_BYTES]| {
            assert_eq!(datagram, [next; 40]);
            foretold += u32::from(*coming == [next + 4; HEADER_BYTES]);
            next += 1;
        };
        bound.receiver.drain_ahead(1000, &mut take).unwrap();
    }
    // But for the last four of what the kernel had at a time, and on a loopback it has most of them.
    assert!((1..=196).contains(&foretold), "{foretold}");
}

fn a_full_receive_buffer_drops_and_counts_and_never_waits(choice: BackendChoice) {
    let config =
        SocketConfig { receive_buffer_bytes: 1, ..SocketConfig::new("127.0.0.1:0".parse().unwrap()) };
    let Some(mut bound) = open(choice, config) else { return };
    assert!(bound.report.receive_buffer.granted_bytes < 10_000, "{:?}", bound.report.receive_buffer);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..500 {
        peer.send_to(&[1; 1000], bound.report.local_addr).unwrap();
    }
    let mut received = 0;
    while bound.receiver.drain(1000, &mut |_, _| received += 1).unwrap() > 0 {}
    let stats = bound.receiver.stats();
    assert!(received < 20, "{received}");
    assert_eq!(stats.kernel_drops + stats.datagrams, 500, "{stats:?}");
    // And it goes on afterwards.
    peer.send_to(b"after", bound.report.local_addr).unwrap();
    drain_until(bound.receiver.as_mut(), |_, datagram| datagram == b"after");
}

fn far_more_than_all_slots_is_received(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    const COUNT: u32 = 20_000;
    if bound.report.receive_buffer.granted_bytes < COUNT as usize * 1000 {
        println!(
            "skipped: the receive buffer is too small to hold {COUNT} datagrams: {:?}",
            bound.report.warnings
        );
        return;
    }
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for i in 0..COUNT {
        peer.send_to(&i.to_le_bytes(), bound.report.local_addr).unwrap();
    }
    let mut next = 0u32;
    drain_until(bound.receiver.as_mut(), |_, datagram| {
        assert_eq!(datagram, next.to_le_bytes());
        next += 1;
        next == COUNT
    });
    let stats = bound.receiver.stats();
    assert_eq!((stats.datagrams, stats.kernel_drops), (u64::from(COUNT), 0));
}

fn an_unreachable_peer_disturbs_nobody(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    let mut sender = bound.senders.make().unwrap();
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for i in 0..300u32 {
        let to = if i % 2 == 0 { gone } else { peer.local_addr().unwrap() };
        sender.send(&i.to_le_bytes(), &Address::from(to));
    }
    sender.flush();
    for i in (1..300u32).step_by(2) {
        let mut back = [0; 10];
        assert_eq!(peer.recv(&mut back).unwrap(), 4);
        assert_eq!(back[..4], i.to_le_bytes());
    }
    // The ICMP errors that came back are neither datagrams nor failures.
    peer.send_to(b"alive", bound.report.local_addr).unwrap();
    drain_until(bound.receiver.as_mut(), |_, datagram| datagram == b"alive");
}

fn errors_of_single_sends_do_not_cost_the_others(choice: BackendChoice) {
    let Some(bound) = open(choice, SocketConfig::new("0.0.0.0:0".parse().unwrap())) else { return };
    let mut sender = bound.senders.make().unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let good = Address::from(peer.local_addr().unwrap());
    // Port 0 cannot be sent to, a broadcast needs an option, and IPv6 is not for this socket.
    let bad = ["127.0.0.1:0", "255.255.255.255:9", "[2001:db8::1]:9"].map(|text| {
        let address: SocketAddr = text.parse().unwrap();
        Address::from(address)
    });
    for i in 0..500u32 {
        sender.send(&i.to_le_bytes(), if i % 5 < 3 { &bad[(i % 5) as usize] } else { &good });
    }
    sender.flush();
    let stats = sender.stats();
    assert_eq!((stats.datagrams, stats.lost(), stats.bytes), (200, 300, 800), "{stats:?}");
    for i in (0..500u32).filter(|i| i % 5 >= 3) {
        let mut back = [0; 10];
        assert_eq!(peer.recv(&mut back).unwrap(), 4);
        assert_eq!(back[..4], i.to_le_bytes());
    }
    assert_eq!(stats.ring_failures, 0);
}

fn a_port_in_use_is_a_clear_error(choice: BackendChoice) {
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = holder.local_addr().unwrap();
    let error = bind(&SocketConfig { backend: choice, ..SocketConfig::new(listen) }).unwrap_err();
    assert!(matches!(error, BindError::PortInUse(address) if address == listen));
    let text = error.to_string();
    for part in [listen.to_string(), "in use".into(), format!("ss -lunp 'sport = :{}'", listen.port())] {
        assert!(text.contains(&part), "{text}");
    }
}

fn many_threads_share_the_socket(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("0.0.0.0:0".parse().unwrap())) else { return };
    let to = Address::from(SocketAddr::from(([127, 0, 0, 1], bound.report.local_addr.port())));
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let senders = bound.senders.clone();
            scope.spawn(move || {
                let mut sender = senders.make().unwrap();
                for i in 0..1000 {
                    sender.send(&pattern(thread * 1000 + i), &to);
                }
                sender.flush();
                assert_eq!((sender.stats().datagrams, sender.stats().lost()), (1000, 0));
            });
        }
    });
    let mut next = [0u32; 4];
    let mut received = 0;
    drain_until(bound.receiver.as_mut(), |_, datagram| {
        let seed = u32::from_le_bytes(datagram[..4].try_into().unwrap());
        assert_eq!(datagram, pattern(seed));
        let thread = (seed / 1000) as usize;
        assert_eq!(seed % 1000, next[thread], "each thread's datagrams come in order");
        next[thread] += 1;
        received += 1;
        received == 4000
    });
}

fn the_port_is_free_after_drop(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    let listen = bound.report.local_addr;
    for _ in 0..20 {
        let sender = bound.senders.make().unwrap();
        bound.receiver.drain(10, &mut |_, _| {}).unwrap();
        drop((bound, sender));
        bound = bind(&SocketConfig { backend: choice, ..SocketConfig::new(listen) }).unwrap();
    }
}

fn another_thread_may_go_on_receiving(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())) else { return };
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(b"first", bound.report.local_addr).unwrap();
    drain_until(bound.receiver.as_mut(), |_, datagram| datagram == b"first");
    peer.send_to(b"second", bound.report.local_addr).unwrap();
    std::thread::spawn(move || drain_until(bound.receiver.as_mut(), |_, datagram| datagram == b"second"))
        .join()
        .unwrap();
}

#[test]
fn a_refused_io_uring_falls_back_with_its_reason() {
    let config =
        SocketConfig { simulate_uring_refused: true, ..SocketConfig::new("127.0.0.1:0".parse().unwrap()) };
    let mut bound = bind(&config).unwrap();
    assert_eq!(bound.report.backend, Backend::Mmsg);
    for part in ["io_uring is refused", "kernel.io_uring_disabled", "seccomp"] {
        assert!(bound.report.reason.contains(part), "{}", bound.report);
    }
    assert_eq!(bound.senders.make().unwrap().backend(), Backend::Mmsg);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(b"works", bound.report.local_addr).unwrap();
    drain_until(bound.receiver.as_mut(), |_, datagram| datagram == b"works");

    let error = bind(&SocketConfig { backend: BackendChoice::Uring, ..config }).unwrap_err();
    assert!(matches!(&error, BindError::UringRefused { .. }));
    assert!(error.to_string().contains("Choose `auto` or `mmsg`"), "{error}");
}

#[test]
fn the_choice_is_reported() {
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bound = bind(&SocketConfig::new(listen)).unwrap();
    println!("{}", bound.report);
    let line = format!("listening on {}, I/O by {} (", bound.report.local_addr, bound.report.backend);
    assert!(bound.report.to_string().starts_with(&line));
    assert_eq!(bound.senders.make().unwrap().backend(), bound.report.backend);
    let bound = bind(&SocketConfig { backend: BackendChoice::Mmsg, ..SocketConfig::new(listen) }).unwrap();
    assert_eq!(bound.report.backend, Backend::Mmsg);
    assert!(bound.report.reason.starts_with("asked for"), "{}", bound.report);
    for choice in ALL {
        assert_eq!(choice.to_string().parse(), Ok(choice));
    }
    assert!("epoll".parse::<BackendChoice>().unwrap_err().contains("`uring`"));
}

#[test]
fn addresses_that_cannot_be_had_are_clear_errors() {
    let error = bind(&SocketConfig::new("203.0.113.7:4000".parse().unwrap())).unwrap_err();
    assert!(matches!(error, BindError::NotOurAddress(_)));
    assert!(error.to_string().contains("`ip address` lists"), "{error}");
}
