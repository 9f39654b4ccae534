//! libzstd as the oracle of the tests, and the data that they run on.

use core::ffi::c_int;
use core::ptr;

use zstd_sys::ZSTD_cParameter::{
    ZSTD_c_checksumFlag, ZSTD_c_compressionLevel, ZSTD_c_contentSizeFlag, ZSTD_c_dictIDFlag, ZSTD_c_experimentalParam2,
    ZSTD_c_experimentalParam5,
};
use zstd_sys::ZSTD_dParameter::ZSTD_d_experimentalParam1;
pub use zstd_sys::{ZSTD_ErrorCode, ZSTD_cParameter};

/// `ZSTD_c_format`: 1 is magicless.
pub const FORMAT: ZSTD_cParameter = ZSTD_c_experimentalParam2;
/// `ZSTD_c_literalCompressionMode`: 1 always, 2 never.
pub const LITERALS: ZSTD_cParameter = ZSTD_c_experimentalParam5;
/// `ZSTD_c_compressionLevel`.
pub const LEVEL: ZSTD_cParameter = ZSTD_c_compressionLevel;
/// `ZSTD_c_checksumFlag`.
pub const CHECKSUM: ZSTD_cParameter = ZSTD_c_checksumFlag;
/// `ZSTD_c_contentSizeFlag`.
pub const CONTENT_SIZE: ZSTD_cParameter = ZSTD_c_contentSizeFlag;
/// `ZSTD_c_dictIDFlag`.
pub const DICT_ID: ZSTD_cParameter = ZSTD_c_dictIDFlag;

/// Turns a result of libzstd into its length or its error code.
fn checked(result: usize) -> Result<usize, ZSTD_ErrorCode> {
    // SAFETY: both functions look at the number only.
    unsafe {
        match zstd_sys::ZSTD_isError(result) {
            0 => Ok(result),
            _ => Err(zstd_sys::ZSTD_getErrorCode(result)),
        }
    }
}

/// Returns `src` as one frame of libzstd, with these parameters and dictionary (empty: none).
pub fn compress(params: &[(ZSTD_cParameter, c_int)], dict: &[u8], src: &[u8]) -> Vec<u8> {
    // SAFETY: the context lives until `ZSTD_freeCCtx`; every pointer comes with the length of its slice.
    unsafe {
        let cctx = zstd_sys::ZSTD_createCCtx();
        for &(param, value) in params {
            checked(zstd_sys::ZSTD_CCtx_setParameter(cctx, param, value)).expect("parameter");
        }
        checked(zstd_sys::ZSTD_CCtx_loadDictionary(cctx, dict.as_ptr().cast(), dict.len())).expect("dictionary");
        let mut dst = vec![0u8; zstd_sys::ZSTD_compressBound(src.len()) + 64];
        let len = zstd_sys::ZSTD_compress2(cctx, dst.as_mut_ptr().cast(), dst.len(), src.as_ptr().cast(), src.len());
        zstd_sys::ZSTD_freeCCtx(cctx);
        dst.truncate(checked(len).expect("compress"));
        dst
    }
}

/// A decompression context of libzstd.
pub struct Decoder(*mut zstd_sys::ZSTD_DCtx);

impl Decoder {
    /// Makes one for standard or magicless frames.
    pub fn new(magicless: bool) -> Decoder {
        // SAFETY: the context is freed by `drop` only.
        unsafe {
            let dctx = zstd_sys::ZSTD_createDCtx();
            checked(zstd_sys::ZSTD_DCtx_setParameter(dctx, ZSTD_d_experimentalParam1, c_int::from(magicless)))
                .expect("format");
            Decoder(dctx)
        }
    }

    /// `ZSTD_decompress_usingDict` (empty dictionary: none).
    pub fn decompress(&mut self, dict: &[u8], src: &[u8], dst: &mut [u8]) -> Result<usize, ZSTD_ErrorCode> {
        let dict_ptr = if dict.is_empty() { ptr::null() } else { dict.as_ptr() };
        // SAFETY: every pointer comes with the length of its slice.
        checked(unsafe {
            zstd_sys::ZSTD_decompress_usingDict(
                self.0,
                dst.as_mut_ptr().cast(),
                dst.len(),
                src.as_ptr().cast(),
                src.len(),
                dict_ptr.cast(),
                dict.len(),
            )
        })
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed once.
        unsafe { zstd_sys::ZSTD_freeDCtx(self.0) };
    }
}

