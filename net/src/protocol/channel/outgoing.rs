//! The sending half of a channel.
//!
//! ```text
//!            head                                                   first: number of the message at head
//!   ring  ────┤ len bytes │ len bytes │ len bytes │ len bytes ├────
//!             ├──────── current ──────┤                             sent since the last going back
//!             ├─────────────── sent ──────────────┤                 sent at all, so that it may be acknowledged
//!             ├──────────────────── queued ───────────────────┤
//! ```
//!
//! Messages lie in the ring as they do in a frame, so a frame is a head and one copy out of the ring.

use thiserror::Error;

use super::frame::{FrameError, bytes_around, write_around};
use crate::limits::{
    CHANNEL_BYTES, FRAME_ACK_BYTES, FRAME_HEAD_BYTES, MESSAGE_BYTES_MAX, MESSAGE_HEAD_BYTES,
    MESSAGE_RETRY_US, MESSAGE_RETRY_US_MAX, MESSAGE_RETRY_US_MIN, PAYLOAD_BYTES_MAX,
};

/// Why a message is not taken. Nothing of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PushError {
    /// The queue holds [`CHANNEL_BYTES`], and what is in it has not been acknowledged yet.
    #[error("the queue of {CHANNEL_BYTES} bytes is full of messages that were not acknowledged")]
    Full,
    /// No frame carries a message of this length.
    #[error("a message has 1 to {MESSAGE_BYTES_MAX} bytes, not {0}")]
    Length(usize),
}

/// Some messages from the oldest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Run {
    messages: u16,
    /// With the lengths before them.
    bytes: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    ring: Box<[u8; CHANNEL_BYTES]>,
    /// When the oldest message was first sent.
    since_us: u64,
    /// When all is sent again from the oldest on; 0: to be set at the next writing.
    retry_us: u64,
    /// Number of the oldest message in the queue; of the next one when it is empty.
    first: u32,
    /// Where that lies in the ring.
    head: u16,
    queued: Run,
    current: Run,
    /// Messages sent at all.
    sent: u16,
    /// How often in a row everything was sent again.
    tries: u8,
}

impl Default for Outgoing {
    fn default() -> Self {
        // Zeroed by the allocator: unlike an array moved into its box, it touches no page before it is used.
        let Ok(ring) = vec![0; CHANNEL_BYTES].into_boxed_slice().try_into() else {
            unreachable!("just that long")
        };
        Outgoing {
            ring,
            since_us: 0,
            retry_us: 0,
            first: 1,
            head: 0,
            queued: Run::default(),
            current: Run::default(),
            sent: 0,
            tries: 0,
        }
    }
}

