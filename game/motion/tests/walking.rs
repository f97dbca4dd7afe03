//! Bodies on land: never inside anything, never out of their zone, never through a wall; columns walk as bodies do.
#![allow(missing_docs)]

mod common;

use common::{Random, example};
use throng_motion::limits::{BODY_RADIUS_M, STEP_M_MAX};
use throng_motion::{
    Body, CirclePlan, Columns, DiscPlan, Land, Limits, Vec2, WallPlan, ZoneId, ZonePlan, limit, step, walk,
};

const LIMITS: Limits = Limits { speed_max_m_s: 6.0, acceleration_m_s2: 40.0 };
const TICK_S: f32 = 0.05;

/// A level zone of 64 x 64 m in which players appear in the south-west corner.
fn plan() -> ZonePlan {
    let mut plan = ZonePlan { width: 64 * 32, height: 64 * 32, spacing_m: 4, ..ZonePlan::default() };
    plan.heights = vec![0; (plan.columns() * plan.rows()) as usize];
    plan.player_spawns = vec![DiscPlan { x: 64, y: 64, radius: 32 }];
    plan
}

/// Metres to the plan's units.
fn wall(x0: u32, y0: u32, x1: u32, y1: u32) -> WallPlan {
    WallPlan { x0: x0 * 32, y0: y0 * 32, x1: x1 * 32, y1: y1 * 32, thickness: 6, rise: 96 }
}

fn land(plan: &ZonePlan) -> Land {
    Land::build(vec![plan.clone()]).unwrap()
}

fn at(x: f32, y: f32) -> Body {
    Body { x, y, ..Body::default() }
}

fn wish(random: &mut Random) -> Vec2 {
    limit(Vec2::new(random.between(-1.5, 1.5), random.between(-1.5, 1.5)))
}

/// The plan's obstacles as lines with a radius, in f64: the second opinion.
fn lines(plan: &ZonePlan) -> Vec<([f64; 4], f64)> {
    let m = |units: u32| f64::from(units) / 32.0;
    let circles = plan.circles.iter().map(|c| ([m(c.x), m(c.y), m(c.x), m(c.y)], m(c.radius.into())));
    let walls =
        plan.walls.iter().map(|w| ([m(w.x0), m(w.y0), m(w.x1), m(w.y1)], m(w.thickness.into()) / 2.0));
    circles.chain(walls).collect()
}

fn distance([x0, y0, x1, y1]: [f64; 4], x: f64, y: f64) -> f64 {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let square = dx * dx + dy * dy;
    let share = if square > 0.0 { (((x - x0) * dx + (y - y0) * dy) / square).clamp(0.0, 1.0) } else { 0.0 };
    (x - x0 - dx * share).hypot(y - y0 - dy * share)
}

