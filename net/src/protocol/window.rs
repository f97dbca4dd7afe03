//! Which sequences have been received: the replay window.

use crate::limits::{SEQUENCE_AHEAD_MAX, WINDOW_PACKETS};

const WORD_BITS: u32 = u64::BITS;
const WORDS: usize = (WINDOW_PACKETS / WORD_BITS) as usize;

/// What a sequence is to a window that has not marked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Not seen before, and recent enough to be sure of it.
    Fresh,
    /// Seen before.
    Duplicate,
    /// So far behind the newest that the window no longer knows, or 0, which is never sent.
    TooOld,
    /// Further ahead of the newest than any honest sender gets.
    TooFarAhead,
}

/// One bit for each of the newest 1,024 sequences, kept at `sequence % 1024`.
///
/// Ages are found by subtracting from the newest, never by adding to what arrived: a forged `u32::MAX` cannot overflow.
/// The window does not wrap: a direction ends at sequence 2^32 - 1, 6.8 years at 20 Hz.
#[derive(Clone, Debug)]
pub(super) struct Window {
    newest: u32,
    words: [u64; WORDS],
}

impl Window {
    pub fn new() -> Self {
        Window { newest: 0, words: [0; WORDS] }
    }

    /// The highest sequence marked, 0 before any.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// What `sequence` is, changing nothing: asked before a datagram is opened, and only a datagram that opens is marked.
    pub fn check(&self, sequence: u32) -> Freshness {
        if let Some(ahead @ 1..) = sequence.checked_sub(self.newest) {
            return if ahead > SEQUENCE_AHEAD_MAX { Freshness::TooFarAhead } else { Freshness::Fresh };
        }
        if sequence == 0 || self.newest - sequence >= WINDOW_PACKETS {
            return Freshness::TooOld;
        }
        let (word, bit) = place(sequence);
        if self.words[word] & bit == 0 { Freshness::Fresh } else { Freshness::Duplicate }
    }

    /// Remembers a sequence that [`check`](Self::check) found fresh.
    pub fn mark(&mut self, sequence: u32) {
        if let Some(steps) = sequence.checked_sub(self.newest) {
            self.forget(steps);
            self.newest = sequence;
        }
        let (word, bit) = place(sequence);
        self.words[word] |= bit;
    }

    /// Clears the bits of the `steps` sequences after the newest: they still say what was 1,024 sequences ago.
    fn forget(&mut self, steps: u32) {
        if steps >= WINDOW_PACKETS {
            self.words = [0; WORDS];
            return;
        }
        // By words, so that a jump costs 16 steps at most. All bits lie in (newest, newest + steps].
        let mut from = self.newest.wrapping_add(1);
        let mut left = steps;
        while left > 0 {
            let offset = from % WORD_BITS;
            let count = (WORD_BITS - offset).min(left);
            let mask = if count == WORD_BITS { u64::MAX } else { ((1 << count) - 1) << offset };
            self.words[place(from).0] &= !mask;
            from = from.wrapping_add(count);
            left -= count;
        }
    }
}

fn place(sequence: u32) -> (usize, u64) {
    let place = sequence % WINDOW_PACKETS;
    ((place / WORD_BITS) as usize, 1 << (place % WORD_BITS))
}
