//! Established sessions: hostile datagrams, limits, acknowledgement, timeouts, leaving.

mod world;

use throng_net::limits::{
    DATAGRAM_BYTES_MAX, DISCONNECT_COPIES, SEALED_BYTES_MIN, SWEEP_SESSIONS, TIMEOUT_US,
};
use throng_net::protocol::packet::{
    CONTROL_CONFIRM, CONTROL_PATH_CHALLENGE, CONTROL_PATH_RESPONSE, DISCONNECT_LEFT, DISCONNECT_STOPPING,
    Header, TYPE_CONTROL, TYPE_DATA, TYPE_DISCONNECT,
};
use throng_net::protocol::{ClientEvent, ClientState, CloseCause, Reject, Server, ServerConfig, SessionInfo};
use world::{
    Got, MS, Random, Raw, S, address, config, connect, data_of, data_to, deliver, hello_of, polled, seed,
    server, server_with,
};

#[test]
fn payloads_pass_both_ways_once() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let up = data_of(&mut client, 1, 7, b"up");
    assert_eq!(up.len(), 2 + SEALED_BYTES_MIN);
    assert!(!up.windows(2).any(|bytes| bytes == b"up"), "not in the clear");
    assert_eq!(deliver(&mut server, 1, address(1), &up), Got::Data(session, 7, b"up".to_vec()));
    assert_eq!(deliver(&mut server, 1, address(1), &up), Got::Dropped(Reject::Duplicate));
    let down = data_to(&server, session, 2, 9, b"down");
    assert_eq!(client.handle(2, &mut down.clone()), ClientEvent::Data { kind: 9, payload: b"down" });
    assert_eq!(client.handle(2, &mut down.clone()), ClientEvent::Dropped(Reject::Duplicate));
    // The confirmation was the client's first.
    let header = Header::read(&down).unwrap();
    assert_eq!((header.ack, header.ack_bits, header.sequence), (2, 1, 1));
    // An empty payload is a payload.
    let up = data_of(&mut client, 3, 7, b"");
    assert_eq!(deliver(&mut server, 3, address(1), &up), Got::Data(session, 7, vec![]));
    assert_eq!(Header::read(&up).unwrap().ack, 1);
    let info = server.session(session).unwrap();
    assert_eq!((info.acked, info.received, info.last_heard_us), (1, 3, 3));
}

#[test]
fn datagrams_cut_at_any_length_are_dropped_and_disturb_nobody() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let before = server.session(session);
    let up = data_of(&mut client, 1, 7, b"four");
    let hello = hello_of(&mut world::client(0, b"x"), 0);
    let mut goodbye = up.clone();
    goodbye[0] = TYPE_DISCONNECT;
    let mut control = up.clone();
    control[0] = TYPE_CONTROL;
    for whole in [up.as_slice(), &hello, &goodbye, &control] {
        for len in 0..whole.len() {
            let got = deliver(&mut server, 1, address(1), &whole[..len]);
            let expected = match (whole[0], len) {
                (_, 0) => Reject::UnknownType,
                (TYPE_DATA | TYPE_CONTROL, SEALED_BYTES_MIN..) => Reject::Forged,
                (TYPE_DISCONNECT, SEALED_BYTES_MIN) => Reject::Forged,
                _ => Reject::Length,
            };
            assert_eq!(got, Got::Dropped(expected), "{len} bytes");
        }
    }
    assert_eq!(server.session(session), before);
    assert!(matches!(deliver(&mut server, 1, address(1), &up), Got::Data(..)));
    let down = data_to(&server, session, 2, 9, b"");
    for len in 0..down.len() {
        assert!(matches!(client.handle(2, &mut down[..len].to_vec()), ClientEvent::Dropped(_)));
    }
    assert!(matches!(client.handle(2, &mut down.clone()), ClientEvent::Data { .. }));
}

