//! The list of realms.

use std::sync::Arc;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use throng_server::account::commands::{self, RealmCommand};
use throng_server::gateway::board::{News, RealmReport, RealmState, Vitals};
use throng_server::gateway::keys::DataDir;
use throng_server::gateway::kicks::Kicks;
use throng_server::gateway::queue::{Queue, Room, Turn};
use throng_server::gateway::routes::realms::StatusPush;
use throng_server::gateway::secrets::{decode, encode};
use throng_server::realm::Orders;

use crate::support::{CAPACITY, ELSEWHERE, Folder, HERE, Reply, World, key_name, public_key, signing_key};

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
    let states = ["open", "draining", "starting"];
    bytes.push(states.iter().position(|state| *state == text("state")).expect("a state") as u8);
    for field in ["name", "address"] {
        bytes.extend_from_slice(&(text(field).len() as u16).to_le_bytes());
        bytes.extend_from_slice(text(field).as_bytes());
    }
    let key: [u8; 32] = decode(text("public_key")).expect("32 bytes");
    let signature: [u8; 64] = decode(text("signature")).expect("64 bytes");
    UnparsedPublicKey::new(&ED25519, key).verify(&bytes, &signature).is_ok()
}

pub fn report(as_of_ms: u64) -> RealmReport {
    RealmReport {
        realm_id: ELSEWHERE,
        as_of_ms,
        vitals: Vitals { population: 9, capacity: 10, tick_p99_us: 12_345, state: RealmState::Draining },
        name: "Anderswo".to_owned(),
        address: "play.example.org:7777".to_owned(),
    }
}

/// A push of this status.
pub fn push(report: RealmReport, news: News) -> Value {
    let key = signing_key(ELSEWHERE);
    serde_json::to_value(StatusPush::new(report.sign(&key), news, &key)).expect("JSON")
}

fn news() -> News {
    News { token_keys: vec![key_name(3)], ..News::default() }
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
    world.status.set_state(RealmState::Starting);
    let realm = &listed()[0];
    assert!(is_genuine(realm));
    assert_eq!(realm["state"], "starting");
}

