//! Running a system over columns, region by region, on as many threads as there are.
//!
//! ```text
//!   rows     0 .......... 4096 ......... 8192 ......... 12288 ...     cut at fixed row counts
//!   thread        A             B              A            C         any thread, any order
//!   effects    list 0        list 1         list 2        list 3      merged by region, not by thread
//! ```

use std::ops::Range;

use crate::limits::{REGION_ROWS, SERIAL_ROWS};

/// Something that can be cut at a region border: column slices, per-region lists, shared references, tuples of these.
pub trait Split: Send + Sized {
    /// The first `regions` regions, and the rest.
    fn split(self, regions: usize) -> (Self, Self);
}

impl<T: Send> Split for &mut [T] {
    fn split(self, regions: usize) -> (Self, Self) {
        let middle = (regions * REGION_ROWS).min(self.len());
        self.split_at_mut(middle)
    }
}

impl<T: Sync> Split for &[T] {
    fn split(self, regions: usize) -> (Self, Self) {
        self.split_at((regions * REGION_ROWS).min(self.len()))
    }
}

/// One `T` per region instead of one per row.
#[derive(Debug)]
pub struct PerRegion<'a, T>(pub &'a mut [T]);

impl<T: Send> Split for PerRegion<'_, T> {
    fn split(self, regions: usize) -> (Self, Self) {
        let (head, tail) = self.0.split_at_mut(regions.min(self.0.len()));
        (Self(head), Self(tail))
    }
}

/// One `T` per block of rows instead of one per row.
#[derive(Debug)]
pub struct PerBlock<'a, T>(pub &'a mut [T]);

impl<T: Send> Split for PerBlock<'_, T> {
    fn split(self, regions: usize) -> (Self, Self) {
        let middle = (regions * crate::limits::REGION_BLOCKS).min(self.0.len());
        let (head, tail) = self.0.split_at_mut(middle);
        (Self(head), Self(tail))
    }
}

macro_rules! split_tuples {
    ($($name:ident)+) => {
        impl<$($name: Split),+> Split for ($($name,)+) {
            #[allow(non_snake_case)]
            fn split(self, regions: usize) -> (Self, Self) {
                let ($($name,)+) = self;
                $(let $name = $name.split(regions);)+
                (($($name.0,)+), ($($name.1,)+))
            }
        }
    };
}
split_tuples!(A);
split_tuples!(A B);
split_tuples!(A B C);
split_tuples!(A B C D);
split_tuples!(A B C D F);
split_tuples!(A B C D F G);
split_tuples!(A B C D F G H);
split_tuples!(A B C D F G H I);
split_tuples!(A B C D F G H I J);
split_tuples!(A B C D F G H I J K);
split_tuples!(A B C D F G H I J K L);
split_tuples!(A B C D F G H I J K L M);

/// Runs `system` once per region of `rows` rows, giving it the region's rows and its part of `columns`.
///
/// The cut depends on `rows` alone. Few rows run on the calling thread, in order.
pub fn each_region<C: Split>(rows: usize, columns: C, system: impl Fn(Range<usize>, C) + Sync) {
    let regions = rows.div_ceil(REGION_ROWS);
    if rows < SERIAL_ROWS {
        let mut rest = columns;
        for region in 0..regions {
            let (head, tail) = rest.split(1);
            system(rows_of(region, rows), head);
            rest = tail;
        }
    } else {
        halve(0..regions, rows, columns, &system);
    }
}

fn rows_of(region: usize, rows: usize) -> Range<usize> {
    region * REGION_ROWS..((region + 1) * REGION_ROWS).min(rows)
}

fn halve<C: Split>(
    regions: Range<usize>,
    rows: usize,
    columns: C,
    system: &(impl Fn(Range<usize>, C) + Sync),
) {
    if regions.len() == 1 {
        return system(rows_of(regions.start, rows), columns);
    }
    let half = regions.len() / 2;
    let middle = regions.start + half;
    let (head, tail) = columns.split(half);
    rayon::join(
        || halve(regions.start..middle, rows, head, system),
        || halve(middle..regions.end, rows, tail, system),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Effects;

    #[test]
    fn every_row_is_visited_once_and_effects_come_in_region_order() {
        for rows in [0, 1, REGION_ROWS, REGION_ROWS + 1, 29_999, 30_000, 123_457] {
            let mut visits = vec![0u8; rows];
            let mut effects = Effects::<usize>::default();
            each_region(rows, (&mut visits[..], effects.per_region(rows)), |range, (visits, list)| {
                assert_eq!(visits.len(), range.len());
                for (row, visit) in range.zip(visits) {
                    *visit += 1;
                    if row % 1000 == 7 {
                        list.0[0].push(row);
                    }
                }
            });
            assert!(visits.iter().all(|&count| count == 1));
            let mut merged = Vec::new();
            effects.drain(|row| merged.push(row));
            assert_eq!(merged, (7..rows).step_by(1000).collect::<Vec<_>>());
        }
    }
}
