//! A session's worth of snapshots through a bad network: losses, a duplicate, reordering, a digest that is
//! wrong on purpose, baselines of several ages, and a stall longer than the server's history.

use crate::common::encode::{Draft, OWN, digest};
use crate::common::view::{Outcome, View};
use crate::common::{Entity, Random, hex};
use crate::golden_messages::{event_rows, far_rows, rows};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use throng_schema::limits::{BASELINE_AGE_TICKS_MAX, UNITS_PER_METRE};
use throng_schema::wire::Event;

const NEAR_UNITS: i32 = 700;
const FAR_UNITS: i32 = 1600;
const TICK_FIRST: u32 = 100;
const TICK_WRONG_DIGEST: u32 = 122;
const TICK_LAST: u32 = 140;
const TICK_AFTER_STALL: u32 = 190;

/// Around the avatar, which stands at the seam of the wrapped positions; absolute units.
struct Walker {
    entity: Entity,
    position: [i32; 2],
    velocity: [i32; 2],
}

struct Sim {
    walkers: Vec<Walker>,
    next_id: u32,
    random: Random,
}

fn own_units() -> [i32; 2] {
    [OWN[0], OWN[1]].map(|m| (m * UNITS_PER_METRE as f32).floor() as i32)
}

impl Sim {
    fn new() -> Self {
        let mut sim = Self { walkers: Vec::new(), next_id: 500, random: Random(7) };
        (0..60).for_each(|_| sim.spawn());
        sim
    }

    fn spawn(&mut self) {
        let mut spread = |units: i32| self.random.below(2 * units as usize) as i32 - units;
        let position = own_units().map(|u| u + spread(FAR_UNITS));
        let velocity = [spread(40), spread(40)];
        let entity =
            Entity { id: self.next_id, z: spread(300) as i16, attr: [900, 1, 2, 3], ..Entity::default() };
        self.next_id += 3;
        self.walkers.push(Walker { entity, position, velocity });
    }

    fn step(&mut self) {
        for w in &mut self.walkers {
            let roll = self.random.below(40);
            if roll < 25 {
                w.position = [w.position[0] + w.velocity[0], w.position[1] + w.velocity[1]];
                w.entity.yaw = w.entity.yaw.wrapping_add(roll as u8);
            }
            match roll {
                25 => w.velocity = w.velocity.map(|v| -v),
                26 | 27 => w.entity.attr[0] -= 7,
                28 => w.entity.attr[roll % 3 + 1] ^= 0x8001,
                29 => w.entity.z += 100,
                30 => w.position[1] = own_units()[1] - 300, // a teleport, mostly too far for a record
                _ => {}
            }
            // Wrapping is the point: the low 16 bits.
            [w.entity.x, w.entity.y] = w.position.map(|units| units as i16);
        }
        if self.random.below(3) == 0 {
            let gone = self.random.below(self.walkers.len());
            self.walkers.swap_remove(gone);
            self.spawn();
        }
    }

    fn within(&self, least: i32, most: i32) -> Vec<Entity> {
        let distance = |w: &Walker| {
            let [x, y] = own_units();
            (w.position[0] - x).abs().max((w.position[1] - y).abs())
        };
        let mut list: Vec<Entity> =
            self.walkers.iter().filter(|w| (least..most).contains(&distance(w))).map(|w| w.entity).collect();
        // Any order does, as long as survivors keep theirs; this one puts newcomers anywhere.
        list.sort_by_key(|e| e.id.wrapping_mul(0x9E37_79B1));
        list
    }
}

/// What the own attributes are at a tick.
fn own_attr(tick: u32) -> [u16; 4] {
    [(tick / 4) as u16, 2, 3, (tick / 30) as u16]
}

/// In which ticks something happens.
fn happens(tick: u32) -> bool {
    tick.is_multiple_of(3)
}

fn deliver(view: &mut View, truth: &BTreeMap<u32, Vec<Entity>>, tick: u32, message: &[u8]) -> Value {
    let outcome = match view.receive(message) {
        Ok(outcome) => {
            if outcome == Outcome::Applied {
                assert_eq!(view.near(), truth[&tick], "tick {tick}");
                assert_eq!(view.own_attrs[&tick], own_attr(tick), "tick {tick}");
            }
            format!("{outcome:?}").to_lowercase()
        }
        Err(reason) => reason,
    };
    let mut expect = json!({ "outcome": &outcome, "ack_tick": view.ack_tick() });
    // What a client shows while it waits for a fresh start is its own business.
    if !view.lost {
        expect["near"] = view.near().len().into();
        expect["digest"] = digest(view.near()).into();
        expect["far"] = view.far.len().into();
        expect["own_attr"] = view.own_attrs[&view.newest].into();
        expect["events"] = if outcome == "applied" { event_rows(view) } else { json!([]) };
    }
    json!({ "tick": tick, "message": hex(message), "expect": expect })
}

