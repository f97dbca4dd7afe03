//! The real server and client against the schema's golden handshake: here, because this crate sees both crates,
//! which know nothing of each other.
#![allow(missing_docs)]

use serde_json::Value;
use throng_net::protocol::keys::PrivateKey;
use throng_net::protocol::packet::Header;
use throng_net::protocol::token::{Grant, RealmKey, RealmKeys};
use throng_net::protocol::{
    Admission, Client, ClientEvent, ClientState, CloseCause, Received, Server, ServerConfig,
};

fn unhex(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap().as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    unhex(value).try_into().unwrap()
}

fn vectors() -> Value {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/vectors/handshake.json"));
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// The bytes of a datagram of the vectors.
fn named(vectors: &Value, name: &str) -> Vec<u8> {
    let datagrams = vectors["datagrams"].as_array().unwrap();
    unhex(&datagrams.iter().find(|d| d["name"] == name).unwrap_or_else(|| panic!("{name}"))["datagram"])
}

fn client(vectors: &Value) -> Client {
    let (token, keys) = (&vectors["token"], &vectors["keys"]);
    let grant = Grant {
        token: bytes(&token["bytes"]),
        secret: bytes(&token["secret"]).into(),
        private_key: PrivateKey::new(bytes(&keys["client_private"]).into()),
    };
    let hello = named(vectors, "hello without a cookie");
    let payload = &hello[362..362 + usize::from(hello[360])];
    Client::new(0, keys["salt"].as_str().unwrap().parse().unwrap(), grant, payload.into()).unwrap()
}

#[test]
fn the_client_reproduces_the_golden_handshake() {
    let vectors = vectors();
    let get = |name: &str| named(&vectors, name);
    let mut client = client(&vectors);
    let mut out = [0; 1200];
    assert_eq!(client.poll(0, &mut out), Some(1200));
    assert_eq!(out, get("hello without a cookie").as_slice());
    assert_eq!(client.handle(0, &mut get("challenge")), ClientEvent::Challenged);
    assert_eq!(client.poll(0, &mut out), Some(1200));
    assert_eq!(out, get("hello with the cookie").as_slice());
    for bit in 0..64 * 8 {
        let mut forged = get("accept");
        forged[bit / 8] ^= 1 << (bit % 8);
        // Bytes 2 and 3 are not looked at, but the code covers them.
        assert!(matches!(client.handle(0, &mut forged), ClientEvent::Dropped(_)), "bit {bit}");
    }
    assert_eq!(client.handle(0, &mut get("accept")), ClientEvent::Connected);
    assert_eq!(u64::from(client.connection_id()), vectors["connection_id"].as_u64().unwrap());
    let confirm = get("control: confirm");
    assert_eq!(client.poll(0, &mut out), Some(confirm.len()));
    assert_eq!(out[..confirm.len()], confirm);

    let datagrams = vectors["datagrams"].as_array().unwrap();
    let input = unhex(&datagrams.iter().find(|d| d["name"] == "data: the first input").unwrap()["body"]);
    out[16..16 + input.len()].copy_from_slice(&input);
    let golden = get("data: the first input");
    assert_eq!(client.finish(0, 1, &mut out, input.len()), Some(golden.len()));
    assert_eq!(out[..golden.len()], golden);

    let mut snapshot = get("data: a snapshot");
    let body = unhex(&datagrams.iter().find(|d| d["name"] == "data: a snapshot").unwrap()["body"]);
    assert_eq!(client.handle(0, &mut snapshot), ClientEvent::Data { kind: 2, payload: &body });
    assert_eq!(client.acked(), 2);
    assert!(matches!(client.handle(0, &mut get("data: a snapshot")), ClientEvent::Dropped(_)));
    assert_eq!(client.handle(0, &mut get("control: path challenge")), ClientEvent::Handled);
    assert_eq!(client.poll(0, &mut out), Some(40));
    assert_eq!(Header::read(&out).map(|h| (h.packet_type, h.kind, h.ack, h.ack_bits)), Some((7, 2, 2, 1)));
    let mut far = get("data: the last of all");
    assert!(matches!(client.handle(0, &mut far), ClientEvent::Dropped(_)), "beyond the horizon");
    let mut stopping = get("disconnect: the server stops");
    let closed = ClientEvent::Closed(CloseCause::Disconnected { reason: 2 });
    assert_eq!(client.handle(0, &mut stopping), closed);
}

#[test]
fn the_client_believes_the_golden_refusal_and_no_other() {
    let vectors = vectors();
    let mut client = client(&vectors);
    let refused = named(&vectors, "refused: full, 10000 sessions");
    for bit in 0..refused.len() * 8 {
        let mut forged = refused.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(client.handle(0, &mut forged), ClientEvent::Dropped(_)), "bit {bit}");
        assert_eq!(client.state(), ClientState::Connecting);
    }
    let cause = CloseCause::Refused { reason: 1, detail: 10_000 };
    assert_eq!(client.handle(0, &mut refused.clone()), ClientEvent::Closed(cause));
}

#[test]
fn the_server_takes_the_golden_token() {
    let vectors = vectors();
    let (token, realm) = (&vectors["token"], &vectors["realm"]);
    let realm_id = realm["id"].as_u64().unwrap() as u32;
    let key_id = vectors["root"]["key_id"].as_u64().unwrap() as u16;
    let keys = RealmKeys::new([RealmKey::new(key_id, realm_id, bytes(&realm["key"]).into())]).unwrap();
    let config = ServerConfig {
        realm_id,
        protocol_hash: u64::from_le_bytes(bytes(&vectors["protocol_hash"])),
        started_unix_ms: token["issued_at_ms"].as_u64().unwrap(),
        ..ServerConfig::default()
    };
    let mut server = Server::new(config, &[7; 32].into(), keys).unwrap();
    let mut client = client(&vectors);
    let from: std::net::SocketAddr = "192.0.2.7:40000".parse().unwrap();
    let mut out = [0; 1200];
    client.poll(0, &mut out).unwrap();
    assert_eq!(out, named(&vectors, "hello without a cookie").as_slice());
    let Received::Reply(challenge) = server.handle(0, from, &mut out) else { panic!("no challenge") };
    assert_eq!(challenge[..12], named(&vectors, "challenge")[..12]);
    assert_eq!(client.handle(0, &mut challenge.to_vec()), ClientEvent::Challenged);
    client.poll(0, &mut out).unwrap();
    let Received::Asking(asking) = server.handle(0, from, &mut out) else { panic!("not asked") };
    assert_eq!(Some(asking.ticket.account), token["account"].as_u64());
    assert_eq!(Some(asking.ticket.character), token["character"].as_u64());
    assert_eq!(Some(asking.ticket.session_epoch), token["session_epoch"].as_u64());
    assert_eq!(Some(asking.ticket.name.as_str()), token["name"].as_str());
    let Admission::Opened { session, reply } = server.admit(0, asking) else { panic!("not admitted") };
    assert_eq!(client.handle(0, &mut reply.to_vec()), ClientEvent::Connected);
    let length = client.poll(0, &mut out).unwrap();
    let confirmed = server.handle(0, from, &mut out[..length]);
    assert!(matches!(confirmed, Received::Connected { session: who, .. } if who == session), "{confirmed:?}");
}
