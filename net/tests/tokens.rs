//! What a connect token is good for: one session, of one client, in one realm, for half a minute.

mod world;

use throng_net::limits::{CLOCK_BACK_MS_MAX, TOKEN_AHEAD_MS_MAX, TOKEN_LIFE_MS, TOKEN_LIFE_MS_MAX};
use throng_net::protocol::token::{Grant, RealmKeys, TokenName};
use throng_net::protocol::{Admission, Client, ClientEvent, Received, Reject, Server, ServerConfig};
use throng_net::testing::{Gateway, REALM_ID, shake_hands};
use world::{
    Got, MS, Random, S, address, client, client_of, config, connect, data_of, deliver, grant, grant_with,
    hello_of, polled, proven_hello, runs, seed, server, server_with,
};

#[test]
fn of_two_clients_with_one_token_one_gets_in() {
    let mut random = Random::new(seed("of_two_clients_with_one_token_one_gets_in"));
    let mut server = server(1 << 16);
    for race in 0..runs(300) {
        let now_us = race * 10 * MS;
        let grant = grant(now_us);
        let mut racers = [1, 2].map(|salt| client_of(now_us, salt, &grant));
        let i = race as u32 % 10_000;
        let from = [address(i), address(if random.chance(50) { i } else { i + 10_000 })];
        let mut hellos: Vec<_> =
            (0..2).map(|i| proven_hello(&mut server, &mut racers[i], now_us, from[i])).collect();
        let winner = random.below(2) as usize;
        let loser = 1 - winner;
        let [a, b] = hellos.get_disjoint_mut([winner, loser]).unwrap();
        let Received::Asking(first) = server.handle(now_us, from[winner], a) else { panic!() };
        let session = if random.chance(50) {
            // Both are asked about before either is admitted.
            let Received::Asking(second) = server.handle(now_us, from[loser], b) else { panic!() };
            let Admission::Opened { session, .. } = server.admit(now_us, first) else { panic!() };
            assert_eq!(server.admit(now_us, second), Admission::Dropped(Reject::TokenUsed));
            session
        } else {
            let Admission::Opened { session, .. } = server.admit(now_us, first) else { panic!() };
            assert_eq!(server.handle(now_us, from[loser], b), Received::Dropped(Reject::TokenUsed));
            session
        };
        assert_eq!(server.unconfirmed_count(), 1);
        server.close(session, 16);
    }
    assert_eq!(server.counters().rejected_token_used, runs(300));
}

#[test]
fn a_token_is_good_once() {
    let mut server = server(10);
    let grant = grant(0);
    let mut client = client_of(0, 1, &grant);
    let (session, _) = shake_hands(&mut server, &mut client, 0, address(1));
    // By the same client from elsewhere, by another with the same salt, by another with another salt.
    for (from, salt) in [(address(2), 1), (address(1), 2), (address(2), 2)] {
        let mut thief = client_of(S, salt, &grant);
        let hello = proven_hello(&mut server, &mut thief, S, from);
        assert_eq!(deliver(&mut server, S, from, &hello), Got::Dropped(Reject::TokenUsed));
    }
    // From the same address with the same salt it gets the old accept, which without the private key is nothing.
    let mut thief = Client::new(S, 1, world::grant(S), (*b"").into()).unwrap();
    let hello = proven_hello(&mut server, &mut client_of(S, 1, &grant), S, address(1));
    let Got::Reply(mut accept) = deliver(&mut server, S, address(1), &hello) else { panic!() };
    assert_eq!(thief.handle(S, &mut accept), ClientEvent::Dropped(Reject::Forged));
    // Nor when the session is over, at any time until the token ends.
    server.close(session, 16);
    for now_us in [2 * S, 9 * S, TOKEN_LIFE_MS * MS - 1] {
        let mut again = client_of(now_us, 1, &grant);
        let hello = proven_hello(&mut server, &mut again, now_us, address(1));
        assert_eq!(deliver(&mut server, now_us, address(1), &hello), Got::Dropped(Reject::TokenUsed));
    }
    let now_us = TOKEN_LIFE_MS * MS;
    let hello = hello_of(&mut client_of(now_us, 1, &grant), now_us);
    assert_eq!(deliver(&mut server, now_us, address(1), &hello), Got::Dropped(Reject::TokenExpired));
}

#[test]
fn a_token_without_its_private_key_opens_nothing() {
    let mut server = server(10);
    let stolen = grant(0);
    // Token and secret were read on their way; the private key never left the client.
    let mut thief = client_of(0, 1, &Grant { private_key: grant(0).private_key, ..stolen });
    let hello = proven_hello(&mut server, &mut thief, 0, address(1));
    let Got::Admitted(_, mut accept) = deliver(&mut server, 0, address(1), &hello) else { panic!() };
    assert_eq!(thief.handle(0, &mut accept), ClientEvent::Dropped(Reject::Forged));
    server.expire(5 * S, |_| panic!("never confirmed"));
    assert_eq!(server.unconfirmed_count(), 0);
}

