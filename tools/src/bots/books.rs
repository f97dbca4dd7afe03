//! A trader's books: what it owns as far as it has been told, which shopkeepers are near, the trade under way.
//!
//! ```text
//!   errand ──► command ──► realm ──► notices ──► books ──► what follows from them: the next command
//!   swap:      TradeOpen ─► Asked, Open ─► TradeOffer ─► revision ─► TradeConfirm ─► Done
//! ```

use throng_schema::wire::{Outcome, Told, Verb};
use throng_schema::{CommandFields, NoticeFields};

use super::behaviour::Errand;
use crate::rng::Rng;

/// Shopkeepers that it remembers, the latest ones to come into view.
const SHOPKEEPERS: usize = 4;
/// Kinds of things that shops may have: those of the reference rules begin at 1.
const ITEMS: u64 = 8;
/// Kinds of things that it keeps book of.
const GOODS_MAX: usize = 16;
/// Turns after which it leaves a trade that gets nowhere.
const TRADE_TURNS_MAX: u16 = 400;
/// The kind of a shopkeeper in the low bits of attribute 1.
const SHOPKEEPER: u16 = 5;

/// The state of a trade, in `quantity` of a notice of one.
mod trade_state {
    pub const ASKED: u32 = 0;
    pub const OPEN: u32 = 1;
    pub const CONFIRMED: u32 = 2;
    pub const DONE: u32 = 3;
}

#[derive(Clone, Copy, Debug)]
struct Trade {
    revision: u32,
    has_offered: bool,
    /// The revision that was agreed to; 0: none yet.
    confirmed: u32,
    turns: u16,
}

/// What a client has been told of its affairs.
#[derive(Debug, Default)]
pub(super) struct Books {
    shopkeepers: [u32; SHOPKEEPERS],
    seen: usize,
    money: i64,
    goods: Vec<(u32, u32)>,
    asked_by: u32,
    trade: Option<Trade>,
    /// The last purchase or sale that it asked for.
    dealt: u128,
}

impl Books {
    /// Notes an entity that came into view.
    pub(super) fn see(&mut self, id: u32, attr1: u16) {
        if attr1 & 15 == SHOPKEEPER {
            self.shopkeepers[self.seen % SHOPKEEPERS] = id;
            self.seen += 1;
        }
    }

    /// Notes what it is told. Whether that is that a purchase, a sale or a trade came about.
    pub(super) fn hear(&mut self, notice: &NoticeFields<'_>) -> bool {
        match notice.told {
            Told::Answer if notice.outcome == Outcome::Done && notice.id == self.dealt => return true,
            Told::Money => self.money = notice.money,
            Told::Item => self.note_goods(notice.item, notice.quantity),
            Told::Trade => {
                if let Some(trade) = &mut self.trade {
                    trade.revision = trade.revision.max(notice.revision);
                }
            }
            Told::TradeState => {
                self.hear_of_trade(notice);
                return notice.quantity == trade_state::DONE;
            }
            Told::Answer if notice.outcome == Outcome::Changed => {
                if let Some(trade) = &mut self.trade {
                    trade.confirmed = 0;
                }
            }
            _ => {}
        }
        false
    }

    fn note_goods(&mut self, item: u32, quantity: u32) {
        self.goods.retain(|(known, _)| *known != item);
        if quantity > 0 && self.goods.len() < GOODS_MAX {
            self.goods.push((item, quantity));
        }
    }

    fn hear_of_trade(&mut self, notice: &NoticeFields<'_>) {
        match notice.quantity {
            trade_state::ASKED => self.asked_by = notice.entity,
            trade_state::OPEN | trade_state::CONFIRMED => {
                let begun = Trade { revision: 0, has_offered: false, confirmed: 0, turns: 0 };
                let trade = self.trade.get_or_insert(begun);
                trade.revision = trade.revision.max(notice.revision);
            }
            _ => self.trade = None,
        }
        if notice.quantity >= trade_state::DONE {
            self.asked_by = 0;
        }
    }

    /// The command of this turn: what a trade under way needs, else what the errand asks for.
    pub(super) fn command(
        &mut self,
        errand: Option<Errand>,
        partner: u32,
        rng: &mut Rng,
    ) -> Option<CommandFields<'static>> {
        let command = match self.trade {
            Some(_) => self.go_on()?,
            None if self.asked_by != 0 => {
                CommandFields { verb: Verb::TradeOpen, entity: std::mem::take(&mut self.asked_by), ..empty() }
            }
            None => self.deal(errand?, partner, rng)?,
        };
        let id = u128::from(rng.next()) << 64 | u128::from(rng.next());
        if matches!(command.verb, Verb::Buy | Verb::Sell) {
            self.dealt = id;
        }
        Some(CommandFields { id, ..command })
    }

    fn go_on(&mut self) -> Option<CommandFields<'static>> {
        let trade = self.trade.as_mut()?;
        trade.turns += 1;
        if trade.turns > TRADE_TURNS_MAX {
            self.trade = None;
            return Some(CommandFields { verb: Verb::TradeCancel, ..empty() });
        }
        if !trade.has_offered {
            trade.has_offered = true;
            // Whoever owns something offers one of it, and otherwise a coin.
            return Some(match self.goods.first() {
                Some(&(item, _)) => CommandFields { verb: Verb::TradeOffer, item, quantity: 1, ..empty() },
                None => CommandFields { verb: Verb::TradeOffer, money: self.money.clamp(0, 1), ..empty() },
            });
        }
        // A revision that both have had a turn to change.
        if trade.turns.is_multiple_of(20) && trade.revision > trade.confirmed {
            trade.confirmed = trade.revision;
            return Some(CommandFields { verb: Verb::TradeConfirm, revision: trade.revision, ..empty() });
        }
        None
    }

    fn deal(&self, errand: Errand, partner: u32, rng: &mut Rng) -> Option<CommandFields<'static>> {
        let entity = self.shopkeepers[rng.below(self.seen.clamp(1, SHOPKEEPERS) as u64) as usize];
        match errand {
            Errand::Talk => {
                Some(CommandFields { verb: Verb::Say, text: PHRASES[rng.below(4) as usize], ..empty() })
            }
            Errand::Buy if entity != 0 => {
                let (item, quantity) = (1 + rng.below(ITEMS) as u32, 1 + rng.below(3) as u32);
                Some(CommandFields { verb: Verb::Buy, entity, item, quantity, money: self.money, ..empty() })
            }
            Errand::Sell if entity != 0 => {
                let (item, _) = *self.goods.get(rng.below(self.goods.len().max(1) as u64) as usize)?;
                Some(CommandFields { verb: Verb::Sell, entity, item, quantity: 1, ..empty() })
            }
            Errand::Swap if partner != 0 => {
                Some(CommandFields { verb: Verb::TradeOpen, entity: partner, ..empty() })
            }
            _ => None,
        }
    }
}

