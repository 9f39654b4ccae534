//! The finder of the vector backends: every position looked up without a branch, then several parts of the block parsed side by
//! side.
//!
//! The scan, the lanes and the notes are those of [`crate::kernel::lz4_encode::lanes`], which tells the design. The parse is another
//! one, since in this format a distance that was used before costs next to nothing:
//!
//! ```text
//! step    from p: next bit -> q; bytes equal there, with the candidate;
//!         bytes equal from p on at the last two distances: the first four in a row, and how many
//!         take the latter unless they begin so late that they save less
//! write   each note: gone on with where the comparison ended, lengthened backward, literals copied
//! ```
//!
//! A lane starts without the distances of the lane before it: what it guesses wrong, it finds as a candidate.
//!
//! Source: our own study of such finders; the parse is that of `ZSTD_compressBlock_fast` of the zstd project, with both repeated
//! offsets at every position. The block depends on the input and the setting, not on the instruction set.

use core::hint::select_unpredictable;

use super::super::arena::Arena;
use super::super::candidates::{self, Candidates, PAIR, SEGMENT, Scan, zeros};
use super::super::lz4_isa::{BLOCK, Isa};
use super::super::match_len::common_prefix;
use super::super::word::{copy, load64, prefetch};
use super::super::zstd_seq_encode::{DISTANCE_AT, LEN_AT, LEN_BITS, MIN_LEN};
use super::{Found, Job, LITERALS_SLACK, Output, Parse, WINDOW, far};

/// Shortest match that is looked for.
const MIN_MATCH: usize = 4;
/// Parts of a segment that are parsed side by side, with both distances everywhere and without.
///
/// On pages, with both, 3 take as long as 4 and 5, and give 0.9906 of the size of libzstd's level 1 where those give 0.9915 and 0.9926. A
/// step without is shorter: 4 take 1 % less time.
const LANES: usize = 3;
const PLAIN_LANES: usize = 4;
/// Bytes that the parse compares at once.
const STEP: usize = 32;
/// Bytes without a candidate that a lane passes in one step.
const REACH: usize = 24;
/// Bytes that must follow the end of the last lane: it may pass it by one step, looks one byte further, and still compares.
const LANE_ROOM: usize = REACH + 1 + STEP;
/// No position nearer to the end of the block is looked up: the bytes of a key, and some more.
const MARGIN: usize = 8;
/// Notes of a lane beyond a quarter of its length: a step may note a match that starts a few bytes behind its end, and writes
/// one element behind its notes.
const LANE_NOTES: usize = REACH / MIN_MATCH + 3;
const NOTES: usize = SEGMENT / MIN_MATCH + PLAIN_LANES * LANE_NOTES;

/// Bits of the hash table for blocks of up to a segment, and for longer ones, and likewise for tables of pairs: those of LZ4.
const SMALL_BITS: u32 = 11;
const LARGE_BITS: u32 = 13;
const SMALL_PAIR_BITS: u32 = 11;
const LARGE_PAIR_BITS: u32 = 12;

/// How a block is searched and parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Every second position looked up, by 6 bytes; the last distance tried where there is a candidate.
    SecondPlain,
    /// Every second position, by 5 bytes; the last two distances tried at every position, as in all that follow.
    Second,
    /// All positions, every second one where there are many zeros.
    Every,
    /// Likewise, with fewer exceptions, and a match is left for a longer one of the next position.
    EveryAhead,
    /// All positions, with two candidates for each, by 4 bytes in place of 5.
    Pairs,
    /// Likewise, and a match is left for a longer one of the next position.
    PairsAhead,
}

/// Bytes of zero in 128 positions from which on only the even ones are looked up.
///
/// On pages, with [`Pace::Every`], 24 gives 0.987 of the size of libzstd's level 1, this 0.984 in 3 % more time, never 0.975 in 12 %;
/// below 16 a program gets 8 % larger, at 24 2.9, at this 1.6 (docs/PERFORMANCE.md).
const SPARSE: usize = 56;
/// Bytes of zero in a segment of a longer source from which on [`Pace::Every`] is [`Pace::Second`] there: a longer source has more
/// places to find a match.
const ZEROS_OF_LARGE: usize = SEGMENT / 8;
/// Likewise from [`LONG`] on, where keys have 6 bytes.
const ZEROS_OF_LONG: usize = SEGMENT / 64;
/// Bytes of a source from which on [`Pace::Every`] leaves out what is short and costs much of the time: it has enough to choose from.
pub const LONG: usize = 24 << 10;
/// As [`SPARSE`], for [`Pace::EveryAhead`].
const SPARSE_AHEAD: usize = 64;

