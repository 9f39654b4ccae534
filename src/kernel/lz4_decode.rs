//! The token loop of the LZ4 block decoder.
//!
//! Source: `LZ4_decompress_generic` of the lz4 project (1.10), from which come the copies of 16 bytes for literals and
//! of 8 + 8 + 2 bytes for matches, and the rules by which a block ends. Ours is one loop instead of two: each sequence
//! asks whether 17 bytes of input and 32 bytes of room are left, and takes the careful way if not.
//!
//! The idea of a sequence:
//!
//! ```text
//! token; literal length; copy literals; end here if the input is used up
//! offset; match length; copy the match from `offset` bytes back, out of the dictionary where it lies before the block
//! ```
//!
//! Liberties: copies of fixed size write beyond the bytes they stand for, into room that was proved to be there.

use super::word::{copy, load16};
use crate::base::Error;
use crate::base::format::lz4::{LAST_LITERALS, MATCH_MARGIN, MATCH_MASK, MIN_MATCH, RUN_MASK};

/// Input that the quick way of a sequence needs behind its token: 14 literals, an offset, the next token.
pub const QUICK_INPUT: usize = 17;
/// Room that the quick way of a sequence needs: 14 literals and a match of 18 bytes.
pub const QUICK_ROOM: usize = 32;
/// Input that must follow the literals of a sequence that is not the last: an offset, a token, the last literals.
pub const REST_AFTER_LITERALS: usize = 2 + 1 + LAST_LITERALS;
/// Input that must follow the length bytes of a match.
pub const REST_AFTER_MATCH: usize = LAST_LITERALS - 1;

/// Distance that is a multiple of each offset below 8 and at least 8, so that words can be copied over it.
const SPREAD: [u8; 8] = [8, 8, 8, 9, 8, 10, 12, 14];

/// Decodes one block into `dst` and returns the bytes written.
///
/// `dict` is the history before the block, at most its last 65,535 bytes being within reach. Nothing outside `src` and
/// `dict` is read and nothing outside `dst` written, whatever the input; `dst` beyond the returned length may have been
/// written to. Does not allocate; the cost is linear in `src.len() + dst.len()`.
///
/// # Errors
/// `Corrupt`: a length runs beyond the input, an offset is zero or lies before the history, or the input ends in the
/// wrong place. `NoSpace`: the output, with what the end rules of the format demand behind it, does not fit `dst`;
/// whether the block is well formed otherwise is not known then.
pub fn decode(dict: &[u8], src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    if src.is_empty() {
        return Err(Error::Corrupt);
    }
    let (len, cap) = (src.len(), dst.len());
    let (from, to) = (src.as_ptr(), dst.as_mut_ptr());
    // Invariants at the top of the loop: i < len and o <= cap.
    let (mut i, mut o) = (0usize, 0usize);
    loop {
        // SAFETY: i < len by the invariant (S).
        let token = usize::from(unsafe { *from.add(i) });
        i += 1;
        let mut literals = token >> 4;
        let mut matched = token & MATCH_MASK;
        let offset;
        if literals != RUN_MASK && len - i >= QUICK_INPUT && cap - o >= QUICK_ROOM {
            // SAFETY: 17 bytes are left in `src` and 32 in `dst` (the test above), so 16 can be copied (S, D). Of the
            // 17, at most 14 are literals, so the two of the offset are there, and one more for the next token
            // (invariant).
            unsafe {
                copy::<16>(from.add(i), to.add(o));
                i += literals;
                o += literals;
                offset = usize::from(load16(from.add(i)));
            }
            i += 2;
            if matched != MATCH_MASK && offset >= 8 && offset <= o {
                // SAFETY: of the 32 bytes of room at most 14 were used, so 18 are left (D). The match starts in what
                // was written, o - offset >= 0. With offset >= 8 each copy reads only bytes that the ones before it or
                // earlier sequences have stored, and never beyond its own target (S).
                unsafe {
                    let (source, target) = (to.add(o - offset).cast_const(), to.add(o));
                    copy::<8>(source, target);
                    copy::<8>(source.add(8), target.add(8));
                    copy::<2>(source.add(16), target.add(16));
                }
                o += matched + MIN_MATCH;
                continue;
            }
        } else {
            if literals == RUN_MASK {
                literals += long_length(src, &mut i, RUN_MASK)?;
            }
            let (rest, room) = (len - i, cap - o);
            if literals >= rest {
                if literals > rest {
                    return Err(Error::Corrupt);
                }
                dst.get_mut(o..o + literals).ok_or(Error::NoSpace)?.copy_from_slice(&src[i..]);
                return Ok(o + literals);
            }
            if rest - literals < REST_AFTER_LITERALS {
                return Err(Error::Corrupt);
            }
            if room < literals || room - literals < MATCH_MARGIN {
                return Err(Error::NoSpace);
            }
            // SAFETY: literals < rest and literals <= room by the tests above (S, D); 8 bytes of input follow them, of
            // which two are the offset (S). `src` and `dst` do not overlap, one of them being borrowed mutably.
            unsafe {
                copy_literals(from.add(i), to.add(o), literals, rest, room);
                i += literals;
                o += literals;
                offset = usize::from(load16(from.add(i)));
            }
            i += 2;
        }
        if matched == MATCH_MASK {
            matched += long_length(src, &mut i, REST_AFTER_MATCH)?;
        }
        matched += MIN_MATCH;
        if offset == 0 {
            return Err(Error::Corrupt);
        }
        let room = cap - o;
        if offset > o {
            // The match starts in the dictionary and may run on into the block.
            let back = offset - o;
            let start = dict.len().checked_sub(back).ok_or(Error::Corrupt)?;
            if room < matched || room - matched < LAST_LITERALS {
                return Err(Error::NoSpace);
            }
            let head = back.min(matched);
            dst[o..o + head].copy_from_slice(&dict[start..start + head]);
            o += head;
            matched -= head;
            if matched == 0 {
                continue;
            }
        } else if room < matched || room - matched < LAST_LITERALS {
            return Err(Error::NoSpace);
        }
        // SAFETY: 1 <= offset <= o: either tested above, or the part before the block was copied, which makes them
        // equal. `matched` bytes fit the room (tested above; D). At least one byte of input is left: `long_length` or
        // the tests of the literals leave more.
        unsafe { copy_match(to.add(o), offset, matched, cap - o) };
        o += matched;
    }
}

