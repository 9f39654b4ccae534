//! The fast encoder: greedy, one candidate per position.
//!
//! Source: `LZ4_compress_generic_validated` of the lz4 project (1.10): one hash table of last positions, steps that
//! grow while nothing is found, a test for another match right behind each match. Ours differs in the key of 5 bytes
//! instead of 4 (fewer useless candidates in pages full of small integers), in the smaller table, and in extending a
//! match backwards with one comparison of 8 bytes instead of a loop.

use super::super::arena::Arena;
use super::super::match_len::common_prefix;
use super::{Entry, History, Output, common_suffix, half_at, hash5, last_start, word_at};
use crate::base::format::lz4::{LAST_LITERALS, MAX_DISTANCE, MIN_MATCH};

/// Misses after which the step grows by one, as a power of two.
///
/// A larger value steps more carefully through bytes that do not compress: on 23,053 real pages, 6 gave 0.986 of the
/// size of liblz4's default and 5 gives 0.987 in less time.
const SKIP_BITS: u32 = 5;

/// Bits of the hash table for a block of `len` bytes.
const fn table_bits(len: usize) -> u32 {
    if len <= 1024 {
        10
    } else if len <= 4096 {
        12
    } else {
        13
    }
}

/// Words of scratch for blocks of at most `max_len` bytes.
pub const fn words(max_len: usize) -> usize {
    let entries = 1usize << table_bits(max_len);
    if max_len <= MAX_DISTANCE + 1 { Arena::words_for::<u16>(entries) } else { Arena::words_for::<u32>(entries) }
}

/// Encodes `src` as one block and returns its length, or `None` if it does not fit `dst`.
///
/// `acceleration` is the first step of the search, 1 or more: larger is faster and less dense. `scratch` is at least
/// [`words`]`(src.len())` long, contents unspecified. Does not allocate; linear in `src.len()`.
///
/// # Panics
/// If `scratch` is too short.
pub fn encode(
    scratch: &mut [u64],
    acceleration: u32,
    history: Option<History<'_>>,
    src: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let bits = table_bits(src.len());
    let mut arena = Arena::new(scratch);
    if src.len() <= MAX_DISTANCE + 1 {
        let table = arena.take::<u16>(1 << bits);
        match history {
            None => greedy::<u16, false>(table, bits, acceleration, NO_HISTORY, src, dst),
            Some(history) => greedy::<u16, true>(table, bits, acceleration, history, src, dst),
        }
    } else {
        let table = arena.take::<u32>(1 << bits);
        match history {
            None => greedy::<u32, false>(table, bits, acceleration, NO_HISTORY, src, dst),
            Some(history) => greedy::<u32, true>(table, bits, acceleration, history, src, dst),
        }
    }
}

const NO_HISTORY: History<'_> = History { content: &[], short: &[0], long: &[0], heads: &[0], links: &[] };

/// Where a match was found.
#[derive(Clone, Copy)]
enum Source {
    /// At this position of the block.
    Block(usize),
    /// At this position of the dictionary.
    Dict(usize),
}

