//! What a land knows: zones, their copies, places, lines of sight.
#![allow(missing_docs)]

mod common;

use common::{Random, example};
use throng_motion::limits::{SHOPS_MAX, SIGHT_M_MAX};
use throng_motion::{
    CirclePlan, DiscPlan, GenerateConfig, Land, LandError, LayoutError, ShopPlan, Vec2, Vec3, WallPlan,
    ZoneId, ZonePlan,
};

fn plan() -> ZonePlan {
    let mut plan = ZonePlan { width: 64 * 32, height: 64 * 32, spacing_m: 4, ..ZonePlan::default() };
    plan.heights = vec![0; (plan.columns() * plan.rows()) as usize];
    plan.player_spawns = vec![DiscPlan { x: 64, y: 64, radius: 32 }];
    plan
}

#[test]
fn zones_are_apart_and_a_place_belongs_to_at_most_one() {
    let (mut land, mut random) = (example(), Random::new());
    for (instances, gap_m) in [(0, 64.0), (1, 0.5), (12, 150.0), (500, 201.3)] {
        land.lay_out(instances, gap_m).unwrap();
        let zones = land.zones();
        assert_eq!(zones.len() as u32, 1 + instances);
        for (index, zone) in zones.iter().enumerate() {
            assert!((zone.origin + zone.size).cmple(land.size()).all());
            for other in &zones[..index] {
                let apart =
                    (zone.origin - other.origin - other.size).max(other.origin - zone.origin - zone.size);
                assert!(apart.max_element() >= gap_m, "{zone:?} and {other:?}");
            }
            let id = ZoneId(index as u32);
            assert_eq!(land.zone(id), Some(zone));
            for corner in [Vec2::ZERO, Vec2::X, Vec2::Y, Vec2::ONE] {
                let place = zone.origin + zone.size * corner;
                assert_eq!(land.zone_at(place.x, place.y), Some(id));
            }
            assert!(!land.player_spawns(id).is_empty());
            for disc in land.player_spawns(id) {
                let place = land.nearest_free(disc.centre.x, disc.centre.y);
                assert!(place.truncate().distance(disc.centre) <= disc.radius_m);
                assert!(land.is_free(place.x, place.y));
            }
        }
        for _ in 0..20_000 {
            let place = land.size() * Vec2::new(random.between(-0.1, 1.1), random.between(-0.1, 1.1));
            let is_in = |zone: &&throng_motion::Zone| {
                place.cmpge(zone.origin).all() && place.cmple(zone.origin + zone.size).all()
            };
            let found = land.zone_at(place.x, place.y);
            assert_eq!(found.and_then(|id| land.zone(id)), zones.iter().find(is_in));
        }
        let copies: Vec<u32> = land.instances(1).map(|(_, zone)| zone.instance).collect();
        assert_eq!(copies, (1..=instances).collect::<Vec<_>>());
        assert_eq!((land.instances(0).count(), land.instances(2).count()), (1, 0));
    }
    assert_eq!(land.zone_at(f32::NAN, 1.0), None);
    assert!(land.player_spawns(ZoneId(u32::MAX)).is_empty() && land.zone(ZoneId(u32::MAX)).is_none());
}

#[test]
fn copies_have_the_same_ground_and_things() {
    let land = example();
    let copies: Vec<_> = land.instances(1).collect();
    let (first, base) = copies[0];
    let areas = |id: ZoneId| land.spawn_areas().iter().filter(move |area| area.zone == id);
    assert!(areas(first).count() >= 10);
    for (id, zone) in &copies {
        let moved = zone.origin - base.origin;
        for (one, other) in areas(first).zip(areas(*id)) {
            assert_eq!((one.species, one.count, one.leash_m), (other.species, other.count, other.leash_m));
            assert_eq!(one.area.centre() + moved, other.area.centre());
        }
        for step in 0..100 {
            let place = base.origin + Vec2::new(step as f32, 100.0 - step as f32);
            let there = place + moved;
            assert_eq!(land.height_at(place.x, place.y), land.height_at(there.x, there.y));
        }
    }
}

