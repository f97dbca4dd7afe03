//! `throng gateway`: a gateway for realms that run elsewhere.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::bail;
use throng_net::protocol::token::protocol_hash;
use throng_schema::SCHEMA_VERSION;

use super::keys::{DataDir, Part};
use super::open::open;
use crate::cli::GatewayArgs;
use crate::config::{Config, Loaded};
use crate::report::GatewayStartup;
use crate::serve::{init_log, unicode_environment};
use crate::stop::StopFlag;

/// Pause between two looks at the wish to stop: what a Ctrl-C may take to be heard.
const STOP_EVERY: Duration = Duration::from_millis(100);

/// Runs the subcommand.
///
/// # Errors
/// When the settings cannot be used, or the gateway cannot be opened.
pub fn run(args: &GatewayArgs) -> anyhow::Result<ExitCode> {
    let Loaded { config, warnings } = Config::load(args.config.as_deref(), unicode_environment())?;
    config.check()?;
    init_log(&config.log.filter)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if config.gateway.realms.is_empty() {
        bail!(
            "found no realm to send players to; needed is at least one in the settings, under [gateway]:\n  \
             realms = [{{ id = 2, public_key = \"...\" }}]\n  \
             `throng keys list` with the realm's own settings prints both\n  \
             for a realm and a gateway in one process: throng serve"
        );
    }
    let stop = StopFlag::new();
    stop.raise_upon_signal()?;
    let _occupied = DataDir::create(&config.gateway.data_dir)?.occupy(Part::Gateway)?;
    let running = open(&config, None, protocol_hash(SCHEMA_VERSION))?;
    tracing::info!("{}", GatewayStartup::of(&running).line());
    let dir = config.gateway.data_dir();
    for realm in &config.gateway.realms {
        tracing::info!(
            "realm {id} is offline until it says how it is: its settings need gateway.enabled = false and report_to with the \
             address of this gateway, its data_dir a copy of {keys}",
            id = realm.id,
            keys = dir.realm_keys(realm.id).display()
        );
    }
    while !stop.is_raised() {
        thread::sleep(STOP_EVERY);
    }
    running.shutdown();
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
