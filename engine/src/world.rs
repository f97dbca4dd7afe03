//! The world: bodies and the game's columns, grouped by cell, with their quantised history.

use std::sync::atomic::{AtomicBool, Ordering};

use glam::Vec3;

use crate::angle::Yaw;
use crate::column::Columns;
use crate::digest::Digest;
use crate::entity::{Directory, EntityId, Slot};
use crate::events::{Event, Events};
use crate::grid::{Grid, Room};
use crate::history::{FrameMut, History, pack, quantise, quantise_row};
use crate::limits::*;
use crate::schedule::{PerBlock, each_region};
use crate::simd::{Kernel, LaneKernel, Lanes, Level, dispatch, dispatch_lanes};

crate::columns! {
    /// What every entity has: a place, a velocity and a facing.
    pub struct Body {
        /// Metres, in `0..=width_m`.
        pub x: f32,
        /// Metres, in `0..=height_m`.
        pub y: f32,
        /// Height, metres.
        pub z: f32,
        /// Metres per second.
        pub vx: f32,
        /// Metres per second.
        pub vy: f32,
        /// Facing.
        pub yaw: Yaw,
    }
}

/// What a world is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldConfig {
    /// Size along x, metres.
    pub width_m: f32,
    /// Size along y, metres.
    pub height_m: f32,
    /// Everything within this distance of a client's avatar is in its view, metres; also the width of a cell.
    pub view_radius_m: f32,
    /// Most entities at once.
    pub entities_max: u32,
    /// Ticks per second.
    pub tick_hz: u16,
    /// Seed of all randomness.
    pub seed: u64,
    /// Every entity in a client's view is refreshed at least this often, ticks.
    pub refresh_ticks: u16,
}

/// A config that cannot be.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum WorldError {
    /// A length is not in its range.
    #[error("{name} is {found} m; it must lie in {least} ..= {most} m")]
    Length {
        /// Which one.
        name: &'static str,
        /// What was given.
        found: f32,
        /// Least allowed.
        least: f32,
        /// Most allowed.
        most: f32,
    },
    /// A count is not in its range.
    #[error("{name} is {found}; it must lie in {least} ..= {most}")]
    Count {
        /// Which one.
        name: &'static str,
        /// What was given.
        found: u32,
        /// Least allowed.
        least: u32,
        /// Most allowed.
        most: u32,
    },
    /// The grid would have too many cells.
    #[error(
        "the world has {found} cells of one view radius; at most {CELLS_MAX} are possible: make it smaller, or the view radius larger"
    )]
    Cells {
        /// How many.
        found: u64,
    },
    /// `THRONG_SIMD` names no level of this processor.
    #[error(transparent)]
    Level(#[from] crate::simd::UnknownLevel),
}

/// The world holds as many entities as its config allows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the world is full: {entities_max} entities, which is its limit; raise entities_max")]
pub struct WorldFull {
    /// The limit.
    pub entities_max: u32,
}

impl WorldConfig {
    fn cell_count(&self) -> u64 {
        let cells = |metres: f32| u64::from((metres / self.view_radius_m).ceil() as u32);
        cells(self.width_m) * cells(self.height_m)
    }

    fn check(&self) -> Result<(), WorldError> {
        let length = |name, found: f32, least, most| match (least..=most).contains(&found) {
            true => Ok(()),
            false => Err(WorldError::Length { name, found, least, most }),
        };
        let count = |name, found, least, most| match (least..=most).contains(&found) {
            true => Ok(()),
            false => Err(WorldError::Count { name, found, least, most }),
        };
        // Beyond 64 km a 32-bit float no longer resolves a position unit.
        length("world width", self.width_m, 1.0, 65_536.0)?;
        length("world height", self.height_m, 1.0, 65_536.0)?;
        length("view radius", self.view_radius_m, 1.0, VIEW_RADIUS_M_MAX)?;
        count("entities_max", self.entities_max, 1, ENTITIES_MAX)?;
        count("tick_hz", self.tick_hz.into(), 1, 1000)?;
        count("refresh_ticks", self.refresh_ticks.into(), 1, 1000)?;
        match self.cell_count() {
            found if found > CELLS_MAX as u64 => Err(WorldError::Cells { found }),
            _ => Ok(()),
        }
    }
}

/// Who is in each row, and since which frame.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Roster {
    pub ids: [u32; BLOCK_ROWS],
    pub since: [u32; BLOCK_ROWS],
}

