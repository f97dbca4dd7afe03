//! The datagrams, byte for byte. All numbers are little-endian.
//!
//! | type | name | bytes | from | layout after type and version |
//! |---|---|---|---|---|
//! | 1 | hello | 1200 | client | 2 zero, salt u64, cookie time u32 (s), cookie mac 16, payload length u16, payload, zeros |
//! | 2 | challenge | 32 | server | 2 zero, salt u64, cookie time u32, cookie mac 16 |
//! | 3 | welcome | 16 | server | 2 zero, salt u64, connection id u32 |
//! | 4 | refused | 16 | server | reason u8, zero, salt u64, detail u32 |
//! | 5 | data | 16 + payload | both | see [`Header`] |
//! | 6 | disconnect | 16 | both | see [`Header`]; `kind` is the reason |

use crate::limits::{
    CHALLENGE_BYTES, COOKIE_MAC_BYTES, HEADER_BYTES, HELLO_BYTES, HELLO_HEADER_BYTES,
    HELLO_PAYLOAD_BYTES_MAX, REFUSED_BYTES, WELCOME_BYTES,
};

/// Version of the datagram layer, the second byte of every handshake datagram.
pub const NET_VERSION: u8 = 1;

/// First byte of a hello.
pub const TYPE_HELLO: u8 = 1;
/// First byte of a challenge.
pub const TYPE_CHALLENGE: u8 = 2;
/// First byte of a welcome.
pub const TYPE_WELCOME: u8 = 3;
/// First byte of a refusal.
pub const TYPE_REFUSED: u8 = 4;
/// First byte of a datagram that carries a payload.
pub const TYPE_DATA: u8 = 5;
/// First byte of a disconnect.
pub const TYPE_DISCONNECT: u8 = 6;

/// Why a server refuses: no table slot is free. The detail is the number of sessions it may hold.
pub const REFUSED_FULL: u8 = 1;
/// The first refusal reason that is the application's own.
pub const REFUSED_APPLICATION: u8 = 16;

/// Why a session ends: the client left.
pub const DISCONNECT_LEFT: u8 = 1;
/// Why a session ends: the server stops.
pub const DISCONNECT_STOPPING: u8 = 2;
/// Why a session ends: the same address shook hands anew.
pub const DISCONNECT_REPLACED: u8 = 3;
/// The first disconnect reason that is the application's own.
pub const DISCONNECT_APPLICATION: u8 = 16;

/// The first 16 bytes of every data and disconnect datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`TYPE_DATA`] or [`TYPE_DISCONNECT`].
    pub packet_type: u8,
    /// What the payload is, by the application's meaning; the reason in a disconnect.
    pub kind: u8,
    /// Bit i: the sequence `ack - 1 - i` has been received.
    pub ack_bits: u16,
    /// Which session.
    pub connection_id: u32,
    /// Number of this datagram in its direction, from 1.
    pub sequence: u32,
    /// Highest sequence received from the other side; 0: none.
    pub ack: u32,
}

impl Header {
    /// Reads the first 16 bytes; `None` when there are fewer.
    pub fn read(datagram: &[u8]) -> Option<Header> {
        let [t, kind, b0, b1, i0, i1, i2, i3, s0, s1, s2, s3, a0, a1, a2, a3] =
            *datagram.first_chunk::<HEADER_BYTES>()?;
        Some(Header {
            packet_type: t,
            kind,
            ack_bits: u16::from_le_bytes([b0, b1]),
            connection_id: u32::from_le_bytes([i0, i1, i2, i3]),
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
            ack: u32::from_le_bytes([a0, a1, a2, a3]),
        })
    }

    /// The 16 bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0] = self.packet_type;
        out[1] = self.kind;
        out[2..4].copy_from_slice(&self.ack_bits.to_le_bytes());
        out[4..8].copy_from_slice(&self.connection_id.to_le_bytes());
        out[8..12].copy_from_slice(&self.sequence.to_le_bytes());
        out[12..16].copy_from_slice(&self.ack.to_le_bytes());
        out
    }
}

