//! Trade between two players: ask, offer, agree to one revision, swap.
//!
//! What is offered leaves the account for the trade (escrow) and comes back when the trade is cancelled. *What lost:*
//! leaving it in the account and marking it, for then everything that ever spends, now and in rules to come, must
//! remember to leave marked goods alone, and one that forgets makes things out of nothing. The account keeps its room for
//! what it has offered, so that it can always come back.

use super::account::{AccountId, Seat};
use super::goods::{Goods, MONEY};
use super::seeded::seeded;
use super::transfer::Holder;
use super::{Change, Economy};
use crate::{CommandId, ItemId, Outcome, TradeState};
use throng_engine::Digest;

#[derive(Clone, Copy, Debug)]
pub(super) struct Trade {
    pub(super) members: [AccountId; 2],
    pub(super) offers: [Goods; 2],
    /// Who has agreed to the present revision.
    is_confirmed: [bool; 2],
    revision: u32,
}

impl Trade {
    pub(super) fn digest(&self, digest: &mut Digest) {
        for side in 0..2 {
            digest.push(u64::from(self.members[side].0) << 1 | u64::from(self.is_confirmed[side]));
            self.offers[side].digest(digest);
        }
        digest.push(u64::from(self.revision));
    }
}

impl Economy {
    fn seat(&self, account: AccountId) -> Option<(Seat, &Trade)> {
        let seat = self.accounts[account.row()].seat?;
        Some((seat, &self.trades[seat.trade as usize]))
    }

    /// What an account has in its trade.
    pub(super) fn escrow(&self, account: AccountId) -> &Goods {
        self.seat(account).map_or(&Goods::EMPTY, |(seat, trade)| &trade.offers[usize::from(seat.side)])
    }

    /// With whom an account trades, at which revision, and what it and the other have offered.
    pub fn trade_of(&self, account: AccountId) -> Option<(AccountId, u32, &Goods, &Goods)> {
        self.accounts.get(account.row())?;
        let (seat, trade) = self.seat(account)?;
        let (mine, theirs) = (usize::from(seat.side), usize::from(1 - seat.side));
        Some((trade.members[theirs], trade.revision, &trade.offers[mine], &trade.offers[theirs]))
    }

    /// The two whose trade has this place; `None` for one that is free, or has never been used.
    pub fn traders(&self, place: u32) -> Option<[AccountId; 2]> {
        let members = self.trades.get(place as usize)?.members;
        let seat = self.accounts[members[0].row()].seat;
        seat.is_some_and(|seat| seat.trade == place).then_some(members)
    }

    /// Places of trades so far: as many as were ever open at once.
    pub fn trade_places(&self) -> u32 {
        self.trades.len() as u32
    }

    /// Asks somebody to trade; if they have asked just now, the trade is open. To ask again while the question stands is
    /// nothing new, and told to nobody.
    pub fn trade_open(&mut self, account: AccountId, id: CommandId, with: AccountId) -> Outcome {
        self.once(account, id, |economy| {
            if with == account && !seeded!(economy, SelfTrade) {
                return Outcome::Oneself;
            }
            let Some(other) = economy.accounts.get(with.row()) else { return Outcome::Gone };
            if !other.is_present || !economy.accounts[account.row()].is_present {
                return Outcome::Gone;
            }
            if other.seat.is_some() || economy.accounts[account.row()].seat.is_some() {
                return Outcome::NotAllowed;
            }
            let is_asked = other.asked.is_some_and(|(whom, until)| whom == account && until >= economy.tick);
            if is_asked {
                economy.seat_both([with, account]);
            } else if economy.accounts[account.row()]
                .asked
                .is_none_or(|(whom, until)| whom != with || until < economy.tick)
            {
                let until = economy.tick.saturating_add(economy.ask_ticks);
                economy.accounts[account.row()].asked = Some((with, until));
                let (account, with) = (with, account);
                economy.tell(Change::Trade { account, with, revision: 0, state: TradeState::Asked });
            }
            Outcome::Done
        })
    }

    fn seat_both(&mut self, members: [AccountId; 2]) {
        let trade = Trade { members, offers: [Goods::EMPTY; 2], is_confirmed: [false; 2], revision: 1 };
        let place = if let Some(place) = self.free_trades.pop() {
            self.trades[place as usize] = trade;
            place
        } else {
            self.trades.push(trade);
            self.trades.len() as u32 - 1
        };
        for (side, member) in (0..).zip(members) {
            let account = &mut self.accounts[member.row()];
            account.asked = None;
            account.seat = Some(Seat { trade: place, side });
        }
        self.tell_trade(place, TradeState::Open);
    }

