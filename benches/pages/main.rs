//! `make bench`: our codecs beside liblz4, libzstd and other libraries, in one process, on real pages.
//!
//! Method: pages that are not same-filled, each at the start of a page of memory, in a shuffled order; before every pass 64 MiB
//! of other memory are written, so that pages and objects come from memory. What is written goes to one buffer again and again. A
//! round is one pass of compression and one of decompression for every row, the rows in rotating order. A row's speed against its peer is the median over the rounds of (peer's time / row's
//! time); its time is the median of the rounds, in CPU time of the one pinned thread. Sizes count at most a page per
//! page: what does not shrink is stored raw, as zram does it. Every page is restored and compared before any timing.
//!
//! The hot tables are for a page that the caller has just touched: every row in turn gets a group of 32 pages that was just read,
//! another one than its neighbours, compresses and restores it. A round is all groups for every row.
//!
//! Environment: TZRAM_PAGES (folder with more pages), TZRAM_BENCH_ROUNDS (default 9), TZRAM_BENCH_PAGES (most pages
//! taken, default 6000), TZRAM_BENCH_ROWS (only rows whose name contains one of these words, the peers always; and no
//! tables but those of pages that have such a row), TZRAM_BENCH_BATCHES (set: only the tables of batches), TZRAM_BENCH_THREADS
//! (most threads of a queue).

#[path = "../../tests/common/mod.rs"]
mod common;

mod batch;
mod codecs;
mod crossed;
mod lz4;
mod measure;
mod zstd;

use codecs::{Codec, Liblz4, Memcpy, backends, forced, libzstd, page, stream};
use common::{corpus, reference, stack};
use measure::{Row, Workload, chosen, env, median, now, pin, row, run, run_hot};
use tzram::{Backend, PageCompressor};

/// Peers that [`rows`] starts with.
const PEERS: usize = 3;

/// The rows of a table: both reference libraries, then ours. Rows 1 and 2 are the peers.
fn rows(unit: usize, dense: bool) -> Vec<Row> {
    let mut rows = vec![
        row("memcpy", 1, Box::new(Memcpy)),
        row("liblz4 default", 1, Box::new(Liblz4::Default)),
        row("libzstd 1", 2, libzstd(1)),
    ];
    if dense {
        rows.push(row("liblz4 HC 9", 1, Box::new(Liblz4::Hc(9))));
    }
    rows.push(row("libzstd 3", 2, libzstd(3)));
    rows.push(row("lz4 1", 1, stream("lz4", 1)));
    rows.push(row("zstd 1", 2, stream("zstd", 1)));
    rows.extend(tzp_rows(unit, dense));
    rows.push(row("page lz4", 1, page("lz4", None, unit)));
    rows.push(row("page zstd", 2, page("zstd", None, unit)));
    for level in if dense { &[1, 3, 5, 6, 7, 9][..] } else { &[5] } {
        rows.push(row(&format!("page adaptive {level}"), 1, page("adaptive", Some(*level), unit)));
    }
    if Backend::Avx2.is_supported() {
        rows.push(row("page adaptive 5 avx2", 1, forced("adaptive", 5, Backend::Avx2, unit)));
    }
    chosen(rows, PEERS)
}

/// tzp at every level with AVX2 (or the best backend of a CPU that has none), at the default one with every backend.
fn tzp_rows(unit: usize, dense: bool) -> Vec<Row> {
    let backends = backends();
    let main = if Backend::Avx2.is_supported() { Backend::Avx2 } else { backends[0] };
    let mut rows = Vec::new();
    for backend in backends {
        let levels = match dense {
            true if backend == main => &[1, 2, 3, 4][..],
            _ => &[2],
        };
        for &level in levels {
            rows.push(row(&format!("page tzp {level} {}", backend.name()), 1, forced("tzp", level, backend, unit)));
        }
    }
    rows
}

/// For every program: ratios, and on how many of its pages tzp is better than LZ4 and on how many much worse.
fn programs(sets: &[corpus::Set]) {
    println!("\n### Programs: pages of 4096 bytes that are not same-filled\n");
    println!(
        "| program | pages | liblz4 | tzp 2 | tzp 4 | adaptive 5 | tzp 2 no larger than liblz4 | more than 10 % larger |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let mut codecs: Vec<Box<dyn Codec>> = vec![
        Box::new(Liblz4::Default),
        page("tzp", Some(2), 4096),
        page("tzp", Some(4), 4096),
        page("adaptive", Some(5), 4096),
    ];
    let mut out = vec![0; 3 * 4096];
    for set in sets {
        let pages: Vec<&[u8]> = set.bytes.chunks_exact(4096).filter(|page| !corpus::same_filled(page)).collect();
        let (mut totals, mut better, mut worse) = ([0; 4], 0, 0);
        for page in &pages {
            let mut sizes = [0; 4];
            for ((codec, size), total) in codecs.iter_mut().zip(&mut sizes).zip(&mut totals) {
                *size = codec.compress(page, &mut out).unwrap_or(4096).min(4096);
                *total += *size;
            }
            better += usize::from(sizes[1] <= sizes[0]);
            worse += usize::from(sizes[1] * 10 > sizes[0] * 11);
        }
        let ratios = totals.map(|total| format!("{:.2}", (pages.len() * 4096) as f64 / total as f64)).join(" | ");
        let share = |count: usize| count * 100 / pages.len().max(1);
        println!("| {} | {} | {ratios} | {} % | {} % |", set.name, pages.len(), share(better), share(worse));
    }
}

/// The rows of the hot table, with the same peers.
fn hot_rows() -> Vec<Row> {
    let hot = |row: &Row| {
        row.name.starts_with("page ") || row.peer > 0 && !row.name.contains('-') || row.name.contains("c 1")
    };
    rows(4096, true).into_iter().filter(hot).collect()
}

