//! Which rows belong to which cell.
//!
//! ```text
//!   cells (row-major)      0            1                2
//!   chains of blocks       b0 -> b7     b1               b2 -> b9 -> b4
//!   scan order             b0 b7        b1               b2 b9 b4        one flat list; `first` says where cells begin
//! ```
//!
//! A cell owns whole blocks of 16 rows, so a block is one cache line of any 32-bit column and belongs to one place. The
//! first block of each cell lies where the cell lies, and further ones are taken near each other too, so that a run is
//! almost a straight piece of memory. An
//! entity keeps its row until it leaves its cell; empty rows are reused, lowest first. The 3x3 cells around a client
//! are three runs of the scan order. The relative order of two occupied rows in the scan order never changes: near
//! lists are told to clients in this order, and baselines rely on it.

use std::ops::Range;

use crate::entity::Slot;
use crate::history::WHOLE;
use crate::limits::{BLOCK_ROWS, CELLS_MAX, HISTORY_TICKS, UNITS_PER_METRE};
use crate::world::bounded;

const _: () = assert!(CELLS_MAX <= 0x40_0000, "a cell's number must fit the bits that are left of a float");

const NONE: u32 = u32::MAX;

/// Most blocks that are looked at together: those around a client in all but crowds.
pub(crate) const LOT: usize = 48;

/// Blocks that are looked at together. Aligned: what is written in lines of cache is read word by word right after, and
/// would wait for the writing to end where a line was written in two halves, 4 ns a lot.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Lot([u32; LOT]);

impl Default for Lot {
    fn default() -> Self {
        Self::new()
    }
}

impl Lot {
    pub(crate) const fn new() -> Self {
        Self([0; LOT])
    }

    /// The first `count` blocks.
    #[inline(always)]
    pub(crate) fn first(&self, count: usize) -> &[u32] {
        &self.0[..count]
    }
}

/// Blocks that are copied into a lot at once.
const GULP: usize = 16;

/// How long a block stays with its cell after its last entity left, ticks. Shorter than the history, and a client could
/// miss who left it; many seconds, and cells that breathe do not hand blocks round all the time.
const VACANT_TICKS: u32 = 8 * HISTORY_TICKS as u32;

/// Where a block lies: its cell's centre, and the decoy position of its empty rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub x_m: f32,
    pub y_m: f32,
    pub decoy: u32,
}

#[derive(Debug)]
pub(crate) struct Grid {
    cell_m: f32,
    cells_per_metre: f32,
    /// How far outside its cell an entity may stray before it is moved: wanderers on a border do not flap.
    margin_m: f32,
    columns: u32,
    rows: u32,
    scan: Scan,
    heads: Vec<u32>,
    nexts: Vec<u32>,
    cells: Vec<u32>,
    live: Vec<u16>,
    places: Vec<Place>,
    /// Frame from which a block is empty.
    vacant_since: Vec<u32>,
    /// One bit per block that no cell owns.
    free: Vec<u64>,
    order: Vec<u32>,
    first: Vec<u32>,
    is_order_stale: bool,
    reap_cursor: usize,
}

/// What turns a box in position units into cells, as the floats that this is done with.
#[derive(Clone, Copy, Debug)]
struct Scan {
    cells_per_unit: f32,
    /// What a side of the box is moved by, in cells: outwards as far as to look beyond it, and down by half a cell, because
    /// rounding half a cell less to a whole number rounds down. That takes half as long as a cast, which saturates, and
    /// nothing can be read before it is known.
    ///
    /// To look beyond: the border's margin, rounded up, one unit because positions are rounded down to units, and two for
    /// what floats are rounded by. 65 km from the origin that is a quarter of a unit at each of the places, centres, sums
    /// and products that decide in which cell somebody is, or is looked for.
    down: f32,
    up: f32,
    /// The last cells, as they are before rounding.
    last_column: f32,
    last_row: f32,
}

/// A little less than half: cell 0 must not become -1, nor the last one the one before.
const HALF: f32 = 0.499_99;

/// Room for one more row was found, or a new block must be added first.
pub(crate) enum Room {
    /// A row in a block that the cell has, or had before.
    Found(Slot),
    /// A row in a block that another cell had; its history must be wiped.
    Fresh(Slot),
    /// No block is left: [`Grid::extend`], then ask again.
    NoBlocks,
}

