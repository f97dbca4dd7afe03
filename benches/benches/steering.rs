//! A heavier system, over nine columns with a square root, a division and flags, against the fastest form of a popular ECS.
//!
//! Here layout decides: an archetype ECS keeps small structs, whose loops the compiler does not vectorise well.

use criterion::Criterion;
use throng_benches::{Race, criterion, field, stay_on_this_thread};
use throng_engine::Column;
use throng_engine::schedule::each_region;
use throng_engine::simd::{Kernel, Level, dispatch};

const ROWS: usize = field::ENTITIES as usize;
const TICK_S: f32 = 0.05;
/// How much of the difference to the wanted velocity is made up in a tick.
const GRIP: f32 = 0.3;
/// Speed lost in a tick, metres per second.
const FRICTION_M_S: f32 = 0.05;
const STUNNED: u32 = 1;
const TIRED: u32 = 2;
const MOVING: u32 = 4;

/// What is written.
#[derive(Clone, Copy, PartialEq, Debug)]
struct State {
    x: f32,
    y: f32,
    vx: f32,
    vy: f32,
    energy: f32,
    flags: u32,
}

/// What is only read.
#[derive(Clone, Copy)]
struct Wish {
    x: f32,
    y: f32,
    speed_max: f32,
}

/// One entity's tick; the same arithmetic for all contenders.
#[inline(always)]
fn steer(state: State, wish: Wish) -> State {
    let is_able = state.flags & STUNNED == 0 && state.energy > 0.0;
    let pull = if is_able { wish.speed_max } else { 0.0 };
    let vx = state.vx + (wish.x * pull - state.vx) * GRIP;
    let vy = state.vy + (wish.y * pull - state.vy) * GRIP;
    let speed = (vx * vx + vy * vy).sqrt();
    // Friction brings a coasting entity to a stop: a speed that only ever shrank would end in denormals, which are
    // slow. And no branch, which would be a coin toss to the scalar contenders.
    let kept_speed = (speed - FRICTION_M_S).max(0.0).min(wish.speed_max);
    let share = kept_speed / speed.max(FRICTION_M_S);
    let (vx, vy) = (vx * share, vy * share);
    let is_moving = kept_speed > 0.0;
    let gain = if is_moving { -2.0 } else { 5.0 };
    let energy = (state.energy + gain * TICK_S).clamp(0.0, 100.0);
    let kept = state.flags & !(TIRED | MOVING);
    let tired = if energy < 10.0 { TIRED } else { 0 };
    let moving = if is_moving { MOVING } else { 0 };
    State { x: state.x + vx * TICK_S, y: state.y + vy * TICK_S, vx, vy, energy, flags: kept | tired | moving }
}

fn start() -> impl Iterator<Item = (State, Wish)> {
    let mut random = field::random(3);
    (0..ROWS).map(move |_| {
        let mut signed = |scale: f32| (random.unit() - 0.5) * 2.0 * scale;
        let wish = Wish { x: signed(0.7), y: signed(0.7), speed_max: 4.0 + signed(2.0) };
        let (x, y, vx, vy) = (signed(1_500.0), signed(1_500.0), signed(5.0), signed(5.0));
        let energy = 50.0 + signed(50.0);
        (State { x, y, vx, vy, energy, flags: random.below(10) / 9 * STUNNED }, wish)
    })
}

#[derive(Default)]
struct Columns {
    x: Column<f32>,
    y: Column<f32>,
    vx: Column<f32>,
    vy: Column<f32>,
    energy: Column<f32>,
    flags: Column<u32>,
    wish_x: Column<f32>,
    wish_y: Column<f32>,
    speed_max: Column<f32>,
}

impl Columns {
    fn new() -> Self {
        let mut columns = Self::default();
        let Self { x, y, vx, vy, energy, flags, wish_x, wish_y, speed_max } = &mut columns;
        for column in [x, y, vx, vy, energy, wish_x, wish_y, speed_max] {
            column.grow(ROWS);
        }
        flags.grow(ROWS);
        for (row, (state, wish)) in start().enumerate() {
            (columns.x[row], columns.y[row]) = (state.x, state.y);
            (columns.vx[row], columns.vy[row]) = (state.vx, state.vy);
            (columns.energy[row], columns.flags[row]) = (state.energy, state.flags);
            (columns.wish_x[row], columns.wish_y[row]) = (wish.x, wish.y);
            columns.speed_max[row] = wish.speed_max;
        }
        columns
    }

    fn state(&self, row: usize) -> State {
        let (x, y, vx, vy) = (self.x[row], self.y[row], self.vx[row], self.vy[row]);
        State { x, y, vx, vy, energy: self.energy[row], flags: self.flags[row] }
    }

    fn steer(&mut self, level: Level) {
        let columns = (
            (&mut self.x[..], &mut self.y[..], &mut self.vx[..], &mut self.vy[..]),
            (&mut self.energy[..], &mut self.flags[..]),
            (&self.wish_x[..], &self.wish_y[..], &self.speed_max[..]),
        );
        each_region(ROWS, columns, |_, ((x, y, vx, vy), (energy, flags), (wish_x, wish_y, speed_max))| {
            dispatch(level, Steer { x, y, vx, vy, energy, flags, wish_x, wish_y, speed_max });
        });
    }
}

struct Steer<'a> {
    x: &'a mut [f32],
    y: &'a mut [f32],
    vx: &'a mut [f32],
    vy: &'a mut [f32],
    energy: &'a mut [f32],
    flags: &'a mut [u32],
    wish_x: &'a [f32],
    wish_y: &'a [f32],
    speed_max: &'a [f32],
}

