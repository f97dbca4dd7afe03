//! One step of one body.
//!
//! ```text
//!   wish ─► velocity ─► where it is ─┬─ open: go there
//!                                    └─ not: pieces of 0.2 m, each pushed out of obstacles, kept in the zone,
//!                                       turned along slopes, and taken only if it ends where a body may be
//! ```
//!
//! Which of the two ways a step takes depends on where it begins and on nothing else, so a body in a column and a body
//! alone take the same. A body that is where a body may be stays so: a piece that does not end there is not taken.

use glam::Vec2;

use crate::land::{Ground, Land};
use crate::limits::{
    BODY_RADIUS_M, LEVEL_SLOPE, PIECE_M, PIECE_M_MAX, SKIN_M, SLOPE_MAX, STEP_M_MAX, WHOLE_M,
};
use crate::region::{Region, bounded};
use crate::tiles::STEEP;

/// Where a body is and how it moves: metres and metres per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Body {
    pub x: f32,
    pub y: f32,
    /// The ground's height at (x, y) after a step.
    pub z: f32,
    pub vx: f32,
    pub vy: f32,
}

/// What a body is able to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Highest speed, metres per second. No step is longer than [`STEP_M_MAX`], however high this is.
    pub speed_max_m_s: f32,
    /// How fast the velocity changes, metres per second squared.
    pub acceleration_m_s2: f32,
}

impl Limits {
    /// What avatars are able to, and whoever walks as they do: full speed within an eighth of a second. Clients predict
    /// with the same, so this is no setting.
    pub const AVATAR: Self = Self { speed_max_m_s: 5.0, acceleration_m_s2: 40.0 };
}

/// A vector of at most unit length in the same direction; zero for zero and for what is no number.
pub fn limit(wish: Vec2) -> Vec2 {
    // Dividing by the longer side first: the square of a huge but finite length would be infinite.
    let side = wish.abs().max_element();
    if !(side > 0.0 && wish.is_finite()) {
        return Vec2::ZERO;
    }
    let scaled = wish / side;
    let length = scaled.length();
    if side * length <= 1.0 { wish } else { scaled / length }
}

/// One tick of a body: its velocity approaches `wish` (at most 1 long; see [`limit`]) times the highest speed, and it
/// goes where that leads, along obstacles and slopes and not out of its zone, never farther than [`STEP_M_MAX`].
///
/// Whoever is where nobody may be, between zones or in an obstacle, is put to the nearest place that is free, and stops.
/// Numbers that are none count as zero.
pub fn step(land: &Land, limits: &Limits, body: Body, wish: Vec2, tick_s: f32) -> Body {
    one(land, &Pace::new(limits, tick_s), body, wish.x, wish.y)
}

/// [`Limits`] for steps of one length, made sane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    speed_m_s: f32,
    gain_m_s: f32,
    pub tick_s: f32,
}

impl Pace {
    pub(crate) fn new(limits: &Limits, tick_s: f32) -> Self {
        let tick_s = bounded(tick_s, 1e-4, 1.0);
        Self {
            speed_m_s: bounded(limits.speed_max_m_s, 0.0, STEP_M_MAX / tick_s),
            gain_m_s: bounded(limits.acceleration_m_s2 * tick_s, 0.0, 1e6),
            tick_s,
        }
    }

    /// The velocity of the next step.
    #[inline(always)]
    pub(crate) fn velocity(&self, vx: f32, vy: f32, wish_x: f32, wish_y: f32) -> (f32, f32) {
        let (wish_x, wish_y) = within(wish_x, wish_y, 1.0);
        let (gain_x, gain_y) =
            within(wish_x * self.speed_m_s - vx, wish_y * self.speed_m_s - vy, self.gain_m_s);
        within(vx + gain_x, vy + gain_y, self.speed_m_s)
    }
}

/// A vector, shortened to a length of `most`; zero if its length has no finite square.
#[inline(always)]
fn within(x: f32, y: f32, most: f32) -> (f32, f32) {
    let square = x * x + y * y;
    let share = if square > most * most { most / square.sqrt() } else { 1.0 };
    if square < f32::INFINITY { (x * share, y * share) } else { (0.0, 0.0) }
}

pub(crate) fn one(land: &Land, pace: &Pace, body: Body, wish_x: f32, wish_y: f32) -> Body {
    let Some(ground) = land.ground_at(body.x, body.y) else { return rescued(land, body) };
    let (vx, vy) = pace.velocity(body.vx, body.vy, wish_x, wish_y);
    let Ground { region, origin } = ground;
    let square = region.tiles.square(body.x - origin.x, body.y - origin.y);
    if region.tiles.openness(square) == Some(1) {
        let (x, y) = (body.x + vx * pace.tick_s, body.y + vy * pace.tick_s);
        return Body { x, y, z: region.ground(x - origin.x, y - origin.y), vx, vy };
    }
    let entry = region.entry(body.x - origin.x, body.y - origin.y);
    careful(land, ground, Body { vx, vy, ..body }, entry, pace.tick_s)
}