impl Pace {
    const fn is_pair(self) -> bool {
        matches!(self, Pace::Pairs | Pace::PairsAhead)
    }
}

/// Words of scratch for blocks of at most `max_len` bytes.
pub const fn words(max_len: usize, pace: Pace) -> usize {
    let (bits, ways) = match (pace.is_pair(), max_len <= SEGMENT) {
        (false, true) => (SMALL_BITS, 1),
        (false, false) => (LARGE_BITS, 1),
        (true, true) => (SMALL_PAIR_BITS, 2),
        (true, false) => (LARGE_PAIR_BITS, 2),
    };
    candidates::words(bits, ways) + NOTES
}

/// Parses a block in lanes.
///
/// `scratch` is at least [`words`]`(job.src.len(), pace)` long, contents unspecified for a block within the first [`WINDOW`] bytes of a
/// source, and for one behind those what the call for the block before it left there, or zeros. Does not allocate; linear in the length of
/// the block.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `S`.
///
/// # Panics
/// If `scratch` is too short.
#[inline(always)]
pub unsafe fn find<S: Lanes>(job: &Job<'_>, pace: Pace, scratch: &mut [u64], parse: Parse<'_>) -> Found {
    // SAFETY: invariant I is the caller's.
    unsafe {
        match (pace, job.src.len() <= SEGMENT) {
            (Pace::SecondPlain, true) => segments::<S, 2, 6, SMALL_BITS, false, 1, false>(job, SPARSE, scratch, parse),
            (Pace::SecondPlain, _) => segments::<S, 2, 6, LARGE_BITS, false, 1, false>(job, SPARSE, scratch, parse),
            (Pace::Second, true) => segments::<S, 2, 5, SMALL_BITS, true, 1, false>(job, SPARSE, scratch, parse),
            (Pace::Second, _) => segments::<S, 2, 5, LARGE_BITS, true, 1, false>(job, SPARSE, scratch, parse),
            (Pace::Every, true) => segments::<S, 1, 5, SMALL_BITS, true, 1, false>(job, SPARSE, scratch, parse),
            (Pace::Every, _) if job.src.len() < LONG => {
                segments::<S, 1, 5, LARGE_BITS, true, 1, false>(job, SPARSE, scratch, parse)
            }
            (Pace::Every, _) => segments::<S, 1, 6, LARGE_BITS, true, 1, false>(job, SPARSE, scratch, parse),
            (Pace::EveryAhead, true) => {
                segments::<S, 1, 5, SMALL_BITS, true, 1, true>(job, SPARSE_AHEAD, scratch, parse)
            }
            (Pace::EveryAhead, _) => segments::<S, 1, 5, LARGE_BITS, true, 1, true>(job, SPARSE_AHEAD, scratch, parse),
            (Pace::Pairs, true) => {
                segments::<S, 1, 4, SMALL_PAIR_BITS, true, 2, false>(job, usize::MAX, scratch, parse)
            }
            (Pace::Pairs, _) => segments::<S, 1, 4, LARGE_PAIR_BITS, true, 2, false>(job, usize::MAX, scratch, parse),
            (Pace::PairsAhead, true) => {
                segments::<S, 1, 4, SMALL_PAIR_BITS, true, 2, true>(job, usize::MAX, scratch, parse)
            }
            (Pace::PairsAhead, _) => {
                segments::<S, 1, 4, LARGE_PAIR_BITS, true, 2, true>(job, usize::MAX, scratch, parse)
            }
        }
    }
}

/// An instruction set with a function of its own for the parse, whose code is long and the same for several settings.
pub trait Lanes: Scan {
    /// [`Segment::parse`].
    ///
    /// # Safety
    /// As there.
    unsafe fn parse<const STRIDE: usize, const BOTH: bool, const WAYS: usize, const AHEAD: bool>(
        segment: &mut Segment<'_, '_>,
        repeats: [usize; 2],
        out: &mut Output<'_>,
    ) -> [usize; 2];
}

