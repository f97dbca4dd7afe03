//! The reliable channel of each session: commands come in by it, notices leave by it.
//!
//! ```text
//!   game.notices ─► tell ─► Channel of the session ─┐           frames of one tick, one behind the other
//!                     └ no room: backlog ─► ──────── ┴─► write ─► [ frame │ frame │ frame ] ─► in front of snapshots
//! ```
//!
//! Writing the frames is one serial pass over the sessions that have something to say, which are few in any tick; the
//! parallel pass that encodes snapshots only copies them. So channels need no lock, and a session that has nothing to
//! say costs nothing.
//!
//! **What is lost and what never is.** Chat that finds the queue full is dropped and counted. Everything else is of value
//! and waits in a backlog, in order. A client that has not acknowledged for [`UNACKNOWLEDGED_US_MAX`], or whose backlog
//! passes [`BACKLOG_BYTES_MAX`], loses its session: when its player comes back, it is told anew how it stands.

use std::ops::Range;

use throng_net::protocol::channel::{Channel, ChannelCounters, Messages, frame::FrameError};

use crate::limits::{BACKLOG_BYTES_MAX, UNACKNOWLEDGED_US_MAX};

/// Bytes of frames in a tick for which there is room from the start.
const FRAMES_BYTES: usize = 1 << 16;

/// What one session says and hears.
#[derive(Debug, Default)]
struct Line {
    channel: Channel,
    /// Messages that found the queue full, each behind its length as a `u16`.
    backlog: Vec<u8>,
    /// The backlog did not hold what it was told.
    is_overrun: bool,
}

/// A place in the table of sessions.
#[derive(Debug, Default)]
struct Place {
    line: Option<Line>,
    /// It is in the list of those that may have something to say; it stays there when its session ends.
    is_listed: bool,
}

/// What became of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is on its way.
    Queued,
    /// It waits for room.
    Waits,
    /// There was no room, and it may be lost.
    Dropped,
    /// There is no such session.
    Nobody,
}

/// The channels of all sessions, by their places in the table.
#[derive(Debug, Default)]
pub(super) struct Channels {
    places: Vec<Place>,
    /// Places that may have something to say, in the order in which that came up.
    listed: Vec<u32>,
    frames: Vec<u8>,
    pub counters: ChannelCounters,
}

impl Channels {
    /// Room for so many sessions.
    pub fn with_capacity(most: usize) -> Self {
        Self {
            places: Vec::with_capacity(most),
            listed: Vec::with_capacity(most),
            frames: Vec::with_capacity(FRAMES_BYTES),
            counters: ChannelCounters::default(),
        }
    }

    /// Begins a session's channel.
    pub fn open(&mut self, place: usize) {
        if self.places.len() <= place {
            self.places.resize_with(place + 1, Place::default);
        }
        self.places[place].line = Some(Line::default());
    }

    /// Ends a session's channel.
    pub fn close(&mut self, place: usize) {
        if let Some(place) = self.places.get_mut(place) {
            place.line = None;
        }
    }

    /// Takes in the frame at the front of a payload: the messages that are next, and what is behind the frame.
    /// `None` for a session that has no channel.
    pub fn read<'c, 'p>(
        &'c mut self,
        place: usize,
        payload: &'p [u8],
    ) -> Option<Result<(Messages<'c, 'p>, &'p [u8]), FrameError>> {
        // Whatever comes may have to be acknowledged.
        let line = Self::line(&mut self.places, &mut self.listed, place)?;
        Some(line.channel.read(payload, &mut self.counters))
    }

    /// Tells a session something; what `is_lossy` is dropped when there is no room at once.
    pub fn tell(&mut self, place: usize, message: &[u8], is_lossy: bool) -> Told {
        let Some(line) = Self::line(&mut self.places, &mut self.listed, place) else { return Told::Nobody };
        if line.backlog.is_empty() && line.channel.push(message).is_ok() {
            return Told::Queued;
        }
        if is_lossy {
            return Told::Dropped;
        }
        if line.backlog.len() + message.len() > BACKLOG_BYTES_MAX {
            line.is_overrun = true;
            return Told::Dropped;
        }
        line.backlog.extend((message.len() as u16).to_le_bytes());
        line.backlog.extend(message);
        Told::Waits
    }

