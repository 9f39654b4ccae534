//! The encoder with two candidates per position, and at choice one look ahead before a match is taken.
//!
//! Source: the double hash of zstd's `ZSTD_compressBlock_doubleFast` (one table keyed by 8 bytes, one by 5; a long
//! match is preferred) and the lazy matching of zlib's `deflate_slow`, with LZ4's costs: any distance costs the same,
//! so only lengths are compared.

use super::super::arena::Arena;
use super::super::match_len::common_prefix;
use super::{Entry, History, Output, common_suffix, half_at, hash5, hash8, last_start, word_at};
use crate::base::format::lz4::{LAST_LITERALS, MAX_DISTANCE, MIN_MATCH};

/// Literals after which the step of the search grows by one, as a power of two.
const SKIP_BITS: u32 = 7;

/// A match of this many bytes is taken without a look ahead: the longer one that might follow saves one byte at most.
const LONG_ENOUGH: usize = 64;

/// Bits of each of the two tables for a block of `len` bytes.
const fn table_bits(len: usize) -> u32 {
    if len <= 4096 || len > MAX_DISTANCE + 1 { 12 } else { 13 }
}

/// Words of scratch for blocks of at most `max_len` bytes.
pub const fn words(max_len: usize) -> usize {
    if max_len <= 4096 {
        2 * Arena::words_for::<u16>(1 << table_bits(max_len))
    } else {
        // Eight thousand positions of 16 bits take as much as four thousand of 32.
        2 * Arena::words_for::<u16>(1 << 13)
    }
}

/// Encodes `src` as one block and returns its length, or `None` if it does not fit `dst`.
///
/// `ahead`: whether to look one position ahead before a match is taken. `scratch` is at least [`words`]`(src.len())` long,
/// contents unspecified. Does not allocate; linear in `src.len()`.
///
/// # Panics
/// If `scratch` is too short.
pub fn encode(
    scratch: &mut [u64],
    ahead: bool,
    history: Option<History<'_>>,
    src: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let bits = table_bits(src.len());
    let mut arena = Arena::new(scratch);
    if src.len() <= MAX_DISTANCE + 1 {
        let (long, short) = (arena.take::<u16>(1 << bits), arena.take::<u16>(1 << bits));
        parse(Finder { src, long, short, bits, history }, ahead, dst)
    } else {
        let (long, short) = (arena.take::<u32>(1 << bits), arena.take::<u32>(1 << bits));
        parse(Finder { src, long, short, bits, history }, ahead, dst)
    }
}

/// A match: its length, the distance back, and where its source lies for the extension backwards.
#[derive(Clone, Copy)]
struct Match {
    len: usize,
    distance: usize,
}

const NONE: Match = Match { len: 0, distance: 0 };

struct Finder<'a, E> {
    src: &'a [u8],
    long: &'a mut [E],
    short: &'a mut [E],
    bits: u32,
    history: Option<History<'a>>,
}

