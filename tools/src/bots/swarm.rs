//! All clients: what arrives goes to the one it is for, and each gets its turn once a tick.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use throng_client::Applied;
use throng_client::prediction::ErrorHistogram;
use throng_net::io::cpu::soon;
use throng_net::io::prefer_large_pages;
use throng_net::limits::FRAME_BYTES_ALONE_MAX;
use throng_net::protocol::channel::{Channel, ChannelCounters, KIND_FRAMED};
use throng_net::protocol::packet::{DISCONNECT_LEFT, TYPE_DATA};
use throng_net::protocol::{Client, ClientEvent, ClientState, CloseCause};
use throng_schema::limits::{COMMAND_BYTES_MAX, DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES};
use throng_schema::wire::{Outcome as Answer, Told};
use throng_schema::{
    INPUT_BYTES, IntentFields, KIND_INPUT, KIND_SNAPSHOT, SCHEMA_VERSION, check_name, check_notice,
    read_notice, write_command, write_hello, write_input,
};

use super::behaviour::{Mind, Wish};
use super::books::Books;
use super::config::{BotsConfig, BotsError};
use super::door::Door;
use super::full::Full;
use super::glance::Glance;
use super::light::{Light, NearCounts, Outcome};
use super::pace::Pace;
use super::socket::SwarmSocket;
use super::totals::Totals;
use super::walker::Walker;
use super::wires::{Trouble, Verdict, Way, Wires};
use crate::rng::Rng;

/// Datagrams taken per step: some 2 ms of work, so that inputs never wait long behind a burst of snapshots.
const DRAIN_MAX: usize = 2048;
/// Turns ahead of which a client's key is asked for.
const TURNS_AHEAD: usize = 2;
/// The first client's address; the others follow. Far from 127.0.0.1, where servers live.
const FIRST_ADDRESS: u32 = 0x7F01_0001;
/// Tick rate until the server has said its own.
const TICK_HZ_ASSUMED: u16 = 20;
/// Bytes of an input datagram that messages may take.
const MESSAGE_BYTES_SHARE: usize = 256;
/// How far behind the newest snapshot a light client's picture of the others is, ticks.
const SHOWN_TICKS_AGO: u32 = 2;
/// Snapshots between two counts of a full client's far set.
const FAR_SAMPLE_TICKS: u32 = 16;

/// Thousands of clients without a socket or a clock.
pub struct Swarm {
    clients: u32,
    /// `None`: it has not been let in yet.
    links: Vec<Option<Client>>,
    /// Clients that have been given a grant so far.
    started: u32,
    /// Of whom a datagram comes soon; no client: unknown.
    coming: usize,
    /// Grants that have been used.
    granted: u64,
    lights: Vec<Light>,
    counts: Vec<NearCounts>,
    fulls: Vec<Full>,
    minds: Vec<Mind>,
    /// Of traders; `None`: keeps none.
    books: Vec<Option<Box<Books>>>,
    /// One for each client.
    channels: Vec<Channel>,
    channel_counters: ChannelCounters,
    shops: Vec<[f32; 2]>,
    walker: Option<Walker>,
    /// Clients that have something to send before their turn.
    eager: Vec<u32>,
    wires: Option<Wires>,
    pace: Pace,
    rng: Rng,
    hello: Arc<[u8]>,
    connect_rate_hz: u32,
    connect_us_max: u64,
    start_us: Option<u64>,
    /// The server has answered somebody.
    is_heard: bool,
    connected: u32,
    connecting: u32,
    /// Turns still to take until everybody has said goodbye.
    leaving: Option<u64>,
    tick_hz: u16,
    newest_tick: u32,
    speed_max_m_per_s: f32,
    directions: Box<[[f32; 2]; 256]>,
    totals: Totals,
}

