use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

fn args(line: &str) -> DemoArgs {
    let words = ["throng", "demo"].into_iter().chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}")).command {
        Command::Demo(args) => args,
        other => panic!("{line} is {other:?}"),
    }
}

fn config(line: &str) -> Config {
    let config = demo_config(&args(line), Config::default());
    config.check().unwrap_or_else(|problems| panic!("{line}: {problems}"));
    config
}

#[test]
fn the_world_is_sized_for_what_shall_be_visible() {
    let config = config("--clients 10000 --creatures 5000 --visible 50");
    let side_m = f64::from(config.world.width_m);
    let visible = sizing::visible_mean(side_m, 14_999.0, f64::from(config.world.view_radius_m));
    assert!((visible - 50.0).abs() < 0.01, "{visible} at {side_m} m");
    assert_eq!(config.world.width_m, config.world.height_m);
    assert_eq!((config.realm.players_max, config.world.creatures), (10_000, 5000));
}

#[test]
fn a_crowd_is_one_disc_of_two_view_radii() {
    let config = config("--clients 5000 --crowd");
    assert_eq!(config.world.spawn, SpawnChoice::Disc);
    assert_eq!((config.world.spawn_radius_m, config.world.width_m), (100.0, 200.0));
}

#[test]
fn every_size_of_demo_has_settings_that_work() {
    for line in [
        "--clients 1 --seconds 1",
        "--clients 1 --creatures 0",
        "--clients 2 --visible 1000",
        "--clients 1000000 --creatures 3000000",
        "--clients 1000000 --visible 5",
        "--clients 20000 --crowd --tick-hz 60",
        "--clients 300 --threads 7 --io mmsg --loss 5 --delay 80 --reorder 2 --full 300",
    ] {
        config(line);
    }
}

#[test]
fn a_world_too_large_is_refused_before_anything_starts() {
    let config = demo_config(&args("--clients 1000000 --visible 0.1"), Config::default());
    let problems = config.check().expect_err("must be refused").to_string();
    assert!(problems.contains("world.width_m"), "{problems}");
}

#[test]
fn what_the_environment_says_stays_unless_a_flag_says_otherwise() {
    let mut base = Config::default();
    base.realm.tick_hz = 30;
    base.realm.threads = 5;
    base.net.snapshot_bytes_max = 800;
    let found = demo_config(&args("--clients 10 --threads 2"), base);
    assert_eq!((found.realm.tick_hz, found.realm.threads, found.net.snapshot_bytes_max), (30, 2, 800));
}

#[test]
fn the_load_generator_gets_flags_that_it_understands() {
    let demo = args(
        "--clients 70 --seconds 9 --full 3 --loss 2.5 --delay 80 --reorder 1 --seed 77 --listen 0.0.0.0:0",
    );
    let place = Place::named("throng-demo-flags").expect("a folder");
    let arguments = bots_arguments(&demo, "https://127.0.0.1:4242", &place);
    let words = ["throng".to_owned()].into_iter().chain(arguments);
    let Command::Bots(bots) = Cli::try_parse_from(words).expect("parses").command else { panic!("not bots") };
    assert!(bots.child);
    assert_eq!(bots.gateway, "https://127.0.0.1:4242");
    assert_eq!((bots.ca, bots.sessions), (Some(place.certificate()), place.sessions()));
    // As many as there are session tokens.
    assert_eq!((bots.clients, bots.seconds, bots.load.full, bots.load.seed), (None, 9, Some(3), 77));
    assert_eq!((bots.load.loss, bots.load.delay, bots.load.reorder), (2.5, 80, 1.0));
}

#[test]
fn a_place_is_for_its_owner_only_and_goes_with_the_demo() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::named("throng-demo-test").expect("a folder");
    let folder = std::path::PathBuf::from(place.data_dir().expect("UTF-8"));
    let mut config = config("--clients 3");
    config.gateway.data_dir = place.data_dir().expect("UTF-8");
    place.make_accounts(&config, 3).expect("accounts");
    assert_eq!(throng_tools::grants::read_tokens(&place.sessions()).expect("tokens").len(), 3);
    let mode = std::fs::metadata(&folder).expect("there").permissions().mode();
    assert_eq!(mode & 0o077, 0);
    drop(place);
    assert!(!folder.exists());
}

#[test]
fn a_demo_lets_its_clients_in_and_nobody_waits_for_a_fixed_port() {
    let config = config("--clients 5000");
    assert!(config.gateway.enabled && config.gateway.listen == "127.0.0.1:0".parse().expect("an address"));
    assert_eq!(config.caps.allow, ["127.0.0.0/8".parse::<Network>().expect("a network")]);
}
