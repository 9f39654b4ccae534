//! Zstandard on AVX2.

use core::arch::x86_64::{
    __m128i, _bzhi_u64, _mm_add_epi32, _mm_cvtsi128_si32, _mm_insert_epi32, _mm_load_si128, _mm_loadu_si128,
    _mm_shuffle_epi8, _mm_storeu_si128,
};

use super::lz4::Avx2;
use crate::kernel::table::instantiate_zstd_decoder;
use crate::kernel::zstd_seq_decode::{SeqIsa, read_the_output_back};

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

instantiate_zstd_decoder!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
