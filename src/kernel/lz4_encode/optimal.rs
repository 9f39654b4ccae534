//! The dense encoder: several candidates for every position, and the cheapest parse with the farthest of them.
//!
//! In LZ4 the price of a match depends on its length alone, and a match of one position is one of the next as well, a byte
//! shorter. So all that matters of a position is how far a match of it reaches, and reaches change only where a match starts:
//! at some three hundred positions of a page. A block is taken in segments, each in four passes:
//!
//! ```text
//! search   for each position: the last places with the same four bytes, out of a row of the table; those that do not just
//!          go on from the position before are compared, forward and backward: reach[first byte] = end, distance
//! starts   the positions whose reach is farther than that of all before, in order
//! choose   from where a match may end: with the match that covers it, or after literals with one of the next two starts;
//!          cost[end] = least of cost + 3 + literals + bytes of the lengths
//! output
//! ```
//!
//! Tables hold other bits of the hash as a tag beside the position, so no byte of the block is read to reject a candidate.
//!
//! Source: the parse is that of the lz4 project's `LZ4HC_compress_optimal`, over starts instead of positions; rows of entries
//! are those of zstd's row match finder; candidates left out where they go on, and reaches, are ours. Liberties: of the
//! lengths of a match its longest is tried, and up to [`CUT`] bytes also 18, the longest without a length byte; matches end
//! with their segment. On the pages of tests/corpus this parse is 0.03 % larger than one over all positions.

use core::hint::select_unpredictable;

use super::super::arena::Arena;
use super::super::lz4_isa::{BLOCK, Isa, KEY_ROOM};
use super::super::match_len::common_prefix;
use super::super::word::load64;
use super::{Output, common_far, extra_bytes, last_start};
use crate::base::format::lz4::{LAST_LITERALS, MATCH_MARGIN, MATCH_MASK, MIN_MATCH, RUN_MASK};

/// Bytes of the block that are parsed together.
const SEGMENT: usize = 16384;
const _: () = assert!(SEGMENT + SEGMENT / 128 < 1 << 15, "positions, ends and costs of a segment fit 16 bits");

/// The longest match whose length fits the token.
const SHORT: usize = MIN_MATCH + MATCH_MASK - 1;
/// Matches shorter than this are also tried cut to [`SHORT`].
const CUT: usize = 40;
/// The most bytes before a position at which a match of it may start.
const BACK: usize = 64;
/// An entry of an empty table: position 0 with a tag that hardly a position has. Zeros, which many have, hash to 0.
const EMPTY: u32 = 0x8000_0000;
/// The most candidates of a position.
const MOST_WAYS: usize = 8;
/// Bytes that are compared at once.
const STEP: usize = 32;

/// Entries of the arrays of a segment.
const fn segment_len(max_len: usize) -> usize {
    if max_len < SEGMENT { max_len } else { SEGMENT }
}

/// Bits of the number of rows of a table, for blocks of `len` bytes.
const fn row_bits(len: usize, ways: usize) -> u32 {
    let bits = if len <= 4096 { 12 } else { 14 };
    bits - ways.ilog2()
}

/// Words of scratch for blocks of at most `max_len` bytes with `ways` candidates a position.
pub const fn words(max_len: usize, ways: usize) -> usize {
    let len = segment_len(max_len);
    let bits = len / 64 + 1;
    Arena::ALIGN_WORDS
        + Arena::words_for::<u32>(ways << row_bits(max_len, ways))
        + Arena::words_for::<u32>(len + 1)
        + 2 * (len + 4)
        + Arena::words_for::<u16>(bits)
        + 2 * bits
}

/// Encodes `src` as one block and returns its length, or `None` if it does not fit `dst`.
///
/// `ways`: candidates of a position, 2, 4 or 8. `scratch` is at least [`words`]`(src.len(), ways)` long, contents unspecified.
/// Does not allocate; linear in `src.len()`.
///
/// # Panics
/// If `scratch` is too short, or `ways` is another number.
///
/// # Safety
/// Invariant I for `S`.
#[inline(always)]
pub unsafe fn encode<S: Isa>(scratch: &mut [u64], ways: usize, src: &[u8], dst: &mut [u8]) -> Option<usize> {
    // SAFETY: the caller's contract.
    unsafe {
        match ways {
            2 => encode_with::<S, 2>(scratch, src, dst),
            4 => encode_with::<S, 4>(scratch, src, dst),
            8 => encode_with::<S, 8>(scratch, src, dst),
            _ => panic!("2, 4 or 8 ways"),
        }
    }
}