impl Kernel for Steer<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        // Equal lengths, told once: then no index below is checked.
        let rows = self.x.len();
        let (x, y) = (&mut self.x[..rows], &mut self.y[..rows]);
        let (vx, vy) = (&mut self.vx[..rows], &mut self.vy[..rows]);
        let (energy, flags) = (&mut self.energy[..rows], &mut self.flags[..rows]);
        let (wish_x, wish_y, speed_max) =
            (&self.wish_x[..rows], &self.wish_y[..rows], &self.speed_max[..rows]);
        for row in 0..rows {
            let state = State {
                x: x[row],
                y: y[row],
                vx: vx[row],
                vy: vy[row],
                energy: energy[row],
                flags: flags[row],
            };
            let state = steer(state, Wish { x: wish_x[row], y: wish_y[row], speed_max: speed_max[row] });
            (x[row], y[row], vx[row], vy[row]) = (state.x, state.y, state.vx, state.vy);
            (energy[row], flags[row]) = (state.energy, state.flags);
        }
    }
}

/// Components in bevy's favour: three, of which two are written. Cut finer, as one would (place, velocity, energy, flags),
/// its loop is no longer inlined and takes almost three times as long.
mod parts {
    use bevy_ecs::component::Component;

    #[derive(Clone, Copy, Component)]
    pub struct Motion {
        pub x: f32,
        pub y: f32,
        pub vx: f32,
        pub vy: f32,
    }
    #[derive(Clone, Copy, Component)]
    pub struct Vital {
        pub energy: f32,
        pub flags: u32,
    }
    #[derive(Clone, Copy, Component)]
    pub struct Wanted {
        pub x: f32,
        pub y: f32,
        pub speed_max: f32,
    }
}
use parts::{Motion, Vital, Wanted};

type Query = bevy_ecs::query::QueryState<(&'static mut Motion, &'static mut Vital, &'static Wanted)>;

#[inline(always)]
fn steer_parts(motion: &mut Motion, vital: &mut Vital, wanted: &Wanted) {
    let Motion { x, y, vx, vy } = *motion;
    let state = State { x, y, vx, vy, energy: vital.energy, flags: vital.flags };
    let State { x, y, vx, vy, energy, flags } =
        steer(state, Wish { x: wanted.x, y: wanted.y, speed_max: wanted.speed_max });
    *motion = Motion { x, y, vx, vy };
    *vital = Vital { energy, flags };
}

/// `for_each` as one writes it.
struct ForEach<'a>(&'a mut bevy_ecs::world::World, &'a mut Query);

impl Kernel for ForEach<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        self.1.iter_mut(self.0).for_each(
            #[inline(always)]
            |(mut motion, mut vital, wanted)| steer_parts(&mut motion, &mut vital, wanted),
        );
    }
}

/// The same, without bevy's notes of what has changed.
struct ForEachBypass<'a>(&'a mut bevy_ecs::world::World, &'a mut Query);

impl Kernel for ForEachBypass<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        use bevy_ecs::change_detection::DetectChangesMut;
        self.1.iter_mut(self.0).for_each(
            #[inline(always)]
            |(mut motion, mut vital, wanted)| {
                steer_parts(motion.bypass_change_detection(), vital.bypass_change_detection(), wanted);
            },
        );
    }
}

fn bevy() -> (bevy_ecs::world::World, Vec<bevy_ecs::entity::Entity>) {
    let mut world = bevy_ecs::world::World::new();
    let ids = world.spawn_batch(start().map(|(state, wish)| {
        let State { x, y, vx, vy, energy, flags } = state;
        let Wish { x: wish_x, y: wish_y, speed_max } = wish;
        (Motion { x, y, vx, vy }, Vital { energy, flags }, Wanted { x: wish_x, y: wish_y, speed_max })
    }));
    let ids = ids.collect();
    (world, ids)
}

/// After as many ticks, both worlds must be the same.
fn agree() {
    let mut columns = Columns::new();
    let (mut world, ids) = bevy();
    let mut query: Query = world.query();
    for _ in 0..50 {
        columns.steer(Level::best());
        ForEach(&mut world, &mut query).run();
    }
    for (row, id) in ids.into_iter().enumerate() {
        let (&Motion { x, y, vx, vy }, &Vital { energy, flags }, _) =
            query.get(&world, id).expect("it lives");
        assert_eq!(columns.state(row), State { x, y, vx, vy, energy, flags });
    }
}

fn bench(criterion: &mut Criterion) {
    agree();
    let level = Level::best();
    let mut columns = Columns::new();
    let mut rivals = [(); 3].map(|()| bevy().0).map(|mut world| {
        let query: Query = world.query();
        (world, query)
    });
    let [plain, wide, bypass] = &mut rivals;

    let mut race = Race::new("steering", ROWS as u64);
    race.whole_lap("throng", || columns.steer(level));
    race.whole_lap("bevy for_each", || ForEach(&mut plain.0, &mut plain.1).run());
    // In case the compiler makes something of our instruction set.
    race.whole_lap("bevy for_each, our simd", || dispatch(level, ForEach(&mut wide.0, &mut wide.1)));
    race.whole_lap("bevy for_each, bypass", || dispatch(level, ForEachBypass(&mut bypass.0, &mut bypass.1)));
    race.goal_over_best("throng", &["bevy for_each", "bevy for_each, our simd"], 0.25);
    race.compare("throng", "bevy for_each, bypass");
    race.run(criterion);
}

fn main() {
    stay_on_this_thread();
    let mut criterion = criterion();
    bench(&mut criterion);
    criterion.final_summary();
}
