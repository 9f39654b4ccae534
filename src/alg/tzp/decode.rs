//! Decompression: from the blocks of a unit to the unit.

use crate::base::Error;
use crate::base::format::tzp::{LENGTH, PAGE};
use crate::base::page::is_page_size;
use crate::dispatch::Table;

/// Restores the unit of `src` into `dst`, which is as long as the unit, and returns that length.
///
/// Accepts exactly what docs/TZP.md calls valid. Reads nothing outside `src`, writes nothing outside `dst`, whose contents
/// are unspecified on failure. Does not allocate; the time does not depend on the contents but for where it stops.
///
/// # Errors
/// `Corrupt`: `src` is not a valid unit of this length. `Invalid`: `dst` has no unit's length.
pub fn decompress(table: Table, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    let unit = dst.len();
    if !is_page_size(unit) {
        return Err(Error::Invalid);
    }
    if unit == PAGE {
        return table.tzp_decode(src, dst, 0).map(|()| unit);
    }
    let (lengths, mut blocks) = src.split_at_checked(LENGTH * (unit / PAGE)).ok_or(Error::Corrupt)?;
    for (page, length) in lengths.as_chunks::<LENGTH>().0.iter().enumerate() {
        let (block, rest) = blocks.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or(Error::Corrupt)?;
        blocks = rest;
        match block.len() {
            PAGE => dst[PAGE * page..][..PAGE].copy_from_slice(block),
            _ => table.tzp_decode(block, dst, page)?,
        }
    }
    if blocks.is_empty() { Ok(unit) } else { Err(Error::Corrupt) }
}
