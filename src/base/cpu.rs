//! Which instruction sets there are, and which of them this CPU runs.

/// An instruction set that kernels are written for. Numbers are those of the C ABI (`enum tzram_backend`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum Backend {
    /// Portable code for every target.
    Scalar = 1,
    /// 128-bit NEON (aarch64).
    Neon = 2,
    /// 256-bit AVX2 with BMI1, BMI2, LZCNT and POPCNT (x86-64-v3).
    Avx2 = 3,
    /// 512-bit AVX-512 F, BW, CD, DQ and VL on top of [`Backend::Avx2`] (x86-64-v4).
    Avx512 = 4,
}

impl Backend {
    /// Every backend, best first: the order in which detection tries them.
    pub const ALL: [Backend; 4] = [Backend::Avx512, Backend::Avx2, Backend::Neon, Backend::Scalar];

    /// The name as the C ABI spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Backend::Scalar => "scalar",
            Backend::Neon => "neon",
            Backend::Avx2 => "avx2",
            Backend::Avx512 => "avx512",
        }
    }

    /// The backend with this number in the C ABI.
    pub const fn from_number(number: i32) -> Option<Backend> {
        match number {
            1 => Some(Backend::Scalar),
            2 => Some(Backend::Neon),
            3 => Some(Backend::Avx2),
            4 => Some(Backend::Avx512),
            _ => None,
        }
    }

    /// Whether a CPU that runs `self` runs `other` too: every backend includes scalar, AVX-512 includes AVX2.
    pub const fn includes(self, other: Backend) -> bool {
        matches!(
            (self, other),
            (_, Backend::Scalar)
                | (Backend::Neon, Backend::Neon)
                | (Backend::Avx2 | Backend::Avx512, Backend::Avx2)
                | (Backend::Avx512, Backend::Avx512)
        )
    }

    /// Whether this CPU (and operating system) runs the backend. The standard library reads CPUID once per process.
    pub fn is_supported(self) -> bool {
        match self {
            Backend::Scalar => true,
            Backend::Neon => has_neon(),
            Backend::Avx2 => has_avx2(),
            Backend::Avx512 => has_avx512(),
        }
    }
}

/// Whether a caller who names no backend gets this one where it is supported.
///
/// AVX-512 only with VBMI, VBMI2 and VPOPCNTDQ: Intel's CPUs before Ice Lake, which lack them, lower their clock while they
/// run 512-bit code, for everything on the core (Intel's optimization manual, 2.6.3). The backend that is forced, or a driver
/// that is named, runs on them all the same.
pub fn is_preferred(backend: Backend) -> bool {
    backend != Backend::Avx512 || has_vbmi2()
}

/// Whether this CPU has, beside [`Backend::Avx512`], VBMI, VBMI2 and VPOPCNTDQ: Intel's since Ice Lake, AMD's since Zen 4.
#[cfg(target_arch = "x86_64")]
pub fn has_vbmi2() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has_avx512() && has!("avx512vbmi") && has!("avx512vbmi2") && has!("avx512vpopcntdq")
}

#[cfg(target_arch = "aarch64")]
fn has_neon() -> bool {
    std::arch::is_aarch64_feature_detected!("neon")
}
#[cfg(not(target_arch = "aarch64"))]
fn has_neon() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt")
}
#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has_avx2() && has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl")
}
#[cfg(not(target_arch = "x86_64"))]
fn has_vbmi2() -> bool {
    false
}
#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}
#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_backends_agree() {
        for backend in Backend::ALL {
            assert_eq!(Backend::from_number(backend as i32), Some(backend));
            assert!(backend.includes(backend) && backend.includes(Backend::Scalar));
        }
        assert_eq!(Backend::from_number(0), None);
        assert_eq!(Backend::from_number(5), None);
        assert!(!Backend::Avx2.includes(Backend::Avx512) && !Backend::Avx512.includes(Backend::Neon));
    }
}
