//! The world around one client, rebuilt from snapshots.
//!
//! A view is an ordered *near list*, sent as differences from a list that the client acknowledged,
//! a *far set* of entities that are refreshed in turns, and what happened since the last snapshot.
//! [`View::apply`] takes one snapshot and either does everything it says or nothing at all.

mod error;
mod far;
mod happenings;
mod rebuild;
mod ring;

use throng_schema::limits::SPEED_USUAL;
use throng_schema::wire;

use crate::limits::{LATE_TICKS_MAX, UNUSABLE_RUN_MAX};

pub use error::{ViewCounters, ViewError};
pub use far::FarEntity;
use far::FarSet;
pub use happenings::Happening;
use ring::Ring;

/// One entity of the near list, exactly as the server holds it in wire units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// The server's entity id, generation included.
    pub id: u32,
    /// Position units, the low 16 bits; [`View::units_of`] makes it absolute.
    pub x: i16,
    /// Position units, the low 16 bits.
    pub y: i16,
    /// Position units, not wrapping.
    pub z: i16,
    /// 1/256 of a turn.
    pub yaw: u8,
    /// The game's replicated attributes.
    pub attr: [u16; 4],
}

/// The client's own avatar, unrounded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Own {
    /// Metres; x, y, z.
    pub position: [f32; 3],
    /// Metres per second; x, y.
    pub velocity: [f32; 2],
    /// 1/65536 of a turn counter-clockwise from +x.
    pub yaw: u16,
    /// The game's replicated attributes.
    pub attr: [u16; 4],
    /// Inputs that had arrived and waited for their tick; more than 15 as 15.
    pub queued: u8,
}

/// How the world goes: slower, and refreshing who is far less often, while the server is overloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// World time for real time, in 1/1000.
    pub speed: u16,
    /// Every entity in view is refreshed at least this often, in ticks.
    pub refresh_ticks: u16,
}

/// What the server says about the world at a fresh start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct World {
    /// Entity id of the client's own avatar.
    pub own_id: u32,
    /// Metres.
    pub width: f32,
    /// Metres.
    pub height: f32,
    /// Metres.
    pub view_radius: f32,
    /// Every entity in view is refreshed at least this often, in ticks; see [`View::pace`] for how it is now.
    pub refresh_ticks: u16,
    /// Position units per metre, at least 1.
    pub units_per_metre: u16,
    /// Ticks per second, at least 1.
    pub tick_hz: u16,
}

/// What became of a snapshot that broke no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The view now stands at this tick.
    Reconstructed {
        /// The snapshot's tick.
        tick: u32,
        /// Whether the snapshot carried a digest, which then agreed.
        checked: bool,
    },
    /// Older than the view, or a second copy: ignored.
    Stale,
}

/// The world as this client knows it. Nothing is allocated once its lists have reached their usual size.
#[derive(Debug, Default)]
pub struct View {
    ring: Ring,
    far: FarSet,
    own: Own,
    own_units: [i32; 3],
    world: Option<World>,
    /// Of the newest snapshot, if it told one.
    pace: Option<Pace>,
    happenings: Vec<Happening>,
    input_applied: u32,
    newest_tick: u32,
    fresh_wanted: bool,
    unusable_run: u32,
    counters: ViewCounters,
}

impl View {
    /// An empty view that waits for its first snapshot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads and applies a snapshot message (size prefix included). Errors are those of [`Self::apply`],
    /// and [`ViewError::Unreadable`] for bytes that are no snapshot.
    pub fn apply_bytes(&mut self, payload: &[u8]) -> Result<Applied, ViewError> {
        match throng_schema::read_snapshot(payload) {
            Ok(snapshot) => self.apply(&snapshot),
            Err(error) => self.settle(Err(error.into())),
        }
    }

    /// Applies one snapshot, all of it or, on an error, nothing.
    ///
    /// Every error is counted. All but [`ViewError::Unusable`] make the view ask for a fresh start:
    /// [`Self::ack_tick`] is 0 until a snapshot without baseline has been applied.
    pub fn apply(&mut self, snapshot: &wire::Snapshot<'_>) -> Result<Applied, ViewError> {
        let result = self.try_apply(snapshot);
        self.settle(result)
    }

