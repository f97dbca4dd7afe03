//! Snapshots for 10,000 clients with fifty in view, from baselines one to five ticks old, against two other encoders of
//! the same messages.
//!
//! The rivals' frames and grids are made off the clock, and they keep to no byte budget: both flatters them. They tell
//! nothing of what happens, so it is a world at peace. That their clients see exactly what ours see is checked before
//! anything is timed.

mod scene;
mod textbook;
mod tuned;

use std::cell::Cell;

use criterion::Criterion;
use rayon::prelude::*;
use scene::{Client, Scene};
use textbook::Textbook;
use throng_benches::{Clock, Race, Watch, criterion, field, stay_on_this_thread};
use throng_client::View;
use throng_client::view::Own;
use throng_engine::simd::Level;
use throng_game::{Game, Request, Viewer};
use throng_schema::limits::PAYLOAD_BYTES_MAX;
use tuned::Tuned;

/// Ticks before the clock runs: baselines, radii and chains of blocks have settled.
const WARM_TICKS: u32 = 40;
/// Clients in a task, as in the server.
const CHUNK_CLIENTS: usize = 96;
/// Clients ahead of which rows are asked for, as in the server.
const CLIENTS_AHEAD: usize = 2;

/// Something that encodes a scene's snapshots.
trait Encoder {
    /// Takes note of the tick that was just published; off the clock.
    fn observe(&mut self, game: &Game);
    /// The snapshot for client number `index` of all.
    fn encode(&mut self, game: &Game, index: usize, clients: &[Client], each: &mut dyn FnMut(&[u8]));
}

/// The engine's encoder, with what it remembers of each client.
struct Throng {
    viewers: Vec<Viewer>,
    out: [u8; PAYLOAD_BYTES_MAX],
}

impl Throng {
    fn new(clients: u32) -> Self {
        Self { viewers: vec![Viewer::default(); clients as usize], out: [0; PAYLOAD_BYTES_MAX] }
    }
}

impl Encoder for Throng {
    fn observe(&mut self, _: &Game) {}

    fn encode(&mut self, game: &Game, index: usize, clients: &[Client], each: &mut dyn FnMut(&[u8])) {
        ask_ahead(game, &self.viewers, clients, index);
        let encoded = game.encode(&mut self.viewers[index], &request(&clients[index]), &mut self.out);
        each(&self.out[..encoded.expect("the avatar lives").bytes]);
    }
}

/// Asks for what the clients after `index` will need, as the server does.
fn ask_ahead(game: &Game, viewers: &[Viewer], clients: &[Client], index: usize) {
    let coming = |ahead: usize| Some((viewers.get(index + ahead)?, clients.get(index + ahead)?));
    if let Some((viewer, client)) = coming(2 * CLIENTS_AHEAD) {
        viewer.prefetch(client.acked_tick, game.current_tick());
    }
    if let Some((viewer, client)) = coming(CLIENTS_AHEAD) {
        game.prefetch(viewer, client.own, client.acked_tick);
    }
}

fn request(client: &Client) -> Request {
    Request { acked_tick: client.acked_tick, input: 7, ..Request::fresh(client.own) }
}

/// One contender: its own copy of the scene, so that each encodes every tick.
struct Stage<E> {
    scene: Scene,
    encoder: E,
    bytes: u64,
    snapshots: u64,
}

impl<E: Encoder> Stage<E> {
    fn new(entities: u32, clients: u32, level: Level, encoder: E) -> Self {
        let mut stage = Self { scene: Scene::new(entities, clients, level), encoder, bytes: 0, snapshots: 0 };
        for _ in 0..WARM_TICKS {
            stage.tick();
            stage.encode_all();
        }
        (stage.bytes, stage.snapshots) = (0, 0);
        stage
    }

    fn tick(&mut self) {
        self.scene.tick();
        self.encoder.observe(&self.scene.game);
    }

    fn encode_all(&mut self) {
        let Self { scene, encoder, bytes, snapshots } = self;
        for index in 0..scene.clients.len() {
            encoder.encode(&scene.game, index, &scene.clients, &mut |message| {
                *bytes += message.len() as u64;
                *snapshots += 1;
                std::hint::black_box(message);
            });
        }
    }

    fn lap(&mut self, watch: &mut Watch) {
        self.tick();
        watch.time(|| self.encode_all());
    }

    fn bytes_each(&self) -> u64 {
        self.bytes / self.snapshots.max(1)
    }
}

/// The near list that a client reconstructs, by id, through the ordinary client library.
fn near_after(view: &mut View, message: &[u8]) -> Vec<throng_client::Entity> {
    view.apply_bytes(message).expect("every message is sound");
    let mut near = view.near().to_vec();
    near.sort_by_key(|entity| entity.id);
    near
}

