//! Who was where: against a record of every tick, through births, deaths, jumps and changes of cells.

mod common;

use std::collections::{BTreeMap, VecDeque};

use common::*;
use throng_engine::limits::HISTORY_TICKS;
use throng_engine::{EntityId, Found, Random, Slot, World, quantise};

/// Of one tick: each entity's row and its position in units, rounded as clients are told it.
type Record = BTreeMap<u32, (u32, [i32; 3])>;

fn record(world: &World<Tags>) -> Record {
    let row = |id: u32| world.slot(EntityId::from_bits(id)).unwrap().0;
    truth(world).into_iter().map(|(id, (x, y, entity))| (id, (row(id), [x, y, entity.z.into()]))).collect()
}

/// The first tick from which on an entity has been in its row without a break, and where it was at `tick` or then.
fn place(records: &VecDeque<(u32, Record)>, id: u32, tick: u32) -> (u32, [i32; 3]) {
    let row = records[records.len() - 1].1[&id].0;
    let here = |record: &Record| record.get(&id).filter(|(at, _)| *at == row).map(|(_, at)| *at);
    let stay: Vec<_> =
        records.iter().rev().map_while(|(tick, record)| Some((*tick, here(record)?))).collect();
    let (since, _) = stay[stay.len() - 1];
    let (_, at) = stay.iter().find(|(at, _)| *at == tick.max(since)).expect("recorded");
    (since, *at)
}

#[test]
fn the_past_is_as_it_was_recorded() {
    let seed = seed();
    let mut random = Random::of_tick(seed, 0, 1);
    let mut world = World::<Tags>::new(config(260.0, 700, 40)).unwrap();
    let mut ids: Vec<EntityId> = (0..600).map(|_| spawn(&mut world, &mut random)).collect();
    let mut records = VecDeque::new();
    let mut found = Found::default();
    let (mut seen, mut late, mut gone, mut known, mut unknown) = (0, 0, 0, 0, 0);
    for _ in 0..300 {
        for _ in 0..4 {
            let victim = random.below(ids.len() as u32) as usize;
            assert!(world.despawn(ids.swap_remove(victim)));
            ids.push(spawn(&mut world, &mut random));
        }
        tick(&mut world, seed);
        let now = world.tick();
        records.push_back((now, record(&world)));
        if records.len() > HISTORY_TICKS {
            records.pop_front();
        }
        let (oldest, _) = records[0];
        // In half of the cases within the next tick, when systems ask: some are dead by then, some new.
        let is_next = random.below(2) == 0;
        if is_next {
            world.begin_tick();
            let victim = random.below(ids.len() as u32) as usize;
            assert!(world.despawn(ids.swap_remove(victim)));
            gone += 1;
            ids.push(spawn(&mut world, &mut random));
        }
        let newest = &records[records.len() - 1].1;
        let alive = |id: &u32| world.slot(EntityId::from_bits(*id)).is_some();
        for _ in 0..6 {
            let asked = now.saturating_sub(random.below(40)) + random.below(3);
            let tick = asked.clamp(oldest, now);
            let (x_m, y_m) = (random.unit() * 260.0, random.unit() * 195.0);
            let radius_m = [2.0, 9.0, 60.0, 200.0][random.below(4) as usize];
            let (x, y, radius) = (quantise(x_m), quantise(y_m), i64::from(quantise(radius_m)));
            let mut expected = Vec::new();
            for (&id, &(row, _)) in newest.iter().filter(|(id, _)| alive(id)) {
                let (since, at) = place(&records, id, tick);
                let (dx, dy) = (i64::from(at[0] - x), i64::from(at[1] - y));
                if dx * dx + dy * dy <= radius * radius {
                    expected.push(row);
                    late += usize::from(since > tick);
                }
            }
            let mut slots = world.within_at(asked, x_m, y_m, radius_m, &mut found).to_vec();
            slots.sort_unstable();
            expected.sort_unstable();
            assert_eq!(slots, expected, "tick {asked} at {now}");
            seen += slots.len();
        }
        let tick = oldest + random.below(now - oldest + 1);
        for (&id, &(row, _)) in newest {
            let (since, at) = place(&records, id, tick);
            let expected = (alive(&id) && since <= tick).then(|| at.map(|units| units as f32 / 32.0));
            assert_eq!(world.place_at(Slot(row), tick), expected);
            known += usize::from(expected.is_some());
            unknown += usize::from(expected.is_none());
        }
        if is_next {
            world.settle();
            world.publish(|_, _, _| {});
            records.push_back((world.tick(), record(&world)));
            if records.len() > HISTORY_TICKS {
                records.pop_front();
            }
        }
    }
    assert!(seen > 100_000 && late > 3_000 && gone > 100, "{seen} seen, {late} late, {gone} dead");
    assert!(known > 100_000 && unknown > 3_000, "{known} known, {unknown} not");
}

#[test]
fn places_are_whole_in_the_far_corner_of_the_largest_world_and_unknown_before_the_first_tick() {
    let mut world = World::<Tags>::new(config(65_536.0, 10, 40)).unwrap();
    let (x, y) = (65_535.0, 49_151.5);
    let (_, slot) = world.spawn(glam::Vec3::new(x, y, -3.25), 0).unwrap();
    let mut found = Found::default();
    assert_eq!(world.place_at(slot, 0), None);
    assert!(world.within_at(1, x, y, 5.0, &mut found).is_empty());
    world.begin_tick();
    world.settle();
    world.publish(|_, _, _| {});
    for tick in [0, 1, 2, u32::MAX] {
        assert_eq!(world.place_at(slot, tick), Some([x, y, -3.25]));
        assert_eq!(world.within_at(tick, x, y, 5.0, &mut found), [slot.0]);
        assert!(world.within_at(tick, x - 2048.0, y, 5.0, &mut found).is_empty(), "a wrap away");
    }
}
