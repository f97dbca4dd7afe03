//! Who is in the world: one body per character, the one that entered last.
//!
//! ```text
//!   token, epoch 7 ──► asks  ──► newer than all known? ──► admitted ──► confirmed: the body of epoch 6 goes, this one comes
//!                                        └─ no ──► refused: a token that was stolen or forgotten is worth nothing
//! ```
//!
//! The gateway raises a character's session epoch with every token. A departed character's epoch is remembered for as
//! long as an older token of it could still be shown.

use std::collections::{HashMap, VecDeque};

use throng_net::limits::{CONFIRM_US, TOKEN_AHEAD_MS_MAX};
use throng_net::protocol::{SessionIndex, Ticket};

/// For how long a departed character's epoch counts, microseconds.
const MEMORY_US: u64 = TOKEN_AHEAD_MS_MAX * 1000 + CONFIRM_US;

#[derive(Clone, Copy, Debug)]
struct Resident {
    account: u64,
    epoch: u64,
    /// `None`: it has left.
    session: Option<SessionIndex>,
    /// When to forget it, once it has left.
    until_us: u64,
}

/// A newer session of the character is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stale;

/// The characters in the world, and those that left it a moment ago.
#[derive(Debug, Default)]
pub(super) struct Residents {
    of_character: HashMap<u64, Resident>,
    /// Character of each session, by its place in the table; 0 for none.
    of_place: Vec<u64>,
    /// Departed characters and when to forget them, the earliest first.
    departed: VecDeque<(u64, u64)>,
    /// Accounts that were put out: until which Unix ms their tokens were made in vain, and when to forget that.
    kicked: HashMap<u64, (u64, u64)>,
}

impl Residents {
    /// Room for so many, so that nothing grows in the middle of a tick.
    pub fn with_capacity(most: usize) -> Self {
        Self {
            of_character: HashMap::with_capacity(2 * most),
            of_place: Vec::with_capacity(most),
            departed: VecDeque::with_capacity(most),
            kicked: HashMap::new(),
        }
    }

    /// Whether this ticket is newer than every session of its character that is known.
    pub fn check(&self, ticket: &Ticket) -> Result<(), Stale> {
        match self.of_character.get(&ticket.character) {
            Some(known) if known.epoch >= ticket.session_epoch => Err(Stale),
            _ => Ok(()),
        }
    }

    /// Notes that a character has entered, and gives the session that it had until now, to be closed.
    pub fn enter(&mut self, session: SessionIndex, ticket: &Ticket) -> Result<Option<SessionIndex>, Stale> {
        self.check(ticket)?;
        let (account, epoch) = (ticket.account, ticket.session_epoch);
        let resident = Resident { account, epoch, session: Some(session), until_us: u64::MAX };
        let before = self.of_character.insert(ticket.character, resident).and_then(|before| before.session);
        if let Some(place) = before.and_then(|before| self.of_place.get_mut(before.get())) {
            *place = 0;
        }
        if self.of_place.len() <= session.get() {
            self.of_place.resize(session.get() + 1, 0);
        }
        self.of_place[session.get()] = ticket.character;
        Ok(before)
    }

    /// Notes that a session is over.
    pub fn leave(&mut self, session: SessionIndex, now_us: u64) {
        let Some(place) = self.of_place.get_mut(session.get()) else { return };
        let character = std::mem::take(place);
        if let Some(resident) = self.of_character.get_mut(&character) {
            (resident.session, resident.until_us) = (None, now_us.saturating_add(MEMORY_US));
            self.departed.push_back((resident.until_us, character));
        }
    }

    /// Lets no token in that was made for this account up to `unix_ms`, and gives the sessions that are.
    pub fn kick(&mut self, account: u64, unix_ms: u64, now_us: u64) -> Vec<SessionIndex> {
        self.kicked.insert(account, (unix_ms, now_us.saturating_add(MEMORY_US)));
        self.of_account(account)
    }

    /// Whether this ticket was made before its account was put out.
    pub fn is_kicked(&self, ticket: &Ticket) -> bool {
        self.kicked.get(&ticket.account).is_some_and(|(unix_ms, _)| ticket.issued_at_ms <= *unix_ms)
    }

