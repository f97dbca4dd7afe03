//! Who is near: questions of systems, asked at odd moments, from odd places, about entities on cell borders.

use glam::Vec3;
use throng_engine::{EntityId, Found, NoColumns, World, WorldConfig, quantise};

fn world(view_radius_m: f32) -> World<NoColumns> {
    let (width_m, height_m, entities_max, refresh_ticks) = (1000.0, 1000.0, 100, 40);
    World::new(WorldConfig {
        width_m,
        height_m,
        view_radius_m,
        entities_max,
        tick_hz: 20,
        seed: 1,
        refresh_ticks,
    })
    .unwrap()
}

fn spawn(world: &mut World<NoColumns>, x: f32, y: f32) -> EntityId {
    world.spawn(Vec3::new(x, y, 0.0), 0).unwrap().0
}

fn finish_tick(world: &mut World<NoColumns>) {
    world.settle();
    world.publish(|_, _, _| {});
}

#[test]
fn a_system_is_told_the_last_published_tick() {
    let (mut world, mut found) = (world(50.0), Found::default());
    for i in 0..20u8 {
        spawn(&mut world, 500.0 + f32::from(i), 500.0);
    }
    for _ in 0..40 {
        world.begin_tick();
        let seen = if world.tick() == 1 { 0 } else { 20 };
        assert_eq!(world.within(500.0, 500.0, 40.0, &mut found).len(), seen, "tick {}", world.tick());
        finish_tick(&mut world);
        assert_eq!(world.within(500.0, 500.0, 40.0, &mut found).len(), 20);
    }
}

#[test]
fn a_guess_of_one_unit_grows() {
    let (mut world, mut found) = (world(50.0), Found::default());
    for i in 0..20u8 {
        spawn(&mut world, 500.0 + f32::from(i), 500.0);
    }
    world.begin_tick();
    finish_tick(&mut world);
    let mut guess_m = 0.04;
    assert_eq!(world.nearest(500.0, 500.0, 40.0, 5, &mut guess_m, &mut found).len(), 5);
}

#[test]
fn questions_from_outside_the_world_find_nobody_who_is_a_wrap_away() {
    let (mut world, mut found) = (world(50.0), Found::default());
    spawn(&mut world, 48.0, 500.0);
    world.begin_tick();
    finish_tick(&mut world);
    let nowhere = [
        (48.0 - 2048.0, 500.0, 40.0),
        (48.0, 500.0 + 2048.0, 40.0),
        (f32::NAN, f32::NAN, f32::NAN),
        (-786_432.0, f32::NEG_INFINITY, 1e9),
        (f32::INFINITY, 500.0, 40.0),
    ];
    for (x, y, radius) in nowhere {
        assert_eq!(world.within(x, y, radius, &mut found).len(), 0, "{x} {y} {radius}");
    }
    assert_eq!(world.within(-10.0, 500.0, 60.0, &mut found).len(), 1);
}

#[test]
fn an_entity_on_its_cells_border_is_found_from_the_edge_of_a_view() {
    // The border is no whole number of units here. Somebody may stray over it by 1/64 of a cell and still belong there.
    for cell_m in [51.9, 33.7, 101.97] {
        let (mut world, mut found) = (world(cell_m), Found::default());
        let id = spawn(&mut world, cell_m + 0.5, 25.0);
        world.begin_tick();
        finish_tick(&mut world);
        let least_m = cell_m - cell_m / 64.0 + 0.001;
        for step in 0..100u8 {
            world.begin_tick();
            let slot = world.slot(id).unwrap();
            let x_m = least_m + f32::from(step) * 0.0005;
            world.body.x[slot.row()] = x_m;
            finish_tick(&mut world);
            let asker_m = (quantise(x_m) - quantise(20.0)) as f32 / 32.0;
            assert_eq!(
                world.within(asker_m, 25.0, 20.0, &mut found).len(),
                1,
                "{x_m} in cells of {cell_m} m"
            );
        }
    }
}
