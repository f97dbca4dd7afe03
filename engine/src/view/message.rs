//! The snapshot as bytes: a FlatBuffer laid out by hand, front to back.
//!
//! ```text
//!   0   size prefix        u32: bytes that follow
//!   4   root               u32: offset to the table
//!   8   padding            2 bytes
//!   10  vtable             17 x u16: own size, table size, then per field its place in the table or 0
//!   44  table              i32 back to the vtable, scalars and `own` in place, an offset per vector that is there
//!       vectors            u32 length, elements, padding to 4
//! ```
//!
//! A builder costs 42 ns and more per message (research on this machine) and wants to write back to front; this costs a
//! few stores. The content is what the builder would give, and the verifier accepts it: a property test holds it to both.

use super::Own;
use super::select::{EVENT_BYTES, FAR_BYTES, Selection};
use crate::history::Frame;
use crate::limits::{BLOCK_ROWS, UNITS_PER_METRE};
use crate::world::{Roster, WorldConfig};

const VTABLE_FIELDS: usize = 15;
const VTABLE_BYTES: usize = 4 + 2 * VTABLE_FIELDS;
const VTABLE_AT: usize = 10;
const TABLE_AT: usize = VTABLE_AT + VTABLE_BYTES;
/// Back offset, tick, baseline, input, own.
const TABLE_FIXED_BYTES: usize = 4 + 12 + 24;
const WORLD_BYTES: usize = 24;
const OWN_ATTR_BYTES: usize = 8;
const PACE_BYTES: usize = 4;
const VECTORS: usize = 7;
/// What every snapshot begins with.
const FIXED_BYTES: usize = TABLE_AT + TABLE_FIXED_BYTES;
/// Everything but vectors, with all optional fields there.
const HEAD_BYTES_MAX: usize = FIXED_BYTES + 4 + WORLD_BYTES + OWN_ATTR_BYTES + PACE_BYTES + 4 * VECTORS;

/// What a snapshot takes at most beside the near part that [`Selection::near_bytes`] counts, the far records and the events.
pub(super) const OVERHEAD_BYTES_MAX: usize = HEAD_BYTES_MAX + 8;

const _: () = assert!(TABLE_AT.is_multiple_of(4));
const _: () = assert!(VTABLE_FIELDS == (throng_schema::wire::Snapshot::VT_EVENTS as usize - 4) / 2 + 1);

/// The numbers of a snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub tick: u32,
    pub baseline: u32,
    pub input: u32,
    pub own: Own,
    /// 0: not in this snapshot.
    pub digest: u32,
    /// Present when there is no baseline.
    pub world: Option<(u32, &'a WorldConfig)>,
    /// Attributes 0 and 1, 2 and 3 of the own avatar, present when they are not those at the baseline.
    pub own_attr: Option<[u32; 2]>,
    /// Speed in 1/1000 and refresh bound in ticks, present when they are not as usual.
    pub pace: Option<[u16; 2]>,
}

/// Fields of the table, by their number in the schema.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Field {
    Tick,
    Baseline,
    Input,
    Own,
    Digest,
    World,
    Gone,
    Full,
    Changed,
    Moved,
    Attr,
    Far,
    OwnAttr,
    Pace,
    Events,
}

/// Writes front to back into a buffer that is known to be large enough.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.out[self.at..self.at + N].copy_from_slice(&bytes);
        self.at += N;
    }

    #[inline(always)]
    fn put_u32(&mut self, value: u32) {
        self.put(value.to_le_bytes());
    }

    #[inline(always)]
    fn put_f32(&mut self, value: f32) {
        self.put(value.to_le_bytes());
    }

    #[inline(always)]
    fn put_u16(&mut self, value: u16) {
        self.put(value.to_le_bytes());
    }

    /// Notes in the vtable that `field` lies here.
    #[inline(always)]
    fn field(&mut self, field: Field) {
        let entry = VTABLE_AT + 4 + 2 * field as usize;
        self.out[entry..entry + 2].copy_from_slice(&((self.at - TABLE_AT) as u16).to_le_bytes());
    }

    /// Leaves room for a vector's offset, if the vector is not empty; returns where.
    #[inline(always)]
    fn reserve(&mut self, field: Field, count: usize) -> usize {
        let at = self.at;
        if count > 0 {
            self.field(field);
            self.at += 4;
        }
        at
    }

    /// Begins a vector here, whose offset is at `offset_at`.
    #[inline(always)]
    fn vector(&mut self, offset_at: usize, count: usize) {
        let offset = (self.at - offset_at) as u32;
        self.out[offset_at..offset_at + 4].copy_from_slice(&offset.to_le_bytes());
        self.put_u32(count as u32);
    }

    /// The elements of a vector of 4-byte records.
    #[inline(always)]
    fn put_records(&mut self, records: &[u32]) {
        let bytes = &mut self.out[self.at..self.at + 4 * records.len()];
        for (bytes, record) in bytes.as_chunks_mut().0.iter_mut().zip(records) {
            *bytes = record.to_le_bytes();
        }
        self.at += 4 * records.len();
    }

    #[inline(always)]
    fn pad(&mut self) {
        while !self.at.is_multiple_of(4) {
            self.put([0]);
        }
    }
}

