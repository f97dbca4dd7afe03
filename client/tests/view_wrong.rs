//! Snapshots that are not what they should be: each is counted, none is believed, and the view recovers.

mod reference;

use reference::{Parts, Rng, Server, full, own, world};
use throng_client::{Applied, Entity, View, ViewError};
use throng_schema::wire;

fn entity(id: u32, x: i16) -> Entity {
    Entity { id, x, y: -x, z: 0, yaw: 3, attr: [1, 2, 3, 4] }
}

fn fresh(tick: u32, list: &[Entity]) -> Parts {
    Parts {
        tick,
        own: Some(own(10.0, 10.0)),
        world: Some(world(1, 20)),
        full: list.iter().enumerate().map(|(index, entity)| full(entity, index as u16)).collect(),
        ..Parts::default()
    }
}

fn delta(tick: u32, baseline: u32) -> Parts {
    Parts { tick, baseline, own: Some(own(10.0, 10.0)), ..Parts::default() }
}

/// A view at tick 10 with entities 1, 2 and 3.
fn view() -> View {
    let mut view = View::new();
    let parts = fresh(10, &[entity(1, 100), entity(2, 200), entity(3, 300)]);
    assert_eq!(view.apply_bytes(&parts.bytes()), Ok(Applied::Reconstructed { tick: 10, checked: false }));
    view
}

fn ids(view: &View) -> Vec<u32> {
    view.near().iter().map(|entity| entity.id).collect()
}

/// Applies `parts` to a view of 1, 2, 3 and expects to see it refused without a trace.
fn refused(parts: Parts) -> ViewError {
    let mut view = view();
    let error = view.apply_bytes(&parts.bytes()).expect_err("this snapshot is wrong");
    assert_eq!((view.newest_tick(), ids(&view)), (10, vec![1, 2, 3]));
    assert_eq!(view.counters().decode_errors, u64::from(error.is_decode_error()));
    let fresh_wanted = !matches!(error, ViewError::Unusable { .. });
    assert_eq!(view.ack_tick(), if fresh_wanted { 0 } else { 10 });
    // And afterwards a fresh start puts everything right.
    view.apply_bytes(&fresh(20, &[entity(7, 7)]).bytes()).expect("a fresh start");
    assert_eq!((view.ack_tick(), ids(&view)), (20, vec![7]));
    error
}

#[test]
fn the_rules_in_order() {
    let mut view = view();
    let parts = Parts {
        gone: vec![1],
        full: vec![full(&entity(8, 800), 0), full(&entity(9, 900), 3)],
        changed: vec![0b0110],
        moved: vec![wire::Moved::new(-1, 1, 2, 77), wire::Moved::new(127, -128, 0, 78)],
        attr: vec![wire::Attr::new(2 | 3 << 14, 4000), wire::Attr::new(0, 1000)],
        ..delta(11, 10)
    };
    view.apply_bytes(&parts.bytes()).expect("all by the rules");
    let wanted = [
        Entity { id: 8, x: 800, y: -800, z: 0, yaw: 3, attr: [1000, 2, 3, 4] },
        Entity { id: 1, x: 99, y: -99, z: 2, yaw: 77, attr: [1, 2, 3, 4] },
        Entity { id: 3, x: 427, y: -428, z: 0, yaw: 78, attr: [1, 2, 3, 4000] },
        Entity { id: 9, x: 900, y: -900, z: 0, yaw: 3, attr: [1, 2, 3, 4] },
    ];
    assert_eq!(view.near(), wanted);
    // The older list is still a baseline, untouched.
    view.apply_bytes(&Parts { gone: vec![0, 2], ..delta(12, 10) }.bytes()).expect("an older baseline");
    assert_eq!(view.near(), [entity(2, 200)]);
}