/// [`encode`] with `W` ways.
///
/// # Safety
/// Invariant I.
#[inline(always)]
unsafe fn encode_with<S: Isa, const W: usize>(scratch: &mut [u64], src: &[u8], dst: &mut [u8]) -> Option<usize> {
    let mut out = Output::new(dst);
    let Some(last) = last_start(src.len()) else {
        return out.finish(src, 0);
    };
    let mut arena = Arena::new(scratch);
    arena.align();
    let room = segment_len(src.len());
    let bits = row_bits(src.len(), W);
    let table = arena.take::<u32>(W << bits);
    let mut graph = Graph {
        reach: arena.take(room + 1),
        starts: arena.take(room + 4),
        ways: arena.take(room + 4),
        ranks: arena.take(room / 64 + 1),
        touched: arena.take(room / 64 + 1),
        nodes: arena.take(room / 64 + 1),
    };
    table.fill(EMPTY);
    let (mut anchor, mut start) = (0, 0);
    while start <= last {
        let segment = Segment { src, start, end: src.len().min(start + SEGMENT) };
        // SAFETY: the caller's contract (I); the table is of this block, and the passes follow each other.
        unsafe { segment.search::<S, W>(table, bits, &mut graph) };
        let end = segment.choose(&mut graph);
        let mut at = 0;
        while at < end {
            let (first, next, distance) = graph.next(at);
            out.sequence(src, anchor, start + first - anchor, distance, next - first)?;
            anchor = start + next;
            at = next;
        }
        start = segment.end;
    }
    out.finish(src, anchor)
}

/// What is known of a segment; positions are relative to it.
struct Graph<'a> {
    /// By position: the end of the farthest match that was found to start there, above 16 bits of its distance.
    reach: &'a mut [u32],
    /// The starts, see [`start`]; the first is none.
    starts: &'a mut [u64],
    /// By position: the best way to end a match there, see [`way`]. Of the chosen ones at last, in the upper half: the next one.
    ways: &'a mut [u64],
    /// By 64 positions: how many starts come before them.
    ranks: &'a mut [u16],
    /// A bit for each position with a reach, then for each start.
    touched: &'a mut [u64],
    /// A bit for each position that has a way.
    nodes: &'a mut [u64],
}

/// A start: its position, where its match ends, the distance, and what the match costs without literals, 16 bits each.
#[inline(always)]
fn start(at: usize, end: usize, distance: usize) -> u64 {
    at as u64 | (end as u64) << 16 | (distance as u64) << 32 | (price(end - at) as u64) << 48
}

/// The bytes of a match: token, distance and length.
#[inline(always)]
fn price(len: usize) -> usize {
    3 + extra_bytes(len, MATCH_MASK + MIN_MATCH)
}

