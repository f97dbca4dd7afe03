mod cases;
mod driver;
mod model;

use super::seeded::{Bug, Planted};
use driver::{Caught, Driver};

/// The seed of this run: fixed, unless `THRONG_TEST_SEED` says otherwise.
fn seed() -> u64 {
    let seed = std::env::var("THRONG_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20);
    println!("THRONG_TEST_SEED={seed}");
    seed
}

fn run(operations: u64) {
    let mut driver = Driver::new(seed(), Planted::default(), true, 64);
    if let Err(caught) = driver.run(operations) {
        panic!("{caught:?}");
    }
    println!("{operations} operations, {} repeats, {} trades", driver.repeats, driver.trades_done / 2);
    println!("outcomes by number: {:?}", driver.outcomes);
    // A run that does nothing proves nothing: all that can become of an operation has, and often.
    assert!(driver.repeats > operations / 4);
    assert!(driver.trades_done > operations / 1_000);
    for outcome in [0, 1, 2, 4, 5, 6, 7, 8, 13, 14] {
        assert!(driver.outcomes[outcome] > operations / 1_000, "outcome {outcome} is too rare");
    }
}

#[test]
fn value_is_neither_made_nor_lost_and_nothing_happens_twice() {
    run(300_000);
}

#[test]
#[ignore = "minutes; run it in release"]
fn value_is_neither_made_nor_lost_in_a_hundred_million_operations() {
    run(100_000_000);
}

#[test]
fn every_planted_fault_is_noticed() {
    let seed = seed();
    for bug in Bug::ALL {
        let mut driver = Driver::new(seed, Planted::always(bug), true, 4);
        let caught = driver.run(300_000).expect_err(&format!("nobody noticed {bug:?}"));
        println!("{bug:?}: {caught:?}");
        assert_eq!(matches!(caught, Caught::Told(_)), bug == Bug::PartnerUntold, "{caught:?}");
    }
}

#[test]
fn the_books_alone_notice_value_made_or_lost() {
    let seed = seed();
    let bugs: Vec<Bug> = Bug::ALL.into_iter().filter(|bug| bug.breaks_conservation()).collect();
    assert_eq!(bugs.len(), 12);
    for bug in bugs {
        let mut driver = Driver::new(seed, Planted::seldom(bug), false, 4);
        let caught = driver.run(300_000).expect_err(&format!("the books do not notice {bug:?}"));
        assert!(matches!(caught, Caught::Tick(_) | Caught::Audit(_)), "{bug:?}: {caught:?}");
    }
    Driver::new(seed, Planted::default(), false, 4)
        .run(100_000)
        .expect("without a fault there is nothing to notice");
}