    /// Puts this much of an item, or of money when the item is 0, into the trade in place of what was there of it.
    pub fn trade_offer(
        &mut self,
        account: AccountId,
        id: CommandId,
        item: ItemId,
        quantity: u32,
        money: i64,
    ) -> Outcome {
        self.once(account, id, |economy| {
            let amount = if item == MONEY { money } else { i64::from(quantity) };
            let is_known = item == MONEY || economy.catalogue.get(item).is_some();
            if !is_known || (amount < 0 && !seeded!(economy, OfferNegative)) {
                return Outcome::Malformed;
            }
            let Some((seat, trade)) = economy.seat(account) else { return Outcome::Changed };
            let offer = trade.offers[usize::from(seat.side)];
            let with = trade.members[usize::from(1 - seat.side)];
            let Some(more) = amount.checked_sub(offer.amount(item)) else { return Outcome::Malformed };
            if more == 0 {
                return Outcome::Done;
            }
            if economy.accounts[account.row()].goods.amount(item) < more {
                return if item == MONEY { Outcome::NotEnoughMoney } else { Outcome::NotEnoughItems };
            }
            let mut offer_after = offer;
            if !offer_after.adjust(item, more) {
                return Outcome::Full;
            }
            let Some(revision) = trade.revision.checked_add(1) else { return Outcome::NotAllowed };
            let (player, escrow) = (Holder::Player(account), Holder::Offer(seat.trade, seat.side));
            if seeded!(economy, OfferStaysSpendable) && more > 0 {
                let is_put =
                    economy.trades[seat.trade as usize].offers[usize::from(seat.side)].adjust(item, more);
                assert!(is_put, "tried just now");
            } else if more > 0 {
                economy.transfer(player, escrow, item, more);
            } else {
                economy.transfer(escrow, player, item, -more);
            }
            economy.revise(seat.trade, revision);
            economy.tell_amount(account, item);
            let (quantity, money) = if item == MONEY { (0, amount) } else { (quantity, 0) };
            economy.tell(Change::Offer { account: with, with: account, revision, item, quantity, money });
            economy.tell_trade(seat.trade, TradeState::Open);
            Outcome::Done
        })
    }

    /// Nobody has agreed to what is new.
    fn revise(&mut self, place: u32, revision: u32) {
        let is_kept = seeded!(self, KeepConfirmations);
        let trade = &mut self.trades[place as usize];
        trade.revision = revision;
        trade.is_confirmed = if is_kept { trade.is_confirmed } else { [false; 2] };
    }

    /// Agrees to the trade as it is at this revision. Once both have, all changes hands if both have room at that moment;
    /// otherwise the trade stays open at a new revision.
    pub fn trade_confirm(&mut self, account: AccountId, id: CommandId, revision: u32) -> Outcome {
        self.once(account, id, |economy| {
            let Some((seat, trade)) = economy.seat(account) else { return Outcome::Changed };
            if trade.revision != revision && !seeded!(economy, IgnoreRevision) {
                return Outcome::Changed;
            }
            let (members, offers, revision) = (trade.members, trade.offers, trade.revision);
            let theirs = usize::from(1 - seat.side);
            if !trade.is_confirmed[theirs] {
                economy.trades[seat.trade as usize].is_confirmed[usize::from(seat.side)] = true;
                let (account, with, state) = (members[theirs], account, TradeState::Confirmed);
                economy.tell(Change::Trade { account, with, revision, state });
                return Outcome::Done;
            }
            let have_room =
                economy.fits(members[0], &offers[1], true) && economy.fits(members[1], &offers[0], true);
            if !have_room && !seeded!(economy, SkipRoomInTrade) {
                let Some(revision) = revision.checked_add(1) else { return Outcome::NotAllowed };
                economy.revise(seat.trade, revision);
                economy.tell_trade(seat.trade, TradeState::Open);
                return Outcome::Full;
            }
            economy.swap(seat.trade, members, &offers);
            Outcome::Done
        })
    }

    fn swap(&mut self, place: u32, members: [AccountId; 2], offers: &[Goods; 2]) {
        for side in 0..2 {
            let is_kept = side == 1 && seeded!(self, PartialTrade);
            let is_misled = seeded!(self, TradeToOneSide);
            let to = if is_misled { members[0] } else { members[if is_kept { side } else { 1 - side }] };
            self.transfer_all(Holder::Offer(place, side as u8), Holder::Player(to), &offers[side]);
            for (what, _) in offers[side].amounts() {
                if side == 1 || !seeded!(self, PartnerUntold) {
                    self.tell_amount(to, what);
                }
            }
        }
        self.end_trade(place, TradeState::Done);
    }

    /// Leaves the trade, or takes back having asked for one.
    pub fn trade_cancel(&mut self, account: AccountId, id: CommandId) -> Outcome {
        self.once(
            account,
            id,
            |economy| {
                if economy.stop_trading(account) { Outcome::Done } else { Outcome::Changed }
            },
        )
    }

    /// Cancels the trade of somebody who died, left or went too far away, and what they have asked for; whether there
    /// was anything to cancel.
    pub fn stop_trading(&mut self, account: AccountId) -> bool {
        let Some(row) = self.accounts.get_mut(account.row()) else { return false };
        let asked = row.asked.take();
        let Some(Seat { trade: place, .. }) = row.seat else {
            if let Some((whom, _)) = asked {
                self.tell(Change::Trade {
                    account: whom,
                    with: account,
                    revision: 0,
                    state: TradeState::Cancelled,
                });
            }
            return asked.is_some();
        };
        let Trade { members, offers, .. } = self.trades[place as usize];
        for side in 0..2 {
            if seeded!(self, CancelLosesGoods) {
                self.trades[place as usize].offers[side] = Goods::EMPTY;
                continue;
            }
            let (escrow, player) = (Holder::Offer(place, side as u8), Holder::Player(members[side]));
            self.transfer_all(escrow, player, &offers[side]);
            for (what, _) in offers[side].amounts() {
                self.tell_amount(members[side], what);
            }
        }
        self.end_trade(place, TradeState::Cancelled);
        true
    }

    fn end_trade(&mut self, place: u32, state: TradeState) {
        self.tell_trade(place, state);
        for member in self.trades[place as usize].members {
            self.accounts[member.row()].seat = None;
        }
        self.free_trades.push(place);
    }

    fn tell_trade(&mut self, place: u32, state: TradeState) {
        let Trade { members: [one, other], revision, .. } = self.trades[place as usize];
        for (account, with) in [(one, other), (other, one)] {
            self.tell(Change::Trade { account, with, revision, state });
        }
    }
}
