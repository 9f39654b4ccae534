//! Queues of the C ABI, and batches of requests that know what has to become of them.

use core::ffi::{CStr, c_int, c_uint};
use std::ptr;

use tzram::abi::*;

/// What lies behind a buffer and has to stay.
const GUARD: [u8; 16] = [0xC3; 16];

/// Parameters of a queue for this algorithm.
pub fn params(alg: &'static CStr, level: Option<i32>) -> tzram_queue_params {
    let mut params = tzram_queue_params { threads: 1, ..Default::default() };
    params.page.alg = alg.as_ptr();
    params.page.level = level.unwrap_or(TZRAM_LEVEL_DEFAULT);
    params
}

/// Parameters with another engine.
pub fn with_engine(params: &tzram_queue_params, engine: tzram_engine) -> tzram_queue_params {
    tzram_queue_params { engine: engine as i32, ..*params }
}

/// A context of the page layer: what the CPU does.
pub struct Cpu(*mut tzram_ctx);

impl Cpu {
    pub fn new(params: &tzram_params) -> Cpu {
        let mut ctx = ptr::null_mut();
        // SAFETY: parameters with live pointers, and an out-parameter.
        assert_eq!(unsafe { tzram_ctx_create(params, &mut ctx) }, 0);
        Cpu(ctx)
    }

    /// Returns the status, and the object if that is 0.
    pub fn compress(&self, page: &[u8], room: usize) -> (c_int, Vec<u8>) {
        let (mut object, mut len) = (vec![0; room], room as c_uint);
        // SAFETY: a live context, a page, as much room as is said.
        let status = unsafe { tzram_compress_page(self.0, page.as_ptr(), object.as_mut_ptr(), &mut len) };
        object.truncate(len as usize);
        (status, object)
    }

    /// Returns the status, and the page if that is 0.
    pub fn decompress(&self, object: &[u8], page_size: usize) -> (c_int, Vec<u8>) {
        let mut page = vec![0; page_size];
        // SAFETY: a live context, an object, room for its page.
        let status =
            unsafe { tzram_decompress_page(self.0, object.as_ptr(), object.len() as c_uint, page.as_mut_ptr()) };
        (status, if status == 0 { page } else { Vec::new() })
    }

    /// Whether a device may restore the object.
    fn is_for_devices(&self, object: &[u8]) -> bool {
        let size = size_of::<tzram_page_info>() as u32;
        let mut info = tzram_page_info { struct_size: size, codec: 0, page_len: 0, flags: 0, fill: 0 };
        // SAFETY: a live context, an object, a struct of the size that it says.
        let status = unsafe { tzram_page_info(self.0, object.as_ptr(), object.len() as c_uint, &mut info) };
        status == 0 && info.codec != tzram_codec::TZRAM_CODEC_ZSTD as c_int && info.flags & TZRAM_PAGE_INFO_DICT == 0
    }
}

impl Drop for Cpu {
    fn drop(&mut self) {
        // SAFETY: created once.
        unsafe { tzram_ctx_destroy(self.0) };
    }
}

/// What is asked for, what has to come of it, and the request.
struct Job {
    op: u32,
    src: Vec<u8>,
    room: usize,
    want: c_int,
    output: Vec<u8>,
    dst: Vec<u8>,
    req: tzram_req,
}

/// How often what happened: as `tzram_stats` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub pages_in: u64,
    pub compress_errors: u64,
    pub pages_out: u64,
    pub decompress_errors: u64,
}

impl Counts {
    /// As after so many times the same.
    pub fn times(self, times: u64) -> Counts {
        let [pages_in, compress_errors] = [self.pages_in, self.compress_errors].map(|n| n * times);
        let [pages_out, decompress_errors] = [self.pages_out, self.decompress_errors].map(|n| n * times);
        Counts { pages_in, compress_errors, pages_out, decompress_errors }
    }
}

/// Requests, made from what the CPU makes of them.
pub struct Batch {
    cpu: Cpu,
    page_size: usize,
    jobs: Vec<Job>,
    list: Vec<*mut tzram_req>,
    done: Vec<*mut tzram_req>,
    seen: Vec<bool>,
    /// What serving them all adds to the counters.
    pub counts: Counts,
    /// How many are for a device, if there is one.
    pub for_devices: u64,
}

