//! Sequences of Zstandard: their decoding and execution in one pass (RFC 8878 sections 3.1.1.3.2 and 3.1.1.4).
//!
//! ```text
//! read the three start states
//! for each sequence:
//!     entries = tables[states]
//!     position -= all bits that the three entries ask for
//!     take from the word above `position`, lowest first:
//!         next states of offset, match length, literals length; extra bits of literals length, match length, offset
//!     resolve the offset against the last three
//!     copy the literals, copy the match
//! copy the literals that are left
//! ```
//!
//! There are two loops over it. [`stretch`] takes ordinary sequences, and leaves every other one, without having touched
//! anything, to [`careful`], which takes any one sequence by every rule.
//!
//! Liberties of `stretch`: an entry packs everything about a state into 64 bits, so that one sum of three entries yields both totals
//! of bits, and one load serves the sequence. No branch depends on which offset is repeated, nor on the lengths and the offset of a
//! match of up to 32 bytes behind up to 16 literals: copies are of 16 bytes at least, into room that was proved to be there.

use core::hint::select_unpredictable;

use super::bits::mask;
use super::lz4_decode::NearCopy;
use super::word::{copy, load64};
use super::zstd_fse::Entries;
use crate::base::Error;

/// Bytes of room behind literals that the copies of the common case need.
pub const SLACK: usize = 32;

/// What [`execute`] works on.
pub struct Sequences<'a> {
    /// Number of sequences.
    pub count: usize,
    /// What contains the bit stream, at its end.
    pub src: &'a [u8],
    /// Where in `src` the bit stream begins, behind the headers of frame and block: at least [`HEADERS`].
    pub bits_at: usize,
    /// Decoding table of literals lengths.
    pub ll: Entries<'a>,
    /// Decoding table of offsets.
    pub of: Entries<'a>,
    /// Decoding table of match lengths.
    pub ml: Entries<'a>,
    /// The literals, and whatever else may be read behind them.
    pub literals: &'a [u8],
    /// Bytes of `literals` that are literals.
    pub literals_len: usize,
    /// Content of the dictionary, which precedes the output.
    pub history: &'a [u8],
    /// The last three offsets, latest first; updated.
    pub repeats: [u32; 3],
    /// Where in the destination the block begins.
    pub at: usize,
}

/// What the decoder needs from an instruction set.
///
/// Methods are `#[inline(always)]` without target features: they become instructions of the set only inside a shell
/// that enables it (invariant I of [`crate::kernel`]), which is why they are unsafe.
pub trait SeqIsa: NearCopy {
    /// The last three offsets.
    type Repeats: Copy;

    /// Takes the last three offsets, latest first.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn repeats(offsets: [u32; 3]) -> Self::Repeats;

    /// Gives them back.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn offsets(repeats: Self::Repeats) -> [u32; 3];

    /// Returns the offset that an `Offset_Value` of 1 and above stands for behind literals, if `behind_literals`, or none, and the last three
    /// offsets from there on (RFC 8878 section 3.1.1.5). It may be zero.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn resolve(repeats: Self::Repeats, value: u32, behind_literals: bool) -> (u32, Self::Repeats);

    /// What is known of the last bytes of the output, without reading them back.
    type Window: Copy;

    /// Returns the window of the `at` bytes before `to`.
    ///
    /// # Safety
    /// Invariant I; as many bytes are readable there.
    unsafe fn window(to: *const u8, at: usize) -> Self::Window;

    /// Copies `ll` bytes from `literals` to `to`, then to behind them `ml` bytes from `offset` before that place; returns the window
    /// of what is behind both. Up to [`LITERALS`] and [`MATCH`] bytes are written.
    ///
    /// # Safety
    /// Invariant I; the window is that of `to`. `ll` is at most [`LITERALS`], which are readable at `literals`, `ml` at most
    /// [`MATCH`]; `1 <= offset`; `offset` bytes before `to + ll` and [`LITERALS`] and [`MATCH`] bytes from `to` on lie in one destination.
    unsafe fn copy(
        window: Self::Window,
        literals: *const u8,
        ll: usize,
        to: *mut u8,
        offset: usize,
        ml: usize,
    ) -> Self::Window;

