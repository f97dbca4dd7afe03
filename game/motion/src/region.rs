//! The ground of one zone, in its own coordinates: terrain, obstacles and what is near a place.

use glam::Vec2;

use crate::area::Disc;
use crate::file::{Address, LandError, check};
use crate::limits::{BODY_RADIUS_M, SLOPE_MAX, UNITS_PER_METRE};
use crate::plan::{ZonePlan, metres};
use crate::tiles::Tiles;

/// All places within `radius` of a line from (x, y) to (x + dx, y + dy), which is a point for what is round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Obstacle {
    pub x: f32,
    pub y: f32,
    pub dx: f32,
    pub dy: f32,
    /// One over the squared length of the line; 0 for a point.
    per_square: f32,
    pub radius: f32,
    /// Squared distance from the line within which no body's middle may be.
    pub keep_square: f32,
    /// How far it rises over the ground.
    pub rise_m: f32,
}

/// Side of the squares that obstacles are kept together by, metres: a few tiles.
const OBSTACLE_LOT_M: f32 = 16.0;

impl Obstacle {
    fn new(from: (u32, u32), to: (u32, u32), radius: f32, rise: u16) -> Self {
        let (x, y) = (metres(from.0), metres(from.1));
        let (dx, dy) = (metres(to.0) - x, metres(to.1) - y);
        let square = dx * dx + dy * dy;
        let keep = radius + BODY_RADIUS_M;
        Self {
            x,
            y,
            dx,
            dy,
            per_square: if square > 0.0 { 1.0 / square } else { 0.0 },
            radius,
            keep_square: keep * keep,
            rise_m: metres(rise.into()),
        }
    }

    pub(crate) fn is_round(&self) -> bool {
        self.per_square == 0.0
    }

    /// From the nearest place of its line to a place.
    #[inline(always)]
    pub(crate) fn to(&self, x: f32, y: f32) -> (f32, f32) {
        let (from_x, from_y) = (x - self.x, y - self.y);
        let share = bounded((from_x * self.dx + from_y * self.dy) * self.per_square, 0.0, 1.0);
        (from_x - self.dx * share, from_y - self.dy * share)
    }

    #[inline(always)]
    pub(crate) fn square_distance(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = self.to(x, y);
        dx * dx + dy * dy
    }
}

/// `value` within bounds; the lower one for what is no number, and for a zero of either sign if that is the bound:
/// `f32::max` leaves open which zero it yields, and then two machines might differ.
#[inline(always)]
pub(crate) fn bounded(value: f32, least: f32, most: f32) -> f32 {
    let value = if value > least { value } else { least };
    if value < most { value } else { most }
}

#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub plan: ZonePlan,
    pub width_m: f32,
    pub height_m: f32,
    pub cells_per_m: f32,
    pub columns: u32,
    /// The last cells between heights, which a place on the far border belongs to.
    pub last_column: u32,
    pub last_row: u32,
    pub obstacles: Vec<Obstacle>,
    pub tiles: Tiles,
    /// Where a body can stand for certain.
    pub home: (f32, f32),
}

/// Between four heights (1/32 m) of a cell, at shares of its sides; metres.
#[inline(always)]
pub(crate) fn blend(low: (f32, f32), high: (f32, f32), share_x: f32, share_y: f32) -> f32 {
    let near = low.0 + (low.1 - low.0) * share_x;
    let far = high.0 + (high.1 - high.0) * share_x;
    (near + (far - near) * share_y) * (1.0 / UNITS_PER_METRE as f32)
}

/// Two heights of a row.
#[inline(always)]
pub(crate) fn unpack(pair: u32) -> (f32, f32) {
    (((pair << 16) as i32 >> 16) as f32, (pair as i32 >> 16) as f32)
}

