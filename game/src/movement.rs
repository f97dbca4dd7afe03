//! From intents to places: one step of the avatar for each intent that its player's time allows.
//!
//! An avatar without an intent in a tick does nothing in it, and its velocity stays what it was: the client that predicts
//! it has taken no step either.

use throng_engine::World;
use throng_engine::limits::BLOCK_ROWS;
use throng_engine::schedule::each_region;
use throng_engine::simd::{Kernel, dispatch};
use throng_motion::{Body, Columns, Land, Limits, limit, step};

use crate::{Game, Traits};

/// Speed limit of everybody, metres per second.
pub const SPEED_MAX_M_S: f32 = 5.0;

/// How fast velocities change, metres per second squared: full speed within an eighth of a second.
pub const ACCELERATION_M_S2: f32 = 40.0;

/// What bodies are able to. Clients predict with the same, so these are no config.
pub const LIMITS: Limits = Limits { speed_max_m_s: SPEED_MAX_M_S, acceleration_m_s2: ACCELERATION_M_S2 };

impl Game {
    /// Hands the intents of this tick to the avatars: the steps before the last one are taken at once, the last one is
    /// left to [`walk`].
    pub(crate) fn apply_intents(&mut self) {
        let Self { world, players, land, counters, .. } = self;
        let tick_s = 1.0 / f32::from(world.config().tick_hz);
        for (_, player) in players.iter_mut() {
            let (taken, count) = player.intents.take();
            let Some(slot) = world.slot(player.avatar) else { continue };
            let (body, game, row) = (&mut world.body, &mut world.game, slot.row());
            (game.steps[row], game.buttons[row]) = (0, 0);
            counters.intents_applied += count as u64;
            // The dead neither move nor act; their intents are spent all the same, so that their client goes on counting.
            if game.health[row] == 0 {
                continue;
            }
            for (index, numbered) in taken[..count].iter().enumerate() {
                let wish = limit(numbered.intent.direction);
                body.yaw[row] = numbered.intent.yaw;
                // A button that only the first of two held counts as well, aimed as the first one saw the others.
                if game.buttons[row] == 0 {
                    game.shown_tick[row] = numbered.shown_tick;
                }
                game.buttons[row] |= numbered.intent.buttons;
                if index + 1 == count {
                    (game.wish_x[row], game.wish_y[row]) = (wish.x, wish.y);
                    game.steps[row] = 1;
                    break;
                }
                let before = Body {
                    x: body.x[row],
                    y: body.y[row],
                    z: body.z[row],
                    vx: body.vx[row],
                    vy: body.vy[row],
                };
                let after = step(land, &LIMITS, before, wish, tick_s);
                (body.x[row], body.y[row], body.z[row]) = (after.x, after.y, after.z);
                (body.vx[row], body.vy[row]) = (after.vx, after.vy);
            }
        }
    }
}

struct Walk<'a> {
    land: &'a Land,
    columns: Columns<'a>,
    tick_s: f32,
}

impl Kernel for Walk<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        throng_motion::walk(self.land, &LIMITS, self.columns, self.tick_s);
    }
}

/// Everybody who has a step to take takes it. `live` is scratch.
pub(crate) fn walk(world: &mut World<Traits>, land: &Land, live: &mut Vec<u16>) {
    let tick_s = 1.0 / f32::from(world.config().tick_hz);
    let (rows, level) = (world.rows(), world.level());
    live.clear();
    live.extend_from_slice(world.live());
    let live = &live[..];
    let (body, game) = (&mut world.body, &mut world.game);
    let columns = (
        (&mut body.x[..], &mut body.y[..], &mut body.z[..]),
        (&mut body.vx[..], &mut body.vy[..]),
        (&game.wish_x[..], &game.wish_y[..]),
        &mut game.steps[..],
    );
    each_region(rows, columns, |rows, ((x, y, z), (vx, vy), (wish_x, wish_y), steps)| {
        // Rows that nobody is in hold leftovers; without this they would walk into walls for ever.
        let live = &live[rows.start / BLOCK_ROWS..];
        for (steps, live) in steps.as_chunks_mut::<BLOCK_ROWS>().0.iter_mut().zip(live) {
            for (row, steps) in steps.iter_mut().enumerate() {
                *steps &= (live >> row & 1) as u8;
            }
        }
        let columns = Columns { x, y, z, vx, vy, wish_x, wish_y, steps };
        dispatch(level, Walk { land, columns, tick_s });
    });
}
