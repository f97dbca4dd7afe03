use glam::Vec2;
use throng_engine::{EntityId, Random, WorldConfig, WorldFull};
use throng_motion::GenerateConfig;

use super::*;
use crate::arena::{Arena, meadow, walled};
use crate::buttons::STRIKE;
use crate::combat::CombatRules;
use crate::{AVATAR, state};

const WOLF: u8 = 0;
const BOAR: u8 = 1;
const DEER: u8 = 2;

fn arena() -> Arena {
    Arena::new(CombatRules::default(), meadow())
}

fn creature(arena: &mut Arena, species: u8, x: f32, y: f32) -> EntityId {
    let id = arena.add(CREATURE, x, y);
    let row = arena.row(id);
    arena.world.game.species[row] = species;
    id
}

fn mood_of(arena: &Arena, id: EntityId) -> u8 {
    arena.world.game.mood[arena.row(id)]
}

#[test]
fn a_wolf_notices_the_nearest_player_chases_and_bites() {
    let mut arena = arena();
    let wolf = creature(&mut arena, WOLF, 100.0, 100.0);
    let (far, near) = (arena.add(AVATAR, 100.0, 112.0), arena.add(AVATAR, 90.0, 100.0));
    arena.ticks(CALM_TICKS);
    let row = arena.row(wolf);
    assert_eq!((mood_of(&arena, wolf), arena.world.game.target[row]), (mood::CHASE, near.to_bits()));
    // Ten metres at 4.5 m/s.
    arena.ticks(60);
    assert!(arena.health(near) < 100);
    assert_eq!(arena.health(far), 100);
    assert!(arena.place(wolf).distance(arena.place(near)) <= 2.0);
    assert_eq!(arena.world.game.state[row] & state::FIGHTING, state::FIGHTING);
    // As often as its kind bites, and for as much.
    let (before, bites) = (arena.health(near), arena.combat.counts().hits);
    arena.ticks(24 * 5);
    assert_eq!(arena.combat.counts().hits, bites + 5);
    assert_eq!(before - arena.health(near), 5 * 6);
}

#[test]
fn a_wolf_does_not_notice_the_far_the_dead_nor_who_is_behind_a_wall() {
    for case in 0..3 {
        let land = walled(Vec2::new(104.0, 90.0), Vec2::new(104.0, 110.0));
        let mut arena = Arena::new(CombatRules::default(), if case == 2 { land } else { meadow() });
        let wolf = creature(&mut arena, WOLF, 100.0, 100.0);
        // It roams within 12 m, and notices within 15 m.
        let player = arena.add(AVATAR, if case == 0 { 129.0 } else { 108.0 }, 100.0);
        let row = arena.row(player);
        arena.world.game.health[row] = if case == 1 { 0 } else { 100 };
        for _ in 0..100 {
            // Kept on its side of the wall.
            arena.put(wolf, 100.0, 100.0);
            arena.tick();
            assert_eq!(mood_of(&arena, wolf), mood::CALM, "{case}");
        }
    }
}

#[test]
fn one_that_notices_nobody_defends_itself() {
    let mut arena = arena();
    let boar = creature(&mut arena, BOAR, 101.0, 100.0);
    let player = arena.add(AVATAR, 100.0, 100.0);
    arena.ticks(40);
    arena.put(boar, 101.0, 100.0);
    assert_eq!((mood_of(&arena, boar), arena.health(player)), (mood::CALM, 100));
    arena.press(player, STRIKE);
    arena.tick();
    assert_eq!(mood_of(&arena, boar), mood::CHASE);
    arena.press(player, 0);
    arena.ticks(40);
    assert!(arena.health(player) < 100);
}

