//! What the driver lends, each given back when it is dropped. Errors are swallowed there: an earlier failure has been reported by
//! another call, and memory of a dead device is gone in any case.
//!
//! Everything but [`Context`] itself is made, used and dropped while its context is current in the calling thread.

use core::ffi::{CStr, c_int, c_uint, c_void};
use core::ops::Range;
use core::ptr::{NonNull, null_mut};

use cudarc::driver::sys::CUdevice_attribute;

use super::driver::{Api, CUcontext, CUdevice, CUdeviceptr, CUevent, CUfunction, CUmodule, CUstream, NOT_READY};
use super::image::WARPS;
use crate::base::device::Fault;

/// The primary context of a device, kept alive.
pub(super) struct Context {
    api: &'static Api,
    device: CUdevice,
    handle: CUcontext,
}

impl Context {
    /// Retains the context of device number `ordinal`, which is not negative.
    pub(super) fn retain(api: &'static Api, ordinal: c_int) -> Result<Context, Fault> {
        let (mut device, mut handle) = (0, null_mut());
        // SAFETY: out-parameters that live through the calls; the driver is initialised by `Gpu::new`.
        unsafe {
            api.cuDeviceGet(&mut device, ordinal)?;
            api.cuDevicePrimaryCtxRetain(&mut handle, device)?;
        }
        Ok(Context { api, device, handle })
    }

    /// Returns the device's compute capability: major and minor number.
    pub(super) fn capability(&self) -> Result<(c_int, c_int), Fault> {
        let attribute = |which| {
            let mut value = 0;
            // SAFETY: an out-parameter that lives through the call, and a device that the driver gave.
            unsafe { self.api.cuDeviceGetAttribute(&mut value, which, self.device)? };
            Ok(value)
        };
        Ok((
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ))
    }

