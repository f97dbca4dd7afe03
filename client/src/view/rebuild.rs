//! One near list from another: the reconstruction rules of the wire contract, each checked.

use std::iter::Peekable;

use throng_schema::limits::{ATTR_PLACE_BITS, NEAR_MAX};
use throng_schema::{ViewDigest, wire};

use super::{Entity, ViewError, ring};

/// Builds into `list` (empty on entry) what `snapshot` says, starting from `base`.
/// On an error `list` holds nothing of meaning.
pub(super) fn rebuild(
    base: &[Entity],
    snapshot: &wire::Snapshot<'_>,
    list: &mut Vec<Entity>,
) -> Result<(), ViewError> {
    place(base, snapshot, list)?;
    apply_moved(snapshot, list)?;
    apply_attr(snapshot, list)
}

/// Rules 2 and 3: survivors keep their order and fill the places that the full records leave free.
fn place(base: &[Entity], snapshot: &wire::Snapshot<'_>, list: &mut Vec<Entity>) -> Result<(), ViewError> {
    let gone = snapshot.gone();
    let full = snapshot.full();
    let gone_count = gone.map_or(0, |gone| gone.len());
    let full_count = full.map_or(0, |full| full.len());

    let mut least = 0;
    for place in gone.iter().flatten() {
        if usize::from(place) < least || usize::from(place) >= base.len() {
            return Err(ViewError::Gone { place, length: base.len() });
        }
        least = usize::from(place) + 1;
    }
    // Strictly ascending places inside the list are at most as many as the list is long.
    let length = base.len() - gone_count + full_count;
    if length > NEAR_MAX {
        return Err(ViewError::TooLong { length });
    }
    let mut least = 0;
    for record in full.iter().flatten() {
        let index = record.index();
        if usize::from(index) < least || usize::from(index) >= length {
            return Err(ViewError::Full { index, length });
        }
        least = usize::from(index) + 1;
    }

    ring::reserve(list, length);
    let mut survivors = Survivors { base, gone: gone.iter().flatten().peekable(), at: 0 };
    for record in full.iter().flatten() {
        survivors.take(usize::from(record.index()) - list.len(), list);
        list.push(read_full(record));
    }
    survivors.take(length - list.len(), list);

    // The baseline names each entity once, so only a newcomer can be there twice.
    for record in full.iter().flatten() {
        let id = record.id();
        if list.iter().filter(|entity| entity.id == id).count() != 1 {
            return Err(ViewError::Duplicate { id });
        }
    }
    Ok(())
}

/// Walks the baseline's list past the places in `gone`, in runs.
struct Survivors<'a, G: Iterator<Item = u16>> {
    base: &'a [Entity],
    gone: Peekable<G>,
    at: usize,
}

impl<G: Iterator<Item = u16>> Survivors<'_, G> {
    /// Appends the next `count` survivors; the caller has checked that there are as many.
    fn take(&mut self, mut count: usize, list: &mut Vec<Entity>) {
        loop {
            let stop = self.gone.peek().map_or(self.base.len(), |&place| usize::from(place));
            let run = (stop - self.at).min(count);
            list.extend_from_slice(&self.base[self.at..self.at + run]);
            self.at += run;
            count -= run;
            if count == 0 || self.gone.next().is_none() {
                return;
            }
            self.at += 1;
        }
    }
}

fn read_full(record: &wire::Full) -> Entity {
    let attr = record.attr();
    Entity {
        id: record.id(),
        x: record.x(),
        y: record.y(),
        z: record.z(),
        yaw: record.yaw(),
        attr: [attr.get(0), attr.get(1), attr.get(2), attr.get(3)],
    }
}

/// Rule 4: each set bit of `changed` takes the next record of `moved`.
fn apply_moved(snapshot: &wire::Snapshot<'_>, list: &mut [Entity]) -> Result<(), ViewError> {
    let changed = snapshot.changed().map_or(&[][..], |changed| changed.bytes());
    let moved = snapshot.moved();
    let records = moved.map_or(0, |moved| moved.len());
    let bits: usize = changed.iter().map(|byte| byte.count_ones() as usize).sum();
    let error = ViewError::Changed { bits, records, length: list.len() };
    if bits != records {
        return Err(error);
    }
    let mut records = moved.iter().flatten();
    for (byte_index, &byte) in changed.iter().enumerate() {
        let mut left = byte;
        while left != 0 {
            let place = byte_index * 8 + left.trailing_zeros() as usize;
            left &= left - 1;
            let entity = list.get_mut(place).ok_or(error)?;
            let record = records.next().ok_or(error)?;
            entity.x = entity.x.wrapping_add(i16::from(record.dx()));
            entity.y = entity.y.wrapping_add(i16::from(record.dy()));
            entity.z = entity.z.wrapping_add(i16::from(record.dz()));
            entity.yaw = record.yaw();
        }
    }
    Ok(())
}

/// Rule 5: single attributes that differ from the baseline.
fn apply_attr(snapshot: &wire::Snapshot<'_>, list: &mut [Entity]) -> Result<(), ViewError> {
    let length = list.len();
    for record in snapshot.attr().iter().flatten() {
        let place = record.place() & ((1 << ATTR_PLACE_BITS) - 1);
        let entity = list.get_mut(usize::from(place)).ok_or(ViewError::Attr { place, length })?;
        entity.attr[usize::from(record.place() >> ATTR_PLACE_BITS)] = record.value();
    }
    Ok(())
}

/// Rule 6: the digest of a near list.
pub(super) fn digest(list: &[Entity]) -> u32 {
    let mut digest = ViewDigest::new();
    for entity in list {
        digest.push_entity(entity.id, entity.x, entity.y, entity.z, entity.yaw, entity.attr);
    }
    digest.finish()
}