/// All encoders must tell their clients the same.
fn agree() {
    let (entities, clients) = (2_000, 500);
    let mut scene = Scene::new(entities, clients, Level::best());
    let mut throng = Throng::new(clients);
    let mut tuned = Tuned::new(&scene.game);
    let mut textbook = Textbook::new(&scene.game, clients);
    let mut views: Vec<[View; 3]> = (0..clients).map(|_| [(); 3].map(|()| View::new())).collect();
    let mut near_sum = 0;
    for tick in 0..WARM_TICKS + 40 {
        scene.tick();
        let game = &scene.game;
        tuned.observe(game);
        textbook.observe(game);
        let clients = &scene.clients;
        for (index, views) in views.iter_mut().enumerate() {
            let [for_throng, for_tuned, for_textbook] = views;
            let mut near = [(); 3].map(|()| Vec::new());
            let [ours, tuneds, textbooks] = &mut near;
            throng.encode(game, index, clients, &mut |message| *ours = near_after(for_throng, message));
            tuned.encode(game, index, clients, &mut |message| *tuneds = near_after(for_tuned, message));
            textbook
                .encode(game, index, clients, &mut |message| *textbooks = near_after(for_textbook, message));
            assert_eq!(tuneds, textbooks);
            // A first snapshot of fifty strangers exceeds a datagram: ours lets them in one after another.
            if tick >= WARM_TICKS {
                assert_eq!(ours, tuneds);
                near_sum += ours.len();
            }
            // The rivals leave out how the own avatar looks: eight bytes of a first snapshot.
            let own = Own { attr: [0; 4], ..*for_throng.own() };
            assert_eq!((own, own), (*for_tuned.own(), *for_textbook.own()));
        }
    }
    assert!(near_sum > 40 * 500 * 20, "there is something to see");
    let checked =
        |place: usize| views.iter().map(|views| views[place].counters().digests_checked).sum::<u64>();
    assert!(checked(0) > 0 && checked(0) == checked(1) && checked(0) == checked(2));
}

fn encode(criterion: &mut Criterion, name: &str, entities: u32) {
    let (entities, clients) = (field::unless_smoke(entities), field::unless_smoke(field::CLIENTS));
    let level = Level::best();
    let mut throng = Stage::new(entities, clients, level, Throng::new(clients));
    let mut lesser: Vec<_> = Level::available()
        .skip(1)
        .map(|level| (level.name(), Stage::new(entities, clients, level, Throng::new(clients))))
        .collect();
    let mut tuned = {
        let scene = Scene::new(entities, clients, level);
        let encoder = Tuned::new(&scene.game);
        Stage::new(entities, clients, level, encoder)
    };
    let mut textbook = {
        let scene = Scene::new(entities, clients, level);
        let encoder = Textbook::new(&scene.game, clients);
        Stage::new(entities, clients, level, encoder)
    };

    let mut race = Race::new(name, clients.into());
    race.lap("throng", |watch| throng.lap(watch));
    for (level, stage) in &mut lesser {
        race.lap(format!("throng {level}"), |watch| stage.lap(watch));
    }
    race.lap("tuned scalar", |watch| tuned.lap(watch));
    race.lap("textbook", |watch| textbook.lap(watch));
    race.goal("throng", "tuned scalar", 1.0 / 3.5).goal("throng", "textbook", 1.0 / 20.0);
    if level.name() == "avx512" {
        race.goal("throng avx2", "throng", 1.4);
    }
    race.compare("throng portable", "throng");
    race.run(criterion);
    let bytes = [throng.bytes_each(), tuned.bytes_each(), textbook.bytes_each()];
    println!("{name}: {} B a snapshot; tuned scalar {} B, textbook {} B", bytes[0], bytes[1], bytes[2]);
}

/// A world and its clients, ticked and encoded by a pool of its own.
struct Whole {
    scene: Scene,
    viewers: Vec<Viewer>,
    pool: rayon::ThreadPool,
}

impl Whole {
    fn new(threads: usize) -> Self {
        let clients = field::unless_smoke(field::CLIENTS);
        let scene = Scene::new(field::unless_smoke(field::ENTITIES), clients, Level::best());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be had");
        let mut whole = Self { scene, viewers: vec![Viewer::default(); clients as usize], pool };
        for _ in 0..WARM_TICKS {
            whole.scene.steer();
            whole.tick();
        }
        whole
    }

    fn tick(&mut self) -> usize {
        let Self { scene, viewers, pool } = self;
        pool.install(|| {
            scene.advance();
            let (game, clients) = (&scene.game, &scene.clients);
            let chunks = viewers.par_chunks_mut(CHUNK_CLIENTS).zip(clients.par_chunks(CHUNK_CLIENTS));
            let bytes = chunks.map(|(viewers, clients)| {
                let mut out = [0; PAYLOAD_BYTES_MAX];
                let mut bytes = 0;
                for (index, client) in clients.iter().enumerate() {
                    ask_ahead(game, viewers, clients, index);
                    let encoded = game.encode(&mut viewers[index], &request(client), &mut out);
                    bytes += encoded.map_or(0, |encoded| encoded.bytes);
                }
                bytes
            });
            bytes.sum()
        })
    }
}

fn threads(criterion: &mut Criterion) {
    let mut wholes = [1, 2].map(Whole::new);
    let clients = wholes[0].viewers.len() as u64;
    // Time that passed and CPU time that was had, by both threads together.
    let (wall_ns, cpu_ns) = (Cell::new(0), Cell::new(0));
    let mut race = Race::new("tick", clients).clock(Clock::Wall);
    let [one, two] = &mut wholes;
    race.lap("1 thread", |watch| {
        one.scene.steer();
        watch.time(|| one.tick());
    });
    race.lap("2 threads", |watch| {
        two.scene.steer();
        let start = [Clock::Wall, Clock::Process].map(Clock::now_ns);
        watch.time(|| two.tick());
        wall_ns.set(wall_ns.get() + Clock::Wall.now_ns() - start[0]);
        cpu_ns.set(cpu_ns.get() + Clock::Process.now_ns() - start[1]);
    });
    race.goal("2 threads", "1 thread", 1.0 / 1.7);
    race.run(criterion);
    let cores = cpu_ns.get() as f64 / wall_ns.get().max(1) as f64;
    println!(
        "tick: the two threads had {cores:.2} cores; with much less than 2 the ratio tells of the neighbours only"
    );
}

fn main() {
    stay_on_this_thread();
    agree();
    let mut criterion = criterion();
    encode(&mut criterion, "snapshot 10k", field::CLIENTS);
    encode(&mut criterion, "snapshot 100k", field::ENTITIES);
    threads(&mut criterion);
    criterion.final_summary();
}
