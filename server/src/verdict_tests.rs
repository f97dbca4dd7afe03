use std::collections::BTreeMap;

use super::*;
use crate::metrics::{TickTimes, Traffic, Window};
use crate::report::{Buffer, Counts, Progress, Startup};
use crate::schedule::ScheduleCounts;

/// All roam, and nothing stands in their way.
const FREE: Conditions =
    Conditions { is_troubled: false, is_off_beat: false, is_interrupted: false, fighters: 0.0, traders: 0.0 };

fn window() -> WindowSummary {
    let mut window = Window::new(0, ScheduleCounts::default());
    let traffic =
        Traffic { client_ticks: 10, snapshots: 10, snapshot_bytes: 3720, near: 500, ..Traffic::default() };
    window.record(&TickTimes { tick_ns: 20_000_000, ..TickTimes::default() }, &traffic);
    window.summary(1_000_000_000, ScheduleCounts { ticks: 1, ..ScheduleCounts::default() })
}

fn realm() -> RealmReport {
    let buffer = Buffer { asked_bytes: 1 << 25, granted_bytes: 1 << 25 };
    let startup = Startup {
        version: "0".to_owned(),
        listen: ([127, 0, 0, 1], 7777).into(),
        simd: "avx2".to_owned(),
        io_backend: "uring".to_owned(),
        io_reason: "it works".to_owned(),
        receive_buffer: buffer,
        send_buffer: buffer,
        warnings: Vec::new(),
        threads: 2,
        tick_hz: 20,
        players_max: 10,
        creatures: 1,
        world_m: [100.0, 100.0],
        main_zone_m: [100.0, 100.0],
        gateway: None,
    };
    RealmReport {
        startup,
        whole: window(),
        measured: Some(window()),
        clients_peak: 10,
        ledger_fault: None,
        world_digest: "0".repeat(16),
        resident_kib_peak: Some(1),
        counters: Counts::default(),
    }
}

fn bots() -> BotsReport {
    BotsReport {
        clients: 10,
        connected: 10,
        full_clients: 2,
        seconds: 5.0,
        tick_hz: 20,
        digests_checked: 9,
        snapshots_per_client_per_s_p50: 20.0,
        far_refresh_ticks_bound: 64,
        ..BotsReport::default()
    }
}

fn failures(change: impl FnOnce(&mut RealmReport, &mut BotsReport), conditions: &Conditions) -> Vec<String> {
    let (mut realm, mut bots) = (realm(), bots());
    change(&mut realm, &mut bots);
    DemoReport::new(realm, bots, false, conditions).failures
}

#[test]
fn a_good_run_passes() {
    assert_eq!(failures(|_, _| {}, &FREE), Vec::<String>::new());
}

#[test]
fn each_fault_fails_the_run_and_is_named() {
    type Change = fn(&mut RealmReport, &mut BotsReport);
    let changes: [(Change, &str); 13] = [
        (|_, bots| bots.connected = 9, "9 of 10"),
        (|_, bots| bots.disconnects = 1, "ended before"),
        (|_, bots| bots.view_mismatches = 1, "disagreed"),
        (|_, bots| bots.decode_errors = 1, "broke the contract"),
        (|_, bots| (bots.connected, bots.unanswered) = (6, 4), "caps.allow = [\"127.0.0.0/8\"]"),
        (|_, bots| bots.prediction_error_m_p99 = Some(462.0), "--land"),
        (|_, bots| bots.digests_checked = 0, "no digest"),
        (|_, bots| bots.far_refresh_late = 1, "promised 64"),
        (|_, bots| bots.snapshots_per_client_per_s_p50 = 9.0, "cannot carry"),
        (|realm, _| realm.measured = None, "never asked to measure"),
        (|realm, _| realm.whole.encode_failures = 1, "encoded"),
        (
            |realm, _| {
                realm.counters.game = BTreeMap::from([("ledger_imbalance".to_owned(), 3)]);
                realm.ledger_fault = Some("Player has 2".to_owned());
            },
            "did not balance in 3 ticks: Player has 2",
        ),
        (
            |realm, _| realm.counters.realm = BTreeMap::from([("input_malformed".to_owned(), 3)]),
            "could not decode 3",
        ),
    ];
    for (change, named) in changes {
        let found = failures(change, &FREE);
        assert_eq!(found.len(), 1, "{named}: {found:?}");
        assert!(found[0].contains(named), "{named}: {found:?}");
    }
}

