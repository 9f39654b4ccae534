//! The reference Zstandard library behind safe functions: the only place that calls it.

use core::ffi::c_void;
use core::ptr::NonNull;

use zstd_sys::{
    ZSTD_CCtx, ZSTD_CCtx_loadDictionary, ZSTD_CCtx_refPrefix, ZSTD_CCtx_setParameter, ZSTD_DCtx,
    ZSTD_DCtx_loadDictionary, ZSTD_DCtx_setParameter, ZSTD_ErrorCode, ZSTD_cParameter, ZSTD_compress2,
    ZSTD_compressBound, ZSTD_createCCtx, ZSTD_createDCtx, ZSTD_dParameter, ZSTD_decompress_usingDict,
    ZSTD_decompressDCtx, ZSTD_estimateCCtxSize_usingCParams, ZSTD_estimateDCtxSize, ZSTD_freeCCtx, ZSTD_freeDCtx,
    ZSTD_getCParams, ZSTD_getErrorCode, ZSTD_initStaticCCtx, ZSTD_initStaticDCtx, ZSTD_isError,
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

/// Words of scratch that [`page_compress`] and [`page_decompress`] need for pages of `len` bytes behind `dict_len` bytes
/// of dictionary.
pub fn page_words(len: usize, level: i32, dict_len: usize) -> usize {
    // SAFETY: pure functions of numbers.
    let (encoder, bound, decoder) = unsafe {
        let params = ZSTD_getCParams(level, len as u64, dict_len);
        (ZSTD_estimateCCtxSize_usingCParams(params), ZSTD_compressBound(len), ZSTD_estimateDCtxSize())
    };
    let encode = Arena::words_for::<u8>(encoder) + Arena::words_for::<u8>(bound);
    encode.max(Arena::words_for::<u8>(decoder))
}

/// Writes `src` as one magicless frame with content size, without checksum and dictionary id; returns its length.
///
/// The context is built in `scratch` ([`page_words`] words) each time, so nothing is allocated and nothing persists.
/// The frame is made in scratch and then copied, since libzstd may give up on a `dst` that is only just large enough.
///
/// # Errors
/// [`Error::NoSpace`] if the frame does not fit `dst`; [`Error::Invalid`] if libzstd refuses the scratch or the level.
pub fn page_compress(
    scratch: &mut [u64],
    level: i32,
    dict: Option<&[u8]>,
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    use ZSTD_cParameter as P;
    let dict_len = dict.map_or(0, <[u8]>::len);
    let mut arena = Arena::new(scratch);
    // SAFETY: a pure function of a number.
    let frame = arena.take::<u8>(unsafe { ZSTD_compressBound(src.len()) });
    // SAFETY: a pure function of numbers.
    let params = unsafe { ZSTD_getCParams(level, src.len() as u64, dict_len) };
    // SAFETY: as above.
    let state = arena.take::<u64>(Arena::words_for::<u8>(unsafe { ZSTD_estimateCCtxSize_usingCParams(params) }));
    // SAFETY: `state` is exclusively ours until the end of this call, 8-byte aligned, and of the length given.
    let ctx = unsafe { ZSTD_initStaticCCtx(state.as_mut_ptr().cast::<c_void>(), size_of_val(state)) };
    if ctx.is_null() {
        return Err(Error::Invalid);
    }
    set(ctx, P::ZSTD_c_compressionLevel, level)?;
    // The estimate above holds for exactly these parameters.
    set(ctx, P::ZSTD_c_windowLog, params.windowLog.cast_signed())?;
    set(ctx, P::ZSTD_c_hashLog, params.hashLog.cast_signed())?;
    set(ctx, P::ZSTD_c_chainLog, params.chainLog.cast_signed())?;
    set(ctx, P::ZSTD_c_searchLog, params.searchLog.cast_signed())?;
    set(ctx, P::ZSTD_c_minMatch, params.minMatch.cast_signed())?;
    set(ctx, P::ZSTD_c_targetLength, params.targetLength.cast_signed())?;
    set(ctx, P::ZSTD_c_strategy, params.strategy as i32)?;
    set(ctx, P::ZSTD_c_checksumFlag, 0)?;
    set(ctx, P::ZSTD_c_dictIDFlag, 0)?;
    set(ctx, P::ZSTD_c_experimentalParam2, 1)?; // ZSTD_c_format = ZSTD_f_zstd1_magicless
    if let Some(dict) = dict {
        // SAFETY: `dict` outlives the compression below; a prefix is referenced for one frame only.
        check(unsafe { ZSTD_CCtx_refPrefix(ctx, dict.as_ptr().cast(), dict.len()) }).map_err(|_| Error::Invalid)?;
    }
    // SAFETY: the context is ready; both slices are passed with their own lengths.
    let len =
        check(unsafe { ZSTD_compress2(ctx, frame.as_mut_ptr().cast(), frame.len(), src.as_ptr().cast(), src.len()) })
            .map_err(|_| Error::Invalid)?;
    dst.get_mut(..len).ok_or(Error::NoSpace)?.copy_from_slice(&frame[..len]);
    Ok(len)
}

/// Restores exactly one magicless frame into `dst`; returns the bytes written.
///
/// The context is built in `scratch` ([`page_words`] words) each time, so nothing is allocated and nothing persists.
///
/// # Errors
/// [`Error::NoSpace`], [`Error::Corrupt`]; [`Error::Invalid`] if libzstd refuses the scratch.
pub fn page_decompress(scratch: &mut [u64], dict: Option<&[u8]>, frame: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    // SAFETY: a pure function.
    let words = Arena::words_for::<u8>(unsafe { ZSTD_estimateDCtxSize() });
    let state = Arena::new(scratch).take::<u64>(words);
    // SAFETY: `state` is exclusively ours until the end of this call, 8-byte aligned, and of the length given.
    let ctx = unsafe { ZSTD_initStaticDCtx(state.as_mut_ptr().cast::<c_void>(), size_of_val(state)) };
    if ctx.is_null() {
        return Err(Error::Invalid);
    }
    // ZSTD_d_format = ZSTD_f_zstd1_magicless
    // SAFETY: the context was just made.
    check(unsafe { ZSTD_DCtx_setParameter(ctx, ZSTD_dParameter::ZSTD_d_experimentalParam1, 1) })
        .map_err(|_| Error::Invalid)?;
    let dict = dict.unwrap_or_default();
    // SAFETY: the context is ready; every slice is passed with its own length, and the dictionary outlives the call.
    check(unsafe {
        ZSTD_decompress_usingDict(
            ctx,
            dst.as_mut_ptr().cast(),
            dst.len(),
            frame.as_ptr().cast(),
            frame.len(),
            dict.as_ptr().cast(),
            dict.len(),
        )
    })
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
