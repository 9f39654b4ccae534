//! Version, errors, backends, drivers.

use core::ffi::{CStr, c_char, c_int};
use core::ptr;

use super::errno;
use super::guard::{call, value, write_struct};
use super::types::tzram_alg;
use crate::alg::{DRIVERS, Driver};
use crate::base::{Backend, Error};

/// The version of the loaded library as major << 16 | minor << 8 | patch; TZRAM_VERSION_NUMBER is that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn tzram_version_number() -> u32 {
    const fn part(text: &str) -> u32 {
        match u32::from_str_radix(text, 10) {
            Ok(number) => number,
            Err(_) => panic!("a version part is not a number"),
        }
    }
    const {
        part(env!("CARGO_PKG_VERSION_MAJOR")) << 16
            | part(env!("CARGO_PKG_VERSION_MINOR")) << 8
            | part(env!("CARGO_PKG_VERSION_PATCH"))
    }
}

/// The version of the loaded library as text, "0.1.0". Never NULL; lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn tzram_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// A sentence for an error as returned (negative), for 0, and for any other number. Never NULL; lives as long as the
/// library.
#[unsafe(no_mangle)]
pub extern "C" fn tzram_strerror(err: c_int) -> *const c_char {
    errno::text(err).as_ptr()
}

/// The best backend of this CPU, which TZRAM_BACKEND_AUTO stands for: AVX-512 > AVX2 > NEON > scalar, but AVX-512 only where
/// it does not slow the CPU down (it has VBMI2: Ice Lake, Zen 4 and later); never TZRAM_BACKEND_AUTO.
#[unsafe(no_mangle)]
pub extern "C" fn tzram_backend_detect() -> c_int {
    value(Backend::Scalar as c_int, || crate::dispatch::Table::best().backend() as c_int)
}

/// 1 if this CPU and this build have the backend, else 0. TZRAM_BACKEND_AUTO is none.
#[unsafe(no_mangle)]
pub extern "C" fn tzram_backend_supported(backend: c_int) -> c_int {
    value(0, || Backend::from_number(backend).is_some_and(Backend::is_supported).into())
}

/// The name of a backend, "scalar", "neon", "avx2" or "avx512"; NULL if the number is none of them.
#[unsafe(no_mangle)]
pub extern "C" fn tzram_backend_name(backend: c_int) -> *const c_char {
    let name = match Backend::from_number(backend) {
        Some(Backend::Scalar) => c"scalar",
        Some(Backend::Neon) => c"neon",
        Some(Backend::Avx2) => c"avx2",
        Some(Backend::Avx512) => c"avx512",
        None => return ptr::null(),
    };
    name.as_ptr()
}

fn available() -> impl Iterator<Item = &'static Driver> {
    DRIVERS.iter().filter(|driver| driver.is_available())
}

/// Number of drivers that this build has and this CPU runs.
#[unsafe(no_mangle)]
pub extern "C" fn tzram_alg_count() -> usize {
    value(0, || available().count())
}

/// Describes driver number `index` of tzram_alg_count() in *out, whose struct_size the caller has set.
///
/// Drivers of one algorithm stand together, the highest priority first.
/// -EINVAL: index past the end, out NULL, or out->struct_size unknown.
///
/// # Safety
/// `out` is NULL or points to a struct of the size that its first field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_alg_get(index: usize, out: *mut tzram_alg) -> c_int {
    call(|| {
        let driver = available().nth(index).ok_or(Error::Invalid)?;
        let alg = tzram_alg {
            struct_size: 0,
            name: driver.alg.as_ptr(),
            driver_name: driver.name.as_ptr(),
            priority: driver.priority,
            backend: driver.backend as c_int,
            min_level: driver.min_level,
            max_level: driver.max_level,
            default_level: driver.default_level,
        };
        // SAFETY: by this function's contract.
        unsafe { write_struct(out, &alg) }
    })
}

/// 1 if an algorithm or driver of this name is available, else 0 (NULL too), as the kernel's crypto_has_comp().
///
/// # Safety
/// `name` is NULL or points to a string that ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_has_comp(name: *const c_char) -> c_int {
    if name.is_null() {
        return 0;
    }
    // SAFETY: a C string by this function's contract.
    let name = unsafe { CStr::from_ptr(name) };
    value(0, || available().any(|driver| driver.answers_to(name.to_bytes())).into())
}
