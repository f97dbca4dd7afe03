//! Keeping 100,000 entities of 40 bytes grouped by cell while 2 % of them change cells in a tick.
//!
//! The floor is a full counting sort of the same rows; the rival is building a kd-tree of the positions alone.

use criterion::Criterion;
use throng_benches::{Race, criterion, field, stay_on_this_thread};
use throng_engine::simd::{Kernel, Level, dispatch};
use throng_engine::{EntityId, Random, World, columns};

const ENTITIES: u32 = field::ENTITIES;
/// 2 %.
const MOVERS: u32 = ENTITIES / 50;

columns! {
    /// With the engine's own 22 bytes (five floats and a facing), 40 per row.
    struct Ballast {
        first: f32,
        second: f32,
        third: f32,
        fourth: f32,
        fifth: u16,
    }
}

/// A place in one of the eight cells around, well inside it, so that whoever goes there has left its cell.
fn neighbour(random: &mut Random, [x, y]: [f32; 2], side_m: f32) -> [f32; 2] {
    let cells = (side_m / field::RADIUS_M).floor() as i32;
    let [column, row] = [x, y].map(|at| ((at / field::RADIUS_M) as i32).min(cells - 1));
    loop {
        let (right, up) = (random.below(3) as i32 - 1, random.below(3) as i32 - 1);
        let (column, row) = (column + right, row + up);
        if (right, up) != (0, 0) && (0..cells).contains(&column) && (0..cells).contains(&row) {
            return [column, row].map(|cell| (cell as f32 + 0.1 + 0.8 * random.unit()) * field::RADIUS_M);
        }
    }
}

struct Ours {
    world: World<Ballast>,
    ids: Vec<EntityId>,
    random: Random,
}

impl Ours {
    fn new() -> Self {
        let mut world =
            World::new(field::config(ENTITIES, field::AREA_EACH_M2)).expect("the config is sound");
        let ids = field::scatter(&mut world, ENTITIES);
        let mut ours = Self { world, ids, random: field::random(2) };
        ours.world.begin_tick();
        ours.world.settle();
        ours.world.publish(|_, _, _| {});
        // Until chains of blocks have found their length.
        for _ in 0..100 {
            ours.stir();
            ours.settle();
        }
        ours
    }

    /// Begins a tick, as a real one, and sends 2 % to neighbouring cells.
    fn stir(&mut self) {
        self.world.begin_tick();
        let side_m = self.world.config().width_m;
        for _ in 0..MOVERS {
            let id = self.ids[self.random.below(ENTITIES) as usize];
            let [x, y] = neighbour(&mut self.random, field::place_of(&self.world, id), side_m);
            let row = self.world.slot(id).expect("it lives").row();
            (self.world.body.x[row], self.world.body.y[row]) = (x, y);
        }
    }

    fn settle(&mut self) {
        self.world.settle();
        self.world.publish(|_, _, _| {});
    }
}

/// Rows in the order of their cells, sorted anew each tick: nine floats and an id, 40 bytes.
struct Sorted {
    columns: [Vec<f32>; 9],
    ids: Vec<u32>,
    spare: Vec<f32>,
    spare_ids: Vec<u32>,
    /// Cell of each row.
    cells: Vec<u32>,
    /// First row of each cell.
    first: Vec<u32>,
    /// Old row of each new row.
    order: Vec<u32>,
    /// Row of each id.
    rows: Vec<u32>,
    cells_across: u32,
    side_m: f32,
    random: Random,
}

impl Sorted {
    fn new() -> Self {
        let side_m = field::side_m(ENTITIES, field::AREA_EACH_M2);
        let cells_across = (side_m / field::RADIUS_M).ceil() as u32;
        let mut random = field::random(1);
        let rows = ENTITIES as usize;
        let mut sorted = Self {
            columns: std::array::from_fn(|_| vec![0.0; rows]),
            ids: (0..ENTITIES).collect(),
            spare: vec![0.0; rows],
            spare_ids: vec![0; rows],
            cells: vec![0; rows],
            first: vec![0; (cells_across * cells_across) as usize + 1],
            order: vec![0; rows],
            rows: vec![0; rows],
            cells_across,
            side_m,
            random: field::random(2),
        };
        for row in 0..rows {
            (sorted.columns[0][row], sorted.columns[1][row]) =
                (random.unit() * side_m, random.unit() * side_m);
        }
        sorted.sort(Level::best());
        sorted
    }

