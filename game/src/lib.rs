//! The reference rules: avatars that go where their players steer them, creatures, fights, goods, trade, talk.
//!
//! ```text
//!   Game::take ─► queues of intents, commands
//!   Game::tick ─► intents ─► commands ─► creatures think ─► walk ─► give way ─► attacks, projectiles
//!                                                                                      │
//!       notices ◄── publish(attributes, events) ◄── settle ◄── deaths, loot, respawns ◄┘
//! ```
//!
//! | file, folder | what it does |
//! |---|---|
//! | `input` | what comes in and goes out, as types |
//! | `players`, `characters` | who is in the world; what is kept of those who were |
//! | `intents`, `movement`, `separation` | from intents to places |
//! | `commands`, `execute`, `deals`, `chat`, `zones` | what players ask for beside moving and fighting |
//! | `life`, `deaths` | coming, going, dying, rewards, standing up again |
//! | `notices`, `events` | what players are told |
//! | `combat`, `creatures` | systems over the columns |
//! | `economy`, `progress` | what belongs to whom; how far somebody has come |
//! | `content` | items, loot, shops, levels of the reference game |
//!
//! A studio replaces this crate by its own; the engine and the network know nothing of it.
#![forbid(unsafe_code)]

#[cfg(test)]
mod arena;
mod attributes;
mod characters;
mod chat;
pub mod combat;
mod commands;
mod config;
pub mod content;
mod counters;
pub mod creatures;
mod deals;
mod deaths;
mod economy;
pub mod events;
mod execute;
mod input;
mod intents;
mod life;
mod movement;
mod notices;
mod players;
mod progress;
mod separation;
mod stages;
#[cfg(test)]
mod tests;
mod traits;
mod zones;

pub use characters::MUTED_MAX;
pub use chat::{SAY_HEARERS_MAX, SAY_RADIUS_M, TEXT_BYTES_MAX};
pub use commands::COMMANDS_MAX;
pub use config::{GameConfig, GameError, LandSource, Rules, Spawn};
pub use counters::GameCounters;
pub use economy::{
    AccountId, Book, Catalogue, Change, DropId, Economy, EconomyConfig, EconomyError, Effect, Goods,
    Holdings, Imbalance, Item, Line, LineConfig, MONEY, MONEY_MAX, ShopId, Source, Stack,
};
pub use input::{Command, CommandId, Input, Intent, ItemId, Notice, Outcome, PlayerId, Taken, TradeState};
pub use intents::{CREDIT_MAX, INTENTS_MAX, STEPS_MAX};
pub use movement::{ACCELERATION_M_S2, LIMITS, SPEED_MAX_M_S};
pub use progress::{Accomplishment, Accomplishments, Counter, Gain, Progression, ProgressionError, Sheet};
pub use separation::{BODY_WIDTH_M, PUSH_M_MAX};
pub use stages::Stage;
pub use throng_engine::{Encoded, EntityId, Request, Viewer, WorldConfig};
pub use throng_motion::{Land, ZoneId};
pub use traits::{AVATAR, CREATURE, DROP, NOBODY, PROJECTILE, SHOPKEEPER, Traits, state};

use std::sync::Arc;

use throng_engine::simd::Level;
use throng_engine::{Digest, Random, World, WorldError};

use characters::Characters;
use chat::Chat;
use combat::{Combat, Death};
use commands::Commands;
use creatures::Creatures;
use deals::Lying;
use intents::{Numbered, Orders, Refused};
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

/// A running game.
#[derive(Debug)]
pub struct Game {
    world: World<Traits>,
    config: GameConfig,
    land: Arc<Land>,
    players: Players,
    players_max: u32,
    /// How many players are in each zone.
    visitors: Vec<u32>,
    characters: Characters,
    commands: Commands,
    chat: Chat,
    notices: Notices,
    /// Who has entered since the last tick.
    newcomers: Vec<PlayerId>,
    /// Who has left, and whose body still waits to be taken out.
    leavers: Vec<PlayerId>,
    departed: Vec<PlayerId>,
    creatures: Creatures,
    combat: Combat,
    /// Who died in this tick.
    deaths: Vec<Death>,
    separation: Separation,
    /// Scratch: what intents ask of each player's avatar.
    orders: Orders,
    /// Scratch: rows of dead avatars.
    fallen: Vec<u32>,
    economy: Economy,
    /// What first did not add up.
    imbalance: Option<Imbalance>,
    /// Scratch: what the economy changed in this tick.
    changes: Vec<Change>,
    progression: Progression,
    /// By shop.
    shopkeepers: Vec<EntityId>,
    lying: Lying,
    counters: GameCounters,
    /// One in so many thoughts of creatures takes place.
    think_divisor: u32,
}