impl Swarm {
    /// The clients of `config`, none of which has said hello yet.
    ///
    /// # Errors
    /// When a setting cannot work.
    pub fn new(config: &BotsConfig) -> Result<Self, BotsError> {
        config.check()?;
        check_name(&config.name).map_err(|error| BotsError::Hello(error.to_string()))?;
        let count = config.clients as usize;
        let trouble = Trouble {
            loss_percent: config.loss_percent,
            delay_ms: config.delay_ms,
            reorder_percent: config.reorder_percent,
        };
        let mut lights = vec![Light::new(); count];
        let mut fulls = Vec::new();
        // Spread over all, so that they join early and late alike.
        for place in 0..config.full_count() {
            let client = u64::from(place) * u64::from(config.clients) / u64::from(config.full_count());
            lights[client as usize].full = place;
            fulls.push(Full::default());
        }
        let minds: Vec<_> = (0..config.clients).map(|client| Mind::new(config.behaviour, client)).collect();
        let land = config.land.as_ref();
        let mut directions = Box::new([[0.0; 2]; 256]);
        for (direction, step) in directions.iter_mut().zip(0..=u8::MAX) {
            let angle = f32::from(step) / 256.0 * std::f32::consts::TAU;
            *direction = [angle.cos(), angle.sin()];
        }
        Ok(Self {
            clients: config.clients,
            links: large((0..count).map(|_| None)),
            started: 0,
            coming: usize::MAX,
            granted: 0,
            lights,
            counts: vec![[0; 64]; count],
            fulls,
            eager: Vec::with_capacity(count),
            wires: (!trouble.is_none()).then(|| Wires::new(config.clients, trouble, config.seed ^ 0x3157)),
            pace: Pace::new(config.clients, TICK_HZ_ASSUMED, config.clock),
            rng: Rng::new(config.seed),
            hello: write_hello(SCHEMA_VERSION, &config.name).into(),
            connect_rate_hz: config.connect_rate_hz,
            connect_us_max: u64::from(config.connect_seconds_max) * 1_000_000,
            start_us: None,
            is_heard: false,
            connected: 0,
            connecting: 0,
            leaving: None,
            tick_hz: 0,
            newest_tick: 0,
            speed_max_m_per_s: config.speed_max_m_per_s,
            directions,
            books: minds.iter().map(|mind| mind.is_trader().then(Box::default)).collect(),
            minds,
            channels: (0..count).map(|_| Channel::new()).collect(),
            channel_counters: ChannelCounters::default(),
            shops: land.map_or(Vec::new(), |land| {
                land.shops()
                    .iter()
                    .filter(|shop| shop.zone.0 == 0)
                    .map(|shop| shop.place.to_array())
                    .collect()
            }),
            walker: land.cloned().map(Walker),
            totals: Totals::default(),
        })
    }

    /// Takes in what has arrived and sends what is due. Call it about every millisecond. Returns the number of
    /// datagrams handled.
    ///
    /// # Errors
    /// When the socket is beyond use.
    pub fn step(
        &mut self,
        now_us: u64,
        socket: &mut impl SwarmSocket,
        door: &mut impl Door,
    ) -> io::Result<usize> {
        let mut handled = socket.drain(DRAIN_MAX, &mut |local, datagram, coming| {
            self.prefetch(coming);
            self.arrive(now_us, local, datagram);
        })?;
        if let Some(mut wires) = self.wires.take() {
            while let Some((client, way, datagram)) = wires.pop(now_us) {
                handled += 1;
                match way {
                    Way::ToServer => socket.push(address_of(client), datagram),
                    Way::ToClient => self.receive(now_us, client, datagram),
                }
            }
            self.wires = Some(wires);
        }
        self.start_clients(now_us, door);
        while let Some(client) = self.eager.pop() {
            self.poll(now_us, client, socket, door);
        }
        let (turns, late) = self.pace.take(now_us);
        self.totals.late += late;
        handled += turns as usize;
        for _ in 0..turns {
            let client = self.pace.next_client();
            // Clients lie one behind the other, which the processor finds out by itself; their keys do not.
            if let Some(Some(coming)) = self.links.get(client as usize + TURNS_AHEAD) {
                coming.prefetch_sealer();
            }
            self.turn(now_us, client, socket, door);
        }
        socket.flush();
        Ok(handled)
    }

