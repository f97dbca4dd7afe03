//! What the interpolator shows, and when.

mod reference;

use reference::{Parts, full, own, world};
use throng_client::interpolation::InterpolationConfig;
use throng_client::{Entity, Interpolator, Pose, View};
use throng_schema::wire;

const TICK_US: u64 = 50_000;
/// Local time of tick 0: clocks need not agree.
const START_US: u64 = 7_000_000;

struct Scene {
    view: View,
    interpolator: Interpolator,
    poses: Vec<Pose>,
}

fn arrival(tick: u32) -> u64 {
    START_US + u64::from(tick) * TICK_US
}

impl Scene {
    fn new() -> Self {
        let interpolator = Interpolator::new(InterpolationConfig::default());
        Self { view: View::new(), interpolator, poses: Vec::new() }
    }

    /// A snapshot without baseline that holds `near` (id, x in units, yaw), arriving `late_us` after its time.
    fn receive(&mut self, tick: u32, near: &[(u32, i32, u8)], late_us: u64) {
        self.receive_far(tick, near, &[], late_us);
    }

    fn receive_far(&mut self, tick: u32, near: &[(u32, i32, u8)], far: &[(u32, i32)], late_us: u64) {
        self.observe(parts(tick, near, far), arrival(tick) + late_us);
    }

    /// As [`Self::receive`] in a world of this pace, arriving at `now_us`.
    fn receive_at(&mut self, tick: u32, near: &[(u32, i32, u8)], speed: u16, now_us: u64) {
        let pace = (speed != 1000).then(|| wire::Pace::new(speed, 0));
        self.observe(Parts { pace, ..parts(tick, near, &[]) }, now_us);
    }

    fn observe(&mut self, parts: Parts, now_us: u64) {
        self.view.apply_bytes(&parts.bytes()).expect("a good snapshot");
        self.interpolator.observe(now_us, &self.view);
    }

    /// What is drawn when the server time `ticks` (whole and fraction) is shown.
    fn at(&mut self, ticks: f64) -> Vec<Pose> {
        let now_us = START_US + 100_000 + (ticks * TICK_US as f64) as u64;
        self.interpolator.sample(now_us, &mut self.poses);
        self.poses.sort_by_key(|pose| pose.id);
        self.poses.clone()
    }

    /// The x of entity 1 in units, if it is drawn.
    fn x(&mut self, ticks: f64) -> Option<f64> {
        self.at(ticks).iter().find(|pose| pose.id == 1).map(|pose| f64::from(pose.position[0]) * 32.0)
    }
}

fn parts(tick: u32, near: &[(u32, i32, u8)], far: &[(u32, i32)]) -> Parts {
    let full = near.iter().enumerate().map(|(index, &(id, x, yaw))| {
        full(&Entity { id, x: x as i16, yaw, ..Entity::default() }, index as u16)
    });
    let far = far.iter().map(|&(id, x)| wire::Far::new(id, x as i16, 0, 0, 0, 0));
    Parts {
        tick,
        own: Some(own(1024.0, 0.0)),
        world: Some(world(1, 20)),
        full: full.collect(),
        far: far.collect(),
        ..Parts::default()
    }
}

fn near(found: Option<f64>, wanted: f64) {
    let found = found.expect("the entity is drawn");
    assert!((found - wanted).abs() < 0.05, "found {found}, wanted {wanted}");
}

#[test]
fn between_two_snapshots_it_glides() {
    let mut scene = Scene::new();
    scene.receive(10, &[(1, 32_000, 0)], 0);
    scene.receive(11, &[(1, 32_010, 0)], 0);
    scene.receive(12, &[(1, 32_030, 0)], 0);
    assert_eq!(scene.x(9.9), None, "nothing is known of the time before");
    near(scene.x(10.0), 32_000.0);
    near(scene.x(10.5), 32_005.0);
    near(scene.x(11.0), 32_010.0);
    near(scene.x(11.25), 32_015.0);
    near(scene.x(12.0), 32_030.0);
}

#[test]
fn the_sixteen_bit_seam_does_not_show() {
    let mut scene = Scene::new();
    scene.receive(10, &[(1, 32_760, 250)], 0);
    scene.receive(11, &[(1, 32_776, 6)], 0);
    near(scene.x(10.25), 32_764.0);
    near(scene.x(10.5), 32_768.0);
    near(scene.x(10.75), 32_772.0);
    // Facing turns the short way, too: from 250 by 0 to 6.
    assert_eq!(scene.at(10.5)[0].yaw, 0);
    assert_eq!(scene.at(10.0)[0].yaw, 250 << 8);
}

