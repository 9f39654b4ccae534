//! Huffman trees of Zstandard: their descriptions and decoding tables (RFC 8878 section 4.2.1).
//!
//! A table has `1 << log` entries of `symbol << 8 | bits of its code`, indexed by the next `log` bits of a stream.

use core::hint::select_unpredictable;

use super::bits::{Section, mask};
use super::word::load64;
use super::zstd_fse::{self, Flaw, entry};

/// Bits of the longest code that the decoder accepts. The RFC's limit is 11, but libzstd's decoder reads trees of 12.
pub const MAX_BITS: u32 = 12;
/// Places of the largest decoding table: its entries, and room for stores of [`SPAN`].
pub const TABLE_LEN: usize = (1 << MAX_BITS) + SPAN;
/// Entries that are stored at once.
const SPAN: usize = 16;

/// Largest accuracy log of the table that codes weights.
const WEIGHTS_MAX_LOG: u32 = 6;

/// The weights of a tree.
pub struct Tree {
    /// Weight of each symbol, 0 if it is absent; what lies behind `symbols` is unspecified.
    pub weights: [u8; 256],
    /// The largest symbol that is present, and 1 more.
    pub symbols: usize,
    /// Bits of the longest code; a code of weight w has `log + 1 - w`.
    pub log: u32,
    /// Bytes of the description.
    pub len: usize,
    /// How many symbols have each weight.
    counts: [u16; 16],
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

/// By weight: 1 in its byte of 16.
static ONES: [[u64; 2]; 16] = {
    let mut ones = [[0; 2]; 16];
    let mut weight = 0;
    while weight < 16 {
        ones[weight][weight / 8] = 1 << (8 * (weight % 8));
        weight += 1;
    }
    ones
};

/// The same by halves; from one table, compilers make vectors, out of which the places are slow to get.
static LOW_ONES: [u64; 16] = halves(0);
/// See [`LOW_ONES`].
static HIGH_ONES: [u64; 16] = halves(1);

const fn halves(half: usize) -> [u64; 16] {
    let mut ones = [0; 16];
    let mut weight = 0;
    while weight < 8 {
        ones[8 * half + weight] = 1 << (8 * weight);
        weight += 1;
    }
    ones
}

impl Tree {
    /// Reads the description at the beginning of `src`.
    ///
    /// # Errors
    /// Cut off, or not the weights of a complete tree with codes of at most [`MAX_BITS`].
    #[inline(always)]
    pub fn read(src: &[u8]) -> Result<Tree, Flaw> {
        let mut tree = Tree { weights: [0; 256], symbols: 0, log: 0, len: 0, counts: [0; 16] };
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

        // At most 255 weights: no count overflows its byte.
        let (mut low, mut high, mut all) = (0u64, 0u64, 0);
        for &weight in &tree.weights[..described] {
            all |= weight;
            let one = &ONES[usize::from(weight & 15)];
            low += one[0];
            high += one[1];
        }
        if all > 15 || high >> (8 * (MAX_BITS - 7)) != 0 {
            return Err(Flaw::Corrupt);
        }
        for (i, count) in tree.counts.iter_mut().enumerate() {
            *count = u16::from([low, high][i / 8].to_le_bytes()[i % 8]);
        }
        let total = (1..=MAX_BITS).fold(0, |total, weight| total + (tree.count(weight) << (weight - 1)));
        // The last weight is the one that makes the tree complete.
        tree.log = (total as u32).checked_ilog2().ok_or(Flaw::Corrupt)? + 1;
        if tree.log > MAX_BITS {
            return Err(Flaw::Corrupt);
        }
        let rest = (1 << tree.log) - total;
        if !rest.is_power_of_two() {
            return Err(Flaw::Corrupt);
        }
        let last = rest.ilog2() + 1;
        tree.weights[described & 255] = last as u8;
        tree.counts[last as usize & 15] += 1;
        tree.symbols = described + 1;
        if tree.count(1) < 2 || tree.count(1) % 2 == 1 {
            return Err(Flaw::Corrupt);
        }
        Ok(tree)
    }

    /// How many symbols have a weight, which is at most [`MAX_BITS`].
    #[inline(always)]
    fn count(&self, weight: u32) -> usize {
        usize::from(self.counts[weight as usize & 15])
    }

