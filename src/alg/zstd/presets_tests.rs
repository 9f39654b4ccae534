//! Where the distributions of `base::format::zstd_presets` come from:
//!
//! ```text
//! TZRAM_PAGES=folder cargo test --release --lib print_presets -- --ignored --nocapture
//! ```
//!
//! Every third page of the folder is compressed, at levels that differ in their parse; each table that a page would have is put to
//! the preset under which it is shortest, each preset then made of the sum of its pages: k-means with bits for distance.

use super::{Format, compress, encode_words};
use crate::base::format::zstd_presets::{COUNT, LOG};
use crate::base::log2::LOG2;
use crate::dispatch::Table;
use crate::kernel::zstd_encode::fse::{self, Counts, mask_of};
use crate::kernel::zstd_encode::presets::OBSERVED;

/// Bytes beyond those of its own table at which a page takes no preset.
const CAP: u32 = 20;
/// Times that everything is tried, from other pages.
const TRIES: u64 = 12;

type Tally = [u16; 64];

fn counts(of: Tally) -> Counts {
    Counts { of, used: mask_of(&of), total: of.iter().map(|&c| u32::from(c)).sum() }
}

struct Preset {
    norm: [u16; 64],
    used: u64,
    /// The description, then each symbol, in 1/256 of a bit.
    header: u32,
    bits: [u32; 64],
}

impl Preset {
    fn new(norm: [u16; 64]) -> Self {
        let used = mask_of(&norm);
        let all = Counts { of: norm, used, total: 1 << LOG };
        let header = (fse::describe(&all, &norm, LOG, &mut []).0 as u32) << 11;
        Preset { norm, used, header, bits: norm.map(|n| LOG * 256 - u32::from(LOG2[usize::from(n)])) }
    }

    /// The bits of a page in 1/256, if all its symbols have a place.
    fn cost(&self, page: &Counts) -> u32 {
        if page.used & !self.used != 0 {
            return u32::MAX;
        }
        self.header + fse::symbols_of(page.used).map(|(s, _)| u32::from(page.of[s]) * self.bits[s]).sum::<u32>()
    }
}

/// A page, and what it costs without presets.
type Page = (Counts, u32);

/// The best preset for some pages; symbols that few of them have get no cell, as those pages can do without it.
fn preset_of(pages: &[&Page]) -> Option<Preset> {
    let mut sum = [0u64; 64];
    let mut having = [0; 64];
    for (page, _) in pages {
        for (s, _) in fse::symbols_of(page.used) {
            sum[s] += u64::from(page.of[s]) * 65536 / u64::from(page.total);
            having[s] += 1;
        }
    }
    let total: u64 = sum.iter().sum::<u64>().max(1);
    let tries = [2, 3, 4, 6, 8, 12, 16, 32, 64, 1000].map(|share| {
        let of = core::array::from_fn(|s| {
            let wanted = having[s] > 0 && having[s] * share >= pages.len();
            if wanted { (sum[s] * 16000 / total).max(1) as u16 } else { 0 }
        });
        let all = counts(of);
        if all.used.count_ones() < 2 {
            return None;
        }
        let mut norm = [0; 64];
        fse::normalise(&all, LOG, &mut norm);
        let preset = Preset::new(norm);
        let cost: u64 = pages.iter().map(|(page, own)| u64::from(preset.cost(page).min(*own))).sum();
        Some((cost, preset))
    });
    tries.into_iter().flatten().min_by_key(|(cost, _)| *cost).map(|(_, preset)| preset)
}

/// The pages most like one of them, as many as an even share would be.
fn like<'a>(pages: &'a [Page], seed: &Page) -> Vec<&'a Page> {
    let share = |page: &Page, s: usize| i64::from(page.0.of[s]) * 4096 / i64::from(page.0.total);
    let mut near: Vec<(i64, &Page)> =
        pages.iter().map(|page| ((0..64).map(|s| (share(page, s) - share(seed, s)).abs()).sum(), page)).collect();
    near.sort_by_key(|&(apart, _)| apart);
    near[..pages.len() / (2 * COUNT)].iter().map(|&(_, page)| page).collect()
}

