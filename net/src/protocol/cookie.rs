//! Cookies: proof that a client receives at the address it sends from, without remembering it.

use std::net::{IpAddr, SocketAddr};

use siphasher::sip128::SipHasher24;
use subtle::ConstantTimeEq;

use super::packet::Cookie;
use crate::limits::{COOKIE_LIFE_S, COOKIE_MAC_BYTES};

/// What checking a cookie found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CookieCheck {
    Valid,
    Absent,
    Expired,
    Wrong,
}

/// The key of all cookies, as long as the process lives.
///
/// SipHash, because this is what a flood of hellos costs: 30 ns against the 350 ns of HMAC-SHA-256, at 128 bits both.
pub(super) struct CookieKey {
    hasher: SipHasher24,
}

impl CookieKey {
    pub fn new(key: &[u8; 16]) -> Self {
        CookieKey { hasher: SipHasher24::new_with_key(key) }
    }

    /// The cookie for a client at `address` that chose `salt`, made now.
    pub fn cookie(&self, now_us: u64, salt: u64, address: &SocketAddr) -> Cookie {
        self.cookie_at(seconds(now_us), salt, address)
    }

    /// Checks a cookie, cheapest test first; only the last one computes a code.
    pub fn check(&self, now_us: u64, salt: u64, address: &SocketAddr, cookie: &Cookie) -> CookieCheck {
        if cookie.is_absent() {
            return CookieCheck::Absent;
        }
        // A time ahead of ours wraps to a huge age.
        if seconds(now_us).wrapping_sub(cookie.time_s) > COOKIE_LIFE_S {
            return CookieCheck::Expired;
        }
        let expected = self.cookie_at(cookie.time_s, salt, address);
        if expected.mac.ct_eq(&cookie.mac).into() { CookieCheck::Valid } else { CookieCheck::Wrong }
    }

    fn cookie_at(&self, time_s: u32, salt: u64, address: &SocketAddr) -> Cookie {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut message = [0; 30];
        message[..4].copy_from_slice(&time_s.to_le_bytes());
        message[4..12].copy_from_slice(&salt.to_le_bytes());
        message[12..28].copy_from_slice(&ip.octets());
        message[28..].copy_from_slice(&address.port().to_le_bytes());
        let mac: [u8; COOKIE_MAC_BYTES] = self.hasher.hash(&message).as_bytes();
        Cookie { time_s, mac }
    }
}

/// Whole seconds, of which a cookie keeps the low 32 bits.
fn seconds(now_us: u64) -> u32 {
    (now_us / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn a_cookie_is_good_for_its_address_salt_and_ten_seconds() {
        let key = CookieKey::new(&[7; 16]);
        let address: SocketAddr = "10.0.0.1:4000".parse().unwrap();
        let made_us = 1_000 * S;
        let cookie = key.cookie(made_us, 42, &address);
        let check = |now_us, salt, address: &str, cookie: &Cookie| {
            key.check(now_us, salt, &address.parse().unwrap(), cookie)
        };
        assert_eq!(check(made_us, 42, "10.0.0.1:4000", &cookie), CookieCheck::Valid);
        assert_eq!(check(made_us + 10 * S, 42, "10.0.0.1:4000", &cookie), CookieCheck::Valid);
        assert_eq!(check(made_us, 42, "[::ffff:10.0.0.1]:4000", &cookie), CookieCheck::Valid);
        assert_eq!(check(made_us + 11 * S, 42, "10.0.0.1:4000", &cookie), CookieCheck::Expired);
        assert_eq!(check(made_us - S, 42, "10.0.0.1:4000", &cookie), CookieCheck::Expired);
        assert_eq!(check(made_us, 43, "10.0.0.1:4000", &cookie), CookieCheck::Wrong);
        assert_eq!(check(made_us, 42, "10.0.0.1:4001", &cookie), CookieCheck::Wrong);
        assert_eq!(check(made_us, 42, "10.0.0.2:4000", &cookie), CookieCheck::Wrong);
        assert_eq!(check(made_us, 42, "10.0.0.1:4000", &Cookie::default()), CookieCheck::Absent);
        for byte in 0..COOKIE_MAC_BYTES {
            let mut forged = cookie;
            forged.mac[byte] ^= 1;
            assert_eq!(check(made_us, 42, "10.0.0.1:4000", &forged), CookieCheck::Wrong);
        }
        let other = CookieKey::new(&[8; 16]);
        assert_eq!(other.check(made_us, 42, &address, &cookie), CookieCheck::Wrong);
    }

    #[test]
    fn the_code_is_siphash_2_4_128_of_the_documented_message() {
        // Computed with a SipHash written from its paper, in Python, from the layout in the documentation.
        let key = CookieKey::new(&std::array::from_fn(|i| i as u8));
        let cookie = key.cookie(0x0403_0201 * S, 0x0c0b_0a09_0807_0605, &"1.2.3.4:513".parse().unwrap());
        let hex: String = cookie.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(cookie.time_s, 0x0403_0201);
        assert_eq!(hex, "9b0344f935ded1a14d3f03481177a621");
    }
}