    /// Writes the frames that are due, in at most `room_bytes` each but for a long message, for which there are
    /// `room_bytes_alone`. Says through `written` where each lies, and through `lost` who does not acknowledge.
    pub fn write(
        &mut self,
        now_us: u64,
        [room_bytes, room_bytes_alone]: [usize; 2],
        rtt_us: impl Fn(u32) -> Option<u32>,
        mut written: impl FnMut(u32, Range<u32>),
        mut lost: impl FnMut(u32),
    ) {
        let Self { places, listed, frames, .. } = self;
        frames.clear();
        listed.retain(|&place| {
            let Place { line, is_listed } = &mut places[place as usize];
            *is_listed = false;
            let Some(line) = line else { return false };
            line.catch_up();
            if line.is_overrun || line.channel.waiting_us(now_us) > UNACKNOWLEDGED_US_MAX {
                lost(place);
            }
            let start = frames.len();
            frames.resize(start + room_bytes_alone, 0);
            let bytes = line.channel.write(now_us, rtt_us(place), room_bytes, &mut frames[start..]);
            frames.truncate(start + bytes);
            if bytes != 0 {
                written(place, start as u32..(start + bytes) as u32);
            }
            *is_listed = !(line.channel.is_idle() && line.backlog.is_empty());
            *is_listed
        });
    }

    /// The line at a place, which from now on may have something to say.
    fn line<'p>(places: &'p mut [Place], listed: &mut Vec<u32>, at: usize) -> Option<&'p mut Line> {
        let Place { line, is_listed } = places.get_mut(at)?;
        let line = line.as_mut()?;
        if !std::mem::replace(is_listed, true) {
            listed.push(at as u32);
        }
        Some(line)
    }

    /// The frames of the last [`write`](Self::write).
    pub fn frames(&self) -> &[u8] {
        &self.frames
    }
}

impl Line {
    /// Moves what waits into the queue, as far as it goes.
    fn catch_up(&mut self) {
        let mut taken = 0;
        while let Some((length, rest)) = self.backlog[taken..].split_first_chunk() {
            let length = usize::from(u16::from_le_bytes(*length));
            if self.channel.push(&rest[..length]).is_err() {
                break;
            }
            taken += 2 + length;
        }
        self.backlog.drain(..taken);
    }
}

#[cfg(test)]
mod tests {
    use throng_net::limits::CHANNEL_BYTES;

    use super::*;

    const ROOM: [usize; 2] = [290, 528];
    const TICK_US: u64 = 50_000;

    /// The channels of a realm, and the clients' ends of them.
    struct Wires {
        now_us: u64,
        channels: Channels,
        clients: Vec<Channel>,
        heard: Vec<Vec<Vec<u8>>>,
        lost: Vec<u32>,
        counters: ChannelCounters,
    }

    impl Wires {
        fn new(count: usize) -> Self {
            let mut channels = Channels::with_capacity(count);
            (0..count).for_each(|place| channels.open(place));
            let (clients, heard) = (vec![Channel::new(); count], vec![Vec::new(); count]);
            Self {
                now_us: 1,
                channels,
                clients,
                heard,
                lost: Vec::new(),
                counters: ChannelCounters::default(),
            }
        }

        /// A tick: what is due goes to those clients that listen, and their answers come back.
        fn tick(&mut self, is_listening: impl Fn(u32) -> bool) -> usize {
            let mut frames = Vec::new();
            self.lost.clear();
            let Self { channels, lost, .. } = self;
            channels.write(
                self.now_us,
                ROOM,
                |_| None,
                |at, range| frames.push((at, range)),
                |at| lost.push(at),
            );
            for (at, range) in &frames {
                if !is_listening(*at) {
                    continue;
                }
                let frame = &self.channels.frames()[range.start as usize..range.end as usize];
                let client = &mut self.clients[*at as usize];
                let (messages, rest) = client.read(frame, &mut self.counters).expect("a sound frame");
                assert!(rest.is_empty());
                self.heard[*at as usize].extend(messages.map(<[u8]>::to_vec));
                let mut answer = [0; 600];
                let bytes = client.write(self.now_us, None, 100, &mut answer);
                let answer = self.channels.read(*at as usize, &answer[..bytes]).expect("a session");
                assert_eq!(answer.expect("a sound frame").0.count(), 0);
            }
            self.now_us += TICK_US;
            frames.len()
        }
    }

