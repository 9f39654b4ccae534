//! The encoder against libzstd, which must restore every frame.

use super::dict::Dict;
use super::encode::{bound, compress, encode_words};
use super::{Format, MAX_LEVEL, MIN_LEVEL};
use crate::base::format::zstd::{DICT_MAGIC, MAGIC};
use crate::base::format::zstd_presets;
use crate::base::{Backend, Error};
use crate::dispatch::Table;
use crate::kernel::arena::Arena;
use crate::kernel::zstd_encode::codes::GROUP;
use crate::kernel::zstd_encode::fse::{self, Counts, mask_of};
use crate::kernel::zstd_encode::sequences::{self, Slots};
use crate::kernel::zstd_encode::tree;
use crate::kernel::zstd_match::MIN_MATCH;
use crate::kernel::zstd_seq_encode::{DISTANCE_LIMIT, pack};
use std::collections::BTreeSet;
use zstd_sys::ZSTD_dParameter::ZSTD_d_experimentalParam1 as ZSTD_D_FORMAT;

/// More in optimised builds, where the time is a hundredth.
const CASES: u64 = if cfg!(debug_assertions) { 1_500 } else { 60_000 };

/// How many levels there are.
const LEVELS: u64 = (MAX_LEVEL - MIN_LEVEL + 1) as u64;

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Runs, copies from earlier places, skewed and even bytes, words with a stride, in any mixture.
    fn structured(&mut self, len: usize) -> Vec<u8> {
        let mut data = Vec::with_capacity(len + 64);
        let kinds = 1 + self.below(7);
        let far = 1 + self.below(len);
        let mut stride = 1 + self.below(24);
        while data.len() < len {
            let most = [4, 12, 40, 300, 3000][self.below(5)];
            let piece = 1 + self.below(most);
            match self.below(kinds) {
                0 => {
                    let bits = 1 + self.below(8);
                    for _ in 0..piece {
                        let byte = (self.next() & self.next() & ((1 << bits) - 1)) as u8;
                        data.push(byte);
                    }
                }
                1 if !data.is_empty() => {
                    let back = 1 + self.below(far.min(data.len()));
                    (0..piece).for_each(|_| data.push(data[data.len() - back]));
                }
                2 => data.resize(data.len() + piece, self.next() as u8),
                3 if data.len() > stride => {
                    for i in 0..piece {
                        let byte = data[data.len() - stride];
                        data.push(if i % 11 == 7 { self.next() as u8 } else { byte });
                    }
                }
                4 => stride = 1 + self.below(60),
                5 => (0..piece).for_each(|_| data.push(self.next() as u8)),
                _ => data.extend_from_slice(&(0x7f00_1122_0000u64 + self.next() % 4096 * 16).to_le_bytes()),
            }
        }
        data.truncate(len);
        data
    }
}

fn encode(level: i32, dict: Option<&Dict>, format: Format, src: &[u8]) -> Vec<u8> {
    let mut scratch = vec![0x0123_4567_89ab_cdef; encode_words(src.len(), level)];
    let mut dst = vec![0; bound(src.len())];
    let len = compress(Table::best(), &mut scratch, level, dict, format, src, &mut dst).unwrap();
    dst.truncate(len);
    dst
}

/// libzstd's decoder; `dict` empty for none.
pub fn decode(frame: &[u8], len: usize, dict: &[u8], format: Format) -> Result<Vec<u8>, String> {
    let mut out = vec![0u8; len + 1];
    // SAFETY: plain calls of the C library on buffers that live here; the context is freed once.
    unsafe {
        let ctx = zstd_sys::ZSTD_createDCtx();
        zstd_sys::ZSTD_DCtx_setParameter(ctx, ZSTD_D_FORMAT, i32::from(format == Format::Magicless));
        zstd_sys::ZSTD_DCtx_loadDictionary(ctx, dict.as_ptr().cast(), dict.len());
        let got =
            zstd_sys::ZSTD_decompressDCtx(ctx, out.as_mut_ptr().cast(), out.len(), frame.as_ptr().cast(), frame.len());
        zstd_sys::ZSTD_freeDCtx(ctx);
        if zstd_sys::ZSTD_isError(got) != 0 {
            let name = std::ffi::CStr::from_ptr(zstd_sys::ZSTD_getErrorName(got));
            return Err(name.to_string_lossy().into_owned());
        }
        out.truncate(got);
    }
    Ok(out)
}

