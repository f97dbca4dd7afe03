//! The realm: one world, its players and its socket, advanced a tick at a time.
//!
//! ```text
//!            between ticks, every poll_us                            at the tick
//!   UDP ──► receive ──► Inbox ──► game.take: enter, leave, intent, command  │  game.tick ──► notices ──► Channels ─┐
//!                                                                          │      └──► snapshots ──► Outbox ◄─────┘ ──► UDP
//! ```
//!
//! [`host`] makes a thread pool, opens a [`Realm`] on its first thread and hands it over; there [`Realm::run`] keeps the
//! tick rate until it is asked to stop. Everything runs inside that pool: the loop itself is one of its workers, so with
//! two threads two cores are busy and a fork never goes through the pool's front door (which would allocate).

mod channels;
mod counters;
mod drain;
mod inbox;
mod ledger;
mod messages;
mod opening;
mod orders;
mod outbox;
pub mod overload;
mod residents;
mod run;
mod seat;
mod seats;
mod setup;

pub use counters::Counters;
pub use inbox::{
    DISCONNECT_KICKED, DISCONNECT_UNACKNOWLEDGED, DISCONNECT_WORLD_FULL, REFUSED_HELLO, REFUSED_KICKED,
    REFUSED_NAME, REFUSED_SCHEMA, REFUSED_STALE,
};
pub use orders::{Arrivals, Orders};
pub use overload::{Effort, Rung, SPEED_USUAL};
pub use run::{Controls, Measure};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use throng_game::{Game, GameError, Imbalance, Input};
use throng_net::io::{BindError, Receive, Sender};
use throng_net::limits::FRAME_BYTES_ALONE_MAX;
use throng_net::protocol::packet::DISCONNECT_STOPPING;
use throng_net::protocol::token::RealmKeys;
use throng_net::protocol::{self, Server};

use crate::config::{Config, Problems};
use crate::gateway::board::RealmStatus;
use crate::gateway::keys::unix_ms;
use crate::land::NoLand;
use crate::limits;
use crate::metrics::{TickTimes, Traffic};
use crate::report::{Counts, Startup};
use inbox::Inbox;
use outbox::{Outbox, sender_stats, set_sender, with_sender};
use overload::Governor;

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
    /// The land cannot be had.
    #[error(transparent)]
    Land(#[from] NoLand),
    /// More entities than a realm can have.
    #[error(
        "the world would hold {found} players and creatures, {settled} of them at home in its land; it can hold {most}\n  \
         lower realm.players_max, world.creatures, world.instances or the counts of the world file's spawn areas"
    )]
    Crowded {
        /// How many it would be.
        found: u64,
        /// How many of them the land asks for.
        settled: u64,
        /// Most that can be.
        most: u32,
    },
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
    /// The system gives no entropy for cookies and keys.
    #[error(
        "the system gives no random bytes for keys\n  allow getrandom(2) in the sandbox, or mount /dev in the container or chroot"
    )]
    NoEntropy,
}

/// Datagrams of strangers that are looked into between two ticks.
fn strangers_max(config: &Config) -> usize {
    (limits::STRANGERS_PER_S / u32::from(config.realm.tick_hz)) as usize
}

/// Whether nine tenths are taken.
fn is_crowded(known: u32, most: u32) -> bool {
    u64::from(known) * 10 >= u64::from(most) * 9
}

/// What an operator is told of a ledger that does not balance.
fn broken_ledger(imbalance: &Imbalance) -> String {
    format!(
        "the ledger does not balance, by a fault of this program: {imbalance}\n  from now on nobody deals and nothing of \
         value comes into being; all else goes on. Keep this log, report the fault, and restart the realm"
    )
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
    /// None: time passes only by [`Realm::advance_clock`].
    started: Option<Instant>,
    skipped_ns: u64,
    receiver: Box<dyn Receive>,
    inbox: Inbox,
    /// Time spent receiving and datagrams received since the last tick.
    receive_ns: u64,
    received: u64,
    /// How many more datagrams of strangers are looked into before the next tick.
    strangers_left: usize,
    clients_peak: u32,
    governor: Governor,
    /// Added to each tick's work as the governor sees it.
    burden_ns: u64,
    /// Whether an operator has been told that the ledger does not balance.
    is_imbalance_told: bool,
    /// Whether an operator has been told that hardly any more characters can be known.
    is_crowding_told: bool,
    are_locals_told: bool,
}

