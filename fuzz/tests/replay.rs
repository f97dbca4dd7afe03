//! Replays the committed seeds through every target, then some mutations of each.
//!
//! A finding becomes a regression test by copying its file into `seeds/<target>/`. The generated seeds are written
//! anew with `THRONG_WRITE_SEEDS=1 cargo test -p throng-fuzz`; files of other names stay as they are.
#![allow(missing_docs)]

mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Once;

use throng_fuzz::{TARGETS, Target};

const MUTATIONS_PER_SEED: usize = 200;

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)
}

/// Writes the generated seeds, when that is asked for, before any test reads them.
fn write_if_asked() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (target, _) in TARGETS.iter().filter(|_| std::env::var_os("THRONG_WRITE_SEEDS").is_some()) {
            std::fs::create_dir_all(folder(target)).unwrap();
            for (name, bytes) in seeds::of(target) {
                std::fs::write(folder(target).join(name), bytes).unwrap();
            }
        }
    });
}

/// The committed seeds of a target, by name.
fn committed(target: &str) -> Vec<(String, Vec<u8>)> {
    write_if_asked();
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder(target))
        .unwrap_or_else(|e| panic!("seeds of {target}: {e}"))
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Runs a target; on a panic keeps the bytes and says where.
fn run(target: &str, body: Target, name: &str, data: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| body(data))).is_err() {
        let path = std::env::temp_dir().join(format!("throng-fuzz-{target}-{}", std::process::id()));
        std::fs::write(&path, data).unwrap();
        panic!("{target} failed on {name}: the bytes are in {}", path.display());
    }
}

#[test]
fn committed_seeds_are_the_generated_ones() {
    for (target, _) in TARGETS {
        let committed = committed(target);
        let generated = seeds::of(target);
        assert!(generated.len() >= 8, "{target} has {} seeds", generated.len());
        for seed in generated {
            assert!(committed.contains(&seed), "{target}/{}: see the top of tests/replay.rs", seed.0);
        }
    }
}

#[test]
fn every_operation_of_the_document_is_fuzzed() {
    let mut own: Vec<(String, String)> =
        throng_fuzz::http_body::OPERATIONS.map(|(method, path)| (method.to_owned(), path.to_owned())).into();
    own.sort();
    assert_eq!(own, throng_fuzz::http_body::documented_operations());
}

#[test]
fn seeds_run() {
    for (target, body) in TARGETS {
        let seeds = committed(target);
        for (name, data) in &seeds {
            run(target, body, name, data);
        }
        run(target, body, "nothing", &[]);
        println!("{target}: {} seeds", seeds.len());
    }
}

#[test]
fn mutated_seeds_run() {
    let seed = std::env::var("THRONG_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261_121_u64);
    println!("seed: THRONG_SEED={seed}");
    let mut state = seed;
    let mut random = move |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound.max(1)
    };
    for (target, body) in TARGETS {
        let seeds = committed(target);
        for (name, data) in &seeds {
            for _ in 0..MUTATIONS_PER_SEED {
                let mut mutant = data.clone();
                for _ in 0..=random(4) {
                    let at = random(mutant.len());
                    match random(6) {
                        0 => mutant.insert(at, random(256) as u8),
                        1 if !mutant.is_empty() => drop(mutant.remove(at)),
                        2 => mutant.truncate(at),
                        3 => {
                            let (_, other) = &seeds[random(seeds.len())];
                            let from = random(other.len()).min(other.len());
                            mutant.truncate(at);
                            mutant.extend_from_slice(&other[from..]);
                        }
                        _ if !mutant.is_empty() => mutant[at] = random(256) as u8,
                        _ => {}
                    }
                }
                run(target, body, name, &mutant);
            }
        }
    }
}
