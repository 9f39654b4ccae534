//! Many pages in one call, synchronously.

use core::ffi::{c_int, c_uint};

use super::ctx::tzram_ctx;
use super::guard::{call, call_on, destination, source};
use crate::base::Error;
use crate::engine::batch::{for_each, for_each_group};
use crate::engine::page::Job;
use crate::kernel::word::prefetch;

use super::errno;

/// Records the outcome of one page.
///
/// # Safety
/// `status` is NULL or has an entry `i`.
unsafe fn note(status: *mut c_int, i: usize, result: Result<(), Error>) -> Result<(), Error> {
    if !status.is_null() {
        // SAFETY: by this function's contract.
        unsafe { status.add(i).write(result.map_or_else(errno::number, |()| 0)) };
    }
    result
}

/// Has what the next call reads fetched into the cache.
///
/// # Safety
/// `src` is NULL or has `len` readable bytes.
unsafe fn fetch(src: *const u8, len: usize) {
    // SAFETY: by this function's contract.
    if let Ok(src) = unsafe { source(src, len) } {
        prefetch(src);
    }
}

/// Compresses `n` pages as tzram_compress_page() does one; every page is tried.
///
/// Of page i, dlen is the capacity of dst on entry and the length of the object afterwards, 0 where it failed; its status is 0
/// or the negative errno (status may be NULL). Returns 0, or the first error.
///
/// # Safety
/// `ctx` is NULL or live; the arrays have `n` entries (or are NULL), each as tzram_compress_page() wants it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_compress_pages(
    ctx: *mut tzram_ctx,
    n: usize,
    src: *const *const u8,
    dst: *const *mut u8,
    dlen: *mut c_uint,
    status: *mut c_int,
) -> c_int {
    if ctx.is_null() || (n > 0 && (src.is_null() || dst.is_null() || dlen.is_null())) {
        return call(|| Err(Error::Invalid));
    }
    // SAFETY: live by this function's contract; one thread uses the context, so its scratch is free.
    let (context, poison, scratch) = unsafe { (&(*ctx).context, &(*ctx).poison, &mut (*ctx).scratch) };
    call_on(poison, || {
        for_each(n, |i| {
            // SAFETY: `i < n`; the arrays have n entries, and the caller's promises for each are those of one page.
            unsafe {
                if i + 1 < n {
                    fetch(src.add(i + 1).read(), context.page_size());
                }
                let capacity = dlen.add(i).replace(0) as usize;
                let result = source(src.add(i).read(), context.page_size()).and_then(|page| {
                    let dst = destination(dst.add(i).read(), capacity, page)?;
                    let len = context.compress(scratch, page, dst)?;
                    dlen.add(i).write(len as c_uint);
                    Ok(())
                });
                note(status, i, result)
            }
        })
    })
}

/// Restores `n` pages as tzram_decompress_page() does one; every object is tried.
///
/// The status of page i is 0 or its negative errno (status may be NULL). Returns 0, or the first error. Some pages are restored side
/// by side, so that this takes less time than `n` calls.
///
/// # Safety
/// `ctx` is NULL or live; the arrays have `n` entries (or are NULL), each as tzram_decompress_page() wants it; no destination
/// overlaps another destination, or the object of another page.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_decompress_pages(
    ctx: *mut tzram_ctx,
    n: usize,
    src: *const *const u8,
    slen: *const c_uint,
    dst: *const *mut u8,
    status: *mut c_int,
) -> c_int {
    if ctx.is_null() || (n > 0 && (src.is_null() || dst.is_null() || slen.is_null())) {
        return call(|| Err(Error::Invalid));
    }
    // SAFETY: live by this function's contract; one thread uses the context, so its scratch is free.
    let (context, poison, scratch) = unsafe { (&(*ctx).context, &(*ctx).poison, &mut (*ctx).scratch) };
    let job = |i: usize| {
        // SAFETY: `i < n`; the arrays have n entries, and the caller's promises for each are those of one page; of several at once,
        // this function's contract says that they do not overlap.
        unsafe {
            let object = source(src.add(i).read(), slen.add(i).read() as usize)?;
            if object.len() > context.page_size() {
                return Err(Error::Corrupt);
            }
            Ok(Job { object, dst: destination(dst.add(i).read(), context.page_size(), object)? })
        }
    };
    call_on(poison, || {
        for_each_group(
            n,
            job,
            |jobs| context.decompress_all(scratch, jobs),
            |i, result| {
                // SAFETY: `i < n`, and so many entries are there.
                unsafe { note(status, i, result.map(|_| ())) }
            },
        )
    })
}
