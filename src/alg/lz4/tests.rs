//! Round trips, interoperation with liblz4 in both directions, and damaged input.

use super::*;
use crate::base::{Backend, Error};
use crate::dispatch::Table;
use core::cell::{Cell, RefCell};
use core::ffi::{c_char, c_int, c_void};
// The crate is linked for the functions of liblz4 that it compiles.
use lz4_sys as _;

unsafe extern "C" {
    fn LZ4_compress_default(src: *const c_char, dst: *mut c_char, len: c_int, cap: c_int) -> c_int;
    fn LZ4_compress_HC(src: *const c_char, dst: *mut c_char, len: c_int, cap: c_int, level: c_int) -> c_int;
    fn LZ4_decompress_safe(src: *const c_char, dst: *mut c_char, len: c_int, cap: c_int) -> c_int;
    fn LZ4_decompress_safe_usingDict(
        src: *const c_char,
        dst: *mut c_char,
        len: c_int,
        cap: c_int,
        dict: *const c_char,
        dict_len: c_int,
    ) -> c_int;
    fn LZ4_createStream() -> *mut c_void;
    fn LZ4_freeStream(stream: *mut c_void) -> c_int;
    fn LZ4_loadDict(stream: *mut c_void, dict: *const c_char, len: c_int) -> c_int;
    fn LZ4_compress_fast_continue(
        stream: *mut c_void,
        src: *const c_char,
        dst: *mut c_char,
        len: c_int,
        cap: c_int,
        acceleration: c_int,
    ) -> c_int;
}

const LEVELS: [i32; 12] = [-3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// The table of the portable encoders, and the best one.
fn tables() -> [Table; 2] {
    [Table::of(Backend::Scalar).unwrap(), Table::best()]
}

thread_local! {
    /// The table that the functions below use.
    static TABLE: Cell<Table> = Cell::new(Table::best());
}

/// Compresses with scratch of exactly the promised size, filled with junk.
fn compress_into(level: i32, dict: Option<&Dict>, src: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
    let mut scratch = vec![0xa5a5_5a5a_dead_beef; encode_words(src.len(), level)];
    compress(TABLE.get(), &mut scratch, level, dict, src, dst)
}

fn compressed(level: i32, dict: Option<&Dict>, src: &[u8]) -> Vec<u8> {
    let mut dst = vec![0; bound(src.len())];
    let len = compress_into(level, dict, src, &mut dst).unwrap();
    dst.truncate(len);
    dst
}

/// liblz4's decoder: the bytes, or `None` if it refuses the block.
fn liblz4(dict: &[u8], src: &[u8], cap: usize) -> Option<Vec<u8>> {
    let mut dst = vec![0u8; cap.max(1)];
    // SAFETY: the pointers and lengths are those of live buffers; a `cap` of 0 writes nothing.
    let len = unsafe {
        let (from, to) = (src.as_ptr().cast(), dst.as_mut_ptr().cast());
        if dict.is_empty() {
            LZ4_decompress_safe(from, to, src.len() as c_int, cap as c_int)
        } else {
            let (dict, dict_len) = (dict.as_ptr().cast(), dict.len() as c_int);
            LZ4_decompress_safe_usingDict(from, to, src.len() as c_int, cap as c_int, dict, dict_len)
        }
    };
    dst.truncate(usize::try_from(len).ok()?);
    Some(dst)
}

thread_local! {
    /// Where `ours` puts a block and its room: both end at pages that must not be touched.
    static ENDS: RefCell<[Guarded; 2]> = RefCell::new([Guarded::new(1), Guarded::new(1)]);
}

/// Our decoder with every kernel table, which must agree, from a source and into a destination that end at unmapped pages
/// and, for the latter, begin behind bytes that must stay as they are.
fn ours(dict: Option<&Dict>, src: &[u8], cap: usize) -> Result<Vec<u8>, Error> {
    ENDS.with_borrow_mut(|[source, target]| {
        for (ends, len) in [(&mut *source, src.len()), (&mut *target, cap + 64)] {
            if ends.len < len {
                *ends = Guarded::new(len);
            }
        }
        let source = source.tail(src.len());
        source.copy_from_slice(src);
        let mut first = None;
        for table in Table::all() {
            let room = target.tail(cap + 64);
            room.fill(0x5a);
            let result = decompress(table, dict, source, &mut room[64..]);
            assert!(room[..64].iter().all(|&byte| byte == 0x5a), "written before the room");
            let result = result.map(|len| &room[64..64 + len]);
            match &first {
                None => first = Some(result.map(<[u8]>::to_vec)),
                Some(first) => assert!(first.as_deref() == result.as_deref(), "{} {src:02x?}", table.backend().name()),
            }
        }
        first.unwrap()
    })
}

/// Whether the block, walked without a decoder, has a distance of zero, the one thing we judge otherwise.
fn has_zero_distance(src: &[u8]) -> bool {
    fn long(src: &[u8], i: &mut usize, nibble: usize) -> Option<usize> {
        let mut len = nibble;
        if nibble == 15 {
            loop {
                let byte = *src.get(*i)?;
                *i += 1;
                len += usize::from(byte);
                if byte != 255 {
                    break;
                }
            }
        }
        Some(len)
    }
    let walk = || -> Option<bool> {
        let mut i = 0;
        loop {
            let token = usize::from(*src.get(i)?);
            i += 1;
            i += long(src, &mut i, token >> 4)?;
            if src.get(i..i + 2)? == [0, 0] {
                return Some(true);
            }
            i += 2;
            long(src, &mut i, token & 15)?;
        }
    };
    walk().unwrap_or(false)
}

/// A reproducible stream of numbers (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }
}

