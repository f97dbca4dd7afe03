//! The attacker: a steady rate of hostile datagrams from addresses that are not its own.
//!
//! ```text
//!   rate ──► due now ──► Forger (kind, seed) ──► one socket, random sources in 127.128.0.0/9 ──► realm
//!                                                    ▲ answers are read and counted, never used
//! ```
//!
//! Hellos come in trains of up to fifty from one address each, so that the attacker's own process takes little of the
//! processors that the realm under attack needs; all else comes singly. A train crosses loopback as one buffer, so the
//! kernel's part of receiving it is less than that of as many single datagrams: the two bound what a flood costs.
//!
//! What an operator wants to know is whether players notice. So this runs beside [`bots`](crate::bots), and the figures
//! are theirs. Like the bots it reaches only this machine: no address outside 127.0.0.0/8 can be named.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use throng_net::io::impersonate::Impersonator;
use throng_net::protocol::token::protocol_hash;
use throng_schema::SCHEMA_VERSION;
use throng_schema::limits::DATAGRAM_BYTES_MAX;

use crate::memory::{LOOK_EVERY, MemoryReport, Watch};
use crate::rng::Rng;

/// The most that one thread can send.
const RATE_HZ_MAX: u32 = 1_000_000;
/// First of the sources: the upper half of 127.0.0.0/8, where neither servers nor bots are.
const FIRST_SOURCE: u32 = 0x7F80_0000;
const SOURCES: u64 = 1 << 23;
/// Answers need no room: they are counted when they happen to be there.
const BUFFER_BYTES: usize = 4 << 20;
/// Hellos that leave together, from one address: sent singly, the attacker's own process would take most of a core from the
/// realm that is to be measured, which no attacker elsewhere does. One datagram of UDP holds no more than 54.
pub const TRAIN_MAX: u32 = 50;
/// Longest burst: what falls due while this process does not run is left out.
const BURST_MAX: u64 = 4096;
const IDLE: Duration = Duration::from_micros(500);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FloodKind {
    /// Hellos with a connect token that was never minted and no cookie.
    Hello,
    /// Datagrams of the right shape for sessions, with random connection ids, sequences and tags.
    Sealed,
    /// Random bytes of random length.
    Garbage,
    /// All of these in turn.
    Mixed,
}

/// An attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodConfig {
    /// The realm, on 127.0.0.0/8.
    pub server: SocketAddr,
    /// What is sent.
    pub kind: FloodKind,
    /// Datagrams a second, 1 to 1,000,000.
    pub rate_hz: u32,
    /// How long, seconds.
    pub seconds: u32,
    /// Hellos that leave together, 1 to [`TRAIN_MAX`].
    pub train: u32,
    /// Realm id in the forged tokens; one that is not the realm's own is dropped sooner.
    pub realm: u32,
    /// Process id of the realm's server, for its memory.
    pub pid: Option<u32>,
    /// Seed of all bytes and sources.
    pub seed: u64,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FloodReport {
    /// Seconds that it took.
    pub seconds: f64,
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Bytes of those.
    pub sent_bytes: u64,
    /// Datagrams that were due while this process did not run, or that the kernel did not take.
    pub left_out: u64,
    /// Datagrams that came back, as far as they were read.
    pub answers: u64,
    /// Bytes of those.
    pub answer_bytes: u64,
    /// What the server's process took meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryReport>,
}

/// Why an attack cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum FloodError {
    /// Only one's own machine may be attacked.
    #[error(
        "the server address is {0}, but only a realm on 127.0.0.0/8, with its port, can be flooded from here"
    )]
    NotLoopback(SocketAddr),
    /// Too slow or too fast.
    #[error("the rate is {0} datagrams/s, but must be 1 to {RATE_HZ_MAX}")]
    Rate(u32),
    /// None together, or more than the kernel takes.
    #[error("the train is {0} hellos, but must be 1 to {TRAIN_MAX}")]
    Train(u32),
    /// The server's process cannot be looked at.
    #[error(
        "process {pid} cannot be looked at: {source}\n  give the id of the server's process, as `pidof throng` prints it"
    )]
    Process {
        /// The process.
        pid: u32,
        /// What the system said.
        source: std::io::Error,
    },
    /// The socket cannot be had.
    #[error("no socket for the flood: {0}")]
    Bind(String),
    /// The socket failed for good.
    #[error("the flood's socket failed: {0}")]
    Socket(std::io::Error),
}

