//! The board: what each realm says of itself, and how anybody can check that it did.
//!
//! ```text
//!   realm in this process ──► RealmStatus (atomics) ──► signed here, when it is asked for ──┐
//!   realm elsewhere ──► signs twice ──► POST /v1/realm-status ──► checked, kept as it came ─┴──► GET /v1/realms
//!                   ◄── whom to put out ────────┘
//! ```
//!
//! # What is signed
//!
//! Ed25519 (RFC 8032) over these bytes, numbers little-endian, texts UTF-8:
//!
//! | bytes | field |
//! |---|---|
//! | 14 | `throng realm 1` |
//! | 4 | realm id |
//! | 8 | when it was so, Unix ms |
//! | 4 | population: players now |
//! | 4 | capacity: players at most |
//! | 4 | tick p99: microseconds in which 99 of 100 ticks were computed |
//! | 1 | state: 0 open, 1 draining, 2 starting |
//! | 2 + n | name: its length, then its bytes |
//! | 2 + n | address: its length, then its bytes, `host:port` of UDP |
//!
//! A listing gives each of these fields, the signature and the realm's public key. Who has seen a realm once and kept
//! its key can tell a server browser that lies.
//!
//! Since everybody can read that, it proves nothing about a push. A push has a second signature of the same key, which the
//! gateway gives to nobody, over these bytes:
//!
//! | bytes | field |
//! |---|---|
//! | 13 | `throng push 1` |
//! | all | what the first signature is over |
//! | 8 | the number of the last kick that was heard of |
//! | 2 + 10 n | token keys that the realm holds: how many, then the id (2) and the fingerprint (8) of each |
//! | 2 + 8 n | accounts that have arrived: how many, then each |

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use throng_net::protocol::token::{KeyName, RealmKey, RealmKeys};
use utoipa::ToSchema;

use super::limits;

/// Bytes of a realm's public key.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// What begins the signed bytes, so that no other signature of the same key can be taken for one.
const LABEL: &[u8; 14] = b"throng realm 1";
/// The same for what only the gateway hears.
const PUSH_LABEL: &[u8; 13] = b"throng push 1";

/// Whether a realm lets players in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RealmState {
    /// It does.
    Open,
    /// It is about to stop: those who are in may stay for now, nobody else gets in.
    Draining,
    /// It takes no tokens yet, for those that it would be sent might have been used before it started.
    Starting,
}

const OPEN: u8 = RealmState::Open as u8;
const STARTING: u8 = RealmState::Starting as u8;

/// What a realm tells its gateway while it runs. The realm writes, the gateway reads; no field waits for another.
#[derive(Debug)]
pub struct RealmStatus {
    population: AtomicU32,
    capacity: AtomicU32,
    tick_p99_us: AtomicU32,
    state: AtomicU8,
    /// Written when keys change, read once a second.
    token_keys: Mutex<Vec<KeyName>>,
}

impl RealmStatus {
    /// An empty, open realm for this many players.
    pub fn new(capacity: u32) -> Self {
        Self {
            population: AtomicU32::new(0),
            capacity: AtomicU32::new(capacity),
            tick_p99_us: AtomicU32::new(0),
            state: AtomicU8::new(RealmState::Open as u8),
            token_keys: Mutex::default(),
        }
    }

    /// Players now.
    pub fn set_population(&self, players: u32) {
        self.population.store(players, Ordering::Relaxed);
    }

    /// Players at most.
    pub fn set_capacity(&self, players: u32) {
        self.capacity.store(players, Ordering::Relaxed);
    }

    /// Microseconds in which 99 of 100 ticks were computed.
    pub fn set_tick_p99_us(&self, microseconds: u32) {
        self.tick_p99_us.store(microseconds, Ordering::Relaxed);
    }

    /// Whether it lets players in from now on.
    pub fn set_state(&self, state: RealmState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// The keys that it opens connect tokens with from now on.
    pub fn set_token_keys(&self, keys: Vec<KeyName>) {
        *self.token_keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The keys that it opens connect tokens with.
    pub fn token_keys(&self) -> Vec<KeyName> {
        self.token_keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The numbers as they are.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            population: self.population.load(Ordering::Relaxed),
            capacity: self.capacity.load(Ordering::Relaxed),
            tick_p99_us: self.tick_p99_us.load(Ordering::Relaxed),
            state: match self.state.load(Ordering::Relaxed) {
                OPEN => RealmState::Open,
                STARTING => RealmState::Starting,
                _ => RealmState::Draining,
            },
        }
    }
}

/// The numbers of a realm at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Players now.
    pub population: u32,
    /// Players at most.
    pub capacity: u32,
    /// Microseconds in which 99 of 100 ticks were computed.
    pub tick_p99_us: u32,
    /// Whether players get in.
    pub state: RealmState,
}