#[test]
fn tokens_of_other_realms_builds_keys_and_times_are_not_answered() {
    let mut server =
        server_with(ServerConfig { started_unix_ms: 1_000_000, clock_skew_ms: 2_000, ..config() });
    let mut gateway = Gateway::default();
    // The server's time 0 is Unix second 1,000; the gateway's clock is Unix time.
    let now_us = 60 * S;
    let gateway_us = 1_060 * S;
    let mut expect = |grant, reject| {
        let hello = hello_of(&mut client_of(now_us, 9, &grant), now_us);
        assert_eq!(deliver(&mut server, now_us, address(1), &hello), Got::Dropped(reject));
    };
    expect(gateway.grant_with(gateway_us, REALM_ID + 1, |_| {}), Reject::TokenOtherRealm);
    expect(Gateway::with_key(9).grant(gateway_us), Reject::TokenKeyUnknown);
    expect(
        gateway.grant_with(gateway_us, REALM_ID, |fields| fields.protocol_hash ^= 1),
        Reject::TokenProtocol,
    );
    expect(gateway.grant(gateway_us - TOKEN_LIFE_MS * MS), Reject::TokenExpired);
    let ahead_us = (TOKEN_AHEAD_MS_MAX - TOKEN_LIFE_MS + 1) * MS;
    expect(gateway.grant(gateway_us + ahead_us), Reject::TokenTooFarAhead);
    // The same key number with another key, as somebody without one would invent it.
    expect(Gateway::with_key(7).grant(gateway_us), Reject::TokenGuard);
    for (at, reject) in
        [(0, Reject::TokenMalformed), (4, Reject::TokenMalformed), (5, Reject::TokenMalformed)]
    {
        let mut grant = gateway.grant(gateway_us);
        grant.token[at] ^= 0x40;
        expect(grant, reject);
    }
    for at in (12..16).chain(32..56) {
        let mut grant = gateway.grant(gateway_us);
        grant.token[at] ^= 0x40;
        expect(grant, Reject::TokenGuard);
    }
    let counters = server.counters();
    assert_eq!((counters.rejected_token_guard, counters.hello_challenged), (29, 0));
}

#[test]
fn what_only_opening_shows_is_dropped_behind_the_cookie() {
    let mut server = server_with(ServerConfig { started_unix_ms: 100_000, clock_skew_ms: 2_000, ..config() });
    let now_us = 10 * S;
    let gateway_us = 110 * S;
    let mut expect = |grant, expected: Result<(), Reject>| {
        let mut client = client_of(now_us, 9, &grant);
        let hello = proven_hello(&mut server, &mut client, now_us, address(1));
        match (deliver(&mut server, now_us, address(1), &hello), expected) {
            (Got::Admitted(session, _), Ok(())) => drop(server.close(session, 16)),
            (got, Err(reject)) => assert_eq!(got, Got::Dropped(reject)),
            (got, Ok(())) => panic!("{got:?}"),
        }
    };
    for at in [56, 100, 311, 312, 327] {
        let mut changed = grant(gateway_us);
        changed.token[at] ^= 1;
        expect(changed, Err(Reject::TokenForged));
    }
    let issued = |ms| grant_with(gateway_us, |fields| fields.body.issued_at_ms = ms);
    // From before the start, give or take what clocks may differ.
    expect(issued(99_000), Err(Reject::TokenBeforeStart));
    expect(issued(101_999), Err(Reject::TokenBeforeStart));
    expect(issued(102_000), Ok(()));
    let life = |ms| grant_with(gateway_us, |fields| fields.not_after_ms = fields.body.issued_at_ms + ms);
    expect(life(TOKEN_LIFE_MS_MAX), Ok(()));
    expect(life(TOKEN_LIFE_MS_MAX + 1), Err(Reject::TokenBody));
    // A public key with which anybody could guess the secret.
    expect(grant_with(gateway_us, |fields| fields.body.client_public = [0; 32]), Err(Reject::TokenPublicKey));
    let zero_key = grant_with(gateway_us, |fields| fields.body.client_public = [0; 32]);
    expect(zero_key.clone(), Err(Reject::TokenPublicKey));
    expect(zero_key, Err(Reject::TokenUsed));
}

