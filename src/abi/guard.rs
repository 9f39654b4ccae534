//! The boundary: panics end here, pointers become slices here, structs of other sizes are read here.

use core::ffi::c_int;
use core::mem::{MaybeUninit, size_of};
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::OnceLock;

use super::errno;
use crate::base::Error;

/// Set by a panic behind one of the handle's calls: the handle then accepts nothing but its destruction.
#[derive(Default)]
pub(super) struct Poison(AtomicBool);

/// Runs the body of an exported function that has no handle yet; returns 0 or the negative errno.
pub(super) fn call(body: impl FnOnce() -> Result<(), Error>) -> c_int {
    with_poison(None, body)
}

/// Runs the body of an exported function on a handle; returns 0 or the negative errno. A panic poisons the handle.
pub(super) fn call_on(poison: &Poison, body: impl FnOnce() -> Result<(), Error>) -> c_int {
    with_poison(Some(poison), body)
}

fn with_poison(poison: Option<&Poison>, body: impl FnOnce() -> Result<(), Error>) -> c_int {
    if poison.is_some_and(|p| p.0.load(Relaxed)) {
        return errno::number(Error::Poisoned);
    }
    let result = catch_unwind(AssertUnwindSafe(|| {
        testing::panic_if_asked();
        body()
    }));
    match result {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => errno::number(error),
        Err(payload) => {
            if let Some(poison) = poison {
                poison.0.store(true, Relaxed);
            }
            // Dropping a payload runs code of its type; ours are messages, and leaking one is harmless.
            core::mem::forget(payload);
            errno::number(Error::Poisoned)
        }
    }
}

/// Runs a body that yields a value and cannot use an errno; a panic yields `fallback`.
pub(super) fn value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(|| {
        testing::panic_if_asked();
        body()
    }))
    .unwrap_or_else(|payload| {
        core::mem::forget(payload);
        fallback
    })
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// The hook that was there before ours: in the C library the standard one, in a Rust program perhaps the program's.
static OUTER_HOOK: OnceLock<Hook> = OnceLock::new();

/// Keeps panics inside this library from printing: a library under swap must not write to stderr. Panics of other
/// code (a Rust program that links this crate) go to the hook that was there before.
///
/// Called by every function that makes a handle; does its work once per process. Allocates nothing: both closures have
/// no size.
pub(super) fn silence() {
    OUTER_HOOK.get_or_init(|| {
        let outer = take_hook();
        set_hook(Box::new(|info| {
            // "src/" here, "/path/to/tzram/src/" in a program that depends on the crate: never a prefix of other code.
            let ours = file!().strip_suffix("abi/guard.rs").unwrap_or(file!());
            if !info.location().is_some_and(|at| at.file().starts_with(ours))
                && let Some(outer) = OUTER_HOOK.get()
            {
                outer(info);
            }
        }));
        outer
    });
}

/// Returns the slice at `ptr`, for reading.
///
/// # Errors
/// [`Error::Invalid`] for NULL.
///
/// # Safety
/// The caller of the exported function promises `len` readable bytes that nobody writes during the call.
pub(super) unsafe fn source<'a>(ptr: *const u8, len: usize) -> Result<&'a [u8], Error> {
    if ptr.is_null() || isize::try_from(len).is_err() {
        return Err(Error::Invalid);
    }
    // SAFETY: not NULL; readable by the caller's promise; bytes need no alignment.
    Ok(unsafe { core::slice::from_raw_parts(ptr, len) })
}

/// Returns the slice at `ptr`, for writing, if it does not overlap `src`.
///
/// # Errors
/// [`Error::Invalid`] for NULL and for an overlap.
///
/// # Safety
/// The caller of the exported function promises `len` writable bytes that nobody else uses during the call.
pub(super) unsafe fn destination<'a>(ptr: *mut u8, len: usize, src: &[u8]) -> Result<&'a mut [u8], Error> {
    if ptr.is_null() || isize::try_from(len).is_err() {
        return Err(Error::Invalid);
    }
    let (dst, from) = (ptr.addr(), src.as_ptr().addr());
    if dst < from + src.len() && from < dst.wrapping_add(len) {
        return Err(Error::Invalid);
    }
    // SAFETY: not NULL; writable and unshared by the caller's promise and the test above; the memory was lent for
    // writing, and the codecs write each byte before they read it.
    Ok(unsafe { core::slice::from_raw_parts_mut(ptr, len) })
}

/// A struct of the ABI that begins with `struct_size` and may grow.
///
/// # Safety
/// `#[repr(C)]`, the first field is `struct_size: u32`, and every field accepts any bits.
pub(super) unsafe trait Versioned: Copy {
    /// Sizes that a caller's older version may have: the end of each field, ascending. The last is that of today.
    const SIZES: &'static [usize];
    /// Bytes that belong to no field. They are written as zeros: whatever the stack held there is nobody's business.
    const PADDING: &'static [Range<usize>] = &[];
}

/// No struct of this ABI will ever be larger; a larger `struct_size` is garbage and is not followed.
const LARGEST_STRUCT: usize = 4096;

