//! The LZ4 kernels with masks and 32 registers. Decoding is AVX2's: it copies 16 bytes at a time.
//!
//! Vectors of 256 bits, since the table takes and gives four entries at a time whatever their width: with 512 bits there were
//! fewer instructions, and level 1 took 2 % longer than with AVX2 where this takes 2 % less (Zen 5, records/2026-11-26).

use core::arch::x86_64::{
    _mm_max_epu16, _mm_set1_epi16, _mm_storeu_si128, _mm256_add_epi32, _mm256_blend_epi16, _mm256_castsi256_si128,
    _mm256_cmpeq_epi8_mask, _mm256_cmpneq_epi8_mask, _mm256_extracti128_si256, _mm256_loadu_si256,
    _mm256_maskz_cvtepi32_epi16, _mm256_mullo_epi32, _mm256_set_m128i, _mm256_set1_epi32, _mm256_setr_epi32,
    _mm256_setzero_si256, _mm256_storeu_si256, _mm256_sub_epi16, _mm256_testn_epi32_mask, _mm256_xor_si256,
};

use super::super::avx2::lz4::{Avx2, exchange, four, keys, shift_left, to_place};
use crate::kernel::lz4_isa::{BLOCK, Isa, MULTIPLIERS};
use crate::kernel::table::{instantiate_lz4_lanes, instantiate_lz4_optimal, instantiate_scan};

/// AVX-512 BW and VL.
pub struct Avx512;

impl Isa for Avx512 {
    #[inline(always)]
    unsafe fn common32(a: *const u8, b: *const u8) -> usize {
        // SAFETY: the caller's shell enables AVX-512 BW and VL (I); 32 bytes are readable at both, by the contract of
        // `Isa::common32` (S).
        unsafe {
            let differing = _mm256_cmpneq_epi8_mask(_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast()));
            differing.trailing_zeros() as usize
        }
    }

    #[inline(always)]
    unsafe fn equal32(a: *const u8, b: *const u8) -> u32 {
        // SAFETY: as above, by the contract of `Isa::equal32`.
        unsafe { _mm256_cmpeq_epi8_mask(_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast())) }
    }

    #[inline(always)]
    unsafe fn suffix32(a: *const u8, b: *const u8) -> usize {
        // SAFETY: as above, before both addresses.
        unsafe {
            let (a, b) = (_mm256_loadu_si256(a.sub(32).cast()), _mm256_loadu_si256(b.sub(32).cast()));
            _mm256_cmpneq_epi8_mask(a, b).leading_zeros() as usize
        }
    }

    #[inline(always)]
    unsafe fn scan<const STRIDE: usize, const KEY: usize, const BITS: u32>(
        src: *const u8,
        position: usize,
        table: *mut u32,
        distances: *mut u16,
    ) -> u64 {
        let mut places = [0u32; BLOCK];
        let mut found = 0;
        // SAFETY: the caller's shell enables AVX-512 BW and VL (I). The reads are those of the contract (S); stores to `distances`
        // and `places` are of 8 elements from multiples of that (D).
        unsafe {
            let m0 = _mm256_set1_epi32(MULTIPLIERS[0].cast_signed());
            let m1 = _mm256_set1_epi32(MULTIPLIERS[1].cast_signed());
            // All places are stored before the first exchange, which then does not wait for them; the hashes stay in registers.
            let mut hashes = [_mm256_setzero_si256(); BLOCK / 8];
            for first in (0..BLOCK).step_by(8) {
                let (words, fifth) = keys::<STRIDE, KEY>(src.add(first * STRIDE));
                hashes[first / 8] = _mm256_add_epi32(_mm256_mullo_epi32(words, m0), _mm256_mullo_epi32(fifth, m1));
                _mm256_storeu_si256(places.as_mut_ptr().add(first).cast(), to_place::<BITS>(hashes[first / 8]));
            }
            let ramp = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(STRIDE as i32));
            let mut positions = _mm256_add_epi32(ramp, _mm256_set1_epi32(position as i32));
            for first in (0..BLOCK).step_by(8) {
                let new = _mm256_blend_epi16::<0x55>(shift_left::<BITS>(hashes[first / 8]), positions);
                positions = _mm256_add_epi32(positions, _mm256_set1_epi32(8 * STRIDE as i32));
                let low = exchange(four(table, &places, first), _mm256_castsi256_si128(new));
                let high = exchange(four(table, &places, first + 4), _mm256_extracti128_si256::<1>(new));
                let old = _mm256_set_m128i(high, low);
                let tags = _mm256_set1_epi32(0xFFFF_0000u32.cast_signed());
                let same = _mm256_testn_epi32_mask(_mm256_xor_si256(new, old), tags);
                found |= u64::from(same) << first;
                let back = _mm256_maskz_cvtepi32_epi16(same, _mm256_sub_epi16(new, old));
                _mm_storeu_si128(distances.add(first).cast(), _mm_max_epu16(back, _mm_set1_epi16(1)));
            }
        }
        found
    }

    #[inline(always)]
    unsafe fn scan_pairs<const STRIDE: usize, const BITS: u32>(
        src: *const u8,
        position: usize,
        table: *mut u64,
        distances: *mut u16,
    ) -> u64 {
        // SAFETY: the caller's shell enables AVX2 too (I); the contract is the same.
        unsafe { Avx2::scan_pairs::<STRIDE, BITS>(src, position, table, distances) }
    }

    #[inline(always)]
    unsafe fn scan_rows<const W: usize>(
        bits: u32,
        src: *const u8,
        position: usize,
        table: *mut u32,
        distances: *mut u16,
    ) {
        // SAFETY: as above.
        unsafe { Avx2::scan_rows::<W>(bits, src, position, table, distances) }
    }

    #[inline(always)]
    unsafe fn fresh<const W: usize>(distances: *const u16, bits: &mut [u64; 8]) {
        // SAFETY: as above.
        unsafe { Avx2::fresh::<W>(distances, bits) }
    }
}

instantiate_scan!(
    Avx512,
    [#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]]
);
instantiate_lz4_lanes!(
    Avx512,
    [#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]]
);
instantiate_lz4_optimal!(
    Avx512,
    [#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]]
);
