//! Whether a run was good, and the tables that say so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use throng_tools::bots::BotsReport;

use crate::metrics::WindowSummary;
use crate::report::RealmReport;

/// A median client that gets less than this share of all snapshots makes a run worthless: nothing else measured in it
/// means anything.
const SNAPSHOT_SHARE_MIN: f64 = 0.5;
/// Below this share a client's picture stutters.
const SNAPSHOT_SHARE_GOOD: f64 = 0.9;
/// Most that own steps may be mistaken by at p99, metres. Whoever stands in a crowd is pushed aside, 0.1 m at a time, and no
/// client foresees that; on another land than the realm's it is many metres.
const PREDICTION_ERROR_M_MAX: f32 = 0.5;
/// Seconds, times full clients, after which one of them must have been hit where all fight and many are in view: a demo of
/// 20 s with the usual behaviour counts some forty hits in 384.
const FIGHT_CLIENT_S_MIN: f64 = 300.0;
/// So many in view are many.
const FIGHT_VISIBLE_MIN: f64 = 10.0;
/// Seconds, times clients, after which somebody must have dealt where all trade: a trader needs a while to find a shop.
const TRADE_CLIENT_S_MIN: f64 = 4_000.0;

/// Under what conditions a run went: what cannot be held against the realm, and what must have come of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Loss, delay or reordering was simulated.
    pub is_troubled: bool,
    /// The clients' clock was not the realm's.
    pub is_off_beat: bool,
    /// Somebody ended it before its time.
    pub is_interrupted: bool,
    /// Share of the clients that fight.
    pub fighters: f64,
    /// Share of the clients that trade, and know where the shops are.
    pub traders: f64,
}

/// What is said of a run that nothing was wrong with before somebody ended it.
const INTERRUPTED: &str = "interrupted";
/// What to do when a realm answers some hellos and not others.
pub const CAPS_REMEDY: &str = ": a network has no more sessions than caps.ipv4_24 unless the realm's settings name it; \
                               to let these clients in: caps.allow = [\"127.0.0.0/8\"]";

/// What a demo found: the object that `--json` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DemoReport {
    /// Clients asked for.
    pub clients: u32,
    /// Clients connected at the end of the measurement.
    pub connected: u32,
    /// Seconds measured.
    pub seconds: f64,
    /// Ticks per second asked for.
    pub tick_hz: u16,
    /// From a tick's start until its last datagram is with the kernel.
    pub tick_ms_p50: f64,
    /// See above.
    pub tick_ms_p99: f64,
    /// See above.
    pub tick_ms_max: f64,
    /// Ticks that ended after the next one was due.
    pub ticks_late: u64,
    /// Of the client at the first percentile.
    pub snapshots_per_client_per_s_p1: f64,
    /// Of the median client.
    pub snapshots_per_client_per_s_p50: f64,
    /// UDP payload that the realm sent for each client and tick.
    pub bytes_per_client_per_tick: f64,
    /// Entities in view, near and far.
    pub visible_mean: f64,
    /// CPU time of the realm's process for each client and tick.
    pub server_cpu_us_per_client_tick: f64,
    /// CPU time of the load generator for each client and tick.
    pub bots_cpu_us_per_client_tick: f64,
    /// Full clients' views that disagreed with the realm.
    pub view_mismatches: u64,
    /// Messages that broke the contract, at the clients or at the realm.
    pub decode_errors: u64,
    /// `uring` or `mmsg`.
    pub io_backend: String,
    /// Instruction set of the kernels.
    pub simd: String,
    /// Threads of the realm.
    pub threads: u32,
    /// Wandering creatures.
    pub creatures: u32,
    /// Size of the world in metres.
    pub world_m: [f32; 2],
    /// Everyone within one disc of two view radii.
    pub is_crowd: bool,
    /// Longest wait for a refresh of something in view, ticks.
    pub far_refresh_ticks_max: u32,
    /// What the realm promises for that.
    pub far_refresh_ticks_bound: u32,
    /// Whether what came into the economy and what left it equals what is in it, in every tick.
    pub ledger_balanced: bool,
    /// Steps of the overload ladder that were taken at once, at most.
    pub overload_steps_max: u32,
    /// Slowest world time, in 1/1000 of the usual.
    pub speed_min: u16,
    /// Full clients' avatars against where they were foreseen, metres.
    pub prediction_error_m_p99: Option<f32>,
    /// Hits on full clients by somebody whom they had not been shown within the bound.
    pub hits_unseen: u64,
    /// All but one tick in a hundred ended in time, and (unless loss or delay was simulated) all but one client in a
    /// hundred got nine snapshots of ten. Not a reason to fail: it tells of the machine, and of what else ran on it.
    pub kept_up: bool,
    /// Somebody ended the run before its time, so that its figures are of a part.
    pub interrupted: bool,
    /// Why the run failed; empty when it did not.
    pub failures: Vec<String>,
    /// What deserves a look although nothing failed.
    pub notes: Vec<String>,
    /// All that the realm said.
    pub realm: RealmReport,
    /// All that the load generator said.
    pub bots: BotsReport,
}

