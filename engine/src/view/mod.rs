//! What each client sees, and the snapshot that tells it.
//!
//! ```text
//!   acked tick ──► baseline frame ┐
//!                                 ├─► near pass (SIMD) ─► gone, full, moved, attr ┐
//!   this tick  ──► frame          ┘   within the near radius                      ├─► FlatBuffer in the caller's slot
//!                      └────────────► far pass: the ring outside, in turns ─► far │
//!   what happened since ──► those in view at their tick, nearest first ───► events ┘
//! ```
//!
//! All that is kept per client is a [`Viewer`]: where its view was in each of the last 32 ticks. What it saw at the
//! baseline is computed again from the history.
//!
//! **Crowds.** A client has a byte budget. The near radius shrinks until the near part fits; everybody further out, up
//! to the view radius, is sent in turns. Turns go by *phase*, a number that each id has for ever: a window wanders round
//! the circle of phases at least once in `refresh_ticks`, and whoever is in the ring when it passes is sent. So nobody
//! in view is ever older than one round, however the crowd moves.

mod events;
mod message;
mod select;
mod viewer;

use std::cell::RefCell;

use throng_schema::limits::{PAYLOAD_BYTES_MAX, SPEED_USUAL};

use crate::column::Columns;
use crate::entity::{EntityId, Slot};
use crate::grid::{Bounds, Lot};
use crate::history::{pack, quantise};
use crate::limits::*;
use crate::simd::{dispatch_lanes, soon};
use crate::world::World;
use message::{Head, OVERHEAD_BYTES_MAX, event_bytes, far_bytes};
use select::{Disc, SelectFar, SelectNear, Selection};
pub use viewer::Viewer;

/// The client's own avatar, unrounded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Own {
    pub x: f32,
    pub y: f32,
    pub z: f32,
    pub vx: f32,
    pub vy: f32,
    pub yaw: u16,
    /// Bits 0-3: inputs that wait.
    pub flags: u16,
}

/// Where a view was at one tick, in units, and in which row its own avatar.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Circle {
    tick: u32,
    x: i32,
    y: i32,
    radius: i32,
    own: u32,
}

impl Circle {
    fn disc(&self) -> Disc {
        Disc {
            centre: pack(self.x, self.y),
            radius2: if self.radius < 0 { -1 } else { self.radius * self.radius },
            own: self.own,
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds::around(self.x as f32, self.y as f32, self.radius as f32)
    }
}

/// What one snapshot came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Length of the message.
    pub bytes: usize,
    /// Baseline used, 0 for none.
    pub baseline: u32,
    /// Entities in the near list.
    pub near: u32,
    /// Entities in view outside the near list.
    pub ring: u32,
    /// Far records in this snapshot.
    pub far: u32,
    /// Ticks that the last completed far round took; 0 when none was completed now. Above the `refresh_ticks` asked for
    /// the budget was too small for the crowd.
    pub round_ticks: u32,
    /// Events in this snapshot.
    pub events: u32,
    /// Events in view that found no room in it.
    pub events_left_out: u32,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its avatar, the centre of its view.
    pub own: EntityId,
    /// Newest tick that it has acknowledged; 0 for a fresh start.
    pub acked_tick: u32,
    /// Sequence of its last applied input, passed on.
    pub input: u32,
    /// Most bytes that the message may have.
    pub budget_bytes: usize,
    /// World time for real time, in 1/1000, passed on; 1000 is usual.
    pub speed: u16,
    /// Every entity in view is to be refreshed at least this often, in ticks; 0: as the config says.
    pub refresh_ticks: u16,
    /// How many of its inputs wait for their tick, passed on; above 15 as 15.
    pub queued: u8,
}

impl Request {
    /// A fresh start around `own` at the usual pace, with as many bytes as a datagram has.
    pub const fn fresh(own: EntityId) -> Self {
        let budget_bytes = PAYLOAD_BYTES_MAX;
        Self { own, acked_tick: 0, input: 0, budget_bytes, speed: SPEED_USUAL, refresh_ticks: 0, queued: 0 }
    }
}

/// Least budget, bytes: the head of a snapshot and a handful of entities.
pub const BUDGET_BYTES_MIN: usize = OVERHEAD_BYTES_MAX + 256;

