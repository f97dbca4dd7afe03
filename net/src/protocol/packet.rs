//! The datagrams, byte for byte. All numbers are little-endian.
//!
//! | type | name | bytes | from | layout after type and version |
//! |---|---|---|---|---|
//! | 1 | hello | 1200 | client | 2 zero, salt u64, cookie time u32 (s), cookie mac 16, token 328, payload length u16, payload, zeros |
//! | 2 | challenge | 32 | server | 2 zero, salt u64, cookie time u32, cookie mac 16 |
//! | 3 | accept | 64 | server | 2 zero, salt u64, server's X25519 public key 32, connection id u32, tag 16 |
//! | 4 | refused | 32 | server | reason u8, zero, salt u64, detail u32, tag 16 |
//! | 5 | data | 32 + payload | both | see [`Header`]; sealed |
//! | 6 | disconnect | 32 | both | see [`Header`]; `kind` is the reason; sealed, empty |
//! | 7 | control | 32 or 40 | both | see [`Header`]; `kind` is one of the `CONTROL_` constants; sealed |
//!
//! A sealed datagram is a [`Header`] in the clear, the payload encrypted in its place, and a tag of 16 bytes over both.

use crate::limits::{
    ACCEPT_BYTES, CHALLENGE_BYTES, COOKIE_MAC_BYTES, HEADER_BYTES, HELLO_BYTES, HELLO_HEADER_BYTES,
    HELLO_PAYLOAD_BYTES_MAX, HELLO_TOKEN_AT, REFUSED_BYTES, TOKEN_BYTES,
};

/// Version of the datagram layer, the second byte of every handshake datagram.
pub const NET_VERSION: u8 = 2;

/// First byte of a hello.
pub const TYPE_HELLO: u8 = 1;
/// First byte of a challenge.
pub const TYPE_CHALLENGE: u8 = 2;
/// First byte of an accept.
pub const TYPE_ACCEPT: u8 = 3;
/// First byte of a refusal.
pub const TYPE_REFUSED: u8 = 4;
/// First byte of a datagram that carries a payload.
pub const TYPE_DATA: u8 = 5;
/// First byte of a disconnect.
pub const TYPE_DISCONNECT: u8 = 6;
/// First byte of what the two ends say to each other about the session itself.
pub const TYPE_CONTROL: u8 = 7;

/// Control: nothing but "I have the keys". What a client sends at once after the accept.
pub const CONTROL_CONFIRM: u8 = 0;
/// Control: 8 random bytes, to an address that the session's client might have moved to.
pub const CONTROL_PATH_CHALLENGE: u8 = 1;
/// Control: the same 8 bytes, from there.
pub const CONTROL_PATH_RESPONSE: u8 = 2;

/// Why a server refuses: no table slot is free. The detail is the number of sessions it may hold.
pub const REFUSED_FULL: u8 = 1;
/// The first refusal reason that is the application's own.
pub const REFUSED_APPLICATION: u8 = 16;

/// Why a session ends: the client left.
pub const DISCONNECT_LEFT: u8 = 1;
/// Why a session ends: the server stops.
pub const DISCONNECT_STOPPING: u8 = 2;
/// Why a session ends: the same character came in anew. The application decides that, with a newer session epoch.
pub const DISCONNECT_REPLACED: u8 = 3;
/// The first disconnect reason that is the application's own.
pub const DISCONNECT_APPLICATION: u8 = 16;

/// The first 16 bytes of every sealed datagram: they are in the clear, and the tag covers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`TYPE_DATA`], [`TYPE_DISCONNECT`] or [`TYPE_CONTROL`].
    pub packet_type: u8,
    /// What the payload is, by the application's meaning; the reason in a disconnect.
    pub kind: u8,
    /// Bit i: the sequence `ack - 1 - i` has been received.
    pub ack_bits: u16,
    /// Which session.
    pub connection_id: u32,
    /// Number of this datagram in its direction, from 1. Its upper 12 bits are the generation of its key.
    pub sequence: u32,
    /// Highest sequence received from the other side; 0: none.
    pub ack: u32,
}

impl Header {
    /// Reads the first 16 bytes; `None` when there are fewer.
    pub fn read(datagram: &[u8]) -> Option<Header> {
        datagram.first_chunk().map(Header::of)
    }

    /// Reads 16 bytes.
    #[inline]
    pub(super) fn of(bytes: &[u8; HEADER_BYTES]) -> Header {
        let [t, kind, b0, b1, i0, i1, i2, i3, s0, s1, s2, s3, a0, a1, a2, a3] = *bytes;
        Header {
            packet_type: t,
            kind,
            ack_bits: u16::from_le_bytes([b0, b1]),
            connection_id: u32::from_le_bytes([i0, i1, i2, i3]),
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
            ack: u32::from_le_bytes([a0, a1, a2, a3]),
        }
    }

    /// The 16 bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        // Whole, not field by field: it is read as a whole right after, and would wait for the parts to reach the cache.
        let out = u128::from(self.packet_type)
            | u128::from(self.kind) << 8
            | u128::from(self.ack_bits) << 16
            | u128::from(self.connection_id) << 32
            | u128::from(self.sequence) << 64
            | u128::from(self.ack) << 96;
        out.to_le_bytes()
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

/// A hello, as far as it is looked at before its cookie has proven anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello<'d> {
    whole: &'d [u8; HELLO_BYTES],
}

