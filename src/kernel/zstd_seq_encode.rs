//! Sequences to codes, and codes to the bit stream of a Zstandard block (RFC 8878, sections 3.1.1.3.2 and 3.1.1.5).
//!
//! Both loops follow the format's description; the way a state is kept above the table's size, so that one subtraction
//! gives the bits to write, is Yann Collet's (FSE, in the zstd project).

use super::bit_writer::BitWriter;

/// Entries of the per-symbol arrays: every code of the three kinds is below.
pub const SYMBOLS: usize = 64;

/// Bits of a packed literals length, and of a packed match length.
pub const LEN_BITS: u32 = 17;
/// Where the length of a packed match is, less [`MIN_LEN`].
pub const LEN_AT: u32 = LEN_BITS;
/// Where its distance is.
pub const DISTANCE_AT: u32 = 2 * LEN_BITS;
/// What is taken off the length.
pub const MIN_LEN: u64 = MIN_MATCH as u64;
/// Shortest match of the format.
const MIN_MATCH: u32 = 3;
/// Bits of the length of the extra bits in an entry of the extra bits of [`Codes`].
pub const EXTRA_LEN_BITS: u32 = 6;
/// Distances are below this value, so that the extra bits of a sequence and their number fit 64 bits.
pub const DISTANCE_LIMIT: u32 = (1 << 30) - 3;

/// Returns a sequence as the matcher writes it: `literals` bytes copied, then `len` bytes from `distance` back.
///
/// `literals` and `len` together are at most 64 KiB, `len` is at least 3, `distance` below [`DISTANCE_LIMIT`].
#[inline(always)]
pub fn pack(literals: u32, len: u32, distance: u32) -> u64 {
    debug_assert!(literals + len <= 1 << 16 && len >= MIN_MATCH && distance > 0 && distance < DISTANCE_LIMIT);
    u64::from(literals) | u64::from(len - MIN_MATCH) << LEN_BITS | u64::from(distance) << (2 * LEN_BITS)
}

/// The three codes of each sequence, and how often each code occurs.
pub struct Codes<'a> {
    /// Literals length codes.
    pub ll: &'a mut [u8],
    /// Match length codes.
    pub ml: &'a mut [u8],
    /// Offset codes.
    pub of: &'a mut [u8],
    /// Counts of the codes above, in the order literals length, offset, match length.
    pub counts: &'a mut [[u32; SYMBOLS]; 3],
}

const fn small_codes<const N: usize>(base: &[u32], first: u32) -> [u8; N] {
    let mut codes = [0; N];
    let (mut i, mut code) = (0, 0);
    while i < N {
        while code + 1 < base.len() && base[code + 1] <= i as u32 + first {
            code += 1;
        }
        codes[i] = code as u8;
        i += 1;
    }
    codes
}
/// Literals length codes of short runs.
pub static LL_CODES: [u8; 64] = small_codes(&crate::base::format::zstd::LL_BASE, 0);
/// Match length codes of short matches, by the length less [`MIN_LEN`].
pub static ML_CODES: [u8; 128] = small_codes(&crate::base::format::zstd::ML_BASE, MIN_MATCH);