impl Realm {
    /// Binds the socket, makes the world and gives every thread of the current pool its sender.
    fn open(config: &Config, keys: RealmKeys, threads: usize) -> Result<Self, RealmError> {
        let game = setup::game(config)?;
        let protocol = Server::new(setup::server_config(config), &setup::seed()?, keys)?;
        let bound = setup::bind(&setup::socket_config(config))?;
        let startup = setup::startup(config, &game, threads, &bound.report);
        let senders = bound.senders;
        let made = rayon::broadcast(|_| senders.make().map(|sender| set_sender(Some(sender))));
        made.into_iter().collect::<Result<(), _>>().map_err(RealmError::Sender)?;
        let players_max = config.realm.players_max as usize;
        Ok(Self {
            config: config.clone(),
            startup,
            started: Some(Instant::now()),
            skipped_ns: 0,
            receiver: bound.receiver,
            inbox: Inbox::new(protocol, game, players_max),
            receive_ns: 0,
            received: 0,
            strangers_left: strangers_max(config),
            clients_peak: 0,
            governor: Governor::new(&config.overload, config.world.refresh_ticks),
            burden_ns: 0,
            is_imbalance_told: false,
            is_crowding_told: false,
            are_locals_told: false,
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
        let passed_ns = self.started.map_or(0, |started| started.elapsed().as_nanos() as u64);
        passed_ns.saturating_add(self.skipped_ns)
    }

    /// From now on time passes only by [`advance_clock`](Self::advance_clock). For tests whose outcome must not depend on
    /// how fast they run.
    pub fn stop_clock(&mut self) {
        self.skipped_ns = self.now_ns();
        self.started = None;
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

    /// Takes in at most `limit` datagrams of sessions and as many of strangers, answers handshakes, and returns how many
    /// there were of both. Never waits.
    pub fn receive(&mut self, limit: usize) -> usize {
        self.hear_sessions(limit) + self.hear_strangers(limit)
    }

    /// Takes in at most `limit` datagrams of sessions, and of everybody where the kernel does not keep strangers apart.
    fn hear_sessions(&mut self, limit: usize) -> usize {
        self.hear(|receiver, inbox, now_us, sender| {
            receiver.drain_ahead(limit, &mut |from, datagram, coming| {
                inbox.prefetch(coming);
                inbox.datagram(now_us, from, datagram, sender);
            })
        })
    }

    /// Takes in at most `limit` datagrams of strangers, and none once there have been as many as fit between two ticks:
    /// the kernel drops what finds their queue full.
    fn hear_strangers(&mut self, limit: usize) -> usize {
        let limit = limit.min(self.strangers_left);
        if limit == 0 {
            return 0;
        }
        let heard = self.hear(|receiver, inbox, now_us, sender| {
            receiver.drain_apart(limit, &mut |from, datagram| inbox.datagram(now_us, from, datagram, sender))
        });
        self.strangers_left -= heard.min(limit);
        self.inbox.counters.strangers_full += u64::from(self.strangers_left == 0);
        heard
    }

    /// Takes in what `drain` gets, and returns how much that was.
    fn hear(
        &mut self,
        drain: impl FnOnce(&mut dyn Receive, &mut Inbox, u64, &mut dyn Sender) -> std::io::Result<usize>,
    ) -> usize {
        let start_ns = self.now_ns();
        let Self { receiver, inbox, .. } = self;
        let drained = with_sender(|sender| {
            let drained = drain(receiver.as_mut(), inbox, start_ns / 1000, sender);
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

    /// Runs one tick: takes in what has arrived, moves the world, sends every client what it is told and its snapshot.
    pub fn tick(&mut self) -> (TickTimes, Traffic) {
        let start_ns = self.now_ns();
        // A tick may begin with all that honest clients sent meanwhile, and some of a flood. Strangers wait until it is over.
        let limit = self.config.net.receive_batch_max as usize + 2 * self.client_count() as usize;
        if self.hear_sessions(limit) == limit {
            self.inbox.counters.receive_batch_full += 1;
        }
        self.strangers_left = strangers_max(&self.config);
        let received_ns = self.now_ns();
        self.inbox.expire(received_ns / 1000);
        self.inbox.note_acks();
        self.inbox.game.tick();
        self.tell_imbalance();
        let simulated_ns = self.now_ns();

        let now_us = simulated_ns / 1000;
        let budget_bytes = (self.config.net.snapshot_bytes_max - limits::OVERHEAD_BYTES) as usize;
        let frame_bytes = [budget_bytes / limits::FRAME_SHARE, budget_bytes.min(FRAME_BYTES_ALONE_MAX)];
        with_sender(|sender| self.inbox.tell(now_us, frame_bytes, sender));
        let Inbox { protocol, game, seats, channels, .. } = &mut self.inbox;
        if game.current_tick().is_multiple_of(u32::from(self.config.realm.tick_hz)) {
            seats.sort(game);
        }
        let Effort { speed, refresh_ticks, .. } = self.governor.effort();
        let frames = channels.frames();
        let outbox = Outbox { game, now_us, budget_bytes, frames, speed, refresh_ticks };
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

    /// Logs once that the ledger does not balance.
    fn tell_imbalance(&mut self) {
        if let Some(imbalance) = self.inbox.game.imbalance()
            && !std::mem::replace(&mut self.is_imbalance_told, true)
        {
            tracing::error!("at tick {}: {}", self.inbox.game.current_tick(), broken_ledger(&imbalance));
        }
    }

    /// Logs once that hardly any more characters can be known.
    fn tell_crowding(&mut self) {
        let (known, most) = (self.inbox.game.character_count(), self.config.rules.characters_max);
        if is_crowded(known, most) && !std::mem::replace(&mut self.is_crowding_told, true) {
            tracing::warn!(
                "{known} characters have entered since the start, of {most} that can be known (rules.characters_max)\n  \
                 once all are, a new one gets in only in place of one that has long been away with nothing to lose: \
                 raise rules.characters_max before the next start"
            );
        }
    }

    /// Warns once of addresses of this host that nobody is answered from.
    fn tell_locals(&mut self) {
        if self.receiver.stats().local_unknown > 0 && !std::mem::replace(&mut self.are_locals_told, true) {
            tracing::warn!(
                "datagrams come to this host by more addresses than the 64 that are told apart, or by one of a group: answers \
                 leave from the address that the kernel likes best\n  \
                 name the address that players use in net.listen, then there is only that one"
            );
        }
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
        let change = self.governor.observe(work_ns.saturating_add(self.burden_ns), period_ns);
        let Some(change) = change else { return };
        if change.is_engaged {
            counters.overload_engaged += 1;
            tracing::warn!("{change}");
        } else {
            counters.overload_released += 1;
            tracing::info!("{change}");
        }
        self.inbox.game.take(Input::Effort { think_divisor: change.effort.think_divisor });
    }

    /// Tells every client that the realm stops, and ends their sessions.
    pub fn disconnect_all(&mut self) {
        let now_us = self.now_ns() / 1000;
        with_sender(|sender| self.inbox.close_all(now_us, DISCONNECT_STOPPING, sender));
    }

    /// Does what the gateway has asked for meanwhile.
    fn obey(&mut self, Controls { orders, status, .. }: &Controls) {
        let now_us = self.now_ns() / 1000;
        if let Some(keys) = orders.take_keys() {
            if let Err(error) = self.inbox.protocol.set_keys(keys) {
                tracing::error!("the new token keys cannot be used, the old ones stay: {error}");
            }
            self.tell_keys(status);
        }
        // Tokens bear the gateway's time. Where that is another machine's, its clock may be ahead of this one, and a token from
        // before the kick would look as if made after it.
        let until_ms = unix_ms().saturating_add(setup::clock_skew_ms(&self.config).into());
        with_sender(|sender| {
            for account in orders.take_kicks() {
                self.inbox.kick(now_us, until_ms, account, sender);
            }
            sender.flush();
        });
    }

    /// Tells the gateway which token keys this realm holds.
    fn tell_keys(&self, status: &RealmStatus) {
        status.set_token_keys(self.inbox.protocol.key_names().collect());
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
            channel: named(&mut self.inbox.channels.counters.iter()),
            game: named(&mut self.inbox.game.counters().iter()),
            money: ledger::money(self.inbox.game.economy()),
            gateway: BTreeMap::new(),
        }
    }
}