impl Roster {
    const EMPTY: Self = Self { ids: [0; BLOCK_ROWS], since: [0; BLOCK_ROWS] };
}

/// All entities of a realm, with the game's columns `C` beside the engine's.
///
/// One tick is: [`begin_tick`](Self::begin_tick), the game's systems over `body` and `game`, which may
/// [`tell`](Self::tell) what happens, [`settle`](Self::settle), [`publish`](Self::publish). After that any number of threads may [`encode`](crate::view) snapshots of it.
#[derive(Debug)]
pub struct World<C> {
    /// The engine's columns. Systems write them in place; rows of no entity hold leftovers.
    pub body: Body,
    /// The game's columns.
    pub game: C,
    pub(crate) config: WorldConfig,
    pub(crate) level: Level,
    pub(crate) grid: Grid,
    pub(crate) rosters: Vec<Roster>,
    pub(crate) history: History,
    pub(crate) events: Events,
    directory: Directory,
    strays: Vec<u16>,
    /// Scratch of `settle`.
    moves: Vec<(Slot, Slot)>,
    tick: u32,
    published: u32,
    relocation_count: u64,
}

impl<C: Columns> World<C> {
    /// An empty world at tick 0.
    ///
    /// # Errors
    /// When the config is impossible, or `THRONG_SIMD` names an unknown level.
    pub fn new(config: WorldConfig) -> Result<Self, WorldError> {
        Self::with_level(config, Level::chosen()?)
    }

    /// As [`new`](Self::new), with a given SIMD level.
    ///
    /// # Errors
    /// When the config is impossible.
    pub fn with_level(config: WorldConfig, level: Level) -> Result<Self, WorldError> {
        config.check()?;
        let grid = Grid::new(config.width_m, config.height_m, config.view_radius_m);
        let mut world = Self {
            body: Body::default(),
            game: C::default(),
            level,
            events: Events::new(grid.cell_count()),
            grid,
            rosters: Vec::new(),
            history: History::new(),
            directory: Directory::new(config.entities_max),
            strays: Vec::new(),
            moves: Vec::new(),
            tick: 0,
            published: 0,
            relocation_count: 0,
            config,
        };
        world.extend(blocks_at_start(world.grid.cell_count(), world.config.entities_max));
        world.moves.reserve(world.grid.block_count());
        Ok(world)
    }

    fn extend(&mut self, blocks: usize) {
        let blocks = blocks.next_multiple_of(REGION_BLOCKS);
        let rows = blocks * BLOCK_ROWS;
        self.body.grow(rows);
        self.game.grow(rows);
        self.grid.extend(blocks);
        self.rosters.resize(blocks, Roster::EMPTY);
        self.strays.resize(blocks, 0);
        self.history.grow(blocks);
    }

    /// The config.
    pub fn config(&self) -> &WorldConfig {
        &self.config
    }

    /// The SIMD level that kernels run at.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The tick being simulated, or after [`publish`](Self::publish) the one that snapshots show.
    pub fn tick(&self) -> u32 {
        self.tick
    }

    /// The newest tick in the history: what queries and snapshots show. One behind [`tick`](Self::tick) between
    /// [`begin_tick`](Self::begin_tick) and [`publish`](Self::publish).
    pub(crate) fn published(&self) -> u32 {
        self.published
    }

    /// How many rows the columns have, occupied or not; a multiple of the region size.
    pub fn rows(&self) -> usize {
        self.grid.block_count() * BLOCK_ROWS
    }

    /// How many entities live.
    pub fn entity_count(&self) -> usize {
        self.directory.len()
    }

    /// How often entities have moved to another cell, since the beginning.
    pub fn relocation_count(&self) -> u64 {
        self.relocation_count
    }

    /// One bit per row, a `u16` per block: does it belong to an entity?
    pub fn live(&self) -> &[u16] {
        self.grid.live()
    }

    /// As [`live`](Self::live), with the columns to write: for systems that pass over who lives.
    pub fn live_and_columns(&mut self) -> (&[u16], &mut Body, &mut C) {
        (self.grid.live(), &mut self.body, &mut self.game)
    }

    /// The entity in a row; meaningless for rows that are not live.
    pub fn id_at(&self, slot: Slot) -> EntityId {
        EntityId::from_bits(self.rosters[slot.row() / BLOCK_ROWS].ids[slot.row() % BLOCK_ROWS])
    }

