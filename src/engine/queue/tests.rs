//! The queue with requests that are boxes, and a device that works through the CPU's codec and can be made to fail.

use core::sync::atomic::AtomicU32;
use std::sync::Arc;

use super::device::job;
use super::*;
use crate::base::device::{Fault, Op};

const PAGE: usize = 4096;

struct Item {
    op: Op,
    src: Vec<u8>,
    dst: Vec<u8>,
    result: Option<Result<usize, Error>>,
    panics: bool,
    number: usize,
}

impl Request for Box<Item> {
    fn work(&mut self, page_size: usize) -> Result<Work<'_>, Error> {
        assert!(!self.panics, "asked for by a test");
        let Item { op, src, dst, .. } = &mut **self;
        match op {
            _ if src.is_empty() => Err(Error::Invalid),
            Op::Compress => Ok(Work::Compress { page: src, object: dst }),
            Op::Decompress => Ok(Work::Decompress { object: src, page: &mut dst[..page_size] }),
        }
    }

    fn finish(&mut self, result: Result<usize, Error>) {
        assert!(self.result.replace(result).is_none_or(|old| old == result), "finished twice");
    }
}

type Boxes = Queue<'static, Box<Item>>;

fn item(number: usize, op: Op, src: Vec<u8>, room: usize) -> Box<Item> {
    Box::new(Item { op, src, dst: vec![0; room], result: None, panics: false, number })
}

fn page(number: usize) -> Vec<u8> {
    (0..PAGE).map(|i| if number.is_multiple_of(7) { 5 } else { (i / (1 + number % 9) * number) as u8 & 0x3f }).collect()
}

fn params(alg: &'static str) -> Params<'static> {
    Params { alg: Some(alg.as_bytes()), ..Params::default() }
}

fn compressed(alg: &'static str, page: &[u8]) -> Vec<u8> {
    let (context, mut scratch) = codec(alg);
    let mut object = vec![0; PAGE];
    let len = context.compress(&mut scratch, page, &mut object).expect("a page always fits");
    object.truncate(len);
    object
}

fn codec(alg: &'static str) -> (Context<'static>, Scratch) {
    let params = params(alg);
    let words = Context::scratch_words(&params).expect("an algorithm");
    (Context::new(&params).expect("an algorithm"), Scratch::new(words).expect("memory"))
}

/// Every kind of request in turn, and what it has to come to.
fn mixed(number: usize) -> (Box<Item>, Result<usize, Error>) {
    let page = page(number);
    match number % 8 {
        0..3 => {
            let len = compressed("tzp", &page).len();
            (item(number, Op::Compress, page, PAGE), Ok(len))
        }
        3 => (item(number, Op::Compress, page, 1), Err(Error::NoSpace)),
        4 => (item(number, Op::Decompress, compressed("tzp", &page), PAGE), Ok(PAGE)),
        5 => (item(number, Op::Decompress, compressed("zstd", &page), PAGE), Ok(PAGE)),
        6 => {
            let mut object = compressed("tzp", &page);
            let len = object.len();
            object.truncate(len - 1);
            (item(number, Op::Decompress, object, PAGE), Err(Error::Corrupt))
        }
        _ => (item(number, Op::Compress, Vec::new(), PAGE), Err(Error::Invalid)),
    }
}

fn check(item: &Item, want: Result<usize, Error>) {
    assert_eq!(item.result, Some(want), "request {}", item.number);
    let page = page(item.number);
    match (item.op, want) {
        (Op::Decompress, Ok(_)) => assert_eq!(item.dst, page),
        (Op::Compress, Ok(len)) => {
            let (context, mut scratch) = codec("tzp");
            let mut back = vec![0; PAGE];
            assert_eq!(context.decompress(&mut scratch, &item.dst[..len], &mut back), Ok(()));
            assert_eq!(back, page);
        }
        _ => {}
    }
}

/// Runs `body` while the queue's threads run.
fn with_threads<T>(queue: &Boxes, body: impl FnOnce() -> T) -> T {
    struct Stop<'q>(&'q Boxes);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    std::thread::scope(|scope| {
        for index in 0..queue.threads().0 {
            scope.spawn(move || queue.run(index));
        }
        let _stop = Stop(queue);
        body()
    })
}

