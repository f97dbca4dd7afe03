//! A model of a server that takes user commands from one player, the way to it and back, and a bot that plays.
//! No socket, no sleep: a run is a walk through the times at which something happens.
#![allow(dead_code)]

pub mod ground;
mod link;

use std::collections::VecDeque;

use ground::Ground;
use link::Link;
use throng_client::prediction::{PredictionConfig, Predictor};
use throng_client::view::Own;
use throng_client::{Motion, Pacer};
use throng_schema::IntentFields;

pub use link::{Rng, Way};

pub const TICK_HZ: u16 = 20;
pub const TICK_S: f32 = 1.0 / 20.0;
pub const TICK_US: u64 = 50_000;
/// What the rules grant: inputs that wait, ticks saved up, steps in one tick.
const QUEUE_MAX: usize = 8;
const CREDIT_MAX: u32 = 8;
const STEPS_MAX: u32 = 2;
/// Intents of earlier inputs in each datagram.
const REPEATED: usize = 3;

/// What one input datagram says: the newest input's number, then intents, the newest first.
#[derive(Clone, Copy)]
pub struct Input {
    pub sequence: u32,
    pub intents: [IntentFields; REPEATED + 1],
}

/// What prediction and pacing read of a snapshot.
#[derive(Clone, Copy)]
pub struct Told {
    pub tick: u32,
    pub own: Own,
    pub input_applied: u32,
    pub queued: u32,
    pub speed: u16,
}

/// One player as the rules know it.
#[derive(Default)]
pub struct Player {
    pub own: Own,
    queue: VecDeque<(u32, IntentFields)>,
    taken: u32,
    pub applied: u32,
    credit: u32,
    pub refused: u64,
    pub steps: u64,
    pub queued_max: usize,
}

impl Input {
    /// Its inputs with their numbers, the oldest first.
    fn steps(&self) -> impl Iterator<Item = (u32, IntentFields)> {
        let numbered = |back: u32| Some((self.sequence.checked_sub(back)?, self.intents[back as usize]));
        (0..=REPEATED as u32).rev().filter_map(numbered)
    }
}

impl Player {
    pub fn new(own: Own) -> Self {
        Self { own, ..Self::default() }
    }

    /// The inputs that a datagram brings, the oldest first.
    pub fn take(&mut self, steps: impl IntoIterator<Item = (u32, IntentFields)>) {
        for (sequence, intent) in steps {
            if sequence <= self.taken {
                continue;
            }
            if self.queue.len() == QUEUE_MAX {
                self.refused += 1;
                continue;
            }
            self.queue.push_back((sequence, intent));
            self.taken = sequence;
        }
        self.queued_max = self.queued_max.max(self.queue.len());
    }

    /// Inputs that have arrived and wait for their tick.
    pub fn queued(&self) -> u32 {
        self.queue.len() as u32
    }

    pub fn tick(&mut self, ground: &Ground) {
        self.credit = (self.credit + 1).min(CREDIT_MAX);
        for _ in 0..STEPS_MAX.min(self.credit) {
            let Some((sequence, intent)) = self.queue.pop_front() else { break };
            ground.step(&mut self.own, &intent, TICK_S);
            self.applied = sequence;
            self.credit -= 1;
            self.steps += 1;
        }
    }
}

/// A bot's wishes: it walks, turns about every two seconds, and stands now and then.
struct Mind {
    rng: Rng,
    intent: IntentFields,
    stays: bool,
}

impl Mind {
    fn next(&mut self) -> IntentFields {
        if self.stays {
            return IntentFields { yaw: self.intent.yaw, ..IntentFields::default() };
        }
        if self.rng.below(2 * u64::from(TICK_HZ)) == 0 {
            self.intent.yaw = self.rng.next() as u16;
            let walks = self.rng.below(5) > 0;
            let angle = f32::from(self.intent.yaw) / 65_536.0 * std::f32::consts::TAU;
            let share = if walks { 0.5 + self.rng.below(100) as f32 / 100.0 } else { 0.0 };
            (self.intent.move_x, self.intent.move_y) = (angle.cos() * share, angle.sin() * share);
        }
        self.intent
    }
}

/// One bot, the ways to and from its server, and the server's half of it.
pub struct Match<'g> {
    ground: &'g Ground,
    /// What the client believes to be the ground.
    pub believed: &'g Ground,
    pub now_us: u64,
    tick: u32,
    tick_due_us: u64,
    /// World time for real time, 1/1000.
    pub speed: u16,
    pub player: Player,
    up: Link<Input>,
    down: Link<Told>,
    /// The client's program looks at its clock this often.
    pub frame_us: u64,
    /// How much quicker the client's clock goes, 1/1,000,000.
    drift_ppm: i64,
    pub pacer: Pacer,
    /// Whether the pacer hears what snapshots say.
    pub is_paced: bool,
    pub predictor: Predictor,
    mind: Mind,
    sequence: u32,
    sent: [IntentFields; REPEATED + 1],
    told_tick: u32,
    /// Snapshots by the inputs that waited.
    pub queued: [u64; 16],
}

