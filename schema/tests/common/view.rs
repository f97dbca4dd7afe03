//! The reference view: the application algorithm of `PROTOCOL.md`, step by step.

use super::{Entity, encode::digest};
use std::collections::BTreeMap;
use throng_schema::limits::{
    ATTR_PLACE_BITS, FAR_FORGET_EXTRA_TICKS, NEAR_MAX, UNITS_PER_METRE, VIEW_HISTORY_TICKS,
};
use throng_schema::wire::{Event, Far, Snapshot};
use throng_schema::{check_world, read_snapshot};

#[derive(Default)]
pub struct View {
    pub newest: u32,
    /// A fresh start is wanted: acknowledge 0 until a snapshot without a baseline arrives.
    pub lost: bool,
    pub lists: BTreeMap<u32, Vec<Entity>>,
    /// By id: the tick of the record, and the record.
    pub far: BTreeMap<u32, (u32, Far)>,
    /// Of the last world told.
    pub refresh_ticks: u32,
    /// The own attributes at each tick of `lists`.
    pub own_attrs: BTreeMap<u32, [u16; 4]>,
    /// Speed and refresh bound; `None`: as usual.
    pub pace: Option<[u16; 2]>,
    /// New with the last snapshot: tick and record.
    pub events: Vec<(u32, Event)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Applied,
    /// Not newer than what is reconstructed already.
    Stale,
    /// Its baseline is not here.
    Unusable,
}

impl View {
    pub fn near(&self) -> &[Entity] {
        self.lists.get(&self.newest).map_or(&[], Vec::as_slice)
    }

    /// A view that stands at `tick` with this list, as if reconstructed.
    pub fn standing_at(tick: u32, list: &[Entity]) -> Self {
        let refresh_ticks = super::encode::REFRESH_TICKS.into();
        Self { newest: tick, lists: [(tick, list.to_vec())].into(), refresh_ticks, ..Self::default() }
    }

    pub fn ack_tick(&self) -> u32 {
        if self.lost { 0 } else { self.newest }
    }

    pub fn receive(&mut self, message: &[u8]) -> Result<Outcome, String> {
        let result = match read_snapshot(message) {
            Ok(snapshot) => self.apply(&snapshot).map_err(str::to_owned),
            Err(error) => Err(error.to_string()),
        };
        if result.is_err() {
            self.lost = true;
            self.lists.clear();
            self.own_attrs.clear();
        }
        result
    }

