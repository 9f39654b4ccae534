//! How many instructions tzp, LZ4 and Zstandard take for a page, by backend: on a CPU that Bochs emulates, whose time stamp counts them.
//!
//!     RUSTFLAGS='-C target-feature=+crt-static' \
//!     CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="$PWD/tools/emulation/avx512-run --cpu tigerlake" \
//!     cargo test --release --target x86_64-unknown-linux-gnu --test instructions -- --ignored --nocapture

#![cfg(target_arch = "x86_64")]

mod common;

use common::{corpus, reference};
use tzram::{Backend, PageCodec, PageCompressor};

/// Embedded, since an emulated machine has no files.
const PAGES: &[&[u8]] = &[
    include_bytes!("corpus/cc1plus.pages.zst"),
    include_bytes!("corpus/chromium-browser.pages.zst"),
    include_bytes!("corpus/chromium-renderer.pages.zst"),
    include_bytes!("corpus/gimp.pages.zst"),
    include_bytes!("corpus/git.pages.zst"),
    include_bytes!("corpus/java.pages.zst"),
    include_bytes!("corpus/libreoffice.pages.zst"),
    include_bytes!("corpus/node.pages.zst"),
    include_bytes!("corpus/postgres.pages.zst"),
    include_bytes!("corpus/python.pages.zst"),
    include_bytes!("corpus/redis.pages.zst"),
    include_bytes!("corpus/rustc.pages.zst"),
];

#[test]
#[ignore = "its figures mean something under tools/emulation/avx512-run only"]
fn instructions_per_page_by_backend() {
    let sets: Vec<Vec<u8>> = PAGES.iter().map(|set| reference::zstd_decompress_stream(set)).collect();
    let pages = sets.iter().flat_map(|set| set.chunks_exact(corpus::PAGE).step_by(8));
    let pages: Vec<&[u8]> = pages.filter(|page| !corpus::same_filled(page)).collect();
    // SAFETY: reads a counter that every x86_64 has.
    let now = || unsafe { core::arch::x86_64::_rdtsc() };
    for (driver, level, codec) in [
        ("tzp", 2, PageCodec::Tzp),
        ("lz4", 1, PageCodec::Lz4),
        ("lz4", 3, PageCodec::Lz4),
        ("lz4", 9, PageCodec::Lz4),
        ("zstd", -5, PageCodec::Zstd),
        ("zstd", 1, PageCodec::Zstd),
    ] {
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_supported()) {
            let builder = PageCompressor::builder().driver(driver).level(level).backend(backend);
            let mut ours = builder.build().expect("supported");
            let (mut object, mut back) = (vec![0; corpus::PAGE], vec![0; corpus::PAGE]);
            let (mut compress, mut decompress, mut compressed) = (0, 0, 0);
            for page in &pages {
                let start = now();
                let len = ours.compress_page_into(page, &mut object).expect("a page always fits");
                compress += now() - start;
                if ours.compress_page(page).expect("a page always fits").algorithm_used == codec {
                    let start = now();
                    ours.decompress_page_into(&object[..len], &mut back).expect("our own object");
                    decompress += now() - start;
                    compressed += 1;
                }
                assert_eq!(ours.decompress_page(&object[..len]).as_deref(), Ok(*page));
            }
            assert!(compressed > 0);
            println!(
                "INSTRUCTIONS {driver} {level} {}: {} a page to compress, {} to decompress",
                backend.name(),
                compress / pages.len() as u64,
                decompress / compressed
            );
        }
    }
}
