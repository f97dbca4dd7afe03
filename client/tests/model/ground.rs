//! Where the bots of these tests walk: the reference rules' own motion.

use throng_client::Motion;
use throng_client::view::Own;
use throng_motion::{Body, GenerateConfig, Land, Limits, Vec2, step};
use throng_schema::IntentFields;

pub const SPEED_MAX_M_S: f32 = 5.0;
const LIMITS: Limits = Limits { speed_max_m_s: SPEED_MAX_M_S, acceleration_m_s2: 40.0 };

/// The land, and what is able to walk on it.
pub struct Ground {
    land: Land,
}

impl Ground {
    /// Hills, woods, rocks, walls.
    pub fn wild() -> Self {
        let config = GenerateConfig { seed: 7, width_m: 512, height_m: 512 };
        Self { land: Land::generate(&config).expect("sides within the limits") }
    }

    pub fn open() -> Self {
        Self { land: Land::flat(4096.0, 4096.0) }
    }

    /// A place where a body may be, by two draws.
    pub fn somewhere(&self, a: u64, b: u64) -> Own {
        let size = self.land.size();
        let along = |draw: u64, side_m: f32| side_m * (draw % 1024) as f32 / 1024.0;
        let place = self.land.nearest_free(along(a, size.x), along(b, size.y));
        Own { position: place.to_array(), ..Own::default() }
    }
}

impl Motion for Ground {
    fn step(&self, body: &mut Own, intent: &IntentFields, tick_s: f32) {
        let ([x, y, z], [vx, vy]) = (body.position, body.velocity);
        let wish = Vec2::new(intent.move_x, intent.move_y);
        let Body { x, y, z, vx, vy } = step(&self.land, &LIMITS, Body { x, y, z, vx, vy }, wish, tick_s);
        (body.position, body.velocity, body.yaw) = ([x, y, z], [vx, vy], intent.yaw);
    }
}
