//! What the events that the rules tell mean: the kinds of [`Event::kind`](throng_schema), and what `value` is for each.
//!
//! An event happens at a place, and is told to whoever has that place in view.

/// `source` has hit `target` for `value` points of health.
pub const HIT: u8 = 1;
/// `source` has struck at nothing; `value` is its facing.
pub const MISS: u8 = 2;
/// `target` has died by `source`; `value` is its level.
pub const DEATH: u8 = 3;
/// `source` has loosed the projectile `target`; `value` is its facing.
pub const SHOT: u8 = 4;
/// `source` has hit everybody within `value` centimetres of the place.
pub const BLAST: u8 = 5;
/// `target` stands again, with all its health.
pub const RESPAWN: u8 = 6;
/// `target` has reached the level `value`.
pub const LEVEL_UP: u8 = 7;
