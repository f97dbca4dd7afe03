//! Same inputs, same bits: at any thread count and any SIMD level.

use glam::Vec2;
use throng_engine::simd::Level;
use throng_engine::{Digest, Random};
use throng_game::{Game, GameConfig, Intent, Request, Spawn, Viewer, WorldConfig};

const ENTITIES: u32 = 100_000;
const PLAYERS: u32 = 400;
const TICKS: u32 = 1_000;

/// Digests of the state and of some snapshots, every 100 ticks.
fn run(threads: usize, level: Level) -> Vec<(u64, u64)> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let world = WorldConfig {
            width_m: 4_000.0,
            height_m: 4_000.0,
            view_radius_m: 50.0,
            entities_max: ENTITIES,
            tick_hz: 20,
            seed: 11,
            refresh_ticks: 40,
        };
        let config = GameConfig { world, creatures: ENTITIES - PLAYERS, spawn: Spawn::Everywhere };
        let mut game = Game::with_level(config, level).unwrap();
        let mut players: Vec<_> = (0..PLAYERS).map(|_| (game.join().unwrap(), Viewer::default())).collect();
        let mut digests = Vec::new();
        let mut out = [0; 1160];
        for tick in 1..=TICKS {
            let mut random = Random::of_tick(5, tick, 0);
            for (id, _) in &players {
                if random.below(40) == 0 {
                    let direction = Vec2::new(random.unit() - 0.5, random.unit() - 0.5) * 3.0;
                    game.intend(*id, Intent { direction, yaw: random.next_u32() as u16, buttons: 0 });
                }
            }
            if tick % 50 == 0 {
                let (id, _) = players.swap_remove(random.below(players.len() as u32) as usize);
                game.leave(id);
                players.push((game.join().unwrap(), Viewer::default()));
            }
            game.tick();
            let mut snapshots = Digest::default();
            for (id, viewer) in players.iter_mut().take(50) {
                let request = Request {
                    own: *id,
                    acked_tick: (tick - 1).saturating_sub(tick % 3),
                    ..Request::fresh(*id)
                };
                let encoded = game.encode(viewer, &request, &mut out).unwrap();
                out[..encoded.bytes].iter().for_each(|byte| snapshots.push(u64::from(*byte)));
            }
            if tick % 100 == 0 {
                digests.push((game.digest(), snapshots.value()));
            }
        }
        digests
    })
}

#[test]
fn a_hundred_thousand_entities_for_a_thousand_ticks() {
    let expected = run(1, Level::best());
    assert_eq!(expected.len(), 10);
    assert!(expected.windows(2).all(|pair| pair[0] != pair[1]), "the world moves");
    for threads in [2, 7] {
        assert_eq!(run(threads, Level::best()), expected, "{threads} threads");
    }
    for level in Level::available().skip(1) {
        assert_eq!(run(2, level), expected, "{level}");
    }
}
