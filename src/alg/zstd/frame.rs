//! Headers of frames and blocks (RFC 8878 sections 3.1.1.1 and 3.1.1.2).

use super::Format;
use super::decode::{Stricter, stricter};
use crate::base::Error;
use crate::base::format::zstd::{BLOCK_MAX, BLOCK_RLE, MAGIC, SKIPPABLE_MAGIC};

/// The largest window of a frame that the decoder accepts: 128 MiB, the limit of libzstd's streaming decoder.
pub const WINDOW_MAX: u64 = 128 << 20;
/// Bytes of a block header.
pub const BLOCK_HEADER_LEN: usize = 3;
/// Bytes of a content checksum.
pub const CHECKSUM_LEN: usize = 4;
/// A frame header with its magic number has at least this many bytes, with the byte behind its descriptor.
const SHORTEST_START: usize = 5;
/// Bytes in front of the content of a skippable frame.
const SKIPPABLE_HEADER_LEN: usize = 8;

/// What the header of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header, with its magic number.
    pub len: usize,
    /// Bytes of the window; the content size in a frame of a single segment.
    pub window: u64,
    /// Bytes of the content, if the header says.
    pub content: Option<u64>,
    /// Id of the dictionary, 0 if the header names none.
    pub dict_id: u32,
    /// Whether a checksum follows the blocks.
    pub checksum: bool,
}

impl Header {
    /// Returns the header at the beginning of `src`.
    ///
    /// # Errors
    /// `Corrupt`: not a frame, cut off, a reserved bit is set, or a window above [`WINDOW_MAX`].
    pub fn parse(src: &[u8], format: Format) -> Result<Header, Error> {
        let mut reader = Reader { src, at: 0 };
        if format == Format::Standard && reader.le(4)? != u64::from(MAGIC) {
            return Err(Error::Corrupt);
        }
        let descriptor = reader.le(1)? as u8;
        if descriptor & 0x08 != 0 {
            return Err(Error::Corrupt);
        }
        let single_segment = descriptor & 0x20 != 0;
        let mut window = 0;
        if !single_segment {
            let byte = reader.le(1)?;
            let base = 1u64 << (10 + (byte >> 3));
            window = base + (base >> 3) * (byte & 7);
        }
        let dict_id = reader.le([0, 1, 2, 4][usize::from(descriptor & 3)])? as u32;
        let content = match descriptor >> 6 {
            0 if single_segment => Some(reader.le(1)?),
            0 => None,
            1 => Some(reader.le(2)? + 256),
            2 => Some(reader.le(4)?),
            _ => Some(reader.le(8)?),
        };
        if window > WINDOW_MAX {
            return Err(stricter(Stricter::Window));
        }
        if let (true, Some(size)) = (single_segment, content) {
            window = size;
        }
        Ok(Header { len: reader.at, window, content, dict_id, checksum: descriptor & 0x04 != 0 })
    }

    /// Bytes of the largest block that the frame may have.
    pub fn block_max(&self) -> usize {
        self.window.min(BLOCK_MAX as u64) as usize
    }
}

/// Reads little-endian numbers.
struct Reader<'a> {
    src: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn le(&mut self, len: usize) -> Result<u64, Error> {
        let bytes = self.src.get(self.at..self.at + len).ok_or(Error::Corrupt)?;
        self.at += len;
        let mut word = [0; 8];
        word[..len].copy_from_slice(bytes);
        Ok(u64::from_le_bytes(word))
    }
}

/// What the header of a block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Whether the frame ends behind this block.
    pub last: bool,
    /// `BLOCK_RAW`, `BLOCK_RLE` or `BLOCK_COMPRESSED`.
    pub kind: u32,
    /// `Block_Size`: bytes that follow in the frame, or that an RLE block regenerates.
    pub size: usize,
}

impl BlockHeader {
    /// Returns the header at the beginning of `src`.
    ///
    /// # Errors
    /// `Corrupt`: cut off, or the reserved block type.
    pub fn parse(src: &[u8]) -> Result<BlockHeader, Error> {
        let bytes = src.first_chunk::<BLOCK_HEADER_LEN>().ok_or(Error::Corrupt)?;
        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
        match word >> 1 & 3 {
            3 => Err(Error::Corrupt),
            kind => Ok(BlockHeader { last: word & 1 != 0, kind, size: (word >> 3) as usize }),
        }
    }

    /// Bytes of the block's content in the frame.
    pub fn stored_len(&self) -> usize {
        if self.kind == BLOCK_RLE { 1 } else { self.size }
    }
}

/// Returns the length of the skippable frame at the beginning of `src`, or `None` if another kind of frame is there.
///
/// # Errors
/// `Corrupt` if it is cut off.
pub fn skippable_len(src: &[u8]) -> Result<Option<usize>, Error> {
    let Some(magic) = src.first_chunk::<4>() else { return Ok(None) };
    if u32::from_le_bytes(*magic) & !0xf != SKIPPABLE_MAGIC {
        return Ok(None);
    }
    let size = src[4..].first_chunk::<4>().ok_or(Error::Corrupt)?;
    let len = SKIPPABLE_HEADER_LEN as u64 + u64::from(u32::from_le_bytes(*size));
    if len > src.len() as u64 { Err(Error::Corrupt) } else { Ok(Some(len as usize)) }
}

/// Returns what is left of a stream of frames, or `None` at its end.
///
/// # Errors
/// `Corrupt` if fewer bytes are left than any frame has.
pub fn next_frame(src: &[u8]) -> Result<Option<&[u8]>, Error> {
    match src.len() {
        0 => Ok(None),
        1..SHORTEST_START => Err(Error::Corrupt),
        _ => Ok(Some(src)),
    }
}

/// Returns the content size of all frames of a standard stream together, `None` as soon as a frame does not say.
///
/// Walks the headers of frames and blocks, as libzstd's `ZSTD_findDecompressedSize`; what the blocks hold is not
/// looked at. Cost: proportional to the number of blocks.
///
/// # Errors
/// `Corrupt`: a damaged header, a frame that is cut off, or a sum above 2^64.
pub fn content_size(src: &[u8]) -> Result<Option<u64>, Error> {
    let mut total = 0u64;
    let mut rest = src;
    while let Some(frame) = next_frame(rest)? {
        if let Some(len) = skippable_len(frame)? {
            rest = &frame[len..];
            continue;
        }
        let header = Header::parse(frame, Format::Standard)?;
        let Some(size) = header.content else { return Ok(None) };
        total = total.checked_add(size).ok_or(Error::Corrupt)?;
        rest = &frame[header.len..];
        loop {
            let block = BlockHeader::parse(rest)?;
            rest = rest.get(BLOCK_HEADER_LEN + block.stored_len()..).ok_or(Error::Corrupt)?;
            if block.last {
                break;
            }
        }
        if header.checksum {
            rest = rest.get(CHECKSUM_LEN..).ok_or(Error::Corrupt)?;
        }
    }
    Ok(Some(total))
}