#[test]
fn positions_wrap_both_on_the_wire_and_around_the_avatar() {
    let mut view = View::new();
    // Own x = 1023.5 m = 32752 units: neighbours straddle the sign change of 16 bits.
    let list =
        [Entity { id: 1, x: 32_767, ..Entity::default() }, Entity { id: 2, x: -32_760, ..Entity::default() }];
    view.apply_bytes(&Parts { own: Some(own(1023.5, 10.0)), ..fresh(1, &list) }.bytes()).expect("fresh");
    assert_eq!(view.units_of(32_767, 0, -5), [32_767, 0, -5]);
    assert_eq!(view.units_of(-32_760, 400, 0), [32_776, 400, 0]);
    let parts = Parts { changed: vec![1], moved: vec![wire::Moved::new(3, 0, 0, 0)], ..delta(2, 1) };
    view.apply_bytes(&Parts { own: Some(own(1023.5, 10.0)), ..parts }.bytes()).expect("a step");
    assert_eq!(view.near()[0].x, -32_766);
    assert_eq!(view.units_of(-32_766, 0, 0), [32_770, 0, 0]);
    // Height wraps as well, as the contract says; a server clamps so that it never has to.
    let high = [Entity { id: 1, z: i16::MAX, ..Entity::default() }];
    let mut tower = View::new();
    tower.apply_bytes(&fresh(1, &high).bytes()).expect("fresh");
    let parts = Parts { changed: vec![1], moved: vec![wire::Moved::new(0, 0, 1, 0)], ..delta(2, 1) };
    tower.apply_bytes(&parts.bytes()).expect("a step");
    assert_eq!(tower.near()[0].z, i16::MIN);
    // Far out in a wide world, too.
    view.apply_bytes(&Parts { own: Some(own(4000.0, 4000.0)), ..fresh(3, &[]) }.bytes()).expect("fresh");
    assert_eq!(
        view.units_of((128_000 - 1500_i32) as i16, (128_000 + 1500_i32) as i16, 0),
        [126_500, 129_500, 0]
    );
}

#[test]
fn ticks_that_cannot_be() {
    assert_eq!(refused(fresh(0, &[])), ViewError::TickOrder { tick: 0, baseline: 0 });
    assert_eq!(refused(delta(11, 11)), ViewError::TickOrder { tick: 11, baseline: 11 });
    assert_eq!(refused(delta(11, 12)), ViewError::TickOrder { tick: 11, baseline: 12 });
}

#[test]
fn missing_and_impossible_structures() {
    assert_eq!(refused(Parts { world: None, ..fresh(11, &[]) }), ViewError::WorldMissing);
    assert_eq!(refused(Parts { own: None, ..delta(11, 10) }), ViewError::OwnMissing);
    let nan = wire::Own::new(1.0, f32::NAN, 0.0, 0.0, 0.0, 0, 0);
    assert_eq!(refused(Parts { own: Some(nan), ..delta(11, 10) }), ViewError::OwnNotFinite);
    let still = wire::World::new(1, 100.0, 100.0, 50.0, 20, 32, 0, 0);
    assert!(matches!(refused(Parts { world: Some(still), ..fresh(11, &[]) }), ViewError::World(_)));
    let flat = wire::World::new(1, 100.0, f32::NEG_INFINITY, 50.0, 20, 32, 20, 0);
    assert!(matches!(refused(Parts { world: Some(flat), ..fresh(11, &[]) }), ViewError::World(_)));
}

#[test]
fn places_out_of_order_or_range() {
    let gone = |gone: &[u16]| refused(Parts { gone: gone.to_vec(), ..delta(11, 10) });
    assert_eq!(gone(&[3]), ViewError::Gone { place: 3, length: 3 });
    assert_eq!(gone(&[1, 1]), ViewError::Gone { place: 1, length: 3 });
    assert_eq!(gone(&[2, 0]), ViewError::Gone { place: 0, length: 3 });
    assert_eq!(gone(&[0, 1, 2, 3]), ViewError::Gone { place: 3, length: 3 });

    let entering = |indices: &[u16]| {
        let full = indices.iter().zip(50..).map(|(&index, id)| full(&entity(id, 0), index)).collect();
        refused(Parts { full, ..delta(11, 10) })
    };
    assert_eq!(entering(&[4]), ViewError::Full { index: 4, length: 4 });
    assert_eq!(entering(&[0, 0]), ViewError::Full { index: 0, length: 5 });
    assert_eq!(entering(&[3, 2]), ViewError::Full { index: 2, length: 5 });
    assert_eq!(entering(&[u16::MAX]), ViewError::Full { index: u16::MAX, length: 4 });

    let attr = |place| refused(Parts { attr: vec![wire::Attr::new(place, 1)], ..delta(11, 10) });
    assert_eq!(attr(3), ViewError::Attr { place: 3, length: 3 });
    assert_eq!(attr(u16::MAX), ViewError::Attr { place: 0x3FFF, length: 3 });
}