impl Batch {
    /// No requests yet, for a queue with these parameters.
    pub fn new(params: &tzram_queue_params) -> Batch {
        Batch {
            cpu: Cpu::new(&params.page),
            page_size: params.page.page_size as usize,
            jobs: Vec::new(),
            list: Vec::new(),
            done: Vec::new(),
            seen: Vec::new(),
            counts: Counts::default(),
            for_devices: 0,
        }
    }

    fn add(&mut self, op: u32, src: Vec<u8>, room: usize, want: c_int, output: Vec<u8>) {
        let req = tzram_req {
            op,
            status: 1,
            src: ptr::null(),
            dst: ptr::null_mut(),
            slen: 0,
            dlen: 0,
            user: ptr::null_mut(),
        };
        self.jobs.push(Job { op, src, room, want, output, dst: vec![0; room + GUARD.len()], req });
        self.list.push(ptr::null_mut());
        self.done.push(ptr::null_mut());
        self.seen.push(false);
    }

    /// A page to be compressed to at most `room` bytes.
    pub fn compress(&mut self, page: &[u8], room: usize) {
        let (status, object) = self.cpu.compress(page, room);
        *if status == 0 { &mut self.counts.pages_in } else { &mut self.counts.compress_errors } += 1;
        self.for_devices += 1;
        self.add(tzram_op::TZRAM_OP_COMPRESS as u32, page.to_vec(), room, status, object);
    }

    /// An object, damaged or not, of at most a page.
    pub fn restore(&mut self, object: &[u8]) {
        let (status, page) = self.cpu.decompress(object, self.page_size);
        *if status == 0 { &mut self.counts.pages_out } else { &mut self.counts.decompress_errors } += 1;
        self.for_devices += u64::from(self.cpu.is_for_devices(object));
        self.add(tzram_op::TZRAM_OP_DECOMPRESS as u32, object.to_vec(), self.page_size, status, page);
    }

    /// What no thread has to look at: an operation that there is not, no object, one that is too long.
    pub fn invalid(&mut self) {
        self.add(2, vec![1; 4096], 4096, -libc::EINVAL, Vec::new());
        self.add(tzram_op::TZRAM_OP_DECOMPRESS as u32, Vec::new(), self.page_size, -libc::EINVAL, Vec::new());
        self.add(
            tzram_op::TZRAM_OP_DECOMPRESS as u32,
            vec![5; self.page_size + 1],
            self.page_size,
            -libc::EBADMSG,
            Vec::new(),
        );
    }

    /// Makes the requests anew.
    fn arm(&mut self) {
        for (index, job) in self.jobs.iter_mut().enumerate() {
            job.dst.fill(0x77);
            job.dst[job.room..].copy_from_slice(&GUARD);
            job.req = tzram_req {
                op: job.op,
                status: 1,
                src: job.src.as_ptr(),
                dst: job.dst.as_mut_ptr(),
                slen: job.src.len() as u32,
                dlen: job.room as u32,
                user: ptr::without_provenance_mut(index),
            };
            self.list[index] = &raw mut job.req;
        }
        self.seen.fill(false);
    }

    /// Each request has the status that the CPU gives it and the bytes that belong to that. `exact`: objects are those of the CPU; else
    /// they need only be objects of their pages.
    fn check(&self, exact: bool, what: &str) {
        for (index, job) in self.jobs.iter().enumerate() {
            let (req, what) = (&job.req, || format!("{what}: request {index}"));
            assert_eq!(req.status, job.want, "{}", what());
            assert_eq!(&job.dst[job.room..], GUARD, "{}", what());
            let output = &job.dst[..req.dlen as usize];
            if exact || job.want != 0 || req.op != tzram_op::TZRAM_OP_COMPRESS as u32 {
                assert!(output == job.output, "{}", what());
            } else {
                assert!((1..=self.page_size).contains(&output.len()), "{}", what());
                assert!(self.cpu.decompress(output, self.page_size) == (0, job.src.clone()), "{}", what());
            }
        }
    }

