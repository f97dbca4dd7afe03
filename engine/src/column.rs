//! Columns: one array per component, all of them indexed by the same slot.
//!
//! ```text
//!   slot        0    1    2    3   ...  15 | 16   17 ...          a block of 16 slots = one cell's rows
//!   x         [ 3.1  4.0  2.2  -    ...    | 51.0 52.3 ...  ]     '-' an empty slot: its values are leftovers
//!   health    [ 90   100  12   -    ...    | 100  77   ...  ]
//! ```
//!
//! A game keeps its own components in a struct made by [`columns!`](crate::columns); the engine only needs to be able
//! to lengthen it, to move a row, to reset a row and to digest it.

use std::ops::{Deref, DerefMut, Range};

use crate::digest::Digest;
use crate::entity::Slot;

const ALIGNMENT_BYTES: usize = 64;

/// A value that can live in a column: plain, with a defined bit pattern for digests.
pub trait Cell: Copy + Default + Send + Sync + 'static {
    /// The value's bits, widened.
    fn bits(self) -> u64;
}

macro_rules! cell {
    ($($integer:ty),*) => { $(impl Cell for $integer { fn bits(self) -> u64 { self as u64 } })* };
}
cell!(u8, u16, u32, u64, i8, i16, i32, i64, bool);

impl Cell for f32 {
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }
}

/// An array of `T` that starts on a cache line, so that a block of rows never straddles one more line than it must.
#[derive(Debug)]
pub struct Column<T> {
    storage: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Cell> Default for Column<T> {
    fn default() -> Self {
        Self { storage: Vec::new(), start: 0, len: 0 }
    }
}

impl<T: Cell> Column<T> {
    /// Lengthens the column to `len` rows of default values; never shortens it.
    pub fn grow(&mut self, len: usize) {
        if len <= self.len {
            return;
        }
        let spare = ALIGNMENT_BYTES / size_of::<T>();
        let mut storage = vec![T::default(); len + spare];
        let start = storage.as_ptr().align_offset(ALIGNMENT_BYTES);
        assert!(start <= spare, "a vector of {} is aligned to its element", std::any::type_name::<T>());
        storage[start..start + self.len].copy_from_slice(self);
        *self = Self { storage, start, len };
    }

    /// For each pair in turn, copies the first row over the second.
    pub fn relocate(&mut self, moves: &[(Slot, Slot)]) {
        let rows = &mut self[..];
        for (from, to) in moves {
            rows[to.row()] = rows[from.row()];
        }
    }

    /// Adds the given rows to a digest, in order.
    pub fn digest(&self, rows: impl Iterator<Item = usize>, digest: &mut Digest) {
        for row in rows {
            digest.push(self[row].bits());
        }
    }
}

impl<T> Deref for Column<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Column<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

/// A set of columns that grow, move and empty their rows together. Implement it with [`columns!`](crate::columns).
pub trait Columns: Default + Send + Sync {
    /// Lengthens every column to `rows`.
    fn grow(&mut self, rows: usize);
    /// For each pair in turn, copies the first row over the second. A row may be left by one pair and taken by a later
    /// one. All pairs of a column, then the next column: the copies do not wait for one another.
    fn relocate(&mut self, moves: &[(Slot, Slot)]);
    /// Resets a row to default values, for an entity that begins there.
    fn reset(&mut self, slot: Slot);
    /// Digests the columns one after another, each over the rows of `range` whose bit is set in `live`
    /// (one `u16` per block of the range).
    fn digest(&self, range: Range<usize>, live: &[u16], digest: &mut Digest);
}

/// Walks the rows of `range` that are alive.
pub fn live_rows(range: Range<usize>, live: &[u16]) -> impl Iterator<Item = usize> + Clone {
    let start = range.start;
    range.filter(move |row| live[(row - start) / crate::limits::BLOCK_ROWS] >> (row % 16) & 1 == 1)
}

/// Declares a struct of columns and how the engine handles it.
///
/// ```
/// throng_engine::columns! {
///     /// What a sheep is made of.
///     pub struct Sheep {
///         /// Wool, in grams.
///         pub wool_g: u16,
///         /// Ticks until it bleats.
///         pub bleat_ticks: u8,
///     }
/// }
/// # use throng_engine::Columns;
/// let mut sheep = Sheep::default();
/// sheep.grow(32);
/// sheep.wool_g[3] = 900;
/// assert_eq!(sheep.wool_g.len(), 32);
/// ```
#[macro_export]
macro_rules! columns {
    ($(#[$doc:meta])* $visibility:vis struct $name:ident {
        $($(#[$field_doc:meta])* $field_visibility:vis $field:ident : $type:ty),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Default, Debug)]
        $visibility struct $name { $($(#[$field_doc])* $field_visibility $field: $crate::Column<$type>),* }

        impl $crate::Columns for $name {
            fn grow(&mut self, rows: usize) {
                $(self.$field.grow(rows);)*
                let _ = rows;
            }
            fn relocate(&mut self, moves: &[($crate::Slot, $crate::Slot)]) {
                $(self.$field.relocate(moves);)*
                let _ = moves;
            }
            fn reset(&mut self, slot: $crate::Slot) {
                $(self.$field[slot.row()] = Default::default();)*
                let _ = slot;
            }
            fn digest(&self, range: ::std::ops::Range<usize>, live: &[u16], digest: &mut $crate::Digest) {
                $(self.$field.digest($crate::live_rows(range.clone(), live), digest);)*
                let _ = (range, live, digest);
            }
        }
    };
}

columns! {
    /// No columns of its own: for worlds whose entities only have bodies.
    pub struct NoColumns {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_starts_on_a_cache_line_and_keeps_its_rows_when_it_grows() {
        let mut column = Column::<u16>::default();
        for len in [16, 48, 4096] {
            column.grow(len);
            column[len - 1] = len as u16;
            assert_eq!(column.as_ptr().align_offset(ALIGNMENT_BYTES), 0);
        }
        assert_eq!((column[15], column[47], column[4095], column[16]), (16, 48, 4096, 0));
    }

    #[test]
    fn live_rows_follow_the_masks() {
        let rows: Vec<_> = live_rows(32..64, &[0b101, 1 << 15]).collect();
        assert_eq!(rows, [32, 34, 63]);
    }
}
