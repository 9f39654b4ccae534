//! The smallest set of vector operations that the generic loops need.

/// One register of an instruction set.
///
/// Methods are `#[inline(always)]` without target features: they become instructions of the set only inside a shell
/// that enables it (invariant I of [`crate::kernel`]), which is why each of them is unsafe.
pub trait Vector: Copy {
    /// Bytes of the register.
    const BYTES: usize;

    /// Returns `word` in every 8-byte lane.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn splat(word: u64) -> Self;

    /// Returns the bytes at `ptr`, which needs no alignment.
    ///
    /// # Safety
    /// Invariant I; `BYTES` bytes at `ptr` are readable.
    unsafe fn load(ptr: *const u8) -> Self;

    /// Writes the register to `ptr`, which needs no alignment.
    ///
    /// # Safety
    /// Invariant I; `BYTES` bytes at `ptr` are writable.
    unsafe fn store(self, ptr: *mut u8);

    /// Returns the bits that are set in one of the two but not in both.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn xor(self, other: Self) -> Self;

    /// Returns the bits that are set in either.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn or(self, other: Self) -> Self;

    /// Returns whether no bit is set.
    ///
    /// # Safety
    /// Invariant I.
    unsafe fn is_zero(self) -> bool;
}
