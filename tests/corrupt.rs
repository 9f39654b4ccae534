//! Damaged input is normal input: an error or some page, never a crash, an over-read or an over-write.

mod common;

use common::{Random, corpus, guarded::Guarded};
use tzram::{Algorithm, Compressor, Error, PageCompressor};

/// Damages `object` in one of several ways; returns its new length.
fn damage(random: &mut Random, object: &mut [u8]) -> usize {
    let n = object.len();
    match random.below(5) {
        0 => object[random.below(n)] ^= 1 << random.below(8),
        1 => {
            object[random.below(n)] = random.next() as u8;
            object[random.below(n)] = 0xFF;
        }
        2 => return random.below(n),
        3 => {
            for _ in 0..8 {
                object[random.below(n)] = random.next() as u8;
            }
        }
        _ => {
            let (a, b) = (random.below(n), random.below(n));
            object.copy_within(a.min(b)..a.max(b), 0);
        }
    }
    n
}

#[test]
fn damaged_objects_are_refused_or_decode_to_some_page() {
    let pages = corpus::sample(31);
    let mut random = Random::new(1);
    let (mut from, mut into) = (Guarded::new(4096), Guarded::new(4096));
    for driver in ["lz4", "zstd", "adaptive", "tzp"] {
        let mut compressor = PageCompressor::builder().driver(driver).build().expect("an algorithm");
        let (mut refused, mut decoded) = (0, 0);
        for round in 0..40_000 {
            let mut object = compressor.compress_page(&pages[round % pages.len()]).expect("a page always fits").data;
            if object.len() == 4096 {
                continue;
            }
            let len = damage(&mut random, &mut object);
            match compressor.decompress_page_into(from.hold(&object[..len]), into.tail(4096)) {
                Ok(()) => decoded += 1,
                Err(Error::Corrupt | Error::Stale) => refused += 1,
                Err(error) => panic!("{driver}: {error:?}"),
            }
        }
        assert!(refused > 1000 && decoded > 0, "{driver}: {refused} refused, {decoded} decoded");
    }
}

#[test]
fn noise_under_every_tag_is_survived() {
    let mut random = Random::new(2);
    let (mut from, mut into) = (Guarded::new(4096), Guarded::new(4096));
    let mut compressor = PageCompressor::new();
    for tag in 0..=255u8 {
        for _ in 0..200 {
            let len = 1 + random.below(if tag % 2 == 0 { 64 } else { 4095 });
            let mut object: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            object[0] = tag;
            let result = compressor.decompress_page_into(from.hold(&object), into.tail(4096));
            assert!(matches!(result, Ok(()) | Err(Error::Corrupt | Error::Stale)), "{result:?}");
        }
    }
}

#[test]
fn a_truncated_object_is_never_the_whole_page() {
    let mut from = Guarded::new(4096);
    for driver in ["lz4", "zstd", "tzp"] {
        let mut compressor = PageCompressor::builder().driver(driver).build().expect("an algorithm");
        for page in corpus::sample(151) {
            let object = compressor.compress_page(&page).expect("a page always fits").data;
            if object.len() < 4096 {
                for len in 0..object.len() {
                    let result = compressor.decompress_page(from.hold(&object[..len]));
                    assert_eq!(result, Err(Error::Corrupt), "{driver}: {len} of {} bytes", object.len());
                }
            }
        }
    }
}

#[test]
fn an_object_of_another_page_size_is_refused() {
    let mut small = PageCompressor::builder().driver("zstd").build().expect("an algorithm");
    let mut large = PageCompressor::builder().driver("zstd").page_size(8192).build().expect("an algorithm");
    let mut page = [1, 2, 3, 4].repeat(2048);
    page[9] = 77;
    let object = large.compress_page(&page).expect("a page always fits").data;
    assert_eq!(small.decompress_page(&object), Err(Error::Corrupt));
    let object = small.compress_page(&page[..4096]).expect("a page always fits").data;
    assert_eq!(large.decompress_page(&object), Err(Error::Corrupt));
}

#[test]
fn damaged_streams_are_refused_or_decode_to_something_inside_the_destination() {
    let mut random = Random::new(3);
    let bytes = corpus::load().swap_remove(0).bytes;
    let (mut from, mut into) = (Guarded::new(1 << 18), Guarded::new(1 << 18));
    for algorithm in [Algorithm::Lz4, Algorithm::Zstd] {
        let mut compressor = Compressor::new(algorithm);
        for round in 0..6000 {
            let len = if round % 10 == 0 { 100_000 } else { 1 + random.below(6000) };
            let at = random.below(bytes.len() - len);
            let mut stream = compressor.compress(&bytes[at..at + len]).expect("room");
            let n = damage(&mut random, &mut stream);
            let room = into.tail(len);
            match compressor.decompress_into(from.hold(&stream[..n]), room) {
                Ok(written) => assert!(written <= len),
                Err(Error::Corrupt | Error::NoSpace | Error::Stale) => {}
                Err(error) => panic!("{algorithm:?}: {error:?}"),
            }
        }
    }
}

#[test]
fn what_a_hostile_stream_claims_is_not_allocated() {
    let mut zstd = Compressor::new(Algorithm::Zstd);
    // A single-segment frame that claims 2^62 bytes, and one that claims 1 GiB, with an empty last block.
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0xE0];
    frame.extend((1u64 << 62).to_le_bytes());
    frame.extend([1, 0, 0]);
    assert!(zstd.decompress(&frame).is_err());
    frame[5..13].copy_from_slice(&(1u64 << 30).to_le_bytes());
    assert_eq!(zstd.decompress(&frame), Err(Error::Corrupt));
}
