//! Single cases that the driver reaches seldom or cannot judge.

use super::driver::{catalogue, config};
use crate::economy::limits::{ACCOUNT_STACKS_MAX, ANSWERS_MAX, GOODS_STACKS_MAX, PRICE_MAX, STACK_MAX};
use crate::economy::seeded::{Bug, Planted};
use crate::economy::*;
use crate::{CommandId, ItemId, Outcome, TradeState};

/// An economy with two accounts, and a source of ids.
fn pair(config: &EconomyConfig) -> (Economy, [AccountId; 2], impl FnMut() -> CommandId + use<>) {
    let mut economy = Economy::new(catalogue(), config).unwrap();
    let accounts = [economy.open(10).unwrap(), economy.open(11).unwrap()];
    let mut last = 0;
    let id = move || {
        last += 1;
        CommandId(last)
    };
    (economy, accounts, id)
}

fn goods(money: i64, items: impl IntoIterator<Item = u32>) -> Goods {
    let items: Vec<_> = items.into_iter().map(|item| (ItemId(item), 1)).collect();
    Goods::new(money, &items).unwrap()
}

fn empty() -> EconomyConfig {
    EconomyConfig { start: Goods::EMPTY, ..config() }
}

fn open_trade(economy: &mut Economy, [one, other]: [AccountId; 2], mut id: impl FnMut() -> CommandId) {
    assert_eq!(economy.trade_open(one, id(), other), Outcome::Done);
    assert_eq!(economy.trade_open(other, id(), one), Outcome::Done);
}

#[test]
fn an_account_outlives_its_player_and_a_character_has_one() {
    let (mut economy, [one, _], _) = pair(&config());
    economy.leave(one);
    assert_eq!(economy.open(10), Some(one));
    assert_eq!(economy.holdings(one).money(), 5_000, "a new character's money comes once");
    for character in 12..10 + u64::from(config().accounts_max) {
        assert!(economy.open(character).is_some());
    }
    assert_eq!(economy.open(99), None);
    assert_eq!(economy.balance(Book::NewCharacter, MONEY), -5_000 * i128::from(config().accounts_max));
    economy.audit().unwrap();
}

#[test]
fn the_oldest_answer_is_forgotten_after_exactly_as_many_as_are_kept() {
    let (mut economy, [one, _], mut id) = pair(&config());
    let first = id();
    assert_eq!(economy.use_one(one, first, ItemId(3)), (Outcome::Done, Some(Effect::Heal { points: 3 })));
    for _ in 1..ANSWERS_MAX {
        assert_eq!(economy.trade_cancel(one, id()), Outcome::Changed);
    }
    let before = economy.digest();
    assert_eq!(economy.use_one(one, first, ItemId(3)), (Outcome::Done, None), "known, and not done again");
    assert_eq!(economy.trade_cancel(one, first), Outcome::Done, "the first answer counts, whatever is asked");
    assert_eq!((economy.answered(one, first), economy.digest()), (Some(Outcome::Done), before));
    assert_eq!(economy.trade_cancel(one, id()), Outcome::Changed);
    assert_eq!(economy.answered(one, first), None);
    assert_eq!(economy.use_one(one, first, ItemId(3)).0, Outcome::Done);
    assert_eq!(economy.holdings(one).quantity(ItemId(3)), 2);
}

#[test]
fn a_refusal_by_the_caller_is_remembered_like_any_other() {
    let (mut economy, [one, _], mut id) = pair(&config());
    let far = id();
    assert_eq!(economy.refuse(one, far, Outcome::TooFar), Outcome::TooFar);
    assert_eq!(economy.use_one(one, far, ItemId(3)), (Outcome::TooFar, None));
    let used = id();
    economy.use_one(one, used, ItemId(3));
    assert_eq!(
        economy.refuse(one, used, Outcome::TooFar),
        Outcome::Done,
        "it was done before it was too far"
    );
    let hasty = id();
    assert_eq!(economy.refuse(one, hasty, Outcome::TooFast), Outcome::TooFast);
    assert_eq!(economy.use_one(one, hasty, ItemId(3)).0, Outcome::Done, "what may be tried again is");
    assert_eq!(economy.refuse(AccountId(u32::MAX), used, Outcome::TooFar), Outcome::Gone);
}

