//! tzp with pairs of 16-byte registers.

use core::arch::aarch64::{
    uint8x16_t, vaddq_u8, vaddvq_u8, vandq_u8, vbslq_u8, vceqq_u8, vcltzq_s8, vgetq_lane_u32, vld1q_u8, vnegq_s8,
    vpaddq_u8, vqtbl1q_u8, vreinterpretq_s8_u8, vreinterpretq_u8_s8, vreinterpretq_u32_u8, vst1q_u8,
};

use crate::kernel::table::{instantiate_tzp_kernels, instantiate_tzp_two};
use crate::kernel::tzp::{COMPACT, Chunk, EXPAND, literals_of, row};

#[derive(Clone, Copy)]
struct Pair(uint8x16_t, uint8x16_t);

/// The bit of each byte in its set of eight.
static WEIGHTS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

impl Chunk for Pair {
    #[inline(always)]
    unsafe fn load(at: *const u8) -> Self {
        // SAFETY: the caller's shell enables NEON (I); 32 bytes are readable.
        unsafe { Pair(vld1q_u8(at), vld1q_u8(at.add(16))) }
    }
    #[inline(always)]
    unsafe fn equal_count(self, other: Self) -> u32 {
        // SAFETY: the caller's shell enables NEON (I). Equal bytes count as -1; no sum exceeds 32.
        unsafe {
            let both = vaddq_u8(vceqq_u8(self.0, other.0), vceqq_u8(self.1, other.1));
            u32::from(vaddvq_u8(vreinterpretq_u8_s8(vnegq_s8(vreinterpretq_s8_u8(both)))))
        }
    }
    #[inline(always)]
    unsafe fn equal_bits(self, other: Self) -> u32 {
        // SAFETY: the caller's shell enables NEON (I); the weights are 16 bytes. Three pairwise additions gather the bits
        // of eight bytes in one.
        unsafe {
            let weights = vld1q_u8(WEIGHTS.as_ptr());
            let low = vandq_u8(vceqq_u8(self.0, other.0), weights);
            let pairs = vpaddq_u8(low, vandq_u8(vceqq_u8(self.1, other.1), weights));
            let quads = vpaddq_u8(pairs, pairs);
            u32::from_le(vgetq_lane_u32::<0>(vreinterpretq_u32_u8(vpaddq_u8(quads, quads))))
        }
    }
    #[inline(always)]
    unsafe fn compact(self, codes: u32, to: *mut u8) -> usize {
        let first = literals_of(codes);
        // SAFETY: the caller's shell enables NEON (I); `first` is at most 16, so both stores are in 32 bytes.
        unsafe {
            vst1q_u8(to, vqtbl1q_u8(self.0, vld1q_u8(row(&COMPACT, codes))));
            vst1q_u8(to.add(first), vqtbl1q_u8(self.1, vld1q_u8(row(&COMPACT, codes >> 8))));
        }
        first + literals_of(codes >> 8)
    }
    #[inline(always)]
    unsafe fn expand(literals: *const u8, codes: u32, predicted: *const u8, to: *mut u8) -> usize {
        let first = literals_of(codes);
        // SAFETY: the caller's shell enables NEON (I); `first` is at most 16, so both loads of literals are in the 32
        // readable bytes, as the other ones are.
        unsafe {
            let (places, more_places) = (vld1q_u8(row(&EXPAND, codes)), vld1q_u8(row(&EXPAND, codes >> 8)));
            let Pair(low, high) = Self::load(predicted);
            let kept = |places| vcltzq_s8(vreinterpretq_s8_u8(places));
            let low = vbslq_u8(kept(places), low, vqtbl1q_u8(vld1q_u8(literals), places));
            let high = vbslq_u8(kept(more_places), high, vqtbl1q_u8(vld1q_u8(literals.add(first)), more_places));
            vst1q_u8(to, low);
            vst1q_u8(to.add(16), high);
        }
        first + literals_of(codes >> 8)
    }
}

instantiate_tzp_kernels!(Pair, [#[target_feature(enable = "neon")]]);
instantiate_tzp_two!(Pair, [#[target_feature(enable = "neon")]]);
