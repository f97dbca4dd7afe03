//! Throng's datagrams: a protocol without sockets, and the sockets that carry it.
//!
//! ```text
//!             protocol (no socket, no clock, no entropy)                 io (the kernel boundary)
//!
//!   Received  ◄── Server::handle(now, from, datagram) ◄──────────────── Receive::drain ◄── UDP
//!      │              │ cookie, token, window, opening in place            recvmmsg, 256 a call,
//!      ▼              ▼                                                    into slots that it is opened in
//!   the game    TransmitHalves  one per session, handed to the workers
//!      │              │
//!      ▼              ▼ finish(now, kind, slot, payload bytes): header, sealing in place, tag
//!   payload ─────► slot of 1472 B ─► Sender::commit ──► 128 a submit ──► UDP
//! ```
//!
//! * [`protocol`] turns datagrams into events and back. Time is a `now_us` argument, secrets and salts are arguments,
//!   and payloads are opaque bytes: it knows nothing of games, schemas or sockets. [`protocol::Server`] holds all
//!   sessions; [`protocol::Client`] is one of the other side.
//! * [`io`] moves datagrams: one pair of traits, two backends. [`io::bind`] chooses io_uring for sending where the
//!   kernel allows it and `sendmmsg` elsewhere, says which and why, and says what to change where a limit is too small.
//!   It is the only module of this crate that holds `unsafe`.
//!
//! Neither allocates for a datagram once warm, and neither ever waits: receiving is polled (waiting per datagram costs
//! eight times as much), and a full socket buffer drops the datagram and counts it, because the next snapshot
//! supersedes it anyway.

#![deny(unsafe_code)]

mod address;
#[allow(unsafe_code)]
pub mod io;
pub mod limits;
pub mod protocol;
#[cfg(feature = "testing")]
pub mod testing;

pub use address::{Address, Local, Peer};
