//! What the server remembers of one client's view: where it was in each of the last 32 ticks.
//!
//! ```text
//!   line 0        newest tick and which of the others are known, newest centre, radius, far window, own rows
//!   lines 1..=4   tick & 31:  [ centre, radius, own ] x 32      8 bytes each: positions wrap, own rows are numbered
//! ```
//!
//! There is one of these per client, and all of them are visited in each tick: small ones stay in the cache.

use super::Circle;
use crate::grid::Bounds;
use crate::history::pack;
use crate::limits::{BASELINE_SHIFT_UNITS_MAX, HISTORY_TICKS, UNITS_PER_METRE, VIEW_RADIUS_M_MAX};
use crate::simd::soon;

/// Rows of its own that an avatar may have had within the history. It gets another one when it changes cells; if it does
/// so more often than this, the oldest circles are forgotten.
const OWNS: usize = 8;

/// A circle as it is remembered. Its tick follows from its place.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Past {
    /// Packed.
    centre: u32,
    radius: i16,
    /// Which of `owns`.
    own: u8,
}

/// All that the server remembers of one client's view.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
pub struct Viewer {
    /// Tick of the newest circle; 0 before the first.
    newest: u32,
    /// Bit `i`: the circle of tick `newest - i` is known.
    known: u32,
    /// The newest centre, units.
    x: i32,
    y: i32,
    /// Near radius to try next, units; 0 before the first snapshot.
    pub(super) radius: i16,
    /// Where in the circle of phases the next far window begins.
    pub(super) cursor: u16,
    /// Phases passed in this round, and its first tick.
    pub(super) round_phases: u32,
    pub(super) round_tick: u32,
    /// Entities in the ring at the last snapshot.
    pub(super) ring_count: u32,
    owns: [u32; OWNS],
    circles: [Past; HISTORY_TICKS],
}

const _: () = {
    assert!(size_of::<Viewer>() == 320);
    assert!(HISTORY_TICKS == u32::BITS as usize);
    assert!(VIEW_RADIUS_M_MAX as i32 * UNITS_PER_METRE <= i16::MAX as i32);
    // However a centre wandered since a baseline, the wrapped distance is small only if the true one is.
    let step_max = BASELINE_SHIFT_UNITS_MAX - 1;
    assert!((HISTORY_TICKS as i32 - 1) * step_max + BASELINE_SHIFT_UNITS_MAX < 1 << 16);
};

impl Viewer {
    /// The circle of the acknowledged tick, if a delta from it is possible.
    #[inline(always)]
    pub(super) fn baseline(&self, acked_tick: u32, now: &Circle) -> Option<Circle> {
        let is_kept = |age: u32| (1..HISTORY_TICKS as u32).contains(&age);
        if acked_tick == 0 || !now.tick.checked_sub(acked_tick).is_some_and(is_kept) {
            return None;
        }
        let place = self.newest.checked_sub(acked_tick)?;
        if self.known.checked_shr(place)? & 1 == 0 || self.has_jumped(now) {
            return None;
        }
        let past = self.circles[acked_tick as usize % HISTORY_TICKS];
        let centre = pack(now.x, now.y);
        let shift_x = i32::from((past.centre as i16).wrapping_sub(centre as i16));
        let shift_y = i32::from(((past.centre >> 16) as i16).wrapping_sub((centre >> 16) as i16));
        if shift_x.abs().max(shift_y.abs()) > BASELINE_SHIFT_UNITS_MAX {
            return None;
        }
        Some(Circle {
            tick: acked_tick,
            x: now.x + shift_x,
            y: now.y + shift_y,
            radius: past.radius.into(),
            own: self.owns[usize::from(past.own) % OWNS],
        })
    }

    /// Where the centre was at an earlier tick, unwrapped around `now`; where it is now if that is not known.
    #[inline(always)]
    pub(super) fn centre_at(&self, tick: u32, now: &Circle) -> [i32; 2] {
        let age = self.newest.wrapping_sub(tick);
        if self.known.checked_shr(age).is_none_or(|known| known & 1 == 0) {
            return [now.x, now.y];
        }
        let past = self.circles[tick as usize % HISTORY_TICKS].centre;
        let near = |now: i32, low: u32| now + i32::from((low as i16).wrapping_sub(now as i16));
        [near(now.x, past), near(now.y, past >> 16)]
    }

    /// Is this centre so far from the newest that wrapped distances may mislead?
    #[inline(always)]
    fn has_jumped(&self, now: &Circle) -> bool {
        self.x.abs_diff(now.x).max(self.y.abs_diff(now.y)) >= BASELINE_SHIFT_UNITS_MAX as u32
    }

