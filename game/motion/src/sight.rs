//! What stands between two places.

use glam::{Vec2, Vec3};

use crate::land::Land;
use crate::limits::{SIGHT_M_MAX, SIGHT_STEP_M};
use crate::region::{Obstacle, Region, bounded};

impl Land {
    /// Whether nothing stands between two places with their heights in the world: eyes, hands, the middle of a body.
    ///
    /// The ground is looked at every [`SIGHT_STEP_M`] on the way. An obstacle blocks if it is higher than the line where
    /// the line passes nearest to its middle. False between zones, beyond [`SIGHT_M_MAX`], and for what is no number.
    pub fn is_clear(&self, from: Vec3, to: Vec3) -> bool {
        let (Some(zone), Some(other)) = (self.zone_at(from.x, from.y), self.zone_at(to.x, to.y)) else {
            return false;
        };
        let Some(ground) = self.ground_of(zone).filter(|_| zone == other) else { return false };
        let origin = ground.origin.extend(0.0);
        ground.region.is_clear(from - origin, to - origin)
    }
}

impl Region {
    fn is_clear(&self, from: Vec3, to: Vec3) -> bool {
        let way = to - from;
        let length = (way.x * way.x + way.y * way.y).sqrt();
        // Written so that what is no number fails.
        if !(length <= SIGHT_M_MAX && from.z.is_finite() && to.z.is_finite()) {
            return false;
        }
        let samples = (length * (1.0 / SIGHT_STEP_M)).ceil().max(1.0);
        let mut last_entry = 0;
        for sample in 0..samples as u32 {
            let at = from + way * ((sample as f32 + 0.5) / samples);
            if self.ground(at.x, at.y) > at.z {
                return false;
            }
            // Samples are near enough that whatever the line touches is listed at one of them.
            let entry = self.entry(at.x, at.y);
            if entry != last_entry && self.near(entry).any(|obstacle| self.blocks(obstacle, from, way)) {
                return false;
            }
            last_entry = entry;
        }
        true
    }

    fn blocks(&self, obstacle: &Obstacle, from: Vec3, way: Vec3) -> bool {
        let (share, near) = obstacle.nearest_to_line(from.truncate(), way.truncate());
        let at = from + way * share;
        let away = at.truncate() - near;
        away.length_squared() < obstacle.radius * obstacle.radius
            && at.z < self.ground(near.x, near.y) + obstacle.rise_m
    }
}

impl Obstacle {
    /// Where a line from `from` along `way` comes nearest to the obstacle's own: the share of the way, and the place on
    /// the obstacle's line. After Ericson, "Real-Time Collision Detection" (2005), section 5.1.9.
    fn nearest_to_line(&self, from: Vec2, way: Vec2) -> (f32, Vec2) {
        let (start, line) = (Vec2::new(self.x, self.y), Vec2::new(self.dx, self.dy));
        let (way_square, line_square) = (way.length_squared(), line.length_squared());
        let between = from - start;
        let share_within =
            |above: f32, below: f32| if below > 0.0 { bounded(above / below, 0.0, 1.0) } else { 0.0 };
        let along = way.dot(line);
        let mut share = share_within(
            along * line.dot(between) - line_square * way.dot(between),
            way_square * line_square - along * along,
        );
        let mut own = share_within(line.dot(between) + along * share, line_square);
        // Clamping the one moves where the other is nearest.
        share = share_within(way.dot(start + line * own - from), way_square);
        own = share_within(line.dot(from + way * share - start), line_square);
        (share, start + line * own)
    }
}
