//! Huffman coding of literals for Zstandard (RFC 8878, section 4.2).
//!
//! Written from the format's description: symbols go from the last to the first into a little-endian bit stream that
//! ends with a one bit, so that a decoder that reads backwards meets the first symbol first.

use super::bit_writer::{BitWriter, Bits, Roomy};

/// Symbols between two flushes: 5 codes of at most 11 bits and 7 bits held stay below 64.
const GROUP: usize = 5;
/// Bits of the longest code.
const MAX_BITS: usize = 11;

/// Bytes of the jump table before four streams.
pub const JUMP_TABLE: usize = 6;

/// Returns the length of the stream of `src`, written to `dst` as far as it fits there.
///
/// `codes` has an [`element`] for every symbol of `src`.
#[inline(always)]
pub fn one_stream(src: &[u8], codes: &[u64; 256], dst: &mut [u8]) -> usize {
    if src.len() * MAX_BITS / 8 + 1 + Roomy::SLACK <= dst.len() {
        let mut out = Roomy::new(dst);
        write(&mut out, src, codes);
        return out.finish_backward();
    }
    one_stream_near_end(src, codes, dst)
}

#[cold]
#[inline(never)]
fn one_stream_near_end(src: &[u8], codes: &[u64; 256], dst: &mut [u8]) -> usize {
    let mut out = BitWriter::new(dst);
    write(&mut out, src, codes);
    out.finish_backward()
}

/// A code of at most 11 bits as the loop uses it: its bits at the top, their number at the bottom.
#[inline(always)]
pub fn element(code: u16) -> u64 {
    let count = u32::from(code & 15);
    u64::from(code >> 4).wrapping_shl(64 - count) | u64::from(count)
}

#[inline(always)]
fn write<B: Bits>(out: &mut B, src: &[u8], codes: &[u64; 256]) {
    let (rest, groups) = src.as_rchunks::<GROUP>();
    for group in groups.iter().rev() {
        write_group(out, group, codes);
    }
    if !rest.is_empty() {
        write_group(out, rest, codes);
    }
}

/// Writes the symbols of a group that is not empty, the last first.
///
/// Each code is put above those before it, which move down by its length, at the top of a word (as in zstd's `HUF_addBits`): so the
/// word waits for one shift a symbol. The lengths are at the bottom of the word, which is shifted out in the end: five codes leave
/// 9 bits of it.
#[inline(always)]
fn write_group<B: Bits>(out: &mut B, group: &[u8], codes: &[u64; 256]) {
    let (mut bits, mut count) = (0u64, 0u64);
    for &symbol in group.iter().rev() {
        let element = codes[usize::from(symbol)];
        bits = bits.wrapping_shr(element as u32) | element;
        count = count.wrapping_add(element);
    }
    let count = count as u32 & 63;
    out.push(bits.wrapping_shr(64 - count), count);
    out.flush();
}

/// Returns the length of the jump table and the four streams of `src`, written to `dst` as far as they fit there.
///
/// The first three streams have a quarter of the symbols, rounded up. `codes` as in [`one_stream`]; `src` has 6 symbols
/// or more, and at most 128 KiB.
#[inline(always)]
pub fn four_streams(src: &[u8], codes: &[u64; 256], dst: &mut [u8]) -> usize {
    let quarter = src.len().div_ceil(4);
    let mut at = JUMP_TABLE;
    for (i, part) in src.chunks(quarter).enumerate() {
        let len = one_stream(part, codes, dst.get_mut(at..).unwrap_or_default());
        if let Some(entry) = dst.get_mut(2 * i..2 * i + 2)
            && i < 3
        {
            // A quarter of 128 KiB at 11 bits is less than 64 KiB.
            entry.copy_from_slice(&(len as u16).to_le_bytes());
        }
        at += len;
    }
    at
}
