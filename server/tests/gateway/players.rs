//! Characters, and the way into a realm.

use serde_json::{Value, json};
use throng_net::protocol::token::{KeyName, TokenHeader, TokenName, open};
use throng_server::gateway::board::{News, RealmState};
use throng_server::gateway::secrets::{decode, encode};

use crate::realms::{push, report};
use crate::support::{CAPACITY, Client, ELSEWHERE, HERE, Login, PROTOCOL_HASH, Plan, Reply, World, key_name};

fn create(client: &Client, login: &Login, name: &str) -> Reply {
    client.post("/v1/characters", Some(&login.access), &json!({ "name": name }))
}

fn id(body: &Value) -> String {
    body["id"].as_str().expect("an id").to_owned()
}

#[test]
fn characters_come_and_go() {
    let world = World::new();
    let client = world.client();
    let (ada, ben) = (world.register(&client, "Ada"), world.register(&client, "Ben"));
    let list =
        |login: &Login| client.get("/v1/characters", Some(&login.access)).expect(200)["characters"].clone();
    assert_eq!(list(&ada), json!([]));
    let grim = create(&client, &ada, "Grim").expect(201);
    world.pass_s(1);
    let hild = create(&client, &ada, "Hild").expect(201);
    assert_eq!(list(&ada), json!([grim, hild]));
    assert_eq!(list(&ben), json!([]));

    create(&client, &ben, "gRIM").refused(409, "name_taken");
    create(&client, &ben, "x").refused(422, "name_invalid");
    let path = format!("/v1/characters/{}", id(&grim));
    client.delete(&path, Some(&ben.access)).refused(404, "character_unknown");
    client.delete(&path, None).refused(401, "session_invalid");
    client.delete(&path, Some(&ada.access)).expect(204);
    client.delete(&path, Some(&ada.access)).refused(404, "character_unknown");
    assert_eq!(list(&ada), json!([hild]));
    create(&client, &ben, "Grim").refused(409, "name_taken");

    for bad in
        ["x", "0", "-1", "+1", "01", "1.5", "18446744073709551616", "%00", "%ff", "1%2f2", &"1".repeat(500)]
    {
        client.delete(&format!("/v1/characters/{bad}"), Some(&ada.access)).refused(400, "path_invalid");
    }
    client.delete("/v1/characters/5", Some(&ada.access)).refused(404, "character_unknown");
    assert_eq!((world.counter("characters_created"), world.counter("characters_deleted")), (2, 1));
}

#[test]
fn an_account_has_so_many_characters_and_no_more() {
    let world = World::new();
    let client = world.client();
    let ada = world.register(&client, "Ada");
    for number in 0..throng_store::limits::CHARACTERS_MAX {
        let letter = char::from(b'a' + number as u8);
        create(&client, &ada, &format!("hero {letter}{letter}")).expect(201);
    }
    create(&client, &ada, "one too many").refused(409, "characters_full");
}

const CLIENT_PUBLIC: [u8; 32] = [5; 32];

struct Player {
    login: Login,
    character: String,
}

impl Player {
    fn new(world: &World, client: &Client, name: &str) -> Self {
        let login = world.register(client, name);
        let character = id(&create(client, &login, name).expect(201));
        Self { login, character }
    }

    fn ask(&self, realm: u32, ticket: Option<&Value>) -> Value {
        let mut body = json!({
            "character_id": self.character, "realm_id": realm, "client_public": encode(&CLIENT_PUBLIC),
        });
        if let Some(ticket) = ticket {
            body["ticket"] = ticket.clone();
        }
        body
    }

    fn play(&self, client: &Client, body: &Value) -> Reply {
        client.post("/v1/play", Some(&self.login.access), body)
    }
}

