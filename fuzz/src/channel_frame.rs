//! The two ends of a channel and what may reach either: honest frames lost, late, repeated or changed, and raw bytes.
//! A second implementation, which keeps everything that was ever pushed, says what each end must do.
//!
//! The script is a list of steps: what to do, an argument, then bytes with their length before them.

use throng_net::limits::{CHANNEL_BYTES, FRAME_BYTES_ALONE_MAX, MESSAGE_BYTES_MAX};
use throng_net::protocol::channel::{Channel, ChannelCounters, PushError};

use crate::bytes::Bytes;

/// The bytes are pushed as a message, then again with the argument as its only byte.
pub const PUSH: u8 = 0;
/// A frame with the argument times four as its share, and what is left of `out` cut by the bytes' number.
pub const WRITE: u8 = 1;
/// The bytes reach the end as they are.
pub const RAW: u8 = 2;
/// The frame that this end was last given comes again, with the bytes XORed into it from the argument on.
pub const CHANGED: u8 = 3;
/// Time passes: the argument in hundredths of a second.
pub const WAIT: u8 = 4;
/// The end's next reading takes no more than so many messages as the argument says.
pub const TIRED: u8 = 5;
/// Added to a step: it happens at the second end.
pub const SECOND: u8 = 0x10;
/// Added to a writing: what is written is lost.
pub const LOST: u8 = 0x20;
/// Added to a writing: it arrives twice.
pub const TWICE: u8 = 0x40;

const STEPS_MAX: usize = 200;

/// One end, and what it must be like.
struct End {
    channel: Channel,
    counters: ChannelCounters,
    /// Everything that was ever taken by `push`.
    pushed: Vec<Vec<u8>>,
    acked: usize,
    /// How many were ever written.
    written: usize,
    /// Those of the last frame, its first and the one behind its last.
    current: usize,
    delivered: usize,
    owes_ack: bool,
    takes: usize,
    last: Vec<u8>,
}

/// What a frame says, read with nothing but PROTOCOL.md at hand.
struct Said<'d> {
    ack: usize,
    first: usize,
    messages: Vec<&'d [u8]>,
    bytes: usize,
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn said(payload: &[u8]) -> Option<Said<'_>> {
    let (bytes, count) = (number(payload.get(0..2)?), number(payload.get(2..4)?));
    let ack = number(payload.get(4..8)?);
    let frame = payload.get(..bytes)?;
    if count == 0 {
        return (bytes == 8).then_some(Said { ack, first: 1, messages: Vec::new(), bytes });
    }
    let first = number(frame.get(8..12)?);
    let (mut at, mut messages) = (12, Vec::new());
    for _ in 0..count {
        let length = number(frame.get(at..at + 2)?);
        messages.push(frame.get(at + 2..at + 2 + length)?);
        at += 2 + length;
    }
    let is_sound = messages.iter().all(|message| (1..=MESSAGE_BYTES_MAX).contains(&message.len()));
    let numbers = first != 0 && first + count <= u32::MAX as usize;
    (is_sound && numbers && bytes == at.next_multiple_of(4)).then_some(Said { ack, first, messages, bytes })
}

impl End {
    fn new() -> Self {
        End {
            channel: Channel::new(),
            counters: ChannelCounters::default(),
            pushed: Vec::new(),
            acked: 0,
            written: 0,
            current: 0,
            delivered: 0,
            owes_ack: false,
            takes: usize::MAX,
            last: Vec::new(),
        }
    }

    fn push(&mut self, message: &[u8]) {
        let waiting: usize = self.pushed[self.acked..].iter().map(|message| 2 + message.len()).sum();
        let expected = match message.len() {
            length @ 1..=MESSAGE_BYTES_MAX if waiting + 2 + length <= CHANNEL_BYTES => Ok(()),
            1..=MESSAGE_BYTES_MAX => Err(PushError::Full),
            length => Err(PushError::Length(length)),
        };
        assert_eq!(self.channel.push(message), expected);
        if expected.is_ok() {
            self.pushed.push(message.to_vec());
        }
    }

