//! From intents to places: one step of the avatar for each intent that its player's time allows.
//!
//! An avatar without an intent in a tick does nothing in it, its velocity stays what it was: the client that predicts it
//! has taken no step either.

use glam::Vec2;
use throng_engine::World;
use throng_engine::schedule::each_region;
use throng_engine::simd::{Kernel, dispatch};

use crate::players::Players;
use crate::{AVATAR, GameConfig, GameCounters, SPEED_MAX_M_S, Spawn, Traits, state};

/// Hands the intents of this tick to the avatars: the steps before the last one are taken at once, the last one is left
/// to [`walk`].
pub(crate) fn intend(
    world: &mut World<Traits>,
    players: &mut Players,
    config: &GameConfig,
    counters: &mut GameCounters,
) {
    let tick_s = 1.0 / f32::from(config.world.tick_hz);
    for (_, player) in players.iter_mut() {
        let (taken, count) = player.intents.take();
        let Some(slot) = world.slot(player.avatar) else { continue };
        let (body, game, row) = (&mut world.body, &mut world.game, slot.row());
        (game.steps[row], game.buttons[row]) = (0, 0);
        counters.intents_applied += count as u64;
        // The dead neither move nor act; their intents are spent all the same, so that their client goes on counting.
        if game.state[row] & state::DEAD != 0 {
            continue;
        }
        for (index, numbered) in taken[..count].iter().enumerate() {
            let wish = limit(numbered.intent.direction);
            body.yaw[row] = numbered.intent.yaw;
            // A button that only the first of two held counts as well, seen as the first one saw it.
            if game.buttons[row] == 0 {
                game.shown_tick[row] = numbered.shown_tick;
            }
            game.buttons[row] |= numbered.intent.buttons;
            if index + 1 < count {
                let step = wish * SPEED_MAX_M_S;
                (body.vx[row], body.vy[row]) = (step.x, step.y);
                body.x[row] += step.x * tick_s;
                body.y[row] += step.y * tick_s;
            } else {
                (game.wish_x[row], game.wish_y[row]) = (wish.x, wish.y);
                game.steps[row] = 1;
            }
        }
    }
}

struct Walk<'a> {
    x: &'a mut [f32],
    y: &'a mut [f32],
    vx: &'a mut [f32],
    vy: &'a mut [f32],
    wish_x: &'a [f32],
    wish_y: &'a [f32],
    kind: &'a [u8],
    steps: &'a [u8],
    tick_s: f32,
    width_m: f32,
    height_m: f32,
    disc_m: f32,
}

impl Kernel for Walk<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let rows = self.x.len();
        let (x, y) = (&mut self.x[..rows], &mut self.y[..rows]);
        let (vx, vy) = (&mut self.vx[..rows], &mut self.vy[..rows]);
        let (wish_x, wish_y) = (&self.wish_x[..rows], &self.wish_y[..rows]);
        let (kind, steps) = (&self.kind[..rows], &self.steps[..rows]);
        let (middle_x, middle_y) = (self.width_m * 0.5, self.height_m * 0.5);
        for row in 0..rows {
            if kind[row] == AVATAR && steps[row] == 0 {
                continue;
            }
            vx[row] = wish_x[row] * SPEED_MAX_M_S;
            vy[row] = wish_y[row] * SPEED_MAX_M_S;
            let from_x = x[row] + vx[row] * self.tick_s - middle_x;
            let from_y = y[row] + vy[row] * self.tick_s - middle_y;
            // Whoever would leave the disc stops on its rim.
            let distance = (from_x * from_x + from_y * from_y).sqrt();
            let share = (self.disc_m / distance.max(1e-6)).min(1.0);
            x[row] = (middle_x + from_x * share).max(0.0).min(self.width_m);
            y[row] = (middle_y + from_y * share).max(0.0).min(self.height_m);
        }
    }
}

/// Everybody moves as they wish, within the speed limit and the world.
pub(crate) fn walk(world: &mut World<Traits>, config: &GameConfig) {
    let disc_m = match config.spawn {
        Spawn::Everywhere => f32::MAX,
        Spawn::Disc { radius_m } => radius_m,
    };
    let tick_s = 1.0 / f32::from(config.world.tick_hz);
    let (width_m, height_m) = (config.world.width_m, config.world.height_m);
    let (rows, level) = (world.rows(), world.level());
    let (body, game) = (&mut world.body, &mut world.game);
    let columns = (
        (&mut body.x[..], &mut body.y[..], &mut body.vx[..], &mut body.vy[..]),
        (&game.wish_x[..], &game.wish_y[..], &game.kind[..], &game.steps[..]),
    );
    each_region(rows, columns, |_, ((x, y, vx, vy), (wish_x, wish_y, kind, steps))| {
        dispatch(
            level,
            Walk { x, y, vx, vy, wish_x, wish_y, kind, steps, tick_s, width_m, height_m, disc_m },
        );
    });
}

/// A vector of at most unit length in the same direction.
pub(crate) fn limit(wish: Vec2) -> Vec2 {
    // Dividing by the longer side first: the square of a huge but finite length would be infinite.
    let side = wish.abs().max_element();
    if side <= 0.0 {
        return Vec2::ZERO;
    }
    let scaled = wish / side;
    let length = scaled.length();
    if side * length <= 1.0 { wish } else { scaled / length }
}