    /// Sends all requests through the queue, as many at a time as it takes, and checks them.
    pub fn serve(&mut self, queue: &Queue, exact: bool, what: &str) {
        self.run(queue, what, |_| ());
        self.check(exact, what);
    }

    /// Likewise, but does not look at what came of them; `runs` is told when the first is about to be submitted, and when all were
    /// reaped. In between this allocates nothing itself.
    pub fn run(&mut self, queue: &Queue, what: &str, runs: impl Fn(bool)) {
        self.arm();
        runs(true);
        let (mut submitted, mut reaped) = (0, 0);
        while reaped < self.jobs.len() {
            let count = queue.submit(&self.list[submitted..]);
            assert!(count >= 0 || count == -libc::EAGAIN, "{what}: {count}");
            submitted += count.max(0) as usize;
            let most = (submitted - reaped).div_ceil(2);
            let count = queue.reap(&mut self.done[..most], 30_000);
            assert!(count > 0, "{what}: {count}, {reaped} of {submitted} came back");
            for &req in &self.done[..count as usize] {
                // SAFETY: one of our requests, which is ours again.
                let index = unsafe { (*req).user }.addr();
                assert!(!core::mem::replace(&mut self.seen[index], true), "{what}: request {index} came twice");
            }
            reaped += count as usize;
        }
        assert_eq!(queue.reap(&mut self.done[..1], 0), -libc::EAGAIN, "{what}");
        runs(false);
    }

    /// Submits what the queue takes of the requests and ends it; checks those that it took.
    pub fn leave_to(&mut self, queue: Queue, what: &str) {
        self.arm();
        let count = queue.submit(&self.list);
        assert_eq!(count as usize, self.jobs.len(), "{what}: too many for the queue");
        drop(queue);
        self.check(false, what);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // A queue that has lost requests may find them again.
        if std::thread::panicking() {
            core::mem::forget(core::mem::take(&mut self.jobs));
        }
    }
}

/// A queue.
pub struct Queue(*mut tzram_queue);

impl Queue {
    pub fn create(params: &tzram_queue_params) -> Result<Queue, c_int> {
        let mut queue = ptr::dangling_mut();
        // SAFETY: parameters with live pointers, and an out-parameter.
        match unsafe { tzram_queue_create(params, &mut queue) } {
            0 => Ok(Queue(queue)),
            status => {
                assert!(queue.is_null() && status < 0);
                Err(status)
            }
        }
    }

    fn submit(&self, list: &[*mut tzram_req]) -> c_int {
        // SAFETY: a live queue, as many requests as are said, each with buffers of its own.
        unsafe { tzram_queue_submit(self.0, list.as_ptr(), list.len()) }
    }

    fn reap(&self, done: &mut [*mut tzram_req], time: c_int) -> c_int {
        // SAFETY: a live queue, and as much room as is said.
        unsafe { tzram_queue_reap(self.0, done.as_mut_ptr(), done.len(), time) }
    }

    /// Whether it uses a device now.
    pub fn uses_device(&self) -> bool {
        // SAFETY: a live queue.
        let engine = unsafe { tzram_queue_engine(self.0) };
        assert!([tzram_engine::TZRAM_ENGINE_CPU as c_int, tzram_engine::TZRAM_ENGINE_CUDA as c_int].contains(&engine));
        engine == tzram_engine::TZRAM_ENGINE_CUDA as c_int
    }

    /// What it has done, and of that `device_pages` and `device_errors`.
    pub fn stats(&self) -> (Counts, u64, u64) {
        // SAFETY: plain numbers.
        let mut stats: tzram_stats = unsafe { core::mem::zeroed() };
        stats.struct_size = size_of::<tzram_stats>() as u32;
        // SAFETY: a live queue, and a struct of the size that it says.
        assert_eq!(unsafe { tzram_queue_stats(self.0, &mut stats) }, 0);
        let counts = Counts {
            pages_in: stats.pages_in,
            compress_errors: stats.compress_errors,
            pages_out: stats.pages_out,
            decompress_errors: stats.decompress_errors,
        };
        (counts, stats.device_pages, stats.device_errors)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // One that has lost requests would never end.
        if !std::thread::panicking() {
            // SAFETY: created once.
            unsafe { tzram_queue_destroy(self.0) };
        }
    }
}
