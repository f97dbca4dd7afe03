use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;
const PERIOD_NS: u64 = 50 * MS;
const SECOND_TICKS: usize = 20;

/// What ticks cost, in shares of a period at full effort.
#[derive(Clone, Copy, Debug)]
struct Cost {
    fixed: f64,
    /// Falls with the refresh of the far ring.
    far: f64,
    /// Falls with the creatures' thoughts.
    thinking: f64,
}

/// Half of it is what no step but world time reaches.
const MIXED: Cost = Cost { fixed: 0.5, far: 0.2, thinking: 0.3 };

impl Cost {
    fn work_ns(&self, load: f64, effort: Effort) -> u64 {
        let share = self.fixed
            + self.far * 64.0 / f64::from(effort.refresh_ticks)
            + self.thinking / f64::from(effort.think_divisor);
        (load * share * PERIOD_NS as f64) as u64
    }
}

/// A governor under a load, and when it did what.
struct Run {
    governor: Governor,
    cost: Cost,
    now_ns: u64,
    changes: Vec<(u64, Change)>,
}

impl Run {
    /// With shares that are far enough apart for whole numbers of steps to be foreseen.
    fn new(cost: Cost) -> Self {
        let shares =
            OverloadSettings { engage_share: 0.9, release_share: 0.6, ..OverloadSettings::default() };
        Self { governor: Governor::new(&shares, 64), cost, now_ns: 0, changes: Vec::new() }
    }

    /// One tick, and the share of its interval that its work took.
    fn tick(&mut self, load: f64) -> f64 {
        let effort = self.governor.effort();
        let (work_ns, interval_ns) = (self.cost.work_ns(load, effort), effort.interval_ns(PERIOD_NS));
        self.now_ns += work_ns.max(interval_ns);
        let change = self.governor.observe(work_ns, PERIOD_NS);
        self.changes.extend(change.map(|change| (self.now_ns, change)));
        work_ns as f64 / interval_ns as f64
    }

    /// Ticks for this long, and what the last one's share was.
    fn seconds(&mut self, seconds: u64, load: impl Fn(usize) -> f64) -> f64 {
        let until_ns = self.now_ns + seconds * 1000 * MS;
        let mut share = 0.0;
        for tick in 0.. {
            if self.now_ns >= until_ns {
                break;
            }
            share = self.tick(load(tick));
        }
        share
    }

    fn rungs(&self, is_engaged: bool) -> Vec<Rung> {
        let chosen = self.changes.iter().filter(|(_, change)| change.is_engaged == is_engaged);
        chosen.map(|(_, change)| change.rung).collect()
    }
}

#[test]
fn the_ladder_is_as_documented() {
    let found: Vec<_> =
        ladder::efforts(64, 200).iter().map(|e| (e.refresh_ticks, e.think_divisor, e.speed)).collect();
    let world_time = [800, 640, 512, 409, 327, 261, 200].map(|speed| (256, 8, speed));
    let before =
        [(64, 1, 1000), (128, 1, 1000), (256, 1, 1000), (256, 2, 1000), (256, 4, 1000), (256, 8, 1000)];
    assert_eq!(found, [&before[..], &world_time[..]].concat());
    // Where there is nothing to give, no step pretends to.
    assert_eq!(ladder::efforts(1000, 1000).len(), 1 + THINKING_STEPS);
    let refresh: Vec<u16> = ladder::efforts(400, 1000).iter().map(|effort| effort.refresh_ticks).collect();
    assert_eq!(refresh[..3], [400, 800, 1000]);
}

const THINKING_STEPS: usize = 3;

#[test]
fn every_floor_is_reached_in_sound_steps() {
    for speed_min in 50..=1000 {
        let efforts = ladder::efforts(64, speed_min);
        assert_eq!(efforts.last().map(|effort| effort.speed), Some(speed_min));
        for pair in efforts.windows(2).filter(|pair| pair[1].rung == Some(Rung::WorldTime)) {
            let share = f64::from(pair[1].speed) / f64::from(pair[0].speed);
            assert!(share > 0.63 && share < 1.0, "{pair:?}");
        }
    }
}