#[test]
fn without_room_to_tell_nothing_happens_and_a_retry_succeeds() {
    let (mut economy, [one, _], mut id) = pair(&EconomyConfig { changes_max: 0, ..config() });
    assert_eq!(economy.use_one(one, id(), ItemId(3)).0, Outcome::Done);
    let waits = id();
    assert_eq!(economy.use_one(one, waits, ItemId(3)), (Outcome::TooFast, None));
    assert_eq!(economy.grant(one, &goods(1, []), Source::Quest), Outcome::TooFast);
    assert_eq!(economy.charge(one, 1), Outcome::TooFast);
    assert_eq!(economy.drain_changes().count(), 1);
    assert_eq!(economy.use_one(one, waits, ItemId(3)).0, Outcome::Done);
}

#[test]
fn full_accounts_swap_all_that_a_trade_can_hold() {
    let (mut economy, both, mut id) = pair(&empty());
    let sides = [1..=ACCOUNT_STACKS_MAX as u32, 9..=8 + ACCOUNT_STACKS_MAX as u32];
    for (account, items) in both.into_iter().zip(sides.clone()) {
        for item in items {
            assert_eq!(economy.grant(account, &goods(0, [item]), Source::Quest), Outcome::Done);
        }
        assert_eq!(
            economy.grant(account, &goods(0, [40]), Source::Quest) == Outcome::Done,
            account == both[1]
        );
        economy.grant(account, &goods(MONEY_MAX, []), Source::Quest);
        assert_eq!(economy.grant(account, &goods(1, []), Source::Quest), Outcome::Full);
    }
    open_trade(&mut economy, both, &mut id);
    // The first gives 1 to 8, which the second lacks, the second 33 to 40, which the first lacks; money for money.
    for (account, items) in [(both[0], 1..=8), (both[1], 33..=40)] {
        for item in items {
            let quantity = economy.holdings(account).quantity(ItemId(item)).min(1);
            assert_eq!(economy.trade_offer(account, id(), ItemId(item), quantity, 0), Outcome::Done);
        }
        assert_eq!(economy.trade_offer(account, id(), MONEY, 0, MONEY_MAX), Outcome::Done);
        assert_eq!(economy.trade_offer(account, id(), ItemId(20), 1, 0), Outcome::Full, "eight are all");
        assert_eq!(economy.grant(account, &goods(1, []), Source::Quest), Outcome::Full, "its room is kept");
    }
    let (_, revision, mine, _) = economy.trade_of(both[0]).unwrap();
    assert_eq!(mine.stacks().len(), GOODS_STACKS_MAX);
    // The second keeps one 40, of two, so it has a stack too many.
    assert_eq!(economy.trade_confirm(both[0], id(), revision), Outcome::Done);
    assert_eq!(economy.trade_confirm(both[1], id(), revision), Outcome::Full);
    assert_eq!(
        economy.trade_confirm(both[0], id(), revision),
        Outcome::Changed,
        "agreed to by nobody any more"
    );
    assert_eq!(economy.drop(both[1], id(), ItemId(40), 1).0, Outcome::Done);
    for account in both {
        assert_eq!(economy.trade_confirm(account, id(), revision + 1), Outcome::Done);
    }
    assert_eq!(economy.holdings(both[0]).stacks()[0].item, ItemId(9));
    assert_eq!(economy.holdings(both[1]).stacks()[0].item, ItemId(1));
    assert!(both.iter().all(|&account| economy.holdings(account).money() == MONEY_MAX));
    economy.end_tick().unwrap();
    economy.audit().unwrap();
}

#[test]
fn whoever_leaves_cancels_and_both_have_all_back() {
    let (mut economy, both, mut id) = pair(&config());
    open_trade(&mut economy, both, &mut id);
    let before = both.map(|account| *economy.holdings(account));
    economy.trade_offer(both[0], id(), ItemId(3), 4, 0);
    economy.trade_offer(both[1], id(), MONEY, 0, 5_000);
    assert_eq!(economy.balance(Book::Escrow, MONEY), 5_000);
    economy.drain_changes();
    economy.leave(both[0]);
    let cancelled =
        |account, with| Change::Trade { account, with, revision: 3, state: TradeState::Cancelled };
    let changes: Vec<_> = economy.drain_changes().collect();
    assert!(changes.contains(&cancelled(both[0], both[1])) && changes.contains(&cancelled(both[1], both[0])));
    assert_eq!(both.map(|account| *economy.holdings(account)), before);
    assert_eq!(economy.trade_confirm(both[1], id(), 3), Outcome::Changed);
    assert_eq!(economy.trade_open(both[1], id(), both[0]), Outcome::Gone);
    economy.open(10);
    assert_eq!(economy.trade_open(both[1], id(), both[0]), Outcome::Done);
}

