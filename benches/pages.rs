//! `make bench`: our codecs beside liblz4 and libzstd, in one process, on real pages.
//!
//! Method: pages that are not same-filled, in a shuffled order; before every pass 64 MiB of other memory are written, so
//! that pages and objects come from memory. A round is one pass of compression and one of decompression for every row,
//! the rows in rotating order. A row's speed against its peer is the median over the rounds of (peer's time / row's
//! time); its time is the median of the rounds, in CPU time of the one pinned thread. Sizes count at most a page per
//! page: what does not shrink is stored raw, as zram does it. Every page is restored and compared before any timing.
//!
//! The hot table is for a page that the caller has just touched: groups of 32 pages are read once, then every row in turn
//! compresses the group, reads it again for the others, and restores it. A round is all groups.
//!
//! Environment: TZRAM_PAGES (folder with more pages), TZRAM_BENCH_ROUNDS (default 9), TZRAM_BENCH_PAGES (most pages
//! taken, default 6000), TZRAM_BENCH_ROWS (only rows whose name contains one of these words, the peers always; and no
//! tables but those of pages).

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Random, corpus, reference, stack};
use tzram::{Backend, Compressor, PageCompressor};

/// One row of a table.
struct Row {
    name: String,
    /// Row of the same table that it is compared with.
    peer: usize,
    codec: Box<dyn Codec>,
    bytes: usize,
    compress: Vec<f64>,
    decompress: Vec<f64>,
}

/// Compresses a unit to at most its own length, or says that it does not shrink.
trait Codec {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize>;
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]);
}

struct Memcpy;
impl Codec for Memcpy {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        dst[..src.len()].copy_from_slice(src);
        None
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        dst.copy_from_slice(src);
    }
}

struct Liblz4 {
    hc: Option<i32>,
}
impl Codec for Liblz4 {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        match self.hc {
            None => reference::lz4_compress(src, dst),
            Some(level) => reference::lz4_compress_hc(src, dst, level),
        }
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        assert_eq!(reference::lz4_decompress(src, dst), Some(dst.len()));
    }
}

struct Libzstd(reference::Zstd);
impl Codec for Libzstd {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        self.0.compress(src, dst)
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        assert_eq!(self.0.decompress(src, dst), Some(dst.len()));
    }
}

/// Bare streams of ours, like for like with the reference libraries.
struct Stream(Compressor<'static>);
impl Codec for Stream {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        self.0.compress_into(src, dst).ok()
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        assert_eq!(self.0.decompress_into(src, dst), Ok(dst.len()));
    }
}

