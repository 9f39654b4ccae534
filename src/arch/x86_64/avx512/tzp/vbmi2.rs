//! The steps of tzp with VBMI, VBMI2 and VPOPCNTDQ.

use core::arch::asm;
use core::arch::x86_64::{
    __m256i, __m512i, _mm256_loadu_si256, _mm256_mask_expand_epi8, _mm256_maskz_compress_epi8,
    _mm256_maskz_compress_epi16, _mm256_maskz_expand_epi16, _mm256_storeu_si256, _mm512_mask_blend_epi8,
    _mm512_maskz_compress_epi8, _mm512_maskz_permutex2var_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8,
    _mm512_popcnt_epi32, _mm512_set1_epi8, _mm512_storeu_si512, _mm512_sub_epi8, _mm512_test_epi8_mask,
};

use super::{Set, Ymm, load};
use crate::kernel::table::{instantiate_tzp_kernels, instantiate_tzp_two};
use crate::kernel::tzp::LOW_NIBBLE;

/// AVX-512 with VBMI, VBMI2 and VPOPCNTDQ.
#[derive(Clone, Copy)]
pub struct Vbmi2;

/// Returns its argument from a register, so that the compiler does not fold the load into an expansion: Bochs 2.7, which
/// runs this code where no CPU can, executes expansions of bytes and words wrongly from memory.
#[inline]
#[target_feature(enable = "avx")]
fn in_register(mut value: __m256i) -> __m256i {
    // SAFETY: no instruction.
    unsafe { asm!("/* {0} */", inout(ymm_reg) value, options(pure, nomem, nostack, preserves_flags)) };
    value
}

// In all methods: the caller's shell enables the instructions (I).
impl Set for Vbmi2 {
    #[inline(always)]
    unsafe fn count(sets: __m512i) -> __m512i {
        // SAFETY: I.
        unsafe { _mm512_popcnt_epi32(sets) }
    }
    #[inline(always)]
    unsafe fn nibbles(equal: __m512i) -> __m512i {
        let table = LOW_NIBBLE.as_ptr();
        // SAFETY: I; the table has 256 bytes.
        unsafe {
            let low = _mm512_permutex2var_epi8(load(table), equal, load(table.add(64)));
            let high = _mm512_permutex2var_epi8(load(table.add(128)), equal, load(table.add(192)));
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(equal), low, high)
        }
    }
    #[inline(always)]
    unsafe fn pack_codes(codes: __m256i, which: u16, to: *mut u8) {
        // SAFETY: I; 32 bytes are writable.
        unsafe { _mm256_storeu_si256(to.cast(), _mm256_maskz_compress_epi16(which, codes)) }
    }
    #[inline(always)]
    unsafe fn unpack_codes(from: *const u8, which: u16) -> __m256i {
        // SAFETY: I; 32 bytes are readable.
        unsafe { _mm256_maskz_expand_epi16(which, in_register(_mm256_loadu_si256(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn pack_bytes(bytes: __m512i, which: u64, to: *mut u8) {
        // SAFETY: I; 64 bytes are writable.
        unsafe { _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi8(which, bytes)) }
    }
    #[inline(always)]
    unsafe fn pick(table: [__m512i; 2], numbers: [__m512i; 2], to: *mut u8) {
        for (half, number) in numbers.into_iter().enumerate() {
            // SAFETY: I; 128 bytes are writable.
            unsafe {
                let index = _mm512_sub_epi8(number, _mm512_set1_epi8(1));
                let counts = _mm512_test_epi8_mask(number, number);
                let picked = _mm512_maskz_permutex2var_epi8(counts, table[0], index, table[1]);
                _mm512_storeu_si512(to.add(64 * half).cast(), picked);
            }
        }
    }
    #[inline(always)]
    unsafe fn extract(chunk: __m256i, literals: u32, _: *const u8, to: *mut u8) {
        // SAFETY: I; 32 bytes are writable. Not straight into memory, which takes many times as long on some CPUs.
        unsafe { _mm256_storeu_si256(to.cast(), _mm256_maskz_compress_epi8(literals, chunk)) }
    }
    #[inline(always)]
    unsafe fn merge(predicted: __m256i, literals: u32, _: *const u8, from: *const u8) -> __m256i {
        // SAFETY: I; 32 bytes are readable.
        unsafe {
            let from = in_register(_mm256_loadu_si256(from.cast()));
            _mm256_mask_expand_epi8(predicted, literals, from)
        }
    }
}

instantiate_tzp_kernels!(
    Ymm<Vbmi2>,
    [#[target_feature(
        enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt,avx512vbmi,avx512vbmi2,avx512vpopcntdq"
    )]]
);
instantiate_tzp_two!(
    Ymm<Vbmi2>,
    [#[target_feature(
        enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt,avx512vbmi,avx512vbmi2,avx512vpopcntdq"
    )]]
);
