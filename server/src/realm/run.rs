//! The realm's loop: keeps the tick rate, looks at the socket in between, measures, reports, stops in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use super::drain::{Drain, Stage};
use super::opening::Opening;
use super::{Arrivals, Orders, Realm, setup};
use crate::gateway::board::{RealmState, RealmStatus};
use crate::gateway::keys::unix_ms;
use crate::limits::STRANGERS_BATCH;
use crate::metrics::Window;
use crate::process;
use crate::report::{Event, Progress, RealmReport};
use crate::schedule::Schedule;
use crate::stop::StopFlag;

/// Nanoseconds between two progress events.
const PROGRESS_NS: u64 = 1_000_000_000;

/// What other threads may ask of a running realm.
#[derive(Clone, Debug)]
pub struct Controls {
    /// Lets nobody else in, and ends the loop once `realm.drain_s` have passed, or nobody is left and has had time to log out.
    pub drain: StopFlag,
    /// Ends the loop after the current tick.
    pub stop: StopFlag,
    /// What the gateway asks of the realm.
    pub orders: Arc<Orders>,
    /// What the realm tells the gateway.
    pub status: Arc<RealmStatus>,
    /// Who has entered.
    pub arrivals: Arc<Arrivals>,
    measure: Arc<AtomicU8>,
}

/// Which stretch of time a load generator measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Measure {
    /// Nothing new was asked.
    Unchanged = 0,
    /// The stretch begins with the next tick.
    Begin = 1,
    /// The stretch has ended.
    End = 2,
}

impl Default for Controls {
    fn default() -> Self {
        Self::new()
    }
}

impl Controls {
    /// Controls that ask for nothing.
    pub fn new() -> Self {
        Self {
            drain: StopFlag::default(),
            stop: StopFlag::default(),
            orders: Arc::default(),
            status: Arc::new(RealmStatus::new(0)),
            arrivals: Arc::default(),
            measure: Arc::default(),
        }
    }

    /// Asks to begin or end the measured stretch before the next tick. Of several requests within one tick the last
    /// one counts.
    pub fn measure(&self, what: Measure) {
        self.measure.store(what as u8, Ordering::Release);
    }

    fn take_measure(&self) -> Measure {
        match self.measure.swap(Measure::Unchanged as u8, Ordering::AcqRel) {
            1 => Measure::Begin,
            2 => Measure::End,
            _ => Measure::Unchanged,
        }
    }
}

