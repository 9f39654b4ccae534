//! Sequences to codes, and codes to the bit stream of a Zstandard block (RFC 8878, sections 3.1.1.3.2 and 3.1.1.5).
//!
//! Both loops follow the format's description; the way a state is kept above the table's size, so that one subtraction
//! gives the bits to write, is Yann Collet's (FSE, in the zstd project).

use super::bit_writer::{BitWriter, Bits, Unchecked};

/// Entries of the per-symbol arrays: every code of the three kinds is below.
pub const SYMBOLS: usize = 64;

/// States of the largest table, and elements that are written behind those of a smaller one.
pub const SLOT_STATES: usize = 512 + 4;

/// Bits of a packed literals length, and of a packed match length.
pub const LEN_BITS: u32 = 16;
/// Where the length of a packed match is, less [`MIN_LEN`].
pub const LEN_AT: u32 = LEN_BITS;
/// Where its distance is.
pub const DISTANCE_AT: u32 = 2 * LEN_BITS;
/// Most extra bits of a sequence: of two lengths below 2^16, and of a distance below [`DISTANCE_LIMIT`].
pub const EXTRA_MAX: usize = 15 + 15 + 23;
/// Bytes that a sequence never exceeds, with three states of 9 bits at most.
const SEQUENCE_MAX: usize = (EXTRA_MAX + 3 * 9).div_ceil(8);
/// What is taken off the length.
pub const MIN_LEN: u64 = MIN_MATCH as u64;
/// Shortest match of the format.
const MIN_MATCH: u32 = 3;
/// Distances are below this value, so that offset values are exact in single precision.
pub const DISTANCE_LIMIT: u32 = (1 << 24) - 3;

/// Returns a sequence as the matcher writes it: `literals` bytes copied, then `len` bytes from `distance` back.
///
/// `literals` and `len` together are at most 64 KiB, `len` is at least 3, `distance` below [`DISTANCE_LIMIT`].
#[inline(always)]
pub fn pack(literals: u32, len: u32, distance: u32) -> u64 {
    debug_assert!(literals + len <= 1 << 16 && len >= MIN_MATCH && distance > 0 && distance < DISTANCE_LIMIT);
    u64::from(literals) | u64::from(len - MIN_MATCH) << LEN_BITS | u64::from(distance) << (2 * LEN_BITS)
}

/// What an encoding table has of a symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What to add to the state so that its bits above the low 16 are the number of bits to write.
    pub bits: u32,
    /// What to add to the shifted state to find the next one.
    pub next: u32,
}

/// Codes of a sequence, and how many extra bits they have: see [`super::zstd_encode::codes::codes`].
pub type Codes = [u8; 4];

/// An encoding table of FSE.
#[derive(Clone, Copy)]
pub struct SeqTable<'a> {
    /// Next states, `1 << log` of them or more, grouped by symbol.
    pub states: &'a [u16],
    /// For each symbol.
    pub symbols: &'a [Entry; SYMBOLS],
    /// Log2 of the states; 0 for the table of a single symbol, which needs no bits.
    pub log: u32,
}

impl SeqTable<'_> {
    /// The state from which a decoder reads `symbol` last.
    #[inline(always)]
    pub fn first_state(&self, symbol: u8) -> u32 {
        let entry = self.symbols[usize::from(symbol) & (SYMBOLS - 1)];
        self.next(first_shifted(entry), entry)
    }

    /// Returns the bits that lead from a state of `symbol` to `state`, their number, and the former.
    #[inline(always)]
    pub fn step(&self, state: u32, symbol: u8) -> (u64, u32, u32) {
        let entry = self.symbols[usize::from(symbol) & (SYMBOLS - 1)];
        let bits = state.wrapping_add(entry.bits) >> 16;
        (u64::from(state) & ((1 << bits) - 1), bits, self.next(state >> bits, entry))
    }

    #[inline(always)]
    fn next(&self, shifted: u32, entry: Entry) -> u32 {
        u32::from(self.states[shifted.wrapping_add(entry.next) as usize])
    }

    /// Writes the state itself, which a decoder starts from.
    #[inline(always)]
    pub fn finish<B: Bits>(&self, out: &mut B, state: u32) {
        out.push(u64::from(state) & ((1 << self.log) - 1), self.log);
    }
}

/// The three tables of a block: of literals length, offset and match length.
///
/// In one piece, so that the loop over the sequences has one pointer to it.
#[derive(Clone, Copy)]
pub struct Tables {
    /// [`SeqTable::symbols`].
    pub symbols: [[Entry; SYMBOLS]; 3],
    /// [`SeqTable::states`].
    pub states: [[u16; SLOT_STATES]; 3],
    /// [`SeqTable::log`].
    pub logs: [u32; 3],
}

