//! Many pages at a time: single calls against the batch calls of one context, and against queues of one thread and more.
//!
//! A round is one pass over all pages for every row, rows in rotating order, memory evicted before each pass. Speed is by the
//! clock on the wall against the single calls of the same round; CPU is the CPU time of the whole process against theirs.
//! Every row writes page i of a batch to buffer i. The threads of a queue are spread
//! over the CPUs, the thread that submits goes where the kernel puts it.
//!
//! Where a CUDA device is there (feature `cuda`), a table more for each algorithm that it has: queues of several depths on it.

use core::ffi::{CStr, c_int, c_uint};
use core::ptr;

use tzram::abi::*;

use crate::measure::{Workload, against, env, median, rounds};

const UNIT: usize = 4096;
/// Most pages of a batch, and the depth of queues on the CPU.
const MOST: usize = 256;

/// How a row does its pages.
#[derive(Clone, Copy)]
enum Way {
    Single,
    Batch(usize),
    /// Threads, pages that are submitted and waited for at a time.
    Queue(u32, usize),
    /// Threads; as much as fits is always submitted.
    Stream(u32),
    /// Likewise, with an engine and a depth.
    Deep(tzram_engine, u32, usize),
}

impl Way {
    fn depth(self) -> usize {
        if let Way::Deep(_, _, depth) = self { depth } else { MOST }
    }

    /// Whether pages are all done by the CPU's code.
    fn by_cpu(self) -> bool {
        !matches!(self, Way::Deep(engine, ..) if engine != tzram_engine::TZRAM_ENGINE_CPU)
    }
}

struct Row {
    name: String,
    way: Way,
    ctx: *mut tzram_ctx,
    queue: *mut tzram_queue,
    /// For both directions: nanoseconds on the wall and of CPU, a page.
    wall: [Vec<f64>; 2],
    cpu: [Vec<f64>; 2],
}

fn clock(which: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid clock and a live timespec.
    unsafe { libc::clock_gettime(which, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Gives each thread of a queue a CPU of its own, as far as there are some: a scheduler takes longer to do it than a pass takes.
fn spread() {
    // SAFETY: a zeroed cpu_set_t is empty; calls get its size and address. What fails only costs precision.
    unsafe {
        let mut all: libc::cpu_set_t = core::mem::zeroed();
        libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut all);
        let cpus: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &all)).collect();
        for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let number = name.trim().strip_prefix("tzram-").and_then(|number| number.parse::<usize>().ok());
            let id = task.file_name().to_string_lossy().parse::<libc::pid_t>();
            if let (Some(number), Ok(id)) = (number, id) {
                let mut one: libc::cpu_set_t = core::mem::zeroed();
                libc::CPU_SET(cpus[(number + 1) % cpus.len()], &mut one);
                libc::sched_setaffinity(id, size_of::<libc::cpu_set_t>(), &one);
            }
        }
    }
}

impl Row {
    fn new(alg: &CStr, name: String, way: Way) -> Row {
        Row::try_new(alg, name, way).unwrap_or_else(|status| panic!("{alg:?}: {status}"))
    }

    /// Fails with the errno of the handle's creation.
    fn try_new(alg: &CStr, name: String, way: Way) -> Result<Row, c_int> {
        let page = tzram_params { alg: alg.as_ptr(), ..Default::default() };
        let (mut ctx, mut queue) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: live structs of their own sizes with C strings in them.
        let status = unsafe {
            match way {
                Way::Queue(threads, _) | Way::Stream(threads) | Way::Deep(_, threads, _) => {
                    let engine = if let Way::Deep(engine, ..) = way { engine } else { tzram_engine::TZRAM_ENGINE_CPU };
                    let (engine, depth) = (engine as c_int, way.depth() as u32);
                    let params = tzram_queue_params { engine, depth, threads, page, ..Default::default() };
                    tzram_queue_create(&params, &mut queue)
                }
                _ => tzram_ctx_create(&page, &mut ctx),
            }
        };
        if status != 0 {
            return Err(status);
        }
        spread();
        Ok(Row { name, way, ctx, queue, wall: Default::default(), cpu: Default::default() })
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        // SAFETY: handles of this row, not used again; NULL is fine.
        unsafe {
            tzram_ctx_destroy(self.ctx);
            tzram_queue_destroy(self.queue);
        }
    }
}

/// Inputs of one direction in the order in which they are done, and where outputs go.
struct Pass {
    op: tzram_op,
    src: Vec<*const u8>,
    slen: Vec<c_uint>,
    dst: Vec<*mut u8>,
    /// Lengths of outputs.
    dlen: Vec<c_uint>,
    reqs: Vec<tzram_req>,
}

impl Pass {
    fn req(&self, i: usize) -> tzram_req {
        tzram_req {
            op: self.op as u32,
            status: 0,
            src: self.src[i],
            dst: self.dst[i % MOST],
            slen: self.slen[i],
            dlen: UNIT as c_uint,
            user: ptr::without_provenance_mut(i),
        }
    }

