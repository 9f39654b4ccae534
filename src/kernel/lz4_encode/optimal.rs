//! The dense encoder: the longest match of every position, and the cheapest parse with them.
//!
//! In LZ4 the price of a match depends on its length alone, so the longest match of a position stands for all others.
//! A block is taken in segments, each in three passes:
//!
//! ```text
//! forward:   best[i] = longest of: best[i - 1] without its first byte, the last place in the block with the same hash
//!                      (one per table), the distance used last; and a new one is given to the positions before it that
//!                      begin with the same bytes
//! backward:  cost[i] = min(1 + cost[i + 1], 3 + bytes of the length + cost[i + length])
//! forward:   output
//! ```
//!
//! The two directions of inheritance spread what one position found to all positions of the match. They make up for
//! nearly all that a deep search would find: one candidate of a 4-byte hash gives 0.897 of the size of liblz4's default
//! with them and 0.966 without, 8 candidates 0.884; a comparison with every earlier position gave 0.879, all with the
//! same parse. Tables hold the newest position of a hash with other bits of the hash as a tag, so no byte of the block
//! is read to reject a candidate, and nothing branches on what a table says. A position whose inherited match is
//! [`Effort::enough`] bytes long is not searched.
//!
//! Source: the parse is that of the lz4 project's `LZ4HC_compress_optimal` turned backward; tagged tables without a
//! test by bytes and the inheritance are ours. Liberties: of the lengths of a match its longest and 18, the longest
//! without a length byte, are tried, which lost nothing on real pages; the bytes of literal lengths are not counted;
//! matches end with their segment.

use super::super::arena::Arena;
use super::super::lz4_isa::Isa;
use super::super::match_len::common_prefix;
use super::super::word::{load32, load64};
use super::{Output, last_start};
use crate::base::format::lz4::{LAST_LITERALS, MATCH_MASK, MAX_DISTANCE, MIN_MATCH};

/// How hard to search.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Hash tables, 1 to 4: of the keys of 4, 8, 6 and 12 bytes, in this order.
    pub tables: usize,
    /// A position with an inherited match of more bytes is not searched.
    pub enough: usize,
}

/// Bytes of the block that are parsed together.
const SEGMENT: usize = 16384;

/// Positions whose table entries are exchanged in one go.
const BATCH: usize = 64;
/// Bytes of the longest key.
const KEY: usize = 12;

/// The most positions to which a match is given backward.
///
/// Limits the time: data can be made such that each position finds a better match for all before it.
const GROWTH: usize = 128;

/// The longest match whose length fits the token.
const SHORT: usize = MIN_MATCH + MATCH_MASK - 1;

/// One byte of match length in a packed match: the length above 16 bits of distance.
const ONE: u32 = 1 << 16;
/// The shortest packed match.
const LEAST: u32 = MIN_MATCH as u32 * ONE;

const _: () = assert!(SEGMENT < 1 << 15, "lengths and costs of a segment fit 16 bits");

/// Entries of the arrays of a segment.
const fn segment_len(max_len: usize) -> usize {
    if max_len < SEGMENT { max_len } else { SEGMENT }
}

/// Bits of a table for a block of `len` bytes, with `tables` of them.
const fn table_bits(len: usize, tables: usize) -> u32 {
    let bits = if len <= 1024 { 10 } else { (len - 1).ilog2() + 1 };
    let bits = if tables > 2 && bits <= 12 { bits - 1 } else { bits };
    if bits > 15 { 15 } else { bits }
}

/// Words of scratch for blocks of at most `max_len` bytes.
pub const fn words(max_len: usize, tables: usize) -> usize {
    let len = segment_len(max_len);
    Arena::words_for::<u32>(tables << table_bits(max_len, tables))
        + Arena::words_for::<u32>(len + 1)
        + Arena::words_for::<u16>(len + 1)
}

/// Encodes `src` as one block and returns its length, or `None` if it does not fit `dst`.
///
/// `scratch` is at least [`words`]`(src.len(), effort.tables)` long, contents unspecified. Does not allocate; linear in
/// `src.len()`.
///
/// # Panics
/// If `scratch` is too short, or `effort.tables` out of range.
///
/// # Safety
/// Invariant I.
#[inline(always)]
pub unsafe fn encode<I: Isa>(scratch: &mut [u64], effort: Effort, src: &[u8], dst: &mut [u8]) -> Option<usize> {
    // SAFETY: the caller's contract.
    unsafe {
        match effort.tables {
            1 => encode_with::<I, 1>(scratch, effort.enough, src, dst),
            2 => encode_with::<I, 2>(scratch, effort.enough, src, dst),
            3 => encode_with::<I, 3>(scratch, effort.enough, src, dst),
            4 => encode_with::<I, 4>(scratch, effort.enough, src, dst),
            _ => panic!("1 to 4 tables"),
        }
    }
}

