//! The hash-chain encoder, for blocks with a dictionary: every earlier position with the same 4 bytes is a candidate, up to a limit;
//! lazy matching.
//!
//! Source: the chains of the lz4 project's `lz4hc.c` (a table of heads, 16-bit distances to the next older position)
//! and the lazy matching of zlib's `deflate_slow`. Ours has no wider search backwards over pending literals: two looks
//! ahead reach nearly the same parse, and [`super::optimal`] is there for the rest.

use super::super::arena::Arena;
use super::super::match_len::match_len;
use super::{History, Output, half_at, hash4, last_start};
use crate::base::format::lz4::{LAST_LITERALS, MAX_DISTANCE, MIN_MATCH};

/// Positions looked ahead before a match is taken.
const AHEAD: usize = 2;

/// How hard to search.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Candidates looked at per position.
    pub depth: u32,
    /// Length at which the search stops and the match is taken.
    pub enough: usize,
}

/// Bits of the table of heads for a block of `len` bytes: two heads to a position, as far as the largest table goes.
const fn head_bits(len: usize) -> u32 {
    let bits = window_len(len).ilog2() + 1;
    if bits > 15 { 15 } else { bits }
}

/// Positions of the window over a block of `len` bytes: a power of two that holds the block or all distances.
const fn window_len(len: usize) -> usize {
    if len > MAX_DISTANCE {
        MAX_DISTANCE + 1
    } else if len <= 256 {
        256
    } else {
        len.next_power_of_two()
    }
}

/// Words of scratch for blocks of at most `max_len` bytes.
pub const fn words(max_len: usize) -> usize {
    Arena::words_for::<u32>(1 << head_bits(max_len)) + Arena::words_for::<u16>(window_len(max_len))
}

/// A match: its length, 0 for none, and the distance back.
#[derive(Clone, Copy)]
struct Match {
    /// Bytes.
    pub len: usize,
    /// Bytes.
    pub distance: usize,
}

/// The index of a block: all its positions so far, chained by their first 4 bytes.
struct Finder<'a> {
    src: &'a [u8],
    /// Last position plus one of each hash, zero for none.
    heads: &'a mut [u32],
    /// Distance to the position before with the same hash, zero for none or out of reach; indexed by the low bits.
    links: &'a mut [u16],
    bits: u32,
    history: History<'a>,
    /// Positions below this one have been entered.
    next: usize,
}

impl<'a> Finder<'a> {
    /// Starts the index of `src` in memory from `arena`, of [`words`]`(src.len())` words.
    pub fn new(arena: &mut Arena<'a>, history: History<'a>, src: &'a [u8]) -> Self {
        let bits = head_bits(src.len());
        let heads = arena.take::<u32>(1 << bits);
        let links = arena.take::<u16>(window_len(src.len()));
        heads.fill(0);
        Finder { src, heads, links, bits, history, next: 0 }
    }

    /// The distance from `position` to the one before it with the same hash, 0 for none.
    #[inline(always)]
    fn link(&self, position: usize) -> usize {
        usize::from(self.links[position & (self.links.len() - 1)])
    }

    /// Enters all positions up to `position`, behind which at least 4 bytes lie.
    #[inline(always)]
    fn enter(&mut self, position: usize) {
        let mask = self.links.len() - 1;
        for at in self.next..=position {
            // SAFETY: at <= position, behind which 4 bytes lie (the caller's tests against the last start) (S).
            let hash = hash4(unsafe { half_at(self.src, at) }, self.bits);
            let head = &mut self.heads[hash];
            let distance = (at + 1) - *head as usize;
            let reachable = *head != 0 && distance <= MAX_DISTANCE;
            self.links[at & mask] = if reachable { distance as u16 } else { 0 };
            *head = (at + 1) as u32;
        }
        self.next = self.next.max(position + 1);
    }

