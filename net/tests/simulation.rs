//! A server and its clients as state machines, with a network between them that loses, delays, reorders and repeats.

mod world;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;

use throng_net::limits::DATAGRAM_BYTES_MAX;
use throng_net::protocol::{Client, ClientEvent, ClientState, CloseCause, Received, Server, SessionIndex};
use world::{MS, Random, S, address, seed, server};

const CLIENTS: u32 = 200;
const TICK_US: u64 = 50 * MS;

struct Conditions {
    loss_percent: u32,
    repeat_percent: u32,
    delay_us: u64,
    jitter_us: u32,
}

/// What is on its way: when it arrives, a number that keeps equal times in order, to whom (server or a client), bytes.
type Flight = Reverse<(u64, u64, Option<u32>, u32, Vec<u8>)>;

struct Network {
    conditions: Conditions,
    random: Random,
    flights: BinaryHeap<Flight>,
    sent: u64,
}

impl Network {
    /// Puts a datagram on its way to the server or to a client; `client` is its other end.
    fn send(&mut self, now_us: u64, to_client: bool, client: u32, datagram: &[u8]) {
        let copies = 1 + u32::from(self.random.chance(self.conditions.repeat_percent));
        for _ in 0..copies {
            if !self.random.chance(self.conditions.loss_percent) {
                let delay_us =
                    self.conditions.delay_us + u64::from(self.random.below(self.conditions.jitter_us + 1));
                self.sent += 1;
                let to = to_client.then_some(client);
                self.flights.push(Reverse((now_us + delay_us, self.sent, to, client, datagram.to_vec())));
            }
        }
    }

    fn arrived(&mut self, now_us: u64) -> Option<(Option<u32>, u32, Vec<u8>)> {
        self.flights.peek().filter(|flight| flight.0.0 <= now_us)?;
        self.flights.pop().map(|Reverse((_, _, to, client, datagram))| (to, client, datagram))
    }
}

/// A payload that says whose it is and which one.
fn payload(from: u32, number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&from.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_le_bytes());
    bytes
}

#[derive(Default)]
struct Seen {
    /// First arrivals of what was sent, by the network's account and by the protocol's.
    arrived: HashSet<(u32, u32)>,
    delivered: HashSet<(u32, u32)>,
}

struct Simulation {
    network: Network,
    server: Server,
    clients: Vec<Client>,
    places: HashMap<SessionIndex, u32>,
    by_address: HashMap<SocketAddr, u32>,
    up: Seen,
    down: Seen,
    connects: HashMap<u32, u32>,
    now_us: u64,
}

impl Simulation {
    fn new(name: &str, conditions: Conditions) -> Self {
        let random = Random::new(seed(name));
        let clients = (0..CLIENTS)
            .map(|i| Client::new(0, u64::from(i) << 32 | 7, payload(i, 0)[..].into()).unwrap())
            .collect();
        Simulation {
            network: Network { conditions, random, flights: BinaryHeap::new(), sent: 0 },
            server: server(CLIENTS),
            clients,
            places: HashMap::new(),
            by_address: (0..CLIENTS).map(|i| (address(i), i)).collect(),
            up: Seen::default(),
            down: Seen::default(),
            connects: HashMap::new(),
            now_us: 0,
        }
    }

    fn run(&mut self, until_us: u64) {
        while self.now_us < until_us {
            self.deliver();
            if self.now_us.is_multiple_of(TICK_US) {
                self.tick();
            }
            let mut out = [0; DATAGRAM_BYTES_MAX];
            for (i, client) in self.clients.iter_mut().enumerate() {
                while let Some(bytes) = client.poll(self.now_us, &mut out) {
                    self.network.send(self.now_us, false, i as u32, &out[..bytes]);
                }
            }
            self.now_us += MS;
        }
    }

    /// Both sides send one payload per session.
    fn tick(&mut self) {
        let mut out = [0; 24];
        for (i, client) in self.clients.iter_mut().enumerate() {
            if let Some(sequence) = client.write_header(self.now_us, 1, &mut out) {
                out[16..].copy_from_slice(&payload(i as u32, sequence));
                self.network.send(self.now_us, false, i as u32, &out);
            }
        }
        for transmit in self.server.transmit_halves().iter().filter(|transmit| transmit.is_live()) {
            let to = self.by_address[&transmit.address().socket_addr()];
            let sequence = transmit.write_header(self.now_us, 2, &mut out);
            out[16..].copy_from_slice(&payload(to, sequence));
            self.network.send(self.now_us, true, to, &out);
        }
        self.server.expire(self.now_us, |session| {
            self.places.remove(&session);
        });
    }

