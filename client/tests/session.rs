//! Whole sessions against the server's half of the protocol: handshake, inputs, snapshots, farewell.

mod model;
mod reference;

use std::net::SocketAddr;

use model::Player;
use model::ground::Ground;
use reference::{Parts, Rng, Server as World};
use throng_client::prediction::PredictionConfig;
use throng_client::view::Own;
use throng_client::{Applied, Predictor, Session, SessionConfig, SessionEvent, ViewError};
use throng_net::limits::{FRAME_BYTES_ALONE_MAX, MESSAGE_BYTES_MAX, SEAL_BYTES};
use throng_net::protocol::channel::frame::FrameError;
use throng_net::protocol::channel::{Channel, ChannelCounters, KIND_FRAMED, PushError};
use throng_net::protocol::{Admission, ClientState, CloseCause, Received, Server, SessionIndex};
use throng_net::testing::Gateway;
use throng_schema::limits::{DATAGRAM_BYTES_MAX, PAYLOAD_BYTES_MAX};
use throng_schema::{
    InputFields, IntentFields, KIND_INPUT, KIND_SNAPSHOT, check_hello, check_input, read_hello, read_input,
    wire,
};

const TICK_US: u64 = 50_000;

/// A server for one client, and the wires in between.
struct Realm {
    now_us: u64,
    server: Server,
    world: World,
    at: Option<SessionIndex>,
    acked: u32,
    inputs: Vec<InputFields>,
    ground: Ground,
    player: Player,
    /// World time for real time, 1/1000.
    speed: u16,
    channel: Channel,
    commands: Vec<Vec<u8>>,
    disconnects: u32,
    session: Session,
    predictor: Predictor,
    dice: Rng,
    loss: u64,
    /// Datagrams to the client: due, bytes.
    down: Vec<(u64, Vec<u8>)>,
    delay_us: u64,
}

impl Realm {
    fn new(seed: u64, loss: u64, delay_us: u64) -> Self {
        println!("seed {seed}");
        let mut gateway = Gateway::default();
        let config = SessionConfig::new(seed, gateway.grant(0), "Ada");
        let session = Session::new(0, config).expect("a good name");
        let world = World::new(seed, 30);
        let [x, y] = world.own;
        Self {
            now_us: 0,
            server: gateway.server(gateway.config()),
            world,
            at: None,
            acked: 0,
            inputs: Vec::new(),
            ground: Ground::open(),
            player: Player::new(Own { position: [x, y, 0.0], ..Own::default() }),
            speed: 1000,
            channel: Channel::new(),
            commands: Vec::new(),
            disconnects: 0,
            session,
            predictor: Predictor::new(PredictionConfig::default()),
            dice: Rng(seed),
            loss,
            down: Vec::new(),
            delay_us,
        }
    }

