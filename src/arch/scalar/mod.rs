//! Portable code: an 8-byte word stands for the register.

mod lz4;
mod tzp;
mod zstd;
mod zstd_encode;

#[cfg(target_arch = "x86_64")]
pub(in crate::arch) use tzp::{ONES, bytes, equal_bytes};

use crate::base::Backend;
use crate::kernel::table::{Kernels, instantiate_vector_kernels};
use crate::kernel::vector::Vector;

#[derive(Clone, Copy)]
struct Word(u64);

impl Vector for Word {
    const BYTES: usize = 8;

    #[inline(always)]
    unsafe fn splat(word: u64) -> Self {
        Word(word.to_le())
    }
    #[inline(always)]
    unsafe fn load(ptr: *const u8) -> Self {
        // SAFETY: 8 bytes are readable, by the contract of `Vector::load`.
        Word(unsafe { ptr.cast::<u64>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, ptr: *mut u8) {
        // SAFETY: 8 bytes are writable, by the contract of `Vector::store`.
        unsafe { ptr.cast::<u64>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        Word(self.0 ^ other.0)
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        Word(self.0 | other.0)
    }
    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        self.0 == 0
    }
}

instantiate_vector_kernels!(Word, [same_fill, fill], []);

/// The kernels that every target runs.
pub static KERNELS: Kernels = TABLE;
pub(in crate::arch) const TABLE: Kernels = Kernels {
    backend: Backend::Scalar,
    same_fill,
    fill,
    histogram: crate::kernel::histogram::histogram,
    zstd_fse_read: zstd::FSE_READ,
    zstd_tree_read: zstd::TREE_READ,
    zstd_huff_decode: zstd::HUFF_DECODE,
    zstd_seq_decode: zstd::SEQ_DECODE,
    zstd_match_fast: crate::kernel::zstd_match::fast::fast,
    #[cfg(not(test))]
    zstd_match_lanes: None,
    #[cfg(test)]
    zstd_match_lanes: Some(lz4::MATCH_LANES),
    zstd_match_dense: crate::kernel::zstd_match::dense::dense,
    zstd_literals: zstd_encode::LITERALS,
    zstd_sequences: zstd_encode::SEQUENCES,
    zstd_bits: zstd_encode::BITS,
    lz4_encode_fast: crate::kernel::lz4_encode::fast::encode,
    lz4_encode_dense: crate::kernel::lz4_encode::dense::encode,
    lz4_encode_chain: crate::kernel::lz4_encode::chain::encode,
    #[cfg(not(test))]
    lz4_encode_lanes: None,
    #[cfg(test)]
    lz4_encode_lanes: Some(lz4::ENCODE_LANES),
    zstd_match_optimal: lz4::MATCH_OPTIMAL,
    lz4_encode_optimal: lz4::ENCODE_OPTIMAL,
    lz4_decode: lz4::decode,
    tzp_encode: tzp::ENCODE,
    tzp_decode: tzp::DECODE,
    tzp_decode_two: None,
};
