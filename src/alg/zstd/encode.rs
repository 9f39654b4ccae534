//! Frames and blocks, encoding side (RFC 8878, sections 3.1.1.1 and 3.1.1.2).
//!
//! A source of up to 64 KiB is one block in a frame of a single segment. A longer one is cut into blocks of 64 KiB under a
//! window of that size, so that 16-bit positions serve every length.

use super::dict::Dict;
use super::encode_dict::{EncodeDict, Tables};
use super::{DEFAULT_LEVEL, Format, MAX_LEVEL, MIN_LEVEL};
use crate::base::format::zstd::{BLOCK_COMPRESSED, BLOCK_RAW, BLOCK_RLE, FIRST_REPEATS, MAGIC, MODE_FSE, MODE_REPEAT};
use crate::base::page::PAGE_SIZE;
use crate::base::{Backend, Error};
use crate::dispatch::Table;
use crate::kernel::arena::Arena;
use crate::kernel::phases::{Moment, Phase};
use crate::kernel::zstd_encode::codes::GROUP;
use crate::kernel::zstd_encode::fse::Priced;
use crate::kernel::zstd_encode::literals::{Effort, put};
use crate::kernel::zstd_encode::sequences::{self, Slots};
use crate::kernel::zstd_match::dense::DenseTables;
use crate::kernel::zstd_match::lanes::{self, Pace};
use crate::kernel::zstd_match::optimal;
use crate::kernel::zstd_match::{Job, LITERALS_SLACK, MIN_MATCH, Parse, WINDOW};
use crate::kernel::zstd_seq_encode::Codes;

/// Bytes of a block before it is compressed.
const BLOCK: usize = 1 << 16;
/// Bytes of a block's header.
const BLOCK_HEADER: usize = 3;
/// Magic number, descriptor, window, dictionary's number, content size.
const HEADER_MAX: usize = 18;
/// Fewest bytes that can get smaller: a compressed block has 3 bytes or more of its own besides literals.
const COMPRESSIBLE: usize = 8;

/// A match finder of one line: for backends without vectors and for sources with a dictionary.
#[derive(Clone, Copy)]
enum Line {
    /// Greedy, with the bytes of its key and of its steps.
    Fast { key: u32, step: usize },
    /// With two tables; looks `look` bytes further for a better match.
    Dense { look: usize },
}

/// A match finder.
#[derive(Clone, Copy)]
enum Finder {
    Line(Line),
    Lanes(Pace),
    Optimal(optimal::Effort),
}

#[derive(Clone, Copy)]
struct Level {
    /// In lanes, if the level has such a finder.
    lanes: Option<Pace>,
    /// Likewise, for all backends.
    optimal: Option<optimal::Effort>,
    line: Line,
    /// With a dictionary.
    dict_line: Line,
    effort: Effort,
    /// [`sequences::Job::margin`].
    margin: u32,
    /// [`sequences::Job::all_repeats`].
    all_repeats: bool,
}

impl Level {
    /// The finder for a backend, with a dictionary or without.
    fn finder(&self, backend: Backend, has_dict: bool) -> Finder {
        match (self.lanes, self.optimal) {
            (Some(pace), _) if backend != Backend::Scalar && !has_dict => Finder::Lanes(pace),
            (_, Some(effort)) if !has_dict => Finder::Optimal(effort),
            _ if has_dict => Finder::Line(self.dict_line),
            _ => Finder::Line(self.line),
        }
    }
}

/// Literals below this number are one stream: four cost 8 bytes more and are faster to decode.
const FOUR_STREAMS: usize = 512;

