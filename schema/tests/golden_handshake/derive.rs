//! HKDF from HMAC (RFC 5869), keys of a direction, and the token's seal.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::{digest, hmac};
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;
use x25519_dalek::{PublicKey, StaticSecret};

pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    digest::digest(&digest::SHA256, &parts.concat()).as_ref().try_into().unwrap()
}

pub fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().try_into().unwrap()
}

pub fn extract(salt: &[u8], input: &[u8]) -> [u8; 32] {
    mac(salt, input)
}

/// The first block, which is all that is ever wanted.
pub fn expand(prk: &[u8; 32], info: &[u8]) -> [u8; 32] {
    mac(prk, &[info, &[1]].concat())
}

pub fn hkdf(salt: &[u8], input: &[u8], info: &[u8]) -> [u8; 32] {
    expand(&extract(salt, input), info)
}

/// SipHash-2-4 with 64 bits, as bytes.
pub fn siphash(key: &[u8], message: &[u8]) -> [u8; 8] {
    let mut hash = SipHasher24::new_with_key(key.try_into().unwrap());
    hash.write(message);
    hash.finish().to_le_bytes()
}

pub fn public_of(private: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*private)).to_bytes()
}

pub fn shared_of(private: &[u8; 32], public: &[u8; 32]) -> [u8; 32] {
    StaticSecret::from(*private).diffie_hellman(&PublicKey::from(*public)).to_bytes()
}

/// Ciphertext and tag.
pub fn seal(key: &[u8; 32], nonce: [u8; 12], aad: &[u8], body: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let mut out = body.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut out).unwrap();
    out
}

pub fn token(key: &[u8; 32], header: &[u8], body: &[u8]) -> Vec<u8> {
    let token = [header, &seal(key, [0; 12], header, body)].concat();
    assert_eq!(token.len(), 328);
    token
}

/// The keys of one direction.
pub struct Direction([u8; 32]);

impl Direction {
    pub fn new(secret: [u8; 32]) -> Self {
        Direction(secret)
    }

    /// Secret and key of a generation.
    pub fn generation(&self, generation: u32) -> ([u8; 32], [u8; 32]) {
        let secret = (0..generation).fold(self.0, |secret, _| expand(&secret, b"next"));
        (secret, expand(&secret, b"key"))
    }

    pub fn seal(&self, header: &[u8], sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut nonce = [0; 12];
        nonce[4..8].copy_from_slice(&sequence.to_le_bytes());
        seal(&self.generation(sequence >> 20).1, nonce, header, body)
    }
}