/// # Safety
/// Invariant I.
#[inline(always)]
unsafe fn segments<
    S: Lanes,
    const STRIDE: usize,
    const KEY: usize,
    const BITS: u32,
    const BOTH: bool,
    const WAYS: usize,
    const AHEAD: bool,
>(
    job: &Job<'_>,
    sparse: usize,
    scratch: &mut [u64],
    parse: Parse<'_>,
) -> Found {
    let mut out = Output::new(job, parse);
    let src = &job.src[..job.end];
    let mut arena = Arena::new(scratch);
    let mut candidates = Candidates::new(&mut arena, BITS, WAYS, sparse);
    let notes = arena.take(NOTES);
    if job.start < WINDOW {
        // An entry of a position that comes later would lead beyond the start.
        candidates.table.fill(0);
    }
    let mut repeats = [job.repeats[0], job.repeats[1]].map(|repeat| {
        let repeat = repeat as usize;
        if (1..=job.start.min(WINDOW)).contains(&repeat) { repeat } else { 1 }
    });
    for start in (job.start..job.end.saturating_sub(MARGIN)).step_by(SEGMENT) {
        prefetch(src.get(start + SEGMENT..).unwrap_or(&[]));
        // SAFETY: invariant I is the caller's; `start` and more than MARGIN bytes behind it lie in `src`; the table was cleared, or
        // `start` is WINDOW or more. The parse reads what the scan found out about the same segment.
        unsafe {
            let count = src.len() - start - MARGIN;
            let rest = &src[start..];
            let rest = &rest[..rest.len().min(SEGMENT)];
            let many = if KEY == 6 { ZEROS_OF_LONG } else { ZEROS_OF_LARGE };
            if STRIDE == 1 && WAYS == 1 && !AHEAD && BITS == LARGE_BITS && has_zeros(rest, many) {
                if S::segment::<2, KEY, BITS, 1>(&mut candidates, src, start, count) > 0 {
                    let mut segment = Segment { candidates: &candidates, notes, src, start };
                    repeats = S::parse::<2, BOTH, 1, false>(&mut segment, repeats, &mut out);
                }
            } else if S::segment::<STRIDE, KEY, BITS, WAYS>(&mut candidates, src, start, count) > 0 {
                let mut segment = Segment { candidates: &candidates, notes, src, start };
                repeats = S::parse::<STRIDE, BOTH, WAYS, AHEAD>(&mut segment, repeats, &mut out);
            }
        }
    }
    out.finish(job.end)
}

/// Whether there are so many zeros or more.
#[inline(always)]
fn has_zeros(segment: &[u8], many: usize) -> bool {
    segment.chunks(PAIR).map(zeros).sum::<usize>() >= many
}

/// A match as a lane notes it: its position relative to the segment, its length and its distance, at the places that
/// [`super::super::zstd_seq_encode::pack`] gives the literals, the length and the distance.
#[inline(always)]
fn note(at: usize, len: usize, distance: usize) -> u64 {
    at as u64 | (len as u64) << LEN_AT | (distance as u64) << DISTANCE_AT
}

/// Set in the position of a note if the match reached the end of a comparison that began before it.
const OPEN: usize = 1 << (LEN_AT - 1);
const _: () = assert!(SEGMENT + REACH + 2 * STEP < OPEN);

/// A part of a segment while it is parsed.
///
/// A step starts before `end` and notes a match at most [`STEP`] bytes behind it; two notes are [`MIN_MATCH`] bytes apart or more.
#[derive(Clone, Copy)]
struct Lane {
    /// Next byte to look at, relative to the segment; the first of the source is none.
    at: usize,
    /// Where the lane ends.
    end: usize,
    /// The last two distances used, or guesses; they lead back inside the source.
    repeats: [usize; 2],
    /// Index of the next note.
    note: usize,
}

/// A segment that was scanned, from `start` to the end of the block or SEGMENT bytes further.
pub struct Segment<'s, 'm> {
    candidates: &'s Candidates<'m>,
    notes: &'s mut [u64],
    src: &'s [u8],
    start: usize,
}

