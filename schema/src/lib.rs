//! The wire contract between a Throng server and its clients.
//!
//! ```text
//!  client                                                              server
//!  IntentFields --write_input--> 96 bytes --> datagram --> decode_input (read_input, check_input) --> InputFields
//!  CommandFields --write_command--> reliable channel --> read_command --check_command--> CommandFields
//!  name --------write_hello----> <= 256 B --> hello -----> read_hello --check_hello--> &str
//!  view <--apply-- wire::Snapshot <--read_snapshot-- datagram <-- hand-laid by the engine
//!  NoticeFields <--check_notice-- read_notice <-- reliable channel <--write_notice-- NoticeFields
//! ```
//!
//! `PROTOCOL.md` beside this crate says what every byte means; it is enough to write a client in another
//! language, and `python/throng_decode.py` is one that was written so. `vectors/` holds golden messages.
//!
//! Every message is a size-prefixed FlatBuffer without a file identifier: the datagram's `kind` byte
//! ([`KIND_INPUT`], [`KIND_SNAPSHOT`]) says which table is its root; what the reliable channel carries is a
//! [`wire::Command`] from a client and a [`wire::Notice`] from a server. Read bytes from a peer only through the `read_`
//! functions: the generated `root_as_*` use the library's default verifier limits, with which one datagram can cost tens
//! of milliseconds, and do not look at the prefix.
#![deny(unsafe_code)]

// Only the generated module may hold `unsafe`: flatc writes it and the drift check proves nobody edited it.
#[allow(unsafe_code, missing_docs, unused_imports, unused_qualifications, clippy::all, clippy::undocumented_unsafe_blocks)]
#[rustfmt::skip]
mod generated;

mod check;
mod digest;
mod error;
mod form;
mod lay;
pub mod limits;
mod read;
mod write;

pub use check::{
    CommandFields, InputFields, IntentFields, NoticeFields, check_command, check_hello, check_input,
    check_intent, check_name, check_notice, check_text, check_world, command_id,
};
pub use digest::ViewDigest;
pub use error::{
    CommandError, Fault, HelloError, InputError, InputRefusal, NameError, TextError, WireError, WorldError,
};
pub use generated::throng::wire;
pub use read::{
    SnapshotPeek, decode_input, peek_snapshot, read_command, read_hello, read_input, read_notice,
    read_snapshot,
};
pub use write::{INPUT_BYTES, INTENTS_SENT, write_command, write_hello, write_input, write_notice};

/// Version of this schema. A client names it in its hello; another value is refused.
///
/// Raised by any change that an old client would misread. Fields appended to a table do not raise it.
pub const SCHEMA_VERSION: u32 = 2;

/// Datagram kind of a [`wire::Input`], client to server.
pub const KIND_INPUT: u8 = 1;

/// Datagram kind of a [`wire::Snapshot`], server to client.
pub const KIND_SNAPSHOT: u8 = 2;
