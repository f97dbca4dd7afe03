//! What fuzzers and property tests call: every body that comes in, without a socket, a store or a clock.

use serde::de::DeserializeOwned;

use super::api::parse;
use super::limits;
use super::routes::{account, characters, play, realms, session};

/// Routes that take a body, each with a good one to begin from.
pub const ROUTES: [(&str, &str); 7] = [
    ("/v1/register", r#"{"name":"Ada","password":"correct horse","invite":"code","device":"Laptop"}"#),
    ("/v1/login", r#"{"name":"no such name!","password":"correct horse","device":"Laptop"}"#),
    ("/v1/refresh", r#"{"refresh_token":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#),
    ("/v1/password", r#"{"old":"correct horse","new":"battery staple"}"#),
    ("/v1/characters", r#"{"name":"Grim"}"#),
    (
        "/v1/play",
        r#"{"character_id":"5","realm_id":1,"client_public":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","ticket":"t"}"#,
    ),
    (
        "/v1/realm-status",
        r#"{"id":2,"name":"r","address":"h:1","population":1,"capacity":2,"tick_p99_us":3,"state":"open","as_of_ms":4,"signature":"s","push_signature":"p","token_keys":[{"id":1,"fingerprint":"f"}]}"#,
    ),
];

/// Whether `body` is one that route number `route` of [`ROUTES`] takes. Never panics, whatever the bytes.
pub fn parse_body(route: usize, body: &[u8]) -> bool {
    fn is<T: DeserializeOwned>(body: &[u8]) -> bool {
        body.len() <= limits::BODY_BYTES_MAX && parse::<T>(body).is_ok()
    }
    match route {
        0 => is::<account::Register>(body),
        1 => is::<session::Login>(body),
        2 => is::<session::Refresh>(body),
        3 => is::<account::ChangePassword>(body),
        4 => is::<characters::NewCharacterBody>(body),
        5 => is::<play::Play>(body),
        6 => is::<realms::StatusPush>(body),
        _ => false,
    }
}
