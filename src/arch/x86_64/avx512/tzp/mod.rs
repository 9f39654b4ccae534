//! tzp with mask registers.
//!
//! What other instruction sets do chunk by chunk goes here for many chunks at once, in passes: sets of bytes (one u32 a
//! chunk, bit j for byte j), their nibbles, codes and offsets packed and unpacked, pointers to the predictions. What is left
//! for each chunk is one comparison, or one move of its literals. What a CPU has beside AVX-512 F, BW, CD, DQ and VL decides
//! how some steps go: [`Set`], which [`plain`] and [`vbmi2`] implement.

pub mod plain;
pub mod vbmi2;

use core::arch::x86_64::{
    __m256i, __m512i, _bzhi_u64, _mm_loadl_epi64, _mm_storeu_si128, _mm256_cmpeq_epi8, _mm256_cmpeq_epi8_mask,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_storeu_si256, _mm256_test_epi16_mask, _mm256_testn_epi8_mask,
    _mm512_add_epi8, _mm512_add_epi32, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpgt_epu8_mask,
    _mm512_cmpneq_epu8_mask, _mm512_cvtepi16_epi8, _mm512_cvtepi32_epi8, _mm512_cvtepu8_epi16, _mm512_cvtepu8_epi64,
    _mm512_loadu_si512, _mm512_maddubs_epi16, _mm512_mask_loadu_epi8, _mm512_mask_mov_epi64, _mm512_maskz_loadu_epi8,
    _mm512_maskz_set1_epi8, _mm512_maskz_shuffle_i64x2, _mm512_maskz_unpacklo_epi64, _mm512_or_si512,
    _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_slli_epi16, _mm512_slli_epi64, _mm512_storeu_si512, _mm512_sub_epi64,
    _mm512_testn_epi64_mask, _mm512_xor_si512,
};
use core::marker::PhantomData;
use core::mem::MaybeUninit;

use crate::base::format::tzp::{CHUNK, CHUNKS, FLAGS, KEEP, OFFSET_BIAS, PAGE};
use crate::kernel::tzp::{Block, CANDIDATES, Chunk, FARTHEST, PIECE, Row, ZERO, ZEROS};

/// The steps that depend on what the CPU has beside AVX-512 F, BW, CD, DQ and VL.
///
/// # Safety
/// Of all methods: invariant I of [`crate::kernel`], and the bytes that they say they read or write.
pub trait Set: Copy {
    /// Returns the number of bits set in each 32-bit lane.
    unsafe fn count(sets: __m512i) -> __m512i;

    /// Returns for each byte, a set of equal bytes of a word, its nibble: that of [`crate::kernel::tzp::LOW_NIBBLE`].
    unsafe fn nibbles(equal: __m512i) -> __m512i;

    /// Writes the code pairs of the chunks in `which` to `to`, one behind the other; 32 bytes are overwritten.
    unsafe fn pack_codes(codes: __m256i, which: u16, to: *mut u8);

    /// Returns the code pairs at `from` at the places of the chunks in `which`, zeros elsewhere; 32 bytes are readable.
    unsafe fn unpack_codes(from: *const u8, which: u16) -> __m256i;

    /// Writes those of 64 bytes that are in `which` to `to`, one behind the other; 64 bytes are overwritten.
    unsafe fn pack_bytes(bytes: __m512i, which: u64, to: *mut u8);

    /// Writes to each of the 128 bytes at `to` the byte of `table` that the same place in `numbers` counts from 1, or 0
    /// where that is 0. No number is above 128.
    unsafe fn pick(table: [__m512i; 2], numbers: [__m512i; 2], to: *mut u8);

    /// Writes the bytes of a chunk that are in `literals` to `to`, one behind the other; 32 bytes are overwritten. The
    /// chunk's codes say the same as `literals`.
    unsafe fn extract(chunk: __m256i, literals: u32, codes: *const u8, to: *mut u8);

