//! The densest finder: several candidates for every position, and the cheapest parse with them.
//!
//! ```text
//! search   for each position: the last places with the same four bytes, out of a row of the table
//! prices   in bits, of literals, runs, lengths and distances: a guess, then what the parse before gives
//! parse    at each position, in order: what is the cheapest way here? From here, a literal, or a match of any length with a
//!          repeated offset or a candidate: is that the cheapest way to where it ends, so far?
//! output   the cheapest way to the end, from back to front
//! ```
//!
//! Candidates that the position before has too are left out where a literal leads here: the match is part of that one. So are all
//! of a position if the next one is reached nearly as cheaply: it lies inside a match.
//!
//! Source: the parse is that of `ZSTD_compressBlock_opt_generic` of the zstd project; rows of entries are those of its row match
//! finder. Liberties: prices do not change within a segment; of a match longer than [`STEP`], only the whole length and those up to
//! that are tried; matches end with their segment.

use core::hint::select_unpredictable;

use super::super::arena::Arena;
use super::super::lz4_isa::{BLOCK, Isa, KEY_ROOM};
use super::super::match_len::common_prefix;
use super::super::word::load32;
use super::super::zstd_encode::codes::{LL_CODES, ML_CODES};
use super::super::zstd_seq_encode::MIN_LEN;
use super::{Found, Job, MIN_MATCH, Output, Parse, WINDOW, far};
use crate::base::format::zstd::{LL_BITS, ML_BITS};

/// Bytes of the block that are parsed together.
const SEGMENT: usize = 4096;
/// An entry of an empty table: position 0 with a tag that hardly a position has. Zeros, which many have, hash to 0.
const EMPTY: u32 = 0x8000_0000;
/// The most candidates of a position.
const MOST_WAYS: usize = 8;
/// Bytes that are compared at once.
pub const STEP: usize = 32;
/// Bytes before the end of the block at which no match starts.
const MARGIN: usize = 8;
/// Prices are in this fraction of a bit.
const BIT: u32 = 64;
/// A position is left out if the next one costs at most so much more. On pages, 0 to 1 bit give the same size, in ever less
/// time; 2 bits give 0.2 % more.
const NEARLY: i64 = BIT as i64;

/// A way: the price of all so far above bit 40, the distance above bit 17, and the length, 0 for a literal. The price of a segment is
/// below 2^22.
const DISTANCE_AT: u32 = 17;
const PRICE_AT: u32 = 40;
const LEN_MASK: usize = (1 << DISTANCE_AT) - 1;
/// A node: the three repeated offsets, 16 bits each, and the literals since the last match above them.
const RUN_AT: u32 = 48;

/// Bits of the number of rows of a table, for sources of `len` bytes.
const fn row_bits(len: usize, ways: usize) -> u32 {
    let bits = if len <= SEGMENT { 12 } else { 14 };
    bits - ways.ilog2()
}

/// Entries of the arrays of a segment.
const fn segment_len(max_len: usize) -> usize {
    if max_len < SEGMENT { max_len } else { SEGMENT }
}

/// Words of scratch for sources of at most `max_len` bytes with `ways` candidates a position.
pub const fn words(max_len: usize, ways: usize) -> usize {
    let len = segment_len(max_len);
    Arena::ALIGN_WORDS
        + Arena::words_for::<u32>(ways << row_bits(max_len, ways))
        + Arena::words_for::<u16>(MOST_WAYS + (len + BLOCK) * ways)
        + (len / BLOCK + 1) * ways
        + 2 * (len + 1)
}

/// How hard it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Candidates of a position: 4 or 8.
    pub ways: usize,
    /// Parses, at least 1, each with the prices that the one before gives.
    pub passes: usize,
    /// A match of this length is taken, and nothing inside of it looked at; [`STEP`] at most.
    pub enough: usize,
}

/// Prices, in fractions of a bit.
struct Prices {
    /// [`Effort::enough`].
    enough: usize,
    /// By byte.
    literal: [u32; 256],
    /// By length of a run: from a run to one that is a byte longer.
    grow: [i32; 64],
    /// No run.
    no_run: u32,
    /// By length of a match up to STEP, as part of a way, with the length.
    len: [i64; STEP + 1],
    /// By code, with the bits of the offset.
    offset: [u32; 32],
    /// By code.
    len_code: [u32; 53],
}

