//! Compression: from a unit to its blocks.

use crate::base::Error;
use crate::base::format::tzp::{LENGTH, MAX_BLOCK, PAGE};
use crate::base::page::is_page_size;
use crate::dispatch::Table;
use crate::kernel::tzp_encode::SCRATCH;

/// The fastest level.
pub const MIN_LEVEL: i32 = 1;
/// The densest level.
pub const MAX_LEVEL: i32 = 4;
/// The level of callers who name none.
pub const DEFAULT_LEVEL: i32 = 2;

/// Returns the words of 8 bytes of scratch that [`compress`] needs: 5 KiB at every level and length.
pub const fn encode_words(_max_len: usize, _level: i32) -> usize {
    SCRATCH
}

/// Compresses the unit `src` (4, 8, 16, 32 or 64 KiB) into at most `limit` bytes of `dst` and returns their number.
///
/// `scratch` has at least [`encode_words`] words, contents unspecified. Levels out of range are the nearest one. With a
/// limit below 4095 a unit of one page is given up when more than a quarter of the limit is unequal bytes in the first
/// quarter of the page, though the rest might have made up for it. `dst` decides nothing but whether the result fits. Does
/// not allocate; the time is bounded by the length.
///
/// # Errors
/// `NoSpace`: the result does not fit `limit` or `dst`, whose contents are unspecified then. `Invalid`: `src` is no unit.
///
/// # Panics
/// If `scratch` is shorter than it has to be.
pub fn compress(
    table: Table,
    scratch: &mut [u64],
    level: i32,
    limit: usize,
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    if !is_page_size(src.len()) {
        return Err(Error::Invalid);
    }
    let effort = level.clamp(MIN_LEVEL, MAX_LEVEL).abs_diff(MIN_LEVEL) as usize;
    let room = dst.len().min(limit);
    let dst = &mut dst[..room];
    if src.len() == PAGE {
        let room = room.min(MAX_BLOCK);
        let enough = if limit < MAX_BLOCK { limit / 4 } else { PAGE };
        return table.tzp_encode(effort, scratch, enough, src, 0, &mut dst[..room]).ok_or(Error::NoSpace);
    }
    let pages = src.as_chunks::<PAGE>().0;
    let (lengths, blocks) = dst.split_at_mut_checked(LENGTH * pages.len()).ok_or(Error::NoSpace)?;
    let mut used = 0;
    for (i, length) in lengths.chunks_exact_mut(LENGTH).enumerate() {
        let rest = &mut blocks[used..];
        let room = rest.len().min(MAX_BLOCK);
        let len = match table.tzp_encode(effort, scratch, PAGE, src, i, &mut rest[..room]) {
            Some(len) => len,
            None => {
                rest.get_mut(..PAGE).ok_or(Error::NoSpace)?.copy_from_slice(&pages[i]);
                PAGE
            }
        };
        length.copy_from_slice(&(len as u16).to_le_bytes());
        used += len;
    }
    Ok(LENGTH * pages.len() + used)
}
