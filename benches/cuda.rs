//! What a batch costs on a CUDA device, part by part: `make bench-cuda`.
//!
//! One slot at a time: *put* copies the inputs to pinned memory, *run* is from the start of a batch until its results lie in pinned
//! memory again (copies over the bus, kernel, driver), *get* copies the results out of it. Each is the median of the rounds
//! (TZRAM_BENCH_ROUNDS, 15), in microseconds a batch. Inputs are pages that are not same-filled, from all over the corpus, again and
//! again; caches are not emptied. The last column is the throughput of *run* alone, in million pages a second. The first line of a
//! table is what one thread of the CPU takes for a page.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::time::Instant;

use common::{Random, corpus};
use tzram::cuda_testing::{Op, Work, open};
use tzram::{PageAlgorithm, PageCompressor};

const BATCHES: [usize; 9] = [1, 16, 64, 256, 512, 1024, 2048, 4096, 16384];

/// Median of the rounds of each of three parts, in microseconds.
fn parts(rounds: usize, mut round: impl FnMut() -> [f64; 3]) -> [f64; 3] {
    let all: Vec<[f64; 3]> = (0..rounds).map(|_| round()).collect();
    core::array::from_fn(|part| {
        let mut times: Vec<f64> = all.iter().map(|times| times[part]).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

fn timed(mut body: impl FnMut()) -> f64 {
    let start = Instant::now();
    body();
    start.elapsed().as_secs_f64() * 1e6
}

fn main() {
    // `cargo test` runs bench targets too, without --bench: measuring is not a test.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let rounds = std::env::var("TZRAM_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(15).max(1);
    let mut pages = corpus::sample(1);
    pages.retain(|page| !corpus::same_filled(page));
    let mut random = Random::new(42);
    (1..pages.len()).rev().for_each(|i| pages.swap(i, random.below(i + 1)));
    let works = [
        ("tzp", PageAlgorithm::Tzp, 2, Work::Tzp { level: 2 }),
        ("tzp", PageAlgorithm::Tzp, 4, Work::Tzp { level: 4 }),
        ("lz4", PageAlgorithm::Lz4, 1, Work::Lz4),
        ("zstd", PageAlgorithm::Zstd, 1, Work::Zstd),
    ];
    for (name, algorithm, level, work) in works {
        let mut cpu = PageCompressor::builder().algorithm(algorithm).level(level).build().expect("a level there is");
        let mut objects = vec![vec![0; corpus::PAGE]; pages.len()];
        let mut lens = vec![0; pages.len()];
        let mut back = vec![0; corpus::PAGE];
        let [compress, decompress, _] = parts(rounds, || {
            let compress = timed(|| {
                for ((page, object), len) in pages.iter().zip(&mut objects).zip(&mut lens) {
                    *len = cpu.compress_page_into(page, object).expect("a page always fits");
                }
            });
            let decompress = timed(|| {
                for (object, len) in objects.iter().zip(&lens) {
                    cpu.decompress_page_into(&object[..*len], &mut back).expect("an object");
                }
            });
            [compress, decompress, 0.0]
        });
        let count = pages.len() as f64;
        println!("\n### {name} level {level}: {} pages\n", pages.len());
        println!("| batch | direction | put us | run us | get us | M pages/s |");
        println!("|--:|---|--:|--:|--:|--:|");
        println!("| CPU, one | compress | | {:.2} | | {:.2} |", compress / count, count / compress);
        println!("| CPU, one | decompress | | {:.2} | | {:.2} |", decompress / count, count / decompress);
        for batch in BATCHES {
            let mut device = match open(0, work, batch) {
                Ok(device) => device,
                Err(error) => {
                    println!("\nno CUDA device: {error}");
                    return;
                }
            };
            // Devices do not restore what Zstandard made.
            let directions = if work == Work::Zstd { 1 } else { 2 };
            for (op, direction) in
                [(Op::Compress, "compress"), (Op::Decompress, "decompress")].into_iter().take(directions)
            {
                let mut out = vec![0u8; batch * corpus::PAGE];
                let [put, run, get] = parts(rounds, || {
                    let put = timed(|| {
                        for i in 0..batch {
                            let which = i % pages.len();
                            let input = match op {
                                Op::Compress => &pages[which][..],
                                Op::Decompress => &objects[which][..lens[which]],
                            };
                            device.put(0, i, input);
                        }
                    });
                    let run = timed(|| {
                        device.start(0, op, batch).expect("no fault");
                        device.wait(0).expect("no fault");
                    });
                    let get = timed(|| {
                        for (i, out) in out.chunks_exact_mut(corpus::PAGE).enumerate() {
                            if let Some(made) = device.get(0, i).expect("nothing is damaged") {
                                out[..made.len()].copy_from_slice(made);
                            }
                        }
                        black_box(&out);
                    });
                    [put, run, get]
                });
                println!("| {batch} | {direction} | {put:.0} | {run:.0} | {get:.0} | {:.2} |", batch as f64 / run);
            }
        }
    }
}
