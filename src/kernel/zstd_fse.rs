//! Decoding tables of FSE for the sequences of Zstandard: their descriptions and how they are built (RFC 8878 section 4.1).
//!
//! A description gives each symbol its number of cells. The cells are spread over the states, and those of one symbol numbered by
//! rising state. Counters for that, one for each symbol, are chains of loads and stores at addresses that a CPU cannot
//! foresee. So the states of each symbol are kept as a map of bits, which is the difference of two maps from a table, and the number
//! of a state is the number of ones below it.

use core::mem::MaybeUninit;

use super::bits::mask;
use super::word::load64;

/// Smallest accuracy log of a table description.
pub const MIN_LOG: u32 = 5;
/// Largest accuracy log of any table of sequences.
pub const MAX_LOG: u32 = 9;
/// Entries of the largest table.
pub const MAX_LEN: usize = 1 << MAX_LOG;
/// Symbols of the largest alphabet, and places of its parts.
pub const SYMBOLS: usize = 64;

/// Packs a state of a decoding table: the number of bits to the next state and of extra bits, the base to which the
/// former are added, the value to which the latter are added.
///
/// From the lowest bit: 8 bits for the first number, 8 for the sum of both, 8 for the second, 24 for the value, 16 for the base. The
/// value of an offset is not stored: it is 1 shifted by the number of its extra bits.
pub const fn entry(state_bits: u32, extra_bits: u32, next: u32, value: u32) -> u64 {
    state_bits as u64 * 0x101 + extra_bits as u64 * 0x1_0100 + ((value as u64) << 24) + ((next as u64) << 48)
}

/// What the codes of a table mean.
pub struct Alphabet {
    /// Largest code, below [`SYMBOLS`].
    pub max_code: u8,
    /// Largest accuracy log, at most [`MAX_LOG`].
    pub max_log: u32,
    /// The codes' parts of the entries: [`entry`] without what belongs to states.
    pub parts: [u64; SYMBOLS],
}

/// A decoding table: `1 << log` packed entries ([`entry`]).
///
/// Invariant **T**, by which loops need not check states: there are `1 << log` entries, and an entry's base plus any number of
/// the bits it asks for is below that. Tables come from [`build`], [`Own::read`] and [`Own::single`] only, which keep it: a cell's
/// number `n` is above 0 and below twice the number of entries, so that for `n << bits` between that number and its double,
/// the base `(n << bits) - entries` and `bits` ones stay below the number of entries.
#[derive(Clone, Copy)]
pub struct Entries<'a> {
    entries: &'a [u64],
    log: u32,
}

impl<'a> Entries<'a> {
    /// Bits of a start state.
    #[inline(always)]
    pub fn log(&self) -> u32 {
        self.log
    }

    /// The entries, for a test to look at.
    #[cfg(test)]
    pub fn all(&self) -> &'a [u64] {
        &self.entries[..1 << self.log]
    }

    /// The first of the `1 << log` entries.
    #[inline(always)]
    pub fn as_ptr(&self) -> *const u64 {
        self.entries.as_ptr()
    }
}

/// A table of a fixed distribution, made at compile time or with a dictionary.
#[derive(Clone, Copy)]
pub struct Fixed<M> {
    entries: M,
    log: u32,
}

impl<const N: usize> Fixed<[u64; N]> {
    /// Returns the table of a valid distribution with `N` cells; `parts` as in [`Alphabet`].
    pub const fn new(norm: &[i16], parts: &[u64]) -> Self {
        let mut entries = [0; N];
        build(norm, N.ilog2(), parts, &mut entries);
        Fixed { entries, log: N.ilog2() }
    }

    /// The table's entries.
    #[inline(always)]
    pub fn words(&self) -> &[u64; N] {
        &self.entries
    }
}

impl Fixed<Vec<u64>> {
    /// Returns the table of a valid distribution, in `memory` of `1 << log` words.
    pub fn boxed(norm: &[i16], log: u32, alphabet: &Alphabet, mut memory: Vec<u64>) -> Self {
        assert_eq!(memory.len(), 1 << log);
        build(norm, log, &alphabet.parts, &mut memory);
        Fixed { entries: memory, log }
    }
}

impl<M: AsRef<[u64]>> Fixed<M> {
    /// The table.
    #[inline(always)]
    pub fn entries(&self) -> Entries<'_> {
        Entries { entries: self.entries.as_ref(), log: self.log }
    }
}