    /// The row of an entity, until the next [`settle`](Self::settle); `None` when it does not live.
    pub fn slot(&self, id: EntityId) -> Option<Slot> {
        self.directory.slot(id)
    }

    /// The cell that an entity is in, by rows of cells. Whoever visits entities in this order finds neighbours' data in
    /// the cache. `None` when it does not live.
    pub fn cell_of(&self, id: EntityId) -> Option<u32> {
        let row = self.slot(id)?.row();
        Some(self.grid.cell_at(self.body.x[row], self.body.y[row]))
    }

    /// Puts a new entity at `place` (metres; clamped into the world), with default values in all its other columns.
    ///
    /// # Errors
    /// When the world is full.
    pub fn spawn(&mut self, place: Vec3, yaw: Yaw) -> Result<(EntityId, Slot), WorldFull> {
        if self.directory.is_full() {
            return Err(WorldFull { entities_max: self.config.entities_max });
        }
        let x = bounded(place.x, 0.0, self.config.width_m);
        let y = bounded(place.y, 0.0, self.config.height_m);
        let slot = self.take(self.grid.cell_at(x, y));
        self.body.reset(slot);
        self.game.reset(slot);
        let row = slot.row();
        (self.body.x[row], self.body.y[row], self.body.z[row], self.body.yaw[row]) = (x, y, place.z, yaw);
        let Some(id) = self.directory.insert(slot) else { unreachable!("checked above: there is room") };
        self.enrol(slot, id);
        Ok((id, slot))
    }

    /// Removes an entity; `false` when it did not live.
    pub fn despawn(&mut self, id: EntityId) -> bool {
        let Some(slot) = self.directory.remove(id) else { return false };
        self.grid.vacate(slot, self.published + 1);
        self.park(slot);
        true
    }

    /// Begins the next tick and returns its number.
    pub fn begin_tick(&mut self) -> u32 {
        assert_eq!(self.tick, self.published, "tick {} was begun but not published", self.tick);
        self.tick += 1;
        self.tick
    }

    /// Tells of something that happens in this tick, between [`begin_tick`](Self::begin_tick) and
    /// [`publish`](Self::publish): everybody who sees the place then hears of it, as far as it fits the snapshots.
    ///
    /// Of one tick [`EVENTS_TICK_MAX`] are kept; what is more is [counted](Self::events_left_out_count). A client gets
    /// those of one cell and tick in the order of telling.
    pub fn tell(&mut self, event: Event) {
        assert_eq!(self.tick, self.published + 1, "an event that belongs to no tick");
        let x_m = bounded(event.x_m, 0.0, self.config.width_m);
        let y_m = bounded(event.y_m, 0.0, self.config.height_m);
        self.events.tell(&event, self.grid.cell_at(x_m, y_m), quantise(x_m), quantise(y_m));
    }

    /// How many events were not kept because a tick had too many, since the beginning.
    pub fn events_left_out_count(&self) -> u64 {
        self.events.left_out_count()
    }

