//! What can be owned.

use super::limits::{ITEM_KINDS_MAX, PRICE_MAX, STACK_MAX};
use crate::ItemId;

/// What using one of an item up does. The caller does it; the economy takes the item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// It cannot be used.
    #[default]
    Nothing,
    /// Gives back health.
    Heal {
        /// Points of health.
        points: u32,
    },
}

/// A kind of item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// For people.
    pub name: String,
    /// Most that one account can hold, `1..=STACK_MAX`.
    pub stack_max: u32,
    /// What one is worth, minor units, `0..=PRICE_MAX`: no shop asks less or pays more.
    pub price: i64,
    /// What using it does.
    pub effect: Effect,
}

/// All kinds of items. The first is [`ItemId`] 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    items: Vec<Item>,
}

/// Why a catalogue, a shop or an economy cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EconomyError {
    /// There are more of something than its limit.
    #[error("{count} {what} are more than {max}: lower their number")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// An item's numbers are out of range.
    #[error(
        "item {item} ({name}) stacks to {stack_max} and costs {price}: a stack is 1 to {STACK_MAX}, a price 0 to {PRICE_MAX}"
    )]
    Item {
        /// Its number.
        item: u32,
        /// Its name.
        name: String,
        /// As given.
        stack_max: u32,
        /// As given.
        price: i64,
    },
    /// A shop's line is impossible.
    #[error("shop {shop} cannot deal in item {item}: {why}")]
    Line {
        /// The shop's number.
        shop: usize,
        /// The item's number.
        item: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What a new character gets does not fit an account.
    #[error("a new character's goods have an unknown item or more than a stack of one")]
    Start,
}

impl EconomyError {
    pub(super) fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), Self> {
        if count > max { Err(Self::TooMany { what, count, max }) } else { Ok(()) }
    }
}

impl Catalogue {
    /// The items in the order of their numbers, from 1.
    ///
    /// # Errors
    /// When there are too many, or one's stack or price is out of range.
    pub fn new(items: Vec<Item>) -> Result<Self, EconomyError> {
        EconomyError::check_count("kinds of items", items.len(), ITEM_KINDS_MAX)?;
        for (place, item) in items.iter().enumerate() {
            if !(1..=STACK_MAX).contains(&item.stack_max) || !(0..=PRICE_MAX).contains(&item.price) {
                let (name, stack_max, price) = (item.name.clone(), item.stack_max, item.price);
                return Err(EconomyError::Item { item: place as u32 + 1, name, stack_max, price });
            }
        }
        Ok(Self { items })
    }

    /// An item by its number.
    pub fn get(&self, item: ItemId) -> Option<&Item> {
        self.items.get((item.0 as usize).checked_sub(1)?)
    }

    /// All of them with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (ItemId, &Item)> {
        (1..).map(ItemId).zip(&self.items)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}