#[test]
fn playing_gives_a_token_that_the_realm_opens() {
    let world = World::new();
    let client = world.client();
    let ada = Player::new(&world, &client, "Ada");
    let mut epochs = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let body = ada.play(&client, &ada.ask(HERE, None)).expect(200);
        assert_eq!(body["address"], "127.0.0.1:7777", "the address by which the gateway was reached");
        assert_eq!(body["expires_at_ms"], world.now_ms() + 30_000);
        let token: [u8; 328] = decode(body["token"].as_str().expect("text")).expect("328 bytes");
        let secret: [u8; 32] = decode(body["secret"].as_str().expect("text")).expect("32 bytes");
        let header = TokenHeader::read(&token).expect("a token");
        assert_eq!((header.realm_id, header.protocol_hash), (HERE, PROTOCOL_HASH));
        assert_eq!(header.not_after_ms, world.now_ms() + 30_000);
        let key = world.realm_keys.get(header.key_id).expect("a key of this realm");
        let opened = open(&token, key).expect("sealed for this realm");
        assert_eq!(
            (opened.account, opened.character.to_string()),
            (ada.login.account, ada.character.clone())
        );
        assert_eq!(opened.name, TokenName::new("Ada").expect("a name"));
        assert_eq!((opened.client_public, opened.issued_at_ms), (CLIENT_PUBLIC, world.now_ms()));
        assert_eq!(opened.secret.expose(), &secret);
        epochs.push(opened.session_epoch);
        ids.push(opened.token_id);
    }
    assert!(epochs[0] < epochs[1] && ids[0] != ids[1]);
    assert_eq!(world.counter("connect_tokens_minted"), 2);
}

#[test]
fn who_may_not_play_is_told_why() {
    let world = World::new();
    let client = world.client();
    let (ada, ben) = (Player::new(&world, &client, "Ada"), Player::new(&world, &client, "Ben"));
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = ada.ask(HERE, None);
        change(&mut body);
        ada.play(&client, &body)
    };
    client.post("/v1/play", None, &ada.ask(HERE, None)).refused(401, "session_invalid");
    changed(&|body| body["realm_id"] = 99.into()).refused(404, "realm_unknown");
    changed(&|body| body["realm_id"] = (-1).into()).refused(400, "body_malformed");
    changed(&|body| body["character_id"] = ben.character.clone().into()).refused(404, "character_unknown");
    for bad in ["", "0", "x", "-5", "184467440737095516160"] {
        changed(&|body| body["character_id"] = bad.into()).refused(422, "field_invalid");
    }
    for bad in [String::new(), encode(&[5; 31]), encode(&[5; 33]), "!".repeat(43)] {
        changed(&|body| body["client_public"] = bad.clone().into()).refused(422, "field_invalid");
    }
    // Of small order: a session with it would have no secret.
    changed(&|body| body["client_public"] = encode(&[0; 32]).into()).refused(422, "field_invalid");
    changed(&|body| body["ticket"] = "t".repeat(513).into()).refused(422, "field_invalid");

    let offline = changed(&|body| body["realm_id"] = ELSEWHERE.into());
    offline.refused(503, "realm_offline");
    assert!(offline.header("retry-after").is_some());
    for (state, why) in [(RealmState::Draining, "realm_draining"), (RealmState::Starting, "realm_starting")] {
        world.status.set_state(state);
        let shut = changed(&|_| {});
        shut.refused(503, why);
        assert!(shut.header("retry-after").is_some());
    }
    assert_eq!(world.counter("connect_tokens_minted"), 0);
}

/// What every try would cost otherwise: a turn in the line, a write, a character's epoch.
#[test]
fn a_realm_without_a_key_is_refused_before_anything_is_used_up() {
    let world = World::planned(Plan { keys_of: None, ..Plan::default() });
    let client = world.client();
    let ada = Player::new(&world, &client, "Ada");
    for population in [0, CAPACITY] {
        world.status.set_population(population);
        let refused = ada.play(&client, &ada.ask(HERE, None));
        refused.refused(503, "realm_offline");
        assert_eq!(refused.header("retry-after"), Some("5"));
    }
    assert_eq!((world.counter("queued"), world.counter("refused_internal")), (0, 0));
    world.status.set_population(0);
    world.gateway().set_realm_keys(world.realm_keys.clone());
    let body = ada.play(&client, &ada.ask(HERE, None)).expect(200);
    let token: [u8; 328] = decode(body["token"].as_str().expect("text")).expect("328 bytes");
    let opened = open(&token, world.realm_keys.current()).expect("sealed for this realm");
    assert_eq!(opened.session_epoch, 1, "the first that was made");
}