/// Encodes and has libzstd decode; returns the frame.
fn check(level: i32, src: &[u8]) -> Vec<u8> {
    let frame = encode(level, None, Format::Standard, src);
    let back = decode(&frame, src.len(), &[], Format::Standard);
    assert!(back.as_deref() == Ok(src), "level {level}, {} bytes: {:?}", src.len(), back.err());
    frame
}

/// What occurs in a frame: block types, literals types with their size formats, modes of the three tables.
#[derive(Default)]
struct Census {
    blocks: BTreeSet<u8>,
    literals: BTreeSet<(u8, u8)>,
    modes: [BTreeSet<u8>; 3],
    /// Whether Huffman weights came directly (0) or coded by FSE (1).
    weights: BTreeSet<u8>,
}

impl Census {
    fn add(&mut self, frame: &[u8]) {
        assert_eq!(frame[..4], MAGIC.to_le_bytes());
        let single = frame[4] >> 5 & 1;
        let size_len = [usize::from(single), 2, 4, 8][usize::from(frame[4] >> 6)];
        let mut at = 5 + usize::from(1 - single) + [0, 1, 2, 4][usize::from(frame[4] & 3)] + size_len;
        loop {
            let header = u32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], 0]);
            let (kind, size) = ((header >> 1 & 3) as u8, (header >> 3) as usize);
            at += 3;
            self.blocks.insert(kind);
            let stored = if kind == 1 { 1 } else { size };
            if kind == 2 {
                self.add_block(&frame[at..at + size]);
            }
            at += stored;
            if header & 1 != 0 {
                assert_eq!(at, frame.len());
                return;
            }
        }
    }

    fn add_block(&mut self, block: &[u8]) {
        let (kind, format) = (block[0] & 3, block[0] >> 2 & 3);
        let mut word = [0; 8];
        let n = block.len().min(8);
        word[..n].copy_from_slice(&block[..n]);
        let word = u64::from_le_bytes(word) as usize;
        let skip = if kind < 2 {
            let (header, size) = match format {
                0 | 2 => (1, word >> 3 & 0x1f),
                1 => (2, word >> 4 & 0xfff),
                _ => (3, word >> 4 & 0xfffff),
            };
            self.literals.insert((kind, header));
            usize::from(header) + if kind == 1 { 1 } else { size }
        } else {
            let (header, bits) = [(3, 10), (3, 10), (4, 14), (5, 18)][usize::from(format)];
            self.literals.insert((kind, format));
            if kind == 2 {
                self.weights.insert(u8::from(block[header] < 128));
            }
            header + (word >> (4 + bits) & ((1 << bits) - 1))
        };
        let rest = &block[skip..];
        let at = match rest[0] {
            0 => return,
            1..128 => 1,
            128..255 => 2,
            255 => 3,
        };
        for (kind, modes) in self.modes.iter_mut().enumerate() {
            modes.insert(rest[at] >> (6 - 2 * kind) & 3);
        }
    }
}

