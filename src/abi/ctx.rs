//! The page context: create, destroy, size, place, counters.
#![allow(non_camel_case_types)] // names are those of the C header

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::{align_of, size_of};
use core::ptr::{self, NonNull};
use std::alloc::{Layout, alloc, dealloc};

use super::guard::{Poison, call, read_struct, silence, value, write_struct};
use super::types::{TZRAM_LEVEL_DEFAULT, tzram_backend, tzram_params, tzram_stats};
use crate::base::{Backend, Error};
use crate::engine::page::Context;
use crate::engine::params::Params;
use crate::engine::stats::Snapshot;
use crate::kernel::scratch::Scratch;

/// A page compressor and decompressor: one thread at a time. Many contexts run in parallel without sharing anything.
#[repr(align(64))]
pub struct tzram_ctx {
    pub(super) context: Context<'static>,
    pub(super) poison: Poison,
    /// What the context works in: the memory right behind this struct.
    pub(super) scratch: Scratch,
    /// Words of it.
    scratch_words: usize,
    /// Whether tzram_ctx_create() allocated the memory.
    owned: bool,
}

/// Contexts begin at a multiple of this: a cache line, so that two contexts of two threads never share one.
const ALIGN: usize = align_of::<tzram_ctx>();

/// Turns a backend number of the ABI into the engine's.
pub(super) fn backend_from(number: i32) -> Result<Option<Backend>, Error> {
    if number == tzram_backend::TZRAM_BACKEND_AUTO as i32 {
        return Ok(None);
    }
    Backend::from_number(number).map(Some).ok_or(Error::Invalid)
}

/// Turns a level of the ABI into the engine's.
pub(super) fn level_from(level: i32) -> Option<i32> {
    (level != TZRAM_LEVEL_DEFAULT).then_some(level)
}

/// The bytes of a name.
///
/// # Safety
/// `name` is NULL or points to a string that ends with a zero byte and outlives 'a.
pub(super) unsafe fn name_from<'a>(name: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: a C string by this function's contract.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_bytes())
}

/// Reads the caller's parameters.
///
/// # Safety
/// `params` is NULL or points to a struct of the size that its first field says, whose `alg` and `dict` are NULL or live.
pub(super) unsafe fn engine_params(params: *const tzram_params) -> Result<Params<'static>, Error> {
    if params.is_null() {
        return Ok(Params::default());
    }
    // SAFETY: by this function's contract.
    let params = unsafe { read_struct(params, tzram_params::default())? };
    if params.flags != 0 {
        return Err(Error::Invalid);
    }
    Ok(Params {
        page_size: params.page_size as usize,
        // SAFETY: NULL or a C string by this function's contract.
        alg: unsafe { name_from(params.alg) },
        level: level_from(params.level),
        backend: backend_from(params.backend)?,
        // SAFETY: NULL or live, and by the header's contract it outlives the context.
        dict: unsafe { params.dict.as_ref() }.map(|dict| &dict.0),
    })
}

/// The struct of the ABI for these counters.
pub(super) fn stats_from(page_size: usize, now: &Snapshot) -> tzram_stats {
    tzram_stats {
        struct_size: 0,
        page_size: page_size as u32,
        pages_in: now.pages_in,
        bytes_in: now.bytes_in,
        bytes_out: now.bytes_out,
        pages_out: now.pages_out,
        pages_by_codec: now.pages_by_codec,
        bytes_by_codec: now.bytes_by_codec,
        compress_errors: now.compress_errors,
        decompress_errors: now.decompress_errors,
        device_pages: now.device_pages,
        device_errors: now.device_errors,
    }
}

/// Bytes of a context's memory when it begins aligned, and its words of scratch.
fn layout_of(params: &Params<'_>) -> Result<(usize, usize), Error> {
    let words = Context::scratch_words(params)?;
    Ok((size_of::<tzram_ctx>() + words * size_of::<u64>(), words))
}

/// Builds a context at `at`.
///
/// # Safety
/// `at` is aligned to [`ALIGN`] and has the bytes that [`layout_of`] says, all writable and otherwise unused.
unsafe fn place(at: *mut tzram_ctx, words: usize, params: &Params<'static>, owned: bool) -> Result<(), Error> {
    let context = Context::new(params)?;
    // SAFETY: by this function's contract there are `words` words behind the struct, whose size is a multiple of its
    // alignment of 64 bytes; they are zeroed before they are handed over, and belong to the context from here on.
    unsafe {
        let behind = at.add(1).cast::<u64>();
        ptr::write_bytes(behind, 0, words);
        let scratch = Scratch::at(NonNull::new(behind).ok_or(Error::Invalid)?, words);
        at.write(tzram_ctx { context, poison: Poison::default(), scratch, scratch_words: words, owned });
    }
    Ok(())
}

/// Writes every default to *params, struct_size included. NULL is ignored.
///
/// # Safety
/// `params` is NULL or writable as a whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_params_init(params: *mut tzram_params) {
    if !params.is_null() {
        // SAFETY: writable by this function's contract.
        unsafe { params.write_unaligned(tzram_params::default()) };
    }
}

