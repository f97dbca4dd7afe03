//! Which connect tokens have been used: each is good for one session.

use std::collections::HashSet;
use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

use crate::limits::{TOKEN_AHEAD_MS_MAX, USED_KEPT_ENTRIES, USED_TOKENS_MAX};

/// Seconds that the ring spans: the most that a token's end can lie ahead, the second that is running and that in
/// which it ends, rounded up to a power of two.
const SECONDS: usize = 64;

const _: () = assert!(SECONDS as u64 >= TOKEN_AHEAD_MS_MAX / 1000 + 2);

/// What a token is to the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Never used.
    First,
    /// Used before.
    Again,
    /// The set holds as many as it may. A token is turned away rather than one forgotten that is still good.
    Full,
    /// Ended, or to end later than any token may: not to be used, and not remembered.
    Untimely,
}

/// The used tokens that could still be shown again.
///
/// ```text
///   second (not_after / 1000) % 64 ──►  [ {id, id} ][ {} ][ {id} ] …   emptied once that second is over
/// ```
///
/// A token's end is sealed together with its id, so a token shown twice falls into the same second both times, and
/// forgetting is emptying whole seconds: a live id is never evicted, whatever comes. Time only moves forward here, or a
/// forgotten token would come back to life, but for [`set_back`](Self::set_back).
pub(super) struct UsedTokens {
    seconds: [Second; SECONDS],
    hash: KeyedHash,
    now_ms: u64,
    len: usize,
    len_max: usize,
}

struct Second {
    /// Which second this is, in Unix seconds.
    at_s: u64,
    ids: HashSet<[u8; 16], KeyedHash>,
}

impl UsedTokens {
    /// An empty set. `keys` are secret: ids come from clients, even if only the gateway can make them.
    pub fn new(keys: [u64; 2]) -> Self {
        Self::with_max(keys, USED_TOKENS_MAX)
    }

    pub(super) fn with_max(keys: [u64; 2], len_max: usize) -> Self {
        let hash = KeyedHash(SipHasher13::new_with_keys(keys[0], keys[1]));
        let seconds = std::array::from_fn(|_| Second { at_s: 0, ids: HashSet::with_hasher(hash) });
        UsedTokens { seconds, hash, now_ms: 0, len: 0, len_max }
    }

    /// Tokens remembered, those included that ended since the last call.
    pub fn len(&self) -> usize {
        self.len
    }

    /// What [`mark`](Self::mark) would say now, remembering nothing.
    pub fn check(&mut self, now_ms: u64, not_after_ms: u64, token_id: &[u8; 16]) -> Use {
        self.forget(now_ms);
        match not_after_ms.checked_sub(self.now_ms) {
            None | Some(0) => return Use::Untimely,
            Some(left_ms) if left_ms > TOKEN_AHEAD_MS_MAX => return Use::Untimely,
            Some(_) => {}
        }
        let second = &self.seconds[place(not_after_ms)];
        if second.at_s == not_after_ms / 1000 && second.ids.contains(token_id) {
            Use::Again
        } else if self.len >= self.len_max {
            Use::Full
        } else {
            Use::First
        }
    }

    /// Uses a token up, if it is [`Use::First`].
    pub fn mark(&mut self, now_ms: u64, not_after_ms: u64, token_id: &[u8; 16]) -> Use {
        let found = self.check(now_ms, not_after_ms, token_id);
        if found == Use::First {
            let second = &mut self.seconds[place(not_after_ms)];
            second.at_s = not_after_ms / 1000;
            second.ids.insert(*token_id);
            self.len += 1;
        }
        found
    }

    /// From now on it is `now_ms`, earlier than it was. Keeps what could be shown within the span of the ring; which
    /// tokens were forgotten and could be shown again is the caller's to know.
    pub fn set_back(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let reach_s = now_ms / 1000 + SECONDS as u64;
        for second in &mut self.seconds {
            // Its place is needed for a second that comes before it.
            if second.at_s >= reach_s {
                self.len -= second.ids.len();
                second.ids.clear();
            }
        }
    }

    /// Empties the seconds that are over.
    fn forget(&mut self, now_ms: u64) {
        let last_s = self.now_ms / 1000;
        self.now_ms = self.now_ms.max(now_ms);
        let now_s = self.now_ms / 1000;
        if last_s == now_s {
            return;
        }
        for second in &mut self.seconds {
            // Tokens that end within the running second may still be good.
            if second.at_s >= now_s || second.ids.is_empty() {
                continue;
            }
            self.len -= second.ids.len();
            if second.ids.capacity() > USED_KEPT_ENTRIES {
                second.ids = HashSet::with_hasher(self.hash);
            } else {
                second.ids.clear();
            }
        }
    }
}

fn place(not_after_ms: u64) -> usize {
    (not_after_ms / 1000 % SECONDS as u64) as usize
}

/// SipHash-1-3 under secret keys, as the standard library's sets use it: nobody outside can arrange collisions.
#[derive(Clone, Copy)]
pub(super) struct KeyedHash(pub SipHasher13);

impl BuildHasher for KeyedHash {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        self.0
    }
}
