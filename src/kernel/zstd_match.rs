//! Match finders for Zstandard: a block to literals and sequences.
//!
//! Both parse one block of at most 64 KiB of a longer source, whose earlier bytes are history. Hash tables hold the low
//! 16 bits of positions: an entry names the one position of the last 64 KiB that has these bits, and since every
//! candidate is compared with the source, an entry that is older than that costs a comparison and never a wrong match.
//!
//! A dictionary is history of its own, before the source. A match in it ends at its end at the latest.
//!
//! The repeated offsets are followed here only to know which distances are cheap; [`super::zstd_seq_encode::codes`]
//! decides how a distance is written, so that a matcher can do no harm with them.

use super::zstd_seq_encode::pack;

/// Shortest match that the finders report: the literals and sequences of a block are bounded by it.
pub const MIN_MATCH: usize = 4;
/// Bytes that the literals buffer must have beyond the length of the block.
pub const LITERALS_SLACK: usize = 16;
/// Farthest distance into the source, and the window of frames with more than one block.
pub const WINDOW: usize = 1 << 16;
/// Bytes that the fast finder's key covers, at the index of a dictionary too.
pub const KEY: u32 = 5;
/// Bytes of the short key of the dense finder.
const SHORT_KEY: u32 = 4;
/// Bytes of the long key of the dense finder, at the index of a dictionary too.
pub const LONG_KEY: u32 = 8;

/// What to parse.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The whole source.
    pub src: &'a [u8],
    /// Where the block starts.
    pub start: usize,
    /// Where the block ends; the match finders report no match beyond.
    pub end: usize,
    /// The repeated offsets.
    pub repeats: [u32; 3],
    /// Fast finder: bytes from one probe to the next, at least 1. Dense finder: how many bytes further it looks for a
    /// better match.
    pub step: usize,
    /// The dictionary, for a block that starts within [`WINDOW`] bytes of the source.
    pub history: Option<History<'a>>,
}

/// A dictionary's content and an index of it.
#[derive(Clone, Copy)]
pub struct History<'a> {
    /// The content; its end is right before the source.
    pub content: &'a [u8],
    /// One more than the last position of each hash of [`KEY`] bytes, 0 if it has none; a power of two long.
    pub short: &'a [u32],
    /// As `short`, of [`LONG_KEY`] bytes.
    pub long: &'a [u32],
}

/// Where a finder puts what it finds.
pub struct Parse<'a> {
    /// Sequences, packed; [`MIN_MATCH`] bytes of the block or more each.
    pub sequences: &'a mut [u64],
    /// Literals of all sequences and after the last one, [`LITERALS_SLACK`] bytes longer than the block.
    pub literals: &'a mut [u8],
}

/// How much a finder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Sequences written.
    pub sequences: usize,
    /// Literals written.
    pub literals: usize,
}

/// Returns the hash of the low `key` bytes of `word`, below `1 << log`.
#[inline(always)]
pub fn hash(word: u64, key: u32, log: u32) -> usize {
    // The golden ratio to 64 bits, made odd: multiplicative hashing, Knuth volume 3, section 6.4.
    ((word << (64 - 8 * key)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - log)) as usize
}

/// # Safety
/// `at + 8 <= bytes.len()`.
#[inline(always)]
unsafe fn load64(bytes: &[u8], at: usize) -> u64 {
    debug_assert!(at + 8 <= bytes.len());
    // SAFETY: the caller's promise (S).
    u64::from_le(unsafe { bytes.as_ptr().add(at).cast::<u64>().read_unaligned() })
}

/// # Safety
/// `at + 4 <= bytes.len()`.
#[inline(always)]
unsafe fn load32(bytes: &[u8], at: usize) -> u32 {
    debug_assert!(at + 4 <= bytes.len());
    // SAFETY: the caller's promise (S).
    u32::from_le(unsafe { bytes.as_ptr().add(at).cast::<u32>().read_unaligned() })
}

