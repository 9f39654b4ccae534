//! The fast encoder of the vector backends: every position looked up without a branch, then several parts of the block parsed
//! side by side.
//!
//! A greedy LZ4 encoder loses its time where it guesses wrong whether a position matches and for how long. This one asks
//! all positions first and keeps the answers:
//!
//! ```text
//! scan    for each position: key -> place and tag; exchange with the table's entry; equal tag -> bit, and the distance
//! parse   from p: next bit -> q; bytes equal there, and at the last distance used; note (q, distance, length); p = q + length
//! write   each note: literals before it, token, distance
//! ```
//!
//! The parse waits for itself: bit, distance, comparison, next bit. So a segment of the block is cut into [`LANES`] lanes
//! whose steps take turns in one loop. A lane starts without knowing where the one before it ends, and goes on for a step
//! beyond its own end; where notes overlap, the writer cuts the later one. The parse compares 32 bytes and goes on behind
//! them; the writer finds out how long such a match really is. A tag makes a wrong candidate so rare that none is verified
//! before the parse measures it, and one that is wrong costs a step.
//!
//! Source: our own study of such encoders; the greedy parse is that of the lz4 project, repeated distances those of LZX and
//! zstd. The block depends on the input and the setting, not on the instruction set.

use super::super::arena::Arena;
use super::super::candidates::{self, Candidates, PAIR, SEGMENT, Scan, zeros};
use super::super::lz4_isa::{BLOCK, Isa};
use super::super::match_len::common_prefix;
use super::super::word::{load64, prefetch};
use super::{Output, QUICK_LITERALS, QUICK_ROOM, common_far, quick_sequence, word_at};
use crate::base::format::lz4::{LAST_LITERALS, MATCH_MARGIN, MATCH_MASK, MIN_MATCH};

/// Parts of a segment that are parsed side by side.
const LANES: usize = 5;
/// Bytes that the parse compares at once.
const STEP: usize = 32;
/// Bytes without a candidate that a lane passes in one step.
const REACH: usize = 24;
/// Bytes that must follow the end of the last lane: it may pass it by one step, and still compares.
const LANE_ROOM: usize = REACH + STEP + LAST_LITERALS;
/// Notes of a lane beyond a quarter of its length (see [`Lane`]), and of the part behind the last lane.
const LANE_NOTES: usize = 12;
const TAIL_NOTES: usize = LANE_ROOM / MIN_MATCH + 1;
const NOTES: usize = SEGMENT / MIN_MATCH + LANES * LANE_NOTES + TAIL_NOTES;
/// Bytes of zero in a pair of blocks from which on only its even positions are looked up, where all would be.
///
/// Pointers and small numbers have many, text and dense data none. On the pages of tests/corpus, 24 gives 0.9976 of the size of
/// liblz4's default, 32 0.9968, never 0.9898 (but a pair costs twice the time), 16 1.0068.
const SPARSE: usize = 24;
/// Likewise with two candidates, where 24 gives 0.966, this 0.955 and never 0.942 (in 5 and 7 % more time), with a look ahead.
const SPARSE_PAIRS: usize = 64;
/// Bytes of zero in a segment of a longer block from which on [`Pace::Every`] is [`Pace::Second`] there.
///
/// A longer block has more places to find a match: on units of 64 KiB this is 1.23x liblz4's speed at 0.988 of its size, every
/// position 1.15x at 0.979, every second one 1.32x at 1.010.
const ZEROS_OF_LARGE: usize = SEGMENT / 16;
/// Candidates in a segment below which [`Pace::FourthLong`] looks again, closer.
const FEW: u32 = 32;

/// Bits of the hash table for blocks of up to a segment, and for longer ones.
const SMALL_BITS: u32 = 11;
const LARGE_BITS: u32 = 13;

/// Likewise for tables of pairs.
const SMALL_PAIR_BITS: u32 = 11;
const LARGE_PAIR_BITS: u32 = 12;