    /// Starts those that have been granted entry, at the configured rate, however much time has passed since the last
    /// step. One that did not get in with its first grant starts again.
    fn start_clients(&mut self, now_us: u64, door: &mut impl Door) {
        let start_us = *self.start_us.get_or_insert(now_us);
        let allowed = u128::from(now_us - start_us) * u128::from(self.connect_rate_hz) / 1_000_000 + 1;
        while u128::from(self.granted) < allowed && self.leaving.is_none() {
            let Some((client, grant)) = door.next() else { return };
            let Some(place) = self.links.get_mut(client as usize) else { continue };
            self.granted += 1;
            // The payload was measured when it was made.
            let Ok(link) = Client::new(now_us, self.rng.next(), grant, self.hello.clone()) else { return };
            if place.replace(link).is_none() {
                self.started += 1;
                self.connecting += 1;
            }
            self.eager.push(client);
        }
    }

    /// Asks for what a datagram to an address will read of its client: it comes within the time of the few before it.
    fn prefetch(&mut self, coming: Option<Ipv4Addr>) {
        let client = coming.map_or(u32::MAX, |local| u32::from(local).wrapping_sub(FIRST_ADDRESS)) as usize;
        if let (Some(link), Some(light)) = (self.links.get(client), self.lights.get(client)) {
            soon(link);
            soon(light);
        }
        // Where its key is stands in what was asked for at the datagram before.
        if let Some(Some(link)) = self.links.get(std::mem::replace(&mut self.coming, client)) {
            link.prefetch_opener();
        }
    }

    fn arrive(&mut self, now_us: u64, local: Ipv4Addr, datagram: &mut [u8]) {
        let client = u32::from(local).wrapping_sub(FIRST_ADDRESS);
        if client as usize >= self.links.len() || self.leaving.is_some() {
            return;
        }
        if let [TYPE_DATA, kind, ..] = datagram
            && *kind & !KIND_FRAMED == KIND_SNAPSHOT
        {
            self.totals.snapshot_bytes += datagram.len() as u64;
        }
        if admit(&mut self.wires, now_us, client, Way::ToClient, datagram) {
            self.receive(now_us, client, datagram);
        }
    }

    fn receive(&mut self, now_us: u64, client: u32, datagram: &mut [u8]) {
        let Some(link) = &mut self.links[client as usize] else { return };
        self.is_heard = true;
        let was_connected = link.state() == ClientState::Connected;
        match link.handle(now_us, datagram) {
            ClientEvent::Data { kind, payload } => self.data(now_us, client, kind, payload),
            ClientEvent::Handled => self.eager.push(client),
            ClientEvent::Dropped(_) => self.totals.dropped += 1,
            ClientEvent::Challenged => self.eager.push(client),
            ClientEvent::Connected => {
                self.connected += 1;
                self.connecting -= 1;
                // The confirmation goes out at once: until then there is no body.
                self.eager.push(client);
            }
            ClientEvent::Closed(cause) => self.closed(was_connected, cause),
        }
    }

    fn closed(&mut self, was_connected: bool, cause: CloseCause) {
        if was_connected {
            self.connected -= 1;
            self.totals.disconnects += 1;
            return;
        }
        self.connecting -= 1;
        match cause {
            CloseCause::Refused { .. } => self.totals.refused += 1,
            _ => self.totals.unanswered += 1,
        }
    }

    fn data(&mut self, now_us: u64, client: u32, kind: u8, payload: &[u8]) {
        let mut payload = payload;
        if kind & KIND_FRAMED != 0 {
            let Self { channels, channel_counters, books, totals, .. } = self;
            match channels[client as usize].read(payload, channel_counters) {
                Ok((messages, behind)) => {
                    messages.for_each(|message| hear(books[client as usize].as_deref_mut(), totals, message));
                    payload = behind;
                }
                Err(_) => return self.totals.decode_errors += 1,
            }
        }
        if kind & !KIND_FRAMED == KIND_SNAPSHOT {
            self.snapshot(now_us, client, payload);
        }
    }

