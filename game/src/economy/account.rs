//! What belongs to one character.

use super::goods::Goods;
use super::limits::{ACCOUNT_STACKS_MAX, ANSWERS_MAX};
use crate::{CommandId, Outcome};
use throng_engine::Digest;

/// The account of a character: its place in the table, for as long as the character is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u32);

impl AccountId {
    pub(super) fn row(self) -> usize {
        self.0 as usize
    }
}

/// What an account holds.
pub type Holdings = Goods<ACCOUNT_STACKS_MAX>;

/// The seat of an account in its trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) trade: u32,
    /// 0 or 1.
    pub(super) side: u8,
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) character: u64,
    pub(super) is_present: bool,
    pub(super) seat: Option<Seat>,
    /// Whom it has asked to trade, and until which tick that holds.
    pub(super) asked: Option<(AccountId, u32)>,
    /// What it can spend: what it has offered in a trade is in the trade.
    pub(super) goods: Holdings,
    pub(super) answers: Answers,
}

impl Account {
    pub(super) fn new(character: u64) -> Self {
        let (goods, answers) = (Goods::EMPTY, Answers::new());
        Self { character, is_present: true, seat: None, asked: None, goods, answers }
    }

    pub(super) fn digest(&self, digest: &mut Digest) {
        digest.push(self.character);
        digest.push(u64::from(self.is_present));
        digest.push(self.seat.map_or(u64::MAX, |seat| u64::from(seat.trade) << 8 | u64::from(seat.side)));
        digest.push(self.asked.map_or(u64::MAX, |(whom, until)| u64::from(whom.0) << 32 | u64::from(until)));
        self.goods.digest(digest);
        digest.push(self.answers.history.value());
    }
}

// With half a trade 1.5 KiB, as the config says.
const _: () = assert!(size_of::<Account>() + size_of::<super::trade::Trade>() / 2 <= 1_536);

/// The outcomes of an account's last [`ANSWERS_MAX`] operations. Refusals are remembered as well: what a player was told
/// has not happened must not happen when the command arrives once more.
#[derive(Debug)]
pub(super) struct Answers {
    /// 0 where there is none yet: no command has that id.
    ids: [CommandId; ANSWERS_MAX],
    outcomes: [Outcome; ANSWERS_MAX],
    /// The oldest, which the next one replaces.
    next: u8,
    /// Of all there ever were, so that a digest need not go through them.
    history: Digest,
}

impl Answers {
    fn new() -> Self {
        Self {
            ids: [CommandId(0); ANSWERS_MAX],
            outcomes: [Outcome::Done; ANSWERS_MAX],
            next: 0,
            history: Digest::default(),
        }
    }

    pub(super) fn find(&self, id: CommandId) -> Option<Outcome> {
        self.ids.iter().position(|&known| known == id).map(|at| self.outcomes[at])
    }

    pub(super) fn remember(&mut self, id: CommandId, outcome: Outcome, capacity: usize) {
        let at = usize::from(self.next);
        (self.ids[at], self.outcomes[at]) = (id, outcome);
        self.next = ((at + 1) % capacity) as u8;
        self.history.push(id.0 as u64);
        self.history.push((id.0 >> 64) as u64);
        self.history.push(outcome as u64);
    }
}