impl DemoReport {
    /// Brings both sides' reports together.
    pub fn new(realm: RealmReport, bots: BotsReport, is_crowd: bool, conditions: &Conditions) -> Self {
        let window = realm.measured.as_ref().unwrap_or(&realm.whole);
        let is_troubled = conditions.is_troubled;
        let mut failures = bots_failures(&bots, conditions);
        failures.extend(realm_failures(&realm, conditions.is_interrupted));
        let notes = notes(&realm, window, &bots, is_troubled);
        let tick_hz = f64::from(realm.startup.tick_hz.max(1));
        let got_all = is_troubled || bots.snapshots_per_client_per_s_p1 >= 0.9 * tick_hz;
        let kept_up = got_all && window.tick_ms.p99 < 1000.0 / tick_hz;
        Self {
            clients: bots.clients,
            connected: bots.connected,
            seconds: bots.seconds,
            tick_hz: realm.startup.tick_hz,
            tick_ms_p50: window.tick_ms.p50,
            tick_ms_p99: window.tick_ms.p99,
            tick_ms_max: window.tick_ms.max,
            ticks_late: window.ticks_late,
            snapshots_per_client_per_s_p1: bots.snapshots_per_client_per_s_p1,
            snapshots_per_client_per_s_p50: bots.snapshots_per_client_per_s_p50,
            bytes_per_client_per_tick: window.bytes_per_client_per_tick,
            visible_mean: bots.visible_mean,
            server_cpu_us_per_client_tick: window.server_cpu_us_per_client_tick,
            bots_cpu_us_per_client_tick: bots.bots_cpu_us_per_client_tick,
            view_mismatches: bots.view_mismatches,
            decode_errors: bots.decode_errors + realm_decode_errors(&realm),
            io_backend: realm.startup.io_backend.clone(),
            simd: realm.startup.simd.clone(),
            threads: realm.startup.threads,
            creatures: realm.startup.creatures,
            world_m: realm.startup.world_m,
            is_crowd,
            far_refresh_ticks_max: bots.far_refresh_ticks_max,
            far_refresh_ticks_bound: bots.far_refresh_ticks_bound,
            ledger_balanced: ledger_imbalances(&realm) == 0,
            overload_steps_max: window.overload_steps_max,
            speed_min: window.speed_min,
            prediction_error_m_p99: bots.prediction_error_m_p99,
            hits_unseen: bots.hits_unseen,
            interrupted: conditions.is_interrupted,
            kept_up,
            failures,
            notes,
            realm,
            bots,
        }
    }