impl<'g> Match<'g> {
    pub fn new(ground: &'g Ground, seed: u64, way: Way, drift_ppm: i64) -> Self {
        let mut rng = Rng(seed);
        let own = ground.somewhere(rng.next(), rng.next());
        // Where in the server's tick the client's beat lies is chance.
        let phase_us = rng.below(TICK_US);
        Self {
            ground,
            believed: ground,
            now_us: 0,
            tick: 0,
            tick_due_us: phase_us,
            speed: 1000,
            player: Player::new(own),
            up: Link::new(way, rng.next()),
            down: Link::new(way, rng.next()),
            frame_us: 1000,
            drift_ppm,
            pacer: Pacer::new(0),
            is_paced: true,
            predictor: Predictor::new(PredictionConfig::default()),
            mind: Mind { rng, intent: IntentFields::default(), stays: false },
            sequence: 0,
            sent: Default::default(),
            told_tick: 0,
            queued: [0; 16],
        }
    }

    /// The client's clock at a true time.
    pub fn local_us(&self, true_us: u64) -> u64 {
        true_us.wrapping_add_signed(true_us as i64 / 1000 * self.drift_ppm / 1000)
    }

    /// The first frame in which the client's clock is past `local_us`.
    fn due_us(&self, local_us: u64) -> u64 {
        let mut true_us = local_us.wrapping_add_signed(-(local_us as i64 / 1000 * self.drift_ppm / 1000));
        true_us = true_us.next_multiple_of(self.frame_us);
        while self.local_us(true_us) < local_us {
            true_us += self.frame_us;
        }
        true_us.max(self.now_us)
    }

    pub fn set_way(&mut self, way: Way) {
        self.up.way = way;
        self.down.way = way;
    }

    pub fn set_stays(&mut self, stays: bool) {
        self.mind.stays = stays;
    }

    /// Runs until the true time `until_us`.
    pub fn run(&mut self, until_us: u64) {
        loop {
            let input_us = self.due_us(self.pacer.due_us());
            let next_us = self.tick_due_us.min(self.up.due_us()).min(self.down.due_us()).min(input_us);
            if next_us > until_us {
                self.now_us = until_us;
                return;
            }
            self.now_us = next_us;
            while let Some(input) = self.up.receive(next_us) {
                self.player.take(input.steps());
            }
            if self.tick_due_us <= next_us {
                self.server_tick();
            }
            while let Some(told) = self.down.receive(next_us) {
                self.hear(&told);
            }
            if input_us <= next_us {
                self.send();
            }
        }
    }

    fn server_tick(&mut self) {
        self.tick += 1;
        self.player.tick(self.ground);
        self.tick_due_us += TICK_US * 1000 / u64::from(self.speed);
        let told = Told {
            tick: self.tick,
            own: self.player.own,
            input_applied: self.player.applied,
            queued: self.player.queued(),
            speed: self.speed,
        };
        self.down.send(self.now_us, told);
    }

    fn hear(&mut self, told: &Told) {
        if told.tick <= self.told_tick {
            return;
        }
        self.told_tick = told.tick;
        self.queued[told.queued as usize] += 1;
        let local_us = self.local_us(self.now_us);
        if self.is_paced {
            self.pacer.observe(local_us, TICK_HZ, told.speed, told.queued);
        }
        self.predictor.reconcile(local_us, self.believed, told.tick, &told.own, told.input_applied, TICK_S);
    }

    fn send(&mut self) {
        let local_us = self.local_us(self.now_us);
        self.sequence += 1;
        self.sent.rotate_right(1);
        self.sent[0] = self.mind.next();
        self.predictor.input(local_us, self.believed, self.sequence, self.sent[0], self.pacer.beat());
        self.up.send(self.now_us, Input { sequence: self.sequence, intents: self.sent });
        self.pacer.sent(local_us);
    }

    pub fn ticks(&self) -> u32 {
        self.tick
    }

    pub fn inputs(&self) -> u32 {
        self.sequence
    }

    /// How far the predicted avatar is from the server's, metres.
    pub fn apart_m(&self) -> f32 {
        apart_m(self.predictor.body().position, self.player.own.position)
    }
}

pub fn apart_m(a: [f32; 3], b: [f32; 3]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1]).hypot(a[2] - b[2])
}
