//! The handshake between a server and clients: no state before the address is proven, same answer to the same hello.

mod world;

use throng_net::limits::{ANSWER_BYTES_MAX, DATAGRAM_BYTES_MAX, HELLO_PAYLOAD_BYTES_MAX, TIMEOUT_US};
use throng_net::protocol::packet::{self, DISCONNECT_REPLACED, REFUSED_FULL};
use throng_net::protocol::{
    Client, ClientEvent, ClientState, CloseCause, ConfigError, Received, Reject, Server, ServerConfig,
    SessionIndex,
};
use world::{MS, S, address, client, connect, hello_of, server};

#[test]
fn a_client_connects_in_two_exchanges() {
    let mut server = server(10);
    let mut client = client(7, b"who I am");
    let from = address(1);
    let now_us = 5 * S;

    let hello = hello_of(&mut client, now_us);
    let Received::Reply(challenge) = server.handle(now_us, from, &hello) else {
        panic!("a challenge is due")
    };
    assert_eq!(challenge.len(), 32);
    assert_eq!(server.session_count(), 0);
    assert_eq!(client.handle(now_us, &challenge), ClientEvent::Challenged);

    let hello = hello_of(&mut client, now_us);
    let Received::Connected { session, payload, reply } = server.handle(now_us, from, &hello) else {
        panic!("a session is due")
    };
    assert_eq!(payload, b"who I am");
    assert_eq!(reply.len(), 16);
    assert_eq!(server.session_count(), 1);
    assert_eq!(client.handle(now_us, &reply), ClientEvent::Connected);
    assert_eq!(client.state(), ClientState::Connected);
    assert_ne!(client.connection_id(), 0);
    let info = server.session(session).unwrap();
    assert_eq!((info.address, info.connection_id), (from, client.connection_id()));

    // The same hello again, because the welcome was lost: same answer, nothing else.
    assert_eq!(server.handle(now_us + S, from, &hello), Received::Reply(reply));
    assert_eq!(client.handle(now_us, &reply), ClientEvent::Dropped(Reject::Unexpected));
    let counters = server.counters();
    assert_eq!((counters.hello_challenged, counters.hello_accepted, counters.hello_repeated), (1, 1, 1));
    assert_eq!(counters.sessions_opened, 1);
}

#[test]
fn connection_ids_cannot_be_told_from_the_last_one() {
    let mut server = server(1000);
    let ids: Vec<u32> = (0..1000).map(|i| connect(&mut server, i, 0).0.connection_id()).collect();
    for (place, id) in ids.iter().enumerate() {
        assert_eq!(id & 0xfffff, place as u32);
    }
    let mut high: Vec<u32> = ids.iter().map(|id| id >> 20).collect();
    high.sort_unstable();
    high.dedup();
    // 1,000 draws of 4,096 values give 887 different ones on average, with a deviation of about 9.
    assert!(high.len() > 830, "{} different", high.len());
}

#[test]
fn hellos_without_or_with_a_bad_cookie_leave_nothing_behind() {
    let mut server = server(10);
    let mut client = client(7, b"");
    let first = hello_of(&mut client, 0);
    for i in 0..10_000 {
        let from = address(i);
        let Received::Reply(answer) = server.handle(u64::from(i) * MS, from, &first) else { panic!() };
        assert!(answer.len() <= ANSWER_BYTES_MAX && answer.len() * 18 < first.len());
    }
    // A cookie for one address is worth nothing at another.
    let Received::Reply(challenge) = server.handle(0, address(1), &first) else { panic!() };
    client.handle(0, &challenge);
    let second = hello_of(&mut client, 0);
    for from in [address(2), "127.0.0.1:1".parse().unwrap(), "[::1]:4000".parse().unwrap()] {
        assert!(matches!(server.handle(0, from, &second), Received::Reply(answer) if answer[0] == 2));
    }
    // Nor after its ten seconds, nor at a server with another secret.
    assert!(matches!(server.handle(11 * S, address(1), &second), Received::Reply(answer) if answer[0] == 2));
    let mut other = Server::new(ServerConfig::default(), [9; 32]).unwrap();
    assert!(matches!(other.handle(0, address(1), &second), Received::Reply(answer) if answer[0] == 2));
    assert_eq!(other.counters().hello_cookie_wrong, 1);
    assert_eq!(server.session_count(), 0);
    assert_eq!(server.transmit_halves().len(), 0);
    let counters = server.counters();
    assert_eq!(counters.hello_challenged, 10_001);
    assert_eq!((counters.hello_cookie_wrong, counters.hello_cookie_expired), (3, 1));
}

