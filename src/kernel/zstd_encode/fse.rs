//! Finite state entropy, encoding side (RFC 8878, section 4.1): distributions, their descriptions, encoding tables.
//!
//! The table's layout and the way its symbols are spread are the format's; the form of an entry is that of FSE by Yann
//! Collet, in the zstd project. The choice of the distribution is our own: rounding, and the symbol of most cells makes up
//! for it. So are the loops over the symbols in use, found in a bit mask, in the place of those over alphabets:
//! on a page most symbols do not occur, and what counts them one by one waits for the same counter again and again.

use super::super::bit_writer::BitWriter;
use super::super::zstd_seq_encode::{Entry, SLOT_STATES, SYMBOLS, SeqTable};
use crate::base::log2::{self, LOG2};

/// States of the largest table.
pub const STATES: usize = 512;
/// Elements that [`build`] may write behind the states of a table.
pub const STATES_SLACK: usize = SLOT_STATES - STATES;
/// Smallest accuracy log that a description can give.
pub const MIN_LOG: u32 = 5;
/// Largest accuracy log whose cells fit a word of bits.
const WORD_LOG: u32 = 6;
/// Bytes that a description never exceeds: 53 symbols of at most 10 bits and the first 4.
pub const HEADER_MAX: usize = 72;

/// How often each symbol occurs.
#[derive(Clone, Copy)]
pub struct Counts {
    /// Occurrences, 0 for symbols that the alphabet lacks.
    pub of: [u16; SYMBOLS],
    /// A bit for each symbol that occurs, two of them or more where a table is asked for.
    pub used: u64,
    /// Their sum, at most 2^15.
    pub total: u32,
}

/// The symbols whose bits are set, each with the number of those before it that are not, since the last one.
#[inline(always)]
pub fn symbols_of(used: u64) -> impl Iterator<Item = (usize, usize)> {
    let (mut rest, mut next) = (used, 0);
    core::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let symbol = rest.trailing_zeros() as usize;
        let gap = symbol - next;
        rest &= rest - 1;
        next = symbol + 1;
        Some((symbol, gap))
    })
}

/// Sets a bit for each element that is not 0.
#[inline(always)]
pub fn mask_of(counts: &[u16; SYMBOLS]) -> u64 {
    counts.iter().enumerate().fold(0, |mask, (i, &count)| mask | u64::from(count != 0) << i)
}

/// Returns the bits, in 1/256, of coding `counts` at `cost` each; symbols that have no cost must not occur.
#[inline(always)]
pub fn cost_of(counts: &Counts, cost: &[u16; SYMBOLS]) -> u32 {
    // Signed elements, so that a vector instruction multiplies and adds pairs: both are below 2^15.
    counts.of.iter().zip(cost).map(|(&count, &cost)| i32::from(count as i16) * i32::from(cost as i16)).sum::<i32>()
        as u32
}

/// 256 times the binary logarithm of n, which is not 0, rounded down.
#[inline(always)]
pub fn log2(n: u32) -> u32 {
    // Of large numbers the low bits are left out.
    let shift = 22u32.saturating_sub(n.leading_zeros());
    u32::from(LOG2[(n >> shift) as usize]) + (shift << 8)
}

/// Returns the bits, in 1/256, that no code for `counts` can be shorter than.
#[inline(always)]
pub fn entropy(counts: &Counts) -> u32 {
    let total = log2(counts.total);
    let of = |symbol: usize| u32::from(counts.of[symbol]);
    symbols_of(counts.used).map(|(symbol, _)| of(symbol) * (total - log2(of(symbol)))).sum()
}

/// Sets `cost` to the bits of each symbol under `norm`, in 1/256, 0 where it has no place.
pub fn costs(norm: &[u16; SYMBOLS], log: u32, cost: &mut [u16; SYMBOLS]) {
    for (cost, &n) in cost.iter_mut().zip(norm) {
        *cost = if n == 0 { 0 } else { (log * 256) as u16 - LOG2[usize::from(n).min(STATES)] };
    }
}

