//! Huffman trees: their descriptions and decoding tables (RFC 8878 section 4.2.1).

use super::fse_decode;
use crate::base::Error;
use crate::base::format::zstd::WEIGHTS_MAX_LOG;
use crate::kernel::bits::Section;

/// Bits of the longest code that the decoder accepts. The RFC's limit is 11, but libzstd's decoder reads trees of 12.
pub const MAX_BITS: u32 = 12;
/// Entries of the largest decoding table.
pub const TABLE_LEN: usize = 1 << MAX_BITS;

/// A tree.
pub struct Tree {
    /// Weight of each symbol, 0 if it is absent.
    pub weights: [u8; 256],
    /// The largest symbol that is present, and 1 more.
    pub symbols: usize,
    /// Bits of the longest code; a code of weight w has `log + 1 - w`.
    pub log: u32,
    /// Bytes of the description.
    pub len: usize,
    /// How many symbols have each weight.
    counts: [u16; MAX_BITS as usize + 1],
}

impl Tree {
    /// Reads the description at the beginning of `src`.
    ///
    /// # Errors
    /// `Corrupt`: cut off, or not the weights of a complete tree with codes of at most [`MAX_BITS`].
    pub fn read(src: &[u8]) -> Result<Tree, Error> {
        let mut tree = Tree { weights: [0; 256], symbols: 0, log: 0, len: 0, counts: [0; MAX_BITS as usize + 1] };
        let (&head, rest) = src.split_first().ok_or(Error::Corrupt)?;
        let described = if head >= 128 {
            let count = usize::from(head) - 127;
            let bytes = rest.get(..count.div_ceil(2)).ok_or(Error::Corrupt)?;
            for (pair, &byte) in tree.weights.chunks_exact_mut(2).zip(bytes) {
                pair[0] = byte >> 4;
                pair[1] = byte & 15;
            }
            // The low half of the last byte means nothing if the count is odd; its place is the implied symbol's.
            tree.len = 1 + bytes.len();
            count
        } else {
            let bytes = rest.get(..usize::from(head)).ok_or(Error::Corrupt)?;
            tree.len = 1 + bytes.len();
            read_weights(bytes, &mut tree.weights)?
        };

        let mut total = 0u32;
        for &weight in &tree.weights[..described] {
            *tree.counts.get_mut(usize::from(weight)).ok_or(Error::Corrupt)? += 1;
            total += 1 << weight >> 1;
        }
        // The last weight is the one that makes the tree complete.
        tree.log = total.checked_ilog2().ok_or(Error::Corrupt)? + 1;
        if tree.log > MAX_BITS {
            return Err(Error::Corrupt);
        }
        let rest = (1 << tree.log) - total;
        if !rest.is_power_of_two() {
            return Err(Error::Corrupt);
        }
        let last = rest.ilog2() + 1;
        tree.weights[described] = last as u8;
        tree.counts[last as usize] += 1;
        tree.symbols = described + 1;
        if tree.counts[1] < 2 || tree.counts[1] % 2 == 1 {
            return Err(Error::Corrupt);
        }
        Ok(tree)
    }

    /// Fills `table[..1 << self.log]` with `symbol << 8 | bits`.
    ///
    /// Symbols are sorted by weight first (as in `HUF_readDTableX1`, of the zstd project), so that all fills of one
    /// loop have the same length.
    pub fn build(&self, table: &mut [u16]) {
        let mut sorted = [0u8; 256];
        let mut place = [0u16; MAX_BITS as usize + 1];
        for weight in 1..=MAX_BITS as usize {
            place[weight] = place[weight - 1] + self.counts[weight - 1];
        }
        for (symbol, &weight) in self.weights[..self.symbols].iter().enumerate() {
            let at = &mut place[usize::from(weight)];
            sorted[usize::from(*at)] = symbol as u8;
            *at += 1;
        }
        let mut from = usize::from(self.counts[0]);
        let mut rest = table;
        for weight in 1..=self.log {
            let symbols = &sorted[from..from + usize::from(self.counts[weight as usize])];
            from += symbols.len();
            let bits = (self.log + 1 - weight) as u16;
            let span = 1usize << (weight - 1);
            let (fill, behind) = rest.split_at_mut(symbols.len() * span);
            rest = behind;
            match span {
                1 => fill_spans::<1>(fill, symbols, bits),
                2 => fill_spans::<2>(fill, symbols, bits),
                4 => fill_spans::<4>(fill, symbols, bits),
                8 => fill_spans::<8>(fill, symbols, bits),
                _ => {
                    for (&symbol, run) in symbols.iter().zip(fill.chunks_exact_mut(span)) {
                        run.fill(u16::from(symbol) << 8 | bits);
                    }
                }
            }
        }
    }
}

fn fill_spans<const SPAN: usize>(fill: &mut [u16], symbols: &[u8], bits: u16) {
    for (&symbol, run) in symbols.iter().zip(fill.as_chunks_mut::<SPAN>().0) {
        *run = [u16::from(symbol) << 8 | bits; SPAN];
    }
}

/// Reads FSE-coded weights (section 4.2.1.2) that fill all of `src`; returns how many there are, at most 255.
fn read_weights(src: &[u8], weights: &mut [u8; 256]) -> Result<usize, Error> {
    static SYMBOLS: [u64; 256] = {
        let mut parts = [0; 256];
        let mut symbol = 0;
        while symbol < 256 {
            parts[symbol] = (symbol as u64) << 32;
            symbol += 1;
        }
        parts
    };
    let mut norm = [0i16; 256];
    let described = fse_decode::read(src, &mut norm, WEIGHTS_MAX_LOG)?;
    // libzstd's workspace has room for this many symbols.
    if described.symbols > if described.log == WEIGHTS_MAX_LOG { 12 } else { 92 } {
        return Err(Error::Corrupt);
    }
    let mut table = [0u64; 1 << WEIGHTS_MAX_LOG];
    fse_decode::build(&norm[..described.symbols], described.log, &SYMBOLS, &mut table);

    let mut pad = [0; 8];
    let (section, mut position) = Section::open(&src[described.len..], &mut pad).ok_or(Error::Corrupt)?;
    let log = described.log;
    position -= 2 * log as isize;
    if position < 0 {
        return Err(Error::Corrupt);
    }
    let start = section.above(position as usize);
    let size_mask = (1 << log) - 1;
    let mut states = [(start >> log) & size_mask, start & size_mask];
    // Two states take turns; the stream is over when one asks for more bits than there are, and then the symbol of the
    // other one is the last.
    let mut count = 0;
    loop {
        if count + 2 > 255 {
            return Err(Error::Corrupt);
        }
        let turn = count & 1;
        let entry = table[(states[turn] & size_mask) as usize];
        weights[count] = (entry >> 32) as u8;
        count += 1;
        let bits = (entry & 0xff) as u32;
        position -= bits as isize;
        if position < 0 {
            weights[count] = (table[(states[turn ^ 1] & size_mask) as usize] >> 32) as u8;
            return Ok(count + 1);
        }
        states[turn] = (entry >> 16 & 0xffff) + (section.above(position as usize) & ((1 << bits) - 1));
    }
}
