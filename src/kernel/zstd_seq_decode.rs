//! Sequences of Zstandard: their decoding and execution in one pass (RFC 8878 sections 3.1.1.3.2 and 3.1.1.4).
//!
//! ```text
//! read the three start states
//! for each sequence:
//!     entries = tables[states]
//!     position -= all bits that the three entries ask for
//!     take from the word above `position`, lowest first:
//!         next states of offset, match length, literals length; extra bits of literals length, match length, offset
//!     resolve the offset against the last three
//!     copy the literals, copy the match
//! copy the literals that are left
//! ```
//!
//! Liberties: an entry packs everything about a state into 64 bits, so that one sum of three entries yields the total
//! of bits, and one load serves the sequence (two if it takes more than 56 bits). The last sequence reads no next
//! states. Where 32 bytes of room are left behind a sequence, copies run in steps of 16 and may write past its end;
//! elsewhere [`careful`] does what exactly is asked.

use super::bits::{Section, mask};
use crate::base::Error;

/// Bytes of room behind literals and output that the copies of the common case need.
pub const SLACK: usize = 32;

/// Packs a state of a decoding table: the number of bits to the next state and of extra bits, the base to which the
/// former are added, the value to which the latter are added.
///
/// The value of an offset entry is `1 << code`, which is the format's `Offset_Value` without its extra bits.
pub const fn entry(state_bits: u32, extra_bits: u32, next: u32, value: u32) -> u64 {
    state_bits as u64 | (extra_bits as u64) << 8 | (next as u64) << 16 | (value as u64) << 32
}

/// Places of a decoding table of literals lengths or match lengths.
pub const LENGTHS_TABLE: usize = 512;
/// Places of a decoding table of offsets.
pub const OFFSETS_TABLE: usize = 256;

/// A decoding table: `1 << log` packed entries ([`entry`]), in an array of the largest size, so that a state can be
/// brought into its range by a constant mask.
#[derive(Clone, Copy)]
pub struct Entries<'a, const N: usize> {
    /// The entries.
    pub entries: &'a [u64; N],
    /// Bits of a start state.
    pub log: u32,
}

impl<const N: usize> Entries<'_, N> {
    /// The entry of a state.
    #[inline(always)]
    fn of(&self, state: u64) -> u64 {
        const { assert!(N.is_power_of_two()) };
        self.entries[state as usize & (N - 1)]
    }
}

/// What [`execute`] works on.
pub struct Sequences<'a> {
    /// Number of sequences.
    pub count: usize,
    /// The bit stream.
    pub bits: &'a [u8],
    /// Decoding table of literals lengths.
    pub ll: Entries<'a, LENGTHS_TABLE>,
    /// Decoding table of offsets.
    pub of: Entries<'a, OFFSETS_TABLE>,
    /// Decoding table of match lengths.
    pub ml: Entries<'a, LENGTHS_TABLE>,
    /// The literals, and whatever else may be read behind them.
    pub literals: &'a [u8],
    /// Bytes of `literals` that are literals.
    pub literals_len: usize,
    /// Content of the dictionary, which precedes the output.
    pub history: &'a [u8],
    /// The last three offsets, latest first; updated.
    pub repeats: [u32; 3],
    /// Where in the destination the block begins.
    pub at: usize,
}

