//! The sequences section of a block (RFC 8878, section 3.1.1.3.2): the cheapest mode of each table, then the bit stream.

use super::encode_literals::put;
use super::fse_encode::{self, FixedTable, HEADER_MAX, MIN_LOG, Priced, SINGLE, STATES};
use crate::base::format::zstd::{
    LL_DEFAULT, LL_DEFAULT_LOG, LL_MAX_LOG, ML_DEFAULT, ML_DEFAULT_LOG, ML_MAX_LOG, MODE_FSE, MODE_PREDEFINED,
    MODE_REPEAT, MODE_RLE, OF_DEFAULT, OF_DEFAULT_LOG, OF_MAX_LOG,
};
use crate::dispatch::Table;
use crate::kernel::zstd_seq_encode::{SYMBOLS, SeqTable};

/// The predefined tables of literals length, offset and match length.
static PREDEFINED: [FixedTable; 3] = [
    FixedTable::new(&LL_DEFAULT, LL_DEFAULT_LOG),
    FixedTable::new(&OF_DEFAULT, OF_DEFAULT_LOG),
    FixedTable::new(&ML_DEFAULT, ML_DEFAULT_LOG),
];
const MAX_LOGS: [u32; 3] = [LL_MAX_LOG, OF_MAX_LOG, ML_MAX_LOG];

/// A table of the block at hand, in scratch memory.
pub struct Slot<'s> {
    /// States, [`STATES`] of them.
    pub states: &'s mut [u16],
    /// Per symbol, what [`SeqTable`] says.
    pub symbols: &'s mut [u64; SYMBOLS],
    /// Per symbol, its cost.
    pub cost: &'s mut [u16; SYMBOLS],
    /// Log2 of the states in use.
    pub log: u32,
}

impl Slot<'_> {
    /// The table as an encoder uses it.
    pub fn view(&self) -> Priced<'_> {
        let table = SeqTable { states: self.states, symbols: self.symbols, log: self.log };
        Priced { table, cost: self.cost }
    }
}

/// The sequences of a block.
pub struct Input<'a> {
    /// Extra bits, as the codes kernel leaves them.
    pub extra: &'a [u64],
    /// Codes of literals length, offset and match length.
    pub codes: [&'a [u8]; 3],
    /// Their counts.
    pub counts: &'a [[u32; SYMBOLS]; 3],
}

/// A section as written.
pub struct Section {
    /// Its bytes, more than the destination has if it did not fit.
    pub len: usize,
    /// The mode of each table, in the order of [`Input::codes`].
    pub modes: [u8; 3],
}

/// A mode, and what stands in the section for the table.
struct Choice {
    mode: u8,
    header: [u8; HEADER_MAX],
    header_len: usize,
}

