//! Datagrams by chance and by malice, against both sides. `THRONG_RUNS` sets how many.

mod world;

use throng_net::limits::DATAGRAM_BYTES_MAX;
use throng_net::protocol::packet::{Header, TYPE_DATA, TYPE_DISCONNECT};
use throng_net::protocol::{Client, ClientEvent, ClientState, Received, Server};
use world::{MS, Random, S, address, client, connect, data_of, data_to, hello_of, seed, server};

fn runs() -> u64 {
    std::env::var("THRONG_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000)
}

/// Numbers at which arithmetic goes wrong.
const EDGES: [u32; 12] =
    [0, 1, 2, 1023, 1024, 1025, 0xfffff, 0x10_0000, u32::MAX / 2, u32::MAX - 1024, u32::MAX - 1, u32::MAX];

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
            // The fields of a header are words at 4, 8 and 12; those of a hello go on to 32.
            _ => {
                let word = 4 * random.below(9) as usize;
                if let Some(field) = datagram.get_mut(word..word + 4) {
                    field.copy_from_slice(&EDGES[random.below(EDGES.len() as u32) as usize].to_le_bytes());
                }
            }
        }
    }
}

#[test]
fn a_server_counts_each_datagram_once_and_answers_with_little() {
    const CLIENTS: u32 = 3;
    let mut random = Random::new(seed("a_server_counts_each_datagram_once_and_answers_with_little"));
    // One place too few, so that somebody is always refused.
    let mut server = server(CLIENTS - 1);
    let mut proven: Vec<[u8; DATAGRAM_BYTES_MAX]> = Vec::new();
    let (mut handled, mut connects) = (0, 0);
    let mut clients: Vec<Option<Client>> = (0..CLIENTS).map(|_| None).collect();
    let mut now_us = 0;
    for run in 0..runs() {
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
        if !is_in && random.chance(20) {
            let mut client = Client::new(now_us, run, (*b"hello").into()).unwrap();
            for _ in 0..3 {
                let mut out = [0; DATAGRAM_BYTES_MAX];
                if client.poll(now_us, &mut out).is_some() {
                    handled += 1;
                    if out[16..32] != [0; 16] {
                        proven.truncate(20);
                        proven.insert(random.below(proven.len() as u32 + 1) as usize, out);
                    }
                    if let Received::Reply(answer) | Received::Connected { reply: answer, .. } =
                        server.handle(now_us, address(who), &out)
                    {
                        client.handle(now_us, &answer);
                    }
                }
            }
            if client.state() == ClientState::Connected {
                connects += 1;
                *slot = Some(client);
            }
        }
        let mut datagram = match (random.below(5), slot) {
            (0 | 1, Some(client)) => data_of(client, now_us, 1, b"payload"),
            (2, Some(client)) => {
                let mut goodbye = data_of(client, now_us, 1, b"");
                goodbye[0] = TYPE_DISCONNECT;
                // Mostly spoiled below, or from elsewhere.
                goodbye
            }
            (3, _) if random.chance(50) && !proven.is_empty() => {
                proven[random.below(proven.len() as u32) as usize].to_vec()
            }
            (3, _) => hello_of(&mut client(u64::from(random.below(5)), b"x"), 0).to_vec(),
            _ => (0..random.below(1300)).map(|_| random.below(256) as u8).collect(),
        };
        mutate(&mut datagram, &mut random);
        let before = server.session_count();
        let received = server.handle(now_us, address(random.below(CLIENTS + 4)), &datagram);
        handled += 1;
        match received {
            Received::Reply(answer) => assert!(answer.len() <= 64 && datagram.len() == 1200),
            Received::Connected { .. } => {
                assert_eq!(server.session_count(), before + 1);
                assert!(
                    proven.iter().any(|hello| hello[4..32] == datagram[4..32]),
                    "nobody can make a cookie"
                );
            }
            Received::Data { .. } => assert_eq!((server.session_count(), datagram[0]), (before, TYPE_DATA)),
            Received::Disconnected { .. } => assert_eq!(server.session_count(), before - 1),
            Received::Dropped(_) => assert_eq!(server.session_count(), before),
        }
        if run.is_multiple_of(1000) {
            if let Some(client) = &mut clients[who as usize] {
                for _ in 0..50 {
                    server.handle(now_us, address(who), &data_of(client, now_us, 1, b"flood"));
                    handled += 1;
                }
            }
            server.expire(now_us, |_| {});
            server.transmit_halves().iter().filter(|transmit| transmit.is_live()).for_each(|transmit| {
                transmit.write_header(now_us, 1, &mut [0; 16]);
            });
        }
    }
    let counters = server.counters();
    let per_datagram: u64 =
        counters.iter().take_while(|(name, _)| *name != "sessions_opened").map(|(_, value)| value).sum();
    assert_eq!(per_datagram, handled, "{counters:?}");
    let untouched: Vec<_> = counters.iter().filter(|(_, value)| *value == 0).map(|(name, _)| name).collect();
    println!("{connects} connects; not reached: {untouched:?}");
    assert!(connects > 10 && untouched.len() < 3, "the search is wide: {untouched:?}");
}

#[test]
fn a_client_believes_only_its_server() {
    let mut random = Random::new(seed("a_client_believes_only_its_server"));
    let mut server: Server = server(1);
    let (mut connected, mut session) = connect(&mut server, 1, 0);
    let mut connecting = client(0x1234_5678_9abc_def0, b"hello");
    hello_of(&mut connecting, 0);
    let (mut data, mut closed) = (0, 0);
    for run in 0..runs() {
        let now_us = run * MS;
        let mut datagram = match random.below(4) {
            0 => data_to(&mut server, session, now_us, 2, b"payload"),
            1 => {
                let mut goodbye = data_to(&mut server, session, now_us, 2, b"");
                goodbye[0] = TYPE_DISCONNECT;
                goodbye
            }
            2 => {
                let mut answer = vec![0; if random.chance(50) { 32 } else { 16 }];
                (answer[0], answer[1]) = (2 + random.below(3) as u8, 1);
                answer
            }
            _ => (0..random.below(80)).map(|_| random.below(256) as u8).collect(),
        };
        mutate(&mut datagram, &mut random);
        let event = connecting.handle(now_us, &datagram);
        assert!(matches!(event, ClientEvent::Dropped(_)), "nobody can guess the salt: {event:?}");
        match connected.handle(now_us, &datagram) {
            ClientEvent::Data { payload, .. } => {
                assert_eq!(payload.len() + 16, datagram.len());
                assert_eq!(Header::read(&datagram).unwrap().connection_id, connected.connection_id());
                data += 1;
            }
            ClientEvent::Closed(_) => {
                assert_eq!(Header::read(&datagram).unwrap().connection_id, connected.connection_id());
                closed += 1;
            }
            ClientEvent::Dropped(_) => {}
            event => panic!("{event:?} in an established session"),
        }
        // A forged sequence may have run to the end of the numbers: that session is spent, start over.
        if connected.state() != ClientState::Connected || run.is_multiple_of(100) {
            server.close(session, 16);
            (connected, session) = connect(&mut server, 1, now_us);
        }
    }
    println!("{data} payloads, {closed} closed");
    assert!(data > 100 && closed > 100);
}
