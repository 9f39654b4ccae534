//! How the tables are measured: see the top of `main.rs`.

use std::hint::black_box;

use crate::codecs::Codec;
use crate::common::Random;

/// One row of a table.
pub struct Row {
    pub name: String,
    /// Row of the same table that it is compared with.
    pub peer: usize,
    pub codec: Box<dyn Codec>,
    pub bytes: usize,
    compress: Vec<f64>,
    decompress: Vec<f64>,
}

/// CPU time of this thread in nanoseconds.
pub fn now() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid clock and a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Where this thread might run before it was pinned.
pub struct Anywhere(libc::cpu_set_t);

/// Keeps this thread on the CPU where it is.
pub fn pin() -> Anywhere {
    // SAFETY: a zeroed cpu_set_t is empty; the calls get its size and address. Failing to pin only costs precision.
    unsafe {
        let (mut before, mut set): (libc::cpu_set_t, libc::cpu_set_t) = core::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut before);
        libc::CPU_SET(libc::sched_getcpu().max(0) as usize, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
        Anywhere(before)
    }
}

impl Anywhere {
    /// Runs `body` without the thread being pinned.
    pub fn again(&self, body: impl FnOnce()) {
        // SAFETY: a set that the kernel has written.
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &self.0) };
        body();
        pin();
    }
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// How many times as fast as `theirs` `ours` is: the median of the ratios of each round.
pub fn against(ours: &[f64], theirs: &[f64]) -> f64 {
    median(&ours.iter().zip(theirs).map(|(ours, theirs)| theirs / ours).collect::<Vec<_>>())
}

pub fn rounds() -> usize {
    env("TZRAM_BENCH_ROUNDS", 9).max(1)
}

