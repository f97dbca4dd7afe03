//! The layouts, byte for byte.

use super::packet::{
    self, Cookie, HandshakeAnswer, Header, Hello, HelloFault, TYPE_DATA, untagged_accept, untagged_refused,
    write_hello,
};
use crate::limits::{HEADER_BYTES, HELLO_BYTES};

#[test]
fn header_layout_is_the_documented_one() {
    let header = Header {
        packet_type: TYPE_DATA,
        kind: 2,
        ack_bits: 0x0403,
        connection_id: 0x0807_0605,
        sequence: 0x0c0b_0a09,
        ack: 0x100f_0e0d,
    };
    let bytes = header.to_bytes();
    assert_eq!(bytes, [5, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(Header::read(&bytes), Some(header));
    for len in 0..HEADER_BYTES {
        assert_eq!(Header::read(&bytes[..len]), None);
    }
}

fn hello(payload: &[u8]) -> [u8; HELLO_BYTES] {
    let mut out = [0xff; HELLO_BYTES];
    let cookie = Cookie { time_s: 0x0d0c_0b0a, mac: [7; 16] };
    write_hello(&mut out, 0x0807_0605_0403_0201, cookie, &[9; 328], payload);
    out
}

#[test]
fn hello_layout_is_the_documented_one() {
    let out = hello(b"abc");
    assert_eq!(out[..16], [1, 2, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13]);
    assert_eq!(out[16..32], [7; 16]);
    assert_eq!(out[32..360], [9; 328]);
    assert_eq!(out[360..366], [3, 0, b'a', b'b', b'c', 0]);
    assert!(out[365..].iter().all(|byte| *byte == 0));
    let hello = Hello::read(&out).unwrap();
    assert_eq!(hello.salt(), 0x0807_0605_0403_0201);
    assert_eq!(hello.cookie(), Cookie { time_s: 0x0d0c_0b0a, mac: [7; 16] });
    assert_eq!(hello.token(), &[9; 328]);
    assert_eq!(hello.payload(), Some(&b"abc"[..]));
}

#[test]
fn hellos_of_any_other_length_are_refused() {
    let mut out = hello(b"");
    for len in 0..HELLO_BYTES {
        assert_eq!(Hello::read(&out[..len]).err(), Some(HelloFault::Length));
    }
    assert_eq!(Hello::read(&[out.as_slice(), &[0]].concat()).err(), Some(HelloFault::Length));
    out[1] = 1;
    assert_eq!(Hello::read(&out).err(), Some(HelloFault::Version));
}

#[test]
fn payloads_too_long_and_bytes_that_must_be_zero_are_refused() {
    for (bytes, is_good) in [(0, true), (1, true), (256, true), (257, false), (u16::MAX, false)] {
        let mut out = hello(b"");
        out[360..362].copy_from_slice(&bytes.to_le_bytes());
        assert_eq!(Hello::read(&out).unwrap().payload().is_some(), is_good, "{bytes} bytes");
    }
    let whole = hello(&[1; 256]);
    assert_eq!(Hello::read(&whole).unwrap().payload(), Some(&[1; 256][..]));
    for at in [2, 3].into_iter().chain(362 + 256..HELLO_BYTES) {
        let mut out = whole;
        out[at] = 0x80;
        assert_eq!(Hello::read(&out).unwrap().payload(), None, "byte {at}");
    }
}

#[test]
fn answers_are_read_back_and_cut_ones_refused() {
    let cookie = Cookie { time_s: 9, mac: [3; 16] };
    let (accept, refused) = (untagged_accept(6, &[8; 32], 77), untagged_refused(7, 1, 20));
    assert_eq!(accept[..12], [3, 2, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((&accept[12..44], &accept[44..48]), (&[8; 32][..], &[77, 0, 0, 0][..]));
    assert_eq!(refused[..16], [4, 2, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0]);
    let accepted =
        HandshakeAnswer::Accept { salt: 6, server_public: [8; 32], connection_id: 77, tagged: &accept };
    let cases = [
        (packet::challenge(5, cookie).to_vec(), HandshakeAnswer::Challenge { salt: 5, cookie }),
        (accept.to_vec(), accepted),
        (refused.to_vec(), HandshakeAnswer::Refused { salt: 7, reason: 1, detail: 20, tagged: &refused }),
    ];
    for (bytes, answer) in cases {
        assert_eq!(HandshakeAnswer::read(&bytes), Some(answer));
        for len in 0..bytes.len() {
            assert_eq!(HandshakeAnswer::read(&bytes[..len]), None, "{answer:?} cut to {len}");
        }
        let mut wrong = bytes.clone();
        wrong[1] = 1;
        assert_eq!(HandshakeAnswer::read(&wrong), None);
    }
}