    /// Enters all positions up to `position`, which is at most the last start, and returns the longest match there of
    /// more than `known.len` bytes, or `known`; of two equally long ones the nearer.
    ///
    /// Looks at `depth` candidates at most and stops at one of `enough` bytes. Matches end before `limit`, which is at
    /// least 4 bytes away and at most `src.len()`.
    #[inline]
    pub fn find(&mut self, position: usize, limit: usize, known: Match, depth: u32, enough: usize) -> Match {
        assert!(position + MIN_MATCH <= limit && limit <= self.src.len());
        self.enter(position);
        let (src, mut best) = (self.src, known);
        let room = limit - position;
        let here = &src[position..limit];
        let mut left = depth;
        let mut old = position;
        while left > 0 && best.len < enough && best.len < room {
            let step = self.link(old);
            if step == 0 || old < step || position - (old - step) > MAX_DISTANCE {
                break;
            }
            old -= step;
            left -= 1;
            // A longer match has the byte behind the best one in common, and the three before it.
            let probe = best.len.saturating_sub(3);
            // SAFETY: best.len < room makes position + best.len a byte of the block before `limit`, and probe + 4 is at
            // most best.len + 1, or 4, which fits the room as well; `old` lies before `position` (S).
            let same = unsafe { half_at(src, old + probe) == half_at(src, position + probe) };
            if same {
                let len = match_len(here, &src[old..]);
                if len > best.len && len >= MIN_MATCH {
                    best = Match { len, distance: position - old };
                }
            }
        }
        if position < MAX_DISTANCE {
            best = search_dict(&self.history, here, position, best, left, enough);
        }
        best
    }
}

/// Continues a search in the dictionary: `here` is the rest of the block at `position`, `left` the candidates to look
/// at.
fn search_dict(
    history: &History<'_>,
    here: &[u8],
    position: usize,
    known: Match,
    mut left: u32,
    enough: usize,
) -> Match {
    let mut best = known;
    let Some(four) = here.first_chunk::<4>() else {
        return best;
    };
    let hash = hash4(u32::from_le_bytes(*four), history.heads.len().ilog2());
    let Some(mut entry) = usize::from(history.heads[hash]).checked_sub(1) else {
        return best;
    };
    while left > 0 && best.len < enough && best.len < here.len() {
        left -= 1;
        let Some(rest) = history.content.get(entry..) else { break };
        let distance = position + rest.len();
        if distance > MAX_DISTANCE {
            break;
        }
        if rest.get(best.len) == Some(&here[best.len]) {
            let len = match_len(here, rest);
            if len > best.len && len >= MIN_MATCH {
                best = Match { len, distance };
            }
        }
        let step = usize::from(history.links.get(entry).copied().unwrap_or(0));
        if step == 0 || step > entry {
            break;
        }
        entry -= step;
    }
    best
}

/// Encodes `src` as one block and returns its length, or `None` if it does not fit `dst`.
///
/// `scratch` is at least [`words`]`(src.len())` long, contents unspecified. Does not allocate; at most
/// `effort.depth` comparisons per position.
///
/// # Panics
/// If `scratch` is too short.
pub fn encode(scratch: &mut [u64], effort: Effort, history: History<'_>, src: &[u8], dst: &mut [u8]) -> Option<usize> {
    let mut out = Output::new(dst);
    let Some(last) = last_start(src.len()) else {
        return out.finish(src, 0);
    };
    let limit = src.len() - LAST_LITERALS;
    let none = Match { len: 0, distance: 0 };
    let mut finder = Finder::new(&mut Arena::new(scratch), history, src);
    let Effort { depth, enough } = effort;
    let (mut anchor, mut position) = (0, 0);
    while position <= last {
        let mut best = finder.find(position, limit, none, depth, enough);
        if best.len == 0 {
            position += 1;
            continue;
        }
        // A match that starts later must pay for the literals before it: one byte longer for each.
        'look: while best.len < enough {
            for step in 1..=AHEAD {
                if position + step > last {
                    break 'look;
                }
                let wanted = Match { len: best.len + step - 1, distance: 0 };
                let later = finder.find(position + step, limit, wanted, depth, enough);
                if later.len > wanted.len {
                    best = later;
                    position += step;
                    continue 'look;
                }
            }
            break;
        }
        out.sequence(src, anchor, position - anchor, best.distance, best.len)?;
        position += best.len;
        anchor = position;
    }
    out.finish(src, anchor)
}
