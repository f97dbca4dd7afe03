//! Answers by status, with how long they took.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use super::wire::Broken;

/// Longest time that is told apart, two minutes in microseconds.
const LONGEST_US: u64 = 120_000_000;

/// How long something took, milliseconds; no times when nothing happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// How many there were.
    pub count: u64,
    /// The median.
    pub p50_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
}

/// What was answered to one kind of request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// All answers, whatever their status.
    pub all: Times,
    /// The same by status.
    pub by_status: BTreeMap<u16, Times>,
    /// Requests without an answer, by what went wrong.
    pub broken: BTreeMap<Broken, u64>,
}

impl Answers {
    /// How many were answered with this status.
    pub fn with(&self, status: u16) -> u64 {
        self.by_status.get(&status).map_or(0, |times| times.count)
    }

    /// How many were not answered at all.
    pub fn broken_count(&self) -> u64 {
        self.broken.values().sum()
    }
}

/// Times while they are taken.
pub(super) struct Clocked(Histogram<u64>);

impl Clocked {
    pub fn new() -> Self {
        // Three digits up to a constant that is more than twice the least.
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are right"))
    }

    pub fn add(&mut self, took: Duration) {
        self.0.saturating_record(took.as_micros().min(u128::from(LONGEST_US)) as u64);
    }

    pub fn add_all(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    pub fn times(&self) -> Times {
        let ms = |us: u64| (!self.0.is_empty()).then_some(us as f64 / 1000.0);
        Times {
            count: self.0.len(),
            p50_ms: ms(self.0.value_at_quantile(0.5)),
            p99_ms: ms(self.0.value_at_quantile(0.99)),
            max_ms: ms(self.0.max()),
        }
    }
}

/// Answers while they come in.
#[derive(Default)]
pub(super) struct Tally {
    by_status: BTreeMap<u16, Clocked>,
    broken: BTreeMap<Broken, u64>,
}

impl Tally {
    /// An answer with this status, or what there was instead, after so long.
    pub fn add(&mut self, answer: Result<u16, Broken>, took: Duration) {
        match answer {
            Ok(status) => self.by_status.entry(status).or_insert_with(Clocked::new).add(took),
            Err(broken) => *self.broken.entry(broken).or_default() += 1,
        }
    }

    /// All that came in, and more of it from elsewhere.
    pub fn answers(&self, more: &[&Self]) -> Answers {
        let mut all = Clocked::new();
        let mut by_status: BTreeMap<u16, Clocked> = BTreeMap::new();
        let mut broken: BTreeMap<Broken, u64> = BTreeMap::new();
        for tally in std::iter::once(&self).chain(more) {
            for (&status, clocked) in &tally.by_status {
                all.add_all(clocked);
                by_status.entry(status).or_insert_with(Clocked::new).add_all(clocked);
            }
            for (&why, count) in &tally.broken {
                *broken.entry(why).or_default() += count;
            }
        }
        let by_status = by_status.into_iter().map(|(status, clocked)| (status, clocked.times())).collect();
        Answers { all: all.times(), by_status, broken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_has_no_times() {
        let mut clocked = Clocked::new();
        let none = clocked.times();
        assert_eq!(none, Times::default());
        let json = serde_json::to_string(&none).expect("plain data");
        assert_eq!(json, r#"{"count":0,"p50_ms":null,"p99_ms":null,"max_ms":null}"#);
        clocked.add(Duration::from_micros(500));
        let one = clocked.times();
        assert_eq!((one.count, one.p50_ms, one.p99_ms, one.max_ms), (1, Some(0.5), Some(0.5), Some(0.5)));
    }
}