/// A dictionary in Zstandard's format, written with the parts of the encoder that describe tables.
fn formatted_dictionary(content: &[u8]) -> Vec<u8> {
    let mut counts = [1u32; 256];
    content.iter().for_each(|&b| counts[usize::from(b)] += 8);
    let (lengths, _) = tree::lengths(&counts, counts.iter().sum(), 11);
    let mut out = [DICT_MAGIC.to_le_bytes(), 0x1234_5678u32.to_le_bytes()].concat();
    let mut description = [0; tree::DESCRIPTION_MAX];
    let len = tree::describe(&lengths, 0, &mut description).unwrap();
    out.extend_from_slice(&description[..len]);
    let (mut of, mut ml, mut ll) = ([0i16; 32], [0i16; 53], [0i16; 36]);
    let falling = |n: usize| core::array::from_fn(|i| if i < n { 4000 / (i as u16 + 2).pow(2) + 1 } else { 0 });
    let mut tables: [(&mut [i16], u32, usize); 3] = [(&mut of, 7, 18), (&mut ml, 8, 53), (&mut ll, 8, 36)];
    for (norm, log, used) in &mut tables {
        let counts = falling(*used);
        let counts = Counts { of: counts, used: mask_of(&counts), total: counts.iter().map(|&c| u32::from(c)).sum() };
        let mut cells = [0; 64];
        fse::normalise(&counts, *log, &mut cells);
        norm.iter_mut().zip(cells).for_each(|(norm, n)| *norm = n as i16);
        // A probability below one takes the cell of a probability of one.
        let rare = norm.iter().rposition(|&n| n == 1).unwrap();
        norm[rare] = -1;
        let (header, len) = zstd_presets::description::<{ fse::HEADER_MAX }>(norm, *log);
        out.extend_from_slice(&header[..len]);
    }
    let repeats = [24u32, 100, 7];
    repeats.iter().for_each(|r| out.extend_from_slice(&r.to_le_bytes()));
    out.extend_from_slice(content);
    out
}

/// The pages of one corpus file.
fn corpus(path: &std::path::Path) -> Vec<u8> {
    decode(&std::fs::read(path).unwrap(), 384 * 4096, &[], Format::Standard).unwrap()
}

fn corpus_files() -> Vec<std::path::PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = names.filter(|path| path.extension().is_some_and(|e| e == "zst")).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn libzstd_restores_real_pages_and_higher_levels_are_never_larger() {
    let sample = if cfg!(debug_assertions) { 12 } else { 1 };
    let mut sums = [0usize; (MAX_LEVEL - MIN_LEVEL + 1) as usize];
    let mut reference = 0;
    for file in corpus_files() {
        for page in corpus(&file).chunks_exact(4096).step_by(sample) {
            if page[8..] == page[..4088] {
                continue;
            }
            for level in MIN_LEVEL..=MAX_LEVEL {
                sums[(level - MIN_LEVEL) as usize] += check(level, page).len().min(4096);
            }
            let mut dst = [0u8; 8192];
            // SAFETY: a plain call of the C library on buffers that live here.
            let len = unsafe {
                zstd_sys::ZSTD_compress(dst.as_mut_ptr().cast(), dst.len(), page.as_ptr().cast(), page.len(), 1)
            };
            reference += len.min(4096);
        }
    }
    assert_eq!(sums[(0 - MIN_LEVEL) as usize], sums[(1 - MIN_LEVEL) as usize]);
    assert!(sums.windows(2).all(|s| s[1] <= s[0]), "{sums:?}");
    assert!(sums[(1 - MIN_LEVEL) as usize] <= reference, "{sums:?}, libzstd level 1: {reference}");
}

#[test]
fn libzstd_restores_real_memory_in_larger_units() {
    for file in corpus_files().iter().step_by(if cfg!(debug_assertions) { 5 } else { 1 }) {
        let all = corpus(file);
        for level in MIN_LEVEL..=MAX_LEVEL {
            for unit in [8192, 16384, 32768, 65536] {
                let frame = check(level, &all[65536..65536 + unit]);
                assert!(frame.len() < unit);
            }
        }
        for level in [-5, -4, 1, 2, 3, 4, MAX_LEVEL] {
            check(level, &all);
        }
    }
}

