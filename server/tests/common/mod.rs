//! A realm and real clients over loopback in one thread, stepped tick by tick: nothing waits for a clock.

#![allow(dead_code, missing_docs)] // Each test file uses its own part.

pub mod raw;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use throng_client::{Session, SessionConfig, SessionEvent, ViewError};
use throng_net::protocol::ClientState;
use throng_schema::IntentFields;
use throng_schema::limits::DATAGRAM_BYTES_MAX;
use throng_server::config::{Config, IoChoice};
use throng_server::realm::{self, Realm, RealmError};

/// What a test may take before it is given up, far above what it needs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Settings of a small realm in which everyone sees everyone.
pub fn config(io: IoChoice) -> Config {
    let mut config = Config::default();
    config.realm.players_max = 64;
    config.realm.threads = 2;
    (config.world.width_m, config.world.height_m, config.world.creatures) = (30.0, 30.0, 7);
    config.net.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.net.io = io;
    config.net.receive_buffer_bytes = 1 << 20;
    config.net.send_buffer_bytes = 1 << 20;
    config
}

/// Runs `body` with a realm of `config` on each backend; says so when the kernel refuses one.
pub fn on_both_backends(mut change: impl FnMut(&mut Config), body: impl Fn(&mut Realm) + Send + Sync) {
    for io in [IoChoice::Uring, IoChoice::Mmsg] {
        let mut config = config(io);
        change(&mut config);
        match realm::host(&config, |realm| body(realm)) {
            Ok(()) => println!("done on {io:?}"),
            Err(RealmError::Bind(error)) if io == IoChoice::Uring => println!("skipped on {io:?}: {error}"),
            Err(error) => panic!("no realm on {io:?}: {error}"),
        }
    }
}

/// A client with its own socket.
pub struct Player {
    socket: UdpSocket,
    pub session: Session,
    pub errors: Vec<ViewError>,
    pub snapshots: u32,
}

impl Player {
    pub fn new(realm: &Realm, salt: u64) -> Self {
        let session = Self::session(now_us(realm), salt);
        Self { socket: socket_to(realm), session, errors: Vec::new(), snapshots: 0 }
    }

    /// Forgets its session and shakes hands anew from the same address.
    pub fn restart(&mut self, now_us: u64, salt: u64) {
        self.session = Self::session(now_us, salt);
    }

    fn session(now_us: u64, salt: u64) -> Session {
        let config = SessionConfig::new(salt, &format!("player {salt}"));
        let mut session = Session::new(now_us, config).expect("a good name");
        session.set_intent(IntentFields {
            move_x: 1.0,
            move_y: salt as f32 - 103.0,
            ..IntentFields::default()
        });
        session
    }

    /// Sends what is due.
    pub fn send(&mut self, now_us: u64) {
        let mut out = [0; DATAGRAM_BYTES_MAX];
        while let Some(bytes) = self.session.poll(now_us, &mut out) {
            self.socket.send(&out[..bytes]).expect("loopback takes it");
        }
    }

    /// Takes in all that has arrived.
    pub fn receive(&mut self, now_us: u64) {
        let mut datagram = [0; 2048];
        while let Ok(bytes) = self.socket.recv(&mut datagram) {
            if let SessionEvent::Snapshot(result) = self.session.handle(now_us, &datagram[..bytes]) {
                self.snapshots += 1;
                self.errors.extend(result.err());
            }
        }
    }

    pub fn is_connected(&self) -> bool {
        self.session.state() == ClientState::Connected
    }

    /// Entities in its view.
    pub fn visible(&self) -> usize {
        self.session.view().near().len() + self.session.view().far().len()
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }
}

/// A socket that talks to the realm and never waits.
pub fn socket_to(realm: &Realm) -> UdpSocket {
    let realm_address = realm.listen_address();
    let socket = UdpSocket::bind((realm_address.ip(), 0)).expect("a free port");
    socket.connect(realm_address).expect("loopback");
    socket.set_nonblocking(true).expect("non-blocking");
    socket
}

pub fn now_us(realm: &Realm) -> u64 {
    realm.now_ns() / 1000
}

/// One tick: clients send, the realm works, clients receive. On loopback a datagram has arrived when `send` returns,
/// so nothing needs to be waited for.
pub fn step(realm: &mut Realm, players: &mut [Player]) {
    realm.advance_clock(Duration::from_millis(50));
    let now_us = now_us(realm);
    for player in players.iter_mut() {
        player.send(now_us);
    }
    realm.tick();
    for player in players {
        player.receive(now_us);
    }
}

/// Steps until `is_done`, and panics with `what` when it never is.
pub fn step_until(
    realm: &mut Realm,
    players: &mut [Player],
    what: &str,
    mut is_done: impl FnMut(&Realm, &[Player]) -> bool,
) {
    let deadline = Instant::now() + DEADLINE;
    while !is_done(realm, players) {
        assert!(Instant::now() < deadline, "{what} never happened: {:?}", realm.counters());
        step(realm, players);
    }
}

/// Connects `count` players and lets them see each other.
pub fn players(realm: &mut Realm, count: u64) -> Vec<Player> {
    let mut players: Vec<Player> = (0..count).map(|number| Player::new(realm, 100 + number)).collect();
    step_until(realm, &mut players, "everyone connected", |_, players| {
        players.iter().all(Player::is_connected)
    });
    step_until(realm, &mut players, "everyone sees", |_, players| players.iter().all(|p| p.visible() > 0));
    players
}

/// Panics unless every player is connected and its view has never been wrong.
pub fn assert_undisturbed(players: &[Player]) {
    for player in players {
        let counters = player.session.view().counters();
        assert!(player.is_connected(), "{:?}", player.session.state());
        assert_eq!(player.errors, [], "{counters:?}");
        assert_eq!((counters.mismatches, counters.decode_errors, counters.unusable), (0, 0, 0));
    }
}
