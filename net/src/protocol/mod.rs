//! Sessions over datagrams, without a socket: handshake, acknowledgement, replay window, timeouts, disconnect.
//!
//! ```text
//!   client                                             server
//!     hello (1,200 B, salt)            ──►               no state, no allocation
//!                                      ◄──  challenge    cookie = HMAC(secret, time, salt, address)
//!     hello (1,200 B, salt, cookie)    ──►               the address is proven: a session
//!                                      ◄──  welcome      connection id
//!     data (sequence, acks, payload)   ◄─►  data
//!     disconnect, three copies         ──►
//! ```
//!
//! A hello may be repeated at any time: the same one gets the same answer. Every answer to an address that has not
//! proven itself is 32 bytes or less for 1,200.
//!
//! What an off-path attacker must guess to interfere with a session: its client's address and port, and 12 random bits
//! beside its place in the table (not the sequence: any that is ahead will do). That keeps accidents and idle hands out, not an eavesdropper:
//! sealing is what does, and every datagram has [`SEAL_RESERVE_BYTES`](crate::limits::SEAL_RESERVE_BYTES) kept for it.
//!
//! `now_us` is the microseconds since any fixed moment, never decreasing.

mod client;
mod cookie;
mod counters;
pub mod keys;
#[cfg(test)]
mod keys_tests;
pub mod packet;
mod rate;
mod rtt;
mod server;
mod table;
pub mod token;
#[cfg(test)]
mod token_tests;
mod transmit;
mod window;
#[cfg(test)]
mod window_tests;

pub use client::{Client, ClientEvent, ClientState, CloseCause, HelloTooLong};
pub use counters::{Counters, Reject};
pub use server::{Answer, ConfigError, Received, Server, ServerConfig, SessionInfo};
pub use table::SessionIndex;
pub use transmit::Transmit;
