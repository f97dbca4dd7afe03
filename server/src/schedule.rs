//! When ticks start: a fixed rate, and what happens when a tick takes too long.
//!
//! ```text
//!  due      due+P     due+2P     due+3P
//!   |---tick--|         |          |        in time: the next start stays on the grid, so nothing drifts
//!   |------------tick------|tick--|         an overrun: the next tick starts at once and the grid moves there
//! ```
//!
//! Running late ticks back to back until the clock is caught up would make a slow realm slower: each tick of the
//! burst sends snapshots that nobody wants. So the time lost is lost, visibly: the tick is counted late and the slip
//! is added up. No tick number is ever left out, because the world's time is its ticks.
//!
//! A realm in overload stretches the interval: the world's time slows down by agreement, and what is late is late against
//! the stretched interval.

/// The schedule of one realm. Pure: every `now_ns` is an argument, nanoseconds since any fixed start.
#[derive(Clone, Debug)]
pub struct Schedule {
    period_ns: u64,
    /// From the running tick to the next one; at least a period.
    interval_ns: u64,
    /// When the next tick (or, while one runs, the running tick) was or is to start.
    due_ns: u64,
    counts: ScheduleCounts,
}

/// What the schedule has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleCounts {
    /// Ticks begun.
    pub ticks: u64,
    /// Ticks that ended after the next one was due, or began a whole interval late.
    pub ticks_late: u64,
    /// Time by which the grid was moved in all, nanoseconds: what the world's clock lost against the wall's unasked.
    pub slipped_ns: u64,
    /// Time by which intervals were longer than a period in all, nanoseconds: what it lost by agreement.
    pub stretched_ns: u64,
}

impl Schedule {
    /// A schedule of `tick_hz` ticks a second whose first tick is due at `now_ns`.
    pub fn new(tick_hz: u16, now_ns: u64) -> Self {
        let period_ns = 1_000_000_000 / u64::from(tick_hz.max(1));
        Self { period_ns, interval_ns: period_ns, due_ns: now_ns, counts: ScheduleCounts::default() }
    }

    /// Nanoseconds from one tick to the next at full speed.
    pub fn period_ns(&self) -> u64 {
        self.period_ns
    }

    /// Sets the time from the running tick to the next, and between those after it: a period or more.
    pub fn set_interval_ns(&mut self, interval_ns: u64) {
        self.interval_ns = interval_ns.max(self.period_ns);
    }

    /// Nanoseconds until the next tick is due; 0 when it is.
    pub fn wait_ns(&self, now_ns: u64) -> u64 {
        self.due_ns.saturating_sub(now_ns)
    }

    /// A tick begins.
    ///
    /// A whole interval of delay means that the process did not run (a stopped virtual machine, a debugger):
    /// the grid moves here, otherwise the backlog would be run as a burst.
    pub fn begin(&mut self, now_ns: u64) {
        self.counts.ticks += 1;
        let delay_ns = now_ns.saturating_sub(self.due_ns);
        if delay_ns >= self.interval_ns {
            self.slip(delay_ns);
            self.due_ns = now_ns;
        }
    }

