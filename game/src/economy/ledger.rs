//! The double-entry ledger: two independent sets of numbers that must agree.
//!
//! ```text
//!   an operation ─► transfer ─┬─► the holder it comes from  ─┐ each tells what really changed in it ─► held
//!                             ├─► the holder it goes to     ─┘                                          ║  equal, checked
//!                             └─► one posting: from book, to book, what, how much ─► booked ════════════╝  each tick
//! ```
//!
//! For every item, and for money, each [`Book`] has a balance. Every posting takes from one and adds to another, so the
//! balances of an item add up to zero: what is held = what came from outside − what went there.

use crate::ItemId;
use throng_engine::Digest;

/// Who holds a thing, or whence outside the economy it came and whither it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Book {
    /// Accounts of characters.
    Player,
    /// Shops' stock.
    Shop,
    /// What lies on the ground.
    Drop,
    /// What is offered in a trade.
    Escrow,
    /// From outside: carried by creatures.
    Loot,
    /// From outside: rewards.
    Quest,
    /// From outside: into shops that have less than usual.
    Restock,
    /// From outside: what a new character has.
    NewCharacter,
    /// Outside: what shops are paid and pay. A purse has no bottom; its balance is what shops took in.
    Purse,
    /// To outside: used up.
    Used,
    /// To outside: lay on the ground for too long.
    Expired,
    /// To outside: charged by the world.
    Fee,
    /// To outside: out of shops that have more than usual.
    Spoiled,
}

/// Books in all.
const BOOKS: usize = 13;
/// The first four are holders.
pub(super) const HOLDERS: [Book; 4] = [Book::Player, Book::Shop, Book::Drop, Book::Escrow];

const _: () = assert!(Book::Spoiled as usize + 1 == BOOKS);

/// Whence things are that the world gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Carried by creatures.
    Loot,
    /// Rewards.
    Quest,
    /// What a new character has.
    NewCharacter,
}

impl From<Source> for Book {
    fn from(source: Source) -> Self {
        match source {
            Source::Loot => Self::Loot,
            Source::Quest => Self::Quest,
            Source::NewCharacter => Self::NewCharacter,
        }
    }
}

/// Value was made or lost by mistake: a fault of the program, never of a player. What the books say from then on is not
/// to be trusted, so nothing of value may come into being any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Imbalance {
    /// Holders changed by other amounts than were posted.
    #[error("{book:?} has {held} of {what:?} where {booked} is booked")]
    Held {
        /// Of what; item 0 is money.
        what: ItemId,
        /// Whose.
        book: Book,
        /// What changes in holders add up to.
        held: i128,
        /// What postings add up to.
        booked: i128,
    },
    /// What all holders have, counted anew, is not what their changes added up to.
    #[error("{book:?} has {counted} of {what:?} where changes add up to {held}")]
    Counted {
        /// Of what.
        what: ItemId,
        /// Whose.
        book: Book,
        /// Counted.
        counted: i128,
        /// What changes in holders add up to.
        held: i128,
    },
    /// The balances of an item do not add up to zero.
    #[error("the books of {what:?} add up to {sum}")]
    OneSided {
        /// Of what.
        what: ItemId,
        /// What should be 0.
        sum: i128,
    },
    /// A transfer that the checks before it had allowed was impossible; it has not been made.
    #[error("{amount} of {what:?} could not go from {from:?} to {to:?}")]
    Impossible {
        /// Of what.
        what: ItemId,
        /// From whom.
        from: Book,
        /// To whom.
        to: Book,
        /// How much.
        amount: i64,
    },
    /// An account has more than it may, or is not where its trade says.
    #[error("account {account} is broken: {why}")]
    Account {
        /// Which.
        account: u32,
        /// What is wrong.
        why: &'static str,
    },
}

/// The books of one item.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    booked: [i128; BOOKS],
    held: [i128; HOLDERS.len()],
    is_touched: bool,
}

#[derive(Debug)]
pub(super) struct Ledger {
    /// By item; money is the first.
    rows: Vec<Row>,
    /// Items whose rows changed since the last check.
    touched: Vec<ItemId>,
    postings: u64,
    fault: Option<Imbalance>,
}

impl Ledger {
    pub(super) fn new(item_kinds: usize) -> Self {
        let rows = vec![Row::default(); item_kinds + 1];
        Self { touched: Vec::with_capacity(rows.len()), rows, postings: 0, fault: None }
    }

    fn touch(&mut self, what: ItemId) -> &mut Row {
        let row = &mut self.rows[what.0 as usize];
        if !row.is_touched {
            row.is_touched = true;
            self.touched.push(what);
        }
        row
    }

    /// A holder's amount has changed.
    pub(super) fn hold(&mut self, book: Book, what: ItemId, delta: i64) {
        self.touch(what).held[book as usize] += i128::from(delta);
    }

    /// Value has gone from one book to another.
    pub(super) fn post(&mut self, from: Book, to: Book, what: ItemId, amount: i64) {
        self.postings += 1;
        let row = self.touch(what);
        row.booked[from as usize] -= i128::from(amount);
        row.booked[to as usize] += i128::from(amount);
    }

    /// Half a posting, as no program should make it.
    #[cfg(test)]
    pub(super) fn post_one_side(&mut self, to: Book, what: ItemId, amount: i64) {
        self.touch(what).booked[to as usize] += i128::from(amount);
    }

    pub(super) fn fail(&mut self, fault: Imbalance) {
        self.fault.get_or_insert(fault);
    }

    pub(super) fn is_sound(&self) -> bool {
        self.fault.is_none()
    }

    pub(super) fn booked(&self, book: Book, what: ItemId) -> i128 {
        self.rows.get(what.0 as usize).map_or(0, |row| row.booked[book as usize])
    }

    /// How many postings there were.
    pub(super) fn postings(&self) -> u64 {
        self.postings
    }

    fn check_row(row: &Row, what: ItemId) -> Result<(), Imbalance> {
        let sum: i128 = row.booked.iter().sum();
        if sum != 0 {
            return Err(Imbalance::OneSided { what, sum });
        }
        for book in HOLDERS {
            let (held, booked) = (row.held[book as usize], row.booked[book as usize]);
            if held != booked {
                return Err(Imbalance::Held { what, book, held, booked });
            }
        }
        Ok(())
    }

    /// Checks the rows that changed since the last time.
    pub(super) fn check_touched(&mut self) -> Result<(), Imbalance> {
        let mut result = self.fault.map_or(Ok(()), Err);
        for what in self.touched.drain(..) {
            let row = &mut self.rows[what.0 as usize];
            row.is_touched = false;
            result = result.and(Self::check_row(row, what));
        }
        if let Err(fault) = result {
            self.fail(fault);
        }
        result
    }

    /// Checks all rows against what was counted: one array per item, money first.
    pub(super) fn check_all(&self, counted: &[[i128; HOLDERS.len()]]) -> Result<(), Imbalance> {
        self.fault.map_or(Ok(()), Err)?;
        for ((row, counted), what) in self.rows.iter().zip(counted).zip(0..) {
            Self::check_row(row, ItemId(what))?;
            for book in HOLDERS {
                let (held, counted) = (row.held[book as usize], counted[book as usize]);
                if held != counted {
                    return Err(Imbalance::Counted { what: ItemId(what), book, counted, held });
                }
            }
        }
        Ok(())
    }

    pub(super) fn digest(&self, digest: &mut Digest) {
        digest.push(self.postings);
        for balance in self.rows.iter().flat_map(|row| row.booked) {
            digest.push(balance as u64);
            digest.push((balance >> 64) as u64);
        }
    }
}
