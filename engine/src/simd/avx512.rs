//! AVX-512: one register is one block.
//!
//! Every `unsafe` block here calls intrinsics of the features that [`Avx512::detect`] found; an `Avx512` cannot be made
//! in another way, so holding one is the proof that the processor has them. The methods carry `#[inline(always)]` and
//! are reached through [`Avx512::run`], which enables the features for the code they are inlined into.

use std::arch::x86_64::*;

use super::{BlockAt, Changes, Kernel, Lanes, Question};
use crate::history::Positions;

/// Proof of AVX-512 F, BW, DQ and VL, and of BMI2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        has_all.then_some(Self(()))
    }
}

compiled_for!(Avx512, "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt,popcnt");

#[inline(always)]
fn load(words: &[u32; 16]) -> __m512i {
    // SAFETY: the array is 64 readable bytes; `loadu` asks for no alignment. Features: see the module.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline(always)]
fn store(words: &mut [u32; 16], lanes: __m512i) {
    // SAFETY: the array is 64 writable bytes; `storeu` asks for no alignment. Features: see the module.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), lanes) }
}

/// Moves the lanes in `mask` to the front and writes them, with scratch behind them. Compressing in a register and
/// storing all of it beats compressing into memory, which is microcode.
#[inline(always)]
fn store_front(words: &mut [u32; 16], lanes: __m512i, mask: u16) {
    // SAFETY: features only, see the module.
    store(words, unsafe { _mm512_maskz_compress_epi32(mask, lanes) });
}

/// As [`store_front`] where masks mostly have few bits: half a store crosses a line of cache half as often.
#[inline(always)]
fn store_front_sparse(words: &mut [u32; 16], lanes: __m512i, mask: u16) {
    if mask.count_ones() > 8 {
        return store_front(words, lanes, mask);
    }
    // SAFETY: the array is more than 32 writable bytes; `storeu` asks for no alignment. Features: see the module.
    unsafe {
        let front = _mm512_maskz_compress_epi32(mask, lanes);
        _mm256_storeu_si256(words.as_mut_ptr().cast(), _mm512_castsi512_si256(front));
    }
}

#[inline(always)]
fn distance2(positions: &Positions, centre: u32) -> __m512i {
    let position = load(&positions.0);
    // SAFETY: features only, see the module.
    unsafe {
        let difference = _mm512_sub_epi16(position, _mm512_set1_epi32(centre as i32));
        _mm512_madd_epi16(difference, difference)
    }
}

/// `first`, and the fifteen numbers after it.
#[inline(always)]
fn numbers(first: u32) -> __m512i {
    // SAFETY: features only, see the module.
    unsafe {
        let rows = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        _mm512_add_epi32(rows, _mm512_set1_epi32(first as i32))
    }
}

impl Lanes for Avx512 {
    #[inline(always)]
    fn in_range(self, positions: &Positions, centre: u32, radius2: i32) -> u16 {
        let distance2 = distance2(positions, centre);
        // SAFETY: features only, see the module.
        unsafe { _mm512_cmple_epi32_mask(distance2, _mm512_set1_epi32(radius2)) }
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
        let since = load(since);
        let z_yaw = load(&now.details.z_yaw);
        let z_yaw_was = load(&base.details.z_yaw);
        let at = load(&now.positions.0);
        let was = load(&base.positions.0);
        // SAFETY: features only, see the module.
        unsafe {
            let step = _mm512_sub_epi16(at, was);
            let climb = _mm512_sub_epi16(z_yaw, z_yaw_was);
            // A 16-bit difference fits a byte if adding 128 leaves the high byte empty.
            let over = _mm512_or_si512(
                _mm512_and_si512(
                    _mm512_add_epi16(step, _mm512_set1_epi32(0x0080_0080)),
                    _mm512_set1_epi32(0xff00_ff00u32 as i32),
                ),
                _mm512_and_si512(
                    _mm512_add_epi16(climb, _mm512_set1_epi32(0x0080)),
                    _mm512_set1_epi32(0xff00),
                ),
            );
            let fits = _mm512_mask_testn_epi32_mask(candidates, over, over);
            let kept = _mm512_mask_cmple_epu32_mask(fits, since, _mm512_set1_epi32(baseline as i32));
            let difference = _mm512_or_si512(step, _mm512_xor_si512(z_yaw, z_yaw_was));
            let moved = _mm512_mask_test_epi32_mask(kept, difference, difference);
            let low = _mm512_set1_epi32(0xff);
            let record = _mm512_or_si512(
                _mm512_or_si512(
                    _mm512_and_si512(step, low),
                    _mm512_and_si512(_mm512_srli_epi32::<8>(step), _mm512_set1_epi32(0xff00)),
                ),
                _mm512_or_si512(
                    _mm512_slli_epi32::<16>(_mm512_and_si512(climb, low)),
                    _mm512_slli_epi32::<8>(_mm512_and_si512(z_yaw, _mm512_set1_epi32(0x00ff_0000))),
                ),
            );
            store_front(records, record, moved);
            let (attr, attr_was) = (load(&now.details.attr01), load(&base.details.attr01));
            let attr = _mm512_mask_cmpneq_epi32_mask(kept, attr, attr_was);
            Changes { kept, moved, attr }
        }
    }

    #[inline(always)]
    fn slots(self, mask: u16, first: u32, slots: &mut [u32; 16]) {
        store_front(slots, numbers(first), mask);
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
        store_front_sparse(slots, numbers(first), mask);
        store_front_sparse(distances, distance2(positions, centre), mask);
    }

    #[inline(always)]
    fn due(self, ids: &[u32; 16], cursor: u16, width: u32) -> u16 {
        let ids = load(ids);
        // SAFETY: features only, see the module.
        unsafe {
            let phase =
                _mm512_srli_epi32::<16>(_mm512_mullo_epi32(ids, _mm512_set1_epi32(0x9e37_79b1u32 as i32)));
            let offset = _mm512_and_si512(
                _mm512_sub_epi32(phase, _mm512_set1_epi32(i32::from(cursor))),
                _mm512_set1_epi32(0xffff),
            );
            _mm512_cmplt_epu32_mask(offset, _mm512_set1_epi32(width as i32))
        }
    }

    #[inline(always)]
    fn beyond(self, values: &[f32; 16], centre: f32, reach: f32) -> u16 {
        // SAFETY: the array is 64 readable bytes; `loadu` asks for no alignment. Features: see the module.
        unsafe {
            let offset = _mm512_sub_ps(_mm512_loadu_ps(values.as_ptr()), _mm512_set1_ps(centre));
            _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(_mm512_abs_ps(offset), _mm512_set1_ps(reach))
        }
    }

    #[inline(always)]
    fn unequal(self, now: &[u32; 16], base: &[u32; 16]) -> u16 {
        let (now, base) = (load(now), load(base));
        // SAFETY: features only, see the module.
        unsafe { _mm512_cmpneq_epi32_mask(now, base) }
    }

    #[inline(always)]
    fn extract(self, mask: u16, places: u16) -> u16 {
        // SAFETY: features only (BMI2), see the module.
        unsafe { _pext_u32(u32::from(mask), u32::from(places)) as u16 }
    }
}
