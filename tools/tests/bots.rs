//! Swarms against a server in memory, in virtual time: no socket, no clock, the same result every time.

mod gate;
#[path = "../../client/tests/reference/mod.rs"]
mod reference;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use gate::Gate;
use reference::{Parts, Server as World};
use throng_net::limits::{HEADER_BYTES, PAYLOAD_BYTES_MAX, SEAL_BYTES};
use throng_net::protocol::channel::{Channel, ChannelCounters, KIND_FRAMED};
use throng_net::protocol::{Admission, Received, Server, ServerConfig, SessionIndex};
use throng_schema::{
    KIND_INPUT, KIND_SNAPSHOT, check_command, check_hello, check_input, read_command, read_hello, read_input,
};
use throng_tools::bots::{Arrive, BotsConfig, BotsError, BotsReport, Phase, Run, SwarmSocket, address_of};

const TICK_MS: u64 = 50;
const PORT: u16 = 4001;

/// The two queues between the swarm and the server.
#[derive(Default)]
struct Pipe {
    to_server: Vec<(Ipv4Addr, Vec<u8>)>,
    to_bots: VecDeque<(Ipv4Addr, Vec<u8>)>,
}

impl SwarmSocket for Pipe {
    fn drain(&mut self, limit: usize, each: &mut Arrive<'_>) -> io::Result<usize> {
        let count = limit.min(self.to_bots.len());
        for (local, mut datagram) in self.to_bots.drain(..count) {
            let coming = None;
            each(local, &mut datagram, coming);
        }
        Ok(count)
    }

    fn push(&mut self, local: Ipv4Addr, datagram: &[u8]) {
        self.to_server.push((local, datagram.to_vec()));
    }

    fn flush(&mut self) {}
}

/// One client as the scripted server knows it: a little world of its own.
struct Peer {
    address: Ipv4Addr,
    world: World,
    acked: u32,
    input: u32,
    inputs: u32,
    channel: Channel,
}

/// A server of scripted worlds around the real session layer.
struct Realm {
    pipe: Pipe,
    gate: Gate,
    net: Server,
    peers: BTreeMap<SessionIndex, Peer>,
    tick: u32,
    seed: u64,
    far_every: u32,
    calm: bool,
    goodbyes: u32,
    /// Until then nobody but the first client is heard.
    deaf_until_us: u64,
    /// Inputs that arrived within this millisecond, and the most of any.
    inputs_this_ms: u32,
    inputs_per_ms_max: u32,
}

impl Realm {
    fn new(sessions_max: u32) -> Self {
        let gate = Gate::default();
        let config = ServerConfig { sessions_max, ..gate.gateway.config() };
        Self {
            pipe: Pipe::default(),
            net: gate.gateway.server(config),
            gate,
            peers: BTreeMap::new(),
            tick: 0,
            seed: 1000,
            far_every: 10,
            calm: true,
            goodbyes: 0,
            deaf_until_us: 0,
            inputs_this_ms: 0,
            inputs_per_ms_max: 0,
        }
    }

    /// A run whose clients are all let in at once.
    fn begin(&mut self, config: &BotsConfig) -> Run {
        self.gate = Gate::open_to(config.clients);
        Run::new(config, || 0).expect("a good config")
    }

    fn receive(&mut self, now_us: u64) {
        self.inputs_this_ms = 0;
        for (local, mut datagram) in std::mem::take(&mut self.pipe.to_server) {
            if now_us < self.deaf_until_us && local != address_of(0) {
                continue;
            }
            match self.net.handle(now_us, SocketAddr::from((local, PORT)), &mut datagram) {
                Received::Reply(reply) => self.pipe.to_bots.push_back((local, reply.to_vec())),
                Received::Asking(asking) => {
                    check_hello(&read_hello(asking.payload).expect("well-formed")).expect("a good hello");
                    let reply = match self.net.admit(now_us, asking) {
                        Admission::Opened { reply, .. } | Admission::Refused { reply } => reply,
                        Admission::Dropped(reject) => panic!("{reject:?} of one that may enter"),
                    };
                    self.pipe.to_bots.push_back((local, reply.to_vec()));
                }
                Received::Connected { session, first, .. } => {
                    self.seed += 1;
                    let mut world = World::new(self.seed, 25);
                    (world.tick, world.far_every, world.calm) = (self.tick, self.far_every, self.calm);
                    self.peers.insert(
                        session,
                        Peer {
                            address: local,
                            world,
                            acked: 0,
                            input: 0,
                            inputs: 0,
                            channel: Channel::new(),
                        },
                    );
                    if let Some((kind, payload)) = first {
                        self.input(local, session, kind, payload);
                    }
                }
                Received::Data { session, kind, payload } => self.input(local, session, kind, payload),
                Received::Disconnected { session, .. } => {
                    self.goodbyes += 1;
                    self.peers.remove(&session);
                }
                Received::Handled | Received::Dropped(_) => {}
                moved @ (Received::Strayed { .. } | Received::Moved { .. }) => {
                    panic!("bots stay where they are: {moved:?}")
                }
            }
        }
        self.inputs_per_ms_max = self.inputs_per_ms_max.max(self.inputs_this_ms);
    }

