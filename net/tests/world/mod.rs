//! What the protocol tests share.
#![allow(dead_code)]

pub mod messages;

use std::cell::RefCell;
use std::net::SocketAddr;

use throng_net::limits::{DATAGRAM_BYTES_MAX, HEADER_BYTES, SEAL_BYTES};
use throng_net::protocol::keys::{Opener, Sealer, SessionKeys, Transcript};
use throng_net::protocol::packet::{CONTROL_CONFIRM, Header, TYPE_CONTROL, TYPE_HELLO};
use throng_net::protocol::token::{Grant, TokenFields};
use throng_net::protocol::{Admission, Client, Received, Reject, Server, ServerConfig, SessionIndex, Ticket};
use throng_net::testing::{Gateway, REALM_ID};

pub const MS: u64 = 1_000;
pub const S: u64 = 1_000_000;

thread_local! {
    /// Each test has its own, so that its tokens follow from the test alone.
    static GATEWAY: RefCell<Gateway> = RefCell::default();
}

/// An address for a number, some of them IPv6.
pub fn address(i: u32) -> SocketAddr {
    match i % 3 {
        2 => SocketAddr::from(([0x2001, 0xdb8, (i >> 16) as u16, i as u16, 0, 0, 0, 1], 4000)),
        _ => SocketAddr::from(((10 << 24 | i).to_be_bytes(), 4000)),
    }
}

/// A configuration that takes this test's tokens.
pub fn config() -> ServerConfig {
    GATEWAY.with_borrow(Gateway::config)
}

pub fn server_with(config: ServerConfig) -> Server {
    GATEWAY.with_borrow(|gateway| gateway.server(config))
}

pub fn server(sessions_max: u32) -> Server {
    server_with(ServerConfig { sessions_max, ..config() })
}

pub fn grant(now_us: u64) -> Grant {
    GATEWAY.with_borrow_mut(|gateway| gateway.grant(now_us))
}

pub fn grant_with(now_us: u64, change: impl FnOnce(&mut TokenFields)) -> Grant {
    GATEWAY.with_borrow_mut(|gateway| gateway.grant_with(now_us, REALM_ID, change))
}

pub fn client(now_us: u64, hello: &[u8]) -> Client {
    GATEWAY.with_borrow_mut(|gateway| gateway.client(now_us, hello))
}

pub fn client_of(now_us: u64, salt: u64, grant: &Grant) -> Client {
    Client::new(now_us, salt, grant.clone(), (*b"hello").into()).unwrap()
}

/// What came of a datagram, without its borrow. Whoever asks is admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Dropped(Reject),
    Handled,
    Reply(Vec<u8>),
    Admitted(SessionIndex, Vec<u8>),
    Refused(Vec<u8>),
    Connected(SessionIndex, Box<Ticket>, Option<(u8, Vec<u8>)>),
    Data(SessionIndex, u8, Vec<u8>),
    Strayed(SessionIndex, Vec<u8>, Option<(u8, Vec<u8>)>),
    Moved(SessionIndex),
    Disconnected(SessionIndex, u8),
}

impl Got {
    /// What is to be sent back to where the datagram came from.
    pub fn answer(&self) -> Option<&[u8]> {
        match self {
            Got::Reply(bytes) | Got::Admitted(_, bytes) | Got::Refused(bytes) | Got::Strayed(_, bytes, _) => {
                Some(bytes)
            }
            _ => None,
        }
    }
}

/// Hands a server a copy of a datagram.
pub fn deliver(server: &mut Server, now_us: u64, from: SocketAddr, datagram: &[u8]) -> Got {
    let mut datagram = datagram.to_vec();
    let owned = |data: Option<(u8, &[u8])>| data.map(|(kind, payload)| (kind, payload.to_vec()));
    match server.handle(now_us, from, &mut datagram) {
        Received::Dropped(reject) => Got::Dropped(reject),
        Received::Handled => Got::Handled,
        Received::Reply(answer) => Got::Reply(answer.to_vec()),
        Received::Asking(asking) => match server.admit(now_us, asking) {
            Admission::Opened { session, reply } => Got::Admitted(session, reply.to_vec()),
            Admission::Refused { reply } => Got::Refused(reply.to_vec()),
            Admission::Dropped(reject) => Got::Dropped(reject),
        },
        Received::Connected { session, ticket, first } => Got::Connected(session, ticket, owned(first)),
        Received::Data { session, kind, payload } => Got::Data(session, kind, payload.to_vec()),
        Received::Strayed { session, challenge, data } => {
            Got::Strayed(session, challenge.to_vec(), owned(data))
        }
        Received::Moved { session } => Got::Moved(session),
        Received::Disconnected { session, reason } => Got::Disconnected(session, reason),
    }
}

