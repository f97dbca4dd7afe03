//! An invented land: hills and crags, woods, rocks, a village or a hamlet with a shop in every lot of about 200 m,
//! creatures between them, and a dungeon of sixteen rooms.
//!
//! All from the seed and plain arithmetic: the same on every machine.

use glam::Vec2;

use crate::file::LandError;
use crate::limits::{SIDE_M_MAX, UNITS_PER_METRE};
use crate::plan::{AreaPlan, CirclePlan, DiscPlan, ShopPlan, WallPlan, ZonePlan};

/// What a land is invented from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerateConfig {
    /// Everything that is drawn is drawn from this.
    pub seed: u64,
    /// The main zone's side along x, metres: 64 to 65,536.
    pub width_m: u32,
    /// The main zone's side along y, metres: 64 to 65,536.
    pub height_m: u32,
}

/// Around a settlement's middle the ground is level this far, metres.
const LEVEL_M: f32 = 34.0;
/// Half the side of a village's wall, metres.
const VILLAGE_M: f32 = 24.0;
/// Side of the dungeon, metres; it has 4 x 4 rooms.
const DUNGEON_M: f32 = 128.0;
const ROOM_M: f32 = 32.0;

/// The main zone and the dungeon.
pub(crate) fn plans(config: &GenerateConfig) -> Result<Vec<ZonePlan>, LandError> {
    for (what, offset, side) in [
        ("width to invent, in metres,", 24, config.width_m),
        ("height to invent, in metres,", 28, config.height_m),
    ] {
        if !(64..=SIDE_M_MAX).contains(&side) {
            let (least, most) = (64, SIDE_M_MAX.into());
            return Err(LandError::Value {
                what,
                zone: 0,
                index: 0,
                offset,
                found: side.into(),
                least,
                most,
            });
        }
    }
    Ok(vec![Lots::new(config).main_zone(), dungeon(config.seed)])
}

/// Draws of one place and purpose.
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn at(seed: u64, purpose: u64, x: u32, y: u32) -> Self {
        Self(mix(mix(seed ^ purpose << 56).wrapping_add(u64::from(x) << 32 | u64::from(y))))
    }

    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.0) >> 32) as u32
    }

    /// In `0.0..1.0`.
    fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * self.unit()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// From 0 to 1 as `share` goes from 0 to 1, level at both ends.
fn smooth(share: f32) -> f32 {
    let share = share.clamp(0.0, 1.0);
    share * share * (3.0 - 2.0 * share)
}

/// Value noise in `0.0..1.0`: random values on a grid, smooth between.
fn noise(seed: u64, purpose: u64, place: Vec2, grid_m: f32) -> f32 {
    let at = place / grid_m;
    let (x, y) = (at.x as u32, at.y as u32);
    let value = |x: u32, y: u32| Random::at(seed, purpose, x, y).unit();
    let (right, up) = (smooth(at.x - x as f32), smooth(at.y - y as f32));
    let low = value(x, y) + (value(x + 1, y) - value(x, y)) * right;
    let high = value(x, y + 1) + (value(x + 1, y + 1) - value(x, y + 1)) * right;
    low + (high - low) * up
}

fn units(metres: f32) -> u32 {
    (metres * UNITS_PER_METRE as f32) as u32
}

fn circle(place: Vec2, radius_m: f32, rise_m: f32) -> CirclePlan {
    let (radius, rise) = (units(radius_m) as u16, units(rise_m) as u16);
    CirclePlan { x: units(place.x), y: units(place.y), radius, rise }
}

fn wall(from: Vec2, to: Vec2, thickness_m: f32, rise_m: f32) -> WallPlan {
    let (thickness, rise) = (units(thickness_m) as u16, units(rise_m) as u16);
    WallPlan { x0: units(from.x), y0: units(from.y), x1: units(to.x), y1: units(to.y), thickness, rise }
}

