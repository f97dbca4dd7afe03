//! `throng attack`: what a server on this machine has to stand, done to it on purpose.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use throng_tools::flood::{self, FloodConfig, FloodKind, FloodReport};
use throng_tools::memory::MemoryReport;
use throng_tools::storm::tally::{Answers, Times};
use throng_tools::storm::{
    self, Attack, Honest, LoginStorm, ReconnectStorm, Session, SlowStorm, Storm, StormReport, Target,
};

use crate::pipe;
use crate::report::{probe_writable, write_json};
use crate::stop::{EXIT_INTERRUPTED, StopFlag};

/// Datagrams a second of a flood, unless said otherwise.
const DATAGRAMS_PER_S: u32 = 200_000;

/// `throng attack`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Examples:
  throng attack --kind login --gateway https://127.0.0.1:7780 --ca throng-data/tls/cert.pem --rate 500 --seconds 60 --sessions players.tokens
      500 wrong logins a second; what players with a session notice of it
  throng attack --kind reconnect --gateway https://127.0.0.1:7780 --ca throng-data/tls/cert.pem --sessions players.tokens
      everybody of that file comes back at once
  throng attack --kind hello --server 127.0.0.1:7777 --rate 200000 --seconds 60
      hellos from addresses all over, fifty from each, with connect tokens that nobody made
  throng attack --kind slow --gateway https://127.0.0.1:7780 --ca throng-data/tls/cert.pem --sockets 5000

Only a server on 127.0.0.0/8 can be named: the attackers' addresses are taken from there too.
Tokens of players come from `throng account create --count 1000 --locked --sessions players.tokens`.")]
pub struct AttackArgs {
    /// What to do
    #[arg(long, value_name = "KIND", value_enum)]
    pub kind: AttackKind,
    /// The gateway: https://127.0.0.1:PORT
    #[arg(long, value_name = "URL", required_if_eq_any([
        ("kind", "login"), ("kind", "session"), ("kind", "reconnect"), ("kind", "slow"),
    ]))]
    pub gateway: Option<String>,
    /// The gateway's certificate, PEM; no other is accepted
    #[arg(long, value_name = "FILE", requires = "gateway", required_if_eq_any([
        ("kind", "login"), ("kind", "session"), ("kind", "reconnect"), ("kind", "slow"),
    ]))]
    pub ca: Option<PathBuf>,
    /// The realm's UDP address, for hello, sealed, garbage and mixed
    #[arg(long, value_name = "ADDR", required_if_eq_any([
        ("kind", "hello"), ("kind", "sealed"), ("kind", "garbage"), ("kind", "mixed"),
    ]))]
    pub server: Option<SocketAddr>,
    /// Logins, new slow sockets or datagrams a second [default: 500 logins, 1000 sockets, 200000 datagrams]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// Hellos that leave together, from one address each; 1: singly, which takes this process four times the processor time
    #[arg(long, value_name = "N", default_value_t = flood::TRAIN_MAX, value_parser = clap::value_parser!(u32).range(1..=i64::from(flood::TRAIN_MAX)))]
    pub train: u32,
    /// Seconds to go on; at most so long, for reconnects and slow sockets
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Session tokens of players, one a line: those who reconnect, or those who play honestly beside the attack
    #[arg(long, value_name = "FILE", required_if_eq_any([("kind", "session"), ("kind", "reconnect")]))]
    pub sessions: Option<PathBuf>,
    /// Requests of honest players a second
    #[arg(long, value_name = "R", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(storm::RATE_HZ_MAX)))]
    pub session_rate: u32,
    /// Names of accounts, one a line, for half of the wrong logins; the others are for names that nobody has
    #[arg(long, value_name = "FILE")]
    pub names: Option<PathBuf>,
    /// Sockets at one time: slow ones in all, or those that reconnecting players share [default: 5000 and 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub sockets: Option<u32>,
    /// The realm that reconnecting players want to play in
    #[arg(long, value_name = "ID", default_value_t = 1)]
    pub realm: u32,
    /// Process id of the server, to watch its memory and open files; that it ends meanwhile fails the attack
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Seed of all names, passwords and addresses
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub seed: u64,
    /// Write the report to FILE as one JSON object
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// What to do to a server.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttackKind {
    /// Log in with wrong passwords, from everywhere.
    Login,
    /// Nothing hostile: only the honest players, for comparison.
    Session,
    /// Come back all at once, with session tokens.
    Reconnect,
    /// Hold sockets and do nothing with them.
    Slow,
    /// Datagrams that begin handshakes, with invented connect tokens.
    Hello,
    /// Datagrams that look like those of sessions.
    Sealed,
    /// Random bytes.
    Garbage,
    /// All kinds of datagrams in turn.
    Mixed,
}