fn train(pages: &[Counts]) -> Vec<[u16; 64]> {
    let pages: Vec<Page> = pages
        .iter()
        .map(|page| {
            let mut norm = [0; 64];
            fse::normalise(page, LOG, &mut norm);
            let (len, bits) = fse::describe(page, &norm, LOG, &mut []);
            (*page, bits + ((len as u32 + CAP) << 11))
        })
        .collect();
    let mut random = 1u64;
    let mut best: Option<(u64, Vec<Preset>)> = None;
    for _ in 0..TRIES {
        let mut presets: Vec<Preset> = Vec::new();
        while presets.len() < COUNT {
            // The more a page would lose, the likelier it is to be the next centre (k-means++ of Arthur and Vassilvitskii).
            let loss = |page: &Page| {
                let got = presets.iter().map(|preset| preset.cost(&page.0)).min().unwrap_or(u32::MAX).min(page.1);
                u64::from(got.saturating_sub(page.1 - (CAP << 11)) + 1)
            };
            let total: u64 = pages.iter().map(loss).sum();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut left = (random >> 16) % total;
            let seed = pages.iter().find(|page| {
                let here = loss(page);
                let found = left < here;
                left = left.saturating_sub(here);
                found
            });
            presets.extend(preset_of(&like(&pages, seed.unwrap())));
        }
        let mut before = u64::MAX;
        for _ in 0..30 {
            let mut groups = vec![vec![]; COUNT];
            let mut sum = 0u64;
            for page in &pages {
                let (cost, at) = presets.iter().enumerate().map(|(i, preset)| (preset.cost(&page.0), i)).min().unwrap();
                sum += u64::from(cost.min(page.1));
                groups[at].push(page);
            }
            for (preset, group) in presets.iter_mut().zip(&groups) {
                if let Some(better) = preset_of(group) {
                    *preset = better;
                }
            }
            if sum >= before {
                break;
            }
            before = sum;
        }
        if best.as_ref().is_none_or(|(sum, _)| before < *sum) {
            best = Some((before, presets));
        }
    }
    let (sum, presets) = best.unwrap();
    let own: u64 = pages.iter().map(|page| u64::from(page.1 - (CAP << 11))).sum();
    println!("// {} tables, {:.4} of the size of tables of their own", pages.len(), sum as f64 / own as f64);
    presets.iter().map(|preset| preset.norm).collect()
}

#[test]
#[ignore = "prints tables, tests nothing"]
fn print_presets() {
    let folder = std::env::var("TZRAM_PAGES").expect("TZRAM_PAGES: a folder of compressed pages");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "zst"));
    files.sort();
    let table = Table::best();
    let mut observed: [Vec<Counts>; 4] = Default::default();
    let mut scratch = vec![0; encode_words(4096, 3)];
    for file in files {
        let bytes = super::encode_tests::decode(&std::fs::read(file).unwrap(), 1 << 26, &[], Format::Standard).unwrap();
        for page in bytes.chunks_exact(4096).step_by(3).filter(|page| page[8..] != page[..4088]) {
            for level in [-5, -3, 1] {
                OBSERVED.with_borrow_mut(Vec::clear);
                let mut dst = vec![0; 8192];
                let mut words = core::mem::take(&mut scratch);
                words.resize(words.len().max(encode_words(4096, level)), 0);
                compress(table, &mut words, level, None, Format::Magicless, page, &mut dst).unwrap();
                scratch = words;
                OBSERVED.with_borrow(|all| {
                    for &(kind, of) in all {
                        let page = counts(of);
                        if page.used.count_ones() > 1 && page.total >= 16 {
                            observed[kind].push(page);
                        }
                    }
                });
            }
        }
    }
    for (kind, (name, len)) in [("LL", 36), ("OF", 13), ("ML", 53), ("WEIGHTS", 12)].into_iter().enumerate() {
        let pages: Vec<Counts> = observed[kind].iter().copied().step_by(observed[kind].len() / 8000 + 1).collect();
        println!("pub const {name}: [[i16; {len}]; COUNT] = [");
        for norm in train(&pages) {
            println!("    {:?},", &norm[..len]);
        }
        println!("];");
    }
}
