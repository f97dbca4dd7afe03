//! Everything of value: money, items, shops, what lies on the ground, trades. It knows no places and no entities: whoever
//! calls it has checked who stands where.
//!
//! ```text
//!               Loot, Quest, NewCharacter            Used, Fee
//!                  │             │                       ▲
//!          put_drop│             │grant, open            │use_one, charge
//!                  ▼             ▼                       │
//!   Expired ◄─── DROP ──pick_up─► PLAYER ────────────────┘
//!   begin_tick    ▲  ◄───drop──── │  ▲ ▲ │
//!                 └───────────────┘  │ │ └─trade_offer─► ESCROW ─┐ both trade_confirm: to the other
//!                          buy, sell │ └─────────────────────────┘ trade_cancel, stop_trading: back
//!                   items ┌──────────┤
//!                         ▼          └─ money ─► Purse
//!          Restock ───► SHOP ───► Spoiled                      CAPITALS hold, the others are outside
//! ```
//!
//! Each arrow is a [transfer](Economy::transfer) between two books of the [ledger](ledger), and nothing else changes what
//! anybody holds. A tick is [`Economy::begin_tick`], operations, [`Economy::end_tick`], which fails when value was made
//! or lost; then [`Economy::drain_changes`] says whom to tell what. [`Economy::audit`] counts everything anew.
//!
//! **Commands take effect at most once.** Each carries a [`CommandId`]; the outcomes of the last
//! [`ANSWERS_MAX`](limits::ANSWERS_MAX) of an account are remembered, refusals too. A repeat gets the first outcome,
//! whatever its other fields say by now. The caller asks [`Economy::answered`] before it looks at places (what a repeat
//! names may be gone because of the first), and has its own refusals remembered with [`Economy::refuse`].
//!
//! Memory is reserved when the economy is made; operations take none but a first [`Economy::open`].

mod account;
mod catalogue;
mod change;
mod goods;
mod ground;
mod ledger;
mod limits;
mod seeded;
mod shop;
#[cfg(test)]
mod tests;
mod trade;

pub use account::{AccountId, Holdings};
pub use catalogue::{Catalogue, EconomyError, Effect, Item};
pub use change::Change;
pub use goods::{Goods, MONEY, Stack};
pub use ground::DropId;
pub use ledger::{Book, Imbalance, Source};
pub use limits::MONEY_MAX;
pub use shop::{Line, LineConfig, ShopId};

use crate::{CommandId, ItemId, Outcome};
use account::Account;
use ground::Ground;
use ledger::{HOLDERS, Ledger};
use limits::{ACCOUNT_STACKS_MAX, ACCOUNTS_MAX, CHANGES_PER_OPERATION_MAX, DROPS_MAX};
use seeded::seeded;
use shop::Shop;
use std::collections::BTreeMap;
use throng_engine::Digest;
use trade::Trade;

/// What an economy is made with.
#[derive(Clone, Debug)]
pub struct EconomyConfig {
    /// Most characters that ever come, 1.5 KiB each.
    pub accounts_max: u32,
    /// Most drops on the ground at once.
    pub drops_max: u32,
    /// How long a drop lies, ticks.
    pub drop_ticks: u32,
    /// How long a player who was asked to trade has to answer, ticks.
    pub ask_ticks: u32,
    /// Room for changes between two drains. When it is used up, operations are refused as
    /// [`TooFast`](Outcome::TooFast), to be tried again.
    pub changes_max: u32,
    /// What a character has at first.
    pub start: Goods,
    /// What each shop deals in.
    pub shops: Vec<Vec<LineConfig>>,
}

/// Where value is.
#[derive(Clone, Copy, Debug)]
enum Holder {
    Player(AccountId),
    /// Shop and row.
    Shop(u32, u32),
    /// Place on the ground.
    Heap(u32),
    /// Trade and side.
    Offer(u32, u8),
    Outside(Book),
}

