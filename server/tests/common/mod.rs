//! A realm and real clients over loopback in one thread, stepped tick by tick: nothing waits for a clock.

#![allow(dead_code, missing_docs)] // Each test file uses its own part.

pub mod raw;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use throng_client::{Session, SessionConfig, SessionEvent, ViewError};
use throng_motion::limits::UNITS_PER_METRE;
use throng_motion::{DiscPlan, Land, ShopPlan, ZonePlan};
use throng_net::protocol::ClientState;
use throng_net::protocol::token::{Grant, TokenFields, protocol_hash};
use throng_net::testing::{Gateway, REALM_ID};
use throng_schema::limits::{COMMAND_BYTES_MAX, DATAGRAM_BYTES_MAX};
use throng_schema::wire::{Outcome, Told};
use throng_schema::{CommandFields, IntentFields, SCHEMA_VERSION};
use throng_server::config::{Config, IoChoice, Network, SpawnChoice};
use throng_server::gateway::keys::unix_ms;
use throng_server::realm::{self, Realm, RealmError};

/// What a test may take before it is given up, far above what it needs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A realm, and the gateway that lets people into it.
pub struct Stage<'r> {
    realm: &'r mut Realm,
    pub gateway: Gateway,
    /// Unix time when the realm's own was 0.
    epoch_unix_ms: u64,
}

impl Deref for Stage<'_> {
    type Target = Realm;

    fn deref(&self) -> &Realm {
        self.realm
    }
}

impl DerefMut for Stage<'_> {
    fn deref_mut(&mut self) -> &mut Realm {
        self.realm
    }
}

impl<'r> Stage<'r> {
    fn new(realm: &'r mut Realm) -> Self {
        // No time has been skipped yet.
        let epoch_unix_ms = unix_ms() - realm.now_ns() / 1_000_000;
        Self { realm, gateway: Gateway::default(), epoch_unix_ms }
    }

    /// What the realm takes for Unix time, microseconds: skipped time has passed there too.
    pub fn unix_us(&self) -> u64 {
        self.epoch_unix_ms * 1000 + now_us(self)
    }

    /// Lets somebody of its own in, unless `change` makes it somebody else.
    pub fn grant(&mut self, change: impl FnOnce(&mut TokenFields)) -> Grant {
        let now_us = self.unix_us();
        grant(&mut self.gateway, now_us, change)
    }
}

/// A grant of `gateway` for a realm of this build.
pub fn grant(gateway: &mut Gateway, unix_us: u64, change: impl FnOnce(&mut TokenFields)) -> Grant {
    gateway.grant_with(unix_us, REALM_ID, |fields| {
        fields.protocol_hash = protocol_hash(SCHEMA_VERSION);
        change(fields);
    })
}

