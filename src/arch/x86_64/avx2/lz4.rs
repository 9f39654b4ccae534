//! The LZ4 kernels in 256-bit registers.

use core::arch::x86_64::{
    __m128i, __m256i, _mm_alignr_epi8, _mm_and_si128, _mm_blend_epi16, _mm_castpd_si128, _mm_castsi128_pd,
    _mm_cmpeq_epi32, _mm_cvtsi32_si128, _mm_cvtsi128_si32, _mm_extract_epi32, _mm_insert_epi32, _mm_load_sd,
    _mm_load_si128, _mm_loadh_pd, _mm_loadl_epi64, _mm_loadu_si128, _mm_packus_epi32, _mm_set1_epi32,
    _mm_setzero_si128, _mm_shuffle_epi8, _mm_slli_epi64, _mm_srli_epi32, _mm_store_si128, _mm_storeh_pd,
    _mm_storel_epi64, _mm_storel_pd, _mm_storeu_si128, _mm_sub_epi32, _mm_unpackhi_epi32, _mm_unpacklo_epi32,
    _mm_unpacklo_epi64, _mm256_add_epi32, _mm256_and_si256, _mm256_blend_epi16, _mm256_blend_epi32,
    _mm256_broadcastsi128_si256, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_cmpeq_epi16,
    _mm256_cmpeq_epi32, _mm256_extracti128_si256, _mm256_load_si256, _mm256_loadu_si256, _mm256_max_epu16,
    _mm256_movemask_epi8, _mm256_movemask_ps, _mm256_mullo_epi32, _mm256_or_si256, _mm256_packs_epi16,
    _mm256_packus_epi32, _mm256_permute4x64_epi64, _mm256_permutevar8x32_epi32, _mm256_set_m128i, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_setr_epi8, _mm256_setr_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_sll_epi32, _mm256_srl_epi32, _mm256_srli_epi32, _mm256_store_si256, _mm256_storeu_si256, _mm256_sub_epi16,
    _mm256_sub_epi32, _mm256_xor_si256,
};

use crate::base::Error;
use crate::kernel::lz4_decode::{NearCopy, PERIODS};
use crate::kernel::lz4_isa::{BLOCK, Isa, MULTIPLIERS, ROTATIONS, behind};
use crate::kernel::table::{
    instantiate_lz4_lanes, instantiate_lz4_optimal, instantiate_scan, instantiate_zstd_lanes, instantiate_zstd_optimal,
};

/// AVX2.
pub struct Avx2;

/// The first four bytes of eight positions, and the bytes of the key behind those, each in a 32-bit lane.
///
/// # Safety
/// Invariant I; `8 * STRIDE + 16` bytes are readable at `src`.
#[inline(always)]
pub unsafe fn keys<const STRIDE: usize, const KEY: usize>(src: *const u8) -> (__m256i, __m256i) {
    // SAFETY: the caller's shell enables AVX2 (I); the loads end at most 8 * STRIDE + 16 bytes behind `src` (S).
    unsafe {
        let (bytes, words) = match STRIDE {
            1 => (
                _mm256_broadcastsi128_si256(_mm_loadu_si128(src.cast())),
                _mm256_setr_epi8(
                    0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6, 4, 5, 6, 7, 5, 6, 7, 8, 6, 7, 8, 9, 7, 8, 9, 10,
                ),
            ),
            2 => (
                _mm256_set_m128i(_mm_loadu_si128(src.add(8).cast()), _mm_loadu_si128(src.cast())),
                _mm256_setr_epi8(
                    0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9,
                ),
            ),
            _ => {
                let next = _mm256_loadu_si256(src.add(4).cast());
                let next = if KEY == 8 { next } else { _mm256_and_si256(next, _mm256_set1_epi32(0xFF)) };
                return (_mm256_loadu_si256(src.cast()), next);
            }
        };
        let behind = _mm256_loadu_si256(const { &behind::<32>(STRIDE, KEY) }.as_ptr().cast());
        (_mm256_shuffle_epi8(bytes, words), _mm256_shuffle_epi8(bytes, behind))
    }
}

