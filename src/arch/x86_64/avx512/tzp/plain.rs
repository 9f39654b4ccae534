//! The steps of tzp with AVX-512 F, BW, CD, DQ and VL alone, which compress and expand no bytes: codes and offsets go as
//! 32-bit lanes, literals by the shuffles of AVX2.

use core::arch::x86_64::{
    __m256i, __m512i, _mm_load_si128, _mm_loadu_si128, _mm_shuffle_epi8, _mm_storeu_si128, _mm256_castsi128_si256,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_inserti128_si256, _mm256_loadu_si256,
    _mm256_mask_shuffle_epi8, _mm256_storeu_si256, _mm512_add_epi8, _mm512_and_si512, _mm512_castsi512_si128,
    _mm512_cvtepi32_epi8, _mm512_cvtepi32_epi16, _mm512_cvtepu8_epi32, _mm512_cvtepu16_epi32,
    _mm512_extracti32x4_epi32, _mm512_madd_epi16, _mm512_maddubs_epi16, _mm512_mask_mov_epi8,
    _mm512_maskz_compress_epi32, _mm512_maskz_expand_epi32, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_shuffle_epi8,
    _mm512_srli_epi16, _mm512_storeu_si512, _mm512_testn_epi8_mask, _mm512_xor_si512,
};
use core::mem::MaybeUninit;

use super::{Aligned, Set, Ymm, load};
use crate::base::format::tzp::{CHUNKS, KEEP};
use crate::kernel::table::instantiate_tzp_kernels;
use crate::kernel::tzp::{COMPACT, EXPAND, LOW_NIBBLE, row};

/// Nothing beside AVX-512 F, BW, CD, DQ and VL.
#[derive(Clone, Copy)]
pub struct Plain;

/// Bits set of each number below 16, four times.
static BITS: Aligned<[u8; 64]> = {
    let (mut table, mut i) = ([0; 64], 0usize);
    while i < 64 {
        table[i] = (i % 16).count_ones() as u8;
        i += 1;
    }
    Aligned(table)
};
/// The nibbles that keep something, so that of all that fit the last is the one to take: those that keep least first, of
/// equals the highest first.
const ASCENDING: [u8; 15] = {
    let (mut order, mut length, mut kept) = ([0; 15], 0, 1);
    while kept <= 8 {
        let mut nibble = 16;
        while nibble > 0 {
            nibble -= 1;
            if KEEP[nibble].count_ones() == kept {
                order[length] = nibble as u8;
                length += 1;
            }
        }
        kept += 1;
    }
    order
};

