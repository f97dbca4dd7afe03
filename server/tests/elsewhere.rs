//! A gateway and a realm in two processes, as an operator sets them up: keys are copied once, players get in, and a realm
//! that drains lets nobody in.

mod operator;

use std::fs::{self, File};
use std::process::Stdio;

use operator::{GatewayProcess, Place, Process, REALM, SETTINGS, agent, until};
use rustix::process::Signal;
use serde_json::{Value, json};

#[test]
fn players_enter_a_realm_elsewhere_until_it_drains() {
    let settings = |gateway: &str| {
        format!(
            "[gateway]\nenabled = false\n{gateway}\n[realm]\nid = {REALM}\nname = \"Elsewhere\"\ndrain_s = 600\n\
             [net]\nlisten = \"127.0.0.1:0\"\n[world]\nland = \"flat\"\n[caps]\nallow = [\"127.0.0.0/8\"]\n"
        )
    };
    // The realm's key comes first: the gateway's settings name it, and its certificate is made when it starts.
    let there = Place::with(&settings("report_to = \"https://127.0.0.1:7780\""));
    let listed = there.run_json(&["keys", "list"]);
    let [key] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(key["realm"], REALM);
    let public_key = key["public_key"].as_str().expect("a key");
    let refused = there.throng(&["keys", "rotate", "--config", SETTINGS]).output().expect("starts");
    let error = String::from_utf8(refused.stderr).expect("text");
    assert!(!refused.status.success() && !there.data().join("keys/root.keys").exists(), "{error}");
    assert!(error.contains("https://127.0.0.1:7780") && error.contains("keys/realm-7.keys"), "{error}");
    let here = Place::for_realm(public_key, "", "[caps]\nallow = [\"127.0.0.0/8\"]");
    let gateway = GatewayProcess::start(&here);
    until("what it needs, in its log", || {
        let told = fs::read_to_string(here.path().join(operator::STDERR)).expect("readable");
        (told.contains(&format!("realm {REALM} is offline until")) && told.contains("report_to"))
            .then_some(())
    });

    // The gateway lists the realm's key as it was told it, and makes none up.
    let listed = here.run_json(&["keys", "list"]);
    let told = listed.iter().find(|line| line["realm"] == REALM).expect("it is listed");
    assert_eq!(told["public_key"], public_key);
    assert!(!here.data().join(format!("keys/realm-{REALM}.signing")).exists());

    // What the realm needs of the gateway: the keys of its tokens, and whom to trust.
    let keys = format!("keys/realm-{REALM}.keys");
    fs::copy(here.data().join(&keys), there.data().join(&keys)).expect("the gateway has made them");
    fs::write(there.path().join("gateway.pem"), here.certificate()).expect("writable");
    there.settle(&settings(&format!("report_to = \"{}\"\nreport_ca = \"gateway.pem\"", gateway.url())));
    let log = File::create(there.path().join("serve.stderr")).expect("writable");
    let mut realm = Process::start(there.throng(&["serve", "--config", SETTINGS]).stderr(log));

    let agent = agent(&here);
    let read = |response: Result<ureq::http::Response<ureq::Body>, ureq::Error>| {
        let mut response = response.expect("an answer");
        let body: Value = response.body_mut().read_json().expect("JSON");
        (response.status().as_u16(), body)
    };
    let state = || {
        let (_, body) = read(agent.get(format!("{}/v1/realms", gateway.url())).call());
        let realm = body["realms"].as_array().expect("a list").first()?.clone();
        (realm["online"] == true).then(|| realm["state"].as_str().expect("a state").to_owned())
    };
    until("the realm's listing", || {
        let told = fs::read_to_string(there.path().join("serve.stderr")).expect("readable");
        assert!(realm.0.try_wait().expect("a child").is_none(), "it ended: {told}");
        state().filter(|state| state == "open")
    });

    let told = |line: &str| {
        // It is listed a moment before it is logged.
        let log = until("a line of it", || {
            let log = fs::read_to_string(here.path().join(operator::STDERR)).expect("readable");
            log.contains(line).then_some(log)
        });
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    };
    // Its gateway's clock may be ahead or behind, so at first it takes no token, and none is made.
    told("realm 7, \"Elsewhere\", is here, and lets players in within 10 s");
    told("realm 7, \"Elsewhere\", lets players in: they are sent to 127.0.0.1:");

    let bots = |seconds: &str| {
        let url = gateway.url();
        let way_in =
            ["bots", "--gateway", &url, "--ca", "throng-data/tls/cert.pem", "--sessions", "bots.txt"];
        here.throng(&[&way_in[..], &["--clients", "3", "--seconds", seconds]].concat())
    };
    let create =
        ["account", "create", "--count", "4", "--prefix", "bot", "--locked", "--sessions", "bots.txt"];
    here.run(&create);
    let played = bots("1").output().expect("starts");
    assert!(played.status.success(), "{played:?}");

    // The tokens' key is changed, and nobody has copied the file yet.
    here.run(&["keys", "rotate"]);
    until("the gateway's use of the new key", || {
        let told = fs::read_to_string(here.path().join(operator::STDERR)).expect("readable");
        told.contains("connect tokens are made with key 2").then_some(())
    });
    let played = bots("1").output().expect("starts");
    assert!(played.status.success(), "{played:?}");
    // Copied, and the old one is worth nothing any more.
    fs::copy(here.data().join(&keys), there.data().join(&keys)).expect("it is there");
    here.run(&["keys", "rotate", "--revoke", "1"]);
    until("the realm's word that it holds the new key", || {
        let played = bots("1").output().expect("starts");
        played.status.success().then_some(())
    });

    // Somebody plays, and the realm is asked to stop.
    let population = || {
        let (_, body) = read(agent.get(format!("{}/v1/realms", gateway.url())).call());
        body["realms"][0]["population"].as_u64()
    };
    until("the end of the first visit", || population().filter(|players| *players == 0));
    let _playing = Process::start(bots("600").stdout(Stdio::null()));
    until("their arrival", || population().filter(|players| *players == 3));
    // A ban reaches them there.
    here.run(&["account", "ban", "bot1"]);
    until("the end of the banned", || population().filter(|players| *players == 2));
    realm.signal(Signal::TERM);
    until("the drain", || state().filter(|state| state == "draining"));
    told("realm 7, \"Elsewhere\", drains: nobody else is let in");
    let tokens = fs::read_to_string(here.path().join("bots.txt")).expect("written");
    let bearer = format!("Bearer {}", tokens.lines().last().expect("four").trim());
    let url = |path: &str| format!("{}{path}", gateway.url());
    let (_, body) = read(agent.get(url("/v1/characters")).header("authorization", &bearer).call());
    let asked = json!({
        "character_id": body["characters"][0]["id"], "realm_id": REALM,
        "client_public": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    });
    let play = agent.post(url("/v1/play")).header("authorization", &bearer);
    let (status, body) = read(play.header("content-type", "application/json").send(asked.to_string()));
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("realm_draining")), "{body}");
    assert!(realm.0.try_wait().expect("a child").is_none(), "whoever plays may finish");

    // A second time, and it stops in order, having said so.
    realm.signal(Signal::TERM);
    let status = realm.ended();
    assert!(status.success(), "{status}");
    let told = fs::read_to_string(there.path().join("serve.stderr")).expect("readable");
    assert!(told.contains("draining") && told.contains("stopped after"), "{told}");
    assert_ne!(state().as_deref(), Some("open"), "nobody is sent to a realm that is gone");
}
