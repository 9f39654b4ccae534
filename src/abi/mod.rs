//! L6: the C ABI, the only `extern "C"` and the only place that sees callers' pointers. `include/tzram.h` is generated
//! from this module: doc comments here are written for C readers.

mod batch;
mod comp;
mod ctx;
mod dict;
mod errno;
mod guard;
mod info;
mod page;
mod queue;
mod thread;
mod types;
mod zcomp;

pub use batch::*;
pub use comp::*;
pub use ctx::*;
pub use dict::*;
#[cfg(feature = "testing")]
pub use guard::testing::{feed_devices_as_with, panic_in_next_call, panic_in_next_request};
pub use info::*;
pub use page::*;
pub use queue::*;
pub use types::*;
pub use zcomp::*;