impl Isa for Avx2 {
    #[inline(always)]
    unsafe fn common32(a: *const u8, b: *const u8) -> usize {
        // SAFETY: the caller's shell enables AVX2 (I); 32 bytes are readable at both, by the contract of `Isa::common32` (S).
        unsafe {
            let equal = _mm256_cmpeq_epi8(_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast()));
            (!_mm256_movemask_epi8(equal)).trailing_zeros() as usize
        }
    }

    #[inline(always)]
    unsafe fn equal32(a: *const u8, b: *const u8) -> u32 {
        // SAFETY: the caller's shell enables AVX2 (I); 32 bytes are readable at both, by the contract of `Isa::equal32` (S).
        unsafe {
            let equal = _mm256_cmpeq_epi8(_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast()));
            _mm256_movemask_epi8(equal).cast_unsigned()
        }
    }

    #[inline(always)]
    unsafe fn suffix32(a: *const u8, b: *const u8) -> usize {
        // SAFETY: the caller's shell enables AVX2 (I); 32 bytes are readable before both, by the contract of `Isa::suffix32` (S).
        unsafe {
            let (a, b) = (_mm256_loadu_si256(a.sub(32).cast()), _mm256_loadu_si256(b.sub(32).cast()));
            (!_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b))).leading_zeros() as usize
        }
    }

    #[inline(always)]
    unsafe fn scan<const STRIDE: usize, const KEY: usize, const BITS: u32>(
        src: *const u8,
        position: usize,
        table: *mut u32,
        distances: *mut u16,
    ) -> u64 {
        let (mut places, mut entries) = ([0u32; BLOCK], [0u32; BLOCK]);
        let mut found = 0;
        // SAFETY: the caller's shell enables AVX2 (I). The reads are those of the contract (S); stores to `distances`, `places` and
        // `entries` are of 16 or 8 elements from multiples of that (D).
        unsafe {
            let m0 = _mm256_set1_epi32(MULTIPLIERS[0].cast_signed());
            let m1 = _mm256_set1_epi32(MULTIPLIERS[1].cast_signed());
            let ramp = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(STRIDE as i32));
            let mut positions = _mm256_add_epi32(ramp, _mm256_set1_epi32(position as i32));
            // All places are stored before the first exchange, which then does not wait for them.
            for first in (0..BLOCK).step_by(8) {
                let (words, fifth) = keys::<STRIDE, KEY>(src.add(first * STRIDE));
                let hash = _mm256_add_epi32(_mm256_mullo_epi32(words, m0), _mm256_mullo_epi32(fifth, m1));
                _mm256_storeu_si256(places.as_mut_ptr().add(first).cast(), to_place::<BITS>(hash));
                let entry = _mm256_blend_epi16::<0x55>(shift_left::<BITS>(hash), positions);
                _mm256_storeu_si256(entries.as_mut_ptr().add(first).cast(), entry);
                positions = _mm256_add_epi32(positions, _mm256_set1_epi32(8 * STRIDE as i32));
            }
            for first in (0..BLOCK).step_by(16) {
                let mut met = [_mm256_setzero_si256(); 2];
                for (half, met) in met.iter_mut().enumerate() {
                    let at = first + 8 * half;
                    let new = _mm256_loadu_si256(entries.as_ptr().add(at).cast());
                    let low = exchange(four(table, &places, at), _mm256_castsi256_si128(new));
                    let high = exchange(four(table, &places, at + 4), _mm256_extracti128_si256::<1>(new));
                    let old = _mm256_set_m128i(high, low);
                    let tags = _mm256_srli_epi32::<16>(_mm256_xor_si256(new, old));
                    let same = _mm256_cmpeq_epi32(tags, _mm256_setzero_si256());
                    *met = _mm256_and_si256(_mm256_sub_epi16(new, old), same);
                    found |= (_mm256_movemask_ps(_mm256_castsi256_ps(same)) as u64) << at;
                }
                let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(met[0], met[1]));
                let packed = _mm256_max_epu16(packed, _mm256_set1_epi16(1));
                _mm256_storeu_si256(distances.add(first).cast(), packed);
            }
        }
        found
    }

    #[inline(always)]
    unsafe fn scan_pairs<const STRIDE: usize, const BITS: u32>(
        src: *const u8,
        position: usize,
        table: *mut u64,
        distances: *mut u16,
    ) -> u64 {
        let mut hashes = [0u32; BLOCK];
        let mut found = 0;
        // SAFETY: the caller's shell enables AVX2 (I). The reads are those of the contract (S); stores to `distances` and `hashes`
        // are of 16 or 8 elements from multiples of that (D).
        unsafe {
            let multiplier = _mm256_set1_epi32(MULTIPLIERS[0].cast_signed());
            for first in (0..BLOCK).step_by(8) {
                let words = keys::<STRIDE, 5>(src.add(first * STRIDE)).0;
                _mm256_storeu_si256(hashes.as_mut_ptr().add(first).cast(), _mm256_mullo_epi32(words, multiplier));
            }
            let ramp = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(STRIDE as i32));
            let mut positions = _mm256_add_epi32(ramp, _mm256_set1_epi32(position as i32));
            for first in (0..BLOCK).step_by(8) {
                let hash = _mm256_loadu_si256(hashes.as_ptr().add(first).cast());
                let new = _mm256_blend_epi16::<0x55>(shift_left::<BITS>(hash), positions);
                positions = _mm256_add_epi32(positions, _mm256_set1_epi32(8 * STRIDE as i32));
                let low = push::<BITS>(table, &hashes, first, _mm256_castsi256_si128(new));
                let high = push::<BITS>(table, &hashes, first + 4, _mm256_extracti128_si256::<1>(new));
                let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(low, high));
                let none = _mm256_cmpeq_epi32(packed, _mm256_setzero_si256());
                found |= u64::from(!_mm256_movemask_ps(_mm256_castsi256_ps(none)) as u8) << first;
                let packed = _mm256_max_epu16(packed, _mm256_set1_epi16(1));
                _mm256_storeu_si256(distances.add(2 * first).cast(), packed);
            }
        }
        found
    }

    #[inline(always)]
    unsafe fn scan_rows<const W: usize>(
        bits: u32,
        src: *const u8,
        position: usize,
        table: *mut u32,
        distances: *mut u16,
    ) {
        let (mut rows, mut entries) = ([0u32; BLOCK], [0u32; BLOCK]);
        // SAFETY: the caller's shell enables AVX2 (I). The reads are those of the contract (S); a row number has `bits` bits; stores to
        // `distances`, `rows` and `entries` are of 8 elements from multiples of that (D).
        unsafe {
            let multiplier = _mm256_set1_epi32(MULTIPLIERS[0].cast_signed());
            let ramp = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let mut positions = _mm256_add_epi32(ramp, _mm256_set1_epi32(position as i32));
            for first in (0..BLOCK).step_by(8) {
                let words = keys::<1, 5>(src.add(first)).0;
                let hash = _mm256_mullo_epi32(words, multiplier);
                let entry =
                    _mm256_blend_epi16::<0x55>(_mm256_sll_epi32(hash, _mm_cvtsi32_si128(bits as i32)), positions);
                positions = _mm256_add_epi32(positions, _mm256_set1_epi32(8));
                let row = _mm256_srl_epi32(hash, _mm_cvtsi32_si128(32 - bits as i32));
                let offset = _mm256_sll_epi32(row, _mm_cvtsi32_si128(W.ilog2() as i32 + 2));
                _mm256_storeu_si256(rows.as_mut_ptr().add(first).cast(), offset);
                _mm256_storeu_si256(entries.as_mut_ptr().add(first).cast(), entry);
            }
            let row = |i: usize| table.byte_add(rows[i] as usize);
            for first in (0..BLOCK).step_by(8 / W) {
                let out = distances.add(first * W).cast::<__m128i>();
                let packed = match W {
                    2 => {
                        let low = _mm_unpacklo_epi64(
                            push2(row(first), entries[first]),
                            push2(row(first + 1), entries[first + 1]),
                        );
                        let high = _mm_unpacklo_epi64(
                            push2(row(first + 2), entries[first + 2]),
                            push2(row(first + 3), entries[first + 3]),
                        );
                        _mm_packus_epi32(low, high)
                    }
                    4 => _mm_packus_epi32(push4(row(first), entries[first]), push4(row(first + 1), entries[first + 1])),
                    _ => {
                        let both = push8(row(first), entries[first]);
                        _mm_packus_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both))
                    }
                };
                _mm_storeu_si128(out, packed);
            }
        }
    }

    #[inline(always)]
    unsafe fn fresh<const W: usize>(distances: *const u16, bits: &mut [u64; 8]) {
        for at in (0..BLOCK * W).step_by(32) {
            // SAFETY: the caller's shell enables AVX2 (I).
            let skipped = unsafe {
                let both = _mm256_packs_epi16(known::<W>(distances.add(at)), known::<W>(distances.add(at + 16)));
                _mm256_movemask_epi8(_mm256_permute4x64_epi64::<0b11_01_10_00>(both))
            };
            bits[at / 64] |= u64::from(!skipped.cast_unsigned()) << (at % 64);
        }
    }
}

