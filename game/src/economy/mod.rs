//! Everything of value: money, items, shops, what lies on the ground, trades. It knows no places and no entities: whoever
//! calls it has checked who stands where.
//!
//! ```text
//!                    Loot      Quest, NewCharacter       Fee, Used
//!                     │ put_drop        │ open, grant        ▲ charge, use_one
//!                     ▼                 ▼                    │
//!                 ┌──────┐  pick_up ┌────────┐───────────────┘
//!   Expired ◄─────│ Drop │─────────►│ Player │  trade_offer  ┌────────┐ both trade_confirm: to the other;
//!      begin_tick │      │◄─────────│        │──────────────►│ Escrow │ trade_cancel, stop_trading, leave,
//!                 └──────┘     drop │        │◄──────────────│        │ a lower offer: back
//!                                   └────────┘               └────────┘
//!                               items ▲│   ▲│ money
//!                           buy, sell │▼   │▼
//!                               ┌──────┐  Purse
//!                 Restock ─────►│ Shop │
//!                 Spoiled ◄─────└──────┘          in boxes: who holds; the others are sources and sinks
//! ```
//!
//! Each arrow is a [transfer](Economy::transfer) between two books of the [ledger](ledger), and nothing else changes what
//! anybody holds. A tick is [`Economy::begin_tick`], operations, [`Economy::end_tick`], which fails when value was made
//! or lost; then [`Economy::drain_changes`] says whom to tell what. [`Economy::audit`] counts everything anew.
//!
//! **Commands take effect at most once.** Each carries a [`CommandId`]; the outcomes of the last
//! [`ANSWERS_MAX`](limits::ANSWERS_MAX) of an account are remembered, refusals too. A repeat gets the first outcome,
//! whatever its other fields say by now. The caller asks [`Economy::answered`] before it looks at places (what a repeat
//! names may be gone because of the first), and has its own refusals remembered with [`Economy::refuse`]. The one outcome
//! that is not remembered is [`TooFast`](Outcome::TooFast): it asks for a repeat.
//!
//! Memory is reserved when the economy is made; operations take none but a first [`Economy::open`].

mod account;
mod audit;
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
mod transfer;

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
use ledger::Ledger;
use limits::{ACCOUNTS_MAX, CHANGES_PER_OPERATION_MAX, DROPS_MAX};
use seeded::seeded;
use shop::Shop;
use std::collections::BTreeMap;
use trade::Trade;
use transfer::Holder;

/// What an economy is made with.
#[derive(Clone, Debug)]
pub struct EconomyConfig {
    /// Most characters that are known at once, 1.5 KiB each with half a trade.
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
    planted: seeded::Planted,
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
            planted: seeded::Planted::default(),
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
    /// `None` when there are as many accounts as there may be. It tells nothing: whoever enters is told all of
    /// [`holdings`](Self::holdings).
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
        if self.ledger.is_sound() {
            let start = self.start;
            self.transfer_all(Holder::Outside(Book::NewCharacter), Holder::Player(id), &start);
        }
        Some(id)
    }

    /// Gives the account of a character who is away and has exactly what a new one has to another, who has none; whether
    /// that could be done. Nothing changes hands. What was answered to the other is forgotten with it.
    pub fn take_over(&mut self, account: AccountId, character: u64) -> bool {
        let Some(row) = self.accounts.get_mut(account.row()) else { return false };
        let is_as_new = row.goods.money() == self.start.money() && row.goods.stacks() == self.start.stacks();
        if row.is_present || row.seat.is_some() || !is_as_new || self.by_character.contains_key(&character) {
            return false;
        }
        self.by_character.remove(&row.character);
        self.by_character.insert(character, account);
        *row = Account { goods: row.goods, ..Account::new(character) };
        true
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
        let answers = &self.accounts.get(account.row())?.answers;
        // Where there is no answer yet there is id 0.
        if id == CommandId(0) { None } else { answers.find(id) }
    }

    /// Has a refusal by the caller remembered, like those of the economy itself; what was remembered before counts.
    /// [`TooFast`](Outcome::TooFast) is not remembered.
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
        if self.ledger.is_sound() {
            self.restock();
        }
    }

    /// Checks that what has changed since the last call changed by transfers alone, in time proportional to the number of
    /// items that did. Once it has failed it fails for ever: nothing more comes from outside, neither loot nor stock nor
    /// what new characters have, and the caller must let nobody deal.
    ///
    /// # Errors
    /// When value was made or lost.
    pub fn end_tick(&mut self) -> Result<(), Imbalance> {
        self.ledger.check_touched()
    }

    /// Has the books fail as a fault of the program would.
    #[cfg(test)]
    pub(crate) fn unbalance(&mut self) {
        let (from, to) = (Book::Player, Book::Shop);
        self.ledger.fail(Imbalance::Impossible { what: MONEY, from, to, amount: 1 });
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
        if outcome == Outcome::Done || (outcome != Outcome::TooFast && !seeded!(self, ForgetRefusals)) {
            self.accounts[account.row()].answers.remember(id, outcome, capacity);
        }
        outcome
    }
}