/// Returns what a level does.
///
/// Below level 0 fewer positions are looked up, and literals are coded where that saves much; above level 2 there are two candidates
/// for each, and from level 7 on the cheapest parse with up to eight.
const fn level_of(level: i32) -> Level {
    // On pages, each of levels -5 to -2 takes 6 % more time than the one before, for 2.5 to 4 % of the size. At level 1, 5000, 6500 and
    // 8000 give 0.9932, 0.9949 and 0.9971 of libzstd's size in 1.5, 3 and 4.5 % less time than coding those of all pages with 320 or more,
    // which gives 0.9917; with 6000, the code without vectors is at libzstd's size.
    let worth = match level {
        ..=-5 => 56_000,
        -4 => 40_000,
        -3 | -1 => 30_000,
        -2 => 20_000,
        0 | 1 => 5000,
        2 => 2000,
        _ => 0,
    };
    let four_streams = if level >= 3 { 1024 } else { FOUR_STREAMS };
    let margin = match level {
        ..=-1 => 48,
        0..=2 => 4,
        _ => 0,
    };
    let (lanes, line) = match level {
        ..=-5 => (Some(Pace::SecondPlain), Line::Fast { key: 6, step: 3 }),
        -4 => (Some(Pace::SecondPlain), Line::Fast { key: 6, step: 3 }),
        -3 | -2 => (Some(Pace::SecondPlain), Line::Fast { key: 6, step: 2 }),
        -1 => (Some(Pace::Second), Line::Fast { key: 6, step: 1 }),
        0 | 1 => (Some(Pace::Every), Line::Fast { key: 5, step: 1 }),
        2 => (Some(Pace::EveryAhead), Line::Fast { key: 5, step: 1 }),
        3 => (Some(Pace::Pairs), Line::Dense { look: 0 }),
        4 => (Some(Pace::PairsAhead), Line::Dense { look: 0 }),
        5 => (None, Line::Dense { look: 1 }),
        _ => (None, Line::Dense { look: 2 }),
    };
    let optimal = match level {
        ..=6 => None,
        7 => Some(optimal::Effort { ways: 4, passes: 1, enough: 8 }),
        8 => Some(optimal::Effort { ways: 4, passes: 1, enough: 9 }),
        9 => Some(optimal::Effort { ways: 4, passes: 1, enough: 10 }),
        10 => Some(optimal::Effort { ways: 4, passes: 1, enough: optimal::STEP }),
        11 => Some(optimal::Effort { ways: 8, passes: 1, enough: optimal::STEP }),
        _ => Some(optimal::Effort { ways: 8, passes: 2, enough: optimal::STEP }),
    };
    Level {
        lanes,
        optimal,
        line,
        // Who has a dictionary wants small frames, and pages that lanes make smaller without one.
        dict_line: if matches!(level, 0..=2) { Line::Dense { look: 0 } } else { line },
        effort: Effort { worth, four_streams, weights_margin: if level <= 1 { 8 } else { 2 } },
        margin,
        all_repeats: level >= 0,
    }
}

/// Log2 of the entries of a hash table: one for each byte of the block, within limits.
const fn table_log(block: usize, most: u32) -> u32 {
    let log = block.next_power_of_two().trailing_zeros();
    if log < 8 {
        8
    } else if log > most {
        most
    } else {
        log
    }
}

/// Entries of the two tables of a finder of one line, for blocks of up to `block` bytes.
const fn table_lens(line: Line, block: usize) -> [usize; 2] {
    match line {
        Line::Fast { .. } => [1 << table_log(block, 14), 0],
        Line::Dense { .. } => [1 << table_log(block, 15); 2],
    }
}

/// Words of scratch of a finder, for sources of up to `max_len` bytes.
fn finder_words(finder: Finder, max_len: usize) -> usize {
    match finder {
        Finder::Line(line) => table_lens(line, max_len.min(BLOCK)).map(Arena::words_for::<u16>).iter().sum(),
        Finder::Lanes(pace) => lanes::words(max_len, pace),
        Finder::Optimal(effort) => optimal::words(max_len, effort.ways),
    }
}

/// Returns the longest frame of a source of `len` bytes.
///
/// `len` is at most [`i32::MAX`].
pub fn bound(len: usize) -> usize {
    HEADER_MAX + len + BLOCK_HEADER * len.div_ceil(BLOCK).max(1)
}

