//! Structs and constants of the header.
#![allow(non_camel_case_types)] // names are those of the C header, so that cbindgen needs no renaming

use core::ffi::{c_char, c_int, c_void};
use core::mem::{offset_of, size_of};
use core::ops::Range;
use core::ptr;

use super::dict::tzram_dict;
use super::guard::Versioned;
use crate::base::Error;
use crate::base::page::PAGE_SIZE;

/// The level of callers who have no opinion: the algorithm's default. (The kernel's ZCOMP_PARAM_NO_LEVEL.)
pub const TZRAM_LEVEL_DEFAULT: i32 = i32::MIN;

/// Bytes of the largest unit of the page layer.
pub const TZRAM_PAGE_SIZE_MAX: u32 = 65536;

/// Instruction sets. A wider one includes the narrower ones of its family; every one includes scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum tzram_backend {
    /// The best that this CPU has.
    TZRAM_BACKEND_AUTO = 0,
    /// Portable code.
    TZRAM_BACKEND_SCALAR = 1,
    /// aarch64 NEON.
    TZRAM_BACKEND_NEON = 2,
    /// x86-64 AVX2 with BMI1, BMI2, LZCNT, POPCNT.
    TZRAM_BACKEND_AVX2 = 3,
    /// x86-64 AVX-512 F, BW, CD, DQ, VL.
    TZRAM_BACKEND_AVX512 = 4,
}

/// How an object holds its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum tzram_codec {
    /// The page itself, stored raw.
    TZRAM_CODEC_RAW,
    /// One byte or one 8-byte word, repeated.
    TZRAM_CODEC_SAME_FILLED,
    /// An LZ4 block.
    TZRAM_CODEC_LZ4,
    /// A magicless Zstandard frame.
    TZRAM_CODEC_ZSTD,
    /// A tzp block.
    TZRAM_CODEC_TZP,
}

/// One driver, as a stanza of /proc/crypto. Strings live as long as the library.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct tzram_alg {
    /// sizeof(struct tzram_alg), set by the caller.
    pub struct_size: u32,
    /// The algorithm: "lz4", "zstd", "tzp", "adaptive".
    pub name: *const c_char,
    /// Who does it: "lz4-generic", "zstd-libzstd".
    pub driver_name: *const c_char,
    /// The highest priority that this CPU runs wins.
    pub priority: c_int,
    /// enum tzram_backend: the instruction set of its code.
    pub backend: c_int,
    /// Smallest level: the fastest.
    pub min_level: c_int,
    /// Largest level: the densest.
    pub max_level: c_int,
    /// What TZRAM_LEVEL_DEFAULT stands for.
    pub default_level: c_int,
}

// SAFETY: repr(C), begins with struct_size, plain fields.
unsafe impl Versioned for tzram_alg {
    const SIZES: &'static [usize] = &[
        offset_of!(tzram_alg, driver_name),
        offset_of!(tzram_alg, priority),
        offset_of!(tzram_alg, backend),
        offset_of!(tzram_alg, min_level),
        offset_of!(tzram_alg, max_level),
        offset_of!(tzram_alg, default_level),
        offset_of!(tzram_alg, default_level) + size_of::<c_int>(),
        size_of::<tzram_alg>(),
    ];
    const PADDING: &'static [Range<usize>] = &[
        size_of::<u32>()..offset_of!(tzram_alg, name),
        offset_of!(tzram_alg, default_level) + size_of::<c_int>()..size_of::<tzram_alg>(),
    ];
}

/// How a context works. tzram_params_init() writes every default; set what differs.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct tzram_params {
    /// sizeof(struct tzram_params), set by the caller (tzram_params_init() does).
    pub struct_size: u32,
    /// The unit compressed as one piece: 4096 (default), 8192, 16384, 32768 or 65536 bytes.
    pub page_size: u32,
    /// Algorithm or driver name; NULL = "adaptive". Read during the call only.
    pub alg: *const c_char,
    /// TZRAM_LEVEL_DEFAULT or a level of the algorithm.
    pub level: i32,
    /// enum tzram_backend: TZRAM_BACKEND_AUTO or a forced one.
    pub backend: i32,
    /// Dictionary or NULL; borrowed, must outlive the context.
    pub dict: *const tzram_dict,
    /// 0.
    pub flags: u32,
}

