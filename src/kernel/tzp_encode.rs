//! Pages to tzp blocks (docs/TZP.md).
//!
//! The page goes in four pieces of 32 chunks through three loops: hash every word and look up where its like was last seen;
//! count, for every chunk, how many bytes each candidate has in common with it; keep the best candidate. A candidate is
//! zeros, the chunk before, or a place looked up. Then one loop over the page decides whether a chunk rather stays with
//! the place of the chunk before it, which saves a byte, and one writes. Nothing branches on data in any of them. Results
//! are kept by rows (row r has candidate r of every chunk), so that the comparisons between candidates are vector code.
//! Nothing depends on the instruction set, so neither does the block.
//!
//! A **place** is a distance as one byte: the prediction of a chunk by place p begins 8 (258 - p) bytes before it, and 255
//! means zeros. It is 255 minus the offset byte of the block.
//!
//! Bounds, which the SAFETY notes cite:
//!
//! - **P (places)**: a place from 0 to 254 begins 4 to 258 words before its chunk and so ends at or before it. In a block
//!   with another one before it that is inside the unit. In the first block it is because a table holds numbers of words,
//!   modulo 256, that are 3 at least and lie two chunks or more before the one that looks them up (a chunk is inserted after
//!   the next one's lookup). So the number n found by word w, at 4c to 4c + 3, has w - n from 5 to w - 3 <= 4c. Below
//!   256 that is the distance in words. From 256 to 258 it wraps and is the distance again, because a place counts from
//!   258. Above, any distance up to 258 may come out, and w is 262 at least, so that 4c is no less. Chunks 0 and 1 look
//!   nothing up.
//! - **T (tables)**: a hash is a 32-bit number shifted down to the bits of an index, so it is below the size of a table;
//!   `look_up` reads none that it has not computed itself.
//! - **L (literals)**: a block is at least its literals and 32 bytes of flags long, so once the literals so far and 32 do
//!   not fit the room, the block does not either; while they do, writing 32 bytes behind them is inside the room.
//!
//! Source: our own; hash candidates and the multipliers (Knuth, Collet) are common property of LZ codecs.

use super::arena::Arena;
use super::tzp::{CANDIDATES, Chunk, FARTHEST, HIGH_NIBBLE, LOW_NIBBLE, PIECE, Row, ZERO, predicted};
use super::word::load64;
use crate::base::format::tzp::{CHUNK, CHUNKS, FLAGS, PAGE};

const PIECES: usize = CHUNKS / PIECE;
/// Words of a chunk.
const WORDS: usize = CHUNK / 8;
/// log2 of the entries of a table, and the entries.
const SLOTS_LOG: u32 = 10;
const SLOTS: usize = 1 << SLOTS_LOG;
/// Hashes of a piece, and of the chunk before it.
const HASHES: usize = WORDS * (PIECE + 1);
/// The entry of a cleared table, see P: a number that every word which looks something up can reach.
const NOWHERE: u8 = 3;
/// The place one chunk back, the nearest one.
const BACK: u8 = 254;

/// Words of 8 bytes of scratch that [`encode`] needs.
pub const SCRATCH: usize = 3 * Arena::words_for::<u8>(SLOTS)
    + Arena::words_for::<u16>(HASHES)
    + Arena::words_for::<u8>(3 * CHUNKS)
    + Arena::words_for::<u8>(2 * CHUNKS)
    + Arena::words_for::<u8>(CHUNKS);

/// Number of the first word of every chunk of a piece.
const FIRST_WORDS: Row = {
    let (mut words, mut i) = ([0; PIECE], 0);
    while i < PIECE {
        words[i] = (WORDS * i) as u8;
        i += 1;
    }
    words
};

/// The words of a chunk that are looked up by their upper six bytes, by all eight, and by the upper four.
const fn looked_up(candidates: usize) -> [&'static [usize]; 3] {
    const ALL: &[usize] = &[0, 1, 2, 3];
    match candidates {
        2 => [&[0, 2], &[], &[]],
        4 => [ALL, &[], &[]],
        8 => [ALL, ALL, &[]],
        12 => [ALL, ALL, ALL],
        _ => panic!("no such number of candidates"),
    }
}

