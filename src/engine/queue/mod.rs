//! Requests of many pages, served by threads of their own: by the CPU's, and by a device where there is one that pays.
//!
//! A request goes from the submitter into the inbox, is taken by a worker (or by a thread that feeds the device), and waits,
//! finished, until it is reaped. All three ways are lock-free rings that were made with the queue; locks are taken by threads that
//! go to sleep, and by those that wake them.

mod bell;
mod calibrate;
mod device;
mod gate;
#[cfg(test)]
mod tests;

use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::bell::Bell;
use self::calibrate::calibrate;
pub use self::device::open;
use self::device::{Driver, Use};
use self::gate::Gate;
use super::page::Context;
use super::params::Params;
use super::stats::Snapshot;
use crate::base::Error;
use crate::base::device::Device;
use crate::kernel::ring::{Apart, Ring};
use crate::kernel::scratch::Scratch;
use crate::kernel::word::prefetch;

/// What a request asks for.
pub enum Work<'r> {
    /// Make the object of a page.
    Compress {
        /// The page.
        page: &'r [u8],
        /// Where the object goes.
        object: &'r mut [u8],
    },
    /// Restore the page of an object.
    Decompress {
        /// The object.
        object: &'r [u8],
        /// Where the page goes.
        page: &'r mut [u8],
    },
}

/// A request: a handle, exclusively the holder's.
pub trait Request: Send {
    /// What it asks for; `page_size` is that of the queue.
    ///
    /// # Errors
    /// What is wrong with the request: it is finished with that.
    fn work(&mut self, page_size: usize) -> Result<Work<'_>, Error>;

    /// Has the request itself fetched into the cache, if it lies in memory that another CPU has written.
    fn fetch(&self) {}

    /// Records the outcome: bytes written, or why it failed.
    fn finish(&mut self, result: Result<usize, Error>);
}

/// A device, and whether the queue's maker asked for it or leaves it to the queue.
pub struct Found {
    /// The device, once for each thread that is to feed it; none: there is no device.
    pub devices: Vec<Box<dyn Device>>,
    /// Whether it is to be used wherever it can be.
    pub forced: bool,
}

/// Requests that a worker takes at once at most; fewer where fewer wait, so that all workers end together. With 8, two workers were
/// a few percent slower on tzp pages: the counters and slots that they share went back and forth twice as often.
const CHUNK: usize = 16;

/// How often a worker without work looks before it sleeps. It gives up the CPU in between: whoever brings the next requests may need
/// it. Looking for as long as a system call takes (10 microseconds) gained nothing, and for longer it cost what it takes.
const LOOKS: usize = 2;

/// One thread's place. Its counters are its own, hence its own cache lines.
struct Seat<'d, R> {
    context: Context<'d>,
    tools: Mutex<Option<Tools<R>>>,
}

/// What a thread works with.
struct Tools<R> {
    scratch: Scratch,
    /// Requests taken and not yet reported.
    chunk: Vec<R>,
}

impl<'d, R: Request> Seat<'d, R> {
    fn new(params: &Params<'d>) -> Result<Self, Error> {
        let scratch = Scratch::new(Context::scratch_words(params)?)?;
        let tools = Tools { scratch, chunk: room_for(CHUNK)? };
        Ok(Seat { context: Context::new(params)?, tools: Mutex::new(Some(tools)) })
    }

    /// The tools, once.
    fn sit(&self) -> Option<Tools<R>> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Does what a request asks for; returns the bytes written.
    fn serve(&self, scratch: &mut Scratch, request: &mut R) -> Result<usize, Error> {
        match request.work(self.context.page_size())? {
            Work::Compress { page, object } => self.context.compress(scratch, page, object),
            Work::Decompress { object, page } => {
                self.context.decompress(scratch, object, page)?;
                Ok(page.len())
            }
        }
    }
}

