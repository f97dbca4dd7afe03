//! How many sockets each address holds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use super::limits;

/// How many sockets there may be.
#[derive(Clone, Debug)]
pub struct CensusLimits {
    /// All together.
    pub sockets_max: u32,
    /// Of one IPv4 address or one IPv6 /64.
    pub per_address_max: u32,
    /// Networks that only the total binds: a load generator, a reverse proxy.
    pub exempt: Vec<IpNet>,
}

impl Default for CensusLimits {
    fn default() -> Self {
        Self {
            sockets_max: limits::SOCKETS_MAX,
            per_address_max: limits::SOCKETS_PER_ADDRESS_MAX,
            exempt: Vec::new(),
        }
    }
}

/// Counts sockets. Its memory is bounded by them: an address is forgotten with its last one.
#[derive(Debug)]
pub struct Census {
    limits: CensusLimits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: u32,
    by_prefix: HashMap<Prefix, u32>,
}

/// Why a socket is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// All places are taken.
    Total,
    /// This address has its share.
    Address,
}

/// A place in the census; dropping it gives the place back.
#[derive(Debug)]
pub struct Place {
    census: Arc<Census>,
    prefix: Option<Prefix>,
}

impl Census {
    /// An empty census.
    pub fn new(limits: CensusLimits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// A place for a socket from `address`.
    ///
    /// # Errors
    /// When there is none; nothing is remembered then.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Crowded> {
        let address = address.to_canonical();
        let is_exempt = self.limits.exempt.iter().any(|network| network.contains(&address));
        let prefix = (!is_exempt).then(|| prefix(address));
        let mut counts = self.counts();
        if counts.total >= self.limits.sockets_max {
            return Err(Crowded::Total);
        }
        if let Some(prefix) = prefix {
            let held = counts.by_prefix.get(&prefix).copied().unwrap_or(0);
            if held >= self.limits.per_address_max {
                return Err(Crowded::Address);
            }
            counts.by_prefix.insert(prefix, held + 1);
        }
        counts.total += 1;
        drop(counts);
        Ok(Place { census: Arc::clone(self), prefix })
    }

    /// Sockets now.
    pub fn total(&self) -> u32 {
        self.counts().total
    }

    /// The counts are whole at every instruction that could panic, so a poisoned lock is still right.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.census.counts();
        counts.total -= 1;
        let Some(prefix) = self.prefix else { return };
        if let Some(held) = counts.by_prefix.get_mut(&prefix) {
            *held -= 1;
            if *held == 0 {
                counts.by_prefix.remove(&prefix);
            }
        }
    }
}

/// What counts as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Prefix {
    V4(u32),
    V6(u64),
}

fn prefix(address: IpAddr) -> Prefix {
    match address {
        IpAddr::V4(address) => Prefix::V4(address.into()),
        IpAddr::V6(address) => Prefix::V6((u128::from(address) >> 64) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(sockets_max: u32, per_address_max: u32) -> Arc<Census> {
        let exempt = vec!["10.0.0.0/8".parse().expect("a network")];
        Census::new(CensusLimits { sockets_max, per_address_max, exempt })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_has_its_share_and_no_more() {
        let census = census(100, 2);
        let first = census.take(address("192.0.2.1")).expect("the first");
        let _second = census.take(address("::ffff:192.0.2.1")).expect("the second, mapped");
        assert_eq!(census.take(address("192.0.2.1")).map(drop), Err(Crowded::Address));
        let _other = census.take(address("192.0.2.2")).expect("another address");
        drop(first);
        let _again = census.take(address("192.0.2.1")).expect("a place came back");
    }

    #[test]
    fn an_ipv6_address_is_its_64() {
        let census = census(100, 1);
        let _held = census.take(address("2001:db8::1")).expect("the first");
        assert_eq!(census.take(address("2001:db8::ffff:1")).map(drop), Err(Crowded::Address));
        let _other = census.take(address("2001:db8:0:1::1")).expect("the next /64");
    }

    #[test]
    fn the_total_binds_everyone_and_nothing_is_left_behind() {
        let census = census(3, 1);
        let held: Vec<Place> =
            (0..3).map(|_| census.take(address("10.1.2.3")).expect("exempt from its share")).collect();
        assert_eq!(census.take(address("10.1.2.3")).map(drop), Err(Crowded::Total));
        assert_eq!(census.take(address("192.0.2.1")).map(drop), Err(Crowded::Total));
        drop(held);
        assert_eq!(census.total(), 0);
        assert!(census.counts().by_prefix.is_empty());
        drop(census.take(address("192.0.2.1")));
        assert!(census.counts().by_prefix.is_empty(), "an address is forgotten with its last socket");
    }
}
