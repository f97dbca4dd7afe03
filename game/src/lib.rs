//! The reference rules: avatars that go where their players steer them, creatures that wander, health that changes.
//!
//! ```text
//!   intend ─► wish columns ┐
//!   wander (creatures) ────┴─► walk ─► vitals ─► settle ─► publish
//! ```
//!
//! A studio replaces this crate by its own; the engine and the network know nothing of it.
#![forbid(unsafe_code)]

mod config;
mod economy;
mod input;
mod progress;
mod systems;
#[cfg(test)]
mod tests;

pub use config::{GameConfig, GameError, Spawn};
pub use economy::{
    AccountId, Book, Catalogue, Change, DropId, Economy, EconomyConfig, EconomyError, Effect, Goods,
    Holdings, Imbalance, Item, Line, LineConfig, MONEY, MONEY_MAX, ShopId, Source, Stack,
};
pub use input::{Command, CommandId, Input, Intent, ItemId, Notice, Outcome, PlayerId, Taken, TradeState};
pub use progress::{Accomplishment, Accomplishments, Counter, Gain, Progression, ProgressionError, Sheet};
pub use throng_engine::{Encoded, EntityId, Request, Viewer, WorldConfig};

use glam::{Vec2, Vec3};
use throng_engine::simd::Level;
use throng_engine::{Random, World, WorldError, columns};

columns! {
    /// What the rules know of an entity beyond its body.
    pub struct Traits {
        /// What it is: [`NOBODY`], [`AVATAR`] or [`CREATURE`].
        pub kind: u8,
        /// Wanted velocity as a share of the speed limit, at most 1 in length.
        pub wish_x: f32,
        /// See `wish_x`.
        pub wish_y: f32,
        /// Health in 1/65535 of full.
        pub health: u16,
        /// Buttons held.
        pub buttons: u16,
    }
}

/// The kind of an empty row.
pub const NOBODY: u8 = 0;
/// A player's avatar.
pub const AVATAR: u8 = 1;
/// A creature that the world steers.
pub const CREATURE: u8 = 2;

/// What the bits of [`Intent::buttons`] mean.
pub mod buttons {
    /// Strike whoever is close in front.
    pub const STRIKE: u16 = 1;
    /// Loose a projectile ahead.
    pub const SHOOT: u16 = 2;
    /// Hit everybody in a circle ahead.
    pub const BLAST: u16 = 4;
}

/// Speed limit of everybody, metres per second.
pub const SPEED_MAX_M_S: f32 = 5.0;

/// A running game.
#[derive(Debug)]
pub struct Game {
    world: World<Traits>,
    config: GameConfig,
    /// How many have ever arrived: each gets a place of its own, whoever left meanwhile.
    arrivals: u32,
}

/// Streams of randomness, one per use.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Stream {
    Place = 1,
    Wander = 2,
    Vitals = 3,
}

impl Game {
    /// A world with its creatures in place, at tick 0.
    ///
    /// # Errors
    /// When the config is impossible.
    pub fn new(config: GameConfig) -> Result<Self, GameError> {
        Self::with_level(config, Level::chosen().map_err(WorldError::from)?)
    }

    /// As [`new`](Self::new), with a given SIMD level.
    ///
    /// # Errors
    /// When the config is impossible.
    pub fn with_level(config: GameConfig, level: Level) -> Result<Self, GameError> {
        config.check()?;
        let mut game = Self { world: World::with_level(config.world.clone(), level)?, config, arrivals: 0 };
        for _ in 0..game.config.creatures {
            game.arrive(CREATURE)?;
        }
        Ok(game)
    }

    /// Brings a player's avatar into the world.
    ///
    /// # Errors
    /// When the world is full.
    pub fn join(&mut self) -> Result<EntityId, GameError> {
        self.arrive(AVATAR)
    }

    fn arrive(&mut self, kind: u8) -> Result<EntityId, GameError> {
        let mut random = Random::of_tick(self.config.world.seed, self.world.tick(), Stream::Place as u32)
            .fork(self.arrivals);
        self.arrivals = self.arrivals.wrapping_add(1);
        let place = self.config.place(&mut random);
        let yaw = random.next_u32() as u16;
        let (id, slot) = self.world.spawn(Vec3::new(place.x, place.y, 0.0), yaw)?;
        self.world.game.kind[slot.row()] = kind;
        self.world.game.health[slot.row()] = u16::MAX;
        Ok(id)
    }

    /// Takes an entity out of the world.
    pub fn leave(&mut self, id: EntityId) {
        self.world.despawn(id);
    }

    /// Notes what a player wants; `false` when its avatar is gone or the direction is no number.
    pub fn intend(&mut self, id: EntityId, intent: Intent) -> bool {
        let Some(slot) = self.world.slot(id) else { return false };
        if !intent.direction.is_finite() {
            return false;
        }
        let wish = limit(intent.direction);
        let row = slot.row();
        (self.world.game.wish_x[row], self.world.game.wish_y[row]) = (wish.x, wish.y);
        self.world.game.buttons[row] = intent.buttons;
        self.world.body.yaw[row] = intent.yaw;
        true
    }

    /// Advances the world by one tick and publishes it.
    pub fn tick(&mut self) {
        let tick = self.world.begin_tick();
        let seed = self.config.world.seed;
        let turn_ticks = u32::from(self.config.world.tick_hz) * 2;
        systems::wander(&mut self.world, Random::of_tick(seed, tick, Stream::Wander as u32), turn_ticks);
        systems::walk(&mut self.world, &self.config);
        let beat_ticks = u32::from(self.config.world.tick_hz);
        systems::vitals(&mut self.world, Random::of_tick(seed, tick, Stream::Vitals as u32), beat_ticks);
        self.world.settle();
        self.world.publish(systems::attributes);
    }

    /// Writes one client's snapshot of the published tick; see [`World::encode`].
    pub fn encode(&self, viewer: &mut Viewer, request: &Request, out: &mut [u8]) -> Option<Encoded> {
        self.world.encode(viewer, request, out)
    }

    /// The last published tick.
    pub fn current_tick(&self) -> u32 {
        self.world.tick()
    }

    /// Digest of the whole state.
    pub fn digest(&self) -> u64 {
        self.world.digest()
    }

    /// The world, to look at.
    pub fn world(&self) -> &World<Traits> {
        &self.world
    }
}

/// A vector of at most unit length in the same direction.
fn limit(wish: Vec2) -> Vec2 {
    // Dividing by the longer side first: the square of a huge but finite length would be infinite.
    let side = wish.abs().max_element();
    if side <= 0.0 {
        return Vec2::ZERO;
    }
    let scaled = wish / side;
    let length = scaled.length();
    if side * length <= 1.0 { wish } else { scaled / length }
}