#[test]
fn oversized_datagrams_are_dropped() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let up = data_of(&mut client, 1, 7, &[0; DATAGRAM_BYTES_MAX - 31]);
    assert_eq!(up.len(), DATAGRAM_BYTES_MAX + 1);
    assert_eq!(deliver(&mut server, 1, address(1), &up), Got::Dropped(Reject::Oversized));
    let mut down = data_to(&server, session, 2, 9, &[0; 65_000]);
    assert_eq!(client.handle(2, &mut down), ClientEvent::Dropped(Reject::Oversized));
    let up = data_of(&mut client, 1, 7, &[0; DATAGRAM_BYTES_MAX - 32]);
    assert!(matches!(deliver(&mut server, 1, address(1), &up), Got::Data(..)));
}

#[test]
fn a_datagram_with_any_bit_changed_is_forged() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let up = data_of(&mut client, 1, 7, b"payload");
    let goodbye = {
        let mut leaving = connect(&mut server, 2, 0).0;
        leaving.disconnect(DISCONNECT_LEFT);
        polled(&mut leaving, 1).remove(0)
    };
    let before: Vec<Option<SessionInfo>> = server.sessions().map(|session| server.session(session)).collect();
    for (from, whole) in [(address(1), &up), (address(2), &goodbye)] {
        for bit in 0..whole.len() * 8 {
            let mut forged = whole.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(deliver(&mut server, 1, from, &forged), Got::Dropped(_)), "bit {bit}");
        }
    }
    let after: Vec<_> = server.sessions().map(|session| server.session(session)).collect();
    assert_eq!(before, after);
    // What one session sealed is not another's.
    let mut other = up.clone();
    other[4..8].copy_from_slice(&goodbye[4..8]);
    assert_eq!(deliver(&mut server, 1, address(2), &other), Got::Dropped(Reject::Forged));
    // Nor does what the server sealed come back as the client's.
    let down = data_to(&server, session, 1, 7, b"payload");
    assert_eq!(deliver(&mut server, 1, address(1), &down), Got::Dropped(Reject::Duplicate));
    let _ = data_to(&server, session, 1, 7, b"payload");
    let down = data_to(&server, session, 1, 7, b"payload");
    assert_eq!(deliver(&mut server, 1, address(1), &down), Got::Dropped(Reject::Forged));
    assert!(matches!(deliver(&mut server, 1, address(1), &up), Got::Data(..)));
    assert!(matches!(deliver(&mut server, 1, address(2), &goodbye), Got::Disconnected(..)));
}

#[test]
fn ids_that_name_no_session_are_dropped() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let before = server.session(session);
    let up = data_of(&mut client, 1, 7, b"up");
    for high in 0..4096u32 {
        let id = client.connection_id() & 0xfffff | high << 20;
        if id == client.connection_id() {
            continue;
        }
        let mut forged = up.clone();
        forged[4..8].copy_from_slice(&id.to_le_bytes());
        assert_eq!(deliver(&mut server, 1, address(1), &forged), Got::Dropped(Reject::UnknownConnection));
        forged[0] = TYPE_DISCONNECT;
        let goodbye = deliver(&mut server, 1, address(1), &forged[..32]);
        assert_eq!(goodbye, Got::Dropped(Reject::LateDisconnect));
    }
    for id in [0, u32::MAX, 0xfffff, 3] {
        let mut forged = up.clone();
        forged[4..8].copy_from_slice(&u32::to_le_bytes(id));
        assert_eq!(deliver(&mut server, 1, address(1), &forged), Got::Dropped(Reject::UnknownConnection));
    }
    assert_eq!(server.session(session), before);
    // 4,099 of them have not shut the client out: what comes from a session's own address is always opened.
    assert!(matches!(deliver(&mut server, 1, address(1), &up), Got::Data(..)));
    // Nor do they keep anybody there from entering: hellos are counted apart.
    let hello = hello_of(&mut world::client(0, b""), 0);
    assert!(matches!(deliver(&mut server, 1, address(1), &hello), Got::Reply(_)));
}

