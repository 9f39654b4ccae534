//! The longest match of every position, found in binary trees.
//!
//! Source: the match finder `bt4` of LZMA (`LzFind.c`), also zstd's `ZSTD_insertBtAndGetAllMatches`. All positions that
//! begin with the same hash form a tree, sorted by the bytes that follow; the newest is the root and children are older
//! than their parents. Entering a position splits its tree in two at its place, and meets its neighbours in the order,
//! of which one is the longest match. Common prefixes with the two neighbours so far bound what is compared, so runs
//! of equal bytes, on which hash chains spend all their time, cost little.

use super::super::arena::Arena;
use super::super::match_len::match_len;
use super::chain::{Match, head_bits, search_dict, window_len};
use super::{History, half_at, hash4};
use crate::base::format::lz4::{LAST_LITERALS, MAX_DISTANCE, MIN_MATCH};

/// Bytes by which the trees are sorted. Longer matches are compared to their end once found; without this limit a long
/// run would be compared to its end at each of its positions.
const SORTED: usize = 512;

/// Words of scratch for blocks of at most `max_len` bytes.
pub const fn words(max_len: usize) -> usize {
    Arena::words_for::<u32>(1 << head_bits(max_len)) + Arena::words_for::<u32>(2 * window_len(max_len))
}

/// The trees of a block.
pub struct Finder<'a> {
    src: &'a [u8],
    /// Root of each hash: position plus one, zero for none.
    heads: &'a mut [u32],
    /// Two children of each position of the window, the smaller and the greater string: position plus one, zero for
    /// none.
    nodes: &'a mut [u32],
    bits: u32,
    history: Option<History<'a>>,
}

impl<'a> Finder<'a> {
    /// Starts the index of `src` in memory from `arena`, of [`words`]`(src.len())` words.
    pub fn new(arena: &mut Arena<'a>, history: Option<History<'a>>, src: &'a [u8]) -> Self {
        let bits = head_bits(src.len());
        let heads = arena.take::<u32>(1 << bits);
        let nodes = arena.take::<u32>(2 * window_len(src.len()));
        heads.fill(0);
        Finder { src, heads, nodes, bits, history }
    }

    /// Enters `position` and returns the longest match there, of at least `known.len` bytes, or `known`.
    ///
    /// Positions are entered in ascending order, each once. Matches end at `limit` at the latest, which is at least 4
    /// bytes away and leaves the last literals. Visits `depth` nodes at most; what is older than the last of them is
    /// forgotten.
    #[inline]
    pub fn find(&mut self, position: usize, limit: usize, known: Match, depth: u32) -> Match {
        assert!(position + MIN_MATCH <= limit && limit + LAST_LITERALS <= self.src.len());
        let mask = self.nodes.len() / 2 - 1;
        // Not up to `limit`: a string that a tree compared less far than another would stand in the wrong place, and
        // what its neighbours share would be less than what is assumed of them below.
        let end = self.src.len() - LAST_LITERALS;
        let here = &self.src[position..end.min(position + SORTED)];
        // SAFETY: 4 bytes are before `limit` (the assertion) (S).
        let hash = hash4(unsafe { half_at(self.src, position) }, self.bits);
        let mut next = core::mem::replace(&mut self.heads[hash], (position + 1) as u32) as usize;
        // Where to hang the next node smaller, or greater, than this position, and what those share with it.
        let (mut smaller, mut greater) = (2 * (position & mask), 2 * (position & mask) + 1);
        let (mut share_smaller, mut share_greater) = (0, 0);
        let mut best = known;
        let mut left = depth;
        while next != 0 && left > 0 {
            let old = next - 1;
            if position - old > MAX_DISTANCE {
                break;
            }
            left -= 1;
            let share = share_smaller.min(share_greater);
            let len = share + match_len(&here[share..], &self.src[old + share..]);
            if len > best.len && len >= MIN_MATCH {
                best = Match { len, distance: position - old };
            }
            let node = 2 * (old & mask);
            if len == here.len() {
                // Equal as far as strings are sorted: this position takes the other's place.
                self.nodes[smaller] = self.nodes[node];
                self.nodes[greater] = self.nodes[node + 1];
                (smaller, greater) = (usize::MAX, usize::MAX);
                break;
            }
            if self.src[old + len] < here[len] {
                self.nodes[smaller] = next as u32;
                smaller = node + 1;
                share_smaller = len;
                next = self.nodes[smaller] as usize;
            } else {
                self.nodes[greater] = next as u32;
                greater = node;
                share_greater = len;
                next = self.nodes[greater] as usize;
            }
        }
        if smaller != usize::MAX {
            self.nodes[smaller] = 0;
            self.nodes[greater] = 0;
        }
        if let Some(history) = &self.history
            && position < MAX_DISTANCE
        {
            best = search_dict(history, here, position, best, depth, usize::MAX);
        }
        if best.len > known.len && best.len == SORTED && best.distance <= position {
            best.len = match_len(&self.src[position..limit], &self.src[position - best.distance..]);
        }
        best.len = best.len.min(limit - position);
        best
    }
}
