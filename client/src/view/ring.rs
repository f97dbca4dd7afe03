//! The last near lists, any of which the server may build on.

use super::Entity;
use crate::limits::BASELINES_MAX;

/// Smallest capacity of a list: a usual view of fifty with room to fluctuate.
const LIST_CAPACITY_MIN: usize = 64;

/// Near lists by tick. The list under construction is a buffer of its own, so a snapshot that turns
/// out wrong half-way leaves no trace, and the oldest list may itself be the baseline.
#[derive(Debug)]
pub(super) struct Ring {
    /// Tick of each list; 0 marks one that is no baseline.
    ticks: [u32; BASELINES_MAX],
    lists: Vec<Vec<Entity>>,
    /// The own avatar's attributes beside each list.
    own_attrs: [[u16; 4]; BASELINES_MAX],
    spare: Vec<Entity>,
    /// Place that the next finished list takes: the oldest.
    next: usize,
    newest: usize,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            ticks: [0; BASELINES_MAX],
            lists: vec![Vec::new(); BASELINES_MAX],
            own_attrs: [[0; 4]; BASELINES_MAX],
            spare: Vec::new(),
            next: 0,
            newest: 0,
        }
    }
}

impl Ring {
    /// The list of `tick`, if it is still held.
    pub(super) fn get(&self, tick: u32) -> Option<&[Entity]> {
        let place = self.ticks.iter().position(|&held| held == tick && held != 0)?;
        Some(&self.lists[place])
    }

    /// The baseline's list and own attributes (nobody and zeros for 0), and the empty buffer in which to build the next
    /// list.
    pub(super) fn start(&mut self, baseline: u32) -> Option<(&[Entity], [u16; 4], &mut Vec<Entity>)> {
        self.spare.clear();
        if baseline == 0 {
            return Some((&[], [0; 4], &mut self.spare));
        }
        let place = self.ticks.iter().position(|&held| held == baseline)?;
        Some((&self.lists[place], self.own_attrs[place], &mut self.spare))
    }

    /// Keeps the list just built under `tick`, in the place of the oldest.
    pub(super) fn finish(&mut self, tick: u32, own_attr: [u16; 4]) {
        std::mem::swap(&mut self.lists[self.next], &mut self.spare);
        self.own_attrs[self.next] = own_attr;
        self.ticks[self.next] = tick;
        self.newest = self.next;
        self.next = (self.next + 1) % BASELINES_MAX;
    }

    /// Lets no held list be a baseline again; the newest can still be looked at.
    pub(super) fn forget(&mut self) {
        self.ticks = [0; BASELINES_MAX];
    }

    /// The list finished last.
    pub(super) fn newest(&self) -> &[Entity] {
        &self.lists[self.newest]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let capacity: usize = self.lists.iter().map(Vec::capacity).sum();
        (capacity + self.spare.capacity()) * size_of::<Entity>()
    }
}

/// Makes room for `length` entities, in powers of two so that a fluctuating view soon stops allocating.
pub(super) fn reserve(list: &mut Vec<Entity>, length: usize) {
    if list.capacity() < length {
        let wanted = length.next_power_of_two().max(LIST_CAPACITY_MIN);
        list.reserve_exact(wanted - list.len());
    }
}
