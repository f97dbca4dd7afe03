//! The tick engine of Throng: a world as columns, and what each client must be told of it.
//!
//! ```text
//!   intents ─► systems over columns ─► settle: rows grouped by cell ─► publish: quantised frame of this tick
//!              (schedule, simd,          (grid)                         (history, 32 ticks)
//!               effects, random)                                             │
//!                                                    encode, per client: now against its baseline ─► FlatBuffer
//!                                                                         (view)
//! ```
//!
//! The engine knows no socket, file, clock, thread or entropy: time is a tick number, threads are whatever rayon pool it
//! is called in. Same inputs give the same bits at any thread count and SIMD level.
//!
//! A game brings its own columns ([`columns!`]), systems (functions over column slices, run by
//! [`schedule::each_region`]) and replicated attributes ([`World::publish`]); see `examples/`.
#![deny(unsafe_code)]

pub mod angle;
mod column;
mod digest;
mod effects;
mod entity;
mod events;
mod grid;
mod history;
mod interest;
pub mod limits;
mod random;
mod rewind;
pub mod schedule;
#[allow(unsafe_code)] // Intrinsics. Nothing else in this crate may.
pub mod simd;
pub mod view;
mod world;

pub use column::{Cell, Column, Columns, NoColumns, live_rows};
pub use digest::Digest;
pub use effects::Effects;
pub use entity::{EntityId, Slot};
pub use events::Event;
pub use history::{pack, quantise};
pub use interest::Found;
pub use random::Random;
pub use view::{Encoded, Request, Viewer};
pub use world::{Body, World, WorldConfig, WorldError, WorldFull};
