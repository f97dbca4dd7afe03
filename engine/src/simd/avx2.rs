//! AVX2: two registers are one block; compressing goes through a table of permutations.
//!
//! As in the AVX-512 module, every `unsafe` block calls intrinsics of the features that [`Avx2::detect`] found, and
//! holding an `Avx2` is the proof that the processor has them.

use std::arch::x86_64::*;

use super::{BlockAt, Changes, Kernel, Lanes, Question};
use crate::history::Positions;

/// Proof of AVX2 and BMI2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Avx2(());

/// For each mask of eight lanes: which lanes to take, front first.
static FRONT: [[u32; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut place) = (0, 0);
        while lane < 8 {
            if mask >> lane & 1 == 1 {
                table[mask][place] = lane;
                place += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    table
};

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        has_all.then_some(Self(()))
    }
}

compiled_for!(Avx2, "avx2,bmi1,bmi2,lzcnt,popcnt");

/// Half a block: eight lanes, from lane `8 * half`.
#[inline(always)]
fn load(words: &[u32; 16], half: usize) -> __m256i {
    let eight = &words[8 * half..8 * half + 8];
    // SAFETY: the slice is 32 readable bytes; `loadu` asks for no alignment. Features: see the module.
    unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) }
}

/// Writes the lanes in `mask` to `words[at..]`, with scratch behind them.
#[inline(always)]
fn compress(words: &mut [u32; 16], at: usize, lanes: __m256i, mask: u8) {
    let eight = &mut words[at..at + 8];
    // SAFETY: the slice is 32 writable bytes and the table entry 32 readable ones; neither needs alignment.
    // Features: see the module.
    unsafe {
        let order = _mm256_loadu_si256(FRONT[usize::from(mask)].as_ptr().cast());
        _mm256_storeu_si256(eight.as_mut_ptr().cast(), _mm256_permutevar8x32_epi32(lanes, order));
    }
}

/// One bit per 32-bit lane, from its sign.
#[inline(always)]
fn signs(lanes: __m256i) -> u8 {
    // SAFETY: features only, see the module.
    unsafe { _mm256_movemask_ps(_mm256_castsi256_ps(lanes)) as u8 }
}

#[inline(always)]
fn distance2(positions: &Positions, half: usize, centre: u32) -> __m256i {
    let position = load(&positions.0, half);
    // SAFETY: features only, see the module.
    unsafe {
        let difference = _mm256_sub_epi16(position, _mm256_set1_epi32(centre as i32));
        _mm256_madd_epi16(difference, difference)
    }
}

// Plain functions, not closures, below: only `inline(always)` is sure to carry the features into what is called.

#[inline(always)]
fn in_range_half(positions: &Positions, half: usize, centre: u32, radius2: i32) -> u16 {
    let distance2 = distance2(positions, half, centre);
    // SAFETY: features only, see the module.
    let beyond = signs(unsafe { _mm256_cmpgt_epi32(distance2, _mm256_set1_epi32(radius2)) });
    u16::from(!beyond) << (8 * half)
}

#[inline(always)]
fn due_half(ids: &[u32; 16], half: usize, cursor: u16, width: u32) -> u16 {
    let ids = load(ids, half);
    // SAFETY: features only, see the module. Offsets and widths are far below 2^31: the signed compare is right.
    let due = signs(unsafe {
        let spread = _mm256_mullo_epi32(ids, _mm256_set1_epi32(0x9e37_79b1u32 as i32));
        let offset = _mm256_and_si256(
            _mm256_sub_epi32(_mm256_srli_epi32::<16>(spread), _mm256_set1_epi32(i32::from(cursor))),
            _mm256_set1_epi32(0xffff),
        );
        _mm256_cmpgt_epi32(_mm256_set1_epi32(width as i32), offset)
    });
    u16::from(due) << (8 * half)
}

#[inline(always)]
fn beyond_half(values: &[f32; 16], half: usize, centre: f32, reach: f32) -> u16 {
    let eight = &values[8 * half..8 * half + 8];
    // SAFETY: the slice is 32 readable bytes; `loadu` asks for no alignment. Features: see the module.
    let beyond = unsafe {
        let offset = _mm256_sub_ps(_mm256_loadu_ps(eight.as_ptr()), _mm256_set1_ps(centre));
        let distance = _mm256_andnot_ps(_mm256_set1_ps(-0.0), offset);
        _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NLE_UQ>(distance, _mm256_set1_ps(reach)))
    };
    (beyond as u16) << (8 * half)
}

#[inline(always)]
fn unequal_half(now: &[u32; 16], base: &[u32; 16], half: usize) -> u8 {
    let (now, base) = (load(now, half), load(base, half));
    // SAFETY: features only, see the module.
    !signs(unsafe { _mm256_cmpeq_epi32(now, base) })
}

impl Lanes for Avx2 {
    #[inline(always)]
    fn in_range(self, positions: &Positions, centre: u32, radius2: i32) -> u16 {
        in_range_half(positions, 0, centre, radius2) | in_range_half(positions, 1, centre, radius2)
    }

