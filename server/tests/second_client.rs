//! The client in Python on a running server, as somebody runs it who has just read that there is one. Where Python or its
//! packages are absent this says so and passes.

mod operator;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use operator::{Place, Process, SETTINGS};
use rustix::process::Signal;
use throng_motion::limits::UNITS_PER_METRE;
use throng_motion::{DiscPlan, Land, WallPlan, ZonePlan};
use throng_net::protocol::packet::{DISCONNECT_LEFT, DISCONNECT_REPLACED, DISCONNECT_STOPPING, REFUSED_FULL};
use throng_server::realm::{
    DISCONNECT_KICKED, DISCONNECT_UNACKNOWLEDGED, DISCONNECT_WORLD_FULL, REFUSED_HELLO, REFUSED_KICKED,
    REFUSED_NAME, REFUSED_SCHEMA, REFUSED_STALE,
};
use throng_server::report::Event;

fn python(arguments: &[&str]) -> std::io::Result<Output> {
    // No byte code: tests leave nothing behind in the source tree.
    Command::new("python3").args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").output()
}

/// Players appear in a nook of 1 m, 40 m west of the middle, which opens to the west alone: whoever goes straight to the
/// middle comes 0.3 m far.
fn nook() -> Vec<u8> {
    let units = |metres: f64| (metres * f64::from(UNITS_PER_METRE)) as u32;
    let wall = |x0: f64, y0: f64, x1: f64, y1: f64| WallPlan {
        x0: units(x0),
        y0: units(y0),
        x1: units(x1),
        y1: units(y1),
        thickness: units(0.5) as u16,
        rise: units(3.0) as u16,
    };
    let side = units(100.0);
    let plan = ZonePlan {
        width: side,
        height: side,
        spacing_m: 32,
        heights: vec![0; 25],
        walls: vec![
            wall(10.75, 48.75, 10.75, 51.25),
            wall(9.0, 48.75, 10.75, 48.75),
            wall(9.0, 51.25, 10.75, 51.25),
        ],
        player_spawns: vec![DiscPlan { x: units(10.0), y: units(50.0), radius: units(0.1) }],
        ..ZonePlan::default()
    };
    Land::build(vec![plan]).expect("a land").write()
}

/// The numbers that a page or a program gives a meaning to, between two of its lines.
fn named<'t>(text: &'t str, from: &str, to: &str) -> Vec<(u8, &'t str)> {
    let (_, behind) = text.split_once(from).unwrap_or_else(|| panic!("there is no {from:?}"));
    let (part, _) = behind.split_once(to).unwrap_or_else(|| panic!("there is no {to:?}"));
    let row = |line: &'t str| {
        let (number, meaning) = line.trim_matches(['|', ' ', ',']).split_once([':', '|'])?;
        let meaning = meaning.split('|').next()?.trim_matches([' ', '"']);
        number.trim().parse().ok().map(|number| (number, meaning))
    };
    part.lines().filter_map(row).collect()
}

#[test]
fn every_reason_of_the_server_has_a_meaning() {
    let refused = [REFUSED_FULL, REFUSED_HELLO, REFUSED_SCHEMA, REFUSED_NAME, REFUSED_STALE, REFUSED_KICKED];
    let ended = [
        DISCONNECT_LEFT,
        DISCONNECT_STOPPING,
        DISCONNECT_REPLACED,
        DISCONNECT_WORLD_FULL,
        DISCONNECT_KICKED,
        DISCONNECT_UNACKNOWLEDGED,
    ];
    let numbers = |named: &[(u8, &str)]| named.iter().map(|&(number, _)| number).collect::<Vec<_>>();
    let page = include_str!("../../schema/PROTOCOL.md");
    let client = include_str!("../../schema/python/throng_play.py");
    for (refusals, farewells) in [
        (
            named(page, "| reason | meaning | detail |", "| others |"),
            named(page, "| DISCONNECT reason |", "| others from"),
        ),
        (named(client, "\nREFUSALS = {", "\n}"), named(client, "\nFAREWELLS = {", "\n}")),
    ] {
        assert_eq!(numbers(&refusals), refused, "{refusals:?}");
        assert_eq!(numbers(&farewells), ended, "{farewells:?}");
        for (found, number, meaning) in [
            (&refusals, REFUSED_STALE, "a later token of the same character has been used"),
            (&refusals, REFUSED_KICKED, "the account may not play (any more)"),
            (&farewells, DISCONNECT_KICKED, "the account may not play (any more)"),
            (&farewells, DISCONNECT_WORLD_FULL, "the world has no room for another avatar"),
        ] {
            assert!(found.contains(&(number, meaning)), "{number}: {found:?}");
        }
    }
}

#[test]
fn what_stands_in_the_way_is_gone_round() {
    match python(&["-c", "import flatbuffers, cryptography"]) {
        Ok(probe) if probe.status.success() => {}
        _ => return println!("skipped: needs python3 with `pip install flatbuffers==25.12.19 cryptography`"),
    }
    let place = Place::with(
        "[gateway]\nlisten = \"127.0.0.1:0\"\n[net]\nlisten = \"127.0.0.1:0\"\n[world]\nland = \"nook.world\"\n",
    );
    fs::write(place.path().join("nook.world"), nook()).expect("writable");
    let log = File::create(place.path().join("serve.stderr")).expect("writable");
    let mut serve = place.throng(&["serve", "--config", SETTINGS, "--progress", "json"]);
    let mut server = Process::start(serve.stdout(Stdio::piped()).stderr(log));
    let mut events = BufReader::new(server.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let first = events.next().and_then(|line| serde_json::from_str(&line).ok());
    let gateway = match first {
        Some(Event::Listening(startup)) => startup.gateway.expect("a gateway beside the realm").url,
        other => panic!("{other:?}: {:?}", fs::read_to_string(place.path().join("serve.stderr"))),
    };

    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/python/throng_play.py");
    let certificate = place.data().join("tls/cert.pem");
    let certificate = certificate.to_str().expect("a plain path");
    let played = python(&[client, "--gateway", &gateway, "--ca", certificate, "--name", "Ada"]);
    server.signal(Signal::TERM);
    server.ended();
    let played = played.expect("it starts");
    let said = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{said}{}", String::from_utf8_lossy(&played.stderr));
    assert!(
        said.contains("registered") && said.contains(" m in ") && said.contains("turned aside"),
        "{said}"
    );
    assert!(!said.contains("turned aside 0 times"), "nothing was in the way: {said}");
}