/// Hashes the upper six bytes of a word: in a pointer or a counter these are the ones that recur.
#[inline(always)]
fn hash_upper(word: u64) -> u16 {
    mix((word >> 16) as u32, (word >> 48) as u32)
}

/// Hashes the upper half of a word.
#[inline(always)]
fn hash_half(word: u64) -> u16 {
    mix((word >> 32) as u32, 0)
}

/// Hashes all eight bytes of a word.
#[inline(always)]
fn hash_all(word: u64) -> u16 {
    mix(word as u32, (word >> 32) as u32)
}

#[inline(always)]
fn mix(low: u32, high: u32) -> u16 {
    (low.wrapping_mul(0x9E37_79B1).wrapping_add(high.wrapping_mul(0x85EB_CA6B)) >> (32 - SLOTS_LOG)) as u16
}

/// Where a piece lies.
#[derive(Clone, Copy)]
struct Piece {
    at: *const u8,
    /// The first of a unit.
    first: bool,
    /// Number of its first word in the page, modulo 256.
    word: u8,
}

/// Writes the block of page number `page` of `unit` to `dst` and returns its length. Returns `None` if it is longer than
/// `dst`, or if more than `enough` bytes of the first quarter of the page differ from their prediction.
///
/// `N` is the number of looked-up candidates: 2, 4, 8 or 12. `scratch` has [`SCRATCH`] words, contents unspecified for page 0; for a later one as the call for the page before left
/// it, or predictions are bad. Does not allocate.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `C`.
///
/// # Panics
/// If `scratch` is too short or `unit` has no such page.
#[inline(always)]
pub unsafe fn encode<C: Chunk, const N: usize>(
    scratch: &mut [u64],
    enough: usize,
    unit: &[u8],
    page: usize,
    dst: &mut [u8],
) -> Option<usize> {
    assert!((unit.len() / PAGE) > page);
    let mut arena = Arena::new(scratch);
    let tables = [(); 3].map(|()| arena.take::<u8>(SLOTS));
    let hashes = arena.take::<u16>(HASHES);
    let places = arena.take::<u8>(2 * CHUNKS);
    let most = arena.take::<u8>(CHUNKS);
    let codes = arena.take::<u8>(2 * CHUNKS);
    let offsets = arena.take::<u8>(CHUNKS);
    // SAFETY: the assertion: `unit` has that page.
    let from = unsafe { unit.as_ptr().add(PAGE * page) };
    for number in 0..PIECES {
        // SAFETY: there are as many pieces in a page.
        let at = unsafe { from.add(CHUNK * PIECE * number) };
        let piece = Piece { at, first: page == 0 && number == 0, word: (WORDS * PIECE * number) as u8 };
        let mut rows = [[ZERO; PIECE]; CANDIDATES];
        rows[1] = [BACK; PIECE];
        // SAFETY: `piece` is one of `unit`; invariant I is the caller's; the rows hold places by P.
        let (best, alike) = unsafe {
            let [upper, all, half] = const { looked_up(N) };
            look_up(piece, upper, hash_upper, tables[0], hashes, &mut rows[2..]);
            if !all.is_empty() {
                look_up(piece, all, hash_all, tables[1], hashes, &mut rows[6..]);
            }
            if !half.is_empty() {
                look_up(piece, half, hash_half, tables[2], hashes, &mut rows[10..]);
            }
            let mut alike = [[0; PIECE]; CANDIDATES];
            C::count_alike::<N>(at, usize::from(piece.first), &rows, &mut alike);
            most_alike::<N>(&rows, &alike)
        };
        places[PIECE * number..][..PIECE].copy_from_slice(&best);
        most[PIECE * number..][..PIECE].copy_from_slice(&alike);
        if number == 0 {
            let alike: usize = alike.iter().map(|&alike| usize::from(alike)).sum();
            if CHUNK * PIECE - alike > enough {
                return None;
            }
        }
    }
    // SAFETY: invariant I is the caller's; `from` is a page; the places are legal by P.
    unsafe {
        settle::<C>(from, places, most);
        C::write(from, &places[..CHUNKS], codes, offsets, dst)
    }
}

