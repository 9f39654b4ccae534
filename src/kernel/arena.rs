//! Scratch memory: one block of 8-byte words, handed out in typed pieces.
//!
//! Encoders and decoders need tables and buffers of several integer types. They take them from one block that the
//! caller owns, so that a context can live in memory that the C caller provides and the page path never allocates.
//! The pieces hold whatever the last call left there: whoever takes one initialises what it reads.

use core::marker::PhantomData;
use core::mem::{align_of, size_of};

use super::word::LINE;

/// A type of which every bit pattern is a value: integers, and structures of them.
pub trait Plain: Copy + sealed::Sealed {}
mod sealed {
    pub trait Sealed {}
}
macro_rules! plain {
    ($($t:ty),*) => { $(impl sealed::Sealed for $t {} impl Plain for $t {})* };
}
plain!(u8, u16, u32, u64, i64, super::zstd_seq_encode::Codes, super::zstd_encode::sequences::Slots);

/// What is left of a block of scratch memory.
pub struct Arena<'m> {
    next: *mut u64,
    words: usize,
    memory: PhantomData<&'m mut [u64]>,
}

impl<'m> Arena<'m> {
    /// Starts handing out `memory`.
    pub fn new(memory: &'m mut [u64]) -> Self {
        Arena { next: memory.as_mut_ptr(), words: memory.len(), memory: PhantomData }
    }

    /// Words that [`Arena::align`] may pass.
    pub const ALIGN_WORDS: usize = LINE / size_of::<u64>() - 1;

    /// Lets the next piece begin at a cache line, so that rows of a table cross none.
    pub fn align(&mut self) {
        let words = self.next.align_offset(LINE).min(self.words);
        self.words -= words;
        // SAFETY: that many words from `next` on are left.
        self.next = unsafe { self.next.add(words) };
    }

    /// Words of 8 bytes that `count` elements of `T` take.
    pub const fn words_for<T: Plain>(count: usize) -> usize {
        (count * size_of::<T>()).div_ceil(size_of::<u64>())
    }

    /// Takes `count` elements of `T`, aligned to 8 bytes, contents unspecified.
    ///
    /// # Panics
    /// If the block is used up, which means that its owner reserved less than the codec's own `words` function says.
    pub fn take<T: Plain>(&mut self, count: usize) -> &'m mut [T] {
        const { assert!(align_of::<T>() <= align_of::<u64>()) };
        let words = Self::words_for::<T>(count);
        assert!(words <= self.words, "scratch block too small");
        let piece = self.next;
        self.words -= words;
        // SAFETY: `words` words from `next` on belong to the block borrowed for 'm (the assertion above) and are given
        // out once, since `next` moves past them; they are initialised u64s, and `Plain` types accept any bits.
        unsafe {
            self.next = piece.add(words);
            core::slice::from_raw_parts_mut(piece.cast::<T>(), count)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_overlap_and_keep_their_values() {
        let mut block = vec![0u64; 8];
        let mut arena = Arena::new(&mut block);
        let bytes = arena.take::<u8>(9);
        let words = arena.take::<u32>(3);
        let rest = arena.take::<u64>(4);
        bytes.fill(0xaa);
        words.fill(7);
        rest.fill(u64::MAX);
        assert_eq!((bytes.len(), words.len(), rest.len()), (9, 3, 4));
        assert!(bytes.iter().all(|&b| b == 0xaa) && words.iter().all(|&w| w == 7));
    }

    #[test]
    #[should_panic(expected = "too small")]
    fn taking_more_than_there_is_panics() {
        Arena::new(&mut [0u64; 2]).take::<u8>(17);
    }
}