/// Returns the 8-byte words of scratch that [`compress`] needs at `level` for sources of up to `max_len` bytes.
pub fn encode_words(max_len: usize, level: i32) -> usize {
    let block = max_len.min(BLOCK);
    let sequences = (block / MIN_MATCH + 1).next_multiple_of(GROUP) + GROUP;
    let level = level_of(level);
    let lanes = level.lanes.map_or(0, |pace| finder_words(Finder::Lanes(pace), max_len));
    let optimal = level.optimal.map_or(0, |effort| finder_words(Finder::Optimal(effort), max_len));
    let line =
        finder_words(Finder::Line(level.line), max_len).max(finder_words(Finder::Line(level.dict_line), max_len));
    lanes.max(optimal).max(line)
        + Arena::words_for::<u64>(sequences)
        + Arena::words_for::<Codes>(sequences)
        + Arena::words_for::<u32>(2 * sequences)
        + Arena::words_for::<u8>(block + LITERALS_SLACK)
        + 2 * Arena::words_for::<Slots>(1)
        + 2 * Arena::words_for::<u16>(256)
}

/// Where the table of a repeat mode would come from.
#[derive(Clone, Copy)]
enum Prior {
    Nowhere,
    Dictionary,
    Block,
}

/// What one block leaves to the next, and the room of a block's parts.
struct State<'s> {
    repeats: [u32; 3],
    /// What the finder keeps from block to block.
    finder: &'s mut [u64],
    sequences: &'s mut [u64],
    codes: &'s mut [Codes],
    values: &'s mut [u32],
    literals: &'s mut [u8],
    slots: &'s mut Slots,
    slots_before: &'s mut Slots,
    fse_prior: [Prior; 3],
    tree: &'s mut [u16; 256],
    tree_before: &'s mut [u16; 256],
    tree_prior: Prior,
}

/// Takes exactly `N` elements.
fn take<'s, T: crate::kernel::arena::Plain, const N: usize>(arena: &mut Arena<'s>) -> &'s mut [T; N] {
    match arena.take::<T>(N).first_chunk_mut::<N>() {
        Some(array) => array,
        None => unreachable!("the slice has N elements"),
    }
}

/// Takes one element.
fn take_one<'s, T: crate::kernel::arena::Plain>(arena: &mut Arena<'s>) -> &'s mut T {
    let [one] = take::<T, 1>(arena);
    one
}

impl<'s> State<'s> {
    fn new(scratch: &'s mut [u64], finder: Finder, dict: Option<&EncodeDict>, len: usize) -> Self {
        let block = len.min(BLOCK);
        let count = (block / MIN_MATCH + 1).next_multiple_of(GROUP) + GROUP;
        let mut arena = Arena::new(scratch);
        let memory = arena.take(finder_words(finder, len));
        // Other finders clear it for the first block, which they do not see where its bytes are all the same.
        if matches!(finder, Finder::Line(_)) || len > BLOCK {
            memory.fill(0);
        }
        let (slots, slots_before) = (take_one(&mut arena), take_one(&mut arena));
        let from = if dict.is_some_and(|d| d.tables().is_some()) { Prior::Dictionary } else { Prior::Nowhere };
        State {
            repeats: dict.map_or(FIRST_REPEATS, EncodeDict::repeats),
            finder: memory,
            sequences: arena.take(count),
            codes: arena.take(count),
            values: arena.take(2 * count),
            literals: arena.take(block + LITERALS_SLACK),
            slots,
            slots_before,
            fse_prior: [from; 3],
            tree: take(&mut arena),
            tree_before: take(&mut arena),
            tree_prior: from,
        }
    }
}

