//! No datagram allocates, neither an honest one nor a hostile one.

mod sockets;
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use sockets::{drain_until, open};
use throng_net::io::impersonate::Impersonator;
use throng_net::io::{BackendChoice, SocketConfig};
use throng_net::limits::{DATAGRAM_BYTES_MAX, FRAME_BYTES_ALONE_MAX};
use throng_net::protocol::channel::{Channel, ChannelCounters};
use throng_net::protocol::{Admission, ClientEvent, Received, Reject, ServerConfig};
use throng_net::{Address, Peer};
use world::{MS, S, address, client, config, connect, hello_of, polled, proven_hello, server_with};

struct Counting;

thread_local! {
    /// Of this thread only: the test harness has others.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1u8]))), 1);
}

/// Receiving, opening, sealing, sending, and all that is refused on the way; the keys change meanwhile.
#[test]
fn established_sessions() {
    const CLIENTS: u32 = 100;
    let config =
        ServerConfig { sessions_max: CLIENTS, input_rate_hz: 1_000_000, input_burst: 1_000_000, ..config() };
    let mut server = server_with(config);
    let mut clients: Vec<_> = (0..CLIENTS).map(|i| connect(&mut server, i, 0).0).collect();
    let mut strayed = 0;
    let count = allocations(|| {
        for tick in 1..=200 {
            let now_us = tick * 50 * MS;
            for (i, client) in clients.iter_mut().enumerate() {
                let mut out = [0; 96];
                client.finish(now_us, 1, &mut out, 64);
                let from = address(i as u32);
                // Everything that is refused: forged, strange, cut, oversized, of another session.
                for byte in [0, 4, 6, 7, 8, 9, 10, 11, 12, 15, 20, 95] {
                    let mut forged = out;
                    forged[byte] ^= 0x81;
                    assert!(matches!(server.handle(now_us, from, &mut forged), Received::Dropped(_)));
                }
                server.handle(now_us, from, &mut { out }[..9]);
                server.handle(now_us, from, &mut [9; DATAGRAM_BYTES_MAX + 1]);
                // From elsewhere, which is asked; mostly from where it should be.
                let at = if tick % 7 == 0 { address(1000 + i as u32) } else { from };
                match server.handle(now_us, at, &mut { out }) {
                    Received::Data { .. } => {}
                    Received::Strayed { challenge, .. } => {
                        strayed += 1;
                        let mut bytes = [0; 40];
                        bytes.copy_from_slice(&challenge);
                        assert_eq!(client.handle(now_us, &mut bytes), ClientEvent::Handled);
                        let mut response = [0; DATAGRAM_BYTES_MAX];
                        let bytes = client.poll(now_us, &mut response).unwrap();
                        let back = server.handle(now_us, address(5000), &mut response[..bytes]);
                        assert_eq!(back, Received::Dropped(Reject::Control));
                    }
                    other => panic!("{other:?}"),
                }
                assert_eq!(server.handle(now_us, from, &mut out), Received::Dropped(Reject::Duplicate));
            }
            server.expire(now_us, |_| {});
            let halves = server.transmit_halves();
            for (place, client) in clients.iter_mut().enumerate() {
                let mut out = [0; 1200];
                let bytes = halves.get(place).unwrap().finish(now_us, 2, &mut out, 600).unwrap();
                assert!(matches!(client.handle(now_us, &mut out[..bytes]), ClientEvent::Data { .. }));
            }
        }
        // One of them, until its keys have changed, both ways.
        for round in 0..(1 << 20) + 100 {
            let now_us = 20 * S + round;
            let mut out = [0; 40];
            clients[0].finish(now_us, 1, &mut out, 8).unwrap();
            assert!(matches!(server.handle(now_us, address(0), &mut out), Received::Data { .. }));
            server.transmit_halves().get(0).unwrap().finish(now_us, 2, &mut out, 8).unwrap();
            assert!(matches!(clients[0].handle(now_us, &mut out), ClientEvent::Data { .. }));
        }
    });
    assert_eq!(count, 0, "established sessions");
    assert!(strayed > 1000);
    assert_eq!(server.session_count(), CLIENTS as usize);
}

#[test]
fn strangers() {
    let mut server = world::server(10);
    let mut first: [u8; DATAGRAM_BYTES_MAX] = hello_of(&mut client(0, b"hello"), 0).try_into().unwrap();
    let count = allocations(|| {
        let mut reasons = [0; 3];
        for round in 0..3 {
            for i in 0..1000 {
                match server.handle(0, address(i), &mut { first }) {
                    Received::Reply(_) => reasons[0] += 1,
                    Received::Dropped(Reject::TokenLimited) => reasons[1] += 1,
                    Received::Dropped(_) => reasons[2] += 1,
                    other => panic!("{other:?}"),
                }
            }
            // Then with a bad cookie, then with an invented token.
            first[[20, 50, 0][round]] ^= 1;
        }
        assert_eq!(reasons, [10, 1990, 1000]);
    });
    assert_eq!(count, 0, "hellos without a good cookie");
    assert_eq!((server.unconfirmed_count(), server.used_token_count()), (0, 0));
}

