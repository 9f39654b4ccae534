//! Huffman-coded literals of Zstandard (RFC 8878 section 4.2).
//!
//! A table has `1 << log` entries of `symbol << 8 | bits of its code`, indexed by the next `log` bits of a stream.
//!
//! Each stream keeps its unread bits at the top of a word, with a 1 behind the last bit loaded: shifting the codes out then also
//! counts them, as the position of that 1 tells at the next refill how many bits were read. Four streams are decoded in lock
//! step, so that their dependency chains overlap. (The marker and the lock step are those of `HUF_decompress4X1`, of the zstd project.
//! Ours finishes every stream by checking that it ends at exactly its first bit.)
//!
//! A stream may be read beyond its first bit, into bytes before it, which are in the source: it ends in the wrong place then.

use super::word::load64;
use super::zstd_seq_decode::HEADERS;

/// How many streams carry the literals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Streams {
    /// One stream.
    One,
    /// Four streams behind a table of three 16-bit lengths.
    Four,
}

/// Bytes of that table.
const JUMP: usize = 6;
/// How many bytes before the first of four streams a reader may be when it is refilled, which takes it so many farther at most.
const BEYOND: isize = 7;
const _: () = assert!(HEADERS + JUMP >= 2 * BEYOND as usize);

/// Fills `dst` with the literals of `src[at..]`: the streams, after the description of the tree. `log` is at most 12, `at` at least
/// [`HEADERS`].
///
/// Returns `false` if a stream has no end mark, is not read to exactly its first bit, or the lengths do not add up;
/// `dst` is then unspecified. Any table is safe, only one that the format allows is useful.
#[inline(always)]
pub fn decode(table: &[u16], log: u32, streams: Streams, src: &[u8], at: usize, dst: &mut [u8]) -> bool {
    if !(1..=12).contains(&log) || table.len() < 1 << log || at < HEADERS || at > src.len() {
        return false;
    }
    match streams {
        Streams::One => one(table, log, src, at, dst),
        Streams::Four => four(table, log, src, at, dst),
    }
}

/// Symbols that are read for each refill, which leaves 57 bits at least, in lock step: not for a log of 12, which is legal but not in use.
const PER: usize = 5;
/// Largest log for that.
const PER_LOG: u32 = 11;
/// Symbols that are read for each refill elsewhere.
const FEWER: usize = 4;

/// A reader of a stream.
#[derive(Clone, Copy)]
struct Reader {
    /// The stream's first byte; bytes before it can be read as [`BEYOND`] says.
    first: *const u8,
    /// The byte of the stream, or in front of it, that `bits` was loaded from.
    at: isize,
    /// Unread bits, the next one highest, then a 1, then zeros.
    bits: u64,
}

impl Reader {
    /// Opens `src[from..to]`; `None` if there is no end mark.
    #[inline(always)]
    fn open(src: &[u8], from: usize, to: usize) -> Option<Reader> {
        let stream = src.get(from..to)?;
        let last = *stream.last()?;
        if last == 0 || from < HEADERS {
            return None;
        }
        let at = stream.len() as isize - 8;
        // SAFETY: `from` is at least 8, so that 8 bytes end where the stream ends (S).
        let word = unsafe { load64(stream.as_ptr().offset(at)) };
        Some(Reader { first: stream.as_ptr(), at, bits: (word | 1) << (last.leading_zeros() + 1) })
    }

    /// Reads a symbol.
    ///
    /// # Safety
    /// The table has 2 to the power of `64 - drop` entries.
    #[inline(always)]
    unsafe fn symbol(&mut self, table: &[u16], drop: u32) -> u8 {
        // SAFETY: the index has `64 - drop` bits.
        let entry = unsafe { *table.get_unchecked((self.bits >> drop) as usize) };
        self.bits = self.bits.wrapping_shl(u32::from(entry));
        (entry >> 8) as u8
    }

    /// Loads as many bits as were read.
    ///
    /// # Safety
    /// `at` is not negative; or at least `-BEYOND`, and [`HEADERS`] and [`JUMP`] bytes are before the stream.
    #[inline(always)]
    unsafe fn refill(&mut self) {
        // At most 63 bits, whatever the table holds.
        let read = self.bits.trailing_zeros() & 63;
        self.at -= (read >> 3) as isize;
        // SAFETY: `at` fell by 7 at most, so that it is not below what is in the source (S).
        self.bits = (unsafe { load64(self.first.offset(self.at)) } | 1) << (read & 7);
    }

    /// Reads all of `out`, up to `N` symbols for each refill, and says whether they end at the stream's first bit.
    ///
    /// # Safety
    /// As for `symbol`; `N` codes have 57 bits or less.
    #[inline(always)]
    unsafe fn finish<const N: usize>(mut self, table: &[u16], drop: u32, mut out: &mut [u8]) -> bool {
        // SAFETY: 8 bytes are before the stream (`open`), `at` is not negative; the rest is the caller's.
        unsafe {
            while self.at >= 0 && out.len() >= N {
                let (group, rest) = out.split_at_mut(N);
                self.refill();
                for byte in group {
                    *byte = self.symbol(table, drop);
                }
                out = rest;
            }
            if self.at >= 0 {
                self.refill();
            }
        }
        // All bits that are needed, or that are left, are in the word.
        let mut left = 8 * self.at + 64 - self.bits.trailing_zeros().min(64) as isize;
        if left < 0 {
            return false;
        }
        if self.at < 0 {
            self.bits &= !(u64::MAX.wrapping_shr(left as u32));
        }
        for byte in out {
            // SAFETY: the index has as many bits as `symbol` says.
            let entry = unsafe { *table.get_unchecked((self.bits >> drop) as usize) };
            self.bits = self.bits.wrapping_shl(u32::from(entry));
            left -= (entry & 0xff) as isize;
            *byte = (entry >> 8) as u8;
        }
        left == 0
    }
}

