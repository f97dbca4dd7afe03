//! The scalar twin: the definition that the other levels are tested against, and the level of other processors.

use super::{BlockAt, Changes, Lanes, Question, phase};
use crate::history::Positions;
use crate::limits::BLOCK_ROWS;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Portable;

impl Portable {
    /// Not inlined: what it keeps on the stack would be kept there for the other levels too.
    #[inline(never)]
    pub(crate) fn ask<Q: Question>(
        self,
        about: Q::About<'_>,
        now: &[Positions],
        x_m: f32,
        y_m: f32,
        radius_m: f32,
        room: &mut [u32],
    ) -> Result<usize, usize> {
        Q::answer(self, about, now, [x_m, y_m, radius_m], room)
    }
}

#[inline(always)]
fn distance2(position: u32, centre: u32) -> i32 {
    let dx = i32::from((position as u16).wrapping_sub(centre as u16) as i16);
    let dy = i32::from(((position >> 16) as u16).wrapping_sub((centre >> 16) as u16) as i16);
    (dx * dx).wrapping_add(dy * dy)
}

#[inline(always)]
fn fits_byte(difference: i16) -> bool {
    difference as i8 as i16 == difference
}

impl Lanes for Portable {
    #[inline(always)]
    fn in_range(self, positions: &Positions, centre: u32, radius2: i32) -> u16 {
        let mut mask = 0;
        for (row, &position) in positions.0.iter().enumerate() {
            mask |= u16::from(distance2(position, centre) <= radius2) << row;
        }
        mask
    }

    #[inline(always)]
    fn changes(
        self,
        now: BlockAt<'_>,
        base: BlockAt<'_>,
        since: &[u32; 16],
        baseline: u32,
        candidates: u16,
        records: &mut [u32; 16],
    ) -> Changes {
        let mut changes = Changes { kept: 0, moved: 0, attr: 0 };
        let mut written = 0;
        let mut rest = candidates;
        while rest != 0 {
            let row = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let (at, was) = (now.positions.0[row], base.positions.0[row]);
            let (z_yaw, z_yaw_was) = (now.details.z_yaw[row], base.details.z_yaw[row]);
            let dx = (at as u16).wrapping_sub(was as u16) as i16;
            let dy = ((at >> 16) as u16).wrapping_sub((was >> 16) as u16) as i16;
            let dz = (z_yaw as u16).wrapping_sub(z_yaw_was as u16) as i16;
            if since[row] > baseline || !fits_byte(dx) || !fits_byte(dy) || !fits_byte(dz) {
                continue;
            }
            changes.kept |= 1 << row;
            changes.attr |= u16::from(now.details.attr01[row] != base.details.attr01[row]) << row;
            if at != was || z_yaw != z_yaw_was {
                changes.moved |= 1 << row;
                let yaw = z_yaw >> 16 & 0xff;
                records[written] =
                    u32::from(dx as u8) | u32::from(dy as u8) << 8 | u32::from(dz as u8) << 16 | yaw << 24;
                written += 1;
            }
        }
        changes
    }

    #[inline(always)]
    fn slots(self, mask: u16, first: u32, slots: &mut [u32; 16]) {
        // Every row is written, and kept or written over: no predictor knows how many there are. 230 ns a query, not 310.
        let mut written = 0;
        for row in 0..BLOCK_ROWS {
            slots[written % BLOCK_ROWS] = first.wrapping_add(row as u32);
            written += usize::from(mask >> row & 1);
        }
    }

    #[inline(always)]
    fn ranks(
        self,
        positions: &Positions,
        centre: u32,
        mask: u16,
        first: u32,
        slots: &mut [u32; 16],
        distances: &mut [u32; 16],
    ) {
        self.slots(mask, first, slots);
        let mut rest = mask;
        let mut written = 0;
        while rest != 0 {
            distances[written] = distance2(positions.0[rest.trailing_zeros() as usize], centre) as u32;
            rest &= rest - 1;
            written += 1;
        }
    }

    #[inline(always)]
    fn due(self, ids: &[u32; 16], cursor: u16, width: u32) -> u16 {
        let mut mask = 0;
        for (row, &id) in ids.iter().enumerate() {
            mask |= u16::from(u32::from(phase(id).wrapping_sub(cursor)) < width) << row;
        }
        mask
    }

    #[inline(always)]
    fn beyond(self, values: &[f32; 16], centre: f32, reach: f32) -> u16 {
        let mut mask = 0;
        for (row, value) in values.iter().enumerate() {
            let is_within = (value - centre).abs() <= reach;
            mask |= u16::from(!is_within) << row;
        }
        mask
    }

    #[inline(always)]
    fn unequal(self, now: &[u32; 16], base: &[u32; 16]) -> u16 {
        let pairs = now.iter().zip(base).enumerate();
        pairs.fold(0, |mask, (row, (now, base))| mask | u16::from(now != base) << row)
    }

    #[inline(always)]
    fn extract(self, mask: u16, places: u16) -> u16 {
        let mut rest = places;
        let (mut gathered, mut place) = (0, 0);
        while rest != 0 {
            gathered |= (mask >> rest.trailing_zeros() & 1) << place;
            rest &= rest - 1;
            place += 1;
        }
        gathered
    }
}