    /// Makes the context current in this thread until the result is dropped, when the one before is current again.
    pub(super) fn enter(&self) -> Result<Entered, Fault> {
        // SAFETY: the handle is retained.
        unsafe { self.api.cuCtxPushCurrent_v2(self.handle)? };
        Ok(Entered(self.api))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained once in `retain`.
        let _ = unsafe { self.api.cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}

/// A context is current in this thread.
pub(super) struct Entered(&'static Api);

impl Drop for Entered {
    fn drop(&mut self) {
        let mut left = null_mut();
        // SAFETY: an out-parameter; what is popped was pushed by `enter`.
        let _ = unsafe { self.0.cuCtxPopCurrent_v2(&mut left) };
    }
}

/// Kernels that were loaded.
pub(super) struct Module {
    api: &'static Api,
    handle: CUmodule,
}

impl Module {
    /// Loads an image: a whole ELF file, or PTX that ends with a NUL.
    pub(super) fn load(api: &'static Api, image: &'static [u8]) -> Result<Module, Fault> {
        let mut handle = null_mut();
        // SAFETY: an out-parameter; by the caller's word the image says itself where it ends.
        unsafe { api.cuModuleLoadData(&mut handle, image.as_ptr().cast())? };
        Ok(Module { api, handle })
    }

    /// Returns the kernel of this name, which lives as long as the module.
    pub(super) fn function(&self, name: &CStr) -> Result<CUfunction, Fault> {
        let mut function = null_mut();
        // SAFETY: an out-parameter, a live module, a C string.
        unsafe { self.api.cuModuleGetFunction(&mut function, self.handle, name.as_ptr())? };
        Ok(function)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: loaded once; no kernel of it runs, since the streams are synchronised before.
        let _ = unsafe { self.api.cuModuleUnload(self.handle) };
    }
}

/// Memory on the device, which only the driver's calls and kernels touch.
pub(super) struct OnDevice {
    api: &'static Api,
    pub(super) address: CUdeviceptr,
    bytes: usize,
}

impl OnDevice {
    /// Allocates `bytes`, more than 0; aligned to 256.
    pub(super) fn new(api: &'static Api, bytes: usize) -> Result<OnDevice, Fault> {
        let mut address = 0;
        // SAFETY: an out-parameter.
        unsafe { api.cuMemAlloc_v2(&mut address, bytes)? };
        Ok(OnDevice { api, address, bytes })
    }
}

impl Drop for OnDevice {
    fn drop(&mut self) {
        // SAFETY: allocated once; nothing uses it, since the streams are synchronised before.
        let _ = unsafe { self.api.cuMemFree_v2(self.address) };
    }
}

/// Numbers that any bits are a value of.
pub(super) trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for i32 {}

/// Memory of the host that the device copies from and to by itself: page-locked, cached.
///
/// The device may be copying while its owner holds this: whoever takes a slice of it knows that it is not.
pub(super) struct Pinned<T: Plain> {
    api: &'static Api,
    memory: NonNull<T>,
    len: usize,
}

impl<T: Plain> Pinned<T> {
    /// Allocates `len` numbers, more than none; all 0.
    pub(super) fn new(api: &'static Api, len: usize) -> Result<Pinned<T>, Fault> {
        const CALL: &str = "cuMemHostAlloc";
        // Not write-combined, since the CPU reads results here.
        const FLAGS: c_uint = 0;
        let (mut memory, bytes) = (null_mut(), len * size_of::<T>());
        // SAFETY: an out-parameter.
        unsafe { api.cuMemHostAlloc(&mut memory, bytes, FLAGS)? };
        let memory =
            NonNull::new(memory.cast::<T>()).ok_or(Fault { call: CALL, code: super::driver::OUT_OF_MEMORY })?;
        // SAFETY: `bytes` were allocated, page-aligned as the driver does it; nothing else uses them.
        unsafe { memory.cast::<u8>().write_bytes(0, bytes) };
        Ok(Pinned { api, memory, len })
    }

    /// The numbers.
    ///
    /// # Safety
    /// No copy to this memory is under way.
    pub(super) unsafe fn get(&self) -> &[T] {
        // SAFETY: allocated and initialised in `new`; any bits are a number; not written meanwhile by this function's contract.
        unsafe { core::slice::from_raw_parts(self.memory.as_ptr(), self.len) }
    }

    /// The numbers, to be changed.
    ///
    /// # Safety
    /// No copy from or to this memory is under way.
    pub(super) unsafe fn get_mut(&mut self) -> &mut [T] {
        // SAFETY: as `get`.
        unsafe { core::slice::from_raw_parts_mut(self.memory.as_ptr(), self.len) }
    }
}

impl<T: Plain> Drop for Pinned<T> {
    fn drop(&mut self) {
        // SAFETY: allocated once; no copy is under way, since the streams are synchronised before.
        let _ = unsafe { self.api.cuMemFreeHost(self.memory.as_ptr().cast()) };
    }
}

/// A queue of the device: what is put into it is done in order.
pub(super) struct Stream {
    api: &'static Api,
    handle: CUstream,
}

impl Stream {
    pub(super) fn new(api: &'static Api) -> Result<Stream, Fault> {
        /// `CU_STREAM_NON_BLOCKING`: does not wait for what others in this process put into the default stream.
        const NON_BLOCKING: c_uint = 1;
        let mut handle = null_mut();
        // SAFETY: an out-parameter.
        unsafe { api.cuStreamCreate(&mut handle, NON_BLOCKING)? };
        Ok(Stream { api, handle })
    }

    /// Waits until the stream is empty.
    pub(super) fn synchronize(&self) -> Result<(), Fault> {
        // SAFETY: a live stream.
        unsafe { self.api.cuStreamSynchronize(self.handle) }
    }

    /// Puts in: zeros for `bytes` at the beginning of `to`.
    ///
    /// # Safety
    /// `to` lives until the stream has done it.
    pub(super) unsafe fn clear(&self, to: &OnDevice, bytes: usize) -> Result<(), Fault> {
        assert!(bytes <= to.bytes);
        // SAFETY: inside the memory by the check above; the rest by this function's contract.
        unsafe { self.api.cuMemsetD8Async(to.address, 0, bytes, self.handle) }
    }

    /// Puts in: a copy of the numbers `range` to the same place on the device.
    ///
    /// # Safety
    /// Both live and `from` is not written until the stream has done it.
    pub(super) unsafe fn upload<T: Plain>(
        &self,
        from: &Pinned<T>,
        range: Range<usize>,
        to: &OnDevice,
    ) -> Result<(), Fault> {
        let (start, bytes) = place::<T>(&range, from.len, to.bytes);
        // SAFETY: inside both by `place`; the rest by this function's contract.
        unsafe {
            let from = from.memory.as_ptr().add(range.start).cast_const().cast();
            self.api.cuMemcpyHtoDAsync_v2(to.address + start as CUdeviceptr, from, bytes, self.handle)
        }
    }

    /// Puts in: a copy of the numbers `range` from the same place on the device.
    ///
    /// # Safety
    /// Both live and `to` is neither read nor written until the stream has done it.
    pub(super) unsafe fn download<T: Plain>(
        &self,
        from: &OnDevice,
        range: Range<usize>,
        to: &Pinned<T>,
    ) -> Result<(), Fault> {
        let (start, bytes) = place::<T>(&range, to.len, from.bytes);
        // SAFETY: as `upload`.
        unsafe {
            let to = to.memory.as_ptr().add(range.start).cast();
            self.api.cuMemcpyDtoHAsync_v2(to, from.address + start as CUdeviceptr, bytes, self.handle)
        }
    }

    /// Puts in: a kernel, in blocks of [`WARPS`] warps, a warp for each of `pages` pages (1 or more).
    ///
    /// # Safety
    /// The arguments are what the kernel takes, and the memory that they point to lives until the stream has done it.
    pub(super) unsafe fn launch(
        &self,
        kernel: CUfunction,
        pages: usize,
        arguments: &mut [*mut c_void],
    ) -> Result<(), Fault> {
        let (blocks, threads) = (pages.div_ceil(WARPS) as c_uint, (32 * WARPS) as c_uint);
        let arguments = arguments.as_mut_ptr();
        // SAFETY: the driver copies the arguments before it returns; the rest by this function's contract.
        unsafe { self.api.cuLaunchKernel(kernel, blocks, 1, 1, threads, 1, 1, 0, self.handle, arguments, null_mut()) }
    }

    /// Puts in: `event`.
    pub(super) fn record(&self, event: &Event) -> Result<(), Fault> {
        // SAFETY: both are live and of one context.
        unsafe { self.api.cuEventRecord(event.handle, self.handle) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: created once.
        let _ = unsafe { self.api.cuStreamDestroy_v2(self.handle) };
    }
}

/// Returns where the numbers `range` begin and how many bytes they are.
///
/// # Panics
/// If they are not within `len` numbers of the host and `bytes` of the device.
fn place<T>(range: &Range<usize>, len: usize, bytes: usize) -> (usize, usize) {
    assert!(range.start <= range.end && range.end <= len && range.end * size_of::<T>() <= bytes);
    (range.start * size_of::<T>(), range.len() * size_of::<T>())
}

/// A place in a stream that can be waited for.
pub(super) struct Event {
    api: &'static Api,
    handle: CUevent,
}

impl Event {
    pub(super) fn new(api: &'static Api) -> Result<Event, Fault> {
        /// `CU_EVENT_BLOCKING_SYNC`: who waits sleeps, since the workers of the CPU need the core.
        const BLOCKING_SYNC: c_uint = 1;
        /// `CU_EVENT_DISABLE_TIMING`.
        const DISABLE_TIMING: c_uint = 2;
        let mut handle = null_mut();
        // SAFETY: an out-parameter.
        unsafe { api.cuEventCreate(&mut handle, BLOCKING_SYNC | DISABLE_TIMING)? };
        Ok(Event { api, handle })
    }

    /// Returns whether the stream has come to the event.
    pub(super) fn is_reached(&self) -> Result<bool, Fault> {
        // SAFETY: a live event.
        match unsafe { self.api.cuEventQuery(self.handle) } {
            Ok(()) => Ok(true),
            Err(Fault { code: NOT_READY, .. }) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Waits until the stream has come to the event.
    pub(super) fn wait(&self) -> Result<(), Fault> {
        // SAFETY: a live event.
        unsafe { self.api.cuEventSynchronize(self.handle) }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: created once.
        let _ = unsafe { self.api.cuEventDestroy_v2(self.handle) };
    }
}
