//! Effects: what a system wants done to rows that are not its own.
//!
//! A system runs on many regions at once and may write only its own rows. What it wants done elsewhere (damage, a gift,
//! a despawn) it pushes into its region's list; after the join the lists are read in region order. The order is thus a
//! function of the cut, which is fixed, and never of the threads.

use crate::schedule::PerRegion;

/// One list of effects per region, reused from tick to tick.
#[derive(Debug)]
pub struct Effects<E> {
    lists: Vec<Vec<E>>,
}

impl<E> Default for Effects<E> {
    fn default() -> Self {
        Self { lists: Vec::new() }
    }
}

impl<E: Send> Effects<E> {
    /// The lists, for [`each_region`](crate::schedule::each_region) over `rows` rows.
    pub fn per_region(&mut self, rows: usize) -> PerRegion<'_, Vec<E>> {
        let regions = rows.div_ceil(crate::limits::REGION_ROWS);
        if self.lists.len() < regions {
            self.lists.resize_with(regions, Vec::new);
        }
        PerRegion(&mut self.lists[..regions])
    }

    /// Empties the lists into `apply`, in region order and in each region in the order of pushing.
    pub fn drain(&mut self, mut apply: impl FnMut(E)) {
        for list in &mut self.lists {
            list.drain(..).for_each(&mut apply);
        }
    }
}
