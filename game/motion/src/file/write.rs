//! Zones to bytes: the one file that reads back as these zones.

use super::*;
use crate::plan::ZonePlan;

/// Writes a world file.
pub(crate) fn write<'a>(zones: impl ExactSizeIterator<Item = &'a ZonePlan>) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend([0; 8]);
    out.extend((zones.len() as u32).to_le_bytes());
    zones.for_each(|plan| write_zone(&mut out, plan));
    let length = (out.len() as u32).to_le_bytes();
    out[12..16].copy_from_slice(&length);
    let checksum = crc32(&out[CHECKED_FROM..]).to_le_bytes();
    out[16..20].copy_from_slice(&checksum);
    out
}

fn write_zone(out: &mut Vec<u8>, plan: &ZonePlan) {
    let u32s = |out: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|v| out.extend(v.to_le_bytes()));
    let u16s = |out: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|v| out.extend(v.to_le_bytes()));
    // A land holds no list longer than its limit, far below 2^32.
    let count = |list: usize| list as u32;
    u32s(out, &[plan.width, plan.height, plan.spacing_m]);
    u32s(out, &[count(plan.circles.len()), count(plan.walls.len()), count(plan.areas.len())]);
    u32s(out, &[count(plan.player_spawns.len()), count(plan.shops.len())]);
    for circle in &plan.circles {
        u32s(out, &[circle.x, circle.y]);
        u16s(out, &[circle.radius, circle.rise]);
    }
    for wall in &plan.walls {
        u32s(out, &[wall.x0, wall.y0, wall.x1, wall.y1]);
        u16s(out, &[wall.thickness, wall.rise]);
    }
    for area in &plan.areas {
        out.extend([u8::from(area.is_disc), area.level_min, area.level_max, 0]);
        u16s(out, &[area.species, area.count]);
        u32s(out, &[area.x, area.y, area.width, area.height, area.leash]);
    }
    plan.player_spawns.iter().for_each(|spawn| u32s(out, &[spawn.x, spawn.y, spawn.radius]));
    plan.shops.iter().for_each(|shop| u32s(out, &[shop.number, shop.x, shop.y]));
    plan.heights.iter().for_each(|height| out.extend(height.to_le_bytes()));
}