    /// Returns the low bits of a word, as many as the low byte of `count` says, which is below 64.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn low(word: u64, count: u64) -> u64;
}

/// Implements the repeated offsets of [`SeqIsa`] in registers for numbers.
macro_rules! repeats_as_numbers {
    () => {
        type Repeats = [u32; 3];
        #[inline(always)]
        unsafe fn repeats(offsets: [u32; 3]) -> [u32; 3] {
            offsets
        }
        #[inline(always)]
        unsafe fn offsets(repeats: [u32; 3]) -> [u32; 3] {
            repeats
        }
        #[inline(always)]
        unsafe fn resolve(repeats: [u32; 3], value: u32, behind_literals: bool) -> (u32, [u32; 3]) {
            crate::kernel::zstd_seq_decode::resolve_by_selects(repeats, value, behind_literals)
        }
    };
}
pub(crate) use repeats_as_numbers;

/// [`SeqIsa::resolve`] for numbers.
#[inline(always)]
pub fn resolve_by_selects([first, second, third]: [u32; 3], value: u32, behind_literals: bool) -> (u32, [u32; 3]) {
    // 1 to 4 for a repeated offset: the first, second or third, the first less one; above for another one.
    let which = select_unpredictable(value > 3, 5, value + u32::from(!behind_literals));
    let mut offset = select_unpredictable(which == 4, first.wrapping_sub(1), value.wrapping_sub(3));
    offset = select_unpredictable(which == 3, third, offset);
    offset = select_unpredictable(which == 2, second, offset);
    offset = select_unpredictable(which == 1, first, offset);
    let third = select_unpredictable(which <= 2, third, second);
    let second = select_unpredictable(which == 1, second, first);
    (offset, [offset, second, third])
}

/// Implements [`SeqIsa`] by loads from the output, for an instruction set with [`NearCopy`].
macro_rules! read_the_output_back {
    () => {
        type Window = ();
        #[inline(always)]
        unsafe fn window(_: *const u8, _: usize) {}
        #[inline(always)]
        unsafe fn copy(_: (), literals: *const u8, ll: usize, to: *mut u8, offset: usize, _: usize) {
            // SAFETY: the contract of `SeqIsa::copy`.
            unsafe { crate::kernel::zstd_seq_decode::copy_through_memory::<Self>(literals, ll, to, offset) }
        }
    };
}
pub(crate) use read_the_output_back;

/// [`SeqIsa::copy`] that reads the match from the output.
///
/// # Safety
/// As for that.
#[inline(always)]
pub unsafe fn copy_through_memory<M: NearCopy>(literals: *const u8, ll: usize, to: *mut u8, offset: usize) {
    // SAFETY: the contract is the same.
    unsafe {
        copy::<LITERALS>(literals, to);
        first32::<M>(to.add(ll), offset);
    }
}

/// Bytes in front of any stream of bits: two of a frame, three of a block, one each of literals, count and modes.
pub const HEADERS: usize = 8;

