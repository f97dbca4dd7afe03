//! What only a network of one's own can show: a send buffer that fills, and a device that takes less than we send.
//!
//! Each test moves its thread into a new network namespace, which needs privilege; without it, it says so and ends.

mod sockets;

use std::net::{SocketAddr, SocketAddrV6, UdpSocket};
use std::process::Command;

use sockets::{drain_until, open};
use throng_net::Address;
use throng_net::io::{Apart, BackendChoice, SocketConfig};

/// Moves this thread into a namespace of its own and sets it up with `ip`; `false`, with the reason, if it may not.
fn enter_own_network(commands: &[&str]) -> bool {
    // SAFETY: `unshare` takes no pointer; it changes the calling thread's network only.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        println!("skipped: no network namespace for us ({})", std::io::Error::last_os_error());
        return false;
    }
    commands.iter().all(|command| {
        let done = Command::new("ip").args(command.split(' ')).status().is_ok_and(|status| status.success());
        if !done {
            println!("skipped: `ip {command}` does not work here");
        }
        done
    })
}

fn run(test: fn(BackendChoice)) {
    for choice in [BackendChoice::Mmsg, BackendChoice::Uring] {
        std::thread::spawn(move || test(choice)).join().unwrap();
    }
}

#[test]
fn a_full_send_buffer_drops_and_counts_and_never_waits() {
    run(|choice| {
        // Nobody answers for 10.99.0.2, so what is sent to it waits in the socket's buffer for its hardware address.
        let network = [
            "link set lo up",
            "link add here type veth peer name there",
            "address add 10.99.0.1/24 dev here",
            "link set here up",
            "link set there up",
        ];
        if !enter_own_network(&network) {
            return;
        }
        let config = SocketConfig { send_buffer_bytes: 1, ..SocketConfig::new("0.0.0.0:0".parse().unwrap()) };
        let Some(bound) = open(choice, config) else { return };
        let mut sender = bound.senders.make().unwrap();
        let nobody = Address::from("10.99.0.2:4000".parse::<SocketAddr>().unwrap());
        for _ in 0..1000 {
            sender.send(&[1; 1200], &nobody);
        }
        sender.flush();
        let stats = sender.stats();
        assert!(stats.would_block > 900, "{choice}: {stats:?}");
        assert_eq!(stats.datagrams + stats.lost(), 1000, "{choice}: {stats:?}");
        assert_eq!(stats.bytes, stats.datagrams * 1200);
        assert_eq!(stats.ring_failures, 0);

        // Nothing of it is kept to be sent later, and each slot is free: the next datagrams are their own.
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut other =
            open(choice, SocketConfig::new("127.0.0.1:0".parse().unwrap())).unwrap().senders.make().unwrap();
        other.send(b"other", &Address::from(peer.local_addr().unwrap()));
        other.flush();
        let mut back = [0; 10];
        assert_eq!(peer.recv(&mut back).unwrap(), 5);
    });
}

#[test]
fn a_datagram_too_large_for_the_device_is_counted_and_the_others_are_sent() {
    run(|choice| {
        if !enter_own_network(&["link set lo mtu 600 up"]) {
            return;
        }
        let Some(bound) = open(choice, SocketConfig::new("0.0.0.0:0".parse().unwrap())) else { return };
        let mut sender = bound.senders.make().unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = Address::from(peer.local_addr().unwrap());
        for i in 0..100usize {
            sender.send(&[i as u8; 1200][..if i % 2 == 0 { 1200 } else { 572 }], &to);
        }
        sender.flush();
        let stats = sender.stats();
        assert_eq!((stats.datagrams, stats.too_big, stats.lost()), (50, 50, 50), "{choice}: {stats:?}");
        assert_eq!(stats.bytes, 50 * 572);
        for i in (1..100usize).step_by(2) {
            let mut back = [0; 2000];
            assert_eq!(peer.recv(&mut back).unwrap(), 572);
            assert_eq!(back[0], i as u8);
        }
    });
}