/// Writes `src` to `dst` as one frame; returns its length.
///
/// The frame has the size of its content and no checksum; one in the standard format also has the number of the
/// dictionary, if that has one. It depends on the source, the level and the dictionary, on nothing else. `scratch` has
/// [`encode_words`] words or more and may hold anything. Does not allocate.
///
/// # Errors
/// [`Error::Invalid`] for a level out of range; [`Error::NoSpace`] if, and only if, the frame is longer than `dst`.
pub fn compress(
    table: Table,
    scratch: &mut [u64],
    level: i32,
    dict: Option<&Dict>,
    format: Format,
    src: &[u8],
    dst: &mut [u8],
) -> Result<usize, Error> {
    if !(MIN_LEVEL..=MAX_LEVEL).contains(&level) {
        return Err(Error::Invalid);
    }
    let number = if level == 0 { DEFAULT_LEVEL } else { level };
    let mut level = level_of(number);
    if dict.is_some() {
        level.margin = 0;
        level.effort.weights_margin = 0;
        if number >= -1 {
            level.effort.worth = 0;
        }
    }
    let dict = dict.map(Dict::encode_part);
    let id = dict.map_or(0, EncodeDict::id);
    let (header, mut at) = frame_header(src.len(), id, format);
    dst.get_mut(..at).ok_or(Error::NoSpace)?.copy_from_slice(&header[..at]);
    let finder = level.finder(table.backend(), dict.is_some());
    if matches!(finder, Finder::Lanes(Pace::Every)) && src.len() >= lanes::LONG {
        // 2 % of the time for 0.7 % of the size.
        level.all_repeats = false;
    }
    if number < 0 {
        // What it is for a page.
        level.effort.worth *= (src.len() / PAGE_SIZE).clamp(1, BLOCK / PAGE_SIZE);
    } else if src.len() >= lanes::LONG {
        level.effort.worth = 0;
    }
    let mut state = State::new(scratch, finder, dict, src.len());
    let mut start = 0;
    loop {
        let end = src.len().min(start + BLOCK);
        let job = Job {
            src,
            start,
            end,
            repeats: state.repeats,
            step: match finder {
                Finder::Line(Line::Fast { step, .. }) => step,
                Finder::Line(Line::Dense { look }) => look,
                Finder::Lanes(_) | Finder::Optimal(_) => 0,
            },
            history: dict.filter(|_| start < WINDOW).map(EncodeDict::history),
        };
        let room = dst.get_mut(at..).unwrap_or_default();
        at += write_block(table, (finder, level), &mut state, dict.and_then(EncodeDict::tables), &job, room)?;
        if end == src.len() {
            return Ok(at);
        }
        start = end;
    }
}

/// Returns the header of a frame and its length.
fn frame_header(len: usize, id: u32, format: Format) -> ([u8; HEADER_MAX], usize) {
    let mut header = [0; HEADER_MAX];
    let mut at = 0;
    let mut add = |bytes: &[u8]| {
        put(&mut header, at, bytes);
        at += bytes.len();
    };
    if format == Format::Standard {
        add(&MAGIC.to_le_bytes());
    }
    let id = if format == Format::Standard { id } else { 0 };
    let id_len = match id {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    };
    let single = len <= WINDOW;
    let size = len as u64;
    // A size of two bytes is written less 256; without a single segment there is no form of one byte.
    let (size_flag, size, size_len) = match size {
        0..=0xff if single => (0, size, 1),
        0x100..=0x100ff if single => (1, size - 0x100, 2),
        0..=0xffff_ffff => (2, size, 4),
        _ => (3, size, 8),
    };
    add(&[size_flag << 6 | u8::from(single) << 5 | [0, 1, 2, 0, 3][id_len]]);
    if !single {
        add(&[((WINDOW.trailing_zeros() - 10) << 3) as u8]);
    }
    add(&id.to_le_bytes()[..id_len]);
    add(&size.to_le_bytes()[..size_len]);
    (header, at)
}

