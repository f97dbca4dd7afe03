//! Asking who is near: for systems (whom does this creature notice?) rather than for snapshots.

use glam::Vec4;

use crate::column::Columns;
use crate::grid::{Bounds, Grid, Lot, Runs};
use crate::history::{Positions, WHOLE, pack, quantise};
use crate::limits::{BLOCK_ROWS, UNITS_PER_METRE, VIEW_RADIUS_M_MAX};
use crate::simd::{LaneKernel, Lanes, Question, dispatch_lanes, dispatch_question};
use crate::world::{World, WorldConfig};

/// Scratch of the queries here, kept by whoever asks often.
#[derive(Debug, Default)]
pub struct Found {
    pub(crate) slots: Vec<u32>,
    distances: Vec<u32>,
    nearest: Vec<u64>,
    pub(crate) lot: Lot,
}

impl Found {
    /// Room for `blocks` more blocks after `count` entries, so that no write has to ask. Never shrinks: cutting a vector
    /// to its answer and lengthening it again would zero it at each query.
    #[inline(always)]
    pub(crate) fn reserve(words: &mut Vec<u32>, count: usize, blocks: usize) -> &mut [u32] {
        let most = count + (blocks + 1) * BLOCK_ROWS;
        if words.len() < most {
            words.resize(most.next_power_of_two(), 0);
        }
        words
    }
}

/// Reserved room for a block's words from `at` on. A `u32`, so that its end needs no check of overflow.
#[inline(always)]
fn room(words: &mut [u32], at: u32) -> &mut [u32; BLOCK_ROWS] {
    let at = at as usize;
    match words.get_mut(at..at + BLOCK_ROWS).and_then(<[u32]>::as_mut_array) {
        Some(room) => room,
        None => unreachable!("reserved"),
    }
}

struct Within;

impl Question for Within {
    type About<'a> = (&'a Grid, &'a WorldConfig);

    /// Run by run, as they lie in memory: a lot is written before it is read, and would wait for the last answer, see
    /// [`dispatch_question`]. Two blocks at a time, for the second one's answer to be ready when its place is known.
    #[inline(always)]
    fn answer<L: Lanes>(
        lanes: L,
        (grid, config): Self::About<'_>,
        now: &[Positions],
        [x_m, y_m, radius_m]: [f32; 3],
        slots: &mut [u32],
    ) -> Result<usize, usize> {
        let (x, y, radius) = units_of(config, x_m, y_m, radius_m);
        let (centre, radius2) = (pack(x, y), radius.wrapping_mul(radius));
        let mut runs = grid.runs(bounds(x_m, y_m, radius_m));
        let mut count = 0u32;
        while let Some(run) = runs.next_run() {
            // The caller makes room: for a call from here, all that is known would have to be on the stack.
            let most = count as usize + (run.len() + 1) * BLOCK_ROWS;
            if most > slots.len() {
                return Err(most);
            }
            let (pairs, last) = run.as_chunks();
            for &[one, other] in pairs {
                let in_one = lanes.in_range(&now[one as usize], centre, radius2);
                let in_other = lanes.in_range(&now[other as usize], centre, radius2);
                lanes.slots(in_one, one.wrapping_mul(BLOCK_ROWS as u32), room(slots, count));
                count = count.wrapping_add(in_one.count_ones());
                lanes.slots(in_other, other.wrapping_mul(BLOCK_ROWS as u32), room(slots, count));
                count = count.wrapping_add(in_other.count_ones());
            }
            if let &[block] = last {
                let mask = lanes.in_range(&now[block as usize], centre, radius2);
                lanes.slots(mask, block.wrapping_mul(BLOCK_ROWS as u32), room(slots, count));
                count = count.wrapping_add(mask.count_ones());
            }
        }
        Ok(count as usize)
    }
}

struct Nearest<'a> {
    runs: Runs<'a>,
    now: &'a [Positions],
    centre: u32,
    radius2: i32,
    found: &'a mut Found,
}

impl LaneKernel for Nearest<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) -> usize {
        let mut count = 0usize;
        loop {
            let blocks = self.runs.next_lot(&mut self.found.lot);
            if blocks == 0 {
                return count;
            }
            let slots = Found::reserve(&mut self.found.slots, count, blocks);
            let distances = Found::reserve(&mut self.found.distances, count, blocks);
            for &block in self.found.lot.first(blocks) {
                let positions = &self.now[block as usize];
                let mask = lanes.in_range(positions, self.centre, self.radius2);
                let (Some(slots), Some(distances)) =
                    (slots[count..].first_chunk_mut(), distances[count..].first_chunk_mut())
                else {
                    unreachable!("reserved")
                };
                let first = block.wrapping_mul(BLOCK_ROWS as u32);
                lanes.ranks(positions, self.centre, mask, first, slots, distances);
                count = count.wrapping_add(mask.count_ones() as usize);
            }
        }
    }
}

