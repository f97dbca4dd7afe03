//! Limits of the engine: each with its unit and why it is what it is.

use throng_schema::limits as wire;

/// Rows in a block: sixteen 32-bit lanes are one cache line and one AVX-512 register.
pub const BLOCK_ROWS: usize = 16;

/// Ticks of quantised history that are kept: 1.6 s at 20 Hz, beyond any playable round trip.
/// A power of two, so that a tick finds its frame by masking.
pub const HISTORY_TICKS: usize = 32;

/// Rows in a region, the unit of parallel work. Fixed, so that neither the cut nor the order in which effects are
/// merged depends on the number of threads. 4,096 rows of a simple kernel take about 1 us, of a heavy one 40 us.
pub const REGION_ROWS: usize = 4096;

/// Blocks in a region.
pub const REGION_BLOCKS: usize = REGION_ROWS / BLOCK_ROWS;

/// Below this many rows a system runs on the calling thread: a fork and join costs 2-3 us, more than it saves.
pub const SERIAL_ROWS: usize = 30_000;

/// Position units per metre: 1/32 m is finer than any interpolation shows.
pub const UNITS_PER_METRE: i32 = wire::UNITS_PER_METRE;

/// Bits of an entity id that number the entity; the rest count how often that number was reused.
pub const ENTITY_INDEX_BITS: u32 = 22;

/// Most entities that a world can hold at once.
pub const ENTITIES_MAX: u32 = 1 << ENTITY_INDEX_BITS;

/// Most cells in a grid: a 2,048 x 2,048 world of view radii.
pub const CELLS_MAX: usize = 1 << 22;

/// Largest view radius, metres. Positions in history wrap at 2,048 m, so two points can be told apart up to half of
/// that; a view, its cells' borders and the distance to an empty row's decoy must all stay inside.
pub const VIEW_RADIUS_M_MAX: f32 = 200.0;

/// Most entities in a near list: places travel in 14 bits, and a datagram holds far fewer anyway.
pub const NEAR_MAX: usize = wire::NEAR_MAX;

/// Most events that are kept of one tick; 8,192 are one for each player that a process serves. A power of two, so that an
/// event's age and number fit one word.
pub const EVENTS_TICK_MAX: usize = 8192;

/// Most events in one snapshot: 16 bytes each, a third of a datagram.
pub const EVENTS_MAX: usize = 24;

/// A client whose view centre jumped further than this, in units, since its baseline starts afresh: 64 m.
pub const BASELINE_SHIFT_UNITS_MAX: i32 = 64 * UNITS_PER_METRE;

const _: () = {
    assert!(HISTORY_TICKS.is_power_of_two());
    assert!(REGION_ROWS.is_multiple_of(BLOCK_ROWS));
    // A decoy lies half a wrap (32,768 units) from its cell's centre; everyone who may scan that cell is within
    // a view radius, a cell and its border of it, and must still find the decoy out of range.
    let radius_units = VIEW_RADIUS_M_MAX as i32 * UNITS_PER_METRE;
    assert!(32_768 - 3 * radius_units > radius_units);
    // Squared distances of wrapped 16-bit differences stay within 31 bits as long as one of the two is small.
    assert!(32_768i64 * 32_768 + (4 * radius_units as i64) * (4 * radius_units as i64) < 1 << 31);
    assert!(NEAR_MAX <= 1 << 14);
    assert!(EVENTS_TICK_MAX.is_power_of_two() && EVENTS_TICK_MAX * HISTORY_TICKS <= 1 << 32);
    assert!(EVENTS_MAX * wire::EVENT_BYTES * 3 <= wire::PAYLOAD_BYTES_MAX);
};
