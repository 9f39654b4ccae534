//! The reference Zstandard library, for buffers and levels that our own encoder leaves to it.

pub use crate::kernel::libzstd::{Compressor, Decompressor, PageSettings};
