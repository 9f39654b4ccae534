//! L4: one folder per format. A codec validates, owns its tables and its state, and calls the kernels through
//! `dispatch`.

pub mod lz4;
pub mod zstd;
