//! The literals section of a block (RFC 8878, section 3.1.1.3.1), in the cheapest of its four types.

use super::super::histogram::histogram;
use super::super::phases::{Moment, Phase};
use super::super::zstd_huff_encode::{self, JUMP_TABLE};
use super::tree::{self, DESCRIPTION_MAX};
use crate::base::format::zstd::{LITERALS_COMPRESSED, LITERALS_RAW, LITERALS_RLE, LITERALS_TREELESS};

/// How hard to try.
#[derive(Clone, Copy)]
pub struct Effort {
    /// [`worth`] from which on literals are coded.
    pub worth: usize,
    /// [`tree::describe`]'s margin.
    pub weights_margin: u32,
    /// Fewest literals that are written as four streams.
    pub four_streams: usize,
}

/// Fewest literals for which a tree of their own can pay.
const TREE_LITERALS: usize = 12;

/// A section as written.
pub struct Section {
    /// Its bytes, more than the destination has if it did not fit.
    pub len: usize,
    /// Whether `codes` holds a new tree, for blocks that follow.
    pub new_tree: bool,
}

/// Writes the section to `dst` as far as it fits there.
///
/// `prior` is the tree of the last block that had one, or the dictionary's; a new one is left in `codes`. Literals are
/// at most 64 KiB.
#[inline(always)]
pub fn write(
    effort: Effort,
    literals: &[u8],
    prior: Option<&[u16; 256]>,
    codes: &mut [u16; 256],
    dst: &mut [u8],
) -> Section {
    let n = literals.len();
    if n < TREE_LITERALS && (prior.is_none() || n < 2) {
        return plain(literals, dst);
    }
    let moment = Moment::now();
    if effort.worth > 0 && (n * DIVERSE < effort.worth || worth(literals) < effort.worth) {
        return plain(literals, dst);
    }
    let mut counts = [0u32; 256];
    histogram(literals, &mut counts);
    let top = counts.iter().copied().max().unwrap_or(0) as usize;
    // One value only, or values so even that a tree cannot pay for itself: the bound is zstd's.
    if top == n || (top <= (n >> 7) + 4 && prior.is_none() && n >= 64) {
        return plain(literals, dst);
    }
    let four = n >= effort.four_streams.max(6);
    let extra = if four { JUMP_TABLE + 4 } else { 1 };
    let header = compressed_header_len(n);
    let plain_len = plain_header_len(n) + n;

    let treeless = prior.and_then(|codes| tree::cost_of(&counts, codes));
    let treeless_len = treeless.map_or(usize::MAX, |bits| header + extra + (bits / 8) as usize);
    let limit = match n {
        0..=2047 => 9,
        2048..=16383 => 10,
        _ => 11,
    };
    let (tree, bits) = tree::lengths(&counts, n as u32, limit);
    let mut description = [0; DESCRIPTION_MAX];
    let described = tree::describe(&tree, effort.weights_margin, &mut description);
    let own_len = described.map_or(usize::MAX, |len| header + len + extra + (bits / 8) as usize);

    let gain = (n >> 8) + 1;
    if own_len.min(treeless_len).saturating_add(gain) > plain_len {
        return plain(literals, dst);
    }
    let (kind, codes, description) = match prior {
        Some(prior) if treeless_len <= own_len => (LITERALS_TREELESS, prior, &[][..]),
        _ => {
            tree.assign_codes(codes);
            (LITERALS_COMPRESSED, &*codes, &description[..described.unwrap_or(0)])
        }
    };
    put(dst, header, description);
    let streams = dst.get_mut(header + description.len()..).unwrap_or_default();
    let mut elements = [0; 256];
    for (element, &code) in elements.iter_mut().zip(codes) {
        *element = zstd_huff_encode::element(code);
    }
    let moment = moment.ends(Phase::Tree);
    let len = if four {
        zstd_huff_encode::four_streams(literals, &elements, streams)
    } else {
        zstd_huff_encode::one_stream(literals, &elements, streams)
    };
    moment.ends(Phase::Literals);
    let len = description.len() + len;
    if header + len >= plain_len {
        return plain(literals, dst);
    }
    let (format, size_bits) = match header {
        3 => (u64::from(four), 10),
        4 => (2, 14),
        _ => (3, 18),
    };
    let fields = u64::from(kind) | format << 2 | (n as u64) << 4 | (len as u64) << (4 + size_bits);
    put(dst, 0, &fields.to_le_bytes()[..header]);
    Section { len: header + len, new_tree: kind == LITERALS_COMPRESSED }
}

/// Literals that [`worth`] looks at, and how many different ones among these make coding not worth while.
const SAMPLE: usize = 64;
const DIVERSE: usize = 56;

/// What coding literals saves, in a unit of its own: it grows with their number, and with how often they repeat in a sample.
#[inline(always)]
fn worth(literals: &[u8]) -> usize {
    let mut seen = [0u8; 256];
    for &literal in literals.iter().step_by((literals.len() / SAMPLE).max(1)).take(SAMPLE) {
        seen[usize::from(literal)] = 1;
    }
    let different = usize::from(seen.iter().sum::<u8>());
    literals.len() * DIVERSE.saturating_sub(different)
}

/// Bytes of the header of coded literals. One stream has the first form alone, so `four_streams` is at most 1024.
fn compressed_header_len(n: usize) -> usize {
    match n {
        0..=0x3ff => 3,
        0x400..=0x3fff => 4,
        _ => 5,
    }
}

fn plain_header_len(n: usize) -> usize {
    match n {
        0..=31 => 1,
        32..=4095 => 2,
        _ => 3,
    }
}

/// The section without coding: one byte if all literals are the same, else a copy.
fn plain(literals: &[u8], dst: &mut [u8]) -> Section {
    let n = literals.len();
    let header = plain_header_len(n);
    let same = n > 1 && literals[1..] == literals[..n - 1];
    let kind = if same { LITERALS_RLE } else { LITERALS_RAW };
    let format = [0u32, 1, 3][header - 1];
    // The one-byte form has a single bit for the format, the two others two bits.
    let size_at = if header == 1 { 3 } else { 4 };
    put(dst, 0, &(u32::from(kind) | format << 2 | (n as u32) << size_at).to_le_bytes()[..header]);
    let content = if same { &literals[..1] } else { literals };
    put(dst, header, content);
    Section { len: header + content.len(), new_tree: false }
}

/// Copies `bytes` to `dst[at..]` if they fit there.
pub fn put(dst: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(room) = dst.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}
