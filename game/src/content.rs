//! What there is in the reference game: items, what shops deal in, what creatures carry, how levels are reached.

use throng_engine::Random;

use crate::{
    Accomplishment, Catalogue, Counter, EconomyError, Effect, Goods, Item, ItemId, LineConfig, Progression,
    ProgressionError,
};

/// Gives back 40 points of health.
pub const POTION: ItemId = ItemId(1);
/// Gives back 10 points of health.
pub const BREAD: ItemId = ItemId(2);
/// Of wolves.
pub const PELT: ItemId = ItemId(3);
/// Of boars.
pub const TUSK: ItemId = ItemId(4);
/// Of deer.
pub const ANTLER: ItemId = ItemId(5);
/// Of bandits.
pub const RING: ItemId = ItemId(6);

/// What a new character can spend, minor units.
pub const START_MONEY: i64 = 1_000;

/// How each shop deals in an item: (item, usual stock).
const STOCK: [(ItemId, u32); 6] = [(POTION, 200), (BREAD, 500), (PELT, 0), (TUSK, 0), (ANTLER, 0), (RING, 0)];

/// Experience in all that level `n + 1` takes is `n (n + 1) / 2` times this.
const LEVEL_POINTS: i64 = 100;

/// Highest level of a character.
const LEVEL_MAX: i64 = 60;

pub(crate) fn catalogue() -> Result<Catalogue, EconomyError> {
    let item = |name: &str, stack_max, price, effect| Item { name: name.into(), stack_max, price, effect };
    Catalogue::new(vec![
        item("potion", 20, 50, Effect::Heal { points: 40 }),
        item("bread", 100, 8, Effect::Heal { points: 10 }),
        item("wolf pelt", 1_000, 20, Effect::Nothing),
        item("boar tusk", 1_000, 30, Effect::Nothing),
        item("antler", 1_000, 15, Effect::Nothing),
        item("ring", 100, 120, Effect::Nothing),
    ])
}

/// What a shop deals in, for a world of so many ticks a second.
pub(crate) fn lines(tick_hz: u16) -> Vec<LineConfig> {
    let line = |(item, stock_usual)| LineConfig {
        item,
        stock_usual,
        stock_max: stock_usual + 1_000,
        restock_ticks: 60 * u32::from(tick_hz),
        restock_step: 50,
        ask_margin: 200,
        pay_margin: 300,
    };
    STOCK.into_iter().map(line).collect()
}

/// What a new character has.
pub(crate) fn start() -> Goods {
    Goods::new(START_MONEY, &[(POTION, 3), (BREAD, 5)]).unwrap_or_default()
}

/// Experience for slaying a creature of a level.
pub(crate) fn experience(level: u8) -> i64 {
    20 + 5 * i64::from(level)
}

/// What a slain creature leaves behind: a little money now and then, and mostly a piece of itself.
pub(crate) fn loot(species: u8, level: u8, mut random: Random) -> Goods {
    let piece = [PELT, TUSK, ANTLER, RING][usize::from(species) % 4];
    let money = if random.below(4) == 0 { i64::from(random.below(10) + u32::from(level)) } else { 0 };
    let quantity = u32::from(random.below(10) < 7);
    Goods::new(money, &[(piece, quantity)]).unwrap_or_default()
}

/// The numbers of accomplishments, in the order of [`progression`].
pub mod accomplishments {
    /// The first creature slain.
    pub const FIRST_KILL: u32 = 0;
    /// A hundred creatures slain.
    pub const HUNDRED_KILLS: u32 = 1;
    /// The first player slain.
    pub const FIRST_DUEL: u32 = 2;
    /// The first trade with another player.
    pub const FIRST_TRADE: u32 = 3;
    /// The first thing picked up.
    pub const FIRST_FIND: u32 = 4;
    /// The first instance entered.
    pub const FIRST_VISIT: u32 = 5;
    /// Level 10.
    pub const LEVEL_10: u32 = 6;
}

pub(crate) fn progression() -> Result<Progression, ProgressionError> {
    let steps = (1..LEVEL_MAX).map(|level| LEVEL_POINTS * level * (level + 1) / 2).collect();
    let of = |counter, at| Accomplishment { counter, at };
    Progression::new(
        steps,
        &[
            of(Counter::Kills, 1),
            of(Counter::Kills, 100),
            of(Counter::Duels, 1),
            of(Counter::Trades, 1),
            of(Counter::Finds, 1),
            of(Counter::Visits, 1),
            of(Counter::Level, 10),
        ],
    )
}

/// Points of health of an unhurt avatar of a level.
pub(crate) fn health(level: u8) -> u16 {
    100 + 10 * u16::from(level.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What clients in other languages go by.
    const PAGE: &str = include_str!("../../docs/reference-game.md");

    #[test]
    fn the_page_of_the_reference_game_has_these_items_and_shops() {
        let digits = |number: u32| match number {
            1_000.. => format!("{},{:03}", number / 1_000, number % 1_000),
            _ => number.to_string(),
        };
        let catalogue = catalogue().expect("a catalogue");
        for line in lines(20) {
            let (number, item) = (line.item.0, catalogue.get(line.item).expect("an item"));
            let row = format!("\n| {number} | {} | {} | {} |", item.name, digits(item.stack_max), item.price);
            assert!(PAGE.contains(&row), "{row}");
            let asks = (item.price * (1_000 + i64::from(line.ask_margin)) + 999) / 1_000;
            let pays = item.price * (1_000 - i64::from(line.pay_margin)) / 1_000;
            let row = format!("\n| {number} {} | {asks} | {pays} | {} |", item.name, line.stock_usual);
            assert!(PAGE.contains(&row), "{row}");
        }
    }
}
