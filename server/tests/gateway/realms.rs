//! The list of realms.

use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use throng_server::gateway::board::{RealmReport, RealmState, Vitals};
use throng_server::gateway::queue::{Queue, Room, Turn};
use throng_server::gateway::routes::realms::StatusPush;
use throng_server::gateway::secrets::{decode, encode};

use crate::support::{CAPACITY, ELSEWHERE, HERE, World, public_key, signing_key};

/// What a browser does, from the document alone.
fn is_genuine(realm: &Value) -> bool {
    let number = |field: &str| realm[field].as_u64().unwrap_or_else(|| panic!("no {field}: {realm}"));
    let text = |field: &str| realm[field].as_str().unwrap_or_else(|| panic!("no {field}: {realm}"));
    let mut bytes = b"throng realm 1".to_vec();
    bytes.extend_from_slice(&(number("id") as u32).to_le_bytes());
    bytes.extend_from_slice(&number("as_of_ms").to_le_bytes());
    for field in ["population", "capacity", "tick_p99_us"] {
        bytes.extend_from_slice(&(number(field) as u32).to_le_bytes());
    }
    bytes.push(u8::from(text("state") == "draining"));
    for field in ["name", "address"] {
        bytes.extend_from_slice(&(text(field).len() as u16).to_le_bytes());
        bytes.extend_from_slice(text(field).as_bytes());
    }
    let key: [u8; 32] = decode(text("public_key")).expect("32 bytes");
    let signature: [u8; 64] = decode(text("signature")).expect("64 bytes");
    UnparsedPublicKey::new(&ED25519, key).verify(&bytes, &signature).is_ok()
}

fn report(as_of_ms: u64) -> RealmReport {
    RealmReport {
        realm_id: ELSEWHERE,
        as_of_ms,
        vitals: Vitals { population: 9, capacity: 10, tick_p99_us: 12_345, state: RealmState::Draining },
        name: "Anderswo".to_owned(),
        address: "play.example.org:7777".to_owned(),
    }
}

fn push(world: &World, report: RealmReport) -> Value {
    let _ = world;
    serde_json::to_value(StatusPush::from(report.sign(&signing_key(ELSEWHERE)))).expect("JSON")
}

#[test]
fn a_realm_here_is_listed_as_it_is() {
    let world = World::new();
    let client = world.client();
    let listed = || client.get("/v1/realms", None).expect(200)["realms"].clone();
    world.status.set_population(7);
    world.status.set_tick_p99_us(4200);
    let realms = listed();
    assert_eq!(realms.as_array().map(Vec::len), Some(1), "the other was never heard of");
    let realm = &realms[0];
    assert!(is_genuine(realm));
    assert_eq!(realm["public_key"], encode(&public_key(HERE)));
    assert_eq!(
        (&realm["id"], &realm["name"], &realm["address"]),
        (&json!(HERE), &json!("Here"), &json!("127.0.0.1:7777"))
    );
    assert_eq!((&realm["population"], &realm["capacity"]), (&json!(7), &json!(CAPACITY)));
    assert_eq!(
        (&realm["state"], &realm["load"], &realm["online"]),
        (&json!("open"), &json!("medium"), &json!(true))
    );
    let mut changed = realm.clone();
    changed["population"] = 0.into();
    assert!(!is_genuine(&changed));

    world.status.set_state(RealmState::Draining);
    world.status.set_population(CAPACITY);
    let realm = &listed()[0];
    assert!(is_genuine(realm));
    assert_eq!((&realm["state"], &realm["load"]), (&json!("draining"), &json!("full")));
}

