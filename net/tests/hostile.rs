//! Datagrams by chance and by malice, against both sides. `THRONG_RUNS` sets how many.

mod world;

use std::net::SocketAddr;

use throng_net::limits::{DATAGRAM_BYTES_MAX, HEADER_BYTES, SEAL_BYTES};
use throng_net::protocol::packet::{
    Header, NET_VERSION, TYPE_CONTROL, TYPE_DATA, TYPE_DISCONNECT, TYPE_HELLO,
};
use throng_net::protocol::{Client, ClientEvent, ClientState, Received, Server, ServerConfig, SessionInfo};
use world::{
    Got, MS, Random, Raw, S, address, client, config, connect, data_of, data_to, deliver, hello_of, polled,
    runs, seed, server, server_with,
};

/// Numbers at which arithmetic goes wrong.
const EDGES: [u32; 16] = [
    0,
    1,
    2,
    1023,
    1024,
    1025,
    65_535,
    65_536,
    65_537,
    0xfffff,
    0x10_0000,
    1 << 31,
    u32::MAX / 2,
    u32::MAX - 1024,
    u32::MAX - 1,
    u32::MAX,
];

fn edge(random: &mut Random) -> u32 {
    EDGES[random.below(EDGES.len() as u32) as usize]
}

/// Does something to a datagram: bits, numbers, length, or nothing.
fn mutate(datagram: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(3) {
        if datagram.is_empty() {
            return;
        }
        let at = random.below(datagram.len() as u32) as usize;
        match random.below(6) {
            0 => datagram[at] ^= 1 << random.below(8),
            1 => datagram[at.min(40)] = random.below(256) as u8,
            2 => datagram.truncate(at),
            3 => datagram.resize(datagram.len() + random.below(1300) as usize, 0xa5),
            // The fields of a header are words at 4, 8 and 12; those of a hello go on to 90.
            _ => {
                let word = 4 * random.below(23) as usize;
                if let Some(field) = datagram.get_mut(word..word + 4) {
                    field.copy_from_slice(&edge(random).to_le_bytes());
                }
            }
        }
    }
}

