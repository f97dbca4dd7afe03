//! Tokens: the documented bytes, every change to them, and what a realm must not take.

use super::keys::{Key, SecretBytes, hkdf};
use super::token::*;
use crate::limits::{REALM_KEYS_MAX, TOKEN_AHEAD_MS_MAX, TOKEN_BYTES, TOKEN_LIFE_MS_MAX};
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;

const NOW_MS: u64 = 1_780_000_000_000;
const HASH: u64 = 0x0807_0605_0403_0201;
const SALT: [u8; 24] = [0x33; 24];

fn key() -> RealmKey {
    RootKey::new(0x0201, SecretBytes::new([0x11; 32])).realm_key(0x0605_0403)
}

fn keys() -> RealmKeys {
    RealmKeys::new([key()]).unwrap()
}

fn fields() -> TokenFields {
    TokenFields {
        not_after_ms: NOW_MS + 30_000,
        protocol_hash: HASH,
        body: TokenBody {
            token_id: std::array::from_fn(|i| i as u8),
            account: 0x1111,
            character: 0x2222,
            session_epoch: 0x3333,
            issued_at_ms: NOW_MS,
            secret: SecretBytes::new([0x44; 32]),
            client_public: [0x55; 32],
            idle_timeout_s: 0x6666,
            rate_class: 0x7777,
            flags: 0x8888_8888,
            name: TokenName::new("Änne").unwrap(),
            user_data: [0x99; 16],
        },
    }
}

/// The body as it is before sealing, or seals one that [`mint`] would not make.
fn reseal(token: &[u8; TOKEN_BYTES], change: impl FnOnce(&mut [u8])) -> [u8; TOKEN_BYTES] {
    let mut out = *token;
    let aead = Key::new(&hkdf(&token[32..56], key().secret().expose(), b"throng token 1"));
    let (header, sealed) = out.split_at_mut(56);
    let body = aead.open([0; 12], header, sealed).unwrap();
    change(body);
    let tag = aead.seal([0; 12], header, body).unwrap();
    sealed[256..].copy_from_slice(&tag);
    out
}

#[test]
fn keys_of_one_number_have_names_of_their_own() {
    let of = |byte| RealmKey::new(1, 7, SecretBytes::new([byte; 32]));
    assert!(of(1).name() == of(1).name() && of(1).name() != of(2).name());
    let expected = hkdf(&[], of(1).secret().expose(), b"throng key fingerprint 1");
    assert_eq!(of(1).name().fingerprint, expected.expose()[..8]);
}

