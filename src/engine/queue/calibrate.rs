//! From how many waiting requests on a device is faster than the workers.

use std::time::Instant;

use super::device::can_restore;
use super::{Use, room_for};
use crate::base::Error;
use crate::base::device::{Device, Fault, Op};
use crate::base::page::PAGE_SIZE;
use crate::engine::page::Context;
use crate::engine::params::Params;
use crate::kernel::scratch::Scratch;

/// Different pages that are timed.
const PAGES: usize = 64;
/// Runs of each measurement; the fastest counts, since everything that disturbs one makes it slower.
const RUNS: usize = 3;

/// Pages of four kinds that memory holds: pointers into one region, text, small numbers, noise.
fn generate(pages: &mut [u8]) {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    const WORDS: &[u8; 64] = b"the page of memory struct return 0x7fkernel swap int { } static ";
    for (number, page) in pages.chunks_exact_mut(PAGE_SIZE).enumerate() {
        for chunk in page.chunks_exact_mut(8) {
            let value = random();
            match number % 4 {
                0 => chunk.copy_from_slice(&(0x7f12_3456_0000 + value % 4096 * 16).to_le_bytes()),
                1 => chunk.copy_from_slice(&WORDS[(value % 8) as usize * 8..][..8]),
                2 => chunk.copy_from_slice(&(value % 50).to_le_bytes()),
                _ => chunk.copy_from_slice(&value.to_le_bytes()),
            }
        }
    }
}

/// Seconds of the fastest of some runs.
fn fastest<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Seconds that a batch takes.
#[derive(Clone, Copy)]
struct Times {
    /// Copies into and out of the slot included.
    whole: f64,
    /// From the start until it is done.
    alone: f64,
}

/// How long the device takes for a batch of `count` inputs.
fn device_times<'i>(
    device: &mut dyn Device,
    op: Op,
    count: usize,
    input: impl Fn(usize) -> &'i [u8],
) -> Result<Times, Fault> {
    let (mut out, mut alone) = ([0; PAGE_SIZE], f64::INFINITY);
    let whole = fastest(|| {
        for i in 0..count {
            device.put(0, i, input(i));
        }
        let start = Instant::now();
        device.start(0, op, count)?;
        device.wait(0)?;
        alone = alone.min(start.elapsed().as_secs_f64());
        for i in 0..count {
            if let Ok(Some(made)) = device.get(0, i)
                && let Some(out) = out.get_mut(..made.len())
            {
                out.copy_from_slice(made);
                core::hint::black_box(out);
            }
        }
        Ok(())
    })?;
    Ok(Times { whole, alone })
}

/// What a batch takes in any case, and what each page adds, on average of the batches of `feeders` threads. `short` and `long` took
/// batches of which the second has `more` pages more. Copies are made by all threads at once; what is between them, bus and device,
/// is not done any faster for that.
fn line(short: Times, long: Times, few: usize, more: usize, feeders: usize) -> (f64, f64) {
    let whole = (long.whole - short.whole) / more as f64;
    let alone = (long.alone - short.alone) / more as f64;
    ((short.whole - whole * few as f64) / feeders as f64, alone.max(whole / feeders as f64))
}

/// The least n with `fixed + each * n <= n * cpu`, if there is one of at most `most`.
fn break_even(fixed: f64, each: f64, cpu: f64, most: usize) -> Option<usize> {
    let gain = cpu - each;
    if gain <= 0.0 {
        return None;
    }
    // Rounded up, without a function of libm.
    let (least, floor) = (fixed.max(0.0) / gain, (fixed.max(0.0) / gain) as usize);
    let least = floor.saturating_add(usize::from((floor as f64) < least)).max(1);
    (least <= most).then_some(least)
}

/// Returns how to use a device that `feeders` threads feed beside `threads` workers, or `None` if it never pays. The time of a batch
/// of n pages is taken as a + b n from two batches of one thread, and that of the workers as c n / threads. It is assumed that every
/// feeder finds a batch, and that it takes its CPU from nobody: the workers take what it leaves to them.
///
/// # Errors
/// As [`Context::new`]; [`Error::NoMemory`]; [`Error::NoDevice`]: the device failed.
pub fn calibrate(
    device: &mut dyn Device,
    feeders: usize,
    params: &Params<'_>,
    threads: usize,
) -> Result<Option<Use>, Error> {
    let context = Context::new(params)?;
    let mut scratch = Scratch::new(Context::scratch_words(params)?)?;
    let (mut pages, mut objects) = (room_for(PAGES * PAGE_SIZE)?, room_for(PAGES * PAGE_SIZE)?);
    pages.resize(PAGES * PAGE_SIZE, 0);
    objects.resize(PAGES * PAGE_SIZE, 0);
    generate(&mut pages);
    let mut lengths = [0; PAGES];
    let compress = fastest(|| {
        for ((page, object), len) in
            pages.chunks_exact(PAGE_SIZE).zip(objects.chunks_exact_mut(PAGE_SIZE)).zip(&mut lengths)
        {
            *len = context.compress(&mut scratch, page, object)?;
        }
        Ok(())
    })?;
    // What a device does not restore is no work for it, however fast it says so.
    let all = || objects.chunks_exact(PAGE_SIZE).zip(&lengths).map(|(object, &len)| &object[..len]);
    let restores = all().all(|object| can_restore(&context, object));
    let mut back = [0; PAGE_SIZE];
    let decompress = fastest(|| {
        for object in all() {
            context.decompress(&mut scratch, object, &mut back)?;
            core::hint::black_box(&back);
        }
        Ok(())
    })?;
    let page = |i: usize| &pages[i % PAGES * PAGE_SIZE..][..PAGE_SIZE];
    let object = |i: usize| &objects[i % PAGES * PAGE_SIZE..][..lengths[i % PAGES]];
    let most = device.batch_pages();
    let few = (most / 8).max(1);
    let mut least_for = |op, cpu: f64| -> Result<Option<usize>, Fault> {
        let mut times = |count| match op {
            Op::Compress => device_times(device, op, count, page),
            Op::Decompress => device_times(device, op, count, object),
        };
        let (short, long) = (times(few)?, times(most)?);
        let (fixed, each) = line(short, long, few, (most - few).max(1), feeders);
        Ok(break_even(fixed, each, cpu / (PAGES * threads) as f64, most))
    };
    let compress = least_for(Op::Compress, compress).map_err(|_| Error::NoDevice)?;
    let decompress = if restores { least_for(Op::Decompress, decompress).map_err(|_| Error::NoDevice)? } else { None };
    Ok(compress.max(decompress).map(|least| Use::From {
        least,
        compress: compress.is_some(),
        decompress: decompress.is_some(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_the_copies_and_not_the_bus() {
        let times = |n: f64| Times { whole: 100.0 + 8.0 * n, alone: 90.0 + 3.0 * n };
        let line = |feeders| line(times(10.0), times(50.0), 10, 40, feeders);
        assert_eq!(line(1), (100.0, 8.0));
        assert_eq!(line(2), (50.0, 4.0));
        assert_eq!(line(4), (25.0, 3.0));
    }

    #[test]
    fn a_device_pays_from_where_its_line_crosses_that_of_the_workers() {
        assert_eq!(break_even(10.0, 1.0, 2.0, 100), Some(10));
        assert_eq!(break_even(10.0, 1.0, 2.0, 9), None);
        assert_eq!(break_even(10.0, 2.0, 2.0, 100), None);
        assert_eq!(break_even(-1.0, 1.0, 2.0, 100), Some(1));
        assert_eq!(break_even(0.0, 3.0, 2.0, 100), None);
    }
}