/// How often the first codes are used in a page with some 220 sequences, about.
const RUNS: [u32; 16] = [60, 50, 25, 20, 20, 10, 8, 7, 6, 4, 4, 3, 3, 2, 2, 2];
/// See [`RUNS`].
const LENS: [u32; 43] = [
    3, 30, 25, 20, 22, 12, 9, 8, 8, 6, 6, 5, 6, 4, 4, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 6, 6, 6, 6, 6,
    6, 8, 8, 4, 3, 2,
];
/// See [`RUNS`].
const OFFSETS: [u32; 16] = [60, 30, 3, 6, 12, 12, 14, 16, 18, 20, 22, 24, 2, 2, 2, 2];

/// How often each byte is a literal, and each code is used.
struct Counts {
    literal: [u32; 256],
    run: [u32; 36],
    len: [u32; 53],
    offset: [u32; 32],
}

/// Code of a run.
fn run_code(run: usize) -> usize {
    if run < 64 { usize::from(LL_CODES[run] & 0xff) } else { run.ilog2() as usize + 19 }
}

/// Code of a match length.
fn len_code(len: usize) -> usize {
    let len = len - MIN_LEN as usize;
    if len < 128 { usize::from(ML_CODES[len] & 0xff) } else { len.ilog2() as usize + 36 }
}

/// Log2 of `x`, in fractions of a bit, linear between powers of two.
fn log2(x: u32) -> u32 {
    let log = x.max(1).ilog2();
    log * BIT + (((u64::from(x.max(1)) * u64::from(BIT)) >> log) as u32 - BIT)
}

/// What each of the codes costs that are so often used; one that is not, as if it were used once.
fn prices<const N: usize>(counts: &[u32; N]) -> [u32; N] {
    let all = log2(counts.iter().map(|&c| c.max(1)).sum());
    counts.map(|c| (all - log2(c.max(1))).max(BIT / 4))
}

impl Prices {
    fn new(counts: &Counts, enough: usize) -> Self {
        let (run_code, len_code) = (prices(&counts.run), prices(&counts.len));
        let offset = prices(&counts.offset);
        let run = |run: usize| {
            let code = self::run_code(run);
            (run_code[code] + u32::from(LL_BITS[code]) * BIT).cast_signed()
        };
        let mut prices = Prices {
            enough,
            literal: prices(&counts.literal).map(|price| price.min(11 * BIT)),
            // Longer ones cost another bit where they double.
            grow: core::array::from_fn(|i| if i == 63 { 0 } else { run(i + 1) - run(i) }),
            no_run: run_code[0],
            len: [0; STEP + 1],
            offset: core::array::from_fn(|code| offset[code] + code as u32 * BIT),
            len_code,
        };
        for len in MIN_MATCH..=STEP {
            prices.len[len] = prices.long(len);
        }
        prices
    }

    /// The price of a match length as part of a way, with the length.
    fn long(&self, len: usize) -> i64 {
        let code = len_code(len);
        i64::from(self.len_code[code] + u32::from(ML_BITS[code]) * BIT) << PRICE_AT | len as i64
    }
}

/// Parses a block at the least cost.
///
/// `scratch` is at least [`words`]`(job.src.len(), effort.ways)` long, contents unspecified for a block within the first [`WINDOW`]
/// bytes of a source, and for one behind those what the call for the block before it left there, or zeros. Does not allocate; linear in the
/// length of the block, but for matches of more than [`STEP`] bytes that do not get taken.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `S`.
///
/// # Panics
/// If `scratch` is too short.
#[inline(always)]
pub unsafe fn find<S: Isa>(job: &Job<'_>, effort: Effort, scratch: &mut [u64], parse: Parse<'_>) -> Found {
    // SAFETY: invariant I is the caller's.
    unsafe {
        match effort.ways {
            4 => find_with::<S, 4>(job, effort, scratch, parse),
            _ => find_with::<S, 8>(job, effort, scratch, parse),
        }
    }
}

