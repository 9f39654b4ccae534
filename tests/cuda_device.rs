//! The host side of the CUDA engine through the real cudarc, with the stand-in for the driver: batches, missing drivers, devices
//! that fail at every call, devices that answer nonsense.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use common::stand_in::{
    Answer, Kernels, StandIn, compile as compile_stand_in, has_driver, in_a_process_with, load_library,
};
use common::{Random, corpus};
use tzram::cuda_testing::{Device, Fault, Op, SYMBOLS, Work, open};
use tzram::{Error, PageAlgorithm, PageCompressor};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
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

const WORKS: [Work; 3] = [Work::Tzp { level: 2 }, Work::Lz4, Work::Zstd];

/// Every kind of page: real ones, same-filled ones, one that nothing makes shorter.
fn pages(step: usize) -> Vec<Vec<u8>> {
    let mut pages = corpus::sample(step);
    let mut random = Random::new(7);
    pages.extend([0, 0x5A].map(|byte| vec![byte; 4096]));
    pages.push(b"8 bytes.".repeat(512));
    pages.push((0..4096).map(|_| random.next() as u8).collect());
    pages
}

/// What a device made of an input: an object or a page, `None` for a page that is to be stored raw, or an error.
type Results = Vec<Result<Option<Vec<u8>>, Error>>;

/// Runs the inputs through the device as the engine does: batches of up to `batch`, a slot after the other, each read when it is
/// needed again. What came back before a fault is right or not there.
fn run(device: &mut dyn Device, op: Op, inputs: &[Vec<u8>], batch: usize, results: &mut Results) -> Result<(), Fault> {
    let mut started: Vec<Option<usize>> = vec![None; device.slots()];
    for (number, inputs) in inputs.chunks(batch).enumerate() {
        let slot = number % started.len();
        if let Some(count) = started[slot].take() {
            finish(device, slot, count, number % 2 == 0, results)?;
        }
        for (index, input) in inputs.iter().enumerate() {
            device.put(slot, index, input);
        }
        device.start(slot, op, inputs.len())?;
        started[slot] = Some(inputs.len());
    }
    let first = inputs.chunks(batch).count() % started.len();
    let slots = started.len();
    for slot in (0..slots).map(|i| (first + i) % slots) {
        if let Some(count) = started[slot].take() {
            finish(device, slot, count, true, results)?;
        }
    }
    Ok(())
}

fn finish(device: &mut dyn Device, slot: usize, count: usize, wait: bool, results: &mut Results) -> Result<(), Fault> {
    if wait {
        device.wait(slot)?;
    } else {
        while !device.is_done(slot)? {}
    }
    results.extend((0..count).map(|index| device.get(slot, index).map(|result| result.map(<[u8]>::to_vec))));
    Ok(())
}

/// Objects of every codec that devices read, made by the CPU.
fn objects_of(pages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut makers = [PageAlgorithm::Tzp, PageAlgorithm::Lz4]
        .map(|algorithm| PageCompressor::builder().algorithm(algorithm).build().expect("a compressor"));
    let all = pages.iter().enumerate();
    all.map(|(i, page)| makers[i % 2].compress_page(page).expect("an object").data).collect()
}

/// What the device makes of pages; itself a page where that is to be stored raw.
fn compress(device: &mut dyn Device, pages: &[Vec<u8>], batch: usize) -> Vec<Vec<u8>> {
    let mut results = Results::new();
    run(device, Op::Compress, pages, batch, &mut results).expect("no fault");
    assert_eq!(results.len(), pages.len());
    let objects = pages.iter().zip(results);
    objects.map(|(page, object)| object.expect("compression does not fail").unwrap_or_else(|| page.clone())).collect()
}

/// Pages to objects that the CPU reads, and objects of device and CPU to pages again.
fn there_and_back(work: Work, pages: &[Vec<u8>], batch: usize) {
    let mut cpu = PageCompressor::new();
    let mut device = open(0, work, 64).expect("a device");
    assert_eq!((device.batch_pages(), device.slots() >= 2), (64, true));
    let objects = compress(&mut *device, pages, batch);
    for (page, object) in pages.iter().zip(&objects) {
        assert_eq!(&cpu.decompress_page(object).expect("an object"), page);
    }
    let codec = match work {
        Work::Lz4 => 3,
        Work::Zstd => 4,
        Work::Tzp { .. } => 5,
    };
    assert!(objects.iter().filter(|object| object.len() < 4096 && object[0] == codec).count() > pages.len() / 2);
    assert!(objects.iter().any(|object| object.len() == 4096), "one page is stored raw");

    for objects in [&objects, &objects_of(pages)] {
        let mut results = Results::new();
        run(&mut *device, Op::Decompress, objects, batch, &mut results).expect("no fault");
        assert_eq!(results.len(), pages.len());
        for (page, result) in pages.iter().zip(results) {
            assert_eq!(result.expect("an object").as_ref(), Some(page));
        }
    }
}

