//! Registering, logging in, staying logged in, and every way in which that ends.

use serde_json::json;
use throng_server::gateway::secrets::invite_hash;
use throng_server::gateway::state::Registration;
use throng_store::{Ban, Credentials as _, NewInvite, NewPassword, Note, Reason, Revoke, Store as _};

use crate::support::{Login, PASSWORD, Plan, World};

#[test]
fn a_session_from_registration_to_logout() {
    let world = World::new();
    let client = world.client();
    let reply = client.post(
        "/v1/register",
        None,
        &json!({ "name": "Ada", "password": PASSWORD, "device": "Laptop" }),
    );
    assert_eq!(reply.header("strict-transport-security"), Some("max-age=31536000"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(
        reply.headers.iter().all(|(name, _)| !name.starts_with("access-control")),
        "no CORS unless asked for"
    );
    let body = reply.expect(201);
    assert_eq!(body["access_expires_at_ms"], world.now_ms() + 15 * 60_000);
    assert_eq!(body["refresh_expires_at_ms"], world.now_ms() + 30 * 24 * 3_600_000u64);
    let registered = Login::of(body);
    client.get("/v1/characters", Some(&registered.access)).expect(200);

    let body = world.login(&client, "aDA", PASSWORD).expect(200);
    assert_eq!(body["name"], "Ada", "as it was registered");
    let login = Login::of(body);
    assert_eq!(login.account, registered.account);
    assert!(login.access != registered.access && login.refresh != registered.refresh);

    let renewed =
        Login::of(client.post("/v1/refresh", None, &json!({ "refresh_token": login.refresh })).expect(200));
    client.get("/v1/characters", Some(&renewed.access)).expect(200);
    client.get("/v1/characters", Some(&login.access)).refused(401, "session_invalid");

    client.post("/v1/logout", Some(&renewed.access), &json!({})).expect(204);
    client.get("/v1/characters", Some(&renewed.access)).refused(401, "session_invalid");
    client
        .post("/v1/refresh", None, &json!({ "refresh_token": renewed.refresh }))
        .refused(401, "session_invalid");
    client.get("/v1/characters", Some(&registered.access)).expect(200);
    assert_eq!(world.counter("logouts"), 1);
    assert_eq!(world.counter("refused_session_invalid"), 3);
}

#[test]
fn reconnecting_computes_no_password() {
    let world = World::new();
    let client = world.client();
    let mut login = world.register(&client, "Ada");
    let before = world.gateway().passwords.argon2_calls();
    for _ in 0..5 {
        login = Login::of(
            client.post("/v1/refresh", None, &json!({ "refresh_token": login.refresh })).expect(200),
        );
        client.get("/v1/characters", Some(&login.access)).expect(200);
    }
    assert_eq!(world.gateway().passwords.argon2_calls(), before);
}

#[test]
fn names_are_unique_however_they_are_written() {
    let world = World::new();
    let client = world.client();
    world.register(&client, "Alice");
    for taken in ["Alice", "aLICE", "AIice", "\u{ff21}lice"] {
        let body = json!({ "name": taken, "password": PASSWORD });
        client.post("/v1/register", None, &body).refused(409, "name_taken");
        world.pass_s(7);
    }
    for bad in [
        "",
        "ab",
        " Bob",
        "Bo  b",
        "B\u{202e}ob",
        "B\u{0}b",
        "<b>bob</b>",
        "аlice",
        &"b".repeat(25),
        &"b".repeat(300),
    ] {
        let body = json!({ "name": bad, "password": PASSWORD });
        client.post("/v1/register", None, &body).refused(422, "name_invalid");
    }
    assert_eq!(world.counter("accounts_registered"), 1);
}

#[test]
fn passwords_have_a_length() {
    let world = World::new();
    let client = world.client();
    for bad in ["", "1234567", &"x".repeat(129), &"\u{1f600}".repeat(7)] {
        let body = json!({ "name": "Ada", "password": bad });
        client.post("/v1/register", None, &body).refused(422, "password_invalid");
    }
    assert_eq!(world.gateway().passwords.argon2_calls(), 0, "refused before anything is computed");
    let long = "\u{1f600}".repeat(128);
    client.post("/v1/register", None, &json!({ "name": "Ada", "password": long })).expect(201);
    world.login(&client, "Ada", &long).expect(200);
}

#[test]
fn a_closed_server_registers_nobody() {
    let world = World::planned(Plan { registration: Registration::Closed, ..Plan::default() });
    let body = json!({ "name": "Ada", "password": PASSWORD, "invite": "whatever" });
    world.client().post("/v1/register", None, &body).refused(403, "registration_closed");
}

#[test]
fn an_invitation_is_good_as_often_as_it_says() {
    let world = World::planned(Plan { registration: Registration::Invite, ..Plan::default() });
    let client = world.client();
    let invite = |code: &str, uses, expires_ms| {
        let now_ms = world.now_ms() as i64;
        let note = Note::new("for a friend").expect("printable");
        world.wait(world.store.create_invite(NewInvite {
            code: invite_hash(code),
            uses,
            expires_ms,
            note,
            now_ms,
        }));
    };
    invite("twice", 2, None);
    invite("short", 1, Some(world.now_ms() as i64 + 1));
    let register = |name: &str, code: Option<&str>| {
        let mut body = json!({ "name": name, "password": PASSWORD });
        if let Some(code) = code {
            body["invite"] = code.into();
        }
        world.pass_s(7);
        client.post("/v1/register", None, &body)
    };
    register("Anna", None).refused(403, "invite_required");
    register("Anna", Some("guess")).refused(403, "invite_invalid");
    register("Anna", Some(&"x".repeat(1000))).refused(403, "invite_invalid");
    register("Anna", Some("short")).refused(403, "invite_invalid");
    assert_eq!(
        world.gateway().passwords.argon2_calls(),
        0,
        "no password is hashed for who has no invitation"
    );
    register("Anna", Some("twice")).expect(201);
    for code in ["guess", "short"] {
        // Who is not invited is not told who is there.
        register("Anna", Some(code)).refused(403, "invite_invalid");
    }
    register("Anna", Some("twice")).refused(409, "name_taken");
    register("Berta", Some("twice")).expect(201);
    register("Carla", Some("twice")).refused(403, "invite_invalid");
    assert_eq!(world.wait(world.store.counts()).accounts, 2);
}

#[test]
fn nobody_can_tell_which_names_exist() {
    let world = World::new();
    let client = world.client();
    world.register(&client, "Known");
    let locked = world.register(&client, "Locked");
    let lock = NewPassword {
        account: throng_store::AccountId::new(locked.account).expect("not zero"),
        password: None,
        version: None,
        revoke: Revoke::All,
        now_ms: world.now_ms() as i64,
    };
    world.wait(world.store.set_password(lock));

    let calls = || world.gateway().passwords.argon2_calls();
    let mut replies = Vec::new();
    for name in ["Known", "Unknown", "Locked"] {
        let before = calls();
        replies.push(world.login(&client, name, "wrong password"));
        assert_eq!(calls(), before + 1, "{name} costs one computation");
    }
    replies[0].refused(401, "credentials_wrong");
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    // What cannot be anybody's name is answered alike, too.
    assert_eq!(world.login(&client, "no such name, ever!", "wrong password"), replies[0]);
    assert_eq!(world.counter("refused_credentials_wrong"), 4);
}

#[test]
fn guessing_is_throttled_and_the_owner_stays_in() {
    let world = World::new();
    let client = world.client();
    let owner = world.register(&client, "Ada");
    let guess = || client.post("/v1/login", None, &json!({ "name": "Ada", "password": "wrong password" }));
    let mut refused = None;
    for _ in 0..30 {
        let reply = guess();
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
        reply.refused(401, "credentials_wrong");
    }
    let refused = refused.expect("30 guesses at once are too many");
    refused.refused(429, "throttled");
    assert!(refused.header("retry-after").is_some());
    // An address that guesses is throttled for names that do not exist as well.
    let nobody = |letter: char| json!({ "name": format!("nobody {letter}"), "password": "wrong password" });
    let is_throttled =
        ('a'..='z').any(|letter| client.post("/v1/login", None, &nobody(letter)).status == 429);
    assert!(is_throttled);
    assert!(world.counter("throttled_account") == 1 && world.counter("throttled_address") > 0);
    let by = ["account", "device", "address", "network"].map(|by| world.counter(&format!("throttled_{by}")));
    assert_eq!(by.iter().sum::<u64>(), world.counter("refused_throttled"));
    client.post("/v1/refresh", None, &json!({ "refresh_token": owner.refresh })).expect(200);
}

#[test]
fn a_refresh_token_that_comes_twice_ends_its_session() {
    let world = World::new();
    let client = world.client();
    let first = world.register(&client, "Ada");
    let other = Login::of(world.login(&client, "Ada", PASSWORD).expect(200));
    let second =
        Login::of(client.post("/v1/refresh", None, &json!({ "refresh_token": first.refresh })).expect(200));
    client
        .post("/v1/refresh", None, &json!({ "refresh_token": first.refresh }))
        .refused(401, "session_invalid");
    client.get("/v1/characters", Some(&second.access)).refused(401, "session_invalid");
    client
        .post("/v1/refresh", None, &json!({ "refresh_token": second.refresh }))
        .refused(401, "session_invalid");
    client.get("/v1/characters", Some(&other.access)).expect(200);
    assert_eq!(world.counter("refresh_reused"), 1);
}

#[test]
fn tokens_end_in_time() {
    let world = World::new();
    let client = world.client();
    let login = world.register(&client, "Ada");
    world.pass_s(15 * 60 - 7 - 1);
    client.get("/v1/characters", Some(&login.access)).expect(200);
    world.pass_s(1);
    client.get("/v1/characters", Some(&login.access)).refused(401, "session_invalid");
    let login =
        Login::of(client.post("/v1/refresh", None, &json!({ "refresh_token": login.refresh })).expect(200));
    world.pass_s(30 * 24 * 3600);
    client
        .post("/v1/refresh", None, &json!({ "refresh_token": login.refresh }))
        .refused(401, "session_invalid");
    world.login(&client, "Ada", PASSWORD).expect(200);
}

#[test]
fn tokens_are_taken_in_one_form_only() {
    let world = World::new();
    let client = world.client();
    let login = world.register(&client, "Ada");
    for bad in [
        "",
        "x",
        &login.refresh,
        &login.access[..42],
        &format!("{}=", login.access),
        &"A".repeat(43),
        &"A".repeat(5000),
    ] {
        let reply = client.get("/v1/characters", Some(bad));
        reply.refused(401, "session_invalid");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    let reply = client.get("/v1/characters", None);
    reply.refused(401, "session_invalid");
    for bad in ["", "x", &login.access, &"A".repeat(5000)] {
        client.post("/v1/refresh", None, &json!({ "refresh_token": bad })).refused(401, "session_invalid");
    }
    client.get("/v1/characters", Some(&login.access)).expect(200);
}

#[test]
fn a_ban_ends_sessions_and_says_until_when() {
    let world = World::new();
    let client = world.client();
    let login = world.register(&client, "Ada");
    let until_ms = world.now_ms() as i64 + 3_600_000;
    let ban = Ban { until_ms: Some(until_ms), reason: Reason::new("spam").expect("printable") };
    let account = throng_store::AccountId::new(login.account).expect("not zero");
    world.wait(world.store.ban(account, ban));

    client.get("/v1/characters", Some(&login.access)).refused(401, "session_invalid");
    client
        .post("/v1/refresh", None, &json!({ "refresh_token": login.refresh }))
        .refused(401, "session_invalid");
    world.login(&client, "Ada", "wrong password").refused(401, "credentials_wrong");
    let banned = world.login(&client, "Ada", PASSWORD);
    banned.refused(403, "banned");
    assert_eq!(banned.body["error"]["until_ms"], until_ms);
    assert!(banned.body["error"]["message"].as_str().is_some_and(|text| text.contains("spam")));
    world.pass_s(3600);
    world.login(&client, "Ada", PASSWORD).expect(200);

    let for_good = Ban { until_ms: None, reason: Reason::new("").expect("printable") };
    world.wait(world.store.ban(account, for_good));
    let banned = world.login(&client, "Ada", PASSWORD);
    banned.refused(403, "banned");
    assert!(banned.body["error"].get("until_ms").is_none());
}

#[test]
fn a_new_password_ends_the_other_sessions() {
    let world = World::new();
    let client = world.client();
    let here = world.register(&client, "Ada");
    let there = Login::of(world.login(&client, "Ada", PASSWORD).expect(200));
    let change = |old: &str, new: &str| {
        world.pass_s(7);
        client.post("/v1/password", Some(&here.access), &json!({ "old": old, "new": new }))
    };
    change(PASSWORD, "short").refused(422, "password_invalid");
    change("wrong password", "another good one").refused(401, "credentials_wrong");
    client
        .post("/v1/password", None, &json!({ "old": PASSWORD, "new": "another good one" }))
        .refused(401, "session_invalid");
    change(PASSWORD, "another good one").expect(204);
    client.get("/v1/characters", Some(&here.access)).expect(200);
    client.get("/v1/characters", Some(&there.access)).refused(401, "session_invalid");
    world.login(&client, "Ada", PASSWORD).refused(401, "credentials_wrong");
    world.login(&client, "Ada", "another good one").expect(200);
    assert_eq!(world.counter("passwords_changed"), 1);
}