    fn single(&mut self, ctx: *mut tzram_ctx) {
        for i in 0..self.src.len() {
            // SAFETY: a live context, a page or an object of that length, a page of room.
            let status = unsafe {
                match self.op {
                    tzram_op::TZRAM_OP_COMPRESS => {
                        self.dlen[i] = UNIT as c_uint;
                        tzram_compress_page(ctx, self.src[i], self.dst[i % MOST], &mut self.dlen[i])
                    }
                    _ => tzram_decompress_page(ctx, self.src[i], self.slen[i], self.dst[i % MOST]),
                }
            };
            assert_eq!(status, 0);
        }
    }

    fn batch(&mut self, ctx: *mut tzram_ctx, size: usize) {
        let mut status = [0; MOST];
        for first in (0..self.src.len()).step_by(size) {
            let (src, dst) = (self.src[first..].as_ptr(), self.dst[first % MOST..].as_ptr());
            let dlen = &mut self.dlen[first..first + size];
            // SAFETY: a live context and arrays of `size` entries or more, as for single calls.
            let result = unsafe {
                match self.op {
                    tzram_op::TZRAM_OP_COMPRESS => {
                        dlen.fill(UNIT as c_uint);
                        tzram_compress_pages(ctx, size, src, dst, dlen.as_mut_ptr(), status.as_mut_ptr())
                    }
                    _ => {
                        let slen = self.slen[first..].as_ptr();
                        tzram_decompress_pages(ctx, size, src, slen, dst, status.as_mut_ptr())
                    }
                }
            };
            assert_eq!(result, 0);
        }
    }

    /// Submits up to `size` pages and waits for all of them, again and again.
    fn queue(&mut self, queue: *mut tzram_queue, size: usize) {
        let (mut list, mut done) = ([ptr::null_mut::<tzram_req>(); MOST], [ptr::null_mut::<tzram_req>(); MOST]);
        for first in (0..self.src.len()).step_by(size) {
            for (k, entry) in list[..size].iter_mut().enumerate() {
                self.reqs[k] = self.req(first + k);
                *entry = &raw mut self.reqs[k];
            }
            // SAFETY: a live queue; requests that stay where they are until they are reaped, with buffers as for single calls.
            unsafe {
                assert_eq!(tzram_queue_submit(queue, list.as_ptr(), size), size as c_int);
                assert_eq!(tzram_queue_reap(queue, done.as_mut_ptr(), size, -1), size as c_int);
            }
            self.collect(&done[..size]);
        }
    }

    /// Keeps the queue full, and takes a quarter of its depth at a time.
    fn stream(&mut self, queue: *mut tzram_queue, depth: usize) {
        let mut done = vec![ptr::null_mut::<tzram_req>(); depth];
        let mut free: Vec<usize> = (0..depth).collect();
        let mut list = Vec::with_capacity(depth);
        let (mut given, mut got) = (0, 0);
        while got < self.src.len() {
            list.clear();
            while given < self.src.len()
                && let Some(slot) = free.pop()
            {
                self.reqs[slot] = tzram_req { dst: self.dst[slot], ..self.req(given) };
                list.push(&raw mut self.reqs[slot]);
                given += 1;
            }
            // SAFETY: as above.
            let count = unsafe {
                assert_eq!(tzram_queue_submit(queue, list.as_ptr(), list.len()), list.len() as c_int);
                tzram_queue_reap(queue, done.as_mut_ptr(), depth / 4, -1)
            };
            assert!(count > 0);
            self.collect(&done[..count as usize]);
            // SAFETY: pointers into one vector.
            free.extend(
                done[..count as usize].iter().map(|&req| unsafe { req.offset_from(self.reqs.as_ptr()) } as usize),
            );
            got += count as usize;
        }
    }

    fn collect(&mut self, done: &[*mut tzram_req]) {
        for &req in done {
            // SAFETY: reaped, hence ours again.
            let req = unsafe { &*req };
            assert_eq!(req.status, 0);
            self.dlen[req.user.addr()] = req.dlen;
        }
    }

    fn run(&mut self, row: &Row) {
        match row.way {
            Way::Single => self.single(row.ctx),
            Way::Batch(size) => self.batch(row.ctx, size),
            Way::Queue(_, size) => self.queue(row.queue, size),
            Way::Stream(_) | Way::Deep(..) => self.stream(row.queue, row.way.depth()),
        }
    }
}

/// The tables.
pub fn run(work: &mut Workload) {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get()).min(env("TZRAM_BENCH_THREADS", 64));
    for alg in [c"tzp", c"lz4", c"zstd"] {
        let row = |name: &str, way| Row::new(alg, name.to_owned(), way);
        let mut rows = vec![
            row("single calls", Way::Single),
            row("batch calls, 16 pages", Way::Batch(16)),
            row("batch calls, 256 pages", Way::Batch(256)),
        ];
        let mut threads = 1;
        while threads <= cpus {
            let count = threads as u32;
            for size in [16, 64, 256] {
                let name = format!("queue of {threads}, {size} pages and wait");
                rows.push(row(&name, Way::Queue(count, size)));
            }
            rows.push(row(&format!("queue of {threads}, always full"), Way::Stream(count)));
            threads = if threads < cpus { (2 * threads).min(cpus) } else { cpus + 1 };
        }
        table(alg, work, rows);
        if let Some(rows) = device_rows(alg, cpus as u32) {
            table(alg, work, rows);
        }
    }
}

