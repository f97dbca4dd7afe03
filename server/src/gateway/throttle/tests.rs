use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const HOUR_MS: u64 = 60 * MINUTE_MS;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// The `number`th of many addresses that share no prefix.
fn stranger(number: u32) -> IpAddr {
    Ipv4Addr::from(0x1000_0000 + (number << 8)).into()
}

/// Guesses wrongly; what refused it, if anything.
fn guess(throttle: &mut Throttle, now_ms: u64, name: &str, address: IpAddr) -> Result<(), Throttled> {
    throttle.attempt(now_ms, name, address).map(|attempt| throttle.failed(attempt))
}

fn login(throttle: &mut Throttle, now_ms: u64, name: &str, address: IpAddr) -> Result<(), Throttled> {
    throttle.attempt(now_ms, name, address).map(|attempt| throttle.succeeded(now_ms, attempt))
}

#[test]
fn five_failures_are_free_and_then_the_wait_doubles_up_to_fifteen_minutes() {
    let mut throttle = Throttle::new();
    let mut now_ms = 1_000_000;
    for number in 0..5 {
        guess(&mut throttle, now_ms, "ann", stranger(number)).expect("free");
    }
    for expected_s in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 899] {
        let refused = guess(&mut throttle, now_ms, "ann", stranger(99)).expect_err("must wait");
        assert_eq!(refused.by, ThrottledBy::Account);
        // From the tenth on a forgiven failure can shorten the wait by a step.
        assert!(refused.retry_after_s <= 900, "{refused:?}");
        if expected_s <= 256 {
            assert_eq!(refused.retry_after_s, expected_s);
        }
        let wait_ms = u64::from(refused.retry_after_s) * 1000;
        // Only where the probe could not be let through by a failure that is forgiven meanwhile.
        if expected_s <= 256 {
            assert!(guess(&mut throttle, now_ms + wait_ms - 1, "ann", stranger(98)).is_err(), "too early");
        }
        now_ms += wait_ms;
        guess(&mut throttle, now_ms, "ann", stranger(97)).expect("waited long enough");
    }
    guess(&mut throttle, now_ms, "bob", stranger(1)).expect("another account is another matter");
}

#[test]
fn a_botnet_gets_few_guesses_an_hour() {
    let mut throttle = Throttle::new();
    let mut counts = Vec::new();
    // Ten addresses of its own for every second of five hours.
    for hour in 0..5 {
        let mut count = 0;
        for second in 0..3600_u64 {
            for bot in 0..10_u32 {
                let now_ms = (hour * 3600 + second) * 1000;
                count += u32::from(
                    guess(&mut throttle, now_ms, "ann", stranger(second as u32 * 10 + bot)).is_ok(),
                );
            }
        }
        counts.push(count);
    }
    assert!(counts[0] <= 20, "{counts:?}");
    assert!(counts[1..].iter().all(|&count| count <= 5), "{counts:?}");
}

#[test]
fn guesses_sent_at_once_are_counted_at_once() {
    let mut throttle = Throttle::new();
    let held: Vec<Attempt> =
        (0..100).filter_map(|number| throttle.attempt(5, "ann", stranger(number)).ok()).collect();
    assert_eq!(held.len(), 5);
    // None was looked at after all: nothing is held against the account.
    for attempt in held {
        throttle.cancelled(attempt);
    }
    for number in 200..205 {
        guess(&mut throttle, 6, "ann", stranger(number)).expect("free again");
    }
    assert!(guess(&mut throttle, 6, "ann", stranger(300)).is_err());
}

#[test]
fn an_owner_from_a_known_network_is_never_kept_out_by_others() {
    let mut throttle = Throttle::new();
    let (home, moved) = (ip("198.51.100.7"), ip("198.51.100.200"));
    login(&mut throttle, 0, "ann", home).expect("the first time");
    let mut now_ms = 0;
    for number in 0..20_000_u32 {
        now_ms += 500;
        let _ = guess(&mut throttle, now_ms, "ann", stranger(number));
        // Neighbours empty the rates of the address and its /24, too.
        let _ = guess(&mut throttle, now_ms, &format!("x{number}"), home);
        let _ = guess(&mut throttle, now_ms, "y", ip(&format!("198.51.100.{}", number % 256)));
        if number % 100 == 99 {
            login(&mut throttle, now_ms, "ann", if number % 200 == 99 { home } else { moved })
                .expect("the owner gets in");
        }
    }
    assert!(guess(&mut throttle, now_ms, "ann", stranger(1)).is_err(), "strangers wait");
}

#[test]
fn a_known_network_is_held_to_its_own_failures() {
    let mut throttle = Throttle::new();
    let home = ip("2001:db8:1:200::1");
    login(&mut throttle, 0, "ann", home).expect("the first time");
    let other_subnet_of_home = ip("2001:db8:1:2ff::9");
    for _ in 0..5 {
        guess(&mut throttle, 10, "ann", other_subnet_of_home).expect("free");
    }
    let refused = guess(&mut throttle, 10, "ann", home).expect_err("must wait");
    assert_eq!((refused.by, refused.retry_after_s), (ThrottledBy::Device, 1));
    // What was guessed at home is not held against the account elsewhere.
    guess(&mut throttle, 10, "ann", stranger(1)).expect("free");
    login(&mut throttle, 1010, "ann", home).expect("after the wait");
    // And right passwords are rate limited as well: each costs a hash.
    let logins = (0..50).filter(|_| login(&mut throttle, 1010, "ann", home).is_ok()).count();
    assert!((1..10).contains(&logins), "{logins}");
}

