//! Stopping in order: each Ctrl-C or SIGTERM asks for one step more, the one after the last ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Exit code of a process that was interrupted, as shells give it for SIGINT.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Signals that come within so long of a wish belong to it: `timeout` and others signal a process, and then its whole group.
const ONE_WISH: Duration = Duration::from_millis(100);

/// A wish to stop that any thread may state and the realm's loop looks at between two ticks.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// The flag itself, for loops outside this crate.
    pub fn as_atomic(&self) -> &AtomicBool {
        &self.0
    }

    /// Raises this flag upon the process's first Ctrl-C, SIGTERM or SIGHUP; upon the second the process exits
    /// with [`EXIT_INTERRUPTED`], whatever it is doing.
    ///
    /// # Errors
    /// When the handler cannot be installed, or already is.
    pub fn raise_upon_signal(&self) -> anyhow::Result<()> {
        raise_upon_signals(vec![self.clone()])
    }
}

/// Raises these flags in turn, one upon each of the process's Ctrl-C, SIGTERM or SIGHUP; upon the one after the last the
/// process exits with [`EXIT_INTERRUPTED`], whatever it is doing. A flag that was raised otherwise is passed over.
///
/// # Errors
/// When the handler cannot be installed, or already is.
pub fn raise_upon_signals(flags: Vec<StopFlag>) -> anyhow::Result<()> {
    let mut wishes = Wishes::default();
    ctrlc::set_handler(move || {
        if !wishes.is_new(Instant::now()) {
            return;
        }
        match flags.iter().find(|flag| !flag.is_raised()) {
            Some(flag) => flag.raise(),
            None => std::process::exit(i32::from(EXIT_INTERRUPTED)),
        }
    })
    .context("cannot install the handler for Ctrl-C and SIGTERM")
}

/// Tells one wish from the next.
#[derive(Default)]
struct Wishes {
    last: Option<Instant>,
}

impl Wishes {
    fn is_new(&mut self, now: Instant) -> bool {
        let is_new = self.last.is_none_or(|last| now.saturating_duration_since(last) >= ONE_WISH);
        if is_new {
            self.last = Some(now);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_at_once_are_one_wish_and_a_key_held_down_is_not() {
        let (mut wishes, start) = (Wishes::default(), Instant::now());
        let told =
            [0, 1, 50, 99, 100, 150, 1000, 1000].map(|ms| wishes.is_new(start + Duration::from_millis(ms)));
        assert_eq!(told, [true, false, false, false, true, false, true, false]);
    }
}
