//! The threads that feed a device: requests into batches, batches through the device's slots, and everything to the workers
//! when the device fails. Each thread has slots of its own, hence a [`Device`] of its own, on the same hardware.

use core::sync::atomic::{
    AtomicU8, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::gate::Gate;
use super::{Queue, Request, Seat, Work, put_all, room_for};
use crate::alg::{Codec, tzp};
use crate::base::Error;
use crate::base::device::{Device, Fault, Op};
use crate::base::page::PAGE_SIZE;
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::engine::page::Context;
use crate::engine::params::{Choice, DEFAULT_ALG, Params};
use crate::engine::stats::{PageCodec, Snapshot};
use crate::kernel::ring::{Apart, Ring};
use crate::kernel::scratch::Scratch;
use crate::kernel::word::prefetch;

/// Most pages of a batch; fewer where the queue is not deep enough for two such batches of every thread.
#[cfg(feature = "cuda")]
const BATCH: usize = 1024;

/// Most threads that feed a device. Each copies about a million pages a second, of the eight that the bus carries, and takes a CPU
/// for it.
#[cfg(feature = "cuda")]
const FEEDERS: usize = 4;

/// CPUs for each thread that feeds a device: it copies all the time, and three in four are left to the caller.
#[cfg(feature = "cuda")]
const CPUS_FOR_EACH: usize = 4;

/// A batch that is smaller is not worth a second thread: to start it takes as long as to copy so many pages.
const SMALL: usize = 32;

/// How many requests ahead of the one that is copied the next one's memory is asked for.
const AHEAD: usize = 2;

/// When the device is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// For all that it can do.
    Always,
    /// When at least so many requests wait.
    From {
        /// How many.
        least: usize,
        /// Whether compression pays at all.
        compress: bool,
        /// Whether decompression does.
        decompress: bool,
    },
}

/// What a device has to do for these parameters, codec and level; `None`: no device can.
pub(super) fn job(params: &Params<'_>) -> Option<(Codec, i32)> {
    let alg = params.alg.unwrap_or(DEFAULT_ALG);
    if params.page_size != PAGE_SIZE || params.dict.is_some() || params.backend.is_some() {
        return None;
    }
    let Choice { driver, level, .. } = params.choose().ok()?;
    let can = match driver.codec {
        Codec::Tzp => alg == b"tzp" && (1..=tzp::MAX_LEVEL).contains(&level),
        Codec::Lz4 => alg == b"lz4" && level == driver.default_level,
        Codec::Zstd => alg == b"zstd" && level == driver.default_level,
        _ => false,
    };
    can.then_some((driver.codec, level))
}

/// Whether devices restore the object: one of their codecs, without a dictionary.
pub(super) fn can_restore(context: &Context<'_>, object: &[u8]) -> bool {
    context.info(object).is_ok_and(|info| info.dict_id == 0 && info.codec != PageCodec::Zstd)
}

/// How many threads feed the device of a queue of `depth`, and the most pages of their batches: two batches of each thread fill
/// the queue, and none has room for less than two small ones.
#[cfg(feature = "cuda")]
fn shape(depth: usize, cpus: usize) -> (usize, usize) {
    let feeders = (cpus / CPUS_FOR_EACH).min(depth / (4 * SMALL)).clamp(1, FEEDERS);
    (feeders, (depth / (2 * feeders)).clamp(1, BATCH))
}

/// Opens CUDA device `number` for the pages of a queue of `depth`, once for each thread that is to feed it where the process may use
/// `cpus` CPUs; less often where the memory is enough for one and not for all.
///
/// # Errors
/// As [`Params::choose`]; [`Error::Unsupported`]: no device can do what the parameters ask for. [`Error::NoDevice`]: this build has no
/// code for devices, or as the feature `cuda` has it. [`Error::NoMemory`].
// Without devices the compiler is to see that none comes out of this, and what uses one is left out.
#[cfg_attr(not(feature = "cuda"), allow(unused_variables), inline(always))]
pub fn open(number: i32, params: &Params<'_>, depth: usize, cpus: usize) -> Result<Vec<Box<dyn Device>>, Error> {
    params.choose()?;
    let (codec, level) = job(params).ok_or(Error::Unsupported)?;
    #[cfg(feature = "cuda")]
    {
        let work = match codec {
            Codec::Tzp => cuda::Work::Tzp { level: level.unsigned_abs() },
            Codec::Zstd => cuda::Work::Zstd,
            _ => cuda::Work::Lz4,
        };
        let (feeders, batch) = shape(depth, cpus);
        let mut devices = room_for(feeders)?;
        while devices.len() < feeders {
            match cuda::open(number, work, batch) {
                Ok(device) => devices.push(device),
                Err(Error::NoMemory) if !devices.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(devices)
    }
    #[cfg(not(feature = "cuda"))]
    Err(Error::NoDevice)
}

/// The device works.
const ACTIVE: u8 = 0;
/// It has failed; its threads are still giving back what they had.
const FAILED: u8 = 1;
/// Its threads have nothing left.
const GONE: u8 = 2;

/// What the device's threads share with the others.
pub struct Driver<'d, R> {
    feeders: Vec<Apart<Feeder<'d, R>>>,
    /// Those that have not left.
    inside: AtomicUsize,
    how: Use,
    state: AtomicU8,
    errors: AtomicU64,
    /// Where the threads sleep.
    pub(super) gate: Gate,
    /// What they leave to the workers.
    pub(super) left: Ring<R>,
}

/// The place of one of the device's threads.
struct Feeder<'d, R> {
    seat: Seat<'d, R>,
    /// What the thread takes along.
    kit: Mutex<Option<Kit<R>>>,
    pages: AtomicU64,
}

