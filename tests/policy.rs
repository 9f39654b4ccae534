//! What the engine promises around the codecs: no allocation on the page path, small contexts, an adaptive choice that
//! earns its name, sizes no worse than the reference libraries'.

mod common;

use core::cell::Cell;
use std::alloc::{GlobalAlloc, Layout, System};

use common::{corpus, reference, stack};
use tzram::{Algorithm, Backend, Compressor, PageAlgorithm, PageCodec, PageCompressor, detect_backend};

/// The system's allocator, counting the calls of each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PAGE_DRIVERS: &[&str] = &[
    "adaptive",
    "lz4",
    "lz4-generic",
    "zstd-generic",
    "zstd",
    "tzp",
    #[cfg(feature = "libzstd")]
    "zstd-libzstd",
];

#[test]
fn the_page_path_never_allocates() {
    let pages = corpus::sample(23);
    let (mut object, mut back) = (vec![0; 4096], vec![0; 4096]);
    for driver in PAGE_DRIVERS {
        let mut compressor = PageCompressor::builder().driver(driver).build().expect("a driver");
        let before = CALLS.get();
        for page in &pages {
            let n = compressor.compress_page_into(page, &mut object).expect("a page always fits");
            compressor.decompress_page_into(&object[..n], &mut back).expect("our own object");
            object[n / 2] ^= 0x55;
            let _ = compressor.decompress_page_into(&object[..n], &mut back);
        }
        assert_eq!(CALLS.get() - before, 0, "{driver}");
    }
}

#[test]
fn contexts_are_as_small_as_promised() {
    let size = |alg: &core::ffi::CStr, level: i32| {
        let params = tzram::abi::tzram_params { alg: alg.as_ptr(), level, ..Default::default() };
        // SAFETY: a live struct of its own size with a C string in it.
        unsafe { tzram::abi::tzram_ctx_size(&params) }
    };
    for level in -3..=2 {
        assert!((1..=48 * 1024).contains(&size(c"lz4", level)), "lz4 level {level}: {}", size(c"lz4", level));
    }
    for level in -5..=12 {
        assert!((1..=256 * 1024).contains(&size(c"zstd", level)), "zstd level {level}: {}", size(c"zstd", level));
    }
    for level in 1..=4 {
        assert!((1..=48 * 1024).contains(&size(c"tzp", level)), "tzp level {level}: {}", size(c"tzp", level));
    }
    for level in 1..=9 {
        assert!((1..=192 * 1024).contains(&size(c"adaptive", level)), "adaptive: {}", size(c"adaptive", level));
    }
}

#[test]
fn a_call_takes_at_most_32_kib_of_stack() {
    let sets = corpus::load();
    for (driver, levels) in [
        ("lz4-generic", &[-1, 1, 2, 6, 9][..]),
        ("lz4", &[-3, -1, 1]),
        ("zstd-generic", &[-5, -1, 1, 2, 3, 5, 9, 12]),
        ("zstd", &[-5, -1, 1, 2, 3, 4, 5, 9, 12]),
        ("tzp", &[1, 4]),
        ("adaptive", &[5, 7]),
    ] {
        for &level in levels {
            for unit in [4096, 65536] {
                let builder = PageCompressor::builder().driver(driver).level(level).page_size(unit);
                let mut compressor = builder.build().expect("a driver");
                let (mut object, mut back) = (vec![0; unit], vec![0; unit]);
                let depth = stack::depth_of(|| {
                    for page in sets
                        .iter()
                        .flat_map(|set| set.bytes.chunks_exact(unit).step_by(if unit == 4096 { 40 } else { 4 }))
                    {
                        let n = compressor.compress_page_into(page, &mut object).expect("a page always fits");
                        compressor.decompress_page_into(&object[..n], &mut back).expect("our own object");
                    }
                });
                assert!(
                    (1..=32 * 1024).contains(&depth),
                    "{driver} level {level}, unit {unit}: {depth} bytes of stack"
                );
            }
        }
    }
}

/// Total bytes of the corpus pages that are not same-filled, each at most a page.
fn total(mut compress: impl FnMut(&[u8], &mut [u8]) -> usize) -> usize {
    let mut out = vec![0; 8192];
    let sets = corpus::load();
    let pages = sets.iter().flat_map(corpus::Set::pages).filter(|page| !corpus::same_filled(page));
    pages.map(|page| compress(page, &mut out).min(4096)).sum()
}