/// Heights on a grid, in 1/32 m.
fn heights(plan: &ZonePlan, height_m: impl Fn(Vec2) -> f32) -> Vec<i16> {
    let (columns, rows) = (plan.columns(), plan.rows());
    let places =
        (0..rows).flat_map(|row| (0..columns).map(move |column| Vec2::new(column as f32, row as f32)));
    places.map(|node| (height_m(node * plan.spacing_m as f32) * UNITS_PER_METRE as f32) as i16).collect()
}

/// The main zone, cut into lots with a settlement each.
struct Lots {
    seed: u64,
    size: Vec2,
    columns: u32,
    rows: u32,
    lot: Vec2,
}

impl Lots {
    fn new(config: &GenerateConfig) -> Self {
        // In large lands lots are larger: there are 4,096 at most.
        let lots = |side: u32| ((side + 100) / 200).clamp(1, 64);
        let size = Vec2::new(config.width_m as f32, config.height_m as f32);
        let (columns, rows) = (lots(config.width_m), lots(config.height_m));
        Self { seed: config.seed, size, columns, rows, lot: size / Vec2::new(columns as f32, rows as f32) }
    }

    fn main_zone(&self) -> ZonePlan {
        let mut plan = ZonePlan {
            width: units(self.size.x),
            height: units(self.size.y),
            spacing_m: 4,
            ..ZonePlan::default()
        };
        while u64::from(plan.columns()) * u64::from(plan.rows()) > 1 << 22 && plan.spacing_m < 16 {
            plan.spacing_m *= 2;
        }
        plan.heights = heights(&plan, |place| self.height_m(place));
        for row in 0..self.rows {
            for column in 0..self.columns {
                self.settle(&mut plan, column, row);
                self.people(&mut plan, column, row);
            }
        }
        // Ever farther apart in larger lands, to keep within the limits of a file.
        let spread = (self.size.x * self.size.y * (1.0 / 64e6)).max(1.0).sqrt();
        self.scatter(14.0 * spread, |place, random| {
            let chance = if noise(self.seed, 5, place, 150.0) > 0.55 { 0.75 } else { 0.12 };
            let tree = circle(place, random.between(0.25, 0.5), random.between(6.0, 14.0));
            if random.unit() < chance {
                plan.circles.push(tree);
            }
        });
        self.scatter(50.0 * spread, |place, random| {
            let radius_m = random.between(0.8, 3.0);
            let rock = circle(place, radius_m, radius_m * random.between(0.7, 1.5));
            if random.unit() < 0.6 {
                plan.circles.push(rock);
            }
        });
        plan
    }

    /// The middle of a lot's settlement.
    fn middle(&self, column: u32, row: u32) -> Vec2 {
        let mut random = Random::at(self.seed, 1, column, row);
        let stray = (self.lot * 0.5 - VILLAGE_M * 1.5).clamp(Vec2::ZERO, Vec2::splat(20.0));
        let stray = stray * Vec2::new(random.between(-1.0, 1.0), random.between(-1.0, 1.0));
        ((Vec2::new(column as f32, row as f32) + 0.5) * self.lot + stray).floor()
    }

    /// The middles of the settlements around a place.
    fn middles(&self, place: Vec2) -> impl Iterator<Item = Vec2> {
        let at = place / self.lot;
        let around = |at: f32, lots: u32| (at as u32).saturating_sub(1)..=(at as u32 + 1).min(lots - 1);
        let columns = around(at.x, self.columns);
        around(at.y, self.rows)
            .flat_map(move |row| columns.clone().map(move |column| (column, row)))
            .map(|(column, row)| self.middle(column, row))
    }

    fn hills_m(&self, place: Vec2) -> f32 {
        let noise = |purpose, grid_m| noise(self.seed, purpose, place, grid_m) - 0.5;
        14.0 * noise(2, 128.0) + 6.0 * noise(3, 48.0) + 1.5 * noise(4, 16.0)
    }

