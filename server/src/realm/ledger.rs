//! The world's money, as a report tells it: who holds it, where it came from, where it went.

use std::collections::BTreeMap;

use throng_game::{Book, Economy, MONEY};

/// Books that hold money, and those that it came from or went to. What is held equals what came less what went.
const HELD: [(&str, Book); 3] =
    [("held_by_players", Book::Player), ("held_by_ground", Book::Drop), ("held_by_trades", Book::Escrow)];
const CAME: [(&str, Book); 3] = [
    ("came_from_loot", Book::Loot),
    ("came_from_quests", Book::Quest),
    ("came_with_characters", Book::NewCharacter),
];
const WENT: [(&str, Book); 3] =
    [("went_to_shops", Book::Purse), ("went_to_fees", Book::Fee), ("went_to_waste", Book::Expired)];

/// All of them by name, in minor units.
pub(super) fn money(economy: &Economy) -> BTreeMap<String, i64> {
    let of = |sign: i128| {
        move |(name, book): (&str, Book)| {
            let amount = sign * economy.balance(book, MONEY);
            (name.to_owned(), i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX }))
        }
    };
    // A book that gives has a negative balance.
    HELD.into_iter()
        .map(of(1))
        .chain(CAME.into_iter().map(of(-1)))
        .chain(WENT.into_iter().map(of(1)))
        .collect()
}
