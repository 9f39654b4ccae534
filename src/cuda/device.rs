//! Batches on the device: slots, each with a stream, memory on both sides, and what it is at.
//!
//! ```text
//! compress      pages ->, cursor = 0, kernel, <- cursor and table | event | <- as many bytes of objects as the cursor says | event
//! decompress    objects ->, table ->, kernel, <- pages, <- status | event
//! ```
//!
//! The streams of the slots run beside each other, so that one copies while another computes. What the device answers is checked
//! before it is used as an offset or a length: nonsense is a fault as a failed call is.

use core::ffi::{CStr, c_void};
use core::ops::Range;
use core::ptr::from_mut;

use super::Work;
use super::driver::{self, Api, CUdeviceptr, CUfunction};
use super::image;
use super::owned::{Context, Event, Module, OnDevice, Pinned, Stream};
use crate::base::Error;
use crate::base::device::{Device, Fault, Op};
use crate::base::page::PAGE_SIZE;

/// Slots: one is copied to the device, one computed, one read or put together.
const SLOTS: usize = 3;

/// The oldest driver: CUDA 12.0, whose functions are looked up. It may still refuse the PTX, which is for 12.1 and newer.
const OLDEST_DRIVER: i32 = 12000;

/// Where objects begin: multiples of this, which kernels read and write at a time.
const OBJECT_ALIGNMENT: usize = 16;

/// Numbers of the table before its first entry: the cursor, and 12 bytes that align what follows. An entry is an offset and a length.
const HEAD: usize = 4;

/// What a kernel writes for a damaged object: -EBADMSG.
const DAMAGED: i32 = -74;

/// A device, its kernels and its slots.
pub(super) struct Gpu {
    context: Context,
    /// There until dropped.
    kernels: Option<Kernels>,
    slots: Vec<Slot>,
    batch_pages: usize,
}

// SAFETY: the driver's handles may be used by any thread in which their context is current, and every method that uses one makes it
// so first; pinned memory is ordinary memory. Nothing is shared with another thread.
unsafe impl Send for Gpu {}

/// What was loaded of the image.
struct Kernels {
    _module: Module,
    compress: CUfunction,
    compress_name: &'static str,
    level: u32,
    decompress: CUfunction,
}

impl Gpu {
    /// Opens device number `ordinal` and allocates everything for batches of `batch_pages`.
    pub(super) fn new(api: &'static Api, ordinal: i32, work: Work, batch_pages: usize) -> Result<Gpu, Fault> {
        let mut version = 0;
        // SAFETY: an out-parameter; the one call that needs no initialisation.
        unsafe { api.cuDriverGetVersion(&mut version)? };
        if version < OLDEST_DRIVER {
            return Err(Fault { call: "cuDriverGetVersion", code: driver::TOO_OLD });
        }
        // SAFETY: may be called at any time, again as well.
        unsafe { api.cuInit(0)? };
        // -1 is a number that the driver has for something else.
        if ordinal < 0 {
            return Err(Fault { call: "cuDeviceGet", code: driver::INVALID_DEVICE });
        }
        let context = Context::retain(api, ordinal)?;
        // Dropped after the kernels and slots, if not all of them come about.
        let _current = context.enter()?;
        let (major, minor) = context.capability()?;
        let kernels = Kernels::load(api, major, minor, work)?;
        let slots = (0..SLOTS).map(|_| Slot::new(api, batch_pages)).collect::<Result<Vec<Slot>, Fault>>()?;
        Ok(Gpu { context, kernels: Some(kernels), slots, batch_pages })
    }
}

