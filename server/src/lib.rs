//! The `throng` program as a library: everything behind its subcommands, so that tests can run a realm in their own
//! process.
//!
//! ```text
//!   throng demo ──► demo ──► child processes: serve, bots
//!   throng serve ─► config ──► realm: receive ─► inputs ─► world tick ─► snapshots ─► report
//!   throng bots ──► the load generator of throng-tools
//!   throng attack ─► its storms, against a server on this machine
//!   throng account, keys, invite ──► account ──► the data directory of a gateway
//!   throng world ──► land ──► world files
//! ```
//!
//! * [`config`]: settings in layers, checked before anything starts.
//! * [`realm`]: the loop that joins the datagram protocol, the game and the sockets; [`schedule`] says when ticks start.
//! * [`gateway`]: accounts, logins, and the connect tokens with which players enter a realm.
//! * [`metrics`] and [`report`]: what is measured, and how it is told; [`verdict`] judges a demo.
//!
//! This crate is the only one that knows all the others, and the only one besides the tools that looks at a clock.
#![forbid(unsafe_code)]

pub mod account;
pub mod attack;
pub mod bots;
pub mod cli;
pub mod config;
pub mod demo;
pub mod gateway;
pub mod land;
pub mod limits;
pub mod metrics;
pub mod pipe;
pub mod process;
pub mod realm;
pub mod report;
pub mod schedule;
pub mod serve;
pub mod stop;
pub mod verdict;
