//! The LZ4 kernels in 128-bit registers.

use core::arch::aarch64::{
    uint16x4_t, uint32x4_t, vaddq_u32, vaddvq_u16, vaddvq_u32, vand_u32, vandq_u8, vandq_u16, vandq_u32, vbicq_u16,
    vbicq_u32, vbslq_u32, vceqq_u8, vceqq_u16, vceqz_u32, vceqzq_u16, vceqzq_u32, vcombine_u16, vcombine_u32,
    vdup_laneq_u32, vdup_n_u32, vdupq_n_s32, vdupq_n_u16, vdupq_n_u32, veor_u32, veorq_u32, vextq_u32, vget_lane_u64,
    vget_low_u32, vgetq_lane_u32, vld1_u32, vld1q_lane_u32, vld1q_u8, vld1q_u16, vld1q_u32, vmaxq_u16, vmlaq_u32,
    vmovn_u32, vmulq_u32, vorrq_u16, vpaddq_u8, vqtbl1q_u8, vreinterpret_u16_u32, vreinterpret_u32_u16,
    vreinterpret_u64_u8, vreinterpretq_u8_u16, vreinterpretq_u16_u8, vreinterpretq_u16_u32, vreinterpretq_u32_u8,
    vreinterpretq_u32_u16, vshlq_u32, vshr_n_u32, vshrn_n_u16, vshrq_n_u32, vst1_lane_u32, vst1_u16, vst1_u32,
    vst1q_lane_u32, vst1q_u8, vst1q_u16, vst1q_u32, vsub_u16, vsubq_u16, vsubq_u32, vzip1_u32,
};

use crate::base::Error;
use crate::kernel::lz4_decode::{NearCopy, PERIODS};
use crate::kernel::lz4_isa::{BLOCK, Isa, MULTIPLIERS, ROTATIONS, behind};
use crate::kernel::table::{
    instantiate_lz4_lanes, instantiate_lz4_optimal, instantiate_scan, instantiate_zstd_lanes, instantiate_zstd_optimal,
};

/// NEON.
pub struct Neon;

/// The first four bytes of four positions, and the bytes of the key behind those, each in a 32-bit lane.
///
/// # Safety
/// Invariant I; `4 * STRIDE + 8` bytes, and 16, are readable at `src`.
#[inline(always)]
unsafe fn keys<const STRIDE: usize, const KEY: usize>(src: *const u8) -> (uint32x4_t, uint32x4_t) {
    // SAFETY: the caller's shell enables NEON (I); the loads are of 16 bytes at `src`, and with a stride of 4 also 4 bytes behind
    // it (S).
    unsafe {
        let bytes = vld1q_u8(src);
        let words = match STRIDE {
            1 => [0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6],
            2 => [0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9],
            _ => {
                let next = vreinterpretq_u32_u8(vld1q_u8(src.add(4)));
                let next = if KEY == 8 { next } else { vandq_u32(next, vdupq_n_u32(0xFF)) };
                return (vreinterpretq_u32_u8(bytes), next);
            }
        };
        let pick = |pattern: [u8; 16]| vreinterpretq_u32_u8(vqtbl1q_u8(bytes, vld1q_u8(pattern.as_ptr())));
        (pick(words), pick(const { behind::<16>(STRIDE, KEY) }))
    }
}

/// Four bits for each of 16 bytes, ones where they differ: what a narrowing shift leaves of a comparison, since NEON has no
/// movemask.
///
/// # Safety
/// Invariant I; 16 bytes are readable at both.
#[inline(always)]
unsafe fn differing16(a: *const u8, b: *const u8) -> u64 {
    // SAFETY: the caller's shell enables NEON (I); the caller's contract (S).
    unsafe {
        let equal = vceqq_u8(vld1q_u8(a), vld1q_u8(b));
        !vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(vreinterpretq_u16_u8(equal))))
    }
}

impl Isa for Neon {
    #[inline(always)]
    unsafe fn common32(a: *const u8, b: *const u8) -> usize {
        // SAFETY: the caller's shell enables NEON (I); 32 bytes are readable at both, by the contract of `Isa::common32` (S).
        unsafe {
            let half = |at: usize| differing16(a.add(at), b.add(at)).trailing_zeros() as usize / 4;
            let first = half(0);
            if first < 16 { first } else { 16 + half(16) }
        }
    }

