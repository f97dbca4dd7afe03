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
    GameConfig { world, creatures, spawn }
}

#[test]
fn an_avatar_walks_as_wished_and_never_faster_than_the_limit() {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let id = game.join().unwrap();
    let wishes = [Vec2::new(0.3, 0.0), Vec2::new(3.0, 4.0), Vec2::new(-1e30, 1e30), Vec2::splat(f32::MAX)];
    for direction in wishes {
        let row = game.world.slot(id).unwrap().row();
        (game.world.body.x[row], game.world.body.y[row]) = (500.0, 400.0);
        assert!(game.intend(id, Intent { direction, ..Intent::default() }));
        game.tick();
        let row = game.world.slot(id).unwrap().row();
        let step = Vec2::new(game.world.body.x[row] - 500.0, game.world.body.y[row] - 400.0);
        let share = f64::from(direction.x).hypot(f64::from(direction.y)).min(1.0) as f32;
        assert!((step.length() - SPEED_MAX_M_S / 20.0 * share).abs() < 1e-4, "{direction} gave {step}");
        assert!((step.normalize() - direction.normalize_or(direction.signum().normalize())).length() < 1e-2);
    }
}

#[test]
fn a_wish_that_is_no_number_is_refused() {
    let mut game = Game::new(config(0, Spawn::Everywhere)).unwrap();
    let id = game.join().unwrap();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert!(!game.intend(id, Intent { direction: Vec2::new(bad, 0.0), ..Intent::default() }));
        assert!(!game.intend(id, Intent { direction: Vec2::new(0.0, bad), ..Intent::default() }));
    }
    game.leave(id);
    assert!(!game.intend(id, Intent::default()), "the avatar is gone");
}

#[test]
fn creatures_wander_and_health_changes_about_once_a_second() {
    let mut game = Game::new(config(5_000, Spawn::Everywhere)).unwrap();
    game.tick();
    let health_before: Vec<u16> = game.world.game.health.to_vec();
    let before = game.world.body.x.to_vec();
    game.tick();
    let beats = health_before.iter().zip(&game.world.game.health[..]).filter(|(was, is)| was != is).count();
    let share = beats as f32 / game.world.rows() as f32;
    assert!((0.04..0.06).contains(&share), "one in twenty ticks, found {share}");
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
        assert!(from.length() <= 100.01, "{from}");
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
