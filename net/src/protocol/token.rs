//! Connect tokens: what the gateway gives a client over HTTPS, and a realm accepts without asking anybody.
//!
//! ```text
//!   RootKey[kid]  (the gateway's alone)
//!      │ HKDF(info = "throng realm key 1" ‖ kid ‖ realm id)
//!      ▼
//!   RealmKey ──────────────── one file ───────────────► RealmKeys of that realm: current and previous
//!      │                                                    ▲
//!      │ mint(fields, salt)                                 │ TokenHeader::read ─► check ─► open
//!      ▼                                                    │
//!   token, 328 B ──► HTTPS ──► client ──► hello ────────────┘
//! ```
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 4 | `THRT` |
//! | 4 | 1 | 1, the token's version |
//! | 5 | 1 | 1, its cipher: AES-256-GCM under a derived key |
//! | 6 | 2 | key id |
//! | 8 | 4 | realm id |
//! | 12 | 4 | guard: a keyed hash of the other 52 bytes before the body |
//! | 16 | 8 | not after, Unix ms |
//! | 24 | 8 | protocol hash |
//! | 32 | 24 | salt, random |
//! | 56 | 256 | body, sealed |
//! | 312 | 16 | tag |
//!
//! The body: token id 16, account 8, character 8, session epoch 8, issued at 8 (Unix ms), secret 32, the client's
//! X25519 public key 32, idle timeout 2 (s), rate class 2, flags 4, name length 1, name 47, user data 16, zero 72.
//! All numbers are little-endian. The body is sealed with HKDF(salt = the token's salt, input = the realm's key,
//! info = "throng token 1"), nonce zero (that key seals nothing else), and the first 56 bytes are authenticated too.
//!
//! The guard is the first 4 bytes of SipHash-2-4 (64 bits) of bytes 0..12 and 16..56, keyed with the first 16 bytes of
//! HKDF(input = the realm's key, info = "throng token guard 1"). It costs 30 ns to check and keeps whoever holds no token
//! at all from being answered, even with a challenge: in a flood of invented tokens one in four thousand million makes
//! the realm send. It authenticates nothing; the seal does.
//!
//! The shape is netcode's (mas-bandwidth/netcode, STANDARD.md) with a key id, a key per realm and a public key of the
//! client added. A realm's keys open and make tokens for that realm only, so a stolen one is no key to another.

use std::fmt;
use std::hash::Hasher as _;

use ring::aead::NONCE_LEN;
use ring::digest;
use siphasher::sip::SipHasher24;
use zeroize::Zeroizing;

use super::keys::{Key, PrivateKey, SecretBytes, hkdf};
use crate::limits::{
    REALM_KEYS_MAX, SEAL_BYTES, TOKEN_AHEAD_MS_MAX, TOKEN_BODY_BYTES, TOKEN_BYTES, TOKEN_HEADER_BYTES,
    TOKEN_LIFE_MS_MAX, TOKEN_NAME_BYTES_MAX,
};

const MAGIC: [u8; 4] = *b"THRT";
const TOKEN_VERSION: u8 = 1;
const CIPHER_AES_256_GCM: u8 = 1;
const REALM_KEY_LABEL: &[u8; 18] = b"throng realm key 1";
const TOKEN_LABEL: &[u8] = b"throng token 1";
const GUARD_LABEL: &[u8] = b"throng token guard 1";
const FINGERPRINT_LABEL: &[u8] = b"throng key fingerprint 1";

/// Random bytes in every token, from which its key is derived.
pub const TOKEN_SALT_BYTES: usize = 24;

const GUARD_AT: usize = 12;
const SALT_AT: usize = 32;
const NAME_AT: usize = 121;
const USER_DATA_AT: usize = NAME_AT + TOKEN_NAME_BYTES_MAX;
const ZERO_AT: usize = USER_DATA_AT + 16;

/// What a client and a realm must agree on to understand each other: the version of the datagram layer and that of
/// the schema. A token carries it, so a client of another build is turned away before anything is decrypted.
pub fn protocol_hash(schema_version: u32) -> u64 {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"throng net 2");
    hash.update(&schema_version.to_le_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finish().as_ref()[..8]);
    u64::from_le_bytes(first)
}

/// A key from which the token keys of all realms derive. It never leaves the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootKey {
    key_id: u16,
    key: SecretBytes,
}

impl RootKey {
    /// The root key of this id: 32 random bytes.
    pub const fn new(key_id: u16, key: SecretBytes) -> Self {
        RootKey { key_id, key }
    }

