//! The candidates of all positions of a segment, found without a branch: what the encoders in lanes parse.

use super::arena::Arena;
use super::lz4_isa::{BLOCK, Isa, KEY_ROOM};

/// Bytes that are scanned, then parsed, then written.
pub const SEGMENT: usize = 4096;
/// Positions behind a segment that a lane may look at when it passes its end.
pub const PADDING: usize = PAIR;
/// Positions that the scan decides about together.
pub const PAIR: usize = 2 * BLOCK;
/// Pairs of blocks in a row without any candidate before pairs are skipped; one more is skipped for each further such number.
/// Input that does not compress is thus given up bit by bit, and taken up again with the first candidate.
const QUIET: usize = 4;

/// Words of scratch of [`Candidates::new`], with `ways` candidates a position, for tables of `1 << bits` entries.
pub const fn words(bits: u32, ways: usize) -> usize {
    Arena::words_for::<u32>(ways << bits) + words_without_table(ways)
}

/// Words of scratch of a segment alone.
pub const fn words_without_table(ways: usize) -> usize {
    Arena::words_for::<u16>(ways * (SEGMENT + PADDING)) + (SEGMENT + PADDING) / BLOCK
}

/// An instruction set with a function of its own for the scan, whose code is long and the same for several finders.
pub trait Scan: Isa {
    /// [`Candidates::scan`].
    ///
    /// # Safety
    /// As there.
    unsafe fn segment<const STRIDE: usize, const KEY: usize, const BITS: u32, const WAYS: usize>(
        candidates: &mut Candidates<'_>,
        src: &[u8],
        start: usize,
        count: usize,
    ) -> u32;
}

/// The table, and what is known of a segment.
pub struct Candidates<'a> {
    /// Entries as [`Isa::scan`] or [`Isa::scan_pairs`] has them.
    pub table: &'a mut [u32],
    /// The distance to the candidate of each position that is looked up, 1 for those without one; two for each in tables of
    /// pairs.
    pub distances: &'a mut [u16],
    /// A bit for each such position, set where there is a candidate.
    pub bits: &'a mut [u64],
    /// Bytes of zero in a pair of blocks from which on only even positions are looked up.
    sparse: usize,
    /// Pairs of blocks without a candidate since the last one with one.
    quiet: usize,
}

impl<'a> Candidates<'a> {
    /// Takes the scratch; `sparse`: bytes of zero in a pair of blocks from which on only even positions are looked up.
    #[inline(always)]
    pub fn new(arena: &mut Arena<'a>, bits: u32, ways: usize, sparse: usize) -> Self {
        Candidates {
            table: arena.take(ways << bits),
            distances: arena.take(ways * (SEGMENT + PADDING)),
            bits: arena.take((SEGMENT + PADDING) / BLOCK),
            quiet: 0,
            sparse,
        }
    }

