//! Huffman trees of Zstandard: their descriptions and decoding tables (RFC 8878 section 4.2.1).
//!
//! A table has `1 << log` entries of `symbol << 8 | bits of its code`, indexed by the next `log` bits of a stream.

use core::hint::select_unpredictable;

use super::bits::{Section, mask};
use super::word::load64;
use super::zstd_decode_presets::Presets;
use super::zstd_fse::{self, Flaw, entry};
use crate::base::format::zstd_presets;

/// Bits of the longest code that the decoder accepts. The RFC's limit is 11, but libzstd's decoder reads trees of 12.
pub const MAX_BITS: u32 = 12;
/// Places of the largest decoding table: its entries, and room for stores of [`SPAN`].
pub const TABLE_LEN: usize = (1 << MAX_BITS) + SPAN;
/// Entries that are stored at once.
const SPAN: usize = 16;

/// Largest accuracy log of the table that codes weights.
const WEIGHTS_MAX_LOG: u32 = 6;

/// What trees need from an instruction set.
///
/// Methods are `#[inline(always)]` without target features: they become instructions of the set only inside a shell
/// that enables it (invariant I of [`crate::kernel`]), which is why they are unsafe. Those of a set with nothing better work on words.
pub trait TreeIsa {
    /// Returns the sum of `1 << (weight - 1)` over all weights but zeros, `None` if one is above 15; none is above 127.
    ///
    /// # Safety
    /// Invariant I.
    #[inline(always)]
    unsafe fn total(weights: &[u8; 256]) -> Option<u32> {
        total_of_words(weights)
    }

    /// Sorts the symbols with weights by those, symbols of one weight by themselves; returns how many have each weight of 1 and above.
    /// `sorted` may be overwritten behind the last one. No weight is above `log`, which is at most [`MAX_BITS`]; those from `symbols` on are 0.
    ///
    /// # Safety
    /// Invariant I.
    #[inline(always)]
    unsafe fn sort(weights: &[u8; 256], symbols: usize, log: u32, sorted: &mut [u8; SORTED]) -> [u16; 16] {
        let _ = log;
        sort_by_words(weights, symbols, sorted)
    }
}

/// Places for sorted symbols: 256, and room for one store.
pub const SORTED: usize = 256 + 64;

/// [`TreeIsa::total`] without vectors.
#[inline(always)]
fn total_of_words(weights: &[u8; 256]) -> Option<u32> {
    let (mut total, mut all) = (0, 0);
    for &weight in weights {
        total += 1u32 << (weight & 15) >> 1;
        all |= weight;
    }
    (all <= 15).then_some(total)
}

/// [`TreeIsa::sort`] without vectors.
///
/// The places that are next, one for each weight, are bytes of two words: counters in memory would be loads and stores at addresses
/// that a CPU cannot foresee.
#[inline(always)]
fn sort_by_words(weights: &[u8; 256], symbols: usize, sorted: &mut [u8; SORTED]) -> [u16; 16] {
    // At most 255 of one weight before the last symbol: no count overflows its byte.
    let (mut low, mut high) = (0u64, 0u64);
    let weights = &weights[..symbols.min(256)];
    let Some((&last, others)) = weights.split_last() else { return [0; 16] };
    for &weight in others {
        low = low.wrapping_add(LOW_ONES[usize::from(weight & 15)]);
        high = high.wrapping_add(HIGH_ONES[usize::from(weight & 15)]);
    }
    let mut counts: [u16; 16] =
        core::array::from_fn(|weight| u16::from([low, high][weight / 8].to_le_bytes()[weight % 8]));
    counts[usize::from(last & 15)] += 1;
    // The byte of a weight overflows only if nothing follows. Absent symbols all go to the place behind the others.
    let mut next = [0u64; 2];
    let mut place = 0;
    for weight in 1..16 {
        next[weight / 8] |= u64::from(place & 0xff) << (8 * (weight % 8));
        place += counts[weight];
    }
    next[0] |= u64::from(place & 0xff);
    let [mut low, mut high] = next;
    for (symbol, &weight) in weights.iter().enumerate() {
        let word = select_unpredictable(weight < 8, low, high);
        let place = word.wrapping_shr(8 * u32::from(weight)) as u8;
        low = low.wrapping_add(LOW_ONES[usize::from(weight & 15)]);
        high = high.wrapping_add(HIGH_ONES[usize::from(weight & 15)]);
        sorted[usize::from(place)] = symbol as u8;
    }
    counts
}

