//! Settings of a run, and what can be wrong with them.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use thiserror::Error;
use throng_motion::Land;

use super::behaviour::Behaviour;

/// Most clients of one process: as many as the server's session table can ever hold.
const CLIENTS_MAX: u32 = 1 << 20;
/// Longest simulated one-way delay. With it a baseline is still younger than the server's history of 32 ticks.
const DELAY_MS_MAX: u32 = 500;

/// What to play. [`BotsConfig::new`] fills in everything that has a usual value.
#[derive(Clone, Debug)]
pub struct BotsConfig {
    /// The server, on 127.0.0.0/8.
    pub server: SocketAddr,
    /// Clients, 1 to 1,048,576.
    pub clients: u32,
    /// Seconds to measure, at least 1.
    pub seconds: u32,
    /// How many of the clients are full ones; `None`: 64, or all if there are fewer.
    pub full: Option<u32>,
    /// Datagrams lost, percent, in each direction.
    pub loss_percent: f64,
    /// Delay in each direction, milliseconds, at most 500; it varies by a fifth either way.
    pub delay_ms: u32,
    /// Datagrams held back for one to two ticks more, so that later ones overtake them; percent, in each direction.
    pub reorder_percent: f64,
    /// Seed of everything random. Two runs with one seed walk the same ways.
    pub seed: u64,
    /// New handshakes a second.
    pub connect_rate_hz: u32,
    /// Seconds after which the run goes on with those who are connected. Until then clients that got no answer
    /// within ten seconds try again, if the server has answered anybody.
    pub connect_seconds_max: u32,
    /// Seconds between the last connection and the measurement.
    pub settle_seconds: u32,
    /// No entity moves faster than this, metres per second: what the refresh check needs to know who cannot have
    /// left the view meanwhile. 6 by default, a fifth above the reference game's limit.
    pub speed_max_m_per_s: f32,
    /// Name of all clients.
    pub name: String,
    /// What the clients do.
    pub behaviour: Behaviour,
    /// The clients' clock against the server's; above 1 they ask for more steps than they may have.
    pub clock: f64,
    /// The land that the server's world lies on: shops' places, and what full clients predict with.
    pub land: Option<Arc<Land>>,
}

impl BotsConfig {
    /// A run without simulated trouble.
    pub fn new(server: SocketAddr, clients: u32, seconds: u32) -> Self {
        Self {
            server,
            clients,
            seconds,
            full: None,
            loss_percent: 0.0,
            delay_ms: 0,
            reorder_percent: 0.0,
            seed: 1,
            connect_rate_hz: 4000,
            connect_seconds_max: 60,
            settle_seconds: 2,
            speed_max_m_per_s: 6.0,
            name: "bot".to_owned(),
            behaviour: Behaviour::default(),
            clock: 1.0,
            land: None,
        }
    }

    /// Full clients of this run.
    pub fn full_count(&self) -> u32 {
        self.full.unwrap_or(64).min(self.clients)
    }

    /// The server's address, once it is known to be one that can be tested.
    pub(super) fn server_v4(&self) -> Result<SocketAddrV4, BotsError> {
        match (self.server.ip(), self.server.port()) {
            (_, 0) => Err(BotsError::NoPort { server: self.server }),
            (IpAddr::V4(ip), port) if ip.is_loopback() => Ok(SocketAddrV4::new(ip, port)),
            _ => Err(BotsError::NotLoopback { server: self.server }),
        }
    }

    pub(super) fn check(&self) -> Result<(), BotsError> {
        self.server_v4()?;
        if !(1..=CLIENTS_MAX).contains(&self.clients) {
            return Err(BotsError::Clients { found: self.clients });
        }
        for (option, percent) in [("loss", self.loss_percent), ("reorder", self.reorder_percent)] {
            if !(0.0..=100.0).contains(&percent) {
                return Err(BotsError::Percent { option, percent });
            }
        }
        if self.delay_ms > DELAY_MS_MAX {
            return Err(BotsError::Delay { found: self.delay_ms });
        }
        for (option, found) in [("seconds", self.seconds), ("connect rate", self.connect_rate_hz)] {
            if found == 0 {
                return Err(BotsError::Zero { option });
            }
        }
        Ok(())
    }
}

/// Why a run cannot begin or go on.
#[derive(Debug, Error)]
pub enum BotsError {
    /// Clients' addresses are taken from 127/8.
    #[error(
        "the server address is {server}, but bots can only test a server on 127.0.0.0/8: every bot has its own \
         address there. Start the server and the bots on one machine and name 127.0.0.1 with the server's port"
    )]
    NotLoopback {
        /// The address found.
        server: SocketAddr,
    },
    /// Port 0 is nobody.
    #[error("the server address {server} has no port: give the one that the server listens on")]
    NoPort {
        /// The address found.
        server: SocketAddr,
    },
    /// Too few or too many.
    #[error("{found} clients were asked for, but 1 to {CLIENTS_MAX} can be played")]
    Clients {
        /// The number found.
        found: u32,
    },
    /// Not a share of anything.
    #[error("{option} is {percent} %, but must be 0 to 100")]
    Percent {
        /// Which option.
        option: &'static str,
        /// Its value.
        percent: f64,
    },
    /// Too long for deltas to survive.
    #[error("the delay is {found} ms each way, but at most {DELAY_MS_MAX} can be simulated")]
    Delay {
        /// Its value.
        found: u32,
    },
    /// Nothing would ever happen.
    #[error("{option} is 0, but must be at least 1")]
    Zero {
        /// Which option.
        option: &'static str,
    },
    /// The name or hello is not one that a server accepts.
    #[error("the bots' hello is not acceptable: {0}")]
    Hello(String),
    /// The gateway cannot be asked.
    #[error(transparent)]
    Grants(#[from] crate::grants::GrantsError),
    /// There is no gateway.
    #[error("nobody listens at {gateway}: start the server (throng serve), or name the port that it printed")]
    NobodyListens {
        /// The gateway.
        gateway: String,
    },
    /// The gateway let nobody in.
    #[error("the gateway {gateway} granted nobody entry; what it said: {said}")]
    NobodyGranted {
        /// The gateway.
        gateway: String,
        /// Its answers and how often each came.
        said: String,
    },
    /// The gateway names a realm that cannot be found.
    #[error(
        "the gateway says that the realm is at {found:?}, which is no address that this machine can find"
    )]
    NoRealm {
        /// What it said.
        found: String,
    },
    /// The socket could not be had.
    #[error("no socket for the bots: {0}")]
    Bind(String),
    /// The socket failed for good.
    #[error("the bots' socket failed: {0}")]
    Socket(std::io::Error),
    /// The server answered nobody, or refused all.
    #[error(
        "none of {clients} clients got connected to {server}: {refused} were refused, {silent} got no answer. \
         Check that the server runs, listens on this port and has room for them"
    )]
    NobodyConnected {
        /// The server.
        server: SocketAddr,
        /// Clients that tried.
        clients: u32,
        /// Of those, refused.
        refused: u64,
        /// Of those, unanswered.
        silent: u64,
    },
}
