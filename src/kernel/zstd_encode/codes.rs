//! Packed sequences to codes and extra bits (RFC 8878, sections 3.1.1.3.2.1.1 and 3.1.1.5).
//!
//! Two passes: the first finds repeated offsets, one sequence behind the other; the second has nothing that depends on a neighbour,
//! and takes as many sequences at once as the instruction set holds.

use super::super::zstd_seq_encode::{DISTANCE_AT, EXTRA_LEN_BITS, LEN_BITS, SYMBOLS};
use super::Isa;
use crate::base::format::zstd::{LL_BASE, LL_BITS, ML_BASE, ML_BITS};

/// Sequences that are looked at together; arrays have room for a multiple of it.
pub const GROUP: usize = 8;
/// Shortest match of the format.
const MIN_MATCH: u32 = 3;
/// Bits of the literals length of a packed sequence.
const LEN_MASK: u64 = (1 << LEN_BITS) - 1;

/// The repeated offsets before the block.
pub enum Repeats<'a> {
    /// Found wherever they are; moved on as a decoder will move them.
    All(&'a mut [u32; 3]),
    /// Found where that is easy, in a block that no other follows.
    Most([u32; 3]),
}

/// Sets `values` to the format's offset value of each sequence: 1 to 3 for a repeated offset, else 3 more than the distance. Moves
/// `repeats` on as a decoder will move it.
#[inline(always)]
fn resolve(sequences: &[u64], values: &mut [u32], repeats: &mut [u32; 3]) {
    let [mut r0, mut r1, mut r2] = *repeats;
    for (&sequence, value) in sequences.iter().zip(values) {
        let distance = (sequence >> DISTANCE_AT) as u32;
        // Without literals the three references mean the second, the third, and the first less one.
        let bare = sequence & LEN_MASK == 0;
        let (is_first, is_second) = (distance == r0 && !bare, distance == r1);
        *value = distance + 3;
        *value = if distance == if bare { r0.wrapping_sub(1) } else { r2 } { 3 } else { *value };
        *value = if distance == if bare { r2 } else { r1 } { 2 } else { *value };
        *value = if distance == if bare { r1 } else { r0 } { 1 } else { *value };
        // A first one moves nothing, a second one only the first; written so that each waits for one comparison.
        r2 = if is_first | is_second { r2 } else { r1 };
        r1 = if is_first { r1 } else { r0 };
        r0 = distance;
    }
    *repeats = [r0, r1, r2];
}

/// As [`resolve`] for the sequences of a whole source, with references to the first and the second repeated offset only where the
/// three distances before a sequence tell what these are: a distance that repeats one otherwise is written out, which is as right.
/// Nothing waits for a neighbour here, so that this becomes vector code.
#[inline(always)]
fn resolve_most(sequences: &[u64], values: &mut [u32], repeats: [u32; 3]) {
    let head = sequences.len().min(3);
    resolve(&sequences[..head], &mut values[..head], &mut { repeats });
    let distance = |i: usize| (sequences[i] >> DISTANCE_AT) as u32;
    for i in 3..sequences.len() {
        let (d0, d1, d2, d3) = (distance(i), distance(i - 1), distance(i - 2), distance(i - 3));
        let bare = sequences[i] & LEN_MASK == 0;
        // A repetition of the first behind literals changes nothing, so that the second is what it was before.
        let behind = if sequences[i - 1] & LEN_MASK != 0 && d2 != d3 { d3 } else { 0 };
        let second = if d1 != d2 { d2 } else { behind };
        let value = if d0 == second { 2 - u32::from(bare) } else { d0 + 3 };
        values[i] = if d0 == d1 && !bare { 1 } else { value };
    }
}

const fn small_codes<const N: usize>(base: &[u32], bits: &[u8], first: u32) -> [u16; N] {
    let mut codes = [0; N];
    let (mut i, mut code) = (0, 0);
    while i < N {
        while code + 1 < base.len() && base[code + 1] <= i as u32 + first {
            code += 1;
        }
        codes[i] = code as u16 | (bits[code] as u16) << 8;
        i += 1;
    }
    codes
}
/// By small length: the code and, above 8 bits, how many extra bits it has.
pub static LL_CODES: [u16; 64] = small_codes(&LL_BASE, &LL_BITS, 0);
/// See [`LL_CODES`].
pub static ML_CODES: [u16; 128] = small_codes(&ML_BASE, &ML_BITS, MIN_MATCH);

