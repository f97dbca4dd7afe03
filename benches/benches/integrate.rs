//! Moving 100,000 entities: the floor is a memcpy of as many bytes, the rivals are two ECS.
//!
//! Position += velocity * dt, clamped to the world, on three axes: 24 bytes are read and 12 written per entity. Position
//! and velocity have the same layout in all contenders, so their loops vectorise too; no wonders are to be expected here.

use criterion::Criterion;
use throng_benches::{Race, criterion, field, stay_on_this_thread};
use throng_engine::Column;
use throng_engine::schedule::each_region;
use throng_engine::simd::{Kernel, Level, dispatch};

const ROWS: usize = field::ENTITIES as usize;
const TICK_S: f32 = 0.05;
const SIDE_M: f32 = 3_000.0;
/// Read and written per entity: three positions and velocities, three positions.
const TRAFFIC_BYTES: usize = 36;

#[inline(always)]
fn step(position: f32, velocity: f32) -> f32 {
    (position + velocity * TICK_S).clamp(0.0, SIDE_M)
}

/// Start values of one axis.
fn axis(stream: u32, scale: f32) -> Vec<f32> {
    let mut random = field::random(stream);
    (0..ROWS).map(|_| random.unit() * scale).collect()
}

fn positions(number: u32) -> Vec<f32> {
    axis(number, SIDE_M)
}

fn velocities(number: u32) -> Vec<f32> {
    axis(10 + number, 10.0).iter().map(|speed| speed - 5.0).collect()
}

fn column(values: &[f32]) -> Column<f32> {
    let mut column = Column::default();
    column.grow(values.len());
    column.copy_from_slice(values);
    column
}

struct Integrate<'a> {
    position: &'a mut [f32],
    velocity: &'a [f32],
}

impl Kernel for Integrate<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for (position, velocity) in self.position.iter_mut().zip(self.velocity) {
            *position = step(*position, *velocity);
        }
    }
}

fn throng(level: Level, positions: &mut [Column<f32>; 3], velocities: &[Column<f32>; 3]) {
    let [x, y, z] = positions;
    let [vx, vy, vz] = velocities;
    let columns = ((&mut x[..], &mut y[..], &mut z[..]), (&vx[..], &vy[..], &vz[..]));
    each_region(ROWS, columns, |_, ((x, y, z), (vx, vy, vz))| {
        for (position, velocity) in [(x, vx), (y, vy), (z, vz)] {
            dispatch(level, Integrate { position, velocity });
        }
    });
}

#[derive(Clone, Copy, bevy_ecs::component::Component)]
struct Position {
    x: f32,
    y: f32,
    z: f32,
}
#[derive(Clone, Copy, bevy_ecs::component::Component)]
struct Velocity {
    x: f32,
    y: f32,
    z: f32,
}

fn entities() -> impl Iterator<Item = (Position, Velocity)> {
    let (position, velocity) = ([0, 1, 2].map(positions), [0, 1, 2].map(velocities));
    (0..ROWS).map(move |row| {
        let ([x, y, z], [vx, vy, vz]) = (&position, &velocity);
        let velocity = Velocity { x: vx[row], y: vy[row], z: vz[row] };
        (Position { x: x[row], y: y[row], z: z[row] }, velocity)
    })
}

#[inline(always)]
fn step_all(position: &mut Position, velocity: &Velocity) {
    position.x = step(position.x, velocity.x);
    position.y = step(position.y, velocity.y);
    position.z = step(position.z, velocity.z);
}

type BevyQuery = bevy_ecs::query::QueryState<(&'static mut Position, &'static Velocity)>;

/// bevy's `for_each`, without its notes of what has changed.
struct Bevy<'a>(&'a mut bevy_ecs::world::World, &'a mut BevyQuery);

impl Kernel for Bevy<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        use bevy_ecs::change_detection::DetectChangesMut;
        self.1.iter_mut(self.0).for_each(
            #[inline(always)]
            |(mut position, velocity)| step_all(position.bypass_change_detection(), velocity),
        );
    }
}

/// bevy's slices: what its documentation offers to those who want SIMD.
struct BevySlices<'a>(&'a mut bevy_ecs::world::World, &'a mut BevyQuery);

impl Kernel for BevySlices<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let Ok(tables) = self.1.contiguous_iter_mut(self.0) else {
            unreachable!("both are table components")
        };
        for (mut positions, velocities) in tables {
            for (position, velocity) in positions.bypass_change_detection().iter_mut().zip(velocities) {
                step_all(position, velocity);
            }
        }
    }
}

struct Hecs<'a>(&'a mut hecs::World);

impl Kernel for Hecs<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        self.0.query_mut::<(&mut Position, &Velocity)>().into_iter().for_each(
            #[inline(always)]
            |(position, velocity)| step_all(position, velocity),
        );
    }
}

/// After as many ticks, all contenders must be in the same place.
fn agree() {
    let mut ours = [0, 1, 2].map(|number| column(&positions(number)));
    let velocity = [0, 1, 2].map(|number| column(&velocities(number)));
    let mut world = hecs::World::new();
    let ids: Vec<_> = world.spawn_batch(entities()).collect();
    for _ in 0..100 {
        throng(Level::best(), &mut ours, &velocity);
        Hecs(&mut world).run();
    }
    for (row, id) in ids.into_iter().enumerate() {
        let theirs = *world.get::<&Position>(id).expect("it lives");
        assert_eq!([ours[0][row], ours[1][row], ours[2][row]], [theirs.x, theirs.y, theirs.z]);
    }
}

fn bench(criterion: &mut Criterion) {
    agree();
    let level = Level::best();
    let mut position = [0, 1, 2].map(|number| column(&positions(number)));
    let velocity = [0, 1, 2].map(|number| column(&velocities(number)));

    // A copy reads as much as it writes.
    let source = vec![1u8; ROWS * TRAFFIC_BYTES / 2];
    let mut target = vec![0u8; source.len()];

    let mut rivals = [(); 2].map(|()| {
        let mut world = bevy_ecs::world::World::new();
        world.spawn_batch(entities());
        let query: BevyQuery = world.query();
        (world, query)
    });
    let [each, slices] = &mut rivals;

    let mut world = hecs::World::new();
    world.spawn_batch(entities()).for_each(drop);

    let mut race = Race::new("integrate", ROWS as u64);
    race.whole_lap("throng", || throng(level, &mut position, &velocity));
    race.whole_lap("memcpy", || {
        std::hint::black_box(&mut target).copy_from_slice(std::hint::black_box(&source))
    });
    // Compiled for our instruction set as well, lest a ratio only tell SSE2 from AVX.
    race.whole_lap("bevy for_each", || dispatch(level, Bevy(&mut each.0, &mut each.1)));
    race.whole_lap("bevy slices", || dispatch(level, BevySlices(&mut slices.0, &mut slices.1)));
    race.whole_lap("hecs query_mut", || dispatch(level, Hecs(&mut world)));
    race.goal("throng", "memcpy", 1.0);
    race.compare("throng", "bevy for_each")
        .compare("throng", "bevy slices")
        .compare("throng", "hecs query_mut");
    race.run(criterion);
}

fn main() {
    stay_on_this_thread();
    let mut criterion = criterion();
    bench(&mut criterion);
    criterion.final_summary();
}
