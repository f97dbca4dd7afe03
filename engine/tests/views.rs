//! What clients reconstruct is what the world was: exactly, from any baseline, through loss, jumps, births and deaths.

mod common;

use std::collections::{BTreeMap, VecDeque};

use common::*;
use throng_client::View;
use throng_engine::{Encoded, EntityId, Random, Request, Viewer, World};
use throng_schema::limits::PAYLOAD_BYTES_MAX;

struct Client {
    own: EntityId,
    viewer: Viewer,
    view: View,
    acked: u32,
    /// Messages under way: (tick of arrival, bytes).
    inbox: VecDeque<(u32, Vec<u8>)>,
    acks: VecDeque<(u32, u32)>,
}

impl Client {
    fn new(own: EntityId) -> Self {
        let (inbox, acks) = (VecDeque::new(), VecDeque::new());
        Self { own, viewer: Viewer::default(), view: View::new(), acked: 0, inbox, acks }
    }

    fn encode(&mut self, world: &World<Tags>, budget_bytes: usize) -> (Encoded, Vec<u8>) {
        let mut out = [0xaa; PAYLOAD_BYTES_MAX];
        let request = Request { acked_tick: self.acked, input: 9, budget_bytes, ..Request::fresh(self.own) };
        let encoded = world.encode(&mut self.viewer, &request, &mut out).expect("the avatar lives");
        assert!(encoded.bytes <= budget_bytes);
        assert!(out[budget_bytes..].iter().all(|byte| *byte == 0xaa), "nothing is written beyond the budget");
        (encoded, out[..encoded.bytes].to_vec())
    }
}

/// Runs clients over a lossy network with late acks and checks every view that they reconstruct.
fn run(
    entities: u32,
    side_m: f32,
    budget_bytes: usize,
    ticks: u32,
    losses_in_100: u32,
    delay_max: u32,
) -> [u64; 4] {
    let seed = seed();
    let mut random = Random::of_tick(seed, 0, 1);
    let mut world = World::<Tags>::new(config(side_m, entities + 64, 40)).unwrap();
    let mut ids: Vec<EntityId> = (0..entities).map(|_| spawn(&mut world, &mut random)).collect();
    let mut clients: Vec<Client> = ids.drain(..24).map(Client::new).collect();
    let mut truths = BTreeMap::new();
    let (mut reconstructed, mut deltas, mut far_seen, mut left_out) = (0, 0, 0, 0);
    for _ in 0..ticks {
        // Some die, as many are born; now and then a player is sent elsewhere.
        for _ in 0..entities / 500 + 1 {
            let victim = random.below(ids.len() as u32) as usize;
            assert!(world.despawn(ids.swap_remove(victim)));
            ids.push(spawn(&mut world, &mut random));
        }
        if random.below(20) == 0 {
            let slot = world.slot(clients[random.below(24) as usize].own).unwrap();
            world.body.y[slot.row()] = random.unit() * world.config().height_m;
        }
        tick(&mut world, seed);
        let now = world.tick();
        truths.insert(now, truth(&world));
        truths.retain(|tick, _| tick + 64 > now);
        for client in &mut clients {
            while client.acks.front().is_some_and(|(due, _)| *due <= now) {
                client.acked = client.acks.pop_front().unwrap().1;
            }
            let (encoded, message) = client.encode(&world, budget_bytes);
            deltas += u64::from(encoded.baseline != 0);
            if random.below(100) >= losses_in_100 {
                client.inbox.push_back((now + random.below(delay_max + 1), message));
            }
            // Late messages overtake one another.
            for _ in 0..client.inbox.len() {
                let (due, message) = client.inbox.pop_front().unwrap();
                if due > now {
                    client.inbox.push_back((due, message));
                    continue;
                }
                client.view.apply_bytes(&message).expect("every message is sound");
                let tick = client.view.newest_tick();
                let expected = in_view(&truths[&tick], client.own, 50.0);
                left_out += assert_near_is_the_nearest(&client.view, &expected) as u64;
                for far in client.view.far().iter().filter(|far| far.tick == tick) {
                    let (_, entity) =
                        expected.iter().find(|(_, entity)| entity.id == far.id).expect("in view");
                    assert_eq!((far.x, far.y, far.z, far.yaw), (entity.x, entity.y, entity.z, entity.yaw));
                    assert_eq!(far.attr0_high, (entity.attr[0] >> 8) as u8);
                    far_seen += 1;
                }
                reconstructed += 1;
                if random.below(100) >= losses_in_100 {
                    client.acks.push_back((now + 1 + random.below(delay_max + 1), client.view.ack_tick()));
                }
            }
        }
    }
    let mut digests_checked = 0;
    for client in &clients {
        let counters = client.view.counters();
        assert_eq!((counters.mismatches, counters.decode_errors, counters.unusable), (0, 0, 0));
        digests_checked += counters.digests_checked;
    }
    assert!(digests_checked > 0);
    [reconstructed, deltas, far_seen, left_out]
}