pub fn env(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Bytes from the start of a page on, as pages are.
struct Aligned {
    bytes: Vec<u8>,
    start: usize,
}

impl Aligned {
    fn new(len: usize) -> Self {
        let bytes = vec![0; len + 4096];
        let start = bytes.as_ptr().align_offset(4096);
        assert!(start < 4096);
        Aligned { bytes, start }
    }

    fn get(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

/// Units in the order in which they are visited, and memory to write between passes.
pub struct Workload {
    data: Aligned,
    pub unit: usize,
    pub order: Vec<usize>,
    evict: Vec<u8>,
}

impl Workload {
    pub fn new(mut units: Vec<Vec<u8>>, unit: usize, most: usize) -> Self {
        let mut random = Random::new(42);
        let step = units.len().div_ceil(most.max(1)).max(1);
        units = units.into_iter().step_by(step).collect();
        let mut order: Vec<usize> = (0..units.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, random.below(i + 1));
        }
        let mut data = Aligned::new(units.len() * unit);
        for (to, unit) in data.get().chunks_exact_mut(unit).zip(&units) {
            to.copy_from_slice(unit);
        }
        Workload { data, unit, order, evict: vec![1; 64 << 20] }
    }

    pub fn unit_at(&self, i: usize) -> &[u8] {
        &self.data.bytes[self.data.start + i * self.unit..][..self.unit]
    }

    pub fn evict(&mut self) {
        for line in self.evict.chunks_exact_mut(64) {
            line[0] = line[0].wrapping_add(1);
        }
    }
}

pub fn run(title: &str, work: &mut Workload, mut rows: Vec<Row>, peers: usize) {
    if rows.len() <= peers {
        return;
    }
    let rounds = rounds();
    let (unit, count) = (work.unit, work.order.len());
    let room = unit * 2 + 1024;
    let mut store = vec![0u8; count * unit];
    let mut lengths = vec![0usize; count];
    let (mut out, mut back) = (vec![0u8; room], Aligned::new(unit));
    let back = &mut back.get()[..unit];
    for round in 0..=rounds {
        for turn in 0..rows.len() {
            let at = (turn + round) % rows.len();
            let row = &mut rows[at];
            work.evict();
            let start = now();
            for &i in &work.order {
                black_box(row.codec.compress(work.unit_at(i), &mut out));
            }
            let compressed = now();
            for &i in &work.order {
                let src = work.unit_at(i);
                let len = row.codec.compress(src, &mut out).filter(|&len| len < unit).unwrap_or(unit);
                let object = if len < unit { &out[..len] } else { src };
                store[i * unit..i * unit + len].copy_from_slice(object);
                lengths[i] = len;
            }
            work.evict();
            let again = now();
            for &i in &work.order {
                let object = &store[i * unit..i * unit + lengths[i]];
                if lengths[i] < unit {
                    row.codec.decompress(object, back);
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

/// The group that row `row` takes in turn `turn` of `count`: another one than the rows beside it, which may run the same
/// code. Predictors of branches remember a group for as long as it takes to come by again.
pub fn group_of(turn: usize, row: usize, count: usize) -> usize {
    (turn + row * (count / 3 + 1)) % count
}

/// Pages of a hot group.
pub const GROUP: usize = 32;

/// As [`run`], but everything is in the cache: see the top.
pub fn run_hot(title: &str, work: &Workload, mut rows: Vec<Row>, peers: usize) {
    if rows.len() <= peers {
        return;
    }
    let rounds = rounds();
    let unit = work.unit;
    let count = work.order.len() / GROUP * GROUP;
    let mut store = vec![0u8; GROUP * (unit + 64)];
    let mut lengths = [0usize; GROUP];
    let (mut group, mut back) = (Aligned::new(GROUP * unit), Aligned::new(GROUP * unit));
    let (group, back) = (&mut group.get()[..GROUP * unit], &mut back.get()[..GROUP * unit]);
    let mut out = vec![0u8; unit * 2 + 1024];
    for round in 0..=rounds {
        let mut times = vec![(0.0, 0.0); rows.len()];
        for g in 0..count / GROUP {
            for turn in 0..rows.len() {
                let at = (turn + g + round) % rows.len();
                let row = &mut rows[at];
                let units = &work.order[group_of(g, at, count / GROUP) * GROUP..][..GROUP];
                for (to, &i) in group.chunks_exact_mut(unit).zip(units) {
                    to.copy_from_slice(work.unit_at(i));
                }
                back.copy_from_slice(group);
                let start = now();
                for src in group.chunks_exact(unit) {
                    black_box(row.codec.compress(src, &mut out));
                }
                times[at].0 += now() - start;
                for ((src, object), length) in
                    group.chunks_exact(unit).zip(store.chunks_exact_mut(unit + 64)).zip(&mut lengths)
                {
                    let len = row.codec.compress(src, &mut out).filter(|&len| len < unit).unwrap_or(unit);
                    object[..len].copy_from_slice(if len < unit { &out[..len] } else { src });
                    *length = len;
                }
                let start = now();
                for ((back, object), &len) in
                    back.chunks_exact_mut(unit).zip(store.chunks_exact(unit + 64)).zip(&lengths)
                {
                    if len < unit {
                        row.codec.decompress(&object[..len], back);
                    } else {
                        back.copy_from_slice(&object[..len]);
                    }
                }
                times[at].1 += now() - start;
                if round == 0 {
                    assert!(back == group, "{}: group {g} differs", row.name);
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
    print_table(&format!("{title}: {count} units of {unit} bytes, {rounds} rounds"), count, unit, &rows);
}

pub fn print_table(title: &str, count: usize, unit: usize, rows: &[Row]) {
    println!("\n### {title}\n");
    println!("| codec | ratio | size against peer | compress ns | x peer | decompress ns | x peer | peer |");
    println!("|---|--:|--:|--:|--:|--:|--:|---|");
    for row in rows {
        let peer = &rows[row.peer];
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

pub fn row(name: &str, peer: usize, codec: Box<dyn Codec>) -> Row {
    Row { name: name.to_owned(), peer, codec, bytes: 0, compress: Vec::new(), decompress: Vec::new() }
}

/// The first `peers` rows, and those that TZRAM_BENCH_ROWS names.
pub fn chosen(rows: Vec<Row>, peers: usize) -> Vec<Row> {
    let Ok(words) = std::env::var("TZRAM_BENCH_ROWS") else { return rows };
    let named = |name: &str| words.split_whitespace().any(|word| name.contains(word));
    rows.into_iter().enumerate().filter(|(i, row)| *i < peers || named(&row.name)).map(|(_, row)| row).collect()
}
