//! The handshake between a server and clients: no state before the address is proven, same answer to the same hello,
//! no session before it is confirmed.

mod world;

use throng_net::limits::{
    ANSWER_BYTES_MAX, CONFIRM_US, HELLO_PAYLOAD_BYTES_MAX, TIMEOUT_US, TOKEN_HELLO_BURST, TOKEN_HELLO_HZ,
};
use throng_net::protocol::packet::{self, REFUSED_FULL, TYPE_CHALLENGE};
use throng_net::protocol::{
    Admission, Client, ClientEvent, ClientState, CloseCause, ConfigError, PrefixCaps, Received, Reject,
    Server, ServerConfig, SessionIndex,
};
use throng_net::testing::Gateway;
use world::{
    Got, MS, S, address, client, client_of, config, connect, data_of, data_to, deliver, grant, hello_of,
    polled, proven_hello, server, server_with,
};

#[test]
fn a_client_connects_in_three_exchanges() {
    let mut server = server(10);
    let mut client = client(5 * S, b"who I am");
    let from = address(1);
    let now_us = 5 * S;

    let hello = hello_of(&mut client, now_us);
    let Got::Reply(mut challenge) = deliver(&mut server, now_us, from, &hello) else {
        panic!("a challenge is due")
    };
    assert_eq!(challenge.len(), 32);
    assert_eq!(client.handle(now_us, &mut challenge), ClientEvent::Challenged);

    let mut hello = hello_of(&mut client, now_us);
    let Received::Asking(asking) = server.handle(now_us, from, &mut hello) else { panic!("somebody asks") };
    assert_eq!((asking.payload, asking.from.address), (&b"who I am"[..], from));
    assert_eq!((asking.ticket.account, asking.ticket.name.as_str()), (1, "Tester 1"));
    assert_eq!(server.unconfirmed_count(), 0, "nothing before the application has said so");
    let Admission::Opened { session, reply } = server.admit(now_us, asking) else { panic!("a place is due") };
    assert_eq!(reply.len(), 64);
    assert_eq!((server.session_count(), server.unconfirmed_count()), (0, 1));
    assert_eq!(client.handle(now_us, &mut reply.to_vec()), ClientEvent::Connected);
    assert_eq!(client.state(), ClientState::Connected);
    assert_ne!(client.connection_id(), 0);

    let confirm = polled(&mut client, now_us);
    assert_eq!((confirm.len(), confirm[0].len()), (1, 32));
    let Got::Connected(confirmed, ticket, None) = deliver(&mut server, now_us, from, &confirm[0]) else {
        panic!()
    };
    assert_eq!((confirmed, ticket.character), (session, 1));
    assert_eq!((server.session_count(), server.unconfirmed_count()), (1, 0));
    let info = server.session(session).unwrap();
    assert_eq!((info.address, info.connection_id), (from, client.connection_id()));

    let counters = server.counters();
    assert_eq!((counters.hello_challenged, counters.hello_asked, counters.accepted), (1, 1, 1));
    assert_eq!(counters.sessions_opened, 1);
}

#[test]
fn a_lost_accept_is_given_again_and_again() {
    let mut server = server(10);
    let mut client = client(0, b"");
    let from = address(1);
    let hello = proven_hello(&mut server, &mut client, 0, from);
    let Got::Admitted(session, accept) = deliver(&mut server, 0, from, &hello) else { panic!() };
    // Lost, three times over; the client repeats its hello at its own pace.
    let mut answer = Vec::new();
    for now_us in [250 * MS, 750 * MS, 1750 * MS] {
        let again = hello_of(&mut client, now_us);
        assert_eq!(again, hello);
        let Got::Reply(repeated) = deliver(&mut server, now_us, from, &again) else { panic!() };
        assert_eq!(repeated, accept);
        answer = repeated;
    }
    assert_eq!(server.unconfirmed_count(), 1);
    assert_eq!(client.handle(2 * S, &mut answer.clone()), ClientEvent::Connected);
    assert_eq!(client.handle(2 * S, &mut answer), ClientEvent::Dropped(Reject::Unexpected));
    // Even once the session stands, the same hello gets the same answer, and changes nothing.
    let confirm = polled(&mut client, 2 * S);
    assert!(matches!(deliver(&mut server, 2 * S, from, &confirm[0]), Got::Connected(..)));
    assert_eq!(deliver(&mut server, 3 * S, from, &hello), Got::Reply(accept));
    assert_eq!(server.counters().hello_repeated, 4);
    assert!(server.session(session).unwrap().is_confirmed);
}

