//! What an economy must do, said once more in the plainest way: arrays of amounts, money first, and no ledger.

use crate::economy::limits::{ACCOUNT_STACKS_MAX, GOODS_STACKS_MAX};
use crate::economy::{Catalogue, DropId, EconomyConfig, Effect, Goods, LineConfig, MONEY_MAX};
use crate::{ItemId, Outcome};

/// Kinds of items; more than fit into one account.
pub const ITEMS: usize = 40;

/// By item, money first.
pub type Amounts = [i64; ITEMS + 1];

/// What is asked for, apart from who asks.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Buy { shop: u32, item: ItemId, quantity: u32, money: i64 },
    Sell { shop: u32, item: ItemId, quantity: u32, money: i64 },
    PickUp { drop: DropId },
    Drop { item: ItemId, quantity: u32 },
    Use { item: ItemId },
    Open { with: u32 },
    Offer { item: ItemId, quantity: u32, money: i64 },
    Confirm { revision: u32 },
    Cancel,
}

pub struct Member {
    pub have: Amounts,
    pub offer: Amounts,
    pub is_present: bool,
    pub partner: Option<usize>,
    pub revision: u32,
    has_agreed: bool,
    asked: Option<(usize, u32)>,
}

struct Shelf {
    config: LineConfig,
    asks: i64,
    pays: i64,
    stock: i64,
}

pub struct Model {
    pub members: Vec<Member>,
    shelves: Vec<Vec<Shelf>>,
    drops: Vec<(DropId, Amounts, u32)>,
    caps: Amounts,
    usable: [bool; ITEMS + 1],
    drops_max: usize,
    drop_ticks: u32,
    ask_ticks: u32,
    tick: u32,
}

pub fn amounts<const N: usize>(goods: &Goods<N>) -> Amounts {
    let mut amounts = [0; ITEMS + 1];
    amounts[0] = goods.money();
    for stack in goods.stacks() {
        amounts[stack.item.0 as usize] += i64::from(stack.quantity);
    }
    amounts
}

fn known(item: ItemId) -> Option<usize> {
    (1..=ITEMS).contains(&(item.0 as usize)).then_some(item.0 as usize)
}

impl Model {
    pub fn new(catalogue: &Catalogue, config: &EconomyConfig, members: usize) -> Self {
        let (mut caps, mut usable) = ([MONEY_MAX; ITEMS + 1], [false; ITEMS + 1]);
        for (id, item) in catalogue.iter() {
            caps[id.0 as usize] = i64::from(item.stack_max);
            usable[id.0 as usize] = item.effect != Effect::Nothing;
        }
        let shelf = |config: &LineConfig| {
            let price = i128::from(catalogue.get(config.item).unwrap().price);
            let asks = (price * (1000 + i128::from(config.ask_margin))).div_euclid(1000);
            let is_rounded = asks * 1000 != price * (1000 + i128::from(config.ask_margin));
            let pays = (price * (1000 - i128::from(config.pay_margin))).div_euclid(1000);
            let stock = i64::from(config.stock_usual);
            Shelf { config: *config, asks: (asks + i128::from(is_rounded)) as i64, pays: pays as i64, stock }
        };
        let member = || Member {
            have: amounts(&config.start),
            offer: [0; ITEMS + 1],
            is_present: true,
            partner: None,
            revision: 0,
            has_agreed: false,
            asked: None,
        };
        Self {
            members: (0..members).map(|_| member()).collect(),
            shelves: config.shops.iter().map(|lines| lines.iter().map(shelf).collect()).collect(),
            drops: Vec::new(),
            caps,
            usable,
            drops_max: config.drops_max as usize,
            drop_ticks: config.drop_ticks,
            ask_ticks: config.ask_ticks,
            tick: 0,
        }
    }

    pub fn begin_tick(&mut self, tick: u32) {
        self.tick = tick;
        self.drops.retain(|&(_, _, expires)| expires > tick);
        for shelf in self.shelves.iter_mut().flatten() {
            if tick.is_multiple_of(shelf.config.restock_ticks) {
                let (usual, step) =
                    (i64::from(shelf.config.stock_usual), i64::from(shelf.config.restock_step));
                shelf.stock += (usual - shelf.stock).clamp(-step, step);
            }
        }
    }

    fn fits(&self, who: usize, more: &Amounts, is_swapped: bool) -> bool {
        let member = &self.members[who];
        let after = |i: usize| member.have[i] + if is_swapped { 0 } else { member.offer[i] } + more[i];
        (0..=ITEMS).all(|i| after(i) <= self.caps[i])
            && (1..=ITEMS).filter(|&i| after(i) > 0).count() <= ACCOUNT_STACKS_MAX
    }

