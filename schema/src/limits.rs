//! Every limit of the wire, with its unit, where it comes from, and assertions that tie them together.
//!
//! Nothing here is a setting: both ends compile the same values, and `PROTOCOL.md` states them for clients
//! in other languages. What an operator may set lies inside these bounds.

use crate::{INPUT_BYTES, INTENTS_SENT, wire};

// ---------------------------------------------------------------- datagrams

/// Largest UDP payload that either side sends, bytes.
///
/// IPv6 guarantees an MTU of 1280: less 40 (IPv6) and 8 (UDP) leaves 1232. The other 32 are for a tunnel on the way.
pub const DATAGRAM_BYTES_MAX: usize = 1200;

/// Header of a datagram that carries a message, bytes: type, kind, ack bits, connection, sequence, ack.
pub const DATAGRAM_HEADER_BYTES: usize = 16;

/// Kept free in every datagram for sealing, bytes: a 16-byte tag and up to 8 more.
pub const SEAL_RESERVE_BYTES: usize = 24;

/// Largest message in one datagram, bytes, its size prefix included.
pub const PAYLOAD_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - DATAGRAM_HEADER_BYTES - SEAL_RESERVE_BYTES;

/// Largest payload of a handshake hello, bytes. The hello itself is always [`DATAGRAM_BYTES_MAX`] long.
pub const HELLO_PAYLOAD_BYTES_MAX: usize = 256;

// ---------------------------------------------------------------- verifier

/// Deepest nesting of tables that the verifier follows. The schema nests none; the rest is room to grow.
pub const VERIFY_DEPTH_MAX: usize = 8;

/// Most tables that the verifier visits in one message. Today's messages are one table each.
pub const VERIFY_TABLES_MAX: usize = 64;

/// Most bytes that the verifier visits in one message, counting what is referenced twice twice.
///
/// With the library's default of 2 GiB one datagram of vectors that point into each other burns 14-47 ms;
/// with these three limits the worst costs about 2 us.
pub const VERIFY_APPARENT_BYTES_MAX: usize = 8 * 1024;

// ---------------------------------------------------------------- inputs

/// Most intents that are taken from one input, its own included.
pub const INTENTS_MAX: usize = 8;

// ---------------------------------------------------------------- world

/// Position units per metre: about 3 cm each. Interpolation hides the steps; twice as fine would halve what a
/// `moved` record and 16 bits reach.
pub const UNITS_PER_METRE: i32 = 32;

/// Positions on the wire wrap at this many units (16 bits): 2048 m.
pub const WRAP_UNITS: i32 = 1 << 16;

/// Largest view radius, metres. A wrapped position is unique within half a wrap (1024 m) of the avatar;
/// the rest is for what avatar and neighbour move between the ticks that a client may compare.
pub const VIEW_RADIUS_M_MAX: i32 = 960;

/// Replicated 16-bit attributes per entity.
pub const ATTRIBUTES: usize = 4;

/// [`wire::Pace`]'s `speed` of a server that keeps up.
pub const SPEED_USUAL: u16 = 1000;

/// Slowest and fastest tick rates of a server, ticks per second.
pub const TICK_HZ_MIN: u16 = 10;
/// See [`TICK_HZ_MIN`].
pub const TICK_HZ_MAX: u16 = 60;

// ---------------------------------------------------------------- views

/// Most entities in a near list.
pub const NEAR_MAX: usize = 4096;

/// Low bits of [`wire::Attr`]'s `place` that hold the place; the bits above name the attribute.
pub const ATTR_PLACE_BITS: u32 = 14;

/// A server builds on baselines at most this many ticks old, else it starts afresh (its history ring).
pub const BASELINE_AGE_TICKS_MAX: u32 = 32;

/// Reconstructed ticks that a client keeps as possible baselines.
///
/// Twice the server's: a snapshot may build on a tick 32 old and be 32 ticks on its way (1.6 s at 20 Hz).
pub const VIEW_HISTORY_TICKS: u32 = 64;

