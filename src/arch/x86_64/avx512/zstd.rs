//! Zstandard on AVX-512 with VBMI and VBMI2: trees, whose symbols are sorted by compressing stores of them, and sequences, for which the last
//! 32 bytes of the output stay in a register.
//!
//! A match of a near offset, as a quarter of all are on real pages, would be read from where the last few copies were written, of which
//! none wrote all of its bytes: the CPU waits until they are in the cache. Here, such a match is made of the register.

use core::arch::x86_64::{
    __m256i, _bzhi_u64, _mm_loadu_si128, _mm_storeu_si128, _mm256_castsi128_si256, _mm256_loadu_si256,
    _mm256_permutex2var_epi8, _mm256_storeu_si256, _mm512_add_epi8, _mm512_cmpeq_epi8_mask, _mm512_loadu_si512,
    _mm512_maskz_compress_epi8, _mm512_set1_epi8, _mm512_storeu_si512,
};
use core::hint::select_unpredictable;

use super::super::avx2::lz4::Avx2;
use super::super::avx2::zstd::{repeats_in_a_register, total};
use crate::base::Error;
use crate::kernel::lz4_decode::NearCopy;
use crate::kernel::zstd_fse::Flaw;
use crate::kernel::zstd_seq_decode::{LITERALS, MATCH, SeqIsa, Sequences};
use crate::kernel::zstd_tree::{MAX_BITS, SORTED, TreeIsa};

/// AVX-512 with VBMI and VBMI2.
struct Vbmi2;

/// Bytes in a row that count up: any 32 of them choose a piece of two registers.
#[repr(align(64))]
struct Slide([u8; 64]);

static SLIDE: Slide = {
    let mut bytes = [0; 64];
    let mut i = 0;
    while i < 64 {
        bytes[i] = i as u8;
        i += 1;
    }
    Slide(bytes)
};

/// By offset: where the bytes of a match are, in the 32 bytes before it, or for offsets above 32 in the 32 bytes that were read.
#[repr(align(32))]
struct Near([[u8; MATCH]; MATCH + 2]);

static NEAR: Near = {
    let mut rows = [[0; MATCH]; MATCH + 2];
    let mut offset = 1;
    while offset < rows.len() {
        let mut i = 0;
        while i < MATCH {
            rows[offset][i] = if offset <= MATCH { MATCH - offset + i % offset } else { MATCH + i } as u8;
            i += 1;
        }
        offset += 1;
    }
    Near(rows)
};

impl NearCopy for Vbmi2 {
    #[inline(always)]
    unsafe fn first16(to: *mut u8, offset: usize) {
        // SAFETY: the contract is the same; a CPU with AVX-512 has AVX2 (I).
        unsafe { Avx2::first16(to, offset) }
    }
}

/// Returns the 32 bytes from `at` on of `first` and `second`.
///
/// # Safety
/// Invariant I; `at` is 32 at most.
#[inline(always)]
unsafe fn slide(first: __m256i, second: __m256i, at: usize) -> __m256i {
    debug_assert!(at <= 32);
    // SAFETY: the caller's shell enables VBMI (I); 32 bytes are at any `at` up to 32.
    unsafe { _mm256_permutex2var_epi8(first, _mm256_loadu_si256(SLIDE.0.as_ptr().add(at).cast()), second) }
}

impl SeqIsa for Vbmi2 {
    repeats_in_a_register!();
    type Window = __m256i;

    #[inline(always)]
    unsafe fn window(to: *const u8, at: usize) -> __m256i {
        let mut bytes = [0u8; 32];
        // SAFETY: the caller's shell enables AVX2 (I); `at` bytes are before `to`, of which 32 are read, or all.
        unsafe {
            if at >= 32 {
                return _mm256_loadu_si256(to.sub(32).cast());
            }
            bytes.as_mut_ptr().add(32 - at).copy_from_nonoverlapping(to.sub(at), at);
            _mm256_loadu_si256(bytes.as_ptr().cast())
        }
    }

