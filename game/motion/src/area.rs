//! Pieces of ground.

use glam::Vec2;

/// A disc, metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disc {
    /// Its middle.
    pub centre: Vec2,
    /// Its radius.
    pub radius_m: f32,
}

/// A piece of ground, metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Area {
    /// A disc.
    Disc(Disc),
    /// A rectangle along the axes.
    Rectangle {
        /// Its corner of least x and y.
        least: Vec2,
        /// Its sides.
        size: Vec2,
    },
}

impl Disc {
    /// The place in the disc that belongs to a place in the unit square, `u` and `v` in `0..=1`: evenly drawn ones come
    /// out almost evenly.
    pub fn at(&self, u: f32, v: f32) -> Vec2 {
        let (x, y) = (2.0 * u - 1.0, 2.0 * v - 1.0);
        // The elliptical mapping: a square bent into a disc, without a sine.
        let bent =
            Vec2::new(x * (1.0 - 0.5 * y * y).max(0.0).sqrt(), y * (1.0 - 0.5 * x * x).max(0.0).sqrt());
        self.centre + bent * self.radius_m
    }
}

impl Area {
    /// Its middle.
    pub fn centre(&self) -> Vec2 {
        match self {
            Area::Disc(disc) => disc.centre,
            Area::Rectangle { least, size } => *least + *size * 0.5,
        }
    }

    /// The place in the area that belongs to a place in the unit square, `u` and `v` in `0..=1`.
    pub fn at(&self, u: f32, v: f32) -> Vec2 {
        match self {
            Area::Disc(disc) => disc.at(u, v),
            Area::Rectangle { least, size } => *least + *size * Vec2::new(u, v),
        }
    }

    /// Whether a place lies in it.
    pub fn contains(&self, place: Vec2) -> bool {
        match self {
            Area::Disc(disc) => place.distance_squared(disc.centre) <= disc.radius_m * disc.radius_m,
            Area::Rectangle { least, size } => {
                place.cmpge(*least).all() && (place - *least).cmple(*size).all()
            }
        }
    }

    pub(crate) fn moved(&self, by: Vec2) -> Self {
        match *self {
            Area::Disc(Disc { centre, radius_m }) => Area::Disc(Disc { centre: centre + by, radius_m }),
            Area::Rectangle { least, size } => Area::Rectangle { least: least + by, size },
        }
    }
}