/// What the thread works with, beside a seat's tools.
struct Kit<R> {
    device: Box<dyn Device>,
    lot: Lot<R>,
}

/// Requests on their way through the device. Slots are used in turn: those from number `ended` to `begun` are under way.
struct Lot<R> {
    /// Taken from the inbox and not yet in a slot.
    held: Vec<R>,
    /// Room to sort `held`.
    spare: Vec<R>,
    /// Finished and not yet reported.
    finished: Vec<R>,
    slots: Vec<Vec<R>>,
    begun: usize,
    ended: usize,
}

impl<'d, R: Request> Feeder<'d, R> {
    fn new(params: &Params<'d>, device: Box<dyn Device>) -> Result<Self, Error> {
        let most = device.batch_pages();
        let mut slots = room_for(device.slots())?;
        for _ in 0..device.slots() {
            slots.push(room_for(most)?);
        }
        let (held, spare, finished) = (room_for(most)?, room_for(most)?, room_for(most)?);
        let lot = Lot { held, spare, finished, slots, begun: 0, ended: 0 };
        Ok(Feeder { seat: Seat::new(params)?, kit: Mutex::new(Some(Kit { device, lot })), pages: AtomicU64::new(0) })
    }

    /// Whether the device can do what is asked for: to compress, or to restore this object.
    fn can(&self, work: &Work<'_>) -> bool {
        match work {
            Work::Compress { .. } => true,
            Work::Decompress { object, .. } => can_restore(&self.seat.context, object),
        }
    }

    /// Finishes a request with what the device made of it. `None`: the device made nothing of it, or what it made is none.
    fn apply(&self, request: &mut R, got: Result<Option<&[u8]>, Error>) -> Option<Result<usize, Error>> {
        let stats = self.seat.context.stats();
        match (request.work(self.seat.context.page_size()), got) {
            (Ok(Work::Compress { page, object }), Ok(made)) => {
                let (made, codec) = match made {
                    None => (page, PageCodec::Raw),
                    Some(made) => (made, self.seat.context.info(made).ok()?.codec),
                };
                let result = object.get_mut(..made.len()).ok_or(Error::NoSpace).map(|object| {
                    object.copy_from_slice(made);
                    made.len()
                });
                match result {
                    Ok(len) => stats.compressed(codec, len),
                    Err(_) => stats.compress_failed(),
                }
                Some(result)
            }
            (Ok(Work::Decompress { page, .. }), Ok(Some(made))) if made.len() == page.len() => {
                page.copy_from_slice(made);
                stats.decompressed(true);
                Some(Ok(made.len()))
            }
            (Ok(Work::Decompress { .. }), Err(Error::Corrupt)) => {
                stats.decompressed(false);
                Some(Err(Error::Corrupt))
            }
            _ => None,
        }
    }
}

impl<'d, R: Request> Driver<'d, R> {
    pub(super) fn new(
        params: &Params<'d>,
        room: usize,
        devices: Vec<Box<dyn Device>>,
        how: Use,
    ) -> Result<Self, Error> {
        let mut feeders = room_for(devices.len())?;
        for device in devices {
            feeders.push(Apart(Feeder::new(params, device)?));
        }
        Ok(Driver {
            inside: AtomicUsize::new(feeders.len()),
            feeders,
            how,
            state: AtomicU8::new(ACTIVE),
            errors: AtomicU64::new(0),
            gate: Gate::default(),
            left: Ring::new(room)?,
        })
    }

    /// How many threads feed the device.
    pub(super) fn threads(&self) -> usize {
        self.feeders.len()
    }

    /// Whether the device is in use.
    pub(super) fn is_active(&self) -> bool {
        self.state.load(SeqCst) == ACTIVE
    }

    /// Takes the device out of use; `false`: it is already.
    fn fail(&self) -> bool {
        self.state.compare_exchange(ACTIVE, FAILED, SeqCst, SeqCst).is_ok()
    }