/// A way: the position before it, where a match ended, the start whose match it takes, and the cost of all so far; less is better.
#[inline(always)]
fn way(before: usize, index: usize, cost: usize) -> u64 {
    before as u64 | (index as u64) << 16 | (cost as u64) << 32
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

    /// Where no match starts any more.
    #[inline(always)]
    fn stop(self) -> usize {
        self.end.min(self.src.len() - MATCH_MARGIN + 1)
    }

    /// Finds the reaches.
    ///
    /// # Safety
    /// Invariant I; `src` has a last start; the table is all EMPTY or from earlier segments of the same block.
    #[inline(always)]
    unsafe fn search<S: Isa, const W: usize>(self, table: &mut [u32], bits: u32, graph: &mut Graph<'_>) {
        let Segment { src, start, end } = self;
        let count = end - start;
        assert!(table.len() == W << bits && graph.reach.len() > count && graph.touched.len() > count / 64);
        graph.reach[..=count].fill(0);
        graph.touched[..=count / 64].fill(0);
        let stop = self.stop();
        let mut distances = Distances([0; MOST_WAYS + BLOCK * MOST_WAYS]);
        let mut slots = [0u16; BLOCK * MOST_WAYS + 4];
        let mut padded = [0; BLOCK + KEY_ROOM];
        let mut long = Long { far: 0, budget: count / 2 };
        let mut at = start;
        while at < stop {
            let rest = &src[at..];
            let from = if rest.len() >= BLOCK + KEY_ROOM {
                rest.as_ptr()
            } else {
                padded[..rest.len()].copy_from_slice(rest);
                padded.as_ptr()
            };
            // What the position before has comes first.
            distances.0.copy_within(MOST_WAYS + (BLOCK - 1) * W..MOST_WAYS + BLOCK * W, MOST_WAYS - W);
            let mut fresh = [0u64; MOST_WAYS];
            // SAFETY: invariant I is the caller's; BLOCK + KEY_ROOM bytes are at `from` either way (S), the table has rows
            // of W entries for `bits` bits; BLOCK * W elements, and W before them, are in `distances` (D).
            unsafe {
                let now = distances.0.as_mut_ptr().add(MOST_WAYS);
                S::scan_rows::<W>(bits, from, at, table.as_mut_ptr(), now);
                S::fresh::<W>(now, &mut fresh);
            }
            let now = &distances.0[MOST_WAYS..];
            let left = BLOCK.min(stop - at) * W;
            let count = list_bits(&fresh[..W], left, &mut slots);
            if self.limit().saturating_sub(at) >= BLOCK + STEP {
                for &slot in &slots[..count] {
                    let slot = usize::from(slot);
                    // SAFETY: invariant I is the caller's; a candidate lies that far back in `src` (the contract of
                    // `Isa::scan_rows`), the position is one of the segment's before `stop`, and the slot one of the block.
                    unsafe {
                        let distance = usize::from(*now.get_unchecked(slot));
                        self.enter::<S, true>(at + slot / W, distance, &mut long, graph);
                    }
                }
            } else {
                for &slot in &slots[..count] {
                    let slot = usize::from(slot);
                    // SAFETY: likewise.
                    unsafe { self.enter::<S, false>(at + slot / W, usize::from(now[slot]), &mut long, graph) };
                }
            }
            at += BLOCK;
        }
    }

    /// Compares a candidate and enters its reach.
    ///
    /// # Safety
    /// Invariant I; `1 <= distance <= position`, `position` is one of the segment before the limit; `graph` has an entry for each.
    /// `FAR`: STEP bytes lie between the position and the limit.
    #[inline(always)]
    unsafe fn enter<S: Isa, const FAR: bool>(
        self,
        position: usize,
        distance: usize,
        long: &mut Long,
        graph: &mut Graph<'_>,
    ) {
        let Segment { src, start, .. } = self;
        debug_assert!(distance >= 1 && distance <= position && position >= start && position < self.limit());
        let relative = position - start;
        // SAFETY: the bytes from both addresses to the limit, and those before, are in `src` (S); bits and entries are those
        // of positions of the segment.
        unsafe {
            let here = src.as_ptr().add(position);
            let there = here.sub(distance);
            let mut len =
                if FAR { S::common32(here, there) } else { common_prefix(here, there, self.limit() - position) };
            if FAR && len == STEP {
                len = self.extend::<S>(position, distance, long);
            }
            let most = relative.min(position - distance);
            let mut back = STEP;
            if most >= STEP {
                back = S::suffix32(here, there);
            }
            if back == STEP {
                back = common_suffix(here, there, most);
            }
            let first = relative - back;
            let entry = graph.reach.get_unchecked_mut(first);
            *entry = (*entry).max(((relative + len) << 16 | distance) as u32);
            *graph.touched.get_unchecked_mut(first / 64) |= 1 << (first % 64);
        }
    }

    /// The length of a match that is STEP bytes long at least; perhaps less if it does not reach as far as another one.
    ///
    /// # Safety
    /// As for [`Segment::enter`].
    #[inline(never)]
    unsafe fn extend<S: Isa>(self, position: usize, distance: usize, long: &mut Long) -> usize {
        let (src, limit) = (self.src, self.limit());
        if long.far > position + STEP && (long.far == limit || src[long.far] != src[long.far - distance]) {
            return STEP;
        }
        let at = position + STEP;
        // SAFETY: invariant I is the caller's; what is compared ends before the limit (S).
        let at = at
            + unsafe {
                let here = src.as_ptr().add(at);
                common_far::<S>(here, here.sub(distance), limit - at, &mut long.budget)
            };
        long.far = long.far.max(at);
        at - position
    }

    /// Finds the cheapest parse and returns where its last match ends; [`Graph::next`] then leads there from 0.
    #[inline(always)]
    fn choose(self, graph: &mut Graph<'_>) -> usize {
        let count = self.end - self.start;
        let (words, stop) = (count / 64 + 1, self.stop() - self.start);
        assert!(graph.ways.len() > count + 1 && graph.starts.len() > count + 3 && graph.reach.len() > count);
        assert!(graph.nodes.len() >= words && graph.ranks.len() >= words && graph.touched.len() >= words);
        let starts = graph.list_starts(words, count);
        graph.ways[..=count + 1].fill(u64::MAX);
        graph.nodes[..words].fill(0);
        graph.ways[0] = 0;
        graph.nodes[0] = 1;
        let mut best = (count as u64) << 32;
        for word in 0..words {
            let mut above = u64::MAX;
            loop {
                let bits = graph.nodes[word] & above;
                if bits == 0 {
                    break;
                }
                let bit = bits.trailing_zeros();
                above = u64::MAX << bit << 1;
                let at = 64 * word + bit as usize;
                let before = graph.touched[word] & !above;
                let index = usize::from(graph.ranks[word]) + before.count_ones() as usize;
                if at > count {
                    break;
                }
                debug_assert!(index <= starts);
                let cost = (graph.ways[at] >> 32) as usize;
                best = best.min(((cost + count - at) as u64) << 32 | at as u64);
                // SAFETY: `at` is a node, at most `count`, and `index` at most the number of starts; the arrays have entries
                // for them (the assertions, `list_starts`).
                unsafe {
                    graph.take_rest(at, cost, index, stop, count + 1);
                    graph.take(at, cost, index + 1);
                    graph.take(at, cost, index + 2);
                }
            }
        }
        let last = best as u32 as usize;
        let mut end = last;
        while end > 0 {
            let before = usize::from(graph.ways[end] as u16);
            graph.ways[before] = graph.ways[before] & 0xFFFF_FFFF | (end as u64) << 32;
            end = before;
        }
        last
    }
}

