//! What sealing adds to a send: a payload is copied into its slot, headed, sealed in place and sent, for 10,000 sessions
//! with a key each; against the same copy and the same bare `sendmmsg` without a seal.
//!
//! A key is 600 bytes that were last looked at a tick ago, so "copy, seal" is mostly the time until they have come: with
//! so few sessions that their keys stay in the first caches it is less than half of it.

use std::hint::black_box;
use std::net::SocketAddr;

use criterion::Criterion;
use throng_benches::raw::udp::{Parcel, RawSender, Sink};
use throng_benches::{Race, criterion, field};
use throng_net::limits::{DATAGRAM_BYTES_MAX, HEADER_BYTES, PAYLOAD_BYTES_MAX, SEAL_BYTES, TOKEN_LIFE_MS};
use throng_net::protocol::keys::{Entropy, SecretBytes};
use throng_net::protocol::token::{
    Grant, RealmKey, RealmKeys, RootKey, TokenBody, TokenFields, TokenName, mint, protocol_hash,
};
use throng_net::protocol::{Admission, Client, PrefixCaps, Received, Server, ServerConfig};

const STARTED_MS: u64 = 1_780_000_000_000;
const REALM_ID: u32 = 1;

fn realm_key() -> RealmKey {
    RootKey::new(1, SecretBytes::new([3; 32])).realm_key(REALM_ID)
}

/// A server that lets in whoever has a token, from wherever, as fast as it can.
fn server(sessions_max: u32) -> Server {
    let exempt = ["127.0.0.0/8".parse().expect("a network")].to_vec();
    let config = ServerConfig {
        sessions_max,
        realm_id: REALM_ID,
        protocol_hash: protocol_hash(1),
        started_unix_ms: STARTED_MS,
        accepts_per_s: 1_000_000,
        caps: PrefixCaps { exempt, ..PrefixCaps::default() },
        ..ServerConfig::default()
    };
    Server::new(config, [7; 32], RealmKeys::new([realm_key()]).expect("one key"))
        .expect("a sound configuration")
}

fn grant(entropy: &mut Entropy, key: &RealmKey, now_ms: u64) -> Grant {
    let private_key = entropy.private_key();
    let secret = SecretBytes::new(entropy.draw());
    let body = TokenBody {
        token_id: entropy.draw(),
        account: 1,
        character: 1,
        session_epoch: 1,
        issued_at_ms: now_ms,
        secret: secret.clone(),
        client_public: private_key.public(),
        idle_timeout_s: 0,
        rate_class: 0,
        flags: 0,
        name: TokenName::new("bench").expect("a sound name"),
        user_data: [0; 16],
    };
    let fields = TokenFields { not_after_ms: now_ms + TOKEN_LIFE_MS, protocol_hash: protocol_hash(1), body };
    Grant { token: mint(&fields, key, &entropy.draw()), secret, private_key }
}

/// A whole handshake; afterwards the session at the next place stands.
fn connect(server: &mut Server, now_us: u64, from: SocketAddr, grant: Grant) -> Client {
    let mut client = Client::new(now_us, 42, grant, [].into()).expect("a short hello");
    let mut out = [0; DATAGRAM_BYTES_MAX];
    while let Some(bytes) = client.poll(now_us, &mut out) {
        match server.handle(now_us, from, &mut out[..bytes]) {
            Received::Reply(answer) => drop(client.handle(now_us, &mut answer.to_vec())),
            Received::Asking(asking) => match server.admit(now_us, asking) {
                Admission::Opened { reply, .. } => drop(client.handle(now_us, &mut reply.to_vec())),
                other => panic!("{other:?}"),
            },
            Received::Connected { .. } => return client,
            other => panic!("{other:?}"),
        }
    }
    panic!("a handshake came to nothing");
}

fn sealing(criterion: &mut Criterion) {
    let clients = field::unless_smoke(field::CLIENTS) as usize;
    let sink = Sink::open().expect("a socket can be had");
    let addresses = sink.addresses(clients).expect("it has a port");
    let mut server = server(clients as u32);
    let (mut entropy, key) = (Entropy::new([9; 32]), realm_key());
    for (number, address) in addresses.iter().enumerate() {
        // At a pace that no limit minds.
        let now_us = 1_000 * number as u64;
        connect(
            &mut server,
            now_us,
            (*address).into(),
            grant(&mut entropy, &key, STARTED_MS + now_us / 1000),
        );
    }
    let halves = server.transmit_halves();
    assert_eq!(halves.iter().count(), clients);
    let payloads = vec![0x5a_u8; clients * PAYLOAD_BYTES_MAX];

    for payload_bytes in [200, 600, 1_200 - HEADER_BYTES - SEAL_BYTES] {
        let payload = |number: usize| &payloads[number * PAYLOAD_BYTES_MAX..][..payload_bytes];
        let parcels = |more: usize| -> Vec<Parcel> {
            addresses.iter().map(|to| Parcel::new(*to, HEADER_BYTES + payload_bytes + more)).collect()
        };
        let (plain, sealed) = (parcels(0), parcels(SEAL_BYTES));
        let copied = |number: usize, slot: &mut [u8]| {
            slot[HEADER_BYTES..HEADER_BYTES + payload_bytes].copy_from_slice(payload(number));
        };
        let sealed_in = |number: usize, slot: &mut [u8]| {
            copied(number, slot);
            let half = halves.get(number).expect("a session lives there");
            black_box(half.finish(0, 2, slot, payload_bytes));
        };
        let mut raw = RawSender::open().expect("a socket can be had");
        let mut raw_sealed = RawSender::open().expect("a socket can be had");
        let mut slots = vec![[0; 2048]; 256];
        let mut sealed_slots = vec![[0; 2048]; 256];

        let mut race = Race::new(format!("sealing {payload_bytes} B"), clients as u64);
        race.whole_lap("copy, send", move || {
            let sent = raw.send_filled(&plain, copied);
            assert_eq!(sent, clients);
        });
        race.whole_lap("copy, seal, send", move || {
            let sent = raw_sealed.send_filled(&sealed, sealed_in);
            assert_eq!(sent, clients);
        });
        race.whole_lap("copy", move || {
            (0..clients).for_each(|number| copied(number, &mut slots[number % 256]));
            black_box(&mut slots);
        });
        race.whole_lap("copy, seal", move || {
            (0..clients).for_each(|number| sealed_in(number, &mut sealed_slots[number % 256]));
            black_box(&mut sealed_slots);
        });
        match payload_bytes {
            600 => race.goal("copy, seal, send", "copy, send", 1.15),
            _ => race.compare("copy, seal, send", "copy, send"),
        };
        race.run(criterion);
    }
}

fn main() {
    let mut criterion = criterion();
    sealing(&mut criterion);
    criterion.final_summary();
}