// SAFETY: repr(C), begins with struct_size, plain fields.
unsafe impl Versioned for tzram_params {
    const SIZES: &'static [usize] = &[
        offset_of!(tzram_params, alg),
        offset_of!(tzram_params, level),
        offset_of!(tzram_params, backend),
        offset_of!(tzram_params, dict),
        offset_of!(tzram_params, flags),
        offset_of!(tzram_params, flags) + size_of::<u32>(),
        size_of::<tzram_params>(),
    ];
}

impl Default for tzram_params {
    fn default() -> Self {
        tzram_params {
            struct_size: size_of::<tzram_params>() as u32,
            page_size: PAGE_SIZE as u32,
            alg: ptr::null(),
            level: TZRAM_LEVEL_DEFAULT,
            backend: tzram_backend::TZRAM_BACKEND_AUTO as i32,
            dict: ptr::null(),
            flags: 0,
        }
    }
}

/// What an object says of itself.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct tzram_page_info {
    /// sizeof(struct tzram_page_info), set by the caller.
    pub struct_size: u32,
    /// enum tzram_codec.
    pub codec: c_int,
    /// Bytes of the page that it decodes to.
    pub page_len: u32,
    /// TZRAM_PAGE_INFO_DICT: it was made with a dictionary.
    pub flags: u32,
    /// Same-filled pages: the repeated 8-byte word as a little-endian number. Objects with a dictionary: its id.
    pub fill: u64,
}

/// Flag of struct tzram_page_info: decoding needs the dictionary whose id is in `fill`.
pub const TZRAM_PAGE_INFO_DICT: u32 = 1;

// SAFETY: repr(C), begins with struct_size, plain fields.
unsafe impl Versioned for tzram_page_info {
    const SIZES: &'static [usize] = &[
        offset_of!(tzram_page_info, page_len),
        offset_of!(tzram_page_info, flags),
        offset_of!(tzram_page_info, fill),
        size_of::<tzram_page_info>(),
    ];
}

/// Entries of the per-codec counters, indexed by enum tzram_codec.
pub const TZRAM_STATS_CODECS: usize = 8;

/// Counters of a context: zram's mm_stat and io_stat as far as a library can know them.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct tzram_stats {
    /// sizeof(struct tzram_stats), set by the caller.
    pub struct_size: u32,
    /// Bytes of a page of this context.
    pub page_size: u32,
    /// Pages compressed.
    pub pages_in: u64,
    /// Bytes of those pages (zram: orig_data_size, were none of them ever freed).
    pub bytes_in: u64,
    /// Bytes of the objects made of them (zram: compr_data_size).
    pub bytes_out: u64,
    /// Pages decompressed.
    pub pages_out: u64,
    /// Compressed pages by codec: at TZRAM_CODEC_SAME_FILLED zram's same_pages, at TZRAM_CODEC_RAW its huge_pages.
    pub pages_by_codec: [u64; TZRAM_STATS_CODECS],
    /// Bytes of their objects by codec.
    pub bytes_by_codec: [u64; TZRAM_STATS_CODECS],
    /// Compressions that failed (zram: failed_writes).
    pub compress_errors: u64,
    /// Decompressions that failed (zram: failed_reads).
    pub decompress_errors: u64,
    /// Of all these pages, failed ones included, those that a queue's device has done.
    pub device_pages: u64,
    /// Calls to a device that failed after its queue was created; the CPU did the pages.
    pub device_errors: u64,
}

// SAFETY: repr(C), begins with struct_size, plain fields.
unsafe impl Versioned for tzram_stats {
    const SIZES: &'static [usize] = &[
        offset_of!(tzram_stats, pages_in),
        offset_of!(tzram_stats, bytes_in),
        offset_of!(tzram_stats, bytes_out),
        offset_of!(tzram_stats, pages_out),
        offset_of!(tzram_stats, pages_by_codec),
        offset_of!(tzram_stats, bytes_by_codec),
        offset_of!(tzram_stats, compress_errors),
        offset_of!(tzram_stats, decompress_errors),
        offset_of!(tzram_stats, device_pages),
        offset_of!(tzram_stats, device_errors),
        size_of::<tzram_stats>(),
    ];
}

