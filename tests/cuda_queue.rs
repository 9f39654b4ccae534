//! Queues of the C ABI with the CUDA engine, through the real cudarc, with the stand-in for the driver: objects, parameters, missing
//! devices, faults at every call, both outcomes of the calibration.

mod common;

use core::ffi::{CStr, c_int};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use common::hostile::{damaged, lz4_at_the_end, made_pages, noise, tzp_of_parts};
use common::queue::{Batch, Cpu, Queue, params, with_engine};
use common::stand_in::{
    Answer, Kernels, StandIn, compile as compile_stand_in, has_driver, in_a_process_with, load_library,
};
use common::{Random, corpus};
use corpus::PAGE;
use tzram::abi::feed_devices_as_with;
use tzram::abi::tzram_engine::{TZRAM_ENGINE_AUTO as AUTO, TZRAM_ENGINE_CPU as CPU, TZRAM_ENGINE_CUDA as CUDA};
use tzram::abi::{tzram_backend, tzram_dict_create, tzram_dict_destroy, tzram_engine, tzram_queue_params};
use tzram::cuda_testing::SYMBOLS;

/// Counts what the thread of a test and the threads of its queue allocate, while it is told to.
struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static TESTS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is one of a queue.
fn is_a_queues() -> bool {
    let mut name = [0u8; 16];
    // SAFETY: the call writes up to 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name.starts_with(b"tzram-")
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(SeqCst) && (TESTS.get() || is_a_queues()) {
            ALLOCATIONS.fetch_add(1, SeqCst);
        }
        // SAFETY: as this function's contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as this function's contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A failure of these is not told: the thread's context is another's business, and PTX takes the place of a cubin.
const PASSED_OVER: [&str; 2] = ["cuCtxPopCurrent_v2", "cuModuleLoadData"];

/// Objects of the pages in turn by each of the codecs.
fn objects_of(pages: &[Vec<u8>], algs: &[&'static CStr]) -> Vec<Vec<u8>> {
    let makers: Vec<Cpu> = algs.iter().map(|&alg| Cpu::new(&params(alg, None).page)).collect();
    let all = pages.iter().enumerate();
    all.map(|(i, page)| makers[i % makers.len()].compress(page, PAGE).1).collect()
}

/// An object that needs a dictionary.
fn object_with_dictionary(page: &[u8]) -> Vec<u8> {
    let mut queue = params(c"lz4", None);
    let mut dict = ptr::null_mut();
    // SAFETY: a page of content, and an out-parameter; freed once, after the context that borrows it.
    unsafe {
        assert_eq!(tzram_dict_create(page.as_ptr().cast(), page.len(), &mut dict), 0);
        queue.page.dict = dict;
        let (status, object) = Cpu::new(&queue.page).compress(page, PAGE);
        tzram_dict_destroy(dict);
        assert_eq!(status, 0);
        object
    }
}

/// Every kind of request for each of a few pages, mixed.
fn mixed(params: &tzram_queue_params, step: usize) -> Batch {
    let mut pages = corpus::sample(step);
    pages.extend(made_pages().into_iter().take(4));
    let objects = objects_of(&pages, &[c"tzp", c"lz4", c"zstd"]);
    let mut batch = Batch::new(params);
    for (i, (page, object)) in pages.iter().zip(&objects).enumerate() {
        batch.compress(page, PAGE);
        batch.restore(object);
        match i % 5 {
            0 => batch.compress(page, 1),
            1 => batch.restore(&object[..object.len() - 1]),
            2 => batch.restore(&[&[15], &object[1..]].concat()),
            3 => batch.restore(page),
            _ => batch.compress(page, PAGE + 100),
        }
    }
    batch.restore(&object_with_dictionary(&pages[0]));
    batch.invalid();
    batch
}

/// The queue did what the batch asks for `times` times, the device all that is for it, and nothing failed.
fn assert_all_by_device(queue: &Queue, batch: &Batch, times: u64) {
    let (counts, by_device, errors) = queue.stats();
    assert!(queue.uses_device());
    assert_eq!((counts, by_device, errors), (batch.counts.times(times), batch.for_devices * times, 0));
}

/// Whether the kernels are those of the library, whose tzp objects are the CPU's.
fn real_kernels() -> bool {
    std::env::var("TZRAM_TEST_DRIVER").is_ok_and(|driver| driver.contains("shim"))
}

#[test]
fn requests_of_all_kinds_come_back_as_the_cpu_would_do_them() {
    let Some(stand_in) = StandIn::take() else { return };
    let tzp = [None, Some(1), Some(2), Some(3), Some(4)].map(|level| (c"tzp", level));
    let others = [(c"lz4", None), (c"lz4", Some(1)), (c"zstd", None), (c"zstd", Some(1))];
    for (number, (alg, level)) in tzp.into_iter().chain(others).enumerate() {
        let what = format!("{alg:?} {level:?}");
        let params = tzram_queue_params { depth: 48, threads: 1 + number as u32 % 2, ..params(alg, level) };
        let params = with_engine(&params, CUDA);
        let exact = real_kernels() && alg == c"tzp";
        let mut batch = mixed(&params, if real_kernels() { 401 } else { 101 });
        if exact {
            for page in corpus::sample(1501) {
                let len = Cpu::new(&params.page).compress(&page, PAGE).1.len();
                (len - 1..=len + 1).for_each(|room| batch.compress(&page, room));
            }
        }
        let queue = Queue::create(&params).expect("a device");
        for times in 1..=2 {
            batch.serve(&queue, exact, &what);
            assert_all_by_device(&queue, &batch, times);
        }
        drop(queue);
        stand_in.assert_clean(&what);
    }
    drop(stand_in);
    if !real_kernels() {
        again_with_real_kernels("requests_of_all_kinds_come_back_as_the_cpu_would_do_them");
    }
}

/// Runs the test `name` again in a process with the kernels of the library, which the CPU executes (tests/cuda/simt.h).
fn again_with_real_kernels(name: &str) {
    match compile_stand_in(Kernels::Shim) {
        Some(driver) => in_a_process_with(name, driver.to_str().expect("a path")),
        None => println!("SKIPPED cuda-stand-in: no C++20 compiler"),
    }
}

#[test]
fn hostile_objects_get_the_verdict_of_the_cpu() {
    if !real_kernels() {
        return again_with_real_kernels("hostile_objects_get_the_verdict_of_the_cpu");
    }
    let Some(stand_in) = StandIn::take() else { return };
    let mut random = Random::new(11);
    let params = with_engine(&params(c"tzp", None), CUDA);
    let mut batch = Batch::new(&params);
    let objects = objects_of(&corpus::sample(1009), &[c"tzp", c"lz4"]);
    for i in 0..600 {
        let object = match i % 4 {
            0 => noise(&mut random),
            1 => lz4_at_the_end(&mut random),
            2 => tzp_of_parts(&mut random),
            _ => damaged(&mut random, &objects[i % objects.len()]),
        };
        if !object.is_empty() {
            batch.restore(&object);
        }
    }
    assert!(batch.counts.pages_out > 10 && batch.counts.decompress_errors > 200, "{:?}", batch.counts);
    let queue = Queue::create(&params).expect("a device");
    batch.serve(&queue, true, "hostile objects");
    assert_all_by_device(&queue, &batch, 1);
    drop(queue);
    stand_in.assert_clean("hostile objects");
}

/// What a queue with these parameters says for TZRAM_ENGINE_CUDA, with which it cannot do it, while TZRAM_ENGINE_AUTO does it with
/// the CPU.
fn refused(params: &tzram_queue_params) -> c_int {
    let mut batch = Batch::new(params);
    for mut page in corpus::sample(2003) {
        page.resize(params.page.page_size as usize, 7);
        batch.compress(&page, page.len());
    }
    for engine in [AUTO, CPU] {
        let queue = Queue::create(&with_engine(params, engine)).expect("the CPU is there");
        assert!(!queue.uses_device());
        batch.serve(&queue, true, "the CPU");
        assert_eq!(queue.stats(), (batch.counts, 0, 0));
    }
    Queue::create(&with_engine(params, CUDA)).err().expect("no device does it")
}

#[test]
fn parameters_that_no_device_can_do_are_for_the_cpu() {
    let Some(stand_in) = StandIn::take() else { return };
    for (alg, level) in [
        (c"zstd", Some(2)),
        (c"zstd", Some(-1)),
        (c"adaptive", None),
        (c"lz4", Some(3)),
        (c"lz4", Some(-1)),
        (c"lz4-generic", None),
        (c"tzp-generic", None),
        (c"zstd-generic", None),
    ] {
        assert_eq!(refused(&params(alg, level)), -libc::EOPNOTSUPP, "{alg:?} {level:?}");
    }
    let mut default = params(c"tzp", None);
    default.page.alg = ptr::null();
    assert_eq!(refused(&default), -libc::EOPNOTSUPP);
    let mut large = params(c"tzp", None);
    large.page.page_size = 8192;
    assert_eq!(refused(&large), -libc::EOPNOTSUPP);
    let mut scalar = params(c"tzp", None);
    scalar.page.backend = tzram_backend::TZRAM_BACKEND_SCALAR as i32;
    assert_eq!(refused(&scalar), -libc::EOPNOTSUPP);
    let (mut with_dict, mut dict) = (params(c"lz4", None), ptr::null_mut());
    // SAFETY: 4096 bytes of content, and an out-parameter; freed once, after the queues that borrow it.
    unsafe {
        assert_eq!(tzram_dict_create([9u8; PAGE].as_ptr().cast(), PAGE, &mut dict), 0);
        with_dict.page.dict = dict;
        assert_eq!(refused(&with_dict), -libc::EOPNOTSUPP);
        tzram_dict_destroy(dict);
    }
    assert_eq!(stand_in.get("calls"), 0, "nobody asks the driver");
}

#[test]
fn parameters_that_nobody_can_do_are_refused_alike_by_all_engines() {
    let mut odd_size = params(c"tzp", None);
    odd_size.page.page_size = 5000;
    for (params, error) in [
        (params(c"lzw", None), libc::ENOENT),
        (params(c"tzp", Some(5)), libc::EINVAL),
        (params(c"lz4", Some(1000)), libc::EINVAL),
        (odd_size, libc::EINVAL),
    ] {
        for engine in [AUTO, CPU, CUDA] {
            assert_eq!(Queue::create(&with_engine(&params, engine)).err(), Some(-error), "{engine:?}");
        }
    }
}

#[test]
fn without_a_usable_device_the_cpu_does_it() {
    let Some(stand_in) = StandIn::take() else { return };
    for (name, value, device, error) in [
        ("version", 11080, 0, libc::ENODEV),
        ("version", 0, 0, libc::ENODEV),
        ("devices", 0, 0, libc::ENODEV),
        ("devices", 2, 2, libc::ENODEV),
        ("devices", 2, -1, libc::ENODEV),
        ("devices", 2, i32::MIN, libc::ENODEV),
        ("devices", 2, i32::MAX, libc::ENODEV),
        ("major", 6, 0, libc::ENODEV),
        ("memory", 100_000, 0, libc::ENOMEM),
        ("host_memory", 100_000, 0, libc::ENOMEM),
    ] {
        stand_in.reset();
        stand_in.set(name, value);
        let params = tzram_queue_params { device, ..params(c"tzp", None) };
        assert_eq!(refused(&params), -error, "{name} {value} {device}");
        stand_in.assert_clean(name);
    }
    stand_in.reset();
    stand_in.set("devices", 2);
    let second = tzram_queue_params { device: 1, ..with_engine(&params(c"tzp", None), CUDA) };
    assert!(Queue::create(&second).is_ok_and(|queue| queue.uses_device()));
    stand_in.assert_clean("device 1");
}

#[test]
fn without_a_driver_the_cpu_does_it() {
    if std::env::var_os("TZRAM_TEST_DRIVER").is_none() {
        return in_a_process_with("without_a_driver_the_cpu_does_it", "");
    }
    if has_driver() {
        return;
    }
    assert_eq!(refused(&params(c"tzp", None)), -libc::ENODEV);
    assert_eq!(refused(&params(c"lz4", None)), -libc::ENODEV);
    assert_eq!(refused(&params(c"zstd", None)), -libc::ENODEV);
}

#[test]
fn with_a_driver_that_lacks_a_function_the_cpu_does_it() {
    const NAME: &str = "with_a_driver_that_lacks_a_function_the_cpu_does_it";
    if let Ok(driver) = std::env::var("TZRAM_TEST_DRIVER") {
        load_library(Path::new(&driver));
        assert_eq!(refused(&params(c"tzp", None)), -libc::ENODEV);
        return;
    }
    let Some(stand_in) = StandIn::take() else { return };
    for symbol in [SYMBOLS[0], SYMBOLS[SYMBOLS.len() - 1]] {
        let file = stand_in.without(symbol);
        in_a_process_with(NAME, file.to_str().expect("a path"));
        std::fs::remove_file(&file).expect("the file");
    }
}

/// A few requests of all kinds for a queue that is not deep.
fn few(params: &tzram_queue_params) -> Batch {
    let pages = corpus::sample(3001);
    let pages = &pages[..10];
    let objects = objects_of(pages, &[c"tzp", c"lz4", c"zstd"]);
    let mut batch = Batch::new(params);
    for (i, (page, object)) in pages.iter().zip(&objects).enumerate() {
        batch.compress(page, if i % 4 == 3 { 1 } else { PAGE });
        batch.restore(if i % 4 == 2 { &object[..object.len() - 1] } else { object });
    }
    batch
}

/// What is called when a device is given back.
const AT_THE_END: [&str; 9] = [
    "cuStreamSynchronize",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxPushCurrent_v2",
    "cuCtxPopCurrent_v2",
    "cuModuleUnload",
    "cuMemFree_v2",
    "cuMemFreeHost",
    "cuStreamDestroy_v2",
    "cuEventDestroy_v2",
];

/// What is called for a batch.
const FOR_A_BATCH: [&str; 8] = [
    "cuEventRecord",
    "cuEventQuery",
    "cuEventSynchronize",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemsetD8Async",
    "cuLaunchKernel",
    "kernel",
];

/// All symbols but those that only the making of a device needs.
fn assert_all_after_creation(used: &[&str]) {
    for symbol in AT_THE_END.iter().chain(&FOR_A_BATCH) {
        assert!(used.contains(symbol), "{symbol} never failed");
    }
}

#[test]
fn a_fault_at_any_use_of_any_call_loses_no_request() {
    let Some(stand_in) = StandIn::take() else { return };
    let params = tzram_queue_params { depth: 8, ..with_engine(&params(c"tzp", None), CUDA) };
    let mut batch = few(&params);
    let mut faults = 0;
    let used = stand_in.at_every_use(SYMBOLS, |symbol, _, arm, what| {
        let queue = Queue::create(&params).expect("a device");
        arm();
        batch.serve(&queue, false, what);
        let fired = stand_in.get("fired") > 0;
        let (counts, by_device, errors) = queue.stats();
        assert_eq!(counts, batch.counts, "{what}");
        if fired && !PASSED_OVER.contains(&symbol) {
            assert_eq!((errors, queue.uses_device()), (1, false), "{what}");
        }
        assert_eq!(queue.uses_device(), errors == 0, "{what}");
        assert!(errors > 0 || by_device == batch.for_devices, "{what}");
        batch.serve(&queue, false, what);
        let (counts, by_device_then, _) = queue.stats();
        assert_eq!(counts, batch.counts.times(2), "{what}");
        assert!(errors == 0 || by_device_then == by_device, "{what}");
        faults += errors;
    });
    assert_all_after_creation(&used);
    assert!(faults > 500, "{faults}");
}

#[test]
fn a_queue_that_ends_with_requests_in_flight_finishes_them_whatever_fails() {
    let Some(stand_in) = StandIn::take() else { return };
    let params = tzram_queue_params { depth: 20, ..with_engine(&params(c"lz4", None), CUDA) };
    let mut batch = few(&params);
    let used = stand_in.at_every_use(SYMBOLS, |_, _, arm, what| {
        let queue = Queue::create(&params).expect("a device");
        arm();
        batch.leave_to(queue, what);
    });
    assert_all_after_creation(&used);
}

#[test]
fn a_fault_while_a_queue_is_made_is_told_or_left_to_the_cpu() {
    let Some(stand_in) = StandIn::take() else { return };
    let params = tzram_queue_params { depth: 4, ..params(c"tzp", None) };
    let mut batch = few(&params);
    let used = stand_in.at_every_use(SYMBOLS, |symbol, code, arm, what| {
        arm();
        let queue = Queue::create(&with_engine(&params, CUDA));
        let fired = stand_in.get("fired") > 0;
        match queue {
            Err(status) => {
                assert!(fired, "{what}");
                assert_eq!(status, if code == 2 { -libc::ENOMEM } else { -libc::ENODEV }, "{what}");
            }
            Ok(queue) => {
                assert!(!fired || PASSED_OVER.contains(&symbol), "{what}");
                // What fails after creation is another test's.
                stand_in.fail("", 0, 0, false);
                drop(queue);
            }
        }
    });
    let for_later = [&AT_THE_END[..], &FOR_A_BATCH].concat();
    let for_creation = SYMBOLS.iter().filter(|symbol| !for_later.contains(symbol) || symbol.contains("Current"));
    for symbol in for_creation {
        assert!(used.contains(symbol), "{symbol} never failed");
    }

    let used = stand_in.at_every_use(SYMBOLS, |symbol, _, arm, what| {
        arm();
        let queue = Queue::create(&with_engine(&params, AUTO)).expect("the CPU is there");
        let fired = stand_in.get("fired") > 0;
        assert!(!fired || PASSED_OVER.contains(&symbol) || !queue.uses_device(), "{what}");
        if fired {
            batch.serve(&queue, !queue.uses_device(), what);
            assert_eq!(queue.stats().0, batch.counts, "{what}");
        } else {
            stand_in.fail("", 0, 0, false);
        }
    });
    assert!(used.contains(&"cuEventSynchronize"), "the calibration is a part of it");
}

#[test]
fn answers_that_no_kernel_gives_are_faults() {
    use Answer::{Cursor, Length, Offset, Status};
    let Some(stand_in) = StandIn::take() else { return };
    let params = tzram_queue_params { depth: 8, ..with_engine(&params(c"tzp", None), CUDA) };
    let (mut pages, mut objects) = (Batch::new(&params), Batch::new(&params));
    for last in 1..=8 {
        let mut page = vec![0; PAGE];
        page[PAGE - 1] = last;
        pages.compress(&page, PAGE);
        objects.restore(&objects_of(&[page], &[c"tzp"])[0]);
    }
    for (answer, value) in [
        (Cursor, u32::MAX),
        (Cursor, 4 * 4096 + 16),
        (Cursor, 0),
        (Offset, u32::MAX - 15),
        (Offset, 8),
        (Length, 0),
        (Length, 4097),
        (Length, u32::MAX),
        (Status, 1),
        (Status, -75i32 as u32),
        (Status, i32::MIN as u32),
    ] {
        let what = format!("{answer:?} {value}");
        let batch = if matches!(answer, Status) { &mut objects } else { &mut pages };
        let queue = Queue::create(&params).expect("a device");
        stand_in.nonsense(answer, 0, value);
        for times in 1..=2 {
            batch.serve(&queue, false, &what);
            let (counts, _, errors) = queue.stats();
            assert_eq!((counts, errors, queue.uses_device()), (batch.counts.times(times), 1, false), "{what}");
        }
        drop(queue);
        stand_in.assert_clean(&what);
    }
}

/// More pages than such a queue holds, and other requests: enough for the device even if it is the faster one for pages only.
fn many(params: &tzram_queue_params) -> Batch {
    let mut batch = mixed(params, 1009);
    corpus::sample(31).iter().for_each(|page| batch.compress(page, PAGE));
    batch
}

/// Makes a queue that finds itself what to use, on a device that takes hardly any time.
fn create_on_quick_device(stand_in: &StandIn) -> (Queue, tzram_queue_params) {
    let params = tzram_queue_params { depth: 256, ..with_engine(&params(c"tzp", Some(4)), AUTO) };
    // The clock decides, and something else may run just then.
    for _ in 0..1000 {
        stand_in.set("idle", 1);
        let queue = Queue::create(&params).expect("the CPU is there");
        stand_in.set("idle", 0);
        if queue.uses_device() {
            return (queue, params);
        }
    }
    panic!("the device was never the faster one");
}

#[test]
fn a_device_that_does_not_pay_is_not_used() {
    let Some(stand_in) = StandIn::take() else { return };
    let params = with_engine(&params(c"tzp", Some(4)), AUTO);
    let params = tzram_queue_params { depth: 16, ..params };
    stand_in.set("slow", 100);
    let queue = Queue::create(&params).expect("the CPU is there");
    assert!(!queue.uses_device());
    stand_in.assert_clean("a device that does not pay is given back");
    let mut batch = few(&params);
    batch.serve(&queue, true, "the CPU");
    assert_eq!(queue.stats(), (batch.counts, 0, 0));
}

#[test]
fn a_device_that_pays_shares_the_work() {
    let Some(stand_in) = StandIn::take() else { return };
    let (queue, params) = create_on_quick_device(&stand_in);
    let mut batch = many(&params);
    let mut by_device = 0;
    // Who is the quicker one to take the requests is chance.
    for times in 1..=200 {
        batch.serve(&queue, false, "device and CPU");
        let (counts, pages, errors) = queue.stats();
        assert_eq!((counts, errors, queue.uses_device()), (batch.counts.times(times), 0, true));
        assert!(pages <= batch.for_devices * times);
        by_device = pages;
        if by_device > 0 && times >= 10 {
            break;
        }
    }
    assert!(by_device > 0);
    drop(queue);
    stand_in.assert_clean("a device that pays");
}

#[test]
fn a_fault_of_a_device_that_shares_the_work_loses_no_request() {
    let Some(stand_in) = StandIn::take() else { return };
    let mut batch = None;
    for symbol in ["cuMemcpyHtoDAsync_v2", "cuLaunchKernel", "kernel", "cuEventSynchronize", "cuEventQuery"] {
        for (nth, for_good) in [(1, true), (3, false)] {
            let what = format!("{symbol} {nth} {for_good}");
            stand_in.clear();
            stand_in.reset();
            let (queue, params) = create_on_quick_device(&stand_in);
            let batch = batch.get_or_insert_with(|| many(&params));
            stand_in.fail(symbol, nth, 719, for_good);
            for times in 1..=200 {
                batch.serve(&queue, false, &what);
                let (counts, _, errors) = queue.stats();
                let fired = stand_in.get("fired") > 0;
                let expected = (batch.counts.times(times), u64::from(fired), !fired);
                assert_eq!((counts, errors, queue.uses_device()), expected, "{what}");
                if fired {
                    break;
                }
            }
            assert!(!queue.uses_device(), "{what}: the device did not come to it");
            batch.serve(&queue, true, &what);
            drop(queue);
            assert_eq!(stand_in.get("misuse"), 0, "{what}");
            if stand_in.gives_all_back(symbol, for_good) {
                stand_in.assert_clean(&what);
            }
        }
    }
    stand_in.clear();
}

/// As if there were this many CPUs, until it is dropped.
struct Cpus;

impl Cpus {
    fn new(count: usize) -> Cpus {
        feed_devices_as_with(count);
        Cpus
    }
}

impl Drop for Cpus {
    fn drop(&mut self) {
        feed_devices_as_with(0);
    }
}

/// Parameters of a queue that is deep enough for four threads.
fn deep(engine: tzram_engine) -> tzram_queue_params {
    tzram_queue_params { depth: 512, ..with_engine(&params(c"tzp", None), engine) }
}

#[test]
fn several_threads_feed_a_device() {
    let Some(stand_in) = StandIn::take() else { return };
    let mut batch = many(&deep(CUDA));
    let mut allocated = Vec::new();
    for count in [4, 8, 16] {
        let _cpus = Cpus::new(count);
        stand_in.reset();
        let queue = Queue::create(&deep(CUDA)).expect("a device");
        allocated.push(stand_in.get("allocated"));
        for times in 1..=5 {
            batch.serve(&queue, false, &format!("{count} CPUs"));
            assert_all_by_device(&queue, &batch, times);
        }
        drop(queue);
        stand_in.assert_clean(&format!("{count} CPUs"));
    }
    assert_eq!(allocated, [allocated[0], 2 * allocated[0], 4 * allocated[0]]);

    // Memory for the first and not for the fourth.
    let _cpus = Cpus::new(16);
    stand_in.reset();
    stand_in.set("memory", 5 << 20);
    let queue = Queue::create(&deep(CUDA)).expect("a device");
    batch.serve(&queue, false, "little memory");
    assert_all_by_device(&queue, &batch, 1);
    drop(queue);
    stand_in.assert_clean("little memory");
}

#[test]
fn a_fault_of_one_of_several_threads_takes_the_device_from_all() {
    let Some(stand_in) = StandIn::take() else { return };
    let _cpus = Cpus::new(16);
    let mut batch = many(&deep(CUDA));
    let mut faults = 0;
    for symbol in FOR_A_BATCH {
        for (nth, for_good) in [(1, false), (2, true), (5, false), (9, true), (14, false)] {
            let what = format!("{symbol} {nth} {for_good}");
            stand_in.clear();
            stand_in.reset();
            let queue = Queue::create(&deep(CUDA)).expect("a device");
            stand_in.fail(symbol, nth, 719, for_good);
            for times in 1..=2 {
                batch.serve(&queue, false, &what);
                let (counts, by_device, errors) = queue.stats();
                let fired = stand_in.get("fired") > 0;
                let expected = (batch.counts.times(times), u64::from(fired), !fired);
                assert_eq!((counts, errors, queue.uses_device()), expected, "{what}");
                assert!(fired || by_device == batch.for_devices * times, "{what}");
            }
            faults += stand_in.get("fired");
            drop(queue);
            assert_eq!(stand_in.get("misuse"), 0, "{what}");
            if stand_in.gives_all_back(symbol, for_good) {
                stand_in.assert_clean(&what);
            }
        }
    }
    assert!(faults > 20, "{faults}");
    stand_in.clear();
}

#[test]
fn a_queue_of_several_threads_that_ends_with_requests_in_flight_finishes_them() {
    let Some(stand_in) = StandIn::take() else { return };
    let _cpus = Cpus::new(16);
    let mut batch = Batch::new(&deep(CUDA));
    corpus::sample(31).iter().take(400).for_each(|page| batch.compress(page, PAGE));
    for symbol in ["", "cuLaunchKernel", "cuEventSynchronize"] {
        for nth in 1..4 {
            let what = format!("{symbol} {nth}");
            stand_in.reset();
            let queue = Queue::create(&deep(CUDA)).expect("a device");
            stand_in.fail(symbol, nth, 719, false);
            batch.leave_to(queue, &what);
            stand_in.assert_clean(&what);
        }
    }
}

#[test]
fn nothing_is_allocated_for_a_request() {
    let Some(stand_in) = StandIn::take() else { return };
    TESTS.set(true);
    for engine in [CUDA, AUTO] {
        let (queue, params) = match engine {
            CUDA => {
                let params = with_engine(&params(c"tzp", None), CUDA);
                (Queue::create(&params).expect("a device"), params)
            }
            _ => create_on_quick_device(&stand_in),
        };
        let mut batch = many(&params);
        let allocated = stand_in.get("allocated");
        // The last time the device fails.
        for fails in [false, false, true] {
            if fails {
                stand_in.fail("cuLaunchKernel", 1, 719, false);
            }
            batch.run(&queue, "allocations", |runs| COUNTS.store(runs, SeqCst));
            assert_eq!(ALLOCATIONS.load(SeqCst), 0, "{engine:?}");
        }
        assert_eq!(stand_in.get("allocated"), allocated);
        assert!(engine == AUTO || !queue.uses_device());
    }
    COUNTS.store(true, SeqCst);
    drop(std::hint::black_box(Box::new(1)));
    COUNTS.store(false, SeqCst);
    assert_eq!(ALLOCATIONS.load(SeqCst), 1, "allocations are counted");
    TESTS.set(false);
}