#[test]
fn sparse_views_are_complete_and_exact() {
    let [reconstructed, deltas, _, left_out] = run(900, 380.0, PAYLOAD_BYTES_MAX, 300, 0, 0);
    assert_eq!(reconstructed, 300 * 24);
    assert!(deltas > reconstructed * 8 / 10, "{deltas} deltas of {reconstructed}");
    assert!(left_out < reconstructed * 5, "{left_out} left out");
}

#[test]
fn views_are_exact_through_loss_delay_and_reordering() {
    let [reconstructed, deltas, ..] = run(900, 380.0, PAYLOAD_BYTES_MAX, 400, 10, 5);
    assert!(reconstructed > 3_000 && deltas > 5_000, "{reconstructed} {deltas}");
}

#[test]
fn acks_older_than_the_history_start_afresh() {
    let [reconstructed, ..] = run(400, 300.0, PAYLOAD_BYTES_MAX, 300, 60, 40);
    assert!(reconstructed > 500, "{reconstructed}");
}

#[test]
fn crowded_views_stay_exact_under_any_budget() {
    for budget_bytes in [throng_engine::view::BUDGET_BYTES_MIN, 600, PAYLOAD_BYTES_MAX] {
        let [_, _, far, left_out] = run(1_500, 120.0, budget_bytes, 80, 5, 3);
        assert!(far > 500 && left_out > 1_000, "{budget_bytes} B: {far} far records, {left_out} left out");
    }
}

#[test]
fn everybody_in_a_crowd_is_refreshed_within_the_bound() {
    let seed = seed();
    let mut random = Random::of_tick(seed, 0, 2);
    let refresh_ticks = 40;
    let mut world = World::<Tags>::new(config(220.0, 5_000, refresh_ticks)).unwrap();
    let ids: Vec<EntityId> = (0..3_500).map(|_| spawn(&mut world, &mut random)).collect();
    let mut clients: Vec<Client> = ids[..12].iter().map(|id| Client::new(*id)).collect();
    // Per client and entity: the tick from which it has been in view without a break, and its last refresh.
    let mut watched = vec![BTreeMap::<u32, (u32, u32)>::new(); clients.len()];
    let mut ages = BTreeMap::<u32, u64>::new();
    let mut crowd_max = 0;
    for _ in 0..260 {
        tick(&mut world, seed);
        let now = world.tick();
        let truth = truth(&world);
        for (client, watched) in clients.iter_mut().zip(&mut watched) {
            let (encoded, message) = client.encode(&world, PAYLOAD_BYTES_MAX);
            assert!(encoded.round_ticks <= u32::from(refresh_ticks), "{encoded:?}");
            client.view.apply_bytes(&message).unwrap();
            client.acked = now;
            let expected = in_view(&truth, client.own, 50.0);
            crowd_max = crowd_max.max(expected.len());
            let mut still = BTreeMap::new();
            for (_, entity) in &expected {
                let (since, _) = watched.get(&entity.id).copied().unwrap_or((now, now));
                still.insert(entity.id, (since, watched.get(&entity.id).map_or(now, |seen| seen.1)));
            }
            *watched = still;
            let fresh = client.view.near().iter().map(|entity| entity.id);
            let far = client.view.far().iter().filter(|far| far.tick == now).map(|far| far.id);
            for id in fresh.chain(far) {
                watched.get_mut(&id).expect("only who is in view is sent").1 = now;
            }
            for (id, (since, refreshed)) in watched.iter() {
                let age = now - refreshed.max(since);
                assert!(age <= u32::from(refresh_ticks), "{id} is {age} ticks old at {now}");
                *ages.entry(age).or_default() += 1;
            }
        }
    }
    assert!(crowd_max > 500, "a crowd: {crowd_max}");
    assert!(ages.keys().any(|age| *age > 10), "the bound was put to the test: {ages:?}");
}

