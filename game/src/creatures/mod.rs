//! Creatures: they roam, notice players, chase, bite, flee, go home, and stand again after death.
//!
//! ```text
//!   each block of 16 rows, which is a piece of one cell:
//!     every 8th tick    think: who is near (one query for the block) ─► mood, target, wish     next thought in 8 or 32
//!     every 2nd tick    follow: those who chase steer to where their target is now, and bite when it is in reach
//!     between           their wish carries them
//!
//!   mood   CALM ──notices, is hit──► CHASE ──hurt──► FLEE
//!            ▲                         │ too far, lost │
//!            └──────── at home ──── RETURN ◄──────────┘
//! ```
//!
//! Neighbours think in the same tick, so that they share one question and its cache lines; blocks take turns, so that
//! each tick has as much thinking as the next. Who is decided about reads the world as it was at the end of the last tick,
//! and writes only its own row.

mod populate;
mod species;
#[cfg(test)]
mod tests;
mod think;

use std::mem::take;

use throng_engine::angle::Yaw;
use throng_engine::limits::REGION_ROWS;
use throng_engine::schedule::{PerRegion, each_region};
use throng_engine::{Column, Effects, EntityId, Event, Random, Slot, World};
use throng_motion::Land;

use crate::combat::Death;
use crate::{CREATURE, Traits, events};

pub use species::Species;

/// A creature with players near thinks this often, ticks: reactions within 0.4 s.
pub const THINK_TICKS: u32 = 8;
/// And this often with nobody near; a player comes 8 m nearer meanwhile, which is what is added to how far they look.
pub const CALM_TICKS: u32 = 4 * THINK_TICKS;
/// A creature that chases looks for its target this often, ticks.
pub const FOLLOW_TICKS: u32 = 2;

/// Values of [`Traits::mood`].
pub mod mood {
    /// Roams around its home.
    pub const CALM: u8 = 0;
    /// After its target.
    pub const CHASE: u8 = 1;
    /// Away from its target.
    pub const FLEE: u8 = 2;
    /// On its way home, blind to players.
    pub const RETURN: u8 = 3;
}

/// Effects of a region in a tick, at most but for the densest of crowds.
const EFFECTS_USUAL: usize = REGION_ROWS / THINK_TICKS as usize / 2;

/// What a thought wants done beyond its own row's mind.
#[derive(Clone, Copy, Debug)]
enum Effect {
    /// The creature in this row is home: it is healed.
    Heal { row: u32 },
    /// Its time has come to stand again.
    Stand { row: u32 },
}

/// The columns that thoughts write. Taken out of the world while the rest of it is read by all regions at once.
#[derive(Default)]
struct Minds {
    mood: Column<u8>,
    target: Column<u32>,
    wish_x: Column<f32>,
    wish_y: Column<f32>,
    buttons: Column<u16>,
    think_tick: Column<u32>,
    yaw: Column<Yaw>,
}

impl Minds {
    /// Swaps these columns with the world's: out before thinking, back after it.
    fn swap(&mut self, world: &mut World<Traits>) {
        let game = &mut world.game;
        std::mem::swap(&mut self.mood, &mut game.mood);
        std::mem::swap(&mut self.target, &mut game.target);
        std::mem::swap(&mut self.wish_x, &mut game.wish_x);
        std::mem::swap(&mut self.wish_y, &mut game.wish_y);
        std::mem::swap(&mut self.buttons, &mut game.buttons);
        std::mem::swap(&mut self.think_tick, &mut game.think_tick);
        std::mem::swap(&mut self.yaw, &mut world.body.yaw);
    }
}

/// The creatures' minds, and what is kept for them beside the columns.
#[derive(Debug)]
pub struct Creatures {
    species: Vec<Species>,
    effects: Effects<Effect>,
    scratch: Vec<think::Scratch>,
}

impl Creatures {
    /// For these kinds of creatures; at most 256.
    pub fn new(mut species: Vec<Species>) -> Self {
        species.truncate(256);
        Self { species, effects: Effects::default(), scratch: Vec::new() }
    }

