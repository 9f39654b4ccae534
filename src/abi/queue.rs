//! Batches of pages for threads of the library: the queue.
#![allow(non_camel_case_types)] // names are those of the C header

use core::ffi::{CStr, c_int, c_void};
use core::mem::{offset_of, size_of};
use core::ptr::{self, NonNull};
use core::slice;
use core::time::Duration;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};

use super::ctx::{engine_params, stats_from};
use super::errno;
use super::guard::{
    Poison, call, call_on, destination, read_struct, silence, source, testing, try_box, value, write_struct,
};
use super::thread::{KeepErrno, Thread, cpus};
use super::types::{
    TZRAM_QUEUE_DEPTH_DEFAULT, TZRAM_QUEUE_DEPTH_MAX, TZRAM_QUEUE_THREADS_MAX, tzram_engine, tzram_op, tzram_params,
    tzram_queue_params, tzram_req, tzram_stats,
};
use crate::base::Error;
use crate::engine::params::Params;
use crate::engine::queue::{Found, Queue, Request, Work, open};
use crate::kernel::word::prefetch;

/// Requests on their way: worker threads take them, the caller gets them back finished. Any number of threads may submit and reap
/// at the same time.
pub struct tzram_queue {
    queue: Queue<'static, Req>,
    threads: Vec<Thread>,
    poison: Poison,
}

/// A caller's request, the queue's from submit to reap.
struct Req(NonNull<tzram_req>);

// SAFETY: the request and its buffers are the queue's alone, by the contract of tzram_queue_submit().
unsafe impl Send for Req {}

impl Request for Req {
    fn work(&mut self, page_size: usize) -> Result<Work<'_>, Error> {
        testing::panic_in_request_if_asked();
        // SAFETY: by the contract of tzram_queue_submit() the request and its buffers are readable and writable as they say,
        // and nobody's but the queue's until it is reaped; there is one Req for it.
        unsafe {
            let req = self.0.as_ref();
            if req.op == tzram_op::TZRAM_OP_COMPRESS as u32 {
                let page = source(req.src, page_size)?;
                return Ok(Work::Compress { page, object: destination(req.dst, req.dlen as usize, page)? });
            }
            if req.op != tzram_op::TZRAM_OP_DECOMPRESS as u32 || req.slen == 0 {
                return Err(Error::Invalid);
            }
            if req.slen as usize > page_size {
                return Err(Error::Corrupt);
            }
            let object = source(req.src, req.slen as usize)?;
            Ok(Work::Decompress { object, page: destination(req.dst, page_size, object)? })
        }
    }

    fn fetch(&self) {
        // SAFETY: the request is readable until it is reaped.
        prefetch(unsafe { slice::from_raw_parts(self.0.as_ptr().cast::<u8>(), size_of::<tzram_req>()) });
    }

    fn finish(&mut self, result: Result<usize, Error>) {
        // SAFETY: as above.
        let req = unsafe { self.0.as_mut() };
        // A page at most, hence no more than an u32 holds.
        req.dlen = result.map_or(0, |len| len as u32);
        req.status = result.map_or_else(errno::number, |_| 0);
    }
}

/// Writes every default to *params, struct_size and those of the page included. NULL is ignored.
///
/// # Safety
/// `params` is NULL or writable as a whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_queue_params_init(params: *mut tzram_queue_params) {
    if !params.is_null() {
        // SAFETY: writable by this function's contract.
        unsafe { params.write_unaligned(tzram_queue_params::default()) };
    }
}

/// Reads the caller's parameters: those of the queue, and those of its pages.
///
/// # Safety
/// As [`tzram_queue_create`].
unsafe fn read_params(params: *const tzram_queue_params) -> Result<(tzram_queue_params, Params<'static>), Error> {
    let mut own = tzram_queue_params::default();
    let mut room = size_of::<tzram_params>();
    if !params.is_null() {
        // SAFETY: by this function's contract.
        unsafe {
            own = read_struct(params, own)?;
            // The inner struct is as long as the outer one has room for; what a later version has there is zero, as
            // read_struct() has seen.
            room = params.cast::<u32>().read_unaligned() as usize
                - offset_of!(tzram_queue_params, page).min(own.struct_size as usize);
        }
    }
    if room > 0 && own.page.struct_size as usize > room {
        return Err(Error::Invalid);
    }
    own.page.struct_size = own.page.struct_size.min(size_of::<tzram_params>() as u32);
    // SAFETY: our own copy, which is as long as it says; pointers in it are the caller's, live by this function's contract.
    let page = unsafe { engine_params(&own.page)? };
    Ok((own, page))
}

