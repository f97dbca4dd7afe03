//! Connect tokens: raw bytes, honest ones with pieces replaced, and bodies that no gateway would seal but somebody
//! with the key did.
//!
//! The script: a mode, an offset, then bytes. What is opened must be what a second reading of the body says.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use throng_net::limits::{TOKEN_BYTES, TOKEN_LIFE_MS_MAX};
use throng_net::protocol::token::{RealmKeys, TokenBody, TokenFault, TokenFields, TokenHeader, mint, open};

use crate::bytes::Bytes;
use crate::server::{STARTED_MS, fields, hash, realm_key};

/// The bytes as a token.
pub const RAW: u8 = 0;
/// An honest token with the bytes laid over it somewhere.
pub const OVER: u8 = 1;
/// An honest token whose body has the bytes laid over it somewhere, sealed again with the right key.
pub const BODY: u8 = 2;
/// The same, with the end of the token set first: the first 8 bytes are that.
pub const TIMES: u8 = 3;

/// Runs a script; panics if a token is read in two ways.
pub fn run(data: &[u8]) {
    let mut script = Bytes(data);
    let mode = script.byte() & 3;
    let at = usize::from(script.half());
    let honest_fields = fields(5, STARTED_MS);
    let honest = mint(&honest_fields, &realm_key(), &[5; 24]);
    match mode {
        RAW => {
            let mut token = [0; TOKEN_BYTES];
            lay(&mut token, 0, script.0);
            judge(&token, &honest);
        }
        OVER => {
            let mut token = honest;
            lay(&mut token, at % TOKEN_BYTES, script.0);
            judge(&token, &honest);
        }
        _ => {
            let mut fields = honest_fields;
            if mode == TIMES {
                fields.not_after_ms = u64::from_le_bytes(std::array::from_fn(|_| script.byte()));
            }
            resealed(&fields, at % 256, script.0);
        }
    }
}

/// What nobody sealed is never opened, whatever its header says.
fn judge(token: &[u8; TOKEN_BYTES], honest: &[u8; TOKEN_BYTES]) {
    let Ok(keys) = RealmKeys::new([realm_key()]) else { unreachable!("one key") };
    let header = TokenHeader::read(token);
    if let Ok(header) = header {
        for now_ms in [0, STARTED_MS, header.not_after_ms.wrapping_sub(1), u64::MAX] {
            let is_good = header.check(token, &keys, now_ms, hash()).is_ok();
            assert!(!is_good || token[..56] == honest[..56], "a guard was guessed");
        }
    }
    match open(token, &realm_key()) {
        Ok(_) => assert_eq!(token, honest, "opened what nobody sealed"),
        Err(TokenFault::Layout) => assert_eq!(header, Err(TokenFault::Layout)),
        Err(fault) => assert!(matches!(fault, TokenFault::OtherRealm | TokenFault::Forged), "{fault:?}"),
    }
}

fn resealed(fields: &TokenFields, at: usize, bytes: &[u8]) {
    let mut token = mint(fields, &realm_key(), &[5; 24]);
    let prk = mac(&token[32..56], realm_key().secret().expose());
    let key = mac(&prk, b"throng token 1\x01");
    let Ok(key) = UnboundKey::new(&AES_256_GCM, &key).map(LessSafeKey::new) else { unreachable!("32 bytes") };
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let (header, sealed) = token.split_at_mut(56);
    let Ok(body) = key.open_in_place(nonce(), Aad::from(&*header), sealed) else {
        panic!("what was minted does not open")
    };
    lay(body, at, bytes);
    let body_bytes = body.to_vec();
    let Ok(tag) = key.seal_in_place_separate_tag(nonce(), Aad::from(&*header), body) else {
        unreachable!("a short body")
    };
    sealed[256..].copy_from_slice(tag.as_ref());

    let opened = open(&token, &realm_key());
    assert_eq!(opened.is_ok(), is_sound(&body_bytes, fields.not_after_ms), "{opened:?}");
    match opened {
        Ok(body) => {
            // Nothing of it was overlooked: made again, it is the same.
            let TokenBody { issued_at_ms, .. } = body;
            assert_eq!(issued_at_ms, number(&body_bytes, 40));
            let again = TokenFields { body, ..fields.clone() };
            assert_eq!(mint(&again, &realm_key(), &[5; 24]), token);
        }
        Err(fault) => assert_eq!(fault, TokenFault::Body),
    }
}

/// The page's rules, read once more.
fn is_sound(body: &[u8], not_after_ms: u64) -> bool {
    let (len, name) = (usize::from(body[120]), &body[121..168]);
    let is_name = (1..=47).contains(&len)
        && name[len..].iter().all(|byte| *byte == 0)
        && std::str::from_utf8(&name[..len]).is_ok_and(|name| !name.chars().any(char::is_control));
    let issued_at_ms = number(body, 40);
    is_name
        && body[184..].iter().all(|byte| *byte == 0)
        && issued_at_ms <= not_after_ms
        && not_after_ms - issued_at_ms <= TOKEN_LIFE_MS_MAX
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

/// Puts as much of `bytes` over `out` as fits from `at` on.
fn lay(out: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in out[at..].iter_mut().zip(bytes) {
        *to = *from;
    }
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref());
    out
}