/// Sends `count` requests of all kinds through the queue and checks each.
fn all_come_back(queue: &Boxes, count: usize) {
    let (items, wants): (Vec<_>, Vec<_>) = (0..count).map(mixed).unzip();
    let mut items = items.into_iter();
    let mut seen = vec![false; count];
    with_threads(queue, || {
        let mut left = count;
        while left > 0 {
            let mut batch: Vec<_> = items.by_ref().take(queue.depth.div_ceil(2)).collect();
            while !batch.is_empty() {
                let room = queue.depth - queue.in_flight.0.load(SeqCst);
                let some = batch.drain(..room.min(batch.len())).collect::<Vec<_>>();
                let count = some.len();
                match queue.submit(some.into_iter()) {
                    Ok(taken) => assert_eq!(taken, count),
                    Err(error) => panic!("{error}"),
                }
                if !batch.is_empty() {
                    left -= reap_and_check(queue, &wants, &mut seen);
                }
            }
            left -= reap_and_check(queue, &wants, &mut seen);
        }
        assert_eq!(queue.reap(1, None, |_| ()), Err(Error::Again));
    });
    assert!(seen.iter().all(|&seen| seen));
}

fn reap_and_check(queue: &Boxes, wants: &[Result<usize, Error>], seen: &mut [bool]) -> usize {
    let reaped = queue.reap(5, Some(Duration::from_secs(60)), |item| {
        assert!(!core::mem::replace(&mut seen[item.number], true), "request {} came twice", item.number);
        check(&item, wants[item.number]);
    });
    reaped.expect("all finish in time")
}

#[test]
fn every_request_comes_back_once_with_its_own_outcome() {
    for threads in [1, 2, 5] {
        for depth in [1, 2, 7, 64] {
            let queue = Boxes::with(&params("tzp"), depth, threads, None).expect("memory");
            all_come_back(&queue, 200);
            let total = queue.snapshot();
            assert_eq!((total.pages_in, total.compress_errors), (75, 25));
            assert_eq!((total.pages_out, total.decompress_errors), (50, 25));
            assert_eq!((total.device_pages, queue.uses_device()), (0, false));
        }
    }
}

#[test]
fn there_is_room_for_depth_requests_until_they_are_reaped() {
    let queue = Boxes::with(&params("tzp"), 4, 1, None).expect("memory");
    let some = |range: core::ops::Range<usize>| range.map(|i| item(i, Op::Compress, page(i), PAGE)).collect::<Vec<_>>();
    with_threads(&queue, || {
        assert_eq!(queue.reap(9, Some(Duration::ZERO), |_| ()), Err(Error::Again));
        assert_eq!(queue.reap(9, Some(Duration::from_millis(3)), |_| ()), Err(Error::Again));
        assert_eq!(queue.reap(9, None, |_| ()), Err(Error::Again));
        assert_eq!(queue.submit(some(0..3).into_iter()), Ok(3));
        assert_eq!(queue.submit(some(3..9).into_iter()), Ok(1));
        assert_eq!(queue.submit(some(9..10).into_iter()), Err(Error::Again));
        assert_eq!(queue.submit(some(0..0).into_iter()), Ok(0));
        assert_eq!(queue.reap(3, None, |_| ()), Ok(3));
        assert_eq!(queue.submit(some(9..20).into_iter()), Ok(3));
        assert_eq!(queue.reap(9, None, |_| ()), Ok(4));
    });
}

#[test]
fn threads_submit_and_reap_at_the_same_time() {
    const EACH: usize = 2000;
    let queue = Boxes::with(&params("lz4"), 32, 2, None).expect("memory");
    let (reaped, object) = (AtomicUsize::new(0), compressed("lz4", &page(1)));
    with_threads(&queue, || {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut left: Vec<_> = (0..EACH).map(|i| item(i, Op::Decompress, object.clone(), PAGE)).collect();
                    while let Some(next) = left.pop() {
                        let mut next = Some(next);
                        while let Some(item) = next.take() {
                            let mut one = vec![item].into_iter();
                            if queue.submit(one.by_ref()).is_err() {
                                next = one.next();
                                std::thread::yield_now();
                            }
                        }
                    }
                });
            }
            for most in [1, 9] {
                let (queue, reaped) = (&queue, &reaped);
                scope.spawn(move || {
                    while reaped.load(SeqCst) < 2 * EACH {
                        let time = Some(Duration::from_millis(1));
                        let n = queue.reap(most, time, |item| assert_eq!(item.result, Some(Ok(PAGE)))).unwrap_or(0);
                        reaped.fetch_add(n, SeqCst);
                    }
                });
            }
        });
    });
    assert_eq!(queue.snapshot().pages_out, 2 * EACH as u64);
}

