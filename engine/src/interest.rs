//! Asking who is near: for systems (whom does this creature notice?) rather than for snapshots.

use crate::column::Columns;
use crate::grid::Bounds;
use crate::history::{Block, pack, quantise};
use crate::limits::{BLOCK_ROWS, UNITS_PER_METRE, VIEW_RADIUS_M_MAX};
use crate::simd::{LaneKernel, Lanes, dispatch_lanes};
use crate::world::World;

struct Within<'a, R> {
    runs: R,
    now: &'a [Block],
    centre: u32,
    radius2: i32,
    slots: &'a mut Vec<u32>,
}

impl<'a, R: Iterator<Item = &'a [u32]>> LaneKernel for Within<'a, R> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let mut count = 0;
        for run in self.runs {
            // Room for the whole run, so that no write has to ask.
            let most = count + run.len() * BLOCK_ROWS;
            if self.slots.len() < most {
                self.slots.resize(most, 0);
            }
            for &block in run {
                let mask = lanes.in_range(&self.now[block as usize].position, self.centre, self.radius2);
                if let Some(slots) = self.slots[count..].first_chunk_mut() {
                    lanes.slots(mask, block * BLOCK_ROWS as u32, slots);
                }
                count += mask.count_ones() as usize;
            }
        }
        self.slots.truncate(count);
    }
}

struct Nearest<'a, R> {
    runs: R,
    now: &'a [Block],
    centre: u32,
    radius2: i32,
    found: &'a mut Vec<u64>,
}

impl<'a, R: Iterator<Item = &'a [u32]>> LaneKernel for Nearest<'a, R> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        for run in self.runs {
            for &block in run {
                let position = &self.now[block as usize].position;
                let mask = lanes.in_range(position, self.centre, self.radius2);
                if mask == 0 {
                    continue;
                }
                let (mut slots, mut distances) = ([0; 16], [0; 16]);
                lanes.slots(mask, block * BLOCK_ROWS as u32, &mut slots);
                lanes.distances(position, self.centre, mask, &mut distances);
                let count = mask.count_ones() as usize;
                let found = slots[..count].iter().zip(&distances);
                self.found
                    .extend(found.map(|(&slot, &distance2)| u64::from(distance2) << 32 | u64::from(slot)));
            }
        }
    }
}

impl<C: Columns> World<C> {
    /// The rows of all entities within `radius_m` (up to [`VIEW_RADIUS_M_MAX`]) of a point, as of the published tick,
    /// in scan order. `slots` is overwritten; reuse it.
    pub fn within(&self, x_m: f32, y_m: f32, radius_m: f32, slots: &mut Vec<u32>) {
        let (x, y, radius) = units_of(x_m, y_m, radius_m);
        let kernel = Within {
            runs: self.grid.runs(Bounds::around(x, y, radius)),
            now: self.history.frame(self.tick()),
            centre: pack(x, y),
            radius2: radius * radius,
            slots,
        };
        dispatch_lanes(self.level, kernel);
    }

    /// The `count` entities nearest to a point within `radius_m`, nearest first; equally near ones by row.
    ///
    /// `guess_m` is where to look first: the last answer's reach of the same asker, or 0. It is set to the reach of
    /// this answer and a little more. `found` (squared distance in the high, row in the low 32 bits) is overwritten.
    pub fn nearest(
        &self,
        x_m: f32,
        y_m: f32,
        radius_m: f32,
        count: usize,
        guess_m: &mut f32,
        found: &mut Vec<u64>,
    ) {
        let (x, y, most) = units_of(x_m, y_m, radius_m);
        let mut radius = match quantise(*guess_m) {
            guess if guess > 0 => guess.min(most),
            _ => most,
        };
        loop {
            found.clear();
            let kernel = Nearest {
                runs: self.grid.runs(Bounds::around(x, y, radius)),
                now: self.history.frame(self.tick()),
                centre: pack(x, y),
                radius2: radius * radius,
                found,
            };
            dispatch_lanes(self.level, kernel);
            if found.len() >= count || radius == most {
                break;
            }
            radius = (radius * 3 / 2).min(most);
        }
        if found.len() > count && count > 0 {
            found.select_nth_unstable(count - 1);
        }
        found.truncate(count);
        found.sort_unstable();
        let reach = found.last().map_or(0.0, |&last| ((last >> 32) as f32).sqrt() / UNITS_PER_METRE as f32);
        *guess_m = if found.len() == count { reach * 1.06 + 0.1 } else { radius_m };
    }
}

fn units_of(x_m: f32, y_m: f32, radius_m: f32) -> (i32, i32, i32) {
    (quantise(x_m), quantise(y_m), quantise(radius_m.clamp(0.0, VIEW_RADIUS_M_MAX)))
}