    /// Whether the threads will leave nothing more to the workers.
    pub(super) fn is_gone(&self) -> bool {
        self.state.load(SeqCst) == GONE
    }

    /// Whether the inbox is the device's alone.
    pub(super) fn takes_all(&self) -> bool {
        self.how == Use::Always && self.is_active()
    }

    /// From how many waiting requests on a thread takes a batch.
    fn least(&self) -> usize {
        match self.how {
            Use::Always => 1,
            Use::From { least, .. } => least.max(1),
        }
    }

    /// Requests that are worth a thread that has other things to do.
    fn worth(&self) -> usize {
        if self.feeders.len() == 1 { self.least() } else { self.least().max(SMALL) }
    }

    /// Wakes as many sleeping threads as `waiting` requests are worth, beside those that are awake and will look.
    fn call(&self, waiting: usize) {
        let asleep = self.gate.asleep();
        if asleep > 0 && waiting >= self.least() {
            let awake = self.feeders.len().saturating_sub(asleep);
            self.gate.wake((waiting / self.worth()).max(1).saturating_sub(awake), || ());
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut total = Snapshot { device_errors: self.errors.load(Relaxed), ..Snapshot::default() };
        for Apart(feeder) in &self.feeders {
            total.add(&feeder.seat.context.stats().snapshot());
            total.device_pages += feeder.pages.load(Relaxed);
        }
        total
    }
}

impl<'d, R: Request> Queue<'d, R> {
    /// Puts requests where the device's threads or the workers look for them, and calls the former.
    pub(super) fn route(&self, driver: &Driver<'d, R>, mut requests: impl ExactSizeIterator<Item = R>) {
        match driver.how {
            Use::From { compress, decompress, .. } if !(compress && decompress) => {
                for mut request in requests {
                    let pays = match request.work(self.page_size) {
                        Ok(Work::Compress { .. }) => compress,
                        Ok(Work::Decompress { .. }) => decompress,
                        Err(_) => false,
                    };
                    let ring = if pays { &self.inbox } else { &driver.left };
                    put_all(ring, &mut core::iter::once(request));
                }
            }
            _ => put_all(&self.inbox, &mut requests),
        }
        driver.call(self.inbox.len());
    }

