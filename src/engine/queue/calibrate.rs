//! From how many waiting requests on a device is faster than the workers.

use std::time::Instant;

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

/// Seconds that the device takes for a batch of `count` inputs, copies included.
fn device_time<'i>(
    device: &mut dyn Device,
    op: Op,
    count: usize,
    input: impl Fn(usize) -> &'i [u8],
) -> Result<f64, Fault> {
    let mut out = [0; PAGE_SIZE];
    fastest(|| {
        for i in 0..count {
            device.put(0, i, input(i));
        }
        device.start(0, op, count)?;
        device.wait(0)?;
        for i in 0..count {
            if let Ok(Some(made)) = device.get(0, i)
                && let Some(out) = out.get_mut(..made.len())
            {
                out.copy_from_slice(made);
                core::hint::black_box(out);
            }
        }
        Ok(())
    })
}

/// The least n with `fixed + each * n <= n * cpu`, if there is one of at most `most`.
fn break_even(fixed: f64, each: f64, cpu: f64, most: usize) -> Option<usize> {
    let gain = cpu - each;
    if gain <= 0.0 {
        return None;
    }
    let least = (fixed.max(0.0) / gain).ceil().max(1.0);
    (least <= most as f64).then_some(least as usize)
}

/// Returns how to use a device beside `threads` workers, or `None` if it never pays: the time of a batch of n pages is taken as
/// a + b n from two batches, that of the workers as c n / threads.
///
/// # Errors
/// As [`Context::new`]; [`Error::NoMemory`]; [`Error::NoDevice`]: the device failed.
pub fn calibrate(device: &mut dyn Device, params: &Params<'_>, threads: usize) -> Result<Option<Use>, Error> {
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
    let mut back = [0; PAGE_SIZE];
    let decompress = fastest(|| {
        for (object, &len) in objects.chunks_exact(PAGE_SIZE).zip(&lengths) {
            context.decompress(&mut scratch, &object[..len], &mut back)?;
            core::hint::black_box(&back);
        }
        Ok(())
    })?;
    let page = |i: usize| &pages[i % PAGES * PAGE_SIZE..][..PAGE_SIZE];
    let object = |i: usize| &objects[i % PAGES * PAGE_SIZE..][..lengths[i % PAGES]];
    let most = device.batch_pages();
    let few = (most / 8).max(1);
    let mut least_for = |op, cpu: f64| -> Result<Option<usize>, Fault> {
        let mut time = |count| match op {
            Op::Compress => device_time(device, op, count, page),
            Op::Decompress => device_time(device, op, count, object),
        };
        let (short, long) = (time(few)?, time(most)?);
        let each = (long - short) / (most - few).max(1) as f64;
        Ok(break_even(short - each * few as f64, each, cpu / (PAGES * threads) as f64, most))
    };
    let compress = least_for(Op::Compress, compress).map_err(|_| Error::NoDevice)?;
    let decompress = least_for(Op::Decompress, decompress).map_err(|_| Error::NoDevice)?;
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
    fn a_device_pays_from_where_its_line_crosses_that_of_the_workers() {
        assert_eq!(break_even(10.0, 1.0, 2.0, 100), Some(10));
        assert_eq!(break_even(10.0, 1.0, 2.0, 9), None);
        assert_eq!(break_even(10.0, 2.0, 2.0, 100), None);
        assert_eq!(break_even(-1.0, 1.0, 2.0, 100), Some(1));
        assert_eq!(break_even(0.0, 3.0, 2.0, 100), None);
    }
}
