//! A server's half of the view, written slowly and obviously: random worlds, and snapshots of them
//! against any baseline through the FlatBuffers builder.
#![allow(dead_code)]

use std::collections::BTreeMap;

use throng_client::Entity;
use throng_schema::wire;

/// A small seeded generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn signed(&mut self, most: i64) -> i64 {
        self.below(2 * most as u64 + 1) as i64 - most
    }
}

/// A snapshot in parts, so that a test can spoil one before it becomes bytes.
#[derive(Clone, Default)]
pub struct Parts {
    pub tick: u32,
    pub baseline: u32,
    pub input: u32,
    pub own: Option<wire::Own>,
    pub digest: u32,
    pub world: Option<wire::World>,
    pub gone: Vec<u16>,
    pub full: Vec<wire::Full>,
    pub changed: Vec<u8>,
    pub moved: Vec<wire::Moved>,
    pub attr: Vec<wire::Attr>,
    pub far: Vec<wire::Far>,
    pub own_attr: Option<wire::OwnAttr>,
    pub pace: Option<wire::Pace>,
    pub events: Vec<wire::Event>,
}

impl Parts {
    /// The message, with its size prefix. Empty vectors are left out.
    pub fn bytes(&self) -> Vec<u8> {
        let mut builder = flatbuffers::FlatBufferBuilder::with_capacity(1024);
        macro_rules! vector {
            ($name:ident) => {
                (!self.$name.is_empty()).then(|| builder.create_vector(&self.$name))
            };
        }
        let (gone, full, changed) = (vector!(gone), vector!(full), vector!(changed));
        let (moved, attr, far, events) = (vector!(moved), vector!(attr), vector!(far), vector!(events));
        let args = wire::SnapshotArgs {
            tick: self.tick,
            baseline: self.baseline,
            input: self.input,
            own: self.own.as_ref(),
            digest: self.digest,
            world: self.world.as_ref(),
            gone,
            full,
            changed,
            moved,
            attr,
            far,
            own_attr: self.own_attr.as_ref(),
            pace: self.pace.as_ref(),
            events,
        };
        let root = wire::Snapshot::create(&mut builder, &args);
        builder.finish_size_prefixed(root, None);
        builder.finished_data().to_vec()
    }
}

pub fn world(own_id: u32, refresh_ticks: u16) -> wire::World {
    wire::World::new(own_id, 4096.0, 4096.0, 50.0, refresh_ticks, 32, 20, 0)
}

pub fn own(x: f32, y: f32) -> wire::Own {
    wire::Own::new(x, y, 0.0, 1.0, -1.0, 0x4000, 0)
}

pub fn full(entity: &Entity, index: u16) -> wire::Full {
    let Entity { id, x, y, z, yaw, attr } = *entity;
    wire::Full::new(id, x, y, z, yaw, 0, index, &attr)
}

/// The digest as the wire contract words it.
pub fn digest(list: &[Entity]) -> u32 {
    let mut h: u32 = 0x811c_9dc5;
    for e in list {
        let words = [
            e.id,
            e.x as u16 as u32 | (e.y as u16 as u32) << 16,
            e.z as u16 as u32 | (e.yaw as u32) << 16,
            e.attr[0] as u32 | (e.attr[1] as u32) << 16,
            e.attr[2] as u32 | (e.attr[3] as u32) << 16,
        ];
        for w in words {
            h = (h ^ w).wrapping_mul(0x9E37_79B1).rotate_left(15);
        }
    }
    if h == 0 { 1 } else { h }
}

/// The difference of two near lists: `new` must hold the survivors of `base` in their old order.
/// What stayed within a byte's reach becomes a move, what leapt further leaves and enters again.
pub fn difference(base: &[Entity], new: &[Entity], parts: &mut Parts) {
    let reach = |a: i16, b: i16| i8::try_from(b.wrapping_sub(a)).ok();
    let moved = |old: &Entity, now: &Entity| {
        Some(wire::Moved::new(reach(old.x, now.x)?, reach(old.y, now.y)?, reach(old.z, now.z)?, now.yaw))
    };
    parts.changed = vec![0; new.len().div_ceil(8)];
    let mut kept = Vec::new();
    for (place, now) in new.iter().enumerate() {
        let old = base.iter().find(|old| old.id == now.id);
        let Some((old, record)) = old.and_then(|old| Some((old, moved(old, now)?))) else {
            parts.full.push(full(now, place as u16));
            continue;
        };
        kept.push(now.id);
        if (old.x, old.y, old.z, old.yaw) != (now.x, now.y, now.z, now.yaw) {
            parts.changed[place / 8] |= 1 << (place % 8);
            parts.moved.push(record);
        }
        for which in 0..4 {
            if old.attr[which] != now.attr[which] {
                parts.attr.push(wire::Attr::new(place as u16 | (which as u16) << 14, now.attr[which]));
            }
        }
    }
    for (place, old) in base.iter().enumerate() {
        if !kept.contains(&old.id) {
            parts.gone.push(place as u16);
        }
    }
    while parts.changed.last() == Some(&0) {
        parts.changed.pop();
    }
}

