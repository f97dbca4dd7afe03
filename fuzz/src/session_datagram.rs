//! A live session, both ends, and everything that may reach either: forged, replayed, reordered, from elsewhere.
//!
//! The script is a list of steps: what to do, an argument, then bytes with their length before them.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use throng_net::limits::{DATAGRAM_BYTES_MAX, TIMEOUT_US};
use throng_net::protocol::packet::{Header, TYPE_DATA, TYPE_DISCONNECT};
use throng_net::protocol::{Client, ClientEvent, ClientState, SessionIndex};

use crate::bytes::Bytes;
use crate::server::{Outcome, Watched};

/// The bytes as they are, to the server.
pub const RAW_TO_SERVER: u8 = 0;
/// The bytes with the right connection id and type, to the server.
pub const FORGED_TO_SERVER: u8 = 1;
/// The same from another address.
pub const FOREIGN_TO_SERVER: u8 = 2;
/// A datagram that the client really sends, with the bytes as payload.
pub const REAL_TO_SERVER: u8 = 3;
/// A datagram that the server really sends.
pub const REAL_TO_CLIENT: u8 = 4;
/// The bytes as they are, to the client.
pub const RAW_TO_CLIENT: u8 = 5;
/// The bytes with the right connection id and type, to the client.
pub const FORGED_TO_CLIENT: u8 = 6;
/// Time passes: the argument in tenths of a second.
pub const WAIT: u8 = 7;
/// Added to a step: deliver twice.
pub const TWICE: u8 = 0x10;
/// Added to a step: lost on the way.
pub const LOST: u8 = 0x20;
/// Added to a forged step: a disconnect instead of data.
pub const GOODBYE: u8 = 0x40;

const STEPS_MAX: usize = 48;

struct Pair {
    watched: Watched,
    client: Client,
    at: SocketAddr,
    session: SessionIndex,
    connection_id: u32,
    /// Sequences accepted by each end: none may be accepted twice.
    server_took: HashSet<u32>,
    client_took: HashSet<u32>,
}

/// Runs a script; panics if either end breaks a promise.
pub fn run(data: &[u8]) {
    let mut script = Bytes(data);
    let mut watched = Watched::new(2);
    // A bystander, whom nothing that happens to the other session may touch.
    let (_, bystander) = connect(&mut watched, address(2));
    let bystander_until_us = watched.now_us + TIMEOUT_US;
    let (client, session) = connect(&mut watched, address(1));
    let connection_id = client.connection_id();
    let mut pair = Pair {
        watched,
        client,
        at: address(1),
        session,
        connection_id,
        server_took: HashSet::new(),
        client_took: HashSet::new(),
    };
    for _ in 0..STEPS_MAX {
        let Some(what) = script.next() else { break };
        let argument = script.byte();
        pair.step(what, argument, script.run());
        let is_alive = pair.watched.server.session(bystander).is_some();
        assert!(is_alive || pair.watched.now_us >= bystander_until_us, "the bystander was disturbed");
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 4000))
}

/// A whole handshake between the real ends.
fn connect(watched: &mut Watched, from: SocketAddr) -> (Client, SessionIndex) {
    let payload: Arc<[u8]> = throng_schema::write_hello(throng_schema::SCHEMA_VERSION, "fuzz").into();
    let Ok(mut client) = Client::new(watched.now_us, 42, payload) else { unreachable!("a short hello") };
    let mut out = [0; DATAGRAM_BYTES_MAX];
    for _ in 0..4 {
        let Some(length) = client.poll(watched.now_us, &mut out) else { break };
        match watched.handle(from, &out[..length]) {
            Outcome::Reply(answer) => {
                client.handle(watched.now_us, &answer);
            }
            Outcome::Connected(session, answer) => {
                assert_eq!(client.handle(watched.now_us, &answer), ClientEvent::Connected);
                return (client, session);
            }
            other => panic!("{other:?} for a hello"),
        }
    }
    panic!("an honest handshake failed");
}