/// Ones in the elements of 16 distances that are 0 or one of the `W` of the position before.
#[inline(always)]
unsafe fn known<const W: usize>(distances: *const u16) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I); the 16 elements and W before them are there (the contract of `Isa::fresh`).
    unsafe {
        let now = _mm256_loadu_si256(distances.cast());
        let before = _mm256_loadu_si256(distances.sub(W).cast());
        let zero = _mm256_cmpeq_epi16(now, _mm256_setzero_si256());
        let mut known = _mm256_or_si256(zero, _mm256_cmpeq_epi16(now, before));
        for bytes in &ROTATIONS[W.ilog2() as usize][1..W] {
            let bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.as_ptr().cast()));
            known = _mm256_or_si256(known, _mm256_cmpeq_epi16(now, _mm256_shuffle_epi8(before, bytes)));
        }
        known
    }
}

/// Puts an entry first into a row of two, and returns the distances to the two that were there, 0 where the tags differ.
#[inline(always)]
unsafe fn push2(row: *mut u32, entry: u32) -> __m128i {
    // SAFETY: the caller's shell enables AVX2 (I); a row of two entries is there (the contract of `Isa::scan_rows`).
    unsafe {
        let (old, new) = (_mm_loadl_epi64(row.cast()), _mm_set1_epi32(entry.cast_signed()));
        _mm_storel_epi64(row.cast(), _mm_unpacklo_epi32(new, old));
        within_reach(_mm_sub_epi32(new, old))
    }
}

