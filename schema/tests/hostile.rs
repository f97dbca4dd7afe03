//! Bytes that no honest peer sends: every truncation, lies in the prefix, mutations, verifier bombs.
#![allow(missing_docs)]

mod common;

use common::{Random, rich_snapshot, seed};
use flatbuffers::{ForwardsUOffset, InvalidFlatbuffer, Vector, Verifiable, Verifier, VerifierOptions};
use std::cell::Cell;
use throng_schema::limits::{
    DATAGRAM_BYTES_MAX, VERIFY_APPARENT_BYTES_MAX, VERIFY_DEPTH_MAX, VERIFY_TABLES_MAX,
};
use throng_schema::wire::{Command, Hello, Input, Notice, Snapshot};
use throng_schema::*;

fn options() -> VerifierOptions {
    VerifierOptions {
        max_depth: VERIFY_DEPTH_MAX,
        max_tables: VERIFY_TABLES_MAX,
        max_apparent_size: VERIFY_APPARENT_BYTES_MAX,
        ignore_missing_null_terminator: false,
    }
}

fn good_messages() -> [Vec<u8>; 5] {
    let mut input = [0; INPUT_BYTES];
    let intent = IntentFields { move_x: 0.5, move_y: -0.5, yaw: 1, buttons: 2 };
    write_input(&mut input, 5, 6, 4, &[intent; INTENTS_SENT]);
    [write_hello(SCHEMA_VERSION, "Ann"), input.to_vec(), rich_snapshot(), common::command(), common::notice()]
}

/// Reads as all five kinds and touches every field of what is accepted. Returns which kinds accepted it.
fn read_all(message: &[u8]) -> [bool; 5] {
    let hello = read_hello(message);
    let input = read_input(message);
    let snapshot = read_snapshot(message);
    if let Ok(hello) = &hello {
        let _ = (format!("{hello:?}"), check_hello(hello));
    }
    if let Ok(input) = &input {
        let _ = format!("{input:?}");
    }
    if let Ok(snapshot) = &snapshot {
        let _ = (format!("{snapshot:?}"), snapshot.world().map(check_world));
    }
    // The short ways must come to the same answers.
    let checked = input.map_err(InputRefusal::from).and_then(|i| Ok(check_input(&i)?));
    assert_eq!(decode_input(message), checked);
    let peek = peek_snapshot(message);
    match (&snapshot, &peek) {
        (Ok(s), Ok(peek)) => assert_eq!(*peek, peek_of(s)),
        (Err(refused), Err(peek)) => assert_eq!(refused, peek),
        _ => panic!("read_snapshot and peek_snapshot disagree: {snapshot:?}, {peek:?}"),
    }
    let command = read_command(message);
    let notice = read_notice(message);
    if let Ok(command) = &command {
        let _ = (format!("{command:?}"), check_command(command), command_id(command));
    }
    if let Ok(notice) = &notice {
        let _ = (format!("{notice:?}"), check_notice(notice));
    }
    [hello.is_ok(), input.is_ok(), snapshot.is_ok(), command.is_ok(), notice.is_ok()]
}

fn peek_of(s: &Snapshot<'_>) -> SnapshotPeek {
    SnapshotPeek {
        tick: s.tick(),
        baseline: s.baseline(),
        input: s.input(),
        digest: s.digest(),
        tick_hz: s.world().map(|w| w.tick_hz()),
        refresh_ticks: s.world().map(|w| w.refresh_ticks()),
        gone: s.gone().map_or(0, |v| v.len() as u32),
        full: s.full().map_or(0, |v| v.len() as u32),
        moved: s.moved().map_or(0, |v| v.len() as u32),
        attr: s.attr().map_or(0, |v| v.len() as u32),
        far: s.far().map_or(0, |v| v.len() as u32),
        events: s.events().map_or(0, |v| v.len() as u32),
        pace: s.pace().map(|p| [p.speed(), p.refresh_ticks()]),
    }
}