    fn apply(&mut self, s: &Snapshot<'_>) -> Result<Outcome, &'static str> {
        let (tick, baseline) = (s.tick(), s.baseline());
        if tick == 0 || baseline >= tick {
            return Err("tick is not after its baseline");
        }
        if tick <= self.newest {
            return Ok(Outcome::Stale);
        }
        let start = match baseline {
            0 => &[],
            _ => match self.lists.get(&baseline) {
                Some(list) => list.as_slice(),
                None => return Ok(Outcome::Unusable),
            },
        };
        let own = s.own().ok_or("no own state")?;
        if ![own.x(), own.y(), own.z(), own.vx(), own.vy()].iter().all(|v| v.is_finite()) {
            return Err("own state is not finite");
        }
        let refresh_ticks = match (s.world(), baseline) {
            (Some(world), _) => {
                check_world(world).map_err(|_| "bad world")?;
                u32::from(world.refresh_ticks())
            }
            (None, 0) => return Err("no baseline and no world"),
            (None, _) => self.refresh_ticks,
        };
        let list = near_list(start, s)?;
        let mut age_max = if baseline == 0 { 0 } else { tick - baseline - 1 };
        for event in s.events().unwrap_or_default() {
            if u32::from(event.age()) > age_max {
                return Err("events");
            }
            age_max = event.age().into();
        }
        if s.digest() != 0 && s.digest() != digest(&list) {
            return Err("digest differs");
        }
        self.refresh_ticks = refresh_ticks;
        if baseline == 0 {
            self.lost = false;
        }
        for record in s.far().unwrap_or_default() {
            self.far.insert(record.id(), (tick, *record));
        }
        self.pace = s.pace().map(|pace| [pace.speed(), pace.refresh_ticks()]);
        let refresh_ticks = match self.pace {
            Some([_, bound]) if bound != 0 => bound.into(),
            _ => refresh_ticks,
        };
        let kept = refresh_ticks + FAR_FORGET_EXTRA_TICKS;
        self.far.retain(|id, (seen, _)| tick - *seen <= kept && !list.iter().any(|e| e.id == *id));
        let before = self.own_attrs.get(&baseline).copied().unwrap_or_default();
        self.own_attrs
            .insert(tick, s.own_attr().map_or(before, |own| std::array::from_fn(|i| own.attr().get(i))));
        let told = s.events().unwrap_or_default().iter().map(|event| (tick - u32::from(event.age()), *event));
        self.events = told.filter(|(tick, _)| *tick > self.newest).collect();
        self.lists.insert(tick, list);
        self.newest = tick;
        while self.lists.len() > VIEW_HISTORY_TICKS as usize {
            self.lists.pop_first();
            self.own_attrs.pop_first();
        }
        Ok(Outcome::Applied)
    }
}

/// Steps 3 to 6: the new near list, or which rule is broken.
pub fn near_list(start: &[Entity], s: &Snapshot<'_>) -> Result<Vec<Entity>, &'static str> {
    let gone: Vec<usize> = s.gone().unwrap_or_default().iter().map(usize::from).collect();
    let full = s.full().unwrap_or_default();
    if !gone.is_sorted_by(|a, b| a < b) || gone.last().is_some_and(|&last| last >= start.len()) {
        return Err("gone");
    }
    let len = start.len() - gone.len() + full.len();
    if len > NEAR_MAX {
        return Err("near list too long");
    }
    let mut survivors =
        start.iter().enumerate().filter(|(i, _)| gone.binary_search(i).is_err()).map(|(_, e)| *e);
    let mut entering = full.iter().peekable();
    let mut list = Vec::with_capacity(len);
    while list.len() < len {
        match entering.next_if(|f| usize::from(f.index()) == list.len()) {
            Some(f) => list.push(Entity {
                id: f.id(),
                x: f.x(),
                y: f.y(),
                z: f.z(),
                yaw: f.yaw(),
                attr: f.attr().into(),
            }),
            None => list.push(survivors.next().ok_or("full")?),
        }
    }
    if entering.next().is_some() {
        return Err("full");
    }
    let moved = s.moved().unwrap_or_default();
    let mut records = moved.iter();
    for (byte, bits) in s.changed().unwrap_or_default().iter().enumerate() {
        for bit in (0..8).filter(|bit| bits >> bit & 1 == 1) {
            let e = list.get_mut(8 * byte + bit).ok_or("changed beyond the list")?;
            let m = records.next().ok_or("fewer records than changed bits")?;
            e.x = e.x.wrapping_add(m.dx().into());
            e.y = e.y.wrapping_add(m.dy().into());
            e.z = e.z.wrapping_add(m.dz().into());
            e.yaw = m.yaw();
        }
    }
    if records.next().is_some() {
        return Err("more records than changed bits");
    }
    for a in s.attr().unwrap_or_default() {
        let place = usize::from(a.place()) & ((1 << ATTR_PLACE_BITS) - 1);
        list.get_mut(place).ok_or("attr beyond the list")?.attr[usize::from(a.place() >> ATTR_PLACE_BITS)] =
            a.value();
    }
    Ok(list)
}

/// The absolute position, in units, that a wrapped one means: the nearest to the avatar's own, in metres.
pub fn unwrap_units(own_m: f32, wrapped: i16) -> i32 {
    let own = (own_m * UNITS_PER_METRE as f32).floor() as i32;
    own.wrapping_add(i32::from(wrapped.wrapping_sub(own as i16)))
}
