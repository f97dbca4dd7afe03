//! A full client: the whole view rebuilt and checked, and a watch over how often everything in it is refreshed.

use std::collections::HashMap;

use throng_client::View;
use throng_client::interpolation::Interpolator;
use throng_client::pacing::Beat;
use throng_client::prediction::{PredictionConfig, Predictor};
use throng_schema::IntentFields;

use super::walker::{DEAD, Walker};

/// Ticks between two looks for entities that were never refreshed again.
const SWEEP_TICKS: u32 = 8;
/// Longer no arrow flies, ticks: 2 s at 20 Hz.
const FLIGHT_TICKS_MAX: u32 = 40;
/// Nobody walks further in a tick, metres.
const JUMP_M: f32 = 3.0;
/// Kinds of those who go on foot.
const WALKERS: std::ops::RangeInclusive<u16> = 1..=2;
/// The kind of an event that tells of a hit.
const HIT: u8 = 1;

/// One client that is real in everything but the display.
#[derive(Debug)]
pub(super) struct Full {
    pub view: View,
    pub refresh: RefreshWatch,
    pub predictor: Predictor,
    interpolator: Interpolator,
    /// Hits on its avatar.
    pub hits: u64,
    /// Those whose attacker was not in the view, or had not been refreshed within the bound, though there was time to.
    pub hits_unseen: u64,
}

impl Default for Full {
    fn default() -> Self {
        Self {
            view: View::new(),
            refresh: RefreshWatch::default(),
            predictor: Predictor::new(PredictionConfig::default()),
            interpolator: Interpolator::default(),
            hits: 0,
            hits_unseen: 0,
        }
    }
}

impl Full {
    /// Entities beyond the near list that were refreshed within the server's bound, so are in view beyond doubt.
    pub(super) fn far_in_view(&self) -> usize {
        let bound = u32::from(self.view.pace().refresh_ticks);
        let oldest = self.view.newest_tick().saturating_sub(bound);
        self.view.far().iter().filter(|entity| entity.tick >= oldest).count()
    }

    pub(super) fn own_id(&self) -> u32 {
        self.view.world().map_or(0, |world| world.own_id)
    }

    /// The tick at which it shows the others.
    pub(super) fn shown_tick(&self, now_us: u64) -> u32 {
        self.interpolator.shown_tick(now_us)
    }

    /// Takes a step of its own, if it knows the land.
    pub(super) fn input(
        &mut self,
        now_us: u64,
        walker: Option<&Walker>,
        sequence: u32,
        intent: IntentFields,
    ) {
        let (Some(walker), Some(world)) = (walker, self.view.world()) else { return };
        let beat = Beat { due_us: now_us, period_us: 1_000_000 / u64::from(world.tick_hz) };
        self.predictor.input(now_us, walker, sequence, intent, beat);
    }

    /// Looks at the view after a snapshot.
    pub(super) fn observe(&mut self, now_us: u64, walker: Option<&Walker>, speed_max_m_per_s: f32) {
        let Self { view, refresh, predictor, interpolator, .. } = self;
        interpolator.observe(now_us, view);
        refresh.observe(view, speed_max_m_per_s);
        let Some(world) = view.world() else { return };
        if let Some(walker) = walker {
            let tick_s = 1.0 / f32::from(world.tick_hz);
            predictor.reconcile(now_us, walker, view.newest_tick(), view.own(), view.input_applied(), tick_s);
        }
        let own_id = world.own_id;
        let memory_ticks = u32::from(view.pace().refresh_ticks) + FLIGHT_TICKS_MAX;
        let oldest = view.newest_tick().saturating_sub(memory_ticks);
        for hit in view.events().iter().filter(|event| event.kind == HIT && event.target == own_id) {
            self.hits += 1;
            if !refresh.has_seen_all(view) {
                continue;
            }
            // Shown, if not now then when the arrow was loosed: who shot it may have fallen since.
            let is_seen = refresh.shown.get(&hit.source).is_some_and(|tick| *tick >= oldest);
            self.hits_unseen += u64::from(!is_seen);
        }
    }

    /// Starts counting anew.
    pub(super) fn reset(&mut self) {
        self.refresh.reset();
        self.predictor = Predictor::new(PredictionConfig::default());
        (self.hits, self.hits_unseen) = (0, 0);
    }
}

/// An entity when it was last refreshed.
#[derive(Clone, Copy, Debug)]
struct Seen {
    tick: u32,
    /// How deep in the view it was: metres that it had to move, relative to us, to get out.
    depth_m: f32,
}

/// Checks the server's promise that every entity in view is refreshed within a bound.
///
/// A client cannot see whether an entity that it hears nothing of is still in view. But one that was deep inside
/// cannot have left sooner than two avatars can run apart; until then it must have been refreshed. That goes for the
/// living: arrows fly faster, and what is dead or lies on the ground may be taken away.
#[derive(Debug, Default)]
pub(super) struct RefreshWatch {
    seen: HashMap<u32, Seen>,
    /// When each entity was last shown, whatever became of it.
    shown: HashMap<u32, u32>,
    newest: u32,
    /// Where the own avatar was then, metres, and since when it has not been put elsewhere.
    own: [f32; 2],
    there_since: u32,
    /// Longest wait, in ticks, of an entity that cannot have left the view meanwhile.
    pub ticks_max: u32,
    /// Refreshes that came later than the bound, or are overdue.
    pub late: u64,
}

