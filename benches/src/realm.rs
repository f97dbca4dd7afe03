//! A server cut down to what costs: sessions, seats, a game and a socket, with the clients in the same process.
//!
//! ```text
//!   Swarm ─ inputs over loopback ─► Realm: receive ─► simulate ─► encode ─► send ─► the swarm's socket, unread
//!     off the clock                        on the clock, stage by stage
//! ```
//!
//! It does per datagram what the real server does, from the same parts, and leaves out what costs nothing per client:
//! config, pacing, reports, joining and leaving.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::Range;

use glam::Vec2;
use throng_engine::Random;
use throng_game::{EntityId, Game, GameConfig, Input, Intent, PlayerId, Request, Spawn, Taken, Viewer};
use throng_net::io::impersonate::Impersonator;
use throng_net::io::{BackendChoice, Receive, Sender, SocketConfig};
use throng_net::limits::{HEADER_BYTES, SEAL_BYTES};
use throng_net::protocol::{Client, Received, Server, ServerConfig};
use throng_net::testing::{Gateway, shake_hands};
use throng_schema::limits::PAYLOAD_BYTES_MAX;
use throng_schema::{INPUT_BYTES, INTENTS_SENT, IntentFields, KIND_INPUT, KIND_SNAPSHOT};

use crate::field;
use crate::raw::clock::Clock;
use crate::raw::udp::local;

/// Clients that are encoded and flushed together, as in the server.
const CHUNK_CLIENTS: usize = 96;
/// Seats ahead of which keys and rows are asked for, as in the server.
const SEATS_AHEAD: usize = 2;
/// The server receives about as often as this many inputs arrive.
const RECEIVE_BATCH: usize = 2_000;
const TICK_US: u64 = 50_000;
/// Baselines are this old, ticks: a round trip of 100 ms.
const ACK_AGE_TICKS: u32 = 3;
/// Ticks whose inputs are sealed at once. Sealed in each tick, they would drive the server's data out of the caches, which no
/// client does that runs elsewhere.
const INPUTS_AHEAD: u32 = 8;
/// A sealed input.
const INPUT_DATAGRAM_BYTES: usize = HEADER_BYTES + INPUT_BYTES + SEAL_BYTES;

/// What each stage of the ticks so far has cost, nanoseconds on the thread's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stages {
    /// Draining the socket, opening datagrams, reading inputs.
    pub receive_ns: u64,
    /// Applying intents, moving the world, publishing it.
    pub simulate_ns: u64,
    /// Selecting, encoding and sealing snapshots.
    pub encode_ns: u64,
    /// Handing them to the kernel, which delivers them to the sink.
    pub send_ns: u64,
}

/// All clients, as one socket that speaks for as many addresses. What they are sent is never read.
struct Swarm {
    socket: Impersonator,
    clients: Vec<Client>,
    to: SocketAddrV4,
    sequence: u32,
    /// The sealed inputs of this tick and those after it, tick by tick.
    inputs: VecDeque<[u8; INPUT_DATAGRAM_BYTES]>,
}

impl Swarm {
    /// Begins a tick, `tick` of the game being the last one.
    fn begin(&mut self, now_us: u64, tick: u32) {
        if self.inputs.is_empty() {
            (0..INPUTS_AHEAD).for_each(|ahead| self.seal(now_us + u64::from(ahead) * TICK_US, tick + ahead));
        }
    }

    /// Seals everybody's next input, which acknowledges the snapshot of a few ticks ago.
    fn seal(&mut self, now_us: u64, tick: u32) {
        self.sequence += 1;
        // By the time the answer is encoded, it is a tick later.
        let acked = (tick + 1).saturating_sub(ACK_AGE_TICKS);
        for (number, client) in (0..).zip(&mut self.clients) {
            let mut datagram = [0; INPUT_DATAGRAM_BYTES];
            // A new direction about every two seconds.
            let mut random = field::random(7).fork(number).fork((self.sequence + number % 40) / 40);
            let intent = intent(&mut random);
            let Some(payload) = datagram[HEADER_BYTES..].first_chunk_mut() else {
                unreachable!("as long as an input")
            };
            throng_schema::write_input(payload, self.sequence, acked, 0, &[intent; INTENTS_SENT]);
            let sealed = client.finish(now_us, KIND_INPUT, &mut datagram, INPUT_BYTES);
            assert!(sealed.is_some(), "client {number} is connected");
            self.inputs.push_back(datagram);
        }
    }

    /// Sends the inputs of clients `range`, the next in line.
    fn send_inputs(&mut self, range: Range<usize>) {
        let inputs = self.inputs.drain(..range.len());
        for (number, datagram) in range.zip(inputs) {
            self.socket.push(local(number), self.to, &datagram);
        }
        self.socket.flush();
    }
}

fn intent(random: &mut Random) -> IntentFields {
    let yaw = random.next_u32() as u16;
    let (move_x, move_y) = throng_engine::angle::direction(yaw);
    IntentFields { move_x, move_y, yaw, buttons: 0 }
}

