//! Keys of a session, from the agreement to the datagram.
//!
//! ```text
//!   X25519(ephemeral, client public) ‖ token secret        SHA-256("throng session 1" ‖ token ‖ salt ‖ server public)
//!                       │ input                                              │ salt
//!                       └──────────────► HKDF-Extract ◄──────────────────────┘
//!                                            │ prk
//!                  ┌─────────────────────────┼──────────────────────────┐
//!             "accept"                   "client"                    "server"
//!                  ▼                         ▼                          ▼
//!          code of the accept           c2s secret 0               s2c secret 0
//!                                            │ "key" ──► key 0: sequences 1 ..= 2^20 - 1
//!                                            ▼ "next"
//!                                       c2s secret 1
//!                                            │ "key" ──► key 1: sequences 2^20 ..= 2^21 - 1, and so on
//! ```
//!
//! A key's generation is `sequence >> 20`, so both sides change keys at the same datagram without a word about it.
//! A (key, nonce) pair repeats only if a sequence does: keys are per direction, the handshake has keys of its own, and
//! a session's keys exist in one process only and die with it. AES-GCM is good for 2^23 datagrams under one key
//! (RFC 9001 §6.6); this is an eighth of that.
//!
//! Secrets are wiped when dropped and do not print. Randomness is an argument everywhere.
//!
//! What is not wiped: ring wipes nothing, so what it keeps while it derives (HMAC and HKDF states, on the stack) stays until
//! something else is written there; a [`Key`] is overwritten with another one, by us. `siphasher` does not wipe the cookie
//! key, which lives as long as the process. A secret that is moved may leave a copy where it was: long-lived ones lie in a
//! [`Box`] or a table and are dropped there. `x25519-dalek` and `zeroize` wipe theirs.

use std::fmt;
use std::hint::black_box;
use std::mem::{offset_of, swap};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::{digest, hmac};
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::limits::{
    ACCEPT_HEAD_BYTES, GENERATION_BITS, HEADER_BYTES, PREPARE_PACKETS, REFUSED_HEAD_BYTES, SEAL_BYTES,
    SEQUENCE_AHEAD_MAX, TOKEN_BYTES, WINDOW_PACKETS,
};

/// Datagrams that one key seals.
const GENERATION_PACKETS: u32 = 1 << GENERATION_BITS;

const SESSION_LABEL: &[u8] = b"throng session 1";
const REFUSED_LABEL: &[u8] = b"throng refused 1";

/// 32 bytes that only their owners may know. Wiped when dropped, compared in constant time, never printed.
#[derive(Clone)]
pub struct SecretBytes([u8; 32]);

impl SecretBytes {
    /// Takes the bytes over; the caller wipes its own copy.
    pub const fn new(bytes: [u8; 32]) -> Self {
        SecretBytes(bytes)
    }

    /// Lets `fill` write the bytes where they stay.
    ///
    /// # Errors
    /// What `fill` gives.
    pub fn filled<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = SecretBytes([0; 32]);
        fill(&mut bytes.0)?;
        Ok(bytes)
    }

    /// The bytes themselves, for a key file or an answer over HTTPS. Never for a log.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl From<[u8; 32]> for SecretBytes {
    fn from(bytes: [u8; 32]) -> Self {
        SecretBytes(bytes)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(32 bytes, not shown)")
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretBytes {}

/// An X25519 private key (RFC 7748): any 32 random bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKey(SecretBytes);

impl PrivateKey {
    /// The key that these random bytes are.
    pub const fn new(bytes: SecretBytes) -> Self {
        PrivateKey(bytes)
    }

    /// What the other side needs to agree on a secret.
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.parsed()).to_bytes()
    }

    /// The secret shared with the owner of `peer_public`. `None` for the few public keys of small order, with which
    /// the secret would be zero whatever the private key is.
    pub(super) fn agree(&self, peer_public: &[u8; 32]) -> Option<SecretBytes> {
        let shared = self.parsed().diffie_hellman(&PublicKey::from(*peer_public));
        shared.was_contributory().then(|| SecretBytes(*shared.as_bytes()))
    }

    fn parsed(&self) -> StaticSecret {
        StaticSecret::from(self.0.0)
    }
}

