//! The whole simulation of a world at war: all systems, settle and publish, without network.
//!
//! Half of the entities are creatures, half are players who walk about and attack as often as they may: seven in ten
//! strike, two shoot, one blasts. The land is an invented one, with hills, woods and walls. Both by wall clock, which is
//! what a tick must fit into, and on one thread and two.

use std::cell::RefCell;
use std::sync::Arc;

use criterion::Criterion;
use glam::Vec2;
use rayon::{ThreadPool, ThreadPoolBuilder};
use throng_benches::{Clock, Race, Watch, criterion, field, is_smoke};
use throng_engine::Random;
use throng_game::{
    AVATAR, Game, GameConfig, Input, Intent, LandSource, PlayerId, Rules, Spawn, Stage, Taken, WorldConfig,
    buttons,
};
use throng_motion::{GenerateConfig, Land};

/// Until everybody has found somebody to fight, and chains of blocks their length.
const WARM_TICKS: u32 = 60;
/// Ticks of one world before the other has its turn: each drives the other's columns out of the caches, which no world of
/// a server has to bear.
const LAP_TICKS: u32 = 10;
/// A player turns once in so many ticks, on average.
const TURN_TICKS: u32 = 40;
/// What its client is behind the world, ticks.
const SHOWN_TICKS_AGO: u32 = 4;

/// A war, and what its ticks have cost.
struct War {
    game: Game,
    players: Vec<(PlayerId, Intent)>,
    pool: ThreadPool,
    sequence: u32,
    tick_ns: Vec<u64>,
    stage_ns: [u64; Stage::ALL.len()],
}

impl War {
    fn new(entities: u32, threads: usize) -> Self {
        let world = WorldConfig { seed: 3, ..field::config(entities, field::AREA_EACH_M2) };
        let (width_m, height_m) = (world.width_m.floor() as u32, world.height_m.floor() as u32);
        let land = GenerateConfig { seed: 1, width_m, height_m };
        let land = Land::generate(&land).expect("sides from 64 m to 65 km are possible");
        let settled: u32 = land.spawn_areas().iter().map(|area| u32::from(area.count)).sum();
        let config = GameConfig {
            world: WorldConfig { width_m: width_m as f32, height_m: height_m as f32, ..world },
            creatures: (entities / 2).checked_sub(settled).expect("the land is not overcrowded"),
            spawn: Spawn::Everywhere,
            land: LandSource::Given(Arc::new(land)),
            rules: Rules { characters_max: entities, ..Rules::default() },
        };
        let mut game = Game::new(config).expect("the config is sound");
        let players = (0..entities / 2).map(|number| {
            let name = format!("Fighter{number}");
            match game.take(Input::Enter { character: number.into(), name: &name }) {
                Taken::Entered(player) => (player, Intent::default()),
                other => panic!("the world has room for player {number}, but: {other:?}"),
            }
        });
        let players = players.collect();
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be had");
        let mut war =
            Self { game, players, pool, sequence: 0, tick_ns: Vec::new(), stage_ns: Default::default() };
        (0..WARM_TICKS).for_each(|_| war.tick());
        (war.tick_ns, war.stage_ns) = Default::default();
        war
    }

    /// What reaches the world between two ticks: not on the watch.
    fn steer(&mut self) {
        self.sequence += 1;
        let shown_tick = self.game.current_tick().saturating_sub(SHOWN_TICKS_AGO);
        let random = Random::of_tick(5, self.sequence, 0);
        for (number, (player, intent)) in self.players.iter_mut().enumerate() {
            let mut random = random.fork(number as u32);
            if random.below(TURN_TICKS) == 0 {
                intent.yaw = random.next_u32() as u16;
                let (x, y) = throng_engine::angle::direction(intent.yaw);
                intent.direction = Vec2::new(x, y);
            }
            intent.buttons = match number % 10 {
                0..7 => buttons::STRIKE,
                7..9 => buttons::SHOOT,
                _ => buttons::BLAST,
            };
            let (player, sequence, intent) = (*player, self.sequence, *intent);
            let taken = self.game.take(Input::Intent { player, sequence, shown_tick, intent });
            assert_eq!(taken, Taken::Queued);
        }
    }

    fn tick(&mut self) {
        self.steer();
        let Self { game, pool, stage_ns, .. } = self;
        let begun_ns = Clock::Wall.now_ns();
        let mut last_ns = begun_ns;
        pool.install(|| {
            game.tick_watched(|stage| {
                let now_ns = Clock::Wall.now_ns();
                stage_ns[stage as usize] += now_ns - last_ns;
                last_ns = now_ns;
            });
        });
        self.tick_ns.push(last_ns - begun_ns);
    }

    fn lap(&mut self, watch: &mut Watch) {
        (0..LAP_TICKS).for_each(|_| self.tick());
        let last = self.tick_ns.len() - LAP_TICKS as usize;
        watch.add_ns(self.tick_ns[last..].iter().sum());
    }

    /// Milliseconds a tick: the median, and the mean of each stage.
    fn print(&self, name: &str, goal_ms: Option<f64>) {
        let mut ticks = self.tick_ns.clone();
        ticks.sort_unstable();
        let median_ms = ticks[ticks.len() / 2] as f64 * 1e-6;
        let mean_ms = |ns: u64| ns as f64 * 1e-6 / ticks.len() as f64;
        let verdict = match goal_ms {
            Some(goal_ms) if median_ms <= goal_ms => format!("(goal <= {goal_ms:.1}) PASS"),
            Some(goal_ms) => format!("(goal <= {goal_ms:.1}) MISS"),
            None => "(no goal)".to_owned(),
        };
        let split: Vec<_> = Stage::ALL
            .iter()
            .map(|stage| format!("{stage:?} {:.3}", mean_ms(self.stage_ns[*stage as usize])))
            .collect();
        let world = self.game.world();
        let avatars = throng_engine::live_rows(0..world.rows(), world.live())
            .filter(|row| world.game.kind[*row] == AVATAR)
            .count();
        let counts = self.game.combat().counts();
        println!("tick  simulate {name}: {median_ms:.3} ms {verdict}");
        println!("split simulate {name}: {} ms", split.join(" + "));
        println!(
            "world simulate {name}: {} entities, {avatars} of them avatars; since the beginning {} attacks, {} hits, {} shots, {} deaths",
            world.entity_count(),
            counts.attacks,
            counts.hits,
            counts.shots,
            counts.deaths
        );
    }
}

/// One size of world, on two threads and on one.
fn bench(criterion: &mut Criterion, entities: u32, goal_ms: f64) {
    let entities = field::unless_smoke(entities);
    let name = format!("simulate {entities}");
    let wars = [2, 1].map(|threads| RefCell::new(War::new(entities, threads)));
    let mut race = Race::new(&name, u64::from(entities) * u64::from(LAP_TICKS)).clock(Clock::Wall);
    for (war, contender) in wars.iter().zip(["2 threads", "1 thread"]) {
        race.lap(contender, |watch| war.borrow_mut().lap(watch));
    }
    race.compare("2 threads", "1 thread");
    race.run(criterion);
    if !is_smoke() {
        wars[0].borrow().print(&format!("{entities}, 2 threads"), Some(goal_ms));
        wars[1].borrow().print(&format!("{entities}, 1 thread"), None);
    }
}

fn main() {
    let mut criterion = criterion();
    bench(&mut criterion, field::ENTITIES, 8.0);
    bench(&mut criterion, 10 * field::ENTITIES, 100.0);
    criterion.final_summary();
}
