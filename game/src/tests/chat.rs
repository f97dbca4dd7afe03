//! Who hears what, and what is no speech.

use glam::Vec2;

use super::*;

fn heard(game: &Game, player: PlayerId) -> Vec<(String, String)> {
    let words = told(game, player).into_iter().filter_map(|notice| match notice {
        Notice::Said { name, text, .. }
        | Notice::Shouted { name, text }
        | Notice::Whispered { name, text } => Some((name.to_owned(), text.to_owned())),
        _ => None,
    });
    words.collect()
}

/// Three players: the second 29 m from the first, the third 31 m.
fn three(game: &mut Game) -> [PlayerId; 3] {
    let players = [1, 2, 3].map(|character| enter(game, character));
    for (player, x) in players.iter().zip([0.0, 29.0, 31.0]) {
        put(game, *player, Vec2::new(100.0 + x, 100.0));
    }
    game.tick();
    players
}

#[test]
fn a_voice_carries_thirty_metres_and_a_shout_everywhere() {
    let mut game = game_on_land();
    let [one, two, three] = three(&mut game);
    assert_eq!(outcome(&mut game, one, 1, Command::Say { text: "hello" }), Outcome::Done);
    let hello = ("Player 1".to_owned(), "hello".to_owned());
    assert_eq!(heard(&game, one), heard(&game, two));
    assert_eq!(heard(&game, two), [hello]);
    assert_eq!(heard(&game, three), []);
    game.take(Input::Leave { player: two });
    assert_eq!(outcome(&mut game, one, 2, Command::Shout { text: "all" }), Outcome::Done);
    assert_eq!((heard(&game, three).len(), heard(&game, two).len()), (1, 0), "who has left hears nothing");
}

#[test]
fn a_whisper_reaches_one_and_may_be_muted() {
    let mut game = game_on_land();
    let [one, two, three] = three(&mut game);
    let whisper = |name| Command::Whisper { name, text: "psst" };
    assert_eq!(outcome(&mut game, one, 1, whisper("Player 3")), Outcome::Done);
    assert_eq!((heard(&game, three).len(), heard(&game, two).len()), (1, 0));
    assert_eq!(outcome(&mut game, one, 2, whisper("Player 4")), Outcome::Gone);
    assert_eq!(outcome(&mut game, one, 3, whisper("Player 1")), Outcome::Oneself);
    let mute = |name, is_muted| Command::Mute { name, is_muted };
    assert_eq!(outcome(&mut game, two, 4, mute("Player 1", true)), Outcome::Done);
    assert_eq!(outcome(&mut game, two, 5, mute("Player 2", true)), Outcome::Oneself);
    assert_eq!(outcome(&mut game, two, 6, mute("nobody", true)), Outcome::Gone);
    assert_eq!(outcome(&mut game, one, 7, whisper("Player 2")), Outcome::Muted);
    (0..100).for_each(|_| game.tick());
    assert_eq!(outcome(&mut game, one, 8, Command::Say { text: "hello" }), Outcome::Done);
    assert_eq!(heard(&game, two), []);
    assert_eq!(outcome(&mut game, two, 9, mute("Player 1", false)), Outcome::Done);
    assert_eq!(outcome(&mut game, one, 10, Command::Say { text: "hello" }), Outcome::Done);
    assert_eq!(heard(&game, two).len(), 1);
    game.take(Input::Leave { player: two });
    assert_eq!(outcome(&mut game, three, 11, whisper("Player 2")), Outcome::Gone);
}

#[test]
fn a_list_of_the_muted_has_an_end() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    for other in 2..=34 {
        enter(&mut game, other);
    }
    for other in 2..=34_u64 {
        let name = format!("Player {other}");
        let outcome = outcome(&mut game, player, other.into(), Command::Mute { name: &name, is_muted: true });
        let expected = if other <= 33 { Outcome::Done } else { Outcome::Full };
        assert_eq!(outcome, expected, "{other}");
        (0..2).for_each(|_| game.tick());
    }
}

#[test]
fn what_is_no_text_is_not_said() {
    let mut game = game_on_land();
    let [one, two, _] = three(&mut game);
    let (long, huge) = ("x".repeat(257), "ä".repeat(32 << 10));
    let bad =
        ["", "  ", "a\nb", "a\0", "\u{7f}", "\u{85}", "abc\u{202e}cba", "\u{2028}", "\u{feff}", &long, &huge];
    for (id, text) in (1..).zip(bad) {
        assert_eq!(outcome(&mut game, one, id, Command::Say { text }), Outcome::Malformed, "{text:.10?}");
        assert_eq!(heard(&game, two), []);
        (0..2).for_each(|_| game.tick());
    }
    assert_eq!(game.counters().texts_refused, bad.len() as u64);
    assert_eq!(outcome(&mut game, one, 50, Command::Whisper { name: "\n", text: "a" }), Outcome::Malformed);
    assert_eq!(
        outcome(&mut game, one, 51, Command::Mute { name: &huge, is_muted: true }),
        Outcome::Malformed
    );
    let most = "é".repeat(128);
    assert_eq!(outcome(&mut game, one, 52, Command::Say { text: &most }), Outcome::Done, "256 bytes");
    assert_eq!(heard(&game, two)[0].1, most);
}

