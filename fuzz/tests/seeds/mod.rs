//! The generated seeds: scripts that reach each branch, and the golden vectors.

use serde_json::Value;
use throng_fuzz::{hello, session_datagram as session, snapshot_message as snapshot};
use throng_schema::{INPUT_BYTES, IntentFields, SCHEMA_VERSION, write_hello, write_input};

type Seed = (String, Vec<u8>);

pub fn of(target: &str) -> Vec<Seed> {
    let seeds = match target {
        "hello" => hellos(),
        "session_datagram" => sessions(),
        "input_message" => messages(),
        "snapshot_message" => snapshots(),
        other => panic!("no seeds for {other}"),
    };
    seeds.into_iter().enumerate().map(|(i, (name, bytes))| (format!("{i:02}-{name}"), bytes)).collect()
}

fn named(name: &str, bytes: Vec<u8>) -> Seed {
    (name.to_owned(), bytes)
}

/// Two bytes, then a run with its length before it: a step of the scripts that have an argument.
fn step(what: u8, argument: u8, bytes: &[u8]) -> Vec<u8> {
    [&[what, argument], (bytes.len() as u16).to_le_bytes().as_slice(), bytes].concat()
}

fn vectors(file: &str) -> Value {
    let path = format!("{}/../schema/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap()
}

fn unhex(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap().as_bytes();
    hex.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hellos() -> Vec<Seed> {
    use hello::{COOKIE, EXPIRE, FIT, HEAD, PAYLOAD, REFUSE};
    let salt = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let other = [0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9];
    let honest = FIT | HEAD | COOKIE | PAYLOAD;
    let full: Vec<u8> = (0..5).flat_map(|from| step(honest, from, &salt)).collect();
    let mut bad_length = vec![0; 34];
    bad_length[32..34].copy_from_slice(&257_u16.to_le_bytes());
    let mut seeds = vec![
        named("without-cookie", step(FIT | HEAD | PAYLOAD, 0, &salt)),
        named("connects", step(honest, 0, &salt)),
        named("repeats", [step(honest, 0, &salt), step(honest, 0, &salt)].concat()),
        named(
            "replaces",
            [step(honest, 0, &salt), step(honest, 4 << 3, &other), step(honest, 0, &other)].concat(),
        ),
        named("stale", [step(honest, 0, &salt), step(honest, 0, &other)].concat()),
        named("full", full),
        named("refused", [step(honest | REFUSE, 0, &salt), step(honest, 0, &salt)].concat()),
        named("expires", [step(honest, 0, &salt), step(honest | EXPIRE, 31 << 3, &other)].concat()),
        named("wrong-cookie", step(FIT | HEAD, 1, &[7; 64])),
        named("port-zero", step(honest, 6, &salt)),
        named("payload-too-long", step(FIT | HEAD | COOKIE, 2, &bad_length)),
        named("mapped-v4", [step(honest, 0, &salt), step(honest, 3, &other)].concat()),
    ];
    for datagram in vectors("handshake.json")["datagrams"].as_array().unwrap() {
        seeds.push(named("vector", step(0, 0, &unhex(&datagram["datagram"]))));
    }
    seeds
}

/// A session header with the connection id left to the target: sequence, acknowledgement, then a payload.
fn data(sequence: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    [[5, 1, 0xff, 0xff, 0, 0, 0, 0].as_slice(), &sequence.to_le_bytes(), &ack.to_le_bytes(), payload].concat()
}

fn sessions() -> Vec<Seed> {
    use session::{
        FOREIGN_TO_SERVER, FORGED_TO_CLIENT, FORGED_TO_SERVER, GOODBYE, LOST, RAW_TO_CLIENT, RAW_TO_SERVER,
        REAL_TO_CLIENT, REAL_TO_SERVER, TWICE, WAIT,
    };
    let talk: Vec<u8> = (0..8)
        .flat_map(|i| [step(REAL_TO_SERVER, 1, &[i; 44]), step(REAL_TO_CLIENT, 2, &[i; 60])].concat())
        .collect();
    let lossy: Vec<u8> = (0..16)
        .flat_map(|i| {
            let fate = [0, TWICE, LOST, 0][i % 4];
            [step(REAL_TO_SERVER | fate, 1, b"in"), step(REAL_TO_CLIENT | fate, 2, b"out")].concat()
        })
        .collect();
    let flood: Vec<u8> = (0..45).flat_map(|_| step(REAL_TO_SERVER, 1, b"")).collect();
    let jumps = [1, 2, 1023, 1024, 1025, 5, 70_000, u32::MAX, u32::MAX - 1, u32::MAX - 1023, 0];
    let windows =
        |what: u8| jumps.iter().flat_map(|s| step(what, 0, &data(*s, 0, b"x"))).collect::<Vec<u8>>();
    vec![
        named("talk", talk),
        named("lossy", lossy),
        named("flood", flood),
        named("server-window", windows(FORGED_TO_SERVER)),
        named("client-window", windows(FORGED_TO_CLIENT)),
        named("server-ack-unsent", step(FORGED_TO_SERVER, 0, &data(1, 1, b""))),
        named("client-ack-unsent", step(FORGED_TO_CLIENT, 0, &data(1, u32::MAX, b""))),
        named(
            "foreign",
            [
                step(FOREIGN_TO_SERVER, 9, &data(1, 0, b"")),
                step(FOREIGN_TO_SERVER | GOODBYE, 9, &data(1, 0, b"")),
            ]
            .concat(),
        ),
        named(
            "goodbye-to-server",
            [step(FORGED_TO_SERVER | GOODBYE, 0, &data(1, 0, b"")), step(REAL_TO_SERVER, 1, b"late")]
                .concat(),
        ),
        named(
            "goodbye-to-client",
            [step(FORGED_TO_CLIENT | GOODBYE, 0, &data(1, 0, b"")), step(REAL_TO_CLIENT, 1, b"late")]
                .concat(),
        ),
        named(
            "silence",
            [step(WAIT, 99, b""), step(WAIT, 2, b""), step(REAL_TO_SERVER, 1, b"late")].concat(),
        ),
        named(
            "short",
            [step(FORGED_TO_SERVER, 0, &data(1, 0, b"")[..15]), step(FORGED_TO_CLIENT, 0, &[5])].concat(),
        ),
        named(
            "oversized",
            [
                step(FORGED_TO_SERVER, 0, &data(1, 0, &[0; 1185])),
                step(FORGED_TO_CLIENT, 0, &data(1, 0, &[0; 1185])),
            ]
            .concat(),
        ),
        named(
            "unknown-types",
            [
                step(RAW_TO_SERVER, 0, &[0; 40]),
                step(RAW_TO_CLIENT, 0, &[200; 40]),
                step(RAW_TO_CLIENT, 0, &[3; 16]),
            ]
            .concat(),
        ),
        named(
            "hello-inside",
            step(RAW_TO_SERVER, 0, &{
                let mut hello = vec![0; 1200];
                hello[..2].copy_from_slice(&[1, 1]);
                hello
            }),
        ),
    ]
}

fn messages() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for file in ["inputs.json", "hellos.json", "malformed.json"] {
        for case in vectors(file).as_array().unwrap() {
            seeds.push(named(file.trim_end_matches(".json"), unhex(&case["message"])));
        }
    }
    let mut input = [0; INPUT_BYTES];
    write_input(&mut input, 1, 2, IntentFields { move_x: 1.0, ..IntentFields::default() });
    for (name, at, bytes) in [
        ("root-outside", 4, [0xff, 0xff, 0, 0]),
        ("vtable-ahead", 20, [0xf0, 0xff, 0xff, 0xff]),
        ("vtable-long", 10, [0xfe, 0xff, 24, 0]),
        ("vtable-odd", 10, [11, 0, 24, 0]),
        ("intent-absent", 16, [8, 0, 0, 0]),
        ("intent-outside", 16, [8, 0, 0xf0, 0]),
    ] {
        let mut bad = input;
        bad[at..at + 4].copy_from_slice(&bytes);
        seeds.push(named(name, bad.to_vec()));
    }
    let mut unterminated = write_hello(SCHEMA_VERSION, "Ann!");
    let end = unterminated.len() - 4;
    unterminated[end..].fill(b'!');
    seeds.push(named("name-unterminated", unterminated));
    seeds
}

fn snapshots() -> Vec<Seed> {
    use snapshot::{BUILD, COUNTED, DIGEST, FRESH, ORDERED, PREFIX};
    let message = |case: &Value| {
        let bytes = unhex(&case["message"]);
        [&[0], (bytes.len() as u16).to_le_bytes().as_slice(), &bytes].concat()
    };
    let sequence = vectors("sequence.json");
    let steps: Vec<Vec<u8>> =
        sequence["steps"].as_array().unwrap().iter().filter(|s| s["lost"] != true).map(message).collect();
    let mut seeds: Vec<Seed> = steps.chunks(20).map(|chunk| named("sequence", chunk.concat())).collect();
    // Alone they meet an empty view; behind the fresh one of twelve their baseline is there.
    let cases = vectors("snapshots.json");
    let cases = cases.as_array().unwrap();
    let start = cases.iter().find(|c| c["name"] == "fresh, twelve near").map(message).unwrap();
    for case in cases {
        let mut bytes = unhex(&case["message"]);
        if case["start_tick"] == 40 {
            move_ticks(&mut bytes);
        }
        let behind = [&[0], (bytes.len() as u16).to_le_bytes().as_slice(), &bytes].concat();
        seeds.push(named("snapshot", [start.clone(), behind].concat()));
    }
    for case in vectors("malformed.json").as_array().unwrap() {
        let mut fixed = message(case);
        fixed[0] = PREFIX;
        seeds.push(named("malformed", fixed));
    }
    // Built: a fresh list of three, then what the fuzzer makes of it.
    let fresh = [&[BUILD | FRESH | DIGEST | ORDERED, 1], [0, 3, 0, 0, 0].as_slice(), &[0, 0]].concat();
    let tail: Vec<u8> = (0..60).collect();
    for flags in [DIGEST | ORDERED | COUNTED, ORDERED, DIGEST | COUNTED, 0] {
        let delta = [&[BUILD | flags, 1, 1, 1, 1], tail.as_slice()].concat();
        seeds.push(named("built", [fresh.clone(), tail.clone(), delta].concat()));
    }
    seeds
}

/// The vectors stand on tick 40, the fresh message before them makes tick 42: tick and baseline, two higher each.
fn move_ticks(message: &mut [u8]) {
    for (from, to) in [(42_u32, 44_u32), (40, 42)] {
        if let Some(at) =
            (8..message.len().min(80) - 3).step_by(4).find(|&at| message[at..at + 4] == from.to_le_bytes())
        {
            message[at..at + 4].copy_from_slice(&to.to_le_bytes());
        }
    }
}