/// Returns how many bytes agree from `a[x]` and from `b[y]` on, at most `limit`.
///
/// # Safety
/// `x + limit <= a.len()` and `y + limit <= b.len()`.
#[inline(always)]
unsafe fn common(a: &[u8], x: usize, b: &[u8], y: usize, limit: usize) -> usize {
    debug_assert!(x + limit <= a.len() && y + limit <= b.len());
    let mut n = 0;
    while limit - n >= 8 {
        // SAFETY: `n + 8 <= limit`, and `limit` bytes are readable on both sides (S).
        let differing = unsafe { load64(a, x + n) ^ load64(b, y + n) };
        if differing != 0 {
            return n + (differing.trailing_zeros() >> 3) as usize;
        }
        n += 8;
    }
    while n < limit && a[x + n] == b[y + n] {
        n += 1;
    }
    n
}

/// Where the source and, before it, the dictionary are; `DICT` says whether there is one.
#[derive(Clone, Copy)]
struct Text<'a, const DICT: bool> {
    src: &'a [u8],
    dict: &'a [u8],
    end: usize,
}

impl<const DICT: bool> Text<'_, DICT> {
    /// Returns the length of the match at `at` of `distance` bytes back, or 0 if it is shorter than 4 or leads nowhere.
    ///
    /// # Safety
    /// `at + 4 <= self.end <= self.src.len()`, and without a dictionary `distance <= WINDOW`.
    #[inline(always)]
    unsafe fn matching(&self, at: usize, distance: usize) -> usize {
        if distance.wrapping_sub(1) < at {
            let from = at - distance;
            // SAFETY: `from < at`, and `at + 4 <= end`; then `end - at` bytes from either (S).
            unsafe {
                if load32(self.src, from) != load32(self.src, at) {
                    return 0;
                }
                4 + common(self.src, from + 4, self.src, at + 4, self.end - at - 4)
            }
        } else if DICT && distance.wrapping_sub(at) <= self.dict.len() && distance - at >= 4 {
            let from = self.dict.len() - (distance - at);
            // SAFETY: 4 bytes or more follow `from` in the dictionary, `end - at >= 4` follow `at` in the source (S).
            unsafe {
                let limit = (distance - at).min(self.end - at);
                let len = common(self.dict, from, self.src, at, limit);
                if len < 4 { 0 } else { len }
            }
        } else {
            0
        }
    }

    /// Returns by how many bytes the match at `at` can begin earlier, without going back beyond `anchor`.
    #[inline(always)]
    fn backward(&self, at: usize, distance: usize, anchor: usize) -> usize {
        let mut n = 0;
        if distance <= at {
            let reach = (at - anchor).min(at - distance);
            while n < reach && self.src[at - n - 1] == self.src[at - distance - n - 1] {
                n += 1;
            }
        } else if DICT {
            let from = self.dict.len() - (distance - at);
            let reach = (at - anchor).min(from);
            while n < reach && self.src[at - n - 1] == self.dict[from - n - 1] {
                n += 1;
            }
        }
        n
    }
}

/// The output of a parse as it grows.
struct Output<'a> {
    src: &'a [u8],
    sequences: &'a mut [u64],
    literals: &'a mut [u8],
    found: Found,
    /// End of the last match: literals start here.
    anchor: usize,
}

impl<'a> Output<'a> {
    fn new(job: &Job<'a>, parse: Parse<'a>) -> Self {
        assert!(job.end <= job.src.len() && job.start <= job.end && job.end - job.start <= WINDOW);
        assert!(parse.literals.len() >= job.end - job.start + LITERALS_SLACK);
        assert!(parse.sequences.len() >= (job.end - job.start) / MIN_MATCH);
        let found = Found { sequences: 0, literals: 0 };
        Output { src: job.src, sequences: parse.sequences, literals: parse.literals, found, anchor: job.start }
    }

    /// Appends the literals up to `at`, where a match of `len >= MIN_MATCH` bytes from `distance` back follows.
    #[inline(always)]
    fn emit(&mut self, at: usize, len: usize, distance: usize) {
        let literals = at - self.anchor;
        self.copy_literals(at);
        // One sequence for each MIN_MATCH bytes of the block at most, and `new` asked for that many.
        if let Some(slot) = self.sequences.get_mut(self.found.sequences) {
            *slot = pack(literals as u32, len as u32, distance as u32);
            self.found.sequences += 1;
        }
        self.anchor = at + len;
    }

