use glam::Vec2;
use throng_engine::EntityId;

use super::*;
use crate::arena::{Arena, meadow, walled};
use crate::buttons::{BLAST, SHOOT, STRIKE};
use crate::{AVATAR, CREATURE, DROP, PROJECTILE, SHOPKEEPER, SPEED_MAX_M_S, state};

fn arena() -> Arena {
    Arena::new(CombatRules::default(), meadow())
}

/// An avatar at (100, 100) that looks along x, pressing `buttons`.
fn attacker(arena: &mut Arena, buttons: u16) -> EntityId {
    let id = arena.add(AVATAR, 100.0, 100.0);
    arena.press(id, buttons);
    id
}

fn projectiles(arena: &Arena) -> usize {
    let live = throng_engine::live_rows(0..arena.world.rows(), arena.world.live());
    live.filter(|&row| arena.world.game.kind[row] == PROJECTILE).count()
}

#[test]
fn a_strike_hits_who_is_in_front_and_in_reach() {
    // Offset from the striker, and whether it is hit. 60 degrees are tan 1.732.
    let cases = [
        ((2.4, 0.0), true),
        ((2.6, 0.0), false),
        ((0.0, 0.0), true),
        ((-1.0, 0.0), false),
        ((1.0, 1.6), true),
        ((1.0, -1.6), true),
        ((1.0, 1.9), false),
        ((-0.1, 1.0), false),
    ];
    for ((x, y), is_hit) in cases {
        let mut arena = arena();
        let victim = arena.add(AVATAR, 100.0 + x, 100.0 + y);
        arena.tick();
        attacker(&mut arena, STRIKE);
        arena.tick();
        assert_eq!(arena.health(victim), if is_hit { 88 } else { 100 }, "{x} {y}");
        let counts = arena.combat.counts();
        assert_eq!((counts.hits, counts.misses), (u64::from(is_hit), u64::from(!is_hit)), "{x} {y}");
    }
}

#[test]
fn the_nearest_is_hit_or_as_many_as_the_rules_say() {
    for targets_max in 1..=4 {
        let rules = CombatRules { strike_targets_max: targets_max, ..CombatRules::default() };
        let mut arena = Arena::new(rules, meadow());
        let victims = [2.0, 1.0, 1.5].map(|x| arena.add(AVATAR, 100.0 + x, 100.0));
        arena.tick();
        attacker(&mut arena, STRIKE);
        arena.tick();
        let is_hit = victims.map(|id| arena.health(id) < 100);
        assert_eq!(is_hit, [targets_max >= 3, true, targets_max >= 2]);
    }
}

#[test]
fn whoever_has_attacked_rests_as_long_as_the_attack_says() {
    for (button, rest_ticks) in [(STRIKE, 16_u32), (SHOOT, 20), (BLAST, 60)] {
        let mut arena = arena();
        arena.tick();
        let id = attacker(&mut arena, button);
        for tick in 0..=2 * rest_ticks {
            arena.press(id, button);
            arena.tick();
            assert_eq!(arena.combat.counts().attacks, 1 + u64::from(tick / rest_ticks));
        }
        assert_eq!(arena.combat.counts().refused_resting, 2 * u64::from(rest_ticks - 1));
        let row = arena.row(id);
        assert_eq!(arena.world.game.state[row] & state::ACTING, state::ACTING);
    }
}

#[test]
fn the_dead_do_not_attack() {
    let mut arena = arena();
    let victim = arena.add(AVATAR, 101.0, 100.0);
    arena.tick();
    let id = attacker(&mut arena, STRIKE);
    let row = arena.row(id);
    arena.world.game.health[row] = 0;
    arena.tick();
    assert_eq!(arena.health(victim), 100);
    assert_eq!((arena.combat.counts().refused_dead, arena.combat.counts().attacks), (1, 0));
    assert_eq!(arena.world.game.state[row], state::DEAD);
}

#[test]
fn only_the_living_that_one_may_hurt_are_hit() {
    for button in [STRIKE, BLAST, SHOOT] {
        let mut arena = arena();
        // Where any of the attacks would find them.
        let x = if button == BLAST { 108.0 } else { 102.0 };
        let spared: Vec<_> = [SHOPKEEPER, DROP, PROJECTILE, crate::NOBODY]
            .map(|kind| arena.add(kind, x, 100.0))
            .into_iter()
            .collect();
        for id in &spared {
            let row = arena.row(*id);
            arena.world.game.expire_tick[row] = u32::MAX;
        }
        let dead = arena.add(AVATAR, x, 100.0);
        let row = arena.row(dead);
        arena.world.game.health[row] = 0;
        arena.tick();
        let id = attacker(&mut arena, button);
        arena.tick();
        arena.press(id, 0);
        arena.ticks(30);
        assert_eq!((arena.combat.counts().hits, arena.combat.counts().attacks), (0, 1));
        assert!(
            spared
                .iter()
                .filter_map(|id| arena.world.slot(*id))
                .all(|slot| { arena.world.game.health[slot.row()] == 100 })
        );
        assert_eq!(arena.health(id), 100, "nobody hits oneself");
    }
}