#[test]
fn the_layout_is_the_documented_one() {
    let token = mint(&fields(), &key(), &SALT);
    assert_eq!(token[..12], *b"THRT\x01\x01\x01\x02\x03\x04\x05\x06");
    let guard_key = hkdf(&[], key().secret().expose(), b"throng token guard 1");
    let mut guard = SipHasher24::new_with_key(guard_key.expose().first_chunk().unwrap());
    guard.write(&[&token[..12], &token[16..56]].concat());
    assert_eq!(token[12..16], guard.finish().to_le_bytes()[..4]);
    assert_eq!(token[16..24], (NOW_MS + 30_000).to_le_bytes());
    assert_eq!(token[24..32], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(token[32..56], SALT);
    let mut expected = Vec::new();
    expected.extend((0..16u8).collect::<Vec<_>>());
    expected
        .extend([0x11, 0x11, 0, 0, 0, 0, 0, 0, 0x22, 0x22, 0, 0, 0, 0, 0, 0, 0x33, 0x33, 0, 0, 0, 0, 0, 0]);
    expected.extend(NOW_MS.to_le_bytes());
    expected.extend([0x44; 32]);
    expected.extend([0x55; 32]);
    expected.extend([0x66, 0x66, 0x77, 0x77, 0x88, 0x88, 0x88, 0x88]);
    expected.push(5);
    expected.extend("Änne".as_bytes());
    expected.extend([0; 42]);
    expected.extend([0x99; 16]);
    expected.extend([0; 72]);
    reseal(&token, |body| assert_eq!(body, expected));
}

#[test]
fn what_was_minted_opens_and_is_accepted() {
    let token = mint(&fields(), &key(), &SALT);
    let header = TokenHeader::read(&token).unwrap();
    assert_eq!(header.check(&token, &keys(), NOW_MS, HASH), Ok(&key()));
    assert_eq!(open(&token, &key()), Ok(fields().body));
    assert_eq!(mint(&fields(), &key(), &SALT), token);
    assert_ne!(mint(&fields(), &key(), &[0; 24])[56..], token[56..]);
}

#[test]
fn no_bit_can_be_changed() {
    let token = mint(&fields(), &key(), &SALT);
    for bit in 0..TOKEN_BYTES * 8 {
        let mut forged = token;
        forged[bit / 8] ^= 1 << (bit % 8);
        let opened = open(&forged, &key());
        assert!(opened.is_err(), "bit {bit}");
        if bit / 8 >= 16 {
            assert_eq!(opened, Err(TokenFault::Forged), "bit {bit}");
        }
    }
}

#[test]
fn the_header_is_judged_in_order() {
    let token = mint(&fields(), &key(), &SALT);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = token;
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (at, bytes) in [(0, &b"X"[..]), (3, b"X"), (4, &[0]), (4, &[2]), (5, &[0]), (5, &[2])] {
        assert_eq!(TokenHeader::read(&with(at, bytes)), Err(TokenFault::Layout), "{bytes:?} at {at}");
        assert_eq!(open(&with(at, bytes), &key()), Err(TokenFault::Layout));
    }
    let judge = |token: &[u8; TOKEN_BYTES], now_ms| {
        TokenHeader::read(token).unwrap().check(token, &keys(), now_ms, HASH).map(|_| ())
    };
    assert_eq!(judge(&with(6, &[9, 9, 9]), NOW_MS), Err(TokenFault::UnknownKey));
    assert_eq!(judge(&with(8, &[9]), NOW_MS), Err(TokenFault::OtherRealm));
    assert_eq!(judge(&with(24, &[9]), NOW_MS), Err(TokenFault::ProtocolHash));
    let end = |not_after_ms: u64| judge(&with(16, &not_after_ms.to_le_bytes()), NOW_MS);
    assert_eq!(end(0), Err(TokenFault::Expired));
    assert_eq!(end(NOW_MS - 1), Err(TokenFault::Expired));
    assert_eq!(end(NOW_MS), Err(TokenFault::Expired));
    assert_eq!(end(NOW_MS + 1), Err(TokenFault::Guard));
    assert_eq!(end(NOW_MS + TOKEN_AHEAD_MS_MAX), Err(TokenFault::Guard));
    assert_eq!(end(NOW_MS + TOKEN_AHEAD_MS_MAX + 1), Err(TokenFault::TooFarAhead));
    assert_eq!(end(u64::MAX), Err(TokenFault::TooFarAhead));
    assert_eq!(judge(&token, u64::MAX), Err(TokenFault::Expired));
    assert_eq!(judge(&token, NOW_MS), Ok(()));
    for bit in 12 * 8..56 * 8 {
        let mut invented = token;
        invented[bit / 8] ^= 1 << (bit % 8);
        assert!(judge(&invented, NOW_MS).is_err(), "bit {bit}");
    }
}

#[test]
fn a_key_opens_the_tokens_of_its_own_realm_and_number_only() {
    let root = RootKey::new(1, SecretBytes::new([0x11; 32]));
    let token = mint(&fields(), &root.realm_key(1), &SALT);
    let others = [
        root.realm_key(2),
        RootKey::new(2, SecretBytes::new([0x11; 32])).realm_key(1),
        RootKey::new(1, SecretBytes::new([0x12; 32])).realm_key(1),
    ];
    for other in others {
        assert_ne!(other.secret(), root.realm_key(1).secret());
        assert!(open(&token, &other).is_err());
        // Nor by claiming to be the right key.
        let claimed = RealmKey::new(1, 1, other.secret().clone());
        assert_eq!(open(&token, &claimed), Err(TokenFault::Forged));
    }
}

#[test]
fn what_the_gateway_never_seals_is_refused_all_the_same() {
    let token = mint(&fields(), &key(), &SALT);
    let change = |at: usize, bytes: &[u8]| {
        open(&reseal(&token, |body| body[at..at + bytes.len()].copy_from_slice(bytes)), &key()).map(|_| ())
    };
    assert_eq!(change(0, &[9; 16]), Ok(()));
    for at in 184..256 {
        assert_eq!(change(at, &[1]), Err(TokenFault::Body), "byte {at} must be zero");
    }
    for (len, name) in [(0, &b""[..]), (48, b""), (255, b""), (4, b""), (6, b""), (5, b"\xff"), (5, b"a\nb")]
    {
        let mut bytes = vec![len];
        bytes.extend(name);
        assert_eq!(change(120, &bytes), Err(TokenFault::Body), "name {name:?} of {len}");
    }
    let issued = |at_ms: u64| change(40, &at_ms.to_le_bytes());
    let end_ms = fields().not_after_ms;
    assert_eq!(issued(end_ms - TOKEN_LIFE_MS_MAX), Ok(()));
    assert_eq!(issued(end_ms - TOKEN_LIFE_MS_MAX - 1), Err(TokenFault::Body));
    assert_eq!(issued(end_ms), Ok(()));
    assert_eq!(issued(end_ms + 1), Err(TokenFault::Body));
    assert_eq!(issued(u64::MAX), Err(TokenFault::Body));
    assert_eq!(issued(0), Err(TokenFault::Body));
}

#[test]
fn tokens_from_before_the_start_are_told() {
    let body = fields().body;
    assert!(body.is_issued_since(NOW_MS, 0));
    assert!(!body.is_issued_since(NOW_MS + 1, 0));
    assert!(body.is_issued_since(NOW_MS - 5_000, 5_000));
    assert!(!body.is_issued_since(NOW_MS - 4_999, 5_000));
    assert!(!body.is_issued_since(u64::MAX, u32::MAX));
}

#[test]
fn key_sets_that_cannot_work_say_why() {
    let of = |key_id, realm_id| RealmKey::new(key_id, realm_id, SecretBytes::new([key_id as u8; 32]));
    assert_eq!(RealmKeys::new([]), Err(RealmKeysError::None));
    assert_eq!(RealmKeys::new([of(1, 1), of(2, 1), of(1, 1)]), Err(RealmKeysError::SameId(1)));
    assert_eq!(RealmKeys::new([of(1, 1), of(2, 3)]), Err(RealmKeysError::Realms(1, 3)));
    let all = |count: u16| RealmKeys::new((0..count).map(|key_id| of(key_id, 1)));
    assert_eq!(all(REALM_KEYS_MAX as u16 + 1), Err(RealmKeysError::TooMany(REALM_KEYS_MAX + 1)));
    let keys = all(REALM_KEYS_MAX as u16).unwrap();
    assert_eq!((keys.current().key_id(), keys.realm_id(), keys.iter().count()), (0, 1, 8));
    assert_eq!(keys.get(7), Some(&of(7, 1)));
    assert_eq!(keys.get(8), None);
}

#[test]
fn names_are_bounded_and_printable() {
    assert_eq!(TokenName::new(""), Err(NameError::Length(0)));
    assert_eq!(TokenName::new(&"x".repeat(48)), Err(NameError::Length(48)));
    assert_eq!(TokenName::new(&"x".repeat(47)).unwrap().as_str(), "x".repeat(47));
    for control in ['\0', '\n', '\x1b', '\u{7f}', '\u{9b}'] {
        assert_eq!(TokenName::new(&format!("a{control}")), Err(NameError::Control(control)));
    }
    assert_eq!(format!("{0} {0:?}", TokenName::new("Ann").unwrap()), "Ann \"Ann\"");
}

#[test]
fn nothing_secret_is_printed() {
    let canary = SecretBytes::new(*b"canary-canary-canary-canary-3210");
    let root = RootKey::new(1, canary.clone());
    let realm = RealmKey::new(1, 2, canary.clone());
    let mut fields = fields();
    fields.body.secret = canary.clone();
    let grant = Grant {
        token: [b'c'; TOKEN_BYTES],
        secret: canary.clone(),
        private_key: super::keys::PrivateKey::new(canary),
    };
    let text = format!("{root:?} {realm:?} {fields:#?} {grant:?} {:?}", RealmKeys::new([realm.clone()]));
    assert!(!text.contains("canary") && !text.contains("99, 97, 110") && !text.contains("99, 99"), "{text}");
}