impl AttackKind {
    /// The datagrams of an attack on a realm; `None`: one on a gateway.
    fn flood(self) -> Option<FloodKind> {
        match self {
            AttackKind::Login | AttackKind::Session | AttackKind::Reconnect | AttackKind::Slow => None,
            AttackKind::Hello => Some(FloodKind::Hello),
            AttackKind::Sealed => Some(FloodKind::Sealed),
            AttackKind::Garbage => Some(FloodKind::Garbage),
            AttackKind::Mixed => Some(FloodKind::Mixed),
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When a file cannot be read or written, or a setting cannot work. What the server does is a result.
pub fn run(args: &AttackArgs) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.json {
        probe_writable(path)?;
    }
    let stop = StopFlag::new();
    stop.raise_upon_signal()?;
    if let Some(kind) = args.kind.flood() {
        return flood(args, kind, &stop);
    }
    let storm = storm_of(args)?;
    let report = storm::run(storm, stop.as_atomic())?;
    pipe::print_line(storm_table(&report).trim_end());
    if let Some(path) = &args.json {
        write_json(path, &report)?;
        pipe::print_line(&format!("  report written to {}", path.display()));
    }
    Ok(ExitCode::from(exit_status(report.memory.as_ref(), stop.is_raised())))
}

fn flood(args: &AttackArgs, kind: FloodKind, stop: &StopFlag) -> anyhow::Result<ExitCode> {
    let report = flood::run(&flood_of(args, kind)?, stop.as_atomic())?;
    pipe::print_line(flood_table(&report).trim_end());
    if let Some(path) = &args.json {
        write_json(path, &report)?;
        pipe::print_line(&format!("  report written to {}", path.display()));
    }
    Ok(ExitCode::from(exit_status(report.memory.as_ref(), stop.is_raised())))
}

/// What the server does is a result, but for one thing: that it ends.
fn exit_status(memory: Option<&MemoryReport>, is_interrupted: bool) -> u8 {
    let has_ended = memory.is_some_and(|memory| memory.has_ended);
    if is_interrupted { EXIT_INTERRUPTED } else { u8::from(has_ended) }
}

fn flood_of(args: &AttackArgs, kind: FloodKind) -> anyhow::Result<FloodConfig> {
    Ok(FloodConfig {
        server: args.server.context("no --server was given")?,
        kind,
        rate_hz: args.rate.unwrap_or(DATAGRAMS_PER_S),
        seconds: args.seconds,
        train: args.train,
        realm: args.realm,
        pid: args.pid,
        seed: args.seed,
    })
}

/// The report for people.
fn flood_table(report: &FloodReport) -> String {
    let mut table = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        table,
        "  sent            {} datagrams in {:.1} s, {:.0} a second; {} were left out\n  \
           answered        {} times, {} bytes for {} bytes",
        report.sent,
        report.seconds,
        report.sent as f64 / report.seconds.max(1e-9),
        report.left_out,
        report.answers,
        report.answer_bytes,
        report.sent_bytes
    );
    report.memory.iter().for_each(|memory| memory_line(&mut table, memory));
    table
}

fn storm_of(args: &AttackArgs) -> anyhow::Result<Storm> {
    let gateway = args.gateway.as_deref().context("no --gateway was given")?;
    let ca = args.ca.as_deref().context("no --ca was given")?;
    let pem = std::fs::read(ca).with_context(|| format!("cannot read the certificate {}", ca.display()))?;
    let sessions = match &args.sessions {
        Some(path) => {
            Session::read(&text(path)?).with_context(|| format!("{} cannot be used", path.display()))?
        }
        None => Vec::new(),
    };
    let honest = |sessions| Honest { rate_hz: args.session_rate, sessions };
    let beside = (!sessions.is_empty()).then(|| honest(sessions.clone()));
    let (attack, honest) = match args.kind {
        AttackKind::Login => {
            let names = args.names.as_deref().map(text).transpose()?.unwrap_or_default();
            let known = names.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
            (Attack::Login(LoginStorm { rate_hz: args.rate.unwrap_or(500), known: known.collect() }), beside)
        }
        AttackKind::Session => (Attack::None, Some(honest(sessions))),
        AttackKind::Reconnect => {
            let sockets_max = args.sockets.unwrap_or(1000);
            (Attack::Reconnect(ReconnectStorm { sessions, realm_id: args.realm, sockets_max }), None)
        }
        AttackKind::Slow => {
            let sockets = args.sockets.unwrap_or(5000);
            let rate_hz = args.rate.unwrap_or(1000);
            (Attack::Slow(SlowStorm { sockets, rate_hz, stalls: Vec::new() }), beside)
        }
        AttackKind::Hello | AttackKind::Sealed | AttackKind::Garbage | AttackKind::Mixed => {
            bail!("datagrams are for a realm, not for a gateway")
        }
    };
    let target = Target::new(gateway, &pem)?;
    Ok(Storm { target, attack, honest, seconds: args.seconds, pid: args.pid, seed: args.seed })
}

fn text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The report for people.
fn storm_table(report: &StormReport) -> String {
    let mut table = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(table, "attack of {:.1} s", report.seconds);
    if let Some(login) = &report.login {
        let (tried, left_out) = (login.tried, login.left_out);
        let _ =
            writeln!(table, "  logins          {tried} tried, {left_out} left out, of {}/s", login.rate_hz);
        answers(&mut table, "known names", &login.known);
        answers(&mut table, "unknown names", &login.unknown);
    }
    if let Some(reconnect) = &report.reconnect {
        let _ = writeln!(
            table,
            "  reconnects      {} of {} through{}; {} places in line, {} put off, {} connections lost",
            reconnect.through,
            reconnect.sessions,
            last((reconnect.through > 0).then_some(reconnect.seconds)),
            reconnect.waits,
            reconnect.put_off,
            reconnect.reconnected
        );
        for (why, count) in &reconnect.failed {
            let _ = writeln!(table, "    not through   {count}: {why}");
        }
        answers(&mut table, "characters", &reconnect.characters);
        answers(&mut table, "play", &reconnect.play);
    }
    if let Some(slow) = &report.slow {
        let _ = writeln!(
            table,
            "  slow sockets    {}; the gateway closed {}{}; {} open at the end",
            slow.sockets,
            slow.closed.count,
            last(slow.closed.max_ms.map(|ms| ms / 1000.0)),
            slow.open
        );
        for (stall, of_stall) in &slow.by_stall {
            let _ = writeln!(
                table,
                "    {:13} {} sockets, {} cut early, {} open; {}",
                format!("{stall:?}"),
                of_stall.sockets,
                of_stall.too_early,
                of_stall.open,
                times(&of_stall.closed)
                    .map_or("none closed".to_owned(), |times| format!("closed after {times}"))
            );
        }
    }
    if let Some(honest) = &report.honest {
        let _ = writeln!(
            table,
            "  honest players  {} requests, {} failed; {}",
            honest.all.all.count + honest.all.broken_count(),
            honest.failed(),
            times(&honest.all.all).unwrap_or("none answered".to_owned())
        );
        answers(&mut table, "kept", &honest.kept);
        answers(&mut table, "fresh", &honest.fresh);
    }
    report.memory.iter().for_each(|memory| memory_line(&mut table, memory));
    table
}

fn memory_line(table: &mut String, memory: &MemoryReport) {
    let grown_kib = memory.most_kib - memory.before_kib;
    let _ = write!(
        table,
        "  memory          {} KiB before, {} at most (+{grown_kib}), ",
        memory.before_kib, memory.most_kib
    );
    let files = |files: Option<u64>| files.map_or("?".to_owned(), |files| files.to_string());
    let (before, most) = (files(memory.files_before), files(memory.files_most));
    let _ = match memory.after_kib {
        Some(kib) => {
            writeln!(table, "{kib} after; files {before}, {most}, {}", files(memory.files_after))
        }
        None => writeln!(table, "none after; files {before}, {most}, none"),
    };
    if memory.has_ended {
        let _ = writeln!(table, "  failed          process {} ended during the attack", memory.pid);
    }
}

fn answers(table: &mut String, what: &str, answers: &Answers) {
    for (status, of_status) in &answers.by_status {
        let took = times(of_status).map_or(String::new(), |times| format!(", {times}"));
        let _ = writeln!(table, "    {what:13} {status}: {} x{took}", of_status.count);
    }
    for (why, count) in &answers.broken {
        let _ = writeln!(table, "    {what:13} {why:?}: {count} x");
    }
}

/// When the last of them was, where there was one.
fn last(after_s: Option<f64>) -> String {
    after_s.map_or(String::new(), |seconds| format!(", the last after {seconds:.1} s"))
}

/// None of what never happened.
fn times(times: &Times) -> Option<String> {
    let Times { p50_ms, p99_ms, max_ms, .. } = *times;
    Some(format!("p50 {:.1}, p99 {:.1}, max {:.1} ms", p50_ms?, p99_ms?, max_ms?))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use throng_tools::storm::slow::StallReport;
    use throng_tools::storm::{SlowReport, Stall};

    use super::*;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        args: AttackArgs,
    }

