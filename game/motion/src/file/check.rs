//! Whether a zone's numbers are allowed, one by one.

use super::{
    AREA_BYTES, CIRCLE_BYTES, LandError, PLAYER_SPAWN_BYTES, SHOP_BYTES, WALL_BYTES, ZONE_HEAD_BYTES,
};
use crate::limits::*;
use crate::plan::ZonePlan;

/// Where a zone begins in its file; its lists follow from how long they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address(pub u64);

impl Address {
    fn list(&self, lists_bytes: &[usize]) -> u64 {
        self.0 + (ZONE_HEAD_BYTES + lists_bytes.iter().sum::<usize>()) as u64
    }

    /// Where a zone's lists begin: circles, walls, areas, player spawns, shops, heights, and where it ends.
    fn lists(&self, plan: &ZonePlan) -> [u64; 7] {
        let bytes = [
            plan.circles.len() * CIRCLE_BYTES,
            plan.walls.len() * WALL_BYTES,
            plan.areas.len() * AREA_BYTES,
            plan.player_spawns.len() * PLAYER_SPAWN_BYTES,
            plan.shops.len() * SHOP_BYTES,
            plan.heights.len() * 2,
        ];
        std::array::from_fn(|list| self.list(&bytes[..list]))
    }

    pub(crate) fn end(&self, plan: &ZonePlan) -> u64 {
        self.lists(plan)[6]
    }

    pub(crate) fn player_spawn(&self, plan: &ZonePlan, index: usize) -> u64 {
        self.lists(plan)[3] + (index * PLAYER_SPAWN_BYTES) as u64
    }
}

/// One entry of a list, or the zone's head.
struct Entry {
    zone: u32,
    index: u32,
    offset: u64,
}

impl Entry {
    /// Holds one number, `at` bytes into the entry, to its bounds.
    fn hold(
        &self,
        what: &'static str,
        at: u64,
        found: impl Into<u64>,
        least: u64,
        most: u64,
    ) -> Result<(), LandError> {
        let found = found.into();
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let (zone, index, offset) = (self.zone, self.index, self.offset + at);
        Err(LandError::Value { what, zone, index, offset, found, least, most })
    }
}

/// Holds the zone's size and spacing to their bounds: how many heights there are follows from them.
pub(crate) fn check_size(plan: &ZonePlan, zone: u32, address: &Address) -> Result<(), LandError> {
    let head = Entry { zone, index: 0, offset: address.0 };
    let (least, most) = (SIDE_M_MIN * UNITS_PER_METRE, SIDE_M_MAX * UNITS_PER_METRE);
    head.hold("width", 0, plan.width, least.into(), most.into())?;
    head.hold("height", 4, plan.height, least.into(), most.into())?;
    head.hold("terrain spacing", 8, plan.spacing_m, 1, SPACING_M_MAX.into())?;
    let power_of_two = u64::from(plan.spacing_m.next_power_of_two());
    head.hold("terrain spacing, to be a power of two,", 8, plan.spacing_m, power_of_two, power_of_two)?;
    let heights = u64::from(plan.columns()) * u64::from(plan.rows());
    head.hold("number of heights for this size and spacing", 8, heights, 4, HEIGHTS_MAX.into())
}

/// How many of each a zone has.
pub(crate) struct Counts {
    pub heights: u64,
    pub circles: u64,
    pub walls: u64,
    pub areas: u64,
    pub spawns: u64,
    pub shops: u64,
}

impl Counts {
    pub(crate) fn of(plan: &ZonePlan) -> Self {
        Self {
            heights: plan.heights.len() as u64,
            circles: plan.circles.len() as u64,
            walls: plan.walls.len() as u64,
            areas: plan.areas.len() as u64,
            spawns: plan.player_spawns.len() as u64,
            shops: plan.shops.len() as u64,
        }
    }
}

/// What the zones so far hold together.
#[derive(Default)]
pub(crate) struct Totals {
    heights: u64,
    obstacles: u64,
    areas: u64,
    shops: u64,
}

