//! A realm with real clients over loopback, on both I/O backends.

mod common;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::raw::Raw;
use common::{
    DEADLINE, Player, SHOPS, assert_undisturbed, grant, now_us, on_both_backends, players, step, step_until,
};
use throng_net::protocol::packet::{DISCONNECT_REPLACED, DISCONNECT_STOPPING, REFUSED_FULL};
use throng_net::protocol::token::{RealmKey, TokenFields};
use throng_net::protocol::{ClientState, CloseCause};
use throng_net::testing::Gateway;
use throng_schema::{IntentFields, SCHEMA_VERSION, write_hello};
use throng_server::config::{Config, IoChoice, LAND_FLAT};
use throng_server::gateway::keys::unix_ms;
use throng_server::realm::{Controls, DISCONNECT_KICKED, Measure, REFUSED_KICKED, REFUSED_STALE, RealmError};
use throng_server::report::{Event, RealmReport};
use throng_server::schedule::Schedule;

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
            assert!(players.iter().all(|player| player.visible() == 6 - 1 + SHOPS), "everyone sees everyone");
            assert_eq!((realm.client_count(), realm.counters().joined), (6, 6));
            assert!(realm.counters().input_taken >= 6 * 20);

            let mut leaver = players.pop().expect("six");
            leaver.session.disconnect();
            leaver.send(now_us(realm));
            step_until(realm, &mut players, "the others noticed", |_, players| {
                players.iter().all(|player| player.visible() == 5 - 1 + SHOPS)
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

#[test]
fn a_realm_on_a_wildcard_address_answers_from_the_one_that_each_player_reached() {
    on_both_backends(
        |config| config.net.listen = "0.0.0.0:0".parse().expect("an address"),
        |realm| {
            let port = realm.listen_address().port();
            // A player's socket is connected: it hears nothing from elsewhere.
            let mut players: Vec<Player> = (1..=3)
                .map(|number| {
                    let grant = realm.grant(|fields| fields.body.character = number);
                    let reached = SocketAddr::from(([127, 0, 0, 4 * number as u8], port));
                    Player::at(reached, now_us(realm), number, grant)
                })
                .collect();
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
    common::host(&config, |realm| {
        // Clients pace their inputs by it, so a machine that is busy would make another walk.
        realm.stop_clock();
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
fn an_avatar_takes_a_step_for_each_input_and_none_without() {
    on_both_backends(
        |config| {
            config.world.land = LAND_FLAT.to_owned();
            (config.world.width_m, config.world.height_m) = (1000.0, 1000.0);
        },
        |realm| {
            let mut players: Vec<Player> = vec![Player::new(realm, 1), Player::new(realm, 2)];
            step_until(realm, &mut players, "both connected", |_, players| {
                players.iter().all(|player| player.snapshots > 0)
            });
            let mut walker = players.pop().expect("two");
            walker.session.set_intent(IntentFields { move_x: 1.0, yaw: 77, ..IntentFields::default() });
            for _ in 0..20 {
                step(realm, std::slice::from_mut(&mut walker));
            }
            let view = walker.session.view();
            assert_eq!(
                (view.own().velocity[0] > 0.0, view.own().velocity[1], view.own().yaw),
                (true, 0.0, 77)
            );
            // One may wait at the realm, so that a late one does no harm.
            let sent = walker.session.input_sent();
            assert!((sent - 1..=sent).contains(&view.input_applied()), "{} of {sent}", view.input_applied());

            // Nothing is sent any more, but what arrives is read.
            let mut places = Vec::new();
            for _ in 0..12 {
                realm.advance_clock(Duration::from_millis(50));
                realm.tick();
                walker.receive(now_us(realm));
                places.push(walker.session.view().own().position);
            }
            assert_eq!(walker.session.view().input_applied(), sent);
            assert!(places[1..].iter().all(|place| *place == places[1]), "{places:?}");
            assert_eq!(walker.session.view().own().yaw, 77);
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
            step_until(realm, &mut players, "the next is in", |_, players| players[1].visible() > 0);
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
            assert_eq!(realm.client_count(), 2);
            step_until(realm, &mut players, "its body is gone", |_, players| {
                players.iter().all(|player| player.visible() == 2 - 1 + SHOPS)
            });
            assert_undisturbed(&players);
        },
    );
}

/// Account 90's character 91 for the so-manieth time.
fn again(session_epoch: u64) -> impl Fn(&mut TokenFields) {
    move |fields| {
        let body = &mut fields.body;
        (body.account, body.character, body.session_epoch) = (90, 91, session_epoch);
    }
}

#[test]
fn a_newer_session_of_a_character_replaces_its_body() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 2);
            players.push(Player::with(realm, 50, again(7)));
            step_until(realm, &mut players, "the first is in", |_, players| {
                players[2].visible() == 3 - 1 + SHOPS
            });
            let mut older = players.pop().expect("three");
            players.push(Player::with(realm, 51, again(8)));
            step_until(realm, &mut players, "the second is in", |_, players| players[2].visible() > 0);
            assert_eq!((realm.counters().replaced, realm.counters().joined, realm.client_count()), (1, 4, 3));
            older.receive(now_us(realm));
            let told = CloseCause::Disconnected { reason: DISCONNECT_REPLACED };
            assert_eq!(older.session.state(), ClientState::Closed(told));
            step(realm, &mut players);
            assert!(players.iter().all(|player| player.visible() == 3 - 1 + SHOPS), "one body, not two");
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn an_older_session_of_a_character_is_refused() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 1);
            players.push(Player::with(realm, 50, again(8)));
            step_until(realm, &mut players, "the newer is in", |_, players| players[1].visible() > 0);
            let refused = CloseCause::Refused { reason: REFUSED_STALE, detail: 0 };
            let refuse = |realm: &mut common::Stage<'_>, players: &mut Vec<Player>, epoch, count| {
                players.push(Player::with(realm, 51, again(epoch)));
                step_until(realm, players, "an answer", |_, players| {
                    players.last().is_some_and(|last| last.session.state() != ClientState::Connecting)
                });
                let last = players.pop().expect("somebody");
                assert_eq!(last.session.state(), ClientState::Closed(refused), "epoch {epoch}");
                assert_eq!(realm.counters().refused_stale, count);
            };
            refuse(realm, &mut players, 7, 1);
            refuse(realm, &mut players, 8, 2);
            assert_undisturbed(&players);
            assert_eq!((realm.counters().replaced, realm.client_count()), (0, 2));

            // Nor does it come back once the newer one has left: the token may be a stolen one.
            let mut newer = players.pop().expect("two");
            newer.session.disconnect();
            newer.send(now_us(realm));
            step(realm, &mut players);
            assert_eq!(realm.client_count(), 1);
            refuse(realm, &mut players, 7, 3);
        },
    );
}

#[test]
fn of_two_admitted_sessions_of_a_character_the_newer_stays_whichever_confirms_first() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 1);
            let hello = write_hello(SCHEMA_VERSION, "Ada");
            let [mut older, mut newer] = [1, 2].map(|epoch| {
                let grant = realm.grant(again(epoch));
                Raw::with(realm, epoch, &hello, grant)
            });
            assert_eq!(older.get_accepted(realm, &mut players), ClientState::Connected);
            assert_eq!(realm.client_count(), 1, "nobody is in before it has shown that it has the keys");
            assert_eq!(newer.shake_hands(realm, &mut players), ClientState::Connected);
            assert_eq!(realm.client_count(), 2);
            older.exchange(realm, &mut players);
            let told = CloseCause::Disconnected { reason: DISCONNECT_REPLACED };
            assert_eq!(older.link.state(), ClientState::Closed(told));
            newer.receive(now_us(realm));
            assert_eq!(newer.link.state(), ClientState::Connected);
            assert_eq!((realm.counters().joined, realm.counters().refused_stale), (2, 1));
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn no_more_sessions_of_one_address_than_its_cap() {
    on_both_backends(
        |config| (config.caps.allow, config.caps.ipv4) = (Vec::new(), 2),
        |realm| {
            let mut players = players(realm, 2);
            players.push(Player::new(realm, 9));
            step_until(realm, &mut players, "the third is dropped", |realm, _| {
                realm.protocol_counters().rejected_prefix_full >= 1
            });
            let third = players.pop().expect("three");
            assert_eq!(third.session.state(), ClientState::Connecting, "nobody says why");
            assert_undisturbed(&players);
            assert_eq!((realm.client_count(), realm.protocol_counters().accepted), (2, 2));

            // Its token is as good as before.
            players[0].session.disconnect();
            step(realm, &mut players);
            players[0] = third;
            step_until(realm, &mut players, "the next is in", |_, players| players[0].visible() > 0);
            assert_undisturbed(&players);
            assert_eq!(realm.client_count(), 2);
        },
    );
}