#[test]
fn a_budget_too_small_and_a_dead_avatar_give_nothing() {
    let mut random = Random::of_tick(1, 0, 0);
    let mut world = World::<Tags>::new(config(100.0, 10, 40)).unwrap();
    let own = spawn(&mut world, &mut random);
    tick(&mut world, 1);
    let mut viewer = Viewer::default();
    let mut out = [0; PAYLOAD_BYTES_MAX];
    let request = Request { budget_bytes: 64, ..Request::fresh(own) };
    assert_eq!(world.encode(&mut viewer, &request, &mut out), None);
    let request = Request { budget_bytes: PAYLOAD_BYTES_MAX, ..request };
    assert_eq!(world.encode(&mut viewer, &request, &mut out[..64]), None);
    assert!(world.encode(&mut viewer, &request, &mut out).is_some());
    world.despawn(own);
    tick(&mut world, 1);
    assert_eq!(world.encode(&mut viewer, &request, &mut out), None);
}

#[test]
fn acks_from_the_future_or_never_sent_are_no_baseline() {
    let mut random = Random::of_tick(1, 0, 0);
    let mut world = World::<Tags>::new(config(100.0, 10, 40)).unwrap();
    let own = spawn(&mut world, &mut random);
    let mut viewer = Viewer::default();
    let mut out = [0; PAYLOAD_BYTES_MAX];
    for step in 1..100u32 {
        tick(&mut world, 1);
        let acked_tick = [step, step + 1, step + 32, u32::MAX, 0, step.wrapping_sub(40)][step as usize % 6];
        let request = Request { acked_tick, ..Request::fresh(own) };
        assert_eq!(world.encode(&mut viewer, &request, &mut out).unwrap().baseline, 0, "acked {acked_tick}");
    }
}

#[test]
fn a_stack_on_one_spot_is_told_in_turns() {
    let mut world = World::<Tags>::new(config(300.0, 1_000, 40)).unwrap();
    let ids: Vec<EntityId> = (0..400).map(|_| world.spawn(glam::Vec3::ZERO, 0).unwrap().0).collect();
    let mut client = Client::new(ids[0]);
    let place = |world: &mut World<Tags>, apart_m: f32| {
        for (number, id) in ids.iter().enumerate() {
            let row = world.slot(*id).unwrap().row();
            world.body.x[row] = number as f32 * apart_m;
        }
    };
    for step in 0..200 {
        world.begin_tick();
        match step {
            100 => place(&mut world, 0.05),
            110 => place(&mut world, 0.0),
            _ => {}
        }
        world.settle();
        world.publish(|_, _, _| {});
        let (_, message) = client.encode(&world, PAYLOAD_BYTES_MAX);
        client.view.apply_bytes(&message).unwrap();
        client.acked = client.view.ack_tick();
        if (60..100).contains(&step) || step > 170 {
            assert_eq!(client.view.far().len() + client.view.near().len(), 399, "step {step}");
        }
    }
    assert_eq!(client.view.counters().mismatches, 0);
}

