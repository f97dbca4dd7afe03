//! Meaning: names, versions, inputs, worlds.
#![allow(missing_docs)]

use throng_schema::wire::{Hello, HelloArgs, Input, InputArgs, Intent, World};
use throng_schema::*;

#[test]
fn names() {
    for good in ["a", "Ann O'Hara", "Zoë", "孫悟空", "x".repeat(32).as_str(), "🦀", "a  b"] {
        assert_eq!(check_name(good), Ok(()), "{good:?}");
    }
    assert_eq!(check_name(""), Err(NameError::Empty));
    assert_eq!(check_name(&"x".repeat(33)), Err(NameError::TooLong { found: 33 }));
    let bad = [
        " a",
        "a ",
        " ",
        "a\n",
        "\0",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{a0}b",
        "a\u{ad}b",
        "a\u{200b}b",
        "a\u{200f}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{2028}b",
        "a\u{3000}b",
        "\u{e000}",
        "\u{feff}a",
        "\u{fffd}",
        "\u{ffff}",
        "\u{1ffff}",
        "\u{e0041}",
        "\u{10fffd}",
        "\u{3164}",
    ];
    for bad in bad {
        assert!(matches!(check_name(bad), Err(NameError::Unprintable { .. })), "{bad:?}");
    }
    let text = check_name("ab\u{202e}c").unwrap_err().to_string();
    assert_eq!(text, "the name holds U+202E at byte 2, which cannot be shown there");
}

#[test]
fn hello_version_comes_first() {
    let other = write_hello(SCHEMA_VERSION + 1, "");
    assert_eq!(
        check_hello(&read_hello(&other).unwrap()),
        Err(HelloError::Version { found: SCHEMA_VERSION + 1, needed: SCHEMA_VERSION })
    );
    let nameless = {
        let mut builder = flatbuffers::FlatBufferBuilder::new();
        let hello = Hello::create(&mut builder, &HelloArgs { version: SCHEMA_VERSION, name: None });
        builder.finish_size_prefixed(hello, None);
        builder.finished_data().to_vec()
    };
    assert_eq!(check_hello(&read_hello(&nameless).unwrap()), Err(HelloError::Name(NameError::Empty)));
}

fn checked(sequence: u32, intent: Option<&Intent>, past: &[Intent]) -> Result<InputFields, InputError> {
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let past = Some(builder.create_vector(past));
    let args = InputArgs { sequence, ack_tick: 3, intent, past, shown_tick: 0 };
    let input = Input::create(&mut builder, &args);
    builder.finish_size_prefixed(input, None);
    check_input(&read_input(builder.finished_data()).unwrap())
}

#[test]
fn inputs() {
    let walk = Intent::new(0.5, -1e30, 9, 2);
    let intent = IntentFields { move_x: 0.5, move_y: -1e30, yaw: 9, buttons: 2 };
    assert_eq!(checked(1, Some(&walk), &[]), Ok(InputFields::new(1, 3, 3, &[intent])));
    assert_eq!(checked(0, Some(&walk), &[]), Err(InputError::NoSequence));
    assert_eq!(checked(1, None, &[walk]), Err(InputError::NoIntent));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7f80_0001)] {
        for bad in [Intent::new(bad, 0.0, 0, 0), Intent::new(0.0, bad, 0, 0)] {
            assert_eq!(checked(1, Some(&bad), &[]), Err(InputError::NotFinite));
            for sequence in 1..12 {
                for at in 0..10 {
                    let mut past = [walk; 10];
                    past[at] = bad;
                    // Looked at are seven, and of those none below number 1.
                    let is_looked_at = at < 7 && (at as u32) + 1 < sequence;
                    let refused = checked(sequence, Some(&walk), &past) == Err(InputError::NotFinite);
                    assert_eq!(refused, is_looked_at, "past {at} of input {sequence}");
                }
            }
        }
    }
}

