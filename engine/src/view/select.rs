//! One pass over the rows around a client: who is near now, who was at the baseline, what differs.

use super::events::EVENTS_FOUND_MAX;
use crate::grid::{LOT, Lot, Runs};
use crate::history::Frame;
use crate::limits::{BLOCK_ROWS, EVENTS_MAX, NEAR_MAX};
use crate::simd::{BlockAt, Changes, LaneKernel, Lanes, soon};
use crate::world::Roster;

/// Wire sizes of the records, bytes.
pub(super) const MOVED_BYTES: usize = 4;
pub(super) const FULL_BYTES: usize = 24;
pub(super) const GONE_BYTES: usize = 2;
pub(super) const ATTR_BYTES: usize = 4;
pub(super) const FAR_BYTES: usize = 12;
pub(super) const EVENT_BYTES: usize = 16;

/// Rows that are worked on together. The bytes are counted after each such lot, so arrays have room for one lot more than
/// the largest message.
const LOT_ROWS: usize = LOT * BLOCK_ROWS;

/// Most bytes that a near part may be allowed to take.
const BYTES_MAX: usize = throng_schema::limits::PAYLOAD_BYTES_MAX;
const MOVED_MAX: usize = BYTES_MAX / MOVED_BYTES + LOT_ROWS + BLOCK_ROWS;
const FULL_MAX: usize = BYTES_MAX / FULL_BYTES + LOT_ROWS;
const GONE_MAX: usize = BYTES_MAX / GONE_BYTES + LOT_ROWS;
// One more than its fill: the last attribute of a row is written before it is known to be wanted.
const ATTR_MAX: usize = BYTES_MAX / ATTR_BYTES + 4 * LOT_ROWS + 1;
const SLOTS_MAX: usize = NEAR_MAX + LOT_ROWS + BLOCK_ROWS;
const WORDS_MAX: usize = (NEAR_MAX + LOT_ROWS) / 64 + 1;
const FAR_MAX: usize = 1024;

/// An entity that enters a near list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    pub slot: u32,
    pub index: u16,
}

/// What a pass found, in arrays that are reused.
#[derive(Debug)]
pub(super) struct Selection {
    pub moved: [u32; MOVED_MAX],
    pub moved_count: usize,
    pub full: [Entry; FULL_MAX],
    pub full_count: usize,
    pub gone: [u16; GONE_MAX],
    pub gone_count: usize,
    /// Place in the low, value in the high 16 bits.
    pub attr: [u32; ATTR_MAX],
    pub attr_count: usize,
    /// Bits of the new near list that moved, low bit first.
    pub changed: [u64; WORDS_MAX],
    /// Length of the new near list.
    pub near_count: usize,
    /// Slots of the new near list, when asked for.
    pub near: [u32; SLOTS_MAX],
    /// Phase offset from the cursor in the high, slot in the low 32 bits.
    pub far: [u64; FAR_MAX],
    pub far_count: usize,
    /// Everybody in the ring between near and view radius.
    pub ring_count: usize,
    /// Candidates, and the records of those chosen as on the wire.
    pub event_keys: [u64; EVENTS_FOUND_MAX],
    pub events: [[u32; EVENT_BYTES / 4]; EVENTS_MAX],
    pub event_count: usize,
    hits: [Hit; LOT],
    /// Blocks of which somebody enters or leaves, and of which attributes changed. Two lists, for whether a block has
    /// such an event is a coin toss that no branch predictor wins.
    edges: [Event; LOT],
    alterations: [Event; LOT],
}

