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