#[test]
fn sizes_are_no_worse_than_the_reference_libraries() {
    let mut lz4 = Compressor::new(Algorithm::Lz4);
    let ours = total(|page, out| lz4.compress_into(page, out).expect("room"));
    let theirs = total(|page, out| reference::lz4_compress(page, out).expect("room"));
    assert!(ours <= theirs, "lz4 level 1: {ours} bytes, liblz4 {theirs}");

    // Percent of libzstd's ratio at a level of the same number.
    for (level, percent) in [(-5, 118), (-1, 100), (1, 100), (3, 101)] {
        if level != 1 && detect_backend() == Backend::Scalar {
            continue; // whose finders are others
        }
        let mut zstd = Compressor::builder().algorithm(Algorithm::Zstd).level(level).build().expect("a level");
        let mut libzstd = reference::Zstd::new(level, false);
        let ours = total(|page, out| zstd.compress_into(page, out).expect("room"));
        let theirs = total(|page, out| libzstd.compress(page, out).expect("room"));
        assert!(ours * percent <= theirs * 100, "zstd level {level}: {ours} bytes, libzstd {theirs}");
    }

    let mut zstd = Compressor::new(Algorithm::Zstd);
    let mut libzstd = reference::Zstd::new(1, false);
    let mut out = vec![0; 1 << 17];
    let (mut ours, mut theirs) = (0, 0);
    for unit in corpus::load().iter().flat_map(|set| set.bytes.chunks_exact(1 << 16)) {
        ours += zstd.compress_into(unit, &mut out).expect("room");
        theirs += libzstd.compress(unit, &mut out).expect("room");
    }
    assert!(ours * 99 <= theirs * 100, "zstd level 1, 64 KiB: {ours} bytes, libzstd {theirs}");
}

#[test]
fn a_higher_level_is_never_larger_on_the_corpus() {
    for (driver, levels) in [
        ("lz4-generic", &[-3, -2, -1, 1, 2, 3, 6, 9][..]),
        ("lz4", &[-3, -2, -1, 1, 2, 3, 6, 9]),
        ("zstd-generic", &[-5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ("zstd", &[-5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ("tzp", &[1, 2, 3, 4]),
        ("adaptive-generic", &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ] {
        let mut last = usize::MAX;
        for &level in levels {
            let mut compressor = PageCompressor::builder().driver(driver).level(level).build().expect("a level");
            let bytes = total(|page, out| compressor.compress_page_into(page, out).expect("a page always fits"));
            assert!(bytes <= last, "{driver} level {level}: {bytes} bytes, the level below {last}");
            last = bytes;
        }
    }
}

#[test]
fn adaptive_lies_between_its_codecs_and_uses_all_of_them() {
    let size = |algorithm: PageAlgorithm, level: Option<i32>| {
        let mut builder = PageCompressor::builder().algorithm(algorithm);
        if let Some(level) = level {
            builder = builder.level(level);
        }
        let mut compressor = builder.build().expect("a level");
        total(|page, out| compressor.compress_page_into(page, out).expect("a page always fits"))
    };
    let (lz4, zstd) = (size(PageAlgorithm::Lz4, None), size(PageAlgorithm::Zstd, None));
    let adaptive = size(PageAlgorithm::Adaptive, None);
    assert!(zstd < adaptive && adaptive < lz4, "lz4 {lz4}, adaptive {adaptive}, zstd {zstd}");
    let mut seen = Vec::new();
    let mut random = common::Random::new(5);
    // As encrypted or compressed data looks; the corpus has next to none.
    let noise: Vec<u8> = (0..corpus::PAGE).map(|_| random.next() as u8).collect();
    // Level 6 leaves hardly anything to LZ4, the default nothing to Zstandard.
    for level in [5, 6] {
        let mut compressor = PageCompressor::builder().level(level).build().expect("a level");
        for page in corpus::sample(1).iter().chain([&noise]) {
            let codec = compressor.compress_page(page).expect("a page always fits").algorithm_used;
            if !seen.contains(&codec) {
                seen.push(codec);
            }
        }
    }
    for codec in [PageCodec::Raw, PageCodec::SameFilled, PageCodec::Tzp, PageCodec::Lz4, PageCodec::Zstd] {
        assert!(seen.contains(&codec), "{codec:?} was never chosen");
    }
}

#[test]
fn adaptive_stores_hardly_anything_raw_that_a_codec_shrinks() {
    let mut adaptive = PageCompressor::new();
    let mut zstd = PageCompressor::builder().algorithm(PageAlgorithm::Zstd).build().expect("an algorithm");
    let (mut lost, mut all) = (0, 0);
    for set in corpus::load() {
        for page in set.pages() {
            all += page.len();
            if adaptive.compress_page(page).expect("a page always fits").algorithm_used == PageCodec::Raw {
                lost += page.len() - zstd.compress_page(page).expect("a page always fits").data.len();
            }
        }
    }
    assert!(lost * 200 < all, "{lost} of {all} bytes");
}
