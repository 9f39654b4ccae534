//! Zstandard on NEON.

use super::lz4::Neon;
use crate::kernel::table::instantiate_zstd_decoder;

instantiate_zstd_decoder!(Neon, [#[target_feature(enable = "neon")]]);