    /// Its number, the same as that of the realm keys that derive from it.
    pub const fn key_id(&self) -> u16 {
        self.key_id
    }

    /// The key itself, for the gateway's key file.
    pub const fn secret(&self) -> &SecretBytes {
        &self.key
    }

    /// The token key of one realm.
    pub fn realm_key(&self, realm_id: u32) -> RealmKey {
        let mut info = [0; 24];
        info[..18].copy_from_slice(REALM_KEY_LABEL);
        info[18..20].copy_from_slice(&self.key_id.to_le_bytes());
        info[20..].copy_from_slice(&realm_id.to_le_bytes());
        RealmKey::new(self.key_id, realm_id, hkdf(&[], self.key.expose(), &info))
    }
}

/// Bytes of a realm key's fingerprint.
pub const FINGERPRINT_BYTES: usize = 8;

/// Which key a [`RealmKey`] is, for those who may not see it. Every gateway numbers its keys from 1, so that the number alone
/// says little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// Its number.
    pub key_id: u16,
    /// The first bytes of HKDF(input = the key, info = "throng key fingerprint 1"). The key cannot be told from them.
    pub fingerprint: [u8; FINGERPRINT_BYTES],
}

/// A key that makes and opens the tokens of one realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmKey {
    key_id: u16,
    realm_id: u32,
    key: SecretBytes,
    /// Derived from the key, here so that checking a guard derives nothing.
    guard_key: SecretBytes,
    fingerprint: [u8; FINGERPRINT_BYTES],
}

impl RealmKey {
    /// A key as it was read from a file.
    pub fn new(key_id: u16, realm_id: u32, key: SecretBytes) -> Self {
        let guard_key = hkdf(&[], key.expose(), GUARD_LABEL);
        let fingerprint = array(hkdf(&[], key.expose(), FINGERPRINT_LABEL).expose(), 0);
        RealmKey { key_id, realm_id, key, guard_key, fingerprint }
    }

    /// Its number, which tokens name.
    pub const fn key_id(&self) -> u16 {
        self.key_id
    }

    /// Which key it is.
    pub const fn name(&self) -> KeyName {
        KeyName { key_id: self.key_id, fingerprint: self.fingerprint }
    }

    /// The realm whose tokens it is for.
    pub const fn realm_id(&self) -> u32 {
        self.realm_id
    }

    /// The key itself, for the realm's key file.
    pub const fn secret(&self) -> &SecretBytes {
        &self.key
    }

    /// The guard of a token's first 56 bytes.
    #[inline]
    fn guard(&self, header: &[u8]) -> [u8; 4] {
        let mut hash = SipHasher24::new_with_key(&array(self.guard_key.expose(), 0));
        hash.write(&header[..GUARD_AT]);
        hash.write(&header[GUARD_AT + 4..TOKEN_HEADER_BYTES]);
        array(&hash.finish().to_le_bytes(), 0)
    }
}

/// Keys that a realm cannot work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RealmKeysError {
    /// Nobody could enter.
    #[error("the realm has no token key; make one with `throng keys rotate`")]
    None,
    /// More than a realm looks through.
    #[error(
        "the realm has {0} token keys, but at most {REALM_KEYS_MAX} can be accepted at a time; remove the oldest"
    )]
    TooMany(usize),
    /// One number for two keys.
    #[error("two token keys have the id {0}; each needs its own")]
    SameId(u16),
    /// Keys of several realms.
    #[error("the token keys are of realm {0} and realm {1}, but a realm accepts only its own")]
    Realms(u32, u32),
}

/// The token keys that a realm accepts, newest first. Never empty, all of one realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmKeys(Vec<RealmKey>);

impl RealmKeys {
    /// The keys to accept, the one that new tokens are made with first.
    ///
    /// # Errors
    /// When there is none or more than [`REALM_KEYS_MAX`], two have one id, or they are of different realms.
    pub fn new(keys: impl IntoIterator<Item = RealmKey>) -> Result<RealmKeys, RealmKeysError> {
        let keys: Vec<RealmKey> = keys.into_iter().collect();
        let first = keys.first().ok_or(RealmKeysError::None)?;
        if keys.len() > REALM_KEYS_MAX {
            return Err(RealmKeysError::TooMany(keys.len()));
        }
        for (i, key) in keys.iter().enumerate() {
            if key.realm_id != first.realm_id {
                return Err(RealmKeysError::Realms(first.realm_id, key.realm_id));
            }
            if keys[..i].iter().any(|earlier| earlier.key_id == key.key_id) {
                return Err(RealmKeysError::SameId(key.key_id));
            }
        }
        Ok(RealmKeys(keys))
    }

