//! Who is near? For 10,000 clients among 100,000 entities with fifty in view, and the nearest 64 in a crowd.
//!
//! The rivals answer from an index that was built beforehand, off the clock; in a game they would also have to build it
//! in each tick (see `regroup`). All are asked in the same order, client beside client, which is the best for caches.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZero;

use criterion::Criterion;
use kiddo::{ImmutableKdTree, SquaredEuclidean};
use rstar::primitives::GeomWithData;
use rstar::{PointDistance, RTree};
use throng_benches::{Race, criterion, field, stay_on_this_thread};
use throng_engine::simd::Level;
use throng_engine::{EntityId, Found, NoColumns, Slot, World};

/// Squared view radius, and half a unit squared more: whether the rim counts then does not matter.
const RADIUS2_M2: f32 = field::RADIUS_M * field::RADIUS_M + 0.5 / (32.0 * 32.0);
const NEAREST: usize = 64;
/// A crowd: 10,000 on a square where 2,000 are within the view radius of one in its middle.
const CROWD: u32 = 10_000;
const CROWD_AREA_EACH_M2: f32 = 2.5;

fn world(entities: u32, area_each_m2: f32, level: Level) -> (World<NoColumns>, Vec<EntityId>) {
    let config = field::config(entities, area_each_m2);
    let mut world = World::with_level(config, level).expect("the config is sound");
    let ids = field::scatter(&mut world, entities);
    world.begin_tick();
    world.settle();
    world.publish(|_, _, _| {});
    (world, ids)
}

/// Places by the entities' numbers, which is in random order.
fn places(world: &World<NoColumns>, ids: &[EntityId]) -> Vec<[f32; 2]> {
    ids.iter().map(|id| field::place_of(world, *id)).collect()
}

fn rtree(places: &[[f32; 2]]) -> RTree<GeomWithData<[f32; 2], u32>> {
    let numbered = places.iter().zip(0..).map(|(place, number)| GeomWithData::new(*place, number));
    RTree::bulk_load(numbered.collect())
}

/// A multiply: the standard library's hasher is made for hostile keys, and would cost the rival more than the rest.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }
    fn write_u32(&mut self, word: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(word)).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// What one writes first: the numbers of the entities in each cell, by the cell's place.
struct HashGrid<'a> {
    cells: HashMap<(u32, u32), Vec<u32>, BuildHasherDefault<Mix>>,
    places: &'a [[f32; 2]],
}

impl<'a> HashGrid<'a> {
    fn new(places: &'a [[f32; 2]]) -> Self {
        let mut cells = HashMap::<_, Vec<u32>, _>::default();
        for (place, number) in places.iter().zip(0..) {
            cells.entry(Self::cell(*place)).or_default().push(number);
        }
        Self { cells, places }
    }

    fn cell([x, y]: [f32; 2]) -> (u32, u32) {
        ((x / field::RADIUS_M) as u32, (y / field::RADIUS_M) as u32)
    }

    fn within(&self, centre: [f32; 2], found: &mut Vec<u32>) {
        found.clear();
        let (column, row) = Self::cell(centre);
        for row in row.saturating_sub(1)..=row + 1 {
            for column in column.saturating_sub(1)..=column + 1 {
                for &number in self.cells.get(&(column, row)).into_iter().flatten() {
                    let [x, y] = self.places[number as usize];
                    let (dx, dy) = (x - centre[0], y - centre[1]);
                    if dx * dx + dy * dy <= RADIUS2_M2 {
                        found.push(number);
                    }
                }
            }
        }
    }
}