#[test]
fn a_lost_confirmation_is_repeated_and_data_confirms_as_well() {
    let mut server = server(10);
    for is_data in [false, true] {
        let from = address(u32::from(is_data));
        let mut client = client(0, b"");
        let hello = proven_hello(&mut server, &mut client, 0, from);
        let Got::Admitted(session, mut accept) = deliver(&mut server, 0, from, &hello) else { panic!() };
        client.handle(0, &mut accept);
        assert_eq!(polled(&mut client, 0).len(), 1, "lost");
        assert_eq!(polled(&mut client, 200 * MS).len(), 0);
        if is_data {
            let first = data_of(&mut client, 200 * MS, 9, b"moving");
            let Got::Connected(at, _, data) = deliver(&mut server, 200 * MS, from, &first) else { panic!() };
            assert_eq!((at, data), (session, Some((9, b"moving".to_vec()))));
        } else {
            let confirm = polled(&mut client, 250 * MS);
            assert!(matches!(deliver(&mut server, 250 * MS, from, &confirm[0]), Got::Connected(..)));
        }
        // Repeated until something comes back, and then no more.
        let confirm = polled(&mut client, S);
        assert_eq!(confirm.len(), 1);
        assert_eq!(deliver(&mut server, S, from, &confirm[0]), Got::Handled);
        let mut down = data_to(&server, session, S, 1, b"");
        assert!(matches!(client.handle(S, &mut down), ClientEvent::Data { .. }));
        assert!(polled(&mut client, 5 * S).is_empty());
    }
}

#[test]
fn places_that_nobody_confirms_are_free_again_and_capped() {
    let mut server = server(40);
    let mut waiting = Vec::new();
    for i in 0..10 {
        let mut client = client(0, b"");
        let hello = proven_hello(&mut server, &mut client, 0, address(i));
        let Got::Admitted(..) = deliver(&mut server, 0, address(i), &hello) else { panic!("client {i}") };
        waiting.push((client, hello));
    }
    // A quarter of the places: the newest is turned away, nobody loses a place.
    let mut late = client(0, b"");
    let hello = proven_hello(&mut server, &mut late, 0, address(10));
    assert_eq!(deliver(&mut server, 0, address(10), &hello), Got::Dropped(Reject::UnconfirmedFull));
    assert!(matches!(deliver(&mut server, 0, address(0), &waiting[0].1), Got::Reply(_)));
    server.expire(CONFIRM_US - 1, |_| panic!("nobody has heard of them"));
    assert_eq!(server.unconfirmed_count(), 10);
    server.expire(CONFIRM_US, |_| panic!("nobody has heard of them"));
    assert_eq!(server.unconfirmed_count(), 0);
    assert_eq!(server.counters().accepted_unconfirmed, 10);
    // Its token was not used up by being turned away; theirs were.
    assert!(matches!(deliver(&mut server, CONFIRM_US, address(10), &hello), Got::Admitted(..)));
    let used = deliver(&mut server, CONFIRM_US, address(0), &waiting[0].1);
    assert_eq!(used, Got::Dropped(Reject::TokenUsed));
}

