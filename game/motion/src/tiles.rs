//! What is near a place: a uniform index of a zone, built once.
//!
//! ```text
//!   entry of a tile   0                           nothing is near
//!                     first << 10 | steep << 9 | 1 << 8 | n
//!                                                 look out; n obstacles are listed from `first` on
//!   bit of a quarter  1                           open ground: a step that begins here meets nothing
//! ```
//!
//! A tile lists what lies within [`REACH_M`] of it, so whoever begins a step in it needs no other tile's list. One bit for
//! each quarter of a tile says whether it is open: whether all obstacles, the zone's border and all ground that is too
//! steep are as far from it.

use crate::file::LandError;
use crate::limits::{OBSTACLES_PER_TILE_MAX, REACH_M, TILE_ENTRIES_MAX, TILE_M_MIN};
use crate::region::Obstacle;

/// What an entry of a tile means that is not open.
pub(crate) const CAREFUL: u32 = 1 << 8;
/// Set if ground that is too steep is near.
pub(crate) const STEEP: u32 = 1 << 9;
const FIRST_SHIFT: u32 = 10;

/// A zone cut into squares, row by row.
#[derive(Clone, Copy, Debug)]
struct Raster {
    side_m: f32,
    per_m: f32,
    columns: u32,
    rows: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    tiles: Raster,
    entries: Vec<u32>,
    lists: Vec<u32>,
    /// Quarters of tiles, for a closer look: most of a tile with a tree in it is open ground.
    squares: Raster,
    /// One bit per square, set if it is open. Of all squares that anybody walks on these fit the cache.
    open: Vec<u32>,
}

impl Raster {
    fn new(width_m: f32, height_m: f32, side_m: f32) -> Self {
        // A power of two, so this and what is multiplied by it are exact.
        let per_m = 1.0 / side_m;
        Self { side_m, per_m, columns: (width_m * per_m) as u32 + 1, rows: (height_m * per_m) as u32 + 1 }
    }

    fn len(&self) -> usize {
        self.columns as usize * self.rows as usize
    }

    /// The index of the square at a place in the zone.
    #[inline(always)]
    fn index(&self, x: f32, y: f32) -> u32 {
        let (column, row) = ((x * self.per_m) as u32, (y * self.per_m) as u32);
        // Below the number of squares; what lies outside gets some number, and no entry or a wrong one.
        row.wrapping_mul(self.columns).wrapping_add(column)
    }

    /// The indexes of all squares in columns and rows, both inclusive.
    fn indexes(&self, columns: (u32, u32), rows: (u32, u32)) -> impl Iterator<Item = usize> + use<> {
        let all_columns = self.columns;
        (rows.0..=rows.1).flat_map(move |row| {
            (columns.0..=columns.1).map(move |column| (row * all_columns + column) as usize)
        })
    }

    /// The corner of least x and y of a square.
    fn corner(&self, index: usize) -> (f32, f32) {
        let (column, row) = (index as u32 % self.columns, index as u32 / self.columns);
        (column as f32 * self.side_m, row as f32 * self.side_m)
    }

    /// The first and last square of an interval along one axis.
    fn span(&self, from: f32, to: f32, count: u32) -> (u32, u32) {
        // `as` saturates: what lies before the first square is in it.
        let square = |at: f32| ((at * self.per_m) as u32).min(count - 1);
        (square(from), square(to))
    }

    /// Those within reach of the border of a zone.
    fn border(&self, width_m: f32, height_m: f32) -> impl Iterator<Item = usize> {
        self.indexes((0, self.columns - 1), (0, self.rows - 1)).filter(move |index| {
            let (x, y) = self.corner(*index);
            let is_inside = x >= REACH_M
                && y >= REACH_M
                && x + self.side_m <= width_m - REACH_M
                && y + self.side_m <= height_m - REACH_M;
            !is_inside
        })
    }

    /// Those within reach of a rectangle.
    fn around(&self, (x0, y0): (f32, f32), (x1, y1): (f32, f32)) -> impl Iterator<Item = usize> + use<> {
        let columns = self.span(x0 - REACH_M, x1 + REACH_M, self.columns);
        let rows = self.span(y0 - REACH_M, y1 + REACH_M, self.rows);
        self.indexes(columns, rows)
    }