/// A source of unpredictable bytes from one seed: each step replaces the state, so what was drawn before cannot be
/// found from a state that leaks later.
pub struct Entropy(SecretBytes);

impl Entropy {
    /// `seed` must come from the operating system and be used for nothing else; the caller drops it.
    pub fn new(seed: &SecretBytes) -> Self {
        Entropy(hkdf(&[], &seed.0, b"throng entropy 1"))
    }

    /// The next `N` bytes, at most 8,160. Wiped when dropped, for whoever draws a secret; what is public is copied out.
    pub fn draw<const N: usize>(&mut self) -> Zeroizing<[u8; N]> {
        const { assert!(N <= 255 * 32, "the longest output of HKDF-SHA-256") };
        let mut out = Zeroizing::new([0; N]);
        self.fill(&mut out[..]);
        out
    }

    /// The next 32 bytes, as a secret.
    pub fn secret(&mut self) -> SecretBytes {
        let mut out = SecretBytes([0; 32]);
        self.fill(&mut out.0);
        out
    }

    fn fill(&mut self, out: &mut [u8]) {
        expand(&self.0, b"draw", out);
        self.0 = next_secret(&self.0);
    }

    /// A private key that nobody has had before.
    pub fn private_key(&mut self) -> PrivateKey {
        PrivateKey(self.secret())
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(state not shown)")
    }
}

/// What both sides know of the handshake that a session comes from. All of it goes into the keys: a session whose two
/// sides saw different bytes does not open a single datagram.
#[derive(Clone, Copy)]
pub struct Transcript<'a> {
    /// The connect token as sent.
    pub token: &'a [u8; TOKEN_BYTES],
    /// The salt of the hello.
    pub salt: u64,
    /// The server's public key, made for this session alone.
    pub server_public: &'a [u8; 32],
}

/// The three secrets that a handshake yields.
pub struct SessionKeys {
    accept: SecretBytes,
    client: SecretBytes,
    server: SecretBytes,
}

impl SessionKeys {
    /// The secrets of a session, as both sides find them: each with its own private key, the other's public key and
    /// the token's secret. `None` when the public key is one of those that give no secret.
    pub fn derive(
        private: &PrivateKey,
        peer_public: &[u8; 32],
        token_secret: &SecretBytes,
        transcript: Transcript<'_>,
    ) -> Option<SessionKeys> {
        let shared = private.agree(peer_public)?;
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(SESSION_LABEL);
        hash.update(transcript.token);
        hash.update(&transcript.salt.to_le_bytes());
        hash.update(transcript.server_public);
        let mut input = Zeroizing::new([0; 64]);
        input[..32].copy_from_slice(&shared.0);
        input[32..].copy_from_slice(&token_secret.0);
        let prk = Salt::new(HKDF_SHA256, hash.finish().as_ref()).extract(&input[..]);
        Some(SessionKeys {
            accept: fill_secret(&prk, b"accept"),
            client: fill_secret(&prk, b"client"),
            server: fill_secret(&prk, b"server"),
        })
    }

    /// The code over an accept's first 48 bytes: proof that the server opened the token, and of each of those bytes.
    pub fn accept_tag(&self, head: &[u8; ACCEPT_HEAD_BYTES]) -> [u8; SEAL_BYTES] {
        code(&self.accept, head)
    }

    /// What the client sends with and the server receives with.
    pub fn client_secret(&self) -> &SecretBytes {
        &self.client
    }

    /// What the server sends with and the client receives with.
    pub fn server_secret(&self) -> &SecretBytes {
        &self.server
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(not shown)")
    }
}

