//! Figures of the running realm: tick times by phase, traffic, CPU.
//!
//! Recording is plain arithmetic on preallocated histograms, because it happens in every tick.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::process;
use crate::realm::SPEED_USUAL;
use crate::schedule::ScheduleCounts;

/// Shortest time that a histogram tells from zero, nanoseconds.
const TIME_NS_MIN: u64 = 1_000;
/// Longest time that a histogram tells apart, nanoseconds: a minute. Longer ones count as this.
const TIME_NS_MAX: u64 = 60_000_000_000;
/// Decimal digits kept.
const DIGITS: u8 = 3;

/// Where one tick's time went, nanoseconds, and how fast it went.
#[derive(Clone, Copy, Debug)]
pub struct TickTimes {
    /// Draining the socket: since the last tick and at this one's start.
    pub receive_ns: u64,
    /// Applying intents and moving the world.
    pub simulate_ns: u64,
    /// Encoding and sending, until the last datagram is with the kernel.
    pub send_ns: u64,
    /// From the tick's start until everything is flushed; what was received before the start is not in it.
    pub tick_ns: u64,
    /// Steps of the overload ladder that were taken.
    pub overload_steps: u32,
    /// World time for real time, 1/1000.
    pub speed: u16,
}

impl Default for TickTimes {
    fn default() -> Self {
        Self { receive_ns: 0, simulate_ns: 0, send_ns: 0, tick_ns: 0, overload_steps: 0, speed: SPEED_USUAL }
    }
}

impl TickTimes {
    /// All that the tick and what came in before it took: what must fit between two ticks.
    pub fn work_ns(&self) -> u64 {
        self.receive_ns + self.simulate_ns + self.send_ns
    }
}

/// What one or more ticks sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Clients that were to get a snapshot.
    pub client_ticks: u64,
    /// Snapshots handed to the kernel.
    pub snapshots: u64,
    /// Their UDP payload, bytes.
    pub snapshot_bytes: u64,
    /// Neighbours that they carry at the full rate.
    pub near: u64,
    /// Neighbours in view beyond those, sent in turns.
    pub ring: u64,
    /// Records of such neighbours in the snapshots.
    pub far: u64,
    /// Snapshots without a baseline.
    pub fresh_starts: u64,
    /// Clients that got no snapshot because none could be encoded.
    pub encode_failures: u64,
    /// Rounds of far records that took longer than `world.refresh_ticks`: the budget was too small for the crowd.
    pub rounds_late: u64,
    /// Datagrams received, of any kind.
    pub received: u64,
}

impl Traffic {
    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            client_ticks: self.client_ticks + other.client_ticks,
            snapshots: self.snapshots + other.snapshots,
            snapshot_bytes: self.snapshot_bytes + other.snapshot_bytes,
            near: self.near + other.near,
            ring: self.ring + other.ring,
            far: self.far + other.far,
            fresh_starts: self.fresh_starts + other.fresh_starts,
            encode_failures: self.encode_failures + other.encode_failures,
            rounds_late: self.rounds_late + other.rounds_late,
            received: self.received + other.received,
        }
    }
}

/// Everything recorded over a stretch of ticks.
#[derive(Clone, Debug)]
pub struct Window {
    tick: Histogram<u64>,
    receive: Histogram<u64>,
    simulate: Histogram<u64>,
    send: Histogram<u64>,
    traffic: Traffic,
    overload_steps_max: u32,
    speed_min: u16,
    started_ns: u64,
    schedule_at_start: ScheduleCounts,
    cpu_us_at_start: u64,
}

impl Window {
    /// An empty window that starts at `now_ns`.
    pub fn new(now_ns: u64, schedule: ScheduleCounts) -> Self {
        Self {
            tick: new_histogram(),
            receive: new_histogram(),
            simulate: new_histogram(),
            send: new_histogram(),
            traffic: Traffic::default(),
            overload_steps_max: 0,
            speed_min: SPEED_USUAL,
            started_ns: now_ns,
            schedule_at_start: schedule,
            cpu_us_at_start: process::cpu_us(),
        }
    }

    /// Forgets everything and starts anew at `now_ns`, keeping the memory.
    pub fn restart(&mut self, now_ns: u64, schedule: ScheduleCounts) {
        for histogram in [&mut self.tick, &mut self.receive, &mut self.simulate, &mut self.send] {
            histogram.reset();
        }
        self.traffic = Traffic::default();
        (self.overload_steps_max, self.speed_min) = (0, SPEED_USUAL);
        self.started_ns = now_ns;
        self.schedule_at_start = schedule;
        self.cpu_us_at_start = process::cpu_us();
    }

