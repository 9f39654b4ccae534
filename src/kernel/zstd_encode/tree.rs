//! Huffman code lengths, codes and the description of a tree (RFC 8878, sections 4.2.1 and 4.2.2).

use super::super::bit_writer::{Bits, Roomy};
use super::super::zstd_seq_encode::{Entry, SYMBOLS, SeqTable};
use super::fse::{self, Counts, STATES_SLACK, log2, mask_of};
use super::presets;
use crate::base::format::zstd::{HUFF_MAX_BITS, WEIGHTS_MAX_LOG};
use crate::base::log2::LOG2;

/// Bytes that the description of a tree never exceeds: the first byte and 128 bytes of weights.
pub const DESCRIPTION_MAX: usize = 129;
/// More than the longest code has bits, and a power of two.
const DEPTHS: usize = 16;

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

/// Counts below this one are classes of symbols that have the same count; a symbol of a larger count is a class of its own.
const SMALL: usize = 16;
/// Most classes.
const CLASSES: usize = SMALL + 256;

/// Symbols of one count: those of small counts, rising, then the symbols of large ones. Element for element, so that loops over all of
/// them become vector code.
struct Classes {
    /// The count.
    counts: [u32; CLASSES],
    /// How many symbols there are.
    members: [u32; CLASSES],
    /// The length that their share asks for, in 1/256 of a bit.
    ideal: [u32; CLASSES],
    /// The length that they get.
    bits: [u32; CLASSES],
    /// Elements in use, a multiple of 8.
    len: usize,
}

impl Classes {
    /// What the lengths for a threshold take of a code's room.
    #[inline(always)]
    fn taken_at(&self, threshold: u32, limit: u32) -> u32 {
        let all = self.members[..self.len].iter().zip(&self.ideal[..self.len]);
        all.map(|(&members, &ideal)| members << (limit - bits_at(ideal, threshold, limit))).sum()
    }

    /// The class whose members gain most from a bit less, for what they take of the room, if `left` is enough for one of them.
    #[inline(always)]
    fn best(&self, left: u32, limit: u32) -> usize {
        let mut best = 0;
        for i in 0..self.len {
            let bits = self.bits[i];
            // One bit less takes as much room again.
            let fits = bits > 1 && self.members[i] != 0 && 1 << (limit - bits) <= left;
            let gain = (bits << 8) + (1 << 12) - self.ideal[i];
            let key = if fits { gain << 9 | i as u32 } else { 0 };
            best = best.max(key);
        }
        (best & 511) as usize
    }
}

#[inline(always)]
fn bits_at(ideal: u32, threshold: u32, limit: u32) -> u32 {
    ((ideal + threshold) >> 8).clamp(1, limit)
}

