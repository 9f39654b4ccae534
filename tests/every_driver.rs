//! One suite, fed every driver, level and backend of this build and CPU.

mod common;

use common::{Random, corpus, guarded::Guarded, reference};
use tzram::{Backend, Compressor, Error, PageCodec, PageCompressor};

/// Driver names with the levels to try. The list is the registry's: a driver that is missing here fails a test below.
const DRIVERS: &[(&str, &[i32])] = &[
    ("adaptive-generic", &[1, 3, 5, 7, 9]),
    ("lz4-generic", &[-3, -2, -1, 0, 1, 2, 3, 6, 9]),
    #[cfg(target_arch = "x86_64")]
    ("lz4-avx512", &[-3, -2, -1, 0, 1, 2, 3, 6, 9]),
    #[cfg(target_arch = "x86_64")]
    ("lz4-avx2", &[-3, -2, -1, 0, 1, 2, 3, 6, 9]),
    #[cfg(target_arch = "aarch64")]
    ("lz4-neon", &[-3, -2, -1, 0, 1, 2, 3, 6, 9]),
    ("zstd-generic", &[-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 12]),
    #[cfg(target_arch = "x86_64")]
    ("zstd-avx512", &[-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 12]),
    #[cfg(target_arch = "x86_64")]
    ("zstd-avx2", &[-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 12]),
    #[cfg(target_arch = "aarch64")]
    ("zstd-neon", &[-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 12]),
    ("tzp-generic", &[1, 2, 3, 4]),
    #[cfg(target_arch = "x86_64")]
    ("tzp-avx512", &[1, 2, 3, 4]),
    #[cfg(target_arch = "x86_64")]
    ("tzp-avx2", &[1, 2, 3, 4]),
    #[cfg(target_arch = "aarch64")]
    ("tzp-neon", &[1, 2, 3, 4]),
    #[cfg(feature = "libzstd")]
    ("zstd-libzstd", &[-5, 1, 3, 19, 22]),
];

fn backends() -> impl Iterator<Item = Backend> {
    Backend::ALL.into_iter().filter(|backend| {
        let runs = backend.is_supported();
        if !runs {
            println!("SKIPPED {}: not on this CPU", backend.name());
        }
        runs
    })
}

/// The backend that a driver is written for, `None` for those that run on all.
fn backend_of(driver: &str) -> Option<Backend> {
    Backend::ALL.into_iter().find(|backend| driver.ends_with(backend.name()))
}

/// The drivers that this CPU runs.
fn drivers() -> impl Iterator<Item = (&'static str, &'static [i32])> {
    DRIVERS.iter().copied().filter(|(name, _)| backend_of(name).is_none_or(Backend::is_supported))
}

/// Whether the objects of a driver are those that the same algorithm writes without vectors.
fn is_like_scalar(driver: &str, level: i32) -> bool {
    // At these levels, and so at those that adaptive uses, scalar code has encoders of its own; lz4-generic is scalar code everywhere.
    !(driver.starts_with("adaptive")
        || driver.starts_with("lz4") && driver != "lz4-generic" && level <= common::LAST_IN_LANES
        || driver.starts_with("zstd") && driver != "zstd-libzstd" && level <= common::LAST_ZSTD_IN_LANES)
}

/// Pages that a codec may stumble over, made by hand.
fn awkward_pages(size: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(7);
    let mut pages = vec![vec![0; size], vec![0xA5; size]];
    pages.push((0..size).map(|i| (0x11 * (i % 8) + 3) as u8).collect());
    pages.push((0..size).map(|_| random.next() as u8).collect());
    pages.push((0..size).map(|i| (i / 7) as u8).collect());
    pages.push((0..size).map(|i| b"abcdefghi"[i % 9]).collect());
    pages.push((0..size).map(|_| b"01"[random.below(2)]).collect());
    pages.push((0..size).map(|_| [0, 0, 0, 0, 0, 0, 1, 255][random.below(8)]).collect());
    for at in [0, 1, size / 2, size - 13, size - 12, size - 6, size - 5, size - 1] {
        let mut page = vec![0; size];
        page[at] = 1;
        pages.push(page);
    }
    let mut page: Vec<u8> = (0..size).map(|_| random.next() as u8).collect();
    page.copy_within(..size / 2, size / 2);
    pages.push(page);
    pages
}