/// Words of scratch for blocks of at most `max_len` bytes.
pub const fn words(max_len: usize, pace: Pace) -> usize {
    let small = max_len <= SEGMENT;
    let (table, ways) = match pace {
        Pace::Pairs | Pace::PairsAhead | Pace::PairsAll => {
            (1 << if small { SMALL_PAIR_BITS } else { LARGE_PAIR_BITS }, 2)
        }
        _ => (1 << if small { SMALL_BITS - 1 } else { LARGE_BITS - 1 }, 1),
    };
    table + candidates::words_without_table(ways) + NOTES
}

/// Which positions are looked up and entered, and by how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// All of them, by 5 bytes; every second one where there are many zeros, more so in longer blocks.
    Every,
    /// Every second one, by 5 bytes.
    Second,
    /// Every fourth one, by 5 bytes.
    Fourth,
    /// Every fourth one, by 8 bytes: fewer and longer matches. Where there are next to none, as [`Pace::Second`].
    FourthLong,
    /// All of them, by 4 bytes, with two candidates for each.
    Pairs,
    /// Likewise, and a match is left for a longer one of the next position.
    PairsAhead,
    /// Likewise, and all positions are looked up where there are many zeros, too.
    PairsAll,
}

/// Encodes `src` as one block and returns its length, or `None` if it does not fit `dst`.
///
/// `scratch` is at least [`words`]`(src.len(), pace)` long, contents unspecified. Does not allocate; linear in `src.len()`.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `S`.
///
/// # Panics
/// If `scratch` is too short.
#[inline(always)]
pub unsafe fn encode<S: Lanes>(scratch: &mut [u64], pace: Pace, src: &[u8], dst: &mut [u8]) -> Option<usize> {
    // SAFETY: invariant I is the caller's.
    unsafe {
        let sparse = match pace {
            Pace::PairsAll => usize::MAX,
            Pace::Pairs | Pace::PairsAhead => SPARSE_PAIRS,
            _ => SPARSE,
        };
        match (pace, src.len() <= SEGMENT) {
            (Pace::Every, true) => segments::<S, 1, 5, SMALL_BITS, 1, false>(scratch, sparse, src, dst),
            (Pace::Every, _) => segments::<S, 1, 5, LARGE_BITS, 1, false>(scratch, sparse, src, dst),
            (Pace::Second, true) => segments::<S, 2, 5, SMALL_BITS, 1, false>(scratch, sparse, src, dst),
            (Pace::Second, _) => segments::<S, 2, 5, LARGE_BITS, 1, false>(scratch, sparse, src, dst),
            (Pace::Fourth, true) => segments::<S, 4, 5, SMALL_BITS, 1, false>(scratch, sparse, src, dst),
            (Pace::Fourth, _) => segments::<S, 4, 5, LARGE_BITS, 1, false>(scratch, sparse, src, dst),
            (Pace::FourthLong, true) => segments::<S, 4, 8, SMALL_BITS, 1, false>(scratch, sparse, src, dst),
            (Pace::FourthLong, _) => segments::<S, 4, 8, LARGE_BITS, 1, false>(scratch, sparse, src, dst),
            (Pace::Pairs, true) => segments::<S, 1, 4, SMALL_PAIR_BITS, 2, false>(scratch, sparse, src, dst),
            (Pace::Pairs, _) => segments::<S, 1, 4, LARGE_PAIR_BITS, 2, false>(scratch, sparse, src, dst),
            (Pace::PairsAhead | Pace::PairsAll, true) => {
                segments::<S, 1, 4, SMALL_PAIR_BITS, 2, true>(scratch, sparse, src, dst)
            }
            (Pace::PairsAhead | Pace::PairsAll, _) => {
                segments::<S, 1, 4, LARGE_PAIR_BITS, 2, true>(scratch, sparse, src, dst)
            }
        }
    }
}

/// An instruction set with a function of its own for the parse, whose code is long and the same for several settings.
pub trait Lanes: Scan {
    /// [`Scratch::parse`].
    ///
    /// # Safety
    /// As there.
    unsafe fn parse<const STRIDE: usize, const WAYS: usize, const AHEAD: bool>(
        scratch: &mut Scratch<'_>,
        src: &[u8],
        start: usize,
        anchor: usize,
        out: &mut Output<'_>,
    ) -> Option<usize>;
}

/// Scratch memory: the table, and what is known of the segment.
pub struct Scratch<'a> {
    candidates: Candidates<'a>,
    notes: &'a mut [u64],
}

