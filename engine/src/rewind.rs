//! Asking who was where: for hits that are judged by what the one who strikes saw.
//!
//! Positions are those of the history, so they go back as far as it does and are rounded as clients are told them.
//! An entity is known by its row, and has been in it since it was born or last changed cells.

use crate::column::Columns;
use crate::entity::Slot;
use crate::grid::Runs;
use crate::history::{History, pack};
use crate::interest::{Found, bounds, units_of};
use crate::limits::{BLOCK_ROWS, HISTORY_TICKS, UNITS_PER_METRE};
use crate::simd::{LaneKernel, Lanes, dispatch_lanes};
use crate::world::{Roster, World};

struct WithinAt<'a> {
    runs: Runs<'a>,
    history: &'a History,
    rosters: &'a [Roster],
    live: &'a [u16],
    tick: u32,
    newest: u32,
    centre: u32,
    radius2: i32,
    found: &'a mut Found,
}

impl LaneKernel for WithinAt<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> usize {
        let then = self.history.frame(self.tick).positions;
        let mut count = 0;
        loop {
            let blocks = self.runs.next_lot(&mut self.found.lot);
            if blocks == 0 {
                return count;
            }
            let slots = Found::reserve(&mut self.found.slots, count, blocks);
            for &block in self.found.lot.first(blocks) {
                let at = block as usize;
                let since = &self.rosters[at].since;
                let mut mask = lanes.in_range(&then[at], self.centre, self.radius2);
                let mut late = 0;
                for (row, since) in since.iter().enumerate() {
                    late |= u16::from(*since > self.tick) << row;
                }
                mask &= !late;
                late &= self.live[at];
                while late != 0 {
                    let row = late.trailing_zeros() as usize;
                    late &= late - 1;
                    if since[row] <= self.newest {
                        let first = &self.history.frame(since[row]).positions[at];
                        mask |= lanes.in_range(first, self.centre, self.radius2) & 1 << row;
                    }
                }
                mask &= self.live[at];
                let Some(slots) = slots[count..].first_chunk_mut() else { unreachable!("reserved") };
                lanes.slots(mask, block * BLOCK_ROWS as u32, slots);
                count += mask.count_ones() as usize;
            }
        }
    }
}

impl<C: Columns> World<C> {
    /// The rows of all who live now and were within `radius_m` (up to
    /// [`VIEW_RADIUS_M_MAX`](crate::limits::VIEW_RADIUS_M_MAX)) of a point at `tick`, in scan order.
    ///
    /// A tick beyond the history counts as its nearest one. Who came into its row after `tick`, because it changed cells
    /// or was born, is taken as it was first there. The rows are right until the next [`settle`](World::settle).
    pub fn within_at<'f>(
        &self,
        tick: u32,
        x_m: f32,
        y_m: f32,
        radius_m: f32,
        found: &'f mut Found,
    ) -> &'f [u32] {
        let (x, y, radius) = units_of(&self.config, x_m, y_m, radius_m);
        let Some(tick) = self.kept_tick(tick) else { return &[] };
        let kernel = WithinAt {
            runs: self.grid.runs(bounds(x_m, y_m, radius_m)),
            history: &self.history,
            rosters: &self.rosters,
            live: self.grid.live(),
            tick,
            newest: self.published(),
            centre: pack(x, y),
            radius2: radius * radius,
            found,
        };
        let count = dispatch_lanes(self.level, kernel);
        &found.slots[..count]
    }

    /// Where the entity in a row was at `tick`: x, y and height in metres, rounded down to position units.
    ///
    /// `None` when the row was another's then, or is nobody's now. A tick beyond the history counts as its nearest one.
    pub fn place_at(&self, slot: Slot, tick: u32) -> Option<[f32; 3]> {
        let (block, row) = (slot.row() / BLOCK_ROWS, slot.row() % BLOCK_ROWS);
        let tick = self.kept_tick(tick)?;
        if self.grid.live()[block] >> row & 1 == 0 || self.rosters[block].since[row] > tick {
            return None;
        }
        let frame = self.history.frame(tick);
        let (position, height) = (frame.positions[block].0[row], frame.details[block].z_yaw[row]);
        // Whoever is in a row is never far from the middle of its cell, so that tells which of the wrapped places is meant.
        let place = self.grid.places()[block];
        let unwrapped = |middle_m: f32, low: u32| {
            let middle = (middle_m * UNITS_PER_METRE as f32) as i32;
            (middle + i32::from((low as i16).wrapping_sub(middle as i16))) as f32 / UNITS_PER_METRE as f32
        };
        let height_m = f32::from(height as i16) / UNITS_PER_METRE as f32;
        Some([unwrapped(place.x_m, position), unwrapped(place.y_m, position >> 16), height_m])
    }

    /// The tick of the history that is nearest to `tick`; `None` before the first.
    fn kept_tick(&self, tick: u32) -> Option<u32> {
        let newest = self.published();
        let oldest = newest.saturating_sub(HISTORY_TICKS as u32 - 1).max(1);
        (newest > 0).then(|| tick.clamp(oldest, newest))
    }
}
