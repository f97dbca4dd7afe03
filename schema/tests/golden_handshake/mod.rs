//! A connect token, the keys of a session and whole datagrams, sealed and plain.
//!
//! Written from PROTOCOL.md with bare HMAC, SHA-256, SipHash, X25519 and AES-GCM, not with the code that it is to check.

mod datagrams;
mod derive;

use crate::common::{hex, rich_snapshot};
use datagrams::{Session, challenge, hello, refused};
use derive::{Direction, hkdf, public_of, sha256, shared_of, token};
use serde_json::{Value, json};
use throng_schema::*;

const ROOT: [u8; 32] = numbered(0x00);
const KEY_ID: u16 = 0x0102;
const REALM_ID: u32 = 7;
const TOKEN_SALT: [u8; 24] = numbered(0x20);
const TOKEN_SECRET: [u8; 32] = numbered(0x40);
const CLIENT_PRIVATE: [u8; 32] = numbered(0x60);
const SERVER_PRIVATE: [u8; 32] = numbered(0x80);
const ISSUED_AT_MS: u64 = 1_780_000_000_000;
const SALT: u64 = 0x1122_3344_5566_7788;
const COOKIE_TIME_S: u32 = 86_400;
const COOKIE_MAC: [u8; 16] = numbered(0xa0);
const CONNECTION: u32 = 0xabc0_0003;
const PATH_BYTES: [u8; 8] = numbered(0xb0);

/// Bytes that count up from `first`.
const fn numbered<const N: usize>(first: u8) -> [u8; N] {
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = first + i as u8;
        i += 1;
    }
    out
}

pub fn handshake() -> Value {
    let hash = sha256(&[b"throng net 2", &SCHEMA_VERSION.to_le_bytes()]);
    let realm_key = hkdf(
        b"",
        &ROOT,
        &[b"throng realm key 1".as_slice(), &KEY_ID.to_le_bytes(), &REALM_ID.to_le_bytes()].concat(),
    );
    let body = token_body();
    let guard_key = hkdf(b"", &realm_key, b"throng token guard 1");
    let header = token_header(&hash[..8], &guard_key);
    let token_key = hkdf(&TOKEN_SALT, &realm_key, b"throng token 1");
    let token = token(&token_key, &header, &body);

    let server_public = public_of(&SERVER_PRIVATE);
    let shared = shared_of(&CLIENT_PRIVATE, &server_public);
    let transcript = sha256(&[b"throng session 1", &token, &SALT.to_le_bytes(), &server_public]);
    let prk = derive::extract(&transcript, &[shared, TOKEN_SECRET].concat());
    let accept_key = derive::expand(&prk, b"accept");
    let (client, server) =
        (Direction::new(derive::expand(&prk, b"client")), Direction::new(derive::expand(&prk, b"server")));
    let refused_key = hkdf(&SALT.to_le_bytes(), &TOKEN_SECRET, b"throng refused 1");

    let generations: Value = [("client", &client), ("server", &server)]
        .into_iter()
        .flat_map(|(from, direction)| {
            [0, 1, 2, 4095].map(|generation| {
                let (secret, key) = direction.generation(generation);
                json!({ "from": from, "generation": generation, "secret": hex(&secret), "key": hex(&key) })
            })
        })
        .collect();
    let session = Session { client, server };
    json!({
        "root": { "key_id": KEY_ID, "key": hex(&ROOT) },
        "realm": { "id": REALM_ID, "key": hex(&realm_key) },
        "protocol_hash": hex(&hash[..8]),
        "token": {
            "not_after_ms": ISSUED_AT_MS + 30_000, "issued_at_ms": ISSUED_AT_MS, "salt": hex(&TOKEN_SALT),
            "token_id": hex(&numbered::<16>(1)), "account": 1001, "character": 2002, "session_epoch": 3,
            "secret": hex(&TOKEN_SECRET), "client_public": hex(&public_of(&CLIENT_PRIVATE)),
            "idle_timeout_s": 10, "rate_class": 1, "flags": 5, "name": "Ann", "user_data": hex(&numbered::<16>(0xf0)),
            "guard_key": hex(&guard_key[..16]), "key": hex(&token_key), "body": hex(&body), "bytes": hex(&token),
        },
        "keys": {
            "salt": SALT.to_string(), "client_private": hex(&CLIENT_PRIVATE), "server_private": hex(&SERVER_PRIVATE),
            "server_public": hex(&server_public), "shared": hex(&shared), "transcript": hex(&transcript),
            "prk": hex(&prk), "accept": hex(&accept_key), "refused": hex(&refused_key),
        },
        "generations": generations,
        "connection_id": CONNECTION,
        "datagrams": steps(&token, &server_public, &accept_key, &refused_key, &session),
    })
}

