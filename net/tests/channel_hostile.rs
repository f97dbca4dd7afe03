//! Whatever bytes reach an end of a channel: what is no frame changes nothing but a counter.

mod world;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use throng_net::limits::{FRAME_ACK_BYTES, MESSAGE_BYTES_MAX};
use throng_net::protocol::channel::frame::{self, FrameError};
use throng_net::protocol::channel::{Channel, ChannelCounters};
use world::messages::{delivered, message, written};
use world::seed;

/// Reads a payload at an end in mid-conversation. What is refused changes nothing but its counter; what is taken
/// delivers what it says, from the next message on.
fn read_hostile(end: &Channel, payload: &[u8]) -> Result<(), TestCaseError> {
    let (mut after, mut counters) = (end.clone(), ChannelCounters::default());
    let read = after.read(payload, &mut counters).map(|(messages, rest)| {
        let messages: Vec<Vec<u8>> = messages.map(<[u8]>::to_vec).collect();
        (messages, rest.len())
    });
    match (read, frame::read(payload)) {
        (Err(FrameError::AckUnsent), Ok((frame, _))) => {
            prop_assert!(frame.ack > end.acknowledged());
            prop_assert_eq!(&after, end);
        }
        (Err(error), parsed) => {
            prop_assert_eq!(parsed.unwrap_err(), error);
            prop_assert_eq!(&after, end);
        }
        (Ok((messages, rest)), parsed) => {
            let (frame, behind) = parsed.expect("taken");
            prop_assert_eq!(rest, behind.len());
            prop_assert!((payload.len() - rest).is_multiple_of(4) && payload.len() > rest);
            let last = frame.first - 1 + u32::from(frame.count);
            let is_next = frame.first <= end.delivered() + 1;
            let new = if is_next { last.saturating_sub(end.delivered()) } else { 0 };
            prop_assert_eq!(messages.len() as u32, new);
            prop_assert_eq!(after.delivered(), end.delivered() + new);
            prop_assert_eq!(after.acknowledged(), end.acknowledged().max(frame.ack));
            prop_assert!(messages.iter().all(|message| (1..=MESSAGE_BYTES_MAX).contains(&message.len())));
        }
    }
    let told: u64 = counters.iter().filter(|(name, _)| name.starts_with("frame")).map(|(_, n)| n).sum();
    prop_assert_eq!(told, 1, "{:?}", counters);
    Ok(())
}

/// Two ends in the middle of a conversation, and a frame from the second to the first.
fn in_the_middle() -> (Channel, Vec<u8>) {
    let (mut near, mut far) = (Channel::new(), Channel::new());
    for number in 1..=9 {
        near.push(&message(number)).unwrap();
        far.push(&message(number)).unwrap();
        let frame = written(&mut near, u64::from(number));
        delivered(&mut far, &frame).unwrap();
        delivered(&mut near, &written(&mut far, u64::from(number))).unwrap();
    }
    near.push(b"on its way").unwrap();
    written(&mut near, 10);
    (10..=14).for_each(|number| far.push(&[number; 20]).unwrap());
    let frame = written(&mut far, 11);
    (near, frame)
}

fn config() -> ProptestConfig {
    let config = ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() };
    ProptestConfig { rng_seed: RngSeed::Fixed(seed("hostile frames")), ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_read_or_refused(payload in prop::collection::vec(any::<u8>(), 0..64), count in 0u16..8) {
        let (end, _) = in_the_middle();
        read_hostile(&end, &payload)?;
        // Most bytes are no frame for their length alone; with that put right they get further.
        if payload.len() >= FRAME_ACK_BYTES {
            let mut fitted = payload.clone();
            fitted[..2].copy_from_slice(&((payload.len() & !3) as u16).to_le_bytes());
            fitted[2..4].copy_from_slice(&count.to_le_bytes());
            fitted[5..8].fill(0);
            read_hostile(&end, &fitted)?;
        }
    }

    #[test]
    fn changed_frames_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (end, mut frame) = in_the_middle();
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        read_hostile(&end, &frame)?;
    }
}

#[test]
fn frames_of_every_wrong_kind_have_their_counter() {
    let mut end = Channel::new();
    let mut counters = ChannelCounters::default();
    let long = [&[16, 2, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2][..], &[0; 514]].concat();
    for (payload, error) in [
        (&[][..], FrameError::Length),
        (&[8, 0, 0, 0, 0, 0, 0], FrameError::Length),
        (&[9, 0, 0, 0, 0, 0, 0, 0], FrameError::Length),
        (&[0, 0, 0, 0, 0, 0, 0, 0], FrameError::Length),
        (&[12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], FrameError::Length),
        (&[8, 0, 1, 0, 0, 0, 0, 0], FrameError::Length),
        (&[12, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0], FrameError::Length),
        (&[16, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 1, 1], FrameError::Length),
        (&[15, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1], FrameError::Length),
        (&[20, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 1, 0, 0, 0, 0], FrameError::Length),
        (&[16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0], FrameError::Sequence),
        (&[16, 0, 1, 0, 0, 0, 0, 0, 255, 255, 255, 255, 1, 0, 1, 0], FrameError::Sequence),
        (&[16, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], FrameError::MessageLength),
        (&long, FrameError::MessageLength),
        (&[8, 0, 0, 0, 1, 0, 0, 0], FrameError::AckUnsent),
    ] {
        assert_eq!(end.read(payload, &mut counters).unwrap_err(), error, "{payload:?}");
    }
    assert_eq!(end, Channel::new());
    let expected = ChannelCounters {
        frame_length: 10,
        frame_message_length: 2,
        frame_sequence: 2,
        frame_ack_unsent: 1,
        ..ChannelCounters::default()
    };
    assert_eq!(counters, expected);
    assert_eq!(counters.iter().map(|(_, count)| count).sum::<u64>(), 15);
}
