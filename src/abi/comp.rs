//! The comp layer: any buffer to a bare standard stream and back.
#![allow(non_camel_case_types)] // names are those of the C header

use core::ffi::{c_char, c_int, c_uint};
use core::ptr;

use super::ctx::{backend_from, level_from, name_from};
use super::guard::{Poison, call, call_on, destination, silence, source, try_box, value};
use crate::base::Error;
use crate::engine::comp::Comp;

/// A compressor and decompressor of buffers, as the kernel's crypto_comp: one thread at a time.
pub struct tzram_comp {
    comp: Comp<'static>,
    poison: Poison,
}

/// Makes a compressor of standard streams: "lz4" (one block) or "zstd" (one frame), or a driver's name.
///
/// "zstd" is the library's own encoder up to 64 KiB and up to its highest level, and libzstd beyond, where the build has
/// it. level is TZRAM_LEVEL_DEFAULT or one of the algorithm; backend is TZRAM_BACKEND_AUTO or a forced one. *out is NULL
/// on failure.
/// -EINVAL: a NULL pointer, a level or backend number out of range; -ENOENT: no algorithm or driver of that name;
/// -EOPNOTSUPP: it has no standard stream ("adaptive"), or this CPU or build lacks the driver or the backend; -ENOMEM.
///
/// # Safety
/// `name` is NULL or a C string; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_comp_alloc(
    name: *const c_char,
    level: c_int,
    backend: c_int,
    out: *mut *mut tzram_comp,
) -> c_int {
    silence();
    call(|| {
        if out.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: writable by this function's contract.
        unsafe { out.write(ptr::null_mut()) };
        // SAFETY: NULL or a C string by this function's contract.
        let name = unsafe { name_from(name) }.ok_or(Error::Invalid)?;
        let comp = Comp::new(name, level_from(level), backend_from(backend)?, None)?;
        let tfm = try_box(tzram_comp { comp, poison: Poison::default() })?;
        // SAFETY: writable by this function's contract.
        unsafe { out.write(Box::into_raw(tfm)) };
        Ok(())
    })
}

/// Frees a compressor. NULL is fine.
///
/// # Safety
/// `tfm` is NULL or came from tzram_comp_alloc() and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_comp_free(tfm: *mut tzram_comp) {
    if !tfm.is_null() {
        // SAFETY: made by `Box::into_raw` in tzram_comp_alloc(), and given up by the caller.
        value((), || drop(unsafe { Box::from_raw(tfm) }));
    }
}

/// The two directions are one function but for the engine's method.
///
/// # Safety
/// As the exported functions.
unsafe fn transform(
    tfm: *mut tzram_comp,
    src: *const u8,
    slen: c_uint,
    dst: *mut u8,
    dlen: *mut c_uint,
    run: impl FnOnce(&mut Comp<'static>, &[u8], &mut [u8]) -> Result<usize, Error>,
) -> c_int {
    if tfm.is_null() || dlen.is_null() {
        return call(|| Err(Error::Invalid));
    }
    // SAFETY: live by the exported functions' contract, and used by this thread only.
    let tzram_comp { comp, poison } = unsafe { &mut *tfm };
    // SAFETY: writable by the exported functions' contract.
    let capacity = unsafe { dlen.replace(0) } as usize;
    call_on(poison, || {
        // An empty buffer needs no memory: NULL stands for it, as in liblz4.
        // SAFETY: the caller's promises for src and dst.
        let len = unsafe {
            let src = if slen == 0 { &[] } else { source(src, slen as usize)? };
            let dst = if capacity == 0 { &mut [] } else { destination(dst, capacity, src)? };
            run(comp, src, dst)?
        };
        // SAFETY: writable by the exported functions' contract.
        unsafe { dlen.write(len as c_uint) };
        Ok(())
    })
}

/// Writes the standard stream of the `slen` bytes at `src` to `dst`.
///
/// *dlen is the capacity of dst on entry, the length of the stream on success, and 0 on failure. Incompressible input
/// grows, up to tzram_comp_bound(). NULL stands for a buffer of no bytes.
/// -ENOSPC: the stream does not fit; -EINVAL: a NULL pointer, src and dst overlap, or slen > INT_MAX; -ENOMEM: libzstd
/// could not allocate.
///
/// # Safety
/// `tfm` is NULL or live; `src` is `slen` readable bytes; `dst` *dlen writable bytes; `dlen` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_comp_compress(
    tfm: *mut tzram_comp,
    src: *const u8,
    slen: c_uint,
    dst: *mut u8,
    dlen: *mut c_uint,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe { transform(tfm, src, slen, dst, dlen, Comp::compress) }
}

/// Restores the buffer of the standard stream of `slen` bytes at `src` into `dst`.
///
/// *dlen is the capacity of dst on entry, the length of the buffer on success, and 0 on failure.
/// -EBADMSG: the stream is damaged; -ENOSPC: the buffer is longer than dst; -ESTALE: the frame names a dictionary;
/// -EINVAL: a NULL pointer, or src and dst overlap.
///
/// # Safety
/// `tfm` is NULL or live; `src` is `slen` readable bytes; `dst` *dlen writable bytes; `dlen` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_comp_decompress(
    tfm: *mut tzram_comp,
    src: *const u8,
    slen: c_uint,
    dst: *mut u8,
    dlen: *mut c_uint,
) -> c_int {
    // SAFETY: by this function's contract.
    unsafe { transform(tfm, src, slen, dst, dlen, Comp::decompress) }
}

/// The capacity with which tzram_comp_compress() of `slen` bytes never says -ENOSPC; 0 if slen > INT_MAX or tfm is NULL.
///
/// # Safety
/// `tfm` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_comp_bound(tfm: *const tzram_comp, slen: c_uint) -> c_uint {
    // SAFETY: NULL or live by this function's contract.
    let comp = unsafe { tfm.as_ref() }.map(|tfm| &tfm.comp);
    value(0, || comp.and_then(|comp| comp.bound(slen as usize)).map_or(0, |bound| bound as c_uint))
}
