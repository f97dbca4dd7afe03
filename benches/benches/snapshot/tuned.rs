//! The rival of a good engineer who stays with scalar code: positions grouped by cell, one acknowledged tick kept per
//! client, the baseline's near list worked out again from history, one builder for all messages.
//!
//! ```text
//!   cell            0                    1
//!   slots           0 1 2 3 4 ... 47 |  48 49 ...       an entity keeps its slot until it leaves its cell,
//!   scanned         ----------->        ------->        so near lists have an order that lasts
//! ```

use flatbuffers::FlatBufferBuilder;
use throng_benches::field;
use throng_engine::{Slot, live_rows, quantise};
use throng_game::Game;
use throng_schema::{ViewDigest, wire};

use crate::Encoder;
use crate::scene::Client;

/// Slots of a cell; sixteen entities are expected in it.
const CELL_SLOTS: usize = 64;
/// Ticks that are remembered, beyond the oldest baseline that occurs.
const FRAMES: usize = 8;
/// Position units per metre.
const UNITS: f32 = throng_schema::limits::UNITS_PER_METRE as f32;

/// The world at one tick, by slot.
#[derive(Clone, Default)]
struct Frame {
    tick: u32,
    /// 0: nobody.
    ids: Vec<u32>,
    x: Vec<i32>,
    y: Vec<i32>,
    z: Vec<i16>,
    yaw: Vec<u8>,
    attr: Vec<[u16; 4]>,
    /// By cell: one past its last slot in use.
    tops: Vec<u16>,
}

pub struct Tuned {
    cells_across: i32,
    cells_per_unit: f32,
    radius: i32,
    tick_hz: u32,
    frames: Vec<Frame>,
    /// By entity index.
    slots: Vec<u32>,
    builder: FlatBufferBuilder<'static>,
    gone: Vec<u16>,
    full: Vec<wire::Full>,
    changed: Vec<u8>,
    moved: Vec<wire::Moved>,
    attr: Vec<wire::Attr>,
}

impl Tuned {
    pub fn new(game: &Game) -> Self {
        let config = game.world().config();
        let cells_across = (config.width_m / field::RADIUS_M).ceil() as i32;
        let cells = (cells_across * cells_across) as usize;
        let slots = cells * CELL_SLOTS;
        let frame = Frame {
            tick: 0,
            ids: vec![0; slots],
            x: vec![0; slots],
            y: vec![0; slots],
            z: vec![0; slots],
            yaw: vec![0; slots],
            attr: vec![[0; 4]; slots],
            tops: vec![0; cells],
        };
        Self {
            cells_across,
            cells_per_unit: 1.0 / (field::RADIUS_M * UNITS),
            radius: (field::RADIUS_M * UNITS) as i32,
            tick_hz: config.tick_hz.into(),
            frames: vec![frame; FRAMES],
            slots: vec![u32::MAX; config.entities_max as usize],
            builder: FlatBufferBuilder::with_capacity(4096),
            gone: Vec::new(),
            full: Vec::new(),
            changed: Vec::new(),
            moved: Vec::new(),
            attr: Vec::new(),
        }
    }

    fn cell(&self, units: i32) -> i32 {
        ((units as f32 * self.cells_per_unit) as i32).clamp(0, self.cells_across - 1)
    }
}

