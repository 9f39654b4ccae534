//! Constants of each wire format, with the section of its specification.

pub mod lz4;
pub mod object;
pub mod tzp;
pub mod zstd;
pub mod zstd_presets;
