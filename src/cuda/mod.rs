//! L4: batches of pages on a CUDA device, behind [`Device`]. The driver is found at run time; without one, [`open`] says so.
//!
//! ```text
//! device    the batches: what is copied, launched and waited for, and what of the results is believed
//! owned     handles of the driver that give themselves back
//! driver    the driver's calls, looked up by name
//! image     the compiled kernels
//! ```

mod device;
mod driver;
mod image;
mod owned;
#[cfg(test)]
mod presets_tests;

use crate::base::Error;
use crate::base::device::{Device, Fault};

#[cfg(feature = "testing")]
pub use driver::SYMBOLS;

/// Most pages of a batch: 256 MiB in each of the four large buffers of a slot, and every offset fits 32 bits.
pub const MAX_BATCH: usize = 65536;

/// What a device makes of pages. Objects of every kind but Zstandard's, and those with a dictionary, it restores whatever this says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The blocks that the CPU writes at this level, byte for byte.
    Tzp {
        /// 1 to 4.
        level: u32,
    },
    /// LZ4 blocks.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

/// Opens device number `device` of the driver for batches of up to `batch_pages` pages. Allocates all that batches need.
///
/// The context is the device's primary one, which this process may use for other things; what is current in the calling
/// thread stays so.
///
/// # Errors
/// `NoDevice`: no driver, one older than CUDA 12.0 or without a function that is needed, no such device, or one that the kernels
/// do not run on or that fails. `NoMemory`: the buffers do not fit. `Invalid`: no pages, or more than 65,536.
/// `Unsupported`: a level that the kernels do not have.
pub fn open(device: i32, work: Work, batch_pages: usize) -> Result<Box<dyn Device>, Error> {
    if !(1..=MAX_BATCH).contains(&batch_pages) {
        return Err(Error::Invalid);
    }
    if matches!(work, Work::Tzp { level } if !(1..=4).contains(&level)) {
        return Err(Error::Unsupported);
    }
    let api = driver::api().ok_or(Error::NoDevice)?;
    match device::Gpu::new(api, device, work, batch_pages) {
        Ok(gpu) => Ok(Box::new(gpu)),
        Err(Fault { code: driver::OUT_OF_MEMORY, .. }) => Err(Error::NoMemory),
        Err(_) => Err(Error::NoDevice),
    }
}
