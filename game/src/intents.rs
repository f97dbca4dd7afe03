//! One player's intents on their way into the world: a short queue, and the time that may be spent on them.
//!
//! ```text
//!   arriving        1   2   3 4 5       6   7 ...        jitter: none in one tick, three in the next
//!   queue (<= 8)    1   2   3 4 5       6   7
//!   taken           1   2   . 3 4   5   6   7            one a tick, two while it catches up
//!   credit (<= 8)   0   0   1   0   0   0   0            a tick without a step saves one, a second step spends it
//! ```
//!
//! An intent is one step of the avatar, and a step is paid for with a tick of the world's own time: whatever a client's
//! clock says, its avatar takes at most as many steps as ticks have passed since it entered.

use crate::Intent;

/// Most intents that wait for their tick.
pub const INTENTS_MAX: usize = 8;

/// Most ticks that are saved for steps to come: 0.4 s at 20 Hz, what a hiccup of the network lasts.
pub const CREDIT_MAX: u8 = 8;

/// Most steps of one avatar in one tick.
pub const STEPS_MAX: usize = 2;

/// A numbered intent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Numbered {
    pub sequence: u32,
    pub shown_tick: u32,
    pub intent: Intent,
}

/// What the intents of one tick ask of an avatar. Half a cache line, and never parts of two: each is looked up where no
/// cache expects it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
pub(crate) struct Order {
    /// The last of them.
    pub last: Numbered,
    /// How many there are, up to [`STEPS_MAX`].
    pub count: u8,
}

/// What is asked of all avatars in one tick, by their players' places.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub orders: Vec<Order>,
    /// The first of two intents; leftovers where there is one or none.
    pub earlier: Vec<Numbered>,
}

/// Why an intent was not let into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Stale,
    OverBudget,
}

/// The queue and the budget of one player.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intents {
    queue: [Numbered; INTENTS_MAX],
    first: u8,
    count: u8,
    credit: u8,
    applied: u32,
    newest: u32,
}

impl Intents {
    /// Lets an intent wait for its tick. Gaps in the numbers are for ever: what is missing was lost.
    pub fn push(&mut self, numbered: Numbered) -> Result<(), Refused> {
        if numbered.sequence <= self.newest {
            return Err(Refused::Stale);
        }
        // The number of a refused one stays unseen: its client sends it again with the next ones.
        if usize::from(self.count) == INTENTS_MAX {
            return Err(Refused::OverBudget);
        }
        self.queue[usize::from(self.first + self.count) % INTENTS_MAX] = numbered;
        self.count += 1;
        self.newest = numbered.sequence;
        Ok(())
    }

    /// The intents of this tick. Of two the first is left in `earlier`.
    pub fn take(&mut self, earlier: &mut Numbered) -> Order {
        self.credit = (self.credit + 1).min(CREDIT_MAX);
        let count = self.count.min(self.credit).min(STEPS_MAX as u8);
        let mut last = Numbered::default();
        for turn in 0..count {
            if turn > 0 {
                *earlier = last;
            }
            last = self.queue[usize::from(self.first)];
            self.first = (self.first + 1) % INTENTS_MAX as u8;
            self.applied = last.sequence;
        }
        self.count -= count;
        self.credit -= count;
        Order { last, count }
    }

    /// Begins anew, for a client that has just come: it counts from 1. What was saved stays, so that coming and going
    /// gains no time.
    pub fn restart(&mut self) {
        *self = Self { credit: self.credit, ..Self::default() };
    }

    /// How many wait.
    pub fn len(&self) -> u8 {
        self.count
    }

    /// Number of the last one that was taken, 0 for none.
    pub fn applied(&self) -> u32 {
        self.applied
    }

    pub fn digest(&self, digest: &mut throng_engine::Digest) {
        digest.push(u64::from(self.applied) << 32 | u64::from(self.newest));
        digest.push(u64::from(self.credit) << 8 | u64::from(self.count));
        for place in 0..self.count {
            let Numbered { sequence, shown_tick, intent } =
                self.queue[usize::from(self.first + place) % INTENTS_MAX];
            let Intent { direction, yaw, buttons } = intent;
            digest.push(u64::from(sequence) << 32 | u64::from(shown_tick));
            digest.push(u64::from(direction.x.to_bits()) << 32 | u64::from(direction.y.to_bits()));
            digest.push(u64::from(yaw) << 16 | u64::from(buttons));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(sequence: u32) -> Numbered {
        Numbered { sequence, ..Numbered::default() }
    }

    fn sequences(intents: &mut Intents) -> Vec<u32> {
        let mut earlier = Numbered::default();
        let Order { last, count } = intents.take(&mut earlier);
        [earlier, last][STEPS_MAX - usize::from(count)..].iter().map(|numbered| numbered.sequence).collect()
    }

    #[test]
    fn one_a_tick_and_two_while_it_catches_up() {
        let mut intents = Intents::default();
        intents.push(numbered(1)).unwrap();
        assert_eq!(sequences(&mut intents), [1]);
        for _ in 0..3 {
            assert!(sequences(&mut intents).is_empty());
        }
        for sequence in 2..=8 {
            intents.push(numbered(sequence)).unwrap();
        }
        // Three were saved, so three ticks take two.
        let taken: Vec<_> = (0..5).map(|_| sequences(&mut intents).len()).collect();
        assert_eq!(taken, [2, 2, 2, 1, 0]);
        assert_eq!(intents.applied(), 8);
    }

    #[test]
    fn what_was_seen_is_stale_and_what_does_not_fit_may_come_again() {
        let mut intents = Intents::default();
        for sequence in [3, 4, 7, 8, 9, 10, 11, 12] {
            intents.push(numbered(sequence)).unwrap();
        }
        for sequence in [0, 1, 3, 5, 12] {
            assert_eq!(intents.push(numbered(sequence)), Err(Refused::Stale));
        }
        assert_eq!(intents.push(numbered(13)), Err(Refused::OverBudget));
        assert_eq!(sequences(&mut intents), [3]);
        intents.push(numbered(13)).unwrap();
        assert_eq!(intents.len(), 8);
    }

    #[test]
    fn silence_saves_no_more_than_the_most() {
        let mut intents = Intents::default();
        (0..1_000).for_each(|_| assert!(sequences(&mut intents).is_empty()));
        let mut steps = 0;
        for sequence in 1..=100 {
            // Two arrive each tick.
            let _ = intents.push(numbered(2 * sequence - 1));
            let _ = intents.push(numbered(2 * sequence));
            steps += sequences(&mut intents).len();
        }
        // The credit of the first tick is one of the eight.
        assert_eq!(steps, 100 + usize::from(CREDIT_MAX) - 1);
    }
}
