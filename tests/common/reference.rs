//! liblz4 and libzstd behind safe functions.

use core::ffi::{c_char, c_int, c_void};

use zstd_sys::{
    ZSTD_CCtx, ZSTD_CCtx_setParameter, ZSTD_DCtx, ZSTD_DCtx_setParameter, ZSTD_cParameter, ZSTD_compress2,
    ZSTD_compressBound, ZSTD_createCCtx, ZSTD_createDCtx, ZSTD_dParameter, ZSTD_decompressDCtx, ZSTD_freeCCtx,
    ZSTD_freeDCtx, ZSTD_getFrameContentSize, ZSTD_isError,
};

unsafe extern "C" {
    fn LZ4_decompress_safe_usingDict(
        src: *const c_char,
        dst: *mut c_char,
        n: c_int,
        cap: c_int,
        dict: *const c_char,
        dict_len: c_int,
    ) -> c_int;
    fn LZ4_compress_fast(src: *const c_char, dst: *mut c_char, n: c_int, cap: c_int, acceleration: c_int) -> c_int;
    fn LZ4_compress_HC(src: *const c_char, dst: *mut c_char, n: c_int, cap: c_int, level: c_int) -> c_int;
    fn LZ4_sizeofState() -> c_int;
}

/// `LZ4_compress_default`.
pub fn lz4_compress(src: &[u8], dst: &mut [u8]) -> Option<usize> {
    // SAFETY: both slices are passed with their own lengths.
    let n = unsafe {
        lz4_sys::LZ4_compress_default(
            src.as_ptr().cast(),
            dst.as_mut_ptr().cast(),
            src.len() as c_int,
            dst.len() as c_int,
        )
    };
    usize::try_from(n).ok().filter(|&n| n > 0)
}

/// `LZ4_compress_fast`.
pub fn lz4_compress_fast(src: &[u8], dst: &mut [u8], acceleration: i32) -> Option<usize> {
    let (n, cap) = (src.len() as c_int, dst.len() as c_int);
    // SAFETY: both slices are passed with their own lengths.
    let n = unsafe { LZ4_compress_fast(src.as_ptr().cast(), dst.as_mut_ptr().cast(), n, cap, acceleration) };
    usize::try_from(n).ok().filter(|&n| n > 0)
}

/// `LZ4_compress_HC`.
pub fn lz4_compress_hc(src: &[u8], dst: &mut [u8], level: i32) -> Option<usize> {
    // SAFETY: both slices are passed with their own lengths.
    let n = unsafe {
        LZ4_compress_HC(src.as_ptr().cast(), dst.as_mut_ptr().cast(), src.len() as c_int, dst.len() as c_int, level)
    };
    usize::try_from(n).ok().filter(|&n| n > 0)
}

/// `LZ4_decompress_safe`: the bytes written, or `None` for a damaged block or a short destination.
pub fn lz4_decompress(src: &[u8], dst: &mut [u8]) -> Option<usize> {
    // SAFETY: both slices are passed with their own lengths.
    let n = unsafe {
        lz4_sys::LZ4_decompress_safe(
            src.as_ptr().cast(),
            dst.as_mut_ptr().cast(),
            src.len() as c_int,
            dst.len() as c_int,
        )
    };
    usize::try_from(n).ok()
}

/// `LZ4_decompress_safe_usingDict`.
pub fn lz4_decompress_with(src: &[u8], dst: &mut [u8], dict: &[u8]) -> Option<usize> {
    // SAFETY: the three slices are passed with their own lengths.
    let n = unsafe {
        LZ4_decompress_safe_usingDict(
            src.as_ptr().cast(),
            dst.as_mut_ptr().cast(),
            src.len() as c_int,
            dst.len() as c_int,
            dict.as_ptr().cast(),
            dict.len() as c_int,
        )
    };
    usize::try_from(n).ok()
}

/// `ZDICT_trainFromBuffer` on pages of 4096 bytes.
pub fn zstd_train(pages: &[Vec<u8>], capacity: usize) -> Vec<u8> {
    let (samples, sizes) = (pages.concat(), pages.iter().map(Vec::len).collect::<Vec<_>>());
    let mut dict = vec![0; capacity];
    // SAFETY: the buffers are passed with their own lengths, and `sizes` adds up to that of the samples.
    unsafe {
        let n = zstd_sys::ZDICT_trainFromBuffer(
            dict.as_mut_ptr().cast(),
            dict.len(),
            samples.as_ptr().cast(),
            sizes.as_ptr(),
            sizes.len() as u32,
        );
        assert_eq!(zstd_sys::ZDICT_isError(n), 0);
        dict.truncate(n);
    }
    dict
}