/// Queues on a CUDA device, beside as deep ones on the CPU.
fn device_rows(alg: &CStr, cpus: u32) -> Option<Vec<Row>> {
    let mut rows = vec![Row::new(alg, "single calls".to_owned(), Way::Single)];
    for depth in [256, 1024, 4096, 16384] {
        let name = format!("CUDA, depth {depth}");
        rows.push(Row::try_new(alg, name, Way::Deep(tzram_engine::TZRAM_ENGINE_CUDA, 1, depth)).ok()?);
    }
    for threads in [1, cpus] {
        let name = |engine| format!("{engine}, {threads} threads, depth 4096");
        rows.push(Row::new(alg, name("CPU"), Way::Deep(tzram_engine::TZRAM_ENGINE_CPU, threads, 4096)));
        let mut row = Row::new(alg, name("auto"), Way::Deep(tzram_engine::TZRAM_ENGINE_AUTO, threads, 4096));
        // SAFETY: a live queue.
        let engine = unsafe { tzram_queue_engine(row.queue) };
        row.name += if engine == tzram_engine::TZRAM_ENGINE_CUDA as c_int { " (CUDA)" } else { " (CPU)" };
        rows.push(row);
    }
    Some(rows)
}

fn table(alg: &CStr, work: &mut Workload, mut rows: Vec<Row>) {
    let count = work.order.len() / MOST * MOST;
    if count == 0 {
        return;
    }
    let most = rows.iter().map(|row| row.way.depth()).max().unwrap_or(MOST);
    let mut out = vec![0u8; most * UNIT];
    let dst: Vec<*mut u8> = out.chunks_exact_mut(UNIT).map(<[u8]>::as_mut_ptr).collect();
    // Objects lie in another order than the one in which they are asked for, as those of a pool do.
    let mut store = vec![0u8; work.order.len() * UNIT];
    let maker = &rows[0];
    let mut lens = Vec::new();
    for &i in &work.order[..count] {
        let mut len = UNIT as c_uint;
        let object = store[i * UNIT..][..UNIT].as_mut_ptr();
        // SAFETY: a live context, a page, a page of room.
        let status = unsafe { tzram_compress_page(maker.ctx, work.unit_at(i).as_ptr(), object, &mut len) };
        assert_eq!(status, 0);
        lens.push(len);
    }
    let pass = |op, slen: &[c_uint], src: &dyn Fn(usize) -> *const u8| Pass {
        op,
        src: work.order[..count].iter().map(|&i| src(i)).collect(),
        slen: slen.to_vec(),
        dlen: vec![0; count],
        dst: dst.clone(),
        reqs: vec![
            tzram_req {
                op: 0,
                status: 0,
                src: ptr::null(),
                dst: ptr::null_mut(),
                slen: 0,
                dlen: 0,
                user: ptr::null_mut()
            };
            most
        ],
    };
    let mut passes = [
        pass(tzram_op::TZRAM_OP_COMPRESS, &vec![0; count], &|i| work.unit_at(i).as_ptr()),
        pass(tzram_op::TZRAM_OP_DECOMPRESS, &lens, &|i| store[i * UNIT..].as_ptr()),
    ];
    let rounds = rounds();
    for round in 0..=rounds {
        for turn in 0..rows.len() {
            let row_count = rows.len();
            let row = &mut rows[(turn + round) % row_count];
            for (direction, pass) in passes.iter_mut().enumerate() {
                work.evict();
                let (wall, cpu) = (clock(libc::CLOCK_MONOTONIC), clock(libc::CLOCK_PROCESS_CPUTIME_ID));
                pass.run(row);
                let (wall, cpu) = (clock(libc::CLOCK_MONOTONIC) - wall, clock(libc::CLOCK_PROCESS_CPUTIME_ID) - cpu);
                if round == 0 {
                    // A device has LZ4 blocks and Zstandard frames of its own.
                    let want = if direction == 0 && row.way.by_cpu() { &lens[..] } else { &[] };
                    assert!(pass.dlen.iter().zip(want).all(|(got, want)| got == want), "{}", row.name);
                } else {
                    row.wall[direction].push(wall / count as f64);
                    row.cpu[direction].push(cpu / count as f64);
                }
            }
        }
    }
    println!("\n### Batches, {}: {count} pages of {UNIT} bytes, {rounds} rounds\n", alg.to_string_lossy());
    println!("| row | compress ns | speed | CPU | decompress ns | speed | CPU |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for row in &rows {
        print!("| {} |", row.name);
        for direction in 0..2 {
            let (wall, cpu) = (&row.wall[direction], &row.cpu[direction]);
            let speed = against(wall, &rows[0].wall[direction]);
            let cost = 1.0 / against(cpu, &rows[0].cpu[direction]);
            print!(" {:.0} | x {speed:.2} | x {cost:.3} |", median(wall));
        }
        println!();
    }
}