#[test]
fn a_hello_from_port_zero_is_not_answered() {
    let mut server = server(10);
    let hello = hello_of(&mut client(7, b""), 0);
    let from = "10.0.0.1:0".parse().unwrap();
    assert_eq!(server.handle(0, from, &hello), Received::Dropped(Reject::HelloMalformed));
}

#[test]
fn a_full_server_refuses_and_says_how_many_it_takes() {
    let mut server = server(2);
    connect(&mut server, 1, 0);
    let (_, second) = connect(&mut server, 2, 0);
    let mut third = client(3, b"");
    let challenge = reply(server.handle(0, address(3), &hello_of(&mut third, 0)));
    third.handle(0, &challenge);
    let refused = reply(server.handle(0, address(3), &hello_of(&mut third, 0)));
    let cause = CloseCause::Refused { reason: REFUSED_FULL, detail: 2 };
    assert_eq!(third.handle(0, &refused), ClientEvent::Closed(cause));
    assert_eq!(third.state(), ClientState::Closed(cause));
    assert_eq!(third.poll(S, &mut [0; DATAGRAM_BYTES_MAX]), None);
    assert_eq!(server.counters().hello_refused_full, 1);
    // Once there is room again it is taken.
    server.close(second, 16).unwrap();
    let (_, place) = connect(&mut server, 4, 0);
    assert_eq!(place, second);
}

#[test]
fn the_application_may_refuse_with_its_own_reason() {
    let mut server = server(2);
    let mut client = client(3, b"version 9");
    let challenge = reply(server.handle(0, address(3), &hello_of(&mut client, 0)));
    client.handle(0, &challenge);
    let hello = hello_of(&mut client, 0);
    let Received::Connected { session, payload, .. } = server.handle(0, address(3), &hello) else { panic!() };
    assert_eq!(payload, b"version 9");
    let refused = server.refuse(session, 17, 0xdead_beef).unwrap();
    let cause = CloseCause::Refused { reason: 17, detail: 0xdead_beef };
    assert_eq!(client.handle(0, &refused), ClientEvent::Closed(cause));
    assert_eq!(server.session_count(), 0);
    assert_eq!(server.refuse(session, 17, 0), None);
}

#[test]
fn a_client_that_starts_again_replaces_its_old_session() {
    let mut server = server(4);
    let (_, place) = connect(&mut server, 1, 0);
    let mut again = client(99, b"");
    let now_us = 3 * S;
    let challenge = reply(server.handle(now_us, address(1), &hello_of(&mut again, now_us)));
    again.handle(now_us, &challenge);
    let hello = hello_of(&mut again, now_us);
    assert_eq!(
        server.handle(now_us, address(1), &hello),
        Received::Disconnected { session: place, reason: DISCONNECT_REPLACED }
    );
    assert!(matches!(server.handle(now_us, address(1), &hello), Received::Connected { .. }));
    assert_eq!(server.session_count(), 1);
    assert_eq!(server.counters().sessions_replaced, 1);
}

#[test]
fn an_old_hello_cannot_end_a_newer_session() {
    let mut server = server(4);
    let mut old = client(1, b"");
    let challenge = reply(server.handle(S, address(1), &hello_of(&mut old, S)));
    old.handle(S, &challenge);
    let old_hello = hello_of(&mut old, S);
    let mut new = client(2, b"");
    let challenge = reply(server.handle(3 * S, address(1), &hello_of(&mut new, 3 * S)));
    new.handle(3 * S, &challenge);
    let new_hello = hello_of(&mut new, 3 * S);
    assert!(matches!(server.handle(3 * S, address(1), &new_hello), Received::Connected { .. }));
    assert_eq!(server.handle(6 * S, address(1), &old_hello), Received::Dropped(Reject::HelloStale));
    // And a newer one only once the session is a second old: starting over is no way to make work.
    let mut newer = client(3, b"");
    let challenge = reply(server.handle(3 * S, address(1), &hello_of(&mut newer, 3 * S)));
    newer.handle(3 * S, &challenge);
    let newer_hello = hello_of(&mut newer, 3 * S);
    assert_eq!(server.handle(4 * S - 1, address(1), &newer_hello), Received::Dropped(Reject::HelloStale));
    assert!(matches!(server.handle(4 * S, address(1), &newer_hello), Received::Disconnected { .. }));
    assert_eq!(server.counters().rejected_hello_stale, 2);
}