/// Turns packed sequences into codes, and each of them into its extra bits: the number of bits in the low 6, the bits
/// of literals length, match length and offset above, lowest first.
///
/// Distances equal to one of `repeats`, the three repeated offsets, become references to them; `repeats` is moved on
/// as a decoder will move it. All slices of `codes` are as long as `sequences`.
pub fn codes(sequences: &mut [u64], codes: &mut Codes<'_>, repeats: &mut [u32; 3]) {
    use crate::base::format::zstd::{LL_BASE, LL_BITS, ML_BASE, ML_BITS};
    let n = sequences.len();
    let (ll_out, ml_out, of_out) = (&mut codes.ll[..n], &mut codes.ml[..n], &mut codes.of[..n]);
    for counts in codes.counts.iter_mut() {
        counts.fill(0);
    }
    let [mut r0, mut r1, mut r2] = *repeats;
    for i in 0..n {
        let packed = sequences[i];
        let literals = packed as u32 & ((1 << LEN_BITS) - 1);
        let length = (packed >> LEN_BITS) as u32 & ((1 << LEN_BITS) - 1);
        let distance = (packed >> (2 * LEN_BITS)) as u32;

        // Without literals the three references mean the second, the third, and the first less one.
        let bare = literals == 0;
        let first = if bare { r1 } else { r0 };
        let second = if bare { r2 } else { r1 };
        let third = if bare { r0.wrapping_sub(1) } else { r2 };
        let mut offset = distance + 3;
        offset = if distance == third { 3 } else { offset };
        offset = if distance == second { 2 } else { offset };
        offset = if distance == first { 1 } else { offset };
        // The place in the history that the distance is taken from: those before it move down by one.
        let place = offset - 1 + u32::from(bare);
        // Masks, as the places are too mixed for a branch to be foreseen.
        let from_third = u32::from(place > 1).wrapping_neg();
        let from_second = u32::from(place > 0).wrapping_neg();
        r2 ^= (r2 ^ r1) & from_third;
        r1 ^= (r1 ^ r0) & from_second;
        r0 = distance;

        let ll = if literals < 64 { LL_CODES[literals as usize] } else { (literals.ilog2() + 19) as u8 };
        let ml = if length < 128 { ML_CODES[length as usize] } else { (length.ilog2() + 36) as u8 };
        let of = offset.ilog2();
        let (ll_at, ml_at) = (usize::from(ll) & 63, usize::from(ml) & 63);
        let (ll_bits, ml_bits) = (u32::from(LL_BITS[ll_at]), u32::from(ML_BITS[ml_at]));
        let extra = u64::from(literals - LL_BASE[ll_at])
            | u64::from(length + MIN_MATCH - ML_BASE[ml_at]) << ll_bits
            | u64::from(offset - (1 << of)) << (ll_bits + ml_bits);
        sequences[i] = extra << EXTRA_LEN_BITS | u64::from(ll_bits + ml_bits + of);
        ll_out[i] = ll;
        ml_out[i] = ml;
        of_out[i] = of as u8;
        codes.counts[0][ll_at] += 1;
        codes.counts[1][of as usize & 63] += 1;
        codes.counts[2][ml_at] += 1;
    }
    *repeats = [r0, r1, r2];
}

/// An encoding table of FSE.
#[derive(Clone, Copy)]
pub struct SeqTable<'a> {
    /// Next states, `1 << log` of them or more, grouped by symbol.
    pub states: &'a [u16],
    /// For each symbol: what to add to the state so that its bits above the low 16 are the number of bits to write, and
    /// in the upper half what to add to the shifted state to find the next one.
    pub symbols: &'a [u64; SYMBOLS],
    /// Log2 of the states; 0 for the table of a single symbol, which needs no bits.
    pub log: u32,
}

impl SeqTable<'_> {
    /// The state from which a decoder reads `symbol` last.
    #[inline(always)]
    pub fn first_state(&self, symbol: u8) -> u32 {
        let entry = self.symbols[usize::from(symbol) & (SYMBOLS - 1)];
        let bits = (entry as u32).wrapping_add(1 << 15) >> 16;
        let value = (bits << 16).wrapping_sub(entry as u32);
        self.next(value >> bits, entry)
    }

    /// Writes the bits that lead from a state of `symbol` to `state`; returns the former.
    #[inline(always)]
    pub fn encode(&self, out: &mut BitWriter<'_>, state: u32, symbol: u8) -> u32 {
        let entry = self.symbols[usize::from(symbol) & (SYMBOLS - 1)];
        let bits = state.wrapping_add(entry as u32) >> 16;
        out.push(u64::from(state) & ((1 << bits) - 1), bits);
        self.next(state >> bits, entry)
    }

    #[inline(always)]
    fn next(&self, shifted: u32, entry: u64) -> u32 {
        u32::from(self.states[shifted.wrapping_add((entry >> 32) as u32) as usize])
    }

    /// Writes the state itself, which a decoder starts from.
    #[inline(always)]
    pub fn finish(&self, out: &mut BitWriter<'_>, state: u32) {
        out.push(u64::from(state) & ((1 << self.log) - 1), self.log);
    }
}

