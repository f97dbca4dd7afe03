//! A gateway in a storm: the program as a process of its own, attacked over HTTPS.
//!
//! What is asserted in every run is what became of each request and socket. The figures that this server promises
//! need a machine that does nothing else; they are asserted by what is marked `ignored`:
//! `cargo test --release -p throng --test storm -- --ignored --nocapture --test-threads 1`.

mod operator;

use std::fs;
use std::sync::atomic::AtomicBool;

use operator::{GatewayProcess, Place, REALM, Realm};
use throng_tools::storm::{
    self, Attack, Honest, LoginStorm, ReconnectStorm, Session, SlowStorm, Stall, Storm, StormReport, Target,
};

struct Besieged {
    place: Place,
    gateway: GatewayProcess,
}

impl Besieged {
    fn new(gateway: &str) -> Self {
        let place = Place::new(gateway, "");
        let gateway = GatewayProcess::start(&place);
        Self { place, gateway }
    }

    /// Players who have a session, and nothing to log in by.
    fn players(&self, count: u32, prefix: &str) -> Vec<Session> {
        let (count, file) = (count.to_string(), format!("{prefix}.tokens"));
        let create =
            ["account", "create", "--count", &count, "--prefix", prefix, "--locked", "--sessions", &file];
        self.place.run(&create);
        let tokens = fs::read_to_string(self.place.path().join(file)).expect("written");
        Session::read(&tokens).expect("tokens")
    }

    fn storm(&self, attack: Attack, honest: Option<Honest>, seconds: u32) -> StormReport {
        let target = Target::new(&self.gateway.url(), &self.place.certificate()).expect("a gateway here");
        let storm = Storm { target, attack, honest, seconds, pid: Some(self.gateway.id()), seed: 1 };
        let report = storm::run(storm, &AtomicBool::new(false)).expect("a storm");
        println!("{}", serde_json::to_string(&report).expect("JSON"));
        report
    }
}

fn names(prefix: &str, count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("{prefix}{number}")).collect()
}

#[test]
fn wrong_logins_are_all_answered_and_let_nobody_in() {
    let besieged = Besieged::new("");
    let honest = Honest { rate_hz: 5, sessions: besieged.players(10, "player") };
    let login = LoginStorm { rate_hz: 30, known: names("player", 10) };
    let report = besieged.storm(Attack::Login(login), Some(honest), 2);
    let login = report.login.expect("a report");
    assert_eq!(
        login.tried,
        login.known.all.count + login.unknown.all.count,
        "each has its answer: {login:?}"
    );
    for answers in [&login.known, &login.unknown] {
        let statuses: Vec<u16> = answers.by_status.keys().copied().collect();
        assert!(
            !statuses.is_empty() && statuses.iter().all(|status| [401, 429, 503].contains(status)),
            "{login:?}"
        );
    }
    assert!(login.unknown.with(401) > 0);
    assert_eq!(report.honest.expect("a report").failed(), 0);
}

#[test]
fn a_herd_comes_back_through_the_line() {
    // Ten a second at most, so that most of them have to wait.
    let besieged = Besieged::new("admit_per_s = 10");
    let _realm = Realm::start(&besieged.place, &besieged.gateway);
    let sessions = besieged.players(25, "player");
    let storm = ReconnectStorm { sessions, realm_id: REALM, sockets_max: 10 };
    let report = besieged.storm(Attack::Reconnect(storm), None, 600).reconnect.expect("a report");
    assert_eq!((report.sessions, report.through, report.failed.len()), (25, 25, 0), "{report:?}");
    assert!(report.waits > 0 && report.play.with(200) == 25, "{report:?}");
}

#[test]
fn sockets_that_stall_are_closed_wherever_they_do() {
    let besieged = Besieged::new(
        "handshake_timeout_ms = 400\nhead_timeout_ms = 400\nidle_timeout_ms = 600\n\
         password_deadline_ms = 500\nrequest_timeout_ms = 800",
    );
    let storm = SlowStorm { sockets: 40, rate_hz: 200, stalls: Vec::new() };
    let report = besieged.storm(Attack::Slow(storm), None, 100).slow.expect("a report");
    assert_eq!((report.sockets, report.open), (40, 0), "{report:?}");
    assert_eq!(report.by_stall.len(), Stall::ALL.len());
}

#[test]
#[ignore = "a minute on a machine that does nothing else"]
fn five_hundred_wrong_logins_a_second() {
    const PERMITS: u64 = 1;
    let besieged = Besieged::new(&format!("password_threads = {PERMITS}"));
    let honest = Honest { rate_hz: 20, sessions: besieged.players(1000, "player") };
    let login = LoginStorm { rate_hz: 500, known: names("player", 1000) };
    let report = besieged.storm(Attack::Login(login), Some(honest), 60);
    let (honest, memory) = (report.honest.expect("a report"), report.memory.expect("a report"));
    assert_eq!(honest.failed(), 0);
    assert!(honest.all.all.p99_ms.is_some_and(|p99_ms| p99_ms <= 250.0), "{honest:?}");
    assert!(memory.most_kib - memory.before_kib <= (PERMITS * 19 + 64) * 1024, "{memory:?}");
}

#[test]
#[ignore = "most of a minute on a machine that does nothing else"]
fn ten_thousand_come_back_in_forty_seconds() {
    let besieged = Besieged::new("");
    let _realm = Realm::start(&besieged.place, &besieged.gateway);
    let sessions = besieged.players(10_000, "player");
    let storm = ReconnectStorm { sessions, realm_id: REALM, sockets_max: 1000 };
    let report = besieged.storm(Attack::Reconnect(storm), None, 120).reconnect.expect("a report");
    assert_eq!(report.through, 10_000, "{report:?}");
    assert!(report.seconds <= 40.0, "{report:?}");
}

#[test]
#[ignore = "half a minute on a machine that does nothing else"]
fn five_thousand_slow_sockets() {
    let besieged = Besieged::new("");
    let storm = SlowStorm { sockets: 5000, rate_hz: 1000, stalls: Vec::new() };
    let report = besieged.storm(Attack::Slow(storm), None, 60);
    assert_all_closed(&report, 5000);
    let slow = report.slow.expect("a report");
    assert_eq!(slow.by_stall.len(), Stall::ALL.len());
    assert!(slow.closed.max_ms.is_some_and(|max_ms| max_ms <= 12_000.0), "{slow:?}");
}

fn assert_all_closed(report: &StormReport, sockets: u64) {
    let (slow, memory) = (report.slow.as_ref().expect("a report"), report.memory.expect("a report"));
    assert_eq!((slow.sockets, slow.open), (sockets, 0), "{slow:?}");
    assert!(memory.files_after <= memory.files_before.map(|files| files + 16), "{memory:?}");
}