#[test]
fn no_way_to_a_network_is_counted() {
    run(|choice| {
        if !enter_own_network(&["link set lo up"]) {
            return;
        }
        let Some(bound) = open(choice, SocketConfig::new("0.0.0.0:0".parse().unwrap())) else { return };
        let mut sender = bound.senders.make().unwrap();
        for _ in 0..300 {
            sender.send(b"hello", &Address::from("192.0.2.1:4000".parse::<SocketAddr>().unwrap()));
        }
        sender.flush();
        let stats = sender.stats();
        assert_eq!((stats.unreachable, stats.datagrams, stats.lost()), (300, 0, 300), "{choice}: {stats:?}");
    });
}

#[test]
fn a_buffer_beyond_the_systems_limit_is_granted_or_warned_about() {
    for (choice, own_bytes, apart_bytes) in [
        (BackendChoice::Mmsg, 900 << 20, 800 << 20),
        (BackendChoice::Mmsg, 800 << 20, 900 << 20),
        (BackendChoice::Uring, 900 << 20, 800 << 20),
    ] {
        let listen = "127.0.0.1:0".parse().unwrap();
        let apart = Some(Apart { home_first: 5, home_last: 7, buffer_bytes: apart_bytes });
        let config = SocketConfig { receive_buffer_bytes: own_bytes, apart, ..SocketConfig::new(listen) };
        let Some(bound) = open(choice, config) else { continue };
        let granted = bound.report.receive_buffer.granted_bytes >= own_bytes;
        let warned = bound.report.warnings.iter().any(|text| text.contains("net.core.rmem_max=943718400"));
        assert_ne!(granted, warned, "{}", bound.report);
        // Whoever follows both remedies in turn would be left with the lesser one.
        let remedies =
            bound.report.warnings.iter().filter(|text| text.contains("net.core.rmem_max=")).count();
        assert_eq!(remedies, usize::from(warned), "{}", bound.report);
    }
}

#[test]
fn who_reached_a_host_by_its_second_address_is_answered_from_there() {
    run(|choice| {
        let network = [
            "link set lo up",
            "link add here type veth peer name there",
            "address add 10.99.0.1/24 dev here",
            "address add 10.99.0.2/24 dev here",
            "address add 10.98.0.1/24 dev there",
            "address add fd00::1/64 dev here nodad",
            "address add fd00::2/64 dev here nodad",
            "address add fe80::77/64 dev here nodad",
            "link set here up",
            "link set there up",
            "-6 route add local fd77::/64 dev lo",
        ];
        if !enter_own_network(&network) {
            return;
        }
        let Some(mut bound) = open(choice, SocketConfig::new("[::]:0".parse().unwrap())) else { return };
        let port = bound.report.local_addr.port();
        let mut sender = bound.senders.make().unwrap();
        let Ok(fe80) = format!("[fe80::77%{}]:{port}", interface("here")).parse::<SocketAddrV6>() else {
            panic!("an interface has an index")
        };
        for (from, to) in [
            ("10.99.0.1:0", SocketAddr::from(([10, 99, 0, 2], port))),
            ("10.98.0.1:0", SocketAddr::from(([10, 99, 0, 2], port))),
            ("10.99.0.1:0", SocketAddr::from(([127, 0, 0, 9], port))),
            ("[fd00::1]:0", format!("[fd00::2]:{port}").parse().unwrap()),
            ("[::1]:0", format!("[fd00::1]:{port}").parse().unwrap()),
            ("[::]:0", SocketAddr::V6(fe80)),
            // Its own by a route alone.
            ("[fd00::1]:0", format!("[fd77::5]:{port}").parse().unwrap()),
        ] {
            let peer = UdpSocket::bind(from).unwrap();
            peer.connect(to).unwrap();
            peer.set_nonblocking(true).unwrap();
            assert_eq!(peer.send(b"asked").unwrap(), 5);
            drain_until(bound.receiver.as_mut(), |from, datagram| {
                sender.send(datagram, &Address::from(from));
                true
            });
            sender.flush();
            let answered = peer.recv(&mut [0; 9]);
            assert_eq!(answered.ok(), Some(5), "{choice}: {from} asked {to}; {:?}", sender.stats());
        }
    });
}

/// The index of a network interface, by its name.
fn interface(name: &str) -> u32 {
    let name = std::ffi::CString::new(name).unwrap();
    // SAFETY: the kernel reads a string that ends with a zero.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}
