//! Compression: from a level to an encoder.

use super::Dict;
use crate::base::Error;
use crate::base::format::lz4::MAX_INPUT;
use crate::dispatch::Table;
use crate::kernel::lz4_encode::{chain, dense, fast, optimal};

/// The fastest level.
pub const MIN_LEVEL: i32 = -16;
/// The densest level.
pub const MAX_LEVEL: i32 = 9;
/// The level that 0 stands for.
pub const DEFAULT_LEVEL: i32 = 1;

/// An encoder and its setting.
#[derive(Clone, Copy)]
enum Method {
    Fast { acceleration: u32 },
    Dense,
    Chain(chain::Effort),
    Optimal { depth: u32 },
}

/// First step of the search at level -1, -2 and so on.
///
/// Pages are full of aligned words, so the steps 7 and 15 gave larger blocks than 8 and 16 do on the pages of
/// tests/corpus, and 9, 11 and 13 hardly smaller ones than the next even step: they are left out, and each level is
/// less dense than the one before it.
const ACCELERATIONS: [u32; MIN_LEVEL.unsigned_abs() as usize] =
    [2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48];

/// The encoder of a level; levels out of range are the nearest one.
const fn method(level: i32) -> Method {
    match level {
        0 | 1 => Method::Fast { acceleration: 1 },
        2 => Method::Dense,
        3 => Method::Chain(chain::Effort { depth: 4, ahead: 1, enough: 32 }),
        4 => Method::Chain(chain::Effort { depth: 8, ahead: 1, enough: 64 }),
        5 => Method::Chain(chain::Effort { depth: 16, ahead: 2, enough: 96 }),
        6 => Method::Chain(chain::Effort { depth: 32, ahead: 2, enough: 128 }),
        7 => Method::Chain(chain::Effort { depth: 128, ahead: 2, enough: 256 }),
        8 => Method::Optimal { depth: 16 },
        _ if level > 8 => Method::Optimal { depth: 256 },
        _ => {
            let steps = if level < MIN_LEVEL { MIN_LEVEL } else { level };
            Method::Fast { acceleration: ACCELERATIONS[steps.unsigned_abs() as usize - 1] }
        }
    }
}

/// Returns the longest block that `len` bytes (at most `i32::MAX`) compress to: a destination of this size is always
/// large enough.
///
/// Source: `LZ4_COMPRESSBOUND` of the lz4 project.
pub const fn bound(len: usize) -> usize {
    len + len / 255 + 16
}

/// Returns the words of 8 bytes of scratch that [`compress`] needs for inputs of up to `max_len` bytes, `usize::MAX`
/// for inputs of any length.
///
/// In bytes, for pages of 4 KiB, units of 64 KiB and anything longer: 8, 16, 32 KiB up to level 1; 16, 32, 32 KiB at
/// level 2; 40, 256, 256 KiB at levels 3 to 7; 96, 1152, 1152 KiB (and 8 bytes) at levels 8 and 9.
pub const fn encode_words(max_len: usize, level: i32) -> usize {
    match method(level) {
        Method::Fast { .. } => fast::words(max_len),
        Method::Dense => dense::words(max_len),
        Method::Chain(_) => chain::words(max_len),
        Method::Optimal { .. } => optimal::words(max_len),
    }
}

/// Compresses `src` (0 to `i32::MAX` bytes) into one LZ4 block and returns its length.
///
/// `scratch` has at least [`encode_words`]`(src.len(), level)` words, contents unspecified. With `dict`, matches may
/// reach into its content, and only [`super::decompress`] with the same dictionary (or `LZ4_decompress_safe_usingDict`)
/// restores the input. The block is a function of `src`, `level` and `dict`. Does not allocate; the time is at most
/// linear in `src.len()` times the search depth of the level.
///
/// # Errors
/// `NoSpace`: the block is longer than `dst`, whose contents are unspecified then. `Invalid`: `src` is too long.
///
/// # Panics
/// If `scratch` is shorter than it has to be.
pub fn compress(
    table: Table,
    scratch: &mut [u64],
    level: i32,
    dict: Option<&Dict>,
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    if src.len() > MAX_INPUT {
        return Err(Error::Invalid);
    }
    let history = dict.filter(|dict| !dict.content().is_empty()).map(Dict::history);
    let written = match method(level) {
        Method::Fast { acceleration } => table.lz4_encode_fast(scratch, acceleration, history, src, dst),
        Method::Dense => table.lz4_encode_dense(scratch, history, src, dst),
        Method::Chain(effort) => table.lz4_encode_chain(scratch, effort, history, src, dst),
        Method::Optimal { depth } => table.lz4_encode_optimal(scratch, depth, history, src, dst),
    };
    written.ok_or(Error::NoSpace)
}
