//! Two ends of a channel and a bad wire between them.

mod world;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use throng_net::limits::FRAME_BYTES_ALONE_MAX;
use throng_net::protocol::channel::{Channel, ChannelCounters, PushError, frame};
use world::messages::{message, written_in};
use world::{MS, Random, S, seed};

#[derive(Clone, Copy)]
struct Conditions {
    loss_percent: u32,
    repeat_percent: u32,
    delay_us: u64,
    jitter_us: u32,
    /// The canary: the wire makes an old frame look like what comes next.
    is_lying: bool,
}

const GOOD: Conditions =
    Conditions { loss_percent: 0, repeat_percent: 0, delay_us: 1_000, jitter_us: 0, is_lying: false };
/// As much as a frame gets of a client's datagram, or of a server's.
const SHARES: [usize; 4] = [64, 290, 528, 1160];

struct End {
    channel: Channel,
    counters: ChannelCounters,
    pushed: u32,
    refused: u32,
    /// What is on its way to here: when it arrives, a number that keeps equal times in order, bytes.
    flights: BinaryHeap<Reverse<(u64, u64, Vec<u8>)>>,
}

impl End {
    fn new() -> Self {
        End {
            channel: Channel::new(),
            counters: ChannelCounters::default(),
            pushed: 0,
            refused: 0,
            flights: BinaryHeap::new(),
        }
    }
}

struct Simulation {
    conditions: Conditions,
    random: Random,
    ends: [End; 2],
    now_us: u64,
    frames: u64,
}

impl Simulation {
    fn new(name: &str, conditions: Conditions) -> Self {
        let random = Random::new(seed(name));
        Simulation { conditions, random, ends: [End::new(), End::new()], now_us: 0, frames: 0 }
    }

    /// Runs in steps of a millisecond. Each end has a tick of 50 ms, at which it pushes up to `burst` messages.
    fn run(&mut self, duration_us: u64, burst: u32) {
        let until_us = self.now_us + duration_us;
        while self.now_us < until_us {
            for to in 0..2 {
                self.receive(to);
                if self.now_us % (50 * MS) == 17 * MS * to as u64 {
                    self.push(to, burst);
                    self.write(to);
                }
            }
            self.now_us += MS;
        }
    }

    fn push(&mut self, from: usize, burst: u32) {
        let end = &mut self.ends[from];
        for _ in 0..self.random.below(burst + 1) {
            match end.channel.push(&message(end.pushed + 1)) {
                Ok(()) => end.pushed += 1,
                Err(error) => {
                    assert_eq!(error, PushError::Full);
                    end.refused += 1;
                }
            }
        }
    }

    fn write(&mut self, from: usize) {
        let share = SHARES[self.random.below(4) as usize];
        let rtt_us = (self.now_us > S).then_some(2 * self.conditions.delay_us as u32 + 50_000);
        let mut frame =
            written_in(&mut self.ends[from].channel, self.now_us, rtt_us, share, FRAME_BYTES_ALONE_MAX);
        if frame.is_empty() {
            return;
        }
        self.frames += 1;
        assert!(frame.len().is_multiple_of(4) && frame.len() <= FRAME_BYTES_ALONE_MAX);
        let parsed = frame::read(&frame).expect("an honest frame").0;
        assert_eq!(parsed.ack, self.ends[from].channel.delivered());
        assert!(parsed.count < 2 || frame.len() <= share, "beyond its share only alone");
        let to = &mut self.ends[1 - from];
        if self.conditions.is_lying && parsed.count != 0 {
            frame[8..12].copy_from_slice(&(to.channel.delivered() + 1).to_le_bytes());
        }
        for _ in 0..=u32::from(self.random.chance(self.conditions.repeat_percent)) {
            if !self.random.chance(self.conditions.loss_percent) {
                let jitter_us = u64::from(self.random.below(self.conditions.jitter_us + 1));
                let due_us = self.now_us + self.conditions.delay_us + jitter_us;
                let number = self.frames << 1 | from as u64;
                to.flights.push(Reverse((due_us, number, frame.clone())));
            }
        }
    }

    fn receive(&mut self, to: usize) {
        let end = &mut self.ends[to];
        while end.flights.peek().is_some_and(|flight| flight.0.0 <= self.now_us) {
            let Some(Reverse((_, _, frame))) = end.flights.pop() else { break };
            let payload = [&frame[..], b"behind"].concat();
            let before = end.channel.delivered();
            let (messages, rest) =
                end.channel.read(&payload, &mut end.counters).expect("honest ends write honest frames");
            assert_eq!(rest, b"behind");
            let mut next = before;
            for got in messages {
                next += 1;
                assert_eq!(got, message(next), "message {next}, exactly once and in order");
            }
            assert_eq!(end.channel.delivered(), next);
        }
    }

    /// Lets everything arrive; panics when it does not.
    fn finish(mut self) -> Self {
        for _ in 0..600 {
            if self.ends.iter().all(|end| end.channel.is_idle() && end.flights.is_empty()) {
                break;
            }
            self.run(S, 0);
        }
        for (near, far) in [(0, 1), (1, 0)] {
            assert_eq!(self.ends[far].channel.delivered(), self.ends[near].pushed, "all of them");
            assert_eq!(self.ends[far].counters.messages, u64::from(self.ends[near].pushed));
            assert_eq!(self.ends[near].channel.acknowledged(), self.ends[near].pushed);
            assert_eq!(self.ends[near].channel.waiting_us(self.now_us), 0);
        }
        let said = self.frames;
        self.run(10 * S, 0);
        assert_eq!(self.frames, said, "nothing to say, nothing said");
        self
    }
}

#[test]
fn a_good_wire_delivers_at_once_and_nothing_twice() {
    let mut simulation = Simulation::new("good wire", GOOD);
    simulation.run(20 * S, 3);
    let simulation = simulation.finish();
    for end in &simulation.ends {
        assert!(end.pushed > 400 && end.refused == 0);
        assert_eq!((end.counters.messages_again, end.counters.messages_early), (0, 0));
    }
}

#[test]
fn every_message_arrives_once_and_in_order() {
    for (loss_percent, repeat_percent, delay_us, jitter_us) in [
        (1, 0, 20_000, 5_000),
        (10, 10, 40_000, 80_000),
        (20, 50, 75_000, 30_000),
        (50, 20, 40_000, 120_000),
        (5, 5, 600_000, 300_000),
    ] {
        let conditions = Conditions { loss_percent, repeat_percent, delay_us, jitter_us, is_lying: false };
        let mut simulation = Simulation::new(&format!("{loss_percent} % loss"), conditions);
        simulation.run(30 * S, 2);
        let simulation = simulation.finish();
        for end in &simulation.ends {
            assert!(end.pushed > 50, "{} pushed", end.pushed);
            assert!(end.counters.messages_again + end.counters.messages_early > 0);
        }
    }
}

#[test]
fn more_than_the_wire_carries_fills_the_queue_and_loses_nothing() {
    let conditions = Conditions { loss_percent: 30, delay_us: 150_000, jitter_us: 100_000, ..GOOD };
    let mut simulation = Simulation::new("overfull", conditions);
    simulation.run(30 * S, 40);
    assert!(simulation.ends.iter().all(|end| end.refused > 1000 && end.pushed > 100));
    simulation.finish();
}

#[test]
#[should_panic(expected = "exactly once and in order")]
fn a_wire_that_lies_is_noticed() {
    let conditions = Conditions { loss_percent: 10, is_lying: true, ..GOOD };
    let mut simulation = Simulation::new("lying", conditions);
    simulation.run(30 * S, 3);
    simulation.finish();
}
