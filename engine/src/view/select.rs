//! One pass over the rows around a client: who is near now, who was at the baseline, what differs.

use crate::history::Block;
use crate::limits::{BLOCK_ROWS, NEAR_MAX};
use crate::simd::{LaneKernel, Lanes};
use crate::world::Roster;

/// Room for what one datagram could hold of each record at most, and one block more.
const MOVED_MAX: usize = 512;
const FULL_MAX: usize = 128;
const GONE_MAX: usize = 1024;
const ATTR_MAX: usize = 512;
const FAR_MAX: usize = 1024;

/// Wire sizes of the records, bytes.
pub(super) const MOVED_BYTES: usize = 4;
pub(super) const FULL_BYTES: usize = 24;
pub(super) const GONE_BYTES: usize = 2;
pub(super) const ATTR_BYTES: usize = 4;
pub(super) const FAR_BYTES: usize = 12;

/// The bytes are counted after each block. Up to here no array is closer to its end than what a block can add.
pub(super) const BYTES_MAX: usize = 1_536;

const _: () = {
    assert!(BYTES_MAX / MOVED_BYTES + BLOCK_ROWS <= MOVED_MAX);
    assert!(BYTES_MAX / FULL_BYTES + BLOCK_ROWS <= FULL_MAX);
    assert!(BYTES_MAX / GONE_BYTES + BLOCK_ROWS <= GONE_MAX);
    assert!(BYTES_MAX / ATTR_BYTES + 4 * BLOCK_ROWS <= ATTR_MAX);
    assert!(BYTES_MAX >= throng_schema::limits::PAYLOAD_BYTES_MAX);
};

/// An entity that enters a near list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    pub slot: u32,
    pub index: u16,
}

/// What a pass found, in arrays that are reused.
#[derive(Debug)]
pub(super) struct Selection {
    pub moved: [u32; MOVED_MAX + BLOCK_ROWS],
    pub moved_count: usize,
    pub full: [Entry; FULL_MAX],
    pub full_count: usize,
    pub gone: [u16; GONE_MAX],
    pub gone_count: usize,
    /// Place in the low, value in the high 16 bits.
    pub attr: [u32; ATTR_MAX],
    pub attr_count: usize,
    /// Bits of the new near list that moved, low bit first.
    pub changed: [u64; NEAR_MAX / 64 + 1],
    /// Length of the new near list.
    pub near_count: usize,
    /// Slots of the new near list, when asked for.
    pub near: [u32; NEAR_MAX + BLOCK_ROWS],
    /// Phase offset from the cursor in the high, slot in the low 32 bits.
    pub far: [u64; FAR_MAX],
    pub far_count: usize,
    /// Everybody in the ring between near and view radius.
    pub ring_count: usize,
}

impl Selection {
    pub(super) const fn new() -> Self {
        Self {
            moved: [0; MOVED_MAX + BLOCK_ROWS],
            moved_count: 0,
            full: [Entry { slot: 0, index: 0 }; FULL_MAX],
            full_count: 0,
            gone: [0; GONE_MAX],
            gone_count: 0,
            attr: [0; ATTR_MAX],
            attr_count: 0,
            changed: [0; NEAR_MAX / 64 + 1],
            near_count: 0,
            near: [0; NEAR_MAX + BLOCK_ROWS],
            far: [0; FAR_MAX],
            far_count: 0,
            ring_count: 0,
        }
    }

    /// Bytes of the near part on the wire, padding and vector heads included.
    pub(super) fn near_bytes(&self) -> usize {
        let vector = |bytes: usize| if bytes == 0 { 0 } else { 8 + bytes.next_multiple_of(4) };
        vector(self.moved_count * MOVED_BYTES)
            + if self.moved_count == 0 { 0 } else { vector(self.near_count.div_ceil(8)) }
            + vector(self.full_count * FULL_BYTES)
            + vector(self.gone_count * GONE_BYTES)
            + vector(self.attr_count * ATTR_BYTES)
    }
}

/// A disc around a client's view centre at one tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disc {
    /// Packed position.
    pub centre: u32,
    /// Squared radius in units; negative: the disc is empty.
    pub radius2: i32,
    /// The client's own row, which is not part of its view.
    pub own: u32,
}

impl Disc {
    /// Contains nobody.
    pub(super) const EMPTY: Self = Self { centre: 0, radius2: -1, own: u32::MAX };

    /// Everything but the own row, if it is in this block.
    #[inline(always)]
    fn others(&self, block: u32) -> u16 {
        if self.own / BLOCK_ROWS as u32 == block { !(1 << (self.own % BLOCK_ROWS as u32)) } else { !0 }
    }
}

/// The near pass: fills a selection with the difference between two near lists.
pub(super) struct SelectNear<'a, R> {
    pub runs: R,
    pub now: &'a [Block],
    pub base: &'a [Block],
    pub rosters: &'a [Roster],
    pub disc: Disc,
    pub disc_base: Disc,
    pub baseline: u32,
    /// Give up once the near part takes more bytes than this.
    pub bytes_max: usize,
    /// Also list the slots of the new near list.
    pub wants_near: bool,
    pub selection: &'a mut Selection,
}