    #[inline(always)]
    fn copy_literals(&mut self, to: usize) {
        let len = to - self.anchor;
        let at = self.found.literals;
        if len <= LITERALS_SLACK && self.src.len() - self.anchor >= LITERALS_SLACK {
            // SAFETY: LITERALS_SLACK bytes follow `anchor` in the source (S); `at` is below the length of the block,
            // beyond which the buffer has LITERALS_SLACK bytes by the assertion of `new` (D).
            unsafe {
                debug_assert!(self.literals.len() - at >= LITERALS_SLACK);
                let from = self.src.as_ptr().add(self.anchor);
                core::ptr::copy_nonoverlapping(from, self.literals.as_mut_ptr().add(at), LITERALS_SLACK);
            }
        } else {
            self.literals[at..at + len].copy_from_slice(&self.src[self.anchor..to]);
        }
        self.found.literals = at + len;
    }

    fn finish(mut self, end: usize) -> Found {
        self.copy_literals(end);
        self.found
    }
}

/// Returns the distance from `at` back to the position whose low 16 bits are `entry`; 65536 becomes 0.
#[inline(always)]
fn distance_of(at: usize, entry: u16) -> usize {
    usize::from((at as u16).wrapping_sub(entry))
}

/// A repeated offset that a parse may use: without a dictionary those beyond the window lead nowhere.
fn usable<const DICT: bool>(repeat: u32) -> usize {
    if !DICT && repeat as usize > WINDOW { 0 } else { repeat as usize }
}

/// Parses a block with one table of hashes of `key` bytes (4 to 8), greedily.
///
/// `table` is the state: cleared before the first block of a source, handed on to the next; its length is a power of two
/// of at most 65536.
///
/// Source: one probe per position, one for the first repeated offset at the position after it and, right after a match,
/// for the second: `ZSTD_compressBlock_fast` of the zstd project, of version 1.4. Ours has 16-bit entries and follows the
/// variant that a study of 4 KiB pages found best.
pub fn fast(job: &Job<'_>, key: u32, table: &mut [u16], parse: Parse<'_>) -> Found {
    match (job.history, key) {
        (None, 5) => fast_body::<false>(job, 5, table, parse),
        (None, 6) => fast_body::<false>(job, 6, table, parse),
        (None, _) => fast_body::<false>(job, key, table, parse),
        (Some(_), _) => fast_body::<true>(job, key, table, parse),
    }
}

#[inline(always)]
fn fast_body<const DICT: bool>(job: &Job<'_>, key: u32, table: &mut [u16], parse: Parse<'_>) -> Found {
    let mut out = Output::new(job, parse);
    let (src, end) = (job.src, job.end);
    let log = table_log(table.len());
    let history = job.history.unwrap_or(History { content: &[], short: &[0, 0], long: &[0, 0] });
    let dict_log = table_log(history.short.len());
    let text = Text::<DICT> { src, dict: history.content, end };
    let [mut r0, mut r1] = [usable::<DICT>(job.repeats[0]), usable::<DICT>(job.repeats[1])];
    let mut at = job.start + usize::from(job.start == 0 && !DICT);
    while end >= 8 && at <= end - 8 {
        // SAFETY: `at + 8 <= end <= src.len()` here (S); `hash` is below `1 << log`, the length of its table.
        let (len, from, distance) = unsafe {
            let word = load64(src, at);
            let slot = table.get_unchecked_mut(hash(word, key, log));
            let distance = distance_of(at, *slot);
            *slot = at as u16;
            let len = text.matching(at + 1, r0);
            if len != 0 {
                (len, at + 1, r0)
            } else {
                let len = if distance.wrapping_sub(1) < at { text.matching(at, distance) } else { 0 };
                if len != 0 {
                    (len, at, distance)
                } else if DICT {
                    let entry = *history.short.get_unchecked(hash(word, KEY, dict_log)) as usize;
                    let distance = at + history.content.len() + 1 - entry;
                    let len = if entry != 0 { text.matching(at, distance) } else { 0 };
                    (len, at, distance)
                } else {
                    (0, at, 0)
                }
            }
        };
        if len == 0 {
            // The longer nothing was found, the larger the steps: every 256 bytes one more.
            at += job.step + ((at - out.anchor) >> 8);
            continue;
        }
        let back = text.backward(from, distance, out.anchor);
        let (from, len) = (from - back, len + back);
        if distance != r0 {
            r1 = r0;
            r0 = distance;
        }
        out.emit(from, len, distance);
        let found = at;
        at = from + len;
        if at <= end - 8 {
            // SAFETY: `found + 2 + 8` and `at - 2 + 8` are at most `end` (S), as a match has 4 bytes or more.
            unsafe {
                let word = load64(src, (found + 2).min(at));
                *table.get_unchecked_mut(hash(word, key, log)) = (found + 2).min(at) as u16;
                let word = load64(src, at - 2);
                *table.get_unchecked_mut(hash(word, key, log)) = (at - 2) as u16;
                while at <= end - 8 {
                    let len = text.matching(at, r1);
                    if len == 0 {
                        break;
                    }
                    (r0, r1) = (r1, r0);
                    *table.get_unchecked_mut(hash(load64(src, at), key, log)) = at as u16;
                    out.emit(at, len, r0);
                    at += len;
                }
            }
        }
    }
    out.finish(end)
}