impl Region {
    /// Checks a zone and makes it ready; `zone` and `address` say where it lies in its file.
    pub(crate) fn build(plan: ZonePlan, zone: u32, address: Address) -> Result<Self, LandError> {
        check(&plan, zone, &address)?;
        let (width_m, height_m) = (metres(plan.width), metres(plan.height));
        let circles = plan
            .circles
            .iter()
            .map(|c| Obstacle::new((c.x, c.y), (c.x, c.y), metres(c.radius.into()), c.rise));
        let walls = plan.walls.iter().map(|w| {
            let radius = metres(w.thickness.into()) * 0.5;
            Obstacle::new((w.x0, w.y0), (w.x1, w.y1), radius, w.rise)
        });
        let mut obstacles: Vec<_> = circles.chain(walls).collect();
        // Neighbours in the land are neighbours in memory: whoever walks among them waits for each of their lines.
        let lot = |metres: f32| (metres * (1.0 / OBSTACLE_LOT_M)) as u32;
        obstacles.sort_by_key(|obstacle| (lot(obstacle.y), lot(obstacle.x)));
        let mut region = Self {
            width_m,
            height_m,
            cells_per_m: 1.0 / plan.spacing_m as f32,
            columns: plan.columns(),
            last_column: plan.columns() - 2,
            last_row: plan.rows() - 2,
            obstacles,
            tiles: Tiles::new(width_m, height_m, plan.spacing_m),
            home: (0.0, 0.0),
            plan,
        };
        region.mark_steep();
        region.tiles.fill(zone, &region.obstacles)?;
        for (index, spawn) in region.plan.player_spawns.iter().enumerate().rev() {
            let Disc { centre, radius_m } = spawn.disc();
            match region.nearest_free(centre.x, centre.y, Vec2::ZERO) {
                Some(place) if centre.distance(place.into()) <= radius_m => region.home = place,
                _ => {
                    let offset = address.player_spawn(&region.plan, index);
                    return Err(LandError::NoFooting { zone, index: index as u32, offset });
                }
            }
        }
        Ok(region)
    }

    fn mark_steep(&mut self) {
        let spacing_m = self.plan.spacing_m as f32;
        for row in 0..=self.last_row {
            for column in 0..=self.last_column {
                if self.is_steep(column, row) {
                    let (x, y) = (column as f32 * spacing_m, row as f32 * spacing_m);
                    self.tiles.mark(x, y, x + spacing_m, y + spacing_m);
                }
            }
        }
    }

    /// Whether a cell is steeper than anybody walks, somewhere.
    fn is_steep(&self, column: u32, row: u32) -> bool {
        let (low, high) = self.corners(row * self.columns + column);
        let along_x = (low.1 - low.0).abs().max((high.1 - high.0).abs());
        let along_y = (high.0 - low.0).abs().max((high.1 - low.1).abs());
        let most = SLOPE_MAX * (self.plan.spacing_m * UNITS_PER_METRE) as f32;
        along_x * along_x + along_y * along_y > most * most
    }

    /// The cell of a place, and the shares of its sides.
    #[inline(always)]
    pub(crate) fn cell(&self, x: f32, y: f32) -> (u32, f32, f32) {
        let (across, up) = (x * self.cells_per_m, y * self.cells_per_m);
        let (column, row) = ((across as u32).min(self.last_column), (up as u32).min(self.last_row));
        // At most the number of cells.
        let cell = row.wrapping_mul(self.columns).wrapping_add(column);
        (cell, across - column as f32, up - row as f32)
    }

    /// The heights at the corners of a cell, packed by two: those at its low y, those at its high one.
    #[inline(always)]
    pub(crate) fn corner_pairs(&self, cell: u32) -> Option<(u32, u32)> {
        let pair = |at: usize| {
            let [left, right] = *self.plan.heights.get(at..)?.first_chunk()?;
            Some(u32::from(left as u16) | u32::from(right as u16) << 16)
        };
        let cell = cell as usize;
        Some((pair(cell)?, pair(cell.wrapping_add(self.columns as usize))?))
    }