impl Encoder for Tuned {
    fn observe(&mut self, game: &Game) {
        let world = game.world();
        let tick = world.tick();
        // Whoever has not moved to another cell stays in its slot; the others take the lowest free one.
        let mut frame = self.frames[tick as usize % FRAMES].clone();
        frame.tick = tick;
        let last = &self.frames[(tick as usize + FRAMES - 1) % FRAMES];
        frame.ids.copy_from_slice(&last.ids);
        let mut movers = Vec::new();
        for row in live_rows(0..world.rows(), world.live()) {
            let id = world.id_at(Slot(row as u32));
            let (x, y) = (quantise(world.body.x[row]), quantise(world.body.y[row]));
            let cell = self.cell(y) * self.cells_across + self.cell(x);
            let slot = self.slots[id.index()];
            if slot as usize / CELL_SLOTS == cell as usize {
                place(game, &mut frame, slot as usize, row);
            } else {
                if slot != u32::MAX {
                    frame.ids[slot as usize] = 0;
                }
                movers.push((row, cell as usize));
            }
        }
        for (row, cell) in movers {
            let slots = cell * CELL_SLOTS..(cell + 1) * CELL_SLOTS;
            let free = slots.clone().find(|&slot| frame.ids[slot] == 0);
            let slot = free.expect("a cell of sixteen entities never holds 64");
            self.slots[world.id_at(Slot(row as u32)).index()] = slot as u32;
            place(game, &mut frame, slot, row);
        }
        for (top, ids) in frame.tops.iter_mut().zip(frame.ids.chunks(CELL_SLOTS)) {
            *top = ids.iter().rposition(|&id| id != 0).map_or(0, |last| last as u16 + 1);
        }
        self.frames[tick as usize % FRAMES] = frame;
    }