#[test]
fn every_length_is_restored() {
    let mut rng = Rng(1);
    let even: Vec<u8> = (0..400).map(|_| rng.next() as u8).collect();
    let skewed: Vec<u8> = (0..400).map(|_| (rng.next() & rng.next() & rng.next() & 7) as u8).collect();
    let periodic: Vec<u8> = (0..400usize).map(|i| (i % 13) as u8).collect();
    let two: Vec<u8> = (0..400).map(|_| (rng.next() & 1) as u8).collect();
    for len in 0..=300 {
        for level in MIN_LEVEL..=MAX_LEVEL {
            for data in [&even, &skewed, &periodic, &two, &vec![7; 400]] {
                check(level, &data[..len]);
            }
        }
    }
}

#[test]
fn lengths_around_powers_of_two_are_restored() {
    let mut rng = Rng(2);
    for log in 9..=17 {
        for len in (1usize << log) - 2..=(1 << log) + 2 {
            let mixed = rng.structured(len);
            let flat: Vec<u8> = (0..len).map(|i| (i * 167 / 8) as u8).collect();
            let noise: Vec<u8> = (0..len).map(|_| rng.next() as u8).collect();
            for level in MIN_LEVEL..=MAX_LEVEL {
                check(level, &mixed);
                check(level, &flat);
                let frame = check(level, &noise);
                assert!(frame.len() <= bound(len) && frame.len() <= len + 24);
                assert!(check(level, &vec![0xee; len]).len() <= 30);
            }
        }
    }
}

#[test]
fn structured_data_is_restored_at_every_level_with_and_without_magic_number() {
    let mut rng = Rng(3);
    for case in 0..CASES {
        let len = rng.below([40, 300, 4096, 9000][case as usize / 9 % 4]);
        let data = rng.structured(len);
        let level = MIN_LEVEL + (case % LEVELS) as i32;
        let frame = check(level, &data);
        if case % 8 == 0 {
            let bare = encode(level, None, Format::Magicless, &data);
            assert_eq!(bare, frame[4..]);
            assert_eq!(decode(&bare, data.len(), &[], Format::Magicless), Ok(data));
        }
    }
}

#[test]
fn inputs_of_several_blocks_are_restored_across_raw_and_uniform_ones() {
    let mut rng = Rng(4);
    let mut census = Census::default();
    let rounds = if cfg!(debug_assertions) { 1 } else { 6 };
    for _ in 0..rounds {
        let mut data = Vec::new();
        for part in 0..24 {
            let len = 40_000 + rng.below(90_000);
            match part % 6 {
                1 => (0..len).for_each(|_| data.push(rng.next() as u8)),
                3 => data.resize(data.len() + len + 65536, 0x55),
                // Skewed bytes without matches, so that trees repeat.
                4 => (0..2 * len).for_each(|_| data.push((rng.next() & rng.next()) as u8)),
                // Records, so that repeated offsets and tables live on.
                5 => (0..len / 4).for_each(|i| data.extend_from_slice(&[i as u8, 1, 2, (rng.next() & 3) as u8, 9, 9])),
                _ => data.extend(rng.structured(len)),
            }
        }
        for level in MIN_LEVEL..=MAX_LEVEL {
            census.add(&check(level, &data));
        }
    }
    assert_eq!(census.blocks, BTreeSet::from([0, 1, 2]));
    assert!(census.literals.iter().any(|&(kind, _)| kind == 3), "treeless literals: {:?}", census.literals);
    assert!(census.modes.iter().all(|m| m.contains(&3)), "repeat modes: {:?}", census.modes);
}

