//! Established sessions: hostile datagrams, limits, acknowledgement, timeouts, leaving.

mod world;

use throng_net::limits::{DATAGRAM_BYTES_MAX, DISCONNECT_COPIES, SWEEP_SESSIONS, TIMEOUT_US};
use throng_net::protocol::packet::{
    DISCONNECT_LEFT, DISCONNECT_STOPPING, Header, TYPE_DATA, TYPE_DISCONNECT,
};
use throng_net::protocol::{ClientEvent, ClientState, CloseCause, Received, Reject, Server, ServerConfig};
use world::{MS, Random, S, SECRET, address, connect, data_of, data_to, seed, server};

#[test]
fn payloads_pass_both_ways_once() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let up = data_of(&mut client, 1, 7, b"up");
    assert_eq!(server.handle(1, address(1), &up), Received::Data { session, kind: 7, payload: b"up" });
    assert_eq!(server.handle(1, address(1), &up), Received::Dropped(Reject::Duplicate));
    let down = data_to(&mut server, session, 2, 9, b"down");
    assert_eq!(client.handle(2, &down), ClientEvent::Data { kind: 9, payload: b"down" });
    assert_eq!(client.handle(2, &down), ClientEvent::Dropped(Reject::Duplicate));
    let header = Header::read(&down).unwrap();
    assert_eq!((header.ack, header.ack_bits, header.sequence), (1, 0, 1));
    // An empty payload is a payload.
    let up = data_of(&mut client, 3, 7, b"");
    assert_eq!(server.handle(3, address(1), &up), Received::Data { session, kind: 7, payload: b"" });
    assert_eq!(Header::read(&up).unwrap().ack, 1);
    assert_eq!(server.session(session).unwrap().acked, 1);
}

#[test]
fn datagrams_cut_at_any_length_are_dropped_and_disturb_nobody() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let up = data_of(&mut client, 1, 7, b"");
    let hello = world::hello_of(&mut world::client(9, b"x"), 0);
    let mut goodbye = up.clone();
    goodbye[0] = TYPE_DISCONNECT;
    for whole in [up.as_slice(), &hello, &goodbye] {
        for len in 0..whole.len() {
            let received = server.handle(1, address(1), &whole[..len]);
            assert!(
                matches!(received, Received::Dropped(Reject::Length | Reject::UnknownType)),
                "{len} bytes"
            );
        }
    }
    let counters = server.counters();
    assert_eq!(counters.rejected_length + counters.rejected_unknown_type, 16 + 1200 + 16);
    assert_eq!(counters.rejected_unknown_type, 3);
    goodbye.push(0);
    assert_eq!(server.handle(1, address(1), &goodbye), Received::Dropped(Reject::Length));
    assert!(matches!(server.handle(1, address(1), &up), Received::Data { .. }));
    assert!(server.session(session).is_some());
    let down = data_to(&mut server, session, 2, 9, b"");
    for len in 0..down.len() {
        assert!(matches!(client.handle(2, &down[..len]), ClientEvent::Dropped(_)));
    }
    assert!(matches!(client.handle(2, &down), ClientEvent::Data { .. }));
}

#[test]
fn oversized_datagrams_are_dropped() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let up = data_of(&mut client, 1, 7, &[0; DATAGRAM_BYTES_MAX - 15]);
    assert_eq!(up.len(), DATAGRAM_BYTES_MAX + 1);
    assert_eq!(server.handle(1, address(1), &up), Received::Dropped(Reject::Oversized));
    let down = data_to(&mut server, session, 2, 9, &[0; 65_000]);
    assert_eq!(client.handle(2, &down), ClientEvent::Dropped(Reject::Oversized));
    assert!(matches!(server.handle(1, address(1), &up[..DATAGRAM_BYTES_MAX]), Received::Data { .. }));
}