    /// Returns `predicted` with the bytes in `literals` replaced by those at `from`, of which 32 are readable. The chunk's
    /// codes say the same as `literals`.
    unsafe fn merge(predicted: __m256i, literals: u32, codes: *const u8, from: *const u8) -> __m256i;
}

/// A chunk, with the steps of `S`.
#[derive(Clone, Copy)]
pub struct Ymm<S>(__m256i, PhantomData<S>);

/// A value, or an array, as large as registers, on a boundary of 64 bytes.
#[repr(align(64))]
struct Aligned<T>(T);

/// The literals of a word by its nibble, as a set of bytes; four times, for shuffles in four lanes.
static LITERAL_SETS: Aligned<[u8; 64]> = {
    let (mut table, mut i) = ([0; 64], 0);
    while i < 64 {
        table[i] = !KEEP[i % 16];
        i += 1;
    }
    Aligned(table)
};
/// The largest offset that chunks 0 to 127 of a page's worth of bytes can have.
static LARGEST: Aligned<[u8; CHUNKS]> = {
    let (mut table, mut chunk) = ([0; CHUNKS], 0);
    while chunk < CHUNKS {
        let largest = (4 * chunk).saturating_sub(OFFSET_BIAS);
        table[chunk] = if largest < 255 { largest as u8 } else { 255 };
        chunk += 1;
    }
    Aligned(table)
};
/// Bytes from one chunk to each of eight.
static EIGHT_CHUNKS: Aligned<[u64; 8]> = Aligned([0, 32, 64, 96, 128, 160, 192, 224]);
/// A shuffle that gives every byte of a word the word's highest one.
static HIGHEST: Aligned<[u8; 64]> = {
    let (mut table, mut i) = ([0; 64], 0);
    while i < 64 {
        table[i] = ((i % 16) | 7) as u8;
        i += 1;
    }
    Aligned(table)
};

/// Returns the 64 bytes at `at`.
///
/// # Safety
/// Invariant I; they are readable.
#[inline(always)]
unsafe fn load<T>(at: *const T) -> __m512i {
    // SAFETY: the caller's contract.
    unsafe { _mm512_loadu_si512(at.cast()) }
}

/// Writes pointers to the predictions of a piece of 32 chunks, the first at `at`, whose offsets in force are at `offsets`.
///
/// # Safety
/// Invariant I; 32 bytes are readable at `offsets`.
#[inline(always)]
unsafe fn predictions(at: *const u8, offsets: *const u8) -> [*const u8; PIECE] {
    let mut pointers = MaybeUninit::<[*const u8; PIECE]>::uninit();
    // Addresses that become pointers again: those of the chunks before, and that of the zeros.
    let (at, zeros) = (at.expose_provenance(), ZEROS.as_ptr().expose_provenance());
    // SAFETY: invariant I; four stores of eight pointers fill the array, and any address is a pointer.
    unsafe {
        let zeros = _mm512_set1_epi64(zeros as i64);
        let nearest = _mm512_set1_epi64(at.wrapping_sub(8 * OFFSET_BIAS) as i64);
        let mut nearest = _mm512_add_epi64(nearest, load(&EIGHT_CHUNKS));
        for eight in 0..PIECE / 8 {
            let offset = _mm512_cvtepu8_epi64(_mm_loadl_epi64(offsets.add(8 * eight).cast()));
            let earlier = _mm512_sub_epi64(nearest, _mm512_slli_epi64::<3>(offset));
            let prediction = _mm512_mask_mov_epi64(earlier, _mm512_testn_epi64_mask(offset, offset), zeros);
            _mm512_storeu_si512(pointers.as_mut_ptr().cast::<__m512i>().add(eight), prediction);
            nearest = _mm512_add_epi64(nearest, _mm512_set1_epi64(8 * CHUNK as i64));
        }
        pointers.assume_init()
    }
}