impl Holder {
    fn book(self) -> Book {
        match self {
            Self::Player(_) => Book::Player,
            Self::Shop(..) => Book::Shop,
            Self::Heap(_) => Book::Drop,
            Self::Offer(..) => Book::Escrow,
            Self::Outside(book) => book,
        }
    }
}

/// All that is of value in a world.
#[derive(Debug)]
pub struct Economy {
    catalogue: Catalogue,
    start: Goods,
    drop_ticks: u32,
    ask_ticks: u32,
    accounts_max: usize,
    changes_max: usize,
    tick: u32,
    accounts: Vec<Account>,
    by_character: BTreeMap<u64, AccountId>,
    shops: Vec<Shop>,
    ground: Ground,
    trades: Vec<Trade>,
    free_trades: Vec<u32>,
    ledger: Ledger,
    changes: Vec<Change>,
    #[cfg(test)]
    bug: Option<seeded::Bug>,
}

impl Economy {
    /// An economy with stocked shops and no accounts, at tick 0.
    ///
    /// # Errors
    /// When the config is impossible.
    pub fn new(catalogue: Catalogue, config: &EconomyConfig) -> Result<Self, EconomyError> {
        EconomyError::check_count("accounts", config.accounts_max as usize, ACCOUNTS_MAX as usize)?;
        EconomyError::check_count("drops", config.drops_max as usize, DROPS_MAX as usize)?;
        let accounts_max = config.accounts_max as usize;
        let changes_max = (config.changes_max as usize).max(CHANGES_PER_OPERATION_MAX);
        let mut economy = Self {
            start: config.start,
            drop_ticks: config.drop_ticks,
            ask_ticks: config.ask_ticks,
            accounts_max,
            changes_max,
            tick: 0,
            accounts: Vec::with_capacity(accounts_max),
            by_character: BTreeMap::new(),
            shops: Vec::with_capacity(config.shops.len()),
            ground: Ground::new(config.drops_max),
            trades: Vec::with_capacity(accounts_max / 2),
            free_trades: Vec::with_capacity(accounts_max / 2),
            ledger: Ledger::new(catalogue.len()),
            changes: Vec::with_capacity(changes_max),
            catalogue,
            #[cfg(test)]
            bug: None,
        };
        if !economy.is_holdable(&economy.start) {
            return Err(EconomyError::Start);
        }
        economy.open_shops(&config.shops)?;
        Ok(economy)
    }

    /// What can be owned.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The account of a character who is there from now on; made, with a new character's goods, at the first time.
    /// `None` when there are as many accounts as there may be.
    pub fn open(&mut self, character: u64) -> Option<AccountId> {
        if let Some(&id) = self.by_character.get(&character) {
            self.accounts[id.row()].is_present = true;
            return Some(id);
        }
        if self.accounts.len() >= self.accounts_max {
            return None;
        }
        let id = AccountId(self.accounts.len() as u32);
        self.accounts.push(Account::new(character));
        self.by_character.insert(character, id);
        let start = self.start;
        self.transfer_all(Holder::Outside(Book::NewCharacter), Holder::Player(id), &start);
        Some(id)
    }

    /// The character is no longer there: its trade is cancelled, its account stays.
    pub fn leave(&mut self, account: AccountId) {
        if let Some(row) = self.accounts.get_mut(account.row()) {
            row.is_present = false;
            if !seeded!(self, LeaverStays) {
                self.stop_trading(account);
            }
        }
    }

    /// What an account can spend: what it has offered in a trade is not among it. Empty for an unknown one.
    pub fn holdings(&self, account: AccountId) -> &Holdings {
        self.accounts.get(account.row()).map_or(&Holdings::EMPTY, |account| &account.goods)
    }

    /// What became of a command that was carried out, or refused, before.
    pub fn answered(&self, account: AccountId, id: CommandId) -> Option<Outcome> {
        self.accounts.get(account.row())?.answers.find(id)
    }

