//! What a game is made with.

use std::sync::Arc;

use glam::Vec2;
use throng_engine::angle::direction;
use throng_engine::limits::ENTITIES_MAX;
use throng_engine::{Random, WorldConfig, WorldError, WorldFull};
use throng_motion::limits::UNITS_PER_METRE;
use throng_motion::{DiscPlan, Land, LandError, WallPlan, ZoneId, ZonePlan};

use crate::chat::Rate;
use crate::combat::{CombatRules, CombatRulesError};
use crate::creatures::Species;
use crate::{EconomyError, ProgressionError};

/// Where players, and creatures that live in no area of the land, appear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spawn {
    /// Where the land has its players appear; creatures anywhere in the main zone.
    Land,
    /// Anywhere in the main zone, evenly.
    Everywhere,
    /// In a disc around the main zone's middle, evenly. A flat land has a wall around it: nobody leaves it.
    Disc {
        /// Radius of the disc, metres.
        radius_m: f32,
    },
}

/// The land that a world lies on.
#[derive(Clone, Debug)]
pub enum LandSource {
    /// Level and empty, as large as the world.
    Flat,
    /// This one, as it is laid out.
    Given(Arc<Land>),
}

/// What a game is made with.
#[derive(Clone, Debug)]
pub struct GameConfig {
    /// The world. `entities_max` counts avatars and creatures; room for all else comes on top.
    pub world: WorldConfig,
    /// Creatures that live in no area of the land, of any kind.
    pub creatures: u32,
    /// Where entities appear.
    pub spawn: Spawn,
    /// What they walk on.
    pub land: LandSource,
    /// The numbers of the rules.
    pub rules: Rules,
}

/// The numbers of the rules. Ticks are the world's.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How long a body stays after its player has left, if nobody fights it, ticks.
    pub linger_ticks: u32,
    /// How long the dead lie before they stand again, ticks.
    pub respawn_ticks: u32,
    /// How near one must be to a shopkeeper, metres.
    pub shop_radius_m: f32,
    /// How near one must be to what one picks up, metres.
    pub drop_radius_m: f32,
    /// How near one must be to somebody to ask for a trade, metres.
    pub trade_radius_m: f32,
    /// A trade ends when its two are further apart than this, metres.
    pub trade_apart_m: f32,
    /// How long a thing lies on the ground, ticks.
    pub drop_ticks: u32,
    /// Most things on the ground at once.
    pub drops_max: u32,
    /// How long somebody has to answer when asked to trade, ticks.
    pub ask_ticks: u32,
    /// From one shout of a player to its next, ticks; two at once after a pause.
    pub shout_ticks: u32,
    /// From one shout to the next of all players together, ticks; ten after a pause, but never two in one tick.
    pub shouts_ticks: u32,
    /// Most characters that are known at once, 2.1 KiB each: 1.5 KiB for its goods, reserved at the start, the rest when it
    /// first enters. A new one beyond them takes the place of one that has long been away with nothing to lose: with just
    /// what a new one has, no experience, nothing accomplished, nobody muted. If there is none, it is refused.
    pub characters_max: u32,
    /// Most players in one instance of a zone other than the main one.
    pub instance_players_max: u32,
    /// The numbers of fighting.
    pub combat: CombatRules,
    /// The kinds of creatures, by number.
    pub species: Vec<Species>,
}

impl Default for Rules {
    /// For 20 ticks a second.
    fn default() -> Self {
        Self {
            linger_ticks: 20,
            respawn_ticks: 100,
            shop_radius_m: 10.0,
            drop_radius_m: 4.0,
            trade_radius_m: 12.0,
            trade_apart_m: 20.0,
            drop_ticks: 1_200,
            drops_max: 16_384,
            ask_ticks: 600,
            shout_ticks: 200,
            shouts_ticks: 10,
            characters_max: 1 << 17,
            instance_players_max: 40,
            combat: CombatRules::default(),
            species: Species::table(),
        }
    }
}

