//! The adaptive choice: an entropy estimate from a sample of the page.

use crate::base::log2::LOG2;
use crate::dispatch::Table;

/// What to try on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// Nothing: store it raw.
    Raw,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Pieces of the sample, evenly spread over the page.
const PIECES: usize = 8;
/// Bytes of a piece: two cache lines.
const PIECE: usize = 128;
/// Bytes of the sample: a quarter of the smallest page.
const SAMPLE: usize = PIECES * PIECE;

/// Fractional bits of entropies and logarithms here: entropies are in 1/256 bit per byte.
const ONE_BIT: u32 = 256;

/// Returns the order-0 entropy of a sample of the page in 1/256 bit per byte, 0 to 2048.
///
/// Reads 1024 bytes in eight pieces. A sample sees fewer values than the source has; the estimate adds what is missing
/// on average: (distinct values - 1) / (2 n ln 2) bits (Miller 1955, Madow).
pub fn entropy(table: Table, page: &[u8]) -> u32 {
    // Gathered first: one histogram of 1024 bytes is several times faster than eight of 128.
    let mut sample = [0u8; SAMPLE];
    for (to, from) in sample.chunks_exact_mut(PIECE).zip(page.chunks_exact(page.len() / PIECES)) {
        to.copy_from_slice(&from[..PIECE]);
    }
    let mut counts = [0u32; 256];
    table.histogram(&sample, &mut counts);
    let sum: u32 = counts.iter().map(|&count| count * u32::from(LOG2[count as usize])).sum();
    let distinct = counts.iter().filter(|&&count| count != 0).count() as u32;
    let plain = u32::from(LOG2[SAMPLE]) - sum / SAMPLE as u32;
    // 256 / (2 * 1024 * ln 2) = 0.1803 per value, as 185 / 1024.
    (plain + distinct.saturating_sub(1) * 185 / 1024).min(8 * ONE_BIT)
}

/// From this entropy on a page is stored as it is: 7.75 bits. Of the 23,000 pages of the larger corpus (twelve programs)
/// none reaches it; of those between 7.5 and 7.75 Zstandard shrinks two in five, by a sixteenth or so. Encrypted and
/// compressed data lies within 0.05 of 8.
const RAW_FROM: u32 = 8 * ONE_BIT - ONE_BIT / 4;

/// Per level 1..=9: from this entropy on (1/256 bit per byte) Zstandard, below it LZ4. What Zstandard saves over LZ4 grows
/// with the entropy: 60 bytes a page at 1 bit, 400 at 2, 540 at 3, 620 at 4, 700 above 5. The bounds are 5.25, 4.75, 4,
/// 3.25, 2.5, 1.75 and 0.75 bits, which give Zstandard a tenth, a quarter, 42, 61, 79, 88 and 96 in a hundred pages of
/// the larger corpus; the outer levels are one codec each.
const ZSTD_FROM: [u32; 9] = [u32::MAX, 1344, 1216, 1024, 832, 640, 448, 192, 0];

/// Returns what the adaptive algorithm tries on a page at this level (1..=9).
pub fn select(table: Table, level: i32, page: &[u8]) -> Selected {
    let entropy = entropy(table, page);
    let slot = usize::try_from(level - 1).unwrap_or(0).min(ZSTD_FROM.len() - 1);
    if entropy >= RAW_FROM {
        Selected::Raw
    } else if entropy >= ZSTD_FROM[slot] {
        Selected::Zstd
    } else {
        Selected::Lz4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(f: impl Fn(u32) -> u8) -> Vec<u8> {
        (0..4096).map(f).collect()
    }

    /// A well-mixed byte for each index.
    fn noise(i: u32) -> u8 {
        let x = (i + 1).wrapping_mul(0x9E37_79B1);
        ((x ^ (x >> 15)).wrapping_mul(0x85EB_CA77) >> 24) as u8
    }

    #[test]
    fn entropy_of_known_sources() {
        let table = Table::best();
        assert_eq!(entropy(table, &page(|_| 7)), 0);
        let two = entropy(table, &page(|i| (i % 2) as u8));
        assert!((ONE_BIT..ONE_BIT + 2).contains(&two), "{two}");
        let sixteen = entropy(table, &page(|i| noise(i) & 15));
        assert!(sixteen.abs_diff(4 * ONE_BIT) < 8, "{sixteen}");
        let all = entropy(table, &page(noise));
        assert!(all.abs_diff(8 * ONE_BIT) < 26, "{all}");
    }

    #[test]
    fn the_extremes_of_the_levels_are_one_codec_each() {
        let table = Table::best();
        for bits in [1u32, 2, 3, 5] {
            let page = page(|i| noise(i) & ((1 << bits) - 1) as u8);
            assert_eq!(select(table, 1, &page), Selected::Lz4);
            assert_eq!(select(table, 9, &page), Selected::Zstd);
        }
        assert_eq!(select(table, 9, &page(noise)), Selected::Raw);
    }
}
