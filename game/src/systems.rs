//! The rules, one system each: a function over column slices, run region by region.

use throng_engine::angle::direction;
use throng_engine::schedule::each_region;
use throng_engine::simd::{Kernel, dispatch};
use throng_engine::{Random, World};

use crate::{CREATURE, GameConfig, SPEED_MAX_M_S, Spawn, Traits};

/// Creatures turn to a random direction about every `turn_ticks`.
pub(crate) fn wander(world: &mut World<Traits>, random: Random, turn_ticks: u32) {
    let (rows, game) = (world.rows(), &mut world.game);
    let columns = (&game.kind[..], &mut game.wish_x[..], &mut game.wish_y[..], &mut world.body.yaw[..]);
    each_region(rows, columns, |rows, (kind, wish_x, wish_y, yaw)| {
        for (index, row) in rows.enumerate() {
            if kind[index] != CREATURE {
                continue;
            }
            let mut random = random.fork(row as u32);
            if random.below(turn_ticks) == 0 {
                yaw[index] = random.next_u32() as u16;
                let (x, y) = direction(yaw[index]);
                (wish_x[index], wish_y[index]) = (x * 0.5, y * 0.5);
            }
        }
    });
}

struct Walk<'a> {
    x: &'a mut [f32],
    y: &'a mut [f32],
    vx: &'a mut [f32],
    vy: &'a mut [f32],
    wish_x: &'a [f32],
    wish_y: &'a [f32],
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
        let (middle_x, middle_y) = (self.width_m * 0.5, self.height_m * 0.5);
        for row in 0..rows {
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
        (&game.wish_x[..], &game.wish_y[..]),
    );
    each_region(rows, columns, |_, ((x, y, vx, vy), (wish_x, wish_y))| {
        dispatch(level, Walk { x, y, vx, vy, wish_x, wish_y, tick_s, width_m, height_m, disc_m });
    });
}

struct Vitals<'a> {
    first_row: u32,
    health: &'a mut [u16],
    random: Random,
    beat_ticks: u32,
}

impl Kernel for Vitals<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (index, health) in self.health.iter_mut().enumerate() {
            let mut random = self.random.fork(self.first_row.wrapping_add(index as u32));
            let is_beat = random.below(self.beat_ticks) == 0;
            let beaten = random.next_u32() as u16 | 1;
            *health = if is_beat { beaten } else { *health };
        }
    }
}

/// Everybody's health changes about once in `beat_ticks`.
pub(crate) fn vitals(world: &mut World<Traits>, random: Random, beat_ticks: u32) {
    let (rows, level) = (world.rows(), world.level());
    each_region(rows, (&mut world.game.health[..],), |rows, (health,)| {
        dispatch(level, Vitals { first_row: rows.start as u32, health, random, beat_ticks });
    });
}

/// What others see of an entity: its health and its kind.
pub(crate) fn attributes(game: &Traits, first_row: usize, rows: &mut [[u16; 4]; 16]) {
    let health = &game.health[first_row..first_row + 16];
    let kind = &game.kind[first_row..first_row + 16];
    for (row, attributes) in rows.iter_mut().enumerate() {
        *attributes = [health[row], kind[row].into(), 0, 0];
    }
}