/// Returns how many bytes of `T` the caller's struct has, after checking its `struct_size`.
///
/// # Safety
/// `ptr` is NULL or points to a struct of the size that its first field says.
unsafe fn known_len<T: Versioned>(ptr: *const T) -> Result<usize, Error> {
    if ptr.is_null() {
        return Err(Error::Invalid);
    }
    // SAFETY: the struct begins with a u32, by the contract of `Versioned`; unaligned reads ask for no more.
    let claimed = unsafe { ptr.cast::<u32>().read_unaligned() } as usize;
    let ours = size_of::<T>();
    if claimed > LARGEST_STRUCT || (claimed < ours && !T::SIZES.contains(&claimed)) {
        return Err(Error::Invalid);
    }
    if claimed > ours {
        // SAFETY: the caller's struct has `claimed` bytes.
        let beyond = unsafe { core::slice::from_raw_parts(ptr.cast::<u8>().add(ours), claimed - ours) };
        if beyond.iter().any(|&byte| byte != 0) {
            return Err(Error::Invalid);
        }
    }
    Ok(claimed.min(ours))
}

/// Returns the caller's struct, with `defaults` for the fields that its older version lacks.
///
/// # Errors
/// [`Error::Invalid`] for NULL, an unknown size, or a larger one with something in the part that is unknown here.
///
/// # Safety
/// `ptr` is NULL or points to a readable struct of the size that its first field says.
pub(super) unsafe fn read_struct<T: Versioned>(ptr: *const T, defaults: T) -> Result<T, Error> {
    // SAFETY: by this function's own contract.
    let len = unsafe { known_len(ptr)? };
    let mut value = MaybeUninit::new(defaults);
    // SAFETY: `len` bytes are readable and `len <= size_of::<T>()`; every field accepts any bits.
    Ok(unsafe {
        ptr::copy_nonoverlapping(ptr.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), len);
        value.assume_init()
    })
}

/// Writes the part of `value` that the caller's version of the struct has, but for its `struct_size`.
///
/// # Errors
/// As [`read_struct`].
///
/// # Safety
/// `ptr` is NULL or points to a writable struct of the size that its first field says.
pub(super) unsafe fn write_struct<T: Versioned>(ptr: *mut T, value: &T) -> Result<(), Error> {
    // SAFETY: by this function's own contract.
    let len = unsafe { known_len(ptr.cast_const())? };
    let head = size_of::<u32>();
    // SAFETY: `len` bytes are writable and `len <= size_of::<T>()`; both begin with the u32 that is skipped.
    unsafe {
        let from = ptr::from_ref(value).cast::<u8>().add(head);
        ptr::copy_nonoverlapping(from, ptr.cast::<u8>().add(head), len - head);
        for padding in T::PADDING {
            let end = padding.end.min(len);
            ptr.cast::<u8>().add(padding.start.min(end)).write_bytes(0, end.saturating_sub(padding.start));
        }
    }
    Ok(())
}

/// Moves `value` into memory of its own.
///
/// # Errors
/// [`Error::NoMemory`], where `Box::new` would abort.
pub(super) fn try_box<T>(value: T) -> Result<Box<T>, Error> {
    const { assert!(size_of::<T>() > 0) };
    let layout = std::alloc::Layout::new::<T>();
    // SAFETY: the layout has a size; the memory is written before the Box exists and came from the global allocator.
    unsafe {
        let memory = std::alloc::alloc(layout).cast::<T>();
        if memory.is_null() {
            return Err(Error::NoMemory);
        }
        memory.write(value);
        Ok(Box::from_raw(memory))
    }
}

/// Panics on demand, so that tests can look behind every export, and what else only tests may say.
pub mod testing {
    #[cfg(feature = "testing")]
    static CPUS: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);

    /// Makes queues feed their devices as if there were so many CPUs; 0: as many as there are.
    #[cfg(feature = "testing")]
    pub fn feed_devices_as_with(cpus: usize) {
        CPUS.store(cpus, core::sync::atomic::Ordering::SeqCst);
    }

    /// How many CPUs there are to feed a device, of this many.
    pub(in crate::abi) fn cpus_to_feed(cpus: usize) -> usize {
        #[cfg(feature = "testing")]
        match CPUS.load(core::sync::atomic::Ordering::SeqCst) {
            0 => {}
            asked => return asked,
        }
        cpus
    }

    #[cfg(feature = "testing")]
    static ASKED: core::sync::atomic::AtomicBool = core::sync::atomic::AtomicBool::new(false);

    /// Makes the next guarded call of the process panic.
    #[cfg(feature = "testing")]
    pub fn panic_in_next_call() {
        ASKED.store(true, core::sync::atomic::Ordering::SeqCst);
    }

    #[cfg(feature = "testing")]
    static ASKED_IN_REQUEST: core::sync::atomic::AtomicBool = core::sync::atomic::AtomicBool::new(false);

    /// Makes a thread of a queue panic at the next request.
    #[cfg(feature = "testing")]
    pub fn panic_in_next_request() {
        ASKED_IN_REQUEST.store(true, core::sync::atomic::Ordering::SeqCst);
    }

    #[inline(always)]
    pub(in crate::abi) fn panic_in_request_if_asked() {
        #[cfg(feature = "testing")]
        if ASKED_IN_REQUEST.swap(false, core::sync::atomic::Ordering::SeqCst) {
            panic!("asked for by a test");
        }
    }

    #[inline(always)]
    pub(super) fn panic_if_asked() {
        #[cfg(feature = "testing")]
        if ASKED.swap(false, core::sync::atomic::Ordering::SeqCst) {
            panic!("asked for by a test");
        }
    }
}
