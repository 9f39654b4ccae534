//! The entropy stage of Zstandard: codes of eight sequences at once, the rest compiled for the set.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256, _mm256_blendv_epi8, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmpgt_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu32_epi64,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_permute4x64_epi64, _mm256_set1_epi32,
    _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_shuffle_ps, _mm256_slli_epi32, _mm256_sllv_epi32, _mm256_sllv_epi64,
    _mm256_srli_epi32, _mm256_srli_epi64, _mm256_storeu_si256, _mm256_sub_epi32, _mm256_xor_si256,
};

use super::lz4::Avx2;
use crate::kernel::table::instantiate_zstd_encode;
use crate::kernel::zstd_encode::Isa;
use crate::kernel::zstd_seq_encode::{Codes, LEN_BITS};

/// The exponent of each element, 0 to 2^24, and four bits of its mantissa below it: larger by 16 for each doubling, 0 for 1.
#[inline(always)]
unsafe fn scale(x: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe {
        let bits = _mm256_castps_si256(_mm256_cvtepi32_ps(x));
        _mm256_sub_epi32(_mm256_srli_epi32::<19>(bits), _mm256_set1_epi32(127 << 4))
    }
}

/// The elements of a table of 16 at the places in the low bytes of `at`, whose other bytes are 0 where it is 0 or more.
#[inline(always)]
unsafe fn look_up(table: __m256i, at: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe { _mm256_and_si256(_mm256_shuffle_epi8(table, at), _mm256_set1_epi32(0xff)) }
}

/// `1 << count` less one in each element.
#[inline(always)]
unsafe fn ones(count: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe { _mm256_sub_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(1), count), _mm256_set1_epi32(1)) }
}

/// The lower halves of the 64-bit elements of both, in order.
#[inline(always)]
unsafe fn low(a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe {
        // 0 1 4 5 | 2 3 6 7, then the middle ones change places.
        let mixed = _mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
        _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(mixed))
    }
}

/// The first four elements of each, in 64 bits.
#[inline(always)]
unsafe fn lower_half(parts: [__m256i; 5]) -> [__m256i; 5] {
    let mut half = parts;
    for part in &mut half {
        // SAFETY: the caller's shell enables AVX2 (I).
        *part = unsafe { _mm256_cvtepu32_epi64(_mm256_castsi256_si128(*part)) };
    }
    half
}

/// The last four elements of each, in 64 bits.
#[inline(always)]
unsafe fn upper_half(parts: [__m256i; 5]) -> [__m256i; 5] {
    let mut half = parts;
    for part in &mut half {
        // SAFETY: the caller's shell enables AVX2 (I).
        *part = unsafe { _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(*part)) };
    }
    half
}

