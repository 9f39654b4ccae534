//! Finite state entropy, encoding side (RFC 8878, section 4.1): distributions, their headers, encoding tables.
//!
//! The table's layout and the way its symbols are spread are the format's; the form of an entry is that of FSE by Yann
//! Collet, in the zstd project. The choice of the distribution is our own: rounding, then single cells moved to where
//! they save most.

use crate::base::log2::{self, LOG2};
use crate::kernel::bit_writer::BitWriter;
use crate::kernel::zstd_seq_encode::{SYMBOLS, SeqTable};

/// States of the largest table.
pub const STATES: usize = 512;
/// Smallest accuracy log that a header can give.
pub const MIN_LOG: u32 = 5;
/// Bytes that a header never exceeds: 53 symbols of at most 10 bits and the first 4.
pub const HEADER_MAX: usize = 72;
/// Cost of a symbol that a table has no place for: see [`costs`].
pub const NO_CODE: u16 = u16::MAX;

/// Sets `cost` to the bits of each symbol under `norm`, in 1/256 of a bit, [`NO_CODE`] where it has no place.
pub fn costs(norm: &[i16], log: u32, cost: &mut [u16; SYMBOLS]) {
    cost.fill(NO_CODE);
    for (cost, &n) in cost.iter_mut().zip(norm) {
        if n != 0 {
            *cost = (log * 256) as u16 - LOG2[usize::from(n.unsigned_abs()).min(STATES)];
        }
    }
}

/// Returns the bits, in 1/256, of coding `counts` at `cost` each; `None` if a symbol has no code.
pub fn cost_of(counts: &[u32], cost: &[u16; SYMBOLS]) -> Option<u64> {
    let mut sum = 0;
    for (&count, &cost) in counts.iter().zip(cost) {
        if count != 0 {
            if cost == NO_CODE {
                return None;
            }
            sum += u64::from(count) * u64::from(cost);
        }
    }
    Some(sum)
}

/// Fills `norm` with a distribution of `1 << log` cells for `counts`, whose sum is `total`.
///
/// Every symbol that occurs has one cell or more. No count is above 2^17. At least two symbols occur, at most `1 << log`.
pub fn normalise(counts: &[u32], total: u32, log: u32, norm: &mut [i16]) {
    let cells = 1i32 << log;
    let mut left = cells;
    // Fixed point with 20 fractional bits; total is at most 2^17.
    let scale = (1u64 << (log + 20)) / u64::from(total);
    for (norm, &count) in norm.iter_mut().zip(counts) {
        let share = (u64::from(count) * scale + (1 << 19)) >> 20;
        *norm = if count == 0 { 0 } else { share.max(1) as i16 };
        left -= i32::from(*norm);
    }
    // A cell more for a symbol of n cells saves about count / (n + 1/2) bits, a cell less costs count / (n - 1/2).
    while left > 0 {
        let (mut best, mut gain) = (0, 0);
        for (i, (&n, &count)) in norm.iter().zip(counts).enumerate() {
            let saved = (count << 14) / (2 * u32::from(n.unsigned_abs()) + 1);
            if saved > gain {
                (best, gain) = (i, saved);
            }
        }
        norm[best] += 1;
        left -= 1;
    }
    while left < 0 {
        let (mut best, mut loss) = (0, u32::MAX);
        for (i, (&n, &count)) in norm.iter().zip(counts).enumerate() {
            if n > 1 {
                let lost = (count << 14) / (2 * u32::from(n.unsigned_abs()) - 1);
                if lost < loss {
                    (best, loss) = (i, lost);
                }
            }
        }
        norm[best] -= 1;
        left += 1;
    }
}

/// Returns the length of the header that describes `norm`, written to `dst` as far as it fits there.
///
/// `norm` ends with a symbol that has cells; the cells sum up to `1 << log`.
pub fn write_header(norm: &[i16], log: u32, dst: &mut [u8]) -> usize {
    let mut out = BitWriter::new(dst);
    out.push(u64::from(log - MIN_LOG), 4);
    // One more than the cells left; values of `threshold` and more take `width` bits, small ones one less.
    let mut left = (1i32 << log) + 1;
    let mut threshold = 1i32 << log;
    let mut width = log + 1;
    let mut at = 0;
    while at < norm.len() && left > 1 {
        let n = norm[at];
        at += 1;
        let short = 2 * threshold - 1 - left;
        left -= i32::from(n.abs());
        let mut value = i32::from(n) + 1;
        if value >= threshold {
            value += short;
        }
        out.push(value.unsigned_abs().into(), width - u32::from(value < short));
        out.flush();
        while left < threshold && threshold > 1 {
            width -= 1;
            threshold >>= 1;
        }
        if n == 0 {
            // Two bits for up to three more zeros, 3 meaning that there follow two more bits.
            let zeros = norm[at..].iter().take_while(|&&n| n == 0).count();
            for _ in 0..zeros / 3 {
                out.push(3, 2);
                out.flush();
            }
            out.push((zeros % 3) as u64, 2);
            out.flush();
            at += zeros;
        }
    }
    out.finish()
}

