//! AVX2 with BMI1, BMI2, LZCNT and POPCNT. The encoders with a dictionary, and the finders of Zstandard that need no vectors, are
//! inherited from the scalar table.

pub mod lz4;
mod tzp;
pub mod zstd;
mod zstd_encode;

use core::arch::x86_64::{
    __m256i, _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi64x, _mm256_storeu_si256, _mm256_testz_si256,
    _mm256_xor_si256,
};

use crate::arch::scalar;
use crate::base::Backend;
use crate::kernel::table::{Kernels, instantiate_vector_kernels};
use crate::kernel::vector::Vector;

#[derive(Clone, Copy)]
struct Ymm(__m256i);

impl Vector for Ymm {
    const BYTES: usize = 32;

    #[inline(always)]
    unsafe fn splat(word: u64) -> Self {
        // SAFETY: the caller's shell enables AVX2 (I).
        Ymm(unsafe { _mm256_set1_epi64x(word.cast_signed()) })
    }
    #[inline(always)]
    unsafe fn load(ptr: *const u8) -> Self {
        // SAFETY: the caller's shell enables AVX2 (I); 32 bytes are readable, by the contract of `Vector::load`.
        Ymm(unsafe { _mm256_loadu_si256(ptr.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut u8) {
        // SAFETY: the caller's shell enables AVX2 (I); 32 bytes are writable, by the contract of `Vector::store`.
        unsafe { _mm256_storeu_si256(ptr.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller's shell enables AVX2 (I).
        Ymm(unsafe { _mm256_xor_si256(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: the caller's shell enables AVX2 (I).
        Ymm(unsafe { _mm256_or_si256(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: the caller's shell enables AVX2 (I).
        unsafe { _mm256_testz_si256(self.0, self.0) != 0 }
    }
}

instantiate_vector_kernels!(Ymm, [same_fill, fill], [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);

/// The kernels for CPUs with AVX2.
pub static KERNELS: Kernels = TABLE;
pub(in crate::arch) const TABLE: Kernels = Kernels {
    backend: Backend::Avx2,
    same_fill,
    fill,
    zstd_match_lanes: Some(lz4::MATCH_LANES),
    lz4_encode_lanes: Some(lz4::ENCODE_LANES),
    zstd_match_optimal: lz4::MATCH_OPTIMAL,
    lz4_encode_optimal: lz4::ENCODE_OPTIMAL,
    zstd_fse_read: zstd::FSE_READ,
    zstd_tree_read: zstd::TREE_READ,
    zstd_huff_decode: zstd::HUFF_DECODE,
    zstd_seq_decode: zstd::SEQ_DECODE,
    lz4_decode: lz4::decode,
    tzp_encode: tzp::ENCODE,
    tzp_decode: tzp::DECODE,
    tzp_decode_two: Some(tzp::DECODE_TWO),
    zstd_literals: zstd_encode::LITERALS,
    zstd_sequences: zstd_encode::SEQUENCES,
    zstd_bits: zstd_encode::BITS,
    ..scalar::TABLE
};
