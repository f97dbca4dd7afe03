//! Wrong and hostile datagrams against a running realm: each is counted by name and disturbs nobody.

mod common;

use std::time::Duration;

use common::raw::{Raw, input};
use common::{
    Player, Stage, assert_undisturbed, grant, now_us, on_both_backends, players, socket_to, step, step_until,
};
use throng_game::CREDIT_MAX;
use throng_net::limits::{SEALED_BYTES_MIN, TOKEN_AHEAD_MS_MAX};
use throng_net::protocol::channel::{Channel, KIND_FRAMED};
use throng_net::protocol::packet::{NET_VERSION, TYPE_DATA, TYPE_HELLO};
use throng_net::protocol::{ClientState, CloseCause};
use throng_net::testing::Gateway;
use throng_schema::limits::{COMMAND_BYTES_MAX, DATAGRAM_BYTES_MAX, PAYLOAD_BYTES_MAX};
use throng_schema::wire::{Outcome, Told, Verb};
use throng_schema::{CommandFields, KIND_INPUT, SCHEMA_VERSION, write_command, write_hello};
use throng_server::limits::STRANGERS_PER_S;
use throng_server::realm::{DISCONNECT_UNACKNOWLEDGED, REFUSED_HELLO, REFUSED_NAME, REFUSED_SCHEMA, Realm};

/// A realm counter by name.
fn counted(realm: &Realm, name: &str) -> u64 {
    let counters = realm.counters().iter().chain(realm.protocol_counters().iter());
    counters
        .filter(|(found, _)| *found == name)
        .map(|(_, count)| count)
        .next()
        .unwrap_or_else(|| panic!("no {name}"))
}

/// A hostile client in session beside three honest ones.
fn guests(realm: &mut Stage<'_>) -> (Raw, Vec<Player>) {
    let mut players = players(realm, 3);
    let mut raw = Raw::new(realm, 1, &write_hello(SCHEMA_VERSION, "Mallory"));
    assert_eq!(raw.shake_hands(realm, &mut players), ClientState::Connected);
    (raw, players)
}

/// An input of one field: `sequence`, and no intent.
fn input_without_intent() -> [u8; 24] {
    let mut message = [0; 24];
    message[0..4].copy_from_slice(&20u32.to_le_bytes()); // bytes that follow
    message[4..8].copy_from_slice(&12u32.to_le_bytes()); // the table is at 4 + 12
    message[8..10].copy_from_slice(&6u16.to_le_bytes()); // vtable: its size, the table's, where field 0 is
    message[10..12].copy_from_slice(&8u16.to_le_bytes());
    message[12..14].copy_from_slice(&4u16.to_le_bytes());
    message[16..20].copy_from_slice(&8u32.to_le_bytes()); // the vtable is 8 before the table
    message[20..24].copy_from_slice(&9u32.to_le_bytes());
    message
}