#[test]
fn whoever_takes_it_back_before_confirming_was_never_there() {
    let mut server = server(4);
    let mut client = client(0, b"");
    let hello = proven_hello(&mut server, &mut client, 0, address(1));
    let Got::Admitted(_, mut accept) = deliver(&mut server, 0, address(1), &hello) else { panic!() };
    client.handle(0, &mut accept);
    client.disconnect(packet::DISCONNECT_LEFT);
    let goodbye = polled(&mut client, 0);
    // From another address nothing of a session that is not confirmed counts, however authentic.
    let stray = deliver(&mut server, 0, address(2), &goodbye[1]);
    assert_eq!(stray, Got::Dropped(Reject::WrongAddress));
    assert_eq!(deliver(&mut server, 0, address(1), &goodbye[0]), Got::Handled);
    assert_eq!((server.unconfirmed_count(), server.counters().sessions_left), (0, 0));
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
    let mut client = client(0, b"");
    let first = hello_of(&mut client, 0);
    // One token can be shown from anywhere, but not more often than any client would.
    let mut challenged = 0;
    for i in 0..10_000 {
        match deliver(&mut server, u64::from(i) * MS, address(i), &first) {
            Got::Reply(answer) => {
                assert!(answer.len() <= ANSWER_BYTES_MAX && answer.len() * 37 < first.len());
                challenged += 1;
            }
            other => assert_eq!(other, Got::Dropped(Reject::TokenLimited)),
        }
    }
    let bound = u64::from(TOKEN_HELLO_HZ * 10 + TOKEN_HELLO_BURST);
    assert!((bound - 10..=bound).contains(&challenged), "{challenged} of at most {bound}");
    // A cookie for one address is worth nothing at another.
    let now_us = 12 * S;
    let Got::Reply(mut challenge) = deliver(&mut server, now_us, address(1), &first) else { panic!() };
    client.handle(8 * S, &mut challenge);
    let second = hello_of(&mut client, 8 * S);
    let is_challenge = |got| matches!(got, Got::Reply(answer) if answer[0] == TYPE_CHALLENGE);
    for from in [address(2), "127.0.0.1:1".parse().unwrap(), "[::1]:4000".parse().unwrap()] {
        assert!(is_challenge(deliver(&mut server, now_us, from, &second)));
    }
    // Nor after its ten seconds, nor at a server with another secret.
    assert!(is_challenge(deliver(&mut server, 23 * S, address(1), &second)));
    let keys = Gateway::default().realm_keys();
    let mut other = Server::new(config(), &[9; 32].into(), keys).unwrap();
    assert!(is_challenge(deliver(&mut other, now_us, address(1), &second)));
    assert_eq!(other.counters().hello_cookie_wrong, 1);
    assert_eq!((server.session_count(), server.unconfirmed_count(), server.used_token_count()), (0, 0, 0));
    assert!(server.transmit_halves().is_empty());
    let counters = server.counters();
    assert_eq!(counters.hello_challenged, challenged + 1);
    assert_eq!((counters.hello_cookie_wrong, counters.hello_cookie_expired), (3, 1));
}

#[test]
fn a_hello_from_port_zero_is_not_answered() {
    let mut server = server(10);
    let hello = hello_of(&mut client(0, b""), 0);
    let from = "10.0.0.1:0".parse().unwrap();
    assert_eq!(deliver(&mut server, 0, from, &hello), Got::Dropped(Reject::HelloMalformed));
}

#[test]
fn bytes_that_must_be_zero_are_looked_at_once_the_address_is_proven() {
    let mut server = server(10);
    let mut client = client(0, b"payload");
    let hello = proven_hello(&mut server, &mut client, 0, address(1));
    for (at, byte) in [(2, 1), (3, 1), (1199, 1), (370, 1), (361, 1), (361, 2)] {
        let mut changed = hello.clone();
        changed[at] ^= byte;
        let got = deliver(&mut server, S, address(1), &changed);
        assert_eq!(got, Got::Dropped(Reject::HelloMalformed), "byte {at}");
    }
    assert!(matches!(deliver(&mut server, S, address(1), &hello), Got::Admitted(..)));
}