impl<'a, R: Iterator<Item = &'a [u32]>> LaneKernel for SelectNear<'a, R> {
    /// Did it fit?
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> bool {
        let Self { runs, now, base, rosters, disc, disc_base, baseline, bytes_max, wants_near, selection } = self;
        let (mut moved, mut full, mut gone, mut attr) = (0usize, 0usize, 0usize, 0usize);
        let (mut near, mut was_near) = (0usize, 0usize);
        let (mut word, mut word_bits) = (0u64, 0u32);
        let mut fits = true;
        let bytes_max = bytes_max.min(BYTES_MAX);
        'runs: for run in runs {
            for &block in run {
                let (now, base) = (&now[block as usize], &base[block as usize]);
                let in_now = lanes.in_range(&now.position, disc.centre, disc.radius2) & disc.others(block);
                let in_base =
                    lanes.in_range(&base.position, disc_base.centre, disc_base.radius2) & disc_base.others(block);
                if in_now | in_base == 0 {
                    continue;
                }
                let roster = &rosters[block as usize];
                let records: &mut [u32; BLOCK_ROWS] = (&mut selection.moved[moved..moved + BLOCK_ROWS])
                    .try_into()
                    .unwrap_or_else(|_| unreachable!("sixteen"));
                let changes = lanes.changes(now, base, &roster.since, baseline, in_now & in_base, records);
                let moved_here = lanes.extract(changes.moved, in_now);
                moved += changes.moved.count_ones() as usize;

                let mut leaves = in_base & !changes.kept;
                while leaves != 0 {
                    let row = leaves.trailing_zeros();
                    leaves &= leaves - 1;
                    let before = (in_base & ((1u32 << row) - 1) as u16).count_ones() as usize;
                    selection.gone[gone] = (was_near + before) as u16;
                    gone += 1;
                }
                let mut enters = in_now & !changes.kept;
                while enters != 0 {
                    let row = enters.trailing_zeros();
                    enters &= enters - 1;
                    let before = (in_now & ((1u32 << row) - 1) as u16).count_ones() as usize;
                    selection.full[full] =
                        Entry { slot: block * BLOCK_ROWS as u32 + row, index: (near + before) as u16 };
                    full += 1;
                }
                let mut altered = changes.attr;
                while altered != 0 {
                    let row = altered.trailing_zeros();
                    altered &= altered - 1;
                    let before = (in_now & ((1u32 << row) - 1) as u16).count_ones() as usize;
                    let (values, were) = (now.attr[row as usize], base.attr[row as usize]);
                    for number in 0..values.len() {
                        if values[number] != were[number] {
                            let place = (near + before) as u32 | (number as u32) << 14;
                            selection.attr[attr] = place | u32::from(values[number]) << 16;
                            attr += 1;
                        }
                    }
                }
                if wants_near {
                    let slots: &mut [u32; BLOCK_ROWS] = (&mut selection.near[near..near + BLOCK_ROWS])
                        .try_into()
                        .unwrap_or_else(|_| unreachable!("sixteen"));
                    lanes.slots(in_now, block * BLOCK_ROWS as u32, slots);
                }
                let count = in_now.count_ones();
                word |= u64::from(moved_here) << word_bits;
                if word_bits + count >= 64 {
                    selection.changed[near / 64] = word;
                    word = u64::from(moved_here) >> (64 - word_bits);
                    word_bits = word_bits + count - 64;
                } else {
                    word_bits += count;
                }
                near += count as usize;
                was_near += in_base.count_ones() as usize;

                let bytes = moved * MOVED_BYTES
                    + full * FULL_BYTES
                    + gone * GONE_BYTES
                    + attr * ATTR_BYTES
                    + near.div_ceil(8);
                if bytes > bytes_max || near > NEAR_MAX - BLOCK_ROWS {
                    fits = false;
                    break 'runs;
                }
            }
        }
        selection.changed[near / 64] = word;
        (selection.moved_count, selection.full_count) = (moved, full);
        (selection.gone_count, selection.attr_count) = (gone, attr);
        selection.near_count = near;
        fits && selection.near_bytes() <= bytes_max
    }
}

/// The far pass: counts the ring between near and view radius, and lists those whose turn it is.
pub(super) struct SelectFar<'a, R> {
    pub runs: R,
    pub now: &'a [Block],
    pub rosters: &'a [Roster],
    pub near: Disc,
    pub view_radius2: i32,
    pub cursor: u16,
    pub width: u32,
    pub selection: &'a mut Selection,
}

impl<'a, R: Iterator<Item = &'a [u32]>> LaneKernel for SelectFar<'a, R> {
    /// Was there room for all whose turn it is?
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> bool {
        let Self { runs, now, rosters, near, view_radius2, cursor, width, selection } = self;
        let (mut ring, mut far) = (0usize, 0usize);
        let mut has_room = true;
        for run in runs {
            for &block in run {
                let position = &now[block as usize].position;
                let in_view = lanes.in_range(position, near.centre, view_radius2) & near.others(block);
                if in_view == 0 {
                    continue;
                }
                let in_ring = in_view & !lanes.in_range(position, near.centre, near.radius2);
                ring += in_ring.count_ones() as usize;
                let ids = &rosters[block as usize].ids;
                let mut due = lanes.due(ids, cursor, width) & in_ring;
                while due != 0 {
                    let row = due.trailing_zeros();
                    due &= due - 1;
                    if far == FAR_MAX {
                        has_room = false;
                        break;
                    }
                    let offset = crate::simd::phase(ids[row as usize]).wrapping_sub(cursor);
                    let slot = block * BLOCK_ROWS as u32 + row;
                    selection.far[far] = u64::from(offset) << 32 | u64::from(slot);
                    far += 1;
                }
            }
        }
        (selection.ring_count, selection.far_count) = (ring, far);
        has_room
    }
}
