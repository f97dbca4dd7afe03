//! The hand-laid message against the builder's: same content, and the verifier takes both.

mod common;

use common::*;
use proptest::prelude::*;
use throng_engine::limits::BASELINE_SHIFT_UNITS_MAX;
use throng_engine::{Event, Random, Request, Viewer, World, quantise};
use throng_schema::limits::PAYLOAD_BYTES_MAX;
use throng_schema::{read_snapshot, wire};

/// The same snapshot, made by the library's builder.
fn rebuilt(snapshot: &wire::Snapshot<'_>) -> Vec<u8> {
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let gone = snapshot.gone().map(|all| builder.create_vector_from_iter(all.iter()));
    let full = snapshot.full().map(|all| builder.create_vector_from_iter(all.iter().copied()));
    let changed = snapshot.changed().map(|all| builder.create_vector_from_iter(all.iter()));
    let moved = snapshot.moved().map(|all| builder.create_vector_from_iter(all.iter().copied()));
    let attr = snapshot.attr().map(|all| builder.create_vector_from_iter(all.iter().copied()));
    let far = snapshot.far().map(|all| builder.create_vector_from_iter(all.iter().copied()));
    let events = snapshot.events().map(|all| builder.create_vector_from_iter(all.iter().copied()));
    let args = wire::SnapshotArgs {
        tick: snapshot.tick(),
        baseline: snapshot.baseline(),
        input: snapshot.input(),
        own: snapshot.own(),
        digest: snapshot.digest(),
        world: snapshot.world(),
        gone,
        full,
        changed,
        moved,
        attr,
        far,
        own_attr: snapshot.own_attr(),
        pace: snapshot.pace(),
        events,
    };
    let root = wire::Snapshot::create(&mut builder, &args);
    builder.finish_size_prefixed(root, None);
    builder.finished_data().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48 * std::env::var("THRONG_CASES").map_or(1, |times| times.parse().unwrap_or(1)), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_hand_laid_message_says_what_the_builders_would(
        seed in any::<u64>(),
        entities in 1u32..700,
        side_m in 20.0f32..400.0,
        budget_bytes in throng_engine::view::BUDGET_BYTES_MIN..=PAYLOAD_BYTES_MAX,
    ) {
        let mut random = Random::of_tick(seed, 0, 0);
        let mut world = World::<Tags>::new(config(side_m, entities, 40)).unwrap();
        let ids: Vec<_> = (0..entities).map(|_| spawn(&mut world, &mut random)).collect();
        let mut viewer = Viewer::default();
        let (mut acked_tick, mut acked_at) = (0, [0; 2]);
        for _ in 0..12 {
            tick_telling(&mut world, seed, |world| {
                let count = [0, 0, 3, 60][random.below(4) as usize];
                for _ in 0..count {
                    let [kind, value, source, target] = [0; 4].map(|_: u32| random.next_u32());
                    let (x_m, y_m) = (random.unit() * side_m, random.unit() * side_m * 0.75);
                    world.tell(Event { kind: kind as u8, value: value as u16, source, target, x_m, y_m });
                }
            });
            let row = world.slot(ids[0]).unwrap().row();
            let at = [world.body.x[row], world.body.y[row]].map(quantise);
            // Now and then the avatar itself is sent so far away that there is nothing to build on.
            let jumped = (0..2).any(|axis| (at[axis] - acked_at[axis]).abs() > BASELINE_SHIFT_UNITS_MAX);
            let baseline = if jumped { 0 } else { acked_tick };
            let mut out = vec![0xaa; budget_bytes];
            let (speed, refresh_ticks) = ([1000, 900][random.below(2) as usize], [0, 40, 55][random.below(3) as usize]);
            let queued = random.below(20) as u8;
            let request = Request {
                acked_tick,
                input: seed as u32,
                budget_bytes,
                speed,
                refresh_ticks,
                queued,
                ..Request::fresh(ids[0])
            };
            let encoded = world.encode(&mut viewer, &request, &mut out).unwrap();
            let message = &out[..encoded.bytes];
            let snapshot = read_snapshot(message).expect("the verifier accepts it");
            let rebuilt = rebuilt(&snapshot);
            let again = read_snapshot(&rebuilt).unwrap();
            prop_assert_eq!(format!("{snapshot:?}"), format!("{again:?}"));
            prop_assert!(encoded.bytes <= rebuilt.len() + 28, "{} and {}", encoded.bytes, rebuilt.len());
            prop_assert_eq!(snapshot.tick(), world.tick());
            prop_assert_eq!(snapshot.baseline(), baseline);
            prop_assert_eq!(snapshot.world().is_some(), baseline == 0);
            let own = snapshot.own().unwrap();
            let row = world.slot(ids[0]).unwrap().row();
            prop_assert_eq!((own.flags(), own.yaw()), (u16::from(queued.min(15)), world.body.yaw[row]));
            let pace = snapshot.pace().map(|pace| (pace.speed(), pace.refresh_ticks()));
            prop_assert_eq!(pace, (speed != 1000 || refresh_ticks == 55).then_some((speed, refresh_ticks.max(40))));
            prop_assert_eq!(snapshot.events().map_or(0, |all| all.len() as u32), encoded.events);
            prop_assert!(baseline != 0 || snapshot.own_attr().is_some());
            if random.below(3) > 0 {
                (acked_tick, acked_at) = (world.tick(), at);
            }
        }
    }
}
