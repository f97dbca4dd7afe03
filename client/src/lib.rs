//! What a client of a Throng server needs: a session, the view it is sent, smooth positions of the others to draw, and
//! the own avatar without the delay of the network.
//!
//! ```text
//!                  ┌─► messages, each once and in order
//!                  │
//!  datagram ──► Session ──► View ─┬───────────────────► Interpolator ──► the others, a little in the past
//!                                 ├─ own avatar ──────► Predictor ─────► the own avatar, ahead of the view
//!                                 │                         ▲            by the inputs on their way
//!                                 └─ inputs waiting         │
//!                                          ▼                │
//!                                        Pacer              │
//!                                          ▼                │
//!  datagram ◄── Session ◄─── input, one for each tick ◄─────┴── intent
//! ```
//!
//! * [`view::View`] rebuilds the near list from any baseline that it acknowledged, checks every rule of
//!   the wire contract, and asks for a fresh start when something disagrees.
//! * [`interpolation::Interpolator`] shows others a little in the past, between two known places. When an overloaded
//!   world slows down, playback does.
//! * [`pacing::Pacer`] sends one input for each of the server's ticks, whatever the two clocks think of each other.
//! * [`prediction::Predictor`] takes each input's step at once, with the server's own rule of moving
//!   ([`prediction::Motion`]), and puts right what the server knows better.
//! * [`session::Session`] ties them to the datagram protocol. It owns no socket and no clock: time is an argument.
//!
//! Nothing in here panics on what a server sends.
//!
//! A whole client, but for its keys, its screen and the game's rule of moving:
//!
//! ```
//! use std::{io, net::UdpSocket, time::Instant};
//! use throng_client::prediction::PredictionConfig;
//! use throng_client::view::Own;
//! use throng_client::{Motion, Pose, Predictor, Session};
//! use throng_net::protocol::ClientState;
//! use throng_schema::{IntentFields, limits::DATAGRAM_BYTES_MAX};
//!
//! /// `socket` does not block, and is connected to the realm.
//! fn play(
//!     socket: &UdpSocket,
//!     mut session: Session,
//!     motion: &impl Motion,
//!     mut keys: impl FnMut() -> IntentFields,
//!     mut draw: impl FnMut(Option<[f32; 3]>, &[Pose]),
//! ) -> io::Result<()> {
//!     let start = Instant::now();
//!     let mut predictor = Predictor::new(PredictionConfig::default());
//!     let (mut poses, mut datagram) = (Vec::new(), [0; DATAGRAM_BYTES_MAX]);
//!     while !matches!(session.state(), ClientState::Closed(_)) {
//!         let now_us = start.elapsed().as_micros() as u64;
//!         while let Ok(bytes) = socket.recv(&mut datagram) {
//!             session.handle(now_us, &mut datagram[..bytes]);
//!             predictor.follow(now_us, motion, &session);
//!         }
//!         session.set_intent(keys());
//!         while let Some(bytes) = session.poll(now_us, &mut datagram) {
//!             socket.send(&datagram[..bytes])?;
//!         }
//!         predictor.follow(now_us, motion, &session);
//!         session.poses(now_us, &mut poses);
//!         draw(predictor.position(now_us), &poses);
//!     }
//!     Ok(())
//! }
//! ```
#![forbid(unsafe_code)]

mod ids;
mod inbox;
pub mod interpolation;
pub mod limits;
pub mod pacing;
pub mod prediction;
pub mod session;
pub mod view;

pub use interpolation::{Interpolator, Pose};
pub use pacing::Pacer;
pub use prediction::{Motion, Predictor};
pub use session::{Session, SessionConfig, SessionEvent};
pub use view::{Applied, Entity, FarEntity, Happening, Pace, View, ViewError};
