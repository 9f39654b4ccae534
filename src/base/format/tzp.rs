//! The block of the page codec tzp (docs/TZP.md).

/// Bytes that one block holds.
pub const PAGE: usize = 4096;
/// Bytes of a chunk, the unit of prediction.
pub const CHUNK: usize = 32;
/// Chunks of a page.
pub const CHUNKS: usize = PAGE / CHUNK;
/// Bytes of the flags at the end of a block: 16 of "has codes", 16 of "new offset".
pub const FLAGS: usize = 2 * CHUNKS / 8;
/// Bytes of the shortest block: flags alone.
pub const MIN_BLOCK: usize = FLAGS;
/// Bytes of the longest block: one byte less than the page.
pub const MAX_BLOCK: usize = PAGE - 1;
/// An offset value `v` above 0 means a distance of `v + OFFSET_BIAS` words of 8 bytes.
pub const OFFSET_BIAS: usize = 3;
/// Bytes of a block's length in a unit of several blocks.
pub const LENGTH: usize = 2;

/// What a nibble says of a word: bit j is set where byte j is the predicted one.
pub const KEEP: [u8; 16] =
    [0xFF, 0xFE, 0xFC, 0xF8, 0xF0, 0xC0, 0x80, 0x00, 0x0F, 0xCF, 0xCC, 0x88, 0xAA, 0x01, 0xEF, 0x3F];