#[test]
fn strangers_cannot_speak_for_a_client() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let before = server.session(session);
    let up = data_of(&mut client, 1, 7, b"up");
    for from in [address(2), "10.0.0.1:4001".parse().unwrap(), "[::ffff:10.0.0.1]:4000".parse().unwrap()] {
        assert_eq!(server.handle(1, from, &up), Received::Dropped(Reject::WrongAddress));
        let mut goodbye = up[..16].to_vec();
        goodbye[0] = TYPE_DISCONNECT;
        assert_eq!(server.handle(1, from, &goodbye), Received::Dropped(Reject::WrongAddress));
    }
    // The right address with a guessed id.
    let mut guesses = 0;
    for high in 0..4096u32 {
        let id = client.connection_id() & 0xfffff | high << 20;
        if id == client.connection_id() {
            continue;
        }
        let mut forged = up.clone();
        forged[4..8].copy_from_slice(&id.to_le_bytes());
        assert_eq!(server.handle(1, address(1), &forged), Received::Dropped(Reject::UnknownConnection));
        forged[0] = TYPE_DISCONNECT;
        assert_eq!(server.handle(1, address(1), &forged[..16]), Received::Dropped(Reject::LateDisconnect));
        guesses += 1;
    }
    assert_eq!(guesses, 4095);
    for id in [0, u32::MAX, 0xfffff, 3] {
        let mut forged = up.clone();
        forged[4..8].copy_from_slice(&u32::to_le_bytes(id));
        assert_eq!(server.handle(1, address(1), &forged), Received::Dropped(Reject::UnknownConnection));
    }
    assert_eq!(server.session(session), before);
    assert!(matches!(server.handle(1, address(1), &up), Received::Data { .. }));
}