    /// The realm whose keys these are.
    pub fn realm_id(&self) -> u32 {
        self.current().realm_id
    }

    /// The key that new tokens are made with.
    pub fn current(&self) -> &RealmKey {
        &self.0[0]
    }

    /// The key of this number.
    #[inline]
    pub fn get(&self, key_id: u16) -> Option<&RealmKey> {
        self.0.iter().find(|key| key.key_id == key_id)
    }

    /// All keys, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &RealmKey> {
        self.0.iter()
    }
}

/// A character's name in a token: 1 to 47 bytes of UTF-8 without control characters.
///
/// Which names a game allows is the gateway's decision; this is what a realm may rely on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenName {
    len: u8,
    bytes: [u8; TOKEN_NAME_BYTES_MAX],
}

/// A name that no token can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// None at all, or too long.
    #[error("the name is {0} bytes long, but must be 1 to {TOKEN_NAME_BYTES_MAX}")]
    Length(usize),
    /// Something that would disturb a log or a terminal.
    #[error("the name holds the control character U+{:04X}, but must be printable", *.0 as u32)]
    Control(char),
}

impl TokenName {
    /// The name as tokens carry it.
    ///
    /// # Errors
    /// When it is empty, longer than 47 bytes, or holds a control character.
    pub fn new(name: &str) -> Result<TokenName, NameError> {
        if !(1..=TOKEN_NAME_BYTES_MAX).contains(&name.len()) {
            return Err(NameError::Length(name.len()));
        }
        if let Some(control) = name.chars().find(|c| c.is_control()) {
            return Err(NameError::Control(control));
        }
        let mut bytes = [0; TOKEN_NAME_BYTES_MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(TokenName { len: name.len() as u8, bytes })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        // Every way to make one has checked it.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    fn read(len: u8, bytes: &[u8; TOKEN_NAME_BYTES_MAX]) -> Option<TokenName> {
        let (name, rest) = bytes.split_at_checked(usize::from(len))?;
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        TokenName::new(std::str::from_utf8(name).ok()?).ok()
    }
}

impl fmt::Debug for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the gateway puts into a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFields {
    /// When the token ends, Unix ms: [`TOKEN_LIFE_MS`](crate::limits::TOKEN_LIFE_MS) after `body.issued_at_ms`, and
    /// never more than [`TOKEN_LIFE_MS_MAX`].
    pub not_after_ms: u64,
    /// [`protocol_hash`] of the build that the client must have.
    pub protocol_hash: u64,
    /// The sealed part.
    pub body: TokenBody,
}

/// The sealed part of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBody {
    /// Random; what single use goes by.
    pub token_id: [u8; 16],
    /// Whose token it is.
    pub account: u64,
    /// Who enters.
    pub character: u64,
    /// Raised each time the character enters anywhere: of two bodies of one character, the lower epoch's is the
    /// stale one.
    pub session_epoch: u64,
    /// When it was made, Unix ms. A realm refuses what was made before it started, since it no longer knows which of
    /// those were used.
    pub issued_at_ms: u64,
    /// Random. The client gets it beside the token: it proves that hello and accept come from the two ends that the
    /// gateway introduced to each other.
    pub secret: SecretBytes,
    /// The X25519 public key that the client chose: a token without its private key opens no session.
    pub client_public: [u8; 32],
    /// Seconds of silence after which the session ends; 0: as the realm has it.
    pub idle_timeout_s: u16,
    /// Reserved: for one of several input rates. Nothing applies it.
    pub rate_class: u16,
    /// Free for the application: privileges and the like.
    pub flags: u32,
    /// What others see the character called.
    pub name: TokenName,
    /// Free for the application.
    pub user_data: [u8; 16],
}

impl TokenBody {
    /// Whether it was made after a realm started at `started_ms` with clocks that differ by at most `clock_skew_ms`.
    pub fn is_issued_since(&self, started_ms: u64, clock_skew_ms: u32) -> bool {
        self.issued_at_ms >= started_ms.saturating_add(u64::from(clock_skew_ms))
    }
}