impl<C: Columns> World<C> {
    /// The rows of all entities within `radius_m` (up to [`VIEW_RADIUS_M_MAX`]) of a point, in scan order, as of the
    /// published tick; they are right until the next [`settle`](World::settle).
    // Inlined: what it would save of its caller's registers is read again behind the answer's stores.
    #[inline(always)]
    pub fn within<'f>(&self, x_m: f32, y_m: f32, radius_m: f32, found: &'f mut Found) -> &'f [u32] {
        match self.ask_within(x_m, y_m, radius_m, &mut found.slots) {
            Ok(count) => &found.slots[..count],
            Err(most) => self.ask_within_again(x_m, y_m, radius_m, most, &mut found.slots),
        }
    }

    #[inline(always)]
    fn ask_within(&self, x_m: f32, y_m: f32, radius_m: f32, slots: &mut [u32]) -> Result<usize, usize> {
        let now = self.history.frame(self.published()).positions;
        let about = (&self.grid, &self.config);
        dispatch_question::<Within>(self.level, about, now, [x_m, y_m, radius_m], slots)
    }

    /// Makes room until the answer fits.
    #[cold]
    #[inline(never)]
    fn ask_within_again<'f>(
        &self,
        x_m: f32,
        y_m: f32,
        radius_m: f32,
        most: usize,
        slots: &'f mut Vec<u32>,
    ) -> &'f [u32] {
        let mut asked = Err(most);
        loop {
            match asked {
                Ok(count) => return &slots[..count],
                Err(most) => slots.resize(most.next_power_of_two(), 0),
            }
            asked = self.ask_within(x_m, y_m, radius_m, slots);
        }
    }

    /// The blocks of all cells that a circle touches, and of some beside it, in scan order: for systems that look at
    /// sixteen rows at a time. They are right until the next [`settle`](World::settle).
    pub fn blocks_around(&self, x_m: f32, y_m: f32, radius_m: f32) -> impl Iterator<Item = usize> {
        let (mut runs, mut lot) = (self.grid.runs(bounds(x_m, y_m, radius_m)), Lot::new());
        let (mut next, mut blocks) = (0, 0);
        std::iter::from_fn(move || {
            if next == blocks {
                (next, blocks) = (0, runs.next_lot(&mut lot));
            }
            next += 1;
            lot.first(blocks).get(next - 1).map(|block| *block as usize)
        })
    }

    /// The `count` entities nearest to a point within `radius_m`, in no order: squared distance in units in the high,
    /// row in the low 32 bits. Of equally near ones those with lower rows.
    ///
    /// `guess_m` is where to look first: the last answer's reach of the same asker, or 0. It is set to the reach of
    /// this answer and a little more.
    pub fn nearest<'f>(
        &self,
        x_m: f32,
        y_m: f32,
        radius_m: f32,
        count: usize,
        guess_m: &mut f32,
        found: &'f mut Found,
    ) -> &'f [u64] {
        let (x, y, most) = units_of(&self.config, x_m, y_m, radius_m);
        let mut radius = match quantise(*guess_m) {
            guess if guess > 0 => guess.min(most),
            _ => most,
        };
        let in_range = loop {
            let kernel = Nearest {
                runs: self.grid.runs(bounds(x_m, y_m, radius as f32 / UNITS_PER_METRE as f32)),
                now: self.history.frame(self.published()).positions,
                centre: pack(x, y),
                radius2: radius * radius,
                found: &mut *found,
            };
            let in_range = dispatch_lanes(self.level, kernel);
            if in_range >= count || radius == most {
                break in_range;
            }
            radius = (radius * 3 / 2 + 1).min(most);
        };
        let Found { slots, distances, nearest, .. } = found;
        let pairs = slots[..in_range].iter().zip(&distances[..in_range]);
        nearest.clear();
        nearest.extend(pairs.map(|(&slot, &distance2)| u64::from(distance2) << 32 | u64::from(slot)));
        if count == 0 || in_range < count {
            *guess_m = radius_m;
            nearest.truncate(count);
        } else {
            let (_, &mut last, _) = nearest.select_nth_unstable(count - 1);
            nearest.truncate(count);
            *guess_m = ((last >> 32) as f32).sqrt() / UNITS_PER_METRE as f32 * 1.05 + 0.04;
        }
        nearest
    }
}

/// How far outside the world a question may be asked: nobody is within reach there. From further away the answer would
/// be those 2,048 m on, where positions repeat.
const OUTSIDE_M: f32 = 2.0 * VIEW_RADIUS_M_MAX;

/// The box around a question, of whatever is no number nowhere. From the metres rather than the units: so that the reads
/// of the grid need not wait for those.
#[inline(always)]
pub(crate) fn bounds(x_m: f32, y_m: f32, radius_m: f32) -> Bounds {
    let units = UNITS_PER_METRE as f32;
    Bounds::around(x_m * units, y_m * units, radius_m * units)
}

#[inline(always)]
pub(crate) fn units_of(config: &WorldConfig, x_m: f32, y_m: f32, radius_m: f32) -> (i32, i32, i32) {
    // As `bounded` and `quantise_row`, but side by side: one instruction does for all three.
    let least = Vec4::new(-OUTSIDE_M, -OUTSIDE_M, 0.0, 0.0);
    let most = Vec4::new(config.width_m + OUTSIDE_M, config.height_m + OUTSIDE_M, VIEW_RADIUS_M_MAX, 0.0);
    let metres = Vec4::new(x_m, y_m, radius_m, 0.0);
    let metres = Vec4::select(metres.cmpgt(least), metres, least);
    let metres = Vec4::select(metres.cmplt(most), metres, most);
    let units = metres * UNITS_PER_METRE as f32;
    let nearest = units + WHOLE - WHOLE;
    let whole = nearest - Vec4::select(nearest.cmpgt(units), Vec4::ONE, Vec4::ZERO);
    let [x, y, radius, _] =
        (whole + WHOLE).to_array().map(|sum| sum.to_bits().wrapping_sub(WHOLE.to_bits()) as i32);
    (x, y, radius)
}