    #[inline(always)]
    unsafe fn copy(window: __m256i, literals: *const u8, ll: usize, to: *mut u8, offset: usize, ml: usize) -> __m256i {
        const { assert!(LITERALS == 16 && MATCH == 32) };
        // SAFETY: the caller's shell enables the features (I). Literals and destination are those of the contract. A match from more than
        // 32 bytes back has 32 bytes before its place; for others, the reading is of the table.
        unsafe {
            let bytes = _mm_loadu_si128(literals.cast());
            _mm_storeu_si128(to.cast(), bytes);
            let window = slide(window, _mm256_castsi128_si256(bytes), ll);
            let to = to.add(ll);
            let row = NEAR.0.as_ptr().add(offset.min(MATCH + 1));
            let far = select_unpredictable(offset > MATCH, to.wrapping_sub(offset).cast_const(), row.cast());
            let far = _mm256_loadu_si256(far.cast());
            let bytes = _mm256_permutex2var_epi8(window, _mm256_loadu_si256(row.cast()), far);
            _mm256_storeu_si256(to.cast(), bytes);
            slide(window, bytes, ml)
        }
    }

    #[inline(always)]
    unsafe fn low(word: u64, count: u64) -> u64 {
        // SAFETY: the caller's shell enables BMI2 (I).
        unsafe { _bzhi_u64(word, count as u32) }
    }
}

impl TreeIsa for Vbmi2 {
    #[inline(always)]
    unsafe fn total(weights: &[u8; 256]) -> Option<u32> {
        // SAFETY: the contract is the same; a CPU with AVX-512 has AVX2 (I).
        unsafe { total(weights) }
    }

    #[inline(always)]
    unsafe fn sort(weights: &[u8; 256], symbols: usize, log: u32, sorted: &mut [u8; SORTED]) -> [u16; 16] {
        let mut counts = [0; 16];
        let mut at = 0;
        // SAFETY: the caller's shell enables the features (I); loads are of 64 of the weights (S), or of the bytes that count up. Every symbol
        // has one weight, so that at most 256 are sorted, and no store reaches farther than 64 behind that (D).
        unsafe {
            let count_up = _mm512_loadu_si512(SLIDE.0.as_ptr().cast());
            let mut weight = 1;
            while weight <= log.min(MAX_BITS) as usize {
                let start = at;
                let same = _mm512_set1_epi8(weight as i8);
                let mut first = 0;
                while first < symbols.min(256) {
                    let map = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(weights.as_ptr().add(first).cast()), same);
                    let symbols = _mm512_add_epi8(count_up, _mm512_set1_epi8(first as i8));
                    let symbols = _mm512_maskz_compress_epi8(map, symbols);
                    _mm512_storeu_si512(sorted.as_mut_ptr().add(at).cast(), symbols);
                    at += map.count_ones() as usize;
                    first += 64;
                }
                counts[weight] = (at - start) as u16;
                weight += 1;
            }
        }
        counts
    }
}

/// See [`crate::kernel::zstd_tree::read`].
///
/// # Safety
/// Invariant I of [`crate::kernel`].
#[target_feature(
    enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt"
)]
pub unsafe fn tree_read(src: &[u8], table: &mut [u16]) -> Result<(u32, usize), Flaw> {
    // SAFETY: this shell enables the features (I).
    unsafe { crate::kernel::zstd_tree::read::<Vbmi2>(src, table) }
}

/// See [`crate::kernel::zstd_seq_decode::execute`].
///
/// # Safety
/// Invariant I of [`crate::kernel`].
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx2,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn seq_decode(job: &mut Sequences, dst: &mut [u8]) -> Result<usize, Error> {
    // SAFETY: this shell enables the features (I).
    unsafe { crate::kernel::zstd_seq_decode::execute::<Vbmi2>(job, dst) }
}