#[test]
fn a_full_server_refuses_authentically_and_says_how_many_it_takes() {
    let mut server = server(2);
    connect(&mut server, 1, 0);
    let (_, second) = connect(&mut server, 2, 0);
    let mut third = client(0, b"");
    let hello = proven_hello(&mut server, &mut third, 0, address(3));
    let Got::Refused(mut refused) = deliver(&mut server, 0, address(3), &hello) else { panic!() };
    assert_eq!(refused.len(), 32);
    // Nobody else can say so: not with other words, not to another client.
    for at in 0..32 {
        let mut forged = refused.clone();
        forged[at] ^= 4;
        assert!(matches!(third.handle(0, &mut forged), ClientEvent::Dropped(_)), "byte {at}");
    }
    let cause = CloseCause::Refused { reason: REFUSED_FULL, detail: 2 };
    assert_eq!(third.handle(0, &mut refused), ClientEvent::Closed(cause));
    assert_eq!(third.state(), ClientState::Closed(cause));
    assert!(polled(&mut third, S).is_empty());
    assert_eq!(server.counters().refused_full, 1);
    // Once there is room again it is taken, with the same token.
    server.close(second, 16).unwrap();
    let Got::Admitted(place, _) = deliver(&mut server, S, address(3), &hello) else { panic!() };
    assert_eq!(place, second);
}

#[test]
fn the_application_may_refuse_with_its_own_reason() {
    let mut server = server(2);
    let mut client = client(0, b"version 9");
    let mut hello = proven_hello(&mut server, &mut client, 0, address(3));
    let again = hello.clone();
    let Received::Asking(asking) = server.handle(0, address(3), &mut hello) else { panic!() };
    assert_eq!(asking.payload, b"version 9");
    let refused = server.refuse(0, asking, 17, 0xdead_beef);
    let cause = CloseCause::Refused { reason: 17, detail: 0xdead_beef };
    assert_eq!(client.handle(0, &mut refused.to_vec()), ClientEvent::Closed(cause));
    assert_eq!((server.unconfirmed_count(), server.counters().refused_application), (0, 1));
    assert_eq!(deliver(&mut server, 0, address(3), &again), Got::Dropped(Reject::TokenUsed));
}

#[test]
fn two_sessions_of_one_address_live_side_by_side() {
    // Which character is whose, and which session is the stale one, is the application's business.
    let mut server = server(4);
    let (mut old, a) = connect(&mut server, 1, 0);
    let (mut new, b) = connect(&mut server, 1, 0);
    assert_ne!(a, b);
    let up = data_of(&mut old, 1, 1, b"old");
    assert_eq!(deliver(&mut server, 1, address(1), &up), Got::Data(a, 1, b"old".to_vec()));
    let up = data_of(&mut new, 1, 1, b"new");
    assert_eq!(deliver(&mut server, 1, address(1), &up), Got::Data(b, 1, b"new".to_vec()));
}

#[test]
fn networks_have_caps_and_sessions_that_end_make_room() {
    let caps = PrefixCaps { ipv4: 2, ipv4_24: 3, ..PrefixCaps::default() };
    let mut server = server_with(ServerConfig { caps, ..config() });
    let from = |text: &str| text.parse().unwrap();
    let knock = |server: &mut Server, from| {
        let mut client = client(0, b"");
        let hello = proven_hello(server, &mut client, 0, from);
        (deliver(server, 0, from, &hello), hello)
    };
    let (Got::Admitted(first, _), hello) = knock(&mut server, from("10.0.0.1:1")) else { panic!() };
    let (Got::Admitted(..), _) = knock(&mut server, from("10.0.0.1:2")) else { panic!() };
    assert_eq!(knock(&mut server, from("10.0.0.1:3")).0, Got::Dropped(Reject::PrefixFull));
    let (Got::Admitted(..), _) = knock(&mut server, from("10.0.0.2:1")) else { panic!() };
    assert_eq!(knock(&mut server, from("10.0.0.3:1")).0, Got::Dropped(Reject::PrefixFull));
    let (Got::Admitted(..), _) = knock(&mut server, from("10.0.1.1:1")) else { panic!() };
    // Who is in is answered again although its network is full.
    assert!(matches!(deliver(&mut server, 0, from("10.0.0.1:1"), &hello), Got::Reply(_)));
    server.close(first, 16);
    let (Got::Admitted(..), _) = knock(&mut server, from("10.0.0.1:3")) else { panic!() };
    // All of them gone unconfirmed, all of it is free.
    server.expire(CONFIRM_US, |_| {});
    for port in [1, 2] {
        let mut client = client_of(CONFIRM_US, 1, &grant(CONFIRM_US));
        let from = from(&format!("10.0.0.1:{port}"));
        let hello = proven_hello(&mut server, &mut client, CONFIRM_US, from);
        assert!(matches!(deliver(&mut server, CONFIRM_US, from, &hello), Got::Admitted(..)));
    }
}

