//! A reference encoder and a reference view, written for clarity from `PROTOCOL.md`, not for speed.
//! Each test program uses a part of them.
#![allow(dead_code, missing_docs)]

use throng_schema::wire::{Event, Outcome, Told, Verb};
use throng_schema::{CommandFields, NoticeFields, write_command, write_notice};

pub mod encode;
pub mod view;

/// One entity as a near list holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    pub id: u32,
    pub x: i16,
    pub y: i16,
    pub z: i16,
    pub yaw: u8,
    pub attr: [u16; 4],
}

/// splitmix64: a whole stream from one printed seed.
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }
}

/// The seed of a random test: `THRONG_SEED`, else fixed. Printed, so that a failure can be run again.
pub fn seed(default: u64) -> u64 {
    let seed = std::env::var("THRONG_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(default);
    println!("seed: THRONG_SEED={seed}");
    seed
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A snapshot with every field and vector in it, for tests of the readers.
pub fn rich_snapshot() -> Vec<u8> {
    let old: Vec<Entity> = (0..20)
        .map(|i| Entity { id: 100 + i, x: 10 * i as i16, attr: [1, 2, 3, 4], ..Entity::default() })
        .collect();
    let mut new = old.clone();
    new.remove(3);
    new.insert(7, Entity { id: 900, x: -5, y: 6, z: 7, yaw: 8, attr: [9, 10, 11, 12] });
    for e in new.iter_mut().skip(8) {
        e.x += 3;
        e.yaw = 77;
    }
    new[9].attr[2] = 555;
    let far = [Entity { id: 4000, x: 1, y: 2, z: 3, yaw: 4, attr: [0x1234, 0, 0, 0] }];
    let events = [Event::new(3, 0, 500, 900, 101, -5, 6)];
    let draft = encode::Draft {
        tick: 41,
        baseline: 40,
        input: 7,
        digest: true,
        world: true,
        far: &far,
        queued: 2,
        ..Default::default()
    };
    encode::Draft { own_attr: Some([1, 2, 3, 4]), pace: Some([900, 12]), events: &events, ..draft }
        .encode(&old, &new)
}

/// A command with every field in it.
pub fn command() -> Vec<u8> {
    let fields = CommandFields {
        id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        verb: Verb::Buy,
        entity: 0x0040_0007,
        item: 12,
        quantity: 3,
        money: 4_500_000_000,
        revision: 9,
        text: "well met",
        name: "Zoë",
    };
    written(|out| write_command(out, &fields))
}

/// A notice with every field in it.
pub fn notice() -> Vec<u8> {
    let fields = NoticeFields {
        id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        tick: 77,
        told: Told::Answer,
        outcome: Outcome::NotEnoughMoney,
        entity: 0x0040_0007,
        item: 12,
        quantity: 3,
        money: -4_500_000_000,
        revision: 9,
        text: "well met",
        name: "Zoë",
    };
    written(|out| write_notice(out, &fields))
}

/// What a writer lays into a buffer that is large enough.
pub fn written(write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Vec<u8> {
    let mut out = [0xAA; 1024];
    let bytes = write(&mut out).expect("it fits");
    out[..bytes].to_vec()
}
