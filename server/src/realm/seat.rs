//! What the realm keeps of one connected player beside its session.

use throng_game::{EntityId, Viewer};
use throng_schema::InputFields;

/// A player's place in the realm: the avatar, what it was last told to do, and what the player has seen.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    /// Of the session, among the protocol's transmit halves.
    pub place: u32,
    pub entity: EntityId,
    pub viewer: Viewer,
    pub sent: SentTicks,
    /// Tick on which the next snapshot may build; 0 when the client wants or needs a fresh start.
    pub acked_tick: u32,
    /// Sequence of the newest input applied; 0 before the first.
    pub applied_sequence: u32,
    /// Ticks since an input was applied.
    pub silent_ticks: u32,
    /// Where the avatar was last told to look.
    pub yaw: u16,
}

impl Seat {
    pub fn new(place: u32, entity: EntityId) -> Self {
        Self {
            place,
            entity,
            viewer: Viewer::default(),
            sent: SentTicks::default(),
            acked_tick: 0,
            applied_sequence: 0,
            silent_ticks: 0,
            yaw: 0,
        }
    }
}

/// What a session's player has said since the last tick.
///
/// Apart from the seats, and small: datagrams arrive in any order, and all of these fit a cache together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// The newest input received since the last tick; `sequence` is 0 when there is none.
    input: InputFields,
    /// Sequence of the newest input that was taken; 0 before the first.
    taken_sequence: u32,
}

impl Pending {
    /// Nothing was said yet.
    pub const EMPTY: Self = Self { input: InputFields::NONE, taken_sequence: 0 };

    /// The newest input since this was last asked; `sequence` is 0 when there is none.
    pub fn take(&mut self) -> InputFields {
        let input = std::mem::take(&mut self.input);
        self.taken_sequence = self.taken_sequence.max(input.sequence);
        input
    }

    /// Keeps `input` when it is the newest seen.
    pub fn offer(&mut self, input: InputFields) -> Offer {
        if input.sequence <= self.taken_sequence {
            Offer::Stale
        } else if self.input.sequence == 0 {
            self.input = input;
            Offer::Kept
        } else if input.sequence > self.input.sequence {
            self.input = input;
            Offer::KeptOver
        } else if input.sequence == self.input.sequence {
            Offer::Stale
        } else {
            Offer::Overtaken
        }
    }
}

/// What became of an offered input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is the first since the last tick.
    Kept,
    /// It took the place of an older one that was never applied.
    KeptOver,
    /// A newer one is already waiting.
    Overtaken,
    /// Its number has been seen.
    Stale,
}

/// The ticks of which a client was sent a snapshot: the newest and a bit for each of the 63 before it.
///
/// A client can only have reconstructed what it was sent; anything else that it acknowledges is a lie or a bug, and a
/// delta built on it would be garbage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SentTicks {
    newest: u32,
    /// Bit `i`: tick `newest - i`.
    bits: u64,
}

/// What an acknowledged tick turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ack {
    /// This client was sent this tick.
    Sent,
    /// The tick has not happened yet.
    Future,
    /// The tick was not sent to this client.
    NotSent,
    /// Too long ago to tell.
    TooOld,
}

impl SentTicks {
    /// Notes that `tick` was sent. Ticks come in rising order.
    pub fn push(&mut self, tick: u32) {
        let gap = tick.saturating_sub(self.newest);
        self.bits = self.bits.checked_shl(gap).unwrap_or(0) | 1;
        self.newest = tick;
    }

    /// Looks up an acknowledged tick (not 0) during `current` or after it.
    pub fn look_up(&self, tick: u32, current: u32) -> Ack {
        if tick > current {
            return Ack::Future;
        }
        // Between the newest sent and the current tick lie ticks whose snapshot was not sent.
        let Some(age) = self.newest.checked_sub(tick) else { return Ack::NotSent };
        match self.bits.checked_shr(age) {
            None => Ack::TooOld,
            Some(bits) if bits & 1 == 1 => Ack::Sent,
            Some(_) => Ack::NotSent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_inputs_the_newest_is_taken_once() {
        use Offer::{Kept, KeptOver, Overtaken, Stale};
        let mut pending = Pending::EMPTY;
        let offer = |sequence, pending: &mut Pending| pending.offer(InputFields::new(sequence, 0, 0, &[]));
        let offers = [3, 5, 4, 5].map(|sequence| offer(sequence, &mut pending));
        assert_eq!(offers, [Kept, KeptOver, Overtaken, Stale]);
        assert_eq!((pending.take().sequence, pending.take().sequence), (5, 0));
        assert_eq!([4, 5, 6].map(|sequence| offer(sequence, &mut pending)), [Stale, Stale, Kept]);
    }

    #[test]
    fn acks_are_believed_only_for_what_was_sent() {
        use Ack::{Future, NotSent, Sent};
        let mut sent = SentTicks::default();
        assert_eq!(sent.look_up(1, 100), NotSent);
        for tick in [100, 101, 104] {
            sent.push(tick);
        }
        let found: Vec<Ack> = (98..=106).map(|tick| sent.look_up(tick, 105)).collect();
        assert_eq!(found, [NotSent, NotSent, Sent, Sent, NotSent, NotSent, Sent, NotSent, Future]);
    }

    #[test]
    fn acks_are_forgotten_after_64_ticks() {
        let mut sent = SentTicks::default();
        for tick in 1..=64 {
            sent.push(tick);
        }
        assert_eq!(sent.look_up(1, 64), Ack::Sent);
        sent.push(65);
        assert_eq!((sent.look_up(1, 65), sent.look_up(2, 65)), (Ack::TooOld, Ack::Sent));
        sent.push(1000);
        assert_eq!((sent.look_up(65, 1000), sent.look_up(1000, 1000)), (Ack::TooOld, Ack::Sent));
        assert_eq!(sent.look_up(u32::MAX, 1000), Ack::Future);
        // The last tick there is must not overflow anything.
        sent.push(u32::MAX);
        assert_eq!((sent.look_up(u32::MAX, u32::MAX), sent.look_up(1, u32::MAX)), (Ack::Sent, Ack::TooOld));
    }
}
