//! Zstandard on AVX2.

use super::lz4::Avx2;
use crate::kernel::table::instantiate_zstd_decoder;

instantiate_zstd_decoder!(Avx2, [#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]]);
