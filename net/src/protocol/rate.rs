//! The per-session input rate limit.

/// How often one session's datagrams are let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    interval_us: u64,
    /// How far the schedule may run ahead of the clock: what a full bucket holds.
    ahead_us_max: u64,
}

impl Rate {
    /// `hz` a second on average, `burst` at once. Both at least 1.
    pub fn new(hz: u32, burst: u32) -> Self {
        let interval_us = 1_000_000 / u64::from(hz.clamp(1, 1_000_000));
        Rate { interval_us, ahead_us_max: interval_us.saturating_mul(u64::from(burst.max(1)) - 1) }
    }
}

/// A token bucket in one word: the time at which it would be full again (the "virtual scheduling" form of ITU-T I.371).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    full_at_us: u64,
}

impl Bucket {
    /// Whether there is a token to take.
    pub fn has_token(&self, now_us: u64, rate: Rate) -> bool {
        self.full_at_us.saturating_sub(now_us) <= rate.ahead_us_max
    }

    /// Takes one token; `false` when there is none, and then nothing changes.
    pub fn take(&mut self, now_us: u64, rate: Rate) -> bool {
        let full_at_us = self.full_at_us.max(now_us);
        if full_at_us - now_us > rate.ahead_us_max {
            return false;
        }
        self.full_at_us = full_at_us.saturating_add(rate.interval_us);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_rules() {
        let rate = Rate::new(20, 5);
        let mut bucket = Bucket::default();
        let now_us = 7_000_000;
        assert_eq!((0..100).filter(|_| bucket.take(now_us, rate)).count(), 5);
        // 10 s of a flood of 1,000 a second.
        let passed = (1..=10_000).filter(|i| bucket.take(now_us + i * 1_000, rate)).count();
        assert_eq!(passed, 200);
    }

    #[test]
    fn an_honest_sender_is_never_refused() {
        let rate = Rate::new(40, 40);
        let mut bucket = Bucket::default();
        for tick in 0..100_000u64 {
            // 20 a second, arriving in clumps of ten after a stall.
            assert!(bucket.take(tick / 10 * 500_000, rate), "tick {tick}");
        }
    }

    #[test]
    fn time_at_its_edges_is_safe() {
        for now_us in [0, 1, u64::MAX - 1, u64::MAX] {
            let mut bucket = Bucket::default();
            for (hz, burst) in [(1, 1), (u32::MAX, u32::MAX), (0, 0)] {
                let _ = bucket.take(now_us, Rate::new(hz, burst));
                // A clock that steps back costs tokens at worst.
                let _ = bucket.take(0, Rate::new(hz, burst));
            }
        }
    }
}
