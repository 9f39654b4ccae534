//! Packed sequences to codes and extra bits (RFC 8878, sections 3.1.1.3.2.1.1 and 3.1.1.5).
//!
//! Two passes: the first finds repeated offsets, one sequence behind the other; the second has nothing that depends on a neighbour,
//! and takes as many sequences at once as the instruction set holds.

use core::hint::select_unpredictable;
use core::sync::atomic::{Ordering, compiler_fence};

use super::super::zstd_seq_encode::{Codes, DISTANCE_AT, LEN_BITS, SYMBOLS};
use super::Isa;
use crate::base::format::zstd::{LL_BASE, LL_BITS, ML_BASE, ML_BITS};

/// Sequences that are looked at together; arrays have room for a multiple of it.
pub const GROUP: usize = 8;
/// Sequences before one that [`Repeats::Most`] looks at.
pub const BEFORE: usize = 3;
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

/// Sets the first `count` of `values` to the format's offset value of each sequence: 1 to 3 for a repeated offset, else 3 more than the
/// distance. Moves `repeats` on as a decoder will move it.
///
/// `sequences` is longer than `count` by [`GROUP`], `values` twice as long.
#[inline(always)]
fn resolve(sequences: &[u64], count: usize, values: &mut [u32], repeats: &mut [u32; 3]) {
    let (values, thirds) = values.split_at_mut(sequences.len());
    // What the second and the third are before each sequence: all that must be found in turn.
    let [mut r0, mut r1, mut r2] = *repeats;
    for ((&sequence, second), third) in sequences[..count].iter().zip(&mut *values).zip(&mut *thirds) {
        (*second, *third) = (r1, r2);
        (r0, r1, r2) = moved(sequence, r0, r1, r2);
    }
    let first = value(sequences[0], repeats[0], values[0], thirds[0]);
    *repeats = [r0, r1, r2];
    let before = sequences.as_chunks::<GROUP>().0;
    let behind = sequences[1..].as_chunks::<GROUP>().0;
    let thirds = thirds[1..].as_chunks::<GROUP>().0;
    let groups = values[1..].as_chunks_mut::<GROUP>().0.iter_mut().zip(thirds).zip(before).zip(behind);
    for (((values, thirds), before), sequences) in groups.take((count - 1).div_ceil(GROUP)) {
        let mut group = [0; GROUP];
        for i in 0..GROUP {
            group[i] = value(sequences[i], (before[i] >> DISTANCE_AT) as u32, values[i], thirds[i]);
        }
        *values = group;
        // A group is vector code as it is; the compiler would rather take the same place of several groups, by gathers.
        compiler_fence(Ordering::SeqCst);
    }
    values[0] = first;
}

/// The repeated offsets behind a sequence before which they are these. Each of them waits for one comparison.
#[inline(always)]
fn moved(sequence: u64, first: u32, second: u32, third: u32) -> (u32, u32, u32) {
    let distance = (sequence >> DISTANCE_AT) as u32;
    // A first one moves nothing, a second one only the first. Without literals there is no reference to the first.
    let is_first = (distance == first) & (sequence & LEN_MASK != 0);
    let third = select_unpredictable(is_first | (distance == second), third, second);
    (distance, select_unpredictable(is_first, second, first), third)
}

/// The offset value of a sequence before which the repeated offsets are these.
#[inline(always)]
fn value(sequence: u64, first: u32, second: u32, third: u32) -> u32 {
    let distance = (sequence >> DISTANCE_AT) as u32;
    // Without literals the three references mean the second, the third, and the first less one.
    let bare = sequence & LEN_MASK == 0;
    let references = if bare { [second, third, first.wrapping_sub(1)] } else { [first, second, third] };
    let value = if distance == references[2] { 3 } else { distance + 3 };
    let value = if distance == references[1] { 2 } else { value };
    if distance == references[0] { 1 } else { value }
}

/// As [`resolve`] for the sequences of a whole source, with references to the first and the second repeated offset only where the
/// three sequences before one tell what these are: a distance that repeats one otherwise is written out, which is as right.
///
/// # Safety
/// Invariant I for `I`.
#[inline(always)]
unsafe fn resolve_most<I: Isa>(sequences: &[u64], count: usize, values: &mut [u32], repeats: [u32; 3]) {
    let [mut r0, mut r1, mut r2] = repeats;
    for (&sequence, slot) in sequences[..count].iter().zip(&mut *values).take(BEFORE) {
        *slot = value(sequence, r0, r1, r2);
        (r0, r1, r2) = moved(sequence, r0, r1, r2);
    }
    // SAFETY: invariant I is the caller's.
    unsafe { I::values(sequences, count, values) };
}

