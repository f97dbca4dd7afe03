//! Prediction against a model of the server's rules for user commands, over bad networks.

mod model;

use model::ground::Ground;
use model::{Match, Rng, TICK_S, TICK_US, Way};
use throng_client::pacing::Beat;
use throng_client::prediction::{ErrorHistogram, PredictionConfig, Predictor};
use throng_client::view::Own;
use throng_schema::IntentFields;

const SECOND_US: u64 = 1_000_000;

/// What `clients` honest bots walking about for `seconds` over a poor network found.
#[derive(Default)]
struct Found {
    inputs: u64,
    refused: u64,
    queued_max: usize,
    errors: ErrorHistogram,
}

impl Found {
    fn add(&mut self, other: &Self) {
        self.inputs += other.inputs;
        self.refused += other.refused;
        self.queued_max = self.queued_max.max(other.queued_max);
        self.errors.merge(&other.errors);
    }
}

fn walk_about(ground: &Ground, seeds: std::ops::Range<u64>, seconds: u64) -> Found {
    let mut found = Found::default();
    for seed in seeds {
        let drift_ppm = Rng(seed ^ 0xD1F7).below(201) as i64 - 100;
        let mut game = Match::new(ground, seed, Way::POOR, drift_ppm);
        game.run(seconds * SECOND_US);
        found.add(&Found {
            inputs: game.inputs().into(),
            refused: game.player.refused,
            queued_max: game.player.queued_max,
            errors: *game.predictor.errors(),
        });
        // Once it stands and nothing is on its way, both agree to the last bit.
        game.set_stays(true);
        game.set_way(Way::GOOD);
        game.run((seconds + 3) * SECOND_US);
        assert_eq!(game.predictor.body(), &game.player.own, "seed {seed}");
    }
    found
}

fn check(found: &Found) {
    println!(
        "{} inputs, {} refused, at most {} queued, error p99 {} m, p99.9 {} m, max {} m of {}",
        found.inputs,
        found.refused,
        found.queued_max,
        found.errors.quantile_m(0.99),
        found.errors.quantile_m(0.999),
        found.errors.max_m(),
        found.errors.count(),
    );
    assert_eq!(found.refused, 0);
    assert!(found.errors.quantile_m(0.99) < 0.1);
}

#[test]
fn honest_players_on_a_poor_network_are_never_refused_and_predicted_well() {
    let found = walk_about(&Ground::wild(), 1..201, 600);
    check(&found);
    assert!(found.errors.count() > 200 * 600 * 10, "most snapshots tell of an input that is still known");
}

/// `THRONG_CLIENT_HOURS=10000 cargo test --release -p throng-client --test prediction -- --ignored`
#[test]
#[ignore = "minutes to an hour: as many client-hours as THRONG_CLIENT_HOURS says, 100 by default"]
fn honest_players_for_many_hours() {
    let hours = std::env::var("THRONG_CLIENT_HOURS").map_or(100, |hours| hours.parse().expect("a number"));
    let ground = Ground::wild();
    let halves = std::thread::scope(|scope| {
        let half = |seeds| scope.spawn(|| walk_about(&ground, seeds, 3600));
        [half(1_000..1_000 + hours / 2), half(1_000 + hours / 2..1_000 + hours)].map(|half| half.join())
    });
    let mut found = Found::default();
    for half in halves {
        found.add(&half.expect("nobody diverged"));
    }
    check(&found);
}

#[test]
fn rules_other_than_the_servers_are_noticed_and_lived_with() {
    let (ground, flat) = (Ground::wild(), Ground::open());
    let mut game = Match::new(&ground, 4, Way::POOR, 0);
    game.believed = &flat;
    game.run(300 * SECOND_US);
    let counters = game.predictor.counters();
    assert!(counters.corrections * 4 > counters.compared, "{counters:?}");
    assert!(game.predictor.errors().max_m() > 0.1 && game.apart_m() < 5.0);
}

#[test]
fn a_teleport_is_followed_at_once() {
    let ground = Ground::wild();
    let mut game = Match::new(&ground, 7, Way::POOR, 0);
    game.run(20 * SECOND_US);
    let snaps = game.predictor.counters().snaps;
    game.player.own.position = ground.somewhere(11, 17).position;
    game.player.own.velocity = [0.0; 2];
    game.run(21 * SECOND_US);
    assert_eq!(game.predictor.counters().snaps, snaps + 1);
    assert!(game.apart_m() < 5.0, "no further than the inputs on their way lead");
    let corrections = game.predictor.counters().corrections;
    game.run(25 * SECOND_US);
    assert_eq!(game.predictor.counters().corrections, corrections, "one correction is enough");
}

#[test]
fn three_seconds_of_silence_are_got_over() {
    let ground = Ground::wild();
    for seed in 20..30 {
        let mut game = Match::new(&ground, seed, Way::POOR, 0);
        game.run(20 * SECOND_US);
        game.set_way(Way::CUT);
        game.run(23 * SECOND_US);
        game.set_way(Way::POOR);
        game.run(24 * SECOND_US);
        let corrections = game.predictor.counters().corrections;
        game.run(34 * SECOND_US);
        assert!(game.predictor.counters().corrections <= corrections + 1, "seed {seed}");
        assert_eq!(game.player.refused, 0, "seed {seed}");
    }
}

