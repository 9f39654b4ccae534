//! Tests of the decoder against libzstd.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::decode::{STRICTER, Stricter};
use super::frame::Header;
use super::reference::{self, CHECKSUM, CONTENT_SIZE, DICT_ID, FORMAT, LEVEL, LITERALS, Random, ZSTD_cParameter};
use super::sequences::{LL, LL_PREDEFINED, LL_PRESETS, ML, ML_PREDEFINED, ML_PRESETS, OF, OF_PREDEFINED, OF_PRESETS};
use super::{Dict, Format, content_size, decode_words, decompress};
use crate::base::Error;
use crate::base::format::zstd::{MODE_FSE, MODE_PREDEFINED};
use crate::base::format::zstd_presets;
use crate::dispatch::Table;
use crate::kernel::zstd_decode_presets::Presets;
use crate::kernel::zstd_fse::Own;

/// Decompresses into a buffer of exactly `cap` bytes, with scratch that was left full of ones.
fn decode(dict: Option<&Dict>, format: Format, src: &[u8], cap: usize) -> Result<Vec<u8>, Error> {
    let mut scratch = vec![u64::MAX; decode_words(cap)];
    let mut dst = vec![0xa5; cap];
    let len = decompress(Table::best(), &mut scratch, dict, format, src, &mut dst)?;
    dst.truncate(len);
    Ok(dst)
}

/// Every table that this CPU runs.
fn tables() -> Vec<Table> {
    Table::all().collect()
}

/// Checks that a frame of `data` comes back from a source and a destination that end at unmapped pages.
#[track_caller]
fn assert_decodes(dict: Option<&Dict>, format: Format, frame: &[u8], data: &[u8], what: &str) {
    let mut scratch = vec![u64::MAX; decode_words(data.len())];
    let mut src = Guarded::new(frame.len());
    src.bytes().copy_from_slice(frame);
    let mut dst = Guarded::new(data.len());
    for table in tables() {
        dst.bytes().fill(0xa5);
        let got = decompress(table, &mut scratch, dict, format, src.bytes(), dst.bytes());
        assert_eq!(got, Ok(data.len()), "{what}, {}", table.backend().name());
        assert!(dst.bytes() == data, "{what}, {}: wrong bytes", table.backend().name());
    }
    if !data.is_empty() {
        let short = decode(dict, format, frame, data.len() - 1);
        assert_eq!(short, Err(Error::NoSpace), "{what}: one byte short");
    }
    let roomy = decode(dict, format, frame, data.len() + 300_000);
    assert!(roomy.as_deref() == Ok(data), "{what}: with room to spare");
}

/// Memory between two inaccessible pages, of which [`Guarded::bytes`] is the end.
struct Guarded {
    map: *mut u8,
    body: usize,
    len: usize,
}

