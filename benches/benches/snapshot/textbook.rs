//! The rival from the textbook: a grid of lists, a hash map per client of what it has acknowledged, a new builder for
//! each message. It is what one writes first, and what most servers stay with.

use std::collections::{HashMap, VecDeque};

use flatbuffers::FlatBufferBuilder;
use throng_benches::field;
use throng_engine::{Slot, live_rows, quantise};
use throng_game::Game;
use throng_schema::{ViewDigest, wire};

use crate::Encoder;
use crate::scene::Client;

/// An entity as clients see it.
#[derive(Clone, Copy, PartialEq)]
struct State {
    x: i32,
    y: i32,
    z: i32,
    yaw: u8,
    attr: [u16; 4],
}

/// What one client has, and what is under way to it.
#[derive(Default)]
struct Known {
    tick: u32,
    /// The near list of that tick, in order.
    list: Vec<u32>,
    states: HashMap<u32, State>,
    sent: VecDeque<(u32, Vec<(u32, State)>)>,
}

impl Known {
    /// Moves on to the list of the tick that the client has acknowledged.
    fn acknowledge(&mut self, tick: u32) {
        while self.sent.front().is_some_and(|(sent, _)| *sent <= tick) {
            let Some((sent, list)) = self.sent.pop_front() else { break };
            if sent == tick {
                self.tick = tick;
                self.list = list.iter().map(|(id, _)| *id).collect();
                self.states = list.into_iter().collect();
            }
        }
    }
}

pub struct Textbook {
    radius: i32,
    cells_across: usize,
    cells: Vec<Vec<u32>>,
    /// By id.
    entities: HashMap<u32, State>,
    clients: Vec<Known>,
}

impl Textbook {
    pub fn new(game: &Game, clients: u32) -> Self {
        let radius = (field::RADIUS_M * throng_schema::limits::UNITS_PER_METRE as f32) as i32;
        let cells_across = (game.world().config().width_m / field::RADIUS_M).ceil() as usize;
        Self {
            radius,
            cells_across,
            cells: vec![Vec::new(); cells_across * cells_across],
            entities: HashMap::new(),
            clients: (0..clients).map(|_| Known::default()).collect(),
        }
    }

    fn cell(&self, units: i32) -> usize {
        ((units.max(0) / self.radius) as usize).min(self.cells_across - 1)
    }

    fn in_view(&self, own_id: u32, own: State) -> Vec<(u32, State)> {
        let mut found = Vec::new();
        let (column, row) = (self.cell(own.x), self.cell(own.y));
        for row in row.saturating_sub(1)..=(row + 1).min(self.cells_across - 1) {
            for column in column.saturating_sub(1)..=(column + 1).min(self.cells_across - 1) {
                for id in &self.cells[row * self.cells_across + column] {
                    let state = self.entities[id];
                    let (dx, dy) = (state.x - own.x, state.y - own.y);
                    if *id != own_id && dx * dx + dy * dy <= self.radius * self.radius {
                        found.push((*id, state));
                    }
                }
            }
        }
        found
    }
}

impl Encoder for Textbook {
    fn observe(&mut self, game: &Game) {
        let world = game.world();
        self.cells.iter_mut().for_each(Vec::clear);
        self.entities.clear();
        for row in live_rows(0..world.rows(), world.live()) {
            let id = world.id_at(Slot(row as u32)).to_bits();
            let state = State {
                x: quantise(world.body.x[row]),
                y: quantise(world.body.y[row]),
                z: quantise(world.body.z[row]),
                yaw: (world.body.yaw[row] >> 8) as u8,
                attr: crate::scene::attributes(world, row),
            };
            self.entities.insert(id, state);
            let cell = self.cell(state.y) * self.cells_across + self.cell(state.x);
            self.cells[cell].push(id);
        }
    }

    fn encode(&mut self, game: &Game, index: usize, clients: &[Client], each: &mut dyn FnMut(&[u8])) {
        let client = &clients[index];
        let world = game.world();
        let tick = world.tick();
        let own_id = client.own.to_bits();
        self.clients[index].acknowledge(client.acked_tick);
        let visible = self.in_view(own_id, self.entities[&own_id]);
        let known = &mut self.clients[index];
        let now: HashMap<u32, State> = visible.iter().copied().collect();

        let (mut gone, mut full, mut moved, mut attr) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut changed = Vec::new();
        let mut list = Vec::with_capacity(visible.len());
        for (place_was, id) in (0u16..).zip(&known.list) {
            let Some(state) = now.get(id) else {
                gone.push(place_was);
                continue;
            };
            let place = list.len() as u16;
            let was = known.states[id];
            let steps = [state.x - was.x, state.y - was.y, state.z - was.z].map(|step| step as i8);
            if steps != [0; 3] || state.yaw != was.yaw {
                changed.resize(usize::from(place) / 8 + 1, 0u8);
                changed[usize::from(place) / 8] |= 1 << (place % 8);
                moved.push(wire::Moved::new(steps[0], steps[1], steps[2], state.yaw));
            }
            for number in 0..4u16 {
                let value = state.attr[usize::from(number)];
                if value != was.attr[usize::from(number)] {
                    attr.push(wire::Attr::new(place | number << 14, value));
                }
            }
            list.push((*id, *state));
        }
        for (id, state) in &visible {
            if !known.states.contains_key(id) {
                let (x, y, z) = (state.x as i16, state.y as i16, state.z as i16);
                let attr = &state.attr;
                full.push(wire::Full::new(*id, x, y, z, state.yaw, 0, list.len() as u16, attr));
                list.push((*id, *state));
            }
        }
        let mut digest = 0;
        if tick.wrapping_add(own_id).is_multiple_of(u32::from(world.config().tick_hz)) {
            let mut view = ViewDigest::new();
            for (id, state) in &list {
                view.push_entity(*id, state.x as i16, state.y as i16, state.z as i16, state.yaw, state.attr);
            }
            digest = view.finish();
        }

        let mut builder = FlatBufferBuilder::new();
        let own = crate::scene::own(world, client.own);
        let about = (known.tick == 0).then(|| crate::scene::about(world, client.own));
        let args = wire::SnapshotArgs {
            tick,
            baseline: known.tick,
            input: 7,
            own: Some(&own),
            digest,
            world: about.as_ref(),
            gone: Some(builder.create_vector(&gone)),
            full: Some(builder.create_vector(&full)),
            changed: Some(builder.create_vector(&changed)),
            moved: Some(builder.create_vector(&moved)),
            attr: Some(builder.create_vector(&attr)),
            far: None,
            ..Default::default()
        };
        let snapshot = wire::Snapshot::create(&mut builder, &args);
        builder.finish_size_prefixed(snapshot, None);
        known.sent.push_back((tick, list));
        each(builder.finished_data());
    }
}
