//! A run from the first hello to the last goodbye.

use std::io;

use super::config::{BotsConfig, BotsError};
use super::door::Door;
use super::report::{BotsReport, Phase, Progress, Second};
use super::socket::SwarmSocket;
use super::swarm::Swarm;
use super::totals::Totals;

const SECOND_US: u64 = 1_000_000;
/// Longest wait for the goodbyes: they are a courtesy.
const LEAVING_US_MAX: u64 = 3 * SECOND_US;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Datagrams handled; few of them mean that there is time to sleep.
    pub datagrams: usize,
    /// News, about once a second.
    pub progress: Option<Progress>,
    /// The run is over: take the report.
    pub done: bool,
}

/// Where counts stood at a moment.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at_us: u64,
    totals: Totals,
    tick: u32,
    cpu_us: u64,
}

/// A [`Swarm`] and its phases.
pub struct Run {
    config: BotsConfig,
    swarm: Swarm,
    cpu_us: fn() -> u64,
    phase: Phase,
    phase_since_us: u64,
    start_us: Option<u64>,
    stopping: bool,
    measured_from: Option<Mark>,
    /// Server ticks in the measurement, times the clients that were connected in each.
    client_ticks: u64,
    /// When the last second ended, and the counts then.
    second_from: (u64, Totals),
    report: BotsReport,
}

impl Run {
    /// A run of `config`. `cpu_us` tells the processor time that this process has used, microseconds.
    ///
    /// # Errors
    /// When a setting cannot work.
    pub fn new(config: &BotsConfig, cpu_us: fn() -> u64) -> Result<Self, BotsError> {
        Ok(Self {
            swarm: Swarm::new(config)?,
            config: config.clone(),
            cpu_us,
            phase: Phase::Connecting,
            phase_since_us: 0,
            start_us: None,
            stopping: false,
            measured_from: None,
            client_ticks: 0,
            second_from: (0, Totals::default()),
            report: BotsReport::default(),
        })
    }

    /// Ends the run in order: measuring stops, clients leave.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The clients.
    pub fn swarm(&self) -> &Swarm {
        &self.swarm
    }

    /// Plays on until `now_us`. Call it about every millisecond until it is done.
    ///
    /// # Errors
    /// When the socket is beyond use.
    pub fn step(
        &mut self,
        now_us: u64,
        socket: &mut impl SwarmSocket,
        door: &mut impl Door,
    ) -> io::Result<Step> {
        if self.start_us.is_none() {
            self.start_us = Some(now_us);
            self.phase_since_us = now_us;
            self.second_from.0 = now_us;
            self.report.warnings = socket.warnings().to_vec();
        }
        let (tick, connected) = (self.swarm.newest_tick(), self.swarm.connected());
        let datagrams = self.swarm.step(now_us, socket, door)?;
        if self.phase == Phase::Measuring {
            // Whoever left in this step was there in its ticks: when a server stops, its last ones come with the goodbyes.
            let ticks = self.swarm.newest_tick().saturating_sub(tick);
            self.client_ticks += u64::from(ticks) * u64::from(connected.max(self.swarm.connected()));
        }
        let phase_before = self.phase;
        self.advance(now_us, door.is_shut() && self.swarm.is_answered());
        let is_second = now_us.saturating_sub(self.second_from.0) >= SECOND_US;
        let progress = (is_second || self.phase != phase_before).then(|| self.news(now_us, is_second));
        let done = self.phase == Phase::Done;
        if done {
            (self.report.receive_overflows, self.report.send_failures) = socket.drops();
        }
        Ok(Step { datagrams, progress, done })
    }

    fn advance(&mut self, now_us: u64, is_shut: bool) {
        let since_us = now_us.saturating_sub(self.phase_since_us);
        let passed = |seconds: u32| since_us >= u64::from(seconds) * SECOND_US;
        let swarm = &mut self.swarm;
        let next = match self.phase {
            Phase::Connecting if self.stopping => Phase::Leaving,
            Phase::Connecting if swarm.is_settled() || is_shut || passed(self.config.connect_seconds_max) => {
                if swarm.connected() > 0 {
                    Phase::Settling
                } else {
                    Phase::Done
                }
            }
            Phase::Settling if self.stopping => Phase::Leaving,
            Phase::Settling if passed(self.config.settle_seconds) => {
                swarm.begin_measuring();
                self.measured_from = Some(self.mark(now_us));
                Phase::Measuring
            }
            Phase::Measuring if self.stopping || passed(self.config.seconds) || swarm.connected() == 0 => {
                self.measure(now_us);
                Phase::Leaving
            }
            Phase::Leaving if swarm.has_left() || since_us > LEAVING_US_MAX => Phase::Done,
            _ => return,
        };
        if next == Phase::Leaving {
            self.report.connected = self.swarm.connected();
            self.swarm.leave();
        }
        self.phase = next;
        self.phase_since_us = now_us;
    }

    fn mark(&self, now_us: u64) -> Mark {
        let (totals, tick) = (*self.swarm.totals(), self.swarm.newest_tick());
        Mark { at_us: now_us, totals, tick, cpu_us: (self.cpu_us)() }
    }

