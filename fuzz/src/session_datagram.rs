//! A live session, both ends, and everything that may reach either: raw, forged, sealed with the real keys by somebody
//! who says what he likes, replayed, reordered, from elsewhere.
//!
//! The script is a list of steps: what to do, an argument, then bytes with their length before them.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use throng_net::limits::{
    DATAGRAM_BYTES_MAX, HEADER_BYTES, PAYLOAD_BYTES_MAX, SEAL_BYTES, SEQUENCE_AHEAD_MAX, TIMEOUT_US,
    WINDOW_PACKETS,
};
use throng_net::protocol::keys::{Sealer, SecretBytes, SessionKeys, Transcript, generation_of};
use throng_net::protocol::packet::{Header, TYPE_CONTROL, TYPE_DATA, TYPE_DISCONNECT};
use throng_net::protocol::token::Grant;
use throng_net::protocol::{Client, ClientEvent, ClientState, Reject, SessionIndex, Ticket};

use crate::bytes::Bytes;
use crate::server::{Decision, Outcome, Watched, grant, name};

/// The bytes as they are, to the server.
pub const RAW_TO_SERVER: u8 = 0;
/// The bytes with the right connection id and type, but not sealed, to the server.
pub const FORGED_TO_SERVER: u8 = 1;
/// Header fields and body from the bytes, sealed with the client's key, to the server.
pub const SEALED_TO_SERVER: u8 = 2;
/// A datagram that the client really sends, with the bytes as payload.
pub const REAL_TO_SERVER: u8 = 3;
/// A datagram that the server really sends.
pub const REAL_TO_CLIENT: u8 = 4;
/// The bytes as they are, to the client.
pub const RAW_TO_CLIENT: u8 = 5;
/// The bytes with the right connection id and type, to the client.
pub const FORGED_TO_CLIENT: u8 = 6;
/// Header fields and body from the bytes, sealed with the server's key, to the client.
pub const SEALED_TO_CLIENT: u8 = 7;
/// Time passes: the argument in tenths of a second.
pub const WAIT: u8 = 8;
/// Added to a step: deliver twice.
pub const TWICE: u8 = 0x10;
/// Added to a step: lost on the way.
pub const LOST: u8 = 0x20;
/// Added to a step: to the server from another address.
pub const ELSEWHERE: u8 = 0x40;
/// Added to a step: what the server asks of another address arrives, and the client answers from there.
pub const ANSWERED: u8 = 0x80;

const STEPS_MAX: usize = 48;
/// Generations beyond which nothing is sealed: the horizon keeps scripts of this length from getting there.
const GENERATIONS: u32 = 4;

/// What one end has received, as a set that forgets nothing.
#[derive(Default)]
struct Seen {
    newest: u32,
    taken: HashSet<u32>,
}

impl Seen {
    fn is_fresh(&self, sequence: u32) -> bool {
        let is_recent = match sequence.checked_sub(self.newest) {
            Some(ahead) => ahead <= SEQUENCE_AHEAD_MAX,
            None => self.newest - sequence < WINDOW_PACKETS,
        };
        sequence != 0 && is_recent && !self.taken.contains(&sequence)
    }

    fn take(&mut self, sequence: u32) {
        assert!(self.is_fresh(sequence), "sequence {sequence} accepted behind {}", self.newest);
        self.taken.insert(sequence);
        self.newest = self.newest.max(sequence);
    }
}

struct Pair {
    watched: Watched,
    client: Client,
    session: SessionIndex,
    connection_id: u32,
    /// Somebody who has the keys of both directions.
    client_keys: Keys,
    server_keys: Keys,
    server_saw: Seen,
    client_saw: Seen,
}