/// How many bytes before both addresses are equal, at most `most` and [`BACK`].
///
/// # Safety
/// `most` bytes lie before both addresses.
#[inline(never)]
unsafe fn common_suffix(here: *const u8, there: *const u8, most: usize) -> usize {
    let most = most.min(BACK);
    let mut back = 0;
    // SAFETY: the caller's contract (S).
    unsafe {
        while most - back >= 8 {
            let differing = load64(here.sub(back + 8)) ^ load64(there.sub(back + 8));
            if differing != 0 {
                return back + differing.leading_zeros() as usize / 8;
            }
            back += 8;
        }
        while back < most && *here.sub(back + 1) == *there.sub(back + 1) {
            back += 1;
        }
    }
    back
}

/// Writes the numbers of those of the first `left` bits that are set, in order, and returns how many there are.
#[inline(always)]
fn list_bits(words: &[u64], left: usize, list: &mut [u16; BLOCK * MOST_WAYS + 4]) -> usize {
    let mut count = 0;
    for (i, &word) in words.iter().enumerate() {
        let left = left.saturating_sub(64 * i);
        let mut bits = if left >= 64 { word } else { word & !(u64::MAX << left) };
        let mut next = count;
        count += bits.count_ones() as usize;
        // Four at a time: the processor guesses better how often. What is written too much is written over.
        while bits != 0 {
            for slot in &mut list[next..next + 4] {
                *slot = (64 * i) as u16 + bits.trailing_zeros() as u16;
                bits &= bits.wrapping_sub(1);
            }
            next += 4;
        }
    }
    count
}

