//! The reader of world files. The first byte says what is done to the rest before it is read: nothing, or that magic,
//! version, length and checksum are put right, without which hardly any mutation gets to what lies behind them.

use throng_motion::{Body, Land, Limits, Vec2, Vec3, step};

/// The bytes are read as they are.
pub const RAW: u8 = 0;
/// Their first 20 are put right before.
pub const SEALED: u8 = 1;

const HEAD: &[u8; 12] = b"THRGLAND\x01\0\0\0";

/// Reads the bytes as a world file; panics if what reads does not write itself back, or if a body on it comes to be where
/// nobody may be.
pub fn run(data: &[u8]) {
    let Some((mode, file)) = data.split_first() else { return };
    let mut file = file.to_vec();
    if *mode == SEALED && file.len() >= 20 {
        file[..12].copy_from_slice(HEAD);
        let length = file.len() as u32;
        file[12..16].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32(&file[20..]).to_le_bytes();
        file[16..20].copy_from_slice(&checksum);
    }
    let Ok(mut land) = Land::read(&file) else { return };
    assert!(land.write() == file, "a land has one file");
    let main = land.zones()[0];
    if land.lay_out(2, 100.0).is_ok() {
        assert_eq!(land.zones().len() as u32, 2 * land.zone_count() - 1);
    }
    assert_eq!(land.zones()[0], main);
    for (id, zone) in land.instances(land.zone_count() - 1) {
        let spawn = land.player_spawns(id)[0];
        let home = land.nearest_free(spawn.centre.x, spawn.centre.y);
        assert!(home.truncate().distance(spawn.centre) <= spawn.radius_m + 0.01);
        let limits = Limits { speed_max_m_s: 10.0, acceleration_m_s2: 100.0 };
        let mut body = Body { x: home.x, y: home.y, ..Body::default() };
        for wish in [Vec2::X, Vec2::ONE, Vec2::NEG_Y, Vec2::new(-1.0, 0.3)] {
            for _ in 0..8 {
                body = step(&land, &limits, body, wish, 0.1);
                assert!(land.is_free(body.x, body.y) && land.zone_at(body.x, body.y) == Some(id), "{body:?}");
            }
        }
        let middle = zone.origin + zone.size * 0.5;
        land.is_clear(Vec3::new(body.x, body.y, body.z + 1.5), middle.extend(1.5));
    }
}

/// As zlib's, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
