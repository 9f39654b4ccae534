//! The thread that drives a device: requests into batches, batches through the device's slots, and everything to the workers
//! when the device fails.

use core::sync::atomic::{
    AtomicU8, AtomicU64,
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
use crate::engine::params::{Choice, DEFAULT_ALG, Params};
use crate::engine::stats::{PageCodec, Snapshot};
use crate::kernel::ring::Ring;
use crate::kernel::scratch::Scratch;
use crate::kernel::word::prefetch;

/// Most pages of a batch; fewer where the queue is not deep enough for two such batches.
#[cfg(feature = "cuda")]
const BATCH: usize = 1024;

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
        _ => false,
    };
    can.then_some((driver.codec, level))
}

/// Opens CUDA device `number` for the pages of a queue of `depth`.
///
/// # Errors
/// As [`Params::choose`]; [`Error::Unsupported`]: no device can do what the parameters ask for. [`Error::NoDevice`]: this build has no
/// code for devices, or as the feature `cuda` has it. [`Error::NoMemory`].
#[cfg_attr(not(feature = "cuda"), allow(unused_variables))]
pub fn open(number: i32, params: &Params<'_>, depth: usize) -> Result<Box<dyn Device>, Error> {
    params.choose()?;
    let (codec, level) = job(params).ok_or(Error::Unsupported)?;
    #[cfg(feature = "cuda")]
    {
        let work = match codec {
            Codec::Tzp => cuda::Work::Tzp { level: level.unsigned_abs() },
            _ => cuda::Work::Lz4,
        };
        cuda::open(number, work, (depth / 2).clamp(1, BATCH))
    }
    #[cfg(not(feature = "cuda"))]
    Err(Error::NoDevice)
}

/// The device works.
const ACTIVE: u8 = 0;
/// It has failed; its thread is still giving back what it had.
const FAILED: u8 = 1;
/// Its thread has nothing left.
const GONE: u8 = 2;

/// What the device's thread shares with the others.
pub struct Driver<'d, R> {
    seat: Seat<'d, R>,
    /// What the thread takes along.
    kit: Mutex<Option<Kit<R>>>,
    how: Use,
    state: AtomicU8,
    pages: AtomicU64,
    errors: AtomicU64,
    /// Where the thread sleeps.
    pub(super) gate: Gate,
    /// What it leaves to the workers.
    pub(super) left: Ring<R>,
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

impl<'d, R: Request> Driver<'d, R> {
    pub(super) fn new(params: &Params<'d>, room: usize, device: Box<dyn Device>, how: Use) -> Result<Self, Error> {
        let most = device.batch_pages();
        let mut slots = room_for(device.slots())?;
        for _ in 0..device.slots() {
            slots.push(room_for(most)?);
        }
        let (held, spare, finished) = (room_for(most)?, room_for(most)?, room_for(most)?);
        let lot = Lot { held, spare, finished, slots, begun: 0, ended: 0 };
        Ok(Driver {
            seat: Seat::new(params)?,
            kit: Mutex::new(Some(Kit { device, lot })),
            how,
            state: AtomicU8::new(ACTIVE),
            pages: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            gate: Gate::default(),
            left: Ring::new(room)?,
        })
    }

    /// Whether the device is in use.
    pub(super) fn is_active(&self) -> bool {
        self.state.load(SeqCst) == ACTIVE
    }

    /// Whether the thread will leave nothing more to the workers.
    pub(super) fn is_gone(&self) -> bool {
        self.state.load(SeqCst) == GONE
    }

    /// Whether the inbox is the device's alone.
    pub(super) fn takes_all(&self) -> bool {
        self.how == Use::Always && self.is_active()
    }

    /// From how many waiting requests on the thread takes a batch.
    fn least(&self) -> usize {
        match self.how {
            Use::Always => 1,
            Use::From { least, .. } => least.max(1),
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            device_pages: self.pages.load(Relaxed),
            device_errors: self.errors.load(Relaxed),
            ..self.seat.context.stats().snapshot()
        }
    }

