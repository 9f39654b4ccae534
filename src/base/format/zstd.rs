//! Zstandard (RFC 8878).

/// First four bytes of a frame, little-endian (section 3.1.1).
pub const MAGIC: u32 = 0xFD2F_B528;
/// Skippable frames begin with this value or one of the fifteen after it (section 3.1.2).
pub const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;
/// First four bytes of a dictionary in Zstandard's format (section 5).
pub const DICT_MAGIC: u32 = 0xEC30_A437;
/// Bytes of the largest block, compressed or not (section 3.1.1.2.4).
pub const BLOCK_MAX: usize = 128 * 1024;
/// Bits of the longest Huffman code of literals (section 4.2.1).
pub const HUFF_MAX_BITS: u32 = 11;
/// Largest accuracy log of the FSE table that codes Huffman weights (section 4.2.1.2).
pub const WEIGHTS_MAX_LOG: u32 = 6;
/// Offsets that a frame without a dictionary starts with (section 3.1.1.5).
pub const FIRST_REPEATS: [u32; 3] = [1, 4, 8];

/// Block types (section 3.1.1.2.2).
pub const BLOCK_RAW: u32 = 0;
/// See [`BLOCK_RAW`].
pub const BLOCK_RLE: u32 = 1;
/// See [`BLOCK_RAW`].
pub const BLOCK_COMPRESSED: u32 = 2;

/// Types of a literals section (section 3.1.1.3.1.1).
pub const LITERALS_RAW: u8 = 0;
/// See [`LITERALS_RAW`].
pub const LITERALS_RLE: u8 = 1;
/// See [`LITERALS_RAW`].
pub const LITERALS_COMPRESSED: u8 = 2;
/// See [`LITERALS_RAW`].
pub const LITERALS_TREELESS: u8 = 3;

/// Modes of a symbol table of the sequences section (section 3.1.1.3.2.1).
pub const MODE_PREDEFINED: u8 = 0;
/// See [`MODE_PREDEFINED`].
pub const MODE_RLE: u8 = 1;
/// See [`MODE_PREDEFINED`].
pub const MODE_FSE: u8 = 2;
/// See [`MODE_PREDEFINED`].
pub const MODE_REPEAT: u8 = 3;

/// Largest literals length code (section 3.1.1.3.2.1.1).
pub const LL_MAX_CODE: u8 = 35;
/// Largest match length code.
pub const ML_MAX_CODE: u8 = 52;
/// Largest offset code that the library accepts, as libzstd on 64-bit machines.
pub const OF_MAX_CODE: u8 = 31;
/// Largest accuracy logs of the three tables.
pub const LL_MAX_LOG: u32 = 9;
/// See [`LL_MAX_LOG`].
pub const ML_MAX_LOG: u32 = 9;
/// See [`LL_MAX_LOG`].
pub const OF_MAX_LOG: u32 = 8;

/// Literals length of each code, before its extra bits are added.
pub const LL_BASE: [u32; 36] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024,
    2048, 4096, 8192, 16384, 32768, 65536,
];
/// Extra bits of each literals length code.
pub const LL_BITS: [u8; 36] =
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
/// Match length of each code, before its extra bits are added.
pub const ML_BASE: [u32; 53] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    33, 34, 35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539,
];
/// Extra bits of each match length code.
pub const ML_BITS: [u8; 53] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2,
    3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];

/// Predefined distributions (section 3.1.1.3.2.2.1 to .3); -1 is a probability below one.
pub const LL_DEFAULT: [i16; 36] =
    [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1];
/// See [`LL_DEFAULT`].
pub const LL_DEFAULT_LOG: u32 = 6;
/// See [`LL_DEFAULT`].
pub const ML_DEFAULT: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];
/// See [`LL_DEFAULT`].
pub const ML_DEFAULT_LOG: u32 = 6;
/// See [`LL_DEFAULT`].
pub const OF_DEFAULT: [i16; 29] =
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];
/// See [`LL_DEFAULT`].
pub const OF_DEFAULT_LOG: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tile_their_ranges_and_distributions_fill_their_tables() {
        for code in 1..36 {
            assert_eq!(LL_BASE[code], LL_BASE[code - 1] + (1 << LL_BITS[code - 1]));
        }
        for code in 1..53 {
            assert_eq!(ML_BASE[code], ML_BASE[code - 1] + (1 << ML_BITS[code - 1]));
        }
        let cells = |norm: &[i16]| norm.iter().map(|n| i32::from(n.unsigned_abs())).sum::<i32>();
        assert_eq!(cells(&LL_DEFAULT), 1 << LL_DEFAULT_LOG);
        assert_eq!(cells(&ML_DEFAULT), 1 << ML_DEFAULT_LOG);
        assert_eq!(cells(&OF_DEFAULT), 1 << OF_DEFAULT_LOG);
    }
}