#[test]
fn players_hurt_one_another_only_where_that_is_the_rule() {
    for button in [STRIKE, BLAST, SHOOT] {
        let mut arena = Arena::new(CombatRules { pvp: false, ..CombatRules::default() }, meadow());
        let x = if button == BLAST { 108.0 } else { 102.0 };
        let (player, creature) = (arena.add(AVATAR, x, 100.0), arena.add(CREATURE, x, 100.5));
        let row = arena.row(creature);
        arena.world.game.species[row] = 1;
        arena.tick();
        let id = attacker(&mut arena, button);
        arena.tick();
        arena.press(id, 0);
        arena.ticks(5);
        assert_eq!(arena.health(player), 100);
        assert!(arena.health(creature) < 100);
    }
}

#[test]
fn a_wall_takes_every_attack() {
    for (button, blocked) in [(STRIKE, 1), (BLAST, 1), (SHOOT, 1)] {
        let mut arena =
            Arena::new(CombatRules::default(), walled(Vec2::new(101.0, 80.0), Vec2::new(101.0, 120.0)));
        let x = if button == BLAST { 108.0 } else { 102.0 };
        let victim = arena.add(AVATAR, x, 100.0);
        arena.tick();
        let id = attacker(&mut arena, button);
        arena.tick();
        arena.press(id, 0);
        arena.ticks(10);
        assert_eq!(arena.health(victim), 100);
        assert_eq!(arena.combat.counts().blocked, blocked);
        assert_eq!(projectiles(&arena), 0);
    }
}

#[test]
fn a_blast_does_not_reach_round_a_corner() {
    // The middle of the blast, at 108, is in the open; the wall stands between it and the victim.
    let mut arena =
        Arena::new(CombatRules::default(), walled(Vec2::new(106.0, 101.5), Vec2::new(112.0, 101.5)));
    let (behind, beside) = (arena.add(AVATAR, 108.0, 103.0), arena.add(AVATAR, 108.0, 97.0));
    arena.tick();
    attacker(&mut arena, BLAST);
    arena.tick();
    assert_eq!((arena.health(behind), arena.health(beside) < 100), (100, true));
}

#[test]
fn an_attack_hits_where_its_player_saw_the_others_within_bounds() {
    // The victim stands within reach until tick 20, then is 3 m further each tick: out of reach, and too far to be
    // found by chance. Struck at tick 25, 30 or 31, by one who claims to have seen tick `shown`.
    let strike = |at: u32, shown: u32| {
        let mut arena = arena();
        let victim = arena.add(AVATAR, 102.0, 100.0);
        let id = attacker(&mut arena, 0);
        while arena.world.tick() + 1 < at {
            if arena.world.tick() + 1 > 20 {
                let x = arena.place(victim).x + 0.24;
                arena.put(victim, x, 100.0);
            }
            arena.tick();
        }
        arena.press(id, STRIKE);
        let row = arena.row(id);
        arena.world.game.shown_tick[row] = shown;
        arena.tick();
        (arena.combat.counts().hits, arena.combat.counts().rewinds_cut)
    };
    assert_eq!(strike(25, 24), (0, 0), "seen as it is");
    assert_eq!(strike(25, 20), (1, 0), "seen as it was");
    assert_eq!(strike(25, u32::MAX), (0, 0), "the future is now");
    assert_eq!(strike(31, 20), (1, 0), "ten ticks before the newest that anybody can have seen");
    assert_eq!(strike(34, 20), (0, 1), "longer ago is cut to ten ticks");
    assert_eq!(strike(1_034, 34), (0, 1), "a thousand ticks are");
}

#[test]
fn a_rewind_is_bounded_by_time_whatever_the_tick_rate() {
    let ticks = [1, 2, 10, 20, 60, 1_000].map(rules::rewind_ticks_max);
    assert_eq!(ticks, [1, 1, 5, 10, 30, 30], "and by what the engine remembers");
}

