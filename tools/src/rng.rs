//! A small seeded generator.

/// splitmix64: one addition and two multiplications per number, and any seed will do.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `share` of 2^32 cases.
    #[inline]
    pub(crate) fn hits(&mut self, share: u64) -> bool {
        (self.next() >> 32) < share
    }
}

/// Of 2^32 cases, those that are `percent`.
pub(crate) fn share_of(percent: f64) -> u64 {
    (percent.clamp(0.0, 100.0) / 100.0 * 4_294_967_296.0) as u64
}
