//! Caps at each limit, and against a model.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::caps::{PrefixCaps, PrefixCounts};
use super::window_tests::config;

fn counts(caps: PrefixCaps) -> PrefixCounts {
    PrefixCounts::new(caps, 20_000, [1, 2])
}

fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    Ipv4Addr::new(a, b, c, d).into()
}

/// 2001:db8:: with a /48, /56 and /64 part and a host.
fn v6(net48: u16, net56: u8, net64: u8, host: u64) -> IpAddr {
    let bits = 0x2001_0db8_u128 << 96
        | u128::from(net48) << 80
        | u128::from(net56) << 72
        | u128::from(net64) << 64
        | u128::from(host);
    Ipv6Addr::from(bits).into()
}

/// Addresses that each reach one cap and no other, and how many of them it lets in.
#[test]
fn each_cap_lets_in_its_number_and_not_one_more() {
    type Case = (&'static str, usize, fn(usize) -> IpAddr, IpAddr);
    let cases: [Case; 5] = [
        ("IPv4", 8, |_| v4(192, 0, 2, 1), v4(192, 0, 2, 2)),
        ("/24", 64, |i| v4(192, 0, 2, i as u8), v4(192, 0, 3, 0)),
        ("/64", 8, |i| v6(1, 1, 1, i as u64), v6(1, 1, 2, 0)),
        ("/56", 64, |i| v6(1, 1, i as u8, 0), v6(1, 2, 0, 0)),
        ("/48", 256, |i| v6(1, i as u8, (i / 256) as u8, 0), v6(2, 0, 0, 0)),
    ];
    for (name, cap, address, beside) in cases {
        let mut counts = counts(PrefixCaps::default());
        for i in 0..cap - 1 {
            assert!(counts.take(address(i)), "{name}: {i}");
        }
        assert!(counts.has_room(address(cap - 1)), "{name}: cap - 1 are in");
        assert!(counts.take(address(cap - 1)), "{name}: the last");
        assert!(!counts.has_room(address(cap)), "{name}: cap are in");
        assert!(!counts.take(address(cap)), "{name}: one more");
        assert!(counts.take(beside), "{name}: the network beside");
        counts.release(address(0));
        assert!(counts.take(address(cap)), "{name}: after one left");
        assert!(!counts.take(address(cap + 1)), "{name}: full again");
    }
}

#[test]
fn a_walk_through_one_64_gets_eight_places() {
    let mut counts = counts(PrefixCaps::default());
    // An odd factor visits all hosts of the /64, far apart.
    let inside =
        (0..1_000_000u64).filter(|i| counts.take(v6(7, 7, 7, i.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
    assert_eq!(inside.count(), 8);
    assert_eq!(counts.len(), 3);
}

#[test]
fn an_ipv4_address_written_as_ipv6_is_the_same_address() {
    let mut counts = counts(PrefixCaps::default());
    let mapped = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
    for i in 0..8 {
        assert!(counts.take(if i % 2 == 0 { mapped } else { v4(192, 0, 2, 1) }));
    }
    assert!(!counts.take(mapped) && !counts.take(v4(192, 0, 2, 1)));
}

#[test]
fn exempt_networks_have_no_caps_and_do_not_count() {
    let exempt = ["127.0.0.0/8", "192.0.2.128/25", "2001:db8:9::/48"].map(|text| text.parse().unwrap());
    let caps = PrefixCaps { exempt: exempt.to_vec(), ..PrefixCaps::default() };
    let mut counts = counts(caps);
    let mapped = IpAddr::from(Ipv4Addr::new(127, 9, 9, 9).to_ipv6_mapped());
    for _ in 0..1000 {
        assert!(counts.take(v4(127, 0, 0, 1)) && counts.take(v6(9, 0, 0, 1)) && counts.take(mapped));
        assert!(counts.take(v4(192, 0, 2, 200)));
    }
    assert_eq!(counts.len(), 0);
    assert!(counts.take(v4(192, 0, 2, 1)), "the /24 is as empty as before");
    counts.release(v4(127, 0, 0, 1));
    assert_eq!(counts.len(), 2);
}

#[test]
fn a_cap_of_zero_closes_a_door() {
    let mut counts = counts(PrefixCaps { ipv6_48: 0, ..PrefixCaps::default() });
    assert!(!counts.take(v6(1, 1, 1, 1)));
    assert!(counts.take(v4(192, 0, 2, 1)));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_coming_and_going_is_counted_as_by_hand(
        steps in prop::collection::vec((any::<bool>(), 0u8..3, 0u8..4, 0u8..4, 0u8..4), 1..600),
    ) {
        let caps = PrefixCaps { ipv4: 2, ipv4_24: 5, ipv6_64: 2, ipv6_56: 4, ipv6_48: 7, exempt: vec![] };
        let mut counts = counts(caps);
        let mut inside: Vec<IpAddr> = Vec::new();
        for (is_leaving, a, b, c, d) in steps {
            if is_leaving && !inside.is_empty() {
                let gone = inside.swap_remove(usize::from(a ^ b ^ c ^ d) % inside.len());
                counts.release(gone);
                continue;
            }
            let ip = if a == 0 { v4(10, 0, b, c) } else { v6(u16::from(a), b, c, u64::from(d)) };
            let octets = |ip: &IpAddr| match ip {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            let of = |bytes: usize| {
                let is_near = |other: &&IpAddr| {
                    other.is_ipv4() == ip.is_ipv4() && octets(other)[..bytes] == octets(&ip)[..bytes]
                };
                inside.iter().filter(is_near).count()
            };
            let expected = if a == 0 { of(4) < 2 && of(3) < 5 } else { of(8) < 2 && of(7) < 4 && of(6) < 7 };
            prop_assert_eq!(counts.has_room(ip), expected);
            prop_assert_eq!(counts.take(ip), expected);
            if expected {
                inside.push(ip);
            }
        }
        for ip in inside.drain(..) {
            counts.release(ip);
        }
        prop_assert_eq!(counts.len(), 0, "nobody is left, so nothing is counted");
    }
}
