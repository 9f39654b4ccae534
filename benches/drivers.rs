//! One page, hot, every algorithm and backend: for comparing two builds of the library (`cargo bench --bench drivers`).
//! What the library is worth beside others is measured by `pages`.

#[path = "../tests/common/mod.rs"]
mod common;

use common::corpus;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tzram::{Backend, PageCompressor};

fn drivers(c: &mut Criterion) {
    let pages = corpus::sample(37);
    for algorithm in ["lz4", "zstd", "adaptive"] {
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_supported()) {
            let make = || PageCompressor::builder().driver(algorithm).backend(backend).build().expect("supported");
            let (mut compressor, mut object, mut back) = (make(), vec![0; 4096], vec![0; 4096]);
            let objects: Vec<Vec<u8>> =
                pages.iter().map(|page| compressor.compress_page(page).expect("a page always fits").data).collect();
            let mut group = c.benchmark_group(format!("{algorithm}/{}", backend.name()));
            group.throughput(Throughput::Bytes((pages.len() * 4096) as u64));
            group.bench_function("compress", |b| {
                b.iter(|| {
                    for page in &pages {
                        compressor.compress_page_into(page, &mut object).expect("a page always fits");
                    }
                });
            });
            group.bench_function("decompress", |b| {
                b.iter(|| {
                    for object in &objects {
                        compressor.decompress_page_into(object, &mut back).expect("our own object");
                    }
                });
            });
        }
    }
}

criterion_group!(benches, drivers);
criterion_main!(benches);
