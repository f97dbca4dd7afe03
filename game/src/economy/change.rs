//! What operations changed, for the caller to tell players.

use super::account::AccountId;
use super::ground::DropId;
use super::shop::ShopId;
use crate::{ItemId, TradeState};

/// One thing that `account`'s player should be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant's line says what its fields are")]
pub enum Change {
    /// The money that it can spend now, minor units. What is in a trade is not among it.
    Money { account: AccountId, money: i64 },
    /// How many of an item it can spend now.
    Item { account: AccountId, item: ItemId, quantity: u32 },
    /// What a shop asks for one, pays for one and has now; told to whoever changed it or was refused by it.
    Price { account: AccountId, shop: ShopId, item: ItemId, asks: i64, pays: i64, stock: u32 },
    /// What the other side of its trade offers now of an item, or of money when the item is 0.
    Offer { account: AccountId, with: AccountId, revision: u32, item: ItemId, quantity: u32, money: i64 },
    /// Where its trade stands. `Open` again with a higher revision means that whoever had agreed has not any more.
    Trade { account: AccountId, with: AccountId, revision: u32, state: TradeState },
    /// Something no longer lies on the ground: claimed, or for too long. For the world, not for a player.
    DropGone { drop: DropId },
}
