//! A world with all rules on, and players who walk, fight, deal and talk by a script that the seed alone decides.

use std::sync::Arc;

use glam::Vec2;
use throng_engine::simd::Level;
use throng_engine::{Random, Slot, live_rows};
use throng_game::creatures::Species;
use throng_game::{
    Command, CommandId, Counter, DROP, Game, GameConfig, Input, Intent, ItemId, Land, LandSource, PlayerId,
    Request, Rules, SHOPKEEPER, Spawn, Taken, Viewer, WorldConfig,
};
use throng_motion::GenerateConfig;

/// One scripted player.
pub struct Actor {
    pub player: PlayerId,
    pub character: u64,
    pub viewer: Viewer,
    pub sequence: u32,
    pub commands: u32,
}

/// The world and its players.
pub struct Stage {
    pub game: Game,
    pub actors: Vec<Actor>,
    shops: Vec<u32>,
    /// What lies on the ground, and where.
    drops: Vec<(u32, Vec2)>,
    characters: u64,
}

impl Stage {
    /// An invented land of `side_m` with `entities` of which `actors` are players.
    pub fn new(side_m: u32, entities: u32, actors: u32, level: Level) -> Self {
        let mut land =
            Land::generate(&GenerateConfig { seed: 5, width_m: side_m, height_m: side_m }).unwrap();
        land.lay_out(2, 60.0).unwrap();
        let settled: u32 = land.spawn_areas().iter().map(|area| u32::from(area.count)).sum();
        let world = WorldConfig {
            width_m: land.size().x,
            height_m: land.size().y,
            view_radius_m: 50.0,
            entities_max: entities,
            tick_hz: 20,
            seed: 11,
            refresh_ticks: 40,
        };
        // Frail ones, so that players who fight at random kill some.
        let species = Species::table().into_iter().map(|kind| Species { health: 15, ..kind }).collect();
        let config = GameConfig {
            world,
            creatures: entities - actors - settled,
            spawn: Spawn::Land,
            land: LandSource::Given(Arc::new(land)),
            rules: Rules { drop_ticks: 200, species, ..Rules::default() },
        };
        let mut stage = Self {
            game: Game::with_level(config, level).unwrap(),
            actors: Vec::new(),
            shops: Vec::new(),
            drops: Vec::with_capacity(Rules::default().drops_max as usize),
            characters: 0,
        };
        let world = stage.game.world();
        let keepers =
            live_rows(0..world.rows(), world.live()).filter(|row| world.game.kind[*row] == SHOPKEEPER);
        stage.shops = keepers.map(|row| world.id_at(Slot(row as u32)).to_bits()).collect();
        (0..actors).for_each(|_| stage.enter());
        stage
    }

    /// How often any character has done what is counted.
    pub fn done(&self, counter: Counter) -> u64 {
        (1..=self.characters)
            .filter_map(|id| self.game.sheet_of(id))
            .map(|sheet| sheet.counter(counter))
            .sum()
    }

    pub fn enter(&mut self) {
        self.characters += 1;
        let character = self.characters;
        match self.game.take(Input::Enter { character, name: &format!("c{character}") }) {
            Taken::Entered(player) => {
                let viewer = Viewer::default();
                self.actors.push(Actor { player, character, viewer, sequence: 0, commands: 0 });
            }
            other => panic!("{other:?}"),
        }
    }

    /// Somebody leaves and somebody else comes.
    #[allow(dead_code)] // Each test file compiles this module for itself.
    pub fn replace(&mut self, random: &mut Random) {
        let actor = self.actors.swap_remove(random.below(self.actors.len() as u32) as usize);
        self.game.take(Input::Leave { player: actor.player });
        // Whoever leaves may be fought, and stay a while.
        let is_full = self.game.take(Input::Enter { character: self.characters + 1, name: "next" });
        if let Taken::Entered(player) = is_full {
            self.characters += 1;
            let character = self.characters;
            self.actors.push(Actor {
                player,
                character,
                viewer: Viewer::default(),
                sequence: 0,
                commands: 0,
            });
        }
    }

