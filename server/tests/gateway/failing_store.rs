//! A store that is locked or full: nothing is lost, nothing is half done, and clients are told when to come again.

use rusqlite::Connection;
use serde_json::json;
use throng_store::{AccountId, Name, NewAccount, Role, SqliteOptions, Store as _, StoreError};

use crate::support::{Login, PASSWORD, Plan, World};

#[test]
fn a_locked_database_is_told_and_passes() {
    // Long enough for the gateway's own writes to wait for each other on a slow disk, where 500 were not.
    let store = SqliteOptions { busy_ms: 1_500, ..SqliteOptions::default() };
    let world = World::planned(Plan { store, ..Plan::default() });
    let client = world.client();
    let ada = world.register(&client, "Ada");

    let other = Connection::open(world.folder.path().join("throng.db")).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let busy = client.post("/v1/characters", Some(&ada.access), &json!({ "name": "Grim" }));
    busy.refused(503, "store_busy");
    assert!(busy.header("retry-after").is_some());
    world.login(&client, "Ada", PASSWORD).refused(503, "store_busy");
    client.post("/v1/refresh", None, &json!({ "refresh_token": ada.refresh })).refused(503, "store_busy");
    let body = json!({ "name": "Ben", "password": PASSWORD });
    client.post("/v1/register", None, &body).refused(503, "store_busy");
    // Whoever only reads notices nothing.
    assert_eq!(client.get("/v1/characters", Some(&ada.access)).expect(200)["characters"], json!([]));

    other.execute_batch("ROLLBACK").expect("lets go");
    world.pass_s(7);
    client.post("/v1/characters", Some(&ada.access), &json!({ "name": "Grim" })).expect(201);
    client.post("/v1/register", None, &body).expect(201);
    let ada =
        Login::of(client.post("/v1/refresh", None, &json!({ "refresh_token": ada.refresh })).expect(200));
    client.get("/v1/characters", Some(&ada.access)).expect(200);
    assert_eq!(world.wait(world.store.counts()).accounts, 2);
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let store = SqliteOptions { pages_max: Some(60), ..SqliteOptions::default() };
    let world = World::planned(Plan { store, ..Plan::default() });
    let client = world.client();
    let ada = world.register(&client, "Ada");
    client.post("/v1/characters", Some(&ada.access), &json!({ "name": "Grim" })).expect(201);

    // One refusal is not enough: the next row may find room in a page that is not quite full.
    let (mut made, mut refused, mut number) = (0, 0, 0u64);
    while refused < 40 {
        number += 1;
        assert!(number < 5000, "the store grows beyond its pages");
        let new = NewAccount {
            // Spread as random ids are, and yet the same in every run.
            id: AccountId::new(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).expect("not zero"),
            name: Name::new(&format!("Filler {number}")).expect("a name"),
            password: None,
            email: None,
            role: Role::Player,
            invite: None,
            now_ms: world.now_ms() as i64,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        match runtime.block_on(world.store.create_account(new)) {
            Ok(()) => (made, refused) = (made + 1, 0),
            Err(StoreError::Full) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }

    let mut told = None;
    for letter in 'a'..='z' {
        let body = json!({ "name": format!("guest {letter}"), "password": PASSWORD });
        let reply = client.post("/v1/register", None, &body);
        world.pass_s(7);
        if reply.status != 201 {
            told = Some(reply);
            break;
        }
        made += 1;
    }
    let told = told.expect("a full store refuses in the end");
    told.refused(503, "store_full");
    assert!(told.header("retry-after").is_some());
    assert!(world.counter("refused_store_full") > 0);
    assert_eq!(
        world.wait(world.store.counts()).accounts,
        made + 1,
        "what was confirmed is there, and nothing else"
    );
    let names = client.get("/v1/characters", Some(&ada.access)).expect(200);
    assert_eq!(names["characters"][0]["name"], "Grim", "who only reads notices nothing");
}