/// A random world around one client, and every near list that was sent to it.
pub struct Server {
    pub rng: Rng,
    pub tick: u32,
    pub own: [f32; 2],
    /// All entities; the bool says whether it is in the near list now.
    pub entities: BTreeMap<u32, (Entity, bool)>,
    pub sent: BTreeMap<u32, Vec<Entity>>,
    pub refresh_ticks: u16,
    /// Each entity beyond the near list is sent once in so many ticks.
    pub far_every: u32,
    /// Nobody teleports or vanishes.
    pub calm: bool,
    next_id: u32,
    near_mean: u64,
}

impl Server {
    pub fn new(seed: u64, near_mean: u64) -> Self {
        let mut server = Self {
            rng: Rng(seed),
            tick: 0,
            own: [2040.0, 1030.0],
            entities: BTreeMap::new(),
            sent: BTreeMap::new(),
            refresh_ticks: 20,
            far_every: 10,
            calm: false,
            next_id: 1,
            near_mean,
        };
        for _ in 0..2 * near_mean {
            server.spawn();
        }
        server
    }

    fn spawn(&mut self) {
        let rng = &mut self.rng;
        let centre = self.own.map(|metres| (metres * 32.0) as i64);
        let entity = Entity {
            id: self.next_id,
            x: (centre[0] + rng.signed(1600)) as i16,
            y: (centre[1] + rng.signed(1600)) as i16,
            z: rng.signed(3000) as i16,
            yaw: rng.next() as u8,
            attr: [rng.next() as u16, rng.next() as u16, 0, 7],
        };
        let near = rng.percent(50);
        self.entities.insert(entity.id, (entity, near));
        // Ids leap about as recycled ones with generations do.
        self.next_id = self.next_id.wrapping_add(1 + (rng.below(3) as u32) * 0x0100_0000);
        while self.next_id == 0 || self.entities.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
    }

    /// One tick: walks, turns, attribute changes, a few teleports, entities that come, go, appear and vanish.
    pub fn step(&mut self) {
        self.tick += 1;
        self.own[0] += 0.2;
        self.own[1] += 0.1;
        let rng = &mut self.rng;
        let churn = 1 + rng.below(6);
        self.entities.retain(|_, (e, near)| {
            if rng.percent(70) {
                e.x = e.x.wrapping_add(rng.signed(12) as i16);
                e.y = e.y.wrapping_add(rng.signed(12) as i16);
                e.z = e.z.wrapping_add(rng.signed(1) as i16);
            }
            if rng.percent(1) && !self.calm {
                e.x = e.x.wrapping_add(rng.signed(30_000) as i16);
            }
            if rng.percent(20) {
                e.yaw = rng.next() as u8;
            }
            if rng.percent(5) {
                e.attr[rng.below(4) as usize] = rng.next() as u16;
            }
            if rng.percent(churn) {
                *near = !*near;
            }
            !rng.percent(1) || self.calm
        });
        while (self.entities.len() as u64) < 2 * self.near_mean {
            self.spawn();
        }
        if self.rng.percent(1) {
            // Now and then everybody nearby vanishes: the empty list must work too.
            self.entities.values_mut().for_each(|(_, near)| *near = false);
        }
    }

    /// The snapshot of this tick against `baseline` (0, or a tick sent before), and what the client must then hold.
    pub fn snapshot(&mut self, baseline: u32, with_digest: bool) -> (Parts, Vec<Entity>) {
        let base = if baseline == 0 { Vec::new() } else { self.sent[&baseline].clone() };
        // Survivors in the baseline's order (teleports count as newcomers anywhere), newcomers at random places.
        let mut list: Vec<Entity> = Vec::new();
        for old in &base {
            if let Some((now, true)) = self.entities.get(&old.id) {
                list.push(*now);
            }
        }
        let newcomers: Vec<Entity> = self
            .entities
            .values()
            .filter(|(e, near)| *near && !list.iter().any(|held| held.id == e.id))
            .map(|(e, _)| *e)
            .collect();
        for entity in newcomers {
            let place = self.rng.below(list.len() as u64 + 1) as usize;
            list.insert(place, entity);
        }
        let mut parts = Parts {
            tick: self.tick,
            baseline,
            input: self.tick / 2,
            own: Some(own(self.own[0], self.own[1])),
            digest: if with_digest { digest(&list) } else { 0 },
            world: (baseline == 0).then(|| world(99, self.refresh_ticks)),
            ..Parts::default()
        };
        difference(&base, &list, &mut parts);
        // The others in turns.
        for (e, near) in self.entities.values() {
            if !near && e.id.wrapping_add(self.tick).is_multiple_of(self.far_every) {
                parts.far.push(wire::Far::new(e.id, e.x, e.y, e.z, e.yaw, (e.attr[0] >> 8) as u8));
            }
        }
        self.sent.insert(self.tick, list.clone());
        (parts, list)
    }
}