// In all methods: the caller's shell enables the instructions (I).
impl Set for Plain {
    #[inline(always)]
    unsafe fn count(sets: __m512i) -> __m512i {
        // SAFETY: I.
        unsafe {
            let (table, low) = (load(&BITS), _mm512_set1_epi8(15));
            let one = _mm512_shuffle_epi8(table, _mm512_and_si512(sets, low));
            let other = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16::<4>(sets), low));
            let pairs = _mm512_maddubs_epi16(_mm512_add_epi8(one, other), _mm512_set1_epi8(1));
            _mm512_madd_epi16(pairs, _mm512_set1_epi16(1))
        }
    }
    #[inline(always)]
    unsafe fn nibbles(equal: __m512i) -> __m512i {
        // SAFETY: I.
        unsafe {
            let differing = _mm512_xor_si512(equal, _mm512_set1_epi8(-1));
            let mut nibbles = _mm512_set1_epi8(LOW_NIBBLE[0] as i8);
            for nibble in ASCENDING {
                let keep = _mm512_set1_epi8(KEEP[usize::from(nibble)] as i8);
                let fits = _mm512_testn_epi8_mask(differing, keep);
                nibbles = _mm512_mask_mov_epi8(nibbles, fits, _mm512_set1_epi8(nibble as i8));
            }
            nibbles
        }
    }
    #[inline(always)]
    unsafe fn pack_codes(codes: __m256i, which: u16, to: *mut u8) {
        // SAFETY: I; 32 bytes are writable.
        unsafe {
            let packed = _mm512_maskz_compress_epi32(which, _mm512_cvtepu16_epi32(codes));
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(packed));
        }
    }
    #[inline(always)]
    unsafe fn unpack_codes(from: *const u8, which: u16) -> __m256i {
        // SAFETY: I; 32 bytes are readable.
        unsafe {
            let codes = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_cvtepi32_epi16(_mm512_maskz_expand_epi32(which, codes))
        }
    }
    #[inline(always)]
    unsafe fn pack_bytes(bytes: __m512i, which: u64, mut to: *mut u8) {
        // SAFETY: I; 64 bytes are writable, of which each quarter leaves 16 for every one that is left.
        unsafe {
            let quarters = [
                _mm512_castsi512_si128(bytes),
                _mm512_extracti32x4_epi32::<1>(bytes),
                _mm512_extracti32x4_epi32::<2>(bytes),
                _mm512_extracti32x4_epi32::<3>(bytes),
            ];
            for (i, quarter) in quarters.into_iter().enumerate() {
                let which = (which >> (16 * i)) as u16;
                let packed = _mm512_maskz_compress_epi32(which, _mm512_cvtepu8_epi32(quarter));
                _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(packed));
                to = to.add(which.count_ones() as usize);
            }
        }
    }
    #[inline(always)]
    unsafe fn pick(table: [__m512i; 2], numbers: [__m512i; 2], to: *mut u8) {
        // A byte of zero before the table, which number 0 picks.
        let mut bytes = Aligned([0u8; 64 + CHUNKS]);
        let mut indices = MaybeUninit::<Aligned<[u8; CHUNKS]>>::uninit();
        let indices = indices.as_mut_ptr().cast::<u8>();
        // SAFETY: I; the numbers are at most 128, so 63 more are in `bytes`; 128 bytes are writable.
        unsafe {
            for half in 0..2 {
                _mm512_storeu_si512(bytes.0.as_mut_ptr().add(64 + 64 * half).cast(), table[half]);
                _mm512_storeu_si512(indices.add(64 * half).cast(), numbers[half]);
            }
            for chunk in 0..CHUNKS {
                *to.add(chunk) = *bytes.0.get_unchecked(63 + usize::from(*indices.add(chunk)));
            }
        }
    }
    #[inline(always)]
    unsafe fn extract(chunk: __m256i, literals: u32, codes: *const u8, to: *mut u8) {
        // SAFETY: I; two codes are readable and 32 bytes writable; the first half has at most 16 literals.
        unsafe {
            let (low, high) = (_mm256_castsi256_si128(chunk), _mm256_extracti128_si256::<1>(chunk));
            let places = _mm_load_si128(row(&COMPACT, u32::from(*codes)).cast());
            _mm_storeu_si128(to.cast(), _mm_shuffle_epi8(low, places));
            let places = _mm_load_si128(row(&COMPACT, u32::from(*codes.add(1))).cast());
            let first = (literals as u16).count_ones() as usize;
            _mm_storeu_si128(to.add(first).cast(), _mm_shuffle_epi8(high, places));
        }
    }
    #[inline(always)]
    unsafe fn merge(predicted: __m256i, literals: u32, codes: *const u8, from: *const u8) -> __m256i {
        let first = (literals as u16).count_ones() as usize;
        // SAFETY: I; two codes and 32 bytes of literals are readable; the first half has at most 16.
        unsafe {
            let low = _mm256_castsi128_si256(_mm_loadu_si128(from.cast()));
            let both = _mm256_inserti128_si256::<1>(low, _mm_loadu_si128(from.add(first).cast()));
            let places = _mm256_castsi128_si256(_mm_load_si128(row(&EXPAND, u32::from(*codes)).cast()));
            let more_places = _mm_load_si128(row(&EXPAND, u32::from(*codes.add(1))).cast());
            let places = _mm256_inserti128_si256::<1>(places, more_places);
            _mm256_mask_shuffle_epi8(predicted, literals, both, places)
        }
    }
}

instantiate_tzp_kernels!(
    Ymm<Plain>,
    [#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]]
);