/// Returns the length of the bit stream of the sequences, written to `dst` as far as it fits there.
///
/// `extra` is what [`codes`] left in place of the sequences, `ll`, `of` and `ml` the codes, all of one length, which is
/// not 0; each code has a place in its table.
pub fn encode(tables: &[SeqTable<'_>; 3], ll: &[u8], of: &[u8], ml: &[u8], extra: &[u64], dst: &mut [u8]) -> usize {
    let [ll_table, of_table, ml_table] = tables;
    let mut out = BitWriter::new(dst);
    let last = extra.len() - 1;
    let (ll, of, ml) = (&ll[..=last], &of[..=last], &ml[..=last]);
    let mut ml_state = ml_table.first_state(ml[last]);
    let mut of_state = of_table.first_state(of[last]);
    let mut ll_state = ll_table.first_state(ll[last]);
    push_extra(&mut out, extra[last]);
    for i in (0..last).rev() {
        // 7 bits held and at most 8 + 9 + 9 of the states.
        of_state = of_table.encode(&mut out, of_state, of[i]);
        ml_state = ml_table.encode(&mut out, ml_state, ml[i]);
        ll_state = ll_table.encode(&mut out, ll_state, ll[i]);
        push_extra(&mut out, extra[i]);
    }
    ml_table.finish(&mut out, ml_state);
    of_table.finish(&mut out, of_state);
    ll_table.finish(&mut out, ll_state);
    out.finish_backward()
}

/// Writes the extra bits of a sequence; up to 33 bits may be held before, up to 7 are after.
#[inline(always)]
fn push_extra(out: &mut BitWriter<'_>, extra: u64) {
    let count = extra as u32 & ((1 << EXTRA_LEN_BITS) - 1);
    let bits = extra >> EXTRA_LEN_BITS;
    if count <= 30 {
        out.push(bits, count);
    } else {
        out.flush();
        out.push(bits & 0x3fff_ffff, 30);
        out.flush();
        out.push(bits >> 30, count - 30);
    }
    out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sequences: &[(u32, u32, u32)], repeats: &mut [u32; 3]) -> (Vec<u64>, Vec<[u8; 3]>) {
        let mut packed: Vec<u64> = sequences.iter().map(|&(l, m, d)| pack(l, m, d)).collect();
        let n = packed.len();
        let (mut ll, mut ml, mut of) = (vec![0; n], vec![0; n], vec![0; n]);
        let mut counts = [[7; SYMBOLS]; 3];
        codes(&mut packed, &mut Codes { ll: &mut ll, ml: &mut ml, of: &mut of, counts: &mut counts }, repeats);
        assert!(counts.iter().all(|c| c.iter().sum::<u32>() == n as u32));
        (packed, (0..n).map(|i| [ll[i], of[i], ml[i]]).collect())
    }

    #[test]
    fn lengths_get_the_code_whose_range_holds_them() {
        use crate::base::format::zstd::{LL_BASE, LL_BITS, ML_BASE, ML_BITS};
        for len in 3..=65536u32 {
            let (extra, codes) = run(&[(65536 - len, len, 77_000)], &mut [1, 4, 8]);
            let [ll, of, ml] = codes[0].map(usize::from);
            let (ll_bits, ml_bits) = (u32::from(LL_BITS[ll]), u32::from(ML_BITS[ml]));
            assert_eq!(extra[0] & 63, u64::from(ll_bits + ml_bits) + of as u64);
            let bits = extra[0] >> EXTRA_LEN_BITS;
            assert_eq!(LL_BASE[ll] + (bits & ((1 << ll_bits) - 1)) as u32, 65536 - len);
            assert_eq!(ML_BASE[ml] + (bits >> ll_bits & ((1 << ml_bits) - 1)) as u32, len);
            assert_eq!((1 << of) + (bits >> (ll_bits + ml_bits)) as u32, 77_003);
        }
    }

    #[test]
    fn repeated_offsets_follow_the_rules_of_the_format() {
        // (literals, distance) and the offset value expected, with and without literals.
        let cases =
            [(1, 8, 3), (1, 8, 1), (0, 1, 1), (0, 4, 2), (0, 3, 3), (0, 3, 6), (1, 4, 3), (5, 100, 103), (0, 4, 1)];
        let mut repeats = [1, 4, 8];
        for (literals, distance, value) in cases {
            let (extra, codes) = run(&[(literals, 5, distance)], &mut repeats);
            let got = (1u32 << codes[0][1]) + (extra[0] >> EXTRA_LEN_BITS) as u32;
            assert_eq!((got, repeats[0]), (value, distance), "{literals} {distance}");
        }
        assert_eq!(repeats, [4, 100, 3]);
    }
}
