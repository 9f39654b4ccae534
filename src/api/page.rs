//! Pages to objects.

use super::{Algorithm, zeroed};
use crate::base::page::PAGE_SIZE;
use crate::base::{Backend, Error};
use crate::engine::dict::Dictionary;
use crate::engine::page::Context;
use crate::engine::params::Params;
use crate::engine::stats::PageCodec;
use crate::kernel::scratch::Scratch;

/// What a [`PageCompressor`] runs on pages that are not same-filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageAlgorithm {
    /// A choice for each page between tzp, LZ4 and, at the dense levels, Zstandard.
    #[default]
    Adaptive,
    /// LZ4 blocks.
    Lz4,
    /// Magicless Zstandard frames.
    Zstd,
    /// Blocks of the page codec tzp (docs/TZP.md): faster than LZ4 in both directions.
    Tzp,
}

impl From<Algorithm> for PageAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Lz4 => PageAlgorithm::Lz4,
            Algorithm::Zstd => PageAlgorithm::Zstd,
        }
    }
}

/// The object of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressedPage {
    /// The object: at most a page long, self-describing (docs/FORMAT.md).
    pub data: Vec<u8>,
    /// Bytes of the page.
    pub original_size: usize,
    /// How the object holds the page.
    pub algorithm_used: PageCodec,
}

impl CompressedPage {
    /// Returns the page's bytes for each byte of the object.
    pub fn ratio(&self) -> f64 {
        self.original_size as f64 / self.data.len() as f64
    }
}

/// Turns pages into self-describing objects that are never longer than the page, and back.
///
/// ```
/// use tzram::{PAGE_SIZE, PageCodec, PageCompressor};
///
/// # fn main() -> Result<(), tzram::Error> {
/// let mut page = [0u8; PAGE_SIZE];
/// let mut compressor = PageCompressor::new();
/// let object = compressor.compress_page(&page)?;
/// assert_eq!((object.data.len(), object.algorithm_used), (2, PageCodec::SameFilled));
///
/// page[17] = 1;
/// let object = compressor.compress_page(&page)?;
/// assert!(object.ratio() > 100.0);
/// assert_eq!(compressor.decompress_page(&object.data)?, page);
/// # Ok(())
/// # }
/// ```
pub struct PageCompressor<'d> {
    context: Context<'d>,
    scratch: Scratch,
}

impl PageCompressor<'static> {
    /// Makes an adaptive compressor of 4096-byte pages.
    ///
    /// # Panics
    /// If its memory (under 192 KiB) cannot be allocated. [`PageCompressorBuilder::build`] returns that as an error.
    #[allow(clippy::new_without_default)] // a default that allocates and can panic would surprise
    pub fn new() -> Self {
        Self::builder().build().expect("memory for a page compressor")
    }

    /// Starts from the parameters of [`PageCompressor::new`].
    ///
    /// ```
    /// use tzram::{PageAlgorithm, PageCompressor};
    ///
    /// # fn main() -> Result<(), tzram::Error> {
    /// let mut folios = PageCompressor::builder().algorithm(PageAlgorithm::Zstd).level(3).page_size(65536).build()?;
    /// let folio: Vec<u8> = (0..65536u32).map(|i| (i / 300) as u8).collect();
    /// let object = folios.compress_page(&folio)?;
    /// assert_eq!(folios.decompress_page(&object.data)?, folio);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> PageCompressorBuilder<'static> {
        PageCompressorBuilder { params: Params { alg: Some(b"adaptive"), ..Params::default() } }
    }
}

/// What a [`PageCompressor`] is made of.
#[derive(Clone, Copy)]
pub struct PageCompressorBuilder<'d> {
    params: Params<'d>,
}

impl<'d> PageCompressorBuilder<'d> {
    /// Sets what runs on pages that are not same-filled: a [`PageAlgorithm`] or an [`Algorithm`].
    pub fn algorithm(mut self, algorithm: impl Into<PageAlgorithm>) -> Self {
        self.params.alg = Some(match algorithm.into() {
            PageAlgorithm::Adaptive => b"adaptive",
            PageAlgorithm::Lz4 => b"lz4",
            PageAlgorithm::Zstd => b"zstd",
            PageAlgorithm::Tzp => b"tzp",
        });
        self
    }

    /// Sets one driver of an algorithm by its name, such as `lz4-generic`.
    pub fn driver(mut self, name: &'d str) -> Self {
        self.params.alg = Some(name.as_bytes());
        self
    }

    /// Sets the level: larger is denser and slower.
    pub fn level(mut self, level: i32) -> Self {
        self.params.level = Some(level);
        self
    }

