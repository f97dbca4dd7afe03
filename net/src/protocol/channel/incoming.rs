//! The receiving half of a channel.

use super::ChannelCounters;
use super::frame::{Frame, split_message};

/// What has come so far. Nothing is kept out of order, so a number is all there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Incoming {
    /// Number of the last message delivered, 0: none.
    delivered: u32,
    /// Whether messages have come since the last ack was written. Also those that had come before: that they were sent
    /// again shows that their ack was lost.
    owes_ack: bool,
}

impl Incoming {
    #[inline]
    pub fn delivered(&self) -> u32 {
        self.delivered
    }

    /// As if all up to this one had come.
    #[cfg(test)]
    pub fn set_delivered(&mut self, delivered: u32) {
        self.delivered = delivered;
    }

    #[inline]
    pub fn owes_ack(&self) -> bool {
        self.owes_ack
    }

    #[inline]
    pub fn ack_written(&mut self) {
        self.owes_ack = false;
    }

    /// The messages of a frame that are next in order.
    pub fn take<'c, 'p>(
        &'c mut self,
        frame: Frame<'p>,
        counters: &'c mut ChannelCounters,
    ) -> Messages<'c, 'p> {
        counters.frames += 1;
        self.owes_ack |= frame.count != 0;
        let Frame { first, mut count, mut messages, .. } = frame;
        match self.delivered.checked_sub(first - 1) {
            // The first ones are known.
            Some(known) => {
                let known = known.min(u32::from(count)) as u16;
                for _ in 0..known {
                    // The frame has been walked before.
                    messages = split_message(messages).map_or(messages, |(_, behind)| behind);
                }
                counters.messages_again += u64::from(known);
                count -= known;
            }
            None => {
                counters.messages_early += u64::from(count);
                count = 0;
            }
        }
        Messages { incoming: self, counters, messages, count }
    }
}

/// The messages of a frame that are next in order, 1 to 512 bytes each. To take one is to have received it for good.
#[derive(Debug)]
pub struct Messages<'c, 'p> {
    incoming: &'c mut Incoming,
    counters: &'c mut ChannelCounters,
    messages: &'p [u8],
    count: u16,
}

impl<'p> Iterator for Messages<'_, 'p> {
    type Item = &'p [u8];

    fn next(&mut self) -> Option<&'p [u8]> {
        self.count = self.count.checked_sub(1)?;
        let (message, behind) = split_message(self.messages).ok()?;
        self.messages = behind;
        // A frame's numbers do not wrap, so neither does this.
        self.incoming.delivered += 1;
        self.counters.messages += 1;
        Some(message)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.count), Some(usize::from(self.count)))
    }
}

impl ExactSizeIterator for Messages<'_, '_> {}
