//! Looking at everything at once: the audit and the digest.

use super::Economy;
use super::account::AccountId;
use super::goods::{Goods, Stack};
use super::ledger::{Book, HOLDERS, Imbalance};
use super::shop::Shop;
use crate::ItemId;
use throng_engine::Digest;

impl Economy {
    /// Counts all that anybody holds anew and compares it with the ledger. Takes time and memory: for checkpoints.
    ///
    /// # Errors
    /// When value was made or lost, or an account has more than it may.
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
}
