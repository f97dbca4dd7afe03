//! What happens is told: to everybody who sees the place, in the tick of it, once, through loss and reordering.

mod common;

use std::collections::{BTreeMap, VecDeque};

use common::*;
use throng_client::{Happening, Pace, View};
use throng_engine::limits::{EVENTS_MAX, EVENTS_TICK_MAX};
use throng_engine::{Encoded, EntityId, Event, Random, Request, Viewer, World, quantise};
use throng_schema::limits::PAYLOAD_BYTES_MAX;

struct Client {
    own: EntityId,
    viewer: Viewer,
    view: View,
    acked: u32,
    /// Messages under way: (tick of arrival, bytes).
    inbox: VecDeque<(u32, Vec<u8>)>,
}

impl Client {
    fn new(own: EntityId) -> Self {
        Self { own, viewer: Viewer::default(), view: View::new(), acked: 0, inbox: VecDeque::new() }
    }

    fn encode(&mut self, world: &World<Tags>, budget_bytes: usize) -> (Encoded, Vec<u8>) {
        let mut out = [0xaa; PAYLOAD_BYTES_MAX];
        let request = Request { acked_tick: self.acked, budget_bytes, ..Request::fresh(self.own) };
        let encoded = world.encode(&mut self.viewer, &request, &mut out).expect("the avatar lives");
        assert!(encoded.bytes <= budget_bytes, "{encoded:?}");
        (encoded, out[..encoded.bytes].to_vec())
    }
}

/// As a client is told it, and in an order of its own.
fn sorted(events: impl IntoIterator<Item = Happening>) -> Vec<[i64; 7]> {
    let numbers = |h: Happening| {
        let (x, y) = (quantise(h.x), quantise(h.y));
        [h.tick.into(), h.kind.into(), h.value.into(), h.source.into(), h.target.into(), x.into(), y.into()]
    };
    let mut all: Vec<[i64; 7]> = events.into_iter().map(numbers).collect();
    all.sort_unstable();
    all
}

fn told(tick: u32, event: &Event) -> Happening {
    let metres = |metres: f32| quantise(metres) as f32 / 32.0;
    let Event { kind, value, source, target, x_m, y_m } = *event;
    Happening { tick, kind, value, source, target, x: metres(x_m), y: metres(y_m) }
}

/// Begins a tick, tells of `count` things all over the place, and finishes it as [`tick`] does.
fn tick_with(world: &mut World<Tags>, seed: u64, count: u32) -> Vec<Event> {
    let mut happened = Vec::new();
    tick_telling(world, seed, |world| {
        let mut random = Random::of_tick(seed, world.tick(), 9);
        let (width, height) = (world.config().width_m, world.config().height_m);
        for number in 0..count {
            let event = Event {
                kind: random.next_u32() as u8,
                value: number as u16,
                source: 1 << 31 | number,
                target: 0,
                x_m: random.unit() * width,
                y_m: random.unit() * height,
            };
            world.tell(event);
            happened.push(event);
        }
    });
    happened
}

/// Squared distance in units, and the square of the view radius.
fn is_seen(event: &Event, [x, y]: [i32; 2]) -> bool {
    let (dx, dy) = (i64::from(quantise(event.x_m) - x), i64::from(quantise(event.y_m) - y));
    dx * dx + dy * dy <= 1600 * 1600
}

fn centre(world: &World<Tags>, own: EntityId) -> [i32; 2] {
    let row = world.slot(own).unwrap().row();
    [quantise(world.body.x[row]), quantise(world.body.y[row])]
}

