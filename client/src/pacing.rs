//! When inputs leave: as many as the server ticks, and early enough for their tick.
//!
//! One input is one tick's step of the avatar, so inputs leave at the pace of the server's ticks; but no two clocks
//! agree, and some datagrams are late. Each snapshot says how many inputs wait at the server, and that closes the loop:
//!
//! ```text
//!                        ┌── mostly none: the next beat comes an eighth of a beat early
//!  inputs waiting ──► 1 s ── never below three: one beat is left out
//!                        └── else: a steady beat, World.tick_hz times Pace.speed
//! ```
//!
//! One or two waiting inputs are what a late datagram is bridged with. More would only grow old: a server that has no
//! room for another refuses it, and then the avatar is not where its player sees it.

use throng_schema::limits::SPEED_USUAL;

use crate::limits::{
    BEATS_AT_ONCE, EARLY_BEATS_MAX, EARLY_SHARE, PACE_TELLS_MIN, PACE_WINDOW_US, QUEUED_LONG, SPEED_MAX,
    SPEED_MIN, TICK_HZ_ASSUMED,
};

/// What the pacer has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacingCounters {
    /// Beats left out because inputs waited too long at the server.
    pub left_out: u64,
    /// Beats that came early because the server had run out of inputs.
    pub early: u64,
    /// Beats lost because the program was not there to send for too long.
    pub missed: u64,
}

/// The time of one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// When it was due, microseconds.
    pub due_us: u64,
    /// How long after it the next one is, microseconds.
    pub period_us: u64,
}

/// What the snapshots of about a second said of the inputs waiting at the server.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    start_us: u64,
    tells: u32,
    tells_none: u32,
    queued_min: u32,
}

/// The beat of one client's inputs. It owns no clock: `now_us` is any steady clock of the client's.
#[derive(Clone, Debug)]
pub struct Pacer {
    /// A tick at the usual pace.
    tick_us: u64,
    speed: u16,
    due_us: u64,
    window: Window,
    /// Beats that came early since inputs were last seen to wait.
    early_run: u32,
    counters: PacingCounters,
}

impl Pacer {
    /// A pacer whose first beat is at `now_us`.
    pub fn new(now_us: u64) -> Self {
        Self {
            tick_us: 1_000_000 / u64::from(TICK_HZ_ASSUMED),
            speed: SPEED_USUAL,
            due_us: now_us,
            window: Window { start_us: now_us, ..Window::default() },
            early_run: 0,
            counters: PacingCounters::default(),
        }
    }

    /// Takes in what a snapshot said: the world's tick rate, its pace in 1/1000 of the usual one, and how many inputs
    /// waited at the server after that tick.
    pub fn observe(&mut self, now_us: u64, tick_hz: u16, speed: u16, queued: u32) {
        let tick_us = 1_000_000 / u64::from(tick_hz.max(1));
        let speed = speed.clamp(SPEED_MIN, SPEED_MAX);
        if (tick_us, speed) != (self.tick_us, self.speed) {
            (self.tick_us, self.speed) = (tick_us, speed);
            self.due_us = self.due_us.min(now_us.saturating_add(self.period_us()));
        }
        if queued > 0 {
            self.early_run = 0;
        }
        let window = &mut self.window;
        window.queued_min = if window.tells == 0 { queued } else { window.queued_min.min(queued) };
        window.tells += 1;
        window.tells_none += u32::from(queued == 0);
        if now_us.saturating_sub(window.start_us) >= PACE_WINDOW_US && window.tells >= PACE_TELLS_MIN {
            self.settle(now_us);
        }
    }

    /// Draws the consequence of a full window and opens the next one.
    fn settle(&mut self, now_us: u64) {
        let window = self.window;
        if window.queued_min >= QUEUED_LONG {
            self.due_us = self.due_us.saturating_add(self.period_us());
            self.counters.left_out += 1;
        } else if window.tells_none * 4 >= window.tells * 3 && self.early_run < EARLY_BEATS_MAX {
            // Bounded, for a server that never tells of waiting inputs must not be sent more than it ticks for ever.
            self.due_us = self.due_us.saturating_sub(self.period_us() / EARLY_SHARE);
            self.early_run += 1;
            self.counters.early += 1;
        }
        self.window = Window { start_us: now_us, ..Window::default() };
    }

    /// When the next input is due.
    pub fn due_us(&self) -> u64 {
        self.due_us
    }

    /// The beat of the next input.
    pub fn beat(&self) -> Beat {
        Beat { due_us: self.due_us, period_us: self.period_us() }
    }

    /// From one input to the next at the present pace, microseconds.
    pub fn period_us(&self) -> u64 {
        self.tick_us * u64::from(SPEED_USUAL) / u64::from(self.speed)
    }

    /// An input left at `now_us`; the next may be due at once. A program that draws more seldom than the server ticks
    /// sends some together. Of a longer pause only the last beats are made up for: the server saves no more time than
    /// for a few steps, and keeps no more inputs waiting.
    pub fn sent(&mut self, now_us: u64) {
        let period_us = self.period_us();
        self.due_us = self.due_us.saturating_add(period_us);
        // This one has left, so that many less one may still be due.
        let oldest_us = now_us.saturating_add(1).saturating_sub((BEATS_AT_ONCE - 1) * period_us);
        let missed = oldest_us.saturating_sub(self.due_us).div_ceil(period_us);
        self.due_us = self.due_us.saturating_add(missed * period_us);
        self.counters.missed += missed;
    }

    /// What has happened so far.
    pub fn counters(&self) -> &PacingCounters {
        &self.counters
    }
}
