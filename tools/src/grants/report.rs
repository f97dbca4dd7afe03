//! What happened while asking.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::{Plan, Step, Verdict};

/// Different reasons that are told apart; further ones are counted together.
const REASONS_MAX: usize = 32;

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrantsReport {
    /// Session tokens.
    pub tokens: u32,
    /// Of those, granted (and not asking again).
    pub granted: u32,
    /// Of those, given up.
    pub given_up: u32,
    /// Connect tokens that came.
    pub grants: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Answers that were a place in the queue.
    pub queued: u64,
    /// Answers that were "not now", by what the gateway calls them.
    pub busy: BTreeMap<String, u64>,
    /// Requests without a usable answer, by what was wrong.
    pub lost: BTreeMap<String, u64>,
    /// Answers that were "no", by what the gateway calls them.
    pub refused: BTreeMap<String, u64>,
    /// Seconds since the start.
    pub seconds: f64,
    /// Milliseconds of a request for a connect token: half of them, 99 of 100, and all were faster.
    pub play_ms: [f64; 3],
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    report: GrantsReport,
    play_us: Vec<u32>,
}

impl Tally {
    pub fn answered(&mut self, step: &Step, verdict: &Verdict, took: Duration) {
        let report = &mut self.report;
        report.requests += 1;
        match verdict {
            Verdict::Character { .. } => {}
            Verdict::Granted => report.grants += 1,
            Verdict::Queued { .. } => report.queued += 1,
            Verdict::Busy { code, .. } => count(&mut report.busy, code),
            Verdict::Lost(what) => count(&mut report.lost, what),
            Verdict::Refused(code) => count(&mut report.refused, code),
        }
        if matches!(step, Step::Play { .. }) {
            self.play_us.push(took.as_micros().min(u128::from(u32::MAX)) as u32);
        }
    }

    pub fn report(&self, plan: &Plan, took: Duration) -> GrantsReport {
        let (tokens, granted, given_up) = plan.counts();
        let mut sorted = self.play_us.clone();
        sorted.sort_unstable();
        let at = |part: f64| {
            let index = (sorted.len() as f64 * part) as usize;
            sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(0.0, |&us| f64::from(us) / 1000.0)
        };
        GrantsReport {
            tokens,
            granted,
            given_up,
            seconds: took.as_secs_f64(),
            play_ms: [at(0.5), at(0.99), at(1.0)],
            ..self.report.clone()
        }
    }
}

/// Reasons come from outside, so there may be any number of them.
fn count(counts: &mut BTreeMap<String, u64>, reason: &str) {
    let is_new = !counts.contains_key(reason);
    let reason = if is_new && counts.len() >= REASONS_MAX { "other" } else { reason };
    *counts.entry(reason.to_owned()).or_default() += 1;
}