/// Returns for every place, in order, how many bits are set up to and with it.
///
/// # Safety
/// Invariant I.
#[inline(always)]
unsafe fn running_count(bits: u64) -> __m512i {
    // SAFETY: invariant I.
    unsafe {
        let (word, lane) = (load(&HIGHEST), _mm512_set1_epi8(15));
        let mut count = _mm512_maskz_set1_epi8(bits, 1);
        count = _mm512_add_epi8(count, _mm512_slli_epi64::<8>(count));
        count = _mm512_add_epi8(count, _mm512_slli_epi64::<16>(count));
        count = _mm512_add_epi8(count, _mm512_slli_epi64::<32>(count));
        // From each even word to the odd one behind it, then from lane 0 to 1 and 2 to 3, then from lane 1 to 2 and 3.
        let sums = _mm512_shuffle_epi8(count, word);
        count = _mm512_add_epi8(count, _mm512_maskz_unpacklo_epi64(0b1010_1010, sums, sums));
        let sums = _mm512_shuffle_epi8(count, lane);
        count = _mm512_add_epi8(count, _mm512_maskz_shuffle_i64x2::<0b10_10_00_00>(0b1100_1100, sums, sums));
        let sums = _mm512_shuffle_epi8(count, lane);
        _mm512_add_epi8(count, _mm512_maskz_shuffle_i64x2::<0b01_01_01_01>(0b1111_0000, sums, sums))
    }
}

/// Writes to each of the 128 bytes at `to` the offset in force for that chunk.
///
/// # Safety
/// Invariant I; `block` has the offsets that it says; `to` is that long.
#[inline(always)]
unsafe fn in_force<S: Set>(block: &Block, to: *mut u8) {
    let [low, high] = block.new_offset;
    let (first, count) = (low.count_ones(), low.count_ones() + high.count_ones());
    // SAFETY: invariant I; `count` bytes are readable, and the loads read no others; no count is above 128.
    unsafe {
        let table = [
            _mm512_maskz_loadu_epi8(_bzhi_u64(u64::MAX, count), block.offsets.cast()),
            _mm512_maskz_loadu_epi8(
                _bzhi_u64(u64::MAX, count.saturating_sub(64)),
                block.offsets.wrapping_add(64).cast(),
            ),
        ];
        let before = _mm512_set1_epi8(first as i8);
        S::pick(table, [running_count(low), _mm512_add_epi8(running_count(high), before)], to);
    }
}

/// Returns the literals that `codes` asks for, as a set of bytes.
#[inline(always)]
fn literal_set(codes: u32) -> u32 {
    let word = |word: u32| u32::from(!KEEP[(codes >> (4 * word) & 15) as usize]) << (8 * word);
    word(0) | word(1) | word(2) | word(3)
}

/// Writes which bytes chunk `i` has in common with each of its first `N + 2` candidates: [`Chunk::count_alike`].
///
/// # Safety
/// That of [`Chunk::count_alike`]; `i` is below [`PIECE`]; `sets` points to as many rows as there are candidates.
#[inline(always)]
unsafe fn compare<const N: usize>(at: *const u8, i: usize, rows: &[Row; CANDIDATES], sets: *mut [u32; PIECE]) {
    // SAFETY: the caller's contract.
    unsafe {
        let (at, sets) = (at.add(CHUNK * i), sets.cast::<u32>().add(i));
        let here = _mm256_loadu_si256(at.cast());
        *sets = _mm256_testn_epi8_mask(here, here);
        *sets.add(PIECE) = _mm256_cmpeq_epi8_mask(here, _mm256_loadu_si256(at.sub(CHUNK).cast()));
        for row in 2..N + 2 {
            let place = *rows.get_unchecked(row).get_unchecked(i);
            let there = at.wrapping_sub(FARTHEST).wrapping_add(8 * usize::from(place));
            *sets.add(PIECE * row) = _mm256_cmpeq_epi8_mask(here, _mm256_loadu_si256(there.cast()));
        }
    }
}

