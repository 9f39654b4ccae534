//! The dense finder: two tables, lazy.

use super::{Found, History, Job, KEY, LONG_KEY, Output, Parse, Text, distance_of, hash, load64, table_log, usable};

/// Bytes of the short key.
const SHORT_KEY: u32 = 4;

/// The tables of [`dense`]: each a power of two long, state as that of [`super::fast::fast`].
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