/// Looks the words at `words` of every chunk of a piece up in `table`, each into a row of places, and inserts all words.
///
/// # Safety
/// `piece` is one of a unit, after the pieces before it.
#[inline(always)]
unsafe fn look_up(
    piece: Piece,
    words: &[usize],
    hash: impl Fn(u64) -> u16,
    table: &mut [u8],
    hashes: &mut [u16],
    rows: &mut [Row],
) {
    // A chunk is inserted after the next one's lookup, so the hashes begin one chunk early.
    let (hashes, table) = (&mut hashes[..HASHES], &mut table[..SLOTS]);
    let (before, own) = hashes.split_at_mut(WORDS);
    if !piece.first {
        for (i, to) in before.iter_mut().enumerate() {
            // SAFETY: a chunk of the unit lies before a piece that is not the first.
            *to = hash(unsafe { load64(piece.at.sub(CHUNK).add(8 * i)) });
        }
    }
    for (i, to) in own.iter_mut().enumerate() {
        // SAFETY: the piece has that many words.
        *to = hash(unsafe { load64(piece.at.add(8 * i)) });
    }
    let start = if piece.first {
        // Chunk 0 is not inserted: of its words only the last has a number that P allows, and that is what is here.
        table.fill(NOWHERE);
        2
    } else {
        0
    };
    for i in start..PIECE {
        // SAFETY: both indices are below HASHES, `i` below PIECE; T for the table, in a first piece too, where `i` begins
        // at 2; `words` are below WORDS and no more than the rows.
        unsafe {
            for (row, &word) in words.iter().enumerate() {
                let slot = usize::from(*hashes.get_unchecked(WORDS * (i + 1) + word));
                debug_assert!(slot < SLOTS);
                *rows.get_unchecked_mut(row).get_unchecked_mut(i) = *table.get_unchecked(slot);
            }
            for word in 0..WORDS {
                let slot = usize::from(*hashes.get_unchecked(WORDS * i + word));
                debug_assert!(slot < SLOTS);
                *table.get_unchecked_mut(slot) =
                    piece.word.wrapping_sub(WORDS as u8).wrapping_add((WORDS * i + word) as u8);
            }
        }
    }
    for (row, &word) in words.iter().enumerate() {
        let row = &mut rows[row];
        let first = piece.word.wrapping_add(word as u8).wrapping_sub(2);
        // Of fixed length and on bytes alone, so that it is made vector code.
        for i in 0..PIECE {
            row[i] = row[i].wrapping_sub(first).wrapping_sub(FIRST_WORDS[i]).min(BACK);
        }
        if piece.first {
            (row[0], row[1]) = (ZERO, BACK);
        }
    }
}

/// Returns for every chunk the place that is most alike, of equals the one of the first row, and how much.
#[inline(always)]
fn most_alike<const N: usize>(rows: &[Row; CANDIDATES], alike: &[Row; CANDIDATES]) -> (Row, Row) {
    let (mut best, mut most) = (rows[0], alike[0]);
    for row in 1..N + 2 {
        for i in 0..PIECE {
            // Masks, since a conditional assignment is not made vector code.
            let better = u8::from(alike[row][i] > most[i]).wrapping_neg();
            best[i] ^= (best[i] ^ rows[row][i]) & better;
            most[i] ^= (most[i] ^ alike[row][i]) & better;
        }
    }
    (best, most)
}

