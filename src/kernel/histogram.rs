//! Byte counts.

/// Adds the number of times each byte value occurs in `src` to `counts`.
///
/// Four tables are filled in turn and then added up: equal neighbours would otherwise make every increment wait for the
/// store of the one before (the trick is FSE's `HIST_count_parallel`, of the zstd project).
pub fn histogram(src: &[u8], counts: &mut [u32; 256]) {
    let mut part = [[0u32; 256]; 3];
    let mut quads = src.chunks_exact(4);
    for quad in &mut quads {
        counts[usize::from(quad[0])] += 1;
        for (table, &byte) in part.iter_mut().zip(&quad[1..]) {
            table[usize::from(byte)] += 1;
        }
    }
    for &byte in quads.remainder() {
        counts[usize::from(byte)] += 1;
    }
    for table in part {
        for (sum, count) in counts.iter_mut().zip(table) {
            *sum += count;
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
