//! System calls that std does not offer. The only place in this crate with `unsafe`.

pub mod clock;
pub mod udp;