    fn snapshot(&mut self, now_us: u64, client: u32, payload: &[u8]) {
        let light = &mut self.lights[client as usize];
        let totals = &mut self.totals;
        if light.full == Light::NOT_FULL {
            let glance = Glance::read(payload);
            let outcome = match &glance {
                Some(glance) => light.apply(glance, &mut self.counts[client as usize]),
                None => light.wrong(),
            };
            if let (Some(glance), Some(books)) = (&glance, &mut self.books[client as usize]) {
                glance.newcomers(payload).for_each(|(id, attr1)| books.see(id, attr1));
            }
            match outcome {
                Outcome::Reconstructed { near } => {
                    totals.reconstructed += 1;
                    totals.near_sum += u64::from(near);
                    totals.near_samples += 1;
                    if light.newest_tick() > self.newest_tick {
                        self.newest_tick = light.newest_tick();
                        self.pace.set_speed(light.speed());
                    }
                }
                Outcome::Stale => totals.stale += 1,
                Outcome::Unusable => totals.unusable += 1,
                Outcome::Wrong => totals.decode_errors += 1,
            }
        } else {
            let full = &mut self.fulls[light.full as usize];
            match full.view.apply_bytes(payload) {
                Ok(Applied::Reconstructed { tick, checked }) => {
                    light.reconstructed = light.reconstructed.saturating_add(1);
                    totals.reconstructed += 1;
                    totals.digests_checked += u64::from(checked);
                    totals.near_sum += full.view.near().len() as u64;
                    totals.near_samples += 1;
                    self.newest_tick = self.newest_tick.max(tick);
                    if tick.is_multiple_of(FAR_SAMPLE_TICKS) {
                        totals.far_sum += full.far_in_view() as u64;
                        totals.far_samples += 1;
                    }
                    full.observe(now_us, self.walker.as_ref(), self.speed_max_m_per_s);
                    let own = full.view.own();
                    (light.at, light.own_id) = ([own.position[0], own.position[1]], full.own_id());
                    if let Some(books) = &mut self.books[client as usize] {
                        full.view.near().iter().for_each(|entity| books.see(entity.id, entity.attr[1]));
                    }
                }
                Ok(Applied::Stale) => totals.stale += 1,
                Err(error) if error.is_decode_error() => totals.decode_errors += 1,
                Err(throng_client::ViewError::Unusable { .. }) => totals.unusable += 1,
                Err(_) => {
                    totals.mismatches += 1;
                    totals.digests_checked += 1;
                }
            }
        }
        if self.tick_hz == 0 {
            self.learn(payload);
        }
    }

    /// Takes the tick rate from the first description of the world.
    fn learn(&mut self, payload: &[u8]) {
        let Ok(snapshot) = throng_schema::read_snapshot(payload) else { return };
        let Some(world) = snapshot.world() else { return };
        if throng_schema::check_world(world).is_ok() {
            self.tick_hz = world.tick_hz();
            self.pace.set_rate(self.tick_hz);
        }
    }

    /// Sends what a link has to say, and notices when it gives up.
    fn poll(&mut self, now_us: u64, client: u32, socket: &mut impl SwarmSocket, door: &mut impl Door) {
        let may_retry = self.is_heard && self.has_time_to_connect(now_us);
        let Some(link) = &mut self.links[client as usize] else { return };
        let before = link.state();
        let mut out = [0; DATAGRAM_BYTES_MAX];
        while let Some(bytes) = link.poll(now_us, &mut out) {
            send(&mut self.wires, now_us, client, socket, &out[..bytes]);
        }
        match (before, link.state()) {
            // A server that answers others may only be busy: try again while there is time.
            // Until then it is one that has not begun: it may be that it is not let in any more.
            (ClientState::Connecting, ClientState::Closed(CloseCause::TimedOut)) if may_retry => {
                self.links[client as usize] = None;
                self.started -= 1;
                self.connecting -= 1;
                door.ask_again(client);
            }
            (ClientState::Connecting | ClientState::Connected, ClientState::Closed(cause)) => {
                self.closed(before == ClientState::Connected, cause);
            }
            _ => {}
        }
    }

    fn has_time_to_connect(&self, now_us: u64) -> bool {
        self.start_us.is_some_and(|start_us| now_us.saturating_sub(start_us) < self.connect_us_max)
    }