#[test]
fn a_status_line_tells_of_a_broken_ledger() {
    let sound = Progress::default();
    let broken = Progress { is_ledger_broken: true, ..sound };
    assert!(!sound.line().contains("LEDGER"), "{}", sound.line());
    assert!(broken.line().ends_with("LEDGER BROKEN, nobody deals"), "{}", broken.line());
}

#[test]
fn a_long_fight_has_hits_and_a_long_market_deals() {
    let long = |hits, deals, conditions: Conditions| {
        let change = |_: &mut RealmReport, bots: &mut BotsReport| {
            (bots.seconds, bots.hits_taken, bots.deals, bots.visible_mean) = (1000.0, hits, deals, 50.0);
        };
        failures(change, &conditions)
    };
    let (fight, trade) = (Conditions { fighters: 1.0, ..FREE }, Conditions { traders: 1.0, ..FREE });
    assert_eq!(long(0, 0, FREE), Vec::<String>::new());
    assert_eq!(long(1, 0, fight), Vec::<String>::new());
    assert_eq!(long(0, 1, trade), Vec::<String>::new());
    assert!(long(0, 1, fight)[0].contains("ever hit"));
    assert!(long(1, 0, trade)[0].contains("no deal"));
    assert_eq!(failures(|_, _| {}, &fight), Vec::<String>::new(), "too short to find anybody");
}

#[test]
fn what_was_interrupted_has_not_failed_by_that() {
    let interrupted = Conditions { is_interrupted: true, ..FREE };
    let change = |realm: &mut RealmReport, bots: &mut BotsReport| {
        (bots.seconds, bots.connected, bots.digests_checked, realm.measured) = (0.0, 3, 0, None);
    };
    assert_eq!(failures(change, &interrupted), Vec::<String>::new());
    let (mut realm, mut bots) = (realm(), bots());
    change(&mut realm, &mut bots);
    let table = DemoReport::new(realm, bots, false, &interrupted).table();
    assert!(table.contains("result          interrupted"), "{table}");
    assert!(failures(|_, bots| bots.view_mismatches = 1, &interrupted)[0].contains("disagreed"));
}

#[test]
fn late_refreshes_are_no_fault_when_datagrams_are_lost_on_purpose() {
    assert_eq!(
        failures(|_, bots| bots.far_refresh_late = 5, &Conditions { is_troubled: true, ..FREE }),
        Vec::<String>::new()
    );
}

#[test]
fn the_json_object_has_every_promised_field() {
    let report = DemoReport::new(realm(), bots(), true, &FREE);
    let json = serde_json::to_value(&report).expect("every field has a JSON form");
    for field in [
        "clients",
        "connected",
        "seconds",
        "tick_hz",
        "tick_ms_p50",
        "tick_ms_p99",
        "tick_ms_max",
        "ticks_late",
        "snapshots_per_client_per_s_p1",
        "snapshots_per_client_per_s_p50",
        "bytes_per_client_per_tick",
        "visible_mean",
        "server_cpu_us_per_client_tick",
        "bots_cpu_us_per_client_tick",
        "view_mismatches",
        "decode_errors",
        "io_backend",
        "simd",
    ] {
        assert!(!json[field].is_null(), "{field} is missing");
    }
    assert_eq!(json["bytes_per_client_per_tick"], 372.0);
    assert_eq!(serde_json::from_value::<DemoReport>(json).expect("reads back"), report);
}

#[test]
fn the_table_says_how_it_went() {
    let mut report = DemoReport::new(realm(), bots(), false, &FREE);
    report.kept_up = true;
    assert!(report.table().contains("result          passed"), "{}", report.table());
    report.kept_up = false;
    assert!(report.table().contains("did not keep up"), "{}", report.table());
    report.failures.push("something".to_owned());
    let table = report.table();
    assert!(table.contains("failed          something") && !table.contains("passed"), "{table}");
    assert!(table.lines().all(|line| line.len() < 110));
}

#[test]
fn a_run_without_a_tick_has_no_figures_for_each_tick() {
    let played = BotsReport { ticks: 100, bytes_per_client_per_tick: 372.0, ..bots() };
    let table = bots_table(&played, &[], false);
    assert!(table.contains("bytes           372.0 a client and tick"), "{table}");
    let stopped = BotsReport { ticks: 0, bytes_per_client_per_tick: 0.0, ..bots() };
    let table = bots_table(&stopped, &[], true);
    assert!(table.matches("not measured\n").count() == 2 && !table.contains("a client and tick"), "{table}");
}