/// The queue. [`Queue::run`] is the body of each of its [`Queue::threads`] threads, which whoever owns the queue starts.
pub struct Queue<'d, R> {
    page_size: usize,
    depth: usize,
    /// Submitted and not yet reaped.
    in_flight: Apart<AtomicUsize>,
    /// Finished and not yet reaped; for a moment less than 0, where a reaper is quicker than the worker's bookkeeping.
    ready: Apart<AtomicUsize>,
    /// What the least demanding sleeping reaper waits for.
    need: AtomicUsize,
    inbox: Ring<R>,
    done: Ring<R>,
    seats: Vec<Apart<Seat<'d, R>>>,
    driver: Option<Driver<'d, R>>,
    workers: Gate,
    reapers: Gate,
    bell: Bell,
    stop: AtomicBool,
    poisoned: AtomicBool,
}

/// An empty vector with room for `count`.
fn room_for<T>(count: usize) -> Result<Vec<T>, Error> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(count).map_err(|_| Error::NoMemory)?;
    Ok(vector)
}

impl<'d, R: Request> Queue<'d, R> {
    /// Makes a queue for `depth` requests and `threads` workers. A device is used for all that it can do if it is `forced`,
    /// else from as many waiting requests on as it is the faster one. Everything is allocated here, but for what threads themselves
    /// take.
    ///
    /// # Errors
    /// As [`Context::new`]; [`Error::NoMemory`].
    pub fn new(params: &Params<'d>, depth: usize, threads: usize, device: Option<Found>) -> Result<Self, Error> {
        let Some(Found { mut devices, forced }) = device else { return Self::with(params, depth, threads, None) };
        let feeders = devices.len();
        let how = match devices.first_mut() {
            Some(_) if forced => Some(Use::Always),
            Some(first) => match calibrate(&mut **first, feeders, params, threads) {
                Err(Error::NoDevice) => None,
                how => how?,
            },
            None => None,
        };
        Self::with(params, depth, threads, how.map(|how| (devices, how)))
    }

    fn with(
        params: &Params<'d>,
        depth: usize,
        threads: usize,
        device: Option<(Vec<Box<dyn Device>>, Use)>,
    ) -> Result<Self, Error> {
        let mut seats = room_for(threads)?;
        for _ in 0..threads {
            seats.push(Apart(Seat::new(params)?));
        }
        // Twice the depth: a thread that was interrupted while it empties a slot then holds up nobody.
        let room = 2 * depth;
        let driver = match device {
            Some((devices, how)) => Some(Driver::new(params, room, devices, how)?),
            None => None,
        };
        Ok(Queue {
            page_size: params.page_size,
            depth,
            in_flight: Apart::default(),
            ready: Apart::default(),
            need: AtomicUsize::new(usize::MAX),
            inbox: Ring::new(room)?,
            done: Ring::new(room)?,
            seats,
            driver,
            workers: Gate::default(),
            reapers: Gate::default(),
            bell: Bell::default(),
            stop: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
        })
    }

    /// How many threads the queue needs, and how many of them feed a device: the first ones, which are started first.
    pub fn threads(&self) -> (usize, usize) {
        let feeders = self.driver.as_ref().map_or(0, Driver::threads);
        (feeders + self.seats.len(), feeders)
    }

    /// What thread number `index` does, until [`Queue::stop`] was called and nothing is left.
    pub fn run(&self, index: usize) {
        match (&self.driver, index.checked_sub(self.threads().1)) {
            (Some(driver), None) => self.drive(driver, index),
            (_, seat) => self.serve_all(&self.seats[seat.unwrap_or(index)].0),
        }
    }

    /// Lets the threads end when everything that was submitted is finished.
    pub fn stop(&self) {
        self.stop.store(true, SeqCst);
        self.workers.wake(usize::MAX, || ());
        if let Some(driver) = &self.driver {
            driver.gate.wake(usize::MAX, || ());
        }
    }

