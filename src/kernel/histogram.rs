//! Byte counts.

/// Tables that take turns.
const TABLES: usize = 4;

/// Adds the number of times each byte value occurs in `src` to `counts`.
///
/// Several tables are filled in turn and then added up: equal neighbours would otherwise make every increment wait for the
/// store of the one before (the trick is FSE's `HIST_count_parallel`, of the zstd project).
#[inline(always)]
pub fn histogram(src: &[u8], counts: &mut [u32; 256]) {
    // Elements of 16 bits are half as much to clear and to add up.
    for src in src.chunks(TABLES * 65535) {
        let mut tables = [[0u16; 256]; TABLES];
        let (groups, rest) = src.as_chunks::<TABLES>();
        for group in groups {
            for (table, &byte) in tables.iter_mut().zip(group) {
                table[usize::from(byte)] += 1;
            }
        }
        for (table, &byte) in tables.iter_mut().zip(rest) {
            table[usize::from(byte)] += 1;
        }
        for (i, count) in counts.iter_mut().enumerate() {
            *count += tables.iter().map(|table| u32::from(table[i])).sum::<u32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_a_plain_loop_at_every_length() {
        let bytes: Vec<u8> = (0..1031u32).map(|i| (i * i % 251) as u8).collect();
        for len in (0..40).chain([255, 256, 1000, 1031]) {
            let mut want = [1u32; 256];
            bytes[..len].iter().for_each(|&b| want[usize::from(b)] += 1);
            let mut got = [1u32; 256];
            histogram(&bytes[..len], &mut got);
            assert_eq!(got, want, "{len} bytes");
        }
    }
}