/// A far entity is forgotten when it was not refreshed for `World.refresh_ticks` plus this many ticks.
///
/// The slack is for lost snapshots: a record lost is sent again only in its next turn.
pub const FAR_FORGET_EXTRA_TICKS: u32 = 32;

// ---------------------------------------------------------------- names and texts

/// Longest player name in a hello, bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 32;

/// Longest name of a character in commands and notices, bytes of UTF-8: what a connect token has room for.
pub const CHARACTER_NAME_BYTES_MAX: usize = 47;

/// Longest text that is said, bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 256;

// ---------------------------------------------------------------- sizes that follow from the schema

/// Size prefix and root offset of any message, bytes.
pub const MESSAGE_PREFIX_BYTES: usize = 8;

/// Bytes of one record in each vector of a snapshot, and of one structure in it.
pub const MOVED_BYTES: usize = size_of::<wire::Moved>();
/// See [`MOVED_BYTES`].
pub const FULL_BYTES: usize = size_of::<wire::Full>();
/// See [`MOVED_BYTES`].
pub const ATTR_BYTES: usize = size_of::<wire::Attr>();
/// See [`MOVED_BYTES`].
pub const FAR_BYTES: usize = size_of::<wire::Far>();
/// See [`MOVED_BYTES`].
pub const GONE_BYTES: usize = size_of::<u16>();
/// See [`MOVED_BYTES`].
pub const OWN_BYTES: usize = size_of::<wire::Own>();
/// See [`MOVED_BYTES`].
pub const WORLD_BYTES: usize = size_of::<wire::World>();
/// See [`MOVED_BYTES`].
pub const OWN_ATTR_BYTES: usize = size_of::<wire::OwnAttr>();
/// See [`MOVED_BYTES`].
pub const PACE_BYTES: usize = size_of::<wire::Pace>();
/// See [`MOVED_BYTES`].
pub const EVENT_BYTES: usize = size_of::<wire::Event>();

const SNAPSHOT_FIELDS: usize = 15;
const SNAPSHOT_SCALARS: usize = 4;
const SNAPSHOT_STRUCTS_BYTES: usize = OWN_BYTES + WORLD_BYTES + OWN_ATTR_BYTES + PACE_BYTES;
const SNAPSHOT_VECTORS: usize = 7;

/// Most bytes of a snapshot that are not records: prefix, root offset, vtable, table with every field present, for each
/// vector its length word, and what aligns the table (2) and the vectors of 2-byte and 1-byte records (2 and 3).
pub const SNAPSHOT_OVERHEAD_BYTES_MAX: usize = MESSAGE_PREFIX_BYTES
    + (4 + 2 * SNAPSHOT_FIELDS)
    + (4 + 4 * SNAPSHOT_SCALARS + SNAPSHOT_STRUCTS_BYTES + 4 * SNAPSHOT_VECTORS)
    + SNAPSHOT_VECTORS * 4
    + (2 + 2 + 3);

/// Most bytes of a table without tables in it as this crate lays it: prefix, root offset, vtable and what aligns the
/// table, the table, and behind it the two texts with length, terminator and padding.
const fn flat_bytes_max(fields: usize, inline_bytes: usize) -> usize {
    MESSAGE_PREFIX_BYTES
        + (4 + 2 * fields + 6)
        + (4 + inline_bytes.next_multiple_of(4) + 2 * 4)
        + (4 + TEXT_BYTES_MAX + 4)
        + (4 + CHARACTER_NAME_BYTES_MAX + 4)
}

/// Most bytes of a command as this crate's writer lays it: id, verb, four words, money, two texts.
pub const COMMAND_BYTES_MAX: usize = flat_bytes_max(9, 16 + 1 + 4 * 4 + 8);

/// Most bytes of a notice as this crate's writer lays it: id, what is told, outcome, five words, money, two texts.
pub const NOTICE_BYTES_MAX: usize = flat_bytes_max(11, 16 + 2 + 5 * 4 + 8);

