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

/// What [`execute`] works on.
pub struct Sequences<'a> {
    /// Number of sequences.
    pub count: usize,
    /// The bit stream.
    pub bits: &'a [u8],
    /// Decoding table of literals lengths: 2^n packed entries ([`entry`]).
    pub ll: &'a [u64],
    /// Decoding table of offsets.
    pub of: &'a [u64],
    /// Decoding table of match lengths.
    pub ml: &'a [u64],
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
    let mut at = job.at;
    let mut literals = job.literals;
    let mut literals_len = job.literals_len;
    if literals_len > literals.len() || at > dst.len() {
        return Err(Error::Corrupt);
    }
    if job.count > 0 {
        let mut pad = [0; 8];
        let (section, mut position) = Section::open(job.bits, &mut pad).ok_or(Error::Corrupt)?;
        let (ll_table, of_table, ml_table) = (job.ll, job.of, job.ml);
        let log = |table: &[u64]| table.len().checked_ilog2().ok_or(Error::Corrupt);
        let (ll_log, of_log, ml_log) = (log(ll_table)?, log(of_table)?, log(ml_table)?);
        position -= (ll_log + of_log + ml_log) as isize;
        if position < 0 {
            return Err(Error::Corrupt);
        }
        let word = section.above(position as usize);
        let mut ml_state = word & mask(ml_log);
        let mut of_state = (word >> ml_log) & mask(of_log);
        let mut ll_state = word.wrapping_shr(ml_log + of_log) & mask(ll_log);
        let [mut first, mut second, mut third] = job.repeats;

        // Signed, as below `SLACK` bytes nothing is fast; 64 bits wide, so that no sum of lengths overflows.
        let fast_end = dst.len() as i64 - SLACK as i64;
        let fast_literals = |readable: usize, len: usize| (readable as i64 - SLACK as i64).min(len as i64);

        for left in (0..job.count).rev() {
            let (Some(&ll_entry), Some(&of_entry), Some(&ml_entry)) =
                (ll_table.get(ll_state as usize), of_table.get(of_state as usize), ml_table.get(ml_state as usize))
            else {
                return Err(Error::Corrupt);
            };
            let sum = ll_entry.wrapping_add(of_entry).wrapping_add(ml_entry);
            let states = if left == 0 { 0 } else { 0xff };
            let state_bits = (sum & states) as u32;
            let all_bits = state_bits + (sum >> 8 & 0xff) as u32;
            position -= all_bits as isize;
            if position < 0 {
                return Err(Error::Corrupt);
            }
            let word = section.above(position as usize);
            let of_bits = (of_entry & states) as u32;
            let ml_bits = (ml_entry & states) as u32;
            let ll_bits = (ll_entry & states) as u32;
            of_state = (of_entry >> 16 & 0xffff) + (word & mask(of_bits));
            ml_state = (ml_entry >> 16 & 0xffff) + (word.wrapping_shr(of_bits) & mask(ml_bits));
            ll_state = (ll_entry >> 16 & 0xffff) + (word.wrapping_shr(of_bits + ml_bits) & mask(ll_bits));
            let ll_extra = (ll_entry >> 8 & 0x1f) as u32;
            let ml_extra = (ml_entry >> 8 & 0x1f) as u32;
            let of_extra = (of_entry >> 8 & 0x1f) as u32;
            let (lengths, value) = if all_bits <= 56 {
                let lengths = word.wrapping_shr(state_bits);
                (lengths, lengths.wrapping_shr(ll_extra + ml_extra))
            } else {
                let lengths_at = position as usize + state_bits as usize;
                (section.above(lengths_at), section.above(lengths_at + (ll_extra + ml_extra) as usize))
            };
            let ll = (ll_entry >> 32) + (lengths & mask(ll_extra));
            let ml = (ml_entry >> 32) + (lengths.wrapping_shr(ll_extra) & mask(ml_extra));
            let value = ((of_entry >> 32) + (value & mask(of_extra))) as u32;
            let fast =
                (ll + ml) as i64 <= fast_end - at as i64 && ll as i64 <= fast_literals(literals.len(), literals_len);
            let (ll, ml) = (ll as usize, ml as usize);

            let offset;
            if value > 3 {
                offset = value - 3;
                (third, second, first) = (second, first, offset);
            } else {
                match value.wrapping_sub(u32::from(ll > 0)) {
                    0 => offset = first,
                    1 => {
                        offset = second;
                        (second, first) = (first, offset);
                    }
                    2 => {
                        offset = third;
                        (third, second, first) = (second, first, offset);
                    }
                    _ => {
                        offset = first.wrapping_sub(1);
                        (third, second, first) = (second, first, offset);
                    }
                }
                if offset == 0 {
                    return Err(Error::Corrupt);
                }
            }
            let offset = offset as usize;

            if fast {
                // SAFETY: 32 bytes are readable behind the `ll` literals and writable behind the `ll + ml` bytes of
                // output, by the two comparisons.
                unsafe { copy_literals(literals, dst, at, ll) };
                at += ll;
                if offset <= at {
                    // SAFETY: `at + ml + 32 <= dst.len()`, and the match begins inside `dst`.
                    unsafe { copy_match(dst, at, offset, ml) };
                } else {
                    match_from_history(dst, at, offset, ml, job.history)?;
                }
            } else {
                careful(dst, at, &literals[..literals_len], ll, ml, offset, job.history)?;
                at += ll;
            }
            at += ml;
            literals = &literals[ll..];
            literals_len -= ll;
        }
        if position != 0 {
            return Err(Error::Corrupt);
        }
        job.repeats = [first, second, third];
    }
    let room = dst.get_mut(at..at + literals_len).ok_or(Error::NoSpace)?;
    room.copy_from_slice(&literals[..literals_len]);
    Ok(at + literals_len)
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
/// `literals.len() >= len + SLACK` and `dst.len() >= at + len + SLACK`.
#[inline(always)]
unsafe fn copy_literals(literals: &[u8], dst: &mut [u8], at: usize, len: usize) {
    debug_assert!(literals.len() >= len + SLACK && dst.len() >= at + len + SLACK);
    let (from, to) = (literals.as_ptr(), dst[at..].as_mut_ptr());
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

/// Copies `len` bytes from `offset` bytes before `at` to `at`.
///
/// # Safety
/// `offset <= at` and `dst.len() >= at + len + SLACK`.
#[inline(always)]
unsafe fn copy_match(dst: &mut [u8], at: usize, offset: usize, len: usize) {
    debug_assert!(offset <= at && dst.len() >= at + len + SLACK);
    // SAFETY: `offset <= at <= dst.len()`. Below, reads and writes begin before `len` bytes of the match, or at its
    // start, and are of at most 32 bytes, which is `SLACK` (S, D).
    unsafe {
        let to = dst.as_mut_ptr().add(at);
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
