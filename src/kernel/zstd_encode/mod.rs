//! The entropy stage of the Zstandard encoder: literals and sequences to the two sections of a compressed block.
//!
//! - `literals`, `tree`: Huffman-coded literals and the description of their tree
//! - `sequences`, `codes`, `fse`, `presets`: codes of sequences, their tables, the bit stream

pub mod codes;
pub mod fse;
pub mod literals;
pub mod presets;
pub mod sequences;
pub mod tree;

use super::zstd_seq_encode::Codes;

/// What the entropy stage needs from an instruction set.
///
/// Methods are `#[inline(always)]` without target features: they become instructions of the set only inside a shell that enables
/// it (invariant I of [`crate::kernel`]), which is why each of them is unsafe. Every instruction set returns the same values.
pub trait Isa {
    /// Turns [`codes::GROUP`] packed sequences, whose offset values are in `values`, into codes and extra bits: see
    /// [`codes::codes`].
    ///
    /// # Safety
    /// Invariant I; so many elements are at each address.
    unsafe fn codes(sequences: *mut u64, values: *const u32, codes: *mut Codes);

    /// Sets the offset values of packed sequences from [`codes::BEFORE`] to `count`, as [`codes::codes`] does where repeated offsets are
    /// found only where that is easy. Up to [`codes::GROUP`] values behind those become unspecified.
    ///
    /// # Safety
    /// Invariant I.
    ///
    /// # Panics
    /// If there are not so many sequences and values, and [`codes::GROUP`] more of either.
    unsafe fn values(sequences: &[u64], count: usize, values: &mut [u32]);
}
