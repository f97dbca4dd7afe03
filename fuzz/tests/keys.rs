//! The real tokens and keys against the schema's golden handshake: here, because this crate sees both crates, which
//! know nothing of each other.
#![allow(missing_docs)]

use serde_json::Value;
use throng_net::protocol::keys::{
    Opener, PrivateKey, Sealer, SecretBytes, SessionKeys, Transcript, generation_of, refused_tag,
};
use throng_net::protocol::token::{
    RealmKeys, RootKey, TokenBody, TokenFields, TokenHeader, TokenName, mint, open, protocol_hash,
};

fn vectors() -> Value {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/vectors/handshake.json"));
    serde_json::from_str(&text.unwrap()).unwrap()
}

fn unhex(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap().as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    unhex(value).try_into().unwrap()
}

fn secret(value: &Value) -> SecretBytes {
    bytes(value).into()
}

fn fields(token: &Value, protocol_hash: u64) -> TokenFields {
    let number = |name: &str| token[name].as_u64().unwrap();
    TokenFields {
        not_after_ms: number("not_after_ms"),
        protocol_hash,
        body: TokenBody {
            token_id: bytes(&token["token_id"]),
            account: number("account"),
            character: number("character"),
            session_epoch: number("session_epoch"),
            issued_at_ms: number("issued_at_ms"),
            secret: secret(&token["secret"]),
            client_public: bytes(&token["client_public"]),
            idle_timeout_s: number("idle_timeout_s") as u16,
            rate_class: number("rate_class") as u16,
            flags: number("flags") as u32,
            name: TokenName::new(token["name"].as_str().unwrap()).unwrap(),
            user_data: bytes(&token["user_data"]),
        },
    }
}

#[test]
fn the_golden_token_is_made_and_opened() {
    let vectors = vectors();
    let (root, token) = (&vectors["root"], &vectors["token"]);
    let key = RootKey::new(root["key_id"].as_u64().unwrap() as u16, secret(&root["key"]))
        .realm_key(vectors["realm"]["id"].as_u64().unwrap() as u32);
    assert_eq!(key.secret(), &secret(&vectors["realm"]["key"]));
    let hash = protocol_hash(throng_schema::SCHEMA_VERSION);
    assert_eq!(hash.to_le_bytes(), bytes(&vectors["protocol_hash"]));
    let (fields, golden) = (fields(token, hash), bytes(&token["bytes"]));
    assert_eq!(mint(&fields, &key, &bytes(&token["salt"])), golden);
    assert_eq!(open(&golden, &key), Ok(fields.body.clone()));
    let keys = RealmKeys::new([key.clone()]).unwrap();
    let header = TokenHeader::read(&golden).unwrap();
    assert_eq!(header.check(&golden, &keys, fields.not_after_ms - 1, hash), Ok(&key));
}

#[test]
fn both_sides_find_the_golden_keys() {
    let vectors = vectors();
    let (keys, token) = (&vectors["keys"], &vectors["token"]);
    let (client, server) =
        (PrivateKey::new(secret(&keys["client_private"])), PrivateKey::new(secret(&keys["server_private"])));
    let (golden, server_public) = (bytes(&token["bytes"]), bytes(&keys["server_public"]));
    assert_eq!((client.public(), server.public()), (bytes(&token["client_public"]), server_public));
    let salt: u64 = keys["salt"].as_str().unwrap().parse().unwrap();
    let transcript = Transcript { token: &golden, salt, server_public: &server_public };
    let token_secret = secret(&token["secret"]);
    let sides = [(&client, server.public()), (&server, client.public())];
    for (private, peer_public) in sides {
        let found = SessionKeys::derive(private, &peer_public, &token_secret, transcript).unwrap();
        for generation in vectors["generations"].as_array().unwrap() {
            if generation["generation"] == 0 {
                let of_client = generation["from"] == "client";
                let first = if of_client { found.client_secret() } else { found.server_secret() };
                assert_eq!(first, &secret(&generation["secret"]));
            }
        }
        let datagrams = vectors["datagrams"].as_array().unwrap();
        let named = |name: &str| unhex(&datagrams.iter().find(|d| d["name"] == name).unwrap()["datagram"]);
        let accept = named("accept");
        assert_eq!(found.accept_tag(accept[..48].try_into().unwrap()), accept[48..]);
        let refused = named("refused: full, 10000 sessions");
        assert_eq!(refused_tag(&token_secret, salt, refused[..16].try_into().unwrap()), refused[16..]);

        for datagram in datagrams.iter().filter(|d| !d["body"].is_null()) {
            let of_client = datagram["from"] == "client";
            let first = if of_client { found.client_secret() } else { found.server_secret() };
            seals_and_opens(first, datagram);
        }
    }
}

fn seals_and_opens(first: &SecretBytes, datagram: &Value) {
    let sequence = datagram["sequence"].as_u64().unwrap() as u32;
    let (header, body, golden) =
        (bytes(&datagram["header"]), unhex(&datagram["body"]), unhex(&datagram["datagram"]));
    let mut sealer = Sealer::new(first);
    sealer.keep_up(sequence);
    let mut sealed = body.clone();
    let tag = sealer.seal(&header, sequence, &mut sealed).unwrap();
    assert_eq!([header.as_slice(), &sealed, &tag].concat(), golden, "{}", datagram["name"]);

    // An opener gets there only by opening: something late in each generation before.
    let mut opener = Opener::new(first);
    let mut along = Sealer::new(first);
    for generation in 0..generation_of(sequence) {
        let late = ((generation + 1) << 20) - 1;
        along.keep_up(late);
        let tag = along.seal(&header, late, &mut []).unwrap();
        opener.open(&header, late, &mut tag.clone()).unwrap();
    }
    assert_eq!(opener.open(&header, sequence, &mut golden[16..].to_vec()).unwrap(), body);
}