#[test]
fn sequences_at_the_edges_neither_panic_nor_pass_twice() {
    let mut server = server(4);
    let (client, session) = connect(&mut server, 1, 0);
    let mut send = |now_us, sequence, ack| {
        let header = Header {
            packet_type: TYPE_DATA,
            kind: 1,
            ack_bits: 0xffff,
            connection_id: client.connection_id(),
            sequence,
            ack,
        };
        match server.handle(now_us, address(1), &header.to_bytes()) {
            Received::Data { session: from, .. } => {
                assert_eq!(from, session);
                Ok(())
            }
            Received::Dropped(reject) => Err(reject),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(send(0, 0, 0), Err(Reject::TooOld));
    assert_eq!(send(0, 1, 1), Err(Reject::AckUnsent), "nothing was sent, so nothing can be acknowledged");
    assert_eq!(send(0, 1, u32::MAX), Err(Reject::AckUnsent));
    assert_eq!(send(0, 1, 0), Ok(()));
    assert_eq!(send(0, 1, 0), Err(Reject::Duplicate));
    assert_eq!(send(0, u32::MAX, 0), Ok(()));
    assert_eq!(send(0, u32::MAX, 0), Err(Reject::Duplicate));
    assert_eq!(send(0, u32::MAX - 1023, 0), Ok(()));
    assert_eq!(send(0, u32::MAX - 1024, 0), Err(Reject::TooOld));
    assert_eq!(send(0, 0, 0), Err(Reject::TooOld));
    assert_eq!(send(u64::MAX, u32::MAX - 1, 0), Ok(()));
    assert_eq!(
        send(0, u32::MAX - 2, 0),
        Err(Reject::RateLimited),
        "time that steps back lets nothing more pass"
    );
}

#[test]
fn a_flood_is_cut_to_the_rate_and_the_session_lives_on() {
    let config = ServerConfig { input_rate_hz: 40, input_burst: 10, ..ServerConfig::default() };
    let mut server = Server::new(config, SECRET).unwrap();
    let (mut flooder, flooding) = connect(&mut server, 1, 0);
    let (mut honest, _) = connect(&mut server, 2, 0);
    let (mut flooded, mut heard) = (0, 0);
    // 10 s of 5,000 a second, and an honest client with 20.
    for i in 0..50_000u64 {
        let now_us = i * 200;
        let up = data_of(&mut flooder, now_us, 1, b"flood");
        flooded += u64::from(matches!(server.handle(now_us, address(1), &up), Received::Data { .. }));
        if i % 250 == 0 {
            let up = data_of(&mut honest, now_us, 1, b"input");
            heard += u64::from(matches!(server.handle(now_us, address(2), &up), Received::Data { .. }));
        }
    }
    assert!((400..=411).contains(&flooded), "{flooded}");
    assert_eq!(heard, 200);
    assert_eq!(server.counters().rejected_rate_limited, 50_000 - flooded);
    server.expire(10 * S, |_| panic!("both are alive"));
    assert!(server.session(flooding).is_some());
}

#[test]
fn a_replayed_flood_does_not_use_up_the_clients_rate() {
    let mut server = server(4);
    let (mut client, _) = connect(&mut server, 1, 0);
    let first = data_of(&mut client, 0, 1, b"");
    server.handle(0, address(1), &first);
    for _ in 0..100_000 {
        assert_eq!(server.handle(0, address(1), &first), Received::Dropped(Reject::Duplicate));
    }
    let next = data_of(&mut client, 0, 1, b"");
    assert!(matches!(server.handle(0, address(1), &next), Received::Data { .. }));
}

#[test]
fn silence_ends_sessions_on_both_sides() {
    let mut server = server(100);
    let mut clients: Vec<_> = (0..100).map(|i| connect(&mut server, i, 0)).collect();
    let mut expired = Vec::new();
    // Even ones keep talking.
    for tick in 1..=300u64 {
        let now_us = tick * 50 * MS;
        for (i, (client, session)) in clients.iter_mut().enumerate() {
            if i % 2 == 0 {
                let up = data_of(client, now_us, 1, b"");
                assert!(matches!(server.handle(now_us, address(i as u32), &up), Received::Data { .. }));
                let down = data_to(&mut server, *session, now_us, 1, b"");
                client.handle(now_us, &down);
            }
        }
        server.expire(now_us, |session| expired.push((now_us, session)));
    }
    assert_eq!(expired.len(), 50);
    assert!(expired.iter().all(|(at_us, session)| *at_us == TIMEOUT_US && session.get() % 2 == 1));
    assert_eq!((server.session_count(), server.sessions().count()), (50, 50));
    assert!(server.sessions().all(|session| session.get() % 2 == 0));
    assert_eq!(server.counters().sessions_timed_out, 50);
    let mut out = [0; DATAGRAM_BYTES_MAX];
    for (i, (client, _)) in clients.iter_mut().enumerate() {
        assert_eq!(client.poll(15 * S, &mut out), None);
        let state =
            if i % 2 == 0 { ClientState::Connected } else { ClientState::Closed(CloseCause::TimedOut) };
        assert_eq!(client.state(), state);
    }
}

#[test]
fn a_sweep_is_bounded_and_reaches_everyone() {
    let count = SWEEP_SESSIONS as u32 + 500;
    let mut server = server(count);
    for i in 0..count {
        connect(&mut server, i, 0);
    }
    let mut expired = vec![0; count as usize];
    let mut sweep = |server: &mut Server| {
        let mut swept = 0;
        server.expire(TIMEOUT_US, |session| {
            expired[session.get()] += 1;
            swept += 1;
        });
        swept
    };
    assert_eq!(sweep(&mut server), SWEEP_SESSIONS);
    assert_eq!(sweep(&mut server), 500);
    assert_eq!(sweep(&mut server), 0);
    assert!(expired.iter().all(|times| *times == 1));
    assert_eq!(server.session_count(), 0);
}

#[test]
fn a_client_leaves_with_three_copies() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    client.disconnect(DISCONNECT_LEFT);
    client.disconnect(77);
    let mut out = [0; DATAGRAM_BYTES_MAX];
    let mut copies = Vec::new();
    while let Some(bytes) = client.poll(5, &mut out) {
        copies.push(out[..bytes].to_vec());
    }
    assert_eq!(copies.len(), usize::from(DISCONNECT_COPIES));
    assert_eq!(client.state(), ClientState::Closed(CloseCause::Left));
    assert_eq!(client.write_header(5, 1, &mut out), None);
    // The first is lost.
    let left = Received::Disconnected { session, reason: DISCONNECT_LEFT };
    assert_eq!(server.handle(5, address(1), &copies[1]), left);
    assert_eq!(server.handle(5, address(1), &copies[2]), Received::Dropped(Reject::LateDisconnect));
    assert_eq!(server.session_count(), 0);
    assert!(!server.transmit_halves()[session.get()].is_live());
    assert_eq!((server.counters().sessions_left, server.counters().rejected_late_disconnect), (1, 1));
}

#[test]
fn a_server_closes_a_session() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let (goodbye, to) = server.close(session, DISCONNECT_STOPPING).unwrap();
    assert_eq!(to, address(1));
    assert_eq!(server.close(session, DISCONNECT_STOPPING), None);
    let cause = CloseCause::Disconnected { reason: DISCONNECT_STOPPING };
    assert_eq!(client.handle(1, &goodbye), ClientEvent::Closed(cause));
    assert_eq!(client.handle(1, &goodbye), ClientEvent::Dropped(Reject::Unexpected));
    assert_eq!(client.poll(1, &mut [0; DATAGRAM_BYTES_MAX]), None);
    let mut forged = goodbye;
    forged[4] ^= 1;
    let (mut other, _) = connect(&mut server, 2, 0);
    assert_eq!(other.handle(1, &forged), ClientEvent::Dropped(Reject::UnknownConnection));
}