#[test]
fn a_server_counts_each_datagram_once_and_answers_with_little() {
    const CLIENTS: u32 = 6;
    let mut random = Random::new(seed("a_server_counts_each_datagram_once_and_answers_with_little"));
    // One place too few, so that somebody is always refused.
    let config = ServerConfig { sessions_max: CLIENTS - 1, accepts_per_s: 3, ..config() };
    let mut server = server_with(config);
    let mut proven: Vec<Vec<u8>> = Vec::new();
    let (mut handled, mut connects, mut now_us) = (0, 0, 0);
    let mut clients: Vec<Option<Client>> = (0..CLIENTS).map(|_| None).collect();
    for run in 0..runs(200_000) {
        now_us += MS;
        if random.below(20_000) == 0 {
            now_us += 20 * S;
            server.expire(now_us, |_| {});
        }
        // Whoever has been thrown out comes back, once in a while.
        let who = random.below(CLIENTS);
        let slot = &mut clients[who as usize];
        let id = slot.as_ref().map(Client::connection_id);
        let is_in =
            server.sessions().any(|session| Some(server.session(session).unwrap().connection_id) == id);
        if !is_in && random.chance(2) {
            let mut client = client(now_us, b"hello");
            'handshake: for _ in 0..4 {
                for datagram in polled(&mut client, now_us) {
                    handled += 1;
                    if datagram[0] == TYPE_HELLO && datagram[16..32] != [0; 16] {
                        proven.truncate(20);
                        proven.insert(random.below(proven.len() as u32 + 1) as usize, datagram.clone());
                    }
                    let got = deliver(&mut server, now_us, address(who), &datagram);
                    let Some(answer) = got.answer() else { continue };
                    client.handle(now_us, &mut answer.to_vec());
                    // Some never confirm.
                    if client.state() == ClientState::Connected && random.chance(10) {
                        break 'handshake;
                    }
                }
            }
            if client.state() == ClientState::Connected {
                connects += 1;
                *slot = Some(client);
            }
        }
        let connected = slot.as_mut().filter(|client| client.state() == ClientState::Connected);
        let mut datagram = match (random.below(5), connected) {
            (0 | 1, Some(client)) => data_of(client, now_us, 1, b"payload"),
            (2, Some(client)) => {
                let mut goodbye = data_of(client, now_us, 1, b"");
                goodbye[0] = if random.chance(50) { TYPE_DISCONNECT } else { TYPE_CONTROL };
                goodbye
            }
            (3, _) if random.chance(70) && !proven.is_empty() => {
                proven[random.below(proven.len() as u32) as usize].clone()
            }
            (3, _) => hello_of(&mut client(now_us, b"x"), now_us),
            (4, Some(client)) if random.below(200) == 0 => {
                client.disconnect(9);
                polled(client, now_us).remove(0)
            }
            _ => (0..random.below(1300)).map(|_| random.below(256) as u8).collect(),
        };
        if random.chance(70) {
            mutate(&mut datagram, &mut random);
        }
        let before = (server.session_count(), server.unconfirmed_count());
        let got = deliver(&mut server, now_us, address(random.below(CLIENTS + 4)), &datagram);
        handled += 1;
        let after = (server.session_count(), server.unconfirmed_count());
        match got {
            Got::Reply(answer) => assert!(answer.len() * 18 <= 1200 && datagram.len() == 1200),
            Got::Admitted(..) | Got::Refused(_) => {
                assert_eq!(after, (before.0, before.1 + usize::from(matches!(got, Got::Admitted(..)))));
                let is_theirs = proven.iter().any(|hello| hello[4..360] == datagram[4..360]);
                assert!(is_theirs, "nobody can make a cookie or a token");
            }
            Got::Connected(..) => assert_eq!(after, (before.0 + 1, before.1 - 1)),
            Got::Data(..) => assert_eq!((after, datagram[0]), (before, TYPE_DATA)),
            Got::Strayed(_, challenge, _) => assert_eq!((after, challenge.len()), (before, 40)),
            Got::Disconnected(..) => {
                assert_eq!((after, datagram[0]), ((before.0 - 1, before.1), TYPE_DISCONNECT))
            }
            Got::Handled => assert!(after.0 == before.0),
            Got::Dropped(_) => assert_eq!(after, before),
            Got::Moved(_) => panic!("nobody answered a challenge"),
        }
        if run.is_multiple_of(1000) {
            if let Some(client) =
                clients[who as usize].as_mut().filter(|c| c.state() == ClientState::Connected)
            {
                for _ in 0..50 {
                    deliver(&mut server, now_us, address(who), &data_of(client, now_us, 1, b"flood"));
                    handled += 1;
                }
            }
            server.expire(now_us, |_| {});
            for half in server.transmit_halves().iter() {
                half.finish(now_us, 1, &mut [0; 32], 0);
            }
        }
    }
    let counters = server.counters();
    let per_datagram: u64 =
        counters.iter().take_while(|(name, _)| *name != "sessions_opened").map(|(_, value)| value).sum();
    assert_eq!(per_datagram, handled, "{counters:?}");
    let untouched: Vec<_> = counters.iter().filter(|(_, value)| *value == 0).map(|(name, _)| name).collect();
    println!("{connects} connects; not reached: {untouched:?}");
    assert!(connects > 10 && untouched.len() < 14, "the search is wide: {untouched:?}");
}

/// What strangers send is answered with the 32 bytes of a challenge, for 1,200, or not at all: whoever writes another's
/// address into his datagrams makes us send that one less than a 37th.
#[test]
fn strangers_get_less_than_a_fifteenth_of_what_they_send() {
    let mut random = Random::new(seed("strangers_get_less_than_a_fifteenth_of_what_they_send"));
    let mut server = server(100);
    let (mut insider, _) = connect(&mut server, 1, 0);
    let (mut sent_bytes, mut answered_bytes, mut answers, mut now_us) = (0u64, 0u64, 0u64, 0);
    let mut hellos: Vec<Vec<u8>> = Vec::new();
    let mut stolen_cookies: Vec<[u8; 20]> = Vec::new();
    for run in 0..runs(300_000) {
        now_us += 20;
        if run.is_multiple_of(10_000) {
            hellos = (0..50).map(|_| hello_of(&mut client(now_us, b"hello"), now_us)).collect();
        }
        let mut datagram = match random.below(8) {
            0 => {
                let mut bytes = vec![random.below(256) as u8; random.below(1300) as usize];
                bytes.iter_mut().take(64).for_each(|byte| *byte = random.below(256) as u8);
                bytes
            }
            1 => {
                let mut bytes = vec![0; 32 + random.below(100) as usize];
                bytes[0] = 5 + random.below(3) as u8;
                bytes[4..8].copy_from_slice(&insider.connection_id().to_le_bytes());
                bytes[8..12].copy_from_slice(&edge(&mut random).to_le_bytes());
                bytes
            }
            // Even what the insider really sent, from an address that is not its own.
            2 if run % 1000 == 2 => data_of(&mut insider, now_us, 1, &[1; 40]),
            kind => {
                let mut hello = hellos[random.below(50) as usize].clone();
                if kind == 3 && !stolen_cookies.is_empty() {
                    let cookie = stolen_cookies[random.below(stolen_cookies.len() as u32) as usize];
                    hello[12..32].copy_from_slice(&cookie);
                }
                hello
            }
        };
        if random.chance(30) {
            mutate(&mut datagram, &mut random);
        }
        // Nobody sends twice from one address, so none is ever proven.
        let from = SocketAddr::from(((run as u32 | 1 << 31).to_be_bytes(), 4000));
        sent_bytes += datagram.len() as u64;
        let request_bytes = datagram.len();
        let (is_hello, is_sealed) = (
            datagram.first() == Some(&TYPE_HELLO) && datagram.get(1) == Some(&NET_VERSION),
            datagram.first() == Some(&TYPE_DATA),
        );
        let received = server.handle(now_us, from, &mut datagram);
        match received {
            Received::Reply(answer) => {
                assert!(is_hello && request_bytes == 1200 && answer.len() == 32);
                stolen_cookies.truncate(100);
                let mut cookie = [0; 20];
                cookie.copy_from_slice(&answer[12..32]);
                stolen_cookies.insert(random.below(stolen_cookies.len() as u32 + 1) as usize, cookie);
                answers += 1;
                answered_bytes += answer.len() as u64;
            }
            // Authentic and new: that one is known, wherever it is, and asked there at most four times a second.
            Received::Strayed { challenge, .. } => assert!(is_sealed && challenge.len() < request_bytes),
            Received::Data { .. } => assert!(is_sealed),
            Received::Dropped(_) => {}
            other => panic!("{other:?} for a stranger"),
        }
    }
    println!("{answers} answers: {answered_bytes} bytes for {sent_bytes}");
    assert!(answers > runs(300_000) / 1000 && answered_bytes * 100 <= sent_bytes * 6);
    assert_eq!((server.session_count(), server.unconfirmed_count(), server.used_token_count()), (1, 0, 1));
}