    fn encode(&mut self, game: &Game, index: usize, clients: &[Client], each: &mut dyn FnMut(&[u8])) {
        let client = &clients[index];
        let own_slot = self.slots[client.own.index()] as usize;
        let world = game.world();
        let tick = world.tick();
        let now = &self.frames[tick as usize % FRAMES];
        let known = &self.frames[client.acked_tick as usize % FRAMES];
        let base = (client.acked_tick != 0 && known.tick == client.acked_tick).then_some(known);
        let own_id = client.own.to_bits();
        let (own_x, own_y) = (now.x[own_slot], now.y[own_slot]);
        // Its avatar may have changed slots since; then it is found by its id, in a neighbouring cell.
        let (base_x, base_y) = match base {
            Some(base) if base.ids[own_slot] == own_id => (base.x[own_slot], base.y[own_slot]),
            Some(base) => match self.find(base, own_id, own_x, own_y) {
                Some(slot) => (base.x[slot], base.y[slot]),
                None => return,
            },
            None => (own_x, own_y),
        };
        let radius2 = self.radius * self.radius;
        self.gone.clear();
        self.full.clear();
        self.changed.clear();
        self.moved.clear();
        self.attr.clear();
        let wants_digest = tick.wrapping_add(own_id).is_multiple_of(self.tick_hz);
        let mut digest = ViewDigest::new();
        let (mut place, mut place_was) = (0u16, 0u16);
        let columns = self.cell(own_x.min(base_x) - self.radius)..=self.cell(own_x.max(base_x) + self.radius);
        let rows = self.cell(own_y.min(base_y) - self.radius)..=self.cell(own_y.max(base_y) + self.radius);
        for row in rows {
            for column in columns.clone() {
                let cell = (row * self.cells_across + column) as usize;
                let top = now.tops[cell].max(base.map_or(0, |base| base.tops[cell]));
                for slot in cell * CELL_SLOTS..cell * CELL_SLOTS + usize::from(top) {
                    let id = now.ids[slot];
                    let (dx, dy) = (now.x[slot] - own_x, now.y[slot] - own_y);
                    let is_near = id != 0 && dx * dx + dy * dy <= radius2 && id != own_id;
                    let mut was_near = false;
                    let mut id_was = 0;
                    if let Some(base) = base {
                        id_was = base.ids[slot];
                        let (dx, dy) = (base.x[slot] - base_x, base.y[slot] - base_y);
                        was_near = id_was != 0 && dx * dx + dy * dy <= radius2 && id_was != own_id;
                    }
                    if !is_near && !was_near {
                        continue;
                    }
                    let mut is_kept = false;
                    if is_near && was_near && id == id_was {
                        let base = base.unwrap_or(now);
                        let (dx, dy) = (now.x[slot] - base.x[slot], now.y[slot] - base.y[slot]);
                        let dz = i32::from(now.z[slot]) - i32::from(base.z[slot]);
                        let steps = [dx, dy, dz].map(i8::try_from);
                        if let [Ok(dx), Ok(dy), Ok(dz)] = steps {
                            is_kept = true;
                            if dx != 0 || dy != 0 || dz != 0 || now.yaw[slot] != base.yaw[slot] {
                                let byte = usize::from(place / 8);
                                if self.changed.len() <= byte {
                                    self.changed.resize(byte + 1, 0);
                                }
                                self.changed[byte] |= 1 << (place % 8);
                                self.moved.push(wire::Moved::new(dx, dy, dz, now.yaw[slot]));
                            }
                            if now.attr[slot] != base.attr[slot] {
                                for number in 0..4u16 {
                                    let value = now.attr[slot][usize::from(number)];
                                    if value != base.attr[slot][usize::from(number)] {
                                        self.attr.push(wire::Attr::new(place | number << 14, value));
                                    }
                                }
                            }
                        }
                    }
                    if was_near {
                        if !is_kept {
                            self.gone.push(place_was);
                        }
                        place_was += 1;
                    }
                    if is_near {
                        let (x, y, z) = (now.x[slot] as i16, now.y[slot] as i16, now.z[slot]);
                        if !is_kept {
                            let attr = &now.attr[slot];
                            self.full.push(wire::Full::new(id, x, y, z, now.yaw[slot], 0, place, attr));
                        }
                        if wants_digest {
                            digest.push_entity(id, x, y, z, now.yaw[slot], now.attr[slot]);
                        }
                        place += 1;
                    }
                }
            }
        }

        let builder = &mut self.builder;
        builder.reset();
        let gone = (!self.gone.is_empty()).then(|| builder.create_vector(&self.gone));
        let full = (!self.full.is_empty()).then(|| builder.create_vector(&self.full));
        let changed = (!self.changed.is_empty()).then(|| builder.create_vector(&self.changed));
        let moved = (!self.moved.is_empty()).then(|| builder.create_vector(&self.moved));
        let attr = (!self.attr.is_empty()).then(|| builder.create_vector(&self.attr));
        let own = crate::scene::own(world, client.own);
        let about = base.is_none().then(|| crate::scene::about(world, client.own));
        let args = wire::SnapshotArgs {
            tick,
            baseline: base.map_or(0, |base| base.tick),
            input: 7,
            own: Some(&own),
            digest: if wants_digest { digest.finish() } else { 0 },
            world: about.as_ref(),
            gone,
            full,
            changed,
            moved,
            attr,
            far: None,
            ..Default::default()
        };
        let snapshot = wire::Snapshot::create(builder, &args);
        builder.finish_size_prefixed(snapshot, None);
        each(builder.finished_data());
    }
}

impl Tuned {
    fn find(&self, frame: &Frame, id: u32, x: i32, y: i32) -> Option<usize> {
        let (column, row) = (self.cell(x), self.cell(y));
        let across = self.cells_across;
        let cells = (row - 1..=row + 1)
            .flat_map(move |row| (column - 1..=column + 1).map(move |column| (column, row)));
        cells
            .filter(|(column, row)| (0..across).contains(column) && (0..across).contains(row))
            .flat_map(|(column, row)| {
                let first = (row * across + column) as usize * CELL_SLOTS;
                first..first + CELL_SLOTS
            })
            .find(|&slot| frame.ids[slot] == id)
    }
}

fn place(game: &Game, frame: &mut Frame, slot: usize, row: usize) {
    let world = game.world();
    frame.ids[slot] = world.id_at(Slot(row as u32)).to_bits();
    (frame.x[slot], frame.y[slot]) = (quantise(world.body.x[row]), quantise(world.body.y[row]));
    frame.z[slot] = quantise(world.body.z[row]) as i16;
    frame.yaw[slot] = (world.body.yaw[row] >> 8) as u8;
    frame.attr[slot] = crate::scene::attributes(world, row);
}