    /// Forgets those that left long ago.
    pub fn forget(&mut self, now_us: u64) {
        if !self.kicked.is_empty() {
            self.kicked.retain(|_, (_, until_us)| *until_us > now_us);
        }
        while let Some((until_us, character)) = self.departed.front().copied()
            && until_us <= now_us
        {
            self.departed.pop_front();
            // One that came back meanwhile stays, and so does one that left again later.
            if self.of_character.get(&character).is_some_and(|known| known.until_us <= now_us) {
                self.of_character.remove(&character);
            }
        }
    }

    /// The sessions of an account, by place.
    fn of_account(&self, account: u64) -> Vec<SessionIndex> {
        let of_account = self.of_character.values().filter(|resident| resident.account == account);
        let mut sessions: Vec<_> = of_account.filter_map(|resident| resident.session).collect();
        sessions.sort_unstable();
        sessions
    }
}

#[cfg(test)]
mod tests {
    use throng_net::protocol::token::TokenName;

    use super::*;

    fn ticket(character: u64, session_epoch: u64) -> Ticket {
        let name = TokenName::new("Ada").expect("a name");
        Ticket {
            account: 9,
            character,
            session_epoch,
            issued_at_ms: 1000 * session_epoch,
            name,
            rate_class: 0,
            flags: 0,
            user_data: [0; 16],
        }
    }

    fn place(index: u32) -> SessionIndex {
        SessionIndex::new(index)
    }

    #[test]
    fn only_the_newest_session_of_a_character_stays() {
        let mut residents = Residents::default();
        assert_eq!(residents.enter(place(3), &ticket(5, 7)), Ok(None));
        assert_eq!(residents.enter(place(4), &ticket(5, 7)), Err(Stale));
        assert_eq!(residents.enter(place(4), &ticket(5, 6)), Err(Stale));
        assert_eq!(residents.enter(place(4), &ticket(5, 8)), Ok(Some(place(3))));
        // The older one's end, noticed later, is not the newer one's.
        residents.leave(place(3), 0);
        assert_eq!(residents.of_account(9), [place(4)]);
        assert_eq!(residents.enter(place(0), &ticket(6, 1)), Ok(None));
        assert_eq!(residents.of_account(9), [place(0), place(4)]);
        assert!(residents.of_account(8).is_empty());
    }

    #[test]
    fn an_epoch_counts_while_older_tokens_may_live() {
        let mut residents = Residents::default();
        assert_eq!(residents.enter(place(0), &ticket(5, 7)), Ok(None));
        residents.leave(place(0), 1000);
        residents.forget(1000 + MEMORY_US - 1);
        assert_eq!(residents.check(&ticket(5, 6)), Err(Stale));
        // Back and gone again: the first departure does not make the second one forgotten.
        assert_eq!(residents.enter(place(0), &ticket(5, 8)), Ok(None));
        residents.forget(1000 + MEMORY_US);
        assert_eq!(residents.check(&ticket(5, 8)), Err(Stale));
        residents.leave(place(0), 5000);
        residents.leave(place(0), 6000);
        residents.forget(5000 + MEMORY_US - 1);
        assert_eq!(residents.check(&ticket(5, 8)), Err(Stale));
        residents.forget(5000 + MEMORY_US);
        assert_eq!(residents.check(&ticket(5, 6)), Ok(()));
        assert!(residents.of_character.is_empty() && residents.departed.is_empty());
    }

    #[test]
    fn whoever_was_put_out_enters_by_a_later_token_only() {
        let mut residents = Residents::default();
        assert_eq!(residents.enter(place(0), &ticket(5, 7)), Ok(None));
        assert_eq!(residents.kick(9, 8000, 10), [place(0)]);
        residents.leave(place(0), 10);
        assert!(residents.is_kicked(&ticket(5, 8)), "made before, shown after");
        assert!(!residents.is_kicked(&ticket(5, 9)), "made after: the account may enter again");
        residents.forget(10 + MEMORY_US - 1);
        assert!(residents.is_kicked(&ticket(5, 8)));
        residents.forget(10 + MEMORY_US);
        assert!(!residents.is_kicked(&ticket(5, 8)), "no such token can be alive");
    }
}
