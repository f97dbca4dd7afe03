//! The quantised past: what every snapshot, and later every rewound hit, reads.
//!
//! ```text
//!   tick & 31      block 0              block 1
//!     0         [ 16 positions     ]  [ ...        ]  ...    one line of cache per block: all that interest reads
//!               [ 16 x z, yaw, attr ]  [ ...        ]  ...    read for blocks with somebody in range
//!               [ 16 x more attr    ]  [ ...        ]  ...    read if the game uses them
//!     1         ...
//! ```
//!
//! Frames are aligned with the columns: row `s` of a frame is slot `s` at that tick. An entity keeps its slot until it
//! leaves its cell, so its baseline lies at the same place of an older frame, and comparing is a straight pass.

use crate::limits::{BLOCK_ROWS, HISTORY_TICKS, UNITS_PER_METRE};

/// Positions of sixteen rows: x in the low, y in the high 16 bits, in position units modulo 65,536.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Positions(pub [u32; BLOCK_ROWS]);

/// The rest of the replicated state of sixteen rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Details {
    /// z in position units in the low 16 bits, facing in 1/256 of a turn in the next 8; the rest is zero.
    pub z_yaw: [u32; BLOCK_ROWS],
    /// The game's replicated attributes 0 (low half) and 1.
    pub attr01: [u32; BLOCK_ROWS],
}

/// Attributes 2 (low half) and 3 of sixteen rows. Apart, because many games do without: see [`History::is_wide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Extras(pub [u32; BLOCK_ROWS]);

impl Positions {
    pub(crate) const EMPTY: Self = Self([0; BLOCK_ROWS]);
}

impl Details {
    pub(crate) const EMPTY: Self = Self { z_yaw: [0; BLOCK_ROWS], attr01: [0; BLOCK_ROWS] };
}

/// Position units of a length in metres, rounded down.
#[inline(always)]
pub fn quantise(metres: f32) -> i32 {
    let units = metres * UNITS_PER_METRE as f32;
    let towards_zero = units as i32;
    towards_zero.saturating_sub(i32::from(towards_zero as f32 > units))
}

/// 1.5 x 2^23: a float this large has its units in the lowest bit, so adding it leaves a whole number there.
pub(crate) const WHOLE: f32 = 12_582_912.0;

/// As [`quantise`], without its cast: that saturates, which takes a dozen instructions and keeps a loop from being
/// vectorised. (`floor` would be a call where there is no instruction for it.)
///
/// Exact up to 131 km, and some number beyond.
#[inline(always)]
pub(crate) fn quantise_row(metres: f32) -> i32 {
    let units = metres * UNITS_PER_METRE as f32;
    let nearest = units + WHOLE;
    let is_above = nearest - WHOLE > units;
    nearest.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_sub(is_above.into()) as i32
}

/// Packs a position: both coordinates modulo 65,536 units.
#[inline(always)]
pub fn pack(x_units: i32, y_units: i32) -> u32 {
    x_units as u32 & 0xffff | (y_units as u32) << 16
}

impl Extras {
    pub(crate) const EMPTY: Self = Self([0; BLOCK_ROWS]);
}

/// One tick, by block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub positions: &'a [Positions],
    pub details: &'a [Details],
    pub extras: &'a [Extras],
    /// May any frame of the history have an attribute 2 or 3? If not, the lines of `extras` stay untouched.
    pub is_wide: bool,
}

/// One tick being written.
#[derive(Debug)]
pub(crate) struct FrameMut<'a> {
    pub positions: &'a mut [Positions],
    pub details: &'a mut [Details],
    pub extras: &'a mut [Extras],
}