/// Log2 of the length of a table, which is a power of two from 2 to 2^31.
#[inline(always)]
fn table_log(len: usize) -> u32 {
    assert!(len.is_power_of_two() && len > 1 && len <= 1 << 31);
    len.trailing_zeros()
}

/// The tables of [`dense`]: each a power of two long, state as that of [`fast`].
pub struct DenseTables<'a> {
    /// Hashes of [`SHORT_KEY`] bytes.
    pub short: &'a mut [u16],
    /// Hashes of [`LONG_KEY`] bytes.
    pub long: &'a mut [u16],
}

/// What a match saves, in eighths of a bit, by a guess that fits pages: a literal takes about 5.5 bits, a sequence 12
/// bits and its offset.
const LITERAL: i32 = 44;
/// See [`LITERAL`].
const SEQUENCE: i32 = 72;
/// Cost of a repeated offset; see [`LITERAL`].
const REPEAT: i32 = 20;

/// A match of this length is taken without a look at the next: a better one is rare, and the search for it is not.
const ENOUGH: usize = 24;

#[derive(Clone, Copy)]
struct Match {
    len: usize,
    distance: usize,
    saved: i32,
}

/// Parses a block with two tables, and looks `job.step` bytes further before it takes a match.
///
/// The short key is asked where the long one has no match.
///
/// Source: lazy parsing as in zlib's `deflate_slow` and zstd's `ZSTD_compressBlock_lazy_generic`, over the two keys of
/// `ZSTD_compressBlock_doubleFast`; ours weighs matches by an estimate of the bits they save.
pub fn dense(job: &Job<'_>, tables: DenseTables<'_>, parse: Parse<'_>) -> Found {
    match job.history {
        None => dense_body::<false>(job, tables, parse),
        Some(_) => dense_body::<true>(job, tables, parse),
    }
}

struct Dense<'a, 't, const DICT: bool> {
    text: Text<'a, DICT>,
    history: History<'a>,
    short: &'t mut [u16],
    long: &'t mut [u16],
    logs: [u32; 4],
    /// The first position that is not in the tables.
    next: usize,
}

impl<const DICT: bool> Dense<'_, '_, DICT> {
    /// Puts the positions before `to` into the tables.
    ///
    /// # Safety
    /// `to + 7 <= self.text.end`.
    #[inline(always)]
    unsafe fn insert_before(&mut self, to: usize) {
        while self.next < to {
            // SAFETY: `next + 8 <= to + 7 <= end <= src.len()` (S); a hash is below the length of its table.
            unsafe {
                let word = load64(self.text.src, self.next);
                *self.short.get_unchecked_mut(hash(word, SHORT_KEY, self.logs[0])) = self.next as u16;
                *self.long.get_unchecked_mut(hash(word, LONG_KEY, self.logs[1])) = self.next as u16;
            }
            self.next += 1;
        }
    }