/// Writes the section to `dst` as far as it fits there.
///
/// `prior` holds the tables that a repeat mode would use, `slots` takes the new ones.
pub fn write(
    table: Table,
    input: &Input<'_>,
    prior: [Option<Priced<'_>>; 3],
    slots: &mut [Slot<'_>; 3],
    cells: &mut [u8; STATES],
    dst: &mut [u8],
) -> Section {
    let n = input.extra.len();
    let (count, mut at) = count_field(n);
    put(dst, 0, &count[..at]);
    if n == 0 {
        return Section { len: at, modes: [MODE_PREDEFINED; 3] };
    }
    let modes_at = at;
    at += 1;
    let mut modes = [0; 3];
    for kind in 0..3 {
        let choice = choose(kind, n as u32, &input.counts[kind], prior[kind], &mut slots[kind], cells);
        put(dst, at, &choice.header[..choice.header_len]);
        at += choice.header_len;
        modes[kind] = choice.mode;
    }
    put(dst, modes_at, &[modes[0] << 6 | modes[1] << 4 | modes[2] << 2]);
    let view = |kind: usize| match (modes[kind], prior[kind]) {
        (MODE_RLE, _) => SINGLE,
        (MODE_FSE, _) => slots[kind].view().table,
        (MODE_REPEAT, Some(prior)) => prior.table,
        _ => PREDEFINED[kind].view().table,
    };
    let tables = [view(0), view(1), view(2)];
    let [ll, of, ml] = input.codes;
    let stream = dst.get_mut(at..).unwrap_or_default();
    at += table.zstd_seq_encode(&tables, [ll, of, ml], input.extra, stream);
    Section { len: at, modes }
}

/// The number of sequences, and the bytes it takes.
fn count_field(n: usize) -> ([u8; 3], usize) {
    const LONG: usize = 0x7f00;
    match n {
        0..=0x7f => ([n as u8, 0, 0], 1),
        0x80..LONG => ([(n >> 8) as u8 + 0x80, n as u8, 0], 2),
        _ => ([0xff, (n - LONG) as u8, ((n - LONG) >> 8) as u8], 3),
    }
}

/// Returns the cheapest mode of one table; the slot holds the table if it is [`MODE_FSE`].
fn choose(
    kind: usize,
    n: u32,
    counts: &[u32; SYMBOLS],
    prior: Option<Priced<'_>>,
    slot: &mut Slot<'_>,
    cells: &mut [u8; STATES],
) -> Choice {
    let mut choice = Choice { mode: MODE_PREDEFINED, header: [0; HEADER_MAX], header_len: 0 };
    let last = counts.iter().rposition(|&c| c != 0).unwrap_or(0);
    let counts = &counts[..=last];
    let used = counts.iter().filter(|&&c| c != 0).count();
    // Bits in 1/256, as all costs here.
    let mut cheapest = fse_encode::cost_of(counts, PREDEFINED[kind].view().cost).unwrap_or(u64::MAX);
    if let Some(cost) = prior.and_then(|prior| fse_encode::cost_of(counts, prior.cost))
        && cost < cheapest
    {
        cheapest = cost;
        choice.mode = MODE_REPEAT;
    }
    if used == 1 {
        if cheapest > 8 << 8 {
            choice.mode = MODE_RLE;
            choice.header[0] = last as u8;
            choice.header_len = 1;
        }
        return choice;
    }
    // A header takes 4 bits and a few for each symbol: with less to win there is nothing to try.
    if cheapest <= (4 + 2 * used as u64) << 8 {
        return choice;
    }
    let log = accuracy(n, used).min(MAX_LOGS[kind]);
    let mut norm = [0i16; SYMBOLS];
    let norm = &mut norm[..=last];
    fse_encode::normalise(counts, n, log, norm);
    let mut header = [0; HEADER_MAX];
    let len = fse_encode::write_header(norm, log, &mut header);
    fse_encode::costs(norm, log, slot.cost);
    let cost = fse_encode::cost_of(counts, slot.cost).unwrap_or(u64::MAX).saturating_add((len as u64 * 8) << 8);
    if cost < cheapest {
        fse_encode::build(norm, log, slot.states, slot.symbols, cells);
        slot.log = log;
        choice = Choice { mode: MODE_FSE, header, header_len: len };
    }
    choice
}

/// Returns the accuracy log for `n` codes of `used` kinds: 6 at most below 1024 codes, as larger tables cost more than
/// they win on a page.
fn accuracy(n: u32, used: usize) -> u32 {
    let wanted = match n {
        0..=63 => 5,
        64..=1023 => 6,
        1024..=2047 => 7,
        2048..=4095 => 8,
        _ => 9,
    };
    wanted.max(if used > 1 << MIN_LOG { MIN_LOG + 1 } else { MIN_LOG })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_sequences_is_written_as_a_decoder_reads_it() {
        for n in (0..70_000).step_by(7).chain([127, 128, 0x7eff, 0x7f00, 0x7f01]) {
            let (b, len) = count_field(n);
            let b = b.map(usize::from);
            let read = match b[0] {
                0..128 => (b[0], 1),
                128..255 => ((b[0] - 128) << 8 | b[1], 2),
                _ => (b[1] + (b[2] << 8) + 0x7f00, 3),
            };
            assert_eq!(read, (n, len));
        }
    }
}