/// What those say who have nothing to sell.
pub(super) const PHRASES: [&str; 4] =
    ["Well met.", "Mind the wolves by the river.", "Has anybody seen my horse?", "Fresh bread, two coppers!"];

fn empty() -> CommandFields<'static> {
    CommandFields::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(quantity: u32, revision: u32) -> NoticeFields<'static> {
        NoticeFields { told: Told::TradeState, entity: 9, quantity, revision, ..NoticeFields::default() }
    }

    #[test]
    fn a_swap_goes_from_asking_to_agreeing() {
        let (mut books, mut rng) = (Books::default(), Rng::new(1));
        let asked = books.command(Some(Errand::Swap), 9, &mut rng).expect("a command");
        assert_eq!((asked.verb, asked.entity), (Verb::TradeOpen, 9));
        books.hear(&NoticeFields { told: Told::Money, money: 50, ..NoticeFields::default() });
        books.hear(&state(trade_state::OPEN, 1));
        let offered = books.command(None, 9, &mut rng).expect("an offer");
        assert_eq!((offered.verb, offered.money), (Verb::TradeOffer, 1));
        books.hear(&state(trade_state::OPEN, 2));
        let agreed = (0..100).find_map(|_| books.command(None, 9, &mut rng)).expect("an agreement");
        assert_eq!((agreed.verb, agreed.revision), (Verb::TradeConfirm, 2));
        assert!((0..100).all(|_| books.command(None, 9, &mut rng).is_none()), "agreed to once");
        // The other changed something: agree again.
        books.hear(&state(trade_state::OPEN, 3));
        let again = (0..100).find_map(|_| books.command(None, 9, &mut rng)).expect("an agreement");
        assert_eq!((again.verb, again.revision), (Verb::TradeConfirm, 3));
        assert!(books.hear(&state(trade_state::DONE, 3)), "a deal");
        assert!(books.trade.is_none());
    }

    #[test]
    fn one_that_gets_nowhere_is_left_and_one_who_asks_is_answered() {
        let (mut books, mut rng) = (Books::default(), Rng::new(1));
        books.hear(&state(trade_state::ASKED, 0));
        let answer = books.command(None, 0, &mut rng).expect("an answer");
        assert_eq!((answer.verb, answer.entity), (Verb::TradeOpen, 9));
        books.hear(&state(trade_state::OPEN, 1));
        let commands: Vec<_> =
            (0..=TRADE_TURNS_MAX).filter_map(|_| books.command(None, 0, &mut rng)).collect();
        assert_eq!(commands.last().map(|command| command.verb), Some(Verb::TradeCancel));
    }

    #[test]
    fn only_what_is_known_is_bought_and_sold() {
        let (mut books, mut rng) = (Books::default(), Rng::new(1));
        for errand in [Errand::Buy, Errand::Sell, Errand::Swap] {
            assert_eq!(books.command(Some(errand), 0, &mut rng), None);
        }
        books.see(4, 3);
        books.see(5, SHOPKEEPER | 0x300);
        books.hear(&NoticeFields { told: Told::Item, item: 2, quantity: 7, ..NoticeFields::default() });
        let sold = books.command(Some(Errand::Sell), 0, &mut rng).expect("a sale");
        assert_eq!((sold.verb, sold.entity, sold.item, sold.quantity), (Verb::Sell, 5, 2, 1));
        assert_ne!(sold.id, 0);
        let bought = books.command(Some(Errand::Buy), 0, &mut rng).expect("a purchase");
        assert_eq!((bought.verb, bought.entity), (Verb::Buy, 5));
        let answer =
            |outcome, id| NoticeFields { told: Told::Answer, outcome, id, ..NoticeFields::default() };
        assert!(!books.hear(&answer(Outcome::Done, sold.id)), "of another command");
        assert!(
            !books.hear(&answer(Outcome::NotEnoughMoney, bought.id))
                && books.hear(&answer(Outcome::Done, bought.id))
        );
        books.hear(&NoticeFields { told: Told::Item, item: 2, quantity: 0, ..NoticeFields::default() });
        assert_eq!(books.command(Some(Errand::Sell), 0, &mut rng), None);
    }
}