/// By weight: 1 in its byte of 16, but for weight 0; lower half; in one table with the other, compilers make vectors, out of which the places are slow to
/// get.
static LOW_ONES: [u64; 16] = halves(0);
/// See [`LOW_ONES`].
static HIGH_ONES: [u64; 16] = halves(1);

const fn halves(half: usize) -> [u64; 16] {
    let mut ones = [0; 16];
    let mut weight = 1;
    while weight < 16 {
        if weight / 8 == half {
            ones[weight] = 1 << (8 * (weight % 8));
        }
        weight += 1;
    }
    ones
}

/// The parts of the entries of the table that codes weights: the value of a symbol is the weight.
static PARTS: [u64; 92] = {
    let mut parts = [0; 92];
    let mut weight = 0;
    while weight < 92 {
        parts[weight] = entry(0, 0, 0, weight as u32);
        weight += 1;
    }
    parts
};

/// Tables for weights that are often described.
static PRESETS: Presets = Presets::new(&zstd_presets::WEIGHTS, &PARTS);
const _: () = assert!(zstd_presets::LOG == WEIGHTS_MAX_LOG);

/// The weights of a tree.
pub struct Tree {
    /// Weight of each symbol, 0 if it is absent.
    pub weights: [u8; 256],
    /// The largest symbol that is present, and 1 more.
    pub symbols: usize,
    /// Bits of the longest code; a code of weight w has `log + 1 - w`.
    pub log: u32,
    /// Bytes of the description.
    pub len: usize,
}

impl Tree {
    /// Reads the description at the beginning of `src`.
    ///
    /// # Errors
    /// Cut off, or not the weights of a complete tree with codes of at most [`MAX_BITS`].
    ///
    /// # Safety
    /// Invariant I for `T`.
    #[inline(always)]
    pub unsafe fn read<T: TreeIsa>(src: &[u8]) -> Result<Tree, Flaw> {
        let mut tree = Tree { weights: [0; 256], symbols: 0, log: 0, len: 0 };
        let (&head, rest) = src.split_first().ok_or(Flaw::Corrupt)?;
        let described = if head >= 128 {
            let count = usize::from(head) - 127;
            let bytes = rest.get(..count.div_ceil(2)).ok_or(Flaw::Corrupt)?;
            for (pair, &byte) in tree.weights.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
                *pair = [byte >> 4, byte & 15];
            }
            // The low half of the last byte means nothing if the count is odd; its place is the implied symbol's.
            tree.len = 1 + bytes.len();
            count
        } else {
            let bytes = rest.get(..usize::from(head)).ok_or(Flaw::Corrupt)?;
            tree.len = 1 + bytes.len();
            read_weights(bytes, &mut tree.weights)?
        };

