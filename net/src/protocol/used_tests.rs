//! The set of used tokens against a map that forgets nothing.

use std::collections::HashMap;
use std::sync::{Barrier, Mutex};

use proptest::prelude::*;

use super::used::{Use, UsedTokens};
use super::window_tests::config;
use crate::limits::{TOKEN_AHEAD_MS_MAX, USED_KEPT_ENTRIES};

const NOW_MS: u64 = 1_780_000_000_000;

fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    id
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_history_is_judged_as_by_a_map_that_forgets_nothing(
        len_max in 1usize..200,
        steps in prop::collection::vec((0u64..3000, 0u64..60_000, 0u64..40, any::<bool>()), 1..2000),
    ) {
        let mut used = UsedTokens::with_max([1, 2], len_max);
        let mut model: HashMap<u64, u64> = HashMap::new();
        let mut now_ms = NOW_MS;
        for (wait_ms, ahead_ms, number, is_check) in steps {
            now_ms += wait_ms.saturating_sub(2000);
            // A token's end never changes, so one that was used is shown with the end it has.
            let not_after_ms = model.get(&number).copied().unwrap_or(now_ms + ahead_ms);
            let is_live = |end_ms: u64| end_ms > now_ms && end_ms - now_ms <= TOKEN_AHEAD_MS_MAX;
            // Those that ended within the running second are still counted.
            let counted = model.values().filter(|end_ms| **end_ms / 1000 >= now_ms / 1000).count();
            let expected = if !is_live(not_after_ms) {
                Use::Untimely
            } else if model.contains_key(&number) {
                Use::Again
            } else if counted >= len_max {
                Use::Full
            } else {
                Use::First
            };
            prop_assert_eq!(used.check(now_ms, not_after_ms, &id(number)), expected);
            if is_check {
                continue;
            }
            prop_assert_eq!(used.mark(now_ms, not_after_ms, &id(number)), expected);
            if expected == Use::First {
                model.insert(number, not_after_ms);
                prop_assert_eq!(used.mark(now_ms, not_after_ms, &id(number)), Use::Again);
            }
            prop_assert!(used.len() <= len_max);
        }
    }
}

#[test]
fn of_two_that_race_one_wins_100_000_times() {
    const PAIRS: u64 = 100_000;
    let used = Mutex::new(UsedTokens::new([1, 2]));
    let start = Barrier::new(2);
    // Both go through the same tokens, from opposite ends of blocks of 16, so that either is first about as often.
    let race = |is_reversed: bool| {
        start.wait();
        let wins = (0..PAIRS).filter(|i| {
            let number = if is_reversed { i ^ 15 } else { *i };
            let end_ms = NOW_MS + 1 + number % 50_000;
            used.lock().unwrap().mark(NOW_MS, end_ms, &id(number)) == Use::First
        });
        wins.count() as u64
    };
    let (a, b) = std::thread::scope(|scope| {
        let other = scope.spawn(|| race(true));
        (race(false), other.join().unwrap())
    });
    assert_eq!(a + b, PAIRS, "{a} and {b} wins");
    assert_eq!(used.lock().unwrap().len() as u64, PAIRS);
}

#[test]
fn a_full_set_turns_new_ones_away_and_forgets_no_live_one() {
    let mut used = UsedTokens::with_max([1, 2], 1000);
    let end_ms = NOW_MS + 30_000;
    for number in 0..1000 {
        assert_eq!(used.mark(NOW_MS, end_ms, &id(number)), Use::First);
    }
    for number in 1000..100_000 {
        assert_eq!(used.mark(NOW_MS + 29_999, end_ms + 1000, &id(number)), Use::Full);
    }
    for number in 0..1000 {
        assert_eq!(used.mark(NOW_MS + 29_999, end_ms, &id(number)), Use::Again);
    }
    // The second in which they ended is over: there is room again, and the old ones have ended.
    let later_ms = end_ms / 1000 * 1000 + 1000;
    assert_eq!(used.mark(later_ms, later_ms + 30_000, &id(5000)), Use::First);
    assert_eq!(used.len(), 1);
    assert_eq!(used.mark(later_ms, end_ms, &id(0)), Use::Untimely);
}

#[test]
fn a_clock_that_steps_back_revives_nothing() {
    let mut used = UsedTokens::new([1, 2]);
    assert_eq!(used.mark(NOW_MS, NOW_MS + 10, &id(1)), Use::First);
    assert_eq!(used.mark(NOW_MS + 60_000, NOW_MS + 70_000, &id(2)), Use::First);
    assert_eq!(used.mark(NOW_MS, NOW_MS + 10, &id(1)), Use::Untimely);
    assert_eq!(used.mark(0, NOW_MS + 70_000, &id(2)), Use::Again);
}

#[test]
fn a_clock_that_was_set_back_keeps_what_it_can_and_has_room_again() {
    let mut used = UsedTokens::with_max([1, 2], 2);
    let hour_ms = 3_600_000;
    assert_eq!(used.mark(NOW_MS + 1000, NOW_MS + 31_000, &id(1)), Use::First);
    assert_eq!(used.mark(NOW_MS + 1000, NOW_MS + 31_000, &id(2)), Use::First);
    used.set_back(NOW_MS);
    assert_eq!(used.mark(NOW_MS, NOW_MS + 31_000, &id(1)), Use::Again, "its second is within reach");
    assert_eq!(used.len(), 2);
    // Forwards all is over, backwards all lies too far ahead.
    assert_eq!(used.mark(NOW_MS + hour_ms, NOW_MS + hour_ms + 30_000, &id(3)), Use::First);
    used.set_back(NOW_MS);
    assert_eq!((used.len(), used.mark(NOW_MS, NOW_MS + 30_000, &id(4))), (0, Use::First));
    assert_eq!(used.mark(NOW_MS, NOW_MS + 30_000, &id(4)), Use::Again);
}

#[test]
fn times_at_their_edges_are_refused_without_harm() {
    let mut used = UsedTokens::new([1, 2]);
    for not_after_ms in [0, NOW_MS, NOW_MS + TOKEN_AHEAD_MS_MAX + 1, u64::MAX] {
        assert_eq!(used.mark(NOW_MS, not_after_ms, &id(1)), Use::Untimely, "{not_after_ms}");
    }
    assert_eq!(used.mark(NOW_MS, NOW_MS + TOKEN_AHEAD_MS_MAX, &id(1)), Use::First);
    assert_eq!(used.mark(u64::MAX, u64::MAX, &id(1)), Use::Untimely);
    assert_eq!(used.len(), 0);
}

#[test]
fn a_burst_does_not_keep_its_memory() {
    let mut used = UsedTokens::new([1, 2]);
    let many = 4 * USED_KEPT_ENTRIES as u64;
    for round in 0..3 {
        let now_ms = NOW_MS + round * 60_000;
        for number in 0..many {
            assert_eq!(used.mark(now_ms, now_ms + 1000, &id(number)), Use::First);
        }
        assert_eq!(used.len() as u64, many);
    }
}
