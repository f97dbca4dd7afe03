//! Randomness for tests, from a seed that a failed run prints.
#![allow(dead_code)]

use throng_motion::Land;

pub struct Random(u64);

impl Random {
    /// From `THRONG_SEED`, or the usual seed.
    pub fn new() -> Self {
        let seed = std::env::var("THRONG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_127);
        println!("seed: THRONG_SEED={seed}");
        Self(seed)
    }

    pub fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = (self.0 >> 32) as u32;
        high ^ high >> 15
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.bits()) * bound as u64) >> 32) as usize
    }

    /// In `0.0..1.0`.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / 16_777_216.0
    }

    pub fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * self.unit()
    }
}

pub const EXAMPLE: &[u8] = include_bytes!("../../../worlds/example.world");

/// The shipped land, with its dungeon's copies far from the origin.
pub fn example() -> Land {
    let mut land = Land::read(EXAMPLE).unwrap();
    land.lay_out(12, 150.0).unwrap();
    land
}
