//! The Zstandard format (RFC 8878).
//!
//! - `frame`: headers of frames and blocks; `decode`: the loop over them; `encode`: the frames that we write
//! - `literals`, `sequences`: the two sections of a compressed block, decoding side; the encoding side is a kernel
//! - `dict`, `encode_dict`: dictionaries

mod decode;
pub mod dict;
mod encode;
mod encode_dict;
#[cfg(test)]
mod encode_tests;
pub mod frame;
mod literals;
#[cfg(test)]
mod presets_tests;
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
pub const MAX_LEVEL: i32 = 12;
/// What level 0 means.
pub const DEFAULT_LEVEL: i32 = 1;
