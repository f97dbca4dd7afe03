//! The end of the numbers, which no session lives to see.

use super::*;
use crate::limits::FRAME_BYTES_ALONE_MAX;

/// Both ends after all but `left` of the 2^32 - 2 messages that a direction has numbers for.
fn late(left: u32) -> (Channel, Channel) {
    let (mut near, mut far) = (Channel::new(), Channel::new());
    near.outgoing.set_first(u32::MAX - left);
    far.incoming.set_delivered(u32::MAX - left - 1);
    (near, far)
}

fn deliver(from: &mut Channel, to: &mut Channel, now_us: u64) -> usize {
    let mut out = [0; FRAME_BYTES_ALONE_MAX];
    let bytes = from.write(now_us, None, out.len(), &mut out);
    match bytes {
        0 => 0,
        _ => to.read(&out[..bytes], &mut ChannelCounters::default()).unwrap().0.count(),
    }
}

#[test]
fn numbers_end_with_a_full_queue() {
    let (mut near, mut far) = late(2);
    assert_eq!(near.push(b"last but one"), Ok(()));
    assert_eq!(near.push(b"last"), Ok(()));
    assert_eq!(near.push(b"one more"), Err(PushError::Full));
    assert_eq!(deliver(&mut near, &mut far, 0), 2);
    assert_eq!(deliver(&mut far, &mut near, 0), 0);
    assert!(near.is_idle() && far.is_idle());
    assert_eq!((near.acknowledged(), far.delivered()), (u32::MAX - 1, u32::MAX - 1));
    assert_eq!(near.push(b"one more"), Err(PushError::Full));
}

#[test]
fn frames_at_the_end_do_not_wrap() {
    let frame = |first: u32| {
        let first = first.to_le_bytes();
        [&[20, 0, 2, 0, 0, 0, 0, 0], &first[..], &[1, 0, b'a', 2, 0, b'b', b'c', 0]].concat()
    };
    let (_, mut far) = late(4);
    let mut counters = ChannelCounters::default();
    for first in [u32::MAX, u32::MAX - 1, 0] {
        assert_eq!(far.read(&frame(first), &mut counters).unwrap_err(), FrameError::Sequence);
    }
    assert_eq!(far.read(&frame(u32::MAX - 2), &mut counters).unwrap().0.count(), 0, "too early");
    let two = frame(u32::MAX - 4);
    let (messages, rest) = far.read(&two, &mut counters).unwrap();
    assert_eq!((messages.collect::<Vec<_>>(), rest), (vec![&b"a"[..], b"bc"], &[][..]));
    assert_eq!(far.read(&frame(u32::MAX - 3), &mut counters).unwrap().0.count(), 1, "one of them is known");
    assert_eq!(far.read(&frame(u32::MAX - 2), &mut counters).unwrap().0.count(), 1, "and the last");
    assert_eq!(far.delivered(), u32::MAX - 1);
    let expected = ChannelCounters {
        frames: 4,
        messages: 4,
        messages_again: 2,
        messages_early: 2,
        frame_sequence: 3,
        ..ChannelCounters::default()
    };
    assert_eq!(counters, expected);
}
