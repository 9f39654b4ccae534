//! One page to its object and back (docs/FORMAT.md).

use super::dict::Dictionary;
use super::params::{Choice, Params};
use super::select::{Selected, select};
use super::stats::{PageCodec, Stats};
#[cfg(feature = "libzstd")]
use crate::alg::libzstd::PageSettings;
use crate::alg::{Codec, lz4, tzp, zstd};
use crate::base::Error;
use crate::base::format::object::{
    CODEC_MASK, DICT_ID_LEN, FLAG_DICT, LZ4, SAME_BYTE, SAME_BYTE_LEN, SAME_WORD, SAME_WORD_LEN, TZP, ZSTD,
};
use crate::base::format::tzp::PAGE;
use crate::kernel::arena::Arena;
use crate::kernel::scratch::Scratch;
use crate::kernel::word::{LINE, prefetch};

/// Levels at which `adaptive` runs LZ4 and Zstandard; its own level decides which of them runs, see `select`.
const ADAPTIVE_LZ4_LEVEL: i32 = lz4::DEFAULT_LEVEL;
const ADAPTIVE_ZSTD_LEVEL: i32 = zstd::DEFAULT_LEVEL;

/// Everything about a stream of pages that is settled, and its counters. One thread at a time compresses with it.
pub struct Context<'d> {
    page_size: usize,
    choice: Choice,
    dict: Option<&'d Dictionary>,
    stats: Stats,
}

/// What an object says of itself without being decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// How the page is held.
    pub codec: PageCodec,
    /// Id of the dictionary that decoding needs, 0 for none.
    pub dict_id: u32,
    /// The repeated word of a same-filled page, else 0.
    pub fill: u64,
}

/// An object, and where its page goes.
pub struct Job<'a> {
    /// The object.
    pub object: &'a [u8],
    /// A page.
    pub dst: &'a mut [u8],
}