#[test]
fn pages_become_objects_that_the_cpu_reads_and_come_back() {
    let Some(stand_in) = StandIn::take() else { return };
    for (work, batch) in WORKS.into_iter().zip([64, 7]) {
        there_and_back(work, &pages(53), batch);
        stand_in.assert_clean("after the batches");
    }
}

/// The same with the kernels that a device runs, here by the CPU (tests/cuda/simt.h).
#[test]
fn the_kernels_of_the_library_do_the_same() {
    if std::env::var_os("TZRAM_TEST_DRIVER").is_some() {
        return;
    }
    let Some(driver) = compile_stand_in(Kernels::Shim) else {
        println!("SKIPPED cuda-stand-in: no C++20 compiler");
        return;
    };
    for name in [
        "pages_become_objects_that_the_cpu_reads_and_come_back",
        "damage_is_told_object_by_object",
        "slots_are_under_way_together_and_nothing_is_allocated_for_a_batch",
        "a_device_goes_from_thread_to_thread",
    ] {
        in_a_process_with(name, driver.to_str().expect("a path"));
    }
}

#[test]
fn damage_is_told_object_by_object() {
    let Some(stand_in) = StandIn::take() else { return };
    let pages = pages(211);
    let mut objects = objects_of(&pages);
    for object in objects.iter_mut().step_by(3).filter(|object| object.len() < 4096) {
        // No codec 15; a last byte too few.
        if object.len() % 2 == 0 { object[0] = 15 } else { object.truncate(object.len() - 1) }
    }
    objects.push(Vec::new());
    let mut cpu = PageCompressor::new();
    let mut device = open(0, WORKS[0], 16).expect("the stand-in");
    let mut results = Results::new();
    run(&mut *device, Op::Decompress, &objects, 16, &mut results).expect("damage is no fault");
    let mut damaged = 0;
    for (object, result) in objects.iter().zip(results) {
        let expected = cpu.decompress_page(object);
        damaged += usize::from(expected.is_err());
        assert_eq!(result, expected.map(Some));
    }
    assert!(damaged > pages.len() / 4 && damaged < pages.len() / 2);
    drop(device);
    stand_in.assert_clean("after damage");
}

#[test]
fn slots_are_under_way_together_and_nothing_is_allocated_for_a_batch() {
    let Some(stand_in) = StandIn::take() else { return };
    let pages = pages(331);
    let pages = &pages[..12];
    let mut device = open(0, Work::Lz4, 4).expect("the stand-in");
    let allocated = stand_in.get("allocated");
    for round in 0..3 {
        for slot in 0..3 {
            for (index, page) in pages[4 * slot..][..4].iter().enumerate() {
                device.put(slot, index, page);
            }
            let before = ALLOCATIONS.get();
            device.start(slot, Op::Compress, 4).expect("no fault");
            assert_eq!(ALLOCATIONS.get(), before);
        }
        // The last first; polled in the first round, where it takes several calls.
        for slot in (0..3).rev() {
            let (before, mut polls) = (ALLOCATIONS.get(), 0);
            if round == 0 {
                while !device.is_done(slot).expect("no fault") {
                    polls += 1;
                }
            } else {
                device.wait(slot).expect("no fault");
            }
            assert!(device.is_done(slot).expect("no fault"), "done stays done");
            let same = (0..4).filter(|&index| device.get(slot, index).is_ok()).count();
            assert_eq!((ALLOCATIONS.get(), same), (before, 4));
            assert!(round > 0 || polls > 2, "{polls}");
        }
    }
    assert_eq!(stand_in.get("allocated"), allocated);
    assert_eq!(stand_in.get("launches"), 9);
    drop(device);
    stand_in.assert_clean("after the batches");
}