    /// Adds one tick.
    pub fn record(&mut self, times: &TickTimes, traffic: &Traffic) {
        self.tick.saturating_record(times.tick_ns);
        self.receive.saturating_record(times.receive_ns);
        self.simulate.saturating_record(times.simulate_ns);
        self.send.saturating_record(times.send_ns);
        self.traffic = self.traffic.plus(traffic);
        self.overload_steps_max = self.overload_steps_max.max(times.overload_steps);
        self.speed_min = self.speed_min.min(times.speed);
    }

    /// Nanoseconds since the window started.
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.started_ns)
    }

    /// The figures of this window, which ends at `now_ns`.
    pub fn summary(&self, now_ns: u64, schedule: ScheduleCounts) -> WindowSummary {
        let traffic = self.traffic;
        let cpu_us = process::cpu_us().saturating_sub(self.cpu_us_at_start) as f64;
        let ticks = schedule.ticks - self.schedule_at_start.ticks;
        let slipped_ns = schedule.slipped_ns - self.schedule_at_start.slipped_ns;
        let stretched_ns = schedule.stretched_ns - self.schedule_at_start.stretched_ns;
        WindowSummary {
            seconds: self.age_ns(now_ns) as f64 / 1e9,
            ticks,
            ticks_late: schedule.ticks_late - self.schedule_at_start.ticks_late,
            slipped_ms: slipped_ns as f64 / 1e6,
            stretched_ms: stretched_ns as f64 / 1e6,
            overload_steps_max: self.overload_steps_max,
            speed_min: self.speed_min,
            tick_ms: Spread::of(&self.tick),
            receive_ms: Spread::of(&self.receive),
            simulate_ms: Spread::of(&self.simulate),
            send_ms: Spread::of(&self.send),
            client_ticks: traffic.client_ticks,
            clients_mean: ratio(traffic.client_ticks as f64, ticks as f64),
            snapshots: traffic.snapshots,
            snapshot_bytes: traffic.snapshot_bytes,
            fresh_starts: traffic.fresh_starts,
            encode_failures: traffic.encode_failures,
            rounds_late: traffic.rounds_late,
            datagrams_received: traffic.received,
            bytes_per_client_per_tick: ratio(traffic.snapshot_bytes as f64, traffic.client_ticks as f64),
            near_mean: ratio(traffic.near as f64, traffic.snapshots as f64),
            ring_mean: ratio(traffic.ring as f64, traffic.snapshots as f64),
            far_sent_mean: ratio(traffic.far as f64, traffic.snapshots as f64),
            server_cpu_s: cpu_us / 1e6,
            server_cpu_us_per_client_tick: ratio(cpu_us, traffic.client_ticks as f64),
        }
    }
}

/// The figures of a stretch of ticks, as they stand in reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowSummary {
    /// Wall time.
    pub seconds: f64,
    /// Ticks run.
    pub ticks: u64,
    /// Ticks that ended after the next one was due, or began a whole interval late.
    pub ticks_late: u64,
    /// What the world's clock lost against the wall's because ticks were late, milliseconds.
    pub slipped_ms: f64,
    /// What it lost because the world's time was slowed down, milliseconds.
    #[serde(default)]
    pub stretched_ms: f64,
    /// Steps of the overload ladder that were taken at once, at most.
    #[serde(default)]
    pub overload_steps_max: u32,
    /// Slowest world time, in 1/1000 of the usual.
    #[serde(default = "speed_usual")]
    pub speed_min: u16,
    /// From a tick's start until its last datagram is with the kernel.
    pub tick_ms: Spread,
    /// Draining the socket, between ticks too.
    pub receive_ms: Spread,
    /// Applying intents and moving the world.
    pub simulate_ms: Spread,
    /// Encoding and sending.
    pub send_ms: Spread,
    /// Sum over the ticks of clients connected.
    pub client_ticks: u64,
    /// Clients connected, on average.
    pub clients_mean: f64,
    /// Snapshots handed to the kernel.
    pub snapshots: u64,
    /// Their UDP payload.
    pub snapshot_bytes: u64,
    /// Snapshots without a baseline.
    pub fresh_starts: u64,
    /// Clients that got no snapshot because none could be encoded.
    pub encode_failures: u64,
    /// Rounds of far records that took longer than `world.refresh_ticks`: the budget was too small for the crowd.
    pub rounds_late: u64,
    /// Datagrams received, of any kind.
    pub datagrams_received: u64,
    /// UDP payload of snapshots for each client and tick.
    pub bytes_per_client_per_tick: f64,
    /// Neighbours in a client's near list, on average.
    pub near_mean: f64,
    /// Neighbours in view beyond those, on average.
    pub ring_mean: f64,
    /// Records of far neighbours in a snapshot, on average.
    pub far_sent_mean: f64,
    /// CPU time of the process, user and system, all threads.
    pub server_cpu_s: f64,
    /// The same for each client and tick, microseconds.
    pub server_cpu_us_per_client_tick: f64,
}

