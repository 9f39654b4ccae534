//! Huffman-coded literals of Zstandard (RFC 8878 section 4.2).
//!
//! A table has `1 << log` entries of `symbol << 8 | bits of its code`, indexed by the next `log` bits of a stream.
//!
//! Four streams are decoded in lock step, so that their dependency chains overlap. Each keeps its unread bits at the
//! top of a word, with a 1 behind the last bit loaded: shifting the codes out then also counts them, as the position
//! of that 1 tells at the next refill how many bits were read. (The marker is that of `HUF_decompress4X1`, of the zstd
//! project, whose loop this one follows; ours lets no stream read before its own first byte, and finishes every stream
//! by checking that it ends at exactly its first bit.)

use super::bits::{Section, load64};

/// How many streams carry the literals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Streams {
    /// One stream.
    One,
    /// Four streams behind a table of three 16-bit lengths.
    Four,
}

/// Fills `dst` with the literals of `src`: the streams, after the description of the tree. `log` is at most 12.
///
/// Returns `false` if a stream has no end mark, is not read to exactly its first bit, or the lengths do not add up;
/// `dst` is then unspecified. Any table is safe, only one that the format allows is useful.
#[inline(always)]
pub fn decode(table: &[u16], log: u32, streams: Streams, src: &[u8], dst: &mut [u8]) -> bool {
    if !(1..=12).contains(&log) || table.len() < 1 << log {
        return false;
    }
    match streams {
        Streams::One => {
            let mut pad = [0; 8];
            let Some((section, position)) = Section::open(src, &mut pad) else { return false };
            finish(table, log, section, position, dst)
        }
        Streams::Four => four(table, log, src, dst),
    }
}

/// Decodes `out.len()` symbols below `position`; `true` if they end at position 0.
#[inline(always)]
fn finish(table: &[u16], log: u32, section: Section, position: isize, out: &mut [u8]) -> bool {
    // Codes of 11 bits fit five times into the 57 that a refill guarantees, codes of 12 bits four times.
    if log <= 11 {
        finish_by::<5>(table, log, section, position, out)
    } else {
        finish_by::<4>(table, log, section, position, out)
    }
}

#[inline(always)]
fn finish_by<const PER_REFILL: usize>(
    table: &[u16],
    log: u32,
    section: Section,
    mut position: isize,
    out: &mut [u8],
) -> bool {
    let drop = 64 - log;
    let step = |bits: &mut u64, position: &mut isize, byte: &mut u8| {
        // SAFETY: the index is below `1 << log`, and `decode` has checked that the table is that long.
        let entry = unsafe { *table.get_unchecked((*bits >> drop) as usize) };
        *byte = (entry >> 8) as u8;
        *bits = bits.wrapping_shl(u32::from(entry));
        *position -= (entry & 0xff) as isize;
    };
    let mut groups = out.chunks_exact_mut(PER_REFILL);
    for group in &mut groups {
        if position < 0 {
            return false;
        }
        let mut bits = section.below(position as usize);
        for byte in group {
            step(&mut bits, &mut position, byte);
        }
    }
    if position < 0 {
        return false;
    }
    let mut bits = section.below(position as usize);
    for byte in groups.into_remainder() {
        step(&mut bits, &mut position, byte);
    }
    position == 0
}

