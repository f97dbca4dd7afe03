use glam::Vec2;

use super::*;

fn config(creatures: u32, spawn: Spawn) -> GameConfig {
    let world = WorldConfig {
        width_m: 1000.0,
        height_m: 800.0,
        view_radius_m: 50.0,
        entities_max: 10_000,
        tick_hz: 20,
        seed: 7,
        refresh_ticks: 40,
    };
    GameConfig { world, creatures, spawn, rules: Rules::default() }
}

fn enter(game: &mut Game, character: u64) -> PlayerId {
    match game.take(Input::Enter { character, name: &format!("Player {character}") }) {
        Taken::Entered(player) => player,
        other => panic!("{other:?}"),
    }
}

fn intend(game: &mut Game, player: PlayerId, sequence: u32, direction: Vec2) -> Taken {
    let intent = Intent { direction, ..Intent::default() };
    game.take(Input::Intent { player, sequence, shown_tick: 0, intent })
}

fn row(game: &Game, player: PlayerId) -> usize {
    game.world.slot(game.avatar(player).unwrap()).unwrap().row()
}

fn place(game: &Game, player: PlayerId) -> Vec2 {
    let row = row(game, player);
    Vec2::new(game.world.body.x[row], game.world.body.y[row])
}

fn put(game: &mut Game, player: PlayerId, place: Vec2) {
    let row = row(game, player);
    (game.world.body.x[row], game.world.body.y[row]) = (place.x, place.y);
}

#[test]
fn an_avatar_walks_as_wished_and_never_faster_than_the_limit() {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let player = enter(&mut game, 1);
    let wishes = [Vec2::new(0.3, 0.0), Vec2::new(3.0, 4.0), Vec2::new(-1e30, 1e30), Vec2::splat(f32::MAX)];
    for (direction, sequence) in wishes.into_iter().zip(1..) {
        put(&mut game, player, Vec2::new(500.0, 400.0));
        assert_eq!(intend(&mut game, player, sequence, direction), Taken::Queued);
        game.tick();
        let step = place(&game, player) - Vec2::new(500.0, 400.0);
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
    intend(&mut game, player, 1, Vec2::X);
    for _ in 0..5 {
        game.tick();
    }
    assert_eq!((place(&game, player).x, game.applied_sequence(player)), (500.25, 1));
    // Four ticks were saved: the three of a burst take two ticks.
    for sequence in 2..=4 {
        intend(&mut game, player, sequence, Vec2::X);
    }
    game.tick();
    assert_eq!((place(&game, player).x, game.applied_sequence(player), game.queued(player)), (500.75, 3, 1));
    game.tick();
    assert_eq!((place(&game, player).x, game.applied_sequence(player), game.queued(player)), (501.0, 4, 0));
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
fn a_body_stays_for_a_while_and_its_character_comes_back_to_it() {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let (player, other) = (enter(&mut game, 1), enter(&mut game, 2));
    let body = game.avatar(player);
    game.tick();
    game.take(Input::Leave { player });
    game.tick();
    assert_eq!(game.avatar(player), body, "still there");
    assert_eq!(enter(&mut game, 1), player);
    for _ in 0..60 {
        game.tick();
        assert!(game.departed().is_empty());
    }
    let here = place(&game, player);
    game.take(Input::Leave { player });
    let departed: Vec<_> = (0..60)
        .flat_map(|_| {
            game.tick();
            game.departed().to_vec()
        })
        .collect();
    assert_eq!(departed, [player]);
    assert_eq!((game.avatar(player), game.player_of(1)), (None, None));
    // Somebody else gets the place; the character appears where it was.
    let third = enter(&mut game, 3);
    assert_eq!(third, player);
    let player = enter(&mut game, 1);
    assert_ne!(player, third);
    assert_eq!(place(&game, player), here);
    assert_eq!(game.player_of(2), Some(other));
}

#[test]
fn creatures_wander() {
    let mut game = Game::new(config(5_000, Spawn::Everywhere)).unwrap();
    let before = game.world.body.x.to_vec();
    for _ in 0..60 {
        game.tick();
    }
    let moved = before.iter().zip(&game.world.body.x[..]).filter(|(was, is)| was != is).count();
    assert!(moved > 3_000);
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
        assert!(from.length() <= 100.0 + PUSH_M_MAX + 0.01, "{from}");
    }
}

#[test]
fn impossible_configs_are_refused_with_a_remedy() {
    assert!(
        Game::new(config(10_001, Spawn::Everywhere)).unwrap_err().to_string().contains("raise entities_max")
    );
    for radius_m in [0.0, -1.0, 401.0, f32::NAN] {
        assert!(matches!(Game::new(config(0, Spawn::Disc { radius_m })), Err(GameError::Disc { .. })));
    }
}