    fn try_apply(&mut self, snapshot: &wire::Snapshot<'_>) -> Result<Applied, ViewError> {
        let (tick, baseline) = (snapshot.tick(), snapshot.baseline());
        if tick == 0 || baseline >= tick {
            return Err(ViewError::TickOrder { tick, baseline });
        }
        let restart = tick <= self.newest_tick;
        if restart && (baseline != 0 || self.newest_tick - tick <= LATE_TICKS_MAX) {
            return Ok(Applied::Stale);
        }
        let world = snapshot.world().map(read_world).transpose()?;
        if baseline == 0 && world.is_none() {
            return Err(ViewError::WorldMissing);
        }
        let mut own = read_own(snapshot.own().ok_or(ViewError::OwnMissing)?)?;
        happenings::check(snapshot)?;
        let (base, base_attr, list) =
            self.ring.start(baseline).ok_or(ViewError::Unusable { tick, baseline })?;
        rebuild::rebuild(base, snapshot, list)?;
        let digest_told = snapshot.digest();
        if digest_told != 0 {
            let digest_found = rebuild::digest(list);
            if digest_found != digest_told {
                return Err(ViewError::Mismatch { tick, digest_told, digest_found });
            }
        }

        // From here on nothing can fail.
        if restart {
            self.ring.forget();
            self.far.clear();
        }
        own.attr = snapshot.own_attr().map_or(base_attr, read_own_attr);
        self.ring.finish(tick, own.attr);
        let known_tick = if restart { 0 } else { self.newest_tick };
        self.newest_tick = tick;
        self.input_applied = snapshot.input();
        if let Some(world) = world {
            self.world = Some(world);
        }
        self.own = own;
        let units_per_metre = self.units_per_metre();
        self.own_units = own.position.map(|metres| (metres * units_per_metre).floor() as i32);
        if baseline == 0 {
            self.fresh_wanted = false;
        }
        self.pace = snapshot.pace().map(read_pace);
        let refresh_ticks = self.pace().refresh_ticks.into();
        self.counters.far_left_out +=
            self.far.update(tick, snapshot, self.ring.newest(), self.own_units, refresh_ticks);
        happenings::list(snapshot, known_tick, self.own_units, units_per_metre, &mut self.happenings);
        Ok(Applied::Reconstructed { tick, checked: digest_told != 0 })
    }

    /// Counts a result and draws its consequence.
    fn settle(&mut self, result: Result<Applied, ViewError>) -> Result<Applied, ViewError> {
        match &result {
            Ok(Applied::Stale) => self.counters.stale += 1,
            Ok(Applied::Reconstructed { checked, .. }) => {
                self.counters.reconstructed += 1;
                self.counters.digests_checked += u64::from(*checked);
                self.unusable_run = 0;
            }
            Err(ViewError::Unusable { .. }) => {
                self.counters.unusable += 1;
                self.unusable_run = self.unusable_run.saturating_add(1);
                // An honest server names only what we acknowledged. If it does not stop, its idea of
                // us is wrong and only a fresh start puts that right.
                if self.unusable_run >= UNUSABLE_RUN_MAX {
                    self.want_fresh_start();
                }
            }
            Err(ViewError::Mismatch { .. }) => {
                self.counters.mismatches += 1;
                // Which earlier list went wrong is unknown, so none may serve as a baseline again.
                self.ring.forget();
                self.want_fresh_start();
            }
            Err(_) => {
                self.counters.decode_errors += 1;
                self.want_fresh_start();
            }
        }
        result
    }

    fn want_fresh_start(&mut self) {
        if !self.fresh_wanted {
            self.fresh_wanted = true;
            self.counters.fresh_starts_wanted += 1;
        }
    }

    /// What the next input must acknowledge: the newest reconstructed tick, or 0 to ask for a fresh start.
    pub fn ack_tick(&self) -> u32 {
        if self.fresh_wanted { 0 } else { self.newest_tick }
    }

    /// Tick of the newest reconstructed snapshot; 0 before the first.
    pub fn newest_tick(&self) -> u32 {
        self.newest_tick
    }

