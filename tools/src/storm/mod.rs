//! Storms: what a gateway has to stand, over HTTPS, from as many addresses as it takes.
//!
//! ```text
//!   login      wrong passwords, R a second ──────────────┐
//!   reconnect  N session tokens, each wants to play ─────┼──► gateway on this machine ──► answers by status, times
//!   slow       N sockets that stall where it hurts ──────┤
//!   sessions   honest requests, beside any of these ─────┘
//!                                            /proc/PID ──► its memory and open files meanwhile
//! ```
//!
//! * [`login`], [`reconnect`] and [`slow`] are the attacks; each is one at a time.
//! * [`honest`] runs beside them: what a player with a session notices is the figure that counts.
//! * [`target`] is the gateway, its pinned certificate, and the addresses that it is met from; [`wire`] speaks HTTP/1.1
//!   just well enough to ask and to count; [`tally`] is what comes of it.
//!
//! Everything is open-loop: a request is due when it is due, whatever became of those before it, and its time is
//! counted from there. Like the bots it reaches only this machine: no address outside 127.0.0.0/8 can be named.

pub mod honest;
pub mod login;
mod pace;
pub mod reconnect;
pub mod slow;
pub mod tally;
pub mod target;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use honest::{Honest, HonestReport};
pub use login::{LoginReport, LoginStorm};
pub use reconnect::{ReconnectReport, ReconnectStorm};
pub use slow::{SlowReport, SlowStorm, Stall};
pub use target::{Session, Target};

use crate::memory::{LOOK_EVERY, MemoryReport, Watch};

/// Requests or sockets a second that one thread can begin.
pub const RATE_HZ_MAX: u32 = 20_000;
/// Requests in flight: each holds a file descriptor, and many systems grant 4,096.
const IN_FLIGHT_MAX: usize = 3_500;
/// How often the caller's wish to stop is looked at.
const STOP_LOOK: Duration = Duration::from_millis(20);

/// What is done to the gateway.
pub enum Attack {
    /// Nothing: only the honest requests.
    None,
    /// Wrong logins.
    Login(LoginStorm),
    /// Everybody comes back at once.
    Reconnect(ReconnectStorm),
    /// Sockets that stall.
    Slow(SlowStorm),
}

/// A storm.
pub struct Storm {
    /// The gateway.
    pub target: Target,
    /// What is done to it.
    pub attack: Attack,
    /// Honest requests beside it.
    pub honest: Option<Honest>,
    /// How long, seconds. A reconnect storm and slow sockets end by themselves and take this as their deadline.
    pub seconds: u32,
    /// Process id of the gateway, for its memory.
    pub pid: Option<u32>,
    /// Seed of all names, passwords and addresses.
    pub seed: u64,
}

/// What came of it. Times are milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StormReport {
    /// Seconds that it took.
    pub seconds: f64,
    /// Wrong logins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginReport>,
    /// Reconnects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect: Option<ReconnectReport>,
    /// Slow sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<SlowReport>,
    /// Honest requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub honest: Option<HonestReport>,
    /// The gateway's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryReport>,
}

/// Why a storm cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StormError {
    /// Not the form that is understood.
    #[error(
        "the gateway is {0:?}, needed is https://127.0.0.1:PORT (or another address of 127.0.0.0/8, or localhost)"
    )]
    Url(String),
    /// Only one's own machine may be attacked.
    #[error("the gateway is on {0}, but only one on 127.0.0.0/8 can be attacked from here")]
    NotLoopback(String),
    /// No certificate to compare with.
    #[error(
        "the certificate to pin cannot be used: {0}\n  give the gateway's PEM file, such as throng-data/tls/cert.pem"
    )]
    Certificate(String),
    /// Too slow or too fast.
    #[error("the rate is {0} a second, but must be 1 to {RATE_HZ_MAX}")]
    Rate(u32),
    /// Nobody to be.
    #[error(
        "there are no session tokens, needed is at least one (throng account create --count N --sessions FILE)"
    )]
    NoSessions,
    /// A line that is no token.
    #[error(
        "line {0} of the session tokens is no token of 43 characters, with or without a character's id after it"
    )]
    Session(usize),
    /// The gateway's process cannot be looked at.
    #[error(
        "process {pid} cannot be looked at: {source}\n  give the id of the server's process, as `pidof throng` prints it"
    )]
    Process {
        /// The process.
        pid: u32,
        /// What the system said.
        source: std::io::Error,
    },
    /// No threads.
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
}

