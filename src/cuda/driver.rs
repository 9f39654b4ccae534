//! The calls of the CUDA driver that are used here, looked up by name in the library that `cudarc` finds.
//!
//! `cudarc` itself panics where the driver or a symbol is missing, and returns `CUresult`, a closed enum, for which the number of
//! an error that a newer driver has invented is undefined behaviour. So its functions are not called: they lend their types, the
//! compiler compares them with the list below, and results are plain integers here.
#![allow(non_snake_case)] // names of the driver

use core::ffi::{c_char, c_int, c_uchar, c_uint, c_void};
use std::sync::OnceLock;

use cudarc::driver::sys;
pub(super) use sys::{CUcontext, CUdevice, CUdeviceptr, CUevent, CUfunction, CUmodule, CUstream};

use crate::base::device::Fault;

/// `CUDA_ERROR_OUT_OF_MEMORY`.
pub(super) const OUT_OF_MEMORY: c_int = 2;
/// `CUDA_ERROR_INVALID_DEVICE`.
pub(super) const INVALID_DEVICE: c_int = 101;
/// `CUDA_ERROR_NOT_READY`: no error, the event is still to come.
pub(super) const NOT_READY: c_int = 600;
/// `CUDA_ERROR_UNKNOWN`, here for results that no kernel of ours can have written.
pub(super) const UNKNOWN: c_int = 999;
/// `CUDA_ERROR_SYSTEM_DRIVER_MISMATCH`, here for a driver that is too old.
pub(super) const TOO_OLD: c_int = 803;

macro_rules! calls {
    ($(fn $name:ident($($argument:ident: $type:ty),*);)*) => {
        /// The driver's functions, every one of them present.
        pub(super) struct Api {
            $($name: unsafe extern "C" fn($($type),*) -> c_int,)*
        }

        /// The names that a driver must have.
        #[cfg(feature = "testing")]
        pub const SYMBOLS: &[&str] = &[$(stringify!($name)),*];

        $(const _: unsafe fn($($type),*) -> sys::CUresult = sys::$name;)*

        impl Api {
            /// Looks every function up; `None` if one is missing.
            fn look_up() -> Option<Api> {
                // SAFETY: opens the driver's library, whose initialisers may run in any program; nothing is called.
                let library = unsafe { sys::is_culib_present().then(|| sys::culib()) }?;
                Some(Api {
                    // SAFETY: the driver's function of this name has this type, as the constants above compare with cudarc's
                    // bindings but for the result, an int-sized enum in C. The library is never closed.
                    $($name: unsafe { *library.get(stringify!($name).as_bytes()).ok()? },)*
                })
            }

            $(
                #[doc = concat!("`", stringify!($name), "`.")]
                ///
                /// # Safety
                /// As the driver's manual says of this function.
                ///
                /// # Errors
                /// Its result, if that is not 0.
                #[allow(clippy::too_many_arguments)] // as many as the driver's function has
                pub(super) unsafe fn $name(&self, $($argument: $type),*) -> Result<(), Fault> {
                    // SAFETY: by this function's contract.
                    match unsafe { (self.$name)($($argument),*) } {
                        0 => Ok(()),
                        code => Err(Fault { call: stringify!($name), code }),
                    }
                }
            )*
        }
    };
}

calls! {
    fn cuDriverGetVersion(version: *mut c_int);
    fn cuInit(flags: c_uint);
    fn cuDeviceGet(device: *mut CUdevice, ordinal: c_int);
    fn cuDeviceGetAttribute(value: *mut c_int, attribute: sys::CUdevice_attribute, device: CUdevice);
    fn cuDevicePrimaryCtxRetain(context: *mut CUcontext, device: CUdevice);
    fn cuDevicePrimaryCtxRelease_v2(device: CUdevice);
    fn cuCtxPushCurrent_v2(context: CUcontext);
    fn cuCtxPopCurrent_v2(context: *mut CUcontext);
    fn cuModuleLoadData(module: *mut CUmodule, image: *const c_void);
    fn cuModuleUnload(module: CUmodule);
    fn cuModuleGetFunction(function: *mut CUfunction, module: CUmodule, name: *const c_char);
    fn cuMemAlloc_v2(memory: *mut CUdeviceptr, bytes: usize);
    fn cuMemFree_v2(memory: CUdeviceptr);
    fn cuMemHostAlloc(memory: *mut *mut c_void, bytes: usize, flags: c_uint);
    fn cuMemFreeHost(memory: *mut c_void);
    fn cuStreamCreate(stream: *mut CUstream, flags: c_uint);
    fn cuStreamSynchronize(stream: CUstream);
    fn cuStreamDestroy_v2(stream: CUstream);
    fn cuEventCreate(event: *mut CUevent, flags: c_uint);
    fn cuEventRecord(event: CUevent, stream: CUstream);
    fn cuEventQuery(event: CUevent);
    fn cuEventSynchronize(event: CUevent);
    fn cuEventDestroy_v2(event: CUevent);
    fn cuMemcpyHtoDAsync_v2(to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream);
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream);
    fn cuMemsetD8Async(memory: CUdeviceptr, value: c_uchar, bytes: usize, stream: CUstream);
    fn cuLaunchKernel(
        function: CUfunction, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint, block_y: c_uint, block_z: c_uint,
        shared: c_uint, stream: CUstream, arguments: *mut *mut c_void, extra: *mut *mut c_void
    );
}

/// Returns the driver's functions; `None` where there is no driver or one of them is missing. Found once, since cudarc keeps the
/// library open; looked for again as long as they were not.
pub(super) fn api() -> Option<&'static Api> {
    static API: OnceLock<Api> = OnceLock::new();
    match API.get() {
        Some(api) => Some(api),
        None => Api::look_up().map(|api| API.get_or_init(|| api)),
    }
}
