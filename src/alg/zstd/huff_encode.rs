//! Huffman code lengths, codes and the description of a tree (RFC 8878, sections 4.2.1 and 4.2.2).
//!
//! Lengths come from the in-place method of Moffat and Katajainen (1995) over the sorted counts; lengths beyond the limit
//! are cut and the code made complete again as miniz does it: the deepest shorter leaf becomes two.

use super::fse_encode::{self, STATES};
use crate::base::format::zstd::{HUFF_MAX_BITS, WEIGHTS_MAX_LOG};
use crate::kernel::bit_writer::BitWriter;
use crate::kernel::zstd_seq_encode::{SYMBOLS, SeqTable};

/// Bytes that the description of a tree never exceeds: the first byte and 128 bytes of weights.
pub const DESCRIPTION_MAX: usize = 129;
/// Deepest leaf of an unlimited tree over counts whose sum is at most 2^17: Fibonacci numbers bound it.
const DEPTHS: usize = 32;

/// Code lengths of the 256 byte values.
pub struct Lengths {
    /// Bits of each code, 0 for a symbol without one.
    pub bits: [u8; 256],
    /// Bits of the longest code.
    pub log: u32,
    /// The last symbol that has a code.
    pub last: usize,
    /// How many codes there are of each length.
    leaves: [u32; DEPTHS],
    /// The symbols that have a code, in their order, and how many they are.
    symbols: [u8; 256],
    used: usize,
}

/// Returns code lengths of at most `limit` bits (8 to 11), a complete code, for `counts` with two symbols or more.
pub fn lengths(counts: &[u32; 256], limit: u32) -> Lengths {
    debug_assert!((8..=HUFF_MAX_BITS).contains(&limit));
    let mut symbols = [0u8; 256];
    let mut used = 0;
    for (symbol, &count) in counts.iter().enumerate() {
        symbols[used & 255] = symbol as u8;
        used += usize::from(count != 0);
    }
    let last = usize::from(symbols[used - 1]);
    let mut keys = [0u32; 256];
    let keys = &mut keys[..used];
    sort_by_count(counts, &symbols[..used], keys);
    let mut leaves = [0u32; DEPTHS];
    count_depths(keys, &mut leaves);

    let limit = limit as usize;
    let cut: u32 = leaves[limit + 1..].iter().sum();
    leaves[limit] += cut;
    if cut != 0 {
        let room = 1u32 << limit;
        let mut taken: u32 = (1..=limit).map(|depth| leaves[depth] << (limit - depth)).sum();
        while taken > room {
            leaves[limit] -= 1;
            for depth in (1..limit).rev() {
                if leaves[depth] != 0 {
                    leaves[depth] -= 1;
                    leaves[depth + 1] += 2;
                    break;
                }
            }
            taken -= 1;
        }
    }
    let mut bits = [0u8; 256];
    let mut log = 0;
    let mut next = 0;
    for depth in (1..=limit).rev() {
        let count = leaves[depth] as usize;
        if count != 0 && log == 0 {
            log = depth as u32;
        }
        for key in &keys[next..next + count] {
            bits[(key & 255) as usize] = depth as u8;
        }
        next += count;
    }
    Lengths { bits, log, last, leaves, symbols, used }
}

/// Fills `keys` with the symbols, each below its count, in rising order of the counts.
///
/// Small counts, which most are, go straight to their places; only those from `BUCKETS` on are compared.
fn sort_by_count(counts: &[u32; 256], symbols: &[u8], keys: &mut [u32]) {
    const BUCKETS: usize = 64;
    let mut starts = [0u8; BUCKETS + 1];
    let bucket = |symbol: u8| (counts[usize::from(symbol)] as usize).min(BUCKETS - 1);
    for &symbol in symbols {
        // No bucket but one of 256 equal counts wraps, and then its end is not asked for.
        starts[bucket(symbol) + 1] = starts[bucket(symbol) + 1].wrapping_add(1);
    }
    for i in 1..=BUCKETS {
        starts[i] = starts[i].wrapping_add(starts[i - 1]);
    }
    let large = usize::from(starts[BUCKETS - 1]);
    for &symbol in symbols {
        let place = &mut starts[bucket(symbol)];
        keys[usize::from(*place)] = counts[usize::from(symbol)] << 8 | u32::from(symbol);
        *place = place.wrapping_add(1);
    }
    keys[large..].sort_unstable();
}