/// Returns the sum of the length bytes at `*i` and moves `*i` behind them.
///
/// # Errors
/// `Corrupt` if fewer than `reserve` bytes follow them. Their number bounds the sum to 255 times `src.len()`.
#[inline(always)]
pub fn long_length(src: &[u8], i: &mut usize, reserve: usize) -> Result<usize, Error> {
    let mut sum = 0usize;
    loop {
        let &byte = src.get(*i).ok_or(Error::Corrupt)?;
        *i += 1;
        // Saturation matters only where usize has 32 bits: such a length fits no destination.
        sum = sum.saturating_add(usize::from(byte));
        if byte != 255 {
            break;
        }
    }
    // A length near usize::MAX would overflow with the token's share added.
    if src.len() - *i < reserve || sum > usize::MAX - 64 { Err(Error::Corrupt) } else { Ok(sum) }
}

/// Copies `count` bytes from `from` to `to`, in steps of 32 bytes where the input and the room allow.
///
/// # Safety
/// `rest >= count` bytes are readable at `from`, `room >= count` writable at `to`, and the areas do not overlap.
#[inline(always)]
unsafe fn copy_literals(from: *const u8, to: *mut u8, count: usize, rest: usize, room: usize) {
    // SAFETY: a step at `at` < count touches bytes up to at + 31 <= count + 31, which are there on both sides if rest
    // and room exceed count by 32 (S, D); otherwise exactly `count` bytes are copied.
    unsafe {
        if rest - count >= 32 && room - count >= 32 {
            let mut at = 0;
            while at < count {
                copy::<32>(from.add(at), to.add(at));
                at += 32;
            }
        } else {
            core::ptr::copy_nonoverlapping(from, to, count);
        }
    }
}

/// Copies `count` bytes to `to` from `offset` bytes before it, the first copied byte being a source of later ones.
///
/// # Safety
/// `1 <= offset`, `offset` initialised bytes lie before `to`, and `room >= count` bytes are writable at `to`.
#[inline(always)]
unsafe fn copy_match(to: *mut u8, offset: usize, count: usize, room: usize) {
    // SAFETY: every step at `at` < count touches at most 32 bytes from `at` on, which the room holds in the branches
    // that ask for 32 spare bytes (D). The loads start `offset` (or a smaller distance whose bytes exist) before the
    // stores.
    unsafe {
        let mut at = 0;
        if room - count < 32 {
            while at < count {
                *to.add(at) = *to.sub(offset).add(at);
                at += 1;
            }
        } else if offset >= 32 {
            while at < count {
                copy::<32>(to.sub(offset).add(at), to.add(at));
                at += 32;
            }
        } else if offset >= 8 {
            while at < count {
                copy::<8>(to.sub(offset).add(at), to.add(at));
                copy::<8>(to.sub(offset).add(at + 8), to.add(at + 8));
                at += 16;
            }
        } else {
            // Eight bytes one by one make the distance a multiple of the period that a word can be copied over: it is
            // at most offset + 8, so its bytes exist.
            while at < 8 {
                *to.add(at) = *to.sub(offset).add(at);
                at += 1;
            }
            let distance = usize::from(SPREAD[offset & 7]);
            while at < count {
                copy::<8>(to.add(at).sub(distance), to.add(at));
                at += 8;
            }
        }
    }
}
