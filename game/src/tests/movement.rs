//! Intents become steps, and nobody gets more of them than time has passed.

use glam::Vec2;
use throng_motion::{Body, step};

use super::*;

#[test]
fn an_avatar_walks_as_wished_and_never_faster_than_the_limit() {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let player = enter(&mut game, 1);
    let wishes = [Vec2::new(0.3, 0.0), Vec2::new(3.0, 4.0), Vec2::new(-1e30, 1e30), Vec2::splat(f32::MAX)];
    let mut sequence = 0;
    for direction in wishes {
        let mut before = Vec2::new(500.0, 400.0);
        put(&mut game, player, before);
        let mut step = Vec2::ZERO;
        // Five steps reach any speed.
        for _ in 0..5 {
            sequence += 1;
            assert_eq!(intend(&mut game, player, sequence, direction), Taken::Queued);
            game.tick();
            let place = place(&game, player);
            (step, before) = (place - before, place);
            assert!(step.length() <= SPEED_MAX_M_S / 20.0 + 1e-4);
        }
        let share = f64::from(direction.x).hypot(f64::from(direction.y)).min(1.0) as f32;
        assert!((step.length() - SPEED_MAX_M_S / 20.0 * share).abs() < 1e-4, "{direction} gave {step}");
        assert!((step.normalize() - direction.normalize_or(direction.signum().normalize())).length() < 1e-2);
    }
}

#[test]
fn an_intent_is_one_step_and_no_intent_is_none() {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let player = enter(&mut game, 1);
    put(&mut game, player, Vec2::new(500.0, 400.0));
    let mut body = Body { x: 500.0, y: 400.0, ..Body::default() };
    let mut expect = |game: &Game, steps: u32, applied: u32, queued: u8| {
        for _ in 0..steps {
            body = step(game.land(), &LIMITS, body, Vec2::X, 0.05);
        }
        let row = row(game, player);
        let found = (game.world.body.x[row], game.world.body.y[row], game.world.body.vx[row]);
        assert_eq!(found, (body.x, body.y, body.vx), "bit for bit");
        assert_eq!((game.applied_sequence(player), game.queued(player)), (applied, queued));
    };
    intend(&mut game, player, 1, Vec2::X);
    game.tick();
    expect(&game, 1, 1, 0);
    for _ in 0..4 {
        game.tick();
        expect(&game, 0, 1, 0);
    }
    // Four ticks were saved: the three of a burst take two ticks.
    for sequence in 2..=4 {
        intend(&mut game, player, sequence, Vec2::X);
    }
    game.tick();
    expect(&game, 2, 3, 1);
    game.tick();
    expect(&game, 1, 4, 0);
}

#[test]
fn a_wish_that_is_no_number_is_refused() {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let player = enter(&mut game, 1);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(intend(&mut game, player, 1, Vec2::new(bad, 0.0)), Taken::Malformed);
        assert_eq!(intend(&mut game, player, 1, Vec2::new(0.0, bad)), Taken::Malformed);
    }
    assert_eq!(game.counters().intents_malformed, 6);
    assert_eq!(game.take(Input::Leave { player }), Taken::Queued);
    assert_eq!(intend(&mut game, player, 1, Vec2::X), Taken::Nobody, "it has left");
    assert_eq!(game.take(Input::Leave { player }), Taken::Nobody);
    assert_eq!(intend(&mut game, PlayerId(u32::MAX), 1, Vec2::X), Taken::Nobody);
}

#[test]
fn nobody_leaves_the_disc() {
    let mut game = Game::new(config(2_000, Spawn::Disc { radius_m: 100.0 })).unwrap();
    for _ in 0..200 {
        game.tick();
    }
    let live = game.world.live();
    for row in throng_engine::live_rows(0..game.world.rows(), live) {
        let from = Vec2::new(game.world.body.x[row] - 500.0, game.world.body.y[row] - 400.0);
        assert!(from.length() <= 100.3, "{from}");
    }
}

/// Sends `per_tick(tick)` intents in each of the ticks of a minute and returns how far the avatar got, in whole steps.
fn steps_in_a_minute(mut per_tick: impl FnMut(u32) -> u32) -> f32 {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let player = enter(&mut game, 1);
    let start = Vec2::new(10.0, 400.0);
    put(&mut game, player, start);
    let mut sequence = 0;
    for tick in 0..1_200 {
        for _ in 0..per_tick(tick) {
            // What is refused is sent again with the next: a cheat keeps all that it can.
            if intend(&mut game, player, sequence + 1, Vec2::X) == Taken::Queued {
                sequence += 1;
            }
        }
        game.tick();
    }
    place(&game, player).distance(start) / (SPEED_MAX_M_S / 20.0)
}

#[test]
fn a_fast_clock_gains_nothing() {
    let legal = steps_in_a_minute(|_| 1);
    assert!((1_198.0..=1_200.0).contains(&legal), "{legal}");
    for clock in [1.01, 1.1, 2.0, 10.0] {
        let mut sent = 0;
        let steps = steps_in_a_minute(|tick| {
            let due = ((tick + 1) as f64 * clock) as u32;
            let now = due - sent;
            sent = due;
            now
        });
        assert!(
            (steps - legal).abs() <= legal * 0.005,
            "a clock of {clock}: {steps} steps where {legal} are legal"
        );
    }
}

#[test]
fn silence_is_no_savings_account() {
    let legal = steps_in_a_minute(|_| 1);
    // Two seconds of nothing, then all of it at once, over and over.
    let steps = steps_in_a_minute(|tick| if tick % 40 == 39 { 40 } else { 0 });
    // Of each 40 the queue holds 8.
    assert!(steps <= legal * 8.0 / 40.0 + 8.0, "{steps}");
    // And at ten times the speed in every other two seconds: what silence saved is spent, and what waits in the end is
    // taken in the silence after it, no more.
    let steps = steps_in_a_minute(|tick| if tick / 40 % 2 == 1 { 10 } else { 0 });
    assert!(steps <= 15.0 * (40.0 + 8.0 + 8.0), "{steps}");
    assert!(steps <= legal * 1.005);
}

#[test]
fn what_a_client_has_seen_it_has_seen() {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let player = enter(&mut game, 1);
    (0..20).for_each(|_| game.tick());
    let mut seen = |sequence, shown_tick| {
        let intent = Intent { buttons: buttons::STRIKE, ..Intent::default() };
        game.take(Input::Intent { player, sequence, shown_tick, intent });
        game.tick();
        game.world.game.shown_tick[row(&game, player)]
    };
    assert_eq!([seen(1, 15), seen(2, 12), seen(3, 18)], [15, 15, 18], "not earlier than before");
    assert_eq!([seen(4, u32::MAX), seen(5, 0)], [23, 23], "nor what is not published");
}
