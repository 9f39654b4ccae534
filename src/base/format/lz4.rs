//! The LZ4 block format (`doc/lz4_Block_format.md` of the lz4 project, version 2022-07-31).
//!
//! A block is a chain of sequences: token, further bytes of the literal length, literals, offset (2 bytes,
//! little-endian), further bytes of the match length. The last sequence stops behind its literals.

/// Bytes of the shortest match.
pub const MIN_MATCH: usize = 4;
/// Farthest distance of a match, in bytes. Distance 0 is not valid.
pub const MAX_DISTANCE: usize = 65535;
/// A literal length of this value in the token (high four bits) continues in further bytes.
pub const RUN_MASK: usize = 15;
/// A match length of this value in the token (low four bits) continues in further bytes.
pub const MATCH_MASK: usize = 15;
/// The last bytes of a block that are always literals (end of block conditions).
pub const LAST_LITERALS: usize = 5;
/// The last match starts at least this many bytes before the end of the block (end of block conditions).
pub const MATCH_MARGIN: usize = 12;
/// Bytes of history that a dictionary contributes at most: what a distance reaches.
pub const DICT_MAX: usize = 65536;
/// Largest input of one block, in bytes: lengths are C `int`s at the border.
pub const MAX_INPUT: usize = i32::MAX as usize;