/// Writes the block into `dst`, whose first `at` bytes are the output of the frame so far, and returns where it ends.
///
/// Bytes of `dst` behind that place may be overwritten. Offsets may reach back to the start of `dst` and from there
/// into `history`. Any tables are safe, only those that the format allows are useful.
///
/// # Errors
/// `NoSpace` if `dst` is too small; `Corrupt` if an offset reaches too far back, the literals run out, or the bit
/// stream does not end at exactly its first bit.
#[inline(always)]
pub fn execute(job: &mut Sequences, dst: &mut [u8]) -> Result<usize, Error> {
    let (mut at, mut lit) = (job.at, 0);
    if job.literals_len > job.literals.len() || at > dst.len() {
        return Err(Error::Corrupt);
    }
    if job.count > 0 {
        let mut pad = [0; 8];
        let (section, position) = Section::open(job.bits, &mut pad).ok_or(Error::Corrupt)?;
        let position = position - (job.ll.log + job.of.log + job.ml.log) as isize;
        if position < 0 {
            return Err(Error::Corrupt);
        }
        let word = section.above(position as usize);
        let [first, second, third] = job.repeats;
        let mut state = State {
            ml: word & mask(job.ml.log),
            of: word.wrapping_shr(job.ml.log) & mask(job.of.log),
            ll: word.wrapping_shr(job.ml.log + job.of.log) & mask(job.ll.log),
            position,
            first,
            second,
            third,
            at,
            lit,
        };
        for _ in 1..job.count {
            step::<false>(&mut state, job, &section, dst)?;
        }
        step::<true>(&mut state, job, &section, dst)?;
        if state.position != 0 {
            return Err(Error::Corrupt);
        }
        job.repeats = [state.first, state.second, state.third];
        (at, lit) = (state.at, state.lit);
    }
    let last = &job.literals[lit..job.literals_len];
    let end = at + last.len();
    dst.get_mut(at..end).ok_or(Error::NoSpace)?.copy_from_slice(last);
    Ok(end)
}

/// What changes from sequence to sequence.
struct State {
    ll: u64,
    of: u64,
    ml: u64,
    position: isize,
    first: u32,
    second: u32,
    third: u32,
    at: usize,
    lit: usize,
}

/// Decodes and executes one sequence; the last one leaves the states alone.
#[inline(always)]
fn step<const LAST: bool>(state: &mut State, job: &Sequences, section: &Section, dst: &mut [u8]) -> Result<(), Error> {
    let (ll_entry, of_entry, ml_entry) = (job.ll.of(state.ll), job.of.of(state.of), job.ml.of(state.ml));
    let sum = ll_entry.wrapping_add(of_entry).wrapping_add(ml_entry);
    // A state takes at most 9 bits, three take at most 26.
    let states = if LAST { 0 } else { 0x1f };
    let state_bits = (sum & states) as u32;
    let all_bits = state_bits + (sum >> 8 & 0xff) as u32;
    // The load does not wait for `sum`: it takes the bits below the old position.
    // SAFETY: `execute` starts `position` below that of the end mark, and it only falls; it is not negative here.
    let (word, word_at) = unsafe { section.around(state.position as usize) };
    state.position -= all_bits as isize;
    if state.position < 0 {
        return Err(Error::Corrupt);
    }
    let position = state.position as usize;
    let ll_extra = (ll_entry >> 8 & 0x1f) as u32;
    let ml_extra = (ml_entry >> 8 & 0x1f) as u32;
    let of_extra = (of_entry >> 8 & 0x1f) as u32;
    let (word, lengths, value) = if all_bits <= 56 {
        let word = word.wrapping_shr(position.wrapping_sub(word_at) as u32);
        let lengths = word.wrapping_shr(state_bits);
        (word, lengths, lengths.wrapping_shr(ll_extra + ml_extra))
    } else {
        let lengths_at = position + state_bits as usize;
        let value_at = lengths_at + (ll_extra + ml_extra) as usize;
        (section.above(position), section.above(lengths_at), section.above(value_at))
    };
    if !LAST {
        let of_bits = (of_entry & states) as u32;
        let ml_bits = (ml_entry & states) as u32;
        let ll_bits = (ll_entry & states) as u32;
        state.of = (of_entry >> 16 & 0xffff) + (word & mask(of_bits));
        state.ml = (ml_entry >> 16 & 0xffff) + (word.wrapping_shr(of_bits) & mask(ml_bits));
        state.ll = (ll_entry >> 16 & 0xffff) + (word.wrapping_shr(of_bits + ml_bits) & mask(ll_bits));
    }
    let ll = (ll_entry >> 32) + (lengths & mask(ll_extra));
    let ml = (ml_entry >> 32) + (lengths.wrapping_shr(ll_extra) & mask(ml_extra));
    let value = ((of_entry >> 32) + (value & mask(of_extra))) as u32;

    let offset;
    if value > 3 {
        offset = value - 3;
        (state.third, state.second, state.first) = (state.second, state.first, offset);
    } else {
        match value.wrapping_sub(u32::from(ll > 0)) {
            0 => offset = state.first,
            1 => {
                offset = state.second;
                (state.second, state.first) = (state.first, offset);
            }
            2 => {
                offset = state.third;
                (state.third, state.second, state.first) = (state.second, state.first, offset);
            }
            _ => {
                offset = state.first.wrapping_sub(1);
                (state.third, state.second, state.first) = (state.second, state.first, offset);
            }
        }
        if offset == 0 {
            return Err(Error::Corrupt);
        }
    }
    let offset = offset as usize;

    // Signed, as below `SLACK` bytes nothing is fast; 64 bits wide, so that no sum of lengths overflows.
    let fast_end = dst.len() as i64 - SLACK as i64;
    let fast_literals = (job.literals.len() as i64 - SLACK as i64).min(job.literals_len as i64);
    let (at, lit) = (state.at, state.lit);
    let fast = (ll + ml) as i64 <= fast_end - at as i64 && ll as i64 <= fast_literals - lit as i64;
    let (ll, ml) = (ll as usize, ml as usize);
    if fast {
        // SAFETY: `lit + ll + 32 <= literals.len()` and `at + ll + ml + 32 <= dst.len()`, by the comparisons.
        unsafe { copy_literals(job.literals.as_ptr().add(lit), dst.as_mut_ptr().add(at), ll) };
        let at = at + ll;
        if offset <= at {
            // SAFETY: `at + ml + 32 <= dst.len()` as above, and the match begins inside `dst`.
            unsafe { copy_match(dst.as_mut_ptr().add(at), offset, ml) };
        } else {
            match_from_history(dst, at, offset, ml, job.history)?;
        }
    } else {
        careful(dst, at, &job.literals[lit..job.literals_len], ll, ml, offset, job.history)?;
    }
    state.at = at + ll + ml;
    state.lit = lit + ll;
    Ok(())
}

