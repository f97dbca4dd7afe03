//! How a server is set up.

use super::super::caps::PrefixCaps;
use super::super::token::RealmKeys;
use crate::limits::{ACCEPTS_PER_S, SESSIONS_MAX, STRANGER_SETS, STRANGER_SETS_MAX, TIMEOUT_US};

/// How a [`Server`](super::Server) is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Most sessions at a time, 1 to [`SESSIONS_MAX`]. Places, of 2.6 KiB with their keys, are reserved at the start and
    /// take memory from when a session comes.
    pub sessions_max: u32,
    /// Microseconds without an authentic datagram after which a session ends, at least 1. A token may ask for less.
    pub timeout_us: u64,
    /// Data datagrams a second that each session may send on average, at least 1: twice what honest clients send.
    pub input_rate_hz: u32,
    /// Data datagrams that a session may send at once after a silence, at least 1.
    pub input_burst: u32,
    /// Which realm this is. Its token keys must be of the same one.
    pub realm_id: u32,
    /// [`protocol_hash`](super::super::token::protocol_hash) of this build.
    pub protocol_hash: u64,
    /// When this server started, Unix ms, which is also when its own time is 0. It takes no token from before, since it
    /// does not know which of those were used.
    pub started_unix_ms: u64,
    /// How far the gateway's clock may be behind, milliseconds: tokens made within that time after the start are not
    /// taken either. 0 when the gateway is in the same process.
    pub clock_skew_ms: u32,
    /// Handshakes a second that may be completed, at least 1, and a twentieth of that at once. Each costs 53 us (Zen 5;
    /// `--bench flood`), so this bounds what holders of good tokens can cost. Whoever looks at the clock fewer than twenty
    /// times a second completes fewer: what falls due between two looks and is more than that share is lost.
    pub accepts_per_s: u32,
    /// Sets of 8 addresses, or tokens, whose rates are remembered, 1 to [`STRANGER_SETS_MAX`]; a power of two, or the
    /// next one is taken. Three tables of 64 bytes a set.
    pub stranger_sets: u32,
    /// Most sessions of one address and its networks.
    pub caps: PrefixCaps,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            sessions_max: 20_000,
            timeout_us: TIMEOUT_US,
            input_rate_hz: 40,
            input_burst: 40,
            realm_id: 1,
            protocol_hash: 0,
            started_unix_ms: 0,
            clock_skew_ms: 0,
            accepts_per_s: ACCEPTS_PER_S,
            stranger_sets: STRANGER_SETS,
            caps: PrefixCaps::default(),
        }
    }
}

impl ServerConfig {
    /// Whether a server can work with this and with these keys.
    pub(super) fn check(&self, keys: &RealmKeys) -> Result<(), ConfigError> {
        if !(1..=SESSIONS_MAX).contains(&self.sessions_max) {
            return Err(ConfigError::Sessions(self.sessions_max));
        }
        if self.timeout_us == 0 {
            return Err(ConfigError::Timeout);
        }
        if self.input_rate_hz == 0 || self.input_burst == 0 {
            return Err(ConfigError::InputRate { hz: self.input_rate_hz, burst: self.input_burst });
        }
        if self.accepts_per_s == 0 {
            return Err(ConfigError::Accepts);
        }
        if !(1..=STRANGER_SETS_MAX).contains(&self.stranger_sets) {
            return Err(ConfigError::StrangerSets(self.stranger_sets));
        }
        if keys.realm_id() != self.realm_id {
            return Err(ConfigError::Realm { realm_id: self.realm_id, keys: keys.realm_id() });
        }
        Ok(())
    }
}

/// A limit that a server cannot work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No sessions, or more than connection ids can name.
    #[error("sessions_max is {0}, but must be 1 to {SESSIONS_MAX}")]
    Sessions(u32),
    /// Sessions would end at once.
    #[error("the session timeout is 0, but must be at least a microsecond (10 s is usual)")]
    Timeout,
    /// No input would ever pass.
    #[error("the input rate is {hz}/s with a burst of {burst}, but both must be at least 1")]
    InputRate {
        /// What `input_rate_hz` was.
        hz: u32,
        /// What `input_burst` was.
        burst: u32,
    },
    /// Nobody would ever get in.
    #[error("accepts_per_s is 0, but must be at least 1 ({ACCEPTS_PER_S} is usual)")]
    Accepts,
    /// No rate could be remembered, or more than there is memory for.
    #[error("stranger_sets is {0}, but must be 1 to {STRANGER_SETS_MAX} ({STRANGER_SETS} is usual)")]
    StrangerSets(u32),
    /// Keys of another realm.
    #[error("the token keys are of realm {keys}, but this is realm {realm_id}; give it its own key file")]
    Realm {
        /// Which realm this is.
        realm_id: u32,
        /// Whose keys those are.
        keys: u32,
    },
}
