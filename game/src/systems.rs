//! The rules, one system each: a function over column slices, run region by region.

use throng_engine::angle::direction;
use throng_engine::schedule::each_region;
use throng_engine::{Random, World};

use crate::{CREATURE, Traits};

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

/// What others see of an entity: the share of its health, and its kind, state and level.
pub(crate) fn attributes(game: &Traits, first_row: usize, rows: &mut [[u16; 4]; 16]) {
    let block = first_row..first_row + 16;
    let (health, health_max) = (&game.health[block.clone()], &game.health_max[block.clone()]);
    let (kind, state, level) = (&game.kind[block.clone()], &game.state[block.clone()], &game.level[block]);
    for (row, attributes) in rows.iter_mut().enumerate() {
        // Exact enough in 32 bits: 65,535 times 65,535 fits.
        let share = u32::from(health[row]).wrapping_mul(0xffff) / u32::from(health_max[row].max(1));
        let looks = u16::from(kind[row] & 15) | u16::from(state[row] & 15) << 4 | u16::from(level[row]) << 8;
        *attributes = [share.min(0xffff) as u16, looks, 0, 0];
    }
}
