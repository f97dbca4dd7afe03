//! A light client: what a real one would acknowledge, without looking at an entity.

use throng_schema::limits::{NEAR_MAX, VIEW_HISTORY_TICKS};
use throng_schema::{INTENTS_SENT, IntentFields};

use super::glance::Glance;

const HISTORY: usize = VIEW_HISTORY_TICKS as usize;

/// Lengths of the near lists of the last 64 ticks, by tick; those of ticks not reconstructed mean nothing.
pub(super) type NearCounts = [u16; HISTORY];

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A real client would now stand at its tick, with this many entities in its near list.
    Reconstructed {
        near: u16,
    },
    Stale,
    Unusable,
    Wrong,
}

/// Two cache lines of state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Light {
    /// Newest tick that a real client would have reconstructed.
    newest: u32,
    /// Sequence of the last input sent.
    pub input_sent: u32,
    /// Bit i: tick `newest - i` would have been reconstructed.
    mask: u64,
    /// Snapshots reconstructed since the measurement began.
    pub reconstructed: u32,
    /// Place in the list of full clients, or [`Light::NOT_FULL`].
    pub full: u32,
    /// World time for real time in the newest snapshot, 1/1000; 0: as usual.
    speed: u16,
    /// Where its avatar is, metres.
    pub at: [f32; 2],
    /// Its avatar's id; 0 while unknown.
    pub own_id: u32,
    /// The last intents sent, the newest first.
    pub intents: [IntentFields; INTENTS_SENT],
    fresh_wanted: bool,
    /// It was connected when the measurement began.
    pub measured: bool,
}

const _: () = assert!(size_of::<Light>() <= 128);

impl Light {
    pub(super) const NOT_FULL: u32 = u32::MAX;

    pub(super) fn new() -> Self {
        Self { full: Self::NOT_FULL, ..Self::default() }
    }

    pub(super) fn ack_tick(&self) -> u32 {
        if self.fresh_wanted { 0 } else { self.newest }
    }

    pub(super) fn newest_tick(&self) -> u32 {
        self.newest
    }

    pub(super) fn speed(&self) -> u16 {
        self.speed
    }

    /// The rules of a real view, as far as a glance goes.
    #[inline]
    pub(super) fn apply(&mut self, glance: &Glance, counts: &mut NearCounts) -> Outcome {
        let Glance { tick, baseline, .. } = *glance;
        if tick == 0 || baseline >= tick {
            return self.wrong();
        }
        let restart = tick <= self.newest;
        if restart && (baseline != 0 || self.newest - tick <= VIEW_HISTORY_TICKS) {
            return Outcome::Stale;
        }
        let base = match baseline {
            0 => 0,
            _ if self.holds(baseline) => u32::from(counts[baseline as usize % HISTORY]),
            _ => return Outcome::Unusable,
        };
        let Some(survivors) = base.checked_sub(glance.gone) else { return self.wrong() };
        // Both are less than 2^16: the survivors by the limit, the newcomers because they fit a datagram.
        let near = survivors.saturating_add(glance.full);
        if near as usize > NEAR_MAX {
            return self.wrong();
        }
        let steps = if restart { 64 } else { tick - self.newest };
        self.mask = self.mask.checked_shl(steps).unwrap_or(0) | 1;
        self.newest = tick;
        counts[tick as usize % HISTORY] = near as u16;
        self.fresh_wanted &= baseline != 0;
        (self.at, self.speed) = (glance.own, glance.speed);
        if glance.own_id != 0 {
            self.own_id = glance.own_id;
        }
        self.reconstructed = self.reconstructed.saturating_add(1);
        Outcome::Reconstructed { near: near as u16 }
    }

    /// A message that breaks the contract: ask for a fresh start, as a real client does.
    pub(super) fn wrong(&mut self) -> Outcome {
        self.fresh_wanted = true;
        Outcome::Wrong
    }

    fn holds(&self, tick: u32) -> bool {
        let age = self.newest.wrapping_sub(tick);
        age < VIEW_HISTORY_TICKS && self.mask >> age & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glance(tick: u32, baseline: u32, gone: u32, full: u32) -> Glance {
        Glance { tick, baseline, gone, full, ..Glance::default() }
    }

    fn reconstructed(near: u16) -> Outcome {
        Outcome::Reconstructed { near }
    }

    #[test]
    fn only_what_a_real_client_could_rebuild_is_acknowledged() {
        let (mut light, mut counts) = (Light::default(), [0; 64]);
        assert_eq!(light.apply(&glance(10, 9, 0, 5), &mut counts), Outcome::Unusable);
        assert_eq!(light.ack_tick(), 0);
        assert_eq!(light.apply(&glance(10, 0, 0, 50), &mut counts), reconstructed(50));
        assert_eq!(light.apply(&glance(12, 10, 3, 1), &mut counts), reconstructed(48));
        assert_eq!(light.apply(&glance(11, 10, 0, 0), &mut counts), Outcome::Stale);
        assert_eq!(light.apply(&glance(13, 11, 0, 0), &mut counts), Outcome::Unusable);
        assert_eq!(light.ack_tick(), 12);
        assert_eq!(light.apply(&glance(14, 10, 0, 2), &mut counts), reconstructed(52));
        // 63 ticks later the list of tick 14 is still held, 64 later it is not.
        assert_eq!(light.apply(&glance(77, 14, 0, 0), &mut counts), reconstructed(52));
        assert_eq!(light.apply(&glance(78, 14, 0, 0), &mut counts), reconstructed(52));
        assert_eq!(light.apply(&glance(79, 14, 0, 0), &mut counts), Outcome::Unusable);
        assert_eq!(light.apply(&glance(500, 78, 52, 0), &mut counts), reconstructed(0));
        assert_eq!(light.apply(&glance(501, 78, 0, 0), &mut counts), Outcome::Unusable);
        assert_eq!(light.reconstructed, 6);
    }

    #[test]
    fn what_breaks_the_contract_leads_to_a_fresh_start() {
        let (mut light, mut counts) = (Light::default(), [0; 64]);
        light.apply(&glance(10, 0, 0, 50), &mut counts);
        for wrong in
            [glance(0, 0, 0, 0), glance(11, 11, 0, 0), glance(11, 10, 51, 0), glance(11, 10, 0, 4047)]
        {
            assert_eq!(light.apply(&wrong, &mut counts), Outcome::Wrong);
            assert_eq!((light.newest_tick(), light.ack_tick()), (10, 0));
        }
        assert_eq!(light.apply(&glance(11, 10, 0, 0), &mut counts), reconstructed(50));
        assert_eq!(light.ack_tick(), 0, "a delta is no fresh start");
        assert_eq!(light.apply(&glance(12, 0, 0, 30), &mut counts), reconstructed(30));
        assert_eq!(light.ack_tick(), 12);
    }

    #[test]
    fn a_tick_that_went_back_starts_over() {
        let (mut light, mut counts) = (Light::default(), [0; 64]);
        light.apply(&glance(u32::MAX, 0, 0, 1), &mut counts);
        assert_eq!(light.apply(&glance(u32::MAX - 64, 0, 0, 1), &mut counts), Outcome::Stale);
        assert_eq!(light.apply(&glance(5, 0, 0, 7), &mut counts), reconstructed(7));
        assert_eq!(light.apply(&glance(6, u32::MAX, 0, 0), &mut counts), Outcome::Wrong);
    }
}