impl Grid {
    pub(crate) fn new(width_m: f32, height_m: f32, cell_m: f32) -> Self {
        let columns = (width_m / cell_m).ceil().max(1.0) as u32;
        let rows = (height_m / cell_m).ceil().max(1.0) as u32;
        let cells = columns as usize * rows as usize;
        let (cells_per_metre, margin_m) = (1.0 / cell_m, cell_m / 64.0);
        let cells_per_unit = cells_per_metre / UNITS_PER_METRE as f32;
        let beyond = ((margin_m * UNITS_PER_METRE as f32).ceil() + 3.0) * cells_per_unit;
        Self {
            cell_m,
            cells_per_metre,
            margin_m,
            columns,
            rows,
            scan: Scan {
                cells_per_unit,
                down: -beyond - HALF,
                up: beyond - HALF,
                last_column: (columns - 1) as f32,
                last_row: (rows - 1) as f32,
            },
            heads: vec![NONE; cells],
            nexts: Vec::new(),
            cells: Vec::new(),
            live: Vec::new(),
            places: Vec::new(),
            vacant_since: Vec::new(),
            free: Vec::new(),
            order: vec![0; GULP],
            first: vec![0; cells + 1],
            is_order_stale: true,
            reap_cursor: 0,
        }
    }

    pub(crate) fn cell_count(&self) -> usize {
        self.heads.len()
    }

    pub(crate) fn block_count(&self) -> usize {
        self.live.len()
    }

