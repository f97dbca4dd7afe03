//! World files: what is written reads back, and whatever else is thrown at the reader is refused without panic, with
//! little memory, and with a reason that says where.
#![allow(missing_docs)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{EXAMPLE, Random};
use throng_motion::limits::{FILE_BYTES_MAX, OBSTACLES_PER_TILE_MAX};
use throng_motion::{CirclePlan, DiscPlan, GenerateConfig, Land, LandError, ZonePlan};

/// Knows how many bytes this thread holds, and held at most.
struct Tracking;

thread_local!(static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) });

fn count(bytes: isize) {
    let (held, peak) = HELD.get();
    HELD.set((held + bytes, peak.max(held + bytes)));
}

// SAFETY: every call goes to the system allocator unchanged; the counter is a plain cell without a destructor.
unsafe impl GlobalAlloc for Tracking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Tracking = Tracking;

/// Most bytes that `work` held at once beyond those that were held before.
fn peak(work: impl FnOnce()) -> usize {
    let (held, _) = HELD.get();
    HELD.set((held, held));
    work();
    (HELD.get().1 - held) as usize
}

/// CRC-32, bit by bit: the second opinion.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// Puts length and checksum right, so that what lies behind them is read.
fn seal(file: &mut [u8]) {
    let length = file.len() as u32;
    file[12..16].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32(&file[20..]);
    file[16..20].copy_from_slice(&checksum.to_le_bytes());
}

/// A file of 4 KiB with everything in it.
fn small() -> Vec<u8> {
    Land::generate(&GenerateConfig { seed: 5, width_m: 64, height_m: 64 }).unwrap().write()
}

fn plan() -> ZonePlan {
    let mut plan = ZonePlan { width: 64 * 32, height: 64 * 32, spacing_m: 8, ..ZonePlan::default() };
    plan.heights = vec![0; (plan.columns() * plan.rows()) as usize];
    plan.player_spawns = vec![DiscPlan { x: 64, y: 64, radius: 32 }];
    plan
}

fn refusal(file: &[u8]) -> LandError {
    Land::read(file).map(|_| "read").expect_err("a file that must be refused")
}

#[test]
fn what_is_written_reads_back() {
    for file in [EXAMPLE.to_vec(), small(), Land::flat(333.3, 70.0).write()] {
        assert!(Land::read(&file).unwrap().write() == file);
    }
    let mut land = Land::read(EXAMPLE).unwrap();
    land.lay_out(3, 100.0).unwrap();
    assert!(land.write() == EXAMPLE, "the layout is no part of the file");
}

#[test]
fn a_file_that_is_cut_or_longer_is_refused_at_every_byte() {
    let file = small();
    for length in 0..file.len() {
        let mut cut = file[..length].to_vec();
        assert!(Land::read(&cut).is_err());
        if length >= 24 {
            seal(&mut cut);
            assert!(matches!(refusal(&cut), LandError::Cut { .. }), "{length}: {}", refusal(&cut));
        }
    }
    let mut longer = file.clone();
    longer.push(0);
    assert_eq!(refusal(&longer), LandError::Length { said: file.len() as u32, found: longer.len() as u64 });
    seal(&mut longer);
    assert_eq!(refusal(&longer), LandError::Trailing { offset: file.len() as u64, found: 1 });
}