/// A match: its position relative to the segment, its distance and its length, in bits 0, 16 and 32.
#[inline(always)]
fn note(at: usize, distance: usize, len: usize) -> u64 {
    at as u64 | (distance as u64) << 16 | (len as u64) << 32
}

/// The fields of a note.
#[inline(always)]
fn fields(note: u64) -> (usize, usize, usize) {
    (usize::from(note as u16), usize::from((note >> 16) as u16), (note >> 32) as usize)
}

#[inline(always)]
unsafe fn segments<
    S: Lanes,
    const STRIDE: usize,
    const KEY: usize,
    const BITS: u32,
    const WAYS: usize,
    const AHEAD: bool,
>(
    scratch: &mut [u64],
    sparse: usize,
    src: &[u8],
    dst: &mut [u8],
) -> Option<usize> {
    let mut out = Output::new(dst);
    let mut anchor = 0;
    let mut arena = Arena::new(scratch);
    let mut scratch = Scratch { candidates: Candidates::new(&mut arena, BITS, WAYS, sparse), notes: arena.take(NOTES) };
    scratch.candidates.table.fill(0);
    for start in (0..src.len().saturating_sub(MATCH_MARGIN)).step_by(SEGMENT) {
        prefetch(src.get(start + SEGMENT..).unwrap_or(&[]));
        let count = src.len() - start - MATCH_MARGIN;
        // SAFETY: invariant I is the caller's; `start` and more than MATCH_MARGIN bytes behind it lie in `src`, and the parse
        // reads what the scan found out about the same segment.
        unsafe {
            if STRIDE == 1 && WAYS == 1 && BITS == LARGE_BITS && has_many_zeros(&src[start..]) {
                if S::segment::<2, KEY, BITS, WAYS>(&mut scratch.candidates, src, start, count) > 0 {
                    anchor = S::parse::<2, WAYS, AHEAD>(&mut scratch, src, start, anchor, &mut out)?;
                }
                continue;
            }
            let found = S::segment::<STRIDE, KEY, BITS, WAYS>(&mut scratch.candidates, src, start, count);
            if KEY == 8 && found < FEW {
                scratch.candidates.table.fill(0);
                if S::segment::<2, 5, BITS, WAYS>(&mut scratch.candidates, src, start, count) > 0 {
                    anchor = S::parse::<2, WAYS, AHEAD>(&mut scratch, src, start, anchor, &mut out)?;
                }
                // Its entries are of other keys.
                scratch.candidates.table.fill(0);
            } else if found > 0 {
                anchor = S::parse::<STRIDE, WAYS, AHEAD>(&mut scratch, src, start, anchor, &mut out)?;
            }
        }
    }
    out.finish(src, anchor)
}

/// Whether the first SEGMENT bytes have ZEROS_OF_LARGE zeros or more.
#[inline(always)]
fn has_many_zeros(bytes: &[u8]) -> bool {
    let segment = &bytes[..bytes.len().min(SEGMENT)];
    segment.chunks(PAIR).map(zeros).sum::<usize>() >= ZEROS_OF_LARGE
}

/// A part of a segment while it is parsed.
///
/// A step starts before `end` and notes a match at most [`REACH`] - 1 bytes behind it; two notes are [`MIN_MATCH`] bytes apart or
/// more. So a lane from `first` to `end` has at most `(end - first + REACH) / 4 + 1` notes, and writes one element behind them.
#[derive(Clone, Copy)]
struct Lane {
    /// Next byte to look at, relative to the segment, at least 1.
    at: usize,
    /// Where the lane ends.
    end: usize,
    /// The last distance used, at most `at`.
    repeat: usize,
    /// Index of the next note.
    note: usize,
}

