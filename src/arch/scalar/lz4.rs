//! The portable form of the LZ4 kernels.

use crate::kernel::lz4_isa::{BLOCK, Isa, MULTIPLIERS};
use crate::kernel::table::instantiate_lz4_kernels;
use crate::kernel::word::{load32, load64};

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
                    let (word, rest) = (load32(at), if KEY == 8 { load32(at.add(4)) } else { u32::from(*at.add(4)) });
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
}

instantiate_lz4_kernels!(Portable, []);
