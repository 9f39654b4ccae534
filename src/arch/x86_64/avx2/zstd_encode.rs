//! The entropy stage of Zstandard: codes of eight sequences at once, the rest compiled for the set.

use core::arch::x86_64::{
    __m256i, _mm_set1_epi8, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256, _mm256_blend_epi16,
    _mm256_blend_epi32, _mm256_blendv_epi8, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmpeq_epi16,
    _mm256_cmpeq_epi32, _mm256_cvtepi32_ps, _mm256_loadu_si256, _mm256_max_epu8, _mm256_min_epu16, _mm256_or_si256,
    _mm256_permute4x64_epi64, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setr_m128i, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_shuffle_ps, _mm256_slli_epi16, _mm256_slli_epi32, _mm256_sllv_epi32, _mm256_sllv_epi64,
    _mm256_srli_epi16, _mm256_srli_epi32, _mm256_storeu_si256, _mm256_sub_epi32, _mm256_subs_epu8,
    _mm256_unpackhi_epi32, _mm256_unpacklo_epi32, _mm256_xor_si256,
};

use super::lz4::Avx2;
use crate::kernel::table::instantiate_zstd_encode;
use crate::kernel::zstd_encode::Isa;
use crate::kernel::zstd_encode::codes::{BEFORE, GROUP};
use crate::kernel::zstd_seq_encode::{Codes, DISTANCE_AT, LEN_AT, LEN_BITS};

const _: () = assert!(LEN_BITS == 16 && LEN_AT == 16 && DISTANCE_AT == 32, "what the shuffles take apart");
const _: () = assert!(GROUP == 8 && BEFORE == 3);

/// Sixteen bytes for each half of a register: a table for literals lengths, and one for match lengths.
type Tables = [[u8; 16]; 2];

/// By the literals length, 16 to 31, or half the match length less 3, likewise, less 16: the code.
static SIXTEENS: Tables = [
    [16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 20, 20, 21, 21, 21, 21],
    [32, 33, 34, 35, 36, 36, 37, 37, 38, 38, 38, 38, 39, 39, 39, 39],
];
/// By an eighth of the same numbers, 32 to 63.
static EIGHTHS: Tables =
    [[0, 0, 0, 0, 22, 23, 24, 24, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 40, 41, 42, 42, 0, 0, 0, 0, 0, 0, 0, 0]];
/// From 64 on there is a code for each doubling: by the bits from the sixth, the tenth and the fourteenth on.
static DOUBLINGS: [Tables; 3] = [doublings(6), doublings(10), doublings(14)];
/// By the code less 15, or 31: its extra bits, up to 24, or 42.
static FEW_BITS: Tables =
    [[0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 0, 0, 0, 0]];
/// By the code less 24, or 42: its extra bits, beyond.
static MANY_BITS: Tables =
    [[0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0], [0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0]];

const fn doublings(from: u8) -> Tables {
    let mut tables = [[0; 16]; 2];
    let mut i = 1u32;
    while i < 16 {
        let exponent = from + i.ilog2() as u8;
        tables[0][i as usize] = 19 + exponent;
        tables[1][i as usize] = 37 + exponent;
        i += 1;
    }
    tables
}

/// Both tables.
#[inline(always)]
unsafe fn both(tables: &Tables) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I); they are 32 bytes in a row (S).
    unsafe { _mm256_loadu_si256(core::ptr::from_ref(tables).cast()) }
}

/// The elements of both tables by the lower four bits of each byte, 0 where its highest is set.
#[inline(always)]
unsafe fn look_up(tables: &Tables, at: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe { _mm256_shuffle_epi8(both(tables), at) }
}