#[test]
fn a_realm_that_is_always_late_lets_somebody_in() {
    on_both_backends(
        |_| {},
        |realm| {
            let late = Schedule::new(20, 0);
            let mut player = Player::new(realm, 100);
            // A challenge, an accept and the first input that confirms it take a tick each.
            for _ in 0..10 {
                realm.advance_clock(Duration::from_millis(50));
                assert_eq!(late.wait_ns(realm.now_ns()), 0);
                let now_us = now_us(realm);
                player.send(now_us);
                realm.wait_for(&late);
                realm.tick();
                player.receive(now_us);
            }
            assert!(player.is_connected() && player.snapshots > 0, "{:?}", realm.protocol_counters());
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
        common::host(&config, |realm| realm.run(&controls, &mut |event| drop(events.send(event))))
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

/// Plays against a realm that runs by itself, in real time, and gives its report.
fn beside_a_running_realm(play: impl FnOnce(&Controls, SocketAddr)) -> RealmReport {
    beside_a_running(common::config(IoChoice::Auto), play)
}

fn beside_a_running(config: Config, play: impl FnOnce(&Controls, SocketAddr)) -> RealmReport {
    let controls = Controls::new();
    let (say, heard) = mpsc::channel();
    let of_realm = controls.clone();
    let realm = std::thread::spawn(move || {
        common::host(&config, |realm| {
            say.send(realm.listen_address()).expect("somebody waits");
            realm.run(&of_realm, &mut |_| {})
        })
    });
    let address = heard.recv_timeout(DEADLINE).expect("a realm");
    play(&controls, address);
    controls.stop.raise();
    realm.join().expect("no panic").expect("a realm")
}

/// Plays until `is_done`, and panics with `what` when it never is.
fn play_until(since: Instant, players: &mut [Player], what: &str, is_done: impl Fn(&[Player]) -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_done(players) {
        assert!(
            Instant::now() < deadline,
            "{what} never happened: {:?}",
            players.iter().map(|player| player.session.state()).collect::<Vec<_>>(),
        );
        let now_us = since.elapsed().as_micros() as u64;
        for player in players.iter_mut() {
            player.send(now_us);
            player.receive(now_us);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_kick_ends_all_sessions_of_an_account_and_no_others() {
    let report = beside_a_running_realm(|controls, address| {
        let (since, mut gateway) = (Instant::now(), Gateway::default());
        let mut players: Vec<Player> = (1..=4)
            .map(|number| {
                let grant = grant(&mut gateway, unix_ms() * 1000, |fields| {
                    fields.body.account = if number > 2 { 90 } else { number };
                });
                Player::at(address, 0, number, grant)
            })
            .collect();
        play_until(since, &mut players, "everyone sees", |players| {
            players.iter().all(|player| player.visible() == 4 - 1 + SHOPS)
        });
        controls.orders.kick(90);
        play_until(since, &mut players, "two are gone", |players| {
            players.iter().filter(|player| !player.is_connected()).count() == 2
                && players[..2].iter().all(|player| player.visible() == 2 - 1 + SHOPS)
        });
        assert_undisturbed(&players[..2]);
        let told = CloseCause::Disconnected { reason: DISCONNECT_KICKED };
        assert!(players[2..].iter().all(|player| player.session.state() == ClientState::Closed(told)));
    });
    assert_eq!((report.counters.realm["kicked"], report.counters.realm["joined"]), (2, 4));
}

/// Of a gateway on another machine, whose clock is as far ahead as it may be: tokens bear its time.
#[test]
fn no_token_from_before_a_kick_gets_in_where_the_gateway_is_ahead() {
    let mut config = common::config(IoChoice::Auto);
    config.gateway.enabled = false;
    let report = beside_a_running(config, |controls, address| {
        let (since, mut gateway) = (Instant::now(), Gateway::default());
        let opened_us = unix_ms() * 1000;
        let mut player = |account, ahead_s: u64| {
            let grant = grant(&mut gateway, opened_us + ahead_s * 1_000_000, |fields| {
                fields.body.account = account;
                fields.body.character = account;
            });
            Player::at(address, since.elapsed().as_micros() as u64, account, grant)
        };
        // The first is made before the kicks, by that gateway's clock as well, and the second long after them.
        let mut players = vec![player(90, 5), player(91, 18)];
        [90, 91].into_iter().for_each(|account| controls.orders.kick(account));
        until_taken(controls);
        let refused = ClientState::Closed(CloseCause::Refused { reason: REFUSED_KICKED, detail: 0 });
        play_until(since, &mut players, "one is refused and the other in", |players| {
            players[0].session.state() == refused && players[1].visible() == SHOPS
        });
    });
    assert_eq!((report.counters.realm["refused_kicked"], report.counters.realm["joined"]), (1, 1));
}

/// Waits until the realm has taken all orders.
fn until_taken(controls: &Controls) {
    let deadline = Instant::now() + DEADLINE;
    while !controls.orders.waiting_kicks().is_empty() {
        assert!(Instant::now() < deadline, "the realm takes no orders");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn keys_change_while_players_play() {
    let report = beside_a_running_realm(|controls, address| {
        let since = Instant::now();
        let [mut before, mut after] = [Gateway::default(), Gateway::with_key(8)];
        let player = |gateway: &mut Gateway, salt| {
            let grant = grant(gateway, unix_ms() * 1000, |fields| fields.body.character += 1000 * salt);
            Player::at(address, since.elapsed().as_micros() as u64, salt, grant)
        };
        let mut players = vec![player(&mut before, 1)];
        play_until(since, &mut players, "the first is in", |players| players[0].visible() == SHOPS);
        assert_eq!(
            controls.status.token_keys(),
            before.realm_keys().iter().map(RealmKey::name).collect::<Vec<_>>()
        );
        controls.orders.set_keys(after.realm_keys());
        players.push(player(&mut after, 2));
        play_until(since, &mut players, "the second is in", |players| {
            players.iter().all(|player| player.visible() == 2 - 1 + SHOPS)
        });

        // From now on the old key opens nothing, but the session that it opened goes on.
        players.push(player(&mut before, 3));
        let seen = players[0].snapshots;
        play_until(since, &mut players, "ten ticks", |players| players[0].snapshots >= seen + 10);
        assert_eq!(players[2].session.state(), ClientState::Connecting);
        assert_undisturbed(&players[..2]);
    });
    assert!(report.counters.protocol["rejected_token_key_unknown"] >= 1);
    assert_eq!(report.counters.realm["joined"], 2);
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let config = common::config(IoChoice::Mmsg);
    let taken = common::host(&config, |realm| {
        let mut second = config.clone();
        second.net.listen = realm.listen_address();
        common::host(&second, |_| ()).expect_err("the port is taken").to_string()
    });
    let error = taken.expect("a realm");
    assert!(error.contains("in use") && error.contains("127.0.0.1:"), "{error}");
}
