//! What the threads count.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::records::Health;

#[derive(Default)]
pub(super) struct Tally {
    pub(super) writes: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) reads: AtomicU64,
    pub(super) overloaded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) is_stopped: AtomicBool,
}

impl Tally {
    pub(super) fn health(&self) -> Health {
        Health {
            writes: self.writes.load(Relaxed),
            commits: self.commits.load(Relaxed),
            reads: self.reads.load(Relaxed),
            overloaded: self.overloaded.load(Relaxed),
            failed: self.failed.load(Relaxed),
            is_stopped: self.is_stopped.load(Relaxed),
        }
    }
}
