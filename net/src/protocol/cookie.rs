//! Cookies and everything else that derives from the server's secret.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::{constant_time, hmac};

use super::packet::Cookie;
use crate::limits::{COOKIE_LIFE_S, COOKIE_MAC_BYTES};

const COOKIE_LABEL: &[u8; 15] = b"throng cookie 1";
const ID_LABEL: &[u8; 15] = b"throng number 1";
const TABLE_LABEL: &[u8; 15] = b"throng tables 1";

/// What checking a cookie found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CookieCheck {
    Valid,
    Absent,
    Expired,
    Wrong,
}

/// The server's secret, used under one label per purpose. Labels have one length, so no two messages can be equal.
pub(super) struct Secret {
    key: hmac::Key,
}

impl Secret {
    pub fn new(secret: &[u8; 32]) -> Self {
        Secret { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
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
        match constant_time::verify_slices_are_equal(&expected.mac, &cookie.mac) {
            Ok(()) => CookieCheck::Valid,
            Err(_) => CookieCheck::Wrong,
        }
    }

    /// Bits that nobody without the secret can predict, for the `counter`th connection.
    pub fn connection_bits(&self, counter: u64) -> u32 {
        let [low, _] = self.words(ID_LABEL, counter);
        low as u32
    }

    /// Keys for the hash table of addresses, so that its collisions cannot be arranged from outside.
    pub fn table_keys(&self) -> [u64; 2] {
        self.words(TABLE_LABEL, 0)
    }

    fn cookie_at(&self, time_s: u32, salt: u64, address: &SocketAddr) -> Cookie {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut message = [0; 45];
        message[..15].copy_from_slice(COOKIE_LABEL);
        message[15..19].copy_from_slice(&time_s.to_le_bytes());
        message[19..27].copy_from_slice(&salt.to_le_bytes());
        message[27..43].copy_from_slice(&ip.octets());
        message[43..45].copy_from_slice(&address.port().to_le_bytes());
        let tag = hmac::sign(&self.key, &message);
        let mut mac = [0; COOKIE_MAC_BYTES];
        mac.copy_from_slice(&tag.as_ref()[..COOKIE_MAC_BYTES]);
        Cookie { time_s, mac }
    }

    fn words(&self, label: &[u8; 15], counter: u64) -> [u64; 2] {
        let mut message = [0; 23];
        message[..15].copy_from_slice(label);
        message[15..].copy_from_slice(&counter.to_le_bytes());
        let tag = hmac::sign(&self.key, &message);
        let mut words = [0; 2];
        for (word, bytes) in words.iter_mut().zip(tag.as_ref().chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            *word = u64::from_le_bytes(eight);
        }
        words
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
        let secret = Secret::new(&[7; 32]);
        let address: SocketAddr = "10.0.0.1:4000".parse().unwrap();
        let made_us = 1_000 * S;
        let cookie = secret.cookie(made_us, 42, &address);
        let check = |now_us, salt, address: &str, cookie: &Cookie| {
            secret.check(now_us, salt, &address.parse().unwrap(), cookie)
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
        let other = Secret::new(&[8; 32]);
        assert_eq!(other.check(made_us, 42, &address, &cookie), CookieCheck::Wrong);
    }

    #[test]
    fn the_code_is_hmac_sha256_of_the_documented_message() {
        // Computed with Python's hmac module from the layout in the documentation.
        let secret = Secret::new(&std::array::from_fn(|i| i as u8));
        let cookie = secret.cookie(0x0403_0201 * S, 0x0c0b_0a09_0807_0605, &"1.2.3.4:513".parse().unwrap());
        let hex: String = cookie.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(cookie.time_s, 0x0403_0201);
        assert_eq!(hex, "7e0b67a0cb14c63ad1612fdc692492d7");
    }
}
