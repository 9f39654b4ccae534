//! Page sizes.

/// Bytes of a page on the machines that zram was written for, and the default unit of compression.
pub const PAGE_SIZE: usize = 4096;

/// Bytes of the largest unit: what LZ4's 16-bit offsets reach, and the largest page of the arm64 kernels.
pub const MAX_PAGE_SIZE: usize = 65536;

/// Returns whether `size` (bytes) is a unit that the page layer compresses: 4, 8, 16, 32 or 64 KiB.
pub const fn is_page_size(size: usize) -> bool {
    size.is_power_of_two() && size >= PAGE_SIZE && size <= MAX_PAGE_SIZE
}
