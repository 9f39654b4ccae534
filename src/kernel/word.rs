//! Unaligned loads and stores of little-endian words.

/// Returns the 8 bytes at `at`, lowest byte first.
///
/// # Safety
/// 8 bytes are readable at `at`.
#[inline(always)]
pub unsafe fn load64(at: *const u8) -> u64 {
    // SAFETY: the caller's contract.
    u64::from_le(unsafe { at.cast::<u64>().read_unaligned() })
}

/// Returns the 4 bytes at `at`, lowest byte first.
///
/// # Safety
/// 4 bytes are readable at `at`.
#[inline(always)]
pub unsafe fn load32(at: *const u8) -> u32 {
    // SAFETY: the caller's contract.
    u32::from_le(unsafe { at.cast::<u32>().read_unaligned() })
}

/// Returns the 2 bytes at `at`, lowest byte first.
///
/// # Safety
/// 2 bytes are readable at `at`.
#[inline(always)]
pub unsafe fn load16(at: *const u8) -> u16 {
    // SAFETY: the caller's contract.
    u16::from_le(unsafe { at.cast::<u16>().read_unaligned() })
}

/// Writes `value` at `at`, lowest byte first.
///
/// # Safety
/// 2 bytes are writable at `at`.
#[inline(always)]
pub unsafe fn store16(at: *mut u8, value: u16) {
    // SAFETY: the caller's contract.
    unsafe { at.cast::<u16>().write_unaligned(value.to_le()) }
}

/// Writes `value` at `at`, lowest byte first.
///
/// # Safety
/// 8 bytes are writable at `at`.
#[inline(always)]
pub unsafe fn store64(at: *mut u8, value: u64) {
    // SAFETY: the caller's contract.
    unsafe { at.cast::<u64>().write_unaligned(value.to_le()) }
}

/// Copies `N` bytes, all loaded before the first is stored, so the areas may overlap.
///
/// # Safety
/// `N` bytes are readable at `from` and writable at `to`.
#[inline(always)]
pub unsafe fn copy<const N: usize>(from: *const u8, to: *mut u8) {
    // SAFETY: the caller's contract; byte arrays have no alignment.
    unsafe { to.cast::<[u8; N]>().write(from.cast::<[u8; N]>().read()) }
}

/// Asks for the cache lines of `bytes`, of the first 4 KiB at most, all at once: a hint.
///
/// What reads a page from front to back waits for memory a few lines at a time, since the hardware's own prefetch begins small in
/// every page.
#[inline(always)]
pub fn prefetch(bytes: &[u8]) {
    for line in bytes[..bytes.len().min(4096)].chunks(LINE) {
        // SAFETY: SSE, of every x86-64; a hint that may have any address.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast());
        }
        // SAFETY: a hint that may have any address, and changes neither memory nor flags.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            core::arch::asm!("prfm pldl1keep, [{}]", in(reg) line.as_ptr(), options(readonly, nostack, preserves_flags));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = line;
    }
}

/// Bytes of a cache line.
pub const LINE: usize = 64;
