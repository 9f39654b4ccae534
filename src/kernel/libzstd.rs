//! The reference Zstandard library behind safe functions: the only place that calls it.

use core::ffi::c_void;
use core::ptr::NonNull;

use zstd_sys::{
    ZSTD_CCtx, ZSTD_CCtx_loadDictionary, ZSTD_CCtx_refPrefix_advanced, ZSTD_CCtx_setParameter, ZSTD_DCtx,
    ZSTD_DCtx_loadDictionary, ZSTD_DCtx_setParameter, ZSTD_ErrorCode, ZSTD_cParameter, ZSTD_compress2,
    ZSTD_compressBound, ZSTD_compressionParameters, ZSTD_createCCtx, ZSTD_createDCtx, ZSTD_dParameter,
    ZSTD_decompress_usingDict, ZSTD_decompressDCtx, ZSTD_dictContentType_e, ZSTD_estimateCCtxSize_usingCParams,
    ZSTD_estimateDCtxSize, ZSTD_freeCCtx, ZSTD_freeDCtx, ZSTD_getCParams, ZSTD_getErrorCode, ZSTD_initStaticCCtx,
    ZSTD_initStaticDCtx, ZSTD_isError,
};

use super::arena::Arena;
use crate::base::Error;

/// Turns a result of libzstd (a length, or an error in disguise) into ours.
fn check(result: usize) -> Result<usize, Error> {
    // SAFETY: both functions only look at the number.
    let (failed, code) = unsafe { (ZSTD_isError(result) != 0, ZSTD_getErrorCode(result)) };
    match code {
        _ if !failed => Ok(result),
        ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall => Err(Error::NoSpace),
        ZSTD_ErrorCode::ZSTD_error_memory_allocation => Err(Error::NoMemory),
        ZSTD_ErrorCode::ZSTD_error_dictionary_wrong => Err(Error::Stale),
        _ => Err(Error::Corrupt),
    }
}

fn set(ctx: *mut ZSTD_CCtx, parameter: ZSTD_cParameter, value: i32) -> Result<(), Error> {
    // SAFETY: every caller passes a context that it just made or owns.
    check(unsafe { ZSTD_CCtx_setParameter(ctx, parameter, value) }).map(|_| ()).map_err(|_| Error::Invalid)
}

/// What the contexts of a page context are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSettings {
    /// Bytes of a page.
    pub page_size: usize,
    /// libzstd's level.
    pub level: i32,
    /// Bytes of the dictionary, 0 for none.
    pub dict_len: usize,
}

impl PageSettings {
    fn params(self) -> ZSTD_compressionParameters {
        // SAFETY: a pure function of numbers.
        unsafe { ZSTD_getCParams(self.level, self.page_size as u64, self.dict_len) }
    }

    /// Words of the compression context, of the room for a frame, and of the decompression context.
    fn parts(self) -> [usize; 3] {
        // SAFETY: pure functions of numbers.
        let bytes = unsafe {
            [
                ZSTD_estimateCCtxSize_usingCParams(self.params()),
                ZSTD_compressBound(self.page_size),
                ZSTD_estimateDCtxSize(),
            ]
        };
        bytes.map(Arena::words_for::<u8>)
    }

    /// Words of the block that [`PageContexts::place`] needs.
    pub fn words(self) -> usize {
        self.parts().iter().sum()
    }
}

/// A pair of libzstd contexts in a block of memory that is not theirs: for magicless frames with content size, without
/// checksum and dictionary id. They allocate nothing.
pub struct PageContexts {
    settings: PageSettings,
    compressor: NonNull<ZSTD_CCtx>,
    decompressor: NonNull<ZSTD_DCtx>,
    frame: NonNull<u8>,
}