impl Kernels {
    fn load(api: &'static Api, major: i32, minor: i32, work: Work) -> Result<Kernels, Fault> {
        let mut result = Err(Fault { call: "cuModuleLoadData", code: driver::UNKNOWN });
        for image in image::candidates(major, minor) {
            result = Module::load(api, image);
            // A device that fails otherwise than by refusing the image fails the second one as well.
            if result.is_ok() {
                break;
            }
        }
        let module = result?;
        let (name, compress_name, level): (&CStr, _, _) = match work {
            Work::Tzp { level } => (c"tzram_compress_tzp", "tzram_compress_tzp", level),
            Work::Lz4 => (c"tzram_compress_lz4", "tzram_compress_lz4", 1),
            Work::Zstd => (c"tzram_compress_zstd", "tzram_compress_zstd", 1),
        };
        let compress = module.function(name)?;
        let decompress = module.function(c"tzram_decompress")?;
        Ok(Kernels { _module: module, compress, compress_name, level, decompress })
    }
}

/// What a slot is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Inputs are put in.
    Filling,
    /// On the device: the table of this many objects is to come.
    Table(usize),
    /// On the device: the objects are to come.
    Objects(usize),
    /// On the device: this many pages are to come.
    Pages(usize),
    /// This many results can be read.
    Done(Op, usize),
    /// A call failed: the device may or may not be at it still.
    Lost(Fault),
}

/// A batch.
struct Slot {
    state: State,
    /// Inputs put in so far, and the bytes of `input` that they take.
    inputs: usize,
    used: usize,
    /// What was put in, one behind the other.
    input: Pinned<u8>,
    /// What came out: objects where the table says, or page after page.
    output: Pinned<u8>,
    /// Cursor, and an entry for each input; compression replaces it by one for each object.
    table: Pinned<u32>,
    /// What decompression says of each object.
    status: Pinned<i32>,
    input_there: OnDevice,
    output_there: OnDevice,
    table_there: OnDevice,
    status_there: OnDevice,
    done: Event,
    stream: Stream,
}

impl Slot {
    fn new(api: &'static Api, pages: usize) -> Result<Slot, Fault> {
        let (bytes, table) = (pages * PAGE_SIZE, HEAD + 2 * pages);
        Ok(Slot {
            state: State::Filling,
            inputs: 0,
            used: 0,
            input: Pinned::new(api, bytes)?,
            output: Pinned::new(api, bytes)?,
            table: Pinned::new(api, table)?,
            status: Pinned::new(api, pages)?,
            input_there: OnDevice::new(api, bytes)?,
            output_there: OnDevice::new(api, bytes)?,
            table_there: OnDevice::new(api, table * size_of::<u32>())?,
            status_there: OnDevice::new(api, pages * size_of::<i32>())?,
            done: Event::new(api)?,
            stream: Stream::new(api)?,
        })
    }

    /// Puts the compression of the pages in `input` into the stream, up to the table.
    fn compress(&mut self, kernels: &Kernels, count: usize) -> Result<State, Fault> {
        assert!(self.used == count * PAGE_SIZE, "pages are to be compressed");
        let (mut pages, mut objects) = (self.input_there.address, self.output_there.address);
        let (mut cursor, mut table) = (self.table_there.address, self.entries_there());
        let (mut n, mut level) = (count as u32, kernels.level);
        let mut arguments: [*mut c_void; 6] = [
            from_mut(&mut pages).cast(),
            from_mut(&mut n).cast(),
            from_mut(&mut level).cast(),
            from_mut(&mut objects).cast(),
            from_mut(&mut table).cast(),
            from_mut(&mut cursor).cast(),
        ];
        // SAFETY: the memory belongs to this slot, which lives until the stream is synchronised (`Gpu::drop`); `put` and `get` leave
        // it alone as long as the state is that of work under way, or `Lost`. The kernel takes these arguments.
        unsafe {
            self.stream.upload(&self.input, 0..self.used, &self.input_there)?;
            self.stream.clear(&self.table_there, size_of::<u32>())?;
            self.stream.launch(kernels.compress, count, &mut arguments)?;
            self.stream.download(&self.table_there, 0..HEAD + 2 * count, &self.table)?;
        }
        self.stream.record(&self.done)?;
        Ok(State::Table(count))
    }