/// Bytes of a kind: 0 runs, 1 words with small differences, 2 noise, 3 few symbols, others copies of earlier pieces.
fn generated(kind: usize, len: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed * 0x9E37_79B9 + 1 + kind as u64);
    let mut out: Vec<u8> = Vec::with_capacity(len + 64);
    while out.len() < len {
        match kind {
            0 => {
                let byte = numbers.below(3) as u8;
                let run = 1 + numbers.below(700);
                out.resize(out.len() + run, byte);
            }
            1 => out.extend_from_slice(&(0x7f3a_0000_0000 + numbers.below(4096) as u64 * 16).to_le_bytes()),
            2 => out.push(numbers.next() as u8),
            3 => out.push(b"abc"[numbers.below(3)]),
            _ => {
                if out.len() > 8 && numbers.below(3) > 0 {
                    let from = numbers.below(out.len() - 4);
                    let count = 4 + numbers.below(40);
                    for i in from..from + count {
                        out.push(out[i]);
                    }
                } else {
                    let count = numbers.below(20);
                    (0..count).for_each(|_| out.push(numbers.next() as u8));
                }
            }
        }
    }
    out.truncate(len);
    out
}

/// The pages of tests/corpus.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut sets = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".pages.zst") {
            continue;
        }
        let packed = std::fs::read(&path).unwrap();
        let mut pages = vec![0u8; 384 * 4096];
        // SAFETY: the pointers and lengths are those of live buffers.
        let len = unsafe {
            zstd_sys::ZSTD_decompress(pages.as_mut_ptr().cast(), pages.len(), packed.as_ptr().cast(), packed.len())
        };
        assert_eq!(len, pages.len(), "{name}");
        sets.push((name, pages));
    }
    assert_eq!(sets.len(), 12);
    sets
}

/// With both tables compresses, checks with both decoders and by the walk, and checks that the exact room does and one byte
/// less does not. Returns the length that the best table gets.
fn check(level: i32, dict: Option<&Dict>, src: &[u8]) -> usize {
    let lengths = tables().map(|table| {
        TABLE.set(table);
        check_table(level, dict, src)
    });
    lengths[1]
}

