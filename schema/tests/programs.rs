//! Runs the checks that live outside Rust: the generated code's drift and the two Python programs.
//! Each says so and passes where its tool is absent.
#![allow(missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

fn run(program: &str, arguments: &[&str]) -> std::io::Result<Output> {
    // No byte code: tests leave nothing behind in the source tree.
    Command::new(program)
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn generated_code_has_not_drifted() {
    let output = match run("sh", &["check_drift.sh"]) {
        Ok(output) => output,
        Err(error) => return println!("skipped: no sh to run check_drift.sh ({error})"),
    };
    let text = text(&output);
    println!("{text}");
    assert!(output.status.success(), "{text}");
    assert!(text.contains("skipped: ") || text.contains("no drift"), "{text}");
}

#[test]
fn the_python_reader_agrees() {
    match run("python3", &["-c", "import flatbuffers; assert flatbuffers.__version__ >= '25'"]) {
        Ok(probe) if probe.status.success() => {}
        _ => return println!("skipped: needs python3 with `pip install flatbuffers==25.12.19`"),
    }
    let output = run("python3", &["python/throng_decode.py"]).unwrap();
    let text = text(&output);
    println!("{text}");
    assert!(output.status.success() && text.contains(" 0 mismatches"), "{text}");
}

#[test]
fn the_python_reader_can_fail() {
    match run("python3", &["-c", "import flatbuffers"]) {
        Ok(probe) if probe.status.success() => {}
        _ => return println!("skipped: needs python3 with `pip install flatbuffers==25.12.19`"),
    }
    // The canary: one digit of one expectation changed must be noticed.
    let folder = std::env::temp_dir().join(format!("throng-vectors-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for file in std::fs::read_dir("vectors").unwrap() {
        let path = file.unwrap().path();
        let text =
            std::fs::read_to_string(&path).unwrap().replacen("\"ack_tick\":101,", "\"ack_tick\":102,", 1);
        std::fs::write(folder.join(path.file_name().unwrap()), text).unwrap();
    }
    let output = run("python3", &["python/throng_decode.py", folder.to_str().unwrap()]).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(text(&output).contains("MISMATCH sequence, tick 101"), "{}", text(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_python_client_names_the_packages_that_it_lacks() {
    // -S: without what is installed beside the standard library.
    let output = match run("python3", &["-S", "python/throng_play.py", "--help"]) {
        Ok(output) => output,
        Err(error) => return println!("skipped: no python3 ({error})"),
    };
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("Traceback"), "{text}");
    for needed in ["flatbuffers", "cryptography", "-m pip install flatbuffers==25.12.19 cryptography\n"] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
}

/// A gateway that answers what it is told to, and a clock that goes on when somebody sleeps.
const SHUT_REALMS: &str = r#"
import struct, sys
sys.path.insert(0, "python")
import throng_play as play
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

now = 0.0
def sleep(seconds):
    global now
    now += seconds
play.time.monotonic, play.time.sleep = (lambda: now), sleep

def gateway(answers):
    gateway = play.Gateway.__new__(play.Gateway)
    gateway.until, gateway.waits_for = now + 9.5, None
    answers = iter(answers)
    gateway.ask = lambda method, path: (200, {"realms": next(answers)})
    return gateway

key = Ed25519PrivateKey.generate()
public_key = play.b64(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

def realm(number, state, online=True):
    signed = b"throng realm 1" + struct.pack("<IQIIIB", number, 5, 3, 9, 900, {"open": 0, "draining": 1, "starting": 2}[state])
    signed += b"\x01\x00R\x03\x00h:7"
    return {"id": number, "as_of_ms": 5, "population": 3, "capacity": 9, "tick_p99_us": 900, "state": state, "name": "R",
            "address": "h:7", "public_key": public_key, "signature": play.b64(key.sign(signed)), "online": online}

draining, offline, other = realm(1, "draining"), realm(1, "draining", False), realm(2, "open")
found = gateway([[draining]] * 3 + [[offline]] * 3 + [[realm(1, "open"), other]]).realm(None)
print("found", found["id"], file=sys.stderr)
found = gateway([[realm(1, "starting")], [draining, other]]).realm(None)
print("found", found["id"], file=sys.stderr)
for wanted, listed in ((1, [draining, other]), (None, [offline, draining]), (7, [other]), (None, [])):
    try:
        gateway([listed] * 20).realm(wanted)
    except play.Failure as reason:
        print("failed:", reason, file=sys.stderr)
"#;

#[test]
fn the_python_client_says_what_it_waits_for() {
    if !has_cryptography() {
        return;
    }
    let output = run("python3", &["-c", SHUT_REALMS]).unwrap();
    let expected = "\
        throng_play: realm 1 is draining, waiting\n\
        throng_play: realm 1 is offline, waiting\n\
        found 1\n\
        throng_play: realm 1 is starting, waiting\n\
        found 2\n\
        throng_play: realm 1 is draining, waiting\n\
        failed: realm 1 is draining, and --wait is over\n\
        throng_play: realm 1 is offline; realm 1 is draining, waiting\n\
        failed: realm 1 is offline; realm 1 is draining, and --wait is over\n\
        throng_play: there is no realm 7, waiting\n\
        failed: there is no realm 7, and --wait is over\n\
        throng_play: there is no realm, waiting\n\
        failed: there is no realm, and --wait is over\n";
    assert_eq!(text(&output), expected);
}

fn has_cryptography() -> bool {
    let probe =
        run("python3", &["-c", "import flatbuffers; import cryptography.hazmat.primitives.ciphers.aead"]);
    let has = probe.is_ok_and(|probe| probe.status.success());
    if !has {
        println!("skipped: needs python3 with `pip install flatbuffers==25.12.19 cryptography`");
    }
    has
}

#[test]
fn the_python_transport_agrees() {
    if !has_cryptography() {
        return;
    }
    let output = run("python3", &["python/throng_transport.py"]).unwrap();
    let text = text(&output);
    println!("{text}");
    assert!(output.status.success() && text.contains(" 0 mismatches"), "{text}");
}

#[test]
fn the_python_transport_can_fail() {
    if !has_cryptography() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("throng-handshake-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let vectors = std::fs::read_to_string("vectors/handshake.json").unwrap();
    // The canary: one digit of one header changed must be noticed.
    let changed = vectors.replacen("\"header\":\"0602", "\"header\":\"0603", 1);
    assert_ne!(changed, vectors);
    std::fs::write(folder.join("handshake.json"), changed).unwrap();
    // Another: a frame that an end should have written.
    let vectors = std::fs::read_to_string("vectors/channel.json").unwrap();
    let changed = vectors.replacen("\"frame\":\"1800", "\"frame\":\"1801", 1);
    assert_ne!(changed, vectors);
    std::fs::write(folder.join("channel.json"), changed).unwrap();
    let output = run("python3", &["python/throng_transport.py", folder.to_str().unwrap()]).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    for mismatch in ["MISMATCH disconnect: the server stops: sealed", "MISMATCH step 1 at 0 ms: frame"] {
        assert!(text(&output).contains(mismatch), "{}", text(&output));
    }
    assert_eq!(output.status.code(), Some(1));
}
