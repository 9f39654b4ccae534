//! LZ4 blocks: levels, bounds, dictionaries, and the calls into the kernels.
//!
//! Levels: 1 is the fast encoder (the default, which 0 stands for too); each level below it searches with a longer
//! first step; 2 looks at two candidates and one position ahead; 3 to 7 follow hash chains ever deeper; 8 and 9 choose
//! the cheapest parse. Every level takes any input, and the block depends on input, level and dictionary only.

mod decode;
mod dict;
mod encode;

pub use decode::{decompress, decompressed_len};
pub use dict::Dict;
pub use encode::{DEFAULT_LEVEL, MAX_LEVEL, MIN_LEVEL, bound, compress, encode_words};

#[cfg(test)]
mod tests;
