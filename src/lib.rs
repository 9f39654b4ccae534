//! Compression of memory pages.
#![deny(missing_docs)]

#[cfg(panic = "abort")]
compile_error!("libtzram catches panics at its C boundary: build it with panic = \"unwind\"");

mod alg;
mod arch;
mod base;
mod dispatch;
mod kernel;
