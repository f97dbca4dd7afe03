//! Entities on a plane, placed so that about fifty others are in view of each.

use glam::Vec3;
use throng_engine::{Columns, EntityId, Random, World, WorldConfig};

/// View radius, metres; also the width of a cell.
pub const RADIUS_M: f32 = 40.0;
/// One entity per 100 m2: sixteen in a cell, fifty in view.
pub const AREA_EACH_M2: f32 = 100.0;
/// The large world of the goals.
pub const ENTITIES: u32 = 100_000;
/// Clients in it.
pub const CLIENTS: u32 = 10_000;

/// As many, or a twentieth of them when all that is asked is whether the bench works.
pub fn unless_smoke(count: u32) -> u32 {
    if crate::is_smoke() { count / 20 } else { count }
}

/// Side of a square world of `entities`, metres.
pub fn side_m(entities: u32, area_each_m2: f32) -> f32 {
    (entities as f32 * area_each_m2).sqrt()
}

/// A square world for `entities`.
pub fn config(entities: u32, area_each_m2: f32) -> WorldConfig {
    let side = side_m(entities, area_each_m2);
    WorldConfig {
        width_m: side,
        height_m: side,
        view_radius_m: RADIUS_M,
        entities_max: entities,
        tick_hz: 20,
        seed: 7,
        refresh_ticks: 40,
    }
}

/// Random numbers for placing things; the same in every run.
pub fn random(stream: u32) -> Random {
    Random::of_tick(7, 0, stream)
}

/// A length on the wire's raster of 1/32 m, so that rounding moves nothing.
pub fn on_raster(metres: f32) -> f32 {
    (metres * 32.0).floor() / 32.0
}

/// Fills `world` evenly with `entities`, at places on the raster, in random order. Returns their ids.
pub fn scatter<C: Columns>(world: &mut World<C>, entities: u32) -> Vec<EntityId> {
    let mut random = random(1);
    let (width, height) = (world.config().width_m, world.config().height_m);
    let place = |random: &mut Random| {
        Vec3::new(on_raster(random.unit() * width), on_raster(random.unit() * height), 0.0)
    };
    (0..entities).map(|_| world.spawn(place(&mut random), 0).expect("the world has room for all").0).collect()
}

/// Where an entity is, metres.
pub fn place_of<C: Columns>(world: &World<C>, id: EntityId) -> [f32; 2] {
    let row = world.slot(id).expect("it lives").row();
    [world.body.x[row], world.body.y[row]]
}

/// Sorts places by the cell that they are in, row by row: the order in which neighbours are asked for one after another.
pub fn sort_by_cell<T>(things: &mut [T], place: impl Fn(&T) -> [f32; 2]) {
    things.sort_by_key(|thing| {
        let [x, y] = place(thing);
        ((y / RADIUS_M) as u32, (x / RADIUS_M) as u32)
    });
}