    fn fits_one(&self, who: usize, item: usize, amount: i64) -> bool {
        let mut more = [0; ITEMS + 1];
        more[item] = amount;
        amount <= self.caps[item] && self.fits(who, &more, false)
    }

    fn is_holdable(&self, goods: &Goods) -> bool {
        goods.stacks().iter().all(|stack| known(stack.item).is_some())
            && amounts(goods).iter().zip(self.caps).all(|(&amount, cap)| amount <= cap)
    }

    pub fn grant(&mut self, who: usize, goods: &Goods) -> Outcome {
        if !self.is_holdable(goods) {
            return Outcome::Malformed;
        }
        let more = amounts(goods);
        if !self.fits(who, &more, false) {
            return Outcome::Full;
        }
        self.give(who, &more);
        Outcome::Done
    }

    pub fn charge(&mut self, who: usize, money: i64) -> Outcome {
        let have = &mut self.members[who].have[0];
        match money {
            ..0 => Outcome::Malformed,
            _ if *have < money => Outcome::NotEnoughMoney,
            _ => {
                *have -= money;
                Outcome::Done
            }
        }
    }

    /// Whether a drop should have been made; `drop` is the one that was.
    pub fn put_drop(&mut self, goods: &Goods, drop: Option<DropId>) -> bool {
        let is_due = !goods.is_empty() && self.is_holdable(goods) && self.drops.len() < self.drops_max;
        is_due && self.lay(amounts(goods), drop)
    }

    fn lay(&mut self, goods: Amounts, drop: Option<DropId>) -> bool {
        let Some(drop) = drop else { return false };
        let is_new = self.drops.iter().all(|&(other, ..)| other != drop);
        self.drops.push((drop, goods, self.tick + self.drop_ticks));
        is_new
    }

    fn give(&mut self, who: usize, goods: &Amounts) {
        for (have, more) in self.members[who].have.iter_mut().zip(goods) {
            *have += more;
        }
    }

    pub fn set_present(&mut self, who: usize, is_present: bool) {
        self.members[who].is_present = is_present;
        if !is_present {
            self.stop_trading(who);
        }
    }

    pub fn stop_trading(&mut self, who: usize) -> bool {
        let had_asked = self.members[who].asked.take().is_some();
        let Some(partner) = self.members[who].partner else { return had_asked };
        for member in [who, partner] {
            let back = std::mem::replace(&mut self.members[member].offer, [0; ITEMS + 1]);
            self.give(member, &back);
            self.members[member].partner = None;
        }
        true
    }

    /// What must become of an act. A drop that the economy made of it is named by `drop`.
    pub fn act(&mut self, who: usize, act: Act, drop: Option<DropId>) -> Outcome {
        match act {
            Act::Buy { shop, item, quantity, money } => self.deal(who, true, shop, item, quantity, money),
            Act::Sell { shop, item, quantity, money } => self.deal(who, false, shop, item, quantity, money),
            Act::PickUp { drop } => {
                let Some(place) = self.drops.iter().position(|&(there, ..)| there == drop) else {
                    return Outcome::Gone;
                };
                let goods = self.drops[place].1;
                if !self.fits(who, &goods, false) {
                    return Outcome::Full;
                }
                self.give(who, &goods);
                self.drops.swap_remove(place);
                Outcome::Done
            }
            Act::Drop { item, quantity } => {
                let Some(number) = known(item).filter(|_| quantity > 0) else { return Outcome::Malformed };
                if self.members[who].have[number] < i64::from(quantity) {
                    return Outcome::NotEnoughItems;
                }
                if self.drops.len() >= self.drops_max.div_ceil(2) {
                    return Outcome::Full;
                }
                self.members[who].have[number] -= i64::from(quantity);
                let mut goods = [0; ITEMS + 1];
                goods[number] = i64::from(quantity);
                if self.lay(goods, drop) { Outcome::Done } else { Outcome::Gone }
            }
            Act::Use { item } => match known(item) {
                None => Outcome::Malformed,
                Some(number) if !self.usable[number] => Outcome::NotAllowed,
                Some(number) if self.members[who].have[number] == 0 => Outcome::NotEnoughItems,
                Some(number) => {
                    self.members[who].have[number] -= 1;
                    Outcome::Done
                }
            },
            Act::Open { with } => self.open(who, with as usize),
            Act::Offer { item, quantity, money } => self.offer(who, item, quantity, money),
            Act::Confirm { revision } => self.confirm(who, revision),
            Act::Cancel if self.stop_trading(who) => Outcome::Done,
            Act::Cancel => Outcome::Changed,
        }
    }

