//! The header of a sequences section (RFC 8878, section 3.1.1.3.2.1): the cheapest mode of each table. The bit stream behind it is
//! another kernel's.

use super::super::phases::{Moment, Phase};
use super::super::zstd_seq_encode::{Codes, Entry, SYMBOLS, SeqTable, Tables};
use super::codes::{self, Repeats};
use super::fse::{self, Counts, FixedTable, HEADER_MAX, MIN_LOG, Priced, mask_of};
use super::literals::put;
use super::{Isa, presets};
use crate::base::format::zstd::{
    LL_DEFAULT, LL_DEFAULT_LOG, LL_MAX_LOG, ML_DEFAULT, ML_DEFAULT_LOG, ML_MAX_LOG, MODE_FSE, MODE_PREDEFINED,
    MODE_REPEAT, MODE_RLE, OF_DEFAULT, OF_DEFAULT_LOG, OF_MAX_LOG,
};

/// The predefined tables of literals length, offset and match length.
static PREDEFINED: [FixedTable<64>; 3] = [
    FixedTable::new(&LL_DEFAULT, LL_DEFAULT_LOG),
    FixedTable::new(&OF_DEFAULT, OF_DEFAULT_LOG),
    FixedTable::new(&ML_DEFAULT, ML_DEFAULT_LOG),
];
const MAX_LOGS: [u32; 3] = [LL_MAX_LOG, OF_MAX_LOG, ML_MAX_LOG];

/// The tables of a block, in scratch memory.
#[derive(Clone, Copy)]
pub struct Slots {
    /// The tables.
    pub tables: Tables,
    /// Per symbol, its cost, where another block follows.
    cost: [[u16; SYMBOLS]; 3],
    /// A bit for each symbol that has a place.
    used: [u64; 3],
}

impl Slots {
    /// A table as an encoder uses it.
    pub fn view(&self, kind: usize) -> Priced<'_> {
        let Tables { symbols, states, logs } = &self.tables;
        let table = SeqTable { states: &states[kind], symbols: &symbols[kind], log: logs[kind] };
        Priced { table, cost: &self.cost[kind], used: self.used[kind] }
    }

    /// Takes over a ready-made table.
    #[inline(always)]
    fn copy(&mut self, kind: usize, from: Priced<'_>) {
        let states = &mut self.tables.states[kind];
        if from.table.log <= 6 {
            // Which presets are: all at once.
            if let (Some(to), Some(from)) = (states.first_chunk_mut::<64>(), from.table.states.first_chunk::<64>()) {
                *to = *from;
            }
        } else {
            states[..1 << from.table.log].copy_from_slice(&from.table.states[..1 << from.table.log]);
        }
        self.tables.symbols[kind] = *from.table.symbols;
        self.tables.logs[kind] = from.table.log;
        self.cost[kind] = *from.cost;
        self.used[kind] = from.used;
    }

    /// Makes the table of a single code, which needs no bits.
    fn single(&mut self, kind: usize, code: usize) {
        self.tables.symbols[kind][code & (SYMBOLS - 1)] = Entry::default();
        self.tables.states[kind][0] = 0;
        self.tables.logs[kind] = 0;
        self.used[kind] = 0;
    }
}

/// The sequences of a block, and what is asked for.
pub struct Job<'a> {
    /// Sequences that [`super::super::zstd_seq_encode::pack`] made, with room for a multiple of [`codes::GROUP`] and a group more;
    /// afterwards their extra bits.
    pub sequences: &'a mut [u64],
    /// How many there are.
    pub count: usize,
    /// Room for as many codes.
    pub codes: &'a mut [Codes],
    /// Room for twice as many numbers.
    pub values: &'a mut [u32],
    /// The repeated offsets before the block; moved on.
    pub repeats: [u32; 3],
    /// The tables that a repeat mode would use.
    pub prior: [Option<Priced<'a>>; 3],
    /// Where the tables of the block go.
    pub slots: &'a mut Slots,
    /// Bytes by which a table of the block's own must be smaller than the best ready-made one.
    pub margin: u32,
    /// Whether to find every repeated offset, and not just where that is easy.
    pub all_repeats: bool,
    /// Whether another block follows, which may use the tables: then their costs are wanted.
    pub goes_on: bool,
}

/// What precedes the bit stream, as written.
pub struct Section {
    /// Its bytes, more than the destination has if it did not fit.
    pub len: usize,
    /// The mode of each table: literals length, offset, match length.
    pub modes: [u8; 3],
}

/// [`Job::margin`] from which on most blocks are told by a bound of the entropy: that of levels below 0. Above, where it is a few bytes, a
/// bound tells none.
const QUICK_MARGIN: u32 = 16;