/// Why a game, or an avatar in it, cannot be.
#[derive(Debug, thiserror::Error)]
pub enum GameError {
    /// The world's config is impossible.
    #[error(transparent)]
    World(#[from] WorldError),
    /// No room for another entity.
    #[error(transparent)]
    Full(#[from] WorldFull),
    /// The land's plan is impossible.
    #[error(transparent)]
    Land(#[from] LandError),
    /// The numbers of fighting are impossible.
    #[error(transparent)]
    Combat(#[from] CombatRulesError),
    /// The numbers of the economy are impossible.
    #[error(transparent)]
    Economy(#[from] EconomyError),
    /// The numbers of progress are impossible.
    #[error(transparent)]
    Progression(#[from] ProgressionError),
    /// More creatures than entities.
    #[error(
        "{creatures} creatures do not fit a world of at most {entities_max} entities: raise entities_max or lower creatures"
    )]
    Creatures {
        /// Wanted.
        creatures: u64,
        /// Possible.
        entities_max: u32,
    },
    /// The disc does not fit.
    #[error(
        "a spawn disc of {radius_m} m does not fit a main zone of {width_m} x {height_m} m: its radius must be positive and at most half of the shorter side"
    )]
    Disc {
        /// Its radius, metres.
        radius_m: f32,
        /// The main zone's size, metres.
        width_m: f32,
        /// The main zone's size, metres.
        height_m: f32,
    },
    /// The land is larger than the world.
    #[error(
        "the land, as it is laid out, takes {width_m} x {height_m} m, more than the world's {world_width_m} x {world_height_m} m: make the world as large as the land"
    )]
    Size {
        /// Of the land, metres.
        width_m: f32,
        /// Of the land, metres.
        height_m: f32,
        /// Of the world, metres.
        world_width_m: f32,
        /// Of the world, metres.
        world_height_m: f32,
    },
    /// No kinds of creatures.
    #[error("there are creatures but no species: give rules.species at least one, or lower creatures to 0")]
    Species,
}

impl GameConfig {
    /// The reference rules on a level land of the world's size, without creatures.
    pub fn new(world: WorldConfig) -> Self {
        Self { world, creatures: 0, spawn: Spawn::Land, land: LandSource::Flat, rules: Rules::default() }
    }

    /// The land of this config, checked.
    ///
    /// # Errors
    /// When config and land do not go together.
    pub(crate) fn land(&self) -> Result<Arc<Land>, GameError> {
        let WorldConfig { width_m, height_m, entities_max, .. } = self.world;
        let land = match (&self.land, self.spawn) {
            (LandSource::Given(land), _) => land.clone(),
            (LandSource::Flat, Spawn::Disc { radius_m }) => {
                self.check_disc(Vec2::new(width_m, height_m))?;
                Arc::new(walled(width_m, height_m, radius_m)?)
            }
            (LandSource::Flat, _) => Arc::new(Land::flat(width_m, height_m)),
        };
        let size = land.size();
        // A flat land has a least side, which a tiny world may fall short of.
        if matches!(self.land, LandSource::Given(_)) && (size.x > width_m || size.y > height_m) {
            return Err(GameError::Size {
                width_m: size.x,
                height_m: size.y,
                world_width_m: width_m,
                world_height_m: height_m,
            });
        }
        self.check_disc(main_size(&land))?;
        let creatures = self.creature_count(&land);
        if creatures > entities_max.into() {
            return Err(GameError::Creatures { creatures, entities_max });
        }
        if creatures > 0 && self.rules.species.is_empty() {
            return Err(GameError::Species);
        }
        Ok(land)
    }

    fn check_disc(&self, Vec2 { x: width_m, y: height_m }: Vec2) -> Result<(), GameError> {
        match self.spawn {
            Spawn::Disc { radius_m } if !(radius_m > 0.0 && 2.0 * radius_m <= width_m.min(height_m)) => {
                Err(GameError::Disc { radius_m, width_m, height_m })
            }
            _ => Ok(()),
        }
    }

    fn creature_count(&self, land: &Land) -> u64 {
        let settled: u64 = land.spawn_areas().iter().map(|area| u64::from(area.count)).sum();
        settled + u64::from(self.creatures)
    }

    /// Most players at once: what creatures leave of `entities_max`.
    pub(crate) fn players_max(&self, land: &Land) -> u32 {
        (u64::from(self.world.entities_max) - self.creature_count(land)) as u32
    }

