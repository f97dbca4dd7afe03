//! A realm with real clients over loopback, on both I/O backends.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{Player, assert_undisturbed, now_us, on_both_backends, players, step, step_until};
use throng_net::protocol::packet::{DISCONNECT_STOPPING, REFUSED_FULL};
use throng_net::protocol::{ClientState, CloseCause};
use throng_schema::IntentFields;
use throng_server::config::IoChoice;
use throng_server::realm::{self, Controls, Measure, RealmError};
use throng_server::report::Event;

#[test]
fn players_join_see_each_other_exactly_and_leave() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 6);
            let checked = |players: &[Player]| {
                players.iter().all(|player| player.session.view().counters().digests_checked >= 3)
            };
            step_until(realm, &mut players, "three digests checked", |_, players| checked(players));
            assert_undisturbed(&players);
            assert!(players.iter().all(|player| player.visible() == 6 - 1 + 7), "everyone sees everyone");
            assert_eq!((realm.client_count(), realm.counters().joined), (6, 6));
            assert!(realm.counters().input_applied >= 6 * 20);

            let mut leaver = players.pop().expect("six");
            leaver.session.disconnect();
            leaver.send(now_us(realm));
            step_until(realm, &mut players, "the others noticed", |_, players| {
                players.iter().all(|player| player.visible() == 5 - 1 + 7)
            });
            assert_eq!((realm.client_count(), realm.counters().left), (5, 1));
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn a_realm_serves_ipv6_too() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    on_both_backends(
        |config| config.net.listen = "[::1]:0".parse().expect("an address"),
        |realm| {
            let mut players = players(realm, 2);
            step_until(realm, &mut players, "a digest checked", |_, players| {
                players.iter().all(|player| player.session.view().counters().digests_checked > 0)
            });
            assert_undisturbed(&players);
        },
    );
}

/// Digest of a world in which five players joined one after the other and then walked for 80 ticks.
fn digest_of_a_walk(io: IoChoice, threads: u32) -> Result<(u32, u64), RealmError> {
    let mut config = common::config(io);
    config.realm.threads = threads;
    config.world.creatures = 500;
    realm::host(&config, |realm| {
        let mut players = Vec::new();
        for salt in 1..=5 {
            players.push(Player::new(realm, 100 + salt));
            step_until(realm, &mut players, "joined", |_, players| players.iter().all(Player::is_connected));
        }
        for _ in 0..80 {
            step(realm, &mut players);
        }
        assert_undisturbed(&players);
        (realm.game().current_tick(), realm.game().digest())
    })
}

#[test]
fn threads_and_backend_do_not_change_the_world() {
    let expected = digest_of_a_walk(IoChoice::Mmsg, 1).expect("a realm");
    assert_eq!(digest_of_a_walk(IoChoice::Mmsg, 7).expect("a realm"), expected);
    match digest_of_a_walk(IoChoice::Uring, 2) {
        Ok(digest) => assert_eq!(digest, expected),
        Err(error) => println!("skipped on io_uring: {error}"),
    }
}

#[test]
fn an_avatar_walks_as_told_and_stops_when_its_player_falls_silent() {
    on_both_backends(
        |config| {
            (config.world.width_m, config.world.height_m) = (1000.0, 1000.0);
            config.realm.intent_hold_ticks = 10;
        },
        |realm| {
            let mut players: Vec<Player> = vec![Player::new(realm, 1), Player::new(realm, 2)];
            step_until(realm, &mut players, "both connected", |_, players| {
                players.iter().all(|player| player.snapshots > 0)
            });
            let mut walker = players.pop().expect("two");
            walker.session.set_intent(IntentFields { move_x: 1.0, yaw: 77, ..IntentFields::default() });
            for _ in 0..5 {
                step(realm, std::slice::from_mut(&mut walker));
            }
            let own = *walker.session.view().own();
            assert_eq!((own.velocity[0] > 0.0, own.velocity[1], own.yaw), (true, 0.0, 77));
            assert_eq!(walker.session.view().input_applied(), walker.session.input_sent());

            // Nothing is sent any more, but what arrives is read.
            for _ in 0..12 {
                realm.advance_clock(Duration::from_millis(50));
                realm.tick();
                walker.receive(now_us(realm));
            }
            let own = *walker.session.view().own();
            assert_eq!((own.velocity, own.yaw), ([0.0, 0.0], 77));
            assert!(realm.counters().intent_expired >= 1);
        },
    );
}

