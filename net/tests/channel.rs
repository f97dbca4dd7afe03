//! A channel's promises, one at a time. `channel_simulation.rs` has them all at once, `channel_hostile.rs` the bytes
//! that no honest end sends.

mod world;

use throng_net::limits::{
    CHANNEL_BYTES, FRAME_BYTES_ALONE_MAX, MESSAGE_BYTES_MAX, MESSAGE_RETRY_US, MESSAGE_RETRY_US_MAX,
    MESSAGE_RETRY_US_MIN, PAYLOAD_BYTES_MAX,
};
use throng_net::protocol::channel::frame::{self, FrameError};
use throng_net::protocol::channel::{Channel, ChannelCounters, KIND_FRAMED, PushError};
use throng_net::protocol::{Client, ClientEvent};
use world::messages::{delivered, message, written, written_in};
use world::{Got, MS, S, address, connect, data_of, data_to, deliver, server};

#[test]
fn a_frame_byte_for_byte() {
    let (mut near, mut far) = (Channel::new(), Channel::new());
    assert_eq!(written(&mut near, 0), []);
    near.push(b"hello").unwrap();
    near.push(b"you").unwrap();
    let frame =
        [24, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5, 0, b'h', b'e', b'l', b'l', b'o', 3, 0, b'y', b'o', b'u'];
    assert_eq!(written(&mut near, 0), frame);
    assert_eq!(delivered(&mut far, &frame), Ok(vec![b"hello".to_vec(), b"you".to_vec()]));
    let ack = [8, 0, 0, 0, 2, 0, 0, 0];
    assert_eq!(written(&mut far, 0), ack);
    assert_eq!(written(&mut far, 0), [], "an ack is said once");
    assert_eq!(delivered(&mut near, &ack), Ok(vec![]));
    assert!(near.is_idle() && far.is_idle());
    far.push(b"x").unwrap();
    assert_eq!(written(&mut far, 0), [16, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, b'x', 0]);
}

#[test]
fn what_is_not_acknowledged_is_sent_again_ever_later() {
    for (rtt_us, first_us) in [
        (None, MESSAGE_RETRY_US),
        (Some(10), MESSAGE_RETRY_US_MIN),
        (Some(80_000), 160_000),
        (Some(2_000_000), S),
    ] {
        let mut near = Channel::new();
        near.push(b"hello").unwrap();
        let mut write = |now_us| written_in(&mut near, now_us, rtt_us, 100, 600);
        let (mut now_us, mut wait_us) = (77, first_us);
        let frame = write(now_us);
        for _ in 0..12 {
            assert_eq!(write(now_us + wait_us - 1), [], "{rtt_us:?}: too early");
            now_us += wait_us;
            assert_eq!(write(now_us), frame, "{rtt_us:?}: {wait_us} later");
            wait_us = (wait_us * 2).min(MESSAGE_RETRY_US_MAX);
        }
        assert_eq!(near.waiting_us(now_us), now_us - 77);
    }
}

#[test]
fn an_ack_starts_the_time_of_the_next_message_anew() {
    let mut near = Channel::new();
    (1..=2).for_each(|number| near.push(&[number; 9]).unwrap());
    let both = written(&mut near, 0);
    // Twice in vain, so the next time would be 4 times as far.
    assert_eq!(written(&mut near, 160_000), both);
    assert_eq!(written(&mut near, 480_000), both);
    delivered(&mut near, &[8, 0, 0, 0, 1, 0, 0, 0]).unwrap();
    assert_eq!(written(&mut near, 500_000), []);
    assert_eq!(near.waiting_us(501_000), 1_000);
    assert_eq!(written(&mut near, 659_999), []);
    let one = written(&mut near, 660_000);
    let one = frame::read(&one).unwrap().0;
    assert_eq!((one.first, one.count), (2, 1));
}

#[test]
fn a_lost_ack_is_said_again_when_the_messages_come_again() {
    let (mut near, mut far) = (Channel::new(), Channel::new());
    near.push(b"hello").unwrap();
    let frame = written(&mut near, 0);
    delivered(&mut far, &frame).unwrap();
    let lost = written(&mut far, 0);
    let mut counters = ChannelCounters::default();
    assert_eq!(far.read(&frame, &mut counters).unwrap().0.len(), 0);
    assert_eq!((counters.messages_again, counters.messages), (1, 0));
    assert_eq!(written(&mut far, 50_000), lost);
}