/// [`find`] with `W` ways.
///
/// # Safety
/// Invariant I.
#[inline(always)]
unsafe fn find_with<S: Isa, const W: usize>(
    job: &Job<'_>,
    effort: Effort,
    scratch: &mut [u64],
    parse: Parse<'_>,
) -> Found {
    let mut out = Output::new(job, parse);
    let src = &job.src[..job.end];
    let mut arena = Arena::new(scratch);
    arena.align();
    let bits = row_bits(job.src.len(), W);
    let room = segment_len(job.src.len());
    let table = arena.take::<u32>(W << bits);
    if job.start < WINDOW {
        table.fill(EMPTY);
    }
    let distances = arena.take::<u16>(MOST_WAYS + (room + BLOCK) * W);
    let fresh = arena.take::<u64>((room / BLOCK + 1) * W);
    let ways = arena.take::<i64>(room + 1);
    let nodes = arena.take::<u64>(room + 1);
    let repeats =
        job.repeats.map(|repeat| if (1..=job.start.min(0xFFFF)).contains(&(repeat as usize)) { repeat } else { 1 });
    let mut first = u64::from(repeats[0]) | u64::from(repeats[1]) << 16 | u64::from(repeats[2]) << 32;
    for start in (job.start..job.end.saturating_sub(MARGIN)).step_by(SEGMENT) {
        let end = job.end.min(start + SEGMENT);
        let mut segment = Segment::<W> { src, start, end, first, distances, fresh, ways, nodes };
        // SAFETY: invariant I is the caller's; the table has rows of W entries for `bits` bits, aligned to a cache line; the parse
        // follows the search.
        unsafe {
            segment.search::<S>(table, bits);
            segment.parse::<S>(&Prices::new(&segment.guess(), effort.enough));
            for _ in 1..effort.passes {
                let counts = segment.count();
                segment.parse::<S>(&Prices::new(&counts, effort.enough));
            }
        }
        first = segment.write(&mut out);
    }
    out.finish(job.end)
}

/// A part of a block, whose matches end in it, and what is known of it.
struct Segment<'a, 'm, const W: usize> {
    /// The source up to the end of the block.
    src: &'a [u8],
    start: usize,
    end: usize,
    /// The node that the segment begins with.
    first: u64,
    /// By position, from index [`MOST_WAYS`] on: the distances of the candidates, 0 for none.
    distances: &'m mut [u16],
    /// A bit for each of them, set where the position before has no such distance.
    fresh: &'m mut [u64],
    /// By position: the cheapest way there.
    ways: &'m mut [i64],
    /// By position, where a way leads from: the node. Of the chosen ones at last: where the next match ends.
    nodes: &'m mut [u64],
}

impl<const W: usize> Segment<'_, '_, W> {
    /// Finds the candidates.
    ///
    /// # Safety
    /// Invariant I; the table has rows of `W` entries for `bits` bits, aligned to the size of a row.
    #[inline(always)]
    unsafe fn search<S: Isa>(&mut self, table: &mut [u32], bits: u32) {
        debug_assert!(table.len() == W << bits);
        self.distances[..MOST_WAYS].fill(0);
        for at in (self.start..self.end).step_by(BLOCK) {
            let rest = &self.src[at..];
            let mut padded = [0; BLOCK + KEY_ROOM];
            let from = if rest.len() >= BLOCK + KEY_ROOM {
                rest.as_ptr()
            } else {
                padded[..rest.len()].copy_from_slice(rest);
                padded.as_ptr()
            };
            let block = (at - self.start) / BLOCK;
            let out = &mut self.distances[block * BLOCK * W..][..MOST_WAYS + BLOCK * W];
            let mut fresh = [0; MOST_WAYS];
            // SAFETY: invariant I and the table are the caller's; BLOCK + KEY_ROOM bytes are at `from` either way (S); BLOCK * W
            // elements, and W before them, are in `out` (D).
            unsafe {
                let out = out.as_mut_ptr().add(MOST_WAYS);
                S::scan_rows::<W>(bits, from, at, table.as_mut_ptr(), out);
                S::fresh::<W>(out, &mut fresh);
            }
            self.fresh[block * W..][..W].copy_from_slice(&fresh[..W]);
        }
    }

    /// What a first parse may expect: as literals the bytes that no match of a candidate covers, and the codes of pages.
    fn guess(&self) -> Counts {
        let mut counts = Counts { literal: [0; 256], run: [1; 36], len: [1; 53], offset: [1; 32] };
        let mut quiet = 0;
        for (i, &byte) in self.src[self.start..self.end].iter().enumerate() {
            quiet = select_unpredictable(self.distances[MOST_WAYS + i * W] == 0, quiet + 1, 0);
            counts.literal[usize::from(byte)] += u32::from(quiet > 3);
        }
        counts.run[..RUNS.len()].copy_from_slice(&RUNS);
        counts.len[..LENS.len()].copy_from_slice(&LENS);
        counts.offset[..OFFSETS.len()].copy_from_slice(&OFFSETS);
        counts
    }