/// Likewise a row of four.
#[inline(always)]
unsafe fn push4(row: *mut u32, entry: u32) -> __m128i {
    // SAFETY: the caller's shell enables AVX2 (I); an aligned row of four entries is there (the contract of `Isa::scan_rows`).
    unsafe {
        let (old, new) = (_mm_load_si128(row.cast()), _mm_set1_epi32(entry.cast_signed()));
        _mm_store_si128(row.cast(), _mm_alignr_epi8::<12>(old, new));
        within_reach(_mm_sub_epi32(new, old))
    }
}

/// Likewise a row of eight.
#[inline(always)]
unsafe fn push8(row: *mut u32, entry: u32) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I); an aligned row of eight entries is there (the contract of `Isa::scan_rows`).
    unsafe {
        let (old, new) = (_mm256_load_si256(row.cast()), _mm256_set1_epi32(entry.cast_signed()));
        let moved = _mm256_permutevar8x32_epi32(old, _mm256_setr_epi32(0, 0, 1, 2, 3, 4, 5, 6));
        _mm256_store_si256(row.cast(), _mm256_blend_epi32::<1>(moved, new));
        let distances = _mm256_sub_epi32(new, old);
        let near = _mm256_cmpeq_epi32(_mm256_srli_epi32::<16>(distances), _mm256_setzero_si256());
        _mm256_and_si256(distances, near)
    }
}

/// The differences of entries that are distances, 0 for the others.
#[inline(always)]
unsafe fn within_reach(differences: __m128i) -> __m128i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe {
        let near = _mm_cmpeq_epi32(_mm_srli_epi32::<16>(differences), _mm_setzero_si128());
        _mm_and_si128(differences, near)
    }
}

/// Puts the entries of four positions into their places of a table of pairs, and returns the distances to the two that were there,
/// 0 where the tags differ: for each position in two lanes.
#[inline(always)]
unsafe fn push<const BITS: u32>(table: *mut u64, hashes: &[u32; BLOCK], at: usize, entries: __m128i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I); a place has BITS bits, so it is in the table (the contract of
    // `Isa::scan_pairs`).
    unsafe {
        let place = places::<BITS>(table.cast(), hashes, at);
        let old = [
            _mm_castpd_si128(_mm_loadh_pd(_mm_load_sd(place[0]), place[1])),
            _mm_castpd_si128(_mm_loadh_pd(_mm_load_sd(place[2]), place[3])),
        ];
        let new = [_mm_unpacklo_epi32(entries, entries), _mm_unpackhi_epi32(entries, entries)];
        for i in 0..2 {
            let both = _mm_castsi128_pd(_mm_blend_epi16::<0x33>(_mm_slli_epi64::<32>(old[i]), new[i]));
            _mm_storel_pd(place[2 * i], both);
            _mm_storeh_pd(place[2 * i + 1], both);
        }
        let (old, new) = (_mm256_set_m128i(old[1], old[0]), _mm256_set_m128i(new[1], new[0]));
        let tags = _mm256_srli_epi32::<16>(_mm256_xor_si256(new, old));
        let same = _mm256_cmpeq_epi32(tags, _mm256_setzero_si256());
        _mm256_and_si256(_mm256_sub_epi16(new, old), same)
    }
}

