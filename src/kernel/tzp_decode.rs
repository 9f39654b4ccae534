//! tzp blocks to pages (docs/TZP.md).
//!
//! No length in the block decides a write: chunk c is written at 32c, in order, 128 times. What the block decides is
//! checked as follows; the SAFETY notes cite the numbers.
//!
//! 1. `src` is literals, codes, offsets, flags, in this order and nothing else: the numbers of codes and offsets come from
//!    the flags, and the literals are the rest, not negative. So codes and offsets lie inside `src`, each read position
//!    stays at or before the flags, and a read of up to 32 bytes that starts there ends inside `src`.
//! 2. The literals that all codes together need are as many as there are. The position of the literals only grows, by
//!    what one chunk's codes need, so it never passes their end, and 1 holds for it.
//! 3. A prediction is 32 bytes of zeros, or begins `8 * (v + 3)` bytes before the chunk: at least 32, so it ends at or
//!    before the chunk, and at most 8 * 258 = 2064. In a page with another one before it that is inside the unit. In the
//!    first page the offset v of each chunk is compared with the largest one that is.
//!
//! All of this is settled before the first chunk is written; afterwards nothing can go wrong and nothing is checked.

use super::tzp::{Block, Chunk, LARGEST, ZEROS};
use super::word::load16;
use crate::base::Error;
use crate::base::format::tzp::{CHUNK, CHUNKS, FLAGS, MAX_BLOCK, MIN_BLOCK, OFFSET_BIAS, PAGE};

/// Restores page number `page` of `unit` from its block `src`. On failure the page holds nothing of use.
///
/// # Errors
/// `Corrupt` unless docs/TZP.md calls the block valid.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `C`.
///
/// # Panics
/// If `unit` has no such page.
#[inline(always)]
pub unsafe fn decode<C: Chunk>(src: &[u8], unit: &mut [u8], page: usize) -> Result<(), Error> {
    assert!(unit.len() / PAGE > page);
    let block = parts(src, page).ok_or(Error::Corrupt)?;
    // SAFETY: invariant I is the caller's; the parts are those of `src` (1); `unit` has the page.
    let valid = unsafe { C::restore(&[block], [unit.as_mut_ptr()], page) };
    if valid { Ok(()) } else { Err(Error::Corrupt) }
}

/// Restores two units of one page in one loop, in which one waits while the other does not. `false`, and nothing written, if one of
/// the blocks is not valid.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `C`.
///
/// # Panics
/// If a unit has no page.
#[inline(always)]
pub unsafe fn decode_two<C: Chunk>(src: [&[u8]; 2], units: [&mut [u8]; 2]) -> bool {
    assert!(units.iter().all(|unit| unit.len() >= PAGE));
    let (Some(first), Some(second)) = (parts(src[0], 0), parts(src[1], 0)) else { return false };
    // SAFETY: invariant I is the caller's; the parts are those of `src` (1); the units have the page.
    unsafe { C::restore(&[first, second], units.map(<[u8]>::as_mut_ptr), 0) }
}

/// Takes a block apart, that of page number `page`; `None` if it cannot be valid.
#[inline(always)]
fn parts(src: &[u8], page: usize) -> Option<Block> {
    if !(MIN_BLOCK..=MAX_BLOCK).contains(&src.len()) {
        return None;
    }
    let (body, flags) = src.split_at(src.len() - FLAGS);
    let flag = |at: usize| flags[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let has_codes = [flag(0), flag(8)];
    let new_offset = [flag(16), flag(24)];
    let count = |bits: [u64; 2]| (bits[0].count_ones() + bits[1].count_ones()) as usize;
    let (codes, offsets) = (2 * count(has_codes), count(new_offset));
    let literals = body.len().checked_sub(codes + offsets)?;
    if page == 0 && new_offset[0] & 1 != 0 {
        return None;
    }
    let (codes, offsets) = (&body[literals..], &body[literals + codes..]);
    Some(Block {
        literals: src.as_ptr(),
        literal_count: literals,
        codes: codes.as_ptr(),
        offsets: offsets.as_ptr(),
        has_codes,
        new_offset,
    })
}

/// The body of [`Chunk::restore`].
///
/// # Safety
/// That of [`Chunk::restore`].
#[inline(always)]
pub unsafe fn restore<C: Chunk, const N: usize>(blocks: &[Block; N], units: [*mut u8; N], page: usize) -> bool {
    let (mut codes, mut offsets) = ([[0; 2 * CHUNKS]; N], [[0; CHUNKS]; N]);
    let mut literals = [core::ptr::null(); N];
    for k in 0..N {
        // SAFETY: invariant I and the block are the caller's.
        let needed = unsafe {
            C::spread(&blocks[k], &mut codes[k], &mut offsets[k]);
            C::literals(&codes[k])
        };
        // Without a branch for each, so that it is made vector code.
        let beyond = offsets[k].iter().zip(&LARGEST).fold(0, |beyond, (v, most)| beyond | v.saturating_sub(*most));
        if needed != blocks[k].literal_count || (page == 0 && beyond != 0) {
            return false;
        }
        literals[k] = blocks[k].literals;
    }
    for chunk in 0..CHUNKS {
        for k in 0..N {
            // SAFETY: invariant I is the caller's; the unit has the page; by 2 for the literals, by 3 for the predictions.
            unsafe {
                let to = units[k].add(PAGE * page + CHUNK * chunk);
                let offset = usize::from(offsets[k][chunk]);
                let earlier = to.cast_const().wrapping_sub(8 * OFFSET_BIAS).wrapping_sub(8 * offset);
                let predicted = core::hint::select_unpredictable(offset == 0, ZEROS.as_ptr(), earlier);
                let pairs = u32::from(codes[k][2 * chunk]) | u32::from(codes[k][2 * chunk + 1]) << 8;
                literals[k] = literals[k].add(C::expand(literals[k], pairs, predicted, to));
            }
        }
    }
    true
}

/// The body of [`Chunk::spread`], chunk by chunk.
///
/// # Safety
/// That of [`Chunk::spread`].
#[inline(always)]
pub unsafe fn spread(block: &Block, codes: &mut [u8; 2 * CHUNKS], offsets: &mut [u8; CHUNKS]) {
    let (mut code, mut offset, mut in_force) = (block.codes, block.offsets, 0);
    for (chunk, (pair, to)) in codes.as_chunks_mut::<2>().0.iter_mut().zip(offsets).enumerate() {
        let has = (block.has_codes[chunk / 64] >> (chunk % 64) & 1) as usize;
        let new = (block.new_offset[chunk / 64] >> (chunk % 64) & 1) as usize;
        // SAFETY: by 1; where codes or offsets have ended, flags follow.
        unsafe {
            *pair = (load16(code) & (has as u16).wrapping_neg()).to_le_bytes();
            code = code.add(2 * has);
            in_force = core::hint::select_unpredictable(new != 0, *offset, in_force);
            offset = offset.add(new);
        }
        *to = in_force;
    }
}