    /// The report for a person.
    pub fn table(&self) -> String {
        let window = self.realm.measured.as_ref().unwrap_or(&self.realm.whole);
        let mut table = Table::default();
        table.row("clients", format!("{} of {} connected", self.connected, self.clients));
        let shape = if self.is_crowd { "a crowd in a disc, " } else { "" };
        table.row("world", format!("{} creatures, {shape}{}", self.creatures, self.realm.startup.size()));
        table.row("measured", format!("{:.1} s at {} ticks a second", self.seconds, self.tick_hz));
        table.row("realm", format!("{} threads, simd {}, io {}", self.threads, self.simd, self.io_backend));
        table.gap();
        let spread = |s: &crate::metrics::Spread| {
            format!("p50 {:7.2}   p99 {:7.2}   max {:7.2} ms", s.p50, s.p99, s.max)
        };
        table.row(
            "tick",
            format!("{}   of {:.0}", spread(&window.tick_ms), 1000.0 / f64::from(self.tick_hz.max(1))),
        );
        table.row("  receive", spread(&window.receive_ms));
        table.row("  simulate", spread(&window.simulate_ms));
        table.row("  encode, send", spread(&window.send_ms));
        table.row("ticks late", format!("{} of {}", self.ticks_late, window.ticks));
        table.gap();
        table.row(
            "snapshots",
            format!(
                "{:.2} a second at 99 of 100 clients or more, {:.2} at the median",
                self.snapshots_per_client_per_s_p1, self.snapshots_per_client_per_s_p50
            ),
        );
        table.row("bytes", format!("{:.1} a client and tick", self.bytes_per_client_per_tick));
        table.row(
            "visible",
            format!("{:.1} on average, {:.1} of them every tick", self.visible_mean, self.bots.near_mean),
        );
        table.row("far refresh", far_refresh(&self.bots));
        table.row(
            "cpu",
            format!(
                "realm {:.2} us, clients {:.2} us a client and tick",
                self.server_cpu_us_per_client_tick, self.bots_cpu_us_per_client_tick
            ),
        );
        table.row("views", views(&self.bots));
        table.row("decode errors", self.decode_errors.to_string());
        self.play(&mut table);
        let passed = match (self.interrupted, self.kept_up) {
            (true, _) => INTERRUPTED,
            (_, true) => "passed",
            (_, false) => "every view was right, but this machine did not keep up",
        };
        table.end(&self.notes, &self.failures, passed)
    }
}

impl DemoReport {
    /// What the clients did, and what the rules made of it.
    fn play(&self, table: &mut Table) {
        table.gap();
        let (bots, counts) = (&self.bots, &self.realm.counters);
        let money = |name: &str| counts.money.get(name).copied().unwrap_or_default();
        let balanced = if self.ledger_balanced { "balanced in every tick" } else { "NOT BALANCED" };
        table.row("ledger", format!("{balanced}; {} of money with players", money("held_by_players")));
        met(bots, table);
        if self.overload_steps_max > 0 {
            let speed = f64::from(self.speed_min) / 10.0;
            let steps = self.overload_steps_max;
            table.row(
                "overload",
                format!("{steps} steps held back at most, world time at {speed:.0} % at least"),
            );
        }
    }
}

/// What the clients did and met.
fn met(bots: &BotsReport, table: &mut Table) {
    table.row(
        "commands",
        format!(
            "{} sent, {} done, {} refused; {} deals; {} notices",
            bots.commands_sent, bots.commands_done, bots.commands_refused, bots.deals, bots.notices
        ),
    );
    table.row(
        "hits",
        format!("{} on full clients, {} by somebody out of sight", bots.hits_taken, bots.hits_unseen),
    );
    if let Some(error_m) = bots.prediction_error_m_p99 {
        table.row("foreseen", format!("own steps of full clients within {:.1} cm at p99", error_m * 100.0));
    }
}

fn ledger_imbalances(realm: &RealmReport) -> u64 {
    realm.counters.game.get("ledger_imbalance").copied().unwrap_or_default()
}

