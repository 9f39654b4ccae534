//! A dictionary prepared for the encoder: its content, an index of it, and its tables (RFC 8878, section 5).

use super::dict::{Norm, Parsed};
use crate::base::Error;
use crate::base::format::zstd::{FIRST_REPEATS, HUFF_MAX_BITS};
use crate::kernel::zstd_encode::fse::{FixedTable, STATES};
use crate::kernel::zstd_encode::tree::Lengths;
use crate::kernel::zstd_match::{self, History, KEY, LONG_KEY};

impl<const N: usize> Norm<N> {
    fn table(&self) -> FixedTable<STATES> {
        FixedTable::new(&self.norm[..=self.max_symbol.min(N - 1)], self.log)
    }
}

/// Bytes at the end of the content that the encoder refers to: more make matches rarer than their offsets cost.
const REACH: usize = 1 << 20;

/// The tables of a dictionary in Zstandard's format.
pub struct Tables {
    /// Huffman codes, each above 4 bits of its length.
    pub codes: [u16; 256],
    /// FSE tables of literals length, offset and match length.
    pub fse: [FixedTable<STATES>; 3],
}

/// A dictionary as the encoder uses it; immutable, so any number of threads may share it.
pub struct EncodeDict {
    id: u32,
    repeats: [u32; 3],
    content: Vec<u8>,
    short: Vec<u32>,
    long: Vec<u32>,
    /// None or one: a vector, as it can be allocated fallibly.
    tables: Vec<Tables>,
}

impl EncodeDict {
    /// Returns the dictionary `content`, which is what follows the header, with the tables of `parsed` if it has any.
    ///
    /// Keeps a copy of the last 1 MiB of the content; allocates that and at most 8 bytes for each byte of it.
    ///
    /// # Errors
    /// [`Error::NoMemory`] if an allocation fails.
    pub fn new(content: &[u8], parsed: Option<&Parsed>) -> Result<EncodeDict, Error> {
        let tail = &content[content.len().saturating_sub(REACH)..];
        let mut own = Vec::new();
        own.try_reserve_exact(tail.len()).map_err(|_| Error::NoMemory)?;
        own.extend_from_slice(tail);
        let mut tables = Vec::new();
        if let Some(parsed) = parsed {
            // A tree deeper than the encoder's own is left unused: no literal has a code then.
            let mut codes = [0; 256];
            if parsed.huff_log <= HUFF_MAX_BITS {
                Lengths::of_bits(&parsed.huff_bits, parsed.huff_log).assign_codes(&mut codes);
            }
            let fse = [parsed.ll.table(), parsed.of.table(), parsed.ml.table()];
            tables.try_reserve_exact(1).map_err(|_| Error::NoMemory)?;
            tables.push(Tables { codes, fse });
        }
        Ok(EncodeDict {
            id: parsed.map_or(0, |p| p.id),
            repeats: parsed.map_or(FIRST_REPEATS, |p| p.repeats),
            short: index(&own, KEY)?,
            long: index(&own, LONG_KEY)?,
            content: own,
            tables,
        })
    }

    /// The dictionary's number, 0 for raw content.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The repeated offsets that a frame starts with.
    pub fn repeats(&self) -> [u32; 3] {
        self.repeats
    }

    /// The content and its index.
    pub fn history(&self) -> History<'_> {
        History { content: &self.content, short: &self.short, long: &self.long }
    }

    /// The tables, if the dictionary has any.
    pub fn tables(&self) -> Option<&Tables> {
        self.tables.first()
    }
}

/// Returns the last position of each hash of `key` bytes, plus one.
fn index(content: &[u8], key: u32) -> Result<Vec<u32>, Error> {
    let len = content.len().next_power_of_two().max(64);
    let mut table = Vec::new();
    table.try_reserve_exact(len).map_err(|_| Error::NoMemory)?;
    table.resize(len, 0);
    for (at, word) in content.windows(8).enumerate() {
        let word = word.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
        table[zstd_match::hash(word, key, len.trailing_zeros())] = at as u32 + 1;
    }
    Ok(table)
}
