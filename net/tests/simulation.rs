//! A server and its clients as state machines, with a network between them that loses, delays, reorders and repeats.

mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;

use throng_net::limits::{DATAGRAM_BYTES_MAX, HEADER_BYTES};
use throng_net::protocol::packet::{Header, TYPE_DATA};
use throng_net::protocol::{Client, ClientEvent, ClientState, CloseCause, Server, SessionIndex};
use world::{Got, MS, Random, S, address, deliver, seed, server};

const CLIENTS: u32 = 200;
const TICK_US: u64 = 50 * MS;

struct Conditions {
    loss_percent: u32,
    repeat_percent: u32,
    delay_us: u64,
    jitter_us: u32,
}

/// What is on its way: when it arrives, a number that keeps equal times in order, whether it goes to a client, the
/// address of its client's end, bytes.
type Flight = Reverse<(u64, u64, bool, SocketAddr, Vec<u8>)>;

struct Network {
    conditions: Conditions,
    random: Random,
    flights: BinaryHeap<Flight>,
    sent: u64,
}

impl Network {
    /// Puts a datagram on its way to the server or to a client.
    fn send(&mut self, now_us: u64, to_client: bool, client: SocketAddr, datagram: &[u8]) {
        let copies = 1 + u32::from(self.random.chance(self.conditions.repeat_percent));
        for _ in 0..copies {
            if !self.random.chance(self.conditions.loss_percent) {
                let delay_us =
                    self.conditions.delay_us + u64::from(self.random.below(self.conditions.jitter_us + 1));
                self.sent += 1;
                self.flights.push(Reverse((
                    now_us + delay_us,
                    self.sent,
                    to_client,
                    client,
                    datagram.to_vec(),
                )));
            }
        }
    }

    fn arrived(&mut self, now_us: u64) -> Option<(bool, SocketAddr, Vec<u8>)> {
        self.flights.peek().filter(|flight| flight.0.0 <= now_us)?;
        self.flights.pop().map(|Reverse((_, _, to_client, client, datagram))| (to_client, client, datagram))
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
    /// First arrivals of what was sent, client and sequence, by the network's account and by the protocol's.
    arrived: HashSet<(u32, u32)>,
    delivered: HashSet<(u32, u32)>,
}

struct Simulation {
    network: Network,
    server: Server,
    clients: Vec<Client>,
    /// How often each client's router has given it another address.
    moves: Vec<u32>,
    /// In order, or the order of sending would not follow from the seed.
    places: BTreeMap<SessionIndex, u32>,
    up: Seen,
    down: Seen,
    connects: HashMap<u32, u32>,
    now_us: u64,
}

impl Simulation {
    fn new(name: &str, conditions: Conditions) -> Self {
        let random = Random::new(seed(name));
        let clients = (0..CLIENTS)
            .map(|i| {
                Client::new(0, u64::from(i) << 32 | 7, world::grant(0), payload(i, 0)[..].into()).unwrap()
            })
            .collect();
        Simulation {
            network: Network { conditions, random, flights: BinaryHeap::new(), sent: 0 },
            server: server(CLIENTS),
            clients,
            moves: vec![0; CLIENTS as usize],
            places: BTreeMap::new(),
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
            for i in 0..CLIENTS {
                let from = self.address(i);
                while let Some(bytes) = self.clients[i as usize].poll(self.now_us, &mut out) {
                    self.network.send(self.now_us, false, from, &out[..bytes]);
                }
            }
            self.now_us += MS;
        }
    }

    /// Where a client is now.
    fn address(&self, client: u32) -> SocketAddr {
        address(client + CLIENTS * self.moves[client as usize])
    }

    /// Whose address that is; `None` for one that its client has lost.
    fn client_at(&self, at: SocketAddr) -> Option<u32> {
        (0..CLIENTS).find(|client| self.address(*client) == at)
    }

    /// Both sides send one payload per session.
    fn tick(&mut self) {
        let mut out = [0; 40];
        for i in 0..CLIENTS {
            let from = self.address(i);
            let client = &mut self.clients[i as usize];
            out[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&payload(i, client.sent() + 1));
            if client.finish(self.now_us, 1, &mut out, 8).is_some() {
                self.network.send(self.now_us, false, from, &out);
            }
        }
        let halves = self.server.transmit_halves();
        for (session, client) in &self.places {
            let half = halves.get(session.get()).unwrap();
            out[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&payload(*client, half.sent() + 1));
            assert_eq!(half.finish(self.now_us, 2, &mut out, 8), Some(40));
            self.network.send(self.now_us, true, half.address().socket_addr(), &out);
        }
        self.server.expire(self.now_us, |session| {
            self.places.remove(&session);
        });
    }