/// Most bytes of a hello as this crate's writer lays it: prefix, root offset, vtable with padding, table of
/// three words, then the name's length, the name, its terminator and padding.
pub const HELLO_BYTES_MAX: usize =
    MESSAGE_PREFIX_BYTES + (4 + 2 * 2 + 3) + 3 * 4 + (4 + NAME_BYTES_MAX + 1 + 3);

/// Entities that a fresh start can always introduce in one datagram.
pub const FRESH_FULL_MIN: usize = 40;

/// Neighbours that can always all move in one datagram while a few enter, leave and change attributes.
pub const DELTA_MOVED_MIN: usize = 128;

// ---------------------------------------------------------------- what must hold between them

const fn changed_bytes(near: usize) -> usize {
    near.div_ceil(8)
}

const _: () = {
    // IPv6's minimum MTU carries a full datagram.
    assert!(DATAGRAM_BYTES_MAX + 8 + 40 <= 1280);
    assert!(PAYLOAD_BYTES_MAX == 1160);

    // The largest message of each kind fits its datagram.
    assert!(INPUT_BYTES <= PAYLOAD_BYTES_MAX);
    assert!(INTENTS_SENT <= INTENTS_MAX);
    assert!(COMMAND_BYTES_MAX <= 512 && NOTICE_BYTES_MAX <= 512);
    assert!(HELLO_BYTES_MAX <= HELLO_PAYLOAD_BYTES_MAX);
    assert!(34 + HELLO_PAYLOAD_BYTES_MAX <= DATAGRAM_BYTES_MAX);

    // A snapshot is cut to fit by its writer; these are the least that a datagram always has room for.
    assert!(SNAPSHOT_OVERHEAD_BYTES_MAX + FRESH_FULL_MIN * FULL_BYTES <= PAYLOAD_BYTES_MAX);
    assert!(
        SNAPSHOT_OVERHEAD_BYTES_MAX
            + changed_bytes(DELTA_MOVED_MIN)
            + DELTA_MOVED_MIN * MOVED_BYTES
            + 4 * FULL_BYTES
            + 4 * GONE_BYTES
            + 16 * ATTR_BYTES
            + 16 * FAR_BYTES
            <= PAYLOAD_BYTES_MAX
    );
    // The change bits of the longest near list fit too, so a crowd's list never gets stuck at its length.
    assert!(SNAPSHOT_OVERHEAD_BYTES_MAX + changed_bytes(NEAR_MAX) + 64 * MOVED_BYTES <= PAYLOAD_BYTES_MAX);

    // Records keep the sizes that the server's encoder lays out by hand.
    assert!(MOVED_BYTES == 4 && FULL_BYTES == 24 && ATTR_BYTES == 4 && FAR_BYTES == 12);
    assert!(EVENT_BYTES == 16 && OWN_ATTR_BYTES == 8 && PACE_BYTES == 4);
    assert!(OWN_BYTES == 24 && WORLD_BYTES == 24 && size_of::<wire::Intent>() == 12);

    // Places fit the fields that carry them.
    assert!(NEAR_MAX <= 1 << ATTR_PLACE_BITS);
    assert!(NEAR_MAX <= u16::MAX as usize + 1);
    assert!(ATTRIBUTES <= 1 << (u16::BITS - ATTR_PLACE_BITS));

    // An honest message never meets the verifier's limits: each of its bytes is visited once, and of the
    // prefix, vtable and offsets some a second time.
    assert!(VERIFY_APPARENT_BYTES_MAX >= 4 * PAYLOAD_BYTES_MAX);

    // Unwrapping a position is unique anywhere in view.
    assert!(VIEW_RADIUS_M_MAX * UNITS_PER_METRE < WRAP_UNITS / 2);

    // A baseline that the server may still use is one that the client still has.
    assert!(VIEW_HISTORY_TICKS >= 2 * BASELINE_AGE_TICKS_MAX);
    assert!(TICK_HZ_MIN > 0 && TICK_HZ_MIN <= TICK_HZ_MAX);
};
