//! A realm with its gateway in one process is asked to stop: nobody else gets in, all else is answered as ever, and whoever
//! leaves last can still log out.

mod operator;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use operator::{Place, Process, SETTINGS, agent, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use throng_server::report::Event;

const LOG: &str = "serve.stderr";

fn read(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    let mut response = response.expect("an answer");
    let text = response.body_mut().read_to_string().expect("text");
    (response.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
}

#[test]
fn the_gateway_answers_until_the_last_player_has_logged_out() {
    // Neither time is ever over here: signals end both.
    let place = Place::with(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nshutdown_timeout_ms = 120000\n[realm]\ndrain_s = 86400\n\
         [net]\nlisten = \"127.0.0.1:0\"\n[world]\nland = \"flat\"\n[caps]\nallow = [\"127.0.0.0/8\"]\n",
    );
    place.run(&[
        "account",
        "create",
        "--count",
        "2",
        "--prefix",
        "bot",
        "--locked",
        "--sessions",
        "bots.txt",
    ]);
    let tokens = fs::read_to_string(place.path().join("bots.txt")).expect("written");
    let [player, other] = [0, 1].map(|line| {
        let token = tokens.lines().nth(line).expect("two lines").trim();
        format!("Bearer {token}")
    });

    let log = File::create(place.path().join(LOG)).expect("writable");
    let mut serve = place.throng(&["serve", "--config", SETTINGS, "--progress", "json"]);
    let mut server = Process::start(serve.stdout(Stdio::piped()).stderr(log));
    let mut events = BufReader::new(server.0.stdout.take().expect("piped")).lines().map(|line| {
        let line = line.expect("text");
        serde_json::from_str::<Event>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let Some(Event::Listening(startup)) = events.next() else { panic!("it does not start") };
    let gateway = startup.gateway.expect("a gateway beside the realm").url;
    let url = |path: &str| format!("{gateway}{path}");
    let way_in =
        ["bots", "--gateway", &gateway, "--ca", "throng-data/tls/cert.pem", "--sessions", "bots.txt"];
    let playing = [&way_in[..], &["--clients", "1", "--seconds", "3600"]].concat();
    let mut playing = Process::start(place.throng(&playing).stdout(Stdio::null()));
    assert!(events.any(|event| matches!(event, Event::Progress(progress) if progress.clients == 1)));

    server.signal(Signal::TERM);
    let agent = agent(&place);
    until("the drain", || {
        let (_, body) = read(agent.get(url("/v1/realms")).call());
        (body["realms"][0]["state"] == "draining").then_some(())
    });
    // Everybody else is answered as ever, but for the way in.
    let (status, body) = read(agent.get(url("/v1/characters")).header("authorization", &other).call());
    assert_eq!(status, 200, "{body}");
    let asked = json!({
        "character_id": body["characters"][0]["id"], "realm_id": 1,
        "client_public": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    });
    let play = agent.post(url("/v1/play")).header("authorization", &other);
    let (status, body) = read(play.header("content-type", "application/json").send(asked.to_string()));
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("realm_draining")), "{body}");

    // The only player leaves. Did the realm, and the gateway with it, end in this moment, nobody would log out any more.
    playing.signal(Signal::TERM);
    playing.ended();
    let told = || fs::read_to_string(place.path().join(LOG)).expect("readable");
    let mut has_ended = || server.0.try_wait().expect("a child").is_some();
    until("the realm's notice of it", || {
        assert!(!has_ended(), "it ended with the last player: {}", told());
        told().contains("the last player has left").then_some(())
    });
    let (status, body) = read(agent.post(url("/v1/logout")).header("authorization", &player).send_empty());
    assert_eq!(status, 204, "{body}");
    let (status, _) = read(agent.get(url("/v1/characters")).header("authorization", &player).call());
    assert_eq!(status, 401, "it has logged out");
    assert!(!has_ended(), "{}", told());

    // A second signal, and it stops in order without waiting for anybody.
    server.signal(Signal::TERM);
    let status = server.ended();
    assert!(status.success(), "{status}: {}", told());
    let Some(Event::Report(report)) = events.last() else { panic!("no report") };
    assert_eq!(report.counters.gateway["logouts"], 1);
}
