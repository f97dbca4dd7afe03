//! What the benches share: a way to race contenders in one process, worlds to race in, and raw system calls as floors.
//!
//! A figure in nanoseconds says more about the machine and its neighbours than about the code. So every bench puts the
//! engine beside its floor (memcpy, a bare `sendmmsg`) or its rival (what one would use instead), runs them in turns in
//! one process, and reports the **median of the ratios of each round**:
//!
//! ```text
//!   round 1   throng 22 us   memcpy 33 us    0.67 ┐
//!   round 2   memcpy 41 us   throng 27 us    0.66 ├─► ratio integrate throng/memcpy = 0.66 (goal <= 1.00) PASS
//!   ...                                           ┘
//! ```
//!
//! `cargo bench -p throng-benches` runs all; `--bench interest` one area; `--bench interest -- ratio` skips criterion's
//! own measurement; `-- --test` runs each contender once, as a smoke test.
#![deny(unsafe_code)]

pub mod field;
mod race;
#[allow(unsafe_code)] // System calls that std does not have. Nothing else in this crate may.
pub mod raw;
pub mod realm;

pub use race::{Race, Watch, criterion, is_smoke};
pub use raw::clock::Clock;

/// Makes the calling thread a rayon pool of its own, so that what the engine forks stays on the thread being timed.
///
/// # Panics
/// When rayon was used before.
pub fn stay_on_this_thread() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    pool.build_global().expect("nothing has used rayon yet");
}