    /// One bit per row and block: is it somebody's?
    pub(crate) fn live(&self) -> &[u16] {
        &self.live
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Half a cell and the margin: an entity whose distance to its cell's centre exceeds this on an axis has left.
    pub(crate) fn reach_m(&self) -> f32 {
        self.cell_m * 0.5 + self.margin_m
    }

    /// Appends free blocks.
    pub(crate) fn extend(&mut self, blocks: usize) {
        let old = self.block_count();
        self.live.resize(blocks, 0);
        self.cells.resize(blocks, NONE);
        self.nexts.resize(blocks, NONE);
        self.vacant_since.resize(blocks, 0);
        self.places.resize(blocks, Place { x_m: 0.0, y_m: 0.0, decoy: 0 });
        self.free.resize(blocks.div_ceil(64), 0);
        (old..blocks).for_each(|block| self.free[block / 64] |= 1 << (block % 64));
        self.order.reserve(blocks + GULP - self.order.len());
    }

    pub(crate) fn cell_at(&self, x_m: f32, y_m: f32) -> u32 {
        // `as` saturates: what lies outside, or is no number, belongs to a border cell.
        let column = ((x_m * self.cells_per_metre) as u32).min(self.columns - 1);
        let row = ((y_m * self.cells_per_metre) as u32).min(self.rows - 1);
        row * self.columns + column
    }

    /// Takes a row in `cell`.
    pub(crate) fn take(&mut self, cell: u32) -> Room {
        let mut tail = NONE;
        let mut block = self.heads[cell as usize];
        while block != NONE {
            let vacant = !self.live[block as usize];
            if vacant != 0 {
                return Room::Found(self.occupy(block, vacant.trailing_zeros()));
            }
            tail = block;
            block = self.nexts[block as usize];
        }
        let Some(block) = self.claim(cell, tail == NONE) else { return Room::NoBlocks };
        match tail {
            NONE => self.heads[cell as usize] = block,
            tail => self.nexts[tail as usize] = block,
        }
        self.nexts[block as usize] = NONE;
        self.cells[block as usize] = cell;
        let place = self.place_of(cell);
        let before = std::mem::replace(&mut self.places[block as usize], place);
        self.is_order_stale = true;
        let slot = self.occupy(block, 0);
        // All that a block's history holds once it is free is the decoy of where it was.
        if before.decoy == place.decoy { Room::Found(slot) } else { Room::Fresh(slot) }
    }

    /// The free block nearest after where blocks of this cell should lie.
    fn claim(&mut self, cell: u32, is_first: bool) -> Option<u32> {
        let (cells, blocks) = (self.cell_count(), self.block_count());
        let home = match (is_first, blocks.checked_sub(cells)) {
            (true, Some(_)) => cell as usize,
            (false, Some(others)) => cells + (cell as usize * others) / cells,
            // Fewer blocks than cells, for few entities in a large world.
            (_, None) => cell as usize * blocks / cells,
        };
        let words = self.free.len();
        let (first_word, first_bit) = (home / 64 % words.max(1), home % 64);
        // Round the words once, and the first one again for the bits before its start.
        for step in 0..=words {
            let word = (first_word + step) % words;
            let allowed = if step == 0 { !0 << first_bit } else { !0 };
            let free = self.free[word] & allowed;
            if free != 0 {
                let bit = free.trailing_zeros();
                self.free[word] &= !(1 << bit);
                return Some(word as u32 * 64 + bit);
            }
        }
        None
    }

    fn occupy(&mut self, block: u32, row: u32) -> Slot {
        self.live[block as usize] |= 1 << row;
        Slot(block * BLOCK_ROWS as u32 + row)
    }

    fn place_of(&self, cell: u32) -> Place {
        let x_m = ((cell % self.columns) as f32 + 0.5) * self.cell_m;
        let y_m = ((cell / self.columns) as f32 + 0.5) * self.cell_m;
        let units = UNITS_PER_METRE as f32;
        Place { x_m, y_m, decoy: crate::history::pack((x_m * units) as i32 + 32_768, (y_m * units) as i32) }
    }

    /// Gives a row back; `frame` is the first frame in which it is empty.
    pub(crate) fn vacate(&mut self, slot: Slot, frame: u32) {
        let block = slot.row() / BLOCK_ROWS;
        debug_assert!(self.live[block] >> (slot.row() % BLOCK_ROWS) & 1 == 1);
        self.live[block] &= !(1 << (slot.row() % BLOCK_ROWS));
        self.vacant_since[block] = frame;
    }

    /// Takes back blocks that have long been empty, a thirty-second of all at each call.
    pub(crate) fn reap(&mut self, frame: u32) {
        let share = self.block_count().div_ceil(HISTORY_TICKS);
        for _ in 0..share {
            self.reap_cursor =
                if self.reap_cursor + 1 >= self.block_count() { 0 } else { self.reap_cursor + 1 };
            let block = self.reap_cursor;
            let is_chained = self.cells[block] != NONE;
            let is_old = frame.saturating_sub(self.vacant_since[block]) > VACANT_TICKS;
            if is_chained && self.live[block] == 0 && is_old {
                self.unchain(block as u32);
            }
        }
    }

    fn unchain(&mut self, block: u32) {
        let cell = std::mem::replace(&mut self.cells[block as usize], NONE) as usize;
        let next = self.nexts[block as usize];
        if self.heads[cell] == block {
            self.heads[cell] = next;
        } else {
            let mut before = self.heads[cell];
            while self.nexts[before as usize] != block {
                before = self.nexts[before as usize];
            }
            self.nexts[before as usize] = next;
        }
        self.free[block as usize / 64] |= 1 << (block % 64);
        self.is_order_stale = true;
    }

    /// Lists the blocks by cell again, if any chain changed.
    pub(crate) fn refresh_order(&mut self) {
        if !std::mem::take(&mut self.is_order_stale) {
            return;
        }
        self.order.clear();
        // Serial, over all cells: 2.4 ms for 100,000 entities on 65 x 65 km in 2.7 million cells. Going
        // from owner to owner by a bit map took as long.
        for (cell, &head) in self.heads.iter().enumerate() {
            self.first[cell] = self.order.len() as u32;
            let mut block = head;
            while block != NONE {
                self.order.push(block);
                block = self.nexts[block as usize];
            }
        }
        self.first[self.heads.len()] = self.order.len() as u32;
        // So that a gulp may begin at any block.
        self.order.extend([0; GULP]);
    }

    /// Whether every block that has an owner is listed.
    pub(crate) fn is_order_fresh(&self) -> bool {
        !self.is_order_stale
    }

    /// The blocks of all cells that may hold somebody in the box, by ascending scan order.
    #[inline(always)]
    pub(crate) fn runs(&self, bounds: Bounds) -> Runs<'_> {
        let [left, right, row, last_row] = self.corners(bounds);
        Runs {
            grid: self,
            cell: row.wrapping_mul(self.columns).wrapping_add(left),
            cells: right.wrapping_sub(left).wrapping_add(1),
            runs: last_row.wrapping_sub(row).wrapping_add(1),
            start: 0,
            end: 0,
        }
    }

    /// The numbers of all cells in which somebody in the box may be, as one range per cell row.
    pub(crate) fn cell_runs(&self, bounds: Bounds) -> impl Iterator<Item = Range<usize>> {
        let [left, right, row, last_row] = self.corners(bounds);
        let columns = self.columns;
        (row..=last_row).map(move |row| (row * columns + left) as usize..(row * columns + right + 1) as usize)
    }

    /// First and last column, first and last row.
    #[inline(always)]
    fn corners(&self, bounds: Bounds) -> [u32; 4] {
        let Scan { cells_per_unit, down, up, last_column, last_row } = self.scan;
        let cell = |units: f32, moved: f32, last: f32| {
            (bounded(units * cells_per_unit + moved, -HALF, last) + WHOLE).to_bits() & 0x3f_ffff
        };
        [
            cell(bounds.left, down, last_column),
            cell(bounds.right, up, last_column),
            cell(bounds.low, down, last_row),
            cell(bounds.high, up, last_row),
        ]
    }
}