/// Same-filled pages, hot, each backend: their own row, in no average.
fn same_filled() {
    println!("\n### Same-filled pages of 4096 bytes, one page again and again (hot)\n");
    println!("| backend | compress ns | GB/s | decompress ns | GB/s |");
    println!("|---|--:|--:|--:|--:|");
    #[repr(align(4096))]
    struct Aligned([u8; 4096]);
    let (page, mut back) = (Box::new(Aligned([0x5A; 4096])), Box::new(Aligned([0; 4096])));
    let mut object = vec![0; 4096];
    for backend in backends() {
        let mut ours = PageCompressor::builder().driver("lz4").backend(backend).build().expect("supported");
        let (mut compress, mut decompress) = (Vec::new(), Vec::new());
        for _ in 0..15 {
            let start = now();
            for _ in 0..2000 {
                ours.compress_page_into(std::hint::black_box(&page.0), &mut object).expect("two bytes");
            }
            let middle = now();
            for _ in 0..2000 {
                ours.decompress_page_into(std::hint::black_box(&object[..2]), &mut back.0).expect("our own object");
            }
            compress.push((middle - start) / 2000.0);
            decompress.push((now() - middle) / 2000.0);
        }
        let (c, d) = (median(&compress), median(&decompress));
        println!("| {} | {c:.0} | {:.1} | {d:.0} | {:.1} |", backend.name(), 4096.0 / c, 4096.0 / d);
    }
}

fn footprint() {
    println!("\n### Footprint in bytes: one context for both directions, and the stack of the deepest call\n");
    println!("| context | bytes | stack |");
    println!("|---|--:|--:|");
    let mut used = reference::Zstd::new(1, false);
    let mut out = vec![0; 8192];
    let n = used.compress(&[7; 4096], &mut out).expect("room");
    used.decompress(&out[..n], &mut [0; 4096]).expect("a frame");
    println!("| liblz4 LZ4_stream_t (compression only) | {} | |", reference::lz4_state_size());
    let (c, d) = used.sizes();
    println!("| libzstd 1 CCtx + DCtx | {c} + {d} | |");
    let sets = corpus::load();
    for (alg, levels) in [(c"lz4", &[1, 2, 9][..]), (c"zstd", &[-5, 1, 3]), (c"tzp", &[2]), (c"adaptive", &[5])] {
        for unit in [4096, 65536] {
            for &level in levels {
                let params =
                    tzram::abi::tzram_params { alg: alg.as_ptr(), level, page_size: unit as u32, ..Default::default() };
                // SAFETY: a live struct of its own size with a C string in it.
                let size = unsafe { tzram::abi::tzram_ctx_size(&params) };
                let name = alg.to_str().expect("ASCII");
                let builder = PageCompressor::builder().driver(name).level(level).page_size(unit);
                let mut ours = builder.build().expect("an algorithm");
                let (mut object, mut back) = (vec![0; unit], vec![0; unit]);
                let depth = stack::depth_of(|| {
                    for page in sets.iter().flat_map(|set| set.bytes.chunks_exact(unit).step_by(20)) {
                        let n = ours.compress_page_into(page, &mut object).expect("a page always fits");
                        ours.decompress_page_into(&object[..n], &mut back).expect("our own object");
                    }
                });
                println!("| tzram {name} {level}, unit {unit} | {size} | {depth} |");
            }
        }
    }
}

fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = cpuinfo.lines().find(|line| line.starts_with("model name") || line.starts_with("CPU part"));
    line.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown CPU").to_owned()
}

fn main() {
    // `cargo test` runs bench targets too, without --bench: measuring is not a test.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let anywhere = pin();
    let most = env("TZRAM_BENCH_PAGES", 6000);
    let sets = corpus::load();
    println!("tzram {} on {}, best backend {}", env!("CARGO_PKG_VERSION"), machine(), tzram::detect_backend().name());
    println!("sets: {}", sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(" "));
    let units = |unit: usize| -> Vec<Vec<u8>> {
        let all = sets.iter().flat_map(|set| set.bytes.chunks_exact(unit));
        all.filter(|unit| !corpus::same_filled(unit)).map(<[u8]>::to_vec).collect()
    };
    let mut pages = Workload::new(units(4096), 4096, most);
    if std::env::var_os("TZRAM_BENCH_BATCHES").is_some() {
        return anywhere.again(|| batch::run(&mut pages));
    }
    run("Pages", &mut pages, rows(4096, true), PEERS);
    run_hot("Hot pages", &pages, hot_rows(), PEERS);
    run("LZ4 pages", &mut pages, lz4::rows(false), lz4::PEERS);
    run_hot("Hot LZ4 pages", &pages, lz4::rows(true), lz4::PEERS);
    run("Zstandard pages", &mut pages, zstd::rows(false), zstd::PEERS);
    run_hot("Hot Zstandard pages", &pages, zstd::rows(true), zstd::PEERS);
    if std::env::var_os("TZRAM_BENCH_ROWS").is_some() {
        return;
    }
    lz4::decompression(&mut pages);
    zstd::decompression(&mut pages);
    programs(&sets);
    lz4::programs(&sets);
    zstd::programs(&sets);
    let mut large = Workload::new(units(65536), 65536, most / 16);
    run("Units of 64 KiB", &mut large, rows(65536, false), PEERS);
    run("LZ4 units of 64 KiB", &mut large, lz4::rows_64k(), lz4::PEERS);
    run("Zstandard units of 64 KiB", &mut large, zstd::rows_64k(), zstd::PEERS);
    same_filled();
    anywhere.again(|| batch::run(&mut pages));
    lz4::rejection(&pages);
    lz4::early_stop(&sets);
    footprint();
}
