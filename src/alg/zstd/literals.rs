//! The literals section of a block (RFC 8878 section 3.1.1.3.1).

use super::decode::{Stricter, stricter};
use super::sequences::flawed;
use crate::base::Error;
use crate::base::format::zstd::{LITERALS_RAW, LITERALS_RLE, LITERALS_TREELESS};
use crate::dispatch::{Streams, Table};
use crate::kernel::zstd_seq_decode::SLACK;

/// Fewest literals that four streams may carry.
const MIN_FOR_FOUR: usize = 6;

/// Where the decoding table of the last tree is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trees {
    /// There was none yet.
    None,
    /// In the dictionary.
    Dict,
    /// In the decoder, with this log.
    Own(u32),
}

/// Where the literals of a block are.
pub enum Place {
    /// In the source, from this byte of the block on.
    Block(usize),
    /// In the decoder's buffer.
    Buffer,
}

/// A decoded section.
pub struct Literals {
    /// Where they are.
    pub place: Place,
    /// How many bytes.
    pub len: usize,
    /// Bytes of the section.
    pub section_len: usize,
}

/// What decoding literals needs, all but the source.
pub struct Decoder<'s, 'd> {
    /// The kernels.
    pub table: Table,
    /// Place for a decoding table of the largest log.
    pub own: &'s mut [u16],
    /// The dictionary's table and its log.
    pub dict: Option<(&'d [u16], u32)>,
    /// Which table a treeless section uses.
    pub trees: Trees,
    /// Place for literals, with [`SLACK`] bytes more than literals may take.
    pub buffer: &'s mut [u8],
}

impl Decoder<'_, '_> {
    /// Decodes the section at the beginning of the block `src[from..]`; `block_max` bounds the literals of the frame's blocks, `room` is
    /// what is left of the destination.
    ///
    /// # Errors
    /// `Corrupt`, or `NoSpace` if there are more literals than room.
    pub fn decode(&mut self, src: &[u8], from: usize, block_max: usize, room: usize) -> Result<Literals, Error> {
        let block = &src[from..];
        let mut head = [0; 5];
        let known = block.len().min(5);
        // A block has at least two sections of one byte.
        if known < 2 {
            return Err(Error::Corrupt);
        }
        head[..known].copy_from_slice(&block[..known]);
        let kind = head[0] & 3;
        let sizes = head[0] >> 2 & 3;
        let word = u64::from(u32::from_le_bytes([head[0], head[1], head[2], head[3]])) | u64::from(head[4]) << 32;
        if kind == LITERALS_RAW || kind == LITERALS_RLE {
            let (at, len) = match sizes {
                1 => (2, word >> 4 & 0xfff),
                3 => (3, word >> 4 & 0xf_ffff),
                _ => (1, word >> 3 & 0x1f),
            };
            let len = len as usize;
            if at > block.len() {
                return Err(Error::Corrupt);
            }
            self.check_len(len, block_max, room)?;
            if kind == LITERALS_RAW {
                if len > block.len() - at {
                    return Err(Error::Corrupt);
                }
                return Ok(Literals { place: Place::Block(at), len, section_len: at + len });
            }
            let byte = *block.get(at).ok_or(Error::Corrupt)?;
            self.buffer[..len].fill(byte);
            return Ok(Literals { place: Place::Buffer, len, section_len: at + 1 });
        }

        if kind == LITERALS_TREELESS && self.trees == Trees::None || known < 5 {
            return Err(Error::Corrupt);
        }
        let (at, bits) = match sizes {
            0 | 1 => (3, 10),
            2 => (4, 14),
            _ => (5, 18),
        };
        let field = (1 << bits) - 1;
        let len = (word >> 4 & field) as usize;
        let stored = (word >> (4 + bits) & field) as usize;
        let streams = if sizes == 0 { Streams::One } else { Streams::Four };
        if streams == Streams::Four && len < MIN_FOR_FOUR {
            return Err(Error::Corrupt);
        }
        let content = block.get(at..at + stored).ok_or(Error::Corrupt)?;
        self.check_len(len, block_max, room)?;
        let mut tree_len = 0;
        if kind != LITERALS_TREELESS {
            self.trees = Trees::None;
            let (log, len) = self.table.zstd_tree_read(content, self.own).map_err(flawed)?;
            self.trees = Trees::Own(log);
            tree_len = len;
        }
        // The streams end with the section; its reader may look at bytes before them.
        let section = &src[..from + at + stored];
        let (table, log) = match (self.trees, self.dict) {
            (Trees::Own(log), _) => (&*self.own, log),
            (Trees::Dict, Some((table, log))) => (table, log),
            _ => return Err(Error::Corrupt),
        };
        if !self.table.zstd_huff_decode(table, log, streams, section, from + at + tree_len, &mut self.buffer[..len]) {
            return Err(stricter(Stricter::HuffmanEnd));
        }
        Ok(Literals { place: Place::Buffer, len, section_len: at + stored })
    }

    /// Checks that the block may have, the destination can take and the buffer can hold `len` literals.
    fn check_len(&self, len: usize, block_max: usize, room: usize) -> Result<(), Error> {
        if len > block_max {
            return Err(Error::Corrupt);
        }
        if len > room || len > self.buffer.len().saturating_sub(SLACK) { Err(Error::NoSpace) } else { Ok(()) }
    }
}