/// Sets `leaves[d]` to the number of leaves of depth `d` of an optimal tree over `keys`, which are sorted and have their
/// weights above the low 8 bits; two keys or more.
fn count_depths(keys: &[u32], leaves: &mut [u32; DEPTHS]) {
    let n = keys.len();
    let mut a = [0u32; 256];
    for (weight, key) in a.iter_mut().zip(keys) {
        *weight = key >> 8;
    }
    // First pass: a[next] becomes an inner node's weight, a[root] a used node's parent.
    a[0] += a[1];
    let (mut root, mut leaf) = (0, 2);
    for next in 1..n - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            if leaf >= n || (root < next && a[root] < a[leaf]) {
                weight += a[root];
                a[root] = next as u32;
                root += 1;
            } else {
                weight += a[leaf];
                leaf += 1;
            }
        }
        a[next] = weight;
    }
    // Second pass: parents to depths of inner nodes.
    a[n - 2] = 0;
    for next in (0..n - 2).rev() {
        a[next] = a[a[next] as usize] + 1;
    }
    // Third pass: at each depth, the nodes that are not inner ones are leaves.
    let mut inner = n - 1;
    let (mut available, mut depth) = (1u32, 0usize);
    while available > 0 {
        let mut used = 0;
        while inner > 0 && a[inner - 1] == depth as u32 {
            used += 1;
            inner -= 1;
        }
        leaves[depth.min(DEPTHS - 1)] += available - used;
        available = 2 * used;
        depth += 1;
    }
}

impl Lengths {
    /// Returns the lengths as a dictionary has them; `bits` is a complete code whose longest has `log` bits.
    pub fn of_bits(bits: &[u8; 256], log: u32) -> Lengths {
        let mut tree = Lengths { bits: *bits, log, last: 0, leaves: [0; DEPTHS], symbols: [0; 256], used: 0 };
        for (symbol, &bits) in bits.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            tree.leaves[usize::from(bits) % DEPTHS] += 1;
            tree.symbols[tree.used] = symbol as u8;
            tree.used += 1;
            tree.last = symbol;
        }
        tree
    }

    /// Fills `codes` with the code of each symbol above 4 bits of its length; 0 for a symbol without one.
    pub fn assign_codes(&self, codes: &mut [u16; 256]) {
        // The longest codes start from 0; each shorter length goes on where the longer one, halved, ended.
        let mut next = [0u16; 16];
        let mut first = 0;
        for depth in (1..=self.log as usize).rev() {
            next[depth] = first;
            first = (first + self.leaves[depth] as u16) >> 1;
        }
        codes.fill(0);
        for &symbol in &self.symbols[..self.used] {
            let bits = self.bits[usize::from(symbol)];
            let next = &mut next[usize::from(bits & 15)];
            codes[usize::from(symbol)] = *next << 4 | u16::from(bits);
            *next += 1;
        }
    }

    /// Returns the bits of `counts` symbols, all of which have a code.
    pub fn cost_of(&self, counts: &[u32; 256]) -> u64 {
        counts.iter().zip(self.bits).map(|(&count, bits)| u64::from(count * u32::from(bits))).sum()
    }
}

/// Returns the bits of all symbols together; `None` if one that occurs has no code.
pub fn cost_of(counts: &[u32; 256], codes: &[u16; 256]) -> Option<u64> {
    let mut sum = 0;
    for (&count, &code) in counts.iter().zip(codes) {
        if count != 0 && code == 0 {
            return None;
        }
        sum += u64::from(count) * u64::from(code & 15);
    }
    Some(sum)
}