    /// The heights at the corners of a cell, in 1/32 m: two at its low y, two at its high one.
    #[inline(always)]
    fn corners(&self, cell: u32) -> ((f32, f32), (f32, f32)) {
        let (low, high) = self.corner_pairs(cell).unwrap_or((0, 0));
        (unpack(low), unpack(high))
    }

    /// The ground at a place, metres.
    #[inline(always)]
    pub(crate) fn ground(&self, x: f32, y: f32) -> f32 {
        let (cell, share_x, share_y) = self.cell(x, y);
        let (low, high) = self.corners(cell);
        blend(low, high, share_x, share_y)
    }

    /// How the ground rises along x and y at a place.
    pub(crate) fn slope(&self, x: f32, y: f32) -> (f32, f32) {
        let (cell, share_x, share_y) = self.cell(x, y);
        let (low, high) = self.corners(cell);
        let (near, far) = (low.1 - low.0, high.1 - high.0);
        let (left, right) = (high.0 - low.0, high.1 - low.1);
        let per = self.cells_per_m * (1.0 / UNITS_PER_METRE as f32);
        ((near + (far - near) * share_y) * per, (left + (right - left) * share_x) * per)
    }

    /// The obstacles that are within reach of a place.
    #[inline(always)]
    pub(crate) fn near(&self, entry: u32) -> impl Iterator<Item = &Obstacle> {
        self.tiles.list(entry).iter().filter_map(|number| self.obstacles.get(*number as usize))
    }

    #[inline(always)]
    pub(crate) fn entry(&self, x: f32, y: f32) -> u32 {
        self.tiles.entry(x, y)
    }

    #[inline(always)]
    pub(crate) fn contains(&self, x: f32, y: f32) -> bool {
        x >= 0.0 && y >= 0.0 && x <= self.width_m && y <= self.height_m
    }

    /// Whether a body may be at a place: in the zone and in no obstacle.
    pub(crate) fn is_free(&self, x: f32, y: f32) -> bool {
        self.contains(x, y)
            && self
                .near(self.entry(x, y))
                .all(|obstacle| obstacle.square_distance(x, y) >= obstacle.keep_square)
    }

    /// Whether the ground at a place is steeper than anybody walks up.
    pub(crate) fn is_steep_at(&self, x: f32, y: f32) -> bool {
        let (along_x, along_y) = self.slope(x, y);
        along_x * along_x + along_y * along_y > SLOPE_MAX * SLOPE_MAX
    }

    /// Whether a body may be at a place and walk from it.
    fn is_standing(&self, x: f32, y: f32) -> bool {
        !self.is_steep_at(x, y) && self.is_free(x, y)
    }

    /// A place near (x, y) where a body can stand, itself if possible. Looks on squares around it, finely up to 8 m and
    /// ever more coarsely up to 128 m: at most 3,265 places. What it finds is exact as a place of the world too, where
    /// the zone begins at `origin`.
    pub(crate) fn nearest_free(&self, x: f32, y: f32, origin: Vec2) -> Option<(f32, f32)> {
        let (x, y) = (bounded(x, 0.0, self.width_m), bounded(y, 0.0, self.height_m));
        let (x, y) = ((x + origin.x) - origin.x, (y + origin.y) - origin.y);
        if self.is_standing(x, y) {
            return Some((x, y));
        }
        for step_m in [0.5, 2.0, 8.0] {
            for ring in 1..=16_i32 {
                let mut best: Option<(f32, (f32, f32))> = None;
                for along in -ring..ring {
                    let (far, along) = (ring as f32 * step_m, along as f32 * step_m);
                    for (dx, dy) in [(along, -far), (far, along), (-along, far), (-far, -along)] {
                        let (at_x, at_y) = ((x + dx + origin.x) - origin.x, (y + dy + origin.y) - origin.y);
                        let square = dx * dx + dy * dy;
                        if best.is_none_or(|(least, _)| square < least) && self.is_standing(at_x, at_y) {
                            best = Some((square, (at_x, at_y)));
                        }
                    }
                }
                if let Some((_, place)) = best {
                    return Some(place);
                }
            }
        }
        None
    }
}