impl Totals {
    /// Adds a zone that begins at `offset`, unless that is too much.
    pub(crate) fn hold(&mut self, zone: u32, offset: u64, counts: Counts) -> Result<(), LandError> {
        let head = Entry { zone, index: 0, offset };
        let add = |what: &'static str, at: u64, total: &mut u64, more: u64, most: u32| {
            *total = total.saturating_add(more);
            head.hold(what, at, *total, 0, most.into())
        };
        let obstacles = "sum of circles and walls up to this zone";
        add("sum of heights up to this zone", 8, &mut self.heights, counts.heights, HEIGHTS_MAX)?;
        add(obstacles, 12, &mut self.obstacles, counts.circles, OBSTACLES_MAX)?;
        add(obstacles, 16, &mut self.obstacles, counts.walls, OBSTACLES_MAX)?;
        add("sum of spawn areas up to this zone", 20, &mut self.areas, counts.areas, AREAS_MAX)?;
        add("sum of shops up to this zone", 28, &mut self.shops, counts.shops, SHOPS_MAX)?;
        head.hold("number of player spawns", 24, counts.spawns, 1, PLAYER_SPAWNS_MAX.into())
    }
}

/// Holds every number of a zone to its bounds.
pub(crate) fn check(plan: &ZonePlan, zone: u32, address: &Address) -> Result<(), LandError> {
    check_size(plan, zone, address)?;
    let (width, height) = (u64::from(plan.width), u64::from(plan.height));
    let [circles, walls, areas, spawns, shops, heights, _] = address.lists(plan);
    let expected = u64::from(plan.columns()) * u64::from(plan.rows());
    let list = Entry { zone, index: 0, offset: heights };
    list.hold("number of heights", 0, plan.heights.len() as u64, expected, expected)?;

    let entry = |list: u64, bytes: usize, index: usize| Entry {
        zone,
        index: index as u32,
        offset: list + (bytes * index) as u64,
    };
    let metres = |m: u32| u64::from(m * UNITS_PER_METRE);
    for (index, circle) in plan.circles.iter().enumerate() {
        let entry = entry(circles, CIRCLE_BYTES, index);
        entry.hold("x of circle", 0, circle.x, 0, width)?;
        entry.hold("y of circle", 4, circle.y, 0, height)?;
        entry.hold("radius of circle", 8, circle.radius, 1, metres(RADIUS_M_MAX))?;
    }
    for (index, wall) in plan.walls.iter().enumerate() {
        let entry = entry(walls, WALL_BYTES, index);
        let longest = metres(WALL_M_MAX);
        entry.hold("x of the start of wall", 0, wall.x0, 0, width)?;
        entry.hold("y of the start of wall", 4, wall.y0, 0, height)?;
        let span = |from: u32, side: u64| {
            (u64::from(from).saturating_sub(longest), side.min(u64::from(from) + longest))
        };
        let (least, most) = span(wall.x0, width);
        entry.hold("x of the end of wall", 8, wall.x1, least, most)?;
        let (least, most) = span(wall.y0, height);
        entry.hold("y of the end of wall", 12, wall.y1, least, most)?;
        let is_point = wall.x0 == wall.x1 && wall.y0 == wall.y1;
        entry.hold("sameness of the ends of wall", 8, u64::from(is_point), 0, 0)?;
        entry.hold("thickness of wall", 16, wall.thickness, 1, metres(THICKNESS_M_MAX))?;
    }
    for (index, area) in plan.areas.iter().enumerate() {
        let entry = entry(areas, AREA_BYTES, index);
        entry.hold(
            "highest level of spawn area",
            2,
            area.level_max,
            area.level_min.into(),
            LEVEL_MAX.into(),
        )?;
        entry.hold("creature count of spawn area", 6, area.count, 0, AREA_CREATURES_MAX.into())?;
        entry.hold("x of spawn area", 8, area.x, 0, width - 1)?;
        entry.hold("y of spawn area", 12, area.y, 0, height - 1)?;
        entry.hold("width of spawn area", 16, area.width, 1, width - u64::from(area.x))?;
        entry.hold("height of spawn area", 20, area.height, 1, height - u64::from(area.y))?;
        entry.hold("leash of spawn area", 24, area.leash, 0, metres(SIDE_M_MAX))?;
    }
    for (index, spawn) in plan.player_spawns.iter().enumerate() {
        let entry = entry(spawns, PLAYER_SPAWN_BYTES, index);
        let radius = u64::from(spawn.radius);
        entry.hold("radius of player spawn", 8, radius, 1, width.min(height) / 2)?;
        entry.hold("x of player spawn", 0, spawn.x, radius, width - radius)?;
        entry.hold("y of player spawn", 4, spawn.y, radius, height - radius)?;
    }
    for (index, shop) in plan.shops.iter().enumerate() {
        let entry = entry(shops, SHOP_BYTES, index);
        entry.hold("x of shop", 4, shop.x, 0, width)?;
        entry.hold("y of shop", 8, shop.y, 0, height)?;
    }
    Ok(())
}