    /// Finds the cheapest way to every position.
    ///
    /// # Safety
    /// Invariant I; the search came before.
    #[inline(always)]
    unsafe fn parse<S: Isa>(&mut self, prices: &Prices) {
        let (base, count) = (self.start, self.end - self.start);
        let stop = count.min((self.src.len() - base).saturating_sub(MARGIN));
        assert!(self.ways.len() > count && self.nodes.len() > count);
        assert!(self.distances.len() >= MOST_WAYS + count * W && self.fresh.len() * 64 >= count * W);
        self.ways[..=count].fill(i64::MAX);
        self.ways[0] = 0;
        let mut node = self.first;
        let mut at = 0;
        while at < count {
            let way = self.ways[at];
            let (price, len) = (way >> PRICE_AT, way as usize & LEN_MASK);
            if len != 0 {
                node = after(self.nodes[at - len], (way >> DISTANCE_AT) as usize & 0xFFFF);
            }
            self.nodes[at] = node;
            let run = (node >> RUN_AT) as usize;
            let byte = usize::from(self.src[base + at]);
            let literal = price + i64::from(prices.literal[byte]) + i64::from(prices.grow[run.min(63)]);
            let next = &mut self.ways[at + 1];
            *next = (*next).min(literal << PRICE_AT);
            let is_inside = *next >> PRICE_AT <= price + NEARLY;
            if at >= stop || base + at == 0 || is_inside {
                at += 1;
                node += 1 << RUN_AT;
                continue;
            }
            // SAFETY: invariant I is the caller's. `at` is before `stop`, so 8 bytes are there; a distance that is compared leads
            // back inside the source, those of candidates by the contract of `Isa::scan_rows` (S). Arrays have entries for all
            // positions up to `count` (the assertions).
            unsafe {
                let here = self.src.as_ptr().add(base + at);
                let word = load32(here);
                let mut place = Place {
                    here,
                    ways: self.ways.as_mut_ptr().add(at),
                    most: count - at,
                    longest: MIN_MATCH - 1,
                    enough: prices.enough,
                    next: 1,
                    price: (price + i64::from(prices.no_run)) << PRICE_AT,
                };
                let [first, second, third] = offers(node).map(|distance| {
                    let leads_back = distance.wrapping_sub(1) < base + at;
                    let distance = if leads_back { distance } else { 1 };
                    // Three bytes are enough.
                    (distance, leads_back && (load32(here.sub(distance)) ^ word) << 8 == 0)
                });
                if first.1 | second.1 | third.1 {
                    if first.1 {
                        place.consider::<S>(first.0, prices.offset[0], prices);
                    }
                    if second.1 {
                        place.consider::<S>(second.0, prices.offset[1], prices);
                    }
                    if third.1 {
                        place.consider::<S>(third.0, prices.offset[1], prices);
                    }
                }
                let fresh = *self.fresh.get_unchecked(at * W / 64) >> (at * W % 64);
                let mut bits = if len == 0 { fresh } else { u64::MAX } & ((1 << W) - 1);
                while bits != 0 {
                    let way = bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    let distance = usize::from(*self.distances.get_unchecked(MOST_WAYS + at * W + way));
                    if distance != 0 {
                        place.consider::<S>(distance, prices.offset[(distance + 3).ilog2() as usize], prices);
                    }
                }
                at += place.next;
                node += 1 << RUN_AT;
            }
        }
    }

    /// Calls `f` with the start, the length and the distance of each match of the cheapest way to the end, in order.
    fn each(&mut self, mut f: impl FnMut(usize, usize, usize)) {
        let (mut at, mut next) = (self.end - self.start, 0);
        while at > 0 {
            let len = self.ways[at] as usize & LEN_MASK;
            if len != 0 {
                self.nodes[at] = next as u64;
                next = at;
            }
            at -= len.max(1);
        }
        while next != 0 {
            let way = self.ways[next];
            let len = way as usize & LEN_MASK;
            f(next - len, len, (way >> DISTANCE_AT) as usize & 0xFFFF);
            next = self.nodes[next] as usize;
        }
    }

