//! Randomness that replays: a value is a function of (seed, tick, system, entity, draw) and of nothing else, so it does
//! not matter which thread draws it, or in which order.
//!
//! The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014), which is a bijection of 64 bits and vectorises.

/// One stream of random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    state: u64,
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// The stream of one `system` in one `tick` of a world seeded with `seed`.
    pub fn of_tick(seed: u64, tick: u32, system: u32) -> Self {
        Self { state: mix(mix(seed ^ GOLDEN_GAMMA).wrapping_add(u64::from(tick) << 32 | u64::from(system))) }
    }

    /// The sub-stream of one entity or row.
    pub fn fork(self, key: u32) -> Self {
        Self { state: mix(self.state ^ u64::from(key).wrapping_mul(GOLDEN_GAMMA)) }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        (mix(self.state) >> 32) as u32
    }

    /// Uniform in `0..bound`; the bias is below `bound` / 2^32. Zero for a bound of zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    pub fn unit(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_for_ever() {
        let mut random = Random::of_tick(1, 2, 3).fork(4);
        let drawn = [random.next_u32(), random.next_u32(), random.below(10), (random.unit() * 1000.0) as u32];
        // Golden values: a change here makes every journal unreplayable.
        assert_eq!(drawn, GOLDEN);
        assert_ne!(Random::of_tick(1, 2, 4).fork(4).next_u32(), drawn[0]);
        assert_ne!(Random::of_tick(1, 3, 3).fork(4).next_u32(), drawn[0]);
        assert_ne!(Random::of_tick(2, 2, 3).fork(4).next_u32(), drawn[0]);
    }
    const GOLDEN: [u32; 4] = [1_194_176_584, 2_720_835_730, 4, 183];

    #[test]
    fn units_fill_the_unit_interval_evenly() {
        let mut random = Random::of_tick(9, 9, 9);
        let mut buckets = [0u32; 16];
        for _ in 0..160_000 {
            let unit = random.unit();
            assert!((0.0..1.0).contains(&unit));
            buckets[(unit * 16.0) as usize] += 1;
        }
        assert!(buckets.iter().all(|count| (9_500..10_500).contains(count)), "{buckets:?}");
    }
}
