//! One way of a lossy, jittery, reordering network.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A small seeded generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// What a datagram goes through, each way.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub loss_percent: u64,
    /// The least that a datagram takes, and how much more it may, evenly: so later ones overtake earlier ones.
    pub latency_us: u64,
    pub jitter_us: u64,
}

impl Way {
    /// 5 % lost, 150 to 300 ms.
    pub const POOR: Self = Self { loss_percent: 5, latency_us: 150_000, jitter_us: 150_000 };
    pub const GOOD: Self = Self { loss_percent: 0, latency_us: 20_000, jitter_us: 2_000 };
    pub const CUT: Self = Self { loss_percent: 100, latency_us: 0, jitter_us: 0 };
}

pub struct Link<T> {
    pub way: Way,
    rng: Rng,
    /// When each datagram is due; its contents lie at its place.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    datagrams: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Link<T> {
    pub fn new(way: Way, seed: u64) -> Self {
        Self { way, rng: Rng(seed), due: BinaryHeap::new(), datagrams: Vec::new(), free: Vec::new() }
    }

    pub fn send(&mut self, now_us: u64, datagram: T) {
        if self.rng.below(100) < self.way.loss_percent {
            return;
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.datagrams.push(None);
            self.datagrams.len() - 1
        });
        self.datagrams[place] = Some(datagram);
        let delay_us = self.way.latency_us + self.rng.below(self.way.jitter_us + 1);
        self.due.push(Reverse((now_us + delay_us, place)));
    }

    pub fn due_us(&self) -> u64 {
        self.due.peek().map_or(u64::MAX, |Reverse((due_us, _))| *due_us)
    }

    pub fn receive(&mut self, now_us: u64) -> Option<T> {
        if self.due_us() > now_us {
            return None;
        }
        let Reverse((_, place)) = self.due.pop()?;
        self.free.push(place);
        self.datagrams[place].take()
    }
}
