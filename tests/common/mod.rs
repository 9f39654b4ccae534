//! What the integration tests and the benches share: real pages, the reference libraries, guarded memory.
#![allow(dead_code)] // each test program uses a part of it

pub mod corpus;
pub mod guarded;
pub mod reference;
pub mod stack;

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