    /// Has a refusal by the caller remembered, like those of the economy itself; what was remembered before counts.
    pub fn refuse(&mut self, account: AccountId, id: CommandId, outcome: Outcome) -> Outcome {
        self.once(account, id, |_| outcome)
    }

    /// Gives what the world rewards: all of it, or nothing when it does not fit ([`Full`](Outcome::Full)).
    pub fn grant(&mut self, account: AccountId, goods: &Goods, source: Source) -> Outcome {
        if account.row() >= self.accounts.len() {
            return Outcome::Gone;
        }
        if !self.is_holdable(goods) {
            return Outcome::Malformed;
        }
        if !self.can_tell() {
            return Outcome::TooFast;
        }
        if !self.fits(account, goods, false) {
            return Outcome::Full;
        }
        self.transfer_all(Holder::Outside(source.into()), Holder::Player(account), goods);
        for (what, _) in goods.amounts() {
            self.tell_amount(account, what);
        }
        Outcome::Done
    }

    /// Takes a fee, minor units, or nothing when there is too little.
    pub fn charge(&mut self, account: AccountId, money: i64) -> Outcome {
        let Some(row) = self.accounts.get(account.row()) else { return Outcome::Gone };
        if money < 0 {
            return Outcome::Malformed;
        }
        if !self.can_tell() {
            return Outcome::TooFast;
        }
        if row.goods.money() < money {
            return Outcome::NotEnoughMoney;
        }
        self.transfer(Holder::Player(account), Holder::Outside(Book::Fee), MONEY, money);
        self.tell_amount(account, MONEY);
        Outcome::Done
    }

    /// Uses one up. What that does comes back once, for the caller to do; a repeat has none.
    pub fn use_one(&mut self, account: AccountId, id: CommandId, item: ItemId) -> (Outcome, Option<Effect>) {
        let mut done = None;
        let outcome = self.once(account, id, |economy| {
            let Some(effect) = economy.catalogue.get(item).map(|item| item.effect) else {
                return Outcome::Malformed;
            };
            if effect == Effect::Nothing {
                return Outcome::NotAllowed;
            }
            if economy.accounts[account.row()].goods.quantity(item) == 0 {
                return Outcome::NotEnoughItems;
            }
            economy.transfer(Holder::Player(account), Holder::Outside(Book::Used), item, 1);
            economy.tell_amount(account, item);
            done = Some(effect);
            Outcome::Done
        });
        (outcome, done)
    }

    /// A tick begins: drops expire, shops restock.
    pub fn begin_tick(&mut self, tick: u32) {
        self.tick = tick;
        self.expire_drops();
        self.restock();
    }

    /// Checks that what has changed since the last call changed by transfers alone, in time proportional to the number of
    /// items that did. Once it has failed it fails for ever.
    ///
    /// # Errors
    /// When value was made or lost: the world must stop.
    pub fn end_tick(&mut self) -> Result<(), Imbalance> {
        self.ledger.check_touched()
    }

