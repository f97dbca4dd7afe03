//! Hellos from strangers: garbage, forged and stolen cookies, floods of valid ones.
//!
//! The script is a list of steps: flags, address and time, then the hello's bytes with their length before them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use throng_net::limits::HELLO_BYTES;

use crate::bytes::Bytes;
use crate::server::{Outcome, Watched};

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
/// Refuse whoever this step connects.
pub const REFUSE: u8 = 32;

const STEPS_MAX: usize = 12;

/// Runs a script; panics if the server breaks a promise.
pub fn run(data: &[u8]) {
    let mut script = Bytes(data);
    let mut watched = Watched::new(3);
    for _ in 0..STEPS_MAX {
        let Some(flags) = script.next() else { break };
        let place = script.byte();
        let from = address(place & 7);
        // Up to 16 s pass, so that cookies and sessions grow old.
        watched.now_us += u64::from(place >> 3) * 500_000;
        let mut hello = script.run().to_vec();
        shape(&mut hello, flags);
        if flags & COOKIE != 0 && hello.len() >= 32 {
            let mut asking = hello.clone();
            asking[12..32].fill(0);
            if let Outcome::Reply(answer) = watched.handle(from, &asking)
                && answer.len() == 32
            {
                hello[12..32].copy_from_slice(&answer[12..32]);
            }
        }
        if let Outcome::Connected(session, _) = watched.handle(from, &hello)
            && flags & REFUSE != 0
        {
            assert!(watched.server.refuse(session, 16, 1).is_some());
            assert!(watched.server.session(session).is_none());
        }
        if flags & EXPIRE != 0 {
            let now_us = watched.now_us;
            watched.server.expire(now_us, |_| {});
        }
    }
}

fn shape(hello: &mut Vec<u8>, flags: u8) {
    if flags & FIT != 0 {
        hello.resize(HELLO_BYTES, 0);
    }
    if flags & HEAD != 0 && hello.len() >= 4 {
        hello[..4].copy_from_slice(&[1, 1, 0, 0]);
    }
    if flags & PAYLOAD != 0 && hello.len() == HELLO_BYTES {
        let payload = throng_schema::write_hello(throng_schema::SCHEMA_VERSION, "fuzz");
        hello[32..34].copy_from_slice(&(payload.len() as u16).to_le_bytes());
        hello[34..34 + payload.len()].copy_from_slice(&payload);
    }
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
