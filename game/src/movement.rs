//! From intents to places: one step of the avatar for each intent that its player's time allows.
//!
//! An avatar without an intent in a tick does nothing in it, and its velocity stays what it was: the client that predicts
//! it has taken no step either.

use throng_engine::limits::BLOCK_ROWS;
use throng_engine::schedule::each_region;
use throng_engine::simd::{Kernel, dispatch};
use throng_engine::{World, live_rows};
use throng_motion::{Body, Columns, Land, Limits, limit, step};

use crate::{AVATAR, CREATURE, Game, Traits};

/// What bodies are able to. Clients predict with the same, so these are no config.
pub const LIMITS: Limits = Limits::AVATAR;

/// Speed limit of everybody, metres per second.
pub const SPEED_MAX_M_S: f32 = LIMITS.speed_max_m_s;

/// How fast velocities change, metres per second squared: full speed within an eighth of a second.
pub const ACCELERATION_M_S2: f32 = LIMITS.acceleration_m_s2;

impl Game {
    /// Hands the intents of this tick to the avatars: the steps before the last one are taken at once, the last one is
    /// left to [`walk`].
    ///
    /// Each player's intents are taken in the order of the table, then each avatar looks up its own in the order of the
    /// rows: both are straight passes that all threads share. *What lost:* one pass that finds each player's row, which
    /// waits for half a dozen columns at a place that no cache expects.
    pub(crate) fn apply_intents(&mut self) {
        let Self { world, players, land, counters, live, orders, .. } = self;
        counters.intents_applied += players.take_intents(orders);
        live.clear();
        live.extend_from_slice(world.live());
        let (live, orders, land) = (&live[..], &orders[..], &**land);
        let (rows, tick_s) = (world.rows(), 1.0 / f32::from(world.config().tick_hz));
        let published_tick = world.tick().saturating_sub(1);
        let (body, game) = (&mut world.body, &mut world.game);
        let columns = (
            (&mut body.x[..], &mut body.y[..], &mut body.z[..]),
            (&mut body.vx[..], &mut body.vy[..], &mut body.yaw[..]),
            (&mut game.wish_x[..], &mut game.wish_y[..], &mut game.steps[..]),
            (&mut game.buttons[..], &mut game.shown_tick[..]),
            (&game.kind[..], &game.owner[..], &game.health[..]),
        );
        each_region(rows, columns, |rows, (places, courses, wishes, held, known)| {
            let ((x, y, z), (vx, vy, yaw)) = (places, courses);
            let ((wish_x, wish_y, steps), (buttons, shown_tick)) = (wishes, held);
            let (kind, owner, health) = known;
            for row in live_rows(0..kind.len(), &live[rows.start / BLOCK_ROWS..]) {
                if kind[row] != AVATAR {
                    continue;
                }
                let Some(order) = orders.get(owner[row] as usize) else { continue };
                (steps[row], buttons[row]) = (0, 0);
                // The dead neither move nor act; their intents are spent all the same, so that their client goes on
                // counting.
                if health[row] == 0 {
                    continue;
                }
                for (index, numbered) in order.taken[..order.count].iter().enumerate() {
                    let wish = limit(numbered.intent.direction);
                    yaw[row] = numbered.intent.yaw;
                    // A button that only the first of two held counts as well: at others where the first one saw them,
                    // but from where the last one ends and faces, for that is how everybody sees the attacker.
                    if buttons[row] == 0 {
                        // Time goes one way for clients too: who has seen a tick does not aim at an earlier one, and
                        // none has seen what is not published.
                        shown_tick[row] = numbered.shown_tick.min(published_tick).max(shown_tick[row]);
                    }
                    buttons[row] |= numbered.intent.buttons;
                    if index + 1 == order.count {
                        (wish_x[row], wish_y[row]) = (wish.x, wish.y);
                        steps[row] = 1;
                        break;
                    }
                    let before = Body { x: x[row], y: y[row], z: z[row], vx: vx[row], vy: vy[row] };
                    let after = step(land, &LIMITS, before, wish, tick_s);
                    (x[row], y[row], z[row]) = (after.x, after.y, after.z);
                    (vx[row], vy[row]) = (after.vx, after.vy);
                }
            }
        });
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
        (&mut game.steps[..], &game.kind[..]),
    );
    each_region(rows, columns, |rows, ((x, y, z), (vx, vy), (wish_x, wish_y), (steps, kind))| {
        let live = &live[rows.start / BLOCK_ROWS..];
        for (block, live) in (0..rows.len()).step_by(BLOCK_ROWS).zip(live) {
            for row in block..block + BLOCK_ROWS {
                // A creature that stands, and wants to, is where a step would leave it.
                let is_moving =
                    (vx[row] != 0.0) | (vy[row] != 0.0) | (wish_x[row] != 0.0) | (wish_y[row] != 0.0);
                let step = if kind[row] == CREATURE { u8::from(is_moving) } else { steps[row] };
                // Rows that nobody is in hold leftovers; without this they would walk into walls for ever.
                steps[row] = step & (live >> (row % BLOCK_ROWS) & 1) as u8;
            }
        }
        let columns = Columns { x, y, z, vx, vy, wish_x, wish_y, steps };
        dispatch(level, Walk { land, columns, tick_s });
    });
}
