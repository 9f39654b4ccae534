//! Zstandard on AVX2.

use core::arch::x86_64::{
    __m128i, __m256i, _bzhi_u64, _mm_add_epi32, _mm_add_epi64, _mm_cvtsi128_si32, _mm_cvtsi128_si64, _mm_extract_epi64,
    _mm_insert_epi32, _mm_load_si128, _mm_loadu_si128, _mm_shuffle_epi8, _mm_storeu_si128, _mm256_add_epi64,
    _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_extracti128_si256,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_slli_epi64, _mm256_testz_si256,
};

use super::lz4::Avx2;
use crate::kernel::table::instantiate_zstd_decoder;
use crate::kernel::zstd_seq_decode::{SeqIsa, read_the_output_back};
use crate::kernel::zstd_tree::{MAX_BITS, SORTED, TreeIsa};

/// What becomes of the last three offsets and a fourth element, by twice the value of an offset, 8 at most, and 1 more
/// behind no literals.
#[repr(align(32))]
struct Moves([Move; 10]);

/// A shuffle, and what is added then.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Move([u8; 16], [i32; 4]);

static MOVES: Moves = {
    // Value 0 does not occur.
    let from =
        [[0, 0, 0], [0, 0, 0], [0, 1, 2], [1, 0, 2], [1, 0, 2], [2, 0, 1], [2, 0, 1], [0, 0, 1], [3, 0, 1], [3, 0, 1]];
    let mut moves = [Move([0; 16], [0; 4]); 10];
    let mut i = 0;
    while i < 10 {
        let mut byte = 0;
        while byte < 12 {
            moves[i].0[byte] = (4 * from[i][byte / 4] + byte % 4) as u8;
            byte += 1;
        }
        moves[i].1[0] = [0, 0, 0, 0, 0, 0, 0, -1, -3, -3][i];
        i += 1;
    }
    Moves(moves)
};

/// [`SeqIsa::resolve`] for a register: the lanes are the last three offsets, latest first.
///
/// # Safety
/// Invariant I for AVX2.
#[inline(always)]
pub unsafe fn resolve(repeats: __m128i, value: u32, behind_literals: bool) -> (u32, __m128i) {
    let row = &MOVES.0[(2 * value.min(4) + u32::from(!behind_literals)) as usize];
    // SAFETY: the caller's shell enables the features (I); the parts of a row are aligned to 16 bytes.
    unsafe {
        let all = _mm_insert_epi32::<3>(repeats, value.cast_signed());
        let moved = _mm_shuffle_epi8(all, _mm_load_si128(row.0.as_ptr().cast()));
        let moved = _mm_add_epi32(moved, _mm_load_si128(row.1.as_ptr().cast()));
        (_mm_cvtsi128_si32(moved).cast_unsigned(), moved)
    }
}

/// [`SeqIsa::repeats`] for a register.
///
/// # Safety
/// Invariant I for AVX2.
#[inline(always)]
pub unsafe fn repeats([first, second, third]: [u32; 3]) -> __m128i {
    let lanes = [first, second, third, 0];
    // SAFETY: the caller's shell enables the features (I); 16 bytes are there.
    unsafe { _mm_loadu_si128(lanes.as_ptr().cast()) }
}

/// [`SeqIsa::offsets`] for a register.
///
/// # Safety
/// Invariant I for AVX2.
#[inline(always)]
pub unsafe fn offsets(repeats: __m128i) -> [u32; 3] {
    let mut lanes = [0; 4];
    // SAFETY: the caller's shell enables the features (I); 16 bytes are there.
    unsafe { _mm_storeu_si128(lanes.as_mut_ptr().cast(), repeats) };
    [lanes[0], lanes[1], lanes[2]]
}

/// Implements the repeated offsets of [`SeqIsa`] in one register.
macro_rules! repeats_in_a_register {
    () => {
        type Repeats = core::arch::x86_64::__m128i;
        #[inline(always)]
        unsafe fn repeats(offsets: [u32; 3]) -> Self::Repeats {
            // SAFETY: the caller's shell enables the features (I).
            unsafe { crate::arch::x86_64::avx2::zstd::repeats(offsets) }
        }
        #[inline(always)]
        unsafe fn offsets(repeats: Self::Repeats) -> [u32; 3] {
            // SAFETY: the caller's shell enables the features (I).
            unsafe { crate::arch::x86_64::avx2::zstd::offsets(repeats) }
        }
        #[inline(always)]
        unsafe fn resolve(repeats: Self::Repeats, value: u32, behind_literals: bool) -> (u32, Self::Repeats) {
            // SAFETY: the caller's shell enables the features (I).
            unsafe { crate::arch::x86_64::avx2::zstd::resolve(repeats, value, behind_literals) }
        }
    };
}
pub(in crate::arch::x86_64) use repeats_in_a_register;

