//! The block of memory that a page context works in: its own, or the C caller's.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;

#[cfg(feature = "libzstd")]
use super::libzstd;
use crate::base::Error;

/// A block of 8-byte words, exclusively the holder's. Between calls it holds nothing that matters, but for the contexts of
/// libzstd, which are costly to make (libzstd asks CPUID, which takes microseconds in a virtual machine) and stay until
/// the words are used otherwise.
pub struct Scratch {
    memory: NonNull<u64>,
    words: usize,
    /// Capacity of the vector that the block came from, `None` if the memory is somebody else's.
    vector: Option<usize>,
    #[cfg(feature = "libzstd")]
    libzstd: Option<libzstd::PageContexts>,
}

// SAFETY: the block is exclusively the holder's, and so are libzstd's contexts in it, which may move between threads.
unsafe impl Send for Scratch {}

impl Scratch {
    /// Allocates a block.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new(words: usize) -> Result<Self, Error> {
        let mut vector = Vec::new();
        vector.try_reserve_exact(words).map_err(|_| Error::NoMemory)?;
        vector.resize(words, 0u64);
        let mut vector = ManuallyDrop::new(vector);
        let memory = NonNull::new(vector.as_mut_ptr()).ok_or(Error::NoMemory)?;
        // SAFETY: the vector's memory, which nobody else refers to; `Drop` rebuilds the vector.
        let mut scratch = unsafe { Scratch::at(memory, words) };
        scratch.vector = Some(vector.capacity());
        Ok(scratch)
    }

    /// Takes over a block.
    ///
    /// # Safety
    /// `words` initialised words at `memory`, used by nobody else as long as the scratch lives.
    pub unsafe fn at(memory: NonNull<u64>, words: usize) -> Self {
        Scratch {
            memory,
            words,
            vector: None,
            #[cfg(feature = "libzstd")]
            libzstd: None,
        }
    }

    /// The whole block, contents unspecified.
    pub fn words(&mut self) -> &mut [u64] {
        #[cfg(feature = "libzstd")]
        {
            self.libzstd = None; // the holder may overwrite them
        }
        // SAFETY: the block is exclusively ours, and `self` is borrowed as long as the slice lives.
        unsafe { core::slice::from_raw_parts_mut(self.memory.as_ptr(), self.words) }
    }

    /// libzstd's contexts of these settings, made in the block if they are not there from the last call.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the block is too small for them or libzstd refuses the settings.
    #[cfg(feature = "libzstd")]
    pub fn libzstd(&mut self, settings: libzstd::PageSettings) -> Result<&mut libzstd::PageContexts, Error> {
        if self.libzstd.as_ref().is_none_or(|contexts| contexts.settings() != settings) {
            self.libzstd = None;
            // SAFETY: the block is exclusively ours; nobody writes to it while the contexts are kept, since `words`
            // gives them up first.
            self.libzstd = Some(unsafe { libzstd::PageContexts::place(self.memory, self.words, settings)? });
        }
        self.libzstd.as_mut().ok_or(Error::Invalid)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(capacity) = self.vector {
            // SAFETY: pointer, length and capacity are those of the vector that `new` took apart.
            drop(unsafe { Vec::from_raw_parts(self.memory.as_ptr(), self.words, capacity) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_values_and_are_as_many_as_asked_for() {
        for words in [0, 1, 1000] {
            let mut scratch = Scratch::new(words).expect("memory");
            scratch.words().fill(7);
            assert_eq!(scratch.words(), vec![7; words]);
        }
    }
}
