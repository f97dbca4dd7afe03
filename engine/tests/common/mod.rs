//! A small busy world, and the truth about it, worked out the slow way.
#![allow(dead_code, missing_docs)] // Each test binary uses its own part.

use std::collections::BTreeMap;

use glam::Vec3;
use throng_client::{Entity, View};
use throng_engine::{EntityId, Random, World, WorldConfig, columns, live_rows, pack, quantise};

columns! {
    /// Two attributes, one of which changes often.
    pub struct Tags {
        pub mood: u16,
        pub team: u16,
    }
}

pub fn config(side_m: f32, entities_max: u32, refresh_ticks: u16) -> WorldConfig {
    WorldConfig {
        width_m: side_m,
        height_m: side_m * 0.75,
        view_radius_m: 50.0,
        entities_max,
        tick_hz: 20,
        seed: 3,
        refresh_ticks,
    }
}

/// The seed of this run: fixed, unless `THRONG_TEST_SEED` says otherwise.
pub fn seed() -> u64 {
    let seed = std::env::var("THRONG_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20);
    println!("THRONG_TEST_SEED={seed}");
    seed
}

pub fn spawn(world: &mut World<Tags>, random: &mut Random) -> EntityId {
    let (width, height) = (world.config().width_m, world.config().height_m);
    let place = Vec3::new(random.unit() * width, random.unit() * height, random.unit() * 20.0 - 10.0);
    let (id, slot) = world.spawn(place, random.next_u32() as u16).unwrap();
    world.game.team[slot.row()] = random.below(5) as u16;
    id
}

/// One tick in which most walk, some jump, and tags change.
pub fn tick(world: &mut World<Tags>, seed: u64) {
    tick_telling(world, seed, |_| {});
}

/// As [`tick`]; `tell` comes between the systems and the end.
pub fn tick_telling(world: &mut World<Tags>, seed: u64, tell: impl FnOnce(&mut World<Tags>)) {
    let tick = world.begin_tick();
    let (width, height) = (world.config().width_m, world.config().height_m);
    for row in 0..world.rows() {
        let mut random = Random::of_tick(seed, tick, 0).fork(row as u32);
        if random.below(40) == 0 {
            let (x, y) = throng_engine::angle::direction(random.next_u32() as u16);
            (world.body.vx[row], world.body.vy[row]) = (x * 6.0, y * 6.0);
            world.body.yaw[row] = random.next_u32() as u16;
        }
        world.body.x[row] = (world.body.x[row] + world.body.vx[row] * 0.05).clamp(0.0, width);
        world.body.y[row] = (world.body.y[row] + world.body.vy[row] * 0.05).clamp(0.0, height);
        match random.below(2000) {
            0 => world.body.x[row] = random.unit() * width,
            1 => world.body.z[row] = random.unit() * 3000.0 - 1500.0,
            2..100 => world.body.z[row] += 0.1,
            100..200 => world.game.mood[row] = random.next_u32() as u16,
            200 => world.game.team[row] = random.below(5) as u16,
            _ => {}
        }
    }
    tell(world);
    world.settle();
    world.publish(|tags, first, rows| {
        for (row, attr) in rows.iter_mut().enumerate() {
            *attr = [tags.mood[first + row], 7, tags.team[first + row], 0];
        }
    });
}

/// Everybody, with squared distances to a point left to the caller: id to (packed position, wire state).
pub fn truth(world: &World<Tags>) -> BTreeMap<u32, (i32, i32, Entity)> {
    live_rows(0..world.rows(), world.live())
        .map(|row| {
            let id = world.id_at(throng_engine::Slot(row as u32)).to_bits();
            let (x, y) = (quantise(world.body.x[row]), quantise(world.body.y[row]));
            let z = quantise(world.body.z[row].clamp(-1023.0, 1023.0));
            let attr = [world.game.mood[row], 7, world.game.team[row], 0];
            let entity = Entity {
                id,
                x: pack(x, y) as u16 as i16,
                y: (pack(x, y) >> 16) as i16,
                z: z as i16,
                yaw: (world.body.yaw[row] >> 8) as u8,
                attr,
            };
            (id, (x, y, entity))
        })
        .collect()
}

/// The others within the view radius of `own`: (squared distance, state), nearest first.
pub fn in_view(
    truth: &BTreeMap<u32, (i32, i32, Entity)>,
    own: EntityId,
    radius_m: f32,
) -> Vec<(i64, Entity)> {
    let radius = i64::from(quantise(radius_m));
    let (own_x, own_y, _) = truth[&own.to_bits()];
    let mut others: Vec<_> = truth
        .iter()
        .filter(|(id, _)| **id != own.to_bits())
        .map(|(_, (x, y, entity))| {
            let (dx, dy) = (i64::from(x - own_x), i64::from(y - own_y));
            (dx * dx + dy * dy, *entity)
        })
        .filter(|(distance2, _)| *distance2 <= radius * radius)
        .collect();
    others.sort_by_key(|(distance2, entity)| (*distance2, entity.id));
    others
}

/// Asserts that a near list holds exactly the nearest ones, all of them as they are. Returns how many are left out.
pub fn assert_near_is_the_nearest(view: &View, expected: &[(i64, Entity)]) -> usize {
    let near: BTreeMap<u32, Entity> = view.near().iter().map(|entity| (entity.id, *entity)).collect();
    assert_eq!(near.len(), view.near().len(), "nobody is listed twice");
    assert!(near.len() <= expected.len(), "{} listed, {} in view", near.len(), expected.len());
    for (_, entity) in &expected[..near.len()] {
        assert_eq!(near.get(&entity.id), Some(entity));
    }
    // All at the same distance are in or out together.
    if let Some((beyond, _)) = expected.get(near.len()) {
        assert!(near.is_empty() || expected[near.len() - 1].0 < *beyond);
    }
    expected.len() - near.len()
}
