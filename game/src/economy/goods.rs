//! Money and items together, in a fixed number of stacks: what an account, a drop or a side of a trade holds.

use super::limits::{GOODS_STACKS_MAX, MONEY_MAX};
use crate::ItemId;
use throng_engine::Digest;

/// The number under which the ledger and offers count money.
pub const MONEY: ItemId = ItemId(0);

/// So many of one item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// Which.
    pub item: ItemId,
    /// How many, at least 1.
    pub quantity: u32,
}

/// Money and at most `N` stacks in ascending order of item, each item once. Nothing in it is ever negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goods<const N: usize = GOODS_STACKS_MAX> {
    money: i64,
    len: u8,
    /// Those from `len` on are zero.
    stacks: [Stack; N],
}

impl<const N: usize> Default for Goods<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> Goods<N> {
    /// Nothing.
    pub const EMPTY: Self = Self { money: 0, len: 0, stacks: [Stack { item: ItemId(0), quantity: 0 }; N] };

    /// That much money (minor units) and those items; the same item twice adds up, a quantity of 0 is nothing.
    /// `None` when the money is not in `0..=MONEY_MAX`, an item is 0 or the items do not fit.
    pub fn new(money: i64, items: &[(ItemId, u32)]) -> Option<Self> {
        let mut goods = Self::EMPTY;
        let is_whole = goods.adjust(MONEY, money)
            && items.iter().all(|&(item, quantity)| item != MONEY && goods.adjust(item, i64::from(quantity)));
        is_whole.then_some(goods)
    }

    /// Money, minor units.
    pub fn money(&self) -> i64 {
        self.money
    }

    /// The items, ascending.
    pub fn stacks(&self) -> &[Stack] {
        &self.stacks[..usize::from(self.len)]
    }

    /// How many of an item.
    pub fn quantity(&self, item: ItemId) -> u32 {
        self.stacks().iter().find(|stack| stack.item == item).map_or(0, |stack| stack.quantity)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.money == 0 && self.len == 0
    }

    /// How much of an item, or of money.
    pub(super) fn amount(&self, what: ItemId) -> i64 {
        if what == MONEY { self.money } else { i64::from(self.quantity(what)) }
    }

    /// All amounts but zero, money first.
    pub(super) fn amounts(&self) -> impl Iterator<Item = (ItemId, i64)> {
        let items = self.stacks().iter().map(|stack| (stack.item, i64::from(stack.quantity)));
        std::iter::once((MONEY, self.money)).filter(|&(_, amount)| amount != 0).chain(items)
    }

    /// Adds `delta` of an item, or of money. `false`, and nothing has happened, when the result would be negative or
    /// too much, or there is no stack left for it.
    #[must_use]
    pub(super) fn adjust(&mut self, what: ItemId, delta: i64) -> bool {
        if what == MONEY {
            let Some(money) = self.money.checked_add(delta).filter(|money| (0..=MONEY_MAX).contains(money))
            else {
                return false;
            };
            self.money = money;
            return true;
        }
        let len = usize::from(self.len);
        let at = self.stacks().iter().position(|stack| stack.item >= what).unwrap_or(len);
        let is_there = at < len && self.stacks[at].item == what;
        let before = if is_there { i64::from(self.stacks[at].quantity) } else { 0 };
        let Some(quantity) = before.checked_add(delta).and_then(|after| u32::try_from(after).ok()) else {
            return false;
        };
        match (is_there, quantity) {
            (false, 0) => {}
            (true, 0) => {
                self.stacks.copy_within(at + 1..len, at);
                self.stacks[len - 1] = Stack::default();
                self.len -= 1;
            }
            (true, _) => self.stacks[at].quantity = quantity,
            (false, _) if len == N => return false,
            (false, _) => {
                self.stacks.copy_within(at..len, at + 1);
                self.stacks[at] = Stack { item: what, quantity };
                self.len += 1;
            }
        }
        true
    }

    pub(super) fn digest(&self, digest: &mut Digest) {
        digest.push(self.money as u64);
        digest.push(u64::from(self.len));
        for stack in self.stacks() {
            digest.push(u64::from(stack.item.0) << 32 | u64::from(stack.quantity));
        }
    }
}