    /// The world's config with room for what is neither avatar nor creature: shopkeepers, drops and projectiles. It may be
    /// less than as many as the rules allow, so these stop before they take a player's place: see
    /// `Game::places_left`.
    pub(crate) fn world_with_room(&self, land: &Land) -> WorldConfig {
        let combat = &self.rules.combat;
        let room = land.shops().len() as u64 + u64::from(self.rules.drops_max) + u64::from(combat.shots_max);
        let entities_max =
            u64::from(self.world.entities_max) + room.min(self.world.entities_max.max(4_096).into());
        WorldConfig { entities_max: entities_max.min(ENTITIES_MAX.into()) as u32, ..self.world.clone() }
    }

    /// How often a player may put things on the ground.
    pub(crate) fn drop_rate(&self) -> Rate {
        Rate { interval_ticks: u32::from(self.world.tick_hz), burst: 10 }
    }

    /// How often a player may ask others to trade: each is told, and so is that the question was taken back.
    pub(crate) fn ask_rate(&self) -> Rate {
        Rate { interval_ticks: 3 * u32::from(self.world.tick_hz), burst: 5 }
    }

    /// A random place for a player to appear in a zone. Something may stand there.
    pub(crate) fn player_place(&self, land: &Land, zone: ZoneId, random: &mut Random) -> Vec2 {
        if zone == ZoneId(0) && self.spawn != Spawn::Land {
            return self.place(land, random);
        }
        let spawns = land.player_spawns(zone);
        let spawn = spawns.get(random.below(spawns.len() as u32) as usize);
        spawn.map_or(Vec2::ZERO, |spawn| spawn.at(random.unit(), random.unit()))
    }

    /// A random place in the main zone, or in the disc in its middle. Something may stand there.
    pub(crate) fn place(&self, land: &Land, random: &mut Random) -> Vec2 {
        let size = main_size(land);
        match self.spawn {
            Spawn::Land | Spawn::Everywhere => Vec2::new(random.unit(), random.unit()) * size,
            Spawn::Disc { radius_m } => {
                let (x, y) = direction(random.next_u32() as u16);
                size * 0.5 + Vec2::new(x, y) * (radius_m * random.unit().sqrt())
            }
        }
    }
}

fn main_size(land: &Land) -> Vec2 {
    land.zone(ZoneId(0)).map_or(Vec2::ZERO, |zone| zone.size)
}

/// A level land with a wall around a disc in its middle.
fn walled(width_m: f32, height_m: f32, radius_m: f32) -> Result<Land, LandError> {
    const THICKNESS_M: f32 = 1.0;
    let units = |metres: f32| (metres * UNITS_PER_METRE as f32) as u32;
    let mut plan =
        ZonePlan { width: units(width_m), height: units(height_m), spacing_m: 64, ..ZonePlan::default() };
    plan.heights = vec![0; plan.columns() as usize * plan.rows() as usize];
    plan.player_spawns = vec![DiscPlan { x: plan.width / 2, y: plan.height / 2, radius: units(radius_m) }];
    let (middle_x, middle_y) = (width_m * 0.5, height_m * 0.5);
    // Pieces of about 16 m, each a tangent of the disc that a body keeps its own radius away from.
    let pieces = (radius_m * 0.4) as u32 + 16;
    let corner = |piece: u32| {
        let (x, y) = direction((piece * 0x1_0000 / pieces) as u16);
        let half = direction((0x8000 / pieces) as u16).0;
        let reach_m = (radius_m + THICKNESS_M * 0.5 + throng_motion::limits::BODY_RADIUS_M) / half;
        let inside = |place: f32, side: u32| units(place.max(0.0)).min(side);
        (inside(middle_x + x * reach_m, plan.width), inside(middle_y + y * reach_m, plan.height))
    };
    let walls = (0..pieces).map(|piece| {
        let ((x0, y0), (x1, y1)) = (corner(piece), corner(piece + 1));
        WallPlan { x0, y0, x1, y1, thickness: units(THICKNESS_M) as u16, rise: units(3.0) as u16 }
    });
    plan.walls = walls.collect();
    Land::build(vec![plan])
}