impl<S: Set> Chunk for Ymm<S> {
    #[inline(always)]
    unsafe fn load(at: *const u8) -> Self {
        // SAFETY: the caller's shell enables AVX2 (I); 32 bytes are readable.
        Ymm(unsafe { _mm256_loadu_si256(at.cast()) }, PhantomData)
    }
    #[inline(always)]
    unsafe fn equal_count(self, other: Self) -> u32 {
        // SAFETY: the caller's shell enables AVX2 and POPCNT (I). Not through a mask register, which takes longer.
        unsafe { _mm256_movemask_epi8(_mm256_cmpeq_epi8(self.0, other.0)).count_ones() }
    }
    #[inline(always)]
    unsafe fn equal_bits(self, other: Self) -> u32 {
        // SAFETY: the caller's shell enables AVX-512 (I).
        unsafe { _mm256_cmpeq_epi8_mask(self.0, other.0) }
    }

    #[inline(always)]
    unsafe fn count_alike<const N: usize>(
        at: *const u8,
        skip: usize,
        rows: &[Row; CANDIDATES],
        alike: &mut [Row; CANDIDATES],
    ) {
        const { assert!(N + 2 <= CANDIDATES) };
        let mut sets = MaybeUninit::<Aligned<[[u32; PIECE]; CANDIDATES]>>::uninit();
        let sets = sets.as_mut_ptr().cast::<[u32; PIECE]>();
        // SAFETY: invariant I and the loads are the caller's; each place of the first N + 2 rows of `sets` is written before
        // it is read: those of skipped chunks here, the others in the loop.
        unsafe {
            for row in 0..N + 2 {
                for i in 0..skip {
                    (*sets.add(row))[i] = 0;
                }
            }
            // By twos and a fixed number of times, for the sake of the loop's code.
            for i in skip..2 {
                compare::<N>(at, i, rows, sets);
            }
            for i in (2..PIECE).step_by(2) {
                compare::<N>(at, i, rows, sets);
                compare::<N>(at, i + 1, rows, sets);
            }
            for (row, alike) in alike.iter_mut().enumerate().take(N + 2) {
                for half in 0..2 {
                    let counts = S::count(load(sets.add(row).cast::<__m512i>().add(half)));
                    let to = alike.as_mut_ptr().add(PIECE / 2 * half);
                    _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(counts));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn compact(self, codes: u32, to: *mut u8) -> usize {
        let literals = literal_set(codes);
        // SAFETY: the caller's contract; two code bytes are readable.
        unsafe { S::extract(self.0, literals, codes.to_le_bytes().as_ptr(), to) };
        literals.count_ones() as usize
    }
    #[inline(always)]
    unsafe fn expand(from: *const u8, codes: u32, predicted: *const u8, to: *mut u8) -> usize {
        let literals = literal_set(codes);
        // SAFETY: the caller's contract; two code bytes are readable.
        unsafe {
            let predicted = _mm256_loadu_si256(predicted.cast());
            let chunk = S::merge(predicted, literals, codes.to_le_bytes().as_ptr(), from);
            _mm256_storeu_si256(to.cast(), chunk);
        }
        literals.count_ones() as usize
    }

    #[inline(always)]
    unsafe fn write(
        page: *const u8,
        chosen: &[u8],
        codes: &mut [u8],
        offsets: &mut [u8],
        dst: &mut [u8],
    ) -> Option<usize> {
        let (chosen, codes, offsets) = (&chosen[..CHUNKS], &mut codes[..2 * CHUNKS], &mut offsets[..CHUNKS]);
        let mut sets = MaybeUninit::<Aligned<[u32; CHUNKS]>>::uninit();
        let sets = sets.as_mut_ptr().cast::<u32>();
        let mut pairs = MaybeUninit::<Aligned<[u8; 2 * CHUNKS]>>::uninit();
        let pairs = pairs.as_mut_ptr().cast::<u8>();
        let mut values = MaybeUninit::<Aligned<[u8; CHUNKS]>>::uninit();
        let values = values.as_mut_ptr().cast::<u8>();
        // SAFETY: invariant I and the legal places are the caller's. Each of the buffers on the stack is filled by the pass
        // that comes first. Of codes and offsets at most so many lie before the place of a store that what it overwrites is
        // inside: 32 bytes for each 16 chunks, 64 for 64. The literals and the 32 bytes behind them are in `dst` (L), since
        // all lengths are known before the first of them is written.
        unsafe {
            let ones = _mm512_set1_epi8(-1);
            let places = [load(chosen.as_ptr()), load(chosen.as_ptr().add(64))];
            let offset = [_mm512_xor_si512(places[0], ones), _mm512_xor_si512(places[1], ones)];
            _mm512_storeu_si512(values.cast(), offset[0]);
            _mm512_storeu_si512(values.add(64).cast(), offset[1]);
            for first in (0..CHUNKS).step_by(PIECE) {
                let at = page.add(CHUNK * first);
                let predictions = predictions(at, values.add(first));
                for (i, prediction) in predictions.into_iter().enumerate() {
                    let here = _mm256_loadu_si256(at.add(CHUNK * i).cast());
                    *sets.add(first + i) = _mm256_cmpeq_epi8_mask(here, _mm256_loadu_si256(prediction.cast()));
                }
            }

            let (mut coded, mut count) = (0, _mm512_setzero_si512());
            let mut has_codes = [0u64; 2];
            for first in (0..CHUNKS).step_by(16) {
                let nibbles = S::nibbles(load(sets.add(first)));
                // Of two neighbours the first is the low one.
                let pair = _mm512_cvtepi16_epi8(_mm512_maddubs_epi16(nibbles, _mm512_set1_epi16(0x1001)));
                _mm256_storeu_si256(pairs.add(2 * first).cast(), pair);
                let has = _mm256_test_epi16_mask(pair, pair);
                S::pack_codes(pair, has, codes.as_mut_ptr().add(coded));
                coded += 2 * has.count_ones() as usize;
                has_codes[first / 64] |= u64::from(has) << (first % 64);
                let literals = _mm512_shuffle_epi8(load(&LITERAL_SETS), nibbles);
                _mm512_storeu_si512(sets.add(first).cast(), literals);
                count = _mm512_add_epi32(count, S::count(literals));
            }
            let literals = _mm512_reduce_add_epi32(count) as usize;

            // Before chunk 0 the place is ZERO, which is all ones.
            let before = _mm512_mask_loadu_epi8(ones, !1, chosen.as_ptr().wrapping_sub(1).cast());
            let first = _mm512_cmpneq_epu8_mask(places[0], before);
            let second = _mm512_cmpneq_epu8_mask(places[1], load(chosen.as_ptr().add(63)));
            S::pack_bytes(offset[0], first, offsets.as_mut_ptr());
            let moved = first.count_ones() as usize;
            S::pack_bytes(offset[1], second, offsets.as_mut_ptr().add(moved));
            let moved = moved + second.count_ones() as usize;

            let len = literals + coded + moved + FLAGS;
            let dst = dst.get_mut(..len)?;
            let mut to = dst.as_mut_ptr();
            for four in (0..CHUNKS).step_by(4) {
                for chunk in four..four + 4 {
                    let here = _mm256_loadu_si256(page.add(CHUNK * chunk).cast());
                    let set = *sets.add(chunk);
                    S::extract(here, set, pairs.add(2 * chunk), to);
                    to = to.add(set.count_ones() as usize);
                }
            }
            let (to_codes, rest) = dst[literals..].split_at_mut(coded);
            to_codes.copy_from_slice(&codes[..coded]);
            let (to_offsets, to_flags) = rest.split_at_mut(moved);
            to_offsets.copy_from_slice(&offsets[..moved]);
            for (to, flags) in to_flags.chunks_exact_mut(8).zip([has_codes[0], has_codes[1], first, second]) {
                to.copy_from_slice(&flags.to_le_bytes());
            }
            Some(len)
        }
    }

    #[inline(always)]
    unsafe fn restore<const N: usize>(blocks: &[Block; N], units: [*mut u8; N], page: usize) -> bool {
        let mut sets = [const { MaybeUninit::<Aligned<[u32; CHUNKS]>>::uninit() }; N];
        let mut pairs = [const { MaybeUninit::<Aligned<[u8; 2 * CHUNKS]>>::uninit() }; N];
        let mut offsets = [const { MaybeUninit::<Aligned<[u8; CHUNKS]>>::uninit() }; N];
        // SAFETY: invariant I is the caller's; the buffers on the stack are filled before they are read. The codes end where
        // at least 32 bytes follow, as many as a load reads from any place among them. The number of literals is compared
        // (2 of tzp_decode) before one is read. In the first page of a unit every offset is compared with the largest that
        // its chunk can have, and in later ones any leads to the page before, so each prediction ends before its chunk (3).
        unsafe {
            for k in 0..N {
                let sets = sets[k].as_mut_ptr().cast::<u32>();
                let pairs = pairs[k].as_mut_ptr().cast::<u8>();
                let offsets = offsets[k].as_mut_ptr().cast::<u8>();
                let (mut codes, mut count) = (blocks[k].codes, _mm512_setzero_si512());
                for first in (0..CHUNKS).step_by(16) {
                    let has = (blocks[k].has_codes[first / 64] >> (first % 64)) as u16;
                    let pair = S::unpack_codes(codes, has);
                    codes = codes.add(2 * has.count_ones() as usize);
                    _mm256_storeu_si256(pairs.add(2 * first).cast(), pair);
                    let wide = _mm512_cvtepu8_epi16(pair);
                    let nibbles = _mm512_or_si512(wide, _mm512_slli_epi16::<4>(wide));
                    let nibbles = _mm512_and_si512(nibbles, _mm512_set1_epi8(15));
                    let literals = _mm512_shuffle_epi8(load(&LITERAL_SETS), nibbles);
                    _mm512_storeu_si512(sets.add(first).cast(), literals);
                    count = _mm512_add_epi32(count, S::count(literals));
                }
                if _mm512_reduce_add_epi32(count) as usize != blocks[k].literal_count {
                    return false;
                }
                in_force::<S>(&blocks[k], offsets);
                if page == 0 {
                    let largest = LARGEST.0.as_ptr();
                    let first = _mm512_cmpgt_epu8_mask(load(offsets), load(largest));
                    let second = _mm512_cmpgt_epu8_mask(load(offsets.add(64)), load(largest.add(64)));
                    if first | second != 0 {
                        return false;
                    }
                }
            }
            let mut from = [core::ptr::null(); N];
            for k in 0..N {
                from[k] = blocks[k].literals;
            }
            for first in (0..CHUNKS).step_by(PIECE) {
                let mut predicted = [[core::ptr::null(); PIECE]; N];
                for k in 0..N {
                    let to = units[k].add(PAGE * page + CHUNK * first);
                    predicted[k] = predictions(to, offsets[k].as_ptr().cast::<u8>().add(first));
                }
                // By fours, for the sake of the loop's code.
                for four in (0..PIECE).step_by(4) {
                    for i in four..four + 4 {
                        for k in 0..N {
                            let set = *sets[k].as_ptr().cast::<u32>().add(first + i);
                            let predicted = _mm256_loadu_si256(predicted[k].get_unchecked(i).cast());
                            let pairs = pairs[k].as_ptr().cast::<u8>().add(2 * (first + i));
                            let chunk = S::merge(predicted, set, pairs, from[k]);
                            _mm256_storeu_si256(units[k].add(PAGE * page + CHUNK * (first + i)).cast(), chunk);
                            from[k] = from[k].add(set.count_ones() as usize);
                        }
                    }
                }
            }
            true
        }
    }
}

const _: () = assert!(ZERO == 255 && FARTHEST == 8 * (255 + OFFSET_BIAS));
