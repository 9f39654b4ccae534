//! Every kernel table that this CPU runs, on real pages: the test that `make test-emulated` runs under emulators for the
//! instruction sets that the machine lacks. Prints `EXECUTED backend NAME` for each, which the runner collects.

mod common;

use common::{corpus, reference};
use tzram::{Backend, PageCodec, PageCompressor};

/// Embedded, since an emulated machine has no files.
const PAGES: &[&[u8]] = &[
    include_bytes!("corpus/chromium-browser.pages.zst"),
    include_bytes!("corpus/python.pages.zst"),
    include_bytes!("corpus/postgres.pages.zst"),
];

#[test]
fn every_backend_of_this_cpu_gives_the_bytes_of_scalar_and_reads_them() {
    let sets: Vec<Vec<u8>> = PAGES.iter().map(|set| reference::zstd_decompress_stream(set)).collect();
    let pages: Vec<&[u8]> = sets.iter().flat_map(|set| set.chunks_exact(corpus::PAGE).step_by(8)).collect();
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        // CPUs that have AVX-512 without VBMI2 lower their clock for it.
        let best = tzram::detect_backend();
        let best_without = if Backend::Avx2.is_supported() { Backend::Avx2 } else { Backend::Scalar };
        let expected = if has!("avx512vbmi2") { Backend::Avx512 } else { best_without };
        assert_eq!(best, expected);
    }
    let mut magicless = reference::Zstd::new(1, true);
    for backend in Backend::ALL.into_iter().filter(|backend| backend.is_supported()) {
        for (algorithm, levels) in [
            ("lz4", &[-1, 1, 3, 9][..]),
            ("zstd", &[-5, -4, -1, 1, 2, 3, 4, 6, 9]),
            ("adaptive", &[1, 5, 9]),
            ("tzp", &[1, 4]),
        ] {
            for &level in levels {
                let make = |backend| {
                    PageCompressor::builder()
                        .driver(algorithm)
                        .level(level)
                        .backend(backend)
                        .build()
                        .expect("supported")
                };
                let (mut compressor, mut scalar) = (make(backend), make(Backend::Scalar));
                let (mut back, mut theirs) = (vec![0; corpus::PAGE], vec![0; corpus::PAGE]);
                for (i, page) in pages.iter().enumerate() {
                    let object = compressor.compress_page(page).expect("a page always fits");
                    // The lower levels of scalar code, which adaptive uses as well, have encoders of their own.
                    let alike = !(algorithm == "adaptive"
                        || algorithm == "lz4" && level <= common::LAST_IN_LANES
                        || algorithm == "zstd" && level <= common::LAST_ZSTD_IN_LANES);
                    if alike {
                        assert_eq!(object, scalar.compress_page(page).expect("a page always fits"), "page {i}");
                    }
                    compressor.decompress_page_into(&object.data, &mut back).expect("our own object");
                    assert_eq!(back, *page, "{algorithm} level {level} on {}, page {i}", backend.name());
                    let read = match object.algorithm_used {
                        PageCodec::Lz4 => reference::lz4_decompress(&object.data[1..], &mut theirs),
                        PageCodec::Zstd => magicless.decompress(&object.data[1..], &mut theirs),
                        _ => continue,
                    };
                    assert_eq!(read, Some(corpus::PAGE), "{algorithm} level {level} on {}, page {i}", backend.name());
                    assert_eq!(theirs, *page);
                }
            }
        }
        println!("EXECUTED backend {}", backend.name());
    }
}