impl Scratch<'_> {
    /// Parses the segment from `start` on, appends its sequences and returns where the last one of the block ends so far, which
    /// was `anchor` before. `None`: no room.
    ///
    /// # Safety
    /// Invariant I; the scan of this segment was the last one.
    #[inline(always)]
    pub unsafe fn parse<S: Isa, const STRIDE: usize, const WAYS: usize, const AHEAD: bool>(
        &mut self,
        src: &[u8],
        start: usize,
        anchor: usize,
        out: &mut Output<'_>,
    ) -> Option<usize> {
        let rest = &src[start..];
        let first = anchor.saturating_sub(start);
        let end = SEGMENT.min(rest.len().saturating_sub(LANE_ROOM));
        let bound = |i: usize| end * i / LANES;
        let notes_from = |i: usize| bound(i) / MIN_MATCH + i * LANE_NOTES;
        let mut lanes: [Lane; LANES] =
            core::array::from_fn(|i| Lane { at: bound(i).max(1), end: bound(i + 1), repeat: 1, note: notes_from(i) });
        lanes[0].at = lanes[0].at.max(first);
        // SAFETY: invariant I is the caller's; each step is of a lane that has not reached its end, which is LANE_ROOM bytes
        // before the end of `src` or earlier. Where a match of the segment before reaches beyond the first lane, that lane is
        // never stepped and the writer cuts what the others find.
        unsafe {
            while lanes.iter().all(|lane| lane.at < lane.end) {
                for lane in &mut lanes {
                    self.step::<S, STRIDE, WAYS, AHEAD>(rest, lane);
                }
            }
            while lanes.iter().any(|lane| lane.at < lane.end) {
                for lane in &mut lanes {
                    if lane.at < lane.end {
                        self.step::<S, STRIDE, WAYS, AHEAD>(rest, lane);
                    }
                }
            }
        }
        let tail = notes_from(LANES);
        let mut tail_end = tail;
        let mut at = end.max(first).max(1).next_multiple_of(STRIDE);
        while at < SEGMENT.min(rest.len() - MATCH_MARGIN) {
            let position = at / STRIDE;
            let (mut len, mut distance) = (0, 1);
            if self.candidates.bits[position / BLOCK] >> (position % BLOCK) & 1 != 0 {
                for &candidate in &self.candidates.distances[position * WAYS..][..WAYS] {
                    // SAFETY: a candidate lies that far back in `src` (the contract of `Isa::scan`), and `at` is less than
                    // the end of the matches (S).
                    let common = unsafe {
                        let here = rest.as_ptr().add(at);
                        common_prefix(here, here.sub(usize::from(candidate)), rest.len() - LAST_LITERALS - at)
                    };
                    if common > len {
                        (len, distance) = (common, usize::from(candidate));
                    }
                }
            }
            if len >= MIN_MATCH {
                self.notes[tail_end] = note(at, distance, len.min(STEP));
                tail_end += 1;
            }
            at = (at + len.max(1)).next_multiple_of(STRIDE);
        }
        let mut anchor = anchor;
        let ends = lanes.iter().map(|lane| lane.note).chain([tail_end]);
        for (i, end) in ends.enumerate() {
            // SAFETY: invariant I is the caller's; the notes are of matches in this segment whose bytes were compared.
            anchor = unsafe { out.notes::<S, STRIDE>(src, start, anchor, &self.notes[notes_from(i)..end])? };
        }
        Some(anchor)
    }

    /// The longest of the candidates of a position, whose bytes are at `here`: its length, at most STEP, and its distance.
    ///
    /// # Safety
    /// Invariant I; the position was scanned or padded, and STEP bytes are readable at `here`.
    #[inline(always)]
    unsafe fn longest<S: Isa, const WAYS: usize>(&self, here: *const u8, position: usize) -> (usize, usize) {
        // SAFETY: the caller's contract; distances reach back inside the block.
        unsafe {
            let candidates = self.candidates.distances.as_ptr().add(position * WAYS);
            let mut distance = usize::from(*candidates);
            let mut len = S::common32(here, here.sub(distance));
            if WAYS == 2 {
                let other = usize::from(*candidates.add(1));
                let common = S::common32(here, here.sub(other));
                if common > len {
                    (len, distance) = (common, other);
                }
            }
            (len, distance)
        }
    }

    /// Looks for the next match of a lane and notes it. Nothing here branches.
    ///
    /// # Safety
    /// Invariant I; `lane.at < lane.end`, and LANE_ROOM bytes of `rest` follow `lane.end`.
    #[inline(always)]
    unsafe fn step<S: Isa, const STRIDE: usize, const WAYS: usize, const AHEAD: bool>(
        &mut self,
        rest: &[u8],
        lane: &mut Lane,
    ) {
        debug_assert!(lane.at < lane.end && lane.end + LANE_ROOM <= rest.len() && lane.end <= SEGMENT);
        let first = lane.at.div_ceil(STRIDE);
        // SAFETY: a lane's positions are at most REACH behind its end, so inside the padding of `bits` and `distances`; 32 bytes
        // of `rest` follow them (LANE_ROOM). Distances reach back inside the block: the scan's by its contract, `repeat` since
        // it was one of an earlier position. Notes: see `Lane`.
        unsafe {
            let bits = load64(self.candidates.bits.as_ptr().cast::<u8>().add(first / 8)) >> (first % 8)
                | 1 << (REACH / STRIDE - 1);
            let position = first + bits.trailing_zeros() as usize;
            let mut at = position * STRIDE;
            let here = rest.as_ptr().add(at);
            let (mut len, mut distance) = self.longest::<S, WAYS>(here, position);
            let repeated = S::common32(here, here.sub(lane.repeat));
            // The nearer to the last one, the fewer distances there are: on a tie the repeated one is taken.
            if repeated >= len {
                (len, distance) = (repeated, lane.repeat);
            }
            if AHEAD {
                let (later, other) = self.longest::<S, WAYS>(here.add(1), position + 1);
                if later > len {
                    (at, len, distance) = (at + 1, later, other);
                }
            }
            *self.notes.get_unchecked_mut(lane.note) = note(at, distance, len);
            lane.note += usize::from(len >= MIN_MATCH);
            lane.repeat = distance;
            lane.at = at + len.max(1);
        }
    }
}

