//! Tables that cross makers of streams with their readers, and levels with programs.

use std::hint::black_box;

use crate::codecs::Codec;
use crate::common::corpus;
use crate::measure::{GROUP, Workload, against, group_of, median, now, rounds};

/// A codec and its name.
pub type Maker = (String, Box<dyn Codec>);

/// One decoder on the blocks of one maker.
struct Reader {
    maker: usize,
    decoder: String,
    codec: Box<dyn Codec>,
    cold: Vec<f64>,
    hot: Vec<f64>,
}

/// The blocks of one maker, a unit apart, and their lengths.
struct Blocks {
    name: String,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Blocks {
    fn of(work: &Workload, name: String, mut maker: Box<dyn Codec>) -> Self {
        let unit = work.unit;
        let mut blocks =
            Blocks { name, bytes: vec![0; work.order.len() * unit], lengths: vec![unit; work.order.len()] };
        let mut out = vec![0; unit * 2];
        for &i in &work.order {
            if let Some(len) = maker.compress(work.unit_at(i), &mut out).filter(|&len| len < unit) {
                blocks.bytes[i * unit..i * unit + len].copy_from_slice(&out[..len]);
                blocks.lengths[i] = len;
            }
        }
        blocks
    }
    fn at(&self, unit: usize, i: usize) -> &[u8] {
        &self.bytes[i * unit..i * unit + self.lengths[i]]
    }
}

/// Who decodes whose streams, how fast: cold and hot as the tables of pages, on the pages that every maker shrinks. Speeds are
/// against the first decoder on the streams of the first maker.
pub fn decompression(
    title: &str,
    peer: &str,
    work: &mut Workload,
    makers: Vec<Maker>,
    decoders: impl Fn() -> Vec<Maker>,
) {
    let unit = work.unit;
    let makers: Vec<Blocks> = makers.into_iter().map(|(name, maker)| Blocks::of(work, name, maker)).collect();
    let order: Vec<usize> =
        work.order.iter().copied().filter(|&i| makers.iter().all(|maker| maker.lengths[i] < unit)).collect();
    let mut readers = Vec::new();
    for maker in 0..makers.len() {
        for (decoder, codec) in decoders() {
            readers.push(Reader { maker, decoder, codec, cold: Vec::new(), hot: Vec::new() });
        }
    }
    let count = order.len() / GROUP * GROUP;
    let mut back = vec![0; GROUP * unit];
    for round in 0..=rounds() {
        for turn in 0..readers.len() {
            let at = (turn + round) % readers.len();
            let reader = &mut readers[at];
            let blocks = &makers[reader.maker];
            work.evict();
            let start = now();
            for &i in &order[..count] {
                reader.codec.decompress(blocks.at(unit, i), &mut back[..unit]);
                if round == 0 {
                    assert!(back[..unit] == *work.unit_at(i), "{} of {}: unit {i}", reader.decoder, blocks.name);
                }
            }
            if round > 0 {
                reader.cold.push((now() - start) / count as f64);
            }
        }
        let mut times = vec![0.0; readers.len()];
        for g in 0..count / GROUP {
            for turn in 0..readers.len() {
                let at = (turn + g + round) % readers.len();
                let reader = &mut readers[at];
                let blocks = &makers[reader.maker];
                let group = &order[group_of(g, at, count / GROUP) * GROUP..][..GROUP];
                for &i in group {
                    black_box(blocks.at(unit, i).iter().step_by(64).fold(0, |sum, byte| sum ^ byte));
                }
                let start = now();
                for (&i, back) in group.iter().zip(back.chunks_exact_mut(unit)) {
                    reader.codec.decompress(blocks.at(unit, i), back);
                }
                times[at] += now() - start;
            }
        }
        if round > 0 {
            for (reader, time) in readers.iter_mut().zip(times) {
                reader.hot.push(time / count as f64);
            }
        }
    }
    println!("\n### {title} decompression: {count} pages of {unit} bytes, {} rounds\n", rounds());
    println!("x is speed against {peer}; same x, against the first decoder on the same streams.\n");
    println!("| streams of | decoder | cold ns | x | same x | hot ns | x | same x |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");
    let each = readers.len() / makers.len();
    for reader in &readers {
        let same = &readers[reader.maker * each];
        println!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.0} | {:.2} | {:.2} |",
            makers[reader.maker].name,
            reader.decoder,
            median(&reader.cold),
            against(&reader.cold, &readers[0].cold),
            against(&reader.cold, &same.cold),
            median(&reader.hot),
            against(&reader.hot, &readers[0].hot),
            against(&reader.hot, &same.hot),
        );
    }
}

/// For every program: bytes of our levels against a peer's, each page at most a page.
pub fn programs(title: &str, (peer_name, peer): (&str, Box<dyn Codec>), levels: Vec<Maker>, sets: &[corpus::Set]) {
    println!("\n### {title} by program: size against {peer_name}'s on pages of 4096 bytes that are not same-filled\n");
    let (names, mut codecs): (Vec<String>, Vec<Box<dyn Codec>>) = levels.into_iter().unzip();
    println!("| program | pages | {peer_name} bytes | {} |", names.join(" | "));
    println!("|---|--:|--:|{}", "--:|".repeat(names.len()));
    codecs.push(peer);
    let mut out = vec![0; 8192];
    let mut worst = vec![(0.0, ""); names.len()];
    for set in sets {
        let pages: Vec<&[u8]> = set.pages().filter(|page| !corpus::same_filled(page)).collect();
        let mut total = |codec: &mut Box<dyn Codec>| -> usize {
            pages.iter().map(|page| codec.compress(page, &mut out).unwrap_or(4096).min(4096)).sum()
        };
        let totals: Vec<usize> = codecs.iter_mut().map(&mut total).collect();
        let theirs = totals[names.len()];
        let shares: Vec<f64> = totals[..names.len()].iter().map(|&ours| ours as f64 / theirs.max(1) as f64).collect();
        for (worst, &share) in worst.iter_mut().zip(&shares) {
            if share > worst.0 {
                *worst = (share, &set.name);
            }
        }
        let shares: Vec<String> = shares.iter().map(|share| format!("{share:.4}")).collect();
        println!("| {} | {} | {theirs} | {} |", set.name, pages.len(), shares.join(" | "));
    }
    let worst: Vec<String> = worst.iter().map(|(share, name)| format!("{share:.4} ({name})")).collect();
    println!("| worst | | | {} |", worst.join(" | "));
}