/// [`encode`] with `T` tables.
///
/// # Safety
/// Invariant I.
#[inline(always)]
unsafe fn encode_with<I: Isa, const T: usize>(
    scratch: &mut [u64],
    enough: usize,
    src: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let mut out = Output::new(dst);
    let Some(last) = last_start(src.len()) else {
        return out.finish(src, 0);
    };
    let mut arena = Arena::new(scratch);
    let bits = table_bits(src.len(), T);
    let tables = arena.take::<u32>(T << bits);
    let room = segment_len(src.len());
    let (best, costs) = (arena.take::<u32>(room + 1), arena.take::<u16>(room + 1));
    tables.fill(0);
    let mut anchor = 0;
    let mut start = 0;
    while start <= last {
        let end = src.len().min(start + SEGMENT);
        let best = &mut best[..end - start + 1];
        let segment = Segment { src, start, end };
        // SAFETY: the caller's contract (I); `best` has an entry for each position of the segment and one more, and the
        // first pass is the one that the second asks for.
        unsafe {
            segment.search::<I, T>(tables, bits, enough, best);
            segment.choose(best, costs);
        }
        let mut i = 0;
        while i < end - start {
            if best[i] < ONE {
                // So many literals up to the next match or the end.
                i += best[i] as usize;
                continue;
            }
            let (len, distance) = ((best[i] / ONE) as usize, (best[i] % ONE) as usize);
            let position = start + i;
            out.sequence(src, anchor, position - anchor, distance, len)?;
            i += len;
            anchor = start + i;
        }
        start = end;
    }
    out.finish(src, anchor)
}

/// A part of a block, of at most [`SEGMENT`] bytes, whose matches end in it.
#[derive(Clone, Copy)]
struct Segment<'a> {
    src: &'a [u8],
    start: usize,
    end: usize,
}