#[test]
fn a_place_that_is_used_again_forgets_its_past() {
    let mut server = server(1);
    let (mut old, place) = connect(&mut server, 1, 0);
    for _ in 0..5 {
        let up = data_of(&mut old, 0, 1, b"");
        server.handle(0, address(1), &up);
        data_to(&mut server, place, 0, 1, b"");
    }
    server.close(place, 20).unwrap();
    let late = data_of(&mut old, 0, 1, b"");
    assert_eq!(server.handle(0, address(1), &late), Received::Dropped(Reject::UnknownConnection));
    let (mut new, again) = connect(&mut server, 2, S);
    assert_eq!(again, place);
    assert_ne!(new.connection_id(), old.connection_id());
    let info = server.session(again).unwrap();
    assert_eq!((info.sent, info.acked, info.rtt_us, info.since_us), (0, 0, None, S));
    let up = data_of(&mut new, S, 1, b"");
    assert!(matches!(server.handle(S, address(2), &up), Received::Data { .. }), "sequence 1 is fresh again");
    assert!(matches!(server.handle(S, address(1), &late), Received::Dropped(_)));
}

#[test]
fn round_trips_are_measured_on_both_sides_under_loss() {
    let mut server = server(1);
    let (mut client, session) = connect(&mut server, 1, 0);
    let mut random = Random::new(seed("round_trips_are_measured_on_both_sides_under_loss"));
    // 30 ms each way; each side answers what it has at its own 50 ms tick, a millisecond after the other's arrives.
    for tick in 0..200u64 {
        let now_us = S + tick * 61 * MS;
        let down = data_to(&mut server, session, now_us, 1, b"");
        if !random.chance(30) {
            client.handle(now_us + 30 * MS, &down);
        }
        let up = data_of(&mut client, now_us + 31 * MS, 1, b"");
        if !random.chance(30) {
            server.handle(now_us + 61 * MS, address(1), &up);
        }
    }
    let server_rtt_us = server.session(session).unwrap().rtt_us.unwrap();
    let client_rtt_us = client.rtt_us().unwrap();
    for rtt_us in [server_rtt_us, client_rtt_us] {
        assert!(
            (60_000..250_000).contains(&rtt_us),
            "{rtt_us}: at least the path, at most a few lost rounds more"
        );
    }
}
