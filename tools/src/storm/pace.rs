//! When the next of many is due.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked whether something is due: at 20,000 a second forty things at once.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// What falls due while this process does not run is dealt at most so much at once, and the rest is left out.
const BURST_MAX: u64 = 1024;

/// A steady rate.
pub(super) struct Pace {
    begun: Instant,
    rate_hz: u32,
    dealt: u64,
    left_out: u64,
    looks: tokio::time::Interval,
}

impl Pace {
    /// From now on so many a second.
    pub fn new(rate_hz: u32) -> Self {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { begun: Instant::now(), rate_hz, dealt: 0, left_out: 0, looks }
    }

    /// Waits until some are due: their numbers, from 0.
    pub async fn due(&mut self) -> std::ops::Range<u64> {
        loop {
            self.looks.tick().await;
            let due = (self.begun.elapsed().as_secs_f64() * f64::from(self.rate_hz)) as u64;
            if due > self.dealt {
                let from = self.dealt.max(due.saturating_sub(BURST_MAX));
                self.left_out += from - self.dealt;
                self.dealt = due;
                return from..due;
            }
        }
    }

    /// When the one with that number was due: the first after one period.
    pub fn due_at(&self, number: u64) -> Instant {
        self.begun + Duration::from_secs_f64((number + 1) as f64 / f64::from(self.rate_hz))
    }

    /// How many were never dealt.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}