/// [`Isa::values`] of a set without vectors of our own: nothing waits for a neighbour here, so that the compiler can make some.
#[inline(always)]
pub fn scalar_values(sequences: &[u64], count: usize, values: &mut [u32]) {
    assert!(sequences.len() >= count + GROUP && values.len() >= count + GROUP);
    if count <= BEFORE {
        return;
    }
    let back = |n: usize| sequences[BEFORE - n..count - n].iter().copied();
    let slots = values[BEFORE..count].iter_mut();
    for ((((s0, s1), s2), s3), slot) in back(0).zip(back(1)).zip(back(2)).zip(back(3)).zip(slots) {
        let [d0, d1, d2, d3] = [s0, s1, s2, s3].map(|sequence| (sequence >> DISTANCE_AT) as u32);
        let [bare, first_bare] = [s0, s1].map(|sequence| sequence & LEN_MASK == 0);
        // A repetition of the first behind literals changes nothing, so that the second is what it was before.
        let behind = select_unpredictable(!first_bare & (d2 != d3), d3, 0);
        let second = select_unpredictable(d1 != d2, d2, behind);
        let value = select_unpredictable(d0 == second, 2 - u32::from(bare), d0 + 3);
        *slot = select_unpredictable((d0 == d1) & !bare, 1, value);
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
pub unsafe fn scalar(sequences: *mut u64, values: *const u32, codes: *mut Codes) {
    for i in 0..GROUP {
        // SAFETY: the caller's contract; `i` is below GROUP.
        let (packed, offset) = unsafe { (*sequences.add(i), *values.add(i)) };
        let literals = packed as u32 & ((1 << LEN_BITS) - 1);
        let length = (packed >> LEN_BITS) as u32 & ((1 << LEN_BITS) - 1);
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
            *sequences.add(i) = extra;
            *codes.add(i) = [ll_code as u8, of_code as u8, ml_code as u8, (ll_bits + ml_bits + of_code) as u8];
        }
    }
}

/// Turns `count` packed sequences, at most 2^15, into codes: literals length's, offset's, match length's, and the number of extra bits;
/// and each sequence into its extra bits: those of literals length, match length and offset, lowest first. Returns how often each code
/// of each kind occurs. `count` is not 0.
///
/// Distances equal to a repeated offset become references to it. `sequences` and `codes` have room for the next multiple of [`GROUP`]
/// and a group more, whose elements behind `count` become unspecified, `values` for twice as many.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `I`.
#[inline(always)]
pub unsafe fn codes<I: Isa>(
    sequences: &mut [u64],
    count: usize,
    values: &mut [u32],
    codes: &mut [Codes],
    repeats: Repeats<'_>,
) -> [[u16; SYMBOLS]; 3] {
    // Any sequences do, for which the codes are those of an alphabet.
    sequences[count..][..GROUP].fill(1 << DISTANCE_AT);
    match repeats {
        Repeats::All(repeats) => {
            resolve(&sequences[..count + GROUP], count, &mut values[..2 * (count + GROUP)], repeats);
        }
        // SAFETY: invariant I is the caller's.
        Repeats::Most(repeats) => unsafe { resolve_most::<I>(sequences, count, values, repeats) },
    }
    values[count..][..GROUP].fill(4);
    let padded = count.next_multiple_of(GROUP);
    let (sequences, values, codes) = (&mut sequences[..padded], &values[..padded], &mut codes[..padded]);
    let mut sums = [[0; SYMBOLS]; 3];
    let mut left = count;
    let parts = sequences.chunks_mut(PART).zip(values.chunks(PART)).zip(codes.chunks_mut(PART));
    for ((sequences, values), codes) in parts {
        let mut tally = Tally::new();
        let here = left.min(codes.len());
        let (mut counted, mut made) = (0, 0);
        for (sequences, values) in sequences.as_chunks_mut::<GROUP>().0.iter_mut().zip(values.as_chunks::<GROUP>().0) {
            // SAFETY: invariant I is the caller's; all three have GROUP elements.
            unsafe { I::codes(sequences.as_mut_ptr(), values.as_ptr(), codes[made..][..GROUP].as_mut_ptr()) };
            // Those of the group before, beside this one.
            tally.add(&codes[counted..made]);
            (counted, made) = (made, made + GROUP);
        }
        tally.add(&codes[counted..here]);
        left -= here;
        tally.add_to(&mut sums);
    }
    sums
}

/// Tables of counts that take turns.
const TABLES: usize = 2;
/// Sequences after which they are added up: no byte of a table overflows.
const PART: usize = (TABLES * 255) / GROUP * GROUP;

/// How often each code of each kind occurs, up to 255 times in each table.
///
/// Equal neighbours would make every increment wait for the one before: so the tables take turns; and they are of bytes, which are few
/// to clear and to add up.
struct Tally([[[u8; SYMBOLS]; 3]; TABLES]);

impl Tally {
    #[inline(always)]
    fn new() -> Self {
        Tally([[[0; SYMBOLS]; 3]; TABLES])
    }

    #[inline(always)]
    fn add(&mut self, codes: &[Codes]) {
        let (groups, rest) = codes.as_chunks::<TABLES>();
        for group in groups {
            for (table, codes) in self.0.iter_mut().zip(group) {
                count(table, codes);
            }
        }
        for (table, codes) in self.0.iter_mut().zip(rest) {
            count(table, codes);
        }
    }

    #[inline(always)]
    fn add_to(&self, sums: &mut [[u16; SYMBOLS]; 3]) {
        for (kind, sums) in sums.iter_mut().enumerate() {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum += self.0.iter().map(|tables| u16::from(tables[kind][i])).sum::<u16>();
            }
        }
    }
}