fn in_view(criterion: &mut Criterion) {
    let (world, ids) = world(field::ENTITIES, field::AREA_EACH_M2, Level::best());
    let avx2 =
        Level::named("avx2").map(|level| self::world(field::ENTITIES, field::AREA_EACH_M2, level).0).ok();
    let places = places(&world, &ids);
    let mut clients: Vec<[f32; 2]> = places.iter().copied().step_by(10).collect();
    field::sort_by_cell(&mut clients, |place| *place);
    assert_eq!(clients.len(), field::CLIENTS as usize);
    let kd_tree = ImmutableKdTree::<f32, 2>::new_from_slice(&places).expect("the places are numbers");
    let r_tree = rtree(&places);
    let grid = HashGrid::new(&places);

    let ours = |world: &World<NoColumns>, found: &mut Found| {
        clients.iter().fold(0, |sum, &[x, y]| sum + world.within(x, y, field::RADIUS_M, found).len())
    };
    let kiddo = |clients: &[[f32; 2]]| {
        clients.iter().fold(0, |sum, client| {
            let query = kd_tree.query(client).within::<SquaredEuclidean<f32>>(RADIUS2_M2).unsorted();
            sum + query.with_result_capacity(64).execute().len()
        })
    };
    let rstar = |clients: &[[f32; 2]], found: &mut Vec<u32>| {
        clients.iter().fold(0, |sum, client| {
            found.clear();
            found.extend(r_tree.locate_within_distance(*client, RADIUS2_M2).map(|point| point.data));
            sum + found.len()
        })
    };
    let hash_grid = |clients: &[[f32; 2]], found: &mut Vec<u32>| {
        clients.iter().fold(0, |sum, client| {
            grid.within(*client, found);
            sum + found.len()
        })
    };

    // All see the same.
    let (mut scratch, mut found) = (Found::default(), Vec::new());
    for &[x, y] in clients.iter().step_by(97) {
        let slots = world.within(x, y, field::RADIUS_M, &mut scratch);
        let mut ours: Vec<u32> = slots.iter().map(|slot| world.id_at(Slot(*slot)).index() as u32).collect();
        ours.sort_unstable();
        let query = kd_tree.query(&[x, y]).within::<SquaredEuclidean<f32>>(RADIUS2_M2).unsorted().execute();
        let mut theirs: Vec<u32> = query.iter().map(|result| result.item).collect();
        theirs.sort_unstable();
        assert_eq!(ours, theirs);
    }
    let seen = ours(&world, &mut scratch);
    let others = [kiddo(&clients), rstar(&clients, &mut found), hash_grid(&clients, &mut found)];
    assert_eq!(others, [seen; 3]);
    println!(
        "interest: {:.1} in view of each of {} clients",
        seen as f64 / clients.len() as f64,
        clients.len()
    );

    let (mut for_ours, mut for_avx2) = (Found::default(), Found::default());
    let (mut for_rstar, mut for_grid) = (Vec::new(), Vec::new());
    let mut race = Race::new("interest", clients.len() as u64);
    race.whole_lap("throng", || ours(&world, &mut for_ours));
    if let Some(world) = &avx2 {
        race.whole_lap("throng avx2", || ours(world, &mut for_avx2));
    }
    race.whole_lap("kiddo", || kiddo(&clients));
    race.whole_lap("rstar", || rstar(&clients, &mut for_rstar));
    race.whole_lap("hash grid", || hash_grid(&clients, &mut for_grid));
    race.goal("throng", "kiddo", 1.0 / 20.0).compare("throng", "rstar").compare("throng", "hash grid");
    if avx2.is_some() {
        race.compare("throng avx2", "throng");
    }
    race.run(criterion);
}

/// A crowd in motion, and each asker's last reach.
struct Crowd {
    world: World<NoColumns>,
    ids: Vec<EntityId>,
    guesses: Vec<f32>,
    found: Found,
}

impl Crowd {
    fn new() -> Self {
        let (world, mut ids) = world(CROWD, CROWD_AREA_EACH_M2, Level::best());
        field::sort_by_cell(&mut ids, |id| field::place_of(&world, *id));
        Self { guesses: vec![0.0; ids.len()], world, ids, found: Found::default() }
    }

