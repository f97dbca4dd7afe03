//! Clocks that count work, not waiting: a neighbour's compiler then disturbs the caches, but not the count.

use libc::{CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};

/// What a race is timed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// CPU time of the calling thread, in the kernel too.
    Thread,
    /// CPU time of all threads of this process.
    Process,
    /// Time that passes.
    Wall,
}

impl Clock {
    /// Nanoseconds since some fixed start.
    pub fn now_ns(self) -> u64 {
        let id = match self {
            Self::Thread => CLOCK_THREAD_CPUTIME_ID,
            Self::Process => CLOCK_PROCESS_CPUTIME_ID,
            Self::Wall => CLOCK_MONOTONIC,
        };
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a writable timespec for the length of the call.
        let status = unsafe { libc::clock_gettime(id, &mut time) };
        assert_eq!(status, 0, "these clocks are on every Linux");
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}
