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

fn checked(sequence: u32, intent: Option<&Intent>) -> Result<InputFields, InputError> {
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let input = Input::create(&mut builder, &InputArgs { sequence, ack_tick: 3, intent });
    builder.finish_size_prefixed(input, None);
    check_input(&read_input(builder.finished_data()).unwrap())
}

#[test]
fn inputs() {
    let walk = Intent::new(0.5, -1e30, 9, 2);
    let intent = IntentFields { move_x: 0.5, move_y: -1e30, yaw: 9, buttons: 2 };
    assert_eq!(checked(1, Some(&walk)), Ok(InputFields { sequence: 1, ack_tick: 3, intent }));
    assert_eq!(checked(0, Some(&walk)), Err(InputError::NoSequence));
    assert_eq!(checked(1, None), Err(InputError::NoIntent));
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7f80_0001)] {
        assert_eq!(checked(1, Some(&Intent::new(bad, 0.0, 0, 0))), Err(InputError::NotFinite));
        assert_eq!(checked(1, Some(&Intent::new(0.0, bad, 0, 0))), Err(InputError::NotFinite));
    }
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
