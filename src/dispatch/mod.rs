//! L3: the safe seam between formats and kernels: a table chosen once, and safe calls through it.

use crate::arch;
use crate::base::cpu::is_preferred;
use crate::base::{Backend, Error};
use crate::kernel::lz4_encode::lanes::Pace;
use crate::kernel::lz4_encode::{History, chain};
use crate::kernel::phases::{Moment, Phase};
use crate::kernel::table::Kernels;
use crate::kernel::zstd_encode::{literals, sequences};
use crate::kernel::zstd_fse::{Alphabet, Flaw, Own};
pub use crate::kernel::zstd_huff_decode::Streams;
use crate::kernel::zstd_match::dense::DenseTables;
use crate::kernel::zstd_match::lanes::Pace as MatchPace;
use crate::kernel::zstd_match::{Found, Job, Parse, optimal};
pub use crate::kernel::zstd_seq_decode::Sequences;

/// A kernel table, and whether this CPU runs it.
type Entry = (&'static Kernels, fn() -> bool);

/// The kernel tables of this target, best first. A backend may have several.
static TABLES: &[Entry] = &[
    #[cfg(target_arch = "x86_64")]
    (&arch::x86_64::avx512::VBMI2_KERNELS, crate::base::cpu::has_vbmi2),
    #[cfg(target_arch = "x86_64")]
    (&arch::x86_64::avx512::KERNELS, || Backend::Avx512.is_supported()),
    #[cfg(target_arch = "x86_64")]
    (&arch::x86_64::avx2::KERNELS, || Backend::Avx2.is_supported()),
    #[cfg(target_arch = "aarch64")]
    (&arch::aarch64::neon::KERNELS, || Backend::Neon.is_supported()),
    #[cfg(target_arch = "x86_64")]
    (&arch::x86_64::bmi2::KERNELS, arch::x86_64::bmi2::is_fast),
    (&arch::scalar::KERNELS, || true),
];

/// A kernel table that this CPU runs: holding one is the proof.
#[derive(Clone, Copy)]
pub struct Table(&'static Kernels);

impl Table {
    /// Every table that this CPU runs, best first.
    pub fn all() -> impl Iterator<Item = Table> {
        TABLES.iter().filter(|(_, runs)| runs()).map(|&(kernels, _)| Table(kernels))
    }

    /// Returns the table of callers who name no backend: the best one that is preferred.
    pub fn best() -> Table {
        Table::all().find(|table| is_preferred(table.backend())).unwrap_or(Table(&arch::scalar::KERNELS))
    }

    /// Returns the best table of one backend, or `None` if this CPU or build lacks it.
    pub fn of(backend: Backend) -> Option<Table> {
        Table::all().find(|table| table.backend() == backend)
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
    pub fn zstd_huff_decode(
        self,
        table: &[u16],
        log: u32,
        streams: Streams,
        src: &[u8],
        at: usize,
        dst: &mut [u8],
    ) -> bool {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_huff_decode)(table, log, streams, src, at, dst) }
    }

    /// Reads the description of a table of sequences at the beginning of `src`, makes it, and returns its length.
    ///
    /// # Errors
    /// What is wrong with it: [`Own::read`].
    pub fn zstd_fse_read(self, own: &mut Own<'_>, alphabet: &Alphabet, src: &[u8]) -> Result<usize, Flaw> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_fse_read)(own, alphabet, src) }
    }

    /// Reads the description of a Huffman tree at the beginning of `src`, makes its table, and returns the log of that and
    /// the length of the description.
    ///
    /// # Errors
    /// What is wrong with it: [`crate::kernel::zstd_tree::read`].
    pub fn zstd_tree_read(self, src: &[u8], table: &mut [u16]) -> Result<(u32, usize), Flaw> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_tree_read)(src, table) }
    }

    /// Decodes and executes the sequences of a block; returns where it ends in `dst`.
    ///
    /// # Errors
    /// `NoSpace` or `Corrupt`, see [`crate::kernel::zstd_seq_decode::execute`].
    pub fn zstd_seq_decode(self, job: &mut Sequences, dst: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_seq_decode)(job, dst) }
    }

    /// Parses a block with one table of `key`-byte hashes: [`crate::kernel::zstd_match::fast::fast`].
    pub fn zstd_match_fast(self, job: &Job<'_>, key: u32, table: &mut [u16], parse: Parse<'_>) -> Found {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_match_fast)(job, key, table, parse) }
    }

    /// Parses a block in lanes: [`crate::kernel::zstd_match::lanes::find`], for backends with vectors.
    ///
    /// # Panics
    /// If this is not one.
    pub fn zstd_match_lanes(self, job: &Job<'_>, pace: MatchPace, scratch: &mut [u64], parse: Parse<'_>) -> Found {
        let find = self.0.zstd_match_lanes.expect("a backend with vectors");
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { find(job, pace, scratch, parse) }
    }

    /// Parses a block at the least cost: [`crate::kernel::zstd_match::optimal::find`].
    pub fn zstd_match_optimal(
        self,
        job: &Job<'_>,
        effort: optimal::Effort,
        scratch: &mut [u64],
        parse: Parse<'_>,
    ) -> Found {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_match_optimal)(job, effort, scratch, parse) }
    }

    /// Parses a block with two tables, lazily: [`crate::kernel::zstd_match::dense::dense`].
    pub fn zstd_match_dense(self, job: &Job<'_>, tables: DenseTables<'_>, parse: Parse<'_>) -> Found {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_match_dense)(job, tables, parse) }
    }

    /// Writes the literals section of a block: [`crate::kernel::zstd_encode::literals::write`].
    pub fn zstd_literals(
        self,
        effort: literals::Effort,
        literals: &[u8],
        prior: Option<&[u16; 256]>,
        codes: &mut [u16; 256],
        dst: &mut [u8],
    ) -> literals::Section {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.zstd_literals)(effort, literals, prior, codes, dst) }
    }

    /// Writes the sequences section of a block, as far as it fits: [`crate::kernel::zstd_encode::sequences::write`], then the bit stream,
    /// [`crate::kernel::zstd_seq_encode::encode`].
    pub fn zstd_sequences(self, job: &mut sequences::Job<'_>, dst: &mut [u8]) -> sequences::Section {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        let mut section = unsafe { (self.0.zstd_sequences)(job, dst) };
        let (codes, extra) = (&job.codes[..job.count], &job.sequences[..job.count]);
        if let (false, Some(rest)) = (codes.is_empty(), dst.get_mut(section.len..)) {
            let moment = Moment::now();
            // SAFETY: likewise (I). The tables were made for these codes, and have a place for each; their extra bits are those of
            // sequences that `pack` made.
            section.len += unsafe { (self.0.zstd_bits)(&job.slots.tables, codes, extra, rest) };
            moment.ends(Phase::Sequences);
        }
        section
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

    /// [`crate::kernel::lz4_encode::lanes::encode`], for backends with vectors.
    ///
    /// # Panics
    /// If this is not one.
    pub fn lz4_encode_lanes(self, scratch: &mut [u64], pace: Pace, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        let encode = self.0.lz4_encode_lanes.expect("a backend with vectors");
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { encode(scratch, pace, src, dst) }
    }

    /// [`crate::kernel::lz4_encode::dense::encode`].
    pub fn lz4_encode_dense(
        self,
        scratch: &mut [u64],
        ahead: bool,
        history: Option<History<'_>>,
        src: &[u8],
        dst: &mut [u8],
    ) -> Option<usize> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.lz4_encode_dense)(scratch, ahead, history, src, dst) }
    }

    /// [`crate::kernel::lz4_encode::chain::encode`].
    pub fn lz4_encode_chain(
        self,
        scratch: &mut [u64],
        effort: chain::Effort,
        history: History<'_>,
        src: &[u8],
        dst: &mut [u8],
    ) -> Option<usize> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.lz4_encode_chain)(scratch, effort, history, src, dst) }
    }

    /// [`crate::kernel::lz4_encode::optimal::encode`].
    pub fn lz4_encode_optimal(self, scratch: &mut [u64], ways: usize, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.lz4_encode_optimal)(scratch, ways, src, dst) }
    }

    /// [`crate::kernel::lz4_decode::decode`].
    pub fn lz4_decode(self, dict: &[u8], src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.lz4_decode)(dict, src, dst) }
    }

    /// [`crate::kernel::tzp_encode::encode`] with 2, 3, 4 or 8 candidates for `effort` 0 to 3.
    pub fn tzp_encode(
        self,
        effort: usize,
        scratch: &mut [u64],
        enough: usize,
        unit: &[u8],
        page: usize,
        dst: &mut [u8],
    ) -> Option<usize> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.tzp_encode[effort])(scratch, enough, unit, page, dst) }
    }

    /// [`crate::kernel::tzp_decode::decode`].
    pub fn tzp_decode(self, src: &[u8], unit: &mut [u8], page: usize) -> Result<(), Error> {
        // SAFETY: `self` exists only where the CPU runs the table (I).
        unsafe { (self.0.tzp_decode)(src, unit, page) }
    }

    /// Restores two units of one page, in one loop where that is faster: what [`Table::tzp_decode`] says of each, and makes of it.
    pub fn tzp_decode_two(self, src: [&[u8]; 2], units: [&mut [u8]; 2]) -> [Result<(), Error>; 2] {
        let [first, second] = units;
        if let Some(decode_two) = self.0.tzp_decode_two {
            // SAFETY: `self` exists only where the CPU runs the table (I).
            if unsafe { decode_two(src, [&mut *first, &mut *second]) } {
                return [Ok(()); 2];
            }
        }
        [self.tzp_decode(src[0], first, 0), self.tzp_decode(src[1], second, 0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_table_is_the_first_supported_one() {
        let backends: Vec<Backend> = Table::all().map(Table::backend).collect();
        let supported: Vec<Backend> = Backend::ALL.into_iter().filter(|backend| backend.is_supported()).collect();
        let preferred = supported.iter().copied().find(|&backend| is_preferred(backend));
        assert_eq!(Some(Table::best().backend()), preferred);
        // In the order of detection, each at least once.
        assert!(backends.is_sorted_by_key(|backend| supported.iter().position(|other| other == backend)));
        assert!(supported.iter().all(|backend| backends.contains(backend)));
    }

    #[test]
    fn same_fill_agrees_with_a_byte_loop_wherever_one_byte_differs() {
        for table in Table::all() {
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

    /// Numbers that repeat from run to run (Knuth's MMIX generator, upper bits).
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) as usize % bound
        }
    }

    /// Two pages of words that resemble earlier ones in some of their bytes, more of them the smaller `noise` is.
    fn two_pages(random: &mut Random, noise: usize) -> Vec<u8> {
        let mut unit = vec![0; 8192];
        for at in (0..unit.len()).step_by(8) {
            let from = at.saturating_sub(8 * (1 + random.below(300)));
            unit.copy_within(from..from + 8, at);
            for byte in &mut unit[at..at + 8] {
                if random.below(100) < noise {
                    *byte = random.below(256) as u8;
                }
            }
        }
        unit
    }

    /// A block of random sequences, and what a byte loop makes of it.
    fn lz4_block(random: &mut Random, near: bool) -> (Vec<u8>, Vec<u8>) {
        let (mut block, mut page) = (vec![], vec![]);
        let long = |random: &mut Random, usual: usize| match random.below(12) {
            0 => 15 + random.below(60),
            1 if usual > 4 => 250 + random.below(40),
            _ => random.below(usual),
        };
        let extend = |block: &mut Vec<u8>, len: usize| {
            if len >= 15 {
                block.extend(vec![255; (len - 15) / 255]);
                block.push(((len - 15) % 255) as u8);
            }
        };
        while page.len() < 3500 {
            let literals = long(random, 4).max(usize::from(page.is_empty()));
            let matched = long(random, 15);
            block.push((16 * literals.min(15) + matched.min(15)) as u8);
            extend(&mut block, literals);
            for _ in 0..literals {
                let byte = random.below(256) as u8;
                block.push(byte);
                page.push(byte);
            }
            let reach = page.len();
            let offset = 1 + random.below(if near { reach.min(40) } else { reach });
            block.extend((offset as u16).to_le_bytes());
            extend(&mut block, matched);
            for _ in 0..matched + 4 {
                page.push(page[page.len() - offset]);
            }
        }
        let end = 12 + random.below(3);
        block.push(16 * end as u8);
        for _ in 0..end {
            block.push(7);
            page.push(7);
        }
        (block, page)
    }

    #[test]
    fn every_table_reads_lz4_blocks_and_damaged_ones_like_scalar() {
        let scalar = Table::of(Backend::Scalar).expect("a table of every target");
        let mut random = Random(3);
        for round in 0..150 {
            let (mut block, page) = lz4_block(&mut random, round % 2 == 0);
            for damage in 0..6 {
                let result = |table: Table| {
                    let mut back = vec![0xA5; page.len()];
                    table.lz4_decode(&[], &block, &mut back).map(|len| back[..len].to_vec())
                };
                let wanted = result(scalar);
                if damage == 0 {
                    assert_eq!(wanted.as_ref(), Ok(&page));
                }
                for table in Table::all() {
                    assert_eq!(result(table), wanted, "{} round {round}", table.backend().name());
                }
                let at = random.below(block.len());
                if damage == 4 {
                    block.truncate(at.max(1));
                } else {
                    block[at] ^= 1 << random.below(8);
                }
            }
        }
    }

    #[test]
    fn every_table_writes_the_lz4_blocks_of_portable_code() {
        let scalar = Table::of(Backend::Scalar).expect("a table of every target");
        let mut random = Random(2);
        let mut scratch = vec![u64::MAX; crate::kernel::lz4_encode::lanes::words(usize::MAX, Pace::Pairs)];
        for round in 0..60 {
            let mut unit = two_pages(&mut random, round % 60);
            unit.truncate([4096, 8192, 4096 + 77, 5000, 60 + round, 4095][round % 6]);
            for pace in [
                Pace::Every,
                Pace::Second,
                Pace::Fourth,
                Pace::FourthLong,
                Pace::Pairs,
                Pace::PairsAhead,
                Pace::PairsAll,
            ] {
                let mut block = |table: Table| {
                    let mut dst = vec![0; unit.len() * 2];
                    let len = table.lz4_encode_lanes(&mut scratch, pace, &unit, &mut dst).expect("room");
                    dst.truncate(len);
                    dst
                };
                let wanted = block(scalar);
                let mut back = vec![0; unit.len()];
                assert_eq!(scalar.lz4_decode(&[], &wanted, &mut back), Ok(unit.len()));
                assert_eq!(back, unit);
                for table in Table::all() {
                    assert_eq!(block(table), wanted, "{} round {round} {pace:?}", table.backend().name());
                }
            }
        }
    }

    #[test]
    fn every_table_finds_the_zstd_sequences_of_portable_code() {
        use crate::kernel::zstd_match::{LITERALS_SLACK, MIN_MATCH, lanes};
        let scalar = Table::of(Backend::Scalar).expect("a table of every target");
        const LONG: usize = lanes::LONG + 5000;
        type Find<'f> = dyn Fn(Table, &Job<'_>, &mut [u64], Parse<'_>) -> Found + 'f;
        let mut random = Random(3);
        let mut scratch = vec![u64::MAX; lanes::words(LONG, MatchPace::Pairs).max(optimal::words(LONG, 8))];
        let paces = [
            MatchPace::SecondPlain,
            MatchPace::Second,
            MatchPace::Every,
            MatchPace::EveryAhead,
            MatchPace::Pairs,
            MatchPace::PairsAhead,
        ];
        for round in 0..60 {
            let mut unit = two_pages(&mut random, round % 60);
            if round % 7 == 6 {
                while unit.len() < LONG {
                    unit.extend(two_pages(&mut random, (round + unit.len()) % 60));
                }
            }
            unit.truncate([4096, 8192, 4096 + 77, 5000, 60 + round, 4095, LONG][round % 7]);
            let mut check = |name: &str, find: &Find<'_>| {
                let mut found = |table: Table| {
                    let mut sequences = vec![0; unit.len() / MIN_MATCH + 1];
                    let mut literals = vec![0; unit.len() + LITERALS_SLACK];
                    let job = Job { src: &unit, start: 0, end: unit.len(), repeats: [1, 4, 8], step: 1, history: None };
                    let parse = Parse { sequences: &mut sequences, literals: &mut literals };
                    let found = find(table, &job, &mut scratch, parse);
                    sequences.truncate(found.sequences);
                    literals.truncate(found.literals);
                    (sequences, literals)
                };
                let wanted = found(scalar);
                for table in Table::all() {
                    assert!(found(table) == wanted, "{} round {round} {name}", table.backend().name());
                }
            };
            for pace in paces {
                check(&format!("{pace:?}"), &|table, job, scratch, parse| {
                    table.zstd_match_lanes(job, pace, scratch, parse)
                });
            }
            for (ways, passes, enough) in [(4, 1, 8), (4, 1, 32), (8, 2, 32)] {
                check(&format!("{ways} ways"), &|table, job, scratch, parse| {
                    table.zstd_match_optimal(job, optimal::Effort { ways, passes, enough }, scratch, parse)
                });
            }
        }
    }

    #[test]
    fn every_table_writes_the_optimal_lz4_blocks_of_scalar() {
        let scalar = Table::of(Backend::Scalar).expect("a table of every target");
        let mut random = Random(2);
        let mut scratch = vec![
            u64::MAX;
            crate::kernel::lz4_encode::optimal::words(8192, 2)
                .max(crate::kernel::lz4_encode::optimal::words(8192, 8))
        ];
        for round in 0..60 {
            let mut unit = two_pages(&mut random, round % 30);
            if round % 3 == 1 {
                let period = 1 + random.below(70);
                (1024 + period..3072).for_each(|at| unit[at] = unit[at - period]);
            }
            unit.truncate(if round % 4 == 0 { 8192 } else { 4096 - random.below(200) });
            for ways in [2, 4, 8] {
                let mut block = |table: Table| {
                    let mut dst = vec![0; 8192 + 64];
                    let len =
                        table.lz4_encode_optimal(&mut scratch, ways, &unit, &mut dst).expect("room for any block");
                    dst.truncate(len);
                    dst
                };
                let wanted = block(scalar);
                let mut back = vec![0; unit.len()];
                assert_eq!(scalar.lz4_decode(&[], &wanted, &mut back), Ok(unit.len()));
                assert!(back == unit, "round {round} {ways} ways");
                for table in Table::all() {
                    assert!(block(table) == wanted, "{} round {round} {ways} ways", table.backend().name());
                }
            }
        }
    }

    fn pair_like_singles(blocks: [&[u8]; 2]) {
        for table in Table::all() {
            let [mut first, mut second] = [(); 2].map(|()| vec![0xA5; 4096]);
            let results = table.tzp_decode_two(blocks, [&mut first, &mut second]);
            for ((block, result), back) in blocks.into_iter().zip(results).zip([first, second]) {
                let mut wanted = vec![0xA5; 4096];
                assert_eq!(result, table.tzp_decode(block, &mut wanted, 0), "{}", table.backend().name());
                assert!(result.is_err() || back == wanted, "{}", table.backend().name());
            }
        }
    }

    #[test]
    fn every_table_writes_the_tzp_blocks_of_scalar_and_reads_them_and_damaged_ones_alike() {
        let scalar = Table::of(Backend::Scalar).expect("a table of every target");
        let mut random = Random(1);
        let mut scratch = vec![u64::MAX; crate::kernel::tzp_encode::SCRATCH];
        // The block before, damaged or not.
        let mut other = Vec::new();
        for round in 0..120 {
            let unit = two_pages(&mut random, round % 60);
            for effort in 0..4 {
                // The second page's tables are those of the first.
                let mut blocks = |table: Table| {
                    [0, 1].map(|page| {
                        let mut dst = vec![0; 4095];
                        let len = table.tzp_encode(effort, &mut scratch, 4096, &unit, page, &mut dst);
                        dst.truncate(len.unwrap_or(0));
                        dst
                    })
                };
                let wanted = blocks(scalar);
                for table in Table::all() {
                    assert_eq!(blocks(table), wanted, "{} round {round} effort {effort}", table.backend().name());
                }
                for (page, mut block) in wanted.into_iter().enumerate() {
                    for damage in 0..6 {
                        let result = |table: Table| {
                            let mut back = unit.clone();
                            back[4096 * page..][..4096].fill(0xA5);
                            table.tzp_decode(&block, &mut back, page).map(|()| back)
                        };
                        let wanted = result(scalar);
                        if damage == 0 && !block.is_empty() {
                            assert_eq!(wanted.as_ref(), Ok(&unit));
                        }
                        for table in Table::all() {
                            assert_eq!(result(table), wanted, "{} round {round}", table.backend().name());
                        }
                        if page == 0 {
                            pair_like_singles([&block, &other]);
                            pair_like_singles([&other, &block]);
                            other.clone_from(&block);
                        }
                        if let Some(last) = block.len().checked_sub(1) {
                            // Most of it in the codes, offsets and flags.
                            let at = last - random.below(200.min(block.len()));
                            block[at] ^= 1 << random.below(8);
                        }
                    }
                }
            }
        }
    }
}
