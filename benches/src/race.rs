//! Contenders that run in turns.

use std::time::Duration;

use criterion::Criterion;

use crate::raw::clock::Clock;

/// Rounds are run until this much time has been measured in all.
const RACE_NS: u64 = 2_000_000_000;
const ROUNDS_MIN: usize = 9;
const ROUNDS_MAX: usize = 61;
/// A contender's turn lasts at least this long: far above what reading the clock costs, and far below the minutes over
/// which a machine's speed drifts.
const TURN_NS: u64 = 2_000_000;

/// Is this run only to see that the benches work? (`cargo bench -- --test`, `cargo test --benches`)
pub fn is_smoke() -> bool {
    std::env::args().any(|argument| argument == "--test")
        || !std::env::args().any(|argument| argument == "--bench")
}

/// Criterion, set to be brief: the ratios are what counts, its figures are for orientation.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args()
}

/// Times the part of a lap that counts.
#[derive(Debug)]
pub struct Watch {
    clock: Clock,
    spent_ns: u64,
}

impl Watch {
    /// Puts time on the watch that was measured elsewhere, by the race's clock.
    pub fn add_ns(&mut self, spent_ns: u64) {
        self.spent_ns += spent_ns;
    }

    /// Runs `body` on the clock.
    pub fn time<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let start_ns = self.clock.now_ns();
        let result = std::hint::black_box(body());
        self.spent_ns += self.clock.now_ns() - start_ns;
        result
    }
}

struct Contender<'a> {
    name: String,
    lap: Box<dyn FnMut(&mut Watch) + 'a>,
    /// Laps in a turn.
    laps: u64,
    /// Nanoseconds per lap, by round.
    rounds: Vec<f64>,
}

impl Contender<'_> {
    fn turn(&mut self, clock: Clock, laps: u64) -> u64 {
        let mut watch = Watch { clock, spent_ns: 0 };
        for _ in 0..laps {
            (self.lap)(&mut watch);
        }
        watch.spent_ns
    }

    fn median_ns(&self) -> f64 {
        median(self.rounds.iter().copied())
    }
}

/// Contenders that do the same work, and what is expected of them.
pub struct Race<'a> {
    name: String,
    items: u64,
    clock: Clock,
    contenders: Vec<Contender<'a>>,
    goals: Vec<(String, Vec<String>, Option<f64>)>,
}

impl<'a> Race<'a> {
    /// A race in which each lap does the work for `items` items, on the thread's clock.
    pub fn new(name: impl Into<String>, items: u64) -> Self {
        Self { name: name.into(), items, clock: Clock::Thread, contenders: Vec::new(), goals: Vec::new() }
    }

    /// Times by another clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a contender: a lap, which puts the part of it that counts on the watch.
    pub fn lap(&mut self, name: impl Into<String>, lap: impl FnMut(&mut Watch) + 'a) -> &mut Self {
        self.contenders.push(Contender {
            name: name.into(),
            lap: Box::new(lap),
            laps: 1,
            rounds: Vec::new(),
        });
        self
    }

    /// Adds a contender all of whose lap counts.
    pub fn whole_lap<R>(&mut self, name: impl Into<String>, mut lap: impl FnMut() -> R + 'a) -> &mut Self {
        self.lap(name, move |watch| {
            watch.time(&mut lap);
        })
    }

    /// Expects `ours` to take at most `most` times the time of `rival`.
    pub fn goal(&mut self, ours: &str, rival: &str, most: f64) -> &mut Self {
        self.goal_over_best(ours, &[rival], most)
    }

    /// Expects `ours` to take at most `most` times the time of the fastest of `rivals`.
    pub fn goal_over_best(&mut self, ours: &str, rivals: &[&str], most: f64) -> &mut Self {
        self.expect(ours, rivals, Some(most))
    }

    /// Reports a ratio of which nothing is expected.
    pub fn compare(&mut self, ours: &str, rival: &str) -> &mut Self {
        self.expect(ours, &[rival], None)
    }

    fn expect(&mut self, ours: &str, rivals: &[&str], most: Option<f64>) -> &mut Self {
        self.goals.push((ours.to_owned(), rivals.iter().map(|&rival| rival.to_owned()).collect(), most));
        self
    }