/// Forged datagrams into live sessions, of which some are about to change keys or at the end of their numbers.
#[test]
fn forged_datagrams_change_nothing_in_live_sessions() {
    let mut random = Random::new(seed("forged_datagrams_change_nothing_in_live_sessions"));
    let config = ServerConfig { input_rate_hz: 1_000_000, input_burst: 1_000_000, ..config() };
    let mut server = server_with(config);
    let generation = 1u32 << 20;
    let places =
        [1, 1024, generation - 1, generation, generation + 1, generation + 1024, 1 << 31, u32::MAX - 1];
    let mut raws: Vec<Raw> = places
        .iter()
        .zip(1..)
        .map(|(newest, i)| {
            let mut raw = Raw::connect(&mut server, i, 0);
            let mut sequence = 1;
            while sequence < *newest {
                sequence = sequence.saturating_add(65_536).min(*newest);
                raw.sealer.keep_up(sequence.saturating_sub(65_536));
                let step = raw.seal(TYPE_DATA, 1, sequence, 0, b"");
                assert!(matches!(deliver(&mut server, 0, raw.from, &step), Got::Data(..)), "{sequence}");
            }
            raw.sealer.keep_up(*newest);
            raw
        })
        .collect();
    for raw in &raws {
        for _ in 0..3 {
            data_to(&server, raw.session, 0, 1, b"snapshot");
        }
    }
    let infos = |server: &Server| -> Vec<SessionInfo> {
        raws.iter().map(|raw| server.session(raw.session).unwrap()).collect()
    };
    let before = infos(&server);
    let mut reasons = std::collections::BTreeMap::new();
    let mut datagram = [0; DATAGRAM_BYTES_MAX];
    for run in 0..runs(300_000) {
        let which = random.below(raws.len() as u32) as usize;
        let (raw, info) = (&raws[which], &before[which]);
        let packet_type = [TYPE_DATA, TYPE_DISCONNECT, TYPE_CONTROL][random.below(3) as usize];
        let bytes = match random.below(10) {
            _ if packet_type == TYPE_DISCONNECT && random.chance(90) => 32,
            0 => 32 + random.below(1169) as usize,
            1 => random.below(33) as usize,
            _ => 32 + random.below(60) as usize,
        };
        for chunk in datagram[..bytes].chunks_mut(4) {
            let word = random.below(u32::MAX).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        let around = info.received.wrapping_add(random.below(5)).wrapping_sub(2);
        let sequence = match random.below(8) {
            0 => edge(&mut random),
            1 => random.below(u32::MAX),
            2 => around.wrapping_add(65_536),
            3 => around.wrapping_sub(1024),
            4 => (around & !(generation - 1)).wrapping_add(random.below(4)).wrapping_sub(2),
            5 => (around | (generation - 1)).wrapping_add(random.below(4)).wrapping_sub(1),
            _ => around,
        };
        let header = Header {
            packet_type,
            kind: random.below(4) as u8,
            ack_bits: random.below(1 << 16) as u16,
            connection_id: raw.connection_id,
            sequence,
            ack: edge(&mut random),
        };
        let head = header.to_bytes();
        let known = bytes.min(HEADER_BYTES);
        datagram[..known].copy_from_slice(&head[..known]);
        // Mostly from the session's own address, where everything is opened.
        let from = if random.chance(90) { raw.from } else { address(random.below(1000)) };
        let Received::Dropped(reject) = server.handle(run * MS, from, &mut datagram[..bytes]) else {
            panic!("run {run}: {header:?} of {bytes} bytes was believed")
        };
        *reasons.entry(format!("{reject:?}")).or_insert(0u64) += 1;
    }
    println!("{reasons:?}");
    assert_eq!(infos(&server), before, "nothing moved");
    assert!(
        ["Forged", "TooOld", "TooFarAhead", "Duplicate", "Length"]
            .iter()
            .all(|name| reasons.contains_key(*name))
    );
    // Every one of them goes on where it was.
    for (raw, info) in raws.iter_mut().zip(&before) {
        let next = info.received + 1;
        raw.sealer.keep_up(info.received);
        let up = raw.seal(TYPE_DATA, 1, next, 3, b"still here");
        let now_us = runs(300_000) * MS;
        assert_eq!(
            deliver(&mut server, now_us, raw.from, &up),
            Got::Data(raw.session, 1, b"still here".to_vec())
        );
        let mut down = data_to(&server, raw.session, now_us, 1, b"you too");
        let (head, sealed) = down.split_first_chunk_mut::<HEADER_BYTES>().unwrap();
        let header = Header::read(head).unwrap();
        assert_eq!(header.ack, next);
        assert_eq!(raw.opener.open(head, header.sequence, sealed).unwrap(), b"you too");
        assert_eq!(sealed.len(), 7 + SEAL_BYTES);
    }
}

#[test]
fn a_client_believes_only_its_server() {
    let mut random = Random::new(seed("a_client_believes_only_its_server"));
    let mut server: Server = server(1);
    let (mut connected, mut session) = connect(&mut server, 1, 0);
    let mut connecting = client(0, b"hello");
    hello_of(&mut connecting, 0);
    let (mut data, mut closed) = (0, 0);
    for run in 0..runs(200_000) {
        let now_us = run * MS;
        let mut authentic = None;
        let mut datagram = match random.below(5) {
            0 => {
                let datagram = data_to(&server, session, now_us, 2, b"payload");
                authentic = Some(datagram.clone());
                datagram
            }
            1 => {
                let mut goodbye = data_to(&server, session, now_us, 2, b"");
                // A changed bit may undo the change.
                authentic = Some(goodbye.clone());
                goodbye[0] = if random.chance(50) { TYPE_DISCONNECT } else { TYPE_CONTROL };
                goodbye
            }
            2 => {
                let mut answer = vec![0; if random.chance(50) { 32 } else { 64 }];
                (answer[0], answer[1]) = (2 + random.below(3) as u8, NET_VERSION);
                answer
            }
            3 if random.below(1000) == 0 => {
                let goodbye = server.close(session, 16).unwrap().0.to_vec();
                authentic = Some(goodbye.clone());
                goodbye
            }
            _ => (0..random.below(80)).map(|_| random.below(256) as u8).collect(),
        };
        mutate(&mut datagram, &mut random);
        let is_authentic = authentic.is_some_and(|authentic| authentic == datagram);
        let mut copy = datagram.clone();
        let event = connecting.handle(now_us, &mut copy);
        assert!(matches!(event, ClientEvent::Dropped(_)), "nobody can guess the salt: {event:?}");
        let sent = (connected.state(), connected.acked(), connected.rtt_us());
        match connected.handle(now_us, &mut datagram) {
            ClientEvent::Data { payload, .. } => {
                assert!(is_authentic && (payload == b"payload" || payload.is_empty()));
                data += 1;
            }
            ClientEvent::Closed(_) => {
                assert!(is_authentic);
                closed += 1;
            }
            ClientEvent::Dropped(_) => {
                assert_eq!((connected.state(), connected.acked(), connected.rtt_us()), sent);
            }
            event => panic!("{event:?} in an established session"),
        }
        if connected.state() != ClientState::Connected || server.session(session).is_none() {
            server.close(session, 16);
            (connected, session) = connect(&mut server, 1, now_us);
        }
        // Whoever is never heard of would be given up.
        if run.is_multiple_of(1000) && server.session(session).is_some() {
            let up = data_of(&mut connected, now_us, 1, b"");
            assert!(matches!(deliver(&mut server, now_us, address(1), &up), Got::Data(..)));
        }
    }
    println!("{data} payloads, {closed} closed");
    assert!(data > 100 && closed > 2);
}
