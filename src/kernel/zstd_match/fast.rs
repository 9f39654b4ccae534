//! The fast finder: one table, greedy.

use super::{Found, History, Job, KEY, Output, Parse, Text, distance_of, hash, load64, table_log, usable};

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
