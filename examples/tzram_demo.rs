//! Takes this program's own heap as pages, compresses each with every algorithm and prints what came of it.
//!
//! `cargo run --release --example tzram_demo`

use std::collections::BTreeMap;

use tzram::{AdaptiveCompressor, Algorithm, Compressor, PAGE_SIZE, PageAlgorithm, PageCompressor};

/// Memory as a program leaves it: maps, strings, pointers, numbers, and some pages that were never touched.
fn memory() -> Vec<u8> {
    let mut words = BTreeMap::new();
    for i in 0..20_000u64 {
        words.insert(format!("session:{:08x}", i.wrapping_mul(0x9E37_79B9)), (i, format!("user-{}", i % 977)));
    }
    let mut bytes = Vec::new();
    for (key, (number, value)) in &words {
        bytes.extend_from_slice(&(key.as_ptr() as usize).to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(value.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(16), 0);
    }
    bytes.resize(bytes.len().next_multiple_of(PAGE_SIZE) + 40 * PAGE_SIZE, 0);
    bytes
}

fn main() -> Result<(), tzram::Error> {
    let memory = memory();
    let count = memory.len() / PAGE_SIZE;
    println!("{count} pages of {PAGE_SIZE} bytes, backend {}\n", tzram::detect_backend().name());

    println!("{:<10} {:>9} {:>7}", "pages", "bytes", "ratio");
    let algorithms = [
        ("tzp", PageAlgorithm::Tzp),
        ("lz4", PageAlgorithm::Lz4),
        ("zstd", PageAlgorithm::Zstd),
        ("adaptive", PageAlgorithm::Adaptive),
    ];
    for (name, algorithm) in algorithms {
        let mut compressor = PageCompressor::builder().algorithm(algorithm).build()?;
        let mut total = 0;
        for page in memory.chunks_exact(PAGE_SIZE) {
            let object = compressor.compress_page(page)?;
            assert_eq!(compressor.decompress_page(&object.data)?, page);
            total += object.data.len();
        }
        println!("{name:<10} {total:>9} {:>7.2}", memory.len() as f64 / total as f64);
    }

    let mut adaptive = AdaptiveCompressor::new();
    let mut used = BTreeMap::new();
    for page in memory.chunks_exact(PAGE_SIZE) {
        *used.entry(format!("{:?}", adaptive.compress_page(page)?.algorithm_used)).or_insert(0) += 1;
    }
    println!("\nadaptive used {used:?}");

    println!("\n{:<10} {:>9} {:>7}", "one stream", "bytes", "ratio");
    for (name, algorithm) in [("lz4", Algorithm::Lz4), ("zstd", Algorithm::Zstd)] {
        let mut compressor = Compressor::new(algorithm);
        let stream = compressor.compress(&memory)?;
        assert_eq!(compressor.decompress(&stream)?, memory);
        println!("{name:<10} {:>9} {:>7.2}", stream.len(), memory.len() as f64 / stream.len() as f64);
    }
    Ok(())
}
