//! What the tables compare: other libraries, and ours by driver, level and instruction set.

use tzram::{Backend, Compressor, PageCompressor};

use crate::common::{levels_of, reference};

/// Compresses a unit to at most its own length, or says that it does not shrink.
pub trait Codec {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize>;
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]);
}

pub struct Memcpy;
impl Codec for Memcpy {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        dst[..src.len()].copy_from_slice(src);
        None
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        dst.copy_from_slice(src);
    }
}

/// Which of liblz4's encoders.
pub enum Liblz4 {
    Default,
    Fast(i32),
    Hc(i32),
}
impl Codec for Liblz4 {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        match *self {
            Liblz4::Default => reference::lz4_compress(src, dst),
            Liblz4::Fast(acceleration) => reference::lz4_compress_fast(src, dst, acceleration),
            Liblz4::Hc(level) => reference::lz4_compress_hc(src, dst, level),
        }
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        assert_eq!(reference::lz4_decompress(src, dst), Some(dst.len()));
    }
}

pub struct Libzstd(reference::Zstd);
impl Codec for Libzstd {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        self.0.compress(src, dst)
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        assert_eq!(self.0.decompress(src, dst), Some(dst.len()));
    }
}

/// lz4_flex without its safe variants, the decoder with its checks, one hash table for all pages.
#[derive(Default)]
pub struct Lz4Flex(lz4_flex::block::CompressTable);
impl Codec for Lz4Flex {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        lz4_flex::block::compress_into_with_table(src, dst, &mut self.0).ok()
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        assert_eq!(lz4_flex::block::decompress_into(src, dst).ok(), Some(dst.len()));
    }
}

/// Snappy blocks without frames.
pub struct Snap(snap::raw::Encoder, snap::raw::Decoder);
impl Snap {
    pub fn new() -> Self {
        Snap(snap::raw::Encoder::new(), snap::raw::Decoder::new())
    }
}
impl Codec for Snap {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        self.0.compress(src, dst).ok()
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        assert_eq!(self.1.decompress(src, dst).ok(), Some(dst.len()));
    }
}

/// trueno-zram-core through its page interface, which returns pages and objects by value.
pub struct TruenoZram {
    pages: Box<dyn trueno_zram_core::PageCompressor>,
    object: trueno_zram_core::CompressedPage,
}
impl TruenoZram {
    pub fn lz4() -> Self {
        use trueno_zram_core::{Algorithm, CompressedPage, CompressorBuilder};
        let pages = CompressorBuilder::new().algorithm(Algorithm::Lz4).build().expect("a backend of this CPU");
        let object = CompressedPage { data: Vec::with_capacity(4096), original_size: 4096, algorithm: Algorithm::Lz4 };
        TruenoZram { pages, object }
    }
}
impl Codec for TruenoZram {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        let object = self.pages.compress(src.try_into().expect("a page")).ok()?;
        dst[..object.data.len()].copy_from_slice(&object.data);
        Some(object.data.len())
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        self.object.data.clear();
        self.object.data.extend_from_slice(src);
        dst.copy_from_slice(&self.pages.decompress(&self.object).expect("its own object"));
    }
}

/// Bare streams of ours, like for like with the reference libraries.
pub struct Stream(Compressor<'static>);
impl Codec for Stream {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        self.0.compress_into(src, dst).ok()
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        assert_eq!(self.0.decompress_into(src, dst), Ok(dst.len()));
    }
}

/// The whole page path of ours.
pub struct Page(PageCompressor<'static>);
impl Codec for Page {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        self.0.compress_page_into(src, dst).ok()
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        self.0.decompress_page_into(src, dst).expect("our own object");
    }
}

pub fn stream(driver: &'static str, level: i32) -> Box<dyn Codec> {
    Box::new(Stream(Compressor::builder().driver(driver).level(level).build().expect("a driver")))
}

/// As [`stream`], with one instruction set.
pub fn stream_on(driver: &'static str, level: i32, backend: Backend) -> Box<dyn Codec> {
    Box::new(Stream(Compressor::builder().driver(driver).level(level).backend(backend).build().expect("supported")))
}

pub fn page(driver: &'static str, level: Option<i32>, unit: usize) -> Box<dyn Codec> {
    let mut builder = PageCompressor::builder().driver(driver).page_size(unit);
    if let Some(level) = level {
        builder = builder.level(level);
    }
    Box::new(Page(builder.build().expect("a driver")))
}

pub fn libzstd(level: i32) -> Box<dyn Codec> {
    Box::new(Libzstd(reference::Zstd::new(level, false)))
}

/// As [`page`], with one instruction set.
pub fn forced(alg: &'static str, level: i32, backend: Backend, unit: usize) -> Box<dyn Codec> {
    let builder = PageCompressor::builder().driver(alg).level(level).backend(backend).page_size(unit);
    Box::new(Page(builder.build().expect("supported")))
}

/// The instruction sets that this CPU has, best first.
pub fn backends() -> Vec<Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_supported()).collect()
}

/// The levels of `lz4`, from the fastest to the densest. 0 is left out, as it stands for the default.
pub fn lz4_levels() -> Vec<i32> {
    levels_of(c"lz4").filter(|&level| level != 0).collect()
}
