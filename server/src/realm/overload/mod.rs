//! What a realm does when its ticks take longer than there is time: a ladder of things held back, climbed and descended
//! one step at a time, so that a crowd makes the world coarser and then slower, and never unfair or torn.
//!
//! ```text
//!   work of each tick ─► [ busy in 8 of the last 12 ticks? ] ─► one step on:   far refresh ─► thinking ─► world time
//!                        [ calm for two seconds?          ] ─► one step back, in reverse order
//! ```
//!
//! The [`Governor`] is pure: it is told what each tick's work took and how long a period is, and knows no clock.
//!
//! **Why it does not oscillate.** A tick is busy above `engage_share` of its interval, and calm only when its work would
//! fit `release_share` of the interval *after* the step back: what a step of world time gives back is known beforehand.
//! What the other steps give back is not. When a step is taken anew before its release has stood for the time that the
//! release itself needed, that time doubles, up to sixteenfold; when a release stands, it halves again.

mod ladder;
#[cfg(test)]
mod tests;

pub use ladder::{Effort, Rung, SPEED_USUAL};

use crate::config::OverloadSettings;

/// Doublings of the time that a release takes.
const PATIENCE_MAX: u32 = 16;
/// How many calm ticks one that is not calm takes back: releases come in spite of a spike now and then.
const UNCALM_COST: u64 = 8;

/// A step taken or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whether more is held back than before.
    pub is_engaged: bool,
    /// Of the step.
    pub rung: Rung,
    /// Steps taken now.
    pub steps: usize,
    /// What the realm does from the next tick on.
    pub effort: Effort,
    /// Work of the tick that decided it, nanoseconds.
    pub work_ns: u64,
    /// That tick's interval, nanoseconds.
    pub interval_ns: u64,
}

/// Decides after each tick how much the realm does in the next.
#[derive(Clone, Debug)]
pub struct Governor {
    efforts: Vec<Effort>,
    /// Steps taken: the place of the present effort.
    steps: usize,
    engage_permille: u64,
    engage_ticks: u32,
    /// A bit for each tick of the window.
    window: u64,
    release_permille: u64,
    release_ns: u64,
    /// A bit per tick since the last change, the newest lowest: whether it was busy.
    busy: u64,
    /// Calm time since the last change, less what uncalm ticks have taken back.
    calm_ns: u64,
    /// Factor of the calm time that a release takes: 1, 2, 4 ...
    patience: u32,
    /// Time since the last change, when that was a release.
    since_release_ns: Option<u64>,
}

impl Governor {
    /// A governor that holds nothing back yet. When `settings` disable it, it never will.
    pub fn new(settings: &OverloadSettings, refresh_ticks: u16) -> Self {
        let permille = |share: f32| (share * 1000.0).round() as u64;
        let mut efforts = ladder::efforts(refresh_ticks, settings.speed_min);
        if !settings.enabled {
            efforts.truncate(1);
        }
        Self {
            efforts,
            steps: 0,
            engage_permille: permille(settings.engage_share),
            engage_ticks: settings.engage_ticks,
            window: u64::MAX >> (64 - settings.window_ticks.clamp(1, 64)),
            release_permille: permille(settings.release_share),
            release_ns: u64::from(settings.release_ms) * 1_000_000,
            busy: 0,
            calm_ns: 0,
            patience: 1,
            since_release_ns: None,
        }
    }

    /// What the realm is to do.
    pub fn effort(&self) -> Effort {
        self.efforts[self.steps]
    }

    /// Steps taken.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Steps that there are.
    pub fn steps_max(&self) -> usize {
        self.efforts.len() - 1
    }

    /// Takes note of a tick whose work, receiving included and waiting not, took `work_ns`; at full speed ticks are
    /// `period_ns` apart.
    pub fn observe(&mut self, work_ns: u64, period_ns: u64) -> Option<Change> {
        let interval_ns = self.effort().interval_ns(period_ns);
        let elapsed_ns = interval_ns.max(work_ns);
        let is_above =
            |permille: u64, of_ns: u64| work_ns.saturating_mul(1000) > of_ns.saturating_mul(permille);
        let is_busy = is_above(self.engage_permille, interval_ns);
        self.busy = ((self.busy << 1) | u64::from(is_busy)) & self.window;
        self.since_release_ns = self.since_release_ns.map(|since_ns| since_ns.saturating_add(elapsed_ns));
        if self.busy.count_ones() >= self.engage_ticks {
            return (self.steps < self.steps_max()).then(|| self.engage(work_ns, interval_ns));
        }
        let step_back = self.efforts[self.steps.checked_sub(1)?];
        if is_above(self.release_permille, step_back.interval_ns(period_ns)) {
            self.calm_ns = self.calm_ns.saturating_sub(interval_ns.saturating_mul(UNCALM_COST));
        } else {
            self.calm_ns = self.calm_ns.saturating_add(interval_ns);
        }
        (self.calm_ns >= self.hold_ns()).then(|| self.release(work_ns, interval_ns))
    }

    /// Calm time that the next release takes.
    fn hold_ns(&self) -> u64 {
        self.release_ns.saturating_mul(self.patience.into())
    }

    fn engage(&mut self, work_ns: u64, interval_ns: u64) -> Change {
        match self.since_release_ns.take() {
            Some(since_ns) if since_ns < self.hold_ns() => {
                self.patience = (2 * self.patience).min(PATIENCE_MAX)
            }
            Some(_) => self.patience = 1,
            None => {}
        }
        self.steps += 1;
        self.change(true, self.steps, work_ns, interval_ns)
    }

    fn release(&mut self, work_ns: u64, interval_ns: u64) -> Change {
        if self.since_release_ns.is_some() {
            self.patience = (self.patience / 2).max(1);
        }
        self.since_release_ns = Some(0);
        let step = self.steps;
        self.steps -= 1;
        self.change(false, step, work_ns, interval_ns)
    }

    /// What is known of the load was of another effort: it is gathered anew.
    fn change(&mut self, is_engaged: bool, step: usize, work_ns: u64, interval_ns: u64) -> Change {
        (self.busy, self.calm_ns) = (0, 0);
        // Only the effort before the first step, which is never taken, is on no rung.
        let rung = self.efforts[step].rung.unwrap_or(Rung::FarRefresh);
        Change { is_engaged, rung, steps: self.steps, effort: self.effort(), work_ns, interval_ns }
    }
}

impl std::fmt::Display for Change {
    /// What was found and what is done, for an operator.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |ns: u64| ns as f64 / 1e6;
        let what = if self.is_engaged { "overload" } else { "load has gone down" };
        write!(
            f,
            "{what}: a tick's work took {:.1} of {:.1} ms, now ",
            ms(self.work_ns),
            ms(self.interval_ns)
        )?;
        match self.rung {
            Rung::FarRefresh => {
                write!(f, "everything in view is refreshed within {} ticks", self.effort.refresh_ticks)
            }
            Rung::Thinking => write!(f, "one creature thought in {} takes place", self.effort.think_divisor),
            Rung::WorldTime => {
                write!(
                    f,
                    "world time goes at {:.1} % of its usual speed",
                    f64::from(self.effort.speed) / 10.0
                )
            }
        }?;
        write!(f, " (step {} of the overload ladder)", self.steps)
    }
}
