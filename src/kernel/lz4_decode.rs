//! The token loop of the LZ4 block decoder.
//!
//! Source: `LZ4_decompress_generic` of the lz4 project (1.10), from which come the copies of 16 bytes for literals, the
//! copies of 8 + 8 + 2 bytes for matches of the careful way, and the rules by which a block ends.
//!
//! The idea of a sequence:
//!
//! ```text
//! token; literal length; copy literals; end here if the input is used up
//! offset; match length; copy the match from `offset` bytes back, out of the dictionary where it lies before the block
//! ```
//!
//! There are two loops. [`stretch`] takes sequences as long as input and room are plentiful, so that no rule about the
//! end of a block can be broken; it leaves what it does not know, without having touched it, to [`careful`], which takes
//! one sequence at a time by every rule until `stretch` may go on. Both decode the same bytes from the same sequence.
//!
//! Liberties: copies of fixed size write beyond the bytes they stand for, into room that was proved to be there.

use core::hint::select_unpredictable;

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

/// Input from a token on, above which [`stretch`] takes the sequence: a token, a length byte, and 32 more than any
/// literals, which are copied in steps of 32.
const STRETCH_INPUT: usize = 40;
/// Room from a sequence on, above which [`stretch`] takes it: 14 literals, 48 bytes of match, of which some may be beyond
/// its end.
const STRETCH_ROOM: usize = 64;
// What `stretch` takes must be taken by `careful` as well, and leave what the rules demand.
const _: () = assert!(STRETCH_INPUT > QUICK_INPUT && STRETCH_INPUT - 15 - 3 >= REST_AFTER_MATCH);
const _: () = assert!(STRETCH_INPUT >= 2 + 32 && STRETCH_INPUT - 2 >= REST_AFTER_LITERALS);
const _: () = assert!(STRETCH_ROOM >= 14 + 48 && STRETCH_ROOM >= QUICK_ROOM && STRETCH_ROOM - 14 >= MATCH_MARGIN);

/// Longest match that is copied by one [`NearCopy::first16`]; its length fits the token.
const SHORT_MATCH: usize = 16;

/// Distance that is a multiple of each offset below 8 and at least 8, so that words can be copied over it.
pub const SPREAD: [u8; 8] = [8, 8, 8, 9, 8, 10, 12, 14];
/// Distance that is a multiple of each offset below 16 and at least 16.
const SPREAD_16: [u8; 16] = [16, 16, 16, 18, 16, 20, 18, 21, 16, 18, 20, 22, 24, 26, 28, 30];

/// A table of [`PERIODS`], in which no row crosses a line.
#[repr(align(16))]
pub struct Periods(pub [[u8; 16]; 17]);

/// For each offset up to 16, which of the bytes from `offset` before a match are its first 16. Row 0 is not used.
pub static PERIODS: Periods = {
    let mut rows = [[0; 16]; 17];
    let mut offset = 1;
    while offset <= 16 {
        let mut i = 0;
        while i < 16 {
            rows[offset][i] = (i % offset) as u8;
            i += 1;
        }
        offset += 1;
    }
    Periods(rows)
};

/// What the decoder needs from an instruction set.
///
/// The method is `#[inline(always)]` without target features: it becomes instructions of the set only inside a shell
/// that enables it (invariant I of [`crate::kernel`]), which is why it is unsafe.
pub trait NearCopy {
    /// Writes at `to` the 16 bytes that continue the period of `offset` bytes before it.
    ///
    /// # Safety
    /// Invariant I; `1 <= offset`; `offset` bytes before `to` and 16 from it on lie in one destination.
    unsafe fn first16(to: *mut u8, offset: usize);
}

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
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `M`.
#[inline(always)]
pub unsafe fn decode<M: NearCopy>(dict: &[u8], src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    if src.is_empty() {
        return Err(Error::Corrupt);
    }
    let (mut i, mut o) = (0, 0);
    loop {
        if may_stretch(src, dst, i, o) {
            // SAFETY: the caller's contract (I); enough input and room are left.
            (i, o) = unsafe { stretch::<M>(src, dst, i, o)? };
        }
        // At least a token is left: `stretch` leaves as much as `careful` (see there).
        (i, o) = careful(dict, src, dst, i, o)?;
        if i == src.len() {
            return Ok(o);
        }
    }
}