/// Returns the length of the bit stream of the sequences, written to `dst` as far as it fits there.
///
/// `extra` and `codes` are what [`super::zstd_encode::codes::codes`] makes of them, as many as one another and not none.
///
/// What a sequence adds is put together before it meets the stream, so that the stream waits for one addition a sequence and not
/// for four.
///
/// # Safety
/// Each code has a place in its table, whose log is 9 at most, and each sequence [`EXTRA_MAX`] extra bits at most.
#[inline(always)]
pub unsafe fn encode(tables: &Tables, codes: &[Codes], extra: &[u64], dst: &mut [u8]) -> usize {
    assert!(!codes.is_empty() && codes.len() == extra.len());
    // Most blocks have room for as much as so many sequences can take, and need not add up what these do.
    let roomy = (codes.len() + 1) * SEQUENCE_MAX + Unchecked::SLACK <= dst.len();
    let fits = || {
        let state_bits: u32 = tables.logs.iter().sum();
        let extra_bits: usize = codes.iter().map(|&[.., bits]| usize::from(bits)).sum();
        (extra_bits + (codes.len() + 1) * state_bits as usize) / 8 + 1 + Unchecked::SLACK <= dst.len()
    };
    // SAFETY: the caller's contract; a state takes at most its table's log, of each sequence and at the end.
    unsafe {
        if roomy || fits() {
            let mut out = Unchecked::new(dst);
            write(&mut out, tables, codes, extra);
            return out.finish_backward();
        }
        encode_near_end(tables, codes, extra, dst)
    }
}

/// # Safety
/// As for [`encode`].
#[cold]
#[inline(never)]
unsafe fn encode_near_end(tables: &Tables, codes: &[Codes], extra: &[u64], dst: &mut [u8]) -> usize {
    let mut out = BitWriter::new(dst);
    // SAFETY: the contract is the same.
    unsafe { write(&mut out, tables, codes, extra) };
    out.finish_backward()
}

/// # Safety
/// As for [`encode`].
#[inline(always)]
unsafe fn write<B: Bits>(out: &mut B, tables: &Tables, codes: &[Codes], extra: &[u64]) {
    let mut left = extra.len() - 1;
    // SAFETY: the caller's contract; indices are below the length.
    unsafe {
        let last = *codes.get_unchecked(left);
        let (mut ll, mut of) = (tables.first_state::<0>(last), tables.first_state::<1>(last));
        let mut ml = tables.first_state::<2>(last);
        push_with_extra(out, 0, 0, last[3], *extra.get_unchecked(left));
        while left > 0 {
            left -= 1;
            let codes = codes.get_unchecked(left);
            // One behind the other, so that all states stay in registers.
            let (mut bits, mut count);
            (bits, count, of) = tables.step::<1>(of, codes);
            let (more, width, next) = tables.step::<2>(ml, codes);
            bits |= more << count;
            (count, ml) = (count + width, next);
            let (more, width, next) = tables.step::<0>(ll, codes);
            // At most 8 + 9 + 9 bits.
            bits |= more << count;
            (count, ll) = (count + width, next);
            push_with_extra(out, bits, count, codes[3], *extra.get_unchecked(left));
        }
        for (kind, state) in [(2, ml), (1, of), (0, ll)] {
            let log = tables.logs[kind];
            out.push(u64::from(state) & ((1 << log) - 1), log);
        }
    }
}

impl Tables {
    /// # Safety
    /// The codes are below [`SYMBOLS`].
    #[inline(always)]
    unsafe fn entry<const KIND: usize>(&self, codes: &Codes) -> &Entry {
        debug_assert!(usize::from(codes[KIND]) < SYMBOLS);
        // SAFETY: the caller's contract.
        unsafe { self.symbols[KIND].get_unchecked(usize::from(codes[KIND])) }
    }

    /// # Safety
    /// `entry` is of a symbol that has a place in the table, `shifted` a state of it, shifted by the bits that it says.
    #[inline(always)]
    unsafe fn next<const KIND: usize>(&self, shifted: u32, entry: &Entry) -> u32 {
        let at = shifted.wrapping_add(entry.next) as usize;
        debug_assert!(at < SLOT_STATES);
        // SAFETY: the caller's contract: so it is one of the states of the symbol.
        u32::from(unsafe { *self.states[KIND].get_unchecked(at) })
    }

    /// # Safety
    /// The codes have places in their tables.
    #[inline(always)]
    unsafe fn first_state<const KIND: usize>(&self, codes: Codes) -> u32 {
        // SAFETY: the contract is the same.
        unsafe {
            let entry = self.entry::<KIND>(&codes);
            self.next::<KIND>(first_shifted(*entry), entry)
        }
    }

    /// # Safety
    /// The codes have places in their tables, and `state` is one of the table.
    #[inline(always)]
    unsafe fn step<const KIND: usize>(&self, state: u32, codes: &Codes) -> (u64, u32, u32) {
        // SAFETY: the contract is the same.
        unsafe {
            let entry = self.entry::<KIND>(codes);
            let bits = state.wrapping_add(entry.bits) >> 16;
            debug_assert!(bits <= 9);
            core::hint::assert_unchecked(bits <= 9);
            (u64::from(state & !(u32::MAX << bits)), bits, self.next::<KIND>(state >> bits, entry))
        }
    }
}

/// The state from which a decoder reads a symbol last, shifted.
#[inline(always)]
fn first_shifted(entry: Entry) -> u32 {
    let bits = entry.bits.wrapping_add(1 << 15) >> 16;
    (bits << 16).wrapping_sub(entry.bits) >> bits
}

/// Writes `count` bits, at most 26, and then the extra bits of a sequence; up to 7 bits may be held before, and are after.
#[inline(always)]
fn push_with_extra<B: Bits>(out: &mut B, bits: u64, count: u32, extra_count: u8, extra: u64) {
    let extra_count = u32::from(extra_count);
    if extra_count <= 30 {
        out.push(bits | extra << (count & 63), count + extra_count);
    } else {
        out.push(bits, count);
        out.flush();
        out.push(extra & 0x3fff_ffff, 30);
        out.flush();
        out.push(extra >> 30, extra_count - 30);
    }
    out.flush();
}
