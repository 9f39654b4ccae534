//! L1: the inner loops, written once, generic over the instruction set where they are vector code.
//!
//! Invariants that the SAFETY notes of this layer cite:
//!
//! - **S (source)**: every load of `n` bytes at `p` is preceded by a proof that `src.len() - p >= n`.
//! - **D (destination)**: every store of `n` bytes at `p` is preceded by a proof that `dst.len() - p >= n`.
//! - **I (instruction set)**: a generic loop is inlined into a shell of `arch` that enables the instruction set, and
//!   `dispatch` hands out that shell only on a CPU that has it.

pub mod arena;
pub mod bit_writer;
pub mod bits;
pub mod candidates;
pub mod histogram;
#[cfg(feature = "libzstd")]
pub mod libzstd;
pub mod lz4_decode;
pub mod lz4_encode;
pub mod lz4_isa;
pub mod match_len;
pub mod phases;
pub mod ring;
pub mod same_fill;
pub mod scratch;
pub mod table;
pub mod tzp;
pub mod tzp_decode;
pub mod tzp_encode;
pub mod vector;
pub mod word;
pub mod zstd_decode_presets;
pub mod zstd_encode;
pub mod zstd_fse;
pub mod zstd_huff_decode;
pub mod zstd_huff_encode;
pub mod zstd_match;
pub mod zstd_seq_decode;
pub mod zstd_seq_encode;
pub mod zstd_tree;