    /// Notes where the view is at a tick, later than all before.
    #[inline(always)]
    pub(super) fn remember(&mut self, circle: &Circle) {
        let last = self.circles[self.newest as usize % HISTORY_TICKS].own;
        let gap = circle.tick.saturating_sub(self.newest);
        let before = if self.has_jumped(circle) { 0 } else { self.known };
        self.known = before.checked_shl(gap).unwrap_or(0);
        self.newest = circle.tick;
        (self.x, self.y) = (circle.x, circle.y);
        let own = if self.owns[usize::from(last) % OWNS] == circle.own {
            last
        } else {
            self.take_own((last + 1) % OWNS as u8, circle.own)
        };
        self.known |= 1;
        self.circles[circle.tick as usize % HISTORY_TICKS] =
            Past { centre: pack(circle.x, circle.y), radius: circle.radius as i16, own };
    }

    /// Gives the avatar's new row a number, and forgets the circles that knew another row by it.
    #[cold]
    fn take_own(&mut self, number: u8, row: u32) -> u8 {
        for age in 1..HISTORY_TICKS as u32 {
            let tick = self.newest.wrapping_sub(age);
            let is_other = self.circles[tick as usize % HISTORY_TICKS].own != number;
            self.known &= !0 ^ (u32::from(!is_other) << age);
        }
        self.owns[usize::from(number) % OWNS] = row;
        number
    }

    /// Ends the round of the far window if it has come round; returns how long it took.
    pub(super) fn round(&mut self, tick: u32) -> u32 {
        if self.round_phases < 1 << 16 {
            return 0;
        }
        let ticks = tick - self.round_tick;
        self.round_phases -= 1 << 16;
        self.round_tick = tick;
        ticks
    }

    /// Where it looks, as of its newest circle.
    #[inline(always)]
    pub(super) fn bounds(&self) -> Bounds {
        Bounds::around(self.x as f32, self.y as f32, self.radius.into())
    }

    /// Asks for what [`World::encode`](crate::World::encode) will read first of this viewer. Doing so for many viewers
    /// before encoding for any lets the processor fetch them all at once.
    #[inline]
    pub fn prefetch(&self, acked_tick: u32, tick: u32) {
        soon(&self.newest);
        soon(&self.circles[acked_tick as usize % HISTORY_TICKS]);
        soon(&self.circles[tick as usize % HISTORY_TICKS]);
    }

    /// The near radius of the last snapshot's successor, metres.
    pub fn near_radius_m(&self) -> f32 {
        f32::from(self.radius) / UNITS_PER_METRE as f32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::Random;

    /// A viewer against a map of everything: it may know less, but never anything else, and it knows what matters.
    #[test]
    fn a_baseline_is_what_was_or_nothing() {
        let (mut used, mut refused) = (0, 0);
        for round in 0..200 {
            let mut random = Random::of_tick(7, 0, round);
            let mut viewer = Viewer::default();
            let mut all = BTreeMap::new();
            let (mut x, mut y, mut own, mut tick) = (random.below(2_000_000) as i32, 70_000, 5, 0);
            // Steps, cell changes and gaps are rare in some rounds and wild in others.
            let wildness = 1 + round % 40;
            for _ in 0..300 {
                tick += 1 + random.below(40) / 39 * random.below(40);
                let reach = [60, 2_040, 70_000][random.below(wildness.min(3)) as usize];
                x = (x + random.below(2 * reach + 1) as i32 - reach as i32).max(0);
                y = (y + random.below(2 * reach + 1) as i32 - reach as i32).max(0);
                // Exactly once around: everything looks as before.
                x += if random.below(200) == 0 { 65_536 } else { 0 };
                own = if random.below(40) < wildness { random.next_u32() >> 5 } else { own };
                let now = Circle { tick, x, y, radius: random.below(6_401) as i32 - 1, own };
                for acked in tick.saturating_sub(40)..tick + 3 {
                    let is_close = |past: &Circle| {
                        past.x.abs_diff(x).max(past.y.abs_diff(y)) <= BASELINE_SHIFT_UNITS_MAX as u32
                    };
                    let truth = all.get(&acked).filter(|past| tick - acked < 32 && is_close(past));
                    match viewer.baseline(acked, &now) {
                        Some(baseline) => {
                            assert_eq!(Some(&baseline), truth, "round {round}, tick {tick}");
                            used += 1;
                        }
                        None => {
                            // Whoever walks and changes cells as people do loses nothing.
                            assert!(truth.is_none() || wildness > 1, "round {round}, tick {tick}");
                            refused += u32::from(truth.is_some());
                        }
                    }
                }
                viewer.remember(&now);
                all.insert(tick, now);
            }
        }
        assert!(used > 100_000 && refused > 1_000, "{used} used, {refused} refused");
    }
}
