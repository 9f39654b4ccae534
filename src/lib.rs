//! Compression of memory pages: LZ4 and Zstandard page codecs of our own that write standard streams, same-filled pages
//! in two bytes, objects that are never longer than the page.
//!
//! C programs use it through `include/tzram.h`; Rust programs through the types below, which drive the same engine.
//! [`PageCompressor`] turns pages into self-describing objects; [`Compressor`] turns buffers into bare LZ4 blocks and
//! Zstandard frames.
//!
//! Layers; arrows point down only:
//!
//! ```text
//! abi, api   L6  C boundary; Rust surface
//! engine     L5  policy: page to object, driver choice, counters
//! alg        L4  one folder per format: validation, tables, state
//! cuda       L4  batches on a CUDA device (feature `cuda`)
//! dispatch   L3  safe seam: a kernel table chosen once
//! arch       L2  one folder per instruction set
//! kernel     L1  inner loops
//! base       L0  plain types, constants of the formats
//! ```

#[cfg(panic = "abort")]
compile_error!("libtzram catches panics at its C boundary: build it with panic = \"unwind\"");

#[doc(hidden)]
pub mod abi;
mod alg;
mod api;
mod arch;
mod base;
#[cfg(feature = "cuda")]
mod cuda;
mod dispatch;
mod engine;
mod kernel;

pub use api::*;
/// What the tests of the CUDA device drive it with.
#[cfg(all(feature = "cuda", feature = "testing"))]
#[doc(hidden)]
pub mod cuda_testing {
    pub use crate::base::device::{Device, Fault, Op};
    pub use crate::cuda::{SYMBOLS, Work, open};
}
#[cfg(feature = "phases")]
#[doc(hidden)]
pub use kernel::phases;
