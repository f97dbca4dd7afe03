//! Passwords: Argon2id on a few threads of their own.
//!
//! ```text
//!  login ── check_length ──► verify ──► Pool ──► one thread per permit: Argon2id in 19 MiB that the thread keeps
//!  register ─ check_length ─► hash  ──►  │
//!                                        └ full or late: Overloaded{retry_after_s}, which the caller answers with 503
//! ```
//!
//! * Parameters are OWASP's for Argon2id: 19,456 KiB, two passes, one lane. A stored hash says its own, and is computed
//!   with them; [`Passwords::is_outdated`] tells after a good login whether it should be replaced.
//! * Each thread keeps its 19 MiB from one hash to the next, so a storm of logins takes `permits x 19 MiB` and not a
//!   byte more, however long it lasts.
//! * An account that does not exist, has no password, or has a stored hash that cannot be used costs what a real one
//!   costs: the same work on a dummy.

mod pool;
#[cfg(test)]
mod pool_tests;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Parts, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;
use throng_store::PasswordHash;
use zeroize::Zeroizing;

pub use pool::{Overloaded, PoolCounters, PoolLimits};

use pool::Pool;

/// Characters of a password. Eight is OWASP's least; 128 passes every passphrase and keeps what is hashed short.
pub const PASSWORD_CHARS: RangeInclusive<usize> = 8..=128;

/// KiB that one hash uses (OWASP's first choice of those with one lane).
const MEMORY_KIB: u32 = 19_456;
/// Passes over that memory.
const PASSES: u32 = 2;
/// Lanes; each hash has one thread.
const LANES: u32 = 1;
/// Bytes of salt and of the hash itself.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What a stored hash may ask for at most. A database that somebody else wrote to must not be able to take the memory
/// or the processors away.
const STORED_MEMORY_KIB_MAX: u32 = 64 * 1024;
const STORED_PASSES_MAX: u32 = 4;
const STORED_LANES_MAX: u32 = 4;

/// Jobs that may wait, and how long one waits. 64 at 30 ms each and one thread is two seconds.
const QUEUE_MAX: usize = 64;
const DEADLINE: Duration = Duration::from_secs(3);

impl Default for PoolLimits {
    /// Half of the processors: the other half is the world's.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { permits: (processors / 2).max(1), queue_max: QUEUE_MAX, deadline: DEADLINE }
    }
}

/// A password of a length that nobody should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the password has {found} characters, needed are {} to {}: choose a {} one",
    PASSWORD_CHARS.start(),
    PASSWORD_CHARS.end(),
    if .found < PASSWORD_CHARS.start() { "longer" } else { "shorter" }
)]
pub struct PasswordLength {
    /// Characters found.
    pub found: usize,
}

/// Looks at a password's length before anything costly is done with it.
///
/// # Errors
/// When it has fewer than 8 or more than 128 characters.
pub fn check_length(password: &str) -> Result<(), PasswordLength> {
    let found = password.chars().count();
    if PASSWORD_CHARS.contains(&found) { Ok(()) } else { Err(PasswordLength { found }) }
}

/// Why a stored hash cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unusable {
    NotPhc,
    NotArgon2id,
    TooCostly,
}

/// The memory of one thread.
#[derive(Default)]
struct Scratch(Vec<Block>);

/// What was done, since the start.
#[derive(Debug, Default)]
struct Counters {
    argon2_calls: AtomicU64,
    unusable: AtomicU64,
}

/// Hashes and verifies passwords. Cheap to share behind an `Arc`.
pub struct Passwords {
    pool: Pool<Scratch>,
    counters: Arc<Counters>,
    /// What is computed for accounts that do not exist. Nobody knows a password for it: its hash part is random.
    dummy: PasswordHash,
    /// Of new hashes.
    params: Params,
}

impl Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// When a thread cannot be started or the system gives no entropy.
    pub fn start(limits: PoolLimits) -> io::Result<Self> {
        Self::with(Pool::start(limits)?, todays())
    }

    /// Passwords that cost next to nothing: Argon2's least parameters, computed in the caller's own thread. For
    /// fuzzers, whose every run may hash several.
    ///
    /// # Errors
    /// When the system gives no entropy.
    #[cfg(feature = "testing")]
    pub fn cheap() -> io::Result<Self> {
        let least = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, LANES, Some(HASH_BYTES));
        Self::with(Pool::inline(), least.map_err(|error| io::Error::other(error.to_string()))?)
    }

    fn with(pool: Pool<Scratch>, params: Params) -> io::Result<Self> {
        let mut hash = [0; HASH_BYTES];
        fill_random(&mut hash)?;
        let dummy = phc(&params, &salt()?, &hash)
            .ok_or_else(|| io::Error::other("the dummy hash has no text form"))?;
        Ok(Self { pool, counters: Arc::default(), dummy, params })
    }

    /// A new hash of `password`, for the store. The length is the caller's to check, with [`check_length`].
    ///
    /// # Errors
    /// When the pool has too much to do.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<PasswordHash, Overloaded> {
        let (counters, params) = (self.counters.clone(), self.params.clone());
        let hashed = self.pool.run(move |scratch| scratch.hash(&params, &password, &counters)).await?;
        // No entropy or no memory: the one answer that helps is to come again.
        hashed.ok_or(Overloaded { retry_after_s: DEADLINE.as_secs() as u32 })
    }

    /// Whether `password` is the one of which `stored` was made. `None` for an account that does not exist or is
    /// locked: never true, and no cheaper.
    ///
    /// A password of an impossible length is false at once, for every account alike.
    ///
    /// # Errors
    /// When the pool has too much to do.
    pub async fn verify(
        &self,
        stored: Option<PasswordHash>,
        password: Zeroizing<String>,
    ) -> Result<bool, Overloaded> {
        if check_length(&password).is_err() {
            return Ok(false);
        }
        let is_real = stored.is_some();
        let (stored, dummy) = (stored.unwrap_or_else(|| self.dummy.clone()), self.dummy.clone());
        let counters = self.counters.clone();
        let is_equal = self
            .pool
            .run(move |scratch| match scratch.verify(&stored, &password, &counters) {
                Ok(is_equal) => is_equal,
                Err(why) => {
                    counters.unusable.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        "a stored password hash cannot be used ({why:?}): reset that account's password"
                    );
                    let _ = scratch.verify(&dummy, &password, &counters);
                    false
                }
            })
            .await?;
        Ok(is_equal && is_real)
    }

    /// Whether a stored hash is weaker than what is made today, so that it should be replaced while the password is at
    /// hand.
    pub fn is_outdated(stored: &PasswordHash) -> bool {
        let Ok((_, params)) = usable(stored) else { return true };
        params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES
    }

    /// Argon2 computations since the start.
    pub fn argon2_calls(&self) -> u64 {
        self.counters.argon2_calls.load(Ordering::Relaxed)
    }

    /// Stored hashes that could not be used since the start.
    pub fn unusable_hashes(&self) -> u64 {
        self.counters.unusable.load(Ordering::Relaxed)
    }

    /// What the pool refused.
    pub fn pool_counters(&self) -> &PoolCounters {
        self.pool.counters()
    }
}