impl Graph<'_> {
    /// Makes a list of the reaches that are farther than all before, in order from index 1 on, and returns their number.
    ///
    /// Those at index 0 and at the two behind the last are none: they end behind all. Nothing branches on what is a start.
    #[inline(always)]
    fn list_starts(&mut self, words: usize, count: usize) -> usize {
        let (mut far, mut index) = (0, 0);
        for word in 0..words {
            self.ranks[word] = index as u16;
            let (mut bits, mut kept) = (self.touched[word], 0);
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let at = 64 * word + bit as usize;
                let reach = self.reach[at];
                let end = (reach >> 16) as usize;
                self.starts[index + 1] = start(at, end, (reach & 0xFFFF) as usize);
                let is_start = (end > far) & (end >= at + MIN_MATCH);
                index += usize::from(is_start);
                far = select_unpredictable(is_start, end, far);
                kept |= u64::from(is_start) << bit;
            }
            self.touched[word] = kept;
        }
        self.starts[0] = 0;
        for none in [index + 1, index + 2] {
            self.starts[none] = start(count, count + 1, 0);
        }
        index
    }

    /// The way from `at` to the end of the match of start `index` that covers it, if that starts before `stop` and is long
    /// enough; to `none`, which is never visited, if not.
    ///
    /// # Safety
    /// `at` is a node, `index` a start at `at` or before or none, `none` the last entry of `ways`.
    #[inline(always)]
    unsafe fn take_rest(&mut self, at: usize, cost: usize, index: usize, stop: usize, none: usize) {
        // SAFETY: the caller's contract; an end is that of a match, so at most the segment's (S, D).
        unsafe {
            let end = usize::from((*self.starts.get_unchecked(index) >> 16) as u16);
            let is_match = (end >= at + MIN_MATCH) & (at < stop);
            let to = select_unpredictable(is_match, end, none);
            self.relax(to, way(at, index, cost + price(to - at)));
            let len = end.wrapping_sub(at);
            if is_match & (len > SHORT) & (len < CUT) {
                self.relax(at + SHORT, way(at, index, cost + 3));
            }
        }
    }

    /// The way from `at` over literals to start `index`, which is behind `at`, and its match.
    ///
    /// # Safety
    /// `at` is a node, `index` a start or none.
    #[inline(always)]
    unsafe fn take(&mut self, at: usize, cost: usize, index: usize) {
        // SAFETY: the caller's contract; an end is that of a match, so at most the segment's (S, D), or one more.
        unsafe {
            let start = *self.starts.get_unchecked(index);
            let (first, end) = (usize::from(start as u16), usize::from((start >> 16) as u16));
            let literals = first - at;
            let cost = cost + literals + extra_bytes(literals, RUN_MASK);
            self.relax(end, way(at, index, cost + (start >> 48) as usize));
            if (end - first > SHORT) & (end - first < CUT) {
                self.relax(first + SHORT, way(at, index, cost + 3));
            }
        }
    }

    /// # Safety
    /// `end` is a position of the segment, its end or one behind that.
    #[inline(always)]
    unsafe fn relax(&mut self, end: usize, new: u64) {
        // SAFETY: the caller's contract (D). The last entry of `ways` is no node: its bit may be in no word.
        unsafe {
            let old = self.ways.get_unchecked_mut(end);
            *old = (*old).min(new);
            if let Some(word) = self.nodes.get_mut(end / 64) {
                *word |= 1 << (end % 64);
            }
        }
    }

    /// The next match of the parse from `at` on: where it starts, where it ends, its distance.
    #[inline(always)]
    fn next(&self, at: usize) -> (usize, usize, usize) {
        let next = (self.ways[at] >> 32) as usize;
        let start = self.starts[usize::from((self.ways[next] >> 16) as u16)];
        (at.max(usize::from(start as u16)), next, usize::from((start >> 32) as u16))
    }
}

/// The distances of the candidates of [`BLOCK`] positions, [`MOST_WAYS`] more before them.
#[repr(align(64))]
struct Distances([u16; MOST_WAYS + BLOCK * MOST_WAYS]);

/// What limits the time for long matches.
struct Long {
    /// Where the farthest one ends.
    far: usize,
    /// Steps that are left.
    budget: usize,
}