    /// What the cheapest way uses.
    fn count(&mut self) -> Counts {
        let mut counts = Counts { literal: [0; 256], run: [0; 36], len: [0; 53], offset: [0; 32] };
        let (mut node, mut anchor) = (self.first, 0);
        let bytes = &self.src[self.start..self.end];
        self.each(|at, len, distance| {
            bytes[anchor..at].iter().for_each(|&byte| counts.literal[usize::from(byte)] += 1);
            counts.run[run_code(at - anchor)] += 1;
            counts.len[len_code(len)] += 1;
            node += ((at - anchor) as u64) << RUN_AT;
            let code = match offers(node).iter().position(|&offer| offer == distance) {
                Some(place) => place.min(1),
                None => (distance + 3).ilog2() as usize,
            };
            counts.offset[code] += 1;
            node = after(node, distance);
            anchor = at + len;
        });
        bytes[anchor..].iter().for_each(|&byte| counts.literal[usize::from(byte)] += 1);
        counts
    }

    /// Appends the matches of the cheapest way, and returns the node that the next segment begins with.
    fn write(&mut self, out: &mut Output<'_>) -> u64 {
        let (mut node, start) = (self.first, self.start);
        self.each(|at, len, distance| {
            node = after(node, distance);
            out.emit(start + at, len, distance);
        });
        node & ((1 << RUN_AT) - 1)
    }
}

/// A position from which matches are tried.
struct Place {
    here: *const u8,
    /// From this position on.
    ways: *mut i64,
    /// Bytes of the segment from here on.
    most: usize,
    /// The longest match so far, at most STEP: others only matter beyond that, since what costs less comes first.
    longest: usize,
    /// A match of this length is taken, and nothing inside of it looked at.
    enough: usize,
    /// Bytes to the position to go on with.
    next: usize,
    /// The price so far, with that of no literals before the match behind this one, as part of a way.
    price: i64,
}

impl Place {
    /// Tries the matches of a distance.
    ///
    /// # Safety
    /// Invariant I; `most` bytes are at `here`, `distance` leads back inside the source, and `ways` has an entry for each of them and one
    /// more.
    #[inline(always)]
    unsafe fn consider<S: Isa>(&mut self, distance: usize, offset: u32, prices: &Prices) {
        // SAFETY: the caller's contract (I, S); a length is at most `most` (D).
        unsafe {
            let there = self.here.sub(distance);
            let len = if self.most >= STEP {
                S::common32(self.here, there)
            } else {
                common_prefix(self.here, there, self.most)
            };
            if len <= self.longest {
                return;
            }
            let way = self.price + (i64::from(offset) << PRICE_AT) + ((distance as i64) << DISTANCE_AT);
            for len in self.longest + 1..=len {
                // Volatile, so that entries are loaded one by one: a vector of them would wait until all that were stored from
                // positions before, each of them elsewhere, have reached the cache.
                let entry = self.ways.add(len);
                entry.write_volatile(entry.read_volatile().min(way + *prices.len.get_unchecked(len)));
            }
            self.longest = len;
            if len >= self.enough && len < STEP {
                self.next = self.next.max(len);
            } else if len == STEP {
                let len = STEP + far::<S>(self.here.add(STEP), there.add(STEP), self.most - STEP);
                let entry = self.ways.add(len);
                *entry = (*entry).min(way + prices.long(len));
                self.next = self.next.max(len);
            }
        }
    }
}

/// The distances that the three references mean: without literals the second, the third, and the first less one.
#[inline(always)]
fn offers(node: u64) -> [usize; 3] {
    let [r0, r1, r2] = [node, node >> 16, node >> 32].map(|repeat| usize::from(repeat as u16));
    if node >> RUN_AT == 0 { [r1, r2, r0.wrapping_sub(1)] } else { [r0, r1, r2] }
}

/// The node behind a match.
#[inline(always)]
fn after(node: u64, distance: usize) -> u64 {
    let (r0, r1, distance) = (node & 0xFFFF, node >> 16 & 0xFFFF, distance as u64);
    if distance == r0 {
        node & ((1 << RUN_AT) - 1)
    } else if distance == r1 {
        distance | r0 << 16 | node & 0xFFFF_0000_0000
    } else {
        distance | (node & 0xFFFF_FFFF) << 16
    }
}
