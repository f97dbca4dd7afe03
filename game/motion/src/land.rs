//! The static land: its zones as they are laid out, and what is where.

use glam::{Vec2, Vec3};

use crate::area::{Area, Disc};
use crate::file::{self, Address, Counts, LandError, Totals};
use crate::generate::{self, GenerateConfig};
use crate::layout::{self, LayoutError, PARCEL_M};
use crate::limits::{SPACING_M_MAX, UNITS_PER_METRE};
use crate::plan::{DiscPlan, ZonePlan, place};
use crate::region::Region;

/// A zone that is laid out: its place in [`Land::zones`]. 0 is the main zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(pub u32);

/// A zone that is laid out: a rectangle of the world that nobody walks out of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zone {
    /// Which zone of the world file it is a copy of; 0 is the main zone, of which there is one.
    pub zone: u32,
    /// Which copy: 1, 2, 3 ...
    pub instance: u32,
    /// Its corner of least x and y in the world, whole metres.
    pub origin: Vec2,
    /// Its sides, metres.
    pub size: Vec2,
}

/// Where creatures live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpawnArea {
    /// The zone that it lies in.
    pub zone: ZoneId,
    /// Where, in the world. Parts of it may lie in obstacles: ask [`Land::nearest_free`].
    pub area: Area,
    /// Which creatures.
    pub species: u16,
    /// How many.
    pub count: u16,
    /// How far from where it appeared a creature goes before it turns back, metres.
    pub leash_m: f32,
    /// Lowest level.
    pub level_min: u8,
    /// Highest level; not below the lowest.
    pub level_max: u8,
}

/// Where a shopkeeper stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shop {
    /// The zone that it lies in.
    pub zone: ZoneId,
    /// The shop's number in the world file.
    pub number: u32,
    /// Where, in the world.
    pub place: Vec2,
}

/// The static land of a world.
#[derive(Clone, Debug)]
pub struct Land {
    regions: Vec<Region>,
    zones: Vec<Zone>,
    size: Vec2,
    /// One more than the number of the zone that touches a parcel, 0 for none.
    parcels: Vec<u16>,
    parcel_columns: u32,
    areas: Vec<SpawnArea>,
    shops: Vec<Shop>,
    player_spawns: Vec<Disc>,
    /// Where each zone's begin in `player_spawns`, and where the last one's end.
    first_spawns: Vec<u32>,
}

/// A zone's ground, and where it begins in the world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub region: &'a Region,
    pub origin: Vec2,
}

impl Land {
    /// Reads a world file, whoever it is from. Its main zone is laid out, alone: see [`lay_out`](Self::lay_out).
    ///
    /// # Errors
    /// When the bytes are no world file of the version that is known, or break one of its [`limits`](crate::limits).
    pub fn read(bytes: &[u8]) -> Result<Self, LandError> {
        Ok(Self::of(file::read(bytes)?))
    }

    /// Makes a land of plans, the main zone's first.
    ///
    /// # Errors
    /// As [`read`](Self::read) of the file that they would make.
    pub fn build(plans: Vec<ZonePlan>) -> Result<Self, LandError> {
        let (found, most) = (plans.len() as u64, crate::limits::ZONES_MAX.into());
        if !(1..=most).contains(&found) {
            let what = "number of zones";
            return Err(LandError::Value { what, zone: 0, index: 0, offset: 20, found, least: 1, most });
        }
        let (mut totals, mut regions) = (Totals::default(), Vec::new());
        let mut address = Address(file::HEAD_BYTES as u64);
        for (zone, plan) in (0..).zip(plans) {
            totals.hold(zone, address.0, Counts::of(&plan))?;
            let end = address.end(&plan);
            regions.push(Region::build(plan, zone, address)?);
            address = Address(end);
        }
        Ok(Self::of(regions))
    }

    /// Invents a land; the same config gives the same one.
    ///
    /// # Errors
    /// When the config's sides are not allowed.
    pub fn generate(config: &GenerateConfig) -> Result<Self, LandError> {
        Self::build(generate::plans(config)?)
    }

