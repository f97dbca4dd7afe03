//! The few fields of a snapshot that a light client needs, read by hand.
//!
//! Full verification and reconstruction is for full clients; here a snapshot costs about a dozen loads. Every
//! one is checked against the message's end, so damaged bytes give `None` and nothing worse.

use throng_schema::limits::{FAR_BYTES, FULL_BYTES, GONE_BYTES};
use throng_schema::wire::Snapshot;

/// What a light client sees of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Glance {
    pub tick: u32,
    pub baseline: u32,
    /// Records in each vector.
    pub gone: u32,
    pub full: u32,
    pub far: u32,
    /// Where the own avatar is, metres.
    pub own: [f32; 2],
    /// Its entity id, in a snapshot that describes the world; else 0.
    pub own_id: u32,
    /// World time for real time in 1/1000; 0: as usual.
    pub speed: u16,
    /// Where the records of `full` begin.
    pub full_at: usize,
}

impl Glance {
    /// Reads a size-prefixed snapshot. `None` when the prefix is wrong or an offset leaves the message.
    #[inline]
    pub(super) fn read(message: &[u8]) -> Option<Glance> {
        let claimed = u32_at(message, 0)?;
        if claimed as usize != message.len() - 4 {
            return None;
        }
        let table = 4 + u32_at(message, 4)? as usize;
        // The offset is signed: the vtable may lie on either side of the table.
        let vtable = usize::try_from(table as i64 - i64::from(u32_at(message, table)? as i32)).ok()?;
        let fields = Fields { message, table, vtable, vtable_bytes: u16_at(message, vtable)? };
        let (full, full_at) = fields.records(Snapshot::VT_FULL, FULL_BYTES)?;
        let own = fields.position(Snapshot::VT_OWN)?;
        let metres = |at: usize| u32_at(message, own + at).map(f32::from_bits);
        Some(Glance {
            tick: fields.number(Snapshot::VT_TICK)?,
            baseline: fields.number(Snapshot::VT_BASELINE)?,
            gone: fields.records(Snapshot::VT_GONE, GONE_BYTES)?.0,
            full,
            far: fields.records(Snapshot::VT_FAR, FAR_BYTES)?.0,
            own: if own == 0 { [0.0; 2] } else { [metres(0)?, metres(4)?] },
            own_id: fields.number(Snapshot::VT_WORLD)?,
            speed: fields.number(Snapshot::VT_PACE)? as u16,
            full_at,
        })
    }

    /// Those who come into view: their ids and their attribute 1, which says what they are.
    pub(super) fn newcomers<'m>(&self, message: &'m [u8]) -> impl Iterator<Item = (u32, u16)> + use<'m> {
        let records = message.get(self.full_at..).unwrap_or_default().chunks_exact(FULL_BYTES);
        records
            .take(self.full as usize)
            .filter_map(|record| Some((u32_at(record, 0)?, u16_at(record, FULL_ATTR_AT + 2)?)))
    }
}

/// Where the attributes lie in a `Full` record: behind id, place, facing, flags and index.
const FULL_ATTR_AT: usize = 14;

struct Fields<'m> {
    message: &'m [u8],
    table: usize,
    vtable: usize,
    vtable_bytes: u16,
}

impl Fields<'_> {
    /// Where a field lies, 0 when it is absent; `None` when that cannot be read.
    #[inline]
    fn position(&self, slot: u16) -> Option<usize> {
        if slot + 2 > self.vtable_bytes {
            return Some(0);
        }
        match u16_at(self.message, self.vtable + usize::from(slot))? {
            0 => Some(0),
            offset => Some(self.table + usize::from(offset)),
        }
    }

    #[inline]
    fn number(&self, slot: u16) -> Option<u32> {
        match self.position(slot)? {
            0 => Some(0),
            position => u32_at(self.message, position),
        }
    }

    /// Length of a vector whose records all lie within the message, and where they begin.
    #[inline]
    fn records(&self, slot: u16, record_bytes: usize) -> Option<(u32, usize)> {
        let position = self.position(slot)?;
        if position == 0 {
            return Some((0, 0));
        }
        let start = position + u32_at(self.message, position)? as usize;
        let count = u32_at(self.message, start)?;
        let end = start + 4 + count as usize * record_bytes;
        (end <= self.message.len()).then_some((count, start + 4))
    }
}

#[inline]
fn u32_at(message: &[u8], position: usize) -> Option<u32> {
    message.get(position..position + 4)?.first_chunk().copied().map(u32::from_le_bytes)
}