#[test]
fn attributes_two_and_three_appear_and_vanish() {
    let mut random = Random::of_tick(seed(), 0, 4);
    let mut world = World::<Tags>::new(config(120.0, 100, 40)).unwrap();
    let ids: Vec<EntityId> = (0..60).map(|_| spawn(&mut world, &mut random)).collect();
    // Baselines of different ages reach back beyond the changes by more or less.
    let ages = [1, 3, 12, 30];
    let mut clients: Vec<Client> = ids[..ages.len()].iter().map(|id| Client::new(*id)).collect();
    let mut told = 0;
    for step in 1..=240u32 {
        world.begin_tick();
        world.settle();
        // Longer than the history without any; then some for one tick only, then for a while, then other ones.
        let attributes = |row: usize| -> [u16; 4] {
            let is_chosen = (row as u32).wrapping_mul(7) % 5 < 2;
            match step {
                50 if is_chosen => [1, 2, 3, 0],
                100..130 if is_chosen => [1, 2, 0, 9],
                130..150 if is_chosen => [1, 2, step as u16, 9],
                150..160 if !is_chosen => [1, 2, 0xffff, 0xffff],
                _ => [1, 2, 0, 0],
            }
        };
        world.publish(|_, first, rows| {
            for (row, attr) in rows.iter_mut().enumerate() {
                *attr = attributes(first + row);
            }
        });
        for (client, age) in clients.iter_mut().zip(ages) {
            let (encoded, message) = client.encode(&world, PAYLOAD_BYTES_MAX);
            client.view.apply_bytes(&message).expect("every message is sound");
            client.acks.push_back((step + age, client.view.ack_tick()));
            while client.acks.front().is_some_and(|(due, _)| *due <= step + 1) {
                client.acked = client.acks.pop_front().unwrap().1;
            }
            for seen in client.view.near() {
                let id = ids.iter().find(|id| id.to_bits() == seen.id).expect("one of ours");
                let row = world.slot(*id).unwrap().row();
                assert_eq!(seen.attr, attributes(row), "tick {step}, baseline {}", encoded.baseline);
                told += u32::from(encoded.baseline != 0 && seen.attr[2..] != [0, 0]);
            }
        }
    }
    assert!(told > 1_000, "{told} seen");
    assert!(clients.iter().all(|client| client.view.counters().mismatches == 0));
}

#[test]
fn views_are_exact_in_the_far_corner_of_the_largest_world() {
    let seed = seed();
    let mut random = Random::of_tick(seed, 0, 5);
    let mut world = World::<Tags>::new(config(65_536.0, 400, 40)).unwrap();
    let (width, height) = (world.config().width_m, world.config().height_m);
    let ids: Vec<EntityId> = (0..300)
        .map(|_| {
            let place = [width - random.unit() * 250.0, height - random.unit() * 250.0];
            world.spawn(glam::Vec3::new(place[0], place[1], 0.0), 0).unwrap().0
        })
        .collect();
    let mut clients: Vec<Client> = ids[..12].iter().map(|id| Client::new(*id)).collect();
    let mut found = throng_engine::Found::default();
    let (mut seen, mut settled) = (0, 0);
    for step in 0..120 {
        let now = world.begin_tick();
        for id in &ids {
            let row = world.slot(*id).unwrap().row();
            let mut random = Random::of_tick(seed, now, 6).fork(id.to_bits());
            // Along a raster that a float has out there; a few stop right at the border of the world.
            let step_m = |random: &mut Random| (random.below(257) as f32 - 128.0) / 128.0;
            world.body.x[row] = (world.body.x[row] + step_m(&mut random)).clamp(width - 250.0, width);
            world.body.y[row] = (world.body.y[row] + step_m(&mut random)).clamp(height - 250.0, height);
        }
        let before = world.relocation_count();
        world.settle();
        settled += world.relocation_count() - before;
        world.publish(|_, _, rows| rows.fill([0, 7, 0, 0]));
        let truth = truth(&world);
        for client in &mut clients {
            let (_, message) = client.encode(&world, PAYLOAD_BYTES_MAX);
            client.view.apply_bytes(&message).expect("every message is sound");
            client.acked = client.view.ack_tick();
            let near: Vec<u32> = client.view.near().iter().map(|entity| entity.id).collect();
            let expected = in_view(&truth, client.own, 50.0);
            // First snapshots let everybody in one after another.
            assert!(step < 20 || near.len() == expected.len(), "{} of {}", near.len(), expected.len());
            assert!(near.iter().all(|id| expected.iter().any(|(_, entity)| entity.id == *id)));
            seen += near.len();

            let row = world.slot(client.own).unwrap().row();
            let (x, y) = (world.body.x[row], world.body.y[row]);
            // Its own row, and the others.
            for radius_m in [10.0, 50.0, 200.0] {
                let slots = world.within(x, y, radius_m, &mut found);
                assert_eq!(slots.len(), in_view(&truth, client.own, radius_m).len() + 1);
            }
        }
    }
    assert!(seen > 120 * 12 * 10 && settled > 100, "{seen} seen, {settled} settled");
}
