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
mod dispatch;
mod engine;
mod kernel;

pub use api::*;
#[cfg(feature = "phases")]
#[doc(hidden)]
pub use kernel::phases;
