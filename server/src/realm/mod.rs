//! The realm: one world, its players and its socket, advanced a tick at a time.
//!
//! ```text
//!            between ticks, every poll_us                       at the tick
//!   UDP ──► receive ──► Inbox (protocol, seats, world)  ──► apply inputs ──► world.tick ──► Outbox ──► UDP
//! ```
//!
//! [`host`] makes a thread pool, opens a [`Realm`] on its first thread and hands it over; there [`Realm::run`] keeps the
//! tick rate until it is asked to stop. Everything runs inside that pool: the loop itself is one of its workers, so with
//! two threads two cores are busy and a fork never goes through the pool's front door (which would allocate).

mod counters;
mod inbox;
mod orders;
mod outbox;
pub mod overload;
mod residents;
mod run;
mod seat;
mod seats;

pub use counters::Counters;
pub use inbox::{
    DISCONNECT_KICKED, DISCONNECT_WORLD_FULL, REFUSED_HELLO, REFUSED_KICKED, REFUSED_NAME, REFUSED_SCHEMA,
    REFUSED_STALE,
};
pub use orders::{Arrivals, Orders};
pub use overload::{Effort, Rung, SPEED_USUAL};
pub use run::{Controls, Measure};

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use throng_game::{Game, GameConfig, GameError, Spawn, WorldConfig};
use throng_net::io::{BackendChoice, BindError, BindReport, Receive, SocketConfig};
use throng_net::protocol::packet::DISCONNECT_STOPPING;
use throng_net::protocol::token::{RealmKeys, protocol_hash};
use throng_net::protocol::{self, PrefixCaps, Server, ServerConfig};
use throng_schema::SCHEMA_VERSION;

use crate::config::{Config, IoChoice, Problems, SpawnChoice};
use crate::gateway::keys::unix_ms;
use crate::limits;
use crate::metrics::{TickTimes, Traffic};
use crate::report::{Buffer, Counts, Startup};
use inbox::Inbox;
use outbox::{Outbox, sender_stats, set_sender, with_sender};
use overload::{Change, Governor};
use residents::Residents;
use seats::Seats;

/// Why a realm cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// The settings cannot work.
    #[error(transparent)]
    Settings(#[from] Problems),
    /// The socket cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A worker's way to send cannot be had.
    #[error("cannot set up sending on a worker thread: {0}\n  {SENDER_REMEDY}")]
    Sender(std::io::Error),
    /// The world cannot be made.
    #[error("cannot make the world: {0}")]
    World(#[from] GameError),
    /// The protocol cannot be set up.
    #[error("cannot set up the sessions: {0}")]
    Protocol(#[from] protocol::ConfigError),
    /// The worker threads cannot be started.
    #[error(
        "cannot start {threads} worker threads: {reason}\n  lower realm.threads, or raise the limit on processes (ulimit -u)"
    )]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        reason: rayon::ThreadPoolBuildError,
    },
    /// No entropy for the cookies' secret.
    #[error("cannot read 32 random bytes from /dev/urandom: {0}\n  mount /dev in the container or chroot")]
    Entropy(std::io::Error),
}

const SENDER_REMEDY: &str =
    "raise the limit on open files (ulimit -n) or locked memory (ulimit -l), or set net.io to mmsg";

/// Opens a realm and runs `body` with it, on a thread of the realm's own pool. When `body` returns the socket is closed.
/// `keys` open the connect tokens of this realm; nothing else tells it who may enter.
///
/// # Errors
/// When the settings cannot work or the system does not give what they need.
pub fn host<R: Send>(
    config: &Config,
    keys: RealmKeys,
    body: impl FnOnce(&mut Realm) -> R + Send,
) -> Result<R, RealmError> {
    config.check()?;
    let threads = config.thread_count();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("throng-{number}"))
        .build()
        .map_err(|reason| RealmError::Threads { threads, reason })?;
    pool.install(|| {
        let result = Realm::open(config, keys, threads).map(|mut realm| body(&mut realm));
        // Dropped on the threads that made them, before the pool's threads end on their own time.
        rayon::broadcast(|_| set_sender(None));
        result
    })
}

