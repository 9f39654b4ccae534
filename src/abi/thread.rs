//! Threads of the library: the queue's, the only ones there are. Not std's, since those abort the process where memory runs out.

use core::ffi::{CStr, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use crate::base::Error;

/// A thread that runs until its body returns; whoever holds this joins it.
pub(super) struct Thread(libc::pthread_t);

/// Bytes of a thread's stack: calls take at most 32 KiB of it, and a process that locks its memory pays for all of it.
const STACK: usize = 256 * 1024;

/// What a thread does.
pub(super) type Body = extern "C" fn(*mut c_void) -> *mut c_void;

impl Thread {
    /// Starts a thread with a name, in which all signals are blocked.
    ///
    /// # Errors
    /// [`Error::Again`] or [`Error::NoMemory`].
    ///
    /// # Safety
    /// What `argument` points to outlives the thread and may be used by it.
    pub(super) unsafe fn start(name: &CStr, body: Body, argument: *mut c_void) -> Result<Thread, Error> {
        let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
        // SAFETY: sets, attributes and masks are initialised by the calls before they are read; signals are blocked for the moment
        // in which the thread is made, since it starts with the mask of its maker; the rest is this function's contract.
        let failure = unsafe {
            let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
            if libc::pthread_attr_init(attributes.as_mut_ptr()) != 0 {
                return Err(Error::NoMemory);
            }
            // Refused only where thread-local storage wants more than that: the default is as good.
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK);
            let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            let failure = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), body, argument);
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            failure
        };
        match failure {
            0 => {
                // SAFETY: made just now and not joined; the name ends with a zero byte. Without a name it works as well.
                unsafe {
                    let thread = thread.assume_init();
                    libc::pthread_setname_np(thread, name.as_ptr());
                    Ok(Thread(thread))
                }
            }
            libc::ENOMEM => Err(Error::NoMemory),
            _ => Err(Error::Again),
        }
    }

    /// Waits until the thread has ended.
    pub(super) fn join(self) {
        // SAFETY: a thread that was started and is joined once, since the call takes it.
        unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
    }
}

/// Number of CPUs that this thread may run on.
pub(super) fn cpus() -> usize {
    /// Bits of the largest set that Linux has.
    const SETS: usize = 8192 / (8 * size_of::<libc::cpu_set_t>());
    let mut sets = [MaybeUninit::<libc::cpu_set_t>::zeroed(); SETS];
    // SAFETY: the kernel gets the size of the array, whose zeros are sets without a CPU; it writes to a part of it.
    let known = unsafe { libc::sched_getaffinity(0, size_of_val(&sets), sets.as_mut_ptr().cast()) == 0 };
    // SAFETY: as above.
    let count: usize = sets.iter().map(|set| unsafe { libc::CPU_COUNT(set.assume_init_ref()) }.max(0) as usize).sum();
    if known { count.max(1) } else { 1 }
}

/// Puts errno back to what it was: the calls behind it may change it, and the library's callers are promised that none does.
pub(super) struct KeepErrno(i32);

impl KeepErrno {
    /// Notes what errno is.
    pub(super) fn new() -> Self {
        // SAFETY: the address of this thread's errno.
        KeepErrno(unsafe { *libc::__errno_location() })
    }
}

impl Drop for KeepErrno {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = self.0 };
    }
}
