//! What a realm tells about itself: at its start, each second, and at its end.
//!
//! All of it is plain data with a JSON form; [`Event`] is one line of `throng serve --progress json`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::gateway::run::Running;
use crate::metrics::{WindowSummary, speed_usual};
use crate::realm::{Rung, SPEED_USUAL};

/// One line of `throng serve --progress json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The realm listens: clients may come.
    Listening(Box<Startup>),
    /// One second went by.
    Progress(Progress),
    /// The realm has stopped.
    Report(Box<RealmReport>),
}

/// What was decided at start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Startup {
    /// Version of the program.
    pub version: String,
    /// Where the realm listens, with the port that was taken.
    pub listen: SocketAddr,
    /// Instruction set of the kernels.
    pub simd: String,
    /// `uring` or `mmsg`.
    pub io_backend: String,
    /// Why that one.
    pub io_reason: String,
    /// Receive and send buffer asked of the kernel and granted, bytes.
    pub receive_buffer: Buffer,
    /// See above.
    pub send_buffer: Buffer,
    /// Limits that are too small, each with the command that raises it.
    pub warnings: Vec<String>,
    /// Threads that simulate, encode and send.
    pub threads: u32,
    /// Ticks per second.
    pub tick_hz: u16,
    /// Players at one time.
    pub players_max: u32,
    /// Wandering creatures.
    pub creatures: u32,
    /// Size of the world in metres, with all instances of zones.
    pub world_m: [f32; 2],
    /// Size of the main zone.
    pub main_zone_m: [f32; 2],
    /// The gateway in the same process, if there is one.
    #[serde(default)]
    pub gateway: Option<GatewayStartup>,
}

/// Where players log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayStartup {
    /// `https://` or `http://`, address and port, as this machine reaches it.
    pub url: String,
    /// Where it listens, with the port that was taken.
    pub listen: SocketAddr,
    /// SHA-256 of its certificate.
    pub fingerprint: Option<String>,
}

/// A socket buffer, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// What the settings ask for.
    pub asked_bytes: u64,
    /// What the kernel gave.
    pub granted_bytes: u64,
}

impl Startup {
    /// The start-up lines for an operator.
    pub fn lines(&self) -> Vec<String> {
        let buffer = |buffer: &Buffer| {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            format!("{:.1} MiB asked, {:.1} MiB granted", mib(buffer.asked_bytes), mib(buffer.granted_bytes))
        };
        let mut lines = vec![
            format!("throng {}", self.version),
            format!("simd {}", self.simd),
            format!("io {}: {}", self.io_backend, self.io_reason),
            format!("receive buffer {}", buffer(&self.receive_buffer)),
            format!("send buffer {}", buffer(&self.send_buffer)),
            format!("{} threads, {} ticks a second", self.threads, self.tick_hz),
            format!("{}, {} creatures, room for {} players", self.size(), self.creatures, self.players_max),
        ];
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines.push(format!("listening on {}", self.listen));
        lines.extend(self.gateway.iter().map(GatewayStartup::line));
        lines
    }
}

impl Startup {
    /// The world's size in words: that of the main zone is what the settings say, and what instances add is their own.
    pub fn size(&self) -> String {
        let ([main_x, main_y], [x, y]) = (self.main_zone_m, self.world_m);
        match self.main_zone_m == self.world_m {
            true => format!("world of {x:.0} x {y:.0} m"),
            false => format!("main zone of {main_x:.0} x {main_y:.0} m, with instances {x:.0} x {y:.0} m"),
        }
    }
}

impl GatewayStartup {
    /// What a running gateway tells of itself.
    pub fn of(gateway: &Running) -> Self {
        let listen = gateway.local_addr();
        let fingerprint = gateway.fingerprint().map(str::to_owned);
        let scheme = if fingerprint.is_some() { "https" } else { "http" };
        // A wildcard is no address that anybody can open.
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { url: format!("{scheme}://{}", SocketAddr::new(ip, listen.port())), listen, fingerprint }
    }

    /// The line for an operator.
    pub fn line(&self) -> String {
        let everywhere = match self.listen.ip().is_unspecified() {
            true => format!(" and at every other address of this machine (TCP {})", self.listen.port()),
            false => String::new(),
        };
        let certificate = match &self.fingerprint {
            Some(fingerprint) => format!(", certificate SHA-256 {fingerprint}"),
            None => ", without TLS".to_owned(),
        };
        format!("gateway at {}{everywhere}{certificate}", self.url)
    }
}