    /// Forces an instruction set.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.params.backend = Some(backend);
        self
    }

    /// Sets the unit in bytes: 4096, 8192, 16384, 32768 or 65536.
    pub fn page_size(mut self, bytes: usize) -> Self {
        self.params.page_size = bytes;
        self
    }

    /// Compresses against a dictionary; decompression needs it too.
    pub fn dictionary(mut self, dict: &'d Dictionary) -> Self {
        self.params.dict = Some(dict);
        self
    }

    /// Makes the compressor. It allocates its memory here and none later.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a level or page size out of range, [`Error::NotFound`] for an unknown driver name,
    /// [`Error::Unsupported`] for a backend or driver that this CPU or build lacks, [`Error::NoMemory`].
    pub fn build(self) -> Result<PageCompressor<'d>, Error> {
        let words = Context::scratch_words(&self.params)?;
        Ok(PageCompressor { context: Context::new(&self.params)?, scratch: Scratch::new(words)? })
    }
}

impl PageCompressor<'_> {
    /// Bytes of a page.
    pub fn page_size(&self) -> usize {
        self.context.page_size()
    }

    /// Returns the object of `page`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `page` is not a page long; [`Error::NoMemory`].
    pub fn compress_page(&mut self, page: &[u8]) -> Result<CompressedPage, Error> {
        let mut data = zeroed(self.page_size())?;
        let len = self.compress_page_into(page, &mut data)?;
        data.truncate(len);
        let algorithm_used = self.context.info(&data)?.codec;
        Ok(CompressedPage { data, original_size: page.len(), algorithm_used })
    }

    /// Writes the object of `page` to `dst`; returns its length. Does not allocate.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if it does not fit (a page is always enough); [`Error::Invalid`] if `page` is not a page long.
    pub fn compress_page_into(&mut self, page: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        self.context.compress(&mut self.scratch, page, dst)
    }

    /// Returns the page of `object`.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; [`Error::Stale`] if it needs another dictionary; [`Error::NoMemory`].
    pub fn decompress_page(&mut self, object: &[u8]) -> Result<Vec<u8>, Error> {
        let mut page = zeroed(self.page_size())?;
        self.decompress_page_into(object, &mut page)?;
        Ok(page)
    }

    /// Restores the page of `object` into `dst`, which is a page long. Does not allocate.
    ///
    /// # Errors
    /// [`Error::Corrupt`]; [`Error::Stale`] if it needs another dictionary; [`Error::Invalid`] if `dst` is not a page
    /// long.
    pub fn decompress_page_into(&mut self, object: &[u8], dst: &mut [u8]) -> Result<(), Error> {
        self.context.decompress(&mut self.scratch, object, dst)
    }
}

/// A [`PageCompressor`] of 4096-byte pages that chooses for each page; its results say what it chose.
///
/// ```
/// use tzram::{AdaptiveCompressor, PAGE_SIZE, PageCodec};
///
/// # fn main() -> Result<(), tzram::Error> {
/// let mut adaptive = AdaptiveCompressor::new();
/// let text: Vec<u8> = b"the quick brown fox ".iter().copied().cycle().take(PAGE_SIZE).collect();
/// let object = adaptive.compress_page(&text)?;
/// assert_ne!(object.algorithm_used, PageCodec::Raw);
/// assert_eq!(adaptive.decompress_page(&object.data)?, text);
/// # Ok(())
/// # }
/// ```
pub struct AdaptiveCompressor(PageCompressor<'static>);

impl AdaptiveCompressor {
    /// Makes an adaptive compressor at the default level.
    ///
    /// # Panics
    /// As [`PageCompressor::new`].
    #[allow(clippy::new_without_default)] // as for PageCompressor
    pub fn new() -> Self {
        AdaptiveCompressor(PageCompressor::new())
    }

    /// Makes an adaptive compressor: level 1 chooses for speed, 9 for ratio.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a level outside 1..=9; [`Error::NoMemory`].
    pub fn with_level(level: i32) -> Result<Self, Error> {
        PageCompressor::builder().level(level).build().map(AdaptiveCompressor)
    }

    /// Returns the object of `page`, which is [`PAGE_SIZE`] bytes long.
    ///
    /// # Errors
    /// As [`PageCompressor::compress_page`].
    pub fn compress_page(&mut self, page: &[u8]) -> Result<CompressedPage, Error> {
        self.0.compress_page(page)
    }

    /// Returns the page of `object`.
    ///
    /// # Errors
    /// As [`PageCompressor::decompress_page`].
    pub fn decompress_page(&mut self, object: &[u8]) -> Result<Vec<u8>, Error> {
        debug_assert_eq!(self.0.page_size(), PAGE_SIZE);
        self.0.decompress_page(object)
    }
}