impl SeqIsa for Avx2 {
    repeats_in_a_register!();
    read_the_output_back!();

    #[inline(always)]
    unsafe fn low(word: u64, count: u64) -> u64 {
        // SAFETY: the caller's shell enables BMI2 (I).
        unsafe { _bzhi_u64(word, count as u32) }
    }
}

/// The bytes of `1 << weight >> 1`, lower and upper.
const POWERS: [[u8; 16]; 2] =
    [[0, 1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64]];

/// See [`TreeIsa::total`].
///
/// # Safety
/// Invariant I for AVX2.
#[inline(always)]
pub unsafe fn total(weights: &[u8; 256]) -> Option<u32> {
    // SAFETY: the caller's shell enables the features (I); loads are of 32 of the weights (S), or of 16 bytes of a table.
    unsafe {
        let lower = _mm256_broadcastsi128_si256(_mm_loadu_si128(POWERS[0].as_ptr().cast()));
        let upper = _mm256_broadcastsi128_si256(_mm_loadu_si128(POWERS[1].as_ptr().cast()));
        let zero = _mm256_setzero_si256();
        let (mut low, mut high, mut all) = (zero, zero, zero);
        let mut at = 0;
        while at < weights.len() {
            let bytes = _mm256_loadu_si256(weights.as_ptr().add(at).cast());
            at += 32;
            all = _mm256_or_si256(all, bytes);
            low = _mm256_add_epi64(low, _mm256_sad_epu8(_mm256_shuffle_epi8(lower, bytes), zero));
            high = _mm256_add_epi64(high, _mm256_sad_epu8(_mm256_shuffle_epi8(upper, bytes), zero));
        }
        let sums = _mm256_add_epi64(low, _mm256_slli_epi64::<8>(high));
        let sums = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let total = (_mm_cvtsi128_si64(sums) + _mm_extract_epi64::<1>(sums)) as u32;
        (_mm256_testz_si256(all, _mm256_set1_epi8(-16)) != 0).then_some(total)
    }
}

/// Returns a map of which of 32 bytes are equal to those of `same`.
///
/// # Safety
/// Invariant I for AVX2; 32 bytes are readable at `from`.
#[inline(always)]
unsafe fn equal32(from: *const u8, same: __m256i) -> u64 {
    // SAFETY: the caller's shell enables the features (I); the bytes are there (S).
    unsafe { _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(from.cast()), same)).cast_unsigned().into() }
}

impl TreeIsa for Avx2 {
    #[inline(always)]
    unsafe fn total(weights: &[u8; 256]) -> Option<u32> {
        // SAFETY: the contract is the same (I).
        unsafe { total(weights) }
    }

    #[inline(always)]
    unsafe fn sort(weights: &[u8; 256], symbols: usize, log: u32, sorted: &mut [u8; SORTED]) -> [u16; 16] {
        let mut counts = [0; 16];
        let mut at = 0;
        // SAFETY: the caller's shell enables the features (I); loads are of 64 of the weights (S). Every symbol has one weight, so that at
        // most 256 are sorted, and no four stores reach farther than 4 behind that (D).
        unsafe {
            let mut weight = 1;
            while weight <= log.min(MAX_BITS) as usize {
                let start = at;
                let same = _mm256_set1_epi8(weight as i8);
                let mut first = 0;
                while first < symbols.min(256) {
                    let from = weights.as_ptr().add(first);
                    let mut map = equal32(from, same) | equal32(from.add(32), same) << 32;
                    let end = at + map.count_ones() as usize;
                    loop {
                        let mut place = at;
                        at += 4;
                        while place < at {
                            *sorted.as_mut_ptr().add(place) = (first as u8).wrapping_add(map.trailing_zeros() as u8);
                            map &= map.wrapping_sub(1);
                            place += 1;
                        }
                        if at >= end {
                            break;
                        }
                    }
                    at = end;
                    first += 64;
                }
                counts[weight] = (at - start) as u16;
                weight += 1;
            }
        }
        counts
    }
}

instantiate_zstd_decoder!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
