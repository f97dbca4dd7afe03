//! Tools around a Throng server: libraries behind the program's subcommands.
//!
//! * [`bots`] is the load generator: one process that is thousands of clients.
//! * [`grants`] gets it in: connect tokens for session tokens, over the gateway's HTTPS.
//! * [`flood`] is the attacker of realms: datagrams from addresses that are not its own, at a steady rate.
//! * [`storm`] is the attacker of gateways: wrong logins, herds that come back, sockets that stall.
//! * [`memory`] is what the attacked process takes meanwhile.
//!
//! Nothing in here knows the server's insides: tools meet it on the wire, as players do.
#![forbid(unsafe_code)]

pub mod bots;
pub mod flood;
pub mod grants;
pub mod memory;
mod rng;
pub mod storm;
