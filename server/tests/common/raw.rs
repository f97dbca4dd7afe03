//! A client that speaks the datagram protocol properly and can say anything at all inside it.

use std::net::UdpSocket;
use std::sync::Arc;

use throng_net::protocol::{Client, ClientEvent, ClientState};
use throng_schema::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES};
use throng_schema::{INPUT_BYTES, IntentFields, KIND_INPUT, KIND_SNAPSHOT};
use throng_server::realm::Realm;

use super::{Player, now_us, socket_to, step};

pub struct Raw {
    pub socket: UdpSocket,
    pub link: Client,
    /// Baselines of the snapshots received, by arrival, with their ticks.
    pub baselines: Vec<(u32, u32)>,
}

impl Raw {
    /// A client that is about to send `hello`.
    pub fn new(realm: &Realm, salt: u64, hello: &[u8]) -> Self {
        let link = Client::new(now_us(realm), salt, Arc::from(hello)).expect("a short hello");
        Self { socket: socket_to(realm), link, baselines: Vec::new() }
    }

    /// Steps the realm until the handshake is over, for better or worse.
    pub fn shake_hands(&mut self, realm: &mut Realm, players: &mut [Player]) -> ClientState {
        for _ in 0..50 {
            self.poll(now_us(realm));
            step(realm, players);
            self.receive(now_us(realm));
            if self.link.state() != ClientState::Connecting {
                break;
            }
        }
        self.link.state()
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
            if let ClientEvent::Data { kind: KIND_SNAPSHOT, payload } =
                self.link.handle(now_us, &datagram[..bytes])
            {
                let snapshot = throng_schema::read_snapshot(payload).expect("a realm sends sound snapshots");
                self.baselines.push((snapshot.tick(), snapshot.baseline()));
            }
        }
    }

    /// A data datagram with `payload`, not sent.
    pub fn datagram(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0; DATAGRAM_HEADER_BYTES];
        self.link.write_header(0, kind, &mut datagram).expect("connected");
        datagram.extend_from_slice(payload);
        datagram
    }

    /// Sends `payload` as an input.
    pub fn say(&mut self, payload: &[u8]) {
        let datagram = self.datagram(KIND_INPUT, payload);
        self.socket.send(&datagram).expect("loopback takes it");
    }
}

/// A well-formed input.
pub fn input(sequence: u32, ack_tick: u32, move_x: f32) -> [u8; INPUT_BYTES] {
    let mut input = [0; INPUT_BYTES];
    let intent = IntentFields { move_x, ..IntentFields::default() };
    throng_schema::write_input(&mut input, sequence, ack_tick, intent);
    input
}