/// Why the clients' side of a run failed; empty when it did not.
pub fn bots_failures(bots: &BotsReport, conditions: &Conditions) -> Vec<String> {
    let Conditions { is_troubled, is_interrupted, .. } = *conditions;
    let mut failures = Vec::new();
    let mut fail = |is_failed: bool, why: String| {
        if is_failed {
            failures.push(why);
        }
    };
    fail(!is_interrupted && bots.seconds <= 0.0, "the measurement never began".to_owned());
    let (connected, clients) = (bots.connected, bots.clients);
    // Who answers some and not others has enough of their network.
    let remedy = if bots.unanswered > 0 && connected > 0 { CAPS_REMEDY } else { "" };
    fail(
        !is_interrupted && connected < clients,
        format!(
            "only {connected} of {clients} clients were connected at the end ({} refused, {} unanswered, {} ended){remedy}",
            bots.refused, bots.unanswered, bots.disconnects
        ),
    );
    fail(
        bots.disconnects > 0 && connected >= clients,
        format!("{} sessions ended before the clients left", bots.disconnects),
    );
    fail(bots.view_mismatches > 0, format!("{} views disagreed with the realm", bots.view_mismatches));
    fail(bots.decode_errors > 0, format!("{} snapshots broke the contract", bots.decode_errors));
    fail(
        bots.full_clients > 0 && bots.seconds >= 3.0 && bots.digests_checked == 0,
        "no view was ever checked: the realm sent no digest".to_owned(),
    );
    fail(
        !is_troubled && bots.far_refresh_late > 0,
        format!(
            "{} refreshes came after more than the promised {} ticks, the latest after {}",
            bots.far_refresh_late, bots.far_refresh_ticks_bound, bots.far_refresh_ticks_max
        ),
    );
    fail(
        !is_troubled && bots.hits_unseen > 0,
        format!("{} hits by somebody who had not been shown within the promised ticks", bots.hits_unseen),
    );
    let (median, tick_hz) = (bots.snapshots_per_client_per_s_p50, f64::from(bots.tick_hz));
    fail(
        !is_troubled && bots.seconds > 0.0 && median < tick_hz * SNAPSHOT_SHARE_MIN,
        format!(
            "the median client got {median:.1} snapshots a second of {tick_hz}: this machine cannot carry the run"
        ),
    );
    let is_smooth = !is_troubled && !conditions.is_off_beat && median >= tick_hz * SNAPSHOT_SHARE_GOOD;
    let error_m = bots.prediction_error_m_p99.unwrap_or_default();
    fail(
        is_smooth && error_m > PREDICTION_ERROR_M_MAX,
        format!(
            "full clients' steps were foreseen only within {error_m:.1} m at p99: does the realm run on the world file \
             that --land names?"
        ),
    );
    let client_s = f64::from(connected) * bots.seconds;
    fail(
        bots.hits_taken == 0
            && bots.visible_mean >= FIGHT_VISIBLE_MIN
            && f64::from(bots.full_clients) * bots.seconds * conditions.fighters >= FIGHT_CLIENT_S_MIN,
        "clients fought and no full client was ever hit".to_owned(),
    );
    fail(
        client_s * conditions.traders >= TRADE_CLIENT_S_MIN && bots.deals == 0,
        "clients traded and no deal came about".to_owned(),
    );
    failures
}

fn realm_failures(realm: &RealmReport, is_interrupted: bool) -> Vec<String> {
    let mut failures = Vec::new();
    if realm.measured.is_none() && !is_interrupted {
        failures.push("the realm was never asked to measure".to_owned());
    }
    let errors = realm_decode_errors(realm);
    if errors > 0 {
        failures.push(format!("the realm could not decode {errors} messages of the clients"));
    }
    let imbalances = ledger_imbalances(realm);
    if imbalances > 0 {
        let fault = realm.ledger_fault.as_deref().unwrap_or("the report does not say how");
        failures.push(format!("the ledger did not balance in {imbalances} ticks: {fault}"));
    }
    if realm.whole.encode_failures > 0 {
        failures.push(format!("{} snapshots could not be encoded", realm.whole.encode_failures));
    }
    failures
}

