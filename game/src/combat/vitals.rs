//! What fighting leaves behind, for all rows at once: the bits of the state, and health that comes back.

use throng_engine::World;
use throng_engine::limits::BLOCK_ROWS;
use throng_engine::schedule::each_region;
use throng_engine::simd::{Kernel, dispatch};

use super::CombatRules;
use crate::{Traits, state};

struct Vitals<'a> {
    /// Which of the `mend_ticks` turns it is for the first block.
    turn: u32,
    health: &'a mut [u16],
    health_max: &'a [u16],
    fight_until: &'a [u32],
    ready_tick: &'a [u32],
    state: &'a mut [u8],
    tick: u32,
    mend_permille: u32,
    mend_ticks: u32,
}

impl Kernel for Vitals<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let tick = self.tick;
        let blocks = self.health.as_chunks_mut::<BLOCK_ROWS>().0.iter_mut();
        let blocks = blocks.zip(self.health_max.as_chunks::<BLOCK_ROWS>().0);
        let blocks = blocks.zip(self.fight_until.as_chunks::<BLOCK_ROWS>().0);
        // Blocks take turns: as much work in each tick.
        let first = self.mend_ticks - 1 - self.turn;
        for ((health, most), fight_until) in blocks.skip(first as usize).step_by(self.mend_ticks as usize) {
            for row in 0..BLOCK_ROWS {
                let gain = (u32::from(most[row]).wrapping_mul(self.mend_permille) / 1_000).max(1);
                let mended = u32::from(health[row]).wrapping_add(gain).min(most[row].into()) as u16;
                let mends = health[row] != 0 && health[row] < most[row] && fight_until[row] <= tick;
                health[row] = if mends { mended } else { health[row] };
            }
        }
        let bodies = self.health.iter().zip(self.health_max);
        let ticks = self.fight_until.iter().zip(self.ready_tick);
        for ((state, (health, most)), (fight_until, ready_tick)) in
            self.state.iter_mut().zip(bodies).zip(ticks)
        {
            let is_dead = u8::from((*health == 0) & (*most != 0)) * state::DEAD;
            let is_fighting = u8::from(*fight_until > tick) * state::FIGHTING;
            let is_acting = u8::from(*ready_tick > tick) * state::ACTING;
            *state = is_dead | is_fighting | is_acting;
        }
    }
}

/// Writes `state`, and mends whoever is not fighting.
pub(super) fn vitals(world: &mut World<Traits>, rules: &CombatRules) {
    let (rows, level, tick) = (world.rows(), world.level(), world.tick());
    let (mend_permille, mend_ticks) = (rules.mend_permille.into(), rules.mend_ticks);
    let game = &mut world.game;
    let columns = (
        (&mut game.health[..], &game.health_max[..]),
        (&game.fight_until[..], &game.ready_tick[..]),
        &mut game.state[..],
    );
    each_region(rows, columns, |rows, ((health, health_max), (fight_until, ready_tick), state)| {
        let turn = tick.wrapping_add((rows.start / BLOCK_ROWS) as u32) % mend_ticks;
        dispatch(
            level,
            Vitals {
                turn,
                health,
                health_max,
                fight_until,
                ready_tick,
                state,
                tick,
                mend_permille,
                mend_ticks,
            },
        );
    });
}