    fn input(&mut self, local: Ipv4Addr, session: SessionIndex, kind: u8, payload: &[u8]) {
        let peer = self.peers.get_mut(&session).expect("a connected client");
        let mut payload = payload;
        if kind & KIND_FRAMED != 0 {
            let mut counters = ChannelCounters::default();
            let (messages, behind) = peer.channel.read(payload, &mut counters).expect("a good frame");
            for message in messages {
                check_command(&read_command(message).expect("well-formed")).expect("a good command");
            }
            payload = behind;
        }
        assert_eq!(kind & !KIND_FRAMED, KIND_INPUT);
        let input = check_input(&read_input(payload).expect("well-formed")).expect("a good input");
        assert_eq!(peer.address, local);
        self.inputs_this_ms += 1;
        peer.inputs += 1;
        if input.sequence > peer.input {
            let known = input.ack_tick == 0 || peer.world.sent.contains_key(&input.ack_tick);
            assert!(known, "it acknowledges tick {} that it was never sent", input.ack_tick);
            (peer.input, peer.acked) = (input.sequence, input.ack_tick);
            let length = input.intent().move_x.hypot(input.intent().move_y);
            assert!((length - 1.0).abs() < 1e-3, "bots always walk");
        }
    }

    fn tick(&mut self, now_us: u64, spoil: &mut dyn FnMut(u32, &mut Parts)) {
        self.tick += 1;
        for (session, peer) in &mut self.peers {
            peer.world.step();
            let baseline = if self.tick - peer.acked > 32 { 0 } else { peer.acked };
            let (mut parts, _) = peer.world.snapshot(baseline, self.tick.is_multiple_of(5));
            spoil(self.tick, &mut parts);
            let mut payload = parts.bytes();
            // The reference encoder knows no budget; what does not fit would not have been sent.
            if payload.len() > PAYLOAD_BYTES_MAX && baseline == 0 {
                // A fresh start must get through.
                parts.far.clear();
                payload = parts.bytes();
                assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a fresh start of {} bytes", payload.len());
            }
            if payload.len() <= PAYLOAD_BYTES_MAX {
                let mut datagram = vec![0; HEADER_BYTES];
                datagram.extend(&payload);
                datagram.extend([0; SEAL_BYTES]);
                let transmit = self.net.transmit_halves().get(session.get()).expect("a live session");
                let bytes = transmit.finish(now_us, KIND_SNAPSHOT, &mut datagram, payload.len());
                assert_eq!(bytes, Some(datagram.len()));
                self.pipe.to_bots.push_back((peer.address, datagram));
            }
        }
    }

    /// Plays `run` to its end, a millisecond at a time. `script` is called before each server tick.
    fn play(
        &mut self,
        run: &mut Run,
        spoil: &mut dyn FnMut(u32, &mut Parts),
        script: &mut dyn FnMut(&mut Self, &mut Run, u64),
    ) {
        let mut phases = Vec::new();
        for now_ms in 1..120_000 {
            let now_us = now_ms * 1000;
            self.gate.now_us = now_us;
            let step = run.step(now_us, &mut self.pipe, &mut self.gate).expect("memory does not fail");
            phases.extend(step.progress.map(|news| news.phase));
            phases.dedup();
            self.receive(now_us);
            if now_ms.is_multiple_of(TICK_MS) {
                script(self, run, now_us);
                self.tick(now_us, spoil);
            }
            if step.done {
                assert_eq!(phases.last(), Some(&Phase::Done));
                assert!(phases.is_sorted_by_key(|phase| *phase as u32), "{phases:?}");
                return;
            }
        }
        panic!("the run does not end");
    }
}

fn config(clients: u32) -> BotsConfig {
    BotsConfig {
        connect_rate_hz: 100,
        full: Some(10),
        ..BotsConfig::new(SocketAddr::from(([127, 0, 0, 1], 7777)), clients, 5)
    }
}

fn played(realm: &mut Realm, config: &BotsConfig) -> BotsReport {
    println!("seed {}", config.seed);
    let mut run = realm.begin(config);
    realm.play(&mut run, &mut |_, _| (), &mut |_, _, _| ());
    run.report().expect("somebody got connected")
}