/// Whether [`stretch`] takes a sequence at `i` with room from `o` on.
#[inline(always)]
fn may_stretch(src: &[u8], dst: &[u8], i: usize, o: usize) -> bool {
    src.len() - i > STRETCH_INPUT && dst.len() - o > STRETCH_ROOM
}

/// Decodes sequences from `i` to `o` while [`may_stretch`] and they are ordinary; returns where it stopped, at a token.
///
/// One check of input and room is made for each sequence. The next token's place depends on nothing but this token, and
/// in all but a seventh of the sequences of real pages on no branch: what follows a token is a copy of 16 literals and one
/// of 16 bytes of match, whatever the offset is. Longer matches share a branch with the length byte. Making their
/// length branch-free too, or copying 32 bytes always, was slower: more instructions, and loads that wait for several
/// stores.
///
/// # Errors
/// As [`decode`].
///
/// # Safety
/// Invariant I for `M`; [`may_stretch`] at `i` and `o`.
#[inline(always)]
unsafe fn stretch<M: NearCopy>(src: &[u8], dst: &mut [u8], i: usize, o: usize) -> Result<(usize, usize), Error> {
    let (from, to) = (src.as_ptr(), dst.as_mut_ptr());
    // SAFETY: `src` and `dst` are longer than what is subtracted from their ends, and i and o lie inside (the caller's
    // contract).
    let (mut ip, mut op, ip_limit, op_limit) =
        unsafe { (from.add(i), to.add(o), from.add(src.len() - STRETCH_INPUT), to.add(dst.len() - STRETCH_ROOM)) };
    while ip < ip_limit && op < op_limit {
        // SAFETY: more than STRETCH_INPUT bytes are left from `ip` on (S).
        let token = usize::from(unsafe { *ip });
        let mut literals = token >> 4;
        if literals == RUN_MASK {
            // SAFETY: as above, for the byte behind the token; both pointers of a difference are into `src`, or `dst`.
            let (byte, rest, room) = unsafe { (*ip.add(1), ip_limit.offset_from(ip), op_limit.offset_from(op)) };
            literals += usize::from(byte);
            if byte == 255 || rest < literals.cast_signed() || room < literals.cast_signed() {
                break;
            }
            // SAFETY: `literals` + STRETCH_INPUT bytes are left from `ip` on and `literals` + STRETCH_ROOM from `op` on
            // (the test above), so a step of 32 bytes that begins below `literals` stays inside (S, D), and the offset
            // behind them can be read (S).
            unsafe {
                let offset = usize::from(load16(ip.add(2 + literals)));
                if offset == 0 || offset > op.offset_from(to).cast_unsigned() + literals {
                    break;
                }
                let mut at = 0;
                while at < literals {
                    copy::<32>(ip.add(2 + at), op.add(at));
                    at += 32;
                }
                // Go on as with a token of no literals, whose match is known to be in reach.
                ip = ip.add(1 + literals);
                op = op.add(literals);
            }
            literals = 0;
        } else {
            // SAFETY: more than STRETCH_INPUT bytes of input and STRETCH_ROOM of room are left (S, D).
            unsafe { copy::<16>(ip.add(1), op) };
        }
        // SAFETY: `literals` <= 14, and at least STRETCH_INPUT - 1 bytes are left from `ip` on and STRETCH_ROOM from `op`
        // on, also behind long literals.
        let (rest, target) = unsafe { (ip.add(1 + literals), op.add(literals)) };
        // SAFETY: 2 of at least STRETCH_INPUT - 16 bytes (S).
        let offset = usize::from(unsafe { load16(rest) });
        // Compared as addresses: `offset` may reach before `dst`, or be zero.
        if offset == 0 || target.wrapping_sub(offset) < to {
            break;
        }
        // SAFETY: `offset` bytes lie before `target` by the test above, and of STRETCH_ROOM at most 14 bytes were used, so
        // 48 are left (D); the shell has the features (I).
        unsafe { M::first16(target, offset) };
        let mut matched = (token & MATCH_MASK) + MIN_MATCH;
        // SAFETY: of at least STRETCH_INPUT - 16 bytes, two are the offset.
        let mut next = unsafe { rest.add(2) };
        if matched > SHORT_MATCH {
            if matched == MATCH_MASK + MIN_MATCH {
                // SAFETY: one of at least STRETCH_INPUT - 18 bytes (S).
                let byte = unsafe { *next };
                if byte != 255 {
                    matched += usize::from(byte);
                    // SAFETY: as for the byte; REST_AFTER_MATCH bytes and more follow.
                    next = unsafe { next.add(1) };
                } else {
                    // SAFETY: both are pointers into `src`.
                    let mut at = unsafe { next.offset_from(from).cast_unsigned() };
                    matched += long_length(src, &mut at, REST_AFTER_MATCH)?;
                    // SAFETY: `long_length` leaves `at` inside `src`.
                    next = unsafe { from.add(at) };
                }
            }
            // SAFETY: both are pointers into `dst`. At least STRETCH_ROOM - 14 bytes are left from `target` on, so the sum
            // is positive.
            let room = unsafe { op_limit.offset_from(target) + STRETCH_ROOM.cast_signed() }.cast_unsigned();
            if room < matched || room - matched < LAST_LITERALS {
                return Err(Error::NoSpace);
            }
            if room - matched < 48 {
                // SAFETY: `matched` bytes fit the room (D), and `offset` bytes lie before `target`.
                unsafe { copy_match(target, offset, matched, room) };
            } else {
                let distance = select_unpredictable(offset < 16, usize::from(SPREAD_16[offset & 15]), offset);
                // SAFETY: a step that begins below `matched`, or below 48, writes less than `matched` + 48 bytes, which
                // the room has (D). `distance` is `offset` or a multiple of it below `offset` + 16, so that it reaches no
                // further back than `offset` from the first byte of a step at 16 or later.
                unsafe {
                    let source = target.wrapping_sub(distance);
                    copy::<16>(source.wrapping_add(16), target.add(16));
                    copy::<16>(source.wrapping_add(32), target.add(32));
                    let mut at = 48;
                    while at < matched {
                        copy::<16>(source.wrapping_add(at), target.add(at));
                        at += 16;
                    }
                }
            }
        }
        ip = next;
        // SAFETY: `matched` bytes fit the room: at most 16 of 50, or tested.
        op = unsafe { target.add(matched) };
    }
    // SAFETY: both are pointers into `src`, or `dst`.
    Ok(unsafe { (ip.offset_from(from).cast_unsigned(), op.offset_from(to).cast_unsigned()) })
}

