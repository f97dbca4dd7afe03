//! A place in the line as the client carries it.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 1 | version 1 |
//! | 1 | 3 | zero |
//! | 4 | 4 | realm id |
//! | 8 | 8 | account |
//! | 16 | 8 | position number |
//! | 24 | 8 | issued, Unix ms |
//! | 32 | 8 | expires, Unix ms |
//! | 40 | 16 | first half of HMAC-SHA-256 over bytes 0..40 |
//!
//! Little-endian; to clients as base64url without padding, 75 characters. It holds no secret: an account's own ticket
//! is of use to that account only, because whoever shows it must be logged in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use subtle::ConstantTimeEq as _;

/// Bytes of a ticket.
pub const TICKET_BYTES: usize = SIGNED_BYTES + MAC_BYTES;
/// Characters of a ticket's text.
pub const TICKET_CHARS: usize = (TICKET_BYTES * 4).div_ceil(3);

const SIGNED_BYTES: usize = 40;
const MAC_BYTES: usize = 16;
const VERSION: u8 = 1;

/// What a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub realm: u32,
    pub account: u64,
    pub number: u64,
    pub issued_ms: u64,
    pub expires_ms: u64,
}

/// The key that signs tickets. It outlives the process, so that a restart keeps everybody's place.
pub struct TicketKey(hmac::Key);

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketKey")
    }
}

impl TicketKey {
    /// A key of 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(super) fn sign(&self, ticket: &Ticket) -> String {
        let mut bytes = [0; TICKET_BYTES];
        bytes[0] = VERSION;
        bytes[4..8].copy_from_slice(&ticket.realm.to_le_bytes());
        let words = [ticket.account, ticket.number, ticket.issued_ms, ticket.expires_ms];
        for (place, word) in bytes[8..SIGNED_BYTES].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let mac = hmac::sign(&self.0, &bytes[..SIGNED_BYTES]);
        bytes[SIGNED_BYTES..].copy_from_slice(&mac.as_ref()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a text says, if it is a ticket that this key signed. Nothing is said about whether it is still good.
    pub(super) fn open(&self, text: &str) -> Option<Ticket> {
        if text.len() != TICKET_CHARS {
            return None;
        }
        let mut bytes = [0; TICKET_BYTES];
        URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok().filter(|&count| count == TICKET_BYTES)?;
        let (signed, mac) = bytes.split_at(SIGNED_BYTES);
        let expected = hmac::sign(&self.0, signed);
        if !bool::from(expected.as_ref()[..MAC_BYTES].ct_eq(mac)) {
            return None;
        }
        let word = |at: usize| signed[at..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        if signed[..4] != [VERSION, 0, 0, 0] {
            return None;
        }
        Some(Ticket {
            realm: signed[4..].first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))?,
            account: word(8)?,
            number: word(16)?,
            issued_ms: word(24)?,
            expires_ms: word(32)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICKET: Ticket =
        Ticket { realm: 7, account: u64::MAX - 1, number: 3 << 40, issued_ms: 5, expires_ms: 300_005 };

    #[test]
    fn a_ticket_says_what_was_signed() {
        let key = TicketKey::new(&[7; 32]);
        let text = key.sign(&TICKET);
        assert_eq!(text.len(), TICKET_CHARS);
        assert_eq!(key.open(&text), Some(TICKET));
        assert_eq!(TicketKey::new(&[8; 32]).open(&text), None, "another key");
    }

    #[test]
    fn no_changed_character_is_accepted() {
        let key = TicketKey::new(&[7; 32]);
        let text = key.sign(&TICKET);
        for at in 0..text.len() {
            for other in ['A', 'B', 'g', '-', '_', '=', '+', '/', ' '] {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                assert_eq!(key.open(&changed.into_iter().collect::<String>()), None, "{other} at {at}");
            }
        }
        assert_eq!(key.open(&text[1..]), None);
        assert_eq!(key.open(&format!("{text}A")), None);
    }

    proptest! {
        #[test]
        fn garbage_is_refused(text in ".{0,100}", long in "[A-Za-z0-9_-]{75}") {
            let key = TicketKey::new(&[7; 32]);
            prop_assert_eq!(key.open(&text), None);
            prop_assert_eq!(key.open(&long), None);
        }
    }
}