pub fn sequence() -> Value {
    let mut sim = Sim::new();
    let mut view = View::default();
    let mut truth: BTreeMap<u32, Vec<Entity>> = BTreeMap::new();
    let mut acks: BTreeMap<u32, u32> = BTreeMap::new();
    let mut held: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut steps = Vec::new();
    let mut ages = BTreeMap::new();

    for tick in (TICK_FIRST..=TICK_LAST).chain(TICK_AFTER_STALL..=TICK_AFTER_STALL + 2) {
        sim.step();
        let near = sim.within(0, NEAR_UNITS);
        // What the server has heard: acknowledgements are two ticks on their way and one in five is lost.
        let heard = acks.range(..tick.saturating_sub(1)).next_back().map_or(0, |(_, ack)| *ack);
        let baseline = if tick - heard > BASELINE_AGE_TICKS_MAX { 0 } else { heard };
        *ages.entry(if baseline == 0 { 0 } else { tick - baseline }).or_insert(0) += 1;
        let ring = sim.within(NEAR_UNITS, FAR_UNITS);
        let turn: Vec<Entity> = ring.into_iter().filter(|e| (e.id + tick).is_multiple_of(6)).collect();
        let first = if baseline == 0 { tick } else { baseline + 1 };
        let events: Vec<Event> = (first..=tick)
            .filter(|at| happens(*at))
            .map(|at| Event::new(1, (tick - at) as u8, at as u16, at, 0, 5, 6))
            .collect();
        let draft = Draft {
            tick,
            baseline,
            input: tick - 97,
            digest: tick % 5 == 0,
            world: baseline == 0,
            far: &turn,
            own_attr: (baseline == 0 || own_attr(baseline) != own_attr(tick)).then(|| own_attr(tick)),
            pace: (130..135).contains(&tick).then_some([900, 10]),
            events: &events,
            ..Draft::default()
        };
        let old = if baseline == 0 { &[][..] } else { &truth[&baseline] };
        let message = if tick == TICK_WRONG_DIGEST {
            draft.build(&crate::common::encode::records(old, &near), digest(&near) ^ 0x10)
        } else {
            draft.encode(old, &near)
        };
        truth.insert(tick, near);

        match (tick, sim.random.below(5)) {
            (TICK_FIRST | TICK_WRONG_DIGEST | TICK_AFTER_STALL.., _) | (_, 2..) => {
                steps.push(deliver(&mut view, &truth, tick, &message));
                if tick % 9 == 0 {
                    steps.push(deliver(&mut view, &truth, tick, &message)); // a duplicate
                }
            }
            (_, 0) => steps.push(json!({ "tick": tick, "message": hex(&message), "lost": true })),
            (_, _) => held.push((tick, message)), // overtaken by the next
        }
        if held.first().is_some_and(|(at, _)| *at < tick) {
            let (at, late) = held.remove(0);
            steps.push(deliver(&mut view, &truth, at, &late));
        }
        if sim.random.below(5) != 0 {
            acks.insert(tick, view.ack_tick());
        }
    }

    let count = |outcome: &str| steps.iter().filter(|s| s["expect"]["outcome"] == outcome).count();
    let lost = steps.iter().filter(|s| s["lost"] == true).count();
    // The vector is worthless if a change of the world made one of its events disappear.
    assert!(
        count("applied") >= 20 && count("stale") >= 2 && count("unusable") >= 1 && lost >= 4,
        "{steps:#?}"
    );
    assert_eq!(count("digest differs"), 1);
    assert!(ages.len() >= 4 && ages[&0] >= 3, "baselines by age: {ages:?}");
    assert_eq!(view.near(), truth[&(TICK_AFTER_STALL + 2)]);
    json!({
        "about": "Deliver the messages in order, except the lost ones. Before the first: an empty view.",
        "steps": steps,
        "final": { "tick": view.newest, "near": rows(view.near()), "far": far_rows(&view) },
    })
}