#[test]
fn fifty_bots_on_a_good_day() {
    let mut realm = Realm::new(100);
    let report = played(&mut realm, &config(50));
    assert_eq!((report.clients, report.connected, report.full_clients), (50, 50, 10));
    assert_eq!((report.seconds, report.tick_hz, report.ticks), (5.0, 20, 100));
    assert_eq!((report.snapshots_per_client_per_s_p1, report.snapshots_per_client_per_s_p50), (20.0, 20.0));
    let errors =
        (report.view_mismatches, report.decode_errors, report.snapshots_unusable, report.disconnects);
    assert_eq!(errors, (0, 0, 0, 0));
    assert_eq!(
        (report.inputs_late, report.datagrams_dropped, report.refused, report.unanswered),
        (0, 0, 0, 0)
    );
    assert!(report.digests_checked > 200, "{} digests", report.digests_checked);
    // Half of about fifty entities are near, the others beyond.
    assert!((10.0..40.0).contains(&report.near_mean), "near {}", report.near_mean);
    assert!((10.0..40.0).contains(&report.far_mean), "far {}", report.far_mean);
    assert_eq!(report.visible_mean, report.near_mean + report.far_mean);
    assert!((100.0..1200.0).contains(&report.bytes_per_client_per_tick));
    // The promise of 20 ticks is kept with one refresh in 10.
    assert_eq!((report.far_refresh_ticks_max, report.far_refresh_ticks_bound), (10, 20));
    assert_eq!(report.far_refresh_late, 0);
    // An input per client and tick, one each millisecond.
    assert_eq!(realm.inputs_per_ms_max, 1);
    assert!(realm.goodbyes == 50 && realm.peers.is_empty(), "everybody took their leave");
    assert!((7..10).contains(&report.timeline.len()));
    assert_eq!(report.timeline[5].snapshots, 1000.0);
}

#[test]
fn a_report_survives_json_and_a_run_repeats_itself() {
    let config = BotsConfig { loss_percent: 2.0, delay_ms: 30, ..config(20) };
    let first = played(&mut Realm::new(100), &config);
    assert_eq!(first, played(&mut Realm::new(100), &config));
    assert_ne!(first, played(&mut Realm::new(100), &BotsConfig { seed: 2, ..config.clone() }));
    let json = serde_json::to_string(&first).expect("plain data");
    let read: BotsReport = serde_json::from_str(&json).expect("its own words");
    // Fractions may change in their last bit on the way.
    assert!((read.visible_mean - first.visible_mean).abs() < 1e-9);
    assert_eq!((read.clients, read.timeline.len()), (first.clients, first.timeline.len()));
}

#[test]
fn loss_delay_and_reordering_break_no_view() {
    for (seed, loss_percent, delay_ms, reorder_percent) in
        [(1, 5.0, 80, 0.0), (2, 20.0, 30, 20.0), (3, 0.0, 200, 10.0), (4, 1.0, 0, 30.0)]
    {
        let mut realm = Realm::new(100);
        realm.calm = false;
        let trouble =
            BotsConfig { seed, loss_percent, delay_ms, reorder_percent, full: Some(25), ..config(50) };
        let report = played(&mut realm, &trouble);
        assert_eq!(report.connected, 50, "seed {seed}");
        let errors = (report.view_mismatches, report.decode_errors, report.snapshots_unusable);
        assert_eq!(errors, (0, 0, 0), "seed {seed}");
        assert!(report.digests_checked > 100);
        assert_eq!(report.simulated_losses > 0, loss_percent > 0.0);
        assert_eq!(report.simulated_overflows, 0);
        assert_eq!(report.snapshots_stale > 0, reorder_percent > 0.0);
        assert!(report.snapshots_per_client_per_s_p1 > 5.0, "{}", report.snapshots_per_client_per_s_p1);
        assert_eq!(report.disconnects, 0);
    }
}

