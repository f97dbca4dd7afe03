//! A small world in which tests let a few fight.

use glam::{Vec2, Vec3};
use throng_engine::simd::Level;
use throng_engine::{EntityId, Random, World, WorldConfig};
use throng_motion::{DiscPlan, Land, WallPlan, ZonePlan};

use crate::combat::{Combat, CombatRules, Death};
use crate::creatures::{Creatures, Species};
use crate::{SPEED_MAX_M_S, Traits};

pub(crate) struct Arena {
    pub world: World<Traits>,
    pub land: Land,
    pub combat: Combat,
    pub creatures: Creatures,
    /// Of the last tick.
    pub deaths: Vec<Death>,
    pub think_divisor: u32,
}

impl Arena {
    pub fn new(rules: CombatRules, land: Land) -> Self {
        let config = WorldConfig {
            width_m: 200.0,
            height_m: 200.0,
            view_radius_m: 40.0,
            entities_max: 1_000,
            tick_hz: 20,
            seed: 3,
            refresh_ticks: 40,
        };
        Self::with(config, rules, land, Level::best())
    }

    pub fn with(config: WorldConfig, rules: CombatRules, land: Land, level: Level) -> Self {
        Self {
            world: World::with_level(config, level).unwrap(),
            land,
            combat: Combat::new(rules).unwrap(),
            creatures: Creatures::new(Species::table()),
            deaths: Vec::new(),
            think_divisor: 1,
        }
    }

    /// Somebody of level 1 with 100 points of health.
    pub fn add(&mut self, kind: u8, x: f32, y: f32) -> EntityId {
        let (id, slot) = self.world.spawn(Vec3::new(x, y, 0.0), 0).unwrap();
        let (game, row) = (&mut self.world.game, slot.row());
        (game.kind[row], game.level[row]) = (kind, 1);
        (game.health[row], game.health_max[row]) = (100, 100);
        (game.home_x[row], game.home_y[row], game.owner[row]) = (x, y, u32::MAX);
        id
    }

    pub fn row(&self, id: EntityId) -> usize {
        self.world.slot(id).expect("it is still there").row()
    }

    pub fn press(&mut self, id: EntityId, buttons: u16) {
        let row = self.row(id);
        self.world.game.buttons[row] = buttons;
        // As a client without any delay would say.
        self.world.game.shown_tick[row] = self.world.tick();
    }

    pub fn health(&self, id: EntityId) -> u16 {
        self.world.game.health[self.row(id)]
    }

    pub fn place(&self, id: EntityId) -> Vec2 {
        let row = self.row(id);
        Vec2::new(self.world.body.x[row], self.world.body.y[row])
    }

    pub fn put(&mut self, id: EntityId, x: f32, y: f32) {
        let row = self.row(id);
        (self.world.body.x[row], self.world.body.y[row]) = (x, y);
    }

    /// One tick; everybody goes as they wish, through whatever is in the way.
    pub fn tick(&mut self) {
        let tick = self.world.begin_tick();
        let random = Random::of_tick(self.world.config().seed, tick, 1);
        self.creatures.tick(&mut self.world, &self.land, random, self.think_divisor);
        let step_m = SPEED_MAX_M_S / f32::from(self.world.config().tick_hz);
        let (body, game) = (&mut self.world.body, &self.world.game);
        for row in 0..body.x.len() {
            body.x[row] += game.wish_x[row] * step_m;
            body.y[row] += game.wish_y[row] * step_m;
        }
        self.deaths.clear();
        self.combat.tick(&mut self.world, &self.land, self.creatures.species(), &mut self.deaths);
        self.creatures.bury(&mut self.world, &self.deaths);
        self.world.settle();
        self.world.publish(|_, _, _| ());
    }

    pub fn ticks(&mut self, count: u32) {
        (0..count).for_each(|_| self.tick());
    }
}

/// 200 x 200 m with nothing on it.
pub(crate) fn meadow() -> Land {
    Land::flat(200.0, 200.0)
}

/// A meadow with a high wall between two places.
pub(crate) fn walled(from: Vec2, to: Vec2) -> Land {
    let units = |metres: f32| (metres * 32.0) as u32;
    let side = units(200.0);
    let spawn = DiscPlan { x: side / 2, y: side / 2, radius: side / 4 };
    let wall = WallPlan {
        x0: units(from.x),
        y0: units(from.y),
        x1: units(to.x),
        y1: units(to.y),
        thickness: 8,
        rise: 320,
    };
    let plan = ZonePlan { width: side, height: side, spacing_m: 8, walls: vec![wall], ..ZonePlan::default() };
    let heights = vec![0; (plan.columns() * plan.rows()) as usize];
    Land::build(vec![ZonePlan { heights, player_spawns: vec![spawn], ..plan }]).unwrap()
}
