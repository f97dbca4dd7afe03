//! The frame, byte for byte. All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 0..2 | bytes of the whole frame `u16`, a multiple of 4 |
//! | 2..4 | messages in it `u16` |
//! | 4..8 | ack `u32`: number of the last message delivered to who wrote this, 0 for none |
//! | 8..12 | number of the first message `u32`; absent, like all behind it, without messages |
//! | 12.. | for each message its length `u16`, 1 to 512, and its bytes; then 0 to 3 bytes of padding |

use thiserror::Error;

use crate::limits::{
    FRAME_ACK_BYTES, FRAME_ALIGN_BYTES, FRAME_HEAD_BYTES, MESSAGE_BYTES_MAX, MESSAGE_HEAD_BYTES,
};

/// Why a frame is refused, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum FrameError {
    /// Longer than its payload, or not as long as what is in it.
    #[error("the frame has another length than its content")]
    Length,
    /// An empty message, or one beyond [`MESSAGE_BYTES_MAX`].
    #[error("a message in the frame is empty or beyond {MESSAGE_BYTES_MAX} bytes")]
    MessageLength,
    /// Message numbers that begin with 0 or wrap.
    #[error("the numbers of the messages begin with 0 or wrap")]
    Sequence,
    /// It acknowledges messages that were never sent.
    #[error("the frame acknowledges what was never sent")]
    AckUnsent,
}

/// What a frame says. Its form has been checked, its acknowledgement and numbers have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'p> {
    /// Number of the last message that the writer has received in order, 0 for none.
    pub ack: u32,
    /// Number of the first message; 1 without messages.
    pub first: u32,
    /// How many messages it carries.
    pub count: u16,
    /// The messages, each behind its length, and the padding.
    pub(super) messages: &'p [u8],
}

impl<'p> Frame<'p> {
    /// All its messages, those known among them.
    pub fn messages(&self) -> impl Iterator<Item = &'p [u8]> + use<'p> {
        let mut left = self.messages;
        (0..self.count).map_while(move |_| {
            let (message, behind) = split_message(left).ok()?;
            left = behind;
            Some(message)
        })
    }
}

/// Reads the frame at the front of a payload, and gives what lies behind it.
///
/// # Errors
/// When any part of it is not as laid out above. The work is bounded by the bytes there are.
pub fn read(payload: &[u8]) -> Result<(Frame<'_>, &[u8]), FrameError> {
    let [b0, b1, c0, c1, a0, a1, a2, a3] =
        *payload.first_chunk::<FRAME_ACK_BYTES>().ok_or(FrameError::Length)?;
    let (bytes, count) = (usize::from(u16::from_le_bytes([b0, b1])), u16::from_le_bytes([c0, c1]));
    let ack = u32::from_le_bytes([a0, a1, a2, a3]);
    let (whole, rest) = payload.split_at_checked(bytes).ok_or(FrameError::Length)?;
    if count == 0 {
        let frame = Frame { ack, first: 1, count, messages: &[] };
        return if bytes == FRAME_ACK_BYTES { Ok((frame, rest)) } else { Err(FrameError::Length) };
    }
    let (head, messages) = whole.split_first_chunk::<FRAME_HEAD_BYTES>().ok_or(FrameError::Length)?;
    let [.., f0, f1, f2, f3] = *head;
    let first = u32::from_le_bytes([f0, f1, f2, f3]);
    if first == 0 || first.checked_add(u32::from(count)).is_none() {
        return Err(FrameError::Sequence);
    }
    let mut padding = messages;
    for _ in 0..count {
        (_, padding) = split_message(padding)?;
    }
    if !bytes.is_multiple_of(FRAME_ALIGN_BYTES) || padding.len() >= FRAME_ALIGN_BYTES {
        return Err(FrameError::Length);
    }
    Ok((Frame { ack, first, count, messages }, rest))
}

/// The first message of some, and what is behind it.
#[inline]
pub(super) fn split_message(messages: &[u8]) -> Result<(&[u8], &[u8]), FrameError> {
    let (length, behind) = messages.split_first_chunk::<MESSAGE_HEAD_BYTES>().ok_or(FrameError::Length)?;
    let length = usize::from(u16::from_le_bytes(*length));
    if !(1..=MESSAGE_BYTES_MAX).contains(&length) {
        return Err(FrameError::MessageLength);
    }
    behind.split_at_checked(length).ok_or(FrameError::Length)
}

/// Bytes of a frame around messages that take `message_bytes` with their lengths; 0 for none.
#[inline]
pub(super) fn bytes_around(message_bytes: usize) -> usize {
    match message_bytes {
        0 => FRAME_ACK_BYTES,
        bytes => (FRAME_HEAD_BYTES + bytes).next_multiple_of(FRAME_ALIGN_BYTES),
    }
}

/// Writes all of a frame at the front of `out`, but for the messages, and gives its length.
/// Without messages `first` is not written.
///
/// # Panics
/// When `out` is shorter than the frame.
pub(super) fn write_around(out: &mut [u8], ack: u32, first: u32, count: u16, message_bytes: usize) -> usize {
    let bytes = bytes_around(message_bytes);
    out[0..2].copy_from_slice(&(bytes as u16).to_le_bytes());
    out[2..4].copy_from_slice(&count.to_le_bytes());
    out[4..8].copy_from_slice(&ack.to_le_bytes());
    if count != 0 {
        out[8..12].copy_from_slice(&first.to_le_bytes());
        out[FRAME_HEAD_BYTES + message_bytes..bytes].fill(0);
    }
    bytes
}
