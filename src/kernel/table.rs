//! The list of kernels, and the macro that instantiates the generic ones for an instruction set.

use super::lz4_encode::lanes::Pace;
use super::lz4_encode::{History, chain};
use super::zstd_encode::{literals, sequences};
use super::zstd_fse::{Alphabet, Flaw, Own};
use super::zstd_huff_decode::Streams;
use super::zstd_match::dense::DenseTables;
use super::zstd_match::lanes::Pace as MatchPace;
use super::zstd_match::{Found, Job, Parse, optimal};
use super::zstd_seq_decode::Sequences;
use super::zstd_seq_encode::{Codes, Tables};
use crate::base::{Backend, Error};

/// The encoders have these arguments: scratch, the setting, the dictionary, the input, the room for the block; they return
/// the length of the block, or `None` if the room does not hold it.
pub type Lz4Encode<Setting> = unsafe fn(&mut [u64], Setting, Option<History<'_>>, &[u8], &mut [u8]) -> Option<usize>;
/// See [`super::lz4_encode::lanes::encode`].
pub type Lz4EncodeLanes = unsafe fn(scratch: &mut [u64], pace: Pace, src: &[u8], dst: &mut [u8]) -> Option<usize>;
/// See [`super::lz4_encode::chain::encode`].
pub type Lz4EncodeChain = unsafe fn(&mut [u64], chain::Effort, History<'_>, &[u8], &mut [u8]) -> Option<usize>;
/// See [`super::lz4_encode::optimal::encode`].
pub type Lz4EncodeOptimal = unsafe fn(scratch: &mut [u64], ways: usize, src: &[u8], dst: &mut [u8]) -> Option<usize>;
/// See [`super::lz4_decode::decode`].
pub type Lz4Decode = unsafe fn(dict: &[u8], src: &[u8], dst: &mut [u8]) -> Result<usize, Error>;
/// See [`super::zstd_encode::literals::write`].
pub type ZstdLiterals = unsafe fn(
    effort: literals::Effort,
    literals: &[u8],
    prior: Option<&[u16; 256]>,
    codes: &mut [u16; 256],
    dst: &mut [u8],
) -> literals::Section;
/// See [`super::zstd_encode::sequences::write`].
pub type ZstdSequences = unsafe fn(job: &mut sequences::Job<'_>, dst: &mut [u8]) -> sequences::Section;
/// The type of [`super::zstd_huff_decode::decode`].
pub type ZstdHuffDecode =
    unsafe fn(table: &[u16], log: u32, streams: Streams, src: &[u8], at: usize, dst: &mut [u8]) -> bool;
/// See [`super::zstd_seq_encode::encode`].
pub type ZstdBits = unsafe fn(tables: &Tables, codes: &[Codes], extra: &[u64], dst: &mut [u8]) -> usize;
/// The type of [`Own::read`]: the place, what its codes mean, the source.
pub type ZstdFseRead = unsafe fn(&mut Own<'_>, &Alphabet, src: &[u8]) -> Result<usize, Flaw>;
/// The type of [`super::zstd_seq_decode::execute`].
pub type ZstdSeqDecode = unsafe fn(job: &mut Sequences<'_>, dst: &mut [u8]) -> Result<usize, Error>;
/// The type of [`super::zstd_tree::read`].
pub type ZstdTreeRead = unsafe fn(src: &[u8], table: &mut [u16]) -> Result<(u32, usize), Flaw>;

/// See [`super::zstd_match::optimal::find`].
pub type ZstdMatchOptimal =
    unsafe fn(job: &Job<'_>, effort: optimal::Effort, scratch: &mut [u64], parse: Parse<'_>) -> Found;
/// See [`super::zstd_match::lanes::find`].
pub type ZstdMatchLanes = unsafe fn(job: &Job<'_>, pace: MatchPace, scratch: &mut [u64], parse: Parse<'_>) -> Found;
/// See [`super::tzp_encode::encode`].
pub type TzpEncode = unsafe fn(&mut [u64], enough: usize, unit: &[u8], page: usize, dst: &mut [u8]) -> Option<usize>;
/// See [`super::tzp_decode::decode`].
pub type TzpDecode = unsafe fn(src: &[u8], unit: &mut [u8], page: usize) -> Result<(), Error>;
/// See [`super::tzp_decode::decode_two`].
pub type TzpDecodeTwo = unsafe fn(src: [&[u8]; 2], units: [&mut [u8]; 2]) -> bool;

/// One implementation of every kernel. A table of a wider instruction set starts from the one it extends and replaces
/// entries, so a kernel that an instruction set lacks is visibly inherited.
///
/// Calling an entry needs invariant I of [`crate::kernel`]: the CPU runs `backend`. `dispatch` is the only caller.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// The instruction set that the CPU must have.
    pub backend: Backend,
    /// [`super::same_fill::same_fill`].
    pub same_fill: unsafe fn(page: &[u8]) -> Option<u64>,
    /// [`super::same_fill::fill`].
    pub fill: unsafe fn(page: &mut [u8], word: u64),
    /// [`super::histogram::histogram`].
    pub histogram: unsafe fn(src: &[u8], counts: &mut [u32; 256]),
    /// [`super::zstd_huff_decode::decode`].
    pub zstd_huff_decode: ZstdHuffDecode,
    /// [`super::zstd_fse::Own::read`].
    pub zstd_fse_read: ZstdFseRead,
    /// [`super::zstd_tree::read`].
    pub zstd_tree_read: ZstdTreeRead,
    /// [`super::zstd_seq_decode::execute`].
    pub zstd_seq_decode: ZstdSeqDecode,
    /// [`super::zstd_match::fast::fast`].
    pub zstd_match_fast: unsafe fn(job: &Job<'_>, key: u32, table: &mut [u16], parse: Parse<'_>) -> Found,
    /// [`super::zstd_match::lanes::find`], where there are vectors: without, a greedy search is faster.
    pub zstd_match_lanes: Option<ZstdMatchLanes>,
    /// [`super::zstd_match::optimal::find`].
    pub zstd_match_optimal: ZstdMatchOptimal,
    /// [`super::zstd_match::dense::dense`].
    pub zstd_match_dense: unsafe fn(job: &Job<'_>, tables: DenseTables<'_>, parse: Parse<'_>) -> Found,
    /// [`super::zstd_encode::literals::write`].
    pub zstd_literals: ZstdLiterals,
    /// [`super::zstd_encode::sequences::write`].
    pub zstd_sequences: ZstdSequences,
    /// [`super::zstd_seq_encode::encode`], a kernel of its own since its loop needs all registers.
    pub zstd_bits: ZstdBits,
    /// [`super::lz4_encode::fast::encode`].
    pub lz4_encode_fast: Lz4Encode<u32>,
    /// [`super::lz4_encode::lanes::encode`], where there are vectors: without, a greedy search is faster.
    pub lz4_encode_lanes: Option<Lz4EncodeLanes>,
    /// [`super::lz4_encode::dense::encode`].
    pub lz4_encode_dense: Lz4Encode<bool>,
    /// [`super::lz4_encode::chain::encode`].
    pub lz4_encode_chain: Lz4EncodeChain,
    /// [`super::lz4_encode::optimal::encode`].
    pub lz4_encode_optimal: Lz4EncodeOptimal,
    /// [`super::lz4_decode::decode`].
    pub lz4_decode: Lz4Decode,
    /// [`super::tzp_encode::encode`] with 2, 3, 4 and 8 candidates.
    pub tzp_encode: [TzpEncode; 4],
    /// [`super::tzp_decode::decode`].
    pub tzp_decode: TzpDecode,
    /// [`super::tzp_decode::decode_two`], where there are vectors: without, two pages take as long as one and another.
    pub tzp_decode_two: Option<TzpDecodeTwo>,
}

/// Writes the shells of the named vector kernels: functions with the features of an instruction set into which the
/// generic loops are inlined.
macro_rules! instantiate_vector_kernels {
    ($vector:ty, [$($kernel:ident),*], $features:tt) => {
        $(crate::kernel::table::instantiate_vector_kernels!(@$kernel $vector, $features);)*
    };
    (@same_fill $vector:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn same_fill(page: &[u8]) -> Option<u64> {
            // SAFETY: this shell enables the features of the vector type (I).
            unsafe { crate::kernel::same_fill::same_fill::<$vector>(page) }
        }
    };
    (@fill $vector:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn fill(page: &mut [u8], word: u64) {
            // SAFETY: this shell enables the features of the vector type (I).
            unsafe { crate::kernel::same_fill::fill::<$vector>(page, word) }
        }
    };
}
pub(crate) use instantiate_vector_kernels;

/// Writes the shells of the tzp kernels for a chunk type: `ENCODE`, a table of them, and `DECODE`.
macro_rules! instantiate_tzp_kernels {
    ($chunk:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn tzp_encode<const N: usize>(
            scratch: &mut [u64],
            enough: usize,
            unit: &[u8],
            page: usize,
            dst: &mut [u8],
        ) -> Option<usize> {
            // SAFETY: this shell enables the features of the chunk type (I).
            unsafe { crate::kernel::tzp_encode::encode::<$chunk, N>(scratch, enough, unit, page, dst) }
        }
        $(#[$features])*
        unsafe fn tzp_decode(
            src: &[u8],
            unit: &mut [u8],
            page: usize,
        ) -> Result<(), crate::base::Error> {
            // SAFETY: this shell enables the features of the chunk type (I).
            unsafe { crate::kernel::tzp_decode::decode::<$chunk>(src, unit, page) }
        }
        /// The encoders by number of candidates.
        pub const ENCODE: [crate::kernel::table::TzpEncode; 4] =
            [tzp_encode::<2>, tzp_encode::<4>, tzp_encode::<8>, tzp_encode::<12>];
        /// The decoder.
        pub const DECODE: crate::kernel::table::TzpDecode = tzp_decode;
    };
}
pub(crate) use instantiate_tzp_kernels;

/// Writes the shell of the tzp decoder of two pages for a chunk type: `DECODE_TWO`.
macro_rules! instantiate_tzp_two {
    ($chunk:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn tzp_decode_two(src: [&[u8]; 2], units: [&mut [u8]; 2]) -> bool {
            // SAFETY: this shell enables the features of the chunk type (I).
            unsafe { crate::kernel::tzp_decode::decode_two::<$chunk>(src, units) }
        }
        /// The decoder of two pages.
        pub const DECODE_TWO: crate::kernel::table::TzpDecodeTwo = tzp_decode_two;
    };
}
pub(crate) use instantiate_tzp_two;

/// Writes the shell of the fast LZ4 encoder for an instruction set: `ENCODE_LANES`.
macro_rules! instantiate_lz4_lanes {
    ($isa:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn encode_lanes(
            scratch: &mut [u64],
            pace: crate::kernel::lz4_encode::lanes::Pace,
            src: &[u8],
            dst: &mut [u8],
        ) -> Option<usize> {
            // SAFETY: this shell enables the features of the instruction set (I).
            unsafe { crate::kernel::lz4_encode::lanes::encode::<$isa>(scratch, pace, src, dst) }
        }
        $(#[$features])*
        #[inline(never)]
        unsafe fn parse_lanes<const STRIDE: usize, const WAYS: usize, const AHEAD: bool>(
            scratch: &mut crate::kernel::lz4_encode::lanes::Scratch<'_>,
            src: &[u8],
            start: usize,
            anchor: usize,
            out: &mut crate::kernel::lz4_encode::Output<'_>,
        ) -> Option<usize> {
            // SAFETY: this shell enables the features of the instruction set (I); the rest is the caller's.
            unsafe { scratch.parse::<$isa, STRIDE, WAYS, AHEAD>(src, start, anchor, out) }
        }
        impl crate::kernel::lz4_encode::lanes::Lanes for $isa {
            #[inline(always)]
            unsafe fn parse<const STRIDE: usize, const WAYS: usize, const AHEAD: bool>(
                scratch: &mut crate::kernel::lz4_encode::lanes::Scratch<'_>,
                src: &[u8],
                start: usize,
                anchor: usize,
                out: &mut crate::kernel::lz4_encode::Output<'_>,
            ) -> Option<usize> {
                // SAFETY: the contract is the same.
                unsafe { parse_lanes::<STRIDE, WAYS, AHEAD>(scratch, src, start, anchor, out) }
            }
        }
        /// The fast encoder.
        pub const ENCODE_LANES: crate::kernel::table::Lz4EncodeLanes = encode_lanes;
    };
}
pub(crate) use instantiate_lz4_lanes;

/// Writes the shell of the optimal LZ4 encoder for an instruction set: `ENCODE_OPTIMAL`.
macro_rules! instantiate_lz4_optimal {
    ($isa:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn encode_optimal(
            scratch: &mut [u64],
            ways: usize,
            src: &[u8],
            dst: &mut [u8],
        ) -> Option<usize> {
            // SAFETY: this shell enables the features of the instruction set (I).
            unsafe { crate::kernel::lz4_encode::optimal::encode::<$isa>(scratch, ways, src, dst) }
        }
        /// The optimal encoder.
        pub const ENCODE_OPTIMAL: crate::kernel::table::Lz4EncodeOptimal = encode_optimal;
    };
}
pub(crate) use instantiate_lz4_optimal;

/// Writes the shell of what precedes the bit stream of sequences in the Zstandard encoder for an instruction set: `SEQUENCES`.
macro_rules! instantiate_zstd_sequences {
    ($isa:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn sequences(
            job: &mut crate::kernel::zstd_encode::sequences::Job<'_>,
            dst: &mut [u8],
        ) -> crate::kernel::zstd_encode::sequences::Section {
            // SAFETY: this shell enables the features of the instruction set (I).
            unsafe { crate::kernel::zstd_encode::sequences::write::<$isa>(job, dst) }
        }
        /// What precedes the bit stream in the sequences section.
        pub const SEQUENCES: crate::kernel::table::ZstdSequences = sequences;
    };
}
pub(crate) use instantiate_zstd_sequences;

/// Writes the shells of the entropy stage of the Zstandard encoder for an instruction set: `LITERALS`, `SEQUENCES` and `BITS`.
macro_rules! instantiate_zstd_encode {
    ($isa:ty, [$(#[$features:meta])*]) => {
        crate::kernel::table::instantiate_zstd_sequences!($isa, [$(#[$features])*]);
        $(#[$features])*
        unsafe fn literals(
            effort: crate::kernel::zstd_encode::literals::Effort,
            literals: &[u8],
            prior: Option<&[u16; 256]>,
            codes: &mut [u16; 256],
            dst: &mut [u8],
        ) -> crate::kernel::zstd_encode::literals::Section {
            crate::kernel::zstd_encode::literals::write(effort, literals, prior, codes, dst)
        }
        $(#[$features])*
        unsafe fn bits(
            tables: &crate::kernel::zstd_seq_encode::Tables,
            codes: &[crate::kernel::zstd_seq_encode::Codes],
            extra: &[u64],
            dst: &mut [u8],
        ) -> usize {
            // SAFETY: the caller's contract.
            unsafe { crate::kernel::zstd_seq_encode::encode(tables, codes, extra, dst) }
        }
        /// The literals section.
        pub const LITERALS: crate::kernel::table::ZstdLiterals = literals;
        /// The bit stream of sequences.
        pub const BITS: crate::kernel::table::ZstdBits = bits;
    };
}
pub(crate) use instantiate_zstd_encode;

/// Writes the shell of the scan for an instruction set.
macro_rules! instantiate_scan {
    ($isa:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        #[inline(never)]
        unsafe fn scan_segment<const STRIDE: usize, const KEY: usize, const BITS: u32, const WAYS: usize>(
            candidates: &mut crate::kernel::candidates::Candidates<'_>,
            src: &[u8],
            start: usize,
            count: usize,
        ) -> u32 {
            // SAFETY: this shell enables the features of the instruction set (I); the rest is the caller's.
            unsafe { candidates.scan::<$isa, STRIDE, KEY, BITS, WAYS>(src, start, count) }
        }
        impl crate::kernel::candidates::Scan for $isa {
            #[inline(always)]
            unsafe fn segment<const STRIDE: usize, const KEY: usize, const BITS: u32, const WAYS: usize>(
                candidates: &mut crate::kernel::candidates::Candidates<'_>,
                src: &[u8],
                start: usize,
                count: usize,
            ) -> u32 {
                // SAFETY: the contract is the same.
                unsafe { scan_segment::<STRIDE, KEY, BITS, WAYS>(candidates, src, start, count) }
            }
        }
    };
}
pub(crate) use instantiate_scan;

/// Writes the shells of the finder of Zstandard in lanes for an instruction set: `MATCH_LANES`.
macro_rules! instantiate_zstd_lanes {
    ($isa:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn match_lanes(
            job: &crate::kernel::zstd_match::Job<'_>,
            pace: crate::kernel::zstd_match::lanes::Pace,
            scratch: &mut [u64],
            parse: crate::kernel::zstd_match::Parse<'_>,
        ) -> crate::kernel::zstd_match::Found {
            // SAFETY: this shell enables the features of the instruction set (I).
            unsafe { crate::kernel::zstd_match::lanes::find::<$isa>(job, pace, scratch, parse) }
        }
        $(#[$features])*
        #[inline(never)]
        unsafe fn parse_match_lanes<
            const STRIDE: usize,
            const BOTH: bool,
            const WAYS: usize,
            const AHEAD: bool,
        >(
            segment: &mut crate::kernel::zstd_match::lanes::Segment<'_, '_>,
            repeats: [usize; 2],
            out: &mut crate::kernel::zstd_match::Output<'_>,
        ) -> [usize; 2] {
            // SAFETY: this shell enables the features of the instruction set (I); the rest is the caller's.
            unsafe { segment.parse::<$isa, STRIDE, BOTH, WAYS, AHEAD>(repeats, out) }
        }
        impl crate::kernel::zstd_match::lanes::Lanes for $isa {
            #[inline(always)]
            unsafe fn parse<const STRIDE: usize, const BOTH: bool, const WAYS: usize, const AHEAD: bool>(
                segment: &mut crate::kernel::zstd_match::lanes::Segment<'_, '_>,
                repeats: [usize; 2],
                out: &mut crate::kernel::zstd_match::Output<'_>,
            ) -> [usize; 2] {
                // SAFETY: the contract is the same.
                unsafe { parse_match_lanes::<STRIDE, BOTH, WAYS, AHEAD>(segment, repeats, out) }
            }
        }
        /// The finder in lanes.
        pub const MATCH_LANES: crate::kernel::table::ZstdMatchLanes = match_lanes;
    };
}
pub(crate) use instantiate_zstd_lanes;

/// Writes the shells of the decoder of Zstandard for an instruction set: `FSE_READ`, `TREE_READ`, `HUFF_DECODE` and `SEQ_DECODE`.
macro_rules! instantiate_zstd_decoder {
    ($isa:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn fse_read(
            own: &mut crate::kernel::zstd_fse::Own<'_>,
            alphabet: &crate::kernel::zstd_fse::Alphabet,
            src: &[u8],
        ) -> Result<usize, crate::kernel::zstd_fse::Flaw> {
            own.read(alphabet, src)
        }
        $(#[$features])*
        unsafe fn tree_read(src: &[u8], table: &mut [u16]) -> Result<(u32, usize), crate::kernel::zstd_fse::Flaw> {
            // SAFETY: this shell enables the features of the instruction set (I).
            unsafe { crate::kernel::zstd_tree::read::<$isa>(src, table) }
        }
        $(#[$features])*
        unsafe fn huff_decode(
            table: &[u16],
            log: u32,
            streams: crate::kernel::zstd_huff_decode::Streams,
            src: &[u8],
            at: usize,
            dst: &mut [u8],
        ) -> bool {
            crate::kernel::zstd_huff_decode::decode(table, log, streams, src, at, dst)
        }
        $(#[$features])*
        unsafe fn seq_decode(
            job: &mut crate::kernel::zstd_seq_decode::Sequences<'_>,
            dst: &mut [u8],
        ) -> Result<usize, crate::base::Error> {
            // SAFETY: this shell enables the features of the instruction set (I).
            unsafe { crate::kernel::zstd_seq_decode::execute::<$isa>(job, dst) }
        }
        /// The reader of tables of sequences.
        pub const FSE_READ: crate::kernel::table::ZstdFseRead = fse_read;
        /// The reader of trees.
        pub const TREE_READ: crate::kernel::table::ZstdTreeRead = tree_read;
        /// The decoder of literals.
        pub const HUFF_DECODE: crate::kernel::table::ZstdHuffDecode = huff_decode;
        /// The decoder of sequences.
        pub const SEQ_DECODE: crate::kernel::table::ZstdSeqDecode = seq_decode;
    };
}
pub(crate) use instantiate_zstd_decoder;

/// Writes the shell of the optimal finder of Zstandard for an instruction set: `MATCH_OPTIMAL`.
macro_rules! instantiate_zstd_optimal {
    ($isa:ty, [$(#[$features:meta])*]) => {
        $(#[$features])*
        unsafe fn match_optimal(
            job: &crate::kernel::zstd_match::Job<'_>,
            effort: crate::kernel::zstd_match::optimal::Effort,
            scratch: &mut [u64],
            parse: crate::kernel::zstd_match::Parse<'_>,
        ) -> crate::kernel::zstd_match::Found {
            // SAFETY: this shell enables the features of the instruction set (I).
            unsafe { crate::kernel::zstd_match::optimal::find::<$isa>(job, effort, scratch, parse) }
        }
        /// The optimal finder.
        pub const MATCH_OPTIMAL: crate::kernel::table::ZstdMatchOptimal = match_optimal;
    };
}
pub(crate) use instantiate_zstd_optimal;
