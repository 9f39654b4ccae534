//! L3: the safe seam between formats and kernels: a table chosen once, and safe calls through it.

use crate::arch;
use crate::base::{Backend, Error};
use crate::kernel::lz4_encode::{History, chain};
use crate::kernel::table::Kernels;
pub use crate::kernel::zstd_huff_decode::Streams;
use crate::kernel::zstd_match::{DenseTables, Found, Job, Parse};
pub use crate::kernel::zstd_seq_decode::Sequences;
use crate::kernel::zstd_seq_encode::{Codes, SeqTable};

/// The kernel tables of this target, best first.
static TABLES: &[&Kernels] = &[
    #[cfg(target_arch = "x86_64")]
    &arch::x86_64::avx512::KERNELS,
    #[cfg(target_arch = "x86_64")]
    &arch::x86_64::avx2::KERNELS,
    #[cfg(target_arch = "aarch64")]
    &arch::aarch64::neon::KERNELS,
    &arch::scalar::KERNELS,
];

/// A kernel table that this CPU runs: holding one is the proof.
#[derive(Clone, Copy)]
pub struct Table(&'static Kernels);

impl Table {
    /// Returns the best table of this CPU.
    pub fn best() -> Table {
        let found = TABLES.iter().find(|table| table.backend.is_supported());
        Table(found.copied().unwrap_or(&arch::scalar::KERNELS))
    }

    /// Returns the table of one backend, or `None` if this CPU or build lacks it.
    pub fn of(backend: Backend) -> Option<Table> {
        let found = TABLES.iter().find(|table| table.backend == backend && backend.is_supported());
        found.copied().map(Table)
    }

    /// The instruction set of this table.
    pub fn backend(self) -> Backend {
        self.0.backend
    }

    /// Returns the 8-byte word that `page` repeats, if it repeats one.
    ///
    /// The length is a page size (a multiple of 512 bytes).
    pub fn same_fill(self, page: &[u8]) -> Option<u64> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.same_fill)(page) }
    }

    /// Fills `page`, whose length is a page size, with `word`.
    pub fn fill(self, page: &mut [u8], word: u64) {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.fill)(page, word) }
    }

    /// Adds the number of times each byte value occurs in `src` to `counts`.
    pub fn histogram(self, src: &[u8], counts: &mut [u32; 256]) {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.histogram)(src, counts) }
    }

    /// Fills `dst` with Huffman-coded literals; `false` if `src` is damaged.
    ///
    /// See [`crate::kernel::zstd_huff_decode::decode`].
    pub fn zstd_huff_decode(self, table: &[u16], log: u32, streams: Streams, src: &[u8], dst: &mut [u8]) -> bool {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_huff_decode)(table, log, streams, src, dst) }
    }

    /// Decodes and executes the sequences of a block; returns where it ends in `dst`.
    ///
    /// # Errors
    /// `NoSpace` or `Corrupt`, see [`crate::kernel::zstd_seq_decode::execute`].
    pub fn zstd_seq_decode(self, job: &mut Sequences, dst: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_seq_decode)(job, dst) }
    }

    /// Parses a block with one table of `key`-byte hashes: [`crate::kernel::zstd_match::fast`].
    pub fn zstd_match_fast(self, job: &Job<'_>, key: u32, table: &mut [u16], parse: Parse<'_>) -> Found {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_match_fast)(job, key, table, parse) }
    }

    /// Parses a block with two tables, lazily: [`crate::kernel::zstd_match::dense`].
    pub fn zstd_match_dense(self, job: &Job<'_>, tables: DenseTables<'_>, parse: Parse<'_>) -> Found {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_match_dense)(job, tables, parse) }
    }

    /// Returns the length of one Huffman stream: [`crate::kernel::zstd_huff_encode::one_stream`].
    pub fn zstd_huff_encode_one(self, src: &[u8], codes: &[u16; 256], dst: &mut [u8]) -> usize {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_huff_encode_one)(src, codes, dst) }
    }

    /// Returns the length of four Huffman streams: [`crate::kernel::zstd_huff_encode::four_streams`].
    pub fn zstd_huff_encode_four(self, src: &[u8], codes: &[u16; 256], dst: &mut [u8]) -> usize {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_huff_encode_four)(src, codes, dst) }
    }

    /// Turns sequences into codes and extra bits: [`crate::kernel::zstd_seq_encode::codes`].
    pub fn zstd_seq_codes(self, sequences: &mut [u64], codes: &mut Codes<'_>, repeats: &mut [u32; 3]) {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_seq_codes)(sequences, codes, repeats) }
    }

    /// Returns the length of the bit stream of a block's sequences: [`crate::kernel::zstd_seq_encode::encode`].
    pub fn zstd_seq_encode(
        self,
        tables: &[SeqTable<'_>; 3],
        [ll, of, ml]: [&[u8]; 3],
        extra: &[u64],
        dst: &mut [u8],
    ) -> usize {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_seq_encode)(tables, ll, of, ml, extra, dst) }
    }

    /// [`crate::kernel::lz4_encode::fast::encode`].
    pub fn lz4_encode_fast(
        self,
        scratch: &mut [u64],
        acceleration: u32,
        history: Option<History<'_>>,
        src: &[u8],
        dst: &mut [u8],
    ) -> Option<usize> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.lz4_encode_fast)(scratch, acceleration, history, src, dst) }
    }

    /// [`crate::kernel::lz4_encode::dense::encode`].
    pub fn lz4_encode_dense(
        self,
        scratch: &mut [u64],
        history: Option<History<'_>>,
        src: &[u8],
        dst: &mut [u8],
    ) -> Option<usize> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.lz4_encode_dense)(scratch, (), history, src, dst) }
    }

    /// [`crate::kernel::lz4_encode::chain::encode`].
    pub fn lz4_encode_chain(
        self,
        scratch: &mut [u64],
        effort: chain::Effort,
        history: Option<History<'_>>,
        src: &[u8],
        dst: &mut [u8],
    ) -> Option<usize> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.lz4_encode_chain)(scratch, effort, history, src, dst) }
    }

    /// [`crate::kernel::lz4_encode::optimal::encode`].
    pub fn lz4_encode_optimal(
        self,
        scratch: &mut [u64],
        depth: u32,
        history: Option<History<'_>>,
        src: &[u8],
        dst: &mut [u8],
    ) -> Option<usize> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.lz4_encode_optimal)(scratch, depth, history, src, dst) }
    }

    /// [`crate::kernel::lz4_decode::decode`].
    pub fn lz4_decode(self, dict: &[u8], src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.lz4_decode)(dict, src, dst) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every table that this CPU runs.
    fn tables() -> Vec<Table> {
        Backend::ALL.into_iter().filter_map(Table::of).collect()
    }

    #[test]
    fn the_best_table_is_the_first_supported_one() {
        assert_eq!(Table::best().backend(), tables()[0].backend());
        assert!(tables().iter().any(|t| t.backend() == Backend::Scalar));
    }

    #[test]
    fn same_fill_agrees_with_a_byte_loop_wherever_one_byte_differs() {
        for table in tables() {
            for len in [4096usize, 65536] {
                let mut page = vec![0u8; len + 3];
                for start in 0..3 {
                    let page = &mut page[start..start + len];
                    for word in [0, u64::MAX, 0x0807_0605_0403_0201, 0x1111_1111_1111_1111] {
                        table.fill(page, word);
                        assert!(page.chunks_exact(8).all(|w| w == word.to_le_bytes()), "{}", table.backend().name());
                        assert_eq!(table.same_fill(page), Some(word));
                    }
                    for at in (0..len).step_by(if len == 4096 { 1 } else { 97 }) {
                        page[at] ^= 0x10;
                        assert_eq!(table.same_fill(page), None, "{} byte {at}", table.backend().name());
                        page[at] ^= 0x10;
                    }
                }
            }
        }
    }
}
