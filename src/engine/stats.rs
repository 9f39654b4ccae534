//! Counters of a context: what zram's `mm_stat` and `io_stat` say, as far as a library can know it.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How an object holds its page. Numbers are those of the C ABI (`enum tzram_codec`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum PageCodec {
    /// The page itself.
    Raw = 0,
    /// One byte or one 8-byte word, repeated.
    SameFilled = 1,
    /// An LZ4 block.
    Lz4 = 2,
    /// A Zstandard frame.
    Zstd = 3,
    /// A tzp block, or several for a unit of more than 4096 bytes.
    Tzp = 4,
}

/// Entries of the per-codec counters; larger than the number of codecs, so that the C struct keeps its shape.
pub const CODEC_SLOTS: usize = 8;

/// Counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Pages compressed.
    pub pages_in: u64,
    /// Bytes of those pages.
    pub bytes_in: u64,
    /// Bytes of the objects made of them.
    pub bytes_out: u64,
    /// Pages decompressed.
    pub pages_out: u64,
    /// Compressed pages by [`PageCodec`].
    pub pages_by_codec: [u64; CODEC_SLOTS],
    /// Bytes of their objects.
    pub bytes_by_codec: [u64; CODEC_SLOTS],
    /// Compressions that failed.
    pub compress_errors: u64,
    /// Decompressions that failed.
    pub decompress_errors: u64,
    /// Pages that a device compressed or decompressed.
    pub device_pages: u64,
    /// Calls to a device that failed.
    pub device_errors: u64,
}

impl Snapshot {
    /// Adds the counters of another context to these.
    pub fn add(&mut self, other: &Snapshot) {
        self.pages_in += other.pages_in;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.pages_out += other.pages_out;
        for i in 0..CODEC_SLOTS {
            self.pages_by_codec[i] += other.pages_by_codec[i];
            self.bytes_by_codec[i] += other.bytes_by_codec[i];
        }
        self.compress_errors += other.compress_errors;
        self.decompress_errors += other.decompress_errors;
        self.device_pages += other.device_pages;
        self.device_errors += other.device_errors;
    }
}

/// The counters. One thread writes (the one that uses the context), any may read: plain loads and stores, no clock.
#[derive(Default)]
pub struct Stats {
    page_size: u64,
    pages_out: AtomicU64,
    pages_by_codec: [AtomicU64; CODEC_SLOTS],
    bytes_by_codec: [AtomicU64; CODEC_SLOTS],
    compress_errors: AtomicU64,
    decompress_errors: AtomicU64,
}

/// Adds without a locked instruction: there is one writer.
fn add(counter: &AtomicU64, value: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(value), Relaxed);
}

impl Stats {
    /// Counters at zero, for pages of `page_size` bytes.
    pub fn new(page_size: usize) -> Self {
        Stats { page_size: page_size as u64, ..Stats::default() }
    }

    /// Counts one page compressed to an object of `len` bytes.
    pub fn compressed(&self, codec: PageCodec, len: usize) {
        add(&self.pages_by_codec[codec as usize], 1);
        add(&self.bytes_by_codec[codec as usize], len as u64);
    }

    /// Counts one failed compression.
    pub fn compress_failed(&self) {
        add(&self.compress_errors, 1);
    }

    /// Counts one page decompressed, or one failure.
    pub fn decompressed(&self, ok: bool) {
        add(if ok { &self.pages_out } else { &self.decompress_errors }, 1);
    }

    /// The counters as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let read = |counters: &[AtomicU64; CODEC_SLOTS]| core::array::from_fn(|i| counters[i].load(Relaxed));
        let pages_by_codec: [u64; CODEC_SLOTS] = read(&self.pages_by_codec);
        let bytes_by_codec: [u64; CODEC_SLOTS] = read(&self.bytes_by_codec);
        let pages_in = pages_by_codec.iter().sum();
        Snapshot {
            pages_in,
            bytes_in: pages_in * self.page_size,
            bytes_out: bytes_by_codec.iter().sum(),
            pages_out: self.pages_out.load(Relaxed),
            pages_by_codec,
            bytes_by_codec,
            compress_errors: self.compress_errors.load(Relaxed),
            decompress_errors: self.decompress_errors.load(Relaxed),
            ..Snapshot::default()
        }
    }

    /// Sets every counter to zero.
    pub fn reset(&self) {
        for counter in self.pages_by_codec.iter().chain(&self.bytes_by_codec) {
            counter.store(0, Relaxed);
        }
        for counter in [&self.pages_out, &self.compress_errors, &self.decompress_errors] {
            counter.store(0, Relaxed);
        }
    }
}
