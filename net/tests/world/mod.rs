//! What the protocol tests share.
#![allow(dead_code)]

use std::net::SocketAddr;

use throng_net::limits::DATAGRAM_BYTES_MAX;
use throng_net::protocol::{Client, ClientEvent, Received, Server, ServerConfig, SessionIndex};

pub const MS: u64 = 1_000;
pub const S: u64 = 1_000_000;
pub const SECRET: [u8; 32] = [7; 32];

/// An address for a number, some of them IPv6.
pub fn address(i: u32) -> SocketAddr {
    match i % 3 {
        2 => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, (i >> 16) as u16, i as u16], 4000)),
        _ => SocketAddr::from(((10 << 24 | i).to_be_bytes(), 4000)),
    }
}

pub fn server(sessions_max: u32) -> Server {
    Server::new(ServerConfig { sessions_max, ..ServerConfig::default() }, SECRET).unwrap()
}

pub fn client(salt: u64, hello: &[u8]) -> Client {
    Client::new(0, salt, hello.into()).unwrap()
}

/// The hello that is due now.
pub fn hello_of(client: &mut Client, now_us: u64) -> [u8; DATAGRAM_BYTES_MAX] {
    let mut out = [0xee; DATAGRAM_BYTES_MAX];
    assert_eq!(client.poll(now_us, &mut out), Some(DATAGRAM_BYTES_MAX), "a hello is due");
    out
}

/// Shakes hands from `address(i)` without loss.
pub fn connect(server: &mut Server, i: u32, now_us: u64) -> (Client, SessionIndex) {
    let mut client = Client::new(now_us, u64::from(i) + 1, (*b"hello").into()).unwrap();
    let hello = hello_of(&mut client, now_us);
    let Received::Reply(challenge) = server.handle(now_us, address(i), &hello) else { panic!() };
    client.handle(now_us, &challenge);
    let hello = hello_of(&mut client, now_us);
    let Received::Connected { session, reply, .. } = server.handle(now_us, address(i), &hello) else {
        panic!()
    };
    assert_eq!(client.handle(now_us, &reply), ClientEvent::Connected);
    (client, session)
}

/// A data datagram of a connected client.
pub fn data_of(client: &mut Client, now_us: u64, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 16 + payload.len()];
    client.write_header(now_us, kind, &mut out).unwrap();
    out[16..].copy_from_slice(payload);
    out
}

/// A data datagram of the server.
pub fn data_to(server: &mut Server, session: SessionIndex, now_us: u64, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 16 + payload.len()];
    server.transmit_halves()[session.get()].write_header(now_us, kind, &mut out);
    out[16..].copy_from_slice(payload);
    out
}

/// A small generator (PCG), so that a test's world follows from its seed alone.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(2).wrapping_add(1))
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (((self.0 >> 18) ^ self.0) >> 27) as u32;
        let value = mixed.rotate_right((self.0 >> 59) as u32);
        ((u64::from(value) * u64::from(bound)) >> 32) as u32
    }

    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }
}

/// The seed of a random test: `THRONG_SEED` when set, printed either way.
pub fn seed(test: &str) -> u64 {
    let seed = std::env::var("THRONG_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_121);
    println!("{test}: seed {seed}; rerun with THRONG_SEED={seed}");
    seed
}