impl Segment<'_, '_> {
    /// Parses the segment, appends its sequences and returns the last two distances, which were `repeats` before it.
    ///
    /// # Safety
    /// Invariant I; the candidates are those of this segment, scanned with this `STRIDE` and these `WAYS`; `repeats` lead back inside
    /// the source from any position of the segment but the first of the source.
    #[inline(always)]
    pub unsafe fn parse<S: Isa, const STRIDE: usize, const BOTH: bool, const WAYS: usize, const AHEAD: bool>(
        &mut self,
        repeats: [usize; 2],
        out: &mut Output<'_>,
    ) -> [usize; 2] {
        let rest = &self.src[self.start..];
        let first = out.anchor.saturating_sub(self.start).max(usize::from(self.start == 0));
        let end = SEGMENT.min(rest.len().saturating_sub(LANE_ROOM));
        let count = if BOTH { LANES } else { PLAIN_LANES };
        let bound = |i: usize| end * i / count;
        let notes_from = |i: usize| bound(i) / MIN_MATCH + i * LANE_NOTES;
        let mut lanes: [Lane; PLAIN_LANES] = core::array::from_fn(|i| Lane {
            at: bound(i).max(first.min(1)),
            end: bound(i + 1),
            repeats: [1, 1],
            note: notes_from(i),
        });
        let lanes = &mut lanes[..count];
        (lanes[0].at, lanes[0].repeats) = (first, repeats);
        // SAFETY: invariant I is the caller's; each step is of a lane that has not reached its end, which is LANE_ROOM bytes
        // before the end of `rest` or earlier. Where a match of the segment before reaches beyond the first lane, that lane is
        // never stepped and the writer cuts what the others find.
        unsafe {
            while lanes.iter().all(|lane| lane.at < lane.end) {
                for lane in &mut *lanes {
                    self.step::<S, STRIDE, BOTH, WAYS, AHEAD>(rest, lane);
                }
            }
            while lanes.iter().any(|lane| lane.at < lane.end) {
                for lane in &mut *lanes {
                    if lane.at < lane.end {
                        self.step::<S, STRIDE, BOTH, WAYS, AHEAD>(rest, lane);
                    }
                }
            }
            for (i, lane) in lanes.iter().enumerate() {
                let notes = &self.notes[notes_from(i)..lane.note];
                if BOTH {
                    out.notes::<S, 32>(self.src, self.start, notes);
                } else {
                    out.notes::<S, 64>(self.src, self.start, notes);
                }
            }
        }
        let last = &lanes[count - 1];
        let at = last.at.max(out.anchor.saturating_sub(self.start)).max(first);
        // SAFETY: the caller's contract; the distances of a lane were compared at positions before, or are 1.
        unsafe { self.parse_end::<STRIDE, WAYS>(at, last.repeats, out) }
    }

    /// Parses what is left of the segment from `at` on, where a step does not fit.
    ///
    /// # Safety
    /// As for [`Segment::parse`]; `at` is no position before the end of the last match.
    #[inline(always)]
    unsafe fn parse_end<const STRIDE: usize, const WAYS: usize>(
        &self,
        mut at: usize,
        mut repeats: [usize; 2],
        out: &mut Output<'_>,
    ) -> [usize; 2] {
        let rest = &self.src[self.start..];
        let stop = SEGMENT.min(rest.len() - MARGIN);
        while at < stop {
            let position = at.div_ceil(STRIDE);
            let bits = self.candidates.bits[position / BLOCK] >> (position % BLOCK);
            if bits == 0 {
                at = (position / BLOCK + 1) * BLOCK * STRIDE;
                continue;
            }
            let position = position + bits.trailing_zeros() as usize;
            at = position * STRIDE;
            if at >= stop {
                break;
            }
            let (mut len, mut distance) = (0, 1);
            let known = self.candidates.distances[position * WAYS..][..WAYS].iter().map(|&d| usize::from(d));
            for candidate in known.chain([repeats[0]]) {
                // SAFETY: a candidate lies that far back in the source (the contract of `Isa::scan`), and so does a repeated
                // offset (the caller's); `at` is less than the end (S).
                let common = unsafe {
                    let here = rest.as_ptr().add(at);
                    common_prefix(here, here.sub(candidate), rest.len() - at)
                };
                if common > len {
                    (len, distance) = (common, candidate);
                }
            }
            if len < MIN_MATCH {
                at += 1;
                continue;
            }
            if distance != repeats[0] {
                repeats = [distance, repeats[0]];
            }
            out.emit(self.start + at, len, distance);
            at += len;
        }
        repeats
    }