/// The code over a refusal's first 16 bytes. Not a seal: one hello may be refused twice with different words, and
/// under AES-GCM that would be one nonce for two messages.
pub fn refused_tag(
    token_secret: &SecretBytes,
    salt: u64,
    head: &[u8; REFUSED_HEAD_BYTES],
) -> [u8; SEAL_BYTES] {
    code(&hkdf(&salt.to_le_bytes(), &token_secret.0, REFUSED_LABEL), head)
}

/// Whether two codes are equal, in a time that does not tell where they differ.
pub fn tags_equal(a: &[u8; SEAL_BYTES], b: &[u8; SEAL_BYTES]) -> bool {
    a.ct_eq(b).into()
}

/// AES-256-GCM under one key, expanded where it lies: nothing but these bytes is read to seal or open, and they can be
/// asked for beforehand.
///
/// Wiped when dropped. What is moved leaves a copy behind, so keys that are no longer needed are dropped in place.
pub(super) struct Key(LessSafeKey);

impl Key {
    /// Expands a key.
    pub fn new(key: &SecretBytes) -> Key {
        let key = UnboundKey::new(&AES_256_GCM, &key.0).expect("32 bytes are a key of AES-256-GCM");
        Key(LessSafeKey::new(key))
    }

    /// The key of a generation, from its secret.
    fn of(secret: &SecretBytes) -> Key {
        let mut key = SecretBytes([0; 32]);
        expand(secret, b"key", &mut key.0);
        Key::new(&key)
    }

    /// Encrypts `body` in place and gives the tag over it and `header`. No nonce may come twice.
    #[inline]
    pub fn seal(&self, nonce: [u8; NONCE_LEN], header: &[u8], body: &mut [u8]) -> Option<[u8; SEAL_BYTES]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(header), body).ok()?;
        let mut out = [0; SEAL_BYTES];
        out.copy_from_slice(tag.as_ref());
        Some(out)
    }

    /// Decrypts what was sealed, with the tag behind it, in place; gives the body.
    #[inline]
    pub fn open<'d>(
        &self,
        nonce: [u8; NONCE_LEN],
        header: &[u8],
        sealed: &'d mut [u8],
    ) -> Result<&'d mut [u8], NotOpened> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place(nonce, Aad::from(header), sealed).map_err(|_| NotOpened)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // The library does not wipe. Another key in its place does, if the compiler must believe that somebody looks.
        let key = UnboundKey::new(&AES_256_GCM, &[0; 32]).expect("32 bytes are a key of AES-256-GCM");
        self.0 = LessSafeKey::new(key);
        black_box(&mut self.0);
    }
}

/// The sending side of one direction: this generation's key and, near its end, the next one's.
///
/// Sealing takes `&self`, derives nothing and allocates nothing; whoever owns the sealer calls
/// [`keep_up`](Self::keep_up) now and then, at the latest within [`PREPARE_PACKETS`] datagrams.
#[repr(C)]
pub struct Sealer {
    generation: u32,
    current: Key,
    /// The secret of the next generation. Earlier ones are gone: what they sealed stays sealed even to us.
    next_secret: SecretBytes,
    /// Made late, but in place: what is received allocates nothing.
    next: Option<Key>,
}

impl Sealer {
    /// Bytes, from the first on, that [`seal`](Self::seal) reads but near a change of keys.
    pub(super) const HOT_BYTES: usize = offset_of!(Sealer, next_secret);

    /// A sealer from the direction's first secret.
    pub fn new(secret: &SecretBytes) -> Self {
        Sealer { generation: 0, current: Key::of(secret), next: None, next_secret: next_secret(secret) }
    }

    /// Seals `body` in place and gives the tag that follows it. The header is not hidden, but cannot be changed.
    ///
    /// No two calls may have one sequence: that would give both bodies away. Counting up, and sending nothing more
    /// after `u32::MAX`, is the caller's duty.
    ///
    /// `None` when the key of that generation is not at hand (see [`keep_up`](Self::keep_up)); `body` is untouched
    /// and must not be sent.
    #[inline]
    pub fn seal(
        &self,
        header: &[u8; HEADER_BYTES],
        sequence: u32,
        body: &mut [u8],
    ) -> Option<[u8; SEAL_BYTES]> {
        let key = match generation_of(sequence).checked_sub(self.generation) {
            Some(0) => &self.current,
            Some(1) => self.next.as_ref()?,
            _ => return None,
        };
        key.seal(nonce(sequence), header, body)
    }