    /// Takes as many requests as there is room for; returns how many. The others stay in the iterator.
    ///
    /// # Errors
    /// [`Error::Again`]: there is no room. [`Error::Poisoned`].
    pub fn submit(&self, requests: impl ExactSizeIterator<Item = R>) -> Result<usize, Error> {
        if self.poisoned.load(Relaxed) {
            return Err(Error::Poisoned);
        }
        if requests.len() == 0 {
            return Ok(0);
        }
        let room = |now: usize| requests.len().min(self.depth - now);
        let before = self
            .in_flight
            .0
            .fetch_update(SeqCst, Relaxed, |now| (room(now) > 0).then(|| now + room(now)))
            .map_err(|_| Error::Again)?;
        let count = room(before);
        let mut requests = requests.take(count);
        match &self.driver {
            Some(driver) if driver.is_active() => self.route(driver, requests),
            _ => put_all(&self.inbox, &mut requests),
        }
        self.call_workers(count);
        Ok(count)
    }

    /// Sees that sleeping workers learn of `count` new requests: all of them with one system call where there is work for
    /// all, else one, who calls the next if something is left.
    fn call_workers(&self, count: usize) {
        let asleep = self.workers.asleep();
        if asleep > 0 && self.has_work() {
            self.workers.wake(if count.div_ceil(CHUNK) >= asleep { asleep } else { 1 }, || ());
        }
    }

    /// Hands up to `most` finished requests to `each`; returns how many. Waits until that many have finished, or all that are
    /// in flight have, or the time is over (`None`: for ever).
    ///
    /// # Errors
    /// [`Error::Again`]: nothing finished in time, or nothing is in flight and the time is for ever. [`Error::Poisoned`] instead
    /// of that on a queue that is.
    pub fn reap(&self, most: usize, time: Option<Duration>, mut each: impl FnMut(R)) -> Result<usize, Error> {
        // Without a deadline where the clock cannot count that far.
        let deadline = time.filter(|time| !time.is_zero()).map(|time| Instant::now().checked_add(time));
        let deadline = deadline.flatten();
        let mut over = time.is_some_and(|time| time.is_zero());
        loop {
            if over || self.is_enough(most) || (time.is_none() && self.in_flight.0.load(SeqCst) == 0) {
                let count = self.done.take(most, |request| {
                    request.fetch();
                    each(request);
                });
                if count > 0 {
                    self.ready.0.fetch_sub(count, SeqCst);
                    self.in_flight.0.fetch_sub(count, SeqCst);
                    self.bell.less(|| self.is_waiting());
                    self.call_reapers();
                    return Ok(count);
                }
                if over || (time.is_none() && self.in_flight.0.load(SeqCst) == 0) {
                    let poisoned = self.poisoned.load(Relaxed) && self.in_flight.0.load(SeqCst) == 0;
                    return Err(if poisoned { Error::Poisoned } else { Error::Again });
                }
                // Another reaper has them and is about to say so.
                std::thread::yield_now();
                continue;
            }
            self.reapers.sleep(deadline, || {
                self.need.fetch_min(most, SeqCst);
                self.is_enough(most) || (time.is_none() && self.in_flight.0.load(SeqCst) == 0)
            });
            over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        }
    }

    /// Whether finished requests wait for a reaper.
    fn is_waiting(&self) -> bool {
        self.done.is_ready()
    }

    /// Whether a reaper of `most` requests need not wait longer.
    fn is_enough(&self, most: usize) -> bool {
        let ready = self.ready.0.load(SeqCst).cast_signed();
        ready > 0 && (ready.unsigned_abs() >= most || ready.unsigned_abs() == self.in_flight.0.load(SeqCst))
    }

    /// Wakes the reapers, if one of them may have what it waits for. They look, and sleep again if they have not.
    fn call_reapers(&self) {
        if self.reapers.asleep() > 0 && (self.is_enough(self.need.load(SeqCst)) || self.in_flight.0.load(SeqCst) == 0) {
            self.reapers.wake(usize::MAX, || self.need.store(usize::MAX, SeqCst));
        }
    }

    /// Passes finished requests on to the reapers.
    fn finished(&self, requests: &mut Vec<R>) {
        let count = requests.len();
        if count == 0 {
            return;
        }
        put_all(&self.done, &mut requests.drain(..));
        self.ready.0.fetch_add(count, SeqCst);
        self.bell.more(|| self.is_waiting());
        self.call_reapers();
    }