/// Everything that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmReport {
    /// Which realm.
    pub realm_id: u32,
    /// When it was so, Unix ms.
    pub as_of_ms: u64,
    /// Its numbers.
    pub vitals: Vitals,
    /// What players call it; at most 64 bytes.
    pub name: String,
    /// Where it is, `host:port` of UDP; at most 260 bytes.
    pub address: String,
}

impl RealmReport {
    /// The bytes that are signed.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.name.len() + self.address.len());
        bytes.extend_from_slice(LABEL);
        bytes.extend_from_slice(&self.realm_id.to_le_bytes());
        bytes.extend_from_slice(&self.as_of_ms.to_le_bytes());
        bytes.extend_from_slice(&self.vitals.population.to_le_bytes());
        bytes.extend_from_slice(&self.vitals.capacity.to_le_bytes());
        bytes.extend_from_slice(&self.vitals.tick_p99_us.to_le_bytes());
        bytes.push(self.vitals.state as u8);
        for text in [&self.name, &self.address] {
            // Longer texts are refused before they get here; cut, they would only fail to verify.
            let text = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
            bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
            bytes.extend_from_slice(text);
        }
        bytes
    }

    /// Signs it with the realm's key.
    pub fn sign(self, key: &Ed25519KeyPair) -> SignedReport {
        let mut signature = [0; SIGNATURE_BYTES];
        signature.copy_from_slice(key.sign(&self.signed_bytes()).as_ref());
        let mut public_key = [0; PUBLIC_KEY_BYTES];
        public_key.copy_from_slice(key.public_key().as_ref());
        SignedReport { report: self, public_key, signature }
    }

    /// Whether a name and an address are what a listing may show.
    fn is_presentable(&self) -> bool {
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        (1..=limits::REALM_NAME_BYTES_MAX).contains(&self.name.len())
            && is_plain(&self.name)
            && (3..=limits::REALM_ADDRESS_BYTES_MAX).contains(&self.address.len())
            && self.address.bytes().all(|byte| byte.is_ascii_graphic())
            && self.address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
            })
    }
}

/// A report and the proof that its realm made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReport {
    /// What is said.
    pub report: RealmReport,
    /// By whom.
    pub public_key: [u8; PUBLIC_KEY_BYTES],
    /// The proof.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl SignedReport {
    /// Whether the owner of the public key said this.
    pub fn is_genuine(&self) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(&self.report.signed_bytes(), &self.signature)
            .is_ok()
    }
}

/// What a realm elsewhere tells its gateway, and nobody else, with its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The number of the last kick that it has heard of.
    pub kicks_heard: u64,
    /// The keys that it opens connect tokens with.
    pub token_keys: Vec<KeyName>,
    /// Accounts that have entered since the last push that was answered.
    pub arrived: Vec<u64>,
}

impl News {
    /// The bytes that are signed of a push with this status.
    pub fn signed_bytes(&self, status: &RealmReport) -> Vec<u8> {
        let mut bytes = PUSH_LABEL.to_vec();
        bytes.extend_from_slice(&status.signed_bytes());
        bytes.extend_from_slice(&self.kicks_heard.to_le_bytes());
        // Longer lists are refused before they get here.
        bytes.extend_from_slice(&(self.token_keys.len() as u16).to_le_bytes());
        for key in &self.token_keys {
            bytes.extend_from_slice(&key.key_id.to_le_bytes());
            bytes.extend_from_slice(&key.fingerprint);
        }
        bytes.extend_from_slice(&(self.arrived.len() as u16).to_le_bytes());
        self.arrived.iter().for_each(|account| bytes.extend_from_slice(&account.to_le_bytes()));
        bytes
    }

    /// Signs a push with this status with the realm's key.
    pub fn sign(&self, status: &RealmReport, key: &Ed25519KeyPair) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        signature.copy_from_slice(key.sign(&self.signed_bytes(status)).as_ref());
        signature
    }
}

/// A realm in this process.
pub struct LocalRealm {
    /// Its number.
    pub id: u32,
    /// What players call it.
    pub name: String,
    /// Where its UDP socket is; with a wildcard address players are told the address by which they reached the
    /// gateway.
    pub address: SocketAddr,
    /// A host name to tell them instead, with a port: `play.example.org:7777`.
    pub public_address: Option<String>,
    /// Its numbers.
    pub status: Arc<RealmStatus>,
    /// Its signing key.
    pub key: Arc<Ed25519KeyPair>,
}

impl LocalRealm {
    fn address_for(&self, reached: IpAddr) -> String {
        match &self.public_address {
            Some(address) => address.clone(),
            None if self.address.ip().is_unspecified() => {
                SocketAddr::new(reached, self.address.port()).to_string()
            }
            None => self.address.to_string(),
        }
    }
}