        // Behind an odd number of weights, there may be half a byte.
        tree.weights[described & 255] = 0;
        // SAFETY: the contract is the same (I).
        let total = unsafe { T::total(&tree.weights) }.ok_or(Flaw::Corrupt)?;
        // The last weight is the one that makes the tree complete.
        tree.log = total.checked_ilog2().ok_or(Flaw::Corrupt)? + 1;
        // A weight above `MAX_BITS` alone would make it too large.
        if tree.log > MAX_BITS {
            return Err(Flaw::Corrupt);
        }
        let rest = (1 << tree.log) - total;
        if !rest.is_power_of_two() {
            return Err(Flaw::Corrupt);
        }
        tree.weights[described & 255] = rest.ilog2() as u8 + 1;
        tree.symbols = described + 1;
        Ok(tree)
    }

    /// Fills `table[..1 << self.log]` with `symbol << 8 | bits`; of its [`TABLE_LEN`] places, some behind are overwritten.
    ///
    /// Symbols are sorted by weight first, as in `HUF_readDTableX1` of the zstd project. Then all runs of up to [`SPAN`] entries are stored by
    /// one loop, each over the rest of the one before.
    ///
    /// # Errors
    /// The longest codes are not an even number of 2 or more.
    ///
    /// # Safety
    /// Invariant I for `T`; the tree is as [`Tree::read`] left it.
    #[inline(always)]
    pub unsafe fn build<T: TreeIsa>(&self, table: &mut [u16]) -> Result<(), Flaw> {
        let table: &mut [u16; TABLE_LEN] = table.first_chunk_mut().expect("places for the largest table");
        let mut sorted = [0; SORTED];
        // SAFETY: the contract is the same (I).
        let counts = unsafe { T::sort(&self.weights, self.symbols, self.log, &mut sorted) };
        if counts[1] < 2 || counts[1] % 2 == 1 {
            return Err(Flaw::Corrupt);
        }
        let count = |weights: core::ops::RangeInclusive<usize>| -> usize {
            weights.fold(0, |sum, weight| sum + usize::from(counts[weight & 15]))
        };
        let short = count(1..=SPAN.ilog2() as usize + 1).min(256);
        let all = (short + count(SPAN.ilog2() as usize + 2..=MAX_BITS as usize)).min(256);
        let top = self.log as usize + 1;
        let mut at = 0;
        let run = |symbol: u8| {
            let weight = usize::from(self.weights[usize::from(symbol)] & 15);
            (u16::from(symbol) << 8 | top.wrapping_sub(weight) as u16, 1usize << weight >> 1)
        };
        for &symbol in &sorted[..short] {
            let (entry, span) = run(symbol);
            debug_assert!(at + SPAN <= TABLE_LEN);
            // SAFETY: `sorted` has each symbol once, and the weights of all add up to the length of the table (`read`), behind which there is
            // room for one store (D).
            unsafe { table.as_mut_ptr().add(at).cast::<[u16; SPAN]>().write_unaligned([entry; SPAN]) };
            at += span;
        }
        for &symbol in &sorted[short..all] {
            let (entry, span) = run(symbol);
            let Some(runs) = table.get_mut(at..at + span) else { break };
            for run in runs.as_chunks_mut::<{ 2 * SPAN }>().0 {
                *run = [entry; 2 * SPAN];
            }
            at += span;
        }
        Ok(())
    }
}

/// Reads the description of a tree at the beginning of `src`, and makes its table in `table`, which has [`TABLE_LEN`] places. Returns
/// the log of the table and the length of the description.
///
/// # Errors
/// As [`Tree::read`].
///
/// # Panics
/// If there are fewer places.
///
/// # Safety
/// Invariant I for `T`.
#[inline(always)]
pub unsafe fn read<T: TreeIsa>(src: &[u8], table: &mut [u16]) -> Result<(u32, usize), Flaw> {
    // SAFETY: the contract is the same (I).
    unsafe {
        let tree = Tree::read::<T>(src)?;
        tree.build::<T>(table)?;
        Ok((tree.log, tree.len))
    }
}