impl Selection {
    pub(super) const fn new() -> Self {
        Self {
            moved: [0; MOVED_MAX],
            moved_count: 0,
            full: [Entry { slot: 0, index: 0 }; FULL_MAX],
            full_count: 0,
            gone: [0; GONE_MAX],
            gone_count: 0,
            attr: [0; ATTR_MAX],
            attr_count: 0,
            changed: [0; WORDS_MAX],
            near_count: 0,
            near: [0; SLOTS_MAX],
            far: [0; FAR_MAX],
            far_count: 0,
            ring_count: 0,
            event_keys: [0; EVENTS_FOUND_MAX],
            events: [[0; EVENT_BYTES / 4]; EVENTS_MAX],
            event_count: 0,
            hits: [Hit(0); LOT],
            edges: [Event::EMPTY; LOT],
            alterations: [Event::EMPTY; LOT],
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

/// A block in which somebody is, or was, in range. One word: as three fields they would be stored in parts, loaded as a
/// whole, and each load would wait for the stores to drain.
#[derive(Clone, Copy, Debug)]
struct Hit(u64);

impl Hit {
    #[inline(always)]
    fn new(block: u32, in_now: u16, in_base: u16) -> Self {
        Self(u64::from(block) << 32 | u64::from(in_base) << 16 | u64::from(in_now))
    }

    #[inline(always)]
    fn parts(self) -> (u32, u16, u16) {
        ((self.0 >> 32) as u32, self.0 as u16, (self.0 >> 16) as u16)
    }
}

/// A hit of which more than movement must be told.
#[derive(Clone, Copy, Debug)]
struct Event {
    block: u32,
    /// Places in the new and in the baseline's near list at which the block begins.
    near: u16,
    was_near: u16,
    in_now: u16,
    in_base: u16,
    kept: u16,
    attr: u16,
}

impl Event {
    const EMPTY: Self = Self { block: 0, near: 0, was_near: 0, in_now: 0, in_base: 0, kept: 0, attr: 0 };
}

/// Room for a block's worth of words.
#[inline(always)]
fn window(words: &mut [u32], at: usize) -> &mut [u32; BLOCK_ROWS] {
    words[at..].first_chunk_mut().unwrap_or_else(|| unreachable!("arrays are a block longer than their fill"))
}

#[inline(always)]
fn ones_below(mask: u16, row: u32) -> u16 {
    (u32::from(mask) & !(!0 << row)).count_ones() as u16
}

/// The near pass: fills a selection with the difference between two near lists.
pub(super) struct SelectNear<'a> {
    pub runs: Runs<'a>,
    pub now: Frame<'a>,
    pub base: Frame<'a>,
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

impl LaneKernel for SelectNear<'_> {
    /// Did it fit?
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> bool {
        let Self {
            mut runs,
            now,
            base,
            rosters,
            disc,
            disc_base,
            baseline,
            bytes_max,
            wants_near,
            selection,
        } = self;
        let (now, base) = (now.of(rosters.len()), base.of(rosters.len()));
        let (mut moved, mut full, mut gone, mut attr) = (0usize, 0usize, 0usize, 0usize);
        let (mut near, mut was_near) = (0usize, 0usize);
        let (mut word, mut word_bits) = (0u64, 0u32);
        let mut fits = true;
        let bytes_max = bytes_max.min(BYTES_MAX);
        let mut lot = Lot::new();
        loop {
            let blocks = runs.next_lot(&mut lot);
            if blocks == 0 {
                break;
            }
            // First only who is in range: independent loads and no branch, so that the processor overlaps them all.
            let mut hit_count = 0;
            for &block in lot.first(blocks) {
                let at = block as usize;
                let in_now = lanes.in_range(&now.positions[at], disc.centre, disc.radius2);
                let in_base = lanes.in_range(&base.positions[at], disc_base.centre, disc_base.radius2);
                selection.hits[hit_count] = Hit::new(block, in_now, in_base);
                hit_count += usize::from(in_now | in_base != 0);
            }

            let (mut edge_count, mut alteration_count) = (0, 0);
            for hit in 0..hit_count {
                let (block, in_now, in_base) = selection.hits[hit].parts();
                let in_now = in_now & disc.others(block);
                let in_base = in_base & disc_base.others(block);
                let at = block as usize;
                let records = window(&mut selection.moved, moved);
                let since = &rosters[at].since;
                let now_at = BlockAt { positions: &now.positions[at], details: &now.details[at] };
                let base_at = BlockAt { positions: &base.positions[at], details: &base.details[at] };
                let changes = lanes.changes(now_at, base_at, since, baseline, in_now & in_base, records);
                let Changes { kept, mut attr, .. } = changes;
                if now.is_wide {
                    attr |= lanes.unequal(&now.extras[at].0, &base.extras[at].0) & kept;
                }
                let (near_here, was_near_here) = (near as u16, was_near as u16);
                let event =
                    Event { block, near: near_here, was_near: was_near_here, in_now, in_base, kept, attr };
                selection.edges[edge_count] = event;
                edge_count += usize::from((in_now | in_base) & !kept != 0);
                selection.alterations[alteration_count] = event;
                alteration_count += usize::from(attr != 0);
                if wants_near {
                    lanes.slots(in_now, block * BLOCK_ROWS as u32, window(&mut selection.near, near));
                }
                let moved_here = u64::from(lanes.extract(changes.moved, in_now));
                let count = in_now.count_ones();
                word |= moved_here << word_bits;
                if word_bits + count >= 64 {
                    selection.changed[near / 64] = word;
                    word = moved_here >> (64 - word_bits);
                    word_bits = word_bits + count - 64;
                } else {
                    word_bits += count;
                }
                moved += changes.moved.count_ones() as usize;
                near += count as usize;
                was_near += in_base.count_ones() as usize;
            }

            // Whoever enters will be told by id, which is nothing that was read so far.
            for event in &selection.edges[..edge_count] {
                soon(&rosters[event.block as usize].ids);
            }
            for event in &selection.edges[..edge_count] {
                let mut leaves = event.in_base & !event.kept;
                while leaves != 0 {
                    let row = leaves.trailing_zeros();
                    leaves &= leaves - 1;
                    selection.gone[gone] = event.was_near + ones_below(event.in_base, row);
                    gone += 1;
                }
                let mut enters = event.in_now & !event.kept;
                while enters != 0 {
                    let row = enters.trailing_zeros();
                    enters &= enters - 1;
                    let slot = event.block * BLOCK_ROWS as u32 + row;
                    selection.full[full] = Entry { slot, index: event.near + ones_below(event.in_now, row) };
                    full += 1;
                }
            }
            for event in &selection.alterations[..alteration_count] {
                let block = event.block as usize;
                let mut altered = event.attr;
                while altered != 0 {
                    let row = altered.trailing_zeros();
                    altered &= altered - 1;
                    let index = u32::from(event.near + ones_below(event.in_now, row));
                    let values = now.attributes(block, row as usize);
                    let were = base.attributes(block, row as usize);
                    for number in 0..values.len() {
                        selection.attr[attr] =
                            index | (number as u32) << 14 | u32::from(values[number]) << 16;
                        attr += usize::from(values[number] != were[number]);
                    }
                }
            }
            let bytes =
                moved * MOVED_BYTES + full * FULL_BYTES + gone * GONE_BYTES + attr * ATTR_BYTES + near / 8;
            if bytes > bytes_max || near > NEAR_MAX {
                fits = false;
                break;
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
pub(super) struct SelectFar<'a> {
    pub runs: Runs<'a>,
    pub now: Frame<'a>,
    pub rosters: &'a [Roster],
    pub near: Disc,
    pub view_radius2: i32,
    pub cursor: u16,
    pub width: u32,
    pub selection: &'a mut Selection,
}

impl LaneKernel for SelectFar<'_> {
    /// Was there room for all whose turn it is?
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> bool {
        let Self { mut runs, now, rosters, near, view_radius2, cursor, width, selection } = self;
        let (mut ring, mut far) = (0usize, 0usize);
        let (mut has_room, mut lot) = (true, Lot::new());
        loop {
            let blocks = runs.next_lot(&mut lot);
            if blocks == 0 {
                break;
            }
            for &block in lot.first(blocks) {
                let position = &now.positions[block as usize];
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
