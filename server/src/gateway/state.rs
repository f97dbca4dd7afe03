//! What all routes share: the store, the keys, the throttles, the clock.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use throng_net::protocol::keys::{Entropy, SecretBytes};
use throng_net::protocol::token::{RealmKey, RealmKeys};
use throng_store::{
    AccountId, Ban, Credential, Credentials, DeviceLabel, Name, NewPassword, Revoke, Store, StoreError,
};
use zeroize::Zeroizing;

use super::board::Board;
use super::counters::Counters;
use super::limits;
use super::passwords::{Overloaded, Passwords};
use super::queue::{Queue, TicketKey};
use super::refusal::{ApiError, ApiResult, Refusal};
use super::secrets::Secret;
use super::standing::Standings;
use super::throttle::{Throttle, Throttled, ThrottledBy};

/// Milliseconds since 1970, from whatever says so.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_millis().min(u128::from(u64::MAX)) as u64
    })
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody.
    #[default]
    Open,
    /// Who has an invitation.
    Invite,
    /// Nobody but the operator.
    Closed,
}

/// What the operator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may make an account.
    pub registration: Registration,
    /// What realms and clients must agree on: [`throng_net::protocol::token::protocol_hash`].
    pub protocol_hash: u64,
    /// Players that go into one realm each second at most, whatever room there is.
    pub admit_per_s: u32,
}

/// Everything that a gateway is made of.
pub struct Parts {
    /// Accounts, sessions, characters.
    pub store: Arc<dyn Store>,
    /// Password hashes.
    pub credentials: Arc<dyn Credentials>,
    /// The threads that hash.
    pub passwords: Arc<Passwords>,
    /// The realms.
    pub board: Board,
    /// What the operator decides.
    pub settings: Settings,
    /// What time it is.
    pub clock: Clock,
    /// Where ids and tokens come from: seeded by the operating system.
    pub entropy: Entropy,
    /// What queue tickets are signed with. Places survive a restart if it does.
    pub ticket_secret: SecretBytes,
}

/// The state of a gateway.
pub struct Gateway {
    /// Accounts, sessions, characters.
    pub store: Arc<dyn Store>,
    /// Password hashes; nothing but [`Gateway::verified`] and the change of a password uses it.
    pub credentials: Arc<dyn Credentials>,
    /// The threads that hash.
    pub passwords: Arc<Passwords>,
    /// The realms and what they say.
    pub board: Board,
    /// What the operator decides.
    pub settings: Settings,
    /// What was done and refused.
    pub counters: Arc<Counters>,
    queues: BTreeMap<u32, Mutex<Queue>>,
    realm_keys: RwLock<BTreeMap<u32, RealmKeys>>,
    throttle: Mutex<Throttle>,
    entropy: Mutex<Entropy>,
    clock: Clock,
    /// When a failure of the store was logged last.
    store_told: Told,
    /// When each realm without a key was logged last.
    keyless_told: ToldOfRealms,
    /// When each realm that does not hear of its kicks was logged last.
    kicks_told: ToldOfRealms,
    /// How each realm elsewhere was when it was logged last.
    standings: Standings,
}

/// When something was logged last, Unix ms.
#[derive(Debug, Default)]
struct Told(AtomicU64);

/// Milliseconds between two lines about one thing: a full disk, or a key that is missing, fails every request alike.
const TELL_EVERY_MS: u64 = 10_000;