/// Writes one block, the last one if it reaches the end of the source, in the shortest form; returns its length.
fn write_block(
    table: Table,
    (finder, level): (Finder, Level),
    state: &mut State<'_>,
    dict: Option<&Tables>,
    job: &Job<'_>,
    dst: &mut [u8],
) -> Result<usize, Error> {
    let content = &job.src[job.start..job.end];
    let len = content.len();
    let (head, body) = dst.split_at_mut_checked(BLOCK_HEADER).ok_or(Error::NoSpace)?;
    let mut close = |kind: u32, size: usize| {
        let header = u32::from(job.end == job.src.len()) | kind << 1 | (size as u32) << 3;
        head.copy_from_slice(&header.to_le_bytes()[..BLOCK_HEADER]);
    };
    // Not the last byte: of a page that is out of the caches, it comes last.
    if len > 1 && content[0] == content[1] && content[1..] == content[..len - 1] {
        *body.first_mut().ok_or(Error::NoSpace)? = content[0];
        close(BLOCK_RLE, len);
        return Ok(BLOCK_HEADER + 1);
    }
    if len >= COMPRESSIBLE {
        // A compressed block is shorter than its content. What does not fit here is not written at all if the content
        // itself is what does not fit.
        let room = body.len().min(len - 1);
        if let Some(size) = compress_block(table, (finder, level), state, dict, job, &mut body[..room]) {
            close(BLOCK_COMPRESSED, size);
            return Ok(BLOCK_HEADER + size);
        }
    }
    body.get_mut(..len).ok_or(Error::NoSpace)?.copy_from_slice(content);
    close(BLOCK_RAW, len);
    Ok(BLOCK_HEADER + len)
}

/// Writes the sections of a compressed block; returns their length, or `None` if they do not fit `dst`.
///
/// Only a block that is written leaves its repeated offsets and tables to the next.
fn compress_block(
    table: Table,
    (finder, level): (Finder, Level),
    state: &mut State<'_>,
    dict: Option<&Tables>,
    job: &Job<'_>,
    dst: &mut [u8],
) -> Option<usize> {
    let parse = Parse { sequences: state.sequences, literals: state.literals };
    let moment = Moment::now();
    let found = match finder {
        Finder::Line(line) => {
            let mut arena = Arena::new(state.finder);
            let [short, long] = table_lens(line, job.src.len().min(BLOCK)).map(|len| arena.take(len));
            match line {
                Line::Fast { key, .. } => table.zstd_match_fast(job, key, short, parse),
                Line::Dense { .. } => table.zstd_match_dense(job, DenseTables { short, long }, parse),
            }
        }
        Finder::Lanes(pace) => table.zstd_match_lanes(job, pace, state.finder, parse),
        Finder::Optimal(effort) => table.zstd_match_optimal(job, effort, state.finder, parse),
    };
    moment.ends(Phase::Match);
    let prior_tree = match (state.tree_prior, dict) {
        (Prior::Block, _) => Some(&*state.tree_before),
        (Prior::Dictionary, Some(tables)) => Some(&tables.codes),
        _ => None,
    };
    let literals = &state.literals[..found.literals];
    let first = table.zstd_literals(level.effort, literals, prior_tree, state.tree, dst);
    let rest = dst.get_mut(first.len..)?;

    let prior = |kind: usize| -> Option<Priced<'_>> {
        match (state.fse_prior[kind], dict) {
            (Prior::Block, _) => Some(state.slots_before.view(kind)),
            (Prior::Dictionary, Some(tables)) => Some(tables.fse[kind].view()),
            _ => None,
        }
    };
    let prior = [prior(0), prior(1), prior(2)];
    let mut job = sequences::Job {
        sequences: state.sequences,
        count: found.sequences,
        codes: state.codes,
        values: state.values,
        repeats: job.repeats,
        prior,
        slots: state.slots,
        margin: level.margin,
        all_repeats: level.all_repeats,
        goes_on: job.end < job.src.len(),
    };
    let second = table.zstd_sequences(&mut job, rest);
    let repeats = job.repeats;
    let len = first.len + second.len;
    if len > dst.len() {
        return None;
    }

    state.repeats = repeats;
    if first.new_tree {
        core::mem::swap(&mut state.tree, &mut state.tree_before);
        state.tree_prior = Prior::Block;
    }
    if found.sequences != 0 {
        core::mem::swap(&mut state.slots, &mut state.slots_before);
        for (prior, mode) in state.fse_prior.iter_mut().zip(second.modes) {
            // A table that is repeated is among the block's own.
            *prior = if mode == MODE_FSE || mode == MODE_REPEAT { Prior::Block } else { Prior::Nowhere };
        }
    }
    Some(len)
}