#[test]
fn no_token_is_opened_while_nobody_could_be_let_in() {
    // One at once, twenty a second.
    let mut server = server_with(ServerConfig { accepts_per_s: 20, ..config() });
    let mut forged = grant(0);
    forged.token[100] ^= 1;
    let (first, second) = (client_of(0, 1, &grant(0)), client_of(0, 2, &forged));
    let [first, second] = [(first, 1), (second, 2)]
        .map(|(mut client, from)| proven_hello(&mut server, &mut client, 0, address(from)));
    assert!(matches!(deliver(&mut server, 0, address(1), &first), Got::Admitted(..)));
    assert_eq!(deliver(&mut server, 0, address(2), &second), Got::Dropped(Reject::AcceptsLimited));
    assert_eq!(deliver(&mut server, S, address(2), &second), Got::Dropped(Reject::TokenForged));
}

#[test]
fn a_restart_takes_no_token_from_before() {
    let grant = grant(100 * S);
    let config = || ServerConfig { started_unix_ms: 90_000, ..config() };
    let mut server = server_with(config());
    let mut client = client_of(10 * S, 1, &grant);
    shake_hands(&mut server, &mut client, 10 * S, address(1));
    // Killed and back within a second, with another secret and no memory.
    let keys = Gateway::default().realm_keys();
    let restarted = ServerConfig { started_unix_ms: 101_000, ..config() };
    let mut server = Server::new(restarted, &[8; 32].into(), keys).unwrap();
    for (from, salt) in [(address(1), 1), (address(2), 2)] {
        let hello = proven_hello(&mut server, &mut client_of(0, salt, &grant), 0, from);
        assert_eq!(deliver(&mut server, 0, from, &hello), Got::Dropped(Reject::TokenBeforeStart));
    }
    // Datagrams of the old session mean nothing to the new process.
    let up = data_of(&mut client, 11 * S, 1, b"hello?");
    assert_eq!(deliver(&mut server, 0, address(1), &up), Got::Dropped(Reject::UnknownConnection));
    let mut fresh = client_of(S, 3, &world::grant(102 * S));
    shake_hands(&mut server, &mut fresh, S, address(1));
}

#[test]
fn keys_are_replaced_while_clients_connect() {
    let realm = |gateways: &[&Gateway]| {
        let keys: Vec<_> = gateways.iter().map(|gateway| gateway.realm_keys().current().clone()).collect();
        RealmKeys::new(keys).unwrap()
    };
    let (mut old, mut new) = (Gateway::with_key(1), Gateway::with_key(2));
    let mut server = Server::new(config(), &[7; 32].into(), realm(&[&old])).unwrap();
    let (mut before, session) = old.connect(&mut server, 0, address(1));
    // One in the middle of its handshake, one with a token in its hand, one with a token of the new key.
    let mut halfway = old.client(0, *b"");
    let hello = proven_hello(&mut server, &mut halfway, 0, address(2));
    let mut holder = old.client(0, *b"");
    let mut early = new.client(0, *b"");
    assert_eq!(
        deliver(&mut server, 0, address(4), &hello_of(&mut early, 0)),
        Got::Dropped(Reject::TokenKeyUnknown)
    );
    server.set_keys(realm(&[&new, &old])).unwrap();
    assert!(matches!(deliver(&mut server, S, address(2), &hello), Got::Admitted(..)));
    shake_hands(&mut server, &mut holder, S, address(3));
    shake_hands(&mut server, &mut early, S, address(4));
    // The old key is withdrawn: what it sealed is worth nothing, whom it let in stays.
    let late = hello_of(&mut old.client(S, *b""), S);
    server.set_keys(realm(&[&new])).unwrap();
    assert_eq!(deliver(&mut server, S, address(5), &late), Got::Dropped(Reject::TokenKeyUnknown));
    let up = data_of(&mut before, 2 * S, 1, b"still here");
    assert_eq!(deliver(&mut server, 2 * S, address(1), &up), Got::Data(session, 1, b"still here".to_vec()));
    // Keys of another realm are not taken.
    let foreign = throng_net::protocol::token::RealmKey::new(3, 99, [1; 32].into());
    assert!(server.set_keys(RealmKeys::new([foreign]).unwrap()).is_err());
    shake_hands(&mut server, &mut new.client(2 * S, *b""), 2 * S, address(6));
}