/// Figures of the last second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Current tick.
    pub tick: u32,
    /// Ticks per second that the realm should do.
    pub tick_hz: u16,
    /// Players connected.
    pub clients: u32,
    /// Tick times of the last second.
    pub tick_ms_p50: f64,
    /// See above.
    pub tick_ms_p99: f64,
    /// See above.
    pub tick_ms_max: f64,
    /// Ticks late since the start.
    pub ticks_late: u64,
    /// Steps of the overload ladder that are taken.
    #[serde(default)]
    pub overload_steps: u32,
    /// What the last of them holds back.
    #[serde(default)]
    pub overload_rung: Option<Rung>,
    /// World time for real time, 1/1000.
    #[serde(default = "speed_usual")]
    pub speed: u16,
    /// Money or things have not added up: since then nobody deals. Anything but `false` is a bug.
    #[serde(default)]
    pub is_ledger_broken: bool,
    /// Hellos left unanswered since the start because their networks had as many sessions as they may.
    #[serde(default)]
    pub hellos_capped: u64,
    /// Snapshots per second.
    pub snapshots_per_s: f64,
    /// UDP payload of snapshots per second.
    pub bytes_per_s: f64,
    /// The same for each client and tick.
    pub bytes_per_client_per_tick: f64,
    /// Datagrams received per second.
    pub received_per_s: f64,
    /// CPU time per second of wall time, summed over all threads: 2.0 is two whole cores.
    pub cpu_cores: f64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            tick: 0,
            tick_hz: 0,
            clients: 0,
            tick_ms_p50: 0.0,
            tick_ms_p99: 0.0,
            tick_ms_max: 0.0,
            ticks_late: 0,
            overload_steps: 0,
            overload_rung: None,
            speed: SPEED_USUAL,
            is_ledger_broken: false,
            hellos_capped: 0,
            snapshots_per_s: 0.0,
            bytes_per_s: 0.0,
            bytes_per_client_per_tick: 0.0,
            received_per_s: 0.0,
            cpu_cores: 0.0,
        }
    }
}

impl Progress {
    /// Adds the figures of the second that `summary` holds.
    #[must_use]
    pub fn with(self, summary: &WindowSummary) -> Self {
        let per_s = |count: f64| crate::metrics::ratio(count, summary.seconds);
        Self {
            tick_ms_p50: summary.tick_ms.p50,
            tick_ms_p99: summary.tick_ms.p99,
            tick_ms_max: summary.tick_ms.max,
            snapshots_per_s: per_s(summary.snapshots as f64),
            bytes_per_s: per_s(summary.snapshot_bytes as f64),
            bytes_per_client_per_tick: summary.bytes_per_client_per_tick,
            received_per_s: per_s(summary.datagrams_received as f64),
            cpu_cores: per_s(summary.server_cpu_s),
            ..self
        }
    }

    /// One status line.
    pub fn line(&self) -> String {
        let overload = match self.overload_steps {
            0 => String::new(),
            steps => format!("; overload step {steps}, world time at {:.0} %", f64::from(self.speed) / 10.0),
        };
        let ledger = if self.is_ledger_broken { "; LEDGER BROKEN, nobody deals" } else { "" };
        format!(
            "tick {}: {} clients, tick p50 {:.2} ms p99 {:.2} ms max {:.2} ms of {:.0} ms, {} late since the start, \
             {:.1} MB/s out, {:.0} B a client and tick, {:.2} cores{}{}",
            self.tick,
            self.clients,
            self.tick_ms_p50,
            self.tick_ms_p99,
            self.tick_ms_max,
            // A world at half its speed has twice the time for a tick.
            1e6 / f64::from(self.tick_hz.max(1)) / f64::from(self.speed.max(1)),
            self.ticks_late,
            self.bytes_per_s / 1e6,
            self.bytes_per_client_per_tick,
            self.cpu_cores,
            overload,
            ledger,
        )
    }
}

/// The whole run of a realm: what `throng serve --report FILE` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RealmReport {
    /// What was decided at start.
    pub startup: Startup,
    /// From the start to the end.
    pub whole: WindowSummary,
    /// The stretch that a load generator measured; absent when nobody asked for one.
    pub measured: Option<WindowSummary>,
    /// Players connected at once, at most.
    pub clients_peak: u32,
    /// What first did not add up of money and things; absent while all did.
    #[serde(default)]
    pub ledger_fault: Option<String>,
    /// Digest of the world after the last tick, hexadecimal.
    pub world_digest: String,
    /// Resident memory at its peak in KiB, absent where the system does not tell.
    pub resident_kib_peak: Option<u64>,
    /// Counters of the realm, of the protocol and of the senders.
    pub counters: Counts,
}

/// Counters by layer and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// What the realm refused, ignored or repaired.
    pub realm: BTreeMap<String, u64>,
    /// What the datagram layer dropped, and its events.
    pub protocol: BTreeMap<String, u64>,
    /// What the socket delivered and lost.
    pub receive: BTreeMap<String, u64>,
    /// What became of sent datagrams.
    pub send: BTreeMap<String, u64>,
    /// Frames and messages of the reliable channels that came in.
    #[serde(default)]
    pub channel: BTreeMap<String, u64>,
    /// What the rules did, refused and repaired.
    #[serde(default)]
    pub game: BTreeMap<String, u64>,
    /// Where all money is, where it came from and where it went, minor units.
    #[serde(default)]
    pub money: BTreeMap<String, i64>,
    /// What the gateway in the same process answered and refused.
    #[serde(default)]
    pub gateway: BTreeMap<String, u64>,
}

/// "1 shop", "2 shops".
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Makes sure that `path` can be written, before a long run ends with nowhere to put its report.
/// An existing file keeps its content for now.
///
/// # Errors
/// When the file can be neither opened nor created.
pub fn probe_writable(path: &Path) -> anyhow::Result<()> {
    OpenOptions::new().create(true).append(true).open(path).with_context(|| {
        format!("cannot write {path:?}: name a file in an existing folder that this user may write")
    })?;
    Ok(())
}

/// Writes `value` to `path` as one JSON object.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value).context("cannot turn the report into JSON")?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write the report to {path:?}"))
}