/// Entities from which on a world is worth asking for: of 10,000, what snapshots read is mostly in the second-level cache, and
/// asking takes longer than it saves; of 100,000 it is not. Between the two nothing was measured.
const ASKED_ENTITIES_MIN: usize = 32_768;

thread_local! {
    static SELECTION: RefCell<Selection> = const { RefCell::new(Selection::new()) };
}

impl<C: Columns> World<C> {
    /// Writes the snapshot of the published tick for one client into the front of `out`.
    ///
    /// The message never exceeds `budget_bytes`. `None` when the avatar does not live or the budget or `out` is below
    /// [`BUDGET_BYTES_MIN`]. Call it at most once per viewer and tick.
    pub fn encode(&self, viewer: &mut Viewer, request: &Request, out: &mut [u8]) -> Option<Encoded> {
        let budget = request.budget_bytes.min(out.len());
        let slot = self.slot(request.own)?;
        if budget < BUDGET_BYTES_MIN {
            return None;
        }
        let row = slot.row();
        let own = Own {
            x: self.body.x[row],
            y: self.body.y[row],
            z: self.body.z[row],
            vx: self.body.vx[row],
            vy: self.body.vy[row],
            yaw: self.body.yaw[row],
            flags: request.queued.min(15).into(),
        };
        let centre =
            Circle { tick: self.tick(), x: quantise(own.x), y: quantise(own.y), radius: 0, own: slot.0 };
        SELECTION.with_borrow_mut(|selection| {
            Some(self.encode_around(viewer, request, own, centre, &mut out[..budget], selection))
        })
    }

    /// Asks for what [`encode`](Self::encode) will read of the world for a viewer: its own row, and whoever is and was
    /// around it. Worth it one or two viewers ahead, when the viewer itself has been [asked for](Viewer::prefetch).
    ///
    /// From where the viewer was last, which is a step away: whatever else that brings in, nothing is read.
    #[inline]
    pub fn prefetch(&self, viewer: &Viewer, own: EntityId, acked_tick: u32) {
        if self.entity_count() < ASKED_ENTITIES_MIN {
            return;
        }
        let Some(row) = self.slot(own).map(Slot::row) else { return };
        let body = &self.body;
        for column in [&body.x, &body.y, &body.z, &body.vx, &body.vy] {
            soon(&column[row]);
        }
        soon(&body.yaw[row]);
        // Without a baseline it is some frame.
        let [now, base] =
            [self.tick(), acked_tick].map(|tick| self.history.frame(tick).of(self.rosters.len()));
        let (mut runs, mut lot) = (self.grid.runs(viewer.bounds()), Lot::new());
        loop {
            let blocks = runs.next_lot(&mut lot);
            if blocks == 0 {
                return;
            }
            for &block in lot.first(blocks) {
                let at = block as usize;
                soon(&now.positions[at]);
                soon(&base.positions[at]);
                soon(&self.rosters[at].since);
                for details in [&now.details[at], &base.details[at]] {
                    soon(&details.z_yaw);
                    soon(&details.attr01);
                }
            }
        }
    }

