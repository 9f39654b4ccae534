//! What a device or the shim makes of pages, against the CPU and the reference libraries.

use super::corpus::{self, PAGE};
use super::{cpu, reference};
use tzram::PageAlgorithm;

/// Tags of page objects.
pub const LZ4: u8 = 3;
pub const ZSTD: u8 = 4;

/// Asserts that our decoder restores each page from its object, that the reference library does where there is one, and that a
/// same-filled page has the CPU's object. Returns the bytes of the objects as a part of those that the CPU makes of the same pages at
/// level 1; the first `made` pages do not count there.
pub fn check(algorithm: PageAlgorithm, objects: &[Vec<u8>], pages: &[Vec<u8>], made: usize) -> f64 {
    assert_eq!(objects.len(), pages.len());
    let (mut cpu, mut libzstd) = (cpu(algorithm, 1), reference::Zstd::new(1, true));
    let (mut size, mut size_cpu) = (0, 0);
    for (number, (object, page)) in objects.iter().zip(pages).enumerate() {
        let expected = cpu.compress_page(page).expect("a page always fits").data;
        if corpus::same_filled(page) {
            assert_eq!(*object, expected, "page {number}");
        }
        assert!(cpu.decompress_page(object).is_ok_and(|restored| restored == *page), "page {number}: {object:02x?}");
        let mut restored = [0; PAGE];
        let len = match object[0] {
            _ if object.len() == PAGE => None,
            LZ4 => Some(reference::lz4_decompress(&object[1..], &mut restored)),
            ZSTD => Some(libzstd.decompress(&object[1..], &mut restored)),
            _ => None,
        };
        if let Some(len) = len {
            assert_eq!(len, Some(PAGE), "page {number}, the reference library: {object:02x?}");
            assert!(restored[..] == page[..], "page {number}, the reference library: {object:02x?}");
        }
        if number >= made {
            size += object.len();
            size_cpu += expected.len();
        }
    }
    let ratio = size as f64 / size_cpu as f64;
    println!("{algorithm:?}: {} pages, {ratio:.4} of the size on the CPU", pages.len());
    ratio
}
