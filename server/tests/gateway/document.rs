//! The OpenAPI document: the one that is served, the one that is committed, and the routes are the same.

use std::path::Path;

use serde_json::{Value, json};
use throng_server::gateway::api;

use crate::support::World;

fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json")
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let mut made = api::document().to_pretty_json().expect("JSON");
    made.push('\n');
    if std::env::var_os("THRONG_WRITE_DOCS").is_some() {
        std::fs::write(committed(), &made).expect("docs can be written");
    }
    let found = std::fs::read_to_string(committed()).unwrap_or_default();
    assert!(
        found == made,
        "docs/openapi.json is out of date: THRONG_WRITE_DOCS=1 cargo test -p throng --test gateway"
    );

    let world = World::new();
    let served = world.client().get("/v1/openapi.json", None).expect(200);
    assert_eq!(served, serde_json::from_str::<Value>(&made).expect("JSON"));
    assert!(served["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
}

#[test]
fn every_route_of_the_document_exists_and_refuses_strangers_in_one_form() {
    let world = World::new();
    let client = world.client();
    let document = serde_json::to_value(api::document()).expect("JSON");
    let mut guarded = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let path = path.replace("{id}", "1");
            let reply = match method.as_str() {
                "get" => client.get(&path, None),
                "delete" => client.delete(&path, None),
                "post" => client.post(&path, None, &json!({ "no such field": 1 })),
                other => panic!("unexpected method {other}"),
            };
            if operation.get("security").is_some() {
                reply.refused(401, "session_invalid");
                guarded += 1;
            } else if operation.get("requestBody").is_some() {
                reply.refused(400, "body_malformed");
            } else {
                reply.expect(200);
            }
        }
    }
    assert_eq!(guarded, 6, "logout, password, three of characters, play");
}