/// Our readers' verdicts must be the library's with the same limits, plus the prefix.
fn library_verdicts(message: &[u8]) -> [bool; 5] {
    let prefix = message.len() >= 8
        && u32::from_le_bytes([message[0], message[1], message[2], message[3]]) as usize == message.len() - 4;
    [
        prefix && flatbuffers::size_prefixed_root_with_opts::<Hello<'_>>(&options(), message).is_ok(),
        prefix && flatbuffers::size_prefixed_root_with_opts::<Input<'_>>(&options(), message).is_ok(),
        prefix && flatbuffers::size_prefixed_root_with_opts::<Snapshot<'_>>(&options(), message).is_ok(),
        prefix && flatbuffers::size_prefixed_root_with_opts::<Command<'_>>(&options(), message).is_ok(),
        prefix && flatbuffers::size_prefixed_root_with_opts::<Notice<'_>>(&options(), message).is_ok(),
    ]
}

#[test]
fn every_truncation_is_refused() {
    for message in good_messages() {
        for len in 0..message.len() {
            assert_eq!(read_all(&message[..len]), [false; 5], "cut to {len}");
            // Even when the prefix is made to agree, what was cut off is missed or was padding.
            if len >= 8 {
                let mut cut = message[..len].to_vec();
                cut[..4].copy_from_slice(&(len as u32 - 4).to_le_bytes());
                assert_eq!(read_all(&cut), library_verdicts(&cut));
            }
        }
    }
    assert_eq!(read_snapshot(&[]).unwrap_err(), WireError::Truncated { found: 0 });
    assert_eq!(read_snapshot(&[3, 0, 0, 0, 0, 0, 0]).unwrap_err(), WireError::Truncated { found: 7 });
}

#[test]
fn prefix_lies_and_trailing_junk_are_refused() {
    for message in good_messages() {
        let true_len = message.len() - 4;
        for lie in [0, 1, 4, true_len - 1, true_len + 1, true_len + 64, 0x7fff_ffff, 0xffff_ffff] {
            let mut liar = message.clone();
            liar[..4].copy_from_slice(&(lie as u32).to_le_bytes());
            let expected = WireError::Prefix { claimed: lie as u32, found: true_len };
            assert_eq!(read_hello(&liar).unwrap_err(), expected);
            assert_eq!(read_input(&liar).unwrap_err(), expected);
            assert_eq!(read_snapshot(&liar).unwrap_err(), expected);
        }
        for junk in [1, 3, 4, 64] {
            let mut long = message.clone();
            long.resize(message.len() + junk, 0);
            assert_eq!(read_all(&long), [false; 5]);
        }
    }
}

#[test]
fn mutations_never_panic_and_agree_with_the_library() {
    let mut random = Random(seed(20_261_121));
    let mut accepted = 0;
    for message in good_messages() {
        for _ in 0..20_000 {
            let mut mutant = message.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(mutant.len());
                mutant[at] = match random.below(4) {
                    0 => 0,
                    1 => 0xff,
                    2 => mutant[at] ^ 1 << random.below(8),
                    _ => random.word() as u8,
                };
            }
            if random.below(2) == 0 {
                let len = mutant.len() as u32 - 4;
                mutant[..4].copy_from_slice(&len.to_le_bytes());
            }
            let verdicts = read_all(&mutant);
            assert_eq!(verdicts, library_verdicts(&mutant), "{}", common::hex(&mutant));
            accepted += verdicts.iter().filter(|ok| **ok).count();
        }
    }
    // Else the mutations would only ever test the first check.
    assert!(accepted > 1_000, "{accepted} mutants were accepted");
}

#[test]
fn garbage_never_panics() {
    let mut random = Random(seed(1));
    for _ in 0..20_000 {
        let mut message: Vec<u8> = (0..8 + random.below(120)).map(|_| (random.word() & 0x0f) as u8).collect();
        let len = message.len() as u32 - 4;
        message[..4].copy_from_slice(&len.to_le_bytes());
        assert_eq!(read_all(&message), library_verdicts(&message));
    }
}

