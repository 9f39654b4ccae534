//! What the integration tests and the benches share: real pages, the reference libraries, guarded memory, the CUDA kernels on
//! the CPU.
#![allow(dead_code)] // each test program uses a part of it

pub mod corpus;
pub mod guarded;
pub mod hostile;
pub mod objects;
pub mod queue;
pub mod reference;
pub mod simt;
pub mod stack;
pub mod stand_in;

use core::ffi::CStr;
use core::ops::RangeInclusive;

use tzram::{PageAlgorithm, PageCompressor};

/// The last LZ4 level at which the backends with vectors have another encoder than scalar code.
pub const LAST_IN_LANES: i32 = 4;
/// Likewise for Zstandard.
pub const LAST_ZSTD_IN_LANES: i32 = 4;

/// Pseudo-random numbers (xorshift64*, Vigna 2016): the same in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 32) as usize * bound) >> 32
    }
}

/// What the CPU makes of pages.
pub fn cpu(algorithm: PageAlgorithm, level: i32) -> PageCompressor<'static> {
    PageCompressor::builder().algorithm(algorithm).level(level).build().expect("a level that there is")
}

/// Returns the levels of an algorithm in the library's list.
pub fn levels_of(name: &CStr) -> RangeInclusive<i32> {
    let mut alg = tzram::abi::tzram_alg {
        struct_size: size_of::<tzram::abi::tzram_alg>() as u32,
        name: core::ptr::null(),
        driver_name: core::ptr::null(),
        priority: 0,
        backend: 0,
        min_level: 0,
        max_level: 0,
        default_level: 0,
    };
    let mut index = 0;
    loop {
        // SAFETY: a struct of the size that it says.
        assert_eq!(unsafe { tzram::abi::tzram_alg_get(index, &mut alg) }, 0, "{name:?} is not in the list");
        // SAFETY: names in the list are C strings that live as long as the library.
        if unsafe { CStr::from_ptr(alg.name) } == name {
            return alg.min_level..=alg.max_level;
        }
        index += 1;
    }
}