#[test]
fn it_gives_up_at_the_end_of_its_leash_and_is_healed_at_home() {
    let mut arena = arena();
    let wolf = creature(&mut arena, WOLF, 50.0, 100.0);
    let player = arena.add(AVATAR, 55.0, 100.0);
    arena.ticks(CALM_TICKS);
    assert_eq!(mood_of(&arena, wolf), mood::CHASE);
    let row = arena.row(wolf);
    arena.world.game.health[row] = 30;
    let mut furthest_m = 0.0_f32;
    let mut is_returning = false;
    for _ in 0..400 {
        // Always four metres ahead of it, as long as it follows.
        if mood_of(&arena, wolf) == mood::CHASE {
            let x = arena.place(wolf).x + 4.0;
            arena.put(player, x, 100.0);
        }
        arena.tick();
        is_returning |= mood_of(&arena, wolf) == mood::RETURN;
        furthest_m = furthest_m.max(arena.place(wolf).x - 50.0);
    }
    // It thinks every 8 ticks, and runs 1.8 m in these.
    assert!(is_returning && (40.0..42.0).contains(&furthest_m), "{furthest_m}");
    assert_eq!((mood_of(&arena, wolf), arena.health(wolf)), (mood::CALM, 100));
    assert!(arena.place(wolf).distance(Vec2::new(50.0, 100.0)) < 15.0);
}

#[test]
fn it_lets_go_of_who_is_dead_gone_or_far() {
    for case in 0..3 {
        let mut arena = arena();
        let wolf = creature(&mut arena, WOLF, 100.0, 100.0);
        let player = arena.add(AVATAR, 105.0, 100.0);
        arena.ticks(CALM_TICKS);
        assert_eq!(mood_of(&arena, wolf), mood::CHASE);
        match case {
            0 => {
                let row = arena.row(player);
                arena.world.game.health[row] = 0;
            }
            1 => assert!(arena.world.despawn(player)),
            _ => arena.put(player, 150.0, 100.0),
        }
        arena.ticks(THINK_TICKS);
        assert_ne!(mood_of(&arena, wolf), mood::CHASE, "{case}");
        let row = arena.row(wolf);
        assert_eq!((arena.world.game.target[row], arena.world.game.buttons[row]), (0, 0));
    }
}

#[test]
fn it_flees_when_hurt() {
    let mut arena = arena();
    let deer = creature(&mut arena, DEER, 101.0, 100.0);
    let player = arena.add(AVATAR, 100.0, 100.0);
    arena.tick();
    arena.put(deer, 101.0, 100.0);
    arena.press(player, STRIKE);
    arena.tick();
    arena.press(player, 0);
    assert_eq!(arena.health(deer), 88);
    arena.ticks(THINK_TICKS);
    assert_eq!(mood_of(&arena, deer), mood::FLEE);
    let before = arena.place(deer).distance(arena.place(player));
    arena.ticks(40);
    assert!(arena.place(deer).distance(arena.place(player)) > before + 8.0);
    arena.ticks(400);
    assert_eq!((mood_of(&arena, deer), arena.health(deer)), (mood::CALM, 100), "and comes back");
}

#[test]
fn the_dead_stand_again_at_home() {
    let mut arena = arena();
    let wolf = creature(&mut arena, WOLF, 60.0, 60.0);
    let player = arena.add(AVATAR, 100.0, 100.0);
    arena.put(wolf, 101.0, 100.0);
    let row = arena.row(wolf);
    arena.world.game.health[row] = 10;
    arena.tick();
    arena.press(player, STRIKE);
    arena.put(wolf, 101.0, 100.0);
    arena.tick();
    arena.press(player, 0);
    assert_eq!(arena.deaths.len(), 1);
    let died_tick = arena.world.tick();
    let place = arena.place(wolf);
    while arena.health(wolf) == 0 {
        let row = arena.row(wolf);
        assert_eq!(arena.place(wolf), place, "the dead lie still");
        assert_eq!(arena.world.game.state[row] & state::DEAD, state::DEAD);
        arena.tick();
        assert!(arena.world.tick() < 1_000);
    }
    // Its block's turn to think comes every eighth tick.
    assert!((600..608).contains(&(arena.world.tick() - died_tick)));
    let row = arena.row(wolf);
    assert_eq!((arena.health(wolf), arena.place(wolf)), (100, Vec2::new(60.0, 60.0)));
    assert_eq!(arena.world.game.state[row], 0);
}