#[test]
fn a_question_that_waits_too_long_is_not_accepted_but_asked_back() {
    let (mut economy, [one, other], mut id) = pair(&config());
    economy.trade_open(one, id(), other);
    economy.begin_tick(config().ask_ticks + 1);
    assert_eq!(economy.trade_open(other, id(), one), Outcome::Done);
    assert_eq!(economy.trade_of(one), None);
    assert_eq!(economy.trade_open(one, id(), other), Outcome::Done);
    assert!(economy.trade_of(one).is_some());
}

#[test]
fn a_question_that_stands_is_told_once() {
    let (mut economy, [one, other], mut id) = pair(&config());
    let third = economy.open(12).unwrap();
    let mut told = |economy: &mut Economy, with| {
        assert_eq!(economy.trade_open(one, id(), with), Outcome::Done);
        economy.drain_changes().collect::<Vec<_>>()
    };
    let asked = |account| Change::Trade { account, with: one, revision: 0, state: TradeState::Asked };
    assert_eq!(told(&mut economy, other), [asked(other)]);
    economy.begin_tick(config().ask_ticks);
    assert_eq!(told(&mut economy, other), []);
    economy.begin_tick(config().ask_ticks + 1);
    assert_eq!(told(&mut economy, other), [asked(other)], "it stood no more");
    assert_eq!(told(&mut economy, third), [asked(third)]);
}

#[test]
fn a_sale_that_no_purse_can_hold_is_refused() {
    let line = config().shops[0][0];
    let dear = LineConfig { item: ItemId(39), stock_usual: 0, stock_max: STACK_MAX, pay_margin: 0, ..line };
    let (mut economy, [one, _], mut id) = pair(&EconomyConfig { shops: vec![vec![dear]], ..empty() });
    assert_eq!(economy.shop_lines(ShopId(0)).next().unwrap().pays, PRICE_MAX);
    economy.grant(one, &Goods::new(0, &[(ItemId(39), STACK_MAX)]).unwrap(), Source::Quest);
    assert_eq!(economy.sell(one, id(), ShopId(0), ItemId(39), STACK_MAX, 0), Outcome::Full);
    assert_eq!(economy.sell(one, id(), ShopId(0), ItemId(39), 1_000, i64::MAX), Outcome::Price);
    assert_eq!(economy.sell(one, id(), ShopId(0), ItemId(39), 1_000, 0), Outcome::Done);
    assert_eq!(economy.holdings(one).money(), MONEY_MAX);
    assert_eq!(economy.balance(Book::Purse, MONEY), -i128::from(MONEY_MAX));
}

#[test]
fn a_deal_tells_what_there_is_now_and_a_refusal_what_it_would_take() {
    let line = LineConfig {
        item: ItemId(7),
        stock_usual: 10,
        stock_max: 12,
        restock_ticks: 5,
        restock_step: 1,
        ask_margin: 100,
        pay_margin: 500,
    };
    let (mut economy, [one, _], mut id) = pair(&EconomyConfig { shops: vec![vec![line]], ..config() });
    let (item, shop) = (ItemId(7), ShopId(0));
    // One is worth 7; at the start there are 5,000 and two of it.
    let price = |stock| Change::Price { account: one, shop, item, asks: 8, pays: 3, stock };
    assert_eq!(economy.buy(one, id(), shop, item, 4, 31), Outcome::Price);
    assert_eq!(economy.drain_changes().collect::<Vec<_>>(), [price(10)]);
    assert_eq!(economy.buy(one, id(), shop, item, 4, 32), Outcome::Done);
    let now = |money, quantity| {
        [Change::Money { account: one, money }, Change::Item { account: one, item, quantity }]
    };
    let [money, have] = now(4_968, 6);
    assert_eq!(economy.drain_changes().collect::<Vec<_>>(), [money, have, price(6)]);
    economy.begin_tick(5);
    assert_eq!(economy.sell(one, id(), shop, item, 6, 19), Outcome::Price);
    assert_eq!(economy.sell(one, id(), shop, item, 6, 18), Outcome::Full, "7 and 6 are more than 12");
    economy.drain_changes();
    assert_eq!(economy.sell(one, id(), shop, item, 5, 15), Outcome::Done);
    let [money, have] = now(4_983, 1);
    assert_eq!(economy.drain_changes().collect::<Vec<_>>(), [money, have, price(12)]);
    economy.begin_tick(10);
    assert_eq!(economy.shop_lines(shop).next().unwrap().stock, 11, "it drifts back");
    assert_eq!(economy.balance(Book::Spoiled, item), 1);
    economy.end_tick().unwrap();
}

