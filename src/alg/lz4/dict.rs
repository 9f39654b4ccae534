//! Dictionaries: content that stands before every block, indexed once.

use crate::base::Error;
use crate::base::format::lz4::{DICT_MAX, MAX_DISTANCE};
use crate::kernel::lz4_encode::{History, hash4, hash5, hash8};

/// The last 64 KiB of a dictionary and their index for every level. Immutable; about 5 bytes per byte of content.
pub struct Dict {
    content: Vec<u8>,
    short: Vec<u16>,
    long: Vec<u16>,
    heads: Vec<u16>,
    links: Vec<u16>,
}

impl Dict {
    /// Copies the last 64 KiB of `content` (any bytes, as for `LZ4_loadDict`) and indexes them.
    ///
    /// An empty dictionary is one that never helps. Allocates at most 360 KiB.
    ///
    /// # Errors
    /// `NoMemory`.
    pub fn new(content: &[u8]) -> Result<Dict, Error> {
        let content = &content[content.len().saturating_sub(DICT_MAX)..];
        let mut copy = Vec::new();
        copy.try_reserve_exact(content.len()).map_err(|_| Error::NoMemory)?;
        copy.extend_from_slice(content);
        // About one head to a position: strings that share one cost a comparison each.
        let bits = content.len().max(256).next_power_of_two().ilog2().min(15);
        let (mut short, mut long) = (zeros(1 << bits.min(14))?, zeros(1 << bits.min(14))?);
        let (mut heads, mut links) = (zeros(1 << bits)?, zeros(content.len())?);
        for (position, bytes) in content.windows(History::MARGIN).enumerate() {
            let Some(word) = bytes.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) else { break };
            short[hash5(word, bits.min(14))] = position as u16;
            long[hash8(word, bits.min(14))] = position as u16;
            let head = &mut heads[hash4(word as u32, bits)];
            let distance = position + 1 - usize::from(*head);
            links[position] = if *head != 0 && distance <= MAX_DISTANCE { distance as u16 } else { 0 };
            // Position plus one fits 16 bits: the last positions, within a word of the end, are not entered.
            *head = (position + 1) as u16;
        }
        Ok(Dict { content: copy, short, long, heads, links })
    }

    /// The bytes before the block.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// What the encoders read.
    pub(super) fn history(&self) -> History<'_> {
        let Dict { content, short, long, heads, links } = self;
        History { content, short, long, heads, links }
    }
}

/// Returns `count` zeros.
fn zeros(count: usize) -> Result<Vec<u16>, Error> {
    let mut table = Vec::new();
    table.try_reserve_exact(count).map_err(|_| Error::NoMemory)?;
    table.resize(count, 0);
    Ok(table)
}