/// One world, its players and its socket. Lives on a thread of its own pool; see [`host`].
pub struct Realm {
    config: Config,
    startup: Startup,
    started: Instant,
    skipped_ns: u64,
    receiver: Box<dyn Receive>,
    inbox: Inbox,
    /// Time spent receiving and datagrams received since the last tick.
    receive_ns: u64,
    received: u64,
    clients_peak: u32,
    governor: Governor,
    /// Added to each tick's work as the governor sees it.
    burden_ns: u64,
}

impl Realm {
    /// Binds the socket, makes the world and gives every thread of the current pool its sender.
    fn open(config: &Config, keys: RealmKeys, threads: usize) -> Result<Self, RealmError> {
        let game = Game::new(game_config(config))?;
        let protocol = Server::new(server_config(config), secret()?, keys)?;
        let bound = throng_net::io::bind(&socket_config(config))?;
        let startup = startup(config, threads, &bound.report);
        let senders = bound.senders;
        let made = rayon::broadcast(|_| senders.make().map(|sender| set_sender(Some(sender))));
        made.into_iter().collect::<Result<(), _>>().map_err(RealmError::Sender)?;
        let players_max = config.realm.players_max as usize;
        let (seats, residents) = (Seats::with_capacity(players_max), Residents::with_capacity(players_max));
        let intent_hold_ticks = config.realm.intent_hold_ticks;
        Ok(Self {
            config: config.clone(),
            startup,
            started: Instant::now(),
            skipped_ns: 0,
            receiver: bound.receiver,
            inbox: Inbox {
                protocol,
                game,
                seats,
                residents,
                arrived: Vec::with_capacity(players_max),
                counters: Counters::default(),
                intent_hold_ticks,
            },
            receive_ns: 0,
            received: 0,
            clients_peak: 0,
            governor: Governor::new(&config.overload, config.world.refresh_ticks),
            burden_ns: 0,
        })
    }

    /// What was decided at start.
    pub fn startup(&self) -> &Startup {
        &self.startup
    }

    /// Where the realm listens, with the port that was taken.
    pub fn listen_address(&self) -> SocketAddr {
        self.startup.listen
    }

    /// Nanoseconds since the realm was opened.
    pub fn now_ns(&self) -> u64 {
        (self.started.elapsed().as_nanos() as u64).saturating_add(self.skipped_ns)
    }

    /// Lets `by` pass at once, as timeouts and rate limits see it. For tests, which should not wait for a clock.
    pub fn advance_clock(&mut self, by: Duration) {
        self.skipped_ns = self.skipped_ns.saturating_add(by.as_nanos() as u64);
    }

    /// Lets each tick's work seem to take this much longer, without waiting. For tests of what a realm does in overload.
    pub fn burden(&mut self, by: Duration) {
        self.burden_ns = by.as_nanos() as u64;
    }

    /// How much the realm does at present; below the full effort in overload.
    pub fn effort(&self) -> Effort {
        self.governor.effort()
    }

    /// Players connected.
    pub fn client_count(&self) -> u32 {
        self.inbox.protocol.session_count() as u32
    }

    /// The world, to look at.
    pub fn game(&self) -> &Game {
        &self.inbox.game
    }

    /// What the realm refused, ignored or repaired so far.
    pub fn counters(&self) -> &Counters {
        &self.inbox.counters
    }

    /// What the datagram layer dropped so far, and its events.
    pub fn protocol_counters(&self) -> &protocol::Counters {
        self.inbox.protocol.counters()
    }

    /// Takes in at most `limit` datagrams that have arrived, answers handshakes, and returns how many there were.
    /// Never waits.
    pub fn receive(&mut self, limit: usize) -> usize {
        let start_ns = self.now_ns();
        let Self { receiver, inbox, .. } = self;
        let drained = with_sender(|sender| {
            let drained = receiver.drain(limit, &mut |from, datagram| {
                inbox.datagram(start_ns / 1000, from, datagram, sender);
            });
            sender.flush();
            drained
        });
        let count = drained.unwrap_or(Ok(0)).unwrap_or_else(|error| {
            if inbox.counters.receive_error == 0 {
                tracing::warn!("looking at the socket failed (further failures are only counted): {error}");
            }
            inbox.counters.receive_error += 1;
            0
        });
        self.clients_peak = self.clients_peak.max(self.client_count());
        self.received += count as u64;
        self.receive_ns += self.now_ns() - start_ns;
        count
    }