    /// The best of the candidates of a position, whose bytes are at `here`: its length, at most STEP, and its distance. The nearer
    /// one unless the other is longer by two: it costs less.
    ///
    /// # Safety
    /// Invariant I; the position was scanned or padded, and STEP bytes are readable at `here`.
    #[inline(always)]
    unsafe fn longest<S: Isa, const WAYS: usize>(&self, here: *const u8, position: usize) -> (usize, usize) {
        // SAFETY: the caller's contract; distances reach back inside the source.
        unsafe {
            let candidates = self.candidates.distances.as_ptr().add(position * WAYS);
            let mut distance = usize::from(*candidates);
            let mut len = S::common32(here, here.sub(distance));
            if WAYS == 2 {
                let other = usize::from(*candidates.add(1));
                let common = S::common32(here, here.sub(other));
                let take = common > len + 1;
                distance = select_unpredictable(take, other, distance);
                len = select_unpredictable(take, common, len);
            }
            (len, distance)
        }
    }

    /// Looks for the next match of a lane and notes it. Nothing here branches.
    ///
    /// # Safety
    /// Invariant I; `lane.at < lane.end`, and LANE_ROOM bytes of `rest` follow `lane.end`.
    #[inline(always)]
    unsafe fn step<S: Isa, const STRIDE: usize, const BOTH: bool, const WAYS: usize, const AHEAD: bool>(
        &mut self,
        rest: &[u8],
        lane: &mut Lane,
    ) {
        debug_assert!(lane.at < lane.end && lane.end + LANE_ROOM <= rest.len() && lane.end <= SEGMENT);
        let first = lane.at.div_ceil(STRIDE);
        let [r0, r1] = lane.repeats;
        debug_assert!(r0.max(r1) <= self.start + lane.at && lane.note < self.notes.len());
        // SAFETY: a lane's positions are at most REACH behind its end, so inside the padding of `bits` and `distances`; 33 bytes
        // of `rest` follow them (LANE_ROOM). Distances reach back inside the source: the scan's by its contract, the repeated ones
        // since they were those of earlier positions, or are 1. Notes: see `Lane`.
        unsafe {
            let bits = load64(self.candidates.bits.as_ptr().cast::<u8>().add(first / 8));
            let bits = bits >> (first % 8) | 1 << (REACH / STRIDE - 1);
            let position = first + bits.trailing_zeros() as usize;
            let mut at = position * STRIDE;
            let here = rest.as_ptr().add(at);
            let (mut len, mut distance) = self.longest::<S, WAYS>(here, position);
            if AHEAD {
                let (later, other) = self.longest::<S, WAYS>(here.add(1), position + 1);
                let take = later > len + 1;
                at += usize::from(take);
                distance = select_unpredictable(take, other, distance);
                len = select_unpredictable(take, later, len);
            }
            if BOTH {
                let here = rest.as_ptr().add(lane.at);
                let (equal, others) = (S::equal32(here, here.sub(r0)), S::equal32(here, here.sub(r1)));
                let (fours, other) = (fours(equal), fours(others));
                let skip = (fours | other).trailing_zeros();
                let take = u64::from(fours) >> skip & 1 == 0;
                let equal = select_unpredictable(take, others, equal);
                let repeat = select_unpredictable(take, r1, r0);
                let repeated = (!(u64::from(equal) >> skip)).trailing_zeros() as usize;
                let early = lane.at + skip as usize;
                // A byte earlier saves about a literal, and a repeated distance the bits of one. On pages, 3 in place of 4 is 0.1 % larger, and
                // 4 in place of 5 0.3 %.
                let take = repeated + 4 * at + 5 >= len + 4 * early;
                let open = (skip as usize + repeated) / STEP * OPEN;
                at = select_unpredictable(take, early | open, at);
                distance = select_unpredictable(take, repeat, distance);
                len = select_unpredictable(take, repeated, len);
            } else {
                let repeated = S::common32(here, here.sub(r0));
                // A repeated distance costs less.
                let take = repeated + 2 >= len;
                distance = select_unpredictable(take, r0, distance);
                len = select_unpredictable(take, repeated, len);
            }
            let found = len >= MIN_MATCH;
            *self.notes.get_unchecked_mut(lane.note) = note(at, len, distance);
            lane.note += usize::from(found);
            // A guess where nothing was found, which is seldom.
            lane.repeats = [distance, if BOTH { select_unpredictable(distance != r0, r0, r1) } else { r1 }];
            lane.at = at % OPEN + len + usize::from(!found);
        }
    }
}