    fn write(&mut self, now_us: u64, share: usize, out_bytes: usize) -> Vec<u8> {
        let mut out = vec![0xee; out_bytes];
        let bytes = self.channel.write(now_us, Some(100_000), share, &mut out);
        assert!(out[bytes..].iter().all(|byte| *byte == 0xee), "written beyond the frame");
        out.truncate(bytes);
        if out.is_empty() {
            assert!(!self.owes_ack || out_bytes < 8, "an ack that is owed is not held back");
            return out;
        }
        let Some(Said { ack, first, messages, bytes }) = said(&out) else { panic!("not a frame: {out:?}") };
        assert_eq!((ack, bytes), (self.delivered, out.len()));
        assert!(self.owes_ack || !messages.is_empty(), "nothing to say");
        if !messages.is_empty() {
            assert!(first > self.acked, "an acknowledged message is not sent again");
            assert!(
                first - 1 == self.current.max(self.acked) || first - 1 == self.acked,
                "from an odd place"
            );
            let end = first - 1 + messages.len();
            assert_eq!(messages, self.pushed[first - 1..end]);
            assert!(messages.len() == 1 || bytes <= share, "beyond its share");
            (self.current, self.written) = (end, self.written.max(end));
        }
        self.owes_ack = false;
        out
    }

    fn read(&mut self, payload: &[u8]) {
        let (before, counters) = (self.channel.clone(), self.counters.clone());
        let takes = std::mem::replace(&mut self.takes, usize::MAX);
        let expected = said(payload).filter(|said| said.ack <= self.written);
        match (self.channel.read(payload, &mut self.counters), expected) {
            (Err(_), None) => {
                assert_eq!(self.channel, before, "what is refused leaves no trace");
                assert_eq!(told(&self.counters), told(&counters) + 1);
            }
            (Ok((messages, rest)), Some(Said { ack, first, messages: all, bytes })) => {
                assert_eq!(rest, &payload[bytes..]);
                let messages: Vec<&[u8]> = messages.take(takes).collect();
                let known = (self.delivered + 1).saturating_sub(first).min(all.len());
                let new = if first <= self.delivered + 1 { &all[known..] } else { &[] };
                assert_eq!(messages, new[..takes.min(new.len())]);
                self.delivered += messages.len();
                self.owes_ack |= !all.is_empty();
                self.acked = self.acked.max(ack);
                self.last = payload.to_vec();
            }
            (Ok(_), None) => panic!("taken: {payload:?}"),
            (Err(error), Some(_)) => panic!("{error}: {payload:?}"),
        }
        assert_eq!(self.channel.delivered() as usize, self.delivered);
        assert_eq!(self.channel.acknowledged() as usize, self.acked);
        assert_eq!(self.channel.is_idle(), self.acked == self.pushed.len() && !self.owes_ack);
    }
}

/// Frames taken and refused: every payload is one of them.
fn told(counters: &ChannelCounters) -> u64 {
    counters.iter().filter(|(name, _)| name.starts_with("frame")).map(|(_, count)| count).sum()
}

/// Runs a script; panics when an end differs from what it must be like.
pub fn run(data: &[u8]) {
    let mut script = Bytes(data);
    let mut ends = [End::new(), End::new()];
    let mut now_us = 0;
    for _ in 0..STEPS_MAX {
        let Some(what) = script.next() else { break };
        let (argument, bytes) = (script.byte(), script.run());
        let at = usize::from(what & SECOND != 0);
        match what & 15 {
            PUSH => {
                ends[at].push(bytes);
                ends[at].push(&[argument]);
            }
            WRITE => {
                let out_bytes = FRAME_BYTES_ALONE_MAX.saturating_sub(bytes.len());
                let frame = ends[at].write(now_us, usize::from(argument) * 4, out_bytes);
                let copies = if what & LOST != 0 { 0 } else { 1 + usize::from(what & TWICE != 0) };
                for _ in 0..copies * usize::from(!frame.is_empty()) {
                    ends[1 - at].read(&[&frame, bytes].concat());
                }
            }
            RAW => ends[at].read(bytes),
            CHANGED => {
                let mut frame = ends[at].last.clone();
                let changed = frame.iter_mut().skip(usize::from(argument));
                changed.zip(bytes).for_each(|(byte, change)| *byte ^= change);
                ends[at].read(&frame);
            }
            WAIT => now_us += u64::from(argument) * 10_000,
            _ => ends[at].takes = usize::from(argument),
        }
    }
}
