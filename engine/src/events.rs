//! What happened: hits, deaths, flashes. Kept as long as the history, and found by cell.
//!
//! ```text
//!   cells        heads:  [ the newest event here ] ─┐
//!   tick & 31    lists:  [ event, the next older one of its cell ] [ ... ]
//!                             ▲      │
//!                             └──────┴──► an event of the same tick, or of an earlier one
//! ```
//!
//! A client that wants those since its baseline reads the heads of the cells around it, nine words where nothing happened,
//! and follows each chain until it is old enough. *What lost:* sorting each tick's events by rows of cells: every tick
//! since the baseline had to be searched, and cells in which nothing happens were not free.

use crate::limits::{EVENTS_TICK_MAX, HISTORY_TICKS};

/// Cells that are looked at together.
const HEADS: usize = 8;

/// Something that happens in one tick, for those who see the place: see [`World::tell`](crate::World::tell).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Event {
    /// The game's own meaning.
    pub kind: u8,
    /// The game's own meaning.
    pub value: u16,
    /// Bits of the id of who did it; 0 for nobody.
    pub source: u32,
    /// Bits of the id of to whom; 0 for nobody.
    pub target: u32,
    /// Where, metres; clamped into the world.
    pub x_m: f32,
    /// Where, metres.
    pub y_m: f32,
}

/// An event as it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Position units, not wrapped.
    pub x: i32,
    pub y: i32,
    /// Kind, and value from bit 16: as on the wire but for the age.
    pub kind_value: u32,
    pub source: u32,
    pub target: u32,
    /// Number of the first event of its cell in its tick: those from there to here lie side by side.
    first: u32,
    older: Link,
}

/// Which event: tick in the high, number in the tick in the low half. 0 is none, as ticks start at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Link(u64);

impl Link {
    pub(crate) fn new(tick: u32, number: u32) -> Self {
        Self(u64::from(tick) << 32 | u64::from(number))
    }

    #[inline(always)]
    pub(crate) fn tick(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    pub(crate) fn number(self) -> u32 {
        self.0 as u32
    }
}

#[derive(Debug)]
pub(crate) struct Events {
    /// By cell.
    heads: Vec<Link>,
    lists: Vec<Vec<Kept>>,
    /// Of the tick being simulated: cell in the high, order of telling in the low half.
    pending: Vec<(u64, Kept)>,
    /// Last tick in which anything happened.
    newest_tick: u32,
    left_out_count: u64,
}

impl Events {
    pub(crate) fn new(cells: usize) -> Self {
        Self {
            heads: vec![Link::default(); cells],
            lists: (0..HISTORY_TICKS).map(|_| Vec::with_capacity(EVENTS_TICK_MAX)).collect(),
            pending: Vec::with_capacity(EVENTS_TICK_MAX),
            newest_tick: 0,
            left_out_count: 0,
        }
    }

    pub(crate) fn tell(&mut self, event: &Event, cell: u32, x: i32, y: i32) {
        let number = self.pending.len();
        if number == EVENTS_TICK_MAX {
            self.left_out_count += 1;
            return;
        }
        let Event { kind, value, source, target, .. } = *event;
        let kind_value = u32::from(kind) | u32::from(value) << 16;
        let kept = Kept { x, y, kind_value, source, target, first: 0, older: Link::default() };
        self.pending.push((u64::from(cell) << 32 | number as u64, kept));
    }

    /// Makes what was told the events of `tick`, in the place of those of 32 ticks ago.
    pub(crate) fn publish(&mut self, tick: u32) {
        let list = &mut self.lists[tick as usize % HISTORY_TICKS];
        list.clear();
        if self.pending.is_empty() {
            return;
        }
        // Those of one cell side by side, in the order of telling: a chain is then a straight walk.
        self.pending.sort_unstable_by_key(|(key, _)| *key);
        for (key, kept) in self.pending.drain(..) {
            let head = &mut self.heads[(key >> 32) as usize];
            let link = Link::new(tick, list.len() as u32);
            let older = std::mem::replace(head, link);
            let first =
                if older.tick() == tick { list[older.number() as usize].first } else { link.number() };
            list.push(Kept { first, older, ..kept });
        }
        self.newest_tick = tick;
    }

    /// Has anything happened after `tick`?
    #[inline(always)]
    pub(crate) fn is_any_after(&self, tick: u32) -> bool {
        self.newest_tick > tick
    }

    /// Has anything happened in `tick`, one of the last 32?
    #[inline(always)]
    pub(crate) fn is_any_in(&self, tick: u32) -> bool {
        self.count_in(tick) != 0
    }

    /// How many are kept of a tick, one of the last 32.
    #[inline(always)]
    pub(crate) fn count_in(&self, tick: u32) -> usize {
        self.lists[tick as usize % HISTORY_TICKS].len()
    }

    /// Says of each tick after `tick`, as [`each_in`](Self::each_in) takes it, how many events lie in `cells`: a look per
    /// cell and tick, however many there are.
    pub(crate) fn counts_in(
        &self,
        cells: std::ops::Range<usize>,
        tick: u32,
        mut counted: impl FnMut(u32, usize),
    ) {
        for &head in &self.heads[cells] {
            let mut link = head;
            while link.tick() > tick {
                let first = self.at(link).first;
                counted(link.tick(), (link.number() - first) as usize + 1);
                link = self.at(Link::new(link.tick(), first)).older;
            }
        }
    }

    /// The event of a link within the last 32 ticks.
    #[inline(always)]
    pub(crate) fn at(&self, link: Link) -> &Kept {
        &self.lists[link.tick() as usize % HISTORY_TICKS][link.number() as usize]
    }

    /// The events in `cells` after `tick`, which is one of the last 32 or the one before: the newest first in each cell.
    #[inline(always)]
    pub(crate) fn each_in(
        &self,
        cells: std::ops::Range<usize>,
        tick: u32,
        mut found: impl FnMut(Link, &Kept),
    ) {
        // Which cells have any, without a branch for each: that is a coin toss.
        for heads in self.heads[cells].chunks(HEADS) {
            let (mut chains, mut count) = ([Link::default(); HEADS], 0);
            for &head in heads {
                chains[count] = head;
                count += usize::from(head.tick() > tick);
            }
            for &head in &chains[..count] {
                let mut link = head;
                // What a link leads to was overwritten only if it is older than that.
                while link.tick() > tick {
                    let kept = self.at(link);
                    found(link, kept);
                    link = kept.older;
                }
            }
        }
    }

    /// How many were not kept, since the beginning.
    pub(crate) fn left_out_count(&self) -> u64 {
        self.left_out_count
    }
}
