//! `throng serve`: settings in, a realm until it is asked to stop, a report out.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use throng_net::protocol::token::{RealmKeys, protocol_hash};
use throng_schema::SCHEMA_VERSION;

use crate::cli::{Progress, ServeArgs};
use crate::config::{self, Config, Loaded};
use crate::gateway::board::RealmState;
use crate::gateway::keys::{DataDir, FileWatch, KeyRing, Occupied, Part, Watcher, read_realm_keys, unix_ms};
use crate::gateway::open::{OpenError, OwnRealm};
use crate::gateway::run::StartError;
use crate::gateway::{self, herald};
use crate::pipe;
use crate::realm::{self, Controls, Measure};
use crate::report::{Event, GatewayStartup, RealmReport, probe_writable, write_json};
use crate::stop::raise_upon_signals;

/// Events that may wait for a slow reader of standard output. Further progress is left out, never waited for.
const EVENTS_WAITING_MAX: usize = 64;
/// Seconds between two lines about hellos beyond the caps.
const CAPPED_EVERY_S: u32 = 60;
/// How often key files are looked for.
const FILES_EVERY: Duration = Duration::from_secs(1);

/// Runs the subcommand.
///
/// # Errors
/// When the settings cannot be used, the system does not give what the realm needs, or the report cannot be written.
pub fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    if args.print_config {
        // A reader that has seen enough (`| head`) is no error.
        let _ = io::stdout().lock().write_all(config::DEFAULT_FILE.as_bytes());
        return Ok(ExitCode::SUCCESS);
    }
    let controls = Controls::new();
    let (config, warnings) = if args.child { (child_config()?, Vec::new()) } else { own_config(args)? };
    config.check()?;
    init_log(&config.log.filter)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if let Some(path) = &args.report {
        probe_writable(path)?;
    }
    let mut steps = vec![controls.stop.clone()];
    if config.realm.drain_s > 0 {
        steps.insert(0, controls.drain.clone());
    }
    raise_upon_signals(steps)?;
    if args.child {
        let asked = controls.clone();
        pipe::follow_stdin(controls.stop.clone(), move |line| match line {
            pipe::MEASURE_BEGIN => asked.measure(Measure::Begin),
            pipe::MEASURE_END => asked.measure(Measure::End),
            _ => tracing::warn!("unknown command on standard input: {line:?}"),
        })?;
    }

    let is_json = args.child || args.progress == Progress::Json;
    let report = serve(&config, &controls, is_json)?;
    if let Some(path) = &args.report {
        write_json(path, &report)?;
        tracing::info!("report written to {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a realm, and a gateway beside it if the settings want one, with its events going to standard output or the log.
fn serve(config: &Config, controls: &Controls, is_json: bool) -> anyhow::Result<RealmReport> {
    // First of all, and until all else has ended: who comes second must have changed nothing.
    let _occupied = occupy(config)?;
    if config.gateway.enabled && !config.gateway.tls && config.gateway.public_address.is_empty() {
        tracing::warn!(
            "gateway.tls is false and gateway.public_address is empty: whoever comes through a proxy is sent to the address \
             by which the proxy reached the gateway; needed is a host and a UDP port, such as \"play.example.org:7777\""
        );
    }
    // Watched first: what changes between the two is then seen twice, and not never.
    let watch = FileWatch::new(config.gateway.data_dir().realm_keys(config.realm.id));
    let keys = token_keys(config)?;
    let _watcher = follow_files(config, controls, watch)?;
    // The realm never writes itself: a terminal that scrolls slowly or a full pipe would stop the world.
    let (events, waiting) = mpsc::sync_channel::<Event>(EVENTS_WAITING_MAX);
    let status_every_s = config.log.status_every_s;
    let teller = thread::Builder::new()
        .name("teller".to_owned())
        .spawn(move || if is_json { tell_json(&waiting) } else { tell_log(&waiting, status_every_s) })
        .context("cannot start a thread")?;
    let report = realm::host(config, keys, |realm| {
        let own = OwnRealm {
            address: realm.listen_address(),
            status: controls.status.clone(),
            arrivals: controls.arrivals.clone(),
            orders: controls.orders.clone(),
        };
        let herald = gateway::open::herald(config, own.clone())?.map(Arc::new);
        if herald.is_some() {
            // Until it takes tokens, see `Realm::run`.
            controls.status.set_state(RealmState::Starting);
        }
        let gateway = open_gateway(config, own)?;
        let heralding =
            herald.clone().map(|herald| Watcher::start("herald", herald::SAY_EVERY, move || herald.say()));
        let heralding = heralding.transpose().map_err(StartError::Threads)?;
        let mut startup = realm.startup().clone();
        startup.gateway = gateway.as_ref().map(GatewayStartup::of);
        let _ = events.send(Event::Listening(Box::new(startup)));
        let mut report = realm.run(controls, &mut |event| {
            let _ = events.try_send(event);
        });
        // It has stopped: the gateway elsewhere should send nobody here from now on, and not only when it misses it.
        drop(heralding);
        if let Some(herald) = &herald {
            herald.say();
        }
        if let Some(gateway) = gateway {
            report.counters.gateway = gateway.gateway().counts();
            gateway.shutdown();
        }
        if let Some(herald) = herald {
            report.counters.gateway.insert("own_statuses_failed".to_owned(), herald.failed());
        }
        Ok::<_, OpenError>(report)
    });
    if let Ok(Ok(report)) = &report {
        let _ = events.send(Event::Report(Box::new(report.clone())));
    }
    drop(events);
    let _ = teller.join();
    Ok(report??)
}

/// Keeps other processes from serving the same. A realm whose gateway is elsewhere reads its keys first: where there are none
/// yet, what to copy is what its operator must be told.
fn occupy(config: &Config) -> anyhow::Result<Vec<Occupied>> {
    let (settings, realm) = (&config.gateway, Part::Realm(config.realm.id));
    if settings.enabled {
        let dir = DataDir::create(&settings.data_dir)?;
        return Ok(vec![dir.occupy(Part::Gateway)?, dir.occupy(realm)?]);
    }
    token_keys(config)?;
    Ok(settings.data_dir().occupy_if_writable(realm)?.into_iter().collect())
}

/// The keys that open this realm's connect tokens. Where the gateway is in this process too, they are made if need be.
fn token_keys(config: &Config) -> anyhow::Result<RealmKeys> {
    let realm_id = config.realm.id;
    if config.gateway.enabled {
        let dir = DataDir::create(&config.gateway.data_dir)?;
        KeyRing::open(dir, vec![realm_id], unix_ms())?;
    }
    Ok(read_realm_keys(&config.gateway.data_dir().realm_keys(realm_id), realm_id)?)
}

fn open_gateway(config: &Config, own: OwnRealm) -> Result<Option<gateway::run::Running>, OpenError> {
    if !config.gateway.enabled {
        return Ok(None);
    }
    gateway::open::open(config, Some(own), protocol_hash(SCHEMA_VERSION)).map(Some)
}

/// Looks once a second for other token keys, on a thread of its own.
fn follow_files(config: &Config, controls: &Controls, mut keys: FileWatch) -> anyhow::Result<Watcher> {
    let (realm_id, orders) = (config.realm.id, controls.orders.clone());
    let mut is_unreadable = false;
    let look = move || {
        if keys.has_changed() {
            match read_realm_keys(keys.path(), realm_id) {
                Ok(read) => {
                    is_unreadable = false;
                    orders.set_keys(read);
                }
                Err(error) => {
                    // Its mode may be mended, which no look at the file's contents notices.
                    keys.look_again();
                    if !std::mem::replace(&mut is_unreadable, true) {
                        tracing::error!("the new token keys are not used, the old ones stay: {error}");
                    }
                }
            }
        }
    };
    Watcher::start("key-watch", FILES_EVERY, look).context("cannot start a thread")
}

/// One line of JSON per event.
fn tell_json(events: &mpsc::Receiver<Event>) {
    // Drained even when nobody reads, so that the sender never finds the channel full for good.
    let mut is_heard = true;
    for event in events {
        is_heard = is_heard && pipe::say(&event);
    }
}

/// Lines in the log, progress every so many seconds.
fn tell_log(events: &mpsc::Receiver<Event>, status_every_s: u32) {
    let mut seconds = 0;
    let mut capped = Capped::default();
    for event in events {
        match event {
            Event::Listening(startup) => {
                for line in startup.lines() {
                    match line.strip_prefix("warning: ") {
                        Some(warning) => tracing::warn!("{warning}"),
                        None => tracing::info!("{line}"),
                    }
                }
            }
            Event::Progress(progress) => {
                seconds += 1;
                if let Some(line) = capped.line(seconds, progress.hellos_capped) {
                    tracing::warn!("{line}");
                }
                if status_every_s > 0 && seconds % status_every_s == 0 {
                    tracing::info!("{}", progress.line());
                }
            }
            Event::Report(report) => tracing::info!(
                "stopped after {:.1} s: {} ticks, {} late, tick p99 {:.2} ms, at most {} clients at once",
                report.whole.seconds,
                report.whole.ticks,
                report.whole.ticks_late,
                report.whole.tick_ms.p99,
                report.clients_peak
            ),
        }
    }
}

/// Tells of hellos that `[caps]` left unanswered, at most once a minute: who sends them is not told why.
#[derive(Default)]
struct Capped {
    told: u64,
    quiet_until: u32,
}

impl Capped {
    fn line(&mut self, seconds: u32, total: u64) -> Option<String> {
        let more = total - self.told;
        if more == 0 || seconds < self.quiet_until {
            return None;
        }
        (self.told, self.quiet_until) = (total, seconds + CAPPED_EVERY_S);
        Some(format!(
            "{more} hellos left unanswered: their networks have as many sessions as [caps] lets one have; \
             networks that may have more go into caps.allow, such as \"127.0.0.0/8\" for a load generator on this machine"
        ))
    }
}

/// File, then environment, then flags.
fn own_config(args: &ServeArgs) -> anyhow::Result<(Config, Vec<String>)> {
    let Loaded { mut config, warnings } = Config::load(args.config.as_deref(), unicode_environment())?;
    overlay_flags(&mut config, args);
    Ok((config, warnings))
}

/// The environment's variables that are text; a setting cannot be anything else.
pub fn unicode_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}

fn overlay_flags(config: &mut Config, args: &ServeArgs) {
    fn set<T: Copy>(setting: &mut T, flag: Option<T>) {
        *setting = flag.unwrap_or(*setting);
    }
    set(&mut config.net.listen, args.listen);
    set(&mut config.net.io, args.io);
    set(&mut config.realm.threads, args.threads);
    set(&mut config.realm.tick_hz, args.tick_hz);
    set(&mut config.realm.players_max, args.players_max);
    set(&mut config.realm.seed, args.seed);
    set(&mut config.world.creatures, args.creatures);
}

/// The settings of a demo's realm: the first line of standard input.
fn child_config() -> anyhow::Result<Config> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("cannot read the settings from standard input")?;
    serde_json::from_str(&line).context("the first line of standard input is no settings in JSON")
}