#[test]
fn tickets_say_what_the_gateway_sealed() {
    let mut server = server(4);
    let grant = grant_with(0, |fields| {
        let body = &mut fields.body;
        (body.account, body.character, body.session_epoch) = (u64::MAX, 5, 77);
        (body.rate_class, body.flags, body.user_data) = (2, 0x8000_0001, [9; 16]);
        body.name = TokenName::new("Zoë of the Long Name, forty-seven bytes of it.").unwrap();
        body.idle_timeout_s = 3;
    });
    let mut client = client_of(0, 1, &grant);
    let (session, ticket) = shake_hands(&mut server, &mut client, 0, address(1));
    assert_eq!((ticket.account, ticket.character, ticket.session_epoch), (u64::MAX, 5, 77));
    assert_eq!((ticket.rate_class, ticket.flags, ticket.user_data), (2, 0x8000_0001, [9; 16]));
    assert_eq!(ticket.name.as_str(), "Zoë of the Long Name, forty-seven bytes of it.");
    // It asked for a shorter timeout than the server's, and gets it.
    server.expire(3 * S - 1, |_| panic!("not yet"));
    let mut ended = Vec::new();
    server.expire(3 * S, |session| ended.push(session));
    assert_eq!(ended, [session]);
    // A longer one it does not get.
    let patient = grant_with(0, |fields| fields.body.idle_timeout_s = u16::MAX);
    shake_hands(&mut server, &mut client_of(0, 2, &patient), 0, address(1));
    server.expire(10 * S, |session| ended.push(session));
    assert_eq!(ended.len(), 2);
}

#[test]
fn a_computer_that_slept_learns_the_time() {
    let mut server = server(10);
    // Its own time stood still for an hour.
    let hour_us = 3_600 * S;
    let woken = |server: &mut Server, grant_us| {
        let hello = hello_of(&mut client_of(S, 1, &grant(grant_us)), S);
        deliver(server, S, address(1), &hello)
    };
    assert_eq!(woken(&mut server, hour_us), Got::Dropped(Reject::TokenTooFarAhead));
    server.set_unix_ms(S, hour_us / MS);
    assert!(matches!(woken(&mut server, hour_us), Got::Reply(_)));
    assert_eq!(woken(&mut server, S), Got::Dropped(Reject::TokenExpired));
    server.set_unix_ms(S, hour_us / MS - CLOCK_BACK_MS_MAX);
    assert!(matches!(woken(&mut server, hour_us), Got::Reply(_)), "a small step back is not followed");
    assert_eq!(server.counters().clock_set_back, 0);
}

#[test]
fn a_clock_that_was_wrong_for_a_while_keeps_nobody_out_and_lets_nobody_in_twice() {
    let mut server = server(10);
    let (start_us, hour_us, now_us) = (1_000 * S, 3_600 * S, 2 * S);
    server.set_unix_ms(0, start_us / MS);
    let shown = |server: &mut Server, grant: &Grant, salt| {
        let mut client = client_of(now_us, salt, grant);
        let from = address(salt as u32);
        let hello = proven_hello(server, &mut client, now_us, from);
        let got = deliver(server, now_us, from, &hello);
        if let Got::Admitted(session, _) = got {
            server.close(session, 16);
        }
        got
    };
    let early = grant(start_us + S);
    assert!(matches!(shown(&mut server, &early, 1), Got::Admitted(..)));
    // An hour ahead: another token is good, and used.
    server.set_unix_ms(now_us, (start_us + hour_us) / MS);
    let wrong = grant(start_us + hour_us);
    assert!(matches!(shown(&mut server, &wrong, 2), Got::Admitted(..)));
    // Back again: whoever has a new token enters, and what was used before the step is not good again.
    let back_us = start_us + 2 * S;
    assert_eq!(server.set_unix_ms(now_us, back_us / MS), (hour_us - 2 * S) / MS);
    assert_eq!(server.counters().clock_set_back, 1);
    assert!(matches!(shown(&mut server, &grant(back_us), 3), Got::Admitted(..)));
    assert_eq!(shown(&mut server, &early, 4), Got::Dropped(Reject::TokenBeforeStart));
    // A server that started by the wrong clock is no worse off.
    let config = ServerConfig { started_unix_ms: (start_us + hour_us) / MS, ..config() };
    let mut server = server_with(config);
    server.set_unix_ms(now_us, back_us / MS);
    assert!(matches!(shown(&mut server, &grant(back_us), 5), Got::Admitted(..)));
}

#[test]
fn tokens_that_are_used_are_remembered_no_longer_than_they_could_be_shown() {
    let mut server = server(100);
    for i in 0..50 {
        connect(&mut server, i, u64::from(i) * S);
    }
    assert!((30..=32).contains(&server.used_token_count()), "{}", server.used_token_count());
    let mut client = client(200 * S, b"");
    assert_eq!(polled(&mut client, 200 * S).len(), 1);
    let hello = proven_hello(&mut server, &mut client, 200 * S + 250 * MS, address(1));
    assert!(matches!(deliver(&mut server, 201 * S, address(1), &hello), Got::Admitted(..)));
    assert_eq!(server.used_token_count(), 1);
}
