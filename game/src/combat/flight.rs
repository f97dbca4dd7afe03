//! Projectiles: straight and level over the ground, at one speed, until they meet somebody, something or their end.

use glam::Vec2;
use throng_engine::angle::direction;

use super::aim::Scene;
use super::rules::{BODY_RADIUS_M, drift_m};
use super::{Effect, Scratch, chest, is_clear};

/// A projectile keeps to the ground below it this often, ticks.
const LEVEL_TICKS: u32 = 4;

impl Scene<'_> {
    /// In how many ticks a projectile that is loosed from `row` now must fall: at its end, or at the wall in its way. The
    /// land does not change, so a flight asks it once, not in every tick.
    pub(super) fn flight_ticks(&self, row: usize, scratch: &mut Scratch) -> u32 {
        let (from, path) = (self.place(row), self.path(self.world.body.yaw[row]));
        let most = self.rules.shot_flight_ticks;
        let at = |ticks: u32| from + path * ticks as f32;
        let is_open = |start: u32, end: u32| {
            let config = self.world.config();
            let is_inside =
                |at: Vec2| (0.0..=config.width_m).contains(&at.x) && (0.0..=config.height_m).contains(&at.y);
            is_inside(at(end)) && is_clear(self.land, at(start), at(end))
        };
        if is_open(0, most) {
            return most;
        }
        // It follows the ground, so a hill may only seem to be in its way.
        match (0..most).find(|&tick| !is_open(tick, tick + 1)) {
            Some(tick) => {
                scratch.counts.blocked += 1;
                tick + 1
            }
            None => most,
        }
    }

    /// How far and where to a projectile of this facing goes in a tick, metres.
    fn path(&self, yaw: u16) -> Vec2 {
        let (cos, sin) = direction(yaw);
        Vec2::new(cos, sin) * (self.rules.shot_speed_m_s / f32::from(self.world.config().tick_hz))
    }

    /// Tries one tick's path of the projectile in `row` against the bodies near it, as they are now.
    pub(super) fn fly(&self, row: usize, effects: &mut Vec<Effect>, scratch: &mut Scratch) {
        let (world, game) = (self.world, &self.world.game);
        let (from, path) = (self.place(row), self.path(world.body.yaw[row]));
        let (to, shooter) = (from + path, game.owner[row]);
        let middle = (from + to) * 0.5;
        let around_m = path.length() * 0.5 + BODY_RADIUS_M + drift_m(1, world.config().tick_hz);
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
        let row = row as u32;
        if first != u64::MAX && is_clear(self.land, from, self.place(first as u32 as usize)) {
            let points = self.rules.at_level(self.rules.shot_points, game.level[row as usize]);
            effects.push(Effect::Blow { row: first as u32, source: shooter, points });
            effects.push(Effect::Fall { row, is_hit: true });
        } else if game.expire_tick[row as usize] <= self.tick {
            effects.push(Effect::Fall { row, is_hit: false });
        } else {
            let is_due = self.tick.wrapping_add(row).is_multiple_of(LEVEL_TICKS);
            let to = if is_due { chest(self.land, to) } else { to.extend(world.body.z[row as usize]) };
            effects.push(Effect::Fly { row, to });
        }
    }
}
