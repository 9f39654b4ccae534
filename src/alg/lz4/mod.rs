//! LZ4 blocks: levels, bounds, dictionaries, and the calls into the kernels.
//!
//! Levels: 1 is the fast encoder (the default, which 0 stands for too); -1, -2 and -3 look at every second and every fourth
//! position, -3 for longer matches; 2 looks at two candidates, 3 at the next position as well, 4 never leaves positions out; 5 to
//! 9 choose the cheapest parse, with two, four or eight candidates (6 and 8 are 5 and 7). Every level takes any input, and the
//! block depends on input, level and dictionary, and up to level 4 on whether the backend is scalar: without vectors, and with a
//! dictionary, those levels are searches in one line, greedy up to level 2. With a dictionary levels 5 to 9 follow hash
//! chains. Every vector backend writes the same bytes.

mod decode;
mod dict;
mod encode;

pub use decode::{decompress, decompressed_len};
pub use dict::Dict;
pub use encode::{DEFAULT_LEVEL, MAX_LEVEL, MIN_LEVEL, bound, compress, encode_words};

#[cfg(test)]
mod tests;
