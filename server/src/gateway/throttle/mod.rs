//! Throttles: how often a password may be guessed, by account and by address.
//!
//! ```text
//!  attempt(now, name, address) ─► known device of that account? ─ yes ─► its own backoff and its own rate
//!             │ refused: Throttled{retry_after_s}    └ no ─► the account's backoff, then the rates of the address's
//!             ▼                                             prefixes: IPv4 and /24, or IPv6 /64 and /48
//!       (the password is checked)
//!             ├─► succeeded: the charge is forgiven, the device is known from now on
//!             ├─► failed:    the charge stays
//!             └─► cancelled: nothing was checked, the charge is forgiven
//! ```
//!
//! * Five failures are free; then an account waits 1 s, 2 s, 4 s ... 15 min between guesses. One failure is forgiven
//!   every 15 minutes. That leaves a guesser some twenty guesses in the first hour and four in each one after.
//! * An attempt is charged when it begins, not when it fails: a hundred guesses sent at once are a hundred failures.
//! * **Nobody elsewhere can lock an owner out.** Whoever has a refresh token never comes here. Whoever logged in from the
//!   same network (IPv4 /24, IPv6 /56) before is judged by that network's own counters for this account, whatever others do
//!   to the account or to its neighbours' addresses. What an attacker can do is make an owner who has neither wait, and one
//!   in the owner's own network can make him wait there. Going on to the account's counters then would help nobody: who
//!   keeps the device's full can keep those full as well, and would have the guesses of both.
//! * A success forgives its own charge only. Otherwise each login of the owner would give a guesser five more.
//! * Names, accounts and addresses are kept as keyed hashes only; the key dies with the process.
//! * Every map is bounded, and drops what has been idle longest. An attacker gains nothing by it: a prefix that has
//!   been idle for a minute is worth as much as an unknown one; an account's entry is made only by a guess that goes on
//!   to Argon2, so that pushing out [`ACCOUNTS_MAX`]`/ 2` of them takes, at 35 hashes a second and processor, half an
//!   hour and more, in which the account would have been forgiven two of its failures anyhow; and devices are made
//!   known only by right passwords.
//!
//! Time is an argument. Where it goes back, which it does once a clock that was wrong is set right, nobody waits for it to
//! come round again: whatever lies in the future is taken for now. Nothing here is kept over a restart.

mod recent;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use recent::Recent;

/// Accounts whose failures are remembered: 32 bytes each, and twice that for the map.
pub const ACCOUNTS_MAX: usize = 1 << 17;
/// Pairs of account and network that are remembered as known.
const DEVICES_MAX: usize = 1 << 17;
/// Prefixes whose rate is remembered. More than 4,096 sockets' worth of them in a minute would need as many addresses.
const PREFIXES_MAX: usize = 1 << 17;

/// Failures without a wait.
const FREE_FAILURES: u32 = 5;
/// The first wait, which doubles up to the longest. The longest is also the time after which one failure is forgiven:
/// a guesser who waits it out each time stays where he is.
const FIRST_WAIT_MS: u64 = 1000;
const LONGEST_WAIT_MS: u64 = 15 * 60 * 1000;

/// A rate over one minute: so many at once, and so many a minute.
#[derive(Clone, Copy, Debug)]
struct PerMinute(u64);

const IPV4_RATE: PerMinute = PerMinute(10);
const IPV4_24_RATE: PerMinute = PerMinute(100);
const IPV6_64_RATE: PerMinute = PerMinute(10);
const IPV6_48_RATE: PerMinute = PerMinute(200);
/// A known device's: as a single address.
const DEVICE_RATE: PerMinute = PerMinute(10);

const MINUTE_MS: u64 = 60_000;

/// Too many attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts; try again in {retry_after_s} s")]
pub struct Throttled {
    /// Seconds after which an attempt would be looked at again.
    pub retry_after_s: u32,
    /// What refused. For counters, not for the client: it would tell which accounts are being attacked.
    pub by: ThrottledBy,
}

/// What refused an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottledBy {
    /// The account's failures.
    Account,
    /// The failures, or the rate, of a known device.
    Device,
    /// The IPv4 address or IPv6 /64.
    Address,
    /// The IPv4 /24 or IPv6 /48.
    Network,
}

