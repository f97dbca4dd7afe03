//! The part of the rules that clients predict with: the static land of a world, and one step of a body on it.
//!
//! ```text
//!   world file ─► Land::read ─► Land::lay_out ─► Land ─┬─► step: one body, one tick     (client, bots, server)
//!                                                      ├─► walk: columns of bodies      (server)
//!                                                      └─► is_clear, nearest_free, zone_at, spawn_areas ...
//! ```
//!
//! A land is a plane in metres, x and y, with one height for each place. The main zone begins at the origin; the other
//! zones are templates, each laid out in any number of copies beyond it ([`Land::lay_out`]), too far apart for anybody
//! to see from one into another.
//!
//! **Same bits everywhere.** A step is plain `f32` arithmetic: `+ - * /` and `sqrt`, which IEEE 754 defines to the last
//! bit; nothing is contracted, nothing is looked up in a platform's libm. So a client that takes the steps that the server
//! takes is where the server has it, exactly.
//!
//! The world file is described byte for byte in `docs/world-file.md`.
//!
//! ```
//! use throng_motion::{Body, Land, Limits, Vec2, step};
//!
//! let land = Land::flat(1_000.0, 1_000.0);
//! let limits = Limits { speed_max_m_s: 5.0, acceleration_m_s2: 40.0 };
//! let mut body = Body { x: 500.0, y: 500.0, ..Body::default() };
//! for _ in 0..20 {
//!     body = step(&land, &limits, body, Vec2::X, 0.05);
//! }
//! assert!(body.x > 504.0 && body.y == 500.0);
//! ```
#![forbid(unsafe_code)]

mod area;
mod file;
mod generate;
mod land;
mod layout;
pub mod limits;
mod plan;
mod region;
mod sight;
mod step;
mod tiles;
mod walk;

pub use area::{Area, Disc};
pub use file::LandError;
pub use generate::GenerateConfig;
pub use glam::{Vec2, Vec3};
pub use land::{Land, Shop, SpawnArea, Zone, ZoneId};
pub use layout::LayoutError;
pub use plan::{AreaPlan, CirclePlan, DiscPlan, ShopPlan, WallPlan, ZonePlan};
pub use step::{Body, Limits, limit, step};
pub use walk::{Columns, walk};