#[test]
fn a_device_goes_from_thread_to_thread() {
    let Some(stand_in) = StandIn::take() else { return };
    let pages = pages(501);
    let device = open(0, Work::Lz4, 8).expect("the stand-in");
    assert_eq!(stand_in.get("depth"), 0, "the thread that opens it keeps no context");
    let (mut device, pages) = std::thread::spawn(move || {
        let mut device = device;
        run(&mut *device, Op::Compress, &pages, 8, &mut Results::new()).expect("no fault");
        (device, pages)
    })
    .join()
    .expect("no panic");
    for (index, page) in pages[..3].iter().enumerate() {
        device.put(0, index, page);
    }
    device.start(0, Op::Compress, 3).expect("no fault");
    // Dropped while it is under way.
    std::thread::spawn(move || drop(device)).join().expect("no panic");
    stand_in.assert_clean("dropped by another thread");
}

fn panics(device: &mut dyn Device, what: &dyn Fn(&mut dyn Device)) -> bool {
    catch_unwind(AssertUnwindSafe(|| what(device))).is_err()
}

#[test]
fn a_slot_that_is_under_way_is_not_to_be_touched() {
    let Some(stand_in) = StandIn::take() else { return };
    let mut device = open(0, Work::Lz4, 2).expect("the stand-in");
    let page = [1u8; 4096];
    assert!(panics(&mut *device, &|device| _ = device.get(0, 0)), "nothing is done");
    device.put(0, 0, &page);
    assert!(panics(&mut *device, &|device| device.put(0, 2, &page)), "not in order");
    assert!(panics(&mut *device, &|device| device.put(0, 1, &[0; 4097])), "longer than a page");
    assert!(panics(&mut *device, &|device| _ = device.start(0, Op::Compress, 2)), "one input is there");
    device.put(0, 1, &page);
    assert!(panics(&mut *device, &|device| device.put(0, 2, &page)), "longer than a batch");
    device.start(0, Op::Compress, 2).expect("no fault");
    assert!(panics(&mut *device, &|device| device.put(0, 0, &page)), "under way");
    assert!(panics(&mut *device, &|device| _ = device.get(0, 0)), "under way");
    assert!(panics(&mut *device, &|device| _ = device.start(0, Op::Compress, 2)), "under way");
    device.wait(0).expect("no fault");
    assert_eq!(device.get(0, 1), Ok(Some(&[1, 1][..])));
    assert!(panics(&mut *device, &|device| _ = device.get(0, 2)), "no such result");
    drop(device);
    stand_in.assert_clean("after panics");
}

#[test]
fn a_slot_in_which_a_call_failed_stays_lost() {
    let Some(stand_in) = StandIn::take() else { return };
    // The work may be half under way: a copy that was put into the stream, the table without the objects.
    for (symbol, nth, starts) in [("cuLaunchKernel", 1, false), ("cuEventRecord", 1, false), ("cuEventRecord", 2, true)]
    {
        let mut device = open(0, Work::Lz4, 2).expect("the stand-in");
        stand_in.reset();
        stand_in.fail(symbol, nth, 9999, false);
        device.put(0, 0, &pages(701)[0]);
        assert_eq!(device.start(0, Op::Compress, 1).is_ok(), starts, "{symbol} {nth}");
        for _ in 0..2 {
            assert!(device.wait(0).is_err() && device.is_done(0).is_err(), "{symbol} {nth}");
        }
        assert!(panics(&mut *device, &|device| device.put(0, 0, &[1; 4096])), "{symbol} {nth}");
        assert!(panics(&mut *device, &|device| _ = device.get(0, 0)), "{symbol} {nth}");
        assert!(panics(&mut *device, &|device| _ = device.start(0, Op::Compress, 1)), "{symbol} {nth}");
        drop(device);
        stand_in.assert_clean(symbol);
    }
}

#[test]
fn parameters_that_it_cannot_do_are_refused() {
    assert_eq!(open(0, Work::Lz4, 0).err(), Some(Error::Invalid));
    assert_eq!(open(0, Work::Lz4, usize::MAX).err(), Some(Error::Invalid));
    for level in [0, 5, u32::MAX] {
        assert_eq!(open(0, Work::Tzp { level }, 1).err(), Some(Error::Unsupported));
    }
}

