//! What a stranger may send, as functions that must not panic whatever the bytes.
//!
//! ```text
//!  seeds/<target>/*  ──►  tests/replay.rs: every seed, and some mutations of each, in `cargo test`
//!        │
//!        └──────────────►  libfuzzer/targets/<target>.rs: coverage-guided, on demand (README.md)
//!                                   │
//!                                   ▼
//!                          [`TARGETS`]: the same bodies
//! ```
//!
//! A target is more than "does not crash": each states what must hold of the answer (no amplification, no session
//! without a cookie and an unused token, nothing taken that was not sealed, a sequence accepted once, a view equal to a second implementation's, no answer that the document does not name) and asserts it.
#![forbid(unsafe_code)]

mod bytes;
pub mod channel_frame;
pub mod hello;
pub mod http_body;
pub mod input_message;
mod server;
pub mod session_datagram;
pub mod snapshot_message;
pub mod token;
pub mod world_file;

/// The reference encoder and view of the schema's own tests: the second opinion on what a snapshot means.
#[path = "../../schema/tests/common/mod.rs"]
#[allow(clippy::all, unreachable_pub)]
mod reference;

/// A target's body: runs on any bytes, panics when a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by name: its seeds lie in `seeds/<name>`, its wrapper in `libfuzzer/targets/<name>.rs`.
pub const TARGETS: [(&str, Target); 8] = [
    ("token", token::run),
    ("hello", hello::run),
    ("session_datagram", session_datagram::run),
    ("channel_frame", channel_frame::run),
    ("input_message", input_message::run),
    ("snapshot_message", snapshot_message::run),
    ("world_file", world_file::run),
    ("http_body", http_body::run),
];