/// Writes the block into `dst`, whose first `at` bytes are the output of the frame so far, and returns where it ends.
///
/// Bytes of `dst` behind that place may be overwritten. Offsets may reach back to the start of `dst` and from there
/// into `history`.
///
/// # Errors
/// `NoSpace` if `dst` is too small; `Corrupt` if an offset reaches too far back, the literals run out, or the bit
/// stream does not end at exactly its first bit.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `M`.
#[inline(always)]
pub unsafe fn execute<M: SeqIsa>(job: &mut Sequences, dst: &mut [u8]) -> Result<usize, Error> {
    let (mut at, mut lit) = (job.at, 0);
    if job.literals_len > job.literals.len() || at > dst.len() {
        return Err(Error::Corrupt);
    }
    if job.count > 0 {
        let bits = job.src.get(job.bits_at..).ok_or(Error::Corrupt)?;
        let last = bits.last().copied().unwrap_or(0);
        if last == 0 || job.bits_at < HEADERS {
            return Err(Error::Corrupt);
        }
        let mut state = State {
            position: bits.len() as isize * 8 - 1 - last.leading_zeros() as isize,
            ..State { ll: 0, of: 0, ml: 0, position: 0, repeats: job.repeats, at, lit, left: job.count }
        };
        let (ll_log, of_log, ml_log) = (job.ll.log(), job.of.log(), job.ml.log());
        state.position -= (ll_log + of_log + ml_log) as isize;
        if state.position < 0 {
            return Err(Error::Corrupt);
        }
        let word = above(bits, state.position as usize);
        state.ml = (word & mask(ml_log)) as usize;
        state.of = (word >> ml_log & mask(of_log)) as usize;
        state.ll = (word >> (ml_log + of_log) & mask(ll_log)) as usize;
        loop {
            // SAFETY: the caller's contract (I). States start below the number of entries and stay there (T); the position is not
            // negative.
            unsafe { stretch::<M>(&mut state, job, dst) };
            careful(&mut state, job, bits, dst)?;
            if state.left == 0 {
                break;
            }
        }
        if state.position != 0 {
            return Err(Error::Corrupt);
        }
        job.repeats = state.repeats;
        (at, lit) = (state.at, state.lit);
    }
    let last = job.literals.get(lit..job.literals_len).ok_or(Error::Corrupt)?;
    let end = at + last.len();
    dst.get_mut(at..end).ok_or(Error::NoSpace)?.copy_from_slice(last);
    Ok(end)
}

/// What changes from sequence to sequence. The states are below the number of entries of their tables, `at` is at most the length
/// of the destination; `lit` may exceed the number of literals, if there are too few.
struct State {
    ll: usize,
    of: usize,
    ml: usize,
    /// Bits of the stream that are left.
    position: isize,
    repeats: [u32; 3],
    at: usize,
    lit: usize,
    /// Sequences that are left.
    left: usize,
}

/// Returns the bits of a stream from `position` upwards, lowest first, zeros behind its end: at least 57 of them.
#[inline(always)]
fn above(bits: &[u8], position: usize) -> u64 {
    let tail = bits.get(position / 8..).unwrap_or(&[]);
    let word = match tail.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => tail.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    word >> (position & 7)
}

/// The value of an entry, without its extra bits, of a literals length or match length.
#[inline(always)]
fn value(entry: u64) -> u64 {
    entry >> 24 & 0xff_ffff
}

/// Literals that one sequence of [`stretch`] copies without a loop. One in a hundred of real pages has more.
pub const LITERALS: usize = 16;
/// Length of a match that one sequence of [`stretch`] copies without a loop. On real pages, one in thirteen is longer, but
/// one in five is longer than 16 bytes.
pub const MATCH: usize = 32;
/// Room that [`stretch`] needs in front of a sequence.
const STRETCH_ROOM: usize = LITERALS + MATCH;
const _: () = assert!(LITERALS <= SLACK);