#[test]
fn steps_come_oldest_first_and_are_numbered_from_one() {
    let intents: [Intent; 10] = std::array::from_fn(|age| Intent::new(age as f32, 0.0, 0, 0));
    for (sequence, count) in [(1, 1), (2, 2), (7, 7), (8, 8), (9, 8), (u32::MAX, 8)] {
        let fields = checked(sequence, Some(&intents[0]), &intents[1..]).unwrap();
        let steps: Vec<(u32, f32)> = fields.steps().map(|(number, intent)| (number, intent.move_x)).collect();
        let expected: Vec<(u32, f32)> = (0..count).rev().map(|age| (sequence - age, age as f32)).collect();
        assert_eq!(steps, expected);
        assert_eq!((fields.intents().len(), fields.intent().move_x), (count as usize, 0.0));
    }
    assert_eq!(checked(5, Some(&intents[0]), &[]).unwrap().steps().count(), 1);
}

#[test]
fn texts_may_have_spaces_anywhere_but_nothing_unseen() {
    for good in ["", " ", "  to arms!  ", "孫悟空 🦀", "x".repeat(256).as_str()] {
        assert_eq!(check_text(good), Ok(()), "{good:?}");
    }
    assert_eq!(check_text(&"x".repeat(257)), Err(TextError::TooLong { found: 257, most: 256 }));
    for (bad, found, at) in [("a\nb", '\n', 1), ("\u{202e}", '\u{202e}', 0), ("ab\u{200b}", '\u{200b}', 2)] {
        assert_eq!(check_text(bad), Err(TextError::Unprintable { found, at }));
    }
}

fn command(fields: CommandFields<'_>) -> Result<(), CommandError> {
    let mut out = [0; 1024];
    let bytes = write_command(&mut out, &fields).unwrap();
    let command = read_command(&out[..bytes]).unwrap();
    assert_eq!(command_id(&command), fields.id, "whatever else is wrong");
    let checked = check_command(&command);
    assert!(checked.is_err() || checked == Ok(fields));
    checked.map(drop)
}

#[test]
fn commands() {
    let long = "n".repeat(47);
    let good = CommandFields {
        id: u128::MAX - 7,
        verb: wire::Verb::Whisper,
        entity: 1,
        item: 2,
        quantity: u32::MAX,
        money: i64::MAX,
        revision: 4,
        text: "psst",
        name: &long,
    };
    assert_eq!(command(good), Ok(()));
    assert_eq!(command(CommandFields { verb: wire::Verb::LeaveZone, ..CommandFields::default() }), Ok(()));
    for found in [0, 16, 255] {
        assert_eq!(
            command(CommandFields { verb: wire::Verb(found), ..good }),
            Err(CommandError::Verb { found })
        );
    }
    for money in [-1, i64::MIN] {
        assert_eq!(command(CommandFields { money, ..good }), Err(CommandError::Negative));
    }
    let unprintable = |found, at| TextError::Unprintable { found, at };
    assert_eq!(
        command(CommandFields { text: "a\u{7}", ..good }),
        Err(CommandError::Text(unprintable('\u{7}', 1)))
    );
    assert_eq!(command(CommandFields { name: " Ann", ..good }), Err(CommandError::Name(unprintable(' ', 0))));
    let name = "n".repeat(48);
    let refused = command(CommandFields { name: &name, ..good });
    assert_eq!(refused, Err(CommandError::Name(TextError::TooLong { found: 48, most: 47 })));
}

#[test]
fn worlds() {
    let world = |width, radius, units, hz| check_world(&World::new(1, width, 100.0, radius, 8, units, hz, 0));
    assert_eq!(world(100.0, 50.0, 32, 20), Ok(()));
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(world(bad, 50.0, 32, 20), Err(WorldError::Size));
        assert_eq!(world(100.0, bad, 32, 20), Err(WorldError::Size));
    }
    assert_eq!(world(100.0, 961.0, 32, 20), Err(WorldError::Size));
    assert_eq!(world(100.0, 50.0, 32, 0), Err(WorldError::TickRate { found: 0 }));
    assert_eq!(world(100.0, 50.0, 32, 61), Err(WorldError::TickRate { found: 61 }));
    assert_eq!(world(100.0, 50.0, 16, 20), Err(WorldError::Units { found: 16 }));
}