impl Segment<'_> {
    /// Where matches end at the latest.
    #[inline(always)]
    fn limit(self) -> usize {
        self.end.min(self.src.len() - LAST_LITERALS)
    }

    /// Fills `best` with the packed longest matches that the tables give, anything below [`LEAST`] for none.
    ///
    /// Every distance is at least 1 and at most the position and 65535, and so are those of entries below [`LEAST`], or 0.
    ///
    /// # Safety
    /// Invariant I; `best` has an entry for each position of the segment and one more. `src` has a last start, `tables` is
    /// `T` times `1 << bits` entries, all zero or from earlier segments of the same block.
    #[inline(always)]
    unsafe fn search<I: Isa, const T: usize>(self, tables: &mut [u32], bits: u32, enough: usize, best: &mut [u32]) {
        let Segment { src, start, end } = self;
        let limit = self.limit();
        assert!(best.len() == end - start + 1 && tables.len() == T << bits && src.len() > 12);
        // No match starts behind the last start.
        let stop = end.min(src.len() - 11);
        let mut distances = [[1u16; BATCH]; T];
        let mut last = Last { best: 0, recent: 1 };
        let mut at = start;
        while at < stop {
            let count = BATCH.min(stop - at);
            let mut tail = [0u8; BATCH + KEY + 4];
            let bytes = match src[at..].first_chunk::<{ BATCH + KEY + 4 }>() {
                Some(bytes) => bytes,
                None => {
                    let rest = &src[at..];
                    tail[..rest.len()].copy_from_slice(rest);
                    &tail
                }
            };
            exchange::<T>(bytes, at, count, tables, bits, &mut distances);
            // SAFETY: the caller's contract (I); `distances` is what `exchange` gives, `last` what the batch before left.
            unsafe {
                if at > 0 && count == BATCH && limit.saturating_sub(at) >= BATCH + 32 {
                    last = self.search_batch::<I, T, true>(at, BATCH, &distances, enough, best, last);
                } else {
                    last = self.search_batch::<I, T, false>(at, count, &distances, enough, best, last);
                }
            }
            at += count;
        }
        best[stop - start..].fill(0);
    }

    /// Fills the entries of `count` positions from `at` on, and improves those before.
    ///
    /// # Safety
    /// Invariant I; `distances` are at least 1 and but for position 0 at most the position, `best` has an entry for each
    /// position of the segment, `last` is that of the position before. `FAR`: `at` is not 0, and 32 bytes lie before the
    /// limit behind each of the positions.
    #[inline(always)]
    unsafe fn search_batch<I: Isa, const T: usize, const FAR: bool>(
        self,
        at: usize,
        count: usize,
        distances: &[[u16; BATCH]; T],
        enough: usize,
        best: &mut [u32],
        last: Last,
    ) -> Last {
        let Segment { src, start, end } = self;
        let limit = self.limit();
        assert!(at >= start && at + count <= end && count <= BATCH && best.len() >= end - start);
        let Last { best: mut here, mut recent } = last;
        let searched = (enough as u32 + 1) * ONE;
        let (text, entries) = (src[at..].as_ptr(), best[at - start..].as_mut_ptr());
        for k in 0..count {
            here = here.saturating_sub(ONE);
            if here < searched && (FAR || at + k > 0) {
                // SAFETY: the caller's contract: a distance is at least 1 and at most the position, `recent` is one of an
                // earlier position, or 1. 32 bytes are compared where as many lie before the limit, else what does; `k` is
                // less than BATCH (S).
                let found = unsafe {
                    let a = text.add(k);
                    let packed = |distance: u32| {
                        debug_assert!(distance >= 1 && distance as usize <= at + k);
                        let b = a.sub(distance as usize);
                        let room = if FAR { 32 } else { limit.saturating_sub(at + k) };
                        let common = if room >= 32 { I::common32(a, b) } else { common_prefix(a, b, room) };
                        (common as u32 * ONE) | distance
                    };
                    let mut found = packed(recent);
                    for distances in distances {
                        found = found.max(packed(u32::from(*distances.get_unchecked(k))));
                    }
                    found
                };
                if found > here.max(LEAST - 1) {
                    recent = found % ONE;
                    // SAFETY: `found` is a match of the position, `best` has an entry for each one of the segment.
                    here = unsafe { self.spread(at + k, found, entries.sub(at - start)) };
                }
            }
            // SAFETY: the position is one of the segment (the assertion).
            unsafe { *entries.add(k) = here };
        }
        Last { best: here, recent }
    }

    /// Returns the whole match of which `found` has up to 32 bytes, and gives it to the positions before that begin with
    /// the same bytes, as long as it is longer than theirs, at most [`GROWTH`].
    ///
    /// Not inlined: what lives in registers here does not have to in the loop over all positions, which took four times as
    /// long with it.
    ///
    /// # Safety
    /// `found` is a packed match of position `i` of the segment, `best` points to an entry for each of its positions.
    #[inline(never)]
    unsafe fn spread(&self, i: usize, found: u32, best: *mut u32) -> u32 {
        let distance = (found % ONE) as usize;
        let mut found = found;
        if found >= 32 * ONE {
            let from = i + 32;
            // SAFETY: the 32 bytes lie before the limit, and what is compared behind them too (S).
            found += unsafe {
                let a = self.src.as_ptr().add(from);
                common_prefix(a, a.sub(distance), self.limit() - from) as u32 * ONE
            };
        }
        let whole = found;
        let mut i = i;
        for _ in 0..GROWTH / 8 {
            if i - self.start < 8 || i - distance < 8 {
                break;
            }
            // SAFETY: 8 bytes lie before `i` and its source, and 8 positions of the segment before `i` (the test above)
            // (S).
            let (differing, entries) = unsafe {
                let a = self.src.as_ptr().add(i - 8);
                (load64(a) ^ load64(a.sub(distance)), &mut *best.add(i - self.start - 8).cast::<[u32; 8]>())
            };
            let back = differing.leading_zeros() / 8;
            let farthest = entries[0];
            for (k, entry) in entries.iter_mut().enumerate() {
                let before = 8 - k as u32;
                let grown = if before <= back { found + before * ONE } else { 0 };
                *entry = grown.max(*entry);
            }
            found += 8 * ONE;
            if back < 8 || farthest >= found {
                break;
            }
            i -= 8;
        }
        whole
    }

    /// Turns the longest matches of each position into those of the cheapest parse; where that has a literal, the number of
    /// literals up to the next match or the end.
    ///
    /// # Safety
    /// `best` is what `search` made of it.
    #[inline(never)]
    unsafe fn choose(&self, best: &mut [u32], costs: &mut [u16]) {
        let Segment { src, start, end } = *self;
        let count = end - start;
        assert!(best.len() == count + 1 && costs.len() > count);
        // Where no match starts.
        let stop = end.min(src.len() - 11) - start;
        for i in stop..=count {
            costs[i] = (count - i) as u16;
            best[i] = (count - i) as u32;
        }
        // Literals from the position on.
        let mut run = (count - stop) as u32;
        let mut cost = run;
        for i in (0..stop).rev() {
            // SAFETY: i < stop <= count < best.len() and costs.len(); a match ends before the segment does, so i + len is
            // at most `count`.
            unsafe {
                let entry = best.get_unchecked_mut(i);
                let packed = *entry;
                let len = (packed / ONE) as usize;
                debug_assert!(i + len <= count);
                cost += 1;
                run += 1;
                let mut chosen = run;
                if packed >= LEAST {
                    // Among equals the match, and the longer one: fewer sequences decode faster.
                    let short = len.min(SHORT);
                    let cut = u32::from(*costs.get_unchecked(i + short)) + 3;
                    if cut <= cost {
                        (chosen, run, cost) = ((short as u32 * ONE) | (packed % ONE), 0, cut);
                    }
                    if len > SHORT {
                        let extra = (len as u32 + 255 - 4 - MATCH_MASK as u32) / 255;
                        let whole = u32::from(*costs.get_unchecked(i + len)) + 3 + extra;
                        if whole <= cost {
                            (chosen, run, cost) = (packed, 0, whole);
                        }
                    }
                }
                *entry = chosen;
                *costs.get_unchecked_mut(i) = cost as u16;
            }
        }
    }
}

