//! The gateway as clients meet it: over TLS on loopback, with a store on disk and a clock that the test moves.

mod bodies;
mod certificates;
mod chores;
mod document;
mod failing_store;
mod herald;
mod log;
mod players;
mod realms;
mod refusals;
mod sessions;
mod sockets;
mod storms;
mod support;