    /// The kinds, by number.
    pub fn species(&self) -> &[Species] {
        &self.species
    }

    /// One tick of all creatures, before anybody walks. `random` is this tick's stream; one in `think_divisor` of the
    /// thoughts takes place.
    pub fn tick(&mut self, world: &mut World<Traits>, land: &Land, random: Random, think_divisor: u32) {
        let rows = world.rows();
        let regions = rows.div_ceil(REGION_ROWS);
        if self.scratch.len() < regions {
            self.scratch.resize_with(regions, think::Scratch::usual);
        }
        let mut minds = Minds::default();
        minds.swap(world);
        let scene = think::Scene {
            world,
            land,
            species: &self.species,
            tick: world.tick(),
            think_divisor: think_divisor.clamp(1, 1_000),
            random,
            notice_m: self.species.iter().fold(0.0, |most, species| species.notice_m.max(most)),
        };
        let Minds { mood, target, wish_x, wish_y, buttons, think_tick, yaw } = &mut minds;
        let effects = self.effects.per_region(rows);
        effects.0.iter_mut().for_each(|list| list.reserve(EFFECTS_USUAL));
        let columns = (
            (&mut mood[..], &mut target[..], &mut think_tick[..]),
            (&mut wish_x[..], &mut wish_y[..], &mut yaw[..], &mut buttons[..]),
            effects,
            PerRegion(&mut self.scratch[..]),
        );
        each_region(rows, columns, |rows, (inner, outer, effects, scratch)| {
            let ((mood, target, think_tick), (wish_x, wish_y, yaw, buttons)) = (inner, outer);
            let mut minds = think::Rows { mood, target, think_tick, wish_x, wish_y, yaw, buttons };
            scene.region(rows.start, &mut minds, &mut effects.0[0], &mut scratch.0[0]);
        });
        minds.swap(world);
        let mut effects = take(&mut self.effects);
        effects.drain(|effect| match effect {
            Effect::Heal { row } => world.game.health[row as usize] = world.game.health_max[row as usize],
            Effect::Stand { row } => stand(world, land, row as usize),
        });
        self.effects = effects;
    }

    /// Sets the time at which dead creatures will stand again.
    pub fn bury(&self, world: &mut World<Traits>, deaths: &[Death]) {
        let tick = world.tick();
        for death in deaths {
            let Some(row) = world.slot(death.victim).map(Slot::row) else { continue };
            let game = &mut world.game;
            if game.kind[row] == CREATURE {
                let species = self.species.get(usize::from(game.species[row]));
                (game.mood[row], game.target[row]) = (mood::CALM, 0);
                game.expire_tick[row] =
                    species.map_or(0, |species| tick.saturating_add(species.respawn_ticks.max(1)));
            }
        }
    }
}

/// Puts a dead creature back to its home, with all its health.
fn stand(world: &mut World<Traits>, land: &Land, row: usize) {
    let id = world.id_at(Slot(row as u32));
    let (body, game) = (&mut world.body, &mut world.game);
    let (x, y) = (game.home_x[row], game.home_y[row]);
    (body.x[row], body.y[row], body.z[row]) = (x, y, land.height_at(x, y));
    (body.vx[row], body.vy[row]) = (0.0, 0.0);
    (game.health[row], game.expire_tick[row], game.fight_until[row]) = (game.health_max[row], 0, 0);
    world.tell(Event { kind: events::RESPAWN, value: 0, source: 0, target: id.to_bits(), x_m: x, y_m: y });
}

/// The creature in `row` has been hit by `source`, and if it was after nobody, it is after that now.
pub(crate) fn provoke(game: &mut Traits, row: usize, source: u32) {
    if game.mood[row] == mood::CALM {
        (game.mood[row], game.target[row], game.think_tick[row]) = (mood::CHASE, source, 0);
    }
}

/// Whom a creature is after, if that is still there and lives.
fn prey(world: &World<Traits>, target: u32) -> Option<usize> {
    let row = world.slot(EntityId::from_bits(target))?.row();
    (world.game.health[row] != 0).then_some(row)
}
