//! The header of the sequences section (RFC 8878 section 3.1.1.3.2.1).

use super::fse_decode::{self, LL_PARTS, LL_PREDEFINED, ML_PARTS, ML_PREDEFINED, OF_PARTS, OF_PREDEFINED};
use crate::base::Error;
use crate::base::format::zstd::{
    LL_MAX_CODE, LL_MAX_LOG, ML_MAX_CODE, ML_MAX_LOG, MODE_FSE, MODE_PREDEFINED, MODE_RLE, OF_MAX_CODE, OF_MAX_LOG,
};

/// Counts from here on take two more bytes.
const LONG_COUNT: usize = 0x7F00;

/// What one of the three tables is about.
pub struct Alphabet {
    /// Largest code.
    pub max_code: u8,
    /// Largest accuracy log.
    pub max_log: u32,
    /// The codes' parts of the entries.
    pub parts: &'static [u64],
    /// The table of the predefined distribution.
    pub predefined: &'static [u64],
}

/// Literals lengths.
pub static LL: Alphabet =
    Alphabet { max_code: LL_MAX_CODE, max_log: LL_MAX_LOG, parts: &LL_PARTS, predefined: &LL_PREDEFINED };
/// Offsets.
pub static OF: Alphabet =
    Alphabet { max_code: OF_MAX_CODE, max_log: OF_MAX_LOG, parts: &OF_PARTS, predefined: &OF_PREDEFINED };
/// Match lengths.
pub static ML: Alphabet =
    Alphabet { max_code: ML_MAX_CODE, max_log: ML_MAX_LOG, parts: &ML_PARTS, predefined: &ML_PREDEFINED };

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
pub struct SequenceTable<'s, 'd> {
    alphabet: &'static Alphabet,
    own: &'s mut [u64],
    dict: Option<&'d [u64]>,
    source: Source,
}

impl<'s, 'd> SequenceTable<'s, 'd> {
    /// Starts a stream; `own` has `1 << alphabet.max_log` places, `dict` is the dictionary's table.
    pub fn new(alphabet: &'static Alphabet, own: &'s mut [u64], dict: Option<&'d [u64]>) -> Self {
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
    pub fn entries(&self) -> &[u64] {
        match self.source {
            Source::Own(log) => &self.own[..1 << log],
            Source::Dict => self.dict.unwrap_or(&[]),
            Source::Predefined | Source::None => self.alphabet.predefined,
        }
    }
}

/// The three tables.
pub struct Tables<'s, 'd> {
    /// Literals lengths.
    pub ll: SequenceTable<'s, 'd>,
    /// Offsets.
    pub of: SequenceTable<'s, 'd>,
    /// Match lengths.
    pub ml: SequenceTable<'s, 'd>,
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
            128..=254 => ((usize::from(head) - 128 << 8) + more(1)?, 2),
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