    fn address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 9], 4000))
    }

    fn answer(&mut self, bytes: &[u8]) {
        if !self.dice.percent(self.loss) {
            let jitter = self.dice.below(self.delay_us / 2 + 1);
            self.down.push((self.now_us + self.delay_us + jitter, bytes.to_vec()));
        }
    }

    fn receive(&mut self, datagram: &[u8]) {
        if self.dice.percent(self.loss) {
            return;
        }
        let mut datagram = datagram.to_vec();
        let data = match self.server.handle(self.now_us, Self::address(), &mut datagram) {
            Received::Reply(reply) => {
                self.answer(&reply);
                None
            }
            Received::Asking(asking) => {
                let hello = read_hello(asking.payload).expect("a well-formed hello");
                assert_eq!(check_hello(&hello), Ok("Ada"));
                let Admission::Opened { reply, .. } = self.server.admit(self.now_us, asking) else {
                    panic!("there is room")
                };
                self.answer(&reply);
                None
            }
            Received::Connected { session, first, .. } => {
                self.at = Some(session);
                first
            }
            Received::Data { kind, payload, .. } => Some((kind, payload)),
            Received::Disconnected { .. } => {
                self.disconnects += 1;
                self.at = None;
                None
            }
            Received::Dropped(_) | Received::Handled => None,
            other => panic!("{other:?}"),
        };
        if let Some((kind, mut payload)) = data {
            assert_eq!(kind & !KIND_FRAMED, KIND_INPUT);
            if kind != KIND_INPUT {
                let mut counters = ChannelCounters::default();
                let (messages, rest) = self.channel.read(payload, &mut counters).expect("an honest frame");
                self.commands.extend(messages.map(<[u8]>::to_vec));
                payload = rest;
            }
            let input = check_input(&read_input(payload).expect("well-formed")).expect("a good input");
            self.player.take(input.steps());
            // The newest input counts; what it acknowledges must have been sent.
            if self.inputs.last().is_none_or(|last| last.sequence < input.sequence) {
                assert!(input.ack_tick == 0 || self.world.sent.contains_key(&input.ack_tick));
                self.acked = input.ack_tick;
                self.inputs.push(input);
            }
        }
    }

    fn tick(&mut self, spoil: impl FnOnce(&mut Parts)) {
        self.world.step();
        self.player.tick(&self.ground);
        let Own { position: [x, y, z], velocity: [vx, vy], yaw, .. } = self.player.own;
        self.world.own = [x, y];
        let Some(at) = self.at else { return };
        let baseline = if self.world.tick - self.acked > 32 { 0 } else { self.acked };
        let (mut parts, _) = self.world.snapshot(baseline, true);
        parts.own = Some(wire::Own::new(x, y, z, vx, vy, yaw, self.player.queued() as u16));
        parts.input = self.player.applied;
        parts.pace = (self.speed != 1000).then(|| wire::Pace::new(self.speed, 0));
        spoil(&mut parts);
        let mut datagram = [0; 8192];
        let message = parts.bytes();
        let rtt_us = self.server.session(at).expect("a live session").rtt_us;
        // What the snapshot leaves; a fresh start leaves no room for the longest messages.
        let room = PAYLOAD_BYTES_MAX.saturating_sub(message.len()).min(FRAME_BYTES_ALONE_MAX);
        let frame = &mut datagram[16..16 + room];
        let frame_bytes = self.channel.write(self.now_us, rtt_us, 290, frame);
        let kind = if frame_bytes == 0 { KIND_SNAPSHOT } else { KIND_SNAPSHOT | KIND_FRAMED };
        let payload_bytes = frame_bytes + message.len();
        datagram[16 + frame_bytes..16 + payload_bytes].copy_from_slice(&message);
        let half = self.server.transmit_halves().get(at.get()).expect("a live session");
        let bytes = half.finish(self.now_us, kind, &mut datagram, payload_bytes);
        assert_eq!(bytes, Some(16 + payload_bytes + SEAL_BYTES));
        self.answer(&datagram[..16 + payload_bytes + SEAL_BYTES]);
    }

    /// One tick of time in milliseconds, the server's tick at its end. Returns the snapshots' results.
    fn run(&mut self, spoil: impl FnOnce(&mut Parts)) -> Vec<Result<Applied, ViewError>> {
        let mut results = Vec::new();
        for _ in 0..TICK_US / u64::from(self.speed) {
            self.now_us += 1000;
            let (arriving, waiting) = self.down.drain(..).partition(|(due, _)| *due <= self.now_us);
            self.down = waiting;
            let arriving: Vec<(u64, Vec<u8>)> = arriving;
            for (_, mut datagram) in arriving {
                if let SessionEvent::Snapshot(result) = self.session.handle(self.now_us, &mut datagram) {
                    results.push(result);
                }
                self.predictor.follow(self.now_us, &self.ground, &self.session);
            }
            let mut out = [0; DATAGRAM_BYTES_MAX];
            while let Some(bytes) = self.session.poll(self.now_us, &mut out) {
                self.receive(&out[..bytes]);
            }
            self.predictor.follow(self.now_us, &self.ground, &self.session);
        }
        self.tick(spoil);
        results
    }
}

