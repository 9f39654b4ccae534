//! The portable form of the LZ4 kernels.

use crate::base::Error;
use crate::kernel::lz4_decode::{NearCopy, SPREAD};
use crate::kernel::lz4_isa::{BLOCK, Isa, MULTIPLIERS};
#[cfg(test)]
use crate::kernel::table::{instantiate_lz4_lanes, instantiate_scan, instantiate_zstd_lanes};
use crate::kernel::table::{instantiate_lz4_optimal, instantiate_zstd_optimal};
use crate::kernel::word::{copy, load32, load64, store64};

/// Words of 8 bytes.
pub struct Portable;

impl Isa for Portable {
    #[inline(always)]
    unsafe fn common32(a: *const u8, b: *const u8) -> usize {
        // SAFETY: 32 bytes are readable at both, by the contract of `Isa::common32` (S).
        unsafe {
            let mut at = 0;
            while at < 32 {
                let differing = load64(a.add(at)) ^ load64(b.add(at));
                if differing != 0 {
                    return at + differing.trailing_zeros() as usize / 8;
                }
                at += 8;
            }
        }
        32
    }

    #[inline(always)]
    unsafe fn equal32(a: *const u8, b: *const u8) -> u32 {
        let mut bits = 0;
        for at in (0..32).step_by(8) {
            // SAFETY: 32 bytes are readable at both, by the contract of `Isa::equal32` (S).
            let equal = super::tzp::equal_bytes(unsafe { load64(a.add(at)) }, unsafe { load64(b.add(at)) });
            // Each byte's lowest bit to a place of its own in the highest byte.
            bits |= ((equal.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32) << at;
        }
        bits
    }

    #[inline(always)]
    unsafe fn suffix32(a: *const u8, b: *const u8) -> usize {
        // SAFETY: 32 bytes are readable before both, by the contract of `Isa::suffix32` (S).
        unsafe {
            let mut at = 0;
            while at < 32 {
                let differing = load64(a.sub(at + 8)) ^ load64(b.sub(at + 8));
                if differing != 0 {
                    return at + differing.leading_zeros() as usize / 8;
                }
                at += 8;
            }
        }
        32
    }

    #[inline(always)]
    unsafe fn scan<const STRIDE: usize, const KEY: usize, const BITS: u32>(
        src: *const u8,
        position: usize,
        table: *mut u32,
        distances: *mut u16,
    ) -> u64 {
        let mut found = 0;
        for first in (0..BLOCK).step_by(4) {
            let (mut slots, mut entries, mut old) = ([0usize; 4], [0u32; 4], [0u32; 4]);
            // SAFETY: the contract of `Isa::scan`: position `first + i` has its bytes behind it (S); a place has BITS bits.
            unsafe {
                for i in 0..4 {
                    let at = src.add((first + i) * STRIDE);
                    let (word, rest) = (load32(at), load32(at.add(4)) & (u32::MAX >> (64 - 8 * KEY)));
                    let hash = word.wrapping_mul(MULTIPLIERS[0]).wrapping_add(rest.wrapping_mul(MULTIPLIERS[1]));
                    slots[i] = (hash >> (32 - BITS)) as usize;
                    let low = (position + (first + i) * STRIDE) as u32 & 0xFFFF;
                    entries[i] = (hash << BITS) & 0xFFFF_0000 | low;
                    old[i] = *table.add(slots[i]);
                }
                for i in 0..4 {
                    *table.add(slots[i]) = entries[i];
                    let same = (entries[i] ^ old[i]) < 0x1_0000;
                    let distance = (entries[i] as u16).wrapping_sub(old[i] as u16);
                    *distances.add(first + i) = if same { distance.max(1) } else { 1 };
                    found |= u64::from(same) << (first + i);
                }
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
        let mut found = 0;
        for first in (0..BLOCK).step_by(4) {
            let (mut slots, mut entries, mut old) = ([0usize; 4], [0u32; 4], [0u64; 4]);
            // SAFETY: the contract of `Isa::scan_pairs`: position `first + i` has its bytes behind it (S); a place has BITS bits.
            unsafe {
                for i in 0..4 {
                    let hash = load32(src.add((first + i) * STRIDE)).wrapping_mul(MULTIPLIERS[0]);
                    slots[i] = (hash >> (32 - BITS)) as usize;
                    entries[i] = (hash << BITS) & 0xFFFF_0000 | (position + (first + i) * STRIDE) as u32 & 0xFFFF;
                    old[i] = *table.add(slots[i]);
                }
                for i in 0..4 {
                    *table.add(slots[i]) = old[i] << 32 | u64::from(entries[i]);
                    for (way, old) in [old[i] as u32, (old[i] >> 32) as u32].into_iter().enumerate() {
                        let same = (entries[i] ^ old) < 0x1_0000;
                        let distance = (entries[i] as u16).wrapping_sub(old as u16);
                        *distances.add(2 * (first + i) + way) = if same { distance.max(1) } else { 1 };
                        found |= u64::from(same && distance != 0) << (first + i);
                    }
                }
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
        for i in 0..BLOCK {
            // SAFETY: the contract of `Isa::scan_rows`: position `i` has its bytes behind it (S); a row number has `bits` bits.
            unsafe {
                let hash = load32(src.add(i)).wrapping_mul(MULTIPLIERS[0]);
                let row = &mut *table.cast::<[u32; W]>().add((hash >> (32 - bits)) as usize);
                let entry = (hash << bits) & 0xFFFF_0000 | (position + i) as u32 & 0xFFFF;
                let out = &mut *distances.cast::<[u16; W]>().add(i);
                for (out, &old) in out.iter_mut().zip(&*row) {
                    let distance = entry.wrapping_sub(old);
                    *out = if distance < 0x1_0000 { distance as u16 } else { 0 };
                }
                row.copy_within(..W - 1, 1);
                row[0] = entry;
            }
        }
    }

    #[inline(always)]
    unsafe fn fresh<const W: usize>(distances: *const u16, bits: &mut [u64; 8]) {
        for i in 0..BLOCK {
            // SAFETY: W elements are there for each position, and for the one before the first (the contract of `Isa::fresh`).
            let (before, now) = unsafe {
                let now = distances.cast::<[u16; W]>().add(i);
                (*now.sub(1), *now)
            };
            // Many positions have none.
            if now == [0; W] {
                continue;
            }
            let mut fresh = [true; W];
            for other in before {
                for (fresh, &distance) in fresh.iter_mut().zip(&now) {
                    *fresh &= distance != other;
                }
            }
            let mut set = 0;
            for way in 0..W {
                set |= u64::from(fresh[way] & (now[way] != 0)) << way;
            }
            bits[i * W / 64] |= set << (i * W % 64);
        }
    }
}

#[cfg(test)]
instantiate_scan!(Portable, []);
#[cfg(test)]
instantiate_lz4_lanes!(Portable, []);
#[cfg(test)]
instantiate_zstd_lanes!(Portable, []);
instantiate_zstd_optimal!(Portable, []);
instantiate_lz4_optimal!(Portable, []);

/// For each offset below 8, a one in each byte at a multiple of it: times a word of `offset` bytes, their repetition.
const REPEAT: [u64; 8] = {
    let mut factors = [1; 8];
    let mut offset = 1;
    while offset < 8 {
        let mut at = offset;
        while at < 8 {
            factors[offset] |= 1 << (8 * at);
            at += offset;
        }
        offset += 1;
    }
    factors
};

impl NearCopy for Portable {
    #[inline(always)]
    unsafe fn first16(to: *mut u8, offset: usize) {
        // SAFETY: the bytes from `offset` before `to` to 16 behind it lie in one destination, by the contract of
        // `NearCopy::first16`. With an offset of 8 or more, each word is complete when it is read; below, 8 bytes are
        // made of the period alone, and the others are copied over a multiple of it that is at most `offset` + 8.
        unsafe {
            let source = to.sub(offset);
            if offset >= 8 {
                copy::<8>(source, to);
                copy::<8>(source.add(8), to.add(8));
            } else {
                let period = load64(source) & !(u64::MAX << (8 * offset));
                store64(to, period.wrapping_mul(REPEAT[offset & 7]));
                copy::<8>(to.add(8).sub(usize::from(SPREAD[offset & 7])), to.add(8));
            }
        }
    }
}

/// See [`crate::kernel::lz4_decode::decode`].
///
/// # Safety
/// Invariant I of [`crate::kernel`].
pub unsafe fn decode(dict: &[u8], src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    // SAFETY: portable code needs none (I).
    unsafe { crate::kernel::lz4_decode::decode::<Portable>(dict, src, dst) }
}