/// Runs clients over a network that loses and reorders; returns how many events were told to them.
fn run(side_m: f32, entities: u32, events_each: u32, losses_in_100: u32, delay_max: u32) -> [usize; 2] {
    let seed = seed();
    let mut random = Random::of_tick(seed, 0, 1);
    let mut world = World::<Tags>::new(config(side_m, entities, 40)).unwrap();
    let ids: Vec<EntityId> = (0..entities).map(|_| spawn(&mut world, &mut random)).collect();
    let mut clients: Vec<Client> = ids[..16].iter().map(|id| Client::new(*id)).collect();
    // By tick: what happened, and where each client was.
    let mut past = BTreeMap::<u32, (Vec<Event>, Vec<[i32; 2]>)>::new();
    let (mut count, mut late) = (0, 0);
    for _ in 0..400 {
        let happened = tick_with(&mut world, seed, random.below(2 * events_each + 1));
        let now = world.tick();
        past.insert(now, (happened, clients.iter().map(|client| centre(&world, client.own)).collect()));
        for (number, client) in clients.iter_mut().enumerate() {
            let (encoded, message) = client.encode(&world, PAYLOAD_BYTES_MAX);
            assert_eq!(encoded.events_left_out, 0, "under the cap nothing is left out");
            if random.below(100) >= losses_in_100 {
                client.inbox.push_back((now + random.below(delay_max + 1), message));
            }
            for _ in 0..client.inbox.len() {
                let (due, message) = client.inbox.pop_front().unwrap();
                if due > now {
                    client.inbox.push_back((due, message));
                    continue;
                }
                let snapshot = throng_schema::read_snapshot(&message).unwrap();
                let (before, tick) = (client.view.newest_tick(), snapshot.tick());
                client.view.apply_bytes(&message).expect("every message is sound");
                if tick <= before {
                    continue;
                }
                // All that was in view in the ticks since the last one, or in this one alone after a fresh start.
                let first = if snapshot.baseline() == 0 { tick } else { before + 1 };
                let seen = past.range(first..=tick).flat_map(|(tick, (events, centres))| {
                    let at = centres[number];
                    events.iter().filter(move |event| is_seen(event, at)).map(|event| told(*tick, event))
                });
                let expected = sorted(seen);
                assert_eq!(sorted(client.view.events().iter().copied()), expected, "tick {tick}");
                assert!(client.view.events().is_sorted_by_key(|event| event.tick));
                count += expected.len();
                late += expected.iter().filter(|event| event[0] != i64::from(tick)).count();
                if random.below(100) >= losses_in_100 {
                    client.acked = client.view.ack_tick();
                }
            }
        }
        past.retain(|tick, _| tick + 64 > now);
    }
    assert!(clients.iter().all(|client| client.view.counters().decode_errors == 0));
    [count, late]
}

#[test]
fn each_event_in_view_is_told_once() {
    let [count, _] = run(380.0, 300, 12, 0, 0);
    assert!(count > 3_000, "{count}");
}

#[test]
fn each_event_in_view_is_told_once_through_loss_and_reordering() {
    let [count, late] = run(380.0, 300, 6, 15, 3);
    assert!(count > 1_000 && late > 300, "{count} told, {late} of them late");
}

#[test]
fn events_that_lie_a_wrap_apart_are_told_apart() {
    let [count, _] = run(6_500.0, 1_500, 400, 10, 2);
    assert!(count > 200, "{count}");
}

#[test]
fn of_too_many_the_own_and_the_nearest_are_told_within_the_budget() {
    let mut random = Random::of_tick(seed(), 0, 2);
    let mut world = World::<Tags>::new(config(300.0, 100, 40)).unwrap();
    let own = spawn(&mut world, &mut random);
    let row = world.slot(own).unwrap().row();
    (world.body.x[row], world.body.y[row]) = (150.0, 110.0);
    // More than are collected before most are dropped, too.
    for (count, budget_bytes) in [(30, PAYLOAD_BYTES_MAX), (900, PAYLOAD_BYTES_MAX), (900, 500)] {
        world.begin_tick();
        world.settle();
        for number in 0..count {
            // Every tenth is the avatar's own, and those are the furthest away.
            let is_own = number % 10 == 9;
            let x_m = if is_own { 190.0 } else { 150.0 + number as f32 / 32.0 };
            let (source, target) = if is_own { (7, own.to_bits()) } else { (8, 9) };
            world.tell(Event { kind: 1, value: number, source, target, x_m, y_m: 110.0 });
        }
        world.publish(|_, _, _| {});
        let mut client = Client::new(own);
        let (encoded, message) = client.encode(&world, budget_bytes);
        client.view.apply_bytes(&message).unwrap();
        let told = client.view.events();
        let most = EVENTS_MAX.min((budget_bytes - 160) / 2 / 16);
        assert_eq!((told.len(), encoded.events as usize), (most, most));
        assert_eq!(encoded.events_left_out, u32::from(count) - most as u32);
        let owns = told.iter().filter(|event| event.target == own.to_bits()).count();
        assert_eq!(owns, (usize::from(count) / 10).min(most));
        let furthest = told.iter().filter(|event| event.source == 8).map(|event| event.value).max();
        let expected = (0..count).filter(|number| number % 10 != 9).take(most - owns).max();
        assert_eq!(furthest, expected);
    }
}

