//! Messages that must arrive, over the datagrams that need not: each exactly once and in order, both ways.
//!
//! ```text
//!   push ──► Outgoing: ring of 4 KiB ──► frame ─┐            ┌─ frame ──► Incoming: next in order? ──► Messages
//!               ▲     oldest … sent … newest     ├─ datagram ─┤                        │
//!               │                       message ─┘            └─ message              │ its number
//!               └──────────────── ack, in the next frame of the other direction ◄──────┘
//! ```
//!
//! A *frame* rides in front of the message of a data datagram whose kind has [`KIND_FRAMED`] set. Its layout is in
//! [`frame`]; what the messages say is nobody's business here, and neither is what lies behind the frame.
//!
//! * **Nothing to say costs nothing.** Without messages on their way no frame is written and [`Channel::write`] is two
//!   comparisons. A frame carries an ack only while the other side lacks it.
//! * **Go back to the oldest.** The receiver keeps nothing out of order: what comes behind a gap is dropped and sent
//!   again. Frames are few and small, so that costs less than a buffer per session would. *What lost:* selective acks,
//!   which need that buffer and would save a round trip only when two frames are on their way at once.
//! * **Bounded by construction.** All that is on its way or waits lies in one ring that never grows. Whoever does not
//!   acknowledge fills only its own ring: [`Channel::push`] then says [`PushError::Full`], and the caller decides.
//!   Chat may be dropped and counted. What is of value must not be lost in silence: when it does not fit, or
//!   [`Channel::waiting_us`] has grown too long, end the session with a reason; the client comes back and is told anew.
//! * **No congestion control.** A channel sends at most a ring per round trip, and one frame per datagram of a flow
//!   that is paced by ticks anyway. Sending again backs off by doubling up to [`MESSAGE_RETRY_US_MAX`].
//!
//! Messages are numbered from 1 in each direction and the numbers never wrap: before they end the queue stays full.

pub mod frame;
mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use frame::FrameError;
use incoming::Incoming;
use outgoing::Outgoing;

pub use incoming::Messages;
pub use outgoing::PushError;

#[cfg(doc)]
use crate::limits::{FRAME_BYTES_ALONE_MAX, MESSAGE_BYTES_MAX, MESSAGE_RETRY_US_MAX};

/// Set in the kind of a data datagram whose payload begins with a frame. The bits below are the kind of the message
/// behind it; 0 when there is none.
pub const KIND_FRAMED: u8 = 0x80;

/// What frames that came in did, of any number of channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelCounters {
    /// Frames taken.
    pub frames: u64,
    /// Messages delivered.
    pub messages: u64,
    /// Messages that had been delivered before.
    pub messages_again: u64,
    /// Messages dropped because one before them has not come yet.
    pub messages_early: u64,
    /// See [`FrameError::Length`].
    pub frame_length: u64,
    /// See [`FrameError::MessageLength`].
    pub frame_message_length: u64,
    /// See [`FrameError::Sequence`].
    pub frame_sequence: u64,
    /// See [`FrameError::AckUnsent`].
    pub frame_ack_unsent: u64,
}

impl ChannelCounters {
    /// All counters by name, in the order of their declaration.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("frames", self.frames),
            ("messages", self.messages),
            ("messages_again", self.messages_again),
            ("messages_early", self.messages_early),
            ("frame_length", self.frame_length),
            ("frame_message_length", self.frame_message_length),
            ("frame_sequence", self.frame_sequence),
            ("frame_ack_unsent", self.frame_ack_unsent),
        ]
        .into_iter()
    }

    #[cold]
    fn refused(&mut self, error: FrameError) {
        *match error {
            FrameError::Length => &mut self.frame_length,
            FrameError::MessageLength => &mut self.frame_message_length,
            FrameError::Sequence => &mut self.frame_sequence,
            FrameError::AckUnsent => &mut self.frame_ack_unsent,
        } += 1;
    }
}

/// One end of a channel: a cache line, and a page that is touched when messages pass. Made with its session, gone with
/// it; allocates nothing in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(align(64))]
pub struct Channel {
    outgoing: Outgoing,
    incoming: Incoming,
}

const _: () = assert!(size_of::<Channel>() == 64);

impl Channel {
    /// An end that has sent and received nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a message of 1 to [`MESSAGE_BYTES_MAX`] bytes to be sent with the next frames.
    ///
    /// # Errors
    /// When it does not fit the queue, or no frame at all; then nothing of it is kept.
    pub fn push(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.outgoing.push(message)
    }

    /// Whether [`write`](Self::write) has nothing to say, whatever the time: nothing waits for an ack, and no ack is
    /// owed.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.outgoing.is_empty() && !self.incoming.owes_ack()
    }

    /// Writes the frame that is due at the front of `out` and gives its length, a multiple of 4; 0 when nothing is due.
    /// Due are messages never sent, those whose ack is overdue, and an ack that the other side lacks.
    ///
    /// As many messages go along as fit `room_bytes`, the frame's fair share of the datagram. A message too long
    /// for that goes alone, as long as it fits `out`: that should hold [`FRAME_BYTES_ALONE_MAX`], or a long message and
    /// all behind it wait until it does. `rtt_us` is the smoothed round-trip time, `None` before it is known.
    ///
    /// A frame that is then not sent is just a lost one.
    #[inline]
    pub fn write(&mut self, now_us: u64, rtt_us: Option<u32>, room_bytes: usize, out: &mut [u8]) -> usize {
        if self.is_idle() {
            return 0;
        }
        let ack = self.incoming.delivered();
        let bytes = self.outgoing.write(now_us, rtt_us, ack, self.incoming.owes_ack(), room_bytes, out);
        if bytes != 0 {
            self.incoming.ack_written();
        }
        bytes
    }

    /// Takes the frame at the front of a payload in: the messages that are next in order, and the rest of the payload.
    ///
    /// Each message is delivered, and will be acknowledged, when the iterator gives it. One that is not taken comes
    /// again later: so a reader without room pushes back. What the frame acknowledges leaves the queue at once.
    ///
    /// # Errors
    /// When the frame is not one, or acknowledges what was never sent. It is counted, nothing else has changed, and the
    /// rest of the payload is worth nothing either: an honest end does not write that.
    #[inline]
    pub fn read<'c, 'p>(
        &'c mut self,
        payload: &'p [u8],
        counters: &'c mut ChannelCounters,
    ) -> Result<(Messages<'c, 'p>, &'p [u8]), FrameError> {
        let taken = frame::read(payload).and_then(|(frame, rest)| {
            self.outgoing.acked(frame.ack)?;
            Ok((frame, rest))
        });
        let (frame, rest) = taken.inspect_err(|error| counters.refused(*error))?;
        Ok((self.incoming.take(frame, counters), rest))
    }

    /// Microseconds since the oldest message was first sent, while it is not acknowledged; 0 when there is none.
    pub fn waiting_us(&self, now_us: u64) -> u64 {
        self.outgoing.waiting_us(now_us)
    }

    /// How many messages have been delivered to this end. The last one's number, since they are counted from 1.
    pub fn delivered(&self) -> u32 {
        self.incoming.delivered()
    }

    /// How many messages of this end the other one has acknowledged.
    pub fn acknowledged(&self) -> u32 {
        self.outgoing.acknowledged()
    }
}