#[test]
fn a_session_from_hello_to_farewell() {
    let mut realm = Realm::new(1, 0, 0);
    realm.session.set_intent(IntentFields { move_x: f32::NAN, move_y: 0.5, yaw: 9, buttons: 3 });
    let mut poses = Vec::new();
    for tick in 0..100 {
        let results = realm.run(|_| ());
        assert!(
            results.iter().all(|result| matches!(result, Ok(Applied::Reconstructed { checked: true, .. })))
        );
        if tick > 5 {
            let view = realm.session.view();
            assert_eq!(view.near(), realm.world.sent[&view.newest_tick()]);
            realm.session.poses(realm.now_us, &mut poses);
            assert!(!poses.is_empty() || view.near().is_empty());
        }
    }
    assert_eq!(realm.session.state(), ClientState::Connected);
    assert!(realm.session.rtt_us().is_some());
    // One input a tick (and a little early, as none waits), numbered without a gap, acknowledging the newest view.
    assert!((98..=101).contains(&realm.inputs.len()), "{} inputs in 100 ticks", realm.inputs.len());
    for (index, input) in realm.inputs.iter().enumerate() {
        assert_eq!(input.sequence as usize, index + 1);
        assert_eq!(input.intents()[0], IntentFields { move_x: 0.0, move_y: 0.5, yaw: 9, buttons: 3 });
    }
    assert_eq!(realm.session.input_sent() as usize, realm.inputs.len());
    assert!(realm.world.tick - realm.acked <= 2);

    realm.session.disconnect();
    realm.run(|_| ());
    assert_eq!(realm.disconnects, 1, "copies after the first mean nothing");
    assert_eq!(realm.session.state(), ClientState::Closed(CloseCause::Left));
    assert_eq!(realm.session.due_us(), u64::MAX);
}

#[test]
fn loss_delay_and_reordering_leave_the_view_exact() {
    for seed in 10..20 {
        let mut realm = Realm::new(seed, 10, 80_000);
        let mut reconstructed = 0;
        for _ in 0..400 {
            for result in realm.run(|_| ()) {
                match result {
                    Ok(Applied::Reconstructed { .. }) => reconstructed += 1,
                    Ok(Applied::Stale) => {}
                    Err(error) => panic!("seed {seed}: {error}"),
                }
            }
            let view = realm.session.view();
            if view.newest_tick() > 0 {
                assert_eq!(view.near(), realm.world.sent[&view.newest_tick()], "seed {seed}");
            }
        }
        assert!(reconstructed > 250, "seed {seed}: {reconstructed} of 400 snapshots");
    }
}

#[test]
fn a_wrong_digest_is_answered_by_a_fresh_start() {
    let mut realm = Realm::new(3, 0, 60_000);
    for _ in 0..20 {
        realm.run(|_| ());
    }
    realm.run(|parts| parts.digest ^= 1);
    let mut results = Vec::new();
    for _ in 0..10 {
        results.extend(realm.run(|_| ()));
    }
    assert!(results.iter().any(|result| matches!(result, Err(ViewError::Mismatch { .. }))));
    assert!(matches!(results.last(), Some(Ok(Applied::Reconstructed { checked: true, .. }))));
    let view = realm.session.view();
    assert_eq!((view.counters().mismatches, view.counters().decode_errors), (1, 0));
    assert_eq!(view.near(), realm.world.sent[&view.newest_tick()]);
    assert!(
        realm.inputs.iter().rev().take(10).any(|input| input.ack_tick == 0),
        "it asked for a fresh start"
    );
}

#[test]
fn a_silent_server_is_given_up_and_bad_names_are_refused() {
    let mut gateway = Gateway::default();
    let mut config = |name| SessionConfig::new(1, gateway.grant(0), name);
    let mut session = Session::new(0, config("Ada")).expect("a good name");
    let mut out = [0; DATAGRAM_BYTES_MAX];
    let mut hellos = 0;
    for now_ms in 0..20_000 {
        while session.poll(now_ms * 1000, &mut out).is_some() {
            hellos += 1;
        }
    }
    assert_eq!(session.state(), ClientState::Closed(CloseCause::TimedOut));
    assert!((5..50).contains(&hellos), "{hellos} hellos");
    assert!(Session::new(0, config("")).is_err());
    assert!(Session::new(0, config("two\nlines")).is_err());
}