#[test]
fn every_literals_type_and_every_table_mode_is_written() {
    let mut rng = Rng(5);
    let mut census = Census::default();
    for case in 0..1200usize {
        let len = [200, 900, 4096, 30_000][case % 4];
        let data = rng.structured(len);
        census.add(&check(1 + (case % 3) as i32, &data));
        // Skewed bytes without structure: literals of every size format.
        if case < 40 {
            let data: Vec<u8> = (0..len).map(|_| (rng.next() & rng.next() & rng.next()) as u8).collect();
            census.add(&check(1, &data));
        }
    }
    // One literal, one match length, one distance: each table has a single symbol.
    let mut words = Vec::new();
    for i in 0..200u8 {
        words.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, i]);
    }
    census.add(&check(1, &words));
    assert!(census.blocks.is_superset(&BTreeSet::from([0, 2])));
    for literals in [(0, 1), (0, 2), (0, 3), (2, 0), (2, 1), (2, 2), (2, 3)] {
        assert!(census.literals.contains(&literals), "{literals:?} of {:?}", census.literals);
    }
    assert_eq!(census.weights, BTreeSet::from([0, 1]));
    for modes in census.modes {
        assert!(modes.is_superset(&BTreeSet::from([0, 1, 2])), "{modes:?}");
    }
}

#[test]
fn every_table_writes_the_sequences_section_of_scalar() {
    let mut rng = Rng(77);
    // Few distances, so that they repeat; many; any.
    let distances = [6, 300, DISTANCE_LIMIT as usize - 1];
    let lengths: Vec<u64> = (MIN_MATCH as u32..=1 << 16).map(|len| pack((1 << 16) - len, len, 7)).collect();
    let mut lengths = lengths.chunks(3000);
    for case in 0..CASES / 20 {
        let far = distances[rng.below(3)];
        let most = if case % 5 == 4 { 1 << 16 } else { 200 };
        let random: Vec<u64> = (0..1 + rng.below([12, 300, 3000][case as usize % 3]))
            .map(|_| {
                let literals = (rng.below(most) & rng.below(most)).min((1 << 16) - MIN_MATCH);
                let len = (MIN_MATCH + rng.below(most.min((1 << 16) - literals - MIN_MATCH))) & !rng.below(most);
                pack(literals as u32, len.max(MIN_MATCH) as u32, 1 + rng.below(far) as u32)
            })
            .collect();
        let sequences = lengths.next().unwrap_or(&random);
        let count = sequences.len();
        let repeats = [(); 3].map(|()| 1 + rng.below(far) as u32);
        for (all_repeats, margin) in [(true, 0), (false, 48)] {
            let write = |table: Table| {
                let room = count.next_multiple_of(GROUP) + GROUP;
                let mut words = vec![u64::MAX; Arena::words_for::<Slots>(1)];
                let [slots] = Arena::new(&mut words).take::<Slots>(1) else { unreachable!("one was asked for") };
                let (mut extra, mut codes) = (sequences.to_vec(), vec![[0; 4]; room]);
                extra.resize(room, 0);
                let mut dst = vec![0; 32 + 12 * count];
                let mut job = sequences::Job {
                    sequences: &mut extra,
                    count,
                    codes: &mut codes,
                    values: &mut vec![0; 2 * room],
                    repeats,
                    prior: [None; 3],
                    slots,
                    margin,
                    all_repeats,
                    goes_on: false,
                };
                let section = table.zstd_sequences(&mut job, &mut dst);
                (job.repeats, section.modes, dst[..section.len].to_vec())
            };
            let wanted = write(Table::of(Backend::Scalar).expect("a table of every target"));
            for table in Table::all() {
                assert!(write(table) == wanted, "{} case {case} {all_repeats}", table.backend().name());
            }
        }
    }
}

#[test]
fn frames_fit_exactly_their_own_length_and_nothing_less() {
    let mut rng = Rng(6);
    let dict = Dict::new(&formatted_dictionary(&rng.structured(5000))).unwrap();
    for case in 0..CASES / 20 {
        let len = rng.below([9, 300, 5000, 140_000][(case % 4) as usize]);
        let data = if case % 5 == 0 { (0..len).map(|_| rng.next() as u8).collect() } else { rng.structured(len) };
        let level = MIN_LEVEL + (case % LEVELS) as i32;
        let dict = (case % 3 == 0).then_some(&dict);
        let frame = encode(level, dict, Format::Standard, &data);
        let mut scratch = vec![0; encode_words(len, level)];
        let mut into = |room: usize| {
            let mut dst = vec![0u8; room];
            let got = compress(Table::best(), &mut scratch, level, dict, Format::Standard, &data, &mut dst);
            got.map(|len| dst[..len].to_vec())
        };
        assert_eq!(into(frame.len()).as_ref(), Ok(&frame));
        for less in (1..40).chain([frame.len() / 2, frame.len()]) {
            assert_eq!(into(frame.len().saturating_sub(less)), Err(Error::NoSpace), "{} - {less}", frame.len());
        }
    }
}

