//! Match finders for Zstandard: a block to literals and sequences.
//!
//! All parse one block of at most 64 KiB of a longer source, whose earlier bytes are history. Hash tables hold the low
//! 16 bits of positions: an entry names the one position of the last 64 KiB that has these bits, and since every
//! candidate is compared with the source, an entry that is older than that costs a comparison and never a wrong match.
//!
//! [`fast`] and [`dense`] are for backends without vectors and for sources with a dictionary, [`lanes`] for the others, [`optimal`] for
//! all without a dictionary.
//!
//! A dictionary is history of its own, before the source. A match in it ends at its end at the latest.
//!
//! The repeated offsets are followed here only to know which distances are cheap; [`super::zstd_encode::codes`]
//! decides how a distance is written, so that a matcher can do no harm with them.

pub mod dense;
pub mod fast;
pub mod lanes;
pub mod optimal;

use super::lz4_isa::Isa;
use super::match_len::common_prefix;
use super::zstd_seq_encode::pack;

/// Shortest match that the finders report: the literals and sequences of a block are bounded by it.
pub const MIN_MATCH: usize = 3;
/// Bytes that the literals buffer must have beyond the length of the block.
pub const LITERALS_SLACK: usize = 64;
/// Farthest distance into the source, and the window of frames with more than one block.
pub const WINDOW: usize = 1 << 16;
/// Bytes that the fast finder's key covers, at the index of a dictionary too.
pub const KEY: u32 = 5;
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
pub struct Output<'a> {
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

/// How many of the first `max` bytes at `a` and `b` are equal.
///
/// # Safety
/// Invariant I for `S`; `max` bytes are readable at both addresses.
#[inline(always)]
unsafe fn far<S: Isa>(a: *const u8, b: *const u8, max: usize) -> usize {
    let mut len = 0;
    // SAFETY: the caller's contract; 32 or 64 bytes are compared only where as many are left (S).
    unsafe {
        while max - len >= 64 {
            let (a, b) = (a.add(len), b.add(len));
            let equal = u64::from(S::equal32(a, b)) | u64::from(S::equal32(a.add(32), b.add(32))) << 32;
            let more = (!equal).trailing_zeros() as usize;
            len += more;
            if more < 64 {
                return len;
            }
        }
        if max - len >= 32 {
            let more = S::common32(a.add(len), b.add(len));
            len += more;
            if more < 32 {
                return len;
            }
        }
        len + common_prefix(a.add(len), b.add(len), max - len)
    }
}

/// A repeated offset that a parse may use: without a dictionary those beyond the window lead nowhere.
fn usable<const DICT: bool>(repeat: u32) -> usize {
    if !DICT && repeat as usize > WINDOW { 0 } else { repeat as usize }
}

/// Log2 of the length of a table, which is a power of two from 2 to 2^31.
#[inline(always)]
fn table_log(len: usize) -> u32 {
    assert!(len.is_power_of_two() && len > 1 && len <= 1 << 31);
    len.trailing_zeros()
}
