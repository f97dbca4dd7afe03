//! `throng demo`: a realm and a load generator as two processes on loopback, watched and judged.
//!
//! ```text
//!            settings, measure              --gateway, --sessions ...
//!   realm ◄──────────────────── demo ─────────────────────────────► bots
//!     │ ──► listening, progress,  │ ◄── progress (phase, checks), ◄── │
//!     │     report                ▼     report                        │
//!     │                        screen, table, --json                  │
//!     └◄══════ HTTPS: connect tokens, then UDP on 127.0.0.0/8, sealed ════►┘
//! ```
//!
//! Two processes, because a realm's CPU time must not be mixed with that of its clients.

mod child;
mod place;
mod screen;
mod sizing;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum as _;
use ipnet::Ipv4Net;
use throng_tools::bots::{BotsReport, Phase};

use crate::bots::{BotsEvent, conditions};
use crate::cli::DemoArgs;
use crate::config::{Config, LAND_FLAT, Loaded, Network, SpawnChoice};
use crate::pipe::{MEASURE_BEGIN, MEASURE_END};
use crate::report::{Event, Progress as RealmProgress, RealmReport, counted, probe_writable, write_json};
use crate::serve::unicode_environment;
use crate::stop::{EXIT_INTERRUPTED, StopFlag};
use crate::verdict::DemoReport;
use child::Child;
use place::Place;
use screen::{Figures, Screen};

/// Metres around an avatar that are in its view.
const VIEW_RADIUS_M: f32 = 50.0;
/// A crowd's disc in view radii.
const CROWD_RADII: f32 = 2.0;
/// Without `--creatures`: one for so many clients.
const CLIENTS_PER_CREATURE: u32 = 10;
/// Receive buffer for each client: what the kernel charges for two inputs, the second because a tick may be late.
const RECEIVE_BYTES_PER_CLIENT: u32 = 2 * 1280;
/// How long the realm may take until it listens: a world of millions is made in this time.
const START_MAX: Duration = Duration::from_secs(60);
/// How long connecting, settling and leaving may take beside the seconds measured.
const OVERHEAD_MAX: Duration = Duration::from_secs(120);
/// How long a process may take to stop once it is asked.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How often a wish to stop is looked at.
const WAKE: Duration = Duration::from_millis(100);

/// Where the load generator's clients are.
const BOTS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
/// Connect tokens a second: as fast as the realm takes them.
const ADMIT_PER_S: u32 = 2000;

/// What the children say; `None` at the end of their output.
enum Message {
    Realm(Option<Event>),
    Bots(Option<BotsEvent>),
}

