//! Clients that turn up at another address, and those who pretend that one did.

mod world;

use std::net::SocketAddr;

use throng_net::limits::{PATH_BYTES, PATH_CHALLENGE_US, PATH_LIFE_US};
use throng_net::protocol::{Client, ClientEvent, PrefixCaps, Reject, Server, ServerConfig, SessionIndex};
use throng_net::testing::shake_hands;
use world::{
    Got, MS, Random, S, address, client_of, config, connect, data_of, data_to, deliver, grant, polled, runs,
    seed, server, server_with,
};

fn place(server: &Server, session: SessionIndex) -> SocketAddr {
    let half = server.transmit_halves().get(session.get()).unwrap();
    assert_eq!(half.address().socket_addr(), server.session(session).unwrap().address);
    server.session(session).unwrap().address
}

#[test]
fn output_moves_once_the_new_address_has_answered() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    // The router forgot: the next input comes from elsewhere. It counts, and its address is asked.
    let up = data_of(&mut client, S, 7, b"walk");
    let Got::Strayed(at, mut challenge, data) = deliver(&mut server, S, address(2), &up) else { panic!() };
    assert_eq!((at, data), (session, Some((7, b"walk".to_vec()))));
    assert_eq!(challenge.len(), PATH_BYTES);
    assert_eq!(place(&server, session), address(1));
    // More inputs meanwhile are plain data.
    let up = data_of(&mut client, S, 7, b"on");
    assert_eq!(deliver(&mut server, S, address(2), &up), Got::Data(session, 7, b"on".to_vec()));
    assert_eq!(client.handle(S, &mut challenge), ClientEvent::Handled);
    let response = polled(&mut client, S);
    assert_eq!((response.len(), response[0].len()), (1, PATH_BYTES));
    assert_eq!(deliver(&mut server, S, address(2), &response[0]), Got::Moved(session));
    assert_eq!(place(&server, session), address(2));
    let up = data_of(&mut client, S, 7, b"there");
    assert_eq!(deliver(&mut server, S, address(2), &up), Got::Data(session, 7, b"there".to_vec()));
    // From the old address it is a stray now.
    let up = data_of(&mut client, 2 * S, 7, b"back");
    assert!(matches!(deliver(&mut server, 2 * S, address(1), &up), Got::Strayed(..)));
    let counters = server.counters();
    assert_eq!((counters.strayed, counters.path_challenges, counters.sessions_moved), (3, 2, 1));
}

#[test]
fn challenges_are_rare_and_the_same_while_they_are_waited_for() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let stray = |server: &mut Server, client: &mut Client, now_us, from| {
        let up = data_of(client, now_us, 7, b"x");
        match deliver(server, now_us, from, &up) {
            Got::Strayed(_, challenge, _) => Some(challenge),
            Got::Data(..) => None,
            other => panic!("{other:?}"),
        }
    };
    let mut first = stray(&mut server, &mut client, S, address(2)).unwrap();
    assert_eq!(stray(&mut server, &mut client, S + PATH_CHALLENGE_US - 1, address(2)), None);
    assert_eq!(stray(&mut server, &mut client, S + PATH_CHALLENGE_US - 1, address(3)), None);
    let again = stray(&mut server, &mut client, S + PATH_CHALLENGE_US, address(2));
    assert!(again.is_some());
    // The answer to the first question is good although the second has been asked: round trips can be long.
    client.handle(2 * S, &mut first);
    let response = polled(&mut client, 2 * S).remove(0);
    assert_eq!(
        deliver(&mut server, 2 * S, address(3), &response),
        Got::Dropped(Reject::Control),
        "not from there"
    );
    client.handle(2 * S, &mut again.unwrap());
    let response = polled(&mut client, 2 * S).remove(0);
    assert_eq!(deliver(&mut server, 2 * S, address(2), &response), Got::Moved(session));
    // A late answer is none.
    let mut late = stray(&mut server, &mut client, 3 * S, address(4)).unwrap();
    let now_us = 3 * S + PATH_LIFE_US;
    client.handle(now_us, &mut late);
    let response = polled(&mut client, now_us).remove(0);
    assert_eq!(deliver(&mut server, now_us, address(4), &response), Got::Dropped(Reject::Control));
    assert_eq!(place(&server, session), address(2));
}

