//! The LZ4 block encoders, one file per way of finding matches, and what they share: hashes, history, output.
//!
//! Every encoder follows the end rules of the format: no match starts within the last 12 bytes or reaches into the last
//! 5. Positions are indices into the block; hash tables hold positions that were entered before, and every candidate is
//! compared with the bytes themselves before it is used, so a stale or zero entry costs time and nothing else.

pub mod chain;
pub mod dense;
pub mod fast;
pub mod lanes;
pub mod optimal;

use super::arena::Plain;
use super::lz4_isa::Isa;
use super::match_len::common_prefix;
use super::word::{copy, load32, load64, store16};
use crate::base::format::lz4::{LAST_LITERALS, MATCH_MARGIN, MATCH_MASK, MIN_MATCH, RUN_MASK};

/// A dictionary and its index, read by every encoder.
///
/// Table entries are positions in `content`; the encoders check them, so that any entry is safe.
#[derive(Clone, Copy)]
pub struct History<'a> {
    /// The bytes before the block, at most 64 KiB.
    pub content: &'a [u8],
    /// Last position of each [`hash5`], a power of two of entries, at least 2 as in the other tables.
    pub short: &'a [u16],
    /// Last position of each [`hash8`], a power of two of entries.
    pub long: &'a [u16],
    /// Last position plus one of each [`hash4`], zero for none, a power of two of entries.
    pub heads: &'a [u16],
    /// Distance from each position to the one before it with the same [`hash4`], zero for none.
    pub links: &'a [u16],
}

impl History<'_> {
    /// Bytes that a table entry's position must have behind it to be looked at.
    pub const MARGIN: usize = 8;
}

/// Returns the hash of the low 4 bytes of `word`, in `bits` bits.
#[inline(always)]
pub fn hash4(word: u32, bits: u32) -> usize {
    // The multiplier is 2^32 divided by the golden ratio, as in liblz4.
    (word.wrapping_mul(2_654_435_761) >> (32 - bits)) as usize
}

/// Returns the hash of the low 5 bytes of `word`, in `bits` bits.
#[inline(always)]
pub fn hash5(word: u64, bits: u32) -> usize {
    // The multiplier is the one of liblz4's LZ4_hash5: a prime of 40 bits.
    ((word << 24).wrapping_mul(889_523_592_379) >> (64 - bits)) as usize
}

/// Returns the hash of the 8 bytes of `word`, in `bits` bits.
#[inline(always)]
pub fn hash8(word: u64, bits: u32) -> usize {
    // 2^64 divided by the golden ratio.
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize
}

/// An entry of a hash table: a position of the block.
pub trait Entry: Plain {
    /// Whether positions can be farther apart than a match reaches, so that distances must be checked.
    const FAR: bool;
    /// The entry for `position`, which fits.
    fn pack(position: usize) -> Self;
    /// The position.
    fn unpack(self) -> usize;
}

impl Entry for u16 {
    const FAR: bool = false;
    #[inline(always)]
    fn pack(position: usize) -> Self {
        position as u16
    }
    #[inline(always)]
    fn unpack(self) -> usize {
        usize::from(self)
    }
}

impl Entry for u32 {
    const FAR: bool = true;
    #[inline(always)]
    fn pack(position: usize) -> Self {
        position as u32
    }
    #[inline(always)]
    fn unpack(self) -> usize {
        self as usize
    }
}

/// Returns the last position of a block of `len` bytes at which a match may start, or `None` if it is too short.
#[inline(always)]
fn last_start(len: usize) -> Option<usize> {
    len.checked_sub(MATCH_MARGIN + 1).map(|last| last + 1)
}

