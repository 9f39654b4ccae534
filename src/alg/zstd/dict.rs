//! Dictionaries (RFC 8878 section 5).

use super::encode_dict::EncodeDict;
use super::sequences::{LL, ML, OF, flawed};
use crate::base::Error;
use crate::base::format::zstd::{DICT_MAGIC, FIRST_REPEATS};
use crate::dispatch::Table;
use crate::kernel::zstd_fse::{self, Alphabet, Fixed};
use crate::kernel::zstd_tree::TABLE_LEN;

/// Bytes of magic number and id.
const HEADER_LEN: usize = 8;
/// Bytes of the three repeat offsets.
const REPEATS_LEN: usize = 12;

/// A normalised distribution over an alphabet of `N` codes.
#[derive(Clone, Debug)]
pub struct Norm<const N: usize> {
    /// Probability of each code in units of `1 / (1 << log)`; -1 is a probability below one.
    pub norm: [i16; N],
    /// Accuracy log.
    pub log: u32,
    /// The largest code that the description mentions.
    pub max_symbol: usize,
}

impl<const N: usize> Norm<N> {
    fn read(src: &[u8], alphabet: &Alphabet) -> Result<(Self, usize), Error> {
        let mut norm = [0; N];
        let found = zstd_fse::read_norm(src, &mut norm, alphabet.max_log).map_err(flawed)?;
        Ok((Norm { norm, log: found.log, max_symbol: found.symbols - 1 }, found.len))
    }
}

/// What the formatted part of a dictionary holds.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// Id.
    pub id: u32,
    /// Offsets that the first block may repeat, each at least 1 and at most the length of the content.
    pub repeats: [u32; 3],
    /// Where in the buffer the content begins.
    pub content_at: usize,
    /// Bits of each symbol's Huffman code, 0 if it has none.
    pub huff_bits: [u8; 256],
    /// Bits of the longest of them, at most 12.
    pub huff_log: u32,
    /// Literals lengths.
    pub ll: Norm<36>,
    /// Match lengths.
    pub ml: Norm<53>,
    /// Offsets.
    pub of: Norm<32>,
}

/// Reads the formatted part of a dictionary; `None` if the buffer is raw content, which is any that does not begin
/// with the magic number or is shorter than 8 bytes.
///
/// # Errors
/// `Corrupt` where `ZSTD_loadDEntropy` of libzstd refuses: a damaged table, or a repeat offset that is 0 or above the
/// length of the content.
fn parse(buf: &[u8]) -> Result<Option<(Parsed, Vec<u16>)>, Error> {
    let Some((header, tables)) = buf.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if word(0) != DICT_MAGIC {
        return Ok(None);
    }
    let mut huff = zeroed(TABLE_LEN)?;
    let (huff_log, tree_len) = Table::best().zstd_tree_read(tables, &mut huff).map_err(flawed)?;
    let mut rest = &tables[tree_len..];
    let (of, len) = Norm::read(rest, &OF)?;
    rest = &rest[len..];
    let (ml, len) = Norm::read(rest, &ML)?;
    rest = &rest[len..];
    let (ll, len) = Norm::read(rest, &LL)?;
    rest = &rest[len..];
    let (offsets, content) = rest.split_first_chunk::<REPEATS_LEN>().ok_or(Error::Corrupt)?;
    let mut repeats = FIRST_REPEATS;
    for (repeat, bytes) in repeats.iter_mut().zip(offsets.as_chunks::<4>().0) {
        *repeat = u32::from_le_bytes(*bytes);
        if *repeat == 0 || *repeat as usize > content.len() {
            return Err(Error::Corrupt);
        }
    }
    let mut huff_bits = [0; 256];
    for &entry in &huff[..1 << huff_log] {
        huff_bits[usize::from(entry >> 8)] = entry as u8;
    }
    let content_at = buf.len() - content.len();
    Ok(Some((Parsed { id: word(4), repeats, content_at, huff_bits, huff_log, ll, ml, of }, huff)))
}

/// Decoding tables of a formatted dictionary.
pub struct DecodeTables {
    /// Of the Huffman tree.
    pub huff: Vec<u16>,
    /// Bits of its longest code.
    pub huff_log: u32,
    /// Of literals lengths.
    pub ll: Fixed<Vec<u64>>,
    /// Of offsets.
    pub of: Fixed<Vec<u64>>,
    /// Of match lengths.
    pub ml: Fixed<Vec<u64>>,
}

impl DecodeTables {
    fn new(parsed: &Parsed, huff: Vec<u16>) -> Result<DecodeTables, Error> {
        Ok(DecodeTables {
            huff,
            huff_log: parsed.huff_log,
            ll: sequence_table(&parsed.ll, &LL)?,
            of: sequence_table(&parsed.of, &OF)?,
            ml: sequence_table(&parsed.ml, &ML)?,
        })
    }
}

fn sequence_table<const N: usize>(norm: &Norm<N>, alphabet: &Alphabet) -> Result<Fixed<Vec<u64>>, Error> {
    Ok(Fixed::boxed(&norm.norm[..=norm.max_symbol], norm.log, alphabet, zeroed(1 << norm.log)?))
}

fn zeroed<T: Clone + Default>(len: usize) -> Result<Vec<T>, Error> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len).map_err(|_| Error::NoMemory)?;
    vec.resize(len, T::default());
    Ok(vec)
}

/// A dictionary, ready for use: a copy of its content, and what blocks take over from its formatted part.
///
/// Immutable; any number of contexts and threads may share one.
pub struct Dict {
    id: u32,
    content: Vec<u8>,
    repeats: [u32; 3],
    decode: Option<DecodeTables>,
    encode: EncodeDict,
}

impl Dict {
    /// Makes a dictionary of `buf`: in Zstandard's format if it begins with its magic number, else raw content.
    ///
    /// # Errors
    /// `Corrupt` as [`parse`]; `NoMemory`. This is the only place of the format that allocates.
    pub fn new(buf: &[u8]) -> Result<Dict, Error> {
        let (parsed, huff) = parse(buf)?.unzip();
        let decode = parsed.as_ref().zip(huff).map(|(parsed, huff)| DecodeTables::new(parsed, huff)).transpose()?;
        let bytes = &buf[parsed.as_ref().map_or(0, |parsed| parsed.content_at)..];
        let mut content = zeroed(bytes.len())?;
        content.copy_from_slice(bytes);
        Ok(Dict {
            encode: EncodeDict::new(bytes, parsed.as_ref())?,
            id: parsed.as_ref().map_or(0, |parsed| parsed.id),
            content,
            repeats: parsed.as_ref().map_or(FIRST_REPEATS, |parsed| parsed.repeats),
            decode,
        })
    }

    /// The id that frames name, 0 for raw content.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The bytes that precede the first block.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Offsets that the first block may repeat.
    pub fn repeats(&self) -> [u32; 3] {
        self.repeats
    }

    /// Tables that the first block may reuse, `None` for raw content.
    pub fn decode_tables(&self) -> Option<&DecodeTables> {
        self.decode.as_ref()
    }

    /// What the encoder uses.
    pub fn encode_part(&self) -> &EncodeDict {
        &self.encode
    }
}
