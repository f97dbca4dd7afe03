//! What the realm keeps of one connected player beside its session.

use throng_game::{PlayerId, Viewer};

/// A player's place in the realm: who it is in the game, and what it has seen.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    /// Of the session, among the protocol's transmit halves.
    pub place: u32,
    pub player: PlayerId,
    pub viewer: Viewer,
    pub sent: SentTicks,
    /// Tick on which the next snapshot may build; 0 when the client wants or needs a fresh start.
    pub acked_tick: u32,
    /// Where the frame for its next datagram begins among this tick's frames, and its bytes; 0 for none.
    pub frame: (u32, u16),
}

impl Seat {
    pub fn new(place: u32, player: PlayerId) -> Self {
        Self {
            place,
            player,
            viewer: Viewer::default(),
            sent: SentTicks::default(),
            acked_tick: 0,
            frame: (0, 0),
        }
    }
}

/// What a session has said, as far as the next one must be judged by it.
///
/// Apart from the seats, and small: datagrams arrive in any order, and all of these fit a cache together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub player: PlayerId,
    /// Sequence of the newest intent that the game has taken; 0 before the first.
    pub taken_sequence: u32,
    /// Sequence of the newest input, and what it acknowledged.
    newest_sequence: u32,
    ack_tick: u32,
    /// The newest tick that its client had been sent when acknowledgements were last taken.
    sent_tick: u32,
    /// The last tick before which commands came, and how many came then.
    commands_tick: u32,
    commands: u8,
    is_ack_new: bool,
}

impl Said {
    /// Nothing was said yet.
    pub const fn nothing(player: PlayerId) -> Self {
        Self {
            player,
            taken_sequence: 0,
            newest_sequence: 0,
            ack_tick: 0,
            sent_tick: 0,
            commands_tick: 0,
            commands: 0,
            is_ack_new: false,
        }
    }

    /// Notes an input's acknowledgement; `false` when a newer input, or this one, has come before.
    pub fn note(&mut self, sequence: u32, ack_tick: u32) -> bool {
        if sequence <= self.newest_sequence {
            return false;
        }
        (self.newest_sequence, self.ack_tick, self.is_ack_new) = (sequence, ack_tick, true);
        true
    }

    /// The newest acknowledgement, once.
    pub fn take_ack(&mut self) -> Option<u32> {
        std::mem::take(&mut self.is_ack_new).then_some(self.ack_tick)
    }

    /// Notes the newest tick that its client has been sent.
    pub fn note_sent(&mut self, tick: u32) {
        self.sent_tick = tick;
    }

    /// What its client claims to have shown, but nothing newer than it can have been sent: the tick that was noted, and
    /// the one that has been sent since.
    pub fn shown(&self, tick: u32) -> u32 {
        tick.min(self.sent_tick.saturating_add(1))
    }

    /// Makes room for a command before the tick after `tick`; `false` when there were `most` already.
    pub fn admit_command(&mut self, tick: u32, most: u8) -> bool {
        if self.commands_tick != tick {
            (self.commands_tick, self.commands) = (tick, 0);
        }
        let is_admitted = self.commands < most;
        self.commands += u8::from(is_admitted);
        is_admitted
    }
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

    /// The newest tick that was sent; 0 before the first.
    pub fn newest(&self) -> u32 {
        self.newest
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
    fn the_newest_acknowledgement_counts_once() {
        let mut said = Said::nothing(PlayerId(0));
        assert_eq!(said.take_ack(), None);
        let noted = [(3, 30), (5, 50), (4, 40), (5, 51)].map(|(sequence, ack)| said.note(sequence, ack));
        assert_eq!(noted, [true, true, false, false]);
        assert_eq!((said.take_ack(), said.take_ack()), (Some(50), None));
        assert_eq!((said.note(6, 0), said.take_ack()), (true, Some(0)), "0 asks for a fresh start");
    }

    #[test]
    fn nobody_was_shown_what_it_was_not_sent() {
        let mut said = Said::nothing(PlayerId(0));
        assert_eq!([0, 1, 2, u32::MAX].map(|tick| said.shown(tick)), [0, 1, 1, 1]);
        said.note_sent(100);
        assert_eq!([7, 100, 101, 102, u32::MAX].map(|tick| said.shown(tick)), [7, 100, 101, 101, 101]);
    }

    #[test]
    fn so_many_commands_a_tick_are_admitted_and_no_more() {
        let mut said = Said::nothing(PlayerId(0));
        for tick in [0, 7, 8] {
            assert_eq!([2, 2, 2].map(|most| said.admit_command(tick, most)), [true, true, false]);
        }
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