/// Opens the device that an engine needs, if it needs one.
///
/// # Errors
/// As [`open`] for TZRAM_ENGINE_CUDA. None for TZRAM_ENGINE_AUTO: whatever keeps a device from being used, the CPU is there.
fn open_device(engine: tzram_engine, number: i32, params: &Params<'_>, depth: usize) -> Result<Option<Found>, Error> {
    let cpus = testing::cpus_to_feed(cpus());
    match engine {
        tzram_engine::TZRAM_ENGINE_CPU => Ok(None),
        tzram_engine::TZRAM_ENGINE_AUTO => {
            Ok(open(number, params, depth, cpus).ok().map(|devices| Found { devices, forced: false }))
        }
        tzram_engine::TZRAM_ENGINE_CUDA => {
            open(number, params, depth, cpus).map(|devices| Some(Found { devices, forced: true }))
        }
    }
}

/// What a thread of the queue does.
extern "C" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: the Start that create() keeps until this thread has taken it, and the queue that destroy() keeps until it ends.
    let (queue, index) = unsafe {
        let start = Box::from_raw(start.cast::<Start>());
        (&(*start.queue).queue, start.index)
    };
    // The queue catches what may panic in it; what is left must not unwind into the C library.
    value((), || queue.run(index));
    ptr::null_mut()
}

/// Which thread of which queue.
struct Start {
    queue: *const tzram_queue,
    index: usize,
}

/// The name of a thread, as `ps -T` shows it; the first `feeders` ones feed a device.
fn name_of(index: usize, feeders: usize, text: &mut [u8; 16]) -> &CStr {
    use std::io::Write;
    let mut rest = &mut text[..15];
    let written = match index.checked_sub(feeders) {
        None => write!(rest, "tzram-device-{index}"),
        Some(worker) => write!(rest, "tzram-{worker}"),
    };
    // It fits: one digit for a device, at most four for a worker.
    written.ok().and_then(|()| CStr::from_bytes_until_nul(text).ok()).unwrap_or(c"tzram")
}

/// Lets the threads end and waits for them.
///
/// # Safety
/// `queue` is live, and what was started for it is in its list.
unsafe fn join_all(queue: *mut tzram_queue) {
    // SAFETY: live by this function's contract; the list is touched by whoever makes and ends the queue only, and threads
    // see the rest of the struct only.
    unsafe {
        (*queue).queue.stop();
        let threads = &mut (*queue).threads;
        while let Some(thread) = threads.pop() {
            thread.join();
        }
    }
}

