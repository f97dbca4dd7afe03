//! From intents to places: one step of the avatar for each intent that its player's time allows.
//!
//! An avatar without an intent in a tick does nothing in it, and its velocity stays what it was: the client that predicts
//! it has taken no step either.

use throng_engine::World;
use throng_engine::limits::BLOCK_ROWS;
use throng_engine::schedule::each_region;
use throng_engine::simd::{Kernel, dispatch};
use throng_motion::{Body, Columns, Land, Limits, limit, step};

use crate::intents::{Numbered, Order, Orders};
use crate::{AVATAR, CREATURE, Game, Intent, Traits};

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
        let Self { world, players, land, counters, orders, .. } = self;
        counters.intents_applied += players.take_intents(orders);
        let land = &**land;
        let Orders { orders, earlier } = &*orders;
        let (rows, tick_s) = (world.rows(), 1.0 / f32::from(world.config().tick_hz));
        let published_tick = world.tick().saturating_sub(1);
        let (live, body, game) = world.live_and_columns();
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
            let live = &live[rows.start / BLOCK_ROWS..];
            for (block, live) in (0..kind.len()).step_by(BLOCK_ROWS).zip(live).filter(|(_, live)| **live != 0)
            {
                // All orders of a block are asked for before any is carried out: so they are waited for together.
                let (mut rows, mut asked, mut count) = ([0; BLOCK_ROWS], [Order::default(); BLOCK_ROWS], 0);
                for (row, kind) in kind[block..block + BLOCK_ROWS].iter().enumerate() {
                    // Written over by the next one if this one does not count.
                    rows[count] = block + row;
                    count += usize::from((*kind == AVATAR) & (live >> row & 1 == 1));
                }
                for (row, order) in rows[..count].iter().zip(&mut asked) {
                    *order = orders.get(owner[*row] as usize).copied().unwrap_or_default();
                }
                for (row, order) in rows[..count].iter().zip(&asked) {
                    let row = *row;
                    (steps[row], buttons[row]) = (0, 0);
                    // The dead neither move nor act; their intents are spent all the same, so that their client goes
                    // on counting.
                    if health[row] == 0 || order.count == 0 {
                        continue;
                    }
                    let mut press = |numbered: &Numbered| {
                        // A button that only the first of two held counts as well: at others where the first one saw
                        // them, but from where the last one ends and faces, for that is how everybody sees the
                        // attacker.
                        if buttons[row] == 0 {
                            // Time goes one way for clients too: who has seen a tick does not aim at an earlier one,
                            // and none has seen what is not published.
                            shown_tick[row] = numbered.shown_tick.min(published_tick).max(shown_tick[row]);
                        }
                        buttons[row] |= numbered.intent.buttons;
                    };
                    if order.count > 1 {
                        let earlier = &earlier[owner[row] as usize];
                        press(earlier);
                        let before = Body { x: x[row], y: y[row], z: z[row], vx: vx[row], vy: vy[row] };
                        let after = step(land, &LIMITS, before, limit(earlier.intent.direction), tick_s);
                        (x[row], y[row], z[row]) = (after.x, after.y, after.z);
                        (vx[row], vy[row]) = (after.vx, after.vy);
                    }
                    press(&order.last);
                    let Intent { direction, yaw: facing, .. } = order.last.intent;
                    let wish = limit(direction);
                    (wish_x[row], wish_y[row]) = (wish.x, wish.y);
                    (yaw[row], steps[row]) = (facing, 1);
                }
            }
        });
    }
}

/// Who takes a step in this tick, and the steps.
struct Walk<'a> {
    land: &'a Land,
    live: &'a [u16],
    kind: &'a [u8],
    steps: &'a mut [u8],
    place: (&'a mut [f32], &'a mut [f32], &'a mut [f32]),
    velocity: (&'a mut [f32], &'a mut [f32]),
    wish: (&'a [f32], &'a [f32]),
    tick_s: f32,
}

impl Kernel for Walk<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { land, live, kind, steps, place: (x, y, z), velocity: (vx, vy), wish, tick_s } = self;
        let (wish_x, wish_y) = wish;
        let velocities = vx.as_chunks::<BLOCK_ROWS>().0.iter().zip(vy.as_chunks::<BLOCK_ROWS>().0);
        let wishes = wish_x.as_chunks::<BLOCK_ROWS>().0.iter().zip(wish_y.as_chunks::<BLOCK_ROWS>().0);
        let blocks = steps.as_chunks_mut::<BLOCK_ROWS>().0.iter_mut().zip(kind.as_chunks::<BLOCK_ROWS>().0);
        for (((steps, kind), live), ((vx, vy), (wish_x, wish_y))) in
            blocks.zip(live).zip(velocities.zip(wishes))
        {
            // Of a block of nobody only this is touched: there may be as many of them as others.
            if *live == 0 {
                *steps = [0; BLOCK_ROWS];
                continue;
            }
            for row in 0..BLOCK_ROWS {
                // A creature that stands, and wants to, is where a step would leave it.
                let is_moving =
                    (vx[row] != 0.0) | (vy[row] != 0.0) | (wish_x[row] != 0.0) | (wish_y[row] != 0.0);
                let is_creature = u8::from(kind[row] == CREATURE);
                let step = (is_creature & u8::from(is_moving)) | ((is_creature ^ 1) & steps[row]);
                // Rows that nobody is in hold leftovers; without this they would walk into walls for ever.
                steps[row] = step & (live >> row & 1) as u8;
            }
        }
        throng_motion::walk(land, &LIMITS, Columns { x, y, z, vx, vy, wish_x, wish_y, steps }, tick_s);
    }
}

/// Everybody who has a step to take takes it.
pub(crate) fn walk(world: &mut World<Traits>, land: &Land) {
    let tick_s = 1.0 / f32::from(world.config().tick_hz);
    let (rows, level) = (world.rows(), world.level());
    let (live, body, game) = world.live_and_columns();
    let columns = (
        (&mut body.x[..], &mut body.y[..], &mut body.z[..]),
        (&mut body.vx[..], &mut body.vy[..]),
        (&game.wish_x[..], &game.wish_y[..]),
        (&mut game.steps[..], &game.kind[..]),
    );
    each_region(rows, columns, |rows, (place, velocity, wish, (steps, kind))| {
        let live = &live[rows.start / BLOCK_ROWS..];
        dispatch(level, Walk { land, live, kind, steps, place, velocity, wish, tick_s });
    });
}
