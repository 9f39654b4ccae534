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

/// Which encoder, and how hard it tries.
#[derive(Clone, Copy)]
enum Method {
    /// In lanes; without vectors, and with a dictionary, in one line.
    Lanes { pace: Pace, otherwise: Line },
    /// The cheapest parse; with a dictionary, along its chains.
    Optimal { ways: usize },
}

/// The encoders that go from front to back in one line.
#[derive(Clone, Copy)]
enum Line {
    Fast { step: u32 },
    Dense { ahead: bool },
}

/// How to search along hash chains from level 5 on with a dictionary, whose chains are there.
const fn chain_effort(level: i32) -> chain::Effort {
    match level {
        ..=5 => chain::Effort { depth: 16, enough: 96 },
        6 => chain::Effort { depth: 32, enough: 128 },
        7 => chain::Effort { depth: 64, enough: 256 },
        8 => chain::Effort { depth: 128, enough: 256 },
        _ => chain::Effort { depth: 256, enough: 512 },
    }
}

/// The encoder of a level; levels out of range are the nearest one.
const fn method(level: i32) -> Method {
    let (pace, otherwise) = match level {
        0 | 1 => (Pace::Every, Line::Fast { step: 1 }),
        -1 => (Pace::Second, Line::Fast { step: 2 }),
        -2 => (Pace::Fourth, Line::Fast { step: 4 }),
        i32::MIN..-2 => (Pace::FourthLong, Line::Fast { step: 5 }),
        2 => (Pace::Pairs, Line::Dense { ahead: false }),
        3 => (Pace::PairsAhead, Line::Dense { ahead: true }),
        4 => (Pace::PairsAll, Line::Dense { ahead: true }),
        5 | 6 => return Method::Optimal { ways: 2 },
        7 | 8 => return Method::Optimal { ways: 4 },
        9.. => return Method::Optimal { ways: 8 },
    };
    Method::Lanes { pace, otherwise }
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
/// In bytes, for pages of 4 KiB, units of 64 KiB and anything longer: 26, 50, 50 KiB up to level 1; 42, 58, 58 KiB at levels 2
/// to 4; 98, 389, 389 KiB from level 5 on.
pub const fn encode_words(max_len: usize, level: i32) -> usize {
    let (one, other) = match method(level) {
        Method::Lanes { pace, otherwise } => {
            let line = match otherwise {
                Line::Fast { .. } => fast::words(max_len),
                Line::Dense { .. } => dense::words(max_len),
            };
            (lanes::words(max_len, pace), line)
        }
        Method::Optimal { ways } => (optimal::words(max_len, ways), chain::words(max_len)),
    };
    if one > other { one } else { other }
}

/// Compresses `src` (0 to `i32::MAX` bytes) into one LZ4 block and returns its length.
///
/// `scratch` has at least [`encode_words`]`(src.len(), level)` words, contents unspecified. With `dict`, matches may
/// reach into its content, and only [`super::decompress`] with the same dictionary (or `LZ4_decompress_safe_usingDict`)
/// restores the input. The block is a function of `src`, `level` and `dict`, and up to level 4 of whether `table` is scalar. Does not
/// allocate; the time is at most linear in `src.len()` times the search depth of the level.
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
    let written = match (method(level), history) {
        (Method::Lanes { pace, .. }, None) if table.backend() != Backend::Scalar => {
            table.lz4_encode_lanes(scratch, pace, src, dst)
        }
        (Method::Lanes { otherwise: Line::Fast { step }, .. }, _) => {
            table.lz4_encode_fast(scratch, step, history, src, dst)
        }
        (Method::Lanes { otherwise: Line::Dense { ahead }, .. }, _) => {
            table.lz4_encode_dense(scratch, ahead, history, src, dst)
        }
        (Method::Optimal { ways }, None) => table.lz4_encode_optimal(scratch, ways, src, dst),
        (Method::Optimal { .. }, Some(history)) => {
            table.lz4_encode_chain(scratch, chain_effort(level), history, src, dst)
        }
    };
    written.ok_or(Error::NoSpace)
}
