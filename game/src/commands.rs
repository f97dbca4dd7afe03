//! Commands on their way into the tick: copied as they arrive, bounded for each player, carried out in the order of
//! arrival.

use throng_engine::Digest;

use crate::chat::is_text;
use crate::notices::{Span, Texts};
use crate::{Command, CommandId, ItemId, PlayerId};

/// Most commands of one player that wait for one tick.
pub const COMMANDS_MAX: u8 = 8;

/// A command that waits. The texts of `command` are empty; they lie in the arena.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    player: PlayerId,
    id: CommandId,
    command: Command<'static>,
    name: Span,
    text: Span,
    is_malformed: bool,
}

/// All commands that wait for the coming tick.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    waiting: Vec<Waiting>,
    texts: Texts,
}

impl Commands {
    /// Keeps a command. Whether its text is text is looked at here, so that nothing longer than may be said is copied:
    /// `false` if it is not. Such a command waits all the same, to be answered in its turn.
    pub fn push(&mut self, player: PlayerId, id: CommandId, command: Command<'_>) -> bool {
        let (command, name, text) = strip(command);
        let is_malformed = !name.is_none_or(is_text) || !text.is_none_or(is_text);
        let mut keep = |text: Option<&str>| match text {
            Some(text) if !is_malformed => self.texts.push(text),
            _ => Span::default(),
        };
        let (name, text) = (keep(name), keep(text));
        self.waiting.push(Waiting { player, id, command, name, text, is_malformed });
        !is_malformed
    }

    /// Makes room for what so many players ask for in a usual tick.
    pub fn reserve(&mut self, players: usize) {
        self.waiting.reserve(2 * players);
        self.texts.reserve(64 * players);
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Who asked what: `None` for what is malformed.
    pub fn get(&self, index: usize) -> (PlayerId, CommandId, Option<Command<'_>>) {
        let Waiting { player, id, command, name, text, is_malformed } = self.waiting[index];
        let (name, text) = (self.texts.get(name), self.texts.get(text));
        (player, id, (!is_malformed).then(|| dress(command, name, text)))
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
        self.texts.clear();
    }

    pub fn digest(&self, digest: &mut Digest) {
        for waiting in &self.waiting {
            digest.push(u64::from(waiting.player.0));
            digest.push(waiting.id.0 as u64);
            digest.push((waiting.id.0 >> 64) as u64);
            words(waiting.command).into_iter().for_each(|word| digest.push(word));
            // Where one text ends and the next begins.
            let ends = [waiting.name.end(), waiting.text.end()];
            digest.push(u64::from(ends[0]) << 32 | u64::from(ends[1]));
            digest.push(waiting.is_malformed.into());
        }
        self.texts.digest(digest);
    }
}

/// A command as numbers, its texts aside: which one, and its fields.
fn words(command: Command<'_>) -> [u64; 4] {
    let goods = |which, whom: u32, item: ItemId, quantity: u32, money: i64| {
        [which, u64::from(whom), u64::from(item.0) << 32 | u64::from(quantity), money as u64]
    };
    let plain = |which, one: u32, other: u32| [which, u64::from(one) << 32 | u64::from(other), 0, 0];
    match command {
        Command::Buy { shop, item, quantity, money } => goods(0, shop, item, quantity, money),
        Command::Sell { shop, item, quantity, money } => goods(1, shop, item, quantity, money),
        Command::TradeOffer { item, quantity, money } => goods(2, 0, item, quantity, money),
        Command::Drop { item, quantity } => goods(3, 0, item, quantity, 0),
        Command::Use { item } => goods(4, 0, item, 0, 0),
        Command::PickUp { drop } => plain(5, drop, 0),
        Command::TradeOpen { with } => plain(6, with, 0),
        Command::TradeConfirm { revision } => plain(7, revision, 0),
        Command::TradeCancel => plain(8, 0, 0),
        Command::Say { .. } => plain(9, 0, 0),
        Command::Shout { .. } => plain(10, 0, 0),
        Command::Whisper { .. } => plain(11, 0, 0),
        Command::Mute { is_muted, .. } => plain(12, is_muted.into(), 0),
        Command::EnterZone { zone, instance } => plain(13, zone, instance),
        Command::LeaveZone => plain(14, 0, 0),
    }
}

/// A command without its texts, its name and its text.
fn strip(command: Command<'_>) -> (Command<'static>, Option<&str>, Option<&str>) {
    match command {
        Command::Say { text } => (Command::Say { text: "" }, None, Some(text)),
        Command::Shout { text } => (Command::Shout { text: "" }, None, Some(text)),
        Command::Whisper { name, text } => (Command::Whisper { name: "", text: "" }, Some(name), Some(text)),
        Command::Mute { name, is_muted } => (Command::Mute { name: "", is_muted }, Some(name), None),
        Command::Buy { shop, item, quantity, money } => {
            (Command::Buy { shop, item, quantity, money }, None, None)
        }
        Command::Sell { shop, item, quantity, money } => {
            (Command::Sell { shop, item, quantity, money }, None, None)
        }
        Command::PickUp { drop } => (Command::PickUp { drop }, None, None),
        Command::Drop { item, quantity } => (Command::Drop { item, quantity }, None, None),
        Command::Use { item } => (Command::Use { item }, None, None),
        Command::TradeOpen { with } => (Command::TradeOpen { with }, None, None),
        Command::TradeOffer { item, quantity, money } => {
            (Command::TradeOffer { item, quantity, money }, None, None)
        }
        Command::TradeConfirm { revision } => (Command::TradeConfirm { revision }, None, None),
        Command::TradeCancel => (Command::TradeCancel, None, None),
        Command::EnterZone { zone, instance } => (Command::EnterZone { zone, instance }, None, None),
        Command::LeaveZone => (Command::LeaveZone, None, None),
    }
}

/// The reverse of [`strip`].
fn dress<'a>(command: Command<'static>, name: &'a str, text: &'a str) -> Command<'a> {
    match command {
        Command::Say { .. } => Command::Say { text },
        Command::Shout { .. } => Command::Shout { text },
        Command::Whisper { .. } => Command::Whisper { name, text },
        Command::Mute { is_muted, .. } => Command::Mute { name, is_muted },
        other => other,
    }
}