/// Sends the log to standard error. `THRONG_LOG` wins over the settings.
pub(crate) fn init_log(filter: &str) -> anyhow::Result<()> {
    let filter = std::env::var("THRONG_LOG").unwrap_or_else(|_| filter.to_owned());
    let parsed = tracing_subscriber::EnvFilter::try_new(&filter).with_context(|| {
        format!("the log filter {filter:?} (log.filter or THRONG_LOG) cannot be used; needed is something like \"info\"")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_target(false)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .with_writer(io::stderr)
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn capped_hellos_are_told_at_most_once_a_minute() {
        let mut capped = Capped::default();
        assert_eq!(capped.line(1, 0), None);
        assert!(
            capped
                .line(2, 36)
                .is_some_and(|line| line.starts_with("36 hellos") && line.contains("caps.allow"))
        );
        assert_eq!(capped.line(3, 40), None);
        assert!(capped.line(62, 50).is_some_and(|line| line.starts_with("14 hellos")));
        assert_eq!(capped.line(200, 50), None, "nothing new");
    }

    #[test]
    fn flags_win_over_the_environment() {
        let line = "throng serve --threads 3 --listen 127.0.0.1:5 --io mmsg --tick-hz 30 --players-max 9 --creatures 0";
        let Command::Serve(args) = Cli::try_parse_from(line.split(' ')).expect("parses").command else {
            panic!("not serve")
        };
        let variables = [("THRONG_REALM__THREADS", "7"), ("THRONG_REALM__SEED", "9")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()));
        let mut config = Config::load(None, variables).expect("loads").config;
        assert_eq!(config.realm.threads, 7);
        overlay_flags(&mut config, &args);
        assert_eq!((config.realm.threads, config.realm.seed), (3, 9));
        assert_eq!((config.realm.tick_hz, config.realm.players_max, config.world.creatures), (30, 9, 0));
        assert_eq!(config.net.listen, "127.0.0.1:5".parse().expect("an address"));
        assert_eq!(config.net.io, config::IoChoice::Mmsg);
    }
}