    /// Forgets keys that are no longer needed once `sent` has been sent, and makes those that soon will be.
    /// Two comparisons, but for twice in 2^20 datagrams (then 2 us).
    #[inline]
    pub fn keep_up(&mut self, sent: u32) {
        if self.generation < generation_of(sent) || is_end_near(sent) && self.next.is_none() {
            self.step(sent);
        }
    }

    /// Whether keeping up after `sent` may be more than nothing, for those who ask within each [`PREPARE_PACKETS`]
    /// datagrams: known without a look at the sealer, which is elsewhere.
    #[inline]
    pub(super) const fn may_change(sent: u32) -> bool {
        sent >= GENERATION_PACKETS - PREPARE_PACKETS
            && (is_end_near(sent) || offset_of(sent) < PREPARE_PACKETS)
    }

    #[cold]
    fn step(&mut self, sent: u32) {
        while self.generation < generation_of(sent) {
            let next = self.next.get_or_insert_with(|| Key::of(&self.next_secret));
            swap(&mut self.current, next);
            self.next = None;
            self.next_secret = next_secret(&self.next_secret);
            self.generation += 1;
        }
        if is_end_near(sent) {
            self.next = Some(Key::of(&self.next_secret));
        }
    }
}

/// Whether a sender makes the next key once this has been sent.
const fn is_end_near(sent: u32) -> bool {
    offset_of(sent) >= GENERATION_PACKETS - PREPARE_PACKETS
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// A datagram that is not what its sender sealed, or not from whom it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOpened;

/// The receiving side of one direction: the newest generation's key, and near its ends one of its neighbours.
///
/// Which neighbour changes only when a datagram has been opened. The previous key is kept for as long as the replay
/// window reaches back into its generation, and then wiped; the next one is made as soon as something that is sealed
/// with it could be believed. Since nothing more than [`SEQUENCE_AHEAD_MAX`] ahead of the newest is to be opened, the
/// two are never wanted at one time.
#[repr(C)]
pub struct Opener {
    generation: u32,
    neighbour_is: Neighbour,
    current: Key,
    /// The secret of the next generation.
    next_secret: SecretBytes,
    neighbour: Option<Key>,
}

#[derive(Clone, Copy)]
enum Neighbour {
    Nobody,
    Previous,
    Next,
}

impl Opener {
    /// Bytes, from the first on, that [`open`](Self::open) reads but near a change of keys.
    pub(super) const HOT_BYTES: usize = offset_of!(Opener, next_secret);

    /// An opener from the direction's first secret.
    pub fn new(secret: &SecretBytes) -> Self {
        let next_secret = next_secret(secret);
        let neighbour_is = Neighbour::Nobody;
        Opener { generation: 0, neighbour_is, current: Key::of(secret), next_secret, neighbour: None }
    }

    /// Opens a ciphertext with its tag in place and gives the body. When it does not open, what `sealed` holds is
    /// worthless and the opener is unchanged.
    ///
    /// # Errors
    /// When the tag is not right for these bytes, this header and this sequence, or the sequence is of a generation
    /// whose key is gone or is not due.
    #[inline]
    pub fn open<'d>(
        &mut self,
        header: &[u8; HEADER_BYTES],
        sequence: u32,
        sealed: &'d mut [u8],
    ) -> Result<&'d mut [u8], NotOpened> {
        let generation = generation_of(sequence);
        let key = match self.neighbour_is {
            _ if generation == self.generation => Some(&self.current),
            Neighbour::Previous if generation.checked_add(1) == Some(self.generation) => {
                self.neighbour.as_ref()
            }
            Neighbour::Next if generation.checked_sub(1) == Some(self.generation) => self.neighbour.as_ref(),
            _ => None,
        };
        let key = key.ok_or(NotOpened)?;
        let body = key.open(nonce(sequence), header, sealed)?;
        if generation >= self.generation && self.is_change_due(sequence) {
            self.change(sequence);
        }
        Ok(body)
    }

    /// Whether the newest sequence asks for other keys than are here.
    #[inline]
    fn is_change_due(&self, sequence: u32) -> bool {
        generation_of(sequence) > self.generation
            || match self.neighbour_is {
                Neighbour::Nobody => is_next_near(sequence),
                Neighbour::Previous => offset_of(sequence) >= WINDOW_PACKETS,
                Neighbour::Next => false,
            }
    }

    /// 2 us, three times in 2^20 datagrams.
    #[cold]
    fn change(&mut self, sequence: u32) {
        if generation_of(sequence) > self.generation
            && let (Neighbour::Next, Some(next)) = (self.neighbour_is, &mut self.neighbour)
        {
            swap(&mut self.current, next);
            self.neighbour_is = Neighbour::Previous;
            self.next_secret = next_secret(&self.next_secret);
            self.generation += 1;
        }
        if offset_of(sequence) >= WINDOW_PACKETS {
            (self.neighbour_is, self.neighbour) = (Neighbour::Nobody, None);
        }
        if is_next_near(sequence) {
            (self.neighbour_is, self.neighbour) = (Neighbour::Next, Some(Key::of(&self.next_secret)));
        }
    }
}