/// What a position leaves to the next one.
#[derive(Clone, Copy)]
struct Last {
    /// Its packed match.
    best: u32,
    /// The distance of the last match that was found, or 1.
    recent: u32,
}

/// Enters `count` positions from `at` on into `T` tables; gives the distances to the positions that had the same hash, 1
/// where there is none.
///
/// A distance is at most 65535 and, but for position 0, at most the position. `bytes` are those at `at`.
#[inline(always)]
fn exchange<const T: usize>(
    bytes: &[u8; BATCH + KEY + 4],
    at: usize,
    count: usize,
    tables: &mut [u32],
    bits: u32,
    distances: &mut [[u16; BATCH]; T],
) {
    const MULTIPLIER: u32 = 2_654_435_761;
    const SECOND: u32 = 0x85EB_CA6B;
    let mut four = [0u32; BATCH + KEY];
    for (k, hash) in four.iter_mut().enumerate() {
        // SAFETY: k + 4 <= BATCH + KEY + 4 (S).
        *hash = unsafe { load32(bytes.as_ptr().add(k)) }.wrapping_mul(MULTIPLIER);
    }
    let mut slots = [0u32; BATCH];
    let mut entries = [0u32; BATCH];
    let mut old = [0u32; BATCH];
    for (t, distances) in distances.iter_mut().enumerate() {
        for k in 0..BATCH {
            let join = |a: u32, b: u32| (a ^ a >> 15).wrapping_add(b.wrapping_mul(SECOND));
            let hash = match t {
                0 => four[k],
                1 => join(four[k], four[k + 4]),
                2 => join(four[k], four[k + 2]),
                _ => join(join(four[k], four[k + 4]), four[k + 8]),
            };
            slots[k] = hash >> (32 - bits);
            entries[k] = (hash << bits & 0xFFFF_0000) | (at + k) as u32 & 0xFFFF;
        }
        let table = &mut tables[t << bits..][..1 << bits];
        for k in 0..count {
            // SAFETY: a slot has `bits` bits, the table 1 << bits entries.
            let entry = unsafe { table.get_unchecked_mut(slots[k] as usize) };
            old[k] = core::mem::replace(entry, entries[k]);
        }
        for k in 0..BATCH {
            let distance = entries[k].wrapping_sub(old[k]) & MAX_DISTANCE as u32;
            let same = (entries[k] ^ old[k]) < ONE && distance != 0;
            distances[k] = if same { distance as u16 } else { 1 };
        }
    }
}
