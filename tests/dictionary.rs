//! Dictionaries through the page layer and the stream layer, under every driver.

mod common;

use common::{corpus, reference};
use tzram::{Algorithm, Compressor, Dictionary, Error, PageCodec, PageCompressor};

const DRIVERS: &[(&str, &[i32])] = &[
    ("adaptive", &[1, 5, 9]),
    ("lz4-generic", &[-3, 1, 2, 6, 9]),
    ("lz4", &[-1, 1]),
    ("zstd-generic", &[-5, 1, 2, 3, 4]),
    ("zstd", &[-5, 1, 5, 9, 12]),
    #[cfg(feature = "libzstd")]
    ("zstd-libzstd", &[1, 19]),
];

/// Pages of one program to learn from, and others of the same program to compress.
fn pages() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let set = corpus::load().into_iter().nth(1).expect("a second set");
    let pages: Vec<Vec<u8>> = set.pages().filter(|page| !corpus::same_filled(page)).map(<[u8]>::to_vec).collect();
    let (known, fresh) = pages.split_at(pages.len() / 2);
    (known.to_vec(), fresh.to_vec())
}

/// Raw content of several lengths, and a trained dictionary with entropy tables.
fn dictionaries(known: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let bytes = known.concat();
    let mut all: Vec<Vec<u8>> =
        [1, 7, 8, 100, 4096, 65536, 65537, 200_000].map(|len: usize| bytes[bytes.len() - len..].to_vec()).to_vec();
    all.push(reference::zstd_train(known, 32 * 1024));
    all
}

#[test]
fn pages_come_back_with_their_dictionary_and_the_reference_libraries_read_them() {
    let (known, fresh) = pages();
    let (mut back, mut theirs) = (vec![0; corpus::PAGE], vec![0; corpus::PAGE]);
    for bytes in dictionaries(&known) {
        let dict = Dictionary::new(&bytes).expect("a dictionary");
        let mut reader = PageCompressor::builder().dictionary(&dict).build().expect("adaptive");
        let mut libzstd = reference::Zstd::new(1, true).with_dict(&bytes);
        for &(driver, levels) in DRIVERS {
            for &level in levels {
                let builder = PageCompressor::builder().driver(driver).level(level).dictionary(&dict);
                let mut compressor = builder.build().expect("a driver");
                for page in fresh.iter().step_by(7) {
                    let object = compressor.compress_page(page).expect("a page always fits");
                    reader.decompress_page_into(&object.data, &mut back).expect("the dictionary is there");
                    assert_eq!(&back, page, "{driver} level {level}, dictionary of {} bytes", bytes.len());
                    compressor.decompress_page_into(&object.data, &mut back).expect("the dictionary is there");
                    assert_eq!(&back, page, "{driver} level {level}, dictionary of {} bytes", bytes.len());
                    let (head, body) = object.data.split_at(5);
                    let read = match object.algorithm_used {
                        PageCodec::Lz4 => reference::lz4_decompress_with(body, &mut theirs, &bytes),
                        PageCodec::Zstd => libzstd.decompress(body, &mut theirs),
                        _ => continue,
                    };
                    assert_eq!(read, Some(corpus::PAGE), "{driver} level {level}, {} bytes", bytes.len());
                    assert_eq!(&theirs, page);
                    assert_eq!(head[0] & 0x10, 0x10);
                    assert_eq!(head[1..], dict.id().to_le_bytes());
                }
            }
        }
    }
}

#[test]
fn a_dictionary_of_the_same_program_makes_its_pages_smaller() {
    let (known, fresh) = pages();
    let raw = known.concat();
    let dict = Dictionary::new(&raw[raw.len() - 65536..]).expect("a dictionary");
    for driver in ["lz4", "zstd"] {
        let total = |dict: Option<&Dictionary>| -> usize {
            let mut builder = PageCompressor::builder().driver(driver);
            if let Some(dict) = dict {
                builder = builder.dictionary(dict);
            }
            let mut compressor = builder.build().expect("an algorithm");
            fresh.iter().map(|page| compressor.compress_page(page).expect("a page always fits").data.len()).sum()
        };
        let (plain, with) = (total(None), total(Some(&dict)));
        assert!(with < plain, "{driver}: {with} bytes with, {plain} without");
    }
}

#[test]
fn an_object_names_its_dictionary_and_no_other_will_do() {
    let (known, fresh) = pages();
    let (one, other) = (Dictionary::new(&known[0]).expect("raw"), Dictionary::new(&known[1]).expect("raw"));
    assert_ne!(one.id(), other.id());
    let trained = reference::zstd_train(&known, 16 * 1024);
    let id = Dictionary::new(&trained).expect("trained").id();
    assert_eq!(id.to_le_bytes(), trained[4..8]);
    for driver in ["lz4", "zstd"] {
        let mut with = PageCompressor::builder().driver(driver).dictionary(&one).build().expect("an algorithm");
        let object = with.compress_page(&fresh[0]).expect("a page always fits").data;
        let mut without = PageCompressor::builder().driver(driver).build().expect("an algorithm");
        assert_eq!(without.decompress_page(&object), Err(Error::Stale));
        let mut wrong = PageCompressor::builder().driver(driver).dictionary(&other).build().expect("an algorithm");
        assert_eq!(wrong.decompress_page(&object), Err(Error::Stale));
        let plain = without.compress_page(&fresh[0]).expect("a page always fits").data;
        assert_eq!(wrong.decompress_page(&plain).as_deref(), Ok(&fresh[0][..]), "objects without one need none");
    }
}

#[test]
fn streams_with_a_dictionary_cross_both_ways() {
    let (known, fresh) = pages();
    let bytes = reference::zstd_train(&known, 32 * 1024);
    let dict = Dictionary::new(&bytes).expect("trained");
    let mut ours = Compressor::builder().algorithm(Algorithm::Zstd).dictionary(&dict).build().expect("an algorithm");
    let mut libzstd = reference::Zstd::new(3, false).with_dict(&bytes);
    let (mut frame, mut back) = (vec![0; 8192], vec![0; corpus::PAGE]);
    for page in &fresh {
        let n = ours.compress_into(page, &mut frame).expect("room");
        assert_eq!(libzstd.decompress(&frame[..n], &mut back), Some(corpus::PAGE));
        assert_eq!(&back, page);
        let n = libzstd.compress(page, &mut frame).expect("room");
        assert_eq!(ours.decompress_into(&frame[..n], &mut back), Ok(corpus::PAGE));
        assert_eq!(&back, page);
    }
}

#[test]
fn damaged_dictionaries_are_refused() {
    let (known, _) = pages();
    let trained = reference::zstd_train(&known, 16 * 1024);
    assert_eq!(Dictionary::new(&[]).err(), Some(Error::Invalid));
    assert_eq!(Dictionary::new(&trained[..40]).err(), Some(Error::Invalid));
    let mut refused = 0;
    for at in 8..100 {
        let mut damaged = trained.clone();
        damaged[at] ^= 0xff;
        refused += usize::from(Dictionary::new(&damaged).err() == Some(Error::Invalid));
    }
    assert!(refused > 10, "{refused}");
}
