//! Instruction sets, chosen once, and the sixteen-lane operations that interest and snapshots are made of.
//!
//! Two ways to use SIMD live here:
//! * [`dispatch`] runs a [`Kernel`], a plain loop over column slices, compiled for each level. That is at the limit of
//!   the memory for almost every system, and needs no `unsafe` in a game.
//! * [`Lanes`] has the few operations where the compiler does not find the instruction that matters (compress-store,
//!   16-bit multiply-add, bit extract), with a scalar twin. A test holds all levels to the same bits.

/// Compiles loops anew for a level: `run` for a [`Kernel`], `ask` for a [`Question`].
#[cfg(target_arch = "x86_64")]
macro_rules! compiled_for {
    ($isa:ident, $features:literal) => {
        impl $isa {
            #[inline(always)]
            pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
                #[target_feature(enable = $features)]
                fn enabled<K: Kernel>(kernel: K) -> K::Output {
                    kernel.run()
                }
                // SAFETY: `self` proves that the processor has the enabled features.
                unsafe { enabled(kernel) }
            }

            #[inline(always)]
            pub(crate) fn ask<Q: Question>(
                self,
                about: Q::About<'_>,
                now: &[Positions],
                x_m: f32,
                y_m: f32,
                radius_m: f32,
                room: &mut [u32],
            ) -> Result<usize, usize> {
                #[target_feature(enable = $features)]
                fn enabled<Q: Question>(
                    isa: $isa,
                    about: Q::About<'_>,
                    now: &[Positions],
                    x_m: f32,
                    y_m: f32,
                    radius_m: f32,
                    room: &mut [u32],
                ) -> Result<usize, usize> {
                    Q::answer(isa, about, now, [x_m, y_m, radius_m], room)
                }
                // SAFETY: `self` proves that the processor has the enabled features.
                unsafe { enabled::<Q>(self, about, now, x_m, y_m, radius_m, room) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::OnceLock;

use crate::history::{Details, Positions};

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use portable::Portable;

/// An instruction set that this process may use. A value of it is the proof that the processor has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Level(Isa);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable),
}

/// Names a level that is unknown, or that this processor lacks.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("THRONG_SIMD is {asked:?}; this processor has {available}: set it to one of these or unset it")]
pub struct UnknownLevel {
    asked: String,
    available: String,
}

impl Level {
    /// Every level that this processor has, best first; the last one is always `portable`.
    pub fn available() -> impl Iterator<Item = Level> {
        let levels = [
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Isa::Avx512),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Isa::Avx2),
            Some(Isa::Portable(Portable)),
        ];
        levels.into_iter().flatten().map(Level)
    }

    /// The level called `name`.
    ///
    /// # Errors
    /// When no such level is available here.
    pub fn named(name: &str) -> Result<Level, UnknownLevel> {
        Self::available().find(|level| level.name() == name).ok_or_else(|| UnknownLevel {
            asked: name.into(),
            available: Self::available().map(|level| level.name()).collect::<Vec<_>>().join(", "),
        })
    }

    /// The best level, or the one that the environment variable `THRONG_SIMD` names.
    ///
    /// # Errors
    /// When the variable names a level that is not available here.
    pub fn chosen() -> Result<Level, UnknownLevel> {
        static CHOSEN: OnceLock<Result<Level, String>> = OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| match std::env::var("THRONG_SIMD") {
            Ok(name) => Level::named(&name).map_err(|_| name),
            Err(_) => Ok(Self::best()),
        });
        match chosen {
            Ok(level) => Ok(*level),
            Err(name) => Level::named(name),
        }
    }

    /// The best level of this processor.
    pub fn best() -> Level {
        Self::available().next().unwrap_or(Level(Isa::Portable(Portable)))
    }

    /// `avx512`, `avx2` or `portable`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => "avx2",
            Isa::Portable(_) => "portable",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A loop over column slices. Mark `run` `#[inline(always)]`: it is compiled anew inside each level's wrapper.
///
/// Keep to plain arithmetic (no `mul_add`, no libm): then every level computes the same bits.
pub trait Kernel {
    /// What the loop yields.
    type Output;
    /// The loop.
    fn run(self) -> Self::Output;
}

/// Runs `kernel` compiled for `level`.
#[inline(always)]
pub fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level.0 {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(isa) => isa.run(kernel),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(isa) => isa.run(kernel),
        Isa::Portable(_) => kernel.run(),
    }
}