    /// One tick: what players send, and the tick itself.
    pub fn step(&mut self) {
        let tick = self.game.current_tick() + 1;
        let Self { game, actors, shops, drops, .. } = self;
        let world = game.world();
        let lying = live_rows(0..world.rows(), world.live()).filter(|row| world.game.kind[*row] == DROP);
        drops.clear();
        drops.extend(lying.map(|row| {
            (world.id_at(Slot(row as u32)).to_bits(), Vec2::new(world.body.x[row], world.body.y[row]))
        }));
        for index in 0..actors.len() {
            let mut random = Random::of_tick(5, tick, 0).fork(actors[index].character as u32);
            // Some ticks bring nothing, some two.
            for _ in 0..[1, 1, 1, 1, 1, 1, 0, 2][random.below(8) as usize] {
                let actor = &mut actors[index];
                actor.sequence += 1;
                // The same way for a while, mostly: who only trembles goes nowhere.
                let way = Random::of_tick(5, tick / 40, 1).fork(actor.character as u32).next_u32() as u16;
                let (x, y) = throng_engine::angle::direction(way);
                let buttons = if random.below(4) == 0 { random.below(8) as u16 } else { 0 };
                let intent = Intent { direction: Vec2::new(x, y), yaw: random.next_u32() as u16, buttons };
                let shown_tick = tick.saturating_sub(random.below(8));
                let (player, sequence) = (actor.player, actor.sequence);
                game.take(Input::Intent { player, sequence, shown_tick, intent });
            }
            if random.below(10) == 0 {
                let here = place(game, actors[index].player);
                let others = actors.iter().filter(|other| other.player != actors[index].player);
                let others = others.map(|other| (other.player, place(game, other.player)));
                let other = nearest(here, others).and_then(|player| game.avatar(player));
                let seen = Seen {
                    shop: shops[random.below(shops.len() as u32) as usize],
                    other: other.map_or(0, |id| id.to_bits()),
                    drop: nearest(here, drops.iter().copied()).unwrap_or(0),
                    revision: game
                        .account_of(actors[index].character)
                        .and_then(|account| game.economy().trade_of(account))
                        .map(|(_, revision, ..)| revision),
                };
                let actor = &mut actors[index];
                actor.commands += 1;
                let id = CommandId(u128::from(actor.character) << 32 | u128::from(actor.commands));
                let command = command(&mut random, &seen, tick);
                game.take(Input::Command { player: actor.player, id, command });
            }
        }
        game.tick();
    }

    /// Encodes a snapshot for each of the first `count` players; returns what came out.
    pub fn encode(&mut self, count: usize, mut encoded: impl FnMut(&[u8])) {
        let tick = self.game.current_tick();
        let mut out = [0; 1_160];
        for actor in self.actors.iter_mut().take(count) {
            let Some(own) = self.game.avatar(actor.player) else { continue };
            let request = Request {
                own,
                acked_tick: (tick - 1).saturating_sub(tick % 3),
                input: self.game.applied_sequence(actor.player),
                budget_bytes: 1_160,
                speed: 1_000,
                refresh_ticks: 0,
                queued: self.game.queued(actor.player),
            };
            let bytes = self.game.encode(&mut actor.viewer, &request, &mut out).unwrap().bytes;
            encoded(&out[..bytes]);
        }
    }
}

/// What somebody sees to ask about.
struct Seen {
    shop: u32,
    /// The player who stands nearest.
    other: u32,
    /// What lies nearest.
    drop: u32,
    /// Of the trade, while there is one.
    revision: Option<u32>,
}

fn place(game: &Game, player: PlayerId) -> Vec2 {
    let world = game.world();
    let slot = game.avatar(player).and_then(|avatar| world.slot(avatar));
    slot.map_or(Vec2::MAX, |slot| Vec2::new(world.body.x[slot.row()], world.body.y[slot.row()]))
}

fn nearest<T>(here: Vec2, all: impl Iterator<Item = (T, Vec2)>) -> Option<T> {
    let distance = |(_, place): &(T, Vec2)| place.distance_squared(here);
    all.min_by(|one, other| distance(one).total_cmp(&distance(other))).map(|(found, _)| found)
}

fn command(random: &mut Random, seen: &Seen, tick: u32) -> Command<'static> {
    let &Seen { shop, other, drop, revision } = seen;
    let item = ItemId(1 + random.below(6));
    let quantity = 1 + random.below(2);
    // Who trades mostly comes to an end with it, before the two have gone apart.
    if let Some(revision) = revision
        && random.below(2) == 0
    {
        return Command::TradeConfirm { revision };
    }
    match random.below(15) {
        0 => Command::Buy { shop, item, quantity, money: 1_000 },
        1 => Command::Sell { shop, item, quantity, money: 0 },
        2 => Command::Drop { item, quantity },
        3 => Command::Use { item },
        4 | 5 => Command::TradeOpen { with: other },
        6 => Command::TradeOffer { item: ItemId(0), quantity: 0, money: 5 },
        7 => Command::TradeConfirm { revision: random.below(4) },
        8 if random.below(4) == 0 => Command::TradeCancel,
        8 => Command::Say { text: "well met" },
        9 if tick.is_multiple_of(7) => Command::Shout { text: "hear, hear" },
        10 => Command::Whisper { name: "c3", text: "psst" },
        11 => Command::Mute { name: ["c3", "c5"][random.below(2) as usize], is_muted: random.below(2) == 0 },
        12 if random.below(8) == 0 => Command::EnterZone { zone: 1, instance: 0 },
        12 => Command::LeaveZone,
        _ => Command::PickUp { drop },
    }
}
