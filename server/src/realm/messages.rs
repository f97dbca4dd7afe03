//! What the channel's messages say: the wire's tables to the game's commands, the game's notices to the wire's tables.

use throng_game::{Command, CommandId, ItemId, Notice, TradeState};
use throng_schema::wire::{Outcome, Told, Verb};
use throng_schema::{CommandFields, NoticeFields};

/// A checked command as the game knows it; `None` for a verb that it does not have.
pub(super) fn command<'m>(fields: &CommandFields<'m>) -> Option<(CommandId, Command<'m>)> {
    let CommandFields { id, verb, entity, item, quantity, money, revision, text, name } = *fields;
    let command = match verb {
        Verb::Buy => Command::Buy { shop: entity, item: ItemId(item), quantity, money },
        Verb::Sell => Command::Sell { shop: entity, item: ItemId(item), quantity, money },
        Verb::PickUp => Command::PickUp { drop: entity },
        Verb::Drop => Command::Drop { item: ItemId(item), quantity },
        Verb::Use => Command::Use { item: ItemId(item) },
        Verb::TradeOpen => Command::TradeOpen { with: entity },
        Verb::TradeOffer => Command::TradeOffer { item: ItemId(item), quantity, money },
        Verb::TradeConfirm => Command::TradeConfirm { revision },
        Verb::TradeCancel => Command::TradeCancel,
        Verb::Say => Command::Say { text },
        Verb::Shout => Command::Shout { text },
        Verb::Whisper => Command::Whisper { name, text },
        Verb::Mute => Command::Mute { name, is_muted: quantity != 0 },
        Verb::EnterZone => Command::EnterZone { zone: item, instance: quantity },
        Verb::LeaveZone => Command::LeaveZone,
        _ => return None,
    };
    Some((CommandId(id), command))
}

/// A notice of `tick` as the wire has it.
pub(super) fn notice<'n>(tick: u32, notice: &Notice<'n>) -> NoticeFields<'n> {
    let told = |told| NoticeFields { tick, told, ..NoticeFields::default() };
    match *notice {
        Notice::Answer { id, outcome } => {
            NoticeFields { id: id.0, outcome: Outcome(outcome as u8), ..told(Told::Answer) }
        }
        Notice::Money { money } => NoticeFields { money, ..told(Told::Money) },
        Notice::Item { item, quantity } => NoticeFields { item: item.0, quantity, ..told(Told::Item) },
        Notice::Price { shop, item, asks, pays, stock } => NoticeFields {
            entity: shop,
            item: item.0,
            quantity: stock,
            money: asks,
            // What a shopkeeper pays for one thing is far below what 32 bits hold.
            revision: u32::try_from(pays).unwrap_or(u32::MAX),
            ..told(Told::Price)
        },
        Notice::Trade { with, revision, item, quantity, money } => {
            NoticeFields { entity: with, revision, item: item.0, quantity, money, ..told(Told::Trade) }
        }
        Notice::TradeState { with, revision, state } => {
            NoticeFields { entity: with, revision, quantity: state as u32, ..told(Told::TradeState) }
        }
        Notice::Said { from, name, text } => NoticeFields { entity: from, name, text, ..told(Told::Said) },
        Notice::Shouted { name, text } => NoticeFields { name, text, ..told(Told::Shouted) },
        Notice::Whispered { name, text } => NoticeFields { name, text, ..told(Told::Whispered) },
        Notice::Progress { level, experience } => {
            NoticeFields { quantity: level, money: experience, ..told(Told::Progress) }
        }
        Notice::Accomplished { what } => NoticeFields { item: what, ..told(Told::Accomplished) },
        Notice::Zone { zone, instance } => {
            NoticeFields { item: zone, quantity: instance, ..told(Told::Zone) }
        }
        Notice::Died { by } => NoticeFields { entity: by, ..told(Told::Died) },
        Notice::Respawned => told(Told::Respawned),
    }
}

/// Whether a notice may be lost when its player does not keep up: what others bring about without its doing may (talk,
/// being asked to trade, and that the asking is over), else they could fill its backlog; what the player has may not.
pub(super) fn is_lossy(notice: &Notice<'_>) -> bool {
    match notice {
        Notice::Said { .. } | Notice::Shouted { .. } | Notice::Whispered { .. } => true,
        Notice::TradeState { state: TradeState::Asked, .. } => true,
        // A trade that was open has a revision above 0.
        Notice::TradeState { state: TradeState::Cancelled, revision: 0, .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use throng_game::Outcome as Became;

    use super::*;

    #[test]
    fn every_verb_of_the_schema_is_a_command_and_reads_its_fields() {
        for number in 0..=u8::MAX {
            let known = (Verb::Buy.0..=Verb::ENUM_MAX).contains(&number);
            let fields = CommandFields { verb: Verb(number), ..CommandFields::default() };
            assert_eq!(command(&fields).is_some(), known, "verb {number}");
        }
        let fields = CommandFields {
            id: 1 << 100,
            verb: Verb::Buy,
            entity: 2,
            item: 3,
            quantity: 4,
            money: 5,
            revision: 6,
            text: "t",
            name: "n",
        };
        let of = |verb| command(&CommandFields { verb, ..fields }).map(|(_, command)| command);
        let item = ItemId(3);
        assert_eq!(command(&fields).map(|(id, _)| id), Some(CommandId(1 << 100)));
        assert_eq!(of(Verb::Sell), Some(Command::Sell { shop: 2, item, quantity: 4, money: 5 }));
        assert_eq!(of(Verb::TradeOffer), Some(Command::TradeOffer { item, quantity: 4, money: 5 }));
        assert_eq!(of(Verb::TradeConfirm), Some(Command::TradeConfirm { revision: 6 }));
        assert_eq!(of(Verb::Whisper), Some(Command::Whisper { name: "n", text: "t" }));
        assert_eq!(of(Verb::Mute), Some(Command::Mute { name: "n", is_muted: true }));
        assert_eq!(of(Verb::EnterZone), Some(Command::EnterZone { zone: 3, instance: 4 }));
    }

    #[test]
    fn notices_say_on_the_wire_what_the_game_said() {
        let price = Notice::Price { shop: 1, item: ItemId(2), asks: 30, pays: i64::MAX, stock: 4 };
        let found = notice(9, &price);
        assert_eq!((found.tick, found.told, found.entity, found.item), (9, Told::Price, 1, 2));
        assert_eq!((found.money, found.revision, found.quantity), (30, u32::MAX, 4));
        let state = Notice::TradeState { with: 5, revision: 6, state: TradeState::Cancelled };
        let found = notice(9, &state);
        assert_eq!((found.entity, found.revision, found.quantity), (5, 6, 4));
        let answer = Notice::Answer { id: CommandId(7), outcome: Became::NotAllowed };
        let found = notice(9, &answer);
        assert_eq!((found.id, found.outcome), (7, Outcome::NotAllowed));
        assert!(!is_lossy(&answer) && !is_lossy(&state));
    }

    #[test]
    fn what_others_bring_about_may_be_lost_and_what_one_has_may_not() {
        let trade = |revision, state| is_lossy(&Notice::TradeState { with: 5, revision, state });
        assert!(is_lossy(&Notice::Shouted { name: "n", text: "t" }));
        assert!(trade(0, TradeState::Asked) && trade(0, TradeState::Cancelled));
        assert!(!trade(1, TradeState::Cancelled), "an open trade is over: its offers are free again");
        assert!(!trade(1, TradeState::Open) && !trade(0, TradeState::Done));
        assert!(!is_lossy(&Notice::Money { money: 1 }));
    }
}
