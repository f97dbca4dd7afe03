//! Readers of messages from a peer: prefix, then the verifier with tight limits, then typed access.

use flatbuffers::{Follow, InvalidFlatbuffer, Verifiable, VerifierOptions};

use crate::check::{self, InputFields, check_input};
use crate::error::{InputRefusal, WireError};
use crate::form::{self, Field};
use crate::limits::{VERIFY_APPARENT_BYTES_MAX, VERIFY_DEPTH_MAX, VERIFY_TABLES_MAX};
use crate::wire::{
    Attr, Command, CommandId, Event, Far, Full, Hello, Input, Intent, Moved, Notice, Own, OwnAttr, Pace,
    Snapshot, World,
};
use crate::write;

const OPTIONS: VerifierOptions = VerifierOptions {
    max_depth: VERIFY_DEPTH_MAX,
    max_tables: VERIFY_TABLES_MAX,
    max_apparent_size: VERIFY_APPARENT_BYTES_MAX,
    ignore_missing_null_terminator: false,
};

const HELLO: &[Field; 2] = &[Field::word(Hello::VT_VERSION), Field::string(Hello::VT_NAME)];

const INPUT: &[Field; 5] = &[
    Field::word(Input::VT_SEQUENCE),
    Field::word(Input::VT_ACK_TICK),
    Field::inline::<Intent>(Input::VT_INTENT),
    Field::vector::<Intent>(Input::VT_PAST),
    Field::word(Input::VT_SHOWN_TICK),
];

const COMMAND: &[Field; 9] = &[
    Field::inline::<CommandId>(Command::VT_ID),
    Field::inline::<u8>(Command::VT_VERB),
    Field::word(Command::VT_ENTITY),
    Field::word(Command::VT_ITEM),
    Field::word(Command::VT_QUANTITY),
    Field::inline::<i64>(Command::VT_MONEY),
    Field::word(Command::VT_REVISION),
    Field::string(Command::VT_TEXT),
    Field::string(Command::VT_NAME),
];

const NOTICE: &[Field; 11] = &[
    Field::inline::<CommandId>(Notice::VT_ID),
    Field::word(Notice::VT_TICK),
    Field::inline::<u8>(Notice::VT_TOLD),
    Field::inline::<u8>(Notice::VT_OUTCOME),
    Field::word(Notice::VT_ENTITY),
    Field::word(Notice::VT_ITEM),
    Field::word(Notice::VT_QUANTITY),
    Field::inline::<i64>(Notice::VT_MONEY),
    Field::word(Notice::VT_REVISION),
    Field::string(Notice::VT_TEXT),
    Field::string(Notice::VT_NAME),
];

const SNAPSHOT: &[Field; 15] = &[
    Field::word(Snapshot::VT_TICK),
    Field::word(Snapshot::VT_BASELINE),
    Field::word(Snapshot::VT_INPUT),
    Field::inline::<Own>(Snapshot::VT_OWN),
    Field::word(Snapshot::VT_DIGEST),
    Field::inline::<World>(Snapshot::VT_WORLD),
    Field::vector::<u16>(Snapshot::VT_GONE),
    Field::vector::<Full>(Snapshot::VT_FULL),
    Field::vector::<u8>(Snapshot::VT_CHANGED),
    Field::vector::<Moved>(Snapshot::VT_MOVED),
    Field::vector::<Attr>(Snapshot::VT_ATTR),
    Field::vector::<Far>(Snapshot::VT_FAR),
    Field::inline::<OwnAttr>(Snapshot::VT_OWN_ATTR),
    Field::inline::<Pace>(Snapshot::VT_PACE),
    Field::vector::<Event>(Snapshot::VT_EVENTS),
];

/// Reads the application part of a handshake hello. Its meaning is for [`check_hello`](crate::check_hello).
///
/// # Errors
/// See [`WireError`]. Never panics or allocates, and the work is bounded, whatever the bytes.
pub fn read_hello(message: &[u8]) -> Result<Hello<'_>, WireError> {
    read::<Hello<'_>, _>(message, HELLO)
}

/// Reads an input. Its meaning is for [`check_input`](crate::check_input).
///
/// # Errors
/// See [`WireError`]. Never panics or allocates, and the work is bounded, whatever the bytes.
pub fn read_input(message: &[u8]) -> Result<Input<'_>, WireError> {
    read::<Input<'_>, _>(message, INPUT)
}

/// Reads a snapshot. Whether its records fit the view that they are applied to only the view can tell.
///
/// # Errors
/// See [`WireError`]. Never panics or allocates, and the work is bounded, whatever the bytes.
pub fn read_snapshot(message: &[u8]) -> Result<Snapshot<'_>, WireError> {
    read::<Snapshot<'_>, _>(message, SNAPSHOT)
}