fn realm_decode_errors(realm: &RealmReport) -> u64 {
    let names = ["refused_hello_malformed", "input_truncated", "input_prefix", "input_malformed"];
    names.iter().filter_map(|&name| realm.counters.realm.get(name)).sum()
}

fn notes(realm: &RealmReport, window: &WindowSummary, bots: &BotsReport, is_troubled: bool) -> Vec<String> {
    let count = |counts: &BTreeMap<String, u64>, name| counts.get(name).copied().unwrap_or_default();
    let counts = &realm.counters;
    let found = [
        (
            window.ticks_late,
            "ticks were late: fewer clients, more threads or a lower tick rate fit this machine",
        ),
        (count(&counts.receive, "kernel_drops"), "datagrams found the realm's receive buffer full"),
        (
            count(&counts.receive, "kernel_drops_apart"),
            "datagrams of strangers, hellos above all, found their queue full",
        ),
        (
            count(&counts.receive, "local_unknown"),
            "datagrams came to one more address of this host than can be told apart, or to a group",
        ),
        (count(&counts.send, "would_block"), "snapshots found the realm's send buffer full"),
        (bots.receive_overflows, "snapshots found the load generator's receive buffer full"),
        (bots.inputs_late, "inputs were left out because the load generator fell behind"),
    ];
    let mut notes = realm.startup.warnings.clone();
    notes.extend(found.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    let (slow, tick_hz) = (bots.snapshots_per_client_per_s_p1, f64::from(bots.tick_hz));
    if !is_troubled && slow < tick_hz * SNAPSHOT_SHARE_GOOD {
        notes.push(format!("one client in a hundred got {slow:.1} snapshots a second or fewer of {tick_hz}"));
    }
    notes
}

/// The load generator's report for a person.
pub fn bots_table(bots: &BotsReport, failures: &[String], is_interrupted: bool) -> String {
    let mut table = Table::default();
    table.row("clients", format!("{} of {} connected", bots.connected, bots.clients));
    table
        .row("measured", format!("{:.1} s, {} ticks at {} a second", bots.seconds, bots.ticks, bots.tick_hz));
    table.row(
        "snapshots",
        format!(
            "{:.2} a second at 99 of 100 clients or more, {:.2} at the median",
            bots.snapshots_per_client_per_s_p1, bots.snapshots_per_client_per_s_p50
        ),
    );
    // Of no tick there is no figure.
    let each = |figure: String| {
        if bots.ticks > 0 { format!("{figure} a client and tick") } else { "not measured".to_owned() }
    };
    table.row("bytes", each(format!("{:.1}", bots.bytes_per_client_per_tick)));
    table.row(
        "visible",
        format!("{:.1} on average, {:.1} of them every tick", bots.visible_mean, bots.near_mean),
    );
    table.row("far refresh", far_refresh(bots));
    table.row("cpu", each(format!("{:.2} us", bots.bots_cpu_us_per_client_tick)));
    table.row("views", views(bots));
    table.row("decode errors", bots.decode_errors.to_string());
    met(bots, &mut table);
    table.end(&bots.warnings, failures, if is_interrupted { INTERRUPTED } else { "passed" })
}

fn views(bots: &BotsReport) -> String {
    format!(
        "{} mismatches in {} checks by {} full clients",
        bots.view_mismatches, bots.digests_checked, bots.full_clients
    )
}

fn far_refresh(bots: &BotsReport) -> String {
    format!("within {} ticks, promised {}", bots.far_refresh_ticks_max, bots.far_refresh_ticks_bound)
}

/// Names and values in two columns.
#[derive(Default)]
struct Table(String);

impl Table {
    fn row(&mut self, name: &str, value: impl AsRef<str>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "  {name:15} {}", value.as_ref());
    }

    fn gap(&mut self) {
        self.0.push('\n');
    }

    fn end(mut self, notes: &[String], failures: &[String], passed: &str) -> String {
        self.gap();
        for note in notes {
            self.row("note", note);
        }
        for failure in failures {
            self.row("failed", failure);
        }
        if failures.is_empty() {
            self.row("result", passed);
        }
        self.0
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