#[test]
fn a_realm_elsewhere_keeps_its_own_line() {
    let world = World::new();
    let client = world.client();
    let send = |body: &Value| client.post("/v1/realm-status", None, body);
    let now_ms = world.now_ms();
    let first = push(report(now_ms), news());
    send(&first).expect(204);
    send(&first).refused(409, "status_stale");
    send(&push(report(now_ms - 1), news())).refused(409, "status_stale");
    send(&push(report(now_ms + 60_000), news())).refused(409, "status_stale");
    let mut forged = push(report(now_ms + 1), news());
    forged["population"] = 0.into();
    send(&forged).refused(401, "status_unsigned");
    forged["signature"] = "x".into();
    send(&forged).refused(401, "status_unsigned");
    for keys in [vec![], vec![key_name(3); 9]] {
        send(&push(report(now_ms + 1), News { token_keys: keys, ..news() })).refused(422, "field_invalid");
    }
    let mut cut = push(report(now_ms + 1), news());
    cut["token_keys"][0]["fingerprint"] = "AAAAAAAAAA".into();
    send(&cut).refused(422, "field_invalid");
    for other in [HERE, 77] {
        let stranger = RealmReport { realm_id: other, ..report(now_ms + 1) };
        send(&push(stranger, news())).refused(401, "status_unsigned");
    }
    let nameless = RealmReport { name: String::new(), ..report(now_ms + 1) };
    send(&push(nameless, news())).refused(422, "field_invalid");

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

/// What anybody can read in the list, and a push that was heard, sent again to a gateway that has begun anew.
#[test]
fn a_listing_is_no_push() {
    let [before, after] = [World::new(), World::new()];
    let first = push(report(before.now_ms()), News { kicks_heard: u64::MAX - 1, ..news() });
    before.client().post("/v1/realm-status", None, &first).expect(204);
    let mut listed = before.client().get("/v1/realms", None).expect(200)["realms"][1].clone();
    for unsigned in ["public_key", "load", "online"] {
        listed.as_object_mut().expect("an object").remove(unsigned);
    }
    let client = after.client();
    client.post("/v1/realm-status", None, &listed).refused(400, "body_malformed");
    listed["token_keys"] = first["token_keys"].clone();
    listed["push_signature"] = listed["signature"].clone();
    client.post("/v1/realm-status", None, &listed).refused(401, "status_unsigned");
    let mut changed = first.clone();
    changed["arrived"] = json!(["7"]);
    client.post("/v1/realm-status", None, &changed).refused(401, "status_unsigned");
    client.post("/v1/realm-status", None, &first).expect(204);
}

/// A second passes, and the realm elsewhere says up to which number it has heard.
fn hear(world: &World, kicks_heard: u64) -> Reply {
    world.pass_s(1);
    let body = push(report(world.now_ms()), News { kicks_heard, ..news() });
    world.client().post("/v1/realm-status", None, &body)
}

#[test]
fn a_realm_elsewhere_learns_whom_to_put_out_until_it_says_that_it_knows() {
    let world = World::new();
    hear(&world, 0).expect(204);
    let first = world.now_ms();
    for account in [7, u64::MAX] {
        assert!(world.gateway().board.kick(first, ELSEWHERE, account));
    }
    let [seven, most] = [(first, 7), (first + 1, u64::MAX)]
        .map(|(number, who)| json!({ "number": number, "account": who.to_string() }));
    // An answer may be lost.
    for _ in 0..2 {
        assert_eq!(hear(&world, 0).expect(200)["kicks"], json!([seven, most]));
    }
    assert_eq!(
        hear(&world, u64::MAX).expect(200)["kicks"],
        json!([seven, most]),
        "a number that was never given"
    );
    assert_eq!(hear(&world, first).expect(200)["kicks"], json!([most]));
    hear(&world, first + 1).expect(204);
}

/// A ban, as an operator's command leaves it, until the realm has heard of it: through a restart of the gateway, and behind as
/// many others as can wait.
#[test]
fn a_kick_is_kept_on_disk_until_its_realm_has_heard_of_it() {
    let folder = Folder::new();
    let dir = DataDir::create(folder.path()).expect("writable");
    let left = || {
        let names = std::fs::read_dir(folder.path().join("commands")).expect("a folder");
        names
            .map(|entry| entry.expect("readable").file_name().into_string().expect("text"))
            .collect::<Vec<_>>()
    };
    let accounts = |reply: Reply| {
        let kicks = reply.expect(200)["kicks"].as_array().expect("a list").clone();
        let last = kicks.last().expect("somebody")["number"].as_u64().expect("a number");
        (
            kicks.iter().map(|kick| kick["account"].as_str().expect("text").to_owned()).collect::<Vec<_>>(),
            last,
        )
    };
    commands::leave(&dir, RealmCommand::Kick { account: 7 }).expect("left");
    commands::leave(&dir, RealmCommand::KickThere { account: 8, realm_id: 77 }).expect("left");

    let world = World::new();
    let orders = Arc::new(Orders::default());
    let mut kicks = Kicks::new(dir.clone(), Some(Arc::clone(&orders)), world.gateway());
    for _ in 0..3 {
        kicks.look(world.gateway()).expect("readable");
    }
    assert_eq!(left(), ["kick-7-2"], "and none for a realm that there is not");
    assert_eq!(orders.waiting_kicks(), [7], "here it is done once");
    assert_eq!(accounts(hear(&world, 0)).0, ["7"]);
    drop(kicks);

    let world = World::new();
    let board = &world.gateway().board;
    assert!((1000..2024).all(|account| board.kick(world.now_ms(), ELSEWHERE, account)));
    let mut kicks = Kicks::new(dir.clone(), None, world.gateway());
    kicks.look(world.gateway()).expect("readable");
    let (told, last) = accounts(hear(&world, 0));
    assert_eq!((told.len(), told[0].as_str(), told[1023].as_str()), (1024, "1000", "2023"), "none gives way");
    assert_eq!((world.counter("kicks_put_off"), left()), (1, vec!["kick-7-2".to_owned()]));

    hear(&world, last).expect(204);
    for _ in 0..3 {
        kicks.look(world.gateway()).expect("readable");
    }
    let (told, last) = accounts(hear(&world, last));
    assert_eq!((told, left()), (vec!["7".to_owned()], vec!["kick-7-2".to_owned()]));
    // Banned again before it has heard of the first: another number.
    commands::leave(&dir, RealmCommand::Kick { account: 7 }).expect("left");
    kicks.look(world.gateway()).expect("readable");
    let (told, again) = accounts(hear(&world, last));
    assert!(told == ["7"] && again > last);
    kicks.look(world.gateway()).expect("readable");
    assert_eq!(left(), ["kick-7-2"]);
    hear(&world, again).expect(204);
    kicks.look(world.gateway()).expect("readable");
    assert_eq!(left(), [""; 0]);
    assert_eq!(world.counter("kicks_put_off"), 1);
}

/// Account after account is heard of, its file is still there, others take all the room, and it is banned again.
#[test]
fn a_kick_that_follows_one_that_was_heard_of_is_not_taken_for_it() {
    let folder = Folder::new();
    let dir = DataDir::create(folder.path()).expect("writable");
    let world = World::new();
    let board = &world.gateway().board;
    let mut kicks = Kicks::new(dir.clone(), None, world.gateway());
    // Sixteen, since the file system says whether the new command or the old one is looked at first.
    let leave =
        || (0..16).for_each(|account| commands::leave(&dir, RealmCommand::Kick { account }).expect("left"));
    let last_of = |reply: Reply| {
        let kicks = reply.expect(200)["kicks"].as_array().expect("a list").clone();
        kicks.last().expect("somebody")["number"].as_u64().expect("a number")
    };
    leave();
    kicks.look(world.gateway()).expect("readable");
    let heard = last_of(hear(&world, 0));
    hear(&world, heard).expect(204);
    assert!((1000..2024).all(|account| board.kick(world.now_ms(), ELSEWHERE, account)));
    leave();
    kicks.look(world.gateway()).expect("readable");
    let heard = last_of(hear(&world, heard));
    hear(&world, heard).expect(204);
    for _ in 0..2 {
        kicks.look(world.gateway()).expect("readable");
    }
    let waiting = |account: &u64| board.has_kick(ELSEWHERE, *account);
    assert_eq!((0..16).filter(waiting).count(), 16, "all are to be put out once more");
}

#[test]
fn who_has_arrived_elsewhere_needs_no_seat_held() {
    let world = World::new();
    let client = world.client();
    let status = |population, arrived: &[u64]| {
        world.pass_s(1);
        let report = report(world.now_ms());
        let vitals = Vitals { population, state: RealmState::Open, ..report.vitals };
        let body = push(RealmReport { vitals, ..report }, News { arrived: arrived.to_vec(), ..news() });
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
