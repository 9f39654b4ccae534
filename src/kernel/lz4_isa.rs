//! What the LZ4 loops need from an instruction set.

/// Positions that one call of [`Isa::scan`] looks up.
pub const BLOCK: usize = 64;
/// Bytes that may be read behind the last position of a block.
pub const KEY_ROOM: usize = 16;

/// Multipliers of the hash: 2^32 divided by the golden ratio (as in liblz4), and xxHash's second prime.
pub const MULTIPLIERS: [u32; 2] = [2_654_435_761, 2_246_822_519];

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
    /// [`BLOCK`] elements writable at `distances`; `STRIDE` is 1, 2 or 4, `KEY` 5, or 8 where
    /// `STRIDE` is 4.
    unsafe fn scan<const STRIDE: usize, const KEY: usize, const BITS: u32>(
        src: *const u8,
        position: usize,
        table: *mut u32,
        distances: *mut u16,
    ) -> u64;
}
