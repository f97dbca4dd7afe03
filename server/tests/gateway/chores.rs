//! What a gateway does by itself, whatever becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{Plan, World, until};

#[test]
fn a_chore_that_panics_ends_neither_itself_nor_the_others() {
    let rounds: [Arc<AtomicU32>; 2] = [Arc::default(), Arc::default()];
    let [panicking, behind] = rounds.clone();
    let plan = Plan {
        chores: vec![
            Box::new(move |_| {
                assert!(panicking.fetch_add(1, Ordering::Relaxed) > 0, "the first round goes wrong");
            }),
            Box::new(move |_| {
                behind.fetch_add(1, Ordering::Relaxed);
            }),
        ],
        ..Plan::default()
    };
    let world = World::planned(plan);
    until("a second round", || rounds.iter().all(|done| done.load(Ordering::Relaxed) >= 2));
    assert_eq!(world.counter("chores_panicked"), 1);
}