/// Attacks until the time is over or `stop` is set.
///
/// # Errors
/// When a setting cannot work or the socket fails.
pub fn run(config: &FloodConfig, stop: &AtomicBool) -> Result<FloodReport, FloodError> {
    let server = config.server_v4()?;
    let watch = |pid| Watch::new(pid).map_err(|source| FloodError::Process { pid, source });
    let mut memory = config.pid.map(watch).transpose()?;
    let mut looked = Duration::ZERO;
    let mut socket = Impersonator::bind(0, BUFFER_BYTES, BUFFER_BYTES)
        .map_err(|error| FloodError::Bind(error.to_string()))?;
    let mut forger = Forger::new(config);
    let mut report = FloodReport::default();
    let start = Instant::now();
    let (mut dealt, mut queued) = (0u64, 0u64);
    let mut datagram = [0; DATAGRAM_BYTES_MAX];
    let mut train = vec![0; config.train as usize * DATAGRAM_BYTES_MAX];
    while !stop.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(u64::from(config.seconds)) {
        let due = (start.elapsed().as_secs_f64() * f64::from(config.rate_hz)) as u64 - dealt;
        dealt += due;
        forger.not_after_ms = unix_ms() + 20_000;
        let due_now = due.min(BURST_MAX) as usize;
        if config.kind == FloodKind::Hello && config.train > 1 {
            for count in train_lengths(due_now, config.train as usize) {
                let mut source = Ipv4Addr::UNSPECIFIED;
                for hello in train[..count * DATAGRAM_BYTES_MAX].as_chunks_mut().0 {
                    (source, _) = forger.next(hello);
                }
                let whole = &train[..count * DATAGRAM_BYTES_MAX];
                socket.send_train(source, server, whole, DATAGRAM_BYTES_MAX as u16);
            }
        } else {
            for _ in 0..due_now {
                let (source, bytes) = forger.next(&mut datagram);
                socket.push(source, server, &datagram[..bytes]);
            }
        }
        queued += due_now as u64;
        socket.flush();
        socket
            .drain(BURST_MAX as usize, |_, _, answer, _| {
                report.answers += 1;
                report.answer_bytes += answer.len() as u64;
            })
            .map_err(FloodError::Socket)?;
        if let Some(memory) = memory.as_mut().filter(|_| start.elapsed() >= looked + LOOK_EVERY) {
            looked = start.elapsed();
            memory.look();
        }
        if due < BURST_MAX / 8 {
            std::thread::sleep(IDLE);
        }
    }
    if let Some(memory) = &mut memory {
        memory.look();
    }
    report.memory = memory.as_ref().map(Watch::report);
    let sent = socket.send_stats();
    report.seconds = start.elapsed().as_secs_f64();
    report.sent = sent.datagrams;
    report.sent_bytes = sent.bytes;
    report.left_out = dealt - sent.datagrams.min(queued);
    Ok(report)
}

/// How many hellos are in each train of at most `longest` when so many are due.
fn train_lengths(due: usize, longest: usize) -> impl Iterator<Item = usize> {
    (0..due).step_by(longest).map(move |first| (due - first).min(longest))
}

/// Milliseconds since 1970.
fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

impl FloodConfig {
    fn server_v4(&self) -> Result<SocketAddrV4, FloodError> {
        if !(1..=RATE_HZ_MAX).contains(&self.rate_hz) {
            return Err(FloodError::Rate(self.rate_hz));
        }
        if !(1..=TRAIN_MAX).contains(&self.train) {
            return Err(FloodError::Train(self.train));
        }
        match (self.server.ip(), self.server.port()) {
            (IpAddr::V4(ip), port @ 1..) if ip.is_loopback() => Ok(SocketAddrV4::new(ip, port)),
            _ => Err(FloodError::NotLoopback(self.server)),
        }
    }
}

