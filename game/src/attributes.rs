//! What clients are told of each entity beside its place.

use crate::Traits;

/// Attribute 0: the share of its health, all of it 65,535. Attribute 1: its kind in bits 0-3, its state in bits 4-7, its
/// level in bits 8-15.
pub(crate) fn attributes(game: &Traits, first_row: usize, rows: &mut [[u16; 4]; 16]) {
    let block = first_row..first_row + 16;
    let (health, health_max) = (&game.health[block.clone()], &game.health_max[block.clone()]);
    let (kind, state, level) = (&game.kind[block.clone()], &game.state[block.clone()], &game.level[block]);
    for (row, attributes) in rows.iter_mut().enumerate() {
        // In floats, for which there is a division of many at once. Whoever lives has some share, however small.
        let share = f32::from(health[row]) / f32::from(health_max[row].max(1));
        let share = if share < 1.0 { share } else { 1.0 } * 65_535.0;
        let least = u32::from(health[row] != 0);
        // From 2^23 on, the lowest bit of a float stands for one: adding it rounds, where a cast would have to saturate.
        let share = ((share + 8_388_608.0).to_bits() & 0xffff).max(least);
        let looks = u16::from(kind[row] & 15) | u16::from(state[row] & 15) << 4 | u16::from(level[row]) << 8;
        *attributes = [share as u16, looks, 0, 0];
    }
}