fn check_table(level: i32, dict: Option<&Dict>, src: &[u8]) -> usize {
    let block = compressed(level, dict, src);
    let content = dict.map_or(&[][..], Dict::content);
    assert_eq!(ours(dict, &block, src.len()).as_deref(), Ok(src), "level {level}, {} bytes", src.len());
    assert_eq!(liblz4(content, &block, src.len()).as_deref(), Some(src), "level {level}, {} bytes", src.len());
    assert_eq!(decompressed_len(&block), Ok(src.len()), "level {level}");
    let mut exact = vec![0; block.len()];
    assert_eq!(compress_into(level, dict, src, &mut exact), Ok(block.len()));
    assert_eq!(exact, block);
    let short = block.len() - 1;
    assert_eq!(compress_into(level, dict, src, &mut exact[..short]), Err(Error::NoSpace), "level {level}");
    if !src.is_empty() {
        assert_eq!(ours(dict, &block, src.len() - 1), Err(Error::NoSpace), "level {level}");
    }
    block.len()
}

#[test]
fn every_short_length_survives_every_level_with_and_without_a_dictionary() {
    let dicts: Vec<Dict> = (0..5).map(|kind| Dict::new(&generated(kind, 300, 9)).unwrap()).collect();
    for len in 0..300 {
        for (i, level) in LEVELS.into_iter().enumerate() {
            let kind = (len + i) % 5;
            let src = generated(kind, len, 1);
            check(level, None, &src);
            check(level, Some(&dicts[kind]), &src);
        }
    }
}

#[test]
fn lengths_around_powers_of_two_survive_every_level() {
    for kind in 0..5 {
        // The large ones take long without optimisation: each is of one kind only.
        for log in (9..18).filter(|&log| log < 13 || log as usize % 5 == kind) {
            for len in [(1usize << log) - 1, 1 << log, (1 << log) + 1] {
                let src = generated(kind, len, 2);
                for level in [LEVELS[log as usize % 3], 1, 2, LEVELS[5 + (log as usize + kind) % 5], 9] {
                    check(level, None, &src);
                }
            }
        }
    }
}

#[test]
fn every_table_compresses_real_pages_and_periodic_ones_alike_and_liblz4_reads_them() {
    let mut inputs: Vec<Vec<u8>> =
        (0..90).map(|period| (0..4096).map(|i| (i % (period + 1)) as u8).collect()).collect();
    for (_, pages) in corpus() {
        inputs.extend(pages.chunks_exact(4096).step_by(31).map(<[u8]>::to_vec));
        inputs.push(pages[..40_000].to_vec());
    }
    for src in inputs {
        for level in [2, 3, 4, 5, 6, 7, 8, 9] {
            let wanted = compressed(level, None, &src);
            for table in Table::all() {
                let name = table.backend().name();
                let mut scratch = vec![0x5a5a_a5a5_1234_5678; encode_words(src.len(), level)];
                let mut dst = vec![0; bound(src.len())];
                let len = compress(table, &mut scratch, level, None, &src, &mut dst).expect("room");
                dst.truncate(len);
                // Up to level 4, scalar code has encoders of its own.
                let alike =
                    level > 4 || (table.backend() == Backend::Scalar) == (Table::best().backend() == Backend::Scalar);
                assert!(dst == wanted || !alike, "{name} level {level}");
                assert_eq!(liblz4(&[], &dst, src.len()).as_deref(), Some(&src[..]), "{name} level {level}");
            }
        }
    }
}

#[test]
fn real_pages_survive_every_level_in_both_directions() {
    for (name, pages) in corpus() {
        for (i, page) in pages.chunks_exact(4096).enumerate() {
            check(1, None, page);
            check(LEVELS[i % 12], None, page);
            let mut block = vec![0u8; bound(4096)];
            // SAFETY: the pointers and lengths are those of live buffers.
            let len = unsafe {
                let (from, to) = (page.as_ptr().cast(), block.as_mut_ptr().cast());
                if i % 3 == 0 {
                    LZ4_compress_HC(from, to, 4096, block.len() as c_int, 9)
                } else {
                    LZ4_compress_default(from, to, 4096, block.len() as c_int)
                }
            };
            let block = &block[..len as usize];
            assert_eq!(ours(None, block, 4096).as_deref(), Ok(page), "{name} page {i}");
            assert_eq!(decompressed_len(block), Ok(4096), "{name} page {i}");
        }
    }
}

