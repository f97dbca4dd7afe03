//! What the socket tests share.
#![allow(dead_code)]

use std::time::{Duration, Instant};

use throng_net::Peer;
use throng_net::io::{BackendChoice, BindError, Bound, Receive, SocketConfig, bind};

pub const ALL: [BackendChoice; 3] = [BackendChoice::Auto, BackendChoice::Uring, BackendChoice::Mmsg];

/// Opens a socket, or says why this test does not run here: io_uring is refused on some machines.
pub fn open(choice: BackendChoice, config: SocketConfig) -> Option<Bound> {
    match bind(&SocketConfig { backend: choice, ..config }) {
        Ok(bound) => Some(bound),
        Err(BindError::UringRefused { reason }) => {
            println!("skipped: {reason}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Drains until `each` says that it has all. Loopback delivers before a send returns, so what was sent is there: the
/// deadline is for a broken build, not for a slow machine.
pub fn drain_until(receiver: &mut dyn Receive, mut each: impl FnMut(Peer, &[u8]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut is_done = false;
    while !is_done {
        receiver
            .drain(100_000, &mut |from, datagram| {
                assert!(!is_done, "more came than was sent");
                is_done = each(from, datagram);
            })
            .unwrap();
        assert!(Instant::now() < deadline, "not everything arrived: {:?}", receiver.stats());
    }
}

/// A datagram of 4 to 1,200 bytes that follows from its first four.
pub fn pattern(seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let bytes = 4 + (state >> 8) as usize % 1197;
    let mut out = seed.to_le_bytes().to_vec();
    out.resize_with(bytes, || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    });
    out
}