impl Told {
    /// Whether to log it now.
    fn is_due(&self, now_ms: u64) -> bool {
        let told_ms = self.0.load(Ordering::Relaxed);
        // Either way: a clock that is set right after having been ahead must not silence anything.
        now_ms.abs_diff(told_ms) >= TELL_EVERY_MS
            && self.0.compare_exchange(told_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// The same for each realm of a board, so that one does not silence another.
#[derive(Debug)]
struct ToldOfRealms(BTreeMap<u32, Told>);

impl ToldOfRealms {
    fn new(realms: impl Iterator<Item = u32>) -> Self {
        Self(realms.map(|realm_id| (realm_id, Told::default())).collect())
    }

    /// Whether to log it of this realm now.
    fn is_due(&self, realm_id: u32, now_ms: u64) -> bool {
        self.0.get(&realm_id).is_some_and(|told| told.is_due(now_ms))
    }
}

impl Gateway {
    /// A gateway of these parts, without any realm's keys.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, credentials, passwords, board, settings, clock, entropy, ticket_secret } = parts;
        let queue =
            |realm_id| Queue::new(realm_id, settings.admit_per_s, TicketKey::new(ticket_secret.expose()));
        let queues = board.ids().map(|realm_id| (realm_id, Mutex::new(queue(realm_id)))).collect();
        let standings = Standings::new(board.elsewhere());
        let [keyless_told, kicks_told] = [(); 2].map(|()| ToldOfRealms::new(board.ids()));
        Arc::new(Self {
            store,
            credentials,
            passwords,
            board,
            settings,
            counters: Arc::default(),
            queues,
            realm_keys: RwLock::default(),
            throttle: Mutex::default(),
            entropy: Mutex::new(entropy),
            clock,
            store_told: Told::default(),
            keyless_told,
            kicks_told,
            standings,
        })
    }

    /// Everything that was counted, by name: requests, passwords, and the lines before the realms taken together.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> = self.counters.iter().collect();
        let pool = self.passwords.pool_counters();
        let passwords = [
            ("password_hashes", self.passwords.argon2_calls()),
            ("password_hashes_unusable", self.passwords.unusable_hashes()),
            ("password_pool_full", pool.refused_full.load(Ordering::Relaxed)),
            ("password_pool_late", pool.refused_late.load(Ordering::Relaxed)),
            ("password_pool_abandoned", pool.abandoned.load(Ordering::Relaxed)),
        ];
        for (name, count) in passwords {
            counts.insert(name.to_owned(), count);
        }
        for queue in self.queues.values() {
            let queue = queue.lock().unwrap_or_else(PoisonError::into_inner).counters();
            for (name, count) in queue.iter() {
                *counts.entry(format!("queue_{name}")).or_default() += count;
            }
        }
        counts
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// The same as the store counts them.
    pub fn now_store_ms(&self) -> i64 {
        i64::try_from(self.now_ms()).unwrap_or(i64::MAX)
    }

    /// Random bytes. Wiped when dropped, for whoever draws a secret.
    pub fn draw<const N: usize>(&self) -> Zeroizing<[u8; N]> {
        self.entropy.lock().unwrap_or_else(PoisonError::into_inner).draw()
    }

    /// 32 random bytes that only their owners may know.
    pub fn draw_secret(&self) -> SecretBytes {
        self.entropy.lock().unwrap_or_else(PoisonError::into_inner).secret()
    }

    /// A random number.
    pub fn draw_u64(&self) -> u64 {
        u64::from_le_bytes(*self.draw())
    }

    /// The throttles. Not to be held while waiting for anything.
    pub fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `with` with the line before a realm. None: no such realm. Not to be held while waiting for anything.
    pub fn queue<T>(&self, realm_id: u32, with: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let queue = self.queues.get(&realm_id)?;
        Some(with(&mut queue.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// From now on tokens for that realm are made with these keys.
    pub fn set_realm_keys(&self, keys: RealmKeys) {
        self.realm_keys.write().unwrap_or_else(PoisonError::into_inner).insert(keys.realm_id(), keys);
    }

    /// Calls `with` with the key that tokens for a realm are made with now. None: there is none that the realm holds.
    pub fn with_minting_key<T>(&self, realm_id: u32, with: impl FnOnce(&RealmKey) -> T) -> Option<T> {
        let all = self.realm_keys.read().unwrap_or_else(PoisonError::into_inner);
        self.board.minting_key(realm_id, all.get(&realm_id)?).map(with)
    }

    /// The refusal for a realm that there is no such key for. Logged, for each realm one in ten seconds.
    pub fn keyless(&self, realm_id: u32) -> ApiError {
        if self.keyless_told.is_due(realm_id, self.now_ms()) {
            tracing::error!(
                "nobody gets into realm {realm_id}: it holds none of the token keys that there are here (one with the same \
                 number is another gateway's)\n  \
                 copy keys/realm-{realm_id}.keys from the data_dir here to the one there; if there is none here: \
                 throng keys rotate"
            );
        }
        let refusal = ApiError::from(Refusal::RealmOffline).retry_after_s(limits::REALM_RETRY_S);
        refusal.saying("this realm cannot be entered for now; its operator has been told")
    }

    /// Counts a kick that has to wait, for its realm has not heard of as many as the board keeps. Logged,
    /// for each realm one in ten seconds.
    pub fn kick_put_off(&self, realm_id: u32) {
        self.counters.kicks_put_off.add(1);
        if self.kicks_told.is_due(realm_id, self.now_ms()) {
            tracing::warn!(
                "realm {realm_id} has yet to hear of {} accounts that it is to put out; more wait in the folder commands of \
                 gateway.data_dir\n  start that realm, or take it out of gateway.realms if it is gone for good",
                limits::KICKS_MAX
            );
        }
    }

    /// Tells the log of a realm elsewhere, if it is not as it was told of last.
    pub fn tell_of(&self, realm_id: u32) {
        if let Some(change) = self.standings.look(&self.board, realm_id, self.now_ms()) {
            change.tell();
        }
    }

    /// The same of all realms elsewhere.
    pub fn tell_of_all(&self) {
        self.standings.realms().for_each(|realm_id| self.tell_of(realm_id));
    }

    /// The account whose password this is: that of `account`, or else the one called `name`. Throttled by both name
    /// and address; an account that does not exist costs and answers the same as a wrong password.
    ///
    /// # Errors
    /// [`Refusal::CredentialsWrong`], [`Refusal::Throttled`], or that the pool or the store cannot serve now.
    pub async fn verified(
        &self,
        name: &Name,
        account: Option<AccountId>,
        password: Secret,
        address: IpAddr,
    ) -> ApiResult<Credential> {
        let attempt = self.throttle().attempt(self.now_ms(), &name.key(), address);
        let attempt = attempt.map_err(|error| self.throttled(error))?;
        let found = match account {
            Some(account) => self.credentials.credential(account).await,
            None => self.credentials.credential_by_name(name).await,
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.throttle().cancelled(attempt);
                return Err(self.store_failed(error));
            }
        };
        let stored = found.as_ref().and_then(|credential| credential.password.clone());
        let password = password.into_inner();
        let again = stored.as_ref().filter(|stored| Passwords::is_outdated(stored)).map(|_| password.clone());
        let is_right = match self.passwords.verify(stored, password).await {
            Ok(is_right) => is_right,
            Err(error) => {
                self.throttle().cancelled(attempt);
                return Err(self.overloaded(error));
            }
        };
        let Some(credential) = found.filter(|_| is_right) else {
            self.throttle().failed(attempt);
            return Err(Refusal::CredentialsWrong.into());
        };
        self.throttle().succeeded(self.now_ms(), attempt);
        match again {
            Some(password) => Ok(self.rehashed(credential, password).await),
            None => Ok(credential),
        }
    }

    /// Replaces a hash of weaker parameters while the password is at hand. Whatever fails, the login is still good.
    async fn rehashed(&self, credential: Credential, password: Zeroizing<String>) -> Credential {
        let account = credential.account.id;
        let Ok(hash) = self.passwords.hash(password).await else { return credential };
        let new = NewPassword {
            account,
            password: Some(hash),
            version: Some(credential.version),
            revoke: Revoke::None,
            now_ms: self.now_store_ms(),
        };
        if self.credentials.set_password(new).await.is_err() {
            return credential;
        }
        match self.credentials.credential(account).await {
            Ok(Some(renewed)) => renewed,
            _ => credential,
        }
    }

    /// What a player calls a device.
    ///
    /// # Errors
    /// When that cannot be shown.
    pub fn device(&self, label: Option<&str>) -> ApiResult<Option<DeviceLabel>> {
        let label = label.map(DeviceLabel::new).transpose();
        label.map_err(|error| ApiError::from(Refusal::FieldInvalid).saying(format!("device: {error}")))
    }

    /// The refusal for an attempt too many. What throttled is counted and not said: it would tell which accounts are
    /// attacked.
    pub fn throttled(&self, error: Throttled) -> ApiError {
        let count = match error.by {
            ThrottledBy::Account => &self.counters.throttled_account,
            ThrottledBy::Device => &self.counters.throttled_device,
            ThrottledBy::Address => &self.counters.throttled_address,
            ThrottledBy::Network => &self.counters.throttled_network,
        };
        count.add(1);
        ApiError::from(Refusal::Throttled).retry_after_s(error.retry_after_s)
    }

    /// The refusal for a password that could not be looked at.
    pub fn overloaded(&self, error: Overloaded) -> ApiError {
        ApiError::from(Refusal::PasswordsBusy).retry_after_s(error.retry_after_s)
    }

    /// The refusal for a banned account.
    pub fn banned(&self, ban: &Ban) -> ApiError {
        let message = match ban.reason.as_str() {
            "" => Refusal::Banned.message().to_owned(),
            reason => format!("{}: {reason}", Refusal::Banned.message()),
        };
        let until = ban.until_ms.map(|until_ms| u64::try_from(until_ms).unwrap_or(0));
        ApiError::from(Refusal::Banned).saying(message).until_ms(until)
    }

    /// The refusal for what the store answered, where the route has no better words. Failures of the store itself are
    /// logged, one in ten seconds.
    pub fn store_failed(&self, error: StoreError) -> ApiError {
        if error.is_failure() && self.store_told.is_due(self.now_ms()) {
            tracing::error!("{error}");
        }
        match error {
            StoreError::Banned(ban) => self.banned(&ban),
            StoreError::Invite => Refusal::InviteInvalid.into(),
            // The account was deleted, or its password changed, while it was logged in.
            StoreError::Missing(_) | StoreError::Stale => Refusal::SessionInvalid.into(),
            StoreError::Overloaded => ApiError::from(Refusal::StoreBusy).retry_after_s(1),
            StoreError::Busy { .. } => ApiError::from(Refusal::StoreBusy).retry_after_s(3),
            StoreError::Full => ApiError::from(Refusal::StoreFull).retry_after_s(30),
            StoreError::ReadOnly
            | StoreError::Corrupt { .. }
            | StoreError::Stopped { .. }
            | StoreError::Closed => ApiError::from(Refusal::StoreDown).retry_after_s(60),
            _ => Refusal::Internal.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_told_of_once_in_ten_seconds_and_whatever_the_clock_does() {
        let told = Told::default();
        let start_ms = 1_800_000_000_000;
        let due = [0, 9_999, 10_000, 10_001, 3_600_000, 3_600_001, 20_000, 20_001];
        let due = due.map(|later_ms| told.is_due(start_ms + later_ms));
        assert_eq!(due, [true, false, true, false, true, false, true, false]);
    }

    #[test]
    fn one_realm_that_is_told_of_silences_no_other() {
        let told = ToldOfRealms::new([1, 2].into_iter());
        let due = [1, 2, 1, 3].map(|realm_id| told.is_due(realm_id, 1_800_000_000_000));
        assert_eq!(due, [true, true, false, false], "3 is no realm of this gateway");
    }
}
