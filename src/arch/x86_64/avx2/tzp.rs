//! tzp with 32-byte registers.

use core::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi8, _mm_blendv_epi8, _mm_loadl_epi64, _mm_loadu_si128, _mm_set1_epi8, _mm_shuffle_epi8,
    _mm_storel_epi64, _mm_storeu_si128, _mm_sub_epi8, _mm_unpacklo_epi8, _mm256_add_epi8, _mm256_add_epi64,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_extract_epi64,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_sad_epu8, _mm256_set1_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256,
};

use crate::base::format::tzp::{CHUNKS, KEEP};
use crate::kernel::table::{instantiate_tzp_kernels, instantiate_tzp_two};
use crate::kernel::tzp::{Block, COMPACT, Chunk, EXPAND, literals_of, row};

#[derive(Clone, Copy)]
struct Ymm(__m256i);

/// Literals of one word by its nibble.
static NIBBLE_LITERALS: [u8; 16] = {
    let (mut table, mut nibble) = ([0; 16], 0);
    while nibble < 16 {
        table[nibble] = KEEP[nibble].count_zeros() as u8;
        nibble += 1;
    }
    table
};
/// By eight flags: for each of the eight places with its flag set the number of the flag among those set, 0x80 elsewhere.
static SPREAD: [[u8; 8]; 256] = by_flags(true);
/// By eight flags: for each of the eight places how many flags are set up to and with it.
static COUNT: [[u8; 8]; 256] = by_flags(false);

const fn by_flags(spread: bool) -> [[u8; 8]; 256] {
    let (mut table, mut flags) = ([[0; 8]; 256], 0);
    while flags < 256 {
        let (mut place, mut count) = (0, 0);
        while place < 8 {
            let set = flags >> place & 1 != 0;
            table[flags][place] = match (spread, set) {
                (true, true) => count,
                (true, false) => 0x80,
                (false, set) => count + set as u8,
            };
            count += set as u8;
            place += 1;
        }
        flags += 1;
    }
    table
}

/// Returns the 16 bytes at `at`.
///
/// # Safety
/// The shell enables AVX2; 16 bytes are readable.
#[inline(always)]
unsafe fn half(at: *const u8) -> __m128i {
    // SAFETY: the caller's contract.
    unsafe { _mm_loadu_si128(at.cast()) }
}

impl Chunk for Ymm {
    #[inline(always)]
    unsafe fn load(at: *const u8) -> Self {
        // SAFETY: the caller's shell enables AVX2 (I); 32 bytes are readable.
        Ymm(unsafe { _mm256_loadu_si256(at.cast()) })
    }
    #[inline(always)]
    unsafe fn equal_count(self, other: Self) -> u32 {
        // SAFETY: the caller's shell enables AVX2 and POPCNT (I).
        unsafe { self.equal_bits(other).count_ones() }
    }
    #[inline(always)]
    unsafe fn equal_bits(self, other: Self) -> u32 {
        // SAFETY: the caller's shell enables AVX2 (I).
        unsafe { _mm256_movemask_epi8(_mm256_cmpeq_epi8(self.0, other.0)).cast_unsigned() }
    }
    #[inline(always)]
    unsafe fn compact(self, codes: u32, to: *mut u8) -> usize {
        let first = literals_of(codes);
        // SAFETY: the caller's shell enables AVX2 (I); `first` is at most 16, so both stores are in 32 bytes.
        unsafe {
            let (low, high) = (_mm256_castsi256_si128(self.0), _mm256_extracti128_si256::<1>(self.0));
            _mm_storeu_si128(to.cast(), _mm_shuffle_epi8(low, half(row(&COMPACT, codes))));
            _mm_storeu_si128(to.add(first).cast(), _mm_shuffle_epi8(high, half(row(&COMPACT, codes >> 8))));
        }
        first + literals_of(codes >> 8)
    }
    #[inline(always)]
    unsafe fn expand(literals: *const u8, codes: u32, predicted: *const u8, to: *mut u8) -> usize {
        let first = literals_of(codes);
        // SAFETY: the caller's shell enables AVX2 (I); `first` is at most 16, so both loads of literals are in the 32
        // readable bytes, as the other ones are. The high bit of a place says "kept" to the shuffle and the blend.
        unsafe {
            let (places, more_places) = (half(row(&EXPAND, codes)), half(row(&EXPAND, codes >> 8)));
            let (low, high) = (half(predicted), half(predicted.add(16)));
            let low = _mm_blendv_epi8(_mm_shuffle_epi8(half(literals), places), low, places);
            let high = _mm_blendv_epi8(_mm_shuffle_epi8(half(literals.add(first)), more_places), high, more_places);
            _mm_storeu_si128(to.cast(), low);
            _mm_storeu_si128(to.add(16).cast(), high);
        }
        first + literals_of(codes >> 8)
    }