/// The bits from which on four are set.
#[inline(always)]
fn fours(bits: u32) -> u32 {
    let pairs = bits & bits >> 1;
    pairs & pairs >> 2
}

impl Output<'_> {
    /// Appends the sequences of notes, which are relative to `base`, a position of `src`, the source up to the end of the block. Up to
    /// COPY literals are copied at once.
    ///
    /// # Safety
    /// Invariant I; the matches lie in `src` and their bytes are equal.
    #[inline(always)]
    unsafe fn notes<S: Isa, const COPY: usize>(&mut self, src: &[u8], base: usize, notes: &[u64]) {
        const { assert!(COPY <= LITERALS_SLACK) };
        // Kept apart from `self`, so that they stay in registers.
        let mut anchor = self.anchor;
        let (first_literal, first_sequence) = (self.literals.as_mut_ptr(), self.sequences.as_mut_ptr());
        let input = src.len().saturating_sub(COPY - 1);
        // SAFETY: both are as long as their buffers at most.
        let (mut literal, mut sequence) =
            unsafe { (first_literal.add(self.found.literals), first_sequence.add(self.found.sequences)) };
        for &note in notes {
            let mut at = base + note as usize % OPEN;
            let distance = (note >> DISTANCE_AT) as usize;
            let mut end = at + (note >> LEN_AT) as usize % (1 << LEN_BITS);
            // What the sequence will be, but for its literals.
            let mut packed = note >> LEN_AT << LEN_AT;
            if note & (OPEN as u64 | (STEP as u64) << LEN_AT) != 0 {
                if end <= anchor {
                    continue;
                }
                // SAFETY: invariant I is the caller's; the match ends before the end of `src`, and so does what is compared (S).
                let more = unsafe {
                    let behind = src.as_ptr().add(end);
                    far::<S>(behind, behind.sub(distance), src.len() - end)
                };
                end += more;
                packed += (more as u64) << LEN_AT;
            }
            if at - distance >= 8 {
                // SAFETY: 8 bytes lie before both (S).
                let differing = unsafe {
                    let here = src.as_ptr().add(at - 8);
                    load64(here) ^ load64(here.sub(distance))
                };
                let back = (differing.leading_zeros() as usize / 8).min(at.saturating_sub(anchor));
                at -= back;
                packed += (back as u64) << LEN_AT;
            }
            let mut literals = at.wrapping_sub(anchor);
            // SAFETY: each sequence takes MIN_MATCH bytes or more of the block, and each literal one: `new` asked for room for as
            // many, and for COPY more literals (D). As many bytes are read only where they are there (S).
            unsafe {
                if literals <= COPY && anchor < input {
                    copy::<COPY>(src.as_ptr().add(anchor), literal);
                } else if at < anchor {
                    // Two lanes overlap.
                    let cut = anchor - at;
                    if end < anchor + MIN_MATCH {
                        continue;
                    }
                    packed -= (cut as u64) << LEN_AT;
                    literals = 0;
                } else {
                    core::ptr::copy_nonoverlapping(src.as_ptr().add(anchor), literal, literals);
                }
                literal = literal.add(literals);
                debug_assert!(sequence.offset_from(first_sequence) < self.sequences.len().cast_signed());
                *sequence = packed - (MIN_LEN << LEN_AT) + literals as u64;
                sequence = sequence.add(1);
            }
            anchor = end;
        }
        self.anchor = anchor;
        // SAFETY: both point into their buffers, or behind the last element.
        self.found = unsafe {
            Found {
                literals: literal.offset_from(first_literal).cast_unsigned(),
                sequences: sequence.offset_from(first_sequence).cast_unsigned(),
            }
        };
    }
}