/// The whole page path of ours.
struct Page(PageCompressor<'static>);
impl Codec for Page {
    fn compress(&mut self, src: &[u8], dst: &mut [u8]) -> Option<usize> {
        self.0.compress_page_into(src, dst).ok()
    }
    fn decompress(&mut self, src: &[u8], dst: &mut [u8]) {
        self.0.decompress_page_into(src, dst).expect("our own object");
    }
}

fn stream(driver: &'static str, level: i32) -> Box<dyn Codec> {
    Box::new(Stream(Compressor::builder().driver(driver).level(level).build().expect("a driver")))
}

fn page(driver: &'static str, level: Option<i32>, unit: usize) -> Box<dyn Codec> {
    let mut builder = PageCompressor::builder().driver(driver).page_size(unit);
    if let Some(level) = level {
        builder = builder.level(level);
    }
    Box::new(Page(builder.build().expect("a driver")))
}

fn libzstd(level: i32) -> Box<dyn Codec> {
    Box::new(Libzstd(reference::Zstd::new(level, false)))
}

/// CPU time of this thread in nanoseconds.
fn now() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid clock and a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn pin() {
    // SAFETY: a zeroed cpu_set_t is empty; the calls get its size and address. Failing to pin only costs precision.
    unsafe {
        let mut set: libc::cpu_set_t = core::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu().max(0) as usize, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn env(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Units in the order in which they are visited, and memory to write between passes.
struct Workload {
    data: Vec<u8>,
    unit: usize,
    order: Vec<usize>,
    evict: Vec<u8>,
}

impl Workload {
    fn new(mut units: Vec<Vec<u8>>, unit: usize, most: usize) -> Self {
        let mut random = Random::new(42);
        let step = units.len().div_ceil(most.max(1)).max(1);
        units = units.into_iter().step_by(step).collect();
        let mut order: Vec<usize> = (0..units.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, random.below(i + 1));
        }
        Workload { data: units.concat(), unit, order, evict: vec![1; 64 << 20] }
    }

    fn unit_at(&self, i: usize) -> &[u8] {
        &self.data[i * self.unit..(i + 1) * self.unit]
    }

    fn evict(&mut self) {
        for line in self.evict.chunks_exact_mut(64) {
            line[0] = line[0].wrapping_add(1);
        }
    }
}

fn run(title: &str, work: &mut Workload, mut rows: Vec<Row>) {
    let rounds = env("TZRAM_BENCH_ROUNDS", 9);
    let (unit, count) = (work.unit, work.order.len());
    let room = unit * 2 + 1024;
    let mut store = vec![0u8; count * unit];
    let mut lengths = vec![0usize; count];
    let (mut out, mut back) = (vec![0u8; room], vec![0u8; unit]);
    for round in 0..=rounds {
        for turn in 0..rows.len() {
            let at = (turn + round) % rows.len();
            let row = &mut rows[at];
            work.evict();
            let start = now();
            for &i in &work.order {
                let src = work.unit_at(i);
                let len = row.codec.compress(src, &mut out).filter(|&len| len < unit).unwrap_or(unit);
                let object = if len < unit { &out[..len] } else { src };
                store[i * unit..i * unit + len].copy_from_slice(object);
                lengths[i] = len;
            }
            let compressed = now();
            work.evict();
            let again = now();
            for &i in &work.order {
                let object = &store[i * unit..i * unit + lengths[i]];
                if lengths[i] < unit {
                    row.codec.decompress(object, &mut back);
                } else {
                    back.copy_from_slice(object);
                }
                if round == 0 {
                    assert!(back == work.unit_at(i), "{}: unit {i} differs", row.name);
                }
            }
            if round == 0 {
                row.bytes = lengths.iter().sum();
            } else {
                row.compress.push((compressed - start) / count as f64);
                row.decompress.push((now() - again) / count as f64);
            }
        }
    }
    print_table(&format!("{title}: {count} units of {unit} bytes, {rounds} rounds"), count, unit, &rows);
}

/// Pages of a hot group.
const GROUP: usize = 32;

/// As [`run`], but everything is in the cache: see the top.
fn run_hot(work: &Workload, mut rows: Vec<Row>) {
    let rounds = env("TZRAM_BENCH_ROUNDS", 9);
    let unit = work.unit;
    let groups: Vec<Vec<u8>> = work
        .order
        .chunks_exact(GROUP)
        .map(|group| group.iter().flat_map(|&i| work.unit_at(i)).copied().collect())
        .collect();
    let count = groups.len() * GROUP;
    let mut store = vec![0u8; GROUP * (unit + 64)];
    let mut lengths = [0usize; GROUP];
    let (mut out, mut back) = (vec![0u8; unit * 2 + 1024], vec![0u8; GROUP * unit]);
    for round in 0..=rounds {
        let mut times = vec![(0.0, 0.0); rows.len()];
        for (g, group) in groups.iter().enumerate() {
            for turn in 0..rows.len() {
                let at = (turn + g + round) % rows.len();
                let row = &mut rows[at];
                back.copy_from_slice(group);
                let start = now();
                for ((src, object), length) in
                    group.chunks_exact(unit).zip(store.chunks_exact_mut(unit + 64)).zip(&mut lengths)
                {
                    let len = row.codec.compress(src, &mut out).filter(|&len| len < unit).unwrap_or(unit);
                    object[..len].copy_from_slice(if len < unit { &out[..len] } else { src });
                    *length = len;
                }
                let compressed = now();
                for ((back, object), &len) in
                    back.chunks_exact_mut(unit).zip(store.chunks_exact(unit + 64)).zip(&lengths)
                {
                    if len < unit {
                        row.codec.decompress(&object[..len], back);
                    } else {
                        back.copy_from_slice(&object[..len]);
                    }
                }
                times[at].0 += compressed - start;
                times[at].1 += now() - compressed;
                if round == 0 {
                    assert!(back == *group, "{}: group {g} differs", row.name);
                    row.bytes += lengths.iter().sum::<usize>();
                }
            }
        }
        if round > 0 {
            for (row, time) in rows.iter_mut().zip(times) {
                row.compress.push(time.0 / count as f64);
                row.decompress.push(time.1 / count as f64);
            }
        }
    }
    print_table(&format!("Hot pages: {count} units of {unit} bytes, {rounds} rounds"), count, unit, &rows);
}

fn print_table(title: &str, count: usize, unit: usize, rows: &[Row]) {
    println!("\n### {title}\n");
    println!("| codec | ratio | size against peer | compress ns | x peer | decompress ns | x peer | peer |");
    println!("|---|--:|--:|--:|--:|--:|--:|---|");
    for row in rows {
        let peer = &rows[row.peer];
        let against = |ours: &[f64], theirs: &[f64]| {
            median(&ours.iter().zip(theirs).map(|(ours, theirs)| theirs / ours).collect::<Vec<_>>())
        };
        println!(
            "| {} | {:.3} | {:.4} | {:.0} | {:.2} | {:.0} | {:.2} | {} |",
            row.name,
            (count * unit) as f64 / row.bytes as f64,
            row.bytes as f64 / peer.bytes as f64,
            median(&row.compress),
            against(&row.compress, &peer.compress),
            median(&row.decompress),
            against(&row.decompress, &peer.decompress),
            peer.name,
        );
    }
}

fn row(name: &str, peer: usize, codec: Box<dyn Codec>) -> Row {
    Row { name: name.to_owned(), peer, codec, bytes: 0, compress: Vec::new(), decompress: Vec::new() }
}

/// The rows of a table: both reference libraries, then ours. Rows 1 and 2 are the peers.
fn rows(unit: usize, dense: bool) -> Vec<Row> {
    let mut rows = vec![
        row("memcpy", 1, Box::new(Memcpy)),
        row("liblz4 default", 1, Box::new(Liblz4 { hc: None })),
        row("libzstd 1", 2, libzstd(1)),
    ];
    if dense {
        rows.push(row("liblz4 HC 9", 1, Box::new(Liblz4 { hc: Some(9) })));
    }
    rows.extend([-5, -1, 3].map(|level| row(&format!("libzstd {level}"), 2, libzstd(level))));
    let lz4: &[i32] = if dense { &[-8, -1, 1, 2, 3, 9] } else { &[1] };
    for &level in lz4 {
        rows.push(row(&format!("lz4-generic {level}"), 1, stream("lz4-generic", level)));
    }
    let zstd: &[i32] = if dense { &[-5, -1, 1, 2, 3] } else { &[1] };
    for &level in zstd {
        rows.push(row(&format!("zstd-generic {level}"), 2, stream("zstd-generic", level)));
    }
    rows.extend(tzp_rows(unit, dense));
    rows.push(row("page lz4", 1, page("lz4", None, unit)));
    rows.push(row("page zstd", 2, page("zstd", None, unit)));
    for level in if dense { &[1, 3, 5, 6, 7, 9][..] } else { &[5] } {
        rows.push(row(&format!("page adaptive {level}"), 1, page("adaptive", Some(*level), unit)));
    }
    if Backend::Avx2.is_supported() {
        rows.push(row("page adaptive 5 avx2", 1, forced("adaptive", 5, Backend::Avx2, unit)));
    }
    chosen(rows)
}

/// tzp at every level with AVX2 (or the best backend of a CPU that has none), at the default one with every backend.
fn tzp_rows(unit: usize, dense: bool) -> Vec<Row> {
    let backends: Vec<Backend> = Backend::ALL.into_iter().filter(|backend| backend.is_supported()).collect();
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

fn forced(alg: &'static str, level: i32, backend: Backend, unit: usize) -> Box<dyn Codec> {
    let builder = PageCompressor::builder().driver(alg).level(level).backend(backend).page_size(unit);
    Box::new(Page(builder.build().expect("supported")))
}

/// For every program: ratios, and on how many of its pages tzp is better than LZ4 and on how many much worse.
fn programs(sets: &[corpus::Set]) {
    println!("\n### Programs: pages of 4096 bytes that are not same-filled\n");
    println!(
        "| program | pages | liblz4 | tzp 2 | tzp 4 | adaptive 5 | tzp 2 no larger than liblz4 | more than 10 % larger |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let mut codecs: Vec<Box<dyn Codec>> = vec![
        Box::new(Liblz4 { hc: None }),
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

/// The peers, and the rows that TZRAM_BENCH_ROWS names.
fn chosen(rows: Vec<Row>) -> Vec<Row> {
    let Ok(words) = std::env::var("TZRAM_BENCH_ROWS") else { return rows };
    let named = |name: &str| words.split_whitespace().any(|word| name.contains(word));
    rows.into_iter().enumerate().filter(|(i, row)| *i <= 2 || named(&row.name)).map(|(_, row)| row).collect()
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
    for backend in Backend::ALL.into_iter().filter(|backend| backend.is_supported()) {
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
    pin();
    let most = env("TZRAM_BENCH_PAGES", 6000);
    let sets = corpus::load();
    println!("tzram {} on {}, best backend {}", env!("CARGO_PKG_VERSION"), machine(), tzram::detect_backend().name());
    println!("sets: {}", sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(" "));
    let units = |unit: usize| -> Vec<Vec<u8>> {
        let all = sets.iter().flat_map(|set| set.bytes.chunks_exact(unit));
        all.filter(|unit| !corpus::same_filled(unit)).map(<[u8]>::to_vec).collect()
    };
    let mut pages = Workload::new(units(4096), 4096, most);
    run("Pages", &mut pages, rows(4096, true));
    run_hot(&pages, hot_rows());
    if std::env::var_os("TZRAM_BENCH_ROWS").is_some() {
        return;
    }
    programs(&sets);
    run("Units of 64 KiB", &mut Workload::new(units(65536), 65536, most / 16), rows(65536, false));
    same_filled();
    footprint();
}