    #[inline(always)]
    unsafe fn spread(block: &Block, codes: &mut [u8; 2 * CHUNKS], offsets: &mut [u8; CHUNKS]) {
        // The offsets of the block behind a 0, which is in force before the first. Loads may end 16 bytes behind the last.
        let mut listed = [0; 32 + CHUNKS + 32];
        // SAFETY: the caller's shell enables AVX2 (I). A load from the block is at most 32 bytes long and starts where its part
        // has not ended, or ends, so it ends before the flags do (1 of tzp_decode). There are at most 128 offsets.
        unsafe {
            let count = (block.new_offset[0].count_ones() + block.new_offset[1].count_ones()) as usize;
            for at in (0..count).step_by(32) {
                let here = _mm256_loadu_si256(block.offsets.add(at).cast());
                _mm256_storeu_si256(listed.as_mut_ptr().add(32 + at).cast(), here);
            }
            let (mut code, mut offset) = (block.codes, listed.as_ptr().add(31));
            for (eight, (codes, offsets)) in
                codes.as_chunks_mut::<16>().0.iter_mut().zip(offsets.as_chunks_mut::<8>().0).enumerate()
            {
                let has = (block.has_codes[eight / 8] >> (8 * (eight % 8)) & 0xFF) as usize;
                let spread = _mm_loadl_epi64(SPREAD[has].as_ptr().cast());
                // Two code bytes for each place: numbers 2n and 2n + 1, or 0x80 in both.
                let twice = _mm_add_epi8(spread, spread);
                let pairs = _mm_unpacklo_epi8(twice, _mm_sub_epi8(twice, _mm_set1_epi8(-1)));
                let none = _mm_unpacklo_epi8(spread, spread);
                let spread = _mm_blendv_epi8(pairs, none, none);
                _mm_storeu_si128(codes.as_mut_ptr().cast(), _mm_shuffle_epi8(half(code), spread));
                code = code.add(2 * has.count_ones() as usize);

                let new = (block.new_offset[eight / 8] >> (8 * (eight % 8)) & 0xFF) as usize;
                let in_force = _mm_shuffle_epi8(half(offset), _mm_loadl_epi64(COUNT[new].as_ptr().cast()));
                _mm_storel_epi64(offsets.as_mut_ptr().cast(), in_force);
                offset = offset.add(new.count_ones() as usize);
            }
        }
    }

    #[inline(always)]
    unsafe fn literals(codes: &[u8; 2 * CHUNKS]) -> usize {
        // SAFETY: the caller's shell enables AVX2 (I). A sum of two nibbles is at most 16, a step's sum of 32 fits 64 bits.
        unsafe {
            let table = _mm256_broadcastsi128_si256(half(NIBBLE_LITERALS.as_ptr()));
            let (zero, low) = (_mm256_setzero_si256(), _mm256_set1_epi8(15));
            let mut sum = zero;
            for here in codes.as_chunks::<32>().0 {
                let here = _mm256_loadu_si256(here.as_ptr().cast());
                let one = _mm256_shuffle_epi8(table, _mm256_and_si256(here, low));
                let other = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(here), low));
                sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_add_epi8(one, other), zero));
            }
            (_mm256_extract_epi64::<0>(sum)
                + _mm256_extract_epi64::<1>(sum)
                + _mm256_extract_epi64::<2>(sum)
                + _mm256_extract_epi64::<3>(sum)) as usize
        }
    }
}

instantiate_tzp_kernels!(Ymm, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
instantiate_tzp_two!(Ymm, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