    fn deal(
        &mut self,
        who: usize,
        is_buy: bool,
        shop: u32,
        item: ItemId,
        quantity: u32,
        money: i64,
    ) -> Outcome {
        if quantity == 0 || money < 0 {
            return Outcome::Malformed;
        }
        let Some(shelves) = self.shelves.get(shop as usize) else { return Outcome::Gone };
        let Some(row) = shelves.iter().position(|shelf| shelf.config.item == item) else {
            return Outcome::NotAllowed;
        };
        let Shelf { asks, pays, stock, config } = &shelves[row];
        let (number, many, have) = (item.0 as usize, i64::from(quantity), &self.members[who].have);
        let total = i128::from(if is_buy { *asks } else { *pays }) * i128::from(quantity);
        let is_mine = have[number] >= many;
        let is_payable = i128::from(have[0]) >= total;
        let is_room = if is_buy {
            self.fits_one(who, number, many)
        } else {
            total <= MONEY_MAX.into()
                && self.fits_one(who, 0, total as i64)
                && stock + many <= i64::from(config.stock_max)
        };
        let outcome = match is_buy {
            true if total > money.into() => Outcome::Price,
            true if *stock < many => Outcome::NotEnoughItems,
            true if !is_payable => Outcome::NotEnoughMoney,
            false if !is_mine => Outcome::NotEnoughItems,
            false if total < money.into() => Outcome::Price,
            _ if !is_room => Outcome::Full,
            _ => Outcome::Done,
        };
        if outcome == Outcome::Done {
            let sign = if is_buy { 1 } else { -1 };
            self.members[who].have[0] -= sign * total as i64;
            self.members[who].have[number] += sign * many;
            self.shelves[shop as usize][row].stock -= sign * many;
        }
        outcome
    }

    fn open(&mut self, who: usize, with: usize) -> Outcome {
        if who == with {
            return Outcome::Oneself;
        }
        match self.members.get(with) {
            None => Outcome::Gone,
            Some(other) if !other.is_present || !self.members[who].is_present => Outcome::Gone,
            Some(other) if other.partner.or(self.members[who].partner).is_some() => Outcome::NotAllowed,
            Some(other) if other.asked.is_some_and(|(whom, until)| whom == who && until >= self.tick) => {
                for (member, partner) in [(who, with), (with, who)] {
                    let member = &mut self.members[member];
                    (member.partner, member.asked) = (Some(partner), None);
                    (member.revision, member.has_agreed) = (1, false);
                }
                Outcome::Done
            }
            Some(_) => {
                let asked = self.members[who].asked;
                if asked.is_some_and(|(whom, until)| whom == with && until >= self.tick) {
                    return Outcome::Done;
                }
                self.members[who].asked = Some((with, self.tick + self.ask_ticks));
                Outcome::Done
            }
        }
    }

    fn revise(&mut self, who: usize, partner: usize) {
        for member in [who, partner] {
            self.members[member].revision += 1;
            self.members[member].has_agreed = false;
        }
    }

    fn offer(&mut self, who: usize, item: ItemId, quantity: u32, money: i64) -> Outcome {
        let (number, amount) = match known(item) {
            Some(number) => (number, i64::from(quantity)),
            None if item.0 == 0 && money >= 0 => (0, money),
            None => return Outcome::Malformed,
        };
        let member = &mut self.members[who];
        let Some(partner) = member.partner else { return Outcome::Changed };
        let all = member.have[number] + member.offer[number];
        if amount == member.offer[number] {
            return Outcome::Done;
        }
        if amount > all {
            return if number == 0 { Outcome::NotEnoughMoney } else { Outcome::NotEnoughItems };
        }
        let others = (1..=ITEMS).filter(|&i| i != number && member.offer[i] > 0).count();
        if number > 0 && amount > 0 && others >= GOODS_STACKS_MAX {
            return Outcome::Full;
        }
        (member.have[number], member.offer[number]) = (all - amount, amount);
        self.revise(who, partner);
        Outcome::Done
    }

    fn confirm(&mut self, who: usize, revision: u32) -> Outcome {
        let member = &mut self.members[who];
        let Some(partner) = member.partner.filter(|_| member.revision == revision) else {
            return Outcome::Changed;
        };
        member.has_agreed = true;
        if !self.members[partner].has_agreed {
            return Outcome::Done;
        }
        let offers = [self.members[who].offer, self.members[partner].offer];
        if !self.fits(who, &offers[1], true) || !self.fits(partner, &offers[0], true) {
            self.revise(who, partner);
            return Outcome::Full;
        }
        for (member, goods) in [(who, offers[1]), (partner, offers[0])] {
            self.members[member].offer = [0; ITEMS + 1];
            self.members[member].partner = None;
            self.give(member, &goods);
        }
        Outcome::Done
    }
}