impl<E: Entry> Finder<'_, E> {
    /// Enters `position`, behind which at least 12 bytes lie, and returns the two positions that it replaces.
    #[inline(always)]
    fn enter(&mut self, word: u64, position: usize) -> (usize, usize) {
        let (long, short) = (&mut self.long[hash8(word, self.bits)], &mut self.short[hash5(word, self.bits)]);
        let old = (long.unpack(), short.unpack());
        *long = E::pack(position);
        *short = E::pack(position);
        old
    }

    /// The match of `position` with the earlier position `old`, if 4 bytes or more are equal and within reach.
    #[inline(always)]
    fn compare(&self, position: usize, old: usize) -> Match {
        debug_assert!(old < position && position + 12 <= self.src.len());
        let limit = self.src.len() - LAST_LITERALS;
        // SAFETY: 12 bytes follow `position`, and more follow `old`, which lies before it (S).
        unsafe {
            if half_at(self.src, old) != half_at(self.src, position) || (E::FAR && position - old > MAX_DISTANCE) {
                return NONE;
            }
            let (a, b) = (self.src.as_ptr().add(position), self.src.as_ptr().add(old));
            let len = MIN_MATCH + common_prefix(a.add(MIN_MATCH), b.add(MIN_MATCH), limit - position - MIN_MATCH);
            Match { len, distance: position - old }
        }
    }

    /// The match of `position` with the dictionary, looked up by both keys.
    #[inline]
    fn compare_dict(&self, word: u64, position: usize) -> Match {
        let Some(history) = self.history else {
            return NONE;
        };
        let limit = self.src.len() - LAST_LITERALS;
        let long = history.long[hash8(word, history.long.len().ilog2())];
        let short = history.short[hash5(word, history.short.len().ilog2())];
        let mut best = NONE;
        for entry in [usize::from(long), usize::from(short)] {
            let Some(rest) = history.content.get(entry..) else { continue };
            let distance = position + rest.len();
            let len = super::super::match_len::match_len(&self.src[position..limit], rest);
            if len >= MIN_MATCH && len > best.len && distance <= MAX_DISTANCE {
                best = Match { len, distance };
            }
        }
        best
    }

    /// Enters `position` and returns the best match of its candidates.
    #[inline(always)]
    fn find(&mut self, position: usize) -> Match {
        debug_assert!(position + 12 <= self.src.len());
        // SAFETY: 12 bytes follow `position`, by the callers' tests against the last start (S).
        let word = unsafe { word_at(self.src, position) };
        let (long, short) = self.enter(word, position);
        let mut best = NONE;
        if long < position {
            best = self.compare(position, long);
        }
        if best.len < 8 && short < position {
            let other = self.compare(position, short);
            if other.len > best.len {
                best = other;
            }
        }
        if self.history.is_some() && best.len < LONG_ENOUGH {
            let other = self.compare_dict(word, position);
            if other.len > best.len {
                best = other;
            }
        }
        best
    }

    /// Bytes by which a match at `position` can grow backwards, at most `max`.
    #[inline(always)]
    fn back(&self, position: usize, distance: usize, max: usize) -> usize {
        if max == 0 {
            return 0;
        }
        // SAFETY: the source is `distance` bytes before `position`, in the block or in the dictionary, where `find` has
        // compared it; no more than what lies before it there is asked for.
        unsafe {
            if distance <= position {
                let from = position - distance;
                return common_suffix(self.src, position, self.src, from, max.min(from));
            }
            let content = self.history.map_or(&[][..], |history| history.content);
            let from = content.len() - (distance - position);
            common_suffix(self.src, position, content, from, max.min(from))
        }
    }
}

/// The loop.
#[inline(always)]
fn parse<E: Entry>(mut finder: Finder<'_, E>, ahead: bool, dst: &mut [u8]) -> Option<usize> {
    let src = finder.src;
    let mut out = Output::new(dst);
    let Some(last) = last_start(src.len()) else {
        return out.finish(src, 0);
    };
    finder.long.fill(E::pack(0));
    finder.short.fill(E::pack(0));
    let (mut anchor, mut position) = (0, 0);
    while position <= last {
        let mut best = finder.find(position);
        if best.len == 0 {
            position += 1 + ((position - anchor) >> SKIP_BITS);
            continue;
        }
        // A match one byte later is worth its literal if it reaches farther by at least one byte more.
        while ahead && best.len < LONG_ENOUGH && position < last {
            let later = finder.find(position + 1);
            if later.len <= best.len {
                break;
            }
            best = later;
            position += 1;
        }
        let back = finder.back(position, best.distance, position - anchor);
        position -= back;
        let len = best.len + back;
        out.sequence(src, anchor, position - anchor, best.distance, len)?;
        let end = position + len;
        anchor = end;
        // Enter the second-last positions of the match, which the next one often continues.
        for inside in [end - 2, end - 1] {
            if inside <= last {
                // SAFETY: 12 bytes follow a position up to `last` (S).
                let word = unsafe { word_at(src, inside) };
                finder.enter(word, inside);
            }
        }
        position = end;
    }
    out.finish(src, anchor)
}