    /// What there is to tell, in the order in which it happened. Call it after each tick.
    pub fn drain_changes(&mut self) -> std::vec::Drain<'_, Change> {
        self.changes.drain(..)
    }

    /// The balance of a book: what holders have, what came from a source (negative) or went into a sink. Item 0 is money.
    pub fn balance(&self, book: Book, what: ItemId) -> i128 {
        self.ledger.booked(book, what)
    }

    /// Transfers made so far.
    pub fn transfers(&self) -> u64 {
        self.ledger.postings()
    }

    /// Counts all that anybody holds anew and compares it with the ledger. Takes time and memory: for checkpoints.
    ///
    /// # Errors
    /// When value was made or lost, or an account has more than it may: the world must stop.
    pub fn audit(&self) -> Result<(), Imbalance> {
        let mut counted = vec![[0i128; HOLDERS.len()]; self.catalogue.len() + 1];
        let mut count = |book: Book, what: ItemId, amount: i64| {
            counted[what.0 as usize][book as usize] += i128::from(amount);
        };
        for (id, account) in (0..).zip(&self.accounts) {
            self.audit_account(AccountId(id))?;
            account.goods.amounts().for_each(|(what, amount)| count(Book::Player, what, amount));
        }
        for line in self.shops.iter().flat_map(Shop::lines) {
            count(Book::Shop, line.item, i64::from(line.stock));
        }
        for (what, amount) in self.ground.goods().flat_map(Goods::amounts) {
            count(Book::Drop, what, amount);
        }
        for (what, amount) in self.trades.iter().flat_map(|trade| &trade.offers).flat_map(Goods::amounts) {
            count(Book::Escrow, what, amount);
        }
        self.ledger.check_all(&counted)
    }

    fn audit_account(&self, id: AccountId) -> Result<(), Imbalance> {
        let account = &self.accounts[id.row()];
        let is_seated = account.seat.is_none_or(|seat| {
            self.trades.get(seat.trade as usize).is_some_and(|t| t.members[usize::from(seat.side)] == id)
        });
        let why = if !is_seated {
            "it is not where its trade says"
        } else if account.seat.is_some() && !account.is_present {
            "it trades and is away"
        } else if !self.fits(id, &Goods::<1>::EMPTY, false) || !self.is_stacked(id) {
            "it has more than it may"
        } else {
            return Ok(());
        };
        Err(Imbalance::Account { account: id.0, why })
    }

    /// Whether an account is within its stack limits, with what may come back from its trade.
    fn is_stacked(&self, id: AccountId) -> bool {
        let (here, back) = (&self.accounts[id.row()].goods, self.escrow(id));
        let mut stacks = here.stacks().iter().chain(back.stacks());
        stacks.all(|&Stack { item, .. }| {
            let stack_max = self.catalogue.get(item).map_or(0, |item| item.stack_max);
            here.amount(item) + back.amount(item) <= i64::from(stack_max)
        })
    }

    /// Digest of everything, in a fixed order.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        digest.push(u64::from(self.tick));
        self.accounts.iter().for_each(|account| account.digest(&mut digest));
        self.shops.iter().for_each(|shop| shop.digest(&mut digest));
        self.ground.digest(&mut digest);
        self.trades.iter().for_each(|trade| trade.digest(&mut digest));
        self.free_trades.iter().for_each(|&place| digest.push(u64::from(place)));
        self.ledger.digest(&mut digest);
        digest.value()
    }

    /// Carries a command out unless that has been done.
    fn once(&mut self, account: AccountId, id: CommandId, act: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        let Some(row) = self.accounts.get(account.row()) else { return Outcome::Gone };
        if id == CommandId(0) {
            return Outcome::Malformed;
        }
        if let Some(outcome) = row.answers.find(id).filter(|_| !seeded!(self, SkipDedupe)) {
            return outcome;
        }
        if !self.can_tell() {
            return Outcome::TooFast;
        }
        let outcome = act(self);
        let capacity = if seeded!(self, ShortMemory) { limits::ANSWERS_MAX - 1 } else { limits::ANSWERS_MAX };
        if outcome == Outcome::Done || !seeded!(self, ForgetRefusals) {
            self.accounts[account.row()].answers.remember(id, outcome, capacity);
        }
        outcome
    }

    /// Whether an account could have that, each item within its stack limit.
    fn is_holdable(&self, goods: &Goods) -> bool {
        let mut stacks = goods.stacks().iter();
        stacks
            .all(|stack| self.catalogue.get(stack.item).is_some_and(|item| stack.quantity <= item.stack_max))
    }

    /// Whether that much of an item, or of money, fits into an account.
    fn fits_amount(&self, account: AccountId, what: ItemId, amount: i64) -> bool {
        let mut goods = Goods::<1>::EMPTY;
        goods.adjust(what, amount) && self.fits(account, &goods, false)
    }

    /// Whether `goods` fit into an account beside what it has and what may come back from its trade, unless that
    /// `is_swapped` for them.
    fn fits<const N: usize>(&self, account: AccountId, goods: &Goods<N>, is_swapped: bool) -> bool {
        let here = &self.accounts[account.row()].goods;
        let is_forgotten = is_swapped || seeded!(self, EscrowUnreserved);
        let back = if is_forgotten { &Goods::EMPTY } else { self.escrow(account) };
        if here.money() + back.money() + goods.money() > MONEY_MAX {
            return false;
        }
        let stack_max = |item| self.catalogue.get(item).map_or(0, |item| u64::from(item.stack_max));
        let is_within = |item| {
            let quantities = [here.quantity(item), back.quantity(item), goods.quantity(item)];
            quantities.into_iter().map(u64::from).sum::<u64>() <= stack_max(item)
                || seeded!(self, IgnoreStackLimit)
        };
        let mut stacks_needed = here.stacks().len();
        for stack in back.stacks() {
            stacks_needed += usize::from(here.quantity(stack.item) == 0);
        }
        for stack in goods.stacks() {
            if !is_within(stack.item) {
                return false;
            }
            stacks_needed += usize::from(here.quantity(stack.item) == 0 && back.quantity(stack.item) == 0);
        }
        stacks_needed <= ACCOUNT_STACKS_MAX
    }

    /// Moves value from one holder to another and books it. The one has it and the other has room: operations check all
    /// before they change anything. Should they be wrong, nothing moves and the tick ends in an [`Imbalance`].
    fn transfer(&mut self, from: Holder, to: Holder, what: ItemId, amount: i64) {
        if amount == 0 {
            return;
        }
        let is_taken = seeded!(self, ForgetDebit) || self.adjust(from, what, -amount);
        let is_given = is_taken && (seeded!(self, ForgetCredit) || self.adjust(to, what, amount));
        let (from_book, to_book) = (from.book(), to.book());
        if !is_given {
            if is_taken {
                let _ = self.adjust(from, what, amount);
            }
            self.ledger.fail(Imbalance::Impossible { what, from: from_book, to: to_book, amount });
            return;
        }
        #[cfg(test)]
        match self.bug {
            Some(seeded::Bug::DoubleCredit) => _ = self.adjust(to, what, amount),
            Some(seeded::Bug::SkipPosting) => return,
            Some(seeded::Bug::PostOneSide) => return self.ledger.post_one_side(to_book, what, amount),
            _ => {}
        }
        self.ledger.post(from_book, to_book, what, amount);
    }

    fn transfer_all(&mut self, from: Holder, to: Holder, goods: &Goods) {
        for (what, amount) in goods.amounts() {
            self.transfer(from, to, what, amount);
        }
    }

    /// Changes what a holder has, and tells the ledger.
    fn adjust(&mut self, holder: Holder, what: ItemId, delta: i64) -> bool {
        let is_done = match holder {
            Holder::Player(account) => self.accounts[account.row()].goods.adjust(what, delta),
            Holder::Shop(shop, row) => self.shops[shop as usize].adjust(row, delta),
            Holder::Heap(place) => self.ground.adjust(place, what, delta),
            Holder::Offer(trade, side) => {
                self.trades[trade as usize].offers[usize::from(side)].adjust(what, delta)
            }
            Holder::Outside(_) => return true,
        };
        if is_done {
            self.ledger.hold(holder.book(), what, delta);
        }
        is_done
    }

    /// Whether whatever one operation does can be told.
    fn can_tell(&self) -> bool {
        self.changes.len() + CHANGES_PER_OPERATION_MAX <= self.changes_max
    }

    fn tell(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Tells an account what it has of an item, or of money.
    fn tell_amount(&mut self, account: AccountId, what: ItemId) {
        let goods = &self.accounts[account.row()].goods;
        self.tell(if what == MONEY {
            Change::Money { account, money: goods.money() }
        } else {
            Change::Item { account, item: what, quantity: goods.quantity(what) }
        });
    }
}