#[test]
fn changed_bits_and_moved_records_that_disagree() {
    let changed = |changed: &[u8], records: usize| {
        let moved = vec![wire::Moved::new(1, 1, 1, 1); records];
        refused(Parts { changed: changed.to_vec(), moved, ..delta(11, 10) })
    };
    assert_eq!(changed(&[0b11], 1), ViewError::Changed { bits: 2, records: 1, length: 3 });
    assert_eq!(changed(&[0b11], 3), ViewError::Changed { bits: 2, records: 3, length: 3 });
    assert_eq!(changed(&[], 1), ViewError::Changed { bits: 0, records: 1, length: 3 });
    assert_eq!(changed(&[0b1000], 1), ViewError::Changed { bits: 1, records: 1, length: 3 });
    assert_eq!(changed(&[0, 0x80], 1), ViewError::Changed { bits: 1, records: 1, length: 3 });
    // Zero bytes beyond the list say nothing and are no error.
    let mut view = view();
    let parts = Parts { changed: vec![1, 0, 0], moved: vec![wire::Moved::new(1, 0, 0, 0)], ..delta(11, 10) };
    view.apply_bytes(&parts.bytes()).expect("trailing zeros");
}

#[test]
fn an_entity_listed_twice() {
    let twice = |entering: &[Entity]| {
        let full = entering.iter().enumerate().map(|(index, entity)| full(entity, index as u16)).collect();
        refused(Parts { full, ..delta(11, 10) })
    };
    assert_eq!(twice(&[entity(2, 5)]), ViewError::Duplicate { id: 2 });
    assert_eq!(twice(&[entity(6, 5), entity(6, 6)]), ViewError::Duplicate { id: 6 });
    // Leaving and entering at once is a teleport.
    let mut view = view();
    let parts = Parts { gone: vec![1], full: vec![full(&entity(2, 9000), 2)], ..delta(11, 10) };
    view.apply_bytes(&parts.bytes()).expect("a teleport");
    assert_eq!(view.near(), [entity(1, 100), entity(3, 300), entity(2, 9000)]);
}

#[test]
fn a_list_can_be_as_long_as_allowed_and_no_longer() {
    let mut view = View::new();
    let mut id = 0;
    let mut entering = |from: usize, count: usize| -> Vec<wire::Full> {
        (from..from + count)
            .map(|index| {
                id += 1;
                full(&entity(id, 0), index as u16)
            })
            .collect()
    };
    view.apply_bytes(&fresh(1, &[]).bytes()).expect("an empty start");
    for tick in 0..16 {
        let parts = Parts { full: entering(tick as usize * 256, 256), ..delta(tick + 2, tick + 1) };
        view.apply_bytes(&parts.bytes()).expect("256 more");
    }
    assert_eq!(view.near().len(), 4096);
    let swap = Parts { gone: vec![0], full: entering(4095, 1), ..delta(18, 17) };
    view.apply_bytes(&swap.bytes()).expect("one leaves, one enters");
    let parts = Parts { full: entering(0, 1), ..delta(19, 18) };
    assert_eq!(view.apply_bytes(&parts.bytes()), Err(ViewError::TooLong { length: 4097 }));
}

#[test]
fn unknown_baselines_are_not_acknowledged_and_do_not_last() {
    assert_eq!(refused(delta(12, 11)), ViewError::Unusable { tick: 12, baseline: 11 });
    assert_eq!(refused(delta(12, 9)), ViewError::Unusable { tick: 12, baseline: 9 });
    // The 65th reconstructed list pushes the first one out.
    let mut view = view();
    for tick in 11..=73 {
        view.apply_bytes(&delta(tick, tick - 1).bytes()).expect("a quiet tick");
    }
    assert_eq!(
        view.apply_bytes(&delta(74, 10).bytes()),
        Ok(Applied::Reconstructed { tick: 74, checked: false })
    );
    assert_eq!(view.apply_bytes(&delta(75, 10).bytes()), Err(ViewError::Unusable { tick: 75, baseline: 10 }));
    // A server that goes on building on what we do not hold is asked to start over.
    for tick in 76..=81 {
        view.apply_bytes(&delta(tick, 10).bytes()).expect_err("no such baseline");
        assert_eq!(view.ack_tick(), 74);
    }
    view.apply_bytes(&delta(82, 10).bytes()).expect_err("no such baseline");
    assert_eq!((view.ack_tick(), view.counters().unusable), (0, 8));
    // Strays between good ones are no reason to start over.
    let mut view = self::view();
    for tick in (11..51).step_by(2) {
        view.apply_bytes(&delta(tick, 9).bytes()).expect_err("no such baseline");
        view.apply_bytes(&delta(tick + 1, 10).bytes()).expect("a good one");
    }
    assert_eq!((view.ack_tick(), view.counters().unusable), (50, 20));
}