/// Reads a command. Its meaning is for [`check_command`](crate::check_command).
///
/// # Errors
/// See [`WireError`]. Never panics or allocates, and the work is bounded, whatever the bytes.
pub fn read_command(message: &[u8]) -> Result<Command<'_>, WireError> {
    read::<Command<'_>, _>(message, COMMAND)
}

/// Reads a notice. Its meaning is for [`check_notice`](crate::check_notice).
///
/// # Errors
/// See [`WireError`]. Never panics or allocates, and the work is bounded, whatever the bytes.
pub fn read_notice(message: &[u8]) -> Result<Notice<'_>, WireError> {
    read::<Notice<'_>, _>(message, NOTICE)
}

/// Reads an input and checks its meaning, in one.
///
/// An input laid out as [`write_input`](crate::write_input) does it is recognised by its constant bytes and read
/// in a few nanoseconds; any other layout takes the long way to the same answer.
///
/// # Errors
/// Those of [`read_input`] and of [`check_input`]. Never panics or allocates.
#[inline]
pub fn decode_input(message: &[u8]) -> Result<InputFields, InputRefusal> {
    match write::known_input(message) {
        Some(fields) => Ok(check::input_fields(fields)?),
        None => Ok(check_input(&read_input(message)?)?),
    }
}

/// What a program wants to know of a snapshot that it does not apply: a load generator, a proxy, a recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotPeek {
    /// The snapshot's tick.
    pub tick: u32,
    /// The tick it builds on; 0: none.
    pub baseline: u32,
    /// Sequence of the last input applied.
    pub input: u32,
    /// Digest of the near list; 0: none carried.
    pub digest: u32,
    /// Ticks per second, in a snapshot that describes the world.
    pub tick_hz: Option<u16>,
    /// Ticks within which everything in view is refreshed, in a snapshot that describes the world.
    pub refresh_ticks: Option<u16>,
    /// Records in `gone`.
    pub gone: u32,
    /// Records in `full`.
    pub full: u32,
    /// Records in `moved`.
    pub moved: u32,
    /// Records in `attr`.
    pub attr: u32,
    /// Records in `far`.
    pub far: u32,
    /// Records in `events`.
    pub events: u32,
    /// `speed` and `refresh_ticks` of the pace, in a snapshot that has one: the world goes at another than its usual.
    pub pace: Option<[u16; 2]>,
}

/// Looks at a snapshot without opening it: as strict as [`read_snapshot`] about its form, in a quarter of the time,
/// since the library's accessors and so its verifier are left out.
///
/// # Errors
/// See [`WireError`]. Never panics or allocates, and the work is bounded, whatever the bytes.
pub fn peek_snapshot(message: &[u8]) -> Result<SnapshotPeek, WireError> {
    check_prefix(message)?;
    let [tick, baseline, input, _, digest, world, gone, full, _, moved, attr, far, _, pace, events] =
        form::check(message, SNAPSHOT)?.map(|place| (place, form::word_at(message, place)));
    // World's shorts: refresh_ticks at 16, units_per_metre at 18, tick_hz at 20.
    let half = |offset| (world.0 != 0).then(|| form::word_at(message, world.0 + offset) as u16);
    Ok(SnapshotPeek {
        tick: tick.1,
        baseline: baseline.1,
        input: input.1,
        digest: digest.1,
        tick_hz: half(20),
        refresh_ticks: half(16),
        gone: gone.1,
        full: full.1,
        moved: moved.1,
        attr: attr.1,
        far: far.1,
        events: events.1,
        pace: (pace.0 != 0).then_some([pace.1 as u16, (pace.1 >> 16) as u16]),
    })
}

#[inline]
fn read<'m, T, const N: usize>(message: &'m [u8], fields: &[Field; N]) -> Result<T::Inner, WireError>
where
    T: 'm + Follow<'m> + Verifiable,
{
    check_prefix(message)?;
    // Our own pass turns bad messages away; the library's is what its accessors rely on.
    form::check(message, fields)?;
    match flatbuffers::size_prefixed_root_with_opts::<T>(&OPTIONS, message) {
        Ok(root) => Ok(root),
        Err(error) => Err(disagreement(error)),
    }
}

#[inline]
fn check_prefix(message: &[u8]) -> Result<(), WireError> {
    let truncated = WireError::Truncated { found: message.len() };
    let Some((prefix, rest)) = message.split_first_chunk::<4>() else { return Err(truncated) };
    if rest.len() < 4 {
        return Err(truncated);
    }
    // The library skips the prefix without looking, so bytes behind the message would be carried along.
    let claimed = u32::from_le_bytes(*prefix);
    if claimed as usize != rest.len() {
        return Err(WireError::Prefix { claimed, found: rest.len() });
    }
    Ok(())
}

/// The library refuses what our own pass let through: should never happen, and is a refusal if it does.
/// Out of line, because the compiler then lays the library's pass out for success (350 ns to 235 for a snapshot).
#[cold]
#[inline(never)]
fn disagreement(error: InvalidFlatbuffer) -> WireError {
    error.into()
}