#[test]
fn a_lost_snapshot_is_bridged_and_a_long_gap_is_caught_up_smoothly() {
    let mut scene = Scene::new();
    scene.receive(10, &[(1, 32_000, 0)], 0);
    scene.receive(12, &[(1, 32_020, 0)], 0);
    near(scene.x(10.5), 32_005.0);
    near(scene.x(11.0), 32_010.0);
    // Nothing for six ticks: it stays where it was last seen.
    near(scene.x(15.0), 32_020.0);
    near(scene.x(15.9), 32_020.0);
    // When tick 18 arrives, tick 16 is shown: it sets out from where it stands and is there in time.
    scene.receive(18, &[(1, 32_080, 0)], 0);
    near(scene.x(16.0), 32_020.0);
    near(scene.x(17.0), 32_050.0);
    near(scene.x(18.0), 32_080.0);
}

#[test]
fn late_arrival_delays_nothing_and_early_arrival_sets_the_clock() {
    let mut scene = Scene::new();
    scene.receive(10, &[(1, 32_000, 0)], 40_000);
    // Quicker than the first: the clock was 40 ms behind.
    scene.receive(11, &[(1, 32_010, 0)], 0);
    near(scene.x(10.5), 32_005.0);
    let before = scene.interpolator.render_us(arrival(20)).expect("a clock");
    scene.receive(12, &[(1, 32_020, 0)], 45_000);
    let after = scene.interpolator.render_us(arrival(20)).expect("a clock");
    assert!((0..1000).contains(&(before - after)), "one late snapshot moves the clock by {}", before - after);
    // A snapshot ignored by the view changes nothing either.
    scene.interpolator.observe(arrival(30), &scene.view);
    assert_eq!(scene.interpolator.render_us(arrival(20)), Some(after));
}

#[test]
fn entities_appear_and_disappear_when_their_time_is_shown() {
    let mut scene = Scene::new();
    scene.receive(10, &[(2, 32_000, 0)], 0);
    scene.receive(11, &[(2, 32_000, 0), (1, 32_100, 0)], 0);
    scene.receive(12, &[(1, 32_100, 0)], 0);
    let ids = |scene: &mut Scene, ticks| scene.at(ticks).iter().map(|pose| pose.id).collect::<Vec<_>>();
    assert_eq!(ids(&mut scene, 10.5), [2]);
    assert_eq!(ids(&mut scene, 11.0), [1, 2]);
    assert_eq!(ids(&mut scene, 11.9), [1, 2]);
    assert_eq!(ids(&mut scene, 12.1), [1]);
    for tick in 13..40 {
        scene.receive(tick, &[(1, 32_100, 0)], 0);
    }
    assert_eq!(ids(&mut scene, 39.0), [1]);
    // It comes back elsewhere: no glide across the time in which nobody knew.
    scene.receive(40, &[(1, 32_100, 0), (2, 32_050, 0)], 0);
    scene.receive(41, &[(1, 32_100, 0), (2, 32_060, 0)], 0);
    assert_eq!(ids(&mut scene, 39.9), [1]);
    assert!((scene.at(40.5)[1].position[0] * 32.0 - 32_055.0).abs() < 0.1);
}

#[test]
fn a_short_absence_is_not_glided_over() {
    let mut scene = Scene::new();
    scene.receive(10, &[(1, 32_000, 0)], 0);
    scene.receive(11, &[], 0);
    scene.receive(12, &[(1, 32_100, 0)], 0);
    near(scene.x(11.9), 32_000.0);
    near(scene.x(12.0), 32_100.0);
}

#[test]
fn a_teleport_is_a_jump() {
    let mut scene = Scene::new();
    scene.receive(10, &[(1, 32_000, 0)], 0);
    scene.receive(11, &[(1, 33_000, 0)], 0);
    near(scene.x(10.99), 32_000.0);
    near(scene.x(11.0), 33_000.0);
}