    /// Looks up and enters the positions of the segment from `start` on, `count` of them at most, and returns how many have a
    /// candidate.
    ///
    /// # Safety
    /// Invariant I; `start + count <= src.len()`; the table is one of pairs if `WAYS` is 2, has `1 << BITS` entries, and those of
    /// positions of the same source that come earlier only, or `start` is 65536 or more.
    #[inline(always)]
    pub unsafe fn scan<S: Isa, const STRIDE: usize, const KEY: usize, const BITS: u32, const WAYS: usize>(
        &mut self,
        src: &[u8],
        start: usize,
        count: usize,
    ) -> u32 {
        debug_assert!(start + count <= src.len());
        let positions = count.min(SEGMENT).div_ceil(STRIDE);
        let (mut found, mut skip) = (0, 0usize);
        let pairs = self.distances.chunks_exact_mut(PAIR * WAYS).zip(self.bits.as_chunks_mut::<2>().0);
        for (i, (distances, bits)) in pairs.take((SEGMENT / STRIDE + PADDING) / PAIR).enumerate() {
            let left = positions.saturating_sub(i * PAIR);
            if left == 0 || skip > 0 {
                skip = skip.saturating_sub(1);
                distances.fill(1);
                bits.fill(0);
                continue;
            }
            let at = start + i * PAIR * STRIDE;
            let rest = &src[at..];
            let mut padded: [u8; 4 * PAIR + KEY_ROOM];
            let from = if rest.len() >= PAIR * STRIDE + KEY_ROOM {
                rest.as_ptr()
            } else {
                padded = [0; 4 * PAIR + KEY_ROOM];
                padded[..rest.len()].copy_from_slice(rest);
                padded.as_ptr()
            };
            let table = self.table.as_mut_ptr();
            // SAFETY: invariant I is the caller's; PAIR * STRIDE + KEY_ROOM bytes are at `from` either way (S); the table has
            // 1 << BITS entries, what the distances go to BLOCK elements (D).
            unsafe {
                if WAYS == 2 {
                    let table = table.cast::<u64>();
                    if zeros(core::slice::from_raw_parts(from, PAIR)) >= self.sparse {
                        let mut even = [0; 2 * BLOCK];
                        let found = S::scan_pairs::<2, BITS>(from, at, table, even.as_mut_ptr());
                        for (pair, even) in distances.as_chunks_mut::<4>().0.iter_mut().zip(even.as_chunks::<2>().0) {
                            *pair = [even[0], even[1], 1, 1];
                        }
                        *bits = [spread(found as u32), spread((found >> 32) as u32)];
                    } else {
                        bits[0] = S::scan_pairs::<1, BITS>(from, at, table, distances.as_mut_ptr());
                        let (from, at) = (from.add(BLOCK), at + BLOCK);
                        bits[1] = S::scan_pairs::<1, BITS>(from, at, table, distances[2 * BLOCK..].as_mut_ptr());
                    }
                } else if STRIDE == 1 && zeros(core::slice::from_raw_parts(from, PAIR)) >= self.sparse {
                    let mut even = [0; BLOCK];
                    let found = S::scan::<2, KEY, BITS>(from, at, table, even.as_mut_ptr());
                    for (pair, even) in distances.as_chunks_mut::<2>().0.iter_mut().zip(even) {
                        *pair = [even, 1];
                    }
                    *bits = [spread(found as u32), spread((found >> 32) as u32)];
                } else {
                    bits[0] = S::scan::<STRIDE, KEY, BITS>(from, at, table, distances.as_mut_ptr());
                    let (from, at) = (from.add(BLOCK * STRIDE), at + BLOCK * STRIDE);
                    bits[1] = S::scan::<STRIDE, KEY, BITS>(from, at, table, distances[BLOCK..].as_mut_ptr());
                }
            }
            for (bits, left) in bits.iter_mut().zip([left, left.saturating_sub(BLOCK)]) {
                if left < BLOCK {
                    *bits &= (1 << left) - 1;
                }
            }
            if left < PAIR {
                distances[left * WAYS..].fill(1);
            }
            if at == 0 {
                // It has nothing before it; an empty entry looks like one.
                bits[0] &= !1;
                distances[..WAYS].fill(1);
            }
            let here = bits[0].count_ones() + bits[1].count_ones();
            found += here;
            self.quiet = if here == 0 { self.quiet + 1 } else { 0 };
            skip = self.quiet / QUIET;
        }
        found
    }
}

/// How many of the bytes are zero.
#[inline(always)]
pub fn zeros(bytes: &[u8]) -> usize {
    // In bytes first, so that it becomes vector code without widening: there are fewer than 256.
    let count = bytes.iter().fold(0u8, |count, &byte| count.wrapping_add(u8::from(byte == 0)));
    usize::from(count)
}

/// The bits of `bits`, each followed by a zero.
#[inline(always)]
fn spread(bits: u32) -> u64 {
    let mut word = u64::from(bits);
    word = (word | word << 16) & 0x0000_FFFF_0000_FFFF;
    word = (word | word << 8) & 0x00FF_00FF_00FF_00FF;
    word = (word | word << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    word = (word | word << 2) & 0x3333_3333_3333_3333;
    (word | word << 1) & 0x5555_5555_5555_5555
}
