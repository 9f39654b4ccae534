//! The page object: what the page layer stores (docs/FORMAT.md).
//!
//! An object whose length is the page size is the page itself. Every other object begins with a tag byte:
//! bits 0-3 the codec, bit 4 "made with a dictionary", bit 5 zero, bits 6-7 the version of the layout (0).

/// Bits of the tag that hold the codec.
pub const CODEC_MASK: u8 = 0x0f;
/// Bit of the tag that says: the next four bytes are the dictionary's id, little-endian.
pub const FLAG_DICT: u8 = 0x10;

/// Codec: one byte, repeated. The object is `tag, byte`.
pub const SAME_BYTE: u8 = 1;
/// Codec: one 8-byte word, repeated. The object is `tag, word` with the word's bytes in page order.
pub const SAME_WORD: u8 = 2;
/// Codec: one LZ4 block.
pub const LZ4: u8 = 3;
/// Codec: one Zstandard frame without its magic number.
pub const ZSTD: u8 = 4;
/// Codec: one tzp block, or a unit of them (docs/TZP.md); never with a dictionary.
pub const TZP: u8 = 5;

/// Bytes of a [`SAME_BYTE`] object.
pub const SAME_BYTE_LEN: usize = 2;
/// Bytes of a [`SAME_WORD`] object.
pub const SAME_WORD_LEN: usize = 9;
/// Bytes of the dictionary id behind a tag with [`FLAG_DICT`].
pub const DICT_ID_LEN: usize = 4;