#[test]
fn garbage_changes_nothing() {
    let mut realm = Realm::new(4, 0, 0);
    for _ in 0..20 {
        realm.run(|_| ());
        for length in [0, 1, 15, 16, 17, 100, 1200, 1201] {
            let mut garbage: Vec<u8> = (0..length).map(|_| realm.dice.next() as u8).collect();
            assert!(matches!(realm.session.handle(realm.now_us, &mut garbage), SessionEvent::Dropped(_)));
        }
    }
    assert_eq!(realm.session.state(), ClientState::Connected);
    assert!(realm.session.view().newest_tick() > 10);
}

#[test]
fn each_input_repeats_the_three_before_it_and_says_what_was_shown() {
    let mut realm = Realm::new(5, 0, 40_000);
    for tick in 0..60 {
        let intent = IntentFields { yaw: tick, ..IntentFields::default() };
        realm.session.set_intent(intent);
        realm.run(|_| ());
    }
    let mut shown_tick = 0;
    for (index, input) in realm.inputs.iter().enumerate() {
        assert_eq!(input.intents().len(), 4.min(index + 1));
        for (back, intent) in input.intents().iter().enumerate() {
            assert_eq!(*intent, realm.inputs[index - back].intents()[0], "input {index}, {back} before");
        }
        assert!(shown_tick <= input.shown_tick && input.shown_tick <= input.ack_tick);
        shown_tick = input.shown_tick;
    }
    let last = realm.inputs.last().expect("inputs");
    assert!((1..=2).contains(&(last.ack_tick - last.shown_tick)), "100 ms behind what the newest is by now");
    // What it said is known for as long as it is repeated.
    let (session, sent) = (&realm.session, realm.session.input_sent());
    assert_eq!(session.intent_of(sent), Some(last.intents()[0]));
    assert_eq!(session.intent_of(sent - 3), Some(last.intents()[3]));
    assert_eq!((session.intent_of(sent - 4), session.intent_of(sent + 1)), (None, None));
    assert_eq!(session.intent_of(0), None);
}

#[test]
fn the_own_avatar_is_predicted_to_the_last_bit_at_any_pace() {
    for seed in 30..36 {
        let mut realm = Realm::new(seed, 5, 80_000);
        for speed in [1000, 400, 1000] {
            realm.speed = speed;
            let (inputs, missed) = (realm.session.input_sent(), realm.session.pacer().counters().missed);
            for turn in 0..10 {
                let (move_x, move_y) = [(1.0, 0.0), (0.3, -0.8), (0.0, 0.0)][turn % 3];
                realm.session.set_intent(IntentFields { move_x, move_y, yaw: turn as u16, buttons: 0 });
                (0..40).for_each(|_| drop(realm.run(|_| ())));
            }
            let inputs = realm.session.input_sent() - inputs;
            assert!(inputs.abs_diff(400) < 10, "seed {seed}: {inputs} inputs in 400 ticks at speed {speed}");
            assert_eq!(realm.session.pacer().counters().missed, missed);
        }
        let errors = realm.predictor.errors();
        assert!(errors.count() > 800 && errors.quantile_m(0.99) < 0.1, "seed {seed}: {errors:?}");
        assert_eq!(realm.player.refused, 0, "seed {seed}");
        realm.session.set_intent(IntentFields::default());
        (0..40).for_each(|_| drop(realm.run(|_| ())));
        assert_eq!(realm.predictor.body().position, realm.player.own.position, "seed {seed}");
        assert!(realm.player.own.position[0] > 2050.0, "seed {seed}: it walked");
    }
}

/// A message that says which one it is.
fn message(number: usize) -> Vec<u8> {
    let bytes = if number.is_multiple_of(9) { MESSAGE_BYTES_MAX } else { 4 + number * 7 % 90 };
    (number as u32).to_le_bytes().into_iter().cycle().take(bytes).collect()
}