#[test]
fn a_full_server_and_an_absent_one() {
    let report = played(&mut Realm::new(30), &config(50));
    assert_eq!((report.connected, report.refused), (30, 20));
    assert_eq!(report.snapshots_per_client_per_s_p1, 20.0, "those who are in are served");

    // A busy one that hears most of them late.
    let mut realm = Realm::new(100);
    realm.deaf_until_us = 15_000_000;
    let report = played(&mut realm, &config(50));
    assert_eq!((report.connected, report.unanswered), (50, 0));
    let mut asked = realm.gate.asked_again;
    asked.sort_unstable();
    assert_eq!(asked, (1..50).collect::<Vec<_>>(), "whoever was not heard asks the gateway again, once");

    let mut run = Run::new(&config(50), || 0).expect("a good config");
    let (mut void, mut gate) = (Pipe::default(), Gate::open_to(50));
    let mut now_us = 0;
    while !run.step(now_us, &mut void, &mut gate).expect("memory does not fail").done {
        now_us += 1000;
        gate.now_us = now_us;
    }
    assert!(gate.asked_again.is_empty(), "nobody is asked for again where nobody answers");
    // All have given up within their ten seconds.
    assert!(now_us < 12_000_000);
    let error = run.report().expect_err("nobody is there");
    assert!(matches!(error, BotsError::NobodyConnected { silent: 50, refused: 0, .. }));
    assert!(error.to_string().contains("127.0.0.1:7777"));
}

#[test]
fn a_door_that_lets_in_late_or_only_some() {
    // One every 70 ms: as many as come by and by are all of them.
    let mut realm = Realm::new(100);
    let mut run = realm.begin(&config(50));
    realm.gate.waiting = (0..50).map(|client| (u64::from(client) * 70_000, client)).collect();
    realm.play(&mut run, &mut |_, _| (), &mut |realm, run, now_us| {
        assert!(u64::from(run.swarm().connected()) <= now_us / 70_000 + 1);
        assert!(realm.peers.len() <= 50);
    });
    let report = run.report().expect("somebody got connected");
    assert_eq!((report.connected, report.unanswered, report.refused), (50, 0, 0));
    assert_eq!(report.snapshots_per_client_per_s_p1, 20.0);

    // Nobody waits for those whom the gateway turned away.
    let mut realm = Realm::new(100);
    let mut run = realm.begin(&config(50));
    realm.gate.waiting.retain(|(_, client)| client % 5 != 2);
    realm.play(&mut run, &mut |_, _| (), &mut |_, _, _| ());
    assert!(realm.gate.now_us < 10_000_000, "{} us", realm.gate.now_us);
    let report = run.report().expect("somebody got connected");
    assert_eq!((report.clients, report.connected, report.unanswered, report.refused), (50, 40, 0, 0));

    // Nor for those who were not heard and are let in no more.
    let mut realm = Realm::new(100);
    realm.deaf_until_us = u64::MAX;
    let mut run = realm.begin(&config(50));
    realm.gate.is_patient = false;
    realm.play(&mut run, &mut |_, _| (), &mut |_, _, _| ());
    assert_eq!(realm.gate.asked_again.len(), 49);
    assert!(realm.gate.now_us < 20_000_000, "{} us", realm.gate.now_us);
    let report = run.report().expect("one got connected");
    assert_eq!((report.clients, report.connected), (50, 1));
}

#[test]
fn a_door_that_lets_nobody_in_ends_the_run() {
    for (is_undecided, end_ms) in [(false, 1), (true, 60_001)] {
        let mut realm = Realm::new(100);
        let mut run = realm.begin(&config(20));
        realm.gate.waiting.clear();
        // One that is shut says so at once; one that never says anything has as long as connecting may take.
        realm.gate.is_undecided = is_undecided;
        realm.play(&mut run, &mut |_, _| (), &mut |_, _, _| ());
        assert_eq!(realm.gate.now_us, end_ms * 1000);
        let error = run.report().expect_err("nobody is in");
        assert!(matches!(error, BotsError::NobodyConnected { clients: 20, refused: 0, silent: 20, .. }));
    }
}

#[test]
fn what_a_server_does_wrong_is_counted() {
    // A digest that is not that of the view.
    let mut realm = Realm::new(100);
    let mut run = realm.begin(&config(20));
    let mut wrong_digest = |tick: u32, parts: &mut Parts| parts.digest ^= u32::from(tick == 60);
    realm.play(&mut run, &mut wrong_digest, &mut |_, _, _| ());
    let report = run.report().expect("somebody got connected");
    assert_eq!((report.view_mismatches, report.decode_errors), (10, 0));
    assert_eq!(report.snapshots_per_client_per_s_p1, 19.8, "one snapshot of a hundred was lost on it");

    // A place that does not exist, and a list that shrinks below nothing.
    let mut realm = Realm::new(100);
    let mut run = realm.begin(&config(20));
    let mut wrong_places = |tick: u32, parts: &mut Parts| {
        if tick == 60 {
            parts.gone = (0..200).collect();
        }
    };
    realm.play(&mut run, &mut wrong_places, &mut |_, _, _| ());
    let report = run.report().expect("somebody got connected");
    assert_eq!((report.view_mismatches, report.decode_errors), (0, 20));

    // Entities in view that are refreshed half as often as promised.
    let mut realm = Realm::new(100);
    realm.far_every = 40;
    let report = played(&mut realm, &config(20));
    assert!(report.far_refresh_late > 0);
    assert!(report.far_refresh_ticks_max > 20);
}