    #[inline(always)]
    unsafe fn equal32(a: *const u8, b: *const u8) -> u32 {
        // SAFETY: the caller's shell enables NEON (I); 32 bytes are readable at both, by the contract of `Isa::equal32` (S).
        unsafe {
            let weights = vld1q_u8([1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128].as_ptr());
            let low = vandq_u8(vceqq_u8(vld1q_u8(a), vld1q_u8(b)), weights);
            let high = vandq_u8(vceqq_u8(vld1q_u8(a.add(16)), vld1q_u8(b.add(16))), weights);
            // Three additions of neighbours leave a byte for each eight.
            let sums = vpaddq_u8(low, high);
            let sums = vpaddq_u8(sums, sums);
            vgetq_lane_u32::<0>(vreinterpretq_u32_u8(vpaddq_u8(sums, sums)))
        }
    }

    #[inline(always)]
    unsafe fn suffix32(a: *const u8, b: *const u8) -> usize {
        // SAFETY: the caller's shell enables NEON (I); 32 bytes are readable before both, by the contract of `Isa::suffix32` (S).
        unsafe {
            let half = |before: usize| differing16(a.sub(before), b.sub(before)).leading_zeros() as usize / 4;
            let first = half(16);
            if first < 16 { first } else { 16 + half(32) }
        }
    }

