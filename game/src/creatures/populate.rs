//! Who lives where from the start.

use glam::Vec2;
use throng_engine::{EntityId, Random, World, WorldFull};
use throng_motion::Land;

use super::Creatures;
use crate::{CREATURE, Traits};

/// No spawn area.
const NOWHERE: u32 = u32::MAX;
/// Highest level of creatures that live in no spawn area.
const WILD_LEVEL_MAX: u32 = 5;

impl Creatures {
    /// Fills the land's spawn areas with as many creatures as they ask for, each at a place where it can stand.
    ///
    /// # Errors
    /// When the world is full.
    pub fn populate(&self, world: &mut World<Traits>, land: &Land, random: Random) -> Result<u32, WorldFull> {
        let mut count = 0;
        for (number, area) in land.spawn_areas().iter().enumerate() {
            let random = random.fork(number as u32);
            for one in 0..u32::from(area.count) {
                let mut random = random.fork(one);
                let place = area.area.at(random.unit(), random.unit());
                let levels = u32::from(area.level_max.saturating_sub(area.level_min)) + 1;
                let level = u32::from(area.level_min) + random.below(levels);
                self.settle(world, land, place, u32::from(area.species), level, number as u32, &mut random)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Puts a creature of any kind at `place`.
    ///
    /// # Errors
    /// When the world is full.
    pub fn roam_free(
        &self,
        world: &mut World<Traits>,
        land: &Land,
        place: Vec2,
        random: &mut Random,
    ) -> Result<EntityId, WorldFull> {
        let species = random.below(self.species.len() as u32);
        let level = 1 + random.below(WILD_LEVEL_MAX);
        self.settle(world, land, place, species, level, NOWHERE, random)
    }

    #[allow(clippy::too_many_arguments)] // The columns of a new creature.
    fn settle(
        &self,
        world: &mut World<Traits>,
        land: &Land,
        place: Vec2,
        species: u32,
        level: u32,
        owner: u32,
        random: &mut Random,
    ) -> Result<EntityId, WorldFull> {
        let place = land.nearest_free(place.x, place.y);
        // A world file may know more kinds than these rules do.
        let species = (species as usize).min(self.species.len().saturating_sub(1));
        let level = level.clamp(1, u8::MAX.into()) as u8;
        let yaw = random.next_u32() as u16;
        let (id, slot) = world.spawn(place, yaw)?;
        let (body, game, row) = (&world.body, &mut world.game, slot.row());
        game.kind[row] = CREATURE;
        (game.species[row], game.level[row], game.owner[row]) = (species as u8, level, owner);
        game.health_max[row] = self.species.get(species).map_or(1, |species| species.health_at(level));
        game.health[row] = game.health_max[row];
        (game.home_x[row], game.home_y[row]) = (body.x[row], body.y[row]);
        game.steps[row] = 1;
        Ok(id)
    }
}