/// The blocks of a box, run by run: one run of the scan order per row of cells.
#[derive(Clone, Debug)]
pub(crate) struct Runs<'a> {
    grid: &'a Grid,
    /// The first cell of the next run, how many cells are in a run, and how many runs are left.
    cell: u32,
    cells: u32,
    runs: u32,
    /// What is left of the run before that, in the scan order.
    start: u32,
    end: u32,
}

impl<'a> Runs<'a> {
    /// The blocks of the next run, as they lie in the scan order. Take a box run by run or by the lot, not both.
    #[inline(always)]
    pub(crate) fn next_run(&mut self) -> Option<&'a [u32]> {
        let run = self.next_range()?;
        Some(&self.grid.order[run.start as usize..run.end as usize])
    }

    /// Where in the scan order the next run is.
    #[inline(always)]
    fn next_range(&mut self) -> Option<Range<u32>> {
        if self.runs == 0 {
            return None;
        }
        // Below the number of cells, all of them; without the checks of overflow a query is 2 ns shorter.
        self.runs = self.runs.wrapping_sub(1);
        let start = self.grid.first[self.cell as usize];
        let end = self.grid.first[self.cell.wrapping_add(self.cells) as usize];
        self.cell = self.cell.wrapping_add(self.grid.columns);
        Some(start..end)
    }

    /// Lists the next blocks and returns how many; none at the end.
    ///
    /// A gulp is copied however short the run is, and one loop over the lot takes the place of one per run: in a snapshot
    /// that is 20 ns of 300. Where little else is done per block, [`next_run`](Self::next_run) is faster.
    #[inline(always)]
    pub(crate) fn next_lot(&mut self, lot: &mut Lot) -> usize {
        let Lot(lot) = lot;
        let mut count = 0usize;
        loop {
            if self.start == self.end {
                let Some(run) = self.next_range() else { return count };
                (self.start, self.end) = (run.start, run.end);
            }
            let Some(to) = lot[count..].first_chunk_mut::<GULP>() else { return count };
            let start = self.start as usize;
            let Some(from) = self.grid.order.get(start..start + GULP).and_then(<[u32]>::as_array) else {
                unreachable!("there is a gulp behind the last block")
            };
            *to = *from;
            let taken = self.end.wrapping_sub(self.start).min(GULP as u32);
            self.start = self.start.wrapping_add(taken);
            count = count.wrapping_add(taken as usize);
        }
    }
}

/// A box in position units, borders included; whole or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub left: f32,
    pub right: f32,
    pub low: f32,
    pub high: f32,
}

impl Bounds {
    #[inline(always)]
    pub(crate) fn around(x: f32, y: f32, radius: f32) -> Self {
        Self { left: x - radius, right: x + radius, low: y - radius, high: y + radius }
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            right: self.right.max(other.right),
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn whoever_is_in_a_box_is_in_its_runs() {
        let widths_m = [1.0, 49.0, 980.0, 2_048.0, 16_777.3, 49_152.0, 65_535.9, 65_536.0];
        for (width_m, cell_m) in
            widths_m.iter().flat_map(|width| [1.0, 31.7, 40.0, 50.0, 200.0].map(|cell| (*width, cell)))
        {
            let grid = Grid::new(width_m, 1.0, cell_m);
            let mut random = Random::of_tick(1, 0, grid.columns);
            for step in 0..20_000 {
                let (x_m, radius_m) =
                    (random.unit() * (width_m + 100.0) - 50.0, random.unit() * cell_m.min(200.0));
                // On a border every other time, where rounding decides.
                let x_m = if step % 2 == 0 { x_m } else { (x_m / cell_m).round() * cell_m };
                let units = UNITS_PER_METRE as f32;
                let runs = grid.runs(Bounds::around(x_m * units, 0.0, radius_m * units));
                // As far as a position that is rounded down may be and still be in range, and as far over the border as
                // somebody may stray.
                let reach_m = radius_m + 1.0 / units;
                for at_m in [x_m - reach_m, x_m, x_m + reach_m * random.unit(), x_m + reach_m] {
                    for stray_m in [-grid.margin_m, 0.0, grid.margin_m] {
                        let cell = grid.cell_at(bounded(at_m + stray_m, 0.0, width_m), 0.0);
                        let found = runs.cell..runs.cell + runs.cells;
                        assert!(found.contains(&cell), "{at_m} m in {found:?} of {width_m} m by {cell_m} m");
                    }
                }
                assert_eq!(runs.runs, 1);
                assert!(
                    runs.cell + runs.cells <= grid.columns
                        && runs.cells <= (2.0 * reach_m / cell_m) as u32 + 4
                );
            }
        }
    }
}