/// An attempt that may go on to Argon2. It has been charged already; say how it ended.
#[derive(Debug)]
#[must_use = "an attempt that is not ended counts as a failure"]
pub struct Attempt {
    account: u64,
    device: u64,
    is_known: bool,
}

/// Who has tried how often.
#[derive(Debug)]
pub struct Throttle {
    /// The process's own key for all hashes.
    hasher: RandomState,
    accounts: Recent<Failures>,
    devices: Recent<Device>,
    prefixes: Recent<Rate>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl Throttle {
    /// Nobody has tried anything.
    pub fn new() -> Self {
        Self::with_bounds(ACCOUNTS_MAX, DEVICES_MAX, PREFIXES_MAX)
    }

    fn with_bounds(accounts_max: usize, devices_max: usize, prefixes_max: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            accounts: Recent::new(accounts_max),
            devices: Recent::new(devices_max),
            prefixes: Recent::new(prefixes_max),
        }
    }

    /// Whether a password for `name` may be tried from `address` now. `name` is what accounts are unique by (normalised,
    /// folded), whether or not there is such an account.
    ///
    /// # Errors
    /// When it may not; nothing is charged then.
    pub fn attempt(&mut self, now_ms: u64, name: &str, address: IpAddr) -> Result<Attempt, Throttled> {
        let address = address.to_canonical();
        let account = self.hasher.hash_one((Kind::Account, name));
        let device = self.hasher.hash_one((Kind::Device, name, home(address)));
        if let Some(known) = self.devices.get_mut(device) {
            let refused = |wait_ms| throttled(wait_ms, ThrottledBy::Device);
            known.failures.allows(now_ms).map_err(refused)?;
            known.rate.allows(now_ms, DEVICE_RATE).map_err(refused)?;
            known.failures.charge(now_ms);
            known.rate.charge(now_ms, DEVICE_RATE);
            return Ok(Attempt { account, device, is_known: true });
        }
        if let Some(failures) = self.accounts.get_mut(account) {
            failures.allows(now_ms).map_err(|wait_ms| throttled(wait_ms, ThrottledBy::Account))?;
        }
        self.address(now_ms, address)?;
        self.accounts.touch(account, || Failures::none(now_ms)).charge(now_ms);
        Ok(Attempt { account, device, is_known: false })
    }

    /// Whether anything costly that needs no account (a registration) may be asked from `address` now. It shares the
    /// rates of the address with [`Self::attempt`].
    ///
    /// # Errors
    /// When it may not; nothing is charged then.
    pub fn address(&mut self, now_ms: u64, address: IpAddr) -> Result<(), Throttled> {
        let [near, far] = prefixes(address.to_canonical()).map(|(prefix, rate)| {
            let key = self.hasher.hash_one((Kind::Prefix, prefix));
            (key, rate)
        });
        for ((key, rate), by) in [(near, ThrottledBy::Address), (far, ThrottledBy::Network)] {
            if let Some(known) = self.prefixes.get_mut(key) {
                known.allows(now_ms, rate).map_err(|wait_ms| throttled(wait_ms, by))?;
            }
        }
        for (key, rate) in [near, far] {
            self.prefixes.touch(key, Rate::default).charge(now_ms, rate);
        }
        Ok(())
    }

    /// The password was right.
    pub fn succeeded(&mut self, now_ms: u64, attempt: Attempt) {
        self.forgive(&attempt);
        let device = self.devices.touch(attempt.device, || Device::new(now_ms));
        device.failures = Failures::none(now_ms);
    }

    /// The password was wrong, or there is no such account.
    pub fn failed(&mut self, attempt: Attempt) {
        // Charged when it began.
        let Attempt { .. } = attempt;
    }

    /// No password was looked at, because the pool was overloaded or the store failed.
    pub fn cancelled(&mut self, attempt: Attempt) {
        self.forgive(&attempt);
    }

    /// Entries in all maps.
    pub fn entries(&self) -> usize {
        self.accounts.len() + self.devices.len() + self.prefixes.len()
    }

    fn forgive(&mut self, attempt: &Attempt) {
        let charged = if attempt.is_known {
            self.devices.get_mut(attempt.device).map(|device| &mut device.failures)
        } else {
            self.accounts.get_mut(attempt.account)
        };
        if let Some(failures) = charged {
            failures.forgive();
        }
    }
}