#[test]
fn saved_time_dodges_nothing() {
    // The victim has saved eight steps and spends them: two in each tick, away from where the attacker saw it.
    let steps_m = |steps: u32| steps as f32 * SPEED_MAX_M_S / 20.0;
    for ticks in 1..=10 {
        let mut arena = arena();
        let victim = arena.add(AVATAR, 102.4, 100.0);
        let id = attacker(&mut arena, 0);
        arena.ticks(20);
        let shown = arena.world.tick();
        for tick in 1..=ticks {
            arena.put(victim, 102.4 + steps_m((2 * tick).min(tick + 8)), 100.0);
            arena.tick();
        }
        arena.press(id, STRIKE);
        let row = arena.row(id);
        arena.world.game.shown_tick[row] = shown;
        arena.tick();
        assert_eq!(arena.combat.counts().hits, 1, "{ticks} ticks ago");
    }
    // By two steps into the first metre of a projectile's path.
    let mut arena = arena();
    let victim = arena.add(AVATAR, 101.49 + steps_m(2), 100.0);
    arena.tick();
    let id = attacker(&mut arena, SHOOT);
    arena.tick();
    arena.press(id, 0);
    arena.put(victim, 101.49, 100.0);
    arena.tick();
    assert_eq!(arena.combat.counts().hits, 1);
}

#[test]
fn who_has_moved_to_another_cell_since_is_hit_where_it_is_now() {
    let strike = |shown_ticks_ago: u32| {
        let mut arena = arena();
        // Cells are 40 m: the border is at 120.
        let victim = arena.add(AVATAR, 119.0, 100.0);
        let id = arena.add(AVATAR, 119.5, 100.0);
        arena.ticks(3);
        let row = arena.row(victim);
        arena.put(victim, 121.5, 100.0);
        arena.tick();
        assert_ne!(arena.row(victim), row, "it has changed its row");
        arena.tick();
        arena.press(id, STRIKE);
        let (row, tick) = (arena.row(id), arena.world.tick());
        arena.world.game.shown_tick[row] = tick - shown_ticks_ago;
        arena.tick();
        arena.health(victim)
    };
    assert_eq!((strike(0), strike(4)), (88, 88));
}

#[test]
fn a_shot_flies_until_it_meets_the_first_in_its_way() {
    let mut arena = arena();
    let (far, near) = (arena.add(AVATAR, 115.0, 100.2), arena.add(AVATAR, 110.0, 99.7));
    let beside = arena.add(AVATAR, 105.0, 101.0);
    arena.tick();
    let id = attacker(&mut arena, SHOOT);
    arena.tick();
    arena.press(id, 0);
    assert_eq!(projectiles(&arena), 1);
    arena.ticks(8);
    assert_eq!(arena.health(near), 100, "eight metres on");
    arena.ticks(2);
    assert_eq!([far, near, beside].map(|id| arena.health(id)), [100, 91, 100]);
    assert_eq!(projectiles(&arena), 0);
    for id in [id, near] {
        let row = arena.row(id);
        assert_eq!(arena.world.game.state[row] & state::FIGHTING, state::FIGHTING);
    }
}

#[test]
fn a_shot_falls_at_its_end_and_at_the_end_of_the_world() {
    for (x, yaw, ticks) in [(100.0, 0, 30), (199.5, 0, 1)] {
        let mut arena = arena();
        let id = arena.add(AVATAR, x, 100.0);
        let row = arena.row(id);
        arena.world.body.yaw[row] = yaw;
        arena.tick();
        arena.press(id, SHOOT);
        arena.tick();
        arena.press(id, 0);
        arena.ticks(ticks - 1);
        assert_eq!(projectiles(&arena), 1, "{ticks}");
        arena.tick();
        assert_eq!(projectiles(&arena), 0);
        assert_eq!(arena.combat.counts().hits, 0);
    }
}

#[test]
fn no_more_shots_than_the_rules_say_are_in_the_air() {
    let rules = CombatRules { shots_max: 1, shot_rest_ticks: 1, ..CombatRules::default() };
    let mut arena = Arena::new(rules, meadow());
    arena.tick();
    let id = attacker(&mut arena, SHOOT);
    for _ in 0..40 {
        arena.press(id, SHOOT);
        arena.tick();
        assert!(projectiles(&arena) <= 1);
    }
    let counts = arena.combat.counts();
    assert_eq!((counts.shots, counts.refused_full), (2, 38), "the second when the first had fallen");
}

#[test]
fn a_shot_kills_for_one_who_has_left() {
    let mut arena = arena();
    let victim = arena.add(AVATAR, 105.0, 100.0);
    let row = arena.row(victim);
    arena.world.game.health[row] = 5;
    arena.tick();
    let id = attacker(&mut arena, SHOOT);
    arena.tick();
    arena.world.despawn(id);
    while arena.deaths.is_empty() {
        arena.tick();
        assert!(arena.world.tick() < 20);
    }
    assert_eq!((arena.deaths[0].victim, arena.deaths[0].killer), (victim, id));
}

#[test]
fn a_blast_hits_everybody_around_its_middle_less_towards_the_rim() {
    let mut arena = arena();
    let places = [(108.0, 100.0), (108.0, 102.0), (108.0, 103.9), (108.0, 104.1), (103.9, 100.0)];
    let victims = places.map(|(x, y)| arena.add(AVATAR, x, y));
    arena.tick();
    let id = attacker(&mut arena, BLAST);
    arena.tick();
    assert_eq!(victims.map(|id| arena.health(id)), [85, 89, 93, 100, 100]);
    assert_eq!(arena.health(id), 100);
}

