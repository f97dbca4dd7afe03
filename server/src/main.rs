//! The `throng` program.
#![forbid(unsafe_code)]
fn main() {}