/// A realm in another process, which pushes its status.
pub struct RemoteRealm {
    /// Its number.
    pub id: u32,
    /// Whose signature its statuses must bear.
    pub public_key: [u8; PUBLIC_KEY_BYTES],
    last: Mutex<Option<Said>>,
    kicks: Mutex<Kicks>,
}

/// What a realm elsewhere said last.
struct Said {
    signed: SignedReport,
    token_keys: Vec<KeyName>,
    /// When it was taken, by the gateway's clock: the realm's own may be [`limits::STATUS_SKEW_MS`] off.
    received_ms: u64,
}

/// Accounts that a realm elsewhere is to put out, each with its number, until it says that it has them.
#[derive(Debug, Default)]
struct Kicks {
    number_last: u64,
    waiting: VecDeque<Kick>,
}

/// An account to be put out of a realm elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kick {
    /// Grows from one to the next.
    pub number: u64,
    /// Whose sessions end.
    pub account: u64,
}

impl RemoteRealm {
    /// A realm that has not been heard of.
    pub fn new(id: u32, public_key: [u8; PUBLIC_KEY_BYTES]) -> Self {
        Self { id, public_key, last: Mutex::default(), kicks: Mutex::default() }
    }

    fn kicks(&self) -> MutexGuard<'_, Kicks> {
        self.kicks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> MutexGuard<'_, Option<Said>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A realm of this gateway.
pub enum Realm {
    /// In this process.
    Local(LocalRealm),
    /// In another.
    Remote(RemoteRealm),
}

impl Realm {
    /// Its number.
    pub fn id(&self) -> u32 {
        match self {
            Self::Local(realm) => realm.id,
            Self::Remote(realm) => realm.id,
        }
    }
}

/// What the board knows of a realm now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What it said last, signed.
    pub signed: SignedReport,
    /// Whether that is recent.
    pub is_online: bool,
}

/// Why a pushed status is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFault {
    /// Unknown realm, or not its signature: never said which.
    Unsigned,
    /// Not newer than the last one, or from a time that is not about now.
    Stale,
    /// A name or an address that cannot be listed.
    Unpresentable,
}

/// Realms that cannot be on one board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoardError {
    /// One number for two realms.
    #[error("two realms have the id {0}; give each its own (realm.id, gateway.realms.id)")]
    SameId(u32),
    /// More than a listing shows.
    #[error("found {0} realms, needed are at most {max}; run a second gateway", max = limits::REALMS_MAX)]
    TooMany(usize),
}

/// All realms of a gateway. Which ones is fixed at its start; what they say changes.
pub struct Board(BTreeMap<u32, Realm>);

impl Board {
    /// A board of these realms.
    ///
    /// # Errors
    /// When two have one number, or there are too many.
    pub fn new(realms: impl IntoIterator<Item = Realm>) -> Result<Self, BoardError> {
        let mut board = BTreeMap::new();
        for realm in realms {
            let id = realm.id();
            if board.insert(id, realm).is_some() {
                return Err(BoardError::SameId(id));
            }
        }
        if board.len() > limits::REALMS_MAX {
            return Err(BoardError::TooMany(board.len()));
        }
        Ok(Self(board))
    }

    /// The numbers of all realms, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }

    /// Whether this is one of them.
    pub fn has(&self, realm_id: u32) -> bool {
        self.0.contains_key(&realm_id)
    }

    /// What realm `realm_id` says, for a player who reached the gateway at `reached`. None: unknown, or never heard of.
    pub fn listing(&self, realm_id: u32, reached: IpAddr, now_ms: u64) -> Option<Listing> {
        Self::list(self.0.get(&realm_id)?, reached, now_ms)
    }

    /// What all realms say that were ever heard of, by number.
    pub fn listings(&self, reached: IpAddr, now_ms: u64) -> impl Iterator<Item = Listing> {
        self.0.values().filter_map(move |realm| Self::list(realm, reached, now_ms))
    }

    fn list(realm: &Realm, reached: IpAddr, now_ms: u64) -> Option<Listing> {
        match realm {
            Realm::Local(realm) => {
                let report = RealmReport {
                    realm_id: realm.id,
                    as_of_ms: now_ms,
                    vitals: realm.status.vitals(),
                    name: realm.name.clone(),
                    address: realm.address_for(reached),
                };
                Some(Listing { signed: report.sign(&realm.key), is_online: true })
            }
            Realm::Remote(realm) => {
                let last = realm.last();
                let Said { signed, received_ms, .. } = last.as_ref()?;
                let is_online = now_ms.abs_diff(*received_ms) <= limits::STATUS_MAX_AGE_MS;
                Some(Listing { signed: signed.clone(), is_online })
            }
        }
    }

