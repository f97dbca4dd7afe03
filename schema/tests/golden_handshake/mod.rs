//! Whole datagrams of a handshake and of a session, and how a cookie is made.

use crate::common::{hex, rich_snapshot};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use throng_schema::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES};
use throng_schema::*;

const SALT: u64 = 0x1122_3344_5566_7788;
const NOW_S: u32 = 86_400;
const CONNECTION: u32 = 0xabc0_0003;

fn secret() -> [u8; 32] {
    std::array::from_fn(|i| i as u8)
}

fn cookie_message(address: &SocketAddr, time_s: u32, salt: u64) -> Vec<u8> {
    let ip = match address.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    [
        b"throng cookie 1".as_slice(),
        &time_s.to_le_bytes(),
        &salt.to_le_bytes(),
        &ip.octets(),
        &address.port().to_le_bytes(),
    ]
    .concat()
}

fn mac(message: &[u8]) -> [u8; 16] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret()), message);
    tag.as_ref()[..16].try_into().unwrap()
}

/// Type, version, two bytes that depend on the type, salt.
fn start(kind: u8, third: u8) -> Vec<u8> {
    [[kind, 1, third, 0].as_slice(), &SALT.to_le_bytes()].concat()
}

fn hello(time_s: u32, mac: [u8; 16], payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_le_bytes();
    let mut out = [&start(1, 0), time_s.to_le_bytes().as_slice(), &mac, &length, payload].concat();
    out.resize(DATAGRAM_BYTES_MAX, 0);
    out
}

fn session(kind: u8, second: u8, ack_bits: u16, sequence: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let out = [
        [kind, second].as_slice(),
        &ack_bits.to_le_bytes(),
        &CONNECTION.to_le_bytes(),
        &sequence.to_le_bytes(),
        &ack.to_le_bytes(),
        payload,
    ]
    .concat();
    assert_eq!(out.len(), DATAGRAM_HEADER_BYTES + payload.len());
    out
}

pub fn handshake() -> Value {
    let client: SocketAddr = "192.0.2.7:40000".parse().unwrap();
    let payload = write_hello(SCHEMA_VERSION, "Ann");
    let cookies: Value = ["192.0.2.7:40000", "[2001:db8::7]:40000", "0.0.0.0:1"]
        .map(|address| {
            let message = cookie_message(&address.parse().unwrap(), NOW_S, SALT);
            json!({
                "address": address, "time_s": NOW_S, "salt": SALT.to_string(),
                "hmac_message": hex(&message), "mac": hex(&mac(&message)),
            })
        })
        .into_iter()
        .collect();
    let proof = mac(&cookie_message(&client, NOW_S, SALT));
    let mut input = [0; INPUT_BYTES];
    write_input(&mut input, 1, 0, IntentFields { move_x: 1.0, ..IntentFields::default() });

    let step = |from: &str, name: &str, datagram: Vec<u8>| json!({ "from": from, "name": name, "datagram": hex(&datagram) });
    json!({
        "secret": hex(&secret()),
        "client_address": client.to_string(),
        "salt": SALT.to_string(),
        "connection_id": CONNECTION,
        "cookies": cookies,
        "datagrams": [
            step("client", "hello without a cookie", hello(0, [0; 16], &payload)),
            step("server", "challenge", [&start(2, 0), NOW_S.to_le_bytes().as_slice(), &proof].concat()),
            step("client", "hello with the cookie", hello(NOW_S, proof, &payload)),
            step("server", "welcome", [&start(3, 0), CONNECTION.to_le_bytes().as_slice()].concat()),
            step("client", "data: the first input", session(5, KIND_INPUT, 0, 1, 0, &input)),
            step("server", "data: a snapshot", session(5, KIND_SNAPSHOT, 0, 1, 1, &rich_snapshot())),
            step("client", "data: input 6, having received 5, 4, 2 and 1", session(5, KIND_INPUT, 0b1101, 6, 5, &input)),
            step("client", "disconnect: left", session(6, 1, 0b1111_1111_1111_1111, 700, 699, &[])),
            step("server", "disconnect: the server stops", session(6, 2, 0, 640, 700, &[])),
            step("server", "refused: full, 10000 sessions", [&start(4, 1), 10_000_u32.to_le_bytes().as_slice()].concat()),
        ],
    })
}