    /// Puts the decompression of the objects in `input` into the stream.
    fn decompress(&mut self, kernels: &Kernels, count: usize) -> Result<State, Fault> {
        let (mut objects, mut pages) = (self.input_there.address, self.output_there.address);
        let (mut table, mut status) = (self.entries_there(), self.status_there.address);
        let (mut bytes, mut n) = (self.used as u32, count as u32);
        let mut arguments: [*mut c_void; 6] = [
            from_mut(&mut objects).cast(),
            from_mut(&mut bytes).cast(),
            from_mut(&mut table).cast(),
            from_mut(&mut n).cast(),
            from_mut(&mut pages).cast(),
            from_mut(&mut status).cast(),
        ];
        // SAFETY: as in `compress`.
        unsafe {
            self.stream.upload(&self.input, 0..self.used, &self.input_there)?;
            self.stream.upload(&self.table, HEAD..HEAD + 2 * count, &self.table_there)?;
            self.stream.launch(kernels.decompress, count, &mut arguments)?;
            self.stream.download(&self.output_there, 0..count * PAGE_SIZE, &self.output)?;
            self.stream.download(&self.status_there, 0..count, &self.status)?;
        }
        self.stream.record(&self.done)?;
        Ok(State::Pages(count))
    }

    /// The first entry of the table on the device.
    fn entries_there(&self) -> CUdeviceptr {
        self.table_there.address + (HEAD * size_of::<u32>()) as CUdeviceptr
    }

    /// The state after the event of this one, which was reached: the stream is empty.
    fn next(&self, kernels: &Kernels) -> Result<State, Fault> {
        match self.state {
            State::Table(count) => {
                // SAFETY: the stream is empty.
                let table = unsafe { self.table.get() };
                let Some(bytes) = objects_end(table, count) else {
                    return Err(Fault { call: kernels.compress_name, code: driver::UNKNOWN });
                };
                if bytes == 0 {
                    return Ok(State::Done(Op::Compress, count));
                }
                // SAFETY: as in `compress`.
                unsafe { self.stream.download(&self.output_there, 0..bytes, &self.output)? };
                self.stream.record(&self.done)?;
                Ok(State::Objects(count))
            }
            State::Objects(count) => Ok(State::Done(Op::Compress, count)),
            State::Pages(count) => {
                // SAFETY: the stream is empty.
                let status = unsafe { self.status.get() };
                if status[..count].iter().all(|&status| status == 0 || status == DAMAGED) {
                    Ok(State::Done(Op::Decompress, count))
                } else {
                    Err(Fault { call: "tzram_decompress", code: driver::UNKNOWN })
                }
            }
            settled => Ok(settled),
        }
    }

    /// Moves the work on as far as it goes; `reached` says whether to go on behind the event. Returns whether it is done.
    fn advance(&mut self, kernels: &Kernels, reached: impl Fn(&Event) -> Result<bool, Fault>) -> Result<bool, Fault> {
        while matches!(self.state, State::Table(_) | State::Objects(_) | State::Pages(_)) {
            if !reached(&self.done)? {
                return Ok(false);
            }
            let result = self.next(kernels);
            self.settle(result)?;
        }
        match self.state {
            State::Lost(fault) => Err(fault),
            _ => Ok(true),
        }
    }

    /// Enters the next state, or that there is none.
    fn settle(&mut self, result: Result<State, Fault>) -> Result<(), Fault> {
        self.state = result.unwrap_or_else(State::Lost);
        result.map(|_| ())
    }
}

/// Where entry `index` of a table that `objects_end` has seen says that its object is.
fn entry(table: &[u32], index: usize) -> Range<usize> {
    let at = HEAD + 2 * index;
    let start = table[at] as usize;
    start..start + table[at + 1] as usize
}