#[derive(Clone)]
struct Seat {
    /// Of the session.
    place: u32,
    own: EntityId,
    viewer: Viewer,
    player: PlayerId,
    acked_tick: u32,
}

/// What is found by session: what it said.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Place {
    player: PlayerId,
    taken_sequence: u32,
    newest_sequence: u32,
    acked_tick: u32,
}

impl Place {
    const EMPTY: Self =
        Self { player: PlayerId(u32::MAX), taken_sequence: 0, newest_sequence: 0, acked_tick: 0 };
}

/// The server, and its clients.
pub struct Realm {
    protocol: Server,
    game: Game,
    /// By their avatars' cells: in memory as they are visited.
    seats: Vec<Seat>,
    places: Vec<Place>,
    /// Scratch of sorting.
    keys: Vec<(u32, u32)>,
    spare: Vec<Seat>,
    receiver: Box<dyn Receive>,
    sender: Box<dyn Sender>,
    swarm: Swarm,
    now_us: u64,
    stages: Stages,
    /// Bytes of each datagram of the last tick, by session.
    sizes: Vec<usize>,
}

impl Realm {
    /// A realm on an address of loopback or the wildcard, in which `clients` are connected, each with about fifty others in view.
    ///
    /// # Panics
    /// When the system has no sockets or, asked for by `backend`, no io_uring.
    pub fn new(listen: Ipv4Addr, clients: usize, backend: BackendChoice) -> Self {
        let listen = SocketAddr::from((listen, 0));
        let bound = throng_net::io::bind(&SocketConfig { backend, ..SocketConfig::new(listen) });
        let bound = bound.expect("a socket with this backend can be had");
        let swarm = Swarm {
            // The smallest receive buffer there is: it is the sink.
            socket: Impersonator::bind(0, 1, 32 << 20).expect("a socket can be had"),
            clients: Vec::new(),
            to: SocketAddrV4::new(Ipv4Addr::LOCALHOST, bound.report.local_addr.port()),
            sequence: 0,
            inputs: VecDeque::new(),
        };
        let world = field::config(clients as u32, field::AREA_EACH_M2);
        let game = Game::new(GameConfig { spawn: Spawn::Everywhere, ..GameConfig::new(world) });
        let mut gateway = Gateway::default();
        let config = ServerConfig { sessions_max: clients as u32, ..gateway.config() };
        let mut realm = Self {
            protocol: gateway.server(config),
            game: game.expect("the config is sound"),
            seats: Vec::new(),
            places: vec![Place::EMPTY; clients],
            keys: Vec::new(),
            spare: Vec::new(),
            receiver: bound.receiver,
            sender: bound.senders.make().expect("a sender can be had"),
            swarm,
            now_us: 1_000_000,
            stages: Stages::default(),
            sizes: vec![0; clients],
        };
        (0..clients).for_each(|number| realm.connect(number, &mut gateway));
        realm
    }

    /// Shakes hands with client `number`, without a socket.
    fn connect(&mut self, number: usize, gateway: &mut Gateway) {
        let from = SocketAddr::from((local(number), self.swarm.socket.port()));
        let hello = throng_schema::write_hello(throng_schema::SCHEMA_VERSION, "bench");
        let mut client = gateway.client(self.now_us, hello);
        let (session, _) = shake_hands(&mut self.protocol, &mut client, self.now_us, from);
        assert_eq!(session.get(), number, "places are given out in order");
        let enter = Input::Enter { character: number as u64 + 1, name: "bench" };
        let Taken::Entered(player) = self.game.take(enter) else { panic!("the world has room for all") };
        let own = self.game.avatar(player).expect("who has entered has a body");
        self.places[number].player = player;
        self.seats.push(Seat { place: number as u32, own, player, viewer: Viewer::default(), acked_tick: 0 });
        self.swarm.clients.push(client);
    }

    /// One tick: everybody's input comes in, everybody's snapshot goes out.
    pub fn tick(&mut self) {
        self.now_us += TICK_US;
        self.swarm.begin(self.now_us, self.game.current_tick());
        let clients = self.seats.len();
        let mut received = 0;
        for start in (0..clients).step_by(RECEIVE_BATCH) {
            self.swarm.send_inputs(start..(start + RECEIVE_BATCH).min(clients));
            let start_ns = Clock::Thread.now_ns();
            received += self.receive();
            self.stages.receive_ns += Clock::Thread.now_ns() - start_ns;
        }
        assert_eq!(received, clients, "no input is lost on the way");

        let start_ns = Clock::Thread.now_ns();
        self.protocol.expire(self.now_us, |_| ());
        self.note_acks();
        self.game.tick();
        if self.game.current_tick().is_multiple_of(20) {
            self.sort();
        }
        self.stages.simulate_ns += Clock::Thread.now_ns() - start_ns;
        self.send();
    }

