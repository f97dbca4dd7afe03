//! Fighting: who hits whom, and what becomes of it.
//!
//! ```text
//!   buttons, places ─► resolve: by region, reads only ─► effects: strikes, shots, falls ─► settle the score: in order
//!                      (aim, flight)                     one list per region               (outcome)
//!                                                                        │
//!                               health, fight_until, ready_tick, deaths ◄┘─► vitals: state bits, mending, by region
//! ```
//!
//! Everybody attacks from the world as it stands after the walk, all at the same moment: two who strike each other down
//! both die. Blows then fall in the order of the rows, so who brought the last point is the same at any thread count.

mod aim;
#[cfg(test)]
mod determinism;
mod flight;
mod outcome;
mod rules;
#[cfg(test)]
mod tests;
mod vitals;

use glam::{Vec2, Vec3};
use throng_engine::limits::REGION_ROWS;
use throng_engine::schedule::{PerRegion, each_region};
use throng_engine::{Effects, EntityId, Found, World};
use throng_motion::Land;

use crate::Traits;
use crate::creatures::Species;

pub use rules::{BODY_RADIUS_M, CombatRules, CombatRulesError, REWIND_MS_MAX, TARGETS_MAX};

/// Somebody's health is gone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Death {
    /// Whose.
    pub victim: EntityId,
    /// Who brought the last blow; gone itself when it left while its projectile flew.
    pub killer: EntityId,
    /// Where, metres.
    pub x: f32,
    /// See `x`.
    pub y: f32,
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What has come of fighting since the beginning.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CombatCounts { $($(#[$doc])* pub $name: u64),* }

        impl CombatCounts {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.wrapping_add(other.$name);)*
            }
        }
    };
}
counts! {
    /// Attacks made, of any kind.
    attacks,
    /// Blows that took health.
    hits,
    /// Points of health taken.
    points,
    /// Strikes and blasts that found nobody.
    misses,
    /// Projectiles loosed.
    shots,
    /// Entities brought to zero.
    deaths,
    /// Refused for this tick: it rests from its last attack.
    refused_resting,
    /// Refused: it is dead.
    refused_dead,
    /// Refused: whom a creature is after is gone, or out of its reach.
    refused_gone,
    /// Refused: no more projectiles, or no more entities, may be in the world.
    refused_full,
    /// Blows that a wall or hill took, and shots whose way it cut short.
    blocked,
    /// Blows at those whom an earlier blow of the same tick has killed.
    late,
    /// Attackers that claimed to have seen the others longer ago than [`REWIND_MS_MAX`].
    rewinds_cut,
}

/// How far above the feet blows fall and eyes look, metres.
const CHEST_M: f32 = 1.2;

/// Whether nothing stands between two bodies on the ground.
pub(crate) fn is_clear(land: &Land, from: Vec2, to: Vec2) -> bool {
    land.is_clear(chest(land, from), chest(land, to))
}

fn chest(land: &Land, at: Vec2) -> Vec3 {
    at.extend(land.height_at(at.x, at.y) + CHEST_M)
}

/// What the systems that read the whole world want done to it.
#[derive(Clone, Copy, Debug)]
enum Effect {
    /// Who is in `row` has made this attack, and must rest.
    Attacked { row: u32, attack: Attack, rest_ticks: u32, hits: u16 },
    /// Who is in `row` loses so many points, by the entity with these bits.
    Blow { row: u32, source: u32, points: u16 },
    /// The projectile in `row` flies on.
    Fly { row: u32, to: Vec3 },
    /// It does not.
    Fall { row: u32, is_hit: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attack {
    Strike,
    /// Its projectile must fall after so many ticks.
    Shot {
        flight_ticks: u32,
    },
    Blast,
    /// A creature's.
    Bite,
}

/// Effects of a region in a tick, at most but for the densest of crowds.
const EFFECTS_USUAL: usize = REGION_ROWS / 8;

/// Who is within the reach of one attack, likewise.
const AIMS_USUAL: usize = 256;

/// What each region keeps from tick to tick.
#[derive(Debug)]
struct Scratch {
    found: Found,
    /// Distance squared in the high, row in the low half.
    aims: Vec<u64>,
    counts: CombatCounts,
}

/// Fighting, and what it keeps beside the columns.
#[derive(Debug)]
pub struct Combat {
    rules: CombatRules,
    effects: Effects<Effect>,
    scratch: Vec<Scratch>,
    counts: CombatCounts,
    shot_count: u32,
    /// How many more projectiles may be loosed.
    shots_left: u32,
}

impl Combat {
    /// # Errors
    /// Names the first rule that is out of its range.
    pub fn new(rules: CombatRules) -> Result<Self, CombatRulesError> {
        rules.check()?;
        let (effects, scratch, counts) = (Effects::default(), Vec::new(), CombatCounts::default());
        Ok(Self { rules, effects, scratch, counts, shot_count: 0, shots_left: u32::MAX })
    }

    /// At most so many projectiles are loosed from now on, for want of entities.
    pub fn limit_shots(&mut self, most: u32) {
        self.shots_left = most;
    }

    /// One tick of fighting, after everybody has walked. Appends who died, in the order of dying.
    pub fn tick(
        &mut self,
        world: &mut World<Traits>,
        land: &Land,
        species: &[Species],
        deaths: &mut Vec<Death>,
    ) {
        self.resolve(world, land, species);
        self.settle_score(world, deaths);
        vitals::vitals(world, &self.rules);
    }

    /// Everybody who attacks aims, and everything that flies is tried against whoever is in its way.
    fn resolve(&mut self, world: &World<Traits>, land: &Land, species: &[Species]) {
        let rows = world.rows();
        let regions = rows.div_ceil(REGION_ROWS);
        if self.scratch.len() < regions {
            let fresh = || Scratch {
                found: Found::default(),
                aims: Vec::with_capacity(AIMS_USUAL),
                counts: CombatCounts::default(),
            };
            self.scratch.resize_with(regions, fresh);
        }
        let scene = aim::Scene::new(world, land, species, &self.rules);
        let effects = self.effects.per_region(rows);
        // Nothing once it is so; before that, so that a region's busiest tick yet takes nothing from the heap.
        effects.0.iter_mut().for_each(|list| list.reserve(EFFECTS_USUAL));
        let lists = (effects, PerRegion(&mut self.scratch[..]));
        each_region(rows, lists, |rows, (effects, scratch)| {
            scene.resolve(rows, &mut effects.0[0], &mut scratch.0[0]);
        });
    }

    /// What has come of fighting since the beginning.
    pub fn counts(&self) -> CombatCounts {
        let mut counts = self.counts;
        self.scratch.iter().for_each(|scratch| counts.add(&scratch.counts));
        counts
    }

    /// The numbers it goes by.
    pub fn rules(&self) -> &CombatRules {
        &self.rules
    }
}