/// Decodes one stream.
#[inline(always)]
fn one(table: &[u16], log: u32, src: &[u8], at: usize, dst: &mut [u8]) -> bool {
    let Some(reader) = Reader::open(src, at, src.len()) else { return false };
    // SAFETY: `decode` has checked that the table is as long as its log says.
    unsafe { reader.finish::<FEWER>(table, 64 - log, dst) }
}

/// Decodes four streams, the first three of `ceil(n / 4)` symbols each.
#[inline(always)]
fn four(table: &[u16], log: u32, src: &[u8], at: usize, dst: &mut [u8]) -> bool {
    let Some(jump) = src[at..].first_chunk::<JUMP>() else { return false };
    let quarter = dst.len().div_ceil(4);
    if 3 * quarter > dst.len() {
        return false;
    }
    let mut ends = [at + JUMP; 5];
    for s in 0..3 {
        ends[s + 1] = ends[s] + usize::from(u16::from_le_bytes([jump[2 * s], jump[2 * s + 1]]));
    }
    ends[4] = src.len();
    let open = |s: usize| Reader::open(src, ends[s], ends[s + 1]);
    let (Some(a), Some(b), Some(c), Some(d)) = (open(0), open(1), open(2), open(3)) else { return false };
    let mut readers = [a, b, c, d];
    let drop = 64 - log;
    let last = dst.len() - 3 * quarter;
    let out = dst.as_mut_ptr();
    let mut done = 0;
    let in_step = if log <= PER_LOG { last / PER } else { 0 };
    loop {
        // A round moves each reader by at most 7 bytes, so that the last one begins at `-BEYOND` or behind.
        let most = readers.iter().fold(in_step - done / PER, |most, reader| {
            most.min(((reader.at + BEYOND + 8) >> 3).max(0).cast_unsigned())
        });
        if most == 0 {
            break;
        }
        for _ in 0..most {
            // SAFETY: the readers are `-BEYOND` or behind, and streams behind headers and jump table.
            readers.iter_mut().for_each(|reader| unsafe { reader.refill() });
            for symbol in 0..PER {
                for (s, reader) in readers.iter_mut().enumerate() {
                    // SAFETY: the table is long enough (`decode`). `done + symbol < last <= quarter` by the choice of `most`, so that the
                    // store lies in the part of stream `s`; the last part ends where `dst` ends (D).
                    unsafe { *out.add(s * quarter + done + symbol) = reader.symbol(table, drop) };
                }
            }
            done += PER;
        }
    }
    if log <= PER_LOG && last - done < PER && readers.iter().all(|reader| reader.at >= -BEYOND) {
        // SAFETY: as above.
        readers.iter_mut().for_each(|reader| unsafe { reader.refill() });
        for at in done..last {
            for (s, reader) in readers.iter_mut().enumerate() {
                // SAFETY: as above.
                unsafe { *out.add(s * quarter + at) = reader.symbol(table, drop) };
            }
        }
        done = last;
    }
    let mut good = true;
    for (s, reader) in readers.into_iter().enumerate() {
        let end = if s == 3 { dst.len() } else { (s + 1) * quarter };
        // SAFETY: as in `one`.
        good &= unsafe { reader.finish::<FEWER>(table, drop, &mut dst[s * quarter + done..end]) };
    }
    good
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
        let decode = |streams, bits: &[u8], dst: &mut [u8]| {
            decode(&table, 1, streams, &[&[0xff; HEADERS], bits].concat(), HEADERS, dst)
        };
        assert!(decode(Streams::One, &stream, &mut dst));
        assert_eq!(&dst, b"abba");
        assert!(!decode(Streams::One, &stream, &mut dst[..3]), "a bit is left");
        assert!(!decode(Streams::One, &[0], &mut dst), "no end mark");
        let four = [1, 0, 1, 0, 1, 0, 0b1_0110, 0b1_1111, 0b1_0000, 0b11];
        let mut dst = [0; 13];
        assert!(decode(Streams::Four, &four, &mut dst));
        assert_eq!(&dst, b"abbabbbbaaaab");
        assert!(!decode(Streams::Four, &four[..9], &mut dst), "a stream is missing");
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
            src.splice(..0, [0; HEADERS]);
            decode(&table, log, Streams::Four, &src, HEADERS, &mut dst);
            written += usize::from(dst.iter().any(|&byte| byte != 0));
            decode(&table, log, Streams::One, &src, HEADERS, &mut dst);
        }
        assert!(written > 1000, "{written} rounds wrote anything");
    }
}