/// Makes a token. `salt` must be random: two tokens of one key and one salt would give both bodies away.
///
/// The same arguments give the same bytes.
pub fn mint(fields: &TokenFields, key: &RealmKey, salt: &[u8; TOKEN_SALT_BYTES]) -> [u8; TOKEN_BYTES] {
    let mut token = [0; TOKEN_BYTES];
    token[..4].copy_from_slice(&MAGIC);
    token[4] = TOKEN_VERSION;
    token[5] = CIPHER_AES_256_GCM;
    token[6..8].copy_from_slice(&key.key_id.to_le_bytes());
    token[8..12].copy_from_slice(&key.realm_id.to_le_bytes());
    token[16..24].copy_from_slice(&fields.not_after_ms.to_le_bytes());
    token[24..32].copy_from_slice(&fields.protocol_hash.to_le_bytes());
    token[SALT_AT..TOKEN_HEADER_BYTES].copy_from_slice(salt);
    let guard = key.guard(&token[..TOKEN_HEADER_BYTES]);
    token[GUARD_AT..GUARD_AT + 4].copy_from_slice(&guard);
    let (header, sealed) = token.split_at_mut(TOKEN_HEADER_BYTES);
    let (body, tag) = sealed.split_at_mut(TOKEN_BODY_BYTES);
    fields.body.write(body);
    let made = Key::new(&key_of(key, header)).seal(ZERO_NONCE, header, body);
    tag.copy_from_slice(&made.expect("a token is far below what AES-GCM can seal"));
    token
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenFault {
    /// Not a token, or one of another version or cipher, or bytes that must be zero are not.
    Layout,
    /// Sealed with a key that the realm does not have, or no longer.
    UnknownKey,
    /// For another realm.
    OtherRealm,
    /// Its time is over.
    Expired,
    /// Its end lies further ahead than any token's may.
    TooFarAhead,
    /// For clients of another build.
    ProtocolHash,
    /// Invented by somebody who never had a token of this realm.
    Guard,
    /// Not what the gateway sealed.
    Forged,
    /// The gateway sealed what cannot be: a name that is none, bytes that must be zero, a life longer than any.
    Body,
}

/// The part of a token that anyone can read, and nobody can change unnoticed once it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHeader {
    /// Which key it is sealed with.
    pub key_id: u16,
    /// Which realm it is for.
    pub realm_id: u32,
    /// When it ends, Unix ms.
    pub not_after_ms: u64,
    /// [`protocol_hash`] of the client's build.
    pub protocol_hash: u64,
}

impl TokenHeader {
    /// Reads the header. A few loads: fit for what strangers send.
    ///
    /// # Errors
    /// [`TokenFault::Layout`].
    #[inline]
    pub fn read(token: &[u8; TOKEN_BYTES]) -> Result<TokenHeader, TokenFault> {
        if token[..4] != MAGIC || token[4] != TOKEN_VERSION || token[5] != CIPHER_AES_256_GCM {
            return Err(TokenFault::Layout);
        }
        Ok(TokenHeader {
            key_id: u16::from_le_bytes(array(token, 6)),
            realm_id: u32::from_le_bytes(array(token, 8)),
            not_after_ms: u64::from_le_bytes(array(token, 16)),
            protocol_hash: u64::from_le_bytes(array(token, 24)),
        })
    }

    /// Finds the key to open the token with, once everything that can be said without opening it is in order.
    ///
    /// # Errors
    /// In this order: [`TokenFault::UnknownKey`], [`OtherRealm`](TokenFault::OtherRealm),
    /// [`Expired`](TokenFault::Expired) from `not_after_ms` on, [`TooFarAhead`](TokenFault::TooFarAhead),
    /// [`ProtocolHash`](TokenFault::ProtocolHash), [`Guard`](TokenFault::Guard).
    #[inline]
    pub fn check<'k>(
        &self,
        token: &[u8; TOKEN_BYTES],
        keys: &'k RealmKeys,
        now_ms: u64,
        protocol_hash: u64,
    ) -> Result<&'k RealmKey, TokenFault> {
        let key = keys.get(self.key_id).ok_or(TokenFault::UnknownKey)?;
        if self.realm_id != key.realm_id {
            return Err(TokenFault::OtherRealm);
        }
        // By subtraction: what a stranger writes here cannot overflow.
        match self.not_after_ms.checked_sub(now_ms) {
            None | Some(0) => return Err(TokenFault::Expired),
            Some(left_ms) if left_ms > TOKEN_AHEAD_MS_MAX => return Err(TokenFault::TooFarAhead),
            Some(_) => {}
        }
        if self.protocol_hash != protocol_hash {
            return Err(TokenFault::ProtocolHash);
        }
        if key.guard(&token[..TOKEN_HEADER_BYTES]) != token[GUARD_AT..GUARD_AT + 4] {
            return Err(TokenFault::Guard);
        }
        Ok(key)
    }
}