/// A place for a table that blocks describe, and the table.
pub struct Own<'s> {
    memory: &'s mut [u64],
    log: u32,
}

/// What is wrong with a description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// It is damaged.
    Corrupt,
    /// It runs past the end of its section.
    TableEnd,
}

impl<'s> Own<'s> {
    /// Takes memory of at least one word for a table, which is unspecified until one is read.
    pub fn new(memory: &'s mut [u64]) -> Self {
        memory[0] = 0;
        Own { memory, log: 0 }
    }

    /// The table.
    #[inline(always)]
    pub fn entries(&self) -> Entries<'_> {
        Entries { entries: self.memory, log: self.log }
    }

    /// Makes the table of one code, which has one state; `false` if the alphabet has no such code.
    pub fn single(&mut self, code: u8, alphabet: &Alphabet) -> bool {
        if code > alphabet.max_code {
            return false;
        }
        self.memory[0] = alphabet.parts[usize::from(code)];
        self.log = 0;
        true
    }

    /// Reads the description at the beginning of `src`, makes its table, and returns the length of the description.
    ///
    /// The memory has a word for each entry of the largest table of the alphabet. On failure the table is one of one state.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline(always)]
    pub fn read(&mut self, alphabet: &Alphabet, src: &[u8]) -> Result<usize, Flaw> {
        self.memory[0] = 0;
        self.log = 0;
        let found =
            read_table(src, usize::from(alphabet.max_code) + 1, alphabet.max_log, &alphabet.parts, self.memory)?;
        self.log = found.log;
        Ok(found.len)
    }
}

/// A distribution that was read from its description.
#[derive(Clone, Copy, Debug)]
pub struct Distribution {
    /// Accuracy log: the probabilities add up to `1 << log`, where -1 counts as 1.
    pub log: u32,
    /// Number of symbols that have one, which is the largest one of them and 1 more.
    pub symbols: usize,
    /// Bytes of the description.
    pub len: usize,
}

/// Symbols that any description may have.
const MOST_SYMBOLS: usize = 92;
/// Bytes in which any description ends, with room behind for a load: 4 bits, up to 10 and 2 for each symbol of 53, or up to 7 and 2 for
/// each of [`MOST_SYMBOLS`], and 2 for three symbols of a run.
const PAD: usize = 128;
const _: () = assert!(4 + 53 * 12 + 2 * 53 / 3 < 8 * (PAD - 16));
const _: () = assert!(4 + MOST_SYMBOLS * 9 + 2 * MOST_SYMBOLS / 3 < 8 * (PAD - 16));

/// Reads a description (section 4.1.1) at the beginning of `src`, and gives `each` symbol and its probability, in order, if that is not 0.
///
/// There are at most `symbols` of them, up to 53 with a `max_log` above 6, or else up to 92.
///
/// The only branch that cannot be foreseen is whether a symbol has a probability.
///
/// # Errors
/// Cut off, an accuracy above `max_log`, or more symbols than the alphabet has.
#[inline(always)]
pub fn read(src: &[u8], symbols: usize, max_log: u32, mut each: impl FnMut(usize, i32)) -> Result<Distribution, Flaw> {
    debug_assert!(symbols <= if max_log > 6 { 53 } else { MOST_SYMBOLS });
    let mut pad = [0u8; PAD];
    let from = if src.len() >= PAD {
        src.as_ptr()
    } else {
        pad[..src.len()].copy_from_slice(src);
        pad.as_ptr()
    };
    // At least 57 bits from position `bit` on.
    let window = |bit: usize| -> u64 {
        debug_assert!(bit / 8 + 8 <= PAD);
        // SAFETY: `PAD` bytes are at `from`, and no description reaches its last 8 (see there).
        unsafe { load64(from.add(bit >> 3)) >> (bit & 7) }
    };
    let flaw = |bit: usize| if bit > 8 * src.len() { Flaw::TableEnd } else { Flaw::Corrupt };
    let log = (window(0) & 15) as u32 + MIN_LOG;
    if log > max_log {
        return Err(Flaw::Corrupt);
    }
    let mut bit = 4;
    // What is left, and 1 more, as that is the number of values the next one may take.
    let mut remaining = (1i32 << log) + 1;
    let mut symbol = 0;
    while remaining > 1 {
        if symbol >= symbols {
            return Err(flaw(bit));
        }
        // Values below `spare` take one bit less than the others.
        let width = 32 - remaining.leading_zeros();
        let threshold = 1i32 << (width - 1);
        let spare = 2 * threshold - 1 - remaining;
        let word = window(bit);
        let low = word as i32 & (threshold - 1);
        let full = word as i32 & (2 * threshold - 1);
        let short = low < spare;
        let long_value = full - if full >= threshold { spare } else { 0 };
        let count = core::hint::select_unpredictable(short, low, long_value) - 1;
        let used = width - u32::from(short);
        remaining -= count.abs();
        bit += used as usize;
        if count != 0 {
            each(symbol, count);
            symbol += 1;
            continue;
        }
        // Two bits for up to three more zeros, 3 meaning that there follow two more bits.
        let mut rest = word >> used;
        let mut threes = rest.trailing_ones() as usize / 2;
        while threes >= 16 {
            // A window may end there.
            symbol += 3 * 16;
            bit += 2 * 16;
            if symbol >= symbols {
                return Err(flaw(bit));
            }
            rest = window(bit);
            threes = rest.trailing_ones() as usize / 2;
        }
        symbol += 1 + 3 * threes + (rest >> (2 * threes) & 3) as usize;
        bit += 2 * threes + 2;
    }
    let len = bit.div_ceil(8);
    if remaining != 1 {
        return Err(flaw(bit));
    }
    if len > src.len() {
        return Err(Flaw::TableEnd);
    }
    Ok(Distribution { log, symbols: symbol, len })
}