/// What is wrong with a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HelloFault {
    Length,
    Version,
}

impl<'d> Hello<'d> {
    /// Looks at a datagram whose first byte is [`TYPE_HELLO`]: length and version, nothing else.
    #[inline]
    pub fn read(datagram: &'d [u8]) -> Result<Hello<'d>, HelloFault> {
        let whole: &[u8; HELLO_BYTES] = datagram.try_into().map_err(|_| HelloFault::Length)?;
        if whole[1] != NET_VERSION {
            return Err(HelloFault::Version);
        }
        Ok(Hello { whole })
    }

    pub fn salt(&self) -> u64 {
        u64_at(self.whole, 4)
    }

    pub fn cookie(&self) -> Cookie {
        cookie_at(self.whole)
    }

    #[inline]
    pub fn token(&self) -> &'d [u8; TOKEN_BYTES] {
        let Some((_, rest)) = self.whole.split_first_chunk::<HELLO_TOKEN_AT>() else {
            unreachable!("1,200 bytes")
        };
        let Some(token) = rest.first_chunk() else { unreachable!("1,200 bytes") };
        token
    }

    /// The application's payload; `None` when its length is beyond the limit or a byte that must be zero is not.
    /// Reads all of the hello, so it waits until the cookie has proven the address.
    pub fn payload(&self) -> Option<&'d [u8]> {
        let [.., low, high] = *self.whole.first_chunk::<HELLO_HEADER_BYTES>()?;
        let payload_bytes = usize::from(u16::from_le_bytes([low, high]));
        if payload_bytes > HELLO_PAYLOAD_BYTES_MAX || self.whole[2..4] != [0; 2] {
            return None;
        }
        let (payload, zeros) = self.whole.split_at(HELLO_HEADER_BYTES).1.split_at(payload_bytes);
        zeros.iter().all(|byte| *byte == 0).then_some(payload)
    }
}

/// Writes all 1,200 bytes of a hello. The payload is at most [`HELLO_PAYLOAD_BYTES_MAX`]; the caller has checked.
pub(super) fn write_hello(
    out: &mut [u8; HELLO_BYTES],
    salt: u64,
    cookie: Cookie,
    token: &[u8; TOKEN_BYTES],
    payload: &[u8],
) {
    out.fill(0);
    start(out, TYPE_HELLO, salt);
    out[12..16].copy_from_slice(&cookie.time_s.to_le_bytes());
    out[16..32].copy_from_slice(&cookie.mac);
    out[HELLO_TOKEN_AT..HELLO_TOKEN_AT + TOKEN_BYTES].copy_from_slice(token);
    out[HELLO_HEADER_BYTES - 2..HELLO_HEADER_BYTES].copy_from_slice(&(payload.len() as u16).to_le_bytes());
    out[HELLO_HEADER_BYTES..HELLO_HEADER_BYTES + payload.len()].copy_from_slice(payload);
}

/// An answer of the server to a hello, as the client reads it. Accept and refusal are worth nothing before their tag,
/// the last 16 bytes, has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandshakeAnswer<'d> {
    Challenge { salt: u64, cookie: Cookie },
    Accept { salt: u64, server_public: [u8; 32], connection_id: u32, tagged: &'d [u8; ACCEPT_BYTES] },
    Refused { salt: u64, reason: u8, detail: u32, tagged: &'d [u8; REFUSED_BYTES] },
}

impl<'d> HandshakeAnswer<'d> {
    /// Reads a challenge, accept or refusal; `None` for another type, length or version.
    pub fn read(datagram: &'d [u8]) -> Option<HandshakeAnswer<'d>> {
        let (&packet_type, rest) = datagram.split_first()?;
        if *rest.first()? != NET_VERSION {
            return None;
        }
        match packet_type {
            TYPE_CHALLENGE => {
                let whole: &[u8; CHALLENGE_BYTES] = datagram.try_into().ok()?;
                Some(HandshakeAnswer::Challenge { salt: u64_at(whole, 4), cookie: cookie_at(whole) })
            }
            TYPE_ACCEPT => {
                let whole: &[u8; ACCEPT_BYTES] = datagram.try_into().ok()?;
                let mut server_public = [0; 32];
                server_public.copy_from_slice(&whole[12..44]);
                Some(HandshakeAnswer::Accept {
                    salt: u64_at(whole, 4),
                    server_public,
                    connection_id: u32_at(whole, 44),
                    tagged: whole,
                })
            }
            TYPE_REFUSED => {
                let whole: &[u8; REFUSED_BYTES] = datagram.try_into().ok()?;
                Some(HandshakeAnswer::Refused {
                    salt: u64_at(whole, 4),
                    reason: whole[2],
                    detail: u32_at(whole, 12),
                    tagged: whole,
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

/// An accept whose tag is still zero.
pub(super) fn untagged_accept(salt: u64, server_public: &[u8; 32], connection_id: u32) -> [u8; ACCEPT_BYTES] {
    let mut out = [0; ACCEPT_BYTES];
    start(&mut out, TYPE_ACCEPT, salt);
    out[12..44].copy_from_slice(server_public);
    out[44..48].copy_from_slice(&connection_id.to_le_bytes());
    out
}

/// A refusal whose tag is still zero.
pub(super) fn untagged_refused(salt: u64, reason: u8, detail: u32) -> [u8; REFUSED_BYTES] {
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
