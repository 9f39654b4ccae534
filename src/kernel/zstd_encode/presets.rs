//! Ready-made tables of [`crate::base::format::zstd_presets`].

use super::super::zstd_seq_encode::SYMBOLS;
use super::fse::{Counts, FixedTable, HEADER_MAX, symbols_of};
use crate::base::format::zstd_presets::{self as presets, COUNT, LOG, description};
use crate::base::log2;

/// A table and its description.
struct Preset {
    table: FixedTable<64>,
    header: [u8; presets::HEADER_MAX],
    header_len: usize,
}

impl Preset {
    const fn new(norm: &[i16]) -> Self {
        let (header, header_len) = description(norm, LOG);
        Preset { table: FixedTable::new(norm, LOG), header, header_len }
    }
}

/// Literals lengths, offsets, match lengths, and weights of Huffman trees.
static PRESETS: [[Preset; COUNT]; 4] = {
    const fn all<const N: usize>(norms: &[[i16; N]; COUNT]) -> [Preset; COUNT] {
        let mut all = [const { Preset { table: FixedTable::new(&[], LOG), header: [0; presets::HEADER_MAX], header_len: 0 } };
            COUNT];
        let mut i = 0;
        while i < COUNT {
            all[i] = Preset::new(&norms[i]);
            i += 1;
        }
        all
    }
    [all(&presets::LL), all(&presets::OF), all(&presets::ML), all(&presets::WEIGHTS)]
};
/// The kind of the weights of a tree; those of sequences are in the order of their tables.
pub const WEIGHTS: usize = 3;

/// The table of a preset.
#[inline(always)]
pub fn of(kind: usize, preset: usize) -> &'static FixedTable<64> {
    &PRESETS[kind][preset].table
}

/// Writes the description of a preset; returns its length.
#[inline(always)]
pub fn describe(kind: usize, preset: usize, header: &mut [u8; HEADER_MAX]) -> usize {
    let preset = &PRESETS[kind][preset];
    header[..presets::HEADER_MAX].copy_from_slice(&preset.header);
    preset.header_len
}

/// Presets that are compared side by side, with [`COUNT`] of them in use.
const LANES: usize = 16;
/// Cost of a symbol that a preset lacks: more than any other, as costs are at most 6 bits.
const MISSING: u16 = 64 << 8;

/// By kind: the bits of the descriptions, and the bits of each symbol, in 1/256, each a row over the presets.
static COSTS: [([u32; LANES], [[u16; LANES]; SYMBOLS]); 4] = {
    let mut all = [([u32::MAX >> 8; LANES], [[MISSING; LANES]; SYMBOLS]); 4];
    let logs = &const { log2::table() };
    let mut kind = 0;
    while kind < 4 {
        let mut i = 0;
        while i < COUNT {
            let norm: &[i16] = match kind {
                0 => &presets::LL[i],
                1 => &presets::OF[i],
                2 => &presets::ML[i],
                _ => &presets::WEIGHTS[i],
            };
            all[kind].0[i] = (description::<{ presets::HEADER_MAX }>(norm, LOG).1 as u32) << 11;
            let mut symbol = 0;
            while symbol < norm.len() {
                if norm[symbol] != 0 {
                    all[kind].1[symbol][i] = (LOG * 256) as u16 - logs[norm[symbol] as usize];
                }
                symbol += 1;
            }
            i += 1;
        }
        kind += 1;
    }
    all
};

/// Returns the preset that is shortest for `counts`, with its description, and the bits of both in 1/256; [`u32::MAX`] if that one
/// lacks a symbol that occurs.
#[inline(always)]
pub fn cheapest(kind: usize, counts: &Counts) -> (usize, u32) {
    #[cfg(test)]
    OBSERVED.with_borrow_mut(|observed| observed.push((kind, counts.of)));
    let (headers, costs) = &COSTS[kind];
    let mut sums = *headers;
    for (symbol, _) in symbols_of(counts.used) {
        let count = u32::from(counts.of[symbol]);
        for (sum, &cost) in sums.iter_mut().zip(&costs[symbol]) {
            *sum += count * u32::from(cost);
        }
    }
    // Four bits are for the number; sums of 2^28 and more, of presets that lack what a long block has often, are all the same.
    let key = sums.iter().zip(0..).map(|(&sum, i)| sum.min(u32::MAX >> 4) << 4 | i).fold(u32::MAX, u32::min);
    let (best, cost) = ((key & 15) as usize % COUNT, key >> 4);
    if counts.used & !of(kind, best).view().used == 0 { (best, cost) } else { (best, u32::MAX) }
}

#[cfg(test)]
thread_local! {
    /// What [`cheapest`] was called with on this thread: the tables that presets are made of.
    pub static OBSERVED: core::cell::RefCell<Vec<(usize, [u16; SYMBOLS])>> = const { core::cell::RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::super::fse::{self, mask_of};
    use super::*;

    #[test]
    fn descriptions_are_those_that_an_encoder_of_the_distribution_writes() {
        let all = [
            presets::LL.map(|norm| norm.to_vec()),
            presets::OF.map(|norm| norm.to_vec()),
            presets::ML.map(|norm| norm.to_vec()),
            presets::WEIGHTS.map(|norm| norm.to_vec()),
        ];
        for (kind, norms) in all.iter().enumerate() {
            for (i, norm) in norms.iter().enumerate() {
                let mut of = [0; SYMBOLS];
                of.iter_mut().zip(norm).for_each(|(cells, &n)| *cells = n as u16);
                assert_eq!(of.iter().sum::<u16>(), 1 << LOG, "cells of {kind} {i}");
                let counts = Counts { of, used: mask_of(&of), total: 1 << LOG };
                let (mut header, mut want) = ([0; HEADER_MAX], [0; HEADER_MAX]);
                let (len, _) = fse::describe(&counts, &of, LOG, &mut want);
                assert_eq!(describe(kind, i, &mut header), len);
                assert_eq!(header[..len], want[..len]);
            }
        }
    }

    #[test]
    fn the_cheapest_preset_of_as_many_codes_as_there_may_be_costs_what_its_table_says() {
        for symbols in [[5, 6], [8, 9], [20, 21]] {
            let mut of = [0; SYMBOLS];
            symbols.iter().for_each(|&symbol| of[symbol] = 1 << 14);
            let counts = Counts { of, used: mask_of(&of), total: 1 << 15 };
            for kind in [0, 2] {
                let (best, cost) = cheapest(kind, &counts);
                let described = describe(kind, best, &mut [0; HEADER_MAX]) as u32;
                assert_eq!(
                    cost,
                    self::of(kind, best).view().cost_of(&counts) + (described << 11),
                    "{kind} {symbols:?}"
                );
            }
        }
    }
}