/// Bytes of liblz4's compression state.
pub fn lz4_state_size() -> usize {
    // SAFETY: a function without arguments.
    unsafe { LZ4_sizeofState() as usize }
}

/// A reused pair of libzstd contexts: content size on, checksum and dictionary id off.
pub struct Zstd {
    c: *mut ZSTD_CCtx,
    d: *mut ZSTD_DCtx,
}

impl Zstd {
    pub fn new(level: i32, magicless: bool) -> Self {
        // SAFETY: fresh contexts, checked for NULL; parameters are set before any use.
        unsafe {
            let (c, d) = (ZSTD_createCCtx(), ZSTD_createDCtx());
            assert!(!c.is_null() && !d.is_null());
            let set = |parameter, value| assert_eq!(ZSTD_isError(ZSTD_CCtx_setParameter(c, parameter, value)), 0);
            set(ZSTD_cParameter::ZSTD_c_compressionLevel, level);
            set(ZSTD_cParameter::ZSTD_c_checksumFlag, 0);
            if magicless {
                set(ZSTD_cParameter::ZSTD_c_experimentalParam2, 1);
                let ok = ZSTD_DCtx_setParameter(d, ZSTD_dParameter::ZSTD_d_experimentalParam1, 1);
                assert_eq!(ZSTD_isError(ok), 0);
            }
            Zstd { c, d }
        }
    }

    pub fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        // SAFETY: a live context; both slices are passed with their own lengths.
        unsafe {
            let n = ZSTD_compress2(
                self.c,
                dst.as_mut_ptr().cast::<c_void>(),
                dst.len(),
                src.as_ptr().cast::<c_void>(),
                src.len(),
            );
            (ZSTD_isError(n) == 0).then_some(n)
        }
    }

    pub fn decompress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        // SAFETY: a live context; both slices are passed with their own lengths.
        unsafe {
            let n = ZSTD_decompressDCtx(
                self.d,
                dst.as_mut_ptr().cast::<c_void>(),
                dst.len(),
                src.as_ptr().cast::<c_void>(),
                src.len(),
            );
            (ZSTD_isError(n) == 0).then_some(n)
        }
    }

    /// Loads a dictionary into both contexts.
    pub fn with_dict(self, dict: &[u8]) -> Self {
        // SAFETY: live contexts; the slice is passed with its own length and copied.
        unsafe {
            let n = zstd_sys::ZSTD_CCtx_loadDictionary(self.c, dict.as_ptr().cast(), dict.len());
            assert_eq!(ZSTD_isError(n), 0);
            let n = zstd_sys::ZSTD_DCtx_loadDictionary(self.d, dict.as_ptr().cast(), dict.len());
            assert_eq!(ZSTD_isError(n), 0);
        }
        self
    }

    /// Bytes of the two contexts, tables included, once they have been used.
    pub fn sizes(&self) -> (usize, usize) {
        // SAFETY: live contexts.
        unsafe { (zstd_sys::ZSTD_sizeof_CCtx(self.c), zstd_sys::ZSTD_sizeof_DCtx(self.d)) }
    }
}

impl Drop for Zstd {
    fn drop(&mut self) {
        // SAFETY: live contexts, not used again.
        unsafe {
            ZSTD_freeCCtx(self.c);
            ZSTD_freeDCtx(self.d);
        }
    }
}

/// `ZSTD_compressBound`.
pub fn zstd_bound(len: usize) -> usize {
    // SAFETY: a pure function of a number.
    unsafe { ZSTD_compressBound(len) }
}

/// Returns the content of a frame that says its content size.
pub fn zstd_decompress_stream(frame: &[u8]) -> Vec<u8> {
    // SAFETY: the slice is passed with its own length.
    let size = unsafe { ZSTD_getFrameContentSize(frame.as_ptr().cast(), frame.len()) };
    let mut bytes = vec![0; usize::try_from(size).expect("a content size")];
    assert_eq!(Zstd::new(1, false).decompress(frame, &mut bytes), Some(bytes.len()));
    bytes
}
