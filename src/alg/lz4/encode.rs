//! Compression: from a level to an encoder.

use super::Dict;
use crate::base::format::lz4::MAX_INPUT;
use crate::base::{Backend, Error};
use crate::dispatch::Table;
use crate::kernel::lz4_encode::lanes::{self, Pace};
use crate::kernel::lz4_encode::{chain, dense, fast, optimal};

/// The fastest level.
pub const MIN_LEVEL: i32 = -3;
/// The densest level.
pub const MAX_LEVEL: i32 = 9;
/// The level that 0 stands for.
pub const DEFAULT_LEVEL: i32 = 1;

/// An encoder and its setting.
#[derive(Clone, Copy)]
enum Method {
    /// Greedy: `pace` where there are vectors and no dictionary, else a search whose first step is `step`.
    Fast {
        pace: Pace,
        step: u32,
    },
    Dense,
    Chain(chain::Effort),
    Optimal {
        depth: u32,
    },
}

/// The encoder of a level; levels out of range are the nearest one.
const fn method(level: i32) -> Method {
    match level {
        0 | 1 => Method::Fast { pace: Pace::Every, step: 1 },
        -1 => Method::Fast { pace: Pace::Second, step: 2 },
        -2 => Method::Fast { pace: Pace::Fourth, step: 4 },
        i32::MIN..-2 => Method::Fast { pace: Pace::FourthLong, step: 5 },
        2 => Method::Dense,
        3 => Method::Chain(chain::Effort { depth: 4, ahead: 1, enough: 32 }),
        4 => Method::Chain(chain::Effort { depth: 8, ahead: 1, enough: 64 }),
        5 => Method::Chain(chain::Effort { depth: 16, ahead: 2, enough: 96 }),
        6 => Method::Chain(chain::Effort { depth: 32, ahead: 2, enough: 128 }),
        7 => Method::Chain(chain::Effort { depth: 128, ahead: 2, enough: 256 }),
        8 => Method::Optimal { depth: 16 },
        9.. => Method::Optimal { depth: 256 },
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
        Method::Fast { .. } => {
            let (a, b) = (fast::words(max_len), lanes::words(max_len));
            if a > b { a } else { b }
        }
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
        Method::Fast { pace, .. } if history.is_none() && table.backend() != Backend::Scalar => {
            table.lz4_encode_lanes(scratch, pace, src, dst)
        }
        Method::Fast { step, .. } => table.lz4_encode_fast(scratch, step, history, src, dst),
        Method::Dense => table.lz4_encode_dense(scratch, history, src, dst),
        Method::Chain(effort) => table.lz4_encode_chain(scratch, effort, history, src, dst),
        Method::Optimal { depth } => table.lz4_encode_optimal(scratch, depth, history, src, dst),
    };
    written.ok_or(Error::NoSpace)
}