    /// A tick in which everybody walks 0.25 m, as at 5 m/s: a guess is never quite right.
    fn walk(&mut self) {
        let tick = self.world.begin_tick();
        let side_m = self.world.config().width_m;
        for row in 0..self.world.rows() {
            let mut random = field::random(tick).fork(row as u32);
            let (x, y) = throng_engine::angle::direction(random.next_u32() as u16);
            let (at_x, at_y) = (self.world.body.x[row] + 0.25 * x, self.world.body.y[row] + 0.25 * y);
            self.world.body.x[row] = field::on_raster(at_x.clamp(0.0, side_m));
            self.world.body.y[row] = field::on_raster(at_y.clamp(0.0, side_m));
        }
        self.world.settle();
        self.world.publish(|_, _, _| {});
    }

    fn ask_all(&mut self) -> usize {
        let Self { world, ids, guesses, found } = self;
        ids.iter().zip(guesses).fold(0, |sum, (id, guess)| {
            let [x, y] = field::place_of(world, *id);
            sum + world.nearest(x, y, field::RADIUS_M, NEAREST, guess, found).len()
        })
    }
}

fn nearest_in_crowd(criterion: &mut Criterion) {
    let mut crowd = Crowd::new();
    let still = places(&crowd.world, &crowd.ids);
    let kd_tree = ImmutableKdTree::<f32, 2>::new_from_slice(&still).expect("the places are numbers");
    let r_tree = rtree(&still);
    let nearest = NonZero::new(NEAREST).unwrap_or(NonZero::<usize>::MIN);
    let kiddo = |sorted: bool| {
        still.iter().fold(0, |sum, place| {
            let query = kd_tree.query(place).nearest_n::<SquaredEuclidean<f32>>(nearest).within(RADIUS2_M2);
            sum + if sorted { query.execute().len() } else { query.unsorted().execute().len() }
        })
    };
    let rstar = || {
        still.iter().fold(0, |sum, place| {
            let nearest = r_tree.nearest_neighbor_iter(*place).take(NEAREST);
            sum + nearest.filter(|point| point.distance_2(place) <= RADIUS2_M2).count()
        })
    };

    // All find neighbours at the same distances.
    let mut scratch = Found::default();
    for (id, place) in crowd.ids.iter().zip(&still).step_by(97) {
        let [x, y] = field::place_of(&crowd.world, *id);
        let found = crowd.world.nearest(x, y, field::RADIUS_M, NEAREST, &mut 0.0, &mut scratch);
        let mut ours: Vec<f32> = found.iter().map(|found| (found >> 32) as f32 / (32.0 * 32.0)).collect();
        ours.sort_unstable_by(f32::total_cmp);
        let query = kd_tree.query(place).nearest_n::<SquaredEuclidean<f32>>(nearest).within(RADIUS2_M2);
        let theirs: Vec<f32> = query.execute().iter().map(|result| result.distance).collect();
        assert_eq!(ours, theirs);
    }
    let in_range = still
        .iter()
        .step_by(10)
        .map(|&[x, y]| crowd.world.within(x, y, field::RADIUS_M, &mut Found::default()).len());
    let (sum, most) = in_range.fold((0, 0), |(sum, most), count| (sum + count, most.max(count)));
    println!("nearest: {} in range on average, {most} at most", sum / (still.len() / 10));
    assert_eq!([kiddo(true), rstar()], [still.len() * NEAREST; 2]);
    assert_eq!(crowd.ask_all(), still.len() * NEAREST);

    let mut race = Race::new("nearest", CROWD.into());
    race.lap("throng", |watch| {
        crowd.walk();
        watch.time(|| crowd.ask_all());
    });
    race.whole_lap("kiddo", || kiddo(true));
    race.whole_lap("kiddo unsorted", || kiddo(false));
    race.whole_lap("rstar", rstar);
    race.goal_over_best("throng", &["kiddo", "kiddo unsorted"], 1.0 / 6.0).compare("throng", "rstar");
    race.run(criterion);
}

fn main() {
    stay_on_this_thread();
    let mut criterion = criterion();
    in_view(&mut criterion);
    nearest_in_crowd(&mut criterion);
    criterion.final_summary();
}
