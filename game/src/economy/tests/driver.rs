//! Random operations by a few accounts, honest and hostile, each delivered one to five times at random points, with the
//! oracles that must notice whatever goes wrong.

use super::model::{Act, Amounts, ITEMS, Model, amounts};
use crate::TradeState;
use crate::economy::limits::{ANSWERS_MAX, PRICE_MAX};
use crate::economy::seeded::Planted;
use crate::economy::*;
use throng_engine::Random;

const ACCOUNTS: u32 = 16;
/// Operations that wait to be delivered again. Some wait for longer than their account's memory reaches.
const WAITING_MAX: usize = 1024;

/// Who noticed, and what.
#[derive(Debug)]
#[allow(dead_code, reason = "printed when a test fails")]
pub enum Caught {
    /// The check at the end of a tick.
    Tick(Imbalance),
    /// The audit.
    Audit(Imbalance),
    /// What players were told is not what is.
    Told(u32),
    /// The model.
    Model(String),
}

#[derive(Clone, Copy)]
struct Waiting {
    account: u32,
    id: CommandId,
    act: Act,
    left: u32,
    /// What came of it first, and how many operations its account had made with it.
    first: Option<(u64, Outcome)>,
}

pub struct Driver {
    economy: Economy,
    /// `None` leaves everything to the ledger.
    model: Option<Model>,
    random: Random,
    waiting: Vec<Waiting>,
    /// Operations remembered so far, by account.
    remembered: [u64; ACCOUNTS as usize],
    /// Drops of late, there or not.
    drops: [DropId; 16],
    /// What each account was told that it has.
    told: Vec<Amounts>,
    /// What each was told of its trade: with whom, at which revision, what the other offers.
    told_trades: Vec<Option<(AccountId, u32, Amounts)>>,
    audit_ticks: u32,
    tick: u32,
    /// Outcomes seen, by number.
    pub outcomes: [u64; 16],
    pub repeats: u64,
    pub trades_done: u64,
}

pub fn catalogue() -> Catalogue {
    let item = |number: usize| Item {
        name: format!("item {number}"),
        stack_max: [3, 20, 500, limits::STACK_MAX][number % 4],
        price: [0, 1, 7, 999, PRICE_MAX][number % 5],
        effect: if number.is_multiple_of(3) {
            Effect::Heal { points: number as u32 }
        } else {
            Effect::Nothing
        },
    };
    Catalogue::new((1..=ITEMS).map(item).collect()).unwrap()
}

pub fn config() -> EconomyConfig {
    let line = |shop: u32, item: u32| LineConfig {
        item: ItemId(item),
        stock_usual: [0, 5, 40][(item % 3) as usize],
        stock_max: [60, limits::STACK_MAX][(item % 2) as usize],
        restock_ticks: 3 + item % 5,
        restock_step: 1 + shop,
        ask_margin: [0, 1, 333, u16::MAX][((item + shop) % 4) as usize],
        pay_margin: [0, 1, 250, 1000][((item / 4 + shop) % 4) as usize],
    };
    let shop =
        |shop: u32| (1..=ITEMS as u32).filter(|item| item % 3 != shop).map(|item| line(shop, item)).collect();
    EconomyConfig {
        accounts_max: ACCOUNTS,
        drops_max: 24,
        drop_ticks: 12,
        ask_ticks: 4,
        changes_max: 1 << 14,
        start: Goods::new(5_000, &[(ItemId(3), 4), (ItemId(7), 2)]).unwrap(),
        shops: (0..3).map(shop).collect(),
    }
}

impl Driver {
    pub fn new(seed: u64, planted: Planted, has_model: bool, audit_ticks: u32) -> Self {
        let (catalogue, config) = (catalogue(), config());
        let model = has_model.then(|| Model::new(&catalogue, &config, ACCOUNTS as usize));
        let mut economy = Economy::new(catalogue, &config).unwrap();
        for character in 0..u64::from(ACCOUNTS) {
            economy.open(character).unwrap();
        }
        economy.planted = planted;
        Self {
            told: (0..ACCOUNTS).map(|account| amounts(economy.holdings(AccountId(account)))).collect(),
            told_trades: vec![None; ACCOUNTS as usize],
            economy,
            model,
            random: Random::of_tick(seed, 0, 0),
            waiting: Vec::with_capacity(WAITING_MAX),
            remembered: [0; ACCOUNTS as usize],
            drops: [DropId::from_bits(0); 16],
            audit_ticks,
            tick: 0,
            outcomes: [0; 16],
            repeats: 0,
            trades_done: 0,
        }
    }

