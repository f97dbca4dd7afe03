//! Settings of a realm and its gateway: what there is, where it comes from, what is impossible.
//!
//! ```text
//! Config::default ──► file (TOML) ──► environment ──► command line ──► check ──► realm, gateway
//! ```
//!
//! A later layer wins. Unknown keys are errors in every layer, because a misspelt limit that is silently
//! ignored is found out on the worst day. `server/throng.toml` is the documented form of [`Config::default`];
//! a test holds the two together.

mod check;
mod env;
mod gateway;
mod overload;
mod world;

pub use check::{Problem, Problems};
pub use gateway::{CapsSettings, GatewaySettings, Network, Registration, RemoteRealmSettings};
pub use overload::OverloadSettings;
pub use world::{LAND_FLAT, RulesSettings, SpawnChoice, WorldSettings};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits;

/// The settings file with every default and what it means, as `throng serve --print-config` prints it.
pub const DEFAULT_FILE: &str = include_str!("../../throng.toml");

/// All settings of one process: a realm, a gateway, or both.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which realm; its time, players and threads.
    pub realm: RealmSettings,
    /// Land and population.
    pub world: WorldSettings,
    /// What an operator may change of the rules.
    pub rules: RulesSettings,
    /// What is held back when ticks take too long.
    pub overload: OverloadSettings,
    /// Socket and protocol.
    pub net: NetSettings,
    /// Sessions of one network.
    pub caps: CapsSettings,
    /// Accounts, logins and the way to realms.
    pub gateway: GatewaySettings,
    /// What is logged.
    pub log: LogSettings,
}

/// `[realm]`: which one; its time, players and threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RealmSettings {
    /// Its number among the realms of one gateway; connect tokens name it.
    pub id: u32,
    /// What players see it called.
    pub name: String,
    /// Ticks per second.
    pub tick_hz: u16,
    /// Players at one time.
    pub players_max: u32,
    /// Worker threads; 0 means as many as this process may run on at once.
    pub threads: u32,
    /// Seed of everything random in the world.
    pub seed: u64,
    /// Seconds for which nobody else is let in before it stops; 0: it stops at once.
    pub drain_s: u32,
}

/// `[net]`: socket and protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetSettings {
    /// UDP address and port of the realm.
    #[serde(deserialize_with = "listen_address")]
    pub listen: SocketAddr,
    /// How datagrams reach the kernel.
    pub io: IoChoice,
    /// Largest datagram to a client in bytes, headers included.
    pub snapshot_bytes_max: u32,
    /// Milliseconds of silence after which a client is disconnected.
    pub session_timeout_ms: u32,
    /// Inputs per second and client on average.
    pub input_rate_hz: u32,
    /// Inputs of a client at once after a pause.
    pub input_burst: u32,
    /// Longest pause between two looks at the socket in microseconds.
    pub poll_us: u32,
    /// Datagrams handled between two looks at the clock.
    pub receive_batch_max: u32,
    /// Receive buffer asked of the kernel, bytes.
    pub receive_buffer_bytes: u32,
    /// Send buffer asked of the kernel, bytes.
    pub send_buffer_bytes: u32,
}

/// How datagrams reach the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum IoChoice {
    /// io_uring where kernel and container allow it and the address is a single one, otherwise mmsg.
    Auto,
    /// io_uring, or an error.
    Uring,
    /// sendmmsg and recvmmsg.
    Mmsg,
}

/// `[log]`: what is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Filter in tracing's syntax.
    pub filter: String,
    /// Seconds between two status lines; 0 for none.
    pub status_every_s: u32,
}

impl Default for RealmSettings {
    fn default() -> Self {
        Self {
            id: 1,
            name: "Throng".to_owned(),
            tick_hz: 20,
            players_max: 12_000,
            threads: 0,
            seed: 1,
            drain_s: 0,
        }
    }
}

impl Default for NetSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 7777)),
            io: IoChoice::Auto,
            snapshot_bytes_max: limits::DATAGRAM_BYTES_MAX,
            session_timeout_ms: 10_000,
            input_rate_hz: 120,
            input_burst: 60,
            poll_us: 1000,
            receive_batch_max: 4096,
            receive_buffer_bytes: 32 << 20,
            send_buffer_bytes: 16 << 20,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), status_every_s: 10 }
    }
}

/// Why settings cannot be used. Each says what was found, what is needed and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the settings file {path:?}: {source}\n  \
         give the right path with --config, or write a fresh file: throng serve --print-config > throng.toml"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or has an unknown key or a value of the wrong type.
    #[error(
        "the settings file {path:?} cannot be used: {source}\n  \
         every key and its meaning: throng serve --print-config"
    )]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected there.
        source: Box<toml::de::Error>,
    },
    /// An environment variable names no setting, or has a value of the wrong type.
    #[error("the environment variable {name}={found:?} cannot be used: {reason}\n  {remedy}")]
    Environment {
        /// The variable.
        name: String,
        /// Its value.
        found: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The settings contradict a limit or each other.
    #[error(transparent)]
    Impossible(#[from] Problems),
}

/// Settings read from a file and the environment, and what deserves a warning.
#[derive(Debug)]
pub struct Loaded {
    /// The settings, not yet checked: the command line may still change them.
    pub config: Config,
    /// Lines for the operator, such as a variable that looks like a setting but is none.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads `file` (none: the defaults) and lays `environment` over it.
    ///
    /// # Errors
    /// See [`ConfigError`]; limits are not looked at yet, [`Config::check`] does that.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigError> {
        let mut empty = None;
        let mut table = match file {
            None => toml::Table::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
                // What a shell leaves that did not find the program whose output was to go there.
                empty = text.trim().is_empty().then(|| {
                    format!(
                        "the settings file {path:?} is empty, so every setting has its default; \
                         to write one: throng serve --print-config > {}",
                        path.display()
                    )
                });
                Self::parse(path, &text)?
            }
        };
        let mut warnings = env::overlay(&mut table, environment)?;
        warnings.extend(empty);
        let config = table.try_into().map_err(|source: toml::de::Error| ConfigError::Parse {
            path: file.unwrap_or(Path::new("defaults")).to_owned(),
            source: Box::new(source),
        })?;
        Ok(Loaded { config, warnings })
    }

    /// Parses `text`, first as [`Config`]: only that way errors carry a line and a column.
    fn parse(path: &Path, text: &str) -> Result<toml::Table, ConfigError> {
        let failed = |source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) };
        toml::from_str::<Self>(text).map_err(failed)?;
        toml::from_str::<toml::Table>(text).map_err(failed)
    }

    /// Worker threads to start: the setting, or for 0 as many as this process may run on at once.
    pub fn thread_count(&self) -> usize {
        match self.realm.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads as usize,
        }
    }
}

/// An address to listen on, as a setting or a flag.
///
/// # Errors
/// When it is none: what is needed.
pub fn parse_listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "needed are an IP address and a port, such as 0.0.0.0:7777 or [::]:7777".to_owned())
}

fn listen_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parse_listen_address(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests;
