//! The window against a set that remembers everything.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::window::{Freshness, Window};

/// What the window should say, from all that was ever marked.
fn expected(marked: &HashSet<u32>, sequence: u32) -> Freshness {
    let newest = marked.iter().max().copied().unwrap_or(0);
    if sequence.saturating_sub(newest) > 65_536 {
        Freshness::TooFarAhead
    } else if sequence == 0 || newest.saturating_sub(sequence) >= 1024 {
        Freshness::TooOld
    } else if marked.contains(&sequence) {
        Freshness::Duplicate
    } else {
        Freshness::Fresh
    }
}

/// Replays a history that came to `start` in some honest way.
fn replay(start: u32, sequences: impl IntoIterator<Item = u32>) -> Result<(), TestCaseError> {
    let (mut window, mut marked) = (Window::new(), HashSet::new());
    if start != 0 {
        window.mark(start);
        marked.insert(start);
    }
    for sequence in sequences {
        let found = window.check(sequence);
        prop_assert_eq!(found, expected(&marked, sequence), "sequence {}", sequence);
        if found == Freshness::Fresh {
            window.mark(sequence);
            marked.insert(sequence);
            prop_assert_eq!(window.check(sequence), Freshness::Duplicate);
        }
    }
    Ok(())
}

#[test]
fn edges_of_the_number_range() {
    let edges = [0, 1, 0, 1, 1024, 1, 2, 1025, 2, u32::MAX, 1 << 31, 1025, 0, 1];
    replay(0, edges).unwrap();
    let top =
        [u32::MAX, u32::MAX, u32::MAX - 1023, u32::MAX - 1024, u32::MAX - 1, u32::MAX - 1, 0, 1, 1 << 31];
    replay(u32::MAX - 65_536, top).unwrap();
    replay(u32::MAX, top).unwrap();
    for newest in [0, 1, 7, 1 << 20, 1 << 31, u32::MAX - 65_540] {
        let horizon = newest + 65_536;
        replay(newest, [horizon + 1, u32::MAX, horizon, horizon, horizon - 1, horizon + 1, newest]).unwrap();
    }
    for jump in [1, 63, 64, 65, 127, 128, 959, 960, 961, 1022, 1023, 1024, 1025, 4096] {
        for start in [1, 30, 64, 1000, 1023, 1024, u32::MAX - 7000] {
            // All of a window's worth, a jump, and everything around it again.
            let filled = (0..1100).map(|i| start + i % 1024);
            let newest = start + 1023 + jump;
            replay(start, filled.chain([newest]).chain((newest.saturating_sub(1100)..=newest).rev()))
                .unwrap();
        }
    }
}

/// A new seed for each run, printed, and `THRONG_SEED` to run one again.
pub(super) fn config() -> ProptestConfig {
    let seed = std::env::var("THRONG_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        since.as_nanos() as u64
    });
    println!("rerun with THRONG_SEED={seed}");
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_history_is_judged_as_by_a_set_that_forgets_nothing(
        start in prop_oneof![Just(0u32), Just(u32::MAX - 3000), any::<u32>()],
        steps in prop::collection::vec((0u32..40, 0u32..1300, prop::bool::weighted(0.02)), 1..600),
    ) {
        let mut newest = start;
        let mut sequences = Vec::new();
        for (forward, back, is_jump) in steps {
            newest = newest.saturating_add(if is_jump { forward * 64 } else { forward });
            sequences.push(newest.saturating_sub(if forward % 3 == 0 { back } else { 0 }));
        }
        replay(start, sequences)?;
    }
}
