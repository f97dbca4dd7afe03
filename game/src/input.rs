//! What reaches the world from outside, in one order: all that a tick depends on beside the tick before it.
//!
//! ```text
//!   sessions ─► Input, Input, Input ... ─► Game::take ─► Game::tick ─► notices, snapshots
//! ```
//!
//! Two games made alike that take the same inputs between the same ticks are equal bit for bit: a list of inputs is a
//! journal.

use glam::Vec2;

/// A player that is in the world: its place in the table of players. A place is used again after its player has departed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayerId(pub u32);

/// Number of a kind of thing that can be owned; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u32);

/// A number that a client drew at random for a command: one about goods takes effect at most once by it, while it is
/// among the last of its character that are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u128);

/// What a player asks of its avatar for one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Intent {
    /// Wanted direction; a length above 1 means full speed.
    pub direction: Vec2,
    /// Facing, 1/65536 of a turn.
    pub yaw: u16,
    /// Buttons held: see [`buttons`](crate::buttons).
    pub buttons: u16,
}

/// One thing from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// A character enters, or comes back to its body.
    Enter {
        /// Which one, for ever.
        character: u64,
        /// What others see it called.
        name: &'a str,
    },
    /// A player is no longer there. Its body may stay for a while.
    Leave {
        /// Who.
        player: PlayerId,
    },
    /// What a player wants in one of its ticks.
    Intent {
        /// Who.
        player: PlayerId,
        /// 1, 2, 3 ...
        sequence: u32,
        /// The tick at which its client showed the others.
        shown_tick: u32,
        /// What.
        intent: Intent,
    },
    /// What a player asks for beside moving and fighting.
    Command {
        /// Who.
        player: PlayerId,
        /// Drawn by its client.
        id: CommandId,
        /// What.
        command: Command<'a>,
    },
    /// How much creatures may think: one in so many of their thoughts takes place. 1 is all of them.
    Effort {
        /// At least 1.
        think_divisor: u32,
    },
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It takes effect in the next tick, or waits for its turn.
    Queued,
    /// The character is in the world.
    Entered(PlayerId),
    /// The world has no room for another avatar.
    Full,
    /// No such player.
    Nobody,
    /// Its number has been seen.
    Stale,
    /// More intents than time has passed for; refused.
    OverBudget,
    /// More commands than may wait for one tick; refused.
    TooMany,
    /// The direction is no number; refused.
    Malformed,
}

/// What a player asks for. Entities are named by the bits of their ids, as clients know them: whether such a one lives,
/// and is what the command needs, is found out when it is carried out.
#[allow(missing_docs)] // What a field is its variant says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Buys from a shopkeeper, for at most `money` in all.
    Buy { shop: u32, item: ItemId, quantity: u32, money: i64 },
    /// Sells to a shopkeeper, for at least `money` in all.
    Sell { shop: u32, item: ItemId, quantity: u32, money: i64 },
    /// Takes what lies on the ground.
    PickUp { drop: u32 },
    /// Puts something on the ground.
    Drop { item: ItemId, quantity: u32 },
    /// Uses one up.
    Use { item: ItemId },
    /// Asks a player to trade, or accepts being asked.
    TradeOpen { with: u32 },
    /// Puts this much of an item, or of money when the item is 0, into the trade in place of what was there of it.
    TradeOffer { item: ItemId, quantity: u32, money: i64 },
    /// Agrees to the trade as it is at this revision.
    TradeConfirm { revision: u32 },
    /// Leaves the trade.
    TradeCancel,
    /// To everybody near.
    Say { text: &'a str },
    /// To the whole realm.
    Shout { text: &'a str },
    /// To one player.
    Whisper { name: &'a str, text: &'a str },
    /// Hears a player no more, or again.
    Mute { name: &'a str, is_muted: bool },
    /// Into an instance of a zone; `instance` 0 is any with room.
    EnterZone { zone: u32, instance: u32 },
    /// Back to the main zone.
    LeaveZone,
}

/// Why a command did nothing; the numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It did something.
    Done = 0,
    /// Nonsense among its fields.
    Malformed = 1,
    /// Nobody, or nothing, is there by that number or name (any more).
    Gone = 2,
    /// Too far away.
    TooFar = 3,
    /// Too little money.
    NotEnoughMoney = 4,
    /// Too few of the item.
    NotEnoughItems = 5,
    /// No room for more, of money or of things.
    Full = 6,
    /// The price is not what was agreed to.
    Price = 7,
    /// The trade has changed since, or there is none.
    Changed = 8,
    /// Too many in too short a time.
    TooFast = 9,
    /// The speaker may not be heard.
    Muted = 10,
    /// Not while dead.
    Dead = 11,
    /// Not while fighting.
    Fighting = 12,
    /// Not with oneself.
    Oneself = 13,
    /// Not there, not here, not now.
    NotAllowed = 14,
}

/// What the world tells one player, reliably and in order.
#[allow(missing_docs)] // What a field is its variant says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    /// What became of a command.
    Answer { id: CommandId, outcome: Outcome },
    /// What the player has now.
    Money { money: i64 },
    /// What the player has of an item now.
    Item { item: ItemId, quantity: u32 },
    /// What a shopkeeper asks for one, pays for one, and has.
    Price { shop: u32, item: ItemId, asks: i64, pays: i64, stock: u32 },
    /// What the other side of the trade offers of an item, or of money when the item is 0.
    Trade { with: u32, revision: u32, item: ItemId, quantity: u32, money: i64 },
    /// Where the trade stands.
    TradeState { with: u32, revision: u32, state: TradeState },
    /// Heard nearby.
    Said { from: u32, name: &'a str, text: &'a str },
    /// Heard everywhere.
    Shouted { name: &'a str, text: &'a str },
    /// Heard by this player alone.
    Whispered { name: &'a str, text: &'a str },
    /// Level and experience in all.
    Progress { level: u32, experience: i64 },
    /// Something was accomplished for the first time.
    Accomplished { what: u32 },
    /// Where the player is.
    Zone { zone: u32, instance: u32 },
    /// The avatar has died.
    Died { by: u32 },
    /// The avatar stands again.
    Respawned,
}

/// Where a trade stands; the numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TradeState {
    /// The other has asked.
    Asked = 0,
    /// Both look at it.
    Open = 1,
    /// The other has agreed to the present revision.
    Confirmed = 2,
    /// All has changed hands.
    Done = 3,
    /// Nothing has.
    Cancelled = 4,
}