    /// One client's turn: its input, or whatever its session needs.
    fn turn(&mut self, now_us: u64, client: u32, socket: &mut impl SwarmSocket, door: &mut impl Door) {
        if let Some(left) = &mut self.leaving {
            *left = left.saturating_sub(1);
            if let Some(Some(link)) = self.links.get_mut(client as usize) {
                link.disconnect(DISCONNECT_LEFT);
                self.poll(now_us, client, socket, door);
            }
            return;
        }
        let Some(Some(link)) = self.links.get_mut(client as usize) else { return };
        if now_us >= link.due_us() {
            self.poll(now_us, client, socket, door);
        }
        let Some(link) = self.links[client as usize].as_mut() else { return };
        if link.state() != ClientState::Connected {
            return;
        }
        let rtt_us = link.rtt_us();
        let hz = u64::from(if self.tick_hz == 0 { TICK_HZ_ASSUMED } else { self.tick_hz });
        let light = &mut self.lights[client as usize];
        let wish = self.minds[client as usize].wish(light.at, &self.shops, hz, &mut self.rng);
        let intent = self.intent(&wish);
        self.say(client, &wish);

        let light = &mut self.lights[client as usize];
        light.input_sent = light.input_sent.saturating_add(1);
        light.intents.rotate_right(1);
        light.intents[0] = intent;
        let (ack_tick, shown_tick) = match self.fulls.get_mut(light.full as usize) {
            Some(full) => {
                full.input(now_us, self.walker.as_ref(), light.input_sent, intent);
                (full.view.ack_tick(), full.shown_tick(now_us))
            }
            None => (light.ack_tick(), light.ack_tick().saturating_sub(SHOWN_TICKS_AGO)),
        };
        let mut out = [0; DATAGRAM_BYTES_MAX];
        let payload = &mut out[DATAGRAM_HEADER_BYTES..];
        let frame = &mut payload[..FRAME_BYTES_ALONE_MAX];
        let frame_bytes = self.channels[client as usize].write(now_us, rtt_us, MESSAGE_BYTES_SHARE, frame);
        if let Some(body) = payload[frame_bytes..].first_chunk_mut() {
            write_input(body, light.input_sent, ack_tick, shown_tick, &light.intents);
        }
        let kind = if frame_bytes == 0 { KIND_INPUT } else { KIND_INPUT | KIND_FRAMED };
        let Some(link) = self.links[client as usize].as_mut() else { return };
        let Some(bytes) = link.finish(now_us, kind, &mut out, frame_bytes + INPUT_BYTES) else { return };
        self.totals.inputs += 1;
        send(&mut self.wires, now_us, client, socket, &out[..bytes]);
    }

    fn intent(&self, wish: &Wish) -> IntentFields {
        let [x, y] = self.directions[usize::from(wish.direction)];
        let share = if wish.is_walking { 1.0 } else { 0.0 };
        let yaw = u16::from(wish.direction) << 8;
        IntentFields { move_x: x * share, move_y: y * share, yaw, buttons: wish.buttons }
    }

    /// Sends what the client's errand, or a trade of its own, asks for.
    fn say(&mut self, client: u32, wish: &Wish) {
        // Traders are in pairs; who its partner is, each knows from the swarm and not from the world.
        let partner = self.lights.get((client ^ 1) as usize).map_or(0, |light| light.own_id);
        let command = match &mut self.books[client as usize] {
            Some(books) => books.command(wish.errand, partner, &mut self.rng),
            None => wish.errand.and_then(|errand| Books::default().command(Some(errand), 0, &mut self.rng)),
        };
        let Some(command) = command else { return };
        let mut message = [0; COMMAND_BYTES_MAX];
        let Some(bytes) = write_command(&mut message, &command) else { return };
        match self.channels[client as usize].push(&message[..bytes]) {
            Ok(()) => self.totals.commands += 1,
            Err(_) => self.totals.commands_unsent += 1,
        }
    }

    /// Begins to say goodbye for everyone. Nobody listens any more from here on.
    pub fn leave(&mut self) {
        self.leaving.get_or_insert(u64::from(self.clients));
    }

    /// Whether everybody has said goodbye and nothing is under way.
    pub fn has_left(&self) -> bool {
        self.leaving == Some(0) && self.wires.as_ref().is_none_or(|wires| wires.held == 0)
    }

    /// Starts the counts that are per client, and the watch over refreshes.
    pub fn begin_measuring(&mut self) {
        for (light, link) in self.lights.iter_mut().zip(&self.links) {
            light.reconstructed = 0;
            light.measured = link.as_ref().is_some_and(|link| link.state() == ClientState::Connected);
        }
        self.fulls.iter_mut().for_each(Full::reset);
    }

