//! Hellos from strangers: garbage, forged and stolen cookies, invented and used tokens, floods of valid ones.
//!
//! The script is a list of steps: flags, address and time, what token, then the hello's bytes with their length before
//! them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use throng_net::limits::{HELLO_BYTES, HELLO_HEADER_BYTES, TOKEN_BYTES};
use throng_net::protocol::keys::{PrivateKey, Sealer, SecretBytes, SessionKeys, Transcript};
use throng_net::protocol::packet::{Header, TYPE_CONTROL};

use crate::bytes::Bytes;
use crate::server::{Decision, Outcome, Watched, grant};

/// Fill with zeros or cut to a hello's length.
pub const FIT: u8 = 1;
/// Set the type and version bytes.
pub const HEAD: u8 = 2;
/// Ask for a cookie first and put it in: without this no fuzzer finds the code behind the cookie.
pub const COOKIE: u8 = 4;
/// Let sessions time out.
pub const EXPIRE: u8 = 8;
/// Put a payload that the schema accepts in.
pub const PAYLOAD: u8 = 16;
/// Refuse whoever this step makes ask.
pub const REFUSE: u8 = 32;
/// Put a token of this realm in: the number says which of 16, and how old.
pub const TOKEN: u8 = 64;
/// Then change one bit of the token: a second number says which.
pub const SPOIL: u8 = 128;
/// In the number: whoever is admitted shows that it has the keys.
pub const CONFIRM: u16 = 0x8000;

const STEPS_MAX: usize = 12;

/// Runs a script; panics if the server breaks a promise.
pub fn run(data: &[u8]) {
    let mut script = Bytes(data);
    let mut watched = Watched::new(3);
    for _ in 0..STEPS_MAX {
        let Some(flags) = script.next() else { break };
        let place = script.byte();
        let number = script.half();
        let from = address(place & 7);
        // Up to 16 s pass, so that cookies, tokens and sessions grow old.
        watched.now_us += u64::from(place >> 3) * 500_000;
        let spoiled = if flags & SPOIL == 0 { None } else { Some(script.half()) };
        let mut hello = script.run().to_vec();
        shape(&mut hello, flags, number, spoiled, watched.now_ms());
        let decision = if flags & REFUSE != 0 { Decision::Refuse(number as u8) } else { Decision::Admit };
        if flags & COOKIE != 0 && hello.len() >= 32 {
            let mut asking = hello.clone();
            asking[12..32].fill(0);
            if let Outcome::Reply(answer) = watched.handle(from, &asking, decision)
                && answer.len() == 32
            {
                hello[12..32].copy_from_slice(&answer[12..32]);
            }
        }
        if let Outcome::Opened(session, accept) = watched.handle(from, &hello, decision)
            && number & CONFIRM != 0
        {
            let confirm = confirm(&hello, &accept);
            let outcome = watched.handle(from, &confirm, decision);
            assert!(matches!(outcome, Outcome::Connected(who) if who == session), "{outcome:?}");
        }
        if flags & EXPIRE != 0 {
            let now_us = watched.now_us;
            watched.server.expire(now_us, |_| {});
        }
    }
}

fn shape(hello: &mut Vec<u8>, flags: u8, number: u16, spoiled: Option<u16>, now_ms: u64) {
    if flags & FIT != 0 {
        hello.resize(HELLO_BYTES, 0);
    }
    if flags & HEAD != 0 && hello.len() >= 4 {
        hello[..4].copy_from_slice(&[1, 2, 0, 0]);
    }
    if flags & TOKEN != 0 && hello.len() == HELLO_BYTES {
        // In steps of 5 s: some are over, and one is from before the server started.
        let age_ms = u64::from(number >> 4 & 15) * 5_000;
        let issued_at_ms = now_ms / 5_000 * 5_000 - age_ms;
        let mut token = grant((number & 15) as u8, issued_at_ms).token;
        if let Some(bit) = spoiled {
            let bit = usize::from(bit) % (TOKEN_BYTES * 8);
            token[bit / 8] ^= 1 << (bit % 8);
        }
        hello[32..32 + TOKEN_BYTES].copy_from_slice(&token);
    }
    if flags & PAYLOAD != 0 && hello.len() == HELLO_BYTES {
        let payload = throng_schema::write_hello(throng_schema::SCHEMA_VERSION, "fuzz");
        hello[HELLO_HEADER_BYTES - 2..].fill(0);
        hello[HELLO_HEADER_BYTES - 2..HELLO_HEADER_BYTES]
            .copy_from_slice(&(payload.len() as u16).to_le_bytes());
        hello[HELLO_HEADER_BYTES..HELLO_HEADER_BYTES + payload.len()].copy_from_slice(&payload);
    }
}

/// What the client of an honest token sends once it has the accept.
fn confirm(hello: &[u8], accept: &[u8]) -> Vec<u8> {
    let (Some(salt), Some(token)) = (hello[4..].first_chunk(), hello[32..].first_chunk()) else {
        panic!("a hello")
    };
    let (Some(server_public), Some(id)) = (accept[12..].first_chunk(), accept[44..].first_chunk()) else {
        panic!("an accept")
    };
    // The salt of an honest token is its number, and so are its secrets.
    let secret = SecretBytes::new([token[32]; 32]);
    let transcript = Transcript { token, salt: u64::from_le_bytes(*salt), server_public };
    let Some(keys) =
        SessionKeys::derive(&PrivateKey::new(secret.clone()), server_public, &secret, transcript)
    else {
        panic!("no secret with the server")
    };
    let connection_id = u32::from_le_bytes(*id);
    let header =
        Header { packet_type: TYPE_CONTROL, kind: 0, ack_bits: 0, connection_id, sequence: 1, ack: 0 };
    let tag = Sealer::new(keys.client_secret()).seal(&header.to_bytes(), 1, &mut []);
    [header.to_bytes().as_slice(), tag.as_ref().map_or(&[], |tag| tag.as_slice())].concat()
}

/// Eight addresses that tend to be special.
fn address(which: u8) -> SocketAddr {
    let v4 = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    let (ip, port) = match which {
        0 => (v4(1), 1000),
        1 => (v4(1), 1001),
        2 => (v4(2), 1000),
        3 => (IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped()), 1000),
        4 => (IpAddr::V6(Ipv6Addr::LOCALHOST), 65_535),
        5 => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 1),
        6 => (v4(3), 0),
        _ => (IpAddr::V4(Ipv4Addr::BROADCAST), 9),
    };
    SocketAddr::new(ip, port)
}