#[test]
fn the_list_of_drivers_here_is_that_of_the_library() {
    let known: Vec<&str> = drivers().map(|(name, _)| name).collect();
    let mut index = 0;
    loop {
        let mut alg = tzram::abi::tzram_alg {
            struct_size: size_of::<tzram::abi::tzram_alg>() as u32,
            name: core::ptr::null(),
            driver_name: core::ptr::null(),
            priority: 0,
            backend: 0,
            min_level: 0,
            max_level: 0,
            default_level: 0,
        };
        // SAFETY: a struct of the size that it says.
        if unsafe { tzram::abi::tzram_alg_get(index, &mut alg) } != 0 {
            break;
        }
        // SAFETY: the library's strings are C strings that live as long as it does.
        let name = unsafe { core::ffi::CStr::from_ptr(alg.driver_name) }.to_str().expect("ASCII");
        assert!(known.contains(&name), "{name} is not tested");
        index += 1;
    }
    assert_eq!(index, drivers().count());
}

#[test]
fn pages_come_back_on_every_backend_at_every_level_and_scalar_reads_and_writes_the_same() {
    let mut pages = corpus::sample(16);
    pages.extend(awkward_pages(4096));
    let mut reader = PageCompressor::builder().backend(Backend::Scalar).build().expect("scalar");
    let (mut from, mut into) = (Guarded::new(4096), Guarded::new(4096));
    for (driver, levels) in drivers() {
        for &level in levels {
            let portable =
                if backend_of(driver).is_some() { driver.split('-').next().expect("a name") } else { driver };
            let mut scalar = PageCompressor::builder().driver(portable).level(level).backend(Backend::Scalar).build();
            let scalar = scalar.as_mut().expect("a driver of this build");
            for backend in backends() {
                let compressor = PageCompressor::builder().driver(driver).level(level).backend(backend).build();
                if let Some(own) = backend_of(driver)
                    && compressor.is_err()
                {
                    // A driver of one backend: forced together with a narrower one, it is refused.
                    assert!(own != backend && backend != Backend::Avx512, "{driver} on {}", backend.name());
                    continue;
                }
                let mut compressor = compressor.expect("supported");
                for (i, page) in pages.iter().enumerate() {
                    let object = compressor.compress_page(from.hold(page)).expect("a page always fits").data;
                    assert!(!object.is_empty() && object.len() <= 4096);
                    let back = into.tail(4096);
                    back.fill(!page[0]);
                    reader.decompress_page_into(from.hold(&object), back).expect("our own object");
                    assert_eq!(back, page, "{driver} level {level} {} page {i}", backend.name());
                    compressor.decompress_page_into(&object, back).expect("our own object");
                    assert_eq!(back, page, "{driver} level {level} {} page {i}", backend.name());
                    if backend != Backend::Scalar && is_like_scalar(driver, level) {
                        let same = scalar.compress_page(page).expect("a page always fits").data;
                        assert_eq!(object, same, "{driver} level {level} {} page {i}", backend.name());
                    }
                }
            }
        }
    }
}

#[test]
fn larger_units_come_back() {
    let sets = corpus::load();
    for unit in [8192, 16384, 32768, 65536] {
        for (driver, levels) in drivers() {
            let level = levels[levels.len() / 2];
            let mut compressor =
                PageCompressor::builder().driver(driver).level(level).page_size(unit).build().expect("a unit");
            let real = sets.iter().flat_map(|set| set.bytes.chunks_exact(unit).step_by(9).map(<[u8]>::to_vec));
            for page in real.chain(awkward_pages(unit)) {
                let object = compressor.compress_page(&page).expect("a unit always fits");
                assert_eq!(compressor.decompress_page(&object.data).expect("our own object"), page, "{driver} {unit}");
            }
        }
    }
}

