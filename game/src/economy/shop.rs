//! Shops: finite stock that drifts towards the usual, fixed prices, a purse without a bottom.
//!
//! What a shop asks is the catalogue's price rounded up with its margin on top, what it pays is that price rounded down
//! with its margin off: pays <= price <= asks. So no tour of shops, whatever their margins, makes money.

use super::account::AccountId;
use super::catalogue::{Catalogue, EconomyError};
use super::goods::MONEY;
use super::ledger::Book;
use super::limits::{SHOP_LINES_MAX, SHOPS_MAX};
use super::seeded::seeded;
use super::transfer::Holder;
use super::{Change, Economy};
use crate::{CommandId, ItemId, Outcome};
use throng_engine::Digest;

/// A shop: its place in the list that the economy was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShopId(pub u32);

/// How a shop deals in one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineConfig {
    /// Which.
    pub item: ItemId,
    /// Stock at the start, and what it drifts towards. 0 is a shop that buys only.
    pub stock_usual: u32,
    /// It buys no more than up to this.
    pub stock_max: u32,
    /// Ticks between two steps towards the usual, at least 1.
    pub restock_ticks: u32,
    /// Length of a step: that many come in, or go out as spoiled.
    pub restock_step: u32,
    /// It asks so much above the catalogue's price, in 1/1000.
    pub ask_margin: u16,
    /// It pays so much below the catalogue's price, in 1/1000, at most 1000.
    pub pay_margin: u16,
}

/// What a shop asks, pays and has of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub item: ItemId,
    /// For one, minor units.
    pub asks: i64,
    /// For one, minor units; never above `asks`.
    pub pays: i64,
    /// How many it has.
    pub stock: u32,
}

#[derive(Debug)]
struct Row {
    line: Line,
    config: LineConfig,
    /// Tick of the next step.
    due_tick: u32,
}

#[derive(Debug)]
pub(super) struct Shop {
    rows: Vec<Row>,
    /// The earliest of its rows'.
    due_tick: u32,
}

fn line(catalogue: &Catalogue, config: &LineConfig) -> Result<Line, &'static str> {
    let item = catalogue.get(config.item).ok_or("the catalogue does not have it")?;
    if config.pay_margin > 1000 {
        return Err("pay_margin is above 1000 thousandths: it would pay less than nothing");
    }
    if config.stock_usual > config.stock_max {
        return Err("stock_usual is above stock_max");
    }
    if config.restock_ticks == 0 {
        return Err("restock_ticks is 0: a step takes a tick at least");
    }
    let asks = (item.price * (1000 + i64::from(config.ask_margin)) + 999) / 1000;
    let pays = item.price * (1000 - i64::from(config.pay_margin)) / 1000;
    debug_assert!(pays <= item.price && item.price <= asks);
    Ok(Line { item: config.item, asks, pays, stock: 0 })
}

impl Shop {
    fn new(number: usize, catalogue: &Catalogue, lines: &[LineConfig]) -> Result<Self, EconomyError> {
        EconomyError::check_count("lines of a shop", lines.len(), SHOP_LINES_MAX)?;
        let mut rows: Vec<Row> = Vec::with_capacity(lines.len());
        for config in lines {
            let line = line(catalogue, config).and_then(|line| {
                let is_new = rows.iter().all(|row| row.line.item != line.item);
                is_new.then_some(line).ok_or("it has two lines of it")
            });
            let line = line.map_err(|why| EconomyError::Line { shop: number, item: config.item.0, why })?;
            rows.push(Row { line, config: *config, due_tick: config.restock_ticks });
        }
        let due_tick = rows.iter().map(|row| row.due_tick).min().unwrap_or(u32::MAX);
        Ok(Self { rows, due_tick })
    }

    /// Changes a line's stock.
    #[must_use]
    pub(super) fn adjust(&mut self, row: u32, delta: i64) -> bool {
        let stock = &mut self.rows[row as usize].line.stock;
        let after = i64::from(*stock).checked_add(delta).and_then(|after| u32::try_from(after).ok());
        *stock = after.unwrap_or(*stock);
        after.is_some()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.rows.iter().map(|row| &row.line)
    }

    pub(super) fn digest(&self, digest: &mut Digest) {
        for row in &self.rows {
            digest.push(u64::from(row.due_tick) << 32 | u64::from(row.line.stock));
        }
    }
}

impl Economy {
    pub(super) fn open_shops(&mut self, shops: &[Vec<LineConfig>]) -> Result<(), EconomyError> {
        EconomyError::check_count("shops", shops.len(), SHOPS_MAX)?;
        for (number, lines) in shops.iter().enumerate() {
            self.shops.push(Shop::new(number, &self.catalogue, lines)?);
            for (row, config) in (0..).zip(lines) {
                let to = Holder::Shop(number as u32, row);
                self.transfer(Holder::Outside(Book::Restock), to, config.item, i64::from(config.stock_usual));
            }
        }
        Ok(())
    }

    /// What a shop asks, pays and has; nothing for one that is not there.
    pub fn shop_lines(&self, shop: ShopId) -> impl Iterator<Item = &Line> {
        self.shops.get(shop.0 as usize).into_iter().flat_map(Shop::lines)
    }