/// Makes a queue and starts its threads; params NULL = every default. *out is NULL on failure, and nothing is left running.
///
/// -EINVAL: out NULL, a bad params struct, an unknown engine, too large a depth or number of threads, or what
/// tzram_ctx_create() refuses in params->page; -ENOENT and -EOPNOTSUPP as there; -ENODEV: TZRAM_ENGINE_CUDA without a usable device,
/// driver, or build; -EOPNOTSUPP: TZRAM_ENGINE_CUDA with parameters that a device cannot do; -EAGAIN: no more threads;
/// -ENOMEM. A queue is of no use in a forked child, which has none of its threads: the child must not even destroy it.
///
/// # Safety
/// `params` is NULL or a struct of the size that its first field says, with live pointers in it; `out` is NULL or
/// writable. A dictionary outlives the queue.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_queue_create(params: *const tzram_queue_params, out: *mut *mut tzram_queue) -> c_int {
    let _errno = KeepErrno::new();
    silence();
    call(|| {
        if out.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: writable by this function's contract.
        unsafe { out.write(ptr::null_mut()) };
        // SAFETY: by this function's contract.
        let (own, page) = unsafe { read_params(params)? };
        let engine = tzram_engine::from_number(own.engine)?;
        let depth = if own.depth == 0 { TZRAM_QUEUE_DEPTH_DEFAULT } else { own.depth };
        if depth > TZRAM_QUEUE_DEPTH_MAX || own.threads > TZRAM_QUEUE_THREADS_MAX {
            return Err(Error::Invalid);
        }
        let workers =
            if own.threads == 0 { cpus().min(TZRAM_QUEUE_THREADS_MAX as usize) } else { own.threads as usize };
        let device = open_device(engine, own.device, &page, depth as usize)?;
        let queue = Queue::new(&page, depth as usize, workers, device)?;
        let (count, feeders) = queue.threads();
        let mut threads = Vec::new();
        threads.try_reserve_exact(count).map_err(|_| Error::NoMemory)?;
        let queue = Box::into_raw(try_box(tzram_queue { queue, threads, poison: Poison::default() })?);
        for index in 0..count {
            // SAFETY: the queue stays where it is until join_all() has seen every thread end; the Start is the thread's, or ours
            // where there is none. The list has room, and the queue's threads do not touch it.
            let started = unsafe {
                try_box(Start { queue, index }).and_then(|start| {
                    let start = Box::into_raw(start);
                    let thread = Thread::start(name_of(index, feeders, &mut [0; 16]), run, start.cast());
                    thread.inspect_err(|_| drop(Box::from_raw(start)))
                })
            };
            // SAFETY: as above; where a thread is missing, the others are joined before the queue is dropped.
            unsafe {
                match started {
                    Ok(thread) => (*queue).threads.push(thread),
                    Err(error) => {
                        join_all(queue);
                        drop(Box::from_raw(queue));
                        return Err(error);
                    }
                }
            }
        }
        // SAFETY: writable by this function's contract.
        unsafe { out.write(queue) };
        Ok(())
    })
}

/// Runs the body of a call that returns a number; returns that or the negative errno.
fn count_on(poison: &Poison, body: impl FnOnce() -> Result<usize, Error>) -> c_int {
    let mut count = 0;
    let status = call_on(poison, || {
        count = body()?;
        Ok(())
    });
    if status == 0 { c_int::try_from(count).unwrap_or(c_int::MAX) } else { status }
}

/// Gives up to `n` requests to the queue, the first ones, as many as there is room for; returns how many it took, 0 if n is 0.
///
/// A request, its buffers and nothing else belong to the queue until the request was reaped (or the queue is destroyed): the
/// caller leaves them alone. The array may be used again at once. Requests finish in any order; each has its own status. What
/// is wrong with a request (a NULL pointer, an unknown op, overlapping buffers) is in its status, too.
///
/// -EAGAIN: the queue is full, as many as its depth are submitted and not reaped; -EINVAL: a NULL pointer, also in reqs, and nothing
/// was taken; -ENOTRECOVERABLE: a defect was caught in one of its threads. Never waits.
///
/// # Safety
/// `q` is NULL or live; `reqs` has `n` entries, each NULL or a request whose buffers are as its fields say, in use nowhere else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_queue_submit(q: *mut tzram_queue, reqs: *const *mut tzram_req, n: usize) -> c_int {
    let _errno = KeepErrno::new();
    if q.is_null() || (n > 0 && reqs.is_null()) {
        return call(|| Err(Error::Invalid));
    }
    // SAFETY: live by this function's contract, and all that is used of it may be used by several threads.
    let (queue, poison) = unsafe { (&(*q).queue, &(*q).poison) };
    count_on(poison, || {
        // No queue takes more at a time, and no int counts more.
        let n = n.min(TZRAM_QUEUE_DEPTH_MAX as usize);
        // SAFETY: n entries by this function's contract; an array of none may be anywhere.
        let reqs = if n == 0 { &[] } else { unsafe { slice::from_raw_parts(reqs, n) } };
        if reqs.iter().any(|req| req.is_null()) {
            return Err(Error::Invalid);
        }
        // SAFETY: none is NULL.
        queue.submit(reqs.iter().map(|&req| Req(unsafe { NonNull::new_unchecked(req) })))
    })
}

