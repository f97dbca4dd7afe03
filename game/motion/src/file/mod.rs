//! World files: what can be wrong with one, and where. `docs/world-file.md` is the format.

mod check;
mod read;
mod write;

pub(crate) use check::{Address, Counts, Totals, check};
pub(crate) use read::read;
pub(crate) use write::write;

/// First bytes of a world file.
pub(crate) const MAGIC: [u8; 8] = *b"THRGLAND";
/// The version of the format that is read and written.
pub(crate) const VERSION: u32 = 1;
/// Bytes before the first zone.
pub(crate) const HEAD_BYTES: usize = 24;
/// Where what the checksum covers begins.
pub(crate) const CHECKED_FROM: usize = 20;
/// Bytes of a zone before its lists.
pub(crate) const ZONE_HEAD_BYTES: usize = 32;
/// Bytes of one entry of the lists, in the order in which they follow a zone's head.
pub(crate) const CIRCLE_BYTES: usize = 12;
pub(crate) const WALL_BYTES: usize = 20;
pub(crate) const AREA_BYTES: usize = 28;
pub(crate) const PLAYER_SPAWN_BYTES: usize = 12;
pub(crate) const SHOP_BYTES: usize = 12;

/// Why bytes, or plans of zones, are no land. Offsets are bytes from the start of the file; for plans, of the file that
/// they would make.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum LandError {
    #[error("world file of {found} bytes; at most {allowed} are read")]
    TooLong { found: u64, allowed: u64 },
    #[error("no world file: it begins with \"{}\", not with \"THRGLAND\"", .found.escape_ascii())]
    Magic { found: [u8; 8] },
    #[error("world file of version {found}; this program reads version {known}")]
    Version { found: u32, known: u32 },
    #[error("world file says at offset 12 that it has {said} bytes, and has {found}: copy it again")]
    Length { said: u32, found: u64 },
    #[error(
        "world file is damaged: the checksum at offset 16 is {said:#010x}, of its bytes {found:#010x}: copy it again"
    )]
    Checksum { said: u32, found: u32 },
    #[error(
        "world file ends too early: {needed} bytes are needed from offset {offset} on, {found} are there"
    )]
    Cut { offset: u64, needed: u64, found: u64 },
    #[error("world file goes on for {found} bytes after its last zone, from offset {offset} on")]
    Trailing { offset: u64, found: u64 },
    #[error("zone {zone}: {what} {index} is {found} at offset {offset}; allowed is {least} to {most}")]
    Value { what: &'static str, zone: u32, index: u32, offset: u64, found: u64, least: u64, most: u64 },
    #[error(
        "zone {zone}: more than {allowed} obstacles touch, or nearly touch, the {tile_m} m tile at ({x_m} m, {y_m} m): remove some, or use fewer and larger ones"
    )]
    Crowded { zone: u32, x_m: f32, y_m: f32, tile_m: f32, allowed: usize },
    #[error(
        "zone {zone}: obstacles near tiles make {found} entries of the index, at most {allowed} are allowed: remove some"
    )]
    TooDense { zone: u32, found: usize, allowed: usize },
    #[error(
        "zone {zone}: nobody can stand in player spawn {index} (at offset {offset}): move it off the obstacles and slopes, or make it larger"
    )]
    NoFooting { zone: u32, index: u32, offset: u64 },
}

/// CRC-32 as in zlib and Ethernet: reflected, polynomial 0xedb88320, all ones before and inverted after.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut rest, mut bit) = (byte as u32, 0);
            while bit < 8 {
                rest = (rest >> 1) ^ (0xedb8_8320 & (rest & 1).wrapping_neg());
                bit += 1;
            }
            table[byte] = rest;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}