/// Reads a description into `norm`, which has a place for every symbol of the alphabet and holds zeros.
///
/// # Errors
/// As [`read`].
pub fn read_norm(src: &[u8], norm: &mut [i16], max_log: u32) -> Result<Distribution, Flaw> {
    read(src, norm.len(), max_log, |symbol, count| norm[symbol] = count as i16)
}

/// Largest accuracy log of the tables that pages ask for, which [`read_table`] makes without branches.
const QUICK_LOG: u32 = 7;
/// Words of the map of such a table.
const WORDS: usize = (1 << QUICK_LOG) / 64;

/// One behind the other for each log from [`MIN_LOG`] to [`QUICK_LOG`], by number of cells: a map of the states that so many first cells have.
static MAPS: [[u64; WORDS]; maps_of(QUICK_LOG + 1)] = {
    let mut maps = [[0; WORDS]; maps_of(QUICK_LOG + 1)];
    let mut log = MIN_LOG;
    while log <= QUICK_LOG {
        let (size, mut position, mut cell) = (1 << log, 0, 0);
        while cell < size {
            let at = maps_of(log) + cell;
            maps[at + 1] = maps[at];
            maps[at + 1][position / 64] |= 1 << (position % 64);
            position = (position + step(log)) & (size - 1);
            cell += 1;
        }
        log += 1;
    }
    maps
};

/// Where the maps of a log begin, which are one more than its cells.
const fn maps_of(log: u32) -> usize {
    (1 << log) - (1 << MIN_LOG) + (log - MIN_LOG) as usize
}

/// One behind the other for each log from [`MIN_LOG`] to [`QUICK_LOG`], by number of a cell: the state's part of its entry.
static NUMBERED: [u64; numbers_of(QUICK_LOG + 1)] = {
    let mut parts = [0; numbers_of(QUICK_LOG + 1)];
    let mut log = MIN_LOG;
    while log <= QUICK_LOG {
        let mut number = 1;
        while number < 2 << log {
            parts[numbers_of(log) + number] = numbered(log, number as u32);
            number += 1;
        }
        log += 1;
    }
    parts
};

/// Where the numbers of a log begin, which are below twice its cells.
const fn numbers_of(log: u32) -> usize {
    (2 << log) - (2 << MIN_LOG)
}

/// The state's part of the entry of a cell with this number, by invariant T.
const fn numbered(log: u32, number: u32) -> u64 {
    let bits = log - number.ilog2();
    entry(bits, 0, (number << bits) - (1 << log), 0)
}

/// How far the next cell in the order of symbols is.
const fn step(log: u32) -> usize {
    let size = 1 << log;
    (size >> 1) + (size >> 3) + 3
}