    /// The near list at [`Self::newest_tick`], in the server's order.
    pub fn near(&self) -> &[Entity] {
        self.ring.newest()
    }

    /// The near list at an earlier tick, while it is among the last 64 reconstructed ones.
    pub fn near_at(&self, tick: u32) -> Option<&[Entity]> {
        self.ring.get(tick)
    }

    /// Entities in view beyond the near list, in no order, each as of its own tick.
    pub fn far(&self) -> &[FarEntity] {
        self.far.entities()
    }

    /// The far entity of this id, if one is known.
    pub fn far_of(&self, id: u32) -> Option<&FarEntity> {
        self.far.get(id)
    }

    /// The client's own avatar at [`Self::newest_tick`].
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// What happened in view, the oldest first: new with the last snapshot that was applied, and never told again.
    pub fn events(&self) -> &[Happening] {
        &self.happenings
    }

    /// How the world went at [`Self::newest_tick`].
    pub fn pace(&self) -> Pace {
        let usual = self.world.map_or(0, |world| world.refresh_ticks);
        match self.pace {
            Some(Pace { refresh_ticks: 0, speed }) => Pace { speed, refresh_ticks: usual },
            Some(pace) => pace,
            None => Pace { speed: SPEED_USUAL, refresh_ticks: usual },
        }
    }

    /// The world, once the first snapshot is there.
    pub fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    /// Sequence of the last input that the server applied before the newest tick.
    pub fn input_applied(&self) -> u32 {
        self.input_applied
    }

    /// What has happened so far.
    pub fn counters(&self) -> &ViewCounters {
        &self.counters
    }

    /// Position units per metre, 32 until the world says otherwise.
    pub fn units_per_metre(&self) -> f32 {
        self.world
            .map_or(throng_schema::limits::UNITS_PER_METRE as f32, |world| f32::from(world.units_per_metre))
    }

    /// Our avatar's absolute position, rounded down to units.
    pub fn own_units(&self) -> [i32; 3] {
        self.own_units
    }

    /// The absolute position in units of a wire position: of all that share the 16 bits, the one nearest our avatar.
    pub fn units_of(&self, x: i16, y: i16, z: i16) -> [i32; 3] {
        unwrap(self.own_units, x, y, z)
    }

    /// Bytes held by the view's lists; constant once it is warm.
    pub fn memory_bytes(&self) -> usize {
        self.ring.memory_bytes()
            + self.far.memory_bytes()
            + self.happenings.capacity() * size_of::<Happening>()
    }
}

/// A wire position made absolute: the one nearest to our avatar.
fn unwrap(own_units: [i32; 3], x: i16, y: i16, z: i16) -> [i32; 3] {
    [nearest(own_units[0], x), nearest(own_units[1], y), i32::from(z)]
}

/// The value nearest to `reference` whose low 16 bits are `low`.
fn nearest(reference: i32, low: i16) -> i32 {
    reference.wrapping_add(i32::from(low.wrapping_sub(reference as i16)))
}

fn read_world(world: &wire::World) -> Result<World, ViewError> {
    throng_schema::check_world(world)?;
    Ok(World {
        own_id: world.own_id(),
        width: world.width(),
        height: world.height(),
        view_radius: world.view_radius(),
        refresh_ticks: world.refresh_ticks(),
        units_per_metre: world.units_per_metre(),
        tick_hz: world.tick_hz(),
    })
}

fn read_own(own: &wire::Own) -> Result<Own, ViewError> {
    let read = Own {
        position: [own.x(), own.y(), own.z()],
        velocity: [own.vx(), own.vy()],
        yaw: own.yaw(),
        attr: [0; 4],
        queued: (own.flags() & 15) as u8,
    };
    let finite = read.position.iter().chain(&read.velocity).all(|value| value.is_finite());
    if finite { Ok(read) } else { Err(ViewError::OwnNotFinite) }
}

fn read_own_attr(own: &wire::OwnAttr) -> [u16; 4] {
    let attr = own.attr();
    [attr.get(0), attr.get(1), attr.get(2), attr.get(3)]
}

fn read_pace(pace: &wire::Pace) -> Pace {
    Pace { speed: pace.speed(), refresh_ticks: pace.refresh_ticks() }
}