    /// Runs one tick: takes in what has arrived, applies inputs, moves the world, sends every client its snapshot.
    pub fn tick(&mut self) -> (TickTimes, Traffic) {
        let start_ns = self.now_ns();
        // A tick may begin with all that honest clients sent meanwhile, and some of a flood.
        let limit = self.config.net.receive_batch_max as usize + 2 * self.client_count() as usize;
        if self.receive(limit) == limit {
            self.inbox.counters.receive_batch_full += 1;
        }
        let received_ns = self.now_ns();
        self.inbox.expire(received_ns / 1000);
        self.inbox.apply_inputs();
        self.inbox.game.tick();
        let simulated_ns = self.now_ns();

        let Inbox { protocol, game, seats, .. } = &mut self.inbox;
        if game.current_tick().is_multiple_of(u32::from(self.config.realm.tick_hz)) {
            seats.sort(game);
        }
        let budget_bytes = (self.config.net.snapshot_bytes_max - limits::OVERHEAD_BYTES) as usize;
        let outbox = Outbox { game, now_us: simulated_ns / 1000, budget_bytes };
        let mut traffic = outbox.send(protocol.transmit_halves(), seats.in_order());
        traffic.received = std::mem::take(&mut self.received);
        let sent_ns = self.now_ns();

        let times = TickTimes {
            receive_ns: std::mem::take(&mut self.receive_ns),
            simulate_ns: simulated_ns - received_ns,
            send_ns: sent_ns - simulated_ns,
            tick_ns: sent_ns - start_ns,
            overload_steps: self.governor.steps() as u32,
            speed: self.governor.effort().speed,
        };
        self.govern(times.work_ns());
        (times, traffic)
    }

    /// Decides from the work of a tick how much is done in the next one.
    fn govern(&mut self, work_ns: u64) {
        let counters = &mut self.inbox.counters;
        let ticks_held = match self.governor.effort().rung {
            None => None,
            Some(Rung::FarRefresh) => Some(&mut counters.ticks_far_refresh_held),
            Some(Rung::Thinking) => Some(&mut counters.ticks_thinking_held),
            Some(Rung::WorldTime) => Some(&mut counters.ticks_world_time_held),
        };
        ticks_held.into_iter().for_each(|ticks| *ticks += 1);
        let period_ns = 1_000_000_000 / u64::from(self.config.realm.tick_hz);
        match self.governor.observe(work_ns.saturating_add(self.burden_ns), period_ns) {
            Some(change @ Change { is_engaged: true, .. }) => {
                counters.overload_engaged += 1;
                tracing::warn!("{change}");
            }
            Some(change) => {
                counters.overload_released += 1;
                tracing::info!("{change}");
            }
            None => {}
        }
    }

    /// Tells every client that the realm stops, and ends their sessions.
    pub fn disconnect_all(&mut self) {
        let now_us = self.now_ns() / 1000;
        with_sender(|sender| self.inbox.close_all(now_us, DISCONNECT_STOPPING, sender));
    }

    /// Does what the gateway has asked for meanwhile.
    fn obey(&mut self, orders: &Orders) {
        let now_us = self.now_ns() / 1000;
        if let Some(keys) = orders.take_keys()
            && let Err(error) = self.inbox.protocol.set_keys(keys)
        {
            tracing::error!("the new token keys cannot be used, the old ones stay: {error}");
        }
        with_sender(|sender| {
            for account in orders.take_kicks() {
                self.inbox.kick(now_us, unix_ms(), account, sender);
            }
            sender.flush();
        });
    }