    /// An empty, level land of one zone. Sides are cut to whole 1/32 m and to what is allowed.
    pub fn flat(width_m: f32, height_m: f32) -> Self {
        use crate::limits::{SIDE_M_MAX, SIDE_M_MIN, TILE_M_MIN};
        // `as` saturates, and makes 0 of what is no number.
        let side = |metres: f32| {
            ((metres * UNITS_PER_METRE as f32) as u32)
                .clamp(SIDE_M_MIN * UNITS_PER_METRE, SIDE_M_MAX * UNITS_PER_METRE)
        };
        let (width, height) = (side(width_m), side(height_m));
        let mut plan = ZonePlan { width, height, spacing_m: TILE_M_MIN, ..ZonePlan::default() };
        // Tiles are as wide as the spacing: a wide one makes a wide border.
        while plan.spacing_m < SPACING_M_MAX && u64::from(plan.columns()) * u64::from(plan.rows()) > 1 << 20 {
            plan.spacing_m *= 2;
        }
        plan.heights = vec![0; plan.columns() as usize * plan.rows() as usize];
        let radius = width.min(height) / 4;
        plan.player_spawns = vec![DiscPlan { x: width / 2, y: height / 2, radius }];
        Self::build(vec![plan]).expect("an empty plan of allowed sides breaks no limit")
    }

    /// The world file of this land; it does not depend on how the land is laid out.
    pub fn write(&self) -> Vec<u8> {
        file::write(self.regions.iter().map(|region| &region.plan))
    }

    fn of(regions: Vec<Region>) -> Self {
        let mut land = Self {
            regions,
            zones: Vec::new(),
            size: Vec2::ZERO,
            parcels: Vec::new(),
            parcel_columns: 0,
            areas: Vec::new(),
            shops: Vec::new(),
            player_spawns: Vec::new(),
            first_spawns: Vec::new(),
        };
        let main =
            land.regions.first().map(|main| Vec2::new(main.width_m, main.height_m)).unwrap_or_default();
        let zone = Zone { zone: 0, instance: 1, origin: Vec2::ZERO, size: main };
        land.place(vec![zone], main);
        land
    }

    /// Lays out `instances` copies of every zone beside the main one, at least `gap_m` apart, in place of those that were
    /// laid out before. The gap must exceed the view radius, or players see from one into another.
    ///
    /// # Errors
    /// When they do not fit a world.
    pub fn lay_out(&mut self, instances: u32, gap_m: f32) -> Result<(), LayoutError> {
        let (zones, size) = layout::lay_out(&self.regions, instances, gap_m)?;
        self.place(zones, size);
        Ok(())
    }

    fn place(&mut self, zones: Vec<Zone>, size: Vec2) {
        let parcel = |metres: f32| metres as u32 / PARCEL_M;
        let (columns, rows) = (parcel(size.x) + 1, parcel(size.y) + 1);
        (self.size, self.parcel_columns) = (size, columns);
        self.parcels = vec![0; columns as usize * rows as usize];
        self.areas.clear();
        self.shops.clear();
        self.player_spawns.clear();
        self.first_spawns = vec![0];
        for (number, zone) in zones.iter().enumerate() {
            let far = zone.origin + zone.size;
            for row in parcel(zone.origin.y)..=parcel(far.y) {
                for column in parcel(zone.origin.x)..=parcel(far.x) {
                    self.parcels[(row * columns + column) as usize] = number as u16 + 1;
                }
            }
            let (id, plan) = (ZoneId(number as u32), &self.regions[zone.zone as usize].plan);
            self.areas.extend(plan.areas.iter().map(|area| SpawnArea {
                zone: id,
                area: area.area().moved(zone.origin),
                species: area.species,
                count: area.count,
                leash_m: crate::plan::metres(area.leash),
                level_min: area.level_min,
                level_max: area.level_max,
            }));
            self.shops.extend(plan.shops.iter().map(|shop| Shop {
                zone: id,
                number: shop.number,
                place: place(shop.x, shop.y) + zone.origin,
            }));
            self.player_spawns.extend(plan.player_spawns.iter().map(|spawn| {
                let Disc { centre, radius_m } = spawn.disc();
                Disc { centre: centre + zone.origin, radius_m }
            }));
            self.first_spawns.push(self.player_spawns.len() as u32);
        }
        self.zones = zones;
    }

    /// The sides of the world around all zones that are laid out, metres.
    pub fn size(&self) -> Vec2 {
        self.size
    }

