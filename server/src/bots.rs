//! `throng bots`: the load generator's face.

use std::fs;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use throng_tools::bots::{self, Behaviour, BotsConfig, BotsReport, GatewayDoor, Phase, Progress};
use throng_tools::grants::{GrantsConfig, read_tokens};

use crate::cli::{BotsArgs, LoadArgs};
use crate::land;
use crate::pipe;
use crate::report::{probe_writable, write_json};
use crate::stop::{EXIT_INTERRUPTED, StopFlag};
use crate::verdict::{CAPS_REMEDY, Conditions, bots_failures, bots_table};

/// Seconds without a newcomer after which the load generator says what may be the cause.
const STALL_S: u32 = 5;

/// One line of a demo's load generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum BotsEvent {
    /// About a second went by.
    Progress(Progress),
    /// The clients have left.
    Report(Box<BotsReport>),
}

/// Runs the subcommand.
///
/// # Errors
/// When the settings cannot work, the socket cannot be had, nobody gets in, or the report cannot be written.
pub fn run(args: &BotsArgs) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.json {
        probe_writable(path)?;
    }
    let tokens = read_tokens(&args.sessions)?;
    let clients = args.clients.map_or(tokens.len(), |clients| clients as usize);
    if clients > tokens.len() {
        bail!(
            "{clients} clients were asked for, but {} holds {} session tokens\n  \
             make more: throng account create --count {clients} --prefix bot --locked --sessions FILE",
            args.sessions.display(),
            tokens.len()
        );
    }
    let certificate = match &args.ca {
        Some(path) => {
            Some(fs::read(path).with_context(|| format!("cannot read the certificate {}", path.display()))?)
        }
        None => None,
    };
    let stop = StopFlag::new();
    stop.raise_upon_signal()?;
    if args.child {
        pipe::follow_stdin(stop.clone(), |_| {})?;
    }
    let tokens = tokens.into_iter().take(clients).collect();
    let mut door = GatewayDoor::open(GrantsConfig::new(&args.gateway, certificate, tokens))?;
    let land = args.land.as_deref().map(land::read).transpose()?.map(Arc::new);
    let config = BotsConfig { land, ..bots_config(args, door.realm(), clients as u32) };
    if args.child {
        let tell = |progress: &Progress| {
            pipe::say(&BotsEvent::Progress(*progress));
        };
        let report = bots::run(&config, &mut door, tell, stop.as_atomic())?;
        pipe::say(&BotsEvent::Report(Box::new(report)));
        return Ok(ExitCode::SUCCESS);
    }

    let mut stall = Stall::default();
    let tell = |progress: &Progress| {
        pipe::print_line(&progress_line(progress));
        if stall.begins(progress) {
            pipe::print_line(&format!("  nobody else gets in{CAPS_REMEDY}"));
        }
    };
    let report = bots::run(&config, &mut door, tell, stop.as_atomic())?;
    let conditions = conditions(&args.load, args.land.is_some(), stop.is_raised());
    let failures = bots_failures(&report, &conditions);
    pipe::print_line(bots_table(&report, &failures, stop.is_raised()).trim_end());
    if let Some(path) = &args.json {
        write_json(path, &report)?;
        pipe::print_line(&format!("  report written to {}", path.display()));
    }
    Ok(if stop.is_raised() {
        ExitCode::from(EXIT_INTERRUPTED)
    } else if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What such a run is judged by. Clients that know the land know where the shops are.
pub fn conditions(load: &LoadArgs, has_land: bool, is_interrupted: bool) -> Conditions {
    let behaviour = Behaviour::from(load.behaviour);
    Conditions {
        is_troubled: load.loss > 0.0 || load.delay > 0 || load.reorder > 0.0,
        is_off_beat: load.clock != 1.0,
        is_interrupted,
        fighters: behaviour.fighters(),
        traders: if has_land { behaviour.traders() } else { 0.0 },
    }
}

/// Finds out when clients stop being let in before all are.
#[derive(Default)]
struct Stall {
    connected: u32,
    seconds: u32,
}

impl Stall {
    /// Whether nobody has got in for so many seconds, for the first time since somebody did. A hello that is not
    /// answered is repeated meanwhile.
    fn begins(&mut self, progress: &Progress) -> bool {
        let connected = progress.second.connected;
        let is_waiting = progress.phase == Phase::Connecting && (1..progress.clients).contains(&connected);
        if !is_waiting || connected != self.connected {
            *self = Self { connected, seconds: 0 };
            return false;
        }
        self.seconds += 1;
        self.seconds == STALL_S
    }
}

fn bots_config(args: &BotsArgs, realm: SocketAddr, clients: u32) -> BotsConfig {
    BotsConfig {
        full: args.load.full,
        loss_percent: args.load.loss,
        delay_ms: args.load.delay,
        reorder_percent: args.load.reorder,
        seed: args.load.seed,
        behaviour: args.load.behaviour.into(),
        clock: args.load.clock,
        ..BotsConfig::new(realm, clients, args.seconds)
    }
}

/// One second in one line.
fn progress_line(progress: &Progress) -> String {
    let second = &progress.second;
    let phase = format!("{:?}", progress.phase).to_lowercase();
    format!(
        "{:6.1} s  {phase:10}  {} of {} clients, {:.0} snapshots/s, {:.1} MB/s in, {:.0} inputs/s, {} mismatches, {} decode errors",
        second.at,
        second.connected,
        progress.clients,
        second.snapshots,
        second.bytes / 1e6,
        second.inputs,
        progress.view_mismatches,
        progress.decode_errors
    )
}

#[cfg(test)]
mod tests {
    use throng_tools::bots::Second;

    use super::*;

    #[test]
    fn a_stall_is_told_once_until_somebody_gets_in() {
        let mut stall = Stall::default();
        let mut told = |connected, phase| {
            let second = Second { connected, ..Second::default() };
            let progress = Progress {
                phase,
                clients: 100,
                second,
                measured_seconds: 0.0,
                view_mismatches: 0,
                decode_errors: 0,
            };
            (0..20).filter(|_| stall.begins(&progress)).count()
        };
        assert_eq!(told(0, Phase::Connecting), 0, "nobody at all has another cause");
        assert_eq!(told(64, Phase::Connecting), 1);
        assert_eq!(told(65, Phase::Connecting), 1);
        assert_eq!(told(100, Phase::Connecting), 0, "all are there");
        assert_eq!(told(64, Phase::Measuring), 0);
    }
}
