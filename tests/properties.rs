//! Properties that hold for any input, with inputs that shrink to a small counterexample.

mod common;

use common::reference;
use proptest::collection::vec;
use proptest::prelude::*;
use tzram::{Algorithm, Compressor, Dictionary, Error, PageCompressor};

/// A piece of memory: what compressors like, what they dislike, and the borders between.
#[derive(Clone, Debug)]
enum Piece {
    Noise(Vec<u8>),
    Run(u8, usize),
    Period(Vec<u8>, usize),
    Words(u64, u64, usize),
    Back(usize, usize),
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        vec(any::<u8>(), 1..60).prop_map(Piece::Noise),
        (any::<u8>(), 1..2000usize).prop_map(|(byte, len)| Piece::Run(byte, len)),
        (vec(any::<u8>(), 1..20), 1..600usize).prop_map(|(period, len)| Piece::Period(period, len)),
        (any::<u64>(), 0..64u64, 1..80usize).prop_map(|(first, step, count)| Piece::Words(first, step, count)),
        (1..5000usize, 3..400usize).prop_map(|(distance, len)| Piece::Back(distance, len)),
    ]
}

fn memory() -> impl Strategy<Value = Vec<u8>> {
    vec(piece(), 0..60).prop_map(|pieces| {
        let mut bytes: Vec<u8> = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Noise(noise) => bytes.extend(noise),
                Piece::Run(byte, len) => bytes.extend(std::iter::repeat_n(byte, len)),
                Piece::Period(period, len) => bytes.extend(period.iter().cycle().take(len)),
                Piece::Words(first, step, count) => {
                    (0..count as u64).for_each(|i| bytes.extend(first.wrapping_add(i * step).to_le_bytes()));
                }
                Piece::Back(distance, len) => {
                    if !bytes.is_empty() {
                        let from = bytes.len() - distance.min(bytes.len());
                        (0..len).for_each(|i| bytes.push(bytes[from + i]));
                    }
                }
            }
        }
        bytes
    })
}

/// An algorithm with a stream of its own, and one of its levels.
fn codec() -> impl Strategy<Value = (&'static str, i32)> {
    prop_oneof![
        (Just("lz4-generic"), -3..=9),
        (Just("lz4"), -3..=2),
        (Just("zstd-generic"), -5..=12),
        (Just("zstd"), -5..=12),
    ]
}

/// An algorithm of the page layer, and one of its levels.
fn settings() -> impl Strategy<Value = (&'static str, i32)> {
    prop_oneof![2 => codec(), 1 => (Just("adaptive"), 1..=9)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_page_comes_back((driver, level) in settings(), mut page in memory(), scale in 0..3usize) {
        let unit = 4096 << (2 * scale);
        page.resize(unit, 0);
        let mut compressor =
            PageCompressor::builder().driver(driver).level(level).page_size(unit).build().expect("a driver");
        let object = compressor.compress_page(&page).expect("a page always fits").data;
        prop_assert!(!object.is_empty() && object.len() <= unit);
        prop_assert!(compressor.decompress_page(&object).as_ref() == Ok(&page));
    }

    #[test]
    fn any_page_comes_back_with_any_dictionary(
        (driver, level) in settings(),
        mut page in memory(),
        content in memory(),
    ) {
        page.resize(4096, 0);
        let Ok(dict) = Dictionary::new(&content) else { return Ok(()) };
        let builder = PageCompressor::builder().driver(driver).level(level).dictionary(&dict);
        let mut compressor = builder.build().expect("a driver");
        let object = compressor.compress_page(&page).expect("a page always fits").data;
        prop_assert!(compressor.decompress_page(&object).as_ref() == Ok(&page));
    }

    #[test]
    fn any_buffer_crosses_to_the_reference_library((driver, level) in codec(), data in memory()) {
        let mut compressor = Compressor::builder().driver(driver).level(level).build().expect("a driver");
        let stream = compressor.compress(&data).expect("within the bound");
        prop_assert!(compressor.decompress(&stream).as_ref() == Ok(&data));
        let mut back = vec![0; data.len()];
        let read = match driver {
            "lz4-generic" | "lz4" => reference::lz4_decompress(&stream, &mut back),
            _ => reference::Zstd::new(1, false).decompress(&stream, &mut back),
        };
        prop_assert_eq!(read, Some(data.len()));
        prop_assert!(back == data);
    }

    #[test]
    fn any_bytes_are_an_object_or_damaged(bytes in vec(any::<u8>(), 0..300), tag in 0..8u8) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = tag;
        }
        let result = PageCompressor::new().decompress_page(&bytes);
        prop_assert!(matches!(result, Ok(_) | Err(Error::Corrupt)));
    }

    #[test]
    fn any_bytes_are_a_stream_or_damaged(bytes in vec(any::<u8>(), 0..300), room in 0..5000usize) {
        let mut dst = vec![0; room];
        for algorithm in [Algorithm::Lz4, Algorithm::Zstd] {
            let result = Compressor::new(algorithm).decompress_into(&bytes, &mut dst);
            prop_assert!(matches!(result, Ok(_) | Err(Error::Corrupt | Error::NoSpace | Error::Stale)));
        }
    }
}
