//! The golden vectors: made here, committed in `vectors/`, read by the Python client and by whoever writes another.
//!
//! The test fails when a committed file is not what this code makes. After a wanted change of the wire run
//! `THRONG_WRITE_VECTORS=1 cargo test -p throng-schema --test golden` and look at the difference before you
//! commit it: a file that changes without a new `SCHEMA_VERSION` breaks every client out there.
#![allow(missing_docs)]

mod common;
mod golden_channel;
mod golden_handshake;
mod golden_messages;
mod golden_sequence;

use serde_json::Value;
use std::{fs, path::PathBuf};

fn check(name: &str, made: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    if std::env::var_os("THRONG_WRITE_VECTORS").is_some() {
        fs::write(&path, lines(made) + "\n").unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let committed: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    // Compared as values: whether serde_json sorts keys depends on features that another crate may turn on.
    assert!(
        committed == *made,
        "{} is not what this code makes; see the top of tests/golden.rs",
        path.display()
    );
}

/// One line per case: a difference then shows which cases changed.
fn lines(value: &Value) -> String {
    match value {
        Value::Array(list) if list.iter().all(Value::is_object) => {
            let list: Vec<String> = list.iter().map(Value::to_string).collect();
            format!("[\n{}\n]", list.join(",\n"))
        }
        Value::Object(map) => {
            let map: Vec<String> =
                map.iter().map(|(k, v)| format!("{}: {}", Value::from(k.as_str()), lines(v))).collect();
            format!("{{\n{}\n}}", map.join(",\n"))
        }
        other => other.to_string(),
    }
}

#[test]
fn inputs_and_hellos() {
    check("inputs.json", &golden_messages::inputs());
    check("hellos.json", &golden_messages::hellos());
}

#[test]
fn commands_and_notices() {
    check("commands.json", &golden_messages::commands());
    check("notices.json", &golden_messages::notices());
}

#[test]
fn malformed() {
    check("malformed.json", &golden_messages::malformed());
}

#[test]
fn snapshots() {
    check("snapshots.json", &golden_messages::snapshots());
}

#[test]
fn sequence() {
    check("sequence.json", &golden_sequence::sequence());
}

#[test]
fn handshake() {
    check("handshake.json", &golden_handshake::handshake());
}

#[test]
fn channel() {
    check("channel.json", &golden_channel::channel());
}
