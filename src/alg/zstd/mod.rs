//! The Zstandard format (RFC 8878).
//!
//! - `frame`: headers of frames and blocks; `decode`: the loop over them; `encode`: the frames that we write
//! - `literals`, `sequences`, `encode_literals`, `encode_sequences`: the two sections of a compressed block
//! - `huff_decode`, `fse_decode`, `huff_encode`, `fse_encode`: entropy tables
//! - `dict`, `encode_dict`: dictionaries

mod decode;
pub mod dict;
mod encode;
mod encode_dict;
mod encode_literals;
mod encode_sequences;
#[cfg(test)]
mod encode_tests;
pub mod frame;
mod fse_decode;
mod fse_encode;
mod huff_decode;
mod huff_encode;
mod literals;
#[cfg(test)]
pub mod reference;
mod sequences;
#[cfg(test)]
mod tests_decode;

pub use decode::{decode_words, decompress};
pub use dict::Dict;
pub use encode::{bound, compress, encode_words};
pub use frame::content_size;

/// How a stream of frames begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Frames with magic numbers: any number of them, skippable ones between, one behind the other.
    Standard,
    /// Exactly one frame without its magic number, and nothing behind it.
    Magicless,
}

/// Fastest level.
pub const MIN_LEVEL: i32 = -5;
/// Densest level.
pub const MAX_LEVEL: i32 = 9;
/// What level 0 means.
pub const DEFAULT_LEVEL: i32 = 1;