    /// The key to make tokens for realm `realm_id` with: of `keys`, the first that it holds. A realm in this process looks
    /// at the same files as the gateway; one elsewhere says which it holds, since somebody has to copy them there and may
    /// copy those of another gateway. None: it holds none of them, or is unknown.
    pub fn minting_key<'k>(&self, realm_id: u32, keys: &'k RealmKeys) -> Option<&'k RealmKey> {
        match self.0.get(&realm_id)? {
            Realm::Local(_) => Some(keys.current()),
            Realm::Remote(realm) => {
                let last = realm.last();
                let held = &last.as_ref()?.token_keys;
                keys.iter().find(|key| held.contains(&key.name()))
            }
        }
    }

    /// The numbers of the realms in other processes, ascending.
    pub fn elsewhere(&self) -> impl Iterator<Item = u32> {
        self.0.values().filter(|realm| matches!(realm, Realm::Remote(_))).map(Realm::id)
    }

    /// Puts an account out of a realm in another process, which learns of it with the answer to its next push. False: as
    /// many wait for that realm as may. An account that waits already is told of anew.
    pub fn kick(&self, now_ms: u64, realm_id: u32, account: u64) -> bool {
        // A realm in this process is told by its orders, and one that is unknown has nobody to put out.
        let Some(Realm::Remote(realm)) = self.0.get(&realm_id) else { return true };
        let mut kicks = realm.kicks();
        kicks.waiting.retain(|kick| kick.account != account);
        if kicks.waiting.len() >= limits::KICKS_MAX {
            return false;
        }
        // Numbers grow with time, so that a realm has heard of none of those that come after a restart of this gateway.
        kicks.number_last = kicks.number_last.saturating_add(1).max(now_ms);
        let number = kicks.number_last;
        kicks.waiting.push_back(Kick { number, account });
        true
    }

    /// Whether realm `realm_id` has yet to say that it has heard of this account's kick.
    pub fn has_kick(&self, realm_id: u32, account: u64) -> bool {
        let Some(Realm::Remote(realm)) = self.0.get(&realm_id) else { return false };
        realm.kicks().waiting.iter().any(|kick| kick.account == account)
    }

    /// Whom realm `realm_id` is to put out, the earliest first, beyond those up to number `heard`, which it has.
    pub fn kicks(&self, realm_id: u32, heard: u64) -> Vec<Kick> {
        let Some(Realm::Remote(realm)) = self.0.get(&realm_id) else { return Vec::new() };
        let mut kicks = realm.kicks();
        if heard <= kicks.number_last {
            kicks.waiting.retain(|kick| kick.number > heard);
        } else if let Some(last) = heard.checked_add(kicks.waiting.len() as u64) {
            // It was given before a restart, by a clock that was ahead. All that wait are news, so they come after it.
            kicks.number_last = last;
            for (kick, number) in kicks.waiting.iter_mut().zip(heard + 1..) {
                kick.number = number;
            }
        }
        kicks.waiting.iter().copied().collect()
    }

    /// Takes a status that was pushed, with the news that came with it. Its public key is ours to say, so that of `status`
    /// is not asked for. What it says of kicks and arrivals is for the caller to act on, once this is `Ok`.
    ///
    /// # Errors
    /// See [`StatusFault`]; what the board said before stays.
    pub fn push(
        &self,
        now_ms: u64,
        status: RealmReport,
        signature: [u8; SIGNATURE_BYTES],
        news: &News,
        push_signature: &[u8; SIGNATURE_BYTES],
    ) -> Result<(), StatusFault> {
        let Some(Realm::Remote(realm)) = self.0.get(&status.realm_id) else {
            return Err(StatusFault::Unsigned);
        };
        let as_of_ms = status.as_of_ms;
        if now_ms.abs_diff(as_of_ms) > limits::STATUS_SKEW_MS {
            return Err(StatusFault::Stale);
        }
        if !status.is_presentable() {
            return Err(StatusFault::Unpresentable);
        }
        let key = UnparsedPublicKey::new(&ED25519, &realm.public_key);
        if key.verify(&news.signed_bytes(&status), push_signature).is_err() {
            return Err(StatusFault::Unsigned);
        }
        // The other one is for those who read the list.
        let signed = SignedReport { report: status, public_key: realm.public_key, signature };
        if !signed.is_genuine() {
            return Err(StatusFault::Unsigned);
        }
        let mut last = realm.last();
        // A push that was overheard is older than the one that follows it; a second of the same age is no news. One from
        // a time that is not about now is from before the clocks were set right.
        let is_news =
            last.as_ref().is_none_or(|Said { signed: SignedReport { report: last, .. }, .. }| {
                as_of_ms > last.as_of_ms || now_ms.abs_diff(last.as_of_ms) > limits::STATUS_SKEW_MS
            });
        if !is_news {
            return Err(StatusFault::Stale);
        }
        *last = Some(Said { signed, token_keys: news.token_keys.clone(), received_ms: now_ms });
        Ok(())
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