/// Writes up to `max` finished requests to done, which are the caller's again; returns how many. Waits until so many have finished,
/// or all that were submitted have, or timeout_ms is over (0: does not wait; negative: for ever), and then takes what there is.
/// So max says how many are worth waking up for; 1 is right where latency counts.
///
/// -EAGAIN: nothing finished in time, or timeout_ms is negative and nothing is submitted; -EINVAL: a NULL pointer, max 0;
/// -ENOTRECOVERABLE: a defect was caught in one of the threads, and all that was submitted has been reaped.
///
/// # Safety
/// `q` is NULL or live; `done` is NULL or has `max` entries.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_queue_reap(
    q: *mut tzram_queue,
    done: *mut *mut tzram_req,
    max: usize,
    timeout_ms: c_int,
) -> c_int {
    let _errno = KeepErrno::new();
    if q.is_null() || done.is_null() || max == 0 {
        return call(|| Err(Error::Invalid));
    }
    // SAFETY: live by this function's contract, and all that is used of it may be used by several threads.
    let (queue, poison) = unsafe { (&(*q).queue, &(*q).poison) };
    count_on(poison, || {
        let time = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        let mut at = done;
        // SAFETY: called at most `max` times, for entries that are there by this function's contract.
        queue.reap(max, time, |req| unsafe {
            at.write(req.0.as_ptr());
            at = at.add(1);
        })
    })
}

/// Returns what the queue works with now: TZRAM_ENGINE_CPU or TZRAM_ENGINE_CUDA; -EINVAL: q is NULL. A queue whose device has
/// failed says TZRAM_ENGINE_CPU, and the CPU has done what the device had not.
///
/// # Safety
/// `q` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_queue_engine(q: *const tzram_queue) -> c_int {
    if q.is_null() {
        return call(|| Err(Error::Invalid));
    }
    // SAFETY: live by this function's contract; what is read is atomic.
    let uses_device = value(false, || unsafe { (*q).queue.uses_device() });
    let engine = if uses_device { tzram_engine::TZRAM_ENGINE_CUDA } else { tzram_engine::TZRAM_ENGINE_CPU };
    engine as c_int
}

/// Returns a file descriptor that is readable while finished requests wait to be reaped, for poll() and its like; it is the
/// queue's: not to be read, written, or closed. It is made by the first call; without one, nothing is spent on it.
///
/// -EINVAL: q is NULL; -EAGAIN: no more file descriptors; -ENOMEM.
///
/// # Safety
/// `q` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_queue_fd(q: *const tzram_queue) -> c_int {
    let _errno = KeepErrno::new();
    if q.is_null() {
        return call(|| Err(Error::Invalid));
    }
    // SAFETY: live by this function's contract, and all that is used of it may be used by several threads.
    let (queue, poison) = unsafe { (&(*q).queue, &(*q).poison) };
    count_on(poison, || {
        let open = || {
            // SAFETY: no memory is involved; the descriptor is new and the file's alone.
            unsafe {
                match libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) {
                    -1 if *libc::__errno_location() == libc::ENOMEM => Err(Error::NoMemory),
                    -1 => Err(Error::Again),
                    fd => Ok(File::from_raw_fd(fd)),
                }
            }
        };
        // Not negative.
        queue.file(open).map(|file| file.as_raw_fd() as usize)
    })
}

/// Writes the counters of all threads together to *out, whose struct_size the caller has set. May be called at any time: each
/// counter is right, but they may be of slightly different moments.
///
/// -EINVAL: a NULL pointer, or out->struct_size unknown.
///
/// # Safety
/// `q` is NULL or live; `out` is NULL or a struct of the size that its first field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_queue_stats(q: *const tzram_queue, out: *mut tzram_stats) -> c_int {
    call(|| {
        if q.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: live by this function's contract; counters are atomics.
        let queue = unsafe { &(*q).queue };
        // SAFETY: by this function's contract.
        unsafe { write_struct(out, &stats_from(queue.page_size(), &queue.snapshot())) }
    })
}

/// Waits until everything that was submitted has finished, ends the threads, and frees the queue. Requests that were not reaped are
/// the caller's again, each with its status. NULL is fine.
///
/// # Safety
/// `q` is NULL or came from tzram_queue_create() and is not used again; nobody is in a call on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tzram_queue_destroy(q: *mut tzram_queue) {
    if q.is_null() {
        return;
    }
    let _errno = KeepErrno::new();
    value((), || {
        // SAFETY: a live queue that the caller gives up; its threads have ended when it is dropped.
        unsafe {
            join_all(q);
            drop(Box::from_raw(q));
        }
    });
}
