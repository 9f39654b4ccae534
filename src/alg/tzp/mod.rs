//! The page codec tzp (docs/TZP.md): levels, units of several blocks, and the calls into the kernels.
//!
//! Level 1 looks up two candidates a chunk, 2 (the default) four, 3 eight, 4 twelve. A unit's bytes depend on its contents and
//! the level, and on nothing else.

mod decode;
mod encode;

pub use decode::decompress;
pub use encode::{DEFAULT_LEVEL, MAX_LEVEL, MIN_LEVEL, compress, encode_words};

#[cfg(test)]
mod tests;