#[test]
fn a_load_of_twice_the_time_engages_in_order_settles_and_releases_in_reverse() {
    let mut run = Run::new(MIXED);
    run.seconds(10, |_| 0.5);
    assert_eq!(run.changes, [], "nothing to do");
    run.seconds(20, |_| 2.0);
    let engaged = run.rungs(true);
    assert!(engaged.is_sorted(), "{engaged:?}");
    assert_eq!(engaged.iter().filter(|rung| **rung == Rung::WorldTime).count(), 2);
    let settled = run.changes.len();
    let share = run.seconds(120, |_| 2.0);
    assert_eq!(run.changes.len(), settled, "it stays where it has settled: {:?}", &run.changes[settled..]);
    assert!((0.6..=0.9).contains(&share), "{share}");

    run.seconds(40, |_| 0.3);
    assert_eq!(run.governor.effort(), Effort::full(64));
    let mut released = run.rungs(false);
    released.reverse();
    assert_eq!(released, engaged);
    let last = run.changes.last().map_or(0, |(at_ns, _)| *at_ns);
    run.seconds(60, |_| 0.3);
    assert_eq!(run.changes.last().map_or(0, |(at_ns, _)| *at_ns), last);
}

#[test]
fn a_ramp_is_followed_up_and_down() {
    let mut run = Run::new(MIXED);
    let minute = 60 * SECOND_TICKS;
    for tick in 0..minute {
        run.tick(3.0 * tick as f64 / minute as f64);
    }
    assert!(run.changes.iter().all(|(_, change)| change.is_engaged), "{:?}", run.changes);
    let top = run.governor.steps();
    assert!(top > 5, "{top}");
    for tick in 0..minute {
        run.tick(3.0 - 3.0 * tick as f64 / minute as f64);
    }
    run.seconds(60, |_| 0.0);
    assert_eq!((run.governor.steps(), run.rungs(false).len()), (0, run.rungs(true).len()));
}

#[test]
fn spikes_neither_engage_nor_keep_what_is_engaged() {
    let mut run = Run::new(MIXED);
    run.seconds(60, |tick| if tick % 3 == 0 { 5.0 } else { 0.5 });
    assert_eq!(run.changes, [], "one tick in three is no overload");
    run.seconds(20, |_| 2.0);
    assert!(run.governor.steps() > 0);
    run.seconds(180, |tick| if tick % 20 == 0 { 5.0 } else { 0.2 });
    assert_eq!(run.governor.steps(), 0, "a spike a second does not keep the world slow");
}

#[test]
fn a_step_that_gives_back_more_than_it_takes_is_held_longer_each_time() {
    // Too much without the first step, next to nothing with it: where a thermostat would flap for ever.
    let mut run = Run::new(Cost { fixed: 0.0, far: 1.0, thinking: 0.0 });
    run.seconds(600, |_| 0.95);
    assert!(run.changes.iter().all(|(_, change)| change.steps <= 1), "{:?}", run.changes);
    let released_ns: Vec<u64> =
        run.changes.iter().filter(|(_, change)| !change.is_engaged).map(|(at_ns, _)| *at_ns).collect();
    let pauses_s: Vec<u64> =
        released_ns.windows(2).map(|pair| (pair[1] - pair[0]) / (1000 * MS)).take(8).collect();
    assert_eq!(pauses_s, [4, 8, 16, 32, 32, 32, 32, 32]);
    run.seconds(70, |_| 0.1);
    assert_eq!(run.governor.steps(), 0);
    // Old flapping is forgotten: the next time begins as the first did.
    run.seconds(60, |_| 0.1);
    let before = run.changes.len();
    run.seconds(5, |_| 0.95);
    let [(engaged_ns, _), (released_ns, _), ..] = run.changes[before..] else { panic!("{:?}", run.changes) };
    assert_eq!((released_ns - engaged_ns) / MS, 2000);
}

#[test]
fn beyond_the_floor_it_stays_at_the_floor() {
    let mut run = Run::new(MIXED);
    for _ in 0..200 {
        run.tick(1000.0);
    }
    assert_eq!(run.governor.steps(), run.governor.steps_max());
    assert_eq!(run.governor.effort().speed, OverloadSettings::default().speed_min);
    for _ in 0..100 {
        assert_eq!(run.governor.observe(u64::MAX, PERIOD_NS), None);
    }
}