impl Pair {
    fn step(&mut self, what: u8, argument: u8, bytes: &[u8]) {
        let copies = match what & (TWICE | LOST) {
            0 => 1,
            TWICE => 2,
            _ => 0,
        };
        let mut out = [0; DATAGRAM_BYTES_MAX];
        match what & 7 {
            RAW_TO_SERVER => self.at_server(self.at, bytes),
            FORGED_TO_SERVER => self.at_server(self.at, &self.forged(what, bytes)),
            FOREIGN_TO_SERVER => self.foreign(&self.forged(what, bytes), argument),
            REAL_TO_SERVER => {
                let room = &mut out[16..];
                let payload = bytes.len().min(room.len());
                room[..payload].copy_from_slice(&bytes[..payload]);
                if self.client.write_header(self.watched.now_us, argument, &mut out).is_some() {
                    (0..copies).for_each(|_| self.at_server(self.at, &out[..16 + payload]));
                }
            }
            REAL_TO_CLIENT => {
                let payload = bytes.len().min(out.len() - 16);
                out[16..16 + payload].copy_from_slice(&bytes[..payload]);
                let now_us = self.watched.now_us;
                let transmit = &self.watched.server.transmit_halves()[self.session.get()];
                if transmit.is_live() {
                    transmit.write_header(now_us, argument, &mut out);
                    (0..copies).for_each(|_| self.at_client(&out[..16 + payload]));
                }
            }
            RAW_TO_CLIENT => self.at_client(bytes),
            FORGED_TO_CLIENT => self.at_client(&self.forged(what, bytes)),
            _ => self.wait(argument),
        }
    }

    /// The bytes as a datagram of this session: only sequence, acknowledgement, kind and payload are the fuzzer's.
    fn forged(&self, what: u8, bytes: &[u8]) -> Vec<u8> {
        let mut datagram = bytes.to_vec();
        if let Some(first) = datagram.first_mut() {
            *first = if what & GOODBYE == 0 { TYPE_DATA } else { TYPE_DISCONNECT };
        }
        if let Some(id) = datagram.get_mut(4..8) {
            id.copy_from_slice(&self.connection_id.to_le_bytes());
        }
        datagram
    }

    fn at_server(&mut self, from: SocketAddr, datagram: &[u8]) {
        match self.watched.handle(from, datagram) {
            Outcome::Data(session) => {
                assert_eq!(session, self.session);
                let sequence = Header::read(datagram).map(|h| h.sequence);
                assert!(sequence.is_some_and(|s| s != 0 && self.server_took.insert(s)), "accepted twice");
            }
            // The place is free again. Nobody here shakes hands anew, so it stays so.
            Outcome::Disconnected(session) => assert_eq!(session, self.session),
            Outcome::Connected(..) => panic!("connected by a session's datagram"),
            Outcome::Dropped | Outcome::Reply(_) => {}
        }
    }

    /// What comes from elsewhere must change nothing, even with the right connection id.
    fn foreign(&mut self, datagram: &[u8], argument: u8) {
        let before = self.watched.server.session(self.session);
        let outcome = self.watched.handle(address(argument | 0x80), datagram);
        assert!(matches!(outcome, Outcome::Dropped | Outcome::Reply(_)), "{outcome:?}");
        assert_eq!(self.watched.server.session(self.session), before);
    }

    fn at_client(&mut self, datagram: &[u8]) {
        let was = self.client.state();
        match self.client.handle(self.watched.now_us, datagram) {
            ClientEvent::Data { payload, .. } => {
                assert_eq!((was, payload), (ClientState::Connected, &datagram[16..]));
                let sequence = Header::read(datagram).map(|h| h.sequence);
                assert!(sequence.is_some_and(|s| s != 0 && self.client_took.insert(s)), "accepted twice");
            }
            ClientEvent::Closed(cause) => assert_eq!(self.client.state(), ClientState::Closed(cause)),
            ClientEvent::Dropped(_) => assert_eq!(self.client.state(), was),
            ClientEvent::Challenged | ClientEvent::Connected => panic!("a handshake inside a session"),
        }
    }

    fn wait(&mut self, tenths: u8) {
        self.watched.now_us += u64::from(tenths) * 100_000;
        let now_us = self.watched.now_us;
        self.watched.server.expire(now_us, |_| {});
        let mut out = [0; DATAGRAM_BYTES_MAX];
        for _ in 0..4 {
            let Some(length) = self.client.poll(now_us, &mut out) else { return };
            self.at_server(self.at, &out[..length]);
        }
        panic!("a client that always has something to send");
    }
}
