//! Writers: inputs, commands, notices, hellos. The server's snapshots are laid out by its engine.

use flatbuffers::FlatBufferBuilder;

use crate::check::{CommandFields, InputFields, IntentFields, NoticeFields};
use crate::lay::{Value, lay};
use crate::wire::{Hello, HelloArgs};

/// Intents in an input as it is laid by hand: its own and those of the three inputs before it, so that three losses in
/// a row cost nothing.
pub const INTENTS_SENT: usize = 4;

/// Bytes of an input message, its size prefix included.
pub const INPUT_BYTES: usize = PAST_AT + (INTENTS_SENT - 1) * INTENT_BYTES;

const INTENT_BYTES: usize = 12;
const INTENT_AT: usize = 44;
const PAST_AT: usize = 60;
/// Where the numbers begin: all before them is the same in every input.
const NUMBERS_AT: usize = 32;
const PAST_COUNT: [u8; 4] = (INTENTS_SENT as u32 - 1).to_le_bytes();

/// An input message with every number zero. Offsets are from the message's start:
///
/// ```text
///  0 u32 size prefix = 92        24 i32 table: vtable lies 14 bytes before it
///  4 u32 root: table 20 further  28 u32 past: vector 28 further
///  8 2 bytes of padding          32 u32 sequence  36 u32 ack_tick  40 u32 shown_tick
/// 10 vtable: 14 bytes long,      44 f32 move_x  48 f32 move_y  52 u16 yaw  54 u16 buttons
///    table of 32, fields at      56 u32 count of past = 3
///    +8, +12, +20, +4, +16       60 three more of move_x, move_y, yaw, buttons, the newest first
/// ```
const INPUT_TEMPLATE: [u8; INPUT_BYTES] = {
    let words: [u16; NUMBERS_AT / 2] = [92, 0, 20, 0, 0, 14, 32, 8, 12, 20, 4, 16, 14, 0, 28, 0];
    let mut bytes = [0; INPUT_BYTES];
    let mut i = 0;
    while i < words.len() {
        [bytes[2 * i], bytes[2 * i + 1]] = words[i].to_le_bytes();
        i += 1;
    }
    bytes[PAST_AT - 4] = PAST_COUNT[0];
    bytes
};

/// Where the intent of the input `age` before this one lies.
const fn intent_at(age: usize) -> usize {
    if age == 0 { INTENT_AT } else { PAST_AT + (age - 1) * INTENT_BYTES }
}

/// Lays an input message into `out`: a fixed template with its numbers patched in, a few nanoseconds.
///
/// `intents` are those of this input and of the three before it, the newest first; for numbers below 1, at a session's
/// start, anything will do. `shown_tick` is the tick at which the others were shown, 0 for `ack_tick`.
///
/// Equal in content to what the library's builder makes, and always passes [`read_input`](crate::read_input).
/// Nothing is checked: a caller that writes a NaN or sequence 0 has its input dropped by the server.
#[inline]
pub fn write_input(
    out: &mut [u8; INPUT_BYTES],
    sequence: u32,
    ack_tick: u32,
    shown_tick: u32,
    intents: &[IntentFields; INTENTS_SENT],
) {
    *out = INPUT_TEMPLATE;
    for (index, number) in [sequence, ack_tick, shown_tick].into_iter().enumerate() {
        let at = NUMBERS_AT + 4 * index;
        out[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    for (age, intent) in intents.iter().enumerate() {
        let at = intent_at(age);
        out[at..at + 4].copy_from_slice(&intent.move_x.to_le_bytes());
        out[at + 4..at + 8].copy_from_slice(&intent.move_y.to_le_bytes());
        out[at + 8..at + 10].copy_from_slice(&intent.yaw.to_le_bytes());
        out[at + 10..at + 12].copy_from_slice(&intent.buttons.to_le_bytes());
    }
}

/// The numbers of an input that is laid out as [`write_input`] does it; `None` for any other bytes.
#[inline]
pub(crate) fn known_input(message: &[u8]) -> Option<InputFields> {
    let message: &[u8; INPUT_BYTES] = message.try_into().ok()?;
    if message[..NUMBERS_AT] != INPUT_TEMPLATE[..NUMBERS_AT] || message[PAST_AT - 4..PAST_AT] != PAST_COUNT {
        return None;
    }
    let word =
        |at: usize| u32::from_le_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]]);
    let intents: [IntentFields; INTENTS_SENT] = std::array::from_fn(|age| {
        let at = intent_at(age);
        let last = word(at + 8);
        IntentFields {
            move_x: f32::from_bits(word(at)),
            move_y: f32::from_bits(word(at + 4)),
            yaw: last as u16,
            buttons: (last >> 16) as u16,
        }
    });
    Some(InputFields::new(word(NUMBERS_AT), word(NUMBERS_AT + 4), word(NUMBERS_AT + 8), &intents))
}

/// Lays a command into the front of `out` and returns its length; `None` when `out` is too small for it, which
/// [`COMMAND_BYTES_MAX`](crate::limits::COMMAND_BYTES_MAX) bytes never are for fields that
/// [`check_command`](crate::check_command) accepts. Nothing is checked. Numbers that are 0 and empty texts take no bytes.
pub fn write_command(out: &mut [u8], command: &CommandFields<'_>) -> Option<usize> {
    let CommandFields { id, verb, entity, item, quantity, money, revision, text, name } = *command;
    let fields = [
        Value::Id(id),
        Value::Byte(verb.0),
        Value::Word(entity),
        Value::Word(item),
        Value::Word(quantity),
        Value::Long(money),
        Value::Word(revision),
        Value::Text(text),
        Value::Text(name),
    ];
    lay(out, &fields)
}

/// As [`write_command`], for a notice and its [`NOTICE_BYTES_MAX`](crate::limits::NOTICE_BYTES_MAX).
pub fn write_notice(out: &mut [u8], notice: &NoticeFields<'_>) -> Option<usize> {
    let NoticeFields { id, tick, told, outcome, entity, item, quantity, money, revision, text, name } =
        *notice;
    let fields = [
        Value::Id(id),
        Value::Word(tick),
        Value::Byte(told.0),
        Value::Byte(outcome.0),
        Value::Word(entity),
        Value::Word(item),
        Value::Word(quantity),
        Value::Long(money),
        Value::Word(revision),
        Value::Text(text),
        Value::Text(name),
    ];
    lay(out, &fields)
}

/// The application part of a handshake hello: at most
/// [`HELLO_BYTES_MAX`](crate::limits::HELLO_BYTES_MAX) bytes for a name that
/// [`check_name`](crate::check_name) accepts. Nothing is checked, so that tests can write bad ones.
pub fn write_hello(version: u32, name: &str) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::with_capacity(96);
    let name = Some(builder.create_string(name));
    let hello = Hello::create(&mut builder, &HelloArgs { version, name });
    builder.finish_size_prefixed(hello, None);
    builder.finished_data().to_vec()
}