#[test]
fn a_full_realm_refuses_and_takes_the_next_when_one_leaves() {
    on_both_backends(
        |config| config.realm.players_max = 2,
        |realm| {
            let mut players = players(realm, 2);
            players.push(Player::new(realm, 9));
            step_until(realm, &mut players, "the third is answered", |_, players| {
                players[2].session.state() != ClientState::Connecting
            });
            let refused = ClientState::Closed(CloseCause::Refused { reason: REFUSED_FULL, detail: 2 });
            assert_eq!(players.pop().expect("three").session.state(), refused);
            assert_undisturbed(&players);

            players[0].session.disconnect();
            step(realm, &mut players);
            players.remove(0);
            players.push(Player::new(realm, 10));
            step_until(realm, &mut players, "the next is in", |_, players| players[1].is_connected());
            assert_eq!(realm.client_count(), 2);
        },
    );
}

#[test]
fn a_silent_client_is_dropped_and_nobody_else() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 3);
            let _silent = players.pop();
            step_until(realm, &mut players, "the timeout", |realm, _| realm.counters().timed_out == 1);
            step(realm, &mut players);
            assert_eq!(realm.client_count(), 2);
            assert!(players.iter().all(|player| player.visible() == 2 - 1 + 7));
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn a_client_that_starts_again_gets_a_new_avatar() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 2);
            realm.advance_clock(Duration::from_secs(2));
            // The same socket, and so the same address, with another salt.
            let was = &mut players[1];
            was.restart(now_us(realm), 77);
            step_until(realm, &mut players, "connected again", |realm, players| {
                players[1].is_connected() && players[1].visible() > 0 && realm.client_count() == 2
            });
            assert_eq!((realm.counters().replaced, realm.counters().joined), (1, 3));
            step(realm, &mut players);
            assert!(players.iter().all(|player| player.visible() == 2 - 1 + 7));
        },
    );
}

#[test]
fn a_realm_that_stops_tells_everyone() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 3);
            realm.disconnect_all();
            for player in &mut players {
                player.receive(now_us(realm));
                let told = CloseCause::Disconnected { reason: DISCONNECT_STOPPING };
                assert_eq!(player.session.state(), ClientState::Closed(told));
            }
            assert_eq!(realm.client_count(), 0);
        },
    );
}

#[test]
fn a_running_realm_reports_and_stops_when_asked() {
    let controls = Controls::new();
    let (events, heard) = mpsc::channel();
    let asked = controls.clone();
    let mut config = common::config(IoChoice::Auto);
    config.realm.tick_hz = 60;
    let realm = std::thread::spawn(move || {
        realm::host(&config, |realm| realm.run(&controls, &mut |event| drop(events.send(event))))
    });
    asked.measure(Measure::Begin);
    let wait = Duration::from_secs(60);
    let Ok(Event::Progress(progress)) = heard.recv_timeout(wait) else { panic!("no progress") };
    assert_eq!((progress.tick_hz, progress.clients), (60, 0));
    assert!(progress.tick > 0);
    asked.measure(Measure::End);
    let _ = heard.recv_timeout(wait).expect("still running");
    asked.stop.raise();
    let report = realm.join().expect("no panic").expect("a realm");
    let measured = report.measured.expect("it was asked for");
    assert!(measured.ticks > 0 && measured.ticks < report.whole.ticks, "{measured:?}");
    assert_eq!(report.whole.client_ticks, 0);
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let config = common::config(IoChoice::Mmsg);
    let taken = realm::host(&config, |realm| {
        let mut second = config.clone();
        second.net.listen = realm.listen_address();
        realm::host(&second, |_| ()).expect_err("the port is taken").to_string()
    });
    let error = taken.expect("a realm");
    assert!(error.contains("in use") && error.contains("127.0.0.1:"), "{error}");
}
