//! Zstandard on portable code.

use super::lz4::Portable;
use crate::kernel::table::instantiate_zstd_decoder;

instantiate_zstd_decoder!(Portable, []);
