//! What LZ4 promises of pages and blocks, checked from outside: no page is given up that shrinks, a block is a function
//! of its input, and every backend judges every input as liblz4 does.

mod common;

use common::{Random, corpus, levels_of, reference};
use tzram::{Algorithm, Backend, Compressor, Error, PageCodec, PageCompressor};

/// A page that liblz4 brings to this many bytes must not be stored raw.
const COMPRESSIBLE: usize = corpus::PAGE / 4 * 3;

fn backends() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| backend.is_supported())
}

/// Pages whose first `k` times 256 bytes are noise and whose rest is zeros, text or words of little variety, for every
/// `k`; and the same with the noise behind.
fn half_noise() -> Vec<Vec<u8>> {
    let mut random = Random::new(21);
    let text = b"The page path must not allocate, lock, read the clock or the environment, or log. ";
    let mut pages = Vec::new();
    for noise in (0..=corpus::PAGE).step_by(256) {
        for kind in 0..3 {
            let rest: Vec<u8> = (0..corpus::PAGE - noise)
                .map(|i| match kind {
                    0 => 0,
                    1 => text[i % text.len()],
                    _ if i % 4 == 0 => random.below(16) as u8,
                    _ => 0x40,
                })
                .collect();
            let noise: Vec<u8> = (0..noise).map(|_| random.next() as u8).collect();
            pages.push([&noise[..], &rest].concat());
            pages.push([&rest[..], &noise].concat());
        }
    }
    pages
}

#[test]
fn no_page_that_liblz4_brings_to_three_quarters_is_stored_raw() {
    let mut pages = corpus::sample(1);
    pages.extend(half_noise());
    let mut block = vec![0; 2 * corpus::PAGE];
    pages.retain(|page| reference::lz4_compress(page, &mut block).is_some_and(|len| len <= COMPRESSIBLE));
    assert!(pages.len() > 1000);
    for backend in backends() {
        for level in [1, -1, -3] {
            let builder = PageCompressor::builder().driver("lz4").level(level).backend(backend);
            let mut codec = builder.build().expect("supported");
            let raw = |page: &&Vec<u8>| {
                codec.compress_page(page).expect("a page always fits").algorithm_used == PageCodec::Raw
            };
            let given_up = pages.iter().filter(raw).count();
            assert_eq!(given_up, 0, "of {} pages, level {level} on {}", pages.len(), backend.name());
        }
    }
}

/// The last matches of a block must start and end some bytes before its end: liblz4 refuses blocks that do not.
#[test]
fn blocks_of_any_length_end_as_liblz4_demands() {
    let bytes: Vec<u8> = corpus::sample(5).concat();
    let levels = levels_of(c"lz4");
    for backend in backends() {
        for level in levels.clone() {
            let builder = Compressor::builder().algorithm(Algorithm::Lz4).level(level).backend(backend);
            let mut codec = builder.build().expect("supported");
            for len in [40, 77, 300, 1000, 4085, 4090, 4095, 4096, 4097, 4140, 5000, 16_384, 16_390, 65_536, 200_000] {
                let (mut block, mut back) = (vec![0; 2 * len + 64], vec![0; len]);
                for unit in bytes.chunks_exact(len).step_by(3) {
                    let written = codec.compress_into(unit, &mut block).expect("room");
                    let read = reference::lz4_decompress(&block[..written], &mut back);
                    assert_eq!(read, Some(len), "level {level} on {}", backend.name());
                    assert!(back == unit, "{len} bytes, level {level} on {}", backend.name());
                }
            }
        }
    }
}

#[test]
fn a_block_does_not_depend_on_what_the_context_compressed_before() {
    let pages: Vec<Vec<u8>> = corpus::sample(149).into_iter().chain(half_noise()).collect();
    for backend in backends() {
        for level in [*levels_of(c"lz4").start(), -1, 1, 2, 3, *levels_of(c"lz4").end()] {
            let builder = Compressor::builder().algorithm(Algorithm::Lz4).level(level).backend(backend);
            let mut used = builder.build().expect("supported");
            let mut random = Random::new(level as u64);
            for page in &pages {
                let fresh = builder.build().expect("supported").compress(page);
                // Something else in between: another page, a piece that ends inside the page, or most of the page itself,
                // whose positions in the tables then are plausible but wrong.
                let other = &pages[random.below(pages.len())];
                let before = [&other[..], &page[..random.below(corpus::PAGE)], &page[1..]][random.below(3)];
                used.compress(before).expect("room");
                assert!(used.compress(page) == fresh, "level {level} on {}", backend.name());
            }
        }
    }
}

/// Whether the block has a distance of zero before anything else that is wrong with it: liblz4 goes on there, and we refuse.
fn has_zero_distance(block: &[u8]) -> bool {
    fn length(bytes: &mut core::slice::Iter<u8>, nibble: u8) -> Option<usize> {
        let mut length = usize::from(nibble);
        if nibble == 15 {
            loop {
                let byte = *bytes.next()?;
                length += usize::from(byte);
                if byte != 255 {
                    break;
                }
            }
        }
        Some(length)
    }
    let walk = || -> Option<()> {
        let mut bytes = block.iter();
        loop {
            let token = *bytes.next()?;
            let literals = length(&mut bytes, token >> 4)?;
            if literals > 0 {
                bytes.nth(literals - 1)?;
            }
            if [*bytes.next()?, *bytes.next()?] == [0, 0] {
                return Some(());
            }
            length(&mut bytes, token & 15)?;
        }
    };
    walk().is_some()
}