/// Makes hostile datagrams. Its own copy of the layouts, as an attacker would have it.
#[derive(Clone, Debug)]
struct Forger {
    kind: FloodKind,
    realm: u32,
    /// When its invented tokens end: in twenty seconds.
    not_after_ms: u64,
    rng: Rng,
    made: u64,
}

impl Forger {
    fn new(config: &FloodConfig) -> Self {
        Forger {
            kind: config.kind,
            realm: config.realm,
            not_after_ms: 0,
            rng: Rng::new(config.seed),
            made: 0,
        }
    }

    /// Fills in one datagram and gives its source and length.
    fn next(&mut self, out: &mut [u8; DATAGRAM_BYTES_MAX]) -> (Ipv4Addr, usize) {
        let source = Ipv4Addr::from(FIRST_SOURCE | self.rng.below(SOURCES) as u32);
        let turn = self.made;
        self.made += 1;
        let bytes = match (self.kind, turn % 3) {
            (FloodKind::Hello, _) | (FloodKind::Mixed, 0) => self.hello(out),
            (FloodKind::Sealed, _) | (FloodKind::Mixed, 1) => self.sealed(out),
            (FloodKind::Garbage | FloodKind::Mixed, _) => self.garbage(out),
        };
        (source, bytes)
    }

    fn hello(&mut self, out: &mut [u8; DATAGRAM_BYTES_MAX]) -> usize {
        out.fill(0);
        out[0] = 1;
        out[1] = 2;
        out[4..12].copy_from_slice(&self.rng.next().to_le_bytes());
        self.fill(&mut out[32..360]);
        out[32..38].copy_from_slice(b"THRT\x01\x01");
        out[38..40].copy_from_slice(&1u16.to_le_bytes());
        out[40..44].copy_from_slice(&self.realm.to_le_bytes());
        // All that can be known without ever having had a token.
        out[48..56].copy_from_slice(&self.not_after_ms.to_le_bytes());
        out[56..64].copy_from_slice(&protocol_hash(SCHEMA_VERSION).to_le_bytes());
        DATAGRAM_BYTES_MAX
    }

    fn sealed(&mut self, out: &mut [u8; DATAGRAM_BYTES_MAX]) -> usize {
        let bytes = 96;
        self.fill(&mut out[..bytes]);
        out[0] = 5;
        // A place that is likely in use.
        let place = self.rng.below(1024) as u32 | (self.rng.next() as u32) << 20;
        out[4..8].copy_from_slice(&place.to_le_bytes());
        bytes
    }

    fn garbage(&mut self, out: &mut [u8; DATAGRAM_BYTES_MAX]) -> usize {
        let bytes = 1 + self.rng.below(DATAGRAM_BYTES_MAX as u64) as usize;
        self.fill(&mut out[..bytes.min(64)]);
        bytes
    }

    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.rng.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn config(server: &str) -> FloodConfig {
        let server = server.parse().expect("an address");
        let kind = FloodKind::Mixed;
        FloodConfig {
            server,
            kind,
            rate_hz: 100_000,
            seconds: 5,
            train: TRAIN_MAX,
            realm: 1,
            pid: None,
            seed: 7,
        }
    }

    #[test]
    fn only_this_machine_can_be_flooded() {
        for server in ["192.0.2.1:7777", "127.0.0.1:0", "[::1]:7777", "0.0.0.0:7777"] {
            assert!(matches!(config(server).server_v4(), Err(FloodError::NotLoopback(_))), "{server}");
        }
        let too_fast = FloodConfig { rate_hz: RATE_HZ_MAX + 1, ..config("127.0.0.1:7") };
        assert!(matches!(too_fast.server_v4(), Err(FloodError::Rate(_))));
        for train in [0, TRAIN_MAX + 1] {
            let config = FloodConfig { train, ..config("127.0.0.1:7") };
            assert!(matches!(config.server_v4(), Err(FloodError::Train(_))));
        }
        assert!(config("127.0.0.1:7").server_v4().is_ok());
    }