#[inline]
fn u16_at(message: &[u8], position: usize) -> Option<u16> {
    message.get(position..position + 2)?.first_chunk().copied().map(u16::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use throng_schema::wire;

    use super::*;
    use crate::rng::Rng;

    fn message(tick: u32, baseline: u32, gone: u16, full: u16, far: u32) -> Vec<u8> {
        let mut builder = flatbuffers::FlatBufferBuilder::new();
        let full: Vec<_> =
            (0..full).map(|i| wire::Full::new(i.into(), 0, 0, 0, 0, 0, i, &[0, i + 5, 0, 0])).collect();
        let far: Vec<_> = (0..far).map(|i| wire::Far::new(i, 0, 0, 0, 0, 0)).collect();
        let gone: Vec<_> = (0..gone).collect();
        let own = wire::Own::new(3.5, 4.5, 0.0, 0.0, 0.0, 0, 0);
        let world = wire::World::new(77, 100.0, 100.0, 50.0, 10, 32, 20, 0);
        let pace = wire::Pace::new(500, 20);
        let args = wire::SnapshotArgs {
            tick,
            baseline,
            gone: (!gone.is_empty()).then(|| builder.create_vector(&gone)),
            full: (!full.is_empty()).then(|| builder.create_vector(&full)),
            far: (!far.is_empty()).then(|| builder.create_vector(&far)),
            own: (tick > 1).then_some(&own),
            world: (baseline == 0).then_some(&world),
            pace: (tick > 8).then_some(&pace),
            ..wire::SnapshotArgs::default()
        };
        let root = Snapshot::create(&mut builder, &args);
        builder.finish_size_prefixed(root, None);
        builder.finished_data().to_vec()
    }

    /// What the generated reader sees.
    fn read(snapshot: &Snapshot<'_>) -> [u32; 9] {
        let own = snapshot.own().map_or([0.0; 2], |own| [own.x(), own.y()]);
        [
            snapshot.tick(),
            snapshot.baseline(),
            snapshot.gone().map_or(0, |v| v.len() as u32),
            snapshot.full().map_or(0, |v| v.len() as u32),
            snapshot.far().map_or(0, |v| v.len() as u32),
            own[0].to_bits(),
            own[1].to_bits(),
            snapshot.world().map_or(0, |world| world.own_id()),
            snapshot.pace().map_or(0, |pace| pace.speed().into()),
        ]
    }

    fn seen(glance: &Glance) -> [u32; 9] {
        let Glance { tick, baseline, gone, full, far, own, own_id, speed, .. } = *glance;
        [tick, baseline, gone, full, far, own[0].to_bits(), own[1].to_bits(), own_id, speed.into()]
    }

    #[test]
    fn it_sees_what_the_generated_reader_sees() {
        for (tick, baseline, gone, full, far) in
            [(0, 0, 0, 0, 0), (1, 0, 0, 40, 3), (9, 8, 2, 0, 0), (u32::MAX, 7, 1, 1, 1)]
        {
            let message = message(tick, baseline, gone, full, far);
            let found = Glance::read(&message).expect("a good message");
            let snapshot = throng_schema::read_snapshot(&message).expect("a good message");
            assert_eq!(seen(&found), read(&snapshot));
            let newcomers: Vec<_> = found.newcomers(&message).collect();
            let wanted: Vec<_> = (0..full).map(|i| (u32::from(i), i + 5)).collect();
            assert_eq!(newcomers, wanted);
        }
    }

    #[test]
    fn damage_never_panics_and_what_passes_the_verifier_reads_the_same() {
        let seed = 11;
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let good = message(50, 49, 3, 4, 5);
        let mut agreed = 0;
        for _ in 0..50_000 {
            let mut bad = good.clone();
            for _ in 0..=rng.below(2) {
                let at = rng.below(bad.len() as u64) as usize;
                bad[at] ^= 1 << rng.below(8);
            }
            if rng.below(10) == 0 {
                bad.truncate(rng.below(bad.len() as u64 + 1) as usize);
            }
            let found = Glance::read(&bad);
            if let Some(found) = &found {
                assert!(found.newcomers(&bad).count() <= found.full as usize);
            }
            if let Ok(snapshot) = throng_schema::read_snapshot(&bad) {
                assert_eq!(found.as_ref().map(seen), Some(read(&snapshot)));
                agreed += 1;
            }
        }
        assert!(agreed > 1000, "{agreed} damaged messages still passed the verifier");
        for length in 0..64 {
            assert_eq!(Glance::read(&vec![0xFF; length]), None);
        }
    }
}