#[test]
fn every_changed_bit_is_noticed() {
    let mut file = small();
    for bit in 0..file.len() * 8 {
        file[bit / 8] ^= 1 << (bit % 8);
        assert!(Land::read(&file).is_err(), "bit {bit}");
        file[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn mutated_files_are_refused_or_read_back_and_hold_little_memory() {
    let mut random = Random::new();
    let (mut refused, mut read) = (0, 0);
    for (original, rounds) in [(EXAMPLE, 150), (&small()[..], 20_000)] {
        for _ in 0..rounds {
            let mut file = original.to_vec();
            for _ in 0..=random.below(4) {
                // The heads and the first lists decide the most.
                let within = [64, 2_000, file.len()][random.below(3)].min(file.len());
                let at = random.below(within);
                match random.below(8) {
                    0 => file.truncate(at.max(24)),
                    1 => file.insert(at, random.bits() as u8),
                    2 => drop(file.remove(at.min(file.len() - 1))),
                    3 if at + 4 <= file.len() => {
                        let odd = [0, 1, u32::MAX, 1 << 31, 1 << 16, random.bits()][random.below(6)];
                        file[at..at + 4].copy_from_slice(&odd.to_le_bytes());
                    }
                    _ => file[at.min(original.len().min(24) + 40)] = random.bits() as u8,
                }
                if file.len() < 24 {
                    file.resize(24, 0);
                }
            }
            file[..12].copy_from_slice(&EXAMPLE[..12]);
            seal(&mut file);
            let mut land = None;
            let held = peak(|| land = Land::read(&file).ok());
            // The index of obstacles is the largest part: see limits.rs.
            assert!(held <= 24 * file.len() + (1 << 20), "{held} bytes for a file of {}", file.len());
            match land {
                Some(land) => {
                    assert!(land.write() == file);
                    read += 1;
                }
                None => refused += 1,
            }
        }
    }
    assert!(read > 500 && refused > 5_000, "{read} read, {refused} refused");
}

#[test]
fn counts_that_promise_much_allocate_nothing() {
    let file = small();
    // The first zone's counts, and its sides.
    for at in [24, 28, 36, 40, 44, 48, 52] {
        for value in [1 << 15, 1 << 18, 1 << 21, u32::MAX] {
            let mut file = file.clone();
            file[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
            seal(&mut file);
            let mut refused = None;
            let held = peak(|| refused = Land::read(&file).err());
            assert!(refused.is_some() && held < 256, "{held} bytes for {value} at {at}: {refused:?}");
        }
    }
    assert_eq!(
        refusal(&vec![0; FILE_BYTES_MAX + 1]),
        LandError::TooLong { found: FILE_BYTES_MAX as u64 + 1, allowed: FILE_BYTES_MAX as u64 }
    );
}

#[test]
fn a_refusal_says_what_was_found_where_and_what_is_allowed() {
    let file = small();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = file.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        seal(&mut file);
        refusal(&file).to_string()
    };
    assert_eq!(
        with(0, b"PK\x03\x04"),
        r#"no world file: it begins with "PK\x03\x04LAND", not with "THRGLAND""#
    );
    assert_eq!(with(8, &[9]), "world file of version 9; this program reads version 1");
    assert_eq!(with(20, &[0]), "zone 0: number of zones 0 is 0 at offset 20; allowed is 1 to 64");
    assert_eq!(
        with(32, &[3]),
        "zone 0: terrain spacing, to be a power of two, 0 is 3 at offset 32; allowed is 4 to 4"
    );
    // This land has no circles: its walls begin right after the zone's head.
    let wall = 24 + 32 + 20;
    assert_eq!(
        with(wall, &2_049_u32.to_le_bytes()),
        format!("zone 0: x of the start of wall 1 is 2049 at offset {wall}; allowed is 0 to 2048")
    );
    let mut damaged = file.clone();
    damaged[30] ^= 1;
    assert!(refusal(&damaged).to_string().contains("copy it again"));
}

#[test]
fn what_no_list_shows_is_refused_too() {
    let mut crowded = plan();
    let stone = CirclePlan { x: 1_000, y: 1_000, radius: 8, rise: 32 };
    crowded.circles = vec![stone; OBSTACLES_PER_TILE_MAX];
    assert!(Land::build(vec![crowded.clone()]).is_ok());
    crowded.circles.push(stone);
    assert!(matches!(Land::build(vec![crowded]), Err(LandError::Crowded { zone: 0, .. })));

    let mut blocked = plan();
    blocked.circles = vec![CirclePlan { x: 64, y: 64, radius: 40, rise: 32 }];
    let spawns_at = 24 + 32 + 12;
    let expected =
        LandError::NoFooting { zone: 1, index: 0, offset: (24 + 32 + 12 + 2 * 81 + spawns_at - 24) as u64 };
    assert_eq!(Land::build(vec![plan(), blocked]).err(), Some(expected));

    let mut short = plan();
    short.heights.pop();
    assert!(matches!(
        Land::build(vec![short]),
        Err(LandError::Value { what: "number of heights", found: 80, least: 81, most: 81, .. })
    ));
    assert!(matches!(Land::build(vec![]), Err(LandError::Value { what: "number of zones", .. })));
    assert!(matches!(Land::build(vec![plan(); 65]), Err(LandError::Value { found: 65, .. })));
}
