//! NEON. LZ4's encoders with a dictionary, and the finders of Zstandard that need no vectors, are inherited from the scalar table.

mod lz4;
mod tzp;
mod zstd;
mod zstd_encode;

use core::arch::aarch64::{
    uint8x16_t, vdupq_n_u64, veorq_u8, vld1q_u8, vmaxvq_u8, vorrq_u8, vreinterpretq_u8_u64, vst1q_u8,
};

use crate::arch::scalar;
use crate::base::Backend;
use crate::kernel::table::{Kernels, instantiate_vector_kernels};
use crate::kernel::vector::Vector;

#[derive(Clone, Copy)]
struct Quad(uint8x16_t);

impl Vector for Quad {
    const BYTES: usize = 16;

    #[inline(always)]
    unsafe fn splat(word: u64) -> Self {
        // SAFETY: the caller's shell enables NEON (I).
        Quad(unsafe { vreinterpretq_u8_u64(vdupq_n_u64(word.to_le())) })
    }
    #[inline(always)]
    unsafe fn load(ptr: *const u8) -> Self {
        // SAFETY: the caller's shell enables NEON (I); 16 bytes are readable, by the contract of `Vector::load`.
        Quad(unsafe { vld1q_u8(ptr) })
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut u8) {
        // SAFETY: the caller's shell enables NEON (I); 16 bytes are writable, by the contract of `Vector::store`.
        unsafe { vst1q_u8(ptr, self.0) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller's shell enables NEON (I).
        Quad(unsafe { veorq_u8(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: the caller's shell enables NEON (I).
        Quad(unsafe { vorrq_u8(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: the caller's shell enables NEON (I).
        unsafe { vmaxvq_u8(self.0) == 0 }
    }
}

instantiate_vector_kernels!(Quad, [same_fill, fill], [#[target_feature(enable = "neon")]]);

/// The kernels for CPUs with NEON.
pub static KERNELS: Kernels = Kernels {
    backend: Backend::Neon,
    same_fill,
    fill,
    zstd_match_lanes: Some(lz4::MATCH_LANES),
    zstd_literals: zstd_encode::LITERALS,
    zstd_sequences: zstd_encode::SEQUENCES,
    zstd_bits: zstd_encode::BITS,
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
    ..scalar::TABLE
};
