//! What the LZ4 loops need from an instruction set.

/// Positions that one call of [`Isa::scan`] looks up.
pub const BLOCK: usize = 64;
/// Bytes that may be read behind the last position of a block.
pub const KEY_ROOM: usize = 16;

/// Multipliers of the hash: 2^32 divided by the golden ratio (as in liblz4), and xxHash's second prime.
pub const MULTIPLIERS: [u32; 2] = [2_654_435_761, 2_246_822_519];

/// For a shuffle of `N` bytes in halves of 16 whose first elements are the first bytes of the source, with a `stride` of 2 the second
/// half's those 8 bytes further: the bytes of each position's key behind its first four, above them zeros.
pub const fn behind<const N: usize>(stride: usize, key: usize) -> [u8; N] {
    let mut bytes = [255; N];
    let mut i = 0;
    while i < N {
        let (position, byte) = (i / 4, i % 4);
        let position = if stride == 2 { position % 4 } else { position };
        if byte < key - 4 {
            bytes[i] = (4 + position * stride + byte) as u8;
        }
        i += 1;
    }
    bytes
}

/// An instruction set.
///
/// Methods are `#[inline(always)]` without target features: they become instructions of the set only inside a shell
/// that enables it (invariant I of [`crate::kernel`]), which is why each of them is unsafe. Every instruction set
/// returns the same values.
pub trait Isa {
    /// Returns how many of the 32 bytes at `a` are equal to those at `b` before the first that differs, 0 to 32.
    ///
    /// # Safety
    /// Invariant I; 32 bytes are readable at both addresses.
    unsafe fn common32(a: *const u8, b: *const u8) -> usize;

    /// Returns a bit for each of the 32 bytes at `a`, the first one's the lowest, set where it is equal to that at `b`.
    ///
    /// # Safety
    /// Invariant I; 32 bytes are readable at both addresses.
    unsafe fn equal32(a: *const u8, b: *const u8) -> u32;

    /// Returns how many of the 32 bytes before `a` are equal to those before `b` behind the last that differs, 0 to 32.
    ///
    /// # Safety
    /// Invariant I; 32 bytes are readable before both addresses.
    unsafe fn suffix32(a: *const u8, b: *const u8) -> usize;

    /// Enters [`BLOCK`] positions, each `STRIDE` bytes behind the one before, into the table, and returns which of
    /// them met an entry of the same tag: the bits of the result, the first position's the lowest. `distances` gets the
    /// distance to that entry modulo 65536, and 1 for the positions that met none or where that is 0.
    ///
    /// A position's hash is `h = w0 * M0 + w1 * M1` modulo 2^32, of the word `w0` of its first four bytes and the word `w1`
    /// of the `KEY - 4` bytes behind them; `M` are the [`MULTIPLIERS`]. The upper `BITS` bits of `h` are its place in the table, the 16
    /// bits below them are a tag; an entry is the tag above the lower 16 bits of the position. Four positions are
    /// looked up, then those four are entered. `position` is the first one.
    ///
    /// # Safety
    /// Invariant I; `BLOCK * STRIDE + KEY_ROOM` bytes are readable at `src`, `1 << BITS` entries are at `table`,
    /// [`BLOCK`] elements writable at `distances`; `STRIDE` is 1 or 2 and `KEY` 5 or 6, or `STRIDE` is 4
    /// and `KEY` 5 or 8.
    unsafe fn scan<const STRIDE: usize, const KEY: usize, const BITS: u32>(
        src: *const u8,
        position: usize,
        table: *mut u32,
        distances: *mut u16,
    ) -> u64;

    /// As [`Isa::scan`] with a `KEY` of 4, for which `w1` is 0, and two candidates for each: an entry of the table is the last two of its place, the
    /// later one in the lower half; a position takes the place of the later one, which takes that of the other. `distances`
    /// gets two for each position, the nearer first, a bit is set where there is either.
    ///
    /// # Safety
    /// As for `scan`; `1 << BITS` entries of 64 bits are at `table`, twice [`BLOCK`] elements writable at `distances`; `STRIDE`
    /// is 1 or 2.
    unsafe fn scan_pairs<const STRIDE: usize, const BITS: u32>(
        src: *const u8,
        position: usize,
        table: *mut u64,
        distances: *mut u16,
    ) -> u64;

    /// As [`Isa::scan_pairs`] with `W` candidates for each position, and each position entered before the next is looked up:
    /// an entry of the table is a row of the last `W` of its place, the latest first. `distances` gets `W` for each position, 0 for
    /// none. An entry from before the last multiple of 65536 may be missed.
    ///
    /// # Safety
    /// As for `scan`, with `bits` for `BITS`; `1 << bits` rows of `W` entries are at `table`, aligned to the size of a row, `W` times [`BLOCK`] elements
    /// writable at `distances`; `W` is 2, 4 or 8.
    unsafe fn scan_rows<const W: usize>(
        bits: u32,
        src: *const u8,
        position: usize,
        table: *mut u32,
        distances: *mut u16,
    );

    /// Sets a bit for each of `W` times [`BLOCK`] distances that is not 0, nor one of the `W` of the position before.
    ///
    /// # Safety
    /// Invariant I; `W` times [`BLOCK`] elements, and `W` before them, are readable at `distances`; `W` is 2, 4 or 8.
    unsafe fn fresh<const W: usize>(distances: *const u16, bits: &mut [u64; 8]);
}

/// By the logarithm of a number of ways: which bytes of 16 make the elements of 16 bits that are so many farther, modulo that number,
/// in each group of so many.
pub static ROTATIONS: [[[u8; 16]; 8]; 4] = {
    let mut tables = [[[0; 16]; 8]; 4];
    let mut i = 0;
    while i < 4 * 8 * 16 {
        let (log, by, byte) = (i / 128, i / 16 % 8, i % 16);
        let (element, ways) = (byte / 2, 1 << log);
        let from = element / ways * ways + (element + by) % ways;
        tables[log][by][byte] = (2 * from + byte % 2) as u8;
        i += 1;
    }
    tables
};