/// The largest snapshot table that a datagram holds, whose first six vectors are all one and the same.
fn shared_vector_bomb(count: u32) -> Vec<u8> {
    let mut m = vec![0_u8; DATAGRAM_BYTES_MAX];
    let put16 = |m: &mut [u8], at: usize, v: u16| m[at..at + 2].copy_from_slice(&v.to_le_bytes());
    let put32 = |m: &mut [u8], at: usize, v: u32| m[at..at + 4].copy_from_slice(&v.to_le_bytes());
    put32(&mut m, 0, DATAGRAM_BYTES_MAX as u32 - 4);
    put32(&mut m, 4, 36 - 4);
    put16(&mut m, 8, 28);
    put16(&mut m, 10, 28);
    for (i, field) in (6..12).enumerate() {
        put16(&mut m, 12 + 2 * field, 4 + 4 * i as u16);
        let at = 36 + 4 + 4 * i;
        put32(&mut m, at, (64 - at) as u32);
    }
    put32(&mut m, 36, 28);
    put32(&mut m, 64, count);
    m
}

#[test]
fn vectors_that_share_bytes_are_bounded() {
    // All six over the same bytes are well-formed: the verifier's work is at most six times the datagram.
    let fits = shared_vector_bomb(40);
    assert!(read_snapshot(&fits).is_ok());
    for count in [284, 1_000, 0x0400_0000, 0x4000_0000, u32::MAX] {
        let refused = read_snapshot(&shared_vector_bomb(count)).unwrap_err();
        assert_eq!(refused, WireError::Invalid(Fault::OutOfBounds), "{count}");
    }
    // A table that is its own vtable, a root that is the prefix, a vtable of the longest length.
    for (at, value) in
        [(36, 0_u32), (4, 0), (4, u32::MAX - 3), (8, 0xFFFE), (36, 0x8000_0000), (36, 0x7fff_ffff)]
    {
        let mut m = shared_vector_bomb(1);
        m[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert_eq!(read_all(&m), library_verdicts(&m));
    }
}

thread_local!(static VISITS: Cell<usize> = const { Cell::new(0) });

/// A table that this schema does not have, but a later one may: a vector of its own kind.
struct Node;

impl Verifiable for Node {
    fn run_verifier(v: &mut Verifier<'_, '_>, position: usize) -> Result<(), InvalidFlatbuffer> {
        VISITS.set(VISITS.get() + 1);
        v.visit_table(position)?
            .visit_field::<ForwardsUOffset<Vector<'_, ForwardsUOffset<Node>>>>("children", 4, false)?
            .finish();
        Ok(())
    }
}

/// `levels` vectors of `width` references, each to the one node of the next level: width^levels visits.
fn node_bomb(levels: usize, width: usize) -> Vec<u8> {
    let mut words: Vec<u32> = vec![0, 12, 0x0008_0006, 0x0004]; // prefix, root, vtable (6, 8, 4), padding
    for _ in 0..levels {
        let table = words.len();
        words.push((table as u32 - 2) * 4); // back to the vtable
        words.push(4); // the children follow
        words.push(width as u32);
        for i in 0..width {
            words.push(4 * (width - i) as u32); // to the table behind this vector
        }
    }
    let last = words.len();
    words.extend([(last as u32 - 2) * 4, 4, 0]); // a leaf: its vector is empty
    words[0] = (words.len() as u32 - 1) * 4;
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

#[test]
fn bombs_of_nested_vectors_stop_at_the_limits() {
    for (levels, width) in [(1, 270), (2, 130), (3, 90), (6, 40), (12, 18), (30, 5)] {
        let bomb = node_bomb(levels, width);
        assert!(bomb.len() <= DATAGRAM_BYTES_MAX + 64, "{}", bomb.len());
        let (verdict, visits) = visit(&bomb, &options());
        assert!(verdict.is_err(), "{levels} levels of {width} were accepted");
        assert!(visits <= VERIFY_TABLES_MAX + 1, "{levels} levels of {width}: {visits} visits");
        assert_eq!(read_all(&bomb), library_verdicts(&bomb));
    }
    // The canary: these are bombs, with the library's limits.
    let (verdict, visits) = visit(&node_bomb(3, 90), &VerifierOptions::default());
    assert!(verdict.is_ok() && visits > 90 * 90 * 90, "{verdict:?} after {visits} visits");
}

fn visit(message: &[u8], options: &VerifierOptions) -> (Result<(), InvalidFlatbuffer>, usize) {
    VISITS.set(0);
    let mut verifier = Verifier::new(options, message);
    let verdict = <ForwardsUOffset<Node> as Verifiable>::run_verifier(&mut verifier, 4);
    (verdict, VISITS.get())
}