    /// Those that an obstacle is within reach of, and some beside a slanting wall.
    fn touched(&self, obstacle: &Obstacle) -> impl Iterator<Item = usize> + use<> {
        let (raster, obstacle) = (*self, *obstacle);
        let (x, y, radius) = (obstacle.x, obstacle.y, obstacle.radius);
        let (end_x, end_y) = (x + obstacle.dx, y + obstacle.dy);
        let least = (x.min(end_x) - radius, y.min(end_y) - radius);
        let most = (x.max(end_x) + radius, y.max(end_y) + radius);
        raster.around(least, most).filter(move |index| {
            let ((x, y), side_m, reach) = (raster.corner(*index), raster.side_m, radius + REACH_M);
            if obstacle.is_round() {
                let (nx, ny) = (obstacle.x.clamp(x, x + side_m), obstacle.y.clamp(y, y + side_m));
                obstacle.square_distance(nx, ny) <= reach * reach
            } else {
                // The circle around the square: half of its diagonal is 0.7072 of its side at most.
                let around = reach + 0.7072 * side_m;
                obstacle.square_distance(x + 0.5 * side_m, y + 0.5 * side_m) <= around * around
            }
        })
    }
}

impl Tiles {
    pub(crate) fn new(width_m: f32, height_m: f32, spacing_m: u32) -> Self {
        let tile_m = spacing_m.max(TILE_M_MIN) as f32;
        let tiles = Raster::new(width_m, height_m, tile_m);
        let squares = Raster::new(width_m, height_m, tile_m * 0.5);
        let mut entries = vec![0; tiles.len()];
        tiles.border(width_m, height_m).for_each(|index| entries[index] = CAREFUL);
        let open = vec![u32::MAX; squares.len().div_ceil(32)];
        let mut made = Self { tiles, entries, lists: Vec::new(), squares, open };
        made.close(squares.border(width_m, height_m));
        made
    }

    /// Squares in which steps look out.
    fn close(&mut self, squares: impl Iterator<Item = usize>) {
        squares.for_each(|index| self.open[index / 32] &= !(1 << (index % 32)));
    }

    /// The index of the square at a place, at most the last one's: of what is not in the zone it is some number.
    #[inline(always)]
    pub(crate) fn square(&self, x: f32, y: f32) -> u32 {
        self.squares.index(x, y).min((self.open.len() as u32 * 32).wrapping_sub(1))
    }

    /// 1 if the square is open, else 0. There is none beyond the last one.
    #[inline(always)]
    pub(crate) fn openness(&self, square: u32) -> Option<u32> {
        let word = self.open.get((square / 32) as usize)?;
        Some(*word >> (square % 32) & 1)
    }

    /// What a tile lists at a place in the zone.
    #[inline(always)]
    pub(crate) fn entry(&self, x: f32, y: f32) -> u32 {
        self.entries.get(self.tiles.index(x, y) as usize).copied().unwrap_or(CAREFUL)
    }

    /// The numbers of the obstacles that an entry lists.
    #[inline(always)]
    pub(crate) fn list(&self, entry: u32) -> &[u32] {
        let (first, count) = ((entry >> FIRST_SHIFT) as usize, (entry & 0xff) as usize);
        self.lists.get(first..first + count).unwrap_or(&[])
    }

    /// Marks what is within reach of a rectangle of ground that is too steep.
    pub(crate) fn mark(&mut self, x0: f32, y0: f32, x1: f32, y1: f32) {
        let tiles = self.tiles.around((x0, y0), (x1, y1));
        tiles.for_each(|index| self.entries[index] |= CAREFUL | STEEP);
        self.close(self.squares.around((x0, y0), (x1, y1)));
    }

    /// Lists the obstacles.
    pub(crate) fn fill(&mut self, zone: u32, obstacles: &[Obstacle]) -> Result<(), LandError> {
        let mut counts = vec![0_u16; self.entries.len()];
        let mut total = 0;
        for obstacle in obstacles {
            for index in self.tiles.touched(obstacle) {
                let count = usize::from(counts[index]) + 1;
                if count > OBSTACLES_PER_TILE_MAX {
                    let (x_m, y_m) = self.tiles.corner(index);
                    let (tile_m, allowed) = (self.tiles.side_m, OBSTACLES_PER_TILE_MAX);
                    return Err(LandError::Crowded { zone, x_m, y_m, tile_m, allowed });
                }
                counts[index] = count as u16;
                total += 1;
            }
        }
        if total > TILE_ENTRIES_MAX {
            return Err(LandError::TooDense { zone, found: total, allowed: TILE_ENTRIES_MAX });
        }
        let mut first = 0;
        for (entry, count) in self.entries.iter_mut().zip(&counts) {
            if *count > 0 {
                *entry |= first << FIRST_SHIFT | CAREFUL;
                first += u32::from(*count);
            }
        }
        self.lists = vec![0; total];
        for (number, obstacle) in obstacles.iter().enumerate() {
            for index in self.tiles.touched(obstacle) {
                let entry = &mut self.entries[index];
                self.lists[((*entry >> FIRST_SHIFT) + (*entry & 0xff)) as usize] = number as u32;
                *entry += 1;
            }
            self.close(self.squares.touched(obstacle));
        }
        Ok(())
    }
}