#[test]
fn a_client_repeats_its_hello_ever_more_slowly_and_then_gives_up() {
    let mut client = client(5, b"");
    let mut out = [0; DATAGRAM_BYTES_MAX];
    let mut sent_at = Vec::new();
    for now_us in (0..=TIMEOUT_US + S).step_by(10 * MS as usize) {
        while client.poll(now_us, &mut out).is_some() {
            sent_at.push(now_us / MS);
        }
    }
    assert_eq!(sent_at[..6], [0, 250, 750, 1750, 2750, 3750]);
    assert_eq!(sent_at.len(), 12);
    assert_eq!(client.state(), ClientState::Closed(CloseCause::TimedOut));
    assert_eq!(client.due_us(), u64::MAX);
}

#[test]
fn a_server_that_takes_no_cookie_is_not_hammered() {
    let mut client = client(5, b"");
    let mut out = [0; DATAGRAM_BYTES_MAX];
    let mut sent = 0;
    for now_us in (0..TIMEOUT_US).step_by(MS as usize) {
        if client.poll(now_us, &mut out).is_some() {
            sent += 1;
            // Each hello reaches a server with another secret.
            let mut server = Server::new(ServerConfig::default(), [(now_us / MS) as u8; 32]).unwrap();
            if let Received::Reply(answer) = server.handle(now_us, address(1), &out) {
                client.handle(now_us, &answer);
            }
        }
    }
    assert_eq!(sent, 13, "one for the first cookie besides the retries");
}

#[test]
fn forged_answers_without_the_salt_do_nothing() {
    let mut client = client(0x1234_5678_9abc_def0, b"");
    hello_of(&mut client, 0);
    for packet_type in [packet::TYPE_CHALLENGE, packet::TYPE_WELCOME, packet::TYPE_REFUSED] {
        for len in 0..=64 {
            let mut forged = vec![0u8; len];
            if let Some(first) = forged.first_mut() {
                *first = packet_type;
            }
            if let Some(version) = forged.get_mut(1) {
                *version = 1;
            }
            assert!(matches!(client.handle(0, &forged), ClientEvent::Dropped(_)));
        }
    }
    assert_eq!(client.state(), ClientState::Connecting);
}

#[test]
fn hello_payloads_have_a_limit() {
    let fits = vec![1; HELLO_PAYLOAD_BYTES_MAX];
    assert!(Client::new(0, 1, fits.into()).is_ok());
    let error = Client::new(0, 1, vec![1; HELLO_PAYLOAD_BYTES_MAX + 1].into()).unwrap_err();
    assert_eq!(error.to_string(), "the hello payload has 257 bytes, but at most 256 fit");
}

#[test]
fn impossible_configurations_are_refused_with_what_is_needed() {
    let good = ServerConfig::default();
    let error = |config| Server::new(config, [0; 32]).err();
    assert_eq!(error(ServerConfig { sessions_max: 0, ..good }), Some(ConfigError::Sessions(0)));
    let config = ServerConfig { sessions_max: (1 << 20) + 1, ..good };
    assert_eq!(error(config).unwrap().to_string(), "sessions_max is 1048577, but must be 1 to 1048576");
    assert_eq!(error(ServerConfig { timeout_us: 0, ..good }), Some(ConfigError::Timeout));
    let config = ServerConfig { input_burst: 0, ..good };
    assert_eq!(error(config), Some(ConfigError::InputRate { hz: 40, burst: 0 }));
}

#[test]
fn the_largest_table_can_be_named_by_ids() {
    let config = ServerConfig { sessions_max: 1 << 20, ..ServerConfig::default() };
    assert!(Server::new(config, [0; 32]).is_ok());
    assert!(server(1).session(SessionIndex::new(u32::MAX)).is_none());
}

fn reply(received: Received<'_>) -> Vec<u8> {
    match received {
        Received::Reply(answer) => answer.to_vec(),
        other => panic!("a reply was due, not {other:?}"),
    }
}