/// [`Isa::codes`] of a set without vectors.
///
/// # Safety
/// As there.
#[inline(always)]
pub unsafe fn scalar(sequences: *mut u64, codes: *mut u32) {
    for i in 0..GROUP {
        // SAFETY: the caller's contract; `i` is below GROUP.
        let packed = unsafe { *sequences.add(i) };
        let literals = packed as u32 & ((1 << LEN_BITS) - 1);
        let length = (packed >> LEN_BITS) as u32 & ((1 << LEN_BITS) - 1);
        // SAFETY: the caller's contract; `i` is below GROUP.
        let offset = unsafe { *codes.add(i) };
        let large = |n: u32, codes: u32| (n.ilog2() + codes) | (n.ilog2() << 8);
        let ll = if literals < 64 { u32::from(LL_CODES[literals as usize]) } else { large(literals, 19) };
        let ml = if length < 128 { u32::from(ML_CODES[length as usize]) } else { large(length, 36) };
        let of_code = offset.ilog2();
        let (ll_code, ll_bits, ml_code, ml_bits) = (ll & 0xff, ll >> 8, ml & 0xff, ml >> 8);
        // All ranges begin at multiples of their lengths.
        let extra = u64::from(literals & ((1 << ll_bits) - 1))
            | u64::from(length & ((1 << ml_bits) - 1)) << ll_bits
            | u64::from(offset ^ 1 << of_code) << (ll_bits + ml_bits);
        // SAFETY: the caller's contract; `i` is below GROUP.
        unsafe {
            *sequences.add(i) = extra << EXTRA_LEN_BITS | u64::from(ll_bits + ml_bits + of_code);
            *codes.add(i) = ll_code | of_code << 8 | ml_code << 16;
        }
    }
}

/// Turns `count` packed sequences into codes, literals length's lowest, then offset's, then match length's, 8 bits each; and each
/// sequence into its extra bits: the number of bits in the low 6, the bits of literals length, match length and offset above, lowest
/// first.
///
/// Distances equal to a repeated offset become references to it. Both slices have room for the next multiple of [`GROUP`]; the elements behind `count` become unspecified.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `I`.
#[inline(always)]
pub unsafe fn codes<I: Isa>(sequences: &mut [u64], count: usize, codes: &mut [u32], repeats: Repeats<'_>) {
    let padded = count.next_multiple_of(GROUP);
    let (sequences, codes) = (&mut sequences[..padded], &mut codes[..padded]);
    // Any sequences do, for which the codes are those of an alphabet.
    sequences[count..].fill(1 << DISTANCE_AT);
    codes[count..].fill(4);
    match repeats {
        Repeats::All(repeats) => resolve(&sequences[..count], &mut codes[..count], repeats),
        Repeats::Most(repeats) => resolve_most(&sequences[..count], &mut codes[..count], repeats),
    }
    for (sequences, codes) in sequences.chunks_exact_mut(GROUP).zip(codes.chunks_exact_mut(GROUP)) {
        // SAFETY: invariant I is the caller's; both chunks have GROUP elements.
        unsafe { I::codes(sequences.as_mut_ptr(), codes.as_mut_ptr()) };
    }
}

/// Counts the codes of each kind: at most 2^15 of them.
///
/// Equal neighbours would make every increment wait for the one before: so four tables take turns, of bytes, which are few to clear
/// and to add up.
#[inline(always)]
pub fn tally(codes: &[u32]) -> [[u16; SYMBOLS]; 3] {
    const TABLES: usize = 4;
    let mut sums = [[0u16; SYMBOLS]; 3];
    for part in codes.chunks(TABLES * 255) {
        let mut tables = [[[0u8; SYMBOLS]; 3]; TABLES];
        let (groups, rest) = part.as_chunks::<TABLES>();
        for group in groups {
            for (tables, &codes) in tables.iter_mut().zip(group) {
                count(tables, codes);
            }
        }
        for (tables, &codes) in tables.iter_mut().zip(rest) {
            count(tables, codes);
        }
        for (kind, sums) in sums.iter_mut().enumerate() {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum += tables.iter().map(|tables| u16::from(tables[kind][i])).sum::<u16>();
            }
        }
    }
    sums
}

