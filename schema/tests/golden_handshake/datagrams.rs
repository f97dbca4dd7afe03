//! The bytes of each datagram.

use super::derive::{Direction, mac};
use super::{CONNECTION, COOKIE_MAC, COOKIE_TIME_S, SALT};
use throng_schema::limits::{DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES};

/// Type, version, two bytes that depend on the type, salt.
fn start(kind: u8, third: u8) -> Vec<u8> {
    [[kind, 2, third, 0].as_slice(), &SALT.to_le_bytes()].concat()
}

fn with_code(mut head: Vec<u8>, key: &[u8; 32]) -> Vec<u8> {
    let code = mac(key, &head);
    head.extend_from_slice(&code[..16]);
    head
}

pub fn hello(time_s: u32, mac: [u8; 16], token: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_le_bytes();
    let mut out = [&start(1, 0), time_s.to_le_bytes().as_slice(), &mac, token, &length, payload].concat();
    out.resize(DATAGRAM_BYTES_MAX, 0);
    out
}

pub fn challenge() -> Vec<u8> {
    [&start(2, 0), COOKIE_TIME_S.to_le_bytes().as_slice(), &COOKIE_MAC].concat()
}

pub fn accept(server_public: &[u8; 32], key: &[u8; 32]) -> Vec<u8> {
    let out = with_code([start(3, 0).as_slice(), server_public, &CONNECTION.to_le_bytes()].concat(), key);
    assert_eq!(out.len(), 64);
    out
}

pub fn refused(reason: u8, detail: u32, key: &[u8; 32]) -> Vec<u8> {
    let out = with_code([start(4, reason).as_slice(), &detail.to_le_bytes()].concat(), key);
    assert_eq!(out.len(), 32);
    out
}

pub struct Session {
    pub client: Direction,
    pub server: Direction,
}

impl Session {
    /// The header, and the whole datagram. `fields`: type, kind, ack bits, sequence, ack.
    pub fn seal(&self, from: &str, fields: (u8, u8, u16, u32, u32), body: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (kind, second, ack_bits, sequence, ack) = fields;
        let header = [
            [kind, second].as_slice(),
            &ack_bits.to_le_bytes(),
            &CONNECTION.to_le_bytes(),
            &sequence.to_le_bytes(),
            &ack.to_le_bytes(),
        ]
        .concat();
        assert_eq!(header.len(), DATAGRAM_HEADER_BYTES);
        let direction = if from == "client" { &self.client } else { &self.server };
        let datagram = [header.as_slice(), &direction.seal(&header, sequence, body)].concat();
        (header, datagram)
    }
}