/// How many of the first `max` bytes at `a` and `b` are equal, compared 32 at a time, as long as `steps` lasts: it loses one each time.
///
/// # Safety
/// Invariant I for `S`; `max` bytes are readable at both addresses.
#[inline(always)]
unsafe fn common_far<S: Isa>(a: *const u8, b: *const u8, max: usize, steps: &mut usize) -> usize {
    let mut len = 0;
    while *steps > 0 {
        *steps -= 1;
        // SAFETY: the caller's contract (I); 32 bytes are compared only where as many are left (S).
        unsafe {
            if max - len < 32 {
                return len + common_prefix(a.add(len), b.add(len), max - len);
            }
            let more = S::common32(a.add(len), b.add(len));
            len += more;
            if more < 32 {
                break;
            }
        }
    }
    len
}

/// Bytes of a length beyond the token: one for each 255 and one for the rest, none below the mask. Nothing branches.
#[inline(always)]
fn extra_bytes(len: usize, mask: usize) -> usize {
    (len + 255 - mask) / 255
}

/// How many bytes before `src[at]` and before `other[from]` are equal, at most `max`.
///
/// # Safety
/// `at <= src.len()`, `from <= other.len()`, `max <= at` and `max <= from`.
#[inline(always)]
unsafe fn common_suffix(src: &[u8], at: usize, other: &[u8], from: usize, max: usize) -> usize {
    debug_assert!(at <= src.len() && from <= other.len() && max <= at && max <= from);
    // SAFETY: 8 bytes are loaded only where 8 lie before both positions, single bytes only up to `max` before (S).
    unsafe {
        let (a, b) = (src.as_ptr().add(at), other.as_ptr().add(from));
        if at >= 8 && from >= 8 {
            let differing = load64(a.sub(8)) ^ load64(b.sub(8));
            let len = differing.leading_zeros() as usize / 8;
            // More than eight equal bytes before a match that was not found earlier are rare: stopping there is
            // cheaper.
            return len.min(max);
        }
        let mut len = 0;
        while len < max && *a.sub(len + 1) == *b.sub(len + 1) {
            len += 1;
        }
        len
    }
}

/// The block being written.
///
/// Output is written from front to back and never taken back, so a sequence that does not fit proves that the block
/// does not fit; a sequence that fits exactly is written.
pub struct Output<'d> {
    dst: &'d mut [u8],
    /// Bytes written, at most `dst.len()`.
    at: usize,
}

impl<'d> Output<'d> {
    #[inline(always)]
    fn new(dst: &'d mut [u8]) -> Self {
        Output { dst, at: 0 }
    }

    /// Appends the literals `src[anchor..anchor + literals]` and a match. `None`: no room.
    ///
    /// `1 <= distance <= 65535`, `matched >= 4`, and the literals lie in `src`.
    #[inline(always)]
    fn sequence(&mut self, src: &[u8], anchor: usize, literals: usize, distance: usize, matched: usize) -> Option<()> {
        debug_assert!(matched >= MIN_MATCH && (1..=65535).contains(&distance) && anchor + literals <= src.len());
        let code = matched - MIN_MATCH;
        let is_quick = literals <= QUICK_LITERALS && code < MATCH_MASK + 255;
        if is_quick && self.dst.len() - self.at >= QUICK_ROOM && src.len() - anchor >= QUICK_LITERALS {
            // SAFETY: QUICK_LITERALS bytes of input (S) and QUICK_ROOM of room (D) are there (the test above).
            self.at += unsafe {
                let to = self.dst.as_mut_ptr().add(self.at);
                quick_sequence(src.as_ptr().add(anchor), literals, distance, code, to)
            };
            return Some(());
        }
        self.long_sequence(src, anchor, literals, distance, code)
    }

    /// [`Output::sequence`] for long lengths and near the end of the room.
    #[cold]
    #[inline(never)]
    fn long_sequence(
        &mut self,
        src: &[u8],
        anchor: usize,
        literals: usize,
        distance: usize,
        code: usize,
    ) -> Option<()> {
        self.run(src, anchor, literals, code.min(MATCH_MASK))?;
        let rest = self.dst.get_mut(self.at..)?;
        rest.get_mut(..2)?.copy_from_slice(&(distance as u16).to_le_bytes());
        self.at += 2;
        self.length(code, MATCH_MASK)
    }