#[test]
fn a_blast_in_a_crowd_is_bounded() {
    let mut arena = arena();
    for number in 0..200 {
        arena.add(AVATAR, 107.0 + number as f32 * 0.01, 100.0);
    }
    arena.tick();
    attacker(&mut arena, BLAST);
    arena.tick();
    assert_eq!(arena.combat.counts().hits, 32);
}

#[test]
fn whoever_brings_the_last_point_is_the_killer_and_blows_at_the_dead_are_counted() {
    let mut arena = Arena::new(CombatRules { pvp: false, ..CombatRules::default() }, meadow());
    let victim = arena.add(CREATURE, 101.0, 100.0);
    let row = arena.row(victim);
    arena.world.game.species[row] = 1;
    arena.world.game.health[row] = 20;
    let killers = [(); 3].map(|()| attacker(&mut arena, 0));
    arena.tick();
    killers.iter().for_each(|id| arena.press(*id, STRIKE));
    arena.tick();
    // Rows in one cell are given in order.
    let death = Death { victim, killer: killers[1], x: 101.0, y: 100.0 };
    assert_eq!(arena.deaths, [death]);
    let counts = arena.combat.counts();
    assert_eq!((counts.hits, counts.points, counts.late, counts.deaths), (2, 20, 1, 1));
    assert_eq!(arena.world.game.state[row] & state::DEAD, state::DEAD);
    assert_eq!((arena.world.game.buttons[row], arena.world.game.target[row]), (0, 0));
    arena.tick();
    assert_eq!(arena.deaths, []);
}

#[test]
fn two_who_strike_each_other_down_both_die() {
    let mut arena = arena();
    let two = [(100.0, 0), (101.0, 0x8000)].map(|(x, yaw)| {
        let id = arena.add(AVATAR, x, 100.0);
        let row = arena.row(id);
        arena.world.game.health[row] = 1;
        arena.world.body.yaw[row] = yaw;
        id
    });
    arena.tick();
    two.iter().for_each(|id| arena.press(*id, STRIKE));
    arena.tick();
    let killers: Vec<_> = arena.deaths.iter().map(|death| (death.victim, death.killer)).collect();
    assert_eq!(killers, [(two[1], two[0]), (two[0], two[1])]);
}

#[test]
fn health_comes_back_after_the_fight() {
    let mut arena = arena();
    let victim = arena.add(AVATAR, 101.0, 100.0);
    arena.tick();
    let id = attacker(&mut arena, STRIKE);
    arena.tick();
    arena.press(id, 0);
    arena.ticks(199);
    let row = arena.row(victim);
    assert_eq!((arena.health(victim), arena.world.game.state[row]), (88, state::FIGHTING));
    arena.ticks(1);
    assert_eq!(arena.world.game.state[row], 0);
    arena.ticks(40);
    assert!((90..=94).contains(&arena.health(victim)), "two points a second, found {}", arena.health(victim));
    arena.ticks(200);
    assert_eq!(arena.health(victim), 100);
}

#[test]
fn the_dead_do_not_mend() {
    let mut arena = arena();
    let id = arena.add(AVATAR, 101.0, 100.0);
    let row = arena.row(id);
    arena.world.game.health[row] = 0;
    arena.ticks(60);
    assert_eq!(arena.health(id), 0);
}

#[test]
fn levels_add_points_and_never_wrap() {
    let rules = CombatRules::default();
    assert_eq!([0, 1, 2, 11, 255].map(|level| rules.at_level(100, level)), [100, 100, 105, 150, 1_370]);
    let steep = CombatRules { level_permille: u16::MAX, ..rules };
    assert_eq!(steep.at_level(u16::MAX, 255), u16::MAX);
}

#[test]
fn impossible_rules_are_refused_by_name() {
    type Spoil = fn(&mut CombatRules);
    let spoils: [(&str, Spoil); 6] = [
        ("strike_reach_m", |rules| rules.strike_reach_m = f32::NAN),
        ("strike_targets_max", |rules| rules.strike_targets_max = 0),
        ("shot_speed_m_s", |rules| rules.shot_speed_m_s = -1.0),
        ("blast_radius_m", |rules| rules.blast_radius_m = 1e9),
        ("mend_ticks", |rules| rules.mend_ticks = 0),
        ("blast_rest_ticks", |rules| rules.blast_rest_ticks = 0),
    ];
    for (name, spoil) in spoils {
        let mut rules = CombatRules::default();
        spoil(&mut rules);
        let error = Combat::new(rules).unwrap_err();
        assert_eq!(error.name, name);
        assert!(error.to_string().contains("must lie in"));
    }
}