#[test]
fn an_ack_may_overtake_what_is_sent_again() {
    let (mut near, mut far) = (Channel::new(), Channel::new());
    let long = |byte: u8| vec![byte; 200];
    (1..=5).for_each(|byte| near.push(&long(byte)).unwrap());
    for byte in 1..=4 {
        let frame = written(&mut near, u64::from(byte));
        assert_eq!(delivered(&mut far, &frame), Ok(vec![long(byte)]), "one each fits its share");
    }
    let late = written(&mut far, 5);
    // Everything is overdue; the first is sent again, then the ack of the first four comes.
    let again = written(&mut near, 170_000);
    delivered(&mut near, &late).unwrap();
    let fifth = written(&mut near, 170_001);
    assert_eq!(delivered(&mut far, &again), Ok(vec![]));
    assert_eq!(delivered(&mut far, &fifth), Ok(vec![long(5)]));
    assert_eq!(near.acknowledged(), 4);
    delivered(&mut near, &late).unwrap();
    assert_eq!(near.acknowledged(), 4, "the same ack says nothing new");
}

#[test]
fn a_long_message_goes_alone_and_waits_for_its_room() {
    let mut near = Channel::new();
    let long = [7; MESSAGE_BYTES_MAX];
    near.push(b"before").unwrap();
    near.push(&long).unwrap();
    near.push(b"behind").unwrap();
    let share = PAYLOAD_BYTES_MAX / 4;
    assert_eq!(written_in(&mut near, 0, None, share, FRAME_BYTES_ALONE_MAX).len(), 20);
    assert_eq!(written_in(&mut near, 0, None, share, FRAME_BYTES_ALONE_MAX - 4), []);
    assert_eq!(written_in(&mut near, 0, None, share, FRAME_BYTES_ALONE_MAX).len(), FRAME_BYTES_ALONE_MAX);
    assert_eq!(written_in(&mut near, 0, None, share, FRAME_BYTES_ALONE_MAX).len(), 20);
    // An ack that is owed does not wait with it.
    let mut far = Channel::new();
    far.push(&long).unwrap();
    delivered(&mut far, &[16, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, b'x', 0]).unwrap();
    assert_eq!(written_in(&mut far, 0, None, 4, 4), []);
    assert_eq!(written_in(&mut far, 0, None, 0, 300), [8, 0, 0, 0, 1, 0, 0, 0]);
    // With all of a datagram, everything goes at once.
    let mut all = Channel::new();
    (1..=20).for_each(|number| all.push(&[number; 40]).unwrap());
    assert_eq!(written_in(&mut all, 0, None, usize::MAX, PAYLOAD_BYTES_MAX).len(), 12 + 20 * 42);
}

#[test]
fn a_full_queue_refuses_and_a_wrong_length_too() {
    let (mut near, mut far) = (Channel::new(), Channel::new());
    for length in [0, MESSAGE_BYTES_MAX + 1, 5000] {
        assert_eq!(near.push(&vec![1; length]), Err(PushError::Length(length)));
    }
    assert!(near.is_idle());
    // Twice around the ring and to the last byte.
    for round in 0..20 {
        let mut free = CHANNEL_BYTES;
        while free > 0 {
            let length = if free > 600 { 300 + round } else { (free - 2).min(MESSAGE_BYTES_MAX) };
            near.push(&vec![round as u8; length]).unwrap();
            free -= 2 + length;
        }
        let full = near.clone();
        assert_eq!(near.push(b"x"), Err(PushError::Full));
        assert_eq!(near, full);
        let now_us = round as u64 * 50_000;
        while !near.is_idle() {
            let frame = written(&mut near, now_us);
            for message in delivered(&mut far, &frame).unwrap() {
                assert!(message.iter().all(|byte| usize::from(*byte) == round));
            }
            delivered(&mut near, &written(&mut far, now_us)).unwrap();
        }
    }
}