/// Decodes and executes sequences as long as they are ordinary, but for the last.
///
/// # Safety
/// Invariant I for `M`. `state` is as [`State`] says, the position not negative and inside the stream of `job`, which begins at least
/// 8 bytes into its source.
#[inline(always)]
unsafe fn stretch<M: SeqIsa>(state: &mut State, job: &Sequences, dst: &mut [u8]) {
    let State { mut ll, mut of, mut ml, mut position, .. } = *state;
    // SAFETY: the features are there (I).
    let mut repeats = unsafe { M::repeats(state.repeats) };
    let (mut at, mut lit, mut left) = (state.at, state.lit, state.left);
    let (ll_table, of_table, ml_table) = (job.ll.as_ptr(), job.of.as_ptr(), job.ml.as_ptr());
    // Signed, as short destinations and literals allow nothing.
    let at_limit = dst.len() as isize - STRETCH_ROOM as isize;
    let lit_limit = (job.literals.len() as isize - LITERALS as isize).min(job.literals_len as isize);
    // SAFETY: inside the source, as the stream begins at least 8 bytes into it.
    let stream = unsafe { job.src.as_ptr().add(job.bits_at).sub(7) };
    let (literals, to) = (job.literals.as_ptr(), dst.as_mut_ptr());
    // SAFETY: the features are there (I); `at` is at most the length of the destination.
    let mut window = unsafe { M::window(to.add(at), at) };
    while left > 1 && at as isize <= at_limit && lit as isize <= lit_limit {
        // SAFETY: states are below the number of entries (T).
        let (ll_entry, of_entry, ml_entry) = unsafe { (*ll_table.add(ll), *of_table.add(of), *ml_table.add(ml)) };
        let sum = of_entry.wrapping_add(ml_entry).wrapping_add(ll_entry);
        let bits = (sum >> 8 & 0xff) as isize;
        // SAFETY: the position is inside the stream, so that the byte that it is in, the last of these 8, and the 7
        // before it are inside the source (S).
        let word = unsafe { load64(stream.add((position >> 3) as usize)) };
        let rest = position - bits;
        if bits > 56 || rest < 0 {
            break;
        }
        let word = word.wrapping_shr(((position & 7 | 56) - bits) as u32);
        let lengths = word.wrapping_shr(sum as u32);
        // SAFETY: the features are there (I).
        let low = |word: u64, count: u64| unsafe { M::low(word, count) };
        let (ll_extra, ml_extra, of_extra) = (ll_entry >> 16, ml_entry >> 16, of_entry >> 16);
        let ll_len = (value(ll_entry) + low(lengths, ll_extra)) as usize;
        let ml_len = (value(ml_entry) + low(lengths.wrapping_shr(ll_extra as u32), ml_extra)) as usize;
        let of_value = (1u64.wrapping_shl(of_extra as u32)
            + low(lengths.wrapping_shr((ll_extra + ml_extra) as u32), of_extra)) as u32;

        // SAFETY: the features are there (I).
        let (offset, next_repeats) = unsafe { M::resolve(repeats, of_value, ll_len != 0) };
        let start = at + ll_len;
        // Also zero.
        if (offset as usize).wrapping_sub(1) >= start {
            break;
        }
        if ll_len > LITERALS || ml_len > MATCH {
            let room = dst.len() - at;
            // A step of a copy may begin just in front of the end.
            if ll_len + ml_len + MATCH > room
                || ll_len > job.literals_len - lit
                || ll_len + LITERALS > job.literals.len() - lit
            {
                break;
            }
            // SAFETY: there is the room (D), and as many literals (S), by the comparisons; the match begins inside `dst`.
            unsafe {
                copy_literals(literals.add(lit), to.add(at), ll_len);
                copy_match::<M>(to.add(start), offset as usize, ml_len);
                window = M::window(to.add(start + ml_len), start + ml_len);
            }
        } else {
            // SAFETY: LITERALS bytes can be read from `lit` on (S), and with MATCH bytes behind be written from `at` on (D), by the
            // limits of the loop; the match begins inside `dst`; the window follows every copy.
            window = unsafe { M::copy(window, literals.add(lit), ll_len, to.add(at), offset as usize, ml_len) };
        }
        repeats = next_repeats;
        of = ((of_entry >> 48) + low(word, of_entry)) as usize;
        ml = ((ml_entry >> 48) + low(word.wrapping_shr(of_entry as u32), ml_entry)) as usize;
        ll = ((ll_entry >> 48) + low(word.wrapping_shr((of_entry + ml_entry) as u32), ll_entry)) as usize;
        position = rest;
        at = start + ml_len;
        lit += ll_len;
        left -= 1;
    }
    // SAFETY: the features are there (I).
    let repeats = unsafe { M::offsets(repeats) };
    *state = State { ll, of, ml, position, repeats, at, lit, left };
}