#[test]
fn what_scratch_holds_before_makes_no_difference() {
    let mut rng = Rng(7);
    for case in 0..CASES / 10 {
        let len = match case % 3 {
            0 => rng.below(100),
            1 => rng.below(4096),
            _ => 66_000 + rng.below(9_000),
        };
        let mut data = rng.structured(len);
        if len > 65536 && case % 2 == 0 {
            // A first block that no finder sees.
            data[..65536].fill(7);
        }
        let level = MIN_LEVEL + (case % LEVELS) as i32;
        let mut frames = Vec::new();
        for words in [encode_words(len, level), encode_words(usize::MAX, level)] {
            for fill in [0, u64::MAX, rng.next()] {
                let mut scratch = vec![fill; words];
                scratch.iter_mut().step_by(3).for_each(|w| *w ^= rng.next());
                let mut dst = vec![0; bound(len)];
                let n = compress(Table::best(), &mut scratch, level, None, Format::Standard, &data, &mut dst);
                frames.push(dst[..n.unwrap()].to_vec());
            }
        }
        assert!(frames.iter().all(|frame| *frame == frames[0]), "level {level}, {len} bytes");
    }
}

#[test]
fn frames_with_a_dictionary_of_raw_content_are_restored() {
    let mut rng = Rng(8);
    let mut literals = BTreeSet::new();
    for case in 0..CASES / 10 {
        let size = rng.below([12, 400, 20_000, 150_000][(case % 4) as usize]);
        let content = rng.structured(size);
        // libzstd takes content of fewer than 8 bytes for no dictionary.
        if content.len() < 8 || content.starts_with(&DICT_MAGIC.to_le_bytes()) {
            continue;
        }
        let dict = Dict::new(&content).unwrap();
        let mut data = Vec::new();
        let marked = case % 2 == 0 && content.len() > 100;
        for _ in 0..1 + rng.below(20) {
            let from = rng.below(content.len());
            let len = (10 + rng.below(300)).min(content.len() - from);
            data.extend_from_slice(&content[from..from + len]);
            if marked { data.push(b'z') } else { data.extend(rng.structured(rng.0 as usize % 50)) }
        }
        if case % 16 == 1 {
            data.extend(rng.structured(130_000));
            data.extend_from_slice(&content);
        }
        for level in [MIN_LEVEL + (case % LEVELS) as i32, 1, 3] {
            let format = if case % 2 == 0 { Format::Standard } else { Format::Magicless };
            let frame = encode(level, Some(&dict), format, &data);
            let back = decode(&frame, data.len(), &content, format);
            assert!(back.as_deref() == Ok(&data[..]), "level {level}, {} bytes: {:?}", data.len(), back.err());
            if format == Format::Standard {
                let mut census = Census::default();
                census.add(&frame);
                literals.extend(census.literals);
            }
        }
    }
    assert!(literals.iter().any(|l| l.0 == 1), "uniform literals: {literals:?}");
}

