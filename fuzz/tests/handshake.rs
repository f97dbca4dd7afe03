//! The real server and client against the schema's golden handshake: here, because this crate sees both crates,
//! which know nothing of each other.
#![allow(missing_docs)]

use serde_json::Value;
use throng_net::protocol::packet::Header;
use throng_net::protocol::{Client, ClientEvent, Received, Server, ServerConfig};

fn unhex(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap().as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn both_ends_reproduce_the_golden_handshake() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/vectors/handshake.json"));
    let vectors: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let datagrams: Vec<Vec<u8>> =
        vectors["datagrams"].as_array().unwrap().iter().map(|d| unhex(&d["datagram"])).collect();
    let [hello, challenge, proven, welcome, first_input, ..] = datagrams.as_slice() else {
        panic!("{vectors}")
    };
    let secret: [u8; 32] = unhex(&vectors["secret"]).try_into().unwrap();
    let from = vectors["client_address"].as_str().unwrap().parse().unwrap();
    let salt: u64 = vectors["salt"].as_str().unwrap().parse().unwrap();
    let now_us = vectors["cookies"][0]["time_s"].as_u64().unwrap() * 1_000_000;

    // The server makes the vector's answers, except for the id that nobody can foretell.
    let mut server = Server::new(ServerConfig::default(), secret).unwrap();
    let Received::Reply(answer) = server.handle(now_us, from, hello) else { panic!("no challenge") };
    assert_eq!(&*answer, challenge.as_slice());
    let Received::Connected { reply, .. } = server.handle(now_us, from, proven) else { panic!("no session") };
    assert_eq!(reply[..12], welcome[..12]);

    // The client sends the vector's hellos and understands the vector's answers.
    let payload: Vec<u8> = hello[34..34 + usize::from(hello[32])].to_vec();
    let mut client = Client::new(now_us, salt, payload.into()).unwrap();
    let mut out = [0; 1200];
    assert_eq!(client.poll(now_us, &mut out), Some(1200));
    assert_eq!(out, hello.as_slice());
    assert_eq!(client.handle(now_us, challenge), ClientEvent::Challenged);
    assert_eq!(client.poll(now_us, &mut out), Some(1200));
    assert_eq!(out, proven.as_slice());
    assert_eq!(client.handle(now_us, welcome), ClientEvent::Connected);
    client.write_header(now_us, throng_schema::KIND_INPUT, &mut out);
    assert_eq!(out[..16], first_input[..16]);
    assert_eq!(u64::from(client.connection_id()), vectors["connection_id"].as_u64().unwrap());
    let acks = Header::read(&datagrams[6]).unwrap();
    assert_eq!((acks.sequence, acks.ack, acks.ack_bits), (6, 5, 0b1101));
    let (snapshot, stopping) = (&datagrams[5], &datagrams[8]);
    assert!(matches!(client.handle(now_us, snapshot), ClientEvent::Data { kind: 2, .. }));
    assert!(matches!(client.handle(now_us, stopping), ClientEvent::Closed(_)));
}
