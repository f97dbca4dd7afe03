//! Where the bots of these tests walk.

use throng_client::Motion;
use throng_client::view::Own;
use throng_schema::IntentFields;

pub const SPEED_MAX_M_S: f32 = 5.0;
const SIDE_M: f32 = 200.0;

/// A square with a tree every ten metres.
pub struct Ground {
    has_trees: bool,
}

impl Ground {
    pub fn wooded() -> Self {
        Self { has_trees: true }
    }

    pub fn open() -> Self {
        Self { has_trees: false }
    }

    pub fn somewhere(&self, a: u64, b: u64) -> Own {
        let along = |draw: u64| (draw % 20) as f32 * 10.0 + 5.0;
        Own { position: [along(a), along(b), 0.0], ..Own::default() }
    }
}

impl Motion for Ground {
    fn step(&self, body: &mut Own, intent: &IntentFields, tick_s: f32) {
        let wish = [intent.move_x, intent.move_y];
        let length = (wish[0] * wish[0] + wish[1] * wish[1]).sqrt().max(1.0);
        for axis in 0..2 {
            let wanted = wish[axis] / length * SPEED_MAX_M_S;
            let most = 40.0 * tick_s;
            body.velocity[axis] += (wanted - body.velocity[axis]).clamp(-most, most);
            body.position[axis] += body.velocity[axis] * tick_s;
            if self.has_trees {
                body.position[axis] = body.position[axis].clamp(0.0, SIDE_M);
            }
        }
        if self.has_trees {
            let tree = [0, 1].map(|axis| (body.position[axis] / 10.0).round() * 10.0);
            let from = [0, 1].map(|axis| body.position[axis] - tree[axis]);
            let distance = (from[0] * from[0] + from[1] * from[1]).sqrt().max(1e-3);
            if distance < 1.0 {
                for axis in 0..2 {
                    body.position[axis] = tree[axis] + from[axis] / distance;
                }
            }
        }
        body.yaw = intent.yaw;
    }
}
