//! Requests that no honest client sends.

use serde_json::json;

use crate::support::{PASSWORD, World};

#[test]
fn bodies_are_exactly_what_a_route_takes() {
    let world = World::new();
    let client = world.client();
    let login = |body: &[u8]| client.post_bytes("/v1/login", None, Some("application/json"), body);
    let deep = format!("{}{}", "[".repeat(8000), "]".repeat(8000));
    let bodies: [&[u8]; 17] = [
        b"",
        b" ",
        b"{",
        b"null",
        b"[]",
        b"\"x\"",
        b"{}",
        b"{\"name\":\"Ada\"}",
        b"{\"name\":\"Ada\",\"password\":null}",
        b"{\"name\":1,\"password\":\"12345678\"}",
        b"{\"name\":[\"Ada\"],\"password\":{}}",
        b"{\"name\":\"Ada\",\"password\":\"12345678\",\"admin\":true}",
        b"{\"name\":\"Ada\",\"name\":\"Ben\",\"password\":\"12345678\"}",
        b"{\"name\":\"Ada\",\"password\":\"12345678\"} {}",
        b"{\"name\":\"\xff\xfe\",\"password\":\"12345678\"}",
        b"{\"name\":\"\\ud800\",\"password\":\"12345678\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        login(body).refused(400, "body_malformed");
    }
    assert_eq!(world.counter("refused_body_malformed"), bodies.len() as u64);
    assert_eq!(world.gateway().passwords.argon2_calls(), 0);

    // Fields are named, values never: they may be a password in the wrong place.
    let reply = login(b"{\"name\":\"Ada\",\"password\":\"12345678\",\"admin\":true}");
    assert!(reply.body.to_string().contains("admin"));
    let reply = login(b"{\"name\":\"Ada\",\"password\":\"12345678\",\"device\":[\"hunter2\"]}");
    assert!(!reply.body.to_string().contains("hunter2") && reply.body.to_string().contains("column"));
    let reply = login(b"{\"name\":\"Ada\",\"password\":\"12345678\",\"device\":5}");
    assert!(!reply.body.to_string().contains('5'), "{}", reply.body);
    let shout = format!("{{\"{}\":1}}", "x".repeat(5000));
    assert!(login(shout.as_bytes()).body.to_string().len() < 500);
}

#[test]
fn bodies_have_a_size() {
    let world = World::new();
    let client = world.client();
    let body = json!({ "name": "Ada", "password": PASSWORD, "device": "x".repeat(20_000) });
    client.post("/v1/login", None, &body).refused(413, "body_too_large");
    // 16 KiB exactly is taken, and then found to be no honest name.
    let mut text = json!({ "name": "Ada", "password": "" }).to_string();
    text.push_str(&" ".repeat(16 * 1024 - text.len()));
    client
        .post_bytes("/v1/login", None, Some("application/json"), text.as_bytes())
        .refused(401, "credentials_wrong");
    text.push(' ');
    client
        .post_bytes("/v1/login", None, Some("application/json"), text.as_bytes())
        .refused(413, "body_too_large");
    // Refused before its body is looked at, and still told so.
    client.post("/v1/play", None, &body).refused(401, "session_invalid");
    client.post("/nowhere", None, &body).refused(404, "route_unknown");
    let huge = json!({ "name": "n".repeat(15_000), "password": PASSWORD });
    client.post("/v1/login", None, &huge).refused(401, "credentials_wrong");
    client.post("/v1/register", None, &huge).refused(422, "name_invalid");
}

#[test]
fn bodies_say_that_they_are_json() {
    let world = World::new();
    let client = world.client();
    let body = json!({ "name": "Ada", "password": PASSWORD }).to_string();
    for kind in
        [None, Some("text/plain"), Some("application/jsonp"), Some("application/x-www-form-urlencoded")]
    {
        client.post_bytes("/v1/login", None, kind, body.as_bytes()).refused(415, "content_type");
    }
    let reply =
        client.post_bytes("/v1/login", None, Some("Application/JSON; charset=utf-8"), body.as_bytes());
    reply.refused(401, "credentials_wrong");
}

#[test]
fn a_device_is_one_printable_line() {
    let world = World::new();
    let client = world.client();
    for device in ["\u{1b}[2J", "a\nb", &"x".repeat(65), "\u{202e}"] {
        let body = json!({ "name": "Ada", "password": PASSWORD, "device": device });
        client.post("/v1/login", None, &body).refused(422, "field_invalid");
        client.post("/v1/register", None, &body).refused(422, "field_invalid");
    }
    assert_eq!(world.gateway().passwords.argon2_calls(), 0);
}

#[test]
fn unknown_routes_and_methods_are_told_in_the_same_form() {
    let world = World::new();
    let client = world.client();
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/login/",
        "/V1/login",
        "/v2/login",
        "/v1/../healthz",
        "/v1/characters/1/2",
        "/%00",
        "//",
    ] {
        client.get(path, None).refused(404, "route_unknown");
    }
    client.get("/v1/login", None).refused(405, "method_not_allowed");
    client.delete("/v1/realms", None).refused(405, "method_not_allowed");
    client.post("/healthz", None, &json!({})).refused(405, "method_not_allowed");
    client.get("/healthz", None).expect(200);
}
