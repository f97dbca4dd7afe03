//! A crowd of all kinds at war, at several thread counts and SIMD levels: the same bits.

use glam::Vec2;
use throng_engine::simd::Level;
use throng_engine::{Random, WorldConfig};
use throng_motion::{GenerateConfig, Land};

use super::CombatRules;
use crate::arena::Arena;
use crate::{AVATAR, buttons};

const SIDE_M: u32 = 400;
const AVATARS: u32 = 2_000;
const CREATURES: u32 = 2_000;
const TICKS: u32 = 200;

/// Digests of every tick, and what came of it.
fn run(threads: usize, level: Level) -> (Vec<u64>, super::CombatCounts) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let config = WorldConfig {
            width_m: SIDE_M as f32,
            height_m: SIDE_M as f32,
            view_radius_m: 20.0,
            // Many more rows than one thread would keep to itself.
            entities_max: 40_000,
            tick_hz: 20,
            seed: 5,
            refresh_ticks: 40,
        };
        let land = Land::generate(&GenerateConfig { seed: 2, width_m: SIDE_M, height_m: SIDE_M }).unwrap();
        let rules = CombatRules { strike_targets_max: 3, ..CombatRules::default() };
        let mut arena = Arena::with(config, rules, land, level);
        let mut random = Random::of_tick(1, 0, 0);
        let mut place = || Vec2::new(random.unit(), random.unit()) * SIDE_M as f32;
        let places: Vec<_> = (0..AVATARS + CREATURES).map(|_| place()).collect();
        let (of_avatars, of_creatures) = places.split_at(AVATARS as usize);
        let avatars: Vec<_> = of_avatars.iter().map(|at| arena.add(AVATAR, at.x, at.y)).collect();
        for at in of_creatures {
            arena.creatures.roam_free(&mut arena.world, &arena.land, *at, &mut random).unwrap();
        }
        arena.tick();
        let mut digests = Vec::new();
        for tick in 0..TICKS {
            let mut random = Random::of_tick(2, tick, 0);
            for id in &avatars {
                let row = arena.row(*id);
                if arena.world.game.health[row] == 0 {
                    arena.world.game.health[row] = 100;
                }
                if random.below(10) == 0 {
                    let yaw = random.next_u32() as u16;
                    let (x, y) = throng_engine::angle::direction(yaw);
                    arena.world.body.yaw[row] = yaw;
                    (arena.world.game.wish_x[row], arena.world.game.wish_y[row]) = (x, y);
                }
                arena.press(
                    *id,
                    [buttons::STRIKE, buttons::SHOOT, buttons::BLAST, 0][random.below(4) as usize],
                );
                arena.world.game.shown_tick[row] = arena.world.tick().saturating_sub(random.below(14));
            }
            arena.tick();
            digests.push(arena.world.digest());
        }
        (digests, arena.combat.counts())
    })
}

#[test]
fn a_war_is_the_same_at_any_thread_count_and_level() {
    let expected = run(1, Level::best());
    let counts = expected.1;
    // It is a war, with all that can happen in one.
    assert!(counts.hits > 5_000 && counts.deaths > 100 && counts.shots > 2_000, "{counts:?}");
    assert!(counts.late > 0 && counts.blocked > 0 && counts.rewinds_cut > 0, "{counts:?}");
    assert!(expected.0.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(run(3, Level::best()), expected, "3 threads");
    for level in Level::available().skip(1) {
        assert_eq!(run(2, level), expected, "{level}");
    }
}