#[test]
fn a_server_that_stops_and_a_user_who_stops() {
    let mut realm = Realm::new(100);
    let mut run = realm.begin(&config(20));
    realm.play(&mut run, &mut |_, _| (), &mut |realm, run, now_us| {
        if now_us == 4_000_000 {
            assert_eq!(run.swarm().connected(), 20);
            for (session, peer) in std::mem::take(&mut realm.peers) {
                let (goodbye, _) = realm.net.close(session, 2).expect("a live session");
                realm.pipe.to_bots.push_back((peer.address, goodbye.to_vec()));
            }
        }
    });
    let report = run.report().expect("they were connected once");
    assert_eq!((report.connected, report.disconnects), (0, 20));
    assert!(report.seconds < 2.5, "no use to go on for {} s", report.seconds);
    let snapshots_per_client = report.snapshots_per_client_per_s_p50 * report.seconds;
    assert_eq!(f64::from(report.ticks), snapshots_per_client.round(), "all got one in each tick");
    let until_stopped_bytes = report.bytes_per_client_per_tick;

    let mut realm = Realm::new(100);
    let mut run = realm.begin(&config(20));
    realm.play(&mut run, &mut |_, _| (), &mut |_, run, now_us| {
        if now_us == 4_000_000 {
            run.stop();
        }
    });
    let report = run.report().expect("a stopped run has a report");
    assert_eq!((report.connected, realm.goodbyes), (20, 20));
    // The same clients in the same world, for a tick more or less: that all were gone at the end of the first run takes
    // nothing away.
    let share = until_stopped_bytes / report.bytes_per_client_per_tick;
    assert!((0.99..1.01).contains(&share), "{until_stopped_bytes} bytes are {share} of those with all there");
    assert!((1.0..3.0).contains(&report.seconds));
    assert_eq!(report.snapshots_per_client_per_s_p50.round(), 20.0);
}

#[test]
fn settings_that_cannot_work() {
    let refused = |config: &BotsConfig| Run::new(config, || 0).map(|_| ()).expect_err("must not start");
    let elsewhere = BotsConfig { server: SocketAddr::from(([192, 0, 2, 1], 7777)), ..config(1) };
    assert!(refused(&elsewhere).to_string().contains("only test a server on 127.0.0.0/8"));
    let v6 = BotsConfig { server: "[::1]:7777".parse().expect("an address"), ..config(1) };
    assert!(matches!(refused(&v6), BotsError::NotLoopback { .. }));
    let no_port = BotsConfig { server: SocketAddr::from(([127, 0, 0, 1], 0)), ..config(1) };
    assert!(matches!(refused(&no_port), BotsError::NoPort { .. }));
    assert!(matches!(refused(&config(0)), BotsError::Clients { found: 0 }));
    let nan = BotsConfig { loss_percent: f64::NAN, ..config(1) };
    assert!(matches!(refused(&nan), BotsError::Percent { option: "loss", .. }));
    let beyond = BotsConfig { reorder_percent: 100.5, ..config(1) };
    assert!(matches!(refused(&beyond), BotsError::Percent { option: "reorder", .. }));
    assert!(matches!(refused(&BotsConfig { delay_ms: 501, ..config(1) }), BotsError::Delay { found: 501 }));
    assert!(matches!(refused(&BotsConfig { seconds: 0, ..config(1) }), BotsError::Zero { .. }));
    assert!(matches!(refused(&BotsConfig { name: String::new(), ..config(1) }), BotsError::Hello(_)));
}

#[test]
fn garbage_and_strangers_disturb_nobody() {
    let mut realm = Realm::new(100);
    let mut run = realm.begin(&config(20));
    let mut dice = reference::Rng(5);
    println!("seed 5");
    realm.play(&mut run, &mut |_, _| (), &mut |realm, _, _| {
        for _ in 0..20 {
            let length = dice.below(1300) as usize;
            let garbage = (0..length).map(|_| dice.next() as u8).collect();
            let local = Ipv4Addr::from(0x7F01_0000 + dice.below(64) as u32);
            realm.pipe.to_bots.push_back((local, garbage));
        }
    });
    let report = run.report().expect("somebody got connected");
    assert_eq!((report.connected, report.decode_errors, report.view_mismatches), (20, 0, 0));
    assert_eq!(report.snapshots_per_client_per_s_p1, 20.0);
    assert!(report.datagrams_dropped > 0);
}
