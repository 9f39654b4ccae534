//! Zstandard on NEON.

use super::lz4::Neon;
use crate::kernel::bits::mask;
use crate::kernel::table::instantiate_zstd_decoder;
use crate::kernel::zstd_seq_decode::{SeqIsa, read_the_output_back, repeats_as_numbers};
use crate::kernel::zstd_tree::TreeIsa;

impl SeqIsa for Neon {
    read_the_output_back!();
    repeats_as_numbers!();

    #[inline(always)]
    unsafe fn low(word: u64, count: u64) -> u64 {
        word & mask(count as u32)
    }
}

impl TreeIsa for Neon {}

instantiate_zstd_decoder!(Neon, [#[target_feature(enable = "neon")]]);
