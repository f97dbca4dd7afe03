//! What passes between a running realm and other threads, both ways.
//!
//! ```text
//!   gateway, key files, operators' commands ──► Orders ──► realm ──► Arrivals ──► gateway: that seat is taken
//! ```
//!
//! Nobody waits for anybody: the realm looks at one flag a tick, and at the rest only when that is up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use throng_net::protocol::token::RealmKeys;

/// Arrivals that may wait to be asked for: a minute of a full login queue.
const ARRIVALS_MAX: usize = 100_000;

/// Requests that wait for the realm's next tick.
#[derive(Debug, Default)]
pub struct Orders {
    are_there: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    kicks: Vec<u64>,
    keys: Option<RealmKeys>,
}

impl Orders {
    /// Asks to put every session of an account out.
    pub fn kick(&self, account: u64) {
        self.lock().kicks.push(account);
        self.are_there.store(true, Ordering::Release);
    }

    /// Accounts that are to be put out at the next tick.
    pub fn waiting_kicks(&self) -> Vec<u64> {
        self.lock().kicks.clone()
    }

    /// Gives the realm other keys to open tokens with. Of several before one tick the last ones count.
    pub fn set_keys(&self, keys: RealmKeys) {
        self.lock().keys = Some(keys);
        self.are_there.store(true, Ordering::Release);
    }

    /// Whether anything waits; asked once a tick.
    pub(super) fn are_there(&self) -> bool {
        self.are_there.swap(false, Ordering::AcqRel)
    }

    pub(super) fn take_keys(&self) -> Option<RealmKeys> {
        self.lock().keys.take()
    }

    pub(super) fn take_kicks(&self) -> Vec<u64> {
        std::mem::take(&mut self.lock().kicks)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accounts that have entered since somebody asked.
#[derive(Debug, Default)]
pub struct Arrivals(Mutex<Vec<u64>>);

impl Arrivals {
    /// Notes some. When nobody asks for long, the list stops growing: a seat held too long is found out by time.
    pub(super) fn add(&self, accounts: &mut Vec<u64>) {
        if accounts.is_empty() {
            return;
        }
        let mut arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if arrivals.len() < ARRIVALS_MAX {
            arrivals.append(accounts);
        }
        accounts.clear();
    }

    /// Those since the last call.
    pub fn take(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