#[test]
fn sequences_at_the_edges_neither_panic_nor_pass_twice() {
    let config = ServerConfig { input_rate_hz: 1_000_000, input_burst: 1_000_000, ..config() };
    let mut server = server_with(config);
    let mut raw = Raw::connect(&mut server, 1, 0);
    let data_to = |server: &Server| data_to(server, raw.session, 0, 1, b"");
    let send = |server: &mut Server, raw: &Raw, sequence, ack| {
        let datagram = raw.seal(TYPE_DATA, 1, sequence, ack, b"");
        match deliver(server, 0, raw.from, &datagram) {
            Got::Data(..) => Ok(()),
            Got::Dropped(reject) => Err(reject),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(send(&mut server, &raw, 0, 0), Err(Reject::TooOld));
    assert_eq!(send(&mut server, &raw, 1, 0), Err(Reject::Duplicate), "the confirmation");
    assert_eq!(send(&mut server, &raw, 2, 0), Ok(()));
    assert_eq!(send(&mut server, &raw, 2 + 65_536, 0), Ok(()));
    assert_eq!(send(&mut server, &raw, 2 + 65_536, 0), Err(Reject::Duplicate));
    assert_eq!(send(&mut server, &raw, 2 + 65_536 - 1023, 0), Ok(()));
    assert_eq!(send(&mut server, &raw, 2 + 65_536 - 1024, 0), Err(Reject::TooOld));
    let newest = 2 + 65_536;
    assert_eq!(send(&mut server, &raw, newest + 65_537, 0), Err(Reject::TooFarAhead));
    assert_eq!(send(&mut server, &raw, newest + 65_536, 0), Ok(()));
    // What it acknowledges is not believed when it was never sent; the rest of the datagram is.
    drop(data_to(&server));
    for ack in [2, 3, 1 << 31, u32::MAX] {
        let next = server.session(raw.session).unwrap().received + 1;
        assert_eq!(send(&mut server, &raw, next, ack), Ok(()));
        assert_eq!(server.session(raw.session).unwrap().acked, 0);
    }
    assert_eq!(server.counters().ack_unsent, 4);
    let next = server.session(raw.session).unwrap().received + 1;
    assert_eq!(send(&mut server, &raw, next, 1), Ok(()));
    assert_eq!(server.session(raw.session).unwrap().acked, 1);
    // To the end of all numbers, by the longest steps there are.
    let mut sequence = next;
    while let Some(next) = sequence.checked_add(65_536) {
        raw.sealer.keep_up(sequence);
        assert_eq!(send(&mut server, &raw, next, 0), Ok(()), "sequence {next}");
        sequence = next;
    }
    raw.sealer.keep_up(sequence);
    assert_eq!(send(&mut server, &raw, u32::MAX, 0), Ok(()));
    assert_eq!(send(&mut server, &raw, u32::MAX, 0), Err(Reject::Duplicate));
    assert_eq!(send(&mut server, &raw, u32::MAX - 1, 0), Ok(()));
    assert_eq!(send(&mut server, &raw, u32::MAX - 1023, 0), Ok(()));
    assert_eq!(send(&mut server, &raw, u32::MAX - 1024, 0), Err(Reject::TooOld));
}

#[test]
fn controls_that_mean_nothing_do_nothing() {
    let mut server = server(4);
    let raw = Raw::connect(&mut server, 1, 0);
    let mut sequence = 1;
    let mut send = |server: &mut Server, kind, payload: &[u8]| {
        sequence += 1;
        deliver(
            server,
            S * u64::from(sequence),
            raw.from,
            &raw.seal(TYPE_CONTROL, kind, sequence, 0, payload),
        )
    };
    assert_eq!(send(&mut server, CONTROL_CONFIRM, b""), Got::Handled);
    assert_eq!(send(&mut server, CONTROL_CONFIRM, b"x"), Got::Dropped(Reject::Control));
    assert_eq!(send(&mut server, CONTROL_PATH_CHALLENGE, &[7; 8]), Got::Dropped(Reject::Control));
    for len in [0, 7, 8, 9, 1000] {
        let response = send(&mut server, CONTROL_PATH_RESPONSE, &vec![0; len]);
        assert_eq!(response, Got::Dropped(Reject::Control), "nothing was asked");
    }
    for kind in [3, 4, 255] {
        assert_eq!(send(&mut server, kind, b""), Got::Dropped(Reject::Control));
    }
    assert_eq!(server.session(raw.session).unwrap().address, raw.from);
    assert_eq!(server.counters().rejected_control, 10);
}

#[test]
fn a_flood_is_cut_to_the_rate_and_the_session_lives_on() {
    let mut server = server_with(ServerConfig { input_rate_hz: 40, input_burst: 10, ..config() });
    let (mut flooder, flooding) = connect(&mut server, 1, 0);
    let (mut honest, _) = connect(&mut server, 2, 0);
    let (mut flooded, mut heard) = (0, 0);
    // 10 s of 5,000 a second, and an honest client with 20.
    for i in 0..50_000u64 {
        let now_us = i * 200;
        let up = data_of(&mut flooder, now_us, 1, b"flood");
        flooded += u64::from(matches!(deliver(&mut server, now_us, address(1), &up), Got::Data(..)));
        if i % 250 == 0 {
            let up = data_of(&mut honest, now_us, 1, b"input");
            heard += u64::from(matches!(deliver(&mut server, now_us, address(2), &up), Got::Data(..)));
        }
    }
    assert!((400..=411).contains(&flooded), "{flooded}");
    assert_eq!(heard, 200);
    assert_eq!(server.counters().rejected_rate_limited, 50_000 - flooded);
    server.expire(10 * S, |_| panic!("both are alive"));
    // However full its bucket, whoever leaves leaves.
    flooder.disconnect(DISCONNECT_LEFT);
    let goodbye = polled(&mut flooder, 10 * S).remove(0);
    let left = deliver(&mut server, 10 * S, address(1), &goodbye);
    assert_eq!(left, Got::Disconnected(flooding, DISCONNECT_LEFT));
}

#[test]
fn a_replayed_flood_does_not_use_up_the_clients_rate() {
    let mut server = server(4);
    let (mut client, _) = connect(&mut server, 1, 0);
    let first = data_of(&mut client, 0, 1, b"");
    deliver(&mut server, 0, address(1), &first);
    for _ in 0..100_000 {
        assert_eq!(deliver(&mut server, 0, address(1), &first), Got::Dropped(Reject::Duplicate));
    }
    let next = data_of(&mut client, 0, 1, b"");
    assert!(matches!(deliver(&mut server, 0, address(1), &next), Got::Data(..)));
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
                assert!(matches!(deliver(&mut server, now_us, address(i as u32), &up), Got::Data(..)));
                let mut down = data_to(&server, *session, now_us, 1, b"");
                client.handle(now_us, &mut down);
            }
        }
        server.expire(now_us, |session| expired.push((now_us, session)));
    }
    assert_eq!(expired.len(), 50);
    assert!(expired.iter().all(|(at_us, session)| *at_us == TIMEOUT_US && session.get() % 2 == 1));
    assert_eq!((server.session_count(), server.sessions().count()), (50, 50));
    assert!(server.sessions().all(|session| session.get() % 2 == 0));
    assert_eq!(server.counters().sessions_timed_out, 50);
    for (i, (client, _)) in clients.iter_mut().enumerate() {
        assert!(polled(client, 15 * S).is_empty());
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
    let copies = polled(&mut client, 5);
    assert_eq!(copies.len(), usize::from(DISCONNECT_COPIES));
    assert!(copies.iter().all(|copy| copy.len() == 32));
    assert_eq!(client.state(), ClientState::Closed(CloseCause::Left));
    assert_eq!(client.finish(5, 1, &mut [0; 100], 10), None);
    // The first is lost.
    assert_eq!(deliver(&mut server, 5, address(1), &copies[1]), Got::Disconnected(session, DISCONNECT_LEFT));
    assert_eq!(deliver(&mut server, 5, address(1), &copies[2]), Got::Dropped(Reject::LateDisconnect));
    assert_eq!(server.session_count(), 0);
    assert!(server.transmit_halves().get(session.get()).is_none());
    assert_eq!((server.counters().sessions_left, server.counters().rejected_late_disconnect), (1, 1));
}

