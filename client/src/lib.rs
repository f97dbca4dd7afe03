//! What a client of a Throng server needs: a session, the view it is sent, and smooth positions to draw.
//!
//! ```text
//!  datagram ──► Session ──► View ──► Interpolator ──► poses to draw
//!                  │  │       │
//!                  │  └► messages, each once and in order
//!                  │          │
//!                  │          └─ newest reconstructed tick, or 0: "start me afresh"
//!                  ▼                               │
//!  datagram ◄── input (number, intent, ack) ◄──────┘
//! ```
//!
//! * [`view::View`] rebuilds the near list from any baseline that it acknowledged, checks every rule of
//!   the wire contract, and asks for a fresh start when something disagrees.
//! * [`interpolation::Interpolator`] shows others a little in the past, between two known places.
//! * [`session::Session`] ties both to the datagram protocol. It owns no socket and no clock: time is an argument.
//!
//! Nothing in here panics on what a server sends.
#![forbid(unsafe_code)]

mod ids;
mod inbox;
pub mod interpolation;
pub mod limits;
pub mod session;
pub mod view;

pub use interpolation::{Interpolator, Pose};
pub use session::{Session, SessionConfig, SessionEvent};
pub use view::{Applied, Entity, FarEntity, Happening, Pace, View, ViewError};