#[inline(always)]
fn count(table: &mut [[u8; SYMBOLS]; 3], codes: &Codes) {
    for (table, &code) in table.iter_mut().zip(codes) {
        table[usize::from(code) & (SYMBOLS - 1)] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::zstd_seq_encode::pack;
    use super::*;

    struct Portable;
    impl Isa for Portable {
        unsafe fn codes(sequences: *mut u64, values: *const u32, codes: *mut Codes) {
            // SAFETY: the contract is the same.
            unsafe { scalar(sequences, values, codes) }
        }

        unsafe fn values(sequences: &[u64], count: usize, values: &mut [u32]) {
            scalar_values(sequences, count, values);
        }
    }

    fn run(sequences: &[(u32, u32, u32)], repeats: &mut [u32; 3]) -> (Vec<u64>, Vec<[u8; 3]>) {
        run_as(sequences, Repeats::All(repeats))
    }

    fn run_as(sequences: &[(u32, u32, u32)], repeats: Repeats<'_>) -> (Vec<u64>, Vec<[u8; 3]>) {
        let n = sequences.len();
        let room = n.next_multiple_of(GROUP) + GROUP;
        let mut extra: Vec<u64> = sequences.iter().map(|&(l, m, d)| pack(l, m, d)).collect();
        extra.resize(room, 7);
        let (mut values, mut all) = (vec![0; 2 * room], vec![[0; 4]; room]);
        // SAFETY: portable code.
        let counts = unsafe { codes::<Portable>(&mut extra, n, &mut values, &mut all, repeats) };
        let mut want = [[0; SYMBOLS]; 3];
        for (&[ll, of, ml, bits], extra) in all[..n].iter().zip(&extra) {
            assert!(extra >> bits == 0);
            [ll, of, ml].iter().zip(&mut want).for_each(|(&code, want)| want[usize::from(code)] += 1);
        }
        assert_eq!(counts, want);
        (extra, all[..n].iter().map(|&[ll, of, ml, _]| [ll, of, ml]).collect())
    }

    #[test]
    fn lengths_get_the_code_whose_range_holds_them() {
        for len in 3..=65536u32 {
            let (extra, codes) = run(&[(65536 - len, len, 77_000)], &mut [1, 4, 8]);
            let [ll, of, ml] = codes[0].map(usize::from);
            let (ll_bits, ml_bits) = (u32::from(LL_BITS[ll]), u32::from(ML_BITS[ml]));
            let bits = extra[0];
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
            let got = (1u32 << codes[0][1]) + extra[0] as u32;
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
                let value = (1 << of) + (extra >> lengths) as u32;
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
    fn codes_are_made_and_counted_at_every_length() {
        let all: Vec<(u32, u32, u32)> = (0..5000).map(|i| (i * i % 77, 3 + i % 130, 1 + i / 3 * i % 9)).collect();
        let (whole, _) = run(&all, &mut [1, 4, 8]);
        for len in (1..40).chain([PART - 1, PART, PART + 1, PART + 3, 2 * PART - 1, 2 * PART, 2 * PART + 1, 5000]) {
            let (extra, codes) = run(&all[..len], &mut [1, 4, 8]);
            assert_eq!((&extra[..len], codes.len()), (&whole[..len], len));
        }
        run(&[(7, 7, 7); 4000], &mut [1, 4, 8]);
    }
}