#[test]
fn a_server_closes_a_session() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let (goodbye, to) = server.close(session, DISCONNECT_STOPPING).unwrap();
    assert_eq!(to, address(1).into());
    assert_eq!(server.close(session, DISCONNECT_STOPPING), None);
    for bit in 0..goodbye.len() * 8 {
        let mut forged = goodbye;
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(client.handle(1, &mut forged), ClientEvent::Dropped(_)), "bit {bit}");
    }
    let cause = CloseCause::Disconnected { reason: DISCONNECT_STOPPING };
    assert_eq!(client.handle(1, &mut { goodbye }), ClientEvent::Closed(cause));
    assert_eq!(client.handle(1, &mut { goodbye }), ClientEvent::Dropped(Reject::Unexpected));
    assert!(polled(&mut client, 1).is_empty());
    // It is not another's goodbye, even under its id.
    let (mut other, _) = connect(&mut server, 2, 0);
    assert_eq!(other.handle(1, &mut { goodbye }), ClientEvent::Dropped(Reject::UnknownConnection));
    let mut forged = goodbye;
    forged[4..8].copy_from_slice(&other.connection_id().to_le_bytes());
    assert_eq!(other.handle(1, &mut forged), ClientEvent::Dropped(Reject::Forged));
}

#[test]
fn a_place_that_is_used_again_forgets_its_past() {
    let mut server = server(1);
    let (mut old, place) = connect(&mut server, 1, 0);
    for _ in 0..5 {
        let up = data_of(&mut old, 0, 1, b"");
        deliver(&mut server, 0, address(1), &up);
        data_to(&server, place, 0, 1, b"");
    }
    server.close(place, 20).unwrap();
    let late = data_of(&mut old, 0, 1, b"");
    assert_eq!(deliver(&mut server, 0, address(1), &late), Got::Dropped(Reject::UnknownConnection));
    let (mut new, again) = connect(&mut server, 2, S);
    assert_eq!(again, place);
    assert_ne!(new.connection_id(), old.connection_id());
    let info = server.session(again).unwrap();
    assert_eq!((info.sent, info.acked, info.rtt_us, info.since_us), (0, 0, None, S));
    let up = data_of(&mut new, S, 1, b"");
    assert!(matches!(deliver(&mut server, S, address(2), &up), Got::Data(..)), "sequence 2 is fresh again");
    assert!(matches!(deliver(&mut server, S, address(1), &late), Got::Dropped(_)));
    // Even under the new id it does not open.
    let mut late = data_of(&mut old, S, 1, b"");
    late[4..8].copy_from_slice(&new.connection_id().to_le_bytes());
    assert_eq!(deliver(&mut server, S, address(2), &late), Got::Dropped(Reject::Forged));
}

#[test]
fn round_trips_are_measured_on_both_sides_under_loss() {
    let mut server = server(1);
    let (mut client, session) = connect(&mut server, 1, 0);
    let mut random = Random::new(seed("round_trips_are_measured_on_both_sides_under_loss"));
    // 30 ms each way; each side answers what it has at its own 50 ms tick, a millisecond after the other's arrives.
    for tick in 0..200u64 {
        let now_us = S + tick * 61 * MS;
        let mut down = data_to(&server, session, now_us, 1, b"");
        if !random.chance(30) {
            client.handle(now_us + 30 * MS, &mut down);
        }
        let up = data_of(&mut client, now_us + 31 * MS, 1, b"");
        if !random.chance(30) {
            deliver(&mut server, now_us + 61 * MS, address(1), &up);
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
