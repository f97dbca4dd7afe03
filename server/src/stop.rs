//! Stopping in order: the first Ctrl-C or SIGTERM asks, the second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Exit code of a process that was interrupted, as shells give it for SIGINT.
pub const EXIT_INTERRUPTED: u8 = 130;

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
        let flag = self.clone();
        ctrlc::set_handler(move || {
            if flag.is_raised() {
                std::process::exit(i32::from(EXIT_INTERRUPTED));
            }
            flag.raise();
        })
        .context("cannot install the handler for Ctrl-C and SIGTERM")
    }
}