impl PageContexts {
    /// Builds the contexts.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the block is too small or libzstd refuses the settings.
    ///
    /// # Safety
    /// `words` words at `memory`, used by nobody else as long as the contexts are.
    pub unsafe fn place(memory: NonNull<u64>, words: usize, settings: PageSettings) -> Result<Self, Error> {
        use ZSTD_cParameter as P;
        let parts = settings.parts();
        if words < settings.words() {
            return Err(Error::Invalid);
        }
        // SAFETY: the three parts lie one behind the other in the block, by the test above; they are 8-byte aligned.
        let (compressor, decompressor, frame) = unsafe {
            let frame = memory.add(parts[0]);
            let decompressor = frame.add(parts[1]);
            (
                ZSTD_initStaticCCtx(memory.as_ptr().cast::<c_void>(), parts[0] * size_of::<u64>()),
                ZSTD_initStaticDCtx(decompressor.as_ptr().cast::<c_void>(), parts[2] * size_of::<u64>()),
                frame.cast::<u8>(),
            )
        };
        let compressor = NonNull::new(compressor).ok_or(Error::Invalid)?;
        let decompressor = NonNull::new(decompressor).ok_or(Error::Invalid)?;
        let params = settings.params();
        for (parameter, value) in [
            (P::ZSTD_c_compressionLevel, settings.level),
            // The estimate of the size holds for exactly these parameters.
            (P::ZSTD_c_windowLog, params.windowLog.cast_signed()),
            (P::ZSTD_c_hashLog, params.hashLog.cast_signed()),
            (P::ZSTD_c_chainLog, params.chainLog.cast_signed()),
            (P::ZSTD_c_searchLog, params.searchLog.cast_signed()),
            (P::ZSTD_c_minMatch, params.minMatch.cast_signed()),
            (P::ZSTD_c_targetLength, params.targetLength.cast_signed()),
            (P::ZSTD_c_strategy, params.strategy as i32),
            (P::ZSTD_c_checksumFlag, 0),
            (P::ZSTD_c_dictIDFlag, 0),
            (P::ZSTD_c_experimentalParam2, 1), // ZSTD_c_format = ZSTD_f_zstd1_magicless
        ] {
            set(compressor.as_ptr(), parameter, value)?;
        }
        let format = ZSTD_dParameter::ZSTD_d_experimentalParam1; // ZSTD_d_format = ZSTD_f_zstd1_magicless
        // SAFETY: the context was just made.
        check(unsafe { ZSTD_DCtx_setParameter(decompressor.as_ptr(), format, 1) }).map_err(|_| Error::Invalid)?;
        Ok(PageContexts { settings, compressor, decompressor, frame })
    }

    /// What the contexts were made for.
    pub fn settings(&self) -> PageSettings {
        self.settings
    }

    /// Writes the frame of `src`, a page, to `dst`; returns its length.
    ///
    /// The frame is made in the block and then copied, since libzstd may give up on a `dst` that is only just large
    /// enough.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if the frame does not fit; [`Error::Invalid`] if `src` or `dict` are not of the lengths that the
    /// contexts were made for.
    pub fn compress(&mut self, dict: Option<&[u8]>, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        let PageSettings { page_size, dict_len, .. } = self.settings;
        if src.len() != page_size || dict.map_or(0, <[u8]>::len) != dict_len {
            return Err(Error::Invalid);
        }
        let ctx = self.compressor.as_ptr();
        if let Some(dict) = dict {
            // SAFETY: `dict` outlives the compression below; a prefix is referenced for one frame only.
            check(unsafe {
                let kind = ZSTD_dictContentType_e::ZSTD_dct_auto; // tables and repeat offsets too, where it has them
                ZSTD_CCtx_refPrefix_advanced(ctx, dict.as_ptr().cast(), dict.len(), kind)
            })
            .map_err(|_| Error::Invalid)?;
        }
        // SAFETY: a pure function of a number.
        let room = unsafe { ZSTD_compressBound(page_size) };
        // SAFETY: the context lives in our block; `room` bytes were laid out for the frame; `src` has its own length.
        let frame = unsafe {
            let len = check(ZSTD_compress2(ctx, self.frame.as_ptr().cast(), room, src.as_ptr().cast(), src.len()))
                .map_err(|_| Error::Invalid)?;
            core::slice::from_raw_parts(self.frame.as_ptr(), len)
        };
        dst.get_mut(..frame.len()).ok_or(Error::NoSpace)?.copy_from_slice(frame);
        Ok(frame.len())
    }