#[test]
fn larger_units_of_real_memory_survive_every_level() {
    for (i, (_, pages)) in corpus().into_iter().enumerate() {
        for (j, unit) in [8192, 16384, 32768, 65536, 200_000].into_iter().enumerate() {
            for level in LEVELS.into_iter().skip((i + j) % 3).step_by(3) {
                check(level, None, &pages[unit..2 * unit]);
            }
        }
    }
}

#[test]
fn ratios_hold_against_liblz4_and_do_not_fall_with_the_level() {
    let sets = corpus();
    let pages = || sets.iter().flat_map(|(_, pages)| pages.chunks_exact(4096));
    let pages = || pages().filter(|page| Table::best().same_fill(page).is_none()).step_by(4);
    let total = |level: i32| -> usize { pages().map(|page| compressed(level, None, page).len().min(4096)).sum() };
    let reference = |level: c_int| -> usize {
        let mut dst = vec![0u8; bound(4096)];
        let one = |page: &[u8]| {
            let (from, to, cap) = (page.as_ptr().cast(), dst.as_mut_ptr().cast(), dst.len() as c_int);
            // SAFETY: the pointers and lengths are those of live buffers.
            let len = unsafe {
                if level == 0 {
                    LZ4_compress_default(from, to, 4096, cap)
                } else {
                    LZ4_compress_HC(from, to, 4096, cap, level)
                }
            };
            (len as usize).min(4096)
        };
        pages().map(one).sum()
    };
    let totals: Vec<usize> = (MIN_LEVEL..=MAX_LEVEL).map(total).collect();
    assert!(totals.windows(2).all(|pair| pair[0] >= pair[1]), "{totals:?}");
    let of = |level: i32| totals[(level - MIN_LEVEL) as usize];
    assert!(of(0) == of(1) && of(-1) > of(1) && of(1) > of(2), "{totals:?}");
    assert!(of(1) <= reference(0), "{} against {}", of(1), reference(0));
    assert!(of(9) * 100 <= reference(9) * 101, "{} against {}", of(9), reference(9));
}

#[test]
fn a_buffer_beyond_the_reach_of_distances_survives() {
    // Pieces repeat from beyond 64 KiB as well, where a match would be wrong.
    let mut src = generated(4, 90_000, 3);
    src.extend_from_within(..60_000);
    src.extend(generated(0, 60_000, 4));
    src.extend(vec![0; 150_000]);
    src.extend(generated(2, 30_000, 5));
    let dict = Dict::new(&generated(4, 70_000, 3)).unwrap();
    for level in [-3, -1, 1, 2, 4, 9] {
        let plain = check(level, None, &src);
        assert!(check(level, Some(&dict), &src) <= plain + 16, "level {level}");
    }
}

