//! The adaptive choice: what each level tries on a page, and an entropy estimate from a sample of it.

use crate::base::log2::LOG2;
use crate::dispatch::Table;

/// What to try on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// Nothing: store it raw.
    Raw,
    /// tzp at this level if its object has at most this many bytes, else LZ4 if that has, else the shorter one.
    Fast { tzp_level: i32, limit: usize },
    /// Zstandard.
    Zstd,
}

/// What one level of `adaptive` does.
struct Policy {
    /// From this entropy on (1/256 bit per byte) Zstandard; `None`: never, and no sample is taken.
    zstd_from: Option<u32>,
    tzp_level: i32,
    /// Sixteenths of the unit that a tzp object may take.
    sixteenths: usize,
}

/// Levels 1..=9. Up to 5 there is no Zstandard: a page that tzp holds in a share of the unit is tzp's; of the others LZ4's, if
/// that holds it in as much, else the shorter one's. A smaller share gives more pages to the better of the two and makes
/// more pages pay for both (docs/PERFORMANCE.md has the figures). From 6 on entropy decides first, about Zstandard, which
/// saves the more over LZ4 the higher it is: 60 bytes a page at 1 bit, 400 at 2, 540 at 3, 620 at 4, 700 above 5. Level 9
/// is Zstandard alone.
static POLICIES: [Policy; 9] = [
    Policy { zstd_from: None, tzp_level: 1, sixteenths: 14 },
    Policy { zstd_from: None, tzp_level: 1, sixteenths: 12 },
    Policy { zstd_from: None, tzp_level: 2, sixteenths: 12 },
    Policy { zstd_from: None, tzp_level: 3, sixteenths: 10 },
    Policy { zstd_from: None, tzp_level: 3, sixteenths: 8 },
    Policy { zstd_from: Some(4 * ONE_BIT), tzp_level: 4, sixteenths: 8 },
    Policy { zstd_from: Some(5 * ONE_BIT / 2), tzp_level: 4, sixteenths: 8 },
    Policy { zstd_from: Some(ONE_BIT), tzp_level: 4, sixteenths: 8 },
    Policy { zstd_from: Some(0), tzp_level: 4, sixteenths: 8 },
];

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

/// Returns what the adaptive algorithm tries on a page at this level (1..=9).
pub fn select(table: Table, level: i32, page: &[u8]) -> Selected {
    let slot = usize::try_from(level - 1).unwrap_or(0).min(POLICIES.len() - 1);
    let policy = &POLICIES[slot];
    let fast = Selected::Fast { tzp_level: policy.tzp_level, limit: page.len() / 16 * policy.sixteenths };
    match policy.zstd_from.map(|from| (from, entropy(table, page))) {
        Some((_, entropy)) if entropy >= RAW_FROM => Selected::Raw,
        Some((from, entropy)) if entropy >= from => Selected::Zstd,
        _ => fast,
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
    fn entropy_decides_about_zstandard_from_level_six_on_and_level_nine_knows_nothing_else() {
        let table = Table::best();
        for bits in [1u32, 2, 3, 5] {
            let page = page(|i| noise(i) & ((1 << bits) - 1) as u8);
            for level in 1..=5 {
                assert!(matches!(select(table, level, &page), Selected::Fast { .. }));
            }
            assert_eq!(select(table, 6, &page) == Selected::Zstd, bits > 4);
            assert_eq!(select(table, 7, &page) == Selected::Zstd, bits > 2);
            assert_eq!(select(table, 9, &page), Selected::Zstd);
        }
        assert_eq!(select(table, 6, &page(noise)), Selected::Raw);
        assert_eq!(select(table, 5, &page(noise)), Selected::Fast { tzp_level: 3, limit: 2048 });
    }
}