#[test]
fn same_filled_and_random_pages_have_their_sizes_under_every_driver() {
    for unit in [4096, 65536] {
        let pages = awkward_pages(unit);
        for (driver, _) in drivers() {
            let mut compressor = PageCompressor::builder().driver(driver).page_size(unit).build().expect("a driver");
            for (page, len, codec) in [
                (&pages[0], 2, PageCodec::SameFilled),
                (&pages[1], 2, PageCodec::SameFilled),
                (&pages[2], 9, PageCodec::SameFilled),
                (&pages[3], unit, PageCodec::Raw),
            ] {
                let object = compressor.compress_page(page).expect("a page always fits");
                assert_eq!((object.data.len(), object.algorithm_used), (len, codec), "{driver}");
            }
        }
    }
}

#[test]
fn an_object_fits_exactly_its_length_and_no_less() {
    let mut into = Guarded::new(4096);
    for (driver, levels) in drivers() {
        for level in [levels[0], levels[levels.len() - 1]] {
            let mut compressor = PageCompressor::builder().driver(driver).level(level).build().expect("a driver");
            for page in corpus::sample(97).iter().chain(&awkward_pages(4096)) {
                let object = compressor.compress_page(page).expect("a page always fits").data;
                for spare in [0, 1, 2, 7, 31] {
                    let room = into.tail((object.len() + spare).min(4096));
                    let len = compressor.compress_page_into(page, room).expect("room for the object");
                    assert_eq!(room[..len], object, "{driver} level {level}, {spare} bytes to spare");
                }
                for short in [1, 2, 9, object.len()] {
                    if let Some(room) = object.len().checked_sub(short) {
                        let result = compressor.compress_page_into(page, into.tail(room));
                        assert_eq!(result, Err(Error::NoSpace), "{driver} level {level}, {short} bytes short");
                    }
                }
            }
        }
    }
}

#[test]
fn objects_do_not_depend_on_what_the_context_did_before() {
    let pages = corpus::sample(61);
    for (driver, levels) in drivers() {
        for &level in levels {
            let make = || PageCompressor::builder().driver(driver).level(level).build().expect("a driver");
            let mut used = make();
            for page in &pages {
                let first = used.compress_page(page).expect("a page always fits");
                let fresh = make().compress_page(page).expect("a page always fits");
                assert_eq!(first, fresh, "{driver} level {level}");
            }
        }
    }
}

/// Lengths around every border that the formats have.
fn awkward_lengths() -> Vec<usize> {
    let mut lengths: Vec<usize> = (0..70).collect();
    for power in [7, 8, 10, 12, 14, 15, 16, 17] {
        lengths.extend((1usize << power) - 1..=(1 << power) + 1);
    }
    lengths.extend([1000, 40_000, 200_000, 300_001]);
    lengths
}

#[test]
fn streams_of_every_length_come_back_and_the_reference_library_reads_them() {
    let bytes: Vec<u8> = corpus::load().iter().step_by(4).flat_map(|set| set.bytes[..400 * 1024].to_vec()).collect();
    let mut zstd = reference::Zstd::new(1, false);
    for (driver, levels) in drivers().filter(|(name, _)| name.starts_with("lz4") || name.starts_with("zstd")) {
        for &level in levels {
            let mut compressor = Compressor::builder().driver(driver).level(level).build().expect("a driver");
            for (i, len) in awkward_lengths().into_iter().enumerate() {
                if len > 70_000 && level > 3 && i % 2 == 0 {
                    continue;
                }
                let data = &bytes[i * 1000..i * 1000 + len];
                let stream = compressor.compress(data).expect("within the bound");
                assert_eq!(compressor.decompress(&stream).expect("our own stream"), data, "{driver} {level} {len}");
                let mut back = vec![0; len];
                let theirs = if driver.starts_with("lz4") {
                    reference::lz4_decompress(&stream, &mut back)
                } else {
                    zstd.decompress(&stream, &mut back)
                };
                assert_eq!(theirs, Some(len), "{driver} level {level}, {len} bytes");
                assert_eq!(back, data, "{driver} level {level}, {len} bytes");
                let mut exact = vec![0; stream.len()];
                if driver != "zstd-libzstd" {
                    assert_eq!(compressor.compress_into(data, &mut exact), Ok(stream.len()), "{driver} {level} {len}");
                    assert!(exact == stream, "{driver} level {level}, {len} bytes");
                    let short = &mut exact[..stream.len() - 1];
                    assert_eq!(compressor.compress_into(data, short), Err(Error::NoSpace));
                }
            }
        }
    }
}