/// Whether the lines a-b and c-d cross.
fn cross(a: (f64, f64), b: (f64, f64), [x0, y0, x1, y1]: [f64; 4]) -> bool {
    let side =
        |p: (f64, f64), q: (f64, f64), r: (f64, f64)| (q.0 - p.0) * (r.1 - p.1) - (q.1 - p.1) * (r.0 - p.0);
    let (c, d) = ((x0, y0), (x1, y1));
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

#[test]
fn a_million_steps_end_in_no_obstacle_and_cross_no_wall() {
    let mut random = Random::new();
    let limits = Limits { speed_max_m_s: 10.0, acceleration_m_s2: 200.0 };
    for _ in 0..20 {
        let mut plan = plan();
        let mut some = |below: usize| random.below(below) as u32;
        for _ in 0..60 {
            let (x, y) = (200 + some(1800), 200 + some(1800));
            plan.circles.push(CirclePlan { x, y, radius: 1 + some(60) as u16, rise: 64 });
            let (x0, y0) = (200 + some(1800), 200 + some(1800));
            let (x1, y1) = ((x0 + some(600)).saturating_sub(300).clamp(200, 2000), y0 + 1 + some(40));
            plan.walls.push(WallPlan { x0, y0, x1, y1, thickness: 1 + some(20) as u16, rise: 64 });
        }
        let (land, lines) = (land(&plan), lines(&plan));
        for _ in 0..10 {
            let place = land.nearest_free(random.between(0.0, 64.0), random.between(0.0, 64.0));
            let mut body = at(place.x, place.y);
            let mut wanted = wish(&mut random);
            for _ in 0..5_000 {
                if random.below(16) == 0 {
                    wanted = wish(&mut random);
                }
                let before = (f64::from(body.x), f64::from(body.y));
                body = step(&land, &limits, body, wanted, 0.1);
                let (x, y) = (f64::from(body.x), f64::from(body.y));
                assert!((0.0..=64.0).contains(&x) && (0.0..=64.0).contains(&y), "{body:?}");
                let went = (x - before.0).hypot(y - before.1);
                assert!(went <= f64::from(STEP_M_MAX) + 0.3, "{went} m in a step");
                for (line, radius) in &lines {
                    let apart = distance(*line, x, y) - radius - f64::from(BODY_RADIUS_M);
                    assert!(apart > -1e-4, "{body:?} is {apart} m inside {line:?}");
                    assert!(!cross(before, (x, y), *line), "from {before:?} to {body:?} through {line:?}");
                }
            }
        }
    }
}

#[test]
fn in_the_example_nobody_leaves_a_zone_or_is_inside_anything() {
    let (land, mut random) = (example(), Random::new());
    for id in (0..land.zones().len() as u32).map(ZoneId) {
        for disc in land.player_spawns(id).iter().take(8) {
            let place = land.nearest_free(disc.centre.x, disc.centre.y);
            let mut body = at(place.x, place.y);
            let mut wanted = wish(&mut random);
            for _ in 0..20_000 {
                if random.below(100) == 0 {
                    wanted = wish(&mut random);
                }
                body = step(&land, &LIMITS, body, wanted, TICK_S);
                assert!(land.is_free(body.x, body.y) && land.zone_at(body.x, body.y) == Some(id), "{body:?}");
                assert_eq!(body.z, land.height_at(body.x, body.y));
                assert!(Vec2::new(body.vx, body.vy).length() <= LIMITS.speed_max_m_s * 1.000_01);
            }
        }
    }
}

struct Rows {
    bodies: [Vec<f32>; 5],
    wishes: [Vec<f32>; 2],
    steps: Vec<u8>,
}

impl Rows {
    fn columns(&mut self) -> Columns<'_> {
        let [x, y, z, vx, vy] = &mut self.bodies;
        let [wish_x, wish_y] = &self.wishes;
        Columns { x, y, z, vx, vy, wish_x, wish_y, steps: &self.steps }
    }

    fn body(&self, row: usize) -> Body {
        let [x, y, z, vx, vy] = self.bodies.each_ref().map(|column| column[row]);
        Body { x, y, z, vx, vy }
    }
}

fn bits(body: Body) -> [u32; 5] {
    [body.x, body.y, body.z, body.vx, body.vy].map(f32::to_bits)
}

