//! L6: the same engine for Rust programs, without pointers and errnos.

mod page;
mod stream;

pub use crate::base::page::{MAX_PAGE_SIZE, PAGE_SIZE};
pub use crate::base::{Backend, Error};
pub use crate::engine::dict::Dictionary;
pub use crate::engine::stats::PageCodec;
pub use page::{AdaptiveCompressor, CompressedPage, PageAlgorithm, PageCompressor, PageCompressorBuilder};
pub use stream::{Algorithm, Compressor, CompressorBuilder};

/// Returns the best instruction set of this CPU: AVX-512 if it has VBMI2 as well, else AVX2, else NEON, else scalar.
///
/// ```
/// assert!(tzram::detect_backend().is_supported());
/// ```
pub fn detect_backend() -> Backend {
    crate::dispatch::Table::best().backend()
}

/// Makes a vector of `len` zeros, or says that there is no memory.
fn zeroed(len: usize) -> Result<Vec<u8>, Error> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(len).map_err(|_| Error::NoMemory)?;
    vector.resize(len, 0);
    Ok(vector)
}