#[test]
fn handshakes_have_a_rate_and_those_turned_away_may_come_again() {
    let mut server = server_with(ServerConfig { accepts_per_s: 200, ..config() });
    let mut hellos = Vec::new();
    for i in 0..50 {
        let mut client = client(0, b"");
        hellos.push((address(i), proven_hello(&mut server, &mut client, 0, address(i))));
    }
    // A twentieth of a second's share at once, however long nobody came before, then 200 a second.
    for (now_ms, share) in [(0, 10), (5, 1), (15, 2), (16, 0), (1000, 10), (1001, 0), (1050, 10)] {
        let mut admitted = 0;
        hellos.retain(|(from, hello)| match deliver(&mut server, now_ms * MS, *from, hello) {
            Got::Admitted(..) => {
                admitted += 1;
                false
            }
            other => {
                assert!(
                    matches!(other, Got::Dropped(Reject::AcceptsLimited | Reject::TokenLimited)),
                    "{other:?}"
                );
                true
            }
        });
        assert_eq!(admitted, share, "after {now_ms} ms");
    }
}

#[test]
fn an_address_that_only_ever_asks_is_not_answered_for_long() {
    let mut server = server(10);
    let from = address(1);
    let hellos: Vec<_> = (0..100).map(|_| hello_of(&mut client(0, b""), 0)).collect();
    let answered = (0..10_000u64)
        .filter(|i| matches!(deliver(&mut server, i * 100, from, &hellos[*i as usize % 100]), Got::Reply(_)))
        .count();
    // A second of 10,000 hellos. Others are answered as ever.
    assert!((400..=513).contains(&answered), "{answered}");
    assert!(matches!(deliver(&mut server, S, address(2), &hello_of(&mut client(S, b""), S)), Got::Reply(_)));
    let counters = server.counters();
    // A hundred tokens at ten a second each leave 2,000 hellos for the address's own limit.
    assert!(counters.rejected_stranger_limited > 1_000, "{counters:?}");
    assert!(counters.rejected_stranger_limited + counters.rejected_token_limited > 9_000, "{counters:?}");
}

#[test]
fn a_client_repeats_its_hello_ever_more_slowly_and_then_gives_up() {
    let mut client = client(0, b"");
    let mut sent_at = Vec::new();
    for now_us in (0..=TIMEOUT_US + S).step_by(10 * MS as usize) {
        sent_at.extend(polled(&mut client, now_us).iter().map(|_| now_us / MS));
    }
    assert_eq!(sent_at[..6], [0, 250, 750, 1750, 2750, 3750]);
    assert_eq!(sent_at.len(), 12);
    assert_eq!(client.state(), ClientState::Closed(CloseCause::TimedOut));
    assert_eq!(client.due_us(), u64::MAX);
}

#[test]
fn a_server_that_takes_no_cookie_is_not_hammered() {
    let mut client = client(0, b"");
    let mut sent = 0;
    for now_us in (0..TIMEOUT_US).step_by(MS as usize) {
        for hello in polled(&mut client, now_us) {
            sent += 1;
            // Each hello reaches a server with another secret.
            let keys = Gateway::default().realm_keys();
            let mut server = Server::new(config(), &[(now_us / MS) as u8; 32].into(), keys).unwrap();
            if let Got::Reply(mut answer) = deliver(&mut server, now_us, address(1), &hello) {
                client.handle(now_us, &mut answer);
            }
        }
    }
    assert_eq!(sent, 13, "one for the first cookie besides the retries");
}

