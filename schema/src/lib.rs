//! The wire contract.
#![deny(unsafe_code)]
#[allow(unsafe_code, missing_docs, unused_imports, unused_qualifications, clippy::all, clippy::undocumented_unsafe_blocks)]
#[rustfmt::skip]
mod generated;
pub use generated::throng::wire;