/// The lower or, if `ODD`, the upper halves of the elements of both, in the order 0 1 4 5 2 3 6 7.
#[inline(always)]
unsafe fn halves<const ODD: bool>(a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe {
        let (a, b) = (_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
        _mm256_castps_si256(if ODD {
            _mm256_shuffle_ps::<0b11_01_11_01>(a, b)
        } else {
            _mm256_shuffle_ps::<0b10_00_10_00>(a, b)
        })
    }
}

/// Brings elements in that order into the usual one, and back.
#[inline(always)]
unsafe fn reorder(elements: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe { _mm256_permute4x64_epi64::<0b11_01_10_00>(elements) }
}

/// Of pairs of 16 bits the lower ones to the lower half, the upper ones to the upper half.
#[inline(always)]
unsafe fn split(pairs: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe { reorder(_mm256_shuffle_epi8(pairs, both(&[[0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15]; 2]))) }
}

/// Makes the pairs of which [`split`] made the halves.
#[inline(always)]
unsafe fn join(halves: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe { _mm256_shuffle_epi8(reorder(halves), both(&[[0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15]; 2])) }
}

/// Eight sequences.
///
/// # Safety
/// As many are readable at `at`.
#[inline(always)]
unsafe fn load(at: *const u64) -> (__m256i, __m256i) {
    // SAFETY: the caller's shell enables AVX2 (I); the caller's contract (S).
    unsafe { (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(4).cast())) }
}

/// Which of eight sequences are without literals.
#[inline(always)]
unsafe fn are_bare(a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe { _mm256_cmpeq_epi32(_mm256_slli_epi32::<16>(halves::<false>(a, b)), _mm256_setzero_si256()) }
}

impl Isa for Avx2 {
    #[inline(always)]
    unsafe fn codes(sequences: *mut u64, values: *const u32, codes: *mut Codes) {
        // SAFETY: the caller's shell enables AVX2 (I); 8 elements are at each address, by the contract of
        // `Isa::codes` (S, D).
        unsafe {
            let (a, b) = load(sequences);
            // In 16 bits each: literals lengths, then match lengths less 3. Their codes are alike but for a factor of 2.
            let lengths = split(halves::<false>(a, b));
            let scaled = _mm256_blend_epi32::<0b1111_0000>(lengths, _mm256_srli_epi16::<1>(lengths));
            // Up to 15 as they are; the larger the number, the larger the code.
            let is_small = _mm256_cmpeq_epi16(_mm256_min_epu16(scaled, _mm256_set1_epi16(15)), scaled);
            let code = look_up(&SIXTEENS, scaled);
            let code = _mm256_max_epu8(code, look_up(&EIGHTHS, _mm256_srli_epi16::<3>(scaled)));
            let code = _mm256_max_epu8(code, look_up(&DOUBLINGS[0], _mm256_srli_epi16::<6>(scaled)));
            let code = _mm256_max_epu8(code, look_up(&DOUBLINGS[1], _mm256_srli_epi16::<10>(scaled)));
            let code = _mm256_max_epu8(code, look_up(&DOUBLINGS[2], _mm256_srli_epi16::<14>(scaled)));
            let code = _mm256_and_si256(code, _mm256_set1_epi16(0xff));
            let code = _mm256_blendv_epi8(code, lengths, is_small);
            let base = _mm256_setr_m128i(_mm_set1_epi8(15), _mm_set1_epi8(31));
            let bits = look_up(&FEW_BITS, _mm256_subs_epu8(code, base));
            let base = _mm256_setr_m128i(_mm_set1_epi8(24), _mm_set1_epi8(42));
            let bits = _mm256_max_epu8(bits, look_up(&MANY_BITS, _mm256_subs_epu8(code, base)));
            let shifted = _mm256_slli_epi16::<8>(bits);
            // Of each byte the bits that are extra bits.
            let counts = _mm256_or_si256(bits, _mm256_subs_epu8(shifted, _mm256_set1_epi16(8 << 8)));
            let ones = look_up(&[[0, 1, 3, 7, 15, 31, 63, 127, 255, 255, 255, 255, 255, 255, 255, 255]; 2], counts);
            let extra = join(_mm256_and_si256(lengths, ones));
            let code = join(_mm256_or_si256(code, shifted));

            let ll_bits = _mm256_and_si256(_mm256_srli_epi32::<8>(code), _mm256_set1_epi32(0xff));
            let length_bits = _mm256_add_epi32(ll_bits, _mm256_srli_epi32::<24>(code));
            let ll_extra = _mm256_blend_epi16::<0b1010_1010>(extra, _mm256_setzero_si256());
            let length_extra = _mm256_or_si256(ll_extra, _mm256_sllv_epi32(_mm256_srli_epi32::<16>(extra), ll_bits));

            let offset = reorder(_mm256_loadu_si256(values.cast()));
            let exponent = _mm256_srli_epi32::<23>(_mm256_castps_si256(_mm256_cvtepi32_ps(offset)));
            let of_code = _mm256_sub_epi32(exponent, _mm256_set1_epi32(127));
            let of_extra = _mm256_xor_si256(offset, _mm256_sllv_epi32(_mm256_set1_epi32(1), of_code));

            let count = _mm256_add_epi32(length_bits, of_code);
            let lengths = _mm256_and_si256(code, _mm256_set1_epi32(0xff_00ff));
            let others = _mm256_or_si256(_mm256_slli_epi32::<8>(of_code), _mm256_slli_epi32::<24>(count));
            _mm256_storeu_si256(codes.cast(), reorder(_mm256_or_si256(lengths, others)));
            let zero = _mm256_setzero_si256();
            let first =
                _mm256_sllv_epi64(_mm256_unpacklo_epi32(of_extra, zero), _mm256_unpacklo_epi32(length_bits, zero));
            let first = _mm256_or_si256(first, _mm256_unpacklo_epi32(length_extra, zero));
            _mm256_storeu_si256(sequences.cast(), first);
            let second =
                _mm256_sllv_epi64(_mm256_unpackhi_epi32(of_extra, zero), _mm256_unpackhi_epi32(length_bits, zero));
            let second = _mm256_or_si256(second, _mm256_unpackhi_epi32(length_extra, zero));
            _mm256_storeu_si256(sequences.add(4).cast(), second);
        }
    }