#[test]
fn a_panic_poisons_the_queue_and_every_request_still_comes_back() {
    for count in [0, 1, 4] {
        let device = (count > 0).then(|| (Fake::several(count, 0, None).0, Use::Always));
        let queue = Boxes::with(&params("tzp"), 64, 2, device).expect("memory");
        with_threads(&queue, || {
            let mut items: Vec<_> = (0..40).map(|i| item(i, Op::Compress, page(i), PAGE)).collect();
            items[20].panics = true;
            assert_eq!(queue.submit(items.into_iter()), Ok(40));
            let mut bad = None;
            let n = queue.reap(40, None, |item| {
                if item.number == 20 {
                    bad = item.result;
                } else {
                    assert!(matches!(item.result, Some(Ok(_) | Err(Error::Poisoned))));
                }
            });
            assert_eq!((n, bad), (Ok(40), Some(Err(Error::Poisoned))));
            assert_eq!(queue.submit(vec![mixed(0).0].into_iter()), Err(Error::Poisoned));
            assert_eq!(queue.reap(1, Some(Duration::ZERO), |_| ()), Err(Error::Poisoned));
            assert_eq!(queue.reap(1, None, |_| ()), Err(Error::Poisoned));
        });
    }
}

/// The calls that can fail.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Start,
    IsDone,
    Wait,
    /// Not a fault: the driver's own code panics.
    Panic,
    /// Not a fault: what comes out is no object.
    Garbage,
}

/// A device that does everything with the CPU's codec when it is started, and says now and then that it is not done yet.
struct Fake {
    context: Context<'static>,
    scratch: Scratch,
    inputs: Vec<Vec<Vec<u8>>>,
    outputs: Vec<Vec<Result<Option<Vec<u8>>, Error>>>,
    fails: Option<(Call, u32)>,
    calls: u32,
    looks: u32,
    failed: Arc<AtomicU32>,
    /// Fakes that were not dropped.
    live: Arc<AtomicU32>,
}

/// What is counted of several fakes.
#[derive(Default)]
struct Counters {
    live: Arc<AtomicU32>,
    failed: Arc<AtomicU32>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.live.fetch_sub(1, SeqCst);
    }
}

impl Fake {
    const BATCH: usize = 8;
    const SLOTS: usize = 3;

    fn new(fails: Option<(Call, u32)>) -> Self {
        let (context, scratch) = codec("tzp");
        let (inputs, outputs) = (vec![Vec::new(); Self::SLOTS], vec![Vec::new(); Self::SLOTS]);
        Fake {
            context,
            scratch,
            inputs,
            outputs,
            fails,
            calls: 0,
            looks: 0,
            failed: Arc::default(),
            live: Arc::new(1.into()),
        }
    }

    /// One device for each of `count` threads, of which number `failing` fails; and how many of them there are.
    fn several(count: usize, failing: usize, fails: Option<(Call, u32)>) -> (Vec<Box<dyn Device>>, Counters) {
        let counters = Counters { live: Arc::new((count as u32).into()), ..Counters::default() };
        let devices = (0..count).map(|index| -> Box<dyn Device> {
            let mut fake = Self::new(fails.filter(|_| index == failing));
            fake.live = counters.live.clone();
            if index == failing {
                fake.failed = counters.failed.clone();
            }
            Box::new(fake)
        });
        (devices.collect(), counters)
    }

    fn boxed(fails: Option<(Call, u32)>) -> Box<dyn Device> {
        Box::new(Self::new(fails))
    }