/// Returns how many bytes the objects of a table take, or `None` if this is no table of `count` pages: every object is 1 to 4095
/// bytes long, aligned and below the cursor, none is in another's place as far as their sum tells, and there is room for them.
fn objects_end(table: &[u32], count: usize) -> Option<usize> {
    let end = table[0] as usize;
    let mut sum = 0;
    for at in (HEAD..HEAD + 2 * count).step_by(2) {
        let (offset, len) = (table[at] as usize, table[at + 1] as usize);
        if len == PAGE_SIZE {
            continue;
        }
        if len == 0 || len > PAGE_SIZE || offset % OBJECT_ALIGNMENT != 0 || offset > end || len > end - offset {
            return None;
        }
        sum += len.next_multiple_of(OBJECT_ALIGNMENT);
    }
    (sum <= end && end <= count * PAGE_SIZE).then_some(end)
}

impl Device for Gpu {
    fn batch_pages(&self) -> usize {
        self.batch_pages
    }

    fn slots(&self) -> usize {
        SLOTS
    }

    /// # Panics
    /// If the slot is under way, the inputs do not come in order, or one is longer than a page.
    fn put(&mut self, slot: usize, index: usize, input: &[u8]) {
        let slot = &mut self.slots[slot];
        assert!(matches!(slot.state, State::Filling | State::Done(..)), "the slot is under way");
        if index == 0 {
            (slot.inputs, slot.used) = (0, 0);
        }
        slot.state = State::Filling;
        assert!(index == slot.inputs && input.len() <= PAGE_SIZE, "inputs come in order, none longer than a page");
        // SAFETY: in this state nothing is under way.
        let (to, table) = unsafe { (slot.input.get_mut(), slot.table.get_mut()) };
        to[slot.used..][..input.len()].copy_from_slice(input);
        table[HEAD + 2 * index] = slot.used as u32;
        table[HEAD + 2 * index + 1] = input.len() as u32;
        slot.inputs += 1;
        slot.used += input.len().next_multiple_of(OBJECT_ALIGNMENT);
    }

    /// # Panics
    /// If `count` inputs were not put in, or are not pages where pages are to be compressed.
    fn start(&mut self, slot: usize, op: Op, count: usize) -> Result<(), Fault> {
        let _current = self.context.enter()?;
        let (slot, kernels) = (&mut self.slots[slot], self.kernels.as_ref().expect("there until dropped"));
        assert!(slot.state == State::Filling && slot.inputs == count && count > 0, "{count} inputs are there");
        let result = match op {
            Op::Compress => slot.compress(kernels, count),
            Op::Decompress => slot.decompress(kernels, count),
        };
        slot.settle(result)
    }

    fn is_done(&mut self, slot: usize) -> Result<bool, Fault> {
        let _current = self.context.enter()?;
        let kernels = self.kernels.as_ref().expect("there until dropped");
        self.slots[slot].advance(kernels, Event::is_reached)
    }

    fn wait(&mut self, slot: usize) -> Result<(), Fault> {
        let _current = self.context.enter()?;
        let kernels = self.kernels.as_ref().expect("there until dropped");
        self.slots[slot].advance(kernels, |event| event.wait().map(|()| true)).map(|_| ())
    }

    /// # Panics
    /// If the slot is not done or has no such result.
    fn get(&self, slot: usize, index: usize) -> Result<Option<&[u8]>, Error> {
        let slot = &self.slots[slot];
        let State::Done(op, count) = slot.state else { panic!("the slot is not done") };
        assert!(index < count, "{count} results are there");
        // SAFETY: in this state nothing is under way.
        let (output, table, status) = unsafe { (slot.output.get(), slot.table.get(), slot.status.get()) };
        match op {
            Op::Compress => {
                let object = entry(table, index);
                Ok((object.len() < PAGE_SIZE).then(|| &output[object]))
            }
            Op::Decompress if status[index] == 0 => Ok(Some(&output[index * PAGE_SIZE..][..PAGE_SIZE])),
            Op::Decompress => Err(Error::Corrupt),
        }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        let Ok(_current) = self.context.enter() else {
            // The device may still be copying, and nothing can be given back: it stays allocated until the process ends.
            core::mem::forget((core::mem::take(&mut self.slots), self.kernels.take()));
            return;
        };
        for slot in &self.slots {
            let _ = slot.stream.synchronize();
        }
        self.slots.clear();
        self.kernels = None;
    }
}
