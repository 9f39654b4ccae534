//! Any buffer to a bare standard stream and back.

use super::dict::Dictionary;
use super::params::Choice;
use crate::alg::{Codec, lz4, zstd};
use crate::base::{Backend, Error};
use crate::kernel::word::prefetch;

/// Bytes of the longest buffer of the comp layer: what an `int` holds, as in liblz4.
pub const MAX_LEN: usize = i32::MAX as usize;

/// A compressor and decompressor of buffers.
///
/// Zstandard asked for by the algorithm's name is ours up to 64 KiB and up to our highest level, and the reference
/// library's beyond (where the build has it); asked for by a driver's name it is that driver's always.
pub struct Comp<'d> {
    choice: Choice,
    dict: Option<&'d Dictionary>,
    scratch: Vec<u64>,
    /// Whoever writes what our own encoder leaves to libzstd.
    #[cfg(feature = "libzstd")]
    large: Option<crate::alg::libzstd::Compressor>,
    /// Whoever reads for the driver `zstd-libzstd`.
    #[cfg(feature = "libzstd")]
    reader: Option<crate::alg::libzstd::Decompressor>,
}

impl<'d> Comp<'d> {
    /// Makes a compressor by algorithm or driver name. Allocates everything but what libzstd allocates later.
    ///
    /// # Errors
    /// As [`Choice::new`]; [`Error::Unsupported`] for algorithms without a standard stream; [`Error::NoMemory`].
    pub fn new(
        name: &[u8],
        level: Option<i32>,
        backend: Option<Backend>,
        dict: Option<&'d Dictionary>,
    ) -> Result<Self, Error> {
        let choice = Choice::new(name, level, backend)?;
        let words = match choice.driver.codec {
            Codec::Adaptive | Codec::Tzp => return Err(Error::Unsupported),
            Codec::Lz4 => lz4::encode_words(usize::MAX, choice.level),
            Codec::Zstd => zstd::encode_words(usize::MAX, choice.level).max(zstd::decode_words(usize::MAX)),
            Codec::Libzstd => 0,
        };
        let mut scratch = Vec::new();
        scratch.try_reserve_exact(words).map_err(|_| Error::NoMemory)?;
        scratch.resize(words, 0);
        #[cfg(feature = "libzstd")]
        let (large, reader) = {
            use crate::alg::libzstd::{Compressor, Decompressor};
            let bytes = dict.map(Dictionary::bytes);
            let by_alg = choice.driver.alg.to_bytes() == name;
            let reads = choice.driver.codec == Codec::Libzstd;
            let writes = reads || (choice.driver.codec == Codec::Zstd && by_alg);
            (
                writes.then(|| Compressor::new(choice.level, bytes)).transpose()?,
                reads.then(|| Decompressor::new(bytes)).transpose()?,
            )
        };
        Ok(Comp {
            choice,
            dict,
            scratch,
            #[cfg(feature = "libzstd")]
            large,
            #[cfg(feature = "libzstd")]
            reader,
        })
    }

    /// The driver that serves buffers of up to 64 KiB.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// Returns the length that no stream for `len` bytes exceeds, or `None` if `len` is more than [`MAX_LEN`].
    pub fn bound(&self, len: usize) -> Option<usize> {
        if len > MAX_LEN {
            return None;
        }
        let bound = match self.choice.driver.codec {
            Codec::Lz4 => lz4::bound(len),
            // One bound for both, since the length decides who writes: libzstd's is len + len / 256 + a constant.
            _ => zstd::bound(len).max(len + (len >> 8) + 64),
        };
        u32::try_from(bound).ok().map(|_| bound)
    }

    /// Writes the stream of `src` to `dst`; returns its length.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if it does not fit; [`Error::Invalid`] if `src` is longer than [`MAX_LEN`];
    /// [`Error::NoMemory`] from libzstd only.
    pub fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        if src.len() > MAX_LEN {
            return Err(Error::Invalid);
        }
        prefetch(src);
        let Choice { level, tables, .. } = self.choice;
        #[cfg(feature = "libzstd")]
        if let Some(compressor) = &mut self.large
            && (src.len() > crate::base::page::MAX_PAGE_SIZE || self.choice.driver.codec == Codec::Libzstd)
        {
            return compressor.compress(src, dst);
        }
        match self.choice.driver.codec {
            Codec::Lz4 => lz4::compress(tables.lz4, &mut self.scratch, level, self.dict.map(|d| &d.lz4), src, dst),
            _ => {
                let dict = self.dict.map(|d| &d.zstd);
                zstd::compress(tables.zstd, &mut self.scratch, level, dict, zstd::Format::Standard, src, dst)
            }
        }
    }

    /// Restores the buffer of the stream `src` into `dst`; returns its length.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; [`Error::NoSpace`] if the buffer is longer than `dst`; [`Error::Stale`] if the stream names
    /// another dictionary.
    pub fn decompress(&mut self, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        prefetch(src);
        let tables = self.choice.tables;
        match self.choice.driver.codec {
            Codec::Lz4 => lz4::decompress(tables.lz4, self.dict.map(|d| &d.lz4), src, dst),
            #[cfg(feature = "libzstd")]
            Codec::Libzstd => self.reader.as_mut().ok_or(Error::Unsupported)?.decompress(src, dst),
            _ => {
                let dict = self.dict.map(|d| &d.zstd);
                zstd::decompress(tables.zstd, &mut self.scratch, dict, zstd::Format::Standard, src, dst)
            }
        }
    }
}