#[test]
fn a_digest_that_disagrees_leads_to_a_fresh_start_and_recovery() {
    let mut server = Server::new(5, 40);
    let mut view = View::new();
    let mut baseline = 0;
    let mut recovered_at = 0;
    for tick in 1..=60 {
        server.step();
        let (mut parts, list) = server.snapshot(baseline, true);
        if tick == 30 {
            // A defect in the server: it believes to have sent something else.
            parts.digest ^= 0x10;
        }
        let result = view.apply_bytes(&parts.bytes());
        match tick {
            30 => {
                assert!(matches!(result, Err(ViewError::Mismatch { tick: 30, .. })));
                assert_eq!((view.ack_tick(), view.newest_tick()), (0, 29));
            }
            // Snapshots already under way build on lists that are no longer trusted.
            31..=33 => assert!(matches!(result, Err(ViewError::Unusable { .. }))),
            _ => {
                assert_eq!(result, Ok(Applied::Reconstructed { tick, checked: true }));
                assert_eq!(view.near(), list);
                recovered_at = if tick > 30 && recovered_at == 0 { tick } else { recovered_at };
            }
        }
        // The request for a fresh start takes three ticks to reach the server.
        if !(30..33).contains(&tick) {
            baseline = view.ack_tick();
        } else {
            baseline = 29;
        }
    }
    assert_eq!(recovered_at, 34);
    let counters = view.counters();
    assert_eq!((counters.mismatches, counters.unusable, counters.fresh_starts_wanted), (1, 3, 1));
}

#[test]
fn late_snapshots_are_ignored_and_a_tick_that_went_back_starts_over() {
    let mut view = view();
    view.apply_bytes(&delta(500, 10).bytes()).expect("after a long silence");
    assert_eq!(view.apply_bytes(&fresh(500, &[]).bytes()), Ok(Applied::Stale));
    assert_eq!(view.apply_bytes(&fresh(436, &[]).bytes()), Ok(Applied::Stale));
    assert_eq!(view.apply_bytes(&delta(20, 10).bytes()), Ok(Applied::Stale));
    assert_eq!(ids(&view), [1, 2, 3]);
    view.apply_bytes(&fresh(435, &[entity(5, 5)]).bytes()).expect("another time line");
    assert_eq!((view.ack_tick(), ids(&view)), (435, vec![5]));
    // Lists of the old time line are gone.
    assert_eq!(
        view.apply_bytes(&delta(501, 500).bytes()),
        Err(ViewError::Unusable { tick: 501, baseline: 500 })
    );
}

#[test]
fn spoiled_bytes_never_panic_and_are_counted() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 100..110 {
        println!("seed {seed}");
        let mut server = Server::new(seed, 20);
        let mut dice = Rng(seed);
        let mut view = View::new();
        let mut baseline = 0;
        for _ in 0..200 {
            server.step();
            let with_digest = dice.percent(70);
            let (parts, _) = server.snapshot(baseline, with_digest);
            let good = parts.bytes();
            for _ in 0..20 {
                let mut bad = good.clone();
                for _ in 0..=dice.below(3) {
                    let at = dice.below(bad.len() as u64) as usize;
                    bad[at] ^= 1 << dice.below(8);
                }
                if dice.percent(10) {
                    bad.truncate(dice.below(bad.len() as u64 + 1) as usize);
                }
                let before = *view.counters();
                let result = view.apply_bytes(&bad);
                let after = *view.counters();
                let errors = after.decode_errors + after.mismatches + after.unusable
                    - before.decode_errors
                    - before.mismatches
                    - before.unusable;
                assert_eq!(errors, u64::from(result.is_err()), "seed {seed}");
                if let Err(error) = result {
                    kinds.insert(error.to_string().split(' ').next().unwrap_or_default().to_owned());
                }
                assert!(view.near().len() <= 4096);
                view.far().iter().for_each(|far| assert_eq!(view.far_of(far.id), Some(far)));
            }
            // The server believes whatever it is told, as long as it sent that tick.
            let _ = view.apply_bytes(&good);
            baseline = if server.sent.contains_key(&view.ack_tick()) { view.ack_tick() } else { 0 };
        }
    }
    assert!(kinds.len() >= 6, "many kinds of damage were met: {kinds:?}");
}

#[test]
fn garbage_is_no_snapshot() {
    let mut view = view();
    let mut dice = Rng(9);
    for length in 0..1200 {
        let bytes: Vec<u8> = (0..length).map(|_| dice.next() as u8).collect();
        assert!(matches!(view.apply_bytes(&bytes), Err(ViewError::Unreadable(_))));
    }
    assert_eq!((view.counters().decode_errors, view.ack_tick()), (1200, 0));
}