#[cold]
#[inline(never)]
fn rescued(land: &Land, body: Body) -> Body {
    let place = land.nearest_free(body.x, body.y);
    Body { x: place.x, y: place.y, z: place.z, vx: 0.0, vy: 0.0 }
}

/// A step of a body, with its new velocity, from a tile with this entry.
pub(crate) fn careful(land: &Land, ground: Ground<'_>, body: Body, entry: u32, tick_s: f32) -> Body {
    let Ground { region, origin } = ground;
    let (x, y) = (body.x - origin.x, body.y - origin.y);
    let (step_x, step_y) = (body.vx * tick_s, body.vy * tick_s);
    let length = (step_x * step_x + step_y * step_y).sqrt();
    let mut is_near = false;
    for obstacle in region.near(entry) {
        let square = obstacle.square_distance(x, y);
        if square < obstacle.keep_square {
            return rescued(land, body);
        }
        let reach = obstacle.radius + BODY_RADIUS_M + length + SKIN_M;
        is_near |= square <= reach * reach;
    }
    let to = Body { x: body.x + step_x, y: body.y + step_y, ..body };
    let (to_x, to_y) = (to.x - origin.x, to.y - origin.y);
    // Nothing in this step's way, and no slope that anybody would have to go round: it is taken whole.
    let is_gentle = || entry & STEEP == 0 || (length <= WHOLE_M && is_walkable(region, (x, y), (to_x, to_y)));
    if !is_near && region.contains(to_x, to_y) && is_gentle() {
        return Body { z: region.ground(to_x, to_y), ..to };
    }
    in_pieces(ground, body, (step_x, step_y), length)
}

#[inline(never)]
fn in_pieces(ground: Ground<'_>, body: Body, step: (f32, f32), length: f32) -> Body {
    let Ground { region, origin } = ground;
    // A step is at most 1 m and what rounding adds.
    let pieces = bounded((length * (1.0 / PIECE_M)).ceil(), 1.0, 8.0);
    let mut mover = Mover { region, origin, body, step_x: step.0 / pieces, step_y: step.1 / pieces };
    for _ in 0..pieces as u32 {
        if !mover.piece() {
            (mover.body.vx, mover.body.vy) = (0.0, 0.0);
            break;
        }
    }
    let body = mover.body;
    Body { z: region.ground(body.x - origin.x, body.y - origin.y), ..body }
}

/// Whether a way goes up no steeper than anybody walks, and only level or down where the ground is too steep: or a steep
/// hill would be climbed in zigzags.
fn is_walkable(region: &Region, from: (f32, f32), to: (f32, f32)) -> bool {
    let rise = region.ground(to.0, to.1) - region.ground(from.0, from.1);
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let run = (dx * dx + dy * dy).sqrt();
    rise <= LEVEL_SLOPE * run || (rise <= SLOPE_MAX * run && !region.is_steep_at(to.0, to.1))
}

/// A body in the middle of a step.
struct Mover<'a> {
    region: &'a Region,
    origin: Vec2,
    body: Body,
    /// What is still wanted of each piece.
    step_x: f32,
    step_y: f32,
}