#[test]
fn far_entities_glide_to_each_refreshed_place() {
    let mut scene = Scene::new();
    scene.receive_far(10, &[], &[(1, 32_000)], 0);
    for tick in 11..20 {
        scene.receive_far(tick, &[], &[], 0);
        near(scene.x(f64::from(tick) - 1.0), 32_000.0);
    }
    scene.receive_far(20, &[], &[(1, 32_100)], 0);
    near(scene.x(18.0), 32_000.0);
    near(scene.x(19.0), 32_050.0);
    near(scene.x(20.0), 32_100.0);
    // Never refreshed again: forgotten with the view (20 + 32 ticks).
    for tick in 21..80 {
        scene.receive_far(tick, &[], &[], 0);
    }
    assert_eq!(scene.x(79.0), None);
}

#[test]
fn another_time_line_starts_over() {
    let mut scene = Scene::new();
    scene.receive(500, &[(1, 32_000, 0)], 0);
    scene.receive(10, &[(1, 32_500, 0)], 0);
    near(scene.x(10.0), 32_500.0);
}

#[test]
fn playback_slows_down_with_the_world_and_recovers() {
    let mut scene = Scene::new();
    let mut poses = Vec::new();
    let (mut tick, mut now_us, mut x) = (10, START_US, 32_000);
    let mut drawn: Option<f64> = None;
    for (speed, ticks) in [(1000, 40), (500, 40), (250, 20), (1000, 60)] {
        let period_us = TICK_US * 1000 / u64::from(speed);
        for done in 0..ticks {
            scene.receive_at(tick, &[(1, x, 0)], speed, now_us);
            // Ten units a tick, drawn each millisecond: never back, never faster than half as fast again.
            for ms in 1..=period_us / 1000 {
                let at_us = now_us + ms * 1000;
                scene.interpolator.sample(at_us, &mut poses);
                let Some(pose) = poses.first() else { continue };
                let found = f64::from(pose.position[0]) * 32.0;
                let per_tick = (found - drawn.unwrap_or(found)) * period_us as f64 / 1000.0;
                assert!((-0.01..=15.0).contains(&per_tick), "speed {speed}, tick {tick}: {per_tick}");
                if done > 10 {
                    // Two ticks behind, however long those take.
                    let shown = f64::from(tick - 2) + ms as f64 * 1000.0 / period_us as f64;
                    let wanted = 32_000.0 + (shown - 10.0) * 10.0;
                    assert!((found - wanted).abs() < 0.1, "speed {speed}, tick {tick}: {found}, {wanted}");
                    assert_eq!(scene.interpolator.shown_tick(at_us), shown as u32);
                }
                drawn = Some(found);
            }
            (tick, x, now_us) = (tick + 1, x + 10, now_us + period_us);
        }
    }
}

#[test]
fn a_slow_down_learned_late_is_put_right_soon() {
    let mut scene = Scene::new();
    let mut now_us = START_US;
    for tick in 10..30 {
        scene.receive_at(tick, &[(1, 32_000, 0)], 1000, now_us);
        now_us += TICK_US;
    }
    // Half the pace from here on, and the next ten snapshots are lost.
    now_us += 20 * TICK_US;
    let mut ahead_ticks = Vec::new();
    for tick in 40..100 {
        scene.receive_at(tick, &[(1, 32_000, 0)], 500, now_us);
        let shown_us = scene.interpolator.render_us(now_us).expect("a clock");
        ahead_ticks.push(shown_us as f64 / TICK_US as f64 - f64::from(tick - 2));
        now_us += 2 * TICK_US;
    }
    assert!(ahead_ticks[0] > 8.0, "{ahead_ticks:?}");
    assert!(ahead_ticks[25] < 2.1, "{ahead_ticks:?}");
    assert!(ahead_ticks.is_sorted_by(|a, b| a >= b));
}

#[test]
fn what_is_shown_is_told_as_a_tick() {
    let mut scene = Scene::new();
    assert_eq!(scene.interpolator.shown_tick(arrival(5)), 0, "nothing is shown yet");
    scene.receive(1, &[(1, 32_000, 0)], 0);
    assert_eq!(scene.interpolator.shown_tick(arrival(1)), 0, "a time before the first tick");
    for tick in 2..12 {
        scene.receive(tick, &[(1, 32_000, 0)], 0);
    }
    assert_eq!(scene.interpolator.shown_tick(arrival(11)), 9);
    assert_eq!(scene.interpolator.shown_tick(arrival(11) + TICK_US - 1), 9);
    assert_eq!(scene.interpolator.shown_tick(arrival(12)), 10);
    // Silence: everybody stays where the newest snapshot had them.
    assert_eq!(scene.interpolator.shown_tick(arrival(50)), 11);
}