    #[test]
    fn datagrams_have_the_shapes_that_servers_look_into() {
        let mut forger = Forger::new(&config("127.0.0.1:7"));
        let mut out = [0; DATAGRAM_BYTES_MAX];
        for turn in 0..300 {
            let (source, bytes) = forger.next(&mut out);
            assert!(u32::from(source) >= FIRST_SOURCE && source.is_loopback());
            match turn % 3 {
                0 => assert!(bytes == 1200 && out[..2] == [1, 2] && &out[32..36] == b"THRT"),
                1 => assert!(bytes == 96 && out[0] == 5),
                _ => assert!((1..=1200).contains(&bytes)),
            }
        }
    }

    #[test]
    fn the_attacked_process_is_looked_at() {
        let sink = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let server = sink.local_addr().expect("an address");
        let of = |pid| FloodConfig { server, rate_hz: 60, seconds: 1, pid, ..config("127.0.0.1:7") };
        let over = AtomicBool::new(true);
        let report = run(&of(Some(std::process::id())), &over).expect("a flood");
        let memory = report.memory.expect("it was looked at");
        assert!(memory.before_kib > 0 && Some(memory.most_kib) >= memory.after_kib, "{memory:?}");
        assert!(!memory.has_ended && memory.after_kib.is_some(), "{memory:?}");
        assert!(memory.files_most > Some(0), "{memory:?}");
        assert_eq!(run(&of(None), &over).expect("a flood").memory, None);
        let error = run(&of(Some(u32::MAX)), &over).expect_err("there is no such process").to_string();
        assert!(error.contains("process 4294967295") && error.contains("pidof throng"), "{error}");
    }

    #[test]
    fn the_attacked_process_may_end_meanwhile() {
        let sink = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let server = sink.local_addr().expect("an address");
        // A flood that does not begin fails the test instead of holding it.
        sink.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
        // It waits for input that never comes.
        let mut attacked = Command::new("cat").stdin(Stdio::piped()).spawn().expect("there is a cat");
        let pid = Some(attacked.id());
        let over = AtomicBool::new(false);
        let flood = FloodConfig { server, rate_hz: 1000, seconds: 3600, pid, ..config("127.0.0.1:7") };
        let report = std::thread::scope(|scope| {
            let flood = scope.spawn(|| run(&flood, &over));
            let came = sink.recv(&mut [0; DATAGRAM_BYTES_MAX]);
            let ended = attacked.kill().and_then(|()| attacked.wait());
            over.store(true, Ordering::Relaxed);
            let report = flood.join().expect("no panic").expect("a flood");
            came.and(ended).expect("the flood began, and then the process ended");
            report
        });
        let memory = report.memory.expect("it was looked at");
        assert!(memory.has_ended && memory.after_kib.is_none(), "{memory:?}");
    }

    #[test]
    fn trains_hold_what_is_due() {
        assert_eq!(train_lengths(0, 50).count(), 0);
        assert_eq!(train_lengths(120, 50).collect::<Vec<_>>(), [50, 50, 20]);
    }

    #[test]
    fn hellos_arrive_singly_however_they_leave() {
        for train in [1, TRAIN_MAX] {
            let sink = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let server = sink.local_addr().expect("an address");
            let config = FloodConfig {
                server,
                kind: FloodKind::Hello,
                rate_hz: 60,
                seconds: 1,
                train,
                ..config("127.0.0.1:7")
            };
            let report = run(&config, &AtomicBool::new(false)).expect("a flood");
            sink.set_nonblocking(true).expect("a socket");
            let mut room = [0; 2000];
            let mut salts = std::collections::BTreeSet::new();
            while let Ok((bytes, from)) = sink.recv_from(&mut room) {
                assert!(bytes == DATAGRAM_BYTES_MAX && room[..2] == [1, 2] && from.ip().is_loopback());
                salts.insert(room[4..12].to_vec());
            }
            assert_eq!(salts.len() as u64, report.sent);
            assert!(report.sent > 0);
        }
    }

    #[test]
    fn a_flood_arrives_at_its_rate_and_ends() {
        let sink = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let server = sink.local_addr().expect("an address");
        let config = FloodConfig { server, rate_hz: 2000, seconds: 1, ..config("127.0.0.1:7") };
        let report = run(&config, &AtomicBool::new(false)).expect("a flood");
        assert!(
            report.sent > 0 && report.sent <= 2000 && report.sent + report.left_out <= 2001,
            "{report:?}"
        );
        assert_eq!(report.answers, 0);
    }
}