/// Makes a context; params NULL = every default. *out is NULL on failure.
///
/// -EINVAL: out NULL, a bad params struct, page size, level, backend number or flag; -ENOENT: no algorithm or driver of
/// that name; -EOPNOTSUPP: this CPU or build lacks the driver or the backend; -ENOMEM.
///
/// # Safety
/// `params` is NULL or a struct of the size that its first field says, with live pointers in it; `out` is NULL or
/// writable. A dictionary outlives the context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_ctx_create(params: *const tzram_params, out: *mut *mut tzram_ctx) -> c_int {
    silence();
    call(|| {
        if out.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: writable by this function's contract.
        unsafe { out.write(ptr::null_mut()) };
        // SAFETY: by this function's contract.
        let params = unsafe { engine_params(params)? };
        let (size, words) = layout_of(&params)?;
        let layout = Layout::from_size_align(size, ALIGN).map_err(|_| Error::NoMemory)?;
        // SAFETY: the layout has a size: the struct is not empty.
        let memory = unsafe { alloc(layout) }.cast::<tzram_ctx>();
        if memory.is_null() {
            return Err(Error::NoMemory);
        }
        // SAFETY: freshly allocated with that size and alignment.
        unsafe {
            if let Err(error) = place(memory, words, &params, true) {
                dealloc(memory.cast(), layout);
                return Err(error);
            }
            out.write(memory);
        }
        Ok(())
    })
}

/// Ends a context. NULL is fine. Memory that tzram_ctx_init() was given stays the caller's.
///
/// # Safety
/// `ctx` is NULL or came from tzram_ctx_create() or tzram_ctx_init() and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_ctx_destroy(ctx: *mut tzram_ctx) {
    if ctx.is_null() {
        return;
    }
    value((), || {
        // SAFETY: a live context that the caller gives up; its memory came from `alloc` with this layout if it is owned.
        unsafe {
            let (owned, words) = ((*ctx).owned, (*ctx).scratch_words);
            ptr::drop_in_place(ctx);
            if owned {
                let size = size_of::<tzram_ctx>() + words * size_of::<u64>();
                dealloc(ctx.cast(), Layout::from_size_align_unchecked(size, ALIGN));
            }
        }
    });
}

/// Bytes that tzram_ctx_init() needs for these parameters, wherever the memory begins; 0 if they are bad.
///
/// # Safety
/// As tzram_ctx_create().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_ctx_size(params: *const tzram_params) -> usize {
    // SAFETY: by this function's contract.
    value(0, || unsafe { engine_params(params) }.and_then(|p| layout_of(&p)).map_or(0, |(size, _)| size + ALIGN - 1))
}

/// Makes a context in `size` bytes at `mem`, without malloc; `mem` needs no alignment. *out is NULL on failure.
///
/// As tzram_ctx_create(), and -ENOSPC: size is less than tzram_ctx_size() says and the context does not fit.
///
/// # Safety
/// As tzram_ctx_create(); `mem` is NULL or `size` writable bytes, used by nobody else until tzram_ctx_destroy().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_ctx_init(
    mem: *mut c_void,
    size: usize,
    params: *const tzram_params,
    out: *mut *mut tzram_ctx,
) -> c_int {
    silence();
    call(|| {
        if out.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: writable by this function's contract.
        unsafe { out.write(ptr::null_mut()) };
        if mem.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: by this function's contract.
        let params = unsafe { engine_params(params)? };
        let (need, words) = layout_of(&params)?;
        let skip = mem.addr().wrapping_neg() % ALIGN;
        if size.checked_sub(skip).is_none_or(|room| room < need) {
            return Err(Error::NoSpace);
        }
        // SAFETY: `skip + need <= size` bytes are the caller's to give; `skip` aligns the start.
        unsafe {
            let at = mem.cast::<u8>().add(skip).cast::<tzram_ctx>();
            place(at, words, &params, false)?;
            out.write(at);
        }
        Ok(())
    })
}

/// Writes the context's counters to *out, whose struct_size the caller has set. May be called while another thread
/// compresses: each counter is right, but they may be of slightly different moments.
///
/// -EINVAL: a NULL pointer, or out->struct_size unknown.
///
/// # Safety
/// `ctx` is NULL or live; `out` is NULL or a struct of the size that its first field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_ctx_stats(ctx: *const tzram_ctx, out: *mut tzram_stats) -> c_int {
    call(|| {
        if ctx.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: live by this function's contract; counters are atomics and the rest of the context is never written.
        let context = unsafe { &(*ctx).context };
        let stats = stats_from(context.page_size(), &context.stats().snapshot());
        // SAFETY: by this function's contract.
        unsafe { write_struct(out, &stats) }
    })
}

/// Sets the context's counters to zero. NULL is ignored.
///
/// # Safety
/// `ctx` is NULL or live, and no other thread uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_ctx_stats_reset(ctx: *mut tzram_ctx) {
    if !ctx.is_null() {
        // SAFETY: live by this function's contract.
        value((), || unsafe { (*ctx).context.stats().reset() });
    }
}