    fn encode_around(
        &self,
        viewer: &mut Viewer,
        request: &Request,
        own: Own,
        centre: Circle,
        out: &mut [u8],
        selection: &mut Selection,
    ) -> Encoded {
        let tick = self.tick();
        let view_radius = (self.config.view_radius_m * UNITS_PER_METRE as f32) as i32;
        let refresh_ticks = match request.refresh_ticks {
            0 => self.config.refresh_ticks,
            asked => asked,
        };
        let mut base = viewer.baseline(request.acked_tick, &centre);
        let wants_digest =
            (tick.wrapping_add(request.own.to_bits())).is_multiple_of(u32::from(self.config.tick_hz));

        // Before all else what happened, but never more than half: for lack of room it would be lost for ever.
        let room = out.len() - OVERHEAD_BYTES_MAX;
        let sight = Circle { radius: view_radius, ..centre };
        let mut events_left_out = self.events_of(viewer, request, &sight, base.as_ref(), room / 2, selection);
        let mut room = room - event_bytes(selection.event_count);

        // Then the ring: its share is what a round within the bound needs, and a quarter more. It may take
        // most of the budget, for a stranger who stands still must not hide an archer.
        let ring_share = match viewer.ring_count {
            0 => 0,
            ring => {
                far_bytes((ring * 5).div_ceil(u32::from(refresh_ticks) * 4).max(4) as usize).min(room * 3 / 4)
            }
        };
        let mut near_bytes_max = room - ring_share;

        let mut radius = if viewer.radius == 0 { view_radius } else { viewer.radius.into() };
        let mut attempt = 0;
        // Ends: a negative radius holds nobody, and without a baseline nobody leaves, so that takes no bytes at all.
        while !self.select_near(
            &Circle { radius, ..centre },
            base.as_ref(),
            near_bytes_max,
            wants_digest,
            selection,
        ) {
            attempt += 1;
            if attempt == 12 || radius < 0 {
                // Even the list of those who leave is too long: begin again, but first see if it fits without events.
                let freed = event_bytes(selection.event_count);
                (room, near_bytes_max) = (room + freed, near_bytes_max + freed);
                match std::mem::take(&mut selection.event_count) {
                    0 => base = None,
                    count => events_left_out += count as u32,
                }
            }
            // Usually last tick's radius is a trifle too large. If it is much too large, the crowd is new.
            radius = match attempt {
                // More stand on one spot than fit, and a radius of 0 still holds them all.
                _ if radius <= 1 => -1,
                1 => radius * 15 / 16,
                2 => radius * 7 / 8,
                _ => radius * 3 / 4,
            };
        }
        let circle = Circle { radius, ..centre };
        let used = selection.near_bytes();

        let mut encoded = Encoded::default();
        let mut far_count = 0;
        if radius < view_radius {
            let room = (room - used).saturating_sub(8) / select::FAR_BYTES;
            far_count = self.select_far(viewer, &circle, view_radius, refresh_ticks, room, selection);
            encoded.round_ticks = viewer.round(tick);
            encoded.ring = selection.ring_count as u32;
        } else {
            (viewer.round_phases, viewer.round_tick) = (0, tick);
        }
        viewer.ring_count = encoded.ring;
        viewer.radius = next_radius(radius, view_radius, used, near_bytes_max) as i16;
        viewer.remember(&circle);

        let now = self.history.frame(tick);
        let digest = if wants_digest { self.digest_of(&selection.near[..selection.near_count]) } else { 0 };
        let own_attr = self.own_attr_of(&centre);
        let head = Head {
            tick,
            baseline: base.map_or(0, |circle| circle.tick),
            input: request.input,
            own,
            digest,
            world: base.is_none().then_some((request.own.to_bits(), &self.config)),
            own_attr: base.is_none_or(|base| self.own_attr_of(&base) != own_attr).then_some(own_attr),
            pace: (request.speed != SPEED_USUAL || refresh_ticks != self.config.refresh_ticks)
                .then_some([request.speed, refresh_ticks]),
        };
        encoded.bytes = message::write(out, &head, selection, far_count, now, &self.rosters);
        encoded.baseline = head.baseline;
        encoded.near = selection.near_count as u32;
        encoded.far = far_count as u32;
        encoded.events = selection.event_count as u32;
        encoded.events_left_out = events_left_out;
        encoded
    }

    /// Selects the events since the baseline, or of this tick alone; returns how many are left out.
    #[inline(always)]
    fn events_of(
        &self,
        viewer: &Viewer,
        request: &Request,
        sight: &Circle,
        base: Option<&Circle>,
        room: usize,
        selection: &mut Selection,
    ) -> u32 {
        let since = base.map_or(sight.tick.saturating_sub(1), |base| base.tick);
        selection.event_count = 0;
        if !self.events.is_any_after(since) {
            return 0;
        }
        self.select_events(viewer, sight, since, request.own.to_bits(), room, selection)
    }

    /// The own avatar's attributes at a tick, in pairs.
    #[inline(always)]
    fn own_attr_of(&self, circle: &Circle) -> [u32; 2] {
        let frame = self.history.frame(circle.tick);
        frame.attribute_pairs(circle.own as usize / BLOCK_ROWS, circle.own as usize % BLOCK_ROWS)
    }

