//! No secret ever shows up where it does not belong.
//!
//! The program runs as an operator runs it, with everything logged that can be. Accounts are made, players log in, stay,
//! fail in every way and go on to play; keys are rotated; in the end the process is made to crash. Then every byte that
//! any of this left behind is searched for every secret that was ever used: as text, as its bytes, in hexadecimal and in
//! parts, so that a log that shortens is found out as well.

#[path = "../operator/mod.rs"]
mod operator;
mod search;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use operator::{REALM, Realm, STDERR, status_push, until};
use rusqlite::types::ValueRef;
use rustix::process::Signal;
use search::{Canary, needles_of};
use serde_json::{Value, json};
use throng_store::{AccountId, Email, Name, NewAccount, Role, SqliteOptions, SqliteStore, Store as _};
use world::World;

/// Where session tokens were asked for, in a file that only its owner may read.
const TOKENS: &str = "players.tokens";

#[test]
fn no_secret_is_left_anywhere() {
    let mut world = World::new();
    let realm = Realm::start(&world.place, &world.gateway);

    let (ada, operators) = operator_makes_accounts(&mut world);
    let player = register(&mut world);
    sessions_come_and_go(&mut world, &ada);
    let access = player_plays(&mut world, &player);
    everything_fails(&mut world, &player, &access);
    operator_rotates_keys(&mut world);
    let resets = operator_resets(&mut world);

    // The realm has to be gone first: its pushes would be answered by nobody.
    drop(realm);
    let status = world.gateway.end(Signal::ABORT);
    assert_eq!(status.signal(), Some(6), "it crashed as it was told to");

    know_keys(&mut world);
    let log = fs::read_to_string(world.place.path().join(STDERR)).expect("a log");
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the log holds everything there is to log: {log}"
    );

    let mut hits = world.canaries.hits("refusals", &world.refusals);
    hits.extend(world.canaries.hits("the operator's terminal", &[operators, resets].concat()));
    for (path, bytes) in files(world.place.path()) {
        hits.extend(world.canaries.hits(&path.display().to_string(), &bytes));
    }
    assert!(hits.is_empty(), "{} hits:\n{}", hits.len(), hits.join("\n"));
    only_the_email_is_stored_and_only_in_its_column(&world);
}

