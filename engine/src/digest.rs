//! A digest of state, to tell whether two runs are the same run.

/// Folds 64-bit words into one. Not cryptographic: it finds differences, it does not resist forgery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Adds a word. For a fixed word the step is a bijection of the state, so one changed word is never lost.
    pub fn push(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    /// The digest so far.
    pub fn value(self) -> u64 {
        self.0
    }
}
