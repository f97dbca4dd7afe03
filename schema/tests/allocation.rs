//! Reading and writing allocate nothing, above all when the bytes are bad.
#![allow(missing_docs)]

mod common;

use common::{Random, command, notice, rich_snapshot, seed};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use throng_schema::*;

/// Counts this thread's allocations: the test harness has threads of its own.
struct Counting;

thread_local!(static COUNT: Cell<usize> = const { Cell::new(0) });

// SAFETY: every call goes to the system allocator unchanged; the counter is a plain cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn readers_and_all_writers_but_that_of_hellos_never_allocate() {
    let mut input = [0; INPUT_BYTES];
    let intent = IntentFields { move_x: 0.5, move_y: -0.5, yaw: 1, buttons: 2 };
    assert_eq!(allocations(|| write_input(&mut input, 5, 6, 4, &[intent; INTENTS_SENT])), 0);
    let mut out = [0; 512];
    let told =
        NoticeFields { told: wire::Told::Said, text: "well met", name: "Ann", ..NoticeFields::default() };
    assert_eq!(allocations(|| assert!(write_notice(&mut out, &told).is_some())), 0);
    let asked = CommandFields { verb: wire::Verb::Say, text: "well met", ..CommandFields::default() };
    assert_eq!(allocations(|| assert!(write_command(&mut out, &asked).is_some())), 0);

    let mut random = Random(seed(2));
    let mut refused = 0_usize;
    for message in [write_hello(SCHEMA_VERSION, "Ann"), input.to_vec(), rich_snapshot(), command(), notice()]
    {
        let mut mutant = message.clone();
        let read = |bytes: &[u8]| {
            let mut refused = 0;
            refused += usize::from(read_hello(bytes).map(|h| check_hello(&h).is_err()).unwrap_or(true));
            refused += usize::from(read_input(bytes).map(|i| check_input(&i).is_err()).unwrap_or(true));
            refused += usize::from(read_snapshot(bytes).is_err());
            refused += usize::from(read_command(bytes).map(|c| check_command(&c).is_err()).unwrap_or(true));
            refused += usize::from(read_notice(bytes).map(|n| check_notice(&n).is_err()).unwrap_or(true));
            refused += usize::from(decode_input(bytes).is_err()) + usize::from(peek_snapshot(bytes).is_err());
            refused
        };
        for round in 0..4_000 {
            mutant.copy_from_slice(&message);
            for _ in 0..round % 4 {
                let at = 4 + random.below(mutant.len() - 4);
                mutant[at] = random.word() as u8;
            }
            assert_eq!(allocations(|| refused += read(&mutant)), 0);
        }
        for len in 0..message.len() {
            assert_eq!(allocations(|| refused += read(&message[..len])), 0);
        }
    }
    assert!(refused > 10_000, "only {refused} were refused");
    // The canary: the counter counts.
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))), 1);
}