/// What a key stands for, so that no two kinds can share one.
#[derive(Hash)]
enum Kind {
    Account,
    Device,
    Prefix,
}

/// Failures of one account, or of one known device.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// Since when the count has been as it is, for forgiving.
    since_ms: u64,
    /// When the last charge was made.
    charged_ms: u64,
}

impl Failures {
    fn none(now_ms: u64) -> Self {
        Self { count: 0, since_ms: now_ms, charged_ms: 0 }
    }

    /// Milliseconds to wait, as the error.
    fn allows(&mut self, now_ms: u64) -> Result<(), u64> {
        (self.since_ms, self.charged_ms) = (self.since_ms.min(now_ms), self.charged_ms.min(now_ms));
        let forgiven = now_ms.saturating_sub(self.since_ms) / LONGEST_WAIT_MS;
        self.count = self.count.saturating_sub(forgiven.min(u64::from(u32::MAX)) as u32);
        self.since_ms = self.since_ms.saturating_add(forgiven * LONGEST_WAIT_MS);
        let waited_ms = now_ms.saturating_sub(self.charged_ms);
        match self.wait_ms().saturating_sub(waited_ms) {
            0 => Ok(()),
            left_ms => Err(left_ms),
        }
    }

    fn wait_ms(&self) -> u64 {
        match self.count.checked_sub(FREE_FAILURES) {
            None => 0,
            // 2^20 s is far beyond the longest.
            Some(beyond) => (FIRST_WAIT_MS << beyond.min(20)).min(LONGEST_WAIT_MS),
        }
    }

    fn charge(&mut self, now_ms: u64) {
        if self.count == 0 {
            self.since_ms = now_ms;
        }
        self.count = self.count.saturating_add(1);
        self.charged_ms = now_ms;
    }

    fn forgive(&mut self) {
        self.count = self.count.saturating_sub(1);
    }
}

/// A network that an account has logged in from.
#[derive(Clone, Copy, Debug)]
struct Device {
    failures: Failures,
    rate: Rate,
}

impl Device {
    fn new(now_ms: u64) -> Self {
        Self { failures: Failures::none(now_ms), rate: Rate::default() }
    }
}

/// A rate as one number (the generic cell rate algorithm): the time at which all that was charged is paid off.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    paid_at_ms: u64,
}

impl Rate {
    /// Milliseconds to wait, as the error.
    fn allows(&mut self, now_ms: u64, rate: PerMinute) -> Result<(), u64> {
        // Nobody is ever charged for more than a minute ahead.
        self.paid_at_ms = self.paid_at_ms.min(now_ms + MINUTE_MS);
        let owed_ms = self.paid_at_ms.saturating_sub(now_ms) + MINUTE_MS / rate.0;
        match owed_ms.saturating_sub(MINUTE_MS) {
            0 => Ok(()),
            beyond_ms => Err(beyond_ms),
        }
    }

    fn charge(&mut self, now_ms: u64, rate: PerMinute) {
        self.paid_at_ms = self.paid_at_ms.max(now_ms) + MINUTE_MS / rate.0;
    }
}

fn throttled(wait_ms: u64, by: ThrottledBy) -> Throttled {
    Throttled { retry_after_s: wait_ms.div_ceil(1000).clamp(1, u64::from(u32::MAX)) as u32, by }
}

/// An address cut to its first `bits`, with the length, so that no two prefixes are equal.
type Prefix = (u128, u8);

fn cut(address: IpAddr, bits: u8) -> Prefix {
    match address {
        // 128: no IPv6 prefix in here is that long.
        IpAddr::V4(v4) => (u128::from(u32::from(v4) >> (32 - bits)), 128 + bits),
        IpAddr::V6(v6) => (u128::from(v6) >> (128 - bits), bits),
    }
}

/// The network that a device is known by: what a household's line keeps when its address changes.
fn home(address: IpAddr) -> Prefix {
    cut(address, if address.is_ipv4() { 24 } else { 56 })
}

/// The near and the far prefix of an address, and what each may ask.
fn prefixes(address: IpAddr) -> [(Prefix, PerMinute); 2] {
    if address.is_ipv4() {
        [(cut(address, 32), IPV4_RATE), (cut(address, 24), IPV4_24_RATE)]
    } else {
        [(cut(address, 64), IPV6_64_RATE), (cut(address, 48), IPV6_48_RATE)]
    }
}