#[test]
fn dictionaries_help_at_every_level_and_liblz4_agrees_with_them() {
    let sets = corpus();
    for dict_len in [5, 13, 4096, 65535, 65536, 96 * 4096] {
        let mut totals = [(0, 0); LEVELS.len()];
        for (name, pages) in &sets {
            let (first, rest) = pages.split_at(96 * 4096);
            let content = &first[first.len() - dict_len..];
            let dict = Dict::new(content).unwrap();
            assert_eq!(dict.content(), &content[dict_len.saturating_sub(65536)..]);
            for (level, total) in LEVELS.into_iter().zip(&mut totals).skip(dict_len % 2).step_by(2) {
                for page in rest.chunks_exact(4096).step_by(53) {
                    total.0 += check(level, Some(&dict), page);
                    total.1 += compressed(level, None, page).len();
                }
            }
            // The other direction: what liblz4 writes with the dictionary.
            for page in rest.chunks_exact(4096).step_by(17) {
                let mut block = vec![0u8; bound(4096)];
                // SAFETY: the stream is created and freed here; pointers and lengths are those of live buffers.
                let len = unsafe {
                    let stream = LZ4_createStream();
                    LZ4_loadDict(stream, content.as_ptr().cast(), dict_len as c_int);
                    let (from, to) = (page.as_ptr().cast(), block.as_mut_ptr().cast());
                    let len = LZ4_compress_fast_continue(stream, from, to, 4096, block.len() as c_int, 1);
                    LZ4_freeStream(stream);
                    len
                };
                assert_eq!(ours(Some(&dict), &block[..len as usize], 4096).as_deref(), Ok(page), "{name} {dict_len}");
            }
        }
        for (level, (with, without)) in LEVELS.into_iter().zip(totals) {
            // A small dictionary may cost a little: its short matches displace longer ones, and from level 5 on the parse is the
            // cheapest only without.
            assert!(
                with <= without + without / if level < 5 { 100 } else { 40 },
                "{dict_len} level {level}: {with} {without}"
            );
            assert!(dict_len < 4096 || with == 0 || with < without, "{dict_len} level {level}: {with} {without}");
        }
    }
}

#[test]
fn an_empty_dictionary_changes_nothing() {
    let dict = Dict::new(&[]).unwrap();
    let src = generated(4, 4096, 7);
    for level in LEVELS {
        assert!(compressed(level, Some(&dict), &src) == compressed(level, None, &src), "level {level}");
    }
}

#[test]
fn scratch_is_bounded_and_grows_with_length() {
    for level in MIN_LEVEL..=MAX_LEVEL {
        let all = encode_words(usize::MAX, level) * 8;
        assert!(all <= if level <= 2 { 64 << 10 } else { 1536 << 10 }, "level {level}: {all}");
        let sizes: Vec<usize> = (0..18).map(|log| encode_words(1 << log, level)).collect();
        assert!(sizes.windows(2).all(|pair| pair[0] <= pair[1]) && sizes[17] * 8 <= all, "level {level}");
    }
}