/// Half of all, all but one in a hundred, and the longest, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Median.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            // The library would give the end of its first bucket.
            return Self::default();
        }
        let ms = |ns: u64| ns as f64 / 1e6;
        Self {
            p50: ms(histogram.value_at_quantile(0.5)),
            p99: ms(histogram.value_at_quantile(0.99)),
            max: ms(histogram.max()),
        }
    }
}

/// What reports of realms that knew no overload mean.
pub(crate) fn speed_usual() -> u16 {
    SPEED_USUAL
}

/// `a / b`, and 0 when there was nothing to divide by: JSON has no NaN.
pub fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(TIME_NS_MIN, TIME_NS_MAX, DIGITS)
        .expect("1 <= low, 2 low <= high and at most 5 digits: constants that the library accepts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_from_its_start() {
        let before = ScheduleCounts { ticks: 100, ticks_late: 7, slipped_ns: 1_000_000, stretched_ns: 5 };
        let mut window = Window::new(5_000_000_000, before);
        for tick in 1..=100u64 {
            let speed = 1000 - (tick % 50) as u16;
            let times = TickTimes { tick_ns: tick * 1_000_000, speed, ..TickTimes::default() };
            let traffic = Traffic {
                client_ticks: 10,
                snapshots: 10,
                snapshot_bytes: 4000,
                near: 500,
                ..Traffic::default()
            };
            window.record(&times, &traffic);
        }
        let after =
            ScheduleCounts { ticks: 200, ticks_late: 8, slipped_ns: 3_000_000, stretched_ns: 4_000_005 };
        let summary = window.summary(10_000_000_000, after);
        assert_eq!((summary.ticks, summary.ticks_late, summary.client_ticks), (100, 1, 1000));
        assert_eq!(summary.seconds, 5.0);
        assert_eq!((summary.slipped_ms, summary.stretched_ms, summary.speed_min), (2.0, 4.0, 951));
        assert_eq!(summary.clients_mean, 10.0);
        assert_eq!(summary.bytes_per_client_per_tick, 400.0);
        assert_eq!(summary.near_mean, 50.0);
        assert!((summary.tick_ms.p50 - 50.0).abs() < 0.1, "{:?}", summary.tick_ms);
        assert!((summary.tick_ms.p99 - 99.0).abs() < 0.2, "{:?}", summary.tick_ms);
        assert!((summary.tick_ms.max - 100.0).abs() < 0.2, "{:?}", summary.tick_ms);
    }

    #[test]
    fn an_empty_window_has_numbers_too() {
        let window = Window::new(0, ScheduleCounts::default());
        let summary = window.summary(0, ScheduleCounts::default());
        assert_eq!(summary.clients_mean, 0.0);
        let json = serde_json::to_string(&summary).expect("every field is a number");
        assert_eq!(serde_json::from_str::<WindowSummary>(&json).expect("reads back"), summary);
    }

    #[test]
    fn a_restarted_window_is_empty() {
        let mut window = Window::new(0, ScheduleCounts::default());
        window.record(&TickTimes { tick_ns: u64::MAX, ..TickTimes::default() }, &Traffic::default());
        window.restart(9, ScheduleCounts { ticks: 1, ..ScheduleCounts::default() });
        let summary = window.summary(9, ScheduleCounts { ticks: 1, ..ScheduleCounts::default() });
        assert_eq!(summary.ticks, 0);
        assert_eq!(summary.tick_ms, Spread::default());
    }
}