#[test]
fn forged_answers_do_nothing() {
    let salt = 0x1234_5678_9abc_def0;
    let mut client = client_of(0, salt, &grant(0));
    hello_of(&mut client, 0);
    for packet_type in [TYPE_CHALLENGE, packet::TYPE_ACCEPT, packet::TYPE_REFUSED] {
        for len in 0..=80 {
            let mut forged = vec![0u8; len];
            if let Some(first) = forged.first_mut() {
                *first = packet_type;
            }
            if len > 1 {
                forged[1] = packet::NET_VERSION;
            }
            assert!(
                matches!(client.handle(0, &mut forged), ClientEvent::Dropped(_)),
                "{packet_type}, {len} bytes"
            );
        }
    }
    // Who reads along knows the salt. Without the token's secret that is not enough to let in or to turn away.
    for packet_type in [packet::TYPE_ACCEPT, packet::TYPE_REFUSED] {
        for fill in [0u8, 1, 9, 0xff] {
            let mut forged = vec![fill; if packet_type == packet::TYPE_ACCEPT { 64 } else { 32 }];
            forged[..4].copy_from_slice(&[packet_type, packet::NET_VERSION, 0, 0]);
            forged[4..12].copy_from_slice(&salt.to_le_bytes());
            assert_eq!(client.handle(0, &mut forged), ClientEvent::Dropped(Reject::Forged));
        }
    }
    assert_eq!(client.state(), ClientState::Connecting);
    // An accept of one's own server with one bit changed is none either.
    let mut server = server(2);
    let now_us = 250 * MS;
    let hello = proven_hello(&mut server, &mut client, now_us, address(1));
    let Got::Admitted(_, accept) = deliver(&mut server, now_us, address(1), &hello) else { panic!() };
    for bit in 0..64 * 8 {
        let mut forged = accept.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let event = client.handle(now_us, &mut forged);
        // Two bytes of it mean nothing, so only the tag covers them.
        assert!(matches!(event, ClientEvent::Dropped(_)), "bit {bit}: {event:?}");
    }
    assert_eq!(client.handle(now_us, &mut accept.clone()), ClientEvent::Connected);
}

#[test]
fn hello_payloads_have_a_limit() {
    let fits = vec![1; HELLO_PAYLOAD_BYTES_MAX];
    assert!(Client::new(0, 1, grant(0), fits.into()).is_ok());
    let error = Client::new(0, 1, grant(0), vec![1; HELLO_PAYLOAD_BYTES_MAX + 1].into()).unwrap_err();
    assert_eq!(error.to_string(), "the hello payload has 257 bytes, but at most 256 fit");
}

#[test]
fn impossible_configurations_are_refused_with_what_is_needed() {
    let error = |change: fn(&mut ServerConfig)| {
        let mut config = config();
        change(&mut config);
        Server::new(config, &[0; 32].into(), Gateway::default().realm_keys()).err()
    };
    assert_eq!(error(|_| {}), None);
    assert_eq!(error(|config| config.sessions_max = 0), Some(ConfigError::Sessions(0)));
    let sessions = error(|config| config.sessions_max = (1 << 20) + 1).unwrap();
    assert_eq!(sessions.to_string(), "sessions_max is 1048577, but must be 1 to 1048576");
    assert_eq!(error(|config| config.timeout_us = 0), Some(ConfigError::Timeout));
    let burst = error(|config| config.input_burst = 0);
    assert_eq!(burst, Some(ConfigError::InputRate { hz: 40, burst: 0 }));
    assert_eq!(error(|config| config.accepts_per_s = 0), Some(ConfigError::Accepts));
    let realm = error(|config| config.realm_id = 2).unwrap();
    assert_eq!(
        realm.to_string(),
        "the token keys are of realm 1, but this is realm 2; give it its own key file"
    );
}

#[test]
fn the_largest_table_can_be_named_by_ids() {
    drop(server(1 << 20));
    assert!(server(1).session(SessionIndex::new(u32::MAX)).is_none());
}
