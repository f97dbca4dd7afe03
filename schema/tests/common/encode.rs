//! The reference encoder: a snapshot from two near lists, with the library's builder.

use super::Entity;
use flatbuffers::FlatBufferBuilder;
use throng_schema::ViewDigest;
use throng_schema::wire::{Attr, Event, Far, Full, Moved, Own, OwnAttr, Pace, Snapshot, SnapshotArgs, World};

/// What a snapshot says besides its near list.
#[derive(Clone, Copy, Default)]
pub struct Draft<'a> {
    pub tick: u32,
    pub baseline: u32,
    pub input: u32,
    pub digest: bool,
    pub world: bool,
    pub far: &'a [Entity],
    pub own_attr: Option<[u16; 4]>,
    /// Speed and refresh bound.
    pub pace: Option<[u16; 2]>,
    pub events: &'a [Event],
    /// Inputs that wait.
    pub queued: u16,
}

/// The records that turn one near list into another.
#[derive(Default)]
pub struct Records {
    pub gone: Vec<u16>,
    pub full: Vec<Full>,
    pub changed: Vec<u8>,
    pub moved: Vec<Moved>,
    pub attr: Vec<Attr>,
}

/// Just below x = 1024 m, where wrapped positions jump from 32767 to -32768.
pub const OWN: [f32; 5] = [1023.5, 480.25, 1.0, -3.5, 0.125];
pub const OWN_YAW: u16 = 49_152;
pub const OWN_ID: u32 = 7;
pub const REFRESH_TICKS: u16 = 8;

pub fn world() -> World {
    World::new(OWN_ID, 4096.0, 2048.0, 50.0, REFRESH_TICKS, 32, 20, 0)
}

impl Draft<'_> {
    pub fn encode(&self, old: &[Entity], new: &[Entity]) -> Vec<u8> {
        self.build(&records(old, new), if self.digest { digest(new) } else { 0 })
    }

    pub fn build(&self, records: &Records, digest: u32) -> Vec<u8> {
        let far: Vec<Far> =
            self.far.iter().map(|e| Far::new(e.id, e.x, e.y, e.z, e.yaw, (e.attr[0] >> 8) as u8)).collect();
        let own = Own::new(OWN[0], OWN[1], OWN[2], OWN[3], OWN[4], OWN_YAW, self.queued);
        let own_attr = self.own_attr.map(|attr| OwnAttr::new(&attr));
        let pace = self.pace.map(|[speed, refresh_ticks]| Pace::new(speed, refresh_ticks));
        let world = world();
        let mut builder = FlatBufferBuilder::new();
        // An absent vector means an empty one, so empty ones are left out.
        macro_rules! vector {
            ($records:expr) => {
                (!$records.is_empty()).then(|| builder.create_vector(&$records))
            };
        }
        let args = SnapshotArgs {
            tick: self.tick,
            baseline: self.baseline,
            input: self.input,
            own: Some(&own),
            digest,
            world: self.world.then_some(&world),
            gone: vector!(records.gone),
            full: vector!(records.full),
            changed: vector!(records.changed),
            moved: vector!(records.moved),
            attr: vector!(records.attr),
            far: vector!(far),
            own_attr: own_attr.as_ref(),
            pace: pace.as_ref(),
            events: vector!(self.events),
        };
        let snapshot = Snapshot::create(&mut builder, &args);
        builder.finish_size_prefixed(snapshot, None);
        builder.finished_data().to_vec()
    }
}

/// Survivors must stand in the same order in both lists.
pub fn records(old: &[Entity], new: &[Entity]) -> Records {
    let mut out = Records::default();
    let moved_to = |from: &Entity, to: &Entity| {
        let step = |a: i16, b: i16| i8::try_from(b.wrapping_sub(a)).ok();
        // z is not circular: its difference must fit without wrapping.
        let dz = i8::try_from(i32::from(to.z) - i32::from(from.z)).ok()?;
        Some(Moved::new(step(from.x, to.x)?, step(from.y, to.y)?, dz, to.yaw))
    };
    let counterpart = |e: &Entity| {
        // One that moved too far for a record leaves and enters again in the same snapshot.
        old.iter().position(|o| o.id == e.id).filter(|&i| moved_to(&old[i], e).is_some())
    };
    let kept: Vec<Option<usize>> = new.iter().map(counterpart).collect();
    for place in 0..old.len() {
        if !kept.contains(&Some(place)) {
            out.gone.push(place as u16);
        }
    }
    for (place, (e, from)) in new.iter().zip(&kept).enumerate() {
        let Some(from) = from.map(|i| &old[i]) else {
            out.full.push(Full::new(e.id, e.x, e.y, e.z, e.yaw, 0, place as u16, &e.attr));
            continue;
        };
        if (from.x, from.y, from.z, from.yaw) != (e.x, e.y, e.z, e.yaw) {
            out.changed.resize(out.changed.len().max(place / 8 + 1), 0);
            out.changed[place / 8] |= 1 << (place % 8);
            out.moved.push(moved_to(from, e).unwrap());
        }
        for which in 0..4 {
            if from.attr[which] != e.attr[which] {
                out.attr.push(Attr::new((which << 14 | place) as u16, e.attr[which]));
            }
        }
    }
    out
}

pub fn digest(near: &[Entity]) -> u32 {
    let mut digest = ViewDigest::new();
    for e in near {
        digest.push_entity(e.id, e.x, e.y, e.z, e.yaw, e.attr);
    }
    digest.finish()
}