/// Fills an encoding table: [`SeqTable`] says what is in it. `states` has `1 << log` entries or more.
///
/// `cells` is room for as many bytes as there are states.
pub const fn build(norm: &[i16], log: u32, states: &mut [u16], symbols: &mut [u64; SYMBOLS], cells: &mut [u8; STATES]) {
    let size = 1usize << log;
    let mut first = [0u16; SYMBOLS];
    // Symbols of probability below one take single cells at the end of the table.
    let mut high = size;
    let mut total = 0u16;
    let mut s = 0;
    while s < norm.len() {
        first[s] = total;
        let n = norm[s].unsigned_abs();
        if norm[s] == -1 {
            high -= 1;
            cells[high] = s as u8;
        }
        symbols[s] = if n == 0 {
            0
        } else if n == 1 {
            entry((log << 16) - (1 << log), total as i32 - 1)
        } else {
            let most = log - (n - 1).ilog2();
            entry((most << 16) - ((n as u32) << most), total as i32 - n as i32)
        };
        total += n;
        s += 1;
    }
    let step = (size >> 1) + (size >> 3) + 3;
    let mut at = 0;
    s = 0;
    while s < norm.len() {
        let mut i = 0;
        while i < norm[s] {
            cells[at] = s as u8;
            at = (at + step) & (size - 1);
            while at >= high {
                at = (at + step) & (size - 1);
            }
            i += 1;
        }
        s += 1;
    }
    let mut cell = 0;
    while cell < size {
        let s = cells[cell] as usize & (SYMBOLS - 1);
        states[first[s] as usize] = (size + cell) as u16;
        first[s] += 1;
        cell += 1;
    }
}

const fn entry(bits: u32, find: i32) -> u64 {
    bits as u64 | (find.cast_unsigned() as u64) << 32
}

/// The table of a block whose sequences all have one code: no bits.
pub static SINGLE: SeqTable<'static> = SeqTable { states: &[0; 2], symbols: &[0; SYMBOLS], log: 0 };

/// A table with its costs, for the predefined distributions and for those of a dictionary.
pub struct FixedTable {
    states: [u16; STATES],
    symbols: [u64; SYMBOLS],
    cost: [u16; SYMBOLS],
    log: u32,
}

impl FixedTable {
    /// Returns the table of a valid distribution.
    pub const fn new(norm: &[i16], log: u32) -> Self {
        let mut table = FixedTable { states: [0; STATES], symbols: [0; SYMBOLS], cost: [NO_CODE; SYMBOLS], log };
        build(norm, log, &mut table.states, &mut table.symbols, &mut [0; STATES]);
        let logs = &const { log2::table() }; // a constant function cannot read a static
        let mut s = 0;
        while s < norm.len() {
            if norm[s] != 0 {
                table.cost[s] = (log * 256) as u16 - logs[norm[s].unsigned_abs() as usize];
            }
            s += 1;
        }
        table
    }

    /// The table as an encoder uses it.
    pub fn view(&self) -> Priced<'_> {
        Priced { table: SeqTable { states: &self.states, symbols: &self.symbols, log: self.log }, cost: &self.cost }
    }
}

/// An encoding table and what its symbols cost.
#[derive(Clone, Copy)]
pub struct Priced<'a> {
    /// The table.
    pub table: SeqTable<'a>,
    /// Bits of each symbol: [`costs`].
    pub cost: &'a [u16; SYMBOLS],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right_to_a_unit() {
        for (n, &got) in LOG2.iter().enumerate().skip(1) {
            let want = (n as f64).log2() * 256.0;
            assert!((f64::from(got) - want).abs() <= 1.0, "{n}");
        }
    }

    #[test]
    fn distributions_fill_their_cells_and_keep_every_symbol() {
        let mut seed = 1u32;
        for round in 0..20_000u32 {
            let mut counts = [0u32; 53];
            let used = 2 + round as usize % 31;
            for slot in 0..used {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                counts[(slot * 7 + round as usize) % 53] = 1 + (seed >> (8 + seed % 23));
            }
            let total = counts.iter().map(|&c| c.min(2000)).sum();
            counts.iter_mut().for_each(|c| *c = (*c).min(2000));
            for log in MIN_LOG..=9 {
                let mut norm = [0i16; 53];
                normalise(&counts, total, log, &mut norm);
                assert_eq!(norm.iter().map(|&n| i32::from(n)).sum::<i32>(), 1 << log);
                assert!(norm.iter().zip(counts).all(|(&n, c)| (n == 0) == (c == 0) && n >= 0));
            }
        }
    }
}