    fn step(&mut self, call: Call) -> Result<(), Fault> {
        assert_eq!(self.failed.load(SeqCst), 0, "a device that has failed is not called again");
        if let Some((which, number)) = self.fails
            && (which == call || which == Call::Panic && call == Call::Start)
        {
            self.calls += 1;
            if self.calls == number {
                self.failed.store(1, SeqCst);
                assert!(which != Call::Panic, "asked for by a test");
                return Err(Fault { call: "fake", code: 700 });
            }
        }
        Ok(())
    }
}

impl Device for Fake {
    fn batch_pages(&self) -> usize {
        Self::BATCH
    }
    fn slots(&self) -> usize {
        Self::SLOTS
    }
    fn put(&mut self, slot: usize, index: usize, input: &[u8]) {
        if index == 0 {
            self.inputs[slot].clear();
        }
        assert!(input.len() <= PAGE);
        assert_eq!(index, self.inputs[slot].len(), "inputs come in order");
        self.inputs[slot].push(input.to_vec());
    }
    fn start(&mut self, slot: usize, op: Op, count: usize) -> Result<(), Fault> {
        self.step(Call::Start)?;
        assert_eq!(count, self.inputs[slot].len());
        assert!((1..=Self::BATCH).contains(&count));
        let mut out = vec![0; PAGE];
        let mut outputs = Vec::new();
        for input in &self.inputs[slot] {
            outputs.push(match op {
                Op::Compress => self.context.compress(&mut self.scratch, input, &mut out).map(|len| {
                    let garbage = matches!(self.fails, Some((Call::Garbage, _)));
                    (len < PAGE).then(|| if garbage { vec![0xff; 30] } else { out[..len].to_vec() })
                }),
                Op::Decompress => {
                    let object = input[0] & 15 != 3;
                    assert!(object, "Zstandard is not for the device");
                    self.context.decompress(&mut self.scratch, input, &mut out).map(|()| Some(out.clone()))
                }
            });
        }
        self.outputs[slot] = outputs;
        Ok(())
    }
    fn is_done(&mut self, _slot: usize) -> Result<bool, Fault> {
        self.step(Call::IsDone)?;
        self.looks += 1;
        Ok(self.looks.is_multiple_of(3))
    }
    fn wait(&mut self, _slot: usize) -> Result<(), Fault> {
        self.step(Call::Wait)
    }
    fn get(&self, slot: usize, index: usize) -> Result<Option<&[u8]>, Error> {
        self.outputs[slot][index].as_ref().map(Option::as_deref).map_err(|error| *error)
    }
}

#[test]
fn a_device_that_is_asked_for_does_all_that_it_can() {
    let queue = Boxes::with(&params("tzp"), 64, 2, Some((vec![Fake::boxed(None)], Use::Always))).expect("memory");
    assert_eq!(queue.threads(), (3, 1));
    all_come_back(&queue, 400);
    let total = queue.snapshot();
    // Three in eight are pages, one has no room, one is an object of tzp, one is cut short.
    assert_eq!((total.device_pages, total.device_errors), (400 / 8 * 6, 0));
    assert_eq!((total.pages_in, total.compress_errors), (150, 50));
    assert_eq!((total.pages_out, total.decompress_errors), (100, 50));
}

#[test]
fn a_device_that_pays_from_a_number_on_shares_the_work() {
    for (least, compress, decompress) in [(1, true, true), (5, true, false), (6, false, true), (1000, true, true)] {
        let how = Use::From { least, compress, decompress };
        let queue = Boxes::with(&params("tzp"), 64, 2, Some((vec![Fake::boxed(None)], how))).expect("memory");
        all_come_back(&queue, 400);
        let total = queue.snapshot();
        assert_eq!((total.pages_in, total.compress_errors), (150, 50));
        assert_eq!((total.pages_out, total.decompress_errors), (100, 50));
        assert!(least < 1000 || total.device_pages == 0);
    }
}