/// Whether something sealed with the next key could be believed once this has been received.
fn is_next_near(sequence: u32) -> bool {
    offset_of(sequence) >= (1 << GENERATION_BITS) - SEQUENCE_AHEAD_MAX
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("generation", &self.generation).finish_non_exhaustive()
    }
}

// While the window reaches into the previous generation, nothing of the next one is believed.
const _: () = assert!(WINDOW_PACKETS + SEQUENCE_AHEAD_MAX < 1 << GENERATION_BITS);

/// Which key a sequence is sealed with.
pub const fn generation_of(sequence: u32) -> u32 {
    sequence >> GENERATION_BITS
}

/// How far into its generation a sequence is.
const fn offset_of(sequence: u32) -> u32 {
    sequence & ((1 << GENERATION_BITS) - 1)
}

/// HKDF-SHA-256 with 32 bytes of output.
pub(super) fn hkdf(salt: &[u8], input: &[u8], info: &[u8]) -> SecretBytes {
    fill_secret(&Salt::new(HKDF_SHA256, salt).extract(input), info)
}

fn fill_secret(prk: &Prk, info: &[u8]) -> SecretBytes {
    let mut out = SecretBytes([0; 32]);
    fill(prk, info, &mut out.0);
    out
}

fn expand(secret: &SecretBytes, info: &[u8], out: &mut [u8]) {
    fill(&Prk::new_less_safe(HKDF_SHA256, &secret.0), info, out);
}

fn fill(prk: &Prk, info: &[u8], out: &mut [u8]) {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    prk.expand(&[info], Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("lengths are constants below HKDF's limit");
}

fn next_secret(secret: &SecretBytes) -> SecretBytes {
    let mut next = SecretBytes([0; 32]);
    expand(secret, b"next", &mut next.0);
    next
}

/// The first half of HMAC-SHA-256.
fn code(key: &SecretBytes, message: &[u8]) -> [u8; SEAL_BYTES] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.0), message);
    let mut out = [0; SEAL_BYTES];
    out.copy_from_slice(&tag.as_ref()[..SEAL_BYTES]);
    out
}

fn nonce(sequence: u32) -> [u8; NONCE_LEN] {
    // In the parts in which it is read, as the header is.
    let [a, b, c, d, e, f, g, h] = (u64::from(sequence) << 32).to_le_bytes();
    [a, b, c, d, e, f, g, h, 0, 0, 0, 0]
}