#[test]
fn frames_with_a_formatted_dictionary_are_restored_and_use_its_tables() {
    let mut rng = Rng(9);
    let mut census = Census::default();
    for case in 0..CASES / 10 {
        let size = 200 + rng.below([400, 20_000, 100_000][(case % 3) as usize]);
        let buf = formatted_dictionary(&rng.structured(size));
        let dict = Dict::new(&buf).unwrap();
        let content = dict.content();
        assert_eq!(dict.id(), 0x1234_5678);
        let mut data = Vec::new();
        for _ in 0..1 + rng.below(30) {
            let from = rng.below(content.len());
            let len = (10 + rng.below(60)).min(content.len() - from);
            data.extend_from_slice(&content[from..from + len]);
            data.extend(rng.structured(rng.0 as usize % 50));
        }
        if case % 16 == 1 {
            data.extend(rng.structured(150_000));
        }
        for level in [MIN_LEVEL + (case % LEVELS) as i32, 1, 3] {
            let frame = encode(level, Some(&dict), Format::Standard, &data);
            let back = decode(&frame, data.len(), &buf, Format::Standard);
            assert!(back.as_deref() == Ok(&data[..]), "level {level}, {} bytes: {:?}", data.len(), back.err());
            let bare = encode(level, Some(&dict), Format::Magicless, &data);
            assert_eq!(bare.len(), frame.len() - 8, "neither magic number nor dictionary number");
            assert_eq!(decode(&bare, data.len(), &buf, Format::Magicless).as_ref(), Ok(&data));
            if data.len() <= 65536 {
                census.add(&frame);
            }
        }
    }
    assert!(census.literals.iter().any(|l| l.0 == 3), "treeless in a first block: {:?}", census.literals);
    assert!(census.modes.iter().all(|m| m.contains(&3)), "repeat modes in a first block: {:?}", census.modes);
}

/// A dictionary of libzstd's trainer for 4 KiB pages.
fn train(pages: &[u8]) -> Vec<u8> {
    let mut buf = vec![0u8; 16384];
    let sizes = vec![4096usize; pages.len() / 4096];
    // SAFETY: a plain call of the C library on buffers that live here.
    let len = unsafe {
        let (buf, room) = (buf.as_mut_ptr().cast(), buf.len());
        zstd_sys::ZDICT_trainFromBuffer(buf, room, pages.as_ptr().cast(), sizes.as_ptr(), sizes.len() as u32)
    };
    assert!(len <= buf.len(), "training failed");
    buf.truncate(len);
    buf
}

#[test]
fn pages_with_a_trained_dictionary_are_restored_and_smaller() {
    let mut census = Census::default();
    let mut sums = [[0; 2]; (MAX_LEVEL - MIN_LEVEL + 1) as usize];
    for file in corpus_files().iter().skip(6).step_by(3) {
        let all = corpus(file);
        let (training, rest) = all.split_at(256 * 4096);
        let buf = train(training);
        let dict = Dict::new(&buf).unwrap();
        for (level, [with, without]) in (MIN_LEVEL..).zip(&mut sums) {
            for page in rest.chunks_exact(4096) {
                let frame = encode(level, Some(&dict), Format::Standard, page);
                let back = decode(&frame, 4096, &buf, Format::Standard);
                assert!(back.as_deref() == Ok(page), "level {level}: {:?}", back.err());
                census.add(&frame);
                *with += frame.len();
                *without += encode(level, None, Format::Standard, page).len();
            }
        }
    }
    assert!(sums.iter().all(|[with, without]| with < without), "{sums:?}");
    assert!(census.modes.iter().all(|m| m.contains(&3)), "{:?}", census.modes);
}

#[test]
fn levels_out_of_range_are_refused() {
    for level in [MIN_LEVEL - 1, MAX_LEVEL + 1, i32::MIN, i32::MAX] {
        let mut scratch = vec![0; encode_words(100, 1)];
        let got = compress(Table::best(), &mut scratch, level, None, Format::Standard, b"abc", &mut [0; 100]);
        assert_eq!(got, Err(Error::Invalid));
    }
}

#[test]
fn scratch_stays_small() {
    for level in MIN_LEVEL..=MAX_LEVEL {
        assert!(encode_words(4096, level) <= if level <= 5 { 150 } else { 210 } * 128);
        assert!(encode_words(usize::MAX, level) <= 1536 * 128);
        assert!(encode_words(4096, level) <= encode_words(65536, level));
    }
}
