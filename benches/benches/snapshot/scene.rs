//! A game in which everybody walks, and clients who acknowledge what they get one to five ticks late.

use glam::Vec2;
use throng_benches::field;
use throng_engine::simd::Level;
use throng_engine::{EntityId, Random, World};
use throng_game::{Game, GameConfig, Input, Intent, PlayerId, Spawn, Taken, Traits};
use throng_schema::wire;

/// A client: its avatar and the newest tick that it has acknowledged.
pub struct Client {
    pub own: EntityId,
    player: PlayerId,
    intent: Intent,
    pub acked_tick: u32,
    age_ticks: u32,
}

/// The game and its clients, who are in the order of their cells.
pub struct Scene {
    pub game: Game,
    pub clients: Vec<Client>,
}

/// Of a thousand baselines, how many are 1, 2, 3, 4 and 5 ticks old at round trips of 30 to 150 ms.
const AGES: [u32; 5] = [12, 283, 407, 279, 19];

fn age_ticks(random: &mut Random) -> u32 {
    let mut drawn = random.below(AGES.iter().sum());
    for (age, share) in (1..).zip(AGES) {
        match drawn.checked_sub(share) {
            Some(rest) => drawn = rest,
            None => return age,
        }
    }
    unreachable!("the draw is below the sum")
}

impl Scene {
    pub fn new(entities: u32, clients: u32, level: Level) -> Self {
        let world = field::config(entities, field::AREA_EACH_M2);
        let creatures = entities - clients;
        let mut config = GameConfig { creatures, spawn: Spawn::Everywhere, ..GameConfig::new(world) };
        // Nobody is bitten: of what happens the rivals tell their clients nothing.
        config.rules.species.iter_mut().for_each(|species| species.notice_m = 0.0);
        let mut game = Game::with_level(config, level).expect("the config is sound");
        let mut random = field::random(4);
        let mut clients: Vec<Client> = (0..clients)
            .map(|number| {
                let enter = Input::Enter { character: u64::from(number) + 1, name: "bench" };
                let Taken::Entered(player) = game.take(enter) else { panic!("the world has room for all") };
                let own = game.avatar(player).expect("who has entered has a body");
                let age_ticks = age_ticks(&mut random);
                Client { own, player, intent: turn(&mut random), acked_tick: 0, age_ticks }
            })
            .collect();
        field::sort_by_cell(&mut clients, |client| field::place_of(game.world(), client.own));
        Self { game, clients }
    }

    /// A client turns about every two seconds.
    pub fn steer(&mut self) {
        let mut random = field::random(self.game.current_tick()).fork(5);
        for client in &mut self.clients {
            if random.below(40) == 0 {
                client.intent = turn(&mut random);
            }
            let (player, intent) = (client.player, client.intent);
            let (sequence, shown_tick) = (self.game.current_tick() + 1, client.acked_tick);
            self.game.take(Input::Intent { player, sequence, shown_tick, intent });
        }
    }

    /// The next tick, and the acknowledgements that have arrived by then: one in fifty is lost, and the next one makes
    /// up for it.
    pub fn advance(&mut self) {
        self.game.tick();
        let tick = self.game.current_tick();
        let mut random = field::random(tick).fork(6);
        for client in &mut self.clients {
            if random.below(50) != 0 {
                client.acked_tick = tick.saturating_sub(client.age_ticks);
            }
        }
    }

    pub fn tick(&mut self) {
        self.steer();
        self.advance();
    }
}

fn turn(random: &mut Random) -> Intent {
    let yaw = random.next_u32() as u16;
    let (x, y) = throng_engine::angle::direction(yaw);
    Intent { direction: Vec2::new(x, y), yaw, buttons: 0 }
}

/// The avatar's exact state, for a message.
pub fn own(world: &World<Traits>, id: EntityId) -> wire::Own {
    let row = world.slot(id).expect("it lives").row();
    let body = &world.body;
    wire::Own::new(body.x[row], body.y[row], body.z[row], body.vx[row], body.vy[row], body.yaw[row], 0)
}

/// What a message without a baseline says about the world.
pub fn about(world: &World<Traits>, id: EntityId) -> wire::World {
    let config = world.config();
    let units = throng_schema::limits::UNITS_PER_METRE as u16;
    let (width, height, radius) = (config.width_m, config.height_m, config.view_radius_m);
    wire::World::new(id.to_bits(), width, height, radius, config.refresh_ticks, units, config.tick_hz, 0)
}

/// What the game replicates of an entity.
pub fn attributes(world: &World<Traits>, row: usize) -> [u16; 4] {
    let Traits { health, health_max, kind, state, level, .. } = &world.game;
    let share = (f32::from(health[row]) / f32::from(health_max[row].max(1))).min(1.0) * 65_535.0;
    // As the game rounds it.
    let share = ((share + 8_388_608.0).to_bits() & 0xffff).max(u32::from(health[row] != 0));
    let looks = u16::from(kind[row] & 15) | u16::from(state[row] & 15) << 4 | u16::from(level[row]) << 8;
    [share as u16, looks, 0, 0]
}