    /// The tick is done; the next one is due an interval after this one was, or at once if that has passed.
    pub fn end(&mut self, now_ns: u64) {
        self.due_ns = self.due_ns.saturating_add(self.interval_ns);
        self.counts.stretched_ns = self.counts.stretched_ns.saturating_add(self.interval_ns - self.period_ns);
        let overrun_ns = now_ns.saturating_sub(self.due_ns);
        if overrun_ns > 0 {
            self.slip(overrun_ns);
            self.due_ns = now_ns;
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> ScheduleCounts {
        self.counts
    }

    fn slip(&mut self, by_ns: u64) {
        self.counts.ticks_late += 1;
        self.counts.slipped_ns = self.counts.slipped_ns.saturating_add(by_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Runs ticks that take `costs_ms`, waking exactly when due, and returns when each began.
    fn run(schedule: &mut Schedule, clock_ns: &mut u64, costs_ms: &[u64]) -> Vec<u64> {
        let mut begun_ms = Vec::new();
        for cost_ms in costs_ms {
            *clock_ns += schedule.wait_ns(*clock_ns);
            begun_ms.push(*clock_ns / MS);
            schedule.begin(*clock_ns);
            *clock_ns += cost_ms * MS;
            schedule.end(*clock_ns);
        }
        begun_ms
    }

    #[test]
    fn ticks_in_time_stay_on_the_grid() {
        let mut schedule = Schedule::new(20, 0);
        let mut clock_ns = 0;
        assert_eq!(run(&mut schedule, &mut clock_ns, &[10, 49, 50, 1, 0]), [0, 50, 100, 150, 200]);
        assert_eq!(
            schedule.counts(),
            ScheduleCounts { ticks: 5, ticks_late: 0, ..ScheduleCounts::default() }
        );
    }

    #[test]
    fn an_overrun_moves_the_grid_and_is_counted() {
        let mut schedule = Schedule::new(20, 0);
        let mut clock_ns = 0;
        // The second tick takes 120 ms: the third starts at once, and later ones a period after that.
        assert_eq!(run(&mut schedule, &mut clock_ns, &[10, 120, 10, 10, 10]), [0, 50, 170, 220, 270]);
        assert_eq!(
            schedule.counts(),
            ScheduleCounts { ticks: 5, ticks_late: 1, slipped_ns: 70 * MS, stretched_ns: 0 }
        );
    }

    #[test]
    fn a_realm_that_is_always_too_slow_runs_back_to_back_without_a_backlog() {
        let mut schedule = Schedule::new(20, 0);
        let mut clock_ns = 0;
        let begun = run(&mut schedule, &mut clock_ns, &[60; 100]);
        assert!(begun.windows(2).all(|pair| pair[1] - pair[0] == 60), "{begun:?}");
        assert_eq!(
            schedule.counts(),
            ScheduleCounts { ticks: 100, ticks_late: 100, slipped_ns: 1000 * MS, stretched_ns: 0 }
        );
        // As soon as ticks are fast again they keep the rate: nothing is caught up.
        let begun = run(&mut schedule, &mut clock_ns, &[5; 4]);
        assert_eq!(begun, [6000, 6050, 6100, 6150]);
        assert_eq!(schedule.counts().ticks_late, 100);
    }

    #[test]
    fn waking_late_within_a_period_does_not_drift() {
        let mut schedule = Schedule::new(20, 0);
        schedule.begin(3 * MS);
        schedule.end(20 * MS);
        assert_eq!(schedule.wait_ns(20 * MS), 30 * MS);
        assert_eq!(
            schedule.counts(),
            ScheduleCounts { ticks: 1, ticks_late: 0, ..ScheduleCounts::default() }
        );
    }

    #[test]
    fn a_stopped_process_resumes_with_one_late_tick() {
        let mut schedule = Schedule::new(20, 0);
        let mut clock_ns = 0;
        run(&mut schedule, &mut clock_ns, &[1, 1]);
        clock_ns = 10_000 * MS;
        assert_eq!(run(&mut schedule, &mut clock_ns, &[1, 1, 1]), [10_000, 10_050, 10_100]);
        assert_eq!(
            schedule.counts(),
            ScheduleCounts { ticks: 5, ticks_late: 1, slipped_ns: 9_900 * MS, stretched_ns: 0 }
        );
    }

    #[test]
    fn a_stretched_interval_is_kept_like_a_period() {
        let mut schedule = Schedule::new(20, 0);
        let mut clock_ns = 0;
        schedule.set_interval_ns(100 * MS);
        // 90 ms are in time now; 130 ms are late by 30.
        assert_eq!(run(&mut schedule, &mut clock_ns, &[90, 10, 130, 10, 10]), [0, 100, 200, 330, 430]);
        let counts = ScheduleCounts { ticks: 5, ticks_late: 1, slipped_ns: 30 * MS, stretched_ns: 250 * MS };
        assert_eq!(schedule.counts(), counts);
        // The tick that is due keeps its time; those after it come a period apart.
        schedule.set_interval_ns(1);
        assert_eq!(run(&mut schedule, &mut clock_ns, &[10, 10, 10]), [530, 580, 630]);
        assert_eq!(schedule.counts().stretched_ns, 250 * MS);
    }

    #[test]
    fn slip_stretch_and_periods_are_the_time_that_passed() {
        let mut schedule = Schedule::new(30, 7);
        let mut clock_ns = 7;
        for round in 0..20 {
            let costs: Vec<u64> = (0..25).map(|i| ((round * 25 + i) * 37) % 90).collect();
            schedule.set_interval_ns(round % 4 * 20 * MS);
            run(&mut schedule, &mut clock_ns, &costs);
        }
        let counts = schedule.counts();
        let due_ns = clock_ns + schedule.wait_ns(clock_ns);
        let expected_ns = 7 + counts.ticks * schedule.period_ns() + counts.slipped_ns + counts.stretched_ns;
        assert_eq!(due_ns, expected_ns);
        assert_eq!(counts.ticks, 500);
    }
}
