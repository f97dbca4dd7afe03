//! A client that speaks the datagram protocol properly and can say anything at all inside it.

use std::net::UdpSocket;
use std::sync::Arc;

use throng_net::limits::SEAL_BYTES;
use throng_net::protocol::channel::{KIND_FRAMED, frame};
use throng_net::protocol::token::Grant;
use throng_net::protocol::{Client, ClientEvent, ClientState};
use throng_schema::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES};
use throng_schema::{INPUT_BYTES, INTENTS_SENT, IntentFields, KIND_INPUT, KIND_SNAPSHOT};

use super::{Player, Stage, now_us, socket_to, step};

pub struct Raw {
    pub socket: UdpSocket,
    pub link: Client,
    /// Baselines of the snapshots received, by arrival, with their ticks.
    pub baselines: Vec<(u32, u32)>,
    is_unheard: bool,
}

impl Raw {
    /// A client that is about to send `hello`.
    pub fn new(realm: &mut Stage<'_>, salt: u64, hello: &[u8]) -> Self {
        let grant = realm.grant(|_| {});
        Self::with(realm, salt, hello, grant)
    }

    /// A client that is about to send `hello` with a grant of one's choice.
    pub fn with(realm: &Stage<'_>, salt: u64, hello: &[u8], grant: Grant) -> Self {
        let link = Client::new(now_us(realm), salt, grant, Arc::from(hello)).expect("a short hello");
        Self { socket: socket_to(realm), link, baselines: Vec::new(), is_unheard: true }
    }

    /// Steps the realm until the handshake is over, for better or worse.
    pub fn shake_hands(&mut self, realm: &mut Stage<'_>, players: &mut [Player]) -> ClientState {
        let state = self.get_accepted(realm, players);
        // The confirmation, if there is something to confirm.
        self.exchange(realm, players);
        state
    }

    /// Steps the realm until it has accepted or refused this client, which then says no more.
    pub fn get_accepted(&mut self, realm: &mut Stage<'_>, players: &mut [Player]) -> ClientState {
        for _ in 0..50 {
            self.exchange(realm, players);
            if self.link.state() != ClientState::Connecting {
                break;
            }
        }
        self.link.state()
    }

    /// One step of the realm, with whatever is due.
    pub fn exchange(&mut self, realm: &mut Stage<'_>, players: &mut [Player]) {
        self.poll(now_us(realm));
        step(realm, players);
        self.receive(now_us(realm));
    }

    pub fn poll(&mut self, now_us: u64) {
        let mut out = [0; DATAGRAM_BYTES_MAX];
        while let Some(bytes) = self.link.poll(now_us, &mut out) {
            self.socket.send(&out[..bytes]).expect("loopback takes it");
        }
    }

    pub fn receive(&mut self, now_us: u64) {
        let mut datagram = [0; 2048];
        while let Ok(bytes) = self.socket.recv(&mut datagram) {
            self.is_unheard = false;
            if let ClientEvent::Data { kind, payload } = self.link.handle(now_us, &mut datagram[..bytes])
                && kind & !KIND_FRAMED == KIND_SNAPSHOT
            {
                // What it is told it neither reads nor acknowledges.
                let framed = (kind != KIND_SNAPSHOT).then(|| frame::read(payload).expect("a sound frame").1);
                let payload = framed.unwrap_or(payload);
                let snapshot = throng_schema::read_snapshot(payload).expect("a realm sends sound snapshots");
                self.baselines.push((snapshot.tick(), snapshot.baseline()));
            }
        }
    }

    /// Whether nothing at all has come back. What has is lost with the asking.
    pub fn is_unanswered(&self) -> bool {
        self.socket.recv(&mut [0; 2048]).is_err() && self.is_unheard
    }

    /// A data datagram with `payload`, sealed and not sent.
    pub fn datagram(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut datagram = [&[0; DATAGRAM_HEADER_BYTES], payload, &[0; SEAL_BYTES]].concat();
        let bytes = self.link.finish(0, kind, &mut datagram, payload.len());
        assert_eq!(bytes, Some(datagram.len()), "connected");
        datagram
    }

    /// Sends `payload` as an input.
    pub fn say(&mut self, payload: &[u8]) {
        let datagram = self.datagram(KIND_INPUT, payload);
        self.socket.send(&datagram).expect("loopback takes it");
    }
}

/// A well-formed input, which brings the intents of the three before it too.
pub fn input(sequence: u32, ack_tick: u32, move_x: f32) -> [u8; INPUT_BYTES] {
    let mut input = [0; INPUT_BYTES];
    let intent = IntentFields { move_x, ..IntentFields::default() };
    throng_schema::write_input(&mut input, sequence, ack_tick, 0, &[intent; INTENTS_SENT]);
    input
}