/// Copies 16 bytes; the places may overlap if `to` is at least 16 bytes after `from`.
///
/// # Safety
/// 16 bytes are readable at `from` and writable at `to`.
#[inline(always)]
unsafe fn copy16(from: *const u8, to: *mut u8) {
    // SAFETY: by the contract of this function; the value is loaded before it is stored.
    unsafe { to.cast::<[u64; 2]>().write_unaligned(from.cast::<[u64; 2]>().read_unaligned()) }
}

/// Copies `len` literals, in steps of 16.
///
/// # Safety
/// `len + SLACK` bytes are readable at `from` and writable at `to`.
#[inline(always)]
unsafe fn copy_literals(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: every step begins before `len` or at 0, so it ends within `len + 16` bytes (S, D).
    unsafe {
        copy16(from, to);
        let mut i = 16;
        while i < len {
            copy16(from.add(i), to.add(i));
            i += 16;
        }
    }
}

/// Eight bytes of a pattern of n bytes, for n below 8, are the pattern times this.
const REPEAT: [u64; 8] = [
    0,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0001_0000_0100_0001,
    0x0000_0001_0000_0001,
    0x0000_0100_0000_0001,
    0x0001_0000_0000_0001,
    0x0100_0000_0000_0001,
];
/// The largest multiple of n up to 8: by how much a store of that pattern may advance.
const ADVANCE: [u8; 8] = [8, 8, 8, 6, 8, 5, 6, 7];