/// An object taken apart.
enum Parsed<'o> {
    Raw(&'o [u8]),
    Fill(u64),
    Lz4 { dict_id: u32, block: &'o [u8] },
    Zstd { dict_id: u32, frame: &'o [u8] },
    Tzp(&'o [u8]),
}

fn parse(object: &[u8], page_size: usize) -> Result<Parsed<'_>, Error> {
    if object.len() == page_size {
        return Ok(Parsed::Raw(object));
    }
    let (&tag, rest) = object.split_first().ok_or(Error::Corrupt)?;
    if object.len() > page_size || tag & !(CODEC_MASK | FLAG_DICT) != 0 {
        return Err(Error::Corrupt);
    }
    let (dict_id, payload) = if tag & FLAG_DICT == 0 {
        (0, rest)
    } else {
        let (id, payload) = rest.split_first_chunk::<DICT_ID_LEN>().ok_or(Error::Corrupt)?;
        (u32::from_le_bytes(*id), payload)
    };
    // A dictionary flag means an id, and an id is never 0.
    if (tag & FLAG_DICT != 0) != (dict_id != 0) {
        return Err(Error::Corrupt);
    }
    match (tag & CODEC_MASK, dict_id, payload) {
        (SAME_BYTE, 0, &[byte]) => Ok(Parsed::Fill(u64::from_ne_bytes([byte; 8]))),
        (SAME_WORD, 0, payload) => {
            let word = payload.try_into().map_err(|_| Error::Corrupt)?;
            Ok(Parsed::Fill(u64::from_le_bytes(word)))
        }
        (LZ4, _, block) => Ok(Parsed::Lz4 { dict_id, block }),
        (ZSTD, _, frame) => Ok(Parsed::Zstd { dict_id, frame }),
        (TZP, 0, blocks) => Ok(Parsed::Tzp(blocks)),
        _ => Err(Error::Corrupt),
    }
}

#[cfg(feature = "libzstd")]
fn libzstd_settings(page_size: usize, level: i32, dict: Option<&Dictionary>) -> PageSettings {
    PageSettings { page_size, level, dict_len: dict.map_or(0, |dict| dict.bytes().len()) }
}

/// Writes the object of a same-filled page.
fn store_fill(word: u64, dst: &mut [u8]) -> Result<usize, Error> {
    let bytes = word.to_le_bytes();
    if word == word.rotate_left(8) {
        dst.get_mut(..SAME_BYTE_LEN).ok_or(Error::NoSpace)?.copy_from_slice(&[SAME_BYTE, bytes[0]]);
        return Ok(SAME_BYTE_LEN);
    }
    let object = dst.get_mut(..SAME_WORD_LEN).ok_or(Error::NoSpace)?;
    object[0] = SAME_WORD;
    object[1..].copy_from_slice(&bytes);
    Ok(SAME_WORD_LEN)
}

impl<'d> Context<'d> {
    /// Settles the parameters. Does not allocate.
    ///
    /// # Errors
    /// As [`Choice::new`]; [`Error::Invalid`] for a page size that is none.
    pub fn new(params: &Params<'d>) -> Result<Self, Error> {
        let choice = params.choose()?;
        Ok(Context { page_size: params.page_size, choice, dict: params.dict, stats: Stats::new(params.page_size) })
    }

    /// Returns how many words of scratch [`Context::compress`] and [`Context::decompress`] need.
    ///
    /// # Errors
    /// As [`Context::new`].
    pub fn scratch_words(params: &Params<'_>) -> Result<usize, Error> {
        let choice = params.choose()?;
        let (len, level) = (params.page_size, choice.level);
        let encode = match choice.driver.codec {
            Codec::Lz4 => lz4::encode_words(len, level),
            Codec::Zstd => zstd::encode_words(len, level),
            Codec::Tzp => tzp::encode_words(len, level),
            Codec::Adaptive => {
                let fast = tzp::encode_words(len, tzp::MAX_LEVEL).max(lz4::encode_words(len, ADAPTIVE_LZ4_LEVEL));
                let fast = fast + 2 * Arena::words_for::<u8>(len);
                fast.max(zstd::encode_words(len, ADAPTIVE_ZSTD_LEVEL))
            }
            #[cfg(feature = "libzstd")]
            Codec::Libzstd => libzstd_settings(len, level, params.dict).words(),
            #[cfg(not(feature = "libzstd"))]
            Codec::Libzstd => return Err(Error::Unsupported),
        };
        Ok(encode.max(zstd::decode_words(len)))
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Writes the object of `page` to `dst`; returns its length, at most a page.
    ///
    /// `scratch` has at least [`Context::scratch_words`] words. The object depends on the page and the parameters only.
    /// Never allocates. On failure the contents of `dst` are unspecified.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if the object is longer than `dst` (a page is always enough); [`Error::Invalid`] if `page` is
    /// not a page long.
    pub fn compress(&self, scratch: &mut Scratch, page: &[u8], dst: &mut [u8]) -> Result<usize, Error> {
        if page.len() != self.page_size {
            return Err(Error::Invalid);
        }
        match self.encode(scratch, page, dst) {
            Ok((codec, len)) => {
                self.stats.compressed(codec, len);
                Ok(len)
            }
            Err(error) => {
                self.stats.compress_failed();
                Err(error)
            }
        }
    }

    fn encode(&self, scratch: &mut Scratch, page: &[u8], dst: &mut [u8]) -> Result<(PageCodec, usize), Error> {
        // Asking for a page takes three times as long as finding that it repeats one word. Where the first line says that it does not, a
        // right guess of the branch asks for the rest before that line is there.
        let (words, _) = page[..LINE].as_chunks::<8>();
        let alike = words.iter().all(|word| *word == words[0]);
        if !alike {
            prefetch(page);
        }
        if let Some(word) = self.choice.tables.page.same_fill(page) {
            return Ok((PageCodec::SameFilled, store_fill(word, dst)?));
        }
        if alike {
            prefetch(page);
        }
        // No object is empty.
        if dst.is_empty() {
            return Err(Error::NoSpace);
        }
        let (codec, level) = match self.choice.driver.codec {
            Codec::Adaptive => match select(self.choice.tables.page, self.choice.level, page) {
                Selected::Raw => (None, 0),
                Selected::Zstd => (Some(Codec::Zstd), ADAPTIVE_ZSTD_LEVEL),
                // tzp has no use for a dictionary, and LZ4 has.
                Selected::Fast { .. } if self.dict.is_some() => (Some(Codec::Lz4), ADAPTIVE_LZ4_LEVEL),
                Selected::Fast { tzp_level, limit } => {
                    return self.encode_fast(tzp_level, limit, scratch.words(), page, dst);
                }
            },
            codec => (Some(codec), self.choice.level),
        };
        if let Some(codec) = codec {
            // An object as long as a page would be taken for the page itself.
            let room = dst.len().min(self.page_size - 1);
            match self.encode_with(codec, level, scratch, page, &mut dst[..room]) {
                Ok(done) => return Ok(done),
                Err(Error::NoSpace) => {}
                Err(error) => return Err(error),
            }
        }
        dst.get_mut(..self.page_size).ok_or(Error::NoSpace)?.copy_from_slice(page);
        Ok((PageCodec::Raw, self.page_size))
    }

    /// Writes the object of tzp if it has at most `limit` bytes; else that of LZ4 if that has; else the smaller one of both, or
    /// the page itself. Without a dictionary.
    ///
    /// # Errors
    /// [`Error::NoSpace`]: the object is longer than `dst`.
    fn encode_fast(
        &self,
        tzp_level: i32,
        limit: usize,
        words: &mut [u64],
        page: &[u8],
        dst: &mut [u8],
    ) -> Result<(PageCodec, usize), Error> {
        let (words, spare) = words.split_at_mut(words.len() - 2 * Arena::words_for::<u8>(self.page_size));
        let mut spare = Arena::new(spare);
        let [spare, second] = [(); 2].map(|()| spare.take::<u8>(self.page_size));
        if dst.len() >= self.page_size {
            return Ok(self.encode_fast_at(tzp_level, limit, words, page, &mut dst[..self.page_size], second));
        }
        // What a page becomes must not depend on the room, so it is found out elsewhere.
        let (codec, len) = self.encode_fast_at(tzp_level, limit, words, page, spare, second);
        dst.get_mut(..len).ok_or(Error::NoSpace)?.copy_from_slice(&spare[..len]);
        Ok((codec, len))
    }

    /// [`Context::encode_fast`] into a page of room, with another one to try things in.
    fn encode_fast_at(
        &self,
        tzp_level: i32,
        limit: usize,
        words: &mut [u64],
        page: &[u8],
        dst: &mut [u8],
        second: &mut [u8],
    ) -> (PageCodec, usize) {
        if let Ok(len) = self.encode_tzp(tzp_level, limit, words, page, dst) {
            return (PageCodec::Tzp, len);
        }
        let tables = &self.choice.tables;
        let most = self.page_size - 1;
        dst[0] = LZ4;
        let lz4 =
            lz4::compress(tables.lz4, words, ADAPTIVE_LZ4_LEVEL, None, page, &mut dst[1..most]).map(|len| 1 + len);
        if let Ok(len) = lz4
            && len <= limit
        {
            return (PageCodec::Lz4, len);
        }
        // A limit short of the page, so that one without any structure is given up early again.
        let tzp = self.encode_tzp(tzp_level, most / 16 * 15, words, page, second);
        match (tzp, lz4) {
            (Ok(tzp), lz4) if lz4.is_err() || lz4.is_ok_and(|lz4| tzp < lz4) => {
                dst[..tzp].copy_from_slice(&second[..tzp]);
                (PageCodec::Tzp, tzp)
            }
            (_, Ok(len)) => (PageCodec::Lz4, len),
            _ => {
                dst.copy_from_slice(page);
                (PageCodec::Raw, self.page_size)
            }
        }
    }

    /// Writes the tzp object of a page, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::NoSpace`]: it is longer than `limit` or `dst`.
    fn encode_tzp(
        &self,
        level: i32,
        limit: usize,
        words: &mut [u64],
        page: &[u8],
        dst: &mut [u8],
    ) -> Result<usize, Error> {
        let (tag, body) = dst.split_first_mut().ok_or(Error::NoSpace)?;
        *tag = TZP;
        Ok(1 + tzp::compress(self.choice.tables.tzp, words, level, limit - 1, page, body)?)
    }

    /// Writes tag, dictionary id and stream of one codec.
    fn encode_with(
        &self,
        codec: Codec,
        level: i32,
        scratch: &mut Scratch,
        page: &[u8],
        dst: &mut [u8],
    ) -> Result<(PageCodec, usize), Error> {
        if codec == Codec::Tzp {
            // It has no use for a dictionary: the object is one without.
            let len = self.encode_tzp(level, self.page_size - 1, scratch.words(), page, dst)?;
            return Ok((PageCodec::Tzp, len));
        }
        let (tag, codec_out) = match codec {
            Codec::Lz4 => (LZ4, PageCodec::Lz4),
            _ => (ZSTD, PageCodec::Zstd),
        };
        let head = if self.dict.is_some() { 1 + DICT_ID_LEN } else { 1 };
        let (header, body) = dst.split_at_mut_checked(head).ok_or(Error::NoSpace)?;
        header[0] = tag;
        if let Some(dict) = self.dict {
            header[0] |= FLAG_DICT;
            header[1..].copy_from_slice(&dict.id().to_le_bytes());
        }
        let tables = &self.choice.tables;
        let (lz4_dict, zstd_dict) = (self.dict.map(|d| &d.lz4), self.dict.map(|d| &d.zstd));
        let len = match codec {
            Codec::Lz4 => lz4::compress(tables.lz4, scratch.words(), level, lz4_dict, page, body)?,
            #[cfg(feature = "libzstd")]
            Codec::Libzstd => {
                let dict = self.dict.map(Dictionary::bytes);
                scratch.libzstd(libzstd_settings(page.len(), level, self.dict))?.compress(dict, page, body)?
            }
            _ => zstd::compress(tables.zstd, scratch.words(), level, zstd_dict, zstd::Format::Magicless, page, body)?,
        };
        Ok((codec_out, head + len))
    }

    /// Restores the page of `object` into `dst`, which is a page long.
    ///
    /// `scratch` has at least [`Context::scratch_words`] words. Any context of the same page size decodes any object.
    /// On failure the contents of `dst` are unspecified.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the object is none of this page size or damaged; [`Error::Stale`] if it needs a dictionary
    /// that the context does not have; [`Error::Invalid`] if `dst` is not a page long.
    pub fn decompress(&self, scratch: &mut Scratch, object: &[u8], dst: &mut [u8]) -> Result<(), Error> {
        if dst.len() != self.page_size {
            return Err(Error::Invalid);
        }
        let result = self.decode(scratch, object, dst);
        self.stats.decompressed(result.is_ok());
        result
    }

    /// Restores the pages of `jobs` as [`Context::decompress`] does one, but two of tzp at a time in one loop: both wait for memory
    /// together, and one for what it has just written while the other goes on. A job that fails becomes its error; errors stay.
    pub fn decompress_all<'a>(&self, scratch: &mut Scratch, jobs: &mut [Result<Job<'a>, Error>]) {
        // A page of tzp that has no other yet.
        let mut waiting: Option<(&mut Result<Job<'a>, Error>, &'a [u8])> = None;
        let mut rest = jobs;
        while let Some((job, after)) = core::mem::take(&mut rest).split_first_mut() {
            rest = after;
            // What the next job reads and writes comes while this one is worked on.
            if let Some(Ok(next)) = rest.first() {
                prefetch(next.object);
                prefetch(next.dst);
            }
            let Ok(Job { object, dst }) = job else { continue };
            let object: &'a [u8] = object;
            if dst.len() != PAGE || self.page_size != PAGE {
                self.decompress_job(scratch, job);
                continue;
            }
            prefetch(object);
            let Ok(Parsed::Tzp(block)) = parse(object, PAGE) else {
                self.decompress_job(scratch, job);
                continue;
            };
            match waiting.take() {
                None => waiting = Some((job, block)),
                Some((other, other_block)) => self.decompress_two(other, other_block, job, block),
            }
        }
        if let Some((job, _)) = waiting {
            self.decompress_job(scratch, job);
        }
    }

    /// [`Context::decompress`] for one of several jobs.
    fn decompress_job(&self, scratch: &mut Scratch, job: &mut Result<Job<'_>, Error>) {
        if let Ok(Job { object, dst }) = job
            && let Err(error) = self.decompress(scratch, object, dst)
        {
            *job = Err(error);
        }
    }

    /// Restores two pages of tzp from their blocks.
    fn decompress_two<'a>(
        &self,
        first: &mut Result<Job<'a>, Error>,
        first_block: &[u8],
        second: &mut Result<Job<'a>, Error>,
        second_block: &[u8],
    ) {
        let (Ok(a), Ok(b)) = (&mut *first, &mut *second) else { return };
        let results = self.choice.tables.tzp.tzp_decode_two([first_block, second_block], [&mut *a.dst, &mut *b.dst]);
        for (job, result) in [first, second].into_iter().zip(results) {
            self.stats.decompressed(result.is_ok());
            if let Err(error) = result {
                *job = Err(error);
            }
        }
    }

    fn decode(&self, scratch: &mut Scratch, object: &[u8], dst: &mut [u8]) -> Result<(), Error> {
        prefetch(object);
        let tables = &self.choice.tables;
        let len = match parse(object, self.page_size)? {
            Parsed::Raw(page) => {
                dst.copy_from_slice(page);
                Ok(page.len())
            }
            Parsed::Fill(word) => {
                tables.page.fill(dst, word);
                Ok(dst.len())
            }
            Parsed::Lz4 { dict_id, block } => {
                let dict = self.dictionary(dict_id)?.map(|d| &d.lz4);
                lz4::decompress(tables.lz4, dict, block, dst)
            }
            Parsed::Tzp(blocks) => tzp::decompress(tables.tzp, blocks, dst),
            #[cfg(feature = "libzstd")]
            Parsed::Zstd { dict_id, frame } if self.choice.driver.codec == Codec::Libzstd => {
                let dict = self.dictionary(dict_id)?.map(Dictionary::bytes);
                let settings = libzstd_settings(self.page_size, self.choice.level, self.dict);
                scratch.libzstd(settings)?.decompress(dict, frame, dst)
            }
            Parsed::Zstd { dict_id, frame } => {
                let dict = self.dictionary(dict_id)?.map(|d| &d.zstd);
                zstd::decompress(tables.zstd, scratch.words(), dict, zstd::Format::Magicless, frame, dst)
            }
        };
        match len {
            Ok(len) if len == self.page_size => Ok(()),
            // Too long for a page, too short, or a frame that names a dictionary of its own: no object of ours.
            _ => Err(Error::Corrupt),
        }
    }

    /// The dictionary with this id, if the object needs one.
    fn dictionary(&self, id: u32) -> Result<Option<&'d Dictionary>, Error> {
        match (id, self.dict) {
            (0, _) => Ok(None),
            (id, Some(dict)) if dict.id() == id => Ok(Some(dict)),
            _ => Err(Error::Stale),
        }
    }

    /// Returns what `object` says of itself. The stream inside it is not decoded.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be an object of this page size.
    pub fn info(&self, object: &[u8]) -> Result<Info, Error> {
        Ok(match parse(object, self.page_size)? {
            Parsed::Raw(_) => Info { codec: PageCodec::Raw, dict_id: 0, fill: 0 },
            Parsed::Fill(word) => Info { codec: PageCodec::SameFilled, dict_id: 0, fill: word },
            Parsed::Tzp(_) => Info { codec: PageCodec::Tzp, dict_id: 0, fill: 0 },
            Parsed::Lz4 { dict_id, .. } => Info { codec: PageCodec::Lz4, dict_id, fill: 0 },
            Parsed::Zstd { dict_id, .. } => Info { codec: PageCodec::Zstd, dict_id, fill: 0 },
        })
    }
}