/// Returns what `ZSTD_decompress` makes of standard frames, in a buffer of at most `cap` bytes.
pub fn decompress(dict: &[u8], src: &[u8], cap: usize) -> Result<Vec<u8>, ZSTD_ErrorCode> {
    let mut dst = vec![0u8; cap];
    let len = Decoder::new(false).decompress(dict, src, &mut dst)?;
    dst.truncate(len);
    Ok(dst)
}

/// `ZSTD_findDecompressedSize`: `Ok(None)` if a frame does not say, `Err` if damaged.
pub fn content_size(src: &[u8]) -> Result<Option<u64>, ()> {
    // SAFETY: pointer and length of one slice.
    match unsafe { zstd_sys::ZSTD_findDecompressedSize(src.as_ptr().cast(), src.len()) } {
        u64::MAX => Ok(None),
        size if size == u64::MAX - 1 => Err(()),
        size => Ok(Some(size)),
    }
}

/// Returns a dictionary of at most `cap` bytes that libzstd trained on these samples.
pub fn train(samples: &[&[u8]], cap: usize) -> Vec<u8> {
    let lens: Vec<usize> = samples.iter().map(|s| s.len()).collect();
    let all = samples.concat();
    let mut dict = vec![0u8; cap];
    // SAFETY: the samples lie one behind the other in `all`, with these lengths; `dict` has `cap` bytes.
    let len = unsafe {
        zstd_sys::ZDICT_trainFromBuffer(
            dict.as_mut_ptr().cast(),
            cap,
            all.as_ptr().cast(),
            lens.as_ptr(),
            lens.len() as u32,
        )
    };
    dict.truncate(checked(len).expect("training"));
    dict
}

/// Returns the pages of the corpus in the repository, `per_program` of each program, evenly spread.
pub fn corpus_pages(per_program: usize) -> Vec<Vec<u8>> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut files: Vec<_> = std::fs::read_dir(dir).expect("corpus").map(|e| e.expect("entry").path()).collect();
    files.sort();
    let mut pages = Vec::new();
    for file in files.iter().filter(|f| f.to_string_lossy().ends_with(".pages.zst")) {
        let bytes = decompress(&[], &std::fs::read(file).expect("file"), 4 << 20).expect("frame");
        let count = bytes.len() / 4096;
        let step = count.div_ceil(per_program).max(1);
        pages.extend(bytes.chunks_exact(4096).step_by(step).map(<[u8]>::to_vec));
    }
    pages
}

/// A small generator of pseudo-random numbers (xorshift64*, Vigna 2016), so that tests repeat exactly.
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// `len` bytes of a kind that depends on `kind`: zeros, noise, few symbols, skewed text, records, long repeats.
    pub fn bytes(&mut self, kind: usize, len: usize) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::with_capacity(len + 64);
        while out.len() < len {
            match kind % 6 {
                0 => out.push(0),
                1 => out.push(self.next() as u8),
                2 => out.push(b"abcd"[self.below(4)]),
                3 => {
                    let (a, b) = (self.below(96), self.below(96));
                    out.push(32 + (a * b / 96) as u8);
                }
                4 => {
                    out.extend_from_slice(&(0x7f00_0000_1000u64 + 16 * self.below(200) as u64).to_le_bytes());
                    out.extend_from_slice(&(self.below(50) as u32).to_le_bytes());
                }
                _ => {
                    if out.len() < 16 || self.below(5) == 0 {
                        out.push(self.next() as u8 & 31);
                    } else {
                        let distance = 1 + self.below(out.len().min(70_000));
                        let longest = 1 + self.below(90);
                        let run = 3 + self.below(longest);
                        for _ in 0..run {
                            out.push(out[out.len() - distance]);
                        }
                    }
                }
            }
        }
        out.truncate(len);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libzstd_reads_its_own_frames_and_the_corpus_is_there() {
        let pages = corpus_pages(4);
        assert!(pages.len() >= 40 && pages.iter().all(|p| p.len() == 4096));
        let frame = compress(&[(LEVEL, 3), (CHECKSUM, 1)], &[], &pages[0]);
        assert_eq!(decompress(&[], &frame, 4096).as_ref(), Ok(&pages[0]));
        assert_eq!(content_size(&frame), Ok(Some(4096)));
    }
}
