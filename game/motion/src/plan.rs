//! A zone as its author writes it and as it lies in a world file: whole numbers of 1/32 m in the zone's own coordinates.

use crate::area::{Area, Disc};
use crate::limits::UNITS_PER_METRE;
use glam::Vec2;

/// A zone in whole numbers. Lengths are in units of 1/32 m, places count from the zone's corner of least x and y.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZonePlan {
    /// Side along x.
    pub width: u32,
    /// Side along y.
    pub height: u32,
    /// Distance of neighbouring heights, metres: a power of two.
    pub spacing_m: u32,
    /// Terrain heights, a row of [`columns`](Self::columns) after another by ascending y.
    pub heights: Vec<i16>,
    /// Round obstacles.
    pub circles: Vec<CirclePlan>,
    /// Walls.
    pub walls: Vec<WallPlan>,
    /// Where creatures live.
    pub areas: Vec<AreaPlan>,
    /// Where players appear; at least one.
    pub player_spawns: Vec<DiscPlan>,
    /// Where shopkeepers stand.
    pub shops: Vec<ShopPlan>,
}

/// A round obstacle: a tree, a rock, a tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CirclePlan {
    pub x: u32,
    pub y: u32,
    pub radius: u16,
    /// How far it rises over the ground at its middle.
    pub rise: u16,
}

/// A straight wall with round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct WallPlan {
    pub x0: u32,
    pub y0: u32,
    pub x1: u32,
    pub y1: u32,
    pub thickness: u16,
    /// How far it rises over the ground below it.
    pub rise: u16,
}

/// An area in which creatures live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaPlan {
    /// Whether it is a disc within the rectangle's shorter side rather than the rectangle.
    pub is_disc: bool,
    /// Lowest level.
    pub level_min: u8,
    /// Highest level.
    pub level_max: u8,
    /// Which creatures.
    pub species: u16,
    /// How many.
    pub count: u16,
    /// Corner of least x.
    pub x: u32,
    /// Corner of least y.
    pub y: u32,
    /// Side along x; of a disc its diameter.
    pub width: u32,
    /// Side along y; of a disc its diameter.
    pub height: u32,
    /// How far from where it appeared a creature goes before it turns back.
    pub leash: u32,
}

/// A disc in which players appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct DiscPlan {
    pub x: u32,
    pub y: u32,
    pub radius: u32,
}

/// A shopkeeper's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ShopPlan {
    pub number: u32,
    pub x: u32,
    pub y: u32,
}

/// Units to metres; exact.
pub(crate) fn metres(units: u32) -> f32 {
    units as f32 / UNITS_PER_METRE as f32
}

pub(crate) fn place(x: u32, y: u32) -> Vec2 {
    Vec2::new(metres(x), metres(y))
}

impl ZonePlan {
    /// Heights in a row: enough to cover the zone, with one on its far side.
    pub fn columns(&self) -> u32 {
        nodes(self.width, self.spacing_m)
    }

    /// Rows of heights.
    pub fn rows(&self) -> u32 {
        nodes(self.height, self.spacing_m)
    }
}

fn nodes(side: u32, spacing_m: u32) -> u32 {
    (u64::from(side).div_ceil(u64::from(spacing_m.max(1)) * u64::from(UNITS_PER_METRE)) + 1) as u32
}

impl AreaPlan {
    pub(crate) fn area(&self) -> Area {
        let (least, size) = (place(self.x, self.y), place(self.width, self.height));
        if self.is_disc {
            Area::Disc(Disc { centre: least + size * 0.5, radius_m: size.min_element() * 0.5 })
        } else {
            Area::Rectangle { least, size }
        }
    }
}

impl DiscPlan {
    pub(crate) fn disc(&self) -> Disc {
        Disc { centre: place(self.x, self.y), radius_m: metres(self.radius) }
    }
}