#[test]
fn special_blocks_are_judged_as_documented() {
    assert_eq!(compressed(1, None, &[]), [0]);
    assert_eq!(ours(None, &[0], 0), Ok(vec![]));
    assert_eq!(ours(None, &[0], 9), Ok(vec![]));
    assert_eq!(ours(None, &[], 9), Err(Error::Corrupt));
    assert_eq!(ours(None, &[], 0), Err(Error::Corrupt));
    assert_eq!(ours(None, &[0x10, b'a'], 0), Err(Error::NoSpace));
    assert_eq!(ours(None, &[0x10], 0), Err(Error::Corrupt));
    // Distance zero, a distance before the start, and one that a dictionary of two bytes serves.
    let block = |distance: u8| [0x10, b'a', distance, 0, 0x80, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(ours(None, &block(0), 64), Err(Error::Corrupt));
    assert_eq!(ours(None, &block(3), 64), Err(Error::Corrupt));
    let dict = Dict::new(b"xy").unwrap();
    assert_eq!(ours(Some(&dict), &block(3), 64).unwrap(), b"axyax\x01\x02\x03\x04\x05\x06\x07\x08");
    assert_eq!(ours(Some(&dict), &block(4), 64), Err(Error::Corrupt));
    // A run of length bytes that would overflow 32 bits by far ends in an error, not in a loop or a panic.
    for len in [1 << 10, 9 << 20] {
        let mut hostile = vec![255u8; len];
        hostile[0] = 0xf0;
        assert_eq!(decompressed_len(&hostile), Err(Error::Corrupt));
        assert_eq!(ours(None, &hostile, 64), Err(Error::Corrupt));
        hostile[..4].copy_from_slice(&[0x1f, b'a', 1, 0]);
        hostile.extend([0, 0x50, 1, 2, 3, 4, 5]);
        let total = 1 + 19 + (len - 4) * 255 + 5;
        assert_eq!(decompressed_len(&hostile), Ok(total));
        assert_eq!(ours(None, &hostile, 4096), Err(Error::NoSpace));
    }
}

/// Compares the verdict and the bytes with liblz4's, and the walk with both. Returns whether the block was accepted.
fn compare(content: &[u8], dict: Option<&Dict>, block: &[u8], cap: usize) -> bool {
    let got = ours(dict, block, cap);
    let want = liblz4(content, block, cap);
    match (&got, &want) {
        (Ok(got), Some(want)) => {
            assert!(got == want, "bytes differ for {block:02x?} in {cap}");
            if let Ok(len) = decompressed_len(block) {
                assert_eq!(len, got.len(), "length of {block:02x?}");
            }
        }
        (Err(_), None) => {}
        (Err(Error::Corrupt), Some(_)) if has_zero_distance(block) => {}
        _ => panic!(
            "ours {:?}, liblz4 {:?} for {block:02x?} in {cap}",
            got.as_ref().map(Vec::len),
            want.map(|w| w.len())
        ),
    }
    // What the walk promises: an exact destination does unless a distance is wrong.
    match decompressed_len(block) {
        Ok(len) if len <= 1 << 16 => match ours(dict, block, len) {
            Ok(bytes) => assert_eq!(bytes.len(), len),
            Err(error) => assert_eq!(error, Error::Corrupt, "{block:02x?}"),
        },
        Ok(len) => assert!(len <= 255 * block.len()),
        Err(error) => {
            assert_eq!(error, Error::Corrupt);
            assert_ne!(got, Err(Error::NoSpace), "{block:02x?}");
        }
    }
    got.is_ok()
}

#[test]
fn truncation_and_bit_flips_are_judged_as_by_liblz4() {
    for kind in 0..5 {
        let src = generated(kind, 700, 11);
        let content = generated(kind, 500, 12);
        let dict = Dict::new(&content).unwrap();
        for level in [1, 9] {
            for (content, dict) in [(&[][..], None), (&content[..], Some(&dict))] {
                let block = compressed(level, dict, &src);
                for len in 0..block.len() {
                    compare(content, dict, &block[..len], src.len());
                    assert!(ours(dict, &block[..len], src.len()).as_ref() != Ok(&src));
                }
                let mut damaged = block.clone();
                for bit in 0..block.len() * 8 {
                    damaged[bit / 8] ^= 1 << (bit % 8);
                    compare(content, dict, &damaged, src.len());
                    damaged[bit / 8] ^= 1 << (bit % 8);
                }
                for cap in 0..src.len() + 80 {
                    compare(content, dict, &block, cap);
                }
            }
        }
    }
}

#[test]
fn every_bit_flip_and_truncation_of_a_hundred_pages_is_judged_as_by_liblz4() {
    let sets = corpus();
    let pages = sets
        .iter()
        .flat_map(|(_, pages)| pages.chunks_exact(4096))
        .filter(|page| Table::best().same_fill(page).is_none());
    let (mut source, mut target) = (Guarded::new(8192), Guarded::new(4096));
    let mut wanted = vec![0; 4096];
    let mut accepted = 0;
    let mut judge = |block: &[u8]| {
        let source = source.tail(block.len());
        source.copy_from_slice(block);
        let (from, to) = (block.as_ptr().cast(), wanted.as_mut_ptr().cast());
        // SAFETY: the pointers and lengths are those of live buffers.
        let len = unsafe { LZ4_decompress_safe(from, to, block.len() as c_int, 4096) };
        for table in Table::all() {
            let room = target.tail(4096);
            match decompress(table, None, source, room) {
                Ok(got) => assert!(len == got as c_int && room[..got] == wanted[..got], "{block:02x?}"),
                Err(Error::Corrupt | Error::NoSpace) => assert!(len < 0 || has_zero_distance(block), "{block:02x?}"),
                Err(error) => panic!("{error:?}"),
            }
        }
        accepted += u32::from(len >= 0);
    };
    for (i, page) in pages.step_by(43).take(100).enumerate() {
        let mut block = compressed([1, 9, -5][i % 3], None, page);
        for len in 0..block.len() {
            judge(&block[..len]);
        }
        for bit in 0..8 * block.len() {
            block[bit / 8] ^= 1 << (bit % 8);
            judge(&block);
            block[bit / 8] ^= 1 << (bit % 8);
        }
    }
    assert!(accepted > 100_000, "{accepted} accepted");
}

#[test]
fn crafted_ends_and_bombs_are_judged_as_by_liblz4() {
    let prefix = compressed(1, None, &generated(4, 300, 21));
    let last = prefix.len() - 1;
    for before in [0, 1, 40, 100] {
        // A first sequence of many literals puts the second where there is input and room in plenty, or is absent.
        let mut start = vec![];
        if before > 0 {
            start.push(0xf0);
            start.push(200);
            start.extend((0..215).map(|i| (i * 7) as u8));
            start.extend([before as u8, 0]);
        }
        for token in [0x00, 0x0f, 0x10, 0x1f, 0xe0, 0xef, 0xf0, 0xff] {
            for run in [0, 1, 2, 30] {
                for (offset, end) in
                    (0..40u16).chain([215, 219, 220, 300, 65535]).flat_map(|o| (0..14).map(move |e| (o, e)))
                {
                    let mut block = start.clone();
                    block.push(token);
                    if token >> 4 == 15 {
                        block.extend(vec![255; run]);
                        block.push(3);
                    }
                    block.extend(
                        (0..usize::from(token >> 4) + if token >> 4 == 15 { 255 * (run % 3) + 3 } else { 0 })
                            .map(|i| i as u8),
                    );
                    block.extend(offset.to_le_bytes());
                    if token & 15 == 15 {
                        block.extend(vec![255; run]);
                        block.push(end as u8);
                    }
                    // Last literals of every length around the five that the format asks for, or none of their bytes.
                    block.push(16 * end as u8);
                    block.extend_from_slice(&prefix[last - end..last]);
                    let cap = [64, 300, 4096][(end + run) % 3];
                    compare(&[], None, &block, cap);
                }
            }
        }
    }
    // Lengths that go on to the end of the input.
    for ones in 0..300 {
        for head in [&[0xf0][..], &[0x0f, 1, 0], &[0x1f, 7, 1, 0], &[0xff]] {
            let block = [head, &vec![255; ones]].concat();
            compare(&[], None, &block, 4096);
            let block = [&prefix[..prefix.len() / 2], &block].concat();
            compare(&[], None, &block, 4096);
        }
    }
}

#[test]
fn a_quarter_million_mutants_are_judged_as_by_liblz4() {
    let mut numbers = Numbers(77);
    let mut accepted = 0;
    let sets = corpus();
    for round in 0..2500 {
        let len = [40, 100, 300, 900][round % 4] + numbers.below(60);
        let pages = &sets[round % 12].1;
        let at = numbers.below(pages.len() - 2048);
        let src = if round % 3 == 0 { &generated(round % 5, len, round as u64)[..] } else { &pages[at..at + len] };
        let content = &pages[at + 1000..at + 1000 + numbers.below(1000)];
        let dict = (round % 2 == 0 && !content.is_empty()).then(|| Dict::new(content).unwrap());
        let content = if dict.is_some() { content } else { &[] };
        let block = compressed(LEVELS[round % 12], dict.as_ref(), src);
        for _ in 0..100 {
            let mut mutant = block.clone();
            for _ in 0..1 + numbers.below(3) {
                let at = numbers.below(mutant.len());
                match numbers.below(6) {
                    0 => mutant[at] = numbers.next() as u8,
                    1 => mutant[at] = [0, 15, 240, 255][numbers.below(4)],
                    2 => mutant[at] ^= 1 << numbers.below(8),
                    3 => mutant.truncate(at + 1),
                    4 => mutant.insert(at, numbers.next() as u8),
                    _ => {
                        mutant.remove(at);
                        mutant.push(numbers.next() as u8);
                    }
                }
            }
            let cap = src.len() + [0, 0, 1, 5, 12, 31, 64, 200][numbers.below(8)];
            accepted += u32::from(compare(content, dict.as_ref(), &mutant, cap));
        }
    }
    // Both verdicts were put to the test.
    assert!((20_000..230_000).contains(&accepted), "{accepted} accepted");
}

#[test]
fn short_random_blocks_are_judged_as_by_liblz4() {
    let mut numbers = Numbers(5);
    let content = generated(3, 40, 1);
    let dict = Dict::new(&content).unwrap();
    let mut accepted = 0;
    for round in 0..200_000 {
        let mut block = vec![0u8; 1 + numbers.below(48)];
        // Small offsets and lengths, so that many blocks get far.
        block.iter_mut().for_each(|byte| *byte = if numbers.below(2) == 0 { 0 } else { numbers.next() as u8 });
        let cap = numbers.below(120);
        let history = if round % 2 == 0 { None } else { Some(&dict) };
        accepted += u32::from(compare(history.map_or(&[][..], Dict::content), history, &block, cap));
    }
    assert!(accepted > 2_000, "{accepted} accepted");
}

/// Memory whose last byte is followed by a page that must not be touched.
struct Guarded {
    base: *mut u8,
    len: usize,
}

impl Guarded {
    fn new(len: usize) -> Guarded {
        let page = 65536;
        let len = len.next_multiple_of(page);
        // SAFETY: a fresh anonymous mapping, whose last page is made inaccessible.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let base = libc::mmap(core::ptr::null_mut(), len + page, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(base.byte_add(len), page, libc::PROT_NONE), 0);
            Guarded { base: base.cast(), len }
        }
    }

    /// The last `len` bytes.
    fn tail(&mut self, len: usize) -> &mut [u8] {
        assert!(len <= self.len);
        // SAFETY: the mapping has `self.len` accessible bytes and is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.base.add(self.len - len), len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`.
        unsafe { libc::munmap(self.base.cast(), self.len + 65536) };
    }
}

