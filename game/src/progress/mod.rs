//! How far a character has come: experience, level, and what it has accomplished.
//!
//! ```text
//!   gain_experience ─► experience ─► level (from a table) ─┐
//!   count ─► counters (kills, trades, visits ...) ─────────┴─► accomplishments (a bit each, for ever)
//! ```

#[cfg(test)]
mod tests;

use throng_engine::Digest;

/// Highest experience.
pub const EXPERIENCE_MAX: i64 = 1_000_000_000_000;

/// Highest level that a table may lead to: an attribute's byte.
pub const LEVEL_MAX: usize = 255;

/// Most accomplishments of a game: a bit each.
pub const ACCOMPLISHMENTS_MAX: usize = 256;

/// What is counted of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Counter {
    /// Creatures slain.
    Kills,
    /// Players slain.
    Duels,
    /// Own deaths.
    Deaths,
    /// Trades done.
    Trades,
    /// Purchases from shops.
    Purchases,
    /// Sales to shops.
    Sales,
    /// Drops claimed.
    Finds,
    /// Instances entered.
    Visits,
    /// The level; counted by [`Sheet::gain_experience`].
    Level,
}

/// Counters in all.
const COUNTERS: usize = Counter::Level as usize + 1;

/// Something that is accomplished once a counter reaches a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accomplishment {
    /// Which counter.
    pub counter: Counter,
    /// The number, at least 1.
    pub at: u64,
}

/// Why a progression cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgressionError {
    /// Too many levels.
    #[error("a table of {0} steps leads beyond level {LEVEL_MAX}")]
    Levels(usize),
    /// The table does not rise.
    #[error(
        "level {level} takes {experience} in all, which is not above the level before it or beyond {EXPERIENCE_MAX}"
    )]
    Step {
        /// Which.
        level: usize,
        /// As given.
        experience: i64,
    },
    /// Too many accomplishments.
    #[error("{0} accomplishments are more than {ACCOMPLISHMENTS_MAX}")]
    Accomplishments(usize),
    /// Everybody would have it.
    #[error("accomplishment {0} is reached at 0: it takes 1 at least")]
    Nothing(usize),
}

/// The rules of progress: the same for all characters.
#[derive(Clone, Debug)]
pub struct Progression {
    /// Experience in all at which level 2, 3 ... is reached, rising.
    steps: Vec<i64>,
    /// Accomplishments with their numbers, by counter and by what it takes.
    by_counter: Vec<(Accomplishment, u8)>,
}

impl Progression {
    /// `steps[n]` is the experience in all that level `n + 2` takes; an accomplishment's number is its place.
    ///
    /// # Errors
    /// When there are too many, the steps do not rise, or an accomplishment takes nothing.
    pub fn new(steps: Vec<i64>, accomplishments: &[Accomplishment]) -> Result<Self, ProgressionError> {
        if steps.len() >= LEVEL_MAX {
            return Err(ProgressionError::Levels(steps.len()));
        }
        let mut before = 0;
        for (&experience, level) in steps.iter().zip(2..) {
            if experience <= before || experience > EXPERIENCE_MAX {
                return Err(ProgressionError::Step { level, experience });
            }
            before = experience;
        }
        if accomplishments.len() > ACCOMPLISHMENTS_MAX {
            return Err(ProgressionError::Accomplishments(accomplishments.len()));
        }
        if let Some(place) = accomplishments.iter().position(|accomplishment| accomplishment.at == 0) {
            return Err(ProgressionError::Nothing(place));
        }
        let mut by_counter: Vec<_> = accomplishments
            .iter()
            .zip(0u8..=u8::MAX)
            .map(|(&accomplishment, number)| (accomplishment, number))
            .collect();
        by_counter.sort_by_key(|&(Accomplishment { counter, at }, number)| (counter, at, number));
        Ok(Self { steps, by_counter })
    }

    /// The level that experience amounts to, from 1.
    pub fn level(&self, experience: i64) -> u32 {
        self.steps.partition_point(|&step| step <= experience) as u32 + 1
    }

    /// Accomplishments that a counter reaches on its way from `before` to `after`.
    fn reached(&self, counter: Counter, before: u64, after: u64) -> &[(Accomplishment, u8)] {
        let upto = |count| self.by_counter.partition_point(|(it, _)| (it.counter, it.at) <= (counter, count));
        &self.by_counter[upto(before)..upto(after)]
    }
}

/// A set of accomplishments, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accomplishments([u64; ACCOMPLISHMENTS_MAX / 64]);

impl Accomplishments {
    /// Whether a number is in it.
    pub fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The numbers in it, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..ACCOMPLISHMENTS_MAX as u32).filter(|&number| self.contains(number))
    }

    /// Adds a number; whether it was not there.
    fn insert(&mut self, number: u8) -> bool {
        let (word, bit) = (&mut self.0[usize::from(number) / 64], 1u64 << (number % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

/// What changed on a sheet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gain {
    /// Levels gained.
    pub levels: u32,
    /// What was accomplished for the first time.
    pub accomplished: Accomplishments,
}

/// How far one character has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    experience: i64,
    counters: [u64; COUNTERS],
    accomplished: Accomplishments,
}

impl Default for Sheet {
    fn default() -> Self {
        Self::new()
    }
}

impl Sheet {
    /// Of a new character: level 1.
    pub fn new() -> Self {
        let mut counters = [0; COUNTERS];
        counters[Counter::Level as usize] = 1;
        Self { experience: 0, counters, accomplished: Accomplishments::default() }
    }

    /// Experience in all, `0..=EXPERIENCE_MAX`.
    pub fn experience(&self) -> i64 {
        self.experience
    }

    /// Level, from 1.
    pub fn level(&self) -> u32 {
        self.counters[Counter::Level as usize] as u32
    }

    /// A counter.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// What has been accomplished.
    pub fn accomplished(&self) -> &Accomplishments {
        &self.accomplished
    }

    /// Whether there is experience, or something accomplished.
    pub fn has_gained(&self) -> bool {
        self.experience > 0 || !self.accomplished.is_empty()
    }

    /// Adds experience, up to [`EXPERIENCE_MAX`]; less than 1 adds none. Levels are never lost.
    pub fn gain_experience(&mut self, rules: &Progression, points: i64) -> Gain {
        self.experience = self.experience.saturating_add(points.max(0)).min(EXPERIENCE_MAX);
        let levels = rules.level(self.experience).saturating_sub(self.level());
        Gain { levels, ..self.count(rules, Counter::Level, u64::from(levels)) }
    }

    /// Adds to a counter; it stops at `u64::MAX`.
    pub fn count(&mut self, rules: &Progression, counter: Counter, by: u64) -> Gain {
        let count = &mut self.counters[counter as usize];
        let before = *count;
        *count = before.saturating_add(by);
        let mut gain = Gain::default();
        for &(_, number) in rules.reached(counter, before, *count) {
            if self.accomplished.insert(number) {
                gain.accomplished.insert(number);
            }
        }
        gain
    }

    /// Adds all of it to a digest.
    pub fn digest(&self, digest: &mut Digest) {
        digest.push(self.experience as u64);
        self.counters.iter().chain(&self.accomplished.0).for_each(|&word| digest.push(word));
    }
}
