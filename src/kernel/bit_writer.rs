//! A stream of bits, lowest first, as the entropy stages of Zstandard write it (RFC 8878, section 4.1).

use core::marker::PhantomData;

use super::word::store64;

/// Writes bits into a slice and goes on counting when the slice is full, so that a caller learns the true length of what
/// did not fit.
pub struct BitWriter<'d> {
    dst: &'d mut [u8],
    at: usize,
    bits: u64,
    held: u32,
}

impl<'d> BitWriter<'d> {
    /// Starts at the first byte of `dst`.
    #[inline(always)]
    pub fn new(dst: &'d mut [u8]) -> Self {
        BitWriter { dst, at: 0, bits: 0, held: 0 }
    }

    /// Appends the low `count` bits of `value`, whose other bits are zero.
    ///
    /// At most 64 bits are held: after [`BitWriter::flush`] up to 7 are, so 57 may follow it.
    #[inline(always)]
    pub fn push(&mut self, value: u64, count: u32) {
        debug_assert!(self.held + count <= 64 && count < 64 && value >> count == 0);
        self.bits |= value << self.held;
        self.held += count;
    }

    /// Moves whole bytes out, so that fewer than 8 bits are held.
    ///
    /// Up to 8 bytes from the current place on are overwritten, none of them outside the slice.
    #[inline(always)]
    pub fn flush(&mut self) {
        debug_assert!(self.held < 64);
        match self.dst.get_mut(self.at..).and_then(|rest| rest.first_chunk_mut::<8>()) {
            Some(room) => *room = self.bits.to_le_bytes(),
            None => self.flush_near_end(),
        }
        self.at += (self.held >> 3) as usize;
        self.bits >>= self.held & !7;
        self.held &= 7;
    }

    #[cold]
    fn flush_near_end(&mut self) {
        let bytes = self.bits.to_le_bytes();
        let whole = (self.held >> 3) as usize;
        if let Some(rest) = self.dst.get_mut(self.at..) {
            rest.iter_mut().zip(&bytes[..whole]).for_each(|(to, &from)| *to = from);
        }
    }

    /// Returns the bytes of the stream with zero bits up to the next whole byte; more than the slice holds if they did
    /// not fit.
    pub fn finish(mut self) -> usize {
        self.flush();
        self.held = self.held.next_multiple_of(8);
        self.flush();
        self.at
    }

    /// As [`BitWriter::finish`], after the single one bit that ends a stream which is read backwards.
    #[inline(always)]
    pub fn finish_backward(mut self) -> usize {
        self.flush();
        self.push(1, 1);
        self.finish()
    }
}

/// What the loops write bits to: a [`BitWriter`], or a [`Roomy`] one where the room is known to suffice.
pub trait Bits {
    /// [`BitWriter::push`].
    fn push(&mut self, value: u64, count: u32);
    /// [`BitWriter::flush`].
    fn flush(&mut self);
}

impl Bits for BitWriter<'_> {
    #[inline(always)]
    fn push(&mut self, value: u64, count: u32) {
        BitWriter::push(self, value, count);
    }
    #[inline(always)]
    fn flush(&mut self) {
        BitWriter::flush(self);
    }
}

/// Writes bits to room that suffices: nothing but the place of the next byte is kept below a bound, so that all stays in registers.
pub struct Roomy<'d> {
    to: *mut u8,
    at: usize,
    /// The last place that 8 bytes follow.
    last: usize,
    bits: u64,
    held: u32,
    room: PhantomData<&'d mut [u8]>,
}

impl<'d> Roomy<'d> {
    /// Bytes of room beyond those of the stream, at least.
    pub const SLACK: usize = 8;

    /// Starts at the first byte of `dst`. The stream is as [`BitWriter`] writes it if it has SLACK bytes less than `dst` or fewer.
    ///
    /// # Panics
    /// If `dst` is shorter than that.
    #[inline(always)]
    pub fn new(dst: &'d mut [u8]) -> Self {
        assert!(dst.len() >= Self::SLACK);
        Roomy { to: dst.as_mut_ptr(), at: 0, last: dst.len() - 8, bits: 0, held: 0, room: PhantomData }
    }

