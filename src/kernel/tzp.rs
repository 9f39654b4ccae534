//! What both directions of tzp share: the operations on a chunk that differ between instruction sets, and their tables.

use crate::base::format::tzp::{CHUNK, CHUNKS, KEEP, OFFSET_BIAS};

/// The operations on chunks of 32 bytes, and on the four nibbles ("codes", lowest first) that describe one.
///
/// As with [`super::vector::Vector`], methods become instructions of the set only inside a shell that enables it.
pub trait Chunk: Copy {
    /// Returns the 32 bytes at `at`.
    ///
    /// # Safety
    /// Invariant I of [`crate::kernel`]; 32 bytes are readable at `at`.
    unsafe fn load(at: *const u8) -> Self;

    /// Returns how many bytes of the two are equal.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn equal_count(self, other: Self) -> u32;

    /// Returns which bytes of the two are equal: bit j for byte j.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn equal_bits(self, other: Self) -> u32;

    /// Counts for each of the 32 chunks from `at` on, but for the first `skip`, how many bytes it has in common with each of
    /// the first `N + 2` candidates: zeros, the chunk before it, and the places of rows 2 to `N + 1`.
    ///
    /// # Safety
    /// Invariant I; the chunks are readable, and the predictions of each that is not skipped.
    #[inline(always)]
    unsafe fn count_alike<const N: usize>(
        at: *const u8,
        skip: usize,
        rows: &[Row; CANDIDATES],
        alike: &mut [Row; CANDIDATES],
    ) {
        const { assert!(N + 2 <= CANDIDATES) };
        for i in skip..PIECE {
            // SAFETY: the caller's contract; `row` is below CANDIDATES and `i` below PIECE.
            unsafe {
                let at = at.add(CHUNK * i);
                let here = Self::load(at);
                *alike.get_unchecked_mut(0).get_unchecked_mut(i) = here.equal_count(Self::load(ZEROS.as_ptr())) as u8;
                *alike.get_unchecked_mut(1).get_unchecked_mut(i) = here.equal_count(Self::load(at.sub(CHUNK))) as u8;
                for row in 2..N + 2 {
                    let place = *rows.get_unchecked(row).get_unchecked(i);
                    let there = Self::load(at.wrapping_sub(FARTHEST).wrapping_add(8 * usize::from(place)));
                    *alike.get_unchecked_mut(row).get_unchecked_mut(i) = here.equal_count(there) as u8;
                }
            }
        }
    }

    /// Writes the bytes that `codes` does not keep, one behind the other, and returns their number; what follows them
    /// within 32 bytes of `to` is overwritten.
    ///
    /// # Safety
    /// Invariant I; 32 bytes are writable at `to`; `codes` is below 65536.
    unsafe fn compact(self, codes: u32, to: *mut u8) -> usize;

    /// Writes a chunk of the kept bytes of `predicted` and of literals; returns the number of literals.
    ///
    /// # Safety
    /// Invariant I; 32 bytes are readable at `predicted`, writable at `to`, and readable at `literals`; `codes` is
    /// below 65536.
    unsafe fn expand(literals: *const u8, codes: u32, predicted: *const u8, to: *mut u8) -> usize;

    /// Returns how many literals all codes of a page need.
    ///
    /// # Safety
    /// Invariant I.
    #[inline(always)]
    unsafe fn literals(codes: &[u8; 2 * CHUNKS]) -> usize {
        codes.iter().map(|&pair| usize::from(LITERALS[usize::from(pair)])).sum()
    }

    /// Writes the codes of every chunk, zeros where it has none, and the offset in force for every chunk.
    ///
    /// # Safety
    /// Invariant I; the block's parts are as its fields say.
    #[inline(always)]
    unsafe fn spread(block: &Block, codes: &mut [u8; 2 * CHUNKS], offsets: &mut [u8; CHUNKS]) {
        // SAFETY: the same contract.
        unsafe { super::tzp_decode::spread(block, codes, offsets) }
    }

    /// Writes the block of a page whose chunks have the places `chosen` and returns its length, or `None` if it is longer
    /// than `dst`.
    ///
    /// # Safety
    /// Invariant I; `page` is a page; the places are one for each of its chunks, and legal; `codes` is as long as two bytes
    /// a chunk and `offsets` as one.
    #[inline(always)]
    unsafe fn write(
        page: *const u8,
        chosen: &[u8],
        codes: &mut [u8],
        offsets: &mut [u8],
        dst: &mut [u8],
    ) -> Option<usize> {
        // SAFETY: the same contract.
        unsafe { super::tzp_encode::write::<Self>(page, chosen, codes, offsets, dst) }
    }

    /// Restores page number `page` of `N` units from its blocks, all in one loop; `false`, and nothing written, if one of the
    /// blocks is not valid.
    ///
    /// # Safety
    /// Invariant I; each unit has that page, writable, and the pages before it, and overlaps no other; the blocks' parts are as their
    /// fields say.
    #[inline(always)]
    unsafe fn restore<const N: usize>(blocks: &[Block; N], units: [*mut u8; N], page: usize) -> bool {
        // SAFETY: the same contract.
        unsafe { super::tzp_decode::restore::<Self, N>(blocks, units, page) }
    }
}

