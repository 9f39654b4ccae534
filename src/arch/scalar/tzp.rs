//! tzp with 8-byte words.

use core::sync::atomic::{Ordering, compiler_fence};

use crate::base::format::tzp::KEEP;
use crate::kernel::table::instantiate_tzp_kernels;
use crate::kernel::tzp::Chunk;
use crate::kernel::word::{load64, store64};

/// Four little-endian words.
#[derive(Clone, Copy)]
struct Words([u64; 4]);

const LOW_BITS: u64 = 0x7F7F_7F7F_7F7F_7F7F;
pub(in crate::arch) const ONES: u64 = 0x0101_0101_0101_0101;

/// Returns 1 in every byte that `a` and `b` have in common. Exact: no carry leaves a byte.
#[inline(always)]
pub(in crate::arch) fn equal_bytes(a: u64, b: u64) -> u64 {
    let differing = a ^ b;
    (!(((differing & LOW_BITS) + LOW_BITS) | differing) >> 7) & ONES
}

/// How the literals of a nibble move between the low end of a word and their places. Every nibble's literals reach theirs
/// in two steps, each of which leaves some bytes and moves others by one distance; the second one by one byte (only the
/// nibble for 0xAA needs it).
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Moves {
    /// Bytes that the first step leaves.
    stay: u64,
    /// Bytes that it fills, and how many bits they come from below.
    filled: u64,
    shift: u32,
    /// The same of the second step.
    stay_again: u64,
    filled_again: u64,
    /// Bytes that are no literals.
    keep: u64,
    /// 1 << shift: on x86-64 a multiplication takes one step, a shift by a register three.
    scale: u64,
    literals: u32,
}

/// The bytes whose bits are set in `set`.
pub(in crate::arch) const fn bytes(set: u8) -> u64 {
    let (mut mask, mut byte) = (0, 0);
    while byte < 8 {
        if set >> byte & 1 != 0 {
            mask |= 0xFF << (8 * byte);
        }
        byte += 1;
    }
    mask
}

static MOVES: [Moves; 16] = {
    let mut table =
        [Moves { stay: 0, filled: 0, shift: 0, stay_again: 0, filled_again: 0, keep: 0, scale: 1, literals: 0 }; 16];
    let mut nibble = 0;
    while nibble < 16 {
        let places = !KEEP[nibble];
        table[nibble] = match places {
            0x55 => Moves {
                stay: bytes(0x03),
                filled: bytes(0x30),
                shift: 16,
                stay_again: bytes(0x11),
                filled_again: bytes(0x44),
                keep: bytes(KEEP[nibble]),
                scale: 1 << 16,
                literals: 4,
            },
            _ => {
                // A run at the low end that stays, and at most one run above it.
                let stay = places & !(places.wrapping_add(1));
                let run = places & !stay;
                let shift = if run == 0 { 0 } else { 8 * (run.trailing_zeros() - stay.count_ones()) };
                Moves {
                    stay: bytes(stay),
                    filled: bytes(run),
                    shift,
                    stay_again: u64::MAX,
                    filled_again: 0,
                    keep: bytes(KEEP[nibble]),
                    scale: 1 << shift,
                    literals: places.count_ones(),
                }
            }
        };
        nibble += 1;
    }
    table
};

impl Chunk for Words {
    #[inline(always)]
    unsafe fn load(at: *const u8) -> Self {
        // SAFETY: 32 bytes are readable, by the contract of `Chunk::load`.
        unsafe { Words([load64(at), load64(at.add(8)), load64(at.add(16)), load64(at.add(24))]) }
    }
    #[inline(always)]
    unsafe fn equal_count(self, other: Self) -> u32 {
        let equal = |i: usize| equal_bytes(self.0[i], other.0[i]);
        let by_lane = equal(0) + equal(1) + equal(2) + equal(3);
        (by_lane.wrapping_mul(ONES) >> 56) as u32
    }
    #[inline(always)]
    unsafe fn equal_bits(self, other: Self) -> u32 {
        // The multiplication moves the bit of byte j to bit 56 + j.
        let bits = |i: usize| (equal_bytes(self.0[i], other.0[i]).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32;
        bits(0) | bits(1) << 8 | bits(2) << 16 | bits(3) << 24
    }
    #[inline(always)]
    unsafe fn compact(self, codes: u32, to: *mut u8) -> usize {
        let mut done = 0;
        for (i, word) in self.0.into_iter().enumerate() {
            let moves = &MOVES[(codes >> (4 * i) & 15) as usize];
            let word = (word & moves.stay_again) | ((word & moves.filled_again) >> 8);
            let word = (word & moves.stay) | ((word & moves.filled) >> moves.shift);
            // SAFETY: at most 8 bytes a word came before, so 8 more are in the 32 of the contract of `Chunk::compact`.
            unsafe { store64(to.add(done), word) };
            done += moves.literals as usize;
        }
        done
    }
    #[inline(always)]
    unsafe fn expand(literals: *const u8, codes: u32, predicted: *const u8, to: *mut u8) -> usize {
        // SAFETY: 32 bytes are readable, by the contract of `Chunk::expand`.
        let predicted = unsafe { Self::load(predicted) };
        let mut done = 0;
        for (i, predicted) in predicted.0.into_iter().enumerate() {
            let moves = &MOVES[(codes >> (4 * i) & 15) as usize];
            // SAFETY: at most 8 literals a word came before, so 8 more are in the 32 of the contract.
            let word = unsafe { load64(literals.add(done)) };
            let word = (word & moves.stay) | (word.wrapping_mul(moves.scale) & moves.filled);
            let word = (word & moves.stay_again) | ((word << 8) & moves.filled_again);
            // SAFETY: 32 bytes are writable at `to`.
            unsafe { store64(to.add(8 * i), word | (predicted & moves.keep)) };
            // Else the compiler puts two words into an SSE2 register, where a 64-bit product takes eight instructions.
            compiler_fence(Ordering::SeqCst);
            done += moves.literals as usize;
        }
        done
    }
}

instantiate_tzp_kernels!(Words, []);