    /// Whether the device can do what is asked for: to compress, or to restore an object of one of its codecs.
    fn can(&self, work: &Work<'_>) -> bool {
        match work {
            Work::Compress { .. } => true,
            Work::Decompress { object, .. } => {
                self.seat.context.info(object).is_ok_and(|info| info.dict_id == 0 && info.codec != PageCodec::Zstd)
            }
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

impl<'d, R: Request> Queue<'d, R> {
    /// Puts requests where the device's thread or the workers look for them, and calls the former.
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
        if self.inbox.len() >= driver.least() {
            driver.gate.wake(1, || ());
        }
    }

    /// The device's thread.
    pub(super) fn drive(&self, driver: &Driver<'d, R>) {
        let kit = driver.kit.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(Kit { mut device, mut lot }), Some(mut tools)) = (kit, driver.seat.sit()) else { return };
        let end =
            catch_unwind(AssertUnwindSafe(|| self.run_device(driver, &mut *device, &mut lot, &mut tools.scratch)));
        match end {
            Ok(Ok(())) => {}
            Ok(Err(_)) => _ = driver.errors.fetch_add(1, Relaxed),
            Err(payload) => {
                core::mem::forget(payload);
                self.poisoned.store(true, Relaxed);
            }
        }
        driver.state.store(FAILED, SeqCst);
        self.finished(&mut lot.finished);
        for requests in lot.slots.iter_mut().chain([&mut lot.held, &mut lot.spare]) {
            put_all(&driver.left, &mut requests.drain(..));
        }
        self.workers.wake(usize::MAX, || ());
        // A driver that has lost its device may do anything when it is told to give it back.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(device))) {
            core::mem::forget(payload);
        }
        driver.state.store(GONE, SeqCst);
        self.workers.wake(usize::MAX, || ());
    }

    /// Keeps the device's slots full until the queue stops or the device fails. There is no time limit: a device that does neither
    /// its work nor fail keeps its requests, and whoever ends the queue waits for it.
    fn run_device(
        &self,
        driver: &Driver<'d, R>,
        device: &mut dyn Device,
        lot: &mut Lot<R>,
        scratch: &mut Scratch,
    ) -> Result<(), Fault> {
        let slots = lot.slots.len();
        loop {
            while lot.ended < lot.begun && device.is_done(lot.ended % slots)? {
                self.empty_slot(driver, device, lot, scratch);
            }
            if lot.begun - lot.ended < slots {
                let slot = lot.begun % slots;
                if let Some(op) = self.fill_slot(driver, device, lot, slot) {
                    device.start(slot, op, lot.slots[slot].len())?;
                    lot.begun += 1;
                    continue;
                }
            }
            if lot.ended < lot.begun {
                device.wait(lot.ended % slots)?;
                self.empty_slot(driver, device, lot, scratch);
            } else if self.inbox.len() < driver.least() {
                if self.stop.load(SeqCst) || self.poisoned.load(Relaxed) {
                    return Ok(());
                }
                driver.gate.sleep(None, || {
                    self.inbox.len() >= driver.least() || self.stop.load(SeqCst) || self.poisoned.load(Relaxed)
                });
            } else if self.poisoned.load(Relaxed) {
                return Ok(());
            }
        }
    }

    /// Fills a slot with waiting requests of one kind, and passes by those that are not for the device. Returns the kind, or
    /// `None` where nothing is in the slot.
    fn fill_slot(&self, driver: &Driver<'d, R>, device: &mut dyn Device, lot: &mut Lot<R>, slot: usize) -> Option<Op> {
        if lot.held.is_empty() && self.inbox.len() >= driver.least() {
            self.inbox.take(device.batch_pages(), |request| lot.held.push(request));
        }
        let (mut batch_op, mut left) = (None, 0);
        // Every request is in one of the lot's lists all the time: none is lost if something here panics.
        while let Some(request) = lot.held.pop() {
            if let Some(later) = lot.held.len().checked_sub(2 * AHEAD) {
                lot.held[later].fetch();
            }
            if let Some(later) = lot.held.len().checked_sub(AHEAD)
                && let Ok(Work::Compress { page: input, .. } | Work::Decompress { object: input, .. }) =
                    lot.held[later].work(self.page_size)
            {
                prefetch(input);
            }
            let batch = &mut lot.slots[slot];
            let index = batch.len();
            batch.push(request);
            let request = &mut batch[index];
            let list = match request.work(self.page_size) {
                Err(error) => {
                    request.finish(Err(error));
                    &mut lot.finished
                }
                Ok(work) if driver.can(&work) => {
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
    fn empty_slot(&self, driver: &Driver<'d, R>, device: &dyn Device, lot: &mut Lot<R>, scratch: &mut Scratch) {
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
            let result = driver.apply(request, device.get(slot, i));
            let by = if result.is_some() { &driver.pages } else { &driver.errors };
            by.fetch_add(1, Relaxed);
            match result {
                Some(result) => request.finish(result),
                None => self.serve(&driver.seat, scratch, request, None),
            }
        }
        lot.ended += 1;
        self.finished(&mut lot.slots[slot]);
    }
}
