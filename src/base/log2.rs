//! Binary logarithms in fixed point, for estimates of entropy and of the cost of codes.

/// Largest number that [`LOG2`] knows.
pub const LOG2_MAX: usize = 1024;

/// `LOG2[n]` is 256 times the binary logarithm of n, rounded down; 0 for 0.
pub static LOG2: [u16; LOG2_MAX + 1] = table();

/// Computes [`LOG2`].
pub const fn table() -> [u16; LOG2_MAX + 1] {
    let mut table = [0; LOG2_MAX + 1];
    let mut n = 1;
    while n <= LOG2_MAX {
        // Squaring the mantissa eight times yields eight fractional bits of the logarithm.
        let whole = n.ilog2();
        let mut mantissa = (n as u64) << (30 - whole);
        let mut value = whole as u16;
        let mut i = 0;
        while i < 8 {
            mantissa = (mantissa * mantissa) >> 30;
            value <<= 1;
            if mantissa >= 1 << 31 {
                mantissa >>= 1;
                value |= 1;
            }
            i += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_standard_library_rounded_down() {
        for (n, &ours) in LOG2.iter().enumerate().skip(1) {
            let (exact, ours) = ((n as f64).log2() * 256.0, f64::from(ours));
            assert!(ours <= exact + 1e-6 && exact < ours + 1.0 + 1e-6, "{n}: {ours} for {exact}");
        }
    }
}