/// Who does a queue's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum tzram_engine {
    /// A CUDA device where there is one that can do what is asked for and is faster from some number of pages on; else the CPU.
    TZRAM_ENGINE_AUTO,
    /// The CPU.
    TZRAM_ENGINE_CPU,
    /// A CUDA device: "tzp", or "lz4" or "zstd" at its default level, with pages of 4096 bytes and without a dictionary.
    TZRAM_ENGINE_CUDA,
}

impl tzram_engine {
    /// The engine of this number.
    pub(super) fn from_number(number: i32) -> Result<Self, Error> {
        use tzram_engine::*;
        let all = [TZRAM_ENGINE_AUTO, TZRAM_ENGINE_CPU, TZRAM_ENGINE_CUDA];
        all.into_iter().find(|engine| *engine as i32 == number).ok_or(Error::Invalid)
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum tzram_op {
    /// Make the object of a page.
    TZRAM_OP_COMPRESS,
    /// Restore the page of an object.
    TZRAM_OP_DECOMPRESS,
}

/// Requests that a queue holds where the caller names no number.
pub const TZRAM_QUEUE_DEPTH_DEFAULT: u32 = 1024;

/// Most requests that a queue can be made for.
pub const TZRAM_QUEUE_DEPTH_MAX: u32 = 1 << 20;

/// Most threads that a queue can be made with.
pub const TZRAM_QUEUE_THREADS_MAX: u32 = 1024;

/// How a queue works. tzram_queue_params_init() writes every default; set what differs.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct tzram_queue_params {
    /// sizeof(struct tzram_queue_params), set by the caller (tzram_queue_params_init() does).
    pub struct_size: u32,
    /// enum tzram_engine.
    pub engine: i32,
    /// Most requests that are submitted and not yet reaped; 0 = TZRAM_QUEUE_DEPTH_DEFAULT, at most TZRAM_QUEUE_DEPTH_MAX.
    pub depth: u32,
    /// Worker threads; 0 = one for each CPU that the caller may run on, at most TZRAM_QUEUE_THREADS_MAX.
    pub threads: u32,
    /// Number of the device, as the driver counts: 0 is the first.
    pub device: i32,
    /// How the pages are compressed, with a struct_size of its own.
    pub page: tzram_params,
}

// SAFETY: repr(C), begins with struct_size, plain fields.
unsafe impl Versioned for tzram_queue_params {
    const SIZES: &'static [usize] = &{
        const PAGE: usize = offset_of!(tzram_queue_params, page);
        const INNER: &[usize] = tzram_params::SIZES;
        let outer = [
            offset_of!(tzram_queue_params, depth),
            offset_of!(tzram_queue_params, threads),
            offset_of!(tzram_queue_params, device),
            offset_of!(tzram_queue_params, device) + size_of::<i32>(),
            PAGE,
        ];
        let mut sizes = [0; 5 + INNER.len()];
        let mut i = 0;
        while i < sizes.len() {
            sizes[i] = if i < outer.len() { outer[i] } else { PAGE + INNER[i - outer.len()] };
            i += 1;
        }
        sizes
    };
}

impl Default for tzram_queue_params {
    fn default() -> Self {
        tzram_queue_params {
            struct_size: size_of::<tzram_queue_params>() as u32,
            engine: tzram_engine::TZRAM_ENGINE_AUTO as i32,
            depth: TZRAM_QUEUE_DEPTH_DEFAULT,
            threads: 0,
            device: 0,
            page: tzram_params::default(),
        }
    }
}

/// One page for a queue to work on. From tzram_queue_submit() to tzram_queue_reap() it is the queue's.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct tzram_req {
    /// enum tzram_op.
    pub op: u32,
    /// 0 or a negative errno, as tzram_compress_page() or tzram_decompress_page() return it; written when the request has finished.
    pub status: i32,
    /// What to read: a page, or an object.
    pub src: *const u8,
    /// Where to write: an object, or a page.
    pub dst: *mut u8,
    /// Bytes of the object to restore; not used for compression.
    pub slen: u32,
    /// For compression the capacity of dst. When the request has finished: bytes written to dst, 0 if it failed.
    pub dlen: u32,
    /// The caller's; the queue leaves it alone.
    pub user: *mut c_void,
}