/// Asks for the line of cache that `what` begins in: it will be read soon.
#[inline(always)]
pub(crate) fn soon<T>(what: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program could see and faults at no address; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>((&raw const *what).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = what;
}

/// As [`Kernel`], for loops that need [`Lanes`].
pub(crate) trait LaneKernel {
    type Output;
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// Runs a lane kernel compiled for `level`. Inlined, as are the levels' `run`: a short kernel would otherwise be copied
/// right after it was written, by wider loads than the stores, and wait for those to drain.
#[inline(always)]
pub(crate) fn dispatch_lanes<K: LaneKernel>(level: Level, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    struct With<L, K>(L, K);
    #[cfg(target_arch = "x86_64")]
    impl<L: Lanes, K: LaneKernel> Kernel for With<L, K> {
        type Output = K::Output;
        #[inline(always)]
        fn run(self) -> K::Output {
            self.1.run(self.0)
        }
    }
    match level.0 {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(isa) => isa.run(With(isa, kernel)),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(isa) => isa.run(With(isa, kernel)),
        Isa::Portable(isa) => kernel.run(isa),
    }
}

/// A kernel so short that it matters how it is called: who is in a circle? See [`dispatch_question`].
pub(crate) trait Question {
    /// What is asked about: one reference or two.
    type About<'a>;
    /// Asks about a circle: its centre and radius. Writes the answer to the front of `room` and returns its length, or
    /// else how much room it may need.
    fn answer<L: Lanes>(
        lanes: L,
        about: Self::About<'_>,
        now: &[Positions],
        circle_m: [f32; 3],
        room: &mut [u32],
    ) -> Result<usize, usize>;
}

/// Asks a question, compiled for `level`, by registers alone: six words and three floats hold all of it.
///
/// A [`LaneKernel`] is handed over on the stack. What was stored just before is loaded only once the processor knows where
/// all earlier stores go, and each store of an answer begins where the one before it ended: every question waited for
/// the last answer, 36 ns each instead of 31. Nothing that an answer depends on may therefore have been written for it.
#[inline(always)]
pub(crate) fn dispatch_question<Q: Question>(
    level: Level,
    about: Q::About<'_>,
    now: &[Positions],
    [x_m, y_m, radius_m]: [f32; 3],
    room: &mut [u32],
) -> Result<usize, usize> {
    match level.0 {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(isa) => isa.ask::<Q>(about, now, x_m, y_m, radius_m, room),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(isa) => isa.ask::<Q>(about, now, x_m, y_m, radius_m, room),
        Isa::Portable(isa) => isa.ask::<Q>(about, now, x_m, y_m, radius_m, room),
    }
}

/// A block at one tick.
#[derive(Clone, Copy)]
pub(crate) struct BlockAt<'a> {
    pub positions: &'a Positions,
    pub details: &'a Details,
}

/// What became of the rows of a block since a baseline, one bit per row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Changes {
    /// The same entity as at the baseline, and its movement fits a `Moved` record.
    pub kept: u16,
    /// Of `kept`: position or facing differ.
    pub moved: u16,
    /// Of `kept`: attribute 0 or 1 differs.
    pub attr: u16,
}

/// Sixteen rows at a time. Masks have bit `i` for row `i`. Positions are packed: x in the low, y in the high 16 bits,
/// both wrapping.
pub(crate) trait Lanes: Copy {
    /// Rows whose squared distance to `centre` is at most `radius2` (units squared, below 2^31).
    fn in_range(self, positions: &Positions, centre: u32, radius2: i32) -> u16;

    /// Of `candidates`: who changed since `base`, where `since` is the tick from which each row is its entity's.
    /// Writes the `Moved` records of the moved rows to the front of `records`; what lies behind them is scratch.
    fn changes(
        self,
        now: BlockAt<'_>,
        base: BlockAt<'_>,
        since: &[u32; 16],
        baseline: u32,
        candidates: u16,
        records: &mut [u32; 16],
    ) -> Changes;

    /// Writes `first + row` of the rows in `mask` to the front of `slots`; what lies behind them is scratch.
    fn slots(self, mask: u16, first: u32, slots: &mut [u32; 16]);

    /// Writes the numbers, as `slots` does, and the squared distances to `centre` of the rows in `mask`, which are few.
    fn ranks(
        self,
        positions: &Positions,
        centre: u32,
        mask: u16,
        first: u32,
        slots: &mut [u32; 16],
        distances: &mut [u32; 16],
    );

    /// Rows whose id's phase lies in the window of `width` (up to 65,536) that starts at `cursor`, modulo 65,536.
    fn due(self, ids: &[u32; 16], cursor: u16, width: u32) -> u16;

    /// Values that are not within `reach` of `centre`; what is no number never is.
    fn beyond(self, values: &[f32; 16], centre: f32, reach: f32) -> u16;

    /// Rows that differ.
    fn unequal(self, now: &[u32; 16], base: &[u32; 16]) -> u16;

    /// Gathers the bits of `mask` that are selected by `places` into the low bits.
    fn extract(self, mask: u16, places: u16) -> u16;
}

/// Spreads ids evenly over 16 bits, so that any window of phases holds its share of any crowd.
#[inline(always)]
pub(crate) fn phase(id: u32) -> u16 {
    (id.wrapping_mul(0x9e37_79b1) >> 16) as u16
}
