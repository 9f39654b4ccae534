//! FSE: descriptions of tables and decoding tables (RFC 8878 section 4.1).

use super::decode::{Stricter, stricter};
use crate::base::Error;
use crate::base::format::zstd::{LL_BASE, LL_BITS, LL_MAX_LOG, ML_BASE, ML_BITS, OF_MAX_CODE};
use crate::kernel::zstd_seq_decode::entry;

/// Smallest accuracy log of a table description.
const MIN_LOG: u32 = 5;
/// Largest accuracy log of any table that [`build`] makes.
const MAX_LOG: u32 = LL_MAX_LOG;

/// A normalised distribution that was read from its description.
#[derive(Clone, Copy, Debug)]
pub struct Distribution {
    /// Accuracy log: the probabilities add up to `1 << log`, where -1 counts as 1.
    pub log: u32,
    /// Number of symbols that have one, which is the largest one of them and 1 more.
    pub symbols: usize,
    /// Bytes of the description.
    pub len: usize,
}

/// Reads a description (section 4.1.1) at the beginning of `src` into `norm`, which has a place for every symbol of the
/// alphabet; the places behind the last one that is described become 0.
///
/// # Errors
/// `Corrupt`: cut off, an accuracy above `max_log`, or more symbols than the alphabet has.
pub fn read(src: &[u8], norm: &mut [i16], max_log: u32) -> Result<Distribution, Error> {
    norm.fill(0);
    // At least 25 bits from position `bit` on; zeros behind the end.
    let window = |bit: usize| -> u32 {
        let at = bit >> 3;
        let word = match src.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            Some(bytes) => u32::from_le_bytes(*bytes),
            None => {
                let tail = src.get(at..).unwrap_or(&[]);
                tail.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
            }
        };
        word >> (bit & 7)
    };
    let log = (window(0) & 15) + MIN_LOG;
    if log > max_log {
        return Err(Error::Corrupt);
    }
    let mut bit = 4;
    // What is left, and 1 more, as that is the number of values the next one may take.
    let mut remaining = (1i32 << log) + 1;
    let mut symbol = 0;
    let mut after_zero = false;
    while remaining > 1 {
        if after_zero {
            loop {
                let run = window(bit) & 3;
                bit += 2;
                symbol += run as usize;
                if run < 3 {
                    break;
                }
            }
        }
        if symbol >= norm.len() {
            return Err(Error::Corrupt);
        }
        // Values below `spare` take one bit less than the others.
        let bits = remaining.ilog2() + 1;
        let threshold = 1 << (bits - 1);
        let spare = 2 * threshold - 1 - remaining;
        let word = window(bit) as i32;
        let mut value = word & (threshold - 1);
        if value < spare {
            bit += bits as usize - 1;
        } else {
            value = word & (2 * threshold - 1);
            if value >= threshold {
                value -= spare;
            }
            bit += bits as usize;
        }
        let probability = value - 1;
        remaining -= probability.abs();
        norm[symbol] = probability as i16;
        symbol += 1;
        after_zero = probability == 0;
    }
    let len = bit.div_ceil(8);
    if remaining != 1 {
        return Err(Error::Corrupt);
    }
    if len > src.len() {
        return Err(stricter(Stricter::TableEnd));
    }
    Ok(Distribution { log, symbols: symbol, len })
}

/// Fills `out[..1 << log]` with the decoding table of a distribution (section 4.1.1): for each state the symbol's
/// part, and its bits and base of the next state, packed as `kernel::zstd_seq_decode::entry`.
///
/// `norm` is a distribution of [`read`] with a log of at most 9, `parts` has an entry for each of its symbols.
///
/// Three passes: symbols in order, those with a probability below one to the top of the table; then the others spread
/// over the rest; then states numbered. Only tables with symbols at the top have a loop of unpredictable length in the
/// second one (the split is that of `ZSTD_buildFSETable`, of the zstd project).
pub const fn build(norm: &[i16], log: u32, parts: &[u64], out: &mut [u64]) {
    let size = 1usize << log;
    let mut symbols = [0u8; 1 << MAX_LOG];
    // Stores of 8 may run past the end.
    let mut in_order = [0u8; (1 << MAX_LOG) + 8];
    let mut next = [0u16; 256];
    let mut top = size;
    let mut laid = 0;
    let mut symbol = 0;
    while symbol < norm.len() {
        let count = norm[symbol];
        if count == -1 {
            top -= 1;
            symbols[top] = symbol as u8;
            next[symbol] = 1;
        } else {
            next[symbol] = count as u16;
            let end = laid + count as usize;
            while laid < end {
                let mut i = 8;
                while i > 0 {
                    i -= 1;
                    in_order[laid + i] = symbol as u8;
                }
                laid += 8;
            }
            laid = end;
        }
        symbol += 1;
    }
    let step = (size >> 1) + (size >> 3) + 3;
    let mut position = 0;
    let mut i = 0;
    if top == size {
        while i < size {
            symbols[position & (size - 1)] = in_order[i];
            position += step;
            i += 1;
        }
    }
    while i < top {
        symbols[position] = in_order[i];
        i += 1;
        position = (position + step) & (size - 1);
        while position >= top {
            position = (position + step) & (size - 1);
        }
    }
    let mut state = 0;
    let (out, _) = out.split_at_mut(size);
    while state < out.len() {
        let symbol = symbols[state & ((1 << MAX_LOG) - 1)] as usize;
        let number = next[symbol] as u32;
        next[symbol] = number as u16 + 1;
        let bits = log - number.ilog2();
        out[state] = parts[symbol] + entry(bits, 0, (number << bits) - size as u32, 0);
        state += 1;
    }
}