#[test]
fn an_owners_success_does_not_help_a_guesser() {
    let mut throttle = Throttle::new();
    let mut guesses = 0;
    // The owner logs in from a new network every minute of two hours; a botnet tries ten times a second.
    for tenth in 0..2 * HOUR_MS / 100 {
        let now_ms = tenth * 100;
        guesses += u32::from(guess(&mut throttle, now_ms, "ann", stranger(tenth as u32)).is_ok());
        if now_ms % MINUTE_MS == 0 {
            let _ = login(&mut throttle, now_ms, "ann", stranger(500_000 + tenth as u32));
        }
    }
    assert!(guesses <= 30, "{guesses}");
}

#[test]
fn each_prefix_has_its_rate() {
    let count = |addresses: &mut dyn Iterator<Item = IpAddr>, now_ms: u64, throttle: &mut Throttle| {
        addresses.filter(|&address| throttle.address(now_ms, address).is_ok()).count()
    };
    let v4 = |range: std::ops::Range<u32>, each: u32| {
        range.flat_map(move |host| (0..each).map(move |_| Ipv4Addr::from(0xC633_6400 + host).into()))
    };
    let mut throttle = Throttle::new();
    assert_eq!(count(&mut v4(7..8, 50), 0, &mut throttle), 10, "one IPv4 address");
    assert_eq!(count(&mut v4(7..8, 50), 6000, &mut throttle), 1, "one more after a tenth of a minute");
    assert_eq!(count(&mut v4(0..256, 50), 6000, &mut throttle), 100 - 1, "its /24, which has paid off ten");
    assert_eq!(count(&mut v4(256..257, 50), 6000, &mut throttle), 10, "another /24");

    let v6 = |subnets: std::ops::Range<u128>, each: u128| {
        subnets.flat_map(move |subnet| {
            (0..each).map(move |host| Ipv6Addr::from(0x2001_0db8_u128 << 96 | subnet << 64 | host).into())
        })
    };
    let mut throttle = Throttle::new();
    assert_eq!(count(&mut v6(0..1, 1_000_000), 0, &mut throttle), 10, "one /64, however many addresses");
    assert_eq!(count(&mut v6(0..1000, 20), 0, &mut throttle), 190, "its /48");
    assert_eq!(throttle.entries(), 20 + 1, "what was refused left nothing behind");
}

#[test]
fn mapped_addresses_are_the_addresses_that_they_map() {
    let mut throttle = Throttle::new();
    for number in 0..10 {
        let address = if number % 2 == 0 { ip("192.0.2.1") } else { ip("::ffff:192.0.2.1") };
        throttle.address(0, address).expect("within the rate");
    }
    let refused = throttle.address(0, ip("::ffff:192.0.2.1")).expect_err("ten are ten");
    assert_eq!((refused.by, refused.retry_after_s), (ThrottledBy::Address, 6));
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let mut throttle = Throttle::with_bounds(64, 32, 16);
    for number in 0..10_000 {
        let name = format!("name {number}");
        let _ = guess(&mut throttle, 0, &name, stranger(number));
        let _ = login(&mut throttle, 0, &name, stranger(number + 20_000));
        assert!(throttle.entries() <= 64 + 32 + 16);
    }
}

#[test]
fn no_name_is_kept_in_clear() {
    let mut throttle = Throttle::new();
    login(&mut throttle, 0, "canary-name", ip("198.51.100.7")).expect("allowed");
    let all = format!("{:?} {:?} {:?}", throttle.accounts, throttle.devices, throttle.prefixes);
    assert!(!all.contains("canary") && !all.contains("198.51"), "{all}");
}

proptest! {
    /// A clock that jumps, and every end of every attempt: no panic, no wait beyond fifteen minutes.
    #[test]
    fn any_history_leaves_waits_of_fifteen_minutes_at_most(
        steps in prop::collection::vec((0_u8..3, 0_u8..3, 0_u8..6, any::<u64>()), 1..200)
    ) {
        let mut throttle = Throttle::with_bounds(4, 4, 4);
        for (name, end, address, time) in steps {
            let now_ms = match end {
                0 => time % (10 * HOUR_MS),
                1 => time >> 20,
                _ => time >> 1,
            };
            let name = ["a", "b", "c"][usize::from(name)];
            let address: IpAddr = if address < 3 {
                Ipv4Addr::new(192, 0, 2, address).into()
            } else {
                Ipv6Addr::from(u128::from(address) << 64).into()
            };
            match throttle.attempt(now_ms, name, address) {
                Ok(attempt) => match end {
                    0 => throttle.succeeded(now_ms, attempt),
                    1 => throttle.failed(attempt),
                    _ => throttle.cancelled(attempt),
                },
                Err(refused) => prop_assert!(refused.retry_after_s >= 1),
            }
        }
    }
}

#[test]
fn a_clock_that_is_set_back_keeps_nobody_out_for_longer_than_a_minute() {
    let mut throttle = Throttle::new();
    let (home, elsewhere) = (ip("192.0.2.1"), ip("198.51.100.1"));
    let wrong_ms = 1000 * HOUR_MS;
    // By the wrong clock an account, a known device, an address and its network all have had as much as they may.
    login(&mut throttle, wrong_ms, "ann", home).expect("the first");
    while guess(&mut throttle, wrong_ms, "ann", home).is_ok() {}
    while guess(&mut throttle, wrong_ms, "bob", elsewhere).is_ok() {}
    while throttle.address(wrong_ms, elsewhere).is_ok() {}

    let right_ms = HOUR_MS;
    for (name, address) in [("ann", home), ("bob", elsewhere), ("cid", elsewhere)] {
        let mut now_ms = right_ms;
        while let Err(refused) = guess(&mut throttle, now_ms, name, address) {
            now_ms += 1000 * u64::from(refused.retry_after_s);
            assert!(now_ms <= right_ms + MINUTE_MS, "{name}: {refused:?}");
        }
    }
}