    fn deliver(&mut self) {
        while let Some((to, client, datagram)) = self.network.arrived(self.now_us) {
            let number = |payload: &[u8]| {
                let word = |at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().unwrap());
                (word(0), word(4))
            };
            if to.is_some() {
                let is_data =
                    datagram[0] == 5 && self.clients[client as usize].state() == ClientState::Connected;
                if is_data {
                    self.down.arrived.insert(number(&datagram[16..]));
                }
                if let ClientEvent::Data { kind, payload } =
                    self.clients[client as usize].handle(self.now_us, &datagram)
                {
                    assert_eq!((kind, number(payload).0), (2, client), "whose it is");
                    assert!(self.down.delivered.insert(number(payload)), "delivered twice");
                }
                continue;
            }
            match self.server.handle(self.now_us, address(client), &datagram) {
                Received::Reply(answer) => self.network.send(self.now_us, true, client, &answer),
                Received::Connected { session, payload: hello, reply } => {
                    assert_eq!(number(hello), (client, 0));
                    assert_eq!(self.places.insert(session, client), None, "the place was free");
                    *self.connects.entry(client).or_default() += 1;
                    self.network.send(self.now_us, true, client, &reply);
                }
                Received::Data { session, kind, payload } => {
                    assert_eq!((kind, number(payload).0), (1, client));
                    assert_eq!(self.places[&session], client);
                    assert!(self.up.delivered.insert(number(payload)), "delivered twice");
                    self.up.arrived.insert(number(payload));
                }
                Received::Disconnected { session, .. } => {
                    assert_eq!(self.places.remove(&session), Some(client));
                }
                Received::Dropped(_)
                    if datagram[0] == 5 && self.places.values().any(|place| *place == client) =>
                {
                    self.up.arrived.insert(number(&datagram[16..]));
                }
                Received::Dropped(_) => {}
            }
        }
    }

    /// Everyone got in once, and whatever the network let through was delivered once.
    fn assert_all_well(&self) {
        for (i, client) in self.clients.iter().enumerate() {
            assert_eq!(client.state(), ClientState::Connected, "client {i}");
            assert_eq!(self.connects[&(i as u32)], 1);
        }
        assert_eq!(self.server.session_count(), CLIENTS as usize);
        assert_eq!(self.up.arrived, self.up.delivered);
        assert_eq!(self.down.arrived, self.down.delivered);
        assert!(self.up.delivered.len() > 10_000 && self.down.delivered.len() > 10_000);
    }
}

#[test]
fn a_good_network_loses_nothing() {
    let conditions = Conditions { loss_percent: 0, repeat_percent: 0, delay_us: 20 * MS, jitter_us: 0 };
    let mut simulation = Simulation::new("a_good_network_loses_nothing", conditions);
    simulation.run(10 * S);
    simulation.assert_all_well();
    for client in &simulation.clients {
        assert!((40_000..=100_000).contains(&client.rtt_us().unwrap()));
    }
    for session in simulation.places.keys() {
        let info = simulation.server.session(*session).unwrap();
        assert!(info.sent - info.acked <= 3, "{info:?}");
    }
}

#[test]
fn loss_delay_reordering_and_repetition_are_survived() {
    let conditions =
        Conditions { loss_percent: 20, repeat_percent: 20, delay_us: 40 * MS, jitter_us: 300_000 };
    let mut simulation = Simulation::new("loss_delay_reordering_and_repetition_are_survived", conditions);
    simulation.run(20 * S);
    simulation.assert_all_well();
    let counters = simulation.server.counters();
    assert!(counters.rejected_duplicate > 1_000, "the network did repeat");
    assert!(counters.hello_repeated + counters.hello_challenged > u64::from(CLIENTS), "and lose");

    // Everyone leaves, on the same network; whose three copies are all lost times out.
    simulation.clients.iter_mut().for_each(|client| client.disconnect(9));
    simulation.run(21 * S);
    assert!(simulation.server.session_count() < 10, "{} of 200 are left", simulation.server.session_count());
    simulation.run(35 * S);
    assert_eq!(simulation.server.session_count(), 0);
    assert!(simulation.places.is_empty());
    assert!(simulation.server.transmit_halves().iter().all(|transmit| !transmit.is_live()));
}

#[test]
fn a_cut_cable_ends_all_sessions_on_both_sides_and_the_places_serve_again() {
    let conditions = Conditions { loss_percent: 0, repeat_percent: 0, delay_us: 20 * MS, jitter_us: 10_000 };
    let mut simulation = Simulation::new("a_cut_cable_ends_all_sessions_on_both_sides", conditions);
    simulation.run(5 * S);
    simulation.network.conditions.loss_percent = 100;
    simulation.run(17 * S);
    assert_eq!(simulation.server.session_count(), 0);
    assert!(simulation.places.is_empty());
    for client in &simulation.clients {
        assert_eq!(client.state(), ClientState::Closed(CloseCause::TimedOut));
    }
    simulation.network.conditions.loss_percent = 0;
    simulation.connects.clear();
    (simulation.up, simulation.down) = (Seen::default(), Seen::default());
    for (i, client) in simulation.clients.iter_mut().enumerate() {
        *client = Client::new(simulation.now_us, i as u64 + 99, payload(i as u32, 0)[..].into()).unwrap();
    }
    simulation.run(27 * S);
    simulation.assert_all_well();
    assert_eq!(simulation.server.transmit_halves().len(), CLIENTS as usize);
}