/// Decodes and executes one sequence, with every bound checked; the last one reads no next states.
#[inline(never)]
fn careful(state: &mut State, job: &Sequences, bits: &[u8], dst: &mut [u8]) -> Result<(), Error> {
    // SAFETY: states are below the number of entries (T).
    let entry = |entries: &Entries, state: usize| unsafe { *entries.as_ptr().add(state) };
    let (ll_entry, of_entry, ml_entry) = (entry(&job.ll, state.ll), entry(&job.of, state.of), entry(&job.ml, state.ml));
    let mut position = state.position;
    // The fields from the highest to the lowest.
    let mut take = |count: u64| {
        position -= (count & 0xff) as isize;
        if position < 0 { 0 } else { above(bits, position as usize) & mask(count as u32 & 0xff) }
    };
    let of_value = ((1 << (of_entry >> 16 & 0xff)) + take(of_entry >> 16)) as u32;
    let ml = (value(ml_entry) + take(ml_entry >> 16)) as usize;
    let ll = (value(ll_entry) + take(ll_entry >> 16)) as usize;
    if state.left > 1 {
        state.ll = (ll_entry >> 48) as usize + take(ll_entry) as usize;
        state.ml = (ml_entry >> 48) as usize + take(ml_entry) as usize;
        state.of = (of_entry >> 48) as usize + take(of_entry) as usize;
    }
    if position < 0 {
        return Err(Error::Corrupt);
    }
    let [first, second, third] = state.repeats;
    let (offset, repeats) = match of_value {
        1..=3 => match of_value + u32::from(ll == 0) {
            1 => (first, state.repeats),
            2 => (second, [second, first, third]),
            3 => (third, [third, first, second]),
            _ => (first.wrapping_sub(1), [first.wrapping_sub(1), first, second]),
        },
        _ => (of_value - 3, [of_value - 3, first, second]),
    };
    if offset == 0 {
        return Err(Error::Corrupt);
    }
    let at = state.at;
    let literals =
        job.literals.get(state.lit..job.literals_len).and_then(|rest| rest.get(..ll)).ok_or(Error::Corrupt)?;
    if ll + ml > dst.len() - at {
        return Err(Error::NoSpace);
    }
    dst[at..at + ll].copy_from_slice(literals);
    match_from_history(dst, at + ll, offset as usize, ml, job.history)?;
    *state = State { position, repeats, at: at + ll + ml, lit: state.lit + ll, left: state.left - 1, ..*state };
    Ok(())
}

/// Copies `len` literals, in steps of [`LITERALS`].
///
/// # Safety
/// `len + LITERALS` bytes are readable at `from` and writable at `to`.
#[inline(always)]
unsafe fn copy_literals(from: *const u8, to: *mut u8, len: usize) {
    let mut i = 0;
    // SAFETY: every step begins before `len` or at 0, so it ends within `len + LITERALS` bytes (S, D).
    unsafe {
        copy::<LITERALS>(from, to);
        while i + LITERALS < len {
            i += LITERALS;
            copy::<LITERALS>(from.add(i), to.add(i));
        }
    }
}

/// Copies `len` bytes from `offset` bytes before `to` to `to`.
///
/// # Safety
/// Invariant I for `M`. The `offset` bytes before `to`, one at least, and the `len + MATCH` bytes from there on belong to one
/// allocation, and are the caller's to write.
#[inline(always)]
unsafe fn copy_match<M: NearCopy>(to: *mut u8, offset: usize, len: usize) {
    debug_assert!(offset > 0);
    // SAFETY: the shell has the features (I). Steps begin before `len` bytes of the match, or at its start, and are of 32 bytes (S, D).
    // Behind the first 32 bytes, what is `distance` bytes back is the same as what is `offset` bytes back.
    unsafe {
        first32::<M>(to, offset);
        let distance = if offset < MATCH { usize::from(SPREAD_32[offset & 31]) } else { offset };
        let mut i = MATCH;
        while i < len {
            copy::<MATCH>(to.add(i).sub(distance), to.add(i));
            i += MATCH;
        }
    }
}

/// Writes at `to` the 32 bytes that continue the period of `offset` bytes before it.
///
/// # Safety
/// Invariant I for `M`; `1 <= offset`; `offset` bytes before `to` and 32 from it on lie in one destination.
#[inline(always)]
unsafe fn first32<M: NearCopy>(to: *mut u8, offset: usize) {
    // SAFETY: the contract is the same. Behind the first 16 bytes, what is `distance` bytes back is the same as what is `offset`
    // bytes back, for the multiple of the offset that is the smallest of at least 16.
    unsafe {
        M::first16(to, offset);
        let ahead = usize::from(AHEAD[offset.min(16)]);
        copy::<16>(to.sub(offset).add(ahead), to.add(16));
    }
}