    fn stir(&mut self) {
        for _ in 0..MOVERS {
            let row = self.rows[self.random.below(ENTITIES) as usize] as usize;
            let place = [self.columns[0][row], self.columns[1][row]];
            let [x, y] = neighbour(&mut self.random, place, self.side_m);
            (self.columns[0][row], self.columns[1][row]) = (x, y);
        }
    }

    fn sort(&mut self, level: Level) {
        dispatch(level, CountingSort(self));
    }
}

/// Gathers column by column: at 100,000 rows this beats scattering. Compiled for our instruction set, and with
/// arithmetic that wraps: the workspace checks overflows, which a sort would pay for in each step.
struct CountingSort<'a>(&'a mut Sorted);

impl Kernel for CountingSort<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let Sorted { columns, ids, spare, spare_ids, cells, first, order, rows, cells_across, .. } = self.0;
        let across = *cells_across;
        let [x, y, ..] = &columns[..] else { return };
        for ((cell, x), y) in cells.iter_mut().zip(x).zip(y) {
            // Signed, because that conversion is one instruction; places are never negative.
            let [column, row] =
                [x, y].map(|at| ((at * (1.0 / field::RADIUS_M)) as i32 as u32).min(across - 1));
            *cell = row.wrapping_mul(across).wrapping_add(column);
        }
        first.fill(0);
        for &cell in &cells[..] {
            let count = &mut first[cell as usize + 1];
            *count = count.wrapping_add(1);
        }
        let mut sum = 0u32;
        for first in &mut first[..] {
            sum = sum.wrapping_add(*first);
            *first = sum;
        }
        for (row, &cell) in (0u32..).zip(&cells[..]) {
            let next = &mut first[cell as usize];
            order[*next as usize] = row;
            *next = next.wrapping_add(1);
        }
        for column in columns {
            for (to, &from) in spare.iter_mut().zip(&order[..]) {
                *to = column[from as usize];
            }
            std::mem::swap(column, spare);
        }
        for ((row, to), &from) in (0u32..).zip(&mut spare_ids[..]).zip(&order[..]) {
            *to = ids[from as usize];
            rows[*to as usize] = row;
        }
        std::mem::swap(ids, spare_ids);
    }
}

fn check() {
    let mut ours = Ours::new();
    let before = ours.world.relocation_count();
    ours.stir();
    ours.settle();
    let moved = ours.world.relocation_count() - before;
    // Drawn with replacement, so a few are drawn twice.
    assert!((u64::from(MOVERS) * 96 / 100..=u64::from(MOVERS)).contains(&moved), "{moved} of {MOVERS} moved");

    let mut sorted = Sorted::new();
    sorted.stir();
    sorted.sort(Level::best());
    assert!(
        sorted.cells.len() == sorted.rows.len()
            && sorted.ids.iter().enumerate().all(|(row, &id)| { sorted.rows[id as usize] == row as u32 })
    );
    let cell = |row: usize| {
        let [column, row] = [0, 1].map(|axis| (sorted.columns[axis][row] * (1.0 / field::RADIUS_M)) as u32);
        row * sorted.cells_across + column
    };
    assert!((1..ENTITIES as usize).all(|row| cell(row - 1) <= cell(row)));
}

fn bench(criterion: &mut Criterion) {
    check();
    let mut ours = Ours::new();
    let mut sorted = Sorted::new();
    let level = Level::best();
    let places: Vec<[f32; 2]> = ours.ids.iter().map(|id| field::place_of(&ours.world, *id)).collect();

    let mut race = Race::new("regroup", ENTITIES.into());
    race.lap("throng", |watch| {
        ours.stir();
        watch.time(|| ours.world.settle());
        ours.world.publish(|_, _, _| {});
    });
    race.lap("counting sort", |watch| {
        sorted.stir();
        watch.time(|| sorted.sort(level));
    });
    race.whole_lap("kiddo build", || kiddo::ImmutableKdTree::<f32, 2>::new_from_slice(&places).is_ok());
    race.goal("throng", "counting sort", 1.0 / 3.0).goal("throng", "kiddo build", 1.0 / 20.0);
    race.run(criterion);
}

fn main() {
    stay_on_this_thread();
    let mut criterion = criterion();
    bench(&mut criterion);
    criterion.final_summary();
}
