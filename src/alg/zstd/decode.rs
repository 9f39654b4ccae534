//! The decoder: frames and blocks (RFC 8878 section 3.1.1).
//!
//! It accepts what libzstd 1.5.7's `ZSTD_decompressDCtx` accepts, byte for byte the same, and refuses what that
//! refuses, but for the differences below. In all of them libzstd accepts (some) damaged data that we refuse:
//!
//! - **Ends of Huffman streams.** Every stream must be read to exactly its first bit (RFC 8878 section 4.2.2). libzstd
//!   checks this in its portable single-symbol decoder only; its fast loops for four streams (64-bit machines; on x86
//!   those with BMI2) and its double-symbol tables skip the check, or let a stream read on in the bytes before it, so
//!   that what it accepts depends on the CPU and on the ratio of the sizes.
//! - **Descriptions of FSE tables** that run past the end of their section: libzstd reads the last four bytes again,
//!   and may come to an end; we refuse.
//! - **Size of a compressed block.** It may not regenerate more than `Block_Maximum_Size` (section 3.1.1.2.4), as in
//!   libzstd's streaming decoder. The one-shot decoder accepts or refuses, depending on the room in the destination.
//! - **Windows** above 128 MiB are refused, as by libzstd's streaming decoder; a frame of a single segment may be larger.
//! - **Magicless** input is exactly one frame; libzstd also takes none, or several.
//! - **Dictionaries**: offsets reach back to the first byte of the content. With a `ZSTD_DDict` (not with
//!   `ZSTD_decompress_usingDict`) libzstd also serves the bytes of the tables in front of it.
//!
//! Where RFC and libzstd differ and nothing depends on the machine, libzstd is followed: codes of 12 bits, raw and RLE
//! blocks above the block maximum, offsets beyond the window (but within the frame), the unused bit of the descriptor.

use super::frame::{BLOCK_HEADER_LEN, BlockHeader, CHECKSUM_LEN, Header, next_frame, skippable_len};
use super::literals::{self, Place, Trees};
use super::sequences::{LENGTHS_TABLE, OFFSETS_TABLE, Tables};
use super::{Dict, Format};
use crate::base::Error;
use crate::base::format::zstd::{BLOCK_COMPRESSED, BLOCK_MAX, BLOCK_RAW, FIRST_REPEATS};
use crate::base::hash::xxh64;
use crate::dispatch::{Sequences, Table};
use crate::kernel::arena::Arena;
use crate::kernel::phases::{Moment, Phase};
use crate::kernel::zstd_seq_decode::SLACK;
use crate::kernel::zstd_tree::TABLE_LEN;

/// Words of the decoding tables.
const TABLE_WORDS: usize = Arena::words_for::<u16>(TABLE_LEN) + 2 * LENGTHS_TABLE + OFFSETS_TABLE;

/// Words of 8 bytes that [`decompress`] needs as scratch for destinations of up to `max_len` bytes: 18 KiB and the
/// literals of one block.
pub const fn decode_words(max_len: usize) -> usize {
    let literals = if max_len < BLOCK_MAX { max_len } else { BLOCK_MAX };
    TABLE_WORDS + Arena::words_for::<u8>(literals + SLACK)
}

/// Decompresses `src`, all of it, into `dst`, and returns how many bytes that are.
///
/// The bytes of `dst` behind the result are unspecified, on failure all are. `scratch` has at least
/// `decode_words(dst.len())` words of any contents. Does not allocate; work is proportional to `src.len()` plus
/// `dst.len()`, whatever `src` says.
///
/// # Errors
/// - `NoSpace`: a frame's content size or its blocks exceed what is left of `dst` (damaged data may look so, too).
/// - `Stale`: a frame names another dictionary than `dict`, or one while there is none.
/// - `Corrupt`: everything else; see the top of this file for what is accepted.
pub fn decompress(
    table: Table,
    scratch: &mut [u64],
    dict: Option<&Dict>,
    format: Format,
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    let spare = 8 * scratch.len().saturating_sub(TABLE_WORDS);
    let buffer_len = spare.min(dst.len().min(BLOCK_MAX) + SLACK);
    let mut arena = Arena::new(scratch);
    let tables = dict.and_then(Dict::decode_tables);
    let mut decoder = Decoder {
        table,
        dict,
        literals: literals::Decoder {
            table,
            own: arena.take(TABLE_LEN),
            dict: tables.map(|tables| (&tables.huff[..], tables.huff_log)),
            trees: Trees::None,
            buffer: &mut [],
        },
        tables: Tables::new([LENGTHS_TABLE, OFFSETS_TABLE, LENGTHS_TABLE].map(|len| arena.take(len)), tables),
        repeats: FIRST_REPEATS,
    };
    decoder.literals.buffer = arena.take(buffer_len);

    if format == Format::Magicless {
        let (read, written) = decoder.frame(src, format, dst)?;
        return if read == src.len() { Ok(written) } else { Err(stricter(Stricter::Magicless)) };
    }
    let (mut rest, mut written) = (src, 0);
    while let Some(frame) = next_frame(rest)? {
        let read = match skippable_len(frame)? {
            Some(len) => len,
            None => {
                let (read, len) = decoder.frame(frame, format, &mut dst[written..])?;
                written += len;
                read
            }
        };
        rest = &frame[read..];
    }
    Ok(written)
}

