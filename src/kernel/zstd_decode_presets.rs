//! Tables of FSE that need neither be read nor built: those of the distributions in `base::format::zstd_presets`.
//!
//! The first bytes of a description choose a candidate from a small table; then all its bytes are compared. What is not recognised is
//! read as any other description, and what is recognised means the same, so that this is a matter of time only.

use super::zstd_fse::Fixed;
use crate::base::format::zstd_presets::{self, COUNT, LOG};

/// Bytes that no description of a preset exceeds.
const MOST: usize = zstd_presets::HEADER_MAX;
/// Words of them.
const WORDS: usize = MOST / 8;
/// Log2 of the places of a [`Presets::first`].
const PLACES_LOG: u32 = 6;
/// No preset.
const NONE: u8 = u8::MAX;

/// A distribution, known by its description.
#[derive(Clone, Copy)]
struct Preset {
    /// The description, with zeros behind.
    words: [u64; WORDS],
    /// Its bits: ones in its bytes.
    mask: [u64; WORDS],
    /// Its bytes.
    len: usize,
    /// The next preset at the same place, or [`NONE`].
    next: u8,
    /// The decoding table.
    table: Fixed<[u64; 1 << LOG]>,
}

/// The presets of one kind of code.
pub struct Presets {
    presets: [Preset; COUNT],
    /// By [`Presets::place`]: the first preset there, or [`NONE`].
    first: [u8; 1 << PLACES_LOG],
    /// The bytes of the first word that every description has.
    key: u64,
}

impl Presets {
    /// Returns the presets of some distributions; `parts` has what their symbols mean, as in [`Alphabet`](super::zstd_fse::Alphabet).
    pub const fn new<const N: usize>(norms: &[[i16; N]; COUNT], parts: &[u64]) -> Presets {
        let table = Fixed::<[u64; 1 << LOG]>::new(&norms[0], parts);
        let none = Preset { words: [0; WORDS], mask: [0; WORDS], len: 0, next: NONE, table };
        let mut all = Presets { presets: [none; COUNT], first: [NONE; 1 << PLACES_LOG], key: u64::MAX };
        let mut i = 0;
        while i < COUNT {
            let (words, len) = describe(&norms[i]);
            let mut mask = [0; WORDS];
            let mut byte = 0;
            while byte < len {
                mask[byte / 8] |= 0xff << (8 * (byte % 8));
                byte += 1;
            }
            let table = Fixed::<[u64; 1 << LOG]>::new(&norms[i], parts);
            all.presets[i] = Preset { words, mask, len, next: NONE, table };
            all.key &= mask[0];
            i += 1;
        }
        while i > 0 {
            i -= 1;
            let place = all.place(all.presets[i].words[0]);
            all.presets[i].next = all.first[place];
            all.first[place] = i as u8;
        }
        all
    }

    /// Where presets are found whose description begins with a word. The multiplier is 2^64 divided by the golden ratio.
    const fn place(&self, word: u64) -> usize {
        ((word & self.key).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - PLACES_LOG)) as usize
    }

    /// Returns the table whose description `src` begins with, and the length of that, if it is a preset.
    #[inline(always)]
    pub fn find(&self, src: &[u8]) -> Option<(&Fixed<[u64; 1 << LOG]>, usize)> {
        let mut padded = [0; MOST];
        let bytes = src.first_chunk::<MOST>().unwrap_or_else(|| {
            padded[..src.len()].copy_from_slice(src);
            &padded
        });
        let (words, _) = bytes.as_chunks::<8>();
        let word = |i: usize| u64::from_le_bytes(words[i]);
        let mut place = self.first[self.place(word(0))];
        while let Some(preset) = self.presets.get(usize::from(place)) {
            let differ = (0..WORDS).fold(0, |differ, i| differ | (word(i) ^ preset.words[i]) & preset.mask[i]);
            if differ == 0 && preset.len <= src.len() {
                return Some((&preset.table, preset.len));
            }
            place = preset.next;
        }
        None
    }
}

/// Returns the description of a distribution, with zeros behind, and the bytes it takes.
const fn describe(norm: &[i16]) -> ([u64; WORDS], usize) {
    let (bytes, len) = zstd_presets::description::<MOST>(norm, LOG);
    let mut words = [0; WORDS];
    let mut i = 0;
    while i < MOST {
        words[i / 8] |= (bytes[i] as u64) << (8 * (i % 8));
        i += 1;
    }
    (words, len)
}