#[test]
fn it_thinks_seldom_with_nobody_near_and_as_seldom_as_it_is_told() {
    for (divisor, is_watched, pause_ticks) in
        [(1, false, 32), (1, true, 8), (4, false, 128), (4, true, 32), (0, true, 8)]
    {
        let mut arena = arena();
        arena.think_divisor = divisor;
        let boar = creature(&mut arena, BOAR, 100.0, 100.0);
        if is_watched {
            arena.add(AVATAR, 105.0, 100.0);
        }
        let row = arena.row(boar);
        let mut thoughts = Vec::new();
        for _ in 0..600 {
            let before = arena.world.game.think_tick[row];
            arena.tick();
            if arena.world.game.think_tick[row] != before {
                thoughts.push(arena.world.tick());
            }
        }
        assert!(thoughts.len() > 3);
        let pauses: Vec<_> = thoughts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.iter().all(|pause| *pause == pause_ticks), "{divisor} {is_watched}: {pauses:?}");
    }
}

#[test]
fn it_roams_about_its_home() {
    let mut arena = arena();
    let wolf = creature(&mut arena, WOLF, 100.0, 100.0);
    let mut furthest_m = 0.0_f32;
    for _ in 0..4_000 {
        arena.tick();
        furthest_m = furthest_m.max(arena.place(wolf).distance(Vec2::new(100.0, 100.0)));
    }
    // 12 m, and what it goes between two thoughts at 2.25 m/s.
    assert!((3.0..15.7).contains(&furthest_m), "{furthest_m}");
}

#[test]
fn a_species_that_nobody_knows_does_nothing() {
    let mut arena = arena();
    let odd = creature(&mut arena, 200, 100.0, 100.0);
    let player = arena.add(AVATAR, 101.0, 100.0);
    arena.ticks(10);
    arena.press(player, STRIKE);
    let row = arena.row(player);
    arena.world.body.yaw[row] = 0x8000;
    let row = arena.row(odd);
    arena.world.game.health[row] = 5;
    arena.ticks(50);
    assert_eq!((arena.health(odd), arena.health(player)), (0, 100));
}

#[test]
fn wild_ones_fit_their_kind_and_a_full_world_says_so() {
    let mut arena = arena();
    let mut random = Random::of_tick(1, 0, 0);
    for number in 0..1_000 {
        let place = Vec2::new(number as f32 * 0.2, 50.0);
        let id = arena.creatures.roam_free(&mut arena.world, &arena.land, place, &mut random).unwrap();
        let (row, game) = (arena.row(id), &arena.world.game);
        let species = &arena.creatures.species()[usize::from(game.species[row])];
        assert_eq!(game.health[row], species.health_at(game.level[row]));
        assert_eq!(arena.place(id), place);
    }
    assert!(arena.creatures.roam_free(&mut arena.world, &arena.land, Vec2::ZERO, &mut random).is_err());
}

#[test]
fn spawn_areas_are_filled_as_the_land_says() {
    let land = Land::generate(&GenerateConfig { seed: 1, width_m: 512, height_m: 512 }).unwrap();
    let asked: u32 = land.spawn_areas().iter().map(|area| u32::from(area.count)).sum();
    assert!(asked > 10, "a land without creatures proves nothing: {asked}");
    let mut arena = arena();
    let config = WorldConfig { width_m: 512.0, height_m: 512.0, ..arena.world.config().clone() };
    arena.world = World::new(WorldConfig { entities_max: asked, ..config.clone() }).unwrap();
    let random = Random::of_tick(1, 0, 0);
    assert_eq!(arena.creatures.populate(&mut arena.world, &land, random), Ok(asked));
    for row in throng_engine::live_rows(0..arena.world.rows(), arena.world.live()) {
        let (game, body) = (&arena.world.game, &arena.world.body);
        let area = &land.spawn_areas()[game.owner[row] as usize];
        assert!((area.level_min.max(1)..=area.level_max.max(1)).contains(&game.level[row]));
        assert!(land.is_free(body.x[row], body.y[row]));
        let species = &arena.creatures.species()[usize::from(game.species[row])];
        assert_eq!(game.health[row], species.health_at(game.level[row]));
    }
    arena.world = World::new(WorldConfig { entities_max: asked - 1, ..config }).unwrap();
    let refused = arena.creatures.populate(&mut arena.world, &land, random);
    assert_eq!(refused, Err(WorldFull { entities_max: asked - 1 }));
}

#[test]
fn health_grows_with_levels_and_never_wraps() {
    let species = Species { health: 60, ..Species::table().remove(0) };
    assert_eq!([0, 1, 2, 11].map(|level| species.health_at(level)), [60, 60, 72, 180]);
    assert_eq!(Species { health: u16::MAX, ..species }.health_at(255), u16::MAX);
}
