//! The generated seeds: scripts that reach each branch, and the golden vectors.

use serde_json::Value;
use throng_fuzz::{
    channel_frame as channel, hello, http_body as http, session_datagram as session,
    snapshot_message as snapshot, token, world_file,
};
use throng_motion::{AreaPlan, CirclePlan, DiscPlan, GenerateConfig, Land, ShopPlan, WallPlan, ZonePlan};
use throng_schema::{INPUT_BYTES, INTENTS_SENT, IntentFields, SCHEMA_VERSION, write_hello, write_input};

type Seed = (String, Vec<u8>);

pub fn of(target: &str) -> Vec<Seed> {
    let seeds = match target {
        "token" => tokens(),
        "hello" => hellos(),
        "session_datagram" => sessions(),
        "channel_frame" => channels(),
        "input_message" => messages(),
        "snapshot_message" => snapshots(),
        "world_file" => worlds(),
        "http_body" => requests(),
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

/// A mode and an offset, then the bytes.
fn tokens() -> Vec<Seed> {
    use token::{BODY, OVER, RAW, TIMES};
    let script = |mode: u8, at: u16, bytes: &[u8]| [&[mode], at.to_le_bytes().as_slice(), bytes].concat();
    let times = |not_after_ms: u64| script(TIMES, 0, &not_after_ms.to_le_bytes());
    let golden = unhex(&vectors("handshake.json")["token"]["bytes"]);
    let issued_at_ms = 1_780_000_000_000;
    vec![
        named("golden", script(RAW, 0, &golden)),
        named("golden-cut", script(RAW, 0, &golden[..300])),
        named("zeros", script(RAW, 0, &[0; 328])),
        named("honest", script(OVER, 0, b"")),
        named("other-magic", script(OVER, 0, b"X")),
        named("other-key", script(OVER, 6, &[9, 9])),
        named("other-realm", script(OVER, 8, &[8])),
        named("other-guard", script(OVER, 12, &[0; 4])),
        named("other-end", script(OVER, 16, &[0xff; 8])),
        named("other-salt", script(OVER, 40, &[1])),
        named("other-body", script(OVER, 200, &[1])),
        named("other-tag", script(OVER, 327, &[1])),
        named("body-as-it-is", script(BODY, 0, b"")),
        named("body-no-name", script(BODY, 120, &[0])),
        named("body-longest-name", script(BODY, 120, &[&[47], [b'x'; 47].as_slice()].concat())),
        named("body-too-long-name", script(BODY, 120, &[&[48], [b'x'; 48].as_slice()].concat())),
        named("body-name-not-utf8", script(BODY, 121, &[0xff])),
        named("body-name-with-control", script(BODY, 121, "\u{9b}uz".as_bytes())),
        named("body-bytes-behind-the-name", script(BODY, 126, b"x")),
        named("body-not-zero", script(BODY, 255, &[1])),
        named("body-of-the-future", script(BODY, 40, &[0xff; 8])),
        named("body-other-ids", script(BODY, 0, &[0xaa; 40])),
        named("life-of-45-s", times(issued_at_ms + 45_000)),
        named("life-too-long", times(issued_at_ms + 45_001)),
        named("life-over-before-it-began", times(issued_at_ms - 1)),
        named("life-for-ever", times(u64::MAX)),
    ]
}

/// Flags, address and time, which token, then a run.
fn asked(flags: u8, place: u8, number: u16, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u16).to_le_bytes();
    [&[flags, place], number.to_le_bytes().as_slice(), &length, bytes].concat()
}

fn hellos() -> Vec<Seed> {
    use hello::{CONFIRM, COOKIE, EXPIRE, FIT, HEAD, PAYLOAD, REFUSE, SPOIL, TOKEN};
    let salt = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let other = [0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9];
    let honest = FIT | HEAD | COOKIE | PAYLOAD | TOKEN;
    let from_each = |places: &[u8]| -> Vec<u8> {
        places.iter().flat_map(|place| asked(honest, *place, CONFIRM | u16::from(*place), &salt)).collect()
    };
    let mut bad_length = vec![0; 362];
    bad_length[360..].copy_from_slice(&257_u16.to_le_bytes());
    let mut not_zero = salt.to_vec();
    not_zero.resize(1200, 0);
    not_zero[1199] = 1;
    let once = asked(honest, 0, 1, &salt);
    let mut seeds = vec![
        named("without-cookie", asked(FIT | HEAD | PAYLOAD | TOKEN, 0, 1, &salt)),
        named("without-token", asked(FIT | HEAD | COOKIE | PAYLOAD, 0, 1, &salt)),
        named("asks", once.clone()),
        named(
            "confirms",
            [asked(honest, 0, CONFIRM | 1, &salt), asked(honest, 0, CONFIRM | 2, &other)].concat(),
        ),
        named("two-unconfirmed", [once.clone(), asked(honest, 2, 2, &salt)].concat()),
        named("repeats", [once.clone(), once.clone()].concat()),
        named("token-twice-other-salt", [once.clone(), asked(honest, 0, 1, &other)].concat()),
        named("token-twice-elsewhere", [once.clone(), asked(honest, 2, 1, &salt)].concat()),
        named("full", from_each(&[0, 2, 4, 5, 7])),
        named("one-address-too-often", from_each(&[0, 1, 3])),
        named("refused", [asked(honest | REFUSE, 0, 16, &salt), asked(honest, 0, 16, &salt)].concat()),
        named("refused-full", [asked(honest | REFUSE, 0, 1, &salt), once.clone()].concat()),
        named("never-confirms", [once.clone(), asked(honest | EXPIRE, 31 << 3, 2, &other)].concat()),
        named("token-expired", asked(honest, 0, 1 | 6 << 4, &salt)),
        named("token-old-but-good", asked(honest, 0, 1 | 4 << 4, &salt)),
        named("token-from-before-the-start", asked(honest, 0, 1 | 15 << 4, &salt)),
        named("wrong-cookie", asked(FIT | HEAD | TOKEN, 2, 1, &[7; 64])),
        named("port-zero", asked(honest, 6, 1, &salt)),
        named("payload-too-long", asked(FIT | HEAD | COOKIE | TOKEN, 2, 1, &bad_length)),
        named("not-zero", asked(FIT | HEAD | COOKIE | TOKEN, 2, 1, &not_zero)),
        named("mapped-v4", [once, asked(honest, 3, 2, &other)].concat()),
    ];
    // One bit in each field: magic, key, realm, guard, end, hash, salt, body, tag.
    for byte in [0, 4, 6, 8, 12, 16, 23, 24, 32, 56, 312] {
        let mut spoiled = asked(honest | SPOIL, 0, 1, &salt);
        spoiled.splice(4..4, (byte * 8_u16).to_le_bytes());
        seeds.push(named("spoiled-token", spoiled));
    }
    for datagram in vectors("handshake.json")["datagrams"].as_array().unwrap() {
        seeds.push(named("vector", asked(0, 0, 0, &unhex(&datagram["datagram"]))));
    }
    seeds
}

/// A session header with type and connection id left to the target, then a body.
fn data(sequence: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    [[5, 1, 0xff, 0xff, 0, 0, 0, 0].as_slice(), &sequence.to_le_bytes(), &ack.to_le_bytes(), payload].concat()
}

fn sessions() -> Vec<Seed> {
    use session::{
        ANSWERED, ELSEWHERE, FORGED_TO_CLIENT, FORGED_TO_SERVER, LOST, RAW_TO_CLIENT, RAW_TO_SERVER,
        REAL_TO_CLIENT, REAL_TO_SERVER, SEALED_TO_CLIENT, SEALED_TO_SERVER, TWICE, WAIT,
    };
    // What the argument makes of a forged or sealed one.
    const GOODBYE: u8 = 1;
    const CONTROL: u8 = 2;
    let control = |sequence: u32, kind: u8, body: &[u8]| {
        let mut bytes = data(sequence, 0, body);
        bytes[1] = kind;
        bytes
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
    let jumps =
        [1, 2, 1023, 1024, 1025, 5, 65_000, 70_000, 131_000, u32::MAX, u32::MAX - 1, u32::MAX - 1023, 0];
    // Long enough for a tag, though in a forged one it is none.
    let windows =
        |what: u8| jumps.iter().flat_map(|s| step(what, 0, &data(*s, 0, &[0; 17]))).collect::<Vec<u8>>();
    // Over two changes of keys, with something late behind each.
    let climb = |what: u8| {
        let climbed = (1..45).flat_map(|i| {
            let sequence = i * 65_536;
            [step(what, 0, &data(sequence, 0, b"up"))].concat()
        });
        let late =
            [44 * 65_536 - 1023, 44 * 65_536 - 1024].map(|s| step(what, 0, &data(s, 0, b"late"))).concat();
        climbed.chain(late).collect::<Vec<u8>>()
    };
    let boundary = |what: u8| {
        let near: Vec<u32> =
            (1..16).map(|i| i * 65_536).chain([1_048_575, 1_048_577, 1_048_576, 1_048_000]).collect();
        near.iter().flat_map(|s| step(what | TWICE, 0, &data(*s, 0, b"edge"))).collect::<Vec<u8>>()
    };
    let both = |to_server: u8, to_client: u8, argument: u8, bytes: &[u8]| {
        [step(to_server, argument, bytes), step(to_client, argument, bytes)].concat()
    };
    vec![
        named("talk", talk),
        named("lossy", lossy),
        named("flood", flood),
        named("forged-window", [windows(FORGED_TO_SERVER), windows(FORGED_TO_CLIENT)].concat()),
        named("server-window", windows(SEALED_TO_SERVER)),
        named("client-window", windows(SEALED_TO_CLIENT)),
        named("server-climb", climb(SEALED_TO_SERVER)),
        named("client-climb", climb(SEALED_TO_CLIENT)),
        named("server-boundary", boundary(SEALED_TO_SERVER)),
        named("client-boundary", boundary(SEALED_TO_CLIENT)),
        named("ack-unsent", both(SEALED_TO_SERVER, SEALED_TO_CLIENT, 0, &data(5, u32::MAX, b""))),
        named("forged-elsewhere", step(FORGED_TO_SERVER | ELSEWHERE, 0, &data(2, 0, &[0; 40]))),
        named("strays", step(REAL_TO_SERVER | ELSEWHERE, 1, b"here")),
        named(
            "moves",
            [
                step(REAL_TO_SERVER | ELSEWHERE | ANSWERED, 1, b"here"),
                step(REAL_TO_CLIENT, 2, b"there"),
                step(REAL_TO_SERVER | ELSEWHERE, 1, b"still"),
            ]
            .concat(),
        ),
        named(
            "moves-and-back",
            [
                step(REAL_TO_SERVER | ELSEWHERE | ANSWERED, 1, b"here"),
                step(WAIT, 3, b""),
                step(REAL_TO_SERVER | ANSWERED, 1, b"back"),
            ]
            .concat(),
        ),
        named(
            "goodbye-to-server",
            [step(SEALED_TO_SERVER, GOODBYE, &data(2, 0, b"")), step(REAL_TO_SERVER, 1, b"late")].concat(),
        ),
        named(
            "goodbye-to-client",
            [step(SEALED_TO_CLIENT, GOODBYE, &data(1, 0, b"")), step(REAL_TO_CLIENT, 1, b"late")].concat(),
        ),
        named("goodbye-with-body", both(SEALED_TO_SERVER, SEALED_TO_CLIENT, GOODBYE, &data(2, 0, b"x"))),
        named("goodbye-forged", both(FORGED_TO_SERVER, FORGED_TO_CLIENT, GOODBYE, &data(2, 0, &[0; 16]))),
        named("confirm-again", step(SEALED_TO_SERVER | TWICE, CONTROL, &control(2, 0, b""))),
        named("path-response-unasked", step(SEALED_TO_SERVER | ELSEWHERE, CONTROL, &control(2, 2, &[0; 8]))),
        named("path-challenge", step(SEALED_TO_CLIENT, CONTROL, &control(1, 1, &[7; 8]))),
        named("control-odd", both(SEALED_TO_SERVER, SEALED_TO_CLIENT, CONTROL, &control(2, 200, b"what"))),
        named(
            "silence",
            [step(WAIT, 99, b""), step(WAIT, 2, b""), step(REAL_TO_SERVER, 1, b"late")].concat(),
        ),
        named("short", both(FORGED_TO_SERVER, FORGED_TO_CLIENT, 0, &data(1, 0, b"")[..15])),
        named("oversized", both(SEALED_TO_SERVER, SEALED_TO_CLIENT, 0, &data(2, 0, &[0; 1185]))),
        named(
            "unknown-types",
            [
                step(RAW_TO_SERVER, 0, &[0; 40]),
                step(RAW_TO_CLIENT, 0, &[200; 40]),
                step(RAW_TO_CLIENT, 0, &[3; 64]),
            ]
            .concat(),
        ),
        named(
            "hello-inside",
            step(RAW_TO_SERVER, 0, &{
                let mut hello = vec![0; 1200];
                hello[..2].copy_from_slice(&[1, 2]);
                hello
            }),
        ),
    ]
}

fn channels() -> Vec<Seed> {
    use channel::{CHANGED, LOST, PUSH, RAW, SECOND, TIRED, TWICE, WAIT, WRITE};
    // A share of 288 bytes.
    const SHARE: u8 = 72;
    let write = |what: u8| step(WRITE | what, SHARE, b"");
    let frame = |count: u16, ack: u32, rest: &[u8]| {
        let bytes = (8 + rest.len()) as u16;
        [&bytes.to_le_bytes(), &count.to_le_bytes(), &ack.to_le_bytes()[..], rest].concat()
    };
    let raw = |frame: &[u8]| step(RAW, 0, frame);
    let one = [1, 0, 0, 0, 2, 0, b'h', b'i'];
    let talk: Vec<u8> = (0..12)
        .flat_map(|i| {
            [step(PUSH, i, &[i; 30]), write(0), step(PUSH | SECOND, i, &[i; 90]), write(SECOND)].concat()
        })
        .collect();
    let lossy: Vec<u8> = (0..24)
        .flat_map(|i| {
            let fate = [0, LOST, TWICE, LOST][usize::from(i) % 4];
            [step(PUSH, i, &[i; 40]), write(fate), write(SECOND | fate), step(WAIT, 9, b"")].concat()
        })
        .collect();
    let full: Vec<u8> = [
        (0..20).flat_map(|i| step(PUSH, i, &[i; 300])).collect::<Vec<u8>>(),
        (0..20).flat_map(|_| [write(0), write(SECOND)].concat()).collect(),
        (0..20).flat_map(|i| step(PUSH, i, &[i; 500])).collect(),
        (0..20).flat_map(|_| [write(0), write(SECOND | TWICE)].concat()).collect(),
    ]
    .concat();
    let changes: Vec<u8> = (0..24_u8).flat_map(|at| step(CHANGED | SECOND, at, &[1 << (at % 8)])).collect();
    vec![
        named("talk", talk),
        named("lossy", lossy),
        named("full", full),
        named(
            "lengths",
            [step(PUSH, 1, b""), step(PUSH, 2, &[0; 513]), step(PUSH, 3, &[0; 512]), write(0)].concat(),
        ),
        named(
            "long-waits",
            [step(PUSH, 1, &[9; 512]), step(WRITE, SHARE, b"less"), write(0), write(0)].concat(),
        ),
        named(
            "tired",
            [
                [1, 2, 3].map(|i| step(PUSH, i, &[i; 9])).concat(),
                step(TIRED | SECOND, 2, b""),
                write(0),
                write(SECOND),
                step(WAIT, 30, b""),
                write(0),
                write(SECOND),
            ]
            .concat(),
        ),
        named("changed", [step(PUSH, 1, b"hello"), write(0), changes].concat()),
        named(
            "ack-unsent",
            [
                step(PUSH, 1, b"hello"),
                raw(&frame(0, 1, b"")),
                write(LOST),
                raw(&frame(0, 2, b"")),
                raw(&frame(0, 1, b"")),
            ]
            .concat(),
        ),
        named(
            "ack-of-old",
            [
                step(PUSH, 1, b"hello"),
                write(LOST),
                step(WAIT, 99, b""),
                raw(&frame(0, 1, b"")),
                write(0),
                raw(&frame(0, 0, b"")),
            ]
            .concat(),
        ),
        named("raw-frame", raw(&frame(1, 0, &one))),
        named("raw-behind", raw(&[&frame(1, 0, &one)[..], b"rest"].concat())),
        named("raw-early", raw(&frame(1, 0, &[2, 0, 0, 0, 2, 0, b'h', b'i']))),
        named(
            "raw-known-and-new",
            [raw(&frame(1, 0, &one)), raw(&frame(2, 0, &[1, 0, 0, 0, 1, 0, b'a', 1, 0, b'b', 0, 0]))]
                .concat(),
        ),
        named("raw-many", raw(&frame(100, 0, &[&[1, 0, 0, 0][..], &[1, 0, 7].repeat(100)].concat()))),
        named("raw-count-beyond", raw(&frame(u16::MAX, 0, &one))),
        named("raw-number-0", raw(&frame(1, 0, &[0, 0, 0, 0, 2, 0, b'h', b'i']))),
        named("raw-numbers-wrap", raw(&frame(1, 0, &[255, 255, 255, 255, 2, 0, b'h', b'i']))),
        named("raw-empty-message", raw(&frame(1, 0, &[1, 0, 0, 0, 0, 0, 0, 0]))),
        named("raw-long-message", raw(&frame(1, 0, &[&[1, 0, 0, 0, 1, 2][..], &[5; 514]].concat()))),
        named(
            "raw-padding",
            [
                raw(&frame(1, 0, &[1, 0, 0, 0, 1, 0, 7, 9])),
                raw(&frame(1, 0, &[2, 0, 0, 0, 1, 0, 7, 0, 0, 0, 0, 0])),
            ]
            .concat(),
        ),
        named(
            "raw-short",
            [raw(&[8, 0, 0, 0, 0, 0, 0]), raw(&[4, 0, 0, 0]), raw(&[12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]
                .concat(),
        ),
    ]
}

fn messages() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for file in ["inputs.json", "hellos.json", "malformed.json", "commands.json", "notices.json"] {
        for case in vectors(file).as_array().unwrap() {
            seeds.push(named(file.trim_end_matches(".json"), unhex(&case["message"])));
        }
    }
    let mut input = [0; INPUT_BYTES];
    write_input(
        &mut input,
        9,
        2,
        1,
        &[IntentFields { move_x: 1.0, ..IntentFields::default() }; INTENTS_SENT],
    );
    for (name, at, bytes) in [
        ("root-outside", 4, [0xff, 0xff, 0, 0]),
        ("vtable-ahead", 24, [0xf0, 0xff, 0xff, 0xff]),
        ("vtable-long", 10, [0xfe, 0xff, 32, 0]),
        ("vtable-odd", 10, [15, 0, 32, 0]),
        ("intent-absent", 16, [12, 0, 0, 0]),
        ("intent-outside", 16, [12, 0, 0xf0, 0]),
        ("past-outside", 28, [0xff, 0xff, 0, 0]),
        ("past-one-too-many", 56, [4, 0, 0, 0]),
        ("past-one-less", 56, [2, 0, 0, 0]),
        ("past-without-end", 56, [0xff, 0xff, 0xff, 0xff]),
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

/// A mode, then a world file, whole or spoiled.
fn worlds() -> Vec<Seed> {
    use world_file::{RAW, SEALED};
    let script = |mode: u8, file: &[u8]| [&[mode], file].concat();
    let mut plan = ZonePlan { width: 640, height: 512, spacing_m: 8, ..ZonePlan::default() };
    plan.heights = (0..plan.columns() * plan.rows()).map(|index| (index * 37 % 64) as i16).collect();
    plan.player_spawns = vec![DiscPlan { x: 100, y: 100, radius: 64 }];
    let bare = Land::build(vec![plan.clone()]).unwrap().write();
    plan.circles = vec![CirclePlan { x: 300, y: 300, radius: 20, rise: 64 }];
    plan.walls = vec![WallPlan { x0: 200, y0: 50, x1: 200, y1: 400, thickness: 8, rise: 96 }];
    let (width, height) = (200, 150);
    plan.areas = [false, true]
        .map(|is_disc| AreaPlan {
            is_disc,
            level_min: 1,
            level_max: 4,
            species: 7,
            count: 9,
            x: 320,
            y: 64,
            width,
            height,
            leash: 960,
        })
        .to_vec();
    plan.shops = vec![ShopPlan { number: 1, x: 120, y: 90 }];
    let full = Land::build(vec![plan.clone(), plan.clone()]).unwrap().write();
    let invented = Land::generate(&GenerateConfig { seed: 3, width_m: 64, height_m: 64 }).unwrap().write();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = full.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        script(SEALED, &file)
    };
    vec![
        named("flat", script(RAW, &Land::flat(8.0, 8.0).write())),
        named("bare", script(RAW, &bare)),
        named("full", script(RAW, &full)),
        named("full-sealed", script(SEALED, &full)),
        named("invented", script(SEALED, &invented)),
        named("cut", script(SEALED, &full[..200])),
        named("head-only", script(SEALED, &full[..24])),
        named("trailing", script(SEALED, &[&full[..], &[0]].concat())),
        named("unsealed", script(RAW, &with(30, &[1])[1..])),
        named("no-zones", with(20, &[0])),
        named("more-zones", with(20, &[3])),
        named("huge-sides", with(24, &[0xff; 8])),
        named("largest-sides", with(24, &[0, 0, 0x20, 0, 0, 0, 0x20, 0, 64])),
        named("odd-spacing", with(32, &[3])),
        named("many-circles", with(36, &[0xff; 4])),
        named("no-player-spawns", with(48, &[0])),
        named("circle-outside", with(56, &[0xff; 4])),
        named("circle-on-the-spawn", with(56, &[100, 0, 0, 0, 100, 0, 0, 0, 0, 2])),
        named("steep", with(full.len() - 40, &[0, 0x80, 0xff, 0x7f, 0, 0x80, 0xff, 0x7f])),
    ]
}

/// A plan, then requests: every route by a good body, then what a stranger, a latecomer and a banned one get.
fn requests() -> Vec<Seed> {
    use http::{
        ADA, AWAY, CLOSED, DRAINING, FILLED, FULL, INVITE, LATER, MUCH_LATER, NEWEST, NO_TOKEN, OTHER_TYPE,
        STRANGER,
    };
    let number = |path: &str| match path {
        "list" => 5,
        "delete" => 7,
        path => http::OPERATIONS.iter().position(|(_, own)| own.ends_with(path)).unwrap() as u8,
    };
    let ask = |path: &str, how: u8, body: &str| step(number(path), how, body.as_bytes());
    let script = |plan: u8, steps: &[Vec<u8>]| [&[plan], steps.concat().as_slice()].concat();
    let one = |path: &str, how: u8, body: &str| script(0, &[ask(path, how, body)]);
    let refresh = r#"{"refresh_token":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"}"#;
    let register = r#"{"name":"Eve","password":"battery staple","invite":"code","device":"Laptop"}"#;
    let login = r#"{"name":"ada","password":"correct horse","device":"Laptop"}"#;
    let wrong = r#"{"name":"ada","password":"battery staple"}"#;
    let banned = r#"{"name":"Bob","password":"correct horse"}"#;
    let change = r#"{"old":"correct horse","new":"battery staple"}"#;
    let key = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";
    let play = format!(r#"{{"character_id":"5","realm_id":1,"client_public":"{key}"}}"#);
    let queued = format!(r#"{{"character_id":"5","realm_id":1,"client_public":"{key}","ticket":"$"}}"#);
    let offline = play.replace(r#""realm_id":1"#, r#""realm_id":2"#);
    let mut seeds = vec![
        named("register", one("register", STRANGER, register)),
        named("register-closed", script(CLOSED, &[ask("register", STRANGER, register)])),
        named(
            "register-by-invitation",
            script(
                INVITE,
                &[
                    ask("register", STRANGER, register),
                    ask("register", LATER, &register.replace("Eve", "Joe")),
                    ask("register", LATER, &register.replace("Eve", "Sue")),
                ],
            ),
        ),
        named(
            "register-name-taken",
            script(
                0,
                &[
                    ask("register", STRANGER, &register.replace("Eve", "ADA")),
                    ask("register", STRANGER, &register.replace("Eve", "\u{202e}x")),
                    ask("register", STRANGER, &register.replace("battery staple", "short")),
                ],
            ),
        ),
        named("login", script(0, &[ask("login", STRANGER, login), ask("list", NEWEST, "")])),
        named("login-wrong", script(0, &[(); 6].map(|()| ask("login", AWAY, wrong)))),
        named("login-banned", one("login", STRANGER, banned)),
        named("login-no-name", one("login", STRANGER, &login.replace("ada", "no such name!"))),
        named("login-device-with-control", one("login", STRANGER, &login.replace("Laptop", "a\\u0007b"))),
        named("refresh-twice", script(0, &[ask("refresh", 0, refresh), ask("refresh", 0, refresh)])),
        named(
            "refresh-on",
            script(
                0,
                &[
                    ask("refresh", 0, refresh),
                    ask("refresh", FILLED, r#"{"refresh_token":"$"}"#),
                    ask("logout", NEWEST, ""),
                    ask("refresh", FILLED, r#"{"refresh_token":"$"}"#),
                ],
            ),
        ),
        named("logout", script(0, &[ask("logout", ADA, ""), ask("logout", ADA, "")])),
        named("logout-no-token", script(0, &[ask("logout", NO_TOKEN, ""), ask("logout", STRANGER, "{}")])),
        named(
            "password",
            script(
                0,
                &[
                    ask("password", ADA, change),
                    ask("login", AWAY, login),
                    ask("login", AWAY, wrong),
                    ask("password", NEWEST, change),
                ],
            ),
        ),
        named(
            "characters",
            script(
                0,
                &[
                    step(6, ADA, br#"{"name":"Greta"}"#),
                    step(6, ADA, br#"{"name":"grim"}"#),
                    ask("list", ADA, ""),
                    ask("delete", ADA | FILLED, "$"),
                    ask("delete", ADA, "5"),
                    ask("delete", ADA, "5"),
                ],
            ),
        ),
        named(
            "delete-no-number",
            script(0, &[ask("delete", ADA, "+1"), ask("delete", ADA, "01"), ask("delete", ADA, "%35")]),
        ),
        named("play", script(0, &[ask("/play", ADA, &play), ask("/play", ADA | LATER, &play)])),
        named("play-full", script(FULL, &[ask("/play", ADA, &play), ask("/play", ADA | FILLED, &queued)])),
        named("play-draining", script(DRAINING, &[ask("/play", ADA, &play)])),
        named("play-offline", one("/play", ADA, &offline)),
        named("play-late", one("/play", ADA | LATER | MUCH_LATER, &play)),
        named("realm-status", {
            let push = status_push();
            script(
                0,
                &[
                    ask("realm-status", STRANGER, &push),
                    ask("/realms", STRANGER, ""),
                    ask("/play", ADA, &offline),
                    ask("realm-status", LATER, &push),
                ],
            )
        }),
        named("documents", script(0, &[ask("openapi.json", STRANGER, ""), ask("healthz", STRANGER, "x")])),
        named("other-type", one("login", OTHER_TYPE, login)),
        named("too-large", one("login", STRANGER, &format!("{login}{}", " ".repeat(17_000)))),
        named("deep", one("login", STRANGER, &"[".repeat(2000))),
    ];
    for (path, body) in throng_server::gateway::fuzzing::ROUTES {
        let operation = http::OPERATIONS.iter().position(|own| *own == ("post", path)).unwrap();
        for (place, changed) in spoiled(body).into_iter().enumerate() {
            let kind = ["unknown-field", "missing-field", "number", "null", "cut", "no-utf8"][place];
            seeds.push(named(kind, [&[0], step(operation as u8, ADA, &changed).as_slice()].concat()));
        }
    }
    seeds
}

/// A body of the wrong kind in six ways.
fn spoiled(body: &str) -> [Vec<u8>; 6] {
    let first = body.find(':').unwrap();
    let end = body.find(',').unwrap_or(body.len() - 1);
    let rest = if end + 1 < body.len() { &body[end + 1..] } else { "}" };
    [
        body.replacen('{', r#"{"no such field":1,"#, 1).into_bytes(),
        format!("{{{rest}").into_bytes(),
        format!("{}:1e999,{rest}", &body[..first]).into_bytes(),
        format!("{}:null,{rest}", &body[..first]).into_bytes(),
        body.as_bytes()[..body.len() / 2].to_vec(),
        [body.as_bytes(), b"\xff\xc0"].concat(),
    ]
}

/// What the realm elsewhere says of itself, signed.
fn status_push() -> String {
    use throng_net::protocol::token::KeyName;
    use throng_server::gateway::board::{News, RealmReport, RealmState, Vitals};
    use throng_server::gateway::routes::realms::StatusPush;
    let vitals = Vitals { population: 1, capacity: 2, tick_p99_us: 3, state: RealmState::Open };
    let report = RealmReport {
        realm_id: http::ELSEWHERE,
        as_of_ms: http::STARTED_MS,
        vitals,
        name: "There".to_owned(),
        address: "there.example:7777".to_owned(),
    };
    let held = KeyName { key_id: 3, fingerprint: [3; 8] };
    let (news, key) =
        (News { token_keys: vec![held], ..News::default() }, http::signing_key(http::ELSEWHERE));
    serde_json::to_string(&StatusPush::new(report.sign(&key), news, &key)).unwrap()
}