impl<'a> Frame<'a> {
    /// The same frame, known to have so many blocks: one comparison then guards all reads of a block.
    #[inline(always)]
    pub(crate) fn of(self, blocks: usize) -> Frame<'a> {
        let Self { positions, details, extras, is_wide } = self;
        Self {
            positions: &positions[..blocks],
            details: &details[..blocks],
            extras: &extras[..blocks],
            is_wide,
        }
    }

    /// The four attributes of a row, in pairs.
    #[inline(always)]
    pub(crate) fn attribute_pairs(&self, block: usize, row: usize) -> [u32; 2] {
        [self.details[block].attr01[row], if self.is_wide { self.extras[block].0[row] } else { 0 }]
    }

    /// The four attributes of a row.
    #[inline(always)]
    pub(crate) fn attributes(&self, block: usize, row: usize) -> [u16; 4] {
        let [low, high] = self.attribute_pairs(block, row);
        [low as u16, (low >> 16) as u16, high as u16, (high >> 16) as u16]
    }
}

/// The last [`HISTORY_TICKS`] frames.
#[derive(Debug)]
pub(crate) struct History {
    positions: [Vec<Positions>; HISTORY_TICKS],
    details: [Vec<Details>; HISTORY_TICKS],
    extras: [Vec<Extras>; HISTORY_TICKS],
    /// Last tick in which some row had attribute 2 or 3.
    wide_tick: Option<u32>,
    /// Is that one of the history?
    is_wide: bool,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            positions: [const { Vec::new() }; HISTORY_TICKS],
            details: [const { Vec::new() }; HISTORY_TICKS],
            extras: [const { Vec::new() }; HISTORY_TICKS],
            wide_tick: None,
            is_wide: false,
        }
    }

    pub(crate) fn grow(&mut self, blocks: usize) {
        self.positions.iter_mut().for_each(|frame| frame.resize(blocks, Positions::EMPTY));
        self.details.iter_mut().for_each(|frame| frame.resize(blocks, Details::EMPTY));
        self.extras.iter_mut().for_each(|frame| frame.resize(blocks, Extras::EMPTY));
    }

    /// The frame of `tick`, which must be one of the last [`HISTORY_TICKS`].
    #[inline(always)]
    pub(crate) fn frame(&self, tick: u32) -> Frame<'_> {
        let index = tick as usize % HISTORY_TICKS;
        Frame {
            positions: &self.positions[index],
            details: &self.details[index],
            extras: &self.extras[index],
            is_wide: self.is_wide,
        }
    }

    pub(crate) fn frame_mut(&mut self, tick: u32) -> FrameMut<'_> {
        let index = tick as usize % HISTORY_TICKS;
        FrameMut {
            positions: &mut self.positions[index],
            details: &mut self.details[index],
            extras: &mut self.extras[index],
        }
    }

    /// Notes that the frame of `tick`, the newest, is written, and whether it has an attribute 2 or 3 that is not zero.
    pub(crate) fn written(&mut self, tick: u32, is_wide: bool) {
        if is_wide {
            self.wide_tick = Some(tick);
        }
        self.is_wide = self.wide_tick.is_some_and(|wide| tick - wide < HISTORY_TICKS as u32);
    }

    /// Makes every remembered row of `block` a decoy that nobody near its cell can see.
    pub(crate) fn wipe(&mut self, block: usize, decoy: u32) {
        for frame in &mut self.positions {
            frame[block] = Positions([decoy; BLOCK_ROWS]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantising_rounds_down_on_both_sides_of_zero() {
        let cases =
            [(0.0, 0), (0.031, 0), (0.032, 1), (-0.001, -1), (-1.0, -32), (-1.01, -33), (2047.99, 65_535)];
        for (metres, units) in cases {
            assert_eq!((quantise(metres), quantise_row(metres)), (units, units), "{metres} m");
        }
        assert_eq!(quantise(-0.03125), -1);
        for units in (-4_000_000..4_000_000).step_by(977) {
            let metres = units as f32 / 32.0 + 0.01;
            assert_eq!(quantise(metres), quantise_row(metres), "{metres} m");
            assert_eq!(quantise_row(units as f32 / 32.0), units);
        }
    }

    #[test]
    fn packed_positions_wrap() {
        assert_eq!(pack(65_536 + 5, -1), 0xffff_0005);
    }
}
