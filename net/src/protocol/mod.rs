//! Sessions over datagrams, without a socket: handshake, acknowledgement, replay window, timeouts, disconnect.
//!
//! ```text
//!   gateway ── token, secret ──► client                    server
//!
//!     hello (1,200 B: salt, token)               ──►       nothing remembered, nothing allocated
//!                                                ◄──       challenge: cookie = SipHash(key, time, salt, address)
//!     hello (1,200 B: salt, cookie, token)       ──►       the address is proven: token opened, application asked
//!                                                ◄──       accept: public key, connection id, tag
//!     confirm (control)                          ──►       a session
//!     data (sequence, acks, payload), sealed     ◄─►       data
//!     path response                              ◄─►       path challenge, when the client turns up elsewhere
//!     disconnect, three copies, sealed           ──►
//! ```
//!
//! A hello may be repeated at any time: the same one gets the same answer. Every answer to an address that has not
//! proven itself is 32 bytes for 1,200. From the accept on everything is sealed (AES-256-GCM) with keys that the two
//! ends agreed on (X25519) and that the gateway vouches for; see [`keys`] and [`token`]. Nothing that does not open
//! changes anything but a counter.
//!
//! Datagrams may be lost. What must arrive, and in order, goes over a [`channel`] in front of their payloads.
//!
//! `now_us` is microseconds, never decreasing: a client's since any fixed moment, a server's since
//! [`ServerConfig::started_unix_ms`].

mod caps;
#[cfg(test)]
mod caps_tests;
pub mod channel;
mod client;
mod cookie;
mod counters;
pub mod keys;
#[cfg(test)]
mod keys_tests;
#[cfg(test)]
mod nonce_tests;
pub mod packet;
#[cfg(test)]
mod packet_tests;
mod rate;
mod rtt;
mod server;
mod strangers;
#[cfg(test)]
mod strangers_tests;
mod table;
pub mod token;
#[cfg(test)]
mod token_tests;
mod transmit;
mod used;
#[cfg(test)]
mod used_tests;
mod window;
#[cfg(test)]
mod window_tests;

pub use caps::PrefixCaps;
pub use client::{Client, ClientEvent, ClientState, CloseCause, HelloTooLong};
pub use counters::{Counters, Reject};
pub use server::{
    Admission, Answer, Asking, ConfigError, Goodbye, Received, Server, ServerConfig, SessionInfo, Ticket,
};
pub use table::SessionIndex;
pub use transmit::{TransmitHalf, TransmitHalves};
