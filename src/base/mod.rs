//! L0: constants and plain types that every layer shares. No unsafe code, no dependencies.

pub mod cpu;
pub mod device;
pub mod error;
pub mod format;
pub mod hash;
pub mod log2;
pub mod page;

pub use cpu::Backend;
pub use error::Error;