#[test]
fn a_spoofed_move_never_moves_anything() {
    let mut server = server(4);
    let mut random = Random::new(seed("a_spoofed_move_never_moves_anything"));
    let (mut client, session) = connect(&mut server, 1, 0);
    let mut spoofed = 0;
    for tick in 1..=runs(10_000) {
        let now_us = tick * 50 * MS;
        let up = data_of(&mut client, now_us, 1, b"input");
        // Somebody on the way copies every datagram, writes another address on it, and is first.
        let from = address(2 + random.below(50));
        match deliver(&mut server, now_us, from, &up) {
            Got::Strayed(_, challenge, _) => {
                spoofed += 1;
                // The challenge goes to whoever lives there. Sending it, or anything made of it, back is no answer.
                for sent_from in [from, address(1)] {
                    assert!(matches!(deliver(&mut server, now_us, sent_from, &challenge), Got::Dropped(_)));
                    let mut turned = challenge.clone();
                    turned[1] = 2;
                    assert!(matches!(deliver(&mut server, now_us, sent_from, &turned), Got::Dropped(_)));
                }
            }
            Got::Data(..) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(deliver(&mut server, now_us, address(1), &up), Got::Dropped(Reject::Duplicate));
        assert_eq!(place(&server, session), address(1));
        let mut down = data_to(&server, session, now_us, 1, b"snapshot");
        assert!(matches!(client.handle(now_us, &mut down), ClientEvent::Data { .. }));
        server.expire(now_us, |_| panic!("the client's datagrams count, whoever brings them"));
    }
    assert!(spoofed > 100, "{spoofed}");
    assert_eq!(server.counters().sessions_moved, 0);
}

#[test]
fn rebinding_works_under_loss_and_keeps_the_counts_of_networks() {
    let caps = PrefixCaps { ipv4: 2, ipv4_24: 1000, ..PrefixCaps::default() };
    let mut server = server_with(ServerConfig { caps, ..config() });
    let mut random = Random::new(seed("rebinding_works_under_loss_and_keeps_the_counts_of_networks"));
    // Addresses of as many networks; a client is at one of them at a time.
    let at = |i: u32| SocketAddr::from(([10, (i >> 8) as u8, i as u8, 1], 4000));
    let mut client = client_of(0, 1, &grant(0));
    let (session, _) = shake_hands(&mut server, &mut client, 0, at(0));
    let (mut now_us, mut slowest_us) = (0, 0);
    for rebind in 1..=runs(300) as u32 {
        let since_us = now_us;
        let here = at(rebind % 49_999);
        while place(&server, session) != here {
            now_us += 50 * MS;
            assert!(now_us - since_us < 10 * S, "the client is lost");
            let mut sent = vec![data_of(&mut client, now_us, 1, b"input")];
            sent.extend(polled(&mut client, now_us));
            for datagram in sent {
                // A fifth is lost, each way.
                if random.chance(20) {
                    continue;
                }
                if let Got::Strayed(_, mut challenge, _) = deliver(&mut server, now_us, here, &datagram)
                    && !random.chance(20)
                {
                    client.handle(now_us, &mut challenge);
                }
            }
        }
        slowest_us = slowest_us.max(now_us - since_us);
    }
    println!("the slowest took {} ms", slowest_us / MS);
    // Only where it is now has it left a place taken: one more of two gets in there, two everywhere else.
    let count = |server: &mut Server, from: SocketAddr| {
        (0..3)
            .filter(|port| {
                let from = SocketAddr::new(from.ip(), 5000 + port);
                let mut client = client_of(now_us, 2, &grant(now_us));
                let hello = world::proven_hello(server, &mut client, now_us, from);
                matches!(deliver(server, now_us, from, &hello), Got::Admitted(..))
            })
            .count()
    };
    let here = place(&server, session);
    assert_eq!(count(&mut server, here), 1);
    assert_eq!(count(&mut server, at(0)), 2);
    assert_eq!(count(&mut server, at(1)), 2);
}

#[test]
fn nobody_moves_into_a_network_that_is_full() {
    let caps = PrefixCaps { ipv4: 1, ..PrefixCaps::default() };
    let mut server = server_with(ServerConfig { caps, ..config() });
    let (mut client, session) = connect(&mut server, 1, 0);
    connect(&mut server, 3, 0);
    let up = data_of(&mut client, S, 1, b"input");
    assert!(matches!(deliver(&mut server, S, address(3), &up), Got::Data(..)), "not even asked");
    assert_eq!(server.counters().path_prefix_full, 1);
    // Another port of its own address is no other network.
    let own = SocketAddr::new(address(1).ip(), 9);
    let up = data_of(&mut client, S, 1, b"input");
    let Got::Strayed(_, mut challenge, _) = deliver(&mut server, S, own, &up) else { panic!() };
    client.handle(S, &mut challenge);
    let response = polled(&mut client, S).remove(0);
    assert_eq!(deliver(&mut server, S, own, &response), Got::Moved(session));
    // Full since it was asked: it stays, and its place is still counted.
    let up = data_of(&mut client, 2 * S, 1, b"input");
    let Got::Strayed(_, mut challenge, _) = deliver(&mut server, 2 * S, address(4), &up) else { panic!() };
    connect(&mut server, 4, 2 * S);
    client.handle(2 * S, &mut challenge);
    let response = polled(&mut client, 2 * S).remove(0);
    assert_eq!(deliver(&mut server, 2 * S, address(4), &response), Got::Dropped(Reject::PrefixFull));
    assert_eq!(place(&server, session), own);
    server.close(session, 16).unwrap();
    connect(&mut server, 1, 3 * S);
}

#[test]
fn a_stranger_who_only_guesses_is_not_listened_to_for_long() {
    let mut server = server(4);
    let (mut client, session) = connect(&mut server, 1, 0);
    let up = data_of(&mut client, S, 1, b"input");
    let mut reasons = [0; 2];
    for i in 0..2_000u32 {
        let mut forged = up.clone();
        forged[8..12].copy_from_slice(&(i % 1000 + 3).to_le_bytes());
        match deliver(&mut server, S, address(9), &forged) {
            Got::Dropped(Reject::Forged) => reasons[0] += 1,
            Got::Dropped(Reject::StrangerLimited) => reasons[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reasons, [256, 2_000 - 256]);
    // From the client's own address forging costs an opening each time, and never shuts the client out.
    for i in 0..2_000u32 {
        let mut forged = up.clone();
        forged[8..12].copy_from_slice(&(i % 1000 + 3).to_le_bytes());
        assert_eq!(deliver(&mut server, S, address(1), &forged), Got::Dropped(Reject::Forged));
    }
    assert_eq!(deliver(&mut server, S, address(1), &up), Got::Data(session, 1, b"input".to_vec()));
}