/// Runs a script; panics if either end breaks a promise.
pub fn run(data: &[u8]) {
    let mut script = Bytes(data);
    let mut pair = Pair::new();
    // A bystander, whom nothing that happens to the other session may touch.
    let (_, bystander, _) = connect(&mut pair.watched, 2);
    let bystander_until_us = pair.watched.now_us + TIMEOUT_US;
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

/// A session that stands, with the keys that its two ends agreed on: the handshake is run once for each number, since
/// its key agreements take longer than a whole script.
fn connect(watched: &mut Watched, number: u8) -> (Client, SessionIndex, &'static SessionKeys) {
    static AGREED: [OnceLock<(Grant, SessionKeys)>; 3] = [const { OnceLock::new() }; 3];
    let (grant, keys) = AGREED[usize::from(number)].get_or_init(|| agree(number));
    let (now_us, from) = (watched.now_us, address(number));
    let mut client = client(watched, grant);
    let ticket = Ticket {
        account: number.into(),
        character: number.into(),
        session_epoch: 1,
        issued_at_ms: watched.now_ms(),
        name: name(),
        rate_class: 0,
        flags: 0,
        user_data: [0; 16],
    };
    let seat = watched.server.seat(now_us, from, ticket, [number; SEAL_BYTES], keys);
    let (session, connection_id) = seat.unwrap_or_else(|reject| panic!("no place for {number}: {reject:?}"));
    client.seat(now_us, connection_id, keys);
    let mut out = [0; DATAGRAM_BYTES_MAX];
    let Some(length) = client.poll(now_us, &mut out) else { panic!("nothing confirms") };
    let outcome = watched.handle(from, &out[..length], Decision::Admit);
    assert!(matches!(outcome, Outcome::Connected(connected) if connected == session), "{outcome:?}");
    (client, session, keys)
}

const SALT: u64 = 42;

fn client(watched: &Watched, grant: &Grant) -> Client {
    let payload: Arc<[u8]> = throng_schema::write_hello(throng_schema::SCHEMA_VERSION, "fuzz").into();
    let Ok(client) = Client::new(watched.now_us, SALT, grant.clone(), payload) else {
        unreachable!("a short hello")
    };
    client
}

/// A whole handshake between the real ends, up to the confirmation, and what they agreed on.
fn agree(number: u8) -> (Grant, SessionKeys) {
    let mut watched = Watched::new(2);
    let grant = grant(number, watched.now_ms());
    let mut client = client(&watched, &grant);
    let mut out = [0; DATAGRAM_BYTES_MAX];
    let mut keys = None;
    for _ in 0..6 {
        let Some(length) = client.poll(watched.now_us, &mut out) else { break };
        match watched.handle(address(number), &out[..length], Decision::Admit) {
            Outcome::Reply(answer) => drop(client.handle(watched.now_us, &mut answer.to_vec())),
            Outcome::Opened(_, answer) => {
                let Some(server_public) = answer[12..].first_chunk() else { unreachable!("64 bytes") };
                let transcript = Transcript { token: &grant.token, salt: SALT, server_public };
                keys = SessionKeys::derive(&grant.private_key, server_public, &grant.secret, transcript);
                let mut answer = answer.to_vec();
                assert_eq!(client.handle(watched.now_us, &mut answer), ClientEvent::Connected);
            }
            Outcome::Connected(_) => {
                let Some(keys) = keys else { panic!("confirmed before it was accepted") };
                return (grant, keys);
            }
            other => panic!("{other:?} for a hello"),
        }
    }
    panic!("an honest handshake failed");
}

/// The keys of one direction, made when they are asked for.
struct Keys {
    secret: SecretBytes,
    generations: [OnceCell<Sealer>; GENERATIONS as usize],
}

impl Keys {
    fn new(secret: &SecretBytes) -> Self {
        Keys { secret: secret.clone(), generations: [const { OnceCell::new() }; GENERATIONS as usize] }
    }

    fn seal(&self, header: &[u8; HEADER_BYTES], sequence: u32, body: &mut [u8]) -> Option<[u8; SEAL_BYTES]> {
        let sealer = self.generations.get(generation_of(sequence) as usize)?.get_or_init(|| {
            let mut sealer = Sealer::new(&self.secret);
            sealer.keep_up(sequence);
            sealer
        });
        sealer.seal(header, sequence, body)
    }
}

impl Pair {
    fn new() -> Self {
        let mut watched = Watched::new(2);
        let (client, session, keys) = connect(&mut watched, 1);
        let mut server_saw = Seen::default();
        server_saw.take(1);
        Pair {
            connection_id: client.connection_id(),
            watched,
            client,
            session,
            client_keys: Keys::new(keys.client_secret()),
            server_keys: Keys::new(keys.server_secret()),
            server_saw,
            client_saw: Seen::default(),
        }
    }

    fn step(&mut self, what: u8, argument: u8, bytes: &[u8]) {
        let copies = match what & (TWICE | LOST) {
            0 => 1,
            TWICE => 2,
            _ => 0,
        };
        let mut out = [0; DATAGRAM_BYTES_MAX];
        match what & 15 {
            RAW_TO_SERVER => self.unsealed_to_server(what, bytes),
            FORGED_TO_SERVER => self.unsealed_to_server(what, &self.forged(argument, bytes)),
            SEALED_TO_SERVER => {
                let sealed = self.sealed(&self.client_keys, argument, bytes);
                (0..copies).for_each(|_| self.sealed_to_server(what, &sealed, bytes));
            }
            REAL_TO_SERVER => {
                let payload = bytes.len().min(PAYLOAD_BYTES_MAX);
                out[HEADER_BYTES..HEADER_BYTES + payload].copy_from_slice(&bytes[..payload]);
                let length = self.client.finish(self.watched.now_us, argument, &mut out, payload);
                if let Some(length) = length {
                    let body = [&[0; HEADER_BYTES], &bytes[..payload]].concat();
                    (0..copies).for_each(|_| self.sealed_to_server(what, &out[..length], &body));
                }
            }
            REAL_TO_CLIENT => {
                let payload = bytes.len().min(PAYLOAD_BYTES_MAX);
                out[HEADER_BYTES..HEADER_BYTES + payload].copy_from_slice(&bytes[..payload]);
                let now_us = self.watched.now_us;
                let half = self.watched.server.transmit_halves().get(self.session.get());
                let length = half.and_then(|half| half.finish(now_us, argument, &mut out, payload));
                if let Some(length) = length {
                    let body = [&[0; HEADER_BYTES], &bytes[..payload]].concat();
                    (0..copies).for_each(|_| self.at_client(&out[..length], Some(&body)));
                }
            }
            RAW_TO_CLIENT => self.at_client(bytes, None),
            FORGED_TO_CLIENT => self.at_client(&self.forged(argument, bytes), None),
            SEALED_TO_CLIENT => {
                let sealed = self.sealed(&self.server_keys, argument, bytes);
                (0..copies).for_each(|_| self.at_client(&sealed, Some(bytes)));
            }
            _ => self.wait(argument),
        }
    }

    /// The bytes as a datagram of this session: only sequence, acknowledgement, kind and what follows are the fuzzer's.
    fn forged(&self, argument: u8, bytes: &[u8]) -> Vec<u8> {
        let mut datagram = bytes.to_vec();
        if let Some(first) = datagram.first_mut() {
            *first = [TYPE_DATA, TYPE_DISCONNECT, TYPE_CONTROL][usize::from(argument % 3)];
        }
        if let Some(id) = datagram.get_mut(4..8) {
            id.copy_from_slice(&self.connection_id.to_le_bytes());
        }
        datagram
    }

    /// The same, sealed: what only the other end could make.
    fn sealed(&self, keys: &Keys, argument: u8, bytes: &[u8]) -> Vec<u8> {
        let mut datagram = self.forged(argument, bytes);
        let Some((header, body)) = datagram.split_first_chunk_mut::<HEADER_BYTES>() else { return datagram };
        let sequence = Header::read(header).map_or(0, |header| header.sequence);
        let tag = keys.seal(header, sequence, body).unwrap_or([0; SEAL_BYTES]);
        datagram.extend_from_slice(&tag);
        datagram
    }

    /// Nothing that is not sealed changes anything of the session.
    fn unsealed_to_server(&mut self, what: u8, datagram: &[u8]) {
        let before = self.watched.server.session(self.session);
        let outcome = self.watched.handle(self.from(what), datagram, Decision::Admit);
        assert!(
            matches!(outcome, Outcome::Dropped | Outcome::Reply(_)),
            "{outcome:?} for what nobody sealed"
        );
        assert_eq!(self.watched.server.session(self.session), before);
    }

    fn from(&self, what: u8) -> SocketAddr {
        address(if what & ELSEWHERE == 0 { 1 } else { 3 })
    }

    fn sealed_to_server(&mut self, what: u8, datagram: &[u8], plain: &[u8]) {
        let before = self.watched.server.session(self.session);
        let late_rejects = self.late_rejects();
        let sequence = Header::read(datagram).map_or(0, |header| header.sequence);
        let outcome = self.watched.handle(self.from(what), datagram, Decision::Admit);
        let after = self.watched.server.session(self.session);
        let moved = matches!(outcome, Outcome::Moved(_));
        if let (Some(before), Some(after)) = (before, after) {
            assert!(before.address == after.address || moved, "moved without an answer from there");
            assert_eq!(before.connection_id, after.connection_id);
            if after.last_heard_us != before.last_heard_us || after.received != before.received {
                assert!(self.server_saw.is_fresh(sequence), "heard by a replay");
                assert!(after.received == before.received || after.received == sequence);
            }
        }
        match outcome {
            Outcome::Data(session) => {
                assert_eq!(session, self.session);
                assert_eq!(self.watched.payload, plain[HEADER_BYTES..]);
                self.server_saw.take(sequence);
            }
            Outcome::Strayed(session, challenge) => {
                assert_eq!(session, self.session);
                self.server_saw.take(sequence);
                if what & ANSWERED != 0 {
                    self.at_client(&challenge, Some(&[]));
                    self.polled(what);
                }
            }
            Outcome::Handled | Outcome::Moved(_) => self.server_saw.take(sequence),
            // The place is free again. Nobody here shakes hands anew, so it stays so.
            Outcome::Disconnected(session) => assert_eq!(session, self.session),
            Outcome::Dropped if self.late_rejects() > late_rejects => self.server_saw.take(sequence),
            Outcome::Dropped => {}
            other => panic!("{other:?} for a session's datagram"),
        }
    }

    /// Datagrams that opened and were dropped all the same: their sequences are taken.
    fn late_rejects(&self) -> u64 {
        let counters = self.watched.server.counters();
        counters.rejected_rate_limited + counters.rejected_control + counters.rejected_prefix_full
    }

    /// `plain` is what was sealed, header first; `None` when nobody sealed it.
    fn at_client(&mut self, datagram: &[u8], plain: Option<&[u8]>) {
        let was = self.client.state();
        let mut copy = datagram.to_vec();
        let event = self.client.handle(self.watched.now_us, &mut copy);
        let sequence = Header::read(datagram).map_or(0, |header| header.sequence);
        assert!(
            plain.is_some() || matches!(event, ClientEvent::Dropped(_)),
            "{event:?} for what nobody sealed"
        );
        match event {
            ClientEvent::Data { payload, .. } => {
                assert_eq!(was, ClientState::Connected);
                assert!(plain.is_some_and(|plain| plain[HEADER_BYTES..] == *payload));
                self.client_saw.take(sequence);
            }
            ClientEvent::Handled => self.client_saw.take(sequence),
            ClientEvent::Closed(cause) => assert_eq!(self.client.state(), ClientState::Closed(cause)),
            // It opened, so its sequence is taken, although it means nothing.
            ClientEvent::Dropped(Reject::Control) => self.client_saw.take(sequence),
            ClientEvent::Dropped(_) => assert_eq!(self.client.state(), was),
            ClientEvent::Challenged | ClientEvent::Connected => panic!("a handshake inside a session"),
        }
    }

    fn wait(&mut self, tenths: u8) {
        self.watched.now_us += u64::from(tenths) * 100_000;
        let now_us = self.watched.now_us;
        self.watched.server.expire(now_us, |_| {});
        self.polled(0);
    }

    fn polled(&mut self, what: u8) {
        let mut out = [0; DATAGRAM_BYTES_MAX];
        for _ in 0..8 {
            let Some(length) = self.client.poll(self.watched.now_us, &mut out) else { return };
            self.sealed_to_server(what & ELSEWHERE, &out[..length], &[0; HEADER_BYTES]);
        }
        panic!("a client that always has something to send");
    }
}
