//! Zstandard on NEON.

use super::lz4::Neon;
use crate::kernel::bits::mask;
use crate::kernel::table::instantiate_zstd_decoder;
use crate::kernel::zstd_seq_decode::{SeqIsa, read_the_output_back, repeats_as_numbers};
use crate::kernel::zstd_tree::{SORTED, TreeIsa, sort_by_words, total_of_words};

impl SeqIsa for Neon {
    read_the_output_back!();
    repeats_as_numbers!();

    #[inline(always)]
    unsafe fn low(word: u64, count: u64) -> u64 {
        word & mask(count as u32)
    }
}

impl TreeIsa for Neon {
    #[inline(always)]
    unsafe fn total(weights: &[u8; 256]) -> Option<u32> {
        total_of_words(weights)
    }
    #[inline(always)]
    unsafe fn sort(weights: &[u8; 256], symbols: usize, _: u32, sorted: &mut [u8; SORTED]) -> [u16; 16] {
        sort_by_words(weights, symbols, sorted)
    }
}

instantiate_zstd_decoder!(Neon, [#[target_feature(enable = "neon")]]);
