//! The optimal encoder: the cheapest parse with the longest match known at every position.
//!
//! In LZ4 the price of a match depends on its length alone, so the longest match of a position stands for all shorter
//! ones. The cost of the rest of the block is computed from its end to its start:
//!
//! ```text
//! cost[i] = min(1 + cost[i + 1], 3 + bytes of the match length + cost[i + length])
//! ```
//!
//! A literal that makes the literal length need one more byte costs 2. Source: dynamic programming as in the lz4
//! project's `LZ4HC_compress_optimal`, which goes forward over short stretches and stops at long matches; ours goes
//! backward over up to 64 KiB. Liberties: of a match longer than [`TRIED`] bytes not every shorter length is tried, and
//! the number of pending literals is that of the cheapest parse, so a byte may be lost around 15 literals.

use super::super::arena::Arena;
use super::chain::Match;
use super::tree::{self, Finder};
use super::{History, Output, extra_bytes, last_start};
use crate::base::format::lz4::{LAST_LITERALS, MATCH_MASK, MAX_DISTANCE, MIN_MATCH, RUN_MASK};

/// Bytes of the block that are parsed together.
const SEGMENT: usize = 65536;

/// Lengths tried at either end of the range of a match.
///
/// What follows a match rarely gains from cutting it by more: 40 instead made no difference in the fourth digit of the
/// total size of 23,053 real pages, and takes longer.
const TRIED: usize = 16;

/// Entries of the arrays of a segment.
const fn segment_len(max_len: usize) -> usize {
    if max_len < SEGMENT { max_len } else { SEGMENT }
}

/// Words of scratch for blocks of at most `max_len` bytes.
pub const fn words(max_len: usize) -> usize {
    let len = segment_len(max_len);
    tree::words(max_len) + Arena::words_for::<u32>(len + 1) + 2 * Arena::words_for::<u16>(len)
}

/// Encodes `src` as one block and returns its length, or `None` if it does not fit `dst`.
///
/// Looks at `depth` candidates per position. `scratch` is at least [`words`]`(src.len())` long, contents unspecified.
/// Does not allocate.
///
/// # Panics
/// If `scratch` is too short.
pub fn encode(
    scratch: &mut [u64],
    depth: u32,
    history: Option<History<'_>>,
    src: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let mut out = Output::new(dst);
    let Some(last) = last_start(src.len()) else {
        return out.finish(src, 0);
    };
    let mut arena = Arena::new(scratch);
    let mut finder = Finder::new(&mut arena, history, src);
    let room = segment_len(src.len());
    let costs = arena.take::<u32>(room + 1);
    let lengths = arena.take::<u16>(room);
    let distances = arena.take::<u16>(room);
    let mut anchor = 0;
    let mut start = 0;
    while start <= last {
        let end = src.len().min(start + SEGMENT);
        let count = end - start;
        // Matches do not leave the segment, and not the block's last literals.
        let limit = end.min(src.len() - LAST_LITERALS);
        let mut known = Match { len: 0, distance: 0 };
        for i in 0..count {
            let position = start + i;
            if position > last || position + MIN_MATCH > limit {
                lengths[i] = 0;
                continue;
            }
            // The match of the position before, without its first byte, is a match here.
            known.len = known.len.saturating_sub(1);
            if known.len < MIN_MATCH {
                known = Match { len: 0, distance: 0 };
            }
            known = finder.find(position, limit, known, depth);
            lengths[i] = known.len.min(MAX_DISTANCE) as u16;
            distances[i] = known.distance as u16;
        }
        choose(&mut costs[..=count], &mut lengths[..count]);
        let mut i = 0;
        while i < count {
            let len = usize::from(lengths[i]);
            if len == 0 {
                i += 1;
                continue;
            }
            let position = start + i;
            out.sequence(src, anchor, position - anchor, usize::from(distances[i]), len)?;
            i += len;
            anchor = start + i;
        }
        start = end;
    }
    out.finish(src, anchor)
}

/// Replaces the longest match length of each position (0 for none) by the one of the cheapest parse, 0 for a literal.
///
/// `costs` has one entry more than `lengths`: the cheapest number of bytes from each position on.
fn choose(costs: &mut [u32], lengths: &mut [u16]) {
    let count = lengths.len();
    costs[count] = 0;
    // Literals at the start of the cheapest parse from position i + 1 on.
    let mut run = 0usize;
    for i in (0..count).rev() {
        let more = extra_bytes(run + 1, RUN_MASK) - extra_bytes(run, RUN_MASK);
        let mut best = costs[i + 1] + 1 + more as u32;
        let mut chosen = 0;
        let longest = usize::from(lengths[i]);
        if longest >= MIN_MATCH {
            let mut consider = |len: usize| {
                let cost = costs[i + len] + 3 + extra_bytes(len - MIN_MATCH, MATCH_MASK) as u32;
                // Among equals the match, and the longer one: fewer sequences decode faster.
                if cost < best || (cost == best && chosen == 0) {
                    best = cost;
                    chosen = len;
                }
            };
            let low = longest.saturating_sub(TRIED).max(MIN_MATCH);
            (low..=longest).rev().for_each(&mut consider);
            // Lengths that spare the length byte, and the shortest ones.
            (MIN_MATCH..low.min(MIN_MATCH + MATCH_MASK)).rev().for_each(&mut consider);
        }
        costs[i] = best;
        lengths[i] = chosen as u16;
        run = if chosen == 0 { run + 1 } else { 0 };
    }
}
