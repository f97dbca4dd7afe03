//! Writers of what a client sends. The server's snapshots are laid out by its engine.

use flatbuffers::FlatBufferBuilder;

use crate::check::{InputFields, IntentFields};
use crate::wire::{Hello, HelloArgs};

/// Bytes of an input message, its size prefix included.
pub const INPUT_BYTES: usize = 44;

/// An input message with every number zero. Offsets are from the message's start:
///
/// ```text
///  0 u32 size prefix = 40        20 i32 table: vtable lies 10 bytes before it
///  4 u32 root: table 16 further  24 u32 sequence
///  8 2 bytes of padding          28 u32 ack_tick
/// 10 vtable: 10 bytes long,      32 f32 move_x  36 f32 move_y  40 u16 yaw  42 u16 buttons
///    table of 24, fields at +4, +8, +12
/// ```
const INPUT_TEMPLATE: [u8; INPUT_BYTES] = {
    let words: [u16; 12] = [40, 0, 16, 0, 0, 10, 24, 4, 8, 12, 10, 0];
    let mut bytes = [0; INPUT_BYTES];
    let mut i = 0;
    while i < words.len() {
        [bytes[2 * i], bytes[2 * i + 1]] = words[i].to_le_bytes();
        i += 1;
    }
    bytes
};

/// Lays an input message into `out`: a fixed template with five numbers patched in, a few nanoseconds.
///
/// Equal in content to what the library's builder makes, and always passes [`read_input`](crate::read_input).
/// Nothing is checked: a caller that writes a NaN or sequence 0 has its input dropped by the server.
#[inline]
pub fn write_input(out: &mut [u8; INPUT_BYTES], sequence: u32, ack_tick: u32, intent: IntentFields) {
    *out = INPUT_TEMPLATE;
    out[24..28].copy_from_slice(&sequence.to_le_bytes());
    out[28..32].copy_from_slice(&ack_tick.to_le_bytes());
    out[32..36].copy_from_slice(&intent.move_x.to_le_bytes());
    out[36..40].copy_from_slice(&intent.move_y.to_le_bytes());
    out[40..42].copy_from_slice(&intent.yaw.to_le_bytes());
    out[42..44].copy_from_slice(&intent.buttons.to_le_bytes());
}

/// The numbers of an input that is laid out as [`write_input`] does it; `None` for any other bytes.
#[inline]
pub(crate) fn known_input(message: &[u8]) -> Option<InputFields> {
    let message: &[u8; INPUT_BYTES] = message.try_into().ok()?;
    if message[..24] != INPUT_TEMPLATE[..24] {
        return None;
    }
    let word =
        |at: usize| u32::from_le_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]]);
    let last = word(40);
    Some(InputFields {
        sequence: word(24),
        ack_tick: word(28),
        intent: IntentFields {
            move_x: f32::from_bits(word(32)),
            move_y: f32::from_bits(word(36)),
            yaw: last as u16,
            buttons: (last >> 16) as u16,
        },
    })
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
