//! The Zstandard format (RFC 8878).
//!
//! - `frame`: headers of frames and blocks; `decode`: the loop over them
//! - `literals`, `sequences`: the two sections of a compressed block
//! - `huff_decode`, `fse_decode`: decoding tables
//! - `dict`: dictionaries

mod decode;
pub mod dict;
pub mod frame;
mod fse_decode;
mod huff_decode;
mod literals;
#[cfg(test)]
pub mod reference;
mod sequences;
#[cfg(test)]
mod tests_decode;

pub use decode::{decode_words, decompress};
pub use dict::Dict;
pub use frame::content_size;

/// How a stream of frames begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Frames with magic numbers: any number of them, skippable ones between, one behind the other.
    Standard,
    /// Exactly one frame without its magic number, and nothing behind it.
    Magicless,
}
