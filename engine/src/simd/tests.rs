//! All levels give the same bits: the scalar twin is the definition.

use super::*;
use crate::random::Random;

/// Calls `$check` with the lanes of every level that this processor has.
fn each_level(mut check: impl FnMut(&str, &dyn Fn(&Sample) -> Outcome)) {
    for level in Level::available() {
        check(level.name(), &|sample| dispatch_lanes(level, Probe(sample)));
    }
}

#[derive(Debug)]
struct Sample {
    now: (Positions, Details),
    base: (Positions, Details),
    since: [u32; 16],
    ids: [u32; 16],
    baseline: u32,
    centre: u32,
    radius2: i32,
    mask: u16,
    cursor: u16,
    width: u32,
    values: [f32; 16],
}

/// Every operation's answer, scratch cut off.
#[derive(Debug, PartialEq)]
struct Outcome {
    in_range: u16,
    changes: Changes,
    records: Vec<u32>,
    slots: Vec<u32>,
    ranked: Vec<u32>,
    distances: Vec<u32>,
    due: u16,
    extracted: u16,
    beyond: u16,
    unequal: u16,
}

struct Probe<'a>(&'a Sample);

fn at((positions, details): &(Positions, Details)) -> BlockAt<'_> {
    BlockAt { positions, details }
}

impl LaneKernel for Probe<'_> {
    type Output = Outcome;
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Outcome {
        let sample = self.0;
        let (mut records, mut slots, mut distances) = ([0; 16], [0; 16], [0; 16]);
        let changes = lanes.changes(
            at(&sample.now),
            at(&sample.base),
            &sample.since,
            sample.baseline,
            sample.mask,
            &mut records,
        );
        lanes.slots(sample.mask, 1600, &mut slots);
        let mut ranked = [0; 16];
        lanes.ranks(&sample.now.0, sample.centre, sample.mask, 1600, &mut ranked, &mut distances);
        let count = sample.mask.count_ones() as usize;
        Outcome {
            in_range: lanes.in_range(&sample.now.0, sample.centre, sample.radius2),
            changes,
            records: records[..changes.moved.count_ones() as usize].to_vec(),
            slots: slots[..count].to_vec(),
            ranked: ranked[..count].to_vec(),
            distances: distances[..count].to_vec(),
            due: lanes.due(&sample.ids, sample.cursor, sample.width),
            unequal: lanes.unequal(&sample.now.1.attr01, &sample.base.1.attr01),
            beyond: lanes.beyond(&sample.values, 5.0, 2.5),
            extracted: lanes.extract(sample.now.1.z_yaw[0] as u16, sample.mask),
        }
    }
}

/// Blocks whose rows are near each other, and near the edges of what a record can hold.
fn sample(random: &mut Random) -> Sample {
    let near = |random: &mut Random, value: u32| {
        let step = |random: &mut Random| {
            [0, 0, 1, 127, 128, 129, 65_535, 65_408, 65_407, 32_768][random.below(10) as usize] as u16
        };
        let low = (value as u16).wrapping_add(step(random));
        let high = ((value >> 16) as u16).wrapping_add(step(random));
        u32::from(low) | u32::from(high) << 16
    };
    let centre = random.next_u32();
    let (mut now, mut base) = ((Positions::EMPTY, Details::EMPTY), (Positions::EMPTY, Details::EMPTY));
    let (mut since, mut ids) = ([0; 16], [0; 16]);
    for row in 0..16 {
        now.0.0[row] = if random.below(8) == 0 { random.next_u32() } else { near(random, centre) };
        base.0.0[row] = near(random, now.0.0[row]);
        now.1.z_yaw[row] = random.next_u32() & 0x00ff_ffff;
        base.1.z_yaw[row] = if random.below(2) == 0 {
            now.1.z_yaw[row]
        } else {
            near(random, now.1.z_yaw[row] & 0xffff) & 0xffff
                | now.1.z_yaw[row] & 0x00ff_0000 ^ random.below(2) << 16
        };
        now.1.attr01[row] = random.next_u32() & 0x0001_ffff;
        base.1.attr01[row] =
            if random.below(2) == 0 { now.1.attr01[row] } else { random.next_u32() & 0x0001_ffff };
        since[row] = random.below(4) + 99;
        ids[row] = random.next_u32();
    }
    let squares = [-1, 0, 1, 127 * 127, 129 * 129 * 2, 1600 * 1600, 32_768 * 32_768, i32::MAX];
    Sample {
        now,
        base,
        since,
        ids,
        baseline: 100,
        centre: near(random, centre),
        radius2: squares[random.below(8) as usize],
        mask: match random.below(4) {
            0 => 0,
            1 => !0,
            _ => random.next_u32() as u16,
        },
        cursor: random.next_u32() as u16,
        values: std::array::from_fn(|_| match random.below(8) {
            0 => [f32::NAN, f32::INFINITY, 2.5, 7.5, -0.0][random.below(5) as usize],
            _ => random.unit() * 10.0,
        }),
        width: [0, 1, 1639, 40_000, 65_535, 65_536][random.below(6) as usize],
    }
}

#[test]
fn every_level_agrees_with_the_scalar_twin() {
    let seed = std::env::var("THRONG_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("THRONG_TEST_SEED={seed}");
    let mut random = Random::of_tick(seed, 0, 0);
    let (mut kept, mut moved, mut levels) = (0, 0, 0);
    for _ in 0..20_000 {
        let sample = sample(&mut random);
        let expected = Probe(&sample).run(Portable);
        kept += expected.changes.kept.count_ones();
        moved += expected.changes.moved.count_ones();
        levels = 0;
        each_level(|name, outcome| {
            levels += 1;
            assert_eq!(outcome(&sample), expected, "{name} on {sample:?}");
        });
    }
    assert!(
        kept > 1_000 && moved > 1_000 && moved < kept,
        "the samples exercise the records: {kept}, {moved}"
    );
    println!("{levels} levels compared");
}

#[test]
fn a_compiled_loop_gives_the_same_bits_at_every_level_and_length() {
    struct Steer<'a>(&'a mut [f32], &'a [f32]);
    impl Kernel for Steer<'_> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            for (a, b) in self.0.iter_mut().zip(self.1) {
                let square = *a * *a + b * b;
                *a = (*a * 0.99 + b / (1.0 + square).sqrt()).clamp(-4.0, 4.0);
            }
        }
    }
    for rows in (0..70).chain([1000, 4096]) {
        let mut random = Random::of_tick(3, rows, 0);
        let mut draw = || (0..rows).map(|_| random.unit() * 20.0 - 10.0).collect::<Vec<f32>>();
        let (start, other) = (draw(), draw());
        let results: Vec<Vec<u32>> = Level::available()
            .map(|level| {
                let mut values = start.clone();
                for _ in 0..10 {
                    dispatch(level, Steer(&mut values, &other));
                }
                values.iter().map(|value| value.to_bits()).collect()
            })
            .collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{rows} rows");
    }
}

#[test]
fn levels_are_named_and_unknown_ones_refused() {
    for level in Level::available() {
        assert_eq!(Level::named(level.name()), Ok(level));
    }
    let error = Level::named("mmx").unwrap_err().to_string();
    assert!(error.contains("mmx") && error.contains("portable"), "{error}");
}