/// A symbol that has cells.
#[derive(Clone, Copy)]
struct Symbol {
    /// Its states.
    map: [u64; WORDS],
    /// Its part of their entries.
    part: u64,
    /// For each word of the map, the number of the first cell in it.
    first: [u32; WORDS],
}

/// Reads a description as [`read`], and makes its table in `out`, which has a word for each entry of the largest one; the symbols'
/// parts of the entries are in `parts`.
///
/// # Errors
/// As [`read`].
///
/// # Panics
/// If there are fewer words.
#[inline(always)]
pub fn read_table(
    src: &[u8],
    symbols: usize,
    max_log: u32,
    parts: &[u64],
    out: &mut [u64],
) -> Result<Distribution, Flaw> {
    assert!(symbols <= parts.len() && out.len() >= 1 << max_log);
    let log = u32::from(src.first().copied().unwrap_or(0) & 15) + MIN_LOG;
    if log > max_log {
        return Err(Flaw::Corrupt);
    }
    if log > QUICK_LOG {
        return read_plain(src, symbols, max_log, parts, out);
    }
    let maps = &MAPS[maps_of(log)..maps_of(log + 1)];
    let mut row = [0u8; (1 << QUICK_LOG) + 16];
    let mut used = [const { MaybeUninit::<Symbol>::uninit() }; 1 << QUICK_LOG];
    let (mut cells, mut count_used) = (0usize, 0usize);
    let mut rare = false;
    let found = read(src, symbols, max_log, |symbol, count| {
        if count < 0 {
            rare = true;
            return;
        }
        let count = count as usize;
        let end = cells + count;
        debug_assert!(end <= 1 << QUICK_LOG && symbol < symbols);
        // SAFETY: `read` gives counts whose sum is `1 << log` at most, which is the last place of `maps`, and below the end of `row` by
        // 16, and symbols below `symbols`, of which all have parts. No more symbols are used than there are cells.
        unsafe {
            let (before, behind) = (maps.get_unchecked(cells), maps.get_unchecked(end));
            let map = [before[0] ^ behind[0], before[1] ^ behind[1]];
            let first = [count as u32, count as u32 + map[0].count_ones()];
            used.get_unchecked_mut(count_used).write(Symbol { map, part: *parts.get_unchecked(symbol), first });
            row.as_mut_ptr().add(cells).cast::<[u8; 16]>().write([count_used as u8; 16]);
            if count > 16 {
                row.as_mut_ptr().add(cells).write_bytes(count_used as u8, count);
            }
        }
        cells = end;
        count_used += 1;
    })?;
    if rare {
        return read_plain(src, symbols, max_log, parts, out);
    }
    let size = 1usize << log;
    let numbered = &NUMBERED[numbers_of(log)..numbers_of(log + 1)];
    let mut state = 0;
    for &symbol in &row[..size] {
        // SAFETY: the row holds places of symbols with cells, all of which were written: there are as many cells as states, as `read` has
        // checked the sum and none was negative. States are below `size`, numbers below twice that.
        unsafe {
            let symbol = used.get_unchecked(usize::from(symbol)).assume_init_ref();
            let word = state / 64;
            let lower = symbol.map.get_unchecked(word) & mask(state as u32 & 63);
            let number = symbol.first.get_unchecked(word) + lower.count_ones();
            *out.get_unchecked_mut(state) = symbol.part + numbered.get_unchecked(number as usize);
        }
        state = (state + step(log)) & (size - 1);
    }
    Ok(found)
}

/// [`read_table`] for tables that pages do not ask for.
#[cold]
#[inline(never)]
fn read_plain(src: &[u8], symbols: usize, max_log: u32, parts: &[u64], out: &mut [u64]) -> Result<Distribution, Flaw> {
    let mut norm = [0; 128];
    let found = read_norm(src, &mut norm[..symbols], max_log)?;
    build(&norm[..found.symbols], found.log, parts, out);
    Ok(found)
}

