//! Same-filled pages: detection and refill.
//!
//! Source: `page_same_filled()` and `zram_fill_page()` of the Linux zram driver, which compare machine words, the last
//! one first. Ours compares registers, 128 bytes or more to a step, and samples a word in the middle as well: two
//! samples turn away nearly every page that is not same-filled before the loop starts.

use super::vector::Vector;

/// Registers of one step of the loops.
const UNROLL: usize = 4;

/// Returns the 8-byte word (little-endian) that the page repeats, or `None` if it repeats none.
///
/// `page.len()` must be a multiple of 512 bytes, which every page size is. Reads the page only; does not allocate.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `V`.
#[inline(always)]
pub unsafe fn same_fill<V: Vector>(page: &[u8]) -> Option<u64> {
    debug_assert!(page.len().is_multiple_of(512) && !page.is_empty());
    let word = |at: usize| page.get(at..)?.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    let first = word(0)?;
    if word(page.len() - 8)? != first || word(page.len() / 2)? != first {
        return None;
    }
    // SAFETY: invariant I is the caller's; every step is an exact chunk of UNROLL registers, so each load lies in it (S).
    unsafe {
        let want = V::splat(first);
        for step in page.chunks_exact(UNROLL * V::BYTES) {
            let at = step.as_ptr();
            let mut differing = V::load(at).xor(want);
            for i in 1..UNROLL {
                differing = differing.or(V::load(at.add(i * V::BYTES)).xor(want));
            }
            if !differing.is_zero() {
                return None;
            }
        }
    }
    Some(first)
}

/// Fills `page` with `word`, lowest byte first.
///
/// `page.len()` must be a multiple of 512 bytes.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `V`.
#[inline(always)]
pub unsafe fn fill<V: Vector>(page: &mut [u8], word: u64) {
    debug_assert!(page.len().is_multiple_of(512));
    // SAFETY: invariant I is the caller's; every step is an exact chunk of UNROLL registers, so each store lies in it (D).
    unsafe {
        let value = V::splat(word);
        for step in page.chunks_exact_mut(UNROLL * V::BYTES) {
            let at = step.as_mut_ptr();
            for i in 0..UNROLL {
                value.store(at.add(i * V::BYTES));
            }
        }
    }
}
