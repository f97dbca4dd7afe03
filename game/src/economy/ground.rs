//! Drops: what lies on the ground until somebody claims it, all of it at once, or it expires.

use super::account::AccountId;
use super::goods::Goods;
use super::ledger::{Book, Source};
use super::seeded::seeded;
use super::transfer::Holder;
use super::{Change, Economy};
use crate::{CommandId, ItemId, Outcome};
use throng_engine::Digest;

/// A drop. Its place is used again; the generation tells it from those that lay there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DropId {
    pub(super) place: u32,
    pub(super) generation: u32,
}

impl DropId {
    /// As one number, for a column.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.place)
    }

    /// From [`to_bits`](Self::to_bits). Any number is a drop's that may be there or not.
    pub fn from_bits(bits: u64) -> Self {
        Self { place: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// Of a place where nothing lies.
const NEVER: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Heap {
    goods: Goods,
    generation: u32,
}

/// All drops. Nothing is freed and nothing taken from the heap once it is made.
#[derive(Debug)]
pub(super) struct Ground {
    heaps: Vec<Heap>,
    /// Tick at which each heap expires, apart from the rest: all are looked at in each tick.
    expires: Vec<u32>,
    /// Places that were used and are empty, the last freed one last.
    free: Vec<u32>,
    max: usize,
}

impl Ground {
    pub(super) fn new(max: u32) -> Self {
        let max = max as usize;
        let (heaps, expires) = (Vec::with_capacity(max), Vec::with_capacity(max));
        Self { heaps, expires, free: Vec::with_capacity(max), max }
    }

    fn len(&self) -> usize {
        self.heaps.len() - self.free.len()
    }

    fn get(&self, drop: DropId) -> Option<&Goods> {
        let heap = self.heaps.get(drop.place as usize)?;
        let is_there = heap.generation == drop.generation && self.expires[drop.place as usize] != NEVER;
        is_there.then_some(&heap.goods)
    }

    fn take_place(&mut self, expires_tick: u32) -> Option<DropId> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.heaps.len() < self.max => {
                self.heaps.push(Heap { goods: Goods::EMPTY, generation: 0 });
                self.expires.push(NEVER);
                self.heaps.len() as u32 - 1
            }
            None => return None,
        };
        self.expires[place as usize] = expires_tick.min(NEVER - 1);
        Some(DropId { place, generation: self.heaps[place as usize].generation })
    }

    fn leave_place(&mut self, place: u32) {
        let heap = &mut self.heaps[place as usize];
        // 2^32 drops in one place take longer than any world lasts; should it wrap, an id is merely used again.
        heap.generation = heap.generation.wrapping_add(1);
        self.expires[place as usize] = NEVER;
        self.free.push(place);
    }

    #[must_use]
    pub(super) fn adjust(&mut self, place: u32, what: ItemId, delta: i64) -> bool {
        self.heaps[place as usize].goods.adjust(what, delta)
    }

    pub(super) fn goods(&self) -> impl Iterator<Item = &Goods> {
        self.heaps.iter().map(|heap| &heap.goods)
    }

    pub(super) fn digest(&self, digest: &mut Digest) {
        for (heap, &expires) in self.heaps.iter().zip(&self.expires) {
            digest.push(u64::from(heap.generation) << 32 | u64::from(expires));
            heap.goods.digest(digest);
        }
        for &place in &self.free {
            digest.push(u64::from(place));
        }
    }
}

impl Economy {
    /// What lies there, if it still does.
    pub fn drop_goods(&self, drop: DropId) -> Option<&Goods> {
        self.ground.get(drop)
    }

    /// How many drops lie on the ground.
    pub fn drop_count(&self) -> usize {
        self.ground.len()
    }

    /// Lays down what a creature carried or a quest hid. `None`, and nothing has been made, when it is nothing, has an
    /// unknown item or more than a stack of one, the ground is full, or the books are wrong.
    pub fn put_drop(&mut self, goods: &Goods, source: Source) -> Option<DropId> {
        if goods.is_empty() || !self.is_holdable(goods) || !self.ledger.is_sound() {
            return None;
        }
        let drop = self.ground.take_place(self.tick.saturating_add(self.drop_ticks))?;
        self.transfer_all(Holder::Outside(source.into()), Holder::Heap(drop.place), goods);
        Some(drop)
    }

    /// Puts something on the ground. The drop comes back once, for the caller to place; a repeat has none.
    pub fn drop(
        &mut self,
        account: AccountId,
        id: CommandId,
        item: ItemId,
        quantity: u32,
    ) -> (Outcome, Option<DropId>) {
        let mut put = None;
        let outcome = self.once(account, id, |economy| {
            if quantity == 0 || economy.catalogue.get(item).is_none() {
                return Outcome::Malformed;
            }
            if economy.accounts[account.row()].goods.quantity(item) < quantity {
                return Outcome::NotEnoughItems;
            }
            // Half of all places is left to what creatures carry: litter must not starve loot.
            if economy.ground.len() >= economy.ground.max.div_ceil(2) {
                return Outcome::Full;
            }
            put = economy.ground.take_place(economy.tick.saturating_add(economy.drop_ticks));
            let Some(drop) = put else { return Outcome::Full };
            let heap = Holder::Heap(drop.place);
            economy.transfer(Holder::Player(account), heap, item, i64::from(quantity));
            economy.tell_amount(account, item);
            Outcome::Done
        });
        (outcome, put)
    }

    /// Claims all of a drop, or nothing of it: whoever is first has it.
    pub fn pick_up(&mut self, account: AccountId, id: CommandId, drop: DropId) -> Outcome {
        self.once(account, id, |economy| {
            let mut drop = drop;
            if seeded!(economy, StaleDrop) {
                let heap = economy.ground.heaps.get(drop.place as usize);
                drop.generation = heap.map_or(0, |heap| heap.generation);
            }
            let Some(&goods) = economy.ground.get(drop) else { return Outcome::Gone };
            if !economy.fits(account, &goods, false) {
                return Outcome::Full;
            }
            if seeded!(economy, DropClaimedTwice) {
                economy.transfer_all(Holder::Outside(Book::Loot), Holder::Player(account), &goods);
            } else {
                economy.transfer_all(Holder::Heap(drop.place), Holder::Player(account), &goods);
                economy.ground.leave_place(drop.place);
            }
            for (what, _) in goods.amounts() {
                economy.tell_amount(account, what);
            }
            economy.tell(Change::DropGone { drop });
            Outcome::Done
        })
    }

    /// Takes away what has lain for too long. What there is no room to tell of waits for the next tick.
    pub(super) fn expire_drops(&mut self) {
        for place in 0..self.ground.expires.len() {
            if self.ground.expires[place] > self.tick || !self.can_tell() {
                continue;
            }
            let Heap { goods, generation } = self.ground.heaps[place];
            let place = place as u32;
            if seeded!(self, ExpiryUnbooked) {
                self.ground.heaps[place as usize].goods = Goods::EMPTY;
            } else {
                self.transfer_all(Holder::Heap(place), Holder::Outside(Book::Expired), &goods);
            }
            self.ground.leave_place(place);
            self.tell(Change::DropGone { drop: DropId { place, generation } });
        }
    }
}
