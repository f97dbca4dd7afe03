//! How much work addresses without a session may cause.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use crate::limits::{STRANGER_BURST, STRANGER_HZ, STRANGER_SETS_MAX};

/// Buckets in a set: one cache line.
const WAYS: usize = 8;

/// Bits of a bucket that are a time: 2^48 us are nine years.
const TIME_BITS: u32 = 48;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// Token buckets by address: IPv4 addresses each, IPv6 addresses by their /64. Or by any other word.
///
/// ```text
///   keyed hash ──► set (13 bits) ──► 8 buckets in a cache line: fingerprint (16 bits) | full again at (48 bits, us)
/// ```
///
/// A fixed half megabyte, however many addresses somebody makes up. An address that is not there is let in with a
/// full bucket, in place of the one in its set that is nearest to full: a flood from invented addresses makes the
/// table forget strangers, which gives them more, never less. Two addresses share a bucket by accident once in
/// 65,536 pairs of a set, and on purpose only with the keys.
pub(super) struct Strangers {
    keys: [u64; 2],
    interval_us: u64,
    ahead_us_max: u64,
    sets: Box<[Set]>,
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Set([u64; WAYS]);

impl Strangers {
    /// The buckets of addresses, 8 in each of so many sets, all full. `keys` are secret.
    pub fn new(keys: [u64; 2], sets: u32) -> Self {
        Self::with_rate(keys, sets, STRANGER_HZ, STRANGER_BURST)
    }

    /// Buckets of `burst` tokens each, `hz` a second, all full. `keys` are secret.
    pub fn with_rate(keys: [u64; 2], sets: u32, hz: u32, burst: u32) -> Self {
        let interval_us = 1_000_000 / u64::from(hz.clamp(1, 1_000_000));
        let ahead_us_max = interval_us.saturating_mul(u64::from(burst.max(1)) - 1);
        Strangers {
            keys,
            interval_us,
            ahead_us_max,
            sets: vec![Set([0; WAYS]); sets.next_power_of_two() as usize].into_boxed_slice(),
        }
    }

    /// Whether the address has a token left, taking none.
    #[inline]
    pub fn has_token(&self, now_us: u64, ip: IpAddr) -> bool {
        let (set, fingerprint) = self.place(word_of(ip));
        let bucket = self.sets[set].0.into_iter().find(|bucket| bucket >> TIME_BITS == fingerprint);
        bucket.is_none_or(|bucket| ahead_us(bucket, now_us) <= self.ahead_us_max)
    }

    /// Takes a token from the address; `false` when it has none, and then nothing changes.
    #[inline]
    pub fn take(&mut self, now_us: u64, ip: IpAddr) -> bool {
        self.take_of(now_us, word_of(ip))
    }

    /// Takes a token from the bucket of a word that is not an address; `false` when it has none.
    #[inline]
    pub fn take_of(&mut self, now_us: u64, word: u64) -> bool {
        let (set, fingerprint) = self.place(word);
        let set = &mut self.sets[set].0;
        let known = set.iter().position(|bucket| bucket >> TIME_BITS == fingerprint);
        let way = known.unwrap_or_else(|| fullest(set));
        let ahead_us = if known.is_some() { ahead_us(set[way], now_us) } else { 0 };
        if ahead_us > self.ahead_us_max {
            return false;
        }
        let full_at_us = now_us.saturating_add(ahead_us).saturating_add(self.interval_us).min(TIME_MASK);
        set[way] = fingerprint << TIME_BITS | full_at_us;
        true
    }

    fn place(&self, word: u64) -> (usize, u64) {
        let mut hasher = SipHasher13::new_with_keys(self.keys[0], self.keys[1]);
        hasher.write_u64(word);
        let hash = hasher.finish();
        (hash as usize & (self.sets.len() - 1), hash >> TIME_BITS)
    }
}

const _: () = assert!(STRANGER_SETS_MAX.is_power_of_two() && STRANGER_SETS_MAX.ilog2() <= TIME_BITS);
const _: () = assert!(STRANGER_BURST >= 1 && STRANGER_HZ >= 1 && STRANGER_HZ <= 1_000_000);

fn word_of(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        // No /64 that is routed begins with 32 zero bits.
        IpAddr::V4(v4) => u64::from(u32::from(v4)),
        IpAddr::V6(v6) => (u128::from(v6) >> 64) as u64,
    }
}

/// How long until the bucket is full.
fn ahead_us(bucket: u64, now_us: u64) -> u64 {
    (bucket & TIME_MASK).saturating_sub(now_us)
}

/// The bucket that is full first, or was.
fn fullest(set: &[u64; WAYS]) -> usize {
    let mut best = 0;
    for way in 1..WAYS {
        if set[way] & TIME_MASK < set[best] & TIME_MASK {
            best = way;
        }
    }
    best
}