/// Streams of randomness, one per use.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Stream {
    Place = 1,
    Creatures = 2,
    Loot = 3,
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
        let land = config.land()?;
        let rules = &config.rules;
        let shop_count = land.shops().len();
        let economy = EconomyConfig {
            accounts_max: rules.characters_max,
            drops_max: rules.drops_max,
            drop_ticks: rules.drop_ticks,
            ask_ticks: rules.ask_ticks,
            changes_max: deals::CHANGES_MAX,
            start: content::start(),
            shops: vec![content::lines(config.world.tick_hz); shop_count],
        };
        let mut game = Self {
            world: World::with_level(config.world_with_room(&land), level)?,
            players: Players::default(),
            players_max: config.players_max(&land),
            visitors: vec![0; land.zones().len()],
            characters: Characters::default(),
            commands: Commands::default(),
            chat: Chat::new(config.world.tick_hz, rules),
            notices: Notices::default(),
            newcomers: Vec::new(),
            leavers: Vec::new(),
            departed: Vec::new(),
            creatures: Creatures::new(rules.species.clone()),
            combat: Combat::new(rules.combat.clone())?,
            deaths: Vec::with_capacity(1_024),
            separation: Separation::default(),
            orders: Orders::default(),
            fallen: Vec::with_capacity(1_024),
            economy: Economy::new(content::catalogue()?, &economy)?,
            imbalance: None,
            changes: Vec::with_capacity(deals::CHANGES_MAX as usize),
            progression: content::progression()?,
            shopkeepers: Vec::with_capacity(shop_count),
            lying: Lying::with_capacity(rules.drops_max),
            counters: GameCounters::default(),
            think_divisor: 1,
            land,
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
        self.tick_watched(|_| ());
    }

    /// As [`tick`](Self::tick), telling `passed` each stage when it is over.
    pub fn tick_watched(&mut self, mut passed: impl FnMut(Stage)) {
        let tick = self.world.begin_tick();
        self.economy.begin_tick(tick);
        self.notices.clear();
        self.departed.clear();
        self.welcome();
        self.tell_changes();
        self.apply_intents();
        self.execute();
        passed(Stage::Inputs);
        let random = Random::of_tick(self.config.world.seed, tick, Stream::Creatures as u32);
        self.creatures.tick(&mut self.world, &self.land, random, self.think_divisor);
        passed(Stage::Think);
        movement::walk(&mut self.world, &self.land);
        passed(Stage::Walk);
        self.give_way();
        passed(Stage::GiveWay);
        self.combat.limit_shots(self.places_left());
        self.combat.tick(&mut self.world, &self.land, self.creatures.species(), &mut self.deaths);
        passed(Stage::Fight);
        self.bury();
        self.respawn();
        self.part_traders();
        self.depart();
        self.balance();
        self.tell_changes();
        passed(Stage::Outcome);
        self.world.settle();
        passed(Stage::Settle);
        self.world.publish(attributes::attributes);
        passed(Stage::Publish);
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
        let account = self.characters.by_id(character)?;
        self.characters.get(account).player
    }

    /// How many players have a body in the world.
    pub fn player_count(&self) -> u32 {
        self.players.len()
    }

    /// How many characters are known, of [`Rules::characters_max`].
    pub fn character_count(&self) -> u32 {
        self.characters.len()
    }

    /// Asks for what [`encode`](Self::encode) will read; see [`World::prefetch`].
    pub fn prefetch(&self, viewer: &Viewer, own: EntityId, acked_tick: u32) {
        self.world.prefetch(viewer, own, acked_tick);
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
        digest.push(self.think_divisor.into());
        self.players.digest(&mut digest);
        for id in self.newcomers.iter().chain(&self.leavers) {
            digest.push(id.0.into());
        }
        self.characters.digest(&mut digest);
        self.commands.digest(&mut digest);
        self.chat.digest(&mut digest);
        self.lying.digest(&mut digest);
        digest.push(self.economy.digest());
        digest.value()
    }

    /// The world, to look at.
    pub fn world(&self) -> &World<Traits> {
        &self.world
    }

    /// What the world lies on.
    pub fn land(&self) -> &Arc<Land> {
        &self.land
    }

    /// Money and goods, to look at.
    pub fn economy(&self) -> &Economy {
        &self.economy
    }

    /// What first did not add up at the end of some tick. Since then commands about goods are refused, and nothing of
    /// value comes into being.
    pub fn imbalance(&self) -> Option<Imbalance> {
        self.imbalance
    }

    /// Fighting, to look at.
    pub fn combat(&self) -> &Combat {
        &self.combat
    }

    /// The account of a character that is known.
    pub fn account_of(&self, character: u64) -> Option<AccountId> {
        self.characters.by_id(character)
    }

    /// How far a character has come that is known.
    pub fn sheet_of(&self, character: u64) -> Option<&Sheet> {
        self.characters.by_id(character).map(|account| &self.characters.get(account).sheet)
    }

    /// What was refused, cut short or repaired.
    pub fn counters(&self) -> &GameCounters {
        &self.counters
    }
}

/// The guide's code, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/your-own-game.md")]
struct YourOwnGame;
