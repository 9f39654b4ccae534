//! Bit streams that are read from their last byte to their first, as Zstandard's entropy coders write them
//! (RFC 8878 section 4.1).
//!
//! A position is the number of bits between the start of the section and the reader: it falls from
//! [`Section::open`]'s value to 0, and a section is well-formed only if its reader ends at exactly 0.

/// Loads 8 bytes of `src` from `at` on.
///
/// # Safety
/// `src.len() >= at + 8`.
#[inline(always)]
pub unsafe fn load64(src: &[u8], at: usize) -> u64 {
    debug_assert!(src.len() >= 8 && at <= src.len() - 8);
    // SAFETY: 8 bytes are readable at `at`, by the contract of this function (S).
    u64::from_le(unsafe { src.as_ptr().add(at).cast::<u64>().read_unaligned() })
}

/// The low `count` bits set, for a count below 64.
#[inline(always)]
pub fn mask(count: u32) -> u64 {
    !(u64::MAX.wrapping_shl(count))
}

/// One bit stream.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    /// At least 8 bytes: the section, or a copy of it with zeros behind.
    bytes: &'a [u8],
}

impl<'a> Section<'a> {
    /// Returns the section and the position of its end mark, the highest set bit of the last byte; `None` if it is
    /// empty or its last byte is 0. A section of fewer than 8 bytes is copied to `pad`.
    #[inline(always)]
    pub fn open(src: &'a [u8], pad: &'a mut [u8; 8]) -> Option<(Section<'a>, isize)> {
        let last = *src.last()?;
        if last == 0 {
            return None;
        }
        let position = src.len() as isize * 8 - 1 - last.leading_zeros() as isize;
        if src.len() >= 8 {
            return Some((Section { bytes: src }, position));
        }
        pad.fill(0);
        pad[..src.len()].copy_from_slice(src);
        Some((Section { bytes: pad }, position))
    }

    /// Returns the bits from `position` upwards, lowest first: at least 57 of them, or as many as the section has.
    /// What lies above them is unspecified, and so is everything if `position` is not inside the section.
    #[inline(always)]
    pub fn above(&self, position: usize) -> u64 {
        let at = (position >> 3).min(self.bytes.len() - 8);
        // SAFETY: `bytes` has at least 8 bytes (`open`), and `at` is at most its length less 8.
        unsafe { load64(self.bytes, at) }.wrapping_shr((position - at * 8) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_the_bits_on_both_sides_of_every_position() {
        for len in 1..30usize {
            let bytes: Vec<u8> = (0..len).map(|i| (i as u32 * 151 + 37) as u8 | 1).collect();
            let bit = |i: usize| u64::from(bytes[i / 8] >> (i % 8) & 1);
            let mut pad = [0xffu8; 8];
            let (section, top) = Section::open(&bytes, &mut pad).expect("end mark");
            assert_eq!(bit(top as usize), 1);
            assert!((top as usize + 1..8 * len).all(|i| bit(i) == 0));
            for position in 0..=top as usize {
                let up = section.above(position);
                for i in 0..57.min(8 * len - position) {
                    assert_eq!(up >> i & 1, bit(position + i), "{len} bytes, {i} above {position}");
                }
            }
        }
    }

    #[test]
    fn sections_without_an_end_mark_are_refused() {
        assert!(Section::open(&[], &mut [0; 8]).is_none());
        assert!(Section::open(&[1, 0], &mut [0; 8]).is_none());
        assert!(Section::open(&[255; 9], &mut [0; 8]).is_some_and(|(_, position)| position == 71));
    }
}
