//! The steady tick, from the socket to the socket, under a counting allocator: 0 allocations on both backends.
//!
//! The only test of this file: the counter sees every thread of the process.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{Player, assert_undisturbed, now_us, on_both_backends, players, step};
use throng_schema::wire::Verb;
use throng_schema::{CommandFields, IntentFields};
use throng_server::config::LAND_FLAT;

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

    /// Several chunks of clients, so that both workers encode and send.
    const PLAYERS: u64 = 130;
    const WARM_TICKS: u32 = 200;
    const COUNTED_TICKS: u32 = 100;
    /// Of a square that a player walks; four of them are fewer than the warm ticks.
    const SIDE_TICKS: u32 = 20;
    on_both_backends(
        |config| {
            config.realm.players_max = PLAYERS as u32;
            config.world.land = LAND_FLAT.to_owned();
            // So sparse that avatars come into view and leave it all the time.
            (config.world.width_m, config.world.height_m) = (150.0, 150.0);
            // Nobody bites: a fight fiercer than any before makes the game's lists longer.
            config.world.creatures = 0;
            config.net.receive_buffer_bytes = 4 << 20;
        },
        |realm| {
            let mut players = players(realm, PLAYERS);
            // A few talk all the time, and those who stand near hear them. All walk in squares, so that what the warm ticks
            // have not seen does not come later.
            let live = |tick: u32, players: &mut [Player]| {
                for (number, player) in (0u32..).zip(&mut *players) {
                    let [move_x, move_y] = match (tick / SIDE_TICKS + number) % 4 {
                        0 => [1.0, 0.0],
                        1 => [0.0, 1.0],
                        2 => [-1.0, 0.0],
                        _ => [0.0, -1.0],
                    };
                    player.session.set_intent(IntentFields { move_x, move_y, ..IntentFields::default() });
                }
                let talker = &mut players[tick as usize % 40];
                talker.ask(CommandFields {
                    id: tick.into(),
                    verb: Verb::Say,
                    text: "an ordinary remark",
                    ..CommandFields::default()
                });
            };
            for tick in 1..=WARM_TICKS {
                live(tick, &mut players);
                step(realm, &mut players);
            }
            let told = realm.counters().notice_told;
            let mut allocations = 0;
            let mut snapshots = 0;
            for tick in WARM_TICKS + 1..=WARM_TICKS + COUNTED_TICKS {
                live(tick, &mut players);
                realm.advance_clock(Duration::from_millis(50));
                let now_us = now_us(realm);
                for player in &mut players {
                    player.send(now_us);
                }
                allocations += count_during(|| {
                    realm.receive(100);
                    let (_, traffic) = realm.tick();
                    snapshots += traffic.snapshots;
                });
                for player in &mut players {
                    player.receive(now_us);
                }
            }
            assert_eq!(snapshots, PLAYERS * u64::from(COUNTED_TICKS));
            assert_undisturbed(&players);
            assert!(
                realm.counters().notice_told - told > 2 * u64::from(COUNTED_TICKS),
                "answers, and what is heard"
            );
            assert_eq!(allocations, 0, "in {COUNTED_TICKS} ticks");
        },
    );
}
