//! The command line of `throng`: every flag of every subcommand.

mod admin;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use throng_tools::bots::Behaviour;

use crate::attack::AttackArgs;
use crate::config::{IoChoice, parse_listen_address};
use crate::limits;

pub use admin::{
    AccountArgs, AccountCommand, BanArgs, CreateArgs, InviteArgs, InviteCommand, KeysArgs, KeysCommand,
    PlaceArgs,
};
pub use world::{WorldArgs, WorldCommand};

/// A server for massively multiplayer worlds: one process, one world, tens of thousands of players.
#[derive(Parser, Debug)]
#[command(name = "throng", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  throng demo --clients 10000 --seconds 30
      a realm and ten thousand clients on this machine, live figures, a report at the end
  throng serve --print-config > throng.toml
  throng serve --config throng.toml
      a realm with your settings, until Ctrl-C
  throng bots --gateway https://127.0.0.1:7780 --ca throng-data/tls/cert.pem --sessions bots.txt --seconds 60
      many clients against that realm";

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a realm and a load generator on loopback and report how it went
    Demo(DemoArgs),
    /// Run a realm until Ctrl-C
    Serve(ServeArgs),
    /// Run a gateway for realms in other processes until Ctrl-C
    Gateway(GatewayArgs),
    /// Load a realm with many clients from this machine
    Bots(BotsArgs),
    /// Attack a server on this machine, to see what it stands
    Attack(AttackArgs),
    /// Make, list, ban and unlock accounts
    Account(AccountArgs),
    /// Rotate and list the keys of connect tokens
    Keys(KeysArgs),
    /// Make and list invitations, for servers that are not open to everybody
    Invite(InviteArgs),
    /// Make and check world files
    World(WorldArgs),
}

/// `throng demo`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Examples:
  throng demo --clients 10000 --seconds 30
  throng demo --clients 5000 --crowd --json crowd.json
  throng demo --clients 2000 --visible 100 --io mmsg --loss 5 --delay 80

The realm and the load generator are two processes on this machine and share its processors.
The exit code is 0 when every client connected, no view disagreed with the realm, nothing failed to decode
and both processes ended in order; 1 when not; 130 when interrupted.
Settings in THRONG_<SECTION>__<KEY> variables apply where no flag of this command says otherwise.")]
pub struct DemoArgs {
    /// Clients to connect
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub clients: u32,
    /// Seconds to measure, after all clients have connected and settled
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Wandering creatures [default: a tenth of the clients]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(0..=3_000_000))]
    pub creatures: Option<u32>,
    /// Size the world so that each avatar sees V others on average within 50 m, creatures included
    #[arg(long, value_name = "V", default_value_t = 50.0, value_parser = visible, conflicts_with = "crowd")]
    pub visible: f64,
    /// Put everyone within one disc of two view radii (100 m) instead
    #[arg(long)]
    pub crowd: bool,
    /// Threads of the realm [default: as many as this machine runs at once]
    #[arg(long, value_name = "T", value_parser = threads)]
    pub threads: Option<u32>,
    /// How the realm's datagrams reach the kernel
    #[arg(long, value_name = "IO", value_enum)]
    pub io: Option<IoChoice>,
    /// Ticks per second [default: 20]
    #[arg(long, value_name = "HZ", value_parser = tick_hz)]
    pub tick_hz: Option<u16>,
    /// Where the realm listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = parse_listen_address)]
    pub listen: SocketAddr,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub load: LoadArgs,
    /// Write the report to FILE as one JSON object
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// What `demo` and `bots` ask of the load generator alike.
#[derive(Args, Debug, Clone)]
pub struct LoadArgs {
    /// Clients that rebuild and check their whole view; the others only follow acks [default: 64, at most all]
    #[arg(long, value_name = "K")]
    pub full: Option<u32>,
    /// Per cent of datagrams that clients lose, each way
    #[arg(long, value_name = "PCT", default_value_t = 0.0, value_parser = percent)]
    pub loss: f64,
    /// Milliseconds of delay at the clients, each way
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=500))]
    pub delay: u32,
    /// Per cent of datagrams that overtake or fall behind others at the clients, each way
    #[arg(long, value_name = "PCT", default_value_t = 0.0, value_parser = percent)]
    pub reorder: f64,
    /// What the clients do
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = BehaviourArg::Mixed)]
    pub behaviour: BehaviourArg,
    /// The clients' clock against the realm's: 1.1 plays a tenth faster than it may
    #[arg(long, value_name = "RATE", default_value_t = 1.0, value_parser = clock)]
    pub clock: f64,
    /// Seed of the world (in a demo) and of what the clients do
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub seed: u64,
}

