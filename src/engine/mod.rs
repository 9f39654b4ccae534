//! L5: policy. Pages to objects and back, the choice of driver, counters. No unsafe code.

pub mod batch;
pub mod comp;
pub mod dict;
pub mod page;
pub mod params;
pub mod queue;
mod select;
pub mod stats;