#[test]
fn a_device_that_is_not_there_or_too_old_is_no_device() {
    let Some(stand_in) = StandIn::take() else { return };
    let refused = |name: &str, value: i64, device: i32, expected: Error| {
        stand_in.reset();
        stand_in.set(name, value);
        assert_eq!(open(device, Work::Lz4, 4).err(), Some(expected), "{name} {value} {device}");
        stand_in.assert_clean(name);
    };
    refused("version", 11080, 0, Error::NoDevice);
    refused("version", 0, 0, Error::NoDevice);
    refused("devices", 0, 0, Error::NoDevice);
    for device in [2, -1, i32::MIN, i32::MAX] {
        refused("devices", 2, device, Error::NoDevice);
    }
    refused("major", 6, 0, Error::NoDevice); // older than the PTX is for
    for room in [4096, 40_000, 90_000] {
        refused("memory", room, 0, Error::NoMemory);
        refused("host_memory", room, 0, Error::NoMemory);
    }
    stand_in.reset();
    stand_in.set("devices", 2);
    assert!(open(1, Work::Lz4, 4).is_ok());
    stand_in.assert_clean("device 1");
}

#[test]
fn the_image_is_that_of_the_device_and_ptx_where_it_is_refused() {
    let Some(stand_in) = StandIn::take() else { return };
    for (major, minor, image) in
        [(7, 5, 75), (8, 0, 80), (8, 6, 86), (8, 7, 86), (8, 9, 89), (9, 0, 90), (10, 3, 100), (11, 0, 0), (12, 1, 120)]
    {
        stand_in.set("major", major);
        stand_in.set("minor", minor);
        assert!(open(0, Work::Lz4, 1).is_ok(), "{major}.{minor}");
        assert_eq!(stand_in.get("image"), image, "{major}.{minor}");
    }
    stand_in.set("refuse_cubins", 1);
    assert!(open(0, WORKS[0], 1).is_ok());
    assert_eq!(stand_in.get("image"), 0);
    stand_in.set("refuse_ptx", 1);
    assert_eq!(open(0, WORKS[0], 1).err(), Some(Error::NoDevice));
    stand_in.assert_clean("images");
}

/// How the use of a device ended, and the device.
type Used = (Result<(), Fault>, Box<dyn Device>);

/// Opens a device, compresses, restores, until something fails. What came back before is right.
fn use_it(work: Work, pages: &[Vec<u8>]) -> Result<Used, Error> {
    let mut device = open(0, work, 4)?;
    let mut cpu = PageCompressor::new();
    let (mut objects, mut restored) = (Results::new(), Results::new());
    let mut outcome = run(&mut *device, Op::Compress, pages, 4, &mut objects);
    for (page, object) in pages.iter().zip(&objects) {
        let object = object.as_ref().expect("compression does not fail").as_ref().unwrap_or(page);
        assert_eq!(&cpu.decompress_page(object).expect("an object"), page);
    }
    if outcome.is_ok() {
        outcome = run(&mut *device, Op::Decompress, &objects_of(pages), 4, &mut restored);
    }
    for (page, result) in pages.iter().zip(&restored) {
        assert_eq!(result.as_ref(), Ok(&Some(page.clone())));
    }
    Ok((outcome, device))
}

#[test]
fn a_fault_at_any_use_of_any_call_loses_nothing() {
    let Some(stand_in) = StandIn::take() else { return };
    let pages = pages(1009);
    let pages = &pages[pages.len() - 14..];
    // A failure of these is not told: the thread's context is another's business, and PTX takes the place of a cubin.
    let passed_over = ["cuCtxPopCurrent_v2", "cuModuleLoadData"];
    let mut runs = 0;
    let used = stand_in.at_every_use(SYMBOLS, |symbol, code, arm, what| {
        arm();
        runs += 1;
        match use_it(WORKS[runs % 2], pages) {
            Err(error) => assert_eq!(error, if code == 2 { Error::NoMemory } else { Error::NoDevice }, "{what}"),
            Ok((outcome, device)) => {
                let fired = stand_in.get("fired") > 0;
                drop(device);
                if let Err(fault) = outcome {
                    assert!(fired && fault.code == code, "{what}: {fault:?}");
                    let is_its_own = fault.call == symbol || symbol == "kernel" || what.ends_with("for good");
                    assert!(is_its_own, "{what}: {fault:?}");
                }
                assert!(!fired || outcome.is_err() || passed_over.contains(&symbol), "{what}");
            }
        }
    });
    assert!(SYMBOLS.iter().chain(&["kernel"]).all(|symbol| used.contains(symbol)), "{used:?}");
    assert!(runs > 1000, "{runs}");
}