/// A server's proof, handed to a client, that the client receives at its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cookie {
    /// When it was made, in whole seconds of the server's time.
    pub time_s: u32,
    pub mac: [u8; COOKIE_MAC_BYTES],
}

impl Cookie {
    /// A hello carries zeros before the client has been challenged. A real code is zero once in 2^128.
    pub fn is_absent(&self) -> bool {
        self.mac == [0; COOKIE_MAC_BYTES]
    }
}

/// A hello, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hello<'d> {
    pub salt: u64,
    pub cookie: Cookie,
    pub payload: &'d [u8],
}

/// What is wrong with a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HelloFault {
    Length,
    Version,
    Payload,
}

impl<'d> Hello<'d> {
    /// Reads a datagram whose first byte is [`TYPE_HELLO`], cheapest checks first.
    pub fn read(datagram: &'d [u8]) -> Result<Hello<'d>, HelloFault> {
        let whole: &[u8; HELLO_BYTES] = datagram.try_into().map_err(|_| HelloFault::Length)?;
        if whole[1] != NET_VERSION {
            return Err(HelloFault::Version);
        }
        let payload_bytes = usize::from(u16::from_le_bytes([whole[32], whole[33]]));
        if payload_bytes > HELLO_PAYLOAD_BYTES_MAX {
            return Err(HelloFault::Payload);
        }
        let payload = &whole[HELLO_HEADER_BYTES..HELLO_HEADER_BYTES + payload_bytes];
        Ok(Hello { salt: u64_at(whole, 4), cookie: cookie_at(whole), payload })
    }

    /// Writes all 1,200 bytes. The payload is at most [`HELLO_PAYLOAD_BYTES_MAX`]; the caller has checked.
    pub fn write(&self, out: &mut [u8; HELLO_BYTES]) {
        out.fill(0);
        start(out, TYPE_HELLO, self.salt);
        out[12..16].copy_from_slice(&self.cookie.time_s.to_le_bytes());
        out[16..32].copy_from_slice(&self.cookie.mac);
        out[32..34].copy_from_slice(&(self.payload.len() as u16).to_le_bytes());
        out[HELLO_HEADER_BYTES..HELLO_HEADER_BYTES + self.payload.len()].copy_from_slice(self.payload);
    }
}

/// An answer of the server to a hello, as the client reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandshakeAnswer {
    Challenge { salt: u64, cookie: Cookie },
    Welcome { salt: u64, connection_id: u32 },
    Refused { salt: u64, reason: u8, detail: u32 },
}

impl HandshakeAnswer {
    /// Reads a challenge, welcome or refusal; `None` for another type, length or version.
    pub fn read(datagram: &[u8]) -> Option<HandshakeAnswer> {
        let (&packet_type, rest) = datagram.split_first()?;
        if *rest.first()? != NET_VERSION {
            return None;
        }
        match packet_type {
            TYPE_CHALLENGE => {
                let whole: &[u8; CHALLENGE_BYTES] = datagram.try_into().ok()?;
                Some(HandshakeAnswer::Challenge { salt: u64_at(whole, 4), cookie: cookie_at(whole) })
            }
            TYPE_WELCOME => {
                let whole: &[u8; WELCOME_BYTES] = datagram.try_into().ok()?;
                Some(HandshakeAnswer::Welcome { salt: u64_at(whole, 4), connection_id: u32_at(whole, 12) })
            }
            TYPE_REFUSED => {
                let whole: &[u8; REFUSED_BYTES] = datagram.try_into().ok()?;
                Some(HandshakeAnswer::Refused {
                    salt: u64_at(whole, 4),
                    reason: whole[2],
                    detail: u32_at(whole, 12),
                })
            }
            _ => None,
        }
    }
}