    fn select_near(
        &self,
        circle: &Circle,
        base: Option<&Circle>,
        bytes_max: usize,
        wants_near: bool,
        selection: &mut Selection,
    ) -> bool {
        let now = self.history.frame(circle.tick);
        let (base_frame, disc_base, bounds) = match base {
            Some(base) => (self.history.frame(base.tick), base.disc(), circle.bounds().union(base.bounds())),
            None => (now, Disc::EMPTY, circle.bounds()),
        };
        let kernel = SelectNear {
            runs: self.grid.runs(bounds),
            now,
            base: base_frame,
            rosters: &self.rosters,
            disc: circle.disc(),
            disc_base,
            baseline: base.map_or(0, |base| base.tick),
            bytes_max,
            wants_near,
            selection,
        };
        dispatch_lanes(self.level, kernel)
    }

    /// Selects whose turn it is, at most `room`, and moves the cursor past them. Returns how many.
    fn select_far(
        &self,
        viewer: &mut Viewer,
        circle: &Circle,
        view_radius: i32,
        refresh_ticks: u16,
        room: usize,
        selection: &mut Selection,
    ) -> usize {
        const PHASES: u32 = 1 << 16;
        let bounds = Circle { radius: view_radius, ..*circle }.bounds();
        // A round in time needs this much; where there is room for more, take it, up to nine tenths of the room.
        let least = PHASES.div_ceil(refresh_ticks.into());
        let ring = viewer.ring_count.max(1);
        let mut width = (room as u32 * (PHASES / 10 * 9) / ring).clamp(least, PHASES);
        loop {
            let kernel = SelectFar {
                runs: self.grid.runs(bounds),
                now: self.history.frame(circle.tick),
                rosters: &self.rosters,
                near: circle.disc(),
                view_radius2: view_radius * view_radius,
                cursor: viewer.cursor,
                width,
                selection,
            };
            if dispatch_lanes(self.level, kernel) || width <= 1 {
                break;
            }
            width /= 2;
        }
        let mut count = selection.far_count;
        if count > room {
            // More than fit: those whose phase comes first go now, and the next window begins with the others.
            let (_, &mut first_left_out, _) = selection.far[..count].select_nth_unstable(room);
            width = (first_left_out >> 32) as u32;
            count = room;
            // Several ids may share the phase that the cut falls on; they all go next time. But if it is the first phase
            // of all, some of them go now and the others in the next round, or the window would stand still.
            selection.far[..count].sort_unstable();
            let before = selection.far[..count].partition_point(|due| ((due >> 32) as u32) < width);
            if width == 0 && room > 0 {
                width = 1;
            } else {
                count = before;
            }
        }
        viewer.cursor = viewer.cursor.wrapping_add(width as u16);
        viewer.round_phases += width;
        count
    }

    fn digest_of(&self, near: &[u32]) -> u32 {
        let now = self.history.frame(self.tick());
        let mut digest = throng_schema::ViewDigest::new();
        for &slot in near {
            let (block, row) = (slot as usize / BLOCK_ROWS, slot as usize % BLOCK_ROWS);
            let [attr01, attr23] = now.attribute_pairs(block, row);
            let id = self.rosters[block].ids[row];
            digest.push(id, now.positions[block].0[row], now.details[block].z_yaw[row], attr01, attr23);
        }
        digest.finish()
    }
}

/// The radius to try at the next tick: nine tenths of the bytes are the aim, so that a denser spot or an older baseline
/// does not overflow at once. Growing is slow, for each newcomer costs six times what it will cost later.
fn next_radius(radius: i32, view_radius: i32, used: usize, bytes_max: usize) -> i32 {
    let (used, aim) = (used.max(1) as i64, bytes_max as i64 * 9 / 10);
    if radius == view_radius && used <= aim {
        return radius; // Nobody is crowded: spare them the division.
    }
    // The area is proportional to the bytes, so the radius to their square root; halving the excess approximates it.
    let wanted = i64::from(radius) * (used + aim) / (2 * used);
    let most = i64::from(radius) + i64::from(radius) / 12 + 1;
    let least = i64::from(radius) * 3 / 4;
    wanted.clamp(least, most.max(least)).clamp(1, i64::from(view_radius)) as i32
}