    #[inline(always)]
    unsafe fn scan<const STRIDE: usize, const KEY: usize, const BITS: u32>(
        src: *const u8,
        position: usize,
        table: *mut u32,
        distances: *mut u16,
    ) -> u64 {
        let mut hashes = [0u32; BLOCK];
        let mut found = 0;
        // SAFETY: the caller's shell enables NEON (I). The reads are those of the contract (S); stores to `hashes` and `distances`
        // are of 4 or 8 elements from multiples of that (D).
        unsafe {
            // All hashes are stored before the first exchange, which then does not wait for them.
            for first in (0..BLOCK).step_by(4) {
                let (words, rest) = keys::<STRIDE, KEY>(src.add(first * STRIDE));
                let hash = vmulq_u32(words, vdupq_n_u32(MULTIPLIERS[0]));
                let hash = vmlaq_u32(hash, rest, vdupq_n_u32(MULTIPLIERS[1]));
                vst1q_u32(hashes.as_mut_ptr().add(first), hash);
            }
            let ramp = vmulq_u32(vld1q_u32([0, 1, 2, 3].as_ptr()), vdupq_n_u32(STRIDE as u32));
            let mut positions = vaddq_u32(ramp, vdupq_n_u32(position as u32));
            let weights = vld1q_u16([1, 2, 4, 8, 16, 32, 64, 128].as_ptr());
            for first in (0..BLOCK).step_by(8) {
                let mut met = [vdupq_n_u32(0); 2];
                let mut same = [vdupq_n_u32(0); 2];
                for half in 0..2 {
                    let at = first + 4 * half;
                    let tag = vshlq_u32(vld1q_u32(hashes.as_ptr().add(at)), vdupq_n_s32(BITS as i32));
                    let new = vbslq_u32(vdupq_n_u32(0xFFFF_0000), tag, positions);
                    positions = vaddq_u32(positions, vdupq_n_u32(4 * STRIDE as u32));
                    let old = exchange::<BITS>(table, &hashes, at, new);
                    same[half] = vceqzq_u32(vshrq_n_u32::<16>(veorq_u32(new, old)));
                    let distance = vsubq_u16(vreinterpretq_u16_u32(new), vreinterpretq_u16_u32(old));
                    met[half] = vandq_u32(vreinterpretq_u32_u16(distance), same[half]);
                }
                let packed = vcombine_u16(vmovn_u32(met[0]), vmovn_u32(met[1]));
                vst1q_u16(distances.add(first), vmaxq_u16(packed, vdupq_n_u16(1)));
                let bits = vandq_u16(vcombine_u16(vmovn_u32(same[0]), vmovn_u32(same[1])), weights);
                found |= u64::from(vaddvq_u16(bits)) << first;
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
        // SAFETY: the caller's shell enables NEON (I). The reads are those of the contract (S); a place has BITS bits; stores to
        // `hashes` and `distances` are of 4 or 8 elements from multiples of that (D).
        unsafe {
            for first in (0..BLOCK).step_by(4) {
                let words = keys::<STRIDE, 5>(src.add(first * STRIDE)).0;
                vst1q_u32(hashes.as_mut_ptr().add(first), vmulq_u32(words, vdupq_n_u32(MULTIPLIERS[0])));
            }
            let ramp = vmulq_u32(vld1q_u32([0, 1, 2, 3].as_ptr()), vdupq_n_u32(STRIDE as u32));
            let mut positions = vaddq_u32(ramp, vdupq_n_u32(position as u32));
            for first in (0..BLOCK).step_by(4) {
                let tag = vshlq_u32(vld1q_u32(hashes.as_ptr().add(first)), vdupq_n_s32(BITS as i32));
                let new = vbslq_u32(vdupq_n_u32(0xFFFF_0000), tag, positions);
                positions = vaddq_u32(positions, vdupq_n_u32(4 * STRIDE as u32));
                let place = |i: usize| table.add((hashes[first + i] >> (32 - BITS)) as usize);
                let old = [0, 1, 2, 3].map(|i| vld1_u32(place(i).cast()));
                let new = [
                    vdup_laneq_u32::<0>(new),
                    vdup_laneq_u32::<1>(new),
                    vdup_laneq_u32::<2>(new),
                    vdup_laneq_u32::<3>(new),
                ];
                let back = |i: usize| {
                    let same = vceqz_u32(vshr_n_u32::<16>(veor_u32(new[i], old[i])));
                    let distance = vsub_u16(vreinterpret_u16_u32(new[i]), vreinterpret_u16_u32(old[i]));
                    vand_u32(vreinterpret_u32_u16(distance), same)
                };
                let low = vmovn_u32(vcombine_u32(back(0), back(1)));
                let packed = vcombine_u16(low, vmovn_u32(vcombine_u32(back(2), back(3))));
                for i in 0..4 {
                    vst1_u32(place(i).cast(), vzip1_u32(new[i], old[i]));
                }
                let met = vreinterpretq_u32_u16(packed);
                let bits = vbicq_u32(vld1q_u32([1, 2, 4, 8].as_ptr()), vceqzq_u32(met));
                found |= u64::from(vaddvq_u32(bits)) << first;
                vst1q_u16(distances.add(2 * first), vmaxq_u16(packed, vdupq_n_u16(1)));
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
        // SAFETY: the caller's shell enables NEON (I). The reads are those of the contract (S); a row number has `bits` bits; stores to
        // `rows` and `entries` are of 4 elements from multiples of that, those to `distances` of a position's (D).
        unsafe {
            let mut positions = vaddq_u32(vld1q_u32([0, 1, 2, 3].as_ptr()), vdupq_n_u32(position as u32));
            for first in (0..BLOCK).step_by(4) {
                let hash = vmulq_u32(keys::<1, 5>(src.add(first)).0, vdupq_n_u32(MULTIPLIERS[0]));
                let tag = vshlq_u32(hash, vdupq_n_s32(bits as i32));
                vst1q_u32(entries.as_mut_ptr().add(first), vbslq_u32(vdupq_n_u32(0xFFFF_0000), tag, positions));
                vst1q_u32(rows.as_mut_ptr().add(first), hash);
                positions = vaddq_u32(positions, vdupq_n_u32(4));
            }
            for i in 0..BLOCK {
                let row = table.add((rows[i] >> (32 - bits)) as usize * W);
                let out = distances.add(i * W);
                let new = vdupq_n_u32(entries[i]);
                if W == 2 {
                    let old = vcombine_u32(vld1_u32(row), vdup_n_u32(entries[i]));
                    vst1_u32(row, vget_low_u32(vextq_u32::<3>(new, old)));
                    vst1_lane_u32::<0>(out.cast(), vreinterpret_u32_u16(within_reach(vsubq_u32(new, old))));
                    continue;
                }
                let old = vld1q_u32(row);
                if W == 8 {
                    let older = vld1q_u32(row.add(4));
                    vst1q_u32(row.add(4), vextq_u32::<3>(old, older));
                    vst1_u16(out.add(4), within_reach(vsubq_u32(new, older)));
                }
                vst1q_u32(row, vextq_u32::<3>(new, old));
                vst1_u16(out, within_reach(vsubq_u32(new, old)));
            }
        }
    }

    #[inline(always)]
    unsafe fn fresh<const W: usize>(distances: *const u16, bits: &mut [u64; 8]) {
        for at in (0..BLOCK * W).step_by(8) {
            // SAFETY: the caller's shell enables NEON (I); 8 elements from a multiple of that below BLOCK * W, and from W before
            // (the contract of `Isa::fresh`) (S).
            unsafe {
                let now = vld1q_u16(distances.add(at));
                let before = vreinterpretq_u8_u16(vld1q_u16(distances.add(at).sub(W)));
                let mut known = vceqzq_u16(now);
                for bytes in &ROTATIONS[W.ilog2() as usize][..W] {
                    let turned = vreinterpretq_u16_u8(vqtbl1q_u8(before, vld1q_u8(bytes.as_ptr())));
                    known = vorrq_u16(known, vceqq_u16(now, turned));
                }
                let fresh = vbicq_u16(vld1q_u16([1, 2, 4, 8, 16, 32, 64, 128].as_ptr()), known);
                bits[at / 64] |= u64::from(vaddvq_u16(fresh)) << (at % 64);
            }
        }
    }
}

/// The differences of entries that are distances, 0 for the others.
#[inline(always)]
unsafe fn within_reach(differences: uint32x4_t) -> uint16x4_t {
    // SAFETY: the caller's shell enables NEON (I).
    unsafe { vmovn_u32(vandq_u32(differences, vceqzq_u32(vshrq_n_u32::<16>(differences)))) }
}

/// Puts the entries of four positions into their places and returns what was there.
#[inline(always)]
unsafe fn exchange<const BITS: u32>(
    table: *mut u32,
    hashes: &[u32; BLOCK],
    at: usize,
    entries: uint32x4_t,
) -> uint32x4_t {
    // SAFETY: the caller's shell enables NEON (I); a place has BITS bits, so it is in the table (the contract of `Isa::scan`).
    unsafe {
        let place = [
            table.add((hashes[at] >> (32 - BITS)) as usize),
            table.add((hashes[at + 1] >> (32 - BITS)) as usize),
            table.add((hashes[at + 2] >> (32 - BITS)) as usize),
            table.add((hashes[at + 3] >> (32 - BITS)) as usize),
        ];
        let old = vld1q_lane_u32::<0>(place[0], vdupq_n_u32(0));
        let old = vld1q_lane_u32::<1>(place[1], old);
        let old = vld1q_lane_u32::<2>(place[2], old);
        let old = vld1q_lane_u32::<3>(place[3], old);
        vst1q_lane_u32::<0>(place[0], entries);
        vst1q_lane_u32::<1>(place[1], entries);
        vst1q_lane_u32::<2>(place[2], entries);
        vst1q_lane_u32::<3>(place[3], entries);
        old
    }
}

instantiate_scan!(Neon, [#[target_feature(enable = "neon")]]);
instantiate_zstd_lanes!(Neon, [#[target_feature(enable = "neon")]]);
instantiate_lz4_lanes!(Neon, [#[target_feature(enable = "neon")]]);
instantiate_zstd_optimal!(Neon, [#[target_feature(enable = "neon")]]);
instantiate_lz4_optimal!(Neon, [#[target_feature(enable = "neon")]]);

impl NearCopy for Neon {
    #[inline(always)]
    unsafe fn first16(to: *mut u8, offset: usize) {
        let period = &PERIODS.0[offset.min(16)];
        // SAFETY: the caller's shell enables NEON (I). 16 bytes from `to` on and `offset` before it lie in one destination,
        // by the contract of `NearCopy::first16`, and so do the 16 from `offset` before it.
        unsafe { vst1q_u8(to, vqtbl1q_u8(vld1q_u8(to.sub(offset)), vld1q_u8(period.as_ptr()))) };
    }
}

/// See [`crate::kernel::lz4_decode::decode`].
///
/// # Safety
/// Invariant I of [`crate::kernel`].
#[target_feature(enable = "neon")]
pub unsafe fn decode(dict: &[u8], src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    // SAFETY: this shell enables the features (I).
    unsafe { crate::kernel::lz4_decode::decode::<Neon>(dict, src, dst) }
}
