//! How long a tick of walking takes: `cargo run --release -p throng-motion --example walk_rate -- [WORLD_FILE]`.
//!
//! 100,000 bodies that stand in a server's order, row-major by cells of 40 m, and turn now and then; on an empty land
//! and on the given one (the shipped one by default).

use std::time::Instant;

use throng_engine::simd::{Kernel, Level, dispatch};
use throng_motion::{Body, Columns, Land, Limits, Vec2, limit, step, walk};

const ROWS: usize = 100_000;
const TICKS: usize = 200;
const TICK_S: f32 = 0.05;
const LIMITS: Limits = Limits { speed_max_m_s: 5.0, acceleration_m_s2: 40.0 };

struct Walk<'a>(&'a Land, Columns<'a>);

impl Kernel for Walk<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        walk(self.0, &LIMITS, self.1, TICK_S);
    }
}

struct Random(u64);

impl Random {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / 16_777_216.0
    }

    fn wish(&mut self) -> Vec2 {
        limit(Vec2::new(self.unit() * 3.0 - 1.5, self.unit() * 3.0 - 1.5))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../worlds/example.world");
    let bytes = std::fs::read(std::env::args().nth(1).unwrap_or_else(|| file.into()))?;
    let mut given = Land::read(&bytes)?;
    given.lay_out(16, 150.0)?;
    for (name, land) in [("flat", Land::flat(1_000.0, 1_000.0)), ("given", given)] {
        for level in Level::available() {
            let (batch_us, bodies) = columns(&land, level);
            println!("{name}, {level}: at best {batch_us:.0} us a tick for {ROWS} rows");
            if level == Level::best() {
                println!("{name}, one by one: {:.0} us", one_by_one(&land, bodies));
            }
        }
    }
    Ok(())
}

fn columns(land: &Land, level: Level) -> (f64, Vec<Body>) {
    let mut random = Random(1);
    let zones = land.zones();
    let mut places: Vec<Vec2> = (0..ROWS)
        .map(|row| {
            // One in eight is in a copy, if there are any.
            let zone = zones[if row % 8 == 0 { row / 8 % zones.len() } else { 0 }];
            let place = zone.origin + zone.size * Vec2::new(random.unit(), random.unit());
            land.nearest_free(place.x, place.y).truncate()
        })
        .collect();
    places.sort_by_key(|place| ((place.y / 40.0) as u32, (place.x / 40.0) as u32));
    let mut bodies: [Vec<f32>; 5] = std::array::from_fn(|_| vec![0.0; ROWS]);
    for (row, place) in places.iter().enumerate() {
        (bodies[0][row], bodies[1][row]) = (place.x, place.y);
    }
    let wishes: Vec<Vec2> = (0..ROWS).map(|_| random.wish()).collect();
    let mut wish: [Vec<f32>; 2] =
        [wishes.iter().map(|w| w.x).collect(), wishes.iter().map(|w| w.y).collect()];
    let steps = vec![1; ROWS];
    let mut times = Vec::new();
    for _ in 0..TICKS {
        for _ in 0..ROWS / 20 {
            let (row, wanted) = ((random.unit() * ROWS as f32) as usize, random.wish());
            (wish[0][row], wish[1][row]) = (wanted.x, wanted.y);
        }
        let [x, y, z, vx, vy] = &mut bodies;
        let columns = Columns { x, y, z, vx, vy, wish_x: &wish[0], wish_y: &wish[1], steps: &steps };
        let start = Instant::now();
        dispatch(level, Walk(land, columns));
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let [x, y, z, vx, vy] = bodies;
    let bodies = (0..ROWS).map(|r| Body { x: x[r], y: y[r], z: z[r], vx: vx[r], vy: vy[r] }).collect();
    (times[0], bodies)
}

fn one_by_one(land: &Land, mut bodies: Vec<Body>) -> f64 {
    let mut random = Random(2);
    let wishes: Vec<Vec2> = bodies.iter().map(|_| random.wish()).collect();
    for (body, wanted) in bodies.iter_mut().zip(&wishes) {
        *body = step(land, &LIMITS, *body, *wanted, TICK_S);
    }
    let start = Instant::now();
    for (body, wanted) in bodies.iter_mut().zip(&wishes) {
        *body = step(land, &LIMITS, *body, *wanted, TICK_S);
    }
    start.elapsed().as_secs_f64() * 1e6
}