#[test]
fn a_realm_elsewhere_is_sent_the_newest_key_that_it_holds() {
    let world = World::planned(Plan { keys_of: Some(ELSEWHERE), ..Plan::default() });
    let client = world.client();
    let ada = Player::new(&world, &client, "Ada");
    let play_holding = |held: &[KeyName]| {
        world.pass_s(1);
        let mut report = report(world.now_ms());
        (report.vitals.state, report.vitals.population) = (RealmState::Open, 0);
        let news = News { token_keys: held.to_vec(), ..News::default() };
        client.post("/v1/realm-status", None, &push(report, news)).expect(204);
        ada.play(&client, &ada.ask(ELSEWHERE, None))
    };
    let key_of = |held: &[u16]| {
        let held: Vec<_> = held.iter().copied().map(key_name).collect();
        let body = play_holding(&held).expect(200);
        let token: [u8; 328] = decode(body["token"].as_str().expect("text")).expect("328 bytes");
        TokenHeader::read(&token).expect("a token").key_id
    };
    // A rotation has made key 4, and its file is copied in time, late, or not before 3 is revoked.
    assert_eq!([key_of(&[3, 2]), key_of(&[4, 3]), key_of(&[3, 4])], [3, 4, 4]);
    play_holding(&[2, 1].map(key_name)).refused(503, "realm_offline");
    // Those that it made itself, before it had a gateway elsewhere.
    let others = [4, 3].map(|key_id| KeyName { fingerprint: [key_id as u8; 8], key_id });
    play_holding(&others).refused(503, "realm_offline");
    assert_eq!(world.counter("queued"), 0);
    assert_eq!(world.counter("connect_tokens_minted"), 3);
}

#[test]
fn a_full_realm_has_a_line_whose_places_survive_a_disconnect() {
    let world = World::new();
    let client = world.client();
    let (ada, ben) = (Player::new(&world, &client, "Ada"), Player::new(&world, &client, "Ben"));
    world.status.set_population(CAPACITY);
    let first = ada.play(&client, &ada.ask(HERE, None)).expect(202);
    let second = ben.play(&client, &ben.ask(HERE, None)).expect(202);
    assert_eq!((&first["position"], &second["position"]), (&json!(1), &json!(2)));

    // A client of its own: another connection, the same place.
    let wait_ms = first["retry_after_ms"].as_u64().expect("a number");
    world.pass_s(wait_ms.div_ceil(1000));
    let again = ada.play(&world.client(), &ada.ask(HERE, Some(&first["ticket"]))).expect(202);
    assert_eq!(again["position"], 1);
    // Somebody else's ticket is worth nothing.
    let stolen = ben.play(&client, &ben.ask(HERE, Some(&first["ticket"]))).expect(202);
    assert_eq!(stolen["position"], 2);
    ada.play(&client, &ada.ask(HERE, Some(&json!("garbage")))).expect(202);

    world.status.set_population(CAPACITY - 1);
    world.pass_s(4);
    ada.play(&client, &ada.ask(HERE, Some(&again["ticket"]))).expect(200);
    let waits = ben.play(&client, &ben.ask(HERE, Some(&stolen["ticket"]))).expect(202);
    assert_eq!(waits["position"], 1, "one seat, one admission");
    assert_eq!(world.counter("connect_tokens_minted"), 1);
    assert!(world.counter("queued") >= 5);
}

#[test]
fn a_ban_while_playing_ends_the_way_in() {
    use throng_store::{AccountId, Ban, Reason, Store as _};
    let world = World::new();
    let client = world.client();
    let ada = Player::new(&world, &client, "Ada");
    ada.play(&client, &ada.ask(HERE, None)).expect(200);
    let ban = Ban { until_ms: None, reason: Reason::new("").expect("printable") };
    let account = AccountId::new(ada.login.account).expect("not zero");
    world.wait(world.store.ban(account, ban));
    ada.play(&client, &ada.ask(HERE, None)).refused(401, "session_invalid");
}
