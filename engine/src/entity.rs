//! Entity ids, and where each entity's row is.

use std::collections::VecDeque;

use crate::limits::{ENTITIES_MAX, ENTITY_INDEX_BITS};

/// Names one entity for its whole life. A reused index carries a new generation, so a stale id finds nothing.
/// Zero is never an id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntityId(u32);

impl EntityId {
    /// The id as it travels.
    pub fn to_bits(self) -> u32 {
        self.0
    }

    /// The id that `bits` stand for; any value is allowed and at worst names no living entity.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The dense number of the entity, below the world's `entities_max`; reused after a despawn.
    pub fn index(self) -> usize {
        (self.0 & (ENTITIES_MAX - 1)) as usize
    }

    fn generation(self) -> u32 {
        self.0 >> ENTITY_INDEX_BITS
    }
}

/// A row of the columns. It changes when its entity moves to another cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u32);

impl Slot {
    /// As an index into a column.
    pub fn row(self) -> usize {
        self.0 as usize
    }
}

const VACANT: u32 = u32::MAX;

/// Entity index to slot, with generations. The index that has been free for longest is reused first, so that an id comes
/// back as late as can be, and ids are a function of the history of spawns and despawns alone.
#[derive(Debug)]
pub(crate) struct Directory {
    slots: Vec<u32>,
    generations: Vec<u16>,
    free: VecDeque<u32>,
    capacity: u32,
}

impl Directory {
    pub(crate) fn new(capacity: u32) -> Self {
        assert!(capacity <= ENTITIES_MAX);
        Self {
            slots: Vec::with_capacity(capacity as usize),
            generations: Vec::with_capacity(capacity as usize),
            free: VecDeque::with_capacity(capacity as usize),
            capacity,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A fresh id at `slot`, or `None` when the world is full.
    pub(crate) fn insert(&mut self, slot: Slot) -> Option<EntityId> {
        let index = match self.free.pop_front() {
            Some(index) => index,
            None if (self.slots.len() as u32) < self.capacity => {
                self.slots.push(VACANT);
                self.generations.push(1);
                self.slots.len() as u32 - 1
            }
            None => return None,
        };
        self.slots[index as usize] = slot.0;
        Some(EntityId(index | u32::from(self.generations[index as usize]) << ENTITY_INDEX_BITS))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots.len() as u32 >= self.capacity
    }

    pub(crate) fn slot(&self, id: EntityId) -> Option<Slot> {
        let slot = *self.slots.get(id.index())?;
        let is_alive = slot != VACANT && u32::from(self.generations[id.index()]) == id.generation();
        is_alive.then_some(Slot(slot))
    }

    pub(crate) fn relocate(&mut self, id: EntityId, slot: Slot) {
        debug_assert!(self.slot(id).is_some());
        self.slots[id.index()] = slot.0;
    }

    pub(crate) fn remove(&mut self, id: EntityId) -> Option<Slot> {
        let slot = self.slot(id)?;
        self.slots[id.index()] = VACANT;
        let generation = &mut self.generations[id.index()];
        let generations = 1 << (32 - ENTITY_INDEX_BITS);
        // Generation 0 is skipped so that no id is ever zero.
        *generation = if u32::from(*generation) + 1 == generations { 1 } else { *generation + 1 };
        self.free.push_back(id.index() as u32);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_finds_nothing() {
        let mut directory = Directory::new(2);
        let first = directory.insert(Slot(7)).unwrap();
        assert_eq!(directory.slot(first), Some(Slot(7)));
        assert_eq!(directory.remove(first), Some(Slot(7)));
        assert_eq!(directory.slot(first), None);
        assert_eq!(directory.remove(first), None);
        let second = directory.insert(Slot(8)).unwrap();
        assert_eq!(second.index(), first.index());
        assert_ne!(second, first);
        assert_eq!(directory.slot(first), None);
    }

    #[test]
    fn generations_wrap_without_ever_naming_zero() {
        let mut directory = Directory::new(1);
        for _ in 0..3000 {
            let id = directory.insert(Slot(0)).unwrap();
            assert_ne!(id.to_bits(), 0);
            assert!(directory.is_full());
            assert!(directory.insert(Slot(1)).is_none());
            directory.remove(id).unwrap();
        }
        assert_eq!(directory.len(), 0);
    }

    #[test]
    fn an_index_comes_back_as_late_as_can_be() {
        let mut directory = Directory::new(3);
        let ids = [7, 8, 9].map(|slot| directory.insert(Slot(slot)).unwrap());
        ids.iter().for_each(|id| assert!(directory.remove(*id).is_some()));
        let again = [7, 8, 9].map(|slot| directory.insert(Slot(slot)).unwrap().index());
        assert_eq!(again, [0, 1, 2]);
    }

    #[test]
    fn hostile_ids_find_nothing() {
        let directory = Directory::new(4);
        for bits in [0, 1, u32::MAX, 1 << 22, ENTITIES_MAX - 1] {
            assert_eq!(directory.slot(EntityId::from_bits(bits)), None);
        }
    }
}