#[test]
fn far_entities_are_forgotten_in_time_and_when_they_come_near() {
    let far = |id| wire::Far::new(id, 5, 6, 7, 8, 9);
    let mut view = view();
    view.apply_bytes(&Parts { far: vec![far(50), far(51), far(3)], ..delta(11, 10) }.bytes())
        .expect("far ones");
    let held = |view: &View| {
        let mut ids: Vec<u32> = view.far().iter().map(|far| far.id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(held(&view), [50, 51], "3 is near, whatever the record says");
    let parts = Parts { far: vec![far(51)], full: vec![full(&entity(50, 0), 0)], ..delta(12, 11) };
    view.apply_bytes(&parts.bytes()).expect("50 comes near");
    assert_eq!(held(&view), [51]);
    // refresh_ticks is 20, and 32 more are granted.
    view.apply_bytes(&delta(12 + 52, 12).bytes()).expect("at the bound");
    assert_eq!(held(&view), [51]);
    view.apply_bytes(&delta(12 + 53, 12).bytes()).expect("beyond the bound");
    assert_eq!(held(&view), []);
}

#[test]
fn events_come_once_each_and_only_since_the_baseline() {
    let event = |age, value| wire::Event::new(1, age, value, 2, 3, -32, 64);
    let values = |view: &View| view.events().iter().map(|e| (e.tick, e.value)).collect::<Vec<_>>();
    let mut view = view();
    view.apply_bytes(&Parts { events: vec![event(1, 5), event(1, 6), event(0, 7)], ..delta(12, 10) }.bytes())
        .expect("two ticks' events");
    assert_eq!(values(&view), [(11, 5), (11, 6), (12, 7)]);
    let first = view.events()[0];
    assert_eq!((first.kind, first.source, first.target, first.x, first.y), (1, 2, 3, -1.0, 2.0));
    // The acknowledgement was late: the same ones again, and a new one.
    let again = vec![event(3, 5), event(3, 6), event(2, 7), event(0, 8)];
    view.apply_bytes(&Parts { events: again, ..delta(14, 10) }.bytes()).expect("on the old baseline");
    assert_eq!(values(&view), [(14, 8)]);
    view.apply_bytes(&delta(15, 14).bytes()).expect("nothing happened");
    assert_eq!(values(&view), []);
    view.apply_bytes(&Parts { events: vec![event(0, 9)], ..fresh(16, &[]) }.bytes()).expect("afresh");
    assert_eq!(values(&view), [(16, 9)]);

    for events in [vec![event(1, 0)], vec![event(0, 0), event(1, 0)], vec![event(255, 0)]] {
        let parts = Parts { events, ..delta(11, 10) };
        assert!(matches!(refused(parts), ViewError::Event { .. }));
    }
    assert_eq!(refused(Parts { events: vec![event(1, 0)], ..fresh(12, &[]) }), ViewError::Event { age: 1 });
}

#[test]
fn own_attributes_are_those_of_the_baseline_unless_told() {
    let told = |attr: [u16; 4]| Some(wire::OwnAttr::new(&attr));
    let mut view = view();
    assert_eq!(view.own().attr, [0; 4], "never told");
    view.apply_bytes(&Parts { own_attr: told([1, 2, 3, 4]), ..delta(11, 10) }.bytes()).expect("told");
    view.apply_bytes(&Parts { own_attr: told([9; 4]), ..delta(12, 11) }.bytes()).expect("told anew");
    view.apply_bytes(&delta(13, 11).bytes()).expect("as at tick 11");
    assert_eq!(view.own().attr, [1, 2, 3, 4]);
    view.apply_bytes(&delta(14, 12).bytes()).expect("as at tick 12");
    assert_eq!(view.own().attr, [9; 4]);
}

#[test]
fn far_entities_are_kept_as_long_as_the_pace_allows() {
    let far = |id| wire::Far::new(id, 5, 6, 7, 8, 9);
    let slow = |refresh_ticks| Some(wire::Pace::new(500, refresh_ticks));
    let mut view = view();
    view.apply_bytes(&Parts { far: vec![far(50)], pace: slow(60), ..delta(11, 10) }.bytes()).expect("slow");
    assert_eq!((view.pace().speed, view.pace().refresh_ticks), (500, 60));
    // 60 and 32 more, instead of the world's 20.
    view.apply_bytes(&Parts { pace: slow(60), ..delta(11 + 92, 11) }.bytes()).expect("at the bound");
    assert_eq!(view.far().len(), 1);
    view.apply_bytes(&Parts { pace: slow(0), ..delta(11 + 93, 11) }.bytes()).expect("beyond it");
    assert_eq!((view.far().len(), view.pace().refresh_ticks), (0, 20));
    view.apply_bytes(&delta(11 + 94, 11).bytes()).expect("as usual");
    assert_eq!((view.pace().speed, view.pace().refresh_ticks), (1000, 20));
}
