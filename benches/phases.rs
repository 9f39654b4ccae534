//! `make bench-phases`: the clock ticks of each phase of the Zstandard codec, per page, by driver and level.
//!
//! Real pages that are not same-filled, in a shuffled order, hot: each is read before it is compressed. A figure is the smallest of
//! the rounds. Pages without a phase count as none of it; reading the clock adds some 20 ticks to each phase.
//!
//! Environment: TZRAM_PAGES (folder with more pages), TZRAM_BENCH_ROUNDS (default 9).

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Random, corpus};
use tzram::Compressor;
use tzram::phases::{self, Phase};

const DRIVERS: [&str; 4] = ["zstd-avx512", "zstd-avx2", "zstd-neon", "zstd-generic"];
const LEVELS: [i32; 6] = [-5, -1, 1, 3, 5, 9];
/// How many phases compression has; the others are decompression's.
const COMPRESSION: usize = 6;

fn main() {
    // `cargo test` runs bench targets too, without --bench: measuring is not a test.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let rounds = std::env::var("TZRAM_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(9);
    let sets = corpus::load();
    let mut pages: Vec<&[u8]> =
        sets.iter().flat_map(|set| set.bytes.chunks_exact(4096)).filter(|page| !corpus::same_filled(page)).collect();
    let mut random = Random::new(42);
    (1..pages.len()).rev().for_each(|i| pages.swap(i, random.below(i + 1)));
    pages.truncate(4000);
    println!("\n### Clock ticks a page, {} pages, the smallest of {rounds} rounds\n", pages.len());
    let names: Vec<String> = Phase::ALL.iter().map(|phase| format!("{phase:?}")).collect();
    println!(
        "| driver and level | {} | sum | {} | sum |",
        names[..COMPRESSION].join(" | "),
        names[COMPRESSION..].join(" | ")
    );
    println!("|---{}|", "|--:".repeat(Phase::ALL.len() + 2));
    for driver in DRIVERS {
        for level in LEVELS {
            let Ok(mut ours) = Compressor::builder().driver(driver).level(level).build() else { continue };
            let mut least = [u64::MAX; Phase::ALL.len()];
            let (mut frame, mut back) = (vec![0; 8192], vec![0; 4096]);
            for _ in 0..rounds {
                phases::take();
                for page in &pages {
                    let len = ours.compress_into(page, &mut frame).expect("room");
                    ours.decompress_into(&frame[..len], &mut back).expect("our own frame");
                }
                for (least, ticks) in least.iter_mut().zip(phases::take()) {
                    *least = (*least).min(ticks / pages.len() as u64);
                }
            }
            let row = |part: &[u64]| part.iter().map(u64::to_string).collect::<Vec<_>>().join(" | ");
            let (compression, decompression) = least.split_at(COMPRESSION);
            println!(
                "| {driver} {level} | {} | {} | {} | {} |",
                row(compression),
                compression.iter().sum::<u64>(),
                row(decompression),
                decompression.iter().sum::<u64>()
            );
        }
    }
}