#[test]
fn messages_arrive_both_ways_beside_inputs_and_snapshots() {
    for (seed, loss, delay_us) in [(41, 0, 10_000), (42, 20, 60_000), (43, 40, 90_000)] {
        let mut realm = Realm::new(seed, loss, delay_us);
        let (mut commands, mut notices, mut heard, mut snapshots) = (0, 0, 0, 0);
        for round in 0..2000 {
            // From the start: before the session stands they wait.
            if round < 400 && round % 4 == 0 {
                commands += usize::from(realm.session.send(&message(commands)).is_ok());
                notices += usize::from(realm.channel.push(&message(notices)).is_ok());
            }
            let results = realm.run(|_| {});
            snapshots += results.iter().filter(|result| result.is_ok()).count();
            while let Some(got) = realm.session.next_message() {
                assert_eq!(got, message(heard));
                heard += 1;
            }
            let is_over = heard == notices && realm.commands.len() == commands && realm.channel.is_idle();
            if round > 400 && is_over {
                break;
            }
        }
        assert!(commands == 100 && notices == 100, "{commands}, {notices}");
        assert_eq!((realm.commands.len(), heard), (commands, notices));
        assert!(realm.commands.iter().enumerate().all(|(number, got)| *got == message(number)));
        assert!(snapshots > 100 && realm.inputs.len() > 100);
        let counters = realm.session.channel_counters();
        let dropped = counters.messages_again + counters.messages_early;
        assert_eq!((counters.messages, dropped > 0), (100, loss > 0));
    }
}

#[test]
fn messages_that_nobody_asks_for_are_left_with_the_server() {
    let mut realm = Realm::new(44, 0, 5_000);
    let mut pushed = 0;
    for _ in 0..400 {
        while realm.channel.push(&[7; 300]) == Ok(()) {
            pushed += 1;
        }
        realm.run(|_| {});
    }
    // The session's queue and the server's ring, and not a message more.
    assert!(realm.channel.waiting_us(realm.now_us) > 5_000_000);
    assert!((30..50).contains(&pushed), "{pushed}");
    let mut heard = 0;
    for _ in 0..200 {
        while realm.session.next_message().is_some() {
            heard += 1;
        }
        realm.run(|_| {});
    }
    assert_eq!(heard, pushed);
    assert_eq!(realm.session.send(&[]), Err(PushError::Length(0)));
}

#[test]
fn frames_that_no_server_writes_are_refused_with_all_behind_them() {
    let mut realm = Realm::new(45, 0, 5_000);
    (0..20).for_each(|_| drop(realm.run(|_| {})));
    let at = realm.at.expect("a session");
    let mut event = |kind: u8, payload: &[u8]| {
        let mut datagram = [0; 64];
        datagram[16..16 + payload.len()].copy_from_slice(payload);
        let half = realm.server.transmit_halves().get(at.get()).expect("a live session");
        let bytes = half.finish(realm.now_us, kind, &mut datagram, payload.len()).expect("sealed");
        match realm.session.handle(realm.now_us, &mut datagram[..bytes]) {
            SessionEvent::Refused(error) => Err(Some(error)),
            SessionEvent::Handled => Ok(0),
            SessionEvent::Message { kind, payload } => Ok(usize::from(kind) + 1000 * payload.len()),
            _ => Err(None),
        }
    };
    assert_eq!(event(KIND_FRAMED, &[]), Err(Some(FrameError::Length)));
    assert_eq!(
        event(KIND_FRAMED | KIND_SNAPSHOT, &[8, 0, 0, 0, 1, 0, 0, 0, 9]),
        Err(Some(FrameError::AckUnsent))
    );
    assert_eq!(event(KIND_FRAMED, &[8, 0, 0, 0, 0, 0, 0, 0]), Ok(0));
    assert_eq!(event(KIND_FRAMED | 77, &[8, 0, 0, 0, 0, 0, 0, 0, 1, 2]), Ok(2077));
    assert_eq!(event(77, &[1, 2]), Ok(2077));
    let counters = realm.session.channel_counters();
    assert_eq!((counters.frames, counters.frame_length, counters.frame_ack_unsent), (2, 1, 1));
}
