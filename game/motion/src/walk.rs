//! Steps of many bodies: columns in blocks of sixteen rows.
//!
//! ```text
//!   block ─► zone of its first row ─► sixteen tiles ─┬─ open: velocity, place, four heights, blend   (sixteen lanes)
//!                                                    └─ not, or in another zone: one row at a time   (cold)
//! ```

use crate::land::{Ground, Land};
use crate::region::blend;
use crate::step::{Body, Limits, Pace, one};

/// Rows of a block: as many 32-bit lanes as a cache line and an AVX-512 register hold.
const ROWS: usize = 16;

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
    let (steps16, steps) = steps.as_chunks::<ROWS>();
    let bodies = xs.iter_mut().zip(ys).zip(zs).zip(vxs).zip(vys);
    for (((((x, y), z), vx), vy), ((wish_x, wish_y), steps)) in
        bodies.zip(wish_xs.iter().zip(wish_ys).zip(steps16))
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
    let Some(Ground { region, origin }) = land.ground_at(block.x[first], block.y[first]) else {
        walk_rows(land, pace, block, turn, 0xffff);
        return;
    };
    // Tiles of rows outside the zone, and of empty rows, are some number or other; neither is used.
    let (mut tile, mut may) = ([0_u32; ROWS], [0_u32; ROWS]);
    for row in 0..ROWS {
        let (x, y) = (block.x[row] - origin.x, block.y[row] - origin.y);
        tile[row] = region.tiles.index(x, y);
        may[row] = u32::from(block.steps[row] > turn) & u32::from(region.contains(x, y));
    }
    let mut careful = 0_u32;
    for row in 0..ROWS {
        may[row] &= u32::from(region.tiles.entry(tile[row]) == 0);
        careful |= u32::from((block.steps[row] > turn) & (may[row] == 0)) << row;
    }

    let (mut x, mut y) = ([0.0; ROWS], [0.0; ROWS]);
    let (mut vx, mut vy) = ([0.0; ROWS], [0.0; ROWS]);
    let (mut share_x, mut share_y, mut cell) = ([0.0; ROWS], [0.0; ROWS], [0_u32; ROWS]);
    for row in 0..ROWS {
        (vx[row], vy[row]) =
            pace.velocity(block.vx[row], block.vy[row], block.wish_x[row], block.wish_y[row]);
        x[row] = block.x[row] + vx[row] * pace.tick_s;
        y[row] = block.y[row] + vy[row] * pace.tick_s;
        (cell[row], share_x[row], share_y[row]) = region.cell(x[row] - origin.x, y[row] - origin.y);
    }
    let mut corners = [[0.0; ROWS]; 4];
    for row in 0..ROWS {
        let (low, high) = region.corners(cell[row]);
        (corners[0][row], corners[1][row], corners[2][row], corners[3][row]) = (low.0, low.1, high.0, high.1);
    }
    for row in 0..ROWS {
        let (low, high) = ((corners[0][row], corners[1][row]), (corners[2][row], corners[3][row]));
        let z = blend(low, high, share_x[row], share_y[row]);
        let may = may[row] != 0;
        block.x[row] = if may { x[row] } else { block.x[row] };
        block.y[row] = if may { y[row] } else { block.y[row] };
        block.z[row] = if may { z } else { block.z[row] };
        block.vx[row] = if may { vx[row] } else { block.vx[row] };
        block.vy[row] = if may { vy[row] } else { block.vy[row] };
    }
    if careful != 0 {
        walk_rows(land, pace, block, turn, careful);
    }
}

/// One step of those rows of `mask` that take more than `turn`, one by one.
#[cold]
#[inline(never)]
fn walk_rows(land: &Land, pace: &Pace, block: &mut Block<'_>, turn: u8, mask: u32) {
    for row in (0..ROWS).filter(|row| mask >> row & 1 == 1) {
        if block.steps[row] > turn {
            let body = Body {
                x: block.x[row],
                y: block.y[row],
                z: block.z[row],
                vx: block.vx[row],
                vy: block.vy[row],
            };
            let body = one(land, pace, body, block.wish_x[row], block.wish_y[row]);
            block.x[row] = body.x;
            block.y[row] = body.y;
            block.z[row] = body.z;
            block.vx[row] = body.vx;
            block.vy[row] = body.vy;
        }
    }
}