#[test]
fn no_shop_pays_more_than_another_asks() {
    let economy = Economy::new(catalogue(), &config()).unwrap();
    let lines: Vec<Line> = (0..3).flat_map(|shop| economy.shop_lines(ShopId(shop)).copied()).collect();
    let mut pairs = 0;
    for one in &lines {
        for other in lines.iter().filter(|other| other.item == one.item) {
            pairs += usize::from(one != other);
            assert!(one.pays <= other.asks, "{one:?} {other:?}");
        }
    }
    assert!(pairs > 20);
}

#[test]
fn what_expires_is_told_and_booked() {
    let (mut economy, [one, _], mut id) = pair(&empty());
    let drop = economy.put_drop(&goods(30, [1, 2]), Source::Loot).unwrap();
    assert_eq!(DropId::from_bits(drop.to_bits()), drop);
    economy.begin_tick(config().drop_ticks - 1);
    assert_eq!(economy.drop_goods(drop), Some(&goods(30, [1, 2])));
    economy.begin_tick(config().drop_ticks);
    assert_eq!(economy.drain_changes().collect::<Vec<_>>(), [Change::DropGone { drop }]);
    assert_eq!(economy.pick_up(one, id(), drop), Outcome::Gone);
    assert_eq!((economy.balance(Book::Loot, MONEY), economy.balance(Book::Expired, MONEY)), (-30, 30));
    economy.end_tick().unwrap();
}

#[test]
fn a_failed_check_fails_for_ever() {
    let (mut economy, [one, _], mut id) = pair(&config());
    economy.planted = Planted::always(Bug::ForgetDebit);
    economy.use_one(one, id(), ItemId(3));
    economy.planted = Planted::default();
    let fault = economy.end_tick().unwrap_err();
    assert_eq!((economy.end_tick(), economy.audit()), (Err(fault), Err(fault)));
    assert!(fault.to_string().contains("ItemId(3)"), "{fault}");
}

#[test]
fn a_digest_is_the_same_for_the_same_and_tells_all_else_apart() {
    let (mut economy, both, mut id) = pair(&config());
    let (mut twin, _, _) = pair(&config());
    assert_eq!(economy.digest(), twin.digest());
    let mut seen = vec![economy.digest()];
    economy.trade_open(both[0], id(), both[1]);
    seen.push(economy.digest());
    economy.trade_open(both[1], id(), both[0]);
    seen.push(economy.digest());
    economy.trade_offer(both[0], id(), MONEY, 0, 1);
    seen.push(economy.digest());
    economy.trade_confirm(both[1], id(), 2);
    seen.push(economy.digest());
    economy.put_drop(&goods(1, []), Source::Loot);
    seen.push(economy.digest());
    economy.refuse(both[0], id(), Outcome::Gone);
    seen.push(economy.digest());
    economy.begin_tick(1);
    seen.push(economy.digest());
    economy.leave(both[1]);
    seen.push(economy.digest());
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
    twin.begin_tick(1);
    assert_ne!(economy.digest(), twin.digest());
}

#[test]
fn impossible_economies_are_refused_with_what_is_wrong() {
    let refused = |change: fn(&mut EconomyConfig)| {
        let mut config = config();
        change(&mut config);
        Economy::new(catalogue(), &config).unwrap_err().to_string()
    };
    assert!(refused(|config| config.accounts_max = u32::MAX).contains("accounts are more than 1048576"));
    assert!(refused(|config| config.drops_max = u32::MAX).contains("drops are more than 65536"));
    assert!(refused(|config| config.shops = vec![Vec::new(); 5_000]).contains("5000 shops are more than"));
    assert!(refused(|config| config.start = goods(0, [41])).contains("new character"));
    assert!(refused(|config| config.shops[1][2].item = ItemId(0)).contains("shop 1 cannot deal in item 0"));
    assert!(refused(|config| config.shops[1][2].pay_margin = 1001).contains("less than nothing"));
    assert!(refused(|config| config.shops[1][2].stock_usual = u32::MAX).contains("above stock_max"));
    assert!(refused(|config| config.shops[1][2].restock_ticks = 0).contains("takes a tick"));
    let mut twice = config();
    twice.shops[0][1] = twice.shops[0][0];
    assert!(Economy::new(catalogue(), &twice).unwrap_err().to_string().contains("two lines"));
    let mut items: Vec<Item> = catalogue().iter().map(|(_, item)| item.clone()).collect();
    items[4].price = -1;
    assert!(Catalogue::new(items).unwrap_err().to_string().contains("item 5 (item 5)"));
}