pub(super) fn challenge(salt: u64, cookie: Cookie) -> [u8; CHALLENGE_BYTES] {
    let mut out = [0; CHALLENGE_BYTES];
    start(&mut out, TYPE_CHALLENGE, salt);
    out[12..16].copy_from_slice(&cookie.time_s.to_le_bytes());
    out[16..32].copy_from_slice(&cookie.mac);
    out
}

pub(super) fn welcome(salt: u64, connection_id: u32) -> [u8; WELCOME_BYTES] {
    let mut out = [0; WELCOME_BYTES];
    start(&mut out, TYPE_WELCOME, salt);
    out[12..16].copy_from_slice(&connection_id.to_le_bytes());
    out
}

pub(super) fn refused(salt: u64, reason: u8, detail: u32) -> [u8; REFUSED_BYTES] {
    let mut out = [0; REFUSED_BYTES];
    start(&mut out, TYPE_REFUSED, salt);
    out[2] = reason;
    out[12..16].copy_from_slice(&detail.to_le_bytes());
    out
}

fn start(out: &mut [u8], packet_type: u8, salt: u64) {
    out[0] = packet_type;
    out[1] = NET_VERSION;
    out[4..12].copy_from_slice(&salt.to_le_bytes());
}

fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(out)
}

fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    let mut out = [0; 4];
    out.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(out)
}

/// Hello and challenge keep the cookie at the same place.
fn cookie_at<const N: usize>(bytes: &[u8; N]) -> Cookie {
    let mut mac = [0; COOKIE_MAC_BYTES];
    mac.copy_from_slice(&bytes[16..32]);
    Cookie { time_s: u32_at(bytes, 12), mac }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn hello_layout_is_the_documented_one() {
        let cookie = Cookie { time_s: 0x0d0c_0b0a, mac: [7; 16] };
        let mut out = [0xff; HELLO_BYTES];
        Hello { salt: 0x0807_0605_0403_0201, cookie, payload: b"abc" }.write(&mut out);
        assert_eq!(out[..16], [1, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13]);
        assert_eq!(out[16..32], [7; 16]);
        assert_eq!(out[32..38], [3, 0, b'a', b'b', b'c', 0]);
        assert!(out[37..].iter().all(|byte| *byte == 0));
        let hello = Hello::read(&out).unwrap();
        assert_eq!(hello, Hello { salt: 0x0807_0605_0403_0201, cookie, payload: b"abc" });
    }

    #[test]
    fn hellos_of_any_other_length_are_refused() {
        let mut out = [0; HELLO_BYTES];
        Hello { salt: 1, cookie: Cookie::default(), payload: b"" }.write(&mut out);
        for len in 0..HELLO_BYTES {
            assert_eq!(Hello::read(&out[..len]), Err(HelloFault::Length));
        }
        assert_eq!(Hello::read(&[out.as_slice(), &[0]].concat()), Err(HelloFault::Length));
        out[32..34].copy_from_slice(&257u16.to_le_bytes());
        assert_eq!(Hello::read(&out), Err(HelloFault::Payload));
        out[1] = 2;
        assert_eq!(Hello::read(&out), Err(HelloFault::Version));
    }

    #[test]
    fn answers_are_read_back_and_cut_ones_refused() {
        let cookie = Cookie { time_s: 9, mac: [3; 16] };
        let cases = [
            (challenge(5, cookie).to_vec(), HandshakeAnswer::Challenge { salt: 5, cookie }),
            (welcome(6, 77).to_vec(), HandshakeAnswer::Welcome { salt: 6, connection_id: 77 }),
            (refused(7, 1, 20).to_vec(), HandshakeAnswer::Refused { salt: 7, reason: 1, detail: 20 }),
        ];
        for (bytes, answer) in cases {
            assert_eq!(HandshakeAnswer::read(&bytes), Some(answer));
            for len in 0..bytes.len() {
                assert_eq!(HandshakeAnswer::read(&bytes[..len]), None, "{answer:?} cut to {len}");
            }
            let mut wrong = bytes.clone();
            wrong[1] = 2;
            assert_eq!(HandshakeAnswer::read(&wrong), None);
        }
    }
}