impl Mover<'_> {
    /// Goes to (x, y) if a body may be there and the way is not too steep. Judged where rounding puts it in the world.
    fn take(&mut self, x: f32, y: f32) -> bool {
        let may = self.region.is_free(x - self.origin.x, y - self.origin.y) && self.is_walkable(x, y);
        if may {
            (self.body.x, self.body.y) = (x, y);
        }
        may
    }

    fn is_walkable(&self, x: f32, y: f32) -> bool {
        let local = |x: f32, y: f32| (x - self.origin.x, y - self.origin.y);
        is_walkable(self.region, local(self.body.x, self.body.y), local(x, y))
    }

    /// Takes away what of velocity and step goes against a direction of length 1.
    fn turn(&mut self, nx: f32, ny: f32) {
        let along = |x: f32, y: f32| bounded(x * nx + y * ny, f32::MIN, 0.0);
        let (speed, step) = (along(self.body.vx, self.body.vy), along(self.step_x, self.step_y));
        (self.body.vx, self.body.vy) = (self.body.vx - nx * speed, self.body.vy - ny * speed);
        (self.step_x, self.step_y) = (self.step_x - nx * step, self.step_y - ny * step);
    }

    /// One piece of a step; false if there is no way on.
    fn piece(&mut self) -> bool {
        let (mut x, mut y) = (self.body.x + self.step_x, self.body.y + self.step_y);
        // In a corner what pushes out of one wall may push into the other: a few rounds, and what is not out then stays.
        for _ in 0..4 {
            let Some((nx, ny, depth)) = self.deepest(x, y) else { break };
            (x, y) = (x + nx * (depth + SKIN_M), y + ny * (depth + SKIN_M));
            self.turn(nx, ny);
        }
        let far = self.origin + Vec2::new(self.region.width_m, self.region.height_m);
        let (inside_x, inside_y) = (bounded(x, self.origin.x, far.x), bounded(y, self.origin.y, far.y));
        if inside_x != x {
            (self.step_x, self.body.vx) = (0.0, 0.0);
        }
        if inside_y != y {
            (self.step_y, self.body.vy) = (0.0, 0.0);
        }
        (x, y) = (inside_x, inside_y);
        let (dx, dy) = (x - self.body.x, y - self.body.y);
        if dx * dx + dy * dy > PIECE_M_MAX * PIECE_M_MAX {
            return false;
        }
        self.take(x, y) || (!self.is_walkable(x, y) && self.across(x, y))
    }

    /// Too steep there: goes along the slope instead.
    fn across(&mut self, x: f32, y: f32) -> bool {
        let (up_x, up_y) = self.region.slope(x - self.origin.x, y - self.origin.y);
        let steepness = (up_x * up_x + up_y * up_y).sqrt();
        if steepness <= 0.0 {
            return false;
        }
        self.turn(-up_x / steepness, -up_y / steepness);
        self.take(self.body.x + self.step_x, self.body.y + self.step_y)
    }

    /// What a body at (x, y) is deepest in: the direction out of it, and how far.
    fn deepest(&self, x: f32, y: f32) -> Option<(f32, f32, f32)> {
        let (x, y) = (x - self.origin.x, y - self.origin.y);
        // Lists everything within a step of where the piece begins.
        let entry = self.region.entry(self.body.x - self.origin.x, self.body.y - self.origin.y);
        let mut deepest: Option<(f32, f32, f32)> = None;
        for obstacle in self.region.near(entry) {
            let (dx, dy) = obstacle.to(x, y);
            let square = dx * dx + dy * dy;
            if square >= obstacle.keep_square {
                continue;
            }
            let distance = square.sqrt();
            let depth = obstacle.radius + BODY_RADIUS_M - distance;
            if deepest.is_none_or(|(_, _, most)| depth > most) {
                // A piece is shorter than a body's radius: it never ends in the very middle of anything.
                let per = 1.0 / distance.max(1e-3);
                deepest = Some((dx * per, dy * per, depth));
            }
        }
        deepest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::GenerateConfig;

    #[test]
    fn on_open_ground_whoever_looks_out_goes_where_others_go() {
        let config = GenerateConfig { seed: 3, width_m: 800, height_m: 800 };
        let land = Land::generate(&config).unwrap();
        let pace = Pace::new(&Limits { speed_max_m_s: STEP_M_MAX / 0.05, acceleration_m_s2: 1e6 }, 0.05);
        let mut bits = 1_u32;
        let mut random = |least: f32, most: f32| {
            bits = bits.wrapping_mul(0x2c92_77b5).wrapping_add(0xac56_4b05);
            least + (most - least) * (bits >> 8) as f32 / 16_777_216.0
        };
        let (mut open, mut near) = (0, 0);
        for _ in 0..200_000 {
            let (x, y) = (random(0.0, 800.0), random(0.0, 800.0));
            let wish = limit(Vec2::new(random(-1.0, 1.0), random(-1.0, 1.0)));
            let Some(ground) = land.ground_at(x, y) else { continue };
            if ground.region.tiles.openness(ground.region.tiles.square(x, y)) != Some(1) {
                near += 1;
                continue;
            }
            let body = Body { x, y, ..Body::default() };
            let (vx, vy) = pace.velocity(0.0, 0.0, wish.x, wish.y);
            let entry = ground.region.entry(x, y);
            // A long step in a tile with something steep is taken in pieces, which round otherwise.
            if entry & STEEP != 0 && Vec2::new(vx, vy).length() * pace.tick_s > WHOLE_M {
                continue;
            }
            open += 1;
            let looked = careful(&land, ground, Body { vx, vy, ..body }, entry, pace.tick_s);
            assert_eq!(one(&land, &pace, body, wish.x, wish.y), looked, "at ({x}, {y}) towards {wish}");
        }
        assert!(open > 100_000 && near > 10_000, "{open} {near}");
    }
}