#[test]
fn a_fault_at_any_call_loses_nothing() {
    for call in [Call::Start, Call::IsDone, Call::Wait] {
        for how in [Use::Always, Use::From { least: 2, compress: true, decompress: true }] {
            let mut faults = 0;
            for number in 1..60 {
                let fake = Fake::new(Some((call, number)));
                let failed = fake.failed.clone();
                let queue = Boxes::with(&params("tzp"), 48, 2, Some((vec![Box::new(fake)], how))).expect("memory");
                all_come_back(&queue, 200);
                let total = queue.snapshot();
                let failed = u64::from(failed.load(SeqCst));
                assert_eq!(total.device_errors, failed, "{call:?} {number}");
                assert!(!queue.uses_device());
                assert_eq!((total.pages_in, total.compress_errors), (75, 25), "{call:?} {number}");
                assert_eq!((total.pages_out, total.decompress_errors), (50, 25), "{call:?} {number}");
                faults += failed;
            }
            assert!(faults > 0 || how != Use::Always, "{call:?} never failed");
        }
    }
}

#[test]
fn several_threads_feed_a_device_and_do_all_that_it_can() {
    for count in [1, 2, 4] {
        let (devices, counters) = Fake::several(count, 0, None);
        let queue = Boxes::with(&params("tzp"), 256, 2, Some((devices, Use::Always))).expect("memory");
        assert_eq!(queue.threads(), (count + 2, count));
        all_come_back(&queue, 1600);
        let total = queue.snapshot();
        assert_eq!((total.device_pages, total.device_errors), (1600 / 8 * 6, 0));
        assert_eq!((total.pages_in, total.compress_errors), (600, 200));
        assert_eq!((total.pages_out, total.decompress_errors), (400, 200));
        assert_eq!(counters.live.load(SeqCst), 0);
    }
}

#[test]
fn a_fault_at_any_call_of_one_thread_takes_the_device_from_all() {
    for (count, call) in [2, 4].into_iter().flat_map(|n| [Call::Start, Call::IsDone, Call::Wait].map(|call| (n, call)))
    {
        for how in [Use::Always, Use::From { least: 2, compress: true, decompress: true }] {
            let mut faults = 0;
            for number in 1..16 {
                let (devices, counters) = Fake::several(count, number as usize % count, Some((call, number)));
                let queue = Boxes::with(&params("tzp"), 128, 2, Some((devices, how))).expect("memory");
                all_come_back(&queue, 400);
                let total = queue.snapshot();
                let failed = u64::from(counters.failed.load(SeqCst));
                assert_eq!(total.device_errors, failed, "{count} {call:?} {number}");
                assert_eq!((queue.uses_device(), counters.live.load(SeqCst)), (false, 0), "{count} {call:?} {number}");
                assert_eq!((total.pages_in, total.compress_errors), (150, 50), "{count} {call:?} {number}");
                assert_eq!((total.pages_out, total.decompress_errors), (100, 50), "{count} {call:?} {number}");
                faults += failed;
            }
            assert!(faults > 0 || how != Use::Always, "{count} {call:?} never failed");
        }
    }
}

#[test]
fn a_fault_of_every_thread_is_counted_once() {
    let devices = (0..4).map(|_| Fake::boxed(Some((Call::Start, 1)))).collect();
    let queue = Boxes::with(&params("tzp"), 256, 2, Some((devices, Use::Always))).expect("memory");
    all_come_back(&queue, 800);
    let total = queue.snapshot();
    assert_eq!((total.device_errors, total.device_pages), (1, 0));
    assert_eq!((total.pages_in, total.pages_out), (300, 200));
}

#[test]
fn a_queue_that_stops_with_requests_under_way_finishes_them() {
    for (count, fails) in [(1, None), (2, None), (4, None), (4, Some((Call::Start, 2))), (4, Some((Call::Wait, 1)))] {
        let (devices, counters) = Fake::several(count, 1, fails);
        let queue = Boxes::with(&params("tzp"), 512, 2, Some((devices, Use::Always))).expect("memory");
        let (items, wants): (Vec<_>, Vec<_>) = (0..512).map(mixed).unzip();
        assert_eq!(with_threads(&queue, || queue.submit(items.into_iter())), Ok(512));
        assert_eq!(counters.live.load(SeqCst), 0);
        let mut seen = vec![false; 512];
        while seen.contains(&false) {
            reap_and_check(&queue, &wants, &mut seen);
        }
        assert_eq!(queue.reap(1, None, |_| ()), Err(Error::Again));
    }
}