#[test]
fn an_old_baseline_has_no_more_searched_than_the_newest_ticks() {
    let mut random = Random::of_tick(seed(), 0, 5);
    let mut world = World::<Tags>::new(config(300.0, 100, 40)).unwrap();
    let own = spawn(&mut world, &mut random);
    let row = world.slot(own).unwrap().row();
    (world.body.x[row], world.body.y[row]) = (150.0, 110.0);
    let tick_with = |world: &mut World<Tags>, count: u32| {
        world.begin_tick();
        world.settle();
        for number in 0..count {
            // In two cells at least; the older, the nearer.
            let x_m = if number % 2 == 0 { 150.0 - world.tick() as f32 * 0.1 } else { 185.0 };
            world.tell(Event { kind: 1, value: 0, source: 1 << 31 | number, target: 0, x_m, y_m: 110.0 });
        }
        world.publish(|_, _, _| {});
    };
    // How many happen in each tick after the baseline; from which of them on all are looked at.
    for (counts, first) in [(vec![300; 31], 29), (vec![600; 5], 4), (vec![100; 5], 0), (vec![1, 511, 1], 1)] {
        tick_with(&mut world, 0);
        let mut client = Client::new(own);
        let (_, message) = client.encode(&world, PAYLOAD_BYTES_MAX);
        client.view.apply_bytes(&message).unwrap();
        client.acked = world.tick();
        let baseline = world.tick();
        counts.iter().for_each(|count| tick_with(&mut world, *count));
        let (encoded, message) = client.encode(&world, PAYLOAD_BYTES_MAX);
        assert_eq!(encoded.baseline, baseline);
        client.view.apply_bytes(&message).unwrap();
        let told = client.view.events();
        assert_eq!(encoded.events as usize, told.len());
        assert_eq!(encoded.events_left_out as usize + told.len(), counts.iter().sum::<u32>() as usize);
        let oldest = told.iter().map(|event| event.tick).min().unwrap();
        assert_eq!(oldest, baseline + 1 + first, "{} ticks of {}", counts.len(), counts[0]);
    }
}

#[test]
fn a_tick_keeps_as_many_as_it_may_and_counts_the_rest() {
    let mut random = Random::of_tick(seed(), 0, 3);
    let mut world = World::<Tags>::new(config(300.0, 100, 40)).unwrap();
    let own = spawn(&mut world, &mut random);
    for round in 1..=2 {
        world.begin_tick();
        for number in 0..EVENTS_TICK_MAX as u32 + 5 {
            let (x_m, y_m) = ([0.0, f32::NAN, -1e9][number as usize % 3], f32::INFINITY);
            world.tell(Event { kind: 1, value: 0, source: number, target: own.to_bits(), x_m, y_m });
        }
        world.settle();
        world.publish(|_, _, _| {});
        assert_eq!(world.events_left_out_count(), round * 5);
    }
    let row = world.slot(own).unwrap().row();
    (world.body.x[row], world.body.y[row]) = (0.0, 225.0);
    world.begin_tick();
    world.settle();
    world.publish(|_, _, _| {});
    let mut client = Client::new(own);
    let (encoded, _) = client.encode(&world, PAYLOAD_BYTES_MAX);
    assert_eq!(
        (encoded.events, encoded.events_left_out),
        (0, 0),
        "a fresh start tells of its own tick alone"
    );
}

#[test]
#[should_panic(expected = "belongs to no tick")]
fn nothing_happens_between_ticks() {
    World::<Tags>::new(config(100.0, 10, 40)).unwrap().tell(Event::default());
}

#[test]
fn own_attributes_pace_and_waiting_inputs_arrive() {
    let seed = seed();
    let mut random = Random::of_tick(seed, 0, 4);
    let mut world = World::<Tags>::new(config(200.0, 200, 40)).unwrap();
    let ids: Vec<EntityId> = (0..200).map(|_| spawn(&mut world, &mut random)).collect();
    let mut clients: Vec<Client> = ids[..20].iter().map(|id| Client::new(*id)).collect();
    let (mut carried, mut left_away) = (0, 0);
    for step in 0..300_u32 {
        tick(&mut world, seed);
        let truth = truth(&world);
        for client in &mut clients {
            let mut out = [0; PAYLOAD_BYTES_MAX];
            // Slower for a while, and refreshed less often for another.
            let speed = if step % 50 < 20 { 800 } else { 1000 };
            let refresh_ticks = if step % 70 < 30 { 90 } else { 0 };
            let queued = (step % 20) as u8;
            let fresh = Request::fresh(client.own);
            let request = Request { acked_tick: client.acked, speed, refresh_ticks, queued, ..fresh };
            let encoded = world.encode(&mut client.viewer, &request, &mut out).unwrap();
            let message = &out[..encoded.bytes];
            let snapshot = throng_schema::read_snapshot(message).unwrap();
            let is_usual = speed == 1000 && refresh_ticks == 0;
            assert_eq!(snapshot.pace().is_none(), is_usual);
            assert!(snapshot.own_attr().is_some() || snapshot.baseline() != 0);
            carried += u32::from(snapshot.own_attr().is_some());
            left_away += u32::from(snapshot.own_attr().is_none());
            if random.below(10) == 0 {
                continue;
            }
            client.view.apply_bytes(message).expect("sound");
            let refresh_ticks = if refresh_ticks == 0 { 40 } else { 90 };
            assert_eq!(client.view.pace(), Pace { speed, refresh_ticks });
            assert_eq!(client.view.own().queued, queued.min(15));
            assert_eq!(client.view.own().attr, truth[&client.own.to_bits()].2.attr, "step {step}");
            if random.below(3) > 0 {
                client.acked = client.view.ack_tick();
            }
        }
    }
    assert!(carried > 300 && left_away > 3_000, "{carried} carried, {left_away} not");
}
