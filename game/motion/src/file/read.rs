//! Bytes to zones. Nothing is allocated before the bytes that fill it are known to be there.

use super::check::{Counts, Totals, check_size};
use super::*;
use crate::limits::*;
use crate::plan::{AreaPlan, CirclePlan, DiscPlan, ShopPlan, WallPlan, ZonePlan};
use crate::region::Region;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn need(&self, bytes: u64) -> Result<(), LandError> {
        let found = self.left() as u64;
        if found < bytes {
            return Err(LandError::Cut { offset: self.at as u64, needed: bytes, found });
        }
        Ok(())
    }

    /// The next `N` bytes, which are there: [`need`](Self::need) has been asked.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.bytes[self.at..].first_chunk().copied().unwrap_or([0; N]);
        self.at += N;
        taken
    }

    fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
}

/// Reads the zones of a world file.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Region>, LandError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(LandError::TooLong { found: bytes.len() as u64, allowed: FILE_BYTES_MAX as u64 });
    }
    let mut reader = Reader { bytes, at: 0 };
    reader.need(HEAD_BYTES as u64)?;
    let magic = reader.take();
    if magic != MAGIC {
        return Err(LandError::Magic { found: magic });
    }
    let version = reader.u32();
    if version != VERSION {
        return Err(LandError::Version { found: version, known: VERSION });
    }
    let length = reader.u32();
    if length as usize != bytes.len() {
        return Err(LandError::Length { said: length, found: bytes.len() as u64 });
    }
    let (said, found) = (reader.u32(), crc32(&bytes[CHECKED_FROM..]));
    if said != found {
        return Err(LandError::Checksum { said, found });
    }
    let zones = reader.u32();
    if !(1..=ZONES_MAX).contains(&zones) {
        let (found, most) = (zones.into(), ZONES_MAX.into());
        let what = "number of zones";
        return Err(LandError::Value { what, zone: 0, index: 0, offset: 20, found, least: 1, most });
    }
    let mut totals = Totals::default();
    let mut regions = Vec::new();
    for zone in 0..zones {
        let address = Address(reader.at as u64);
        let plan = zone_plan(&mut reader, zone, &mut totals)?;
        regions.push(Region::build(plan, zone, address)?);
    }
    if reader.left() > 0 {
        return Err(LandError::Trailing { offset: reader.at as u64, found: reader.left() as u64 });
    }
    Ok(regions)
}

fn zone_plan(reader: &mut Reader<'_>, zone: u32, totals: &mut Totals) -> Result<ZonePlan, LandError> {
    let start = reader.at as u64;
    reader.need(ZONE_HEAD_BYTES as u64)?;
    let mut plan = ZonePlan {
        width: reader.u32(),
        height: reader.u32(),
        spacing_m: reader.u32(),
        ..ZonePlan::default()
    };
    check_size(&plan, zone, &Address(start))?;
    let heights = u64::from(plan.columns()) * u64::from(plan.rows());
    let [circles, walls, areas, spawns, shops] = std::array::from_fn(|_| u64::from(reader.u32()));
    totals.hold(zone, start, Counts { heights, circles, walls, areas, spawns, shops })?;
    // All counts are bounded, so the sum is.
    reader.need(
        circles * CIRCLE_BYTES as u64
            + walls * WALL_BYTES as u64
            + areas * AREA_BYTES as u64
            + spawns * PLAYER_SPAWN_BYTES as u64
            + shops * SHOP_BYTES as u64
            + heights * 2,
    )?;
    plan.circles = (0..circles)
        .map(|_| CirclePlan { x: reader.u32(), y: reader.u32(), radius: reader.u16(), rise: reader.u16() })
        .collect();
    plan.walls = (0..walls)
        .map(|_| WallPlan {
            x0: reader.u32(),
            y0: reader.u32(),
            x1: reader.u32(),
            y1: reader.u32(),
            thickness: reader.u16(),
            rise: reader.u16(),
        })
        .collect();
    plan.areas = (0..areas).map(|index| area_plan(reader, zone, index as u32)).collect::<Result<_, _>>()?;
    plan.player_spawns =
        (0..spawns).map(|_| DiscPlan { x: reader.u32(), y: reader.u32(), radius: reader.u32() }).collect();
    plan.shops =
        (0..shops).map(|_| ShopPlan { number: reader.u32(), x: reader.u32(), y: reader.u32() }).collect();
    plan.heights = (0..heights).map(|_| reader.u16() as i16).collect();
    Ok(plan)
}

fn area_plan(reader: &mut Reader<'_>, zone: u32, index: u32) -> Result<AreaPlan, LandError> {
    let offset = reader.at as u64;
    let shape = reader.u8();
    let (level_min, level_max, zero) = (reader.u8(), reader.u8(), reader.u8());
    for (what, at, found, most) in
        [("shape of spawn area", 0, shape, 1), ("fourth byte of spawn area", 3, zero, 0)]
    {
        if found > most {
            let (offset, found, most) = (offset + at, found.into(), most.into());
            return Err(LandError::Value { what, zone, index, offset, found, least: 0, most });
        }
    }
    Ok(AreaPlan {
        is_disc: shape == 1,
        level_min,
        level_max,
        species: reader.u16(),
        count: reader.u16(),
        x: reader.u32(),
        y: reader.u32(),
        width: reader.u32(),
        height: reader.u32(),
        leash: reader.u32(),
    })
}
