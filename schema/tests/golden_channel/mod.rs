//! Frames of reliable messages, and an end that sends, receives and sends again.
//!
//! Written by hand from PROTOCOL.md, not with the code that it is to check.

use crate::common::hex;
use serde_json::{Value, json};

/// A frame with messages.
fn frame(ack: u32, first: u32, messages: &[&[u8]]) -> Vec<u8> {
    let mut body: Vec<u8> = first.to_le_bytes().to_vec();
    for message in messages {
        body.extend((message.len() as u16).to_le_bytes());
        body.extend_from_slice(message);
    }
    body.resize(body.len().next_multiple_of(4), 0);
    let bytes = 8 + body.len() as u16;
    [&bytes.to_le_bytes(), &(messages.len() as u16).to_le_bytes(), &ack.to_le_bytes()[..], &body].concat()
}

/// A frame without messages.
fn ack(number: u32) -> Vec<u8> {
    [&[8, 0, 0, 0][..], &number.to_le_bytes()].concat()
}

pub fn channel() -> Value {
    json!({ "frames": frames(), "steps": steps() })
}

fn frames() -> Vec<Value> {
    let read = |payload: &[u8], ack: u32, first: u32, messages: &[&[u8]], behind: &[u8]| {
        let messages: Vec<String> = messages.iter().map(|message| hex(message)).collect();
        json!({
            "payload": hex(payload), "ack": ack, "first": first, "messages": messages, "behind": hex(behind),
        })
    };
    let refused = |payload: &[u8], why: &str| json!({ "payload": hex(payload), "refused": why });
    let change = |at: usize, bytes: &[u8]| {
        let mut changed = frame(5, 9, &[b"ab", b"c"]);
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let long = [0x77; 512];
    let many = [&b"m"[..]; 100];
    vec![
        read(&ack(0), 0, 1, &[], b""),
        read(&[&ack(7)[..], b"behind"].concat(), 7, 1, &[], b"behind"),
        read(&frame(0, 1, &[b"a"]), 0, 1, &[b"a"], b""),
        read(&frame(0, 1, &[b"ab"]), 0, 1, &[b"ab"], b""),
        read(&frame(5, 9, &[b"ab", b"c"]), 5, 9, &[b"ab", b"c"], b""),
        read(&[&frame(5, 9, &[b"abc", b"d"])[..], b"x"].concat(), 5, 9, &[b"abc", b"d"], b"x"),
        read(&frame(0, 1, &[&long, &long]), 0, 1, &[&long, &long], b""),
        read(&frame(0, 1, &many), 0, 1, &many, b""),
        read(
            &frame(u32::MAX - 1, u32::MAX - 2, &[b"a", b"z"]),
            u32::MAX - 1,
            u32::MAX - 2,
            &[b"a", b"z"],
            b"",
        ),
        read(&change(19, &[0xee]), 5, 9, &[b"ab", b"c"], b""),
        refused(b"", "no frame"),
        refused(&ack(0)[..7], "cut"),
        refused(&frame(5, 9, &[b"ab", b"c"])[..19], "cut"),
        refused(&change(0, &[16]), "its second message lies outside"),
        refused(&[&[20][..], &frame(0, 1, &[b"ab"])[1..], &[0; 4]].concat(), "four bytes of padding"),
        refused(&[&change(0, &[21])[..], &[0; 4]].concat(), "no multiple of 4"),
        refused(&[&[12, 0, 0, 0][..], &[0; 8]].concat(), "no messages, but more than 8 bytes"),
        refused(&[&[8, 0, 1, 0][..], &[0; 12]].concat(), "a message, but 8 bytes"),
        refused(&[0; 8], "no bytes"),
        refused(&change(2, &[3]), "a third message outside"),
        refused(&change(2, &[0xff, 0xff]), "65,535 messages"),
        refused(&change(8, &[0]), "first number 0"),
        refused(&frame(0, u32::MAX, &[b"a"]), "first number + count is 2^32"),
        refused(&change(12, &[0]), "an empty message"),
        refused(&frame(0, 1, &[&[1; 513]]), "513 bytes"),
    ]
}

/// A payload, and the messages that it delivers unless it is refused.
type Receipt<'a> = (&'a [u8], Option<&'a [&'a [u8]]>);

fn steps() -> Vec<Value> {
    let step = |at_ms: u32, push: &[&[u8]], receive: Option<Receipt<'_>>, frame: &[u8]| {
        let list =
            |messages: &[&[u8]]| -> Vec<String> { messages.iter().map(|message| hex(message)).collect() };
        let mut step = json!({ "at_ms": at_ms, "push": list(push), "frame": hex(frame) });
        if let Some((payload, delivered)) = receive {
            step["receive"] = hex(payload).into();
            match delivered {
                Some(delivered) => step["delivered"] = list(delivered).into(),
                None => step["refused"] = true.into(),
            }
        }
        step
    };
    let two = frame(0, 1, &[b"hello", b"you"]);
    let a = frame(2, 1, &[b"a"]);
    let x = frame(3, 3, &[b"x"]);
    let (long, wide) = ([0x11; 512], [0x22; 100]);
    vec![
        step(0, &[], None, b""),
        step(0, &[b"hello", b"you"], None, &two),
        step(249, &[], None, b""),
        step(250, &[], None, &two),
        step(300, &[], Some((&a, Some(&[b"a"]))), &ack(1)),
        // Known: its ack was lost. Then early: what lies between is missing.
        step(350, &[], Some((&a, Some(&[]))), &ack(1)),
        step(400, &[], Some((&frame(2, 3, &[b"c"]), Some(&[]))), &ack(1)),
        step(450, &[b"x"], Some((&frame(2, 1, &[b"a", b"b", b"c"]), Some(&[b"b", b"c"]))), &x),
        step(500, &[], Some((&ack(4), None)), b""),
        step(550, &[], Some((&frame(2, 0, &[b"z"]), None)), b""),
        step(600, &[], Some((&ack(1), Some(&[]))), b""),
        step(699, &[], None, b""),
        step(700, &[], None, &x),
        step(1199, &[], None, b""),
        step(1200, &[], None, &x),
        step(2199, &[], None, b""),
        step(2200, &[], None, &x),
        step(3199, &[], None, b""),
        step(3200, &[], Some((&ack(3), Some(&[]))), b""),
        step(9000, &[], None, b""),
        step(9000, &[&long, b"y"], None, &frame(3, 4, &[&long])),
        step(9050, &[], None, &frame(3, 5, &[b"y"])),
        step(9100, &[&wide, &wide, &wide], None, &frame(3, 6, &[&wide, &wide])),
        step(9150, &[], Some((&ack(4), Some(&[]))), &frame(3, 8, &[&wide])),
        // Time runs anew from the ack of something new, and then for all that is left.
        step(9399, &[], None, b""),
        step(9400, &[], None, &frame(3, 5, &[b"y", &wide, &wide])),
        step(9401, &[], Some((&ack(6), Some(&[]))), &frame(3, 8, &[&wide])),
        step(9450, &[], Some((&ack(8), Some(&[]))), b""),
    ]
}