    /// Moves every entity that has left its cell to a row of the cell that it is in now.
    ///
    /// Finding them is a parallel pass; moving them (about one in 150 entities a tick) is serial, in row order, so
    /// that the rows they get do not depend on threads.
    pub fn settle(&mut self) {
        struct Strays<'a> {
            x: &'a [f32],
            y: &'a [f32],
            live: &'a [u16],
            places: &'a [crate::grid::Place],
            strays: &'a mut [u16],
            reach_m: f32,
        }
        impl LaneKernel for Strays<'_> {
            type Output = ();
            #[inline(always)]
            fn run<L: Lanes>(self, lanes: L) {
                let blocks = self.x.as_chunks().0.iter().zip(self.y.as_chunks().0);
                let heads = self.live.iter().zip(self.places).zip(self.strays);
                for ((x, y), ((live, place), strays)) in blocks.zip(heads) {
                    let beyond_x = lanes.beyond(x, place.x_m, self.reach_m);
                    let beyond_y = lanes.beyond(y, place.y_m, self.reach_m);
                    *strays = (beyond_x | beyond_y) & live;
                }
            }
        }
        let (level, reach_m) = (self.level, self.grid.reach_m());
        let columns = (
            &self.body.x[..],
            &self.body.y[..],
            PerBlockShared(self.grid.live()),
            PerBlockShared(self.grid.places()),
            PerBlock(&mut self.strays[..]),
        );
        each_region(self.body.x.len(), columns, |_, (x, y, live, places, strays)| {
            dispatch_lanes(level, Strays { x, y, live: live.0, places: places.0, strays: strays.0, reach_m });
        });
        self.move_strays();
        self.grid.reap(self.published + 1);
        self.grid.refresh_order();
    }

    /// Step by step for all of them, not all steps for each: so the loads of one do not wait for those of another.
    fn move_strays(&mut self) {
        let frame = self.published + 1;
        let mut moves = std::mem::take(&mut self.moves);
        for block in 0..self.strays.len() {
            let mut strays = self.strays[block];
            while strays != 0 {
                let row = block * BLOCK_ROWS + strays.trailing_zeros() as usize;
                strays &= strays - 1;
                // A system may have pushed somebody out of the world, or to a place that is no number.
                self.body.x[row] = bounded(self.body.x[row], 0.0, self.config.width_m);
                self.body.y[row] = bounded(self.body.y[row], 0.0, self.config.height_m);
                let to = self.take(self.grid.cell_at(self.body.x[row], self.body.y[row]));
                let from = Slot(row as u32);
                self.grid.vacate(from, frame);
                moves.push((from, to));
            }
        }
        self.body.relocate(&moves);
        self.game.relocate(&moves);
        for &(from, to) in &moves {
            let id = self.id_at(from);
            self.enrol(to, id);
        }
        for &(_, to) in &moves {
            let id = self.id_at(to);
            self.directory.relocate(id, to);
        }
        for &(from, _) in &moves {
            self.park(from);
        }
        self.relocation_count += moves.len() as u64;
        moves.clear();
        // More than ever move in a steady tick. The world may just have been lengthened.
        moves.reserve(self.grid.block_count());
        self.moves = moves;
    }

    fn take(&mut self, cell: u32) -> Slot {
        loop {
            match self.grid.take(cell) {
                Room::Found(slot) => return slot,
                Room::Fresh(slot) => {
                    let block = slot.row() / BLOCK_ROWS;
                    self.history.wipe(block, self.grid.places()[block].decoy);
                    return slot;
                }
                Room::NoBlocks => self.extend(self.grid.block_count() * 3 / 2),
            }
        }
    }

    fn enrol(&mut self, slot: Slot, id: EntityId) {
        let roster = &mut self.rosters[slot.row() / BLOCK_ROWS];
        roster.ids[slot.row() % BLOCK_ROWS] = id.to_bits();
        roster.since[slot.row() % BLOCK_ROWS] = self.published + 1;
    }

    /// Puts an empty row to rest in the middle of its cell, where it never looks astray; leaves an occupied one alone.
    fn park(&mut self, slot: Slot) {
        let (block, row) = (slot.row() / BLOCK_ROWS, slot.row());
        if self.grid.live()[block] >> (row % BLOCK_ROWS) & 1 == 0 {
            let place = self.grid.places()[block];
            (self.body.x[row], self.body.y[row]) = (place.x_m, place.y_m);
            (self.body.vx[row], self.body.vy[row]) = (0.0, 0.0);
        }
    }

    /// Quantises this tick into the history, from where snapshots are made.
    ///
    /// `attributes` fills the replicated attributes of one block: it gets the game's columns, the block's first row and
    /// the sixteen rows to fill (zero before). A game that leaves the last two attributes zero saves their cost.
    pub fn publish(&mut self, attributes: impl Fn(&C, usize, &mut [[u16; 4]; BLOCK_ROWS]) + Sync) {
        assert_eq!(self.tick, self.published + 1, "publish without begin_tick");
        debug_assert!(self.grid.is_order_fresh(), "spawned after settle: no client would see it");
        struct Publish<'a, C, A> {
            body: &'a Body,
            game: &'a C,
            first_row: usize,
            live: &'a [u16],
            places: &'a [crate::grid::Place],
            frame: FrameMut<'a>,
            attributes: &'a A,
        }
        impl<C, A: Fn(&C, usize, &mut [[u16; 4]; BLOCK_ROWS])> Kernel for Publish<'_, C, A> {
            /// Is there an attribute 2 or 3 that is not zero?
            type Output = bool;
            #[inline(always)]
            fn run(self) -> bool {
                let FrameMut { positions, details, extras } = self.frame;
                let mut any_extra = 0;
                for (index, (positions, details)) in positions.iter_mut().zip(details).enumerate() {
                    // Into a local, or the choice below becomes a gather of one address sixteen times.
                    let (live, decoy) = (self.live[index], self.places[index].decoy);
                    let first = self.first_row + index * BLOCK_ROWS;
                    let rows = first..first + BLOCK_ROWS;
                    let (x, y) = (&self.body.x[rows.clone()], &self.body.y[rows.clone()]);
                    let (z, yaw) = (&self.body.z[rows.clone()], &self.body.yaw[rows]);
                    for row in 0..BLOCK_ROWS {
                        let at = pack(quantise_row(x[row]), quantise_row(y[row]));
                        let is_live = live >> row & 1 == 1;
                        positions.0[row] = if is_live { at } else { decoy };
                        let z = quantise_row(bounded(z[row], -HEIGHT_M_MAX, HEIGHT_M_MAX));
                        details.z_yaw[row] = z as u32 & 0xffff | u32::from(yaw[row] >> 8) << 16;
                    }
                    let mut values = [[0; 4]; BLOCK_ROWS];
                    (self.attributes)(self.game, first, &mut values);
                    let extras = &mut extras[index].0;
                    for row in 0..BLOCK_ROWS {
                        let [first, second, third, fourth] = values[row].map(u32::from);
                        details.attr01[row] = first | second << 16;
                        extras[row] = third | fourth << 16;
                        any_extra |= extras[row];
                    }
                }
                any_extra != 0
            }
        }
        self.published = self.tick;
        self.events.publish(self.tick);
        let (level, body, game) = (self.level, &self.body, &self.game);
        let frame = self.history.frame_mut(self.tick);
        let is_wide = AtomicBool::new(false);
        let columns = (
            PerBlockShared(self.grid.live()),
            PerBlockShared(self.grid.places()),
            (PerBlock(frame.positions), PerBlock(frame.details), PerBlock(frame.extras)),
        );
        each_region(body.x.len(), columns, |rows, (live, places, (positions, details, extras))| {
            let (first_row, live, places) = (rows.start, live.0, places.0);
            let frame = FrameMut { positions: positions.0, details: details.0, extras: extras.0 };
            let attributes = &attributes;
            if dispatch(level, Publish { body, game, first_row, live, places, frame, attributes }) {
                is_wide.store(true, Ordering::Relaxed);
            }
        });
        self.history.written(self.tick, is_wide.into_inner());
    }

    /// Digest of what lives and where its row is. Two runs of the same inputs have equal digests at every tick; two that
    /// differ in an entity have different ones, but for collisions.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        digest.push(u64::from(self.tick));
        digest.push(self.directory.len() as u64);
        let live = self.grid.live();
        self.body.digest(0..self.rows(), live, &mut digest);
        self.game.digest(0..self.rows(), live, &mut digest);
        for row in crate::column::live_rows(0..self.rows(), live) {
            digest.push(u64::from(self.id_at(Slot(row as u32)).to_bits()) << 32 | row as u64);
        }
        digest.value()
    }
}

/// Evenly spread entities fill half a block more than they need in each cell, and crowds fill theirs.
fn blocks_at_start(cells: usize, entities_max: u32) -> usize {
    let blocks = cells.min(entities_max as usize) + entities_max as usize / BLOCK_ROWS * 5 / 4 + 1;
    blocks.next_multiple_of(REGION_BLOCKS)
}

/// Heights beyond this are shown as this, metres: their units must fit 16 bits.
const HEIGHT_M_MAX: f32 = 1_023.0;

/// Into `least..=most`. Unlike `f32::clamp`, what is no number becomes `least`. Comparisons, because of two zeros of
/// different sign `f32::max` may give either, and which one depends on the instructions chosen.
#[inline(always)]
pub(crate) fn bounded(value: f32, least: f32, most: f32) -> f32 {
    let value = if value > least { value } else { least };
    if value < most { value } else { most }
}

/// One shared `T` per block of rows.
struct PerBlockShared<'a, T>(&'a [T]);

impl<T: Sync> crate::schedule::Split for PerBlockShared<'_, T> {
    fn split(self, regions: usize) -> (Self, Self) {
        let (head, tail) = self.0.split_at((regions * REGION_BLOCKS).min(self.0.len()));
        (Self(head), Self(tail))
    }
}
