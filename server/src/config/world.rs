//! `[world]` and `[rules]`: the land, who lives there, and by which rules.

use serde::{Deserialize, Serialize};

/// Value of `world.land`: level and empty.
pub const LAND_FLAT: &str = "flat";

/// `[world]`: land and population.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldSettings {
    /// Path of a world file; empty: made from the realm's seed; [`LAND_FLAT`].
    pub land: String,
    /// Copies of each zone beside the main one.
    pub instances: u32,
    /// Metres along x of the main zone, where no world file says so.
    pub width_m: f32,
    /// Metres along y.
    pub height_m: f32,
    /// Metres around an avatar that are in its view.
    pub view_radius_m: f32,
    /// Creatures beside those that live in the land's areas.
    pub creatures: u32,
    /// Where avatars appear.
    pub spawn: SpawnChoice,
    /// Radius of the spawn disc in metres.
    pub spawn_radius_m: f32,
    /// Ticks within which everything in view is refreshed.
    pub refresh_ticks: u16,
}

/// Where avatars appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpawnChoice {
    /// Where the land says.
    Land,
    /// Anywhere in the main zone with equal chance.
    Everywhere,
    /// Within `spawn_radius_m` of the main zone's middle.
    Disc,
}

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            land: String::new(),
            instances: 4,
            width_m: 2000.0,
            height_m: 2000.0,
            view_radius_m: 50.0,
            creatures: 0,
            spawn: SpawnChoice::Land,
            spawn_radius_m: 100.0,
            refresh_ticks: 64,
        }
    }
}

/// `[rules]`: what an operator may change of the rules. Seconds are the world's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulesSettings {
    /// Whether players can hurt one another.
    pub pvp: bool,
    /// Seconds after the last hit given or taken for which one is fighting.
    pub fight_s: f32,
    /// Seconds that a body stays after its player has left, when nobody fights it.
    pub linger_s: f32,
    /// Seconds that the dead lie.
    pub respawn_s: f32,
    /// Seconds that a thing lies on the ground.
    pub drop_s: f32,
    /// Seconds from one shout of a player to its next.
    pub shout_s: f32,
    /// Seconds from one shout to the next of all players together.
    pub shouts_s: f32,
    /// Things on the ground at once.
    pub drops_max: u32,
    /// Players in one instance of a zone.
    pub instance_players_max: u32,
    /// Characters that are known at once.
    pub characters_max: u32,
}

impl Default for RulesSettings {
    fn default() -> Self {
        Self {
            pvp: true,
            fight_s: 10.0,
            linger_s: 1.0,
            respawn_s: 5.0,
            drop_s: 60.0,
            shout_s: 10.0,
            shouts_s: 0.5,
            drops_max: 16_384,
            instance_players_max: 40,
            characters_max: 1 << 17,
        }
    }
}