/// Copies `len` bytes from `offset` bytes before `to` to `to`.
///
/// # Safety
/// The `offset` bytes before `to` and the `len + SLACK` bytes from there on belong to one allocation, and are the
/// caller's to write.
#[inline(always)]
unsafe fn copy_match(to: *mut u8, offset: usize, len: usize) {
    debug_assert!(offset > 0);
    // SAFETY: reads and writes begin before `len` bytes of the match, or at its start, and are of at most 32 bytes,
    // which is `SLACK` (S, D).
    unsafe {
        let from = to.sub(offset).cast_const();
        if offset >= 16 {
            copy16(from, to);
            let mut i = 16;
            while i < len {
                copy16(from.add(i), to.add(i));
                copy16(from.add(i + 16), to.add(i + 16));
                i += 32;
            }
        } else if offset >= 8 {
            let mut i = 0;
            while i < len {
                let word = from.add(i).cast::<u64>().read_unaligned();
                to.add(i).cast::<u64>().write_unaligned(word);
                i += 8;
            }
        } else {
            // The loads of a plain copy would wait for its own stores: build the repeated pattern in a register.
            let pattern = u64::from_le(from.cast::<u64>().read_unaligned()) & mask(8 * offset as u32);
            let word = pattern.wrapping_mul(REPEAT[offset & 7]).to_le();
            let advance = usize::from(ADVANCE[offset & 7]);
            let mut i = 0;
            while i < len {
                to.add(i).cast::<u64>().write_unaligned(word);
                i += advance;
            }
        }
    }
}

/// One sequence with every bound checked, for the last bytes of literals and output.
#[cold]
#[inline(never)]
fn careful(
    dst: &mut [u8],
    at: usize,
    literals: &[u8],
    ll: usize,
    ml: usize,
    offset: usize,
    history: &[u8],
) -> Result<(), Error> {
    let literals = literals.get(..ll).ok_or(Error::Corrupt)?;
    if ll + ml > dst.len() - at {
        return Err(Error::NoSpace);
    }
    dst[at..at + ll].copy_from_slice(literals);
    match_from_history(dst, at + ll, offset, ml, history)
}

/// Copies a match that may begin in `history`, with every bound checked; the caller has checked that `dst` holds it.
#[inline(never)]
fn match_from_history(dst: &mut [u8], at: usize, offset: usize, ml: usize, history: &[u8]) -> Result<(), Error> {
    let (mut at, mut left) = (at, ml);
    let mut from = at.wrapping_sub(offset);
    if offset > at {
        let back = offset - at;
        let start = history.len().checked_sub(back).ok_or(Error::Corrupt)?;
        let part = back.min(left);
        dst[at..at + part].copy_from_slice(&history[start..start + part]);
        (at, left, from) = (at + part, left - part, 0);
    }
    // The bytes from `from` to `at` repeat: every round may copy all that is there by now.
    while left > 0 {
        let part = (at - from).min(left);
        dst.copy_within(from..from + part, at);
        (at, left) = (at + part, left - part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_tables_and_bits_keep_to_the_destination() {
        let mut seed = 1u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed ^ seed >> 29
        };
        let mut written = 0;
        for round in 0..3000 {
            // Half of the rounds have small values, so that some sequences can be executed.
            let mut fill = |table: &mut [u64]| {
                table.fill_with(|| if round % 2 == 0 { random() } else { random() & 0x0000_001f_ffff_0303 });
            };
            let (mut ll, mut of, mut ml) = ([0; LENGTHS_TABLE], [0; OFFSETS_TABLE], [0; LENGTHS_TABLE]);
            fill(&mut ll);
            fill(&mut of);
            fill(&mut ml);
            let bits: Vec<u8> = (0..1 + random() % 60).map(|_| random() as u8 | 1).collect();
            let literals = vec![7; (random() % 300) as usize];
            let mut dst = vec![0; (random() % 600) as usize];
            let mut job = Sequences {
                count: (random() % 40) as usize,
                bits: &bits,
                ll: Entries { entries: &ll, log: 9 },
                of: Entries { entries: &of, log: 8 },
                ml: Entries { entries: &ml, log: 9 },
                literals: &literals,
                literals_len: literals.len() / 2,
                history: &[1, 2, 3],
                repeats: [1, 4, 8],
                at: dst.len() / 3,
            };
            // Debug builds check every copy; the destination's bytes in front of the block stay as they are.
            let at = job.at;
            let _ = execute(&mut job, &mut dst);
            assert!(dst[..at].iter().all(|&byte| byte == 0));
            written += usize::from(dst[at..].iter().any(|&byte| byte != 0));
        }
        assert!(written > 300, "{written} rounds wrote anything");
    }
}
