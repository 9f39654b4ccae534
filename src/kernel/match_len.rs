//! Length of the common prefix of two byte strings.

use super::word::load64;

/// Returns how many bytes at the start of `a` and `b` are equal, at most the length of the shorter one.
///
/// The slices may overlap. Compares 8 bytes to a step, so the cost is about one step per 8 equal bytes.
#[inline(always)]
pub fn match_len(a: &[u8], b: &[u8]) -> usize {
    // SAFETY: both slices hold at least the smaller of their lengths (S).
    unsafe { common_prefix(a.as_ptr(), b.as_ptr(), a.len().min(b.len())) }
}

/// Returns how many of the first `max` bytes at `a` and `b` are equal.
///
/// # Safety
/// `max` bytes are readable at both addresses.
#[inline(always)]
pub unsafe fn common_prefix(a: *const u8, b: *const u8, max: usize) -> usize {
    let mut len = 0;
    // SAFETY: each load of 8 bytes (or 1) at `len` is preceded by the test that `max - len` is at least 8 (or 1) (S).
    unsafe {
        while max - len >= 8 {
            let differing = load64(a.add(len)) ^ load64(b.add(len));
            if differing != 0 {
                return len + differing.trailing_zeros() as usize / 8;
            }
            len += 8;
        }
        while len < max && *a.add(len) == *b.add(len) {
            len += 1;
        }
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found_at_every_place() {
        let a: Vec<u8> = (0..70u8).collect();
        for len in 0..70 {
            assert_eq!(match_len(&a[..len], &a), len);
            for at in 0..len {
                let mut b = a.clone();
                b[at] ^= 0x80;
                assert_eq!(match_len(&a[..len], &b), at);
            }
        }
    }

    #[test]
    fn overlapping_strings_compare_like_any_others() {
        let a = [7u8; 40];
        assert_eq!(match_len(&a[1..], &a), 39);
    }
}
