//! What the log says of realms elsewhere: one line when a realm comes, opens, drains, goes silent or is back,
//! and none for the status of each second.
//!
//! ```text
//!   a status that was taken ──► look at its realm ──┐
//!   once a second ────────────► look at all ────────┴─► other than what the log was told last? ──► a line
//! ```
//!
//! A realm that goes silent says nothing that could be noticed, so somebody has to look.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

use super::board::{Board, Listing, RealmState};
use super::limits;

/// How a realm elsewhere is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was never heard of.
    Unheard,
    /// It lets nobody in yet.
    Starting,
    /// It lets players in.
    Open,
    /// It lets nobody else in.
    Draining,
    /// It was heard of, but not lately.
    Silent,
}

impl Standing {
    fn of(listing: &Listing) -> Self {
        match listing.signed.report.vitals.state {
            _ if !listing.is_online => Self::Silent,
            RealmState::Starting => Self::Starting,
            RealmState::Open => Self::Open,
            RealmState::Draining => Self::Draining,
        }
    }
}

/// A realm elsewhere is not as the log was told last. Displayed, it is the line to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which realm.
    pub realm_id: u32,
    /// How it was.
    pub before: Standing,
    /// How it is.
    pub now: Standing,
    name: String,
    address: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { realm_id, before, now, name, address } = self;
        let silent_s = limits::STATUS_MAX_AGE_MS / 1000;
        let opens_s = 2 * limits::STATUS_SKEW_MS / 1000;
        write!(f, "realm {realm_id}, {name:?}, ")?;
        match (before, now) {
            (Standing::Unheard, Standing::Starting) => {
                write!(f, "is here, and lets players in within {opens_s} s")
            }
            (Standing::Silent, Standing::Starting) => {
                write!(f, "is back, and lets players in within {opens_s} s")
            }
            (_, Standing::Starting) => {
                write!(
                    f,
                    "was started again, or its clock was set back: it lets players in within {opens_s} s"
                )
            }
            (Standing::Starting, Standing::Open) => write!(f, "lets players in: they are sent to {address}"),
            (Standing::Unheard, Standing::Open) => write!(f, "is here: players are sent to {address}"),
            (Standing::Unheard, _) => f.write_str("is here, and drains: nobody is let in"),
            (Standing::Draining, Standing::Open) => f.write_str("lets players in again"),
            (_, Standing::Open) => write!(f, "is back: players are sent to {address}"),
            (Standing::Silent, Standing::Draining) => f.write_str("is back, and drains: nobody is let in"),
            (_, Standing::Draining) => f.write_str("drains: nobody else is let in"),
            (Standing::Draining, _) => {
                write!(f, "which was draining, has not been heard of for {silent_s} s: it is offline")
            }
            (..) => write!(
                f,
                "has not been heard of for {silent_s} s: it is offline, and nobody is let in until it is back; if its process \
                 runs, the log there says why"
            ),
        }
    }
}

impl Change {
    /// Logs it. Only a realm that nobody has asked to stop is a reason to worry when it goes silent, or starts.
    pub fn tell(&self) {
        match (self.before, self.now) {
            (Standing::Starting | Standing::Open, Standing::Silent)
            | (Standing::Open, Standing::Starting) => {
                tracing::warn!("{self}");
            }
            _ => tracing::info!("{self}"),
        }
    }
}

/// What the log was told last of each realm elsewhere.
#[derive(Debug)]
pub struct Standings(BTreeMap<u32, Mutex<Standing>>);

impl Standings {
    /// Nothing was told yet of these.
    pub fn new(elsewhere: impl Iterator<Item = u32>) -> Self {
        Self(elsewhere.map(|realm_id| (realm_id, Mutex::new(Standing::Unheard))).collect())
    }

    /// What to tell of realm `realm_id` now, once. None: nothing new, or no realm elsewhere.
    pub fn look(&self, board: &Board, realm_id: u32, now_ms: u64) -> Option<Change> {
        // Held while the board is asked: of two who look, the later answer must not be overtaken by the earlier one.
        let mut told = self.0.get(&realm_id)?.lock().unwrap_or_else(PoisonError::into_inner);
        let listing = board.listing(realm_id, IpAddr::V4(Ipv4Addr::UNSPECIFIED), now_ms)?;
        let (before, now) = (*told, Standing::of(&listing));
        if before == now {
            return None;
        }
        *told = now;
        let report = listing.signed.report;
        Some(Change { realm_id, before, now, name: report.name, address: report.address })
    }

    /// The realms, ascending.
    pub fn realms(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
