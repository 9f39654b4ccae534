//! Huffman coding of literals for Zstandard (RFC 8878, section 4.2).
//!
//! Written from the format's description: symbols go from the last to the first into a little-endian bit stream that
//! ends with a one bit, so that a decoder that reads backwards meets the first symbol first.

use super::bit_writer::BitWriter;

/// Symbols between two flushes: 5 codes of at most 11 bits and 7 bits held stay below 64.
const GROUP: usize = 5;

/// Bytes of the jump table before four streams.
pub const JUMP_TABLE: usize = 6;

/// Returns the length of the stream of `src`, written to `dst` as far as it fits there.
///
/// `codes` has the code of each symbol above 4 bits of its length (at most 11 bits); every symbol of `src` has one.
pub fn one_stream(src: &[u8], codes: &[u16; 256], dst: &mut [u8]) -> usize {
    let mut out = BitWriter::new(dst);
    let mut groups = src.rchunks_exact(GROUP);
    for group in &mut groups {
        for &symbol in group.iter().rev() {
            push(&mut out, codes[usize::from(symbol)]);
        }
        out.flush();
    }
    for &symbol in groups.remainder().iter().rev() {
        push(&mut out, codes[usize::from(symbol)]);
    }
    out.finish_backward()
}

#[inline(always)]
fn push(out: &mut BitWriter<'_>, code: u16) {
    out.push(u64::from(code >> 4), u32::from(code & 15));
}

/// Returns the length of the jump table and the four streams of `src`, written to `dst` as far as they fit there.
///
/// The first three streams have a quarter of the symbols, rounded up. `codes` as in [`one_stream`]; `src` has 6 symbols
/// or more, and at most 128 KiB.
pub fn four_streams(src: &[u8], codes: &[u16; 256], dst: &mut [u8]) -> usize {
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
