//! Scalar code for CPUs whose pdep and pext are fast: the table of [`Backend::Scalar`] there.

use core::arch::x86_64::{__cpuid, _pdep_u64, _pext_u64};

use super::super::scalar;
use crate::base::Backend;
use crate::base::format::tzp::KEEP;
use crate::kernel::table::{Kernels, instantiate_tzp_kernels};
use crate::kernel::tzp::Chunk;
use crate::kernel::word::{load64, store64};

/// Whether this CPU has BMI2 and POPCNT, and BMI2 not in microcode: AMD's before Zen 3 (family 19h) take a hundred cycles or more
/// for what takes others three (Agner Fog, instruction tables).
pub fn is_fast() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("bmi1") && has!("bmi2") && has!("popcnt") && !is_amd_before_zen3()
}

fn is_amd_before_zen3() -> bool {
    let vendor = __cpuid(0);
    let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
    let is_amd = matches!(name.as_flattened(), b"AuthenticAMD" | b"HygonGenuine");
    let version = __cpuid(1).eax;
    let family = (version >> 8 & 15) + (version >> 20 & 255);
    is_amd && family < 0x19
}

/// Four little-endian words.
#[derive(Clone, Copy)]
struct Words([u64; 4]);

/// By nibble: ones in the bytes of a word that are literals, and their number.
static LITERALS: [(u64, usize); 16] = {
    let (mut table, mut nibble) = ([(0, 0); 16], 0);
    while nibble < 16 {
        table[nibble] = (scalar::bytes(!KEEP[nibble]), KEEP[nibble].count_zeros() as usize);
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
        let equal = |i: usize| scalar::equal_bytes(self.0[i], other.0[i]);
        (equal(0) | equal(1) << 1 | equal(2) << 2 | equal(3) << 3).count_ones()
    }
    #[inline(always)]
    unsafe fn equal_bits(self, other: Self) -> u32 {
        // SAFETY: the caller's shell enables BMI2 (I).
        let bits = |i: usize| unsafe { _pext_u64(scalar::equal_bytes(self.0[i], other.0[i]), scalar::ONES) as u32 };
        bits(0) | bits(1) << 8 | bits(2) << 16 | bits(3) << 24
    }
    #[inline(always)]
    unsafe fn compact(self, codes: u32, to: *mut u8) -> usize {
        let mut done = 0;
        for (i, word) in self.0.into_iter().enumerate() {
            let (places, count) = LITERALS[(codes >> (4 * i) & 15) as usize];
            // SAFETY: the caller's shell enables BMI2 (I); at most 8 bytes a word came before, so 8 more are in the 32 of the
            // contract of `Chunk::compact`.
            unsafe { store64(to.add(done), _pext_u64(word, places)) };
            done += count;
        }
        done
    }
    #[inline(always)]
    unsafe fn expand(literals: *const u8, codes: u32, predicted: *const u8, to: *mut u8) -> usize {
        // SAFETY: 32 bytes are readable, by the contract of `Chunk::expand`.
        let predicted = unsafe { Self::load(predicted) };
        let mut done = 0;
        for (i, predicted) in predicted.0.into_iter().enumerate() {
            let (places, count) = LITERALS[(codes >> (4 * i) & 15) as usize];
            // SAFETY: the caller's shell enables BMI2 (I); at most 8 literals a word came before, so 8 more are in the 32 of
            // the contract; 32 bytes are writable at `to`.
            unsafe {
                let word = _pdep_u64(load64(literals.add(done)), places);
                store64(to.add(8 * i), word | (predicted & !places));
            }
            done += count;
        }
        done
    }
}

instantiate_tzp_kernels!(Words, [#[target_feature(enable = "bmi1,bmi2,popcnt")]]);

/// The kernels for CPUs with fast BMI2.
pub static KERNELS: Kernels =
    Kernels { backend: Backend::Scalar, tzp_encode: ENCODE, tzp_decode: DECODE, ..scalar::TABLE };