/// Returns bits, in 1/256, that [`entropy`] is not below, at a tenth of its price: the entropy of order 2, by Jensen's inequality.
#[inline(always)]
pub fn entropy_bound(counts: &Counts) -> u32 {
    // The sum of the squares, 2^30 at most.
    let squares = cost_of(counts, &counts.of);
    // Logarithms are rounded down, by less than two of their last place.
    counts.total * (2 * log2(counts.total)).saturating_sub(log2(squares) + 2)
}

/// Returns the bits, in 1/256, below which a description and codes for `counts` hardly come: a description takes 4 bits and some 2
/// for each symbol.
#[inline(always)]
pub fn least(counts: &Counts) -> u32 {
    entropy(counts) + ((4 + 2 * counts.used.count_ones()) << 8)
}

/// Fills `norm`, which is all zeros, with a distribution of `1 << log` cells for `counts`.
///
/// Every symbol that occurs has one cell or more. At most `1 << log` symbols occur; `log` is at most 9.
#[inline(always)]
pub fn normalise(counts: &Counts, log: u32, norm: &mut [u16; SYMBOLS]) {
    // Fixed point with 20 fractional bits: all products stay below 2^30.
    let scale = (1u32 << (log + 20)) / counts.total;
    let mut sum = 0u32;
    for (norm, &count) in norm.iter_mut().zip(&counts.of) {
        let share = (u32::from(count) * scale + (1 << 19)) >> 20;
        let share = share.max(u32::from(count != 0));
        sum += share;
        *norm = share as u16;
    }
    let left = (1i32 << log) - sum as i32;
    if left == 0 {
        return;
    }
    // The symbol of most cells takes or gives them all, unless it would lose half of its own. A number of cells has 10 bits, and 6 are
    // for the symbol.
    let top = norm.iter().zip(0..).map(|(&cells, symbol)| cells << 6 | symbol).fold(0, u16::max);
    let (most, symbol) = (i32::from(top >> 6), usize::from(top & 63));
    if most / 2 > -left {
        norm[symbol] = (most + left) as u16;
    } else {
        take(counts, -left, norm);
    }
}

/// Takes `times` cells, each where that costs least: about count / (n - 1/2) bits of a symbol of n cells.
#[inline(always)]
fn take(counts: &Counts, times: i32, norm: &mut [u16; SYMBOLS]) {
    // The quotient's bits, which order as numbers do, above the symbol: the smallest is wanted.
    let key = |i: usize, count: u16, norm: u16| -> u32 {
        let bits = (f32::from(count) / (2.0 * f32::from(norm) - 1.0)).to_bits();
        if norm > 1 { !bits & !63 | (63 - i as u32) } else { 0 }
    };
    let mut keys = [0u32; SYMBOLS];
    for i in 0..SYMBOLS {
        keys[i] = key(i, counts.of[i], norm[i]);
    }
    for _ in 0..times {
        let best = (63 - (keys.iter().fold(0, |best, &key| best.max(key)) & 63)) as usize;
        norm[best] -= 1;
        keys[best] = key(best, counts.of[best], norm[best]);
    }
}

/// By number of symbols in a row that do not occur: what says so behind the first of them, and its bits (section 4.1.1).
static RUNS: [(u64, u32); SYMBOLS] = {
    let mut runs = [(0, 0); SYMBOLS];
    let mut gap = 1;
    // No alphabet has so many that the shifts overflow.
    while gap < SYMBOLS {
        let (threes, rest) = ((gap as u32 - 1) / 3, (gap as u64 - 1) % 3);
        runs[gap] = (((1u64 << (2 * threes)) - 1) | (rest << (2 * threes)), 2 * threes + 2);
        gap += 1;
    }
    runs
};