    /// Whether workers take from the inbox, or only what the device's threads leave to them.
    fn workers_take(&self) -> bool {
        self.driver.as_ref().is_none_or(|driver| !driver.takes_all())
    }

    /// Whether something waits for a worker.
    fn has_work(&self) -> bool {
        self.driver.as_ref().is_some_and(|driver| !driver.left.is_empty())
            || (self.workers_take() && !self.inbox.is_empty())
    }

    /// Takes a worker's share of what waits.
    fn pull(&self, chunk: &mut Vec<R>) {
        let mut from = |ring: &Ring<R>| {
            let share = ring.len() / (2 * self.seats.len());
            ring.take(share.clamp(1, CHUNK), |request| {
                request.fetch();
                chunk.push(request);
            }) > 0
        };
        let _ =
            self.driver.as_ref().is_some_and(|driver| from(&driver.left)) || (self.workers_take() && from(&self.inbox));
    }

    /// A worker.
    fn serve_all(&self, seat: &Seat<'d, R>) {
        let Some(Tools { mut scratch, mut chunk }) = seat.sit() else { return };
        let mut looks = 0;
        loop {
            self.pull(&mut chunk);
            if chunk.is_empty() {
                if self.stop.load(SeqCst) && !self.has_work() && self.driver.as_ref().is_none_or(Driver::is_gone) {
                    return;
                }
                looks += 1;
                if looks < LOOKS {
                    std::thread::yield_now();
                } else {
                    looks = 0;
                    self.workers.sleep(None, || self.has_work() || self.stop.load(SeqCst));
                }
                continue;
            }
            looks = 0;
            if self.workers.asleep() > 0 && self.has_work() {
                self.workers.wake(1, || ());
            }
            for i in 0..chunk.len() {
                let (served, rest) = chunk.split_at_mut(i + 1);
                self.serve(seat, &mut scratch, &mut served[i], rest.first_mut());
            }
            self.finished(&mut chunk);
        }
    }

    /// Serves one request, while what the next one reads is fetched. A panic poisons the queue, and after that nothing is served
    /// any more.
    fn serve(&self, seat: &Seat<'d, R>, scratch: &mut Scratch, request: &mut R, next: Option<&mut R>) {
        let result = if self.poisoned.load(Relaxed) {
            Err(Error::Poisoned)
        } else {
            let serve = || {
                if let Some(Ok(Work::Compress { page: source, .. } | Work::Decompress { object: source, .. })) =
                    next.map(|next| next.work(self.page_size))
                {
                    prefetch(source);
                }
                seat.serve(scratch, request)
            };
            catch_unwind(AssertUnwindSafe(serve)).unwrap_or_else(|payload| {
                // Dropping a payload runs code of its type; ours are messages, and leaking one is harmless.
                core::mem::forget(payload);
                self.poisoned.store(true, Relaxed);
                Err(Error::Poisoned)
            })
        };
        request.finish(result);
    }

    /// The eventfd that is readable while finished requests wait, made by `open` at the first call.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn file<E>(&self, open: impl FnOnce() -> Result<File, E>) -> Result<&File, E> {
        self.bell.file(open, || self.is_waiting())
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Whether a device is at work.
    pub fn uses_device(&self) -> bool {
        self.driver.as_ref().is_some_and(Driver::is_active)
    }

    /// The counters of all threads together.
    pub fn snapshot(&self) -> Snapshot {
        let mut total = self.driver.as_ref().map(Driver::snapshot).unwrap_or_default();
        self.seats.iter().for_each(|seat| total.add(&seat.0.context.stats().snapshot()));
        total
    }
}

/// Puts every value into a ring that has room for all.
fn put_all<T>(ring: &Ring<T>, values: &mut impl ExactSizeIterator<Item = T>) {
    while values.len() > 0 {
        if ring.put(values) == 0 {
            // A thread was interrupted while it empties the next slot.
            std::thread::yield_now();
        }
    }
}
