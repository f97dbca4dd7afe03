//! A map from entity ids to places in a vector.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Entity id to place. Keys come from the server that this client chose to trust with its whole
/// world, so a fast hash without a secret is enough.
pub(crate) type IdMap = HashMap<u32, u32, BuildHasherDefault<IdHasher>>;

/// One multiplication and a fold: the table takes its bucket from the low bits and its tag from the high ones.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        let mixed = (self.0 ^ u64::from(value)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
