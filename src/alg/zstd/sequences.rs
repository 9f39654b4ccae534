//! The header of the sequences section (RFC 8878 section 3.1.1.3.2.1).

use super::fse_decode::{self, LL_PARTS, ML_PARTS, OF_PARTS, predefined};
use crate::base::Error;
use crate::base::format::zstd::{
    LL_DEFAULT, LL_DEFAULT_LOG, LL_MAX_CODE, LL_MAX_LOG, ML_DEFAULT, ML_DEFAULT_LOG, ML_MAX_CODE, ML_MAX_LOG, MODE_FSE,
    MODE_PREDEFINED, MODE_RLE, OF_DEFAULT, OF_DEFAULT_LOG, OF_MAX_CODE, OF_MAX_LOG,
};
use crate::kernel::zstd_seq_decode::{Entries, LENGTHS_TABLE, OFFSETS_TABLE};

/// Counts from here on take two more bytes.
const LONG_COUNT: usize = 0x7F00;

/// What one of the three tables is about; a table has at most `N` entries.
pub struct Alphabet<const N: usize> {
    /// Largest code.
    pub max_code: u8,
    /// Largest accuracy log.
    pub max_log: u32,
    /// The codes' parts of the entries.
    pub parts: &'static [u64],
    /// The table of the predefined distribution.
    pub predefined: [u64; N],
    /// Its accuracy log.
    pub predefined_log: u32,
}

/// Literals lengths.
pub static LL: Alphabet<LENGTHS_TABLE> = Alphabet {
    max_code: LL_MAX_CODE,
    max_log: LL_MAX_LOG,
    parts: &LL_PARTS,
    predefined: predefined(&LL_DEFAULT, LL_DEFAULT_LOG, &LL_PARTS),
    predefined_log: LL_DEFAULT_LOG,
};
/// Offsets.
pub static OF: Alphabet<OFFSETS_TABLE> = Alphabet {
    max_code: OF_MAX_CODE,
    max_log: OF_MAX_LOG,
    parts: &OF_PARTS,
    predefined: predefined(&OF_DEFAULT, OF_DEFAULT_LOG, &OF_PARTS),
    predefined_log: OF_DEFAULT_LOG,
};
/// Match lengths.
pub static ML: Alphabet<LENGTHS_TABLE> = Alphabet {
    max_code: ML_MAX_CODE,
    max_log: ML_MAX_LOG,
    parts: &ML_PARTS,
    predefined: predefined(&ML_DEFAULT, ML_DEFAULT_LOG, &ML_PARTS),
    predefined_log: ML_DEFAULT_LOG,
};
const _: () = assert!(LENGTHS_TABLE == 1 << LL_MAX_LOG && LENGTHS_TABLE == 1 << ML_MAX_LOG);
const _: () = assert!(OFFSETS_TABLE == 1 << OF_MAX_LOG);

/// Where the table is that a block with the mode "repeat" uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    None,
    Predefined,
    Dict,
    /// In the decoder, with this log; 0 for the one code of the mode RLE.
    Own(u32),
}

/// One of the three tables, from block to block.
pub struct SequenceTable<'s, 'd, const N: usize> {
    alphabet: &'static Alphabet<N>,
    own: &'s mut [u64; N],
    dict: Option<(&'d [u64; N], u32)>,
    source: Source,
}

impl<'s, 'd, const N: usize> SequenceTable<'s, 'd, N> {
    /// Starts a stream; `dict` is the dictionary's table and its log.
    pub fn new(alphabet: &'static Alphabet<N>, own: &'s mut [u64; N], dict: Option<(&'d [u64; N], u32)>) -> Self {
        let mut table = SequenceTable { alphabet, own, dict, source: Source::None };
        table.start_frame();
        table
    }

    /// Forgets the tables of the last frame.
    pub fn start_frame(&mut self) {
        self.source = if self.dict.is_some() { Source::Dict } else { Source::None };
    }

    /// Reads the description that `mode` asks for at the beginning of `src`, and returns its length.
    fn read(&mut self, mode: u8, src: &[u8]) -> Result<usize, Error> {
        match mode {
            MODE_PREDEFINED => {
                self.source = Source::Predefined;
                Ok(0)
            }
            MODE_RLE => {
                let &code = src.first().ok_or(Error::Corrupt)?;
                if code > self.alphabet.max_code {
                    return Err(Error::Corrupt);
                }
                self.own[0] = self.alphabet.parts[usize::from(code)];
                self.source = Source::Own(0);
                Ok(1)
            }
            MODE_FSE => {
                let mut norm = [0i16; ML_MAX_CODE as usize + 1];
                let norm = &mut norm[..=usize::from(self.alphabet.max_code)];
                let found = fse_decode::read(src, norm, self.alphabet.max_log)?;
                fse_decode::build(&norm[..found.symbols], found.log, self.alphabet.parts, self.own);
                self.source = Source::Own(found.log);
                Ok(found.len)
            }
            _ if self.source == Source::None => Err(Error::Corrupt),
            _ => Ok(0),
        }
    }

    /// The table of the current block.
    pub fn entries(&self) -> Entries<'_, N> {
        let predefined = (&self.alphabet.predefined, self.alphabet.predefined_log);
        let (entries, log) = match self.source {
            Source::Own(log) => (&*self.own, log),
            Source::Dict => self.dict.unwrap_or(predefined),
            Source::Predefined | Source::None => predefined,
        };
        Entries { entries, log }
    }
}

/// The three tables.
pub struct Tables<'s, 'd> {
    /// Literals lengths.
    pub ll: SequenceTable<'s, 'd, LENGTHS_TABLE>,
    /// Offsets.
    pub of: SequenceTable<'s, 'd, OFFSETS_TABLE>,
    /// Match lengths.
    pub ml: SequenceTable<'s, 'd, LENGTHS_TABLE>,
}

impl Tables<'_, '_> {
    /// Forgets the tables of the last frame.
    pub fn start_frame(&mut self) {
        self.ll.start_frame();
        self.of.start_frame();
        self.ml.start_frame();
    }

    /// Reads the header at the beginning of `src`, makes the tables that it describes, and returns the number of
    /// sequences and the length of the header; the bit stream is what follows.
    ///
    /// # Errors
    /// `Corrupt`: cut off, a reserved bit, a damaged table, "repeat" with nothing to repeat, or bytes behind a count of 0.
    pub fn read_header(&mut self, src: &[u8]) -> Result<(usize, usize), Error> {
        let &head = src.first().ok_or(Error::Corrupt)?;
        let more = |at: usize| src.get(at).map(|&byte| usize::from(byte)).ok_or(Error::Corrupt);
        let (count, mut at) = match head {
            0..=127 => (usize::from(head), 1),
            128..=254 => (((usize::from(head) - 128) << 8) + more(1)?, 2),
            255 => (more(1)? + (more(2)? << 8) + LONG_COUNT, 3),
        };
        if count == 0 {
            return if at == src.len() { Ok((0, at)) } else { Err(Error::Corrupt) };
        }
        let modes = more(at)? as u8;
        at += 1;
        if modes & 3 != 0 {
            return Err(Error::Corrupt);
        }
        at += self.ll.read(modes >> 6, &src[at..])?;
        at += self.of.read(modes >> 4 & 3, &src[at..])?;
        at += self.ml.read(modes >> 2 & 3, &src[at..])?;
        Ok((count, at))
    }
}