/// Decides for every chunk between its own best place and the one chosen for the chunk before: the latter needs no offset
/// byte, so it may be worse by one byte.
///
/// Each decision waits for the one before, some 20 cycles. So the four quarters of the page go side by side, and a quarter
/// starts from the best place, rather than the chosen one, of the last chunk before it. The first half of `places` holds
/// the best places and then the chosen ones; the second half is room for the alternative.
///
/// # Safety
/// Invariant I; `page` is a page; the places are legal for their chunks and those behind them in it.
#[inline(always)]
unsafe fn settle<C: Chunk>(page: *const u8, places: &mut [u8], most: &[u8]) {
    let (places, most) = (&mut places[..2 * CHUNKS], &most[..CHUNKS]);
    let mut now = [ZERO, places[PIECE - 1], places[2 * PIECE - 1], places[3 * PIECE - 1]];
    for i in 0..PIECE {
        for (quarter, now) in now.iter_mut().enumerate() {
            let i = i + PIECE * quarter;
            // SAFETY: invariant I is the caller's, as is that a place legal for a chunk is for the next; `i` is below CHUNKS.
            unsafe {
                let at = page.add(CHUNK * i);
                let same = C::load(at).equal_count(C::load(predicted(at, *now)));
                let stay = usize::from(same + 1 >= u32::from(*most.get_unchecked(i)));
                // Through memory, since nothing else keeps the compiler from a branch, which nobody could predict.
                *places.get_unchecked_mut(CHUNKS + i) = *now;
                *now = *places.get_unchecked(CHUNKS * stay + i);
                *places.get_unchecked_mut(i) = *now;
            }
        }
    }
}

/// The body of [`Chunk::write`] chunk by chunk.
///
/// # Safety
/// That of [`Chunk::write`].
#[inline(always)]
pub unsafe fn write<C: Chunk>(
    page: *const u8,
    chosen: &[u8],
    codes: &mut [u8],
    offsets: &mut [u8],
    dst: &mut [u8],
) -> Option<usize> {
    let (mut literals, mut coded, mut moved) = (0, 0, 0);
    let mut in_force = ZERO;
    let mut flags = [[0u32; PIECES]; 2];
    let [with_codes, with_offset] = &mut flags;
    for (piece, (with_codes, with_offset)) in with_codes.iter_mut().zip(with_offset).enumerate() {
        let (mut has_codes, mut new_offset) = (0u32, 0u32);
        for i in 0..PIECE {
            if dst.len() < literals + CHUNK {
                return None;
            }
            // SAFETY: invariant I and legal places are the caller's; the literals have room by the check above (L); at
            // most two codes and one offset are written a chunk, into room for all chunks.
            unsafe {
                let at = page.add(CHUNK * (PIECE * piece + i));
                let place = *chosen.get_unchecked(PIECE * piece + i);
                let here = C::load(at);
                let equal = here.equal_bits(C::load(predicted(at, place))) as usize;
                let low = LOW_NIBBLE[equal & 0xFF] | HIGH_NIBBLE[equal >> 8 & 0xFF];
                let high = LOW_NIBBLE[equal >> 16 & 0xFF] | HIGH_NIBBLE[equal >> 24 & 0xFF];
                let nibbles = u32::from(low) | u32::from(high) << 8;
                literals += here.compact(nibbles, dst.as_mut_ptr().add(literals));
                let has = usize::from(nibbles != 0);
                codes.as_mut_ptr().add(coded).cast::<[u8; 2]>().write([low, high]);
                coded += 2 * has;
                has_codes |= (has as u32) << i;
                let new = usize::from(place != in_force);
                *offsets.get_unchecked_mut(moved) = ZERO - place;
                moved += new;
                new_offset |= (new as u32) << i;
                in_force = place;
            }
        }
        (*with_codes, *with_offset) = (has_codes, new_offset);
    }
    let len = literals + coded + moved + FLAGS;
    let (to_codes, rest) = dst.get_mut(literals..len)?.split_at_mut(coded);
    to_codes.copy_from_slice(&codes[..coded]);
    let (to_offsets, to_flags) = rest.split_at_mut(moved);
    to_offsets.copy_from_slice(&offsets[..moved]);
    for (to, flags) in to_flags.chunks_exact_mut(4).zip(flags.as_flattened()) {
        to.copy_from_slice(&flags.to_le_bytes());
    }
    Some(len)
}

const _: () = assert!(FARTHEST == 8 * 258 && PIECES == 4);