#[test]
fn a_device_that_makes_no_objects_is_told_by_the_counters() {
    let queue = Boxes::with(&params("tzp"), 48, 2, Some((vec![Fake::boxed(Some((Call::Garbage, 0)))], Use::Always)));
    let queue = queue.expect("memory");
    all_come_back(&queue, 200);
    assert_eq!(queue.snapshot().device_errors, 100);
}

#[test]
fn a_panic_in_the_device_poisons_the_queue_and_hangs_nothing() {
    for (number, count) in [(1, 1), (2, 1), (3, 1), (1, 2), (1, 4), (2, 4)] {
        let devices = (0..count).map(|_| Fake::boxed(Some((Call::Panic, number)))).collect();
        let queue = Boxes::with(&params("tzp"), 64, 2, Some((devices, Use::Always))).expect("memory");
        with_threads(&queue, || {
            let items: Vec<_> = (0..40).map(|i| item(i, Op::Compress, page(i), PAGE)).collect();
            assert_eq!(queue.submit(items.into_iter()), Ok(40));
            let n = queue.reap(40, None, |item| assert!(matches!(item.result, Some(Ok(_) | Err(Error::Poisoned)))));
            assert_eq!(n, Ok(40));
            assert_eq!(queue.submit(vec![mixed(0).0].into_iter()), Err(Error::Poisoned));
        });
    }
}

#[test]
fn calibration_leaves_out_a_device_that_is_slower_and_reports_one_that_fails() {
    let params = params("tzp");
    let mut slow = Fake::new(None);
    assert_eq!(calibrate(&mut slow, 1, &params, 64), Ok(None));
    let mut broken = Fake::new(Some((Call::Wait, 2)));
    assert_eq!(calibrate(&mut broken, 1, &params, 1), Err(Error::NoDevice));
    let mut instant = Instantly(Fake::new(None));
    assert!(matches!(calibrate(&mut instant, 1, &params, 1), Ok(Some(Use::From { decompress: true, .. }))));
}

#[test]
fn calibration_leaves_to_the_workers_what_a_device_does_not_restore() {
    let got = calibrate(&mut Instantly(Fake::new(None)), 1, &params("zstd"), 1);
    assert!(matches!(got, Ok(Some(Use::From { compress: true, decompress: false, .. }))), "{got:?}");
}

/// A device that takes no time, since it does nothing.
struct Instantly(Fake);

impl Device for Instantly {
    fn batch_pages(&self) -> usize {
        512
    }
    fn slots(&self) -> usize {
        2
    }
    fn put(&mut self, _slot: usize, _index: usize, _input: &[u8]) {}
    fn start(&mut self, _slot: usize, _op: Op, _count: usize) -> Result<(), Fault> {
        Ok(())
    }
    fn is_done(&mut self, slot: usize) -> Result<bool, Fault> {
        self.0.is_done(slot)
    }
    fn wait(&mut self, _slot: usize) -> Result<(), Fault> {
        Ok(())
    }
    fn get(&self, _slot: usize, _index: usize) -> Result<Option<&[u8]>, Error> {
        Ok(None)
    }
}

#[test]
fn only_some_parameters_are_for_a_device() {
    use crate::alg::Codec;
    assert_eq!(job(&params("tzp")), Some((Codec::Tzp, 2)));
    assert_eq!(job(&Params { level: Some(4), ..params("tzp") }), Some((Codec::Tzp, 4)));
    assert_eq!(job(&params("lz4")), Some((Codec::Lz4, 1)));
    assert_eq!(job(&Params { level: Some(9), ..params("lz4") }), None);
    assert_eq!(job(&Params { page_size: 8192, ..params("lz4") }), None);
    assert_eq!(job(&Params { backend: Some(crate::base::Backend::Scalar), ..params("lz4") }), None);
    assert_eq!(job(&params("lz4-generic")), None);
    assert_eq!(job(&params("zstd")), Some((Codec::Zstd, 1)));
    assert_eq!(job(&Params { level: Some(2), ..params("zstd") }), None);
    assert_eq!(job(&Params { level: Some(-1), ..params("zstd") }), None);
    assert_eq!(job(&params("zstd-generic")), None);
    assert_eq!(job(&params("adaptive")), None);
    assert_eq!(job(&Params::default()), None);
}