    fn height_m(&self, place: Vec2) -> f32 {
        let mut crag_m = (noise(self.seed, 6, place, 90.0) - 0.8).max(0.0) * 150.0;
        let mut height_m = self.hills_m(place);
        for middle in self.middles(place) {
            let distance_m = place.distance(middle);
            crag_m *= smooth((distance_m - LEVEL_M - 40.0) / 40.0);
            let level = smooth((LEVEL_M + 30.0 - distance_m) / 30.0);
            height_m += (self.hills_m(middle) - height_m) * level;
        }
        height_m + crag_m
    }

    /// Calls `put` for a place in each square of `grid_m`, but not near settlements.
    fn scatter(&self, grid_m: f32, mut put: impl FnMut(Vec2, &mut Random)) {
        let (columns, rows) = ((self.size.x / grid_m) as u32, (self.size.y / grid_m) as u32);
        for row in 0..rows {
            for column in 0..columns {
                let mut random = Random::at(self.seed, 7, column, row ^ units(grid_m) << 16);
                let within = Vec2::new(random.unit(), random.unit());
                let place = (Vec2::new(column as f32, row as f32) + within) * grid_m;
                if self.middles(place).all(|middle| place.distance(middle) > LEVEL_M + 6.0) {
                    put(place, &mut random);
                }
            }
        }
    }

    /// A village in the middle of the land and in every third lot, where players appear; else a hamlet.
    fn settle(&self, plan: &mut ZonePlan, column: u32, row: u32) {
        let middle = self.middle(column, row);
        let is_central = column == self.columns / 2 && row == self.rows / 2;
        let has_room = self.lot.min_element() >= 100.0;
        let is_village =
            has_room && (is_central || Random::at(self.seed, 8, column, row).bits().is_multiple_of(3));
        if is_village {
            village(plan, middle);
        } else {
            house(plan, middle + Vec2::new(10.0, 0.0), Vec2::NEG_X);
        }
        let spawn = middle - Vec2::new(0.0, 8.0);
        if is_central {
            // Where newcomers appear is the first in the list.
            plan.player_spawns
                .insert(0, DiscPlan { x: units(spawn.x), y: units(spawn.y), radius: units(4.0) });
        } else if is_village && plan.player_spawns.len() < 64 {
            plan.player_spawns.push(DiscPlan { x: units(spawn.x), y: units(spawn.y), radius: units(4.0) });
        }
        let number = plan.shops.len() as u32 + 1;
        plan.shops.push(ShopPlan { number, x: units(middle.x), y: units(middle.y + 5.0) });
    }

    /// Creatures in three corners of a lot, the stronger the farther from the middle of the land.
    fn people(&self, plan: &mut ZonePlan, column: u32, row: u32) {
        let mut random = Random::at(self.seed, 9, column, row);
        let spared = random.bits() % 4;
        let side_m = (self.lot.min_element() * 0.2).floor().min(40.0);
        for corner in (0..4).filter(|corner| *corner != spared) {
            let towards = Vec2::new((corner % 2) as f32 - 0.5, (corner / 2) as f32 - 0.5) * 0.7;
            let centre = (Vec2::new(column as f32, row as f32) + 0.5 + towards) * self.lot;
            let least = (centre - side_m * 0.5).clamp(Vec2::ZERO, self.size - side_m);
            let level = 1 + (centre.distance(self.size * 0.5) / self.size.length() * 58.0) as u8;
            plan.areas.push(AreaPlan {
                is_disc: random.bits().is_multiple_of(2),
                level_min: level,
                level_max: level + 3,
                species: 1 + (u32::from(level) / 6 + random.bits() % 3) as u16,
                count: 6 + (random.bits() % 8) as u16,
                x: units(least.x),
                y: units(least.y),
                width: units(side_m),
                height: units(side_m),
                leash: units(40.0),
            });
        }
    }
}

