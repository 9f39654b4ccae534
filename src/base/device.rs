//! What a device that works on batches of pages offers, so that whoever implements one need not see the engine.

use super::Error;

/// What is done with the pages of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Pages to objects.
    Compress,
    /// Objects to pages.
    Decompress,
}

/// A call to the device failed; what was in flight is lost, and the device is not to be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The call, by the name that the driver gives it.
    pub call: &'static str,
    /// The driver's number for what happened.
    pub code: i32,
}

/// A device. A batch is put together in a slot, started, waited for, and read; several slots are under way at a time.
///
/// A slot is used in this order: [`Device::put`] for indices 0 to n - 1, [`Device::start`] with n, [`Device::is_done`] or
/// [`Device::wait`] until it is done, [`Device::get`] in any order, and again. Pages are 4096 bytes.
pub trait Device: Send {
    /// Most pages of a batch.
    fn batch_pages(&self) -> usize;

    /// Number of slots, 2 or more.
    fn slots(&self) -> usize;

    /// Copies the input number `index` of the batch in `slot`: a page, or an object of at most a page.
    fn put(&mut self, slot: usize, index: usize, input: &[u8]);

    /// Starts the work on the first `count` inputs of `slot`.
    ///
    /// # Errors
    /// The device failed.
    fn start(&mut self, slot: usize, op: Op, count: usize) -> Result<(), Fault>;

    /// Moves the work of `slot` on without waiting; returns whether it is done.
    ///
    /// # Errors
    /// The device failed.
    fn is_done(&mut self, slot: usize) -> Result<bool, Fault>;

    /// Waits until `slot` is done.
    ///
    /// # Errors
    /// The device failed.
    fn wait(&mut self, slot: usize) -> Result<(), Fault>;

    /// The result number `index` of `slot`, which is done: the object, or `None` where the page is to be stored raw;
    /// the page of an object.
    ///
    /// # Errors
    /// `Corrupt`: the object is damaged.
    fn get(&self, slot: usize, index: usize) -> Result<Option<&[u8]>, Error>;
}
