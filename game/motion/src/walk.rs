//! Steps of many bodies: columns in blocks of thirty-two rows.
//!
//! ```text
//!   block ─► zone of its first row ─► where rows are ─┬─ open: velocity, place, four heights, blend   (all lanes)
//!                                                     ├─ not: one row at a time, with the velocities of the lanes
//!                                                     └─ in another zone, or none: one row at a time, from the start
//! ```

use crate::land::{Ground, Land};
use crate::region::{blend, unpack};
use crate::step::{Body, Limits, Pace, careful, one};

/// Rows of a block: two AVX-512 registers of 32-bit lanes, so that the loads of one do not wait for those of the other.
const ROWS: usize = 32;

/// Columns of bodies and of what they wish; all of one length.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Columns<'a> {
    pub x: &'a mut [f32],
    pub y: &'a mut [f32],
    pub z: &'a mut [f32],
    pub vx: &'a mut [f32],
    pub vy: &'a mut [f32],
    pub wish_x: &'a [f32],
    pub wish_y: &'a [f32],
    /// How many steps each row takes; one that takes none stays as it is, whatever it holds.
    pub steps: &'a [u8],
}

struct Block<'a> {
    x: &'a mut [f32; ROWS],
    y: &'a mut [f32; ROWS],
    z: &'a mut [f32; ROWS],
    vx: &'a mut [f32; ROWS],
    vy: &'a mut [f32; ROWS],
    wish_x: &'a [f32; ROWS],
    wish_y: &'a [f32; ROWS],
    steps: &'a [u8; ROWS],
}

/// Moves every row by as many [`step`](crate::step())s of `tick_s` as its column says: the same bits as one by one.
/// Inlined, so that it is compiled for the instruction set of whoever calls it. Allocates nothing.
///
/// # Panics
/// When the columns are not of one length.
#[inline(always)]
pub fn walk(land: &Land, limits: &Limits, columns: Columns<'_>, tick_s: f32) {
    let pace = Pace::new(limits, tick_s);
    let Columns { x, y, z, vx, vy, wish_x, wish_y, steps } = columns;
    let rows = x.len();
    let lengths = [y.len(), z.len(), vx.len(), vy.len(), wish_x.len(), wish_y.len(), steps.len()];
    assert!(lengths.iter().all(|length| *length == rows), "columns of {rows} and {lengths:?} rows");
    let (xs, x) = x.as_chunks_mut::<ROWS>();
    let (ys, y) = y.as_chunks_mut::<ROWS>();
    let (zs, z) = z.as_chunks_mut::<ROWS>();
    let (vxs, vx) = vx.as_chunks_mut::<ROWS>();
    let (vys, vy) = vy.as_chunks_mut::<ROWS>();
    let (wish_xs, wish_x) = wish_x.as_chunks::<ROWS>();
    let (wish_ys, wish_y) = wish_y.as_chunks::<ROWS>();
    let (step_blocks, steps) = steps.as_chunks::<ROWS>();
    let bodies = xs.iter_mut().zip(ys).zip(zs).zip(vxs).zip(vys);
    for (((((x, y), z), vx), vy), ((wish_x, wish_y), steps)) in
        bodies.zip(wish_xs.iter().zip(wish_ys).zip(step_blocks))
    {
        let mut block = Block { x, y, z, vx, vy, wish_x, wish_y, steps };
        let most = steps.iter().fold(0, |most, steps| most.max(*steps));
        for turn in 0..most {
            walk_block(land, &pace, &mut block, turn);
        }
    }
    for row in 0..x.len() {
        let mut body = Body { x: x[row], y: y[row], z: z[row], vx: vx[row], vy: vy[row] };
        for _ in 0..steps[row] {
            body = one(land, &pace, body, wish_x[row], wish_y[row]);
        }
        (x[row], y[row], z[row], vx[row], vy[row]) = (body.x, body.y, body.z, body.vx, body.vy);
    }
}