impl Realm {
    /// Runs ticks until `controls` asks to stop, or to drain and that is done, then disconnects everybody and returns the
    /// report.
    ///
    /// `notify` gets an event each second. It is called between two ticks and must not wait.
    pub fn run(&mut self, controls: &Controls, notify: &mut dyn FnMut(Event)) -> RealmReport {
        let tick_hz = self.config.realm.tick_hz;
        controls.status.set_capacity(self.config.realm.players_max);
        self.tell_keys(&controls.status);
        let mut schedule = Schedule::new(tick_hz, self.now_ns());
        let mut whole = Window::new(self.now_ns(), schedule.counts());
        let mut recent = whole.clone();
        let mut measured: Option<Window> = None;
        let mut measured_summary = None;
        let mut drain: Option<Drain> = None;
        let skew_ns = 1_000_000 * u64::from(setup::clock_skew_ms(&self.config));
        let mut opening = Opening::begin(self.now_ns(), skew_ns);

        while !controls.stop.is_raised() {
            if controls.drain.is_raised() {
                let drain = drain.get_or_insert_with(|| self.begin_to_drain(controls));
                match drain.look(self.now_ns(), self.client_count()) {
                    Stage::Going => {}
                    Stage::Left => tracing::info!(
                        "the last player has left: the gateway answers for up to {} ms more, for who logs out \
                         (gateway.shutdown_timeout_ms); another Ctrl-C or SIGTERM stops it now",
                        self.logout_ms()
                    ),
                    Stage::Over => break,
                }
            }
            if opening.is_over(self.now_ns()) && drain.is_none() {
                controls.status.set_state(RealmState::Open);
            }
            self.wait_for(&schedule);
            match controls.take_measure() {
                Measure::Begin => measured = Some(Window::new(self.now_ns(), schedule.counts())),
                Measure::End => {
                    if let Some(window) = measured.take() {
                        measured_summary = Some(window.summary(self.now_ns(), schedule.counts()));
                    }
                }
                Measure::Unchanged => {}
            }
            schedule.begin(self.now_ns());
            if controls.orders.are_there() {
                self.obey(controls);
            }
            // What this tick's snapshots say of the pace holds until the next tick.
            schedule.set_interval_ns(self.governor.effort().interval_ns(schedule.period_ns()));
            let (times, traffic) = self.tick();
            // First the players, then that their seats are taken: the other way round a seat would count for nobody.
            controls.status.set_population(self.client_count());
            controls.arrivals.add(&mut self.inbox.arrived);
            schedule.end(self.now_ns());

            whole.record(&times, &traffic);
            recent.record(&times, &traffic);
            if let Some(window) = &mut measured {
                window.record(&times, &traffic);
            }
            let now_ns = self.now_ns();
            if recent.age_ns(now_ns) >= PROGRESS_NS {
                let counts = schedule.counts();
                let summary = recent.summary(now_ns, counts);
                let tick = self.inbox.game.current_tick();
                controls.status.set_tick_p99_us((summary.tick_ms.p99 * 1000.0) as u32);
                let effort = self.governor.effort();
                let progress = Progress {
                    tick,
                    tick_hz,
                    clients: self.client_count(),
                    ticks_late: counts.ticks_late,
                    overload_steps: self.governor.steps() as u32,
                    overload_rung: effort.rung,
                    speed: effort.speed,
                    is_ledger_broken: self.inbox.game.imbalance().is_some(),
                    hellos_capped: self.protocol_counters().rejected_prefix_full,
                    ..Progress::default()
                };
                notify(Event::Progress(progress.with(&summary)));
                recent.restart(now_ns, counts);
                self.tell_crowding();
                self.tell_locals();
                let set_back_ms = self.inbox.protocol.set_unix_ms(now_ns / 1000, unix_ms());
                if set_back_ms > 0 {
                    tracing::warn!(
                        "the system's clock was set back by {:.1} s: connect tokens from before are not taken any more; \
                         keep the clock in step (chrony, systemd-timesyncd)",
                        set_back_ms as f64 / 1000.0
                    );
                    if opening.set_back(now_ns) && drain.is_none() {
                        controls.status.set_state(RealmState::Starting);
                    }
                }
            }
        }

        controls.status.set_state(RealmState::Draining);
        self.disconnect_all();
        let (now_ns, counts) = (self.now_ns(), schedule.counts());
        RealmReport {
            startup: self.startup.clone(),
            whole: whole.summary(now_ns, counts),
            measured: measured.map(|window| window.summary(now_ns, counts)).or(measured_summary),
            clients_peak: self.clients_peak,
            world_digest: format!("{:016x}", self.inbox.game.digest()),
            resident_kib_peak: process::resident_kib().map(|(_, peak)| peak),
            ledger_fault: self.inbox.game.imbalance().map(|imbalance| imbalance.to_string()),
            counters: self.counts(),
        }
    }

    /// Tells the gateway that nobody else is let in.
    fn begin_to_drain(&self, controls: &Controls) -> Drain {
        controls.status.set_state(RealmState::Draining);
        let drain_s = self.config.realm.drain_s;
        tracing::info!(
            "draining: nobody else is let in; {} clients have {drain_s} s to finish (realm.drain_s), another Ctrl-C or \
             SIGTERM stops the realm now",
            self.client_count()
        );
        let logout_ns = u64::from(self.logout_ms()) * 1_000_000;
        Drain::begin(self.now_ns(), u64::from(drain_s) * 1_000_000_000, logout_ns)
    }

    /// How long a drained realm waits for who has left to log out: as long as its gateway takes for what is under way when
    /// it stops. One that runs elsewhere stays.
    fn logout_ms(&self) -> u32 {
        let gateway = &self.config.gateway;
        if gateway.enabled { gateway.shutdown_timeout_ms } else { 0 }
    }

    /// Looks at the socket every `poll_us` until the next tick of `schedule` is due; once at strangers if it is due already.
    /// A tick itself hears sessions only: a realm whose ticks are always late would let nobody in.
    pub fn wait_for(&mut self, schedule: &Schedule) {
        let poll_ns = u64::from(self.config.net.poll_us) * 1000;
        let batch_max = self.config.net.receive_batch_max as usize;
        loop {
            let strangers = self.hear_strangers(STRANGERS_BATCH);
            if schedule.wait_ns(self.now_ns()) == 0 {
                return;
            }
            let sessions = self.hear_sessions(batch_max);
            let wait_ns = schedule.wait_ns(self.now_ns()).min(poll_ns);
            // A full batch means that more is waiting: look again at once.
            if sessions < batch_max && strangers < STRANGERS_BATCH && wait_ns > 0 {
                thread::sleep(Duration::from_nanos(wait_ns));
            }
        }
    }
}