#[test]
fn what_cannot_be_laid_out_says_why_and_changes_nothing() {
    let mut land = example();
    let zones = land.zones().to_vec();
    for gap_m in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(land.lay_out(1, gap_m), Err(LayoutError::Gap { .. })));
    }
    let found = 1 + u64::from(u32::MAX);
    assert!(matches!(land.lay_out(u32::MAX, 100.0), Err(LayoutError::Copies { found: f, .. }) if f == found));
    assert!(matches!(land.lay_out(4_000, 2_000.0), Err(LayoutError::Size { .. })));
    assert_eq!(land.zones(), zones);
}

#[test]
fn shops_are_counted_with_all_copies() {
    let [main, mut village] = [plan(), plan()];
    village.shops = (0..SHOPS_MAX / 8).map(|number| ShopPlan { number, x: 32, y: 32 }).collect();
    let mut land = Land::build(vec![main, village]).unwrap();
    land.lay_out(8, 100.0).unwrap();
    assert_eq!(land.shops().len(), SHOPS_MAX as usize);
    let (found, allowed) = (u64::from(SHOPS_MAX / 8 * 9), SHOPS_MAX);
    assert_eq!(land.lay_out(9, 100.0), Err(LayoutError::Shops { instances: 9, found, allowed }));
    assert_eq!(land.shops().len(), SHOPS_MAX as usize);
}

#[test]
fn a_line_of_sight_ends_at_what_is_higher() {
    let mut plan = plan();
    plan.walls =
        vec![WallPlan { x0: 32 * 32, y0: 10 * 32, x1: 32 * 32, y1: 50 * 32, thickness: 16, rise: 64 }];
    plan.circles = vec![CirclePlan { x: 10 * 32, y: 30 * 32, radius: 32, rise: 96 }];
    let columns = plan.columns();
    // A dam of 8 m along y = 56.
    for (index, height) in plan.heights.iter_mut().enumerate() {
        if index as u32 / columns == 14 {
            *height = 8 * 32;
        }
    }
    let land = Land::build(vec![plan]).unwrap();
    let clear = |from: (f32, f32, f32), to: (f32, f32, f32)| {
        let (from, to) = (Vec3::from(from), Vec3::from(to));
        assert_eq!(land.is_clear(from, to), land.is_clear(to, from), "{from} {to}");
        land.is_clear(from, to)
    };
    assert!(!clear((20.0, 30.0, 1.5), (40.0, 30.0, 1.5)), "through the wall");
    assert!(clear((20.0, 30.0, 2.5), (40.0, 30.0, 2.5)), "over it");
    assert!(clear((20.0, 5.0, 1.5), (40.0, 5.0, 1.5)), "past its end");
    assert!(!clear((20.0, 9.9, 1.5), (40.0, 9.9, 1.5)), "at its round end");
    assert!(clear((20.0, 20.0, 1.5), (31.0, 20.0, 1.5)), "before it");
    assert!(!clear((5.0, 30.0, 1.5), (20.0, 30.9, 1.5)), "through the tree");
    assert!(clear((5.0, 31.1, 1.5), (20.0, 31.1, 1.5)), "past it");
    assert!(!clear((20.0, 52.0, 1.5), (20.0, 62.0, 1.5)), "through the dam");
    assert!(clear((20.0, 52.0, 9.0), (20.0, 62.0, 9.0)), "over it");
    assert!(clear((20.0, 20.0, 1.5), (20.0, 20.0, 1.5)), "to itself");
    let bad = Vec3::new(20.0, 20.0, f32::NAN);
    assert!(!land.is_clear(bad, Vec3::new(21.0, 20.0, 1.0)) && !land.is_clear(Vec3::splat(-1.0), bad));
    let wide = Land::flat(1_000.0, 1_000.0);
    let (from, ahead) = (Vec3::new(10.0, 10.0, 1.0), Vec3::X);
    assert!(wide.is_clear(from, from + ahead * SIGHT_M_MAX));
    assert!(!wide.is_clear(from, from + ahead * (SIGHT_M_MAX + 1.0)));
}