/// Returns code lengths of at most `limit` bits (8 to 11), a complete code, for `counts` with two symbols or more, whose sum is
/// `total`, and the bits of all symbols together.
///
/// Lengths are binary logarithms rounded, all with one threshold, the smallest one that leaves the code room. What room is left then
/// goes to symbols that gain most for what they take of it. Symbols of one count are looked at together, and none is sorted: most
/// symbols of a page occur less than ten times.
///
/// Source: rounded logarithms are Shannon's, and the repair that of our own study; sizes are within 0.1 % of those of package-merge.
#[inline(always)]
pub fn lengths(counts: &[u32; 256], total: u32, limit: u32) -> (Lengths, u64) {
    debug_assert!((8..=HUFF_MAX_BITS).contains(&limit));
    let mut symbols = [0u8; 256];
    let mut used = 0;
    for (symbol, &count) in counts.iter().enumerate() {
        symbols[used & 255] = symbol as u8;
        used += usize::from(count != 0);
    }
    // Compared with each small count in turn, which is vector code: counting would wait for the counter of ones again and again.
    let mut capped = [0u8; 256];
    for (capped, &count) in capped.iter_mut().zip(counts) {
        *capped = count.min(255) as u8;
    }
    let mut members = [0u32; SMALL];
    for (count, members) in (0u8..).zip(&mut members).skip(1) {
        for half in capped.as_chunks::<128>().0 {
            *members += u32::from(half.iter().fold(0u8, |sum, &capped| sum + u8::from(capped == count)));
        }
    }
    let mut large = [0u8; 256];
    let mut large_count = 0;
    for &symbol in &symbols[..used] {
        large[large_count & 255] = symbol;
        large_count += usize::from(usize::from(capped[usize::from(symbol)]) >= SMALL);
    }
    let large = &large[..large_count];
    let log_total = log2(total);
    let mut classes =
        Classes { counts: [0; CLASSES], members: [0; CLASSES], ideal: [0; CLASSES], bits: [0; CLASSES], len: 0 };
    let occurring = (1..SMALL).fold(0, |mask, count| mask | u64::from(members[count] != 0) << count);
    let small = occurring.count_ones() as usize;
    for (i, (count, _)) in fse::symbols_of(occurring).enumerate() {
        classes.counts[i] = count as u32;
        classes.members[i] = members[count];
        classes.ideal[i] = log_total.saturating_sub(u32::from(LOG2[count]));
    }
    for (i, &symbol) in large.iter().enumerate() {
        classes.counts[small + i] = counts[usize::from(symbol)];
        classes.members[small + i] = 1;
        classes.ideal[small + i] = log_total.saturating_sub(log2(counts[usize::from(symbol)]));
    }
    classes.len = (small + large_count).next_multiple_of(8);

    // Halving steps; beyond 255 only where many symbols are at the limit.
    let full = 1u32 << limit;
    let (mut threshold, mut step) = if classes.taken_at(255, limit) <= full { (0, 128) } else { (256, 1024) };
    while step >= 8 {
        if classes.taken_at(threshold + step - 1, limit) > full {
            threshold += step;
        }
        step /= 2;
    }
    let threshold = threshold + 7;
    for i in 0..classes.len {
        classes.bits[i] = bits_at(classes.ideal[i], threshold, limit);
    }
    let mut left = full - classes.taken_at(threshold, limit);

    let mut leaves = [0u32; DEPTHS];
    let mut cost = 0;
    // Members of a class that get one bit less than it: only of small counts, and no class has two such parts, as what room is left
    // then is less than any of its members could take.
    let mut parts = [(0, 0); DEPTHS];
    let mut part_count = 0;
    while left > 0 {
        let best = classes.best(left, limit);
        let each = limit - classes.bits[best];
        let more = classes.members[best].min(left >> each);
        left -= more << each;
        if more == classes.members[best] {
            classes.bits[best] -= 1;
        } else {
            classes.members[best] -= more;
            let bits = classes.bits[best] - 1;
            leaves[bits as usize & (DEPTHS - 1)] += more;
            cost += u64::from(classes.counts[best] * more * bits);
            parts[part_count % DEPTHS] = (classes.counts[best], more);
            part_count += 1;
        }
    }

    let mut of_small = [0u8; SMALL];
    for i in 0..small + large_count {
        let (count, members, bits) = (classes.counts[i], classes.members[i], classes.bits[i]);
        of_small[if i < small { count as usize & (SMALL - 1) } else { 0 }] = bits as u8;
        leaves[bits as usize & (DEPTHS - 1)] += members;
        cost += u64::from(count * members * bits);
    }
    let mut bits = [0u8; 256];
    for &symbol in &symbols[..used] {
        bits[usize::from(symbol)] = of_small[counts[usize::from(symbol)] as usize & (SMALL - 1)];
    }
    for (&class_bits, &symbol) in classes.bits[small..].iter().zip(large) {
        bits[usize::from(symbol)] = class_bits as u8;
    }
    for &(count, mut more) in &parts[..part_count] {
        for &symbol in &symbols[..used] {
            let is_one = u32::from(counts[usize::from(symbol)] == count);
            bits[usize::from(symbol)] -= is_one as u8;
            more -= is_one;
            if more == 0 {
                break;
            }
        }
    }
    let log = leaves.iter().rposition(|&n| n != 0).unwrap_or(0) as u32;
    let last = usize::from(symbols[used - 1]);
    (Lengths { bits, log, last, leaves, symbols, used }, cost)
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
    #[inline(always)]
    pub fn assign_codes(&self, codes: &mut [u16; 256]) {
        codes.fill(0);
        // The longest codes start from 0; each shorter length goes on where the longer one, halved, ended.
        let (mut first, mut next) = (0, [0u64; DEPTHS]);
        for depth in (1..=self.log as usize).rev() {
            next[depth] = first;
            first = (first + u64::from(self.leaves[depth])) >> 1;
        }
        if self.log as usize > FIELDS {
            for &symbol in &self.symbols[..self.used] {
                let bits = self.bits[usize::from(symbol)];
                let next = &mut next[usize::from(bits) % DEPTHS];
                codes[usize::from(symbol)] = (*next as u16) << 4 | u16::from(bits);
                *next += 1;
            }
            return;
        }
        // All in one word, as counters in memory wait for their stores. Only that of the shortest length may pass its field, into one
        // that is not in use.
        let mut all = (1..=FIELDS).fold(0, |all, depth| all | next[depth] << FIELD_AT[depth]);
        for &symbol in &self.symbols[..self.used] {
            let bits = self.bits[usize::from(symbol)];
            let at = FIELD_AT[usize::from(bits) % DEPTHS];
            codes[usize::from(symbol)] = ((all >> at) as u16 & ((1 << (bits & 15)) - 1)) << 4 | u16::from(bits);
            all += 1 << at;
        }
    }
}