    /// How far full clients' avatars were from where they had been foreseen, since [`Self::begin_measuring`]: the 99th
    /// percentile in metres, and the number of snapshots compared.
    pub fn prediction(&self) -> (f32, u64) {
        let mut errors = ErrorHistogram::default();
        self.fulls.iter().for_each(|full| errors.merge(full.predictor.errors()));
        (errors.quantile_m(0.99), errors.count())
    }

    /// Hits on full clients, and those whose attacker had not been refreshed within the bound.
    pub fn hits(&self) -> (u64, u64) {
        self.fulls.iter().fold((0, 0), |(hits, unseen), full| (hits + full.hits, unseen + full.hits_unseen))
    }

    /// Snapshots reconstructed since [`Self::begin_measuring`], one count for each client that was connected then.
    pub fn reconstructed_each(&self) -> impl Iterator<Item = u32> {
        self.lights.iter().filter(|light| light.measured).map(|light| light.reconstructed)
    }

    /// Longest wait for a refresh, ticks, and the number of late ones, among the full clients.
    pub fn refresh_waits(&self) -> (u32, u64) {
        let watches = self.fulls.iter().map(|full| &full.refresh);
        watches.fold((0, 0), |(max, late), watch| (watch.ticks_max.max(max), watch.late + late))
    }

    /// The server's bound for a refresh, ticks; 0 while no full client knows it.
    pub fn refresh_bound(&self) -> u32 {
        let world = self.fulls.iter().find_map(|full| full.view.world());
        world.map_or(0, |world| u32::from(world.refresh_ticks))
    }

    /// Full clients, connected or not.
    pub fn full_count(&self) -> u32 {
        self.fulls.len() as u32
    }

    /// Clients connected now.
    pub fn connected(&self) -> u32 {
        self.connected
    }

    /// Whether every client has been answered, for better or worse.
    pub fn is_settled(&self) -> bool {
        self.started == self.clients && self.connecting == 0
    }

    /// Whether nobody who has been granted entry still waits at the door.
    pub fn is_answered(&self) -> bool {
        self.connecting == 0
    }

    /// The server's tick rate, 0 while unknown.
    pub fn tick_hz(&self) -> u16 {
        self.tick_hz
    }

    /// The newest tick that any client has seen.
    pub fn newest_tick(&self) -> u32 {
        self.newest_tick
    }

    /// Counts since the start.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Datagrams that the simulation lost on purpose, and for want of room.
    pub fn simulated(&self) -> (u64, u64) {
        self.wires.as_ref().map_or((0, 0), |wires| (wires.lost, wires.overflowed))
    }
}

/// The address of a client.
pub fn address_of(client: u32) -> Ipv4Addr {
    Ipv4Addr::from(FIRST_ADDRESS.wrapping_add(client))
}

/// A table that is read all over.
fn large<T>(items: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let mut table = Vec::with_capacity(items.len());
    prefer_large_pages(&table);
    table.extend(items);
    table
}

/// Takes in a message of the realm.
fn hear(books: Option<&mut Books>, totals: &mut Totals, message: &[u8]) {
    totals.notices += 1;
    let read = read_notice(message).ok().and_then(|notice| check_notice(&notice).ok());
    let Some(notice) = read else {
        totals.decode_errors += 1;
        return;
    };
    if notice.told == Told::Answer {
        *match notice.outcome {
            Answer::Done => &mut totals.commands_done,
            _ => &mut totals.commands_refused,
        } += 1;
    }
    if let Some(books) = books {
        totals.deals += u64::from(books.hear(&notice));
    }
}

/// Whether a datagram passes at once; otherwise the wires hold it or it is lost.
#[inline]
fn admit(wires: &mut Option<Wires>, now_us: u64, client: u32, way: Way, datagram: &[u8]) -> bool {
    match wires {
        Some(wires) => wires.admit(now_us, client, way, datagram) == Verdict::Pass,
        None => true,
    }
}

#[inline]
fn send(wires: &mut Option<Wires>, now_us: u64, client: u32, socket: &mut impl SwarmSocket, datagram: &[u8]) {
    if admit(wires, now_us, client, Way::ToServer, datagram) {
        socket.push(address_of(client), datagram);
    }
}