/// Opens a token with the key that its header names. 3 us, so cheaper checks come first.
///
/// # Errors
/// [`TokenFault::Layout`], [`OtherRealm`](TokenFault::OtherRealm) when the key is not the one that the header names,
/// [`Forged`](TokenFault::Forged), [`Body`](TokenFault::Body).
pub fn open(token: &[u8; TOKEN_BYTES], key: &RealmKey) -> Result<TokenBody, TokenFault> {
    let named = TokenHeader::read(token)?;
    if (named.key_id, named.realm_id) != (key.key_id, key.realm_id) {
        return Err(TokenFault::OtherRealm);
    }
    let (header, sealed) = token.split_at(TOKEN_HEADER_BYTES);
    let mut opened = Zeroizing::new([0; TOKEN_BODY_BYTES + SEAL_BYTES]);
    opened.copy_from_slice(sealed);
    let body = Key::new(&key_of(key, header)).open(ZERO_NONCE, header, &mut opened[..]);
    let body = body.map_err(|_| TokenFault::Forged)?;
    let body = body.first_chunk().and_then(TokenBody::read).ok_or(TokenFault::Body)?;
    match named.not_after_ms.checked_sub(body.issued_at_ms) {
        Some(life_ms) if life_ms <= TOKEN_LIFE_MS_MAX => Ok(body),
        _ => Err(TokenFault::Body),
    }
}

impl TokenBody {
    fn write(&self, out: &mut [u8]) {
        out[..16].copy_from_slice(&self.token_id);
        out[16..24].copy_from_slice(&self.account.to_le_bytes());
        out[24..32].copy_from_slice(&self.character.to_le_bytes());
        out[32..40].copy_from_slice(&self.session_epoch.to_le_bytes());
        out[40..48].copy_from_slice(&self.issued_at_ms.to_le_bytes());
        out[48..80].copy_from_slice(self.secret.expose());
        out[80..112].copy_from_slice(&self.client_public);
        out[112..114].copy_from_slice(&self.idle_timeout_s.to_le_bytes());
        out[114..116].copy_from_slice(&self.rate_class.to_le_bytes());
        out[116..120].copy_from_slice(&self.flags.to_le_bytes());
        out[120] = self.name.len;
        out[NAME_AT..USER_DATA_AT].copy_from_slice(&self.name.bytes);
        out[USER_DATA_AT..ZERO_AT].copy_from_slice(&self.user_data);
    }

    fn read(body: &[u8; TOKEN_BODY_BYTES]) -> Option<TokenBody> {
        if body[ZERO_AT..].iter().any(|byte| *byte != 0) {
            return None;
        }
        Some(TokenBody {
            token_id: array(body, 0),
            account: u64::from_le_bytes(array(body, 16)),
            character: u64::from_le_bytes(array(body, 24)),
            session_epoch: u64::from_le_bytes(array(body, 32)),
            issued_at_ms: u64::from_le_bytes(array(body, 40)),
            secret: SecretBytes::new(array(body, 48)),
            client_public: array(body, 80),
            idle_timeout_s: u16::from_le_bytes(array(body, 112)),
            rate_class: u16::from_le_bytes(array(body, 114)),
            flags: u32::from_le_bytes(array(body, 116)),
            name: TokenName::read(body[120], &array(body, NAME_AT))?,
            user_data: array(body, USER_DATA_AT),
        })
    }
}

/// All that a client needs to enter: what the gateway answered, and the private key whose public half it asked with.
#[derive(Clone)]
pub struct Grant {
    /// The token, to be sent as it is.
    pub token: [u8; TOKEN_BYTES],
    /// The secret that came beside it, the same as in its sealed part.
    pub secret: SecretBytes,
    /// The client's own key.
    pub private_key: PrivateKey,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grant(not shown)")
    }
}

const _: () = assert!(ZERO_AT + 72 == TOKEN_BODY_BYTES && TOKEN_BYTES == 328 && SEAL_BYTES == 16);

/// The key of one token.
fn key_of(key: &RealmKey, header: &[u8]) -> SecretBytes {
    hkdf(&header[SALT_AT..TOKEN_HEADER_BYTES], key.key.expose(), TOKEN_LABEL)
}

const ZERO_NONCE: [u8; NONCE_LEN] = [0; NONCE_LEN];

/// `N` bytes from `at` on, both constants.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