/// Fills `out[..1 << log]` with the decoding table of a distribution (section 4.1.1): for each state the symbol's
/// part, and its bits and base of the next state.
///
/// The distribution has a log of at most [`MAX_LOG`]; probabilities below one are allowed.
///
/// Three passes: symbols in order, those with a probability below one to the top of the table; then the others spread
/// over the rest; then states numbered (as `ZSTD_buildFSETable`, of the zstd project).
const fn build(norm: &[i16], log: u32, parts: &[u64], out: &mut [u64]) {
    let size = 1usize << log;
    let mut symbols = [0u8; MAX_LEN];
    let mut next = [0u16; 128];
    let mut top = size;
    let mut symbol = 0;
    while symbol < norm.len() {
        if norm[symbol] == -1 {
            top -= 1;
            symbols[top] = symbol as u8;
            next[symbol] = 1;
        } else {
            next[symbol] = norm[symbol] as u16;
        }
        symbol += 1;
    }
    let mut position = 0;
    symbol = 0;
    while symbol < norm.len() {
        let mut i = 0;
        while i < norm[symbol] {
            symbols[position] = symbol as u8;
            position = (position + step(log)) & (size - 1);
            while position >= top {
                position = (position + step(log)) & (size - 1);
            }
            i += 1;
        }
        symbol += 1;
    }
    let mut state = 0;
    while state < size {
        let symbol = symbols[state] as usize;
        let number = next[symbol] as u32;
        next[symbol] = number as u16 + 1;
        out[state] = parts[symbol] + numbered(log, number);
        state += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut norm = [0i16; 5];
        let got = read_norm(&bytes, &mut norm, 9).expect("description");
        assert_eq!((got.log, got.symbols, got.len), (8, 2, 3));
        assert_eq!(norm, [100, 156, 0, 0, 0]);
        assert_eq!(read_norm(&bytes[..2], &mut norm, 9).err(), Some(Flaw::TableEnd));
        assert_eq!(read_norm(&bytes, &mut norm, 7).err(), Some(Flaw::Corrupt));
        assert_eq!(read_norm(&bytes, &mut norm[..1], 9).err(), Some(Flaw::Corrupt));
    }

    /// Writes the description of a distribution, in the way of section 4.1.1.
    fn describe(norm: &[i16], log: u32) -> Vec<u8> {
        let mut bits = Vec::new();
        let mut push = |value: i32, count: u32| bits.extend((0..count).map(|i| (value >> i & 1) as u8));
        push(log as i32 - 5, 4);
        let (mut left, mut at) = ((1 << log) + 1, 0);
        while left > 1 {
            let width = 32 - i32::leading_zeros(left);
            let threshold = 1 << (width - 1);
            let spare = 2 * threshold - 1 - left;
            let value = i32::from(norm[at]) + 1;
            let long = if value >= threshold { value + spare } else { value };
            push(long, width - u32::from(value < spare));
            left -= i32::from(norm[at]).abs();
            at += 1;
            if norm[at - 1] == 0 {
                let mut zeros = norm[at..].iter().take_while(|&&n| n == 0).count();
                at += zeros;
                while zeros >= 3 {
                    push(3, 2);
                    zeros -= 3;
                }
                push(zeros as i32, 2);
            }
        }
        bits.chunks(8).map(|c| c.iter().rev().fold(0, |b, &bit| b << 1 | bit)).collect()
    }

    #[test]
    fn tables_are_those_of_the_plain_construction_and_keep_states_in_range() {
        let parts: [u64; SYMBOLS] = core::array::from_fn(|symbol| entry(0, symbol as u32 & 31, 0, 3 * symbol as u32));
        let mut seed = 3usize;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for round in 0..5000 {
            let log = MIN_LOG + round as u32 % 5;
            let mut norm = [0i16; 53];
            let reach = 1 + random(53);
            for _ in 0..1 << log {
                let first = random(reach);
                norm[if round % 3 == 0 { random(first + 1) } else { first }] += 1;
            }
            if round % 7 == 0 {
                norm.iter_mut().filter(|n| **n == 1).step_by(2).for_each(|n| *n = -1);
            }
            let mut want = vec![0; 1 << log];
            build(&norm, log, &parts, &mut want);
            let mut description = describe(&norm, log);
            let len = description.len();
            description.resize(len + random(200), 0xff);
            let mut got = vec![0; 512];
            let found = read_table(&description, 53, 9, &parts, &mut got).expect("description");
            assert_eq!((found.log, found.len), (log, len));
            assert!(norm[found.symbols..].iter().all(|&n| n == 0));
            assert_eq!(got[..1 << log], want, "{norm:?}");
            assert!(want.iter().all(|&entry| (entry >> 48) + (1 << (entry & 0xff)) <= 1 << log));
            for cut in 0..len {
                assert!(read_table(&description[..cut], 53, 9, &parts, &mut got).is_err());
            }
        }
    }
}
