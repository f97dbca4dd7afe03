//! The numbers of fighting: how much an attack costs, how far it reaches, how often it may come.

use throng_engine::limits::HISTORY_TICKS;

use crate::{CREDIT_MAX, SPEED_MAX_M_S, STEPS_MAX};

/// An attack hits others where the attacker's client showed them, but at most so long ago, milliseconds: that covers a
/// bad round trip and the client's own delay of showing. Who claims an older view gets this one.
pub const REWIND_MS_MAX: u32 = 500;

/// A projectile hits whoever comes this near to its path, metres.
pub const BODY_RADIUS_M: f32 = 0.5;

/// The numbers of fighting. Places are compared centre to centre; ticks are the world's.
#[derive(Clone, Debug, PartialEq)]
pub struct CombatRules {
    /// Do players hurt one another? Creatures never do.
    pub pvp: bool,
    /// Points of a strike by somebody of level 1.
    pub strike_points: u16,
    /// Ticks from one strike to the next attack.
    pub strike_rest_ticks: u32,
    /// How far a strike reaches.
    pub strike_reach_m: f32,
    /// Cosine of the angle between facing and target up to which a strike hits.
    pub strike_cos: f32,
    /// How many a strike hits at most, nearest first.
    pub strike_targets_max: u32,
    /// Points of a projectile of somebody of level 1.
    pub shot_points: u16,
    /// Ticks from one shot to the next attack.
    pub shot_rest_ticks: u32,
    /// Speed of a projectile.
    pub shot_speed_m_s: f32,
    /// Ticks after which a projectile falls.
    pub shot_flight_ticks: u32,
    /// Most projectiles in flight in the whole world.
    pub shots_max: u32,
    /// Points of a blast in its middle by somebody of level 1; half of it at the rim.
    pub blast_points: u16,
    /// Ticks from one blast to the next attack.
    pub blast_rest_ticks: u32,
    /// How far ahead of its maker the middle of a blast is.
    pub blast_ahead_m: f32,
    /// How far from its middle a blast reaches.
    pub blast_radius_m: f32,
    /// How many a blast hits at most, nearest to its middle first.
    pub blast_targets_max: u32,
    /// For each level above the first so many thousandths more points.
    pub level_permille: u16,
    /// Ticks after the last attack made or hit taken for which one is fighting.
    pub fight_ticks: u32,
    /// Whoever is not fighting regains so many thousandths of full health, at least a point, ...
    pub mend_permille: u16,
    /// ... every so many ticks.
    pub mend_ticks: u32,
}

impl Default for CombatRules {
    /// For 20 ticks a second: a strike each 0.8 s and eight of them to bring down a player of the same level.
    fn default() -> Self {
        Self {
            pvp: true,
            strike_points: 12,
            strike_rest_ticks: 16,
            strike_reach_m: 2.5,
            strike_cos: 0.5,
            strike_targets_max: 1,
            shot_points: 9,
            shot_rest_ticks: 20,
            shot_speed_m_s: 20.0,
            shot_flight_ticks: 30,
            shots_max: 100_000,
            blast_points: 15,
            blast_rest_ticks: 60,
            blast_ahead_m: 8.0,
            blast_radius_m: 4.0,
            blast_targets_max: 32,
            level_permille: 50,
            fight_ticks: 200,
            mend_permille: 20,
            mend_ticks: 20,
        }
    }
}

/// A number of fighting that cannot be.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("combat rules: {name} is {found}; it must lie in {least} ..= {most}")]
pub struct CombatRulesError {
    /// Which one.
    pub name: &'static str,
    /// What was given.
    pub found: f32,
    /// Least allowed.
    pub least: f32,
    /// Most allowed.
    pub most: f32,
}

impl CombatRules {
    /// # Errors
    /// Names the first number that is out of its range.
    pub fn check(&self) -> Result<(), CombatRulesError> {
        let within = |name, found: f32, least: f32, most: f32| match (least..=most).contains(&found) {
            true => Ok(()),
            false => Err(CombatRulesError { name, found, least, most }),
        };
        // Lengths: what a query answers, with what everybody walks in a rewind, must stay within its largest radius.
        within("strike_reach_m", self.strike_reach_m, 0.1, 50.0)?;
        within("strike_cos", self.strike_cos, -1.0, 1.0)?;
        within("strike_targets_max", self.strike_targets_max as f32, 1.0, TARGETS_MAX as f32)?;
        within("shot_speed_m_s", self.shot_speed_m_s, 0.1, 1_000.0)?;
        within("shot_flight_ticks", self.shot_flight_ticks as f32, 1.0, 10_000.0)?;
        within("blast_ahead_m", self.blast_ahead_m, 0.0, 100.0)?;
        within("blast_radius_m", self.blast_radius_m, 0.1, 50.0)?;
        within("blast_targets_max", self.blast_targets_max as f32, 1.0, TARGETS_MAX as f32)?;
        let rests = [
            ("strike_rest_ticks", self.strike_rest_ticks),
            ("shot_rest_ticks", self.shot_rest_ticks),
            ("blast_rest_ticks", self.blast_rest_ticks),
            ("fight_ticks", self.fight_ticks),
            ("mend_ticks", self.mend_ticks),
        ];
        rests.into_iter().try_for_each(|(name, ticks)| within(name, ticks as f32, 1.0, 100_000.0))?;
        within("mend_permille", f32::from(self.mend_permille), 0.0, 1_000.0)
    }

    /// `points` of level 1 at `level`.
    pub(crate) fn at_level(&self, points: u16, level: u8) -> u16 {
        let permille = 1_000 + u32::from(level.saturating_sub(1)) * u32::from(self.level_permille);
        (u64::from(points) * u64::from(permille) / 1_000).min(u16::MAX.into()) as u16
    }
}

/// Most that one attack may hit: bounds the lines of fire that a blast in a crowd has to draw.
pub const TARGETS_MAX: u32 = 64;

/// [`REWIND_MS_MAX`] in ticks: at least one, and never more than the engine knows where they were.
pub(crate) fn rewind_ticks_max(tick_hz: u16) -> u32 {
    (u32::from(tick_hz) * REWIND_MS_MAX / 1_000).clamp(1, HISTORY_TICKS as u32 - 2)
}

/// How far others may have walked in `ticks`, metres, at `tick_hz` ticks a second: a player that has saved time takes
/// more steps than ticks pass. What moves otherwise (through a gate, or back to life) is found where it is now, and hit
/// only there.
pub(crate) fn drift_m(ticks: u32, tick_hz: u16) -> f32 {
    let steps = (ticks * STEPS_MAX as u32).min(ticks + u32::from(CREDIT_MAX));
    steps as f32 * SPEED_MAX_M_S / f32::from(tick_hz) + ROUNDING_M
}

/// Published places are rounded to 1/32 m.
const ROUNDING_M: f32 = 0.1;