/// All that a client has to send now.
pub fn polled(client: &mut Client, now_us: u64) -> Vec<Vec<u8>> {
    let mut out = [0xee; DATAGRAM_BYTES_MAX];
    let mut datagrams = Vec::new();
    while let Some(bytes) = client.poll(now_us, &mut out) {
        datagrams.push(out[..bytes].to_vec());
    }
    datagrams
}

/// The hello that is due now.
pub fn hello_of(client: &mut Client, now_us: u64) -> Vec<u8> {
    let hellos = polled(client, now_us);
    assert_eq!(hellos.len(), 1, "a hello is due");
    assert_eq!((hellos[0].len(), hellos[0][0]), (DATAGRAM_BYTES_MAX, TYPE_HELLO));
    hellos.into_iter().next().unwrap()
}

/// The hello with a cookie: what a client says once its address is proven.
pub fn proven_hello(server: &mut Server, client: &mut Client, now_us: u64, from: SocketAddr) -> Vec<u8> {
    let hello = hello_of(client, now_us);
    let Got::Reply(mut challenge) = deliver(server, now_us, from, &hello) else {
        panic!("a challenge is due")
    };
    client.handle(now_us, &mut challenge);
    hello_of(client, now_us)
}

/// Shakes hands from `address(i)` without loss.
pub fn connect(server: &mut Server, i: u32, now_us: u64) -> (Client, SessionIndex) {
    GATEWAY.with_borrow_mut(|gateway| gateway.connect(server, now_us, address(i)))
}

/// A data datagram of a connected client.
pub fn data_of(client: &mut Client, now_us: u64, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; HEADER_BYTES + payload.len() + SEAL_BYTES];
    out[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(payload);
    assert_eq!(client.finish(now_us, kind, &mut out, payload.len()), Some(out.len()));
    out
}

/// A data datagram of the server.
pub fn data_to(server: &Server, session: SessionIndex, now_us: u64, kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; HEADER_BYTES + payload.len() + SEAL_BYTES];
    out[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(payload);
    let half = server.transmit_halves().get(session.get()).unwrap();
    assert_eq!(half.finish(now_us, kind, &mut out, payload.len()), Some(out.len()));
    out
}

/// A client's end of which the test has the keys, to seal whatever it likes.
pub struct Raw {
    pub from: SocketAddr,
    pub session: SessionIndex,
    pub connection_id: u32,
    pub sealer: Sealer,
    pub opener: Opener,
}

impl Raw {
    pub fn connect(server: &mut Server, i: u32, now_us: u64) -> Raw {
        let from = address(i);
        let grant = grant(now_us);
        let salt = u64::from(i);
        let mut client = client_of(now_us, salt, &grant);
        let hello = proven_hello(server, &mut client, now_us, from);
        let Got::Admitted(session, accept) = deliver(server, now_us, from, &hello) else { panic!() };
        let server_public = accept[12..44].try_into().unwrap();
        let transcript = Transcript { token: &grant.token, salt, server_public: &server_public };
        let keys =
            SessionKeys::derive(&grant.private_key, &server_public, &grant.secret, transcript).unwrap();
        let raw = Raw {
            from,
            session,
            connection_id: u32::from_le_bytes(accept[44..48].try_into().unwrap()),
            sealer: Sealer::new(keys.client_secret()),
            opener: Opener::new(keys.server_secret()),
        };
        let confirm = raw.seal(TYPE_CONTROL, CONTROL_CONFIRM, 1, 0, b"");
        assert!(matches!(deliver(server, now_us, from, &confirm), Got::Connected(..)));
        raw
    }

    /// An authentic datagram.
    pub fn seal(&self, packet_type: u8, kind: u8, sequence: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
        let connection_id = self.connection_id;
        let header = Header { packet_type, kind, ack_bits: 0xffff, connection_id, sequence, ack }.to_bytes();
        let mut payload = payload.to_vec();
        let tag = self.sealer.seal(&header, sequence, &mut payload).unwrap();
        [&header[..], &payload, &tag].concat()
    }
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

/// How many rounds a long test runs: `THRONG_RUNS` when set.
pub fn runs(default: u64) -> u64 {
    std::env::var("THRONG_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