impl Guarded {
    fn new(len: usize) -> Guarded {
        let body = len.next_multiple_of(4096);
        // SAFETY: a fresh anonymous mapping; its first and last page are then made inaccessible.
        unsafe {
            let map = libc::mmap(
                core::ptr::null_mut(),
                body + 2 * 4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(map, libc::MAP_FAILED);
            let map = map.cast::<u8>();
            assert_eq!(libc::mprotect(map.cast(), 4096, libc::PROT_NONE), 0);
            assert_eq!(libc::mprotect(map.add(4096 + body).cast(), 4096, libc::PROT_NONE), 0);
            Guarded { map, body, len }
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.part(self.len, true)
    }

    /// `len` bytes that end at the page behind, or begin at the page in front.
    fn part(&mut self, len: usize, at_end: bool) -> &mut [u8] {
        assert!(len <= self.body);
        let at = if at_end { 4096 + self.body - len } else { 4096 };
        // SAFETY: inside the accessible part of the mapping of `new`, borrowed through `self`.
        unsafe { core::slice::from_raw_parts_mut(self.map.add(at), len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`.
        unsafe { libc::munmap(self.map.cast(), self.body + 2 * 4096) };
    }
}

#[test]
fn pages_of_every_level_come_back() {
    for page in reference::corpus_pages(if cfg!(debug_assertions) { 12 } else { 96 }) {
        for level in [-5, 1, 3, 9, 19, 22] {
            let frame = reference::compress(&[(LEVEL, level), (CHECKSUM, level & 1)], &[], &page);
            assert_decodes(None, Format::Standard, &frame, &page, &format!("level {level}"));
        }
    }
}

#[test]
fn every_length_and_kind_of_data_comes_back() {
    let mut random = Random(7);
    let lens = (0..=300).chain((9..=17).flat_map(|log| (-1..=1).map(move |d| ((1i64 << log) + d) as usize)));
    for (i, len) in lens.enumerate() {
        for kind in 0..6 {
            if len > 20_000 && kind != i % 6 {
                continue;
            }
            let data = random.bytes(kind, len);
            let params = [(LEVEL, [-5, 1, 3, 9, 19][random.below(5)]), (CHECKSUM, random.below(2) as i32)];
            let what = format!("{len} bytes of kind {kind}, {params:?}");
            let sized = reference::compress(&params, &[], &data);
            assert_decodes(None, Format::Standard, &sized, &data, &what);
            let unsized_params = [params[0], params[1], (CONTENT_SIZE, 0)];
            let frame = reference::compress(&unsized_params, &[], &data);
            assert_decodes(None, Format::Standard, &frame, &data, &what);
            let bare = reference::compress(&[params[0], params[1], (FORMAT, 1)], &[], &data);
            assert_decodes(None, Format::Magicless, &bare, &data, &what);
            assert_eq!(content_size(&sized), Ok(Some(len as u64)), "{what}");
            assert_eq!(content_size(&frame), Ok(None), "{what}");
        }
    }
}

#[test]
fn long_buffers_come_back_with_every_window_and_block_shape() {
    let mut random = Random(11);
    let pages = reference::corpus_pages(64);
    for round in 0..24 {
        let len = 100_000 + random.below(400_000);
        let mut data = random.bytes(3 + round % 3, len);
        for _ in 0..40 {
            data.extend_from_slice(&pages[random.below(pages.len())]);
        }
        if round % 4 == 0 {
            let again = data.clone();
            data.extend_from_slice(&again);
            data.extend_from_slice(&again);
        }
        let mut params = vec![(LEVEL, [1, 3, 7, 19][round % 4]), (CHECKSUM, (round % 2) as i32)];
        match round % 6 {
            0 => params.push((ZSTD_cParameter::ZSTD_c_windowLog, 10 + (round % 12) as i32)),
            1 => params.push((ZSTD_cParameter::ZSTD_c_targetCBlockSize, 1340)),
            2 => params.push((LITERALS, 1)),
            3 => params.push((LITERALS, 2)),
            4 => params.push((CONTENT_SIZE, 0)),
            _ => params.push((ZSTD_cParameter::ZSTD_c_minMatch, 3)),
        }
        let frame = reference::compress(&params, &[], &data);
        assert_decodes(None, Format::Standard, &frame, &data, &format!("round {round}: {params:?}"));
    }
}

/// Dictionaries: raw content, a trained one, and the head of an odd one.
fn dictionaries() -> &'static [Vec<u8>] {
    static DICTS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    DICTS.get_or_init(|| {
        let pages = reference::corpus_pages(96);
        let samples: Vec<&[u8]> = pages.iter().map(|page| &page[..]).collect();
        let raw = pages[..4].concat();
        vec![
            raw.clone(),
            raw[..7].to_vec(),
            raw[..1].to_vec(),
            reference::train(&samples, 16 << 10),
            reference::train(&samples, 110 << 10),
        ]
    })
}

#[test]
fn frames_with_dictionaries_come_back_and_others_are_stale() {
    for (i, bytes) in dictionaries().iter().enumerate() {
        let dict = Dict::new(bytes).expect("dictionary");
        assert_eq!(dict.id() != 0, i >= 3, "dictionary {i}");
        assert!(bytes.ends_with(dict.content()));
        for page in reference::corpus_pages(if cfg!(debug_assertions) { 6 } else { 48 }) {
            for level in [-5, 1, 3, 9, 19] {
                let what = format!("dictionary {i}, level {level}");
                let frame = reference::compress(&[(LEVEL, level)], bytes, &page);
                assert_decodes(Some(&dict), Format::Standard, &frame, &page, &what);
                let bare = reference::compress(&[(LEVEL, level), (FORMAT, 1), (DICT_ID, 0)], bytes, &page);
                assert_decodes(Some(&dict), Format::Magicless, &bare, &page, &what);
                if dict.id() != 0 {
                    assert_eq!(decode(None, Format::Standard, &frame, 4096), Err(Error::Stale), "{what}");
                    let raw = Dict::new(dict.content()).expect("raw");
                    assert_eq!(decode(Some(&raw), Format::Standard, &frame, 4096), Err(Error::Stale), "{what}");
                }
            }
        }
        let plain = reference::compress(&[(LEVEL, 3)], &[], &bytes[..bytes.len().min(4096)]);
        assert_decodes(Some(&dict), Format::Standard, &plain, &bytes[..bytes.len().min(4096)], "without");
    }
}

#[test]
fn dictionaries_are_accepted_exactly_where_libzstd_accepts_them() {
    let frame = reference::compress(&[(LEVEL, 1)], &[], b"some bytes, some bytes, some bytes");
    let mut random = Random(5);
    for bytes in &dictionaries()[3..4] {
        let check = |bytes: &[u8]| {
            STRICTER.set(None);
            let ours = Dict::new(bytes).is_ok();
            let theirs = reference::decompress(bytes, &frame, 100).is_ok();
            assert!(ours == theirs || (!ours && STRICTER.get().is_some()), "ours {ours}");
        };
        for len in 0..400 {
            check(&bytes[..len]);
        }
        for _ in 0..if cfg!(debug_assertions) { 300 } else { 20_000 } {
            let mut mutant = bytes.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(320);
                mutant[at] = random.next() as u8;
            }
            check(&mutant);
        }
    }
}

/// A raw, RLE, compressed or reserved block with this content.
fn block(last: bool, kind: u32, size: usize, content: &[u8]) -> Vec<u8> {
    let word = u32::from(last) | kind << 1 | (size as u32) << 3;
    [&word.to_le_bytes()[..3], content].concat()
}

/// A frame of these blocks with a window of 1 KiB << `log` and no content size.
fn frame(log: u8, blocks: &[Vec<u8>]) -> Vec<u8> {
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, log << 3][..], &blocks.concat()].concat()
}

/// Checks that we and libzstd make the same of `src`, for room of `cap` bytes.
#[track_caller]
fn assert_same(src: &[u8], cap: usize) -> Result<Vec<u8>, Error> {
    let ours = decode(None, Format::Standard, src, cap);
    let theirs = reference::decompress(&[], src, cap);
    assert_eq!(ours.as_ref().ok(), theirs.as_ref().ok(), "ours {:?}", ours.as_ref().err());
    ours
}

#[test]
fn hand_made_blocks_of_every_type() {
    let raw = block(false, 0, 3, b"abc");
    let last = block(true, 1, 5, b"z");
    let both = frame(2, &[raw.clone(), last.clone()]);
    assert_eq!(assert_same(&both, 8).as_deref(), Ok(&b"abczzzzz"[..]));
    assert_eq!(assert_same(&both, 7), Err(Error::NoSpace));
    assert_eq!(assert_same(&frame(2, &[raw.clone(), block(true, 3, 0, b"")]), 8), Err(Error::Corrupt));
    assert_eq!(assert_same(&frame(2, core::slice::from_ref(&raw)), 8), Err(Error::Corrupt));
    assert_eq!(assert_same(&frame(2, &[block(true, 0, 0, b"")]), 0).as_deref(), Ok(&b""[..]));
    // An RLE block above the block maximum, which libzstd takes.
    assert_eq!(assert_same(&frame(0, &[block(true, 1, 300_000, b"z")]), 300_000).map(|v| v.len()), Ok(300_000));
    // Compressed: raw literals "hello", no sequences; the same with one byte behind a count of 0.
    let hello = [&[5 << 3][..], b"hello", &[0]].concat();
    let good = frame(2, &[block(true, 2, 7, &hello)]);
    assert_eq!(assert_same(&good, 5).as_deref(), Ok(&b"hello"[..]));
    assert_eq!(assert_same(&good, 4), Err(Error::NoSpace));
    let padded = [&hello[..], &[0]].concat();
    assert_eq!(assert_same(&frame(2, &[block(true, 2, 8, &padded)]), 5), Err(Error::Corrupt));
    // RLE literals, and a count of 0 in two bytes.
    let rle = [5 << 3 | 1, b'x', 0x80, 0];
    assert_eq!(assert_same(&frame(2, &[block(true, 2, 4, &rle)]), 5).as_deref(), Ok(&b"xxxxx"[..]));
    // "Treeless" and "repeat" with nothing to repeat.
    assert_eq!(assert_same(&frame(2, &[block(true, 2, 6, &[3, 1, 4, 1, 1, 0])]), 50), Err(Error::Corrupt));
    assert_eq!(assert_same(&frame(2, &[block(true, 2, 5, &[0, 1, 0xfc, 1, 1])]), 50), Err(Error::Corrupt));
}

#[test]
fn repeat_offsets_follow_the_rule_for_literals_of_length_zero() {
    // One literal; then sequences whose three tables are RLE: literals length code, offset code, match length code 0
    // (3 bytes). The bits hold the offset's extra bit only.
    let sequence = |prefix: &[u8], ll: u8, of: u8, bits: &[u8], count: u8| {
        let literals = [&[(prefix.len() as u8) << 3][..], prefix].concat();
        let content = [&literals[..], &[count, 0x54, ll, of, 0], bits].concat();
        frame(2, &[block(false, 0, 9, b"abcdefghi"), block(true, 2, content.len(), &content)])
    };
    // The offsets are 1, 4, 8 at first. Code 0 after one literal: the first; after none: the second.
    assert_eq!(assert_same(&sequence(b"-", 1, 0, &[1], 1), 99).as_deref(), Ok(&b"abcdefghi----"[..]));
    assert_eq!(assert_same(&sequence(b"", 0, 0, &[1], 1), 99).as_deref(), Ok(&b"abcdefghifgh"[..]));
    // Code 1: with bit 0 the second or third, with bit 1 the third or (after no literal) the first less 1, which is 0.
    assert_eq!(assert_same(&sequence(b"-", 1, 1, &[2], 1), 99).as_deref(), Ok(&b"abcdefghi-ghi"[..]));
    assert_eq!(assert_same(&sequence(b"", 0, 1, &[2], 1), 99).as_deref(), Ok(&b"abcdefghibcd"[..]));
    assert_eq!(assert_same(&sequence(b"-", 1, 1, &[3], 1), 99).as_deref(), Ok(&b"abcdefghi-cde"[..]));
    assert_eq!(assert_same(&sequence(b"", 0, 1, &[3], 1), 99), Err(Error::Corrupt));
    // Two of them: 4, then (1 and 4 swapped) 1.
    assert_eq!(assert_same(&sequence(b"", 0, 0, &[1], 2), 99).as_deref(), Ok(&b"abcdefghifghhhh"[..]));
    // An offset of 12 and one of 9 (code 3, extra bits), of which the first reaches before the frame.
    assert_eq!(assert_same(&sequence(b"", 0, 3, &[0b1111], 1), 99), Err(Error::Corrupt));
    assert_eq!(assert_same(&sequence(b"", 0, 3, &[0b1100], 1), 99).as_deref(), Ok(&b"abcdefghiabc"[..]));
    // One bit too many, one too few, no end mark.
    for bits in [&[0b11100][..], &[0b110], &[0], &[]] {
        assert_eq!(assert_same(&sequence(b"", 0, 3, bits, 1), 99), Err(Error::Corrupt));
    }
}

#[test]
fn frames_may_follow_each_other_with_skippable_ones_between() {
    let one = reference::compress(&[(LEVEL, 3), (CHECKSUM, 1)], &[], &[7; 1000]);
    let two = reference::compress(&[(LEVEL, 3)], &[], b"the second frame");
    let skip = [&0x184D_2A5Fu32.to_le_bytes()[..], &3u32.to_le_bytes(), b"???"].concat();
    let all = [&skip[..], &one, &skip, &two, &skip].concat();
    let want = [&[7; 1000][..], b"the second frame"].concat();
    assert_eq!(assert_same(&all, 2000).as_ref(), Ok(&want));
    assert_eq!(content_size(&all), Ok(Some(1016)));
    assert_eq!(assert_same(&all, 1015), Err(Error::NoSpace));
    for len in 0..all.len() {
        let _ = assert_same(&all[..len], 1016);
        assert_eq!(content_size(&all[..len]).map_err(|_| ()), reference::content_size(&all[..len]), "{len} bytes");
    }
    for tail in 1..9 {
        assert_eq!(assert_same(&[&all[..], &vec![0; tail]].concat(), 2000), Err(Error::Corrupt));
    }
    // A frame sees nothing of the one before it: its offset of 1 reaches before its start.
    let lone = frame(2, &[block(true, 2, 6, &[0, 1, 0x54, 0, 2, 0])]);
    assert_eq!(assert_same(&[&one[..], &lone].concat(), 2000), Err(Error::Corrupt));
    let bare = reference::compress(&[(LEVEL, 3), (FORMAT, 1)], &[], &[7; 1000]);
    assert_eq!(decode(None, Format::Magicless, &[&bare[..], &bare].concat(), 2000), Err(Error::Corrupt));
    assert_eq!(decode(None, Format::Magicless, &[], 10), Err(Error::Corrupt));
    assert_eq!(decode(None, Format::Standard, &[], 10).as_deref(), Ok(&[][..]));
}

#[test]
fn windows_above_128_mib_and_reserved_bits_are_refused() {
    let content = block(true, 0, 1, b"x");
    let with = |descriptor: u8, fields: &[u8]| {
        let src = [&[0x28, 0xb5, 0x2f, 0xfd, descriptor][..], fields, &content].concat();
        decode(None, Format::Standard, &src, 1)
    };
    assert_eq!(with(0, &[17 << 3]).as_deref(), Ok(&b"x"[..]));
    assert_eq!(with(0, &[17 << 3 | 1]), Err(Error::Corrupt));
    assert_eq!(with(0x10, &[0]).as_deref(), Ok(&b"x"[..]), "the unused bit is ignored");
    assert_eq!(with(0x08, &[0]), Err(Error::Corrupt));
    // Content sizes of all widths: right, and wrong (too much for the room, or not what the blocks hold).
    for (descriptor, right, short) in [(0x20, vec![1], vec![0]), (0xa0, vec![1, 0, 0, 0], vec![0; 4])] {
        assert_eq!(with(descriptor, &right).as_deref(), Ok(&b"x"[..]));
        assert_eq!(with(descriptor, &short), Err(Error::Corrupt));
    }
    assert_eq!(with(0xe0, &1u64.to_le_bytes()).as_deref(), Ok(&b"x"[..]));
    assert_eq!(with(0xe0, &u64::MAX.to_le_bytes()), Err(Error::NoSpace));
    assert_eq!(with(0x60, &[0, 0]), Err(Error::NoSpace));
    // Ids of dictionaries of all widths; 0 names none.
    for (descriptor, len) in [(1, 1), (2, 2), (3, 4)] {
        assert_eq!(with(descriptor, &vec![0; 1 + len]).as_deref(), Ok(&b"x"[..]));
        assert_eq!(with(descriptor, &[vec![0], vec![9; len]].concat()), Err(Error::Stale));
    }
}

#[test]
fn a_wrong_checksum_is_corrupt() {
    let page = reference::corpus_pages(1).swap_remove(0);
    let mut frame = reference::compress(&[(LEVEL, 1), (CHECKSUM, 1)], &[], &page);
    *frame.last_mut().expect("checksum") ^= 1;
    assert_eq!(decode(None, Format::Standard, &frame, 4096), Err(Error::Corrupt));
}

#[test]
fn every_cut_of_a_frame_is_refused() {
    for (i, page) in reference::corpus_pages(1).iter().enumerate() {
        let frame = reference::compress(&[(LEVEL, [-5, 1, 19][i % 3])], &[], page);
        for len in 1..frame.len() {
            let mut src = Guarded::new(len);
            src.bytes().copy_from_slice(&frame[..len]);
            assert_eq!(decode(None, Format::Standard, src.bytes(), 4096), Err(Error::Corrupt), "{len} bytes");
        }
    }
}

/// A frame of random sequences under tables of presets or predefined ones, and how many bytes it has: a raw block, so that all
/// offsets are in reach, and a block of raw literals and sequences.
fn preset_frame(random: &mut Random) -> (Vec<u8>, usize) {
    const REACH: usize = 8192;
    loop {
        let kinds = [random.below(13), random.below(13), random.below(13)];
        let described = |norm: &[i16]| {
            let (header, len) = zstd_presets::description::<72>(norm, zstd_presets::LOG);
            header[..len].to_vec()
        };
        // Literals lengths, offsets, match lengths: description, table, log.
        let table = |kind: usize, norms: &dyn Fn(usize) -> Vec<u8>, presets: &'static Presets, alphabet, predefined| {
            if kind == 12 {
                return (vec![], predefined);
            }
            let header = norms(kind);
            let entries = presets.find(&header).expect("a preset").0.entries();
            let mut memory = vec![0; 512];
            let mut own = Own::new(&mut memory);
            assert!(Table::best().zstd_fse_read(&mut own, alphabet, &header).is_ok());
            assert_eq!(own.entries().all(), entries.all());
            (header, entries)
        };
        let tables = [
            table(kinds[0], &|i| described(&zstd_presets::LL[i]), &LL_PRESETS, &LL, LL_PREDEFINED.entries()),
            table(kinds[1], &|i| described(&zstd_presets::OF[i]), &OF_PRESETS, &OF, OF_PREDEFINED.entries()),
            table(kinds[2], &|i| described(&zstd_presets::ML[i]), &ML_PRESETS, &ML, ML_PREDEFINED.entries()),
        ];
        // Any bits are a walk through the tables. The fields are in the order of reading.
        let count = 1 + random.below(120);
        let mut fields: Vec<(u64, u32)> = vec![];
        let mut take = |random: &mut Random, count: u64| {
            let value = random.next() & ((1 << count) - 1);
            fields.push((value, count as u32));
            value
        };
        let mut states = tables.each_ref().map(|(_, entries)| take(random, entries.log().into()) as usize);
        let (mut literals, mut total) = (0, REACH);
        for left in (0..count).rev() {
            let [ll, of, ml] = [0, 1, 2].map(|i| tables[i].1.all()[states[i]]);
            take(random, of >> 16 & 0xff);
            let matched = (ml >> 24 & 0xff_ffff) + take(random, ml >> 16 & 0xff);
            let before = (ll >> 24 & 0xff_ffff) + take(random, ll >> 16 & 0xff);
            literals += before as usize;
            total += (before + matched) as usize;
            if left > 0 {
                for (i, entry) in [(0, ll), (2, ml), (1, of)] {
                    states[i] = (entry >> 48) as usize + take(random, entry & 0xff) as usize;
                }
            }
        }
        let extra = random.below(20);
        literals += extra;
        total += extra;
        if total > 20_000 {
            continue;
        }
        let mut bits: Vec<bool> =
            fields.iter().rev().flat_map(|&(value, count)| (0..count).map(move |i| value >> i & 1 == 1)).collect();
        bits.push(true);
        let mut content = ((literals as u32) << 4 | 3 << 2).to_le_bytes()[..3].to_vec();
        content.extend(random.bytes(1, literals));
        content.push(count as u8);
        let modes = kinds.map(|kind| if kind == 12 { MODE_PREDEFINED } else { MODE_FSE });
        content.push(modes[0] << 6 | modes[1] << 4 | modes[2] << 2);
        tables.iter().for_each(|(header, _)| content.extend(header));
        content.extend(bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, &bit| all << 1 | u8::from(bit))));
        let blocks = [block(false, 0, REACH, &random.bytes(4, REACH)), block(true, 2, content.len(), &content)];
        return (frame(7, &blocks), total);
    }
}

#[test]
fn frames_with_tables_of_presets_are_decoded_as_by_libzstd() {
    let mut random = Random(17);
    let mut accepted = 0;
    for _ in 0..if cfg!(debug_assertions) { 100 } else { 1000 } {
        let (frame, len) = preset_frame(&mut random);
        match reference::decompress(&[], &frame, len) {
            Ok(data) => {
                accepted += 1;
                assert_eq!(data.len(), len);
                assert_decodes(None, Format::Standard, &frame, &data, "presets");
            }
            // A repeated offset of 1, less 1.
            Err(_) => assert_eq!(decode(None, Format::Standard, &frame, len), Err(Error::Corrupt)),
        }
    }
    assert!(accepted > 50, "{accepted} frames were good");
    for cut in 0..200 {
        let (frame, len) = preset_frame(&mut random);
        let reach = frame.len() - 1 - cut % 90;
        assert_eq!(decode(None, Format::Standard, &frame[..reach], len), Err(Error::Corrupt));
    }
}

/// Puts something into a frame that a decoder must not believe: a tree of random weights, most of them not a tree, some too long; a
/// description of a table with any accuracy; a window or content size that is none.
fn make_hostile(random: &mut Random, frame: &mut [u8], magicless: bool) {
    let format = if magicless { Format::Magicless } else { Format::Standard };
    let Ok(header) = Header::parse(frame, format) else { return };
    let block = header.len + 3;
    if random.below(4) == 0 || frame.len() < block + 24 {
        let start = if magicless { 0 } else { 4 };
        let at = start + random.below(header.len - start);
        frame[at] = random.next() as u8;
        return;
    }
    let literals = [3, 3, 4, 5][usize::from(frame[block] >> 2 & 3)];
    let tree = block + literals;
    let room = frame.len() - tree;
    match random.below(3) {
        0 => {
            let count = 1 + random.below(128.min(2 * room - 2));
            frame[tree] = 127 + count as u8;
            let most = 1 + random.below(15);
            for byte in &mut frame[tree + 1..tree + 1 + count.div_ceil(2)] {
                *byte = (random.below(most + 1) << 4 | random.below(most + 1)) as u8;
            }
        }
        1 => {
            frame[tree] = random.below(128) as u8;
            frame[tree + 1] = random.next() as u8;
        }
        // Of a few bytes, one may begin a table of sequences.
        _ => {
            let at = block + random.below(frame.len() - block);
            frame[at] = frame[at] & 0xf0 | random.below(16) as u8;
        }
    }
}

/// What a run of [`mutate`] saw.
#[derive(Default, Debug)]
struct Tally {
    mutants: usize,
    accepted: usize,
    only_libzstd: BTreeMap<String, usize>,
}

/// Damages frames, and checks that we and libzstd make the same of them: same verdict, same bytes. We may refuse what
/// libzstd accepts where the decoder says that it is stricter; never the other way.
fn mutate(seed: u64, mutants: usize, tables: &[Table]) -> Tally {
    let mut random = Random(seed);
    let mut tally = Tally::default();
    let mut data = reference::corpus_pages(8);
    for kind in 0..6 {
        data.push(random.bytes(kind, 1500));
        data.push(random.bytes(kind, 30));
        data.push(random.bytes(kind, 20_000));
    }
    let dict_bytes = &dictionaries()[3];
    let dicts = [None, Some((Dict::new(dict_bytes).expect("dictionary"), &dict_bytes[..]))];
    let mut seeds = Vec::new();
    for (i, data) in data.iter().enumerate() {
        for shape in 0..10 {
            let mut params = vec![(LEVEL, [-5, 1, 3, 9, 19][(i + shape) % 5])];
            match shape {
                0 | 1 => {}
                2 => params.push((CONTENT_SIZE, 0)),
                3 => params.push((ZSTD_cParameter::ZSTD_c_targetCBlockSize, 1340)),
                4 => params.push((CHECKSUM, 1)),
                5 => params.extend([(ZSTD_cParameter::ZSTD_c_windowLog, 10), (CONTENT_SIZE, 0)]),
                6 => params.push((LITERALS, 1)),
                7 => params.push((LITERALS, 2)),
                _ => params.push((FORMAT, 1)),
            }
            let with_dict = shape % 2 == 1;
            let dict = if with_dict { &dict_bytes[..] } else { &[] };
            seeds.push((reference::compress(&params, dict, data), data.len(), usize::from(with_dict), shape >= 8));
        }
    }
    while seeds.len() % 100 != 0 {
        let (frame, len) = preset_frame(&mut random);
        seeds.push((frame, len, 0, false));
    }
    let mut theirs = [reference::Decoder::new(false), reference::Decoder::new(true)];
    let mut scratch = vec![u64::MAX; decode_words(24_000)];
    let (mut our_src, mut our_dst, mut their_dst) = (Guarded::new(40_000), Guarded::new(24_000), vec![0; 24_000]);
    while tally.mutants < mutants {
        let (frame, len, dict, magicless) = &seeds[random.below(seeds.len())];
        let mut mutant = frame.clone();
        for _ in 0..1 + random.below(3) * random.below(2) {
            // Headers and tables come first, and decide most.
            let reach = if random.below(2) == 0 { mutant.len().min(48) } else { mutant.len() };
            let at = random.below(reach);
            match random.below(8) {
                0..4 => mutant[at] ^= 1 << random.below(8),
                4 | 5 => mutant[at] = random.next() as u8,
                6 => mutant[at] = mutant[at].wrapping_add([1, 255][random.below(2)]),
                _ => {
                    let other = &seeds[random.below(seeds.len())].0;
                    let from = random.below(other.len());
                    let n = (1 + random.below(40)).min(mutant.len() - at).min(other.len() - from);
                    mutant[at..at + n].copy_from_slice(&other[from..from + n]);
                }
            }
        }
        if random.below(8) == 0 {
            make_hostile(&mut random, &mut mutant, *magicless);
        }
        if random.below(16) == 0 {
            mutant.truncate(random.below(mutant.len()) + 1);
        }
        let cap = [*len, *len, *len, len + 1, len + 40, len + 3000][random.below(6)];
        let (at_end, at_start) = (random.below(2) == 0, random.below(2) == 0);
        let src = our_src.part(mutant.len(), at_end);
        src.copy_from_slice(&mutant);
        let our_dst = our_dst.part(cap, !at_start);
        let format = if *magicless { Format::Magicless } else { Format::Standard };
        STRICTER.set(None);
        let (dict, dict_bytes) = dicts[*dict].as_ref().map_or((None, &[][..]), |(dict, bytes)| (Some(dict), bytes));
        let ours = decompress(tables[tally.mutants % tables.len()], &mut scratch, dict, format, src, our_dst);
        let their = theirs[usize::from(*magicless)].decompress(dict_bytes, &mutant, &mut their_dst[..cap]);
        tally.mutants += 1;
        if !magicless && STRICTER.get() != Some(Stricter::Window) {
            let size = content_size(&mutant).map_err(|_| ());
            assert_eq!(size, reference::content_size(&mutant), "content size: {mutant:02x?}");
        }
        match (ours, their) {
            (Ok(a), Ok(b)) => {
                assert!(a == b && our_dst[..a] == their_dst[..b], "different bytes: {mutant:02x?}");
                tally.accepted += 1;
            }
            (Err(_), Err(_)) => {}
            (Err(Error::Corrupt), Ok(_)) if STRICTER.get().is_some() => {
                *tally.only_libzstd.entry(format!("{:?}", STRICTER.get())).or_default() += 1;
            }
            _ => panic!("ours {ours:?}, libzstd {their:?}, room {cap}, {format:?}: {mutant:02x?}"),
        }
    }
    tally
}

#[test]
fn damaged_frames_are_judged_as_libzstd_judges_them() {
    let mutants = if cfg!(debug_assertions) { 20_000 } else { 250_000 };
    let tally = mutate(1, mutants, &tables());
    // Both verdicts must have been put to the test.
    assert!(tally.accepted > mutants / 50 && tally.accepted < mutants / 2, "{tally:?}");
}

#[test]
#[ignore = "minutes; TZRAM_MUTANTS sets how many"]
fn many_damaged_frames_are_judged_as_libzstd_judges_them() {
    let mutants = std::env::var("TZRAM_MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000_000);
    for (i, table) in tables().into_iter().enumerate() {
        let tally = mutate(0x9E37_79B9_7F4A_7C15 + i as u64, mutants, &[table]);
        eprintln!("table {i}, {}: {tally:?}", table.backend().name());
    }
}

#[test]
fn scratch_for_a_page_takes_28_kib_at_most() {
    assert!(8 * decode_words(4096) <= 28 << 10, "{}", 8 * decode_words(4096));
    assert!(decode_words(usize::MAX) == decode_words(128 << 10));
}