impl Isa for Avx2 {
    #[inline(always)]
    unsafe fn codes(sequences: *mut u64, values: *const u32, codes: *mut Codes) {
        const LEN: i32 = LEN_BITS as i32;
        // SAFETY: the caller's shell enables AVX2 (I); 8 elements are at each address, by the contract of
        // `Isa::codes` (S, D).
        unsafe {
            let (a, b) = (_mm256_loadu_si256(sequences.cast()), _mm256_loadu_si256(sequences.add(4).cast()));
            let lengths = _mm256_set1_epi32((1 << LEN_BITS) - 1);
            let literals = _mm256_and_si256(low(a, b), lengths);
            let length = _mm256_and_si256(low(_mm256_srli_epi64::<LEN>(a), _mm256_srli_epi64::<LEN>(b)), lengths);
            let offset = _mm256_loadu_si256(values.cast());

            // Literals: 0 to 15 as they are, 16 to 63 by the exponent and three bits behind it, then one code a doubling.
            let place = scale(literals);
            let exponent = _mm256_srli_epi32::<4>(place);
            let eighths = _mm256_sub_epi32(_mm256_srli_epi32::<1>(place), _mm256_set1_epi32(4 << 3));
            #[rustfmt::skip]
            let codes4 = _mm256_setr_epi8(
                16, 17, 18, 19, 20, 20, 21, 21, 22, 22, 23, 23, 24, 24, 24, 24,
                16, 17, 18, 19, 20, 20, 21, 21, 22, 22, 23, 23, 24, 24, 24, 24,
            );
            #[rustfmt::skip]
            let bits4 = _mm256_setr_epi8(
                1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4,
                1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4,
            );
            let few = _mm256_cmpgt_epi32(_mm256_set1_epi32(16), literals);
            let many = _mm256_cmpgt_epi32(literals, _mm256_set1_epi32(63));
            let ll_code = _mm256_blendv_epi8(look_up(codes4, eighths), literals, few);
            let ll_code = _mm256_blendv_epi8(ll_code, _mm256_add_epi32(exponent, _mm256_set1_epi32(19)), many);
            let ll_bits = _mm256_andnot_si256(few, look_up(bits4, eighths));
            let ll_bits = _mm256_blendv_epi8(ll_bits, exponent, many);

            // Match lengths, less 3: 0 to 31 as they are, 32 to 127 by the exponent and four bits, then one code a doubling.
            let place = scale(length);
            let exponent = _mm256_srli_epi32::<4>(place);
            let sixteenths = _mm256_sub_epi32(place, _mm256_set1_epi32(5 << 4));
            #[rustfmt::skip]
            let codes5 = _mm256_setr_epi8(
                32, 33, 34, 35, 36, 36, 37, 37, 38, 38, 38, 38, 39, 39, 39, 39,
                32, 33, 34, 35, 36, 36, 37, 37, 38, 38, 38, 38, 39, 39, 39, 39,
            );
            #[rustfmt::skip]
            let bits5 = _mm256_setr_epi8(
                1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3,
                1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3,
            );
            // 64 to 127: 40 and 41 of 16 numbers each, 42 of 32.
            let is_64 = _mm256_cmpgt_epi32(length, _mm256_set1_epi32(63));
            let quarter = _mm256_and_si256(_mm256_srli_epi32::<2>(place), _mm256_set1_epi32(3));
            let two = _mm256_set1_epi32(2);
            let upper = _mm256_cmpgt_epi32(quarter, _mm256_set1_epi32(1));
            let step = _mm256_blendv_epi8(quarter, two, upper);
            let code6 = _mm256_add_epi32(step, _mm256_set1_epi32(40));
            let bits6 = _mm256_sub_epi32(_mm256_set1_epi32(4), upper);
            let few = _mm256_cmpgt_epi32(_mm256_set1_epi32(32), length);
            let many = _mm256_cmpgt_epi32(length, _mm256_set1_epi32(127));
            let ml_code = _mm256_blendv_epi8(look_up(codes5, sixteenths), length, few);
            let ml_code = _mm256_blendv_epi8(ml_code, code6, is_64);
            let ml_code = _mm256_blendv_epi8(ml_code, _mm256_add_epi32(exponent, _mm256_set1_epi32(36)), many);
            let ml_bits = _mm256_andnot_si256(few, look_up(bits5, sixteenths));
            let ml_bits = _mm256_blendv_epi8(ml_bits, bits6, is_64);
            let ml_bits = _mm256_blendv_epi8(ml_bits, exponent, many);

            let of_code = _mm256_srli_epi32::<4>(scale(offset));

            let ll_extra = _mm256_and_si256(literals, ones(ll_bits));
            let ml_extra = _mm256_and_si256(length, ones(ml_bits));
            let of_extra = _mm256_xor_si256(offset, _mm256_sllv_epi32(_mm256_set1_epi32(1), of_code));
            let ml_at = ll_bits;
            let of_at = _mm256_add_epi32(ll_bits, ml_bits);
            let count = _mm256_add_epi32(of_at, of_code);
            let low = _mm256_or_si256(ll_code, _mm256_slli_epi32::<8>(of_code));
            let high = _mm256_or_si256(ml_code, _mm256_slli_epi32::<8>(count));
            _mm256_storeu_si256(codes.cast(), _mm256_or_si256(low, _mm256_slli_epi32::<16>(high)));
            let parts = [ll_extra, ml_extra, ml_at, of_extra, of_at];
            let halves = [lower_half(parts), upper_half(parts)];
            for (i, [ll_extra, ml_extra, ml_at, of_extra, of_at]) in halves.into_iter().enumerate() {
                let of_part = _mm256_sllv_epi64(of_extra, of_at);
                let extra = _mm256_or_si256(_mm256_or_si256(ll_extra, _mm256_sllv_epi64(ml_extra, ml_at)), of_part);
                _mm256_storeu_si256(sequences.add(4 * i).cast(), extra);
            }
        }
    }
}

instantiate_zstd_encode!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