    fn parse(line: &str) -> Result<AttackArgs, clap::Error> {
        Line::try_parse_from(line.split_whitespace()).map(|line| line.args)
    }

    #[test]
    fn each_kind_says_what_it_needs() {
        for (line, needed) in [
            ("attack", "--kind"),
            ("attack --kind login", "--gateway"),
            ("attack --kind slow --gateway https://127.0.0.1:1", "--ca"),
            ("attack --kind reconnect --gateway https://127.0.0.1:1 --ca c", "--sessions"),
            ("attack --kind login --gateway g --ca c --rate 0", "1..=1000000"),
        ] {
            let error = parse(line).expect_err(line).to_string();
            assert!(error.contains(needed), "{line}: {error}");
        }
        assert!(parse("attack --kind slow --gateway https://127.0.0.1:1 --ca c --sockets 9").is_ok());
    }

    #[test]
    fn files_that_are_not_there_are_named() {
        let args =
            parse("attack --kind login --gateway https://127.0.0.1:1 --ca /nowhere/c").expect("parses");
        let error = storm_of(&args).map(drop).expect_err("no file");
        assert!(format!("{error:#}").contains("/nowhere/c"), "{error:#}");
    }

    #[test]
    fn a_flood_watches_the_process_that_it_was_given() {
        for kind in ["hello", "sealed", "garbage", "mixed"] {
            let args =
                parse(&format!("attack --kind {kind} --server 127.0.0.1:7777 --pid 9")).expect("parses");
            let flood = flood_of(&args, args.kind.flood().expect("a flood")).expect("a server is named");
            assert_eq!(flood.pid, Some(9), "{kind}");
        }
        let report = FloodReport { memory: Some(Default::default()), ..FloodReport::default() };
        assert!(flood_table(&report).contains("  memory          0 KiB before"), "{}", flood_table(&report));
        assert!(!flood_table(&FloodReport::default()).contains("memory"));
    }

