//! No datagram allocates, neither an honest one nor a hostile one.

mod sockets;
mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use sockets::{drain_until, open};
use throng_net::Address;
use throng_net::io::impersonate::Impersonator;
use throng_net::io::{BackendChoice, SocketConfig};
use throng_net::limits::DATAGRAM_BYTES_MAX;
use throng_net::protocol::{Received, Server, ServerConfig};
use world::{MS, S, SECRET, address, client, connect, hello_of};

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

#[test]
fn established_sessions() {
    const CLIENTS: u32 = 100;
    let mut server = world::server(CLIENTS);
    let mut clients: Vec<_> = (0..CLIENTS).map(|i| connect(&mut server, i, 0).0).collect();
    let count = allocations(|| {
        let mut out = [0; 64];
        for tick in 1..=200 {
            let now_us = tick * 50 * MS;
            for (i, client) in clients.iter_mut().enumerate() {
                client.write_header(now_us, 1, &mut out);
                let from = address(i as u32);
                assert!(matches!(server.handle(now_us, from, &out), Received::Data { .. }));
                // And everything that is refused: repeated, stale, forged, strange, cut, oversized, too much.
                server.handle(now_us, from, &out);
                server.handle(now_us, address(999), &out);
                server.handle(now_us, from, &out[..9]);
                server.handle(now_us, from, &[9; DATAGRAM_BYTES_MAX + 1]);
                for byte in [0, 4, 6, 7, 12, 15] {
                    let mut forged = out;
                    forged[byte] ^= 0x81;
                    server.handle(now_us, from, &forged);
                }
            }
            server.expire(now_us, |_| {});
            for (transmit, client) in server.transmit_halves().iter().zip(&mut clients) {
                transmit.write_header(now_us, 2, &mut out);
                client.handle(now_us, &out);
            }
        }
    });
    assert_eq!(count, 0, "established sessions");
    assert_eq!(server.session_count(), CLIENTS as usize);
}

#[test]
fn strangers() {
    let mut server = world::server(10);
    let mut first = hello_of(&mut client(7, b"hello"), 0);
    let count = allocations(|| {
        for i in 0..1000 {
            assert!(matches!(server.handle(0, address(i), &first), Received::Reply(_)));
        }
        first[20] = 1;
        for i in 0..1000 {
            assert!(matches!(server.handle(0, address(i), &first), Received::Reply(_)));
        }
    });
    assert_eq!(count, 0, "hellos without a good cookie");
}

/// Even sessions that begin and end cost none: their memory is there from the start.
#[test]
fn comers_and_goers() {
    const CLIENTS: u32 = 64;
    let mut server =
        Server::new(ServerConfig { sessions_max: CLIENTS, ..ServerConfig::default() }, SECRET).unwrap();
    let mut clients: Vec<_> = (0..20 * CLIENTS).map(|i| client(u64::from(i), b"hello")).collect();
    let count = allocations(|| {
        let mut out = [0; DATAGRAM_BYTES_MAX];
        for (i, client) in clients.iter_mut().enumerate() {
            let from = address(i as u32);
            client.poll(0, &mut out);
            let Received::Reply(challenge) = server.handle(0, from, &out) else { panic!() };
            client.handle(0, &challenge);
            client.poll(0, &mut out);
            let Received::Connected { reply, .. } = server.handle(0, from, &out) else { panic!() };
            client.handle(0, &reply);
            if i >= 50 {
                let leaving = &server.transmit_halves()[i % 13];
                if leaving.is_live() {
                    let session = throng_net::protocol::SessionIndex::new((i % 13) as u32);
                    server.close(session, 16).unwrap();
                }
            }
            if server.session_count() == CLIENTS as usize {
                server.expire(30 * S, |_| {});
            }
        }
    });
    assert_eq!(count, 0, "sessions that come and go");
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
    let to = Address::from(to);
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
            received += usize::from(datagram.len() == bytes && from.port() != 0);
            received == 200
        });
    };
    round(100);
    let count = allocations(|| (0..20).for_each(|i| round(100 + i * 50)));
    assert_eq!(count, 0, "{choice}");
    assert_eq!(sender.stats().datagrams, 21 * 400);
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
                while clients.drain(100, |_, _, _| {}).unwrap() > 0 {}
            }
        }
    });
    assert_eq!(count, 0, "impersonator");
    assert_eq!(clients.receive_stats().datagrams, 1000);
}