/// Opens a realm that takes the tokens of [`Stage::gateway`].
pub fn host<R: Send>(
    config: &Config,
    body: impl FnOnce(&mut Stage<'_>) -> R + Send,
) -> Result<R, RealmError> {
    realm::host(config, Gateway::default().realm_keys(), |realm| body(&mut Stage::new(realm)))
}

/// Shopkeepers of [`land`]: they stand still, live for ever and hurt nobody.
pub const SHOPS: usize = 7;

/// Path of a world file: a level place of 30 x 30 m with some shopkeepers.
fn land() -> String {
    static PATH: OnceLock<String> = OnceLock::new();
    let write = || {
        let side = 30 * UNITS_PER_METRE;
        let plan = ZonePlan {
            width: side,
            height: side,
            spacing_m: 32,
            heights: vec![0; 4],
            player_spawns: vec![DiscPlan { x: side / 2, y: side / 2, radius: side / 20 }],
            shops: (1..=SHOPS as u32)
                .map(|number| ShopPlan { number, x: 120 * number, y: side / 2 })
                .collect(),
            ..ZonePlan::default()
        };
        let path = format!("{}/land-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        std::fs::write(&path, Land::build(vec![plan]).expect("a land").write())
            .expect("a folder to write to");
        path
    };
    PATH.get_or_init(write).clone()
}

/// Settings of a small realm in which everyone sees everyone, and all players may share an address.
pub fn config(io: IoChoice) -> Config {
    let mut config = Config::default();
    config.realm.players_max = 64;
    config.realm.threads = 2;
    (config.world.land, config.world.spawn) = (land(), SpawnChoice::Everywhere);
    config.net.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.net.io = io;
    config.caps.allow =
        ["127.0.0.0/8", "::1"].map(|network| network.parse::<Network>().expect("a network")).into();
    config.net.receive_buffer_bytes = 1 << 20;
    config.net.send_buffer_bytes = 1 << 20;
    config
}

/// Runs `body` with a realm of `config` on each backend; says so when the kernel refuses one.
pub fn on_both_backends(mut change: impl FnMut(&mut Config), body: impl Fn(&mut Stage<'_>) + Send + Sync) {
    for io in [IoChoice::Uring, IoChoice::Mmsg] {
        let mut config = config(io);
        change(&mut config);
        match host(&config, &body) {
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
    pub heard: Vec<Heard>,
}

/// A notice that has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    pub told: Told,
    pub outcome: Outcome,
    pub id: u128,
    pub entity: u32,
    pub item: u32,
    pub quantity: u32,
    pub money: i64,
    pub revision: u32,
    pub name: String,
    pub text: String,
}

impl Player {
    /// Somebody of its own, about to say hello.
    pub fn new(realm: &mut Stage<'_>, salt: u64) -> Self {
        Self::with(realm, salt, |_| {})
    }

    /// Somebody about to say hello with a token changed by `change`.
    pub fn with(realm: &mut Stage<'_>, salt: u64, change: impl FnOnce(&mut TokenFields)) -> Self {
        let grant = realm.grant(change);
        Self::at(realm.listen_address(), now_us(realm), salt, grant)
    }

    /// Somebody about to say hello to the realm at `address`.
    pub fn at(address: SocketAddr, now_us: u64, salt: u64, grant: Grant) -> Self {
        let config = SessionConfig::new(salt, grant, &format!("player {salt}"));
        let mut session = Session::new(now_us, config).expect("a good name");
        session.set_intent(IntentFields {
            move_x: 1.0,
            move_y: salt as f32 - 103.0,
            ..IntentFields::default()
        });
        Self { socket: connected_to(address), session, errors: Vec::new(), snapshots: 0, heard: Vec::new() }
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
            if let SessionEvent::Snapshot(result) = self.session.handle(now_us, &mut datagram[..bytes]) {
                self.snapshots += 1;
                self.errors.extend(result.err());
            }
            self.listen();
        }
    }

    /// Keeps what it was told.
    fn listen(&mut self) {
        while let Some(message) = self.session.next_message() {
            let notice = throng_schema::read_notice(message).expect("a realm tells what is well-formed");
            let fields = throng_schema::check_notice(&notice).expect("and makes sense");
            assert!(fields.tick > 0, "{fields:?}");
            self.heard.push(Heard {
                told: fields.told,
                outcome: fields.outcome,
                id: fields.id,
                entity: fields.entity,
                item: fields.item,
                quantity: fields.quantity,
                money: fields.money,
                revision: fields.revision,
                name: fields.name.to_owned(),
                text: fields.text.to_owned(),
            });
        }
    }

    /// Asks for something with the next input.
    pub fn ask(&mut self, command: CommandFields<'_>) {
        let mut message = [0; COMMAND_BYTES_MAX];
        let bytes = throng_schema::write_command(&mut message, &command).expect("a command fits");
        self.session.send(&message[..bytes]).expect("few are on their way");
    }

    /// Everything of a kind that it was told, in order.
    pub fn told(&self, told: Told) -> impl Iterator<Item = &Heard> {
        self.heard.iter().filter(move |heard| heard.told == told)
    }

    /// What became of a command, once it is known.
    pub fn outcome(&self, id: u128) -> Option<Outcome> {
        self.told(Told::Answer).find(|answer| answer.id == id).map(|answer| answer.outcome)
    }

    /// Id of its own avatar.
    pub fn own_id(&self) -> u32 {
        self.session.view().world().map_or(0, |world| world.own_id)
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
    connected_to(realm.listen_address())
}

fn connected_to(realm_address: SocketAddr) -> UdpSocket {
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
pub fn step(realm: &mut Stage<'_>, players: &mut [Player]) {
    realm.advance_clock(Duration::from_millis(50));
    let now_us = now_us(realm);
    for player in players.iter_mut() {
        player.send(now_us);
    }
    realm.receive(usize::MAX);
    realm.tick();
    for player in players {
        player.receive(now_us);
    }
}

/// Steps until `is_done`, and panics with `what` when it never is.
pub fn step_until(
    realm: &mut Stage<'_>,
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
pub fn players(realm: &mut Stage<'_>, count: u64) -> Vec<Player> {
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