/// Returns the length of the description of `norm`, written to `dst` as far as it fits there, and the bits, in 1/256, of coding
/// `counts` with it.
///
/// The cells of `counts.used`, at most 53 symbols, sum up to `1 << log`.
#[inline(always)]
pub fn describe(counts: &Counts, norm: &[u16; SYMBOLS], log: u32, dst: &mut [u8]) -> (usize, u32) {
    let mut out = BitWriter::new(dst);
    out.push(u64::from(log - MIN_LOG), 4);
    // One more than the cells left; a value takes one bit more than that unless it is small.
    let mut left = (1u32 << log) + 1;
    let mut saved = 0;
    for (symbol, gap) in symbols_of(counts.used) {
        let n = u32::from(norm[symbol]);
        let width = left.ilog2() + 1;
        let threshold = 1u32 << (width - 1);
        let short = 2 * threshold - 1 - left;
        // A symbol without cells, then how many more of them: 7 bits held, 10, at most 36, and 10 of the next.
        let (run, run_bits) = RUNS[gap & (SYMBOLS - 1)];
        let has_gap = u32::from(gap != 0);
        out.push(u64::from(has_gap), (width - u32::from(1 < short)) * has_gap);
        out.push(run, run_bits);
        let value = n + 1;
        let value = if value >= threshold { value + short } else { value };
        out.push(u64::from(value), width - u32::from(value < short));
        out.flush();
        left -= n;
        saved += u32::from(counts.of[symbol]) * u32::from(LOG2[n as usize & (STATES - 1)]);
    }
    (out.finish(), ((counts.total * log) << 8) - saved)
}

/// The cells of a table of `1 << log` states, for logs of 5 and 6: a bit for each of the first `i` cells in the order in which
/// symbols take them.
static TAKEN: [[u64; 65]; 2] = {
    let mut all = [[0; 65]; 2];
    let mut log = MIN_LOG;
    while log <= WORD_LOG {
        let (size, mut at, mut i) = (1usize << log, 0, 0);
        while i < size {
            all[(log - MIN_LOG) as usize][i + 1] = all[(log - MIN_LOG) as usize][i] | 1 << at;
            at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1);
            i += 1;
        }
        log += 1;
    }
    all
};

/// What [`SeqTable`] has of a symbol of `n` cells behind `before` cells of others.
#[inline(always)]
const fn entry(n: u32, before: u32, log: u32) -> Entry {
    let most = log - ((n - 1) | 1).ilog2();
    Entry { bits: (most << 16).wrapping_sub(n << most), next: before.wrapping_sub(n) }
}
/// Of a symbol without cells.
const NO_ENTRY: Entry = Entry { bits: 0, next: 0 };

/// Fills an encoding table: [`SeqTable`] says what is in it, for the symbols of `used`. `states` has `1 << log` elements and
/// [`STATES_SLACK`] more.
#[inline(always)]
pub fn build(norm: &[u16; SYMBOLS], used: u64, log: u32, states: &mut [u16], symbols: &mut [Entry; SYMBOLS]) {
    let size = 1usize << log;
    if log > WORD_LOG {
        return build_large(norm, used, log, &mut states[..size], symbols);
    }
    let taken = &TAKEN[(log - MIN_LOG) as usize];
    let states = &mut states[..size + STATES_SLACK];
    let mut before = 0usize;
    for (symbol, _) in symbols_of(used) {
        let n = usize::from(norm[symbol]);
        symbols[symbol] = entry(n as u32, before as u32, log);
        let behind = (before + n).min(size);
        let mut cells = taken[behind] ^ taken[before];
        // Four at a time: too many are overwritten by the next symbol.
        let mut at = before;
        loop {
            for state in &mut states[at..at + 4] {
                *state = (size as u32 + cells.trailing_zeros()) as u16;
                cells &= cells.wrapping_sub(1);
            }
            at += 4;
            if at >= behind {
                break;
            }
        }
        before = behind;
    }
}

/// [`build`] for any log, without slack.
#[inline(never)]
fn build_large(norm: &[u16; SYMBOLS], used: u64, log: u32, states: &mut [u16], symbols: &mut [Entry; SYMBOLS]) {
    let mut signed = [0i16; SYMBOLS];
    for (signed, &n) in signed.iter_mut().zip(norm) {
        *signed = n.cast_signed();
    }
    let mut all = [NO_ENTRY; SYMBOLS];
    build_any(&signed[..SYMBOLS - used.leading_zeros() as usize], log, states, &mut all);
    *symbols = all;
}