/// Accounts as operators make them; what the commands print is returned, without the secrets they are there to print.
fn operator_makes_accounts(world: &mut World) -> (String, Vec<u8>) {
    let mut printed = Vec::new();
    let password = world.canaries.text("a password on standard input", "canary-stdin-kolibri-93");
    let create = ["account", "create", "Ada", "--password-stdin", "--config", "throng.toml"];
    let mut child = world
        .place
        .throng(&create)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("piped").write_all(format!("{password}\n").as_bytes()).expect("taken");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{output:?}");
    printed.extend([output.stdout, output.stderr].concat());

    let made_up = world.place.run_json(&["account", "create", "Bob"]);
    let made_up = made_up[0]["password"].as_str().expect("a password").to_owned();
    world.canaries.text("a password that was made up", &made_up);
    let create = ["account", "create", "--count", "3", "--locked", "--sessions", TOKENS];
    printed.extend(world.place.run(&create).stdout);
    let text = fs::read_to_string(world.place.path().join(TOKENS)).expect("written");
    for token in text.lines() {
        world.canaries.bytes_at("a token for a load test", token, &[TOKENS]);
        let (status, _) = world.get("/v1/characters", &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(status, 200);
    }
    printed.extend(world.place.run(&["account", "list"]).stdout);

    // There is no command for it yet, but a column.
    let email = world.canaries.text_at(
        "an e-mail address",
        "canary.person@kolibri.example",
        &["throng.db", "throng.db-wal"],
    );
    let store =
        SqliteStore::open(&world.place.data().join("throng.db"), &SqliteOptions::default()).expect("opens");
    let created = store.create_account(NewAccount {
        id: AccountId::new(0x1234_5678_9abc).expect("an id"),
        name: Name::new("Postmaster").expect("a name"),
        password: None,
        email: Some(Email::new(email).expect("an address")),
        role: Role::Player,
        invite: None,
        now_ms: 1_800_000_000_000,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(created).expect("created");
    (password, printed)
}

/// Somebody with an invitation.
struct Player {
    name: &'static str,
    password: String,
    /// For the header.
    access: String,
    refresh: String,
}

fn register(world: &mut World) -> Player {
    let made = world.place.run_json(&["invite", "create", "--uses", "2", "--note", "for a friend"]);
    let code = world.canaries.text("an invitation", made[0]["code"].as_str().expect("a code"));
    let password = world.canaries.text("a player's password", "canary-password-zaunkoenig");
    let wrong = world.canaries.text("a forged invitation", "canary-invite-goldammer-xx");
    let email = world.canaries.text("an e-mail address that is not asked for", "canary.other@zeisig.example");
    let register = |fields: Value| {
        let mut body = json!({ "name": "Grimbart", "password": password, "invite": code });
        for (field, value) in fields.as_object().expect("fields") {
            body[field] = value.clone();
        }
        body
    };
    for (bad, expected) in [
        (register(json!({ "invite": wrong })), 403),
        (register(json!({ "email": email })), 400),
        (register(json!({ "invite": 7 })), 400),
        (register(json!({ "name": email })), 422),
        (register(json!({ "device": format!("{wrong}\u{7}") })), 422),
        (register(json!({ "password": &password[..7] })), 422),
    ] {
        let (status, answer) = world.post("/v1/register", None, &bad);
        assert_eq!(status, expected, "{answer}");
    }
    let answer = world.post("/v1/register", None, &register(json!({ "device": "a radio" })));
    let (access, refresh) = world.session(answer);
    Player { name: "Grimbart", password, access, refresh }
}

fn sessions_come_and_go(world: &mut World, password: &str) {
    let (_, first) = world.login("Ada", password);
    let answer = world.post("/v1/refresh", None, &json!({ "refresh_token": first }));
    let (access, second) = world.session(answer);
    // A stolen token: used twice, it ends the session, which is logged.
    assert_eq!(world.post("/v1/refresh", None, &json!({ "refresh_token": first })).0, 401);
    assert_eq!(world.post("/v1/refresh", None, &json!({ "refresh_token": second })).0, 401);
    assert_eq!(world.get("/v1/characters", &[("authorization", &access)]).0, 401);

    let (access, _) = world.login("Ada", password);
    let new = world.canaries.text("a new password", "canary-neues-wort-rotkehlchen");
    let answer = until("a change of password", || {
        let answer = world.post("/v1/password", Some(&access), &json!({ "old": password, "new": new }));
        (answer.0 != 429).then_some(answer)
    });
    assert_eq!(answer.0, 204, "{}", answer.1);
    assert_eq!(world.post("/v1/logout", Some(&access), &json!({})).0, 204);
}

fn player_plays(world: &mut World, player: &Player) -> String {
    assert_eq!(world.get("/v1/characters", &[("authorization", &player.access)]).0, 200);
    let answer = world.post("/v1/refresh", None, &json!({ "refresh_token": player.refresh }));
    let (access, _) = world.session(answer);
    let (status, character) = world.post("/v1/characters", Some(&access), &json!({ "name": "Grimbart" }));
    assert_eq!(status, 201, "{character}");
    let play = |ticket: Option<&str>| {
        let mut body = json!({
            "character_id": character["id"], "realm_id": REALM, "client_public": URL_SAFE_NO_PAD.encode([5; 32]),
        });
        if let Some(ticket) = ticket {
            body["ticket"] = ticket.into();
        }
        body
    };
    for _ in 0..3 {
        let (status, admission) = world.post("/v1/play", Some(&access), &play(None));
        assert_eq!(status, 200, "{admission}");
        let text = |field: &str| admission[field].as_str().expect("a text").to_owned();
        let token = URL_SAFE_NO_PAD.decode(text("token")).expect("base64url");
        // What comes before is in every token of this realm, and no secret.
        world.canaries.bytes("a connect token's sealed part", &URL_SAFE_NO_PAD.encode(&token[56..]));
        world.canaries.bytes("a connect token's secret", &text("secret"));
    }
    let ticket = world.canaries.text("a forged ticket", "canaryTicketDompfaff0123456789abcdef");
    world.post("/v1/play", Some(&access), &play(Some(&ticket)));
    let mut other = play(None);
    other["character_id"] = "1".into();
    assert_eq!(world.post("/v1/play", Some(&access), &other).0, 404);
    access
}

fn everything_fails(world: &mut World, player: &Player, access: &str) {
    let wrong = world.canaries.text("a wrong password", "canary-falsch-buchfink-44");
    let as_name = world.canaries.text("a password in the field for the name", "canaryNameDrossel9");
    for name in [player.name, "Nobody", &as_name, "Ada"] {
        for _ in 0..4 {
            let (status, _) = world.post("/v1/login", None, &json!({ "name": name, "password": wrong }));
            assert!([401, 429, 503].contains(&status), "{status}");
        }
    }
    assert_eq!(world.post("/v1/password", Some(access), &json!({ "old": wrong, "new": "short" })).0, 422);
    world.post("/v1/password", Some(access), &json!({ "old": wrong, "new": format!("{wrong}-new") }));

    // Tokens that are none, and in places where none belong.
    let token = world.canaries.bytes("a token that nobody was given", &URL_SAFE_NO_PAD.encode([0x5a; 32]));
    let garbled = world.canaries.text("a token of the wrong form", "canary.token.kein.token.amsel");
    for scheme in ["Bearer", "Basic", "bearer", "Digest"] {
        for token in [&token, &garbled, &player.password] {
            assert_eq!(
                world.get("/v1/characters", &[("authorization", &format!("{scheme} {token}"))]).0,
                401
            );
        }
    }
    for token in [&token, &garbled] {
        assert_eq!(world.post("/v1/refresh", None, &json!({ "refresh_token": token })).0, 401);
    }
    let path = world.canaries.text("a secret in a path", "canaryPathSperling77");
    for target in [
        format!("/v1/{path}"),
        format!("/v1/characters?token={path}"),
        format!("/v1/characters/{path}"),
        format!("/v1/realms/../{path}"),
    ] {
        world.get(&target, &[("authorization", access), ("cookie", &path), ("x-forwarded-for", &path)]);
        world.agent.delete(format!("{}{target}", world.gateway.url())).call().expect("an answer");
    }

    // Bodies that break off, or are not what they should be, wherever they do.
    let whole = json!({ "name": "Ada", "password": wrong, "device": "x" }).to_string();
    for end in 0..whole.len() {
        let (status, _) = world.post_raw("/v1/login", None, "application/json", &whole.as_bytes()[..end]);
        assert_eq!(status, 400);
    }
    let field = world.canaries.text("a secret as a field's name", "canaryFieldStieglitz1");
    for body in [
        format!("{{\"name\":\"Ada\",\"password\":[\"{wrong}\"]}}"),
        format!("{{\"name\":\"Ada\",\"password\":\"{wrong}\\q\"}}"),
        format!("{{\"name\":\"Ada\",\"password\":\"{wrong}\",\"password\":\"{wrong}\"}}"),
        format!("\"{wrong}\""),
        format!("{wrong}={wrong}"),
        format!("{{\"name\":\"Ada\",\"password\":\"{wrong}\\ud800\"}}"),
    ] {
        assert_eq!(world.post_raw("/v1/login", None, "application/json", body.as_bytes()).0, 400);
        for route in ["/v1/register", "/v1/refresh", "/v1/play", "/v1/password", "/v1/realm-status"] {
            world.post_raw(route, Some(access), "application/json", body.as_bytes());
        }
        assert_eq!(world.post_raw("/v1/login", None, "text/plain", body.as_bytes()).0, 415);
    }
    // The one who sent it is told which field is unknown; nobody else ever hears of it.
    let refusals = world.refusals.len();
    world.post("/v1/login", None, &json!({ "name": "Ada", "password": wrong, field.as_str(): 1 }));
    world.refusals.truncate(refusals);
    let large = format!("{{\"name\":\"{}\",\"password\":\"{wrong}\"}}", "x".repeat(20_000));
    assert_eq!(world.post_raw("/v1/login", None, "application/json", large.as_bytes()).0, 413);
    let mut forged = status_push(&world.place.data());
    forged["name"] = wrong.as_str().into();
    assert_eq!(world.post("/v1/realm-status", None, &forged).0, 401);

    // What is no request at all.
    let raw = world.canaries.text("a secret outside of TLS", "canary-im-klartext-pirol-5");
    for bytes in [
        format!("POST /v1/login HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {raw}\r\n\r\n{raw}"),
        format!("\x16\x03\x01\x00\x20{raw}{raw}"),
    ] {
        world.garbage(bytes.as_bytes());
        world.malformed(bytes.as_bytes());
    }
    for bytes in [
        format!("{raw}\r\n\r\n"),
        format!("GET /{raw} HTTP/1.1\r\n{raw}\r\n\r\n"),
        format!("GET / HTTP/9.9\r\nauthorization: {raw}\r\n\r\n"),
        format!("POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\n{raw}"),
        format!(
            "POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{raw}"
        ),
        format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}{raw}\r\n\r\n", "y".repeat(40_000)),
    ] {
        world.malformed(bytes.as_bytes());
    }
}

fn operator_rotates_keys(world: &mut World) {
    // The keys until now are secrets as well, and one of them is gone after this.
    know_keys(world);
    for _ in 0..2 {
        world.place.run(&["keys", "rotate"]);
    }
    world.place.run(&["keys", "rotate", "--revoke", "1"]);
    let log = world.place.path().join(STDERR);
    until("the new keys", || {
        fs::read_to_string(&log).ok()?.contains("connect tokens are made with").then_some(())
    });
}

/// What the operator sees who takes accounts away; the new password is known from now on.
fn operator_resets(world: &mut World) -> Vec<u8> {
    let reset = world.place.run_json(&["account", "reset-password", "Bob"]);
    let password = reset[0]["password"].as_str().expect("a password").to_owned();
    world.canaries.text("a password that was reset", &password);
    let mut printed = Vec::new();
    for arguments in [
        &["account", "ban", "Grimbart", "--days", "2", "--reason", "sold gold"][..],
        &["account", "list"],
        &["invite", "list"],
        &["keys", "list"],
    ] {
        let output = world.place.run(arguments);
        printed.extend([output.stdout, output.stderr].concat());
    }
    let body = json!({ "name": "Bob", "password": password });
    let answer = until("a login", || {
        let answer = world.post("/v1/login", None, &body);
        (answer.0 != 429 && answer.0 != 503).then_some(answer)
    });
    world.session(answer);
    printed
}

/// Makes everything in the key files a secret that belongs there and nowhere else.
fn know_keys(world: &mut World) {
    const HOME: &[&str] = &["root.keys", "realm-1.keys", "realm-7.keys", "queue.key", "key.pem"];
    for (path, bytes) in files(&world.place.data().join("keys")) {
        let text = String::from_utf8(bytes).expect("text");
        for word in text.split_whitespace().filter(|word| word.len() == 64) {
            let known = word.as_bytes().chunks(2).map(|two| {
                u8::from_str_radix(std::str::from_utf8(two).expect("text"), 16).expect("hexadecimal")
            });
            let needles = needles_of(&known.collect::<Vec<u8>>());
            let signing = path.to_string_lossy().ends_with(".signing");
            let at_home = if signing { &["realm-1.signing", "realm-7.signing"][..] } else { HOME };
            world.canaries.0.push(Canary { what: "a key", needles, at_home });
        }
    }
    let pem = fs::read_to_string(world.place.data().join("tls/key.pem")).expect("a key");
    for line in pem.lines().filter(|line| !line.starts_with('-') && line.len() >= 32) {
        let needles = vec![line.as_bytes().to_vec()];
        world.canaries.0.push(Canary { what: "the TLS key", needles, at_home: HOME });
    }
    assert!(world.canaries.0.iter().any(|canary| canary.what == "a key"));
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("readable");
            found.insert(path, bytes);
        }
    }
    found
}