    /// Steps of all stocks that are due towards the usual.
    pub(super) fn restock(&mut self) {
        let tick = self.tick;
        for number in 0..self.shops.len() {
            if self.shops[number].due_tick > tick {
                continue;
            }
            for place in 0..self.shops[number].rows.len() {
                let row = &mut self.shops[number].rows[place];
                if row.due_tick > tick {
                    continue;
                }
                row.due_tick = tick.saturating_add(row.config.restock_ticks);
                let Line { item, stock, .. } = row.line;
                let (usual, step) = (row.config.stock_usual, row.config.restock_step);
                let amount = i64::from(stock.abs_diff(usual).min(step));
                let here = Holder::Shop(number as u32, place as u32);
                if seeded!(self, RestockUnbooked) {
                    let row = &mut self.shops[number].rows[place];
                    row.line.stock =
                        if stock < usual { stock + amount as u32 } else { stock - amount as u32 };
                } else if stock < usual {
                    self.transfer(Holder::Outside(Book::Restock), here, item, amount);
                } else {
                    self.transfer(here, Holder::Outside(Book::Spoiled), item, amount);
                }
            }
            let shop = &mut self.shops[number];
            shop.due_tick = shop.rows.iter().map(|row| row.due_tick).min().unwrap_or(u32::MAX);
        }
    }

    /// Buys from a shop, for at most `money_max` minor units in all.
    pub fn buy(
        &mut self,
        account: AccountId,
        id: CommandId,
        shop: ShopId,
        item: ItemId,
        quantity: u32,
        money_max: i64,
    ) -> Outcome {
        self.once(account, id, |economy| {
            economy.deal(account, shop, item, quantity, money_max, |economy, row, line| {
                let total = if seeded!(economy, PriceWraps) {
                    i64::from((line.asks as u32).wrapping_mul(quantity))
                } else {
                    match line.asks.checked_mul(i64::from(quantity)) {
                        Some(total) => total,
                        // More than money can be.
                        None => return Outcome::Price,
                    }
                };
                if total > money_max {
                    return Outcome::Price;
                }
                if line.stock < quantity {
                    return Outcome::NotEnoughItems;
                }
                if economy.accounts[account.row()].goods.money() < total {
                    return Outcome::NotEnoughMoney;
                }
                if !economy.fits_amount(account, item, i64::from(quantity)) {
                    return Outcome::Full;
                }
                let player = Holder::Player(account);
                economy.transfer(player, Holder::Outside(Book::Purse), MONEY, total);
                economy.transfer(Holder::Shop(shop.0, row), player, item, i64::from(quantity));
                Outcome::Done
            })
        })
    }

    /// Sells to a shop, for at least `money_min` minor units in all.
    pub fn sell(
        &mut self,
        account: AccountId,
        id: CommandId,
        shop: ShopId,
        item: ItemId,
        quantity: u32,
        money_min: i64,
    ) -> Outcome {
        self.once(account, id, |economy| {
            economy.deal(account, shop, item, quantity, money_min, |economy, row, line| {
                let each = if seeded!(economy, PaysMoreThanAsked) { line.asks + 1 } else { line.pays };
                if economy.accounts[account.row()].goods.quantity(item) < quantity {
                    return Outcome::NotEnoughItems;
                }
                let Some(total) = each.checked_mul(i64::from(quantity)) else { return Outcome::Full };
                if total < money_min {
                    return Outcome::Price;
                }
                let stock_max = economy.shops[shop.0 as usize].rows[row as usize].config.stock_max;
                let has_room = u64::from(line.stock) + u64::from(quantity) <= u64::from(stock_max);
                if !has_room || !economy.fits_amount(account, MONEY, total) {
                    return Outcome::Full;
                }
                let player = Holder::Player(account);
                economy.transfer(player, Holder::Shop(shop.0, row), item, i64::from(quantity));
                economy.transfer(Holder::Outside(Book::Purse), player, MONEY, total);
                Outcome::Done
            })
        })
    }

    /// Finds the line and tells of it and of what changed.
    fn deal(
        &mut self,
        account: AccountId,
        shop: ShopId,
        item: ItemId,
        quantity: u32,
        money: i64,
        act: impl FnOnce(&mut Self, u32, Line) -> Outcome,
    ) -> Outcome {
        if quantity == 0 || money < 0 {
            return Outcome::Malformed;
        }
        let Some(found) = self.shops.get(shop.0 as usize) else { return Outcome::Gone };
        let Some((row, &line)) = (0..).zip(found.lines()).find(|(_, line)| line.item == item) else {
            return Outcome::NotAllowed;
        };
        let outcome = act(self, row, line);
        if outcome == Outcome::Done {
            self.tell_amount(account, MONEY);
            self.tell_amount(account, item);
        }
        let Line { asks, pays, stock, .. } = self.shops[shop.0 as usize].rows[row as usize].line;
        self.tell(Change::Price { account, shop, item, asks, pays, stock });
        outcome
    }
}