/// Sessions that begin cost a few, each once; those that go give back what they had.
#[test]
fn comers_and_goers() {
    const CLIENTS: u32 = 64;
    let mut server = server_with(ServerConfig { sessions_max: CLIENTS, ..config() });
    let mut hellos: Vec<_> = (0..20 * CLIENTS)
        .map(|i| {
            let mut client = client(0, b"hello");
            let hello = proven_hello(&mut server, &mut client, 0, address(i));
            (client, hello)
        })
        .collect();
    for (i, (client, hello)) in hellos.iter_mut().enumerate() {
        let mut session = None;
        let count = allocations(|| {
            let Received::Asking(asking) = server.handle(0, address(i as u32), hello) else { panic!() };
            let Admission::Opened { session: opened, reply } = server.admit(0, asking) else { panic!() };
            session = Some((opened, reply));
        });
        // Who it is, where it came from, what the key exchange needs, and at times a set of used tokens that grows.
        assert!(count <= 16, "{count} to admit client {i}");
        let (session, reply) = session.unwrap();
        client.handle(0, &mut reply.to_vec());
        let mut confirm = polled(client, 0).remove(0);
        let mut ticket = None;
        let count = allocations(|| {
            let Received::Connected { ticket: boxed, .. } = server.handle(0, address(i as u32), &mut confirm)
            else {
                panic!()
            };
            ticket = Some(boxed);
            if i >= 50 {
                server.close(session, 16).unwrap();
            }
        });
        assert_eq!(count, 0, "to confirm client {i}, and to say goodbye");
    }
    assert_eq!(server.session_count(), 50);
    assert_eq!(allocations(|| server.expire(30 * S, |_| {})), 0);
    assert_eq!(server.session_count(), 0);
}

/// Messages both ways, frames lost and repeated, hostile frames and a full queue among them.
#[test]
fn channels() {
    let mut ends = [Channel::new(), Channel::new()];
    let mut counters = ChannelCounters::default();
    let count = allocations(|| {
        let mut refused = 0;
        for tick in 1..=4000 {
            for from in 0..2 {
                for i in 0..3 {
                    refused += u64::from(ends[from].push(&[i; 90]).is_err());
                }
                let mut out = [0; FRAME_BYTES_ALONE_MAX];
                let bytes = ends[from].write(tick * 50 * MS, Some(100_000), 300, &mut out);
                let to = &mut ends[1 - from];
                assert!(to.read(&{ out }[..bytes.saturating_sub(1)], &mut counters).is_err());
                // One in three lost, one in three twice.
                for _ in 0..(tick + from as u64) % 3 * u64::from(bytes != 0) {
                    to.read(&out[..bytes], &mut counters).unwrap().0.for_each(drop);
                }
            }
        }
        assert!(refused > 1000 && ends.iter().all(|end| end.delivered() > 1000));
    });
    assert_eq!(count, 0, "{counters:?}");
    assert!(counters.messages_again > 0 && counters.messages_early > 0 && counters.frame_length > 1000);
}

#[test]
fn sockets_by_mmsg() {
    sockets_of(BackendChoice::Mmsg);
}

#[test]
fn sockets_by_uring() {
    sockets_of(BackendChoice::Uring);
}

fn sockets_of(choice: BackendChoice) {
    let Some(mut bound) = open(choice, SocketConfig::new("0.0.0.0:0".parse().unwrap())) else { return };
    let to = SocketAddr::from(([127, 0, 0, 1], bound.report.local_addr.port()));
    let mut sender = bound.senders.make().unwrap();
    let gone = Address::from(UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let unsendable = Address::from("[2001:db8::1]:9".parse::<SocketAddr>().unwrap());
    let mut to = Address::from(to);
    // As whoever asked by one of our addresses is answered: from there.
    sender.send(b"asked", &to);
    sender.flush();
    drain_until(bound.receiver.as_mut(), |from, _| {
        to = Address::from(Peer { local: from.local, ..to.peer() });
        true
    });
    let mut round = |bytes: usize| {
        for i in 0..200 {
            sender.slot()[..bytes].fill(i);
            sender.commit(bytes, &to);
            sender.send(b"", &gone);
            sender.send(b"", &unsendable);
        }
        sender.flush();
        let mut received = 0;
        drain_until(bound.receiver.as_mut(), |from, datagram| {
            received += usize::from(datagram.len() == bytes && from.address.port() != 0);
            received == 200
        });
    };
    round(100);
    let count = allocations(|| (0..20).for_each(|i| round(100 + i * 50)));
    assert_eq!(count, 0, "{choice}");
    assert_eq!(sender.stats().datagrams, 1 + 21 * 400);
}

#[test]
fn impersonator() {
    let mut clients = Impersonator::bind(0, 1 << 20, 1 << 20).unwrap();
    let own = SocketAddrV4::new(Ipv4Addr::LOCALHOST, clients.port());
    let count = allocations(|| {
        for i in 0..1000u32 {
            clients.push(Ipv4Addr::from(0x7f10_0000 + i), own, &i.to_le_bytes());
            if i % 100 == 99 {
                clients.flush();
                while clients.drain(100, |_, _, _, _| {}).unwrap() > 0 {}
            }
        }
    });
    assert_eq!(count, 0, "impersonator");
    assert_eq!(clients.receive_stats().datagrams, 1000);
}
