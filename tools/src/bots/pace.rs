//! Whose turn it is: every client once a tick, evenly spread.

/// World time for real time when nothing is amiss, 1/1000.
const SPEED_USUAL: u16 = 1000;

/// Deals out turns: in each tick's time every client gets one, in order, at equal distances.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    clients: u32,
    tick_hz: u16,
    /// World time for real time, 1/1000.
    speed: u16,
    /// The clients' clock against the server's.
    clock: f64,
    tick_us: u64,
    /// Where counting began, and the turns dealt out since; set anew when the rate changes.
    epoch_us: Option<u64>,
    dealt: u64,
    next: u32,
}

impl Pace {
    pub(super) fn new(clients: u32, tick_hz: u16, clock: f64) -> Self {
        let mut pace = Self {
            clients,
            tick_hz,
            speed: SPEED_USUAL,
            clock,
            tick_us: 1,
            epoch_us: None,
            dealt: 0,
            next: 0,
        };
        pace.begin_anew();
        pace
    }

    pub(super) fn set_rate(&mut self, tick_hz: u16) {
        self.tick_hz = tick_hz;
        self.begin_anew();
    }

    /// Follows the world when it goes slower, and when it recovers; 0 is its usual speed.
    #[inline]
    pub(super) fn set_speed(&mut self, speed: u16) {
        let speed = if speed == 0 { SPEED_USUAL } else { speed };
        if speed != self.speed {
            self.speed = speed;
            self.begin_anew();
        }
    }

    fn begin_anew(&mut self) {
        let hz = f64::from(self.tick_hz) * self.clock * f64::from(self.speed) / f64::from(SPEED_USUAL);
        self.tick_us = ((1e6 / hz) as u64).max(1);
        self.epoch_us = None;
    }

    /// The turns that have become due, and those that are left out: after a stall of more than a tick nobody gets
    /// two turns: those steps are not taken, and a burst of them would only overload both ends.
    pub(super) fn take(&mut self, now_us: u64) -> (u64, u64) {
        let Some(epoch_us) = self.epoch_us else {
            (self.epoch_us, self.dealt) = (Some(now_us), 0);
            return (0, 0);
        };
        let elapsed_us = u128::from(now_us.saturating_sub(epoch_us));
        let due = (elapsed_us * u128::from(self.clients) / u128::from(self.tick_us)) as u64 - self.dealt;
        self.dealt += due;
        let turns = due.min(u64::from(self.clients));
        (turns, due - turns)
    }

    #[inline]
    pub(super) fn next_client(&mut self) -> u32 {
        let client = self.next;
        self.next = if client + 1 == self.clients { 0 } else { client + 1 };
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_even_and_none_is_forgotten() {
        let mut pace = Pace::new(10_000, 20, 1.0);
        assert_eq!(pace.take(5), (0, 0));
        let mut counts = vec![0; 10_000];
        for now_ms in 1..=1000 {
            let (turns, late) = pace.take(5 + now_ms * 1000);
            assert_eq!((turns, late), (200, 0));
            for _ in 0..turns {
                counts[pace.next_client() as usize] += 1;
            }
        }
        assert!(counts.iter().all(|count| *count == 20));
    }

    #[test]
    fn a_stall_leaves_turns_out() {
        let mut pace = Pace::new(100, 20, 1.0);
        pace.take(0);
        assert_eq!(pace.take(50_000), (100, 0));
        assert_eq!(pace.take(200_000), (100, 200));
        assert_eq!(pace.take(200_500), (1, 0));
        pace.set_rate(10);
        assert_eq!(pace.take(300_000), (0, 0));
        assert_eq!(pace.take(350_000), (50, 0));
        for speed in [500, 500] {
            pace.set_speed(speed);
        }
        assert_eq!((pace.take(400_000), pace.take(450_000)), ((0, 0), (25, 0)));
        pace.set_speed(0);
        assert_eq!((pace.take(500_000), pace.take(550_000)), ((0, 0), (50, 0)));
        let mut cheat = Pace::new(100, 20, 2.0);
        assert_eq!((cheat.take(0), cheat.take(50_000)), ((0, 0), (100, 100)));
    }
}
