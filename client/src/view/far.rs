//! Entities in view beyond the near list: absolute states, refreshed in turns, forgotten in time.

use throng_schema::limits::FAR_FORGET_EXTRA_TICKS;
use throng_schema::wire;

use super::{Entity, unwrap};
use crate::ids::IdMap;
use crate::limits::FAR_MAX;

/// One entity of the far set, as it was at `tick`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarEntity {
    /// The server's entity id, generation included.
    pub id: u32,
    /// Tick of this state.
    pub tick: u32,
    /// Position units, the low 16 bits.
    pub x: i16,
    /// Position units, the low 16 bits.
    pub y: i16,
    /// Position units, not wrapping.
    pub z: i16,
    /// The absolute position at `tick`, in units, unwrapped around the avatar as it was then.
    pub units: [i32; 3],
    /// 1/256 of a turn.
    pub yaw: u8,
    /// The high byte of attribute 0.
    pub attr0_high: u8,
}

/// Far entities, dense, with an index by id.
#[derive(Debug, Default)]
pub(super) struct FarSet {
    entities: Vec<FarEntity>,
    places: IdMap,
}

impl FarSet {
    pub(super) fn entities(&self) -> &[FarEntity] {
        &self.entities
    }

    pub(super) fn get(&self, id: u32) -> Option<&FarEntity> {
        self.places.get(&id).map(|&place| &self.entities[place as usize])
    }

    pub(super) fn clear(&mut self) {
        self.entities.clear();
        self.places.clear();
    }

    /// Takes the far records of a snapshot, then forgets what is near now and what was not refreshed in
    /// time. Returns how many new entities found no room.
    pub(super) fn update(
        &mut self,
        tick: u32,
        snapshot: &wire::Snapshot<'_>,
        near: &[Entity],
        own_units: [i32; 3],
        refresh_ticks: u32,
    ) -> u64 {
        let mut left_out = 0;
        for record in snapshot.far().iter().flatten() {
            left_out += u64::from(!self.put(FarEntity {
                id: record.id(),
                tick,
                x: record.x(),
                y: record.y(),
                z: record.z(),
                units: unwrap(own_units, record.x(), record.y(), record.z()),
                yaw: record.yaw(),
                attr0_high: record.attr0_high(),
            }));
        }
        if self.entities.is_empty() {
            return left_out;
        }
        // All of the near list, not only its newcomers: with another baseline than last time a survivor
        // can be one that the previous snapshot had sent away.
        for entity in near {
            if let Some(place) = self.places.get(&entity.id) {
                self.remove(*place as usize);
            }
        }
        let age_max = refresh_ticks + FAR_FORGET_EXTRA_TICKS;
        let mut place = 0;
        while let Some(entity) = self.entities.get(place) {
            if tick.saturating_sub(entity.tick) > age_max {
                self.remove(place);
            } else {
                place += 1;
            }
        }
        left_out
    }

    /// False when the set is full.
    fn put(&mut self, entity: FarEntity) -> bool {
        if let Some(&place) = self.places.get(&entity.id) {
            self.entities[place as usize] = entity;
        } else if self.entities.len() < FAR_MAX {
            self.places.insert(entity.id, self.entities.len() as u32);
            self.entities.push(entity);
        } else {
            return false;
        }
        true
    }

    fn remove(&mut self, place: usize) {
        let removed = self.entities.swap_remove(place);
        self.places.remove(&removed.id);
        if let Some(moved) = self.entities.get(place) {
            self.places.insert(moved.id, place as u32);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.entities.capacity() * size_of::<FarEntity>() + self.places.capacity() * size_of::<(u32, u32)>()
    }
}