/// Hashes one password in the caller's own thread and memory: for the command line, which hashes one and ends.
///
/// # Errors
/// When the system gives no entropy.
pub fn hash_here(password: &Zeroizing<String>) -> io::Result<PasswordHash> {
    Scratch::default()
        .hash(&todays(), password, &Counters::default())
        .ok_or_else(|| io::Error::other("no entropy or no memory for a password hash"))
}

impl Scratch {
    fn hash(
        &mut self,
        params: &Params,
        password: &Zeroizing<String>,
        counters: &Counters,
    ) -> Option<PasswordHash> {
        let salt = salt().ok()?;
        let mut hash = Zeroizing::new([0; HASH_BYTES]);
        self.compute(params, password, &salt, &mut *hash, counters)?;
        phc(params, &salt, &*hash)
    }

    fn verify(
        &mut self,
        stored: &PasswordHash,
        password: &Zeroizing<String>,
        counters: &Counters,
    ) -> Result<bool, Unusable> {
        let (stored, params) = usable(stored)?;
        let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else { return Err(Unusable::NotPhc) };
        let mut buffer = Zeroizing::new([0; Output::MAX_LENGTH]);
        let hash = buffer.get_mut(..expected.len()).ok_or(Unusable::NotPhc)?;
        self.compute(&params, password, &salt, hash, counters).ok_or(Unusable::NotPhc)?;
        Ok(hash.ct_eq(expected.as_bytes()).into())
    }

    fn compute(
        &mut self,
        params: &Params,
        password: &Zeroizing<String>,
        salt: &[u8],
        hash: &mut [u8],
        counters: &Counters,
    ) -> Option<()> {
        counters.argon2_calls.fetch_add(1, Ordering::Relaxed);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let blocks = params.block_count();
        let own = todays().block_count();
        if blocks <= own {
            // Not wiped between two hashes: the second pass overwrites every block, and no block holds a password.
            self.0.resize(blocks.max(self.0.len()), Block::new());
            return argon2
                .hash_password_into_with_memory(password.as_bytes(), salt, hash, &mut self.0[..])
                .ok();
        }
        // A hash from elsewhere that wants more gets it for once: what the threads keep stays what it is.
        let mut more = vec![Block::new(); blocks];
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, hash, &mut more[..]).ok()
    }
}

/// The parameters of new hashes.
fn todays() -> Params {
    const TODAYS: Params = match Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)) {
        Ok(params) => params,
        Err(_) => panic!("the parameters are within Argon2's limits"),
    };
    TODAYS
}

/// Reads a stored hash, and refuses one that asks for too much.
fn usable(stored: &PasswordHash) -> Result<(Parts, Params), Unusable> {
    let parsed = Parts::new(stored.expose()).map_err(|_| Unusable::NotPhc)?;
    let is_19 = parsed.version.is_some_and(|version| version == u32::from(Version::V0x13));
    if parsed.algorithm.as_str() != argon2::ARGON2ID_IDENT.as_str() || !is_19 {
        return Err(Unusable::NotArgon2id);
    }
    let params = Params::try_from(&parsed).map_err(|_| Unusable::NotPhc)?;
    let is_within = params.m_cost() <= STORED_MEMORY_KIB_MAX
        && params.t_cost() <= STORED_PASSES_MAX
        && params.p_cost() <= STORED_LANES_MAX;
    if is_within { Ok((parsed, params)) } else { Err(Unusable::TooCostly) }
}

/// The text form of a hash.
fn phc(params: &Params, salt: &[u8], hash: &[u8]) -> Option<PasswordHash> {
    let parts = Parts {
        algorithm: argon2::ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).ok()?,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(Output::new(hash).ok()?),
    };
    PasswordHash::new(parts.to_string()).ok()
}

fn salt() -> io::Result<[u8; SALT_BYTES]> {
    let mut salt = [0; SALT_BYTES];
    fill_random(&mut salt)?;
    Ok(salt)
}

fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| io::Error::other("the system gives no entropy"))
}