impl Outgoing {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queued.messages == 0
    }

    pub fn acknowledged(&self) -> u32 {
        self.first - 1
    }

    /// As if all before it had been sent and acknowledged.
    #[cfg(test)]
    pub fn set_first(&mut self, first: u32) {
        self.first = first;
    }

    pub fn waiting_us(&self, now_us: u64) -> u64 {
        if self.sent == 0 { 0 } else { now_us.saturating_sub(self.since_us) }
    }

    pub fn push(&mut self, message: &[u8]) -> Result<(), PushError> {
        if !(1..=MESSAGE_BYTES_MAX).contains(&message.len()) {
            return Err(PushError::Length(message.len()));
        }
        let bytes = MESSAGE_HEAD_BYTES + message.len();
        let is_last = self.first.checked_add(u32::from(self.queued.messages) + 1).is_none();
        if is_last || usize::from(self.queued.bytes) + bytes > CHANNEL_BYTES {
            return Err(PushError::Full);
        }
        let end = usize::from(self.head) + usize::from(self.queued.bytes);
        self.put(end, &(message.len() as u16).to_le_bytes());
        self.put(end + MESSAGE_HEAD_BYTES, message);
        self.queued.messages += 1;
        self.queued.bytes += bytes as u16;
        Ok(())
    }

    /// Forgets the messages up to number `ack`. An old ack says nothing new.
    pub fn acked(&mut self, ack: u32) -> Result<(), FrameError> {
        let messages = ack.saturating_sub(self.first - 1);
        if messages > u32::from(self.sent) {
            return Err(FrameError::AckUnsent);
        }
        if messages == 0 {
            return Ok(());
        }
        let mut acked = Run::default();
        for _ in 0..messages {
            self.extend(&mut acked);
        }
        self.head = ((usize::from(self.head) + usize::from(acked.bytes)) % CHANNEL_BYTES) as u16;
        self.first += messages;
        self.queued.messages -= acked.messages;
        self.queued.bytes -= acked.bytes;
        self.sent -= acked.messages;
        // After a going back, an ack of what was sent before it may overtake what is sent now.
        self.current.messages = self.current.messages.saturating_sub(acked.messages);
        self.current.bytes = self.current.bytes.saturating_sub(acked.bytes);
        (self.tries, self.retry_us) = (0, 0);
        Ok(())
    }

    /// Writes a frame with the messages that are due, or with none when only `is_ack_due`; 0 for no frame.
    pub fn write(
        &mut self,
        now_us: u64,
        rtt_us: Option<u32>,
        ack: u32,
        is_ack_due: bool,
        room_bytes: usize,
        out: &mut [u8],
    ) -> usize {
        if self.sent != 0 {
            self.keep_time(now_us, rtt_us);
        }
        let out_bytes = out.len().min(PAYLOAD_BYTES_MAX);
        let room_bytes = room_bytes.min(out_bytes);
        let (from, mut run) = (self.current, self.current);
        while run.messages < self.queued.messages {
            let mut longer = run;
            self.extend(&mut longer);
            // The first one may take all there is, or it would never leave.
            let limit_bytes = if run == from { out_bytes } else { room_bytes };
            if bytes_around(usize::from(longer.bytes - from.bytes)) > limit_bytes {
                break;
            }
            run = longer;
        }
        let (count, message_bytes) = (run.messages - from.messages, usize::from(run.bytes - from.bytes));
        if count == 0 && !(is_ack_due && out_bytes >= FRAME_ACK_BYTES) {
            return 0;
        }
        let first = self.first + u32::from(from.messages);
        let bytes = write_around(out, ack, first, count, message_bytes);
        if count != 0 {
            self.copy(from.bytes, &mut out[FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + message_bytes]);
            self.current = run;
            if self.sent == 0 {
                self.sent = run.messages;
                self.keep_time(now_us, rtt_us);
            }
            self.sent = self.sent.max(run.messages);
        }
        bytes
    }

    /// Starts the time of the oldest message, or goes back to it when its ack is overdue. Twice the round trip, which
    /// includes what either end waits for its own tick; twice as long after each time in vain.
    fn keep_time(&mut self, now_us: u64, rtt_us: Option<u32>) {
        let is_new = self.retry_us == 0;
        if is_new {
            self.since_us = now_us;
        } else if now_us < self.retry_us {
            return;
        } else {
            self.current = Run::default();
            // Past the cap a further doubling changes nothing.
            self.tries = (self.tries + 1).min(8);
        }
        let once_us = rtt_us.map_or(MESSAGE_RETRY_US, |rtt_us| u64::from(rtt_us) * 2);
        let wait_us = once_us.max(MESSAGE_RETRY_US_MIN) << self.tries;
        self.retry_us = now_us.saturating_add(wait_us.min(MESSAGE_RETRY_US_MAX));
    }

    /// Makes a run longer by the message behind it, which must be there.
    fn extend(&self, run: &mut Run) {
        let at = usize::from(self.head) + usize::from(run.bytes);
        let length = [self.ring[at % CHANNEL_BYTES], self.ring[(at + 1) % CHANNEL_BYTES]];
        run.bytes += MESSAGE_HEAD_BYTES as u16 + u16::from_le_bytes(length);
        run.messages += 1;
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let at = at % CHANNEL_BYTES;
        let (before, wrapped) = bytes.split_at(bytes.len().min(CHANNEL_BYTES - at));
        self.ring[at..at + before.len()].copy_from_slice(before);
        self.ring[..wrapped.len()].copy_from_slice(wrapped);
    }

    /// Fills `out` with what lies `from` bytes behind the head.
    fn copy(&self, from: u16, out: &mut [u8]) {
        let at = (usize::from(self.head) + usize::from(from)) % CHANNEL_BYTES;
        let (before, wrapped) = out.split_at_mut(out.len().min(CHANNEL_BYTES - at));
        before.copy_from_slice(&self.ring[at..at + before.len()]);
        wrapped.copy_from_slice(&self.ring[..wrapped.len()]);
    }
}
