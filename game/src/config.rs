//! What a game is made with.

use glam::Vec2;
use throng_engine::{Random, WorldConfig, WorldError, WorldFull};

/// Where entities appear, and where they may go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spawn {
    /// Anywhere in the world, evenly.
    Everywhere,
    /// In a disc around the world's middle, evenly; nobody leaves it.
    Disc {
        /// Radius of the disc, metres.
        radius_m: f32,
    },
}

/// What a game is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct GameConfig {
    /// The world.
    pub world: WorldConfig,
    /// Creatures that are there from the start.
    pub creatures: u32,
    /// Where entities appear.
    pub spawn: Spawn,
    /// The numbers of the rules.
    pub rules: Rules,
}

/// The numbers of the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How long a body stays after its player has left, if nobody fights it, ticks.
    pub linger_ticks: u32,
    /// How long the dead lie before they stand again, ticks.
    pub respawn_ticks: u32,
}

impl Default for Rules {
    /// For 20 ticks a second.
    fn default() -> Self {
        Self { linger_ticks: 20, respawn_ticks: 100 }
    }
}

/// Why a game, or an avatar in it, cannot be.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum GameError {
    /// The world's config is impossible.
    #[error(transparent)]
    World(#[from] WorldError),
    /// No room for another entity.
    #[error(transparent)]
    Full(#[from] WorldFull),
    /// More creatures than entities.
    #[error(
        "{creatures} creatures do not fit a world of at most {entities_max} entities: raise entities_max or lower creatures"
    )]
    Creatures {
        /// Wanted.
        creatures: u32,
        /// Possible.
        entities_max: u32,
    },
    /// The disc does not fit.
    #[error(
        "a spawn disc of {radius_m} m does not fit a world of {width_m} x {height_m} m: its radius must be positive and at most half of the shorter side"
    )]
    Disc {
        /// Its radius, metres.
        radius_m: f32,
        /// The world's size, metres.
        width_m: f32,
        /// The world's size, metres.
        height_m: f32,
    },
}

impl GameConfig {
    pub(crate) fn check(&self) -> Result<(), GameError> {
        let WorldConfig { width_m, height_m, entities_max, .. } = self.world;
        if self.creatures > entities_max {
            return Err(GameError::Creatures { creatures: self.creatures, entities_max });
        }
        match self.spawn {
            Spawn::Disc { radius_m } if !(radius_m > 0.0 && 2.0 * radius_m <= width_m.min(height_m)) => {
                Err(GameError::Disc { radius_m, width_m, height_m })
            }
            _ => Ok(()),
        }
    }

    /// Most players at once: what creatures leave.
    pub(crate) fn players_max(&self) -> u32 {
        self.world.entities_max - self.creatures
    }

    /// The world's config with room for what lies around and flies on top of avatars and creatures, so that no drop
    /// ever keeps a player out.
    pub(crate) fn world_with_room(&self) -> WorldConfig {
        let entities_max = self.world.entities_max;
        let room = 1_024 + entities_max / 4;
        WorldConfig {
            entities_max: (entities_max + room).min(throng_engine::limits::ENTITIES_MAX),
            ..self.world.clone()
        }
    }

    /// A random place to appear.
    pub(crate) fn place(&self, random: &mut Random) -> Vec2 {
        let size = Vec2::new(self.world.width_m, self.world.height_m);
        match self.spawn {
            Spawn::Everywhere => Vec2::new(random.unit(), random.unit()) * size,
            Spawn::Disc { radius_m } => {
                let (x, y) = throng_engine::angle::direction(random.next_u32() as u16);
                size * 0.5 + Vec2::new(x, y) * (radius_m * random.unit().sqrt())
            }
        }
    }
}
