//! Decompression, and the length of the result without it.

use super::Dict;
use crate::base::Error;
use crate::base::format::lz4::{LAST_LITERALS, MATCH_MARGIN, MATCH_MASK, MIN_MATCH, RUN_MASK};
use crate::dispatch::Table;
use crate::kernel::lz4_decode::{QUICK_INPUT, QUICK_ROOM, REST_AFTER_LITERALS, REST_AFTER_MATCH, long_length};

/// Decompresses one block into `dst` and returns the bytes written, which may be fewer than `dst` has room for.
///
/// Accepts what `LZ4_decompress_safe` (with a dictionary: `LZ4_decompress_safe_usingDict`) of liblz4 1.10 accepts and
/// gives the same bytes, with one difference: a distance of zero, which the format forbids and liblz4 lets pass with
/// meaningless output, is refused. Like liblz4's, the end rules are judged against the room: a match must begin 12
/// bytes and end 5 bytes before the end of `dst` unless it is short and takes the quick way.
/// On failure the contents of `dst` are unspecified. Does not allocate.
///
/// # Errors
/// `NoSpace`: the block is longer than `dst`, and its lengths are well formed to its end. `Corrupt`: everything
/// else that is no block, or one that needs (another) dictionary and reaches beyond its start.
pub fn decompress(table: Table, dict: Option<&Dict>, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    if dst.is_empty() && src != [0] {
        // liblz4's rule for an empty destination: the one block for it is a zero token.
        return Err(judge(src, 0));
    }
    let content = dict.map_or(&[][..], Dict::content);
    table.lz4_decode(content, src, dst).map_err(|error| match error {
        Error::NoSpace => judge(src, dst.len()),
        other => other,
    })
}

/// The error for a block that a destination of `cap` bytes has no room for: a damaged length overruns it too, but most
/// often does not lead to a proper end.
#[cold]
fn judge(src: &[u8], cap: usize) -> Error {
    match decompressed_len(src) {
        Ok(len) if len > cap => Error::NoSpace,
        _ => Error::Corrupt,
    }
}

/// Returns the bytes that a block decompresses to, by walking its tokens.
///
/// If it returns `len`, then [`decompress`] into `len` bytes succeeds unless a distance is zero or reaches beyond the
/// history. At most 255 times `src.len()`, so it cannot overflow where a `usize` has 64 bits. Linear in `src.len()`.
///
/// # Errors
/// `Corrupt`: a length runs beyond the input, the input ends in the wrong place, or the end rules are broken.
pub fn decompressed_len(src: &[u8]) -> Result<usize, Error> {
    let (mut i, mut o) = (0usize, 0usize);
    // The room that the sequences so far demand of a decoder's destination.
    let mut needed = 0usize;
    let add = |a: usize, b: usize| a.checked_add(b).ok_or(Error::Corrupt);
    loop {
        let token = usize::from(*src.get(i).ok_or(Error::Corrupt)?);
        i += 1;
        let quick = (token >> 4 != RUN_MASK && src.len() - i >= QUICK_INPUT).then_some(add(o, QUICK_ROOM)?);
        let mut literals = token >> 4;
        if literals == RUN_MASK {
            literals += long_length(src, &mut i, RUN_MASK)?;
        }
        let rest = (src.len() - i).checked_sub(literals).ok_or(Error::Corrupt)?;
        i += literals;
        o = add(o, literals)?;
        if rest == 0 {
            return if o >= needed { Ok(o) } else { Err(Error::Corrupt) };
        }
        let careful = if rest >= REST_AFTER_LITERALS { Some(add(o, MATCH_MARGIN)?) } else { None };
        let offset = match src.get(i..).and_then(|tail| tail.first_chunk::<2>()) {
            Some(bytes) => usize::from(u16::from_le_bytes(*bytes)),
            None => return Err(Error::Corrupt),
        };
        i += 2;
        let mut matched = token & MATCH_MASK;
        let short = matched != MATCH_MASK && offset >= 8 && offset <= o;
        if matched == MATCH_MASK {
            matched += long_length(src, &mut i, REST_AFTER_MATCH)?;
        }
        o = add(o, matched + MIN_MATCH)?;
        let margin = add(o, LAST_LITERALS)?;
        // Either way of the decoder's loop will do: see `kernel::lz4_decode`.
        let quick = quick.map(|room| if short { room } else { room.max(margin) });
        let careful = careful.map(|room| room.max(margin));
        let room = match (quick, careful) {
            (Some(a), Some(b)) => a.min(b),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return Err(Error::Corrupt),
        };
        needed = needed.max(room);
    }
}