#[inline(always)]
fn count(tables: &mut [[u8; SYMBOLS]; 3], codes: u32) {
    for (kind, table) in tables.iter_mut().enumerate() {
        table[(codes >> (8 * kind)) as usize & (SYMBOLS - 1)] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::zstd_seq_encode::pack;
    use super::*;

    struct Portable;
    impl Isa for Portable {
        unsafe fn codes(sequences: *mut u64, codes: *mut u32) {
            // SAFETY: the contract is the same.
            unsafe { scalar(sequences, codes) }
        }
    }

    fn run(sequences: &[(u32, u32, u32)], repeats: &mut [u32; 3]) -> (Vec<u64>, Vec<[u8; 3]>) {
        run_as(sequences, Repeats::All(repeats))
    }

    fn run_as(sequences: &[(u32, u32, u32)], repeats: Repeats<'_>) -> (Vec<u64>, Vec<[u8; 3]>) {
        let n = sequences.len();
        let room = n.next_multiple_of(GROUP);
        let mut packed: Vec<u64> = sequences.iter().map(|&(l, m, d)| pack(l, m, d)).collect();
        packed.resize(room, 7);
        let mut all = vec![0; room];
        // SAFETY: portable code.
        unsafe { codes::<Portable>(&mut packed, n, &mut all, repeats) };
        (packed, all[..n].iter().map(|&codes| [codes as u8, (codes >> 8) as u8, (codes >> 16) as u8]).collect())
    }

    #[test]
    fn lengths_get_the_code_whose_range_holds_them() {
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

    #[test]
    fn any_sequences_are_read_back_as_they_were() {
        let mut seed = 5u32;
        let mut random = |n: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % n
        };
        let (mut references, mut all) = ([0, 0], 0);
        for round in 0..4000 {
            // Few distances, so that all patterns of repetition occur.
            let sequences: Vec<(u32, u32, u32)> =
                (0..1 + random(40)).map(|_| (random(3), 3 + random(9), 1 + random(6))).collect();
            let mut repeats = [1 + random(5), 1 + random(5), 1 + random(5)];
            let mut history = repeats;
            let most = round % 2;
            let (extra, codes) =
                if most == 0 { run(&sequences, &mut repeats) } else { run_as(&sequences, Repeats::Most(repeats)) };
            for ((&(literals, _, distance), extra), [ll, of, ml]) in sequences.iter().zip(extra).zip(codes) {
                let lengths = u32::from(LL_BITS[usize::from(ll)] + ML_BITS[usize::from(ml)]);
                let value = (1 << of) + (extra >> (EXTRA_LEN_BITS + lengths)) as u32;
                // As section 3.1.1.5 says it.
                let place = (value + u32::from(literals == 0)) as usize;
                let got = match (value, place) {
                    (4.., _) => value - 3,
                    (_, 1..=3) => history[place - 1],
                    _ => history[0] - 1,
                };
                assert_eq!(got, distance);
                match (value, place) {
                    (4.., _) | (_, 3..) => history = [got, history[0], history[1]],
                    (_, 2) => history = [got, history[0], history[2]],
                    _ => {}
                }
                references[most] += usize::from(value < 4);
                all += usize::from(most == 0);
            }
            assert!(most == 1 || history == repeats);
        }
        assert!(references.iter().all(|references| references * 4 > all), "{references:?} of {all}");
    }

    #[test]
    fn codes_are_counted_at_every_length() {
        let codes: Vec<u32> = (0..5000u32).map(|i| (i * i % 36) | (i % 13) << 8 | (i * 7 % 53) << 16).collect();
        for len in (0..40).chain([1019, 1020, 1021, 5000]) {
            let mut want = [[0; SYMBOLS]; 3];
            for &codes in &codes[..len] {
                (0..3).for_each(|kind| want[kind][(codes >> (8 * kind)) as usize & 63] += 1);
            }
            assert_eq!(tally(&codes[..len]), want, "{len} codes");
        }
        assert_eq!(tally(&[7; 4000])[0][7], 4000);
    }
}