/// By offset, 16 for those above: 16 + offset, less the smallest multiple of the offset of at least 16.
static AHEAD: [u8; 17] = {
    let mut ahead = [0; 17];
    let mut offset = 1;
    while offset <= 16 {
        ahead[offset] = (16 + offset - 16usize.div_ceil(offset) * offset) as u8;
        offset += 1;
    }
    ahead
};
/// By offset: the smallest multiple of it of at least 32.
static SPREAD_32: [u8; 32] = {
    let mut spread = [0; 32];
    let mut offset = 1;
    while offset < 32 {
        spread[offset] = (32usize.div_ceil(offset) * offset) as u8;
        offset += 1;
    }
    spread
};

/// Copies a match that may begin in `history`, with every bound checked; the caller has checked that `dst` holds it.
#[inline(never)]
fn match_from_history(dst: &mut [u8], at: usize, offset: usize, ml: usize, history: &[u8]) -> Result<(), Error> {
    let (mut at, mut left) = (at, ml);
    let mut from = at.wrapping_sub(offset);
    if offset > at {
        let back = offset - at;
        let start = history.len().checked_sub(back).ok_or(Error::Corrupt)?;
        let part = back.min(left);
        dst[at..at + part].copy_from_slice(&history[start..start + part]);
        (at, left, from) = (at + part, left - part, 0);
    }
    // The bytes from `from` to `at` repeat: every round may copy all that is there by now.
    while left > 0 {
        let part = (at - from).min(left);
        dst.copy_within(from..from + part, at);
        (at, left) = (at + part, left - part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::zstd_fse::{Alphabet, Fixed, SYMBOLS, entry};
    use super::*;

    /// Byte by byte.
    struct Bytes;

    impl NearCopy for Bytes {
        unsafe fn first16(to: *mut u8, offset: usize) {
            for i in 0..16 {
                // SAFETY: by the contract of `NearCopy::first16`.
                unsafe { *to.add(i) = *to.add(i).sub(offset) };
            }
        }
    }

    impl SeqIsa for Bytes {
        read_the_output_back!();
        repeats_as_numbers!();
        unsafe fn low(word: u64, count: u64) -> u64 {
            word & mask(count as u32)
        }
    }

    #[test]
    fn any_tables_and_bits_keep_to_the_destination() {
        let mut seed = 1u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed ^ seed >> 29) as usize
        };
        let mut written = 0;
        for round in 0..3000 {
            let mut table = |most_extra: usize, most_value: usize| {
                let log = 5 + random() as u32 % 5;
                let mut norm = [0; SYMBOLS];
                for _ in 0..1 << log {
                    norm[random() % (1 + random() % SYMBOLS)] += 1;
                }
                let parts = core::array::from_fn(|_| {
                    entry(0, (random() % (1 + random() % most_extra)) as u32, 0, (random() % most_value) as u32)
                });
                Fixed::boxed(&norm, log, &Alphabet { max_code: 63, max_log: 9, parts }, vec![0; 1 << log])
            };
            let big = [20, 70_000][round % 2];
            let (ll, ml, of) = (table(17, big), table(17, big), table(32, 1));
            let mut src: Vec<u8> = (0..9 + random() % 400).map(|_| random() as u8 | 1).collect();
            let literals = vec![7; random() % 900];
            let mut dst = vec![0; random() % 3000];
            let at = dst.len() / 3;
            dst[..at].fill(9);
            let mut job = Sequences {
                count: random() % 150,
                src: &mut src,
                bits_at: 8,
                ll: ll.entries(),
                of: of.entries(),
                ml: ml.entries(),
                literals: &literals,
                literals_len: literals.len() * 3 / 4,
                history: &[1, 2, 3],
                repeats: [1, 4, 8],
                at,
            };
            // SAFETY: `Bytes` needs no instruction set (I). Debug builds check every copy; what is in front of the block stays.
            let _ = unsafe { execute::<Bytes>(&mut job, &mut dst) };
            assert!(dst[..at].iter().all(|&byte| byte == 9));
            written += usize::from(dst[at..].iter().any(|&byte| byte != 0));
        }
        assert!(written > 1000, "{written} rounds wrote anything");
    }
}