    /// Appends a token and its literals.
    fn run(&mut self, src: &[u8], anchor: usize, literals: usize, low: usize) -> Option<()> {
        *self.dst.get_mut(self.at)? = ((literals.min(RUN_MASK) << 4) | low) as u8;
        self.at += 1;
        self.length(literals, RUN_MASK)?;
        let rest = self.dst.get_mut(self.at..)?;
        rest.get_mut(..literals)?.copy_from_slice(&src[anchor..anchor + literals]);
        self.at += literals;
        Some(())
    }

    /// Appends the bytes of `length` that the token lacks.
    fn length(&mut self, length: usize, mask: usize) -> Option<()> {
        let count = extra_bytes(length, mask);
        if count > 0 {
            let (last, full) = self.dst.get_mut(self.at..)?.get_mut(..count)?.split_last_mut()?;
            full.fill(255);
            *last = ((length - mask) % 255) as u8;
            self.at += count;
        }
        Some(())
    }

    /// Appends the last literals, `src[anchor..]`, and returns the length of the block. `None`: no room.
    fn finish(mut self, src: &[u8], anchor: usize) -> Option<usize> {
        debug_assert!(anchor == 0 || src.len() - anchor >= LAST_LITERALS);
        self.run(src, anchor, src.len() - anchor, 0)?;
        Some(self.at)
    }
}

/// The most literals that are copied at once, and the room that a sequence with so many may write to.
const QUICK_LITERALS: usize = 32;
const QUICK_ROOM: usize = 2 + QUICK_LITERALS + 3;

/// Writes a sequence to `to` and returns its length: `literals` bytes at `from`, at most QUICK_LITERALS, and a match that is
/// `code` bytes longer than the shortest, less than MATCH_MASK + 255. Nothing branches.
///
/// # Safety
/// QUICK_LITERALS bytes are readable at `from`, QUICK_ROOM writable at `to`.
#[inline(always)]
unsafe fn quick_sequence(from: *const u8, literals: usize, distance: usize, code: usize, to: *mut u8) -> usize {
    debug_assert!(literals <= QUICK_LITERALS && code < MATCH_MASK + 255);
    // SAFETY: the caller's contract: written are 2 bytes and QUICK_LITERALS, then at most 2 + 32 + 2 + 1 = 37 (S, D).
    unsafe {
        let behind = to.add(1 + usize::from(literals >= RUN_MASK));
        *to.add(1) = literals.wrapping_sub(RUN_MASK) as u8;
        copy::<QUICK_LITERALS>(from, behind);
        let behind = behind.add(literals);
        store16(behind, distance as u16);
        *behind.add(2) = code.wrapping_sub(MATCH_MASK) as u8;
        *to = ((literals.min(RUN_MASK) << 4) | code.min(MATCH_MASK)) as u8;
        behind.offset_from(to).cast_unsigned() + 2 + usize::from(code >= MATCH_MASK)
    }
}

/// Returns the 8 bytes of `src` at `at`.
///
/// # Safety
/// `at + 8 <= src.len()`.
#[inline(always)]
unsafe fn word_at(src: &[u8], at: usize) -> u64 {
    debug_assert!(at + 8 <= src.len());
    // SAFETY: the caller's contract (S).
    unsafe { load64(src.as_ptr().add(at)) }
}

/// Returns the 4 bytes of `src` at `at`.
///
/// # Safety
/// `at + 4 <= src.len()`.
#[inline(always)]
unsafe fn half_at(src: &[u8], at: usize) -> u32 {
    debug_assert!(at + 4 <= src.len());
    // SAFETY: the caller's contract (S).
    unsafe { load32(src.as_ptr().add(at)) }
}