/// The symbols' parts of the entries for literals lengths.
pub const LL_PARTS: [u64; LL_BASE.len()] = parts(&LL_BASE, &LL_BITS);
/// The symbols' parts of the entries for match lengths.
pub const ML_PARTS: [u64; ML_BASE.len()] = parts(&ML_BASE, &ML_BITS);
/// The symbols' parts of the entries for offsets.
pub const OF_PARTS: [u64; OF_MAX_CODE as usize + 1] = of_parts();

const fn parts<const N: usize>(base: &[u32; N], bits: &[u8; N]) -> [u64; N] {
    let mut out = [0; N];
    let mut code = 0;
    while code < N {
        out[code] = entry(0, bits[code] as u32, 0, base[code]);
        code += 1;
    }
    out
}

const fn of_parts() -> [u64; OF_MAX_CODE as usize + 1] {
    let mut out = [0; OF_MAX_CODE as usize + 1];
    let mut code = 0;
    while code < out.len() {
        out[code] = entry(0, code as u32, 0, 1 << code);
        code += 1;
    }
    out
}

/// Returns the decoding table of a predefined distribution.
pub const fn predefined<const N: usize>(norm: &[i16], log: u32, parts: &[u64]) -> [u64; N] {
    let mut out = [0; N];
    build(norm, log, parts, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::super::sequences::{LL, ML, OF};
    use super::*;

    /// `bits / extra / next / value` of an entry.
    fn fields(entry: u64) -> (u32, u32, u32, u32) {
        (entry as u8 as u32, (entry >> 8) as u8 as u32, (entry >> 16) as u16 as u32, (entry >> 32) as u32)
    }

    #[test]
    fn predefined_tables_are_those_of_appendix_a() {
        // Lines of RFC 8878 appendix A: state, symbol, bits, base.
        for (state, symbol, bits, base) in
            [(0, 0, 4, 0), (1, 0, 4, 16), (17, 25, 5, 32), (40, 26, 5, 32), (43, 0, 4, 48), (63, 32, 6, 0)]
        {
            let value = LL_BASE[symbol];
            assert_eq!(fields(LL.predefined[state]), (bits, u32::from(LL_BITS[symbol]), base, value), "LL {state}");
        }
        for (state, symbol, bits, base) in
            [(0, 0, 6, 0), (1, 1, 4, 0), (2, 2, 5, 32), (40, 40, 6, 0), (43, 1, 4, 32), (63, 46, 6, 0)]
        {
            let value = ML_BASE[symbol];
            assert_eq!(fields(ML.predefined[state]), (bits, u32::from(ML_BITS[symbol]), base, value), "ML {state}");
        }
        for (state, symbol, bits, base) in [(0, 0, 5, 0), (1, 6, 4, 0), (16, 11, 5, 0), (31, 24, 5, 0)] {
            assert_eq!(fields(OF.predefined[state]), (bits, symbol, base, 1 << symbol), "OF {state}");
        }
    }

    #[test]
    fn the_example_of_section_4_1_1_is_read_as_printed() {
        // Accuracy 8; then values of 98 (7 bits), as the section computes them for 157 remaining.
        // 256 points: 100 of them to symbol 0 (value 101: 8 bits or 9), then all others to symbol 1.
        let mut bits: Vec<u8> = Vec::new();
        let mut push = |value: u32, count: u32| bits.extend((0..count).map(|i| (value >> i & 1) as u8));
        push(8 - 5, 4);
        // 257 values (remaining 257): 9 bits, 254 of them in 8: value 101 < 254.
        push(101, 8);
        // 157 values: 8 bits, 98 of them in 7: value 157 (all that is left) is above: stored as 157 + 98 = 255.
        push(255, 8);
        let bytes: Vec<u8> = bits.chunks(8).map(|c| c.iter().rev().fold(0, |b, &bit| b << 1 | bit)).collect();
        let mut norm = [7i16; 5];
        let got = read(&bytes, &mut norm, 9).expect("description");
        assert_eq!((got.log, got.symbols, got.len), (8, 2, 3));
        assert_eq!(norm, [100, 156, 0, 0, 0]);
        assert_eq!(read(&bytes[..2], &mut norm, 9).err(), Some(Error::Corrupt));
        assert_eq!(read(&bytes, &mut norm, 7).err(), Some(Error::Corrupt));
        assert_eq!(read(&bytes, &mut norm[..1], 9).err(), Some(Error::Corrupt));
    }
}