struct Decoder<'s, 'd> {
    table: Table,
    dict: Option<&'d Dict>,
    literals: literals::Decoder<'s, 'd>,
    tables: Tables<'s, 'd>,
    repeats: [u32; 3],
}

impl Decoder<'_, '_> {
    /// Decodes the frame at the beginning of `src` to the beginning of `dst`; returns how many bytes of each it took.
    fn frame(&mut self, src: &[u8], format: Format, dst: &mut [u8]) -> Result<(usize, usize), Error> {
        let header = Header::parse(src, format)?;
        if header.dict_id != 0 && header.dict_id != self.dict.map_or(0, Dict::id) {
            return Err(Error::Stale);
        }
        self.repeats = self.dict.map_or(FIRST_REPEATS, Dict::repeats);
        self.literals.trees = if self.literals.dict.is_some() { Trees::Dict } else { Trees::None };
        self.tables.start_frame();

        let Some(content) = header.content else {
            return self.blocks(src, &header, dst);
        };
        let room = usize::try_from(content).ok().and_then(|len| dst.get_mut(..len)).ok_or(Error::NoSpace)?;
        let room_len = room.len();
        match self.blocks(src, &header, room) {
            Ok((_, written)) if written < room_len => Err(Error::Corrupt),
            // The destination holds all that the header promises.
            Err(Error::NoSpace) => Err(Error::Corrupt),
            result => result,
        }
    }

    /// Decodes the blocks of a frame, and verifies the checksum.
    fn blocks(&mut self, src: &[u8], header: &Header, dst: &mut [u8]) -> Result<(usize, usize), Error> {
        let (mut read, mut written) = (header.len, 0);
        loop {
            let block = BlockHeader::parse(&src[read..])?;
            read += BLOCK_HEADER_LEN;
            let end = read + block.stored_len();
            if end > src.len() {
                return Err(Error::Corrupt);
            }
            if block.kind == BLOCK_COMPRESSED {
                written = self.compressed(src, read, block.size, header.block_max(), dst, written)?;
            } else {
                let room = dst.get_mut(written..).and_then(|room| room.get_mut(..block.size)).ok_or(Error::NoSpace)?;
                if block.kind == BLOCK_RAW {
                    room.copy_from_slice(&src[read..end]);
                } else {
                    room.fill(src[read]);
                }
                written += block.size;
            }
            read = end;
            if block.last {
                break;
            }
        }
        if header.checksum {
            let stored = src[read..].first_chunk::<CHECKSUM_LEN>().ok_or(Error::Corrupt)?;
            if u32::from_le_bytes(*stored) != xxh64(&dst[..written], 0) as u32 {
                return Err(Error::Corrupt);
            }
            read += CHECKSUM_LEN;
        }
        Ok((read, written))
    }

    /// Decodes a compressed block, `size` bytes of `src` from `from` on, to `dst[at..]`; returns where it ends.
    fn compressed(
        &mut self,
        src: &[u8],
        from: usize,
        size: usize,
        block_max: usize,
        dst: &mut [u8],
        at: usize,
    ) -> Result<usize, Error> {
        if size > block_max {
            return Err(Error::Corrupt);
        }
        let (src, rest) = (&src[..from + size], &src[from..]);
        let block = &src[from..];
        let moment = Moment::now();
        let literals = self.literals.decode(src, from, block_max, dst.len() - at)?;
        let moment = moment.ends(Phase::ReadLiterals);
        let section = &block[literals.section_len..];
        let (count, header_len) = self.tables.read_header(self.table, section)?;
        let moment = moment.ends(Phase::ReadTables);
        let mut job = Sequences {
            count,
            src,
            bits_at: src.len() - section.len() + header_len,
            ll: self.tables.ll.entries(),
            of: self.tables.of.entries(),
            ml: self.tables.ml.entries(),
            literals: match literals.place {
                // What follows the literals in the source is the slack of their copies.
                Place::Block(from) => &rest[from..],
                Place::Buffer => self.literals.buffer,
            },
            literals_len: literals.len,
            history: self.dict.map_or(&[], Dict::content),
            repeats: self.repeats,
            at,
        };
        let end = self.table.zstd_seq_decode(&mut job, dst)?;
        moment.ends(Phase::Execute);
        self.repeats = job.repeats;
        if end - at > block_max { Err(stricter(Stricter::BlockSize)) } else { Ok(end) }
    }
}

/// Why we refuse what libzstd may accept: the differences of the list at the top of this file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stricter {
    /// A Huffman stream is not read to exactly its first bit.
    HuffmanEnd,
    /// The description of an FSE table runs past the end of its section.
    TableEnd,
    /// A compressed block regenerates more than the block maximum.
    BlockSize,
    /// The window is above 128 MiB.
    Window,
    /// Magicless input is not exactly one frame.
    Magicless,
}

/// The error for one of the differences to libzstd. Tests learn from it which different verdicts are meant.
pub fn stricter(why: Stricter) -> Error {
    #[cfg(test)]
    STRICTER.set(Some(why));
    #[cfg(not(test))]
    let _ = why;
    Error::Corrupt
}

#[cfg(test)]
thread_local! {
    /// What [`stricter`] was last called with on this thread.
    pub static STRICTER: core::cell::Cell<Option<Stricter>> = const { core::cell::Cell::new(None) };
}
