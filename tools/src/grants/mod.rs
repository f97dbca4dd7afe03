//! Ways in for many clients: session tokens go in, connect tokens come out, over the gateway's public HTTPS.
//!
//! ```text
//!  session tokens ──► Plan: whose turn it is ──► workers, each with a connection that stays open
//!                       ▲                             │ GET  /v1/characters, once
//!                       └── answers: wait, again ─────┤ POST /v1/play, until it is granted
//!                                                     ▼
//!                          bounded channel ──► Grant {address, token, secret, private key, name}
//! ```
//!
//! * What the gateway says is done: a place in the queue is asked for again when told, with its ticket; a busy gateway
//!   when its Retry-After has passed. How often, and how long, is bounded.
//! * A grant is good for thirty seconds. The channel is short, so that none grows old in it; and whoever could not use
//!   one asks for another with [`Grants::ask_again`].
//! * [`Plan`] owns no socket and no clock, so tests play it in virtual time.
//!
//! Each grant has an X25519 key of its own, made of the operating system's random bytes and known to nobody else.

mod config;
mod http;
mod plan;
mod report;
#[cfg(test)]
mod tests;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use throng_net::limits::TOKEN_BYTES;

pub use config::{GrantsConfig, GrantsError, SessionToken, read_tokens};
pub use plan::{Next, Plan, Step, Verdict};
pub use report::GrantsReport;

pub(crate) use http::NOBODY_LISTENS;

use http::Asker;
use report::Tally;

/// Grants that wait for whoever connects with them: a fortieth of a second at the gateway's usual rate.
const WAITING_MAX: usize = 64;
/// How often somebody who waits for a grant looks whether any will come.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A way into a realm, good once and for thirty seconds.
pub struct Grant {
    /// Whose: the number of the session token, from 0.
    pub index: u32,
    /// The character's name.
    pub name: String,
    /// Host and UDP port of the realm.
    pub address: String,
    /// What the realm is shown.
    pub token: [u8; TOKEN_BYTES],
    /// What proves that it was given to this client.
    pub secret: [u8; 32],
    /// The X25519 private key that the token is bound to.
    pub private: [u8; 32],
    /// When the token ends, Unix ms.
    pub expires_at_ms: u64,
}

/// Workers that ask for grants until they are dropped.
pub struct Grants {
    // Taken at the end, so that a worker that waits to hand over a grant wakes up.
    grants: Option<Receiver<Grant>>,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    news: Condvar,
    began: Instant,
}

struct State {
    plan: Plan,
    tally: Tally,
    /// Whether the gateway has ever answered. One that has is there, and may be starting anew.
    is_heard: bool,
    is_over: bool,
}

impl Grants {
    /// Starts asking for a grant for each session token.
    ///
    /// # Errors
    /// When the settings cannot work or a thread cannot be started.
    pub fn start(config: GrantsConfig) -> Result<Self, GrantsError> {
        config.check()?;
        let count = config.tokens.len() as u32;
        let plan = Plan::new(
            count,
            config.attempts_max,
            config.patience.as_millis() as u64,
            config.lost_pause.as_millis() as u64,
        );
        let state = State { plan, tally: Tally::default(), is_heard: false, is_over: false };
        let shared =
            Arc::new(Shared { state: Mutex::new(state), news: Condvar::new(), began: Instant::now() });
        let (sender, grants) = sync_channel(WAITING_MAX);
        let threads = config.threads;
        let config = Arc::new(config);
        let mut all = Self { grants: Some(grants), shared, workers: Vec::new() };
        for number in 0..threads {
            let (shared, sender) = (all.shared.clone(), sender.clone());
            let asker = Asker::new(config.clone())?;
            let worker = thread::Builder::new().name(format!("grants-{number}"));
            let worker = worker.spawn(move || shared.work(asker, &sender)).map_err(GrantsError::Thread)?;
            all.workers.push(worker);
        }
        Ok(all)
    }

    /// A grant, if one is there.
    pub fn try_next(&self) -> Option<Grant> {
        self.grants.as_ref()?.try_recv().ok()
    }

    /// The next grant; waits for it. `None` once every token has been granted or given up.
    pub fn next_blocking(&self) -> Option<Grant> {
        let grants = self.grants.as_ref()?;
        loop {
            // Asked before the channel: a grant is in it before the plan calls it granted.
            let is_settled = self.is_settled();
            match grants.recv_timeout(LOOK_EVERY) {
                Ok(grant) => return Some(grant),
                Err(RecvTimeoutError::Timeout) if !is_settled => {}
                Err(_) => return None,
            }
        }
    }

    /// Whether no more grants will come unless they are asked for again.
    pub fn is_settled(&self) -> bool {
        self.shared.lock().plan.is_settled()
    }

    /// Asks for another grant for a token that had one, as after a connection that failed.
    pub fn ask_again(&self, index: u32) {
        let now_ms = self.shared.now_ms();
        self.shared.lock().plan.ask_again(now_ms, index);
        self.shared.news.notify_one();
    }

    /// What has happened so far.
    pub fn report(&self) -> GrantsReport {
        let state = self.shared.lock();
        state.tally.report(&state.plan, self.shared.began.elapsed())
    }
}

impl Drop for Grants {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.news.notify_all();
        self.grants = None;
        for worker in self.workers.drain(..) {
            // Its panic has been printed already.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// The plan and the tally; whole at every instruction that could panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// The life of one worker.
    fn work(&self, mut asker: Asker, grants: &SyncSender<Grant>) {
        while let Some((index, step)) = self.next_step() {
            let began = Instant::now();
            let (verdict, grant) = asker.ask(index, &step);
            let took = began.elapsed();
            // In the channel first: whoever finds everything settled must find the last grant there.
            if grant.is_some_and(|grant| grants.send(grant).is_err()) {
                return;
            }
            let now_ms = self.now_ms();
            let mut state = self.lock();
            let verdict = match verdict {
                Verdict::Lost(what) if what == NOBODY_LISTENS && !state.is_heard => Verdict::Refused(what),
                verdict => verdict,
            };
            state.is_heard |= !matches!(verdict, Verdict::Lost(_) | Verdict::Refused(_));
            state.tally.answered(&step, &verdict, took);
            state.plan.answered(now_ms, index, verdict);
            drop(state);
            self.news.notify_one();
        }
    }

    /// Waits until something is to be done. None: it is over.
    fn next_step(&self) -> Option<(u32, Step)> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            state = match state.plan.next(self.now_ms()) {
                Next::Do(index, step) => return Some((index, step)),
                Next::Wait(wait_ms) => {
                    let waited = self.news.wait_timeout(state, Duration::from_millis(wait_ms));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                Next::Idle => self.news.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
