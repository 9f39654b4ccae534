//! Dictionaries.
#![allow(non_camel_case_types)] // names are those of the C header

use core::ffi::{c_int, c_void};
use core::ptr;

use super::guard::{call, silence, source, try_box, value};
use crate::base::Error;
use crate::engine::dict::Dictionary;

/// A dictionary: history that pages are compressed against. Immutable; any number of contexts and threads may share one.
pub struct tzram_dict(pub(super) Dictionary);

/// Makes a dictionary from `size` bytes at `buf`: one in Zstandard's format, or raw content. The buffer is copied.
///
/// LZ4 uses the last 64 KiB of the buffer as history. *out is NULL on failure.
/// -EINVAL: a NULL pointer, size 0, or a damaged dictionary in Zstandard's format. -ENOMEM.
///
/// # Safety
/// `buf` is NULL or points to `size` readable bytes; `out` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_dict_create(buf: *const c_void, size: usize, out: *mut *mut tzram_dict) -> c_int {
    silence();
    call(|| {
        if out.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: writable by this function's contract.
        unsafe { out.write(ptr::null_mut()) };
        // SAFETY: readable by this function's contract.
        let content = unsafe { source(buf.cast(), size)? };
        let dict = try_box(tzram_dict(Dictionary::new(content)?))?;
        // SAFETY: writable by this function's contract.
        unsafe { out.write(Box::into_raw(dict)) };
        Ok(())
    })
}

/// Frees a dictionary, after every context that was made with it. NULL is fine.
///
/// # Safety
/// `dict` is NULL or came from tzram_dict_create() and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_dict_destroy(dict: *mut tzram_dict) {
    if !dict.is_null() {
        // SAFETY: made by `Box::into_raw` in tzram_dict_create(), and given up by the caller.
        value((), || drop(unsafe { Box::from_raw(dict) }));
    }
}

/// The id that objects made with this dictionary carry: that of its header, or for raw content a hash of it; 0 for NULL.
///
/// # Safety
/// `dict` is NULL or a live dictionary.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_dict_id(dict: *const tzram_dict) -> u32 {
    // SAFETY: NULL or live by this function's contract.
    value(0, || unsafe { dict.as_ref() }.map_or(0, |dict| dict.0.id()))
}