#[test]
fn a_reader_without_room_gets_the_rest_again() {
    let (mut near, mut far) = (Channel::new(), Channel::new());
    (1..=5).for_each(|number| near.push(&[number; 9]).unwrap());
    let frame = written(&mut near, 0);
    let mut counters = ChannelCounters::default();
    let (mut messages, _) = far.read(&frame, &mut counters).unwrap();
    assert_eq!(messages.len(), 5);
    assert_eq!((messages.next(), messages.next()), (Some(&[1; 9][..]), Some(&[2; 9][..])));
    assert_eq!((far.delivered(), counters.messages), (2, 2));
    delivered(&mut near, &written(&mut far, 0)).unwrap();
    assert_eq!(written(&mut near, 1), []);
    let again = written(&mut near, 160_001);
    assert_eq!(delivered(&mut far, &again), Ok((3..=5).map(|number| vec![number; 9]).collect()));
}

#[test]
fn acks_of_what_was_not_sent_are_refused() {
    let mut near = Channel::new();
    (1..=3).for_each(|number| near.push(&message(number)).unwrap());
    let mut counters = ChannelCounters::default();
    let ack = |number: u32| [&[8, 0, 0, 0][..], &number.to_le_bytes()].concat();
    let untouched = near.clone();
    for number in [1, 3, u32::MAX] {
        assert_eq!(near.read(&ack(number), &mut counters).unwrap_err(), FrameError::AckUnsent);
    }
    assert_eq!(near, untouched);
    let frame = written(&mut near, 0);
    let sent = u32::from(frame::read(&frame).unwrap().0.count);
    assert!(near.read(&ack(sent + 1), &mut counters).is_err());
    assert!(near.read(&ack(sent), &mut counters).is_ok());
    assert_eq!((near.acknowledged(), counters.frame_ack_unsent, counters.frames), (sent, 4, 1));
}

/// Kinds are the application's and the channel's business: the datagrams carry any.
#[test]
fn framed_kinds_pass_both_ways() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 0, 0);
    let (mut up, mut down) = (Channel::new(), Channel::new());
    let mut counters = ChannelCounters::default();
    for number in 1..=20 {
        let now_us = u64::from(number) * 50 * MS;
        for (channel, number) in [(&mut up, number), (&mut down, 100 + number)] {
            channel.push(&message(number)).unwrap();
        }
        let kind = if number % 2 == 0 { KIND_FRAMED } else { KIND_FRAMED | 1 };
        let behind: &[u8] = if kind == KIND_FRAMED { b"" } else { b"input" };
        let payload = [&written(&mut up, now_us), behind].concat();
        let Got::Data(_, got_kind, payload) =
            deliver(&mut server, now_us, address(0), &data_of(&mut client, now_us, kind, &payload))
        else {
            panic!("dropped")
        };
        assert_eq!(got_kind, kind);
        let (messages, rest) = down.read(&payload, &mut counters).unwrap();
        assert_eq!((messages.collect::<Vec<_>>(), rest), (vec![&message(number)[..]], behind));

        let payload = [&written(&mut down, now_us), behind].concat();
        let mut datagram = data_to(&server, session, now_us, kind, &payload);
        let payload = payload_at(&mut client, now_us, &mut datagram, kind);
        let (messages, rest) = up.read(payload, &mut counters).unwrap();
        assert_eq!((messages.collect::<Vec<_>>(), rest), (vec![&message(100 + number)[..]], behind));
    }
    assert_eq!((counters.messages, counters.messages_again), (40, 0));
}

fn payload_at<'d>(client: &mut Client, now_us: u64, datagram: &'d mut [u8], kind: u8) -> &'d [u8] {
    match client.handle(now_us, datagram) {
        ClientEvent::Data { kind: got, payload } if got == kind => payload,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_page_says_the_same_numbers() {
    let page = include_str!("../../schema/PROTOCOL.md");
    let (holds, retry_ms) =
        (CHANNEL_BYTES as u64, [MESSAGE_RETRY_US_MIN, MESSAGE_RETRY_US].map(|us| us / MS));
    for said in [
        format!("| `MESSAGE_BYTES_MAX` | {MESSAGE_BYTES_MAX} |"),
        format!("The server holds {},{:03} bytes of messages", holds / 1000, holds % 1000),
        format!("at least {} ms, and {} ms while that is not known", retry_ms[0], retry_ms[1]),
        format!("each time in vain, up to {} s;", MESSAGE_RETRY_US_MAX / S),
        format!("is set, its payload is\n\n    frame ‖ message of kind (kind & {:#x})", !KIND_FRAMED),
    ] {
        assert!(page.contains(&said), "{said}");
    }
}