    fn sort(&mut self) {
        let Self { seats, keys, spare, game, .. } = self;
        keys.clear();
        let cell = |seat: &Seat| game.world().cell_of(seat.own).unwrap_or(u32::MAX);
        keys.extend(seats.iter().zip(0..).map(|(seat, index)| (cell(seat), index)));
        keys.sort_unstable();
        spare.clear();
        spare.extend(keys.iter().map(|(_, index)| seats[*index as usize].clone()));
        std::mem::swap(seats, spare);
    }

    /// Drains the socket and hands inputs to the game; returns how many were sound and new.
    pub fn receive(&mut self) -> usize {
        let Self { protocol, game, places, receiver, now_us, .. } = self;
        let mut inputs = 0;
        let drained = receiver.drain_ahead(usize::MAX, &mut |from, datagram, coming| {
            protocol.prefetch(coming);
            let Received::Data { session, kind: KIND_INPUT, payload } =
                protocol.handle(*now_us, from, datagram)
            else {
                return;
            };
            let Ok(input) = throng_schema::decode_input(payload) else { return };
            let place = &mut places[session.get()];
            if input.sequence > place.newest_sequence {
                (place.newest_sequence, place.acked_tick) = (input.sequence, input.ack_tick);
                inputs += 1;
            }
            for (sequence, IntentFields { move_x, move_y, yaw, buttons }) in input.steps() {
                if sequence <= place.taken_sequence {
                    continue;
                }
                let intent = Intent { direction: Vec2::new(move_x, move_y), yaw, buttons };
                let (player, shown_tick) = (place.player, input.shown_tick);
                if game.take(Input::Intent { player, sequence, shown_tick, intent }) == Taken::Queued {
                    place.taken_sequence = sequence;
                }
            }
        });
        drained.expect("the socket is sound");
        inputs
    }

    fn note_acks(&mut self) {
        let current_tick = self.game.current_tick();
        for seat in &mut self.seats {
            let acked_tick = self.places[seat.place as usize].acked_tick;
            seat.acked_tick = if acked_tick <= current_tick { acked_tick } else { 0 };
        }
    }

    fn send(&mut self) {
        let Self { protocol, game, seats, sender, now_us, stages, sizes, .. } = self;
        let (halves, tick) = (protocol.transmit_halves(), game.current_tick());
        for chunk in seats.chunks_mut(CHUNK_CLIENTS) {
            let start_ns = Clock::Thread.now_ns();
            let warm = chunk.iter().fold(0, |sum, seat| {
                seat.viewer.prefetch(seat.acked_tick, tick);
                sum ^ u32::from(game.queued(seat.player))
            });
            std::hint::black_box(warm);
            for index in 0..chunk.len() {
                if let Some(coming) = chunk.get(index + SEATS_AHEAD) {
                    halves.prefetch(coming.place as usize);
                    game.prefetch(&coming.viewer, coming.own, coming.acked_tick);
                }
                let seat = &mut chunk[index];
                let Some(half) = halves.get(seat.place as usize) else { continue };
                let request = Request {
                    own: seat.own,
                    acked_tick: seat.acked_tick,
                    input: game.applied_sequence(seat.player),
                    budget_bytes: PAYLOAD_BYTES_MAX,
                    ..Request::fresh(seat.own)
                };
                let slot = sender.slot();
                let message = &mut slot[HEADER_BYTES..];
                let Some(encoded) = game.encode(&mut seat.viewer, &request, message) else { continue };
                let Some(bytes) = half.finish(*now_us, KIND_SNAPSHOT, slot, encoded.bytes) else { continue };
                sender.commit(bytes, half.address());
                sizes[seat.place as usize] = bytes;
            }
            let encoded_ns = Clock::Thread.now_ns();
            sender.flush();
            stages.encode_ns += encoded_ns - start_ns;
            stages.send_ns += Clock::Thread.now_ns() - encoded_ns;
        }
    }

    /// What the stages have cost since this was last asked.
    pub fn take_stages(&mut self) -> Stages {
        std::mem::take(&mut self.stages)
    }

    /// Where each datagram of the last tick went, and its bytes.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddrV4, usize)> {
        let port = self.swarm.socket.port();
        self.sizes
            .iter()
            .enumerate()
            .map(move |(number, bytes)| (SocketAddrV4::new(local(number), port), *bytes))
    }

    /// Sends everybody's next inputs, for a receive that is measured alone.
    pub fn feed(&mut self) {
        self.now_us += TICK_US;
        self.swarm.begin(self.now_us, self.game.current_tick());
        self.swarm.send_inputs(0..self.seats.len());
    }

    /// By which backend this realm sends.
    pub fn backend(&self) -> String {
        self.sender.backend().to_string()
    }
}

impl Stages {
    /// All of them.
    pub fn sum_ns(&self) -> u64 {
        self.receive_ns + self.simulate_ns + self.encode_ns + self.send_ns
    }
}