/// [`Job::margin`], and [`Job::goes_on`].
#[derive(Clone, Copy)]
struct Wanted {
    margin: u32,
    costs: bool,
}

/// Makes the tables of a block and writes what precedes its bit stream to `dst`, as far as it fits there.
///
/// # Safety
/// Invariant I of [`crate::kernel`] for `I`.
#[inline(always)]
pub unsafe fn write<I: Isa>(job: &mut Job<'_>, dst: &mut [u8]) -> Section {
    let n = job.count;
    let (count, mut at) = count_field(n);
    put(dst, 0, &count[..at]);
    if n == 0 {
        return Section { len: at, modes: [MODE_PREDEFINED; 3] };
    }
    let modes_at = at;
    at += 1;
    let moment = Moment::now();
    let Job { sequences, codes, values, prior, slots, margin, goes_on, .. } = job;
    let wanted = Wanted { margin: *margin, costs: *goes_on };
    // SAFETY: invariant I is the caller's.
    let counts = unsafe {
        let all = job.all_repeats || *goes_on;
        let repeats = if all { Repeats::All(&mut job.repeats) } else { Repeats::Most(job.repeats) };
        codes::codes::<I>(sequences, n, values, codes, repeats)
    };
    let moment = moment.ends(Phase::Codes);

    let mut modes = [0; 3];
    for kind in 0..3 {
        let of = counts[kind];
        let counts = Counts { of, used: mask_of(&of), total: n as u32 };
        let mut header = [0; HEADER_MAX];
        let (mode, len) = choose(kind, &counts, prior[kind], slots, wanted, &mut header);
        put(dst, at, &header[..len]);
        at += len;
        modes[kind] = mode;
    }
    put(dst, modes_at, &[modes[0] << 6 | modes[1] << 4 | modes[2] << 2]);
    moment.ends(Phase::Tables);
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

/// Makes the cheapest table of one kind, and returns its mode and how many bytes of `header` describe it.
#[inline(always)]
fn choose(
    kind: usize,
    counts: &Counts,
    prior: Option<Priced<'_>>,
    slots: &mut Slots,
    wanted: Wanted,
    header: &mut [u8; HEADER_MAX],
) -> (u8, usize) {
    // Bits in 1/256, as all costs here.
    let mut best = PREDEFINED[kind].view();
    let mut cheapest = best.cost_of(counts);
    let mut mode = MODE_PREDEFINED;
    if let Some(prior) = prior {
        let cost = prior.cost_of(counts);
        if cost < cheapest {
            (best, cheapest, mode) = (prior, cost, MODE_REPEAT);
        }
    }
    if counts.used.is_power_of_two() {
        if cheapest <= 8 << 8 {
            // Of a code without a place the cost is more.
            slots.copy(kind, best);
            return (mode, 0);
        }
        let code = counts.used.trailing_zeros();
        slots.single(kind, code as usize);
        header[0] = code as u8;
        return (MODE_RLE, 1);
    }
    let (preset, cost) = presets::cheapest(kind, counts);
    if cost < cheapest {
        (best, cheapest, mode) = (presets::of(kind, preset).view(), cost, MODE_FSE);
    }
    // With less to win there is nothing to try.
    let target = cheapest.saturating_sub(wanted.margin << 11);
    if (wanted.margin < QUICK_MARGIN || fse::entropy_bound(counts) < target) && fse::least(counts) < target {
        let log = accuracy(counts.total, counts.used.count_ones()).min(MAX_LOGS[kind]);
        let mut norm = [0; SYMBOLS];
        fse::normalise(counts, log, &mut norm);
        let (len, bits) = fse::describe(counts, &norm, log, header);
        if bits + ((len as u32 + wanted.margin) << 11) < cheapest {
            let Tables { symbols, states, logs } = &mut slots.tables;
            fse::build(&norm, counts.used, log, &mut states[kind], &mut symbols[kind]);
            (logs[kind], slots.used[kind]) = (log, counts.used);
            if wanted.costs {
                fse::costs(&norm, log, &mut slots.cost[kind]);
            }
            return (MODE_FSE, len);
        }
    }
    assert!(counts.used & !best.used == 0, "every code has a place");
    slots.copy(kind, best);
    (mode, if mode == MODE_FSE { presets::describe(kind, preset, header) } else { 0 })
}

/// Returns the accuracy log for `n` codes of `used` kinds: 6 at most below 1024 codes, as larger tables cost more than
/// they win on a page.
fn accuracy(n: u32, used: u32) -> u32 {
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