/// The longest code for which the next code of each length fits a field of one word, as many bits as the length.
const FIELDS: usize = 10;
/// Where the fields are, that of the longest code lowest.
static FIELD_AT: [u8; DEPTHS] = {
    let mut at = [0; DEPTHS];
    let mut depth = FIELDS;
    while depth > 0 {
        at[depth - 1] = at[depth] + depth as u8;
        depth -= 1;
    }
    at
};

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
///
/// `margin` is by how many bytes a preset for the weights may be longer than what a table of their own could be.
#[inline(always)]
pub fn describe(tree: &Lengths, margin: u32, out: &mut [u8; DESCRIPTION_MAX]) -> Option<usize> {
    // The last symbol's weight is what is missing to the next power of two.
    let mut weights = [0u8; 256];
    for (weight, &bits) in weights.iter_mut().zip(&tree.bits[..tree.last]) {
        *weight = if bits == 0 { 0 } else { (tree.log + 1) as u8 - bits };
    }
    let weights = &weights[..tree.last];
    let coded = describe_by_fse(tree, weights, margin, out);
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
#[inline(always)]
fn describe_by_fse(tree: &Lengths, weights: &[u8], margin: u32, out: &mut [u8; DESCRIPTION_MAX]) -> Option<usize> {
    let n = weights.len();
    let mut of = [0u16; SYMBOLS];
    // From the lengths: counting one by one would wait for the counter of the many zeros.
    for depth in 1..=tree.log as usize {
        of[tree.log as usize + 1 - depth] = tree.leaves[depth] as u16;
    }
    of[tree.log as usize + 1 - usize::from(tree.bits[tree.last])] -= 1;
    of[0] = (n + 1 - tree.used) as u16;
    let counts = Counts { of, used: mask_of(&of), total: n as u32 };
    if n < 3 || counts.used.is_power_of_two() {
        return None;
    }
    let mut description = [0; fse::HEADER_MAX];
    let mut states = [0u16; (1 << WEIGHTS_MAX_LOG) + STATES_SLACK];
    let mut symbols = [Entry::default(); SYMBOLS];
    let (preset, cost) = presets::cheapest(presets::WEIGHTS, &counts);
    let (table, header) = if cost < fse::least(&counts) + (margin << 11) {
        (
            presets::of(presets::WEIGHTS, preset).view().table,
            presets::describe(presets::WEIGHTS, preset, &mut description),
        )
    } else {
        let log = if n > 96 { WEIGHTS_MAX_LOG } else { fse::MIN_LOG };
        let mut norm = [0; SYMBOLS];
        fse::normalise(&counts, log, &mut norm);
        let (header, _) = fse::describe(&counts, &norm, log, &mut description);
        fse::build(&norm, counts.used, log, &mut states, &mut symbols);
        (SeqTable { states: &states, symbols: &symbols, log }, header)
    };
    out[1..][..header].copy_from_slice(&description[..header]);

    // 256 weights of 6 bits and two states.
    let mut stream = [0; 256 * 6 / 8 + 2 + Roomy::SLACK];
    let mut bits = Roomy::new(&mut stream);
    // Two states take turns; the last two weights are read off the states themselves.
    let (mut even, mut odd) = match weights {
        [.., a, b] if n.is_multiple_of(2) => (table.first_state(*a), table.first_state(*b)),
        [.., a, b] => (table.first_state(*b), table.first_state(*a)),
        _ => return None,
    };
    let mut rest = &weights[..n - 2];
    if let (false, [front @ .., last]) = (n.is_multiple_of(2), rest) {
        // With an odd number, the last one left is of an even place.
        even = push_weight(&mut bits, &table, even, *last);
        bits.flush();
        rest = front;
    }
    for quad in rest.rchunks(4) {
        // At most 7 bits held, and 4 times 6.
        for pair in quad.rchunks_exact(2) {
            odd = push_weight(&mut bits, &table, odd, pair[1]);
            even = push_weight(&mut bits, &table, even, pair[0]);
        }
        bits.flush();
    }
    table.finish(&mut bits, odd);
    table.finish(&mut bits, even);
    let stream_len = bits.finish_backward();
    let len = header + stream_len;
    if len > 127 {
        return None;
    }
    out[1 + header..][..stream_len].copy_from_slice(&stream[..stream_len]);
    out[0] = len as u8;
    Some(1 + len)
}

#[inline(always)]
fn push_weight(out: &mut Roomy<'_>, table: &SeqTable<'_>, state: u32, weight: u8) -> u32 {
    let (bits, count, next) = table.step(state, weight);
    out.push(bits, count);
    next
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
                let (tree, _) = lengths(&counts, counts.iter().sum(), limit);
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
        let (tree, _) = lengths(&counts, counts.iter().sum(), 11);
        assert_eq!(tree.log, 11);
        let kraft: u32 = tree.bits.iter().filter(|&&b| b != 0).map(|&b| 1 << (11 - u32::from(b))).sum();
        assert_eq!(kraft, 1 << 11);
    }
}