/// Fills an encoding table for a distribution that may have probabilities below one, written as -1.
pub const fn build_any(norm: &[i16], log: u32, states: &mut [u16], symbols: &mut [Entry; SYMBOLS]) {
    let mut cells = [0u8; STATES];
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
        symbols[s] = if n == 0 { NO_ENTRY } else { entry(n as u32, total as u32, log) };
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

/// A table with its costs, for the predefined distributions, for those of a dictionary and for presets; of at most `S` states.
pub struct FixedTable<const S: usize> {
    states: [u16; S],
    symbols: [Entry; SYMBOLS],
    cost: [u16; SYMBOLS],
    used: u64,
    log: u32,
}

impl<const S: usize> FixedTable<S> {
    /// Returns the table of a valid distribution of at most `S` cells.
    pub const fn new(norm: &[i16], log: u32) -> Self {
        let mut table = FixedTable { states: [0; S], symbols: [NO_ENTRY; SYMBOLS], cost: [0; SYMBOLS], used: 0, log };
        build_any(norm, log, &mut table.states, &mut table.symbols);
        let logs = &const { log2::table() }; // a constant function cannot read a static
        let mut s = 0;
        while s < norm.len() {
            if norm[s] != 0 {
                table.cost[s] = (log * 256) as u16 - logs[norm[s].unsigned_abs() as usize];
                table.used |= 1 << s;
            }
            s += 1;
        }
        table
    }

    /// The table as an encoder uses it.
    #[inline(always)]
    pub fn view(&self) -> Priced<'_> {
        let table = SeqTable { states: &self.states, symbols: &self.symbols, log: self.log };
        Priced { table, cost: &self.cost, used: self.used }
    }
}

/// An encoding table and what its symbols cost.
#[derive(Clone, Copy)]
pub struct Priced<'a> {
    /// The table.
    pub table: SeqTable<'a>,
    /// Bits of each symbol in 1/256, 0 for those without a place.
    pub cost: &'a [u16; SYMBOLS],
    /// A bit for each symbol that has a place.
    pub used: u64,
}

impl Priced<'_> {
    /// Returns the bits of `counts` in 1/256, [`u32::MAX`] if a symbol that occurs has no place.
    #[inline(always)]
    pub fn cost_of(&self, counts: &Counts) -> u32 {
        if counts.used & !self.used != 0 { u32::MAX } else { cost_of(counts, self.cost) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of some symbols out of 53, and their sum.
    fn counts(seed: &mut u32, round: u32) -> Counts {
        let mut of = [0; SYMBOLS];
        for slot in 0..2 + round as usize % 31 {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            of[(slot * 7 + round as usize) % 53] = (1 + (*seed >> (8 + *seed % 23))).min(500) as u16;
        }
        Counts { of, used: mask_of(&of), total: of.iter().map(|&c| u32::from(c)).sum() }
    }

    #[test]
    fn distributions_fill_their_cells_and_keep_every_symbol() {
        let mut seed = 1u32;
        for round in 0..20_000u32 {
            let counts = counts(&mut seed, round);
            for log in MIN_LOG..=9 {
                if counts.used.count_ones() > 1 << log {
                    continue;
                }
                let mut norm = [0; SYMBOLS];
                normalise(&counts, log, &mut norm);
                assert_eq!(norm.iter().map(|&n| u32::from(n)).sum::<u32>(), 1 << log);
                assert!(norm.iter().zip(counts.of).all(|(&n, c)| (n == 0) == (c == 0)));
                let (_, cost) = describe(&counts, &norm, log, &mut []);
                assert!(entropy(&counts) <= cost + 2 * counts.total, "entropy is a bound, but for rounding");
            }
            assert!(entropy_bound(&counts) <= entropy(&counts));
        }
    }

    #[test]
    fn tables_are_those_that_the_general_method_builds() {
        let mut seed = 3u32;
        for round in 0..5000u32 {
            let counts = counts(&mut seed, round);
            for log in [5, 6, 8] {
                if counts.used.count_ones() > 1 << log {
                    continue;
                }
                let mut norm = [0; SYMBOLS];
                normalise(&counts, log, &mut norm);
                let (mut states, mut symbols) = ([0; STATES + STATES_SLACK], [NO_ENTRY; SYMBOLS]);
                build(&norm, counts.used, log, &mut states, &mut symbols);
                let (mut want_states, mut want_symbols) = ([0; STATES], [NO_ENTRY; SYMBOLS]);
                build_any(&norm.map(|n| n as i16), log, &mut want_states, &mut want_symbols);
                assert_eq!(states[..1 << log], want_states[..1 << log], "log {log}");
                assert_eq!(symbols, want_symbols);
            }
        }
    }
}
