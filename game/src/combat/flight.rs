//! Projectiles: straight and level over the ground, at one speed, until they meet somebody, something or their end.

use glam::Vec2;
use throng_engine::angle::direction;

use super::aim::Scene;
use super::rules::{BODY_RADIUS_M, drift_m};
use super::{Effect, Scratch, chest, is_clear};

impl Scene<'_> {
    /// Tries one tick's path of the projectile in `row` against the bodies near it, as they are now.
    pub(super) fn fly(&self, row: usize, effects: &mut Vec<Effect>, scratch: &mut Scratch) {
        let (world, game, config) = (self.world, &self.world.game, self.world.config());
        let fall = |is_hit| Effect::Fall { row: row as u32, is_hit };
        if game.expire_tick[row] <= self.tick {
            effects.push(fall(false));
            return;
        }
        let from = self.place(row);
        let (cos, sin) = direction(world.body.yaw[row]);
        let path = Vec2::new(cos, sin) * (self.rules.shot_speed_m_s / f32::from(config.tick_hz));
        let to = from + path;
        let (middle, shooter) = ((from + to) * 0.5, game.owner[row]);
        let around_m = path.length() * 0.5 + BODY_RADIUS_M + drift_m(1, config.tick_hz);
        let mut first = u64::MAX;
        for &other in world.within(middle.x, middle.y, around_m, &mut scratch.found) {
            // A projectile's species is the kind of whoever loosed it.
            if !self.may_hurt(game.species[row], row, other as usize) || self.bits(other as usize) == shooter
            {
                continue;
            }
            let away = self.place(other as usize) - from;
            // Plus zero: of the two zeros only one is ordered by its bits.
            let share = (away.dot(path) / path.length_squared()).clamp(0.0, 1.0) + 0.0;
            if away.distance_squared(path * share) <= BODY_RADIUS_M * BODY_RADIUS_M {
                first = first.min(u64::from(share.to_bits()) << 32 | u64::from(other));
            }
        }
        if first != u64::MAX && is_clear(self.land, from, self.place(first as u32 as usize)) {
            let points = self.rules.at_level(self.rules.shot_points, game.level[row]);
            effects.push(Effect::Blow { row: first as u32, source: shooter, points });
            effects.push(fall(true));
            return;
        }
        let is_inside = (0.0..=config.width_m).contains(&to.x) && (0.0..=config.height_m).contains(&to.y);
        if is_inside && is_clear(self.land, from, to) {
            effects.push(Effect::Fly { row: row as u32, to: chest(self.land, to) });
        } else {
            scratch.counts.blocked += 1;
            effects.push(fall(false));
        }
    }
}
