//! Where the copies of the zones lie on the one plane of the world.
//!
//! ```text
//!   y  │ [2:1]  [2:2]              rows of copies, a gap apart
//!      │ [1:1]  [1:2]  [1:3]
//!      │
//!      │ [    main zone    ]
//!      └──────────────────── x
//! ```

use glam::Vec2;

use crate::land::Zone;
use crate::limits::{COPIES_MAX, PLACED_MAX, SHOPS_MAX, SIDE_M_MAX};
use crate::plan::ZonePlan;
use crate::region::Region;

/// Copies begin at multiples of this, metres: a parcel then belongs to one zone at most, and a place's coordinates in
/// its zone are exact.
pub(crate) const PARCEL_M: u32 = 64;

/// Why the zones cannot be laid out so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum LayoutError {
    #[error("a gap of {gap_m} m between zones: it must be more than the view radius, and at most {most_m} m")]
    Gap { gap_m: f32, most_m: u32 },
    #[error(
        "{instances} instances of {templates} zones are {found} zones with the main one; at most {allowed}: lower instances"
    )]
    Copies { instances: u32, templates: u32, found: u64, allowed: u32 },
    #[error(
        "{instances} instances have {found} spawn areas, shops and player spawns; at most {allowed}: lower instances"
    )]
    Placed { instances: u32, found: u64, allowed: u32 },
    #[error(
        "{instances} instances have {found} shops; at most {allowed}: lower instances, or the shops of the zones"
    )]
    Shops { instances: u32, found: u64, allowed: u32 },
    #[error(
        "{instances} instances of each zone need a world of {width_m} x {height_m} m; at most {most_m} m a side: lower instances or the gap"
    )]
    Size { instances: u32, width_m: u64, height_m: u64, most_m: u32 },
}

/// The main zone and `instances` copies of every other one, and the size of the world around them.
pub(crate) fn lay_out(
    regions: &[Region],
    instances: u32,
    gap_m: f32,
) -> Result<(Vec<Zone>, Vec2), LayoutError> {
    if !(gap_m > 0.0 && gap_m <= SIDE_M_MAX as f32) {
        return Err(LayoutError::Gap { gap_m, most_m: SIDE_M_MAX });
    }
    let templates = regions.len().saturating_sub(1) as u32;
    let found = u64::from(instances) * u64::from(templates) + 1;
    if found > COPIES_MAX.into() {
        return Err(LayoutError::Copies { instances, templates, found, allowed: COPIES_MAX });
    }
    let sum = |count: fn(&ZonePlan) -> usize| -> u64 {
        let copies = |zone: usize| if zone == 0 { 1 } else { u64::from(instances) };
        regions.iter().enumerate().map(|(zone, region)| count(&region.plan) as u64 * copies(zone)).sum()
    };
    let found = sum(|plan| plan.areas.len() + plan.shops.len() + plan.player_spawns.len());
    if found > PLACED_MAX.into() {
        return Err(LayoutError::Placed { instances, found, allowed: PLACED_MAX });
    }
    let found = sum(|plan| plan.shops.len());
    if found > SHOPS_MAX.into() {
        return Err(LayoutError::Shops { instances, found, allowed: SHOPS_MAX });
    }

    let ceil = |metres: f32| metres.ceil() as u64;
    let parcels = |metres: u64| metres.next_multiple_of(PARCEL_M.into());
    let gap = ceil(gap_m);
    let sides = |region: &Region| (ceil(region.width_m), ceil(region.height_m));
    let (main_width, main_height) = regions.first().map_or((0, 0), sides);
    // Rows about as long as they are many, but never shorter than the main zone: the world stays near a square.
    let copies =
        || regions.iter().enumerate().skip(1).flat_map(|zone| (1..=instances).map(move |i| (zone, i)));
    let ground: u64 = copies()
        .map(|((_, region), _)| sides(region))
        .map(|(width, height)| parcels(width + gap) * parcels(height + gap))
        .sum();
    let row_m = main_width.max(ground.isqrt());

    let mut zones = Vec::with_capacity(1 + copies().count());
    let zone_of = |zone: usize, instance: u32, region: &Region, x: u64, y: u64| Zone {
        zone: zone as u32,
        instance,
        origin: Vec2::new(x as f32, y as f32),
        size: Vec2::new(region.width_m, region.height_m),
    };
    zones.extend(regions.first().map(|main| zone_of(0, 1, main, 0, 0)));
    let (mut width, mut height) = (main_width, main_height);
    let (mut x, mut y) = (0, parcels(main_height + gap));
    for ((zone, region), instance) in copies() {
        let (zone_width, zone_height) = sides(region);
        if x > 0 && x + zone_width > row_m {
            (x, y) = (0, parcels(height + gap));
        }
        zones.push(zone_of(zone, instance, region, x, y));
        (width, height) = (width.max(x + zone_width), height.max(y + zone_height));
        x = parcels(x + zone_width + gap);
    }
    if width.max(height) > SIDE_M_MAX.into() {
        return Err(LayoutError::Size { instances, width_m: width, height_m: height, most_m: SIDE_M_MAX });
    }
    Ok((zones, Vec2::new(width as f32, height as f32)))
}