    /// Fills `table[..1 << self.log]` with `symbol << 8 | bits`; of its [`TABLE_LEN`] places, some behind are overwritten.
    ///
    /// Symbols are sorted by weight first, as in `HUF_readDTableX1` of the zstd project. The places that are next, one for each weight, are
    /// bytes of two words: counters in memory would be loads and stores at addresses that a CPU cannot foresee. Then all runs of up
    /// to [`SPAN`] entries are stored by one loop, each over the rest of the one before.
    #[inline(always)]
    pub fn build(&self, table: &mut [u16]) {
        let table: &mut [u16; TABLE_LEN] = table.first_chunk_mut().expect("places for the largest table");
        // Entries by weight, absent symbols first. The byte of a weight overflows only if nothing follows.
        let mut sorted = [0u16; 256];
        let mut next = [0u64; 2];
        let (mut place, mut short) = (0, 0);
        for weight in 0..=MAX_BITS {
            next[weight as usize / 8] |= (place as u64 & 0xff) << (8 * (weight % 8));
            place += self.count(weight);
            if weight <= SPAN.ilog2() + 1 {
                short = place;
            }
        }
        let first = self.count(0);
        let [mut low, mut high] = next;
        for (symbol, &weight) in self.weights.iter().enumerate().take(self.symbols) {
            let word = select_unpredictable(weight < 8, low, high);
            let place = word.wrapping_shr(8 * u32::from(weight)) as u8;
            low = low.wrapping_add(LOW_ONES[usize::from(weight & 15)]);
            high = high.wrapping_add(HIGH_ONES[usize::from(weight & 15)]);
            sorted[usize::from(place)] = ((symbol << 8) as u16 | (self.log + 1) as u16).wrapping_sub(u16::from(weight));
        }
        let mut at = 0;
        for &entry in &sorted[first..short] {
            let span = 1usize << (self.log.wrapping_sub(u32::from(entry) & 0xff) & 15);
            // What is left of the table has room for each run, as the weights add up to its length.
            if let Some(run) = table.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<SPAN>()) {
                *run = [entry; SPAN];
            }
            at += span;
        }
        for &entry in &sorted[short..place] {
            let span = 1usize << (self.log.wrapping_sub(u32::from(entry) & 0xff) & 15);
            let Some(runs) = table.get_mut(at..at + span) else { return };
            for run in runs.as_chunks_mut::<{ 2 * SPAN }>().0 {
                *run = [entry; 2 * SPAN];
            }
            at += span;
        }
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
#[inline(always)]
pub fn read(src: &[u8], table: &mut [u16]) -> Result<(u32, usize), Flaw> {
    let tree = Tree::read(src)?;
    tree.build(table);
    Ok((tree.log, tree.len))
}

/// Reads FSE-coded weights (section 4.2.1.2) that fill all of `src`; returns how many there are, at most 255.
#[inline(always)]
fn read_weights(src: &[u8], weights: &mut [u8; 256]) -> Result<usize, Flaw> {
    // libzstd's workspace has room for this many symbols.
    let limit = |log: u32| if log == WEIGHTS_MAX_LOG { 12 } else { 92 };
    let mut table = [0u64; 1 << WEIGHTS_MAX_LOG];
    let found = zstd_fse::read_table(src, limit(0), WEIGHTS_MAX_LOG, &PARTS, &mut table)?;
    if found.symbols > limit(found.log) {
        return Err(Flaw::Corrupt);
    }
    let log = found.log;

    let mut pad = [0; 8];
    let src = &src[found.len..];
    let (section, mut position) = Section::open(src, &mut pad).ok_or(Flaw::Corrupt)?;
    position -= 2 * log as isize;
    if position < 0 {
        return Err(Flaw::Corrupt);
    }
    let start = section.above(position as usize);
    let (mut one, mut other) = ((start >> log & mask(log)) as usize, (start & mask(log)) as usize);
    let mut count = 0;
    let next = |state: &mut usize, entry: u64, word: u64, left: usize| {
        *state = (entry >> 48) as usize + (word.wrapping_shr(left as u32) & mask(entry as u32 & 0xff)) as usize;
    };
    // Two states take turns. Four turns of both ask for 48 bits at most.
    while position >= 64 && count <= 256 - 16 {
        let end = (position as usize).div_ceil(8);
        // SAFETY: the position is inside the section and at least 64, so `end` is 8 at least and at most its length (S).
        let word = unsafe { load64(src.as_ptr().add(end - 8)) };
        let mut left = position as usize - 8 * (end - 8);
        for pair in weights[count..count + 8].as_chunks_mut::<2>().0 {
            let entries = [table[one & 63], table[other & 63]];
            *pair = entries.map(|entry| (entry >> 24) as u8);
            left -= (entries[0] & 0xff) as usize;
            next(&mut one, entries[0], word, left);
            left -= (entries[1] & 0xff) as usize;
            next(&mut other, entries[1], word, left);
        }
        count += 8;
        position = (left + 8 * (end - 8)) as isize;
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
        next(&mut one, entries[0], word, position as usize);
        position -= (entries[1] & 0xff) as isize;
        if position < 0 {
            weights[count] = (table[one & 63] >> 24) as u8;
            return Ok(count + 1);
        }
        next(&mut other, entries[1], word, position as usize);
    }
    Err(Flaw::Corrupt)
}
