//! The steady tick, from the socket to the socket, under a counting allocator: 0 allocations on both backends.
//!
//! The only test of this file: the counter sees every thread of the process.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{Player, Stage, assert_undisturbed, now_us, on_both_backends, players, step};
use throng_schema::wire::Verb;
use throng_schema::{CommandFields, IntentFields};
use throng_server::config::{Config, LAND_FLAT, SpawnChoice};

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

/// Several chunks of clients, so that both workers encode and send.
const PLAYERS: u64 = 130;
const COUNTED_TICKS: u32 = 100;
/// Of a square that a player walks; four of them are fewer than the warm ticks.
const SIDE_TICKS: u32 = 20;

/// Lets players live for some ticks to get warm, and then counts what the realm allocates in [`COUNTED_TICKS`].
fn allocations_of(
    realm: &mut Stage<'_>,
    players: &mut [Player],
    warm_ticks: u32,
    mut live: impl FnMut(u32, &mut [Player]),
) -> u64 {
    for tick in 1..=warm_ticks {
        live(tick, players);
        step(realm, players);
    }
    let (mut allocations, mut snapshots) = (0, 0);
    for tick in warm_ticks + 1..=warm_ticks + COUNTED_TICKS {
        live(tick, players);
        realm.advance_clock(Duration::from_millis(50));
        let now_us = now_us(realm);
        for player in &mut *players {
            player.send(now_us);
        }
        allocations += count_during(|| {
            realm.receive(100);
            let (_, traffic) = realm.tick();
            snapshots += traffic.snapshots;
        });
        for player in &mut *players {
            player.receive(now_us);
        }
    }
    assert_eq!(snapshots, PLAYERS * u64::from(COUNTED_TICKS));
    assert_undisturbed(players);
    allocations
}

/// Walks everybody in squares, so that what the warm ticks have not seen does not come later.
fn walk(tick: u32, players: &mut [Player], buttons: u16) {
    for (number, player) in (0u32..).zip(players) {
        let [move_x, move_y] = match (tick / SIDE_TICKS + number) % 4 {
            0 => [1.0, 0.0],
            1 => [0.0, 1.0],
            2 => [-1.0, 0.0],
            _ => [0.0, -1.0],
        };
        let yaw = (tick * 3001 + number * 977) as u16;
        player.session.set_intent(IntentFields { move_x, move_y, yaw, buttons });
    }
}

fn ask(player: &mut Player, id: u32, verb: Verb, change: impl FnOnce(&mut CommandFields<'_>)) {
    let mut command = CommandFields { id: id.into(), verb, ..CommandFields::default() };
    change(&mut command);
    player.ask(command);
}

fn flat(config: &mut Config) {
    config.realm.players_max = PLAYERS as u32;
    config.world.land = LAND_FLAT.to_owned();
    (config.world.width_m, config.world.height_m) = (150.0, 150.0);
    config.world.creatures = 0;
    config.net.receive_buffer_bytes = 4 << 20;
}

/// One test, for the counter sees what runs beside it.
#[test]
fn the_steady_tick_does_not_allocate() {
    // The canary: the counter does count.
    assert!(count_during(|| drop(std::hint::black_box(vec![1u8]))) >= 1);

    // In peace: so sparse that avatars come into view and leave it all the time. A few talk, and those who stand near hear
    // them.
    on_both_backends(flat, |realm| {
        let mut players = players(realm, PLAYERS);
        let told = realm.counters().notice_told;
        let allocations = allocations_of(realm, &mut players, 200, |tick, players| {
            walk(tick, players, 0);
            let talker = &mut players[tick as usize % 40];
            ask(talker, tick, Verb::Say, |command| command.text = "an ordinary remark");
        });
        let told = realm.counters().notice_told - told;
        assert!(told > 2 * u64::from(COUNTED_TICKS), "answers, and what is heard");
        assert_eq!(allocations, 0, "in {COUNTED_TICKS} ticks of peace");
    });

    // At war: all stand in one crowd and strike, die and stand again; one after another talks, and pairs agree on a trade,
    // offer, and call it off. Events, notices and the channel's frames are all at their busiest. Lists that grow with the
    // fiercest fight so far have seen it in the warm ticks.
    on_both_backends(
        |config| {
            flat(config);
            (config.world.spawn, config.world.spawn_radius_m) = (SpawnChoice::Disc, 15.0);
            config.rules.respawn_s = 1.0;
        },
        |realm| {
            let mut players = players(realm, PLAYERS);
            let allocations = allocations_of(realm, &mut players, 600, |tick, players| {
                walk(tick, players, throng_game::buttons::STRIKE);
                let pair = |ticks_ago: u32| (tick + 20 - ticks_ago) as usize % 20 * 2;
                let id = tick * 5;
                ask(&mut players[pair(0)], id, Verb::Say, |command| command.text = "an ordinary remark");
                for (step, [who, with]) in [(1, [0, 1]), (2, [1, 0])] {
                    let other = players[pair(step) + with].own_id();
                    let asks = &mut players[pair(step) + who];
                    ask(asks, id + step, Verb::TradeOpen, |command| command.entity = other);
                }
                ask(&mut players[pair(3)], id + 3, Verb::TradeOffer, |command| command.money = 1);
                ask(&mut players[pair(4)], id + 4, Verb::TradeCancel, |_| {});
            });
            let counts = realm.counts().game;
            assert!(counts["avatars_died"] > 100 && counts["commands_done"] > 1000, "{counts:?}");
            assert_eq!(allocations, 0, "in {COUNTED_TICKS} ticks of war");
        },
    );
}