    /// Delivers so many operations; what was noticed on the way.
    pub fn run(&mut self, operations: u64) -> Result<(), Caught> {
        let mut left_in_tick = 0;
        for _ in 0..operations {
            if left_in_tick == 0 {
                self.next_tick()?;
                left_in_tick = 1 + self.random.below(128);
            }
            left_in_tick -= 1;
            self.deliver()?;
        }
        self.next_tick()
    }

    fn one_in(&mut self, bound: u32) -> bool {
        self.random.below(bound) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len() as u32) as usize]
    }

    fn number(&mut self) -> u32 {
        if self.one_in(16) {
            return self.pick(&[0, u32::MAX, u32::MAX - 1, 1 << 31, limits::STACK_MAX, 1_000]);
        }
        1 + self.random.below(6)
    }

    fn money(&mut self) -> i64 {
        if self.one_in(8) {
            return self.pick(&[0, -1, i64::MIN, i64::MAX, MONEY_MAX, MONEY_MAX + 1]);
        }
        i64::from(self.random.below(2_000))
    }

    fn item(&mut self, account: u32) -> ItemId {
        let stacks = self.economy.holdings(AccountId(account)).stacks();
        let count = stacks.len() as u32;
        match self.random.below(16) {
            0 => self.pick(&[ItemId(0), ItemId(ITEMS as u32 + 1), ItemId(u32::MAX)]),
            1..=9 if count > 0 => {
                let place = self.random.below(count) as usize;
                self.economy.holdings(AccountId(account)).stacks()[place].item
            }
            _ => ItemId(1 + self.random.below(ITEMS as u32)),
        }
    }

    fn goods(&mut self) -> Goods {
        let money = if self.one_in(64) { MONEY_MAX / 4 } else { i64::from(self.random.below(500)) };
        let mut items = [(ItemId(0), 0); 3];
        for item in &mut items {
            *item = (ItemId(1 + self.random.below(ITEMS as u32)), self.random.below(4));
        }
        if self.one_in(16) {
            items[0] = self.pick(&[(ItemId(ITEMS as u32 + 1), 1), (ItemId(4), u32::MAX), (ItemId(8), 3)]);
        }
        Goods::new(money, &items).unwrap_or_default()
    }

    fn act(&mut self, account: u32) -> Act {
        let trade = self.economy.trade_of(AccountId(account)).map(|(_, revision, ..)| revision);
        match self.random.below(if trade.is_some() { 32 } else { 18 }) {
            0..=3 => {
                let (item, quantity) = (self.item(account), self.number());
                let money = if self.one_in(3) { self.money() } else { i64::MAX };
                Act::Buy { shop: self.random.below(4), item, quantity, money }
            }
            4..=5 => {
                let (item, quantity) = (self.item(account), self.number());
                let money = if self.one_in(3) { self.money() } else { 0 };
                Act::Sell { shop: self.random.below(4), item, quantity, money }
            }
            6..=9 => Act::PickUp {
                drop: if self.one_in(32) {
                    DropId::from_bits(u64::from(self.number()) << 32 | u64::from(self.number()))
                } else {
                    let drops = self.drops;
                    self.pick(&drops)
                },
            },
            10..=11 => Act::Drop { item: self.item(account), quantity: self.number() },
            12 => Act::Use { item: self.item(account) },
            13..=16 => Act::Open {
                // Mostly the neighbour, so that the two find each other.
                with: match self.random.below(8) {
                    0 => account,
                    1 => self.pick(&[ACCOUNTS, u32::MAX]),
                    2 => self.random.below(ACCOUNTS),
                    _ => account ^ 1,
                },
            },
            18..=24 => {
                let (mut item, quantity) = (self.item(account), self.random.below(8));
                let quantity = if self.one_in(16) { self.number() } else { quantity };
                if self.one_in(4) {
                    item = MONEY;
                }
                Act::Offer { item, quantity, money: self.money() }
            }
            25..=31 => {
                let revision = trade.unwrap_or(1);
                Act::Confirm { revision: if self.one_in(6) { revision.wrapping_sub(1) } else { revision } }
            }
            _ => Act::Cancel,
        }
    }

    fn deliver(&mut self) -> Result<(), Caught> {
        let is_again = self.waiting.len() >= WAITING_MAX || (!self.waiting.is_empty() && !self.one_in(3));
        if is_again {
            let place = self.random.below(self.waiting.len() as u32) as usize;
            let mut waiting = self.waiting[place];
            if self.one_in(4) {
                waiting.act = self.act(waiting.account);
            }
            self.carry_out(&mut waiting)?;
            waiting.left -= 1;
            if waiting.left == 0 {
                self.waiting.swap_remove(place);
            } else {
                self.waiting[place] = waiting;
            }
            return Ok(());
        }
        let account =
            if self.one_in(64) { self.pick(&[ACCOUNTS, u32::MAX]) } else { self.random.below(ACCOUNTS) };
        let draw = |random: &mut Random| u128::from(random.next_u32());
        let id = draw(&mut self.random) << 96 | draw(&mut self.random) << 32 | draw(&mut self.random);
        let id = CommandId(if self.one_in(64) { 0 } else { id });
        let left = self.random.below(5);
        let mut new = Waiting { account, id, act: self.act(account), left, first: None };
        self.carry_out(&mut new)?;
        if left > 0 {
            self.waiting.push(new);
        }
        Ok(())
    }

    fn call(&mut self, account: AccountId, id: CommandId, act: Act) -> (Outcome, Option<DropId>) {
        let economy = &mut self.economy;
        let outcome = match act {
            Act::Buy { shop, item, quantity, money } => {
                economy.buy(account, id, ShopId(shop), item, quantity, money)
            }
            Act::Sell { shop, item, quantity, money } => {
                economy.sell(account, id, ShopId(shop), item, quantity, money)
            }
            Act::PickUp { drop } => economy.pick_up(account, id, drop),
            Act::Drop { item, quantity } => return economy.drop(account, id, item, quantity),
            Act::Use { item } => economy.use_one(account, id, item).0,
            Act::Open { with } => economy.trade_open(account, id, AccountId(with)),
            Act::Offer { item, quantity, money } => economy.trade_offer(account, id, item, quantity, money),
            Act::Confirm { revision } => economy.trade_confirm(account, id, revision),
            Act::Cancel => economy.trade_cancel(account, id),
        };
        (outcome, None)
    }

    fn carry_out(&mut self, waiting: &mut Waiting) -> Result<(), Caught> {
        let Waiting { account, id, act, first, .. } = *waiting;
        let before = (self.economy.transfers(), self.economy.changes.len());
        let (outcome, drop) = self.call(AccountId(account), id, act);
        if let Some(drop) = drop {
            self.note_drop(drop);
        }
        self.outcomes[outcome as usize] += 1;
        let Some(model) = &mut self.model else { return Ok(()) };
        let is_changed = drop.is_some() || before != (self.economy.transfers(), self.economy.changes.len());
        let remembered = self.remembered.get_mut(account as usize);
        let expected = match (remembered, first) {
            (None, _) => Outcome::Gone,
            _ if id == CommandId(0) => Outcome::Malformed,
            (Some(count), Some((at, outcome))) if *count - at < ANSWERS_MAX as u64 => {
                self.repeats += 1;
                if is_changed {
                    return Err(Caught::Model(format!("a repeat of {act:?} by {account} had an effect")));
                }
                outcome
            }
            (Some(count), _) => {
                *count += 1;
                let outcome = model.act(account as usize, act, drop);
                waiting.first = Some((*count, outcome));
                outcome
            }
        };
        if outcome != expected {
            return Err(Caught::Model(format!("{act:?} by {account}: {outcome:?} instead of {expected:?}")));
        }
        if is_changed {
            self.compare(account, act)?;
        }
        Ok(())
    }

    /// The account, and whoever it trades with, against the model.
    fn compare(&self, account: u32, act: Act) -> Result<(), Caught> {
        let Some(model) = &self.model else { return Ok(()) };
        let Some(member) = model.members.get(account as usize) else { return Ok(()) };
        let id = AccountId(account);
        let is_alike = match (self.economy.trade_of(id), member.partner) {
            (None, None) => true,
            (Some((with, revision, mine, theirs)), Some(partner)) => {
                with.0 as usize == partner
                    && revision == member.revision
                    && amounts(mine) == member.offer
                    && amounts(theirs) == model.members[partner].offer
                    && amounts(self.economy.holdings(with)) == model.members[partner].have
            }
            _ => false,
        };
        if is_alike && amounts(self.economy.holdings(id)) == member.have {
            return Ok(());
        }
        Err(Caught::Model(format!("{account} is not as it should be after {act:?}")))
    }

    fn note_drop(&mut self, drop: DropId) {
        let place = self.random.below(self.drops.len() as u32) as usize;
        self.drops[place] = drop;
    }

    fn next_tick(&mut self) -> Result<(), Caught> {
        self.economy.end_tick().map_err(Caught::Tick)?;
        for change in self.economy.changes.drain(..) {
            match change {
                Change::Money { account, money } => self.told[account.row()][0] = money,
                Change::Item { account, item, quantity } => {
                    self.told[account.row()][item.0 as usize] = i64::from(quantity);
                }
                Change::Offer { account, with, revision, item, quantity, money } => {
                    let told = &mut self.told_trades[account.row()];
                    let mut offer = told.map_or([0; ITEMS + 1], |(.., offer)| offer);
                    offer[item.0 as usize] = if item == MONEY { money } else { i64::from(quantity) };
                    *told = Some((with, revision, offer));
                }
                Change::Trade { account, with, revision, state } => {
                    let told = &mut self.told_trades[account.row()];
                    let of_it = told.filter(|&(partner, ..)| partner == with);
                    *told = match state {
                        TradeState::Open if revision == 1 => Some((with, 1, [0; ITEMS + 1])),
                        TradeState::Open => of_it.map(|(.., offer)| (with, revision, offer)),
                        // An ask or its end, from whomever, is none of the trade's business.
                        _ if revision == 0 => *told,
                        TradeState::Done | TradeState::Cancelled => None,
                        _ => *told,
                    };
                    self.trades_done += u64::from(state == TradeState::Done);
                }
                _ => {}
            }
        }
        let account = self.random.below(ACCOUNTS);
        let id = AccountId(account);
        let trade =
            self.economy.trade_of(id).map(|(with, revision, _, theirs)| (with, revision, amounts(theirs)));
        let is_told = self.told[id.row()] == amounts(self.economy.holdings(id));
        if !is_told || self.told_trades[id.row()] != trade {
            return Err(Caught::Told(account));
        }
        if self.tick.is_multiple_of(self.audit_ticks) {
            self.economy.audit().map_err(Caught::Audit)?;
        }
        self.tick += 1;
        self.economy.begin_tick(self.tick);
        if let Some(model) = &mut self.model {
            model.begin_tick(self.tick);
        }
        self.happen()
    }

    /// What the world itself does to accounts in a tick.
    fn happen(&mut self) -> Result<(), Caught> {
        for _ in 0..2 {
            let goods = self.goods();
            let drop = self.economy.put_drop(&goods, Source::Loot);
            let is_right =
                self.model.as_mut().is_none_or(|model| model.put_drop(&goods, drop) == drop.is_some());
            if !is_right {
                return Err(Caught::Model(format!("{goods:?} laid down as {drop:?}")));
            }
            if let Some(drop) = drop {
                self.note_drop(drop);
            }
        }
        let (who, goods, money) = (self.random.below(ACCOUNTS) as usize, self.goods(), self.money());
        let account = AccountId(who as u32);
        let what = self.random.below(8);
        let (outcome, expected) = match what {
            0 => {
                self.economy.leave(account);
                (
                    Outcome::Done,
                    self.model.as_mut().map(|model| model.set_present(who, false)).map(|()| Outcome::Done),
                )
            }
            1 => {
                let stopped = self.economy.stop_trading(account);
                let outcome = |stopped| if stopped { Outcome::Done } else { Outcome::Changed };
                (outcome(stopped), self.model.as_mut().map(|model| outcome(model.stop_trading(who))))
            }
            2 => (
                self.economy.grant(account, &goods, Source::Quest),
                self.model.as_mut().map(|model| model.grant(who, &goods)),
            ),
            3 => {
                // Whoever is rich pays half of it, or nobody would ever lack money.
                let half = self.economy.holdings(account).money() / 2;
                let money = if half > 20_000 { half } else { money };
                (
                    self.economy.charge(account, money),
                    self.model.as_mut().map(|model| model.charge(who, money)),
                )
            }
            _ => {
                assert_eq!(self.economy.open(who as u64), Some(account));
                (
                    Outcome::Done,
                    self.model.as_mut().map(|model| model.set_present(who, true)).map(|()| Outcome::Done),
                )
            }
        };
        if expected.is_some_and(|expected| expected != outcome) {
            return Err(Caught::Model(format!(
                "world's act {what} on {who}: {outcome:?} instead of {expected:?}"
            )));
        }
        self.compare(who as u32, Act::Cancel)
    }
}