/// The decoders of all backends, and liblz4.
struct Judges {
    ours: Vec<(Backend, Compressor<'static>)>,
    back: Vec<u8>,
    wanted: Vec<u8>,
    accepted: usize,
    refused: usize,
}

impl Judges {
    fn new() -> Self {
        let make =
            |backend| Compressor::builder().algorithm(Algorithm::Lz4).backend(backend).build().expect("supported");
        Judges {
            ours: backends().map(|backend| (backend, make(backend))).collect(),
            back: vec![0; 2 * corpus::PAGE],
            wanted: vec![0; 2 * corpus::PAGE],
            accepted: 0,
            refused: 0,
        }
    }

    /// Compares verdict and bytes for `block` in `room` bytes.
    fn compare(&mut self, block: &[u8], room: usize) {
        let wanted = reference::lz4_decompress(block, &mut self.wanted[..room]);
        let stricter = wanted.is_some() && has_zero_distance(block);
        for (backend, decoder) in &mut self.ours {
            let got = decoder.decompress_into(block, &mut self.back[..room]);
            let name = backend.name();
            match (got, wanted) {
                (Err(Error::Corrupt), Some(_)) if stricter => {}
                (Ok(got), Some(wanted)) => {
                    assert_eq!(got, wanted, "{name}: {block:02x?}");
                    assert!(self.back[..got] == self.wanted[..got], "{name}: {block:02x?}");
                }
                (Err(Error::Corrupt | Error::NoSpace), None) => {}
                _ => panic!("{name}: {got:?}, liblz4 {wanted:?} for {block:02x?} in {room}"),
            }
        }
        *if wanted.is_some() { &mut self.accepted } else { &mut self.refused } += 1;
    }
}

/// The blocks of a hundred pages, by turns ours at level 1, ours at the highest, and liblz4's.
fn hundred_blocks() -> Vec<Vec<u8>> {
    let mut pages = corpus::sample(1);
    pages.retain(|page| !corpus::same_filled(page));
    let step = pages.len() / 100;
    let make = |level| Compressor::builder().algorithm(Algorithm::Lz4).level(level).build().expect("a level");
    let (mut fast, mut dense) = (make(1), make(*levels_of(c"lz4").end()));
    let one = |(i, page): (usize, &Vec<u8>)| {
        let mut block = vec![0; 2 * corpus::PAGE];
        let len = match i % 3 {
            0 => fast.compress_into(page, &mut block).expect("room"),
            1 => dense.compress_into(page, &mut block).expect("room"),
            _ => reference::lz4_compress(page, &mut block).expect("room"),
        };
        block.truncate(len);
        block
    };
    pages.iter().step_by(step).take(100).enumerate().map(one).collect()
}

#[test]
fn every_backend_judges_truncated_and_damaged_blocks_of_pages_as_liblz4_does() {
    let mut judges = Judges::new();
    for (i, mut block) in hundred_blocks().into_iter().enumerate() {
        judges.compare(&block, corpus::PAGE);
        judges.compare(&block, corpus::PAGE - 1);
        judges.compare(&block, corpus::PAGE + 77);
        for len in 0..block.len() {
            judges.compare(&block[..len], corpus::PAGE);
        }
        // Every bit of a quarter of the blocks; of the others every 37th, from another one each.
        let (first, step) = if i % 4 == 0 { (0, 1) } else { (i, 37) };
        for bit in (first..block.len() * 8).step_by(step) {
            block[bit / 8] ^= 1 << (bit % 8);
            judges.compare(&block, corpus::PAGE);
            block[bit / 8] ^= 1 << (bit % 8);
        }
    }
    assert!(judges.accepted > 10_000 && judges.refused > 10_000, "{} {}", judges.accepted, judges.refused);
}

#[test]
fn every_backend_judges_noise_and_endless_lengths_as_liblz4_does() {
    let mut judges = Judges::new();
    let mut random = Random::new(33);
    for round in 0..100_000 {
        let most = if round % 2 == 0 { 32 } else { 300 };
        let mut block: Vec<u8> = (0..1 + random.below(most)).map(|_| random.next() as u8).collect();
        if round % 2 == 0 {
            // Short literals and near distances, so that many a block gets far.
            block.iter_mut().for_each(|byte| *byte &= [0x11, 0x03, 0xFF, 0x07][random.below(4)]);
        }
        judges.compare(&block, [64, 300, corpus::PAGE][round % 3]);
    }
    // Lengths of many bytes, of literals and of a match, at both sides of what fits in a page.
    for run in (0..24).chain([100, 1000, 4095]) {
        for tail in [0, 1, 14, 15, 100, 254] {
            let mut literals = vec![0xF0];
            literals.extend(vec![255; run]);
            literals.push(tail);
            judges.compare(&literals, corpus::PAGE);
            for present in [run * 255 + usize::from(tail) + 14, run * 255 + usize::from(tail) + 15] {
                let mut block = literals.clone();
                block.resize(literals.len() + present, 7);
                judges.compare(&block, corpus::PAGE);
            }
            for end in [&[0x50, 1, 2, 3, 4, 5][..], &[0x40, 1, 2, 3, 4], &[0], &[]] {
                let mut block = vec![0x1F, 9, 1, 0];
                block.extend(vec![255; run]);
                block.push(tail);
                block.extend(end);
                for room in [corpus::PAGE, run * 255 + usize::from(tail) + 20 + end.len().saturating_sub(1)] {
                    judges.compare(&block, room.min(2 * corpus::PAGE));
                }
            }
        }
    }
    assert!(judges.accepted > 1000 && judges.refused > 1000, "{} {}", judges.accepted, judges.refused);
}
