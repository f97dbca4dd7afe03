//! Whole sessions against the server's half of the protocol: handshake, inputs, snapshots, farewell.

mod reference;

use std::net::SocketAddr;

use reference::{Parts, Rng, Server as World};
use throng_client::{Applied, Session, SessionConfig, SessionEvent, ViewError};
use throng_net::limits::SEAL_BYTES;
use throng_net::protocol::{Admission, ClientState, CloseCause, Received, Server, SessionIndex};
use throng_net::testing::Gateway;
use throng_schema::limits::DATAGRAM_BYTES_MAX;
use throng_schema::{
    IntentFields, KIND_INPUT, KIND_SNAPSHOT, check_hello, check_input, read_hello, read_input,
};

const TICK_US: u64 = 50_000;

/// A server for one client, and the wires in between.
struct Realm {
    now_us: u64,
    server: Server,
    world: World,
    at: Option<SessionIndex>,
    acked: u32,
    inputs: Vec<(u32, u32, IntentFields)>,
    disconnects: u32,
    session: Session,
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
        Self {
            now_us: 0,
            server: gateway.server(gateway.config()),
            world: World::new(seed, 30),
            at: None,
            acked: 0,
            inputs: Vec::new(),
            disconnects: 0,
            session,
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
        if let Some((kind, payload)) = data {
            assert_eq!(kind, KIND_INPUT);
            let input = check_input(&read_input(payload).expect("well-formed")).expect("a good input");
            // The newest input counts; what it acknowledges must have been sent.
            if self.inputs.last().is_none_or(|(sequence, ..)| *sequence < input.sequence) {
                assert!(input.ack_tick == 0 || self.world.sent.contains_key(&input.ack_tick));
                self.acked = input.ack_tick;
                self.inputs.push((input.sequence, input.ack_tick, input.intent()));
            }
        }
    }

    fn tick(&mut self, spoil: impl FnOnce(&mut Parts)) {
        self.world.step();
        let Some(at) = self.at else { return };
        let baseline = if self.world.tick - self.acked > 32 { 0 } else { self.acked };
        let (mut parts, _) = self.world.snapshot(baseline, true);
        spoil(&mut parts);
        let mut datagram = [0; 8192];
        let message = parts.bytes();
        datagram[16..16 + message.len()].copy_from_slice(&message);
        let half = self.server.transmit_halves().get(at.get()).expect("a live session");
        let bytes = half.finish(self.now_us, KIND_SNAPSHOT, &mut datagram, message.len());
        assert_eq!(bytes, Some(16 + message.len() + SEAL_BYTES));
        self.answer(&datagram[..16 + message.len() + SEAL_BYTES]);
    }

    /// One tick of time in milliseconds, the server's tick at its end. Returns the snapshots' results.
    fn run(&mut self, spoil: impl FnOnce(&mut Parts)) -> Vec<Result<Applied, ViewError>> {
        let mut results = Vec::new();
        for _ in 0..TICK_US / 1000 {
            self.now_us += 1000;
            let (arriving, waiting) = self.down.drain(..).partition(|(due, _)| *due <= self.now_us);
            self.down = waiting;
            let arriving: Vec<(u64, Vec<u8>)> = arriving;
            for (_, mut datagram) in arriving {
                if let SessionEvent::Snapshot(result) = self.session.handle(self.now_us, &mut datagram) {
                    results.push(result);
                }
            }
            let mut out = [0; DATAGRAM_BYTES_MAX];
            while let Some(bytes) = self.session.poll(self.now_us, &mut out) {
                self.receive(&out[..bytes]);
            }
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
    // One input a tick, numbered without a gap, acknowledging the newest view.
    assert!((98..=100).contains(&realm.inputs.len()), "{} inputs in 100 ticks", realm.inputs.len());
    for (index, (sequence, _, intent)) in realm.inputs.iter().enumerate() {
        assert_eq!(*sequence as usize, index + 1);
        assert_eq!(*intent, IntentFields { move_x: 0.0, move_y: 0.5, yaw: 9, buttons: 3 });
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
    assert!(realm.inputs.iter().rev().take(10).any(|(_, ack, _)| *ack == 0), "it asked for a fresh start");
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
