//! What the rules know of an entity beyond its body.

use throng_engine::columns;

columns! {
    /// The columns of the rules. What `owner` means depends on the kind.
    pub struct Traits {
        /// What it is: [`NOBODY`], [`AVATAR`], [`CREATURE`], [`PROJECTILE`], [`DROP`] or [`SHOPKEEPER`].
        pub kind: u8,
        /// Which kind of creature or projectile.
        pub species: u8,
        /// Bits of [`state`].
        pub state: u8,
        /// 1 and up; 0 for what has none.
        pub level: u8,
        /// Points of health left.
        pub health: u16,
        /// Points of health when unhurt.
        pub health_max: u16,
        /// Wanted velocity as a share of the speed limit, at most 1 in length.
        pub wish_x: f32,
        /// See `wish_x`.
        pub wish_y: f32,
        /// Steps that its player's intents have left for the walk of this tick: 0 or 1. An avatar without stands still.
        pub steps: u8,
        /// Buttons held: see [`buttons`](crate::buttons).
        pub buttons: u16,
        /// Tick at which the client showed the others when it held them: never earlier than before, nor yet to come.
        pub shown_tick: u32,
        /// First tick at which it may attack again.
        pub ready_tick: u32,
        /// First tick at which it fights no more: some time after the last attack made or hit taken.
        pub fight_until: u32,
        /// Bits of the id of whom it is after; 0 for nobody.
        pub target: u32,
        /// An avatar's player place, a creature's spawn area, a drop's number, the bits of a projectile's shooter, a
        /// shopkeeper's shop.
        pub owner: u32,
        /// Where it belongs, metres.
        pub home_x: f32,
        /// See `home_x`.
        pub home_y: f32,
        /// Next tick at which it thinks.
        pub think_tick: u32,
        /// First tick at which it is no more, or stands again; 0 for never.
        pub expire_tick: u32,
        /// What a creature is about: see [`mood`](crate::creatures::mood).
        pub mood: u8,
    }
}

/// The kind of an empty row.
pub const NOBODY: u8 = 0;
/// A player's avatar.
pub const AVATAR: u8 = 1;
/// A creature that the world steers.
pub const CREATURE: u8 = 2;
/// Something in flight.
pub const PROJECTILE: u8 = 3;
/// Something that lies on the ground and can be picked up.
pub const DROP: u8 = 4;
/// Somebody who buys and sells.
pub const SHOPKEEPER: u8 = 5;

/// Bits of [`Traits::state`], shown to clients in bits 4-7 of attribute 1.
pub mod state {
    /// Health is gone; it neither moves nor acts.
    pub const DEAD: u8 = 1;
    /// Has attacked or been hit a short while ago.
    pub const FIGHTING: u8 = 2;
    /// Attacks, or rests from it.
    pub const ACTING: u8 = 4;
}
