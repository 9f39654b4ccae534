//! Memory that ends at an inaccessible page: one byte read or written too far is a crash.

use core::ptr::{self, NonNull};

const PAGE: usize = 4096;

/// `capacity` bytes, whose last is the last before an inaccessible page.
pub struct Guarded {
    map: NonNull<u8>,
    mapped: usize,
}

impl Guarded {
    pub fn new(capacity: usize) -> Self {
        let mapped = (capacity.div_ceil(PAGE) + 1) * PAGE;
        // SAFETY: a fresh anonymous mapping, and a change of protection inside it.
        let map = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let map = libc::mmap(ptr::null_mut(), mapped, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(map.byte_add(mapped - PAGE), PAGE, libc::PROT_NONE), 0);
            NonNull::new(map.cast::<u8>()).expect("a mapping")
        };
        Guarded { map, mapped }
    }

    /// The last `len` bytes before the guard.
    pub fn tail(&mut self, len: usize) -> &mut [u8] {
        assert!(len <= self.mapped - PAGE);
        // SAFETY: `len` bytes before the guard are mapped, readable and writable, and borrowed from `self`.
        unsafe { core::slice::from_raw_parts_mut(self.map.as_ptr().add(self.mapped - PAGE - len), len) }
    }

    /// `bytes`, copied to the end.
    pub fn hold(&mut self, bytes: &[u8]) -> &[u8] {
        let place = self.tail(bytes.len());
        place.copy_from_slice(bytes);
        place
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, not used again.
        unsafe { libc::munmap(self.map.as_ptr().cast(), self.mapped) };
    }
}
