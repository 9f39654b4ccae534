//! The tables of LZ4: every level and instruction set beside the other libraries, decoders on blocks of several makers,
//! pages that stay raw, sizes by program.

use std::hint::black_box;

use tzram::PageCompressor;

use crate::codecs::{
    Codec, Liblz4, Lz4Flex, Memcpy, Snap, TruenoZram, backends, forced, lz4_levels, page, stream, stream_on,
};
use crate::common::{Random, corpus};
use crate::crossed::{self, Maker};
use crate::measure::{GROUP, Row, Workload, against, chosen, median, now, rounds, row};

/// Peers that [`rows`] starts with.
pub const PEERS: usize = 2;

/// The levels that stand for the others where every level is too much.
fn some_levels() -> Vec<i32> {
    lz4_levels().into_iter().filter(|level| [-1, 1, 3, 9].contains(level)).collect()
}

/// Pages of 4096 bytes: memcpy and liblz4, the other libraries, ours. `hot` leaves out two slow encoders of liblz4 and most
/// levels of ours.
pub fn rows(hot: bool) -> Vec<Row> {
    let mut rows = vec![row("memcpy", 1, Box::new(Memcpy)), row("liblz4 default", 1, Box::new(Liblz4::Default))];
    rows.extend([8, 20].map(|by| row(&format!("liblz4 fast {by}"), 1, Box::new(Liblz4::Fast(by)))));
    let dense: &[i32] = if hot { &[9] } else { &[3, 9, 12] };
    rows.extend(dense.iter().map(|&level| row(&format!("liblz4 HC {level}"), 1, Box::new(Liblz4::Hc(level)))));
    rows.push(row("lz4_flex", 1, Box::new(Lz4Flex::default())));
    rows.push(row("snap", 1, Box::new(Snap::new())));
    rows.push(row("trueno-zram-core", 1, Box::new(TruenoZram::lz4())));
    let levels = if hot { some_levels() } else { lz4_levels() };
    rows.extend(levels.iter().map(|&level| row(&format!("lz4 {level}"), 1, stream("lz4", level))));
    for backend in backends() {
        for level in some_levels() {
            let name = format!("lz4 {level} {}", backend.name());
            rows.push(row(&name, 1, stream_on("lz4", level, backend)));
        }
    }
    rows.push(row("page lz4 1", 1, page("lz4", Some(1), 4096)));
    chosen(rows, PEERS)
}

/// Units of 64 KiB.
pub fn rows_64k() -> Vec<Row> {
    let mut rows = vec![row("memcpy", 1, Box::new(Memcpy)), row("liblz4 default", 1, Box::new(Liblz4::Default))];
    rows.push(row("liblz4 HC 9", 1, Box::new(Liblz4::Hc(9))));
    rows.extend(some_levels().iter().map(|&level| row(&format!("lz4 {level}"), 1, stream("lz4", level))));
    chosen(rows, PEERS)
}

/// Who decodes whose blocks, how fast.
pub fn decompression(work: &mut Workload) {
    let levels = some_levels().into_iter().filter(|&level| level > 0 && level != 3);
    let mut makers: Vec<Maker> = vec![("liblz4 default".to_owned(), Box::new(Liblz4::Default))];
    makers.extend(levels.map(|level| (format!("lz4 {level}"), stream("lz4", level))));
    let decoders = || {
        let mut decoders: Vec<Maker> = vec![("liblz4".to_owned(), Box::new(Liblz4::Default))];
        decoders.extend(
            backends().into_iter().map(|backend| (format!("lz4 {}", backend.name()), stream_on("lz4", 1, backend))),
        );
        decoders
    };
    crossed::decompression("LZ4", "liblz4 on its own blocks", work, makers, decoders);
}

/// What pages cost that end up raw: the codec gives up in time, and on none that liblz4 shrinks to three quarters.
pub fn early_stop(sets: &[corpus::Set]) {
    const NOISE: usize = 256;
    let mut random = Random::new(11);
    let mut units: Vec<Vec<u8>> = sets
        .iter()
        .flat_map(corpus::Set::pages)
        .filter(|page| !corpus::same_filled(page))
        .map(<[u8]>::to_vec)
        .collect();
    let real = units.len();
    units.extend((0..NOISE).map(|_| (0..4096).map(|_| random.next() as u8).collect::<Vec<u8>>()));
    let mut work = Workload::new(units, 4096, usize::MAX);
    let (mut object, mut block) = (vec![0; 4096], vec![0; 8192]);
    println!("\n### Pages that stay raw: page lz4 1, out of memory, {} rounds\n", rounds());
    println!(
        "| backend | raw pages | ns | share of the others' | random pages | ns | share of the others' | others | ns \
         | raw, but at most 3/4 page for liblz4 |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for backend in backends() {
        let mut codec = forced("lz4", 1, backend, 4096);
        let (mut groups, mut lost) = ([const { Vec::new() }; 3], 0);
        for &i in &work.order {
            let page = work.unit_at(i);
            let raw = codec.compress(page, &mut object) == Some(4096);
            groups[if i >= real { 1 } else { usize::from(!raw) * 2 }].push(i);
            lost += usize::from(raw && Liblz4::Default.compress(page, &mut block).is_some_and(|len| len <= 3072));
        }
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds() {
            for (group, times) in groups.iter().zip(&mut times) {
                work.evict();
                let start = now();
                for &i in group {
                    black_box(codec.compress(work.unit_at(i), &mut object));
                }
                times.push((now() - start) / group.len().max(1) as f64);
            }
        }
        // Time of a kind of page as a share of the others', in per cent.
        let share = |kind: usize| 100.0 * against(&times[2], &times[kind]);
        println!(
            "| {} | {} | {:.0} | {:.0} % | {} | {:.0} | {:.0} % | {} | {:.0} | {lost} |",
            backend.name(),
            groups[0].len(),
            median(&times[0]),
            share(0),
            groups[1].len(),
            median(&times[1]),
            share(1),
            groups[2].len(),
            median(&times[2]),
        );
    }
}

/// For every program: bytes of our levels against liblz4's.
pub fn programs(sets: &[corpus::Set]) {
    let levels = some_levels().into_iter().map(|level| (format!("lz4 {level}"), stream("lz4", level))).collect();
    crossed::programs("LZ4", ("liblz4", Box::new(Liblz4::Default)), levels, sets);
}

/// How long it takes to see that a page is not same-filled: the page path without room for an object, which ends right
/// after the check, on hot pages. What the call costs around the check is in it.
pub fn rejection(work: &Workload) {
    println!("\n### Telling that a page is not same-filled: {GROUP} pages again and again (hot)\n");
    println!("| backend | ns |");
    println!("|---|--:|");
    let group: Vec<Vec<u8>> = work.order.iter().take(GROUP).map(|&i| work.unit_at(i).to_vec()).collect();
    for backend in backends() {
        let mut ours = PageCompressor::builder().driver("lz4").backend(backend).build().expect("supported");
        let times: Vec<f64> = (0..15)
            .map(|_| {
                let start = now();
                for _ in 0..200 {
                    for page in &group {
                        let refused = ours.compress_page_into(black_box(page), &mut []);
                        assert_eq!(refused, Err(tzram::Error::NoSpace));
                    }
                }
                (now() - start) / (200 * group.len()) as f64
            })
            .collect();
        println!("| {} | {:.1} |", backend.name(), median(&times));
    }
}