fn forward() -> IntentFields {
    IntentFields { move_x: 1.0, ..IntentFields::default() }
}

/// A predictor on open ground with ten inputs made, of which the server is said to have taken `applied`.
fn walking(applied: u32) -> (Ground, Predictor, Own) {
    let ground = Ground::open();
    let mut predictor = Predictor::new(PredictionConfig::default());
    let mut own = ground.somewhere(3, 4);
    predictor.reconcile(0, &ground, 1, &own, 0, TICK_S);
    for sequence in 1..=10 {
        let beat = Beat { due_us: u64::from(sequence) * TICK_US, period_us: TICK_US };
        predictor.input(beat.due_us, &ground, sequence, forward(), beat);
        if sequence <= applied {
            throng_client::Motion::step(&ground, &mut own, &forward(), TICK_S);
        }
    }
    (ground, predictor, own)
}

#[test]
fn the_avatar_glides_from_step_to_step() {
    let (ground, mut predictor, _) = walking(0);
    let now_us = 10 * TICK_US;
    let end = predictor.body().position;
    let at =
        |predictor: &Predictor, after_us: u64| predictor.position(now_us + after_us).expect("an avatar")[0];
    let step_m = end[0] - at(&predictor, 0);
    assert!((0.2..0.3).contains(&step_m), "{step_m}");
    assert!((at(&predictor, TICK_US / 2) - (end[0] - step_m / 2.0)).abs() < 1e-4);
    assert!((at(&predictor, TICK_US) - end[0]).abs() < 1e-4);
    assert_eq!(at(&predictor, 3 * TICK_US), end[0]);
    // The next one comes early: what is drawn does not leap.
    let before = at(&predictor, TICK_US * 3 / 4);
    let early = Beat { due_us: now_us + TICK_US * 3 / 4, period_us: TICK_US };
    predictor.input(early.due_us, &ground, 11, forward(), early);
    assert!((at(&predictor, TICK_US * 3 / 4) - before).abs() < 1e-4);
}

#[test]
fn corrections_fade_and_large_ones_are_shown_at_once() {
    for (push_m, fades) in [(1.0, true), (50.0, false)] {
        let (ground, mut predictor, mut own) = walking(4);
        let now_us = 10 * TICK_US + 20_000;
        let shown = predictor.position(now_us).expect("an avatar");
        own.position[1] += push_m;
        predictor.reconcile(now_us, &ground, 2, &own, 4, TICK_S);
        let off_m = |after_us: u64| predictor.position(now_us + after_us).expect("an avatar")[1] - shown[1];
        assert_eq!(
            predictor.body().position[1],
            shown[1] + push_m,
            "the later inputs start from the new place"
        );
        assert_eq!(predictor.counters().corrections, 1);
        assert!((predictor.errors().max_m() - push_m).abs() < 1e-3);
        if fades {
            assert!(off_m(0).abs() < 1e-4);
            assert!((off_m(100_000) - push_m * 0.632).abs() < 1e-2);
            assert!((off_m(1_000_000) - push_m).abs() < 1e-3);
        } else {
            assert!((off_m(0) - push_m).abs() < 1e-4);
        }
        assert_eq!(predictor.counters().snaps, u64::from(!fades));
    }
}

#[test]
fn what_the_server_says_of_unknown_inputs_is_believed() {
    let (ground, mut predictor, _) = walking(0);
    let own = ground.somewhere(9, 9);
    for (tick, applied) in [(2, 77), (3, u32::MAX), (4, 10), (5, 0)] {
        predictor.reconcile(11 * TICK_US, &ground, tick, &own, applied, TICK_S);
        let ahead = predictor.body().position[0] - own.position[0];
        assert!(if applied == 0 { ahead > 1.0 } else { ahead == 0.0 }, "{applied}: {ahead}");
    }
    // Numbers that are none do not stay.
    let bad = Own { position: [f32::MAX, 0.0, 0.0], velocity: [f32::MAX; 2], ..own };
    predictor.reconcile(12 * TICK_US, &ground, 6, &bad, 2, TICK_S);
    predictor.reconcile(13 * TICK_US, &ground, 7, &own, 10, TICK_S);
    assert_eq!(predictor.position(20 * TICK_US), Some(own.position));
}

#[test]
fn more_inputs_than_are_kept_are_forgotten_and_counted() {
    let (ground, mut predictor, own) = walking(0);
    for sequence in 11..=200 {
        let beat = Beat { due_us: u64::from(sequence) * TICK_US, period_us: TICK_US };
        predictor.input(beat.due_us, &ground, sequence, forward(), beat);
    }
    assert_eq!(predictor.counters().forgotten, 200 - 64);
    predictor.input(0, &ground, 150, forward(), Beat::default());
    predictor.reconcile(201 * TICK_US, &ground, 2, &own, 10, TICK_S);
    let ahead = predictor.body().position[0] - own.position[0];
    assert!((10.0..16.0).contains(&ahead), "64 inputs are taken again: {ahead}");
}