    #[test]
    fn a_server_that_ends_fails_the_attack() {
        let ran = MemoryReport { pid: 9, after_kib: Some(70), ..MemoryReport::default() };
        let ended = MemoryReport { has_ended: true, after_kib: None, ..ran };
        for (memory, is_told) in [(ran, false), (ended, true)] {
            let flood = flood_table(&FloodReport { memory: Some(memory), ..FloodReport::default() });
            let storm = storm_table(&StormReport { memory: Some(memory), ..StormReport::default() });
            for table in [flood, storm] {
                assert_eq!(table.contains("process 9 ended during the attack"), is_told, "{table}");
                assert_eq!(table.contains(" 70 after"), !is_told, "{table}");
            }
            assert_eq!(exit_status(Some(&memory), false), u8::from(is_told));
            assert_eq!(exit_status(Some(&memory), true), EXIT_INTERRUPTED);
        }
        assert_eq!(exit_status(None, false), 0);
    }

    #[test]
    fn what_never_happened_has_no_times() {
        let closed = Times { count: 2, p50_ms: Some(1500.0), p99_ms: Some(2000.0), max_ms: Some(2000.0) };
        let table_of = |closed| {
            let of_stall = StallReport { sockets: 3, closed, ..StallReport::default() };
            let by_stall = [(Stall::Mute, of_stall)].into();
            let slow = SlowReport { sockets: 3, closed, by_stall, ..SlowReport::default() };
            let (reconnect, honest) = (Some(Default::default()), Some(Default::default()));
            storm_table(&StormReport { slow: Some(slow), reconnect, honest, ..StormReport::default() })
        };
        let table = table_of(Times::default());
        assert!(table.contains("the gateway closed 0; 0 open"), "{table}");
        assert!(table.contains("Mute          3 sockets, 0 cut early, 0 open; none closed\n"), "{table}");
        assert!(table.contains("0 of 0 through; ") && table.contains("; none answered\n"), "{table}");
        assert!(!table.contains("p50") && !table.contains("the last after"), "{table}");
        let table = table_of(closed);
        assert!(table.contains("closed 2, the last after 2.0 s; 0 open"), "{table}");
        assert!(table.contains("; closed after p50 1500.0, p99 2000.0, max 2000.0 ms\n"), "{table}");
    }

    #[test]
    fn a_table_has_a_line_for_everything() {
        let report = StormReport {
            login: Some(Default::default()),
            reconnect: Some(Default::default()),
            slow: Some(Default::default()),
            honest: Some(Default::default()),
            memory: Some(Default::default()),
            ..StormReport::default()
        };
        let table = storm_table(&report);
        for word in ["logins", "reconnects", "slow sockets", "honest players", "memory"] {
            assert!(table.contains(word), "{table}");
        }
    }
}
