//! Ways into instances and back.

use glam::Vec2;

use super::*;

fn zone_of(game: &Game, player: PlayerId) -> (u32, u32) {
    let place = place(game, player);
    let id = game.land.zone_at(place.x, place.y).unwrap();
    let placed = game.land.zone(id).unwrap();
    (placed.zone, placed.instance)
}

#[test]
fn an_instance_holds_so_many_and_whoever_leaves_comes_back_to_where_it_was() {
    let mut game = game_on_land();
    let players: Vec<_> = (1..=7).map(|character| enter(&mut game, character)).collect();
    game.tick();
    let before = place(&game, players[0]);
    let go = |instance| Command::EnterZone { zone: 1, instance };
    assert_eq!(outcome(&mut game, players[0], 1, go(2)), Outcome::Done);
    assert_eq!(zone_of(&game, players[0]), (1, 2));
    assert!(told(&game, players[0]).contains(&Notice::Zone { zone: 1, instance: 2 }));
    assert!(
        told(&game, players[0])
            .contains(&Notice::Accomplished { what: content::accomplishments::FIRST_VISIT })
    );
    // Any: the one where somebody is.
    assert_eq!(outcome(&mut game, players[1], 2, go(0)), Outcome::Done);
    assert_eq!(zone_of(&game, players[1]), (1, 2));
    assert_eq!(outcome(&mut game, players[2], 3, go(2)), Outcome::Full);
    for (id, player) in (4..).zip(&players[2..6]) {
        assert_eq!(outcome(&mut game, *player, id, go(0)), Outcome::Done);
    }
    assert_eq!(zone_of(&game, players[2]), (1, 1));
    assert_eq!(zone_of(&game, players[5]), (1, 3));
    assert_eq!(outcome(&mut game, players[6], 10, go(0)), Outcome::Full);
    for (id, instance, zone, expected) in [
        (11, 4, 1, Outcome::Gone),
        (12, u32::MAX, 1, Outcome::Gone),
        (13, 0, 2, Outcome::Gone),
        (14, 0, u32::MAX, Outcome::Gone),
        (15, 0, 0, Outcome::NotAllowed),
    ] {
        assert_eq!(outcome(&mut game, players[6], id, Command::EnterZone { zone, instance }), expected);
    }
    assert_eq!(outcome(&mut game, players[6], 16, Command::LeaveZone), Outcome::NotAllowed, "it is in none");
    assert_eq!(outcome(&mut game, players[0], 17, Command::LeaveZone), Outcome::Done);
    assert_eq!((place(&game, players[0]), zone_of(&game, players[0])), (before, (0, 1)));
    assert_eq!(outcome(&mut game, players[6], 18, go(2)), Outcome::Done, "there is room again");
}

#[test]
fn nobody_hops_between_zones() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    let go = |instance| Command::EnterZone { zone: 1, instance };
    assert_eq!(outcome(&mut game, player, 1, go(1)), Outcome::Done);
    let entered = game.current_tick();
    assert_eq!(outcome(&mut game, player, 2, Command::LeaveZone), Outcome::Done, "out is always open");
    assert_eq!(outcome(&mut game, player, 3, go(2)), Outcome::TooFast);
    for tick in entered + 3..entered + 20 {
        assert_eq!(outcome(&mut game, player, tick.into(), go(2)), Outcome::TooFast);
    }
    assert_eq!(outcome(&mut game, player, 1_000, go(2)), Outcome::Done, "a second later");
    assert_eq!(zone_of(&game, player), (1, 2));
}

#[test]
fn whoever_shoots_fights_though_nothing_is_hit() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    game.tick();
    let intent = Intent { buttons: buttons::SHOOT, ..Intent::default() };
    game.take(Input::Intent { player, sequence: 1, shown_tick: 0, intent });
    game.tick();
    assert_eq!(game.combat.counts().shots, 1);
    let row = row(&game, player);
    assert_eq!(game.world.game.state[row] & state::FIGHTING, state::FIGHTING);
    let go = Command::EnterZone { zone: 1, instance: 0 };
    assert_eq!(outcome(&mut game, player, 1, go), Outcome::Fighting);
}

#[test]
fn nobody_slips_out_of_a_fight() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    let row = row(&game, player);
    game.world.game.fight_until[row] = 10;
    let go = Command::EnterZone { zone: 1, instance: 0 };
    assert_eq!(outcome(&mut game, player, 1, go), Outcome::Fighting);
    assert_eq!(outcome(&mut game, player, 2, Command::LeaveZone), Outcome::Fighting);
    (0..10).for_each(|_| game.tick());
    assert_eq!(outcome(&mut game, player, 3, go), Outcome::Done);
    // Whoever leaves from within an instance comes back to the main zone, and its place there is free.
    game.take(Input::Leave { player });
    (0..30).for_each(|_| game.tick());
    assert_eq!(game.visitors, [0, 0, 0, 0]);
    let player = enter(&mut game, 1);
    game.tick();
    assert_eq!(zone_of(&game, player), (0, 1));
    assert_eq!(game.visitors, [1, 0, 0, 0]);
}

#[test]
fn nobody_walks_out_of_an_instance_and_the_dead_stand_up_in_it() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    assert_eq!(outcome(&mut game, player, 1, Command::EnterZone { zone: 1, instance: 1 }), Outcome::Done);
    for sequence in 1..=400 {
        intend(&mut game, player, sequence, Vec2::new(1.0, 0.3));
        game.tick();
    }
    assert_eq!(zone_of(&game, player), (1, 1));
    kill(&mut game, player);
    (0..=game.config.rules.respawn_ticks).for_each(|_| game.tick());
    let row = row(&game, player);
    assert_eq!(game.world.game.health[row], game.world.game.health_max[row]);
    assert_eq!(zone_of(&game, player), (1, 1));
}
