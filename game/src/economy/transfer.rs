//! Moving value: who can have what, and the one way in which anything changes hands.

use super::account::AccountId;
use super::goods::{Goods, MONEY};
use super::ledger::{Book, Imbalance};
use super::limits::{ACCOUNT_STACKS_MAX, CHANGES_PER_OPERATION_MAX, MONEY_MAX};
use super::seeded::seeded;
use super::{Change, Economy};
use crate::ItemId;

/// Where value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Holder {
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
    pub(super) fn book(self) -> Book {
        match self {
            Self::Player(_) => Book::Player,
            Self::Shop(..) => Book::Shop,
            Self::Heap(_) => Book::Drop,
            Self::Offer(..) => Book::Escrow,
            Self::Outside(book) => book,
        }
    }
}

impl Economy {
    /// Whether an account could have that, each item within its stack limit.
    pub(super) fn is_holdable(&self, goods: &Goods) -> bool {
        let mut stacks = goods.stacks().iter();
        stacks
            .all(|stack| self.catalogue.get(stack.item).is_some_and(|item| stack.quantity <= item.stack_max))
    }

    /// Whether that much of an item, or of money, fits into an account.
    pub(super) fn fits_amount(&self, account: AccountId, what: ItemId, amount: i64) -> bool {
        let mut goods = Goods::<1>::EMPTY;
        goods.adjust(what, amount) && self.fits(account, &goods, false)
    }

    /// Whether `goods` fit into an account beside what it has and what may come back from its trade, unless that
    /// `is_swapped` for them.
    pub(super) fn fits<const N: usize>(
        &self,
        account: AccountId,
        goods: &Goods<N>,
        is_swapped: bool,
    ) -> bool {
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
    pub(super) fn transfer(&mut self, from: Holder, to: Holder, what: ItemId, amount: i64) {
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
        if seeded!(self, DoubleCredit) {
            let _ = self.adjust(to, what, amount);
        }
        if seeded!(self, SkipPosting) {
            return;
        }
        #[cfg(test)]
        if seeded!(self, PostOneSide) {
            return self.ledger.post_one_side(to_book, what, amount);
        }
        self.ledger.post(from_book, to_book, what, amount);
    }

    pub(super) fn transfer_all(&mut self, from: Holder, to: Holder, goods: &Goods) {
        for (what, amount) in goods.amounts() {
            self.transfer(from, to, what, amount);
        }
    }

    /// Changes what a holder has, and tells the ledger.
    pub(super) fn adjust(&mut self, holder: Holder, what: ItemId, delta: i64) -> bool {
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
    pub(super) fn can_tell(&self) -> bool {
        self.changes.len() + CHANGES_PER_OPERATION_MAX <= self.changes_max
    }

    pub(super) fn tell(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Tells an account what it has of an item, or of money.
    pub(super) fn tell_amount(&mut self, account: AccountId, what: ItemId) {
        let goods = &self.accounts[account.row()].goods;
        self.tell(if what == MONEY {
            Change::Money { account, money: goods.money() }
        } else {
            Change::Item { account, item: what, quantity: goods.quantity(what) }
        });
    }
}