    /// Restores a frame into `dst`; returns the bytes written.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Corrupt`].
    pub fn decompress(&mut self, dict: Option<&[u8]>, frame: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        let dict = dict.unwrap_or_default();
        // SAFETY: the context lives in our block; every slice is passed with its own length and outlives the call.
        check(unsafe {
            ZSTD_decompress_usingDict(
                self.decompressor.as_ptr(),
                dst.as_mut_ptr().cast(),
                dst.len(),
                frame.as_ptr().cast(),
                frame.len(),
                dict.as_ptr().cast(),
                dict.len(),
            )
        })
    }
}

/// A compression context of libzstd for buffers of any size.
pub struct Compressor(NonNull<ZSTD_CCtx>);

// SAFETY: a ZSTD_CCtx may move between threads; it is only used through `&mut self`.
unsafe impl Send for Compressor {}

impl Compressor {
    /// Makes a context of this level, with a copy of `dict` loaded if there is one. Allocates.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; [`Error::Invalid`] if libzstd refuses the level or the dictionary.
    pub fn new(level: i32, dict: Option<&[u8]>) -> Result<Self, Error> {
        // SAFETY: no preconditions.
        let ctx = Compressor(NonNull::new(unsafe { ZSTD_createCCtx() }).ok_or(Error::NoMemory)?);
        set(ctx.0.as_ptr(), ZSTD_cParameter::ZSTD_c_compressionLevel, level)?;
        set(ctx.0.as_ptr(), ZSTD_cParameter::ZSTD_c_checksumFlag, 0)?;
        if let Some(dict) = dict {
            // SAFETY: the context is alive; libzstd copies the slice.
            check(unsafe { ZSTD_CCtx_loadDictionary(ctx.0.as_ptr(), dict.as_ptr().cast(), dict.len()) })
                .map_err(|e| if e == Error::NoMemory { e } else { Error::Invalid })?;
        }
        Ok(ctx)
    }

    /// Writes `src` as one standard frame with magic number and content size; returns its length.
    ///
    /// # Errors
    /// [`Error::NoSpace`]; [`Error::NoMemory`], since libzstd allocates its tables when they are first needed.
    pub fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: the context is alive; both slices are passed with their own lengths.
        check(unsafe {
            ZSTD_compress2(self.0.as_ptr(), dst.as_mut_ptr().cast(), dst.len(), src.as_ptr().cast(), src.len())
        })
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        // SAFETY: the context is alive and not used again.
        unsafe { ZSTD_freeCCtx(self.0.as_ptr()) };
    }
}

/// A decompression context of libzstd.
pub struct Decompressor(NonNull<ZSTD_DCtx>);

// SAFETY: a ZSTD_DCtx may move between threads; it is only used through `&mut self`.
unsafe impl Send for Decompressor {}

impl Decompressor {
    /// Makes a context, with a copy of `dict` loaded if there is one. Allocates.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; [`Error::Invalid`] if libzstd refuses the dictionary.
    pub fn new(dict: Option<&[u8]>) -> Result<Self, Error> {
        // SAFETY: no preconditions.
        let ctx = Decompressor(NonNull::new(unsafe { ZSTD_createDCtx() }).ok_or(Error::NoMemory)?);
        if let Some(dict) = dict {
            // SAFETY: the context is alive; libzstd copies the slice.
            check(unsafe { ZSTD_DCtx_loadDictionary(ctx.0.as_ptr(), dict.as_ptr().cast(), dict.len()) })
                .map_err(|e| if e == Error::NoMemory { e } else { Error::Invalid })?;
        }
        Ok(ctx)
    }

    /// Decodes every frame of `src` into `dst`; returns the bytes written.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::Corrupt`], [`Error::Stale`] if a frame names another dictionary.
    pub fn decompress(&mut self, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: the context is alive; both slices are passed with their own lengths.
        let result = unsafe {
            ZSTD_decompressDCtx(self.0.as_ptr(), dst.as_mut_ptr().cast(), dst.len(), src.as_ptr().cast(), src.len())
        };
        check(result)
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: the context is alive and not used again.
        unsafe { ZSTD_freeDCtx(self.0.as_ptr()) };
    }
}
