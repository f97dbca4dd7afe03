//! Buckets of strangers: what one address gets, and what others cannot take from it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::strangers::Strangers;
use crate::limits::{STRANGER_BURST, STRANGER_HZ, STRANGER_SETS};

const NOW_US: u64 = 1_000_000_000;

fn v4(number: u32) -> IpAddr {
    Ipv4Addr::from(number).into()
}

fn v6(network: u64, host: u64) -> IpAddr {
    Ipv6Addr::from(u128::from(network) << 64 | u128::from(host)).into()
}

fn taken(strangers: &mut Strangers, now_us: u64, address: impl Fn(u64) -> IpAddr, count: u64) -> u64 {
    (0..count).filter(|i| strangers.take(now_us, address(*i))).count() as u64
}

#[test]
fn an_address_gets_a_burst_and_then_its_rate() {
    let mut strangers = Strangers::new([1, 2], STRANGER_SETS);
    let burst = u64::from(STRANGER_BURST);
    assert_eq!(taken(&mut strangers, NOW_US, |_| v4(7), 100_000), burst);
    assert!(!strangers.has_token(NOW_US, v4(7)));
    assert!(strangers.has_token(NOW_US, v4(8)));
    // Ten seconds of a flood of 100,000 a second.
    let passed = (1..=1_000_000).filter(|i| strangers.take(NOW_US + i * 10, v4(7))).count() as u64;
    let hz = u64::from(STRANGER_HZ);
    assert!((10 * hz - 1..=10 * hz + 1).contains(&passed), "{passed}");
    assert_eq!(taken(&mut strangers, NOW_US + 60_000_000, |_| v4(7), 100_000), burst);
}

#[test]
fn asking_takes_nothing() {
    let mut strangers = Strangers::new([1, 2], STRANGER_SETS);
    for _ in 0..10_000 {
        assert!(strangers.has_token(NOW_US, v4(7)));
    }
    for i in 0..STRANGER_BURST {
        assert!(strangers.has_token(NOW_US, v4(7)), "{i} taken");
        assert!(strangers.take(NOW_US, v4(7)));
    }
    assert!(!strangers.has_token(NOW_US, v4(7)));
}

#[test]
fn a_64_is_one_address_and_a_mapped_one_is_what_it_maps() {
    let burst = u64::from(STRANGER_BURST);
    let mut strangers = Strangers::new([1, 2], STRANGER_SETS);
    assert_eq!(taken(&mut strangers, NOW_US, |i| v6(0x2001_0db8_0000_0001, i * 7919), 100_000), burst);
    assert_eq!(taken(&mut strangers, NOW_US, |_| v6(0x2001_0db8_0000_0002, 1), 100_000), burst);
    let mapped = IpAddr::from(Ipv4Addr::from(9).to_ipv6_mapped());
    assert_eq!(taken(&mut strangers, NOW_US, |i| if i % 2 == 0 { mapped } else { v4(9) }, 100_000), burst);
}

#[test]
fn a_flood_from_invented_addresses_shuts_nobody_out() {
    let mut strangers = Strangers::new([1, 2], STRANGER_SETS);
    let mut refused = 0;
    // Two million invented addresses a second for two seconds; an honest one every millisecond.
    for i in 0..4_000_000u64 {
        let now_us = NOW_US + i / 2;
        strangers.take(now_us, v4((i as u32).wrapping_mul(0x9e37_79b1)));
        if i % 2000 == 0 {
            let honest = v6(0x2001_0db8_0000_0000 + i, 1);
            refused += u64::from(!strangers.has_token(now_us, honest) || !strangers.take(now_us, honest));
        }
    }
    assert_eq!(refused, 0);
}

#[test]
fn whoever_floods_stays_limited_among_many_others() {
    let mut strangers = Strangers::new([1, 2], STRANGER_SETS);
    let mut passed = 0;
    // 100,000 a second from one address, beside 10,000 a second from addresses that come once.
    for i in 0..1_000_000u64 {
        let now_us = NOW_US + i * 10;
        passed += u64::from(strangers.take(now_us, v4(7)));
        if i % 10 == 0 {
            strangers.take(now_us, v4(0x0a00_0000 + i as u32));
        }
    }
    let limit = u64::from(STRANGER_BURST) + 10 * u64::from(STRANGER_HZ);
    assert!(passed <= limit + 1, "{passed} of {limit}");
}

#[test]
fn time_at_its_edges_is_safe() {
    let mut strangers = Strangers::new([1, 2], STRANGER_SETS);
    for now_us in [0, 1, (1 << 48) - 1, 1 << 48, u64::MAX - 1, u64::MAX, 0] {
        for i in 0..1000 {
            let _ = strangers.take(now_us, v4(i));
            let _ = strangers.has_token(now_us, v4(i));
        }
    }
    // After a clock that stepped back, a new address still gets in.
    assert!(strangers.take(0, v4(5000)));
}