    /// The zones that are laid out, by [`ZoneId`]: the main zone, then the copies of each further one together.
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// One of them.
    pub fn zone(&self, id: ZoneId) -> Option<&Zone> {
        self.zones.get(id.0 as usize)
    }

    /// How many zones the world file has, the main zone included.
    pub fn zone_count(&self) -> u32 {
        self.regions.len() as u32
    }

    /// The copies of one zone of the world file, by instance; none if there is no such zone.
    pub fn instances(&self, zone: u32) -> impl Iterator<Item = (ZoneId, &Zone)> {
        let first = self.zones.partition_point(|placed| placed.zone < zone);
        let copies = self.zones[first..].iter().take_while(move |placed| placed.zone == zone);
        copies.enumerate().map(move |(copy, placed)| (ZoneId((first + copy) as u32), placed))
    }

    /// The zone that a place lies in, borders included. One load and a comparison.
    #[inline]
    pub fn zone_at(&self, x: f32, y: f32) -> Option<ZoneId> {
        // Also false for what is no number.
        if !(x >= 0.0 && y >= 0.0 && x <= self.size.x && y <= self.size.y) {
            return None;
        }
        let parcel = |metres: f32| (metres * (1.0 / PARCEL_M as f32)) as u32;
        let index = parcel(y) as usize * self.parcel_columns as usize + parcel(x) as usize;
        let id = self.parcels.get(index)?.checked_sub(1)?;
        let zone = self.zones.get(usize::from(id))?;
        let (x, y) = (x - zone.origin.x, y - zone.origin.y);
        (x >= 0.0 && y >= 0.0 && x <= zone.size.x && y <= zone.size.y).then_some(ZoneId(id.into()))
    }

    #[inline]
    pub(crate) fn ground_at(&self, x: f32, y: f32) -> Option<Ground<'_>> {
        self.ground_of(self.zone_at(x, y)?)
    }

    pub(crate) fn ground_of(&self, id: ZoneId) -> Option<Ground<'_>> {
        let zone = self.zones.get(id.0 as usize)?;
        Some(Ground { region: self.regions.get(zone.zone as usize)?, origin: zone.origin })
    }

    /// The ground's height at a place, metres; 0 between zones.
    #[inline]
    pub fn height_at(&self, x: f32, y: f32) -> f32 {
        self.ground_at(x, y)
            .map_or(0.0, |ground| ground.region.ground(x - ground.origin.x, y - ground.origin.y))
    }

    /// Whether a body may be at a place: in a zone and outside all obstacles.
    pub fn is_free(&self, x: f32, y: f32) -> bool {
        self.ground_at(x, y)
            .is_some_and(|ground| ground.region.is_free(x - ground.origin.x, y - ground.origin.y))
    }

    /// A place where a body can stand, as near to (x, y) as a bounded search finds one, in the same zone; on the ground.
    /// Between zones, and for what is no number, it is in the main zone. (x, y) itself if possible; else the first of
    /// 3,264 places around it; else where the zone's players appear.
    pub fn nearest_free(&self, x: f32, y: f32) -> Vec3 {
        let ground = self.ground_at(x, y).or_else(|| self.ground_of(ZoneId(0)));
        let Some(Ground { region, origin }) = ground else { return Vec3::ZERO };
        let (x, y) = (x - origin.x, y - origin.y);
        let (x, y) = region.nearest_free(x, y, origin).unwrap_or(region.home);
        Vec3::new(x + origin.x, y + origin.y, region.ground(x, y))
    }

    /// Where creatures live, in all zones that are laid out, by zone.
    pub fn spawn_areas(&self) -> &[SpawnArea] {
        &self.areas
    }

    /// Where shopkeepers stand, in all zones that are laid out, by zone.
    pub fn shops(&self) -> &[Shop] {
        &self.shops
    }

    /// Where players appear in a zone: at least one disc, unless there is no such zone. In each disc somebody can stand;
    /// ask [`nearest_free`](Self::nearest_free) of a place in it.
    pub fn player_spawns(&self, zone: ZoneId) -> &[Disc] {
        let first = |id: usize| self.first_spawns.get(id).map(|first| *first as usize);
        match (first(zone.0 as usize), first((zone.0 as usize).saturating_add(1))) {
            (Some(first), Some(end)) => &self.player_spawns[first..end],
            _ => &[],
        }
    }
}
