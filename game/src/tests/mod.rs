//! The rules as a whole, from inside the crate: tests put bodies where they need them.

mod chat;
mod deals;
mod life;
mod movement;
mod random;
mod zones;

use std::sync::Arc;

use glam::Vec2;
use throng_motion::{DiscPlan, ShopPlan, ZonePlan};

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
    GameConfig { world, creatures, spawn, land: LandSource::Flat, rules: Rules::default() }
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

/// A land with a shop in the middle of its main zone, and one other zone in three instances.
fn land() -> Arc<Land> {
    let units = |metres: u32| metres * throng_motion::limits::UNITS_PER_METRE;
    let zone = |width_m: u32, height_m: u32, shops: Vec<ShopPlan>| {
        let (width, height) = (units(width_m), units(height_m));
        let mut plan = ZonePlan { width, height, spacing_m: 64, shops, ..ZonePlan::default() };
        plan.heights = vec![0; plan.columns() as usize * plan.rows() as usize];
        plan.player_spawns = vec![DiscPlan { x: width / 2, y: height / 2, radius: units(10) }];
        plan
    };
    let shops = vec![ShopPlan { number: 1, x: units(200), y: units(200) }];
    let mut land = Land::build(vec![zone(400, 400, shops), zone(64, 64, Vec::new())]).unwrap();
    land.lay_out(3, 60.0).unwrap();
    Arc::new(land)
}

const SHOP: Vec2 = Vec2::new(200.0, 200.0);

/// A game on [`land`], with two to a zone's instance.
fn game_on_land() -> Game {
    let mut config = config(0, Spawn::Land);
    config.land = LandSource::Given(land());
    config.rules.instance_players_max = 2;
    Game::new(config).unwrap()
}

/// Has a player ask for something; the outcome comes with the next tick.
fn ask(game: &mut Game, player: PlayerId, id: u128, command: Command<'_>) {
    assert_eq!(game.take(Input::Command { player, id: CommandId(id), command }), Taken::Queued);
}

/// What the last tick answered to a command: exactly one thing.
fn answer(game: &Game, id: u128) -> Outcome {
    let answers = game.notices().filter_map(|(_, notice)| match notice {
        Notice::Answer { id: answered, outcome } if answered == CommandId(id) => Some(outcome),
        _ => None,
    });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers[0]
}

/// Asks and ticks; then all that there is must still add up.
fn outcome(game: &mut Game, player: PlayerId, id: u128, command: Command<'_>) -> Outcome {
    ask(game, player, id, command);
    game.tick();
    assert_sound(game);
    answer(game, id)
}

fn assert_sound(game: &Game) {
    assert_eq!(game.counters().ledger_imbalance, 0);
    game.economy().audit().unwrap();
}

fn told(game: &Game, player: PlayerId) -> Vec<Notice<'_>> {
    game.notices().filter(|(to, _)| *to == player).map(|(_, notice)| notice).collect()
}

fn money(game: &Game, character: u64) -> i64 {
    game.economy().holdings(game.account_of(character).unwrap()).money()
}

fn quantity(game: &Game, character: u64, item: ItemId) -> u32 {
    game.economy().holdings(game.account_of(character).unwrap()).quantity(item)
}

/// The entities of what lies on the ground.
fn lying(game: &Game) -> Vec<u32> {
    let rows = throng_engine::live_rows(0..game.world.rows(), game.world.live());
    let drops = rows.filter(|row| game.world.game.kind[*row] == DROP);
    drops.map(|row| game.world.id_at(throng_engine::Slot(row as u32)).to_bits()).collect()
}

fn kill(game: &mut Game, player: PlayerId) {
    let row = row(game, player);
    game.world.game.health[row] = 0;
    game.world.game.expire_tick[row] = game.world.tick() + 1 + game.config.rules.respawn_ticks;
}

fn bits(game: &Game, player: PlayerId) -> u32 {
    game.avatar(player).unwrap().to_bits()
}