    /// Measures each contender with criterion, then all of them in turns, and prints the ratios.
    pub fn run(mut self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group(&self.name);
        group.throughput(criterion::Throughput::Elements(self.items));
        for contender in &mut self.contenders {
            let name = contender.name.clone();
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|laps| Duration::from_nanos(contender.turn(self.clock, laps)));
            });
        }
        group.finish();
        if !is_smoke() {
            self.rounds();
        }
        self.report();
    }

    fn rounds(&mut self) {
        for contender in &mut self.contenders {
            // The first lap finds cold caches; the second says how many make a turn.
            contender.turn(self.clock, 1);
            let lap_ns = contender.turn(self.clock, 1).max(100);
            contender.laps = TURN_NS.div_ceil(lap_ns);
        }
        let count = self.contenders.len();
        let mut spent_ns = 0;
        for round in 0..ROUNDS_MAX {
            // Another one begins each round, and every other round goes backwards: nobody always follows the same one.
            for place in 0..count {
                let place = if round % 2 == 0 { place } else { count - 1 - place };
                let contender = &mut self.contenders[(round / 2 + place) % count];
                // A lap off the record: whose turn it is finds the caches full of the others' data, which is nobody's
                // daily life.
                spent_ns += contender.turn(self.clock, 1);
                let turn_ns = contender.turn(self.clock, contender.laps);
                contender.rounds.push(turn_ns as f64 / contender.laps as f64);
                spent_ns += turn_ns;
            }
            if spent_ns > RACE_NS && round + 1 >= ROUNDS_MIN {
                break;
            }
        }
    }

    fn report(&self) {
        let rounds = self.contenders.first().map_or(0, |contender| contender.rounds.len());
        if rounds == 0 {
            println!("smoke {}: {} contenders ran", self.name, self.contenders.len());
            return;
        }
        for contender in &self.contenders {
            let item_ns = contender.median_ns() / self.items as f64;
            println!("time  {} {:<28} {item_ns:>9.3} ns each", self.name, contender.name);
        }
        for (ours, rivals, most) in &self.goals {
            let ours = self.contender(ours);
            let rivals = rivals.iter().map(|rival| self.contender(rival));
            let Some(rival) = rivals.min_by(|a, b| a.median_ns().total_cmp(&b.median_ns())) else { continue };
            let ratio = match self.clock {
                // Waiting only ever adds to a wall clock, and here neighbours make us wait: the fastest rounds are those
                // in which nobody did.
                Clock::Wall => fastest(&ours.rounds) / fastest(&rival.rounds),
                Clock::Thread | Clock::Process => {
                    median(ours.rounds.iter().zip(&rival.rounds).map(|(ours, rival)| ours / rival))
                }
            };
            let verdict = match most {
                Some(most) if ratio <= *most => format!("(goal <= {most:.3}) PASS"),
                Some(most) => format!("(goal <= {most:.3}) MISS"),
                None => "(no goal)".to_owned(),
            };
            println!(
                "ratio {} {} / {} = {ratio:.3} {verdict}, {rounds} rounds",
                self.name, ours.name, rival.name
            );
        }
    }

    fn contender(&self, name: &str) -> &Contender<'a> {
        let found = self.contenders.iter().find(|contender| contender.name == name);
        found.unwrap_or_else(|| panic!("{} has no contender {name}", self.name))
    }
}

fn fastest(rounds: &[f64]) -> f64 {
    rounds.iter().copied().fold(f64::NAN, f64::min)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count => (values[(count - 1) / 2] + values[count / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_the_middle() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), 2.5);
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert!(median([].into_iter()).is_nan());
    }

    #[test]
    fn only_what_is_on_the_watch_counts_and_the_best_rival_is_met() {
        let mut race = Race::new("test", 1).clock(Clock::Wall);
        race.lap("free", |_| {}).whole_lap("work", || std::thread::sleep(Duration::from_millis(1)));
        race.goal_over_best("work", &["work", "free"], 1.0);
        assert_eq!(race.contenders[0].turn(Clock::Wall, 3), 0);
        assert!(race.contenders[1].turn(Clock::Wall, 3) >= 3_000_000);
        race.report();
    }
}