/// A square wall with a gate in each side and a tower on each corner; four houses and a well.
fn village(plan: &mut ZonePlan, middle: Vec2) {
    for side in [Vec2::X, Vec2::Y, Vec2::NEG_X, Vec2::NEG_Y] {
        let (face, along) = (middle + side * VILLAGE_M, side.perp());
        for way in [along, -along] {
            plan.walls.push(wall(face + way * 3.0, face + way * VILLAGE_M, 0.8, 4.0));
        }
        plan.circles.push(circle(face + along * VILLAGE_M, 1.5, 6.0));
    }
    for (x, y) in [(-12.0, -12.0), (12.0, -12.0), (-12.0, 12.0), (12.0, 12.0)] {
        house(plan, middle + Vec2::new(x, y), if x < 0.0 { Vec2::X } else { Vec2::NEG_X });
    }
    plan.circles.push(circle(middle, 1.0, 1.0));
}

/// Four walls, 8 m wide and 6 m deep, with a door of 2 m towards `front`.
fn house(plan: &mut ZonePlan, middle: Vec2, front: Vec2) {
    let (ahead, side) = (front * 3.0, front.perp());
    for way in [side, -side] {
        plan.walls.push(wall(middle + ahead + way, middle + ahead + way * 4.0, 0.4, 3.0));
        plan.walls.push(wall(middle + ahead + way * 4.0, middle - ahead + way * 4.0, 0.4, 3.0));
    }
    plan.walls.push(wall(middle - ahead + side * 4.0, middle - ahead - side * 4.0, 0.4, 3.0));
}

/// Sixteen rooms with doors between them: whoever enters is in the first, creatures are in the others.
fn dungeon(seed: u64) -> ZonePlan {
    let side = units(DUNGEON_M);
    let mut plan = ZonePlan { width: side, height: side, spacing_m: 4, ..ZonePlan::default() };
    plan.heights = heights(&plan, |place| noise(seed, 10, place, 12.0) * 0.6);
    for line in 0..4_u32 {
        for room in 0..4_u32 {
            let mut random = Random::at(seed, 11, line, room);
            let corner = Vec2::new(line as f32, room as f32) * ROOM_M;
            // Walls along y have a door in the first row and by chance, those along x always: all rooms are connected.
            let is_closed = room > 0 && random.bits().is_multiple_of(3);
            if line > 0 {
                partition(&mut plan, corner, Vec2::Y, !is_closed);
            }
            if room > 0 {
                partition(&mut plan, corner, Vec2::X, true);
            }
            for pillar in
                [Vec2::new(8.0, 8.0), Vec2::new(24.0, 8.0), Vec2::new(8.0, 24.0), Vec2::new(24.0, 24.0)]
            {
                if random.bits().is_multiple_of(2) {
                    plan.circles.push(circle(corner + pillar, 0.8, 4.0));
                }
            }
            if line + room > 0 {
                let level = 10 + 3 * (line + room) as u8;
                plan.areas.push(AreaPlan {
                    is_disc: false,
                    level_min: level,
                    level_max: level + 2,
                    species: 20 + (line + room) as u16,
                    count: 3 + (random.bits() % 3) as u16,
                    x: units(corner.x + 6.0),
                    y: units(corner.y + 6.0),
                    width: units(20.0),
                    height: units(20.0),
                    leash: units(30.0),
                });
            }
        }
    }
    let middle = units(ROOM_M * 0.5);
    plan.player_spawns.push(DiscPlan { x: middle, y: middle, radius: units(6.0) });
    plan
}

/// A wall as long as a room, with a door of 4 m in its middle.
fn partition(plan: &mut ZonePlan, corner: Vec2, along: Vec2, has_door: bool) {
    let at = |metres: f32| corner + along * metres;
    if has_door {
        plan.walls.push(wall(at(0.0), at(14.0), 0.6, 5.0));
        plan.walls.push(wall(at(18.0), at(ROOM_M), 0.6, 5.0));
    } else {
        plan.walls.push(wall(at(0.0), at(ROOM_M), 0.6, 5.0));
    }
}
