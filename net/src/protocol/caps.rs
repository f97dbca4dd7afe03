//! How many sessions one address and one network may hold.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use siphasher::sip::SipHasher13;

use super::used::KeyedHash;
use crate::limits::{
    SESSIONS_PER_IPV4, SESSIONS_PER_IPV4_24, SESSIONS_PER_IPV6_48, SESSIONS_PER_IPV6_56, SESSIONS_PER_IPV6_64,
};

/// Most sessions at a time of one address and of the networks around it.
///
/// Whoever has one IPv6 host usually has the /64 around it, so that is what counts as an address there; homes get a
/// /56 and companies a /48 (RFC 6177). An address in an exempt network neither counts nor is counted: for load
/// generators, proxies and networks behind which thousands share an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixCaps {
    /// Of one IPv4 address.
    pub ipv4: u32,
    /// Of an IPv4 /24.
    pub ipv4_24: u32,
    /// Of an IPv6 /64.
    pub ipv6_64: u32,
    /// Of an IPv6 /56.
    pub ipv6_56: u32,
    /// Of an IPv6 /48.
    pub ipv6_48: u32,
    /// Networks without caps.
    pub exempt: Vec<IpNet>,
}

impl Default for PrefixCaps {
    fn default() -> Self {
        PrefixCaps {
            ipv4: SESSIONS_PER_IPV4,
            ipv4_24: SESSIONS_PER_IPV4_24,
            ipv6_64: SESSIONS_PER_IPV6_64,
            ipv6_56: SESSIONS_PER_IPV6_56,
            ipv6_48: SESSIONS_PER_IPV6_48,
            exempt: Vec::new(),
        }
    }
}

impl PrefixCaps {
    /// Whether an address is in one of the networks without caps. An IPv4 address written as an IPv6 one is that
    /// IPv4 address.
    pub fn is_exempt(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.exempt.iter().any(|network| network.contains(&ip))
    }
}

/// The sessions of each prefix that has any.
pub(super) struct PrefixCounts {
    caps: PrefixCaps,
    counts: HashMap<Prefix, u32, KeyedHash>,
}

/// A network: how many bits of its address count, and those bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Prefix {
    /// 0 to 32 for IPv4, 128 more for IPv6.
    bits: u8,
    network: u64,
}

impl PrefixCounts {
    /// No sessions yet. Room for `sessions_max` is made here, so that counting never allocates. `keys` are secret:
    /// addresses are chosen by strangers.
    pub fn new(caps: PrefixCaps, sessions_max: u32, keys: [u64; 2]) -> Self {
        let hash = KeyedHash(SipHasher13::new_with_keys(keys[0], keys[1]));
        // Twice what can be in it: only a map that is at most half full reuses the places of removed entries.
        let counts = HashMap::with_capacity_and_hasher(sessions_max as usize * 3 * 2, hash);
        PrefixCounts { caps, counts }
    }

    /// Whether one more session from `ip` would stay within all caps.
    pub fn has_room(&self, ip: IpAddr) -> bool {
        self.caps.is_exempt(ip)
            || self.prefixes(ip).into_iter().flatten().all(|(prefix, cap)| self.count(&prefix) < cap)
    }

    /// Counts a session from `ip`; `false` when a cap is reached, and then nothing changes.
    #[must_use]
    pub fn take(&mut self, ip: IpAddr) -> bool {
        if self.caps.is_exempt(ip) {
            return true;
        }
        if !self.has_room(ip) {
            return false;
        }
        for (prefix, _) in self.prefixes(ip).into_iter().flatten() {
            *self.counts.entry(prefix).or_insert(0) += 1;
        }
        true
    }

    /// Takes a session from `ip` out of the count, one for which [`take`](Self::take) said yes.
    pub fn release(&mut self, ip: IpAddr) {
        if self.caps.is_exempt(ip) {
            return;
        }
        for (prefix, _) in self.prefixes(ip).into_iter().flatten() {
            match self.counts.get_mut(&prefix) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    let had = self.counts.remove(&prefix);
                    debug_assert!(had.is_some(), "a session of {ip} was released that was never taken");
                }
            }
        }
    }

    /// Prefixes with at least one session.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    fn count(&self, prefix: &Prefix) -> u32 {
        self.counts.get(prefix).copied().unwrap_or(0)
    }

    /// The prefixes that an address counts for, each with its cap.
    fn prefixes(&self, ip: IpAddr) -> [Option<(Prefix, u32)>; 3] {
        match ip.to_canonical() {
            IpAddr::V4(v4) => {
                let address = u64::from(u32::from(v4));
                let of = |bits: u8, cap| Some((Prefix { bits, network: address >> (32 - bits) }, cap));
                [of(32, self.caps.ipv4), of(24, self.caps.ipv4_24), None]
            }
            IpAddr::V6(v6) => {
                let network = (u128::from(v6) >> 64) as u64;
                let of =
                    |bits: u8, cap| Some((Prefix { bits: bits | 128, network: network >> (64 - bits) }, cap));
                [of(64, self.caps.ipv6_64), of(56, self.caps.ipv6_56), of(48, self.caps.ipv6_48)]
            }
        }
    }
}
