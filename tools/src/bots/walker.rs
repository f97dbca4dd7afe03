//! How full clients foresee their own steps: by the very rule that the server walks by.

use std::sync::Arc;

use glam::Vec2;
use throng_client::Motion;
use throng_client::view::Own;
use throng_motion::{Body, Land, Limits, limit, step};
use throng_schema::IntentFields;

/// The bit of attribute 1 that says that somebody is dead.
pub(super) const DEAD: u16 = 1 << 4;

/// The reference rules' motion on a land.
#[derive(Clone, Debug)]
pub(super) struct Walker(pub Arc<Land>);

impl Motion for Walker {
    fn step(&self, body: &mut Own, intent: &IntentFields, tick_s: f32) {
        if body.attr[1] & DEAD != 0 {
            return;
        }
        let ([x, y, z], [vx, vy]) = (body.position, body.velocity);
        let wish = limit(Vec2::new(intent.move_x, intent.move_y));
        let after = step(&self.0, &Limits::AVATAR, Body { x, y, z, vx, vy }, wish, tick_s);
        body.position = [after.x, after.y, after.z];
        body.velocity = [after.vx, after.vy];
        body.yaw = intent.yaw;
    }
}