    /// [`BitWriter::finish_backward`].
    #[inline(always)]
    pub fn finish_backward(mut self) -> usize {
        self.flush();
        self.push(1, 1);
        self.flush();
        self.at + usize::from(self.held > 0)
    }
}

impl Bits for Roomy<'_> {
    #[inline(always)]
    fn push(&mut self, value: u64, count: u32) {
        debug_assert!(self.held + count <= 64 && count < 64 && value >> count == 0);
        self.bits |= value << self.held;
        self.held += count;
    }
    #[inline(always)]
    fn flush(&mut self) {
        debug_assert!(self.held < 64);
        // SAFETY: `at` is at most `last`, which 8 bytes of the room follow (D).
        unsafe { store64(self.to.add(self.at), self.bits) };
        self.at = (self.at + (self.held >> 3) as usize).min(self.last);
        self.bits >>= self.held & !7;
        self.held &= 7;
    }
}

/// Writes bits to room that suffices: nothing is compared with its end, so that all stays in registers.
pub struct Unchecked<'d> {
    to: *mut u8,
    start: *mut u8,
    bits: u64,
    held: u32,
    room: PhantomData<&'d mut [u8]>,
}

impl<'d> Unchecked<'d> {
    /// Bytes of room beyond those of the stream, at least.
    pub const SLACK: usize = 8;

    /// Starts at the first byte of `dst`.
    ///
    /// # Safety
    /// The stream will have SLACK bytes less than `dst` or fewer.
    #[inline(always)]
    pub unsafe fn new(dst: &'d mut [u8]) -> Self {
        let start = dst.as_mut_ptr();
        Unchecked { to: start, start, bits: 0, held: 0, room: PhantomData }
    }

    /// [`BitWriter::finish_backward`].
    #[inline(always)]
    pub fn finish_backward(mut self) -> usize {
        self.flush();
        self.push(1, 1);
        self.flush();
        // SAFETY: both point into the room.
        let whole = unsafe { self.to.offset_from(self.start) };
        whole.cast_unsigned() + usize::from(self.held > 0)
    }
}

impl Bits for Unchecked<'_> {
    #[inline(always)]
    fn push(&mut self, value: u64, count: u32) {
        debug_assert!(self.held + count <= 64 && count < 64 && value >> count == 0);
        self.bits |= value << (self.held & 63);
        self.held += count;
    }
    #[inline(always)]
    fn flush(&mut self) {
        debug_assert!(self.held < 64);
        // SAFETY: SLACK bytes of the room follow what the stream has so far (the contract of `new`) (D).
        unsafe {
            store64(self.to, self.bits);
            self.to = self.to.add((self.held >> 3) as usize);
        }
        self.bits >>= self.held & 0x38;
        self.held &= 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_lowest_first_and_the_length_is_true_in_any_room() {
        fn write<B: Bits>(out: &mut B) {
            for i in 0..50u64 {
                out.push(i & 0x1fff, 13);
                out.push(1, 1);
                out.push(0x2aaa_aaaa_aaaa & ((1 << 41) - 1), 41);
                out.flush();
            }
        }
        let in_slice = |dst: &mut [u8]| {
            let mut out = BitWriter::new(dst);
            write(&mut out);
            out.finish_backward()
        };
        let mut whole = [0u8; 400];
        let len = in_slice(&mut whole);
        assert_eq!(len, (50 * 55 + 1usize).div_ceil(8));
        assert_eq!(u16::from_le_bytes([whole[0], whole[1]]) & 0x3fff, 0x2000);
        for room in 0..len {
            let mut part = vec![0u8; room];
            assert_eq!(in_slice(&mut part), len);
            assert_eq!(part, whole[..room]);
        }
        let mut same = vec![0u8; len + Unchecked::SLACK];
        // SAFETY: there is room for the stream and SLACK bytes.
        let mut out = unsafe { Unchecked::new(&mut same) };
        write(&mut out);
        assert_eq!((out.finish_backward(), &same[..len]), (len, &whole[..len]));
        let mut out = Roomy::new(&mut same);
        write(&mut out);
        assert_eq!((out.finish_backward(), &same[..len]), (len, &whole[..len]));
    }
}