    /// Fills in what belongs to the measurement, which ends now.
    fn measure(&mut self, now_us: u64) {
        let Some(from) = self.measured_from else { return };
        let to = self.mark(now_us);
        let swarm = &self.swarm;
        let seconds = to.at_us.saturating_sub(from.at_us) as f64 / SECOND_US as f64;
        let ticks = to.tick.saturating_sub(from.tick);
        let client_ticks = self.client_ticks as f64;
        let mut rates: Vec<u32> = swarm.reconstructed_each().collect();
        rates.sort_unstable();

        let report = &mut self.report;
        report.seconds = seconds;
        report.ticks = ticks;
        report.snapshots_per_client_per_s_p1 = ratio(f64::from(quantile(&rates, 0.01)), seconds);
        report.snapshots_per_client_per_s_p50 = ratio(f64::from(quantile(&rates, 0.5)), seconds);
        report.bytes_per_client_per_tick =
            ratio((to.totals.snapshot_bytes - from.totals.snapshot_bytes) as f64, client_ticks);
        report.near_mean = ratio(
            (to.totals.near_sum - from.totals.near_sum) as f64,
            (to.totals.near_samples - from.totals.near_samples) as f64,
        );
        report.far_mean = ratio(
            (to.totals.far_sum - from.totals.far_sum) as f64,
            (to.totals.far_samples - from.totals.far_samples) as f64,
        );
        report.visible_mean = report.near_mean + report.far_mean;
        (report.far_refresh_ticks_max, report.far_refresh_late) = swarm.refresh_waits();
        report.far_refresh_ticks_bound = swarm.refresh_bound();
        (report.hits_taken, report.hits_unseen) = swarm.hits();
        let (error_m, compared) = swarm.prediction();
        report.prediction_error_m_p99 = (compared > 0).then_some(error_m);
        report.bots_cpu_us_per_client_tick =
            ratio(to.cpu_us.saturating_sub(from.cpu_us) as f64, client_ticks);
    }

    fn news(&mut self, now_us: u64, is_second: bool) -> Progress {
        let totals = *self.swarm.totals();
        let (from_us, from) = self.second_from;
        let seconds = now_us.saturating_sub(from_us) as f64 / SECOND_US as f64;
        let per_second = |now: u64, before: u64| ratio((now - before) as f64, seconds);
        let second = Second {
            at: now_us.saturating_sub(self.start_us.unwrap_or(now_us)) as f64 / SECOND_US as f64,
            connected: self.swarm.connected(),
            snapshots: per_second(totals.reconstructed, from.reconstructed),
            bytes: per_second(totals.snapshot_bytes, from.snapshot_bytes),
            inputs: per_second(totals.inputs, from.inputs),
        };
        if is_second {
            self.second_from = (now_us, totals);
            self.report.timeline.push(second);
        }
        let measured_us = match (self.phase, self.measured_from) {
            (Phase::Measuring, Some(from)) => now_us.saturating_sub(from.at_us),
            _ => (self.report.seconds * SECOND_US as f64) as u64,
        };
        Progress {
            phase: self.phase,
            clients: self.config.clients,
            second,
            measured_seconds: measured_us as f64 / SECOND_US as f64,
            view_mismatches: totals.mismatches,
            decode_errors: totals.decode_errors,
        }
    }

    /// What the run found.
    ///
    /// # Errors
    /// [`BotsError::NobodyConnected`] when there was nothing to find.
    pub fn report(self) -> Result<BotsReport, BotsError> {
        let totals = self.swarm.totals();
        if self.phase == Phase::Done && self.measured_from.is_none() && !self.stopping {
            return Err(BotsError::NobodyConnected {
                server: self.config.server,
                clients: self.config.clients,
                refused: totals.refused,
                silent: u64::from(self.config.clients) - totals.refused,
            });
        }
        let (simulated_losses, simulated_overflows) = self.swarm.simulated();
        Ok(BotsReport {
            clients: self.config.clients,
            full_clients: self.swarm.full_count(),
            tick_hz: self.swarm.tick_hz(),
            view_mismatches: totals.mismatches,
            digests_checked: totals.digests_checked,
            decode_errors: totals.decode_errors,
            snapshots_unusable: totals.unusable,
            snapshots_stale: totals.stale,
            inputs_sent: totals.inputs,
            inputs_late: totals.late,
            commands_sent: totals.commands,
            commands_done: totals.commands_done,
            commands_refused: totals.commands_refused,
            deals: totals.deals,
            notices: totals.notices,
            disconnects: totals.disconnects,
            refused: totals.refused,
            unanswered: totals.unanswered,
            datagrams_dropped: totals.dropped,
            simulated_losses,
            simulated_overflows,
            ..self.report
        })
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// The nearest-rank quantile of sorted numbers: at least `share` of them are at most this.
fn quantile(sorted: &[u32], share: f64) -> u32 {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let numbers: Vec<u32> = (1..=200).collect();
        assert_eq!((quantile(&numbers, 0.01), quantile(&numbers, 0.5)), (2, 100));
        assert_eq!((quantile(&[7], 0.01), quantile(&[], 0.5)), (7, 0));
    }
}
