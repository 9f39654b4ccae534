//! The header of the sequences section (RFC 8878 section 3.1.1.3.2.1).

use super::decode::{Stricter, stricter};
use super::dict::DecodeTables;
use crate::base::Error;
use crate::base::format::zstd::{
    LL_BASE, LL_BITS, LL_DEFAULT, LL_MAX_CODE, LL_MAX_LOG, ML_BASE, ML_BITS, ML_DEFAULT, ML_MAX_CODE, ML_MAX_LOG,
    MODE_FSE, MODE_PREDEFINED, MODE_RLE, OF_DEFAULT, OF_MAX_CODE, OF_MAX_LOG,
};
use crate::base::format::zstd_presets;
use crate::dispatch::Table;
use crate::kernel::zstd_decode_presets::Presets;
use crate::kernel::zstd_fse::{Alphabet, Entries, Fixed, Flaw, Own, SYMBOLS, entry};

/// Counts from here on take two more bytes.
const LONG_COUNT: usize = 0x7F00;

/// Places of a decoding table of literals lengths or match lengths.
pub const LENGTHS_TABLE: usize = 1 << LL_MAX_LOG;
/// Places of a decoding table of offsets.
pub const OFFSETS_TABLE: usize = 1 << OF_MAX_LOG;
const _: () = assert!(LL_MAX_LOG == ML_MAX_LOG);

/// What the codes of literals lengths mean.
pub static LL: Alphabet = Alphabet { max_code: LL_MAX_CODE, max_log: LL_MAX_LOG, parts: parts(&LL_BASE, &LL_BITS) };
/// What the codes of match lengths mean.
pub static ML: Alphabet = Alphabet { max_code: ML_MAX_CODE, max_log: ML_MAX_LOG, parts: parts(&ML_BASE, &ML_BITS) };
/// What the codes of offsets mean.
pub static OF: Alphabet = Alphabet {
    max_code: OF_MAX_CODE,
    max_log: OF_MAX_LOG,
    parts: {
        let mut parts = [0; SYMBOLS];
        let mut code = 0;
        while code <= OF_MAX_CODE {
            parts[code as usize] = entry(0, code as u32, 0, 0);
            code += 1;
        }
        parts
    },
};

const fn parts<const N: usize>(base: &[u32; N], bits: &[u8; N]) -> [u64; SYMBOLS] {
    let mut parts = [0; SYMBOLS];
    let mut code = 0;
    while code < N {
        parts[code] = entry(0, bits[code] as u32, 0, base[code]);
        code += 1;
    }
    parts
}

/// The table of a predefined distribution.
pub static LL_PREDEFINED: Fixed<[u64; 64]> = Fixed::<[u64; 64]>::new(&LL_DEFAULT, &LL.parts);
/// See [`LL_PREDEFINED`].
pub static OF_PREDEFINED: Fixed<[u64; 32]> = Fixed::<[u64; 32]>::new(&OF_DEFAULT, &OF.parts);
/// See [`LL_PREDEFINED`].
pub static ML_PREDEFINED: Fixed<[u64; 64]> = Fixed::<[u64; 64]>::new(&ML_DEFAULT, &ML.parts);

/// Literals lengths that are often described.
pub static LL_PRESETS: Presets = Presets::new(&zstd_presets::LL, &LL.parts);
/// Offsets, likewise.
pub static OF_PRESETS: Presets = Presets::new(&zstd_presets::OF, &OF.parts);
/// Match lengths, likewise.
pub static ML_PRESETS: Presets = Presets::new(&zstd_presets::ML, &ML.parts);

/// Where the table is that a block with the mode "repeat" uses.
#[derive(Clone, Copy)]
enum Source<'d> {
    None,
    /// Predefined, or in the dictionary.
    Fixed(Entries<'d>),
    /// In the decoder.
    Own,
}

/// One of the three tables, from block to block.
pub struct SequenceTable<'s, 'd> {
    alphabet: &'static Alphabet,
    predefined: Entries<'static>,
    presets: &'static Presets,
    own: Own<'s>,
    dict: Option<Entries<'d>>,
    source: Source<'d>,
}

impl<'s, 'd> SequenceTable<'s, 'd> {
    fn new(
        alphabet: &'static Alphabet,
        (predefined, presets): (Entries<'static>, &'static Presets),
        memory: &'s mut [u64],
        dict: Option<Entries<'d>>,
    ) -> Self {
        SequenceTable { alphabet, predefined, presets, own: Own::new(memory), dict, source: Source::None }
    }

    /// Forgets the tables of the last frame.
    fn start_frame(&mut self) {
        self.source = self.dict.map_or(Source::None, Source::Fixed);
    }

    /// Reads the description that `mode` asks for at the beginning of `src`, and returns its length.
    fn read(&mut self, table: Table, mode: u8, src: &[u8]) -> Result<usize, Error> {
        match mode {
            MODE_PREDEFINED => {
                self.source = Source::Fixed(self.predefined);
                Ok(0)
            }
            MODE_RLE => {
                let &code = src.first().ok_or(Error::Corrupt)?;
                self.source = Source::Own;
                if self.own.single(code, self.alphabet) { Ok(1) } else { Err(Error::Corrupt) }
            }
            MODE_FSE => {
                if let Some((preset, len)) = self.presets.find(src) {
                    self.source = Source::Fixed(preset.entries());
                    return Ok(len);
                }
                self.source = Source::Own;
                table.zstd_fse_read(&mut self.own, self.alphabet, src).map_err(flawed)
            }
            _ if matches!(self.source, Source::None) => Err(Error::Corrupt),
            _ => Ok(0),
        }
    }