    #[test]
    fn what_is_told_arrives_and_then_nothing_is_said() {
        let mut wires = Wires::new(3);
        assert_eq!(wires.tick(|_| true), 0);
        assert_eq!(wires.channels.tell(2, b"two", false), Told::Queued);
        assert_eq!(wires.channels.tell(0, b"zero", true), Told::Queued);
        assert_eq!(wires.channels.tell(2, b"more", false), Told::Queued);
        assert_eq!(wires.tick(|_| true), 2);
        assert_eq!(wires.heard, [vec![b"zero".to_vec()], vec![], vec![b"two".to_vec(), b"more".to_vec()]]);
        assert_eq!((wires.tick(|_| true), wires.channels.listed.len()), (0, 0));
        assert_eq!(wires.channels.tell(3, b"nobody", false), Told::Nobody);
    }

    #[test]
    fn talk_is_dropped_when_the_queue_is_full_and_what_is_of_value_waits_in_order() {
        let mut wires = Wires::new(1);
        let message = |number: u8| [number; 100];
        let fit = (CHANNEL_BYTES / 102) as u8;
        for number in 0..fit {
            assert_eq!(wires.channels.tell(0, &message(number), number % 2 == 0), Told::Queued);
        }
        assert_eq!(wires.channels.tell(0, &message(200), true), Told::Dropped);
        assert_eq!(wires.channels.tell(0, &message(fit), false), Told::Waits);
        // Nothing overtakes what waits, though it might fit.
        assert_eq!(wires.channels.tell(0, b"x", true), Told::Dropped);
        assert_eq!(wires.channels.tell(0, &message(fit + 1), false), Told::Waits);
        for _ in 0..100 {
            wires.tick(|_| true);
        }
        let expected: Vec<_> = (0..fit + 2).map(|number| message(number).to_vec()).collect();
        assert_eq!(wires.heard[0], expected);
        assert!(wires.lost.is_empty() && wires.channels.listed.is_empty());
    }

    #[test]
    fn who_does_not_acknowledge_is_lost_in_time_and_who_is_owed_too_much_at_once() {
        let mut wires = Wires::new(2);
        wires.channels.tell(0, b"a", false);
        wires.channels.tell(1, b"b", false);
        let mut ticks = 0;
        while wires.lost.is_empty() {
            wires.tick(|at| at == 1);
            ticks += 1;
        }
        assert_eq!((&wires.lost[..], ticks), (&[0][..], 2 + UNACKNOWLEDGED_US_MAX / TICK_US));

        // Another session at that place begins anew.
        wires.channels.close(0);
        assert_eq!(wires.channels.tell(0, b"gone", false), Told::Nobody);
        wires.channels.open(0);
        (wires.clients[0], wires.heard[0]) = (Channel::new(), Vec::new());
        wires.channels.tell(0, b"c", false);
        wires.tick(|_| true);
        assert_eq!((&wires.heard[0], wires.lost.len()), (&vec![b"c".to_vec()], 0));

        let told =
            (0..).map(|_| wires.channels.tell(0, &[7; 500], false)).find(|told| *told == Told::Dropped);
        assert!(told.is_some());
        wires.tick(|_| false);
        assert_eq!(wires.lost, [0]);
    }

    #[test]
    fn a_place_that_was_listed_when_its_session_ended_is_listed_once() {
        let mut wires = Wires::new(1);
        wires.channels.tell(0, b"a", false);
        wires.channels.close(0);
        wires.channels.open(0);
        wires.channels.tell(0, b"b", false);
        assert_eq!(wires.channels.listed, [0]);
        wires.tick(|_| true);
        assert_eq!(wires.heard[0], [b"b".to_vec()]);
    }
}