#[test]
fn wrong_inputs_are_counted_by_what_is_wrong_with_them() {
    on_both_backends(
        |_| {},
        |realm| {
            let (mut raw, mut players) = guests(realm);
            let good = input(1, 0, 0.0);
            let mut wrong_prefix = good;
            wrong_prefix[0] ^= 1;
            let mut outside = good;
            outside[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
            let cases: [(&str, u8, &[u8]); 10] = [
                ("kind_unknown", 100, &good),
                ("input_truncated", KIND_INPUT, &[]),
                ("input_truncated", KIND_INPUT, &good[..7]),
                ("input_prefix", KIND_INPUT, &wrong_prefix),
                ("input_prefix", KIND_INPUT, &good[..good.len() - 1]),
                ("input_malformed", KIND_INPUT, &outside),
                ("input_no_sequence", KIND_INPUT, &input(0, 0, 1.0)),
                ("input_no_intent", KIND_INPUT, &input_without_intent()),
                ("input_not_finite", KIND_INPUT, &input(1, 0, f32::NAN)),
                ("input_not_finite", KIND_INPUT, &input(1, 0, f32::NEG_INFINITY)),
            ];
            for (name, kind, payload) in cases {
                let before = counted(realm, name);
                let datagram = raw.datagram(kind, payload);
                raw.socket.send(&datagram).expect("loopback takes it");
                step(realm, &mut players);
                assert_eq!(counted(realm, name), before + 1, "{name}: {payload:02x?}");
            }
            // A kind that announces a frame, and none: no input of it counts.
            let before = counted(realm, "input_taken") + players.len() as u64;
            let datagram = raw.datagram(KIND_INPUT | KIND_FRAMED, &good);
            raw.socket.send(&datagram).expect("loopback takes it");
            step(realm, &mut players);
            assert_eq!((realm.counts().channel["frame_length"], counted(realm, "input_taken")), (1, before));
            assert_eq!(realm.client_count(), 4, "a wrong input is no reason to end a session");
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn each_intent_counts_once_however_it_comes() {
    on_both_backends(
        |_| {},
        |realm| {
            let (mut raw, mut players) = guests(realm);
            // How many inputs were newer than all before, how many not, and how many intents came with a later input.
            let mut said = |realm: &mut Stage<'_>, sequences: &[u32]| {
                let before = *realm.counters();
                for &sequence in sequences {
                    raw.say(&input(sequence, 0, 0.0));
                }
                step(realm, &mut players);
                let (after, honest) = (realm.counters(), players.len() as u64);
                [
                    after.input_taken - before.input_taken - honest,
                    after.input_stale - before.input_stale,
                    after.intent_recovered - before.intent_recovered,
                ]
            };
            assert_eq!(said(realm, &[5]), [1, 0, 3]);
            assert_eq!(said(realm, &[5, 4, 1]), [0, 3, 0]);
            assert_eq!(said(realm, &[6, 8, 7, 8]), [2, 2, 1]);
            assert_eq!(said(realm, &[u32::MAX, 9]), [1, 1, 3]);
            assert_eq!(said(realm, &[10, u32::MAX]), [0, 2, 0]);
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn who_sends_more_inputs_than_time_has_passed_gets_no_further() {
    on_both_backends(
        |_| {},
        |realm| {
            let (mut raw, mut players) = guests(realm);
            let before = realm.game().counters().intents_applied;
            let (honest, ticks) = (players.len() as u64, 60);
            let mut sequence = 0;
            for _ in 0..ticks {
                for _ in 0..5 {
                    sequence += 1;
                    raw.say(&input(sequence, 0, 1.0));
                }
                step(realm, &mut players);
            }
            let counters = realm.game().counters();
            let applied = counters.intents_applied - before - honest * ticks;
            assert!(
                (ticks..=ticks + u64::from(CREDIT_MAX)).contains(&applied),
                "{applied} steps in {ticks} ticks"
            );
            assert!(counters.intents_over_budget > 0);
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn wrong_commands_are_counted_and_answered_and_no_flood_gets_more_than_its_share() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 3);
            step(realm, &mut players);
            let say = |id, verb, text| CommandFields { id, verb, text, ..CommandFields::default() };
            let cases = [
                ("command_verb_unknown", say(1, Verb(200), "")),
                ("command_verb_unknown", say(2, Verb::None, "")),
                ("command_negative", CommandFields { money: -1, ..say(3, Verb::Buy, "") }),
                ("command_text", say(4, Verb::Say, "two\nlines")),
                ("command_text", CommandFields { name: "\u{202e}", ..say(5, Verb::Whisper, "x") }),
            ];
            for (name, command) in cases {
                let before = counted(realm, name);
                players[0].ask(command);
                step_until(realm, &mut players, "an answer", |_, players| {
                    players[0].outcome(command.id) == Some(Outcome::Malformed)
                });
                assert_eq!(counted(realm, name), before + 1, "{name}");
            }
            for garbage in [&[1][..], &[0xff; 40], &[0; 512]] {
                players[0].session.send(garbage).expect("a message");
            }
            step_until(realm, &mut players, "all garbage", |realm, _| {
                counted(realm, "command_malformed") == 3
            });

            // Many at once: so many a tick are looked at, the rest comes again, and each is answered exactly once.
            let answered = players[0].told(Told::Answer).count();
            let ids = 100..160;
            for id in ids.clone() {
                players[0].ask(CommandFields { id, verb: Verb::TradeCancel, ..CommandFields::default() });
            }
            step_until(realm, &mut players, "all answers", |_, players| {
                ids.clone().all(|id| players[0].outcome(id).is_some())
            });
            assert_eq!(players[0].told(Told::Answer).count(), answered + ids.count());

            // In one frame, which no honest client fills so: what is left over is taken when it comes again.
            let mut raw = Raw::new(realm, 1, &write_hello(SCHEMA_VERSION, "Mallory"));
            assert_eq!(raw.shake_hands(realm, &mut players), ClientState::Connected);
            let (mut channel, before) = (Channel::new(), counted(realm, "command_taken"));
            for id in 1..=20 {
                let mut message = [0; COMMAND_BYTES_MAX];
                let command = CommandFields { id, verb: Verb::TradeCancel, ..CommandFields::default() };
                let bytes = write_command(&mut message, &command).expect("a command fits");
                channel.push(&message[..bytes]).expect("there is room");
            }
            for (sequence, taken) in [8, 16, 20].into_iter().enumerate() {
                let mut payload = [0; PAYLOAD_BYTES_MAX];
                // Seconds later it is all sent again, as it never hears an ack.
                let frame_bytes = channel.write(10_000_000 * sequence as u64, None, 1100, &mut payload);
                let datagram = raw.datagram(KIND_FRAMED, &payload[..frame_bytes]);
                raw.socket.send(&datagram).expect("loopback takes it");
                step(realm, &mut players);
                assert_eq!(counted(realm, "command_taken") - before, taken);
            }
            assert_eq!(counted(realm, "commands_put_off"), 12 + 4);
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn who_never_acknowledges_what_it_is_told_is_put_out_and_nobody_else() {
    on_both_backends(
        |_| {},
        |realm| {
            let (mut raw, mut players) = guests(realm);
            let mut sequence = 0;
            while raw.link.state() == ClientState::Connected {
                sequence += 1;
                assert!(sequence < 400, "never put out");
                raw.say(&input(sequence, 0, 0.0));
                raw.exchange(realm, &mut players);
            }
            let told = CloseCause::Disconnected { reason: DISCONNECT_UNACKNOWLEDGED };
            assert_eq!(raw.link.state(), ClientState::Closed(told));
            assert_eq!((realm.counters().unacknowledged, realm.client_count()), (1, 3));
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn acks_of_what_was_never_sent_get_a_fresh_start() {
    on_both_backends(
        |_| {},
        |realm| {
            // Ticks before anyone joins: they were sent to nobody.
            for _ in 0..40 {
                realm.tick();
            }
            let (mut raw, mut players) = guests(realm);
            let joined_tick = raw_newest(&mut raw, realm, &mut players);
            let mut sequence = 0;
            let mut acked = |realm: &mut Stage<'_>, players: &mut [Player], ack_tick: u32| {
                sequence += 1;
                raw.say(&input(sequence, ack_tick, 0.0));
                step(realm, players);
                raw.receive(now_us(realm));
                *raw.baselines.last().expect("a snapshot every tick")
            };
            let newest = realm.game().current_tick();
            assert_eq!(acked(realm, &mut players, newest).1, newest, "an honest ack is built upon");

            for (name, ack_tick) in
                [("ack_future", u32::MAX), ("ack_future", newest + 1000), ("ack_not_sent", joined_tick - 30)]
            {
                let before = counted(realm, name);
                assert_eq!(acked(realm, &mut players, ack_tick).1, 0, "{name} {ack_tick}");
                assert_eq!(counted(realm, name), before + 1, "{name} {ack_tick}");
            }
            for _ in 0..80 {
                step(realm, &mut players);
            }
            let before = counted(realm, "ack_too_old");
            assert_eq!(acked(realm, &mut players, newest).1, 0);
            assert_eq!(counted(realm, "ack_too_old"), before + 1);
            assert_undisturbed(&players);
        },
    );
}

/// Tick of the newest snapshot that `raw` has received.
fn raw_newest(raw: &mut Raw, realm: &mut Stage<'_>, players: &mut [Player]) -> u32 {
    step(realm, players);
    raw.receive(now_us(realm));
    raw.baselines.first().expect("a snapshot every tick").0
}

#[test]
fn a_client_that_never_acks_is_served_fresh_starts_and_costs_only_itself() {
    on_both_backends(
        |_| {},
        |realm| {
            let (mut raw, mut players) = guests(realm);
            for sequence in 1..100 {
                raw.say(&input(sequence, 0, 1.0));
                step(realm, &mut players);
                raw.receive(now_us(realm));
            }
            assert!(raw.baselines.len() >= 99);
            assert!(raw.baselines.iter().all(|&(_, baseline)| baseline == 0));
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn hellos_that_cannot_be_accepted_are_told_why() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 2);
            let cases: [(&str, Vec<u8>, u8, u32); 4] = [
                ("refused_hello_malformed", Vec::new(), REFUSED_HELLO, 0),
                ("refused_hello_malformed", vec![0xff; 256], REFUSED_HELLO, 0),
                ("refused_version", write_hello(SCHEMA_VERSION + 1, "Old"), REFUSED_SCHEMA, SCHEMA_VERSION),
                ("refused_name", write_hello(SCHEMA_VERSION, "a\nb"), REFUSED_NAME, 0),
            ];
            for (salt, (name, hello, reason, detail)) in cases.into_iter().enumerate() {
                let before = counted(realm, name);
                let state = Raw::new(realm, 40 + salt as u64, &hello).shake_hands(realm, &mut players);
                assert_eq!(state, ClientState::Closed(CloseCause::Refused { reason, detail }), "{name}");
                assert_eq!(counted(realm, name), before + 1, "{name}");
            }
            assert_eq!(realm.client_count(), 2);
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn tokens_that_are_no_good_are_dropped_without_a_word() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 2);
            let hello = write_hello(SCHEMA_VERSION, "Mallory");
            let unix_us = realm.unix_us();
            let now_ms = unix_us / 1000;
            let own = realm.grant(|_| {});
            let mut forged = own.clone();
            forged.token[12] ^= 1;
            let mut tampered = own.clone();
            tampered.token[100] ^= 1;
            let mut not_a_token = own.clone();
            not_a_token.token[0] ^= 1;
            let elsewhere = realm.gateway.grant_with(unix_us, 2, |_| {});
            let cases = [
                ("rejected_token_malformed", not_a_token),
                ("rejected_token_guard", forged),
                ("rejected_token_key_unknown", grant(&mut Gateway::with_key(9), unix_us, |_| {})),
                ("rejected_token_guard", grant(&mut Gateway::with_key(7), unix_us, |_| {})),
                ("rejected_token_other_realm", elsewhere),
                ("rejected_token_expired", realm.grant(|fields| fields.not_after_ms = now_ms)),
                (
                    "rejected_token_too_far_ahead",
                    realm.grant(|fields| fields.not_after_ms = now_ms + TOKEN_AHEAD_MS_MAX + 60_000),
                ),
                ("rejected_token_protocol", realm.grant(|fields| fields.protocol_hash ^= 1)),
            ];
            for (name, grant) in cases {
                let before = counted(realm, name);
                let mut raw = Raw::with(realm, 40, &hello, grant);
                raw.exchange(realm, &mut players);
                assert_eq!(counted(realm, name), before + 1, "{name}");
                assert!(raw.is_unanswered(), "{name}");
            }

            // Those that only show once the address is proven: challenged like everybody, then dropped.
            let started_ms = now_ms - now_us(realm) / 1000;
            let before_start = realm.grant(|fields| fields.body.issued_at_ms = started_ms - 1000);
            let long_lived = realm.grant(|fields| fields.body.issued_at_ms = now_ms - 3_600_000);
            for (name, grant) in [
                ("rejected_token_forged", tampered),
                ("rejected_token_body", long_lived),
                ("rejected_token_before_start", before_start),
            ] {
                let mut raw = Raw::with(realm, 41, &hello, grant);
                raw.exchange(realm, &mut players);
                raw.exchange(realm, &mut players);
                assert_eq!((counted(realm, name), raw.link.state()), (1, ClientState::Connecting), "{name}");
            }
            let mut first = Raw::with(realm, 42, &hello, own.clone());
            assert_eq!(first.shake_hands(realm, &mut players), ClientState::Connected);
            let mut second = Raw::with(realm, 43, &hello, own);
            second.exchange(realm, &mut players);
            second.exchange(realm, &mut players);
            let used = counted(realm, "rejected_token_used");
            assert_eq!((used, second.link.state()), (1, ClientState::Connecting), "a token is good once");
            assert_eq!((realm.client_count(), realm.counters().joined), (3, 3));
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn tampered_datagrams_change_nothing() {
    on_both_backends(
        |_| {},
        |realm| {
            let (mut raw, mut players) = guests(realm);
            let clients = realm.client_count();
            let before = *realm.counters();
            let (data, forged) = (counted(realm, "data"), counted(realm, "rejected_forged"));
            let datagram = raw.datagram(KIND_INPUT, &input(u32::MAX, 0, 1.0));
            // Every byte of the header but for connection and sequence, which are looked at before the seal; the
            // whole input; the tag.
            let places: Vec<usize> = (1..4).chain(12..datagram.len()).collect();
            for &place in &places {
                let mut tampered = datagram.clone();
                tampered[place] ^= 1 << (place % 8);
                raw.socket.send(&tampered).expect("loopback takes it");
            }
            raw.socket.send(&datagram[..datagram.len() - 1]).expect("loopback takes it");
            raw.socket.send(&[&datagram[..], &[0]].concat()).expect("loopback takes it");
            let moved_on = |sequence: u32| {
                let mut moved = datagram.clone();
                moved[8..12].copy_from_slice(&sequence.to_le_bytes());
                moved
            };
            for sequence in [100, 60_000] {
                raw.socket.send(&moved_on(sequence)).expect("loopback takes it");
            }
            raw.socket.send(&moved_on(u32::MAX)).expect("loopback takes it");
            step(realm, &mut players);
            assert_eq!(counted(realm, "rejected_forged") - forged, places.len() as u64 + 4);
            assert_eq!(counted(realm, "rejected_too_far_ahead"), 1);
            // The honest went on, and nothing else happened.
            assert_eq!(counted(realm, "data") - data, players.len() as u64);
            assert_eq!(realm.counters().input_taken - before.input_taken, players.len() as u64);
            assert_eq!(realm.client_count(), clients);
            let after = *realm.counters();
            assert_eq!((after.input_stale, after.kind_unknown), (before.input_stale, before.kind_unknown));

            // The original still counts, and once.
            for _ in 0..3 {
                raw.socket.send(&datagram).expect("loopback takes it");
            }
            step(realm, &mut players);
            assert_eq!(counted(realm, "rejected_duplicate"), 2);
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn strangers_replays_and_floods_are_counted_and_reach_nobody() {
    on_both_backends(
        |_| {},
        |realm| {
            let (mut raw, mut players) = guests(realm);
            let stranger = socket_to(realm);
            let mut sent = |realm: &mut Stage<'_>,
                            name: &str,
                            socket: &std::net::UdpSocket,
                            datagram: &[u8],
                            times: u64| {
                let before = counted(realm, name);
                for _ in 0..times {
                    socket.send(datagram).expect("loopback takes it");
                }
                step(realm, &mut players);
                assert_eq!(counted(realm, name) - before, times, "{name}");
            };
            let mine = raw.datagram(KIND_INPUT, &input(1, 0, 0.0));
            raw.socket.send(&mine).expect("loopback takes it");
            sent(realm, "rejected_duplicate", &raw.socket, &mine, 4);
            sent(realm, "rejected_duplicate", &stranger, &mine, 3);

            // Whoever overtakes a datagram with a copy from elsewhere gets a question that it cannot read, once, and
            // moves nothing.
            let overtaken = raw.datagram(KIND_INPUT, &input(2, 0, 0.0));
            sent(realm, "strayed", &stranger, &overtaken, 1);
            sent(realm, "rejected_duplicate", &raw.socket, &overtaken, 1);
            let mut question = [0; 2048];
            assert_eq!(stranger.recv(&mut question).ok(), Some(SEALED_BYTES_MIN + 8));
            assert!(stranger.recv(&mut question).is_err(), "and nothing else");
            assert_eq!((counted(realm, "path_challenges"), counted(realm, "sessions_moved")), (1, 0));
            raw.baselines.clear();
            raw.receive(now_us(realm));
            assert!(!raw.baselines.is_empty(), "snapshots go where they went");

            let mut elsewhere = mine.clone();
            elsewhere[4..8].copy_from_slice(&0x00ff_fff0_u32.to_le_bytes());
            sent(realm, "rejected_unknown_connection", &raw.socket, &elsewhere, 1);
            sent(realm, "rejected_length", &stranger, &[TYPE_DATA; SEALED_BYTES_MIN - 1], 1);
            sent(realm, "rejected_length", &stranger, &[TYPE_HELLO; 100], 1);
            sent(realm, "rejected_unknown_type", &stranger, &[0; 40], 1);
            sent(realm, "rejected_unknown_type", &stranger, &[], 1);
            let mut other_version = [0; DATAGRAM_BYTES_MAX];
            (other_version[0], other_version[1]) = (TYPE_HELLO, NET_VERSION + 1);
            sent(realm, "rejected_version", &stranger, &other_version, 1);
            let mut invented = [7; DATAGRAM_BYTES_MAX];
            (invented[0], invented[1], invented[2], invented[3]) = (TYPE_HELLO, NET_VERSION, 0, 0);
            sent(realm, "rejected_token_malformed", &stranger, &invented, 1);
            // The socket's own business: it does not get as far as the protocol.
            stranger.send(&[TYPE_HELLO; DATAGRAM_BYTES_MAX + 1]).expect("loopback takes it");
            sent(realm, "rejected_unknown_type", &stranger, &[0; 40], 1);
            assert_eq!(realm.counts().receive["oversized"], 1);
            assert!(stranger.recv(&mut question).is_err(), "no answer to any of these");

            // A flood from a session is cut off at its rate, and the session lives on.
            for sequence in 10..500 {
                raw.say(&input(sequence, 0, 0.0));
            }
            step(realm, &mut players);
            assert!(counted(realm, "rejected_rate_limited") >= 300);
            assert_eq!(realm.client_count(), 4);
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn a_flood_of_strangers_waits_until_a_tick_is_over_and_has_a_bound() {
    on_both_backends(
        |config| config.realm.tick_hz = 20,
        |realm| {
            let (_, mut players) = guests(realm);
            let stranger = socket_to(realm);
            let flood =
                |count| (0..count).for_each(|_| _ = stranger.send(&[0; 40]).expect("loopback takes it"));
            let heard = |realm: &Realm| counted(realm, "rejected_unknown_type");
            let inputs = counted(realm, "input_taken");
            flood(50);
            realm.advance_clock(Duration::from_millis(50));
            let now_us = now_us(realm);
            players.iter_mut().for_each(|player| player.send(now_us));
            realm.tick();
            assert_eq!((heard(realm), counted(realm, "input_taken") - inputs), (0, players.len() as u64));

            const MOST: u64 = STRANGERS_PER_S as u64 / 20;
            for _ in 0..MOST / 100 + 10 {
                flood(100);
                realm.receive(200);
            }
            assert_eq!((heard(realm), counted(realm, "strangers_full")), (MOST, 1));
            for _ in 0..10 {
                step(realm, &mut players);
            }
            assert_eq!(heard(realm), 50 + (MOST / 100 + 10) * 100, "who waited is heard later");
            assert_eq!(counted(realm, "strangers_full"), 1);
            assert_undisturbed(&players);
        },
    );
}

/// SplitMix64: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

#[test]
fn noise_and_damaged_datagrams_leave_the_honest_undisturbed() {
    let seed = 0xBAD_5EED;
    println!("seed {seed}");
    on_both_backends(
        |_| {},
        |realm| {
            let (mut raw, mut players) = guests(realm);
            let mut numbers = Numbers(seed);
            let strangers: Vec<_> = (0..4).map(|_| socket_to(realm)).collect();
            for tick in 1..=150u32 {
                for _ in 0..20 {
                    // Noise, its first bytes often those of a real datagram.
                    let mut noise: Vec<u8> = (0..numbers.below(1300)).map(|_| numbers.next() as u8).collect();
                    if let [kind, version, ..] = &mut noise[..] {
                        (*kind, *version) = (numbers.below(8) as u8, numbers.below(3) as u8);
                    }
                    let _ = strangers[numbers.below(4)].send(&noise);
                }
                // Well-formed but for a few bits, in and around the message.
                let mut damaged = raw.datagram(KIND_INPUT, &input(tick, tick, 1.0));
                for _ in 0..=numbers.below(3) {
                    let at = numbers.below(damaged.len());
                    damaged[at] ^= 1 << numbers.below(8);
                }
                damaged.truncate(damaged.len() - numbers.below(2) * numbers.below(30));
                raw.socket.send(&damaged).expect("loopback takes it");
                step(realm, &mut players);
            }
            step_until(realm, &mut players, "more digests", |_, players| {
                players.iter().all(|player| player.session.view().counters().digests_checked >= 3)
            });
            assert_undisturbed(&players);
            let forged = counted(realm, "rejected_forged");
            assert!(forged >= 100, "{forged} damaged ones");
            // Every datagram that the socket delivered is accounted for under exactly one name. One that asked to enter
            // and was dropped after all would have a second one; here all that asked were let in.
            assert_eq!(counted(realm, "hello_asked"), counted(realm, "accepted"));
            let counts = realm.counts();
            let accounted: u64 = realm
                .protocol_counters()
                .iter()
                .take_while(|(name, _)| *name != "sessions_opened")
                .map(|(_, count)| count)
                .sum();
            assert_eq!(accounted, counts.receive["datagrams"]);
        },
    );
}
