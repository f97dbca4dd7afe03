//! Messages that have arrived and wait for the game to ask for them.

use throng_net::limits::{MESSAGE_BYTES_MAX, MESSAGE_HEAD_BYTES};

use crate::limits::INBOX_BYTES;

/// A queue of bounded size, allocated once. It is read far faster than it fills, so it starts over from its front when
/// it is empty; when it is not and the end is reached, what waits moves to the front.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Each message behind its length; those before `at` have been read.
    bytes: Vec<u8>,
    at: usize,
}

impl Inbox {
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(INBOX_BYTES), at: 0 }
    }

    /// Whether the longest message fits.
    pub fn has_room(&self) -> bool {
        self.bytes.len() - self.at + MESSAGE_HEAD_BYTES + MESSAGE_BYTES_MAX <= INBOX_BYTES
    }

    /// Takes a message in when there [is room](Self::has_room).
    pub fn push(&mut self, message: &[u8]) {
        if self.bytes.len() + MESSAGE_HEAD_BYTES + message.len() > INBOX_BYTES {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(&(message.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(message);
    }

    /// The oldest message, which is then gone.
    pub fn next(&mut self) -> Option<&[u8]> {
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
        let (length, behind) = self.bytes[self.at..].split_first_chunk::<MESSAGE_HEAD_BYTES>()?;
        let message = behind.get(..usize::from(u16::from_le_bytes(*length)))?;
        self.at += MESSAGE_HEAD_BYTES + message.len();
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_is_first_out_at_any_fill() {
        let mut inbox = Inbox::new();
        let capacity = inbox.bytes.capacity();
        let message = |number: usize| vec![number as u8; 1 + number * 37 % MESSAGE_BYTES_MAX];
        let (mut pushed, mut read) = (0, 0);
        for round in 0..500 {
            while inbox.has_room() && pushed < read + 1 + round % 40 {
                inbox.push(&message(pushed));
                pushed += 1;
            }
            for _ in 0..1 + round % 7 {
                if let Some(got) = inbox.next() {
                    assert_eq!(got, message(read), "message {read}");
                    read += 1;
                }
            }
            assert!(inbox.bytes.len() <= INBOX_BYTES);
        }
        while let Some(got) = inbox.next() {
            assert_eq!(got, message(read));
            read += 1;
        }
        assert_eq!((read, inbox.bytes.capacity()), (pushed, capacity));
        assert!(read > 1000 && inbox.has_room());
    }
}