#[test]
fn nobody_talks_without_end() {
    let mut game = game_on_land();
    let [one, ..] = three(&mut game);
    let said =
        (1..=10).filter(|id| outcome(&mut game, one, *id, Command::Say { text: "spam" }) == Outcome::Done);
    assert_eq!(said.count(), 5);
    (0..20).for_each(|_| game.tick());
    assert_eq!(outcome(&mut game, one, 20, Command::Say { text: "spam" }), Outcome::Done, "one a second");
    let shouted =
        (30..40).filter(|id| outcome(&mut game, one, *id, Command::Shout { text: "!" }) == Outcome::Done);
    assert_eq!(shouted.count(), 2);
    // And all together no more than the realm bears.
    let mut shouted = 0;
    for character in 10..60_u64 {
        let player = enter(&mut game, character);
        shouted += u32::from(
            outcome(&mut game, player, character.into(), Command::Shout { text: "!" }) == Outcome::Done,
        );
    }
    assert!((10..=14).contains(&shouted), "{shouted}");
}

#[test]
fn who_comes_again_may_not_say_more_for_it() {
    let mut game = game_on_land();
    let mut said = 0;
    for id in 1..=8 {
        let player = enter(&mut game, 1);
        said += u32::from(outcome(&mut game, player, id, Command::Shout { text: "!" }) == Outcome::Done);
        game.take(Input::Leave { player });
        while game.player_of(1).is_some() {
            game.tick();
        }
    }
    assert!(game.current_tick() < 200, "not yet ten seconds, in which it would have one more");
    assert_eq!(said, 2);
}

#[test]
fn a_shout_that_the_realm_does_not_bear_costs_its_player_nothing() {
    let mut game = game_on_land();
    let players: Vec<_> = (1..=20).map(|character| enter(&mut game, character)).collect();
    for (id, player) in (1..).zip(&players) {
        ask(&mut game, *player, id, Command::Shout { text: "!" });
    }
    game.tick();
    let shouted = (1..=20).filter(|id| answer(&game, *id) == Outcome::Done).count();
    assert_eq!(shouted, 1, "never two in one tick");
    assert_eq!(answer(&game, 20), Outcome::TooFast, "after another");
    for (id, player) in (21..).zip(&players[1..12]) {
        let expected = if id <= 30 { Outcome::Done } else { Outcome::TooFast };
        assert_eq!(outcome(&mut game, *player, id, Command::Shout { text: "!" }), expected, "{id}");
    }
    (0..100).for_each(|_| game.tick());
    for id in 41..=42 {
        assert_eq!(outcome(&mut game, players[19], id, Command::Shout { text: "!" }), Outcome::Done, "{id}");
    }
    assert_eq!(outcome(&mut game, players[19], 43, Command::Shout { text: "!" }), Outcome::TooFast);
}

#[test]
fn more_commands_than_fit_a_tick_are_refused() {
    let mut game = game_on_land();
    let player = enter(&mut game, 1);
    for id in 1..=8 {
        ask(&mut game, player, id, Command::TradeCancel);
    }
    let command = Command::TradeCancel;
    assert_eq!(game.take(Input::Command { player, id: CommandId(9), command }), Taken::TooMany);
    game.tick();
    assert_eq!(game.counters().commands_too_many, 1);
    assert_eq!(game.take(Input::Command { player, id: CommandId(9), command }), Taken::Queued);
    // In the long run ten a second.
    let mut refused = 0;
    for id in 0..400 {
        ask(&mut game, player, 1_000 + id, command);
        game.tick();
        refused += u32::from(answer(&game, 1_000 + id) == Outcome::TooFast);
    }
    assert!((185..=200).contains(&refused), "{refused} of 400 in 20 s");
}

#[test]
fn in_a_crowd_the_nearest_hear() {
    let mut game = game_on_land();
    let players: Vec<_> = (0..200).map(|character| enter(&mut game, character)).collect();
    for (number, player) in players.iter().enumerate() {
        put(&mut game, *player, Vec2::new(100.0 + number as f32 * 0.14, 100.0));
    }
    game.tick();
    let places: Vec<_> = players.iter().map(|player| place(&game, *player)).collect();
    assert_eq!(outcome(&mut game, players[0], 1, Command::Say { text: "hello" }), Outcome::Done);
    let hears: Vec<bool> = players.iter().map(|player| !heard(&game, *player).is_empty()).collect();
    assert_eq!(hears.iter().filter(|hears| **hears).count(), SAY_HEARERS_MAX);
    let distance = |number: usize| places[number].distance(places[0]);
    let farthest = (0..200).filter(|number| hears[*number]).map(distance).fold(0.0, f32::max);
    let nearest_deaf = (0..200).filter(|number| !hears[*number]).map(distance).fold(f32::MAX, f32::min);
    assert!(farthest <= nearest_deaf + 0.2, "{farthest} {nearest_deaf}");
    assert_eq!(game.counters().say_cut, 1);
}
