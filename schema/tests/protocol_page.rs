//! PROTOCOL.md says the numbers that the code has.
#![allow(missing_docs)]

use throng_schema::{
    INPUT_BYTES, INTENTS_SENT, IntentFields, KIND_INPUT, KIND_SNAPSHOT, SCHEMA_VERSION, ViewDigest,
    limits::*, wire,
};

const PAGE: &str = include_str!("../PROTOCOL.md");

#[test]
fn limits_are_those_of_the_code() {
    let limits: [(&str, u64); 26] = [
        ("DATAGRAM_BYTES_MAX", DATAGRAM_BYTES_MAX as u64),
        ("DATAGRAM_HEADER_BYTES", DATAGRAM_HEADER_BYTES as u64),
        ("SEAL_RESERVE_BYTES", SEAL_RESERVE_BYTES as u64),
        ("PAYLOAD_BYTES_MAX", PAYLOAD_BYTES_MAX as u64),
        ("HELLO_PAYLOAD_BYTES_MAX", HELLO_PAYLOAD_BYTES_MAX as u64),
        ("NAME_BYTES_MAX", NAME_BYTES_MAX as u64),
        ("CHARACTER_NAME_BYTES_MAX", CHARACTER_NAME_BYTES_MAX as u64),
        ("TEXT_BYTES_MAX", TEXT_BYTES_MAX as u64),
        ("INPUT_BYTES", INPUT_BYTES as u64),
        ("INTENTS_SENT", INTENTS_SENT as u64),
        ("INTENTS_MAX", INTENTS_MAX as u64),
        ("SPEED_USUAL", SPEED_USUAL.into()),
        ("VERIFY_DEPTH_MAX", VERIFY_DEPTH_MAX as u64),
        ("VERIFY_TABLES_MAX", VERIFY_TABLES_MAX as u64),
        ("VERIFY_APPARENT_BYTES_MAX", VERIFY_APPARENT_BYTES_MAX as u64),
        ("UNITS_PER_METRE", UNITS_PER_METRE as u64),
        ("WRAP_UNITS", WRAP_UNITS as u64),
        ("VIEW_RADIUS_M_MAX", VIEW_RADIUS_M_MAX as u64),
        ("TICK_HZ_MIN", TICK_HZ_MIN.into()),
        ("TICK_HZ_MAX", TICK_HZ_MAX.into()),
        ("NEAR_MAX", NEAR_MAX as u64),
        ("ATTRIBUTES", ATTRIBUTES as u64),
        ("ATTR_PLACE_BITS", ATTR_PLACE_BITS.into()),
        ("BASELINE_AGE_TICKS_MAX", BASELINE_AGE_TICKS_MAX.into()),
        ("VIEW_HISTORY_TICKS", VIEW_HISTORY_TICKS.into()),
        ("FAR_FORGET_EXTRA_TICKS", FAR_FORGET_EXTRA_TICKS.into()),
    ];
    for (name, value) in limits {
        assert!(PAGE.contains(&format!("| `{name}` | {value} |")), "{name} = {value}");
    }
    let rows = PAGE.lines().filter(|line| line.starts_with("| `") && line.contains("` | ")).count();
    assert!(rows >= limits.len());
    assert!(
        PAGE.contains(&format!(
            "a fresh start with {FRESH_FULL_MIN} entities, or for {DELTA_MOVED_MIN} that"
        ))
    );
    assert!(PAGE.contains(&format!("**schema version** ({SCHEMA_VERSION})")));
    assert!(PAGE.contains(&format!("| DATA of kind {KIND_INPUT} | `Input` |")));
    assert!(PAGE.contains(&format!("| DATA of kind {KIND_SNAPSHOT} | `Snapshot` |")));
    assert!(PAGE.contains(&format!("The empty list has {:#x}", ViewDigest::new().finish())));
}

#[test]
fn the_input_laid_by_hand_is_ours() {
    let line = PAGE.lines().find(|line| line.trim_start().starts_with("5c 00 00 00")).unwrap();
    let page: Vec<u8> = line.split_whitespace().map_while(|word| u8::from_str_radix(word, 16).ok()).collect();
    let mut input = [0xAA; INPUT_BYTES];
    throng_schema::write_input(&mut input, 1, 2, 3, &[IntentFields::default(); INTENTS_SENT]);
    assert_eq!(page, input[..32]);
    assert!(PAGE.contains("03 00 00 00  and three times"));
    assert_eq!(input[56..60], [3, 0, 0, 0]);
}

#[test]
fn verbs_and_outcomes_and_what_is_told_are_those_of_the_schema() {
    for verb in &wire::Verb::ENUM_VALUES[1..] {
        assert!(PAGE.contains(&format!("| {} | {verb:?} | ", verb.0)), "{verb:?}");
    }
    for outcome in wire::Outcome::ENUM_VALUES {
        assert!(PAGE.contains(&format!("| {} | {outcome:?}", outcome.0)), "{outcome:?}");
    }
    for told in &wire::Told::ENUM_VALUES[1..] {
        let is_heard = (wire::Told::Said.0..=wire::Told::Whispered.0).contains(&told.0);
        assert!(is_heard || PAGE.contains(&format!("| {} | {told:?} | ", told.0)), "{told:?}");
    }
    assert!(PAGE.contains("| 7, 8, 9 | Said, Shouted, Whispered |"));
}