/// Reads FSE-coded weights (section 4.2.1.2) that fill all of `src`; returns how many there are, at most 255.
#[inline(always)]
fn read_weights(src: &[u8], weights: &mut [u8; 256]) -> Result<usize, Flaw> {
    // libzstd's workspace has room for this many symbols.
    let limit = |log: u32| if log == WEIGHTS_MAX_LOG { 12 } else { 92 };
    let mut own = [0u64; 1 << WEIGHTS_MAX_LOG];
    let (table, log, len) = match PRESETS.find(src) {
        Some((preset, len)) => (preset.words(), WEIGHTS_MAX_LOG, len),
        None => {
            let found = zstd_fse::read_table(src, limit(0), WEIGHTS_MAX_LOG, &PARTS, &mut own)?;
            if found.symbols > limit(found.log) {
                return Err(Flaw::Corrupt);
            }
            (&own, found.log, found.len)
        }
    };

    let mut pad = [0; 8];
    let src = &src[len..];
    let (section, mut position) = Section::open(src, &mut pad).ok_or(Flaw::Corrupt)?;
    position -= 2 * log as isize;
    if position < 0 {
        return Err(Flaw::Corrupt);
    }
    let start = section.above(position as usize);
    let (mut one, mut other) = ((start >> log & mask(log)) as usize, (start & mask(log)) as usize);
    let mut count = 0;
    let next = |state: &mut usize, entry: u64, word: u64, left: u64| {
        *state = (entry >> 48) as usize + (word.wrapping_shr(left as u32) & mask(entry as u32)) as usize;
    };
    // Two states take turns. Four turns of both ask for 48 bits at most. Of `left`, and of the entries that are subtracted
    // whole, the lower six bits count.
    while position >= 64 && count <= 256 - 16 {
        let end = position as usize / 8;
        // SAFETY: the position is inside the section and at least 64, so that the byte it is in and 7 before it are, too (S).
        let word = unsafe { load64(src.as_ptr().add(end - 7)) };
        let mut left = 56 + (position as u64 & 7);
        for pair in weights[count..count + 8].as_chunks_mut::<2>().0 {
            let entries = [table[one & 63], table[other & 63]];
            *pair = entries.map(|entry| (entry >> 24) as u8);
            left = left.wrapping_sub(entries[0]);
            next(&mut one, entries[0], word, left);
            left = left.wrapping_sub(entries[1]);
            next(&mut other, entries[1], word, left);
        }
        count += 8;
        position = (8 * (end - 7)) as isize + (left & 63) as isize;
    }
    if position >= 64 {
        return Err(Flaw::Corrupt); // more weights than there may be
    }
    // The stream is over when a state asks for more bits than there are, and then the symbol of the other one is the last.
    let word = section.above(0);
    while count < 254 {
        let entries = [table[one & 63], table[other & 63]];
        weights[count] = (entries[0] >> 24) as u8;
        weights[count + 1] = (entries[1] >> 24) as u8;
        count += 2;
        position -= (entries[0] & 0xff) as isize;
        if position < 0 {
            return Ok(count);
        }
        next(&mut one, entries[0], word, position as u64);
        position -= (entries[1] & 0xff) as isize;
        if position < 0 {
            weights[count] = (table[one & 63] >> 24) as u8;
            return Ok(count + 1);
        }
        next(&mut other, entries[1], word, position as u64);
    }
    Err(Flaw::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words instead of vectors.
    struct Words;

    impl TreeIsa for Words {}

    fn read_tree(src: &[u8], table: &mut [u16]) -> Result<Tree, Flaw> {
        // SAFETY: `Words` needs no instruction set (I).
        unsafe {
            let tree = Tree::read::<Words>(src)?;
            tree.build::<Words>(table)?;
            Ok(tree)
        }
    }

    #[test]
    fn direct_weights_make_the_table_of_the_format_and_others_are_refused() {
        // Weights 2, 1 and an implied 1: codes 1 (of symbol 0), 00, 01.
        let mut table = [0; TABLE_LEN];
        let tree = read_tree(&[128 + 1, 0x21], &mut table).expect("tree");
        assert_eq!((tree.symbols, tree.log, tree.len), (3, 2, 2));
        assert_eq!(table[..4], [1 << 8 | 2, 2 << 8 | 2, 1, 1]);
        // 128 weights of 1 imply one of 8.
        let all = [&[255][..], &[0x11; 64]].concat();
        let tree = read_tree(&all, &mut table).expect("tree");
        assert_eq!((tree.symbols, tree.log, tree.len), (129, 8, 65));
        assert_eq!((table[127], table[128], table[255]), (127 << 8 | 8, 128 << 8 | 1, 128 << 8 | 1));
        for bad in [&[128, 0x00][..], &[128, 0xd0], &[128 + 1, 0x31], &[128 + 1], &[], &[3, 0, 0]] {
            assert_eq!(read_tree(bad, &mut table).err(), Some(Flaw::Corrupt), "{bad:x?}");
        }
    }

    #[test]
    fn symbols_are_sorted_by_weight_then_by_themselves() {
        let mut seed = 5u64;
        for round in 0..2000 {
            let mut weights = [0; 256];
            let symbols = 1 + round % 256;
            for weight in &mut weights[..symbols] {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *weight = if round % 3 == 0 { 1 + (seed >> 62) as u8 } else { (seed >> 40) as u8 % 13 };
            }
            let mut want: Vec<u8> = (0..=255).filter(|&symbol| weights[usize::from(symbol)] > 0).collect();
            want.sort_by_key(|&symbol| weights[usize::from(symbol)]);
            let mut sorted = [0xa5; SORTED];
            let counts = sort_by_words(&weights, symbols, &mut sorted);
            assert_eq!(sorted[..want.len()], want);
            for (weight, &count) in counts.iter().enumerate().skip(1) {
                assert_eq!(usize::from(count), weights.iter().filter(|&&w| usize::from(w) == weight).count());
            }
        }
    }
}
