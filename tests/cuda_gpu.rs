//! The CUDA engine on a real device, where there is one: objects, verdicts, every kernel. Alone in its program, since the other
//! tests give the process a stand-in for the driver.

mod common;

use common::hostile::{damaged, lz4_at_the_end, made_pages, noise, page_of_parts, tzp_of_parts, zstd_pages};
use common::objects::check;
use common::simt::{Build, Kernel, Shim};
use common::{Random, corpus, cpu};
use corpus::PAGE;
use tzram::cuda_testing::{Device, Op, Work, open};
use tzram::{Error, PageAlgorithm};

const BATCH: usize = 1024;

fn device(work: Work) -> Option<Box<dyn Device>> {
    match open(0, work, BATCH) {
        Ok(device) => Some(device),
        Err(Error::NoDevice) => {
            println!("SKIPPED cuda-device: no CUDA device or driver");
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn pages() -> Vec<Vec<u8>> {
    let mut pages = made_pages();
    pages.extend(corpus::sample(1));
    pages
}

/// What the device makes of the inputs, with all slots under way; `None`: to be stored raw.
fn run(device: &mut dyn Device, op: Op, inputs: &[Vec<u8>]) -> Vec<Result<Option<Vec<u8>>, Error>> {
    let (slots, mut results) = (device.slots(), Vec::new());
    let mut under_way = std::collections::VecDeque::new();
    let mut finish = |device: &mut dyn Device, (slot, count): (usize, usize)| {
        device.wait(slot).expect("no fault");
        results.extend((0..count).map(|i| device.get(slot, i).map(|result| result.map(<[u8]>::to_vec))));
    };
    for (number, batch) in inputs.chunks(BATCH).enumerate() {
        if under_way.len() == slots {
            finish(device, under_way.pop_front().expect("as many as slots"));
        }
        let slot = number % slots;
        batch.iter().enumerate().for_each(|(i, input)| device.put(slot, i, input));
        device.start(slot, op, batch.len()).expect("no fault");
        under_way.push_back((slot, batch.len()));
    }
    under_way.into_iter().for_each(|batch| finish(device, batch));
    assert_eq!(results.len(), inputs.len());
    results
}

fn compress(device: &mut dyn Device, pages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let made = run(device, Op::Compress, pages).into_iter().zip(pages);
    made.map(|(made, page)| made.expect("pages are never damaged").unwrap_or_else(|| page.clone())).collect()
}

#[test]
fn tzp_objects_are_those_of_the_cpu() {
    let pages = pages();
    for level in 1..=4 {
        let Some(mut device) = device(Work::Tzp { level }) else { return };
        let objects = compress(&mut *device, &pages);
        let mut cpu = cpu(PageAlgorithm::Tzp, level as i32);
        for (number, (object, page)) in objects.iter().zip(&pages).enumerate() {
            let expected = cpu.compress_page(page).expect("a page always fits").data;
            assert!(*object == expected, "page {number} at level {level}");
        }
    }
}

#[test]
fn lz4_objects_are_valid_and_as_small_as_those_of_the_cpu() {
    let Some(mut device) = device(Work::Lz4) else { return };
    let pages = pages();
    let objects = compress(&mut *device, &pages);
    assert!(compress(&mut *device, &pages) == objects, "another run, other bytes");
    let ratio = check(PageAlgorithm::Lz4, &objects, &pages, made_pages().len());
    assert!(ratio <= 1.02, "{ratio}");
}

#[test]
fn zstd_objects_are_valid_and_as_small_as_those_of_the_cpu() {
    let Some(mut device) = device(Work::Zstd) else { return };
    let mut pages = pages();
    let (mut made, mut random) = (zstd_pages(), Random::new(13));
    made.extend((0..20_000).map(|_| page_of_parts(&mut random)));
    pages.splice(0..0, made.iter().cloned());
    let objects = compress(&mut *device, &pages);
    assert!(compress(&mut *device, &pages) == objects, "another run, other bytes");
    let ratio = check(PageAlgorithm::Zstd, &objects, &pages, made.len() + made_pages().len());
    assert!(ratio <= 1.03, "{ratio}");
    // Not a byte depends on who executes the kernel.
    let Some(mut shim) = Shim::start(Build::Fast) else { return };
    for (number, (batch, objects)) in pages.chunks(100).zip(objects.chunks(100)).step_by(5).enumerate() {
        let batch: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
        let of_shim = shim.compress(Kernel::Zstd, 1, &batch).unwrap_or_else(|fault| panic!("{fault}"));
        assert!(of_shim == objects, "batch {number}");
    }
}

#[test]
fn pages_are_restored() {
    let Some(mut device) = device(Work::Lz4) else { return };
    let pages = pages();
    for (algorithm, level) in [(PageAlgorithm::Tzp, 2), (PageAlgorithm::Lz4, 1), (PageAlgorithm::Lz4, 9)] {
        let mut cpu = cpu(algorithm, level);
        let objects: Vec<_> =
            pages.iter().map(|page| cpu.compress_page(page).expect("a page always fits").data).collect();
        for (number, (restored, page)) in run(&mut *device, Op::Decompress, &objects).iter().zip(&pages).enumerate() {
            let restored = restored.as_ref().map(|page| page.as_deref());
            assert!(restored == Ok(Some(page)), "page {number}, {algorithm:?} at level {level}");
        }
    }
}

#[test]
fn damaged_objects_get_the_verdict_of_the_cpu() {
    let Some(mut device) = device(Work::Tzp { level: 2 }) else { return };
    let mut random = Random::new(11);
    let mut cpus = [cpu(PageAlgorithm::Tzp, 2), cpu(PageAlgorithm::Lz4, 1), cpu(PageAlgorithm::Lz4, 9)];
    let sound: Vec<Vec<u8>> = pages()
        .iter()
        .enumerate()
        .map(|(i, page)| cpus[i % 3].compress_page(page).expect("a page always fits").data)
        .filter(|object| object.len() < PAGE)
        .collect();
    let mut verdicts = [0; 2];
    for _ in 0..40 {
        let mut objects = Vec::new();
        while objects.len() < 8 * BATCH {
            let which = random.below(sound.len());
            objects.push(damaged(&mut random, &sound[which]));
            objects.push(noise(&mut random));
            objects.push(lz4_at_the_end(&mut random));
            objects.push(tzp_of_parts(&mut random));
        }
        // The engine keeps empty objects, Zstandard and dictionaries to itself.
        objects
            .retain(|object| object.len() == PAGE || object.first().is_some_and(|tag| tag & 16 == 0 && tag & 15 != 4));
        for (object, restored) in objects.iter().zip(run(&mut *device, Op::Decompress, &objects)) {
            let expected = cpus[0].decompress_page(object);
            verdicts[usize::from(expected.is_ok())] += 1;
            assert_eq!(restored.is_ok(), expected.is_ok(), "{object:02x?}");
            assert!(restored.is_err() || restored.ok().flatten() == expected.ok(), "{object:02x?}");
        }
    }
    println!("damaged objects: {} refused, {} decoded", verdicts[0], verdicts[1]);
    assert!(verdicts.iter().all(|&count| count > 10_000), "{verdicts:?}");
}