/// Parameters of a zcomp backend: the kernel's struct zcomp_params.
#[repr(C)]
pub struct tzram_zcomp_params {
    /// Dictionary content or NULL; read by setup_params.
    pub dict: *mut c_void,
    /// Its length in bytes.
    pub dict_sz: usize,
    /// TZRAM_LEVEL_DEFAULT or a level of the algorithm.
    pub level: i32,
    /// What setup_params made of it; the backend's own.
    pub drv_data: *mut c_void,
}

/// State of one stream: the kernel's struct zcomp_ctx.
#[repr(C)]
pub struct tzram_zcomp_ctx {
    /// The backend's own.
    pub context: *mut c_void,
}

/// One unit of work: the kernel's struct zcomp_req.
#[repr(C)]
pub struct tzram_zcomp_req {
    /// What to read.
    pub src: *const u8,
    /// Its length in bytes.
    pub src_len: usize,
    /// Where to write.
    pub dst: *mut u8,
    /// Capacity of dst in bytes; after success the bytes written.
    pub dst_len: usize,
}

/// A compression backend: the kernel's struct zcomp_ops (Linux 6.12 and later). 0 or a negative errno everywhere.
#[repr(C)]
pub struct tzram_zcomp_ops {
    /// Writes the stream of req->src to req->dst.
    pub compress: Option<
        unsafe extern "C" fn(
            params: *mut tzram_zcomp_params,
            ctx: *mut tzram_zcomp_ctx,
            req: *mut tzram_zcomp_req,
        ) -> c_int,
    >,
    /// Restores the buffer of the stream req->src into req->dst.
    pub decompress: Option<
        unsafe extern "C" fn(
            params: *mut tzram_zcomp_params,
            ctx: *mut tzram_zcomp_ctx,
            req: *mut tzram_zcomp_req,
        ) -> c_int,
    >,
    /// Makes the state of a stream.
    pub create_ctx: Option<unsafe extern "C" fn(params: *mut tzram_zcomp_params, ctx: *mut tzram_zcomp_ctx) -> c_int>,
    /// Frees the state of a stream.
    pub destroy_ctx: Option<unsafe extern "C" fn(ctx: *mut tzram_zcomp_ctx)>,
    /// Checks the level and prepares the dictionary, once for all streams.
    pub setup_params: Option<unsafe extern "C" fn(params: *mut tzram_zcomp_params) -> c_int>,
    /// Frees what setup_params made, after the last stream.
    pub release_params: Option<unsafe extern "C" fn(params: *mut tzram_zcomp_params)>,
    /// The algorithm or driver.
    pub name: *const c_char,
}

// SAFETY: immutable tables of functions and a pointer to a constant string.
unsafe impl Sync for tzram_zcomp_ops {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Backend;
    use crate::engine::stats::{CODEC_SLOTS, PageCodec};

    #[test]
    fn numbers_of_the_header_are_those_of_the_engine() {
        assert_eq!(tzram_backend::TZRAM_BACKEND_SCALAR as i32, Backend::Scalar as i32);
        assert_eq!(tzram_backend::TZRAM_BACKEND_NEON as i32, Backend::Neon as i32);
        assert_eq!(tzram_backend::TZRAM_BACKEND_AVX2 as i32, Backend::Avx2 as i32);
        assert_eq!(tzram_backend::TZRAM_BACKEND_AVX512 as i32, Backend::Avx512 as i32);
        assert_eq!(tzram_codec::TZRAM_CODEC_RAW as i32, PageCodec::Raw as i32);
        assert_eq!(tzram_codec::TZRAM_CODEC_SAME_FILLED as i32, PageCodec::SameFilled as i32);
        assert_eq!(tzram_codec::TZRAM_CODEC_LZ4 as i32, PageCodec::Lz4 as i32);
        assert_eq!(tzram_codec::TZRAM_CODEC_ZSTD as i32, PageCodec::Zstd as i32);
        assert_eq!(TZRAM_STATS_CODECS, CODEC_SLOTS);
    }

    #[test]
    fn sizes_of_older_versions_ascend_and_end_with_todays() {
        fn check<T: Versioned>() {
            assert!(T::SIZES.is_sorted());
            assert_eq!(T::SIZES.last(), Some(&size_of::<T>()));
            assert!(T::SIZES[0] >= 8);
        }
        check::<tzram_alg>();
        check::<tzram_params>();
        check::<tzram_page_info>();
        check::<tzram_stats>();
        check::<tzram_queue_params>();
    }
}