fn token_header(hash: &[u8], guard_key: &[u8; 32]) -> Vec<u8> {
    let before = [b"THRT\x01\x01".as_slice(), &KEY_ID.to_le_bytes(), &REALM_ID.to_le_bytes()].concat();
    let after = [(ISSUED_AT_MS + 30_000).to_le_bytes().as_slice(), hash, &TOKEN_SALT].concat();
    let guard = derive::siphash(&guard_key[..16], &[before.as_slice(), &after].concat());
    [before.as_slice(), &guard[..4], &after].concat()
}

fn token_body() -> Vec<u8> {
    let mut name = b"\x03Ann".to_vec();
    name.resize(48, 0);
    let body = [
        numbered::<16>(1).as_slice(),
        &1001_u64.to_le_bytes(),
        &2002_u64.to_le_bytes(),
        &3_u64.to_le_bytes(),
        &ISSUED_AT_MS.to_le_bytes(),
        &TOKEN_SECRET,
        &public_of(&CLIENT_PRIVATE),
        &10_u16.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &5_u32.to_le_bytes(),
        &name,
        &numbered::<16>(0xf0),
        &[0; 72],
    ]
    .concat();
    assert_eq!(body.len(), 256);
    body
}

fn steps(
    token: &[u8],
    server_public: &[u8; 32],
    accept_key: &[u8; 32],
    refused_key: &[u8; 32],
    session: &Session,
) -> Value {
    let payload = write_hello(SCHEMA_VERSION, "Ann");
    let mut input = [0; INPUT_BYTES];
    write_input(
        &mut input,
        1,
        0,
        0,
        &[IntentFields { move_x: 1.0, ..IntentFields::default() }; INTENTS_SENT],
    );
    let input = input.as_slice();
    let snapshot = rich_snapshot();
    let plain = |from: &str, name: &str, datagram: Vec<u8>| json!({ "from": from, "name": name, "datagram": hex(&datagram) });
    // Type, kind, ack bits, sequence, ack, body.
    let sealed = |from: &str, name: &str, fields: (u8, u8, u16, u32, u32), body: &[u8]| {
        let (header, datagram) = session.seal(from, fields, body);
        json!({
            "from": from, "name": name, "sequence": fields.3,
            "header": hex(&header), "body": hex(body), "datagram": hex(&datagram),
        })
    };
    let boundary = 1 << 20;
    [
        plain("client", "hello without a cookie", hello(0, [0; 16], token, &payload)),
        plain("server", "challenge", challenge()),
        plain("client", "hello with the cookie", hello(COOKIE_TIME_S, COOKIE_MAC, token, &payload)),
        plain("server", "accept", datagrams::accept(server_public, accept_key)),
        sealed("client", "control: confirm", (7, 0, 0, 1, 0), &[]),
        sealed("client", "data: the first input", (5, KIND_INPUT, 0, 2, 0), input),
        sealed("server", "data: a snapshot", (5, KIND_SNAPSHOT, 1, 1, 2), &snapshot),
        sealed(
            "client",
            "data: input 6, having received 5, 4, 2 and 1",
            (5, KIND_INPUT, 0b1101, 6, 5),
            input,
        ),
        sealed("server", "control: path challenge", (7, 1, 0xffff, 2, 6), &PATH_BYTES),
        sealed("client", "control: path response", (7, 2, 0xffff, 7, 6), &PATH_BYTES),
        sealed("client", "data: the last of the first key", (5, KIND_INPUT, 0, boundary - 1, 9), input),
        sealed("client", "data: the first of the second key", (5, KIND_INPUT, 0, boundary, 9), input),
        sealed(
            "server",
            "data: the first of the third key",
            (5, KIND_SNAPSHOT, 0, 2 * boundary, 9),
            &snapshot,
        ),
        sealed("server", "data: the last of all", (5, KIND_SNAPSHOT, 0, u32::MAX, 9), &snapshot),
        sealed("client", "disconnect: left", (6, 1, 0xffff, boundary + 1, 699), &[]),
        sealed("server", "disconnect: the server stops", (6, 2, 0, 640, boundary), &[]),
        plain("server", "refused: full, 10000 sessions", refused(1, 10_000, refused_key)),
    ]
    .into_iter()
    .collect()
}
