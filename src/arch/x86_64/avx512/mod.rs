//! AVX-512 (F, BW, CD, DQ, VL). LZ4's decoder, Zstandard's but for what VBMI2 is used for, and Zstandard's encoder but for the tables of
//! sequences are inherited from the AVX2 table, and with it the scalar kernels of both with a dictionary.

mod lz4;
mod tzp;
mod zstd;
mod zstd_encode;

use core::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_or_si512, _mm512_set1_epi64, _mm512_storeu_si512, _mm512_test_epi64_mask,
    _mm512_xor_si512,
};

use super::avx2;
use crate::base::Backend;
use crate::kernel::table::{Kernels, instantiate_vector_kernels};
use crate::kernel::vector::Vector;

#[derive(Clone, Copy)]
struct Zmm(__m512i);

impl Vector for Zmm {
    const BYTES: usize = 64;

    #[inline(always)]
    unsafe fn splat(word: u64) -> Self {
        // SAFETY: the caller's shell enables AVX-512 F (I).
        Zmm(unsafe { _mm512_set1_epi64(word.cast_signed()) })
    }
    #[inline(always)]
    unsafe fn load(ptr: *const u8) -> Self {
        // SAFETY: the caller's shell enables AVX-512 F (I); 64 bytes are readable, by the contract of `Vector::load`.
        Zmm(unsafe { _mm512_loadu_si512(ptr.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut u8) {
        // SAFETY: the caller's shell enables AVX-512 F (I); 64 bytes are writable, by the contract of `Vector::store`.
        unsafe { _mm512_storeu_si512(ptr.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller's shell enables AVX-512 F (I).
        Zmm(unsafe { _mm512_xor_si512(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: the caller's shell enables AVX-512 F (I).
        Zmm(unsafe { _mm512_or_si512(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: the caller's shell enables AVX-512 F (I).
        unsafe { _mm512_test_epi64_mask(self.0, self.0) == 0 }
    }
}

instantiate_vector_kernels!(
    Zmm,
    [same_fill],
    [#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]]
);

/// The kernels for CPUs with AVX-512. Refill is AVX2's: on the machine of records/2026-11-23 512-bit stores gain nothing on
/// an aligned page (23 against 22 ns) and lose on one that is not aligned to 64 bytes, where each crosses a line.
pub static KERNELS: Kernels = TABLE;
const TABLE: Kernels = Kernels {
    backend: Backend::Avx512,
    same_fill,
    lz4_encode_lanes: Some(lz4::ENCODE_LANES),
    lz4_encode_optimal: lz4::ENCODE_OPTIMAL,
    zstd_sequences: zstd_encode::SEQUENCES,
    tzp_encode: tzp::plain::ENCODE,
    tzp_decode: tzp::plain::DECODE,
    ..avx2::TABLE
};

/// The kernels for CPUs that have VBMI, VBMI2 and VPOPCNTDQ as well.
pub static VBMI2_KERNELS: Kernels = Kernels {
    tzp_encode: tzp::vbmi2::ENCODE,
    tzp_decode: tzp::vbmi2::DECODE,
    tzp_decode_two: Some(tzp::vbmi2::DECODE_TWO),
    zstd_tree_read: zstd::tree_read,
    zstd_seq_decode: zstd::seq_decode,
    ..TABLE
};