/// One step of the rows that take more than `turn`.
#[inline(always)]
fn walk_block(land: &Land, pace: &Pace, block: &mut Block<'_>, turn: u8) {
    let first = block.steps.iter().position(|steps| *steps > turn).unwrap_or(0);
    let Some(at) = land.ground_at(block.x[first], block.y[first]) else {
        let stray = block.steps.map(|steps| u32::from(steps > turn));
        walk_strays(land, pace, block, &stray);
        return;
    };
    let Ground { region, origin } = at;
    // Copies: in arrays of its own the compiler knows that no column overlaps another.
    let (mut x, mut y, mut z) = (*block.x, *block.y, *block.z);
    let (mut vx, mut vy) = (*block.vx, *block.vy);
    let (wish_x, wish_y, steps) = (*block.wish_x, *block.wish_y, *block.steps);
    // Copied out, or they would be gathered for each row anew.
    let (width_m, height_m) = (region.width_m, region.height_m);
    // Squares of rows outside the zone, and of empty rows, are some number or other; neither is used.
    let (mut square, mut goes, mut may) = ([0_u32; ROWS], [0_u32; ROWS], [0_u32; ROWS]);
    for row in 0..ROWS {
        let (x, y) = (x[row] - origin.x, y[row] - origin.y);
        square[row] = region.tiles.square(x, y);
        goes[row] = u32::from(steps[row] > turn);
        let is_inside = (x >= 0.0) & (y >= 0.0) & (x <= width_m) & (y <= height_m);
        may[row] = goes[row] & u32::from(is_inside);
    }
    // A loop that may end early is not made of gathers, which take longer than single loads. It never does: there is
    // a square of that number, and where rows that may not go end up does not matter.
    let mut open = [0_u32; ROWS];
    for row in 0..ROWS {
        let Some(openness) = region.tiles.openness(square[row]) else { break };
        open[row] = openness;
    }
    // Flags rather than bits: gathering bits takes longer than all the rest of this loop.
    let (mut close, mut stray) = ([0_u32; ROWS], [0_u32; ROWS]);
    let (mut any_close, mut any_stray) = (0, 0);
    for row in 0..ROWS {
        close[row] = may[row] & (open[row] ^ 1);
        stray[row] = goes[row] & (may[row] ^ 1);
        any_close |= close[row];
        any_stray |= stray[row];
        may[row] &= open[row];
    }

    let (mut new_x, mut new_y) = ([0.0; ROWS], [0.0; ROWS]);
    let (mut new_vx, mut new_vy) = ([0.0; ROWS], [0.0; ROWS]);
    let (mut share_x, mut share_y, mut cell) = ([0.0; ROWS], [0.0; ROWS], [0_u32; ROWS]);
    for row in 0..ROWS {
        (new_vx[row], new_vy[row]) = pace.velocity(vx[row], vy[row], wish_x[row], wish_y[row]);
        new_x[row] = x[row] + new_vx[row] * pace.tick_s;
        new_y[row] = y[row] + new_vy[row] * pace.tick_s;
        (cell[row], share_x[row], share_y[row]) = region.cell(new_x[row] - origin.x, new_y[row] - origin.y);
    }
    let (mut low, mut high) = ([0_u32; ROWS], [0_u32; ROWS]);
    for row in 0..ROWS {
        // Never ends early, as above: a cell is one of the zone's whatever the place.
        let Some(pairs) = region.corner_pairs(cell[row]) else { break };
        (low[row], high[row]) = pairs;
    }
    let mut ground = [0.0; ROWS];
    for row in 0..ROWS {
        ground[row] = blend(unpack(low[row]), unpack(high[row]), share_x[row], share_y[row]);
    }
    // One column at a time: five at once are more than the compiler makes vectors of.
    let pick = |old: &mut [f32; ROWS], new: &[f32; ROWS]| {
        for row in 0..ROWS {
            old[row] = if may[row] != 0 { new[row] } else { old[row] };
        }
    };
    pick(&mut x, &new_x);
    pick(&mut y, &new_y);
    pick(&mut z, &ground);
    pick(&mut vx, &new_vx);
    pick(&mut vy, &new_vy);
    (*block.x, *block.y, *block.z, *block.vx, *block.vy) = (x, y, z, vx, vy);
    if any_close != 0 {
        walk_careful(land, at, pace, block, &close, (&new_vx, &new_vy));
    }
    if any_stray != 0 {
        walk_strays(land, pace, block, &stray);
    }
}

/// One step of the rows flagged in `close`, which are in the block's zone but not on open ground, with their new velocities.
#[inline(never)]
fn walk_careful(
    land: &Land,
    ground: Ground<'_>,
    pace: &Pace,
    block: &mut Block<'_>,
    close: &[u32; ROWS],
    (vx, vy): (&[f32; ROWS], &[f32; ROWS]),
) {
    let Ground { region, origin } = ground;
    // The entries of all rows at once: steps that looked up their own would wait for one after the other.
    let mut entries = [0; ROWS];
    for row in (0..ROWS).filter(|row| close[*row] != 0) {
        entries[row] = region.entry(block.x[row] - origin.x, block.y[row] - origin.y);
    }
    for row in (0..ROWS).filter(|row| close[*row] != 0) {
        let body = Body { x: block.x[row], y: block.y[row], z: block.z[row], vx: vx[row], vy: vy[row] };
        block.put(row, careful(land, ground, body, entries[row], pace.tick_s));
    }
}

/// One step of the rows flagged in `stray`, wherever they are.
#[cold]
#[inline(never)]
fn walk_strays(land: &Land, pace: &Pace, block: &mut Block<'_>, stray: &[u32; ROWS]) {
    for row in (0..ROWS).filter(|row| stray[*row] != 0) {
        let (x, y, z) = (block.x[row], block.y[row], block.z[row]);
        let body = Body { x, y, z, vx: block.vx[row], vy: block.vy[row] };
        block.put(row, one(land, pace, body, block.wish_x[row], block.wish_y[row]));
    }
}

impl Block<'_> {
    fn put(&mut self, row: usize, body: Body) {
        (self.x[row], self.y[row], self.z[row]) = (body.x, body.y, body.z);
        (self.vx[row], self.vy[row]) = (body.vx, body.vy);
    }
}