/// Runs the subcommand.
///
/// # Errors
/// When a process cannot be started or fails, or the report cannot be written. A run that was merely bad is no error
/// but an exit code of 1.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let Loaded { config, warnings } = Config::load(None, unicode_environment())?;
    let mut config = demo_config(args, config);
    config.check().context("the demo's realm cannot be: change --clients, --creatures or --visible")?;
    if let Some(path) = &args.json {
        probe_writable(path)?;
    }
    let stop = StopFlag::new();
    stop.raise_upon_signal()?;

    let mut screen = Screen::new();
    for warning in warnings {
        screen.print(&format!("warning: {warning}"));
    }
    let place = Place::new()?;
    config.gateway.data_dir = place.data_dir()?;
    screen.print(&format!("making {}", counted(args.clients.into(), "account")));
    place.make_accounts(&config, args.clients)?;
    screen.print(&place.make_land(&mut config.world, config.realm.seed)?);
    let demo = Demo::start(args, &config, &place, &mut screen, &stop)?;
    let (realm, bots) = demo.watch(args, &mut screen, &stop)?;
    let report = DemoReport::new(realm, bots, args.crowd, &conditions(&args.load, true, stop.is_raised()));
    screen.print("");
    screen.print(report.table().trim_end());
    if let Some(path) = &args.json {
        write_json(path, &report)?;
        screen.print(&format!("  report written to {}", path.display()));
    }
    Ok(if stop.is_raised() {
        ExitCode::from(EXIT_INTERRUPTED)
    } else if report.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The settings of the demo's realm: `base` with the world that the arguments describe.
fn demo_config(args: &DemoArgs, base: Config) -> Config {
    let mut config = base;
    let creatures = args.creatures.unwrap_or(args.clients / CLIENTS_PER_CREATURE);
    config.realm.players_max = args.clients;
    config.realm.seed = args.load.seed;
    config.realm.threads = args.threads.unwrap_or(config.realm.threads);
    config.realm.tick_hz = args.tick_hz.unwrap_or(config.realm.tick_hz);
    config.net.input_rate_hz = config.net.input_rate_hz.max(2 * u32::from(config.realm.tick_hz));
    config.net.io = args.io.unwrap_or(config.net.io);
    config.net.listen = args.listen;
    let buffer_bytes = args.clients.saturating_mul(RECEIVE_BYTES_PER_CLIENT);
    config.net.receive_buffer_bytes = config.net.receive_buffer_bytes.max(buffer_bytes.min(1 << 30));

    config.caps.allow = vec![Network(BOTS.into())];
    let gateway = &mut config.gateway;
    (gateway.enabled, gateway.listen) = (true, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    gateway.admit_per_s = ADMIT_PER_S;

    let world = &mut config.world;
    world.land = LAND_FLAT.to_owned();
    world.creatures = creatures;
    world.view_radius_m = VIEW_RADIUS_M;
    let side_m = if args.crowd {
        world.spawn = SpawnChoice::Disc;
        world.spawn_radius_m = CROWD_RADII * VIEW_RADIUS_M;
        2.0 * world.spawn_radius_m
    } else {
        world.spawn = SpawnChoice::Everywhere;
        let others = f64::from(args.clients - 1) + f64::from(creatures);
        sizing::side_m(args.visible, others, f64::from(VIEW_RADIUS_M)) as f32
    };
    (world.width_m, world.height_m) = (side_m, side_m);
    config
}

/// The flags of the demo's load generator.
fn bots_arguments(args: &DemoArgs, gateway: &str, place: &Place) -> Vec<String> {
    let load = &args.load;
    let mut arguments = vec!["bots".to_owned(), "--child".to_owned()];
    let mut flag = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
    flag("gateway", gateway.to_owned());
    flag("ca", place.certificate().display().to_string());
    flag("sessions", place.sessions().display().to_string());
    flag("land", place.land().display().to_string());
    flag("seconds", args.seconds.to_string());
    if let Some(full) = load.full {
        flag("full", full.to_string());
    }
    flag("loss", load.loss.to_string());
    flag("delay", load.delay.to_string());
    flag("reorder", load.reorder.to_string());
    flag("seed", load.seed.to_string());
    flag("clock", load.clock.to_string());
    if let Some(behaviour) = load.behaviour.to_possible_value() {
        flag("behaviour", behaviour.get_name().to_owned());
    }
    arguments
}

/// Both processes, running.
struct Demo {
    realm: Child,
    bots: Child,
    messages: Receiver<Message>,
    tick_hz: u16,
}

impl Demo {
    /// Starts the realm, waits until it listens, and starts the load generator.
    fn start(
        args: &DemoArgs,
        config: &Config,
        place: &Place,
        screen: &mut Screen,
        stop: &StopFlag,
    ) -> anyhow::Result<Self> {
        let (sender, messages) = mpsc::channel();
        let arguments = ["serve", "--child"].map(str::to_owned);
        let mut realm = Child::start("realm", &arguments, sender.clone(), Message::Realm)?;
        realm.say(&serde_json::to_string(config).context("cannot hand the settings to the realm")?);
        let deadline = Instant::now() + START_MAX;
        let startup = loop {
            match messages.recv_timeout(WAKE) {
                Ok(Message::Realm(Some(Event::Listening(startup)))) => break startup,
                Ok(Message::Realm(None)) => {
                    let _ = realm.wait(Instant::now() + STOP_MAX);
                    bail!("the realm did not start{}", realm.complaints());
                }
                _ if stop.is_raised() => bail!("interrupted before the realm listened"),
                _ if Instant::now() >= deadline => {
                    bail!("the realm did not listen within {} s{}", START_MAX.as_secs(), realm.complaints())
                }
                _ => {}
            }
        };
        for line in startup.lines() {
            screen.print(&line);
        }
        let gateway = startup.gateway.context("the realm has no gateway")?;
        let bots = Child::start("bots", &bots_arguments(args, &gateway.url, place), sender, Message::Bots)?;
        Ok(Self { realm, bots, messages, tick_hz: startup.tick_hz })
    }

    /// Shows progress until both are done, and gives their reports.
    fn watch(
        mut self,
        args: &DemoArgs,
        screen: &mut Screen,
        stop: &StopFlag,
    ) -> anyhow::Result<(RealmReport, BotsReport)> {
        let mut figures = Figures {
            seconds_wanted: args.seconds,
            clients_wanted: args.clients,
            realm: RealmProgress { tick_hz: self.tick_hz, ..RealmProgress::default() },
            bots: None,
        };
        let mut deadline = Instant::now() + OVERHEAD_MAX + Duration::from_secs(u64::from(args.seconds));
        let (mut realm_report, mut bots_report) = (None, None);
        let (mut is_measuring, mut is_stopping, mut is_timed_out) = (false, false, false);
        screen.draw(&figures);
        loop {
            if !is_stopping && (stop.is_raised() || Instant::now() >= deadline) {
                is_stopping = true;
                is_timed_out = !stop.is_raised();
                // The clients first: those that are told goodbye by the realm would count as lost.
                self.bots.ask_to_stop();
                deadline = Instant::now() + STOP_MAX;
            } else if is_stopping && Instant::now() >= deadline {
                break;
            }
            match self.messages.recv_timeout(WAKE) {
                Ok(Message::Realm(Some(Event::Progress(progress)))) => figures.realm = progress,
                Ok(Message::Realm(Some(Event::Report(report)))) => realm_report = Some(*report),
                Ok(Message::Realm(Some(Event::Listening(_)))) => {}
                Ok(Message::Realm(None)) => break,
                Ok(Message::Bots(Some(BotsEvent::Progress(progress)))) => {
                    let is_now = progress.phase == Phase::Measuring;
                    if is_now != is_measuring {
                        self.realm.say(if is_now { MEASURE_BEGIN } else { MEASURE_END });
                        is_measuring = is_now;
                    }
                    figures.bots = Some(progress);
                    screen.draw(&figures);
                }
                Ok(Message::Bots(Some(BotsEvent::Report(report)))) => bots_report = Some(*report),
                Ok(Message::Bots(None)) => {
                    if is_measuring {
                        self.realm.say(MEASURE_END);
                    }
                    self.realm.ask_to_stop();
                    is_stopping = true;
                    deadline = Instant::now() + STOP_MAX;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.finish(realm_report, bots_report, is_timed_out, stop)
    }

    /// Sees to it that both processes have ended, and says what went wrong if a report is missing.
    fn finish(
        mut self,
        realm_report: Option<RealmReport>,
        bots_report: Option<BotsReport>,
        is_timed_out: bool,
        stop: &StopFlag,
    ) -> anyhow::Result<(RealmReport, BotsReport)> {
        self.realm.ask_to_stop();
        self.bots.ask_to_stop();
        let deadline = Instant::now() + STOP_MAX;
        let ends = [self.bots.wait(deadline), self.realm.wait(deadline)];
        let (Some(realm_report), Some(bots_report)) = (realm_report, bots_report) else {
            if stop.is_raised() {
                bail!("interrupted before there was anything to report");
            }
            bail!("the demo failed{}{}", self.realm.complaints(), self.bots.complaints());
        };
        for (child, end) in [&self.bots, &self.realm].into_iter().zip(ends) {
            let status = end?;
            if !status.success() && !stop.is_raised() {
                bail!("a process of the demo ended with {status}{}", child.complaints());
            }
        }
        if is_timed_out {
            bail!("the demo took {} s longer than it should and was stopped", OVERHEAD_MAX.as_secs());
        }
        Ok((realm_report, bots_report))
    }
}

#[cfg(test)]
mod tests;