    /// A thread of the device's.
    pub(super) fn drive(&self, driver: &Driver<'d, R>, index: usize) {
        let feeder = &driver.feeders[index].0;
        let kit = feeder.kit.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(Kit { mut device, mut lot }), Some(mut tools)) = (kit, feeder.seat.sit()) else { return };
        let run = || self.run_device(driver, feeder, &mut *device, &mut lot, &mut tools.scratch);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => {}
            // What fails for one thread fails for all: the first one counts it.
            Ok(Err(_)) if driver.fail() => _ = driver.errors.fetch_add(1, Relaxed),
            Ok(Err(_)) => {}
            Err(payload) => {
                core::mem::forget(payload);
                self.poisoned.store(true, Relaxed);
            }
        }
        // Only where the queue stops may a thread leave and the device be of use to the others.
        if self.poisoned.load(Relaxed) {
            driver.fail();
        }
        if !driver.is_active() {
            driver.gate.wake(usize::MAX, || ());
        }
        self.finished(&mut lot.finished);
        for requests in lot.slots.iter_mut().chain([&mut lot.held, &mut lot.spare]) {
            put_all(&driver.left, &mut requests.drain(..));
        }
        self.workers.wake(usize::MAX, || ());
        // A driver that has lost its device may do anything when it is told to give it back.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(device))) {
            core::mem::forget(payload);
        }
        if driver.inside.fetch_sub(1, SeqCst) == 1 {
            driver.state.store(GONE, SeqCst);
            self.workers.wake(usize::MAX, || ());
        }
    }

    /// Keeps the slots of a thread full until the queue stops or the device fails. There is no time limit: a device that does neither
    /// its work nor fail keeps its requests, and whoever ends the queue waits for it.
    fn run_device(
        &self,
        driver: &Driver<'d, R>,
        feeder: &Feeder<'d, R>,
        device: &mut dyn Device,
        lot: &mut Lot<R>,
        scratch: &mut Scratch,
    ) -> Result<(), Fault> {
        let slots = lot.slots.len();
        while driver.is_active() {
            while lot.ended < lot.begun && device.is_done(lot.ended % slots)? {
                self.empty_slot(driver, feeder, device, lot, scratch);
            }
            if lot.begun - lot.ended < slots {
                let slot = lot.begun % slots;
                if let Some(op) = self.fill_slot(driver, feeder, device, lot, slot) {
                    device.start(slot, op, lot.slots[slot].len())?;
                    lot.begun += 1;
                    continue;
                }
            }
            if lot.ended < lot.begun {
                device.wait(lot.ended % slots)?;
                self.empty_slot(driver, feeder, device, lot, scratch);
            } else if self.inbox.len() < driver.least() {
                if self.stop.load(SeqCst) || self.poisoned.load(Relaxed) {
                    return Ok(());
                }
                driver.gate.sleep(None, || {
                    self.inbox.len() >= driver.least()
                        || self.stop.load(SeqCst)
                        || self.poisoned.load(Relaxed)
                        || !driver.is_active()
                });
            } else if self.poisoned.load(Relaxed) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Fills a slot with waiting requests of one kind, and passes by those that are not for the device. Returns the kind, or
    /// `None` where nothing is in the slot.
    fn fill_slot(
        &self,
        driver: &Driver<'d, R>,
        feeder: &Feeder<'d, R>,
        device: &mut dyn Device,
        lot: &mut Lot<R>,
        slot: usize,
    ) -> Option<Op> {
        // A thread that has something to wait for leaves a few requests to those that have not, or to its next batch.
        let least = if lot.ended < lot.begun { driver.worth() } else { driver.least() };
        let waiting = self.inbox.len();
        if lot.held.is_empty() && waiting >= least {
            let share = waiting.div_ceil(driver.threads()).max(driver.worth());
            self.inbox.take(share.min(device.batch_pages()), |request| lot.held.push(request));
            driver.call(self.inbox.len());
        }
        let (mut batch_op, mut left) = (None, 0);
        // Every request is in one of the lot's lists all the time: none is lost if something here panics.
        while let Some(request) = lot.held.pop() {
            let batch = &mut lot.slots[slot];
            let index = batch.len();
            batch.push(request);
            if let Some(later) = lot.held.len().checked_sub(2 * AHEAD) {
                lot.held[later].fetch();
            }
            if let Some(later) = lot.held.len().checked_sub(AHEAD)
                && let Ok(Work::Compress { page: input, .. } | Work::Decompress { object: input, .. }) =
                    lot.held[later].work(self.page_size)
            {
                prefetch(input);
            }
            let request = &mut batch[index];
            let list = match request.work(self.page_size) {
                Err(error) => {
                    request.finish(Err(error));
                    &mut lot.finished
                }
                Ok(work) if feeder.can(&work) => {
                    let (op, input) = match work {
                        Work::Compress { page, .. } => (Op::Compress, page),
                        Work::Decompress { object, .. } => (Op::Decompress, object),
                    };
                    if *batch_op.get_or_insert(op) == op {
                        device.put(slot, index, input);
                        continue;
                    }
                    &mut lot.spare
                }
                Ok(_) => {
                    left += 1;
                    put_all(&driver.left, &mut batch.drain(index..));
                    continue;
                }
            };
            list.extend(batch.drain(index..));
        }
        core::mem::swap(&mut lot.held, &mut lot.spare);
        self.finished(&mut lot.finished);
        self.call_workers(left);
        batch_op
    }

    /// Finishes the requests of the oldest slot under way, which is done.
    fn empty_slot(
        &self,
        driver: &Driver<'d, R>,
        feeder: &Feeder<'d, R>,
        device: &dyn Device,
        lot: &mut Lot<R>,
        scratch: &mut Scratch,
    ) {
        let slot = lot.ended % lot.slots.len();
        let requests = &mut lot.slots[slot];
        for i in 0..requests.len() {
            if let Some(later) = requests.get_mut(i + AHEAD)
                && let Ok(Some(made)) = device.get(slot, i + AHEAD)
                && let Ok(Work::Compress { object: output, .. } | Work::Decompress { page: output, .. }) =
                    later.work(self.page_size)
            {
                prefetch(made);
                prefetch(&output[..output.len().min(made.len())]);
            }
            let request = &mut requests[i];
            let result = feeder.apply(request, device.get(slot, i));
            let by = if result.is_some() { &feeder.pages } else { &driver.errors };
            by.fetch_add(1, Relaxed);
            match result {
                Some(result) => request.finish(result),
                None => self.serve(&feeder.seat, scratch, request, None),
            }
        }
        lot.ended += 1;
        self.finished(&mut lot.slots[slot]);
    }
}

#[cfg(all(test, feature = "cuda"))]
mod tests {
    use super::shape;

    #[test]
    fn a_thread_feeds_the_device_for_every_four_cpus_and_128_requests() {
        for (depth, cpus, feeders, batch) in [
            (1, 64, 1, 1),
            (7, 64, 1, 3),
            (255, 64, 1, 127),
            (256, 64, 2, 64),
            (1024, 1, 1, 512),
            (1024, 7, 1, 512),
            (1024, 8, 2, 256),
            (1024, 16, 4, 128),
            (1024, 64, 4, 128),
            (4096, 2, 1, 1024),
            (65536, 16, 4, 1024),
        ] {
            assert_eq!(shape(depth, cpus), (feeders, batch), "{depth} {cpus}");
        }
    }
}