    /// All counters by layer and name.
    pub fn counts(&self) -> Counts {
        let named = |counts: &mut dyn Iterator<Item = (&'static str, u64)>| {
            counts.map(|(name, count)| (name.to_owned(), count)).collect::<BTreeMap<_, _>>()
        };
        let mut send = throng_net::io::SendStats::default();
        for stats in rayon::broadcast(|_| sender_stats()).into_iter().flatten() {
            send.add(&stats);
        }
        Counts {
            realm: named(&mut self.inbox.counters.iter()),
            protocol: named(&mut self.inbox.protocol.counters().iter()),
            receive: named(&mut self.receiver.stats().iter()),
            send: named(&mut send.iter()),
            gateway: BTreeMap::new(),
        }
    }
}

fn secret() -> Result<[u8; 32], RealmError> {
    let mut secret = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut secret))
        .map_err(RealmError::Entropy)?;
    Ok(secret)
}

fn game_config(config: &Config) -> GameConfig {
    let (realm, world) = (&config.realm, &config.world);
    GameConfig {
        world: WorldConfig {
            width_m: world.width_m,
            height_m: world.height_m,
            view_radius_m: world.view_radius_m,
            entities_max: realm.players_max + world.creatures,
            tick_hz: realm.tick_hz,
            seed: realm.seed,
            refresh_ticks: world.refresh_ticks,
        },
        creatures: world.creatures,
        spawn: match world.spawn {
            SpawnChoice::Everywhere => Spawn::Everywhere,
            SpawnChoice::Disc => Spawn::Disc { radius_m: world.spawn_radius_m },
        },
    }
}

fn server_config(config: &Config) -> ServerConfig {
    ServerConfig {
        sessions_max: config.realm.players_max,
        timeout_us: u64::from(config.net.session_timeout_ms) * 1000,
        input_rate_hz: config.net.input_rate_hz,
        input_burst: config.net.input_burst,
        realm_id: config.realm.id,
        // Another machine's clock may be ahead: then a token used before a restart would look as if made after it.
        clock_skew_ms: if config.gateway.enabled { 0 } else { limits::CLOCK_SKEW_MS },
        caps: PrefixCaps {
            ipv4: config.caps.ipv4,
            ipv4_24: config.caps.ipv4_24,
            ipv6_64: config.caps.ipv6_64,
            ipv6_56: config.caps.ipv6_56,
            ipv6_48: config.caps.ipv6_48,
            exempt: config.caps.networks(),
        },
        protocol_hash: protocol_hash(SCHEMA_VERSION),
        started_unix_ms: unix_ms(),
        ..ServerConfig::default()
    }
}

fn socket_config(config: &Config) -> SocketConfig {
    SocketConfig {
        receive_buffer_bytes: config.net.receive_buffer_bytes as usize,
        send_buffer_bytes: config.net.send_buffer_bytes as usize,
        backend: match config.net.io {
            IoChoice::Auto => BackendChoice::Auto,
            IoChoice::Uring => BackendChoice::Uring,
            IoChoice::Mmsg => BackendChoice::Mmsg,
        },
        ..SocketConfig::new(config.net.listen)
    }
}

fn startup(config: &Config, threads: usize, bound: &BindReport) -> Startup {
    let buffer = |grant: &throng_net::io::BufferGrant| Buffer {
        asked_bytes: grant.asked_bytes as u64,
        granted_bytes: grant.granted_bytes as u64,
    };
    Startup {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        listen: bound.local_addr,
        simd: throng_engine::simd::Level::chosen()
            .map_or_else(|error| error.to_string(), |level| level.to_string()),
        io_backend: bound.backend.to_string(),
        io_reason: bound.reason.clone(),
        receive_buffer: buffer(&bound.receive_buffer),
        send_buffer: buffer(&bound.send_buffer),
        warnings: bound.warnings.clone(),
        threads: threads as u32,
        tick_hz: config.realm.tick_hz,
        players_max: config.realm.players_max,
        creatures: config.world.creatures,
        world_m: [config.world.width_m, config.world.height_m],
        gateway: None,
    }
}
