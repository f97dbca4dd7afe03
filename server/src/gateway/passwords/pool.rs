//! A few threads that do costly work, and a short queue in front of them.
//!
//! ```text
//!  callers (async) ──► queue, at most 64 ──► threads, as many as there are permits ──► answer, if anybody still waits
//!        │ full, or 3 s without an answer
//!        └──► Overloaded
//! ```
//!
//! A permit is a thread. Work that has begun is finished whether or not its caller still waits, and only then does the
//! thread take more: a client that hangs up cannot make room for its next request that way. Work that has *not* begun
//! when its caller leaves is thrown away.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// How far below everybody else the threads ask to be scheduled. At +10 a thread gets about a tenth of the processor
/// time of one at 0 while both want to run, so a storm of logins slows logins and not the tick.
const NICENESS: i32 = 10;

/// How much a pool takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Threads, and so pieces of work at one time; at least 1.
    pub permits: usize,
    /// Pieces of work that may wait.
    pub queue_max: usize,
    /// How long a caller waits for its answer, queueing included.
    pub deadline: Duration,
}

/// Too much is asked at once, or the answer did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked just now; try again in {retry_after_s} s")]
pub struct Overloaded {
    /// Seconds after which asking again makes sense.
    pub retry_after_s: u32,
}

/// What became of the work that was not done, since the start.
#[derive(Debug, Default)]
pub struct PoolCounters {
    /// Refused because the queue was full.
    pub refused_full: AtomicU64,
    /// Callers that gave up at the deadline.
    pub refused_late: AtomicU64,
    /// Thrown away before it began, because nobody waited for it any more.
    pub abandoned: AtomicU64,
}

/// The pool; `S` is what each thread keeps from one piece of work to the next. Dropping the pool lets the threads
/// finish what they are doing and end.
pub(super) struct Pool<S> {
    shared: Arc<Shared<S>>,
    limits: PoolLimits,
    /// Without threads: callers work themselves.
    #[cfg(feature = "testing")]
    is_inline: bool,
}

struct Shared<S> {
    waiting: Mutex<Waiting<S>>,
    news: Condvar,
    counters: PoolCounters,
}

struct Waiting<S> {
    jobs: VecDeque<Box<dyn Job<S>>>,
    is_closed: bool,
}

/// A piece of work and the way back for its answer.
trait Job<S>: Send {
    fn is_abandoned(&self) -> bool;
    fn run(self: Box<Self>, scratch: &mut S);
}

struct Task<F, T> {
    work: F,
    answer: oneshot::Sender<T>,
}

impl<S, T: Send, F: FnOnce(&mut S) -> T + Send> Job<S> for Task<F, T> {
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run(self: Box<Self>, scratch: &mut S) {
        // Nobody waiting any more is no error: the work was begun, so it was finished.
        let _ = self.answer.send((self.work)(scratch));
    }
}

impl<S: Default + 'static> Pool<S> {
    /// Starts the threads.
    pub fn start(limits: PoolLimits) -> io::Result<Self> {
        // Built first: should a thread not start, dropping it ends those that did.
        let pool = Self::without_threads(limits);
        for number in 0..limits.permits.max(1) {
            let shared = pool.shared.clone();
            std::thread::Builder::new().name(format!("password-{number}")).spawn(move || shared.serve())?;
        }
        Ok(pool)
    }

    fn without_threads(limits: PoolLimits) -> Self {
        let jobs = VecDeque::with_capacity(limits.queue_max);
        let waiting = Mutex::new(Waiting { jobs, is_closed: false });
        let shared = Shared { waiting, news: Condvar::new(), counters: PoolCounters::default() };
        Self {
            shared: Arc::new(shared),
            limits,
            #[cfg(feature = "testing")]
            is_inline: false,
        }
    }

    /// A pool whose callers do the work themselves, at once and with a scratch of their own.
    #[cfg(feature = "testing")]
    pub fn inline() -> Self {
        let limits = PoolLimits { permits: 1, queue_max: 0, deadline: Duration::ZERO };
        let mut pool = Self::without_threads(limits);
        pool.is_inline = true;
        pool
    }

    /// Has a thread do `work`.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        #[cfg(feature = "testing")]
        if self.is_inline {
            return Ok(work(&mut S::default()));
        }
        let (answer, answered) = oneshot::channel();
        if !self.shared.push(Box::new(Task { work, answer }), self.limits.queue_max) {
            self.shared.counters.refused_full.fetch_add(1, Ordering::Relaxed);
            return Err(self.overloaded());
        }
        // The caller's clock is the only one: giving up closes the channel, by which a thread knows that the work has
        // become pointless.
        match tokio::time::timeout(self.limits.deadline, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            // The work panicked, or the pool is closing.
            Ok(Err(_)) => Err(self.overloaded()),
            Err(_) => {
                self.shared.counters.refused_late.fetch_add(1, Ordering::Relaxed);
                Err(self.overloaded())
            }
        }
    }
}

impl<S> Pool<S> {
    pub fn counters(&self) -> &PoolCounters {
        &self.shared.counters
    }

    fn overloaded(&self) -> Overloaded {
        // A full queue is worked off within the deadline, or its tail is refused.
        Overloaded { retry_after_s: (self.limits.deadline.as_secs() as u32).max(1) }
    }
}

impl<S> Drop for Pool<S> {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.news.notify_all();
    }
}

impl<S> Shared<S> {
    /// The work that waits. Nothing that can panic happens under this lock.
    fn lock(&self) -> MutexGuard<'_, Waiting<S>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when there is no room even without the work that nobody waits for.
    fn push(&self, job: Box<dyn Job<S>>, queue_max: usize) -> bool {
        let mut waiting = self.lock();
        if waiting.jobs.len() >= queue_max {
            let before = waiting.jobs.len();
            waiting.jobs.retain(|job| !job.is_abandoned());
            let gone = before - waiting.jobs.len();
            self.counters.abandoned.fetch_add(gone as u64, Ordering::Relaxed);
        }
        let has_room = waiting.jobs.len() < queue_max;
        if has_room {
            waiting.jobs.push_back(job);
            drop(waiting);
            self.news.notify_one();
        }
        has_room
    }

    fn pop(&self) -> Option<Box<dyn Job<S>>> {
        let mut waiting = self.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            match waiting.jobs.pop_front() {
                Some(job) => return Some(job),
                None => waiting = self.news.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl<S: Default> Shared<S> {
    /// The life of one thread.
    fn serve(&self) {
        // On Linux niceness belongs to the thread. Where it is refused the logins compete, which is no reason not to
        // serve them.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!("the password threads keep their priority: {error}");
        }
        let mut scratch = S::default();
        while let Some(job) = self.pop() {
            if job.is_abandoned() {
                self.counters.abandoned.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            // A panic must not cost a permit for good. The scratch may be half written, so it begins anew.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.run(&mut scratch)));
            if done.is_err() {
                scratch = S::default();
            }
        }
    }
}
