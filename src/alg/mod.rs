//! L4: one folder per format. A codec validates, owns its tables and its state, and calls the kernels through
//! `dispatch`. This file is the registry: which drivers there are.

use core::ffi::CStr;

use crate::base::Backend;

#[cfg(feature = "libzstd")]
pub mod libzstd;
pub mod lz4;
pub mod tzp;
pub mod zstd;

/// What a driver's streams are, and whose code makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// LZ4 blocks, our own code.
    Lz4,
    /// Zstandard frames, our own code.
    Zstd,
    /// Zstandard frames by the reference library.
    Libzstd,
    /// Blocks of our own page codec.
    Tzp,
    /// A choice per page; it has no stream of its own.
    Adaptive,
}

/// One implementation of an algorithm, as a stanza of `/proc/crypto` describes it.
pub struct Driver {
    /// The algorithm: what callers ask for.
    pub alg: &'static CStr,
    /// The driver: who does it.
    pub name: &'static CStr,
    /// Which driver of an algorithm is taken first: the highest. Unique within an algorithm.
    pub priority: i32,
    /// The kernel table that its code is taken from.
    pub backend: Backend,
    /// What it makes.
    pub codec: Codec,
    /// Whether this build has it.
    pub built: bool,
    /// Smallest level, the fastest.
    pub min_level: i32,
    /// Largest level, the densest.
    pub max_level: i32,
    /// The level of callers who name none.
    pub default_level: i32,
}

impl Driver {
    /// Returns whether this build has the driver and this CPU runs it.
    pub fn is_available(&self) -> bool {
        self.built && self.backend.is_supported()
    }

    /// Returns whether `name` is the driver's own name or that of its algorithm.
    pub fn answers_to(&self, name: &[u8]) -> bool {
        self.name.to_bytes() == name || self.alg.to_bytes() == name
    }
}

/// Every driver that the library knows, by algorithm, the highest priority first.
pub static DRIVERS: &[Driver] = &[
    Driver {
        alg: c"adaptive",
        name: c"adaptive-generic",
        priority: 100,
        backend: Backend::Scalar,
        codec: Codec::Adaptive,
        built: true,
        min_level: 1,
        max_level: 9,
        default_level: 5,
    },
    #[cfg(target_arch = "x86_64")]
    lz4_driver(c"lz4-avx512", 300, Backend::Avx512),
    #[cfg(target_arch = "x86_64")]
    lz4_driver(c"lz4-avx2", 200, Backend::Avx2),
    #[cfg(target_arch = "aarch64")]
    lz4_driver(c"lz4-neon", 200, Backend::Neon),
    lz4_driver(c"lz4-generic", 100, Backend::Scalar),
    #[cfg(target_arch = "x86_64")]
    tzp_driver(c"tzp-avx512", 300, Backend::Avx512),
    #[cfg(target_arch = "x86_64")]
    tzp_driver(c"tzp-avx2", 200, Backend::Avx2),
    #[cfg(target_arch = "aarch64")]
    tzp_driver(c"tzp-neon", 200, Backend::Neon),
    tzp_driver(c"tzp-generic", 100, Backend::Scalar),
    #[cfg(target_arch = "x86_64")]
    zstd_driver(c"zstd-avx512", 300, Backend::Avx512),
    #[cfg(target_arch = "x86_64")]
    zstd_driver(c"zstd-avx2", 200, Backend::Avx2),
    #[cfg(target_arch = "aarch64")]
    zstd_driver(c"zstd-neon", 200, Backend::Neon),
    zstd_driver(c"zstd-generic", 100, Backend::Scalar),
    Driver {
        alg: c"zstd",
        name: c"zstd-libzstd",
        priority: 50,
        backend: Backend::Scalar,
        codec: Codec::Libzstd,
        built: cfg!(feature = "libzstd"),
        min_level: LIBZSTD_MIN_LEVEL,
        max_level: LIBZSTD_MAX_LEVEL,
        default_level: 3,
    },
];

/// A driver of LZ4: likewise.
const fn lz4_driver(name: &'static CStr, priority: i32, backend: Backend) -> Driver {
    Driver {
        alg: c"lz4",
        name,
        priority,
        backend,
        codec: Codec::Lz4,
        built: true,
        min_level: lz4::MIN_LEVEL,
        max_level: lz4::MAX_LEVEL,
        default_level: lz4::DEFAULT_LEVEL,
    }
}

/// A driver of Zstandard: likewise.
const fn zstd_driver(name: &'static CStr, priority: i32, backend: Backend) -> Driver {
    Driver {
        alg: c"zstd",
        name,
        priority,
        backend,
        codec: Codec::Zstd,
        built: true,
        min_level: zstd::MIN_LEVEL,
        max_level: zstd::MAX_LEVEL,
        default_level: zstd::DEFAULT_LEVEL,
    }
}

/// A driver of tzp: its kernels exist once for each backend.
const fn tzp_driver(name: &'static CStr, priority: i32, backend: Backend) -> Driver {
    Driver {
        alg: c"tzp",
        name,
        priority,
        backend,
        codec: Codec::Tzp,
        built: true,
        min_level: tzp::MIN_LEVEL,
        max_level: tzp::MAX_LEVEL,
        default_level: tzp::DEFAULT_LEVEL,
    }
}

/// `ZSTD_minCLevel()` and `ZSTD_maxCLevel()` of libzstd 1.5; a test compares them with the library linked.
const LIBZSTD_MIN_LEVEL: i32 = -131_072;
const LIBZSTD_MAX_LEVEL: i32 = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_in_order_with_sane_levels_and_names_of_their_own() {
        for (i, driver) in DRIVERS.iter().enumerate() {
            assert!(driver.min_level <= driver.default_level && driver.default_level <= driver.max_level);
            assert!(driver.alg.to_str().is_ok() && driver.name.to_str().is_ok());
            for other in &DRIVERS[i + 1..] {
                assert_ne!(driver.name, other.name);
                assert!(driver.alg != other.alg || driver.priority > other.priority);
            }
        }
    }

    #[test]
    fn levels_of_libzstd_are_those_of_the_library() {
        // SAFETY: pure functions without arguments.
        let range = unsafe { (zstd_sys::ZSTD_minCLevel(), zstd_sys::ZSTD_maxCLevel()) };
        assert_eq!((LIBZSTD_MIN_LEVEL, LIBZSTD_MAX_LEVEL), range);
    }
}