#[test]
fn columns_walk_bit_for_bit_as_bodies_do() {
    let (land, mut random) = (example(), Random::new());
    let (mut compared, mut moved) = (0, 0);
    // Not a multiple of sixteen: the last rows are walked on another path.
    let count = 4_096 + 7;
    for round in 0..4 {
        let mut rows = Rows {
            bodies: std::array::from_fn(|_| vec![0.0; count]),
            wishes: std::array::from_fn(|_| vec![0.0; count]),
            steps: vec![0; count],
        };
        // Blocks of neighbours, as a server's columns hold them, in the main zone and in copies; then blocks of anybody.
        let mut home = Vec2::ZERO;
        for row in 0..count {
            if row % 16 == 0 || round == 3 {
                let zone =
                    land.zones()[if random.below(3) == 0 { random.below(land.zones().len()) } else { 0 }];
                home = zone.origin + zone.size * Vec2::new(random.unit(), random.unit());
            }
            rows.bodies[0][row] = home.x + random.between(-8.0, 8.0);
            rows.bodies[1][row] = home.y + random.between(-8.0, 8.0);
        }
        for _ in 0..150 {
            for row in 0..count {
                if random.below(8) == 0 {
                    let wanted = wish(&mut random);
                    (rows.wishes[0][row], rows.wishes[1][row]) = (wanted.x, wanted.y);
                }
                rows.steps[row] = [0, 1, 1, 1, 1, 1, 1, 2][random.below(8)];
            }
            for _ in 0..4 {
                let odd = [f32::NAN, f32::INFINITY, -1e30, -0.0, 1e-40, f32::MAX, 65_536.0, 500.0];
                let (column, row, value) = (random.below(7), random.below(count), odd[random.below(8)]);
                rows.bodies.iter_mut().chain(&mut rows.wishes).nth(column).unwrap()[row] = value;
            }
            let expected: Vec<Body> = (0..count)
                .map(|row| {
                    let wanted = Vec2::new(rows.wishes[0][row], rows.wishes[1][row]);
                    (0..rows.steps[row])
                        .fold(rows.body(row), |body, _| step(&land, &LIMITS, body, wanted, TICK_S))
                })
                .collect();
            let before: Vec<Body> = (0..count).map(|row| rows.body(row)).collect();
            walk(&land, &LIMITS, rows.columns(), TICK_S);
            for row in 0..count {
                let body = rows.body(row);
                assert_eq!(bits(body), bits(expected[row]), "row {row}: {body:?}, not {:?}", expected[row]);
                assert!(rows.steps[row] > 0 || bits(body) == bits(before[row]));
                moved += u32::from(body.x != before[row].x);
                compared += 1;
            }
        }
    }
    assert!(compared > 2_000_000 && moved > compared / 2, "{moved} of {compared} moved");
}

#[test]
fn a_wall_is_slid_along() {
    let mut plan = plan();
    plan.walls = vec![wall(10, 30, 30, 30), wall(30, 30, 50, 30)];
    let (land, wanted) = (land(&plan), Vec2::new(1.0, 1.0).normalize());
    let mut body = at(15.0, 28.0);
    for _ in 0..100 {
        body = step(&land, &LIMITS, body, wanted, TICK_S);
    }
    // Five seconds at 6 m/s and 45 degrees are 21 m along the wall, less what it takes to get going.
    assert!(body.x > 34.0 && body.x < 37.0 && body.y > 29.5 && body.y < 29.7, "{body:?}");
    assert!((body.vx - 6.0 * wanted.x).abs() < 0.3 && body.vy.abs() < 2.1, "{body:?}");
}

#[test]
fn a_corner_holds_and_lets_go() {
    let mut plan = plan();
    plan.walls = vec![wall(20, 20, 40, 20), wall(20, 20, 20, 40), wall(20, 20, 30, 26)];
    let land = land(&plan);
    for wanted in [Vec2::new(-1.0, -1.0), Vec2::new(-1.0, -0.2), Vec2::new(-0.2, -1.0), Vec2::new(-1.0, -0.6)]
    {
        for start in [at(25.0, 30.0), at(32.0, 22.0)] {
            let mut body = start;
            for _ in 0..200 {
                body = step(&land, &LIMITS, body, limit(wanted), TICK_S);
                assert!(body.x > 20.0 && body.y > 20.0 && land.is_free(body.x, body.y), "{body:?}");
            }
            let held = body;
            for _ in 0..40 {
                body = step(&land, &LIMITS, body, limit(Vec2::new(1.0, 0.6) + Vec2::new(0.0, 0.2)), TICK_S);
            }
            assert!(body.x > held.x + 3.0, "{held:?} does not get away: {body:?}");
        }
    }
}

#[test]
fn the_thinnest_wall_stops_the_fastest() {
    let mut plan = plan();
    plan.walls = vec![WallPlan { x0: 1024, y0: 0, x1: 1024, y1: 2048, thickness: 1, rise: 64 }];
    let (land, mut random) = (land(&plan), Random::new());
    let limits = Limits { speed_max_m_s: 1e9, acceleration_m_s2: 1e9 };
    for _ in 0..2_000 {
        let mut body = at(32.0 - random.between(0.4, 3.0), random.between(1.0, 63.0));
        (body.vx, body.vy) = (random.between(-10.0, 10.0), random.between(-10.0, 10.0));
        let wanted = Vec2::new(1.0, random.between(-1.0, 1.0)).normalize();
        for _ in 0..20 {
            body = step(&land, &limits, body, wanted, 0.1);
            assert!(body.x < 32.0, "{body:?}");
        }
    }
}