/// Returns the length of the shortest description of the tree, which is in `out` then; `None` if it has none, which
/// happens for symbols above 128 whose weights are all alike.
pub fn describe(tree: &Lengths, out: &mut [u8; DESCRIPTION_MAX]) -> Option<usize> {
    // The last symbol's weight is what is missing to the next power of two.
    let mut weights = [0u8; 256];
    for (weight, &bits) in weights.iter_mut().zip(&tree.bits[..tree.last]) {
        *weight = if bits == 0 { 0 } else { (tree.log + 1) as u8 - bits };
    }
    let weights = &weights[..tree.last];
    let coded = describe_by_fse(tree, weights, out);
    let plain = 1 + weights.len().div_ceil(2);
    if weights.len() <= 128 && coded.is_none_or(|len| plain <= len) {
        out[0] = 127 + weights.len() as u8;
        for (byte, pair) in out[1..].iter_mut().zip(weights.chunks(2)) {
            *byte = pair[0] << 4 | pair.get(1).copied().unwrap_or(0);
        }
        return Some(plain);
    }
    coded
}

/// Returns the length of the description whose weights are coded by two FSE states; `None` if it cannot be used.
fn describe_by_fse(tree: &Lengths, weights: &[u8], out: &mut [u8; DESCRIPTION_MAX]) -> Option<usize> {
    const KINDS: usize = HUFF_MAX_BITS as usize + 1;
    let n = weights.len();
    let mut counts = [0u32; KINDS];
    // From the lengths: counting one by one would wait for the counter of the many zeros.
    for depth in 1..=tree.log as usize {
        counts[tree.log as usize + 1 - depth] = tree.leaves[depth];
    }
    counts[tree.log as usize + 1 - usize::from(tree.bits[tree.last])] -= 1;
    counts[0] = (n + 1 - tree.used) as u32;
    let kinds = counts.iter().rposition(|&c| c != 0)? + 1;
    if n < 3 || counts.iter().any(|&c| c as usize == n) {
        return None;
    }
    let counts = &counts[..kinds];
    let log = if n > 96 { WEIGHTS_MAX_LOG } else { fse_encode::MIN_LOG };
    let mut norm = [0i16; KINDS];
    fse_encode::normalise(counts, n as u32, log, &mut norm[..kinds]);
    let norm = &norm[..kinds];
    let header = fse_encode::write_header(norm, log, &mut out[1..]);
    let mut states = [0u16; 1 << WEIGHTS_MAX_LOG];
    let mut symbols = [0u64; SYMBOLS];
    fse_encode::build(norm, log, &mut states, &mut symbols, &mut [0; STATES]);
    let table = SeqTable { states: &states, symbols: &symbols, log };

    let mut bits = BitWriter::new(out.get_mut(1 + header..)?);
    let mut state = [0; 2];
    state[(n - 1) & 1] = table.first_state(weights[n - 1]);
    state[(n - 2) & 1] = table.first_state(weights[n - 2]);
    for i in (0..n - 2).rev() {
        state[i & 1] = table.encode(&mut bits, state[i & 1], weights[i]);
        bits.flush();
    }
    table.finish(&mut bits, state[1]);
    table.finish(&mut bits, state[0]);
    let len = header + bits.finish_backward();
    if len > 127 {
        return None;
    }
    out[0] = len as u8;
    Some(1 + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_complete_and_within_its_limit() {
        let mut seed = 7u32;
        for round in 0..20_000u32 {
            let mut counts = [0u32; 256];
            let used = 2 + round as usize % 255;
            for i in 0..used {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                counts[(i * 37 + round as usize) % 256] = 1 + (seed >> (16 + seed % 16));
            }
            for limit in 8..=11 {
                let tree = lengths(&counts, limit);
                let kraft: u32 = tree.bits.iter().filter(|&&b| b != 0).map(|&b| 1 << (limit - u32::from(b))).sum();
                assert_eq!(kraft, 1 << limit);
                assert!(tree.bits.iter().zip(counts).all(|(&b, c)| (b == 0) == (c == 0) && u32::from(b) <= tree.log));
                assert!(counts[tree.last] != 0 && counts[tree.last + 1..].iter().all(|&c| c == 0));
            }
        }
    }

    #[test]
    fn fibonacci_counts_are_limited() {
        let mut counts = [0u32; 256];
        let (mut a, mut b) = (1, 1);
        for count in counts.iter_mut().take(24) {
            *count = a;
            (a, b) = (b, a + b);
        }
        let tree = lengths(&counts, 11);
        assert_eq!(tree.log, 11);
        let kraft: u32 = tree.bits.iter().filter(|&&b| b != 0).map(|&b| 1 << (11 - u32::from(b))).sum();
        assert_eq!(kraft, 1 << 11);
    }
}
