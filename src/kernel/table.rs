//! The list of kernels, and the macro that instantiates the generic ones for an instruction set.

use super::zstd_huff_decode::Streams;
use super::zstd_seq_decode::Sequences;
use crate::base::{Backend, Error};

/// One implementation of every kernel. A table of a wider instruction set starts from the one it extends and replaces
/// entries, so a kernel that an instruction set lacks is visibly inherited.
///
/// Calling an entry needs invariant I of [`crate::kernel`]: the CPU runs `backend`. `dispatch` is the only caller.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// The instruction set that the CPU must have.
    pub backend: Backend,
    /// [`super::same_fill::same_fill`].
    pub same_fill: unsafe fn(page: &[u8]) -> Option<u64>,
    /// [`super::same_fill::fill`].
    pub fill: unsafe fn(page: &mut [u8], word: u64),
    /// [`super::histogram::histogram`].
    pub histogram: unsafe fn(src: &[u8], counts: &mut [u32; 256]),
    /// [`super::zstd_huff_decode::decode`].
    pub zstd_huff_decode: unsafe fn(table: &[u16], log: u32, streams: Streams, src: &[u8], dst: &mut [u8]) -> bool,
    /// [`super::zstd_seq_decode::execute`].
    pub zstd_seq_decode: unsafe fn(job: &mut Sequences, dst: &mut [u8]) -> Result<usize, Error>,
}

/// Writes the shells of the vector kernels: functions with the features of an instruction set into which the generic
/// loops are inlined.
macro_rules! instantiate_vector_kernels {
    ($vector:ty, $(#[$features:meta])*) => {
        $(#[$features])*
        unsafe fn same_fill(page: &[u8]) -> Option<u64> {
            // SAFETY: this shell enables the features of the vector type (I).
            unsafe { crate::kernel::same_fill::same_fill::<$vector>(page) }
        }
        $(#[$features])*
        unsafe fn fill(page: &mut [u8], word: u64) {
            // SAFETY: this shell enables the features of the vector type (I).
            unsafe { crate::kernel::same_fill::fill::<$vector>(page, word) }
        }
    };
}
pub(crate) use instantiate_vector_kernels;