/// The loop. `table` has `1 << bits` entries.
#[inline(always)]
fn greedy<E: Entry, const DICT: bool>(
    table: &mut [E],
    bits: u32,
    acceleration: u32,
    history: History<'_>,
    src: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let mut out = Output::new(dst);
    let mut anchor = 0;
    let Some(last) = last_start(src.len()) else {
        return out.finish(src, 0);
    };
    let limit = src.len() - LAST_LITERALS;
    table.fill(E::pack(0));
    let dict_bits = history.short.len().ilog2();

    // Enters `position` and returns the one that it replaces, a position entered before or zero.
    let mut exchange = |hash: usize, position: usize| -> usize {
        debug_assert!(hash < table.len());
        // SAFETY: a hash has `bits` bits and the table has 1 << bits entries.
        let slot = unsafe { table.get_unchecked_mut(hash) };
        let old = slot.unpack();
        *slot = E::pack(position);
        old
    };
    // Whether 4 bytes at `position` <= last are those at `old` < position, within reach.
    let matches = |position: usize, old: usize| -> bool {
        debug_assert!(old < position && position <= last);
        // SAFETY: at least 12 bytes follow a position up to `last`, and more follow `old` before it (S).
        unsafe { half_at(src, old) == half_at(src, position) && (!E::FAR || position - old <= MAX_DISTANCE) }
    };
    // The candidate of the dictionary for `position`, if 6 bytes are the same and it is within reach. Shorter matches
    // so far away gain little and displace longer ones of the block: with 4 bytes, some real pages grew by 5 % with a
    // dictionary.
    let in_dict = |word: u64, position: usize| -> Option<usize> {
        let entry = usize::from(history.short[hash5(word, dict_bits)]);
        let bytes = history.content.get(entry..)?.first_chunk::<8>()?;
        let near = position + history.content.len() - entry <= MAX_DISTANCE;
        (near && (u64::from_le_bytes(*bytes) ^ word) << 16 == 0).then_some(entry)
    };

    let word_of = |position: usize| -> u64 {
        debug_assert!(position <= last);
        // SAFETY: positions looked at are at most `last` (each is tested against it first), and 12 bytes follow it (S).
        unsafe { word_at(src, position) }
    };

    let mut next = usize::from(!DICT);
    let mut word = word_of(0);
    if !DICT {
        exchange(hash5(word, bits), 0);
        if next > last {
            return out.finish(src, 0);
        }
        word = word_of(next);
    }
    'block: loop {
        // Search: the word and hash of the next position are computed before the candidate of this one is compared.
        let mut steps = acceleration << SKIP_BITS;
        let mut position;
        let found;
        let mut hash = hash5(word, bits);
        loop {
            position = next;
            let (here, slot) = (word, hash);
            next += (steps >> SKIP_BITS) as usize;
            steps += 1;
            if next > last {
                break 'block;
            }
            word = word_of(next);
            hash = hash5(word, bits);
            let old = exchange(slot, position);
            if (!DICT || old < position) && matches(position, old) {
                found = Source::Block(old);
                break;
            }
            if DICT && let Some(entry) = in_dict(here, position) {
                found = Source::Dict(entry);
                break;
            }
        }
        let mut found = found;
        // Extend backwards over the literals.
        let pending = position - anchor;
        if pending > 0 {
            // SAFETY: the bounds are positions of their slices, and no more than `anchor..position` and what lies
            // before the candidate is asked for.
            let back = unsafe {
                match found {
                    Source::Block(old) => common_suffix(src, position, src, old, pending.min(old)),
                    Source::Dict(entry) => common_suffix(src, position, history.content, entry, pending.min(entry)),
                }
            };
            position -= back;
            found = match found {
                Source::Block(old) => Source::Block(old - back),
                Source::Dict(entry) => Source::Dict(entry - back),
            };
        }
        loop {
            let (distance, len);
            // SAFETY: position + 4 <= limit and old < position; in the dictionary no more than its rest is compared
            // (S).
            unsafe {
                let from = position + MIN_MATCH;
                match found {
                    Source::Block(old) => {
                        distance = position - old;
                        let (a, b) = (src.as_ptr().add(from), src.as_ptr().add(old + MIN_MATCH));
                        len = MIN_MATCH + common_prefix(a, b, limit - from);
                    }
                    Source::Dict(entry) => {
                        distance = position + history.content.len() - entry;
                        let rest = history.content.len() - entry - MIN_MATCH;
                        let (a, b) = (src.as_ptr().add(from), history.content.as_ptr().add(entry + MIN_MATCH));
                        len = MIN_MATCH + common_prefix(a, b, rest.min(limit - from));
                    }
                }
            }
            out.sequence(src, anchor, position - anchor, distance, len)?;
            position += len;
            anchor = position;
            if position > last {
                break 'block;
            }
            // Enter one position inside the match, then see whether another match follows at once.
            exchange(hash5(word_of(position - 2), bits), position - 2);
            word = word_of(position);
            let old = exchange(hash5(word, bits), position);
            if matches(position, old) {
                found = Source::Block(old);
            } else if DICT && let Some(entry) = in_dict(word, position) {
                found = Source::Dict(entry);
            } else {
                break;
            }
        }
        next = position + 1;
        if next > last {
            break;
        }
        word = word_of(next);
    }
    out.finish(src, anchor)
}