/// The parts of a block, each of which follows the one before; 32 bytes of flags follow the offsets.
#[derive(Clone, Copy)]
pub struct Block {
    /// The literals.
    pub literals: *const u8,
    /// Their number, which the codes need not agree with.
    pub literal_count: usize,
    /// Two code bytes for each bit of `has_codes`.
    pub codes: *const u8,
    /// One offset byte for each bit of `new_offset`.
    pub offsets: *const u8,
    /// Which chunks have codes: bit c mod 64 of word c div 64.
    pub has_codes: [u64; 2],
    /// Which chunks have an offset; in the first page of a unit chunk 0 has none.
    pub new_offset: [u64; 2],
}

/// A chunk of zeros to point at.
pub static ZEROS: [u8; CHUNK] = [0; CHUNK];

/// Chunks of a piece: what the encoder looks at together.
pub const PIECE: usize = 32;
/// One value for each chunk of a piece.
pub type Row = [u8; PIECE];
/// Most candidates of a chunk: zeros, the chunk before, and twelve that are looked up.
pub const CANDIDATES: usize = 14;
/// Bytes before a chunk of the place 0; place p is 8 p bytes nearer.
pub const FARTHEST: usize = CHUNK + 8 * 254;
/// The place that stands for zeros.
pub const ZERO: u8 = 255;

/// Returns where the prediction of the chunk at `at` lies. Only an address: whether it is one of the unit is the caller's to
/// know.
#[inline(always)]
pub fn predicted(at: *const u8, place: u8) -> *const u8 {
    let earlier = at.wrapping_sub(FARTHEST).wrapping_add(8 * usize::from(place));
    core::hint::select_unpredictable(place == ZERO, ZEROS.as_ptr(), earlier)
}

/// Number of literals of two words, by their code byte.
pub static LITERALS: [u8; 256] = {
    let mut table = [0; 256];
    let mut pair = 0;
    while pair < 256 {
        table[pair] = (KEEP[pair & 15].count_zeros() + KEEP[pair >> 4].count_zeros()) as u8;
        pair += 1;
    }
    table
};

/// The nibble for each set of equal bytes: of the nibbles that keep none but equal bytes the first that keeps most.
pub static LOW_NIBBLE: [u8; 256] = nibbles(0);
/// The same, four bits higher.
pub static HIGH_NIBBLE: [u8; 256] = nibbles(4);

const fn nibbles(shift: u32) -> [u8; 256] {
    let mut table = [0; 256];
    let mut equal = 0;
    while equal < 256 {
        let (mut best, mut nibble) = (7, 0);
        while nibble < 16 {
            let fits = KEEP[nibble] & !(equal as u8) == 0;
            if fits && KEEP[nibble].count_ones() > KEEP[best].count_ones() {
                best = nibble;
            }
            nibble += 1;
        }
        table[equal] = (best as u8) << shift;
        equal += 1;
    }
    table
}

/// The largest offset that each chunk of the first page of a unit can have.
pub static LARGEST: [u8; CHUNKS] = {
    let (mut table, mut chunk) = ([0; CHUNKS], 0);
    while chunk < CHUNKS {
        let largest = (4 * chunk).saturating_sub(OFFSET_BIAS);
        table[chunk] = if largest < 255 { largest as u8 } else { 255 };
        chunk += 1;
    }
    table
};

/// Aligned, so that no row crosses a cache line.
#[repr(align(64))]
pub struct Shuffles(pub [[u8; 16]; 256]);

/// By code byte: for the i-th literal its place in the two words; 0x80 behind the last.
pub static COMPACT: Shuffles = shuffles(true);
/// By code byte: for each byte of the two words the number of its literal, or 0x80 where the prediction is kept.
pub static EXPAND: Shuffles = shuffles(false);

const fn shuffles(compact: bool) -> Shuffles {
    let mut table = [[0x80; 16]; 256];
    let mut pair = 0;
    while pair < 256 {
        let keep = KEEP[pair & 15] as u32 | (KEEP[pair >> 4] as u32) << 8;
        let (mut place, mut literal) = (0, 0);
        while place < 16 {
            if keep >> place & 1 == 0 {
                if compact {
                    table[pair][literal] = place as u8;
                } else {
                    table[pair][place] = literal as u8;
                }
                literal += 1;
            }
            place += 1;
        }
        pair += 1;
    }
    Shuffles(table)
}

/// Returns the row of a table of shuffles for the low or high code byte of a chunk.
#[inline(always)]
pub fn row(table: &'static Shuffles, pair: u32) -> *const u8 {
    table.0[(pair & 0xFF) as usize].as_ptr()
}

/// Returns the number of literals of the low code byte of `pair`.
#[inline(always)]
pub fn literals_of(pair: u32) -> usize {
    usize::from(LITERALS[(pair & 0xFF) as usize])
}