    #[inline(always)]
    unsafe fn values(sequences: &[u64], count: usize, values: &mut [u32]) {
        assert!(sequences.len() >= count + GROUP && values.len() >= count + GROUP);
        let (sequences, values) = (sequences.as_ptr(), values.as_mut_ptr());
        for i in (BEFORE..count).step_by(GROUP) {
            // SAFETY: the caller's shell enables AVX2 (I); GROUP elements from `i` on are in both, and BEFORE before them (the assertion;
            // S, D).
            unsafe {
                let (a, b) = load(sequences.add(i));
                let (bare, distance) = (are_bare(a, b), halves::<true>(a, b));
                let (a, b) = load(sequences.add(i - 1));
                let (first_bare, first) = (are_bare(a, b), halves::<true>(a, b));
                let (a, b) = load(sequences.add(i - 2));
                let second = halves::<true>(a, b);
                let (a, b) = load(sequences.add(i - 3));
                let third = halves::<true>(a, b);
                // A repetition of the first behind literals changes nothing, so that the second is what it was before.
                let unknown = _mm256_or_si256(first_bare, _mm256_cmpeq_epi32(second, third));
                let behind = _mm256_andnot_si256(unknown, third);
                let second = _mm256_blendv_epi8(second, behind, _mm256_cmpeq_epi32(first, second));
                let value = _mm256_add_epi32(distance, _mm256_set1_epi32(3));
                let reference = _mm256_add_epi32(_mm256_set1_epi32(2), bare);
                let value = _mm256_blendv_epi8(value, reference, _mm256_cmpeq_epi32(distance, second));
                let is_first = _mm256_andnot_si256(bare, _mm256_cmpeq_epi32(distance, first));
                let value = _mm256_blendv_epi8(value, _mm256_set1_epi32(1), is_first);
                _mm256_storeu_si256(values.add(i).cast(), reorder(value));
            }
        }
    }
}

instantiate_zstd_encode!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
