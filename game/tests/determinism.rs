//! Same inputs, same bits: at any thread count and any SIMD level, with all rules on.

mod common;

use common::Stage;
use throng_engine::simd::Level;
use throng_engine::{Digest, Random};
use throng_game::{Counter, Notice};

const ENTITIES: u32 = 100_000;
const PLAYERS: u32 = 400;
const TICKS: u32 = 1_000;

/// Digests of the state, of some snapshots and of all notices, every 50 ticks.
fn run(threads: usize, level: Level) -> Vec<[u64; 3]> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut stage = Stage::new(3_000, ENTITIES, PLAYERS, level);
        let mut digests = Vec::new();
        let mut notices = Digest::default();
        for tick in 1..=TICKS {
            if tick % 25 == 0 {
                stage.replace(&mut Random::of_tick(5, tick, 2));
            }
            stage.step();
            let mut snapshots = Digest::default();
            stage.encode(50, |bytes| bytes.iter().for_each(|byte| snapshots.push(u64::from(*byte))));
            for (player, notice) in stage.game.notices() {
                notices.push(player.0.into());
                push(&mut notices, &notice);
            }
            if tick % 50 == 0 {
                digests.push([stage.game.digest(), snapshots.value(), notices.value()]);
            }
        }
        stage.game.economy().audit().unwrap();
        let counters = stage.game.counters();
        let happened = [
            counters.commands_done,
            counters.commands_refused,
            counters.avatars_died,
            counters.creatures_died,
            counters.departed,
            counters.drops_expired,
            counters.trades_parted,
            stage.done(Counter::Trades),
            stage.done(Counter::Finds),
            stage.game.economy().transfers(),
        ];
        assert!(happened.iter().all(|count| *count > 0), "not all was tried: {happened:?} {counters:?}");
        assert_eq!(counters.ledger_imbalance, 0);
        digests
    })
}

fn push(digest: &mut Digest, notice: &Notice<'_>) {
    let words = format!("{notice:?}");
    words.bytes().for_each(|byte| digest.push(byte.into()));
}

#[test]
fn a_hundred_thousand_entities_for_a_thousand_ticks() {
    let expected = run(1, Level::best());
    assert_eq!(expected.len(), 20);
    assert!(expected.windows(2).all(|pair| pair[0] != pair[1]), "the world moves");
    assert_eq!(run(7, Level::best()), expected, "7 threads");
    for level in Level::available().skip(1) {
        assert_eq!(run(2, level), expected, "2 threads, {level}");
    }
}