#[test]
fn a_realm_elsewhere_keeps_its_own_line() {
    let world = World::new();
    let client = world.client();
    let send = |body: &Value| client.post("/v1/realm-status", None, body);
    let now_ms = world.now_ms();
    let first = push(&world, report(now_ms));
    send(&first).expect(204);
    send(&first).refused(409, "status_stale");
    send(&push(&world, report(now_ms - 1))).refused(409, "status_stale");
    send(&push(&world, report(now_ms + 60_000))).refused(409, "status_stale");
    let mut forged = push(&world, report(now_ms + 1));
    forged["population"] = 0.into();
    send(&forged).refused(401, "status_unsigned");
    forged["signature"] = "x".into();
    send(&forged).refused(401, "status_unsigned");
    for other in [HERE, 77] {
        let stranger = RealmReport { realm_id: other, ..report(now_ms + 1) };
        send(&push(&world, stranger)).refused(401, "status_unsigned");
    }
    let nameless = RealmReport { name: String::new(), ..report(now_ms + 1) };
    send(&push(&world, nameless)).refused(422, "field_invalid");

    let realms = client.get("/v1/realms", None).expect(200)["realms"].clone();
    let realm = &realms[1];
    assert!(is_genuine(realm));
    assert_eq!(
        (&realm["name"], &realm["online"], &realm["load"]),
        (&json!("Anderswo"), &json!(true), &json!("high"))
    );
    world.pass_s(11);
    let realms = client.get("/v1/realms", None).expect(200)["realms"].clone();
    assert_eq!(realms[1]["online"], false);
    assert!(is_genuine(&realms[1]));
    assert_eq!(world.counter("realm_statuses"), 1);
}

#[test]
fn a_realm_elsewhere_learns_whom_to_put_out_until_it_says_that_it_knows() {
    let world = World::new();
    let client = world.client();
    let send = |kicks_heard: u64| {
        world.pass_s(1);
        let mut body = push(&world, report(world.now_ms()));
        body["kicks_heard"] = kicks_heard.into();
        client.post("/v1/realm-status", None, &body)
    };
    send(0).expect(204);
    let first = world.now_ms();
    for account in [7, u64::MAX] {
        world.gateway().board.kick(first, account);
    }
    let [seven, most] = [(first, 7), (first + 1, u64::MAX)]
        .map(|(number, who)| json!({ "number": number, "account": who.to_string() }));
    // An answer may be lost.
    for _ in 0..2 {
        assert_eq!(send(0).expect(200)["kicks"], json!([seven, most]));
    }
    assert_eq!(send(u64::MAX).expect(200)["kicks"], json!([seven, most]), "a number that was never given");
    assert_eq!(send(first).expect(200)["kicks"], json!([most]));
    send(first + 1).expect(204);
    for account in 0..5000 {
        world.gateway().board.kick(world.now_ms(), account);
    }
    assert_eq!(send(first + 1).expect(200)["kicks"].as_array().map(Vec::len), Some(1024), "bounded");
}

#[test]
fn who_has_arrived_elsewhere_needs_no_seat_held() {
    let world = World::new();
    let client = world.client();
    let status = |population, arrived: &[u64]| {
        world.pass_s(1);
        let report = report(world.now_ms());
        let vitals = Vitals { population, state: RealmState::Open, ..report.vitals };
        let signed = RealmReport { vitals, ..report }.sign(&signing_key(ELSEWHERE));
        let body = serde_json::to_value(StatusPush::new(signed, arrived, 0)).expect("JSON");
        client.post("/v1/realm-status", None, &body)
    };
    let ask = |population, account| {
        let room = Room { capacity: 10, population, is_open: true };
        let ask = |queue: &mut Queue| queue.ask(world.now_ms(), room, account, None);
        world.gateway().queue(ELSEWHERE, ask).expect("a line")
    };
    status(8, &[]).expect(204);
    assert_eq!([ask(8, 1), ask(8, 2)], [Turn::Admitted, Turn::Admitted]);
    // One of them has entered. With its seat still held there would be no room for another.
    status(9, &[1]).expect(204);
    assert!(matches!(ask(9, 3), Turn::Wait { .. }), "the other's seat is held");
    status(8, &[2]).expect(204);
    world.pass_s(5);
    assert_eq!(ask(8, 3), Turn::Admitted);
    let many: Vec<u64> = (0..501).collect();
    status(8, &many).refused(422, "field_invalid");
}
