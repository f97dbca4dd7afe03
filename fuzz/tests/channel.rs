//! The golden frames and steps, read and written by the channel that they were not made with.
#![allow(missing_docs)]

use serde_json::Value;
use throng_net::limits::FRAME_BYTES_ALONE_MAX;
use throng_net::protocol::channel::{Channel, ChannelCounters, frame};

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/vectors/channel.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn unhex(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap().as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn list(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().unwrap().iter().map(unhex).collect()
}

#[test]
fn frames() {
    let vectors = vectors();
    for case in vectors["frames"].as_array().unwrap() {
        let payload = unhex(&case["payload"]);
        match frame::read(&payload) {
            Err(_) => assert!(case["refused"].is_string(), "{case}"),
            Ok((frame, behind)) => {
                let messages: Vec<Vec<u8>> = frame.messages().map(<[u8]>::to_vec).collect();
                assert_eq!(
                    (frame.ack, frame.first),
                    (case["ack"].as_u64().unwrap() as u32, case["first"].as_u64().unwrap() as u32,),
                    "{case}"
                );
                assert_eq!(
                    (messages, behind),
                    (list(&case["messages"]), &unhex(&case["behind"])[..]),
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn steps() {
    let mut channel = Channel::new();
    let vectors = vectors();
    for step in vectors["steps"].as_array().unwrap() {
        list(&step["push"]).iter().for_each(|message| channel.push(message).unwrap());
        if step["receive"].is_string() {
            let (payload, mut counters) = (unhex(&step["receive"]), ChannelCounters::default());
            let delivered = channel
                .read(&payload, &mut counters)
                .map(|(messages, _)| messages.map(<[u8]>::to_vec).collect::<Vec<_>>());
            assert_eq!(delivered.is_err(), step["refused"].as_bool().unwrap_or(false), "{step}");
            if let Ok(delivered) = delivered {
                assert_eq!(delivered, list(&step["delivered"]), "{step}");
            }
        }
        let mut out = [0xee; FRAME_BYTES_ALONE_MAX];
        let bytes = channel.write(step["at_ms"].as_u64().unwrap() * 1000, None, 290, &mut out);
        assert_eq!(out[..bytes], unhex(&step["frame"]), "{step}");
    }
    assert!(channel.is_idle());
}
