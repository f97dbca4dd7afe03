//! What is near a place: a uniform index of a zone, built once.
//!
//! ```text
//!   entry of a tile   0                           open ground: a step that begins here meets nothing
//!                     first << 10 | steep << 9 | 1 << 8 | n
//!                                                 look out; n obstacles are listed from `first` on
//! ```
//!
//! A tile lists what lies within [`REACH_M`] of it, so whoever begins a step in it needs no other tile's list. It is open
//! only if the zone's border and all ground that is too steep are as far away.

use crate::file::LandError;
use crate::limits::{OBSTACLES_PER_TILE_MAX, REACH_M, TILE_ENTRIES_MAX, TILE_M_MIN};
use crate::region::Obstacle;

/// What an entry of a tile means that is not open.
pub(crate) const CAREFUL: u32 = 1 << 8;
/// Set if ground that is too steep is near.
pub(crate) const STEEP: u32 = 1 << 9;
const FIRST_SHIFT: u32 = 10;

#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    tile_m: f32,
    pub tiles_per_m: f32,
    pub columns: u32,
    rows: u32,
    pub entries: Vec<u32>,
    lists: Vec<u32>,
}

impl Tiles {
    pub(crate) fn new(width_m: f32, height_m: f32, spacing_m: u32) -> Self {
        let tile_m = spacing_m.max(TILE_M_MIN) as f32;
        // A power of two, so this and what is multiplied by it are exact.
        let tiles_per_m = 1.0 / tile_m;
        let (columns, rows) = ((width_m * tiles_per_m) as u32 + 1, (height_m * tiles_per_m) as u32 + 1);
        let mut tiles = Self {
            tile_m,
            tiles_per_m,
            columns,
            rows,
            entries: vec![0; columns as usize * rows as usize],
            lists: Vec::new(),
        };
        for row in 0..rows {
            for column in 0..columns {
                let (x, y) = (column as f32 * tile_m, row as f32 * tile_m);
                let is_inside = x >= REACH_M
                    && y >= REACH_M
                    && x + tile_m <= width_m - REACH_M
                    && y + tile_m <= height_m - REACH_M;
                if !is_inside {
                    tiles.entries[(row * columns + column) as usize] = CAREFUL;
                }
            }
        }
        tiles
    }

    /// The index of the tile at a place in the zone.
    #[inline(always)]
    pub(crate) fn index(&self, x: f32, y: f32) -> u32 {
        let (column, row) = ((x * self.tiles_per_m) as u32, (y * self.tiles_per_m) as u32);
        // Below the number of tiles; what lies outside gets some number, and no entry or a wrong one.
        row.wrapping_mul(self.columns).wrapping_add(column)
    }

    #[inline(always)]
    pub(crate) fn entry(&self, index: u32) -> u32 {
        self.entries.get(index as usize).copied().unwrap_or(CAREFUL)
    }

    /// The numbers of the obstacles that an entry lists.
    #[inline(always)]
    pub(crate) fn list(&self, entry: u32) -> &[u32] {
        let (first, count) = ((entry >> FIRST_SHIFT) as usize, (entry & 0xff) as usize);
        self.lists.get(first..first + count).unwrap_or(&[])
    }

    /// Marks the tiles within reach of a rectangle of ground that is too steep.
    pub(crate) fn mark(&mut self, x0: f32, y0: f32, x1: f32, y1: f32) {
        let (columns, rows) = (
            self.span(x0 - REACH_M, x1 + REACH_M, self.columns),
            self.span(y0 - REACH_M, y1 + REACH_M, self.rows),
        );
        for row in rows.0..=rows.1 {
            for column in columns.0..=columns.1 {
                self.entries[(row * self.columns + column) as usize] |= CAREFUL | STEEP;
            }
        }
    }

    /// Lists the obstacles.
    pub(crate) fn fill(&mut self, zone: u32, obstacles: &[Obstacle]) -> Result<(), LandError> {
        let mut counts = vec![0_u16; self.entries.len()];
        let mut total = 0;
        for obstacle in obstacles {
            for index in self.touched(obstacle) {
                let count = usize::from(counts[index]) + 1;
                if count > OBSTACLES_PER_TILE_MAX {
                    return Err(LandError::Crowded {
                        zone,
                        x_m: (index as u32 % self.columns) as f32 * self.tile_m,
                        y_m: (index as u32 / self.columns) as f32 * self.tile_m,
                        tile_m: self.tile_m,
                        allowed: OBSTACLES_PER_TILE_MAX,
                    });
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
            for index in self.touched(obstacle) {
                let entry = &mut self.entries[index];
                self.lists[((*entry >> FIRST_SHIFT) + (*entry & 0xff)) as usize] = number as u32;
                *entry += 1;
            }
        }
        Ok(())
    }

    /// The first and last tile of an interval along one axis.
    fn span(&self, from: f32, to: f32, count: u32) -> (u32, u32) {
        // `as` saturates: what lies before the first tile is in it.
        let tile = |at: f32| ((at * self.tiles_per_m) as u32).min(count - 1);
        (tile(from), tile(to))
    }

    /// The indexes of all tiles that an obstacle is within reach of, and of some beside a slanting wall.
    fn touched(&self, obstacle: &Obstacle) -> impl Iterator<Item = usize> + use<> {
        let (tile_m, all_columns) = (self.tile_m, self.columns);
        let obstacle = *obstacle;
        let reach = obstacle.radius + REACH_M;
        let (x0, x1) = (obstacle.x.min(obstacle.x + obstacle.dx), obstacle.x.max(obstacle.x + obstacle.dx));
        let (y0, y1) = (obstacle.y.min(obstacle.y + obstacle.dy), obstacle.y.max(obstacle.y + obstacle.dy));
        let columns = self.span(x0 - reach, x1 + reach, self.columns);
        let rows = self.span(y0 - reach, y1 + reach, self.rows);
        (rows.0..=rows.1)
            .flat_map(move |row| (columns.0..=columns.1).map(move |column| (column, row)))
            .filter_map(move |(column, row)| {
                let (x, y) = (column as f32 * tile_m, row as f32 * tile_m);
                let is_near = if obstacle.is_round() {
                    let (nx, ny) = (obstacle.x.clamp(x, x + tile_m), obstacle.y.clamp(y, y + tile_m));
                    obstacle.square_distance(nx, ny) <= reach * reach
                } else {
                    // The circle around the tile: half of a square's diagonal is 0.7072 of its side at most.
                    let around = reach + 0.7072 * tile_m;
                    obstacle.square_distance(x + 0.5 * tile_m, y + 0.5 * tile_m) <= around * around
                };
                is_near.then_some((row * all_columns + column) as usize)
            })
    }
}