/// What the clients of a load generator do.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BehaviourArg {
    /// All walk about.
    Roam,
    /// All walk about, striking and shooting.
    Fight,
    /// All go from shop to shop, buy, sell and trade with one another.
    Trade,
    /// Half of them roam, three of ten fight, two trade.
    Mixed,
}

impl From<BehaviourArg> for Behaviour {
    fn from(what: BehaviourArg) -> Self {
        match what {
            BehaviourArg::Roam => Self::Roam,
            BehaviourArg::Fight => Self::Fight,
            BehaviourArg::Trade => Self::Trade,
            BehaviourArg::Mixed => Self::Mixed,
        }
    }
}

/// `throng serve`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Examples:
  throng serve --print-config > throng.toml
  throng serve --config throng.toml --report last-run.json
  THRONG_REALM__TICK_HZ=30 throng serve --listen '[::]:7777'

Settings come from the file, then from THRONG_<SECTION>__<KEY> variables, then from the flags here; the last wins.
The first Ctrl-C (or SIGTERM) tells the clients and stops in order; the second ends the process at once.
With realm.drain_s there is a step before these two: nobody else is let in, and whoever plays may finish.")]
pub struct ServeArgs {
    /// Settings file; without it every setting has its default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the settings file with every default and its meaning, and exit
    #[arg(long)]
    pub print_config: bool,
    /// UDP address and port to listen on
    #[arg(long, value_name = "ADDR", value_parser = parse_listen_address)]
    pub listen: Option<SocketAddr>,
    /// Threads; 0 for as many as this machine runs at once
    #[arg(long, value_name = "T", value_parser = threads)]
    pub threads: Option<u32>,
    /// How datagrams reach the kernel
    #[arg(long, value_name = "IO", value_enum)]
    pub io: Option<IoChoice>,
    /// Ticks per second
    #[arg(long, value_name = "HZ", value_parser = tick_hz)]
    pub tick_hz: Option<u16>,
    /// Players at one time
    #[arg(long, value_name = "N")]
    pub players_max: Option<u32>,
    /// Wandering creatures
    #[arg(long, value_name = "M")]
    pub creatures: Option<u32>,
    /// Seed of everything that is random in the world
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
    /// Write a report of the whole run to FILE as JSON when the realm stops
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What to print while running: status lines in the log, or one JSON object a second on standard output
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Progress::Log)]
    pub progress: Progress,
    /// Be the realm of a demo: settings and commands come on standard input, events go to standard output
    #[arg(long, hide = true, exclusive = true)]
    pub child: bool,
}

/// How `serve` tells what it is doing.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A status line in the log every `log.status_every_s` seconds.
    Log,
    /// One JSON object a second on standard output.
    Json,
}

/// `throng gateway`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Example:
  throng gateway --config throng.toml