    /// The table of the current block.
    pub fn entries(&self) -> Entries<'_> {
        match self.source {
            Source::Own => self.own.entries(),
            Source::Fixed(entries) => entries,
            Source::None => self.predefined,
        }
    }
}

/// The error for a flaw of a table's description.
pub fn flawed(flaw: Flaw) -> Error {
    match flaw {
        Flaw::Corrupt => Error::Corrupt,
        Flaw::TableEnd => stricter(Stricter::TableEnd),
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

impl<'s, 'd> Tables<'s, 'd> {
    /// Starts a stream; `memory` is for literals lengths, offsets and match lengths, `dict` are the dictionary's tables.
    pub fn new(memory: [&'s mut [u64]; 3], dict: Option<&'d DecodeTables>) -> Self {
        let [ll, of, ml] = memory;
        Tables {
            ll: SequenceTable::new(&LL, (LL_PREDEFINED.entries(), &LL_PRESETS), ll, dict.map(|dict| dict.ll.entries())),
            of: SequenceTable::new(&OF, (OF_PREDEFINED.entries(), &OF_PRESETS), of, dict.map(|dict| dict.of.entries())),
            ml: SequenceTable::new(&ML, (ML_PREDEFINED.entries(), &ML_PRESETS), ml, dict.map(|dict| dict.ml.entries())),
        }
    }

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
    pub fn read_header(&mut self, table: Table, src: &[u8]) -> Result<(usize, usize), Error> {
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
        at += self.ll.read(table, modes >> 6, &src[at..])?;
        at += self.of.read(table, modes >> 4 & 3, &src[at..])?;
        at += self.ml.read(table, modes >> 2 & 3, &src[at..])?;
        Ok((count, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::format::zstd_presets::{COUNT, LOG};

    /// Bits, extra bits, base and value of a state's entry.
    fn fields(entries: Entries<'_>, state: usize) -> (u32, u32, u32, u32) {
        let entry = entries.all()[state];
        (entry as u8 as u32, (entry >> 16) as u8 as u32, (entry >> 48) as u32, (entry >> 24) as u32 & 0xff_ffff)
    }

    #[test]
    fn predefined_tables_are_those_of_appendix_a() {
        // Lines of RFC 8878 appendix A: state, symbol, bits, base.
        for (state, symbol, bits, base) in
            [(0, 0, 4, 0), (1, 0, 4, 16), (17, 25, 5, 32), (40, 26, 5, 32), (43, 0, 4, 48), (63, 32, 6, 0)]
        {
            let want = (bits, u32::from(LL_BITS[symbol]), base, LL_BASE[symbol]);
            assert_eq!(fields(LL_PREDEFINED.entries(), state), want, "LL {state}");
        }
        for (state, symbol, bits, base) in
            [(0, 0, 6, 0), (1, 1, 4, 0), (2, 2, 5, 32), (40, 40, 6, 0), (43, 1, 4, 32), (63, 46, 6, 0)]
        {
            let want = (bits, u32::from(ML_BITS[symbol]), base, ML_BASE[symbol]);
            assert_eq!(fields(ML_PREDEFINED.entries(), state), want, "ML {state}");
        }
        for (state, symbol, bits, base) in [(0, 0, 5, 0), (1, 6, 4, 0), (16, 11, 5, 0), (31, 24, 5, 0)] {
            assert_eq!(fields(OF_PREDEFINED.entries(), state), (bits, symbol, base, 0), "OF {state}");
        }
    }

    fn check<const N: usize>(presets: &Presets, norms: &[[i16; N]; COUNT], alphabet: &Alphabet) {
        for norm in norms {
            let (mut header, len) = zstd_presets::description::<72>(norm, LOG);
            header[len..].fill(0xff);
            let (got, got_len) = presets.find(&header).expect("a preset");
            assert_eq!(got_len, len);
            for table in Table::all() {
                let mut memory = [0; 512];
                let mut own = Own::new(&mut memory);
                assert_eq!(table.zstd_fse_read(&mut own, alphabet, &header), Ok(len));
                assert_eq!(own.entries().all(), got.entries().all());
            }
            assert!(presets.find(&header[..len]).is_some_and(|(_, found)| found == len));
            // No other description is taken for one, nor one that is cut off.
            for cut in 0..len {
                assert!(presets.find(&header[..cut]).is_none());
            }
            for bit in 0..8 * len {
                header[bit / 8] ^= 1 << (bit % 8);
                if let Some((preset, len)) = presets.find(&header) {
                    let mut memory = [0; 512];
                    let mut own = Own::new(&mut memory);
                    assert_eq!(Table::best().zstd_fse_read(&mut own, alphabet, &header), Ok(len));
                    assert_eq!(own.entries().all(), preset.entries().all());
                }
                header[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn presets_are_known_by_what_the_encoder_writes() {
        check(&LL_PRESETS, &zstd_presets::LL, &LL);
        check(&OF_PRESETS, &zstd_presets::OF, &OF);
        check(&ML_PRESETS, &zstd_presets::ML, &ML);
    }
}