#[test]
fn disabled_it_does_nothing() {
    let settings = OverloadSettings { enabled: false, ..OverloadSettings::default() };
    let mut governor = Governor::new(&settings, 64);
    assert!((0..1000).all(|_| governor.observe(10 * PERIOD_NS, PERIOD_NS).is_none()));
    assert_eq!((governor.effort(), governor.steps_max()), (Effort::full(64), 0));
}

#[test]
fn an_operator_is_told_what_was_found_and_what_is_done() {
    let mut run = Run::new(MIXED);
    run.seconds(20, |_| 2.0);
    run.seconds(60, |_| 0.2);
    let told: Vec<String> = run.changes.iter().map(|(_, change)| change.to_string()).collect();
    assert_eq!(
        told[0],
        "overload: a tick's work took 100.0 of 50.0 ms, now everything in view is refreshed within 128 ticks (step 1 of the overload ladder)"
    );
    assert!(told[2].contains("one creature thought in 2 takes place"), "{}", told[2]);
    assert!(told[5].contains("world time goes at 80.0 % of its usual speed"), "{}", told[5]);
    let last = told.last().expect("some");
    assert!(last.starts_with("load has gone down") && last.contains("within 64 ticks"), "{last}");
}

proptest! {
    #[test]
    fn any_load_is_followed_one_step_at_a_time_and_forgotten(
        stretches in prop::collection::vec((0.0..6.0f64, 0.0..1.5f64, 1..300usize), 1..20),
        fixed in 0.0..1.0f64,
        far in 0.0..1.0f64,
        thinking in 0.0..1.0f64,
        seed: u64,
    ) {
        let mut run = Run::new(Cost { fixed, far, thinking });
        let mut random = throng_engine::Random::of_tick(seed, 0, 0);
        for (load, noise, ticks) in stretches {
            for _ in 0..ticks {
                run.tick((load + noise * f64::from(random.unit() - 0.5)).max(0.0));
            }
        }
        let settings = OverloadSettings::default();
        // All steps back, each at the greatest patience, and one more for what was gathered against it.
        let most_s = 2 * 16 * (run.governor.steps_max() as u64 + 1);
        run.seconds(most_s, |_| 0.0);
        prop_assert_eq!(run.governor.effort(), Effort::full(64));

        let mut before = (0, 0);
        for &(at_ns, change) in &run.changes {
            let (before_ns, steps) = before;
            prop_assert_eq!(change.steps, if change.is_engaged { steps + 1 } else { steps - 1 });
            prop_assert!(change.steps <= run.governor.steps_max());
            prop_assert_eq!(change.effort, run.governor.efforts[change.steps]);
            let since_ns = at_ns - before_ns;
            let least_ns = match change.is_engaged {
                true => u64::from(settings.engage_ticks) * PERIOD_NS,
                false => u64::from(settings.release_ms) * MS,
            };
            prop_assert!(since_ns >= least_ns, "{} ns after the change before it: {:?}", since_ns, change);
            before = (at_ns, change.steps);
        }
    }

    #[test]
    fn any_steady_load_settles_for_good(load in 0.0..4.0f64, fixed in 0.1..1.0f64, noise in 0.0..0.05f64, seed: u64) {
        let mut run = Run::new(Cost { fixed, far: 0.0, thinking: 0.0 });
        let mut random = throng_engine::Random::of_tick(seed, 0, 0);
        let draws: Vec<f64> = (0..997).map(|_| f64::from(random.unit() - 0.5)).collect();
        let noisy = |tick: usize| load * (1.0 + noise * draws[tick % draws.len()]);
        run.seconds(60, noisy);
        let settled = run.changes.len();
        let share = run.seconds(600, noisy);
        // Close to a threshold noise may yet tip it over, but only ever on: nothing is taken back for noise.
        prop_assert!(run.changes[settled..].iter().all(|(_, change)| change.is_engaged));
        prop_assert!(share < 1.0);
    }
}