#[test]
fn buffers_that_end_at_an_unmapped_page_are_not_overrun() {
    let (mut source, mut target, mut room) = (Guarded::new(16384), Guarded::new(16384), Guarded::new(16384));
    let mut numbers = Numbers(3);
    let content = generated(4, 3000, 1);
    let dict = Dict::new(&content).unwrap();
    for round in 0..1000 {
        TABLE.set(tables()[round / 5 % 2]);
        let len = if round < 600 { round / 10 } else { numbers.below(9000) };
        let src = source.tail(len);
        src.copy_from_slice(&generated(round % 5, len, round as u64));
        let level = LEVELS[numbers.below(12)];
        let dict = (round % 2 == 0).then_some(&dict);
        let block = compressed(level, dict, src);
        let exact = target.tail(block.len());
        assert_eq!(compress_into(level, dict, src, exact), Ok(block.len()));
        assert_eq!(exact, block);
        assert_eq!(decompress(TABLE.get(), dict, exact, room.tail(len)), Ok(len));
        assert_eq!(room.tail(len), src);
        if len > 0 {
            let at = numbers.below(exact.len());
            exact[at] = numbers.next() as u8;
            if let Ok(got) = decompress(TABLE.get(), dict, exact, room.tail(len)) {
                assert!(got <= len);
            }
            let short = block.len() / 2;
            assert_eq!(compress_into(level, dict, src, target.tail(short)), Err(Error::NoSpace));
        }
    }
}
