//! Constants of each wire format, with the section of its specification.

pub mod object;
pub mod zstd;