    /// Returns the best match at `at`; one of length 0 if there is none that saves something.
    ///
    /// # Safety
    /// `at + 8 <= self.text.end`; `repeats` as for [`Text::matching`].
    #[inline(always)]
    unsafe fn find(&mut self, at: usize, bare: bool, repeats: [usize; 3]) -> Match {
        let mut best = Match { len: 0, distance: 0, saved: 0 };
        let mut consider = |len: usize, distance: usize, cost: i32| {
            let saved = len as i32 * LITERAL - SEQUENCE - cost;
            if len != 0 && saved > best.saved {
                best = Match { len, distance, saved };
            }
        };
        // SAFETY: `at + 8 <= end` is the caller's (S); a hash is below the length of its table.
        unsafe {
            self.insert_before(at);
            let word = load64(self.text.src, at);
            let short = self.short.get_unchecked_mut(hash(word, SHORT_KEY, self.logs[0]));
            let near = distance_of(at, *short);
            *short = at as u16;
            let long = self.long.get_unchecked_mut(hash(word, LONG_KEY, self.logs[1]));
            let far = distance_of(at, *long);
            *long = at as u16;
            self.next = at + 1;
            let cost = |distance: usize| (distance.ilog2() * 8) as i32;
            if !bare {
                consider(self.text.matching(at, repeats[0]), repeats[0], REPEAT);
            }
            consider(self.text.matching(at, repeats[1]), repeats[1], REPEAT);
            consider(self.text.matching(at, repeats[2]), repeats[2], REPEAT);
            let mut long_len = 0;
            if far.wrapping_sub(1) < at {
                long_len = self.text.matching(at, far);
                consider(long_len, far, cost(far));
            }
            if long_len == 0 && near.wrapping_sub(1) < at {
                consider(self.text.matching(at, near), near, cost(near));
            }
            if DICT {
                let base = at + self.history.content.len() + 1;
                let entry = *self.history.short.get_unchecked(hash(word, KEY, self.logs[2])) as usize;
                if entry != 0 {
                    consider(self.text.matching(at, base - entry), base - entry, cost(base - entry));
                }
                let entry = *self.history.long.get_unchecked(hash(word, LONG_KEY, self.logs[3])) as usize;
                if entry != 0 {
                    consider(self.text.matching(at, base - entry), base - entry, cost(base - entry));
                }
            }
        }
        best
    }
}

#[inline(always)]
fn dense_body<const DICT: bool>(job: &Job<'_>, tables: DenseTables<'_>, parse: Parse<'_>) -> Found {
    let mut out = Output::new(job, parse);
    let end = job.end;
    let history = job.history.unwrap_or(History { content: &[], short: &[0, 0], long: &[0, 0] });
    let logs = [
        table_log(tables.short.len()),
        table_log(tables.long.len()),
        table_log(history.short.len()),
        table_log(history.long.len()),
    ];
    let text = Text::<DICT> { src: job.src, dict: history.content, end };
    let mut repeats = job.repeats.map(usable::<DICT>);
    // The tables may lack the last positions of the block before, which is no loss worth a branch.
    let mut search = Dense::<DICT> { text, history, short: tables.short, long: tables.long, logs, next: job.start };
    let mut at = job.start + usize::from(job.start == 0 && !DICT);
    while end >= 8 && at <= end - 8 {
        // SAFETY: `at + 8 <= end` by the loop's condition; `repeats` are usable.
        let mut best = unsafe { search.find(at, at == out.anchor, repeats) };
        if best.len == 0 {
            at += 1 + ((at - out.anchor) >> 8);
            continue;
        }
        let mut look = 1;
        while look <= job.step && best.len < ENOUGH && at + look <= end - 8 {
            // SAFETY: `at + look + 8 <= end` by the loop's condition; `repeats` are usable.
            let later = unsafe { search.find(at + look, false, repeats) };
            if later.saved > best.saved {
                at += look;
                best = later;
                look = 1;
            } else {
                look += 1;
            }
        }
        let back = text.backward(at, best.distance, out.anchor);
        out.emit(at - back, best.len + back, best.distance);
        repeats = if best.distance == repeats[0] {
            repeats
        } else if best.distance == repeats[1] {
            [repeats[1], repeats[0], repeats[2]]
        } else {
            [best.distance, repeats[0], repeats[1]]
        };
        at += best.len;
        // SAFETY: the minimum keeps `to + 7 <= end`.
        unsafe { search.insert_before(at.min(end - 7)) };
    }
    out.finish(end)
}
