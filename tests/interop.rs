//! liblz4 and libzstd read what we write, and we read what they write, on every page.

mod common;

use common::{corpus, reference};
use tzram::{Algorithm, Compressor, Error, PageCodec, PageCompressor};

#[test]
fn every_page_crosses_between_our_lz4_and_liblz4() {
    let mut block = vec![0; 8192];
    let mut back = vec![0; corpus::PAGE];
    for level in [-3, 1, 9] {
        let mut ours = Compressor::builder().algorithm(Algorithm::Lz4).level(level).build().expect("a level");
        for set in corpus::load() {
            for (i, page) in set.pages().enumerate() {
                let n = ours.compress_into(page, &mut block).expect("room");
                assert_eq!(reference::lz4_decompress(&block[..n], &mut back), Some(corpus::PAGE), "{} {i}", set.name);
                assert_eq!(back, page, "{} page {i}", set.name);
                let n = if level == 9 {
                    reference::lz4_compress_hc(page, &mut block, 9)
                } else {
                    reference::lz4_compress(page, &mut block)
                };
                let n = n.expect("room");
                assert_eq!(ours.decompress_into(&block[..n], &mut back), Ok(corpus::PAGE), "{} {i}", set.name);
                assert_eq!(back, page, "{} page {i}", set.name);
                let short = &mut back[..corpus::PAGE - 1];
                assert_eq!(ours.decompress_into(&block[..n], short), Err(Error::NoSpace));
            }
        }
    }
}

#[test]
fn every_page_crosses_between_our_zstandard_and_libzstd() {
    let mut frame = vec![0; 8192];
    let mut back = vec![0; corpus::PAGE];
    for (driver, level, theirs) in [
        ("zstd-generic", -5, -5),
        ("zstd-generic", -1, 1),
        ("zstd-generic", 1, 3),
        ("zstd-generic", 3, 19),
        ("zstd-generic", 7, 12),
        ("zstd", -4, -1),
        ("zstd", -1, 1),
        ("zstd", 1, 2),
        ("zstd", 2, 6),
        ("zstd", 4, 9),
        ("zstd", 12, 22),
    ] {
        let mut libzstd = reference::Zstd::new(theirs, false);
        let mut ours = Compressor::builder().driver(driver).level(level).build().expect("a level");
        for set in corpus::load() {
            for (i, page) in set.pages().enumerate() {
                let n = ours.compress_into(page, &mut frame).expect("room");
                assert_eq!(libzstd.decompress(&frame[..n], &mut back), Some(corpus::PAGE), "{} page {i}", set.name);
                assert_eq!(back, page, "{} page {i}", set.name);
                let n = libzstd.compress(page, &mut frame).expect("room");
                assert_eq!(ours.decompress_into(&frame[..n], &mut back), Ok(corpus::PAGE), "{} page {i}", set.name);
                assert_eq!(back, page, "{} page {i}", set.name);
                let short = &mut back[..corpus::PAGE - 1];
                assert_eq!(ours.decompress_into(&frame[..n], short), Err(Error::NoSpace));
            }
        }
    }
}

#[test]
fn page_objects_hold_what_the_format_page_says() {
    let mut magicless = reference::Zstd::new(1, true);
    let mut back = vec![0; corpus::PAGE];
    for driver in ["lz4", "zstd", "adaptive"] {
        let mut ours = PageCompressor::builder().driver(driver).build().expect("an algorithm");
        for page in corpus::sample(5) {
            let object = ours.compress_page(&page).expect("a page always fits");
            let body = &object.data[1..];
            let (tag, read) = match object.algorithm_used {
                PageCodec::Lz4 => (3, reference::lz4_decompress(body, &mut back)),
                PageCodec::Zstd => (4, magicless.decompress(body, &mut back)),
                _ => continue,
            };
            assert_eq!((object.data[0], read), (tag, Some(corpus::PAGE)), "{driver}");
            assert_eq!(back, page, "{driver}");
        }
    }
}

#[test]
fn long_buffers_cross_in_both_directions() {
    let data: Vec<u8> = corpus::load().iter().take(3).flat_map(|set| set.bytes.clone()).collect();
    let mut back = vec![0; data.len()];
    let mut stream = vec![0; data.len() * 2];
    for (driver, level) in
        [("zstd-generic", -5), ("zstd-generic", 3), ("zstd", -5), ("zstd", 1), ("zstd", 4), ("zstd", 7)]
    {
        let mut ours = Compressor::builder().driver(driver).level(level).build().expect("a level");
        let n = ours.compress_into(&data, &mut stream).expect("room");
        assert_eq!(reference::Zstd::new(1, false).decompress(&stream[..n], &mut back), Some(data.len()));
        assert!(back == data);
        let n = reference::Zstd::new(level * 5, false).compress(&data, &mut stream).expect("room");
        assert_eq!(ours.decompress(&stream[..n]).map(|back| back == data), Ok(true));
    }
    let mut ours = Compressor::new(Algorithm::Lz4);
    let n = ours.compress_into(&data, &mut stream).expect("room");
    assert_eq!(reference::lz4_decompress(&stream[..n], &mut back), Some(data.len()));
    assert!(back == data);
    let n = reference::lz4_compress(&data, &mut stream).expect("room");
    assert_eq!(ours.decompress(&stream[..n]).map(|back| back == data), Ok(true));
}

#[test]
fn the_examples_of_the_format_page_decode() {
    let page = include_str!("../docs/FORMAT.md");
    let examples: Vec<Vec<u8>> = page
        .lines()
        .filter(|line| line.starts_with("    0"))
        .map(|line| {
            let bytes = line.split_whitespace().take_while(|word| word.len() == 2);
            bytes.map_while(|word| u8::from_str_radix(word, 16).ok()).collect()
        })
        .collect();
    let mut one = vec![0; corpus::PAGE];
    let words = [0x03, 0x14, 0x25, 0x36, 0x47, 0x58, 0x69, 0x7a].repeat(512);
    let zeros = one.clone();
    one[corpus::PAGE - 1] = 1;
    let mut reader = PageCompressor::new();
    let pages: Vec<Vec<u8>> =
        examples.iter().map(|object| reader.decompress_page(object).expect("an example is an object")).collect();
    assert_eq!(pages, [zeros, words, one.clone(), one]);
}