/// Shifts every lane left by `BITS`.
///
/// # Safety
/// Invariant I.
#[inline(always)]
pub unsafe fn shift_left<const BITS: u32>(lanes: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe { _mm256_sll_epi32(lanes, _mm_cvtsi32_si128(BITS as i32)) }
}

/// The upper `BITS` bits of every lane.
///
/// # Safety
/// Invariant I.
#[inline(always)]
pub unsafe fn to_place<const BITS: u32>(lanes: __m256i) -> __m256i {
    // SAFETY: the caller's shell enables AVX2 (I).
    unsafe { _mm256_srl_epi32(lanes, _mm_cvtsi32_si128(32 - BITS as i32)) }
}

/// Four places from `at` on.
///
/// # Safety
/// Each is in the table.
#[inline(always)]
pub unsafe fn four(table: *mut u32, places: &[u32; BLOCK], at: usize) -> [*mut u32; 4] {
    let place = [places[at], places[at + 1], places[at + 2], places[at + 3]];
    // SAFETY: the caller's contract.
    unsafe {
        [
            table.add(place[0] as usize),
            table.add(place[1] as usize),
            table.add(place[2] as usize),
            table.add(place[3] as usize),
        ]
    }
}

/// Puts four entries into their places, after all four were read, and returns what was there.
///
/// # Safety
/// Invariant I; the places are entries of a table.
#[inline(always)]
pub unsafe fn exchange(place: [*mut u32; 4], entries: __m128i) -> __m128i {
    // SAFETY: the caller's shell enables AVX2 (I); the places are entries (S, D).
    unsafe {
        let mut old = _mm_cvtsi32_si128(place[0].read().cast_signed());
        old = _mm_insert_epi32::<1>(old, place[1].read().cast_signed());
        old = _mm_insert_epi32::<2>(old, place[2].read().cast_signed());
        old = _mm_insert_epi32::<3>(old, place[3].read().cast_signed());
        place[0].write(_mm_cvtsi128_si32(entries).cast_unsigned());
        place[1].write(_mm_extract_epi32::<1>(entries).cast_unsigned());
        place[2].write(_mm_extract_epi32::<2>(entries).cast_unsigned());
        place[3].write(_mm_extract_epi32::<3>(entries).cast_unsigned());
        old
    }
}

/// The places of four positions from `at` on.
///
/// # Safety
/// The table has `1 << BITS` entries.
#[inline(always)]
unsafe fn places<const BITS: u32>(table: *mut f64, hashes: &[u32; BLOCK], at: usize) -> [*mut f64; 4] {
    let place = [hashes[at], hashes[at + 1], hashes[at + 2], hashes[at + 3]];
    // SAFETY: a place has BITS bits, so it is in the table.
    unsafe {
        [
            table.add((place[0] >> (32 - BITS)) as usize),
            table.add((place[1] >> (32 - BITS)) as usize),
            table.add((place[2] >> (32 - BITS)) as usize),
            table.add((place[3] >> (32 - BITS)) as usize),
        ]
    }
}

instantiate_scan!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
instantiate_zstd_lanes!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
instantiate_lz4_lanes!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
instantiate_zstd_optimal!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
instantiate_lz4_optimal!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);

impl NearCopy for Avx2 {
    #[inline(always)]
    unsafe fn first16(to: *mut u8, offset: usize) {
        let period = &PERIODS.0[offset.min(16)];
        // SAFETY: the caller's shell enables AVX2 (I). 16 bytes from `to` on and `offset` before it lie in one destination,
        // by the contract of `NearCopy::first16`, and so do the 16 from `offset` before it. The rows of PERIODS are
        // aligned to 16 bytes.
        unsafe {
            let source = _mm_loadu_si128(to.sub(offset).cast());
            _mm_storeu_si128(to.cast(), _mm_shuffle_epi8(source, _mm_load_si128(period.as_ptr().cast())));
        }
    }
}

/// See [`crate::kernel::lz4_decode::decode`].
///
/// # Safety
/// Invariant I of [`crate::kernel`].
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub unsafe fn decode(dict: &[u8], src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    // SAFETY: this shell enables the features (I).
    unsafe { crate::kernel::lz4_decode::decode::<Avx2>(dict, src, dst) }
}