/// What the parts of a storm share.
struct Field {
    target: Target,
    begun: Instant,
    ends: Instant,
    seed: u64,
}

/// Blows until it is over or `stop` is set.
///
/// # Errors
/// When a setting cannot work. Whatever the gateway does is a result and no error.
pub fn run(storm: Storm, stop: &AtomicBool) -> Result<StormReport, StormError> {
    let Storm { target, attack, honest, seconds, pid, seed } = storm;
    let rates = [
        honest.as_ref().map(|honest| honest.rate_hz),
        match &attack {
            Attack::Login(login) => Some(login.rate_hz),
            Attack::Slow(slow) => Some(slow.rate_hz),
            Attack::None | Attack::Reconnect(_) => None,
        },
    ];
    if let Some(rate) = rates.into_iter().flatten().find(|rate| !(1..=RATE_HZ_MAX).contains(rate)) {
        return Err(StormError::Rate(rate));
    }
    let lacks_sessions = honest.as_ref().is_some_and(|honest| honest.sessions.is_empty())
        || matches!(&attack, Attack::Reconnect(storm) if storm.sessions.is_empty());
    if lacks_sessions {
        return Err(StormError::NoSessions);
    }
    let watch = |pid| Watch::new(pid).map_err(|source| StormError::Process { pid, source });
    let memory = pid.map(watch).transpose()?;
    // One thread: the machine is the gateway's as well.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StormError::Runtime)?;
    let begun = Instant::now();
    let ends = begun + Duration::from_secs(u64::from(seconds));
    let field = Arc::new(Field { target, begun, ends, seed });
    let (over, is_over) = watch::channel(false);
    let mut report = runtime.block_on(async {
        let attacked = async {
            let mut report = StormReport::default();
            match attack {
                Attack::None => stopped(is_over.clone(), ends).await,
                Attack::Login(storm) => {
                    report.login = Some(storm.run(Arc::clone(&field), is_over.clone()).await);
                }
                Attack::Reconnect(storm) => {
                    report.reconnect = Some(storm.run(Arc::clone(&field), is_over.clone()).await);
                }
                Attack::Slow(storm) => {
                    report.slow = Some(storm.run(Arc::clone(&field), is_over.clone()).await);
                }
            }
            // Whatever runs beside the attack ends with it.
            let _ = over.send(true);
            report
        };
        let honest = async {
            match honest {
                Some(honest) => Some(honest.run(Arc::clone(&field), is_over.clone()).await),
                None => None,
            }
        };
        let memory = async {
            match memory {
                Some(memory) => Some(watched(memory, is_over.clone()).await),
                None => None,
            }
        };
        let stop_asked = async {
            while !*is_over.borrow() {
                if stop.load(Ordering::Relaxed) {
                    let _ = over.send(true);
                }
                tokio::time::sleep(STOP_LOOK).await;
            }
        };
        let (mut report, honest, memory, ()) = tokio::join!(attacked, honest, memory, stop_asked);
        (report.honest, report.memory) = (honest, memory);
        report
    });
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

/// Looks at a process until the storm is over.
async fn watched(mut memory: Watch, is_over: watch::Receiver<bool>) -> MemoryReport {
    loop {
        let was_over = *is_over.borrow();
        memory.look();
        if was_over {
            return memory.report();
        }
        stopped(is_over.clone(), Instant::now() + LOOK_EVERY).await;
    }
}

/// Waits until the storm is over, or that time has come.
async fn stopped(mut is_over: watch::Receiver<bool>, at: Instant) {
    // A sender that is gone is an end too.
    let _ = tokio::time::timeout_at(at.into(), is_over.wait_for(|is_over| *is_over)).await;
}
