//! Buffers to standard streams.

use super::zeroed;
use crate::alg::{Codec, lz4, zstd};
use crate::base::{Backend, Error};
use crate::engine::comp::{Comp, MAX_LEN};
use crate::engine::dict::Dictionary;

/// A standard stream format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// One LZ4 block, as `LZ4_compress_default` writes and `LZ4_decompress_safe` reads.
    Lz4,
    /// One Zstandard frame with magic number and content size (RFC 8878).
    Zstd,
}

impl Algorithm {
    const fn name(self) -> &'static [u8] {
        match self {
            Algorithm::Lz4 => b"lz4",
            Algorithm::Zstd => b"zstd",
        }
    }
}

/// Turns buffers into standard LZ4 blocks or Zstandard frames and back.
///
/// ```
/// use tzram::{Algorithm, Compressor};
///
/// # fn main() -> Result<(), tzram::Error> {
/// let data = b"pages, pages, pages, pages, pages and pages".repeat(50);
/// let mut compressor = Compressor::new(Algorithm::Lz4);
/// let block = compressor.compress(&data)?;
/// assert!(block.len() < data.len());
/// assert_eq!(compressor.decompress(&block)?, data);
/// # Ok(())
/// # }
/// ```
pub struct Compressor<'d> {
    comp: Comp<'d>,
}

impl Compressor<'static> {
    /// Makes a compressor with the algorithm's default level and the best backend of this CPU.
    ///
    /// # Panics
    /// If its memory (about 100 KiB to 1 MiB) cannot be allocated. [`CompressorBuilder::build`] returns that as an error.
    pub fn new(algorithm: Algorithm) -> Self {
        Self::builder().algorithm(algorithm).build().expect("memory for a compressor")
    }

    /// Starts from LZ4 at its default level.
    ///
    /// ```
    /// use tzram::{Algorithm, Backend, Compressor};
    ///
    /// # fn main() -> Result<(), tzram::Error> {
    /// let mut zstd = Compressor::builder().algorithm(Algorithm::Zstd).level(3).backend(Backend::Scalar).build()?;
    /// let frame = zstd.compress(&[7; 10_000])?;
    /// assert_eq!(frame[..4], 0xFD2F_B528u32.to_le_bytes());
    /// assert_eq!(zstd.decompress(&frame)?, [7; 10_000]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> CompressorBuilder<'static> {
        CompressorBuilder { name: Algorithm::Lz4.name(), level: None, backend: None, dict: None }
    }
}

/// What a [`Compressor`] is made of.
#[derive(Clone, Copy)]
pub struct CompressorBuilder<'d> {
    name: &'d [u8],
    level: Option<i32>,
    backend: Option<Backend>,
    dict: Option<&'d Dictionary>,
}

impl<'d> CompressorBuilder<'d> {
    /// Sets the stream format.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.name = algorithm.name();
        self
    }

    /// Sets one driver of an algorithm by its name, such as `zstd-generic` or `zstd-libzstd`.
    pub fn driver(mut self, name: &'d str) -> Self {
        self.name = name.as_bytes();
        self
    }

    /// Sets the level: larger is denser and slower. The driver's range is checked by [`CompressorBuilder::build`].
    pub fn level(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    /// Forces an instruction set.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Compresses against a dictionary; decompression needs it too.
    pub fn dictionary(mut self, dict: &'d Dictionary) -> Self {
        self.dict = Some(dict);
        self
    }

    /// Makes the compressor. Allocates its memory; LZ4 allocates nothing later, nor does Zstandard up to 64 KiB.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a level out of range, [`Error::NotFound`] for an unknown driver name,
    /// [`Error::Unsupported`] for a backend or driver that this CPU or build lacks, [`Error::NoMemory`].
    pub fn build(self) -> Result<Compressor<'d>, Error> {
        Ok(Compressor { comp: Comp::new(self.name, self.level, self.backend, self.dict)? })
    }
}

impl Compressor<'_> {
    /// Returns the length that no stream for `len` bytes exceeds; `None` beyond `i32::MAX` bytes.
    pub fn bound(&self, len: usize) -> Option<usize> {
        self.comp.bound(len)
    }

    /// Returns the stream of `data`.
    ///
    /// # Errors
    /// [`Error::Invalid`] beyond `i32::MAX` bytes; [`Error::NoMemory`].
    pub fn compress(&mut self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let mut stream = zeroed(self.comp.bound(data.len()).ok_or(Error::Invalid)?)?;
        let len = self.comp.compress(data, &mut stream)?;
        stream.truncate(len);
        Ok(stream)
    }

    /// Writes the stream of `data` to `dst`; returns its length.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if it does not fit; [`Error::Invalid`] beyond `i32::MAX` bytes.
    pub fn compress_into(&mut self, data: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        self.comp.compress(data, dst)
    }

    /// Returns the buffer that `stream` was made of.
    ///
    /// The memory for it is reserved by what the stream says of itself, up to `i32::MAX` bytes and no more than such a
    /// stream can hold; where the origin of streams is not trusted, [`Compressor::decompress_into`] sets the limit.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; [`Error::Stale`] if it names another dictionary; [`Error::NoMemory`];
    /// [`Error::NoSpace`] beyond `i32::MAX` bytes.
    pub fn decompress(&mut self, stream: &[u8]) -> Result<Vec<u8>, Error> {
        let claimed = match self.comp.choice().driver.codec {
            Codec::Lz4 => Some(lz4::decompressed_len(stream)?),
            _ => zstd::content_size(stream)?.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        };
        if let Some(len) = claimed {
            // A Zstandard block takes at least four bytes and yields at most 128 KiB.
            if len > MAX_LEN {
                return Err(Error::NoSpace);
            }
            if len / (128 * 1024) > stream.len() / 4 {
                return Err(Error::Corrupt);
            }
            let mut data = zeroed(len)?;
            let len = self.comp.decompress(stream, &mut data)?;
            data.truncate(len);
            return Ok(data);
        }
        let mut room = (stream.len() * 8).clamp(64 * 1024, MAX_LEN);
        loop {
            let mut data = zeroed(room)?;
            match self.comp.decompress(stream, &mut data) {
                Ok(len) => {
                    data.truncate(len);
                    return Ok(data);
                }
                Err(Error::NoSpace) if room < MAX_LEN => room = (room * 2).min(MAX_LEN),
                Err(error) => return Err(error),
            }
        }
    }

    /// Restores the buffer of `stream` into `dst`; returns its length.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; [`Error::NoSpace`] if the buffer is longer than `dst`; [`Error::Stale`].
    pub fn decompress_into(&mut self, stream: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        self.comp.decompress(stream, dst)
    }
}
