//! Every body that the gateway takes, mutated, through the handlers and without sockets: no panic, no fault of ours, and
//! nothing taken that is not wanted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use throng_server::gateway::api;
use throng_server::gateway::fuzzing::{ROUTES, parse_body};
use throng_server::gateway::secrets::{TOKEN_BYTES, Token, encode};
use throng_server::gateway::state::Registration;
use throng_store::{
    AccountId, BulkAccount, CharacterId, FamilyId, Name, SqliteOptions, SqliteStore, Store as _,
};
use tower_service::Service as _;

use crate::support::{Folder, HERE, gateway, new_clock, realm_keys};

/// What a mutation does to a well-formed body.
#[derive(Clone, Debug)]
enum Mutation {
    Flip { at: prop::sample::Index, bits: u8 },
    Cut { at: prop::sample::Index },
    Insert { at: prop::sample::Index, bytes: Vec<u8> },
    Splice { from: prop::sample::Index, to: prop::sample::Index },
    Number { at: prop::sample::Index, text: &'static str },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let numbers = ["-1", "1e999", "18446744073709551616", "0.1", "null", "true", "[]", "{}", "\"\\u0000\""];
    prop_oneof![
        (any::<prop::sample::Index>(), 1u8..).prop_map(|(at, bits)| Mutation::Flip { at, bits }),
        any::<prop::sample::Index>().prop_map(|at| Mutation::Cut { at }),
        (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Mutation::Insert { at, bytes }),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(from, to)| Mutation::Splice { from, to }),
        (any::<prop::sample::Index>(), prop::sample::select(numbers.to_vec()))
            .prop_map(|(at, text)| Mutation::Number { at, text }),
    ]
}

fn apply(mut body: Vec<u8>, mutation: &Mutation) -> Vec<u8> {
    match mutation {
        Mutation::Flip { at, bits } if !body.is_empty() => {
            let at = at.index(body.len());
            body[at] ^= bits;
        }
        Mutation::Cut { at } => body.truncate(at.index(body.len() + 1)),
        Mutation::Insert { at, bytes } => {
            let at = at.index(body.len() + 1);
            body.splice(at..at, bytes.iter().copied());
        }
        Mutation::Splice { from, to } if !body.is_empty() => {
            let (from, to) = (from.index(body.len()), to.index(body.len()));
            let part = body[from.min(to)..from.max(to)].to_vec();
            body.extend_from_slice(&part);
        }
        Mutation::Number { at, text } => {
            // In place of a value, so that the JSON often stays whole.
            let colons: Vec<usize> = (0..body.len()).filter(|&i| body[i] == b':').collect();
            if !colons.is_empty() {
                let start = colons[at.index(colons.len())] + 1;
                let end = body[start..]
                    .iter()
                    .position(|&b| b == b',' || b == b'}')
                    .map_or(body.len(), |n| start + n);
                body.splice(start..end, text.bytes());
            }
        }
        Mutation::Flip { .. } | Mutation::Splice { .. } => {}
    }
    body
}

#[test]
fn no_mutated_body_is_more_than_refused() {
    let folder = Folder::new();
    let store =
        SqliteStore::open(&folder.path().join("throng.db"), &SqliteOptions::default()).expect("a database");
    // Nobody can register, so that no case costs a password's hash.
    let clock = new_clock();
    let (gateway, _) = gateway(&store, Registration::Closed, &clock);
    gateway.set_realm_keys(realm_keys(HERE));
    let router = api::router(Arc::clone(&gateway));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Whoever has no session gets no further than that. Of this one's account the seeds name the character.
    let token = Token::new([5; TOKEN_BYTES]);
    let account = BulkAccount {
        account: AccountId::new(7).expect("not zero"),
        name: Name::new("Ada").expect("a name"),
        character: CharacterId::new(5).expect("not zero"),
        character_name: Name::new("Grim").expect("a name"),
        family: FamilyId([9; 16]),
        access: token.hash(),
    };
    let now_ms = clock.load(Ordering::Relaxed) as i64;
    let made = store.create_accounts_bulk(vec![account], now_ms + 1_000_000, now_ms);
    runtime.block_on(made).expect("an account with a session");
    let bearer = format!("Bearer {}", encode(&[5; TOKEN_BYTES]));
    let mut runner = TestRunner::new(Config { cases: 2000, failure_persistence: None, ..Config::default() });
    let cases = (0..ROUTES.len(), prop::collection::vec(mutation(), 0..6));
    let outcome = runner.run(&cases, |(route, mutations)| {
        let (path, seed) = ROUTES[route];
        let body = mutations.iter().fold(seed.as_bytes().to_vec(), apply);
        let is_parsed = parse_body(route, &body);
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("authorization", &bearer)
            .body(Body::from(body));
        let (status, text) = runtime.block_on(async {
            let Ok(response) = router.clone().call(request.expect("a request")).await;
            let status = response.status();
            (status, response.into_body().collect().await.expect("a body").to_bytes())
        });
        let told: Value = serde_json::from_slice(&text).expect("every answer is JSON");
        prop_assert!(!status.is_server_error(), "{status} {told}");
        let code = told["error"]["code"].as_str();
        prop_assert_eq!(code.is_none(), status.is_success(), "{}", told);
        prop_assert_eq!(is_parsed, code != Some("body_malformed"), "{}", told);
        // What is wanted of who is logged in, and nothing else, is granted.
        let is_for_sessions = ["/v1/password", "/v1/characters", "/v1/play"].contains(&path);
        prop_assert!(!status.is_success() || is_for_sessions, "{told}");
        prop_assert!(code != Some("session_invalid") || !is_for_sessions, "{path} is not reached: {told}");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(gateway.passwords.argon2_calls() <= 10, "the throttle bounds what a fuzzer costs");
}
