//! The reference rules: avatars that go where their players steer them, creatures, fights, goods, trade, talk.
//!
//! ```text
//!   Game::take ─► queues of intents, commands
//!   Game::tick ─► intents ─► commands ─► creatures think ─► walk ─► give way ─► attacks, projectiles
//!                                                                                      │
//!       notices ◄── publish(attributes, events) ◄── settle ◄── deaths, loot, respawns ◄┘
//! ```
//!
//! A studio replaces this crate by its own; the engine and the network know nothing of it.
#![forbid(unsafe_code)]

#[cfg(test)]
mod arena;
mod characters;
mod chat;
pub mod combat;
mod commands;
mod config;
mod counters;
pub mod creatures;
pub mod events;
mod execute;
mod input;
mod intents;
mod life;
mod movement;
mod notices;
mod players;
mod separation;
mod systems;
#[cfg(test)]
mod tests;
mod traits;
mod zones;

pub use characters::MUTED_MAX;
pub use chat::{SAY_HEARERS_MAX, SAY_RADIUS_M, TEXT_BYTES_MAX};
pub use commands::COMMANDS_MAX;
pub use config::{GameConfig, GameError, Rules, Spawn};
pub use counters::GameCounters;
pub use input::{Command, CommandId, Input, Intent, ItemId, Notice, Outcome, PlayerId, Taken, TradeState};
pub use intents::{CREDIT_MAX, INTENTS_MAX, STEPS_MAX};
pub use separation::{BODY_WIDTH_M, PUSH_M_MAX};
pub use throng_engine::{Encoded, EntityId, Request, Viewer, WorldConfig};
pub use traits::{AVATAR, CREATURE, DROP, NOBODY, PROJECTILE, SHOPKEEPER, Traits, state};

use throng_engine::simd::Level;
use throng_engine::{Digest, Random, World, WorldError};

use characters::Characters;
use chat::Chat;
use commands::Commands;
use intents::{Numbered, Refused};
use notices::Notices;
use players::Players;
use separation::Separation;

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
    players: Players,
    characters: Characters,
    commands: Commands,
    chat: Chat,
    notices: Notices,
    departed: Vec<PlayerId>,
    separation: Separation,
    counters: GameCounters,
    /// One in so many thoughts of creatures takes place.
    think_divisor: u32,
    /// How many have ever arrived: each gets a place of its own, whoever left meanwhile.
    arrivals: u32,
}

/// Streams of randomness, one per use.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Stream {
    Place = 1,
    Wander = 2,
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
        let mut game = Self {
            world: World::with_level(config.world_with_room(), level)?,
            players: Players::default(),
            characters: Characters::default(),
            commands: Commands::default(),
            chat: Chat::new(config.world.tick_hz),
            notices: Notices::default(),
            departed: Vec::new(),
            separation: Separation::default(),
            counters: GameCounters::default(),
            think_divisor: 1,
            arrivals: 0,
            config,
        };
        game.populate()?;
        Ok(game)
    }

    /// Takes in one thing from outside, between two ticks. Who enters is there at once; all else waits for the tick.
    pub fn take(&mut self, input: Input<'_>) -> Taken {
        match input {
            Input::Enter { character, name } => self.enter(character, name),
            Input::Leave { player } => self.leave(player),
            Input::Intent { player, sequence, shown_tick, intent } => {
                self.intend(player, Numbered { sequence, shown_tick, intent })
            }
            Input::Command { player, id, command } => self.command(player, id, command),
            Input::Effort { think_divisor } => {
                self.think_divisor = think_divisor.max(1);
                Taken::Queued
            }
        }
    }

    fn intend(&mut self, player: PlayerId, numbered: Numbered) -> Taken {
        let Some(player) = self.players.get_mut(player).filter(|player| player.is_connected) else {
            self.counters.inputs_of_nobody += 1;
            return Taken::Nobody;
        };
        if !numbered.intent.direction.is_finite() {
            self.counters.intents_malformed += 1;
            return Taken::Malformed;
        }
        match player.intents.push(numbered) {
            Ok(()) => Taken::Queued,
            Err(Refused::Stale) => {
                self.counters.intents_stale += 1;
                Taken::Stale
            }
            Err(Refused::OverBudget) => {
                self.counters.intents_over_budget += 1;
                Taken::OverBudget
            }
        }
    }

    fn command(&mut self, id: PlayerId, command_id: CommandId, command: Command<'_>) -> Taken {
        let Some(player) = self.players.get_mut(id).filter(|player| player.is_connected) else {
            self.counters.inputs_of_nobody += 1;
            return Taken::Nobody;
        };
        if player.command_count == COMMANDS_MAX {
            self.counters.commands_too_many += 1;
            return Taken::TooMany;
        }
        player.command_count += 1;
        if !self.commands.push(id, command_id, command) {
            self.counters.texts_refused += 1;
        }
        Taken::Queued
    }

    /// Advances the world by one tick and publishes it.
    pub fn tick(&mut self) {
        let tick = self.world.begin_tick();
        self.notices.clear();
        self.departed.clear();
        self.welcome();
        movement::intend(&mut self.world, &mut self.players, &self.config, &mut self.counters);
        self.execute();
        let seed = self.config.world.seed;
        let turn_ticks = u32::from(self.config.world.tick_hz) * 2;
        systems::wander(&mut self.world, Random::of_tick(seed, tick, Stream::Wander as u32), turn_ticks);
        movement::walk(&mut self.world, &self.config);
        self.give_way();
        self.respawn();
        self.depart();
        self.world.settle();
        self.world.publish(systems::attributes);
    }

    /// What the last tick told players, in order.
    pub fn notices(&self) -> impl Iterator<Item = (PlayerId, Notice<'_>)> {
        self.notices.iter()
    }

    /// Whose bodies the last tick took out of the world. Their ids may be those of others from now on.
    pub fn departed(&self) -> &[PlayerId] {
        &self.departed
    }

    /// The body of a player.
    pub fn avatar(&self, player: PlayerId) -> Option<EntityId> {
        self.players.get(player).map(|player| player.avatar)
    }

    /// Number of the last intent of a player that was applied; 0 for none.
    pub fn applied_sequence(&self, player: PlayerId) -> u32 {
        self.players.get(player).map_or(0, |player| player.intents.applied())
    }

    /// How many intents of a player wait for their tick.
    pub fn queued(&self, player: PlayerId) -> u8 {
        self.players.get(player).map_or(0, |player| player.intents.len())
    }

    /// As whom a character is in the world; also while its body only waits to be taken out.
    pub fn player_of(&self, character: u64) -> Option<PlayerId> {
        let index = self.characters.by_id(character)?;
        self.characters.get(index).player
    }

    /// Writes one client's snapshot of the published tick; see [`World::encode`].
    pub fn encode(&self, viewer: &mut Viewer, request: &Request, out: &mut [u8]) -> Option<Encoded> {
        self.world.encode(viewer, request, out)
    }

    /// The last published tick.
    pub fn current_tick(&self) -> u32 {
        self.world.tick()
    }

    /// Digest of the whole state: of what lives, and of what is kept beside it.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        digest.push(self.world.digest());
        digest.push(u64::from(self.think_divisor) << 32 | u64::from(self.arrivals));
        self.players.digest(&mut digest);
        self.characters.digest(&mut digest);
        self.commands.digest(&mut digest);
        digest.value()
    }

    /// The world, to look at.
    pub fn world(&self) -> &World<Traits> {
        &self.world
    }

    /// What was refused, cut short or repaired.
    pub fn counters(&self) -> &GameCounters {
        &self.counters
    }
}