#[test]
fn nobody_climbs_what_is_too_steep_and_all_climb_what_is_not() {
    for (rise_m, climbs) in [(3.5, true), (4.5, false)] {
        let mut plan = plan();
        let columns = plan.columns() as usize;
        for (index, height) in plan.heights.iter_mut().enumerate() {
            // Level, a ramp of 4 m from x = 32 on, and a plateau.
            *height = if index % columns > 8 { (rise_m * 32.0) as i16 } else { 0 };
        }
        let land = land(&plan);
        let mut body = at(25.0, 20.0);
        for _ in 0..100 {
            body = step(&land, &LIMITS, body, Vec2::new(0.8, 0.6), TICK_S);
        }
        assert_eq!(body.x > 40.0, climbs, "{body:?}");
        assert!(body.y > 30.0, "goes on along the slope: {body:?}");
        let mut down = at(44.0, 20.0);
        for _ in 0..100 {
            down = step(&land, &LIMITS, down, Vec2::NEG_X, TICK_S);
        }
        assert!(down.x < 30.0 && down.z == 0.0, "{down:?}");
    }
}

#[test]
fn velocity_approaches_the_wish_and_ends_with_it() {
    let land = Land::flat(1_000.0, 1_000.0);
    let mut body = at(500.0, 500.0);
    body = step(&land, &LIMITS, body, Vec2::X, TICK_S);
    assert_eq!((body.vx, body.vy), (2.0, 0.0));
    for _ in 0..10 {
        body = step(&land, &LIMITS, body, Vec2::X, TICK_S);
    }
    assert!((body.vx - 6.0).abs() < 1e-5);
    for _ in 0..10 {
        body = step(&land, &LIMITS, body, Vec2::new(0.0, 0.5), TICK_S);
    }
    assert!(body.vx.abs() < 1e-5 && (body.vy - 3.0).abs() < 1e-5);
    for _ in 0..3 {
        body = step(&land, &LIMITS, body, Vec2::ZERO, TICK_S);
    }
    assert_eq!((body.vx, body.vy), (0.0, 0.0));
}

#[test]
fn odd_numbers_lead_to_a_place_where_a_body_may_be() {
    let land = example();
    let odd = [0.0, -0.0, 1e-45, -1.0, 500.3, 1_000.0, 1e30, -f32::MAX, f32::INFINITY, f32::NAN];
    for x in odd {
        for v in odd {
            for wanted in odd {
                for tick_s in odd {
                    let body = Body { x, y: v, z: wanted, vx: v, vy: x };
                    let limits = Limits { speed_max_m_s: v, acceleration_m_s2: wanted };
                    let body = step(&land, &limits, body, Vec2::new(wanted, x), tick_s);
                    assert!(land.is_free(body.x, body.y), "{x} {v} {wanted} {tick_s}: {body:?}");
                    assert!(body.z.is_finite() && body.vx.is_finite() && body.vy.is_finite(), "{body:?}");
                }
            }
        }
    }
}

#[test]
fn limit_keeps_short_wishes_and_directions() {
    assert_eq!(limit(Vec2::new(0.3, -0.4)), Vec2::new(0.3, -0.4));
    assert_eq!(limit(Vec2::ZERO), Vec2::ZERO);
    for wanted in [Vec2::new(3.0, 4.0), Vec2::new(3e30, 4e30), Vec2::new(1.8e38, 2.4e38)] {
        assert!((limit(wanted) - Vec2::new(0.6, 0.8)).length() < 1e-6, "{wanted}");
    }
    assert_eq!(limit(Vec2::new(f32::NAN, 1.0)), Vec2::ZERO);
    assert_eq!(limit(Vec2::new(f32::INFINITY, 1.0)), Vec2::ZERO);
}