/// The same question to the database, column by column.
fn only_the_email_is_stored_and_only_in_its_column(world: &World) {
    let database = rusqlite::Connection::open(world.place.data().join("throng.db")).expect("opens");
    let tables: Vec<String> = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .expect("a statement")
        .query_map((), |row| row.get(0))
        .expect("tables")
        .collect::<Result<_, _>>()
        .expect("names");
    let (mut cells, mut emails) = (0, 0);
    for table in &tables {
        let mut rows = database.prepare(&format!("SELECT * FROM \"{table}\"")).expect("a statement");
        let columns: Vec<String> = rows.column_names().map(str::to_owned).collect();
        let mut rows = rows.query(()).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            for (at, column) in columns.iter().enumerate() {
                let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = row.get_ref(at).expect("a value")
                else {
                    continue;
                };
                cells += 1;
                // A name that no file is at home with: nothing is excused.
                let hits = world.canaries.hits(&format!("{table}.{column}"), bytes);
                if (table.as_str(), column.as_str()) == ("credentials", "email") {
                    assert!(hits.len() == 1 && hits[0].contains("an e-mail address"), "{hits:?}");
                    emails += 1;
                } else {
                    assert_eq!(hits, Vec::<String>::new());
                }
            }
        }
    }
    assert!(cells > 50 && emails == 1, "{cells} cells, {emails} addresses in {tables:?}");
}