#[test]
fn answers_that_no_kernel_gives_are_faults() {
    use Answer::{Cursor, Length, Offset, Status};
    let Some(stand_in) = StandIn::take() else { return };
    let pages = pages(701);
    let pages = &pages[..3];
    // A possible answer: 40 bytes, a raw page, 9 bytes.
    let good = [(Cursor, 0, 64), (Offset, 0, 0), (Length, 0, 40), (Length, 1, 4096), (Offset, 2, 48), (Length, 2, 9)];
    let with = |answers: &[(Answer, usize, u32)], op: Op, inputs: &[Vec<u8>]| {
        let mut device = open(0, Work::Lz4, 4).expect("the stand-in");
        for &(answer, index, value) in answers {
            stand_in.nonsense(answer, index, value);
        }
        let mut results = Results::new();
        let outcome = run(&mut *device, op, inputs, 4, &mut results);
        if outcome.is_err() {
            assert_eq!(results.len(), 0);
            assert!(device.is_done(0).is_err() && device.wait(0).is_err(), "a slot that is lost stays so");
        }
        drop(device);
        stand_in.assert_clean(&format!("{answers:?}"));
        outcome.map(|()| results).map_err(|fault| fault.code)
    };
    let lengths: Vec<Option<usize>> = with(&good, Op::Compress, pages)
        .expect("a possible answer")
        .into_iter()
        .map(|object| object.expect("compression does not fail").map(|object| object.len()))
        .collect();
    assert_eq!(lengths, [Some(40), None, Some(9)]);

    for (answer, index, value, why) in [
        (Cursor, 0, 3 * 4096 + 16, "more than there is room for"),
        (Cursor, 0, u32::MAX, "likewise"),
        (Cursor, 0, 48, "less than the objects take"),
        (Cursor, 0, 0, "nothing, but there are objects"),
        (Offset, 0, 64, "begins at the end"),
        (Offset, 0, u32::MAX - 15, "begins far outside"),
        (Offset, 0, 8, "not aligned"),
        (Length, 0, 0, "no bytes"),
        (Length, 0, 65, "ends behind the end"),
        (Length, 0, 4097, "longer than a page"),
        (Length, 0, u32::MAX, "likewise"),
        (Length, 0, 50, "takes the place of another"),
        (Length, 1, 4095, "is not there"),
    ] {
        let answers = [&good[..], &[(answer, index, value)]].concat();
        assert_eq!(with(&answers, Op::Compress, pages), Err(999), "{answer:?} {index} {value}: {why}");
    }
    let objects = objects_of(pages);
    assert_eq!(
        with(&[(Status, 1, -74i32 as u32)], Op::Decompress, &objects).expect("possible")[1],
        Err(Error::Corrupt)
    );
    for status in [1, 74, -1, -75, i32::MIN] {
        assert_eq!(with(&[(Status, 1, status as u32)], Op::Decompress, &objects), Err(999), "{status}");
    }
}

#[test]
fn without_a_driver_there_is_no_device() {
    if std::env::var_os("TZRAM_TEST_DRIVER").is_none() {
        return in_a_process_with("without_a_driver_there_is_no_device", "");
    }
    if has_driver() {
        return;
    }
    for _ in 0..2 {
        assert_eq!(open(0, Work::Lz4, 1).err(), Some(Error::NoDevice));
    }
}

#[test]
fn a_driver_without_one_of_the_functions_is_no_device() {
    const NAME: &str = "a_driver_without_one_of_the_functions_is_no_device";
    if let Ok(driver) = std::env::var("TZRAM_TEST_DRIVER") {
        load_library(Path::new(&driver));
        assert_eq!(open(0, Work::Lz4, 1).is_ok(), !driver.contains("without-"), "{driver}");
        return;
    }
    let Some(stand_in) = StandIn::take() else { return };
    in_a_process_with(NAME, stand_in.file.to_str().expect("a path"));
    for symbol in SYMBOLS {
        let file = stand_in.without(symbol);
        in_a_process_with(NAME, file.to_str().expect("a path"));
        std::fs::remove_file(&file).expect("the file");
    }
}
