//! The steady tick, from inputs to notices and snapshots, under a counting allocator: nothing is allocated.
//!
//! The only test of this file: the counter sees every thread of the process.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::Stage;
use throng_engine::simd::Level;
use throng_game::Counter;

/// Counts allocations and growths of all threads while it is told to.
struct Counting;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

impl Counting {
    fn count(&self) {
        if IS_COUNTING.load(Ordering::Relaxed) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches two atomics and allocates
// nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: the caller keeps this function's contract, which is the callee's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        self.count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn count_during(work: impl FnOnce()) -> u64 {
    ALLOCATIONS.store(0, Ordering::SeqCst);
    IS_COUNTING.store(true, Ordering::SeqCst);
    work();
    IS_COUNTING.store(false, Ordering::SeqCst);
    ALLOCATIONS.load(Ordering::SeqCst)
}

#[test]
fn the_steady_tick_does_not_allocate() {
    // The canary: the counter does count.
    assert!(count_during(|| drop(std::hint::black_box(vec![1u8]))) >= 1);

    const WARM_TICKS: u32 = 1_200;
    const COUNTED_TICKS: u32 = 400;
    let mut stage = Stage::new(1_000, 6_000, 200, Level::best());
    let step = |stage: &mut Stage| {
        stage.step();
        let mut sum = stage.game.notices().count();
        stage.encode(200, |bytes| sum += bytes.len());
        std::hint::black_box(sum);
    };
    (0..WARM_TICKS).for_each(|_| step(&mut stage));
    let before = *stage.game.counters();
    let done = |stage: &Stage| [Counter::Trades, Counter::Finds].map(|counter| stage.done(counter));
    let done_before = done(&stage);
    let allocations = count_during(|| (0..COUNTED_TICKS).for_each(|_| step(&mut stage)));
    let after = stage.game.counters();
    assert!(after.commands_done > before.commands_done && after.creatures_died > before.creatures_died);
    let done = done(&stage);
    assert!(
        done[0] > done_before[0] && done[1] > done_before[1],
        "trades, finds: {done:?} after {done_before:?}"
    );
    assert_eq!(allocations, 0, "in {COUNTED_TICKS} ticks");
}