    #[inline(always)]
    fn changes(
        self,
        now: BlockAt<'_>,
        base: BlockAt<'_>,
        since: &[u32; 16],
        baseline: u32,
        candidates: u16,
        records: &mut [u32; 16],
    ) -> Changes {
        let mut changes = Changes { kept: 0, moved: 0, attr: 0 };
        let mut written = 0;
        for half in 0..2 {
            let since = load(since, half);
            let (z_yaw, z_yaw_was) = (load(&now.details.z_yaw, half), load(&base.details.z_yaw, half));
            let (at, was) = (load(&now.positions.0, half), load(&base.positions.0, half));
            // SAFETY: features only, see the module.
            let (kept, moved, attr, record) = unsafe {
                let step = _mm256_sub_epi16(at, was);
                let climb = _mm256_sub_epi16(z_yaw, z_yaw_was);
                let zero = _mm256_setzero_si256();
                // A 16-bit difference fits a byte if adding 128 leaves the high byte empty.
                let over = _mm256_or_si256(
                    _mm256_and_si256(
                        _mm256_add_epi16(step, _mm256_set1_epi32(0x0080_0080)),
                        _mm256_set1_epi32(0xff00_ff00u32 as i32),
                    ),
                    _mm256_and_si256(
                        _mm256_add_epi16(climb, _mm256_set1_epi32(0x0080)),
                        _mm256_set1_epi32(0xff00),
                    ),
                );
                let fits = _mm256_cmpeq_epi32(over, zero);
                let baseline = _mm256_set1_epi32(baseline as i32);
                let settled = _mm256_cmpeq_epi32(_mm256_max_epu32(since, baseline), baseline);
                let kept = signs(_mm256_and_si256(fits, settled)) & (candidates >> (8 * half)) as u8;
                let difference = _mm256_or_si256(step, _mm256_xor_si256(z_yaw, z_yaw_was));
                let moved = !signs(_mm256_cmpeq_epi32(difference, zero)) & kept;
                let low = _mm256_set1_epi32(0xff);
                let record = _mm256_or_si256(
                    _mm256_or_si256(
                        _mm256_and_si256(step, low),
                        _mm256_and_si256(_mm256_srli_epi32::<8>(step), _mm256_set1_epi32(0xff00)),
                    ),
                    _mm256_or_si256(
                        _mm256_slli_epi32::<16>(_mm256_and_si256(climb, low)),
                        _mm256_slli_epi32::<8>(_mm256_and_si256(z_yaw, _mm256_set1_epi32(0x00ff_0000))),
                    ),
                );
                let attr = unequal_half(&now.details.attr01, &base.details.attr01, half) & kept;
                (kept, moved, attr, record)
            };
            compress(records, written, record, moved);
            written += moved.count_ones() as usize;
            changes.kept |= u16::from(kept) << (8 * half);
            changes.moved |= u16::from(moved) << (8 * half);
            changes.attr |= u16::from(attr) << (8 * half);
        }
        changes
    }

    #[inline(always)]
    fn slots(self, mask: u16, first: u32, slots: &mut [u32; 16]) {
        // SAFETY: features only, see the module.
        let (low, high) = unsafe {
            let rows = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let low = _mm256_add_epi32(rows, _mm256_set1_epi32(first as i32));
            (low, _mm256_add_epi32(low, _mm256_set1_epi32(8)))
        };
        compress(slots, 0, low, mask as u8);
        compress(slots, (mask as u8).count_ones() as usize, high, (mask >> 8) as u8);
    }

    #[inline(always)]
    fn ranks(
        self,
        positions: &Positions,
        centre: u32,
        mask: u16,
        first: u32,
        slots: &mut [u32; 16],
        distances: &mut [u32; 16],
    ) {
        self.slots(mask, first, slots);
        compress(distances, 0, distance2(positions, 0, centre), mask as u8);
        let written = (mask as u8).count_ones() as usize;
        compress(distances, written, distance2(positions, 1, centre), (mask >> 8) as u8);
    }

    #[inline(always)]
    fn due(self, ids: &[u32; 16], cursor: u16, width: u32) -> u16 {
        due_half(ids, 0, cursor, width) | due_half(ids, 1, cursor, width)
    }

    #[inline(always)]
    fn beyond(self, values: &[f32; 16], centre: f32, reach: f32) -> u16 {
        beyond_half(values, 0, centre, reach) | beyond_half(values, 1, centre, reach)
    }

    #[inline(always)]
    fn unequal(self, now: &[u32; 16], base: &[u32; 16]) -> u16 {
        u16::from(unequal_half(now, base, 0)) | u16::from(unequal_half(now, base, 1)) << 8
    }

    #[inline(always)]
    fn extract(self, mask: u16, places: u16) -> u16 {
        // SAFETY: features only (BMI2), see the module.
        unsafe { _pext_u32(u32::from(mask), u32::from(places)) as u16 }
    }
}
