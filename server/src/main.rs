//! The `throng` program. Everything is in the library beside it.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use throng_server::cli::{Cli, Command};
use throng_server::{account, attack, bots, demo, gateway, land, process, serve};

fn main() -> ExitCode {
    process::keep_memory_private();
    let done = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Gateway(args) => gateway::alone::run(&args),
        Command::Bots(args) => bots::run(&args),
        Command::Attack(args) => attack::run(&args),
        Command::Account(args) => account::run(&args),
        Command::Keys(args) => account::run_keys(&args),
        Command::Invite(args) => account::run_invite(&args),
        Command::World(args) => land::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("throng: {}", process::with_causes(&error));
        ExitCode::FAILURE
    })
}
