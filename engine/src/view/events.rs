//! Which events a client is told: those within its view at their tick, since its baseline.

use super::select::{EVENT_BYTES, Selection};
use super::{Circle, Viewer};
use crate::column::Columns;
use crate::events::Link;
use crate::grid::Bounds;
use crate::history::pack;
use crate::limits::{EVENTS_MAX, HISTORY_TICKS};
use crate::world::World;

/// Candidates that are collected before all but the best are dropped.
pub(super) const EVENTS_FOUND_MAX: usize = 256;

/// A tick's events are looked at only if fewer than this many of later ticks are: a client that acknowledges an old tick
/// would else have each of its snapshots search 31 ticks of a battle. Whoever keeps up was told the older ones before.
pub const EVENTS_LOOKED_MAX: usize = 512;

const NUMBER_BITS: u32 = crate::limits::EVENTS_TICK_MAX.ilog2();
const AGE_MAX: u32 = HISTORY_TICKS as u32 - 1;

impl<C: Columns> World<C> {
    /// Selects up to `room` bytes of the events after tick `since` that were within the view at their tick: first those
    /// that `own` does or suffers, then the nearest, of equally near ones the older. Returns how many are left out: those
    /// for which there is no room, and those around that were not looked at, see [`EVENTS_LOOKED_MAX`].
    #[inline(never)]
    pub(super) fn select_events(
        &self,
        viewer: &Viewer,
        now: &Circle,
        since: u32,
        own: u32,
        room: usize,
        selection: &mut Selection,
    ) -> u32 {
        let most = (room.saturating_sub(4) / EVENT_BYTES).min(EVENTS_MAX);
        let radius2 = i64::from(now.radius) * i64::from(now.radius);
        let mut bounds = now.bounds();
        for tick in (since + 1..now.tick).filter(|tick| self.events.is_any_in(*tick)) {
            let [x, y] = viewer.centre_at(tick, now);
            bounds = bounds.union(Circle { x, y, ..*now }.bounds());
        }
        let keys = &mut selection.event_keys;
        let (since, mut left_out) = self.look_back(bounds, since, now.tick);
        let mut count = 0;
        for cells in self.grid.cell_runs(bounds) {
            self.events.each_in(cells, since, |link, kept| {
                let [x, y] = viewer.centre_at(link.tick(), now);
                let (dx, dy) = (i64::from(kept.x - x), i64::from(kept.y - y));
                let distance2 = dx * dx + dy * dy;
                if distance2 > radius2 {
                    return;
                }
                let rank = if kept.source == own || kept.target == own { 0 } else { distance2 as u64 + 1 };
                // Ascending places are descending ages, and in each tick the order of telling by cells.
                let place = (AGE_MAX - (now.tick - link.tick())) << NUMBER_BITS | link.number();
                keys[count] = rank << 32 | u64::from(place);
                count += 1;
                if count == keys.len() {
                    keys.select_nth_unstable(most);
                    left_out += count - most;
                    count = most;
                }
            });
        }
        if count > most {
            keys[..count].select_nth_unstable(most);
            left_out += count - most;
            count = most;
        }
        keys[..count].sort_unstable_by_key(|key| *key as u32);
        for (key, record) in keys[..count].iter().zip(&mut selection.events) {
            let place = *key as u32;
            let age = AGE_MAX - (place >> NUMBER_BITS);
            let kept = self.events.at(Link::new(now.tick - age, place & ((1 << NUMBER_BITS) - 1)));
            *record = [kept.kind_value | age << 8, kept.source, kept.target, pack(kept.x, kept.y)];
        }
        selection.event_count = count;
        left_out as u32
    }

    /// The tick, not before `since`, after which events are looked at, and how many in `bounds` are passed over so.
    #[inline(always)]
    fn look_back(&self, bounds: Bounds, since: u32, now: u32) -> (u32, usize) {
        let kept: usize = (since + 1..=now).map(|tick| self.events.count_in(tick)).sum();
        // In peace, and for a client that keeps up, nothing needs counting.
        if kept <= EVENTS_LOOKED_MAX || since + 1 >= now {
            return (since, 0);
        }
        self.look_back_in_battle(bounds, since, now)
    }

    #[cold]
    fn look_back_in_battle(&self, bounds: Bounds, since: u32, now: u32) -> (u32, usize) {
        let mut by_age = [0; HISTORY_TICKS];
        for cells in self.grid.cell_runs(bounds) {
            self.events.counts_in(cells, since, |tick, count| by_age[(now - tick) as usize] += count);
        }
        let (mut looked, mut age, ages) = (0, 0, (now - since) as usize);
        while age < ages && looked < EVENTS_LOOKED_MAX {
            looked += by_age[age];
            age += 1;
        }
        (now - age as u32, by_age[age..].iter().sum())
    }
}