#[test]
fn sight_agrees_with_walking_over_the_line_in_small_steps() {
    let (land, mut random) = (example(), Random::new());
    let (mut clear, mut blocked) = (0, 0);
    for _ in 0..20_000 {
        let from =
            land.nearest_free(random.between(0.0, 1_000.0), random.between(0.0, 1_000.0)) + Vec3::Z * 1.5;
        let to = from + Vec3::new(random.between(-60.0, 60.0), random.between(-60.0, 60.0), 0.0);
        let to = to.with_z(land.height_at(to.x, to.y) + 1.5);
        if !land.is_clear(from, to) {
            blocked += 1;
            continue;
        }
        clear += 1;
        // What is clear at the samples that are looked at passes no ground higher than a bump between two of them.
        for part in 0..=100 {
            let at = from.lerp(to, part as f32 / 100.0);
            assert!(land.height_at(at.x, at.y) < at.z + 2.0, "{from} to {to} at {at}");
        }
    }
    assert!(clear > 2_000 && blocked > 2_000, "{clear} clear, {blocked} blocked");
}

#[test]
fn the_nearest_free_place_is_free_and_near() {
    let (land, mut random) = (example(), Random::new());
    let mut moved = 0;
    for _ in 0..20_000 {
        let place = land.size() * Vec2::new(random.unit(), random.unit());
        let free = land.nearest_free(place.x, place.y);
        assert!(land.is_free(free.x, free.y) && free.z == land.height_at(free.x, free.y), "{place} {free}");
        if land.zone_at(place.x, place.y).is_some() {
            assert_eq!(land.zone_at(place.x, place.y), land.zone_at(free.x, free.y));
            assert!(free.truncate().distance(place) < 40.0, "{place} {free}");
            moved += u32::from(free.truncate() != place);
        }
    }
    assert!(moved > 100, "{moved} places were taken");
}

#[test]
fn inventing_is_a_function_of_the_config() {
    let config = GenerateConfig { seed: 1, width_m: 1_000, height_m: 1_000 };
    assert!(
        Land::generate(&config).unwrap().write() == common::EXAMPLE,
        "see docs/world-file.md, the example"
    );
    let other = Land::generate(&GenerateConfig { seed: 2, ..config }).unwrap();
    assert!(other.write() != common::EXAMPLE);
    assert!((20..=30).contains(&other.shops().len()), "a shop for each 200 x 200 m");
    assert!(other.spawn_areas().len() >= 60 && other.zone_count() == 2);
    for (width_m, height_m) in [(64, 64), (100, 3_000), (10_000, 10_000)] {
        let land = Land::generate(&GenerateConfig { seed: 3, width_m, height_m }).unwrap();
        assert_eq!(land.size(), Vec2::new(width_m as f32, height_m as f32));
    }
    let small = Land::generate(&GenerateConfig { width_m: 63, ..config });
    assert!(matches!(small, Err(LandError::Value { found: 63, least: 64, .. })));
}

#[test]
fn a_flat_land_is_empty_up_to_the_largest() {
    for side_m in [8.0, 1_000.0, 1_234.56, 65_536.0] {
        let land = Land::flat(side_m, 8.0);
        assert!((land.size().x - side_m).abs() <= 1.0 && land.size().y == 8.0);
        assert!(land.is_free(0.0, 0.0) && land.is_free(side_m - 0.1, 8.0) && land.spawn_areas().is_empty());
    }
    assert_eq!(Land::flat(f32::NAN, -1.0).size(), Vec2::splat(8.0));
    let largest = Land::flat(65_536.0, 65_536.0);
    assert!(largest.is_free(65_536.0, 65_536.0) && largest.zone_at(65_536.1, 0.0).is_none());
}