impl Output<'_> {
    /// Appends the sequences of notes, which are relative to `base`, and returns where the last one ends. `None`: no room.
    ///
    /// # Safety
    /// Invariant I; the matches lie in `src` and their bytes are equal.
    #[inline(always)]
    unsafe fn notes<S: Isa, const STRIDE: usize>(
        &mut self,
        src: &[u8],
        base: usize,
        mut anchor: usize,
        notes: &[u64],
    ) -> Option<usize> {
        let to = self.dst.as_mut_ptr();
        // Kept apart from `self`, so that it stays in a register.
        let mut written = self.at;
        let (room, input) =
            (self.dst.len().saturating_sub(QUICK_ROOM - 1), src.len().saturating_sub(QUICK_LITERALS - 1));
        for &note in notes {
            let (at, distance, mut len) = fields(note);
            let mut at = base + at;
            if len >= STEP {
                if at + len <= anchor {
                    continue;
                }
                // SAFETY: invariant I is the caller's; the match ends before the last literals, and so does what is compared (S).
                len += unsafe {
                    let behind = src.as_ptr().add(at + len);
                    let left = src.len() - LAST_LITERALS - at - len;
                    common_far::<S>(behind, behind.sub(distance), left, &mut { usize::MAX })
                };
            }
            if at - distance >= 8 {
                // SAFETY: 8 bytes lie before both (S).
                let differing = unsafe { word_at(src, at - 8) ^ word_at(src, at - distance - 8) };
                let back = (differing.leading_zeros() as usize / 8).min(at.saturating_sub(anchor));
                at -= back;
                len += back;
            }
            let literals = at.wrapping_sub(anchor);
            let code = len - MIN_MATCH;
            if literals <= QUICK_LITERALS && code < MATCH_MASK + 255 && written < room && anchor < input {
                // SAFETY: QUICK_LITERALS bytes of input (S) and QUICK_ROOM of room (D) are there (the test above).
                written +=
                    unsafe { quick_sequence(src.as_ptr().add(anchor), literals, distance, code, to.add(written)) };
                anchor = at + len;
                continue;
            }
            // Two lanes overlap, or lengths are long, or an end is near.
            let cut = anchor.saturating_sub(at);
            if len < cut + MIN_MATCH || at + cut > src.len() - MATCH_MARGIN {
                continue;
            }
            self.at = written;
            self.long_sequence(src, anchor, at + cut - anchor, distance, len - cut - MIN_MATCH)?;
            written = self.at;
            anchor = at + len;
        }
        self.at = written;
        Some(anchor)
    }
}
