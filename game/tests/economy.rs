//! The economy as the world uses it: operations take no memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use throng_game::*;

struct Counting;

thread_local! {
    /// Of this thread only: the test harness has others.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const POTION: ItemId = ItemId(1);
const PELT: ItemId = ItemId(2);

fn economy() -> Economy {
    let heal = Effect::Heal { points: 20 };
    let potion = Item { name: "potion".into(), stack_max: 20, price: 50, effect: heal };
    let pelt = Item { name: "pelt".into(), stack_max: 100, price: 10, effect: Effect::Nothing };
    let line = |item, stock_usual| LineConfig {
        item,
        stock_usual,
        stock_max: 200,
        restock_ticks: 1,
        restock_step: 200,
        ask_margin: 100,
        pay_margin: 300,
    };
    let config = EconomyConfig {
        accounts_max: 64,
        drops_max: 128,
        drop_ticks: 5,
        ask_ticks: 100,
        changes_max: 4096,
        start: Goods::new(1_000, &[(PELT, 5)]).unwrap(),
        shops: vec![vec![line(POTION, 50), line(PELT, 0)]],
    };
    Economy::new(Catalogue::new(vec![potion, pelt]).unwrap(), &config).unwrap()
}

/// A tick in which everybody does everything; how many operations did something.
fn tick(economy: &mut Economy, tick: u32, accounts: &[AccountId]) -> usize {
    let mut last = u128::from(tick) << 64;
    let mut id = || {
        last += 1;
        CommandId(last)
    };
    economy.begin_tick(tick);
    let shop = ShopId(0);
    let mut outcomes = [0; 16];
    let mut note = |outcome: Outcome| outcomes[outcome as usize] += 1;
    for pair in accounts.chunks_exact(2) {
        let (one, other) = (pair[0], pair[1]);
        note(economy.grant(one, &Goods::new(200, &[(PELT, 3)]).unwrap(), Source::Quest));
        note(economy.sell(one, id(), shop, PELT, 1, 0));
        note(economy.buy(one, id(), shop, POTION, 1, 55));
        note(economy.use_one(one, id(), POTION).0);
        note(economy.trade_open(one, id(), other));
        note(economy.trade_open(other, id(), one));
        note(economy.trade_offer(one, id(), PELT, 1, 0));
        note(economy.trade_offer(other, id(), MONEY, 0, 10));
        note(economy.trade_confirm(one, id(), 3));
        note(economy.trade_confirm(other, id(), 3));
        let (outcome, drop) = economy.drop(one, id(), PELT, 1);
        note(outcome);
        if let Some(drop) = drop {
            note(economy.pick_up(other, id(), drop));
        }
        note(economy.sell(other, id(), shop, PELT, 2, 0));
        economy.put_drop(&Goods::new(1, &[]).unwrap(), Source::Loot);
        economy.leave(other);
        // As much as it has gained, so that it never runs out.
        assert_eq!(economy.charge(other, 4), Outcome::Done);
        assert_eq!(economy.open(u64::from(other.0)), Some(other));
    }
    economy.end_tick().unwrap();
    assert!(economy.drain_changes().count() > 0);
    outcomes[Outcome::Done as usize]
}

#[test]
fn a_steady_tick_takes_no_memory() {
    let mut economy = economy();
    let accounts: Vec<AccountId> = (0..16).map(|character| economy.open(character).unwrap()).collect();
    tick(&mut economy, 1, &accounts);
    let before = ALLOCATIONS.get();
    let done: usize = (2..200).map(|number| tick(&mut economy, number, &accounts)).sum();
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!(done, 198 * 8 * 13, "everything did something");
    economy.audit().unwrap();
    assert!(ALLOCATIONS.get() > before, "the counter counts");
}

#[test]
fn two_economies_that_do_the_same_are_the_same() {
    let digest = |ticks: u32| {
        let mut economy = economy();
        let accounts: Vec<AccountId> = (0..8).map(|character| economy.open(character).unwrap()).collect();
        (1..=ticks).for_each(|number| _ = tick(&mut economy, number, &accounts));
        economy.digest()
    };
    assert_eq!(digest(40), digest(40));
    assert_ne!(digest(40), digest(41));
}