/// Decodes sequences from `i < src.len()` to `o <= dst.len()`, at least one, until [`may_stretch`]; returns where it
/// stopped: at a token, or at the end of `src` when the block is complete.
///
/// # Errors
/// As [`decode`].
#[inline(never)]
fn careful(dict: &[u8], src: &[u8], dst: &mut [u8], mut i: usize, mut o: usize) -> Result<(usize, usize), Error> {
    let (len, cap) = (src.len(), dst.len());
    assert!(i < len && o <= cap);
    let (from, to) = (src.as_ptr(), dst.as_mut_ptr());
    // Invariants at the top of the loop: i < len and o <= cap.
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
                if may_stretch(src, dst, i, o) {
                    return Ok((i, o));
                }
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
                return Ok((len, o + literals));
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
        } else if room < matched || room - matched < LAST_LITERALS {
            return Err(Error::NoSpace);
        }
        // At least one byte of input is left: `long_length` or the tests of the literals leave more.
        if matched > 0 {
            // SAFETY: 1 <= offset <= o: either tested above, or the part before the block was copied and some is left,
            // which makes them equal. `matched` bytes fit the room (tested above; D).
            unsafe { copy_match(to.add(o), offset, matched, cap - o) };
            o += matched;
        }
        if may_stretch(src, dst, i, o) {
            return Ok((i, o));
        }
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
