//! Random worlds over a bad network: the view equals what the server sent, always.

mod reference;

use std::collections::BTreeMap;

use reference::{Rng, Server};
use throng_client::{Applied, FarEntity, View};

/// What the network does to snapshots, in percent.
#[derive(Clone, Copy, Debug)]
struct Network {
    loss: u64,
    duplicate: u64,
    delay_ticks_max: u64,
}

/// The far set by the contract's words: a map, and three sentences.
#[derive(Default)]
struct FarModel(BTreeMap<u32, FarEntity>);

impl FarModel {
    fn apply(&mut self, parts: &reference::Parts, view: &View, refresh_ticks: u32) {
        for r in &parts.far {
            let (id, tick) = (r.id(), parts.tick);
            let entity = FarEntity {
                id,
                tick,
                x: r.x(),
                y: r.y(),
                z: r.z(),
                units: view.units_of(r.x(), r.y(), r.z()),
                yaw: r.yaw(),
                attr0_high: r.attr0_high(),
            };
            self.0.insert(id, entity);
        }
        self.0.retain(|id, entity| {
            !view.near().iter().any(|e| e.id == *id) && parts.tick - entity.tick <= refresh_ticks + 32
        });
    }
}

fn play(seed: u64, ticks: u32, near_mean: u64, network: Network) -> View {
    println!("seed {seed}, {network:?}");
    let mut server = Server::new(seed, near_mean);
    let mut dice = Rng(seed ^ 0xD1CE);
    let mut view = View::new();
    let mut truth = BTreeMap::new();
    let mut far = FarModel::default();
    // Snapshots under way by the tick of arrival, and ticks that the server knows to be reconstructed.
    let mut under_way: Vec<(u32, u32)> = Vec::new();
    let mut messages = BTreeMap::new();
    let mut acked: Vec<u32> = Vec::new();
    let mut reconstructed: Vec<u32> = Vec::new();

    for _ in 0..ticks {
        server.step();
        let tick = server.tick;
        acked.retain(|&acked| tick - acked <= 32);
        // Any acknowledged tick may serve, not only the newest; sometimes none.
        let baseline = match acked.len() {
            0 => 0,
            _ if dice.percent(3) => 0,
            count => acked[dice.below(count as u64) as usize],
        };
        let with_digest = dice.percent(50);
        let (parts, list) = server.snapshot(baseline, with_digest);
        messages.insert(tick, (parts.bytes(), parts));
        truth.insert(tick, list);
        if !dice.percent(network.loss) {
            under_way.push((tick + dice.below(network.delay_ticks_max + 1) as u32, tick));
            if dice.percent(network.duplicate) {
                under_way.push((tick + dice.below(network.delay_ticks_max + 3) as u32, tick));
            }
        }
        // What arrives in one tick arrives in any order.
        let mut arriving: Vec<u32> =
            under_way.iter().filter(|(due, _)| *due == tick).map(|&(_, sent)| sent).collect();
        under_way.retain(|(due, _)| *due != tick);
        while !arriving.is_empty() {
            let sent = arriving.swap_remove(dice.below(arriving.len() as u64) as usize);
            let (bytes, parts) = &messages[&sent];
            let newest_before = view.newest_tick();
            match view.apply_bytes(bytes).unwrap_or_else(|error| panic!("seed {seed} tick {sent}: {error}")) {
                Applied::Stale => assert!(sent <= newest_before),
                Applied::Reconstructed { tick: applied, checked } => {
                    assert_eq!(applied, sent);
                    assert_eq!(checked, parts.digest != 0);
                    assert_eq!(view.newest_tick(), sent);
                    assert_eq!(view.near(), truth[&sent], "seed {seed} tick {sent}");
                    reconstructed.push(sent);
                    far.apply(parts, &view, u32::from(server.refresh_ticks));
                    if dice.percent(80) {
                        acked.push(view.ack_tick());
                    }
                }
            }
            let mut held = view.far().to_vec();
            held.sort_by_key(|entity| entity.id);
            assert_eq!(held, far.0.values().copied().collect::<Vec<_>>(), "seed {seed} tick {tick}");
        }
        for tick in reconstructed.iter().rev().take(64) {
            assert_eq!(view.near_at(*tick), Some(&truth[tick][..]), "seed {seed}");
        }
        if let Some(lost) = reconstructed.len().checked_sub(65) {
            assert_eq!(view.near_at(reconstructed[lost]), None);
        }
        if reconstructed.len() > 65 {
            reconstructed.remove(0);
        }
    }
    let counters = view.counters();
    assert_eq!((counters.unusable, counters.mismatches, counters.decode_errors), (0, 0, 0), "seed {seed}");
    assert!(counters.reconstructed > 0);
    view
}

#[test]
fn the_view_is_exact_on_a_perfect_network() {
    let view = play(1, 300, 50, Network { loss: 0, duplicate: 0, delay_ticks_max: 0 });
    assert_eq!(view.counters().reconstructed, 300);
    assert!(view.counters().digests_checked > 100);
}

#[test]
fn the_view_is_exact_under_loss_reordering_and_duplicates() {
    for seed in 2..30 {
        let mut dice = Rng(seed);
        let network =
            Network { loss: dice.below(40), duplicate: dice.below(30), delay_ticks_max: dice.below(12) };
        play(seed, 200, dice.below(60) + 1, network);
    }
}

#[test]
fn a_warm_view_allocates_nothing() {
    let mut server = Server::new(77, 50);
    let mut view = View::new();
    let mut memory_bytes = 0;
    for tick in 1..=1200 {
        server.step();
        let (parts, _) = server.snapshot(if tick % 50 == 1 { 0 } else { tick - 1 }, true);
        view.apply_bytes(&parts.bytes()).expect("an honest snapshot");
        if tick == 200 {
            memory_bytes = view.memory_bytes();
        }
    }
    assert_eq!(view.memory_bytes(), memory_bytes);
}