/// Lays the message into the front of `out` and returns its length, which the caller has made sure fits.
#[inline(always)]
pub(super) fn write(
    out: &mut [u8],
    head: &Head<'_>,
    selection: &Selection,
    far_count: usize,
    now: Frame<'_>,
    rosters: &[Roster],
) -> usize {
    let Some(fixed) = out.first_chunk_mut::<FIXED_BYTES>() else { unreachable!("the caller has made sure") };
    // Constant places, so that this is plain stores.
    *fixed = [0; FIXED_BYTES];
    let mut put = |at: usize, word: u32| fixed[at..at + 4].copy_from_slice(&word.to_le_bytes());
    put(4, (TABLE_AT - 4) as u32);
    put(TABLE_AT, VTABLE_BYTES as u32);
    let own = &head.own;
    let metres = [own.x, own.y, own.z, own.vx, own.vy].map(f32::to_bits);
    let words = [head.tick, head.baseline, head.input, metres[0], metres[1], metres[2], metres[3], metres[4]];
    for (index, word) in words.into_iter().enumerate() {
        put(TABLE_AT + 4 + 4 * index, word);
    }
    put(TABLE_AT + 36, u32::from(own.yaw) | u32::from(own.flags) << 16);
    let mut field = |field: Field, at: u16| {
        let entry = VTABLE_AT + 4 + 2 * field as usize;
        fixed[entry..entry + 2].copy_from_slice(&at.to_le_bytes());
    };
    field(Field::Tick, 4);
    field(Field::Baseline, 8);
    field(Field::Input, 12);
    field(Field::Own, 16);
    let mut writer = Writer { out, at: FIXED_BYTES };
    if head.digest != 0 {
        writer.field(Field::Digest);
        writer.put_u32(head.digest);
    }
    if let Some((own_id, config)) = head.world {
        writer.field(Field::World);
        writer.put_u32(own_id);
        for metres in [config.width_m, config.height_m, config.view_radius_m] {
            writer.put_f32(metres);
        }
        for number in [config.refresh_ticks, UNITS_PER_METRE as u16, config.tick_hz, 0] {
            writer.put_u16(number);
        }
    }
    if let Some(attributes) = head.own_attr {
        writer.field(Field::OwnAttr);
        attributes.into_iter().for_each(|pair| writer.put_u32(pair));
    }
    if let Some(pace) = head.pace {
        writer.field(Field::Pace);
        pace.into_iter().for_each(|number| writer.put_u16(number));
    }
    let changed_bytes = if selection.moved_count == 0 { 0 } else { selection.near_count.div_ceil(8) };
    let gone_at = writer.reserve(Field::Gone, selection.gone_count);
    let full_at = writer.reserve(Field::Full, selection.full_count);
    let changed_at = writer.reserve(Field::Changed, changed_bytes);
    let moved_at = writer.reserve(Field::Moved, selection.moved_count);
    let attr_at = writer.reserve(Field::Attr, selection.attr_count);
    let far_at = writer.reserve(Field::Far, far_count);
    let events_at = writer.reserve(Field::Events, selection.event_count);
    let table_bytes = (writer.at - TABLE_AT) as u16;
    writer.out[VTABLE_AT..VTABLE_AT + 2].copy_from_slice(&(VTABLE_BYTES as u16).to_le_bytes());
    writer.out[VTABLE_AT + 2..VTABLE_AT + 4].copy_from_slice(&table_bytes.to_le_bytes());

    if selection.gone_count > 0 {
        writer.vector(gone_at, selection.gone_count);
        for &index in &selection.gone[..selection.gone_count] {
            writer.put_u16(index);
        }
        writer.pad();
    }
    if selection.full_count > 0 {
        writer.vector(full_at, selection.full_count);
        for entry in &selection.full[..selection.full_count] {
            let (block, row) = (entry.slot as usize / BLOCK_ROWS, entry.slot as usize % BLOCK_ROWS);
            let at = &now.details[block];
            writer.put_u32(rosters[block].ids[row]);
            writer.put_u32(now.positions[block].0[row]);
            writer.put_u32(at.z_yaw[row]);
            writer.put_u16(entry.index);
            for value in now.attributes(block, row) {
                writer.put_u16(value);
            }
            writer.put_u16(0);
        }
    }
    if selection.moved_count > 0 {
        writer.vector(changed_at, changed_bytes);
        // Whole words: the last one may reach beyond the vector, to where `moved` comes next. Bits of nobody are zero,
        // and so is the padding.
        let words = changed_bytes.div_ceil(8);
        let bytes = &mut writer.out[writer.at..writer.at + 8 * words];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(&selection.changed[..words]) {
            *bytes = word.to_le_bytes();
        }
        writer.at += changed_bytes.next_multiple_of(4);
        writer.vector(moved_at, selection.moved_count);
        writer.put_records(&selection.moved[..selection.moved_count]);
    }
    if selection.attr_count > 0 {
        writer.vector(attr_at, selection.attr_count);
        writer.put_records(&selection.attr[..selection.attr_count]);
    }
    if far_count > 0 {
        writer.vector(far_at, far_count);
        for &due in &selection.far[..far_count] {
            let (block, row) = (due as u32 as usize / BLOCK_ROWS, due as u32 as usize % BLOCK_ROWS);
            let at = &now.details[block];
            writer.put_u32(rosters[block].ids[row]);
            writer.put_u32(now.positions[block].0[row]);
            writer.put_u32(at.z_yaw[row] | u32::from(at.attr01[row] as u16 >> 8) << 24);
        }
    }
    if selection.event_count > 0 {
        writer.vector(events_at, selection.event_count);
        for event in &selection.events[..selection.event_count] {
            writer.put_records(event);
        }
    }
    let bytes = writer.at;
    writer.out[..4].copy_from_slice(&(bytes as u32 - 4).to_le_bytes());
    bytes
}

/// Bytes that the events take behind the table.
pub(super) fn event_bytes(count: usize) -> usize {
    if count == 0 { 0 } else { 4 + count * EVENT_BYTES }
}

/// Bytes that `count` far records take.
pub(super) fn far_bytes(count: usize) -> usize {
    if count == 0 { 0 } else { 8 + count * FAR_BYTES }
}