impl RefreshWatch {
    /// Takes in the view after a snapshot. A tick that never arrived may have held the missing refresh, so the
    /// watch starts over after one.
    pub(super) fn observe(&mut self, view: &View, speed_max_m_per_s: f32) {
        let Some(world) = view.world() else { return };
        let tick = view.newest_tick();
        let [x, y, _] = view.own().position;
        let has_jumped = (x - self.own[0]).hypot(y - self.own[1]) > JUMP_M;
        if has_jumped {
            // Whoever falls and stands again elsewhere has another view, and all of it is to come.
            self.there_since = tick;
        }
        if tick != self.newest.wrapping_add(1) || has_jumped {
            self.seen.clear();
        }
        (self.newest, self.own) = (tick, [x, y]);
        // Both can run, in opposite directions.
        let apart_m_per_tick = 2.0 * speed_max_m_per_s / f32::from(world.tick_hz);
        let bound = u32::from(view.pace().refresh_ticks);

        let near = view.near().iter().map(|e| (e.id, e.x, e.y, is_walking(e.attr)));
        let far = view.far().iter().filter(|e| e.tick == tick);
        // Of far ones only the health is told: arrows and things have none.
        let far = far.map(|e| (e.id, e.x, e.y, e.attr0_high > 0));
        for (id, x, y, is_walking) in near.chain(far) {
            self.shown.insert(id, tick);
            if !is_walking {
                self.seen.remove(&id);
                continue;
            }
            let depth_m = world.view_radius - distance_m(view, x, y);
            if let Some(before) = self.seen.insert(id, Seen { tick, depth_m }) {
                let waited = tick - before.tick;
                if before.depth_m > apart_m_per_tick * waited as f32 {
                    self.ticks_max = self.ticks_max.max(waited);
                    self.late += u64::from(waited > bound);
                }
            }
        }
        if tick.is_multiple_of(SWEEP_TICKS) {
            let oldest = tick.saturating_sub(bound + FLIGHT_TICKS_MAX);
            self.shown.retain(|_, shown| *shown >= oldest);
            let (ticks_max, late) = (&mut self.ticks_max, &mut self.late);
            self.seen.retain(|_, entity| {
                let waited = tick - entity.tick;
                let is_inside = entity.depth_m > apart_m_per_tick * waited as f32;
                let is_overdue = is_inside && waited > bound;
                if is_overdue {
                    *ticks_max = (*ticks_max).max(waited);
                    *late += 1;
                }
                // What may have left is of no more interest, and what is overdue has been counted.
                is_inside && !is_overdue
            });
        }
    }

    /// Whether the avatar has been where it is for so long that it must have been shown everybody in view.
    fn has_seen_all(&self, view: &View) -> bool {
        let there_ticks = view.newest_tick().saturating_sub(self.there_since);
        there_ticks > view.pace().refresh_ticks.into()
    }

    /// Starts counting anew.
    pub(super) fn reset(&mut self) {
        self.seen.clear();
        self.ticks_max = 0;
        self.late = 0;
    }
}

/// Whether these are the attributes of somebody alive who goes on foot: an avatar or a creature.
fn is_walking([health, attr1, ..]: [u16; 4]) -> bool {
    health > 0 && attr1 & DEAD == 0 && WALKERS.contains(&(attr1 & 15))
}

fn distance_m(view: &View, x: i16, y: i16) -> f32 {
    let [own_x, own_y, _] = view.own_units();
    let [x, y, _] = view.units_of(x, y, 0);
    let units = (x.wrapping_sub(own_x) as f32).hypot(y.wrapping_sub(own_y) as f32);
    units / view.units_per_metre()
}

#[cfg(test)]
mod tests {
    use throng_schema::wire;

    use super::*;

    /// Plays ticks 1.. with one far entity `metres` away that is refreshed at the given ticks; the bound is 10 ticks.
    fn watch(metres: i16, refreshed: &[u32], until: u32) -> RefreshWatch {
        let mut view = View::new();
        let mut watch = RefreshWatch::default();
        for tick in 1..=until {
            let mut builder = flatbuffers::FlatBufferBuilder::new();
            let far: Vec<_> = refreshed
                .iter()
                .filter(|&&at| at == tick)
                .map(|_| wire::Far::new(7, (500 + metres) * 32, 0, 0, 0, 255))
                .collect();
            let args = wire::SnapshotArgs {
                tick,
                own: Some(&wire::Own::new(500.0, 0.0, 0.0, 0.0, 0.0, 0, 0)),
                world: Some(&wire::World::new(1, 4000.0, 4000.0, 50.0, 10, 32, 20, 0)),
                far: Some(builder.create_vector(&far)),
                ..wire::SnapshotArgs::default()
            };
            let root = wire::Snapshot::create(&mut builder, &args);
            builder.finish_size_prefixed(root, None);
            view.apply_bytes(builder.finished_data()).expect("a good snapshot");
            watch.observe(&view, 10.0);
        }
        watch
    }

    #[test]
    fn refreshes_within_the_bound_are_fine() {
        let found = watch(20, &[1, 8, 18, 20, 30], 34);
        assert_eq!((found.ticks_max, found.late), (10, 0));
    }

    #[test]
    fn one_that_comes_late_or_never_is_found() {
        let found = watch(20, &[1, 8, 20], 22);
        assert_eq!((found.ticks_max, found.late), (12, 1));
        let never = watch(20, &[1], 100);
        assert_eq!(never.late, 1);
        assert!(never.ticks_max > 10);
    }

    #[test]
    fn one_that_may_have_left_meanwhile_is_not_held_against_the_server() {
        // At 10 m/s each and 20 Hz two avatars part by a metre a tick; 45 m away there are 5 m to go.
        let found = watch(45, &[1, 13, 26], 100);
        assert_eq!((found.ticks_max, found.late), (0, 0));
    }
}