    fn deliver(&mut self) {
        let number = |payload: &[u8]| {
            let word = |at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().unwrap());
            (word(0), word(4))
        };
        while let Some((to_client, at, mut datagram)) = self.network.arrived(self.now_us) {
            let header = Header::read(&datagram).unwrap();
            if to_client {
                let Some(i) = self.client_at(at) else { continue };
                let client = &mut self.clients[i as usize];
                if header.packet_type == TYPE_DATA && client.state() == ClientState::Connected {
                    self.down.arrived.insert((i, header.sequence));
                }
                if let ClientEvent::Data { kind, payload } = client.handle(self.now_us, &mut datagram) {
                    assert_eq!((kind, number(payload)), (2, (i, header.sequence)), "whose it is");
                    assert!(self.down.delivered.insert((i, header.sequence)), "delivered twice");
                }
                continue;
            }
            let mut data = None;
            let got = deliver(&mut self.server, self.now_us, at, &datagram);
            if let Some(answer) = got.answer() {
                self.network.send(self.now_us, true, at, answer);
            }
            match got {
                Got::Connected(session, ticket, first) => {
                    // Characters are numbered from 1, as they were made.
                    let client = (ticket.character as u32 - 1) % CLIENTS;
                    assert_eq!(self.places.insert(session, client), None, "the place was free");
                    *self.connects.entry(client).or_default() += 1;
                    data = first.map(|first| (session, first));
                }
                Got::Data(session, kind, payload) => data = Some((session, (kind, payload))),
                Got::Strayed(session, _, strayed) => data = strayed.map(|strayed| (session, strayed)),
                Got::Disconnected(session, _) => assert!(self.places.remove(&session).is_some()),
                Got::Refused(_) => panic!("there is room for everyone"),
                _ => {}
            }
            if let Some((session, (kind, payload))) = data {
                let client = self.places[&session];
                assert_eq!((kind, number(&payload)), (1, (client, header.sequence)));
                assert!(self.up.delivered.insert((client, header.sequence)), "delivered twice");
                self.up.arrived.insert((client, header.sequence));
            } else if header.packet_type == TYPE_DATA
                && let Some(session) = self.server.sessions().find(|session| {
                    self.server.session(*session).unwrap().connection_id == header.connection_id
                })
            {
                self.up.arrived.insert((self.places[&session], header.sequence));
            }
        }
    }

    /// Everyone got in once, and whatever the network let through was delivered once.
    fn assert_all_well(&self) {
        for (i, client) in self.clients.iter().enumerate() {
            assert_eq!(client.state(), ClientState::Connected, "client {i}");
            assert_eq!(self.connects[&(i as u32)], 1, "client {i}");
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
fn routers_that_forget_cost_nobody_a_session() {
    let conditions = Conditions { loss_percent: 5, repeat_percent: 5, delay_us: 30 * MS, jitter_us: 20_000 };
    let mut simulation = Simulation::new("routers_that_forget_cost_nobody_a_session", conditions);
    simulation.run(5 * S);
    let mut moved = 0;
    for second in 6..26 {
        // A tenth of all players is somewhere else each second.
        for client in 0..CLIENTS as usize {
            if simulation.network.random.chance(10) {
                simulation.moves[client] += 1;
                moved += 1;
            }
        }
        simulation.run(second * S);
    }
    simulation.run(27 * S);
    simulation.assert_all_well();
    for (session, client) in &simulation.places {
        assert_eq!(simulation.server.session(*session).unwrap().address, simulation.address(*client));
    }
    let sessions_moved = simulation.server.counters().sessions_moved;
    println!("{moved} moves, {sessions_moved} followed");
    assert!(sessions_moved * 10 > moved * 9);
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
    assert_eq!(simulation.server.transmit_halves().iter().count(), 0);
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
        let grant = world::grant(simulation.now_us);
        *client =
            Client::new(simulation.now_us, i as u64 + 99, grant, payload(i as u32, 0)[..].into()).unwrap();
    }
    simulation.run(27 * S);
    simulation.assert_all_well();
    assert_eq!(simulation.server.transmit_halves().len(), CLIENTS as usize);
}
