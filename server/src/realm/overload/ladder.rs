//! The rungs and their steps, in the order in which they are taken.
//!
//! | rung | step by step | what players notice |
//! |---|---|---|
//! | far refresh | `world.refresh_ticks` x 2, x 4 | in a crowd those in the far ring jump more rarely |
//! | thinking | one creature thought in 2, 4, 8 takes place | creatures are slower of mind, not of foot |
//! | world time | each about a fifth slower, down to `overload.speed_min` | everything is slower, equally for all |
//!
//! The cheapest to bear comes first. World time is last and is the only one that always suffices down to its floor: a
//! tick that costs twice its interval has twice the interval at half the speed.

use serde::{Deserialize, Serialize};

use crate::limits::REFRESH_TICKS;

/// World time for real time when nothing is held back, 1/1000.
pub const SPEED_USUAL: u16 = 1000;

/// What is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// How often the far ring of a crowd is told.
    FarRefresh,
    /// How often creatures think.
    Thinking,
    /// How much of the world's time passes in a second.
    WorldTime,
}

/// What the realm does after so many steps, all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Of the last step taken; `None` before the first.
    pub rung: Option<Rung>,
    /// Ticks within which everything in view is refreshed.
    pub refresh_ticks: u16,
    /// One in so many creature thoughts takes place; 1 is all of them.
    pub think_divisor: u32,
    /// World time for real time, 1/1000.
    pub speed: u16,
}

impl Effort {
    /// Everything, at full speed.
    pub fn full(refresh_ticks: u16) -> Self {
        Self { rung: None, refresh_ticks, think_divisor: 1, speed: SPEED_USUAL }
    }

    /// Nanoseconds from tick to tick where it is `period_ns` at full speed.
    pub fn interval_ns(&self, period_ns: u64) -> u64 {
        period_ns.saturating_mul(SPEED_USUAL.into()) / u64::from(self.speed.max(1))
    }
}

/// A step of the far ring's refresh; of the creatures' thinking.
const REFRESH_FACTORS: [u16; 2] = [2, 4];
const THINK_DIVISORS: [u32; 3] = [2, 4, 8];

/// All efforts, from the full one downwards. A step that would change nothing is left out.
pub(super) fn efforts(refresh_ticks: u16, speed_min: u16) -> Vec<Effort> {
    let mut effort = Effort::full(refresh_ticks);
    let mut efforts = vec![effort];
    for factor in REFRESH_FACTORS {
        let stretched = refresh_ticks.saturating_mul(factor).min(*REFRESH_TICKS.end());
        if stretched > effort.refresh_ticks {
            effort = Effort { rung: Some(Rung::FarRefresh), refresh_ticks: stretched, ..effort };
            efforts.push(effort);
        }
    }
    for think_divisor in THINK_DIVISORS {
        effort = Effort { rung: Some(Rung::Thinking), think_divisor, ..effort };
        efforts.push(effort);
    }
    while effort.speed > speed_min {
        let fifth_less = (u32::from(effort.speed) * 4 / 5) as u16;
        // No last step that is hardly one: the floor is reached from a little farther up.
        let is_last = u32::from(fifth_less) * 4 < u32::from(speed_min) * 5;
        let speed = if is_last { speed_min } else { fifth_less };
        effort = Effort { rung: Some(Rung::WorldTime), speed, ..effort };
        efforts.push(effort);
    }
    efforts
}
