//! One page in, one object out.

use core::ffi::{c_int, c_uint};

use super::ctx::tzram_ctx;
use super::guard::{call, call_on, destination, source, write_struct};
use super::types::{TZRAM_PAGE_INFO_DICT, tzram_page_info};
use crate::base::Error;

/// Compresses the page at `src` to an object at `dst`.
///
/// *dlen is the capacity of dst on entry (one page is always enough) and the length of the object on success:
/// 1 <= *dlen <= page size. The object depends on the page and the context's parameters only. Never allocates.
/// -ENOSPC: the object does not fit; *dlen is 0 and nothing useful is in dst. -EINVAL: a NULL pointer, or src and dst
/// overlap; *dlen is 0.
///
/// # Safety
/// `ctx` is NULL or live; `src` a page of readable bytes; `dst` *dlen writable bytes; `dlen` writable; each may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_compress_page(
    ctx: *mut tzram_ctx,
    src: *const u8,
    dst: *mut u8,
    dlen: *mut c_uint,
) -> c_int {
    if ctx.is_null() || dlen.is_null() {
        return call(|| Err(Error::Invalid));
    }
    // SAFETY: live by this function's contract; one thread uses the context, so its scratch is free.
    let (context, poison, scratch) = unsafe { (&(*ctx).context, &(*ctx).poison, &mut (*ctx).scratch) };
    // SAFETY: writable by this function's contract.
    let capacity = unsafe { dlen.replace(0) } as usize;
    call_on(poison, || {
        // SAFETY: the caller's promises for src and dst.
        let len = unsafe {
            let page = source(src, context.page_size())?;
            let dst = destination(dst, capacity, page)?;
            context.compress(scratch, page, dst)?
        };
        // SAFETY: writable by this function's contract.
        unsafe { dlen.write(len as c_uint) };
        Ok(())
    })
}

/// Restores the page of the object of `slen` bytes at `src` into `dst`, which is a page long.
///
/// Any context of the same page size decodes any object, whoever made it. Never allocates. On failure dst holds
/// anything; nothing outside it was touched.
/// -EBADMSG: the object is damaged or not ours; -ESTALE: it needs another dictionary than the context has;
/// -EINVAL: a NULL pointer, or src and dst overlap.
///
/// # Safety
/// `ctx` is NULL or live; `src` is `slen` readable bytes; `dst` a page of writable bytes; each may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_decompress_page(
    ctx: *mut tzram_ctx,
    src: *const u8,
    slen: c_uint,
    dst: *mut u8,
) -> c_int {
    if ctx.is_null() {
        return call(|| Err(Error::Invalid));
    }
    // SAFETY: live by this function's contract; one thread uses the context, so its scratch is free.
    let (context, poison, scratch) = unsafe { (&(*ctx).context, &(*ctx).poison, &mut (*ctx).scratch) };
    // SAFETY: the caller's promises for src and dst.
    call_on(poison, || unsafe {
        let object = source(src, slen as usize)?;
        if object.len() > context.page_size() {
            return Err(Error::Corrupt); // before its tail is taken for an overlap with dst
        }
        let dst = destination(dst, context.page_size(), object)?;
        context.decompress(scratch, object, dst)
    })
}

/// Describes the object of `slen` bytes at `src` in *out, whose struct_size the caller has set. The stream inside the
/// object is not decoded.
///
/// -EBADMSG: it cannot be an object of this page size; -EINVAL: a NULL pointer, or out->struct_size unknown.
///
/// # Safety
/// `ctx` is NULL or live; `src` is `slen` readable bytes or NULL; `out` is NULL or a struct of the size that its first
/// field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_page_info(
    ctx: *const tzram_ctx,
    src: *const u8,
    slen: c_uint,
    out: *mut tzram_page_info,
) -> c_int {
    call(|| {
        if ctx.is_null() || out.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: live by this function's contract; only read.
        let context = unsafe { &(*ctx).context };
        // SAFETY: readable by this function's contract.
        let info = context.info(unsafe { source(src, slen as usize)? })?;
        let info = tzram_page_info {
            struct_size: 0,
            codec: info.codec as c_int,
            page_len: context.page_size() as u32,
            flags: if info.dict_id == 0 { 0 } else { TZRAM_PAGE_INFO_DICT },
            fill: if info.dict_id == 0 { info.fill } else { info.dict_id.into() },
        };
        // SAFETY: by this function's contract.
        unsafe { write_struct(out, &info) }
    })
}