/// Decodes four streams, the first three of `ceil(n / 4)` symbols each.
#[inline(always)]
fn four(table: &[u16], log: u32, src: &[u8], dst: &mut [u8]) -> bool {
    let Some((jump, data)) = src.split_first_chunk::<6>() else { return false };
    let quarter = dst.len().div_ceil(4);
    let mut parts: [&[u8]; 4] = [&[]; 4];
    let mut rest = data;
    for (part, len) in parts.iter_mut().zip(jump.chunks_exact(2)) {
        let len = usize::from(u16::from_le_bytes([len[0], len[1]]));
        let Some((head, tail)) = rest.split_at_checked(len) else { return false };
        (*part, rest) = (head, tail);
    }
    parts[3] = rest;
    if 3 * quarter > dst.len() || parts.iter().any(|part| part.last().is_none_or(|&byte| byte == 0)) {
        return false;
    }

    let mut done = 0;
    let mut at = [0usize; 4];
    let mut bits = [0u64; 4];
    let eight_each = parts.iter().all(|part| part.len() >= 8);
    if eight_each && log <= 11 {
        let drop = 64 - log;
        for s in 0..4 {
            at[s] = parts[s].len() - 8;
            // SAFETY: the part has `at + 8` bytes.
            let word = unsafe { load64(parts[s], at[s]) };
            bits[s] = (word | 1) << (word.leading_zeros() + 1);
        }
        let last = dst.len() - 3 * quarter;
        let out = dst.as_mut_ptr();
        loop {
            // A round makes 5 symbols and moves each reader by at most 8 bytes, whatever the table holds.
            let rounds = at.iter().fold((last - done) / 5, |rounds, &at| rounds.min(at / 8));
            if rounds == 0 {
                break;
            }
            for _ in 0..rounds {
                for symbol in 0..5 {
                    for (s, bits) in bits.iter_mut().enumerate() {
                        // SAFETY: the index is below `1 << log` entries, which the table has (`decode`).
                        let entry = unsafe { *table.get_unchecked((*bits >> drop) as usize) };
                        *bits = bits.wrapping_shl(u32::from(entry));
                        // SAFETY: `done + symbol < last <= quarter` by the choice of `rounds`, so that the store lies
                        // in the part of stream `s`; the last part ends where `dst` ends (D).
                        unsafe { *out.add(s * quarter + done + symbol) = (entry >> 8) as u8 };
                    }
                }
                for s in 0..4 {
                    let read = bits[s].trailing_zeros();
                    at[s] -= (read >> 3) as usize;
                    // SAFETY: `at` only falls, by at most 8 a round (`read <= 64`), and `rounds` keeps it above 0.
                    bits[s] = (unsafe { load64(parts[s], at[s]) } | 1) << (read & 7);
                }
                done += 5;
            }
        }
    }
    for s in 0..4 {
        let end = if s == 3 { dst.len() } else { (s + 1) * quarter };
        let mut pad = [0; 8];
        let Some((section, start)) = Section::open(parts[s], &mut pad) else { return false };
        let position = if done > 0 { 8 * at[s] as isize + 64 - bits[s].trailing_zeros() as isize } else { start };
        if !finish(table, log, section, position, &mut dst[s * quarter + done..end]) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_symbols_of_one_bit_are_read_from_one_stream_and_from_four() {
        let table = [u16::from(b'a') << 8 | 1, u16::from(b'b') << 8 | 1];
        // First symbol highest, below the end mark.
        let stream = [0b1_0110];
        let mut dst = [0; 4];
        assert!(decode(&table, 1, Streams::One, &stream, &mut dst));
        assert_eq!(&dst, b"abba");
        assert!(!decode(&table, 1, Streams::One, &stream, &mut dst[..3]), "a bit is left");
        assert!(!decode(&table, 1, Streams::One, &[0], &mut dst), "no end mark");
        let four = [1, 0, 1, 0, 1, 0, 0b1_0110, 0b1_1111, 0b1_0000, 0b11];
        let mut dst = [0; 13];
        assert!(decode(&table, 1, Streams::Four, &four, &mut dst));
        assert_eq!(&dst, b"abbabbbbaaaab");
        assert!(!decode(&table, 1, Streams::Four, &four[..9], &mut dst), "a stream is missing");
    }

    #[test]
    fn any_table_and_streams_keep_to_the_destination() {
        let mut seed = 9u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed ^ seed >> 29
        };
        let mut written = 0;
        for _ in 0..2000 {
            let log = 1 + (random() % 12) as u32;
            let table: Vec<u16> = (0..1 << log).map(|_| random() as u16).collect();
            let part = 1 + (random() % 90) as usize;
            let mut src = [part as u8, 0].repeat(3);
            src.extend((0..4 * part).map(|_| random() as u8 | 1));
            let mut dst = vec![0; (random() % 900) as usize];
            decode(&table, log, Streams::Four, &src, &mut dst);
            written += usize::from(dst.iter().any(|&byte| byte != 0));
            decode(&table, log, Streams::One, &src, &mut dst);
        }
        assert!(written > 1000, "{written} rounds wrote anything");
    }
}