Accounts, logins and the list of realms, for the realms in gateway.realms, which is written as
    realms = [{ id = 2, public_key = \"...\" }]
under [gateway]. Each of these is a `throng serve` whose gateway.report_to is this gateway's address; it is offline here
until it is heard. `throng serve` runs a gateway beside its realm by itself.")]
pub struct GatewayArgs {
    /// Settings file; without it every setting has its default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `throng bots`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Examples:
  throng account create --count 1000 --prefix bot --locked --sessions bots.txt
  throng bots --gateway https://127.0.0.1:7780 --ca throng-data/tls/cert.pem --sessions bots.txt --seconds 30
  throng bots --gateway https://127.0.0.1:7780 --ca throng-data/tls/cert.pem --sessions bots.txt --seconds 60 --full 200 --loss 5 --delay 80 --json bots.json

The clients get in as players do: a session token each, a connect token from the gateway, a sealed session.
They are one process with one socket and source addresses in 127.0.0.0/8, so the realm must run on this machine and
its caps.allow must name 127.0.0.0/8, or a /24 of them takes no more than caps.ipv4_24. The exit code is 0 when every client connected, no view disagreed with the realm and nothing failed to decode.")]
pub struct BotsArgs {
    /// The gateway, as https://HOST:PORT, or http:// on this machine
    #[arg(long, value_name = "URL")]
    pub gateway: String,
    /// Certificate to trust: the gateway's own, or that of who signed it (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Session tokens, one a line: `throng account create --sessions` writes them
    #[arg(long, value_name = "FILE")]
    pub sessions: PathBuf,
    /// The world file that the realm runs on: then clients know where the shops are, and full ones foresee their steps
    #[arg(long, value_name = "FILE")]
    pub land: Option<PathBuf>,
    /// Clients to connect [default: as many as there are session tokens]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub clients: Option<u32>,
    /// Seconds to measure, after all clients have connected and settled
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub load: LoadArgs,
    /// Write the report to FILE as one JSON object
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Be the load generator of a demo: stop when standard input ends, events go to standard output
    #[arg(long, hide = true)]
    pub child: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    number_within(text, 0.0, 100.0)
}

fn clock(text: &str) -> Result<f64, String> {
    number_within(text, 0.1, 20.0)
}

fn visible(text: &str) -> Result<f64, String> {
    number_within(text, 0.1, 1e6)
}

fn number_within(text: &str, low: f64, high: f64) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (low..=high).contains(&number) { Ok(number) } else { Err(format!("needed {low} to {high}")) }
}

fn threads(text: &str) -> Result<u32, String> {
    let number: u32 = text.parse().map_err(|_| "not a whole number".to_owned())?;
    let range = limits::THREADS;
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(format!("needed {} to {}", range.start(), range.end()))
    }
}

fn tick_hz(text: &str) -> Result<u16, String> {
    let number: u16 = text.parse().map_err(|_| "not a whole number".to_owned())?;
    let range = limits::TICK_HZ;
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(format!("needed {} to {}", range.start(), range.end()))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_line_parses() {
        for line in [
            "throng demo --clients 5 --seconds 3 --creatures 7 --visible 20 --threads 2 --io uring --json f",
            "throng demo --clients 5 --seconds 3 --crowd --behaviour fight",
            "throng demo --clients 5 --seconds 3 --behaviour roam --clock 1.1",
            "throng serve --config f --listen 0.0.0.0:1 --threads 1 --io mmsg --report r",
            "throng serve --child",
            "throng bots --gateway https://127.0.0.1:1 --ca c --sessions s --clients 2 --seconds 1 --full 1 --loss 2.5 --json f",
            "throng attack --kind hello --server 127.0.0.1:1 --rate 200000 --seconds 5",
            "throng attack --kind login --gateway https://127.0.0.1:1 --ca c --rate 5 --names n --sessions s --pid 1",
            "throng account create Ada --data-dir d --json",
            "throng account create Ada --locked --config c",
            "throng account create --count 5 --prefix b --first 7 --locked --sessions f --days 2",
            "throng account ban Ada --until 2031-01-01 --reason r",
            "throng account unban Ada",
            "throng account reset-password Ada --password-stdin",
            "throng keys rotate --revoke 1 --revoke 2",
            "throng invite create --uses 3 --days 2 --note n",
            "throng invite revoke 4",
            "throng world generate f --width 64 --height 60000 --seed 9",
            "throng world check f --instances 0 --view-radius 200",
        ] {
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn the_examples_in_the_help_parse() {
        let mut command = Cli::command();
        let mut texts = vec![command.render_long_help().to_string()];
        texts.extend(command.get_subcommands_mut().map(|sub| sub.render_long_help().to_string()));
        let examples: Vec<String> = texts
            .iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.strip_prefix("  throng "))
            .map(|line| line.split(['>', '<']).next().unwrap_or_default().to_owned())
            .collect();
        assert!(examples.len() > 8, "{examples:?}");
        for example in examples {
            // Words in quotes are one argument.
            let words = example.split('\'').enumerate().flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            });
            let words = std::iter::once("throng").chain(words);
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }

    #[test]
    fn impossible_flags_are_refused_with_what_is_needed() {
        for (line, needed) in [
            ("throng demo --clients 0", "1..=1000000"),
            ("throng demo --visible 0", "0.1 to"),
            ("throng demo --visible 5 --crowd", "cannot be used with"),
            ("throng demo --tick-hz 61", "10 to 60"),
            ("throng demo --loss 101", "0 to 100"),
            ("throng demo --loss NaN", "0 to 100"),
            ("throng serve --threads 257", "0 to 256"),
            ("throng serve --io epoll", "uring"),
            ("throng bots --clients 5 --seconds 1", "--gateway"),
            ("throng serve --listen 7777", "such as 0.0.0.0:7777"),
            ("throng account create", "required"),
            ("throng account create Ada --password secret", "unexpected argument"),
            ("throng account create Ada --locked --password-stdin", "cannot be used with"),
            ("throng account create Ada --count 5 --locked --sessions f", "cannot be used with"),
            ("throng account create --count 5 --sessions f", "--locked"),
            ("throng account create --count 5 --locked", "--sessions"),
            ("throng account ban Ada --days 5 --until 2031-01-01", "cannot be used with"),
            ("throng keys rotate --revoke 65536", "65535"),
            ("throng invite create --uses 0", "1..=10000"),
            ("throng world generate f --width 63", "64..=60000"),
            ("throng world check", "required"),
        ] {
            let error = parse(line).expect_err(line).to_string();
            assert!(error.contains(needed), "{line}: {error}");
        }
    }
}
