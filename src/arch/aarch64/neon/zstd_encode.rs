//! The entropy stage of Zstandard, compiled for the set.

use super::lz4::Neon;
use crate::kernel::table::instantiate_zstd_encode;
use crate::kernel::zstd_encode::Isa;
use crate::kernel::zstd_encode::codes::{scalar, scalar_values};
use crate::kernel::zstd_seq_encode::Codes;

impl Isa for Neon {
    #[inline(always)]
    unsafe fn codes(sequences: *mut u64, values: *const u32, codes: *mut Codes) {
        // SAFETY: the contract is the same.
        unsafe { scalar(sequences, values, codes) }
    }

    #[inline(always)]
    unsafe fn values(sequences: &[u64], count: usize, values: &mut [u32]) {
        scalar_values(sequences, count, values);
    }
}

instantiate_zstd_encode!(Neon, [#[target_feature(enable = "neon")]]);
